//! The locks.

use portunus::rules::{Access, ReadWrite};
use portunus::spin::{FifoLock, Mutex, Semaphore};

static MUTEX: Mutex<()> = Mutex::new(());
static MODES: FifoLock<ReadWrite> = FifoLock::new(ReadWrite);
static ONE: Semaphore = Semaphore::new(1);
static SEVERAL: Semaphore = Semaphore::new(crate::harts::PERMITS);

pub fn mutex(f: impl FnOnce()) {
    let _guard = MUTEX.lock();
    f();
}

pub fn write(f: impl FnOnce()) {
    let _hold = MODES.acquire(Access::Write);
    f();
}

pub fn read(f: impl FnOnce()) {
    let _hold = MODES.acquire(Access::Read);
    f();
}

pub fn one(f: impl FnOnce()) {
    let _permit = ONE.acquire();
    f();
}

pub fn several(f: impl FnOnce()) {
    let _permit = SEVERAL.acquire();
    f();
}

/// Everything was given back.
pub fn are_free() {
    crate::harts::ensure(!MUTEX.is_locked() && !MODES.is_locked(), "a lock is still held");
    let free = (ONE.available_permits(), SEVERAL.available_permits());
    crate::harts::ensure(free == (1, crate::harts::PERMITS), "a permit is missing");
}
