//! A lock with the user's own modes, with a probe.

use core::fmt;
use core::time::Duration;

use super::inner::Observed;
use super::probe::{Probe, Report, Stamped};
use crate::backend::Backend;
use crate::error::{ConvertError, TooMany};
use crate::fifo_lock::{self, request};
use crate::raw::mode::Rules;
use crate::wait::{Forever, Limit};

/// A [`FifoLock`](crate::FifoLock), observed.
///
/// ```
/// use portunus::observe::{Probe, sync::FifoLock};
/// use portunus::rules::{Access, ReadWrite};
///
/// static TABLE: FifoLock<ReadWrite> =
///     FifoLock::observed(ReadWrite, Probe::new().named("table"));
///
/// drop(TABLE.acquire(Access::Read));
/// assert_eq!(TABLE.report().acquisitions, 1);
/// ```
pub struct FifoLock<R: Rules, B: Backend> {
    lock: fifo_lock::FifoLock<R, Observed<B>>,
    probe: Probe,
}

impl<R: Rules, B: Backend> FifoLock<R, B> {
    /// A lock with these rules and a probe without a name.
    #[must_use]
    pub const fn new(rules: R) -> Self {
        Self::observed(rules, Probe::new())
    }

    /// A lock with these rules and this probe.
    #[must_use]
    pub const fn observed(rules: R, probe: Probe) -> Self {
        Self { lock: fifo_lock::FifoLock::new(rules), probe }
    }

    /// As [`crate::FifoLock::acquire`].
    pub fn acquire(&self, mode: R::Mode) -> Hold<'_, R, B> {
        loop {
            // Without a limit it ends with the lock the first time.
            if let Some(hold) = self.enter(mode, || Some(self.lock.acquire(mode))) {
                return hold;
            }
        }
    }

    /// As [`crate::FifoLock::try_acquire`].
    pub fn try_acquire(&self, mode: R::Mode) -> Option<Hold<'_, R, B>> {
        let hold = self.lock.try_acquire(mode)?;
        Some(self.hold(Stamped { guard: hold, since: self.probe.entered() }))
    }

    /// As [`crate::FifoLock::acquire_many`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many(&self, mode: R::Mode, weight: u32) -> Result<Hold<'_, R, B>, TooMany> {
        loop {
            // As above.
            if let Some(hold) = self.enter_many(mode, weight, &Forever)? {
                return Ok(hold);
            }
        }
    }

    /// As [`crate::FifoLock::try_acquire_many`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn try_acquire_many(
        &self,
        mode: R::Mode,
        weight: u32,
    ) -> Result<Option<Hold<'_, R, B>>, TooMany> {
        let hold = self.lock.try_acquire_many(mode, weight)?;
        Ok(hold.map(|guard| self.hold(Stamped { guard, since: self.probe.entered() })))
    }

    /// How many units of `mode` are held now: a snapshot.
    pub fn holders(&self, mode: R::Mode) -> usize {
        self.lock.holders(mode)
    }

    /// How many requests wait now: a snapshot.
    pub fn waiting(&self) -> usize {
        self.lock.waiting()
    }

    /// Whether anybody is inside now, in any mode: a snapshot.
    pub fn is_locked(&self) -> bool {
        self.lock.is_locked()
    }

    /// The rules.
    pub fn rules(&self) -> &R {
        self.lock.rules()
    }

    /// Its probe.
    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    /// What was counted until now.
    pub fn report(&self) -> Report {
        self.probe.report(self.lock.raw().inner().trades())
    }

    pub(super) fn lock(&self) -> &fifo_lock::FifoLock<R, Observed<B>> {
        &self.lock
    }

    /// Enters, at once or by `wait`.
    pub(super) fn enter<'a>(
        &'a self,
        mode: R::Mode,
        wait: impl FnOnce() -> Option<crate::Hold<'a, R, Observed<B>>>,
    ) -> Option<Hold<'a, R, B>> {
        let stamped = self.probe.enter(&mode, || self.lock.try_acquire(mode), wait, drop)?;
        Some(self.hold(stamped))
    }

    /// Enters with several units, at once or until `limit`.
    pub(super) fn enter_many(
        &self,
        mode: R::Mode,
        weight: u32,
        limit: &impl Limit,
    ) -> Result<Option<Hold<'_, R, B>>, TooMany> {
        if let Some(hold) = self.try_acquire_many(mode, weight)? {
            return Ok(Some(hold));
        }
        let start = self.probe.now();
        let Some(hold) = self.lock.enter_limited(request(mode, weight), limit) else {
            self.probe.gave_up(start, &mode);
            return Ok(None);
        };
        Ok(Some(self.hold(self.probe.served(start, &mode, hold, drop))))
    }

    pub(super) fn hold<'a>(
        &'a self,
        stamped: Stamped<crate::Hold<'a, R, Observed<B>>>,
    ) -> Hold<'a, R, B> {
        Hold { hold: Some(stamped.guard), lock: self, since: stamped.since }
    }
}

impl<R: Rules, B: Backend> fmt::Debug for FifoLock<R, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FifoLock")
            .field("lock", &self.lock)
            .field("report", &self.report())
            .finish()
    }
}

/// A hold on an observed [`FifoLock`]: dropped, it releases, and its time is
/// noted.
#[must_use = "a hold that is dropped at once releases at once"]
pub struct Hold<'a, R: Rules, B: Backend> {
    /// There until it is dropped.
    hold: Option<crate::Hold<'a, R, Observed<B>>>,
    lock: &'a FifoLock<R, B>,
    since: Duration,
}

impl<'a, R: Rules, B: Backend> Hold<'a, R, B> {
    /// The mode in which it holds.
    pub fn mode(&self) -> R::Mode {
        self.there().mode()
    }

    /// How many units it holds.
    pub fn weight(&self) -> u32 {
        self.there().weight()
    }

    /// The lock that it holds.
    pub fn lock(&self) -> &'a FifoLock<R, B> {
        self.lock
    }

    /// Changes its mode in one step, if that is possible now.
    pub fn try_convert(&mut self, mode: R::Mode) -> bool {
        self.there_mut().try_convert(mode)
    }

    /// Changes its mode in one step, waiting until that is possible. The time
    /// counts as held.
    ///
    /// # Errors
    ///
    /// As [`crate::Hold::convert`].
    pub fn convert(&mut self, mode: R::Mode) -> Result<(), ConvertError> {
        self.there_mut().convert(mode)
    }

    fn there(&self) -> &crate::Hold<'a, R, Observed<B>> {
        match &self.hold {
            Some(hold) => hold,
            None => unreachable!("it is there until it is dropped"),
        }
    }

    pub(super) fn there_mut(&mut self) -> &mut crate::Hold<'a, R, Observed<B>> {
        match &mut self.hold {
            Some(hold) => hold,
            None => unreachable!("it is there until it is dropped"),
        }
    }
}

impl<R: Rules, B: Backend> Drop for Hold<'_, R, B> {
    fn drop(&mut self) {
        if let Some(hold) = self.hold.take() {
            let mode = hold.mode();
            drop(hold);
            self.lock.probe.left(self.since, &mode);
        }
    }
}

impl<R: Rules, B: Backend> fmt::Debug for Hold<'_, R, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").field("mode", &self.mode()).field("weight", &self.weight()).finish()
    }
}
