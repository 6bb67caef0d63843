//! Awaiting a door with a guard that keeps it alive.

#![allow(unsafe_code)]

use alloc::sync::Arc;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use super::rwlock::{Upgradable, UpgradeKind};
use super::{Acquire, Keeps, Kind, ReleasableAsync};
use crate::door::{
    Door, OwnedDoorGuard, OwnedDoorReadGuard, OwnedDoorUpgradableReadGuard, OwnedDoorWriteGuard,
    SharedDoor,
};
use crate::raw::traits::{
    RawCondvarAsync, RawMutexAsync, RawRwLockAsync, RawRwLockUpgradeAsync, RawSharedCondvarAsync,
    RawSharedCondvarUpgradeAsync, RawWaiter,
};

entering! {
    /// Awaits an [`OwnedDoorGuard`]; made by [`Door::enter_arc_async`].
    EnterDoorArc<>, EnterDoorArcKind, Option<Arc<Door<L, T, C>>>, RawMutexAsync, Waiter,
    OwnedDoorGuard<L, T, C>, poll_lock, cancel_lock
}

entering! {
    /// Awaits an [`OwnedDoorReadGuard`]; made by
    /// [`SharedDoor::read_arc_async`].
    ReadDoorArc<>, ReadDoorArcKind, Option<Arc<SharedDoor<L, T, C>>>, RawRwLockAsync, SharedWaiter,
    OwnedDoorReadGuard<L, T, C>, poll_lock_shared, cancel_lock_shared
}

entering! {
    /// Awaits an [`OwnedDoorWriteGuard`]; made by
    /// [`SharedDoor::write_arc_async`].
    WriteDoorArc<>, WriteDoorArcKind, Option<Arc<SharedDoor<L, T, C>>>, RawRwLockAsync,
    ExclusiveWaiter, OwnedDoorWriteGuard<L, T, C>, poll_lock_exclusive, cancel_lock_exclusive
}

entering! {
    /// Awaits an [`OwnedDoorUpgradableReadGuard`]; made by
    /// [`SharedDoor::upgradable_read_arc_async`].
    UpgradableReadDoorArc<>, UpgradableReadDoorArcKind, Option<Arc<SharedDoor<L, T, C>>>,
    RawRwLockUpgradeAsync, UpgradableWaiter,
    OwnedDoorUpgradableReadGuard<L, T, C>, poll_lock_upgradable, cancel_lock_upgradable
}

upgrading! {
    /// Awaits exclusive access for an upgradable reader that keeps its door
    /// alive; made by [`OwnedDoorUpgradableReadGuard::upgrade_async`].
    UpgradeDoorArc, OwnedDoorUpgradableReadGuard -> OwnedDoorWriteGuard<>
}

impl<L: RawRwLockUpgradeAsync, T: ?Sized, C> SharedDoor<L, T, C> {
    /// As [`upgradable_read_async`](Self::upgradable_read_async), with a guard
    /// that keeps the door alive; so does the future.
    ///
    /// # Cancel safety
    ///
    /// As [`upgradable_read_async`](Self::upgradable_read_async).
    /// It lets go of the `Arc`, too.
    pub fn upgradable_read_arc_async(self: &Arc<Self>) -> UpgradableReadDoorArc<L, T, C> {
        UpgradableReadDoorArcKind::acquire(Some(Arc::clone(self)))
    }
}

impl<L: RawRwLockUpgradeAsync, T: ?Sized, C> ReleasableAsync
    for OwnedDoorUpgradableReadGuard<L, T, C>
{
    type Take = UpgradableReadDoorArc<L, T, C>;

    fn take_async(place: Self::Place) -> Self::Take {
        UpgradableReadDoorArcKind::acquire(Some(place))
    }
}

impl<L: RawMutexAsync, T: ?Sized, C> Door<L, T, C> {
    /// As [`enter_async`](Self::enter_async), with a guard that keeps the door
    /// alive; so does the future.
    ///
    /// # Cancel safety
    ///
    /// As [`enter_async`](Self::enter_async).
    /// It lets go of the `Arc`, too.
    pub fn enter_arc_async(self: &Arc<Self>) -> EnterDoorArc<L, T, C> {
        EnterDoorArcKind::acquire(Some(Arc::clone(self)))
    }
}

impl<L: RawRwLockAsync, T: ?Sized, C> SharedDoor<L, T, C> {
    /// As [`read_async`](Self::read_async), with a guard that keeps the door
    /// alive; so does the future.
    ///
    /// # Cancel safety
    ///
    /// As [`read_async`](Self::read_async).
    /// It lets go of the `Arc`, too.
    pub fn read_arc_async(self: &Arc<Self>) -> ReadDoorArc<L, T, C> {
        ReadDoorArcKind::acquire(Some(Arc::clone(self)))
    }

    /// As [`write_async`](Self::write_async), with a guard that keeps the door
    /// alive; so does the future.
    ///
    /// # Cancel safety
    ///
    /// As [`write_async`](Self::write_async).
    /// It lets go of the `Arc`, too.
    pub fn write_arc_async(self: &Arc<Self>) -> WriteDoorArc<L, T, C> {
        WriteDoorArcKind::acquire(Some(Arc::clone(self)))
    }
}

impl<L: RawMutexAsync, T: ?Sized, C> ReleasableAsync for OwnedDoorGuard<L, T, C> {
    type Take = EnterDoorArc<L, T, C>;

    fn take_async(place: Self::Place) -> Self::Take {
        EnterDoorArcKind::acquire(Some(place))
    }
}

impl<L: RawRwLockAsync, T: ?Sized, C> ReleasableAsync for OwnedDoorReadGuard<L, T, C> {
    type Take = ReadDoorArc<L, T, C>;

    fn take_async(place: Self::Place) -> Self::Take {
        ReadDoorArcKind::acquire(Some(place))
    }
}

impl<L: RawRwLockAsync, T: ?Sized, C> ReleasableAsync for OwnedDoorWriteGuard<L, T, C> {
    type Take = WriteDoorArc<L, T, C>;

    fn take_async(place: Self::Place) -> Self::Take {
        WriteDoorArcKind::acquire(Some(place))
    }
}

waiting_inside! {
    OwnedDoorGuard<> [lock_api::RawMutex, RawCondvarAsync<L>] [&mut]
    Arc<Door<L, T, C>>, Guard, C::Waiter, join_owned, poll_wait, cancel_wait
}

waiting_inside! {
    OwnedDoorReadGuard<> [lock_api::RawRwLock, RawSharedCondvarAsync<L>] [&]
    Arc<SharedDoor<L, T, C>>, SharedGuard, C::SharedWaiter,
    join_shared_owned, poll_wait_shared, cancel_wait_shared
}

waiting_inside! {
    OwnedDoorWriteGuard<> [lock_api::RawRwLock, RawSharedCondvarAsync<L>] [&mut]
    Arc<SharedDoor<L, T, C>>, ExclusiveGuard, C::ExclusiveWaiter,
    join_exclusive_owned, poll_wait_exclusive, cancel_wait_exclusive
}

waiting_inside! {
    OwnedDoorUpgradableReadGuard<> [lock_api::RawRwLockUpgrade, RawSharedCondvarUpgradeAsync<L>]
    [&]
    Arc<SharedDoor<L, T, C>>, UpgradableGuard, C::UpgradableWaiter,
    join_upgradable_owned, poll_wait_upgradable, cancel_wait_upgradable
}
