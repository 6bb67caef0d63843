//! What can go wrong with a segment, and what an owner's death leaves.

use alloc::string::String;
use core::error::Error as StdError;
use core::fmt;
use std::io;

/// Why a segment could not be created, opened or used.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// Something with this name exists already.
    Exists,
    /// Nothing has this name.
    NotFound,
    /// The file may not be opened for reading and writing.
    Denied,
    /// It is no regular file but a folder, a link or a device.
    NotAFile,
    /// The file is another user's.
    OtherOwner {
        /// Whose it is.
        found: u32,
        /// Who asks.
        wanted: u32,
    },
    /// Its group, or everybody, may write to the file: see
    /// [`Options::trust_others`](super::Options::trust_others).
    WritableByOthers {
        /// The file's permissions.
        found: u32,
    },
    /// The file does not begin as a segment does.
    NotASegment {
        /// Its first eight bytes.
        found: u64,
        /// Those of a segment.
        wanted: u64,
    },
    /// It is a segment of another version of the format.
    Version {
        /// Its version.
        found: u32,
        /// The version that this program speaks.
        wanted: u32,
    },
    /// It holds something else: other types, other rules, another order.
    Layout {
        /// The fingerprint of what it holds.
        found: u64,
        /// The fingerprint of what was asked for.
        wanted: u64,
    },
    /// The file's length is not what its head says.
    Truncated {
        /// The file's length.
        found: u64,
        /// The length that it should have.
        wanted: u64,
    },
    /// Its head contradicts itself.
    Corrupt {
        /// What is wrong.
        what: &'static str,
        /// The value there.
        found: u64,
        /// The value that it should be.
        wanted: u64,
    },
    /// The machine was started anew since it was last used, and whatever was
    /// not written to the disk is lost: see
    /// [`Options::after_reboot`](super::Options::after_reboot).
    OtherBoot {
        /// The machine's start at which it was made.
        found: [u8; 16],
        /// This one.
        wanted: [u8; 16],
    },
    /// An option is out of its range.
    Option {
        /// Which one.
        name: &'static str,
        /// Its value.
        found: u64,
        /// The least value.
        least: u64,
        /// The greatest one.
        most: u64,
    },
    /// As many processes are attached as its creator foresaw.
    TooManyProcesses {
        /// How many these are.
        limit: u32,
    },
    /// There are as many holds and waiters as its creator foresaw.
    TooManyRecords {
        /// How many these are.
        limit: u32,
    },
    /// The file system has no room for so many bytes.
    NoSpace {
        /// How many.
        wanted: u64,
    },
    /// The segment was attached by this process's parent: a child that was
    /// forked has to open it itself.
    Forked,
    /// `/proc` is not there, and a segment without a name can't be opened
    /// without it; nor can one be made, which has no name to begin with.
    NoProc,
    /// The file system or the kernel lacks what a segment needs.
    Unsupported {
        /// What is missing.
        what: &'static str,
    },
    /// A value that is to be shared can't be serialised.
    Encode {
        /// Why.
        reason: String,
    },
    /// A shared value can't be read as the type that was asked for.
    Decode {
        /// How many bytes it has.
        len: u64,
        /// Why.
        reason: String,
    },
    /// It would consist of more things than a segment can: each primitive, and
    /// each value that one protects, is one.
    TooManyObjects {
        /// Of how many.
        found: u64,
        /// How many there may be.
        limit: u32,
    },
    /// A value that is to be shared is longer than its creator foresaw, see
    /// [`Options::value_limit`](super::Options::value_limit); or one with which
    /// a segment is made, than four gibibytes less a byte.
    TooLong {
        /// How many bytes it has at least, serialised.
        found: u64,
        /// How many it may have.
        limit: u64,
    },
    /// The system refused something else.
    System {
        /// What was tried.
        doing: &'static str,
        /// The system's error number.
        errno: i32,
    },
}

impl Error {
    /// The error of a call that failed while `doing` this.
    pub(super) fn system(doing: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| {
            let errno = error.raw_os_error().unwrap_or(0);
            match errno {
                libc::ENOENT => Self::NotFound,
                libc::EEXIST => Self::Exists,
                libc::EACCES | libc::EPERM | libc::EROFS => Self::Denied,
                libc::ELOOP | libc::EISDIR | libc::ENXIO => Self::NotAFile,
                _ => Self::System { doing, errno },
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists => f.write_str("a segment with this name exists"),
            Self::NotFound => f.write_str("no segment has this name"),
            Self::Denied => f.write_str("the segment's file may not be read and written"),
            Self::NotAFile => f.write_str("this is no regular file"),
            Self::OtherOwner { found, wanted } => {
                write!(f, "the segment belongs to user {found}, not to user {wanted}")
            }
            Self::WritableByOthers { found } => {
                write!(f, "others may write to the segment: its permissions are {found:o}")
            }
            Self::NotASegment { found, wanted } => {
                write!(f, "the file begins with {found:#018x}, and a segment with {wanted:#018x}")
            }
            Self::Version { found, wanted } => {
                write!(f, "the segment has version {found} of the format, not {wanted}")
            }
            Self::Layout { found, wanted } => write!(
                f,
                "the segment holds something else: its fingerprint is {found:#018x}, not {wanted:#018x}"
            ),
            Self::Truncated { found, wanted } => {
                write!(f, "the segment's file has {found} bytes, not {wanted}")
            }
            Self::Corrupt { what, found, wanted } => {
                write!(f, "the segment is corrupt: its {what} is {found}, not {wanted}")
            }
            Self::OtherBoot { found, wanted } => write!(
                f,
                "the machine was started anew since the segment was made: its start was \
                 {:032x}, and is {:032x} now",
                u128::from_be_bytes(*found),
                u128::from_be_bytes(*wanted)
            ),
            Self::Option { name, found, least, most } => {
                write!(f, "the option `{name}` is {found}: it must be in {least}..={most}")
            }
            Self::TooManyProcesses { limit } => {
                write!(f, "the segment has room for {limit} processes, and all are attached")
            }
            Self::TooManyRecords { limit } => {
                write!(f, "the segment has room for {limit} holds and waiters, and all are there")
            }
            Self::NoSpace { wanted } => write!(f, "there is no room for {wanted} bytes"),
            Self::Forked => f.write_str("the segment was attached by the parent of this process"),
            Self::NoProc => f.write_str(
                "a segment can't be made, and none without a name opened, where /proc is missing",
            ),
            Self::Unsupported { what } => write!(f, "this system does not support {what}"),
            Self::Encode { reason } => write!(f, "the value can't be serialised: {reason}"),
            Self::Decode { len, reason } => {
                write!(f, "the value's {len} bytes are none of this type: {reason}")
            }
            Self::TooManyObjects { found, limit } => {
                write!(f, "the segment would consist of {found} things, and {limit} at most")
            }
            Self::TooLong { found, limit } => {
                write!(f, "the value has {found} bytes or more, and {limit} at most")
            }
            Self::System { doing, errno } => {
                write!(f, "{doing}: {}", io::Error::from_raw_os_error(*errno))
            }
        }
    }
}

impl StdError for Error {}

/// Of the kind that the system would say, with the error inside.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Exists => io::ErrorKind::AlreadyExists,
            Error::NotFound => io::ErrorKind::NotFound,
            Error::Denied | Error::OtherOwner { .. } | Error::WritableByOthers { .. } => {
                io::ErrorKind::PermissionDenied
            }
            Error::NoSpace { .. } => io::ErrorKind::StorageFull,
            Error::Option { .. } => io::ErrorKind::InvalidInput,
            Error::NoProc | Error::Unsupported { .. } => io::ErrorKind::Unsupported,
            Error::NotASegment { .. }
            | Error::Version { .. }
            | Error::Layout { .. }
            | Error::Truncated { .. }
            | Error::Corrupt { .. }
            | Error::Decode { .. } => io::ErrorKind::InvalidData,
            Error::System { errno, .. } => Self::from_raw_os_error(*errno).kind(),
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// An owner died while it may have been changing what the lock protects.
///
/// The lock is held, as if the acquisition had said `Ok`, and the guard is
/// inside: look whether what it protects is whole, mend it, and say so with
/// the guard's `mark_consistent`. Until somebody does, every acquisition says
/// this again; dropping the guard just releases.
///
/// It is said exactly when the owner's own code was running between
/// acquisition and release: who is killed inside an operation of the lock
/// changed nothing, and is not reported.
#[doc(alias = "EOWNERDEAD")]
#[doc(alias = "PoisonError")]
#[must_use = "it has the guard inside: dropping it releases"]
pub struct OwnerDied<G> {
    guard: G,
}

impl<G> OwnerDied<G> {
    pub(super) fn new(guard: G) -> Self {
        Self { guard }
    }

    /// The guard.
    pub fn into_inner(self) -> G {
        self.guard
    }

    /// The guard, borrowed.
    pub fn get_ref(&self) -> &G {
        &self.guard
    }

    /// The guard, borrowed mutably.
    pub fn get_mut(&mut self) -> &mut G {
        &mut self.guard
    }

    pub(super) fn map<H>(self, f: impl FnOnce(G) -> H) -> OwnerDied<H> {
        OwnerDied { guard: f(self.guard) }
    }
}

impl<G> fmt::Debug for OwnerDied<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnerDied").finish_non_exhaustive()
    }
}

impl<G> fmt::Display for OwnerDied<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an owner died while it may have been changing what the lock protects")
    }
}

impl<G> StdError for OwnerDied<G> {}
