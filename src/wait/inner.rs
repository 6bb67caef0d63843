//! The inner lock: a few instructions of exclusion around the line.

#![allow(unsafe_code)]

use core::cell::Cell as PlainCell;
use core::fmt;
use core::marker::PhantomData;
use core::ptr;

use ::spin::relax::RelaxStrategy;

use crate::atomic::{AtomicPtr, Ordering, constructor};

/// Exclusion for a moment, around one word that it keeps.
///
/// It takes a closure and gives no guard: a critical section is not a mutex.
/// It nests, always succeeds and has to end in the order in which it began,
/// which a guard that may be moved can't promise. Whatever runs inside takes
/// a few instructions and never waits.
///
/// The word is null, or an address that is at least 2-aligned; a spinning
/// lock can so keep it in the very word it spins on.
///
/// # Safety
///
/// While `with` or `try_with` runs its closure, no other closure of the same lock runs, in
/// no thread and no handler, nor nested in the same one; and what one closure
/// wrote, the next one sees; also when a closure panics. The word that a
/// closure leaves is the one that the next one finds. `with` always runs its
/// closure, and unwinds only if that does: those who leave a line rely on it.
pub unsafe trait InnerLock: Send + Sync {
    /// An open lock that keeps null.
    #[cfg(not(all(test, portunus_loom)))]
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Self;

    #[cfg(all(test, portunus_loom))]
    #[doc(hidden)]
    fn init() -> Self;

    /// Runs `f` alone.
    fn with<T>(&self, f: impl FnOnce(&mut *const ()) -> T) -> T;

    /// Runs `f` alone unless somebody else is inside now.
    fn try_with<T>(&self, f: impl FnOnce(&mut *const ()) -> T) -> Option<T>;

    /// Whether the word is null, without waiting. Only a hint.
    fn is_clear(&self) -> bool;
}

/// Runs `f`; should that panic, the program ends.
pub(super) fn or_abort<T>(f: impl FnOnce() -> T) -> T {
    let bomb = Abort("an inner lock can't unwind: its caller may be leaving a line");
    let result = f();
    core::mem::forget(bomb);
    result
}

/// Ends the program.
#[cold]
#[allow(dead_code, reason = "of the critical section's")]
pub(super) fn abort<T>(why: &'static str) -> T {
    or_abort(|| panic!("{why}"))
}

/// Panics when dropped: while another panic is on its way, that ends the
/// program.
struct Abort(&'static str);

impl Drop for Abort {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

/// How often a taken lock is looked at before relaxing. A model has no moment
/// to wait for.
const LOOKS: u32 = if cfg!(all(test, portunus_loom)) { 0 } else { 32 };

/// An inner lock that spins on its word, relaxing by `R`.
///
/// Taken, the word is the address 1; open, it is what is kept. One
/// exchange takes it and one store opens it.
pub struct SpinInner<R> {
    word: AtomicPtr<()>,
    relax: PhantomData<fn() -> R>,
}

impl<R> SpinInner<R> {
    const TAKEN: *mut () = ptr::without_provenance_mut(1);

    constructor! {
        fn new() -> Self {
            Self { word: AtomicPtr::new(ptr::null_mut()), relax: PhantomData }
        }
    }

    #[inline(always)]
    fn take(&self) -> Option<Open<'_>> {
        // A model may let an exchange land after the store that opens, for
        // ever: there, compare first.
        if cfg!(all(test, portunus_loom)) {
            let now = self.word.load(Ordering::Relaxed);
            if now == Self::TAKEN {
                return None;
            }
            // Ordering: as below.
            return self
                .word
                .compare_exchange(now, Self::TAKEN, Ordering::Acquire, Ordering::Relaxed)
                .ok()
                .map(|kept| Open { word: &self.word, kept: kept.cast_const() });
        }
        // Ordering: Acquire, pairs with the Release of `Open`: the line and
        // the nodes are as the last one left them.
        let kept = self.word.swap(Self::TAKEN, Ordering::Acquire);
        if kept == Self::TAKEN {
            return None;
        }
        Some(Open { word: &self.word, kept: kept.cast_const() })
    }
}

impl<R: RelaxStrategy> SpinInner<R> {
    #[cold]
    #[inline(never)]
    fn take_slow(&self) -> Open<'_> {
        // The one inside is out in a moment, unless it lost its core: look a
        // few times before relaxing, which may cost more than the wait.
        let mut looks = 0;
        loop {
            // Look before the next exchange: it takes the line away from the
            // one who is inside.
            // Ordering: Relaxed, the exchange decides.
            while self.word.load(Ordering::Relaxed) == Self::TAKEN {
                if looks < LOOKS {
                    looks += 1;
                    core::hint::spin_loop();
                } else {
                    // A waiter that leaves must not unwind on its way in.
                    or_abort(R::relax);
                }
            }
            if let Some(open) = self.take() {
                return open;
            }
        }
    }
}

/// Opens a spinning inner lock again, also when its closure panics.
struct Open<'a> {
    word: &'a AtomicPtr<()>,
    kept: *const (),
}

impl Drop for Open<'_> {
    #[inline]
    fn drop(&mut self) {
        // Ordering: Release, pairs with the Acquire of `take`.
        self.word.store(self.kept.cast_mut(), Ordering::Release);
    }
}

// SAFETY: the exchange lets one in; `Open` lets it out with what it kept, in
// every way out of the closure.
unsafe impl<R: RelaxStrategy> InnerLock for SpinInner<R> {
    #[cfg(not(all(test, portunus_loom)))]
    const INIT: Self = Self::new();

    #[cfg(all(test, portunus_loom))]
    fn init() -> Self {
        Self::new()
    }

    #[inline(always)]
    fn with<T>(&self, f: impl FnOnce(&mut *const ()) -> T) -> T {
        let mut open = match self.take() {
            Some(open) => open,
            None => self.take_slow(),
        };
        f(&mut open.kept)
    }

    fn try_with<T>(&self, f: impl FnOnce(&mut *const ()) -> T) -> Option<T> {
        self.take().map(|mut open| f(&mut open.kept))
    }

    #[inline]
    fn is_clear(&self) -> bool {
        // Ordering: Relaxed, a hint.
        self.word.load(Ordering::Relaxed).is_null()
    }
}

impl<R> fmt::Debug for SpinInner<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpinInner").finish_non_exhaustive()
    }
}

/// An inner lock made of any [`lock_api::RawMutex`]. If that mutex panics, the
/// program ends.
#[derive(Debug)]
pub struct RawMutexInner<M> {
    mutex: M,
    kept: PlainCell<*const ()>,
}

// SAFETY: `kept` is touched only inside `mutex`.
unsafe impl<M: Sync> Sync for RawMutexInner<M> {}
// SAFETY: the word is an address that anybody may keep.
unsafe impl<M: Send> Send for RawMutexInner<M> {}

impl<M: lock_api::RawMutex> RawMutexInner<M> {
    fn run<T>(&self, guard: M::Guard, f: impl FnOnce(&mut *const ()) -> T) -> T {
        struct Unlock<'a, M: lock_api::RawMutex>(&'a RawMutexInner<M>, Option<M::Guard>, *const ());
        impl<M: lock_api::RawMutex> Drop for Unlock<'_, M> {
            fn drop(&mut self) {
                self.0.kept.set(self.2);
                if let Some(guard) = self.1.take() {
                    // SAFETY: the state comes from the acquisition that this
                    // ends.
                    or_abort(|| unsafe { self.0.mutex.unlock(guard) });
                }
            }
        }
        let mut unlock = Unlock(self, Some(guard), self.kept.get());
        f(&mut unlock.2)
    }
}

// SAFETY: the mutex excludes and publishes, by its own contract; `Unlock`
// ends it with what was kept, in every way out of the closure; a mutex that
// unwinds ends the program.
unsafe impl<M: lock_api::RawMutex + Send + Sync> InnerLock for RawMutexInner<M> {
    #[cfg(not(all(test, portunus_loom)))]
    const INIT: Self = Self { mutex: M::INIT, kept: PlainCell::new(ptr::null()) };

    #[cfg(all(test, portunus_loom))]
    fn init() -> Self {
        Self { mutex: M::INIT, kept: PlainCell::new(ptr::null()) }
    }

    fn with<T>(&self, f: impl FnOnce(&mut *const ()) -> T) -> T {
        self.run(or_abort(|| self.mutex.lock()), f)
    }

    fn try_with<T>(&self, f: impl FnOnce(&mut *const ()) -> T) -> Option<T> {
        or_abort(|| self.mutex.try_lock()).map(|guard| self.run(guard, f))
    }

    fn is_clear(&self) -> bool {
        // Not to be read outside the mutex: always worth a look inside.
        false
    }
}
