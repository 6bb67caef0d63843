//! Waiting inside a shared door no longer than a time.

#![allow(unsafe_code)]

use core::time::Duration;
use std::time::Instant;

use lock_api::{RawRwLock, RawRwLockUpgrade};

use super::{DoorReadGuard, DoorUpgradableReadGuard, DoorWriteGuard};
use crate::condvar::WaitTimeoutResult;
use crate::raw::{RawSharedCondvar, RawSharedCondvarUpgrade};
use crate::wait::until::Until;

/// Adds timed waits to guards of a shared door.
macro_rules! waiting_shared_timed {
    ($(
        $name:ident <$($life:lifetime)?> [$raw:ident, $condvar:ident] [& $($mutable:ident)?]
        $wait:ident;
    )+) => {$(
        impl<$($life,)? L: $raw, T: ?Sized, C: $condvar<L>> $name<$($life,)? L, T, C> {
            /// As [`wait`](Self::wait), waiting for a notification no longer
            /// than `timeout`.
            ///
            /// The time is that of the monotonic clock and limits the wait for
            /// the notification, not the one for the door that follows. It
            /// never ends early. One beyond the clock's range is no limit.
            #[doc(alias = "wait_timeout")]
            pub fn wait_for(&mut self, timeout: Duration) -> WaitTimeoutResult {
                self.wait_limited(&Until::after(timeout))
            }

            /// As [`wait_for`](Self::wait_for), no longer than until
            /// `deadline`.
            pub fn wait_until(&mut self, deadline: Instant) -> WaitTimeoutResult {
                self.wait_limited(&Until::at(deadline))
            }

            /// As [`wait_while`](Self::wait_while), no longer than `timeout` in
            /// all.
            #[doc(alias = "wait_timeout_while")]
            pub fn wait_while_for(
                &mut self,
                condition: impl FnMut(&$($mutable)? T) -> bool,
                timeout: Duration,
            ) -> WaitTimeoutResult {
                self.wait_while_limited(condition, &Until::after(timeout))
            }

            /// As [`wait_while`](Self::wait_while), no longer than until
            /// `deadline`.
            pub fn wait_while_until(
                &mut self,
                condition: impl FnMut(&$($mutable)? T) -> bool,
                deadline: Instant,
            ) -> WaitTimeoutResult {
                self.wait_while_limited(condition, &Until::at(deadline))
            }

            fn wait_while_limited(
                &mut self,
                mut condition: impl FnMut(&$($mutable)? T) -> bool,
                limit: &Until,
            ) -> WaitTimeoutResult {
                while condition(&$($mutable)? **self) {
                    if self.wait_limited(limit).timed_out() {
                        return WaitTimeoutResult::new(condition(&$($mutable)? **self));
                    }
                }
                WaitTimeoutResult::new(false)
            }

            fn wait_limited(&mut self, limit: &Until) -> WaitTimeoutResult {
                let (condvar, lock) = (&self.door.condvar, self.door.raw());
                // SAFETY: it holds this lock with this state (G1 in
                // `guard.rs`), and is borrowed exclusively (N1 in `wait.rs`).
                let notified = unsafe { condvar.$wait(lock, &mut self.state, limit) };
                WaitTimeoutResult::new(!notified)
            }
        }
    )+};
}

waiting_shared_timed! {
    DoorReadGuard<'a> [RawRwLock, RawSharedCondvar] [&] wait_shared;
    DoorWriteGuard<'a> [RawRwLock, RawSharedCondvar] [&mut] wait_exclusive;
    DoorUpgradableReadGuard<'a> [RawRwLockUpgrade, RawSharedCondvarUpgrade] [&] wait_upgradable;
}
