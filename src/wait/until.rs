//! A limit on the monotonic clock.

use core::time::Duration;
use std::time::Instant;

use super::{Left, Limit};

/// A point on the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Until(Option<Instant>);

impl Until {
    /// So long from now; without a limit where the clock does not reach.
    pub(crate) fn after(timeout: Duration) -> Self {
        Self(Instant::now().checked_add(timeout))
    }

    /// Until then.
    pub(crate) fn at(deadline: Instant) -> Self {
        Self(Some(deadline))
    }
}

impl Limit for Until {
    fn left(&self) -> Left {
        let Some(deadline) = self.0 else { return Left::Unlimited };
        match deadline.checked_duration_since(Instant::now()) {
            None | Some(Duration::ZERO) => Left::Nothing,
            Some(left) => Left::Time(left),
        }
    }
}
