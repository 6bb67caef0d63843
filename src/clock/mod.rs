//! Clocks: where time comes from.
//!
//! What measures time here takes any [`Clock`]: `StdClock` on an operating
//! system, [`TickClock`] on a bare core, [`ManualClock`] in a test. None of
//! them waits: waiting takes a sleep future of your choice or blocks the thread.

mod manual;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod shared;
#[cfg(feature = "std")]
mod system;
mod tick;

pub use manual::ManualClock;
#[cfg(feature = "std")]
pub use system::StdClock;
pub use tick::{TickClock, ZeroTick};

use core::time::Duration;

/// A clock that never goes back.
///
/// ```
/// use core::time::Duration;
/// use portunus::Clock;
///
/// /// A counter that the chip keeps.
/// struct Cycles;
///
/// impl Clock for Cycles {
///     fn now(&self) -> Duration {
///         # fn read_the_counter() -> u64 { 84_000_000 }
///         Duration::from_nanos(read_the_counter() * 1_000 / 84)
///     }
/// }
///
/// assert_eq!(Cycles.now(), Duration::from_secs(1));
/// ```
#[doc(alias = "timer")]
#[doc(alias = "Timer")]
#[doc(alias = "monotonic")]
pub trait Clock {
    /// The time since a start that this clock chose once and for all.
    ///
    /// A later call, on whichever thread, gives no earlier time. It does not
    /// block.
    fn now(&self) -> Duration;
}

impl<C: Clock + ?Sized> Clock for &C {
    #[inline]
    fn now(&self) -> Duration {
        (**self).now()
    }
}
