//! Holds, permits and guards that keep their observed lock alive.

use alloc::sync::Arc;

use super::fifo_lock::FifoLock;
use super::guarded::Guarded;
use super::hold::{Hold, Locked};
use super::permit::{Counting, Permit};
use super::semaphore::{ClosableSemaphore, Semaphore};
use crate::backend::Backend;
use crate::error::{AcquireError, Closed, TooMany};
use crate::guarded::{MappedReadGuard, MappedWriteGuard, ReadGuard, WriteGuard, WriteMode};
use crate::raw::mode::Rules;

/// A [`Hold`] that keeps its lock alive, and so may outlive every borrow.
pub type OwnedHold<R, B> = Hold<Arc<FifoLock<R, B>>>;

/// Permits that keep their semaphore alive, and so may outlive every borrow.
///
/// They can't be split or merged, unlike those that borrow it.
pub type OwnedPermit<B> = Permit<Arc<Semaphore<B>>>;

/// Permits that keep their [`ClosableSemaphore`] alive.
pub type OwnedClosablePermit<B> = Permit<Arc<ClosableSemaphore<B>>>;

/// A hold that keeps a [`Guarded`] alive.
pub type ArcHold<R, T, B> = Hold<Arc<Guarded<R, T, B>>>;

/// A [`ReadGuard`] that keeps its observed data alive.
pub type ArcReadGuard<R, T, B> = ReadGuard<ArcHold<R, T, B>, T>;

/// A [`WriteGuard`] that keeps its observed data alive.
pub type ArcWriteGuard<R, T, B> = WriteGuard<ArcHold<R, T, B>, T>;

/// A [`MappedReadGuard`] of a part `U` that keeps the whole observed data alive.
pub type ArcMappedReadGuard<R, T, B, U> = MappedReadGuard<ArcHold<R, T, B>, U>;

/// A [`MappedWriteGuard`] of a part `U` that keeps the whole observed data
/// alive.
pub type ArcMappedWriteGuard<R, T, B, U> = MappedWriteGuard<ArcHold<R, T, B>, U>;

impl<L: ?Sized + Locked> Hold<Arc<L>> {
    /// The lock that it holds.
    pub fn lock(&self) -> &Arc<L> {
        self.kept()
    }
}

impl<S: Counting> Permit<Arc<S>> {
    /// The semaphore that they belong to.
    #[must_use]
    pub fn semaphore(&self) -> &Arc<S> {
        self.kept()
    }
}

impl<R: Rules, B: Backend> FifoLock<R, B> {
    /// As [`acquire`](Self::acquire), with a hold that keeps the lock alive.
    ///
    /// ```
    /// use std::{sync::Arc, thread};
    /// use portunus::observe::sync::FifoLock;
    /// use portunus::rules::{Access, ReadWrite};
    ///
    /// let table = Arc::new(FifoLock::new(ReadWrite));
    /// let hold = table.acquire_owned(Access::Write);
    /// thread::spawn(move || drop(hold)).join().expect("no panic");
    /// assert_eq!((table.report().acquisitions, table.is_locked()), (1, false));
    /// ```
    pub fn acquire_owned(self: &Arc<Self>, mode: R::Mode) -> OwnedHold<R, B> {
        self.own(self.acquire(mode))
    }

    /// As [`try_acquire`](Self::try_acquire), with a hold that keeps the lock
    /// alive.
    pub fn try_acquire_owned(self: &Arc<Self>, mode: R::Mode) -> Option<OwnedHold<R, B>> {
        self.try_acquire(mode).map(|hold| self.own(hold))
    }

    /// As [`acquire_many`](Self::acquire_many), with a hold that keeps the lock
    /// alive.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many_owned(
        self: &Arc<Self>,
        mode: R::Mode,
        weight: u32,
    ) -> Result<OwnedHold<R, B>, TooMany> {
        Ok(self.own(self.acquire_many(mode, weight)?))
    }

    /// As [`try_acquire_many`](Self::try_acquire_many), with a hold that keeps
    /// the lock alive.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn try_acquire_many_owned(
        self: &Arc<Self>,
        mode: R::Mode,
        weight: u32,
    ) -> Result<Option<OwnedHold<R, B>>, TooMany> {
        Ok(self.try_acquire_many(mode, weight)?.map(|hold| self.own(hold)))
    }

    /// Makes a hold of this lock keep it alive.
    pub(super) fn own(self: &Arc<Self>, hold: Hold<&Self>) -> OwnedHold<R, B> {
        Hold::new(Arc::clone(self), hold.into_units())
    }
}

impl<B: Backend> Semaphore<B> {
    /// As [`acquire`](Self::acquire), with a permit that keeps the semaphore
    /// alive.
    ///
    /// # Panics
    ///
    /// If it is closed, or becomes so while this waits.
    #[track_caller]
    pub fn acquire_owned(self: &Arc<Self>) -> OwnedPermit<B> {
        self.acquire().owned(Arc::clone(self))
    }

    /// As [`acquire_many`](Self::acquire_many), with permits that keep the
    /// semaphore alive.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many_owned(self: &Arc<Self>, count: u32) -> Result<OwnedPermit<B>, TooMany> {
        Ok(self.acquire_many(count)?.owned(Arc::clone(self)))
    }

    /// As [`try_acquire`](Self::try_acquire), with a permit that keeps the
    /// semaphore alive.
    pub fn try_acquire_owned(self: &Arc<Self>) -> Option<OwnedPermit<B>> {
        Some(self.try_acquire()?.owned(Arc::clone(self)))
    }

    /// As [`try_acquire_many`](Self::try_acquire_many), with permits that keep
    /// the semaphore alive.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn try_acquire_many_owned(
        self: &Arc<Self>,
        count: u32,
    ) -> Result<Option<OwnedPermit<B>>, TooMany> {
        Ok(self.try_acquire_many(count)?.map(|permit| permit.owned(Arc::clone(self))))
    }
}

impl<B: Backend> ClosableSemaphore<B> {
    /// As [`acquire`](Self::acquire), with a permit that keeps the semaphore
    /// alive.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_owned(self: &Arc<Self>) -> Result<OwnedClosablePermit<B>, Closed> {
        Ok(self.acquire()?.owned(Arc::clone(self)))
    }

    /// As [`acquire_many`](Self::acquire_many), with permits that keep the
    /// semaphore alive.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many_owned(
        self: &Arc<Self>,
        count: u32,
    ) -> Result<OwnedClosablePermit<B>, AcquireError> {
        Ok(self.acquire_many(count)?.owned(Arc::clone(self)))
    }

    /// As [`try_acquire`](Self::try_acquire), with a permit that keeps the
    /// semaphore alive.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn try_acquire_owned(self: &Arc<Self>) -> Result<Option<OwnedClosablePermit<B>>, Closed> {
        Ok(self.try_acquire()?.map(|permit| permit.owned(Arc::clone(self))))
    }

    /// As [`try_acquire_many`](Self::try_acquire_many), with permits that keep
    /// the semaphore alive.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn try_acquire_many_owned(
        self: &Arc<Self>,
        count: u32,
    ) -> Result<Option<OwnedClosablePermit<B>>, AcquireError> {
        Ok(self.try_acquire_many(count)?.map(|permit| permit.owned(Arc::clone(self))))
    }
}

impl<R: Rules, T: ?Sized, B: Backend> Guarded<R, T, B> {
    /// As [`read`](Self::read), with a guard that keeps the data alive.
    ///
    /// ```
    /// use std::{sync::Arc, thread};
    /// use portunus::observe::sync::Guarded;
    /// use portunus::rules::{Access, ReadWrite};
    ///
    /// let number = Arc::new(Guarded::new(ReadWrite, 1));
    /// let reading = number.read_arc(Access::Read);
    /// let seen = thread::spawn(move || *reading).join();
    /// assert_eq!((seen.ok(), number.report().acquisitions), (Some(1), 1));
    /// ```
    pub fn read_arc(self: &Arc<Self>, mode: R::Mode) -> ArcReadGuard<R, T, B> {
        self.reading(self.lock().acquire(mode))
    }

    /// As [`try_read`](Self::try_read), with a guard that keeps the data alive.
    pub fn try_read_arc(self: &Arc<Self>, mode: R::Mode) -> Option<ArcReadGuard<R, T, B>> {
        Some(self.reading(self.lock().try_acquire(mode)?))
    }

    /// As [`write`](Self::write), with a guard that keeps the data alive.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn write_arc<W: WriteMode<R>>(
        self: &Arc<Self>,
        mode: W,
    ) -> W::Answer<ArcWriteGuard<R, T, B>> {
        W::answer(mode.judge().map(|mode| {
            let hold = self.keep(self.lock().wait(mode.request()));
            WriteGuard::new(hold, self.data(), mode)
        }))
    }

    /// As [`try_write`](Self::try_write), with a guard that keeps the data
    /// alive.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn try_write_arc<W: WriteMode<R>>(
        self: &Arc<Self>,
        mode: W,
    ) -> W::Answer<Option<ArcWriteGuard<R, T, B>>> {
        W::answer(mode.judge().map(|mode| {
            let hold = self.keep(self.lock().try_enter(mode.request())?);
            Some(WriteGuard::new(hold, self.data(), mode))
        }))
    }

    /// Makes a hold of its lock keep this alive.
    pub(super) fn keep(self: &Arc<Self>, hold: Hold<&FifoLock<R, B>>) -> ArcHold<R, T, B> {
        Hold::new(Arc::clone(self), hold.into_units())
    }

    /// The guard of a hold that is to keep this alive.
    pub(super) fn reading(self: &Arc<Self>, hold: Hold<&FifoLock<R, B>>) -> ArcReadGuard<R, T, B> {
        ReadGuard::new(self.keep(hold), self.data())
    }
}
