//! Handles of serde types whose turn is awaited.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Error;
use super::serde_handle::SerdeHandle;
use crate::rules::Access;

impl<T: Serialize + DeserializeOwned> SerdeHandle<T> {
    /// The value, suspending the task until its turn comes.
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
        let hold = self.generations().frame.enter_async(Access::Read).await?;
        self.read(hold)
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
    /// As [`set`](Self::set).
    pub async fn set_async(&self, value: &T) -> Result<(), Error> {
        let bytes = self.encoded(value)?;
        let hold = self.generations().frame.enter_async(Access::Write).await?;
        self.write(hold, &bytes)
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
    /// As [`update`](Self::update).
    pub async fn update_async<R>(&self, f: impl FnOnce(&mut T) -> R) -> Result<R, Error> {
        let hold = self.generations().frame.enter_async(Access::Write).await?;
        self.change(hold, f)
    }
}
