//! A clock that moves when told to.

use core::fmt;
use core::time::Duration;

use super::Clock;

/// A clock that stands still until [`advance`](Self::advance) moves it: for
/// tests.
///
/// Share it as `&ManualClock` or behind an `Arc`. Not for interrupt handlers: a
/// short spin lock guards the time.
///
/// ```
/// use core::time::Duration;
/// use portunus::Clock;
/// use portunus::clock::ManualClock;
///
/// let clock = ManualClock::new();
/// clock.advance(Duration::from_secs(3));
/// assert_eq!(clock.now(), Duration::from_secs(3));
/// ```
#[doc(alias = "FakeClock")]
#[doc(alias = "FakeRelativeClock")]
#[doc(alias = "MockClock")]
pub struct ManualClock(::spin::mutex::SpinMutex<Duration>);

impl ManualClock {
    /// A clock that shows zero.
    #[must_use]
    pub const fn new() -> Self {
        Self::starting_at(Duration::ZERO)
    }

    /// A clock that shows `time`.
    #[must_use]
    pub const fn starting_at(time: Duration) -> Self {
        Self(::spin::mutex::SpinMutex::new(time))
    }

    /// Moves the clock on by `step`; it stops at [`Duration::MAX`].
    pub fn advance(&self, step: Duration) {
        let mut now = self.0.lock();
        *now = now.saturating_add(step);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        *self.0.lock()
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tuple = f.debug_tuple("ManualClock");
        match self.0.try_lock() {
            Some(now) => tuple.field(&*now).finish(),
            None => tuple.field(&format_args!("<moving>")).finish(),
        }
    }
}
