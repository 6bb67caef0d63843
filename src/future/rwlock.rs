//! Awaiting a readers-writer lock.

#![allow(unsafe_code)]

use core::pin::Pin;
use core::task::{Context, Poll};

use lock_api::{RwLock, RwLockReadGuard, RwLockUpgradableReadGuard, RwLockWriteGuard};

use super::{Acquire, Kind};
use crate::backend::Backend;
use crate::mutex::Lined;
use crate::raw::traits::{RawRwLockAsync, RawRwLockUpgradeAsync, RawWaiter};
use crate::raw::waiter::Waiter;
use crate::rules::{Preference, SharedMode};
use crate::rwlock::RawRwLock;

/// The place of a request for a mode with this index.
type ReadWaiter = Waiter<{ SharedMode::Read.index() as u8 }>;
type UpgradableWaiter = Waiter<{ SharedMode::Upgradable.index() as u8 }>;
type WriteWaiter = Waiter<{ SharedMode::Write.index() as u8 }>;

// SAFETY: a poll that is ready has entered as `lock_shared` or
// `lock_exclusive` do; `cancel` leaves the line and gives back what was
// granted.
unsafe impl<P: Preference, B: Backend> RawRwLockAsync for RawRwLock<P, B> {
    type SharedWaiter = ReadWaiter;
    type ExclusiveWaiter = WriteWaiter;

    #[inline(always)]
    unsafe fn poll_lock_shared(
        &self,
        waiter: Pin<&ReadWaiter>,
        cx: &mut Context<'_>,
    ) -> Poll<Lined> {
        // SAFETY: by this function's contract.
        match unsafe { waiter.poll(self.raw(), cx.waker()) } {
            Some(lined) => Poll::Ready(Lined(lined)),
            None => Poll::Pending,
        }
    }

    #[inline(always)]
    unsafe fn cancel_lock_shared(&self, waiter: Pin<&ReadWaiter>) {
        // SAFETY: by this function's contract.
        unsafe { waiter.cancel(self.raw()) };
    }

    #[inline(always)]
    unsafe fn poll_lock_exclusive(
        &self,
        waiter: Pin<&WriteWaiter>,
        cx: &mut Context<'_>,
    ) -> Poll<Lined> {
        // SAFETY: by this function's contract.
        match unsafe { waiter.poll(self.raw(), cx.waker()) } {
            Some(lined) => Poll::Ready(Lined(lined)),
            None => Poll::Pending,
        }
    }

    #[inline(always)]
    unsafe fn cancel_lock_exclusive(&self, waiter: Pin<&WriteWaiter>) {
        // SAFETY: by this function's contract.
        unsafe { waiter.cancel(self.raw()) };
    }
}

// SAFETY: as `RawRwLockAsync`, with `lock_upgradable`.
unsafe impl<P: Preference, B: Backend> RawRwLockUpgradeAsync for RawRwLock<P, B> {
    type UpgradableWaiter = UpgradableWaiter;

    #[inline(always)]
    unsafe fn poll_lock_upgradable(
        &self,
        waiter: Pin<&UpgradableWaiter>,
        cx: &mut Context<'_>,
    ) -> Poll<Lined> {
        // SAFETY: by this function's contract.
        match unsafe { waiter.poll(self.raw(), cx.waker()) } {
            Some(lined) => Poll::Ready(Lined(lined)),
            None => Poll::Pending,
        }
    }

    #[inline(always)]
    unsafe fn cancel_lock_upgradable(&self, waiter: Pin<&UpgradableWaiter>) {
        // SAFETY: by this function's contract.
        unsafe { waiter.cancel(self.raw()) };
    }
}

/// The kinds of acquisition, which differ in names only.
macro_rules! kind {
    ($(#[$meta:meta])* $alias:ident, $kind:ident, $raw:ident, $waiter:ident, $guard:ident,
     $poll:ident, $cancel:ident, $make:ident) => {
        $(#[$meta])*
        pub type $alias<'a, R, T> = Acquire<$kind<'a, R, T>>;

        #[doc(hidden)]
        pub struct $kind<'a, R: $raw, T: ?Sized> {
            lock: &'a RwLock<R, T>,
        }

        impl<'a, R: $raw, T: ?Sized> Kind for $kind<'a, R, T> {
            type Waiter = R::$waiter;
            type Output = $guard<'a, R, T>;

            #[inline(always)]
            unsafe fn poll(
                &mut self,
                waiter: Pin<&R::$waiter>,
                cx: &mut Context<'_>,
            ) -> Poll<Self::Output> {
                // SAFETY: only asks for the lock; no guard's lock is let go.
                let raw = unsafe { self.lock.raw() };
                // SAFETY: by this function's contract; always with `lock`.
                match unsafe { raw.$poll(waiter, cx) } {
                    // SAFETY: the lock is ours in this mode, with this state,
                    // and no guard was made.
                    Poll::Ready(state) => Poll::Ready(unsafe { self.lock.$make(state) }),
                    Poll::Pending => Poll::Pending,
                }
            }

            #[inline(always)]
            unsafe fn cancel(&mut self, waiter: Pin<&R::$waiter>) {
                // SAFETY: as `poll`: what is given back has no guard yet.
                let raw = unsafe { self.lock.raw() };
                // SAFETY: as `poll`.
                unsafe { raw.$cancel(waiter) };
            }

            fn is_done(waiter: &R::$waiter) -> bool {
                waiter.is_done()
            }
        }
    };
}

kind! {
    /// Awaits shared access; made by [`RwLockExt::read_async`].
    Read, ReadKind, RawRwLockAsync, SharedWaiter, RwLockReadGuard,
    poll_lock_shared, cancel_lock_shared, make_read_guard_unchecked
}

kind! {
    /// Awaits exclusive access; made by [`RwLockExt::write_async`].
    Write, WriteKind, RawRwLockAsync, ExclusiveWaiter, RwLockWriteGuard,
    poll_lock_exclusive, cancel_lock_exclusive, make_write_guard_unchecked
}

kind! {
    /// Awaits upgradable access; made by
    /// [`RwLockUpgradeExt::upgradable_read_async`].
    UpgradableRead, UpgradableReadKind, RawRwLockUpgradeAsync, UpgradableWaiter,
    RwLockUpgradableReadGuard, poll_lock_upgradable, cancel_lock_upgradable,
    make_upgradable_guard_unchecked
}

/// Awaiting a `lock_api` readers-writer lock whose raw lock can be awaited.
pub trait RwLockExt {
    /// The raw lock.
    type Raw: RawRwLockAsync;
    /// The data.
    type Data: ?Sized;

    /// Acquires shared access, suspending the task until its turn comes.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the first poll: nothing. Queued: it leaves the line, and
    /// whoever it kept out enters. Granted but not polled since: the lock goes
    /// to the next. Once it is ready, dropping the guard releases. See
    /// [`future`](crate::future).
    ///
    /// ```
    /// use portunus::prelude::*;
    ///
    /// # smol::block_on(async {
    /// let board = portunus::sync::RwLock::<u32>::new(1);
    /// let (one, two) = (board.read_async().await, board.read_async().await);
    /// assert_eq!(*one, *two);
    /// # });
    /// ```
    #[doc(alias = "acquire_read")]
    fn read_async(&self) -> Read<'_, Self::Raw, Self::Data>;

    /// Acquires exclusive access, suspending the task until its turn comes.
    ///
    /// # Cancel safety
    ///
    /// As [`read_async`](Self::read_async).
    #[doc(alias = "acquire_write")]
    fn write_async(&self) -> Write<'_, Self::Raw, Self::Data>;
}

impl<R: RawRwLockAsync, T: ?Sized> RwLockExt for RwLock<R, T> {
    type Raw = R;
    type Data = T;

    #[inline]
    fn read_async(&self) -> Read<'_, R, T> {
        Acquire::new(ReadKind { lock: self }, R::SharedWaiter::default())
    }

    #[inline]
    fn write_async(&self) -> Write<'_, R, T> {
        Acquire::new(WriteKind { lock: self }, R::ExclusiveWaiter::default())
    }
}

/// Awaiting upgradable access to a `lock_api` readers-writer lock.
pub trait RwLockUpgradeExt {
    /// The raw lock.
    type Raw: RawRwLockUpgradeAsync;
    /// The data.
    type Data: ?Sized;

    /// Acquires shared access that may become exclusive, suspending the task
    /// until its turn comes. There is one such reader at a time, beside any
    /// number of plain ones.
    ///
    /// # Cancel safety
    ///
    /// As [`RwLockExt::read_async`].
    fn upgradable_read_async(&self) -> UpgradableRead<'_, Self::Raw, Self::Data>;
}

impl<R: RawRwLockUpgradeAsync, T: ?Sized> RwLockUpgradeExt for RwLock<R, T> {
    type Raw = R;
    type Data = T;

    #[inline]
    fn upgradable_read_async(&self) -> UpgradableRead<'_, R, T> {
        Acquire::new(UpgradableReadKind { lock: self }, R::UpgradableWaiter::default())
    }
}
