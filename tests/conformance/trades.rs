//! What a trade between two requests of one task must not do: lose a wake-up,
//! a waker or a place, or happen between different tasks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Instant;

use portunus::{Backend, FifoLock};

use crate::rules::Access::{Read, Write};
use crate::rules::Sole::Exclusive;
use crate::rules::{Access, OneAtATime, ReadWrite};
use crate::subject::{granted, lined_up};
use crate::support::{Hand, poll_by, ready, until};
use crate::watch::patience;

/// A dropped after the trade leaves the line; who stands behind it is not
/// kept waiting.
fn the_one_in_line_is_dropped<B: Backend>() {
    let lock = FifoLock::<_, B>::new(OneAtATime);
    let (hand, stranger) = (Hand::new(), Hand::new());
    let [a, mut b, mut other] =
        granted(&lock, Exclusive, [(&hand, Exclusive), (&hand, Exclusive), (&stranger, Exclusive)]);
    let hold = ready(hand.poll(&mut b));
    assert_eq!((lock.waiting(), hand.kept()), (2, 1));
    drop(a);
    // Its waker, which was B's, goes with it.
    assert_eq!((lock.waiting(), hand.kept()), (1, 0));
    drop(hold);
    assert_eq!(stranger.wakes(), 1);
    drop(ready(stranger.poll(&mut other)));
    assert!(!lock.is_locked());
}

/// After the trade, A is granted in its turn, and dropped before it is polled.
fn the_one_in_line_is_granted_and_dropped<B: Backend>() {
    let lock = FifoLock::<_, B>::new(OneAtATime);
    let (hand, stranger) = (Hand::new(), Hand::new());
    let [a, mut b, mut other] =
        granted(&lock, Exclusive, [(&hand, Exclusive), (&hand, Exclusive), (&stranger, Exclusive)]);
    drop(ready(hand.poll(&mut b)));
    assert_eq!((hand.wakes(), stranger.wakes(), hand.kept()), (2, 0, 0));
    drop(a);
    assert_eq!(stranger.wakes(), 1);
    drop(ready(stranger.poll(&mut other)));
    assert_eq!((lock.is_locked(), lock.waiting()), (false, 0));
}

/// A writer in line after the trade keeps readers behind it out; dropped, it
/// lets them in beside B.
fn the_one_in_line_is_dropped_before_readers<B: Backend>() {
    let lock = FifoLock::<_, B>::new(ReadWrite);
    let (hand, stranger) = (Hand::new(), Hand::new());
    let [a, mut b, mut other] =
        granted(&lock, Write, [(&hand, Write), (&hand, Read), (&stranger, Read)]);
    let hold = ready(hand.poll(&mut b));
    assert_eq!(stranger.wakes(), 0);
    drop(a);
    assert_eq!((stranger.wakes(), lock.holders(Read)), (1, 2));
    drop((hold, ready(stranger.poll(&mut other))));
    assert_eq!((lock.is_locked(), hand.kept(), stranger.kept()), (false, 0, 0));
}

/// B, dropped in line while A's grant is not picked up, takes nothing along.
fn the_one_that_would_trade_is_dropped<B: Backend>() {
    let lock = FifoLock::<_, B>::new(OneAtATime);
    let hand = Hand::new();
    let [mut a, b] = granted(&lock, Exclusive, [(&hand, Exclusive), (&hand, Exclusive)]);
    drop(b);
    drop(ready(hand.poll(&mut a)));
    assert_eq!((lock.is_locked(), lock.waiting(), hand.kept()), (false, 0, 0));
}

/// Two tasks never trade, however often the second is polled.
fn tasks_keep_their_order<B: Backend>() {
    let lock = FifoLock::<_, B>::new(OneAtATime);
    let (one, other) = (Hand::new(), Hand::new());
    let hold = lock.acquire(Exclusive);
    let [mut a, mut b] = lined_up(&lock, [(&one, Exclusive), (&other, Exclusive)]);
    let mut c = Box::pin(lock.acquire_async(Exclusive));
    drop(hold);
    for _ in 0..3 {
        assert!(other.poll(&mut b).is_pending());
        assert!(other.poll(&mut c).is_pending());
    }
    let hold = ready(one.poll(&mut a));
    assert_eq!(other.wakes(), 0);
    drop(hold);
    // Of the other task, too, the first is granted; but that one may choose.
    assert_eq!(other.wakes(), 1);
    drop(ready(other.poll(&mut c)));
    drop(ready(other.poll(&mut b)));
    assert_eq!((one.kept(), other.kept(), lock.waiting()), (0, 0, 0));
}

/// A combinator that gives each of its futures a waker of its own hides that
/// they are one task's: these are not traded.
fn wrapped_wakers_hide_the_task<B: Backend>() {
    let lock = FifoLock::<_, B>::new(ReadWrite);
    let (wrapped, other) = (Hand::new(), Hand::new());
    let [mut a, mut b] = granted(&lock, Write, [(&wrapped, Read), (&other, Write)]);
    assert!(other.poll(&mut b).is_pending());
    assert_eq!((lock.holders(Read), lock.holders(Write), lock.waiting()), (1, 0, 1));
    // Polled with one waker they are known for what they are.
    let hold = ready(wrapped.poll(&mut b));
    assert_eq!((lock.holders(Read), lock.holders(Write), lock.waiting()), (0, 1, 1));
    drop(hold);
    drop(ready(wrapped.poll(&mut a)));
    assert_eq!((wrapped.kept(), other.kept(), lock.waiting()), (0, 0, 0));
}

/// The waker that does nothing is nobody's: whoever polls by itself has it.
fn the_idle_waker_is_nobodys<B: Backend>() {
    let lock = FifoLock::<_, B>::new(OneAtATime);
    let idle = Waker::noop();
    let hold = lock.acquire(Exclusive);
    let mut a = Box::pin(lock.acquire_async(Exclusive));
    let mut b = Box::pin(lock.acquire_async(Exclusive));
    let mut c = Box::pin(lock.acquire_async(Exclusive));
    assert!(poll_by(idle, &mut a).is_pending());
    assert!(poll_by(idle, &mut b).is_pending());
    drop(hold);
    assert!(poll_by(idle, &mut b).is_pending());
    assert!(poll_by(idle, &mut c).is_pending());
    drop(ready(poll_by(idle, &mut a)));
    assert!(poll_by(idle, &mut c).is_pending());
    drop(ready(poll_by(idle, &mut b)));
    drop(ready(poll_by(idle, &mut c)));
    assert_eq!((lock.is_locked(), lock.waiting()), (false, 0));
}

/// A blocked thread never trades, and is not traded with.
fn threads_keep_their_order<B: Backend>() {
    let lock = FifoLock::<_, B>::new(OneAtATime);
    let hand = Hand::new();
    let order = AtomicUsize::new(0);
    thread::scope(|scope| {
        let hold = lock.acquire(Exclusive);
        let mut a = Box::pin(lock.acquire_async(Exclusive));
        let mut b = Box::pin(lock.acquire_async(Exclusive));
        assert!(hand.poll(&mut a).is_pending());
        let thread = scope.spawn(|| {
            let _hold = lock.acquire(Exclusive);
            order.fetch_add(1, Ordering::SeqCst)
        });
        until("the thread waits", || lock.waiting() == 2);
        assert!(hand.poll(&mut b).is_pending());
        drop(hold);
        let hold = ready(hand.poll(&mut b));
        assert_eq!(order.fetch_add(1, Ordering::SeqCst), 0);
        drop(hold);
        assert_eq!(thread.join().expect("it does not panic"), 1);
        drop(ready(hand.poll(&mut a)));
    });
    assert_eq!((hand.kept(), lock.waiting()), (0, 0));
}

/// Two threads poll with one waker: whatever they trade, each request is
/// served, writers alone, readers beside readers.
fn one_waker_in_two_threads<B: Backend>() {
    const ROUNDS: usize = 1000;
    /// What a writer adds to the count of who is inside.
    const ALONE: usize = 1000;
    let lock = FifoLock::<_, B>::new(ReadWrite);
    let hand = Hand::new();
    let inside = AtomicUsize::new(0);
    let enter = |access: Access| match access {
        Write => {
            assert_eq!(inside.fetch_add(ALONE, Ordering::SeqCst), 0);
            thread::yield_now();
            inside.fetch_sub(ALONE, Ordering::SeqCst);
        }
        Read => {
            assert!(inside.fetch_add(1, Ordering::SeqCst) < ALONE);
            inside.fetch_sub(1, Ordering::SeqCst);
        }
    };
    let worker = |seed: usize| {
        for round in 0..ROUNDS {
            let access = if (round + seed).is_multiple_of(3) { Read } else { Write };
            let mut future = Box::pin(lock.acquire_async(access));
            let (mut polls, start) = (0, Instant::now());
            loop {
                assert!(start.elapsed() < patience(), "a request is never served");
                match hand.poll(&mut future) {
                    Poll::Ready(hold) => {
                        enter(access);
                        drop(hold);
                        break;
                    }
                    // Given up now and then, wherever it is by then.
                    Poll::Pending if round.is_multiple_of(7) && polls == round % 4 => break,
                    Poll::Pending => polls += 1,
                }
                if polls % 2 == seed {
                    thread::yield_now();
                }
            }
        }
    };
    thread::scope(|scope| {
        for seed in 0..2 {
            scope.spawn(move || worker(seed));
        }
    });
    assert_eq!((lock.is_locked(), lock.waiting(), hand.kept()), (false, 0, 0));
}

on_backends!(
    the_one_in_line_is_dropped,
    the_one_in_line_is_granted_and_dropped,
    the_one_in_line_is_dropped_before_readers,
    the_one_that_would_trade_is_dropped,
    tasks_keep_their_order,
    wrapped_wakers_hide_the_task,
    the_idle_waker_is_nobodys,
    threads_keep_their_order,
    one_waker_in_two_threads,
);
