//! T-DOOR 3: ten workers count together, a thousand times each. Nothing is lost.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use portunus::raw::{RawMutexAsync, RawRwLockAsync};
use portunus::sync;

use crate::executor::{Executor, Smol, TokioCurrent, TokioMulti};
use crate::over::{Door, Over, SharedDoor, SharedOver};
use crate::support::until_idle;

const WORKERS: u64 = 10;
const ROUNDS: u64 = 1000;

/// Runs the workers as threads, for as long as they get on.
fn threads<T: Send + Sync + 'static>(shared: &Arc<T>, step: fn(&T)) {
    let steps = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (shared, steps) = (Arc::clone(shared), Arc::clone(&steps));
            thread::spawn(move || {
                for _ in 0..ROUNDS {
                    step(&shared);
                    steps.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let progress = || steps.load(Ordering::Relaxed);
    until_idle("ten threads, a thousand rounds each", progress, || {
        workers.iter().all(JoinHandle::is_finished)
    });
    workers.into_iter().for_each(|worker| worker.join().expect("no panic"));
}

fn threads_lose_no_step<O: Over>() {
    let door = Arc::new(Door::<O, u64>::new(0));
    threads(&door, |door| {
        let before = {
            let mut inside = door.enter();
            *inside += 1;
            *inside
        };
        assert!(*door.enter() >= before);
    });
    assert_eq!(*door.enter(), WORKERS * ROUNDS);
}

fn threads_lose_no_step_when_shared<O: SharedOver>() {
    let door = Arc::new(SharedDoor::<O, u64>::new(0));
    threads(&door, |door| {
        let before = {
            let mut inside = door.write();
            *inside += 1;
            *inside
        };
        assert!(*door.read() >= before);
    });
    assert_eq!(*door.read(), WORKERS * ROUNDS);
}

/// Each enters twice at once.
#[test]
fn threads_lose_no_step_when_reentrant() {
    let door = Arc::new(sync::ReentrantDoor::new(Cell::new(0)));
    threads(&door, |door| {
        let outer = door.enter();
        let inner = door.enter();
        let before = outer.get();
        inner.set(before + 1);
        drop(inner);
        assert_eq!(outer.get(), before + 1, "somebody else is inside");
    });
    assert_eq!(door.enter().get(), WORKERS * ROUNDS);
}

over_mutexes!(threads_lose_no_step);
over_shared_locks!(threads_lose_no_step_when_shared);

type Step = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs the workers as tasks.
fn tasks<E: Executor, T: Send + Sync + 'static>(shared: &Arc<T>, step: fn(Arc<T>) -> Step) {
    let executor = E::default();
    let spawn = executor.spawner();
    let (steps, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for _ in 0..WORKERS {
        let (shared, steps, ended) = (Arc::clone(shared), Arc::clone(&steps), Arc::clone(&ended));
        spawn(Box::pin(async move {
            for _ in 0..ROUNDS {
                step(Arc::clone(&shared)).await;
                steps.fetch_add(1, Ordering::Relaxed);
            }
            ended.fetch_add(1, Ordering::SeqCst);
        }));
    }
    let progress = || steps.load(Ordering::Relaxed);
    until_idle("ten tasks, a thousand rounds each", progress, || {
        ended.load(Ordering::SeqCst) == WORKERS as usize
    });
}

/// Suspends the task while it is inside.
async fn pause() {
    smol::future::yield_now().await;
}

fn tasks_of<E: Executor, O: Over>()
where
    O::Lock: RawMutexAsync<Waiter: Send, Guard: Send>,
{
    let door = Arc::new(Door::<O, u64>::new(0));
    tasks::<E, _>(&door, |door| {
        Box::pin(async move {
            let before = {
                let mut inside = door.enter_async().await;
                *inside += 1;
                pause().await;
                *inside
            };
            assert!(*door.enter_arc_async().await >= before);
        })
    });
    assert_eq!(*door.enter(), WORKERS * ROUNDS);
}

fn shared_tasks_of<E: Executor, O: SharedOver>()
where
    O::Lock: RawRwLockAsync<
            SharedWaiter: Send,
            ExclusiveWaiter: Send,
            SharedGuard: Send,
            ExclusiveGuard: Send,
        >,
{
    let door = Arc::new(SharedDoor::<O, u64>::new(0));
    tasks::<E, _>(&door, |door| {
        Box::pin(async move {
            let before = {
                let mut inside = door.write_async().await;
                *inside += 1;
                pause().await;
                *inside
            };
            assert!(*door.read_async().await >= before);
        })
    });
    assert_eq!(*door.read(), WORKERS * ROUNDS);
}

mod of_tasks {
    use super::*;
    use crate::over::*;

    macro_rules! tasks {
        ($($test:ident: $run:ident::<$executor:ident, $over:ident>;)+) => {$(
            #[test]
            fn $test() {
                $run::<$executor, $over>();
            }
        )+};
    }

    tasks! {
        tokio_one_thread_on_sync: tasks_of::<TokioCurrent, OnSync>;
        tokio_threads_on_sync: tasks_of::<TokioMulti, OnSync>;
        smol_on_sync: tasks_of::<Smol, OnSync>;
        tokio_threads_on_spin: tasks_of::<TokioMulti, OnSpin>;
        smol_on_spin: tasks_of::<Smol, OnSpin>;
        tokio_threads_on_critical: tasks_of::<TokioMulti, OnCritical>;
        smol_on_critical: tasks_of::<Smol, OnCritical>;

        tokio_one_thread_fair_on_sync: shared_tasks_of::<TokioCurrent, FairOnSync>;
        tokio_threads_fair_on_sync: shared_tasks_of::<TokioMulti, FairOnSync>;
        tokio_threads_reading_on_sync: shared_tasks_of::<TokioMulti, ReadingOnSync>;
        tokio_threads_writing_on_sync: shared_tasks_of::<TokioMulti, WritingOnSync>;
        smol_fair_on_sync: shared_tasks_of::<Smol, FairOnSync>;
        smol_reading_on_sync: shared_tasks_of::<Smol, ReadingOnSync>;
        smol_writing_on_sync: shared_tasks_of::<Smol, WritingOnSync>;
        tokio_threads_fair_on_spin: shared_tasks_of::<TokioMulti, FairOnSpin>;
        smol_fair_on_spin: shared_tasks_of::<Smol, FairOnSpin>;
        smol_reading_on_spin: shared_tasks_of::<Smol, ReadingOnSpin>;
        smol_writing_on_spin: shared_tasks_of::<Smol, WritingOnSpin>;
        tokio_threads_fair_on_critical: shared_tasks_of::<TokioMulti, FairOnCritical>;
        smol_fair_on_critical: shared_tasks_of::<Smol, FairOnCritical>;
        smol_reading_on_critical: shared_tasks_of::<Smol, ReadingOnCritical>;
        smol_writing_on_critical: shared_tasks_of::<Smol, WritingOnCritical>;
    }
}
