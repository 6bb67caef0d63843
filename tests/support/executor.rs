//! The executors on which tasks run.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};
use std::thread;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

/// What an executor runs.
pub(crate) type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Hands a job over, from wherever.
pub(crate) type Spawner = Arc<dyn Fn(Job) + Send + Sync>;

/// Something that polls tasks.
pub(crate) trait Executor: Default {
    /// One thread polls all tasks, in the order in which they were woken.
    const IN_ORDER: bool = false;

    fn spawner(&self) -> Spawner;

    /// Polls what is ready, where the test's own thread does that.
    fn advance(&self) {}
}

/// A deterministic executor: one thread, which is the test's; one queue, first
/// in, first out; one waker for each task.
#[derive(Default)]
pub(crate) struct RunQueue {
    queue: Arc<Queue>,
}

#[derive(Default)]
struct Queue {
    ready: Mutex<VecDeque<Arc<Task>>>,
}

impl Queue {
    fn push(&self, task: Arc<Task>) {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).push_back(task);
    }

    fn pop(&self) -> Option<Arc<Task>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

struct Task {
    job: Mutex<Option<Job>>,
    /// Whether it stands in the queue.
    queued: AtomicBool,
    queue: Arc<Queue>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.queue.push(Arc::clone(self));
        }
    }
}

impl Task {
    fn run(self: Arc<Self>) {
        // From here on a wake-up queues it again.
        self.queued.store(false, Ordering::Release);
        let waker = Waker::from(Arc::clone(&self));
        let mut slot = self.job.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(job) = slot.as_mut() else { return };
        if job.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            *slot = None;
        }
    }
}

impl Executor for RunQueue {
    const IN_ORDER: bool = true;

    fn spawner(&self) -> Spawner {
        let queue = Arc::clone(&self.queue);
        Arc::new(move |job: Job| {
            queue.push(Arc::new(Task {
                job: Mutex::new(Some(job)),
                queued: AtomicBool::new(true),
                queue: Arc::clone(&queue),
            }));
        })
    }

    fn advance(&self) {
        while let Some(task) = self.queue.pop() {
            task.run();
        }
    }
}

/// Tokio's executor of one thread, on a thread of its own.
pub(crate) struct TokioCurrent {
    handle: Handle,
    /// Dropped, the thread ends.
    _stop: oneshot::Sender<()>,
}

impl Default for TokioCurrent {
    fn default() -> Self {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        thread::spawn(move || {
            let _ = runtime.block_on(stopped);
        });
        Self { handle, _stop: stop }
    }
}

impl Executor for TokioCurrent {
    fn spawner(&self) -> Spawner {
        let handle = self.handle.clone();
        Arc::new(move |job: Job| drop(handle.spawn(job)))
    }
}

/// Tokio's executor of several threads.
pub(crate) struct TokioMulti {
    /// Taken when dropped.
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Default for TokioMulti {
    fn default() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
        Self { handle: runtime.handle().clone(), runtime: Some(runtime) }
    }
}

impl Drop for TokioMulti {
    fn drop(&mut self) {
        // Does not wait for tasks that hang: the test has failed already.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Executor for TokioMulti {
    fn spawner(&self) -> Spawner {
        let handle = self.handle.clone();
        Arc::new(move |job: Job| drop(handle.spawn(job)))
    }
}

/// Smol's executor, driven by one thread.
pub(crate) struct Smol {
    executor: Arc<smol::Executor<'static>>,
    /// Dropped, the thread ends.
    _stop: smol::channel::Sender<()>,
}

impl Default for Smol {
    fn default() -> Self {
        let executor = Arc::new(smol::Executor::new());
        let (stop, stopped) = smol::channel::bounded(1);
        let driver = Arc::clone(&executor);
        thread::spawn(move || {
            let _ = smol::future::block_on(driver.run(stopped.recv()));
        });
        Self { executor, _stop: stop }
    }
}

impl Executor for Smol {
    fn spawner(&self) -> Spawner {
        let executor = Arc::clone(&self.executor);
        Arc::new(move |job: Job| executor.spawn(job).detach())
    }
}
