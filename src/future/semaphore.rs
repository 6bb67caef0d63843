//! Awaiting permits.

#![allow(unsafe_code)]

use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::{Acquire, Kind, ReleasableAsync};
use crate::backend::Backend;
use crate::raw::waiter::Seat;
use crate::releasing::PermitPlace;
use crate::semaphore::{
    Again, ClosableSemaphore, Counted, Face, ONE, Permit, Plain, Semaphore, Told, ToldMany, request,
};
use crate::wait::node::{Refusal, Request};

/// Awaits a [`Permit`]; made by [`Semaphore::acquire_async`].
pub type AcquirePermit<'a, B> = Acquire<PermitKind<'a, B, Plain>>;

/// Awaits several permits; made by [`Semaphore::acquire_many_async`].
pub type AcquireManyPermit<'a, B> = Acquire<PermitKind<'a, B, Counted>>;

/// Awaits a [`Permit`] of a semaphore that can be closed; made by
/// [`ClosableSemaphore::acquire_async`].
pub type AcquireUnlessClosed<'a, B> = Acquire<PermitKind<'a, B, Told>>;

/// Awaits several permits of a semaphore that can be closed; made by
/// [`ClosableSemaphore::acquire_many_async`].
pub type AcquireManyUnlessClosed<'a, B> = Acquire<PermitKind<'a, B, ToldMany>>;

#[doc(hidden)]
pub struct PermitKind<'a, B: Backend, F> {
    semaphore: &'a Semaphore<B>,
    face: PhantomData<fn() -> F>,
}

impl<'a, B: Backend, F: Face> PermitKind<'a, B, F> {
    #[inline(always)]
    fn acquire(semaphore: &'a Semaphore<B>, request: Request) -> Acquire<Self> {
        Acquire::new(Self { semaphore, face: PhantomData }, Seat::new(request))
    }
}

/// Polls for permits.
///
/// # Safety
///
/// As [`Kind::poll`]; always with the same semaphore.
#[inline(always)]
pub(crate) unsafe fn poll_permit<'a, B: Backend, F: Face>(
    semaphore: &'a Semaphore<B>,
    seat: Pin<&Seat>,
    cx: &mut Context<'_>,
) -> Poll<Result<Permit<'a, B>, Refusal>> {
    // Known at compile time where it is one.
    let request = if F::MANY { seat.request() } else { ONE };
    if F::MANY && request.weight == 0 && !seat.is_done() {
        seat.set_done();
        return Poll::Ready(semaphore.nothing::<F>());
    }
    // SAFETY: by this function's contract.
    unsafe { seat.poll_or(semaphore.raw(), request, cx.waker()) }
        .map(|ended| ended.map(|lined| semaphore.permit(request.weight, lined)))
}

impl<'a, B: Backend, F: Face> Kind for PermitKind<'a, B, F> {
    type Waiter = Seat;
    type Output = F::Output<Permit<'a, B>>;

    #[inline(always)]
    unsafe fn poll(&mut self, seat: Pin<&Seat>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: by this function's contract; always with `semaphore`.
        unsafe { poll_permit::<B, F>(self.semaphore, seat, cx) }
            .map(|permit| F::output(permit, if F::MANY { seat.request().weight } else { 1 }))
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
    ///
    /// # Panics
    ///
    /// When polled, if the semaphore is closed, or was closed while this
    /// waited.
    #[inline]
    pub fn acquire_async(&self) -> AcquirePermit<'_, B> {
        PermitKind::acquire(self, ONE)
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
    /// [`TooMany`](crate::TooMany) when there are fewer permits in all, or it is
    /// closed; also when that comes about while this waits.
    ///
    /// # Panics
    ///
    /// If polled again after it was ready.
    pub fn acquire_many_async(&self, count: u32) -> AcquireManyPermit<'_, B> {
        PermitKind::acquire(self, request(count))
    }
}

impl<B: Backend> ClosableSemaphore<B> {
    /// Takes a permit, suspending the task until there is one.
    ///
    /// # Cancel safety
    ///
    /// As [`Semaphore::acquire_async`].
    ///
    /// # Errors
    ///
    /// [`Closed`](crate::Closed) if it is, or becomes so while this waits.
    ///
    /// ```
    /// # smol::block_on(async {
    /// let jobs = portunus::sync::ClosableSemaphore::new(1);
    /// let permit = jobs.acquire_async().await?;
    /// jobs.close();
    /// assert!(jobs.acquire_async().await.is_err());
    /// # drop(permit);
    /// # Ok::<(), portunus::Closed>(())
    /// # }).expect("it was open");
    /// ```
    ///
    /// # Panics
    ///
    /// If polled again after it was ready.
    #[inline]
    pub fn acquire_async(&self) -> AcquireUnlessClosed<'_, B> {
        PermitKind::acquire(self.inner(), ONE)
    }

    /// Takes `count` permits, suspending the task until all of them are free
    /// at once.
    ///
    /// # Cancel safety
    ///
    /// As [`Semaphore::acquire_async`].
    ///
    /// # Errors
    ///
    /// [`AcquireError`](crate::AcquireError): there are fewer permits in all,
    /// or it is closed; also when that comes about while this waits.
    ///
    /// # Panics
    ///
    /// If polled again after it was ready.
    pub fn acquire_many_async(&self, count: u32) -> AcquireManyUnlessClosed<'_, B> {
        PermitKind::acquire(self.inner(), request(count))
    }
}

impl<'a, B: Backend> ReleasableAsync for Permit<'a, B> {
    type Take = Acquire<PermitKind<'a, B, Again>>;

    fn take_async(place: PermitPlace<&'a Semaphore<B>>) -> Self::Take {
        PermitKind::acquire(place.semaphore, request(place.count))
    }
}
