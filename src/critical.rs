//! Locks for main code, tasks and interrupt handlers together: the line is
//! guarded by the chip's critical section.
//!
//! The application chooses the critical section, as the crate
//! `critical-section` explains. A blocked caller spins.
//!
//! ```
//! use portunus::critical::Mutex;
//!
//! static TICKS: Mutex<u32> = Mutex::new(0);
//!
//! // In the handler:
//! if let Some(mut ticks) = TICKS.try_lock() {
//!     *ticks += 1;
//! }
//! // In main code:
//! assert_eq!(*TICKS.lock(), 1);
//! ```
//!
//! # Interrupts
//!
//! What an interrupt handler may call of a lock that the code that it interrupted
//! uses as well:
//!
//! | | a handler may | and must not |
//! |---|---|---|
//! | a lock of this module | `try_…`; release, by the drop of a guard; poll or drop a future, and stand in line with it | block, nor wait for a time: the code that it interrupted could never go on |
//! | a condition variable, a door | `notify_one`, `notify_all` | wait |
//! | [`Accessor`], [`Condition`] | [`try_set`](crate::Accessor::try_set), [`try_notify`](crate::Condition::try_notify) | set, notify, or read: these wait for others who are at the value |
//! | a barrier | [`abort`](crate::StatefulBarrier::abort); poll or drop a future | wait |
//! | a nursery | call its tasks' wakers, and `Sentinel::stop` | |
//! | [`DynamicThrottle`] | all but what sleeps | sleep |
//! | [`CircuitBreaker`](crate::CircuitBreaker), [`ResourceGuard`](crate::ResourceGuard), [`IntCounter`](crate::IntCounter), [`TickClock`](crate::clock::TickClock) | all, in whichever world | |
//! | a lock of [`spin`](crate::spin#interrupts) | `try_…`; release what nobody waits for | anything else |
//! | a lock of [`single`](crate::single#interrupts) | nothing | |
//!
//! The critical section must exclude all cores and handlers that share the
//! lock. Interrupts are off while the rule is asked and up to 16 waiters are
//! let in; `waiting` counts the whole line with interrupts off. Wakers run
//! outside, in whoever released: a handler's release may call a task's waker.

use core::fmt;
use core::marker::PhantomData;

use ::spin::relax::RelaxStrategy;

use crate::backend::{Backend, family};
use crate::wait::critical::CriticalInner;
use crate::wait::relax::RelaxWait;

/// The backend with a critical section, relaxing by `R` while blocked.
#[doc(alias = "CriticalSectionRawMutex")]
pub struct Critical<R = ::spin::relax::Spin>(PhantomData<fn() -> R>);

impl<R: RelaxStrategy + 'static> Backend for Critical<R> {
    type Inner = CriticalInner;
    type Wait = RelaxWait<R>;
}

impl<R> fmt::Debug for Critical<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Critical")
    }
}

family!(Critical);
