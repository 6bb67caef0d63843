//! Guards that keep their lock alive, as conditions use them.
//!
//! The invariant is W1 of [`guard`](super::guard).

#![allow(unsafe_code)]

use alloc::sync::Arc;

use lock_api::{
    ArcMutexGuard, ArcRwLockReadGuard, ArcRwLockUpgradableReadGuard, ArcRwLockWriteGuard, Mutex,
    RwLock,
};

use super::guard::{CondvarGuard, Held, LOCK, Remade, SharedCondvarGuard};
use crate::backend::Backend;
use crate::mutex::{Lined, RawMutex};
use crate::owned::OwnedMutexGuard;
use crate::rules::Preference;
use crate::rwlock::{READ, RawRwLock, UPGRADABLE, WRITE};

// `lock_api` lets nobody make this guard anew: there is no awaited wait with it.
// SAFETY: a guard of `lock_api` holds its raw mutex.
unsafe impl<B: Backend, T: ?Sized> Held<B> for ArcMutexGuard<RawMutex<B>, T> {
    type Raw = RawMutex<B>;
    const MODE: u8 = LOCK.mode;

    fn raw(&self) -> &RawMutex<B> {
        // SAFETY: only `wait_in` lets it go (W1).
        unsafe { Self::mutex(self).raw() }
    }
}
impl<B: Backend, T: ?Sized> CondvarGuard<B> for ArcMutexGuard<RawMutex<B>, T> {}

/// Writes what a guard behind an `Arc` is to conditions.
macro_rules! owned {
    ($(
        [$($param:ident: $bound:ident),*] $guard:ident<$raw:ty>, $lock:ident, $of:ident, $mode:expr,
        $condvar:ident, |$kept:ident, $state:ident| $make:expr;
    )*) => {$(
        // SAFETY: a guard of `lock_api`, or like one, holds its raw lock in its
        // mode.
        unsafe impl<$($param: $bound,)* B: Backend, T: ?Sized> Held<B> for $guard<$raw, T> {
            type Raw = $raw;
            const MODE: u8 = $mode;

            fn raw(&self) -> &$raw {
                // SAFETY: only `wait_in` lets it go (W1).
                unsafe { Self::$of(self).raw() }
            }
        }
        impl<$($param: $bound,)* B: Backend, T: ?Sized> $condvar<B> for $guard<$raw, T> {}

        // SAFETY: the lock stays where the `Arc` has it, until that is dropped.
        unsafe impl<$($param: $bound,)* B: Backend, T: ?Sized> Remade<B> for $guard<$raw, T> {
            type Lock = Arc<$lock<$raw, T>>;
            const OWNED: bool = true;

            fn lock(&self) -> Self::Lock {
                Arc::clone(Self::$of(self))
            }

            fn raw_of(lock: &Self::Lock) -> &$raw {
                // SAFETY: only the awaited wait lets it go.
                unsafe { lock.raw() }
            }

            unsafe fn remake($kept: Self::Lock) -> Self {
                let $state = Lined(true);
                // SAFETY: by this function's contract; the state is a hint (W1).
                unsafe { $make }
            }
        }
    )*};
}
owned! {
    [] OwnedMutexGuard<RawMutex<B>>, Mutex, mutex, LOCK.mode, CondvarGuard,
        |lock, state| Self::new(lock, state);
    [P: Preference] ArcRwLockReadGuard<RawRwLock<P, B>>, RwLock, rwlock, READ.mode,
        SharedCondvarGuard, |lock, state| lock.make_arc_read_guard_unchecked(state);
    [P: Preference] ArcRwLockUpgradableReadGuard<RawRwLock<P, B>>, RwLock, rwlock, UPGRADABLE.mode,
        SharedCondvarGuard, |lock, state| lock.make_upgradable_arc_guard_unchecked(state);
    [P: Preference] ArcRwLockWriteGuard<RawRwLock<P, B>>, RwLock, rwlock, WRITE.mode,
        SharedCondvarGuard, |lock, state| lock.make_arc_write_guard_unchecked(state);
}
