//! The futures of all acquisitions, by name.
//!
//! They share one body, [`Acquire`], and so one behaviour:
//!
//! * Nothing happens before the first poll. A poll that finds the lock free
//!   takes it without standing in line.
//! * They need no executor, no timer and no heap, are `Send` where the data
//!   allows, and may be polled with another waker each time.
//! * They are fused: [`is_terminated`](futures_core::FusedFuture) says that
//!   the guard, or the error, was handed out. Polling after that panics.
//!
//! # Cancel safety
//!
//! | dropped | what happens |
//! |---|---|
//! | before the first poll | nothing |
//! | queued | it leaves the line in constant time; whoever it kept out enters at once |
//! | granted, but not polled since | the lock goes to the next in line |
//! | after it was ready | the guard is the holder: dropping that releases |
//!
//! An awaited conversion ([`ConvertHold`]) owns the hold that it converts:
//! dropping it at any of the first three points also releases that hold, in the
//! mode that it has then.
//!
//! # Futurelock
//!
//! Two acquisitions in one `select!`: the first in line is granted the lock
//! while the task polls only the second. Other first come, first served locks
//! hang then. Here the second takes the grant, and the first takes its place
//! in line (where their lanes differ, the last place of its own lane); where their modes don't allow that, the first gives its grant back
//! and asks anew, behind all others, when it is polled. No *task* ever enters
//! before another one that stood before it because of this.
//!
//! What this does not cure: a granted future that its task keeps and polls no
//! more, while it asks for nothing else, keeps the lock until it is polled or
//! dropped; and a *blocking* acquisition never takes a future's grant over, so
//! that to call `lock` or `acquire` in that task waits for ever.
//!
//! Two futures count as one task's when their wakers are the same
//! ([`Waker::will_wake`](core::task::Waker::will_wake)). Combinators that wrap
//! the waker for each of their futures (`FuturesUnordered`, `join_all`) hide
//! that; what is hidden is not traded. An executor that polls different tasks
//! with one waker makes them look like one task: among these the order may
//! change, and nothing else. A waker without data, such as
//! [`Waker::noop`](core::task::Waker::noop), is nobody's.

#![allow(unsafe_code)]
#![allow(missing_debug_implementations, reason = "kinds are named by nobody")]

mod fifo_lock;
mod mutex;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod owned;
mod rwlock;
mod semaphore;

pub use fifo_lock::{AcquireHold, AcquireManyHold, ConvertHold};
pub use mutex::{Lock, MutexExt};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use owned::{
    AcquireManyOwnedPermit, AcquireOwnedHold, AcquireOwnedPermit, LockArc, MutexArcExt, ReadArc,
    RwLockArcExt, WriteArc,
};
pub use rwlock::{Read, RwLockExt, RwLockUpgradeExt, UpgradableRead, Write};
pub use semaphore::{AcquireManyPermit, AcquirePermit};

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use futures_core::FusedFuture;
use pin_project_lite::pin_project;

use crate::error::TooMany;
use crate::raw::waiter::Seat;
use crate::wait::node::Request;

/// One kind of acquisition: what is polled, and what comes of it.
#[doc(hidden)]
pub trait Kind {
    /// Its place in line.
    type Waiter;
    /// The guard.
    type Output;

    /// # Safety
    ///
    /// The waiter is this kind's own, and stays pinned until it is done or
    /// cancelled.
    unsafe fn poll(
        &mut self,
        waiter: Pin<&Self::Waiter>,
        cx: &mut Context<'_>,
    ) -> Poll<Self::Output>;

    /// # Safety
    ///
    /// As `poll`.
    unsafe fn cancel(&mut self, waiter: Pin<&Self::Waiter>);

    /// Whether the output was handed out.
    fn is_done(waiter: &Self::Waiter) -> bool;
}

pin_project! {
    /// An acquisition that can be awaited.
    ///
    /// See the [module](self) for what all of them promise.
    #[must_use = "futures do nothing unless polled"]
    pub struct Acquire<K: Kind> {
        kind: K,
        #[pin]
        waiter: K::Waiter,
    }

    impl<K: Kind> PinnedDrop for Acquire<K> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let waiter = this.waiter.into_ref();
            // SAFETY: the waiter was only ever used with `kind`, and is pinned
            // here for the last time.
            unsafe { this.kind.cancel(waiter) };
        }
    }
}

impl<K: Kind> Acquire<K> {
    #[inline(always)]
    pub(crate) fn new(kind: K, waiter: K::Waiter) -> Self {
        Self { kind, waiter }
    }
}

impl<K: Kind> Future for Acquire<K> {
    type Output = K::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<K::Output> {
        let this = self.project();
        let waiter = this.waiter.into_ref();
        // SAFETY: the waiter is used with `kind` only, and pinned until drop,
        // which cancels.
        let polled = unsafe { this.kind.poll(waiter, cx) };
        if polled.is_pending() && K::is_done(&waiter) {
            finished();
        }
        polled
    }
}

/// A kind whose request may be refused at the door.
#[doc(hidden)]
pub struct Checked<K> {
    kind: K,
    refused: Option<TooMany>,
}

impl<K: Kind<Waiter = Seat>> Checked<K> {
    pub(crate) fn acquire(kind: K, request: Request, check: Result<(), TooMany>) -> Acquire<Self> {
        Acquire::new(Self { kind, refused: check.err() }, Seat::new(request))
    }
}

impl<K: Kind<Waiter = Seat>> Kind for Checked<K> {
    type Waiter = Seat;
    type Output = Result<K::Output, TooMany>;

    unsafe fn poll(&mut self, seat: Pin<&Seat>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(error) = self.refused.take() {
            seat.set_done();
            return Poll::Ready(Err(error));
        }
        // SAFETY: by this function's contract.
        unsafe { self.kind.poll(seat, cx) }.map(Ok)
    }

    unsafe fn cancel(&mut self, seat: Pin<&Seat>) {
        // SAFETY: by this function's contract.
        unsafe { self.kind.cancel(seat) };
    }

    fn is_done(seat: &Seat) -> bool {
        K::is_done(seat)
    }
}

#[cold]
fn finished() -> ! {
    panic!("an acquisition was polled after it had handed out its guard");
}

impl<K: Kind> FusedFuture for Acquire<K> {
    fn is_terminated(&self) -> bool {
        K::is_done(&self.waiter)
    }
}

impl<K: Kind> core::fmt::Debug for Acquire<K> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Acquire").field("done", &K::is_done(&self.waiter)).finish_non_exhaustive()
    }
}
