//! Data in a segment that are reached by entering only.

use core::fmt;
use core::ops::{Deref, DerefMut};
use core::time::Duration;
use std::time::Instant;

use super::condvar::{Condvar, SharedCondvar};
use super::content::{Content, Site};
use super::data::ShmType;
use super::error::{Error, OwnerDied};
use super::format::Plan;
use super::mutex::{Mutex, MutexGuard};
use super::rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use crate::door::{Borrowed, Permissions, Proxy, Resource};
use crate::rules::{Fair, Preference};

/// Entering, or the guard with the news of an owner's death.
type Result<G> = core::result::Result<G, OwnerDied<G>>;
/// The same of an attempt, which may come to nothing.
type Attempt<G> = core::result::Result<Option<G>, OwnerDied<G>>;
/// A proxy, or the guard with the news of an owner's death.
type Access<P, G> = core::result::Result<P, OwnerDied<G>>;

/// Data that processes share, and that one party at a time reaches, by
/// entering.
///
/// ```
/// use portunus::shm::{Door, Name, Options, Segment};
///
/// let name = Name::random();
/// let visitors: Segment<Door<u32>> = Segment::create(&name, &Options::new(), 0)?;
///
/// let mut inside = visitors.enter().unwrap();
/// *inside += 1;
/// assert!(visitors.try_enter().unwrap().is_none());
/// drop(inside);
/// assert_eq!(*visitors.enter().unwrap(), 1);
/// # Segment::unlink(&name)?;
/// # Ok::<(), portunus::shm::Error>(())
/// ```
///
/// Its guards wait inside, with the door let go, for a notification:
/// [`DoorGuard::wait_while`].
///
/// The data lie in the segment, and nothing is copied. For a door before a value
/// with a name of its own see [`HandleDoor`](super::HandleDoor).
///
/// # Fairness, death, blocking, panics
///
/// Those of [`Mutex`]: first come, first served, among the threads and tasks of
/// all processes; whoever enters after one who died inside is told by an
/// [`OwnerDied`]. A guard that is dropped by a panic releases.
#[doc(alias = "AcquirableDoor")]
#[doc(alias = "WaitableDoor")]
#[doc(alias = "monitor")]
pub struct Door<T> {
    pub(super) lock: Mutex<T>,
    pub(super) condvar: Condvar,
}

/// Data that processes share, and that readers reach together, and a writer
/// alone.
///
/// ```
/// use portunus::Permissions;
/// use portunus::shm::{Name, Options, Segment, SharedDoor};
///
/// let name = Name::random();
/// let board: Segment<SharedDoor<u32>> = Segment::create(&name, &Options::new(), 1)?;
/// {
///     let (one, two) = (board.read().unwrap(), board.read().unwrap());
///     assert_eq!(*one, *two);
///     assert!(board.try_write().unwrap().is_none());
/// }
/// *board.write().unwrap() += 1;
///
/// let mut proxy = board.access(Permissions::READ).unwrap();
/// assert_eq!(proxy.get(), Ok(&2));
/// assert!(proxy.get_mut().is_err());
/// # Segment::unlink(&name)?;
/// # Ok::<(), portunus::shm::Error>(())
/// ```
///
/// # Fairness, death, blocking, panics
///
/// Those of [`RwLock`]; `P` is the preference. Otherwise as [`Door`].
#[doc(alias = "SAcquirableDoor")]
#[doc(alias = "SWaitableDoor")]
pub struct SharedDoor<T, P: Preference = Fair> {
    pub(super) lock: RwLock<T, P>,
    pub(super) condvar: SharedCondvar,
}

impl<T: ShmType> Content for Door<T> {
    type Init = T;

    fn plan(plan: &mut Plan) {
        plan.fingerprint.text("Door");
        Mutex::<T>::plan(plan);
        Condvar::plan(plan);
    }

    fn create(site: &mut Site<'_>, init: &T) -> core::result::Result<(), Error> {
        Mutex::create(site, init)?;
        Condvar::create(site, &())
    }

    fn open(site: &mut Site<'_>) -> core::result::Result<Self, Error> {
        Ok(Self { lock: Mutex::open(site)?, condvar: Condvar::open(site)? })
    }
}

impl<T: ShmType, P: Preference> Content for SharedDoor<T, P> {
    type Init = T;

    fn plan(plan: &mut Plan) {
        plan.fingerprint.text("SharedDoor");
        RwLock::<T, P>::plan(plan);
        SharedCondvar::plan(plan);
    }

    fn create(site: &mut Site<'_>, init: &T) -> core::result::Result<(), Error> {
        RwLock::<T, P>::create(site, init)?;
        SharedCondvar::create(site, &())
    }

    fn open(site: &mut Site<'_>) -> core::result::Result<Self, Error> {
        Ok(Self { lock: RwLock::open(site)?, condvar: SharedCondvar::open(site)? })
    }
}

/// Writes the ways of entering in one kind.
macro_rules! entering {
    (
        $guard:ty = $make:ident, $what:literal, $awaited:literal,
        $block:ident = $raw:ident, $try:ident = $raw_try:ident, $for:ident = $raw_for:ident,
        $until:ident = $raw_until:ident
    ) => {
        #[doc = concat!("Enters", $what, ", waiting for its turn.")]
        ///
        /// # Blocking
        ///
        #[doc = concat!("Blocks the calling thread. In async code use `", $awaited, "`.")]
        ///
        /// # Errors
        ///
        /// [`OwnerDied`], with the guard inside.
        #[inline]
        pub fn $block(&self) -> Result<$guard> {
            self.$make(self.lock.$raw())
        }

        #[doc = concat!("Enters", $what, " if that is possible now. Never blocks.")]
        ///
        /// # Errors
        ///
        /// [`OwnerDied`], with the guard inside.
        #[inline]
        pub fn $try(&self) -> Attempt<$guard> {
            self.lock.$raw_try().transpose().map(|inner| self.$make(inner)).transpose()
        }

        #[doc = concat!("Enters", $what, ", waiting no longer than `timeout`.")]
        ///
        /// `None`: the time was over, and nothing is left of the request.
        ///
        /// # Errors
        ///
        /// [`OwnerDied`], with the guard inside.
        pub fn $for(&self, timeout: Duration) -> Attempt<$guard> {
            self.lock.$raw_for(timeout).transpose().map(|inner| self.$make(inner)).transpose()
        }

        #[doc = concat!("Enters", $what, ", waiting no longer than until `deadline`.")]
        ///
        /// # Errors
        ///
        /// [`OwnerDied`], with the guard inside.
        pub fn $until(&self, deadline: Instant) -> Attempt<$guard> {
            self.lock.$raw_until(deadline).transpose().map(|inner| self.$make(inner)).transpose()
        }
    };
}

impl<T: ShmType> Door<T> {
    entering! {
        DoorGuard<'_, T> = inside, "", "enter_async",
        enter = lock, try_enter = try_lock, enter_for = try_lock_for, enter_until = try_lock_until
    }

    pub(super) fn inside<'a>(
        &'a self,
        inner: Result<MutexGuard<'a, T>>,
    ) -> Result<DoorGuard<'a, T>> {
        let guard = |inner| DoorGuard { inner, door: self };
        inner.map(guard).map_err(|died| died.map(guard))
    }

    /// Enters, with a say at run time in what may be done inside.
    ///
    /// Any access takes the whole door. See [`Proxy`].
    ///
    /// # Errors
    ///
    /// [`OwnerDied`], with the guard inside, of which [`Proxy::over`] makes a
    /// proxy when the data are mended.
    #[allow(clippy::type_complexity, reason = "a proxy says what it is over")]
    pub fn access(
        &self,
        permissions: Permissions,
    ) -> Access<Proxy<'_, T, DoorGuard<'_, T>>, DoorGuard<'_, T>> {
        Ok(Proxy::over(self.enter()?, permissions))
    }

    /// As [`access`](Self::access), if entering is possible now.
    ///
    /// # Errors
    ///
    /// As [`access`](Self::access).
    #[allow(clippy::type_complexity, reason = "a proxy says what it is over")]
    pub fn try_access(
        &self,
        permissions: Permissions,
    ) -> Access<Option<Proxy<'_, T, DoorGuard<'_, T>>>, DoorGuard<'_, T>> {
        Ok(self.try_enter()?.map(|guard| Proxy::over(guard, permissions)))
    }
}

impl<T: ShmType, P: Preference> SharedDoor<T, P> {
    entering! {
        DoorReadGuard<'_, T, P> = reading, " for reading", "read_async",
        read = read, try_read = try_read, read_for = try_read_for, read_until = try_read_until
    }

    entering! {
        DoorWriteGuard<'_, T, P> = writing, " for writing (and reading)", "write_async",
        write = write, try_write = try_write, write_for = try_write_for,
        write_until = try_write_until
    }

    pub(super) fn reading<'a>(
        &'a self,
        inner: Result<RwLockReadGuard<'a, T, P>>,
    ) -> Result<DoorReadGuard<'a, T, P>> {
        let guard = |inner| DoorReadGuard { inner, door: self };
        inner.map(guard).map_err(|died| died.map(guard))
    }

    pub(super) fn writing<'a>(
        &'a self,
        inner: Result<RwLockWriteGuard<'a, T, P>>,
    ) -> Result<DoorWriteGuard<'a, T, P>> {
        let guard = |inner| DoorWriteGuard { inner, door: self };
        inner.map(guard).map_err(|died| died.map(guard))
    }

    /// Enters, with a say at run time in what may be done inside.
    ///
    /// With [`Permissions::WRITE`] it enters as a writer, without as a reader.
    /// See [`Proxy`].
    ///
    /// # Errors
    ///
    /// [`OwnerDied`], with the guard inside, of which [`Proxy::over`] makes a
    /// proxy when the data are mended.
    #[allow(clippy::type_complexity, reason = "a proxy says what it is over")]
    pub fn access(
        &self,
        permissions: Permissions,
    ) -> Access<Proxy<'_, T, SharedDoorGuard<'_, T, P>>, SharedDoorGuard<'_, T, P>> {
        let guard = if permissions.contains(Permissions::WRITE) {
            SharedDoorGuard::Write(self.write().map_err(|died| died.map(SharedDoorGuard::Write))?)
        } else {
            SharedDoorGuard::Read(self.read().map_err(|died| died.map(SharedDoorGuard::Read))?)
        };
        Ok(Proxy::over(guard, permissions))
    }

    /// As [`access`](Self::access), if entering is possible now.
    ///
    /// # Errors
    ///
    /// As [`access`](Self::access).
    #[allow(clippy::type_complexity, reason = "a proxy says what it is over")]
    pub fn try_access(
        &self,
        permissions: Permissions,
    ) -> Access<Option<Proxy<'_, T, SharedDoorGuard<'_, T, P>>>, SharedDoorGuard<'_, T, P>> {
        let guard = if permissions.contains(Permissions::WRITE) {
            let guard = self.try_write().map_err(|died| died.map(SharedDoorGuard::Write))?;
            guard.map(SharedDoorGuard::Write)
        } else {
            let guard = self.try_read().map_err(|died| died.map(SharedDoorGuard::Read))?;
            guard.map(SharedDoorGuard::Read)
        };
        Ok(guard.map(|guard| Proxy::over(guard, permissions)))
    }
}

/// Writes what both doors tell.
macro_rules! asking {
    ($([$($param:ident: $bound:ident)?] $door:ident)*) => {$(
        impl<T: ShmType $(, $param: $bound)?> $door<T $(, $param)?> {
            /// Whether somebody is inside now: a snapshot.
            #[must_use]
            pub fn is_locked(&self) -> bool {
                self.lock.is_locked()
            }

            /// How many wait to enter: a snapshot.
            #[must_use]
            pub fn waiting(&self) -> usize {
                self.lock.waiting()
            }

            /// Whether nobody died inside in the middle of a change, or somebody
            /// mended it.
            pub fn is_consistent(&self) -> bool {
                self.lock.is_consistent()
            }
        }

        /// Shows whether somebody is inside; never blocks.
        impl<T $(, $param: $bound)?> fmt::Debug for $door<T $(, $param)?> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($door)).field("lock", &self.lock).finish()
            }
        }
    )*};
}

asking! { [] Door [P: Preference] SharedDoor }

/// Access to what is behind a [`Door`]: reading and writing. Dropped, it
/// releases.
#[must_use = "a guard that is dropped at once releases at once"]
#[doc(alias = "release")]
pub struct DoorGuard<'a, T> {
    pub(super) inner: MutexGuard<'a, T>,
    pub(super) door: &'a Door<T>,
}

/// Reading access to what is behind a [`SharedDoor`]. Dropped, it releases.
///
/// It does not write:
///
/// ```compile_fail,E0594
/// # fn write(door: &portunus::shm::SharedDoor<u32>) {
/// let mut reading = door.read().unwrap();
/// *reading = 2;
/// # }
/// ```
///
/// A [`DoorWriteGuard`] does:
///
/// ```
/// # fn write(door: &portunus::shm::SharedDoor<u32>) {
/// let mut writing = door.write().unwrap();
/// *writing = 2;
/// # }
/// ```
#[must_use = "a guard that is dropped at once releases at once"]
#[doc(alias = "release_read")]
pub struct DoorReadGuard<'a, T, P: Preference = Fair> {
    pub(super) inner: RwLockReadGuard<'a, T, P>,
    pub(super) door: &'a SharedDoor<T, P>,
}

/// Reading and writing access to what is behind a [`SharedDoor`]. Dropped, it
/// releases.
#[must_use = "a guard that is dropped at once releases at once"]
#[doc(alias = "release_write")]
pub struct DoorWriteGuard<'a, T, P: Preference = Fair> {
    pub(super) inner: RwLockWriteGuard<'a, T, P>,
    pub(super) door: &'a SharedDoor<T, P>,
}

macro_rules! guards {
    ($([$($param:ident: $bound:ident)?] $guard:ident of $door:ident;)*) => {$(
        impl<'a, T: ShmType $(, $param: $bound)?> $guard<'a, T $(, $param)?> {
            /// The door through which it came.
            pub fn door(guard: &Self) -> &'a $door<T $(, $param)?> {
                guard.door
            }
        }

        impl<T: ShmType $(, $param: $bound)?> Deref for $guard<'_, T $(, $param)?> {
            type Target = T;

            #[inline]
            fn deref(&self) -> &T {
                &self.inner
            }
        }

        impl<T: ShmType + fmt::Debug $(, $param: $bound)?> fmt::Debug
            for $guard<'_, T $(, $param)?>
        {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    )*};
}

guards! {
    [] DoorGuard of Door;
    [P: Preference] DoorReadGuard of SharedDoor;
    [P: Preference] DoorWriteGuard of SharedDoor;
}

/// Adds writing to the guards of those who are alone.
macro_rules! alone {
    ($([$($param:ident: $bound:ident)?] $guard:ident)*) => {$(
        impl<T: ShmType $(, $param: $bound)?> $guard<'_, T $(, $param)?> {
            /// Says that the data are whole: the death that this guard was told
            /// of is not told any more.
            pub fn mark_consistent(&mut self) {
                self.inner.mark_consistent();
            }
        }

        impl<T: ShmType $(, $param: $bound)?> DerefMut for $guard<'_, T $(, $param)?> {
            #[inline]
            fn deref_mut(&mut self) -> &mut T {
                &mut self.inner
            }
        }
    )*};
}

alone! { [] DoorGuard [P: Preference] DoorWriteGuard }

impl<T: ShmType> Resource for DoorGuard<'_, T> {
    type Target = T;

    fn shared(&self) -> &T {
        self
    }

    fn lend(&mut self) -> Borrowed<'_, T> {
        Borrowed::Exclusive(self)
    }
}

/// The guard of a [`SharedDoor`], in the kind that was asked for at run time.
#[must_use = "a guard that is dropped at once releases at once"]
pub enum SharedDoorGuard<'a, T, P: Preference = Fair> {
    /// For reading.
    Read(DoorReadGuard<'a, T, P>),
    /// For reading and writing.
    Write(DoorWriteGuard<'a, T, P>),
}

impl<T: ShmType, P: Preference> Resource for SharedDoorGuard<'_, T, P> {
    type Target = T;

    fn shared(&self) -> &T {
        match self {
            Self::Read(guard) => guard,
            Self::Write(guard) => guard,
        }
    }

    fn lend(&mut self) -> Borrowed<'_, T> {
        match self {
            Self::Read(guard) => Borrowed::Shared(guard),
            Self::Write(guard) => Borrowed::Exclusive(guard),
        }
    }
}

impl<T: ShmType + fmt::Debug, P: Preference> fmt::Debug for SharedDoorGuard<'_, T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared().fmt(f)
    }
}
