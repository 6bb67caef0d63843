//! Structured concurrency without a heap: tasks that the caller pins.

use core::error::Error;
use core::fmt;
use core::future::{Future, poll_fn};
use core::mem;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};

use futures_core::FusedFuture;
use pin_project_lite::pin_project;

use super::outcome::TaskOutcome;
use crate::atomic::{AtomicU8, Ordering, constructor};

/// The stop signal of a [`FixedTask`].
///
/// It may stand in a `static`. It wakes nobody: the nursery polls the task that
/// it stops.
#[derive(Debug)]
pub struct StopSignal {
    stop: AtomicU8,
    asked: AtomicU8,
}

impl StopSignal {
    constructor! {
        /// Not raised.
        #[must_use]
        pub fn new() -> Self {
            Self { stop: AtomicU8::new(0), asked: AtomicU8::new(0) }
        }
    }

    /// Waits until the task is to stop. A task that has polled this once ends by
    /// itself when it is stopped; others are dropped.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing; the signal stays.
    pub async fn stopped(&self) {
        poll_fn(|_| if self.is_stopping() { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    /// Whether the task is to stop. Who asks, ends by itself.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        // Ordering: Relaxed, all of them: both are flags by themselves, and
        // task and nursery are polled by the same party.
        self.asked.store(1, Ordering::Relaxed);
        self.stop.load(Ordering::Relaxed) != 0
    }

    /// Raises it. Whether somebody asked for it before.
    fn raise(&self) -> bool {
        self.stop.store(1, Ordering::Relaxed);
        self.asked.load(Ordering::Relaxed) != 0
    }
}

impl Default for StopSignal {
    fn default() -> Self {
        Self::new()
    }
}

/// What stands on the stack of a [`FixedNursery`]: a [`FixedTask`] or a
/// [`FixedExit`].
pub trait FixedItem<E> {
    /// Whether it is an exit, which runs only when the nursery closes.
    #[doc(hidden)]
    fn is_exit(&self) -> bool;

    /// Whether nothing is left to do.
    #[doc(hidden)]
    fn is_over(&self) -> bool;

    /// Goes on with a task. An error goes into `sink`, if that has none.
    #[doc(hidden)]
    fn run(self: Pin<&mut Self>, cx: &mut Context<'_>, sink: Option<&mut Result<(), E>>);

    /// Stops a task.
    #[doc(hidden)]
    fn stop(self: Pin<&mut Self>);

    /// Begins an exit.
    #[doc(hidden)]
    fn begin(self: Pin<&mut Self>, outcome: Result<(), E>);

    /// Goes on with an exit.
    #[doc(hidden)]
    fn poll_exit(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), E>>;

    /// Drops what is left.
    #[doc(hidden)]
    fn cancel(self: Pin<&mut Self>);
}

pin_project! {
    /// A task of a [`FixedNursery`], which the caller pins, and which keeps its
    /// outcome.
    #[must_use = "a task does nothing unless a nursery polls it"]
    pub struct FixedTask<'s, F, T, E> {
        #[pin]
        future: Option<F>,
        signal: Option<&'s StopSignal>,
        outcome: Option<TaskOutcome<T, E>>,
    }
}

impl<'s, F: Future<Output = Result<T, E>>, T, E> FixedTask<'s, F, T, E> {
    /// A task that is dropped when it is stopped.
    pub fn new(future: F) -> Self {
        Self { future: Some(future), signal: None, outcome: None }
    }

    /// A task that may watch `signal`, and then ends by itself when it is
    /// stopped.
    pub fn watching(signal: &'s StopSignal, future: F) -> Self {
        Self { future: Some(future), signal: Some(signal), outcome: None }
    }

    /// Takes its outcome, if it has ended. Its nursery must be gone by then, or
    /// have lent it out no more.
    pub fn take_outcome(self: Pin<&mut Self>) -> Option<TaskOutcome<T, E>> {
        self.project().outcome.take()
    }
}

impl<F: Future<Output = Result<T, E>>, T, E> FixedItem<E> for FixedTask<'_, F, T, E> {
    fn is_exit(&self) -> bool {
        false
    }

    fn is_over(&self) -> bool {
        self.future.is_none()
    }

    fn run(self: Pin<&mut Self>, cx: &mut Context<'_>, sink: Option<&mut Result<(), E>>) {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else { return };
        let Poll::Ready(result) = future.poll(cx) else { return };
        this.future.set(None);
        *this.outcome = Some(match (result, sink) {
            (Ok(value), _) => TaskOutcome::Value(value),
            (Err(error), Some(sink)) if sink.is_ok() => {
                *sink = Err(error);
                TaskOutcome::Failed
            }
            (Err(error), _) => TaskOutcome::Error(error),
        });
    }

    fn stop(self: Pin<&mut Self>) {
        if !self.signal.is_some_and(StopSignal::raise) {
            self.cancel();
        }
    }

    fn begin(self: Pin<&mut Self>, _: Result<(), E>) {}

    fn poll_exit(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn cancel(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.future.is_some() {
            this.future.set(None);
            *this.outcome = Some(TaskOutcome::Cancelled);
        }
    }
}

impl<F, T, E> fmt::Debug for FixedTask<'_, F, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FixedTask").field("over", &self.future.is_none()).finish_non_exhaustive()
    }
}

pin_project! {
    /// A clean-up of a [`FixedNursery`] that may wait, which the caller pins.
    ///
    /// It gets the outcome so far, and returns the one from there on.
    #[must_use = "an exit does nothing unless a nursery closes"]
    pub struct FixedExit<M, F> {
        make: Option<M>,
        #[pin]
        future: Option<F>,
    }
}

impl<M, F> FixedExit<M, F> {
    /// An exit with the future that `make` makes of the outcome.
    pub fn new<E>(make: M) -> Self
    where
        M: FnOnce(Result<(), E>) -> F,
        F: Future<Output = Result<(), E>>,
    {
        Self { make: Some(make), future: None }
    }
}

impl<M, F, E> FixedItem<E> for FixedExit<M, F>
where
    M: FnOnce(Result<(), E>) -> F,
    F: Future<Output = Result<(), E>>,
{
    fn is_exit(&self) -> bool {
        true
    }

    fn is_over(&self) -> bool {
        self.make.is_none() && self.future.is_none()
    }

    fn run(self: Pin<&mut Self>, _: &mut Context<'_>, _: Option<&mut Result<(), E>>) {}

    fn stop(self: Pin<&mut Self>) {}

    fn begin(self: Pin<&mut Self>, outcome: Result<(), E>) {
        let mut this = self.project();
        if let Some(make) = this.make.take() {
            this.future.set(Some(make(outcome)));
        }
    }

    fn poll_exit(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else { return Poll::Ready(Ok(())) };
        let polled = future.poll(cx);
        if polled.is_ready() {
            this.future.set(None);
        }
        polled
    }

    fn cancel(self: Pin<&mut Self>) {
        let mut this = self.project();
        drop(this.make.take());
        this.future.set(None);
    }
}

impl<M, F> fmt::Debug for FixedExit<M, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FixedExit").field("begun", &self.make.is_none()).finish_non_exhaustive()
    }
}

/// Why a [`FixedNursery`] takes nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FixedNurseryError {
    /// It has as many tasks and exits as it has room for.
    Full {
        /// The room.
        capacity: usize,
    },
    /// It is closing, or closed.
    Closed,
    /// What is to be started was started, or has ended, before.
    Over,
}

impl fmt::Display for FixedNurseryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { capacity } => {
                write!(f, "the nursery has room for {capacity} tasks and exits, and no more")
            }
            Self::Closed => f.write_str("the nursery is closed"),
            Self::Over => f.write_str("the task or exit is over already"),
        }
    }
}

impl Error for FixedNurseryError {}

/// How far closing has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// The topmost item is to be looked at.
    Next,
    /// The topmost tasks, with nothing between them, were told to stop.
    Told,
    /// The topmost exit runs.
    Exiting,
    Closed,
}

/// A nursery of at most `N` tasks and exits that the caller pins: it needs no
/// heap.
///
/// It takes its stack down like a `Nursery`: last in first
/// out, a task is stopped and waited for before any exit that was pushed before
/// it runs; the first error stops the siblings and is the result. What is
/// different:
///
/// * Tasks are started before it is polled, not by the body or by each other.
/// * A poll polls all tasks that have not ended: `N` is meant to be small.
/// * A task's outcome stays with the task.
/// * A panic goes on at once, and drops what is left in the order of the stack.
///
/// `D` is what the items are behind their references; with
/// `dyn FixedItem<E> + Send` the nursery can be sent.
///
/// # Cancel safety
///
/// Dropped, it drops the futures of its tasks in the order of the stack; exits
/// don't run.
///
/// # Blocking
///
/// Never; nothing is locked.
///
/// ```
/// use std::pin::pin;
/// use portunus::nursery::{FixedExit, FixedNursery, FixedTask, StopSignal, TaskOutcome};
///
/// # smol::block_on(async {
/// let stop = StopSignal::new();
/// let mut blink = pin!(FixedTask::watching(&stop, async {
///     stop.stopped().await;
///     Ok("dark")
/// }));
/// let mut sample = pin!(FixedTask::new(async { Ok(42) }));
/// let power = pin!(FixedExit::new(|outcome: Result<(), &'static str>| async move { outcome }));
///
/// let mut nursery = FixedNursery::<&'static str, 3>::new();
/// nursery.push(power)?;
/// nursery.start(blink.as_mut())?;
/// nursery.start(sample.as_mut())?;
/// let body = async { Ok(smol::future::yield_now().await) };
/// assert_eq!(nursery.run(body).await, Ok(Some(())));
/// drop(nursery);
/// assert_eq!(sample.take_outcome(), Some(TaskOutcome::Value(42)));
/// assert_eq!(blink.take_outcome(), Some(TaskOutcome::Value("dark")));
/// # Ok::<(), portunus::nursery::FixedNurseryError>(())
/// # }).expect("room for three");
/// ```
#[doc(alias = "TaskNursery")]
#[must_use = "a nursery does nothing unless it is polled"]
pub struct FixedNursery<'c, E, const N: usize, D: FixedItem<E> + ?Sized = dyn FixedItem<E> + 'c> {
    items: [Option<Pin<&'c mut D>>; N],
    count: usize,
    stage: Stage,
    outcome: Result<(), E>,
    /// An exit has an error in its hands: others stay with their tasks.
    full: bool,
}

impl<'c, E, const N: usize, D: FixedItem<E> + ?Sized> FixedNursery<'c, E, N, D> {
    /// A nursery without tasks.
    pub const fn new() -> Self {
        Self {
            items: [const { None }; N],
            count: 0,
            stage: Stage::Open,
            outcome: Ok(()),
            full: false,
        }
    }

    /// Starts a task. It is first polled when the nursery is. Gives its place,
    /// for [`stop`](Self::stop).
    ///
    /// # Errors
    ///
    /// [`FixedNurseryError`], if there is no room, the nursery is closed, or the
    /// task has ended before.
    pub fn start(&mut self, task: Pin<&'c mut D>) -> Result<usize, FixedNurseryError> {
        if self.stage != Stage::Open {
            return Err(FixedNurseryError::Closed);
        }
        if task.is_over() {
            return Err(FixedNurseryError::Over);
        }
        let place = self.count;
        let Some(free) = self.items.get_mut(place) else {
            return Err(FixedNurseryError::Full { capacity: N });
        };
        *free = Some(task);
        self.count += 1;
        Ok(place)
    }

    /// Pushes an exit, which runs in its turn when the nursery closes.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn push(&mut self, exit: Pin<&'c mut D>) -> Result<(), FixedNurseryError> {
        self.start(exit).map(|_| ())
    }

    /// Stops the task at a place: raises its signal if it watches one, or drops
    /// it. It ends while the nursery is polled. Whether there is such a task
    /// that has not ended.
    pub fn stop(&mut self, place: usize) -> bool {
        let item = self.items.get_mut(place).and_then(Option::as_mut);
        let Some(task) = item.filter(|item| !item.is_exit() && !item.is_over()) else {
            return false;
        };
        task.as_mut().stop();
        true
    }

    /// How many tasks have not ended.
    #[must_use]
    pub fn live(&self) -> usize {
        let items = self.items.iter().flatten();
        items.filter(|item| !item.is_exit() && !item.is_over()).count()
    }

    /// How many tasks and exits it has room for.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        N
    }

    /// Whether its clean-ups have run to their end.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.stage == Stage::Closed
    }

    /// Runs `body` beside the tasks until it ends, and then closes the nursery:
    /// tasks that are left are stopped. `Ok(None)` is that of a nursery that
    /// was closed already: `body` did not run.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the nursery stays as it is, and may be closed or dropped.
    ///
    /// # Errors
    ///
    /// The first error, of `body`, of a task, or of an exit, unless a later exit
    /// handled it.
    pub async fn run<R>(
        &mut self,
        body: impl Future<Output = Result<R, E>>,
    ) -> Result<Option<R>, E> {
        let value = {
            let mut body = pin!(body);
            poll_fn(|cx| {
                if self.stage != Stage::Open || self.outcome.is_err() {
                    return Poll::Ready(None);
                }
                match body.as_mut().poll(cx) {
                    Poll::Ready(Ok(value)) => return Poll::Ready(Some(value)),
                    Poll::Ready(Err(error)) => {
                        self.outcome = Err(error);
                        return Poll::Ready(None);
                    }
                    Poll::Pending => self.poll_tasks(cx),
                }
                if self.outcome.is_err() { Poll::Ready(None) } else { Poll::Pending }
            })
            .await
        };
        self.close().await?;
        Ok(value)
    }

    /// Stops the tasks and runs the exits, last in first out; awaits both.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the nursery stays where it is, and takes nothing more; another
    /// `close` goes on.
    ///
    /// # Errors
    ///
    /// The first error of a task or of an exit, unless a later exit handled it.
    pub async fn close(&mut self) -> Result<(), E> {
        if self.stage == Stage::Open {
            self.stage = Stage::Next;
        }
        poll_fn(|cx| {
            // At first, those that are to stop are not polled before.
            match self.take_down(cx) {
                Poll::Ready(()) => Poll::Ready(mem::replace(&mut self.outcome, Ok(()))),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    fn poll_tasks(&mut self, cx: &mut Context<'_>) {
        for place in 0..self.count {
            if let Some(item) = self.items.get_mut(place).and_then(Option::as_mut) {
                let sink = if self.full { None } else { Some(&mut self.outcome) };
                item.as_mut().run(cx, sink);
            }
        }
    }

    fn top(&mut self) -> Option<Pin<&mut D>> {
        let place = self.count.checked_sub(1)?;
        self.items.get_mut(place).and_then(Option::as_mut).map(|item| item.as_mut())
    }

    /// Tells the topmost tasks, with nothing between them, to stop.
    fn tell(&mut self) {
        for item in self.items.iter_mut().take(self.count).rev().flatten() {
            if item.is_exit() {
                break;
            }
            item.as_mut().stop();
        }
    }

    /// Takes the stack down as far as that goes without waiting.
    fn take_down(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // What is waited for may need those below.
        if self.stage != Stage::Next {
            self.poll_tasks(cx);
        }
        loop {
            let stage = self.stage;
            let Some(mut top) = self.top().filter(|_| stage != Stage::Closed) else {
                self.stage = Stage::Closed;
                return Poll::Ready(());
            };
            match (stage, top.is_exit()) {
                (Stage::Exiting, _) => match top.as_mut().poll_exit(cx) {
                    Poll::Ready(result) => {
                        self.finish_exit(result);
                        self.count -= 1;
                        self.stage = Stage::Next;
                    }
                    Poll::Pending => return Poll::Pending,
                },
                (_, true) => {
                    let outcome = mem::replace(&mut self.outcome, Ok(()));
                    self.full = outcome.is_err();
                    if let Some(top) = self.top() {
                        top.begin(outcome);
                    }
                    self.stage = Stage::Exiting;
                    // It may wait for those below, which have to wake this.
                    self.poll_tasks(cx);
                }
                (_, false) if top.is_over() => self.count -= 1,
                (Stage::Told, false) => return Poll::Pending,
                (_, false) => {
                    self.tell();
                    self.stage = Stage::Told;
                    // Nobody wakes them: they are polled with the signal up.
                    self.poll_tasks(cx);
                }
            }
        }
    }

    /// An exit's own error takes the place of one that came meanwhile.
    fn finish_exit(&mut self, result: Result<(), E>) {
        self.full = false;
        if result.is_err() {
            self.outcome = result;
        }
    }
}

/// Waits until all tasks have ended, or one of them fails; then closes.
///
/// A closed nursery is ready at once.
impl<E, const N: usize, D: FixedItem<E> + ?Sized> Future for FixedNursery<'_, E, N, D> {
    type Output = Result<(), E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.stage == Stage::Open {
            this.poll_tasks(cx);
            if this.outcome.is_ok() && this.live() > 0 {
                return Poll::Pending;
            }
            this.stage = Stage::Next;
        }
        match this.take_down(cx) {
            Poll::Ready(()) => Poll::Ready(mem::replace(&mut this.outcome, Ok(()))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<E, const N: usize, D: FixedItem<E> + ?Sized> FusedFuture for FixedNursery<'_, E, N, D> {
    fn is_terminated(&self) -> bool {
        self.is_closed()
    }
}

impl<E, const N: usize, D: FixedItem<E> + ?Sized> Unpin for FixedNursery<'_, E, N, D> {}

impl<E, const N: usize, D: FixedItem<E> + ?Sized> Default for FixedNursery<'_, E, N, D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E, const N: usize, D: FixedItem<E> + ?Sized> Drop for FixedNursery<'_, E, N, D> {
    fn drop(&mut self) {
        for item in self.items.iter_mut().rev().flatten() {
            item.as_mut().cancel();
        }
    }
}

impl<E, const N: usize, D: FixedItem<E> + ?Sized> fmt::Debug for FixedNursery<'_, E, N, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FixedNursery")
            .field("live", &self.live())
            .field("capacity", &N)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
