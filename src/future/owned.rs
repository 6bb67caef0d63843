//! Awaiting guards that keep their lock alive.

#![allow(unsafe_code)]

use alloc::sync::Arc;
use core::marker::PhantomData;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll};

use lock_api::{
    ArcRwLockReadGuard, ArcRwLockUpgradableReadGuard, ArcRwLockWriteGuard, Mutex, RwLock,
};

use super::fifo_lock::{ConvertKind, HoldKind};
use super::guarded::{ReadGuardKind, WriteGuardKind};
use super::rwlock::{RwLockUpgradableReadGuardExt, Upgradable, UpgradeKind};
use super::semaphore::poll_permit;
use super::{Acquire, Checked, Keeps, Kind, ReleasableAsync};
use crate::backend::Backend;
use crate::fifo_lock::{self, FifoLock};
use crate::guarded::{ArcReadGuard, ArcWriteGuard, ExclusiveMode, Guarded, WriteMode};
use crate::hold::{self, Hold};
use crate::owned::{Kept, OwnedHold, OwnedMutexGuard, OwnedPermit};
use crate::raw::mode::Rules;
use crate::raw::traits::{RawMutexAsync, RawRwLockAsync, RawRwLockUpgradeAsync, RawWaiter};
use crate::raw::waiter::Seat;
use crate::releasing::PermitPlace;
use crate::semaphore::{
    self, Again, ClosableSemaphore, Counted, Face, Permit, Plain, Semaphore, Told, ToldMany,
};
use crate::wait::node::Request;

impl<L: ?Sized> Keeps for Option<Arc<L>> {
    type Lock = L;
    type Taken = Arc<L>;

    fn there(&self) -> Option<&L> {
        self.as_deref()
    }

    fn take(&mut self) -> Option<Arc<L>> {
        self.take()
    }
}

/// The lock of an owned kind while it is there: the guard takes it along.
fn here<T: ?Sized>(lock: &Option<Arc<T>>) -> &T {
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
pub type AcquireOwnedHold<R, B> = Acquire<OwnedHoldKind<R, B, FifoLock<R, B>>>;

/// Awaits an [`OwnedHold`] of some weight; made by
/// [`FifoLock::acquire_many_owned_async`].
pub type AcquireManyOwnedHold<R, B> = Acquire<Checked<OwnedHoldKind<R, B, FifoLock<R, B>>>>;

#[doc(hidden)]
pub struct OwnedHoldKind<R: Rules, B: Backend, L: ?Sized + Kept<R, B>> {
    lock: Option<Arc<L>>,
    of: PhantomData<fn() -> (R, B)>,
}

impl<R: Rules, B: Backend, L: ?Sized + Kept<R, B>> OwnedHoldKind<R, B, L> {
    fn new(lock: Arc<L>) -> Self {
        Self { lock: Some(lock), of: PhantomData }
    }
}

impl<R: Rules, B: Backend, L: ?Sized + Kept<R, B>> Kind for OwnedHoldKind<R, B, L> {
    type Waiter = Seat;
    type Output = OwnedHold<R, B, L>;

    unsafe fn poll(&mut self, seat: Pin<&Seat>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut borrowed = HoldKind::new(here(&self.lock).fifo_lock());
        // SAFETY: by this function's contract; always with `lock`.
        let polled = unsafe { borrowed.poll(seat, cx) }.map(Hold::into_units);
        polled.map(|units| OwnedHold::new(take(&mut self.lock), units))
    }

    unsafe fn cancel(&mut self, seat: Pin<&Seat>) {
        if let Some(lock) = &self.lock {
            // SAFETY: as `poll`.
            unsafe { HoldKind::new(lock.fifo_lock()).cancel(seat) };
        }
    }

    fn is_done(seat: &Seat) -> bool {
        seat.is_done()
    }
}

impl<R: Rules, B: Backend> FifoLock<R, B> {
    /// As [`acquire_async`](Self::acquire_async), with a hold that keeps the
    /// lock alive; so does the future.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_async`](Self::acquire_async).
    /// It lets go of the lock's `Arc`, too.
    pub fn acquire_owned_async(self: &Arc<Self>, mode: R::Mode) -> AcquireOwnedHold<R, B> {
        Acquire::new(OwnedHoldKind::new(Arc::clone(self)), Seat::new(fifo_lock::request(mode, 1)))
    }

    /// As [`acquire_many_async`](Self::acquire_many_async), with a hold that
    /// keeps the lock alive; so does the future.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_many_async`](Self::acquire_many_async).
    /// It lets go of the `Arc`, too.
    ///
    /// # Errors
    ///
    /// [`TooMany`](crate::TooMany) when not even an empty lock would admit so
    /// many.
    pub fn acquire_many_owned_async(
        self: &Arc<Self>,
        mode: R::Mode,
        weight: u32,
    ) -> AcquireManyOwnedHold<R, B> {
        let check = self.check_weight(mode, weight);
        let kind = OwnedHoldKind::new(Arc::clone(self));
        Checked::acquire(kind, fifo_lock::request(mode, weight), check)
    }
}

/// Awaits a conversion; made by [`OwnedHold::convert_async`].
pub type ConvertOwnedHold<R, B, L = FifoLock<R, B>> = Acquire<ConvertKind<OwnedHold<R, B, L>>>;

impl<R: Rules, B: Backend, L: ?Sized + Kept<R, B>> OwnedHold<R, B, L> {
    /// Changes its mode in one step, suspending the task until that is
    /// possible: see [`Hold::convert_async`](crate::Hold::convert_async).
    ///
    /// # Cancel safety
    ///
    /// As [`Hold::convert_async`](crate::Hold::convert_async): it takes the
    /// hold, which is let go then.
    ///
    /// # Errors
    ///
    /// The hold as it was, and why: see [`Hold::convert`](crate::Hold::convert).
    pub fn convert_async(self, mode: R::Mode) -> ConvertOwnedHold<R, B, L> {
        let request = hold::conversion(&self, mode);
        ConvertKind::convert(self, request)
    }
}

/// Awaits an [`ArcReadGuard`](crate::guarded::ArcReadGuard); made by
/// [`Guarded::read_arc_async`].
pub type ReadGuardedArc<R, T, B> = Acquire<ReadGuardKind<OwnedHoldKind<R, B, Guarded<R, T, B>>, T>>;

/// Awaits an [`ArcWriteGuard`](crate::guarded::ArcWriteGuard); made by
/// [`Guarded::write_arc_async`].
pub type WriteGuardedArc<R, T, B, W> =
    Acquire<WriteGuardKind<OwnedHoldKind<R, B, Guarded<R, T, B>>, T, R, W>>;

impl<R: Rules, T: ?Sized, B: Backend> Guarded<R, T, B> {
    /// As [`read_async`](Self::read_async), with a guard that keeps the data
    /// alive; so does the future.
    ///
    /// # Cancel safety
    ///
    /// As [`read_async`](Self::read_async).
    /// It lets go of the `Arc`, too.
    pub fn read_arc_async(self: &Arc<Self>, mode: R::Mode) -> ReadGuardedArc<R, T, B> {
        ReadGuardKind::acquire(
            OwnedHoldKind::new(Arc::clone(self)),
            self.data(),
            fifo_lock::request(mode, 1),
        )
    }

    /// As [`write_async`](Self::write_async), with a guard that keeps the data
    /// alive; so does the future.
    ///
    /// # Cancel safety
    ///
    /// As [`write_async`](Self::write_async).
    /// It lets go of the `Arc`, too.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write); the first poll has it.
    pub fn write_arc_async<W: WriteMode<R>>(
        self: &Arc<Self>,
        mode: W,
    ) -> WriteGuardedArc<R, T, B, W> {
        WriteGuardKind::acquire(OwnedHoldKind::new(Arc::clone(self)), self.data(), mode)
    }
}

/// Awaits an [`OwnedPermit`]; made by [`Semaphore::acquire_owned_async`].
pub type AcquireOwnedPermit<B> = Acquire<OwnedPermitKind<B, Plain>>;

/// Awaits an [`OwnedPermit`] for several; made by
/// [`Semaphore::acquire_many_owned_async`].
pub type AcquireManyOwnedPermit<B> = Acquire<OwnedPermitKind<B, Counted>>;

/// Awaits an [`OwnedPermit`] of a semaphore that can be closed; made by
/// [`ClosableSemaphore::acquire_owned_async`].
pub type AcquireOwnedUnlessClosed<B> = Acquire<OwnedPermitKind<B, Told>>;

/// Awaits an [`OwnedPermit`] for several of a semaphore that can be closed;
/// made by [`ClosableSemaphore::acquire_many_owned_async`].
pub type AcquireManyOwnedUnlessClosed<B> = Acquire<OwnedPermitKind<B, ToldMany>>;

#[doc(hidden)]
pub struct OwnedPermitKind<B: Backend, F> {
    semaphore: Option<Arc<Semaphore<B>>>,
    face: PhantomData<fn() -> F>,
}

impl<B: Backend, F: Face> OwnedPermitKind<B, F> {
    fn acquire(semaphore: Arc<Semaphore<B>>, request: Request) -> Acquire<Self> {
        Acquire::new(Self { semaphore: Some(semaphore), face: PhantomData }, Seat::new(request))
    }
}

impl<B: Backend, F: Face> Kind for OwnedPermitKind<B, F> {
    type Waiter = Seat;
    type Output = F::Output<OwnedPermit<B>>;

    unsafe fn poll(&mut self, seat: Pin<&Seat>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: by this function's contract; always with `semaphore`.
        let polled = unsafe { poll_permit::<B, F>(here(&self.semaphore), seat, cx) };
        let parts = polled.map(|permit| permit.map(Permit::into_parts));
        parts.map(|parts| {
            let semaphore = take(&mut self.semaphore);
            let owned = parts.map(|(count, lined)| OwnedPermit::new(semaphore, count, lined));
            F::output(owned, seat.request().weight)
        })
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

impl<B: Backend> ReleasableAsync for OwnedPermit<B> {
    type Take = Acquire<OwnedPermitKind<B, Again>>;

    fn take_async(place: PermitPlace<Arc<Semaphore<B>>>) -> Self::Take {
        OwnedPermitKind::acquire(place.semaphore, semaphore::request(place.count))
    }
}

impl<B: Backend> Semaphore<B> {
    /// As [`acquire_async`](Self::acquire_async), with a permit that keeps the
    /// semaphore alive; so does the future.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_async`](Self::acquire_async).
    /// It lets go of the semaphore's `Arc`, too.
    ///
    /// # Panics
    ///
    /// As there, when awaited.
    pub fn acquire_owned_async(self: &Arc<Self>) -> AcquireOwnedPermit<B> {
        OwnedPermitKind::acquire(Arc::clone(self), semaphore::ONE)
    }

    /// As [`acquire_many_async`](Self::acquire_many_async), with permits that
    /// keep the semaphore alive; so does the future.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_many_async`](Self::acquire_many_async).
    /// It lets go of the `Arc`, too.
    ///
    /// # Errors
    ///
    /// [`TooMany`](crate::TooMany) when there are fewer permits in all, or it
    /// is closed; also when that comes about while this waits.
    pub fn acquire_many_owned_async(self: &Arc<Self>, count: u32) -> AcquireManyOwnedPermit<B> {
        OwnedPermitKind::acquire(Arc::clone(self), semaphore::request(count))
    }
}

impl<B: Backend> ClosableSemaphore<B> {
    /// As [`acquire_async`](Self::acquire_async), with a permit that keeps the
    /// semaphore alive; so does the future.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_async`](Self::acquire_async).
    /// It lets go of the semaphore's `Arc`, too.
    ///
    /// # Errors
    ///
    /// [`Closed`](crate::Closed) as there.
    pub fn acquire_owned_async(self: &Arc<Self>) -> AcquireOwnedUnlessClosed<B> {
        OwnedPermitKind::acquire(self.share(), semaphore::ONE)
    }

    /// As [`acquire_many_async`](Self::acquire_many_async), with permits that
    /// keep the semaphore alive; so does the future.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_many_async`](Self::acquire_many_async).
    /// It lets go of the `Arc`, too.
    ///
    /// # Errors
    ///
    /// [`AcquireError`](crate::AcquireError) as there.
    pub fn acquire_many_owned_async(
        self: &Arc<Self>,
        count: u32,
    ) -> AcquireManyOwnedUnlessClosed<B> {
        OwnedPermitKind::acquire(self.share(), semaphore::request(count))
    }
}

kind! {
    /// Awaits an [`OwnedMutexGuard`]; made by
    /// [`MutexArcExt::lock_arc_async`](crate::prelude::MutexArcExt::lock_arc_async).
    LockArc<>, LockArcKind, Option<Arc<Mutex<R, T>>>, RawMutexAsync, Waiter, OwnedMutexGuard<R, T>,
    poll_lock, cancel_lock,
    // SAFETY: the lock is ours, with this state, and no guard was made.
    |lock, state| unsafe { OwnedMutexGuard::new(lock, state) }
}

kind! {
    /// Awaits an [`ArcRwLockReadGuard`]; made by
    /// [`RwLockArcExt::read_arc_async`](crate::prelude::RwLockArcExt::read_arc_async).
    ReadArc<>, ReadArcKind, Option<Arc<RwLock<R, T>>>, RawRwLockAsync, SharedWaiter,
    ArcRwLockReadGuard<R, T>,
    poll_lock_shared, cancel_lock_shared,
    // SAFETY: as above, in this mode.
    |lock: Arc<RwLock<R, T>>, state| unsafe { lock.make_arc_read_guard_unchecked(state) }
}

kind! {
    /// Awaits an [`ArcRwLockWriteGuard`]; made by
    /// [`RwLockArcExt::write_arc_async`](crate::prelude::RwLockArcExt::write_arc_async).
    WriteArc<>, WriteArcKind, Option<Arc<RwLock<R, T>>>, RawRwLockAsync, ExclusiveWaiter,
    ArcRwLockWriteGuard<R, T>,
    poll_lock_exclusive, cancel_lock_exclusive,
    // SAFETY: as above, in this mode.
    |lock: Arc<RwLock<R, T>>, state| unsafe { lock.make_arc_write_guard_unchecked(state) }
}

kind! {
    /// Awaits an [`ArcRwLockUpgradableReadGuard`]; made by
    /// [`RwLockUpgradeArcExt::upgradable_read_arc_async`](crate::prelude::RwLockUpgradeArcExt::upgradable_read_arc_async).
    UpgradableReadArc<>, UpgradableReadArcKind, Option<Arc<RwLock<R, T>>>, RawRwLockUpgradeAsync,
    UpgradableWaiter, ArcRwLockUpgradableReadGuard<R, T>,
    poll_lock_upgradable, cancel_lock_upgradable,
    // SAFETY: as above, in this mode.
    |lock: Arc<RwLock<R, T>>, state| unsafe { lock.make_upgradable_arc_guard_unchecked(state) }
}

/// Awaits exclusive access for an upgradable reader that keeps its lock alive;
/// made by
/// [`upgrade_async`](crate::prelude::RwLockUpgradableReadGuardExt::upgrade_async).
pub type UpgradeArc<R, T> = Acquire<UpgradeKind<ArcRwLockUpgradableReadGuard<R, T>>>;

impl<R: RawRwLockUpgradeAsync, T: ?Sized> Upgradable for ArcRwLockUpgradableReadGuard<R, T> {
    type Raw = R;
    type Writing = ArcRwLockWriteGuard<R, T>;

    fn raw(&self) -> &R {
        // SAFETY: only asks for the upgrade of what the guard holds.
        unsafe { Self::rwlock(self).raw() }
    }

    unsafe fn into_writing(self, state: R::ExclusiveGuard) -> Self::Writing {
        // SAFETY: the guard's own reference, which the guard, forgotten here,
        // gives up.
        let lock = unsafe { Arc::from_raw(Arc::as_ptr(Self::rwlock(&self))) };
        mem::forget(self);
        // SAFETY: by this function's contract; the guard that had it is gone.
        unsafe { lock.make_arc_write_guard_unchecked(state) }
    }
}

impl<R: RawRwLockUpgradeAsync, T: ?Sized> RwLockUpgradableReadGuardExt
    for ArcRwLockUpgradableReadGuard<R, T>
{
    type Upgrade = UpgradeArc<R, T>;

    fn upgrade_async(s: Self) -> UpgradeArc<R, T> {
        UpgradeKind::acquire(s)
    }
}

/// Awaiting a mutex behind an [`Arc`].
pub trait MutexArcExt {
    /// The raw lock.
    type Raw: RawMutexAsync;
    /// The data.
    type Data: ?Sized;

    /// As [`lock_async`](super::MutexExt::lock_async), with a guard that keeps
    /// the mutex alive; so does the future.
    ///
    /// # Cancel safety
    ///
    /// As [`lock_async`](super::MutexExt::lock_async). It lets go of the `Arc`,
    /// too.
    fn lock_arc_async(&self) -> LockArc<Self::Raw, Self::Data>;
}

impl<R: RawMutexAsync, T: ?Sized> MutexArcExt for Arc<Mutex<R, T>> {
    type Raw = R;
    type Data = T;

    fn lock_arc_async(&self) -> LockArc<R, T> {
        Acquire::new(LockArcKind { lock: Some(Arc::clone(self)) }, R::Waiter::default())
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
    ///
    /// # Cancel safety
    ///
    /// As [`read_async`](super::RwLockExt::read_async). It lets go of the
    /// `Arc`, too.
    fn read_arc_async(&self) -> ReadArc<Self::Raw, Self::Data>;

    /// As [`write_async`](super::RwLockExt::write_async), with a guard that
    /// keeps the lock alive; so does the future.
    ///
    /// # Cancel safety
    ///
    /// As [`write_async`](super::RwLockExt::write_async). It lets go of the
    /// `Arc`, too.
    fn write_arc_async(&self) -> WriteArc<Self::Raw, Self::Data>;
}

impl<R: RawRwLockAsync, T: ?Sized> RwLockArcExt for Arc<RwLock<R, T>> {
    type Raw = R;
    type Data = T;

    fn read_arc_async(&self) -> ReadArc<R, T> {
        Acquire::new(ReadArcKind { lock: Some(Arc::clone(self)) }, R::SharedWaiter::default())
    }

    fn write_arc_async(&self) -> WriteArc<R, T> {
        Acquire::new(WriteArcKind { lock: Some(Arc::clone(self)) }, R::ExclusiveWaiter::default())
    }
}

/// Awaiting upgradable access to a readers-writer lock behind an [`Arc`].
pub trait RwLockUpgradeArcExt {
    /// The raw lock.
    type Raw: RawRwLockUpgradeAsync;
    /// The data.
    type Data: ?Sized;

    /// As [`upgradable_read_async`](super::RwLockUpgradeExt::upgradable_read_async),
    /// with a guard that keeps the lock alive; so does the future.
    ///
    /// # Cancel safety
    ///
    /// As
    /// [`upgradable_read_async`](super::RwLockUpgradeExt::upgradable_read_async).
    /// It lets go of the `Arc`, too.
    fn upgradable_read_arc_async(&self) -> UpgradableReadArc<Self::Raw, Self::Data>;
}

impl<R: RawRwLockUpgradeAsync, T: ?Sized> RwLockUpgradeArcExt for Arc<RwLock<R, T>> {
    type Raw = R;
    type Data = T;

    fn upgradable_read_arc_async(&self) -> UpgradableReadArc<R, T> {
        let kind = UpgradableReadArcKind { lock: Some(Arc::clone(self)) };
        Acquire::new(kind, R::UpgradableWaiter::default())
    }
}

impl<R: Rules, B: Backend, L: ?Sized + Kept<R, B>> ReleasableAsync for OwnedHold<R, B, L> {
    type Take = Acquire<OwnedHoldKind<R, B, L>>;

    fn take_async(place: Self::Place) -> Self::Take {
        let request = place.request();
        Acquire::new(OwnedHoldKind::new(place.into_lock()), Seat::new(request))
    }
}

impl<R: RawMutexAsync, T: ?Sized> ReleasableAsync for OwnedMutexGuard<R, T> {
    type Take = LockArc<R, T>;

    fn take_async(place: Self::Place) -> Self::Take {
        Acquire::new(LockArcKind { lock: Some(place) }, R::Waiter::default())
    }
}

impl<R: RawRwLockAsync, T: ?Sized> ReleasableAsync for ArcRwLockReadGuard<R, T> {
    type Take = ReadArc<R, T>;

    fn take_async(place: Self::Place) -> Self::Take {
        Acquire::new(ReadArcKind { lock: Some(place) }, R::SharedWaiter::default())
    }
}

impl<R: RawRwLockAsync, T: ?Sized> ReleasableAsync for ArcRwLockWriteGuard<R, T> {
    type Take = WriteArc<R, T>;

    fn take_async(place: Self::Place) -> Self::Take {
        Acquire::new(WriteArcKind { lock: Some(place) }, R::ExclusiveWaiter::default())
    }
}

impl<R: RawRwLockUpgradeAsync, T: ?Sized> ReleasableAsync for ArcRwLockUpgradableReadGuard<R, T> {
    type Take = UpgradableReadArc<R, T>;

    fn take_async(place: Self::Place) -> Self::Take {
        Acquire::new(UpgradableReadArcKind { lock: Some(place) }, R::UpgradableWaiter::default())
    }
}

impl<R: Rules, T: ?Sized, B: Backend> ReleasableAsync for ArcReadGuard<R, T, B> {
    type Take = ReadGuardedArc<R, T, B>;

    fn take_async(place: Self::Place) -> Self::Take {
        let request = place.hold.request();
        ReadGuardKind::acquire(OwnedHoldKind::new(place.hold.into_lock()), place.data, request)
    }
}

impl<R: Rules, T: ?Sized, B: Backend> ReleasableAsync for ArcWriteGuard<R, T, B> {
    type Take = WriteGuardedArc<R, T, B, ExclusiveMode<R>>;

    fn take_async((place, mode): Self::Place) -> Self::Take {
        WriteGuardKind::acquire(OwnedHoldKind::new(place.hold.into_lock()), place.data, mode)
    }
}
