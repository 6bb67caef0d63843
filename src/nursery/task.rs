//! A task's future, its handle, and how it ends.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll};

use futures_core::FusedFuture;
use lock_api::Mutex;
use pin_project_lite::pin_project;

use super::control::{Claim, Control, Gate};
use super::desk::Desk;
use super::error::StopError;
use super::outcome::TaskOutcome;
use crate::backend::Backend;
use crate::mutex::RawMutex;
use crate::panic::Panic;
use crate::wait::post::Post;

/// What stops a nursery.
pub(super) enum Failure<E> {
    Error(E),
    Panic(Panic),
}

/// Where the tasks of a nursery write their failures. It moves along with the
/// desk when clean-ups are popped.
pub(super) struct Book<E, B: Backend> {
    pub(super) desk: Arc<Desk<B>>,
    page: Mutex<RawMutex<B>, Page<E>>,
}

struct Page<E> {
    first: Option<Failure<E>>,
    /// The nursery has an error already, and wants no other.
    full: bool,
}

impl<E, B: Backend> Book<E, B> {
    pub(super) fn new() -> Self {
        let page = Page { first: None, full: false };
        Self { desk: Arc::new(Desk::new()), page: Mutex::new(page) }
    }

    /// Writes the first failure, and has the nursery stop. A panic takes an
    /// error's place; what is not written comes back.
    pub(super) fn fail(&self, failure: Failure<E>) -> Option<Failure<E>> {
        let (back, written) = {
            let mut page = self.page.lock();
            match (&page.first, &failure) {
                (None, Failure::Error(_)) if page.full => (Some(failure), false),
                (None, _) | (Some(Failure::Error(_)), Failure::Panic(_)) => {
                    (page.first.replace(failure), true)
                }
                (Some(_), _) => (Some(failure), false),
            }
        };
        if !written {
            return back;
        }
        self.desk.line.stop();
        // An error in whose place a panic came, is nobody's.
        drop(back);
        None
    }

    /// Takes the failure. From here on, errors stay with their tasks, until
    /// somebody handles the one that was taken.
    pub(super) fn take(&self) -> Option<Failure<E>> {
        let mut page = self.page.lock();
        page.full |= matches!(page.first, Some(Failure::Error(_)));
        page.first.take()
    }

    /// Says whether the nursery has an error.
    pub(super) fn set_full(&self, full: bool) {
        self.page.lock().full = full;
    }
}

/// What a task's future and its handle share.
pub(super) struct Cell<T, E, B: Backend> {
    pub(super) control: Arc<Control<B>>,
    outcome: Post<B, TaskOutcome<T, E>>,
}

impl<T, E, B: Backend> Cell<T, E, B> {
    pub(super) fn new(control: Arc<Control<B>>) -> Self {
        Self { control, outcome: Post::new() }
    }

    fn finish(&self, book: &Book<E, B>, outcome: TaskOutcome<T, E>) {
        let claimed = self.control.begin_end();
        let outcome = match outcome {
            TaskOutcome::Error(error) if !claimed => match book.fail(Failure::Error(error)) {
                Some(Failure::Error(error)) => TaskOutcome::Error(error),
                _ => TaskOutcome::Failed,
            },
            TaskOutcome::Panicked(panic) if !claimed => match book.fail(Failure::Panic(panic)) {
                Some(Failure::Panic(panic)) => TaskOutcome::Panicked(panic),
                _ => TaskOutcome::Failed,
            },
            outcome => outcome,
        };
        self.outcome.send(outcome);
        self.control.end();
    }
}

pin_project! {
    /// The future that is polled for a task. Dropped early, it reports that the
    /// task was cancelled.
    pub(super) struct Child<F, T, E, B>
    where
        B: Backend,
    {
        #[pin]
        future: Option<F>,
        cell: Arc<Cell<T, E, B>>,
        book: Arc<Book<E, B>>,
    }

    impl<F, T, E, B> PinnedDrop for Child<F, T, E, B>
    where
        B: Backend,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.future.is_some() {
                end(this.future, this.cell, this.book, TaskOutcome::Cancelled);
            }
        }
    }
}

/// Drops the future, and then reports the outcome: who sees it, finds
/// everything released.
fn end<F, T, E, B: Backend>(
    mut future: Pin<&mut Option<F>>,
    cell: &Cell<T, E, B>,
    book: &Book<E, B>,
    outcome: TaskOutcome<T, E>,
) {
    // Where no panic is caught, the task has ended all the same.
    struct Report<'a, T, E, B: Backend>(
        &'a Cell<T, E, B>,
        &'a Book<E, B>,
        Option<TaskOutcome<T, E>>,
    );
    impl<T, E, B: Backend> Drop for Report<'_, T, E, B> {
        fn drop(&mut self) {
            self.0.finish(self.1, self.2.take().unwrap_or(TaskOutcome::Cancelled));
        }
    }
    let mut report = Report(cell, book, Some(outcome));
    if let Err(panic) = B::catch(|| future.set(None)) {
        report.2 = Some(TaskOutcome::Panicked(panic));
    }
}

impl<F, T, E, B: Backend> Child<F, T, E, B> {
    pub(super) fn new(future: F, cell: Arc<Cell<T, E, B>>, book: Arc<Book<E, B>>) -> Self {
        Self { future: Some(future), cell, book }
    }
}

impl<F, T, E, B> Future for Child<F, T, E, B>
where
    F: Future<Output = Result<T, E>>,
    B: Backend,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else { return Poll::Ready(()) };
        let outcome = if this.cell.control.enter(cx.waker()) == Gate::Drop {
            TaskOutcome::Cancelled
        } else {
            match B::catch(|| future.poll(cx)) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(Ok(value))) => TaskOutcome::Value(value),
                Ok(Poll::Ready(Err(error))) => TaskOutcome::Error(error),
                Err(panic) => TaskOutcome::Panicked(panic),
            }
        };
        end(this.future, this.cell, this.book, outcome);
        Poll::Ready(())
    }
}

/// A task of a nursery: awaited, it gives the task's outcome.
///
/// Dropping it does nothing to the task, which is its nursery's.
///
/// # Cancel safety
///
/// What awaits it may be dropped and made anew (`&mut task`): the outcome
/// stays. It waits only while somebody polls the nursery.
///
/// # Panics
///
/// When it is polled after it gave the outcome.
pub struct Task<T, E, B: Backend> {
    cell: Arc<Cell<T, E, B>>,
    done: bool,
}

impl<T, E, B: Backend> Task<T, E, B> {
    pub(super) fn new(cell: Arc<Cell<T, E, B>>) -> Self {
        Self { cell, done: false }
    }

    pub(super) fn control(&self) -> &Arc<Control<B>> {
        &self.cell.control
    }

    /// Its name and that of the nursery in which it was started:
    /// `task:nursery`.
    #[must_use]
    pub fn name(&self) -> String {
        self.cell.control.name()
    }

    /// A number that no other task of this nursery has.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.cell.control.id()
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.cell.control.has_ended()
    }
}

impl<T, E, B: Backend> Future for Task<T, E, B> {
    type Output = TaskOutcome<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(!self.done, "a task was polled after it had given its outcome");
        let polled = self.cell.outcome.poll(cx);
        self.done = polled.is_ready();
        polled.map(|outcome| outcome.unwrap_or(TaskOutcome::Cancelled))
    }
}

impl<T, E, B: Backend> FusedFuture for Task<T, E, B> {
    fn is_terminated(&self) -> bool {
        self.done
    }
}

impl<T, E, B: Backend> Drop for Task<T, E, B> {
    fn drop(&mut self) {
        if !self.done {
            self.cell.outcome.discard();
        }
    }
}

impl<T, E, B: Backend> fmt::Debug for Task<T, E, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("name", &self.name())
            .field("finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

/// Stops a task and gives its outcome; made by
/// [`Handle::stop_task`](super::Handle::stop_task).
#[must_use = "futures do nothing unless polled"]
pub struct StopTask<'a, T, E, B: Backend> {
    task: &'a mut Task<T, E, B>,
    desk: Arc<Desk<B>>,
    raised: bool,
    done: bool,
}

impl<'a, T, E, B: Backend> StopTask<'a, T, E, B> {
    pub(super) fn new(task: &'a mut Task<T, E, B>, desk: Arc<Desk<B>>) -> Self {
        Self { task, desk, raised: false, done: false }
    }

    fn raise(&mut self, cx: &Context<'_>) -> Result<(), StopError> {
        let control = self.task.control();
        if !Arc::ptr_eq(control.desk(), &self.desk) {
            return Err(StopError::Foreign { task: control.name() });
        }
        match control.claim(cx.waker()) {
            Claim::Granted => Ok(()),
            Claim::Ended => Err(StopError::Finished { task: control.name() }),
            Claim::Itself => Err(StopError::Itself { task: control.name() }),
        }
    }
}

impl<T, E, B: Backend> Future for StopTask<'_, T, E, B> {
    type Output = Result<TaskOutcome<T, E>, StopError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        assert!(!this.done, "the stopping of a task was polled after it had given the outcome");
        if !this.raised {
            if let Err(error) = this.raise(cx) {
                this.done = true;
                return Poll::Ready(Err(error));
            }
            this.raised = true;
        }
        let polled = Pin::new(&mut *this.task).poll(cx);
        this.done = polled.is_ready();
        polled.map(Ok)
    }
}

impl<T, E, B: Backend> FusedFuture for StopTask<'_, T, E, B> {
    fn is_terminated(&self) -> bool {
        self.done
    }
}

impl<T, E, B: Backend> fmt::Debug for StopTask<'_, T, E, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopTask").field("task", &*self.task).finish_non_exhaustive()
    }
}

/// Tells whoever started a task that it is ready, with a value; see
/// [`Handle::start`](super::Handle::start).
pub struct Ready<V, B: Backend> {
    post: Arc<Post<B, V>>,
}

impl<V, B: Backend> Ready<V, B> {
    /// With what awaits the value.
    pub(super) fn awaited() -> (Self, impl Future<Output = Option<V>>) {
        let post = Arc::new(Post::new());
        let ready = Self { post: Arc::clone(&post) };
        (ready, async move { poll_fn(|cx| post.poll(cx)).await })
    }

    /// The task is ready.
    pub fn signal(self, value: V) {
        self.post.send(value);
    }
}

impl<V, B: Backend> Drop for Ready<V, B> {
    fn drop(&mut self) {
        self.post.close();
    }
}

impl<V, B: Backend> fmt::Debug for Ready<V, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").finish_non_exhaustive()
    }
}
