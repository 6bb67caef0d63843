//! Locks for one core without interrupts, and for the tasks of one thread: no
//! inner lock at all.
//!
//! Who uses them vouches that nobody else is there, by an `unsafe impl` of
//! [`Alone`] for a type of its own; every name of this module takes that type.
//!
//! ```
//! use portunus::single::{Alone, Mutex};
//!
//! struct Tasks;
//! // SAFETY: this program has one core and one executor, and no interrupt
//! // handler uses the locks that carry `Tasks`.
//! unsafe impl Alone for Tasks {}
//!
//! static TOTAL: Mutex<u64, Tasks> = Mutex::new(0);
//! *TOTAL.lock() += 1;
//! # assert_eq!(*TOTAL.lock(), 1);
//! ```
//!
//! What waits for whom is the same as elsewhere, and so is the order. What it
//! saves against `critical` is the time with interrupts off.
//!
//! # Interrupts
//!
//! An interrupt handler may call nothing of these locks: not even `try_…`, nor
//! drop a guard.
//!
//! # Blocking
//!
//! Where nobody else can run, what somebody holds is never let go while
//! another one blocks for it: try, or await. In debug builds a blocked caller
//! panics ([`Nobody`]) and leaves the line. With coroutines that a call can
//! switch, name the lock by its backend, and give it a relax strategy that
//! switches:
//!
//! ```
//! use portunus::single::{Alone, Single};
//!
//! struct Coroutines;
//! // SAFETY: one thread, whose coroutines switch in `relax` only.
//! unsafe impl Alone for Coroutines {}
//!
//! struct Switch;
//! impl spin::relax::RelaxStrategy for Switch {
//!     fn relax() { /* let the next coroutine run */ }
//! }
//!
//! type Mutex<T> = lock_api::Mutex<portunus::RawMutex<Single<Coroutines, Switch>>, T>;
//! static TOTAL: Mutex<u64> = Mutex::new(0);
//! # drop(TOTAL.lock());
//! ```

use core::fmt;
use core::marker::PhantomData;

use ::spin::relax::RelaxStrategy;

use crate::backend::{Backend, family};
use crate::wait::relax::RelaxWait;

pub use crate::wait::alone::{Alone, NoLock};

/// The backend without an inner lock, as `V` vouches, relaxing by `R` while
/// blocked.
#[doc(alias = "NoopRawMutex")]
pub struct Single<V, R = Nobody>(PhantomData<fn() -> (V, R)>);

impl<V: Alone, R: RelaxStrategy + 'static> Backend for Single<V, R> {
    type Inner = NoLock<V>;
    type Wait = RelaxWait<R>;
}

impl<V, R> fmt::Debug for Single<V, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Single")
    }
}

/// The relax strategy of one who waits where nobody else can run.
///
/// In debug builds it panics, and the request leaves the line. In release
/// builds it spins, for ever.
#[derive(Debug)]
pub struct Nobody;

impl RelaxStrategy for Nobody {
    #[inline]
    fn relax() {
        if cfg!(debug_assertions) {
            panic!(
                "blocked for what nobody else can let go: on the backend `single`, try or await"
            );
        }
        core::hint::spin_loop();
    }
}

family!(Single<V>, V);
