//! What can go wrong, as values.

use core::error::Error;
use core::fmt;

/// A request asked for more units than there can ever be, or for permits of a
/// semaphore that is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TooMany {
    requested: u32,
    limit: usize,
    of: Of,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Of {
    /// Units of a lock.
    Lock,
    /// Permits of a semaphore.
    Semaphore,
    /// Permits of a semaphore that gives out none any more.
    Closed,
}

impl TooMany {
    /// Too many permits.
    pub(crate) fn permits(requested: u32, limit: usize) -> Self {
        Self { requested, limit, of: Of::Semaphore }
    }

    /// Any permits, where none is given out.
    pub(crate) fn closed(requested: u32) -> Self {
        Self { requested, limit: 0, of: Of::Closed }
    }

    /// The same, said of permits.
    #[allow(dead_code, reason = "of semaphores between processes")]
    pub(crate) fn of_permits(self) -> Self {
        Self::permits(self.requested, self.limit)
    }

    #[inline]
    pub(crate) fn check(requested: u32, limit: usize) -> Result<(), Self> {
        match usize::try_from(requested) {
            Ok(count) if count <= limit => Ok(()),
            _ => Err(Self { requested, limit, of: Of::Lock }),
        }
    }

    /// How many units were asked for.
    #[must_use]
    pub fn requested(&self) -> u32 {
        self.requested
    }

    /// How many there are at most; of a semaphore that is closed, 0.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Whether the reason was that the semaphore is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.of == Of::Closed
    }
}

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (requested, limit) = (self.requested, self.limit);
        match self.of {
            Of::Lock => write!(
                f,
                "asked for {requested} units of a lock that has at most {limit}: the request \
                 could never be served"
            ),
            Of::Semaphore => write!(
                f,
                "asked for {requested} permits of a semaphore that has {limit} in all: the \
                 request could never be served"
            ),
            Of::Closed => {
                write!(f, "asked for {requested} permits of a semaphore that is closed")
            }
        }
    }
}

impl Error for TooMany {}

/// A semaphore was to have more permits than it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TooManyPermits {
    requested: usize,
    limit: usize,
}

impl TooManyPermits {
    #[inline]
    pub(crate) fn check(requested: usize, limit: usize) -> Result<(), Self> {
        if requested <= limit { Ok(()) } else { Err(Self { requested, limit }) }
    }

    /// How many permits it was to have.
    #[must_use]
    pub fn requested(&self) -> usize {
        self.requested
    }

    /// How many it can have.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }
}

impl fmt::Display for TooManyPermits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a semaphore was to have {} permits, and can have at most {}",
            self.requested, self.limit
        )
    }
}

impl Error for TooManyPermits {}

/// The semaphore was closed: it gives out no permit any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Closed(pub(crate) ());

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the semaphore is closed: it gives out no permit any more")
    }
}

impl Error for Closed {}

/// A closable semaphore did not give several permits.
#[doc(alias = "TryAcquireError")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AcquireError {
    /// There are fewer permits in all.
    TooMany(TooMany),
    /// It was closed before the request or while that waited.
    Closed(Closed),
}

impl From<TooMany> for AcquireError {
    fn from(error: TooMany) -> Self {
        Self::TooMany(error)
    }
}

impl From<Closed> for AcquireError {
    fn from(error: Closed) -> Self {
        Self::Closed(error)
    }
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany(error) => error.fmt(f),
            Self::Closed(error) => error.fmt(f),
        }
    }
}

impl Error for AcquireError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // It is shown as its error: what comes next is that one's source.
        match self {
            Self::TooMany(error) => error.source(),
            Self::Closed(error) => error.source(),
        }
    }
}

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
