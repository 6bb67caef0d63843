//! Condition variables: waiting, with a lock let go, until somebody notifies.

#![allow(unsafe_code)]

mod guard;
#[cfg(not(all(test, portunus_loom)))]
mod guards;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr", not(all(test, portunus_loom))))]
mod owned;
mod raw;
#[cfg(feature = "std")]
mod timed;

use core::fmt;
use core::ops::{Deref, DerefMut};

pub use guard::{CondvarGuard, SharedCondvarGuard};
#[allow(unreachable_pub, unused_imports, reason = "futures name them, and they are a feature")]
pub(crate) use guard::{Held, Remade, Waits};
pub use raw::RawCondvar;

use crate::atomic::constructor;
use crate::backend::Backend;
use crate::wait::queue::WaitQueue;
use crate::wait::{Forever, Limit};

/// Whether a wait ended because its time was over.
///
/// ```
/// # #[cfg(feature = "std")] {
/// use std::time::Duration;
/// use portunus::sync::{Condvar, Mutex};
///
/// let (ready, changed) = (Mutex::new(false), Condvar::new());
/// let mut guard = ready.lock();
/// let short = Duration::from_millis(1);
/// // Nobody makes it ready.
/// assert!(changed.wait_while_for(&mut guard, |ready| !*ready, short).timed_out());
/// *guard = true;
/// assert!(!changed.wait_while_for(&mut guard, |ready| !*ready, short).timed_out());
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    pub(crate) fn new(timed_out: bool) -> Self {
        Self(timed_out)
    }

    /// `true`: the time was over, and no notification had come. Of a wait for
    /// a condition: it still held when the time was over.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

/// A condition variable for a mutex: waits, with the mutex let go, until
/// somebody notifies.
///
/// It works with the guards of this crate's mutexes: [`MutexGuard`], and those
/// that keep the mutex alive. For a readers-writer lock there is
/// [`SharedCondvar`], for somebody else's mutex [`RawCondvar`].
///
/// ```
/// use portunus::sync::{Condvar, Mutex};
///
/// static READY: Mutex<bool> = Mutex::new(false);
/// static CHANGED: Condvar = Condvar::new();
///
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         let mut ready = READY.lock();
///         CHANGED.wait_while(&mut ready, |ready| !*ready);
///         assert!(*ready);
///     });
///     *READY.lock() = true;
///     CHANGED.notify_one();
/// });
/// ```
///
/// # Fairness
///
/// One line, first come, first served, of threads and tasks: a notification
/// wakes whoever has waited longest. A thread goes from there straight into the
/// mutex's line, and wakes only when it owns the mutex: one wake-up for each
/// waiter, however many were notified at once, and in their order. (Above sixteen
/// it is done in batches, between which others may notify, too.) So does a
/// task whose guard keeps the mutex alive (`lock_arc_async`), and any task that waits
/// with the mutex of a guard by which it is notified, with
/// [`notify_one_inside`](Self::notify_one_inside). Any other task wakes when it
/// is notified, and asks for the mutex when it is polled: its future may have
/// been forgotten, with the mutex gone since.
///
/// ```
/// use portunus::prelude::*;
/// use portunus::sync::{Condvar, Mutex};
///
/// # smol::block_on(async {
/// let (ready, changed) = (Mutex::new(false), Condvar::new());
/// let waiter = changed.wait_while_async(ready.lock_async().await, |ready| !*ready);
/// let notifier = async {
///     let mut ready = ready.lock_async().await;
///     *ready = true;
///     // The waiter wakes when this guard is gone, and holds the mutex.
///     changed.notify_one_inside(&ready)
/// };
/// let (ready, notified) = smol::future::zip(waiter, notifier).await;
/// assert!(*ready && notified);
/// # });
/// ```
///
/// # No spurious wake-ups
///
/// A wait ends by a notification, or by its time. What was notified is
/// counted exactly. Still, somebody may enter between the notification and
/// the waiter: wait for a condition, with [`wait_while`](Self::wait_while).
///
/// # Notifying
///
/// A notification that nobody waits for is forgotten. Whoever notifies keeps
/// what it holds; it may hold the mutex or not, and notify more than once
/// meanwhile. Nobody is missed who stood in line before: a waiter does so
/// before it lets the mutex go. On `critical` an interrupt handler may notify.
///
/// # Cancel safety
///
/// See [`wait_async`](Self::wait_async).
///
/// [`MutexGuard`]: lock_api::MutexGuard
#[doc(alias = "Condition")]
#[doc(alias = "Waitable")]
pub struct Condvar<B: Backend> {
    queue: WaitQueue<B::Inner>,
}

/// A condition variable for readers and writers: waits, with a shared lock let
/// go, until somebody notifies.
///
/// It works with every guard of this crate's readers-writer locks, of any
/// preference: read, upgradable and write guards. Each waits, and comes back,
/// in its own mode.
///
/// ```
/// use portunus::sync::{RwLock, SharedCondvar};
///
/// static STOCK: RwLock<u32> = RwLock::new(0);
/// static CHANGED: SharedCondvar = SharedCondvar::new();
///
/// std::thread::scope(|scope| {
///     for _ in 0..3 {
///         // All three read at once when there is something to read.
///         scope.spawn(|| {
///             let mut stock = STOCK.read();
///             CHANGED.wait_while(&mut stock, |stock| *stock == 0);
///             assert_eq!(*stock, 7);
///         });
///     }
///     *STOCK.write() = 7;
///     CHANGED.notify_all();
/// });
/// ```
///
/// # Fairness
///
/// One line of readers and writers, threads and tasks: a notification wakes
/// whoever has waited longest, whichever guard it and the notifier have. From
/// there it goes into the lock's line, or, where the lock prefers readers or
/// writers, into the lane of its mode; it wakes when it holds. (Of tasks, which
/// can't always be handed over, what [`Condvar`] says is true.)
///
/// So this is the read-preferring condition over a lock that prefers readers,
/// and the write-preferring one over a lock that prefers writers:
///
/// ```
/// use portunus::{ReadPreferring, WritePreferring, sync::{RwLock, SharedCondvar}};
///
/// struct ReadFirst { lock: RwLock<u32, ReadPreferring>, changed: SharedCondvar }
/// struct WriteFirst { lock: RwLock<u32, WritePreferring>, changed: SharedCondvar }
/// # fn wait(a: &ReadFirst, b: &WriteFirst) {
/// #     a.changed.wait(&mut a.lock.write());
/// #     b.changed.wait(&mut b.lock.read());
/// # }
/// ```
///
/// Everything else is as with [`Condvar`].
#[doc(alias = "SWaitable")]
#[doc(alias = "SCondition")]
#[doc(alias = "AsyncSCondition")]
#[doc(alias = "RSCondition")]
#[doc(alias = "WSCondition")]
pub struct SharedCondvar<B: Backend> {
    queue: WaitQueue<B::Inner>,
}

/// Writes what the two kinds have in common.
macro_rules! condvar {
    ($name:ident, $guard:ident, $text:literal) => {
        impl<B: Backend> $name<B> {
            constructor! {
                /// With nobody waiting.
                #[must_use]
                pub fn new() -> Self {
                    Self { queue: WaitQueue::new() }
                }
            }

            /// Lets the guard's lock go, waits for a notification, and holds
            /// the lock again when it returns.
            ///
            /// What is waited for is looked at in a loop, as
            /// [`wait_while`](Self::wait_while) does: others may have been there
            /// before.
            ///
            /// # Blocking
            ///
            /// Blocks the calling thread or core. In async code use
            /// [`wait_async`](Self::wait_async).
            ///
            /// # Panics
            ///
            /// If the waker of somebody who is let in does; the guard holds
            /// its lock again then, too.
            ///
            /// # Aborts
            ///
            /// If a strategy of waiting panics while the lock is taken again:
            /// the guard would be without it.
            #[doc(alias = "wait_read")]
            #[doc(alias = "wait_write")]
            pub fn wait<G: $guard<B>>(&self, guard: &mut G) {
                // Without a limit it ends by a notification; a strategy that
                // ends too early only lets the guard's owner look too early.
                let _: bool = self.wait_limited(guard, &Forever);
            }

            pub(crate) fn wait_limited<G: $guard<B>>(
                &self,
                guard: &mut G,
                limit: &impl Limit,
            ) -> bool {
                guard.wait_in(&self.queue, limit)
            }

            /// Notifies the one that has waited longest. `false`: nobody did.
            ///
            /// Never blocks, and lets nothing go.
            #[doc(alias = "notify")]
            #[doc(alias = "notify_read")]
            #[doc(alias = "notify_write")]
            #[doc(alias = "signal")]
            pub fn notify_one(&self) -> bool {
                self.queue.notify_one()
            }

            /// Notifies all that wait now, and says how many.
            ///
            /// That is one moment, also where so many wait that they are
            /// notified in several batches: whoever comes after it is not
            /// among them, and takes the notifications that are made after it.
            /// Whoever leaves before its turn has come is not counted, and takes no
            /// notification that is made meanwhile. Whom others notify meanwhile
            /// may come into the lock's line before the later batches.
            ///
            /// Never blocks, and lets nothing go.
            #[doc(alias = "notify_all_read")]
            #[doc(alias = "notify_all_write")]
            #[doc(alias = "broadcast")]
            pub fn notify_all(&self) -> usize {
                self.queue.notify_all()
            }

            /// As [`notify_one`](Self::notify_one), by one who is inside.
            ///
            /// The guard shows that its lock is there: tasks that wait with
            /// this lock move straight into its line, and wake when they hold
            /// it, as threads always do. Nobody notified by this enters before
            /// the guard is dropped, unless both read.
            #[doc(alias = "notify")]
            pub fn notify_one_inside<G: $guard<B>>(&self, guard: &G) -> bool {
                // SAFETY: all guards of such a lock ask for its modes (H3).
                self.queue.notify_one_at(Some(unsafe { guard.raw().at_hand() }))
            }

            /// As [`notify_all`](Self::notify_all), by one who is inside: see
            /// [`notify_one_inside`](Self::notify_one_inside).
            #[doc(alias = "notify_all")]
            pub fn notify_all_inside<G: $guard<B>>(&self, guard: &G) -> usize {
                // SAFETY: as above.
                self.queue.notify_all_at(Some(unsafe { guard.raw().at_hand() }))
            }

            /// How many wait for a notification now.
            ///
            /// Counts them one by one, under the inner lock. Who was notified
            /// and waits for the lock is in the lock's line, and not counted; nor
            /// is whom a `notify_all` in progress is about to reach.
            #[must_use]
            pub fn waiting(&self) -> usize {
                self.queue.len()
            }

            #[allow(dead_code, reason = "of futures")]
            pub(crate) fn queue(&self) -> &WaitQueue<B::Inner> {
                &self.queue
            }
        }

        impl<B: Backend> Default for $name<B> {
            fn default() -> Self {
                Self::new()
            }
        }

        #[doc = $text]
        impl<B: Backend> fmt::Debug for $name<B> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut debug = f.debug_struct(stringify!($name));
                match self.queue.try_len() {
                    Some(waiting) => debug.field("waiting", &waiting),
                    None => debug.field("waiting", &format_args!("<locked>")),
                };
                debug.finish()
            }
        }
    };
}
condvar!(Condvar, CondvarGuard, "Shows how many wait; never blocks.");
condvar!(SharedCondvar, SharedCondvarGuard, "Shows how many wait; never blocks.");

impl<B: Backend> Condvar<B> {
    /// Waits as long as `condition` holds: it is asked at once, and again
    /// after each notification, with the mutex held.
    ///
    /// # Blocking
    ///
    /// As [`wait`](Self::wait).
    ///
    /// # Panics
    ///
    /// If `condition` does; the guard holds the mutex then, too.
    #[doc(alias = "wait_for_predicate")]
    pub fn wait_while<G, F>(&self, guard: &mut G, mut condition: F)
    where
        G: CondvarGuard<B> + DerefMut,
        F: FnMut(&mut G::Target) -> bool,
    {
        while condition(guard) {
            self.wait(guard);
        }
    }
}

impl<B: Backend> SharedCondvar<B> {
    /// Waits as long as `condition` holds: it is asked at once, and again
    /// after each notification, with the lock held in the guard's mode.
    ///
    /// # Blocking
    ///
    /// As [`wait`](Self::wait).
    ///
    /// # Panics
    ///
    /// If `condition` does; the guard holds the lock then, too.
    #[doc(alias = "wait_for_predicate")]
    pub fn wait_while<G, F>(&self, guard: &mut G, mut condition: F)
    where
        G: SharedCondvarGuard<B> + Deref,
        F: FnMut(&G::Target) -> bool,
    {
        while condition(guard) {
            self.wait(guard);
        }
    }
}
