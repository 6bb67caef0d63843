//! Awaiting a mutex.

#![allow(unsafe_code)]

use core::pin::Pin;
use core::task::{Context, Poll};

use lock_api::{Mutex, MutexGuard};

use super::{Acquire, Keeps, Kind};
use crate::backend::Backend;
use crate::mutex::{Lined, RawMutex};
use crate::raw::traits::{RawMutexAsync, RawWaiter};
use crate::raw::waiter::Waiter;

// SAFETY: a poll that is ready has entered as `lock` does; `cancel` leaves the
// line and gives back what was granted.
unsafe impl<B: Backend> RawMutexAsync for RawMutex<B> {
    type Waiter = Waiter<0>;

    polled!(poll_lock, cancel_lock, Waiter<0>);
}

kind! {
    /// Awaits the guard of a mutex; made by [`MutexExt::lock_async`].
    Lock<'a>, LockKind, &'a Mutex<R, T>, RawMutexAsync, Waiter, MutexGuard<'a, R, T>,
    poll_lock, cancel_lock,
    // SAFETY: the lock is ours, with this state, and no guard was made.
    |lock: &'a Mutex<R, T>, state| unsafe { lock.make_guard_unchecked(state) }
}

/// Awaiting a `lock_api` mutex whose raw lock can be awaited.
pub trait MutexExt {
    /// The raw lock.
    type Raw: RawMutexAsync;
    /// The data.
    type Data: ?Sized;

    /// Acquires the mutex, suspending the task until its turn comes.
    ///
    /// # Fairness
    ///
    /// First come, first served, threads and tasks in one line.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the first poll: nothing. Queued: it leaves the line.
    /// Granted but not polled since: the lock goes to the next. Once it is
    /// ready, dropping the guard releases. See [`future`](crate::future).
    ///
    /// ```
    /// use portunus::prelude::*;
    /// use portunus::sync::Mutex;
    ///
    /// # smol::block_on(async {
    /// let total = Mutex::new(1);
    /// *total.lock_async().await += 1;
    /// assert_eq!(*total.lock(), 2);
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// If polled again after it was ready.
    fn lock_async(&self) -> Lock<'_, Self::Raw, Self::Data>;
}

impl<R: RawMutexAsync, T: ?Sized> MutexExt for Mutex<R, T> {
    type Raw = R;
    type Data = T;

    #[inline]
    fn lock_async(&self) -> Lock<'_, R, T> {
        Acquire::new(LockKind { lock: self }, R::Waiter::default())
    }
}
