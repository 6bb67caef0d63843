//! How a task ended, as a value.

use crate::panic::Panic;

/// How a task of a nursery ended.
///
/// Equal are outcomes with equal values or errors; panics never are.
#[derive(Debug)]
#[non_exhaustive]
pub enum TaskOutcome<T, E> {
    /// It returned a value.
    Value(T),
    /// It returned an error, which nobody else gets: it was being stopped by
    /// who asks, or another error came first.
    Error(E),
    /// Its error, or panic, was the first one: the nursery stopped because of
    /// it, and returns it.
    Failed,
    /// It was dropped before its end.
    Cancelled,
    /// It panicked; [`Panic::resume`] lets that go on.
    Panicked(Panic),
}

impl<T, E> TaskOutcome<T, E> {
    /// The value, if there is one.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }

    /// The error, if it is here.
    pub fn error(self) -> Option<E> {
        match self {
            Self::Error(error) => Some(error),
            _ => None,
        }
    }

    /// Whether it was dropped before its end.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled)
    }
}

impl<T: PartialEq, E: PartialEq> PartialEq for TaskOutcome<T, E> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Value(a), Self::Value(b)) => a == b,
            (Self::Error(a), Self::Error(b)) => a == b,
            (Self::Failed, Self::Failed) | (Self::Cancelled, Self::Cancelled) => true,
            _ => false,
        }
    }
}
