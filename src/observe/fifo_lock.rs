//! A lock with the user's own modes, with a probe.

use core::fmt;

use super::hold::{Hold, units};
use super::inner::Observed;
use super::probe::{Probe, Report};
use crate::backend::Backend;
use crate::error::TooMany;
use crate::fifo_lock::{self, request};
use crate::raw::mode::{Rules, mode_of};
use crate::wait::node::Request;
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

    /// Enters in `mode`, waiting in line until its turn comes: see
    /// [`crate::FifoLock::acquire`].
    pub fn acquire(&self, mode: R::Mode) -> Hold<&Self> {
        self.enter(request(mode, 1))
    }

    /// Enters in `mode` if that is possible now: see
    /// [`crate::FifoLock::try_acquire`].
    pub fn try_acquire(&self, mode: R::Mode) -> Option<Hold<&Self>> {
        self.try_enter(request(mode, 1))
    }

    /// Enters with `weight` units of `mode`, waiting in line until all of them
    /// are there at once: see [`crate::FifoLock::acquire_many`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many(&self, mode: R::Mode, weight: u32) -> Result<Hold<&Self>, TooMany> {
        self.lock.check_weight(mode, weight)?;
        Ok(self.enter(request(mode, weight)))
    }

    /// Enters with `weight` units of `mode` if that is possible now: see
    /// [`crate::FifoLock::try_acquire_many`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn try_acquire_many(
        &self,
        mode: R::Mode,
        weight: u32,
    ) -> Result<Option<Hold<&Self>>, TooMany> {
        self.lock.check_weight(mode, weight)?;
        Ok(self.try_enter(request(mode, weight)))
    }

    /// How many units of `mode` are held now: a snapshot.
    #[must_use]
    pub fn holders(&self, mode: R::Mode) -> usize {
        self.lock.holders(mode)
    }

    /// How many requests wait now: a snapshot.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lock.waiting()
    }

    /// Whether anybody is inside now, in any mode: a snapshot.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.lock.is_locked()
    }

    /// The rules.
    #[must_use]
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

    /// Enters now, or not at all.
    pub(super) fn try_enter(&self, request: Request) -> Option<Hold<&Self>> {
        let hold = if R::WEIGHTED && request.weight == 0 {
            self.lock.hold(request, false)
        } else {
            self.lock.try_enter(request)?
        };
        Some(Hold::new(self, units(self.probe.admitted(hold, drop))))
    }

    /// Enters at once, or by waiting until `limit`.
    pub(super) fn enter_limited(
        &self,
        request: Request,
        limit: &impl Limit,
    ) -> Option<Hold<&Self>> {
        if let Some(hold) = self.try_enter(request) {
            return Some(hold);
        }
        let (start, mode) = (self.probe.now(), mode_of::<R::Mode>(request.mode));
        let Some(hold) = self.lock.enter_limited(request, limit) else {
            self.probe.gave_up(start, &mode);
            return None;
        };
        Some(Hold::new(self, units(self.probe.served(start, &mode, hold, drop))))
    }

    /// Enters, waiting for as long as it takes.
    pub(super) fn enter(&self, request: Request) -> Hold<&Self> {
        loop {
            // Without a limit it ends with the hold the first time.
            if let Some(hold) = self.enter_limited(request, &Forever) {
                return hold;
            }
        }
    }
}

impl<R: Rules + Default, B: Backend> Default for FifoLock<R, B> {
    fn default() -> Self {
        Self::new(R::default())
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
