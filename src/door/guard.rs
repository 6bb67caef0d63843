//! The guards of doors, which differ in names and in the access they give.
//!
//! # Invariants
//!
//! * **G1** A guard is made by who has just acquired the raw lock of its door,
//!   in the guard's kind, with its `state`; and nothing else holds this
//!   acquisition. So while the guard lives its kind of access is its own: an
//!   exclusive guard's holder is alone, and beside a reader are readers only.
//! * **G2** `state` is taken out once: where the guard is dropped, or taken
//!   apart without being dropped. In between nobody can reach the guard.
//! * **G3** Guards lead to data by shared or exclusive borrows of themselves, so
//!   none of these lives when the guard lets go.

#![allow(unsafe_code)]

use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr;

use lock_api::{RawMutex, RawRwLock};

use super::{Door, NoCondvar, SharedDoor};

/// Writes a guard. `[..]` is the pointer by which it reaches its door, and a
/// type with the auto traits and the variance of the access that it gives.
macro_rules! guard {
    (
        $(#[$meta:meta])*
        $name:ident <$($life:lifetime)?> [$pointer:ty, $access:ty]
        $raw:ident, $state:ident, $unlock:ident
    ) => {
        $(#[$meta])*
        #[must_use = "a guard that is dropped at once releases at once"]
        pub struct $name<$($life,)? L: $raw, T: ?Sized, C = NoCondvar> {
            pub(super) door: $pointer,
            pub(super) state: ManuallyDrop<L::$state>,
            access: PhantomData<$access>,
        }

        impl<$($life,)? L: $raw, T: ?Sized, C> $name<$($life,)? L, T, C> {
            /// # Safety
            ///
            /// The caller has acquired the door's lock in this kind with this
            /// state, and makes one guard of it (G1).
            #[inline(always)]
            pub(crate) unsafe fn new(door: $pointer, state: L::$state) -> Self {
                Self { door, state: ManuallyDrop::new(state), access: PhantomData }
            }

            /// Takes it apart; nothing is let go.
            #[allow(dead_code, reason = "not every guard becomes another one")]
            pub(crate) fn into_parts(self) -> ($pointer, L::$state) {
                let mut guard = ManuallyDrop::new(self);
                // SAFETY: the guard is not dropped, and each is read out once
                // (G2).
                unsafe { (ptr::read(&guard.door), ManuallyDrop::take(&mut guard.state)) }
            }

            /// The door through which it came.
            pub fn door(guard: &Self) -> &$pointer {
                &guard.door
            }
        }

        impl<$($life,)? L: $raw, T: ?Sized, C> Deref for $name<$($life,)? L, T, C> {
            type Target = T;

            #[inline]
            fn deref(&self) -> &T {
                // SAFETY: nobody writes while a guard of any kind lives (G1).
                unsafe { &*self.door.lock.data_ptr() }
            }
        }

        impl<$($life,)? L: $raw, T: ?Sized, C> Drop for $name<$($life,)? L, T, C> {
            #[inline]
            fn drop(&mut self) {
                // SAFETY: it holds with this state (G1), which is taken out
                // once (G2), and nothing it led to is left (G3).
                unsafe { self.door.raw().$unlock(ManuallyDrop::take(&mut self.state)) };
            }
        }

        impl<$($life,)? L: $raw, T: ?Sized + fmt::Debug, C> fmt::Debug
            for $name<$($life,)? L, T, C>
        {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }

        impl<$($life,)? L: $raw, T: ?Sized + fmt::Display, C> fmt::Display
            for $name<$($life,)? L, T, C>
        {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    };
}

/// Adds writing to a guard that is alone.
macro_rules! writing {
    ($name:ident <$($life:lifetime)?> $raw:ident) => {
        impl<$($life,)? L: $raw, T: ?Sized, C> DerefMut for $name<$($life,)? L, T, C> {
            #[inline]
            fn deref_mut(&mut self) -> &mut T {
                // SAFETY: an exclusive guard's holder is alone (G1), and lends
                // by its own exclusive borrow (G3).
                unsafe { &mut *self.door.lock.data_ptr() }
            }
        }
    };
}

guard! {
    /// Access to what is behind a [`Door`]: reading and writing. Dropped, it
    /// releases.
    ///
    /// It may be moved to another thread where the data and the lock may.
    /// Forgotten, it holds for ever.
    #[doc(alias = "release")]
    DoorGuard<'a> [&'a Door<L, T, C>, &'a mut T]
    RawMutex, Guard, unlock
}
writing! { DoorGuard<'a> RawMutex }

guard! {
    /// Reading access to what is behind a [`SharedDoor`]. Dropped, it releases.
    ///
    /// It does not write:
    ///
    /// ```compile_fail,E0594
    /// let door: portunus::spin::SharedDoor<u32> = portunus::spin::SharedDoor::new(1);
    /// let mut reading = door.read();
    /// *reading = 2;
    /// ```
    ///
    /// A [`DoorWriteGuard`] does:
    ///
    /// ```
    /// let door: portunus::spin::SharedDoor<u32> = portunus::spin::SharedDoor::new(1);
    /// let mut writing = door.write();
    /// *writing = 2;
    /// ```
    #[doc(alias = "release_read")]
    DoorReadGuard<'a> [&'a SharedDoor<L, T, C>, &'a T]
    RawRwLock, SharedGuard, unlock_shared
}

guard! {
    /// Reading and writing access to what is behind a [`SharedDoor`]. Dropped,
    /// it releases.
    #[doc(alias = "release_write")]
    DoorWriteGuard<'a> [&'a SharedDoor<L, T, C>, &'a mut T]
    RawRwLock, ExclusiveGuard, unlock_exclusive
}
writing! { DoorWriteGuard<'a> RawRwLock }
