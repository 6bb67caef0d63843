//! Raw traits in the style of `lock_api`, for acquisitions that are awaited
//! and for conditions of shared locks.
//!
//! As with `lock_api`'s own, an implementor writes the state machine and no
//! data; guards and futures are written once, over the traits, and work over
//! anybody's lock.

#![allow(unsafe_code)]

use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use crate::wait::Limit;

/// A place in the line of a raw lock, inside the future that waits.
pub trait RawWaiter: Default {
    /// Whether its acquisition has ended with a success.
    fn is_done(&self) -> bool;
}

/// A raw mutex whose acquisition can be awaited.
///
/// `lock_api::Mutex` over it then has `lock_async` (with `portunus::prelude::*`),
/// and [`Door`](crate::Door) has `enter_async`. A lock of your own, which whoever
/// asks first after a release gets:
///
/// ```
/// use std::cell::Cell;
/// use std::collections::BTreeMap;
/// use std::pin::{Pin, pin};
/// use std::sync::{Condvar, Mutex, MutexGuard};
/// use std::task::{Context, Poll, Waker};
///
/// use portunus::prelude::*;
/// use portunus::raw::{RawMutexAsync, RawWaiter};
///
/// struct Barging {
///     state: Mutex<State>,
///     released: Condvar,
/// }
/// struct State {
///     held: bool,
///     /// Of the tasks that wait, by the addresses of their places.
///     wakers: BTreeMap<usize, Waker>,
/// }
/// impl Barging {
///     fn state(&self) -> MutexGuard<'_, State> { self.state.lock().unwrap() }
/// }
///
/// // SAFETY: `held` is set by who finds it unset, under the mutex, and by nobody else.
/// unsafe impl lock_api::RawMutex for Barging {
///     const INIT: Self = Self {
///         state: Mutex::new(State { held: false, wakers: BTreeMap::new() }),
///         released: Condvar::new(),
///     };
///     type Guard = ();
///
///     fn lock(&self) {
///         let state = self.state();
///         let mut state = self.released.wait_while(state, |state| state.held).unwrap();
///         state.held = true;
///     }
///     fn try_lock(&self) -> Option<()> {
///         let held = std::mem::replace(&mut self.state().held, true);
///         (!held).then_some(())
///     }
///     unsafe fn unlock(&self, _: ()) {
///         let mut state = self.state();
///         state.held = false;
///         let wakers = std::mem::take(&mut state.wakers);
///         drop(state);
///         self.released.notify_one();
///         // All of them: one that is dropped meanwhile keeps nobody asleep.
///         wakers.into_values().for_each(Waker::wake);
///     }
///     fn is_locked(&self) -> bool { self.state().held }
/// }
///
/// /// A place in line: has it the lock? It is not empty, so that its address is its own.
/// #[derive(Default)]
/// struct Place(Cell<bool>);
/// impl Place {
///     fn address(&self) -> usize { std::ptr::from_ref(self).addr() }
/// }
/// impl RawWaiter for Place {
///     fn is_done(&self) -> bool { self.0.get() }
/// }
///
/// // SAFETY: ready is who has set `held`; who has not leaves its waker, and
/// // every release calls all of them; nothing but the address is kept.
/// unsafe impl RawMutexAsync for Barging {
///     type Waiter = Place;
///
///     unsafe fn poll_lock(&self, place: Pin<&Place>, cx: &mut Context<'_>) -> Poll<()> {
///         if place.is_done() {
///             return Poll::Pending;
///         }
///         // What is the user's runs outside of the mutex.
///         let waker = cx.waker().clone();
///         let mut state = self.state();
///         let old = if state.held {
///             state.wakers.insert(place.address(), waker)
///         } else {
///             state.held = true;
///             place.0.set(true);
///             state.wakers.remove(&place.address())
///         };
///         drop((state, old));
///         if place.is_done() { Poll::Ready(()) } else { Poll::Pending }
///     }
///     unsafe fn cancel_lock(&self, place: Pin<&Place>) {
///         let old = self.state().wakers.remove(&place.address());
///         drop(old);
///     }
/// }
///
/// static TOTAL: lock_api::Mutex<Barging, u32> = lock_api::Mutex::new(0);
///
/// let held = TOTAL.lock();
/// let mut waiting = pin!(TOTAL.lock_async());
/// assert!(smol::block_on(smol::future::poll_once(&mut waiting)).is_none());
/// drop(held);
/// *smol::block_on(waiting) += 1;
/// assert_eq!(*TOTAL.lock(), 1);
/// ```
///
/// # Safety
///
/// `poll_lock` returns `Ready` exactly when the caller has become the holder,
/// as after [`lock_api::RawMutex::lock`]. After `cancel_lock` nothing refers
/// to the waiter any more, and an acquisition that was granted and not yet
/// reported by `poll_lock` has been given back.
///
/// Until it is ready, `poll_lock` sees to it that the waker of the latest poll
/// is woken when another poll can succeed. Once it has returned `Ready`,
/// [`RawWaiter::is_done`] is true, and further polls return `Pending`.
pub unsafe trait RawMutexAsync: lock_api::RawMutex {
    /// A place in line.
    type Waiter: RawWaiter;

    /// Asks for the lock, or asks again.
    ///
    /// # Safety
    ///
    /// A waiter is used with one lock only, and by one call at a time. Once
    /// polled, it stays pinned until `poll_lock` has returned `Ready` or
    /// `cancel_lock` was called.
    unsafe fn poll_lock(
        &self,
        waiter: Pin<&Self::Waiter>,
        cx: &mut Context<'_>,
    ) -> Poll<Self::Guard>;

    /// Takes the request back. It is called for every waiter in the end, also
    /// for one that was never polled or has returned `Ready`: then it does
    /// nothing.
    ///
    /// # Safety
    ///
    /// As [`poll_lock`](Self::poll_lock), with the same lock.
    unsafe fn cancel_lock(&self, waiter: Pin<&Self::Waiter>);
}

/// A raw readers-writer lock whose acquisitions can be awaited.
///
/// # Safety
///
/// As [`RawMutexAsync`], for `lock_shared` and `lock_exclusive` of
/// [`lock_api::RawRwLock`].
pub unsafe trait RawRwLockAsync: lock_api::RawRwLock {
    /// A reader's place in line.
    type SharedWaiter: RawWaiter;
    /// A writer's place in line.
    type ExclusiveWaiter: RawWaiter;

    /// Asks for shared access, or asks again.
    ///
    /// # Safety
    ///
    /// As [`RawMutexAsync::poll_lock`].
    unsafe fn poll_lock_shared(
        &self,
        waiter: Pin<&Self::SharedWaiter>,
        cx: &mut Context<'_>,
    ) -> Poll<Self::SharedGuard>;

    /// Takes the request back.
    ///
    /// # Safety
    ///
    /// As [`RawMutexAsync::cancel_lock`].
    unsafe fn cancel_lock_shared(&self, waiter: Pin<&Self::SharedWaiter>);

    /// Asks for exclusive access, or asks again.
    ///
    /// # Safety
    ///
    /// As [`RawMutexAsync::poll_lock`].
    unsafe fn poll_lock_exclusive(
        &self,
        waiter: Pin<&Self::ExclusiveWaiter>,
        cx: &mut Context<'_>,
    ) -> Poll<Self::ExclusiveGuard>;

    /// Takes the request back.
    ///
    /// # Safety
    ///
    /// As [`RawMutexAsync::cancel_lock`].
    unsafe fn cancel_lock_exclusive(&self, waiter: Pin<&Self::ExclusiveWaiter>);
}

/// A raw readers-writer lock whose upgradable acquisition, and its upgrade, can
/// be awaited.
///
/// # Safety
///
/// As [`RawMutexAsync`], for `lock_upgradable` and `upgrade` of
/// [`lock_api::RawRwLockUpgrade`].
pub unsafe trait RawRwLockUpgradeAsync: RawRwLockAsync + lock_api::RawRwLockUpgrade {
    /// An upgradable reader's place in line.
    type UpgradableWaiter: RawWaiter;

    /// Asks for upgradable access, or asks again.
    ///
    /// # Safety
    ///
    /// As [`RawMutexAsync::poll_lock`].
    unsafe fn poll_lock_upgradable(
        &self,
        waiter: Pin<&Self::UpgradableWaiter>,
        cx: &mut Context<'_>,
    ) -> Poll<Self::UpgradableGuard>;

    /// Takes the request back.
    ///
    /// # Safety
    ///
    /// As [`RawMutexAsync::cancel_lock`].
    unsafe fn cancel_lock_upgradable(&self, waiter: Pin<&Self::UpgradableWaiter>);

    /// The place in line of an upgradable reader that wants to write.
    type UpgradeWaiter: RawWaiter;

    /// Asks to make the caller's upgradable acquisition an exclusive one, or
    /// asks again.
    ///
    /// Once it is ready, the caller holds exclusively. The state of its
    /// upgradable acquisition is forgotten then: nobody uses or drops it.
    ///
    /// # Safety
    ///
    /// As [`RawMutexAsync::poll_lock`]. Until it is ready or `cancel_upgrade`
    /// was called, the caller holds the lock upgradably and does not let go.
    unsafe fn poll_upgrade(
        &self,
        waiter: Pin<&Self::UpgradeWaiter>,
        cx: &mut Context<'_>,
    ) -> Poll<Self::ExclusiveGuard>;

    /// Takes the request back. `Some`: the upgrade had been granted, and not
    /// yet reported by `poll_upgrade`: the caller holds exclusively, with this
    /// state, as if it had been. Otherwise it holds what it held before.
    ///
    /// # Safety
    ///
    /// As [`RawMutexAsync::cancel_lock`].
    unsafe fn cancel_upgrade(
        &self,
        waiter: Pin<&Self::UpgradeWaiter>,
    ) -> Option<Self::ExclusiveGuard>;
}

/// A condition variable for a raw readers-writer lock.
///
/// It is to [`lock_api::RawRwLock`] what [`lock_api::RawCondvar`] is to
/// [`lock_api::RawMutex`]. One line serves readers and writers: a notification
/// is for whoever has waited longest.
///
/// # Safety
///
/// A wait stands in line before it lets the lock go, and holds it again, in
/// the same mode, in every way out: `guard` is then the state of that
/// acquisition. It returns `true` after a notification, and `false` when
/// `limit` was over before one came.
#[doc(alias = "RawRwCondvar")]
pub unsafe trait RawSharedCondvar<L: lock_api::RawRwLock> {
    /// With nobody waiting.
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Self;

    /// Lets shared access go, waits, and takes it again.
    ///
    /// # Safety
    ///
    /// The caller holds the lock with this state, and nobody uses the data
    /// until this returns.
    unsafe fn wait_shared(&self, lock: &L, guard: &mut L::SharedGuard, limit: &impl Limit) -> bool;

    /// Lets exclusive access go, waits, and takes it again.
    ///
    /// # Safety
    ///
    /// As [`wait_shared`](Self::wait_shared).
    unsafe fn wait_exclusive(
        &self,
        lock: &L,
        guard: &mut L::ExclusiveGuard,
        limit: &impl Limit,
    ) -> bool;

    /// Notifies the one that has waited longest. `false`: nobody did.
    fn notify_one(&self) -> bool;

    /// Notifies all that wait now, and says how many.
    fn notify_all(&self) -> usize;

    /// As [`notify_one`](Self::notify_one), by one who has the lock at hand: it
    /// may hand that over to a task that waits with it.
    fn notify_one_of(&self, _lock: &L) -> bool {
        self.notify_one()
    }

    /// As [`notify_all`](Self::notify_all), by one who has the lock at hand: it
    /// may hand that over to the tasks that wait with it.
    fn notify_all_of(&self, _lock: &L) -> usize {
        self.notify_all()
    }
}

/// A [`RawSharedCondvar`] that upgradable readers can wait with, too.
///
/// # Safety
///
/// As [`RawSharedCondvar`].
pub unsafe trait RawSharedCondvarUpgrade<L: lock_api::RawRwLockUpgrade>:
    RawSharedCondvar<L>
{
    /// Lets upgradable access go, waits, and takes it again.
    ///
    /// # Safety
    ///
    /// As [`RawSharedCondvar::wait_shared`].
    unsafe fn wait_upgradable(
        &self,
        lock: &L,
        guard: &mut L::UpgradableGuard,
        limit: &impl Limit,
    ) -> bool;
}

/// A condition variable for a raw mutex, which may be told of the mutex when it
/// is notified.
///
/// Every [`lock_api::RawCondvar`] is one, and makes no use of that.
///
/// # Safety
///
/// As [`lock_api::RawCondvar`].
pub unsafe trait RawMutexCondvar<L: lock_api::RawMutex> {
    /// Lets the mutex go, waits, and takes it again.
    ///
    /// # Safety
    ///
    /// The caller holds the mutex with this state, and nobody uses the data
    /// until this returns.
    unsafe fn wait(&self, mutex: &L, guard: &mut L::Guard);

    /// Notifies the one that has waited longest, by one who has the mutex at
    /// hand: it may hand that over to a task that waits with it. `false`:
    /// nobody waited.
    fn notify_one_of(&self, mutex: &L) -> bool;

    /// Notifies all that wait now, by one who has the mutex at hand, and says
    /// how many.
    fn notify_all_of(&self, mutex: &L) -> usize;
}

// SAFETY: by its own contract.
unsafe impl<C: lock_api::RawCondvar> RawMutexCondvar<C::RawMutex> for C {
    unsafe fn wait(
        &self,
        mutex: &C::RawMutex,
        guard: &mut <C::RawMutex as lock_api::RawMutex>::Guard,
    ) {
        // SAFETY: by this function's contract.
        unsafe { lock_api::RawCondvar::wait(self, mutex, guard) };
    }

    fn notify_one_of(&self, _: &C::RawMutex) -> bool {
        self.notify_one()
    }

    fn notify_all_of(&self, _: &C::RawMutex) -> usize {
        self.notify_all()
    }
}

/// A [`RawMutexCondvar`] that waits no longer than a time.
///
/// Every [`lock_api::RawCondvarTimed`] is one.
///
/// # Safety
///
/// As [`lock_api::RawCondvarTimed`].
pub unsafe trait RawMutexCondvarTimed<L: lock_api::RawMutexTimed>:
    RawMutexCondvar<L>
{
    /// The end of a time that begins now; `None`: beyond the clock's range.
    fn checked_duration_to_instant(timeout: &L::Duration) -> Option<L::Instant>;

    /// Waits no longer than `timeout`. `true`: that was over, and no
    /// notification had come.
    ///
    /// # Safety
    ///
    /// As [`RawMutexCondvar::wait`].
    unsafe fn wait_for(&self, mutex: &L, guard: &mut L::Guard, timeout: &L::Duration) -> bool;

    /// Waits no longer than until `deadline`; otherwise as
    /// [`wait_for`](Self::wait_for).
    ///
    /// # Safety
    ///
    /// As [`RawMutexCondvar::wait`].
    unsafe fn wait_until(&self, mutex: &L, guard: &mut L::Guard, deadline: &L::Instant) -> bool;
}

// SAFETY: by its own contract.
unsafe impl<C: lock_api::RawCondvarTimed<RawMutex = L>, L: lock_api::RawMutexTimed>
    RawMutexCondvarTimed<L> for C
{
    fn checked_duration_to_instant(timeout: &L::Duration) -> Option<L::Instant> {
        <C as lock_api::RawCondvarTimed>::checked_duration_to_instant(timeout)
    }

    unsafe fn wait_for(&self, mutex: &L, guard: &mut L::Guard, timeout: &L::Duration) -> bool {
        // SAFETY: by this function's contract.
        unsafe { lock_api::RawCondvarTimed::wait_for(self, mutex, guard, timeout) }
    }

    unsafe fn wait_until(&self, mutex: &L, guard: &mut L::Guard, deadline: &L::Instant) -> bool {
        // SAFETY: by this function's contract.
        unsafe { lock_api::RawCondvarTimed::wait_until(self, mutex, guard, deadline) }
    }
}

/// A condition variable for a raw mutex whose waits can be awaited.
///
/// A wait has three steps: `join` stands in line, the caller lets the mutex
/// go, `poll_wait` asks whether it was notified and holds again.
///
/// # Safety
///
/// `poll_wait` returns `Ready` exactly when the caller was notified and has
/// become the mutex's holder again. After `cancel_wait` nothing refers to the
/// waiter any more; a notification that came for it alone went to the next,
/// and a mutex that it had been granted was let go.
pub unsafe trait RawCondvarAsync<L: lock_api::RawMutex>: RawMutexCondvar<L> {
    /// A place in line.
    type Waiter: Default;

    /// Stands in line. The caller lets the mutex go afterwards. Should it unwind,
    /// as the clone of a waker may, it does not stand in line.
    ///
    /// # Safety
    ///
    /// Once for each waiter, or again where it unwound. The waiter stays pinned, and
    /// the mutex in its place, until `poll_wait` has returned `Ready` or `cancel_wait` was called.
    unsafe fn join(&self, mutex: &L, waiter: Pin<&Self::Waiter>, waker: &Waker);

    /// As [`join`](Self::join), for one who keeps the lock alive.
    ///
    /// # Safety
    ///
    /// As there; and the lock is alive and in its place until `Ready`, until it
    /// is cancelled, and also when the waiter is forgotten.
    unsafe fn join_owned(&self, lock: &L, waiter: Pin<&Self::Waiter>, waker: &Waker) {
        // SAFETY: by this function's contract.
        unsafe { self.join(lock, waiter, waker) };
    }

    /// Asks whether the waiting is over.
    ///
    /// # Safety
    ///
    /// After `join` with the same mutex, and not after `Ready`.
    unsafe fn poll_wait(
        &self,
        mutex: &L,
        waiter: Pin<&Self::Waiter>,
        cx: &mut Context<'_>,
    ) -> Poll<L::Guard>;

    /// Gives the waiting up, wherever it is. Nothing before `join` and after
    /// `Ready`.
    ///
    /// # Safety
    ///
    /// As `poll_wait`.
    unsafe fn cancel_wait(&self, mutex: &L, waiter: Pin<&Self::Waiter>);
}

/// A condition variable for a raw readers-writer lock whose waits can be
/// awaited.
///
/// # Safety
///
/// As [`RawCondvarAsync`], for shared and for exclusive access.
pub unsafe trait RawSharedCondvarAsync<L: lock_api::RawRwLock>: RawSharedCondvar<L> {
    /// A reader's place in line.
    type SharedWaiter: Default;
    /// A writer's place in line.
    type ExclusiveWaiter: Default;

    /// Stands in line as a reader.
    ///
    /// # Safety
    ///
    /// As [`RawCondvarAsync::join`].
    unsafe fn join_shared(&self, lock: &L, waiter: Pin<&Self::SharedWaiter>, waker: &Waker);

    /// As [`join_shared`](Self::join_shared), for one who keeps the lock alive.
    ///
    /// # Safety
    ///
    /// As there; and the lock is alive and in its place until `Ready`, until it
    /// is cancelled, and also when the waiter is forgotten.
    unsafe fn join_shared_owned(&self, lock: &L, waiter: Pin<&Self::SharedWaiter>, waker: &Waker) {
        // SAFETY: by this function's contract.
        unsafe { self.join_shared(lock, waiter, waker) };
    }

    /// Asks whether a reader's waiting is over.
    ///
    /// # Safety
    ///
    /// As [`RawCondvarAsync::poll_wait`].
    unsafe fn poll_wait_shared(
        &self,
        lock: &L,
        waiter: Pin<&Self::SharedWaiter>,
        cx: &mut Context<'_>,
    ) -> Poll<L::SharedGuard>;

    /// Gives a reader's waiting up.
    ///
    /// # Safety
    ///
    /// As [`RawCondvarAsync::cancel_wait`].
    unsafe fn cancel_wait_shared(&self, lock: &L, waiter: Pin<&Self::SharedWaiter>);

    /// Stands in line as a writer.
    ///
    /// # Safety
    ///
    /// As [`RawCondvarAsync::join`].
    unsafe fn join_exclusive(&self, lock: &L, waiter: Pin<&Self::ExclusiveWaiter>, waker: &Waker);

    /// As [`join_exclusive`](Self::join_exclusive), for one who keeps the lock alive.
    ///
    /// # Safety
    ///
    /// As there; and the lock is alive and in its place until `Ready`, until it
    /// is cancelled, and also when the waiter is forgotten.
    unsafe fn join_exclusive_owned(
        &self,
        lock: &L,
        waiter: Pin<&Self::ExclusiveWaiter>,
        waker: &Waker,
    ) {
        // SAFETY: by this function's contract.
        unsafe { self.join_exclusive(lock, waiter, waker) };
    }

    /// Asks whether a writer's waiting is over.
    ///
    /// # Safety
    ///
    /// As [`RawCondvarAsync::poll_wait`].
    unsafe fn poll_wait_exclusive(
        &self,
        lock: &L,
        waiter: Pin<&Self::ExclusiveWaiter>,
        cx: &mut Context<'_>,
    ) -> Poll<L::ExclusiveGuard>;

    /// Gives a writer's waiting up.
    ///
    /// # Safety
    ///
    /// As [`RawCondvarAsync::cancel_wait`].
    unsafe fn cancel_wait_exclusive(&self, lock: &L, waiter: Pin<&Self::ExclusiveWaiter>);
}

/// A [`RawSharedCondvarAsync`] that upgradable readers can wait with, too.
///
/// # Safety
///
/// As [`RawSharedCondvarAsync`], for upgradable access.
pub unsafe trait RawSharedCondvarUpgradeAsync<L: lock_api::RawRwLockUpgrade>:
    RawSharedCondvarAsync<L>
{
    /// An upgradable reader's place in line.
    type UpgradableWaiter: Default;

    /// Stands in line as an upgradable reader.
    ///
    /// # Safety
    ///
    /// As [`RawCondvarAsync::join`].
    unsafe fn join_upgradable(&self, lock: &L, waiter: Pin<&Self::UpgradableWaiter>, waker: &Waker);

    /// As [`join_upgradable`](Self::join_upgradable), for one who keeps the lock alive.
    ///
    /// # Safety
    ///
    /// As there; and the lock is alive and in its place until `Ready`, until it
    /// is cancelled, and also when the waiter is forgotten.
    unsafe fn join_upgradable_owned(
        &self,
        lock: &L,
        waiter: Pin<&Self::UpgradableWaiter>,
        waker: &Waker,
    ) {
        // SAFETY: by this function's contract.
        unsafe { self.join_upgradable(lock, waiter, waker) };
    }

    /// Asks whether an upgradable reader's waiting is over.
    ///
    /// # Safety
    ///
    /// As [`RawCondvarAsync::poll_wait`].
    unsafe fn poll_wait_upgradable(
        &self,
        lock: &L,
        waiter: Pin<&Self::UpgradableWaiter>,
        cx: &mut Context<'_>,
    ) -> Poll<L::UpgradableGuard>;

    /// Gives an upgradable reader's waiting up.
    ///
    /// # Safety
    ///
    /// As [`RawCondvarAsync::cancel_wait`].
    unsafe fn cancel_wait_upgradable(&self, lock: &L, waiter: Pin<&Self::UpgradableWaiter>);
}
