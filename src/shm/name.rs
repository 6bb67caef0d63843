//! Names of segments.

use alloc::string::String;
use core::error::Error;
use core::fmt;
use std::path::PathBuf;

/// The name of a segment: that of a file in `/dev/shm`, which all processes
/// of the machine see.
///
/// ```
/// use portunus::shm::{Name, NameError};
///
/// let name = Name::new("weather-station")?;
/// assert_eq!(name.as_str(), "weather-station");
/// assert_eq!(Name::new("weather/station"), Err(NameError::Slash { at: 7 }));
/// # Ok::<(), NameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The longest name, in bytes: the system's `NAME_MAX`.
    pub const MAX: usize = 255;

    /// Where the files of named segments are.
    pub const FOLDER: &str = "/dev/shm";

    /// A name, if a file can have it.
    ///
    /// # Errors
    ///
    /// [`NameError`] says what is wrong with it.
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        let name = name.into();
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if let Some(at) = name.find('/') {
            return Err(NameError::Slash { at });
        }
        if let Some(at) = name.find('\0') {
            return Err(NameError::Nul { at });
        }
        if name == "." || name == ".." {
            return Err(NameError::Dots);
        }
        if name.starts_with("sem.") {
            return Err(NameError::Reserved);
        }
        if name.len() > Self::MAX {
            return Err(NameError::TooLong { len: name.len() });
        }
        Ok(Self(name))
    }

    /// A name that nobody has used: 128 random bits behind `portunus-`.
    #[must_use]
    pub fn random() -> Self {
        Self::numbered(Self::number())
    }

    /// The name with these random bits.
    pub(super) fn numbered(number: u128) -> Self {
        Self(std::format!("portunus-{number:032x}"))
    }

    /// 128 random bits.
    pub(super) fn number() -> u128 {
        use core::hash::{BuildHasher, Hasher};
        use std::collections::hash_map::RandomState;
        // Each state has keys of its own; the first ones of a thread are the
        // system's random numbers. The process and a count keep apart what
        // `fork` has copied.
        static COUNT: crate::atomic::AtomicU32 = crate::atomic::AtomicU32::new(0);
        let half = || {
            let mut hasher = RandomState::new().build_hasher();
            hasher.write_u32(std::process::id());
            // Ordering: Relaxed, only its being different counts.
            hasher.write_u32(COUNT.fetch_add(1, crate::atomic::Ordering::Relaxed));
            hasher.write_u128(
                std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .map_or(0, |time| time.as_nanos()),
            );
            hasher.finish()
        };
        u128::from(half()) << 64 | u128::from(half())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The file that it names.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from(Self::FOLDER).join(&self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl core::str::FromStr for Name {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NameError {
    /// It has no characters.
    Empty,
    /// It has a slash.
    Slash {
        /// The first one's place, in bytes.
        at: usize,
    },
    /// It has a zero byte.
    Nul {
        /// The first one's place, in bytes.
        at: usize,
    },
    /// It is `.` or `..`.
    Dots,
    /// It begins with `sem.`: these are the C library's semaphores.
    Reserved,
    /// It is longer than [`Name::MAX`].
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a segment's name is empty"),
            Self::Slash { at } => write!(f, "a segment's name has a slash at byte {at}"),
            Self::Nul { at } => write!(f, "a segment's name has a zero at byte {at}"),
            Self::Dots => f.write_str("a segment can't be named `.` or `..`"),
            Self::Reserved => {
                f.write_str("a segment's name begins with `sem.`, as the C library's semaphores do")
            }
            Self::TooLong { len } => {
                write!(f, "a segment's name has {len} bytes, and {} at most", Name::MAX)
            }
        }
    }
}

impl Error for NameError {}
