//! The inner lock: a few instructions of exclusion around the line.

#![allow(unsafe_code)]

use core::cell::Cell as PlainCell;
use core::fmt;
use core::marker::PhantomData;
use core::ptr;

use ::spin::relax::RelaxStrategy;

use crate::atomic::{AtomicPtr, Ordering, constructor};
use crate::misuse::stop;

/// Exclusion for a moment, around one word that it keeps.
///
/// It takes a closure and gives no guard: a critical section is not a mutex.
/// It nests, always succeeds and has to end in the order in which it began,
/// which a guard that may be moved can't promise. Whatever runs inside takes
/// a few instructions and never waits.
///
/// A backend of your own rarely needs one of its own: [`RawMutexInner`] makes one
/// of any raw mutex, without unsafe code, as the example of [`Backend`] shows.
///
/// [`Backend`]: crate::Backend
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
/// A word that is not null, and was left so before a call of `is_clear`, in the
/// sense of happening before it, is noticed by that call: it returns `true` only if
/// another closure has made the word null since. Where
/// [`LEAVES_AT_ONCE`](Self::LEAVES_AT_ONCE) is true, `with` and `try_with` touch
/// nothing of the lock any more once others may enter.
pub unsafe trait InnerLock: Send + Sync {
    /// Whether whoever was let in may free it, because nothing of it is touched
    /// once others may enter.
    ///
    /// Where it is not so, who waits for a condition, and is notified by one who
    /// does not borrow its lock, is woken to ask for that lock, instead of being
    /// put into its line.
    const LEAVES_AT_ONCE: bool = false;

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

    /// Whether the word is null, without waiting. `false` is only a hint; `true`
    /// is relied on: see above.
    fn is_clear(&self) -> bool;

    /// A future has given its grant to another one of its task; called inside.
    #[doc(hidden)]
    #[inline(always)]
    fn noted(&self, _: Trade) {}
}

/// How a grant of a future has gone to another one of its task.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(unreachable_pub, reason = "a hidden method of `InnerLock` names it")]
pub enum Trade {
    /// The other one has it now, and it stands in line instead.
    Taken,
    /// It went back, because the other one could not enter beside it.
    GivenBack,
}

/// Runs `f`; should that panic, the program ends.
pub(crate) fn or_abort<T>(f: impl FnOnce() -> T) -> T {
    or_abort_saying("an inner lock can't unwind: its caller may be leaving a line", f)
}

/// The same, of a wait that takes the lock of a guard that is alive.
pub(crate) fn regained<T>(f: impl FnOnce() -> T) -> T {
    or_abort_saying("a wait can't unwind without its lock: a guard stands for it", f)
}

fn or_abort_saying<T>(why: &'static str, f: impl FnOnce() -> T) -> T {
    let bomb = Abort(why);
    let result = f();
    core::mem::forget(bomb);
    result
}

/// Ends the program: as [`stop`], and nothing unwinds.
#[cold]
pub(super) fn abort(why: &'static str) -> ! {
    or_abort(|| stop(why))
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

/// How often [`SpinInner`] relaxes, in a debug build, before it takes the wait
/// for a deadlock: a few seconds on most chips, and longer than an operating
/// system keeps a thread from its core.
pub const PATIENCE: u32 = 1 << 26;

/// What a debug build says at the end of its patience.
const STUCK: &str = "waited too long for a lock's inner lock: whoever is inside can't go on. An \
     interrupt handler (or a thread of higher priority on the same core) blocked, polled, queued \
     or let a waiter in on a lock of the backend `spin` that the interrupted code was using, or \
     a rule's predicate used the lock that was asking it. Use the backend `critical` where \
     handlers share a lock";

/// An inner lock that spins on its word, relaxing by `R`.
///
/// Taken, the word is the address 1; open, it is what is kept. One
/// exchange takes it and one store opens it.
///
/// Who is inside is out after a few instructions, unless it was interrupted by
/// the very one who waits. In debug builds, who has relaxed `PATIENCE` times
/// ends the program with a panic that names the cause; with 0, and in release
/// builds, it waits for ever.
pub struct SpinInner<R, const PATIENCE: u32 = { self::PATIENCE }> {
    word: AtomicPtr<()>,
    relax: PhantomData<fn() -> R>,
}

impl<R, const PATIENCE: u32> SpinInner<R, PATIENCE> {
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

impl<R: RelaxStrategy, const PATIENCE: u32> SpinInner<R, PATIENCE> {
    #[cold]
    #[inline(never)]
    fn take_slow(&self) -> Open<'_> {
        // The one inside is out in a moment, unless it lost its core: look a
        // few times before relaxing, which may cost more than the wait.
        let mut looks = 0;
        let mut relaxes: u32 = 0;
        loop {
            // Look before the next exchange: it takes the line away from the
            // one who is inside.
            // Ordering: Relaxed, the exchange decides.
            while self.word.load(Ordering::Relaxed) == Self::TAKEN {
                if looks < LOOKS {
                    looks += 1;
                    core::hint::spin_loop();
                } else {
                    if cfg!(debug_assertions) && PATIENCE != 0 {
                        if relaxes == PATIENCE {
                            // It ends the program: to unwind here would free
                            // a waiter that is in line.
                            abort(STUCK);
                        }
                        relaxes += 1;
                    }
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
// every way out of the closure, by one store, its last act.
unsafe impl<R: RelaxStrategy, const PATIENCE: u32> InnerLock for SpinInner<R, PATIENCE> {
    const LEAVES_AT_ONCE: bool = true;

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

    #[inline(always)]
    fn try_with<T>(&self, f: impl FnOnce(&mut *const ()) -> T) -> Option<T> {
        self.take().map(|mut open| f(&mut open.kept))
    }

    #[inline]
    fn is_clear(&self) -> bool {
        // Ordering: Relaxed, a hint.
        self.word.load(Ordering::Relaxed).is_null()
    }
}

impl<R, const PATIENCE: u32> fmt::Debug for SpinInner<R, PATIENCE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpinInner").finish_non_exhaustive()
    }
}

/// An inner lock made of any [`lock_api::RawMutex`]. If that mutex panics, the
/// program ends.
///
/// Nobody knows what that mutex still does when it has let another one in: it
/// does not [leave at once](InnerLock::LEAVES_AT_ONCE).
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
