//! A future that can be driven by its parts.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::convert::Infallible;
use core::error::Error;
use core::fmt;
use core::future::{Future, poll_fn};
use core::marker::PhantomData;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use futures_core::FusedFuture;

use crate::spin::Spinning;
use crate::wait::locked::Locked;

/// What a step of a [`Coroutine`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CoroutineState<Y, T> {
    /// It handed out a value, and waits to be resumed.
    Yielded(Y),
    /// It is done.
    Complete(T),
    /// It awaits something else: go on with [`advance`](Coroutine::advance).
    Waiting,
}

/// Why a coroutine could not be used in this way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Misuse {
    /// It has not been started, so that there is nothing to resume.
    NotStarted,
    /// It has been started already.
    Started,
    /// It stands at something else that it awaits, and can't take a value now.
    Waiting,
    /// It stands at a yield: resume it.
    Yielded,
    /// It has handed out its result.
    Finished,
    /// It was closed.
    Closed,
    /// It panicked.
    Panicked,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotStarted => "the coroutine has not been started",
            Self::Started => "the coroutine has been started already",
            Self::Waiting => "the coroutine awaits something else than to be resumed",
            Self::Yielded => "the coroutine waits to be resumed",
            Self::Finished => "the coroutine has handed out its result already",
            Self::Closed => "the coroutine was closed",
            Self::Panicked => "the coroutine panicked",
        })
    }
}

impl Error for Misuse {}

/// A value that a [`Coroutine`] did not take, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Refused<V> {
    /// The value.
    pub value: V,
    /// Why it was not taken.
    pub why: Misuse,
}

impl<V> fmt::Display for Refused<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

impl<V: fmt::Debug> Error for Refused<V> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // It is shown as the misuse: what comes next is that one's source.
        self.why.source()
    }
}

/// What passes between a coroutine and its driver.
enum Slot<R, Y, X> {
    Empty,
    Out(Y),
    In(Result<R, X>),
}

impl<R, Y, X> Slot<R, Y, X> {
    fn put(&mut self, value: Self) -> Self {
        mem::replace(self, value)
    }
}

/// Never contended: the driver has the coroutine exclusively, and the body is
/// polled by the driver.
type Shared<R, Y, X> = Arc<Locked<Spinning, Slot<R, Y, X>>>;

/// Hands values out of a [`Coroutine`] and takes values in: its body has it.
pub struct Yielder<R, Y, X = Infallible> {
    slot: Shared<R, Y, X>,
}

impl<R, Y, X> Yielder<R, Y, X> {
    /// Hands `value` out, and waits to be resumed.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the driver took the value, the value is dropped with it;
    /// dropped later, what the driver answers is.
    ///
    /// # Errors
    ///
    /// What the driver throws.
    pub async fn yield_(&mut self, value: Y) -> Result<R, X> {
        /// Takes back what the driver has not taken.
        struct Withdraw<'a, R, Y, X>(&'a Shared<R, Y, X>);
        impl<R, Y, X> Drop for Withdraw<'_, R, Y, X> {
            fn drop(&mut self) {
                drop(self.0.with(|slot| match slot {
                    Slot::Out(_) => slot.put(Slot::Empty),
                    Slot::Empty | Slot::In(_) => Slot::Empty,
                }));
            }
        }
        drop(self.slot.with(|slot| slot.put(Slot::Out(value))));
        let _withdraw = Withdraw(&self.slot);
        poll_fn(|_| {
            let taken = self.slot.with(|slot| match slot.put(Slot::Empty) {
                Slot::In(answer) => Some(answer),
                other => {
                    *slot = other;
                    None
                }
            });
            match taken {
                Some(answer) => Poll::Ready(answer),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Runs another coroutine in this one's place: what it yields goes out,
    /// what comes in goes to it, and its result is the result of this.
    ///
    /// ```
    /// use portunus::coroutine::{Coroutine, CoroutineState, Yielder};
    ///
    /// let mut whole = Coroutine::new(|mut out: Yielder<u32, &str>| async move {
    ///     let mut part = Coroutine::new(|mut out: Yielder<u32, &str>| async move {
    ///         let Ok(first) = out.yield_("first?").await;
    ///         let Ok(second) = out.yield_("second?").await;
    ///         first + second
    ///     });
    ///     out.delegate(&mut part).await
    /// });
    /// assert_eq!(whole.start(), Ok(CoroutineState::Yielded("first?")));
    /// assert_eq!(whole.resume(3), Ok(CoroutineState::Yielded("second?")));
    /// assert_eq!(whole.resume(4), Ok(CoroutineState::Complete(Ok(7))));
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropped, the other one stands where it stood.
    ///
    /// # Errors
    ///
    /// [`Misuse`], if the other one was started already.
    pub async fn delegate<F>(
        &mut self,
        other: &mut Coroutine<F, R, Y, X>,
    ) -> Result<F::Output, Misuse>
    where
        F: Future,
    {
        let mut state = other.start_async().await.map_err(|refused| refused.why)?;
        loop {
            state = match state {
                CoroutineState::Complete(result) => return Ok(result),
                CoroutineState::Waiting => other.advance().await.map_err(|refused| refused.why)?,
                CoroutineState::Yielded(value) => match self.yield_(value).await {
                    Ok(answer) => {
                        other.resume_async(answer).await.map_err(|refused| refused.why)?
                    }
                    Err(error) => other.throw_async(error).await.map_err(|refused| refused.why)?,
                },
            };
        }
    }
}

impl<R, Y, X> fmt::Debug for Yielder<R, Y, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Yielder").finish_non_exhaustive()
    }
}

/// Where a coroutine stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    Yielded,
    Waiting,
    /// In a step, or left by a panic in one.
    Running,
    Finished,
    Closed,
}

impl Stage {
    /// Why a step is not the right one at this stage.
    fn misuse(self) -> Misuse {
        match self {
            Self::New => Misuse::NotStarted,
            Self::Yielded => Misuse::Yielded,
            Self::Waiting => Misuse::Waiting,
            Self::Running => Misuse::Panicked,
            Self::Finished => Misuse::Finished,
            Self::Closed => Misuse::Closed,
        }
    }
}

/// A future that can be driven by its parts: started, resumed with a value,
/// closed, thrown an error at.
///
/// Its body is a future; with a [`Yielder`] it hands values `Y` out, and gets a
/// value `R` back for each, or an error `X` that was thrown. Between two
/// yields it may await anything.
///
/// ```
/// use portunus::coroutine::{Coroutine, CoroutineState::{Complete, Yielded}, Yielder};
///
/// let mut sum = Coroutine::new(|mut co: Yielder<u32, u32>| async move {
///     let mut sum = 0;
///     while sum < 10 {
///         let Ok(more) = co.yield_(sum).await;
///         sum += more;
///     }
///     sum
/// });
/// assert_eq!(sum.start(), Ok(Yielded(0)));
/// assert_eq!(sum.resume(7), Ok(Yielded(7)));
/// assert_eq!(sum.resume(7), Ok(Complete(14)));
/// assert!(sum.resume(7).is_err());
/// ```
///
/// A plain future is wrapped by [`from_future`](Self::from_future): awaited, it
/// gives its result once, and then an error instead of a panic.
///
/// ```
/// use portunus::coroutine::{Coroutine, Misuse};
///
/// # smol::block_on(async {
/// let mut work = Coroutine::from_future(async { 42 });
/// assert_eq!((&mut work).await, Ok(42));
/// assert_eq!((&mut work).await, Err(Misuse::Finished));
/// # });
/// ```
///
/// # Cancel safety
///
/// The futures of `start_async` and its like borrow the coroutine: dropped, it
/// stands where it stood, and [`advance`](Self::advance) goes on. Dropped or
/// [closed](Self::close), a coroutine drops its body where that stands.
///
/// # Panics
///
/// A panic of the body goes on in the driver; the body is dropped then, and all
/// further use gives [`Misuse::Panicked`].
#[doc(alias = "CoroutineWrapper")]
#[doc(alias = "Generator")]
pub struct Coroutine<F: Future, R = (), Y = Infallible, X = Infallible> {
    body: Option<Pin<Box<F>>>,
    slot: Option<Shared<R, Y, X>>,
    stage: Stage,
    sends: PhantomData<fn(R, X) -> Y>,
}

impl<F: Future> Coroutine<F> {
    /// Wraps a future, which yields nothing.
    pub fn from_future(future: F) -> Self {
        Self { body: Some(Box::pin(future)), slot: None, stage: Stage::New, sends: PhantomData }
    }
}

impl<F: Future, R, Y, X> Coroutine<F, R, Y, X> {
    /// A coroutine with the body that `body` returns; it does not run yet.
    pub fn new(body: impl FnOnce(Yielder<R, Y, X>) -> F) -> Self {
        let slot = Arc::new(Locked::new(Slot::Empty));
        let body = body(Yielder { slot: Arc::clone(&slot) });
        Self { body: Some(Box::pin(body)), slot: Some(slot), stage: Stage::New, sends: PhantomData }
    }

    /// Runs it to its first yield, or to its end.
    ///
    /// Never blocks: if the body awaits something that is not there, the result
    /// is [`CoroutineState::Waiting`]. To await that, use
    /// [`start_async`](Self::start_async).
    ///
    /// # Errors
    ///
    /// [`Refused`], if it was started before.
    pub fn start(&mut self) -> Result<CoroutineState<Y, F::Output>, Refused<()>> {
        self.begin()?;
        Ok(self.step(&mut Context::from_waker(Waker::noop())))
    }

    /// Gives `value` to the yield at which it stands, and runs it to the next
    /// one, or to its end. Never blocks, as [`start`](Self::start).
    ///
    /// # Errors
    ///
    /// [`Refused`] with the value, if it doesn't stand at a yield.
    #[doc(alias = "send")]
    pub fn resume(&mut self, value: R) -> Result<CoroutineState<Y, F::Output>, Refused<R>> {
        self.give(value)?;
        Ok(self.step(&mut Context::from_waker(Waker::noop())))
    }

    /// Lets the yield at which it stands return `error`, and runs it to the
    /// next one, or to its end. Never blocks, as [`start`](Self::start).
    ///
    /// ```
    /// use portunus::coroutine::{Coroutine, CoroutineState, Yielder};
    ///
    /// let mut counter = Coroutine::new(|mut out: Yielder<(), u32, &str>| async move {
    ///     for n in 0.. {
    ///         if let Err(why) = out.yield_(n).await {
    ///             return (n, why);
    ///         }
    ///     }
    ///     unreachable!("it counts for ever")
    /// });
    /// assert_eq!(counter.start(), Ok(CoroutineState::Yielded(0)));
    /// assert_eq!(counter.resume(()), Ok(CoroutineState::Yielded(1)));
    /// assert_eq!(counter.throw("enough"), Ok(CoroutineState::Complete((1, "enough"))));
    /// ```
    ///
    /// # Errors
    ///
    /// [`Refused`] with the error, if it doesn't stand at a yield. One that
    /// was not started is closed by that: nothing in it could take the error.
    pub fn throw(&mut self, error: X) -> Result<CoroutineState<Y, F::Output>, Refused<X>> {
        self.fault(error)?;
        Ok(self.step(&mut Context::from_waker(Waker::noop())))
    }

    /// As [`start`](Self::start), suspending the task while the body awaits
    /// something: the result is never `Waiting`.
    ///
    /// # Cancel safety
    ///
    /// Dropped while the body awaits something, the body stays where it is:
    /// [`advance`](Self::advance) goes on from there. Before the first poll it
    /// has not started.
    ///
    /// # Errors
    ///
    /// As `start`.
    pub async fn start_async(&mut self) -> Result<CoroutineState<Y, F::Output>, Refused<()>> {
        self.begin()?;
        Ok(self.run().await)
    }

    /// As [`resume`](Self::resume), suspending the task while the body awaits
    /// something: the result is never `Waiting`.
    ///
    /// # Cancel safety
    ///
    /// Dropped while the body awaits something, the body stays where it is:
    /// [`advance`](Self::advance) goes on from there. Before the first poll
    /// `value` is dropped, and it stands at its yield.
    ///
    /// # Errors
    ///
    /// As `resume`.
    #[doc(alias = "asend")]
    pub async fn resume_async(
        &mut self,
        value: R,
    ) -> Result<CoroutineState<Y, F::Output>, Refused<R>> {
        self.give(value)?;
        Ok(self.run().await)
    }

    /// As [`throw`](Self::throw), suspending the task while the body awaits
    /// something: the result is never `Waiting`.
    ///
    /// # Cancel safety
    ///
    /// Dropped while the body awaits something, the body stays where it is:
    /// [`advance`](Self::advance) goes on from there. Before the first poll
    /// `error` is dropped, and it stands at its yield.
    ///
    /// # Errors
    ///
    /// As `throw`.
    #[doc(alias = "athrow")]
    pub async fn throw_async(
        &mut self,
        error: X,
    ) -> Result<CoroutineState<Y, F::Output>, Refused<X>> {
        self.fault(error)?;
        Ok(self.run().await)
    }

    /// Goes on where the body awaits something else than to be resumed: to its
    /// next yield, or to its end.
    ///
    /// ```
    /// use portunus::coroutine::{Coroutine, CoroutineState, Yielder};
    ///
    /// let mut body = Coroutine::new(|mut out: Yielder<(), u32>| async move {
    ///     smol::future::yield_now().await;
    ///     let Ok(()) = out.yield_(1).await;
    /// });
    /// assert_eq!(body.start(), Ok(CoroutineState::Waiting));
    /// assert_eq!(smol::block_on(body.advance()), Ok(CoroutineState::Yielded(1)));
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, the body stays where it is: another one goes
    /// on from there.
    ///
    /// # Errors
    ///
    /// [`Refused`], if it doesn't stand there.
    pub async fn advance(&mut self) -> Result<CoroutineState<Y, F::Output>, Refused<()>> {
        match self.stage {
            Stage::Waiting => Ok(self.run().await),
            other => Err(Refused { value: (), why: other.misuse() }),
        }
    }

    /// Drops the body where it stands. A second time, or at the end, it does
    /// nothing.
    pub fn close(&mut self) {
        if self.stage != Stage::Finished {
            self.stage = Stage::Closed;
        }
        self.body = None;
        self.slot = None;
    }

    /// Whether it can't be driven any further: it has ended, was closed, or
    /// panicked.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.body.is_none()
    }

    fn begin(&mut self) -> Result<(), Refused<()>> {
        match self.stage {
            Stage::New => Ok(()),
            Stage::Yielded | Stage::Waiting => Err(Refused { value: (), why: Misuse::Started }),
            other => Err(Refused { value: (), why: other.misuse() }),
        }
    }

    fn give(&mut self, value: R) -> Result<(), Refused<R>> {
        match (self.stage, &self.slot) {
            (Stage::Yielded, Some(slot)) => {
                drop(slot.with(|slot| slot.put(Slot::In(Ok(value)))));
                Ok(())
            }
            (stage, _) => Err(Refused { value, why: stage.misuse() }),
        }
    }

    fn fault(&mut self, error: X) -> Result<(), Refused<X>> {
        match (self.stage, &self.slot) {
            (Stage::Yielded, Some(slot)) => {
                drop(slot.with(|slot| slot.put(Slot::In(Err(error)))));
                Ok(())
            }
            (stage, _) => {
                if stage == Stage::New {
                    self.close();
                }
                Err(Refused { value: error, why: stage.misuse() })
            }
        }
    }

    /// Steps until the body doesn't just wait.
    async fn run(&mut self) -> CoroutineState<Y, F::Output> {
        poll_fn(|cx| match self.step(cx) {
            CoroutineState::Waiting => Poll::Pending,
            state => Poll::Ready(state),
        })
        .await
    }

    /// Polls the body, which is there.
    fn step(&mut self, cx: &mut Context<'_>) -> CoroutineState<Y, F::Output> {
        // Should the poll panic, this drops the body on the way out, and
        // `stage` stays.
        let mut body = self.body.take().expect("a coroutine that can run has its body");
        self.stage = Stage::Running;
        if let Poll::Ready(result) = body.as_mut().poll(cx) {
            self.stage = Stage::Finished;
            self.slot = None;
            return CoroutineState::Complete(result);
        }
        self.body = Some(body);
        let yielded = self.slot.as_ref().and_then(|slot| {
            slot.with(|slot| match slot.put(Slot::Empty) {
                Slot::Out(value) => Some(value),
                other => {
                    *slot = other;
                    None
                }
            })
        });
        match yielded {
            Some(value) => {
                self.stage = Stage::Yielded;
                CoroutineState::Yielded(value)
            }
            None => {
                self.stage = Stage::Waiting;
                CoroutineState::Waiting
            }
        }
    }
}

/// One that yields nothing is a future: of its result, once, then of an error.
impl<F: Future, R, X> Future for Coroutine<F, R, Infallible, X> {
    type Output = Result<F::Output, Misuse>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.stage {
            Stage::New | Stage::Waiting => match self.step(cx) {
                CoroutineState::Complete(result) => Poll::Ready(Ok(result)),
                CoroutineState::Waiting => Poll::Pending,
            },
            other => Poll::Ready(Err(other.misuse())),
        }
    }
}

impl<F: Future, R, X> FusedFuture for Coroutine<F, R, Infallible, X> {
    fn is_terminated(&self) -> bool {
        self.is_finished()
    }
}

impl<F: Future, R, Y, X> Unpin for Coroutine<F, R, Y, X> {}

impl<F: Future, R, Y, X> fmt::Debug for Coroutine<F, R, Y, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coroutine").field("stage", &self.stage).finish_non_exhaustive()
    }
}
