//! Waiting inside doors that processes share, by tasks.
//!
//! A future that is dropped before it is ready holds nothing: the guard is gone.
//! What else that does is said at `Condvar::wait_async`.

use super::any_handle::AnyHandle;
use super::data::ShmType;
use super::door::{DoorGuard, DoorReadGuard, DoorWriteGuard};
use super::error::{Error, OwnerDied};
use super::handle_door::{HandleReadGuard, HandleWriteGuard, reading, writing};
use crate::rules::Preference;

macro_rules! waiting {
    ($([$($param:ident: $bound:ident)?] $guard:ident;)*) => {$(
        impl<T: ShmType $(, $param: $bound)?> $guard<'_, T $(, $param)?> {
            /// As [`wait`](Self::wait), suspending the task.
            ///
            /// # Cancel safety
            ///
            /// Dropped before it is ready, the guard is gone and nothing is held;
            /// a notification that it had goes to the next.
            ///
            /// # Errors
            ///
            /// [`OwnerDied`], with the guard inside.
            pub async fn wait_async(self) -> Result<Self, OwnerDied<Self>> {
                let Self { inner, door } = self;
                let guard = |inner| Self { inner, door };
                door.condvar.wait_async(inner).await.map(guard).map_err(|died| died.map(guard))
            }
        }
    )*};
}

waiting! {
    [] DoorGuard;
    [P: Preference] DoorReadGuard;
    [P: Preference] DoorWriteGuard;
}

impl<H: AnyHandle> HandleReadGuard<'_, H> {
    /// As [`wait`](Self::wait), suspending the task.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, the guard is gone and nothing is held; a
    /// notification that it had goes to the next.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub async fn wait_async(self) -> Result<Self, Error> {
        let (handle, inside) = self.leave();
        Self::new(handle, reading(handle.frame().condvar().wait_async(inside).await))
    }
}

impl<H: AnyHandle> HandleWriteGuard<'_, H> {
    /// As [`wait`](Self::wait), suspending the task.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the first poll, the value is written back and the door let
    /// go; afterwards both have happened. A notification that it had goes to the
    /// next.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub async fn wait_async(self) -> Result<Self, Error> {
        let (handle, inside) = self.leave()?;
        Self::new(handle, writing(handle.frame().condvar().wait_async(inside).await))
    }
}
