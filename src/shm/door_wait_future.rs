//! Waiting inside doors that processes share, by tasks.
//!
//! A future that is dropped before it is ready holds nothing: the guard is gone.
//! What else that does is said at `Condvar::wait_async`.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;

use super::any_handle::AnyHandle;
use super::condvar::SharedCondvarGuard;
use super::data::ShmType;
use super::door::{DoorGuard, DoorReadGuard, DoorWriteGuard};
use super::error::{Error, OwnerDied};
use super::frame::Frame;
use super::handle_door::{HandleReadGuard, HandleWriteGuard, reading, writing};
use crate::rules::Preference;

macro_rules! waiting {
    ($([$($param:ident: $bound:ident)?] $guard:ident [& $($mutable:ident)?];)*) => {$(
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

            /// As [`wait_while`](Self::wait_while), suspending the task.
            ///
            /// # Cancel safety
            ///
            /// As [`wait_async`](Self::wait_async). Dropped before the first poll,
            /// the condition was not asked.
            ///
            /// # Errors
            ///
            /// [`OwnerDied`], with the guard inside, at once: what the condition
            /// would look at may be half changed.
            ///
            /// # Panics
            ///
            /// If `condition` does; the guard is dropped then.
            pub async fn wait_while_async(
                mut self,
                mut condition: impl FnMut(&$($mutable)? T) -> bool,
            ) -> Result<Self, OwnerDied<Self>> {
                while condition(&$($mutable)? self) {
                    self = self.wait_async().await?;
                }
                Ok(self)
            }
        }
    )*};
}

waiting! {
    [] DoorGuard [&mut];
    [P: Preference] DoorReadGuard [&];
    [P: Preference] DoorWriteGuard [&mut];
}

/// Waits inside a handle's door, no longer than its value is there: `None`, and
/// it is outside.
async fn wait_inside<'a, G: SharedCondvarGuard<'a>>(
    frame: &Frame,
    inside: G,
) -> Option<Result<G, OwnerDied<G>>> {
    let mut waiting = pin!(frame.condvar().wait_async(inside));
    poll_fn(|cx| match waiting.as_mut().poll(cx) {
        Poll::Ready(inside) => Poll::Ready(Some(inside)),
        // It stands in line now.
        Poll::Pending if frame.is_going() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
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
        let inside = match wait_inside(handle.frame(), inside).await {
            Some(inside) => inside,
            // Perhaps its removal comes to nothing.
            None => handle.frame().door().read_async().await,
        };
        Self::new(handle, reading(inside))
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
        let inside = match wait_inside(handle.frame(), inside).await {
            Some(inside) => inside,
            // As above.
            None => handle.frame().door().write_async().await,
        };
        Self::new(handle, writing(inside))
    }
}

/// Adds awaiting a condition to the guards of a handle's door.
macro_rules! waiting_while {
    ($($guard:ident [& $($mutable:ident)?];)*) => {$(
        impl<H: AnyHandle> $guard<'_, H> {
            /// As [`wait_while`](Self::wait_while), suspending the task.
            ///
            /// # Cancel safety
            ///
            /// As [`wait_async`](Self::wait_async). Dropped before the first poll,
            /// the condition was not asked.
            ///
            /// # Errors
            ///
            /// As [`wait`](Self::wait).
            ///
            /// # Panics
            ///
            /// If `condition` does; the guard is dropped then.
            pub async fn wait_while_async(
                mut self,
                mut condition: impl FnMut(&$($mutable)? H::Value) -> bool,
            ) -> Result<Self, Error> {
                while condition(&$($mutable)? self) {
                    self = self.wait_async().await?;
                }
                Ok(self)
            }
        }
    )*};
}

waiting_while! { HandleReadGuard [&]; HandleWriteGuard [&mut]; }
