//! Many workers count together: nothing is lost, and nobody is left behind.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;

use portunus::prelude::*;
use portunus::rules::Preference;
use portunus::{Backend, Fair, FifoLock, ReadPreferring, Semaphore, WritePreferring};

use crate::executor::Job;
use crate::faces::Face;
use crate::rules::Access::{Read, Write};
use crate::rules::ReadWrite;
use crate::subject::{Mutex, RwLock};
use crate::support::until_idle;

const WORKERS: usize = 10;
const ROUNDS: usize = 1000;

type Step<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A number under a lock.
trait Counter: Send + Sync + 'static {
    fn new() -> Self;
    /// Adds one, lets go, then reads at least that.
    fn step(&self);
    /// The same for a task, which is suspended while it holds the lock.
    fn step_async(&self) -> Step<'_>;
    fn total(&self) -> u64;
}

/// Lets the executor's other tasks run.
async fn pause() {
    let mut paused = false;
    poll_fn(|cx| {
        if paused {
            return Poll::Ready(());
        }
        paused = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl<B: Backend> Counter for Mutex<B> {
    fn new() -> Self {
        Self::new(0)
    }

    fn step(&self) {
        let mut guard = self.lock();
        *guard += 1;
        let written = *guard;
        drop(guard);
        assert!(*self.lock() >= written);
    }

    fn step_async(&self) -> Step<'_> {
        Box::pin(async move {
            let mut guard = self.lock_async().await;
            let before = *guard;
            pause().await;
            *guard = before + 1;
            drop(guard);
            assert!(*self.lock_async().await > before);
        })
    }

    fn total(&self) -> u64 {
        *self.lock()
    }
}

impl<P: Preference, B: Backend> Counter for RwLock<P, B> {
    fn new() -> Self {
        Self::new(0)
    }

    fn step(&self) {
        let mut guard = self.write();
        *guard += 1;
        let written = *guard;
        drop(guard);
        assert!(*self.read() >= written);
    }

    fn step_async(&self) -> Step<'_> {
        Box::pin(async move {
            let mut guard = self.write_async().await;
            let before = *guard;
            pause().await;
            *guard = before + 1;
            drop(guard);
            let guard = self.read_async().await;
            let read = *guard;
            assert!(read > before);
            pause().await;
            assert_eq!(*guard, read);
        })
    }

    fn total(&self) -> u64 {
        *self.read()
    }
}

/// A lock without data beside a number, which is read and written in two
/// steps: without exclusion, steps get lost.
struct Beside<L> {
    lock: L,
    number: AtomicU64,
}

impl<L> Beside<L> {
    fn over(lock: L) -> Self {
        Self { lock, number: AtomicU64::new(0) }
    }

    fn get(&self) -> u64 {
        self.number.load(Ordering::Relaxed)
    }

    fn set(&self, number: u64) {
        self.number.store(number, Ordering::Relaxed);
    }
}

impl<B: Backend> Counter for Beside<Semaphore<B>> {
    fn new() -> Self {
        Self::over(Semaphore::new(1))
    }

    fn step(&self) {
        let permit = self.lock.acquire();
        let before = self.get();
        self.set(before + 1);
        drop(permit);
        let _permit = self.lock.acquire();
        assert!(self.get() > before);
    }

    fn step_async(&self) -> Step<'_> {
        Box::pin(async move {
            let permit = self.lock.acquire_async().await;
            let before = self.get();
            pause().await;
            self.set(before + 1);
            drop(permit);
            let _permit = self.lock.acquire_async().await;
            assert!(self.get() > before);
        })
    }

    fn total(&self) -> u64 {
        self.get()
    }
}

impl<B: Backend> Counter for Beside<FifoLock<ReadWrite, B>> {
    fn new() -> Self {
        Self::over(FifoLock::new(ReadWrite))
    }

    fn step(&self) {
        let hold = self.lock.acquire(Write);
        let before = self.get();
        self.set(before + 1);
        drop(hold);
        let _hold = self.lock.acquire(Read);
        assert!(self.get() > before);
    }

    fn step_async(&self) -> Step<'_> {
        Box::pin(async move {
            let hold = self.lock.acquire_async(Write).await;
            let before = self.get();
            pause().await;
            self.set(before + 1);
            drop(hold);
            let _hold = self.lock.acquire_async(Read).await;
            assert!(self.get() > before);
        })
    }

    fn total(&self) -> u64 {
        self.get()
    }
}

/// Counts a worker that has ended, also by a panic.
struct Ended(Arc<AtomicUsize>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn count<F: Face, C: Counter>() {
    let face = F::default();
    let counter = Arc::new(C::new());
    let ended = Arc::new(AtomicUsize::new(0));
    let steps = Arc::new(AtomicUsize::new(0));
    for index in 0..WORKERS {
        let (mine, taken) = (Arc::clone(&counter), Arc::clone(&steps));
        let over = Arc::clone(&ended);
        let block = Box::new(move || {
            let _ended = Ended(over);
            for _ in 0..ROUNDS {
                mine.step();
                taken.fetch_add(1, Ordering::Relaxed);
            }
        });
        let (mine, taken) = (Arc::clone(&counter), Arc::clone(&steps));
        let over = Arc::clone(&ended);
        let task: Job = Box::pin(async move {
            let _ended = Ended(over);
            for _ in 0..ROUNDS {
                mine.step_async().await;
                taken.fetch_add(1, Ordering::Relaxed);
            }
        });
        face.work(index, block, task);
    }
    let progress = || steps.load(Ordering::Relaxed) + ended.load(Ordering::Relaxed);
    until_idle("all workers have ended", progress, || {
        face.advance();
        ended.load(Ordering::SeqCst) == WORKERS
    });
    assert_eq!(counter.total(), (WORKERS * ROUNDS) as u64);
}

fn mutex<F: Face>() {
    count::<F, Mutex<F::Backend>>();
}

fn fair<F: Face>() {
    count::<F, RwLock<Fair, F::Backend>>();
}

fn read_preferring<F: Face>() {
    count::<F, RwLock<ReadPreferring, F::Backend>>();
}

fn write_preferring<F: Face>() {
    count::<F, RwLock<WritePreferring, F::Backend>>();
}

fn semaphore<F: Face>() {
    count::<F, Beside<Semaphore<F::Backend>>>();
}

fn fifo_lock<F: Face>() {
    count::<F, Beside<FifoLock<ReadWrite, F::Backend>>>();
}

instantiate!({
    threads_on_sync: crate::faces::Blocking<portunus::sync::Threads>,
    threads_on_spin: crate::faces::Blocking<crate::faces::YieldingSpin>,
    threads_on_critical: crate::faces::Blocking<crate::faces::YieldingCritical>,
    tokio_current_thread:
        crate::faces::Tasks<crate::executor::TokioCurrent, portunus::sync::Threads>,
    tokio_multi_thread: crate::faces::Tasks<crate::executor::TokioMulti, portunus::sync::Threads>,
    smol: crate::faces::Tasks<crate::executor::Smol, portunus::sync::Threads>,
    queue_on_spin: crate::faces::Tasks<crate::executor::RunQueue, portunus::spin::Spinning>,
    queue_on_critical:
        crate::faces::Tasks<crate::executor::RunQueue, portunus::critical::Critical>,
    mixed_on_sync: crate::faces::Mixed<crate::executor::Smol, portunus::sync::Threads>,
} [mutex, fair, read_preferring, write_preferring, semaphore, fifo_lock]);

/// Two threads with the strategy that the backend's own names have: on `spin`
/// and `critical` they give no core away.
fn two_threads_with_the_strategy_of_the_backend<B: Backend>() {
    const ROUNDS: usize = 100;
    let mutex = Mutex::<B>::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..ROUNDS).for_each(|_| Counter::step(&mutex)));
        }
    });
    assert_eq!(*mutex.lock(), 2 * ROUNDS as u64);
    assert!(!mutex.is_locked());
}

instantiate!({
    strategy_of_sync: portunus::sync::Threads,
    strategy_of_spin: portunus::spin::Spinning,
    strategy_of_critical: portunus::critical::Critical,
} [two_threads_with_the_strategy_of_the_backend]);
