//! Waiting no longer than a time, on the monotonic clock.
//!
//! No timed wait ends early, and none leaves anything behind: a request whose
//! time is over has left the line when the call returns, and whoever it kept
//! out has entered.

#![allow(unsafe_code)]

use core::time::Duration;
use std::time::Instant;

use crate::backend::Backend;
use crate::condvar::{Condvar, RawCondvar};
use crate::door::MonitorCondvar;
use crate::error::{AcquireError, Closed, ConvertError, TooMany};
use crate::fifo_lock::{FifoLock, request};
use crate::hold::{self, Hold};
use crate::mutex::{Lined, RawMutex};
use crate::raw::RawMutexCondvarTimed;
use crate::raw::mode::Rules;
use crate::rules::Preference;
use crate::rwlock::{READ, RawRwLock, UPGRADABLE, WRITE};
use crate::semaphore::{
    self, ClosableSemaphore, Counted, Face, Permit, Plain, Semaphore, Told, ToldMany,
};
use crate::wait::until::Until;

impl<R: Rules, B: Backend> FifoLock<R, B> {
    /// Enters in `mode`, waiting in line no longer than `timeout`.
    ///
    /// `None` means that the time was over: the request has left the line, and
    /// whoever it kept out has entered. It never returns `None` early, on the
    /// monotonic clock. With a zero timeout it stands in line for a moment; to
    /// ask without waiting, use [`try_acquire`](Self::try_acquire). A timeout
    /// beyond the clock's range is no limit.
    ///
    /// ```
    /// use std::time::Duration;
    /// use portunus::rules::{Access, ReadWrite};
    /// use portunus::sync::FifoLock;
    ///
    /// let table = FifoLock::new(ReadWrite);
    /// let reading = table.acquire(Access::Read);
    /// let soon = Duration::from_millis(1);
    /// assert!(table.acquire_for(Access::Read, soon).is_some());
    /// assert!(table.acquire_for(Access::Write, soon).is_none());
    /// # drop(reading);
    /// ```
    ///
    /// # Blocking
    ///
    /// Blocks the calling thread or core.
    ///
    /// # Panics
    ///
    /// As [`acquire`](Self::acquire).
    #[doc(alias = "lock_timeout")]
    #[doc(alias = "try_lock_for")]
    #[doc(alias = "try_acquire_for")]
    pub fn acquire_for(&self, mode: R::Mode, timeout: Duration) -> Option<Hold<'_, R, B>> {
        self.acquire_limited(mode, 1, Until::after(timeout))
    }

    /// Enters in `mode`, waiting in line no longer than until `deadline`. One
    /// that is past counts as a zero timeout; otherwise as
    /// [`acquire_for`](Self::acquire_for).
    ///
    /// # Blocking
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// As [`acquire`](Self::acquire).
    pub fn acquire_until(&self, mode: R::Mode, deadline: Instant) -> Option<Hold<'_, R, B>> {
        self.acquire_limited(mode, 1, Until::at(deadline))
    }

    /// Enters with `weight` units of `mode`, waiting in line no longer than
    /// `timeout`. See [`acquire_many`](Self::acquire_many).
    ///
    /// # Blocking
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Errors
    ///
    /// [`TooMany`] when not even an empty lock would admit so many.
    ///
    /// # Panics
    ///
    /// As [`acquire`](Self::acquire).
    pub fn acquire_many_for(
        &self,
        mode: R::Mode,
        weight: u32,
        timeout: Duration,
    ) -> Result<Option<Hold<'_, R, B>>, TooMany> {
        self.check_weight(mode, weight)?;
        Ok(self.acquire_limited(mode, weight, Until::after(timeout)))
    }

    /// Enters with `weight` units of `mode`, waiting in line no longer than
    /// until `deadline`. See [`acquire_many`](Self::acquire_many).
    ///
    /// # Blocking
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Errors
    ///
    /// [`TooMany`] when not even an empty lock would admit so many.
    ///
    /// # Panics
    ///
    /// As [`acquire`](Self::acquire).
    pub fn acquire_many_until(
        &self,
        mode: R::Mode,
        weight: u32,
        deadline: Instant,
    ) -> Result<Option<Hold<'_, R, B>>, TooMany> {
        self.check_weight(mode, weight)?;
        Ok(self.acquire_limited(mode, weight, Until::at(deadline)))
    }

    fn acquire_limited(&self, mode: R::Mode, weight: u32, limit: Until) -> Option<Hold<'_, R, B>> {
        let request = request(mode, weight);
        if weight == 0 {
            return Some(self.hold(request, false));
        }
        self.enter_limited(request, &limit)
    }
}

impl<R: Rules, B: Backend> Hold<'_, R, B> {
    /// Changes its mode in one step, as [`convert`](Self::convert), waiting no
    /// longer than `timeout`.
    ///
    /// # Blocking
    ///
    /// As [`convert`](Self::convert).
    ///
    /// # Errors
    ///
    /// As [`convert`](Self::convert), and [`ConvertError::TimedOut`].
    ///
    /// # Panics
    ///
    /// As [`convert`](Self::convert).
    pub fn convert_for(&mut self, mode: R::Mode, timeout: Duration) -> Result<(), ConvertError> {
        let request = hold::conversion(self, mode);
        hold::convert(self, request, &Until::after(timeout))
    }

    /// Changes its mode in one step, as [`convert`](Self::convert), waiting no
    /// longer than until `deadline`.
    ///
    /// # Blocking
    ///
    /// As [`convert`](Self::convert).
    ///
    /// # Errors
    ///
    /// As [`convert`](Self::convert), and [`ConvertError::TimedOut`].
    ///
    /// # Panics
    ///
    /// As [`convert`](Self::convert).
    pub fn convert_until(&mut self, mode: R::Mode, deadline: Instant) -> Result<(), ConvertError> {
        let request = hold::conversion(self, mode);
        hold::convert(self, request, &Until::at(deadline))
    }
}

impl<B: Backend> Semaphore<B> {
    /// Takes a permit, waiting in line no longer than `timeout`;
    /// `None`: the time was over, or it is closed, or was so meanwhile.
    ///
    /// # Blocking
    ///
    /// Blocks the calling thread.
    #[doc(alias = "try_acquire_for")]
    pub fn acquire_for(&self, timeout: Duration) -> Option<Permit<'_, B>> {
        self.wait_within::<Plain>(semaphore::ONE, &Until::after(timeout)).ok().flatten()
    }

    /// Takes a permit, waiting in line no longer than until `deadline`;
    /// `None`: the time was over, or it is closed, or was so meanwhile.
    ///
    /// # Blocking
    ///
    /// Blocks the calling thread.
    #[doc(alias = "try_acquire_until")]
    pub fn acquire_until(&self, deadline: Instant) -> Option<Permit<'_, B>> {
        self.wait_within::<Plain>(semaphore::ONE, &Until::at(deadline)).ok().flatten()
    }

    /// Takes `count` permits, waiting in line no longer than `timeout`;
    /// `None`: the time was over.
    ///
    /// # Blocking
    ///
    /// Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// [`TooMany`] when there are fewer permits in all, or it is closed; also
    /// when that comes about while this waits.
    pub fn acquire_many_for(
        &self,
        count: u32,
        timeout: Duration,
    ) -> Result<Option<Permit<'_, B>>, TooMany> {
        self.many_within::<Counted>(count, &Until::after(timeout))
    }

    /// Takes `count` permits, waiting in line no longer than until `deadline`;
    /// `None`: the time was over.
    ///
    /// # Blocking
    ///
    /// Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// [`TooMany`] when there are fewer permits in all, or it is closed; also
    /// when that comes about while this waits.
    pub fn acquire_many_until(
        &self,
        count: u32,
        deadline: Instant,
    ) -> Result<Option<Permit<'_, B>>, TooMany> {
        self.many_within::<Counted>(count, &Until::at(deadline))
    }

    fn many_within<F: Face>(&self, count: u32, limit: &Until) -> F::Output<Option<Permit<'_, B>>> {
        F::output(self.wait_within::<F>(semaphore::request(count), limit), count)
    }
}

impl<B: Backend> ClosableSemaphore<B> {
    /// Takes a permit, waiting in line no longer than `timeout`; `None`: the
    /// time was over. See
    /// [`Semaphore::acquire_for`].
    ///
    /// # Errors
    ///
    /// [`Closed`] if it is, or becomes so while this waits.
    pub fn acquire_for(&self, timeout: Duration) -> Result<Option<Permit<'_, B>>, Closed> {
        self.one_within(&Until::after(timeout))
    }

    /// Takes a permit, waiting in line no longer than until `deadline`; `None`:
    /// the time was over. See
    /// [`Semaphore::acquire_until`].
    ///
    /// # Errors
    ///
    /// [`Closed`] if it is, or becomes so while this waits.
    pub fn acquire_until(&self, deadline: Instant) -> Result<Option<Permit<'_, B>>, Closed> {
        self.one_within(&Until::at(deadline))
    }

    /// Takes `count` permits, waiting in line no longer than `timeout`; `None`:
    /// the time was over. See [`Semaphore::acquire_many_for`].
    ///
    /// # Errors
    ///
    /// As [`acquire_many`](Self::acquire_many).
    pub fn acquire_many_for(
        &self,
        count: u32,
        timeout: Duration,
    ) -> Result<Option<Permit<'_, B>>, AcquireError> {
        self.inner().many_within::<ToldMany>(count, &Until::after(timeout))
    }

    /// Takes `count` permits, waiting in line no longer than until `deadline`;
    /// `None`: the time was over. See [`Semaphore::acquire_many_until`].
    ///
    /// # Errors
    ///
    /// As [`acquire_many`](Self::acquire_many).
    pub fn acquire_many_until(
        &self,
        count: u32,
        deadline: Instant,
    ) -> Result<Option<Permit<'_, B>>, AcquireError> {
        self.inner().many_within::<ToldMany>(count, &Until::at(deadline))
    }

    fn one_within(&self, limit: &Until) -> Result<Option<Permit<'_, B>>, Closed> {
        Told::output(self.inner().wait_within::<Told>(semaphore::ONE, limit), 1)
    }
}

// SAFETY: as its `RawMutex`; a wait whose time is over holds nothing.
unsafe impl<B: Backend> lock_api::RawMutexTimed for RawMutex<B> {
    type Duration = Duration;
    type Instant = Instant;

    fn try_lock_for(&self, timeout: Duration) -> Option<Lined> {
        self.acquire(&Until::after(timeout))
    }

    fn try_lock_until(&self, deadline: Instant) -> Option<Lined> {
        self.acquire(&Until::at(deadline))
    }
}

// SAFETY: as its `RawRwLock`; a wait whose time is over holds nothing.
unsafe impl<P: Preference, B: Backend> lock_api::RawRwLockTimed for RawRwLock<P, B> {
    type Duration = Duration;
    type Instant = Instant;

    fn try_lock_shared_for(&self, timeout: Duration) -> Option<Lined> {
        self.acquire(READ, &Until::after(timeout))
    }

    fn try_lock_shared_until(&self, deadline: Instant) -> Option<Lined> {
        self.acquire(READ, &Until::at(deadline))
    }

    fn try_lock_exclusive_for(&self, timeout: Duration) -> Option<Lined> {
        self.acquire(WRITE, &Until::after(timeout))
    }

    fn try_lock_exclusive_until(&self, deadline: Instant) -> Option<Lined> {
        self.acquire(WRITE, &Until::at(deadline))
    }
}

// SAFETY: as its `RawRwLockUpgrade`; an upgrade whose time is over leaves the
// hold as it was.
unsafe impl<P: Preference, B: Backend> lock_api::RawRwLockUpgradeTimed for RawRwLock<P, B> {
    fn try_lock_upgradable_for(&self, timeout: Duration) -> Option<Lined> {
        self.acquire(UPGRADABLE, &Until::after(timeout))
    }

    fn try_lock_upgradable_until(&self, deadline: Instant) -> Option<Lined> {
        self.acquire(UPGRADABLE, &Until::at(deadline))
    }

    unsafe fn try_upgrade_for(&self, guard: Lined, timeout: Duration) -> Result<Lined, Lined> {
        if self.upgrade_limited(&Until::after(timeout)) { Ok(guard) } else { Err(guard) }
    }

    unsafe fn try_upgrade_until(&self, guard: Lined, deadline: Instant) -> Result<Lined, Lined> {
        if self.upgrade_limited(&Until::at(deadline)) { Ok(guard) } else { Err(guard) }
    }
}

// SAFETY: as its `RawCondvar`; a wait whose time is over has left the line.
unsafe impl<B: Backend> lock_api::RawCondvarTimed for Condvar<B> {
    fn checked_duration_to_instant(timeout: &Duration) -> Option<Instant> {
        Instant::now().checked_add(*timeout)
    }

    unsafe fn wait_until(&self, mutex: &RawMutex<B>, guard: &mut Lined, until: &Instant) -> bool {
        // SAFETY: by this function's contract.
        !unsafe { self.wait_raw(mutex, guard, &Until::at(*until)) }
    }
}

// SAFETY: as `Condvar`.
unsafe impl<B: Backend> RawMutexCondvarTimed<RawMutex<B>> for MonitorCondvar<B> {
    fn checked_duration_to_instant(timeout: &Duration) -> Option<Instant> {
        Instant::now().checked_add(*timeout)
    }

    unsafe fn wait_for(&self, mutex: &RawMutex<B>, guard: &mut Lined, timeout: &Duration) -> bool {
        // SAFETY: by this function's contract.
        !unsafe { self.condvar().wait_raw(mutex, guard, &Until::after(*timeout)) }
    }

    unsafe fn wait_until(
        &self,
        mutex: &RawMutex<B>,
        guard: &mut Lined,
        deadline: &Instant,
    ) -> bool {
        // SAFETY: by this function's contract.
        !unsafe { self.condvar().wait_raw(mutex, guard, &Until::at(*deadline)) }
    }
}

// SAFETY: as its `RawCondvar`; a wait whose time is over has left the line.
unsafe impl<L, B: Backend> lock_api::RawCondvarTimed for RawCondvar<L, B>
where
    L: lock_api::RawMutexTimed<Duration = Duration, Instant = Instant>,
{
    fn checked_duration_to_instant(timeout: &Duration) -> Option<Instant> {
        Instant::now().checked_add(*timeout)
    }

    unsafe fn wait_until(&self, mutex: &L, guard: &mut L::Guard, until: &Instant) -> bool {
        // SAFETY: by this function's contract.
        !unsafe { self.wait_limited(mutex, guard, &Until::at(*until)) }
    }
}
