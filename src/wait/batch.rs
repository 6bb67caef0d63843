//! Wakers collected under an inner lock and called after it.

#![allow(unsafe_code)]

use core::mem::MaybeUninit;
use core::task::Waker;

/// How many waiters one grant lets in before it opens the inner lock and
/// wakes them. Short in models, so that the second round is explored.
pub(crate) const BATCH: usize = if cfg!(all(test, portunus_loom)) { 2 } else { 16 };

/// Something that is due to be woken.
pub(crate) trait Wake {
    fn wake(self);
}

impl Wake for Waker {
    #[inline]
    fn wake(self) {
        Waker::wake(self);
    }
}

/// A few wake-ups, without a heap and without clearing the memory first.
///
/// Invariant **B1**: the first `len` places, from `done` on, are initialised.
///
/// Dropping it wakes what is left, so that a panic, in a predicate or in
/// another waker, leaves nobody asleep.
pub(crate) struct Batch<T: Wake> {
    places: [MaybeUninit<T>; BATCH],
    done: usize,
    len: usize,
}

impl<T: Wake> Batch<T> {
    #[inline]
    pub(crate) fn new() -> Self {
        Self { places: [const { MaybeUninit::uninit() }; BATCH], done: 0, len: 0 }
    }

    /// How many more fit.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        BATCH - self.len
    }

    /// Adds one. At most [`BATCH`] fit, and a grant never makes more.
    #[inline]
    pub(crate) fn push(&mut self, wake: T) {
        match self.places.get_mut(self.len) {
            Some(place) => {
                place.write(wake);
                self.len += 1;
            }
            // More than a grant makes; nobody stays asleep all the same.
            None => wake.wake(),
        }
    }

    /// Wakes everybody, in the order in which they were granted.
    #[inline]
    pub(crate) fn wake(&mut self) {
        while self.done < self.len {
            let at = self.done;
            self.done += 1;
            // SAFETY: B1, and `done` moved past it: it is taken out once.
            unsafe { self.places.get_unchecked(at).assume_init_read() }.wake();
        }
    }
}

impl<T: Wake> Drop for Batch<T> {
    #[inline]
    fn drop(&mut self) {
        self.wake();
    }
}

/// One wake-up, or none. Dropping it wakes, as a [`Batch`].
pub(crate) struct Single<T: Wake>(Option<T>);

impl<T: Wake> Single<T> {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self(None)
    }

    /// Puts it in. A grant that lets one in makes one.
    #[inline(always)]
    pub(crate) fn set(&mut self, wake: T) {
        if let Some(before) = self.0.replace(wake) {
            // Nobody stays asleep all the same.
            before.wake();
        }
    }
}

impl<T: Wake> Drop for Single<T> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(wake) = self.0.take() {
            wake.wake();
        }
    }
}
