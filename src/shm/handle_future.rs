//! Handles whose turn is awaited.
//!
//! What dropping these futures does is said in `future`: before its turn has
//! come an operation did nothing, and afterwards it is ready.

use super::data::ShmType;
use super::error::Error;
use super::frame::{Frame, FrameHold};
use super::handle::Handle;
use crate::rules::Access;

impl Frame {
    /// As `enter`, suspending the task.
    pub(super) async fn enter_async(&self, mode: Access) -> Result<FrameHold<'_>, Error> {
        if !self.attachment().is_ours() {
            return Err(Error::Forked);
        }
        Ok(self.whole(self.lock().acquire_async(mode).await, mode))
    }
}

impl<T: ShmType> Handle<T> {
    /// A copy of the value, suspending the task until its turn comes.
    ///
    /// # Cancel safety
    ///
    /// See [`future`](super::future): dropped before it is ready, it leaves
    /// the line, or the turn goes to the next.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn get_async(&self) -> Result<T, Error> {
        let hold = self.framed().enter_async(Access::Read).await?;
        self.read(&hold)
    }

    /// Replaces the value, suspending the task until its turn comes.
    ///
    /// # Cancel safety
    ///
    /// As [`get_async`](Self::get_async): before its turn has come it did
    /// nothing, and afterwards it is ready.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn set_async(&self, value: T) -> Result<(), Error> {
        let hold = self.framed().enter_async(Access::Write).await?;
        self.put(&hold, value)
    }

    /// Changes the value as [`update`](Self::update) does, suspending the task
    /// until its turn comes.
    ///
    /// # Cancel safety
    ///
    /// As [`get_async`](Self::get_async): before its turn has come it did
    /// nothing, and afterwards it is ready.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn update_async<R>(&self, f: impl FnOnce(&mut T) -> R) -> Result<R, Error> {
        let hold = self.framed().enter_async(Access::Write).await?;
        self.replace(&hold, f)
    }
}
