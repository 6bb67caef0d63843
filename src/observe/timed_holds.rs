//! Waiting for observed holds, permits and data no longer than a time.

use core::ops::Deref;
use core::time::Duration;
use std::time::Instant;

use super::fifo_lock::FifoLock;
use super::guarded::Guarded;
use super::hold::{Hold, Locked, ModeOf};
use super::permit::Permit;
use super::semaphore::{ClosableSemaphore, Semaphore};
use crate::backend::Backend;
use crate::error::{AcquireError, Closed, ConvertError, TooMany};
use crate::fifo_lock::request;
use crate::guarded::{ReadGuard, WriteGuard, WriteMode};
use crate::hold;
use crate::raw::mode::Rules;
use crate::semaphore::{self, Counted, Face, ONE, Plain, Told, ToldMany};
use crate::wait::until::Until;

impl<R: Rules, B: Backend> FifoLock<R, B> {
    /// Enters in `mode`, waiting in line no longer than `timeout`: see
    /// [`crate::FifoLock::acquire_for`].
    pub fn acquire_for(&self, mode: R::Mode, timeout: Duration) -> Option<Hold<&Self>> {
        self.enter_limited(request(mode, 1), &Until::after(timeout))
    }

    /// Enters in `mode`, waiting in line no longer than until `deadline`: see
    /// [`crate::FifoLock::acquire_until`].
    pub fn acquire_until(&self, mode: R::Mode, deadline: Instant) -> Option<Hold<&Self>> {
        self.enter_limited(request(mode, 1), &Until::at(deadline))
    }

    /// Enters with `weight` units of `mode`, waiting in line no longer than
    /// `timeout`: see [`crate::FifoLock::acquire_many_for`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many_for(
        &self,
        mode: R::Mode,
        weight: u32,
        timeout: Duration,
    ) -> Result<Option<Hold<&Self>>, TooMany> {
        self.lock().check_weight(mode, weight)?;
        Ok(self.enter_limited(request(mode, weight), &Until::after(timeout)))
    }

    /// Enters with `weight` units of `mode`, waiting in line no longer than
    /// until `deadline`: see [`crate::FifoLock::acquire_many_until`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many_until(
        &self,
        mode: R::Mode,
        weight: u32,
        deadline: Instant,
    ) -> Result<Option<Hold<&Self>>, TooMany> {
        self.lock().check_weight(mode, weight)?;
        Ok(self.enter_limited(request(mode, weight), &Until::at(deadline)))
    }
}

impl<L: Deref<Target: Locked>> Hold<L> {
    /// Changes its mode in one step, waiting no longer than `timeout`: see
    /// [`crate::Hold::convert_for`]. The time counts as held.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn convert_for(&mut self, mode: ModeOf<L>, timeout: Duration) -> Result<(), ConvertError> {
        let request = hold::conversion(self, mode);
        hold::convert(self, request, &Until::after(timeout))
    }

    /// Changes its mode in one step, waiting no longer than until `deadline`:
    /// see [`crate::Hold::convert_until`]. The time counts as held.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn convert_until(
        &mut self,
        mode: ModeOf<L>,
        deadline: Instant,
    ) -> Result<(), ConvertError> {
        let request = hold::conversion(self, mode);
        hold::convert(self, request, &Until::at(deadline))
    }
}

impl<B: Backend> Semaphore<B> {
    /// Takes a permit, waiting in line no longer than `timeout`; `None`: the
    /// time was over, or it is closed, or was so meanwhile. See
    /// [`crate::Semaphore::acquire_for`].
    pub fn acquire_for(&self, timeout: Duration) -> Option<Permit<&Self>> {
        self.enter::<Plain>(ONE, &Until::after(timeout)).ok().flatten()
    }

    /// Takes a permit, waiting in line no longer than until `deadline`; `None`:
    /// the time was over, or it is closed, or was so meanwhile. See
    /// [`crate::Semaphore::acquire_until`].
    pub fn acquire_until(&self, deadline: Instant) -> Option<Permit<&Self>> {
        self.enter::<Plain>(ONE, &Until::at(deadline)).ok().flatten()
    }

    /// Takes `count` permits, waiting in line no longer than `timeout`; `None`:
    /// the time was over. See [`crate::Semaphore::acquire_many_for`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many_for(
        &self,
        count: u32,
        timeout: Duration,
    ) -> Result<Option<Permit<&Self>>, TooMany> {
        Counted::output(
            self.enter::<Counted>(semaphore::request(count), &Until::after(timeout)),
            count,
        )
    }

    /// Takes `count` permits, waiting in line no longer than until `deadline`;
    /// `None`: the time was over. See [`crate::Semaphore::acquire_many_until`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many_until(
        &self,
        count: u32,
        deadline: Instant,
    ) -> Result<Option<Permit<&Self>>, TooMany> {
        Counted::output(
            self.enter::<Counted>(semaphore::request(count), &Until::at(deadline)),
            count,
        )
    }
}

impl<B: Backend> ClosableSemaphore<B> {
    /// Takes a permit, waiting in line no longer than `timeout`; `None`: the
    /// time was over. See
    /// [`crate::ClosableSemaphore::acquire_for`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_for(&self, timeout: Duration) -> Result<Option<Permit<&Semaphore<B>>>, Closed> {
        Told::output(self.inner().enter::<Told>(ONE, &Until::after(timeout)), 1)
    }

    /// Takes a permit, waiting in line no longer than until `deadline`; `None`:
    /// the time was over. See
    /// [`crate::ClosableSemaphore::acquire_until`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_until(
        &self,
        deadline: Instant,
    ) -> Result<Option<Permit<&Semaphore<B>>>, Closed> {
        Told::output(self.inner().enter::<Told>(ONE, &Until::at(deadline)), 1)
    }

    /// Takes `count` permits, waiting in line no longer than `timeout`; `None`:
    /// the time was over. See [`crate::ClosableSemaphore::acquire_many_for`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many_for(
        &self,
        count: u32,
        timeout: Duration,
    ) -> Result<Option<Permit<&Semaphore<B>>>, AcquireError> {
        ToldMany::output(
            self.inner().enter::<ToldMany>(semaphore::request(count), &Until::after(timeout)),
            count,
        )
    }

    /// Takes `count` permits, waiting in line no longer than until `deadline`;
    /// `None`: the time was over. See
    /// [`crate::ClosableSemaphore::acquire_many_until`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many_until(
        &self,
        count: u32,
        deadline: Instant,
    ) -> Result<Option<Permit<&Semaphore<B>>>, AcquireError> {
        ToldMany::output(
            self.inner().enter::<ToldMany>(semaphore::request(count), &Until::at(deadline)),
            count,
        )
    }
}

impl<R: Rules, T: ?Sized, B: Backend> Guarded<R, T, B> {
    /// Enters in `mode` and reads, waiting in line no longer than `timeout`:
    /// see [`crate::Guarded::read_for`].
    pub fn read_for(
        &self,
        mode: R::Mode,
        timeout: Duration,
    ) -> Option<ReadGuard<Hold<&FifoLock<R, B>>, T>> {
        Some(ReadGuard::new(
            self.lock().enter_limited(request(mode, 1), &Until::after(timeout))?,
            self.data(),
        ))
    }

    /// Enters in `mode` and reads, waiting in line no longer than until
    /// `deadline`: see [`crate::Guarded::read_until`].
    pub fn read_until(
        &self,
        mode: R::Mode,
        deadline: Instant,
    ) -> Option<ReadGuard<Hold<&FifoLock<R, B>>, T>> {
        Some(ReadGuard::new(
            self.lock().enter_limited(request(mode, 1), &Until::at(deadline))?,
            self.data(),
        ))
    }

    /// Enters in the exclusive `mode`, and reads and writes, waiting in line no
    /// longer than `timeout`: see [`crate::Guarded::write_for`].
    ///
    /// # Errors
    ///
    /// As there.
    #[allow(clippy::type_complexity, reason = "an alias would say less")]
    pub fn write_for<W: WriteMode<R>>(
        &self,
        mode: W,
        timeout: Duration,
    ) -> W::Answer<Option<WriteGuard<Hold<&FifoLock<R, B>>, T>>> {
        self.write_within(mode, &Until::after(timeout))
    }

    /// Enters in the exclusive `mode`, and reads and writes, waiting in line no
    /// longer than until `deadline`: see [`crate::Guarded::write_until`].
    ///
    /// # Errors
    ///
    /// As there.
    #[allow(clippy::type_complexity, reason = "an alias would say less")]
    pub fn write_until<W: WriteMode<R>>(
        &self,
        mode: W,
        deadline: Instant,
    ) -> W::Answer<Option<WriteGuard<Hold<&FifoLock<R, B>>, T>>> {
        self.write_within(mode, &Until::at(deadline))
    }

    #[allow(clippy::type_complexity, reason = "as above")]
    fn write_within<W: WriteMode<R>>(
        &self,
        mode: W,
        limit: &Until,
    ) -> W::Answer<Option<WriteGuard<Hold<&FifoLock<R, B>>, T>>> {
        W::answer(mode.judge().map(|mode| {
            let hold = self.lock().enter_limited(mode.request(), limit)?;
            Some(WriteGuard::new(hold, self.data(), mode))
        }))
    }
}
