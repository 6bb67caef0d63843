//! When something is due again, however often a sleep ends early.

use core::time::Duration;

use super::sys;

/// A time that began, at the first question, some milliseconds ago.
///
/// A sleep ends by a wake-up that was for somebody else, or by a signal, as
/// often as these come. What is due after so long is due all the same.
#[derive(Debug)]
pub(super) enum Period {
    New,
    Since(u64),
    Over,
}

impl Period {
    /// What is left of `length`. `None`: it is over, and begins anew.
    pub(super) fn left(&mut self, length: Duration) -> Option<Duration> {
        let passed = match *self {
            Self::New => {
                *self = Self::Since(sys::milliseconds());
                Duration::ZERO
            }
            Self::Since(start) => Duration::from_millis(sys::milliseconds().saturating_sub(start)),
            Self::Over => length,
        };
        let left = length.saturating_sub(passed);
        if left.is_zero() {
            *self = Self::New;
            return None;
        }
        Some(left)
    }

    /// All that was left has been slept.
    pub(super) fn end(&mut self) {
        *self = Self::Over;
    }
}
