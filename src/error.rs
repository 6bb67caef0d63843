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
        match usize::try_from(requested) {
            Ok(count) if count <= limit => Ok(()),
            _ => Err(Self { requested, limit }),
        }
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

/// A hold could not be converted; it is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConvertError {
    /// Another conversion waits for this hold to go, and this one would wait
    /// for that: neither could ever be served. Let go and ask anew.
    Deadlock,
    /// The new mode does not admit so many units even to an empty lock.
    Impossible,
    /// The time was over.
    TimedOut,
}

impl fmt::Display for ConvertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deadlock => {
                "the conversion would wait for another one that waits for this hold to go"
            }
            Self::Impossible => "not even an empty lock would admit this hold in the new mode",
            Self::TimedOut => "the time for the conversion was over",
        })
    }
}

impl Error for ConvertError {}
