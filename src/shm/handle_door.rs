//! Doors before the value of a handle.

use core::fmt;
use core::ops::{Deref, DerefMut};
use core::time::Duration;
use std::time::Instant;

use super::any_handle::AnyHandle;
use super::error::{Error, OwnerDied};
use super::handle_proxy::HandleProxy;
use super::rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use crate::door::{Permissions, Proxy};

/// The lock of a handle's door.
pub(super) type Line = RwLock<u8>;

/// That one is inside a handle's door.
#[allow(dead_code, reason = "it is held")]
pub(super) enum Inside<'h> {
    Read(RwLockReadGuard<'h, u8>),
    Write(RwLockWriteGuard<'h, u8>),
}

type Entered<G> = Result<G, OwnerDied<G>>;
type Tried<G> = Result<Option<G>, OwnerDied<G>>;

/// Whoever died inside has not written back what it had: the value is whole.
pub(super) fn reading(entered: Entered<RwLockReadGuard<'_, u8>>) -> RwLockReadGuard<'_, u8> {
    entered.unwrap_or_else(OwnerDied::into_inner)
}

/// As [`reading`], and it is not told again.
pub(super) fn writing(entered: Entered<RwLockWriteGuard<'_, u8>>) -> RwLockWriteGuard<'_, u8> {
    entered.unwrap_or_else(|died| {
        let mut guard = died.into_inner();
        guard.mark_consistent();
        guard
    })
}

/// A door before the value of a handle: readers reach it together, a writer
/// alone, among all who use the handle's door.
///
/// Made by the handle's `door`. Who enters gets a copy of the value; a writer's
/// is written back when its guard is closed or dropped, and before the door is
/// let go.
///
/// ```
/// use portunus::shm::{Error, Handle};
///
/// let handle = Handle::new([1, 2])?;
/// let door = handle.door();
/// let mut numbers = door.write()?;
/// numbers[0] = 9;
/// assert_eq!(handle.get()?, [1, 2]);
/// numbers.close()?;
/// assert_eq!(*door.read()?, [9, 2]);
/// # handle.unlink()?;
/// # Ok::<(), Error>(())
/// ```
///
/// A [`SharedDoor`](super::SharedDoor) has its data in the segment, and copies
/// nothing: prefer it where plain data have a segment of their own.
///
/// # Waiting inside
///
/// Its guards wait and notify, as those of a [`SharedDoor`](super::SharedDoor)
/// do: a writer's value is written back before, and the value is read anew
/// afterwards.
///
/// # Unlinking
///
/// Unlinking the handle does not wait for the door, and puts nobody out. Who
/// waits inside for a notification ends with [`Error::NotFound`] at once, also
/// where the one who unlinked was killed before it could tell; who stands in line
/// to enter, when its turn comes; and who is inside, at its next look at the value.
///
/// # Nested access
///
/// Entering a door that one is inside waits for oneself. Access inside of an
/// access is lent by the guard, and is to the same copy: see
/// [`HandleWriteGuard::access`].
///
/// ```
/// use portunus::Permissions;
/// use portunus::shm::{Error, Handle};
///
/// let handle = Handle::new(1)?;
/// let mut outer = handle.door().write()?;
/// outer.access(Permissions::BOTH).set(2).unwrap();
/// assert_eq!(*outer, 2);
/// drop(outer);
/// assert_eq!(handle.get()?, 2);
/// # handle.unlink()?;
/// # Ok::<(), Error>(())
/// ```
///
/// # Who heeds it
///
/// Those who enter. The handle's own `get`, `set` and `update` do not look at
/// its door: what they do is whole, and may fall between.
///
/// # Death, panics
///
/// What a process that is killed inside has changed, and not written back, is
/// lost; the value is as it was, so nothing here says
/// [`OwnerDied`](super::OwnerDied). A guard that is dropped by a panic writes
/// back what is there.
///
/// # Only for handles
///
/// ```compile_fail,E0277
/// let value = 1_u32;
/// let door = portunus::shm::HandleDoor::new(&value);
/// ```
///
/// ```
/// let value = portunus::shm::Handle::new(1_u32)?;
/// let door = portunus::shm::HandleDoor::new(&value);
/// # value.unlink()?;
/// # Ok::<(), portunus::shm::Error>(())
/// ```
///
/// # Fairness and blocking
///
/// First come, first served, as [`RwLock`].
///
/// # Errors
///
/// Of all that enter: those of the handle's `get`, so [`Error::NotFound`] when
/// it was unlinked; and nothing is held then.
#[doc(alias = "HandledDoor")]
#[doc(alias = "SAcquirableDoor")]
#[doc(alias = "AcquirableDoor")]
pub struct HandleDoor<'h, H> {
    handle: &'h H,
}

macro_rules! entering {
    (
        $guard:ident, $fix:ident, $what:literal,
        $block:ident, $try:ident = $raw_try:ident, $for:ident = $raw_for:ident,
        $until:ident = $raw_until:ident
    ) => {
        #[doc = concat!("Enters for ", $what, ", waiting for its turn.")]
        ///
        /// # Errors
        ///
        /// Those of the handle's `get`.
        pub fn $block(&self) -> Result<$guard<'h, H>, Error> {
            $guard::new(self.handle, $fix(self.line()?.$block()))
        }

        #[doc = concat!("Enters for ", $what, " if that is possible now.")]
        ///
        /// # Errors
        ///
        /// Those of the handle's `get`.
        pub fn $try(&self) -> Result<Option<$guard<'h, H>>, Error> {
            self.tried(self.line()?.$raw_try(), $fix, $guard::new)
        }

        #[doc = concat!("Enters for ", $what, ", waiting no longer than `timeout`.")]
        ///
        /// # Errors
        ///
        /// Those of the handle's `get`.
        pub fn $for(&self, timeout: Duration) -> Result<Option<$guard<'h, H>>, Error> {
            self.tried(self.line()?.$raw_for(timeout), $fix, $guard::new)
        }

        #[doc = concat!("Enters for ", $what, ", waiting no longer than until `deadline`.")]
        ///
        /// # Errors
        ///
        /// Those of the handle's `get`.
        pub fn $until(&self, deadline: Instant) -> Result<Option<$guard<'h, H>>, Error> {
            self.tried(self.line()?.$raw_until(deadline), $fix, $guard::new)
        }
    };
}

impl<'h, H: AnyHandle> HandleDoor<'h, H> {
    /// The door of this handle; the handle's `door` says the same.
    pub fn new(handle: &'h H) -> Self {
        Self { handle }
    }

    entering! {
        HandleReadGuard, reading, "reading",
        read, try_read = try_read, read_for = try_read_for, read_until = try_read_until
    }

    entering! {
        HandleWriteGuard, writing, "writing (and reading)",
        write, try_write = try_write, write_for = try_write_for, write_until = try_write_until
    }

    /// Enters, with a say at run time in what may be done inside.
    ///
    /// With [`Permissions::WRITE`] it enters as a writer, without as a reader.
    ///
    /// # Errors
    ///
    /// Those of the handle's `get`.
    pub fn access(&self, permissions: Permissions) -> Result<HandleProxy<'h, H>, Error> {
        let line = self.line()?;
        let inside = if permissions.contains(Permissions::WRITE) {
            Inside::Write(writing(line.write()))
        } else {
            Inside::Read(reading(line.read()))
        };
        HandleProxy::over(self.handle, permissions, Some(inside))
    }

    /// As [`access`](Self::access), if entering is possible now.
    ///
    /// # Errors
    ///
    /// Those of the handle's `get`.
    pub fn try_access(
        &self,
        permissions: Permissions,
    ) -> Result<Option<HandleProxy<'h, H>>, Error> {
        let line = self.line()?;
        let over = |inside| HandleProxy::over(self.handle, permissions, Some(inside));
        if permissions.contains(Permissions::WRITE) {
            self.tried(line.try_write(), writing, |_, guard| over(Inside::Write(guard)))
        } else {
            self.tried(line.try_read(), reading, |_, guard| over(Inside::Read(guard)))
        }
    }

    /// The handle.
    pub fn handle(&self) -> &'h H {
        self.handle
    }

    /// Whether somebody is inside now: a snapshot.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.handle.frame().door().is_locked()
    }

    /// How many wait to enter: a snapshot.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.handle.frame().door().waiting()
    }

    pub(super) fn line(&self) -> Result<&'h Line, Error> {
        let frame = self.handle.frame();
        if frame.attachment().is_ours() { Ok(frame.door()) } else { Err(Error::Forked) }
    }

    fn tried<R, G>(
        &self,
        tried: Tried<R>,
        fix: impl FnOnce(Entered<R>) -> R,
        enter: impl FnOnce(&'h H, R) -> Result<G, Error>,
    ) -> Result<Option<G>, Error> {
        match tried.transpose() {
            Some(entered) => enter(self.handle, fix(entered)).map(Some),
            None => Ok(None),
        }
    }
}

impl<H> Clone for HandleDoor<'_, H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<H> Copy for HandleDoor<'_, H> {}

/// Shows the handle; never blocks.
impl<H: fmt::Debug> fmt::Debug for HandleDoor<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandleDoor").field("handle", self.handle).finish()
    }
}

/// Reading access to a copy of a handle's value, inside its [`HandleDoor`].
/// Dropped, it releases.
///
/// It does not write:
///
/// ```compile_fail,E0594
/// let handle = portunus::shm::Handle::new(1_u32)?;
/// let mut reading = handle.door().read()?;
/// *reading = 2;
/// # Ok::<(), portunus::shm::Error>(())
/// ```
///
/// A [`HandleWriteGuard`] does:
///
/// ```
/// let handle = portunus::shm::Handle::new(1_u32)?;
/// let mut writing = handle.door().write()?;
/// *writing = 2;
/// # drop(writing);
/// # handle.unlink()?;
/// # Ok::<(), portunus::shm::Error>(())
/// ```
#[must_use = "a guard that is dropped at once releases at once"]
pub struct HandleReadGuard<'h, H: AnyHandle> {
    value: H::Value,
    handle: &'h H,
    inside: RwLockReadGuard<'h, u8>,
}

/// Reading and writing access to a copy of a handle's value, inside its
/// [`HandleDoor`]. Dropped, it writes the value back, then releases; an error of
/// that is lost, so [close](Self::close) what matters.
#[must_use = "a guard that is dropped at once releases at once"]
pub struct HandleWriteGuard<'h, H: AnyHandle> {
    value: H::Value,
    handle: &'h H,
    /// What was changed is to be written back.
    open: bool,
    /// There until it leaves.
    inside: Option<RwLockWriteGuard<'h, u8>>,
}

impl<'h, H: AnyHandle> HandleReadGuard<'h, H> {
    pub(super) fn new(handle: &'h H, inside: RwLockReadGuard<'h, u8>) -> Result<Self, Error> {
        Ok(Self { value: handle.load()?, handle, inside })
    }

    /// For the time of a wait.
    pub(super) fn leave(self) -> (&'h H, RwLockReadGuard<'h, u8>) {
        (self.handle, self.inside)
    }

    /// Lends a proxy before the same copy: reading, if that is permitted, and
    /// never writing.
    pub fn access(&self, permissions: Permissions) -> Proxy<'_, H::Value> {
        Proxy::shared(&self.value, permissions)
    }
}

impl<'h, H: AnyHandle> HandleWriteGuard<'h, H> {
    pub(super) fn new(handle: &'h H, inside: RwLockWriteGuard<'h, u8>) -> Result<Self, Error> {
        Ok(Self { value: handle.load()?, handle, open: true, inside: Some(inside) })
    }

    /// Writes the value back, for the time of a wait.
    pub(super) fn leave(mut self) -> Result<(&'h H, RwLockWriteGuard<'h, u8>), Error> {
        self.open = false;
        self.write_back()?;
        let inside = self.inside.take().expect("it has not left");
        Ok((self.handle, inside))
    }

    /// Lends a proxy before the same copy: what is changed through it is written
    /// back by this guard.
    pub fn access(&mut self, permissions: Permissions) -> Proxy<'_, H::Value> {
        Proxy::new(&mut self.value, permissions)
    }

    /// Writes the value back now, and stays inside.
    ///
    /// # Errors
    ///
    /// Those of the handle's `set`.
    #[doc(alias = "flush")]
    pub fn write_back(&mut self) -> Result<(), Error> {
        self.handle.store(&self.value)
    }

    /// Writes the value back and leaves.
    ///
    /// # Errors
    ///
    /// Those of the handle's `set`: the value is as it was then, and the door is
    /// let go all the same.
    pub fn close(mut self) -> Result<(), Error> {
        self.open = false;
        self.write_back()
    }

    /// Leaves, and the value is as it was, or as it was last written back.
    #[doc(alias = "rollback")]
    pub fn discard(mut self) {
        self.open = false;
    }
}

impl<H: AnyHandle> Drop for HandleWriteGuard<'_, H> {
    fn drop(&mut self) {
        if self.open {
            // Before the door is let go. There is nobody to tell.
            let _ = self.write_back();
        }
    }
}

macro_rules! looking {
    ($($guard:ident)+) => {$(
        impl<'h, H: AnyHandle> $guard<'h, H> {
            /// Reads the value anew: others may have set it without entering.
            /// What was not written back is lost.
            ///
            /// # Errors
            ///
            /// Those of the handle's `get`; the copy is as it was then.
            pub fn refresh(&mut self) -> Result<(), Error> {
                self.value = self.handle.load()?;
                Ok(())
            }

            /// The handle whose value it has.
            pub fn handle(&self) -> &'h H {
                self.handle
            }
        }

        impl<H: AnyHandle> Deref for $guard<'_, H> {
            type Target = H::Value;

            fn deref(&self) -> &H::Value {
                &self.value
            }
        }

        impl<H: AnyHandle> fmt::Debug for $guard<'_, H>
        where
            H::Value: fmt::Debug,
        {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    )+};
}

looking! { HandleReadGuard HandleWriteGuard }

impl<H: AnyHandle> DerefMut for HandleWriteGuard<'_, H> {
    fn deref_mut(&mut self) -> &mut H::Value {
        &mut self.value
    }
}
