//! A value of any serde type that processes share by the name of its segment.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::any_handle::AnyHandle;
use super::codec::{decode, encode};
use super::error::Error;
use super::frame::{Frame, FrameHold};
use super::generations::{First, Generations};
use super::handle_door::HandleDoor;
use super::name::Name;
use super::options::Options;
use super::segment::Segment;
use crate::rules::Access;

/// A value of any serde type, of any size, that processes share by a name: read
/// whole, replaced whole.
///
/// ```
/// use portunus::shm::{Error, SerdeHandle};
///
/// let ours = SerdeHandle::new(&vec!["Ianus".to_string()])?;
/// // In another process, which was told the name:
/// let theirs: SerdeHandle<Vec<String>> = SerdeHandle::open(ours.name())?;
/// theirs.update(|gods| gods.push("Portunus".to_string()))?;
/// assert_eq!(ours.get()?, ["Ianus", "Portunus"]);
///
/// ours.unlink()?;
/// assert_eq!(theirs.get(), Err(Error::NotFound));
/// assert_eq!(theirs.unlink(), Err(Error::NotFound));
/// # Ok::<(), Error>(())
/// ```
///
/// Values of plain data are faster in a [`Handle`](super::Handle).
///
/// # Whole values
///
/// Each value gets a place of its own: a short one in the handle's segment, one
/// of more than four kibibytes a file in the same folder. When it is there, one
/// number is changed, and it counts; then its predecessor is removed. Who reads
/// sees the old value or the new one. A writer that dies in between leaves one
/// of them, and the next writer removes what else it left. So nothing here ever
/// says [`OwnerDied`](super::OwnerDied).
///
/// # Types
///
/// Values describe themselves, as CBOR. So programs need not have the same type:
/// whatever serde reads from the one as the other will do, for instance a
/// structure with more fields, if these have defaults. What it does not is
/// [`Error::Decode`].
///
/// # Limits
///
/// A value that is longer than [`Options::value_limit`] is [`Error::TooLong`],
/// and one for which there is no room [`Error::NoSpace`]; the old one stays.
///
/// With several users: a file that one of them made in `/dev/shm` can't be
/// removed by another, so that values of more than four kibibytes can be replaced
/// by whoever set them only.
///
/// # Fairness and blocking
///
/// Readers and writers stand in one line, first come, first served. Values are
/// serialised before the line and read after it, except by
/// [`update`](Self::update).
///
/// # Lifetime
///
/// Opening never owns: no exit and no death removes the value. One
/// [`unlink`](Self::unlink) does; after it, all operations of all copies are
/// [`Error::NotFound`].
///
/// # Panics
///
/// Every operation panics for want of a [record](Options::records).
#[doc(alias = "Handle")]
pub struct SerdeHandle<T> {
    segment: Arc<Segment<Generations>>,
    name: Name,
    value: PhantomData<fn(T) -> T>,
}

/// Races with those who remove and create are tried this often.
const RACES: u32 = 1000;

impl<T: Serialize + DeserializeOwned> SerdeHandle<T> {
    /// A new value, under a name that nobody has used.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn new(value: &T) -> Result<Self, Error> {
        Self::create(&Name::random(), &Options::new(), value)
    }

    /// A new value under this name.
    ///
    /// # Errors
    ///
    /// As [`Segment::create`]; [`Error::Encode`] and [`Error::TooLong`] for what
    /// can't be shared.
    pub fn create(name: &Name, options: &Options, value: &T) -> Result<Self, Error> {
        options.check()?;
        let limit = options.value_limit;
        let bytes = encode(value, limit)?;
        for _ in 0..RACES {
            let first = First { bytes: bytes.clone(), limit };
            match Segment::create(name, options, first) {
                // Perhaps somebody died who was removing it.
                Err(Error::Exists) => match Self::open_with(name, options) {
                    Err(Error::NotFound) => {}
                    _ => break,
                },
                made => return Ok(Self::of(name, made?)),
            }
        }
        Err(Error::Exists)
    }

    /// The value with this name.
    ///
    /// # Errors
    ///
    /// As [`Segment::open`].
    pub fn open(name: &Name) -> Result<Self, Error> {
        Self::open_with(name, &Options::new())
    }

    /// As [`open`](Self::open); of the options those count that are about
    /// opening: whom to trust.
    ///
    /// # Errors
    ///
    /// As [`Segment::open`].
    pub fn open_with(name: &Name, options: &Options) -> Result<Self, Error> {
        let this = Self::of(name, Segment::open_with(name, options)?);
        drop(this.segment.enter(Access::Read, name)?);
        Ok(this)
    }

    /// The value with this name, or a new one.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open) and [`create`](Self::create).
    pub fn open_or_create(name: &Name, options: &Options, value: &T) -> Result<Self, Error> {
        let mut last = Error::NotFound;
        for _ in 0..RACES {
            match Self::open_with(name, options) {
                Err(Error::NotFound) => {}
                other => return other,
            }
            match Self::create(name, options, value) {
                Err(error @ Error::Exists) => last = error,
                other => return other,
            }
        }
        Err(last)
    }

    fn of(name: &Name, segment: Segment<Generations>) -> Self {
        Self { segment: Arc::new(segment), name: name.clone(), value: PhantomData }
    }

    /// The value.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when it was unlinked; [`Error::Decode`] when it is of
    /// another type; [`Error::Forked`].
    pub fn get(&self) -> Result<T, Error> {
        self.read(self.generations().frame.enter(Access::Read)?)
    }

    /// Replaces the value.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when it was unlinked; [`Error::Encode`],
    /// [`Error::TooLong`] and [`Error::NoSpace`], and then the value is as it
    /// was; [`Error::Forked`].
    pub fn set(&self, value: &T) -> Result<(), Error> {
        let bytes = self.encoded(value)?;
        self.write(self.generations().frame.enter(Access::Write)?, &bytes)
    }

    /// Changes the value: `f` gets it, and what it makes of it replaces the
    /// value when `f` returns. Nobody else reads or writes meanwhile. Should `f`
    /// panic, or the process die, the value is as it was.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get) and [`set`](Self::set).
    pub fn update<R>(&self, f: impl FnOnce(&mut T) -> R) -> Result<R, Error> {
        self.change(self.generations().frame.enter(Access::Write)?, f)
    }

    /// Its door, through which those enter who want more than one operation.
    pub fn door(&self) -> HandleDoor<'_, Self> {
        HandleDoor::new(self)
    }

    pub(super) fn generations(&self) -> &Generations {
        &self.segment
    }

    pub(super) fn encoded(&self, value: &T) -> Result<Vec<u8>, Error> {
        if !self.segment.frame.attachment().is_ours() {
            return Err(Error::Forked);
        }
        encode(value, self.segment.limit())
    }

    pub(super) fn read(&self, hold: FrameHold<'_>) -> Result<T, Error> {
        let hold = self.segment.entered(hold, &self.name)?;
        let bytes = self.segment.load(&hold)?;
        drop(hold);
        decode(&bytes)
    }

    pub(super) fn write(&self, hold: FrameHold<'_>, bytes: &[u8]) -> Result<(), Error> {
        let hold = self.segment.entered(hold, &self.name)?;
        self.segment.store(&hold, bytes)
    }

    pub(super) fn change<R>(
        &self,
        hold: FrameHold<'_>,
        f: impl FnOnce(&mut T) -> R,
    ) -> Result<R, Error> {
        let hold = self.segment.entered(hold, &self.name)?;
        let mut value = decode(&self.segment.load(&hold)?)?;
        let result = f(&mut value);
        self.segment.store(&hold, &self.encoded(&value)?)?;
        Ok(result)
    }
}

impl<T: Serialize + DeserializeOwned> AnyHandle for SerdeHandle<T> {
    type Value = T;

    fn load(&self) -> Result<T, Error> {
        self.get()
    }

    fn store(&self, value: &T) -> Result<(), Error> {
        self.set(value)
    }

    fn frame(&self) -> &Frame {
        &self.segment.frame
    }
}

impl<T> SerdeHandle<T> {
    /// The name by which others open it.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Removes the value and its name.
    ///
    /// Who waits inside its door then gets [`Error::NotFound`] at once, and who
    /// stands in a line gets it in its turn. It does not wait for the door.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when that has been done; and if a name cannot be
    /// removed: the value is gone then all the same, and whoever opens it tries
    /// again.
    pub fn unlink(&self) -> Result<(), Error> {
        let hold = self.segment.enter(Access::Write, &self.name)?;
        let removed = self.segment.unlink(&hold, &self.name);
        drop(hold);
        self.segment.frame.tell_removed();
        removed
    }
}

impl<T> Clone for SerdeHandle<T> {
    fn clone(&self) -> Self {
        Self { segment: Arc::clone(&self.segment), name: self.name.clone(), value: PhantomData }
    }
}

impl<T> fmt::Debug for SerdeHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SerdeHandle").field("name", &self.name).finish_non_exhaustive()
    }
}
