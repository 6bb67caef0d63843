//! Awaiting a door.

#![allow(unsafe_code)]

use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::rwlock::{Upgradable, UpgradeKind};
use super::{Acquire, Keeps, Kind};
use crate::door::{
    Door, DoorGuard, DoorReadGuard, DoorUpgradableReadGuard, DoorWriteGuard, Permissions, Proxy,
    SharedDoor, SharedDoorGuard,
};
use crate::raw::traits::{RawMutexAsync, RawRwLockAsync, RawRwLockUpgradeAsync, RawWaiter};

/// The kinds of entering, which differ in names only.
macro_rules! entering {
    ($(#[$meta:meta])* $alias:ident<$($life:lifetime)?>, $kind:ident, $kept:ty, $raw:ident,
     $waiter:ident, $guard:ty, $poll:ident, $cancel:ident) => {
        $(#[$meta])*
        pub type $alias<$($life,)? L, T, C> = Acquire<$kind<$($life,)? L, T, C>>;

        #[doc(hidden)]
        pub struct $kind<$($life,)? L: $raw, T: ?Sized, C> {
            door: $kept,
        }

        impl<$($life,)? L: $raw, T: ?Sized, C> $kind<$($life,)? L, T, C> {
            #[inline(always)]
            pub(super) fn acquire(door: $kept) -> $alias<$($life,)? L, T, C> {
                Acquire::new(Self { door }, L::$waiter::default())
            }
        }

        impl<$($life,)? L: $raw, T: ?Sized, C> Kind for $kind<$($life,)? L, T, C> {
            type Waiter = L::$waiter;
            type Output = $guard;

            #[inline(always)]
            unsafe fn poll(
                &mut self,
                waiter: Pin<&L::$waiter>,
                cx: &mut Context<'_>,
            ) -> Poll<Self::Output> {
                let Some(door) = self.door.there() else { $crate::future::finished() };
                // SAFETY: by this function's contract; always with `door`.
                let Poll::Ready(state) = (unsafe { door.raw().$poll(waiter, cx) }) else {
                    return Poll::Pending;
                };
                match self.door.take() {
                    // SAFETY: just acquired, in this kind.
                    Some(door) => Poll::Ready(unsafe { <$guard>::new(door, state) }),
                    None => $crate::future::finished(),
                }
            }

            #[inline(always)]
            unsafe fn cancel(&mut self, waiter: Pin<&L::$waiter>) {
                if let Some(door) = self.door.there() {
                    // SAFETY: as `poll`; what is given back has no guard yet.
                    unsafe { door.raw().$cancel(waiter) };
                }
            }

            fn is_done(waiter: &L::$waiter) -> bool {
                waiter.is_done()
            }
        }
    };
}

entering! {
    /// Awaits a [`DoorGuard`]; made by [`Door::enter_async`].
    EnterDoor<'a>, EnterDoorKind, &'a Door<L, T, C>, RawMutexAsync, Waiter,
    DoorGuard<'a, L, T, C>, poll_lock, cancel_lock
}

entering! {
    /// Awaits a [`DoorReadGuard`]; made by [`SharedDoor::read_async`].
    ReadDoor<'a>, ReadDoorKind, &'a SharedDoor<L, T, C>, RawRwLockAsync, SharedWaiter,
    DoorReadGuard<'a, L, T, C>, poll_lock_shared, cancel_lock_shared
}

entering! {
    /// Awaits a [`DoorWriteGuard`]; made by [`SharedDoor::write_async`].
    WriteDoor<'a>, WriteDoorKind, &'a SharedDoor<L, T, C>, RawRwLockAsync, ExclusiveWaiter,
    DoorWriteGuard<'a, L, T, C>, poll_lock_exclusive, cancel_lock_exclusive
}

entering! {
    /// Awaits a [`DoorUpgradableReadGuard`]; made by
    /// [`SharedDoor::upgradable_read_async`].
    UpgradableReadDoor<'a>, UpgradableReadDoorKind, &'a SharedDoor<L, T, C>, RawRwLockUpgradeAsync,
    UpgradableWaiter,
    DoorUpgradableReadGuard<'a, L, T, C>, poll_lock_upgradable, cancel_lock_upgradable
}

/// Writes the awaited upgrade of a guard.
macro_rules! upgrading {
    (
        $(#[$meta:meta])*
        $alias:ident, $guard:ident -> $write:ident <$($life:lifetime)?> $(, $example:literal)?
    ) => {
        $(#[$meta])*
        pub type $alias<$($life,)? L, T, C> = Acquire<UpgradeKind<$guard<$($life,)? L, T, C>>>;

        impl<$($life,)? L: RawRwLockUpgradeAsync, T: ?Sized, C> Upgradable
            for $guard<$($life,)? L, T, C>
        {
            type Raw = L;
            type Writing = $write<$($life,)? L, T, C>;

            fn raw(&self) -> &L {
                Self::door(self).raw()
            }

            unsafe fn into_writing(self, state: L::ExclusiveGuard) -> Self::Writing {
                let (door, upgraded) = self.into_parts();
                mem::forget(upgraded);
                // SAFETY: by this function's contract; the guard that had it is
                // gone.
                unsafe { $write::new(door, state) }
            }
        }

        impl<$($life,)? L: RawRwLockUpgradeAsync, T: ?Sized, C> $guard<$($life,)? L, T, C> {
            /// As [`upgrade`](Self::upgrade), suspending the task until the
            /// readers have left. It takes the guard and gives a write guard
            /// back.
            ///
            $(#[doc = $example])?
            ///
            /// # Cancel safety
            ///
            /// The future owns the guard. Dropped before the first poll or
            /// queued, it releases the upgradable access; granted but not
            /// polled since, the exclusive access. To keep the guard whatever
            /// happens, use [`try_upgrade`](Self::try_upgrade).
            ///
            /// # Panics
            ///
            /// If polled again after it was ready.
            pub fn upgrade_async(guard: Self) -> $alias<$($life,)? L, T, C> {
                UpgradeKind::acquire(guard)
            }
        }
    };
}

upgrading! {
    /// Awaits exclusive access for an upgradable reader; made by
    /// [`DoorUpgradableReadGuard::upgrade_async`].
    UpgradeDoor, DoorUpgradableReadGuard -> DoorWriteGuard<'a>,
    "```
use portunus::DoorUpgradableReadGuard;
use portunus::sync::SharedDoor;

# smol::block_on(async {
let board: SharedDoor<Vec<u32>> = SharedDoor::new(vec![1]);
let looking = board.upgradable_read_async().await;
if looking.len() < 2 {
    DoorUpgradableReadGuard::upgrade_async(looking).await.push(2);
}
assert_eq!(board.read_async().await.len(), 2);
# });
```"
}

impl<L: RawRwLockUpgradeAsync, T: ?Sized, C> SharedDoor<L, T, C> {
    /// Enters for reading that may become writing, suspending the task until
    /// its turn comes.
    ///
    /// # Cancel safety
    ///
    /// As [`read_async`](Self::read_async).
    ///
    /// # Panics
    ///
    /// If polled again after it was ready.
    pub fn upgradable_read_async(&self) -> UpgradableReadDoor<'_, L, T, C> {
        UpgradableReadDoorKind::acquire(self)
    }
}

impl<L: RawMutexAsync, T: ?Sized, C> Door<L, T, C> {
    /// Enters, suspending the task until its turn comes.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the first poll: nothing. Queued: it leaves the line.
    /// Granted but not polled since: the lock goes to the next. Once it is
    /// ready, dropping the guard releases. See [`future`](crate::future).
    ///
    /// ```
    /// use portunus::sync::Door;
    ///
    /// # smol::block_on(async {
    /// let door = Door::new(1);
    /// *door.enter_async().await += 1;
    /// assert_eq!(*door.enter(), 2);
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// If polled again after it was ready.
    #[inline]
    pub fn enter_async(&self) -> EnterDoor<'_, L, T, C> {
        EnterDoorKind::acquire(self)
    }

    /// As [`access`](Self::access), suspending the task until its turn comes.
    ///
    /// # Cancel safety
    ///
    /// As [`enter_async`](Self::enter_async).
    pub async fn access_async(
        &self,
        permissions: Permissions,
    ) -> Proxy<'_, T, DoorGuard<'_, L, T, C>> {
        Proxy::over(self.enter_async().await, permissions)
    }
}

impl<L: RawRwLockAsync, T: ?Sized, C> SharedDoor<L, T, C> {
    /// Enters for reading, suspending the task until its turn comes.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the first poll: nothing. Queued: it leaves the line, and
    /// whoever it kept out enters. Granted but not polled since: the lock goes
    /// to the next. Once it is ready, dropping the guard releases. See
    /// [`future`](crate::future).
    ///
    /// ```
    /// use portunus::sync::SharedDoor;
    ///
    /// # smol::block_on(async {
    /// let board: SharedDoor<u32> = SharedDoor::new(1);
    /// let (one, two) = (board.read_async().await, board.read_async().await);
    /// assert_eq!(*one, *two);
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// If polled again after it was ready.
    #[inline]
    #[doc(alias = "acquire_read")]
    pub fn read_async(&self) -> ReadDoor<'_, L, T, C> {
        ReadDoorKind::acquire(self)
    }

    /// Enters for writing (and reading), suspending the task until its turn
    /// comes.
    ///
    /// # Cancel safety
    ///
    /// As [`read_async`](Self::read_async).
    ///
    /// # Panics
    ///
    /// If polled again after it was ready.
    #[inline]
    #[doc(alias = "acquire_write")]
    pub fn write_async(&self) -> WriteDoor<'_, L, T, C> {
        WriteDoorKind::acquire(self)
    }

    /// As [`access`](Self::access), suspending the task until its turn comes.
    ///
    /// # Cancel safety
    ///
    /// As [`read_async`](Self::read_async).
    pub async fn access_async(
        &self,
        permissions: Permissions,
    ) -> Proxy<'_, T, SharedDoorGuard<'_, L, T, C>> {
        let guard = if permissions.contains(Permissions::WRITE) {
            SharedDoorGuard::Write(self.write_async().await)
        } else {
            SharedDoorGuard::Read(self.read_async().await)
        };
        Proxy::over(guard, permissions)
    }
}
