//! Why a call was not made, or what it ended with.

use core::convert::Infallible;
use core::error::Error;
use core::fmt;
use core::time::Duration;

use crate::name::Name;

/// A call was refused, or made and failed.
///
/// A permit is only ever refused: there `E` is [`Infallible`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[doc(alias = "CircuitBreakerError")]
pub enum CircuitError<E = Infallible> {
    /// The circuit is open: the call was not made.
    #[doc(alias = "CircuitOpen")]
    Open {
        /// The name of the breaker.
        name: Name,
        /// A call made this much later would be a try.
        retry_after: Duration,
    },
    /// The circuit is half-open and all its tries are taken: the call was not
    /// made.
    #[doc(alias = "CircuitHalfOpen")]
    HalfOpen {
        /// The name of the breaker.
        name: Name,
        /// How many tries there are.
        tries: u32,
    },
    /// The call was made, and this is its error.
    Inner(E),
}

impl<E> CircuitError<E> {
    /// The error of the call, if it was made.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Self::Inner(error) => Some(error),
            Self::Open { .. } | Self::HalfOpen { .. } => None,
        }
    }

    /// Whether the call was not made.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        !matches!(self, Self::Inner(_))
    }
}

impl CircuitError {
    /// A refusal, as the error of a call that may fail with an `E`.
    pub fn widen<E>(self) -> CircuitError<E> {
        match self {
            Self::Open { name, retry_after } => CircuitError::Open { name, retry_after },
            Self::HalfOpen { name, tries } => CircuitError::HalfOpen { name, tries },
            Self::Inner(never) => match never {},
        }
    }
}

impl<E: fmt::Display> fmt::Display for CircuitError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { name, retry_after } => {
                write!(f, "circuit breaker {name} is open; retry after {retry_after:?}")
            }
            Self::HalfOpen { name, tries } => {
                write!(f, "circuit breaker {name} is half-open and its {tries} tries are taken")
            }
            Self::Inner(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl<E: Error + 'static> Error for CircuitError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // It is shown as its error: what comes next is that one's source.
            Self::Inner(error) => error.source(),
            Self::Open { .. } | Self::HalfOpen { .. } => None,
        }
    }
}
