//! Data that only short closures touch, under a backend's inner lock.
//!
//! Unlike a mutex, it may be used where a waker is called: with the backend
//! `critical` that may be an interrupt handler. The closures run a few
//! instructions, call nothing of the user's, and never nest.
//!
//! # Invariants
//!
//! * **D1** `data` is touched inside `inner.with` only, and no reference to it
//!   leaves the closure.

#![allow(unsafe_code)]

use core::cell::UnsafeCell;

use super::inner::InnerLock;
use crate::atomic::{constructor, init};
use crate::backend::Backend;

/// Data under the inner lock of `B`.
pub(crate) struct Locked<B: Backend, T> {
    inner: B::Inner,
    data: UnsafeCell<T>,
}

// SAFETY: one closure at a time touches the data (D1): a shared `Locked` hands
// the data from thread to thread, as a mutex does.
unsafe impl<B: Backend, T: Send> Sync for Locked<B, T> {}

impl<B: Backend, T> Locked<B, T> {
    constructor! {
        pub(crate) fn new(data: T) -> Self {
            Self { inner: init!(B::Inner), data: UnsafeCell::new(data) }
        }
    }

    /// Runs `f` on the data. It must not use the same lock again.
    #[inline]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        self.inner.with(|_| {
            // SAFETY: the inner lock runs one closure at a time, and what is
            // borrowed here ends with this one (D1).
            f(unsafe { &mut *self.data.get() })
        })
    }

    /// The same, unless it would have to wait.
    pub(crate) fn try_with<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.inner.try_with(|_| {
            // SAFETY: as in `with` (D1).
            f(unsafe { &mut *self.data.get() })
        })
    }
}
