//! What only tasks on an executor can show.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use portunus::prelude::*;
use portunus::sync;

use crate::executor::Executor;
use crate::rules::Access::{Read, Write};
use crate::rules::Sole::Exclusive;
use crate::rules::{OneAtATime, ReadWrite};
use crate::support::until;

/// What happened, in order.
type Log = Arc<Mutex<Vec<&'static str>>>;

fn note(log: &Log, what: &'static str) {
    log.lock().expect("no note panics").push(what);
}

fn notes(log: &Log) -> Vec<&'static str> {
    log.lock().expect("no note panics").clone()
}

async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

/// A free lock does not suspend: a task that takes it again and again keeps
/// its thread, though another is ready.
fn a_free_lock_does_not_suspend<E: Executor>() {
    let executor = E::default();
    let spawner = executor.spawner();
    let (log, lock) = (Log::default(), Arc::new(sync::FifoLock::new(OneAtATime)));
    let a = {
        let (log, lock, spawner) = (Arc::clone(&log), Arc::clone(&lock), Arc::clone(&spawner));
        async move {
            let b = {
                let (log, lock) = (Arc::clone(&log), Arc::clone(&lock));
                async move {
                    let _hold = lock.acquire_async(Exclusive).await;
                    note(&log, "b");
                }
            };
            // Ready from here on.
            spawner(Box::pin(b));
            for what in ["a0", "a1", "a2"] {
                let _hold = lock.acquire_async(Exclusive).await;
                note(&log, what);
            }
        }
    };
    spawner(Box::pin(a));
    until("both tasks are through", || {
        executor.advance();
        notes(&log).len() == 4
    });
    assert_eq!(notes(&log), ["a0", "a1", "a2", "b"]);
}

instantiate!({
    one_thread_of_tokio: crate::executor::TokioCurrent,
    one_thread_of_smol: crate::executor::Smol,
    one_queue: crate::executor::RunQueue,
} [a_free_lock_does_not_suspend]);

/// Two tasks that ask again at once, with the lock contended, take turns.
fn contended_loops_take_turns<E: Executor>() {
    let executor = E::default();
    let spawner = executor.spawner();
    let (log, lock) = (Log::default(), Arc::new(sync::FifoLock::new(OneAtATime)));
    let gate = lock.acquire_owned(Exclusive);
    for (index, names) in [["a0", "a1", "a2"], ["b0", "b1", "b2"]].into_iter().enumerate() {
        let (log, mine) = (Arc::clone(&log), Arc::clone(&lock));
        spawner(Box::pin(async move {
            for what in names {
                let hold = mine.acquire_async(Exclusive).await;
                note(&log, what);
                // The other one stands in line before this one asks again.
                poll_fn(|cx| {
                    let others = if what.ends_with('2') { 0 } else { 1 };
                    if mine.waiting() >= others {
                        return Poll::Ready(());
                    }
                    cx.waker().wake_by_ref();
                    Poll::Pending
                })
                .await;
                drop(hold);
            }
        }));
        until("the task stands in line", || {
            executor.advance();
            lock.waiting() == index + 1
        });
    }
    drop(gate);
    until("both tasks are through", || {
        executor.advance();
        notes(&log).len() == 6
    });
    assert_eq!(notes(&log), ["a0", "b0", "a1", "b1", "a2", "b2"]);
}

/// A task stops polling its first request, and waits for its second: the first
/// one's grant does not keep the second out.
fn a_task_that_polls_its_second_request<E: Executor>() {
    let executor = E::default();
    let (log, lock) = (Log::default(), Arc::new(sync::FifoLock::new(OneAtATime)));
    let gate = lock.acquire_owned(Exclusive);
    let task = {
        let (log, lock) = (Arc::clone(&log), Arc::clone(&lock));
        async move {
            let mut first = pin!(lock.acquire_async(Exclusive));
            assert!(poll_once(&mut first).await.is_pending());
            let second = lock.acquire_async(Exclusive).await;
            note(&log, "second");
            drop(second);
            let _first = first.await;
            note(&log, "first");
        }
    };
    executor.spawner()(Box::pin(task));
    until("both requests stand in line", || {
        executor.advance();
        lock.waiting() == 2
    });
    drop(gate);
    until("the task is through", || {
        executor.advance();
        notes(&log).len() == 2
    });
    assert_eq!(notes(&log), ["second", "first"]);
    until("the lock is free", || !lock.is_locked());
}

/// The same with the second request made only after the first was granted.
fn a_task_that_asks_beside_its_own_grant<E: Executor>() {
    let executor = E::default();
    let (log, mutex) = (Log::default(), Arc::new(sync::Mutex::new(0)));
    let task = {
        let (log, mutex) = (Arc::clone(&log), Arc::clone(&mutex));
        async move {
            let guard = mutex.lock_async().await;
            let mut first = pin!(mutex.lock_async());
            assert!(poll_once(&mut first).await.is_pending());
            // The lock is the first one's now, which is not polled.
            drop(guard);
            *mutex.lock_async().await += 1;
            note(&log, "second");
            *first.await += 1;
            note(&log, "first");
        }
    };
    executor.spawner()(Box::pin(task));
    until("the task is through", || {
        executor.advance();
        notes(&log).len() == 2
    });
    assert_eq!(notes(&log), ["second", "first"]);
    assert_eq!(*mutex.lock(), 2);
}

/// A reader of the task was let in beside another task's, and is not polled;
/// the task waits for its writer, which enters once the other task has left.
fn a_task_whose_reader_is_in_the_way_of_its_writer<E: Executor>() {
    let executor = E::default();
    let (log, lock) = (Log::default(), Arc::new(sync::FifoLock::new(ReadWrite)));
    let gate = lock.acquire_owned(Write);
    let task = {
        let (log, lock) = (Arc::clone(&log), Arc::clone(&lock));
        async move {
            let mut reader = pin!(lock.acquire_async(Read));
            assert!(poll_once(&mut reader).await.is_pending());
            // The other task's reader comes before the writer.
            poll_fn(|cx| {
                if lock.waiting() == 2 {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            drop(lock.acquire_async(Write).await);
            note(&log, "writer");
            drop(reader.await);
            note(&log, "reader");
        }
    };
    let other = {
        let (log, lock) = (Arc::clone(&log), Arc::clone(&lock));
        async move {
            let hold = lock.acquire_async(Read).await;
            note(&log, "other");
            drop(hold);
        }
    };
    executor.spawner()(Box::pin(task));
    executor.spawner()(Box::pin(other));
    until("all requests stand in line", || {
        executor.advance();
        lock.waiting() == 3
    });
    drop(gate);
    until("both tasks are through", || {
        executor.advance();
        notes(&log).len() == 3
    });
    assert_eq!(notes(&log), ["other", "writer", "reader"]);
}

on_executors!(
    contended_loops_take_turns,
    a_task_that_polls_its_second_request,
    a_task_that_asks_beside_its_own_grant,
    a_task_whose_reader_is_in_the_way_of_its_writer,
);
