//! Locks for bare cores: a blocked caller spins.
//!
//! They need nothing but atomics: no operating system, no heap.
//!
//! ```
//! use portunus::spin::Mutex;
//!
//! static TOTAL: Mutex<u64> = Mutex::new(0);
//! *TOTAL.lock() += 1;
//! # assert_eq!(*TOTAL.lock(), 1);
//! ```
//!
//! # Interrupts
//!
//! An interrupt handler may `try_acquire`, `try_lock`, `try_read` and
//! `try_write`, and may release if nobody waits. It must not block, wait for a
//! time, poll or drop a future, convert, or call `waiting`: these take a spin
//! lock that the interrupted code may hold, and the handler would never return.
//! Where handlers share a lock, use the backend `critical`.
//!
//! In debug builds such a handler does not hang in silence: who has relaxed
//! [`PATIENCE`] times on that inner lock ends the program with a panic that
//! names the cause. So does a rule's predicate that uses its own lock. With
//! `Spinning<Spin, 0>` it waits for ever, as in release builds.
//!
//! # Priorities
//!
//! Where a thread of higher priority preempts another on the same core, it must
//! not block on what that one holds, for the same reason: it would spin for
//! ever. Give it a relax strategy that lets the other one run.

use core::fmt;
use core::marker::PhantomData;

use ::spin::relax::RelaxStrategy;

use crate::backend::{Backend, family};
use crate::wait::inner::SpinInner;
use crate::wait::relax::RelaxWait;

pub use crate::wait::inner::PATIENCE;

/// The backend that spins, relaxing by `R` between two looks.
///
/// The names of this module have the strategy [`spin::relax::Spin`]; with
/// another, name the lock by its backend:
///
/// ```
/// struct Doze;
/// impl spin::relax::RelaxStrategy for Doze {
///     fn relax() { /* wait for an event */ }
/// }
/// type Lock<R> = portunus::FifoLock<R, portunus::spin::Spinning<Doze>>;
/// static LOCK: Lock<portunus::rules::Exclusive> = Lock::new(portunus::rules::Exclusive);
/// ```
///
/// [`spin::relax::Spin`]: ::spin::relax::Spin
///
/// `PATIENCE` is how often a debug build relaxes on the inner lock before it
/// takes the wait for a deadlock; 0: it never does.
pub struct Spinning<R = ::spin::relax::Spin, const PATIENCE: u32 = { self::PATIENCE }>(
    PhantomData<fn() -> R>,
);

impl<R: RelaxStrategy + 'static, const PATIENCE: u32> Backend for Spinning<R, PATIENCE> {
    type Inner = SpinInner<R, PATIENCE>;
    type Wait = RelaxWait<R>;
}

impl<R, const PATIENCE: u32> fmt::Debug for Spinning<R, PATIENCE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spinning")
    }
}

family!(Spinning);
