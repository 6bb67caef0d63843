//! Exclusive access to data, first come, first served.

#![allow(unsafe_code)]

use core::fmt;

use crate::atomic::constructor;
use crate::backend::Backend;
use crate::raw::lock::RawFifoLock;
use crate::rules::Exclusive;
use crate::wait::Limit;
use crate::wait::node::{NO_MODE, Request};

/// The state that a guard keeps for its release: whether the acquisition had to
/// stand in line, so that somebody is likely to wait. It only speeds the release
/// up; nobody else needs it.
#[derive(Clone, Copy, Debug)]
pub struct Lined(pub(crate) bool);

/// The raw mutex: [`lock_api::RawMutex`] over the engine.
///
/// `lock_api::Mutex<RawMutex<B>, T>` adds data and guards; each backend has it
/// as its `Mutex`.
#[doc(alias = "Acquirable")]
pub struct RawMutex<B: Backend> {
    raw: RawFifoLock<Exclusive, B>,
}

pub(crate) const REQUEST: Request = Request { mode: 0, from: NO_MODE, weight: 1 };

impl<B: Backend> RawMutex<B> {
    constructor! {
        /// Unlocked.
        #[must_use]
        pub fn new() -> Self {
            Self { raw: RawFifoLock::new(Exclusive) }
        }
    }

    /// How many wait now.
    ///
    /// Counts them one by one, under the inner lock.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.raw.waiting()
    }

    #[inline(always)]
    pub(crate) fn acquire(&self, limit: &impl Limit) -> Option<Lined> {
        self.raw.acquire(REQUEST, limit).map(Lined)
    }

    pub(crate) fn raw(&self) -> &RawFifoLock<Exclusive, B> {
        &self.raw
    }
}

impl<B: Backend> Default for RawMutex<B> {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows whether it is held and the length of the line; never blocks.
impl<B: Backend> fmt::Debug for RawMutex<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt_as("RawMutex", f)
    }
}

// SAFETY: `Exclusive` admits one holder at a time; entering is Acquire and
// leaving Release (O1). The guard's state is a plain hint: dropping it does
// nothing, and the lock may move while nobody waits.
#[cfg(not(all(test, portunus_loom)))]
unsafe impl<B: Backend> lock_api::RawMutex for RawMutex<B> {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Self = Self::new();
    type Guard = Lined;

    #[inline]
    fn lock(&self) -> Lined {
        Lined(self.raw.acquire_blocking(REQUEST))
    }

    #[inline]
    fn try_lock(&self) -> Option<Lined> {
        self.raw.try_acquire(REQUEST).then_some(Lined(false))
    }

    #[inline]
    unsafe fn unlock(&self, guard: Lined) {
        self.raw.release(REQUEST, guard.0);
    }

    #[inline]
    fn is_locked(&self) -> bool {
        self.raw.is_locked()
    }
}

// SAFETY: every release hands over to the next in line: it is a fair one.
#[cfg(not(all(test, portunus_loom)))]
unsafe impl<B: Backend> lock_api::RawMutexFair for RawMutex<B> {
    #[inline]
    unsafe fn unlock_fair(&self, guard: Lined) {
        self.raw.release(REQUEST, guard.0);
    }
}
