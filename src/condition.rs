//! What several accessors and predicates wait on together.

use core::fmt;

use crate::atomic::constructor;
use crate::backend::Backend;
use crate::wait::ask::{AskQueue, By};

/// The lock under which questions are asked: a mutex, for they are the user's
/// code.
#[cfg(not(all(test, portunus_loom)))]
type Lock<B> = crate::wait::inner::RawMutexInner<crate::mutex::RawMutex<B>>;
/// Models have no `lock_api`.
#[cfg(all(test, portunus_loom))]
type Lock<B> = <B as Backend>::Inner;

/// A line of those who wait for something to become true, to be shared by
/// several [`Accessor`](crate::Accessor)s and [`Predicate`](crate::Predicate)s.
///
/// Each waiter brings its own predicate along. Whoever changes something asks
/// all of them, in the order in which they came, and wakes those alone that
/// hold. An accessor asks all [`Predicate`](crate::Predicate)s, and the readers
/// of its own value.
///
/// ```
/// use core::sync::atomic::{AtomicU32, Ordering::SeqCst};
/// use portunus::sync::{Condition, Predicate};
///
/// static DONE: AtomicU32 = AtomicU32::new(0);
/// static CHANGED: Condition = Condition::new();
///
/// std::thread::scope(|scope| {
///     scope.spawn(|| Predicate::new(&CHANGED, || DONE.load(SeqCst) == 2).wait());
///     for _ in 0..2 {
///         scope.spawn(|| {
///             DONE.fetch_add(1, SeqCst);
///             CHANGED.notify();
///         });
///     }
/// });
/// ```
///
/// # Predicates
///
/// They run in the context of whoever changes something, one at a time, under
/// a mutex of the condition's own. So they must be cheap, must not block, and
/// must not use the condition, nor an accessor or predicate on it: that would
/// wait for ever.
///
/// # Panics
///
/// A predicate that panics does so in the call that asked it. Its waiter leaves
/// the line, wakes, and asks anew, so that it also panics in its own call.
/// Where a waker panics, the others are still asked: a predicate that panics on
/// top of that does so in its own call alone, if the backend can
/// [catch](Backend::catch) it, as `sync` can; otherwise it ends the program.
#[doc(alias = "Notify")]
#[doc(alias = "Event")]
#[doc(alias = "WaitQueue")]
#[doc(alias = "WaitMap")]
#[doc(alias = "ManualResetEvent")]
pub struct Condition<B: Backend> {
    asking: AskQueue<Lock<B>, B>,
}

impl<B: Backend> Condition<B> {
    constructor! {
        /// With nobody waiting.
        #[must_use]
        pub fn new() -> Self {
            Self { asking: AskQueue::new() }
        }
    }

    /// Asks all that wait, and wakes those whose predicate holds. Says how many
    /// that were.
    ///
    /// Whoever notifies does not have the values of accessors. So their readers
    /// are not asked: those wake whom another value than the last one that was
    /// set could satisfy (a getter may find one), and ask for themselves, in a
    /// new place in line.
    ///
    /// # Blocking
    ///
    /// Waits for others who are asking. See [`try_notify`](Self::try_notify).
    #[doc(alias = "notify_all")]
    pub fn notify(&self) -> usize {
        self.asking.change(&By::Notice, |changed| *changed = true).1
    }

    /// As [`notify`](Self::notify), unless somebody else is asking: then
    /// `None`, and nobody was asked. For interrupt handlers on `critical`.
    pub fn try_notify(&self) -> Option<usize> {
        Some(self.asking.try_change(&By::Notice, |changed| *changed = true)?.1)
    }

    /// How many wait now.
    ///
    /// Counts them one by one.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.asking.len()
    }

    pub(crate) fn asking(&self) -> &AskQueue<Lock<B>, B> {
        &self.asking
    }
}

/// A condition, a reference to one, or an `Arc` of one: what an accessor or a
/// predicate stands on.
///
/// It cannot be implemented elsewhere: it always has to be the same one.
pub trait AsCondition<B: Backend>: sealed::Sealed {
    /// The condition.
    fn as_condition(&self) -> &Condition<B>;
}

/// What stands on a condition: the owner of a question reaches it so.
#[doc(hidden)]
#[allow(unreachable_pub, reason = "in a future's hidden parameter")]
pub trait On {
    type Backend: Backend;

    /// Always the same one.
    fn on(&self) -> &Condition<Self::Backend>;
}

impl<B: Backend> On for &Condition<B> {
    type Backend = B;

    fn on(&self) -> &Condition<B> {
        self
    }
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

impl<B: Backend> sealed::Sealed for Condition<B> {}
impl<B: Backend> AsCondition<B> for Condition<B> {
    fn as_condition(&self) -> &Self {
        self
    }
}

impl<B: Backend> sealed::Sealed for &Condition<B> {}
impl<B: Backend> AsCondition<B> for &Condition<B> {
    fn as_condition(&self) -> &Condition<B> {
        self
    }
}

impl<B: Backend> Default for Condition<B> {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows how many wait; never blocks.
impl<B: Backend> fmt::Debug for Condition<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Condition");
        match self.asking.try_len() {
            Some(waiting) => debug.field("waiting", &waiting),
            None => debug.field("waiting", &format_args!("<locked>")),
        };
        debug.finish()
    }
}
