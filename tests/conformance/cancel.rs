//! Requests that are given up: before the first poll, in line, granted but not
//! polled since, and while holding. Of every kind of future, polled by hand.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Instant;

use portunus::prelude::*;
use portunus::rules::SharedMode;
use portunus::{Backend, Fair, FifoLock, ReadPreferring, Semaphore};

use crate::raw;
use crate::rules::Access::{Read, Write};
use crate::rules::Rank::{Normal, Urgent};
use crate::rules::Size::{Big, Small};
use crate::rules::{Ranked, ReadWrite, Sizes};
use crate::subject::{Mutex, RwLock, lined_up};
use crate::support::{Hand, ready, until};
use crate::watch::patience;

/// Some guard, which lets go when it is dropped.
trait Guard {}

impl<T> Guard for T {}

type Entered<'a> = Box<dyn Guard + 'a>;

/// Some future that brings a guard.
type Asked<'a> = Pin<Box<dyn Future<Output = Entered<'a>> + 'a>>;

/// Forgets the type of a future, and of its guard. What is dropped before the
/// first poll, is the future itself.
fn erase<'a, F: Future + 'a>(future: F) -> Asked<'a>
where
    F::Output: 'a,
{
    Box::pin(async move { Box::new(future.await) as Entered<'a> })
}

/// A lock, and one kind of request for it.
trait Case {
    fn new() -> Self;
    /// Asks.
    fn ask(&self) -> Asked<'_>;
    /// Keeps all who ask out.
    fn block(&self) -> Entered<'_>;
    /// How many hold in the mode that is asked for.
    fn holders(&self) -> usize;
    fn waiting(&self) -> usize;
}

macro_rules! cases {
    ($($name:ident: $lock:ty = $new:expr, |$it:ident| {
        ask: $ask:expr, block: $block:expr, holders: $holders:expr, waiting: $waiting:expr $(,)?
    })+) => {
        $(
            struct $name<B: Backend>($lock);

            impl<B: Backend> Case for $name<B> {
                fn new() -> Self {
                    Self($new)
                }

                fn ask(&self) -> Asked<'_> {
                    let $it = &self.0;
                    erase($ask)
                }

                fn block(&self) -> Entered<'_> {
                    let $it = &self.0;
                    Box::new($block)
                }

                fn holders(&self) -> usize {
                    let $it = &self.0;
                    $holders
                }

                fn waiting(&self) -> usize {
                    let $it = &self.0;
                    $waiting
                }
            }
        )+

        /// Runs a test of one case for all of them.
        macro_rules! for_every_case {
            ($test:ident, $backend:ident) => {
                $($test::<$name<$backend>>();)+
            };
        }
    };
}

cases! {
    AwaitHold: FifoLock<ReadWrite, B> = FifoLock::new(ReadWrite), |it| {
        ask: it.acquire_async(Write), block: it.acquire(Write),
        holders: it.holders(Write), waiting: it.waiting(),
    }
    AwaitSharedHold: FifoLock<ReadWrite, B> = FifoLock::new(ReadWrite), |it| {
        ask: it.acquire_async(Read), block: it.acquire(Write),
        holders: it.holders(Read), waiting: it.waiting(),
    }
    AwaitHoldOfAWorseLane: FifoLock<Ranked, B> = FifoLock::new(Ranked), |it| {
        ask: it.acquire_async(Normal), block: it.acquire(Urgent),
        holders: it.holders(Normal), waiting: it.waiting(),
    }
    AwaitOwnedHold: Arc<FifoLock<ReadWrite, B>> = Arc::new(FifoLock::new(ReadWrite)), |it| {
        ask: it.acquire_owned_async(Write), block: it.acquire(Write),
        holders: it.holders(Write), waiting: it.waiting(),
    }
    AwaitLock: Mutex<B> = Mutex::<B>::new(0), |it| {
        ask: it.lock_async(), block: it.lock(),
        holders: usize::from(it.is_locked()), waiting: raw::mutex(it).waiting(),
    }
    AwaitLockArc: Arc<Mutex<B>> = Arc::new(Mutex::<B>::new(0)), |it| {
        ask: it.lock_arc_async(), block: it.lock_arc(),
        holders: usize::from(it.is_locked()), waiting: raw::mutex(&**it).waiting(),
    }
    AwaitRead: RwLock<Fair, B> = RwLock::<Fair, B>::new(0), |it| {
        ask: it.read_async(), block: it.write(),
        holders: raw::rwlock(it).holders(SharedMode::Read), waiting: raw::rwlock(it).waiting(),
    }
    AwaitReadArc: Arc<RwLock<Fair, B>> = Arc::new(RwLock::<Fair, B>::new(0)), |it| {
        ask: it.read_arc_async(), block: it.write_arc(),
        holders: raw::rwlock(&**it).holders(SharedMode::Read),
        waiting: raw::rwlock(&**it).waiting(),
    }
    AwaitUpgradableRead: RwLock<Fair, B> = RwLock::<Fair, B>::new(0), |it| {
        ask: it.upgradable_read_async(), block: it.write(),
        holders: raw::rwlock(it).holders(SharedMode::Upgradable),
        waiting: raw::rwlock(it).waiting(),
    }
    AwaitWrite: RwLock<ReadPreferring, B> = RwLock::<ReadPreferring, B>::new(0), |it| {
        ask: it.write_async(), block: it.read(),
        holders: raw::rwlock(it).holders(SharedMode::Write), waiting: raw::rwlock(it).waiting(),
    }
    AwaitWriteArc: Arc<RwLock<Fair, B>> = Arc::new(RwLock::<Fair, B>::new(0)), |it| {
        ask: it.write_arc_async(), block: it.read_arc(),
        holders: raw::rwlock(&**it).holders(SharedMode::Write),
        waiting: raw::rwlock(&**it).waiting(),
    }
    AwaitPermit: Semaphore<B> = Semaphore::new(1), |it| {
        ask: it.acquire_async(), block: it.acquire(),
        holders: it.permits() - it.available_permits(), waiting: it.waiting(),
    }
    AwaitPermits: Semaphore<B> = Semaphore::new(1), |it| {
        ask: it.acquire_many_async(1), block: it.acquire(),
        holders: it.permits() - it.available_permits(), waiting: it.waiting(),
    }
    AwaitOwnedPermit: Arc<Semaphore<B>> = Arc::new(Semaphore::new(1)), |it| {
        ask: it.acquire_owned_async(), block: it.acquire(),
        holders: it.permits() - it.available_permits(), waiting: it.waiting(),
    }
    AwaitOwnedPermits: Arc<Semaphore<B>> = Arc::new(Semaphore::new(1)), |it| {
        ask: it.acquire_many_owned_async(1), block: it.acquire(),
        holders: it.permits() - it.available_permits(), waiting: it.waiting(),
    }
}

fn unpolled<C: Case>() {
    let case = C::new();
    drop(case.ask());
    assert_eq!((case.holders(), case.waiting()), (0, 0));
    let block = case.block();
    drop(case.ask());
    assert_eq!(case.waiting(), 0);
    drop(block);
    assert_eq!((case.holders(), case.waiting()), (0, 0));
}

fn queued<C: Case>() {
    let case = C::new();
    let hands = [Hand::new(), Hand::new(), Hand::new()];
    let block = case.block();
    let [mut first, mut second, mut third] = [case.ask(), case.ask(), case.ask()];
    assert!(hands[0].poll(&mut first).is_pending());
    assert!(hands[1].poll(&mut second).is_pending());
    assert!(hands[2].poll(&mut third).is_pending());
    assert_eq!(case.waiting(), 3);
    // Out of the middle, then off the front.
    drop(second);
    assert_eq!(case.waiting(), 2);
    drop(first);
    assert_eq!(case.waiting(), 1);
    // The wakers went with them, uncalled.
    assert_eq!((hands[0].kept(), hands[1].kept(), hands[2].kept()), (0, 0, 1));
    assert_eq!((hands[0].wakes(), hands[1].wakes(), hands[2].wakes()), (0, 0, 0));
    drop(block);
    assert_eq!(hands[2].wakes(), 1);
    let guard = ready(hands[2].poll(&mut third));
    assert_eq!((case.holders(), case.waiting()), (1, 0));
    drop(guard);
    assert_eq!(case.holders(), 0);
}

fn granted<C: Case>() {
    let case = C::new();
    let (one, other) = (Hand::new(), Hand::new());
    let block = case.block();
    let [mut first, mut second] = [case.ask(), case.ask()];
    assert!(one.poll(&mut first).is_pending());
    assert!(other.poll(&mut second).is_pending());
    drop(block);
    // Granted: it counts, though it has not been polled.
    assert_eq!(one.wakes(), 1);
    assert!(case.holders() > 0);
    drop(first);
    // It has passed the grant on.
    assert_eq!(other.wakes(), 1);
    assert_eq!((case.holders(), case.waiting()), (1, 0));
    let guard = ready(other.poll(&mut second));
    drop((guard, second));
    assert_eq!((case.holders(), case.waiting()), (0, 0));
    assert_eq!((one.kept(), other.kept()), (0, 0));
    // Nobody stands in the way of the next one.
    drop(case.block());
}

fn holding<C: Case>() {
    let case = C::new();
    let hand = Hand::new();
    let mut future = case.ask();
    let guard = ready(hand.poll(&mut future));
    drop(future);
    assert_eq!(case.holders(), 1);
    drop(guard);
    assert_eq!(case.holders(), 0);
    // The same after it stood in line.
    let block = case.block();
    let mut future = case.ask();
    assert!(hand.poll(&mut future).is_pending());
    drop(block);
    let guard = ready(hand.poll(&mut future));
    drop(future);
    assert_eq!(case.holders(), 1);
    drop(guard);
    assert_eq!((case.holders(), case.waiting()), (0, 0));
    assert_eq!(hand.kept(), 0);
}

fn before_the_first_poll<B: Backend>() {
    for_every_case!(unpolled, B);
}

fn in_line<B: Backend>() {
    for_every_case!(queued, B);
}

fn granted_but_not_polled<B: Backend>() {
    for_every_case!(granted, B);
}

fn while_holding<B: Backend>() {
    for_every_case!(holding, B);
}

/// The first in line gone, those behind it who fit enter at once: no wake-up
/// waits for the next release.
fn a_cancelled_head_wakes_its_followers<B: Backend>() {
    let lock = FifoLock::<_, B>::new(ReadWrite);
    let hands = [Hand::new(), Hand::new(), Hand::new()];
    let reading = lock.acquire(Read);
    let mut writer = Box::pin(lock.acquire_async(Write));
    let mut readers = [Box::pin(lock.acquire_async(Read)), Box::pin(lock.acquire_async(Read))];
    assert!(hands[0].poll(&mut writer).is_pending());
    assert!(hands[1].poll(&mut readers[0]).is_pending());
    assert!(hands[2].poll(&mut readers[1]).is_pending());
    drop(writer);
    assert_eq!((hands[1].wakes(), hands[2].wakes()), (1, 1));
    assert_eq!((lock.holders(Read), lock.waiting()), (3, 0));
    drop(reading);
    assert!(readers.iter_mut().all(|reader| hands[1].poll(reader).is_ready()));
}

/// Over lanes: the head of the better lane gone, the worse lane is served.
fn a_cancelled_head_lets_the_worse_lane_in<B: Backend>() {
    let lock = FifoLock::<_, B>::new(Sizes::<0, 1>);
    let (one, other) = (Hand::new(), Hand::new());
    let hold = lock.acquire(Small);
    let [big, mut small] = lined_up(&lock, [(&one, Big), (&other, Small)]);
    drop(big);
    assert_eq!(other.wakes(), 1);
    assert_eq!((lock.holders(Small), lock.waiting()), (2, 0));
    drop(ready(other.poll(&mut small)));
    drop(hold);
    assert!(!lock.is_locked());
}

/// A grant that is passed on and on reaches the last one.
fn a_grant_outlives_all_who_give_it_up<B: Backend>() {
    let lock = FifoLock::<_, B>::new(ReadWrite);
    let hands: Vec<Hand> = (0..20).map(|_| Hand::new()).collect();
    let hold = lock.acquire(Write);
    let mut futures: Vec<_> = hands
        .iter()
        .map(|hand| {
            let mut future = Box::pin(lock.acquire_async(Write));
            assert!(hand.poll(&mut future).is_pending());
            future
        })
        .collect();
    drop(hold);
    let mut last = futures.pop().expect("there are twenty");
    for (future, hand) in futures.into_iter().zip(&hands) {
        assert_eq!(hand.wakes(), 1);
        drop(future);
    }
    drop(ready(hands[19].poll(&mut last)));
    assert!(!lock.is_locked());
}

/// Requests are given up while others are granted, in several threads; each
/// that stays is served, alone.
fn cancel_against_grant<B: Backend>() {
    const ROUNDS: usize = 500;
    let lock = FifoLock::<_, B>::new(ReadWrite);
    let inside = AtomicUsize::new(0);
    let worker = |seed: usize| {
        for round in 0..ROUNDS {
            let hand = Hand::new();
            let mut future = Box::pin(lock.acquire_async(Write));
            let (mut polls, start) = (0, Instant::now());
            loop {
                assert!(start.elapsed() < patience(), "a request is never served");
                match hand.poll(&mut future) {
                    Poll::Ready(hold) => {
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                        drop(hold);
                        break;
                    }
                    // Given up now and then, after some time in line.
                    Poll::Pending if (round + seed).is_multiple_of(3) && polls > round % 5 => break,
                    Poll::Pending => polls += 1,
                }
                thread::yield_now();
            }
            drop(future);
            // Another thread's grant may be calling its copy right now.
            until("no copy of its waker is kept", || hand.kept() == 0);
        }
    };
    thread::scope(|scope| {
        for seed in 0..3 {
            scope.spawn(move || worker(seed));
        }
    });
    assert!(!lock.is_locked());
    assert_eq!(lock.waiting(), 0);
}

on_backends!(
    before_the_first_poll,
    in_line,
    granted_but_not_polled,
    while_holding,
    a_cancelled_head_wakes_its_followers,
    a_cancelled_head_lets_the_worse_lane_in,
    a_grant_outlives_all_who_give_it_up,
    cancel_against_grant,
);
