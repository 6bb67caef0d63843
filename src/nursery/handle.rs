//! What a nursery shares with its body and its tasks.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::mem;
use core::pin::Pin;

use lock_api::Mutex;

use super::context::Context;
use super::control::{Control, TaskContext};
use super::desk::TaskInfo;
use super::error::{EnterError, NurseryClosed, StartError};
use super::info::{Name, NurseryInfo, Sentinel};
use super::label::TaskName;
use super::task::{Book, Cell, Child, Ready, StopTask, Task};
use crate::backend::Backend;
use crate::mutex::RawMutex;

/// A future that a nursery polls.
pub(super) type Polled<'env, T> = Pin<Box<dyn Future<Output = T> + Send + 'env>>;

/// An exit: from the outcome so far to the one from then on.
pub(super) type Exit<'env, E> =
    Box<dyn FnOnce(Result<(), E>) -> Polled<'env, Result<(), E>> + Send + 'env>;

/// Hands a task to an executor. An error says that it takes none.
pub(super) type Spawner<'env> =
    Arc<dyn Fn(&str, Polled<'env, ()>) -> Result<(), ()> + Send + Sync + 'env>;

/// What happens when a nursery closes, last in first, after the tasks that were
/// started above it have ended.
pub(super) enum Item<'env, E> {
    Exit(Exit<'env, E>),
    Callback(Box<dyn FnOnce() + Send + 'env>),
}

/// A future on its way to who polls the nursery.
pub(super) struct Arrival<'env, B: Backend> {
    pub(super) control: Arc<Control<B>>,
    pub(super) future: Polled<'env, ()>,
}

pub(super) struct State<'env, E, B: Backend> {
    /// The nursery's name, where it was given.
    pub(super) name: Option<Arc<str>>,
    pub(super) book: Arc<Book<E, B>>,
    pub(super) inbox: Vec<Arrival<'env, B>>,
    /// The clean-ups. The tasks between them are the desk's.
    pub(super) stack: Vec<Item<'env, E>>,
    pub(super) next_id: u64,
    pub(super) closing: bool,
}

impl<E, B: Backend> State<'_, E, B> {
    pub(super) fn new(name: Option<Arc<str>>) -> Self {
        Self {
            name,
            book: Arc::new(Book::new()),
            inbox: Vec::new(),
            stack: Vec::new(),
            next_id: 0,
            closing: false,
        }
    }
}

pub(super) struct Shared<'env, E, B: Backend> {
    pub(super) info: Arc<NurseryInfo<B>>,
    pub(super) state: Mutex<RawMutex<B>, State<'env, E, B>>,
    pub(super) spawner: Option<Spawner<'env>>,
}

impl<'env, E, B: Backend> Shared<'env, E, B> {
    pub(super) fn new(name: Name, spawner: Option<Spawner<'env>>) -> Self {
        let state = State::new(name.given());
        let info = NurseryInfo::new(name, Arc::clone(&state.book.desk));
        Self { info: Arc::new(info), state: Mutex::new(state), spawner }
    }

    pub(super) fn book(&self) -> Arc<Book<E, B>> {
        Arc::clone(&self.state.lock().book)
    }
}

/// What the body and the tasks of a nursery have of it: they start tasks, stop
/// them, and enter contexts.
///
/// It may be cloned and sent, and outlive the nursery, which is then closed.
pub struct Handle<'env, E, B: Backend> {
    pub(super) shared: Arc<Shared<'env, E, B>>,
}

impl<E, B: Backend> Handle<'_, E, B> {
    /// The nursery's present name.
    #[must_use]
    pub fn name(&self) -> String {
        self.shared.info.name()
    }

    /// The tasks that have not ended, in the order in which they were started.
    #[must_use]
    pub fn tasks(&self) -> Vec<TaskInfo> {
        self.shared.info.tasks()
    }

    /// The sentinel, which stops the nursery from anywhere.
    #[must_use]
    pub fn sentinel(&self) -> Sentinel<B> {
        Sentinel::new(Arc::clone(&self.shared.book().desk))
    }

    /// Stops a task of this nursery, waits for its end, and gives its outcome,
    /// whatever that is: also an error or a panic of the task does not stop
    /// the nursery then.
    ///
    /// A task that watches its stop signal is polled to its end, and what it
    /// returns is the outcome; any other is dropped, and was cancelled. If it
    /// ends by itself meanwhile, that is the outcome.
    ///
    /// It waits for whoever polls the nursery, or the executor.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the first poll: nothing. Later: the task goes on
    /// stopping, and its outcome is with the [`Task`].
    ///
    /// # Errors
    ///
    /// [`StopError`](super::StopError), if the task belongs to another nursery, has ended
    /// already, or is the one that asks.
    pub fn stop_task<'a, T>(&self, task: &'a mut Task<T, E, B>) -> StopTask<'a, T, E, B> {
        StopTask::new(task, Arc::clone(&self.shared.book().desk))
    }

    fn closed(&self) -> NurseryClosed {
        NurseryClosed { nursery: self.name() }
    }

    fn check(&self) -> Result<(), NurseryClosed> {
        if self.shared.state.lock().closing { Err(self.closed()) } else { Ok(()) }
    }
}

impl<'env, E: Send + 'env, B: Backend> Handle<'env, E, B> {
    /// Starts a task with this future.
    ///
    /// It is first polled when the nursery is, or by the executor. Its first
    /// error, or panic, stops the nursery. Its name is `name:nursery`, or where
    /// none is given, that of the function in which the future was made.
    ///
    /// The [`Task`] gives its outcome; to drop it does nothing.
    ///
    /// # Errors
    ///
    /// [`StartError`], if the nursery is closed or its executor takes no tasks.
    /// The future was dropped.
    ///
    /// ```
    /// use portunus::{nursery::TaskOutcome, sync::Nursery};
    ///
    /// # smol::block_on(async {
    /// let mut nursery = Nursery::<&str>::new();
    /// let task = nursery.create_task("answer", async { Ok(42) })?;
    /// assert!(task.name().starts_with("answer:Nursery-"));
    /// assert_eq!((&mut nursery).await, Ok(()));
    /// assert_eq!(task.await, TaskOutcome::Value(42));
    /// # Ok::<(), portunus::nursery::StartError>(())
    /// # }).expect("an open nursery");
    /// ```
    #[doc(alias = "start_soon")]
    #[doc(alias = "spawn")]
    pub fn create_task<'n, T, F>(
        &self,
        name: impl Into<Option<&'n str>>,
        future: F,
    ) -> Result<Task<T, E, B>, StartError>
    where
        T: Send + 'env,
        F: Future<Output = Result<T, E>> + Send + 'env,
    {
        self.begin(name, |_| future, |child| Box::pin(child))
    }

    /// As [`create_task`](Self::create_task), with a future that knows its
    /// [`TaskContext`]: it can watch the stop signal, and so end by itself.
    ///
    /// # Errors
    ///
    /// As `create_task`.
    ///
    /// ```
    /// use portunus::{nursery::TaskOutcome, sync::Nursery};
    ///
    /// # smol::block_on(async {
    /// let mut nursery = Nursery::<&str>::new();
    /// let handle = nursery.handle();
    /// let run = nursery.run(async move {
    ///     let mut task = handle.start_task("watcher", |cx| async move {
    ///         cx.stopped().await;
    ///         Ok("tidied up")
    ///     }).expect("an open nursery");
    ///     // Polled once, it watches.
    ///     smol::future::yield_now().await;
    ///     Ok(handle.stop_task(&mut task).await)
    /// });
    /// assert_eq!(run.await, Ok(Some(Ok(TaskOutcome::Value("tidied up")))));
    /// # });
    /// ```
    pub fn start_task<'n, T, F>(
        &self,
        name: impl Into<Option<&'n str>>,
        make: impl FnOnce(TaskContext<B>) -> F,
    ) -> Result<Task<T, E, B>, StartError>
    where
        T: Send + 'env,
        F: Future<Output = Result<T, E>> + Send + 'env,
    {
        self.begin(name, |control| make(TaskContext::of(control)), |child| Box::pin(child))
    }

    /// Starts a task; `pin` makes what the nursery polls of it.
    #[inline]
    pub(super) fn begin<'n, T, F>(
        &self,
        name: impl Into<Option<&'n str>>,
        make: impl FnOnce(&Arc<Control<B>>) -> F,
        pin: impl FnOnce(Child<F, T, E, B>) -> Polled<'env, ()>,
    ) -> Result<Task<T, E, B>, StartError>
    where
        F: Future<Output = Result<T, E>>,
    {
        let given = name.into();
        let (book, id, short, nursery) = {
            let mut state = self.shared.state.lock();
            let id = state.next_id;
            state.next_id += 1;
            let short = given
                .zip(state.name.as_deref())
                .and_then(|(task, nursery)| TaskName::short(task, nursery));
            let nursery = if short.is_some() { None } else { state.name.clone() };
            (Arc::clone(&state.book), id, short, nursery)
        };
        let name = short.unwrap_or_else(|| {
            // What makes names runs outside the lock, as `make` does.
            let nursery = nursery.unwrap_or_else(|| self.shared.info.name_source().now());
            match given {
                Some(task) => TaskName::given(task, nursery),
                None => TaskName::Type(core::any::type_name::<F>(), nursery),
            }
        });
        let local = self.shared.spawner.is_none();
        let control = Arc::new(Control::new(id, name, Arc::clone(&book.desk), local));
        let future = make(&control);
        let cell = Arc::new(Cell::new(Arc::clone(&control)));
        let task = Task::new(Arc::clone(&cell));
        self.admit(control, pin(Child::new(future, cell, book)))?;
        Ok(task)
    }

    fn admit(&self, control: Arc<Control<B>>, future: Polled<'env, ()>) -> Result<(), StartError> {
        let name = self.shared.spawner.is_some().then(|| control.name());
        let arrival = Arrival { control, future };
        let admitted = {
            let mut state = self.shared.state.lock();
            let desk = &state.book.desk;
            // Popped meanwhile, its desk is another nursery's.
            if state.closing || !Arc::ptr_eq(desk, arrival.control.desk()) {
                Err(arrival)
            } else {
                desk.add(state.stack.len(), &arrival.control);
                // Counted first: wherever it runs, it may end at once.
                if let Some(name) = name {
                    desk.line.began();
                    drop(state);
                    return self.hand_over(&name, arrival.future);
                }
                let owner = desk.line.arrived();
                state.inbox.push(arrival);
                Ok(owner)
            }
        };
        match admitted {
            Ok(owner) => {
                if let Some(owner) = owner {
                    owner.wake();
                }
                Ok(())
            }
            Err(Arrival { control, future }) => {
                // Dropped, it reports its end.
                control.desk().line.began();
                drop(future);
                Err(StartError::Closed(self.closed()))
            }
        }
    }

    fn hand_over(&self, name: &str, future: Polled<'env, ()>) -> Result<(), StartError> {
        let Some(spawn) = &self.shared.spawner else { return Ok(()) };
        // What is refused was dropped, and has reported its end.
        spawn(name, future).map_err(|()| StartError::Refused { task: String::from(name) })
    }

    /// Starts a task and waits until it says that it is ready: its
    /// [`Ready::signal`] gives a value, which comes with the task.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the first poll: nothing. Later, the task goes on.
    ///
    /// # Errors
    ///
    /// [`StartError`], as `create_task`. If the task drops its `Ready`, as when
    /// it ends early, there is no value, but the task.
    ///
    /// ```
    /// use portunus::sync::Nursery;
    ///
    /// # smol::block_on(async {
    /// let mut nursery = Nursery::<&str>::new();
    /// let handle = nursery.handle();
    /// let port = nursery.run(async move {
    ///     let (port, _server) = handle.start("server", |cx, ready| async move {
    ///         ready.signal(8080); // it listens
    ///         cx.stopped().await;
    ///         Ok(())
    ///     }).await.expect("an open nursery");
    ///     Ok(port)
    /// });
    /// assert_eq!(port.await, Ok(Some(Some(8080))));
    /// # });
    /// ```
    pub async fn start<'n, V, T, F>(
        &self,
        name: impl Into<Option<&'n str>>,
        make: impl FnOnce(TaskContext<B>, Ready<V, B>) -> F,
    ) -> Result<(Option<V>, Task<T, E, B>), StartError>
    where
        T: Send + 'env,
        F: Future<Output = Result<T, E>> + Send + 'env,
    {
        let (ready, value) = Ready::awaited();
        let task = self.start_task(name, |cx| make(cx, ready))?;
        Ok((value.await, task))
    }

    /// Enters a context, which is exited in its turn when the nursery closes:
    /// after all that is started and entered later, before what came earlier.
    ///
    /// ```
    /// use portunus::{nursery::Context, sync::Nursery};
    ///
    /// struct Session;
    /// impl Context<&'static str> for Session {
    ///     type Value = u64;
    ///     async fn enter(&mut self) -> Result<u64, &'static str> { Ok(7) }
    ///     async fn exit(self, outcome: Result<(), &'static str>) -> Result<(), &'static str> {
    ///         outcome.map_err(|_| "the session was broken off")
    ///     }
    /// }
    ///
    /// # smol::block_on(async {
    /// let failed = Nursery::scope(async |nursery| {
    ///     assert_eq!(nursery.enter(Session).await.expect("it is open"), 7);
    ///     Err::<(), _>("no answer")
    /// });
    /// assert_eq!(failed.await, Err("the session was broken off"));
    /// # });
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropped while the context is being entered, it is dropped and not
    /// exited.
    ///
    /// # Errors
    ///
    /// [`EnterError`]: the context's own, or that the nursery is closed. If it
    /// closed meanwhile, the context was exited again.
    #[doc(alias = "enter_async_context")]
    pub async fn enter<C>(&self, mut context: C) -> Result<C::Value, EnterError<E>>
    where
        C: Context<E> + 'env,
    {
        self.check().map_err(EnterError::Closed)?;
        let value = context.enter().await.map_err(EnterError::Context)?;
        let mut context = Some(context);
        {
            let mut state = self.shared.state.lock();
            if !state.closing
                && let Some(context) = context.take()
            {
                let exit: Exit<'env, E> = Box::new(|outcome| Box::pin(context.exit(outcome)));
                state.stack.push(Item::Exit(exit));
            }
        }
        match context {
            None => Ok(value),
            Some(context) => match context.exit(Ok(())).await {
                Ok(()) => Err(EnterError::Closed(self.closed())),
                Err(error) => Err(EnterError::Context(error)),
            },
        }
    }

    /// Has `exit` run and awaited in its turn when the nursery closes. It gets
    /// the outcome so far, and returns the one from there on.
    ///
    /// # Errors
    ///
    /// [`NurseryClosed`]; `exit` was dropped.
    #[doc(alias = "push_async_exit")]
    #[doc(alias = "push_async_callback")]
    pub fn push<F>(
        &self,
        exit: impl FnOnce(Result<(), E>) -> F + Send + 'env,
    ) -> Result<(), NurseryClosed>
    where
        F: Future<Output = Result<(), E>> + Send + 'env,
    {
        self.put(Item::Exit(Box::new(|outcome| Box::pin(exit(outcome)))))
    }

    /// Has `f` run in its turn when the nursery closes, or is dropped.
    ///
    /// ```
    /// use portunus::sync::{Mutex, Nursery};
    ///
    /// # smol::block_on(async {
    /// static STEPS: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    ///
    /// let done = Nursery::<&str>::scope(async |nursery| {
    ///     nursery.defer(|| STEPS.lock().push("first in, last out")).expect("it is open");
    ///     nursery.push(async |outcome| {
    ///         STEPS.lock().push("awaited");
    ///         outcome
    ///     }).expect("it is open");
    ///     STEPS.lock().push("the body");
    ///     Ok(())
    /// });
    /// assert_eq!(done.await, Ok(Some(())));
    /// assert_eq!(*STEPS.lock(), ["the body", "awaited", "first in, last out"]);
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// [`NurseryClosed`]; `f` was dropped.
    #[doc(alias = "callback")]
    pub fn defer(&self, f: impl FnOnce() + Send + 'env) -> Result<(), NurseryClosed> {
        self.put(Item::Callback(Box::new(f)))
    }

    /// Keeps a value, such as a guard, and drops it in its turn when the
    /// nursery closes, or is dropped.
    ///
    /// ```
    /// use portunus::sync::{Mutex, Nursery};
    ///
    /// # smol::block_on(async {
    /// static PORT: Mutex<()> = Mutex::new(());
    ///
    /// let mut nursery = Nursery::<&str>::new();
    /// nursery.keep(PORT.lock()).expect("it is open");
    /// // Tasks that are started now end before it is let go.
    /// assert!(PORT.is_locked());
    /// nursery.close().await.expect("no error");
    /// assert!(!PORT.is_locked());
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// [`NurseryClosed`]; the value was dropped.
    #[doc(alias = "enter_context")]
    pub fn keep(&self, value: impl Send + 'env) -> Result<(), NurseryClosed> {
        self.defer(move || drop(value))
    }

    fn put(&self, item: Item<'env, E>) -> Result<(), NurseryClosed> {
        let refused = {
            let mut state = self.shared.state.lock();
            if state.closing {
                Some(item)
            } else {
                state.stack.push(item);
                None
            }
        };
        match refused {
            Some(item) => {
                drop(item);
                Err(self.closed())
            }
            None => Ok(()),
        }
    }
}

impl<E, B: Backend> Clone for Handle<'_, E, B> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<E, B: Backend> fmt::Debug for Handle<'_, E, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("nursery", &self.shared.info).finish()
    }
}

/// Empties a closed or dropped nursery: what is left comes back, to be dropped
/// outside the lock.
pub(super) fn take_all<'env, E, B: Backend>(
    shared: &Shared<'env, E, B>,
) -> (Vec<Arrival<'env, B>>, Vec<Item<'env, E>>) {
    let mut state = shared.state.lock();
    state.closing = true;
    (mem::take(&mut state.inbox), mem::take(&mut state.stack))
}
