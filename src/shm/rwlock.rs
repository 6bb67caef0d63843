//! Shared or exclusive access to data that processes share.

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
use crate::error::ConvertError;
use crate::rules::{Fair, Preference, Shared, SharedMode};

/// Shared or exclusive access to data that processes share, with a choice of
/// preference and an upgradable mode.
///
/// ```
/// use portunus::shm::{Name, Options, RwLock, RwLockUpgradableReadGuard, Segment};
///
/// let name = Name::random();
/// let best: Segment<RwLock<u64>> = Segment::create(&name, &Options::new(), 7)?;
///
/// let seen = best.upgradable_read().unwrap();
/// if *seen < 9 {
///     *RwLockUpgradableReadGuard::upgrade(seen) = 9;
/// }
/// assert_eq!(*best.read().unwrap(), 9);
/// # Segment::unlink(&name)?;
/// # Ok::<(), portunus::shm::Error>(())
/// ```
///
/// The death of a writer is reported to all who come after it, readers
/// included, until one marks the data consistent. The death of a reader is
/// nobody's concern. Otherwise fairness, death, blocking and panics are those
/// of [`FifoLock`](super::FifoLock).
#[doc(alias = "SharedLock")]
#[doc(alias = "RSLock")]
#[doc(alias = "WSLock")]
pub struct RwLock<T, P: Preference = Fair> {
    lock: FifoLock<Shared<P>>,
    data: Data<T>,
}

/// An acquisition, or the guard with the news of an owner's death.
type Result<G> = core::result::Result<G, OwnerDied<G>>;
/// The same of an attempt, which may come to nothing.
type Attempt<G> = core::result::Result<Option<G>, OwnerDied<G>>;

impl<T: ShmType, P: Preference> Content for RwLock<T, P> {
    type Init = T;

    fn plan(plan: &mut Plan) {
        plan.fingerprint.text("RwLock");
        FifoLock::<Shared<P>>::plan(plan);
        Data::<T>::plan(plan);
    }

    fn create(site: &mut Site<'_>, init: &T) -> core::result::Result<(), Error> {
        FifoLock::<Shared<P>>::create(site, &())?;
        Data::create(site, *init)
    }

    fn open(site: &mut Site<'_>) -> core::result::Result<Self, Error> {
        Ok(Self { lock: FifoLock::open(site)?, data: Data::open(site)? })
    }
}

macro_rules! acquisitions {
    ($guard:ident, $mode:expr, $what:literal, $block:ident, $try:ident, $for:ident, $until:ident) => {
        #[doc = concat!("Takes ", $what, ", waiting in line until its turn comes.")]
        ///
        /// # Errors
        ///
        /// [`OwnerDied`], with the guard inside.
        #[inline]
        pub fn $block(&self) -> Result<$guard<'_, T, P>> {
            guarded(self.lock.acquire($mode), |hold| $guard { hold, data: &self.data })
        }

        #[doc = concat!("Takes ", $what, " if that is possible now. It never overtakes.")]
        ///
        /// # Errors
        ///
        /// [`OwnerDied`], with the guard inside.
        #[inline]
        pub fn $try(&self) -> Attempt<$guard<'_, T, P>> {
            attempted(self.lock.try_acquire($mode), |hold| $guard { hold, data: &self.data })
        }

        #[doc = concat!("Takes ", $what, ", waiting in line no longer than `timeout`.")]
        ///
        /// # Errors
        ///
        /// [`OwnerDied`], with the guard inside.
        pub fn $for(&self, timeout: Duration) -> Attempt<$guard<'_, T, P>> {
            let hold = self.lock.acquire_for($mode, timeout);
            attempted(hold, |hold| $guard { hold, data: &self.data })
        }

        #[doc = concat!("Takes ", $what, ", waiting in line no longer than until `deadline`.")]
        ///
        /// # Errors
        ///
        /// [`OwnerDied`], with the guard inside.
        pub fn $until(&self, deadline: Instant) -> Attempt<$guard<'_, T, P>> {
            let hold = self.lock.acquire_until($mode, deadline);
            attempted(hold, |hold| $guard { hold, data: &self.data })
        }
    };
}

#[allow(dead_code, reason = "of the feature `async`")]
impl<T, P: Preference> RwLock<T, P> {
    pub(super) fn fifo(&self) -> &FifoLock<Shared<P>> {
        &self.lock
    }

    pub(super) fn reading<'a>(
        &'a self,
        hold: Result<Hold<'a, Shared<P>>>,
    ) -> Result<RwLockReadGuard<'a, T, P>> {
        guarded(hold, |hold| RwLockReadGuard { hold, data: &self.data })
    }

    pub(super) fn writing<'a>(
        &'a self,
        hold: Result<Hold<'a, Shared<P>>>,
    ) -> Result<RwLockWriteGuard<'a, T, P>> {
        guarded(hold, |hold| RwLockWriteGuard { hold, data: &self.data })
    }

    pub(super) fn upgradable<'a>(
        &'a self,
        hold: Result<Hold<'a, Shared<P>>>,
    ) -> Result<RwLockUpgradableReadGuard<'a, T, P>> {
        guarded(hold, |hold| RwLockUpgradableReadGuard { hold, data: &self.data })
    }
}

impl<T: ShmType, P: Preference> RwLock<T, P> {
    acquisitions! {
        RwLockReadGuard, SharedMode::Read, "shared access",
        read, try_read, try_read_for, try_read_until
    }

    acquisitions! {
        RwLockWriteGuard, SharedMode::Write, "exclusive access",
        write, try_write, try_write_for, try_write_until
    }

    acquisitions! {
        RwLockUpgradableReadGuard, SharedMode::Upgradable,
        "shared access that may become exclusive, of which there is one at a time",
        upgradable_read, try_upgradable_read, try_upgradable_read_for, try_upgradable_read_until
    }

    /// How many hold in `mode`: a snapshot.
    #[must_use]
    pub fn holders(&self, mode: SharedMode) -> usize {
        self.lock.holders(mode)
    }

    /// Whether anybody has it, in any mode: a snapshot.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.lock.is_locked()
    }

    /// How many wait: a snapshot.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lock.waiting()
    }

    /// Whether no writer died in the middle of a change, or somebody mended it.
    pub fn is_consistent(&self) -> bool {
        self.lock.is_consistent()
    }
}

fn guarded<H, G>(hold: Result<H>, guard: impl Fn(H) -> G) -> Result<G> {
    hold.map(&guard).map_err(|died| died.map(guard))
}

fn attempted<H, G>(hold: Attempt<H>, guard: impl Fn(H) -> G) -> Attempt<G> {
    hold.map(|hold| hold.map(&guard)).map_err(|died| died.map(guard))
}

/// Shows who has it; never blocks.
impl<T, P: Preference> fmt::Debug for RwLock<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RwLock").field("lock", &self.lock).finish_non_exhaustive()
    }
}

macro_rules! guard {
    ($(#[$meta:meta])* $guard:ident) => {
        $(#[$meta])*
        #[must_use = "a guard that is dropped at once releases at once"]
        pub struct $guard<'a, T, P: Preference = Fair> {
            hold: Hold<'a, Shared<P>>,
            data: &'a Data<T>,
        }

        impl<'a, T, P: Preference> $guard<'a, T, P> {
            pub(super) fn into_parts(self) -> (Hold<'a, Shared<P>>, &'a Data<T>) {
                (self.hold, self.data)
            }

            pub(super) fn from_parts(hold: Hold<'a, Shared<P>>, data: &'a Data<T>) -> Self {
                Self { hold, data }
            }
        }

        impl<T: ShmType, P: Preference> Deref for $guard<'_, T, P> {
            type Target = T;

            #[inline]
            fn deref(&self) -> &T {
                // SAFETY: D3: each of the modes keeps writers out, or is the
                // writer's own, whose guard is borrowed.
                unsafe { self.data.get() }
            }
        }

        impl<T: ShmType + fmt::Debug, P: Preference> fmt::Debug for $guard<'_, T, P> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    };
}

guard! {
    /// Shared access to what an [`RwLock`] protects; dropped, it releases.
    RwLockReadGuard
}

guard! {
    /// Exclusive access to what an [`RwLock`] protects; dropped, it releases.
    RwLockWriteGuard
}

guard! {
    /// Shared access to what an [`RwLock`] protects that may become exclusive.
    RwLockUpgradableReadGuard
}

impl<T: ShmType, P: Preference> DerefMut for RwLockWriteGuard<'_, T, P> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: D3: an exclusive hold, and the guard is borrowed mutably.
        unsafe { self.data.get_mut() }
    }
}

impl<'a, T: ShmType, P: Preference> RwLockWriteGuard<'a, T, P> {
    /// Says that the data are whole: the death that this guard was told of is
    /// not told any more.
    pub fn mark_consistent(&mut self) {
        self.hold.mark_consistent();
    }

    /// Goes on as a reader, without letting go.
    ///
    /// # Panics
    ///
    /// If there are as many readers as the lock can count.
    pub fn downgrade(mut s: Self) -> RwLockReadGuard<'a, T, P> {
        step_down(&mut s.hold, SharedMode::Read);
        RwLockReadGuard { hold: s.hold, data: s.data }
    }

    /// Goes on as the upgradable reader, without letting go.
    pub fn downgrade_to_upgradable(mut s: Self) -> RwLockUpgradableReadGuard<'a, T, P> {
        step_down(&mut s.hold, SharedMode::Upgradable);
        RwLockUpgradableReadGuard { hold: s.hold, data: s.data }
    }
}

/// A weaker mode is admitted beside whoever is there; but for a repair that
/// has stopped the lock for a moment, for which it waits.
fn step_down<P: Preference>(hold: &mut Hold<'_, Shared<P>>, mode: SharedMode) {
    if let Err(error) = hold.convert(mode) {
        panic!("a weaker mode is not admitted: {error}");
    }
}

impl<'a, T: ShmType, P: Preference> RwLockUpgradableReadGuard<'a, T, P> {
    /// Becomes the writer, waiting ahead of everybody until the readers have
    /// left.
    pub fn upgrade(mut s: Self) -> RwLockWriteGuard<'a, T, P> {
        match s.hold.convert(SharedMode::Write) {
            Ok(()) => RwLockWriteGuard { hold: s.hold, data: s.data },
            Err(_) => unreachable!("there is one upgradable reader at a time"),
        }
    }

    /// Becomes the writer if nobody reads. Never blocks; every now and then it
    /// looks whether those who read are alive.
    ///
    /// # Errors
    ///
    /// The guard, as it was.
    pub fn try_upgrade(mut s: Self) -> core::result::Result<RwLockWriteGuard<'a, T, P>, Self> {
        if s.hold.try_convert(SharedMode::Write) {
            Ok(RwLockWriteGuard { hold: s.hold, data: s.data })
        } else {
            Err(s)
        }
    }

    /// Becomes the writer, waiting for the readers no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// The guard, as it was.
    pub fn try_upgrade_for(
        mut s: Self,
        timeout: Duration,
    ) -> core::result::Result<RwLockWriteGuard<'a, T, P>, Self> {
        match s.hold.convert_for(SharedMode::Write, timeout) {
            Ok(()) => Ok(RwLockWriteGuard { hold: s.hold, data: s.data }),
            Err(ConvertError::TimedOut) => Err(s),
            Err(_) => unreachable!("there is one upgradable reader at a time"),
        }
    }

    /// Goes on as a plain reader.
    ///
    /// # Panics
    ///
    /// If there are as many readers as the lock can count.
    pub fn downgrade(mut s: Self) -> RwLockReadGuard<'a, T, P> {
        step_down(&mut s.hold, SharedMode::Read);
        RwLockReadGuard { hold: s.hold, data: s.data }
    }
}
