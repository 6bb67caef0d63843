//! A nursery whose tasks stay in one thread.
//!
//! # Invariant
//!
//! * **L1** The futures, exits and clean-ups in a local nursery are reached, and
//!   dropped, through its [`LocalNursery`] and its [`LocalHandle`]s only, none of
//!   which is `Send` or `Sync`. What is given away of it (tasks, wakers, its
//!   sentinel, its place in a registry) reaches no future.

#![allow(unsafe_code)]

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::ops::Deref;
use core::pin::Pin;
use core::task::{Context as Cx, Poll};

use futures_core::FusedFuture;
use pin_project_lite::pin_project;

use super::context::Context;
use super::control::{Control, TaskContext};
use super::desk::TaskInfo;
use super::error::{EnterError, NurseryClosed, StartError, Stopping};
use super::handle::Handle;
use super::info::{NurseryInfo, Sentinel};
use super::scope::{Close, Nursery};
use super::task::{Ready, StopTask, Task};
use crate::backend::Backend;
use crate::registry::{Duplicate, Registry};

pin_project! {
    /// What is in a local nursery, and may stand where things may be sent.
    struct Here<T> {
        #[pin]
        inner: T,
    }
}

// SAFETY: L1: it is never sent.
unsafe impl<T> Send for Here<T> {}

impl<T> Here<T> {
    /// A method, so that a closure captures the whole.
    fn take(self) -> T {
        self.inner
    }
}

impl<T: Future> Future for Here<T> {
    type Output = T::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<T::Output> {
        self.project().inner.poll(cx)
    }
}

/// Neither `Send` nor `Sync`.
type Stays = PhantomData<*const ()>;

/// A [`Nursery`] whose tasks, exits and clean-ups need not be `Send`: it stays in
/// the thread in which it was made, and so do its [`LocalHandle`]s.
///
/// All else is as with the other one: read there what it promises. Its sentinel,
/// its tasks' wakers and its place in a registry may be used from anywhere.
///
/// ```
/// use std::{cell::Cell, rc::Rc};
/// use portunus::sync::LocalNursery;
///
/// # smol::block_on(async {
/// let sum = Rc::new(Cell::new(0));
/// let mut nursery = LocalNursery::<&str>::new();
/// for number in 1..=3 {
///     let sum = Rc::clone(&sum);
///     nursery.create_task("add", async move {
///         smol::future::yield_now().await;
///         sum.set(sum.get() + number);
///         Ok(sum)
///     })?;
/// }
/// assert_eq!((&mut nursery).await, Ok(()));
/// assert_eq!(sum.get(), 6);
/// # Ok::<(), portunus::nursery::StartError>(())
/// # }).expect("an open nursery");
/// ```
///
/// It can't leave its thread:
///
/// ```compile_fail,E0277
/// let nursery = portunus::sync::LocalNursery::<()>::new();
/// std::thread::spawn(move || drop(nursery));
/// ```
#[must_use = "a nursery does nothing unless it is polled"]
pub struct LocalNursery<'env, E: Send + 'env, B: Backend> {
    nursery: Nursery<'env, E, B>,
    handle: LocalHandle<'env, E, B>,
}

impl<'env, E: Send + 'env, B: Backend> LocalNursery<'env, E, B> {
    fn of(nursery: Nursery<'env, E, B>) -> Self {
        let handle = LocalHandle { handle: nursery.handle(), stays: PhantomData };
        Self { nursery, handle }
    }

    /// A nursery without tasks, whose name is `Nursery-` and a number that
    /// counts all nurseries without names: see [`Nursery::new`].
    pub fn new() -> Self {
        Self::of(Nursery::new())
    }

    /// A nursery with this name: see [`Nursery::named`].
    pub fn named(name: impl Into<Box<str>>) -> Self {
        Self::of(Nursery::named(name))
    }

    /// A nursery whose name is made anew each time that somebody asks: see
    /// [`Nursery::named_by`].
    pub fn named_by(name: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self::of(Nursery::named_by(name))
    }

    /// What the body and tasks may have of it.
    pub fn handle(&self) -> LocalHandle<'env, E, B> {
        self.handle.clone()
    }

    /// Puts it into a registry, under its name, for as long as it lives: see
    /// [`Nursery::register`].
    ///
    /// # Errors
    ///
    /// [`Duplicate`], if the registry rejects the name.
    pub fn register(
        &mut self,
        registry: &'env Registry<String, NurseryInfo<B>, B>,
    ) -> Result<(), Duplicate<String>> {
        self.nursery.register(registry)
    }

    /// Gives it another name, in its registry too: see [`Nursery::rename`].
    ///
    /// # Errors
    ///
    /// [`Duplicate`], if the registry rejects the name: it keeps its own.
    pub fn rename(&mut self, name: impl Into<Box<str>>) -> Result<(), Duplicate<String>> {
        self.nursery.rename(name)
    }

    /// Has it stop when `future` is ready: a signal, a timer, a message. See
    /// [`Nursery::shutdown_on`].
    pub fn shutdown_on(&mut self, future: impl Future<Output = ()> + 'env) {
        self.nursery.shutdown_on(Here { inner: future });
    }

    /// Moves the tasks, the contexts and the clean-ups, and with them the
    /// sentinel, to a new nursery with a name of its own: see
    /// [`Nursery::pop_all`].
    pub fn pop_all(&mut self) -> Self {
        Self::of(self.nursery.pop_all())
    }

    /// Runs `body` beside the tasks until it ends, and leaves the nursery open:
    /// see [`Nursery::drive`].
    ///
    /// # Cancel safety
    ///
    /// Dropped, `body` is dropped where it stands; the nursery stays as it is.
    ///
    /// # Errors
    ///
    /// [`Stopping`], if a task failed or the nursery is to stop.
    pub async fn drive<F: Future>(&mut self, body: F) -> Result<F::Output, Stopping> {
        self.nursery.drive(body).await
    }

    /// Runs `body` beside the tasks until it ends, and then
    /// [closes](Self::close) the nursery: tasks that are left are stopped. See
    /// [`Nursery::run`].
    ///
    /// # Cancel safety
    ///
    /// Dropped, the nursery stays as it is, and may be closed or dropped.
    ///
    /// # Errors
    ///
    /// The first error, of `body`, of a task, or of an exit, unless a later
    /// exit handled it.
    pub async fn run<R, F>(&mut self, body: F) -> Result<Option<R>, E>
    where
        F: Future<Output = Result<R, E>>,
    {
        self.nursery.run(body).await
    }

    /// Makes a nursery, and [runs](Self::run) the body that `body` makes of its
    /// handle: see [`Nursery::scope`].
    ///
    /// # Cancel safety
    ///
    /// Dropped, body and nursery are dropped.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn scope<R>(
        body: impl AsyncFnOnce(LocalHandle<'env, E, B>) -> Result<R, E>,
    ) -> Result<Option<R>, E> {
        let mut nursery = Self::new();
        let handle = nursery.handle();
        nursery.run(body(handle)).await
    }

    /// Stops the tasks and runs the clean-ups, last in first; awaits both: see
    /// [`Nursery::close`].
    #[doc(alias = "aclose")]
    pub fn close(&mut self) -> LocalClose<'_, 'env, E, B> {
        LocalClose { close: self.nursery.close(), stays: PhantomData }
    }

    /// Whether its clean-ups have run to their end.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.nursery.is_closed()
    }
}

impl<'env, E: Send + 'env, B: Backend> Deref for LocalNursery<'env, E, B> {
    type Target = LocalHandle<'env, E, B>;

    fn deref(&self) -> &Self::Target {
        &self.handle
    }
}

impl<'env, E: Send + 'env, B: Backend> Future for LocalNursery<'env, E, B> {
    type Output = Result<(), E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.nursery).poll(cx)
    }
}

impl<'env, E: Send + 'env, B: Backend> FusedFuture for LocalNursery<'env, E, B> {
    fn is_terminated(&self) -> bool {
        self.nursery.is_terminated()
    }
}

impl<'env, E: Send + 'env, B: Backend> Default for LocalNursery<'env, E, B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'env, E: Send + 'env, B: Backend> fmt::Debug for LocalNursery<'env, E, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalNursery").field(&self.nursery).finish()
    }
}

/// Closes a local nursery; made by [`LocalNursery::close`].
#[must_use = "futures do nothing unless polled"]
pub struct LocalClose<'a, 'env, E: Send + 'env, B: Backend> {
    close: Close<'a, 'env, E, B>,
    stays: Stays,
}

impl<'env, E: Send + 'env, B: Backend> Future for LocalClose<'_, 'env, E, B> {
    type Output = Result<(), E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.close).poll(cx)
    }
}

impl<'env, E: Send + 'env, B: Backend> FusedFuture for LocalClose<'_, 'env, E, B> {
    fn is_terminated(&self) -> bool {
        self.close.is_terminated()
    }
}

impl<'env, E: Send + 'env, B: Backend> fmt::Debug for LocalClose<'_, 'env, E, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalClose").field(&self.close).finish()
    }
}

/// What the body and the tasks of a [`LocalNursery`] have of it.
///
/// It may be cloned, and outlive the nursery, which is then closed.
pub struct LocalHandle<'env, E, B: Backend> {
    handle: Handle<'env, E, B>,
    stays: Stays,
}

impl<E, B: Backend> LocalHandle<'_, E, B> {
    /// The nursery's present name.
    #[must_use]
    pub fn name(&self) -> String {
        self.handle.name()
    }

    /// The tasks that have not ended, in the order in which they were started.
    #[must_use]
    pub fn tasks(&self) -> Vec<TaskInfo> {
        self.handle.tasks()
    }

    /// The sentinel, which stops the nursery from anywhere, other threads too.
    #[must_use]
    pub fn sentinel(&self) -> Sentinel<B> {
        self.handle.sentinel()
    }

    /// Stops a task of this nursery, waits for its end, and gives its outcome,
    /// whatever that is: also an error or a panic of the task does not stop the
    /// nursery then. See [`Handle::stop_task`].
    pub fn stop_task<'a, T>(&self, task: &'a mut Task<T, E, B>) -> StopTask<'a, T, E, B> {
        self.handle.stop_task(task)
    }
}

impl<'env, E: Send + 'env, B: Backend> LocalHandle<'env, E, B> {
    /// Starts a task with this future: see [`Handle::create_task`].
    ///
    /// # Errors
    ///
    /// [`StartError`], if the nursery is closed. The future was dropped.
    pub fn create_task<'n, T, F>(
        &self,
        name: impl Into<Option<&'n str>>,
        future: F,
    ) -> Result<Task<T, E, B>, StartError>
    where
        T: 'env,
        F: Future<Output = Result<T, E>> + 'env,
    {
        self.begin(name, |_| future)
    }

    /// As [`Handle::start_task`].
    ///
    /// # Errors
    ///
    /// As `create_task`.
    pub fn start_task<'n, T, F>(
        &self,
        name: impl Into<Option<&'n str>>,
        make: impl FnOnce(TaskContext<B>) -> F,
    ) -> Result<Task<T, E, B>, StartError>
    where
        T: 'env,
        F: Future<Output = Result<T, E>> + 'env,
    {
        self.begin(name, |control| make(TaskContext::of(control)))
    }

    fn begin<'n, T, F>(
        &self,
        name: impl Into<Option<&'n str>>,
        make: impl FnOnce(&Arc<Control<B>>) -> F,
    ) -> Result<Task<T, E, B>, StartError>
    where
        T: 'env,
        F: Future<Output = Result<T, E>> + 'env,
    {
        self.handle.begin(name, make, |child| Box::pin(Here { inner: child }))
    }

    /// Starts a task and waits until it says that it is ready: its
    /// [`Ready::signal`] gives a value, which comes with the task. See
    /// [`Handle::start`].
    ///
    /// # Cancel safety
    ///
    /// Dropped before the first poll: nothing. Later, the task goes on.
    ///
    /// # Errors
    ///
    /// As `create_task`.
    pub async fn start<'n, V, T, F>(
        &self,
        name: impl Into<Option<&'n str>>,
        make: impl FnOnce(TaskContext<B>, Ready<V, B>) -> F,
    ) -> Result<(Option<V>, Task<T, E, B>), StartError>
    where
        T: 'env,
        F: Future<Output = Result<T, E>> + 'env,
    {
        let (ready, value) = Ready::awaited();
        let task = self.start_task(name, |cx| make(cx, ready))?;
        Ok((value.await, task))
    }

    /// Enters a context, which is exited in its turn when the nursery closes:
    /// after all that is started and entered later, before what came earlier.
    /// See [`Handle::enter`].
    ///
    /// # Cancel safety
    ///
    /// Dropped while the context is being entered, it is dropped and not
    /// exited.
    ///
    /// # Errors
    ///
    /// [`EnterError`]: the context's own, or that the nursery is closed.
    pub async fn enter<C>(&self, context: C) -> Result<C::Value, EnterError<E>>
    where
        C: Context<E> + 'env,
    {
        self.handle.enter(context).await
    }

    /// Has `exit` run and awaited in its turn when the nursery closes: see
    /// [`Handle::push`].
    ///
    /// # Errors
    ///
    /// [`NurseryClosed`]; `exit` was dropped.
    pub fn push<F>(&self, exit: impl FnOnce(Result<(), E>) -> F + 'env) -> Result<(), NurseryClosed>
    where
        F: Future<Output = Result<(), E>> + 'env,
    {
        let exit = Here { inner: exit };
        self.handle.push(move |outcome| Here { inner: exit.take()(outcome) })
    }

    /// Has `f` run in its turn when the nursery closes, or is dropped: see
    /// [`Handle::defer`].
    ///
    /// # Errors
    ///
    /// [`NurseryClosed`]; `f` was dropped.
    pub fn defer(&self, f: impl FnOnce() + 'env) -> Result<(), NurseryClosed> {
        let f = Here { inner: f };
        self.handle.defer(move || f.take()())
    }

    /// Keeps a value, such as a guard, and drops it in its turn when the
    /// nursery closes, or is dropped: see [`Handle::keep`].
    ///
    /// # Errors
    ///
    /// [`NurseryClosed`]; the value was dropped.
    pub fn keep<V: 'env>(&self, value: V) -> Result<(), NurseryClosed> {
        self.handle.keep(Here { inner: value })
    }
}

impl<E, B: Backend> Clone for LocalHandle<'_, E, B> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), stays: PhantomData }
    }
}

impl<E, B: Backend> fmt::Debug for LocalHandle<'_, E, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalHandle").field(&self.handle).finish()
    }
}
