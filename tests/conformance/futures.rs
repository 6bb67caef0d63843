//! What every future promises: it is fused, refuses to be polled after its
//! end, and may be polled with another waker each time.

use std::future::Future;
use std::sync::Arc;

use futures_core::FusedFuture;
use portunus::prelude::*;
use portunus::{Backend, Fair, FifoLock, Semaphore};

use crate::rules::Access::{Read, Write};
use crate::rules::Slot::Taken;
use crate::rules::{ReadWrite, Slots};
use crate::subject::{Mutex, RwLock, lined_up};
use crate::support::{Hand, panic_of, ready};

const FINISHED: &str = "an acquisition was polled after it had handed out its guard";

/// Of a future whose lock is free.
fn check_fused<F: Future + FusedFuture>(future: F) {
    let hand = Hand::new();
    let mut future = Box::pin(future);
    assert!(!future.is_terminated());
    let guard = ready(hand.poll(&mut future));
    assert!(future.is_terminated());
    for _ in 0..2 {
        assert_eq!(panic_of(|| hand.poll(&mut future).is_ready()), FINISHED);
        assert!(future.is_terminated());
    }
    // It is the guard that holds.
    drop(future);
    drop(guard);
    assert_eq!(hand.kept(), 0);
}

fn all_are_fused<B: Backend>() {
    let lock = Arc::new(FifoLock::<_, B>::new(ReadWrite));
    check_fused(lock.acquire_async(Read));
    check_fused(lock.acquire_owned_async(Write));
    check_fused(lock.acquire(Read).convert_async(Write));
    assert!(!lock.is_locked());

    let mutex = Arc::new(Mutex::<B>::new(0));
    check_fused(mutex.lock_async());
    check_fused(mutex.lock_arc_async());
    assert!(!mutex.is_locked());

    let rwlock = Arc::new(RwLock::<Fair, B>::new(0));
    check_fused(rwlock.read_async());
    check_fused(rwlock.read_arc_async());
    check_fused(rwlock.upgradable_read_async());
    check_fused(rwlock.write_async());
    check_fused(rwlock.write_arc_async());
    assert!(!rwlock.is_locked());

    let semaphore = Arc::new(Semaphore::<B>::new(3));
    check_fused(semaphore.acquire_async());
    check_fused(semaphore.acquire_many_async(2));
    check_fused(semaphore.acquire_owned_async());
    check_fused(semaphore.acquire_many_owned_async(2));
    assert_eq!(semaphore.available_permits(), 3);

    let slots = Arc::new(FifoLock::<_, B>::new(Slots(3)));
    check_fused(slots.acquire_async(Taken));
    check_fused(slots.acquire_many_async(Taken, 2));
    check_fused(slots.acquire_many_owned_async(Taken, 2));
    assert!(!slots.is_locked());
}

/// A request that is refused has ended as well.
fn the_refused_are_fused<B: Backend>() {
    let semaphore = Arc::new(Semaphore::<B>::new(3));
    check_fused(semaphore.acquire_many_async(4));
    check_fused(semaphore.acquire_many_owned_async(4));
    let slots = Arc::new(FifoLock::<_, B>::new(Slots(3)));
    check_fused(slots.acquire_many_async(Taken, 4));
    check_fused(slots.acquire_many_owned_async(Taken, 4));
    assert_eq!(semaphore.available_permits(), 3);
}

/// So has one that asks for nothing.
fn those_that_ask_for_nothing_are_fused<B: Backend>() {
    let semaphore = Arc::new(Semaphore::<B>::new(0));
    check_fused(semaphore.acquire_many_async(0));
    check_fused(semaphore.acquire_many_owned_async(0));
    let slots = Arc::new(FifoLock::<_, B>::new(Slots(0)));
    check_fused(slots.acquire_many_async(Taken, 0));
    check_fused(slots.acquire_many_owned_async(Taken, 0));
}

/// Not terminated while it waits, nor when it was granted, nor evicted.
fn it_ends_with_the_guard<B: Backend>() {
    let lock = FifoLock::<_, B>::new(ReadWrite);
    let (hand, stranger) = (Hand::new(), Hand::new());
    let hold = lock.acquire(Write);
    let [mut reader, mut other] = lined_up(&lock, [(&hand, Read), (&stranger, Read)]);
    assert!(!reader.is_terminated());
    drop(hold);
    assert!(!reader.is_terminated());
    let mut writer = Box::pin(lock.acquire_async(Write));
    assert!(hand.poll(&mut writer).is_pending());
    assert_eq!(lock.holders(Read), 1);
    assert!(!reader.is_terminated());
    drop(ready(stranger.poll(&mut other)));
    drop(ready(hand.poll(&mut writer)));
    assert!(writer.is_terminated());
    drop(ready(hand.poll(&mut reader)));
    assert!(reader.is_terminated());
}

/// Polled with one waker after the other, it calls the last one only, and
/// keeps no other. Its place in line stays.
fn the_last_waker_is_called<B: Backend>() {
    let mutex = Mutex::<B>::new(0);
    let hands = [Hand::new(), Hand::new(), Hand::new()];
    let behind = Hand::new();
    let guard = mutex.lock();
    let mut future = Box::pin(mutex.lock_async());
    let mut follower = Box::pin(mutex.lock_async());
    assert!(hands[0].poll(&mut future).is_pending());
    assert!(behind.poll(&mut follower).is_pending());
    for hand in &hands {
        assert!(hand.poll(&mut future).is_pending());
        assert!(hand.poll(&mut future).is_pending());
        assert_eq!(hand.kept(), 1);
    }
    assert_eq!((hands[0].kept(), hands[1].kept()), (0, 0));
    drop(guard);
    let wakes: Vec<_> = hands.iter().map(Hand::wakes).collect();
    assert_eq!((wakes.as_slice(), behind.wakes()), ([0, 0, 1].as_slice(), 0));
    // Granted, whoever polls it gets the guard.
    let guard = ready(hands[0].poll(&mut future));
    drop(guard);
    assert_eq!(behind.wakes(), 1);
    drop(ready(behind.poll(&mut follower)));
    assert!(hands.iter().all(|hand| hand.kept() == 0));
}

/// The same of a reader of the readers-writer lock, of an owned permit, and of
/// a conversion.
fn the_last_waker_of_others_is_called<B: Backend>() {
    fn check<F: Future>(block: impl Sized, future: F) {
        let (first, last) = (Hand::new(), Hand::new());
        let mut future = Box::pin(future);
        assert!(first.poll(&mut future).is_pending());
        assert!(last.poll(&mut future).is_pending());
        assert_eq!((first.kept(), last.kept()), (0, 1));
        drop(block);
        assert_eq!((first.wakes(), last.wakes()), (0, 1));
        drop(ready(first.poll(&mut future)));
        assert_eq!((first.kept(), last.kept()), (0, 0));
    }
    let rwlock = Arc::new(RwLock::<Fair, B>::new(0));
    check(rwlock.write(), rwlock.read_async());
    check(rwlock.read(), rwlock.write_arc_async());
    let semaphore = Arc::new(Semaphore::<B>::new(1));
    check(semaphore.acquire(), semaphore.acquire_owned_async());
    let slots = Arc::new(FifoLock::<_, B>::new(Slots(3)));
    check(slots.acquire(Taken), slots.acquire_many_owned_async(Taken, 3));
    let lock = FifoLock::<_, B>::new(ReadWrite);
    check(lock.acquire(Read), lock.acquire(Read).convert_async(Write));
    assert!(!lock.is_locked());
}

/// Polled for no reason, a future in line neither loses its place nor asks
/// twice.
fn idle_polls_change_nothing<B: Backend>() {
    let semaphore = Semaphore::<B>::new(1);
    let (one, other) = (Hand::new(), Hand::new());
    let permit = semaphore.acquire();
    let mut first = Box::pin(semaphore.acquire_async());
    let mut second = Box::pin(semaphore.acquire_async());
    for _ in 0..3 {
        assert!(one.poll(&mut first).is_pending());
        assert!(other.poll(&mut second).is_pending());
    }
    assert_eq!((semaphore.waiting(), one.kept(), other.kept()), (2, 1, 1));
    drop(permit);
    assert_eq!((one.wakes(), other.wakes()), (1, 0));
    assert!(other.poll(&mut second).is_pending());
    drop(ready(one.poll(&mut first)));
    drop(ready(other.poll(&mut second)));
    assert_eq!((semaphore.available_permits(), semaphore.waiting()), (1, 0));
}

on_backends!(
    all_are_fused,
    the_refused_are_fused,
    those_that_ask_for_nothing_are_fused,
    it_ends_with_the_guard,
    the_last_waker_is_called,
    the_last_waker_of_others_is_called,
    idle_polls_change_nothing,
);
