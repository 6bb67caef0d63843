//! A semaphore with a probe.

use core::fmt;
use core::time::Duration;

use super::inner::Observed;
use super::probe::{Probe, Report, Stamped};
use crate::backend::Backend;
use crate::error::{TooMany, TooManyPermits};
use crate::rules::Permit as Mode;
use crate::semaphore::{self, Counted, Face};
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

impl<B: Backend> Semaphore<B> {
    /// The most permits that a semaphore can have.
    pub const MAX_PERMITS: usize = semaphore::Semaphore::<B>::MAX_PERMITS;

    /// With so many permits, and a probe without a name.
    ///
    /// # Panics
    ///
    /// As [`crate::Semaphore::new`].
    #[must_use]
    pub const fn new(permits: usize) -> Self {
        Self::observed(permits, Probe::new())
    }

    /// With so many permits, and this probe.
    ///
    /// # Panics
    ///
    /// As [`crate::Semaphore::new`].
    #[must_use]
    pub const fn observed(permits: usize, probe: Probe) -> Self {
        Self { semaphore: semaphore::Semaphore::new(permits), probe }
    }

    /// As [`crate::Semaphore::acquire`].
    ///
    /// # Panics
    ///
    /// If it is closed, or becomes so while this waits.
    pub fn acquire(&self) -> Permit<'_, B> {
        loop {
            // Without a limit it ends with the permit the first time.
            if let Some(permit) = self.enter(|| Some(self.semaphore.acquire())) {
                return permit;
            }
        }
    }

    /// As [`crate::Semaphore::acquire_many`].
    ///
    /// # Errors
    ///
    /// [`TooMany`] when there are fewer permits in all.
    pub fn acquire_many(&self, count: u32) -> Result<Permit<'_, B>, TooMany> {
        loop {
            // As above.
            if let Some(permit) = self.enter_many(count, &Forever)? {
                return Ok(permit);
            }
        }
    }

    /// As [`crate::Semaphore::try_acquire_many`].
    ///
    /// # Errors
    ///
    /// [`TooMany`] when there are fewer permits in all.
    pub fn try_acquire_many(&self, count: u32) -> Result<Option<Permit<'_, B>>, TooMany> {
        let permit = self.semaphore.try_acquire_many(count)?;
        Ok(permit.map(|guard| self.permit(Stamped { guard, since: self.probe.entered() })))
    }

    /// As [`crate::Semaphore::try_acquire`].
    pub fn try_acquire(&self) -> Option<Permit<'_, B>> {
        let permit = self.semaphore.try_acquire()?;
        Some(self.permit(Stamped { guard: permit, since: self.probe.entered() }))
    }

    /// As [`crate::Semaphore::resize`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn resize(&self, permits: usize) -> Result<(), TooManyPermits> {
        self.semaphore.resize(permits)
    }

    /// As [`crate::Semaphore::close`].
    pub fn close(&self) {
        self.semaphore.close();
    }

    /// Whether it has been closed.
    pub fn is_closed(&self) -> bool {
        self.semaphore.is_closed()
    }

    /// How many permits are free now: a snapshot.
    pub fn available_permits(&self) -> usize {
        self.semaphore.available_permits()
    }

    /// How many permits there are in all, free or taken.
    pub fn permits(&self) -> usize {
        self.semaphore.permits()
    }

    /// How many requests wait now.
    pub fn waiting(&self) -> usize {
        self.semaphore.waiting()
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

    /// Enters, at once or by `wait`.
    pub(super) fn enter<'a>(
        &'a self,
        wait: impl FnOnce() -> Option<semaphore::Permit<'a, Observed<B>>>,
    ) -> Option<Permit<'a, B>> {
        let now = || self.semaphore.try_acquire();
        Some(self.permit(self.probe.enter(&Mode::Permit, now, wait, drop)?))
    }

    /// Takes several, at once or until `limit`.
    pub(super) fn enter_many(
        &self,
        count: u32,
        limit: &impl Limit,
    ) -> Result<Option<Permit<'_, B>>, TooMany> {
        if let Some(permit) = self.try_acquire_many(count)? {
            return Ok(Some(permit));
        }
        let start = self.probe.now();
        let request = semaphore::request(count);
        let waited = self.semaphore.wait_within::<Counted>(request, limit);
        let Ok(Some(permit)) = waited else {
            self.probe.gave_up(start, &Mode::Permit);
            return Counted::output(waited.map(|_| None), count);
        };
        Ok(Some(self.permit(self.probe.served(start, &Mode::Permit, permit, drop))))
    }

    pub(super) fn permit<'a>(
        &'a self,
        stamped: Stamped<semaphore::Permit<'a, Observed<B>>>,
    ) -> Permit<'a, B> {
        Permit { permit: Some(stamped.guard), semaphore: self, since: stamped.since }
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

/// Permits of an observed [`Semaphore`]: dropped, they go back, and their time
/// is noted.
#[must_use = "a permit that is dropped at once goes back at once"]
pub struct Permit<'a, B: Backend> {
    /// There until it is dropped.
    permit: Option<semaphore::Permit<'a, Observed<B>>>,
    semaphore: &'a Semaphore<B>,
    since: Duration,
}

impl<'a, B: Backend> Permit<'a, B> {
    /// How many permits these are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.permit.as_ref().map_or(0, semaphore::Permit::count)
    }

    /// The semaphore that they belong to.
    #[must_use]
    pub fn semaphore(&self) -> &'a Semaphore<B> {
        self.semaphore
    }

    /// As [`crate::Permit::split`]. Both parts are held since then.
    pub fn split(&mut self, count: u32) -> Option<Self> {
        let permit = self.permit.as_mut()?.split(count)?;
        Some(Self { permit: Some(permit), semaphore: self.semaphore, since: self.since })
    }
}

impl<B: Backend> Drop for Permit<'_, B> {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.semaphore.probe.left(self.since, &Mode::Permit);
    }
}

impl<B: Backend> fmt::Debug for Permit<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("count", &self.count()).finish_non_exhaustive()
    }
}
