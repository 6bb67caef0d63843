//! The nursery itself: it polls its tasks, and takes its stack down.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::future::{Future, poll_fn};
use core::mem;
use core::ops::Deref;
use core::pin::{Pin, pin};
use core::task::{Context as Cx, Poll, Waker};

use futures_core::FusedFuture;

use super::control::Control;
use super::error::Stopping;
use super::handle::{Arrival, Handle, Item, Polled, Shared, Spawner, State, take_all};
use super::info::{Name, NurseryInfo, Sentinel, given};
use super::label::TaskName;
use super::spawn::Spawn;
use super::task::{Book, Failure};
use crate::backend::Backend;
use crate::panic::Panic;
use crate::registry::{Duplicate, Registration, Registry};

/// A future that is polled here.
struct Child<'env, B: Backend> {
    future: Polled<'env, ()>,
    control: Arc<Control<B>>,
    waker: Waker,
}

/// How far closing has come.
enum Closing<'env, E, B: Backend> {
    /// Not begun.
    Open,
    /// The next clean-up is to be taken.
    Next,
    /// These tasks are ending.
    Tasks(Vec<Arc<Control<B>>>),
    /// This exit runs.
    Exit(Polled<'env, Result<(), E>>),
    Closed,
}

#[doc = include_str!("../docs/nursery.md")]
#[doc(alias = "TaskNursery")]
#[doc(alias = "TaskGroup")]
#[doc(alias = "AsyncExitStack")]
#[doc(alias = "JoinSet")]
#[must_use = "a nursery does nothing unless it is polled"]
pub struct Nursery<'env, E: Send + 'env, B: Backend> {
    handle: Handle<'env, E, B>,
    /// The present one of the handle.
    book: Arc<Book<E, B>>,
    children: Vec<Option<Child<'env, B>>>,
    /// The places among the children that are free.
    free: Vec<usize>,
    /// The places of the shutdown futures.
    watches: Vec<usize>,
    /// Those to be polled; empty between two polls.
    queue: VecDeque<usize>,
    closing: Closing<'env, E, B>,
    outcome: Result<(), E>,
    panic: Option<Panic>,
    place: Option<Registration<'env, String, NurseryInfo<B>, B>>,
}

impl<'env, E: Send + 'env, B: Backend> Nursery<'env, E, B> {
    /// A nursery without tasks, whose name is `Nursery-` and a number that
    /// counts all nurseries without names.
    pub fn new() -> Self {
        Self::with(Name::numbered(), None)
    }

    /// A nursery with this name.
    pub fn named(name: impl Into<Box<str>>) -> Self {
        Self::with(given(name), None)
    }

    /// A nursery whose name is made anew each time that somebody asks.
    pub fn named_by(name: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self::with(Name::Made(Arc::new(name)), None)
    }

    fn with(name: Name, spawner: Option<Spawner<'env>>) -> Self {
        let shared = Arc::new(Shared::new(name, spawner));
        let book = shared.book();
        Self {
            handle: Handle { shared },
            book,
            children: Vec::new(),
            free: Vec::new(),
            watches: Vec::new(),
            queue: VecDeque::new(),
            closing: Closing::Open,
            outcome: Ok(()),
            panic: None,
            place: None,
        }
    }

    /// What the body and tasks may have of it, to start tasks and to stop it.
    pub fn handle(&self) -> Handle<'env, E, B> {
        self.handle.clone()
    }

    /// Puts it into a registry, under its name, for as long as it lives. It
    /// leaves the one in which it was.
    ///
    /// # Errors
    ///
    /// [`Duplicate`], if the registry rejects the name.
    ///
    /// ```
    /// use portunus::sync::{Nursery, NurseryInfo, Registry};
    /// use portunus::registry::Duplicates;
    ///
    /// static NURSERIES: Registry<String, NurseryInfo> = Registry::new(Duplicates::Reject);
    ///
    /// let mut nursery = Nursery::<()>::named("web");
    /// nursery.register(&NURSERIES)?;
    /// // From anywhere:
    /// NURSERIES.get(&"web".to_owned()).expect("it is there").sentinel().stop();
    /// # Ok::<(), portunus::registry::Duplicate<String>>(())
    /// ```
    #[doc(alias = "registry")]
    pub fn register(
        &mut self,
        registry: &'env Registry<String, NurseryInfo<B>, B>,
    ) -> Result<(), Duplicate<String>> {
        let info = &self.handle.shared.info;
        let place = match info.name_source() {
            Name::Given(name) => registry.register(info, String::from(&*name))?,
            Name::Made(_) => registry.register_read(info, NurseryInfo::name)?,
        };
        self.place = Some(place);
        Ok(())
    }

    /// Gives it another name, in its registry too. Tasks keep the names that
    /// they have.
    ///
    /// # Errors
    ///
    /// [`Duplicate`], if the registry rejects the name: it keeps its own.
    pub fn rename(&mut self, name: impl Into<Box<str>>) -> Result<(), Duplicate<String>> {
        let name: Box<str> = name.into();
        if let Some(place) = &self.place {
            place.rename(String::from(&*name))?;
        }
        let name = given(name);
        self.handle.shared.state.lock().name = name.given();
        self.handle.shared.info.set_name(name);
        Ok(())
    }

    /// Has it stop when `future` is ready: a signal, a timer, a message. May be
    /// called several times.
    ///
    /// The future is polled by the nursery until it stops, and is not one of
    /// its tasks.
    ///
    /// ```
    /// use portunus::sync::Nursery;
    ///
    /// # smol::block_on(async {
    /// let (stop, stopped) = smol::channel::bounded::<()>(1);
    /// let mut nursery = Nursery::<&str>::new();
    /// nursery.shutdown_on(async move { stopped.recv().await.unwrap_or(()) });
    /// let _ = nursery.create_task("endless", std::future::pending::<Result<(), _>>());
    /// stop.send(()).await.expect("a receiver");
    /// assert_eq!(nursery.await, Ok(()));
    /// # });
    /// ```
    #[doc(alias = "add_shutdown_handling")]
    #[doc(alias = "setup_shutdown_handling")]
    pub fn shutdown_on(&mut self, future: impl Future<Output = ()> + Send + 'env) {
        let desk = Arc::clone(&self.book.desk);
        let sentinel = Sentinel::new(Arc::clone(&desk));
        let name = TaskName::given("shutdown", "".into());
        let control = Arc::new(Control::new(u64::MAX, name, desk, true));
        let future = async move {
            future.await;
            sentinel.stop();
        };
        let control_of = Arc::clone(&control);
        let place = self.settle(Arrival { control, future: Box::pin(future) });
        self.watches.push(place);
        // To be polled at the next poll.
        control_of.desk().line.reserve(self.children.len());
        control_of.desk().line.ready(place);
    }

    /// Moves the tasks, the contexts and the clean-ups, and with them the
    /// sentinel, to a new nursery with a name of its own. This one is as new,
    /// with its name and its place in the registry.
    ///
    /// Once it closes, nothing is moved any more.
    ///
    /// ```
    /// use portunus::sync::Nursery;
    ///
    /// # smol::block_on(async {
    /// // Either all that was opened is closed here, or it is somebody else's.
    /// let mut opening = Nursery::<&str>::new();
    /// let task = opening.create_task("serve", async { Ok(1) }).expect("it is open");
    /// let opened = opening.pop_all();
    /// opening.close().await.expect("no error");
    /// assert!(!task.is_finished());
    /// opened.await.expect("no error");
    /// assert_eq!(task.await.value(), Some(1));
    /// # });
    /// ```
    pub fn pop_all(&mut self) -> Self {
        let shared = &self.handle.shared;
        let mut other = Self::with(Name::numbered(), shared.spawner.clone());
        if matches!(self.closing, Closing::Open) {
            let mut moved = {
                let mut state = shared.state.lock();
                let name = state.name.clone();
                mem::replace(&mut *state, State::new(name))
            };
            // Numbers of tasks are not used twice in this nursery.
            let next_id = moved.next_id;
            other.book = Arc::clone(&moved.book);
            other.handle.shared.info.set_desk(Arc::clone(&moved.book.desk));
            {
                let mut state = other.handle.shared.state.lock();
                moved.name = state.name.take();
                *state = moved;
            }
            self.book = {
                let mut state = shared.state.lock();
                state.next_id = next_id;
                Arc::clone(&state.book)
            };
            shared.info.set_desk(Arc::clone(&self.book.desk));
            other.children = mem::take(&mut self.children);
            other.free = mem::take(&mut self.free);
            other.watches = mem::take(&mut self.watches);
            // Not empty where a poll unwound.
            other.queue = mem::take(&mut self.queue);
        }
        other
    }

    /// Runs `body` beside the tasks until it ends, and leaves the nursery open.
    ///
    /// # Cancel safety
    ///
    /// Dropped, `body` is dropped where it stands; the nursery stays as it is.
    ///
    /// # Errors
    ///
    /// [`Stopping`], if a task failed or the nursery is to stop: `body` was
    /// dropped. [`close`](Self::close) then gives the error.
    ///
    /// # Panics
    ///
    /// A panic of `body` goes on.
    pub async fn drive<F: Future>(&mut self, body: F) -> Result<F::Output, Stopping> {
        let mut body = pin!(body);
        poll_fn(|cx| {
            if self.is_stopping() {
                return Poll::Ready(Err(Stopping));
            }
            // First the body, so that what it starts is polled at once.
            if let Poll::Ready(output) = body.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            self.poll_children(cx);
            if self.is_stopping() { Poll::Ready(Err(Stopping)) } else { Poll::Pending }
        })
        .await
    }

    /// Runs `body` beside the tasks until it ends, and then
    /// [closes](Self::close) the nursery: tasks that are left are stopped.
    ///
    /// To wait for them instead, [`drive`](Self::drive) the body, and then
    /// await the nursery.
    ///
    /// `Ok(None)` says that the nursery was stopped, by its
    /// [`Sentinel`] or a shutdown, and `body` dropped.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the nursery stays as it is, and may be closed or dropped.
    ///
    /// # Errors
    ///
    /// The first error, of `body`, of a task, or of an exit, unless a later
    /// exit handled it.
    ///
    /// # Panics
    ///
    /// With the first panic of a task, of `body` or of an exit, after
    /// everything was stopped and exited, where the backend catches panics.
    pub async fn run<R, F>(&mut self, body: F) -> Result<Option<R>, E>
    where
        F: Future<Output = Result<R, E>>,
    {
        let value = {
            let mut body = pin!(body);
            let caught = poll_fn(|cx| match B::catch(|| body.as_mut().poll(cx)) {
                Ok(polled) => polled.map(Ok),
                Err(panic) => Poll::Ready(Err(panic)),
            });
            match self.drive(caught).await {
                Ok(Ok(Ok(value))) => Some(value),
                Ok(Ok(Err(error))) => {
                    self.fail(Failure::Error(error));
                    None
                }
                Ok(Err(panic)) => {
                    self.fail(Failure::Panic(panic));
                    None
                }
                Err(Stopping) => None,
            }
        };
        self.close().await?;
        Ok(value)
    }

    /// Makes a nursery, and runs the body that `body` makes of its handle; see
    /// [`run`](Self::run).
    ///
    /// # Cancel safety
    ///
    /// Dropped, body and nursery are dropped.
    ///
    /// # Errors, panics
    ///
    /// As `run`.
    ///
    /// ```
    /// use portunus::{nursery::TaskOutcome, sync::Nursery};
    ///
    /// # smol::block_on(async {
    /// let sum = Nursery::<&str>::scope(async |nursery| {
    ///     let two = nursery.create_task("two", async { Ok(2) }).expect("it is open");
    ///     let three = nursery.create_task("three", async { Ok(3) }).expect("it is open");
    ///     Ok(two.await.value().unwrap_or(0) + three.await.value().unwrap_or(0))
    /// });
    /// assert_eq!(sum.await, Ok(Some(5)));
    /// # });
    /// ```
    pub async fn scope<R>(
        body: impl AsyncFnOnce(Handle<'env, E, B>) -> Result<R, E>,
    ) -> Result<Option<R>, E> {
        let mut nursery = Self::new();
        let handle = nursery.handle();
        nursery.run(body(handle)).await
    }

    /// Stops the tasks and runs the clean-ups, last in first; awaits both.
    ///
    /// ```
    /// use portunus::{nursery::TaskOutcome, sync::Nursery};
    ///
    /// # smol::block_on(async {
    /// let mut nursery = Nursery::<&str>::new();
    /// let endless = nursery.create_task("endless", std::future::pending::<Result<(), _>>());
    /// assert_eq!(nursery.close().await, Ok(()));
    /// assert_eq!(endless.expect("it was open").await, TaskOutcome::Cancelled);
    /// assert!(nursery.create_task("late", async { Ok(()) }).is_err());
    /// # });
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropped before the first poll: nothing. Later, the nursery stays where
    /// it is, and takes nothing more; another `close` goes on.
    ///
    /// # Errors
    ///
    /// The first error of a task or of an exit, unless a later exit handled it.
    /// A nursery that was closed gives none.
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    #[doc(alias = "aclose")]
    pub fn close(&mut self) -> Close<'_, 'env, E, B> {
        Close { nursery: self, done: false }
    }

    /// Whether its clean-ups have run to their end.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.closing, Closing::Closed)
    }

    fn is_stopping(&self) -> bool {
        !matches!(self.closing, Closing::Open) || self.book.desk.line.is_stopping()
    }

    fn fail(&mut self, failure: Failure<E>) {
        // Not the first: the first is what counts.
        drop(self.book.fail(failure));
    }

    /// Gives a future a place.
    fn settle(&mut self, arrival: Arrival<'env, B>) -> usize {
        let place = self.free.pop().unwrap_or_else(|| {
            self.children.push(None);
            self.children.len() - 1
        });
        let Arrival { control, future } = arrival;
        control.settle(place);
        let waker = Waker::from(Arc::clone(&control));
        if let Some(slot) = self.children.get_mut(place) {
            *slot = Some(Child { future, control, waker });
        }
        place
    }

    /// Polls those that were woken, and those that are new.
    fn poll_children(&mut self, cx: &Cx<'_>) {
        if self.book.desk.line.take(&mut self.queue, cx.waker()) {
            let arrivals = mem::take(&mut self.handle.shared.state.lock().inbox);
            self.children.reserve(arrivals.len().saturating_sub(self.free.len()));
            for arrival in arrivals {
                let place = self.settle(arrival);
                self.queue.push_back(place);
            }
            self.book.desk.line.reserve(self.children.len());
        }
        while let Some(place) = self.queue.pop_front() {
            // Taken out: should the poll unwind, the child is gone.
            let Some(mut child) = self.children.get_mut(place).and_then(Option::take) else {
                continue;
            };
            child.control.unqueue();
            match child.future.as_mut().poll(&mut Cx::from_waker(&child.waker)) {
                Poll::Pending => {
                    if let Some(slot) = self.children.get_mut(place) {
                        *slot = Some(child);
                    }
                }
                Poll::Ready(()) => {
                    child.control.mute();
                    self.free.push(place);
                }
            }
        }
    }

    /// Drops what waits for a shutdown.
    fn drop_watches(&mut self) {
        for place in mem::take(&mut self.watches) {
            if let Some(child) = self.children.get_mut(place).and_then(Option::take) {
                child.control.mute();
                self.free.push(place);
            }
        }
    }

    /// Takes the first failure of the tasks over.
    fn take_failure(&mut self) {
        match self.book.take() {
            Some(Failure::Error(error)) if self.outcome.is_ok() => self.outcome = Err(error),
            Some(Failure::Panic(panic)) if self.panic.is_none() => self.panic = Some(panic),
            _ => (),
        }
    }

    /// Goes on with closing; `polled` says whether the children were polled.
    fn poll_close(&mut self, cx: &mut Cx<'_>, mut polled: bool) -> Poll<Result<(), E>> {
        loop {
            if self.step_close(cx).is_ready() {
                self.closing = Closing::Closed;
                if let Some(panic) = self.panic.take() {
                    panic.resume();
                }
                return Poll::Ready(mem::replace(&mut self.outcome, Ok(())));
            }
            // What is waited for may need them, and they have to wake this.
            if polled {
                return Poll::Pending;
            }
            self.poll_children(cx);
            polled = true;
        }
    }

    /// Closes as far as that goes without waiting.
    fn step_close(&mut self, cx: &mut Cx<'_>) -> Poll<()> {
        loop {
            match mem::replace(&mut self.closing, Closing::Next) {
                Closing::Open => {
                    self.handle.shared.state.lock().closing = true;
                    self.book.desk.line.stop();
                    self.drop_watches();
                }
                Closing::Next => match self.next_item() {
                    Err(tasks) => {
                        tasks.iter().for_each(|task| task.stop());
                        // They are ready now: no need to come back for that.
                        self.poll_children(cx);
                        self.closing = Closing::Tasks(tasks);
                    }
                    Ok(Some(Item::Exit(exit))) => {
                        self.take_failure();
                        let outcome = mem::replace(&mut self.outcome, Ok(()));
                        match B::catch(|| exit(outcome)) {
                            Ok(exit) => self.closing = Closing::Exit(exit),
                            Err(panic) => self.note_panic(panic),
                        }
                    }
                    Ok(Some(Item::Callback(callback))) => {
                        if let Err(panic) = B::catch(callback) {
                            self.note_panic(panic);
                        }
                    }
                    Ok(None) => {
                        self.place = None;
                        self.take_failure();
                        self.book.desk.close();
                        return Poll::Ready(());
                    }
                },
                Closing::Tasks(mut tasks) => {
                    tasks.retain(|task| !task.has_ended());
                    if !tasks.is_empty() {
                        self.closing = Closing::Tasks(tasks);
                        return Poll::Pending;
                    }
                }
                Closing::Exit(mut exit) => match B::catch(|| exit.as_mut().poll(cx)) {
                    Ok(Poll::Ready(outcome)) => {
                        self.book.set_full(outcome.is_err());
                        self.outcome = outcome;
                    }
                    Ok(Poll::Pending) => {
                        self.closing = Closing::Exit(exit);
                        return Poll::Pending;
                    }
                    Err(panic) => self.note_panic(panic),
                },
                Closing::Closed => return Poll::Ready(()),
            }
        }
    }

    fn note_panic(&mut self, panic: Panic) {
        if self.panic.is_none() {
            self.panic = Some(panic);
        }
    }

    /// The next clean-up; or before it the tasks that were started above it,
    /// which end side by side.
    fn next_item(&mut self) -> Result<Option<Item<'env, E>>, Vec<Arc<Control<B>>>> {
        let mut state = self.handle.shared.state.lock();
        let tasks = self.book.desk.tasks_at(state.stack.len());
        if tasks.is_empty() { Ok(state.stack.pop()) } else { Err(tasks) }
    }
}

/// Waits until all tasks have ended, or one of them fails, or somebody stops
/// the nursery; then [closes](Nursery::close) it.
///
/// A closed nursery is ready at once.
impl<'env, E: Send + 'env, B: Backend> Future for Nursery<'env, E, B> {
    type Output = Result<(), E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.is_closed() {
            return Poll::Ready(Ok(()));
        }
        this.poll_children(cx);
        if matches!(this.closing, Closing::Open) && !this.book.desk.line.is_over() {
            return Poll::Pending;
        }
        this.poll_close(cx, true)
    }
}

impl<'env, E: Send + 'env, B: Backend> FusedFuture for Nursery<'env, E, B> {
    fn is_terminated(&self) -> bool {
        self.is_closed()
    }
}

impl<'env, E: Send + 'env, B: Backend> Unpin for Nursery<'env, E, B> {}

impl<'env, E: Send + 'env, B: Backend> Deref for Nursery<'env, E, B> {
    type Target = Handle<'env, E, B>;

    fn deref(&self) -> &Self::Target {
        &self.handle
    }
}

impl<'env, E: Send + 'env, B: Backend> Default for Nursery<'env, E, B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'env, E: Send + 'env, B: Backend> Drop for Nursery<'env, E, B> {
    fn drop(&mut self) {
        let (arrivals, mut stack) = take_all(&self.handle.shared);
        // Not polled yet: they are dropped in their turn like the others.
        for arrival in arrivals {
            self.settle(arrival);
        }
        self.drop_watches();
        // What was waited for last, comes first.
        match mem::replace(&mut self.closing, Closing::Closed) {
            Closing::Tasks(tasks) => tasks.iter().for_each(|task| self.drop_child(task)),
            Closing::Exit(exit) => drop(exit),
            _ => (),
        }
        loop {
            self.book.desk.tasks_at(stack.len()).iter().for_each(|task| self.drop_child(task));
            match stack.pop() {
                // One that panics keeps no other from running.
                Some(Item::Callback(callback)) => {
                    if let Err(panic) = B::catch(callback) {
                        self.note_panic(panic);
                    }
                }
                Some(Item::Exit(exit)) => drop(exit),
                None => break,
            }
        }
        self.book.desk.close();
        if let Some(panic) = self.panic.take() {
            panic.resume();
        }
    }
}

impl<'env, E: Send + 'env, B: Backend> Nursery<'env, E, B> {
    /// Drops a task's future, or where an executor has it, has it dropped.
    fn drop_child(&mut self, task: &Arc<Control<B>>) {
        if task.has_ended() {
            return;
        }
        let place = task.place();
        match self.children.get_mut(place) {
            Some(slot) if slot.as_ref().is_some_and(|child| Arc::ptr_eq(&child.control, task)) => {
                task.mute();
                let child = slot.take();
                drop(child);
            }
            _ => task.stop(),
        }
    }
}

impl<'env, E: Send + 'env, B: Backend> fmt::Debug for Nursery<'env, E, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nursery")
            .field("info", &self.handle.shared.info)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

impl<E: Send + 'static, B: Backend> Nursery<'static, E, B> {
    /// A nursery whose tasks run on an executor, in parallel; it polls only
    /// itself, its body, and its exits.
    ///
    /// What it promises is the same, but for two things. Dropped, it tells its
    /// tasks to stop and can't wait for them. And the tasks that were started
    /// with nothing entered between them are dropped in the executor's order.
    ///
    /// ```
    /// use portunus::nursery::{Job, RefusedJob, Spawn};
    /// use portunus::sync::Nursery;
    ///
    /// struct Smol;
    /// impl Spawn for Smol {
    ///     fn spawn(&self, job: Job) -> Result<(), RefusedJob> {
    ///         smol::spawn(job).detach();
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # smol::block_on(async {
    /// let mut nursery = Nursery::<&str>::on(Smol);
    /// let sum = nursery.create_task("sum", async { Ok((1..=10).sum::<u32>()) });
    /// (&mut nursery).await.expect("no error");
    /// assert_eq!(sum.expect("it was open").await.value(), Some(55));
    /// # });
    /// ```
    pub fn on(executor: impl Spawn + 'static) -> Self {
        let spawner: Spawner<'static> = Arc::new(move |name: &str, job: Polled<'static, ()>| {
            executor.spawn_named(name, job).map_err(drop)
        });
        Self::with(Name::numbered(), Some(spawner))
    }
}

/// Closes a nursery; made by [`Nursery::close`].
#[must_use = "futures do nothing unless polled"]
pub struct Close<'a, 'env, E: Send + 'env, B: Backend> {
    nursery: &'a mut Nursery<'env, E, B>,
    done: bool,
}

impl<'env, E: Send + 'env, B: Backend> Future for Close<'_, 'env, E, B> {
    type Output = Result<(), E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let nursery = &mut *this.nursery;
        if nursery.is_closed() {
            this.done = true;
            return Poll::Ready(Ok(()));
        }
        // At first they are not polled: those that are to stop, stop at once.
        let begun = !matches!(nursery.closing, Closing::Open);
        if begun {
            nursery.poll_children(cx);
        }
        let polled = nursery.poll_close(cx, begun);
        this.done = polled.is_ready();
        polled
    }
}

impl<'env, E: Send + 'env, B: Backend> FusedFuture for Close<'_, 'env, E, B> {
    fn is_terminated(&self) -> bool {
        self.done
    }
}

impl<'env, E: Send + 'env, B: Backend> fmt::Debug for Close<'_, 'env, E, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Close").field("nursery", &*self.nursery).finish()
    }
}
