//! The same with holds, permits and guards that keep their observed lock alive.

use alloc::sync::Arc;
use core::time::Duration;
use std::time::Instant;

use super::fifo_lock::FifoLock;
use super::guarded::Guarded;
use super::owned::{ArcReadGuard, ArcWriteGuard, OwnedClosablePermit, OwnedHold, OwnedPermit};
use super::semaphore::{ClosableSemaphore, Semaphore};
use crate::backend::Backend;
use crate::error::{AcquireError, Closed, TooMany};
use crate::fifo_lock::request;
use crate::guarded::{WriteGuard, WriteMode};
use crate::raw::mode::Rules;
use crate::wait::until::Until;

impl<R: Rules, B: Backend> FifoLock<R, B> {
    /// As [`acquire_for`](Self::acquire_for), with a hold that keeps the lock alive.
    pub fn acquire_owned_for(
        self: &Arc<Self>,
        mode: R::Mode,
        timeout: Duration,
    ) -> Option<OwnedHold<R, B>> {
        self.acquire_for(mode, timeout).map(|hold| self.own(hold))
    }

    /// As [`acquire_until`](Self::acquire_until), with a hold that keeps the lock alive.
    pub fn acquire_owned_until(
        self: &Arc<Self>,
        mode: R::Mode,
        deadline: Instant,
    ) -> Option<OwnedHold<R, B>> {
        self.acquire_until(mode, deadline).map(|hold| self.own(hold))
    }

    /// As [`acquire_many_for`](Self::acquire_many_for), with a hold that keeps the lock alive.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many_owned_for(
        self: &Arc<Self>,
        mode: R::Mode,
        weight: u32,
        timeout: Duration,
    ) -> Result<Option<OwnedHold<R, B>>, TooMany> {
        Ok(self.acquire_many_for(mode, weight, timeout)?.map(|hold| self.own(hold)))
    }

    /// As [`acquire_many_until`](Self::acquire_many_until), with a hold that keeps the lock alive.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many_owned_until(
        self: &Arc<Self>,
        mode: R::Mode,
        weight: u32,
        deadline: Instant,
    ) -> Result<Option<OwnedHold<R, B>>, TooMany> {
        Ok(self.acquire_many_until(mode, weight, deadline)?.map(|hold| self.own(hold)))
    }
}

impl<B: Backend> Semaphore<B> {
    /// As [`acquire_for`](Self::acquire_for), with a permit that keeps the semaphore alive.
    pub fn acquire_owned_for(self: &Arc<Self>, timeout: Duration) -> Option<OwnedPermit<B>> {
        self.acquire_for(timeout).map(|permit| permit.owned(Arc::clone(self)))
    }

    /// As [`acquire_until`](Self::acquire_until), with a permit that keeps the semaphore alive.
    pub fn acquire_owned_until(self: &Arc<Self>, deadline: Instant) -> Option<OwnedPermit<B>> {
        self.acquire_until(deadline).map(|permit| permit.owned(Arc::clone(self)))
    }

    /// As [`acquire_many_for`](Self::acquire_many_for), with a permit that keeps the semaphore alive.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many_owned_for(
        self: &Arc<Self>,
        count: u32,
        timeout: Duration,
    ) -> Result<Option<OwnedPermit<B>>, TooMany> {
        Ok(self.acquire_many_for(count, timeout)?.map(|permit| permit.owned(Arc::clone(self))))
    }

    /// As [`acquire_many_until`](Self::acquire_many_until), with a permit that keeps the semaphore alive.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many_owned_until(
        self: &Arc<Self>,
        count: u32,
        deadline: Instant,
    ) -> Result<Option<OwnedPermit<B>>, TooMany> {
        Ok(self.acquire_many_until(count, deadline)?.map(|permit| permit.owned(Arc::clone(self))))
    }
}

impl<B: Backend> ClosableSemaphore<B> {
    /// As [`acquire_for`](Self::acquire_for), with a permit that keeps the semaphore alive.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_owned_for(
        self: &Arc<Self>,
        timeout: Duration,
    ) -> Result<Option<OwnedClosablePermit<B>>, Closed> {
        Ok(self.acquire_for(timeout)?.map(|permit| permit.owned(Arc::clone(self))))
    }

    /// As [`acquire_until`](Self::acquire_until), with a permit that keeps the semaphore alive.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_owned_until(
        self: &Arc<Self>,
        deadline: Instant,
    ) -> Result<Option<OwnedClosablePermit<B>>, Closed> {
        Ok(self.acquire_until(deadline)?.map(|permit| permit.owned(Arc::clone(self))))
    }

    /// As [`acquire_many_for`](Self::acquire_many_for), with a permit that keeps the semaphore alive.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many_owned_for(
        self: &Arc<Self>,
        count: u32,
        timeout: Duration,
    ) -> Result<Option<OwnedClosablePermit<B>>, AcquireError> {
        Ok(self.acquire_many_for(count, timeout)?.map(|permit| permit.owned(Arc::clone(self))))
    }

    /// As [`acquire_many_until`](Self::acquire_many_until), with a permit that keeps the semaphore alive.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many_owned_until(
        self: &Arc<Self>,
        count: u32,
        deadline: Instant,
    ) -> Result<Option<OwnedClosablePermit<B>>, AcquireError> {
        Ok(self.acquire_many_until(count, deadline)?.map(|permit| permit.owned(Arc::clone(self))))
    }
}

impl<R: Rules, T: ?Sized, B: Backend> Guarded<R, T, B> {
    /// As [`read_for`](Self::read_for), with a guard that keeps the data alive.
    pub fn read_arc_for(
        self: &Arc<Self>,
        mode: R::Mode,
        timeout: Duration,
    ) -> Option<ArcReadGuard<R, T, B>> {
        Some(self.reading(self.lock().enter(request(mode, 1), &Until::after(timeout))?))
    }

    /// As [`read_until`](Self::read_until), with a guard that keeps the data alive.
    pub fn read_arc_until(
        self: &Arc<Self>,
        mode: R::Mode,
        deadline: Instant,
    ) -> Option<ArcReadGuard<R, T, B>> {
        Some(self.reading(self.lock().enter(request(mode, 1), &Until::at(deadline))?))
    }

    /// As [`write_for`](Self::write_for), with a guard that keeps the data alive.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn write_arc_for<W: WriteMode<R>>(
        self: &Arc<Self>,
        mode: W,
        timeout: Duration,
    ) -> W::Answer<Option<ArcWriteGuard<R, T, B>>> {
        self.write_arc_within(mode, &Until::after(timeout))
    }

    /// As [`write_until`](Self::write_until), with a guard that keeps the data alive.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn write_arc_until<W: WriteMode<R>>(
        self: &Arc<Self>,
        mode: W,
        deadline: Instant,
    ) -> W::Answer<Option<ArcWriteGuard<R, T, B>>> {
        self.write_arc_within(mode, &Until::at(deadline))
    }

    fn write_arc_within<W: WriteMode<R>>(
        self: &Arc<Self>,
        mode: W,
        limit: &Until,
    ) -> W::Answer<Option<ArcWriteGuard<R, T, B>>> {
        W::answer(mode.judge().map(|mode| {
            let hold = self.keep(self.lock().enter(mode.request(), limit)?);
            Some(WriteGuard::new(hold, self.data(), mode))
        }))
    }
}
