//! The word of an inner lock that excludes others by other means than the word.

use super::inner::abort;
use crate::atomic::{AtomicPtr, Ordering, constructor};

/// What the word is while somebody is inside: sections nest, and a predicate
/// that touched its own lock would find itself inside twice.
const TAKEN: *mut () = core::ptr::without_provenance_mut(1);

/// A word that knows when somebody is inside.
///
/// It does not exclude; it finds out who enters twice.
pub(super) struct Kept {
    /// Written only by who is inside; an atomic so that it may be looked at
    /// from outside, and never more than loaded and stored.
    word: AtomicPtr<()>,
}

impl Kept {
    constructor! {
        /// Null.
        pub(super) fn new() -> Self {
            Self { word: AtomicPtr::new(core::ptr::null_mut()) }
        }
    }

    /// Takes the word, where the caller excludes all others. `None`: it is
    /// taken, by the caller itself.
    #[inline(always)]
    fn enter(&self) -> Option<Keep<'_>> {
        // Ordering: Relaxed here and in the stores: what excludes, publishes.
        let word = self.word.load(Ordering::Relaxed);
        if word == TAKEN {
            return None;
        }
        self.word.store(TAKEN, Ordering::Relaxed);
        Some(Keep { kept: self, word: word.cast_const() })
    }

    /// Runs `f` on the word. Inside another `f` it ends the program, saying
    /// `nested`: to unwind would free a waiter that is in line.
    #[inline(always)]
    pub(super) fn with<T>(&self, nested: &'static str, f: impl FnOnce(&mut *const ()) -> T) -> T {
        match self.enter() {
            Some(mut keep) => f(&mut keep.word),
            None => abort(nested),
        }
    }

    /// Runs `f` on the word, unless inside another `f`.
    #[inline]
    pub(super) fn try_with<T>(&self, f: impl FnOnce(&mut *const ()) -> T) -> Option<T> {
        self.enter().map(|mut keep| f(&mut keep.word))
    }

    /// Whether the word is null, a hint from outside.
    #[inline(always)]
    pub(super) fn is_clear(&self) -> bool {
        // Ordering: Relaxed, a hint.
        self.word.load(Ordering::Relaxed).is_null()
    }
}

/// Writes the word back, in every way out.
struct Keep<'a> {
    kept: &'a Kept,
    word: *const (),
}

impl Drop for Keep<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // Ordering: Relaxed, as in `enter`.
        self.kept.word.store(self.word.cast_mut(), Ordering::Relaxed);
    }
}
