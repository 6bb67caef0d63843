//! What handles of both kinds have in common.

use super::data::ShmType;
use super::error::Error;
use super::frame::Frame;
use super::handle::Handle;

/// A value that processes share by a name: a [`Handle`] of plain data, or a
/// `SerdeHandle` of a serde type.
///
/// It is what a [`HandleProxy`](super::HandleProxy) and a
/// [`HandleDoor`](super::HandleDoor) stand before. No other type implements it.
pub trait AnyHandle {
    /// What it shares.
    type Value;

    /// A copy of the value.
    ///
    /// # Errors
    ///
    /// Those of the handle's `get`.
    fn load(&self) -> Result<Self::Value, Error>;

    /// Replaces the value.
    ///
    /// # Errors
    ///
    /// Those of the handle's `set`.
    fn store(&self, value: &Self::Value) -> Result<(), Error>;

    #[doc(hidden)]
    fn frame(&self) -> &Frame;
}

impl<T: ShmType> AnyHandle for Handle<T> {
    type Value = T;

    fn load(&self) -> Result<T, Error> {
        self.get()
    }

    fn store(&self, value: &T) -> Result<(), Error> {
        self.set(*value)
    }

    fn frame(&self) -> &Frame {
        self.framed()
    }
}
