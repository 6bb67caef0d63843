//! Awaiting accessors and predicates.
//!
//! Whoever changes a value follows what the futures that wait for it point to,
//! and a future can be forgotten: then its memory stays, and its borrows end.
//! So a future holds what it waits for by a `'static` reference or an `Arc`.

#![allow(unsafe_code)]

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use futures_core::{FusedFuture, Stream};
use pin_project_lite::pin_project;

use super::finished;
use crate::accessor::{Accessor, AsChanges, Reach, Reading, Source, WaitingRead, Writing};
use crate::backend::Backend;
use crate::condition::{AsCondition, Condition};
use crate::predicate::{Asked, Predicate};
use crate::wait::ask::{Asker, Question};

/// What a future waits for, by what lasts as long as the future's memory.
#[doc(hidden)]
pub trait Lasts: Clone {
    type Backend: Backend;

    /// Always the same one.
    fn condition(&self) -> &Condition<Self::Backend>;
}

impl<T, B: Backend, S: Source<Value = T>, C: AsChanges<B>> Lasts for &'static Accessor<T, B, S, C> {
    type Backend = B;

    fn condition(&self) -> &Condition<B> {
        Accessor::condition(self)
    }
}

impl<F: Fn() -> bool, B: Backend, C: AsCondition<B>> Lasts for &'static Predicate<F, B, C> {
    type Backend = B;

    fn condition(&self) -> &Condition<B> {
        Predicate::condition(self)
    }
}

pin_project! {
    /// A wait for something to become true that can be awaited.
    ///
    /// Dropped at any point it has left the line, and nothing is lost.
    #[must_use = "futures do nothing unless polled"]
    pub struct Asking<H: Lasts, Q: Question> {
        holder: H,
        #[pin]
        asker: Asker<Q>,
    }

    impl<H: Lasts, Q: Question> PinnedDrop for Asking<H, Q> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            // SAFETY: by the owner; pinned here for the last time.
            unsafe { this.holder.condition().asking().give_up(this.asker.into_ref()) };
        }
    }
}

impl<H: Lasts, Q: Question> Asking<H, Q> {
    pub(super) fn new(holder: H, question: Q) -> Self {
        Self { holder, asker: Asker::new(question, true) }
    }

    fn poll_answer(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Q::Answer> {
        let this = self.project();
        let asker = this.asker.into_ref();
        if asker.is_done() {
            finished();
        }
        // SAFETY: pinned until drop, which gives up.
        unsafe { this.holder.condition().asking().poll(asker, cx.waker()) }
    }
}

impl<H: Lasts, Q: Question> fmt::Debug for Asking<H, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking").field("done", &self.asker.is_done()).finish_non_exhaustive()
    }
}

impl<H: Lasts, Q: Question> Future for Asking<H, Q> {
    type Output = Q::Answer;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Q::Answer> {
        self.poll_answer(cx)
    }
}

impl<H: Lasts, Q: Question> FusedFuture for Asking<H, Q> {
    fn is_terminated(&self) -> bool {
        self.asker.is_done()
    }
}

impl<F: Fn() -> bool + Sync, B: Backend, C: AsCondition<B>> Predicate<F, B, C> {
    /// Waits until it is true.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point it has left the line, and nothing is lost.
    ///
    /// ```
    /// use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
    /// use portunus::sync::{Condition, Predicate};
    ///
    /// static OPEN: AtomicBool = AtomicBool::new(false);
    /// static IS_OPEN: Predicate<fn() -> bool> =
    ///     Predicate::new(Condition::new(), || OPEN.load(SeqCst));
    ///
    /// # smol::block_on(async {
    /// let opener = async {
    ///     OPEN.store(true, SeqCst);
    ///     IS_OPEN.condition().notify();
    /// };
    /// smol::future::zip(IS_OPEN.wait_async(), opener).await;
    /// # });
    /// ```
    pub fn wait_async(&'static self) -> Asking<&'static Self, Asked<'static, F>> {
        Asking::new(self, self.asked())
    }
}

/// A read of an accessor that can be awaited; see
/// [`Accessor::get_where_async`].
pub type Get<A, F> = Told<A, Reading<A, F>>;
/// A write of an accessor that waits for a reader and can be awaited; see
/// [`Accessor::set_when_read_async`].
pub type SetWhenRead<A> = Told<A, Writing<A>>;

pin_project! {
    /// An operation on an accessor that can be awaited.
    #[must_use = "futures do nothing unless polled"]
    pub struct Told<A: Lasts, Q: Question> {
        #[pin]
        asking: Asking<A, Q>,
    }
}

impl<A: Lasts, Q: Question> Told<A, Q> {
    pub(super) fn new(accessor: A, question: Q) -> Self {
        Self { asking: Asking::new(accessor, question) }
    }
}

impl<V, A, Q> Future for Told<A, Q>
where
    A: Lasts + Reach,
    Q: Question<Answer = Result<V, <A::Source as Source>::Error>>,
{
    type Output = <A::Source as Source>::Outcome<V>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().asking.poll_answer(cx).map(A::Source::outcome)
    }
}

impl<V, A, Q> FusedFuture for Told<A, Q>
where
    A: Lasts + Reach,
    Q: Question<Answer = Result<V, <A::Source as Source>::Error>>,
{
    fn is_terminated(&self) -> bool {
        self.asking.is_terminated()
    }
}

impl<A: Lasts, Q: Question> fmt::Debug for Told<A, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = self.asking.is_terminated();
        f.debug_struct("Told").field("done", &done).finish_non_exhaustive()
    }
}

impl<T, B, S, C> Accessor<T, B, S, C>
where
    T: Clone + Send,
    B: Backend,
    S: Source<Value = T> + Send,
    C: AsChanges<B>,
{
    /// Waits until the value is set, and returns it: the first poll is when it
    /// begins to wait.
    ///
    /// ```
    /// use portunus::sync::Accessor;
    ///
    /// static LEVEL: Accessor<u32> = Accessor::new(0);
    ///
    /// # smol::block_on(async {
    /// let (seen, ()) = smol::future::zip(LEVEL.get_async(), async { LEVEL.set(1) }).await;
    /// assert_eq!(seen, 1);
    /// # });
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point it has left the line, and nothing is lost.
    ///
    /// # Errors
    ///
    /// Those of the getter.
    pub fn get_async(&'static self) -> Get<&'static Self, fn(&T) -> bool> {
        self.get_next_where_async(any)
    }

    /// Waits until the value is as wanted, and returns it; at once if it is at
    /// the first poll.
    ///
    /// # Cancel safety
    ///
    /// As [`get_async`](Self::get_async).
    ///
    /// # Errors
    ///
    /// Those of the getter.
    pub fn get_where_async<F>(&'static self, wanted: F) -> Get<&'static Self, F>
    where
        F: FnMut(&T) -> bool + Send + 'static,
    {
        Told::new(self, Reading::new(self, false, wanted))
    }

    /// Waits until a value is set that is as wanted, and returns it: the one of
    /// the first poll does not count.
    ///
    /// # Cancel safety
    ///
    /// As [`get_async`](Self::get_async).
    ///
    /// # Errors
    ///
    /// Those of the getter.
    pub fn get_next_where_async<F>(&'static self, wanted: F) -> Get<&'static Self, F>
    where
        F: FnMut(&T) -> bool + Send + 'static,
    {
        Told::new(self, Reading::new(self, true, wanted))
    }

    /// Sets the value when somebody waits to read it.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point it has set nothing, and the reader that it was
    /// woken for is left to the next one.
    ///
    /// # Errors
    ///
    /// Those of the setter.
    pub fn set_when_read_async(&'static self, value: T) -> SetWhenRead<&'static Self> {
        Told::new(self, Writing::new(self, value))
    }

    /// Waits until somebody waits to read.
    pub fn wait_for_reader_async(
        &'static self,
    ) -> Asking<&'static Self, WaitingRead<&'static Self>> {
        Asking::new(self, WaitingRead::new(self))
    }

    /// The values, as they are set, from the first poll on.
    ///
    /// It never ends. Who takes them late sees the latest one, not every one.
    ///
    /// ```
    /// use portunus::sync::Accessor;
    /// use smol::stream::StreamExt;
    ///
    /// static LEVEL: Accessor<u32> = Accessor::new(0);
    ///
    /// # smol::block_on(async {
    /// let mut levels = Box::pin(LEVEL.values());
    /// for new in 1..=3 {
    ///     let (seen, ()) = smol::future::zip(levels.next(), async { LEVEL.set(new) }).await;
    ///     assert_eq!(seen, Some(new));
    /// }
    /// # });
    /// ```
    pub fn values(&'static self) -> Values<&'static Self> {
        Values::new(self)
    }
}

fn any<T>(_: &T) -> bool {
    true
}

/// The question of who takes whatever is set.
type AnyOf<A> = Reading<A, fn(&<A as Reach>::Value) -> bool>;

pin_project! {
    /// The values of an accessor as they are set; see [`Accessor::values`].
    #[must_use = "streams do nothing unless polled"]
    pub struct Values<A>
    where
        A: Lasts,
        A: Reach,
        AnyOf<A>: Question,
    {
        #[pin]
        asking: Asking<A, AnyOf<A>>,
    }
}

impl<A: Lasts + Reach> Values<A>
where
    AnyOf<A>: Question,
{
    pub(super) fn new(accessor: A) -> Self {
        let question = Reading::new(accessor.clone(), true, any as fn(&A::Value) -> bool);
        Self { asking: Asking::new(accessor, question) }
    }
}

impl<A> Stream for Values<A>
where
    A: Lasts + Reach,
    AnyOf<A>: Question<Answer = Result<A::Value, <A::Source as Source>::Error>>,
{
    type Item = <A::Source as Source>::Outcome<A::Value>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        let Poll::Ready(value) = this.asking.as_mut().poll_answer(cx) else {
            return Poll::Pending;
        };
        // The next one is what is set after the one that was just seen.
        if let Some(seen) = this.asking.asker.ended().map(Reading::answered) {
            let accessor = this.asking.holder.clone();
            let next = Reading::since(accessor.clone(), seen, any as fn(&A::Value) -> bool);
            this.asking.set(Asking::new(accessor, next));
        }
        Poll::Ready(Some(A::Source::outcome(value)))
    }
}

impl<A: Lasts + Reach> fmt::Debug for Values<A>
where
    AnyOf<A>: Question,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").finish_non_exhaustive()
    }
}
