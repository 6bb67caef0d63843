//! Waiting no longer than a time, observed.

#![allow(unsafe_code)]

use core::time::Duration;
use std::time::Instant;

use super::fifo_lock::{FifoLock, Hold};
use super::mutex::RawMutex;
use super::probe::Stamped;
use super::rwlock::RawRwLock;
use super::semaphore::{Permit, Semaphore};
use crate::backend::Backend;
use crate::error::{ConvertError, TooMany};
use crate::mutex::Lined;
use crate::raw::mode::Rules;
use crate::rules::Preference;
use crate::wait::until::Until;

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

impl<R: Rules, B: Backend> FifoLock<R, B> {
    /// As [`crate::FifoLock::acquire_for`].
    pub fn acquire_for(&self, mode: R::Mode, timeout: Duration) -> Option<Hold<'_, R, B>> {
        self.enter(mode, || self.lock().acquire_for(mode, timeout))
    }

    /// As [`crate::FifoLock::acquire_until`].
    pub fn acquire_until(&self, mode: R::Mode, deadline: Instant) -> Option<Hold<'_, R, B>> {
        self.enter(mode, || self.lock().acquire_until(mode, deadline))
    }

    /// As [`crate::FifoLock::acquire_many_for`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many_for(
        &self,
        mode: R::Mode,
        weight: u32,
        timeout: Duration,
    ) -> Result<Option<Hold<'_, R, B>>, TooMany> {
        self.enter_many(mode, weight, &Until::after(timeout))
    }

    /// As [`crate::FifoLock::acquire_many_until`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many_until(
        &self,
        mode: R::Mode,
        weight: u32,
        deadline: Instant,
    ) -> Result<Option<Hold<'_, R, B>>, TooMany> {
        self.enter_many(mode, weight, &Until::at(deadline))
    }
}

impl<R: Rules, B: Backend> Hold<'_, R, B> {
    /// As [`crate::Hold::convert_for`]. The time counts as held.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn convert_for(&mut self, mode: R::Mode, timeout: Duration) -> Result<(), ConvertError> {
        self.there_mut().convert_for(mode, timeout)
    }

    /// As [`crate::Hold::convert_until`]. The time counts as held.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn convert_until(&mut self, mode: R::Mode, deadline: Instant) -> Result<(), ConvertError> {
        self.there_mut().convert_until(mode, deadline)
    }
}

impl<B: Backend> Semaphore<B> {
    /// As [`crate::Semaphore::acquire_for`].
    pub fn acquire_for(&self, timeout: Duration) -> Option<Permit<'_, B>> {
        self.enter(|| self.semaphore().acquire_for(timeout))
    }

    /// As [`crate::Semaphore::acquire_until`].
    pub fn acquire_until(&self, deadline: Instant) -> Option<Permit<'_, B>> {
        self.enter(|| self.semaphore().acquire_until(deadline))
    }

    /// As [`crate::Semaphore::acquire_many_for`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many_for(
        &self,
        count: u32,
        timeout: Duration,
    ) -> Result<Option<Permit<'_, B>>, TooMany> {
        self.enter_many(count, &Until::after(timeout))
    }

    /// As [`crate::Semaphore::acquire_many_until`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many_until(
        &self,
        count: u32,
        deadline: Instant,
    ) -> Result<Option<Permit<'_, B>>, TooMany> {
        self.enter_many(count, &Until::at(deadline))
    }
}
