//! A raw mutex with a probe.
//!
//! Invariant **V1**: a guard's state is that of the plain lock, which it was
//! made by, and goes back to it once.

#![allow(unsafe_code)]

use core::fmt;

use lock_api::RawMutex as _;

use super::inner::Observed;
use super::probe::{Probe, Report, Reports, Stamped};
use crate::backend::Backend;
use crate::mutex::{self, Lined};
use crate::rules::Sole;

/// The raw mutex of [`crate::RawMutex`], observed.
///
/// Made by [`observed`](Self::observed), it goes into a mutex by
/// `lock_api::Mutex::from_raw`; `Mutex::new` gives it a probe without a name.
pub struct RawMutex<B: Backend> {
    raw: mutex::RawMutex<Observed<B>>,
    probe: Probe,
}

impl<B: Backend> RawMutex<B> {
    /// Unlocked, with a probe without a name.
    #[must_use]
    pub const fn new() -> Self {
        Self::observed(Probe::new())
    }

    /// Unlocked, with this probe.
    #[must_use]
    pub const fn observed(probe: Probe) -> Self {
        Self { raw: mutex::RawMutex::new(), probe }
    }

    /// Its probe.
    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    /// What was counted until now.
    pub fn report(&self) -> Report {
        self.probe.report(self.raw.raw().inner().trades())
    }

    /// How many wait now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.raw.waiting()
    }

    pub(super) fn raw(&self) -> &mutex::RawMutex<Observed<B>> {
        &self.raw
    }

    /// Enters, at once or by `wait`.
    pub(super) fn enter(&self, wait: impl FnOnce() -> Option<Lined>) -> Option<Stamped<Lined>> {
        // SAFETY: V1.
        let undo = |guard| unsafe { self.raw.unlock(guard) };
        self.probe.enter(&Sole::Exclusive, || self.raw.try_lock(), wait, undo)
    }
}

impl<B: Backend> Default for RawMutex<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: Backend> fmt::Debug for RawMutex<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawMutex").field("raw", &self.raw).field("report", &self.report()).finish()
    }
}

/// How an observed lock is entered in one mode, and left, by the plain one;
/// `$begins` is told of the state.
macro_rules! stamped {
    ($lock:ident, $try_lock:ident, $unlock:ident, $enter:ident, $mode:expr $(, $begins:ident)?) => {
        fn $lock(&self) -> Stamped<Lined> {
            loop {
                // Without a limit it ends with the lock the first time.
                if let Some(state) = self.$enter(|| Some(self.raw.$lock())) {
                    return state;
                }
            }
        }

        fn $try_lock(&self) -> Option<Stamped<Lined>> {
            // SAFETY: V1.
            let undo = |guard| unsafe { self.raw.$unlock(guard) };
            let state = self.probe.admitted(self.raw.$try_lock()?, undo);
            $(let state = self.$begins(state);)?
            Some(state)
        }

        unsafe fn $unlock(&self, state: Stamped<Lined>) {
            // SAFETY: V1.
            unsafe { self.raw.$unlock(state.guard) };
            self.probe.left(state.since, &$mode);
        }
    };
}
pub(super) use stamped;

// SAFETY: as the plain lock, which does all of it (V1).
unsafe impl<B: Backend> lock_api::RawMutex for RawMutex<B> {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Self = Self::new();
    type Guard = Stamped<Lined>;

    stamped!(lock, try_lock, unlock, enter, Sole::Exclusive);

    fn is_locked(&self) -> bool {
        self.raw.is_locked()
    }
}

// SAFETY: every release hands over to the next in line: it is a fair one.
unsafe impl<B: Backend> lock_api::RawMutexFair for RawMutex<B> {
    unsafe fn unlock_fair(&self, state: Stamped<Lined>) {
        // SAFETY: by this function's contract.
        unsafe { lock_api::RawMutex::unlock(self, state) };
    }
}

impl<B: Backend, T: ?Sized> Reports for lock_api::Mutex<RawMutex<B>, T> {
    fn probe(&self) -> &Probe {
        // SAFETY: no guard's lock is let go.
        unsafe { self.raw() }.probe()
    }

    fn report(&self) -> Report {
        // SAFETY: as above.
        unsafe { self.raw() }.report()
    }
}
