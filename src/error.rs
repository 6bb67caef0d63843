//! What can go wrong, as values.

use core::error::Error;
use core::fmt;

/// A request asked for more units than there can ever be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TooMany {
    requested: u32,
    limit: usize,
}

impl TooMany {
    #[inline]
    pub(crate) fn check(requested: u32, limit: usize) -> Result<(), Self> {
        if requested as usize > limit { Err(Self { requested, limit }) } else { Ok(()) }
    }

    /// How many units were asked for.
    #[must_use]
    pub fn requested(&self) -> u32 {
        self.requested
    }

    /// How many there are at most.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }
}

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "asked for {} units of a lock that has at most {}: the request could never be served",
            self.requested, self.limit
        )
    }
}

impl Error for TooMany {}
