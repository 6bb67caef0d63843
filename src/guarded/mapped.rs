//! Access to a part of the data.
//!
//! The invariants are those of `guarded/guards.rs`. Two more:
//!
//! * **G6** The part that a mapped guard points to was made of a reference that
//!   its guard lent for as long as the hold lives, by a function that can't tell
//!   how long that is: so it is a part of the data, or lives longer.
//! * **G7** A mapped guard never becomes one of another kind: what only reads a
//!   part never writes it.

#![allow(unsafe_code)]

use core::fmt;
use core::ops::{Deref, DerefMut};

use super::guards::shown;
use crate::hold::{Holding, ModeOf};

/// A pointer to a part of the data that is read.
pub(super) struct Part<U: ?Sized>(*const U);

// SAFETY: it is used as `&U` is.
unsafe impl<U: ?Sized + Sync> Send for Part<U> {}
// SAFETY: as above.
unsafe impl<U: ?Sized + Sync> Sync for Part<U> {}

impl<U: ?Sized> Part<U> {
    #[inline(always)]
    pub(super) fn new(part: &U) -> Self {
        Self(part)
    }
}

/// A pointer to a part of the data that is written.
pub(super) struct PartMut<U: ?Sized>(*mut U);

// SAFETY: it is used as `&mut U` is.
unsafe impl<U: ?Sized + Send> Send for PartMut<U> {}
// SAFETY: as above.
unsafe impl<U: ?Sized + Sync> Sync for PartMut<U> {}

impl<U: ?Sized> PartMut<U> {
    #[inline(always)]
    pub(super) fn new(part: &mut U) -> Self {
        Self(part)
    }
}

/// Access to a part of what a [`Guarded`](crate::Guarded) protects, for
/// reading; dropped, it releases.
///
/// Made by [`ReadGuard::map`](super::ReadGuard::map). It can't be converted.
#[must_use = "a guard that is dropped at once releases at once"]
pub struct MappedReadGuard<H, U: ?Sized> {
    hold: H,
    part: Part<U>,
}

impl<H: Holding, U: ?Sized> MappedReadGuard<H, U> {
    /// Of the hold of a guard, and a part of its data: G6.
    #[inline(always)]
    pub(super) fn new(hold: H, part: Part<U>) -> Self {
        Self { hold, part }
    }

    /// The mode in which it holds.
    pub fn mode(s: &Self) -> ModeOf<H> {
        s.hold.units().mode()
    }

    /// Narrows it further.
    pub fn map<V: ?Sized>(s: Self, f: impl FnOnce(&U) -> &V) -> MappedReadGuard<H, V> {
        let part = Part::new(f(&s));
        MappedReadGuard { hold: s.hold, part }
    }

    /// Narrows it further, if there is such a part.
    ///
    /// # Errors
    ///
    /// The guard, if there is none.
    pub fn try_map<V: ?Sized>(
        s: Self,
        f: impl FnOnce(&U) -> Option<&V>,
    ) -> Result<MappedReadGuard<H, V>, Self> {
        match f(&s).map(Part::new) {
            Some(part) => Ok(MappedReadGuard { hold: s.hold, part }),
            None => Err(s),
        }
    }
}

impl<H, U: ?Sized> Deref for MappedReadGuard<H, U> {
    type Target = U;

    #[inline]
    fn deref(&self) -> &U {
        // SAFETY: G6; nobody writes: G4.
        unsafe { &*self.part.0 }
    }
}

/// Access to a part of what a [`Guarded`](crate::Guarded) protects, for
/// reading and writing; dropped, it releases.
///
/// Made by [`WriteGuard::map`](super::WriteGuard::map). It can't be converted.
#[must_use = "a guard that is dropped at once releases at once"]
pub struct MappedWriteGuard<H, U: ?Sized> {
    hold: H,
    part: PartMut<U>,
}

impl<H: Holding, U: ?Sized> MappedWriteGuard<H, U> {
    /// Of the hold of a guard, and a part of its data: G3, G6.
    #[inline(always)]
    pub(super) fn new(hold: H, part: PartMut<U>) -> Self {
        Self { hold, part }
    }

    /// The mode in which it holds.
    pub fn mode(s: &Self) -> ModeOf<H> {
        s.hold.units().mode()
    }

    /// Narrows it further.
    pub fn map<V: ?Sized>(mut s: Self, f: impl FnOnce(&mut U) -> &mut V) -> MappedWriteGuard<H, V> {
        let part = PartMut::new(f(&mut s));
        MappedWriteGuard { hold: s.hold, part }
    }

    /// Narrows it further, if there is such a part.
    ///
    /// # Errors
    ///
    /// The guard, if there is none.
    pub fn try_map<V: ?Sized>(
        mut s: Self,
        f: impl FnOnce(&mut U) -> Option<&mut V>,
    ) -> Result<MappedWriteGuard<H, V>, Self> {
        match f(&mut s).map(PartMut::new) {
            Some(part) => Ok(MappedWriteGuard { hold: s.hold, part }),
            None => Err(s),
        }
    }
}

impl<H, U: ?Sized> Deref for MappedWriteGuard<H, U> {
    type Target = U;

    #[inline]
    fn deref(&self) -> &U {
        // SAFETY: G6; nobody else writes: G4.
        unsafe { &*self.part.0 }
    }
}

impl<H, U: ?Sized> DerefMut for MappedWriteGuard<H, U> {
    #[inline]
    fn deref_mut(&mut self) -> &mut U {
        // SAFETY: G6; nobody else reads or writes: G4.
        unsafe { &mut *self.part.0 }
    }
}

shown!(MappedReadGuard, MappedWriteGuard);
