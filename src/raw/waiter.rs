//! A future's place in line, and the polling that all futures share.

#![allow(unsafe_code)]

use core::fmt;
use core::pin::Pin;
use core::task::{Poll, Waker};

use super::lock::{Polled, RawFifoLock};
use super::mode::Rules;
use super::traits::RawWaiter;
use crate::atomic::Ordering;
use crate::backend::Backend;
use crate::wait::node::{NO_MODE, Node, Refusal, Request, state};

/// A place in the line of one of this crate's raw locks, asking for the mode
/// with index `MODE`: as a newcomer, or for a hold in the mode with index
/// `FROM`, if there is one.
#[derive(Debug)]
pub struct Waiter<const MODE: u8, const FROM: u8 = { u8::MAX }>(Seat);

// What stands for "a newcomer" above.
const _: () = assert!(NO_MODE == u8::MAX);

impl<const MODE: u8, const FROM: u8> Waiter<MODE, FROM> {
    /// What it asks for, known at compile time.
    const REQUEST: Request = Request { mode: MODE, from: FROM, weight: 1 };

    /// Polls for one unit.
    ///
    /// # Safety
    ///
    /// As [`Seat::poll`].
    #[inline(always)]
    pub(crate) unsafe fn poll<R: Rules, B: Backend>(
        self: Pin<&Self>,
        raw: &RawFifoLock<R, B>,
        waker: &Waker,
    ) -> Option<bool> {
        // SAFETY: by this function's contract; the seat is pinned with us.
        unsafe { self.seat().poll(raw, Self::REQUEST, waker) }
    }

    /// Polls for another mode of a hold.
    ///
    /// # Safety
    ///
    /// As [`Seat::poll`].
    pub(crate) unsafe fn poll_convert<R: Rules, B: Backend>(
        self: Pin<&Self>,
        raw: &RawFifoLock<R, B>,
        waker: &Waker,
    ) -> Polled {
        // SAFETY: by this function's contract; the seat is pinned with us.
        unsafe { self.seat().poll_convert(raw, waker) }
    }

    /// Takes the request back; returns what [`Seat::cancel`] does.
    ///
    /// # Safety
    ///
    /// As [`Seat::cancel`].
    #[inline(always)]
    pub(crate) unsafe fn cancel<R: Rules, B: Backend>(
        self: Pin<&Self>,
        raw: &RawFifoLock<R, B>,
    ) -> bool {
        // SAFETY: by this function's contract.
        unsafe { self.seat().cancel(raw) }
    }

    #[inline(always)]
    fn seat(self: Pin<&Self>) -> Pin<&Seat> {
        // SAFETY: a field that is never moved out.
        unsafe { self.map_unchecked(|waiter| &waiter.0) }
    }
}

impl<const MODE: u8, const FROM: u8> Default for Waiter<MODE, FROM> {
    #[inline(always)]
    fn default() -> Self {
        Self(Seat::new(Self::REQUEST))
    }
}

impl<const MODE: u8, const FROM: u8> RawWaiter for Waiter<MODE, FROM> {
    #[inline]
    fn is_done(&self) -> bool {
        self.0.is_done()
    }
}

/// A node that a future owns.
#[doc(hidden)]
#[allow(unreachable_pub, reason = "futures name it, and they are a feature")]
pub struct Seat(Node);

impl Seat {
    #[inline(always)]
    pub(crate) fn new(request: Request) -> Self {
        Self(Node::new(request, true))
    }

    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        // Ordering: Relaxed, the owner itself makes it so.
        self.0.state(Ordering::Relaxed) == state::DONE
    }

    /// Ends an acquisition that asked for nothing.
    pub(crate) fn set_done(&self) {
        // Ordering: Relaxed, as above.
        self.0.set_state(state::DONE, Ordering::Relaxed);
    }

    #[inline(always)]
    pub(crate) fn request(&self) -> Request {
        self.0.request()
    }

    /// Enters, or waits in line. `Some(lined)`: it holds.
    ///
    /// # Safety
    ///
    /// Always with the same lock, one call at a time; the seat stays pinned
    /// until it holds or `cancel` was called.
    #[inline(always)]
    pub(crate) unsafe fn poll<R: Rules, B: Backend>(
        self: Pin<&Self>,
        raw: &RawFifoLock<R, B>,
        request: Request,
        waker: &Waker,
    ) -> Option<bool> {
        let node = &self.get_ref().0;
        // Ordering: Relaxed, nobody else sees a node in `INIT`.
        if node.state(Ordering::Relaxed) == state::INIT && raw.try_acquire(request) {
            node.set_state(state::DONE, Ordering::Relaxed);
            return Some(false);
        }
        if raw.poll_slow(node, waker) != Polled::Holds {
            return None;
        }
        // The last act: from here on the units are the caller's.
        node.set_state(state::DONE, Ordering::Relaxed);
        Some(true)
    }

    /// The same where requests may be refused.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[inline(always)]
    pub(crate) unsafe fn poll_or<R: Rules, B: Backend>(
        self: Pin<&Self>,
        raw: &RawFifoLock<R, B>,
        request: Request,
        waker: &Waker,
    ) -> Poll<Result<bool, Refusal>> {
        let node = &self.get_ref().0;
        // Ordering: Relaxed, nobody else sees a node in `INIT`.
        if node.state(Ordering::Relaxed) == state::INIT && raw.try_acquire(request) {
            node.set_state(state::DONE, Ordering::Relaxed);
            return Poll::Ready(Ok(false));
        }
        let ended = match raw.poll_slow(node, waker) {
            Polled::Holds => Ok(true),
            Polled::Refused => Err(node.refusal()),
            Polled::Pending => return Poll::Pending,
        };
        // The last act: from here on the outcome is the caller's.
        node.set_state(state::DONE, Ordering::Relaxed);
        Poll::Ready(ended)
    }

    /// Changes a hold's mode, or waits for it.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    pub(crate) unsafe fn poll_convert<R: Rules, B: Backend>(
        self: Pin<&Self>,
        raw: &RawFifoLock<R, B>,
        waker: &Waker,
    ) -> Polled {
        let node = &self.get_ref().0;
        let polled = raw.poll_convert(node, waker);
        if polled != Polled::Pending {
            // The last act: from here on the hold is the caller's.
            node.set_state(state::DONE, Ordering::Relaxed);
        }
        polled
    }

    /// Takes the request back, wherever it is; nothing where it never began or
    /// has ended. `true`: it was a conversion that had been granted, and the
    /// hold has the new mode.
    ///
    /// # Safety
    ///
    /// With the lock of `poll`.
    #[inline(always)]
    pub(crate) unsafe fn cancel<R: Rules, B: Backend>(
        self: Pin<&Self>,
        raw: &RawFifoLock<R, B>,
    ) -> bool {
        let node = &self.get_ref().0;
        // Ordering: Relaxed, the owner itself leaves `INIT` and reaches `DONE`.
        node.state(Ordering::Relaxed) > state::DONE && raw.abandon(node)
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").finish_non_exhaustive()
    }
}
