//! Values of changing size, each in a place of its own.
//!
//! A short value lies in the handle's segment, in one of two places; a longer
//! one has a file of its own, which is named by random bits that stand in the
//! segment; the first one, which must be there when the segment gets its name,
//! lies behind the segment's other objects.
//!
//! # Steps
//!
//! A writer, who is alone:
//!
//! 1. clears the place that does not count of whatever is in it,
//! 2. writes there the new value, or the name of a file, and makes that file,
//! 3. flips the number of the place that counts,
//! 4. clears the other one.
//!
//! Clearing removes the file that a place names before it forgets the name, and
//! the name is there before the file. So wherever a writer dies, the value that
//! counts is whole, and what is too much is named by the place that the next
//! writer clears in its first step.
//!
//! Removing says so first, then clears both places, then takes the name away:
//! whoever opens it by the name, or has it open, goes on with that.

#![allow(unsafe_code)]

use alloc::vec::Vec;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};

use super::content::{Content, Site};
use super::data::Bytes;
use super::error::Error;
use super::fault::{Point, point};
use super::format::{Plan, kind};
use super::frame::{Frame, FrameHold};
use super::name::Name;
use super::segment::Segment;
use super::sys;
use crate::atomic::Ordering;
use crate::rules::Access;

/// The longest value that lies in the segment itself.
pub(super) const NEAR: u64 = 4096 + 64;

/// The words of the frame.
const LIMIT: u64 = 0;
/// Of each place three words: the name of its file, 0 if it has none, in two
/// halves, and the length of the value.
const PLACES: [u64; 2] = [1, 4];

/// What a value is made of at first.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "it is part of the segment's type")]
pub struct First {
    pub(super) bytes: Vec<u8>,
    pub(super) limit: u64,
}

/// What the segment of a handle of values of changing size holds.
#[doc(hidden)]
#[derive(Debug)]
#[allow(unreachable_pub, reason = "it is the segment's type")]
pub struct Generations {
    pub(super) frame: Frame,
    near: [Bytes; 2],
    /// Where the first value was, if it was long.
    tail: Option<Bytes>,
}

impl Content for Generations {
    type Init = First;

    fn plan(plan: &mut Plan) {
        plan.fingerprint.text("SerdeHandle");
        Frame::plan(plan);
        plan.object(kind::DATA, 2 * NEAR);
    }

    fn plan_for(first: &First, plan: &mut Plan) {
        Self::plan(plan);
        if first.bytes.len() as u64 > NEAR {
            plan.tail(first.bytes.len() as u64);
        }
    }

    fn create(site: &mut Site<'_>, first: &First) -> Result<(), Error> {
        let mut again = Site::new(site.attachment());
        Frame::create(site, &())?;
        site.next(kind::DATA, 2 * NEAR)?;
        let this = Self::open(&mut again)?;
        let len = first.bytes.len() as u64;
        let place = if len > NEAR { this.tail.expect("it was planned") } else { this.near[0] };
        // SAFETY: D3 in `data.rs`: nobody else sees the segment yet.
        unsafe { place.write(site.map(), &first.bytes) };
        // Ordering: Relaxed, as above.
        this.frame.word(LIMIT).store(first.limit, Ordering::Relaxed);
        this.frame.word(PLACES[0] + 2).store(len, Ordering::Relaxed);
        Ok(())
    }

    fn open(site: &mut Site<'_>) -> Result<Self, Error> {
        let frame = Frame::open(site)?;
        let at = site.next(kind::DATA, 2 * NEAR)?;
        let near = [at, at + NEAR].map(|at| Bytes { at, len: NEAR });
        let tail = site.next_if(kind::TAIL).map(|(at, len)| Bytes { at, len });
        Ok(Self { frame, near, tail })
    }
}

impl Generations {
    fn get(&self, word: u64) -> u64 {
        // Ordering: Relaxed, the lock orders.
        self.frame.word(word).load(Ordering::Relaxed)
    }

    fn set(&self, word: u64, value: u64) {
        // Ordering: Release: should this process die, whoever sees what it did
        // afterwards sees this.
        self.frame.word(word).store(value, Ordering::Release);
    }

    /// The file that a place names.
    fn file_of(&self, place: usize) -> Option<Name> {
        let at = PLACES[place];
        let number = u128::from(self.get(at)) << 64 | u128::from(self.get(at + 1));
        (number != 0).then(|| Name::numbered(number))
    }

    /// How many bytes a value may have.
    pub(super) fn limit(&self) -> u64 {
        self.get(LIMIT)
    }

    /// Enters for an operation, if the value is there. One whose removal was
    /// begun is removed first.
    pub(super) fn enter(&self, mode: Access, name: &Name) -> Result<FrameHold<'_>, Error> {
        self.entered(self.frame.enter(mode)?, name)
    }

    /// The rest of [`enter`](Self::enter).
    pub(super) fn entered<'a>(
        &'a self,
        hold: FrameHold<'a>,
        name: &Name,
    ) -> Result<FrameHold<'a>, Error> {
        if !self.frame.is_removed() {
            return Ok(hold);
        }
        drop(hold);
        let hold = self.frame.enter(Access::Write)?;
        self.finish(&hold, name)?;
        Err(Error::NotFound)
    }

    /// The value that counts.
    pub(super) fn load(&self, _: &FrameHold<'_>) -> Result<Vec<u8>, Error> {
        let place = self.frame.current();
        let (found, limit) = (self.get(PLACES[place] + 2), self.limit());
        let corrupt = |wanted| Error::Corrupt { what: "length of the value", found, wanted };
        let len = usize::try_from(found).map_err(|_| corrupt(limit))?;
        if found > limit {
            return Err(corrupt(limit));
        }
        if let Some(name) = self.file_of(place) {
            return read_file(&name, len);
        }
        let bytes = match self.tail {
            Some(tail) if place == 0 && found > NEAR => tail,
            _ => self.near[place],
        };
        if found > bytes.len {
            return Err(corrupt(bytes.len));
        }
        // SAFETY: D3 in `data.rs`: the caller shows a hold, which keeps writers
        // out.
        Ok(unsafe { bytes.read(self.frame.attachment().map(), len) })
    }

    /// Replaces the value.
    pub(super) fn store(&self, hold: &FrameHold<'_>, bytes: &[u8]) -> Result<(), Error> {
        debug_assert_eq!(hold.mode(), Access::Write);
        let current = self.frame.current();
        let next = 1 - current;
        let at = PLACES[next];
        self.clear(next)?;
        if bytes.len() as u64 <= NEAR {
            // SAFETY: D3 in `data.rs`: the caller shows an exclusive hold.
            unsafe { self.near[next].write(self.frame.attachment().map(), bytes) };
        } else {
            let number = Name::number();
            self.set(at + 1, number as u64);
            self.set(at, (number >> 64) as u64);
            point(Point::Named);
            if let Err(error) = self.write_file(&Name::numbered(number), bytes) {
                // If it can't be removed now, the next writer tries again.
                let _ = self.clear(next);
                return Err(error);
            }
        }
        self.set(at + 2, bytes.len() as u64);
        point(Point::Copied);
        self.frame.publish(hold, next);
        point(Point::Published);
        // As above.
        let _ = self.clear(current);
        point(Point::Cleared);
        Ok(())
    }

    /// Takes back what a place has outside of itself. Its value counts no more.
    fn clear(&self, place: usize) -> Result<(), Error> {
        let at = PLACES[place];
        if let Some(name) = self.file_of(place) {
            match Segment::unlink(&name) {
                Ok(()) | Err(Error::NotFound) => {}
                Err(error) => return Err(error),
            }
            point(Point::Removed);
            self.set(at, 0);
            self.set(at + 1, 0);
        } else if let Some(tail) = self.tail.filter(|_| place == 0 && self.get(at + 2) > NEAR)
            && let Some((file, _)) = self.frame.attachment().file()
        {
            // Not all file systems can; then the room stays taken.
            let _ = sys::release(file, tail.at, tail.len);
        }
        self.set(at + 2, 0);
        Ok(())
    }

    fn write_file(&self, name: &Name, bytes: &[u8]) -> Result<(), Error> {
        let mode = self.frame.attachment().file().map_or(0o600, |(_, mode)| mode & 0o777);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(name.path())
            .map_err(Error::system("creating a value's segment"))?;
        point(Point::Created);
        let written = file.write_all(bytes).and_then(|()| {
            // Whoever may use the handle may read it.
            file.set_permissions(Permissions::from_mode(mode))
        });
        point(Point::Written);
        written.map_err(|error| match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Error::NoSpace { wanted: bytes.len() as u64 }
            }
            _ => Error::system("writing a value's segment")(error),
        })
    }

    /// Removes the value and its name.
    pub(super) fn unlink(&self, hold: &FrameHold<'_>, name: &Name) -> Result<(), Error> {
        // The name may be another one's by now, if somebody has removed it by
        // other means.
        let named = !self.frame.attachment().is_unlinked();
        self.frame.remove();
        point(Point::Removing);
        self.finish(hold, name)?;
        if named { Ok(()) } else { Err(Error::NotFound) }
    }

    /// Goes on with a removal.
    fn finish(&self, _: &FrameHold<'_>, name: &Name) -> Result<(), Error> {
        self.clear(0)?;
        self.clear(1)?;
        if self.frame.attachment().is_unlinked() {
            return Ok(());
        }
        match Segment::unlink(name) {
            // Whoever tells us of it knows by which name.
            Err(Error::NotFound) => Ok(()),
            other => other,
        }
    }
}

fn read_file(name: &Name, len: usize) -> Result<Vec<u8>, Error> {
    let mut how = OpenOptions::new();
    how.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let wanted = len as u64;
    let file: File = match how.open(name.path()) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Error::Truncated { found: 0, wanted });
        }
        Err(error) => return Err(Error::system("opening a value's segment")(error)),
    };
    let data = file.metadata().map_err(Error::system("asking for a file"))?;
    if !data.is_file() {
        return Err(Error::NotAFile);
    }
    if data.len() != wanted {
        return Err(Error::Truncated { found: data.len(), wanted });
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| Error::NoSpace { wanted })?;
    bytes.resize(len, 0);
    file.read_exact_at(&mut bytes, 0).map_err(Error::system("reading a value's segment"))?;
    Ok(bytes)
}
