//! The inner lock that is a critical section.

#![allow(unsafe_code)]

use core::fmt;
use core::ptr;

use super::inner::InnerLock;
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
}

// SAFETY: `critical_section::with` excludes and publishes, and leaves when its
// closure panics; `Keep` writes the word back in every way out. A nested call
// of the same lock can't happen: a closure never leaves the lock's own few
// functions and the user's predicate, which must not touch the lock.
unsafe impl InnerLock for CriticalInner {
    #[cfg(not(all(test, portunus_loom)))]
    const INIT: Self = Self::new();

    #[cfg(all(test, portunus_loom))]
    fn init() -> Self {
        Self::new()
    }

    #[inline]
    fn with<T>(&self, f: impl FnOnce(&mut *const ()) -> T) -> T {
        struct Keep<'a>(&'a AtomicPtr<()>, *const ());
        impl Drop for Keep<'_> {
            #[inline]
            fn drop(&mut self) {
                // Ordering: Relaxed, the critical section publishes.
                self.0.store(self.1.cast_mut(), Ordering::Relaxed);
            }
        }
        critical_section::with(|_| {
            // Ordering: Relaxed, as the store.
            let kept = self.kept.load(Ordering::Relaxed).cast_const();
            let mut keep = Keep(&self.kept, kept);
            f(&mut keep.1)
        })
    }

    fn try_with<T>(&self, f: impl FnOnce(&mut *const ()) -> T) -> Option<T> {
        Some(self.with(f))
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
