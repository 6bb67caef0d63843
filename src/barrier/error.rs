//! Why a barrier can't be made, or doesn't let a party through.

use core::error::Error;
use core::fmt;

use crate::name::Name;

/// Where a barrier stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BarrierState {
    /// Not all parties have come.
    Waiting,
    /// All parties came.
    Tripped,
    /// Somebody has aborted it.
    Aborted,
    /// A party's time was over.
    TimedOut,
}

impl fmt::Display for BarrierState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "not all parties have come",
            Self::Tripped => "all its parties have come before",
            Self::Aborted => "it was aborted",
            Self::TimedOut => "the time of one of its parties was over",
        })
    }
}

/// A barrier did not let a party through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[doc(alias = "BrokenBarrierError")]
pub enum BarrierError {
    /// This party's time was over; that has broken the barrier for all.
    TimedOut {
        /// The name of the barrier.
        name: Name,
    },
    /// The barrier was broken, before this party came or while it waited.
    #[doc(alias = "BrokenBarrier")]
    Broken {
        /// The name of the barrier.
        name: Name,
        /// By what.
        reason: BarrierState,
    },
}

impl BarrierError {
    /// By what the barrier was broken.
    #[must_use]
    pub fn reason(&self) -> BarrierState {
        match self {
            Self::TimedOut { .. } => BarrierState::TimedOut,
            Self::Broken { reason, .. } => *reason,
        }
    }
}

impl fmt::Display for BarrierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { name } => {
                write!(f, "the time was over before all parties of barrier {name} had come")
            }
            Self::Broken { name, reason } => write!(f, "barrier {name} is broken: {reason}"),
        }
    }
}

impl Error for BarrierError {}

/// A barrier can't be made with such numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BarrierSizeError {
    /// A barrier for nobody would never trip.
    NoParties,
    /// Parties and initial states do not fit into a barrier of fixed size.
    TooMany {
        /// How many parties there are.
        parties: usize,
        /// How many initial states there are, at least.
        states: usize,
        /// For how many together there is room.
        room: usize,
    },
}

impl fmt::Display for BarrierSizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoParties => f.write_str("a barrier for 0 parties would never trip"),
            Self::TooMany { parties, states, room } => write!(
                f,
                "a barrier with room for {room} can't hold {parties} parties and {states} initial states"
            ),
        }
    }
}

impl Error for BarrierSizeError {}
