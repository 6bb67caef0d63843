//! Something that is true or not, and can be waited for.

use core::fmt;
use core::marker::PhantomData;

use crate::backend::Backend;
use crate::condition::{AsCondition, Condition};
use crate::wait::ask::{Bring, By, Owner, Question};
use crate::wait::{Forever, Limit};

/// Something that is true or not, asked anew whenever a condition is notified.
///
/// ```
/// use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
/// use portunus::sync::{Condition, Predicate};
///
/// let (ready, changed) = (AtomicBool::new(false), Condition::new());
/// let is_ready = Predicate::new(&changed, || ready.load(SeqCst));
/// assert!(!is_ready.holds());
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         ready.store(true, SeqCst);
///         changed.notify();
///     });
///     is_ready.wait();
/// });
/// assert!(is_ready.holds());
/// ```
///
/// A change that nobody notifies the condition of wakes nobody. Each wait is
/// its own: that one ends by its time, or is given up, means nothing to the
/// others, nor to a later one.
///
/// # Fairness
///
/// Those whose predicate holds wake in the order in which they came.
///
/// # Panics
///
/// If the closure does. See [`Condition`].
#[doc(alias = "awaitable_predicate")]
pub struct Predicate<F, B: Backend, C: AsCondition<B> = Condition<B>> {
    condition: C,
    closure: F,
    backend: PhantomData<fn() -> B>,
}

impl<F: Fn() -> bool, B: Backend, C: AsCondition<B>> Predicate<F, B, C> {
    /// What `closure` says, to be asked when `condition` is notified: one of
    /// its own, a reference to one, or an `Arc` of it.
    pub const fn new(condition: C, closure: F) -> Self {
        Self { condition, closure, backend: PhantomData }
    }

    /// Whether it is true now.
    pub fn holds(&self) -> bool {
        (self.closure)()
    }

    #[allow(dead_code, reason = "of futures")]
    pub(crate) fn closure(&self) -> &F {
        &self.closure
    }

    /// The condition whose notifications it heeds.
    pub fn condition(&self) -> &Condition<B> {
        self.condition.as_condition()
    }
}

impl<F: Fn() -> bool + Sync, B: Backend, C: AsCondition<B>> Predicate<F, B, C> {
    /// Waits until it is true.
    ///
    /// # Blocking
    ///
    /// Blocks the calling thread or core. In async code use
    /// [`wait_async`](Self::wait_async).
    pub fn wait(&self) {
        while !self.wait_limited(&Forever) {}
    }

    /// `false`: the limit came first.
    pub(crate) fn wait_limited(&self, limit: &impl Limit) -> bool {
        let asked = Asked(|| self.holds());
        self.condition().asking().wait::<_, _, B::Wait>(&self.condition(), asked, limit).is_some()
    }
}

/// The question of those who wait for a predicate.
#[allow(unreachable_pub, reason = "in a future's hidden parameter")]
#[derive(Debug)]
pub struct Asked<F>(pub(crate) F);

impl<F: Fn() -> bool> Question for Asked<F> {
    fn holds(&mut self, _: By<'_>) -> bool {
        (self.0)()
    }
}

impl<F: Fn() -> bool, B: Backend> Owner<Asked<F>> for &Condition<B> {
    type Answer = ();

    fn brings(&self) -> impl Bring {
        // Whose change it was that the others were not asked about is not known.
        By::Unknown
    }

    fn answer(&self, asked: &mut Asked<F>, _: &mut bool) -> Option<()> {
        (asked.0)().then_some(())
    }
}

/// Shows whether it holds now.
impl<F: Fn() -> bool, B: Backend, C: AsCondition<B>> fmt::Debug for Predicate<F, B, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Predicate").field("holds", &self.holds()).finish_non_exhaustive()
    }
}
