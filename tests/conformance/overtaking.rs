//! Nobody overtakes: neither a `try_…` nor a newcomer of another kind. Only a
//! better lane passes a worse one.

use std::time::Duration;

use portunus::prelude::*;
use portunus::{Backend, Fair, FifoLock, ReadPreferring, Semaphore, WritePreferring};

use crate::rules::Access::{Read, Write};
use crate::rules::Size::{Big, Small};
use crate::rules::Slot::Taken;
use crate::rules::{ReadWrite, Sizes, Slots};
use crate::subject::{Mutex, RwLock};
use crate::support::{Hand, ready};

/// A reader would fit beside the reader inside; a writer waits before it.
fn not_in_the_same_lane<B: Backend>() {
    let lock = FifoLock::<_, B>::new(ReadWrite);
    let (one, other) = (Hand::new(), Hand::new());
    let hold = lock.acquire(Read);
    drop(lock.try_acquire(Read).expect("nobody waits"));
    let mut writer = Box::pin(lock.acquire_async(Write));
    assert!(one.poll(&mut writer).is_pending());

    assert!(lock.try_acquire(Read).is_none());
    assert!(lock.try_acquire(Write).is_none());
    assert!(lock.acquire_for(Read, Duration::ZERO).is_none());
    let mut reader = Box::pin(lock.acquire_async(Read));
    assert!(other.poll(&mut reader).is_pending());
    drop(reader);
    assert_eq!(lock.waiting(), 1);

    drop(writer);
    drop(lock.try_acquire(Read).expect("nobody waits any more"));
    drop(hold);
    assert!(!lock.is_locked());
}

/// A granted request that has not been polled holds the lock.
fn not_one_that_was_granted<B: Backend>() {
    let lock = FifoLock::<_, B>::new(ReadWrite);
    let hand = Hand::new();
    let hold = lock.acquire(Write);
    let mut writer = Box::pin(lock.acquire_async(Write));
    assert!(hand.poll(&mut writer).is_pending());
    drop(hold);
    assert!(lock.try_acquire(Read).is_none());
    assert!(lock.try_acquire(Write).is_none());
    drop(ready(hand.poll(&mut writer)));
    drop(lock.try_acquire(Write).expect("it is free"));
}

/// The better lane's waiter keeps newcomers of the worse one out.
fn not_into_a_better_lane<B: Backend>() {
    let lock = FifoLock::<_, B>::new(Sizes::<0, 1>);
    let hand = Hand::new();
    let hold = lock.acquire(Small);
    drop(lock.try_acquire(Small).expect("nobody waits"));
    let mut big = Box::pin(lock.acquire_async(Big));
    assert!(hand.poll(&mut big).is_pending());
    assert!(lock.try_acquire(Small).is_none());
    assert!(lock.acquire_for(Small, Duration::ZERO).is_none());
    drop(big);
    drop(lock.try_acquire(Small).expect("nobody waits any more"));
    drop(hold);
}

/// The worse lane's waiter keeps nobody of a better one out.
fn a_better_lane_passes_a_worse_one<B: Backend>() {
    let lock = FifoLock::<_, B>::new(Sizes::<1, 0>);
    let (one, other) = (Hand::new(), Hand::new());
    let hold = lock.acquire(Small);
    let mut big = Box::pin(lock.acquire_async(Big));
    assert!(one.poll(&mut big).is_pending());
    let tried = lock.try_acquire(Small).expect("a worse lane does not count");
    let waited = lock.acquire(Small);
    let mut small = Box::pin(lock.acquire_async(Small));
    let awaited = ready(other.poll(&mut small));
    assert_eq!((lock.holders(Small), lock.waiting()), (4, 1));
    drop((hold, tried, waited));
    assert_eq!(one.wakes(), 0);
    drop(awaited);
    assert_eq!(one.wakes(), 1);
    drop(ready(one.poll(&mut big)));
}

fn not_at_a_mutex<B: Backend>() {
    let mutex = Mutex::<B>::new(0);
    let hand = Hand::new();
    let guard = mutex.lock();
    let mut future = Box::pin(mutex.lock_async());
    assert!(hand.poll(&mut future).is_pending());
    drop(guard);
    assert!(mutex.try_lock().is_none());
    drop(ready(hand.poll(&mut future)));
    assert!(mutex.try_lock().is_some());
}

/// By preference, a reader passes a waiting writer, or waits for it.
fn readers_by_preference<B: Backend>() {
    macro_rules! reader_enters {
        ($preference:ty) => {{
            let lock = RwLock::<$preference, B>::new(0);
            let hand = Hand::new();
            let reading = lock.read();
            let mut writer = Box::pin(lock.write_async());
            assert!(hand.poll(&mut writer).is_pending());
            assert!(lock.try_write().is_none());
            let enters = lock.try_read().is_some();
            assert_eq!(lock.try_read_for(Duration::ZERO).is_some(), enters);
            drop(reading);
            drop(ready(hand.poll(&mut writer)));
            enters
        }};
    }
    assert!(!reader_enters!(Fair));
    assert!(reader_enters!(ReadPreferring));
    assert!(!reader_enters!(WritePreferring));
}

/// A permit is free; who asked for two waits for it.
fn not_at_a_semaphore<B: Backend>() {
    let semaphore = Semaphore::<B>::new(2);
    let hand = Hand::new();
    let permit = semaphore.acquire();
    let mut heavy = Box::pin(semaphore.acquire_many_async(2));
    assert!(hand.poll(&mut heavy).is_pending());
    assert_eq!(semaphore.available_permits(), 1);
    assert!(semaphore.try_acquire().is_none());
    assert!(semaphore.try_acquire_many(1).expect("there are two").is_none());
    assert!(semaphore.acquire_for(Duration::ZERO).is_none());
    drop(permit);
    assert_eq!(ready(hand.poll(&mut heavy)).expect("there are two").count(), 2);
    assert_eq!(semaphore.available_permits(), 2);
}

/// The same of the rule.
fn not_at_a_semaphore_of_a_rule<B: Backend>() {
    let lock = FifoLock::<_, B>::new(Slots(2));
    let hand = Hand::new();
    let hold = lock.acquire(Taken);
    let mut heavy = Box::pin(lock.acquire_many_async(Taken, 2));
    assert!(hand.poll(&mut heavy).is_pending());
    assert!(lock.try_acquire(Taken).is_none());
    assert!(lock.try_acquire_many(Taken, 1).expect("there are two").is_none());
    drop(hold);
    assert_eq!(ready(hand.poll(&mut heavy)).expect("there are two").weight(), 2);
    assert!(!lock.is_locked());
}

on_backends!(
    not_in_the_same_lane,
    not_one_that_was_granted,
    not_into_a_better_lane,
    a_better_lane_passes_a_worse_one,
    not_at_a_mutex,
    readers_by_preference,
    not_at_a_semaphore,
    not_at_a_semaphore_of_a_rule,
);
