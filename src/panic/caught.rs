//! A panic is caught by the standard library.

use alloc::boxed::Box;
use alloc::string::String;
use core::any::Any;
use core::panic::AssertUnwindSafe;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};

use super::Panic;

pub(super) struct Payload {
    message: Option<Box<str>>,
    /// In a mutex because it may be sent but not shared; never locked.
    payload: Mutex<Box<dyn Any + Send>>,
}

impl Payload {
    fn new(payload: Box<dyn Any + Send>) -> Self {
        let message = match payload.downcast_ref::<&'static str>() {
            Some(message) => Some(*message),
            None => payload.downcast_ref::<String>().map(String::as_str),
        };
        Self { message: message.map(Box::from), payload: Mutex::new(payload) }
    }

    fn into_inner(self) -> Box<dyn Any + Send> {
        self.payload.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    pub(super) fn resume(self) -> ! {
        resume_unwind(self.into_inner())
    }
}

impl Panic {
    /// Runs `f`, and gives its panic as a value. (With the feature `std`.)
    ///
    /// What `f` was changing when it panicked may be half done: use of it is
    /// the caller's concern, as with `AssertUnwindSafe`.
    ///
    /// # Errors
    ///
    /// The panic.
    pub fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Self> {
        catch_unwind(AssertUnwindSafe(f)).map_err(Self::from_payload)
    }

    /// The panic with this payload, such as `std::thread::JoinHandle::join`
    /// gives it. (With the feature `std`.)
    #[must_use]
    pub fn from_payload(payload: Box<dyn Any + Send>) -> Self {
        Self { payload: Payload::new(payload) }
    }

    /// The payload, as `std::panic::catch_unwind` gives it. (With the feature
    /// `std`.)
    #[must_use]
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.payload.into_inner()
    }
}
