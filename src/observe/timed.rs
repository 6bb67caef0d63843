//! Waiting for observed mutexes and readers-writer locks no longer than a time.

#![allow(unsafe_code)]

use core::time::Duration;
use std::time::Instant;

use super::mutex::RawMutex;
use super::probe::Stamped;
use super::rwlock::RawRwLock;
use crate::backend::Backend;
use crate::mutex::Lined;
use crate::rules::Preference;

// SAFETY: as the plain lock's; a wait whose time is over holds nothing.
unsafe impl<B: Backend> lock_api::RawMutexTimed for RawMutex<B> {
    type Duration = Duration;
    type Instant = Instant;

    fn try_lock_for(&self, timeout: Duration) -> Option<Stamped<Lined>> {
        self.enter(|| self.raw().try_lock_for(timeout))
    }

    fn try_lock_until(&self, deadline: Instant) -> Option<Stamped<Lined>> {
        self.enter(|| self.raw().try_lock_until(deadline))
    }
}

// SAFETY: as the plain lock's; a wait whose time is over holds nothing.
unsafe impl<P: Preference, B: Backend> lock_api::RawRwLockTimed for RawRwLock<P, B> {
    type Duration = Duration;
    type Instant = Instant;

    fn try_lock_shared_for(&self, timeout: Duration) -> Option<Stamped<Lined>> {
        self.read(|| self.raw().try_lock_shared_for(timeout))
    }

    fn try_lock_shared_until(&self, deadline: Instant) -> Option<Stamped<Lined>> {
        self.read(|| self.raw().try_lock_shared_until(deadline))
    }

    fn try_lock_exclusive_for(&self, timeout: Duration) -> Option<Stamped<Lined>> {
        self.write(|| self.raw().try_lock_exclusive_for(timeout))
    }

    fn try_lock_exclusive_until(&self, deadline: Instant) -> Option<Stamped<Lined>> {
        self.write(|| self.raw().try_lock_exclusive_until(deadline))
    }
}

// SAFETY: as the plain lock's; an upgrade whose time is over leaves the hold as
// it was.
unsafe impl<P: Preference, B: Backend> lock_api::RawRwLockUpgradeTimed for RawRwLock<P, B> {
    fn try_lock_upgradable_for(&self, timeout: Duration) -> Option<Stamped<Lined>> {
        self.read_upgradable(|| self.raw().try_lock_upgradable_for(timeout))
    }

    fn try_lock_upgradable_until(&self, deadline: Instant) -> Option<Stamped<Lined>> {
        self.read_upgradable(|| self.raw().try_lock_upgradable_until(deadline))
    }

    unsafe fn try_upgrade_for(
        &self,
        state: Stamped<Lined>,
        timeout: Duration,
    ) -> Result<Stamped<Lined>, Stamped<Lined>> {
        // SAFETY: by this function's contract: the plain lock's own state.
        state.try_map(|guard| unsafe { self.raw().try_upgrade_for(guard, timeout) })
    }

    unsafe fn try_upgrade_until(
        &self,
        state: Stamped<Lined>,
        deadline: Instant,
    ) -> Result<Stamped<Lined>, Stamped<Lined>> {
        // SAFETY: by this function's contract: the plain lock's own state.
        state.try_map(|guard| unsafe { self.raw().try_upgrade_until(guard, deadline) })
    }
}
