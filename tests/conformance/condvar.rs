//! Condition variables: who is notified, when it runs, and what is left of it
//! when it gives up.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as StdMutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use lock_api::{MutexGuard, RwLockReadGuard, RwLockUpgradableReadGuard, RwLockWriteGuard};
use portunus::prelude::*;
use portunus::rules::Preference;
use portunus::{
    Backend, Condvar, Fair, RawCondvar, RawMutex, RawRwLock, ReadPreferring, SharedCondvar,
    WritePreferring,
};

use crate::executor::Executor;
use crate::raw;
use crate::support::{Hand, forget, handed_over, ready, until, until_idle, watched};

type Mutex<B, T> = lock_api::Mutex<RawMutex<B>, T>;
type RwLock<P, B, T> = lock_api::RwLock<RawRwLock<P, B>, T>;

/// What happened, in order.
#[derive(Clone, Default)]
struct Log(Arc<StdMutex<Vec<&'static str>>>);

impl Log {
    fn note(&self, what: &'static str) {
        self.0.lock().expect("no panic under it").push(what);
    }

    fn all(&self) -> Vec<&'static str> {
        self.0.lock().expect("no panic under it").clone()
    }
}

fn notifications_are_served_in_order<B: Backend>() {
    watched("three threads, notified one by one", || {
        let (mutex, condvar, log) = (Mutex::<B, ()>::new(()), Condvar::<B>::new(), Log::default());
        thread::scope(|scope| {
            for (number, name) in ["first", "second", "third"].into_iter().enumerate() {
                let (mutex, condvar, log) = (&mutex, &condvar, log.clone());
                scope.spawn(move || {
                    condvar.wait(&mut mutex.lock());
                    log.note(name);
                });
                until("it stands in line", || condvar.waiting() == number + 1);
            }
            for left in (0..3).rev() {
                assert!(condvar.notify_one());
                until("one more has run", || log.all().len() == 3 - left);
                assert_eq!(condvar.waiting(), left);
            }
            assert!(!condvar.notify_one(), "nobody waits");
        });
        assert_eq!(log.all(), ["first", "second", "third"]);
    });
}

fn readers_and_writers_stand_in_one_line<B: Backend>() {
    let (lock, condvar) = (RwLock::<Fair, B, u32>::new(0), SharedCondvar::<B>::new());
    let hands = [Hand::new(), Hand::new(), Hand::new()];
    let mut write1 = Box::pin(condvar.wait_async(lock.write()));
    assert!(hands[0].poll(&mut write1).is_pending());
    let mut read2 = Box::pin(condvar.wait_async(lock.read()));
    assert!(hands[1].poll(&mut read2).is_pending());
    let mut write3 = Box::pin(condvar.wait_async(lock.write()));
    assert!(hands[2].poll(&mut write3).is_pending());
    assert_eq!(condvar.waiting(), 3);
    // Without the lock; holding it to read; holding it to write.
    assert!(condvar.notify_one());
    assert_eq!(hands.each_ref().map(Hand::wakes), [1, 0, 0]);
    drop(ready(hands[0].poll(&mut write1)));
    let reader = lock.read();
    assert!(condvar.notify_one());
    assert_eq!(hands.each_ref().map(Hand::wakes), [1, 1, 0], "readers enter together");
    drop(ready(hands[1].poll(&mut read2)));
    drop(reader);
    let writer = lock.write();
    assert!(condvar.notify_one());
    assert!(hands[2].poll(&mut write3).is_pending(), "a writer is inside");
    drop(writer);
    drop(ready(hands[2].poll(&mut write3)));
    assert!(!lock.is_locked());
}

fn notifications_that_nobody_waits_for_are_forgotten<B: Backend>() {
    let (mutex, condvar, hand) = (Mutex::<B, ()>::new(()), Condvar::<B>::new(), Hand::new());
    assert!(!condvar.notify_one());
    assert_eq!(condvar.notify_all(), 0);
    let mut wait = Box::pin(condvar.wait_async(mutex.lock()));
    assert!(hand.poll(&mut wait).is_pending());
    assert!(hand.poll(&mut wait).is_pending());
    assert_eq!(hand.wakes(), 0);
    assert!(condvar.notify_one());
    drop(ready(hand.poll(&mut wait)));
}

fn notify_lets_nothing_go<B: Backend>() {
    watched("two notifications under one hold", || {
        let lock = RwLock::<Fair, B, u32>::new(0);
        let condvar = SharedCondvar::<B>::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut guard = lock.write();
                condvar.wait(&mut guard);
                assert_eq!(*guard, 2, "the notifier was still at it");
            });
            until("it waits", || condvar.waiting() == 1);
            let mut guard = lock.write();
            *guard = 1;
            assert!(condvar.notify_one());
            // The waiter is in the lock's line, and can do nothing there.
            until("it has moved", || raw::rwlock(&lock).waiting() == 1);
            assert!(!condvar.notify_one());
            *guard = 2;
        });
    });
}

fn a_handshake<P: Preference, B: Backend>() {
    watched("a worker and its master", || {
        let lock = RwLock::<P, B, (bool, bool)>::new((false, false));
        let condvar = SharedCondvar::<B>::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut state = lock.write();
                condvar.wait_while(&mut state, |(is_ready, _)| !*is_ready);
                state.1 = true;
                condvar.notify_one();
            });
            let mut state = lock.write();
            state.0 = true;
            condvar.notify_one();
            let mut state = RwLockWriteGuard::downgrade(state);
            // Notified by a writer, though it waits as a reader.
            condvar.wait_while(&mut state, |(_, processed)| !*processed);
            assert_eq!(*state, (true, true));
        });
    });
}

fn handshakes_of_all_preferences<B: Backend>() {
    a_handshake::<Fair, B>();
    a_handshake::<ReadPreferring, B>();
    a_handshake::<WritePreferring, B>();
}

fn count<P: Preference, B: Backend>() {
    const WORKERS: usize = 10;
    const ROUNDS: usize = 1000;
    let lock = RwLock::<P, B, usize>::new(0);
    let condvar = SharedCondvar::<B>::new();
    let progress = AtomicUsize::new(0);
    thread::scope(|scope| {
        let master = scope.spawn(|| {
            let mut sum = lock.read();
            condvar.wait_while(&mut sum, |sum| *sum < WORKERS * ROUNDS);
            assert_eq!(*sum, WORKERS * ROUNDS);
        });
        for _ in 0..WORKERS {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    *lock.write() += 1;
                    assert!(*lock.read() > 0);
                    condvar.notify_one();
                    progress.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let progress = || progress.load(Ordering::Relaxed);
        until_idle("the master sees what ten workers did", progress, || master.is_finished());
    });
}

fn workers_lose_nothing<B: Backend>() {
    count::<Fair, B>();
    count::<ReadPreferring, B>();
    count::<WritePreferring, B>();
}

/// More waiters than one batch has room for.
const MANY: usize = 40;

/// Blocked threads go into the mutex's line, all at once, and each wakes as its
/// owner.
fn notified_threads_move_into_the_locks_line<B: Backend>() {
    watched("threads that are notified at once", || {
        let (mutex, condvar) = (Mutex::<B, usize>::new(0), Condvar::<B>::new());
        thread::scope(|scope| {
            for number in 0..MANY {
                let (mutex, condvar) = (&mutex, &condvar);
                scope.spawn(move || {
                    let mut turns = mutex.lock();
                    condvar.wait(&mut turns);
                    assert_eq!(*turns, number, "not in order");
                    *turns += 1;
                });
                until("it waits", || condvar.waiting() == number + 1);
            }
            let guard = mutex.lock();
            assert_eq!(condvar.notify_all(), MANY);
            assert_eq!(condvar.waiting(), 0);
            assert_eq!(raw::mutex(&mutex).waiting(), MANY, "they are not in the mutex's line");
            drop(guard);
        });
        assert_eq!(*mutex.lock(), MANY);
    });
}

fn notified_tasks_ask_in_order<B: Backend>() {
    let (mutex, condvar) = (Mutex::<B, ()>::new(()), Condvar::<B>::new());
    let mut waits: Vec<_> = (0..MANY)
        .map(|_| {
            let hand = Hand::new();
            let mut wait = Box::pin(condvar.wait_async(mutex.lock()));
            assert!(hand.poll(&mut wait).is_pending());
            (hand, wait)
        })
        .collect();
    let guard = mutex.lock();
    assert_eq!(condvar.notify_all(), MANY);
    assert_eq!(condvar.waiting(), 0);
    for (hand, wait) in &mut waits {
        assert_eq!(hand.wakes(), 1);
        assert!(hand.poll(wait).is_pending(), "the mutex is taken");
    }
    assert_eq!(raw::mutex(&mutex).waiting(), MANY, "they stand in the mutex's line");
    drop(guard);
    for index in 0..MANY {
        let woken: usize = waits.iter().map(|(hand, _)| hand.wakes() - 1).sum();
        assert_eq!(woken, index + 1, "one wake-up for each turn");
        let (hand, wait) = &mut waits[index];
        assert_eq!(hand.wakes(), 2, "in order");
        drop(ready(hand.poll(wait)));
        assert_eq!(hand.kept(), 0, "its waker is kept");
    }
    assert!(!mutex.is_locked());
}

/// Tasks whose guard keeps the lock alive go into its line, and so do those
/// whose lock is at hand where they are notified.
fn notified_tasks_move_into_the_locks_line<B: Backend>() {
    let mutex = Arc::new(Mutex::<B, ()>::new(()));
    let condvar = Condvar::<B>::new();
    let (hold, line) = (|| mutex.lock(), || raw::mutex(&mutex).waiting());
    let owned = || condvar.wait_async(::smol::block_on(mutex.lock_arc_async()));
    handed_over(MANY, owned, hold, |_| condvar.notify_all(), line);
    let each = |_: &_| (0..MANY).filter(|_| condvar.notify_one()).count();
    handed_over(MANY, owned, hold, each, line);
    let borrowed = || condvar.wait_async(mutex.lock());
    handed_over(MANY, borrowed, hold, |held| condvar.notify_all_inside(held), line);
    let each = |held: &_| (0..MANY).filter(|_| condvar.notify_one_inside(held)).count();
    handed_over(MANY, borrowed, hold, each, line);
    assert!(!mutex.is_locked() && !condvar.notify_one());

    let lock = Arc::new(RwLock::<Fair, B, ()>::new(()));
    let condvar = SharedCondvar::<B>::new();
    let line = || raw::rwlock(&lock).waiting();
    let (read, write) = (|| lock.read(), || lock.write());
    let owned = || condvar.wait_async(lock.write_arc());
    handed_over(MANY, owned, read, |_| condvar.notify_all(), line);
    let owned = || condvar.wait_async(lock.upgradable_read_arc());
    handed_over(MANY, owned, write, |_| condvar.notify_all(), line);
    let borrowed = || condvar.wait_async(lock.write());
    handed_over(MANY, borrowed, read, |held| condvar.notify_all_inside(held), line);
    let borrowed = || condvar.wait_async(lock.upgradable_read());
    handed_over(MANY, borrowed, write, |held| condvar.notify_all_inside(held), line);
    assert!(!lock.is_locked() && !condvar.notify_one());

    // Readers hold together: each wakes once all the same.
    let wait = || condvar.wait_async(lock.read_arc());
    let hand = Hand::new();
    let (mut one, mut two) = (Box::pin(wait()), Box::pin(wait()));
    assert!(hand.poll(&mut one).is_pending() && hand.poll(&mut two).is_pending());
    let held = lock.write();
    assert_eq!((condvar.notify_all(), hand.wakes()), (2, 0));
    drop(held);
    assert_eq!(hand.wakes(), 2);
    let guards = (ready(hand.poll(&mut one)), ready(hand.poll(&mut two)));
    assert!(lock.try_write().is_none());
    drop(guards);
    // Nobody holds: it is the holder when it is notified.
    let mut alone = Box::pin(condvar.wait_async(lock.write_arc()));
    assert!(hand.poll(&mut alone).is_pending());
    assert!(condvar.notify_one() && lock.is_locked());
    drop(ready(hand.poll(&mut alone)));
    assert!(!lock.is_locked());
}

/// Guards of every kind that keep their lock alive wait as others do.
fn guards_that_keep_their_lock_wait<B: Backend>() {
    watched("owned guards", || {
        let (mutex, condvar) = (Arc::new(Mutex::<B, u32>::new(0)), Condvar::<B>::new());
        let lock = Arc::new(RwLock::<Fair, B, u32>::new(0));
        let shared = SharedCondvar::<B>::new();
        thread::scope(|scope| {
            scope.spawn(|| condvar.wait_while(&mut mutex.lock_arc(), |value| *value == 0));
            scope.spawn(|| shared.wait_while(&mut lock.read_arc(), |value| *value == 0));
            scope.spawn(|| shared.wait_while(&mut lock.write_arc(), |value| *value == 0));
            scope.spawn(|| shared.wait_while(&mut lock.upgradable_read_arc(), |value| *value == 0));
            until("all wait", || condvar.waiting() == 1 && shared.waiting() == 3);
            (*mutex.lock(), *lock.write()) = (1, 1);
            assert_eq!((condvar.notify_all(), shared.notify_all()), (1, 3));
        });
        assert!(!mutex.is_locked() && !lock.is_locked());
        assert_eq!((Arc::strong_count(&mutex), Arc::strong_count(&lock)), (1, 1));
    });
}

/// What a future that was forgotten owned is there for ever; what it borrowed
/// may have become another lock.
fn a_forgotten_future_is_followed_where_it_is_safe<B: Backend>() {
    let (condvar, hand) = (Condvar::<B>::new(), Hand::new());
    let mutex = Arc::new(Mutex::<B, ()>::new(()));
    let left = Arc::downgrade(&mutex);
    let mut wait = Box::pin(condvar.wait_async(::smol::block_on(mutex.lock_arc_async())));
    assert!(hand.poll(&mut wait).is_pending());
    drop(mutex);
    forget(wait);
    assert!(condvar.notify_one());
    let mutex = left.upgrade().expect("the forgotten future keeps it");
    assert!(mutex.is_locked() && hand.wakes() == 1, "its turn, which it never takes");

    // Another lock, elsewhere: it is woken, and that is all.
    let mutex = Mutex::<B, ()>::new(());
    let gone = Box::new(Mutex::<B, ()>::new(()));
    let mut wait = Box::pin(condvar.wait_async(gone.lock()));
    assert!(hand.poll(&mut wait).is_pending());
    forget(wait);
    drop(gone);
    assert!(condvar.notify_one_inside(&mutex.lock()));
    assert!(hand.wakes() == 2 && !mutex.is_locked());

    // Another lock in the same place: it asks that one.
    let mut place = Mutex::<B, ()>::new(());
    let mut wait = Box::pin(condvar.wait_async(place.lock()));
    assert!(hand.poll(&mut wait).is_pending());
    forget(wait);
    place = Mutex::new(());
    let guard = place.lock();
    assert!(condvar.notify_one_inside(&guard));
    assert_eq!(raw::mutex(&place).waiting(), 1);
    drop(guard);
    assert!(place.is_locked());

    // The same with a lock of another preference.
    let condvar = SharedCondvar::<B>::new();
    let lock = RwLock::<Fair, B, ()>::new(());
    let mut wait = Box::pin(condvar.wait_async(lock.upgradable_read()));
    assert!(hand.poll(&mut wait).is_pending());
    forget(wait);
    drop(lock);
    let lock = RwLock::<ReadPreferring, B, ()>::new(());
    assert_eq!(condvar.notify_all_inside(&lock.read()), 1);
}

/// A task that keeps its lock alive has a grant of it by another future: it is
/// woken, and takes that grant over.
fn one_who_would_be_handed_over_trades_with_its_sibling<B: Backend>() {
    let mutex = Arc::new(Mutex::<B, ()>::new(()));
    let (condvar, hand) = (Condvar::<B>::new(), Hand::new());
    let guard = ::smol::block_on(mutex.lock_arc_async());
    let mut sibling = Box::pin(mutex.lock_arc_async());
    assert!(hand.poll(&mut sibling).is_pending());
    let mut wait = Box::pin(condvar.wait_async(guard));
    assert!(hand.poll(&mut wait).is_pending());
    assert_eq!(hand.wakes(), 1, "the sibling has the mutex");
    assert!(condvar.notify_one());
    assert_eq!(hand.wakes(), 2, "it polls this one only");
    let guard = ready(hand.poll(&mut wait));
    assert!(hand.poll(&mut sibling).is_pending());
    drop(guard);
    drop(ready(hand.poll(&mut sibling)));
    assert!(!mutex.is_locked());
}

/// A future that holds since it was notified, and is not polled, gives way to
/// its task's next one, as one that was granted in line does.
fn what_a_notification_granted_is_traded<B: Backend>() {
    let mutex = Arc::new(Mutex::<B, ()>::new(()));
    let (condvar, hand) = (Condvar::<B>::new(), Hand::new());
    let mut wait = Box::pin(condvar.wait_async(::smol::block_on(mutex.lock_arc_async())));
    assert!(hand.poll(&mut wait).is_pending());
    assert!(condvar.notify_one() && mutex.is_locked());
    let mut next = Box::pin(mutex.lock_async());
    let guard = ready(hand.poll(&mut next));
    assert!(hand.poll(&mut wait).is_pending());
    drop(guard);
    drop(ready(hand.poll(&mut wait)));
    assert!(!mutex.is_locked());
}

/// What a future borrowed may be gone when it was forgotten.
fn a_forgotten_future_leaves_nothing_that_is_followed<B: Backend>() {
    let condvar = Condvar::<B>::new();
    let hand = Hand::new();
    {
        let mutex = Box::new(Mutex::<B, Vec<u8>>::new(vec![1; 100]));
        let mut wait = Box::pin(condvar.wait_async(mutex.lock()));
        assert!(hand.poll(&mut wait).is_pending());
        forget(wait);
    }
    assert_eq!(condvar.waiting(), 1);
    assert!(condvar.notify_one());
    assert_eq!(hand.wakes(), 1);
    assert_eq!(condvar.notify_all(), 0);
}

fn readers_come_back_together<B: Backend>() {
    let (lock, condvar) = (RwLock::<Fair, B, ()>::new(()), SharedCondvar::<B>::new());
    let mut waits: Vec<_> = (0..MANY)
        .map(|_| {
            let hand = Hand::new();
            let mut wait = Box::pin(condvar.wait_async(lock.read()));
            assert!(hand.poll(&mut wait).is_pending());
            (hand, wait)
        })
        .collect();
    let guard = lock.write();
    assert_eq!(condvar.notify_all(), MANY);
    drop(guard);
    let guards: Vec<_> = waits.iter_mut().map(|(hand, wait)| ready(hand.poll(wait))).collect();
    assert_eq!(guards.len(), MANY);
    assert!(lock.try_write().is_none());
    drop(guards);
    assert!(lock.try_write().is_some());
}

fn each_comes_back_in_its_own_mode<B: Backend>() {
    let (lock, condvar) = (RwLock::<Fair, B, u32>::new(0), SharedCondvar::<B>::new());
    let (hand1, hand2) = (Hand::new(), Hand::new());
    let mut read = Box::pin(condvar.wait_async(lock.read()));
    assert!(hand1.poll(&mut read).is_pending());
    let mut upgradable = Box::pin(condvar.wait_async(lock.upgradable_read()));
    assert!(hand2.poll(&mut upgradable).is_pending());
    assert_eq!(condvar.notify_all(), 2);
    let read: RwLockReadGuard<'_, _, _> = ready(hand1.poll(&mut read));
    let upgradable: RwLockUpgradableReadGuard<'_, _, _> = ready(hand2.poll(&mut upgradable));
    assert!(lock.try_read().is_some(), "both only read");
    assert!(lock.try_upgradable_read().is_none(), "one is the upgradable reader");
    drop(read);
    *RwLockUpgradableReadGuard::upgrade(upgradable) = 1;
    assert_eq!(*lock.read(), 1);
}

fn preference<P: Preference, B: Backend>(first: &str) {
    let (lock, condvar) = (RwLock::<P, B, ()>::new(()), SharedCondvar::<B>::new());
    let (reader, writer) = (Hand::new(), Hand::new());
    // In line for a notification, the one who is to come second stands first.
    let mut read = Box::pin(condvar.wait_async(lock.read()));
    let mut write = if first == "writer" {
        assert!(reader.poll(&mut read).is_pending());
        let mut write = Box::pin(condvar.wait_async(lock.write()));
        assert!(writer.poll(&mut write).is_pending());
        write
    } else {
        drop(read);
        let mut write = Box::pin(condvar.wait_async(lock.write()));
        assert!(writer.poll(&mut write).is_pending());
        read = Box::pin(condvar.wait_async(lock.read()));
        assert!(reader.poll(&mut read).is_pending());
        write
    };
    let guard = lock.write();
    assert_eq!(condvar.notify_all(), 2);
    // In the order in which they came; the lanes decide all the same.
    assert!(reader.poll(&mut read).is_pending());
    assert!(writer.poll(&mut write).is_pending());
    drop(guard);
    if first == "writer" {
        assert_eq!((reader.wakes(), writer.wakes()), (1, 2));
        drop(ready(writer.poll(&mut write)));
        drop(ready(reader.poll(&mut read)));
    } else {
        assert_eq!((reader.wakes(), writer.wakes()), (2, 1));
        drop(ready(reader.poll(&mut read)));
        drop(ready(writer.poll(&mut write)));
    }
}

fn woken_waiters_follow_the_lanes<B: Backend>() {
    preference::<ReadPreferring, B>("reader");
    preference::<WritePreferring, B>("writer");
}

fn dropped_before_the_first_poll_it_releases<B: Backend>() {
    let (mutex, condvar) = (Mutex::<B, ()>::new(()), Condvar::<B>::new());
    let wait = condvar.wait_async(mutex.lock());
    assert!(mutex.is_locked());
    drop(wait);
    assert!(!mutex.is_locked());
    assert!(!condvar.notify_one());
}

fn dropped_while_waiting_it_leaves<B: Backend>() {
    let (mutex, condvar) = (Mutex::<B, ()>::new(()), Condvar::<B>::new());
    let hands = [Hand::new(), Hand::new(), Hand::new()];
    for leaver in 0..3 {
        let mut waits: Vec<_> = hands
            .iter()
            .map(|hand| {
                let mut wait = Box::pin(condvar.wait_async(mutex.lock()));
                assert!(hand.poll(&mut wait).is_pending());
                Some(wait)
            })
            .collect();
        waits[leaver] = None;
        assert_eq!(hands[leaver].kept(), 0);
        assert_eq!(condvar.waiting(), 2);
        for index in (0..3).filter(|index| *index != leaver) {
            assert!(condvar.notify_one());
            let wait = waits[index].as_mut().expect("it did not leave");
            drop(ready(hands[index].poll(wait)));
        }
        assert!(!condvar.notify_one());
        assert!(!mutex.is_locked());
    }
}

/// Two wait, the first is notified and gives up; returns whether the second
/// got the notification.
fn given_up<B: Backend>(all: bool, granted: bool) -> bool {
    let (mutex, condvar) = (Mutex::<B, ()>::new(()), Condvar::<B>::new());
    let (hand1, hand2) = (Hand::new(), Hand::new());
    let mut first = Box::pin(condvar.wait_async(mutex.lock()));
    assert!(hand1.poll(&mut first).is_pending());
    let mut second = Box::pin(condvar.wait_async(mutex.lock()));
    if !all {
        assert!(hand2.poll(&mut second).is_pending());
    }
    let guard = (!granted && !all).then(|| mutex.lock());
    if all {
        assert_eq!(condvar.notify_all(), 1);
        // The mutex was granted to it; the second one's guard was never let go.
        drop(first);
        assert!(hand2.poll(&mut second).is_pending());
        return hand2.wakes() != 0;
    }
    assert!(condvar.notify_one());
    assert_eq!(hand1.wakes(), 1);
    if let Some(guard) = &guard {
        assert!(hand1.poll(&mut first).is_pending());
        assert_eq!(raw::mutex(lock_api::MutexGuard::mutex(guard)).waiting(), 1);
    }
    drop(first);
    drop(guard);
    let passed = hand2.wakes() == 1;
    if passed {
        drop(ready(hand2.poll(&mut second)));
    }
    drop(second);
    assert!(!mutex.is_locked());
    assert_eq!(hand1.kept() + hand2.kept(), 0);
    passed
}

fn dropped_in_the_locks_line_it_passes_on<B: Backend>() {
    assert!(given_up::<B>(false, false));
}

fn dropped_with_the_lock_granted_it_passes_on<B: Backend>() {
    assert!(given_up::<B>(false, true));
}

fn of_a_notification_for_all_nothing_is_passed_on<B: Backend>() {
    let (mutex, condvar) = (Mutex::<B, ()>::new(()), Condvar::<B>::new());
    let (hand1, hand2) = (Hand::new(), Hand::new());
    let mut first = Box::pin(condvar.wait_async(mutex.lock()));
    assert!(hand1.poll(&mut first).is_pending());
    let guard = mutex.lock();
    assert_eq!(condvar.notify_all(), 1);
    let mut second = Box::pin(condvar.wait_async(guard));
    assert!(hand2.poll(&mut second).is_pending());
    drop(first);
    assert_eq!(hand2.wakes(), 0);
    assert_eq!(condvar.waiting(), 1);
}

fn a_waiter_may_be_polled_by_another_task<B: Backend>() {
    let (mutex, condvar) = (Mutex::<B, ()>::new(()), Condvar::<B>::new());
    let (old, new) = (Hand::new(), Hand::new());
    let mut wait = Box::pin(condvar.wait_async(mutex.lock()));
    assert!(old.poll(&mut wait).is_pending());
    assert!(new.poll(&mut wait).is_pending());
    assert_eq!(old.kept(), 0);
    let guard = mutex.lock();
    assert!(condvar.notify_one());
    assert_eq!((old.wakes(), new.wakes()), (0, 1));
    // And in the mutex's line.
    assert!(new.poll(&mut wait).is_pending());
    assert!(old.poll(&mut wait).is_pending());
    assert_eq!(new.kept(), 0);
    drop(guard);
    assert_eq!((old.wakes(), new.wakes()), (1, 1));
    drop(ready(old.poll(&mut wait)));
}

fn a_finished_wait_panics_when_polled<B: Backend>() {
    use futures_core_check::is_terminated;
    let (mutex, condvar, hand) = (Mutex::<B, ()>::new(()), Condvar::<B>::new(), Hand::new());
    let mut wait = Box::pin(condvar.wait_async(mutex.lock()));
    assert!(hand.poll(&mut wait).is_pending());
    assert!(!is_terminated(&*wait));
    condvar.notify_one();
    drop(ready(hand.poll(&mut wait)));
    assert!(is_terminated(&*wait));
    assert!(catch_unwind(AssertUnwindSafe(|| hand.poll(&mut wait))).is_err());
}

mod futures_core_check {
    /// By its `Debug`: `futures_core` is no dependency of the tests.
    pub(super) fn is_terminated(future: &impl std::fmt::Debug) -> bool {
        format!("{future:?}").contains("done: true")
    }
}

fn a_condition_is_asked_after_each_notification<B: Backend>() {
    let (mutex, condvar, hand) = (Mutex::<B, u32>::new(0), Condvar::<B>::new(), Hand::new());
    let mut asked = 0;
    let mut wait = Box::pin(condvar.wait_while_async(mutex.lock(), |value| {
        asked += 1;
        *value < 2
    }));
    assert!(hand.poll(&mut wait).is_pending());
    for value in 1..3 {
        *mutex.lock() = value;
        assert!(condvar.notify_one());
        let polled = hand.poll(&mut wait);
        if value < 2 {
            assert!(polled.is_pending());
            assert_eq!(condvar.waiting(), 1, "it stands in line again");
        } else {
            assert_eq!(*ready(polled), 2);
        }
    }
    drop(wait);
    assert_eq!(asked, 3);
    // One that does not hold at all never waits.
    let mut none = Box::pin(condvar.wait_while_async(mutex.lock(), |value| *value < 2));
    drop(ready(hand.poll(&mut none)));
}

fn a_wait_that_is_over_leaves_nothing_behind<B: Backend>() {
    const TIME: Duration = Duration::from_millis(20);
    let (mutex, condvar) = (Mutex::<B, u32>::new(0), Condvar::<B>::new());
    let mut guard = mutex.lock();
    let start = Instant::now();
    assert!(condvar.wait_for(&mut guard, TIME).timed_out());
    assert!(start.elapsed() >= TIME, "too early");
    assert!(mutex.is_locked(), "the guard holds nothing");
    assert_eq!(condvar.waiting(), 0);
    let deadline = Instant::now() + TIME;
    assert!(condvar.wait_until(&mut guard, deadline).timed_out());
    assert!(Instant::now() >= deadline);
    assert!(condvar.wait_while_for(&mut guard, |value| *value == 0, TIME).timed_out());
    assert!(!condvar.wait_while_for(&mut guard, |value| *value == 1, TIME).timed_out());
    drop(guard);
    assert!(!condvar.notify_one());
    assert!(!mutex.is_locked());
}

fn the_time_limits_the_wait_for_the_notification_alone<B: Backend>() {
    const TIME: Duration = Duration::from_millis(20);
    watched("a waiter that is notified in time, and gets the lock late", || {
        let (mutex, condvar) = (Mutex::<B, ()>::new(()), Condvar::<B>::new());
        thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let start = Instant::now();
                let ended = condvar.wait_for(&mut mutex.lock(), Duration::from_secs(3));
                (ended.timed_out(), start.elapsed())
            });
            until("it waits", || condvar.waiting() == 1);
            let guard = mutex.lock();
            assert!(condvar.notify_one());
            let start = Instant::now();
            until("its time is over", || start.elapsed() > Duration::from_secs(3) + TIME);
            drop(guard);
            let (timed_out, elapsed) = waiter.join().expect("no panic");
            assert!(!timed_out);
            assert!(elapsed > Duration::from_secs(3));
        });
    });
}

/// Notes that it was called, and panics.
#[derive(Default)]
struct Panics(AtomicBool);

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
        panic!("a waker panics");
    }
}

fn a_panic_on_the_way_into_a_wait_leaves_the_lock_held<B: Backend>() {
    let condvar = Condvar::<B>::new();
    a_panic_on_the_way_into(|guard| condvar.wait(guard), || condvar.waiting());
    let condvar = lock_api::Condvar::<RawCondvar<RawMutex<B>, B>>::new();
    a_panic_on_the_way_into(|guard| condvar.wait(guard), || condvar.raw().waiting());
}

fn a_panic_on_the_way_into<B: Backend>(
    wait: impl Fn(&mut MutexGuard<'_, RawMutex<B>, ()>) + Sync,
    waiting: impl Fn() -> usize,
) {
    let mutex = Mutex::<B, ()>::new(());
    let mut guard = mutex.lock();
    let mut next = Box::pin(mutex.lock_async());
    let panics = Arc::new(Panics::default());
    let waker = Waker::from(Arc::clone(&panics));
    assert!(Pin::new(&mut next).poll(&mut Context::from_waker(&waker)).is_pending());
    // To wait lets the mutex go, and so wakes the next one, which panics. It
    // has the mutex then: given up by another thread, it lets us out.
    let unwound = thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let unwound = catch_unwind(AssertUnwindSafe(|| wait(&mut guard))).is_err();
            (unwound, guard)
        });
        until("the waker panics", || panics.0.load(Ordering::SeqCst));
        until("it asks for the mutex again", || raw::mutex(&mutex).waiting() == 1);
        drop(next);
        let (unwound, guard) = waiting.join().expect("caught");
        assert!(mutex.is_locked());
        drop(guard);
        unwound
    });
    assert!(unwound);
    assert_eq!(waiting(), 0);
    assert!(!mutex.is_locked());
}

fn a_waker_that_panics_leaves_nobody_unnotified<B: Backend>() {
    let (lock, condvar) = (RwLock::<Fair, B, ()>::new(()), SharedCondvar::<B>::new());
    let waker = Waker::from(Arc::new(Panics::default()));
    let mut first = Box::pin(condvar.wait_async(lock.read()));
    assert!(Pin::new(&mut first).poll(&mut Context::from_waker(&waker)).is_pending());
    let mut waits: Vec<_> = (0..MANY)
        .map(|_| {
            let hand = Hand::new();
            let mut wait = Box::pin(condvar.wait_async(lock.read()));
            assert!(hand.poll(&mut wait).is_pending());
            (hand, wait)
        })
        .collect();
    assert!(catch_unwind(AssertUnwindSafe(|| condvar.notify_all())).is_err());
    for (hand, wait) in &mut waits {
        assert_eq!(hand.wakes(), 1);
        drop(ready(hand.poll(wait)));
    }
    drop(first);
    assert!(!lock.is_locked());
}

/// A task has the mutex by one future, and polls another one that waits for a
/// condition: notified, it is told, and takes the grant over.
fn a_notified_future_trades_with_its_sibling<B: Backend>() {
    let (mutex, condvar, hand) = (Mutex::<B, ()>::new(()), Condvar::<B>::new(), Hand::new());
    let guard = mutex.lock();
    let mut sibling = Box::pin(mutex.lock_async());
    assert!(hand.poll(&mut sibling).is_pending());
    let mut wait = Box::pin(condvar.wait_async(guard));
    assert!(hand.poll(&mut wait).is_pending());
    assert_eq!(hand.wakes(), 1, "the sibling has the mutex");
    assert!(condvar.notify_one());
    assert_eq!(hand.wakes(), 2, "it polls this one only");
    let guard = ready(hand.poll(&mut wait));
    assert!(hand.poll(&mut sibling).is_pending());
    drop(guard);
    drop(ready(hand.poll(&mut sibling)));
    assert!(!mutex.is_locked());
}

fn threads_and_tasks_stand_in_one_line<B: Backend>() {
    watched("a thread between two tasks", || {
        let (mutex, condvar) = (Mutex::<B, ()>::new(()), Condvar::<B>::new());
        let (hand1, hand3) = (Hand::new(), Hand::new());
        thread::scope(|scope| {
            let mut task1 = Box::pin(condvar.wait_async(mutex.lock()));
            assert!(hand1.poll(&mut task1).is_pending());
            let thread2 = scope.spawn(|| condvar.wait(&mut mutex.lock()));
            until("the thread waits", || condvar.waiting() == 2);
            let mut task3 = Box::pin(condvar.wait_async(mutex.lock()));
            assert!(hand3.poll(&mut task3).is_pending());
            assert!(condvar.notify_one());
            drop(ready(hand1.poll(&mut task1)));
            assert!(hand3.poll(&mut task3).is_pending());
            assert!(condvar.notify_one());
            thread2.join().expect("no panic");
            assert!(hand3.poll(&mut task3).is_pending());
            assert!(condvar.notify_one());
            drop(ready(hand3.poll(&mut task3)));
        });
    });
}

/// Over somebody else's raw lock, and over ours by the general kind.
fn any_lock_can_have_a_condition<B: Backend, L: lock_api::RawMutex + Send + Sync + 'static>() {
    watched("a foreign mutex", || {
        let mutex = lock_api::Mutex::<L, u32>::new(0);
        let condvar = lock_api::Condvar::<RawCondvar<L, B>>::new();
        assert!(!condvar.notify_one());
        thread::scope(|scope| {
            for number in 1..=3 {
                let (mutex, condvar) = (&mutex, &condvar);
                scope.spawn(move || {
                    let mut guard = mutex.lock();
                    condvar.wait(&mut guard);
                    *guard += 1;
                });
                until("it waits", || condvar.raw().waiting() == number);
            }
            let guard = mutex.lock();
            assert!(condvar.notify_one());
            assert_eq!(condvar.notify_all(), 2, "exact counts");
            assert!(!condvar.notify_one());
            assert_eq!(*guard, 0, "they wait for the mutex");
        });
        assert_eq!(*mutex.lock(), 3);
    });
}

fn somebody_elses_lock_can_have_a_condition<B: Backend>() {
    any_lock_can_have_a_condition::<B, parking_lot::RawMutex>();
    any_lock_can_have_a_condition::<B, RawMutex<B>>();
}

fn lock_apis_own_condition_works<B: Backend>() {
    watched("lock_api's Condvar over ours", || {
        let mutex = Mutex::<B, bool>::new(false);
        let condvar = lock_api::Condvar::<Condvar<B>>::new();
        thread::scope(|scope| {
            scope.spawn(|| condvar.wait_while(&mut mutex.lock(), |is_ready| !*is_ready));
            until("it waits", || condvar.raw().waiting() == 1);
            *mutex.lock() = true;
            assert!(condvar.notify_one());
        });
        let time = Duration::from_millis(5);
        assert!(condvar.wait_for(&mut mutex.lock(), time).timed_out());
        let foreign = lock_api::Mutex::<parking_lot::RawMutex, ()>::new(());
        let condvar = lock_api::Condvar::<RawCondvar<parking_lot::RawMutex, B>>::new();
        let start = Instant::now();
        assert!(condvar.wait_for(&mut foreign.lock(), time).timed_out());
        assert!(start.elapsed() >= time);
        assert!(!foreign.is_locked());
    });
}

fn debug_tells_who_waits<B: Backend>() {
    let (mutex, condvar, hand) = (Mutex::<B, ()>::new(()), Condvar::<B>::new(), Hand::new());
    let mut wait = Box::pin(condvar.wait_async(mutex.lock()));
    assert!(hand.poll(&mut wait).is_pending());
    assert_eq!(format!("{condvar:?}"), "Condvar { waiting: 1 }");
    assert_eq!(format!("{:?}", SharedCondvar::<B>::new()), "SharedCondvar { waiting: 0 }");
}

on_backends!(
    notifications_are_served_in_order,
    readers_and_writers_stand_in_one_line,
    notifications_that_nobody_waits_for_are_forgotten,
    notify_lets_nothing_go,
    handshakes_of_all_preferences,
    workers_lose_nothing,
    notified_threads_move_into_the_locks_line,
    notified_tasks_ask_in_order,
    notified_tasks_move_into_the_locks_line,
    guards_that_keep_their_lock_wait,
    a_forgotten_future_is_followed_where_it_is_safe,
    one_who_would_be_handed_over_trades_with_its_sibling,
    what_a_notification_granted_is_traded,
    a_forgotten_future_leaves_nothing_that_is_followed,
    readers_come_back_together,
    each_comes_back_in_its_own_mode,
    woken_waiters_follow_the_lanes,
    dropped_before_the_first_poll_it_releases,
    dropped_while_waiting_it_leaves,
    dropped_in_the_locks_line_it_passes_on,
    dropped_with_the_lock_granted_it_passes_on,
    of_a_notification_for_all_nothing_is_passed_on,
    a_waiter_may_be_polled_by_another_task,
    a_finished_wait_panics_when_polled,
    a_condition_is_asked_after_each_notification,
    a_wait_that_is_over_leaves_nothing_behind,
    the_time_limits_the_wait_for_the_notification_alone,
    a_panic_on_the_way_into_a_wait_leaves_the_lock_held,
    a_waker_that_panics_leaves_nobody_unnotified,
    a_notified_future_trades_with_its_sibling,
    threads_and_tasks_stand_in_one_line,
    somebody_elses_lock_can_have_a_condition,
    lock_apis_own_condition_works,
    debug_tells_who_waits,
);

/// Workers add, a task waits for the sum as a reader and one as a writer.
fn tasks_lose_nothing<E: Executor>() {
    const WORKERS: usize = 10;
    const ROUNDS: usize = 1000;
    let executor = E::default();
    let spawn = executor.spawner();
    let shared = Arc::new((
        portunus::sync::RwLock::<usize>::new(0),
        portunus::sync::SharedCondvar::new(),
        StdMutex::new(0),
    ));
    for writes in [false, true] {
        let shared = Arc::clone(&shared);
        spawn(Box::pin(async move {
            let (lock, condvar, finished) = &*shared;
            let sum = if writes {
                let guard = lock.write_async().await;
                *condvar.wait_while_async(guard, |sum| *sum < WORKERS * ROUNDS).await
            } else {
                let guard = lock.read_async().await;
                *condvar.wait_while_async(guard, |sum| *sum < WORKERS * ROUNDS).await
            };
            assert_eq!(sum, WORKERS * ROUNDS);
            *finished.lock().expect("no panic under it") += 1;
        }));
    }
    for _ in 0..WORKERS {
        let shared = Arc::clone(&shared);
        spawn(Box::pin(async move {
            let (lock, condvar, _) = &*shared;
            for _ in 0..ROUNDS {
                *lock.write_async().await += 1;
                condvar.notify_all();
            }
        }));
    }
    until("both have seen the sum", || {
        executor.advance();
        *shared.2.lock().expect("no panic under it") == 2
    });
}

on_executors!(tasks_lose_nothing);

/// Polls without waiting for anything.
#[test]
fn a_wait_is_send_where_its_guard_is() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let (mutex, condvar) = (portunus::sync::Mutex::new(()), portunus::sync::Condvar::new());
    let mut wait = Box::pin(is_send(condvar.wait_async(mutex.lock())));
    assert!(matches!(Hand::new().poll(&mut wait), Poll::Pending));
}
