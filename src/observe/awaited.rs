//! Awaiting observed mutexes and readers-writer locks.

#![allow(unsafe_code)]

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use lock_api::{RawMutex as _, RawRwLock as _, RawRwLockUpgrade as _};

use super::moment::Moment;
use super::mutex::RawMutex;
use super::probe::{Probe, Stamped};
use super::rwlock::RawRwLock;
use crate::atomic::{AtomicUsize, Ordering};
use crate::backend::Backend;
use crate::mutex::Lined;
use crate::raw::traits::{RawMutexAsync, RawRwLockAsync, RawRwLockUpgradeAsync, RawWaiter};
use crate::raw::waiter::Waiter;
use crate::rules::{Preference, SharedMode, Sole};
use crate::rwlock;

/// A place in the line of an observed lock, which knows since when it waits.
#[derive(Debug)]
pub struct WatchedWaiter<W> {
    waiter: W,
    /// When it began to wait, and whether it has.
    since: Moment,
    waits: AtomicUsize,
}

impl<W: Default> Default for WatchedWaiter<W> {
    fn default() -> Self {
        Self { waiter: W::default(), since: Moment::new(), waits: AtomicUsize::new(0) }
    }
}

impl<W: RawWaiter> RawWaiter for WatchedWaiter<W> {
    fn is_done(&self) -> bool {
        self.waiter.is_done()
    }
}

impl<W: RawWaiter> WatchedWaiter<W> {
    fn waiter(self: Pin<&Self>) -> Pin<&W> {
        // SAFETY: a field that is never moved out.
        unsafe { self.map_unchecked(|this| &this.waiter) }
    }

    // Ordering of all three: Relaxed, only its owner uses them, by one call at
    // a time.

    fn since(&self) -> Option<Duration> {
        (self.waits.load(Ordering::Relaxed) != 0).then(|| self.since.get())
    }

    fn begin(&self, now: Duration) {
        self.since.set(now);
        self.waits.store(1, Ordering::Relaxed);
    }

    fn end(&self) -> Option<Duration> {
        let since = self.since();
        self.waits.store(0, Ordering::Relaxed);
        since
    }

    /// Notes what a poll has found; lets go by `undo` should the clock or
    /// the hook panic.
    fn polled(
        &self,
        probe: &Probe,
        mode: &dyn fmt::Debug,
        polled: Poll<Lined>,
        undo: impl FnMut(Lined),
    ) -> Poll<Stamped<Lined>> {
        let Poll::Ready(lined) = polled else {
            // Polled once more after it was ready, it waits for nothing.
            if self.since().is_none() && !self.waiter.is_done() {
                self.begin(probe.now());
            }
            return Poll::Pending;
        };
        Poll::Ready(match self.end() {
            None => probe.admitted(lined, undo),
            Some(start) => probe.served(start, mode, lined, undo),
        })
    }

    /// The request is taken back.
    fn cancelled(&self, probe: &Probe, mode: &dyn fmt::Debug) {
        if let Some(start) = self.end() {
            probe.gave_up(start, mode);
        }
    }
}

/// How an observed lock is polled for in one mode, and given up, by the plain
/// one; `$begins` is told of the state.
macro_rules! watched {
    ($poll:ident, $cancel:ident, $unlock:ident, $waiter:ident, $mode:expr $(, $begins:ident)?) => {
        unsafe fn $poll(
            &self,
            waiter: Pin<&Self::$waiter>,
            cx: &mut Context<'_>,
        ) -> Poll<Stamped<Lined>> {
            // SAFETY: by this function's contract.
            let polled = unsafe { self.raw().$poll(waiter.waiter(), cx) };
            // SAFETY: the state that the poll gave.
            let undo = |lined| unsafe { self.raw().$unlock(lined) };
            let polled = waiter.polled(self.probe(), &$mode, polled, undo);
            $(let polled = polled.map(|state| self.$begins(state));)?
            polled
        }

        unsafe fn $cancel(&self, waiter: Pin<&Self::$waiter>) {
            // SAFETY: by this function's contract.
            unsafe { self.raw().$cancel(waiter.waiter()) };
            waiter.cancelled(self.probe(), &$mode);
        }
    };
}

// SAFETY: as the plain lock's, which does all of it.
unsafe impl<B: Backend> RawMutexAsync for RawMutex<B> {
    type Waiter = WatchedWaiter<Waiter<0>>;

    watched!(poll_lock, cancel_lock, unlock, Waiter, Sole::Exclusive);
}

/// The lock that is observed.
type Plain<P, B> = rwlock::RawRwLock<P, super::Observed<B>>;

// SAFETY: as the plain lock's, which does all of it.
unsafe impl<P: Preference, B: Backend> RawRwLockAsync for RawRwLock<P, B> {
    type SharedWaiter = WatchedWaiter<<Plain<P, B> as RawRwLockAsync>::SharedWaiter>;
    type ExclusiveWaiter = WatchedWaiter<<Plain<P, B> as RawRwLockAsync>::ExclusiveWaiter>;

    watched!(poll_lock_shared, cancel_lock_shared, unlock_shared, SharedWaiter, SharedMode::Read);

    watched!(
        poll_lock_exclusive,
        cancel_lock_exclusive,
        unlock_exclusive,
        ExclusiveWaiter,
        SharedMode::Write
    );
}

// SAFETY: as the plain lock's, which does all of it.
unsafe impl<P: Preference, B: Backend> RawRwLockUpgradeAsync for RawRwLock<P, B> {
    type UpgradableWaiter = WatchedWaiter<<Plain<P, B> as RawRwLockUpgradeAsync>::UpgradableWaiter>;

    watched!(
        poll_lock_upgradable,
        cancel_lock_upgradable,
        unlock_upgradable,
        UpgradableWaiter,
        SharedMode::Upgradable,
        begins
    );

    // It holds already: what it waits counts as held.
    type UpgradeWaiter = <Plain<P, B> as RawRwLockUpgradeAsync>::UpgradeWaiter;

    unsafe fn poll_upgrade(
        &self,
        waiter: Pin<&Self::UpgradeWaiter>,
        cx: &mut Context<'_>,
    ) -> Poll<Stamped<Lined>> {
        // SAFETY: by this function's contract.
        unsafe { self.raw().poll_upgrade(waiter, cx) }.map(|lined| self.goes_on(lined))
    }

    unsafe fn cancel_upgrade(&self, waiter: Pin<&Self::UpgradeWaiter>) -> Option<Stamped<Lined>> {
        // SAFETY: by this function's contract.
        unsafe { self.raw().cancel_upgrade(waiter) }.map(|lined| self.goes_on(lined))
    }
}
