//! Semaphores with a probe.

use core::fmt;

use super::inner::Observed;
use super::permit::{Counting, Permit, parts};
use super::probe::{Probe, Report};
use crate::backend::Backend;
use crate::error::{AcquireError, Closed, TooMany, TooManyPermits};
use crate::rules::Permit as Mode;
use crate::semaphore::{self, Counted, Face, ONE, Plain, Told, ToldMany, closed, request};
use crate::wait::node::{Refusal, Request};
use crate::wait::{Forever, Limit};

/// A [`Semaphore`](crate::Semaphore), observed.
///
/// ```
/// use portunus::observe::{Probe, sync::Semaphore};
///
/// static SLOTS: Semaphore = Semaphore::observed(3, Probe::new().named("slots"));
///
/// drop(SLOTS.acquire());
/// assert_eq!(SLOTS.report().acquisitions, 1);
/// ```
pub struct Semaphore<B: Backend> {
    semaphore: semaphore::Semaphore<Observed<B>>,
    probe: Probe,
}

/// Writes what both kinds of semaphore have.
macro_rules! counted {
    ($semaphore:ident) => {
        /// The most permits that a semaphore can have.
        pub const MAX_PERMITS: usize = semaphore::Semaphore::<B>::MAX_PERMITS;

        /// With so many permits, and a probe without a name.
        ///
        /// # Panics
        ///
        /// As [`crate::Semaphore::new`].
        #[must_use]
        #[track_caller]
        pub const fn new(permits: usize) -> Self {
            Self::observed(permits, Probe::new())
        }

        /// Makes it a semaphore of so many permits: see
        /// [`crate::Semaphore::resize`].
        ///
        /// # Errors
        ///
        /// As there.
        pub fn resize(&self, permits: usize) -> Result<(), TooManyPermits> {
            self.$semaphore.resize(permits)
        }

        /// Gives it `permits` more, in one step, as
        /// [`crate::Semaphore::add_permits`].
        ///
        /// # Errors
        ///
        /// [`TooManyPermits`] if there would be more than
        /// [`MAX_PERMITS`](Self::MAX_PERMITS); nothing has changed then.
        pub fn add_permits(&self, permits: usize) -> Result<(), TooManyPermits> {
            self.$semaphore.add_permits(permits)
        }

        /// Takes `permits` away from it, or all if there are fewer, in one
        /// step, as [`crate::Semaphore::remove_permits`]. Returns how many
        /// these were.
        pub fn remove_permits(&self, permits: usize) -> usize {
            self.$semaphore.remove_permits(permits)
        }

        /// Gives out no permit any more, and sends everybody in line away: see
        /// [`crate::Semaphore::close`].
        pub fn close(&self) {
            self.$semaphore.close();
        }

        /// Whether it has been closed.
        #[must_use]
        pub fn is_closed(&self) -> bool {
            self.$semaphore.is_closed()
        }

        /// How many permits are free now: a snapshot.
        #[must_use]
        pub fn available_permits(&self) -> usize {
            self.$semaphore.available_permits()
        }

        /// How many permits there are in all, free or taken.
        #[must_use]
        pub fn permits(&self) -> usize {
            self.$semaphore.permits()
        }

        /// How many requests wait now.
        #[must_use]
        pub fn waiting(&self) -> usize {
            self.$semaphore.waiting()
        }
    };
}

impl<B: Backend> Semaphore<B> {
    counted!(semaphore);

    /// With so many permits, and this probe.
    ///
    /// # Panics
    ///
    /// As [`crate::Semaphore::new`].
    #[must_use]
    #[track_caller]
    pub const fn observed(permits: usize, probe: Probe) -> Self {
        Self { semaphore: semaphore::Semaphore::new(permits), probe }
    }

    /// Takes a permit, waiting in line until there is one: see
    /// [`crate::Semaphore::acquire`].
    ///
    /// # Panics
    ///
    /// If it is closed, or becomes so while this waits.
    #[track_caller]
    pub fn acquire(&self) -> Permit<&Self> {
        match self.wait::<Plain>(ONE) {
            Ok(permit) => permit,
            Err(_) => closed(),
        }
    }

    /// Takes `count` permits, waiting in line until all of them are free at
    /// once: see [`crate::Semaphore::acquire_many`].
    ///
    /// # Errors
    ///
    /// [`TooMany`] when there are fewer permits in all, or it is closed; also
    /// when that comes about while this waits.
    pub fn acquire_many(&self, count: u32) -> Result<Permit<&Self>, TooMany> {
        Counted::output(self.wait::<Counted>(request(count)), count)
    }

    /// Takes a permit if one is free and nobody waits: see
    /// [`crate::Semaphore::try_acquire`].
    pub fn try_acquire(&self) -> Option<Permit<&Self>> {
        self.try_enter::<Plain>(ONE).ok().flatten()
    }

    /// Takes `count` permits if they are free and nobody waits: see
    /// [`crate::Semaphore::try_acquire_many`].
    ///
    /// # Errors
    ///
    /// [`TooMany`] when there are fewer permits in all, or it is closed.
    pub fn try_acquire_many(&self, count: u32) -> Result<Option<Permit<&Self>>, TooMany> {
        Counted::output(self.try_enter::<Counted>(request(count)), count)
    }

    /// Its probe.
    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    /// What was counted until now.
    pub fn report(&self) -> Report {
        self.probe.report(self.semaphore.raw().inner().trades())
    }

    pub(super) fn semaphore(&self) -> &semaphore::Semaphore<Observed<B>> {
        &self.semaphore
    }

    /// Takes some now, or none.
    fn try_enter<F: Face>(&self, request: Request) -> Result<Option<Permit<&Self>>, Refusal> {
        let permit = self.semaphore.try_request::<F>(request)?;
        Ok(permit.map(|permit| Permit::new(self, parts(self.probe.admitted(permit, drop)))))
    }

    /// Takes some, at once or by waiting until `limit`.
    pub(super) fn enter<F: Face>(
        &self,
        request: Request,
        limit: &impl Limit,
    ) -> Result<Option<Permit<&Self>>, Refusal> {
        if let Some(permit) = self.try_enter::<F>(request)? {
            return Ok(Some(permit));
        }
        let start = self.probe.now();
        let waited = self.semaphore.wait_within::<F>(request, limit);
        let Ok(Some(permit)) = waited else {
            self.probe.gave_up(start, &Mode::Permit);
            return waited.map(|_| None);
        };
        let stamped = self.probe.served(start, &Mode::Permit, permit, drop);
        Ok(Some(Permit::new(self, parts(stamped))))
    }

    /// Takes some, waiting for as long as it takes.
    pub(super) fn wait<F: Face>(&self, request: Request) -> Result<Permit<&Self>, Refusal> {
        loop {
            // Without a limit it ends with an answer the first time.
            if let Some(permit) = self.enter::<F>(request, &Forever)? {
                return Ok(permit);
            }
        }
    }
}

impl<B: Backend> Counting for Semaphore<B> {
    type Backend = B;

    fn counted(&self) -> &Self {
        self
    }
}

impl<B: Backend> fmt::Debug for Semaphore<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("semaphore", &self.semaphore)
            .field("report", &self.report())
            .finish()
    }
}

/// A [`ClosableSemaphore`](crate::ClosableSemaphore), observed: who is sent away
/// has given up.
///
/// ```
/// use portunus::observe::{Probe, sync::ClosableSemaphore};
///
/// static JOBS: ClosableSemaphore = ClosableSemaphore::observed(1, Probe::new().named("jobs"));
///
/// drop(JOBS.acquire()?);
/// JOBS.close();
/// assert!(JOBS.try_acquire().is_err());
/// assert_eq!(JOBS.report().acquisitions, 1);
/// # Ok::<(), portunus::Closed>(())
/// ```
pub struct ClosableSemaphore<B: Backend> {
    inner: Semaphore<B>,
}

impl<B: Backend> ClosableSemaphore<B> {
    counted!(inner);

    /// With so many permits, and this probe.
    ///
    /// # Panics
    ///
    /// As [`crate::Semaphore::new`].
    #[must_use]
    #[track_caller]
    pub const fn observed(permits: usize, probe: Probe) -> Self {
        Self { inner: Semaphore::observed(permits, probe) }
    }

    /// Takes a permit, waiting in line until there is one: see
    /// [`crate::ClosableSemaphore::acquire`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire(&self) -> Result<Permit<&Semaphore<B>>, Closed> {
        Told::output(self.inner.wait::<Told>(ONE), 1)
    }

    /// Takes `count` permits, waiting in line until all of them are free at
    /// once: see [`crate::ClosableSemaphore::acquire_many`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many(&self, count: u32) -> Result<Permit<&Semaphore<B>>, AcquireError> {
        ToldMany::output(self.inner.wait::<ToldMany>(request(count)), count)
    }

    /// Takes a permit if one is free and nobody waits: see
    /// [`crate::ClosableSemaphore::try_acquire`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn try_acquire(&self) -> Result<Option<Permit<&Semaphore<B>>>, Closed> {
        Told::output(self.inner.try_enter::<Told>(ONE), 1)
    }

    /// Takes `count` permits if they are free and nobody waits: see
    /// [`crate::ClosableSemaphore::try_acquire_many`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn try_acquire_many(
        &self,
        count: u32,
    ) -> Result<Option<Permit<&Semaphore<B>>>, AcquireError> {
        ToldMany::output(self.inner.try_enter::<ToldMany>(request(count)), count)
    }

    /// Its probe.
    pub fn probe(&self) -> &Probe {
        self.inner.probe()
    }

    /// What was counted until now.
    pub fn report(&self) -> Report {
        self.inner.report()
    }

    pub(super) fn inner(&self) -> &Semaphore<B> {
        &self.inner
    }
}

impl<B: Backend> Counting for ClosableSemaphore<B> {
    type Backend = B;

    fn counted(&self) -> &Semaphore<B> {
        &self.inner
    }
}

impl<B: Backend> fmt::Debug for ClosableSemaphore<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClosableSemaphore")
            .field("semaphore", &self.inner.semaphore)
            .field("report", &self.report())
            .finish()
    }
}
