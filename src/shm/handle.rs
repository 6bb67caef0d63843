//! A value that processes share by the name of its segment.

#![allow(unsafe_code)]

use alloc::sync::Arc;
use core::fmt;

use super::content::{Content, Site};
use super::data::{Data, ShmType};
use super::error::Error;
use super::fault::{Point, point};
use super::format::Plan;
use super::frame::{Frame, FrameHold};
use super::handle_door::HandleDoor;
use super::name::Name;
use super::options::Options;
use super::segment::Segment;
use crate::rules::Access;

/// A value that processes share by a name: read whole, replaced whole.
///
/// It is a segment of its own. A copy is the same value, in every process that
/// has it or opens it by its name.
///
/// ```
/// use portunus::shm::{Error, Handle};
///
/// let ours = Handle::new([1, 2, 3])?;
/// // In another process, which was told the name:
/// let theirs: Handle<[i32; 3]> = Handle::open(ours.name())?;
/// theirs.update(|numbers| numbers[0] = 9)?;
/// assert_eq!(ours.get()?, [9, 2, 3]);
///
/// ours.unlink()?;
/// assert_eq!(theirs.get(), Err(Error::NotFound));
/// assert_eq!(theirs.unlink(), Err(Error::NotFound));
/// # Ok::<(), Error>(())
/// ```
///
/// # Whole values
///
/// Two copies stand in the segment, and a number says which one counts. A new
/// value is written into the other copy, then the number is changed: who reads
/// sees the old value or the new one, and a writer that dies in between leaves
/// the old one. So nothing here ever says
/// [`OwnerDied`](super::OwnerDied).
///
/// # Fairness and blocking
///
/// Readers and writers stand in one line, first come, first served. Each
/// operation is a copy long.
///
/// # Lifetime
///
/// Opening never owns: no exit and no death removes the value. One
/// [`unlink`](Self::unlink) does; after it, all operations of all copies are
/// [`Error::NotFound`].
///
/// # Panics
///
/// Every operation panics for want of a [record](super::Options::records).
#[doc(alias = "ShmCell")]
#[doc(alias = "ShareableList")]
pub struct Handle<T: ShmType> {
    segment: Arc<Segment<Cell<T>>>,
    name: Name,
}

/// Above this size a value should be copied once, to where it is wanted. It is
/// copied twice where entering is inlined.
const LARGE: usize = 512;

impl<T: ShmType> Handle<T> {
    /// A new value, under a name that nobody has used.
    ///
    /// # Errors
    ///
    /// As [`Segment::create`].
    pub fn new(value: T) -> Result<Self, Error> {
        Self::create(&Name::random(), &Options::new(), value)
    }

    /// A new value under this name.
    ///
    /// # Errors
    ///
    /// As [`Segment::create`].
    pub fn create(name: &Name, options: &Options, value: T) -> Result<Self, Error> {
        Self::from_segment(name, Segment::create(name, options, value)?)
    }

    /// The value with this name.
    ///
    /// # Errors
    ///
    /// As [`Segment::open`].
    pub fn open(name: &Name) -> Result<Self, Error> {
        Self::from_segment(name, Segment::open(name)?)
    }

    /// The value with this name, or a new one.
    ///
    /// # Errors
    ///
    /// As [`Segment::open_or_create`].
    pub fn open_or_create(name: &Name, options: &Options, value: T) -> Result<Self, Error> {
        Self::from_segment(name, Segment::open_or_create(name, options, value)?)
    }

    fn from_segment(name: &Name, segment: Segment<Cell<T>>) -> Result<Self, Error> {
        Ok(Self { segment: Arc::new(segment), name: name.clone() })
    }

    /// The name by which others open it.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// A copy of the value.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when it was unlinked; [`Error::Forked`].
    #[inline]
    pub fn get(&self) -> Result<T, Error> {
        if size_of::<T>() > LARGE {
            return self.read(&self.framed().enter_apart(Access::Read)?);
        }
        self.get_small()
    }

    #[inline(never)]
    fn get_small(&self) -> Result<T, Error> {
        self.read(&self.framed().enter(Access::Read)?)
    }

    /// Replaces the value.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn set(&self, value: T) -> Result<(), Error> {
        self.put(&self.framed().enter(Access::Write)?, value)
    }

    /// Changes the value: `f` gets a copy, which replaces the value when `f`
    /// returns. Nobody else reads or writes meanwhile. Should `f` panic, or the
    /// process die, the value is as it was.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn update<R>(&self, f: impl FnOnce(&mut T) -> R) -> Result<R, Error> {
        self.replace(&self.framed().enter(Access::Write)?, f)
    }

    /// Its door, through which those enter who want more than one operation.
    pub fn door(&self) -> HandleDoor<'_, Self> {
        HandleDoor::new(self)
    }

    pub(super) fn framed(&self) -> &Frame {
        &self.segment.frame
    }

    #[inline]
    pub(super) fn read(&self, hold: &FrameHold<'_>) -> Result<T, Error> {
        let cell = &**self.segment;
        cell.check()?;
        debug_assert!(core::ptr::eq(hold.lock(), cell.frame.lock()));
        // SAFETY: D3: readers only, as long as the hold is there.
        let copies = unsafe { cell.copies.get() };
        Ok(copies[cell.frame.current()])
    }

    /// Replaces the value, which nobody looks at.
    #[inline]
    pub(super) fn put(&self, hold: &FrameHold<'_>, value: T) -> Result<(), Error> {
        self.segment.check()?;
        self.segment.publish(hold, value);
        Ok(())
    }

    pub(super) fn replace<R>(
        &self,
        hold: &FrameHold<'_>,
        f: impl FnOnce(&mut T) -> R,
    ) -> Result<R, Error> {
        let mut value = self.read(hold)?;
        let result = f(&mut value);
        self.segment.publish(hold, value);
        Ok(result)
    }

    /// Removes the value and its name.
    ///
    /// Who waits inside its door then gets [`Error::NotFound`] at once, and who
    /// stands in a line gets it in its turn. It does not wait for the door.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when that has been done; and if the name cannot be
    /// removed, in which case the value stays.
    pub fn unlink(&self) -> Result<(), Error> {
        let cell = &**self.segment;
        let hold = cell.frame.enter(Access::Write)?;
        cell.check()?;
        // The name may be another one's by now, if somebody has removed it by
        // other means.
        let removed = if self.segment.is_unlinked() {
            cell.frame.remove();
            Err(Error::NotFound)
        } else {
            cell.frame.remove_by(&hold, || {
                Segment::unlink(&self.name)?;
                point(Point::Removed);
                Ok(())
            })
        };
        let gone = cell.frame.is_removed();
        drop(hold);
        if gone {
            cell.frame.tell_removed();
        }
        removed
    }
}

impl<T: ShmType> Clone for Handle<T> {
    fn clone(&self) -> Self {
        Self { segment: Arc::clone(&self.segment), name: self.name.clone() }
    }
}

impl<T: ShmType> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What the segment of a [`Handle`] holds.
#[doc(hidden)]
#[derive(Debug)]
#[allow(unreachable_pub, reason = "it is the segment's type")]
pub struct Cell<T> {
    frame: Frame,
    copies: Data<[T; 2]>,
}

impl<T: ShmType> Content for Cell<T> {
    type Init = T;

    fn plan(plan: &mut Plan) {
        plan.fingerprint.text("Handle");
        Frame::plan(plan);
        Data::<[T; 2]>::plan(plan);
    }

    fn create(site: &mut Site<'_>, init: &T) -> Result<(), Error> {
        Frame::create(site, &())?;
        Data::create(site, [*init; 2])
    }

    fn open(site: &mut Site<'_>) -> Result<Self, Error> {
        Ok(Self { frame: Frame::open(site)?, copies: Data::open(site)? })
    }
}

impl<T: ShmType> Cell<T> {
    fn check(&self) -> Result<(), Error> {
        if self.frame.is_removed() { Err(Error::NotFound) } else { Ok(()) }
    }

    #[inline]
    fn publish(&self, hold: &FrameHold<'_>, value: T) {
        debug_assert!(core::ptr::eq(hold.lock(), self.frame.lock()));
        let next = 1 - self.frame.current();
        // SAFETY: D3: an exclusive hold, which the caller shows.
        let copies = unsafe { self.copies.get_mut() };
        copies[next] = value;
        point(Point::Copied);
        self.frame.publish(hold, next);
        point(Point::Published);
    }
}
