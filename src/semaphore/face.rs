//! How an acquisition tells what has become of it.

#![allow(unreachable_pub, reason = "futures name the faces, and they are a feature")]

use crate::error::{AcquireError, Closed, TooMany};
use crate::misuse::stop;
use crate::wait::node::Refusal;

/// What an acquisition returns.
#[doc(hidden)]
pub trait Face {
    /// What comes of something that may have been refused.
    type Output<P>;

    /// Whether a number is asked for, which may be 0.
    const MANY: bool = false;

    /// Whether who asks for nothing is told that the semaphore is closed.
    const TOLD: bool = false;

    /// Gives it.
    fn output<P>(result: Result<P, Refusal>, requested: u32) -> Self::Output<P>;
}

/// Permits; there is no other way out but a panic.
#[doc(hidden)]
#[derive(Debug)]
pub struct Plain(());

impl Face for Plain {
    type Output<P> = P;

    fn output<P>(result: Result<P, Refusal>, _: u32) -> P {
        result.unwrap_or_else(|_| closed())
    }
}

/// Permits that were let go for a while; there is no other way out but a panic.
#[doc(hidden)]
#[derive(Debug)]
pub struct Again(());

impl Face for Again {
    type Output<P> = P;
    const MANY: bool = true;

    fn output<P>(result: Result<P, Refusal>, _: u32) -> P {
        result.unwrap_or_else(|_| gone())
    }
}

/// Permits, or that there are not so many: of a closed semaphore, none.
#[doc(hidden)]
#[derive(Debug)]
pub struct Counted(());

impl Face for Counted {
    type Output<P> = Result<P, TooMany>;
    const MANY: bool = true;

    fn output<P>(result: Result<P, Refusal>, requested: u32) -> Result<P, TooMany> {
        result.map_err(|why| match why {
            Refusal::TooMany(limit) => TooMany::permits(requested, limit),
            Refusal::Closed => TooMany::closed(requested),
        })
    }
}

/// A permit, or that the semaphore is closed.
#[doc(hidden)]
#[derive(Debug)]
pub struct Told(());

impl Face for Told {
    type Output<P> = Result<P, Closed>;
    const TOLD: bool = true;

    fn output<P>(result: Result<P, Refusal>, _: u32) -> Result<P, Closed> {
        // Who asks for one without a number is never asking for too many.
        result.map_err(|_| Closed(()))
    }
}

/// Permits, or why not.
#[doc(hidden)]
#[derive(Debug)]
pub struct ToldMany(());

impl Face for ToldMany {
    type Output<P> = Result<P, AcquireError>;
    const MANY: bool = true;
    const TOLD: bool = true;

    fn output<P>(result: Result<P, Refusal>, requested: u32) -> Result<P, AcquireError> {
        result.map_err(|why| match why {
            Refusal::TooMany(limit) => TooMany::permits(requested, limit).into(),
            Refusal::Closed => Closed(()).into(),
        })
    }
}

#[cold]
#[inline(never)]
#[track_caller]
pub(crate) fn closed() -> ! {
    stop(
        "the semaphore is closed: this acquisition has no way to say so, those of a \
         ClosableSemaphore have",
    )
}

#[cold]
#[inline(never)]
pub(crate) fn gone() -> ! {
    stop(
        "permits that were let go for a while can't be taken again: the semaphore was closed, or \
         has fewer permits now",
    )
}
