//! Reading that may become writing.

#![allow(unsafe_code)]

use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::ptr;

use lock_api::{
    RawRwLockDowngrade, RawRwLockUpgrade, RawRwLockUpgradeDowngrade, RawRwLockUpgradeTimed,
};

use super::{DoorReadGuard, DoorWriteGuard, NoCondvar, SharedDoor};
use crate::raw::{RawSharedCondvar, RawSharedCondvarUpgrade};
use crate::wait::Forever;

guard! {
    /// Reading access to what is behind a [`SharedDoor`] that may become
    /// writing access. Dropped, it releases.
    ///
    /// One at a time, beside any number of plain readers.
    ///
    /// ```
    /// use portunus::DoorUpgradableReadGuard;
    /// use portunus::sync::SharedDoor;
    ///
    /// let board: SharedDoor<Vec<u32>> = SharedDoor::new(vec![1]);
    /// let looking = board.upgradable_read();
    /// assert!(board.try_read().is_some() && board.try_upgradable_read().is_none());
    /// if looking.len() < 2 {
    ///     // Nobody writes in between.
    ///     DoorUpgradableReadGuard::upgrade(looking).push(2);
    /// }
    /// assert_eq!(board.read().len(), 2);
    /// ```
    ///
    /// It does not write:
    ///
    /// ```compile_fail,E0594
    /// let door: portunus::spin::SharedDoor<u32> = portunus::spin::SharedDoor::new(1);
    /// let mut looking = door.upgradable_read();
    /// *looking = 2;
    /// ```
    ///
    /// Nor does it become a writer twice:
    ///
    /// ```compile_fail,E0382
    /// use portunus::{DoorUpgradableReadGuard, spin::SharedDoor};
    ///
    /// let door: SharedDoor<u32> = SharedDoor::new(1);
    /// let looking = door.upgradable_read();
    /// let one = DoorUpgradableReadGuard::upgrade(looking);
    /// let two = DoorUpgradableReadGuard::upgrade(looking);
    /// ```
    DoorUpgradableReadGuard<'a> [&'a SharedDoor<L, T, C>, &'a T]
    RawRwLockUpgrade, UpgradableGuard, unlock_upgradable
}

/// Writes how guards of a shared door become others, without letting go.
macro_rules! converting {
    ($($upgradable:ident, $read:ident, $write:ident <$($life:lifetime)?>;)+) => {$(
        impl<$($life,)? L: RawRwLockUpgrade, T: ?Sized, C> $upgradable<$($life,)? L, T, C> {
            /// Becomes the writer in one step, waiting until the readers have
            /// left.
            ///
            /// # Fairness
            ///
            /// The lock's own. With this crate's locks it stands ahead of the
            /// writers that wait, and of the readers that wait behind them.
            ///
            /// # Blocking
            ///
            /// Blocks the calling thread or core. In async code use
            /// `upgrade_async`.
            ///
            /// # Panics
            ///
            /// If the waker of somebody who is let in does; the door is let go
            /// then.
            pub fn upgrade(guard: Self) -> $write<$($life,)? L, T, C> {
                let (door, state) = guard.into_parts();
                // SAFETY: the guard held with this state (its G1).
                let state = unsafe { door.raw().upgrade(state) };
                // SAFETY: it has become exclusive.
                unsafe { $write::new(door, state) }
            }

            /// Becomes the writer if no reader is inside. Never blocks.
            ///
            /// # Errors
            ///
            /// The guard as it was, if readers are inside.
            pub fn try_upgrade(guard: Self) -> Result<$write<$($life,)? L, T, C>, Self> {
                let (door, state) = guard.into_parts();
                // SAFETY: the guard held with this state (its G1).
                match unsafe { door.raw().try_upgrade(state) } {
                    // SAFETY: it has become exclusive.
                    Ok(state) => Ok(unsafe { $write::new(door, state) }),
                    // SAFETY: it is held as before.
                    Err(state) => Err(unsafe { Self::new(door, state) }),
                }
            }
        }

        impl<$($life,)? L: RawRwLockUpgradeTimed, T: ?Sized, C> $upgradable<$($life,)? L, T, C> {
            /// As [`upgrade`](Self::upgrade), waiting no longer than `timeout`.
            ///
            /// # Errors
            ///
            /// The guard as it was, if the time was over first.
            #[doc(alias = "try_upgrade_for")]
            pub fn upgrade_for(
                guard: Self,
                timeout: L::Duration,
            ) -> Result<$write<$($life,)? L, T, C>, Self> {
                let (door, state) = guard.into_parts();
                // SAFETY: the guard held with this state (its G1).
                match unsafe { door.raw().try_upgrade_for(state, timeout) } {
                    // SAFETY: it has become exclusive.
                    Ok(state) => Ok(unsafe { $write::new(door, state) }),
                    // SAFETY: it is held as before.
                    Err(state) => Err(unsafe { Self::new(door, state) }),
                }
            }

            /// As [`upgrade_for`](Self::upgrade_for), waiting no longer than
            /// until `deadline`.
            ///
            /// # Errors
            ///
            /// As there.
            #[doc(alias = "try_upgrade_until")]
            pub fn upgrade_until(
                guard: Self,
                deadline: L::Instant,
            ) -> Result<$write<$($life,)? L, T, C>, Self> {
                let (door, state) = guard.into_parts();
                // SAFETY: the guard held with this state (its G1).
                match unsafe { door.raw().try_upgrade_until(state, deadline) } {
                    // SAFETY: it has become exclusive.
                    Ok(state) => Ok(unsafe { $write::new(door, state) }),
                    // SAFETY: it is held as before.
                    Err(state) => Err(unsafe { Self::new(door, state) }),
                }
            }
        }

        impl<$($life,)? L: RawRwLockUpgradeDowngrade, T: ?Sized, C> $upgradable<$($life,)? L, T, C> {
            /// Becomes a plain reader, and lets the next upgradable one in.
            pub fn downgrade(guard: Self) -> $read<$($life,)? L, T, C> {
                let (door, state) = guard.into_parts();
                // SAFETY: the guard held with this state (its G1).
                let state = unsafe { door.raw().downgrade_upgradable(state) };
                // SAFETY: it has become a reader.
                unsafe { $read::new(door, state) }
            }
        }

        impl<$($life,)? L: RawRwLockUpgradeDowngrade, T: ?Sized, C> $write<$($life,)? L, T, C> {
            /// Becomes an upgradable reader in one step, and lets readers in.
            pub fn downgrade_to_upgradable(guard: Self) -> $upgradable<$($life,)? L, T, C> {
                let (door, state) = guard.into_parts();
                // SAFETY: the guard held with this state (its G1).
                let state = unsafe { door.raw().downgrade_to_upgradable(state) };
                // SAFETY: it has become an upgradable reader.
                unsafe { $upgradable::new(door, state) }
            }
        }

        impl<$($life,)? L: RawRwLockDowngrade, T: ?Sized, C> $write<$($life,)? L, T, C> {
            /// Becomes a reader in one step, and lets other readers in: nobody
            /// writes in between.
            pub fn downgrade(guard: Self) -> $read<$($life,)? L, T, C> {
                let (door, state) = guard.into_parts();
                // SAFETY: the guard held with this state (its G1).
                let state = unsafe { door.raw().downgrade(state) };
                // SAFETY: it has become a reader.
                unsafe { $read::new(door, state) }
            }
        }
    )+};
}

converting! { DoorUpgradableReadGuard, DoorReadGuard, DoorWriteGuard <'a>; }

impl<L: RawRwLockUpgrade, T: ?Sized, C> SharedDoor<L, T, C> {
    /// Enters for reading that may become writing, waiting for its turn.
    ///
    /// # Blocking
    ///
    /// Blocks the calling thread or core. In async code use
    /// `upgradable_read_async`.
    pub fn upgradable_read(&self) -> DoorUpgradableReadGuard<'_, L, T, C> {
        let state = self.raw().lock_upgradable();
        // SAFETY: just acquired, in this kind.
        unsafe { DoorUpgradableReadGuard::new(self, state) }
    }

    /// Enters for reading that may become writing, if that is possible now.
    /// Never blocks.
    pub fn try_upgradable_read(&self) -> Option<DoorUpgradableReadGuard<'_, L, T, C>> {
        let state = self.raw().try_lock_upgradable()?;
        // SAFETY: just acquired, in this kind.
        Some(unsafe { DoorUpgradableReadGuard::new(self, state) })
    }
}

impl<L: RawRwLockUpgradeTimed, T: ?Sized, C> SharedDoor<L, T, C> {
    /// Enters for reading that may become writing, waiting no longer than
    /// `timeout`; `None`: the time was over, and nothing is left of the request.
    ///
    /// # Blocking
    ///
    /// As [`upgradable_read`](Self::upgradable_read).
    #[doc(alias = "try_upgradable_read_for")]
    pub fn upgradable_read_for(
        &self,
        timeout: L::Duration,
    ) -> Option<DoorUpgradableReadGuard<'_, L, T, C>> {
        let state = self.raw().try_lock_upgradable_for(timeout)?;
        // SAFETY: just acquired, in this kind.
        Some(unsafe { DoorUpgradableReadGuard::new(self, state) })
    }

    /// Enters for reading that may become writing, waiting no longer than until
    /// `deadline`; otherwise as
    /// [`upgradable_read_for`](Self::upgradable_read_for).
    #[doc(alias = "try_upgradable_read_until")]
    pub fn upgradable_read_until(
        &self,
        deadline: L::Instant,
    ) -> Option<DoorUpgradableReadGuard<'_, L, T, C>> {
        let state = self.raw().try_lock_upgradable_until(deadline)?;
        // SAFETY: just acquired, in this kind.
        Some(unsafe { DoorUpgradableReadGuard::new(self, state) })
    }
}

condition! {
    DoorUpgradableReadGuard<'a> RawRwLockUpgrade;
}

notifying! {
    DoorUpgradableReadGuard<'a> [RawRwLockUpgrade, RawSharedCondvar<L>]
        "notify_read", "notify_all_read";
}

waiting! {
    DoorUpgradableReadGuard<'a> [RawRwLockUpgrade, RawSharedCondvarUpgrade<L>] [&] "wait_read",
        |lock, state, condvar| condvar.wait_upgradable(lock, state, &Forever);
}
