//! Exclusive access to data that processes share.

#![allow(unsafe_code)]

use core::fmt;
use core::ops::{Deref, DerefMut};
use core::time::Duration;
use std::time::Instant;

use super::content::{Content, Site};
use super::data::{Data, ShmType};
use super::error::{Error, OwnerDied};
use super::fifo_lock::{FifoLock, Hold};
use super::format::Plan;
use crate::rules::{Exclusive, Sole};

/// Exclusive access to data that processes share, first come, first served.
///
/// ```
/// use portunus::shm::{Mutex, Name, Options, Segment};
///
/// portunus::shm_type! {
///     struct Account { balance: i64, bookings: u64 }
/// }
///
/// let name = Name::random();
/// let account: Segment<Mutex<Account>> =
///     Segment::create(&name, &Options::new(), Account { balance: 0, bookings: 0 })?;
///
/// let mut guard = account.lock().unwrap_or_else(|died| {
///     // Its last owner died between the two changes, perhaps.
///     let mut guard = died.into_inner();
///     guard.bookings = guard.balance.unsigned_abs();
///     guard.mark_consistent();
///     guard
/// });
/// guard.balance += 1;
/// guard.bookings += 1;
/// drop(guard);
/// # Segment::unlink(&name)?;
/// # Ok::<(), portunus::shm::Error>(())
/// ```
///
/// Fairness, death, blocking and panics are those of
/// [`FifoLock`](super::FifoLock).
#[doc(alias = "Lock")]
#[doc(alias = "PTHREAD_MUTEX_ROBUST")]
pub struct Mutex<T> {
    lock: FifoLock<Exclusive>,
    data: Data<T>,
}

/// An acquisition, or the guard with the news of an owner's death.
type Result<G> = core::result::Result<G, OwnerDied<G>>;
/// The same of an attempt, which may come to nothing.
type Attempt<G> = core::result::Result<Option<G>, OwnerDied<G>>;

impl<T: ShmType> Content for Mutex<T> {
    type Init = T;

    fn plan(plan: &mut Plan) {
        plan.fingerprint.text("Mutex");
        FifoLock::<Exclusive>::plan(plan);
        Data::<T>::plan(plan);
    }

    fn create(site: &mut Site<'_>, init: &T) -> core::result::Result<(), Error> {
        FifoLock::<Exclusive>::create(site, &())?;
        Data::create(site, *init)
    }

    fn open(site: &mut Site<'_>) -> core::result::Result<Self, Error> {
        Ok(Self { lock: FifoLock::open(site)?, data: Data::open(site)? })
    }
}

impl<T> Mutex<T> {
    #[allow(dead_code, reason = "of the feature `async`")]
    pub(super) fn fifo(&self) -> &FifoLock<Exclusive> {
        &self.lock
    }

    #[allow(dead_code, reason = "of the feature `async`")]
    pub(super) fn guarded<'a>(
        &'a self,
        hold: Result<Hold<'a, Exclusive>>,
    ) -> Result<MutexGuard<'a, T>> {
        guarded(self, hold)
    }
}

impl<T: ShmType> Mutex<T> {
    /// Takes it, waiting in line until its turn comes.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`], with the guard inside.
    #[inline]
    pub fn lock(&self) -> Result<MutexGuard<'_, T>> {
        guarded(self, self.lock.acquire(Sole::Exclusive))
    }

    /// Takes it if it is free and nobody waits.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`], with the guard inside.
    #[inline]
    pub fn try_lock(&self) -> Attempt<MutexGuard<'_, T>> {
        attempted(self, self.lock.try_acquire(Sole::Exclusive))
    }

    /// Takes it, waiting in line no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`], with the guard inside.
    pub fn try_lock_for(&self, timeout: Duration) -> Attempt<MutexGuard<'_, T>> {
        attempted(self, self.lock.acquire_for(Sole::Exclusive, timeout))
    }

    /// Takes it, waiting in line no longer than until `deadline`.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`], with the guard inside.
    pub fn try_lock_until(&self, deadline: Instant) -> Attempt<MutexGuard<'_, T>> {
        attempted(self, self.lock.acquire_until(Sole::Exclusive, deadline))
    }

    /// Whether somebody has it: a snapshot.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.lock.is_locked()
    }

    /// How many wait: a snapshot.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lock.waiting()
    }

    /// Whether no owner died in the middle of a change, or somebody mended it.
    pub fn is_consistent(&self) -> bool {
        self.lock.is_consistent()
    }
}

fn guarded<'a, T>(
    mutex: &'a Mutex<T>,
    hold: Result<Hold<'a, Exclusive>>,
) -> Result<MutexGuard<'a, T>> {
    let guard = |hold| MutexGuard { hold, data: &mutex.data };
    hold.map(guard).map_err(|died| died.map(guard))
}

fn attempted<'a, T>(
    mutex: &'a Mutex<T>,
    hold: Attempt<Hold<'a, Exclusive>>,
) -> Attempt<MutexGuard<'a, T>> {
    let guard = |hold| MutexGuard { hold, data: &mutex.data };
    hold.map(|hold| hold.map(guard)).map_err(|died| died.map(guard))
}

/// Shows whether it is taken; never blocks.
impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex").field("lock", &self.lock).finish_non_exhaustive()
    }
}

/// Access to what a [`Mutex`] protects; dropped, it releases.
///
/// In a child of `fork` it protects nothing: reaching for the data panics,
/// dropping it does nothing.
#[must_use = "a guard that is dropped at once releases at once"]
pub struct MutexGuard<'a, T> {
    hold: Hold<'a, Exclusive>,
    data: &'a Data<T>,
}

impl<'a, T> MutexGuard<'a, T> {
    pub(super) fn into_parts(self) -> (Hold<'a, Exclusive>, &'a Data<T>) {
        (self.hold, self.data)
    }

    pub(super) fn from_parts(hold: Hold<'a, Exclusive>, data: &'a Data<T>) -> Self {
        Self { hold, data }
    }
}

impl<T> MutexGuard<'_, T> {
    /// Says that the data are whole: the death that this guard was told of is
    /// not told any more.
    pub fn mark_consistent(&mut self) {
        self.hold.mark_consistent();
    }
}

impl<T: ShmType> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: D3: an exclusive hold, and the guard is borrowed.
        unsafe { self.data.get() }
    }
}

impl<T: ShmType> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: D3: an exclusive hold, and the guard is borrowed mutably.
        unsafe { self.data.get_mut() }
    }
}

impl<T: ShmType + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
