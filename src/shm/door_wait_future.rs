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
