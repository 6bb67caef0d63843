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

/// The turn that a blocked caller waits for. [`Wait`] has an example.
pub trait Turn {
    /// Where the caller stands now.
    fn place(&self) -> Place;

    /// Tells that the caller goes to sleep and that `waker` must be called
    /// when the waiting is over. `false`: it is over already. The first
    /// announcement stands: another one changes nothing.
    fn announce(&self, waker: Waker) -> bool;
}

/// How long a blocked caller is ready to wait. [`Wait`] has an example.
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
///
/// A thread that parks:
///
/// ```
/// use std::sync::Arc;
/// use std::task::{Wake, Waker};
/// use std::thread::{self, Thread};
///
/// use portunus::rules::{Exclusive, Sole};
/// use portunus::{Backend, FifoLock, Left, Limit, Place, RawMutexInner, Turn, Wait};
///
/// struct Unpark(Thread);
/// impl Wake for Unpark {
///     fn wake(self: Arc<Self>) { self.0.unpark(); }
/// }
///
/// struct Park;
/// impl Wait for Park {
///     fn wait(turn: &impl Turn, limit: &impl Limit) -> bool {
///         if !turn.announce(Waker::from(Arc::new(Unpark(thread::current())))) {
///             return true;
///         }
///         while turn.place() != Place::Over {
///             match limit.left() {
///                 Left::Unlimited => thread::park(),
///                 Left::Time(left) => thread::park_timeout(left),
///                 Left::Nothing => return false,
///             }
///         }
///         true
///     }
/// }
///
/// struct Parking;
/// impl Backend for Parking {
///     type Inner = RawMutexInner<parking_lot::RawMutex>;
///     type Wait = Park;
/// }
///
/// static LOCK: FifoLock<Exclusive, Parking> = FifoLock::new(Exclusive);
/// let held = LOCK.acquire(Sole::Exclusive);
/// thread::scope(|scope| {
///     let waiting = scope.spawn(|| drop(LOCK.acquire(Sole::Exclusive)));
///     while LOCK.waiting() == 0 { thread::yield_now(); }
///     drop(held);
///     waiting.join().expect("no panic");
/// });
/// assert!(!LOCK.is_locked());
/// ```
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
