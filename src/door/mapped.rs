//! Guards of a part of what is behind a door.
//!
//! # Invariants
//!
//! * **M1** A mapped guard has taken an acquisition over from a guard of a door
//!   (its G1): it holds `raw`, in its kind, with `state`.
//! * **M2** `data` is a part of what that lock protects, found through the guard,
//!   so that it lives as long as the acquisition; nobody else refers to it.
//! * **M3** `state` is taken out once, on drop or where the guard is taken apart.

#![allow(unsafe_code)]

use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use lock_api::{RawMutex, RawRwLock};

use super::{DoorGuard, DoorReadGuard, DoorWriteGuard, NoCondvar};

/// Where the part is. No reference: those would have to be valid until the
/// guard's own drop returns, and the lock is let go before.
struct Part<U: ?Sized, A>(NonNull<U>, PhantomData<A>);

// SAFETY: it gives what `A` gives, and nothing else (M2).
unsafe impl<U: ?Sized, A: Send> Send for Part<U, A> {}
// SAFETY: as above.
unsafe impl<U: ?Sized, A: Sync> Sync for Part<U, A> {}

/// Writes a mapped guard, and the making of it. `[..]` is the access that it
/// gives.
macro_rules! mapped {
    (
        $(#[$meta:meta])*
        $name:ident [& $($mutable:ident)?] $from:ident $raw:ident, $state:ident, $unlock:ident
    ) => {
        $(#[$meta])*
        #[must_use = "a guard that is dropped at once releases at once"]
        pub struct $name<'a, L: $raw, U: ?Sized, C = NoCondvar> {
            raw: &'a L,
            condvar: &'a C,
            state: ManuallyDrop<L::$state>,
            data: Part<U, &'a $($mutable)? U>,
        }

        impl<'a, L: $raw, T: ?Sized, C> $from<'a, L, T, C> {
            /// A guard of a part of the data.
            ///
            /// It notifies, and can't wait: while it waited, the whole could be
            /// replaced.
            ///
            /// # Panics
            ///
            /// If `part` does; the guard is dropped then.
            #[allow(unused_mut)]
            pub fn map<U: ?Sized>(
                mut guard: Self,
                part: impl FnOnce(&$($mutable)? T) -> &$($mutable)? U,
            ) -> $name<'a, L, U, C> {
                let data = NonNull::from(part(&$($mutable)? *guard));
                // SAFETY: a part of this guard's data.
                unsafe { $name::of(guard, data) }
            }

            /// A guard of a part of the data, if there is that part.
            ///
            /// # Errors
            ///
            /// The guard as it was, if `part` finds none.
            ///
            /// # Panics
            ///
            /// If `part` does; the guard is dropped then.
            #[allow(unused_mut)]
            pub fn try_map<U: ?Sized>(
                mut guard: Self,
                part: impl FnOnce(&$($mutable)? T) -> Option<&$($mutable)? U>,
            ) -> Result<$name<'a, L, U, C>, Self> {
                match part(&$($mutable)? *guard).map(NonNull::from) {
                    // SAFETY: a part of this guard's data.
                    Some(data) => Ok(unsafe { $name::of(guard, data) }),
                    None => Err(guard),
                }
            }
        }

        impl<'a, L: $raw, U: ?Sized, C> $name<'a, L, U, C> {
            /// # Safety
            ///
            /// `data` was found through `guard`.
            unsafe fn of<T: ?Sized>(guard: $from<'a, L, T, C>, data: NonNull<U>) -> Self {
                let mut guard = ManuallyDrop::new(guard);
                let door = guard.door;
                // SAFETY: the guard is not dropped (its G2).
                let state = unsafe { ManuallyDrop::take(&mut guard.state) };
                // SAFETY: only for letting go of this acquisition (M1).
                let raw = unsafe { door.lock.raw() };
                let (state, data) = (ManuallyDrop::new(state), Part(data, PhantomData));
                Self { raw, condvar: &door.condvar, state, data }
            }

            /// The condition variable and the lock.
            pub(super) fn condition(&self) -> (&C, &L) {
                (self.condvar, self.raw)
            }

            /// A guard of a part of the part.
            ///
            /// # Panics
            ///
            /// If `part` does; the guard is dropped then.
            #[allow(unused_mut)]
            pub fn map<V: ?Sized>(
                mut guard: Self,
                part: impl FnOnce(&$($mutable)? U) -> &$($mutable)? V,
            ) -> $name<'a, L, V, C> {
                let data = NonNull::from(part(&$($mutable)? *guard));
                guard.narrow(data)
            }

            /// A guard of a part of the part, if there is that part.
            ///
            /// # Errors
            ///
            /// The guard as it was, if `part` finds none.
            ///
            /// # Panics
            ///
            /// If `part` does; the guard is dropped then.
            #[allow(unused_mut)]
            pub fn try_map<V: ?Sized>(
                mut guard: Self,
                part: impl FnOnce(&$($mutable)? U) -> Option<&$($mutable)? V>,
            ) -> Result<$name<'a, L, V, C>, Self> {
                match part(&$($mutable)? *guard).map(NonNull::from) {
                    Some(data) => Ok(guard.narrow(data)),
                    None => Err(guard),
                }
            }

            /// Takes the acquisition over to a part of the part.
            fn narrow<V: ?Sized>(self, data: NonNull<V>) -> $name<'a, L, V, C> {
                let mut guard = ManuallyDrop::new(self);
                // SAFETY: the guard is not dropped (M3).
                let state = unsafe { ManuallyDrop::take(&mut guard.state) };
                $name {
                    raw: guard.raw,
                    condvar: guard.condvar,
                    state: ManuallyDrop::new(state),
                    data: Part(data, PhantomData),
                }
            }
        }

        impl<L: $raw, U: ?Sized, C> Deref for $name<'_, L, U, C> {
            type Target = U;

            #[inline]
            fn deref(&self) -> &U {
                // SAFETY: it holds (M1), and the part is there (M2).
                unsafe { self.data.0.as_ref() }
            }
        }

        $(
            impl<L: $raw, U: ?Sized, C> DerefMut for $name<'_, L, U, C> {
                #[inline]
                fn deref_mut(&mut self) -> &$mutable U {
                    // SAFETY: its holder is alone (M1), and lends the part (M2)
                    // by its own exclusive borrow.
                    unsafe { self.data.0.as_mut() }
                }
            }
        )?

        impl<L: $raw, U: ?Sized, C> Drop for $name<'_, L, U, C> {
            #[inline]
            fn drop(&mut self) {
                // SAFETY: it holds with this state (M1), taken out once (M3).
                unsafe { self.raw.$unlock(ManuallyDrop::take(&mut self.state)) };
            }
        }

        impl<L: $raw, U: ?Sized + fmt::Debug, C> fmt::Debug for $name<'_, L, U, C> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    };
}

mapped! {
    /// Access to a part of what is behind a [`Door`](super::Door).
    ///
    /// ```
    /// use portunus::DoorGuard;
    /// use portunus::spin::Door;
    ///
    /// let house = Door::new((1, "cellar"));
    /// let mut number = DoorGuard::map(house.enter(), |house| &mut house.0);
    /// *number += 1;
    /// drop(number);
    /// assert_eq!(house.enter().0, 2);
    /// ```
    MappedDoorGuard [&mut] DoorGuard RawMutex, Guard, unlock
}

mapped! {
    /// Reading access to a part of what is behind a
    /// [`SharedDoor`](super::SharedDoor).
    MappedDoorReadGuard [&] DoorReadGuard RawRwLock, SharedGuard, unlock_shared
}

mapped! {
    /// Reading and writing access to a part of what is behind a
    /// [`SharedDoor`](super::SharedDoor).
    MappedDoorWriteGuard [&mut] DoorWriteGuard RawRwLock, ExclusiveGuard, unlock_exclusive
}
