//! Guards of a part of what is behind a door that keep the door alive.
//!
//! # Invariants
//!
//! * **M1** A mapped guard has taken an acquisition over from a guard of its
//!   door (G1 in `guard.rs`): it holds the door's lock, in its kind, with
//!   `state`.
//! * **M2** `data` is a part of what that lock protects, found through the guard.
//!   The door, which is kept alive, does not move; nobody else refers to it
//!   while the acquisition lasts.
//! * **M3** `state` is taken out once, on drop or where the guard is taken apart.

#![allow(unsafe_code)]

use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::{self, NonNull};

use lock_api::{RawMutex, RawRwLock};

use super::{Door, NoCondvar, OwnedDoorGuard, OwnedDoorReadGuard, OwnedDoorWriteGuard, SharedDoor};
use crate::raw::{RawMutexCondvar, RawSharedCondvar};

/// A part that is read.
struct Reads<U: ?Sized>(NonNull<U>);

// SAFETY: it gives what `&U` gives, and nothing else (M2).
unsafe impl<U: ?Sized + Sync> Send for Reads<U> {}
// SAFETY: as above.
unsafe impl<U: ?Sized + Sync> Sync for Reads<U> {}

/// A part that is read and written, and so of exactly this type.
struct Writes<U: ?Sized>(NonNull<U>, PhantomData<*mut U>);

// SAFETY: it gives what `&mut U` gives, and nothing else (M2).
unsafe impl<U: ?Sized + Send> Send for Writes<U> {}
// SAFETY: as above; shared, it gives what `&U` gives.
unsafe impl<U: ?Sized + Sync> Sync for Writes<U> {}

impl<U: ?Sized> Reads<U> {
    fn new(data: NonNull<U>) -> Self {
        Self(data)
    }
}

impl<U: ?Sized> Writes<U> {
    fn new(data: NonNull<U>) -> Self {
        Self(data, PhantomData)
    }
}

/// Writes a mapped guard, and the making of it. `[..]` is the access that it
/// gives.
macro_rules! mapped {
    (
        $(#[$meta:meta])*
        $name:ident [& $($mutable:ident)?] $part:ident, $door:ident, $from:ident, $raw:ident,
        $state:ident, $unlock:ident, [$($condvar:tt)+]
    ) => {
        $(#[$meta])*
        #[must_use = "a guard that is dropped at once releases at once"]
        pub struct $name<L: $raw, T: ?Sized, U: ?Sized, C = NoCondvar> {
            door: Arc<$door<L, T, C>>,
            state: ManuallyDrop<L::$state>,
            data: $part<U>,
        }

        impl<L: $raw, T: ?Sized, C> $from<L, T, C> {
            /// A guard of a part of the data, which keeps the door alive.
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
            ) -> $name<L, T, U, C> {
                let data = NonNull::from(part(&$($mutable)? *guard));
                let (door, state) = guard.into_parts();
                $name { door, state: ManuallyDrop::new(state), data: $part::new(data) }
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
            ) -> Result<$name<L, T, U, C>, Self> {
                let Some(data) = part(&$($mutable)? *guard).map(NonNull::from) else {
                    return Err(guard);
                };
                let (door, state) = guard.into_parts();
                Ok($name { door, state: ManuallyDrop::new(state), data: $part::new(data) })
            }
        }

        impl<L: $raw, T: ?Sized, U: ?Sized, C> $name<L, T, U, C> {
            /// The door through which it came.
            pub fn door(guard: &Self) -> &Arc<$door<L, T, C>> {
                &guard.door
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
            ) -> $name<L, T, V, C> {
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
            ) -> Result<$name<L, T, V, C>, Self> {
                match part(&$($mutable)? *guard).map(NonNull::from) {
                    Some(data) => Ok(guard.narrow(data)),
                    None => Err(guard),
                }
            }

            /// Takes the acquisition over to a part of the part.
            fn narrow<V: ?Sized>(self, data: NonNull<V>) -> $name<L, T, V, C> {
                let mut guard = ManuallyDrop::new(self);
                // SAFETY: the guard is not dropped; read out once.
                let door = unsafe { ptr::read(&guard.door) };
                // SAFETY: as above (M3).
                let state = unsafe { ManuallyDrop::take(&mut guard.state) };
                $name { door, state: ManuallyDrop::new(state), data: $part::new(data) }
            }
        }

        impl<L: $raw, T: ?Sized, U: ?Sized, C: $($condvar)+> $name<L, T, U, C> {
            /// Notifies the one that has waited longest, of whichever kind.
            /// `false`: nobody did.
            ///
            /// Never blocks, and lets nothing go.
            #[doc(alias = "notify")]
            pub fn notify_one(&self) -> bool {
                self.door.notify_one()
            }

            /// Notifies all that wait now, and says how many.
            ///
            /// Otherwise as [`notify_one`](Self::notify_one).
            #[doc(alias = "broadcast")]
            pub fn notify_all(&self) -> usize {
                self.door.notify_all()
            }
        }

        impl<L: $raw, T: ?Sized, U: ?Sized, C> Deref for $name<L, T, U, C> {
            type Target = U;

            #[inline]
            fn deref(&self) -> &U {
                // SAFETY: it holds (M1), and the part is there (M2).
                unsafe { self.data.0.as_ref() }
            }
        }

        $(
            impl<L: $raw, T: ?Sized, U: ?Sized, C> DerefMut for $name<L, T, U, C> {
                #[inline]
                fn deref_mut(&mut self) -> &$mutable U {
                    // SAFETY: its holder is alone (M1), and lends the part (M2)
                    // by its own exclusive borrow.
                    unsafe { self.data.0.as_mut() }
                }
            }
        )?

        impl<L: $raw, T: ?Sized, U: ?Sized, C> Drop for $name<L, T, U, C> {
            #[inline]
            fn drop(&mut self) {
                // SAFETY: it holds with this state (M1), taken out once (M3).
                unsafe { self.door.raw().$unlock(ManuallyDrop::take(&mut self.state)) };
            }
        }

        impl<L: $raw, T: ?Sized, U: ?Sized + fmt::Debug, C> fmt::Debug for $name<L, T, U, C> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    };
}

mapped! {
    /// Access to a part of what is behind a [`Door`], which it keeps alive.
    ///
    /// ```
    /// use std::{sync::Arc, thread};
    /// use portunus::OwnedDoorGuard;
    /// use portunus::sync::Door;
    ///
    /// let house = Arc::new(Door::new((1, "cellar")));
    /// let mut number = OwnedDoorGuard::map(house.enter_arc(), |house| &mut house.0);
    /// thread::spawn(move || *number += 1).join().expect("no panic");
    /// assert_eq!(house.enter().0, 2);
    /// ```
    OwnedMappedDoorGuard [&mut] Writes, Door, OwnedDoorGuard, RawMutex, Guard, unlock,
    [RawMutexCondvar<L>]
}

mapped! {
    /// Reading access to a part of what is behind a [`SharedDoor`], which it
    /// keeps alive.
    OwnedMappedDoorReadGuard [&] Reads, SharedDoor, OwnedDoorReadGuard, RawRwLock, SharedGuard,
    unlock_shared, [RawSharedCondvar<L>]
}

mapped! {
    /// Reading and writing access to a part of what is behind a
    /// [`SharedDoor`], which it keeps alive.
    OwnedMappedDoorWriteGuard [&mut] Writes, SharedDoor, OwnedDoorWriteGuard, RawRwLock,
    ExclusiveGuard, unlock_exclusive, [RawSharedCondvar<L>]
}
