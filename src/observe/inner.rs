//! A backend that counts the grants that futures of one task trade.

#![allow(unsafe_code)]

use core::fmt;
use core::marker::PhantomData;

use crate::atomic::{AtomicUsize, Ordering};
use crate::backend::Backend;
use crate::panic::Panic;
use crate::wait::InnerLock;
use crate::wait::inner::Trade;

/// The backend `B`, counting. The locks of this module are built on it.
pub struct Observed<B>(PhantomData<fn() -> B>);

impl<B: Backend> Backend for Observed<B> {
    type Inner = Watched<B::Inner>;
    type Wait = B::Wait;

    fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Panic> {
        B::catch(f)
    }
}

impl<B> fmt::Debug for Observed<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observed")
    }
}

/// The inner lock `I`, and what is counted under it.
#[derive(Debug)]
pub struct Watched<I> {
    inner: I,
    traded: AtomicUsize,
    given_back: AtomicUsize,
}

impl<I> Watched<I> {
    /// How many grants were traded, and how many were given back.
    pub(super) fn trades(&self) -> (usize, usize) {
        // Ordering: Relaxed, numbers by themselves.
        (self.traded.load(Ordering::Relaxed), self.given_back.load(Ordering::Relaxed))
    }
}

// SAFETY: it is the lock `I`, whose contract this is; the counters touch
// nothing that it guards.
unsafe impl<I: InnerLock> InnerLock for Watched<I> {
    const LEAVES_AT_ONCE: bool = I::LEAVES_AT_ONCE;

    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Self =
        Self { inner: I::INIT, traded: AtomicUsize::new(0), given_back: AtomicUsize::new(0) };

    #[inline]
    fn with<T>(&self, f: impl FnOnce(&mut *const ()) -> T) -> T {
        self.inner.with(f)
    }

    #[inline]
    fn try_with<T>(&self, f: impl FnOnce(&mut *const ()) -> T) -> Option<T> {
        self.inner.try_with(f)
    }

    #[inline]
    fn is_clear(&self) -> bool {
        self.inner.is_clear()
    }

    fn noted(&self, trade: Trade) {
        let count = match trade {
            Trade::Taken => &self.traded,
            Trade::GivenBack => &self.given_back,
        };
        // Ordering: Relaxed, as above.
        count.fetch_add(1, Ordering::Relaxed);
    }
}
