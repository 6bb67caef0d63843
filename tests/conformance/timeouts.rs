//! Waits that end with the clock: never early, and without a residue.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use portunus::future::AcquireHold;
use portunus::sync::Threads;
use portunus::{
    Backend, ClosableSemaphore, ConvertError, Fair, FifoLock, ReadPreferring, Semaphore,
};

use crate::raw;
use crate::rules::Access::{Read, Write};
use crate::rules::Slot::Taken;
use crate::rules::{ReadWrite, Slots};
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

/// The same with what keeps its lock alive: a wait whose time is over keeps
/// nothing alive.
fn what_is_owned<B: Backend>() {
    let lock = Arc::new(FifoLock::<_, B>::new(ReadWrite));
    let mut hold = lock.acquire_owned_for(Read, TIME).expect("it is free");
    let other = lock.acquire_owned_until(Read, Instant::now()).expect("only a reader");
    assert_eq!((hold.mode(), hold.weight(), Arc::strong_count(&lock)), (Read, 1, 3));
    too_late(|time, _| lock.acquire_owned_for(Write, time));
    too_late(|_, deadline| lock.acquire_owned_until(Write, deadline));
    too_late(|time, _| timed_out(hold.convert_for(Write, time)));
    too_late(|_, deadline| timed_out(hold.convert_until(Write, deadline)));
    assert_eq!((hold.mode(), lock.holders(Read), lock.waiting()), (Read, 2, 0));
    drop(other);
    assert_eq!(hold.convert_for(Write, TIME), Ok(()));
    assert_eq!(hold.convert_until(Read, Instant::now()), Ok(()));
    assert_eq!(hold.convert_for(Write, TIME), Ok(()));
    assert_eq!((lock.holders(Write), Arc::strong_count(&lock)), (1, 2));
    drop(hold);
    assert!(!lock.is_locked());

    let slots = Arc::new(FifoLock::<_, B>::new(Slots(3)));
    let two = slots.try_acquire_many_owned(Taken, 2).expect("there are three").expect("free");
    assert!(slots.try_acquire_many_owned(Taken, 2).expect("there are three").is_none());
    too_late(|time, _| slots.acquire_many_owned_for(Taken, 2, time).expect("there are three"));
    too_late(|_, till| slots.acquire_many_owned_until(Taken, 2, till).expect("there are three"));
    let limits = [
        slots.try_acquire_many_owned(Taken, 4).err(),
        slots.acquire_many_owned_for(Taken, 4, TIME).err(),
        slots.acquire_many_owned_until(Taken, 4, Instant::now()).err(),
    ];
    for error in limits {
        assert_eq!(error.map(|error| error.limit()), Some(3));
    }
    drop(two);
    let two = slots.acquire_many_owned_for(Taken, 2, TIME).expect("there are three");
    let one = slots.acquire_many_owned_until(Taken, 1, Instant::now()).expect("there are three");
    assert_eq!(two.map(|hold| hold.weight()), Some(2));
    assert_eq!(one.map(|hold| hold.weight()), Some(1));
    assert!(!slots.is_locked());
    assert_eq!(Arc::strong_count(&slots), 1);
}

/// As a wait: the only error is that the time was over.
#[track_caller]
fn timed_out(converted: Result<(), ConvertError>) -> Option<()> {
    match converted {
        Ok(()) => Some(()),
        Err(ConvertError::TimedOut) => None,
        Err(error) => panic!("{error}"),
    }
}

fn owned_permits<B: Backend>() {
    let semaphore = Arc::new(Semaphore::<B>::new(2));
    let one = semaphore.acquire_owned_for(TIME).expect("there are two");
    too_late(|time, _| semaphore.acquire_many_owned_for(2, time).expect("there are two"));
    too_late(|_, till| semaphore.acquire_many_owned_until(2, till).expect("there are two"));
    assert!(semaphore.acquire_many_owned_for(3, TIME).is_err());
    assert!(semaphore.acquire_many_owned_until(3, Instant::now()).is_err());
    let other = semaphore.acquire_owned_until(Instant::now()).expect("there are two");
    too_late(|time, _| semaphore.acquire_owned_for(time));
    too_late(|_, deadline| semaphore.acquire_owned_until(deadline));
    assert_eq!((semaphore.available_permits(), semaphore.waiting()), (0, 0));
    assert_eq!(Arc::strong_count(&semaphore), 3);
    drop((one, other));
    let both = semaphore.acquire_many_owned_for(2, TIME).expect("there are two");
    assert_eq!(both.map(|permit| permit.count()), Some(2));
    let both = semaphore.acquire_many_owned_until(2, Instant::now()).expect("there are two");
    assert_eq!(both.map(|permit| permit.count()), Some(2));
    assert_eq!((semaphore.available_permits(), Arc::strong_count(&semaphore)), (2, 1));

    let closable = Arc::new(ClosableSemaphore::<B>::new(2));
    let one = closable.acquire_owned_for(TIME).expect("open").expect("there are two");
    too_late(|time, _| closable.acquire_many_owned_for(2, time).expect("open"));
    too_late(|_, till| closable.acquire_many_owned_until(2, till).expect("open"));
    let other = closable.acquire_owned_until(Instant::now()).expect("open");
    too_late(|time, _| closable.acquire_owned_for(time).expect("open"));
    too_late(|_, deadline| closable.acquire_owned_until(deadline).expect("open"));
    drop((one, other));
    let both = closable.acquire_many_owned_for(2, TIME).expect("open");
    assert_eq!(both.map(|permit| permit.count()), Some(2));
    let both = closable.acquire_many_owned_until(2, Instant::now()).expect("open");
    assert_eq!(both.map(|permit| permit.count()), Some(2));
    closable.close();
    assert!(closable.acquire_owned_for(TIME).is_err());
    assert!(closable.acquire_owned_until(Instant::now()).is_err());
    assert!(closable.acquire_many_owned_for(1, TIME).is_err());
    assert!(closable.acquire_many_owned_until(1, Instant::now()).is_err());
    assert_eq!((closable.available_permits(), Arc::strong_count(&closable)), (2, 1));
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
    what_is_owned,
    owned_permits,
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
