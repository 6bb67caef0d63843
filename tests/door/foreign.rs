//! Somebody else's raw locks: the simplest there are.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// A mutex that spins. Its guard's state is a witness: only what this lock gave
/// may come back, once.
pub(crate) struct RawSpin(AtomicBool);

/// What [`RawSpin`] gives. It can't be copied.
pub(crate) struct Witness(());

// SAFETY: the flag lets one in, by an exchange that acquires and a store that
// releases.
unsafe impl lock_api::RawMutex for RawSpin {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Self = Self(AtomicBool::new(false));
    type Guard = Witness;

    fn lock(&self) -> Witness {
        loop {
            match self.try_lock() {
                Some(witness) => return witness,
                None => thread::yield_now(),
            }
        }
    }

    fn try_lock(&self) -> Option<Witness> {
        (!self.0.swap(true, Ordering::Acquire)).then_some(Witness(()))
    }

    unsafe fn unlock(&self, Witness(()): Witness) {
        assert!(self.0.swap(false, Ordering::Release), "nobody held it");
    }

    fn is_locked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A readers-writer lock that spins.
pub(crate) struct RawSpinRw(AtomicUsize);

const WRITER: usize = usize::MAX;

// SAFETY: the count lets one writer in, or readers, by exchanges that acquire
// and steps that release.
unsafe impl lock_api::RawRwLock for RawSpinRw {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Self = Self(AtomicUsize::new(0));
    type SharedGuard = Witness;
    type ExclusiveGuard = Witness;

    fn lock_shared(&self) -> Witness {
        loop {
            match self.try_lock_shared() {
                Some(witness) => return witness,
                None => thread::yield_now(),
            }
        }
    }

    fn try_lock_shared(&self) -> Option<Witness> {
        let now = self.0.load(Ordering::Relaxed);
        let next = if now >= WRITER - 1 { return None } else { now + 1 };
        let entered = self.0.compare_exchange(now, next, Ordering::Acquire, Ordering::Relaxed);
        entered.is_ok().then_some(Witness(()))
    }

    unsafe fn unlock_shared(&self, Witness(()): Witness) {
        let old = self.0.fetch_sub(1, Ordering::Release);
        assert!(old != 0 && old != WRITER, "no reader held it");
    }

    fn lock_exclusive(&self) -> Witness {
        loop {
            match self.try_lock_exclusive() {
                Some(witness) => return witness,
                None => thread::yield_now(),
            }
        }
    }

    fn try_lock_exclusive(&self) -> Option<Witness> {
        let entered = self.0.compare_exchange(0, WRITER, Ordering::Acquire, Ordering::Relaxed);
        entered.is_ok().then_some(Witness(()))
    }

    unsafe fn unlock_exclusive(&self, Witness(()): Witness) {
        let old = self.0.swap(0, Ordering::Release);
        assert_eq!(old, WRITER, "no writer held it");
    }

    fn is_locked(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    fn is_locked_exclusive(&self) -> bool {
        self.0.load(Ordering::Relaxed) == WRITER
    }
}
