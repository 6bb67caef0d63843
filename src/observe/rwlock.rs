//! A raw readers-writer lock with a probe.
//!
//! Invariant V1 as in `mutex.rs`: a guard's state is that of the plain lock,
//! which it was made by, and goes back to it once, in its own mode.

#![allow(unsafe_code)]

use core::fmt;

use lock_api::RawRwLock as _;

use super::inner::Observed;
use super::probe::{Probe, Report, Reports, Stamped};
use crate::backend::Backend;
use crate::mutex::Lined;
use crate::rules::{Preference, SharedMode};
use crate::rwlock;

/// The raw lock of [`crate::RawRwLock`], observed, for readers and writers;
/// it has no upgradable readers.
///
/// Made by [`observed`](Self::observed), it goes into a lock by
/// `lock_api::RwLock::from_raw`.
pub struct RawRwLock<P: Preference, B: Backend> {
    raw: rwlock::RawRwLock<P, Observed<B>>,
    probe: Probe,
}

impl<P: Preference, B: Backend> RawRwLock<P, B> {
    /// Unlocked, with this probe.
    #[must_use]
    pub const fn observed(probe: Probe) -> Self {
        Self { raw: rwlock::RawRwLock::new(), probe }
    }

    /// Its probe.
    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    /// What was counted until now, of readers and writers together.
    pub fn report(&self) -> Report {
        self.probe.report(self.raw.raw().inner().trades())
    }

    /// How many wait now.
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
}

impl<P: Preference, B: Backend> fmt::Debug for RawRwLock<P, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawRwLock").field("raw", &self.raw).field("report", &self.report()).finish()
    }
}

// SAFETY: as the plain lock, which does all of it (V1).
unsafe impl<P: Preference, B: Backend> lock_api::RawRwLock for RawRwLock<P, B> {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Self = Self::observed(Probe::new());
    type SharedGuard = Stamped<Lined>;
    type ExclusiveGuard = Stamped<Lined>;

    fn lock_shared(&self) -> Stamped<Lined> {
        loop {
            // Without a limit it ends with the lock the first time.
            if let Some(guard) = self.read(|| Some(self.raw.lock_shared())) {
                return guard;
            }
        }
    }

    fn try_lock_shared(&self) -> Option<Stamped<Lined>> {
        let guard = self.raw.try_lock_shared()?;
        Some(Stamped { guard, since: self.probe.entered() })
    }

    unsafe fn unlock_shared(&self, state: Stamped<Lined>) {
        // SAFETY: V1.
        unsafe { self.raw.unlock_shared(state.guard) };
        self.probe.left(state.since, &SharedMode::Read);
    }

    fn lock_exclusive(&self) -> Stamped<Lined> {
        loop {
            // As above.
            if let Some(guard) = self.write(|| Some(self.raw.lock_exclusive())) {
                return guard;
            }
        }
    }

    fn try_lock_exclusive(&self) -> Option<Stamped<Lined>> {
        let guard = self.raw.try_lock_exclusive()?;
        Some(Stamped { guard, since: self.probe.entered() })
    }

    unsafe fn unlock_exclusive(&self, state: Stamped<Lined>) {
        // SAFETY: V1.
        unsafe { self.raw.unlock_exclusive(state.guard) };
        self.probe.left(state.since, &SharedMode::Write);
    }

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
