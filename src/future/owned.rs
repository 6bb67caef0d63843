//! Awaiting guards that keep their lock alive.

#![allow(unsafe_code)]

use alloc::sync::Arc;
use core::pin::Pin;
use core::task::{Context, Poll};

use lock_api::{ArcRwLockReadGuard, ArcRwLockWriteGuard, Mutex, RwLock};

use super::{Acquire, Checked, Kind};
use crate::backend::Backend;
use crate::fifo_lock::{self, FifoLock};
use crate::owned::{OwnedHold, OwnedMutexGuard, OwnedPermit};
use crate::raw::mode::{Mode, Rules};
use crate::raw::traits::{RawMutexAsync, RawRwLockAsync, RawWaiter};
use crate::raw::waiter::Seat;
use crate::semaphore::{self, Semaphore};

/// What the lock of an owned kind is called while it is there: the guard takes
/// it along.
fn here<T: ?Sized>(lock: &Option<Arc<T>>) -> &Arc<T> {
    match lock {
        Some(lock) => lock,
        None => super::finished(),
    }
}

/// Takes the lock out, for the guard.
fn take<T: ?Sized>(lock: &mut Option<Arc<T>>) -> Arc<T> {
    match lock.take() {
        Some(lock) => lock,
        None => super::finished(),
    }
}

/// Awaits an [`OwnedHold`]; made by [`FifoLock::acquire_owned_async`].
pub type AcquireOwnedHold<R, B> = Acquire<OwnedHoldKind<R, B>>;

#[doc(hidden)]
pub struct OwnedHoldKind<R: Rules, B: Backend> {
    lock: Option<Arc<FifoLock<R, B>>>,
}

impl<R: Rules, B: Backend> Kind for OwnedHoldKind<R, B> {
    type Waiter = Seat;
    type Output = OwnedHold<R, B>;

    unsafe fn poll(&mut self, seat: Pin<&Seat>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let request = seat.request();
        let mode = R::Mode::ALL[usize::from(request.mode)];
        // SAFETY: by this function's contract; always with `lock`.
        match unsafe { seat.poll(here(&self.lock).raw(), request, cx.waker()) } {
            Some(lined) => {
                let parts = (mode, request.weight, lined);
                Poll::Ready(OwnedHold::new(take(&mut self.lock), parts))
            }
            None => Poll::Pending,
        }
    }

    unsafe fn cancel(&mut self, seat: Pin<&Seat>) {
        if let Some(lock) = &self.lock {
            // SAFETY: as `poll`.
            unsafe { seat.cancel(lock.raw()) };
        }
    }

    fn is_done(seat: &Seat) -> bool {
        seat.is_done()
    }
}

impl<R: Rules, B: Backend> FifoLock<R, B> {
    /// As [`acquire_async`](Self::acquire_async), with a hold that keeps the
    /// lock alive; so does the future.
    pub fn acquire_owned_async(self: &Arc<Self>, mode: R::Mode) -> AcquireOwnedHold<R, B> {
        let kind = OwnedHoldKind { lock: Some(Arc::clone(self)) };
        Acquire::new(kind, Seat::new(fifo_lock::request(mode, 1)))
    }
}

/// Awaits an [`OwnedPermit`]; made by [`Semaphore::acquire_owned_async`].
pub type AcquireOwnedPermit<B> = Acquire<OwnedPermitKind<B>>;

/// Awaits an [`OwnedPermit`] for several; made by
/// [`Semaphore::acquire_many_owned_async`].
pub type AcquireManyOwnedPermit<B> = Acquire<Checked<OwnedPermitKind<B>>>;

#[doc(hidden)]
pub struct OwnedPermitKind<B: Backend> {
    semaphore: Option<Arc<Semaphore<B>>>,
}

impl<B: Backend> Kind for OwnedPermitKind<B> {
    type Waiter = Seat;
    type Output = OwnedPermit<B>;

    unsafe fn poll(&mut self, seat: Pin<&Seat>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let request = seat.request();
        if request.weight == 0 && !seat.is_done() {
            seat.set_done();
            return Poll::Ready(OwnedPermit::new(take(&mut self.semaphore), 0, false));
        }
        // SAFETY: by this function's contract; always with `semaphore`.
        match unsafe { seat.poll(here(&self.semaphore).raw(), request, cx.waker()) } {
            Some(lined) => {
                Poll::Ready(OwnedPermit::new(take(&mut self.semaphore), request.weight, lined))
            }
            None => Poll::Pending,
        }
    }

    unsafe fn cancel(&mut self, seat: Pin<&Seat>) {
        if let Some(semaphore) = &self.semaphore {
            // SAFETY: as `poll`.
            unsafe { seat.cancel(semaphore.raw()) };
        }
    }

    fn is_done(seat: &Seat) -> bool {
        seat.is_done()
    }
}

impl<B: Backend> Semaphore<B> {
    /// As [`acquire_async`](Self::acquire_async), with a permit that keeps the
    /// semaphore alive; so does the future.
    pub fn acquire_owned_async(self: &Arc<Self>) -> AcquireOwnedPermit<B> {
        Acquire::new(OwnedPermitKind::new(self), Seat::new(semaphore::request(1)))
    }

    /// As [`acquire_many_async`](Self::acquire_many_async), with permits that
    /// keep the semaphore alive; so does the future.
    ///
    /// # Errors
    ///
    /// [`TooMany`](crate::TooMany) when there are fewer permits in all.
    pub fn acquire_many_owned_async(self: &Arc<Self>, count: u32) -> AcquireManyOwnedPermit<B> {
        Checked::acquire(OwnedPermitKind::new(self), semaphore::request(count), self.check(count))
    }
}

impl<B: Backend> OwnedPermitKind<B> {
    fn new(semaphore: &Arc<Semaphore<B>>) -> Self {
        Self { semaphore: Some(Arc::clone(semaphore)) }
    }
}

/// The kinds over `lock_api`'s wrappers, which differ in names only.
macro_rules! kind {
    ($(#[$meta:meta])* $alias:ident, $kind:ident, $wrapper:ident, $raw:ident, $waiter:ident,
     $guard:ident, $poll:ident, $cancel:ident, $make:expr) => {
        $(#[$meta])*
        pub type $alias<R, T> = Acquire<$kind<R, T>>;

        #[doc(hidden)]
        pub struct $kind<R: $raw, T: ?Sized> {
            lock: Option<Arc<$wrapper<R, T>>>,
        }

        impl<R: $raw, T: ?Sized> $kind<R, T> {
            pub(super) fn acquire(lock: Arc<$wrapper<R, T>>) -> $alias<R, T> {
                Acquire::new(Self { lock: Some(lock) }, R::$waiter::default())
            }
        }

        impl<R: $raw, T: ?Sized> Kind for $kind<R, T> {
            type Waiter = R::$waiter;
            type Output = $guard<R, T>;

            unsafe fn poll(
                &mut self,
                waiter: Pin<&R::$waiter>,
                cx: &mut Context<'_>,
            ) -> Poll<Self::Output> {
                // SAFETY: only asks for the lock; no guard's lock is let go.
                let raw = unsafe { here(&self.lock).raw() };
                // SAFETY: by this function's contract; always with `lock`.
                match unsafe { raw.$poll(waiter, cx) } {
                    Poll::Ready(state) => Poll::Ready($make(take(&mut self.lock), state)),
                    Poll::Pending => Poll::Pending,
                }
            }

            unsafe fn cancel(&mut self, waiter: Pin<&R::$waiter>) {
                if let Some(lock) = &self.lock {
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

kind! {
    /// Awaits an [`OwnedMutexGuard`]; made by
    /// [`MutexArcExt::lock_arc_async`](crate::prelude::MutexArcExt::lock_arc_async).
    LockArc, LockArcKind, Mutex, RawMutexAsync, Waiter, OwnedMutexGuard,
    poll_lock, cancel_lock,
    // SAFETY: the lock is ours, with this state, and no guard was made.
    |lock, state| unsafe { OwnedMutexGuard::new(lock, state) }
}

kind! {
    /// Awaits an [`ArcRwLockReadGuard`]; made by
    /// [`RwLockArcExt::read_arc_async`](crate::prelude::RwLockArcExt::read_arc_async).
    ReadArc, ReadArcKind, RwLock, RawRwLockAsync, SharedWaiter, ArcRwLockReadGuard,
    poll_lock_shared, cancel_lock_shared,
    // SAFETY: as above, in this mode.
    |lock: Arc<RwLock<R, T>>, state| unsafe { lock.make_arc_read_guard_unchecked(state) }
}

kind! {
    /// Awaits an [`ArcRwLockWriteGuard`]; made by
    /// [`RwLockArcExt::write_arc_async`](crate::prelude::RwLockArcExt::write_arc_async).
    WriteArc, WriteArcKind, RwLock, RawRwLockAsync, ExclusiveWaiter, ArcRwLockWriteGuard,
    poll_lock_exclusive, cancel_lock_exclusive,
    // SAFETY: as above, in this mode.
    |lock: Arc<RwLock<R, T>>, state| unsafe { lock.make_arc_write_guard_unchecked(state) }
}

/// Awaiting a mutex behind an [`Arc`].
pub trait MutexArcExt {
    /// The raw lock.
    type Raw: RawMutexAsync;
    /// The data.
    type Data: ?Sized;

    /// As [`lock_async`](super::MutexExt::lock_async), with a guard that keeps
    /// the mutex alive; so does the future.
    fn lock_arc_async(&self) -> LockArc<Self::Raw, Self::Data>;
}

impl<R: RawMutexAsync, T: ?Sized> MutexArcExt for Arc<Mutex<R, T>> {
    type Raw = R;
    type Data = T;

    fn lock_arc_async(&self) -> LockArc<R, T> {
        LockArcKind::acquire(Arc::clone(self))
    }
}

/// Awaiting a readers-writer lock behind an [`Arc`].
pub trait RwLockArcExt {
    /// The raw lock.
    type Raw: RawRwLockAsync;
    /// The data.
    type Data: ?Sized;

    /// As [`read_async`](super::RwLockExt::read_async), with a guard that
    /// keeps the lock alive; so does the future.
    fn read_arc_async(&self) -> ReadArc<Self::Raw, Self::Data>;

    /// As [`write_async`](super::RwLockExt::write_async), with a guard that
    /// keeps the lock alive; so does the future.
    fn write_arc_async(&self) -> WriteArc<Self::Raw, Self::Data>;
}

impl<R: RawRwLockAsync, T: ?Sized> RwLockArcExt for Arc<RwLock<R, T>> {
    type Raw = R;
    type Data = T;

    fn read_arc_async(&self) -> ReadArc<R, T> {
        ReadArcKind::acquire(Arc::clone(self))
    }

    fn write_arc_async(&self) -> WriteArc<R, T> {
        WriteArcKind::acquire(Arc::clone(self))
    }
}
