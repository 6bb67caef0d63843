//! The raw locks under `lock_api`'s, for the counts that only they tell.

#![allow(unsafe_code)]

#[cfg(feature = "observe")]
use portunus::observe;
use portunus::rules::Preference;
use portunus::{Backend, RawMutex, RawRwLock};

/// The raw lock of a mutex.
pub(crate) fn mutex<B: Backend, T>(mutex: &lock_api::Mutex<RawMutex<B>, T>) -> &RawMutex<B> {
    // SAFETY: only counts are read from it; nothing is locked or unlocked.
    unsafe { mutex.raw() }
}

/// The raw lock of a readers-writer lock.
pub(crate) fn rwlock<P: Preference, B: Backend, T>(
    rwlock: &lock_api::RwLock<RawRwLock<P, B>, T>,
) -> &RawRwLock<P, B> {
    // SAFETY: as above.
    unsafe { rwlock.raw() }
}

/// The same of observed locks.
#[cfg(feature = "observe")]
pub(crate) fn observed_mutex<B: Backend, T>(
    mutex: &lock_api::Mutex<observe::RawMutex<B>, T>,
) -> &observe::RawMutex<B> {
    // SAFETY: as above.
    unsafe { mutex.raw() }
}

/// As above.
#[cfg(feature = "observe")]
pub(crate) fn observed_rwlock<P: Preference, B: Backend, T>(
    rwlock: &lock_api::RwLock<observe::RawRwLock<P, B>, T>,
) -> &observe::RawRwLock<P, B> {
    // SAFETY: as above.
    unsafe { rwlock.raw() }
}
