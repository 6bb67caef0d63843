//! Waiting inside a door, with it let go, until somebody notifies.
//!
//! # Invariant
//!
//! * **N1** By the contract of the raw condition variables a wait holds the lock
//!   again in every way out, in the same kind, and leaves the state of that
//!   acquisition: so the guard is one (its G1). While it is let go the guard is
//!   borrowed exclusively, and nobody uses the data through it.

#![allow(unsafe_code)]

use lock_api::{RawMutex, RawMutexTimed, RawRwLock};

use super::{Door, DoorGuard, DoorReadGuard, DoorWriteGuard, SharedDoor};
use super::{MappedDoorGuard, MappedDoorReadGuard, MappedDoorWriteGuard};
use crate::condvar::WaitTimeoutResult;
use crate::raw::{RawMutexCondvar, RawMutexCondvarTimed, RawSharedCondvar};
use crate::wait::Forever;

/// Adds notifying to what leads to a condition variable. It is told of the lock,
/// which is borrowed: tasks that wait with it can be handed over to it.
macro_rules! notifying {
    ($($name:ident <$($life:lifetime)?> [$raw:ident, $($condvar:tt)+] $one:literal, $all:literal;)+) => {$(
        impl<$($life,)? L: $raw, T: ?Sized, C: $($condvar)+> $name<$($life,)? L, T, C> {
            /// Notifies the one that has waited longest, of whichever kind.
            /// `false`: nobody did.
            ///
            /// Never blocks, and lets nothing go. (A condition variable that is
            /// not this crate's may wake without a notification, and then
            /// counts none.)
            #[doc(alias = $one)]
            pub fn notify_one(&self) -> bool {
                let (condvar, lock) = self.condition();
                condvar.notify_one_of(lock)
            }

            /// Notifies all that wait now, and says how many.
            ///
            /// Otherwise as [`notify_one`](Self::notify_one).
            #[doc(alias = $all)]
            pub fn notify_all(&self) -> usize {
                let (condvar, lock) = self.condition();
                condvar.notify_all_of(lock)
            }
        }
    )+};
}

/// Leads from a guard to its condition variable and its lock.
macro_rules! condition {
    ($($name:ident <$($life:lifetime)?> $raw:ident;)+) => {$(
        impl<$($life,)? L: $raw, T: ?Sized, C> $name<$($life,)? L, T, C> {
            fn condition(&self) -> (&C, &L) {
                (&self.door.condvar, self.door.raw())
            }
        }
    )+};
}

impl<L: RawMutex, T: ?Sized, C> Door<L, T, C> {
    fn condition(&self) -> (&C, &L) {
        (&self.condvar, self.raw())
    }
}

impl<L: RawRwLock, T: ?Sized, C> SharedDoor<L, T, C> {
    fn condition(&self) -> (&C, &L) {
        (&self.condvar, self.raw())
    }
}

condition! {
    DoorGuard<'a> RawMutex;
    DoorReadGuard<'a> RawRwLock;
    DoorWriteGuard<'a> RawRwLock;
}

notifying! {
    Door<> [RawMutex, RawMutexCondvar<L>] "notify", "broadcast";
    SharedDoor<> [RawRwLock, RawSharedCondvar<L>] "notify", "broadcast";
    DoorGuard<'a> [RawMutex, RawMutexCondvar<L>] "notify", "broadcast";
    DoorReadGuard<'a> [RawRwLock, RawSharedCondvar<L>] "notify_read", "notify_all_read";
    DoorWriteGuard<'a> [RawRwLock, RawSharedCondvar<L>] "notify_write", "notify_all_write";
    MappedDoorGuard<'a> [RawMutex, RawMutexCondvar<L>] "notify", "broadcast";
    MappedDoorReadGuard<'a> [RawRwLock, RawSharedCondvar<L>] "notify_read", "notify_all_read";
    MappedDoorWriteGuard<'a> [RawRwLock, RawSharedCondvar<L>] "notify_write", "notify_all_write";
}

/// Adds blocking waits to guards. `|raw, state, condvar|` is how one waits.
macro_rules! waiting {
    ($(
        $name:ident <$($life:lifetime)?> [$raw:ident, $($condvar:tt)+] [& $($mutable:ident)?]
        $alias:literal, |$lock:ident, $state:ident, $condition:ident| $wait:expr;
    )+) => {$(
        impl<$($life,)? L: $raw, T: ?Sized, C: $($condvar)+> $name<$($life,)? L, T, C> {
            /// Lets the door go, waits for a notification, and is inside again
            /// when it returns, in the same kind.
            ///
            /// It stands in line before the door is let go, so that no
            /// notification after that is missed. Somebody may enter between
            /// the notification and its return: wait for a condition, with
            /// [`wait_while`](Self::wait_while).
            ///
            /// # Blocking
            ///
            /// Blocks the calling thread or core. In async code use
            /// `wait_async`.
            ///
            /// # Panics
            ///
            /// If the waker of somebody who is let in does; it is inside again
            /// then, too.
            ///
            /// # Aborts
            ///
            /// If a strategy of waiting panics on the way in: the guard would be
            /// outside.
            #[doc(alias = $alias)]
            pub fn wait(&mut self) {
                let ($condition, $lock, $state) =
                    (&self.door.condvar, self.door.raw(), &mut *self.state);
                // SAFETY: it holds this lock with this state (its G1), and is
                // borrowed exclusively (N1).
                unsafe { $wait };
            }

            /// Waits as long as `condition` holds: it is asked at once, and
            /// again after each notification, inside the door.
            ///
            /// # Blocking
            ///
            /// As [`wait`](Self::wait).
            ///
            /// # Panics
            ///
            /// If `condition` does; it is inside then, too.
            #[doc(alias = "wait_for_predicate")]
            pub fn wait_while(&mut self, mut condition: impl FnMut(&$($mutable)? T) -> bool) {
                while condition(&$($mutable)? **self) {
                    self.wait();
                }
            }
        }
    )+};
}

waiting! {
    DoorGuard<'a> [RawMutex, RawMutexCondvar<L>] [&mut] "WaitableDoor.wait",
        |lock, state, condvar| condvar.wait(lock, state);
    DoorReadGuard<'a> [RawRwLock, RawSharedCondvar<L>] [&] "wait_read",
        |lock, state, condvar| condvar.wait_shared(lock, state, &Forever);
    DoorWriteGuard<'a> [RawRwLock, RawSharedCondvar<L>] [&mut] "wait_write",
        |lock, state, condvar| condvar.wait_exclusive(lock, state, &Forever);
}

/// Adds timed waits to guards of an exclusive door.
macro_rules! waiting_timed {
    ($($name:ident <$($life:lifetime)?>;)+) => {$(
        impl<$($life,)? L, T: ?Sized, C> $name<$($life,)? L, T, C>
        where
            L: RawMutexTimed,
            C: RawMutexCondvarTimed<L>,
        {
            /// As [`wait`](Self::wait), waiting for a notification no longer
            /// than `timeout`.
            ///
            /// The time limits the wait for the notification, not the one for
            /// the door that follows. It never ends early.
            #[doc(alias = "wait_timeout")]
            pub fn wait_for(&mut self, timeout: L::Duration) -> WaitTimeoutResult {
                let (condvar, lock) = (&self.door.condvar, self.door.raw());
                // SAFETY: as `wait`.
                let over = unsafe { condvar.wait_for(lock, &mut self.state, &timeout) };
                WaitTimeoutResult::new(over)
            }

            /// As [`wait_for`](Self::wait_for), no longer than until
            /// `deadline`.
            pub fn wait_until(&mut self, deadline: L::Instant) -> WaitTimeoutResult {
                self.wait_until_ref(&deadline)
            }

            /// As [`wait_while`](Self::wait_while), no longer than `timeout` in
            /// all.
            #[doc(alias = "wait_timeout_while")]
            pub fn wait_while_for(
                &mut self,
                condition: impl FnMut(&mut T) -> bool,
                timeout: L::Duration,
            ) -> WaitTimeoutResult {
                match C::checked_duration_to_instant(&timeout) {
                    Some(deadline) => self.wait_while_until(condition, deadline),
                    // Beyond the clock's range: no limit.
                    None => {
                        self.wait_while(condition);
                        WaitTimeoutResult::new(false)
                    }
                }
            }

            /// As [`wait_while`](Self::wait_while), no longer than until
            /// `deadline`.
            pub fn wait_while_until(
                &mut self,
                mut condition: impl FnMut(&mut T) -> bool,
                deadline: L::Instant,
            ) -> WaitTimeoutResult {
                while condition(&mut **self) {
                    if self.wait_until_ref(&deadline).timed_out() {
                        return WaitTimeoutResult::new(condition(&mut **self));
                    }
                }
                WaitTimeoutResult::new(false)
            }

            fn wait_until_ref(&mut self, deadline: &L::Instant) -> WaitTimeoutResult {
                let (condvar, lock) = (&self.door.condvar, self.door.raw());
                // SAFETY: as `wait`.
                let over = unsafe { condvar.wait_until(lock, &mut self.state, deadline) };
                WaitTimeoutResult::new(over)
            }
        }
    )+};
}

waiting_timed! { DoorGuard<'a>; }
