//! Blocking functions for tasks: what runs them, and what they become.

#[cfg(feature = "blocking")]
mod pool;

#[cfg(feature = "blocking")]
pub use pool::BlockingThreads;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::error::Error;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use futures_core::FusedFuture;

use crate::backend::Backend;
use crate::panic::Panic;
use crate::wait::post::Post;

/// What a [`BlockingPool`] runs.
pub type BlockingJob = Box<dyn FnOnce() + Send>;

/// Runs jobs that block, where no task has to wait for them.
///
/// ```
/// use portunus::make_async::{BlockingJob, BlockingPool, PoolClosed, unblock};
/// use portunus::sync::Threads;
///
/// /// A thread for each job.
/// struct Spawning;
///
/// impl BlockingPool for Spawning {
///     type Backend = Threads;
///     fn spawn_blocking(&self, job: BlockingJob) -> Result<(), PoolClosed> {
///         std::thread::spawn(job);
///         Ok(())
///     }
/// }
///
/// assert_eq!(smol::block_on(unblock(&Spawning, || 6 * 7)), Ok(42));
/// ```
pub trait BlockingPool {
    /// The platform on which its jobs and the awaiting tasks run.
    type Backend: Backend;

    /// Lets `job` run, and returns without waiting for it.
    ///
    /// A job that is dropped instead of run gives [`BlockingError::Lost`] to
    /// whoever awaits it.
    ///
    /// # Errors
    ///
    /// [`PoolClosed`], if it takes no jobs any more.
    fn spawn_blocking(&self, job: BlockingJob) -> Result<(), PoolClosed>;
}

impl<P: BlockingPool + ?Sized> BlockingPool for &P {
    type Backend = P::Backend;

    fn spawn_blocking(&self, job: BlockingJob) -> Result<(), PoolClosed> {
        P::spawn_blocking(self, job)
    }
}

impl<P: BlockingPool + ?Sized> BlockingPool for Arc<P> {
    type Backend = P::Backend;

    fn spawn_blocking(&self, job: BlockingJob) -> Result<(), PoolClosed> {
        P::spawn_blocking(self, job)
    }
}

/// A [`BlockingPool`] takes no jobs any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolClosed;

impl fmt::Display for PoolClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the pool for blocking calls takes no jobs any more")
    }
}

impl Error for PoolClosed {}

/// Why a blocking call gave no result.
#[derive(Debug)]
#[non_exhaustive]
pub enum BlockingError {
    /// The function panicked; [`Panic::resume`] lets that go on.
    Panicked(Panic),
    /// The pool took no jobs any more.
    Closed,
    /// The pool dropped the job, or the function panicked where nobody could
    /// catch that.
    Lost,
}

/// Panics are never equal.
impl PartialEq for BlockingError {
    fn eq(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Closed, Self::Closed) | (Self::Lost, Self::Lost))
    }
}

impl fmt::Display for BlockingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(panic) => write!(f, "the blocking call {panic}"),
            Self::Closed => PoolClosed.fmt(f),
            Self::Lost => f.write_str("the pool dropped the blocking call"),
        }
    }
}

impl Error for BlockingError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // It shows the panic: what comes next is that one's source.
            Self::Panicked(panic) => panic.source(),
            Self::Closed | Self::Lost => None,
        }
    }
}

impl From<PoolClosed> for BlockingError {
    fn from(_: PoolClosed) -> Self {
        Self::Closed
    }
}

/// The job's end: dropped without a result, it says so.
struct Sender<B: Backend, R>(Arc<Post<B, Result<R, BlockingError>>>);

impl<B: Backend, R> Drop for Sender<B, R> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Awaits the result of a blocking call; made by [`unblock`] and
/// [`Blocking::call`].
#[must_use = "the call runs, but its result is lost"]
pub struct Unblock<R, B: Backend> {
    post: Arc<Post<B, Result<R, BlockingError>>>,
    done: bool,
}

impl<R, B: Backend> Future for Unblock<R, B> {
    type Output = Result<R, BlockingError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(!self.done, "a blocking call was polled after it had given its result");
        let polled = self.post.poll(cx);
        self.done = polled.is_ready();
        polled.map(|result| result.unwrap_or(Err(BlockingError::Lost)))
    }
}

impl<R, B: Backend> FusedFuture for Unblock<R, B> {
    fn is_terminated(&self) -> bool {
        self.done
    }
}

impl<R, B: Backend> Drop for Unblock<R, B> {
    fn drop(&mut self) {
        self.post.discard();
    }
}

impl<R, B: Backend> fmt::Debug for Unblock<R, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unblock").field("done", &self.done).finish_non_exhaustive()
    }
}

/// Runs `f` on the pool, now, and gives a future of its result.
///
/// # Cancel safety
///
/// Dropping the future doesn't stop `f`: it runs to its end, and its result is
/// dropped in the pool.
///
/// # Errors
///
/// The future gives a [`BlockingError`] where there is no result; a panic of
/// `f` is one of them, and hits neither the pool nor the task.
///
/// # Panics
///
/// The future panics when it is polled after it was ready.
///
/// See [`BlockingPool`] for an example.
#[doc(alias = "spawn_blocking")]
#[doc(alias = "run_in_executor")]
pub fn unblock<P, R>(pool: &P, f: impl FnOnce() -> R + Send + 'static) -> Unblock<R, P::Backend>
where
    P: BlockingPool + ?Sized,
    R: Send + 'static,
{
    let post = Arc::new(Post::new());
    let sender = Sender(Arc::clone(&post));
    let job = move || {
        let result = P::Backend::catch(f).map_err(BlockingError::Panicked);
        sender.0.send(result);
    };
    let post = match pool.spawn_blocking(Box::new(job)) {
        Ok(()) => post,
        // What became of the job does not matter.
        Err(PoolClosed) => {
            let refused = Post::new();
            refused.send(Err(BlockingError::Closed));
            Arc::new(refused)
        }
    };
    Unblock { post, done: false }
}

/// How [`make_async`] makes a function one that is awaited: by a pool, or not at
/// all.
pub trait Adapt<F> {
    /// What `F` becomes.
    type Async;

    /// Makes it.
    fn adapt(self, f: F) -> Self::Async;
}

/// To [`make_async`]: the function is asynchronous already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Unchanged;

impl<F> Adapt<F> for Unchanged {
    type Async = F;

    fn adapt(self, f: F) -> F {
        f
    }
}

impl<P: BlockingPool, F> Adapt<F> for P {
    type Async = Blocking<P, F>;

    fn adapt(self, f: F) -> Blocking<P, F> {
        Blocking { pool: self, f: Arc::new(f) }
    }
}

/// Makes a blocking function one that can be awaited, by running it on a pool;
/// with [`Unchanged`], leaves an asynchronous one as it is, at no cost.
///
/// The function takes one argument, which may be a tuple.
///
/// ```
/// # #[cfg(feature = "blocking")] {
/// use portunus::make_async::{BlockingThreads, Unchanged, make_async};
///
/// let length = make_async(BlockingThreads, |path: &str| path.len());
/// assert_eq!(smol::block_on(length.call("/etc/hosts")), Ok(10));
///
/// async fn double(n: u32) -> u32 { 2 * n }
/// let double = make_async(Unchanged, double);
/// assert_eq!(smol::block_on(double(21)), 42);
/// # }
/// ```
pub fn make_async<A: Adapt<F>, F>(how: A, f: F) -> A::Async {
    how.adapt(f)
}

/// A blocking function whose calls run on a pool and are awaited; made by
/// [`make_async`].
pub struct Blocking<P, F> {
    pool: P,
    f: Arc<F>,
}

impl<P: BlockingPool, F> Blocking<P, F> {
    /// Calls the function on the pool, now, and gives a future of its result.
    /// Dropping the future doesn't stop the call; see [`unblock`].
    ///
    /// # Errors
    ///
    /// The future gives a [`BlockingError`] where there is no result.
    pub fn call<A, R>(&self, argument: A) -> Unblock<R, P::Backend>
    where
        F: Fn(A) -> R + Send + Sync + 'static,
        A: Send + 'static,
        R: Send + 'static,
    {
        let f = Arc::clone(&self.f);
        unblock(&self.pool, move || f(argument))
    }

    /// As [`call`](Self::call) for a function that returns a future, which is
    /// awaited too, in the calling task.
    ///
    /// ```
    /// # #[cfg(feature = "blocking")] {
    /// use portunus::make_async::{BlockingThreads, make_async};
    ///
    /// // It opens something on the pool; the rest is asynchronous.
    /// let read = make_async(BlockingThreads, |path: &str| {
    ///     let length = path.len();
    ///     async move { length }
    /// });
    /// assert_eq!(smol::block_on(read.call_then("/etc/hosts")), Ok(10));
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As `call`.
    pub async fn call_then<A, R>(&self, argument: A) -> Result<R::Output, BlockingError>
    where
        F: Fn(A) -> R + Send + Sync + 'static,
        A: Send + 'static,
        R: Future + Send + 'static,
    {
        Ok(self.call(argument).await?.await)
    }
}

impl<P: Clone, F> Clone for Blocking<P, F> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), f: Arc::clone(&self.f) }
    }
}

impl<P: fmt::Debug, F> fmt::Debug for Blocking<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocking").field("pool", &self.pool).finish_non_exhaustive()
    }
}
