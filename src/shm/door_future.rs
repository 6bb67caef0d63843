//! Entering doors that processes share, and handles, by tasks.
//!
//! What dropping these futures does is said in `future`.

use super::any_handle::AnyHandle;
use super::data::ShmType;
use super::door::{Door, DoorGuard, DoorReadGuard, DoorWriteGuard, SharedDoor};
use super::error::{Error, OwnerDied};
use super::handle_door::{HandleDoor, HandleReadGuard, HandleWriteGuard, Inside, reading, writing};
use super::handle_proxy::HandleProxy;
use crate::door::Permissions;
use crate::rules::Preference;

impl<T: ShmType> Door<T> {
    /// Enters, suspending the task until its turn comes.
    ///
    /// # Cancel safety
    ///
    /// See [`future`](super::future): dropped before it is ready, it leaves
    /// the line, or the door goes to the next.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`], with the guard inside.
    pub async fn enter_async(&self) -> Result<DoorGuard<'_, T>, OwnerDied<DoorGuard<'_, T>>> {
        self.inside(self.lock.lock_async().await)
    }
}

impl<T: ShmType, P: Preference> SharedDoor<T, P> {
    /// Enters for reading, suspending the task until its turn comes.
    ///
    /// # Cancel safety
    ///
    /// See [`future`](super::future): dropped before it is ready, it leaves
    /// the line, or the door goes to the next.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`], with the guard inside.
    pub async fn read_async(
        &self,
    ) -> Result<DoorReadGuard<'_, T, P>, OwnerDied<DoorReadGuard<'_, T, P>>> {
        self.reading(self.lock.read_async().await)
    }

    /// Enters for writing (and reading), suspending the task until its turn
    /// comes.
    ///
    /// # Cancel safety
    ///
    /// See [`future`](super::future): dropped before it is ready, it leaves
    /// the line, or the door goes to the next.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`], with the guard inside.
    pub async fn write_async(
        &self,
    ) -> Result<DoorWriteGuard<'_, T, P>, OwnerDied<DoorWriteGuard<'_, T, P>>> {
        self.writing(self.lock.write_async().await)
    }
}

impl<'h, H: AnyHandle> HandleDoor<'h, H> {
    /// Enters for reading, suspending the task until its turn comes.
    ///
    /// # Cancel safety
    ///
    /// See [`future`](super::future): dropped before it is ready, it leaves
    /// the line, or the door goes to the next.
    ///
    /// # Errors
    ///
    /// Those of the handle's `get`.
    pub async fn read_async(&self) -> Result<HandleReadGuard<'h, H>, Error> {
        HandleReadGuard::new(self.handle(), reading(self.line()?.read_async().await))
    }

    /// Enters for writing (and reading), suspending the task until its turn
    /// comes.
    ///
    /// # Cancel safety
    ///
    /// See [`future`](super::future): dropped before it is ready, it leaves
    /// the line, or the door goes to the next.
    ///
    /// # Errors
    ///
    /// Those of the handle's `get`.
    pub async fn write_async(&self) -> Result<HandleWriteGuard<'h, H>, Error> {
        HandleWriteGuard::new(self.handle(), writing(self.line()?.write_async().await))
    }

    /// As [`access`](Self::access), suspending the task until its turn comes.
    ///
    /// # Cancel safety
    ///
    /// See [`future`](super::future): dropped before it is ready, it leaves
    /// the line, or the door goes to the next.
    ///
    /// # Errors
    ///
    /// Those of the handle's `get`.
    pub async fn access_async(
        &self,
        permissions: Permissions,
    ) -> Result<HandleProxy<'h, H>, Error> {
        let line = self.line()?;
        let inside = if permissions.contains(Permissions::WRITE) {
            Inside::Write(writing(line.write_async().await))
        } else {
            Inside::Read(reading(line.read_async().await))
        };
        HandleProxy::over(self.handle(), permissions, Some(inside))
    }
}
