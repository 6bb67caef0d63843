//! Waiting for data no longer than a time, on the monotonic clock.

#[cfg(target_has_atomic = "ptr")]
mod owned;

#[cfg(target_has_atomic = "ptr")]
#[allow(unused_imports, reason = "of observed locks")]
pub(crate) use owned::acquiring_arc_timed;

use core::time::Duration;
use std::time::Instant;

use super::{Guarded, ReadGuard, Upgraded, WriteGuard, WriteMode};
use crate::backend::Backend;
use crate::error::ConvertError;
use crate::fifo_lock::request;
use crate::hold::{Hold, Holding, ModeOf};
use crate::raw::mode::Rules;
use crate::wait::until::Until;

impl<R: Rules, T: ?Sized, B: Backend> Guarded<R, T, B> {
    /// As [`read`](Self::read), waiting in line no longer than `timeout`.
    ///
    /// `None` means that the time was over; see
    /// [`FifoLock::acquire_for`](crate::FifoLock::acquire_for).
    pub fn read_for(
        &self,
        mode: R::Mode,
        timeout: Duration,
    ) -> Option<ReadGuard<Hold<'_, R, B>, T>> {
        self.read_limited(mode, Until::after(timeout))
    }

    /// As [`read`](Self::read), waiting in line no longer than until `deadline`.
    pub fn read_until(
        &self,
        mode: R::Mode,
        deadline: Instant,
    ) -> Option<ReadGuard<Hold<'_, R, B>, T>> {
        self.read_limited(mode, Until::at(deadline))
    }

    fn read_limited(&self, mode: R::Mode, limit: Until) -> Option<ReadGuard<Hold<'_, R, B>, T>> {
        let hold = self.lock().enter_limited(request(mode, 1), &limit)?;
        Some(ReadGuard::new(hold, self.data()))
    }

    /// As [`write`](Self::write), waiting in line no longer than `timeout`.
    ///
    /// `None` means that the time was over; see
    /// [`FifoLock::acquire_for`](crate::FifoLock::acquire_for).
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    #[allow(clippy::type_complexity, reason = "an alias would say less")]
    pub fn write_for<W: WriteMode<R>>(
        &self,
        mode: W,
        timeout: Duration,
    ) -> W::Answer<Option<WriteGuard<Hold<'_, R, B>, T>>> {
        self.write_limited(mode, Until::after(timeout))
    }

    /// As [`write`](Self::write), waiting in line no longer than until
    /// `deadline`.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    #[allow(clippy::type_complexity, reason = "an alias would say less")]
    pub fn write_until<W: WriteMode<R>>(
        &self,
        mode: W,
        deadline: Instant,
    ) -> W::Answer<Option<WriteGuard<Hold<'_, R, B>, T>>> {
        self.write_limited(mode, Until::at(deadline))
    }

    #[allow(clippy::type_complexity, reason = "as above")]
    fn write_limited<W: WriteMode<R>>(
        &self,
        mode: W,
        limit: Until,
    ) -> W::Answer<Option<WriteGuard<Hold<'_, R, B>, T>>> {
        W::answer(mode.judge().map(|mode| {
            let hold = self.lock().enter_limited(mode.request(), &limit)?;
            Some(WriteGuard::new(hold, self.data(), mode))
        }))
    }
}

impl<H: Holding, T: ?Sized> ReadGuard<H, T> {
    /// As [`convert`](Self::convert), waiting no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// As [`convert`](Self::convert), and [`ConvertError::TimedOut`].
    pub fn convert_for(
        s: &mut Self,
        mode: ModeOf<H>,
        timeout: Duration,
    ) -> Result<(), ConvertError> {
        Self::convert_limited(s, mode, &Until::after(timeout))
    }

    /// As [`convert`](Self::convert), waiting no longer than until `deadline`.
    ///
    /// # Errors
    ///
    /// As [`convert`](Self::convert), and [`ConvertError::TimedOut`].
    pub fn convert_until(
        s: &mut Self,
        mode: ModeOf<H>,
        deadline: Instant,
    ) -> Result<(), ConvertError> {
        Self::convert_limited(s, mode, &Until::at(deadline))
    }

    /// As [`upgrade`](Self::upgrade), waiting no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// As [`upgrade`](Self::upgrade), and [`ConvertError::TimedOut`].
    pub fn upgrade_for<W: WriteMode<H::Rules>>(
        s: Self,
        mode: W,
        timeout: Duration,
    ) -> Upgraded<H, T> {
        Self::upgrade_limited(s, mode, &Until::after(timeout))
    }

    /// As [`upgrade`](Self::upgrade), waiting no longer than until `deadline`.
    ///
    /// # Errors
    ///
    /// As [`upgrade`](Self::upgrade), and [`ConvertError::TimedOut`].
    pub fn upgrade_until<W: WriteMode<H::Rules>>(
        s: Self,
        mode: W,
        deadline: Instant,
    ) -> Upgraded<H, T> {
        Self::upgrade_limited(s, mode, &Until::at(deadline))
    }
}
