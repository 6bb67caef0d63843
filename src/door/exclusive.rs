//! A resource behind a mutex.

#![allow(unsafe_code)]

use core::fmt;

use lock_api::{Mutex, RawMutex, RawMutexTimed};

use super::{DoorCondvar, DoorGuard, NoCondvar, Permissions, Proxy};

/// A resource that one party at a time reaches, by entering.
///
/// It stands over any `lock_api` 0.5 raw mutex `L`, ours or somebody else's,
/// and over a condition variable `C` for that mutex, or none. Each backend
/// names it for its own, as `Door<T>`; see also the [module](super).
///
/// ```
/// use portunus::spin::Door;
///
/// static VISITORS: Door<Vec<&str>> = Door::new(Vec::new());
///
/// let mut visitors = VISITORS.enter();
/// visitors.push("Ianus");
/// assert!(VISITORS.try_enter().is_none());
/// drop(visitors);
/// assert_eq!(VISITORS.enter().len(), 1);
/// ```
///
/// Over another crate's locks:
///
/// ```
/// use portunus::Door;
///
/// static PLAIN: Door<parking_lot::RawMutex, u32> = Door::new(1);
/// static WAITED: Door<parking_lot::RawMutex, u32, parking_lot::RawCondvar> = Door::new(1);
/// assert_eq!(*PLAIN.enter(), *WAITED.enter());
/// ```
///
/// # Fairness, waiting, panics
///
/// Those of the lock. With this crate's mutexes entering is first come, first
/// served; a guard that is dropped by a panic releases, and there is no
/// poisoning: the resource is as the panic left it.
///
/// # Re-entrance
///
/// A party that enters a door it is behind waits for itself. See
/// `ReentrantDoor`.
#[doc(alias = "AcquirableDoor")]
#[doc(alias = "AsyncAcquirableDoor")]
#[doc(alias = "WaitableDoor")]
#[doc(alias = "AsyncWaitableDoor")]
#[doc(alias = "UnhandledDoor")]
#[doc(alias = "monitor")]
pub struct Door<L, T: ?Sized, C = NoCondvar> {
    pub(crate) condvar: C,
    pub(crate) lock: Mutex<L, T>,
}

impl<L: RawMutex, T, C: DoorCondvar<L>> Door<L, T, C> {
    /// A door with the resource behind it, and nobody inside.
    #[must_use]
    pub const fn new(resource: T) -> Self {
        Self { condvar: C::NEW, lock: Mutex::new(resource) }
    }
}

impl<L, T, C> Door<L, T, C> {
    /// A door over a raw lock and a condition variable that are there already.
    #[must_use]
    pub const fn from_raw(lock: L, condvar: C, resource: T) -> Self {
        Self { condvar, lock: Mutex::from_raw(lock, resource) }
    }
}

impl<L: RawMutex, T, C> Door<L, T, C> {
    /// The resource.
    pub fn into_inner(self) -> T {
        self.lock.into_inner()
    }
}

impl<L: RawMutex, T: ?Sized, C> Door<L, T, C> {
    /// Enters, waiting for its turn.
    ///
    /// # Blocking
    ///
    /// Blocks the calling thread or core. In async code use `enter_async`.
    #[inline]
    #[doc(alias = "acquire")]
    #[doc(alias = "lock")]
    #[doc(alias = "Door.__call__")]
    pub fn enter(&self) -> DoorGuard<'_, L, T, C> {
        let state = self.raw().lock();
        // SAFETY: just acquired.
        unsafe { DoorGuard::new(self, state) }
    }

    /// Enters if that is possible now. Never blocks.
    #[inline]
    #[doc(alias = "try_acquire")]
    #[doc(alias = "try_lock")]
    pub fn try_enter(&self) -> Option<DoorGuard<'_, L, T, C>> {
        // SAFETY: just acquired.
        self.raw().try_lock().map(|state| unsafe { DoorGuard::new(self, state) })
    }

    /// Enters, with a say at run time in what may be done inside.
    ///
    /// Any access takes the whole door. See [`Proxy`].
    ///
    /// # Blocking
    ///
    /// As [`enter`](Self::enter).
    pub fn access(&self, permissions: Permissions) -> Proxy<'_, T, DoorGuard<'_, L, T, C>> {
        Proxy::over(self.enter(), permissions)
    }

    /// As [`access`](Self::access), if entering is possible now.
    pub fn try_access(
        &self,
        permissions: Permissions,
    ) -> Option<Proxy<'_, T, DoorGuard<'_, L, T, C>>> {
        Some(Proxy::over(self.try_enter()?, permissions))
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

    /// The raw lock, for asking only.
    #[inline(always)]
    pub(crate) fn raw(&self) -> &L {
        // SAFETY: what a guard holds is let go by that guard only.
        unsafe { self.lock.raw() }
    }
}

impl<L: RawMutexTimed, T: ?Sized, C> Door<L, T, C> {
    /// Enters, waiting no longer than `timeout`; `None`: the time was over, and
    /// nothing is left of the request.
    ///
    /// # Blocking
    ///
    /// As [`enter`](Self::enter).
    #[doc(alias = "try_enter_for")]
    pub fn enter_for(&self, timeout: L::Duration) -> Option<DoorGuard<'_, L, T, C>> {
        // SAFETY: just acquired.
        self.raw().try_lock_for(timeout).map(|state| unsafe { DoorGuard::new(self, state) })
    }

    /// Enters, waiting no longer than until `deadline`; otherwise as
    /// [`enter_for`](Self::enter_for).
    #[doc(alias = "try_enter_until")]
    pub fn enter_until(&self, deadline: L::Instant) -> Option<DoorGuard<'_, L, T, C>> {
        // SAFETY: just acquired.
        self.raw().try_lock_until(deadline).map(|state| unsafe { DoorGuard::new(self, state) })
    }
}

impl<L: RawMutex, T: Default, C: DoorCondvar<L>> Default for Door<L, T, C> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<L: RawMutex, T, C: DoorCondvar<L>> From<T> for Door<L, T, C> {
    fn from(resource: T) -> Self {
        Self::new(resource)
    }
}

/// Shows the resource, if it can be reached now; never blocks.
impl<L: RawMutex, T: ?Sized + fmt::Debug, C> fmt::Debug for Door<L, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut door = f.debug_struct("Door");
        match self.try_enter() {
            Some(guard) => door.field("resource", &&*guard).finish(),
            None => door.field("resource", &format_args!("<locked>")).finish(),
        }
    }
}
