//! Condition variables between processes.

use core::fmt;
use core::ops::{Deref, DerefMut};
use core::time::Duration;
use std::time::Instant;

use super::content::{Content, Site};
use super::data::Data;
use super::error::{Error, OwnerDied};
use super::fifo_lock::{Hold, request};
use super::format::Plan;
use super::mutex::MutexGuard;
use super::raw_condvar::RawCondvar;
use super::rwlock::{RwLockReadGuard, RwLockUpgradableReadGuard, RwLockWriteGuard};
use crate::condvar::WaitTimeoutResult;
use crate::raw::mode::Rules;
use crate::rules::{Exclusive, Preference, Shared};
use crate::wait::until::Until;
use crate::wait::{Forever, Limit};

/// The guard again, or with the news of an owner's death.
type Result<G> = core::result::Result<G, OwnerDied<G>>;
/// The same of a wait that may take too long.
type Timed<G> = Result<(G, WaitTimeoutResult)>;

/// A condition variable for a mutex that processes share: waits, with the
/// mutex let go, until somebody notifies.
///
/// ```
/// use portunus::shm::{Condvar, Mutex, Name, Options, Segment};
///
/// let name = Name::random();
/// let jobs: Segment<(Mutex<u32>, Condvar)> =
///     Segment::create(&name, &Options::new(), (0, ()))?;
///
/// # std::thread::scope(|scope| {
/// # scope.spawn(|| {
/// // In one process:
/// let (count, changed) = &*jobs;
/// let mut count = changed.wait_while(count.lock().unwrap(), |count| *count == 0).unwrap();
/// *count -= 1;
/// # });
/// // In another one:
/// let (count, changed) = &*jobs;
/// *count.lock().unwrap() += 1;
/// changed.notify_one();
/// # });
/// # Segment::unlink(&name)?;
/// # Ok::<(), portunus::shm::Error>(())
/// ```
///
/// It takes the guard and gives it back. Each condition is used with one lock,
/// that of its first wait, of the same segment.
///
/// # Fairness
///
/// One line, first come, first served, of the threads and tasks of all
/// processes: a notification goes to whoever has waited longest. From there
/// that one goes straight into the lock's line, and wakes when it owns the
/// lock; if the lock is free, to take it.
///
/// # Notifying
///
/// Whoever notifies keeps what it holds; it may hold the lock or not. A
/// notification that nobody waits for is forgotten. A waiter stands in line
/// before it lets the lock go: nobody is missed.
///
/// # Death
///
/// A dead waiter leaves the line, and the others keep their order. One that
/// dies after it was notified, and before it had the lock, passes the
/// notification on. A notifier that dies has notified or has not: of
/// [`notify_all`](Self::notify_all) all or nobody. Somebody who dies while a
/// notification is passed on may wake one more than was notified; nobody is
/// forgotten.
///
/// The death of one who holds the lock wakes nobody here: who should have
/// notified may be dead, so wait with a limit where that matters.
///
/// # Panics
///
/// Every operation panics in a child of `fork`; a wait with the guard of
/// another lock than before, or of one that was reached through another
/// [`Segment`](super::Segment). The guard is dropped then.
#[doc(alias = "Condition")]
#[doc(alias = "Waitable")]
#[doc(alias = "pthread_cond_t")]
pub struct Condvar {
    raw: RawCondvar,
}

/// A condition variable for readers and writers in several processes: waits,
/// with a shared lock let go, until somebody notifies.
///
/// It works with every guard of an [`RwLock`](super::RwLock), of any
/// preference: read, upgradable and write guards. Each waits, and comes back,
/// in its own mode; all of them stand in one line.
///
/// ```
/// use portunus::shm::{Name, Options, RwLock, Segment, SharedCondvar};
///
/// let name = Name::random();
/// let stock: Segment<(RwLock<u32>, SharedCondvar)> =
///     Segment::create(&name, &Options::new(), (0, ()))?;
///
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         let (stock, changed) = &*stock;
///         let seen = changed.wait_while(stock.read().unwrap(), |stock| *stock == 0).unwrap();
///         assert_eq!(*seen, 7);
///     });
///     *stock.0.write().unwrap() = 7;
///     stock.1.notify_all();
/// });
/// # Segment::unlink(&name)?;
/// # Ok::<(), portunus::shm::Error>(())
/// ```
///
/// Everything else is as with [`Condvar`].
#[doc(alias = "SWaitable")]
#[doc(alias = "SCondition")]
#[doc(alias = "RSCondition")]
#[doc(alias = "WSCondition")]
pub struct SharedCondvar {
    raw: RawCondvar,
}

/// A guard, taken apart.
///
/// Whoever may call this can put a reader's hold into a writer's guard. The
/// bound of a public trait makes it visible to all; the [`Key`] keeps it here.
#[doc(hidden)]
pub trait Parts<'a>: Sized {
    type Rules: Rules + 'a;
    type Data: Copy;
    fn into_parts(self, _: Key) -> (Hold<'a, Self::Rules>, Self::Data);
    fn from_parts(hold: Hold<'a, Self::Rules>, data: Self::Data, _: Key) -> Self;
}

/// What nobody else has, and so can't call [`Parts`] by.
#[derive(Clone, Copy, Debug)]
pub struct Key(());

/// The key, for those of this module who keep hold and guard together.
pub(super) const KEY: Key = Key(());

/// The guards that a [`Condvar`] waits with: those of a
/// [`Mutex`](super::Mutex).
///
/// It cannot be implemented elsewhere.
pub trait CondvarGuard<'a>: Parts<'a> {}

/// The guards that a [`SharedCondvar`] waits with: those of an
/// [`RwLock`](super::RwLock).
///
/// It cannot be implemented elsewhere. Nobody else takes such a guard apart, or
/// makes one: a reader that became a writer beside other readers would be
/// undefined behaviour.
///
/// ```compile_fail,E0061
/// use portunus::shm::{Hold, SharedCondvarGuard};
///
/// fn apart<'a, G: SharedCondvarGuard<'a>>(guard: G) -> (Hold<'a, G::Rules>, G::Data) {
///     guard.into_parts()
/// }
/// ```
///
/// ```compile_fail,E0061
/// use portunus::shm::{Hold, SharedCondvarGuard};
///
/// fn join<'a, G: SharedCondvarGuard<'a>>(hold: Hold<'a, G::Rules>, data: G::Data) -> G {
///     G::from_parts(hold, data)
/// }
/// ```
///
/// What a condition needs is there:
///
/// ```
/// use portunus::shm::{SharedCondvar, SharedCondvarGuard};
///
/// fn wait<'a, G: SharedCondvarGuard<'a>>(changed: &SharedCondvar, guard: G) -> G {
///     changed.wait(guard).unwrap_or_else(|died| died.into_inner())
/// }
/// ```
pub trait SharedCondvarGuard<'a>: Parts<'a> {}

macro_rules! parts {
    ($([$($param:ident: $bound:ident)?] $guard:ident, $rules:ty, $kind:ident;)*) => {$(
        impl<'a, T $(, $param: $bound)?> Parts<'a> for $guard<'a, T $(, $param)?> {
            type Rules = $rules;
            type Data = &'a Data<T>;

            fn into_parts(self, _: Key) -> (Hold<'a, $rules>, &'a Data<T>) {
                Self::into_parts(self)
            }

            fn from_parts(hold: Hold<'a, $rules>, data: &'a Data<T>, _: Key) -> Self {
                Self::from_parts(hold, data)
            }
        }
        impl<'a, T $(, $param: $bound)?> $kind<'a> for $guard<'a, T $(, $param)?> {}
    )*};
}
parts! {
    [] MutexGuard, Exclusive, CondvarGuard;
    [P: Preference] RwLockReadGuard, Shared<P>, SharedCondvarGuard;
    [P: Preference] RwLockUpgradableReadGuard, Shared<P>, SharedCondvarGuard;
    [P: Preference] RwLockWriteGuard, Shared<P>, SharedCondvarGuard;
}

/// Waits with any guard. Besides: whether it was notified.
fn wait<'a, G: Parts<'a>>(raw: &RawCondvar, guard: G, limit: &impl Limit) -> (Result<G>, bool) {
    let (hold, data) = guard.into_parts(KEY);
    // It may panic: while the hold is one.
    raw.bind(hold.lock().raw());
    let (lock, mode, weight, record) = hold.into_raw();
    let notified = lock.raw().wait_in(raw, record, request(mode, weight), limit);
    let guard = |hold| G::from_parts(hold, data, KEY);
    let held = lock.entered(mode, weight, record);
    (held.map(guard).map_err(|died| died.map(guard)), notified)
}

fn timed<G>((guard, notified): (Result<G>, bool)) -> Timed<G> {
    let with = |guard| (guard, WaitTimeoutResult::new(!notified));
    guard.map(with).map_err(|died| died.map(with))
}

/// Writes what the two kinds have in common.
macro_rules! condvar {
    ($name:ident, $guard:ident, $deref:ident, $text:literal, $($mutable:ident)?) => {
        impl Content for $name {
            type Init = ();

            fn plan(plan: &mut Plan) {
                plan.fingerprint.text($text);
                RawCondvar::plan(plan);
            }

            fn create(site: &mut Site<'_>, (): &()) -> core::result::Result<(), Error> {
                RawCondvar::create(site)
            }

            fn open(site: &mut Site<'_>) -> core::result::Result<Self, Error> {
                Ok(Self { raw: RawCondvar::open(site)? })
            }
        }

        impl $name {
            #[allow(dead_code, reason = "of the feature `async`")]
            pub(super) fn raw(&self) -> &RawCondvar {
                &self.raw
            }

            /// Waits until `limit`. Besides: whether it was notified.
            #[allow(dead_code, reason = "of one of the two")]
            pub(super) fn wait_limited<'a, G: $guard<'a>>(
                &self,
                guard: G,
                limit: &impl Limit,
            ) -> (Result<G>, bool) {
                wait(&self.raw, guard, limit)
            }

            /// Lets the guard's lock go, waits for a notification, and gives
            /// the guard back when it holds again.
            ///
            /// # Blocking
            ///
            /// Blocks the calling thread. In async code use `wait_async`.
            ///
            /// # Errors
            ///
            /// [`OwnerDied`], with the guard inside: as an acquisition.
            ///
            /// # Panics
            ///
            /// With the guard of another lock than before.
            #[doc(alias = "wait_read")]
            #[doc(alias = "wait_write")]
            pub fn wait<'a, G: $guard<'a>>(&self, guard: G) -> Result<G> {
                wait(&self.raw, guard, &Forever).0
            }

            /// As [`wait`](Self::wait), waiting for a notification no longer
            /// than `timeout`.
            ///
            /// The time limits the wait for the notification, not the one for
            /// the lock that follows. It never ends early.
            ///
            /// # Errors
            ///
            /// As [`wait`](Self::wait).
            #[doc(alias = "wait_timeout")]
            pub fn wait_for<'a, G: $guard<'a>>(&self, guard: G, timeout: Duration) -> Timed<G> {
                timed(wait(&self.raw, guard, &Until::after(timeout)))
            }

            /// As [`wait_for`](Self::wait_for), no longer than until
            /// `deadline`.
            ///
            /// # Errors
            ///
            /// As [`wait`](Self::wait).
            pub fn wait_until<'a, G: $guard<'a>>(&self, guard: G, deadline: Instant) -> Timed<G> {
                timed(wait(&self.raw, guard, &Until::at(deadline)))
            }

            /// Waits as long as `condition` holds: it is asked at once, and
            /// again after each notification, with the lock held.
            ///
            /// # Errors
            ///
            /// As [`wait`](Self::wait), at once: what the condition would look
            /// at may be half changed.
            ///
            /// # Panics
            ///
            /// If `condition` does; the guard is dropped then.
            #[doc(alias = "wait_for_predicate")]
            pub fn wait_while<'a, G, F>(&self, mut guard: G, mut condition: F) -> Result<G>
            where
                G: $guard<'a> + $deref,
                F: FnMut(& $($mutable)? G::Target) -> bool,
            {
                while condition(& $($mutable)? guard) {
                    guard = self.wait(guard)?;
                }
                Ok(guard)
            }

            /// As [`wait_while`](Self::wait_while), no longer than `timeout` in
            /// all.
            ///
            /// # Errors
            ///
            /// As [`wait_while`](Self::wait_while).
            #[doc(alias = "wait_timeout_while")]
            pub fn wait_while_for<'a, G, F>(
                &self,
                guard: G,
                condition: F,
                timeout: Duration,
            ) -> Timed<G>
            where
                G: $guard<'a> + $deref,
                F: FnMut(& $($mutable)? G::Target) -> bool,
            {
                self.wait_while_limited(guard, condition, &Until::after(timeout))
            }

            /// As [`wait_while`](Self::wait_while), no longer than until
            /// `deadline`.
            ///
            /// # Errors
            ///
            /// As [`wait_while`](Self::wait_while).
            pub fn wait_while_until<'a, G, F>(
                &self,
                guard: G,
                condition: F,
                deadline: Instant,
            ) -> Timed<G>
            where
                G: $guard<'a> + $deref,
                F: FnMut(& $($mutable)? G::Target) -> bool,
            {
                self.wait_while_limited(guard, condition, &Until::at(deadline))
            }

            fn wait_while_limited<'a, G, F>(
                &self,
                mut guard: G,
                mut condition: F,
                limit: &Until,
            ) -> Timed<G>
            where
                G: $guard<'a> + $deref,
                F: FnMut(& $($mutable)? G::Target) -> bool,
            {
                let mut notified = true;
                loop {
                    let holds = condition(& $($mutable)? guard);
                    if !holds || !notified {
                        return Ok((guard, WaitTimeoutResult::new(holds)));
                    }
                    (guard, notified) = match wait(&self.raw, guard, limit) {
                        (Ok(guard), notified) => (guard, notified),
                        died => return timed(died),
                    };
                }
            }

            /// Notifies the one that has waited longest. `false`: nobody did.
            ///
            /// It waits for nobody but those who are busy with the lock's
            /// line, and lets nothing go.
            #[doc(alias = "notify")]
            #[doc(alias = "notify_read")]
            #[doc(alias = "notify_write")]
            #[doc(alias = "signal")]
            pub fn notify_one(&self) -> bool {
                self.raw.notify_one()
            }

            /// Notifies all that wait now, and says how many.
            ///
            /// Otherwise as [`notify_one`](Self::notify_one).
            #[doc(alias = "notify_all_read")]
            #[doc(alias = "notify_all_write")]
            #[doc(alias = "broadcast")]
            pub fn notify_all(&self) -> usize {
                self.raw.notify_all()
            }

            /// How many wait for a notification now.
            #[must_use]
            pub fn waiting(&self) -> usize {
                self.raw.waiting()
            }
        }

        /// Shows how many wait; never blocks.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut debug = f.debug_struct($text);
                match self.raw.try_waiting() {
                    Some(waiting) => debug.field("waiting", &waiting),
                    None => debug.field("waiting", &format_args!("<locked>")),
                };
                debug.finish()
            }
        }
    };
}
condvar!(Condvar, CondvarGuard, DerefMut, "Condvar", mut);
condvar!(SharedCondvar, SharedCondvarGuard, Deref, "SharedCondvar",);
