//! Awaiting a readers-writer lock.

#![allow(unsafe_code)]

use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll};

use lock_api::{RwLock, RwLockReadGuard, RwLockUpgradableReadGuard, RwLockWriteGuard};

use super::{Acquire, Keeps, Kind};
use crate::backend::Backend;
use crate::mutex::Lined;
use crate::raw::lock::Polled;
use crate::raw::traits::{RawRwLockAsync, RawRwLockUpgradeAsync, RawWaiter};
use crate::raw::waiter::Waiter;
use crate::rules::{Preference, SharedMode};
use crate::rwlock::RawRwLock;

/// The place of a request for a mode with this index.
type ReadWaiter = Waiter<{ SharedMode::Read.index() as u8 }>;
type UpgradableWaiter = Waiter<{ SharedMode::Upgradable.index() as u8 }>;
type WriteWaiter = Waiter<{ SharedMode::Write.index() as u8 }>;
type UpgradeWaiter =
    Waiter<{ SharedMode::Write.index() as u8 }, { SharedMode::Upgradable.index() as u8 }>;

// SAFETY: a poll that is ready has entered as `lock_shared` or
// `lock_exclusive` do; `cancel` leaves the line and gives back what was
// granted.
unsafe impl<P: Preference, B: Backend> RawRwLockAsync for RawRwLock<P, B> {
    type SharedWaiter = ReadWaiter;
    type ExclusiveWaiter = WriteWaiter;

    polled!(poll_lock_shared, cancel_lock_shared, ReadWaiter);
    polled!(poll_lock_exclusive, cancel_lock_exclusive, WriteWaiter);
}

// SAFETY: as `RawRwLockAsync`, with `lock_upgradable`.
unsafe impl<P: Preference, B: Backend> RawRwLockUpgradeAsync for RawRwLock<P, B> {
    type UpgradableWaiter = UpgradableWaiter;

    polled!(poll_lock_upgradable, cancel_lock_upgradable, UpgradableWaiter);

    type UpgradeWaiter = UpgradeWaiter;

    unsafe fn poll_upgrade(
        &self,
        waiter: Pin<&UpgradeWaiter>,
        cx: &mut Context<'_>,
    ) -> Poll<Lined> {
        // SAFETY: by this function's contract.
        match unsafe { waiter.poll_convert(self.raw(), cx.waker()) } {
            Polled::Pending => Poll::Pending,
            // Whoever came while it read waits now.
            Polled::Holds => Poll::Ready(Lined(true)),
            Polled::Refused => unreachable!("there is one upgradable reader at a time"),
        }
    }

    unsafe fn cancel_upgrade(&self, waiter: Pin<&UpgradeWaiter>) -> Option<Lined> {
        // SAFETY: by this function's contract.
        unsafe { waiter.cancel(self.raw()) }.then_some(Lined(true))
    }
}

kind! {
    /// Awaits shared access; made by [`RwLockExt::read_async`].
    Read<'a>, ReadKind, &'a RwLock<R, T>, RawRwLockAsync, SharedWaiter, RwLockReadGuard<'a, R, T>,
    poll_lock_shared, cancel_lock_shared,
    // SAFETY: the lock is ours in this mode, with this state, and no guard was
    // made.
    |lock: &'a RwLock<R, T>, state| unsafe { lock.make_read_guard_unchecked(state) }
}

kind! {
    /// Awaits exclusive access; made by [`RwLockExt::write_async`].
    Write<'a>, WriteKind, &'a RwLock<R, T>, RawRwLockAsync, ExclusiveWaiter,
    RwLockWriteGuard<'a, R, T>,
    poll_lock_exclusive, cancel_lock_exclusive,
    // SAFETY: as above.
    |lock: &'a RwLock<R, T>, state| unsafe { lock.make_write_guard_unchecked(state) }
}

kind! {
    /// Awaits upgradable access; made by
    /// [`RwLockUpgradeExt::upgradable_read_async`].
    UpgradableRead<'a>, UpgradableReadKind, &'a RwLock<R, T>, RawRwLockUpgradeAsync,
    UpgradableWaiter, RwLockUpgradableReadGuard<'a, R, T>,
    poll_lock_upgradable, cancel_lock_upgradable,
    // SAFETY: as above.
    |lock: &'a RwLock<R, T>, state| unsafe { lock.make_upgradable_guard_unchecked(state) }
}

/// Awaits exclusive access for an upgradable reader; made by
/// [`upgrade_async`](RwLockUpgradableReadGuardExt::upgrade_async).
pub type Upgrade<'a, R, T> = Acquire<UpgradeKind<RwLockUpgradableReadGuard<'a, R, T>>>;

/// An upgradable guard, borrowed or owned.
#[doc(hidden)]
pub trait Upgradable: Sized {
    /// The raw lock.
    type Raw: RawRwLockUpgradeAsync;
    /// What becomes of it.
    type Writing;

    /// The raw lock that it holds.
    fn raw(&self) -> &Self::Raw;

    /// # Safety
    ///
    /// What the guard holds has become exclusive, with this state.
    unsafe fn into_writing(
        self,
        state: <Self::Raw as lock_api::RawRwLock>::ExclusiveGuard,
    ) -> Self::Writing;
}

impl<'a, R: RawRwLockUpgradeAsync, T: ?Sized> Upgradable for RwLockUpgradableReadGuard<'a, R, T> {
    type Raw = R;
    type Writing = RwLockWriteGuard<'a, R, T>;

    fn raw(&self) -> &R {
        // SAFETY: only asks for the upgrade of what the guard holds.
        unsafe { Self::rwlock(self).raw() }
    }

    unsafe fn into_writing(self, state: R::ExclusiveGuard) -> Self::Writing {
        let lock = Self::rwlock(&self);
        mem::forget(self);
        // SAFETY: by this function's contract; the guard that had it is gone.
        unsafe { lock.make_write_guard_unchecked(state) }
    }
}

#[doc(hidden)]
pub struct UpgradeKind<G> {
    /// Taken by the output.
    guard: Option<G>,
}

impl<G: Upgradable> UpgradeKind<G> {
    pub(super) fn acquire(guard: G) -> Acquire<Self> {
        let waiter = <G::Raw as RawRwLockUpgradeAsync>::UpgradeWaiter::default();
        Acquire::new(Self { guard: Some(guard) }, waiter)
    }

    /// # Safety
    ///
    /// As [`Upgradable::into_writing`].
    unsafe fn upgraded(
        &mut self,
        state: <G::Raw as lock_api::RawRwLock>::ExclusiveGuard,
    ) -> G::Writing {
        let Some(guard) = self.guard.take() else { super::finished() };
        // SAFETY: by this function's contract.
        unsafe { guard.into_writing(state) }
    }
}

impl<G: Upgradable> Kind for UpgradeKind<G> {
    type Waiter = <G::Raw as RawRwLockUpgradeAsync>::UpgradeWaiter;
    type Output = G::Writing;

    unsafe fn poll(
        &mut self,
        waiter: Pin<&Self::Waiter>,
        cx: &mut Context<'_>,
    ) -> Poll<Self::Output> {
        let Some(guard) = &self.guard else { super::finished() };
        // SAFETY: by this function's contract; always with the guard's lock,
        // which the guard holds until then.
        match unsafe { guard.raw().poll_upgrade(waiter, cx) } {
            // SAFETY: it is ready, and has returned this state.
            Poll::Ready(state) => Poll::Ready(unsafe { self.upgraded(state) }),
            Poll::Pending => Poll::Pending,
        }
    }

    unsafe fn cancel(&mut self, waiter: Pin<&Self::Waiter>) {
        let Some(guard) = &self.guard else { return };
        // SAFETY: as `poll`.
        if let Some(state) = unsafe { guard.raw().cancel_upgrade(waiter) } {
            // SAFETY: it was granted, and is released in its new mode.
            drop(unsafe { self.upgraded(state) });
        }
    }

    fn is_done(waiter: &Self::Waiter) -> bool {
        waiter.is_done()
    }
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
    ///
    /// # Panics
    ///
    /// If polled again after it was ready.
    #[doc(alias = "acquire_read")]
    fn read_async(&self) -> Read<'_, Self::Raw, Self::Data>;

    /// Acquires exclusive access, suspending the task until its turn comes.
    ///
    /// # Cancel safety
    ///
    /// As [`read_async`](Self::read_async).
    ///
    /// # Panics
    ///
    /// If polled again after it was ready.
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
    ///
    /// # Panics
    ///
    /// If polled again after it was ready.
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

/// Awaiting the upgrade of an upgradable guard of `lock_api`.
///
/// As there, these are functions and not methods: the guard's methods are
/// those of the data.
pub trait RwLockUpgradableReadGuardExt: Sized {
    /// What awaits the upgrade.
    type Upgrade;

    /// Makes the upgradable reader the writer in one step, suspending the task
    /// until all other readers have left. It takes the guard and gives a write
    /// guard back.
    ///
    /// # Fairness
    ///
    /// It stands ahead of the writers that wait, and of the readers that wait
    /// behind them.
    ///
    /// # Cancel safety
    ///
    /// The future owns the guard. Dropped before the first poll or queued, it
    /// releases the upgradable access; granted but not polled since, the
    /// exclusive access. To keep the guard whatever happens, use `try_upgrade`.
    ///
    /// # Panics
    ///
    /// If polled again after it was ready.
    ///
    /// ```
    /// use portunus::prelude::*;
    /// use portunus::sync::{RwLock, RwLockUpgradableReadGuard};
    ///
    /// # smol::block_on(async {
    /// let board: RwLock<Vec<u32>> = RwLock::new(vec![1]);
    /// let looking = board.upgradable_read_async().await;
    /// if looking.len() < 2 {
    ///     RwLockUpgradableReadGuard::upgrade_async(looking).await.push(2);
    /// }
    /// assert_eq!(board.read_async().await.len(), 2);
    /// # });
    /// ```
    #[doc(alias = "upgrade")]
    fn upgrade_async(s: Self) -> Self::Upgrade;
}

impl<'a, R: RawRwLockUpgradeAsync, T: ?Sized> RwLockUpgradableReadGuardExt
    for RwLockUpgradableReadGuard<'a, R, T>
{
    type Upgrade = Upgrade<'a, R, T>;

    fn upgrade_async(s: Self) -> Upgrade<'a, R, T> {
        UpgradeKind::acquire(s)
    }
}
