//! A resource that a thread may reach again from inside.

#![allow(unsafe_code)]

use core::fmt;
use core::num::NonZeroUsize;

use lock_api::{GetThreadId, RawMutex, RawMutexTimed, ReentrantMutex, ReentrantMutexGuard};

use super::{Borrowed, Permissions, Proxy, Resource};

/// Tells threads from each other, for a [`ReentrantDoor`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadId;

// SAFETY: the address of a variable of the thread differs from that of every
// other thread that is running, and stays while this one runs.
unsafe impl GetThreadId for ThreadId {
    const INIT: Self = Self;

    fn nonzero_thread_id(&self) -> NonZeroUsize {
        std::thread_local!(static HERE: u8 = const { 0 });
        let address = HERE.with(|here| core::ptr::from_ref(here).addr());
        NonZeroUsize::new(address).expect("nothing lies at address zero")
    }
}

/// A resource that one thread at a time reaches, as often as it enters.
///
/// It stands over `lock_api`'s `ReentrantMutex`: over any raw mutex `L`, and a
/// way `G` to tell threads from each other. The backend `sync` names it for its
/// own, as `ReentrantDoor<T>`.
///
/// Its guards read only, since a thread can have two at once. What is to be
/// changed inside goes into a [`Cell`](core::cell::Cell) or a
/// [`RefCell`](core::cell::RefCell).
///
/// ```
/// use std::cell::Cell;
/// use portunus::sync::ReentrantDoor;
///
/// let door = ReentrantDoor::new(Cell::new(1));
/// let outer = door.enter();
/// let inner = door.enter();
/// inner.set(outer.get() + 1);
/// assert_eq!(outer.get(), 2);
/// ```
///
/// It does not write:
///
/// ```compile_fail,E0594
/// let door = portunus::sync::ReentrantDoor::new(1);
/// let mut inside = door.enter();
/// *inside = 2;
/// ```
///
/// It belongs to threads: a task may go on in another thread, and two tasks in
/// one thread would be let in both. So its guards stay in their thread, and
/// there is nothing to await:
///
/// ```compile_fail,E0277
/// let door = portunus::sync::ReentrantDoor::new(1);
/// let inside = door.enter();
/// std::thread::scope(|scope| { scope.spawn(move || drop(inside)); });
/// ```
///
/// ```
/// let door = portunus::sync::ReentrantDoor::new(1);
/// let inside = door.enter();
/// drop(inside);
/// ```
///
/// # Panics
///
/// Entering panics if a thread is inside as often as can be counted.
#[doc(alias = "RLock")]
#[doc(alias = "ReentrantMutex")]
#[doc(alias = "AcquirableDoor")]
pub struct ReentrantDoor<L: RawMutex, T: ?Sized, G = ThreadId> {
    lock: ReentrantMutex<L, G, T>,
}

impl<L: RawMutex, T, G: GetThreadId> ReentrantDoor<L, T, G> {
    /// A door with the resource behind it, and nobody inside.
    #[must_use]
    pub const fn new(resource: T) -> Self {
        Self { lock: ReentrantMutex::new(resource) }
    }

    /// The resource.
    pub fn into_inner(self) -> T {
        self.lock.into_inner()
    }
}

impl<L: RawMutex, T: ?Sized, G: GetThreadId> ReentrantDoor<L, T, G> {
    /// Enters, waiting for its turn, or at once if the thread is inside.
    ///
    /// # Blocking
    ///
    /// Blocks the calling thread.
    #[doc(alias = "acquire")]
    pub fn enter(&self) -> ReentrantMutexGuard<'_, L, G, T> {
        self.lock.lock()
    }

    /// Enters if that is possible now. Never blocks.
    pub fn try_enter(&self) -> Option<ReentrantMutexGuard<'_, L, G, T>> {
        self.lock.try_lock()
    }

    /// Enters, with a say at run time in what may be done inside. Writing is
    /// refused, whether it is permitted or not. See [`Proxy`].
    ///
    /// # Blocking
    ///
    /// As [`enter`](Self::enter).
    pub fn access(
        &self,
        permissions: Permissions,
    ) -> Proxy<'_, T, ReentrantMutexGuard<'_, L, G, T>> {
        Proxy::over(self.enter(), permissions)
    }

    /// The resource, without entering: nobody else can.
    pub fn get_mut(&mut self) -> &mut T {
        self.lock.get_mut()
    }

    /// Whether some thread is inside now: a snapshot.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.lock.is_locked()
    }
}

impl<L: RawMutexTimed, T: ?Sized, G: GetThreadId> ReentrantDoor<L, T, G> {
    /// Enters, waiting no longer than `timeout`; `None`: the time was over.
    ///
    /// # Blocking
    ///
    /// As [`enter`](Self::enter).
    pub fn enter_for(&self, timeout: L::Duration) -> Option<ReentrantMutexGuard<'_, L, G, T>> {
        self.lock.try_lock_for(timeout)
    }

    /// Enters, waiting no longer than until `deadline`; `None`: the time was
    /// over.
    ///
    /// # Blocking
    ///
    /// As [`enter`](Self::enter).
    pub fn enter_until(&self, deadline: L::Instant) -> Option<ReentrantMutexGuard<'_, L, G, T>> {
        self.lock.try_lock_until(deadline)
    }
}

impl<L: RawMutex, T: Default, G: GetThreadId> Default for ReentrantDoor<L, T, G> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<L: RawMutex, T, G: GetThreadId> From<T> for ReentrantDoor<L, T, G> {
    fn from(resource: T) -> Self {
        Self::new(resource)
    }
}

impl<L: RawMutex, T: ?Sized, G: GetThreadId> Resource for ReentrantMutexGuard<'_, L, G, T> {
    type Target = T;

    fn shared(&self) -> &T {
        self
    }

    fn lend(&mut self) -> Borrowed<'_, T> {
        Borrowed::Shared(self)
    }
}

/// Shows the resource, if it can be reached now; never blocks.
impl<L: RawMutex, T: ?Sized + fmt::Debug, G: GetThreadId> fmt::Debug for ReentrantDoor<L, T, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut door = f.debug_struct("ReentrantDoor");
        match self.try_enter() {
            Some(guard) => door.field("resource", &&*guard).finish(),
            None => door.field("resource", &format_args!("<locked>")).finish(),
        }
    }
}
