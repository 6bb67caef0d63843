//! A raw readers-writer lock with a probe.
//!
//! Invariant V1 as in `mutex.rs`: a guard's state is that of the plain lock,
//! which it was made by, and goes back to it once, in its own mode.
//!
//! Whoever reads upgradably is the only one that does: since when it holds stands
//! in the lock, because the state of its guard is forgotten when it has awaited
//! an upgrade.

#![allow(unsafe_code)]

use core::fmt;

use lock_api::{RawRwLock as _, RawRwLockUpgrade as _};

use super::inner::Observed;
use super::moment::Moment;
use super::mutex::stamped;
use super::probe::{Probe, Report, Reports, Stamped};
use crate::backend::Backend;
use crate::mutex::Lined;
use crate::rules::{Preference, SharedMode};
use crate::rwlock;

/// The raw lock of [`crate::RawRwLock`], observed.
///
/// An upgrade or a downgrade is no acquisition: the hold goes on in another
/// mode, under whose name the hook hears of it, and what it waits for an upgrade
/// counts as held.
///
/// Made by [`observed`](Self::observed), it goes into a lock by
/// `lock_api::RwLock::from_raw`.
pub struct RawRwLock<P: Preference, B: Backend> {
    raw: rwlock::RawRwLock<P, Observed<B>>,
    probe: Probe,
    /// Since when the upgradable reader holds.
    upgradable: Moment,
}

impl<P: Preference, B: Backend> RawRwLock<P, B> {
    /// Unlocked, with a probe without a name.
    #[must_use]
    pub const fn new() -> Self {
        Self::observed(Probe::new())
    }

    /// Unlocked, with this probe.
    #[must_use]
    pub const fn observed(probe: Probe) -> Self {
        Self { raw: rwlock::RawRwLock::new(), probe, upgradable: Moment::new() }
    }

    /// Its probe.
    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    /// What was counted until now, of readers and writers together.
    pub fn report(&self) -> Report {
        self.probe.report(self.raw.raw().inner().trades())
    }

    /// How many hold in `mode` now.
    #[must_use]
    pub fn holders(&self, mode: SharedMode) -> usize {
        self.raw.holders(mode)
    }

    /// How many wait now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.raw.waiting()
    }

    pub(super) fn raw(&self) -> &rwlock::RawRwLock<P, Observed<B>> {
        &self.raw
    }

    /// Enters to read, at once or by `wait`.
    pub(super) fn read(&self, wait: impl FnOnce() -> Option<Lined>) -> Option<Stamped<Lined>> {
        // SAFETY: V1.
        let undo = |guard| unsafe { self.raw.unlock_shared(guard) };
        self.probe.enter(&SharedMode::Read, || self.raw.try_lock_shared(), wait, undo)
    }

    /// Enters to write, at once or by `wait`.
    pub(super) fn write(&self, wait: impl FnOnce() -> Option<Lined>) -> Option<Stamped<Lined>> {
        // SAFETY: V1.
        let undo = |guard| unsafe { self.raw.unlock_exclusive(guard) };
        self.probe.enter(&SharedMode::Write, || self.raw.try_lock_exclusive(), wait, undo)
    }

    /// Enters to read upgradably, at once or by `wait`.
    pub(super) fn read_upgradable(
        &self,
        wait: impl FnOnce() -> Option<Lined>,
    ) -> Option<Stamped<Lined>> {
        // SAFETY: V1.
        let undo = |guard| unsafe { self.raw.unlock_upgradable(guard) };
        let now = || self.raw.try_lock_upgradable();
        self.probe.enter(&SharedMode::Upgradable, now, wait, undo).map(|state| self.begins(state))
    }

    /// The state of who reads upgradably from now on.
    pub(super) fn begins(&self, state: Stamped<Lined>) -> Stamped<Lined> {
        self.upgradable.set(state.since);
        state
    }

    /// The state of who has read upgradably and writes now.
    pub(super) fn goes_on(&self, guard: Lined) -> Stamped<Lined> {
        Stamped { guard, since: self.upgradable.get() }
    }
}

impl<P: Preference, B: Backend> Default for RawRwLock<P, B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Preference, B: Backend> fmt::Debug for RawRwLock<P, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawRwLock").field("raw", &self.raw).field("report", &self.report()).finish()
    }
}

// SAFETY: as the plain lock, which does all of it (V1).
unsafe impl<P: Preference, B: Backend> lock_api::RawRwLock for RawRwLock<P, B> {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Self = Self::new();
    type SharedGuard = Stamped<Lined>;
    type ExclusiveGuard = Stamped<Lined>;

    stamped!(lock_shared, try_lock_shared, unlock_shared, read, SharedMode::Read);
    stamped!(lock_exclusive, try_lock_exclusive, unlock_exclusive, write, SharedMode::Write);

    fn is_locked(&self) -> bool {
        self.raw.is_locked()
    }

    fn is_locked_exclusive(&self) -> bool {
        self.raw.is_locked_exclusive()
    }
}

// SAFETY: every release hands over to the next in line: it is a fair one.
unsafe impl<P: Preference, B: Backend> lock_api::RawRwLockFair for RawRwLock<P, B> {
    unsafe fn unlock_shared_fair(&self, state: Stamped<Lined>) {
        // SAFETY: by this function's contract.
        unsafe { lock_api::RawRwLock::unlock_shared(self, state) };
    }

    unsafe fn unlock_exclusive_fair(&self, state: Stamped<Lined>) {
        // SAFETY: by this function's contract.
        unsafe { lock_api::RawRwLock::unlock_exclusive(self, state) };
    }
}

// SAFETY: as the plain lock, which does all of it (V1).
unsafe impl<P: Preference, B: Backend> lock_api::RawRwLockUpgrade for RawRwLock<P, B> {
    type UpgradableGuard = Stamped<Lined>;

    stamped!(
        lock_upgradable,
        try_lock_upgradable,
        unlock_upgradable,
        read_upgradable,
        SharedMode::Upgradable,
        begins
    );

    unsafe fn upgrade(&self, state: Stamped<Lined>) -> Stamped<Lined> {
        // SAFETY: V1.
        state.map(|guard| unsafe { self.raw.upgrade(guard) })
    }

    unsafe fn try_upgrade(&self, state: Stamped<Lined>) -> Result<Stamped<Lined>, Stamped<Lined>> {
        // SAFETY: V1.
        state.try_map(|guard| unsafe { self.raw.try_upgrade(guard) })
    }
}

// SAFETY: every release hands over to the next in line: it is a fair one.
unsafe impl<P: Preference, B: Backend> lock_api::RawRwLockUpgradeFair for RawRwLock<P, B> {
    unsafe fn unlock_upgradable_fair(&self, state: Stamped<Lined>) {
        // SAFETY: by this function's contract.
        unsafe { lock_api::RawRwLockUpgrade::unlock_upgradable(self, state) };
    }
}

// SAFETY: as the plain lock, which does all of it (V1).
unsafe impl<P: Preference, B: Backend> lock_api::RawRwLockDowngrade for RawRwLock<P, B> {
    unsafe fn downgrade(&self, state: Stamped<Lined>) -> Stamped<Lined> {
        // SAFETY: V1.
        state.map(|guard| unsafe { self.raw.downgrade(guard) })
    }
}

// SAFETY: as the plain lock, which does all of it (V1).
unsafe impl<P: Preference, B: Backend> lock_api::RawRwLockUpgradeDowngrade for RawRwLock<P, B> {
    unsafe fn downgrade_upgradable(&self, state: Stamped<Lined>) -> Stamped<Lined> {
        // SAFETY: V1.
        state.map(|guard| unsafe { self.raw.downgrade_upgradable(guard) })
    }

    unsafe fn downgrade_to_upgradable(&self, state: Stamped<Lined>) -> Stamped<Lined> {
        // Before it is one, lest another one is at the same time.
        let state = self.begins(state);
        // SAFETY: V1.
        state.map(|guard| unsafe { self.raw.downgrade_to_upgradable(guard) })
    }
}

impl<P: Preference, B: Backend, T: ?Sized> Reports for lock_api::RwLock<RawRwLock<P, B>, T> {
    fn probe(&self) -> &Probe {
        // SAFETY: no guard's lock is let go.
        unsafe { self.raw() }.probe()
    }

    fn report(&self) -> Report {
        // SAFETY: as above.
        unsafe { self.raw() }.report()
    }
}
