//! Awaiting accessors and predicates.
//!
//! Whoever changes a value asks what is in the futures that wait for it, and a
//! future can be forgotten: then its memory stays, pinned, and its borrows end.
//! So what is asked of a future borrows nothing (A3 of
//! [questions](crate::wait::ask)): the accessor is the owner's, who follows it
//! only when the future is polled or dropped.

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
use crate::condition::{AsCondition, Condition, On};
use crate::predicate::{Asked, Predicate};
use crate::wait::ask::{Asker, Owner, Question};

pin_project! {
    /// A wait for something to become true that can be awaited.
    ///
    /// Dropped at any point it has left the line, and nothing is lost. `H` is
    /// what it asks, and `Q` the question: [`Get`] and [`SetWhenRead`] are names
    /// for those of an accessor.
    #[must_use = "futures do nothing unless polled"]
    pub struct Asking<H, Q>
    where
        H: On,
        H: Owner<Q>,
        Q: Question,
    {
        holder: H,
        #[pin]
        asker: Asker<Q>,
    }

    impl<H, Q> PinnedDrop for Asking<H, Q>
    where
        H: On,
        H: Owner<Q>,
        Q: Question,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            // SAFETY: by the owner; pinned here for the last time.
            unsafe { this.holder.on().asking().give_up(this.holder, this.asker.into_ref()) };
        }
    }
}

impl<H: On + Owner<Q>, Q: Question> Asking<H, Q> {
    /// # Safety
    ///
    /// What others touch of the question is `'static` and `Send` (A3).
    unsafe fn new(holder: H, question: Q) -> Self {
        Self { holder, asker: Asker::new(question, true) }
    }

    fn poll_answer(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<H::Answer> {
        let this = self.project();
        let asker = this.asker.into_ref();
        if asker.is_done() {
            finished();
        }
        // SAFETY: pinned until drop, which gives up; A3 by `new`'s contract.
        unsafe { this.holder.on().asking().poll(this.holder, asker, cx.waker()) }
    }
}

impl<H: On + Owner<Q>, Q: Question> fmt::Debug for Asking<H, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking").field("done", &self.asker.is_done()).finish_non_exhaustive()
    }
}

impl<H: On + Owner<Q>, Q: Question> Future for Asking<H, Q> {
    type Output = H::Answer;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<H::Answer> {
        self.poll_answer(cx)
    }
}

impl<H: On + Owner<Q>, Q: Question> FusedFuture for Asking<H, Q> {
    fn is_terminated(&self) -> bool {
        self.asker.is_done()
    }
}

impl<F, B: Backend, C: AsCondition<B>> Predicate<F, B, C>
where
    F: Fn() -> bool + Clone + Send + 'static,
{
    /// Waits until it is true.
    ///
    /// The future takes a clone of the closure along, which borrows nothing:
    /// whoever notifies goes on asking a future that was forgotten.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any point it has left the line, and nothing is lost.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
    /// use portunus::sync::{Condition, Predicate};
    ///
    /// let (open, changed) = (Arc::new(AtomicBool::new(false)), Condition::new());
    /// let seen = Arc::clone(&open);
    /// let is_open = Predicate::new(&changed, move || seen.load(SeqCst));
    ///
    /// # smol::block_on(async {
    /// let opener = async {
    ///     open.store(true, SeqCst);
    ///     changed.notify();
    /// };
    /// smol::future::zip(is_open.wait_async(), opener).await;
    /// # });
    /// ```
    pub fn wait_async(&self) -> Asking<&Condition<B>, Asked<F>> {
        // SAFETY: the closure is both.
        unsafe { Asking::new(self.condition(), Asked(self.closure().clone())) }
    }
}

/// A read of an accessor that can be awaited; see
/// [`Accessor::get_where_async`].
pub type Get<A, F> = Asking<A, Reading<<A as Reach>::Value, F>>;
/// A write of an accessor that waits for a reader and can be awaited; see
/// [`Accessor::set_when_read_async`].
pub type SetWhenRead<A> = Asking<A, Writing<<A as Reach>::Value>>;

impl<T, B, S, C> Accessor<T, B, S, C>
where
    T: Clone + Send,
    B: Backend,
    S: Source<Value = T> + Send,
    C: AsChanges<T, B>,
{
    /// Waits until the value is set, and returns it: the first poll is when it
    /// begins to wait.
    ///
    /// ```
    /// use portunus::sync::Accessor;
    ///
    /// let level = Accessor::new(0);
    /// # smol::block_on(async {
    /// let (seen, ()) = smol::future::zip(level.get_async(), async { level.set(1) }).await;
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
    pub fn get_async(&self) -> Get<&Self, fn(&T) -> bool> {
        // SAFETY: a function is both.
        unsafe { Asking::new(self, Reading::new(true, any as fn(&T) -> bool)) }
    }

    /// Waits until the value is as wanted, and returns it; at once if it is at
    /// the first poll.
    ///
    /// What `wanted` needs to know is moved into it:
    ///
    /// ```
    /// use std::sync::Arc;
    /// use portunus::sync::Accessor;
    ///
    /// let level = Arc::new(Accessor::new(0));
    /// # smol::block_on(async {
    /// let limit = 2;
    /// let same = Arc::clone(&level);
    /// // A task that outlives this scope keeps the accessor alive itself.
    /// let seen = smol::spawn(async move { same.get_where_async(move |l| *l > limit).await });
    /// level.set(3);
    /// assert_eq!(seen.await, 3);
    /// # });
    /// ```
    ///
    /// A predicate that borrows is for who blocks:
    ///
    /// ```compile_fail,E0597
    /// use portunus::sync::Accessor;
    ///
    /// let level = Accessor::new(0);
    /// let limit = 2;
    /// let _ = level.get_where_async(|level| *level > limit);
    /// ```
    ///
    /// # Cancel safety
    ///
    /// As [`get_async`](Self::get_async).
    ///
    /// # Errors
    ///
    /// Those of the getter.
    pub fn get_where_async<F>(&self, wanted: F) -> Get<&Self, F>
    where
        F: FnMut(&T) -> bool + Send + 'static,
    {
        // SAFETY: the predicate is both.
        unsafe { Asking::new(self, Reading::new(false, wanted)) }
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
    pub fn get_next_where_async<F>(&self, wanted: F) -> Get<&Self, F>
    where
        F: FnMut(&T) -> bool + Send + 'static,
    {
        // SAFETY: the predicate is both.
        unsafe { Asking::new(self, Reading::new(true, wanted)) }
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
    pub fn set_when_read_async(&self, value: T) -> SetWhenRead<&Self> {
        // SAFETY: others touch counts alone.
        unsafe { Asking::new(self, Writing::new(value)) }
    }

    /// Waits until somebody waits to read.
    ///
    /// # Cancel safety
    ///
    /// As [`get_async`](Self::get_async).
    pub fn wait_for_reader_async(&self) -> Asking<&Self, WaitingRead<T>> {
        // SAFETY: others touch counts alone.
        unsafe { Asking::new(self, WaitingRead::new()) }
    }

    /// The values, as they are set, from the first poll on.
    ///
    /// It never ends. Who takes them late sees the latest one, not every one.
    ///
    /// ```
    /// use portunus::sync::Accessor;
    /// use smol::stream::StreamExt;
    ///
    /// let level = Accessor::new(0);
    /// # smol::block_on(async {
    /// let mut levels = Box::pin(level.values());
    /// for new in 1..=3 {
    ///     let (seen, ()) = smol::future::zip(levels.next(), async { level.set(new) }).await;
    ///     assert_eq!(seen, Some(new));
    /// }
    /// # });
    /// ```
    pub fn values(&self) -> Values<&Self> {
        Values::new(self)
    }
}

fn any<T>(_: &T) -> bool {
    true
}

/// The question of who takes whatever is set.
type AnyOf<A> = Reading<<A as Reach>::Value, fn(&<A as Reach>::Value) -> bool>;

pin_project! {
    /// The values of an accessor as they are set; see [`Accessor::values`].
    #[must_use = "streams do nothing unless polled"]
    pub struct Values<A>
    where
        A: Reach,
        A: Owner<AnyOf<A>>,
    {
        #[pin]
        asking: Asking<A, AnyOf<A>>,
    }
}

/// Waits for what is set next.
fn next<A: Reach + Owner<AnyOf<A>>>(accessor: A, question: AnyOf<A>) -> Asking<A, AnyOf<A>> {
    // SAFETY: a function is both.
    unsafe { Asking::new(accessor, question) }
}

impl<A: Reach + Owner<AnyOf<A>>> Values<A> {
    pub(super) fn new(accessor: A) -> Self {
        Self { asking: next(accessor, Reading::new(true, any as fn(&A::Value) -> bool)) }
    }
}

impl<A: Reach + Clone + Owner<AnyOf<A>>> Stream for Values<A> {
    type Item = <A as Owner<AnyOf<A>>>::Answer;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        let Poll::Ready(value) = this.asking.as_mut().poll_answer(cx) else {
            return Poll::Pending;
        };
        // The next one is what is set after the one that was just seen.
        if let Some(seen) = this.asking.asker.ended().map(Reading::answered) {
            let accessor = this.asking.holder.clone();
            let question = Reading::since(seen, any as fn(&A::Value) -> bool);
            this.asking.set(next(accessor, question));
        }
        Poll::Ready(Some(value))
    }
}

impl<A: Reach + Owner<AnyOf<A>>> fmt::Debug for Values<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").finish_non_exhaustive()
    }
}
