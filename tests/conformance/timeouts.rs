//! Waits that end with the clock: never early, and without a residue.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use portunus::future::AcquireHold;
use portunus::sync::Threads;
use portunus::{Backend, Fair, FifoLock, ReadPreferring, Semaphore};

use crate::raw;
use crate::rules::Access::{Read, Write};
use crate::rules::ReadWrite;
use crate::subject::{Mutex, RwLock};
use crate::support::{Hand, until};

const TIME: Duration = Duration::from_millis(20);

/// The wait has to end without success, and not before its time.
#[track_caller]
fn too_late<T>(wait: impl FnOnce(Duration, Instant) -> Option<T>) {
    let start = Instant::now();
    assert!(wait(TIME, start + TIME).is_none(), "it entered");
    assert!(start.elapsed() >= TIME, "it gave up early");
}

fn a_hold<B: Backend>() {
    let lock = FifoLock::<_, B>::new(ReadWrite);
    let hold = lock.acquire(Write);
    for mode in [Read, Write] {
        too_late(|time, _| lock.acquire_for(mode, time));
        assert_eq!((lock.holders(Write), lock.waiting()), (1, 0));
        too_late(|_, deadline| lock.acquire_until(mode, deadline));
        assert_eq!((lock.holders(Write), lock.waiting()), (1, 0));
    }
    drop(hold);
    assert!(!lock.is_locked());
    drop(lock.acquire_for(Write, TIME).expect("it is free"));
}

fn a_mutex<B: Backend>() {
    let mutex = Mutex::<B>::new(0);
    let guard = mutex.lock();
    too_late(|time, _| mutex.try_lock_for(time));
    assert_eq!(raw::mutex(&mutex).waiting(), 0);
    too_late(|_, deadline| mutex.try_lock_until(deadline));
    assert_eq!(raw::mutex(&mutex).waiting(), 0);
    drop(guard);
    assert!(mutex.try_lock_for(TIME).is_some());
}

fn a_readers_writer_lock<B: Backend>() {
    let lock = RwLock::<Fair, B>::new(0);
    let guard = lock.write();
    too_late(|time, _| lock.try_read_for(time));
    too_late(|_, deadline| lock.try_read_until(deadline));
    too_late(|time, _| lock.try_write_for(time));
    too_late(|_, deadline| lock.try_write_until(deadline));
    too_late(|time, _| lock.try_upgradable_read_for(time));
    assert_eq!(raw::rwlock(&lock).waiting(), 0);
    drop(guard);
    assert!(lock.try_read_for(TIME).is_some());
    assert!(lock.try_write_for(TIME).is_some());
    assert!(!lock.is_locked());
}

fn a_semaphore<B: Backend>() {
    let semaphore = Semaphore::<B>::new(2);
    let permit = semaphore.acquire();
    too_late(|time, _| semaphore.acquire_many_for(2, time).expect("there are two"));
    assert_eq!((semaphore.available_permits(), semaphore.waiting()), (1, 0));
    let other = semaphore.acquire();
    too_late(|time, _| semaphore.acquire_for(time));
    too_late(|_, deadline| semaphore.acquire_until(deadline));
    assert_eq!((semaphore.available_permits(), semaphore.waiting()), (0, 0));
    drop((permit, other));
    assert!(semaphore.acquire_for(TIME).is_some());
    assert_eq!(semaphore.available_permits(), 2);
}

/// Whoever the one that gave up kept out is inside when its wait returns.
fn who_was_kept_out_enters<B: Backend>() {
    let lock = FifoLock::<_, B>::new(ReadWrite);
    let inside = AtomicUsize::new(0);
    let reading = lock.acquire(Read);
    thread::scope(|scope| {
        // Let go when something is wrong: else the reader is waited for.
        let reading = reading;
        let writer = scope.spawn(|| lock.acquire_for(Write, Duration::from_millis(200)).is_some());
        until("the writer waits", || lock.waiting() == 1 || writer.is_finished());
        let hand = Hand::new();
        let mut task = Box::pin(lock.acquire_async(Read));
        // Behind the writer, or beside the reader if its time is over already.
        let waits = hand.poll(&mut task).is_pending();
        let reader = scope.spawn(|| {
            let hold = lock.acquire(Read);
            inside.fetch_add(1, Ordering::SeqCst);
            drop(hold);
        });
        assert!(!writer.join().expect("it does not panic"), "it entered beside a reader");
        assert!(!waits || hand.wakes() == 1);
        until("the reader enters", || inside.load(Ordering::SeqCst) == 1);
        reader.join().expect("it does not panic");
        drop(task);
        assert_eq!((lock.holders(Read), lock.waiting()), (1, 0));
        drop(reading);
    });
    assert!(!lock.is_locked());
}

/// A time that is over before it begins asks once.
fn no_time_asks_once<B: Backend>() {
    let past = Instant::now();
    let lock = FifoLock::<_, B>::new(ReadWrite);
    drop(lock.acquire_for(Write, Duration::ZERO).expect("it is free"));
    drop(lock.acquire_until(Write, past).expect("it is free"));
    let hold = lock.acquire(Write);
    assert!(lock.acquire_for(Write, Duration::ZERO).is_none());
    assert!(lock.acquire_until(Read, past).is_none());
    assert_eq!(lock.waiting(), 0);
    drop(hold);

    let rwlock = RwLock::<ReadPreferring, B>::new(0);
    assert!(rwlock.try_read_for(Duration::ZERO).is_some());
    assert!(rwlock.try_write_until(past).is_some());
}

/// A time beyond the end of the clock is no limit.
fn for_ever_is_a_time<B: Backend>() {
    let lock = FifoLock::<_, B>::new(ReadWrite);
    drop(lock.acquire_for(Write, Duration::MAX).expect("it is free"));
    thread::scope(|scope| {
        let hold = lock.acquire(Write);
        let waiter = scope.spawn(|| lock.acquire_for(Write, Duration::MAX).is_some());
        until("it waits", || lock.waiting() == 1);
        drop(hold);
        assert!(waiter.join().expect("it does not panic"));
    });
    assert!(!lock.is_locked());
}

/// Timed threads and their opposite, in a crowd: the counts are right at the
/// end.
fn a_crowd_in_a_hurry<B: Backend>() {
    const ROUNDS: u64 = 100;
    let mutex = Mutex::<B>::new(0);
    let entered = AtomicUsize::new(0);
    let worker = |thread: u64| {
        for round in 0..ROUNDS {
            let time = Duration::from_micros((round * 7 + thread * 13) % 200);
            if let Some(mut guard) = mutex.try_lock_for(time) {
                *guard += 1;
                thread::yield_now();
                entered.fetch_add(1, Ordering::SeqCst);
            }
        }
    };
    thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || worker(thread));
        }
    });
    assert_eq!(*mutex.lock(), entered.load(Ordering::SeqCst) as u64);
    assert_eq!(raw::mutex(&mutex).waiting(), 0);
    assert!(!mutex.is_locked());
}

on_backends!(
    a_hold,
    a_mutex,
    a_readers_writer_lock,
    a_semaphore,
    who_was_kept_out_enters,
    no_time_asks_once,
    for_ever_is_a_time,
    a_crowd_in_a_hurry,
);

/// A task's time is over: its future is dropped, and no trace is left.
async fn dropped_by_a_timeout<'a, F: Future<Output = bool>>(
    lock: &'a FifoLock<ReadWrite, Threads>,
    in_time: impl FnOnce(AcquireHold<'a, ReadWrite, Threads>) -> F,
) {
    let hold = lock.acquire(Write);
    let start = Instant::now();
    assert!(!in_time(lock.acquire_async(Write)).await, "it entered");
    assert!(start.elapsed() >= TIME, "it gave up early");
    assert_eq!((lock.holders(Write), lock.waiting()), (1, 0));
    drop(hold);
    assert_eq!((lock.holders(Write), lock.waiting()), (0, 0));
}

#[test]
fn a_task_on_tokio() {
    let mut current = tokio::runtime::Builder::new_current_thread();
    let mut multi = tokio::runtime::Builder::new_multi_thread();
    for builder in [&mut current, multi.worker_threads(2)] {
        let lock = FifoLock::new(ReadWrite);
        let runtime = builder.enable_time().build().expect("a runtime");
        runtime.block_on(dropped_by_a_timeout(&lock, |request| async {
            tokio::time::timeout(TIME, request).await.is_ok()
        }));
    }
}

#[test]
fn a_task_on_smol() {
    let lock = FifoLock::new(ReadWrite);
    smol::block_on(dropped_by_a_timeout(&lock, |request| {
        let entered = async {
            drop(request.await);
            true
        };
        let too_late = async {
            smol::Timer::after(TIME).await;
            false
        };
        smol::future::or(entered, too_late)
    }));
}
