//! A semaphore whose acquisitions can say that it is closed.

use core::fmt;

use super::{Face, ONE, Permit, Semaphore, Told, ToldMany, request};
use crate::atomic::constructor;
use crate::backend::Backend;
use crate::error::{AcquireError, Closed, TooManyPermits};

/// A semaphore that can be closed: every acquisition returns a `Result` that
/// says so.
///
/// All else is as in [`Semaphore`], which it is made of, and it costs no more.
///
/// ```
/// use portunus::sync::ClosableSemaphore;
///
/// static JOBS: ClosableSemaphore = ClosableSemaphore::new(1);
///
/// let permit = JOBS.acquire()?;
/// std::thread::scope(|scope| {
///     // It waits, and is sent away.
///     let waiting = scope.spawn(|| JOBS.acquire().map(drop));
///     while JOBS.waiting() == 0 {
///         std::thread::yield_now();
///     }
///     JOBS.close();
///     assert!(waiting.join().expect("no panic").is_err());
/// });
/// // What is out stays valid, and comes back.
/// drop(permit);
/// assert_eq!(JOBS.available_permits(), 1);
/// assert!(JOBS.try_acquire().is_err());
/// # Ok::<(), portunus::Closed>(())
/// ```
///
/// # Cancel safety
///
/// As [`Semaphore`]'s. A future that has been refused and is dropped before it
/// says so leaves nothing behind.
//
// Invariant C1: the same in memory as the semaphore that it is made of.
#[repr(transparent)]
pub struct ClosableSemaphore<B: Backend> {
    semaphore: Semaphore<B>,
}

impl<B: Backend> ClosableSemaphore<B> {
    /// The most permits that a semaphore can have.
    pub const MAX_PERMITS: usize = super::MAX_PERMITS;

    constructor! {
        /// With so many permits.
        ///
        /// # Panics
        ///
        /// If there are more than [`MAX_PERMITS`](Self::MAX_PERMITS).
        #[must_use]
        #[track_caller]
        pub fn new(permits: usize) -> Self {
            Self { semaphore: Semaphore::new(permits) }
        }
    }

    /// Takes a permit, waiting in line until there is one: see
    /// [`Semaphore::acquire`].
    ///
    /// # Errors
    ///
    /// [`Closed`] if it is, or becomes so while this waits.
    #[inline]
    pub fn acquire(&self) -> Result<Permit<'_, B>, Closed> {
        Told::output(self.semaphore.wait::<Told>(ONE), 1)
    }

    /// Takes `count` permits, waiting in line until all of them are free at
    /// once: see [`Semaphore::acquire_many`].
    ///
    /// # Errors
    ///
    /// [`AcquireError::TooMany`] when there are fewer permits in all, also when
    /// they become fewer while this waits; [`AcquireError::Closed`] as
    /// [`acquire`](Self::acquire), also for 0 permits.
    pub fn acquire_many(&self, count: u32) -> Result<Permit<'_, B>, AcquireError> {
        ToldMany::output(self.semaphore.wait::<ToldMany>(request(count)), count)
    }

    /// Takes a permit if one is free and nobody waits: see
    /// [`Semaphore::try_acquire`].
    ///
    /// # Errors
    ///
    /// [`Closed`] if it is.
    #[inline]
    pub fn try_acquire(&self) -> Result<Option<Permit<'_, B>>, Closed> {
        Told::output(self.semaphore.try_request::<Told>(ONE), 1)
    }

    /// Takes `count` permits if they are free and nobody waits: see
    /// [`Semaphore::try_acquire_many`].
    ///
    /// # Errors
    ///
    /// As [`acquire_many`](Self::acquire_many).
    pub fn try_acquire_many(&self, count: u32) -> Result<Option<Permit<'_, B>>, AcquireError> {
        ToldMany::output(self.semaphore.try_request::<ToldMany>(request(count)), count)
    }

    /// Makes it a semaphore of so many permits: see [`Semaphore::resize`].
    ///
    /// # Errors
    ///
    /// [`TooManyPermits`] for more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    pub fn resize(&self, permits: usize) -> Result<(), TooManyPermits> {
        self.semaphore.resize(permits)
    }

    /// Gives it `permits` more, in one step, as [`Semaphore::add_permits`].
    ///
    /// # Errors
    ///
    /// [`TooManyPermits`] if there would be more than
    /// [`MAX_PERMITS`](Self::MAX_PERMITS); nothing has changed then.
    pub fn add_permits(&self, permits: usize) -> Result<(), TooManyPermits> {
        self.semaphore.add_permits(permits)
    }

    /// Takes `permits` away from it, or all if there are fewer, in one step, as
    /// [`Semaphore::remove_permits`]. Returns how many these were.
    pub fn remove_permits(&self, permits: usize) -> usize {
        self.semaphore.remove_permits(permits)
    }

    /// Gives out no permit any more, and sends everybody in line away with
    /// [`Closed`].
    ///
    /// Permits that are out stay valid, and come back as usual:
    /// [`available_permits`](Self::available_permits) goes on counting. A
    /// future that was granted its permit and has not been polled since has it.
    pub fn close(&self) {
        self.semaphore.close();
    }

    /// Whether it has been closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.semaphore.is_closed()
    }

    /// How many permits are free now: a snapshot. See
    /// [`Semaphore::available_permits`].
    #[must_use]
    pub fn available_permits(&self) -> usize {
        self.semaphore.available_permits()
    }

    /// How many permits there are in all, free or taken, without those that
    /// were [forgotten](Permit::forget). See [`Semaphore::permits`].
    #[must_use]
    pub fn permits(&self) -> usize {
        self.semaphore.permits()
    }

    /// How many requests wait now: see [`Semaphore::waiting`].
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.semaphore.waiting()
    }

    pub(crate) fn inner(&self) -> &Semaphore<B> {
        &self.semaphore
    }
}

/// Shows the permits, the free ones, whether it is closed, and the length of
/// the line; never blocks.
impl<B: Backend> fmt::Debug for ClosableSemaphore<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.semaphore.fmt_as("ClosableSemaphore", f)
    }
}
