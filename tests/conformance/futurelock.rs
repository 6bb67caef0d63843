//! Two acquisitions of one task, of which it polls only one: a grant to the
//! other does not keep that one out.
//!
//! The futures are polled by hand. A [`Hand`] is a task: its futures share one
//! waker. After each test, every copy of that waker has to be gone: a trade
//! hands one on without cloning it.

use portunus::prelude::*;
use portunus::{Backend, Fair, FifoLock, ReadPreferring, Semaphore, WritePreferring};

use crate::raw;
use crate::rules::Access::{Read, Write};
use crate::rules::Rank::{Normal, Urgent};
use crate::rules::Sole::Exclusive;
use crate::rules::{OneAtATime, Ranked, ReadWrite};
use crate::subject::{Mutex, RwLock, granted, lined_up};
use crate::support::{Hand, ready};

/// The plain case: A is granted, B is polled. B enters, and A takes its place
/// in line.
fn the_one_that_is_polled_enters<B: Backend>() {
    let lock = FifoLock::<_, B>::new(OneAtATime);
    let hand = Hand::new();
    let [mut a, mut b] = granted(&lock, Exclusive, [(&hand, Exclusive), (&hand, Exclusive)]);
    // A was granted; its task knows.
    assert_eq!((hand.wakes(), lock.holders(Exclusive), lock.waiting()), (1, 1, 1));
    let hold = ready(hand.poll(&mut b));
    assert_eq!((hand.wakes(), lock.holders(Exclusive), lock.waiting()), (1, 1, 1));
    // A is in line like any other.
    assert!(hand.poll(&mut a).is_pending());
    drop(hold);
    assert_eq!((hand.wakes(), lock.waiting()), (2, 0));
    drop(ready(hand.poll(&mut a)));
    assert!(!lock.is_locked());
    assert_eq!(hand.kept(), 0);
}

/// B is polled for the first time when A has been granted already.
fn the_one_that_comes_later_enters<B: Backend>() {
    let lock = FifoLock::<_, B>::new(OneAtATime);
    let (hand, stranger) = (Hand::new(), Hand::new());
    let hold = lock.acquire(Exclusive);
    let [mut a, mut other] = lined_up(&lock, [(&hand, Exclusive), (&stranger, Exclusive)]);
    let mut b = Box::pin(lock.acquire_async(Exclusive));
    drop(hold);
    let hold = ready(hand.poll(&mut b));
    // A has B's place, at the end: what B would have waited for, A does.
    drop(hold);
    assert_eq!((hand.wakes(), stranger.wakes()), (1, 1));
    drop(ready(stranger.poll(&mut other)));
    drop(ready(hand.poll(&mut a)));
    assert_eq!((hand.kept(), stranger.kept(), lock.waiting()), (0, 0, 0));
}

/// Another task's request between the two keeps its place.
fn another_task_in_between_keeps_its_place<B: Backend>() {
    let lock = FifoLock::<_, B>::new(OneAtATime);
    let (hand, stranger) = (Hand::new(), Hand::new());
    let [mut a, mut other, mut b] =
        granted(&lock, Exclusive, [(&hand, Exclusive), (&stranger, Exclusive), (&hand, Exclusive)]);
    let hold = ready(hand.poll(&mut b));
    assert!(stranger.poll(&mut other).is_pending());
    drop(hold);
    assert_eq!((hand.wakes(), stranger.wakes()), (1, 1));
    assert!(hand.poll(&mut a).is_pending());
    drop(ready(stranger.poll(&mut other)));
    drop(ready(hand.poll(&mut a)));
    assert_eq!((hand.kept(), stranger.kept(), lock.waiting()), (0, 0, 0));
}

/// Of three, in any order.
fn three_of_one_task<B: Backend>() {
    let lock = FifoLock::<_, B>::new(OneAtATime);
    let hand = Hand::new();
    let hold = lock.acquire(Exclusive);
    let mut futures: Vec<_> = (0..3).map(|_| Box::pin(lock.acquire_async(Exclusive))).collect();
    for future in &mut futures {
        assert!(hand.poll(future).is_pending());
    }
    drop(hold);
    let hold = ready(hand.poll(&mut futures[2]));
    assert_eq!(lock.waiting(), 2);
    drop(hold);
    // The second was granted; the first is polled.
    let hold = ready(hand.poll(&mut futures[0]));
    assert_eq!(lock.waiting(), 1);
    drop(hold);
    drop(ready(hand.poll(&mut futures[1])));
    assert_eq!((hand.kept(), lock.waiting()), (0, 0));
}

/// Reader and writer of one task, either one polled.
fn of_different_modes<B: Backend>() {
    for (first, second) in [(Read, Write), (Write, Read)] {
        let lock = FifoLock::<_, B>::new(ReadWrite);
        let hand = Hand::new();
        let [mut a, mut b] = granted(&lock, Write, [(&hand, first), (&hand, second)]);
        assert_eq!((lock.holders(first), lock.waiting()), (1, 1));
        let hold = ready(hand.poll(&mut b));
        assert_eq!(hold.mode(), second);
        assert_eq!((lock.holders(first), lock.holders(second), lock.waiting()), (0, 1, 1));
        drop(hold);
        assert_eq!((lock.holders(first), lock.waiting()), (1, 0));
        drop(ready(hand.poll(&mut a)));
        assert!(!lock.is_locked());
        assert_eq!(hand.kept(), 0);
    }
}

/// Behind the two stands another task's reader, which would fit beside B. It
/// came after A, and enters after A.
fn a_reader_of_another_task_behind_them_waits<B: Backend>() {
    let lock = FifoLock::<_, B>::new(ReadWrite);
    let (hand, stranger) = (Hand::new(), Hand::new());
    let [mut a, mut b, mut other] =
        granted(&lock, Write, [(&hand, Write), (&hand, Read), (&stranger, Read)]);
    let hold = ready(hand.poll(&mut b));
    assert_eq!((stranger.wakes(), lock.waiting()), (0, 2));
    drop(hold);
    let hold = ready(hand.poll(&mut a));
    assert_eq!((hold.mode(), stranger.wakes()), (Write, 0));
    drop(hold);
    drop(ready(stranger.poll(&mut other)));
    assert_eq!((hand.kept(), stranger.kept(), lock.waiting()), (0, 0, 0));
}

/// The two stand in different lanes; A goes to the end of its own.
fn of_different_lanes<B: Backend>() {
    for (first, second) in [(Urgent, Normal), (Normal, Urgent)] {
        let lock = FifoLock::<_, B>::new(Ranked);
        let hand = Hand::new();
        let hold = lock.acquire(Urgent);
        let mut a = Box::pin(lock.acquire_async(first));
        assert!(hand.poll(&mut a).is_pending());
        drop(hold);
        // A is granted before B comes: in whichever lane.
        let mut b = Box::pin(lock.acquire_async(second));
        let hold = ready(hand.poll(&mut b));
        assert_eq!((lock.holders(first), lock.holders(second), lock.waiting()), (0, 1, 1));
        drop(hold);
        assert_eq!((lock.holders(first), lock.waiting()), (1, 0));
        drop(ready(hand.poll(&mut a)));
        assert!(!lock.is_locked());
        assert_eq!(hand.kept(), 0);
    }
}

/// Over lanes with another task's request in A's: that one is served first.
fn of_different_lanes_beside_another_task<B: Backend>() {
    let lock = FifoLock::<_, B>::new(Ranked);
    let (hand, stranger) = (Hand::new(), Hand::new());
    let [mut a, mut other, mut b, mut last] = granted(
        &lock,
        Urgent,
        [(&hand, Urgent), (&stranger, Urgent), (&hand, Normal), (&stranger, Normal)],
    );
    let hold = ready(hand.poll(&mut b));
    assert_eq!((lock.holders(Normal), lock.waiting()), (1, 3));
    drop(hold);
    assert_eq!(stranger.wakes(), 1);
    drop(ready(stranger.poll(&mut other)));
    drop(ready(hand.poll(&mut a)));
    drop(ready(stranger.poll(&mut last)));
    assert_eq!((hand.kept(), stranger.kept(), lock.waiting()), (0, 0, 0));
}

/// A reader was let in beside another task's reader and is not polled; its
/// sibling writer, which could not enter beside that one either way, takes the
/// reader's grant off the lock: else it would wait for it for ever.
fn a_reader_in_the_way_of_its_sibling_is_evicted<B: Backend>() {
    let lock = FifoLock::<_, B>::new(ReadWrite);
    let (hand, stranger) = (Hand::new(), Hand::new());
    let [mut reader, mut other, mut writer] =
        granted(&lock, Write, [(&hand, Read), (&stranger, Read), (&hand, Write)]);
    assert_eq!((lock.holders(Read), lock.waiting()), (2, 1));
    let reading = ready(stranger.poll(&mut other));
    assert!(hand.poll(&mut writer).is_pending());
    assert_eq!((lock.holders(Read), lock.waiting()), (1, 1));
    drop(reading);
    let writing = ready(hand.poll(&mut writer));
    // The reader asks anew.
    assert!(hand.poll(&mut reader).is_pending());
    assert_eq!((lock.holders(Write), lock.waiting()), (1, 1));
    drop(writing);
    drop(ready(hand.poll(&mut reader)));
    assert!(!lock.is_locked());
    assert_eq!((hand.kept(), stranger.kept()), (0, 0));
}

/// Several readers of the task are in the way of its writer: as many give way
/// as have to, and the writer enters by one poll.
fn several_siblings_are_evicted<B: Backend>() {
    let lock = FifoLock::<_, B>::new(ReadWrite);
    let hand = Hand::new();
    let hold = lock.acquire(Write);
    let mut readers: Vec<_> = (0..3).map(|_| Box::pin(lock.acquire_async(Read))).collect();
    for reader in &mut readers {
        assert!(hand.poll(reader).is_pending());
    }
    let mut writer = Box::pin(lock.acquire_async(Write));
    assert!(hand.poll(&mut writer).is_pending());
    drop(hold);
    assert_eq!((lock.holders(Read), lock.waiting()), (3, 1));
    let hold = ready(hand.poll(&mut writer));
    assert_eq!((lock.holders(Read), lock.holders(Write)), (0, 1));
    drop(hold);
    for reader in &mut readers {
        drop(ready(hand.poll(reader)));
    }
    assert_eq!((lock.is_locked(), lock.waiting(), hand.kept()), (false, 0, 0));
}

/// The same for `lock_api`'s lock, with each preference. The evicted reader is
/// dropped without another poll.
fn an_evicted_reader_is_dropped<B: Backend>() {
    macro_rules! by {
        ($preference:ty) => {{
            let lock = RwLock::<$preference, B>::new(0);
            let (hand, stranger) = (Hand::new(), Hand::new());
            let writing = lock.write();
            let mut reader = Box::pin(lock.read_async());
            let mut other = Box::pin(lock.read_async());
            assert!(hand.poll(&mut reader).is_pending());
            assert!(stranger.poll(&mut other).is_pending());
            drop(writing);
            let reading = ready(stranger.poll(&mut other));
            let mut writer = Box::pin(lock.write_async());
            assert!(hand.poll(&mut writer).is_pending());
            drop(reader);
            drop(reading);
            drop(ready(hand.poll(&mut writer)));
            assert!(!lock.is_locked());
            assert_eq!(raw::rwlock(&lock).waiting(), 0);
            assert_eq!((hand.kept(), stranger.kept()), (0, 0));
        }};
    }
    by!(Fair);
    by!(ReadPreferring);
    by!(WritePreferring);
}

/// Guards with data behind them are traded as well.
fn of_locks_with_data<B: Backend>() {
    let hand = Hand::new();
    let mutex = Mutex::<B>::new(0);
    let guard = mutex.lock();
    let mut a = Box::pin(mutex.lock_async());
    let mut b = Box::pin(mutex.lock_async());
    assert!(hand.poll(&mut a).is_pending());
    assert!(hand.poll(&mut b).is_pending());
    drop(guard);
    *ready(hand.poll(&mut b)) += 1;
    *ready(hand.poll(&mut a)) += 1;
    assert_eq!(*mutex.lock(), 2);

    macro_rules! by {
        ($preference:ty) => {{
            let lock = RwLock::<$preference, B>::new(0);
            let writing = lock.write();
            let mut reader = Box::pin(lock.read_async());
            let mut writer = Box::pin(lock.write_async());
            assert!(hand.poll(&mut reader).is_pending());
            assert!(hand.poll(&mut writer).is_pending());
            drop(writing);
            // One of them was granted; either may be polled.
            *ready(hand.poll(&mut writer)) += 1;
            assert_eq!(*ready(hand.poll(&mut reader)), 1);
            assert!(!lock.is_locked());
        }};
    }
    by!(Fair);
    by!(ReadPreferring);
    by!(WritePreferring);
    assert_eq!(hand.kept(), 0);
}

/// A has two permits; B needs one of them, or both with one of another task's.
fn of_different_weights<B: Backend>() {
    let semaphore = Semaphore::<B>::new(2);
    let (hand, stranger) = (Hand::new(), Hand::new());
    let all = semaphore.acquire_many(2).expect("there are two");
    let mut heavy = Box::pin(semaphore.acquire_many_async(2));
    let mut light = Box::pin(semaphore.acquire_async());
    assert!(hand.poll(&mut heavy).is_pending());
    assert!(hand.poll(&mut light).is_pending());
    drop(all);
    let one = ready(hand.poll(&mut light));
    assert_eq!((semaphore.available_permits(), semaphore.waiting()), (1, 1));
    drop(one);
    let all = ready(hand.poll(&mut heavy)).expect("there are two");

    let mut light = Box::pin(semaphore.acquire_async());
    let mut other = Box::pin(semaphore.acquire_async());
    let mut heavy = Box::pin(semaphore.acquire_many_async(2));
    assert!(hand.poll(&mut light).is_pending());
    assert!(stranger.poll(&mut other).is_pending());
    assert!(hand.poll(&mut heavy).is_pending());
    drop(all);
    assert_eq!((semaphore.available_permits(), semaphore.waiting()), (0, 1));
    let others = ready(stranger.poll(&mut other));
    // The light one goes out of the way.
    assert!(hand.poll(&mut heavy).is_pending());
    drop(others);
    assert_eq!(ready(hand.poll(&mut heavy)).expect("there are two").count(), 2);
    drop(ready(hand.poll(&mut light)));
    assert_eq!((semaphore.available_permits(), semaphore.waiting()), (2, 0));
    assert_eq!((hand.kept(), stranger.kept()), (0, 0));
}

on_backends!(
    the_one_that_is_polled_enters,
    the_one_that_comes_later_enters,
    another_task_in_between_keeps_its_place,
    three_of_one_task,
    of_different_modes,
    a_reader_of_another_task_behind_them_waits,
    of_different_lanes,
    of_different_lanes_beside_another_task,
    a_reader_in_the_way_of_its_sibling_is_evicted,
    several_siblings_are_evicted,
    an_evicted_reader_is_dropped,
    of_locks_with_data,
    of_different_weights,
);
