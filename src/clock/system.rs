//! The monotonic clock of the operating system.

use core::time::Duration;
use std::sync::OnceLock;
use std::time::Instant;

use super::Clock;

/// The monotonic clock of the operating system, counted from its first use in
/// the process.
///
/// ```
/// use portunus::Clock;
/// use portunus::clock::StdClock;
///
/// let before = StdClock.now();
/// assert!(StdClock.now() >= before);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[doc(alias = "time.monotonic")]
pub struct StdClock;

impl Clock for StdClock {
    #[inline]
    fn now(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        let now = Instant::now();
        now.saturating_duration_since(*START.get_or_init(|| now))
    }
}
