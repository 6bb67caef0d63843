//! A panic that was caught, as a value.

#[cfg(not(feature = "std"))]
#[path = "never.rs"]
mod payload;
#[cfg(feature = "std")]
#[path = "caught.rs"]
mod payload;

use core::error::Error;
use core::fmt;

/// A panic that was caught: the outcome of a task or of a blocking call.
///
/// Only where there is an operating system can a panic be caught, so without
/// the feature `std` there is no value of this type.
///
/// ```
/// use portunus::Panic;
///
/// let caught = Panic::catch(|| panic!("seven is too many")).expect_err("a panic");
/// assert_eq!(caught.message(), Some("seven is too many"));
/// ```
pub struct Panic {
    payload: payload::Payload,
}

impl Panic {
    /// What the panic said, if it said so with a string.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.payload.message()
    }

    /// Lets the panic go on here, as if it had not been caught.
    pub fn resume(self) -> ! {
        self.payload.resume()
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Panic").field(&self.message()).finish()
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message() {
            Some(message) => write!(f, "panicked: {message}"),
            None => f.write_str("panicked, with something else than a string"),
        }
    }
}

impl Error for Panic {}
