//! Awaiting observed holds, permits and data that keep their lock alive.

use alloc::sync::Arc;

use super::awaited_holds::{
    AcquireHold, AcquireManyHold, AcquireManyPermit, AcquireManyUnlessClosed, AcquirePermit,
    AcquireUnlessClosed, HoldKind, PermitKind, ReadGuarded, WriteGuarded,
};
use super::fifo_lock::FifoLock;
use super::guarded::Guarded;
use super::semaphore::{ClosableSemaphore, Semaphore};
use crate::backend::Backend;
use crate::fifo_lock::request;
use crate::future::{Acquire, Checked, ReadGuardKind, WriteGuardKind};
use crate::guarded::WriteMode;
use crate::raw::mode::Rules;
use crate::raw::waiter::Seat;
use crate::semaphore::{self, ONE};

impl<R: Rules, B: Backend> FifoLock<R, B> {
    /// As [`acquire_async`](Self::acquire_async), with a hold that keeps the
    /// lock alive; so does the future.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use portunus::observe::sync::FifoLock;
    /// use portunus::rules::{Access, ReadWrite};
    ///
    /// # smol::block_on(async {
    /// let table = Arc::new(FifoLock::new(ReadWrite));
    /// let hold = table.acquire_owned_async(Access::Read).await;
    /// let hold = hold.convert_async(Access::Write).await.map_err(|(_, error)| error)?;
    /// assert_eq!(hold.lock().report().acquisitions, 1);
    /// # Ok::<(), portunus::ConvertError>(())
    /// # }).expect("nobody else is there");
    /// ```
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_async`](Self::acquire_async).
    /// It lets go of the `Arc`, too.
    pub fn acquire_owned_async(self: &Arc<Self>, mode: R::Mode) -> AcquireHold<Arc<Self>> {
        Acquire::new(HoldKind::new(Arc::clone(self)), Seat::new(request(mode, 1)))
    }

    /// As [`acquire_many_async`](Self::acquire_many_async), with a hold that
    /// keeps the lock alive; so does the future.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_many_async`](Self::acquire_many_async).
    /// It lets go of the `Arc`, too.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many_owned_async(
        self: &Arc<Self>,
        mode: R::Mode,
        weight: u32,
    ) -> AcquireManyHold<Arc<Self>> {
        let check = self.lock().check_weight(mode, weight);
        Checked::acquire(HoldKind::new(Arc::clone(self)), request(mode, weight), check)
    }
}

impl<B: Backend> Semaphore<B> {
    /// As [`acquire_async`](Self::acquire_async), with a permit that keeps the
    /// semaphore alive; so does the future.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_async`](Self::acquire_async).
    /// It lets go of the `Arc`, too.
    ///
    /// # Panics
    ///
    /// As there, when awaited.
    pub fn acquire_owned_async(self: &Arc<Self>) -> AcquirePermit<Arc<Self>> {
        PermitKind::acquire(Arc::clone(self), ONE)
    }

    /// As [`acquire_many_async`](Self::acquire_many_async), with permits that
    /// keep the semaphore alive; so does the future.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_many_async`](Self::acquire_many_async).
    /// It lets go of the `Arc`, too.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many_owned_async(self: &Arc<Self>, count: u32) -> AcquireManyPermit<Arc<Self>> {
        PermitKind::acquire(Arc::clone(self), semaphore::request(count))
    }
}

impl<B: Backend> ClosableSemaphore<B> {
    /// As [`acquire_async`](Self::acquire_async), with a permit that keeps the
    /// semaphore alive; so does the future.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_async`](Self::acquire_async).
    /// It lets go of the `Arc`, too.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_owned_async(self: &Arc<Self>) -> AcquireUnlessClosed<Arc<Self>> {
        PermitKind::acquire(Arc::clone(self), ONE)
    }

    /// As [`acquire_many_async`](Self::acquire_many_async), with permits that
    /// keep the semaphore alive; so does the future.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_many_async`](Self::acquire_many_async).
    /// It lets go of the `Arc`, too.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many_owned_async(
        self: &Arc<Self>,
        count: u32,
    ) -> AcquireManyUnlessClosed<Arc<Self>> {
        PermitKind::acquire(Arc::clone(self), semaphore::request(count))
    }
}

impl<R: Rules, T: ?Sized, B: Backend> Guarded<R, T, B> {
    /// As [`read_async`](Self::read_async), with a guard that keeps the data
    /// alive; so does the future.
    ///
    /// # Cancel safety
    ///
    /// As [`read_async`](Self::read_async).
    /// It lets go of the `Arc`, too.
    pub fn read_arc_async(self: &Arc<Self>, mode: R::Mode) -> ReadGuarded<Arc<Self>, T> {
        ReadGuardKind::acquire(HoldKind::new(Arc::clone(self)), self.data(), request(mode, 1))
    }

    /// As [`write_async`](Self::write_async), with a guard that keeps the data
    /// alive; so does the future.
    ///
    /// # Cancel safety
    ///
    /// As [`write_async`](Self::write_async).
    /// It lets go of the `Arc`, too.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn write_arc_async<W: WriteMode<R>>(
        self: &Arc<Self>,
        mode: W,
    ) -> WriteGuarded<Arc<Self>, T, R, W> {
        WriteGuardKind::acquire(HoldKind::new(Arc::clone(self)), self.data(), mode)
    }
}
