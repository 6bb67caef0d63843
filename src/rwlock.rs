//! Shared or exclusive access to data, with a choice of preference.

#![allow(unsafe_code)]

use core::cell::Cell;
use core::fmt;
use core::mem;

use crate::atomic::constructor;
use crate::backend::Backend;
use crate::mutex::Lined;
use crate::raw::lock::{Conversion, RawFifoLock};
use crate::rules::{Preference, Shared, SharedMode};
use crate::wait::node::{NO_MODE, Request};
use crate::wait::{Forever, Limit};

/// The raw readers-writer lock: [`lock_api::RawRwLock`] over the engine.
///
/// `lock_api::RwLock<RawRwLock<P, B>, T>` adds data and guards; each backend
/// has it as its `RwLock`.
#[doc(alias = "SAcquirable")]
pub struct RawRwLock<P: Preference, B: Backend> {
    raw: RawFifoLock<Shared<P>, B>,
}

const fn request(mode: SharedMode) -> Request {
    Request { mode: mode.index() as u8, from: NO_MODE, weight: 1 }
}

/// The request of one who holds in `from` for another mode.
const fn conversion(from: SharedMode, to: SharedMode) -> Request {
    Request { mode: to.index() as u8, from: from.index() as u8, weight: 1 }
}

pub(crate) const READ: Request = request(SharedMode::Read);
pub(crate) const UPGRADABLE: Request = request(SharedMode::Upgradable);
pub(crate) const WRITE: Request = request(SharedMode::Write);
const UPGRADE: Request = conversion(SharedMode::Upgradable, SharedMode::Write);

impl<P: Preference, B: Backend> RawRwLock<P, B> {
    constructor! {
        /// Unlocked.
        #[must_use]
        pub fn new() -> Self {
            Self { raw: RawFifoLock::new(Shared::new()) }
        }
    }

    /// How many wait now.
    ///
    /// Counts them one by one, under the inner lock.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.raw.waiting()
    }

    /// How many hold in `mode` now.
    #[must_use]
    pub fn holders(&self, mode: SharedMode) -> usize {
        self.raw.held()[mode]
    }

    #[inline(always)]
    pub(crate) fn acquire(&self, request: Request, limit: &impl Limit) -> Option<Lined> {
        self.raw.acquire(request, limit).map(Lined)
    }

    #[inline(always)]
    fn acquire_blocking(&self, request: Request) -> Lined {
        Lined(self.raw.acquire_blocking(request))
    }

    /// Makes the only upgradable reader the writer; `false`: the limit came
    /// first. Should it unwind, it lets go: the guard's state is consumed.
    pub(crate) fn upgrade_limited(&self, limit: &impl Limit) -> bool {
        let mut hold = Unwinding { lock: self, mode: UPGRADABLE, converted: Cell::new(false) };
        let ended = self.raw.convert(UPGRADE, limit, &hold.converted);
        if let Conversion::Done(true) = ended {
            hold.mode = WRITE;
            self.raw.grant_now();
        }
        let done = match ended {
            Conversion::Done(_) => true,
            Conversion::TooLong => false,
            // One may upgrade at a time, and nobody waits for it to go but
            // readers and writers, which are no conversions.
            Conversion::Deadlock => unreachable!("there is one upgradable reader at a time"),
        };
        mem::forget(hold);
        done
    }

    /// Steps down from one mode to another. It never waits: the weaker mode is
    /// admitted, unless there are already as many readers as can be counted.
    /// Should it unwind, it lets go: the guard's state is consumed.
    #[inline]
    fn step_down(&self, from: SharedMode, to: SharedMode) {
        let mut hold = Unwinding { lock: self, mode: request(from), converted: Cell::new(false) };
        let Some(due) = self.raw.try_convert(conversion(from, to)) else {
            panic!("there are as many readers as a lock can count: one more can't step down");
        };
        hold.mode = request(to);
        if due {
            self.raw.grant_now();
        }
        mem::forget(hold);
    }

    /// Tries to make the only upgradable reader the writer.
    #[inline]
    fn try_upgrade_now(&self) -> bool {
        let Some(due) = self.raw.try_convert(UPGRADE) else { return false };
        if due {
            let hold = Unwinding { lock: self, mode: WRITE, converted: Cell::new(false) };
            self.raw.grant_now();
            mem::forget(hold);
        }
        true
    }

    pub(crate) fn raw(&self) -> &RawFifoLock<Shared<P>, B> {
        &self.raw
    }
}

/// A hold whose guard's state was consumed: dropped by a panic, it lets go.
struct Unwinding<'a, P: Preference, B: Backend> {
    lock: &'a RawRwLock<P, B>,
    mode: Request,
    /// An upgrade was granted: it is the writer.
    converted: Cell<bool>,
}

impl<P: Preference, B: Backend> Drop for Unwinding<'_, P, B> {
    fn drop(&mut self) {
        let mode = if self.converted.get() { WRITE } else { self.mode };
        self.lock.raw.release(mode, true);
    }
}

impl<P: Preference, B: Backend> Default for RawRwLock<P, B> {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows the counts by mode and the length of the line; never blocks.
impl<P: Preference, B: Backend> fmt::Debug for RawRwLock<P, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt_as("RawRwLock", f)
    }
}

// SAFETY: `Shared` admits readers together or one writer; entering is Acquire
// and leaving Release (O1). The guards' states are plain hints: dropping them
// does nothing, and the lock may move while nobody waits.
#[cfg(not(all(test, portunus_loom)))]
unsafe impl<P: Preference, B: Backend> lock_api::RawRwLock for RawRwLock<P, B> {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Self = Self::new();
    type SharedGuard = Lined;
    type ExclusiveGuard = Lined;

    #[inline]
    fn lock_shared(&self) -> Lined {
        self.acquire_blocking(READ)
    }

    #[inline]
    fn try_lock_shared(&self) -> Option<Lined> {
        self.raw.try_acquire(READ).then_some(Lined(false))
    }

    #[inline]
    unsafe fn unlock_shared(&self, guard: Lined) {
        self.raw.release(READ, guard.0);
    }

    #[inline]
    fn lock_exclusive(&self) -> Lined {
        self.acquire_blocking(WRITE)
    }

    #[inline]
    fn try_lock_exclusive(&self) -> Option<Lined> {
        self.raw.try_acquire(WRITE).then_some(Lined(false))
    }

    #[inline]
    unsafe fn unlock_exclusive(&self, guard: Lined) {
        self.raw.release(WRITE, guard.0);
    }

    #[inline]
    fn is_locked(&self) -> bool {
        self.raw.is_locked()
    }

    #[inline]
    fn is_locked_exclusive(&self) -> bool {
        self.holders(SharedMode::Write) != 0
    }
}

// SAFETY: every release hands over to the next in line: it is a fair one.
#[cfg(not(all(test, portunus_loom)))]
unsafe impl<P: Preference, B: Backend> lock_api::RawRwLockFair for RawRwLock<P, B> {
    #[inline]
    unsafe fn unlock_shared_fair(&self, guard: Lined) {
        self.raw.release(READ, guard.0);
    }

    #[inline]
    unsafe fn unlock_exclusive_fair(&self, guard: Lined) {
        self.raw.release(WRITE, guard.0);
    }
}

// SAFETY: the one upgradable reader excludes writers and its like; becoming
// the writer is one step of the word, in which nobody else enters.
#[cfg(not(all(test, portunus_loom)))]
unsafe impl<P: Preference, B: Backend> lock_api::RawRwLockUpgrade for RawRwLock<P, B> {
    type UpgradableGuard = Lined;

    #[inline]
    fn lock_upgradable(&self) -> Lined {
        self.acquire_blocking(UPGRADABLE)
    }

    #[inline]
    fn try_lock_upgradable(&self) -> Option<Lined> {
        self.raw.try_acquire(UPGRADABLE).then_some(Lined(false))
    }

    #[inline]
    unsafe fn unlock_upgradable(&self, guard: Lined) {
        self.raw.release(UPGRADABLE, guard.0);
    }

    #[inline]
    unsafe fn upgrade(&self, guard: Lined) -> Lined {
        // A backend's wait may end too early; a write guard never does.
        while !self.upgrade_limited(&Forever) {}
        guard
    }

    #[inline]
    unsafe fn try_upgrade(&self, guard: Lined) -> Result<Lined, Lined> {
        if self.try_upgrade_now() { Ok(guard) } else { Err(guard) }
    }
}

// SAFETY: as `RawRwLockFair` and `RawRwLockUpgrade`.
#[cfg(not(all(test, portunus_loom)))]
unsafe impl<P: Preference, B: Backend> lock_api::RawRwLockUpgradeFair for RawRwLock<P, B> {
    #[inline]
    unsafe fn unlock_upgradable_fair(&self, guard: Lined) {
        self.raw.release(UPGRADABLE, guard.0);
    }
}

// SAFETY: stepping down is one step of the word.
#[cfg(not(all(test, portunus_loom)))]
unsafe impl<P: Preference, B: Backend> lock_api::RawRwLockDowngrade for RawRwLock<P, B> {
    #[inline]
    unsafe fn downgrade(&self, guard: Lined) -> Lined {
        self.step_down(SharedMode::Write, SharedMode::Read);
        guard
    }
}

// SAFETY: as `RawRwLockDowngrade`.
#[cfg(not(all(test, portunus_loom)))]
unsafe impl<P: Preference, B: Backend> lock_api::RawRwLockUpgradeDowngrade for RawRwLock<P, B> {
    #[inline]
    unsafe fn downgrade_upgradable(&self, guard: Lined) -> Lined {
        self.step_down(SharedMode::Upgradable, SharedMode::Read);
        guard
    }

    #[inline]
    unsafe fn downgrade_to_upgradable(&self, guard: Lined) -> Lined {
        self.step_down(SharedMode::Write, SharedMode::Upgradable);
        guard
    }
}
