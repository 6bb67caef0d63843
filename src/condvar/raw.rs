//! Condition variables as raw traits: `lock_api`'s own, and ours for shared
//! locks; over our raw locks, and over anybody's.
//!
//! # Invariant
//!
//! * **K1** A guard's state is read out only where the lock is let go with it,
//!   and written only with that of a new acquisition; in between nobody reads
//!   it, and whatever unwinds in between ends the program or writes it first.

#![allow(unsafe_code)]

use core::fmt;
use core::marker::PhantomData;
use core::ptr;

use super::{Condvar, SharedCondvar, Waits};
use crate::atomic::constructor;
use crate::backend::Backend;
use crate::mutex::{Lined, RawMutex};
use crate::raw::{RawSharedCondvar, RawSharedCondvarUpgrade};
use crate::rules::Preference;
use crate::rwlock::{READ, RawRwLock, UPGRADABLE, WRITE};
use crate::wait::inner::regained;
use crate::wait::queue::WaitQueue;
use crate::wait::{Forever, Limit};

/// A condition variable for any lock of `lock_api` 0.5.
///
/// For a mutex it is a [`lock_api::RawCondvar`], for a readers-writer lock a
/// [`RawSharedCondvar`](crate::raw::RawSharedCondvar). With this crate's own
/// locks [`Condvar`] and [`SharedCondvar`] are better: they hand the lock over
/// with the notification, where this one wakes a waiter that then asks for it.
///
/// ```
/// use portunus::sync::RawCondvar;
///
/// type Mutex<T> = lock_api::Mutex<parking_lot::RawMutex, T>;
/// type Condvar = lock_api::Condvar<RawCondvar<parking_lot::RawMutex>>;
///
/// static READY: Mutex<bool> = Mutex::new(false);
/// static CHANGED: Condvar = Condvar::new();
///
/// std::thread::scope(|scope| {
///     scope.spawn(|| CHANGED.wait_while(&mut READY.lock(), |ready| !*ready));
///     *READY.lock() = true;
///     CHANGED.notify_one();
/// });
/// ```
///
/// # Fairness
///
/// Notifications come first come, first served; who then gets the lock first
/// is the lock's own choice.
///
/// # No spurious wake-ups
///
/// There are none, and notifications are counted exactly. Each waiter may come
/// with another lock.
pub struct RawCondvar<L, B: Backend> {
    queue: WaitQueue<B::Inner>,
    lock: PhantomData<fn(&L)>,
}

impl<L, B: Backend> RawCondvar<L, B> {
    constructor! {
        /// With nobody waiting.
        #[must_use]
        pub fn new() -> Self {
            Self { queue: WaitQueue::new(), lock: PhantomData }
        }
    }

    /// How many wait for a notification now.
    ///
    /// Counts them one by one, under the inner lock.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    #[allow(dead_code, reason = "of futures")]
    pub(crate) fn queue(&self) -> &WaitQueue<B::Inner> {
        &self.queue
    }

    /// Lets a lock go, waits, and takes it again, in every way out. `true`: it
    /// was notified.
    ///
    /// # Safety
    ///
    /// `guard` is the state of the caller's acquisition, which `open` ends;
    /// `close` makes another.
    unsafe fn wait_with<G>(
        &self,
        guard: &mut G,
        open: impl FnOnce(G),
        close: impl FnMut() -> G,
        limit: &impl Limit,
    ) -> bool {
        /// Takes the lock again.
        struct Close<'a, G, F: FnMut() -> G>(&'a mut G, F);
        impl<G, F: FnMut() -> G> Drop for Close<'_, G, F> {
            fn drop(&mut self) {
                let state = regained(&mut self.1);
                // SAFETY: K1: the old one was read out.
                unsafe { ptr::write(self.0, state) };
            }
        }
        let mut closing = None;
        self.queue.wait::<B::Wait>(
            || {
                // SAFETY: K1: `Close` writes a new one.
                let state = unsafe { ptr::read(guard) };
                // First: a release that unwinds has released all the same.
                closing = Some(Close(guard, close));
                open(state);
            },
            limit,
        )
    }
}

impl<L, B: Backend> Default for RawCondvar<L, B> {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows how many wait; never blocks.
impl<L, B: Backend> fmt::Debug for RawCondvar<L, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RawCondvar");
        match self.queue.try_len() {
            Some(waiting) => debug.field("waiting", &waiting),
            None => debug.field("waiting", &format_args!("<locked>")),
        };
        debug.finish()
    }
}

impl<L: lock_api::RawMutex, B: Backend> RawCondvar<L, B> {
    /// # Safety
    ///
    /// As [`lock_api::RawCondvar::wait`].
    pub(crate) unsafe fn wait_limited(
        &self,
        mutex: &L,
        guard: &mut L::Guard,
        limit: &impl Limit,
    ) -> bool {
        // SAFETY: the caller holds the mutex with this state.
        unsafe { self.wait_with(guard, |state| mutex.unlock(state), || mutex.lock(), limit) }
    }
}

// SAFETY: a waiter stands in line before the mutex is let go, and holds it
// again in every way out (K1).
#[cfg(not(all(test, portunus_loom)))]
unsafe impl<L: lock_api::RawMutex, B: Backend> lock_api::RawCondvar for RawCondvar<L, B> {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Self = Self::new();
    type RawMutex = L;

    unsafe fn wait(&self, mutex: &L, guard: &mut L::Guard) {
        // SAFETY: by this function's contract.
        unsafe { self.wait_limited(mutex, guard, &Forever) };
    }

    fn notify_one(&self) -> bool {
        self.queue.notify_one()
    }

    fn notify_all(&self) -> usize {
        self.queue.notify_all()
    }
}

// SAFETY: as for a mutex.
#[cfg(not(all(test, portunus_loom)))]
unsafe impl<L: lock_api::RawRwLock, B: Backend> RawSharedCondvar<L> for RawCondvar<L, B> {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Self = Self::new();

    unsafe fn wait_shared(&self, lock: &L, guard: &mut L::SharedGuard, limit: &impl Limit) -> bool {
        // SAFETY: by this function's contract.
        unsafe {
            self.wait_with(guard, |state| lock.unlock_shared(state), || lock.lock_shared(), limit)
        }
    }

    unsafe fn wait_exclusive(
        &self,
        lock: &L,
        guard: &mut L::ExclusiveGuard,
        limit: &impl Limit,
    ) -> bool {
        // SAFETY: by this function's contract.
        unsafe {
            self.wait_with(
                guard,
                |state| lock.unlock_exclusive(state),
                || lock.lock_exclusive(),
                limit,
            )
        }
    }

    fn notify_one(&self) -> bool {
        self.queue.notify_one()
    }

    fn notify_all(&self) -> usize {
        self.queue.notify_all()
    }
}

// SAFETY: as for a mutex.
#[cfg(not(all(test, portunus_loom)))]
unsafe impl<L: lock_api::RawRwLockUpgrade, B: Backend> RawSharedCondvarUpgrade<L>
    for RawCondvar<L, B>
{
    unsafe fn wait_upgradable(
        &self,
        lock: &L,
        guard: &mut L::UpgradableGuard,
        limit: &impl Limit,
    ) -> bool {
        // SAFETY: by this function's contract.
        unsafe {
            self.wait_with(
                guard,
                |state| lock.unlock_upgradable(state),
                || lock.lock_upgradable(),
                limit,
            )
        }
    }
}

impl<B: Backend> Condvar<B> {
    /// # Safety
    ///
    /// As [`lock_api::RawCondvar::wait`].
    pub(crate) unsafe fn wait_raw(
        &self,
        mutex: &RawMutex<B>,
        guard: &mut Lined,
        limit: &impl Limit,
    ) -> bool {
        *guard = Lined(true);
        // SAFETY: the caller holds the mutex.
        unsafe { mutex.wait_in(self.queue(), super::guard::LOCK.mode, limit) }
    }
}

// SAFETY: a waiter stands in line before the mutex is let go, and holds it
// again in every way out; the state is a hint (W1).
#[cfg(not(all(test, portunus_loom)))]
unsafe impl<B: Backend> lock_api::RawCondvar for Condvar<B> {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Self = Self::new();
    type RawMutex = RawMutex<B>;

    unsafe fn wait(&self, mutex: &RawMutex<B>, guard: &mut Lined) {
        // SAFETY: by this function's contract.
        unsafe { self.wait_raw(mutex, guard, &Forever) };
    }

    fn notify_one(&self) -> bool {
        Self::notify_one(self)
    }

    fn notify_all(&self) -> usize {
        Self::notify_all(self)
    }
}

// SAFETY: as `lock_api::RawCondvar` for `Condvar`.
#[cfg(not(all(test, portunus_loom)))]
unsafe impl<P: Preference, B: Backend> RawSharedCondvar<RawRwLock<P, B>> for SharedCondvar<B> {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Self = Self::new();

    unsafe fn wait_shared(
        &self,
        lock: &RawRwLock<P, B>,
        guard: &mut Lined,
        limit: &impl Limit,
    ) -> bool {
        *guard = Lined(true);
        // SAFETY: the caller holds the lock in this mode.
        unsafe { lock.wait_in(self.queue(), READ.mode, limit) }
    }

    unsafe fn wait_exclusive(
        &self,
        lock: &RawRwLock<P, B>,
        guard: &mut Lined,
        limit: &impl Limit,
    ) -> bool {
        *guard = Lined(true);
        // SAFETY: the caller holds the lock in this mode.
        unsafe { lock.wait_in(self.queue(), WRITE.mode, limit) }
    }

    fn notify_one(&self) -> bool {
        Self::notify_one(self)
    }

    fn notify_all(&self) -> usize {
        Self::notify_all(self)
    }

    fn notify_one_of(&self, lock: &RawRwLock<P, B>) -> bool {
        // SAFETY: all such locks have the same modes (H3).
        self.queue().notify_one_at(Some(unsafe { lock.at_hand() }))
    }

    fn notify_all_of(&self, lock: &RawRwLock<P, B>) -> usize {
        // SAFETY: as above.
        self.queue().notify_all_at(Some(unsafe { lock.at_hand() }))
    }
}

// SAFETY: as `RawSharedCondvar` for `SharedCondvar`.
#[cfg(not(all(test, portunus_loom)))]
unsafe impl<P: Preference, B: Backend> RawSharedCondvarUpgrade<RawRwLock<P, B>>
    for SharedCondvar<B>
{
    unsafe fn wait_upgradable(
        &self,
        lock: &RawRwLock<P, B>,
        guard: &mut Lined,
        limit: &impl Limit,
    ) -> bool {
        *guard = Lined(true);
        // SAFETY: the caller holds the lock in this mode.
        unsafe { lock.wait_in(self.queue(), UPGRADABLE.mode, limit) }
    }
}
