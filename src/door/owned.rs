//! Guards that keep their door alive.
//!
//! Their invariants are those of the guards that borrow it: G1 to G3 in
//! `guard.rs`.

#![allow(unsafe_code)]

use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr;

use lock_api::{
    RawMutex, RawMutexTimed, RawRwLock, RawRwLockDowngrade, RawRwLockTimed, RawRwLockUpgrade,
    RawRwLockUpgradeDowngrade, RawRwLockUpgradeTimed,
};

use super::{Door, NoCondvar, SharedDoor};
use crate::condvar::WaitTimeoutResult;
use crate::raw::{
    RawMutexCondvar, RawMutexCondvarTimed, RawSharedCondvar, RawSharedCondvarUpgrade,
};
use crate::wait::Forever;

guard! {
    /// A [`DoorGuard`](super::DoorGuard) that keeps its door alive.
    ///
    /// ```
    /// use std::{sync::Arc, thread};
    /// use portunus::sync::Door;
    ///
    /// let door = Arc::new(Door::new(1));
    /// let mut inside = door.enter_arc();
    /// thread::spawn(move || *inside += 1).join().expect("no panic");
    /// assert_eq!(*door.enter(), 2);
    /// ```
    OwnedDoorGuard <> [Arc<Door<L, T, C>>, T]
    RawMutex, Guard, unlock
}
writing! { OwnedDoorGuard <> RawMutex }

guard! {
    /// A [`DoorReadGuard`](super::DoorReadGuard) that keeps its door alive.
    OwnedDoorReadGuard <> [Arc<SharedDoor<L, T, C>>, T]
    RawRwLock, SharedGuard, unlock_shared
}

guard! {
    /// A [`DoorWriteGuard`](super::DoorWriteGuard) that keeps its door alive.
    OwnedDoorWriteGuard <> [Arc<SharedDoor<L, T, C>>, T]
    RawRwLock, ExclusiveGuard, unlock_exclusive
}
writing! { OwnedDoorWriteGuard <> RawRwLock }

guard! {
    /// A [`DoorUpgradableReadGuard`](super::DoorUpgradableReadGuard) that keeps
    /// its door alive.
    OwnedDoorUpgradableReadGuard <> [Arc<SharedDoor<L, T, C>>, T]
    RawRwLockUpgrade, UpgradableGuard, unlock_upgradable
}

converting! { OwnedDoorUpgradableReadGuard, OwnedDoorReadGuard, OwnedDoorWriteGuard <>; }

/// Writes an acquisition whose guard keeps the door alive.
macro_rules! entering {
    (
        [$bound:ident] $door:ident -> $guard:ident;
        $($(#[$meta:meta])* $name:ident($($arg:ident: $type:ident)?) = $raw:ident;)*
    ) => {
        impl<L: $bound, T: ?Sized, C> $door<L, T, C> {$(
            $(#[$meta])*
            pub fn $name(self: &Arc<Self> $(, $arg: L::$type)?) -> Option<$guard<L, T, C>> {
                let state = self.raw().$raw($($arg)?)?;
                // SAFETY: just acquired, in this kind.
                Some(unsafe { $guard::new(Arc::clone(self), state) })
            }
        )*}
    };
}

impl<L: RawMutex, T: ?Sized, C> Door<L, T, C> {
    /// As [`enter`](Self::enter), with a guard that keeps the door alive.
    pub fn enter_arc(self: &Arc<Self>) -> OwnedDoorGuard<L, T, C> {
        let state = self.raw().lock();
        // SAFETY: just acquired.
        unsafe { OwnedDoorGuard::new(Arc::clone(self), state) }
    }
}

entering! { [RawMutex] Door -> OwnedDoorGuard;
    /// As [`try_enter`](Self::try_enter), with a guard that keeps the door
    /// alive.
    try_enter_arc() = try_lock;
}

entering! { [RawMutexTimed] Door -> OwnedDoorGuard;
    /// As [`enter_for`](Self::enter_for), with a guard that keeps the door
    /// alive.
    enter_arc_for(timeout: Duration) = try_lock_for;
    /// As [`enter_until`](Self::enter_until), with a guard that keeps the door
    /// alive.
    enter_arc_until(deadline: Instant) = try_lock_until;
}

impl<L: RawRwLock, T: ?Sized, C> SharedDoor<L, T, C> {
    /// As [`read`](Self::read), with a guard that keeps the door alive.
    pub fn read_arc(self: &Arc<Self>) -> OwnedDoorReadGuard<L, T, C> {
        let state = self.raw().lock_shared();
        // SAFETY: just acquired, for reading.
        unsafe { OwnedDoorReadGuard::new(Arc::clone(self), state) }
    }

    /// As [`write`](Self::write), with a guard that keeps the door alive.
    pub fn write_arc(self: &Arc<Self>) -> OwnedDoorWriteGuard<L, T, C> {
        let state = self.raw().lock_exclusive();
        // SAFETY: just acquired, for writing.
        unsafe { OwnedDoorWriteGuard::new(Arc::clone(self), state) }
    }
}

entering! { [RawRwLock] SharedDoor -> OwnedDoorReadGuard;
    /// As [`try_read`](Self::try_read), with a guard that keeps the door alive.
    try_read_arc() = try_lock_shared;
}

entering! { [RawRwLock] SharedDoor -> OwnedDoorWriteGuard;
    /// As [`try_write`](Self::try_write), with a guard that keeps the door
    /// alive.
    try_write_arc() = try_lock_exclusive;
}

entering! { [RawRwLockTimed] SharedDoor -> OwnedDoorReadGuard;
    /// As [`read_for`](Self::read_for), with a guard that keeps the door alive.
    read_arc_for(timeout: Duration) = try_lock_shared_for;
    /// As [`read_until`](Self::read_until), with a guard that keeps the door
    /// alive.
    read_arc_until(deadline: Instant) = try_lock_shared_until;
}

entering! { [RawRwLockTimed] SharedDoor -> OwnedDoorWriteGuard;
    /// As [`write_for`](Self::write_for), with a guard that keeps the door
    /// alive.
    write_arc_for(timeout: Duration) = try_lock_exclusive_for;
    /// As [`write_until`](Self::write_until), with a guard that keeps the door
    /// alive.
    write_arc_until(deadline: Instant) = try_lock_exclusive_until;
}

impl<L: RawRwLockUpgrade, T: ?Sized, C> SharedDoor<L, T, C> {
    /// As [`upgradable_read`](Self::upgradable_read), with a guard that keeps
    /// the door alive.
    pub fn upgradable_read_arc(self: &Arc<Self>) -> OwnedDoorUpgradableReadGuard<L, T, C> {
        let state = self.raw().lock_upgradable();
        // SAFETY: just acquired, in this kind.
        unsafe { OwnedDoorUpgradableReadGuard::new(Arc::clone(self), state) }
    }
}

entering! { [RawRwLockUpgrade] SharedDoor -> OwnedDoorUpgradableReadGuard;
    /// As [`try_upgradable_read`](Self::try_upgradable_read), with a guard that
    /// keeps the door alive.
    try_upgradable_read_arc() = try_lock_upgradable;
}

entering! { [RawRwLockUpgradeTimed] SharedDoor -> OwnedDoorUpgradableReadGuard;
    /// As [`upgradable_read_for`](Self::upgradable_read_for), with a guard that
    /// keeps the door alive.
    upgradable_read_arc_for(timeout: Duration) = try_lock_upgradable_for;
    /// As [`upgradable_read_until`](Self::upgradable_read_until), with a guard
    /// that keeps the door alive.
    upgradable_read_arc_until(deadline: Instant) = try_lock_upgradable_until;
}

condition! {
    OwnedDoorGuard<> RawMutex;
    OwnedDoorReadGuard<> RawRwLock;
    OwnedDoorWriteGuard<> RawRwLock;
    OwnedDoorUpgradableReadGuard<> RawRwLockUpgrade;
}

notifying! {
    OwnedDoorGuard<> [RawMutex, RawMutexCondvar<L>] "notify", "broadcast";
    OwnedDoorReadGuard<> [RawRwLock, RawSharedCondvar<L>] "notify_read", "notify_all_read";
    OwnedDoorWriteGuard<> [RawRwLock, RawSharedCondvar<L>] "notify_write", "notify_all_write";
    OwnedDoorUpgradableReadGuard<> [RawRwLockUpgrade, RawSharedCondvar<L>]
        "notify_read", "notify_all_read";
}

waiting! {
    OwnedDoorGuard<> [RawMutex, RawMutexCondvar<L>] [&mut] "WaitableDoor.wait",
        |lock, state, condvar| condvar.wait(lock, state);
    OwnedDoorReadGuard<> [RawRwLock, RawSharedCondvar<L>] [&] "wait_read",
        |lock, state, condvar| condvar.wait_shared(lock, state, &Forever);
    OwnedDoorWriteGuard<> [RawRwLock, RawSharedCondvar<L>] [&mut] "wait_write",
        |lock, state, condvar| condvar.wait_exclusive(lock, state, &Forever);
    OwnedDoorUpgradableReadGuard<> [RawRwLockUpgrade, RawSharedCondvarUpgrade<L>] [&] "wait_read",
        |lock, state, condvar| condvar.wait_upgradable(lock, state, &Forever);
}

waiting_timed! { OwnedDoorGuard<>; }
