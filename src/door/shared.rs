//! A resource behind a readers-writer lock.

#![allow(unsafe_code)]

use core::fmt;

use lock_api::{RawRwLock, RawRwLockTimed, RwLock};

use super::{DoorReadGuard, DoorWriteGuard, NoCondvar, Permissions, Proxy};
use super::{SharedDoorCondvar, SharedDoorGuard};

/// A resource that readers reach together, and a writer alone.
///
/// It stands over any `lock_api` 0.5 raw readers-writer lock `L`, ours or
/// somebody else's, and over a condition variable `C` for its readers and
/// writers, or none. Each backend names it for its own, as `SharedDoor<T, P>`,
/// where `P` is the preference; see also the [module](super).
///
/// ```
/// use portunus::spin::SharedDoor;
///
/// let board: SharedDoor<Vec<u32>> = SharedDoor::new(vec![1]);
/// {
///     let (one, two) = (board.read(), board.read());
///     assert_eq!(*one, *two);
///     assert!(board.try_write().is_none());
/// }
/// board.write().push(2);
/// assert_eq!(board.read().len(), 2);
/// ```
///
/// # Fairness, waiting, panics
///
/// Those of the lock. With this crate's locks the default is strictly first
/// come, first served; `P` chooses otherwise. A guard that is dropped by a panic
/// releases, and there is no poisoning: the resource is as the panic left it.
#[doc(alias = "SAcquirableDoor")]
#[doc(alias = "AsyncSAcquirableDoor")]
#[doc(alias = "SWaitableDoor")]
#[doc(alias = "AsyncSWaitableDoor")]
pub struct SharedDoor<L, T: ?Sized, C = NoCondvar> {
    pub(crate) condvar: C,
    pub(crate) lock: RwLock<L, T>,
}

impl<L: RawRwLock, T, C: SharedDoorCondvar<L>> SharedDoor<L, T, C> {
    /// A door with the resource behind it, and nobody inside.
    #[must_use]
    pub const fn new(resource: T) -> Self {
        Self { condvar: C::NEW, lock: RwLock::new(resource) }
    }
}

impl<L, T, C> SharedDoor<L, T, C> {
    /// A door over a raw lock and a condition variable that are there already.
    #[must_use]
    pub const fn from_raw(lock: L, condvar: C, resource: T) -> Self {
        Self { condvar, lock: RwLock::from_raw(lock, resource) }
    }
}

impl<L: RawRwLock, T, C> SharedDoor<L, T, C> {
    /// The resource.
    pub fn into_inner(self) -> T {
        self.lock.into_inner()
    }
}

impl<L: RawRwLock, T: ?Sized, C> SharedDoor<L, T, C> {
    /// Enters for reading, waiting for its turn.
    ///
    /// # Blocking
    ///
    /// Blocks the calling thread or core. In async code use `read_async`.
    #[inline]
    #[doc(alias = "acquire_read")]
    pub fn read(&self) -> DoorReadGuard<'_, L, T, C> {
        let state = self.raw().lock_shared();
        // SAFETY: just acquired, for reading.
        unsafe { DoorReadGuard::new(self, state) }
    }

    /// Enters for writing (and reading), waiting for its turn.
    ///
    /// # Blocking
    ///
    /// Blocks the calling thread or core. In async code use `write_async`.
    #[inline]
    #[doc(alias = "acquire_write")]
    pub fn write(&self) -> DoorWriteGuard<'_, L, T, C> {
        let state = self.raw().lock_exclusive();
        // SAFETY: just acquired, for writing.
        unsafe { DoorWriteGuard::new(self, state) }
    }

    /// Enters for reading if that is possible now. Never blocks.
    #[inline]
    pub fn try_read(&self) -> Option<DoorReadGuard<'_, L, T, C>> {
        // SAFETY: just acquired, for reading.
        self.raw().try_lock_shared().map(|state| unsafe { DoorReadGuard::new(self, state) })
    }

    /// Enters for writing (and reading) if that is possible now. Never blocks.
    #[inline]
    pub fn try_write(&self) -> Option<DoorWriteGuard<'_, L, T, C>> {
        // SAFETY: just acquired, for writing.
        self.raw().try_lock_exclusive().map(|state| unsafe { DoorWriteGuard::new(self, state) })
    }

    /// Enters, with a say at run time in what may be done inside.
    ///
    /// With [`Permissions::WRITE`] it enters as a writer, without as a reader.
    /// See [`Proxy`].
    ///
    /// # Blocking
    ///
    /// As [`read`](Self::read) and [`write`](Self::write).
    pub fn access(&self, permissions: Permissions) -> Proxy<'_, T, SharedDoorGuard<'_, L, T, C>> {
        let guard = if permissions.contains(Permissions::WRITE) {
            SharedDoorGuard::Write(self.write())
        } else {
            SharedDoorGuard::Read(self.read())
        };
        Proxy::over(guard, permissions)
    }

    /// As [`access`](Self::access), if entering is possible now.
    pub fn try_access(
        &self,
        permissions: Permissions,
    ) -> Option<Proxy<'_, T, SharedDoorGuard<'_, L, T, C>>> {
        let guard = if permissions.contains(Permissions::WRITE) {
            SharedDoorGuard::Write(self.try_write()?)
        } else {
            SharedDoorGuard::Read(self.try_read()?)
        };
        Some(Proxy::over(guard, permissions))
    }

    /// The resource, without entering: nobody else can.
    pub fn get_mut(&mut self) -> &mut T {
        self.lock.get_mut()
    }

    /// Whether somebody is inside now: a snapshot.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.raw().is_locked()
    }

    /// Whether a writer is inside now: a snapshot.
    pub fn is_locked_exclusive(&self) -> bool {
        self.raw().is_locked_exclusive()
    }

    /// The raw lock, for asking only.
    #[inline(always)]
    pub(crate) fn raw(&self) -> &L {
        // SAFETY: what a guard holds is let go by that guard only.
        unsafe { self.lock.raw() }
    }
}

impl<L: RawRwLockTimed, T: ?Sized, C> SharedDoor<L, T, C> {
    /// Enters for reading, waiting no longer than `timeout`; `None`: the time
    /// was over, and nothing is left of the request.
    ///
    /// # Blocking
    ///
    /// As [`read`](Self::read).
    #[doc(alias = "try_read_for")]
    pub fn read_for(&self, timeout: L::Duration) -> Option<DoorReadGuard<'_, L, T, C>> {
        let state = self.raw().try_lock_shared_for(timeout)?;
        // SAFETY: just acquired, for reading.
        Some(unsafe { DoorReadGuard::new(self, state) })
    }

    /// Enters for reading, waiting no longer than until `deadline`; otherwise
    /// as [`read_for`](Self::read_for).
    #[doc(alias = "try_read_until")]
    pub fn read_until(&self, deadline: L::Instant) -> Option<DoorReadGuard<'_, L, T, C>> {
        let state = self.raw().try_lock_shared_until(deadline)?;
        // SAFETY: just acquired, for reading.
        Some(unsafe { DoorReadGuard::new(self, state) })
    }

    /// Enters for writing, waiting no longer than `timeout`; `None`: the time
    /// was over, and nothing is left of the request.
    ///
    /// # Blocking
    ///
    /// As [`write`](Self::write).
    #[doc(alias = "try_write_for")]
    pub fn write_for(&self, timeout: L::Duration) -> Option<DoorWriteGuard<'_, L, T, C>> {
        let state = self.raw().try_lock_exclusive_for(timeout)?;
        // SAFETY: just acquired, for writing.
        Some(unsafe { DoorWriteGuard::new(self, state) })
    }

    /// Enters for writing, waiting no longer than until `deadline`; otherwise
    /// as [`write_for`](Self::write_for).
    #[doc(alias = "try_write_until")]
    pub fn write_until(&self, deadline: L::Instant) -> Option<DoorWriteGuard<'_, L, T, C>> {
        let state = self.raw().try_lock_exclusive_until(deadline)?;
        // SAFETY: just acquired, for writing.
        Some(unsafe { DoorWriteGuard::new(self, state) })
    }
}

impl<L: RawRwLock, T: Default, C: SharedDoorCondvar<L>> Default for SharedDoor<L, T, C> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<L: RawRwLock, T, C: SharedDoorCondvar<L>> From<T> for SharedDoor<L, T, C> {
    fn from(resource: T) -> Self {
        Self::new(resource)
    }
}

/// Shows the resource, if it can be read now; never blocks.
impl<L: RawRwLock, T: ?Sized + fmt::Debug, C> fmt::Debug for SharedDoor<L, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut door = f.debug_struct("SharedDoor");
        match self.try_read() {
            Some(guard) => door.field("resource", &&*guard).finish(),
            None => door.field("resource", &format_args!("<locked>")).finish(),
        }
    }
}
