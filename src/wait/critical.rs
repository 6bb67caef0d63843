//! The inner lock that is a critical section.

#![allow(unsafe_code)]

use core::fmt;
use core::ptr;

use super::inner::{InnerLock, abort, or_abort};
use crate::atomic::{AtomicPtr, Ordering, constructor};

/// An inner lock that is the critical section of the chip or the application.
///
/// An interrupt handler may take it: whoever else could be inside has
/// interrupts off.
pub struct CriticalInner {
    /// Written inside the critical section only; an atomic so that it may be
    /// looked at from outside, and never more than loaded and stored.
    kept: AtomicPtr<()>,
}

impl CriticalInner {
    constructor! {
        fn new() -> Self {
            Self { kept: AtomicPtr::new(ptr::null_mut()) }
        }
    }

    /// Takes the word, inside a critical section. `None`: it is taken.
    #[inline]
    fn enter(&self) -> Option<Keep<'_>> {
        // Ordering: Relaxed here and in the stores: the critical section
        // publishes.
        let kept = self.kept.load(Ordering::Relaxed);
        if kept == TAKEN {
            return None;
        }
        self.kept.store(TAKEN, Ordering::Relaxed);
        Some(Keep { lock: self, kept: kept.cast_const() })
    }
}

/// Writes the word back.
struct Keep<'a> {
    lock: &'a CriticalInner,
    kept: *const (),
}

impl Drop for Keep<'_> {
    #[inline]
    fn drop(&mut self) {
        // Ordering: Relaxed, as in `enter`.
        self.lock.kept.store(self.kept.cast_mut(), Ordering::Relaxed);
    }
}

/// A critical section, from here to its drop. The application's functions
/// must not unwind on the way in or out: the program ends then.
struct Section(critical_section::RestoreState);

impl Section {
    #[inline]
    fn enter() -> Self {
        // SAFETY: left by the drop of this, which is never moved out of the
        // function that has it: sections end in the order in which they began.
        Self(or_abort(|| unsafe { critical_section::acquire() }))
    }
}

impl Drop for Section {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the state is that of the acquisition that this ends.
        or_abort(|| unsafe { critical_section::release(self.0) });
    }
}

/// What `kept` is while somebody is inside: critical sections nest, and a
/// predicate that touched its own lock would find itself inside twice.
const TAKEN: *mut () = ptr::without_provenance_mut(1);

// SAFETY: a critical section excludes and publishes; `Section` leaves it, and
// `Keep` writes the word back before, in every way out. A nested call
// finds the lock taken and ends the program.
unsafe impl InnerLock for CriticalInner {
    #[cfg(not(all(test, portunus_loom)))]
    const INIT: Self = Self::new();

    #[cfg(all(test, portunus_loom))]
    fn init() -> Self {
        Self::new()
    }

    #[inline]
    fn with<T>(&self, f: impl FnOnce(&mut *const ()) -> T) -> T {
        let _section = Section::enter();
        match self.enter() {
            Some(mut keep) => f(&mut keep.kept),
            // To unwind here would free a waiter that is in line.
            None => abort("a rule's predicate used the lock that was asking it"),
        }
    }

    fn try_with<T>(&self, f: impl FnOnce(&mut *const ()) -> T) -> Option<T> {
        let _section = Section::enter();
        self.enter().map(|mut keep| f(&mut keep.kept))
    }

    #[inline]
    fn is_clear(&self) -> bool {
        // Ordering: Relaxed, a hint.
        self.kept.load(Ordering::Relaxed).is_null()
    }
}

impl fmt::Debug for CriticalInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CriticalInner").finish_non_exhaustive()
    }
}
