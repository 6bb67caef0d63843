//! A number of permits, handed out first come, first served.

use core::fmt;
use core::mem;

use crate::atomic::constructor;
use crate::backend::Backend;
use crate::error::TooMany;
use crate::raw::lock::RawFifoLock;
use crate::rules::Permit as Mode;
use crate::wait::Forever;
use crate::wait::node::{NO_MODE, Request};
use crate::{Held, PerMode, Rules};

/// The most permits that a semaphore can have.
///
/// The word keeps twice the room, so that limits may move without wrapping.
pub(crate) const MAX_PERMITS: usize = usize::MAX >> 3;

/// The rule of [`Semaphore`]: the limit of the mode, and nothing else.
///
/// How many permits there are stands in the word itself: as many units as are
/// missing to [`MAX_PERMITS`] are withheld from the start. So an acquisition
/// looks at one word, and no limit can be out of date.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Permits;

impl Rules for Permits {
    type Mode = Mode;
    const LIMITS: PerMode<usize> = PerMode::all(MAX_PERMITS);
    const WEIGHTED: bool = true;
    const CONVERTS: bool = false;

    #[inline(always)]
    fn admits(&self, _: Mode, _: &Held<Mode>) -> bool {
        true
    }
}

#[inline(always)]
pub(crate) const fn request(weight: u32) -> Request {
    Request { mode: 0, from: NO_MODE, weight }
}

/// A number of permits, handed out first come, first served.
///
/// ```
/// use portunus::sync::Semaphore;
///
/// static SLOTS: Semaphore = Semaphore::new(3);
///
/// let one = SLOTS.acquire();
/// let two = SLOTS.acquire_many(2)?;
/// assert_eq!(SLOTS.available_permits(), 0);
/// assert!(SLOTS.try_acquire().is_none());
/// drop(two);
/// assert_eq!(SLOTS.available_permits(), 2);
/// # drop(one);
/// # Ok::<(), portunus::TooMany>(())
/// ```
///
/// # Fairness
///
/// Strictly first come, first served. A request for many permits is served
/// when all of them are free at once, and nobody behind it before it.
///
/// With no permits at all, [`acquire`](Self::acquire) waits for ever and
/// [`acquire_many`](Self::acquire_many) errs.
#[doc(alias = "BoundedSemaphore")]
pub struct Semaphore<B: Backend> {
    raw: RawFifoLock<Permits, B>,
    permits: usize,
}

impl<B: Backend> Semaphore<B> {
    /// The most permits that a semaphore can have.
    pub const MAX_PERMITS: usize = MAX_PERMITS;

    constructor! {
        /// With so many permits.
        ///
        /// # Panics
        ///
        /// If there are more than [`MAX_PERMITS`](Self::MAX_PERMITS).
        #[must_use]
        #[track_caller]
        pub fn new(permits: usize) -> Self {
            assert!(permits <= MAX_PERMITS, "a semaphore has at most Semaphore::MAX_PERMITS permits");
            Self { raw: RawFifoLock::with_units(Permits, 0, MAX_PERMITS - permits), permits }
        }
    }

    /// Takes a permit, waiting in line until there is one.
    ///
    /// # Blocking
    ///
    /// Blocks the calling thread or core. In async code use
    /// [`acquire_async`](Self::acquire_async).
    #[inline]
    pub fn acquire(&self) -> Permit<'_, B> {
        self.acquire_blocking(1)
    }

    /// Takes `count` permits, waiting in line until all of them are free at
    /// once. For 0 it never waits.
    ///
    /// # Blocking
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Errors
    ///
    /// [`TooMany`] when there are fewer permits in all.
    pub fn acquire_many(&self, count: u32) -> Result<Permit<'_, B>, TooMany> {
        self.check(count)?;
        if count == 0 {
            return Ok(self.permit(0, false));
        }
        Ok(self.acquire_blocking(count))
    }

    #[inline]
    fn acquire_blocking(&self, count: u32) -> Permit<'_, B> {
        match self.raw.acquire(request(count), &Forever) {
            Some(lined) => self.permit(count, lined),
            None => unreachable!("waiting without a limit ends with the permit"),
        }
    }

    /// Takes a permit if one is free and nobody waits.
    #[inline]
    pub fn try_acquire(&self) -> Option<Permit<'_, B>> {
        self.raw.try_acquire(request(1)).then(|| self.permit(1, false))
    }

    /// Takes `count` permits if they are free and nobody waits.
    ///
    /// # Errors
    ///
    /// [`TooMany`] when there are fewer permits in all.
    pub fn try_acquire_many(&self, count: u32) -> Result<Option<Permit<'_, B>>, TooMany> {
        self.check(count)?;
        let taken = count == 0 || self.raw.try_acquire(request(count));
        Ok(taken.then(|| self.permit(count, false)))
    }

    /// How many permits are free now.
    pub fn available_permits(&self) -> usize {
        MAX_PERMITS.saturating_sub(self.raw.held()[Mode::Permit])
    }

    /// How many permits there are in all, free or taken.
    pub fn permits(&self) -> usize {
        self.permits
    }

    /// How many requests wait now.
    ///
    /// Counts them one by one, under the inner lock.
    pub fn waiting(&self) -> usize {
        self.raw.waiting()
    }

    pub(crate) fn check(&self, count: u32) -> Result<(), TooMany> {
        TooMany::check(count, self.permits())
    }

    #[inline(always)]
    pub(crate) fn permit(&self, count: u32, lined: bool) -> Permit<'_, B> {
        Permit { semaphore: self, count, lined }
    }

    pub(crate) fn raw(&self) -> &RawFifoLock<Permits, B> {
        &self.raw
    }
}

/// Shows the permits, the free ones, and the length of the line; never blocks.
impl<B: Backend> fmt::Debug for Semaphore<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Semaphore");
        debug.field("permits", &self.permits()).field("available", &self.available_permits());
        match self.raw.try_waiting() {
            Some(waiting) => debug.field("waiting", &waiting),
            None => debug.field("waiting", &format_args!("<locked>")),
        };
        debug.finish()
    }
}

/// Permits of a [`Semaphore`]: dropped, they go back.
///
/// They may be moved to another thread and dropped there.
#[doc(alias = "SemaphorePermit")]
#[doc(alias = "SemaphoreGuard")]
#[must_use = "a permit that is dropped at once goes back at once"]
pub struct Permit<'a, B: Backend> {
    semaphore: &'a Semaphore<B>,
    count: u32,
    lined: bool,
}

impl<'a, B: Backend> Permit<'a, B> {
    /// How many permits these are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The semaphore that they belong to.
    #[must_use]
    pub fn semaphore(&self) -> &'a Semaphore<B> {
        self.semaphore
    }

    /// What [`Semaphore::permit`] makes a permit of; nothing is released.
    pub(crate) fn into_parts(self) -> (u32, bool) {
        let parts = (self.count, self.lined);
        mem::forget(self);
        parts
    }

    /// Takes `count` of them out into a permit of their own; `None` if there
    /// are fewer.
    pub fn split(&mut self, count: u32) -> Option<Self> {
        self.count = self.count.checked_sub(count)?;
        Some(Self { semaphore: self.semaphore, count, lined: self.lined })
    }

    /// Adds the permits of `other` to these. Another semaphore's come back as
    /// they are, and so do more than `u32::MAX` together.
    ///
    /// # Errors
    ///
    /// `other`, untouched.
    pub fn merge(&mut self, other: Self) -> Result<(), Self> {
        let sum = self.count.checked_add(other.count);
        match sum {
            Some(sum) if core::ptr::eq(self.semaphore, other.semaphore) => {
                self.count = sum;
                mem::forget(other);
                Ok(())
            }
            _ => Err(other),
        }
    }
}

impl<B: Backend> Drop for Permit<'_, B> {
    #[inline]
    fn drop(&mut self) {
        if self.count != 0 {
            self.semaphore.raw.release(request(self.count), self.lined);
        }
    }
}

impl<B: Backend> fmt::Debug for Permit<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("count", &self.count).finish_non_exhaustive()
    }
}
