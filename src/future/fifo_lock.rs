//! Awaiting a hold.

#![allow(unsafe_code)]

use core::pin::Pin;
use core::task::{Context, Poll};

use super::{Acquire, Checked, Kind};
use crate::backend::Backend;
use crate::error::ConvertError;
use crate::fifo_lock::{FifoLock, request};
use crate::hold::{self, Hold, Holding};
use crate::raw::lock::Polled;
use crate::raw::mode::Rules;
use crate::raw::waiter::Seat;
use crate::wait::node::Request;

/// Awaits a [`Hold`]; made by [`FifoLock::acquire_async`].
pub type AcquireHold<'a, R, B> = Acquire<HoldKind<'a, R, B>>;

/// Awaits a [`Hold`] of some weight; made by [`FifoLock::acquire_many_async`].
pub type AcquireManyHold<'a, R, B> = Acquire<Checked<HoldKind<'a, R, B>>>;

#[doc(hidden)]
pub struct HoldKind<'a, R: Rules, B: Backend> {
    lock: &'a FifoLock<R, B>,
}

impl<'a, R: Rules, B: Backend> HoldKind<'a, R, B> {
    pub(crate) fn new(lock: &'a FifoLock<R, B>) -> Self {
        Self { lock }
    }
}

impl<'a, R: Rules, B: Backend> Kind for HoldKind<'a, R, B> {
    type Waiter = Seat;
    type Output = Hold<'a, R, B>;

    #[inline(always)]
    unsafe fn poll(&mut self, seat: Pin<&Seat>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let request = seat.request();
        if R::WEIGHTED && request.weight == 0 && !seat.is_done() {
            seat.set_done();
            return Poll::Ready(self.lock.hold(request, false));
        }
        // SAFETY: by this function's contract; always with `lock`.
        match unsafe { seat.poll(self.lock.raw(), request, cx.waker()) } {
            Some(lined) => Poll::Ready(self.lock.hold(request, lined)),
            None => Poll::Pending,
        }
    }

    #[inline(always)]
    unsafe fn cancel(&mut self, seat: Pin<&Seat>) {
        // SAFETY: as `poll`.
        unsafe { seat.cancel(self.lock.raw()) };
    }

    fn is_done(seat: &Seat) -> bool {
        seat.is_done()
    }
}

impl<R: Rules, B: Backend> FifoLock<R, B> {
    /// Enters in `mode`, suspending the task until its turn comes.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the first poll: nothing. Queued: it leaves the line, and
    /// whoever it kept out enters. Granted but not polled since: the lock goes
    /// to the next. Once it is ready, the hold is the holder, and dropping that
    /// releases. See [`future`](crate::future), also for what happens when one
    /// task awaits two holds of a lock at once.
    ///
    /// # Panics
    ///
    /// If polled again after it was ready; and if the rules do.
    ///
    /// ```
    /// use portunus::rules::{Access, ReadWrite};
    /// use portunus::sync::FifoLock;
    ///
    /// # smol::block_on(async {
    /// static LOCK: FifoLock<ReadWrite> = FifoLock::new(ReadWrite);
    /// let hold = LOCK.acquire_async(Access::Write).await;
    /// assert!(LOCK.try_acquire(Access::Read).is_none());
    /// # drop(hold);
    /// # });
    /// ```
    #[inline]
    pub fn acquire_async(&self, mode: R::Mode) -> AcquireHold<'_, R, B> {
        Acquire::new(HoldKind::new(self), Seat::new(request(mode, 1)))
    }

    /// Enters with `weight` units of `mode`, suspending the task until all of
    /// them are there at once. A weight of 0 is ready at once.
    ///
    /// Compiles only for rules with [`Rules::WEIGHTED`].
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_async`](Self::acquire_async).
    ///
    /// # Panics
    ///
    /// The weight is judged at once, on an empty lock: a rule that panics there
    /// does so here, and not in the first poll.
    ///
    /// # Errors
    ///
    /// [`TooMany`](crate::TooMany) when not even an empty lock would admit so
    /// many.
    pub fn acquire_many_async(&self, mode: R::Mode, weight: u32) -> AcquireManyHold<'_, R, B> {
        let check = self.check_weight(mode, weight);
        Checked::acquire(HoldKind::new(self), request(mode, weight), check)
    }
}

impl<R: Rules, B: Backend> FifoLock<R, B> {
    /// Enters with what a hold had. It fitted once, so it may be asked for.
    pub(super) fn acquire_again(&self, request: Request) -> AcquireHold<'_, R, B> {
        Acquire::new(HoldKind { lock: self }, Seat::new(request))
    }
}

/// Awaits a conversion; made by [`Hold::convert_async`].
pub type ConvertHold<'a, R, B> = Acquire<ConvertKind<Hold<'a, R, B>>>;

#[doc(hidden)]
pub struct ConvertKind<H> {
    /// Taken by the output.
    hold: Option<H>,
}

impl<H: Holding> ConvertKind<H> {
    pub(super) fn new(hold: H) -> Self {
        Self { hold: Some(hold) }
    }

    /// Awaits another mode of a hold.
    pub(crate) fn convert(hold: H, request: Request) -> Acquire<Self> {
        Acquire::new(Self::new(hold), Seat::new(request))
    }

    /// The hold as it was.
    pub(super) fn give_back(&mut self) -> H {
        match self.hold.take() {
            Some(hold) => hold,
            None => super::finished(),
        }
    }

    /// The hold, in the mode that was asked for.
    fn converted(&mut self, seat: &Seat) -> H {
        let mut hold = self.give_back();
        hold::note(&mut hold, seat.request());
        hold
    }
}

impl<H: Holding> Kind for ConvertKind<H> {
    type Waiter = Seat;
    type Output = Result<H, (H, ConvertError)>;

    unsafe fn poll(&mut self, seat: Pin<&Seat>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(hold) = &self.hold else { super::finished() };
        if hold.units().weight() == 0 {
            seat.set_done();
            return Poll::Ready(Ok(self.converted(seat.get_ref())));
        }
        // SAFETY: by this function's contract; always with the hold's lock.
        match unsafe { seat.poll_convert(hold.fifo_lock().raw(), cx.waker()) } {
            Polled::Pending => Poll::Pending,
            Polled::Holds => Poll::Ready(Ok(self.converted(seat.get_ref()))),
            Polled::Refused => {
                let error = hold::refusal(hold, seat.request());
                Poll::Ready(Err((self.give_back(), error)))
            }
        }
    }

    unsafe fn cancel(&mut self, seat: Pin<&Seat>) {
        let Some(hold) = &self.hold else { return };
        // SAFETY: as `poll`.
        if unsafe { seat.cancel(hold.fifo_lock().raw()) } {
            // It has the new mode already, and is released in that.
            drop(self.converted(seat.get_ref()));
        }
    }

    fn is_done(seat: &Seat) -> bool {
        seat.is_done()
    }
}

impl<'a, R: Rules, B: Backend> Hold<'a, R, B> {
    /// Changes its mode in one step, suspending the task until that is
    /// possible. It takes the hold and gives it back.
    ///
    /// # Cancel safety
    ///
    /// The future owns the hold. Dropped before the first poll or queued, it
    /// releases the hold in its old mode; granted but not polled since, in the
    /// new one. To keep the hold whatever happens, use
    /// [`try_convert`](Self::try_convert).
    ///
    /// # Errors
    ///
    /// The hold as it was, and why: see [`convert`](Self::convert).
    ///
    /// # Panics
    ///
    /// If polled again after it was ready.
    pub fn convert_async(self, mode: R::Mode) -> ConvertHold<'a, R, B> {
        let request = hold::conversion(&self, mode);
        ConvertKind::convert(self, request)
    }
}
