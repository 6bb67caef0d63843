//! Waiting: where waiters stand, how they spend their time, who wakes them.

pub(crate) mod alone;
pub(crate) mod ask;
pub(crate) mod batch;
#[cfg(feature = "critical-section")]
pub(crate) mod critical;
pub(crate) mod inner;
mod kept;
pub(crate) mod line;
pub(crate) mod locked;
pub(crate) mod node;
#[cfg(feature = "std")]
pub(crate) mod park;
#[cfg(all(feature = "alloc", feature = "async", target_has_atomic = "ptr"))]
pub(crate) mod post;
pub(crate) mod queue;
#[cfg(all(
    feature = "alloc",
    any(feature = "async", all(test, portunus_loom)),
    target_has_atomic = "ptr"
))]
pub(crate) mod ready;
pub(crate) mod relax;
#[cfg(feature = "std")]
pub(crate) mod until;

use core::task::Waker;
use core::time::Duration;

pub use inner::InnerLock;

/// Where a blocked caller stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Its turn has come, or it has to ask anew: the waiting is over.
    Over,
    /// First of its lane: its turn comes next.
    Front,
    /// Somebody stands before it.
    Behind,
}

/// The turn that a blocked caller waits for.
pub trait Turn {
    /// Where the caller stands now.
    fn place(&self) -> Place;

    /// Tells that the caller goes to sleep and that `waker` must be called
    /// when the waiting is over. `false`: it is over already. The first
    /// announcement stands: another one changes nothing.
    fn announce(&self, waker: Waker) -> bool;
}

/// How long a blocked caller is ready to wait.
pub trait Limit {
    /// What is left of it.
    fn left(&self) -> Left;
}

/// What is left of a [`Limit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// There is no limit.
    Unlimited,
    /// So much time.
    Time(Duration),
    /// Nothing.
    Nothing,
}

/// No limit.
#[derive(Clone, Copy, Debug)]
pub struct Forever;

impl Limit for Forever {
    #[inline]
    fn left(&self) -> Left {
        Left::Unlimited
    }
}

/// How a blocked caller spends its time until its turn comes.
pub trait Wait {
    /// Blocks the caller until [`turn.place()`](Turn::place) is
    /// [`Place::Over`] (`true`), or until nothing is left of `limit` (`false`).
    ///
    /// Should it return earlier, it is called again; under a limit, the request
    /// is given up. It may return late. If it panics, the request leaves the line.
    fn wait(turn: &impl Turn, limit: &impl Limit) -> bool;
}

/// Waits until it is [`Place::Over`] (`true`), or until nothing is left of
/// `limit`: a strategy that ends too early is called again.
pub(crate) fn wait_over<W: Wait>(turn: &impl Turn, limit: &impl Limit) -> bool {
    loop {
        W::wait(turn, limit);
        if turn.place() == Place::Over {
            return true;
        }
        if limit.left() == Left::Nothing {
            return false;
        }
    }
}
