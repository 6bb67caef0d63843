//! Counts that are full, requests of several units, and locks that admit
//! nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use portunus::{Backend, FifoLock, Rules, Semaphore, TooMany};

use crate::rules::Side::{Left, Right};
use crate::rules::Slot::Taken;
use crate::rules::{Side, Slots, ThreeOfEach, ThreeSingles};
use crate::support::{Hand, panic_of, ready, until};

/// Three fit into the word's field, which the fourth would overflow; the
/// other mode's field beside it stays as it is. The rule admits everybody.
fn a_full_count_waits<B: Backend>() {
    full_count_waits::<_, B>(ThreeOfEach);
    full_count_waits::<_, B>(ThreeSingles);
}

fn full_count_waits<R: Rules<Mode = Side> + Copy, B: Backend>(rules: R) {
    for (full, other) in [(Left, Right), (Right, Left)] {
        let lock = FifoLock::<_, B>::new(rules);
        let hand = Hand::new();
        let beside = lock.acquire(other);
        let mut holds: Vec<_> = (0..3).map(|_| lock.acquire(full)).collect();
        assert!(lock.try_acquire(full).is_none());
        assert!(lock.acquire_for(full, Duration::ZERO).is_none());
        let mut fourth = Box::pin(lock.acquire_async(full));
        assert!(hand.poll(&mut fourth).is_pending());
        assert_eq!((lock.holders(full), lock.holders(other), lock.waiting()), (3, 1, 1));
        holds.pop();
        assert_eq!((lock.holders(full), lock.holders(other), lock.waiting()), (3, 1, 0));
        holds.push(ready(hand.poll(&mut fourth)));
        drop(holds);
        assert_eq!((lock.holders(full), lock.holders(other)), (0, 1));
        drop(beside);
        assert!(!lock.is_locked());
    }
}

/// The same with requests of several units.
fn a_full_count_waits_for_several<B: Backend>() {
    let lock = FifoLock::<_, B>::new(ThreeOfEach);
    let hand = Hand::new();
    let two = lock.acquire_many(Left, 2).expect("three fit");
    assert!(lock.try_acquire_many(Left, 2).expect("three fit").is_none());
    let mut others = Box::pin(lock.acquire_many_async(Left, 2));
    assert!(hand.poll(&mut others).is_pending());
    assert_eq!(lock.holders(Left), 2);
    drop(two);
    let others = ready(hand.poll(&mut others)).expect("three fit");
    assert_eq!(lock.holders(Left), 2);
    drop(others);
    // More than the field has room for is refused, not cut off.
    for weight in [4, 5, 8, u32::MAX] {
        let error = lock.acquire_many(Left, weight).expect_err("three fit");
        assert_eq!((error.requested(), error.limit()), (weight, 3));
    }
    assert!(!lock.is_locked());
}

/// Many at once, and never more than three.
fn never_more_than_the_limit<B: Backend>() {
    const WORKERS: usize = 6;
    const ROUNDS: usize = 200;
    let lock = FifoLock::<_, B>::new(ThreeOfEach);
    let inside = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let work = |side: Side| {
        for _ in 0..ROUNDS {
            let hold = lock.acquire(side);
            let count = &inside[side.index()];
            assert!(count.fetch_add(1, Ordering::SeqCst) < 3);
            thread::yield_now();
            count.fetch_sub(1, Ordering::SeqCst);
            drop(hold);
        }
    };
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            scope.spawn(move || work(if worker < 4 { Left } else { Right }));
        }
    });
    assert!(!lock.is_locked());
    assert_eq!(lock.waiting(), 0);
}

fn a_heavy_request_does_not_starve<B: Backend>() {
    let lock = FifoLock::<_, B>::new(Slots(3));
    let (one, other) = (Hand::new(), Hand::new());
    let (first, second) = (lock.acquire(Taken), lock.acquire(Taken));
    let mut heavy = Box::pin(lock.acquire_many_async(Taken, 3));
    let mut light = Box::pin(lock.acquire_async(Taken));
    assert!(one.poll(&mut heavy).is_pending());
    assert!(other.poll(&mut light).is_pending());
    drop(first);
    // Two are free; nobody takes them before the heavy one.
    assert_eq!((lock.holders(Taken), lock.waiting()), (1, 2));
    assert!(lock.try_acquire(Taken).is_none());
    drop(second);
    assert_eq!((one.wakes(), other.wakes()), (1, 0));
    let heavy = ready(one.poll(&mut heavy)).expect("there are three");
    assert_eq!(heavy.weight(), 3);
    drop(heavy);
    drop(ready(other.poll(&mut light)));
    assert!(!lock.is_locked());
}

fn too_many<B: Backend>() {
    #[track_caller]
    fn check<T>(result: Result<T, TooMany>, requested: u32) {
        let error = result.err().expect("it could never be served");
        assert_eq!((error.requested(), error.limit()), (requested, 3));
        let text = error.to_string();
        assert!(text.contains(&requested.to_string()) && text.contains('3'), "{text}");
    }
    let hand = Hand::new();

    let lock = FifoLock::<_, B>::new(Slots(3));
    check(lock.acquire_many(Taken, 4), 4);
    check(lock.try_acquire_many(Taken, 5), 5);
    check(ready(hand.poll(&mut Box::pin(lock.acquire_many_async(Taken, u32::MAX)))), u32::MAX);
    // That the lock is taken makes no difference.
    let hold = lock.acquire_many(Taken, 3).expect("there are three");
    check(lock.acquire_many(Taken, 4), 4);
    drop(hold);
    assert_eq!((lock.holders(Taken), lock.waiting()), (0, 0));

    let semaphore = Arc::new(Semaphore::<B>::new(3));
    check(semaphore.acquire_many(4), 4);
    check(semaphore.try_acquire_many(5), 5);
    check(semaphore.acquire_many_for(6, Duration::ZERO), 6);
    check(semaphore.acquire_many_owned(7), 7);
    check(ready(hand.poll(&mut Box::pin(semaphore.acquire_many_async(8)))), 8);
    check(ready(hand.poll(&mut Box::pin(semaphore.acquire_many_owned_async(9)))), 9);
    assert_eq!((semaphore.available_permits(), semaphore.waiting()), (3, 0));
}

/// Nothing is asked for, so nothing keeps it waiting: neither a holder nor the
/// line.
fn nothing_never_waits<B: Backend>() {
    let (hand, nobody) = (Hand::new(), Hand::new());

    let lock = FifoLock::<_, B>::new(Slots(1));
    let hold = lock.acquire(Taken);
    let mut queued = Box::pin(lock.acquire_async(Taken));
    assert!(hand.poll(&mut queued).is_pending());
    let blocking = lock.acquire_many(Taken, 0).expect("nothing is not too many");
    let tried = lock.try_acquire_many(Taken, 0).expect("nothing is not too many");
    let mut future = Box::pin(lock.acquire_many_async(Taken, 0));
    let awaited = ready(nobody.poll(&mut future)).expect("nothing is not too many");
    assert_eq!((blocking.weight(), awaited.weight()), (0, 0));
    assert_eq!(lock.holders(Taken), 1);
    drop((blocking, tried.expect("nothing never waits"), awaited));
    assert_eq!((lock.holders(Taken), lock.waiting()), (1, 1));
    drop((queued, hold));
    assert!(!lock.is_locked());

    let semaphore = Arc::new(Semaphore::<B>::new(0));
    let mut queued = Box::pin(semaphore.acquire_async());
    assert!(hand.poll(&mut queued).is_pending());
    let blocking = semaphore.acquire_many(0).expect("nothing is not too many");
    let tried = semaphore.try_acquire_many(0).expect("nothing is not too many");
    let timed = semaphore.acquire_many_for(0, Duration::ZERO).expect("nothing is not too many");
    let mut future = Box::pin(semaphore.acquire_many_async(0));
    let awaited = ready(nobody.poll(&mut future)).expect("nothing is not too many");
    let mut future = Box::pin(semaphore.acquire_many_owned_async(0));
    let owned = ready(nobody.poll(&mut future)).expect("nothing is not too many");
    assert_eq!((blocking.count(), awaited.count(), owned.count()), (0, 0, 0));
    assert!(tried.is_some() && timed.is_some());
    drop((blocking, tried, timed, awaited, owned));
    assert_eq!((semaphore.available_permits(), semaphore.waiting()), (0, 1));
}

/// With no permits at all, who asks waits, and can give up.
fn a_semaphore_of_nothing_is_a_gate<B: Backend>() {
    let gate = Arc::new(Semaphore::<B>::new(0));
    assert!(gate.try_acquire().is_none());
    assert!(gate.acquire_for(Duration::from_millis(5)).is_none());
    let error = gate.acquire_many(1).expect_err("there is none");
    assert_eq!((error.requested(), error.limit()), (1, 0));
    let hand = Hand::new();
    let mut future = Box::pin(gate.acquire_async());
    assert!(hand.poll(&mut future).is_pending());
    assert_eq!(gate.waiting(), 1);
    drop(future);
    assert_eq!((gate.waiting(), gate.available_permits(), gate.permits()), (0, 0, 0));

    // A blocked one stays blocked: its time has to end the wait.
    let entered = Arc::new(AtomicBool::new(false));
    let thread = {
        let (gate, entered) = (Arc::clone(&gate), Arc::clone(&entered));
        thread::spawn(move || {
            let permit = gate.acquire_for(Duration::from_millis(50));
            entered.store(permit.is_some(), Ordering::SeqCst);
        })
    };
    until("the thread gives up", || thread.is_finished());
    assert!(!entered.load(Ordering::SeqCst));
    assert_eq!(gate.waiting(), 0);
}

/// As many as there can be, and no more.
fn the_most_permits<B: Backend>() {
    let semaphore = Semaphore::<B>::new(Semaphore::<B>::MAX_PERMITS);
    let some = semaphore.acquire_many(u32::MAX).expect("there are more");
    let one = semaphore.acquire();
    let taken = u32::MAX as usize + 1;
    assert_eq!(semaphore.available_permits(), Semaphore::<B>::MAX_PERMITS - taken);
    drop((some, one));
    assert_eq!(semaphore.available_permits(), Semaphore::<B>::MAX_PERMITS);
    let text = panic_of(|| Semaphore::<B>::new(Semaphore::<B>::MAX_PERMITS + 1));
    assert!(text.contains("MAX_PERMITS"), "{text}");
}

on_backends!(
    a_full_count_waits,
    a_full_count_waits_for_several,
    never_more_than_the_limit,
    a_heavy_request_does_not_starve,
    too_many,
    nothing_never_waits,
    a_semaphore_of_nothing_is_a_gate,
    the_most_permits,
);
