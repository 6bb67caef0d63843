//! The guards of `lock_api` over our raw locks, as conditions use them.
//!
//! The invariant is W1 of [`guard`](super::guard).

#![allow(unsafe_code)]

use lock_api::{
    Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockUpgradableReadGuard, RwLockWriteGuard,
};

use super::guard::{CondvarGuard, Held, LOCK, Remade, SharedCondvarGuard};
use crate::backend::Backend;
use crate::mutex::{Lined, RawMutex};
use crate::rules::Preference;
use crate::rwlock::{READ, RawRwLock, UPGRADABLE, WRITE};

// SAFETY: a guard of `lock_api` holds its raw mutex.
unsafe impl<B: Backend, T: ?Sized> Held<B> for MutexGuard<'_, RawMutex<B>, T> {
    type Raw = RawMutex<B>;
    const MODE: u8 = LOCK.mode;

    fn raw(&self) -> &RawMutex<B> {
        // SAFETY: only `wait_in` lets it go (W1).
        unsafe { Self::mutex(self).raw() }
    }
}
impl<B: Backend, T: ?Sized> CondvarGuard<B> for MutexGuard<'_, RawMutex<B>, T> {}

// SAFETY: the mutex is borrowed as long as the guard lives.
unsafe impl<'a, B: Backend, T: ?Sized> Remade<B> for MutexGuard<'a, RawMutex<B>, T> {
    type Lock = &'a Mutex<RawMutex<B>, T>;
    // Forgotten, it borrows nothing any more.
    const OWNED: bool = false;

    fn lock(&self) -> Self::Lock {
        Self::mutex(self)
    }

    fn raw_of(lock: &Self::Lock) -> &RawMutex<B> {
        // SAFETY: only the awaited wait lets it go.
        unsafe { lock.raw() }
    }

    unsafe fn remake(lock: Self::Lock) -> Self {
        // SAFETY: by this function's contract; the state is a hint (W1).
        unsafe { lock.make_guard_unchecked(Lined(true)) }
    }
}

/// The guards of a readers-writer lock.
macro_rules! shared {
    ($($guard:ident, $request:ident, $make:ident;)*) => {$(
        // SAFETY: a guard of `lock_api` holds its raw lock, in its mode.
        unsafe impl<P: Preference, B: Backend, T: ?Sized> Held<B> for $guard<'_, RawRwLock<P, B>, T> {
            type Raw = RawRwLock<P, B>;
            const MODE: u8 = $request.mode;

            fn raw(&self) -> &RawRwLock<P, B> {
                // SAFETY: only `wait_in` lets it go (W1).
                unsafe { Self::rwlock(self).raw() }
            }
        }
        impl<P: Preference, B: Backend, T: ?Sized> SharedCondvarGuard<B>
            for $guard<'_, RawRwLock<P, B>, T>
        {
        }

        // SAFETY: the lock is borrowed as long as the guard lives.
        unsafe impl<'a, P: Preference, B: Backend, T: ?Sized> Remade<B>
            for $guard<'a, RawRwLock<P, B>, T>
        {
            type Lock = &'a RwLock<RawRwLock<P, B>, T>;
            const OWNED: bool = false;

            fn lock(&self) -> Self::Lock {
                Self::rwlock(self)
            }

            fn raw_of(lock: &Self::Lock) -> &RawRwLock<P, B> {
                // SAFETY: only the awaited wait lets it go.
                unsafe { lock.raw() }
            }

            unsafe fn remake(lock: Self::Lock) -> Self {
                // SAFETY: by this function's contract; the state is a hint
                // (W1).
                unsafe { lock.$make(Lined(true)) }
            }
        }
    )*};
}
shared! {
    RwLockReadGuard, READ, make_read_guard_unchecked;
    RwLockUpgradableReadGuard, UPGRADABLE, make_upgradable_guard_unchecked;
    RwLockWriteGuard, WRITE, make_write_guard_unchecked;
}
