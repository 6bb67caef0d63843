//! Waiting no longer than a time, with holds and permits that keep their lock
//! alive.

use alloc::sync::Arc;
use core::time::Duration;
use std::time::Instant;

use crate::backend::Backend;
use crate::error::{AcquireError, Closed, ConvertError, TooMany};
use crate::fifo_lock::FifoLock;
use crate::hold;
use crate::owned::{Kept, OwnedHold, OwnedPermit};
use crate::raw::mode::Rules;
use crate::semaphore::{ClosableSemaphore, Semaphore};
use crate::wait::until::Until;

/// Writes the same as [`acquiring_owned`](crate::owned::acquiring_owned), with a
/// limit to the time.
macro_rules! acquiring_owned_timed {
    ($permit:ident) => {
        impl<R: Rules, B: Backend> FifoLock<R, B> {
            /// Enters in `mode`, as [`acquire_for`](Self::acquire_for) does,
            /// with a hold that keeps the lock alive.
            pub fn acquire_owned_for(
                self: &Arc<Self>,
                mode: R::Mode,
                timeout: Duration,
            ) -> Option<OwnedHold<R, B>> {
                self.acquire_for(mode, timeout).map(|hold| self.own(hold))
            }

            /// Enters in `mode`, as [`acquire_until`](Self::acquire_until)
            /// does, with a hold that keeps the lock alive.
            pub fn acquire_owned_until(
                self: &Arc<Self>,
                mode: R::Mode,
                deadline: Instant,
            ) -> Option<OwnedHold<R, B>> {
                self.acquire_until(mode, deadline).map(|hold| self.own(hold))
            }

            /// Enters with `weight` units of `mode`, as
            /// [`acquire_many_for`](Self::acquire_many_for) does, with a hold
            /// that keeps the lock alive.
            ///
            /// # Errors
            ///
            /// [`TooMany`] when not even an empty lock would admit so many.
            pub fn acquire_many_owned_for(
                self: &Arc<Self>,
                mode: R::Mode,
                weight: u32,
                timeout: Duration,
            ) -> Result<Option<OwnedHold<R, B>>, TooMany> {
                Ok(self.acquire_many_for(mode, weight, timeout)?.map(|hold| self.own(hold)))
            }

            /// Enters with `weight` units of `mode`, as
            /// [`acquire_many_until`](Self::acquire_many_until) does, with a
            /// hold that keeps the lock alive.
            ///
            /// # Errors
            ///
            /// [`TooMany`] when not even an empty lock would admit so many.
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
            /// Takes a permit that keeps the semaphore alive, as
            /// [`acquire_for`](Self::acquire_for) does.
            pub fn acquire_owned_for(
                self: &Arc<Self>,
                timeout: Duration,
            ) -> Option<OwnedPermit<B>> {
                self.acquire_for(timeout).map(|permit| self.own(permit))
            }

            /// Takes a permit that keeps the semaphore alive, as
            /// [`acquire_until`](Self::acquire_until) does.
            pub fn acquire_owned_until(
                self: &Arc<Self>,
                deadline: Instant,
            ) -> Option<OwnedPermit<B>> {
                self.acquire_until(deadline).map(|permit| self.own(permit))
            }

            /// Takes `count` permits that keep the semaphore alive, as
            /// [`acquire_many_for`](Self::acquire_many_for) does.
            ///
            /// # Errors
            ///
            /// [`TooMany`] when there are fewer permits in all, or it is
            /// closed; also when that comes about while this waits.
            pub fn acquire_many_owned_for(
                self: &Arc<Self>,
                count: u32,
                timeout: Duration,
            ) -> Result<Option<OwnedPermit<B>>, TooMany> {
                Ok(self.acquire_many_for(count, timeout)?.map(|permit| self.own(permit)))
            }

            /// Takes `count` permits that keep the semaphore alive, as
            /// [`acquire_many_until`](Self::acquire_many_until) does.
            ///
            /// # Errors
            ///
            /// [`TooMany`] when there are fewer permits in all, or it is
            /// closed; also when that comes about while this waits.
            pub fn acquire_many_owned_until(
                self: &Arc<Self>,
                count: u32,
                deadline: Instant,
            ) -> Result<Option<OwnedPermit<B>>, TooMany> {
                Ok(self.acquire_many_until(count, deadline)?.map(|permit| self.own(permit)))
            }
        }

        impl<B: Backend> ClosableSemaphore<B> {
            /// Takes a permit that keeps the semaphore alive, as
            /// [`acquire_for`](Self::acquire_for) does.
            ///
            /// # Errors
            ///
            /// [`Closed`] if it is, or becomes so while this waits.
            pub fn acquire_owned_for(
                self: &Arc<Self>,
                timeout: Duration,
            ) -> Result<Option<$permit<B>>, Closed> {
                Ok(self.acquire_for(timeout)?.map(|permit| self.own(permit)))
            }

            /// Takes a permit that keeps the semaphore alive, as
            /// [`acquire_until`](Self::acquire_until) does.
            ///
            /// # Errors
            ///
            /// [`Closed`] if it is, or becomes so while this waits.
            pub fn acquire_owned_until(
                self: &Arc<Self>,
                deadline: Instant,
            ) -> Result<Option<$permit<B>>, Closed> {
                Ok(self.acquire_until(deadline)?.map(|permit| self.own(permit)))
            }

            /// Takes `count` permits that keep the semaphore alive, as
            /// [`acquire_many_for`](Self::acquire_many_for) does.
            ///
            /// # Errors
            ///
            /// As [`acquire_many`](Self::acquire_many).
            pub fn acquire_many_owned_for(
                self: &Arc<Self>,
                count: u32,
                timeout: Duration,
            ) -> Result<Option<$permit<B>>, AcquireError> {
                Ok(self.acquire_many_for(count, timeout)?.map(|permit| self.own(permit)))
            }

            /// Takes `count` permits that keep the semaphore alive, as
            /// [`acquire_many_until`](Self::acquire_many_until) does.
            ///
            /// # Errors
            ///
            /// As [`acquire_many`](Self::acquire_many).
            pub fn acquire_many_owned_until(
                self: &Arc<Self>,
                count: u32,
                deadline: Instant,
            ) -> Result<Option<$permit<B>>, AcquireError> {
                Ok(self.acquire_many_until(count, deadline)?.map(|permit| self.own(permit)))
            }
        }
    };
}
#[allow(unused_imports, reason = "of observed locks")]
pub(crate) use acquiring_owned_timed;

acquiring_owned_timed!(OwnedPermit);

impl<R: Rules, B: Backend, L: ?Sized + Kept<R, B>> OwnedHold<R, B, L> {
    /// Changes its mode in one step, waiting no longer than `timeout`: see
    /// [`Hold::convert_for`](crate::Hold::convert_for).
    ///
    /// # Errors
    ///
    /// As there; the hold is as it was.
    pub fn convert_for(&mut self, mode: R::Mode, timeout: Duration) -> Result<(), ConvertError> {
        let request = hold::conversion(self, mode);
        hold::convert(self, request, &Until::after(timeout))
    }

    /// Changes its mode in one step, waiting no longer than until `deadline`:
    /// see [`Hold::convert_until`](crate::Hold::convert_until).
    ///
    /// # Errors
    ///
    /// As there; the hold is as it was.
    pub fn convert_until(&mut self, mode: R::Mode, deadline: Instant) -> Result<(), ConvertError> {
        let request = hold::conversion(self, mode);
        hold::convert(self, request, &Until::at(deadline))
    }
}
