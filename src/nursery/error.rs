//! What can go wrong with a nursery, as values.

use alloc::string::String;
use core::error::Error;
use core::fmt;

/// A nursery that is closing, or closed, takes nothing more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NurseryClosed {
    /// The nursery's name.
    pub nursery: String,
}

impl fmt::Display for NurseryClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the nursery {} is closed", self.nursery)
    }
}

impl Error for NurseryClosed {}

/// Why a task was not started.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StartError {
    /// The nursery is closing, or closed.
    Closed(NurseryClosed),
    /// The executor takes no tasks.
    Refused {
        /// The task's name.
        task: String,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(closed) => closed.fmt(f),
            Self::Refused { task } => write!(f, "the executor refused the task {task}"),
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // It is shown as its error: what comes next is that one's source.
            Self::Closed(closed) => closed.source(),
            Self::Refused { .. } => None,
        }
    }
}

impl From<NurseryClosed> for StartError {
    fn from(closed: NurseryClosed) -> Self {
        Self::Closed(closed)
    }
}

/// Why a task can't be stopped.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopError {
    /// It belongs to another nursery.
    Foreign {
        /// The task's name.
        task: String,
    },
    /// It has ended: await it for its outcome.
    Finished {
        /// The task's name.
        task: String,
    },
    /// It is the task that asks, which would wait for itself.
    Itself {
        /// The task's name.
        task: String,
    },
}

impl fmt::Display for StopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign { task } => write!(f, "the task {task} belongs to another nursery"),
            Self::Finished { task } => write!(f, "the task {task} has ended already"),
            Self::Itself { task } => write!(f, "the task {task} can't wait for its own end"),
        }
    }
}

impl Error for StopError {}

/// Why a context was not entered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EnterError<E> {
    /// Entering failed.
    Context(E),
    /// The nursery is closing, or closed. If the context was entered already,
    /// it was exited.
    Closed(NurseryClosed),
}

impl<E: fmt::Display> fmt::Display for EnterError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Context(error) => error.fmt(f),
            Self::Closed(closed) => closed.fmt(f),
        }
    }
}

impl<E> From<NurseryClosed> for EnterError<E> {
    fn from(closed: NurseryClosed) -> Self {
        Self::Closed(closed)
    }
}

impl<E: Error> Error for EnterError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Context(error) => error.source(),
            Self::Closed(closed) => closed.source(),
        }
    }
}

/// Why what was driven beside a nursery did not end: the nursery stops, because
/// a task failed or somebody said so. Close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stopping;

impl fmt::Display for Stopping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the nursery stops")
    }
}

impl Error for Stopping {}
