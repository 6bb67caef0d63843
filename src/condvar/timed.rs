//! Waiting for a notification no longer than a time.

use core::ops::{Deref, DerefMut};
use core::time::Duration;
use std::time::Instant;

use super::{Condvar, CondvarGuard, SharedCondvar, SharedCondvarGuard, WaitTimeoutResult};
use crate::backend::Backend;
use crate::wait::until::Until;

macro_rules! timed {
    ($name:ident, $guard:ident, $deref:ident, $($mutable:ident)?) => {
        impl<B: Backend> $name<B> {
            /// As [`wait`](Self::wait), waiting for a notification no longer
            /// than `timeout`.
            ///
            /// The time is that of the monotonic clock and limits the wait for
            /// the notification, not the one for the lock that follows. It
            /// never ends early. One beyond the clock's range is no limit.
            #[doc(alias = "wait_timeout")]
            pub fn wait_for<G: $guard<B>>(
                &self,
                guard: &mut G,
                timeout: Duration,
            ) -> WaitTimeoutResult {
                WaitTimeoutResult::new(!self.wait_limited(guard, &Until::after(timeout)))
            }

            /// As [`wait_for`](Self::wait_for), no longer than until
            /// `deadline`.
            pub fn wait_until<G: $guard<B>>(
                &self,
                guard: &mut G,
                deadline: Instant,
            ) -> WaitTimeoutResult {
                WaitTimeoutResult::new(!self.wait_limited(guard, &Until::at(deadline)))
            }

            /// As [`wait_while`](Self::wait_while), no longer than `timeout` in
            /// all.
            #[doc(alias = "wait_timeout_while")]
            pub fn wait_while_for<G, F>(
                &self,
                guard: &mut G,
                condition: F,
                timeout: Duration,
            ) -> WaitTimeoutResult
            where
                G: $guard<B> + $deref,
                F: FnMut(& $($mutable)? G::Target) -> bool,
            {
                self.wait_while_limited(guard, condition, Until::after(timeout))
            }

            /// As [`wait_while`](Self::wait_while), no longer than until
            /// `deadline`.
            pub fn wait_while_until<G, F>(
                &self,
                guard: &mut G,
                condition: F,
                deadline: Instant,
            ) -> WaitTimeoutResult
            where
                G: $guard<B> + $deref,
                F: FnMut(& $($mutable)? G::Target) -> bool,
            {
                self.wait_while_limited(guard, condition, Until::at(deadline))
            }

            fn wait_while_limited<G, F>(
                &self,
                guard: &mut G,
                mut condition: F,
                limit: Until,
            ) -> WaitTimeoutResult
            where
                G: $guard<B> + $deref,
                F: FnMut(& $($mutable)? G::Target) -> bool,
            {
                while condition(guard) {
                    if !self.wait_limited(guard, &limit) {
                        return WaitTimeoutResult::new(condition(guard));
                    }
                }
                WaitTimeoutResult::new(false)
            }
        }
    };
}
timed!(Condvar, CondvarGuard, DerefMut, mut);
timed!(SharedCondvar, SharedCondvarGuard, Deref,);
