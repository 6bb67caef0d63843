//! The futures of this crate's locks and values, by name.
//!
//! Acquisitions share one body, [`Acquire`], and so one behaviour, which this page
//! describes. The others say at the methods that make them what they do, and what
//! dropping them does: those of condition variables and doors ([`WaitAsync`],
//! [`WaitWhileAsync`], [`WaitInside`], [`WaitInsideWhile`]), and of accessors,
//! conditions and predicates ([`Asking`], [`Get`], [`SetWhenRead`], and the stream
//! [`Values`]).
//!
//! * Nothing happens before the first poll. A poll that finds the lock free
//!   takes it without standing in line.
//! * They need no executor, no timer and no heap, are `Send` where the data
//!   allows, and may be polled with another waker each time.
//! * They are fused: [`is_terminated`](futures_core::FusedFuture) says that
//!   the guard, or the error, was handed out. Polling after that panics (in a
//!   release build for a bare core it [stops](crate#what-it-costs-on-bare-cores)).
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
//! An awaited conversion ([`ConvertHold`], [`Upgrade`] and their like) owns the hold or guard
//! that it converts: dropping it at any of the first three points also releases
//! that, in the mode that it has then.
//!
//! A request for permits may also be refused while it waits: too many since a
//! [`resize`](crate::Semaphore::resize), or closed. It has left the line then,
//! and dropping it before it could say so does nothing.
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
//! A writer of an accessor that was woken for a reader
//! (`set_when_read_async`) and is polled no more keeps that reader, and the next
//! writer, waiting until it is polled or dropped.
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

/// The kinds over `lock_api`'s wrappers, which differ in names only.
macro_rules! kind {
    ($(#[$meta:meta])* $alias:ident<$($life:lifetime)?>, $kind:ident, $kept:ty, $raw:ident,
     $waiter:ident, $guard:ty, $poll:ident, $cancel:ident, $make:expr) => {
        $(#[$meta])*
        pub type $alias<$($life,)? R, T> = Acquire<$kind<$($life,)? R, T>>;

        #[doc(hidden)]
        pub struct $kind<$($life,)? R: $raw, T: ?Sized> {
            lock: $kept,
        }

        impl<$($life,)? R: $raw, T: ?Sized> Kind for $kind<$($life,)? R, T> {
            type Waiter = R::$waiter;
            type Output = $guard;

            #[inline(always)]
            unsafe fn poll(
                &mut self,
                waiter: Pin<&R::$waiter>,
                cx: &mut Context<'_>,
            ) -> Poll<Self::Output> {
                let Some(lock) = self.lock.there() else { $crate::future::finished() };
                // SAFETY: only asks for the lock; no guard's lock is let go.
                let raw = unsafe { lock.raw() };
                // SAFETY: by this function's contract; always with `lock`.
                let Poll::Ready(state) = (unsafe { raw.$poll(waiter, cx) }) else {
                    return Poll::Pending;
                };
                match self.lock.take() {
                    Some(lock) => Poll::Ready($make(lock, state)),
                    None => $crate::future::finished(),
                }
            }

            #[inline(always)]
            unsafe fn cancel(&mut self, waiter: Pin<&R::$waiter>) {
                if let Some(lock) = self.lock.there() {
                    // SAFETY: as `poll`: what is given back has no guard yet.
                    let raw = unsafe { lock.raw() };
                    // SAFETY: as `poll`.
                    unsafe { raw.$cancel(waiter) };
                }
            }

            fn is_done(waiter: &R::$waiter) -> bool {
                waiter.is_done()
            }
        }
    };
}

/// How a raw lock of the crate is polled for in one mode, and given up.
macro_rules! polled {
    ($poll:ident, $cancel:ident, $waiter:ty) => {
        #[inline(always)]
        unsafe fn $poll(&self, waiter: Pin<&$waiter>, cx: &mut Context<'_>) -> Poll<Lined> {
            // SAFETY: by this function's contract.
            match unsafe { waiter.poll(self.raw(), cx.waker()) } {
                Some(lined) => Poll::Ready(Lined(lined)),
                None => Poll::Pending,
            }
        }

        #[inline(always)]
        unsafe fn $cancel(&self, waiter: Pin<&$waiter>) {
            // SAFETY: by this function's contract.
            unsafe { waiter.cancel(self.raw()) };
        }
    };
}

mod accessor;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod accessor_arc;
#[macro_use]
mod door;
#[macro_use]
mod door_wait;

mod condvar;
mod fifo_lock;
mod guarded;
mod mutex;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod owned;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod owned_door;
mod releasing;
mod rwlock;
mod semaphore;

pub use accessor::{Asking, Get, SetWhenRead, Values};
pub use condvar::{Passing, TwoLines, WaitAsync, WaitWhileAsync};
pub use door::{EnterDoor, ReadDoor, UpgradableReadDoor, UpgradeDoor, WriteDoor};
pub use door_wait::{WaitInside, WaitInsideWhile};
pub use fifo_lock::{AcquireHold, AcquireManyHold, ConvertHold};
#[allow(unused_imports, reason = "of observed locks")]
pub(crate) use fifo_lock::{ConvertKind, HoldKind};
pub use guarded::{ConvertGuard, ReadGuarded, UpgradeGuard, WriteGuarded};
#[allow(unused_imports, reason = "as above")]
pub(crate) use guarded::{ReadGuardKind, WriteGuardKind};
pub use mutex::{Lock, MutexExt};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use owned::{
    AcquireManyOwnedHold, AcquireManyOwnedPermit, AcquireManyOwnedUnlessClosed, AcquireOwnedHold,
    AcquireOwnedPermit, AcquireOwnedUnlessClosed, ConvertOwnedHold, LockArc, MutexArcExt, ReadArc,
    ReadGuardedArc, RwLockArcExt, RwLockUpgradeArcExt, UpgradableReadArc, UpgradeArc, WriteArc,
    WriteGuardedArc,
};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use owned_door::{
    EnterDoorArc, ReadDoorArc, UpgradableReadDoorArc, UpgradeDoorArc, WriteDoorArc,
};
pub use releasing::ReleasableAsync;
pub use rwlock::{
    Read, RwLockExt, RwLockUpgradableReadGuardExt, RwLockUpgradeExt, UpgradableRead, Upgrade, Write,
};
#[allow(unused_imports, reason = "as above")]
pub(crate) use semaphore::poll_permit;
pub use semaphore::{
    AcquireManyPermit, AcquireManyUnlessClosed, AcquirePermit, AcquireUnlessClosed,
};

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use futures_core::FusedFuture;
use pin_project_lite::pin_project;

use crate::error::TooMany;
use crate::misuse::stop;
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
    /// See the [module](self) for what all of them promise. `K` says which one
    /// it is: it has a name for each, such as [`AcquireHold`], by which a struct
    /// keeps it.
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

    // Whatever the inliner thinks of it: in its caller the mode is known, and
    // a first poll is a few instructions; all that is rare is behind one call.
    #[inline(always)]
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

/// How a kind keeps its lock until the guard takes it: as a reference, which is
/// always there, or as an `Arc`, which is not there any more afterwards.
trait Keeps {
    type Lock: ?Sized;
    type Taken;
    fn there(&self) -> Option<&Self::Lock>;
    fn take(&mut self) -> Option<Self::Taken>;
}

impl<'a, L: ?Sized> Keeps for &'a L {
    type Lock = L;
    type Taken = &'a L;

    #[inline(always)]
    fn there(&self) -> Option<&L> {
        Some(self)
    }

    #[inline(always)]
    fn take(&mut self) -> Option<&'a L> {
        Some(self)
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
pub(crate) fn finished() -> ! {
    stop("an acquisition was polled after it had handed out its guard")
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
