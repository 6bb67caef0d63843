//! Awaiting permits.

#![allow(unsafe_code)]

use core::pin::Pin;
use core::task::{Context, Poll};

use super::{Acquire, Checked, Kind};
use crate::backend::Backend;
use crate::raw::waiter::Seat;
use crate::semaphore::{Permit, Semaphore, request};

/// Awaits a [`Permit`]; made by [`Semaphore::acquire_async`].
pub type AcquirePermit<'a, B> = Acquire<PermitKind<'a, B>>;

/// Awaits several permits; made by [`Semaphore::acquire_many_async`].
pub type AcquireManyPermit<'a, B> = Acquire<Checked<PermitKind<'a, B>>>;

#[doc(hidden)]
pub struct PermitKind<'a, B: Backend> {
    semaphore: &'a Semaphore<B>,
}

impl<'a, B: Backend> Kind for PermitKind<'a, B> {
    type Waiter = Seat;
    type Output = Permit<'a, B>;

    #[inline(always)]
    unsafe fn poll(&mut self, seat: Pin<&Seat>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let request = seat.request();
        if request.weight == 0 && !seat.is_done() {
            seat.set_done();
            return Poll::Ready(self.semaphore.permit(0, false));
        }
        // SAFETY: by this function's contract; always with `semaphore`.
        match unsafe { seat.poll(self.semaphore.raw(), request, cx.waker()) } {
            Some(lined) => Poll::Ready(self.semaphore.permit(request.weight, lined)),
            None => Poll::Pending,
        }
    }

    #[inline(always)]
    unsafe fn cancel(&mut self, seat: Pin<&Seat>) {
        // SAFETY: as `poll`.
        unsafe { seat.cancel(self.semaphore.raw()) };
    }

    fn is_done(seat: &Seat) -> bool {
        seat.is_done()
    }
}

impl<B: Backend> Semaphore<B> {
    /// Takes a permit, suspending the task until there is one.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the first poll: nothing. Queued: it leaves the line, and
    /// whoever it kept out is served. Granted but not polled since: the permit
    /// goes to the next. Once it is ready, dropping the permit gives it back.
    /// See [`future`](crate::future).
    ///
    /// ```
    /// # smol::block_on(async {
    /// let slots = portunus::sync::Semaphore::new(1);
    /// let permit = slots.acquire_async().await;
    /// assert_eq!(slots.available_permits(), 0);
    /// # drop(permit);
    /// # });
    /// ```
    #[inline]
    pub fn acquire_async(&self) -> AcquirePermit<'_, B> {
        Acquire::new(PermitKind { semaphore: self }, Seat::new(request(1)))
    }

    /// Takes `count` permits, suspending the task until all of them are free
    /// at once.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_async`](Self::acquire_async).
    ///
    /// # Errors
    ///
    /// [`TooMany`](crate::TooMany) when there are fewer permits in all.
    pub fn acquire_many_async(&self, count: u32) -> AcquireManyPermit<'_, B> {
        Checked::acquire(PermitKind { semaphore: self }, request(count), self.check(count))
    }
}
