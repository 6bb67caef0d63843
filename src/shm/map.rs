//! A segment's memory: atomics by their offset, and data by theirs.
//!
//! # Invariants
//!
//! * **M1** `base` is a mapping of `len` bytes, shared and writable, from the
//!   construction of a [`Map`] to its drop. It begins at a page, so that an
//!   offset's alignment is the address's.
//! * **M2** What others may change at any time is reached only as atomics
//!   here, or as raw pointers whose users say why nobody else is there.
//! * **M3** A child of `fork` has no such memory: whoever reaches for it asks
//!   [`Attachment::check`](super::attach::Attachment) first.

#![allow(unsafe_code)]

use core::fmt;
use std::fs::File;

use super::error::Error;
use super::sys;
use crate::atomic::{AtomicU32, AtomicU64};

/// A mapped segment.
pub(super) struct Map {
    base: *mut u8,
    len: usize,
}

// SAFETY: it is memory that other processes use at the same time anyway: only
// atomics of it are given out, or raw pointers (M2).
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

impl Map {
    /// Maps the whole file, which has `len` bytes.
    pub(super) fn new(file: &File, len: u64) -> Result<Self, Error> {
        let len = usize::try_from(len).map_err(|_| Error::NoSpace { wanted: len })?;
        let base = sys::map(file, len).map_err(Error::system("mapping a segment"))?;
        Ok(Self { base, len })
    }

    #[inline(always)]
    fn place(&self, at: u64, len: u64, align: u64) -> *mut u8 {
        assert!(
            at.is_multiple_of(align)
                && at.checked_add(len).is_some_and(|end| end <= self.len as u64),
            "a place outside of the segment"
        );
        // SAFETY: M1: within the mapping, as was just checked.
        unsafe { self.base.add(at as usize) }
    }

    /// The place of an integer of `LEN` bytes. Cheaper than `place`: nothing can
    /// overflow.
    #[inline(always)]
    fn integer<const LEN: u64>(&self, at: u64) -> *mut u8 {
        let len = self.len as u64;
        let inside = at < len && len - at >= LEN;
        assert!(inside && at.is_multiple_of(LEN), "a place outside of the segment");
        // SAFETY: M1: within the mapping, as was just checked.
        unsafe { self.base.add(at as usize) }
    }

    #[inline(always)]
    pub(super) fn u32(&self, at: u64) -> &AtomicU32 {
        // SAFETY: M1, M2: aligned, inside, and for as long as the map is.
        unsafe { AtomicU32::from_ptr(self.integer::<4>(at).cast()) }
    }

    #[inline(always)]
    pub(super) fn u64(&self, at: u64) -> &AtomicU64 {
        // SAFETY: M1, M2: as above; portable-atomic's has the size of its
        // integer and the alignment 8.
        unsafe { AtomicU64::from_ptr(self.integer::<8>(at).cast()) }
    }

    /// A pointer to `len` bytes of data, of which the user knows when they may
    /// be looked at.
    #[inline(always)]
    pub(super) fn data(&self, at: u64, len: u64) -> *mut u8 {
        self.place(at, len, 1)
    }

    /// Forgets the mapping without giving it back: in a child of `fork`, which
    /// does not have it.
    pub(super) fn forget(&mut self) {
        self.len = 0;
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        if self.len != 0 {
            // SAFETY: M1, and nobody has a reference into it any more: they
            // borrowed the map.
            unsafe { sys::unmap(self.base, self.len) };
        }
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").field("len", &self.len).finish_non_exhaustive()
    }
}

/// The word by which a process knows that it is not its parent.
pub(super) fn era_word() -> Result<&'static AtomicU32, Error> {
    static PAGE: std::sync::OnceLock<Result<usize, Error>> = std::sync::OnceLock::new();
    let page = PAGE.get_or_init(|| match sys::forgetful_page() {
        Ok(page) => Ok(page.expose_provenance()),
        Err(_) => Err(Error::Unsupported { what: "memory that a fork wipes" }),
    });
    match page {
        Ok(page) => {
            let page = core::ptr::with_exposed_provenance_mut(*page);
            // SAFETY: a page of our own that is never given back.
            Ok(unsafe { AtomicU32::from_ptr(page) })
        }
        Err(error) => Err(error.clone()),
    }
}
