//! Conditions in a segment, within one process: order, counts, time, modes.
//! Processes that die are in the crate's own tests.

#![cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex as StdMutex;
use std::thread;
use std::time::{Duration, Instant};

use portunus::rules::{Preference, SharedMode};
use portunus::shm::{
    Condvar, Inspection, Mutex, Options, RwLock, RwLockUpgradableReadGuard, Segment, SharedCondvar,
};
use portunus::{Fair, ReadPreferring, WritePreferring};

use support::{segments::Own, until};

#[test]
fn one_notification_for_each_in_order_and_none_is_kept() {
    let own: Own<(Mutex<u32>, Condvar)> = Own::new((0, ()));
    let (mutex, changed) = &*own;
    assert!(!changed.notify_one(), "nobody waits, and nobody ever did");
    let order = StdMutex::new(Vec::new());
    thread::scope(|scope| {
        for i in 0..4 {
            let order = &order;
            scope.spawn(move || {
                let guard = changed.wait(mutex.lock().unwrap()).unwrap();
                order.lock().unwrap().push(i);
                drop(guard);
            });
            until("it waits", || changed.waiting() == i + 1);
        }
        assert!(!mutex.is_locked(), "who waits has let go");
        assert!(changed.notify_one());
        until("the first comes", || order.lock().unwrap().len() == 1);
        assert_eq!(changed.waiting(), 3);
        // With the mutex held they move, and do not come.
        let guard = mutex.lock().unwrap();
        assert!(changed.notify_one());
        assert_eq!(changed.notify_all(), 2);
        assert_eq!((changed.waiting(), mutex.waiting()), (0, 3));
        assert!(!changed.notify_one() && changed.notify_all() == 0, "nobody waits any more");
        drop(guard);
    });
    assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3]);
    assert!(!mutex.is_locked());
}

#[test]
fn two_who_wait_for_each_other_take_turns() {
    const TURNS: u32 = 500;
    let own: Own<(Mutex<u32>, Condvar)> = Own::new((0, ()));
    let (turn, changed) = &*own;
    thread::scope(|scope| {
        for me in 0..2 {
            scope.spawn(move || {
                for _ in 0..TURNS {
                    let guard = turn.lock().unwrap();
                    let mut guard = changed.wait_while(guard, |turn| *turn % 2 != me).unwrap();
                    *guard += 1;
                    drop(guard);
                    changed.notify_one();
                }
            });
        }
    });
    assert_eq!(*turn.lock().unwrap(), 2 * TURNS);
}

#[test]
fn a_time_that_is_over_leaves_nothing_and_comes_back_with_the_lock() {
    let own: Own<(Mutex<u32>, Condvar)> = Own::new((0, ()));
    let (mutex, changed) = &*own;
    let start = Instant::now();
    let time = Duration::from_millis(40);
    let (guard, result) = changed.wait_for(mutex.lock().unwrap(), time).unwrap();
    assert!(result.timed_out() && start.elapsed() >= time, "not early");
    assert!(mutex.is_locked() && changed.waiting() == 0);
    let (guard, result) = changed.wait_until(guard, start).unwrap();
    assert!(result.timed_out(), "a time that is over already");
    let (guard, result) = changed.wait_while_for(guard, |n| *n == 0, time).unwrap();
    assert!(result.timed_out());
    let (guard, result) = changed.wait_while_until(guard, |n| *n != 0, start).unwrap();
    assert!(!result.timed_out(), "it does not wait for what is so already");
    drop(guard);
    // The one that gave up took nothing from the one behind it.
    thread::scope(|scope| {
        scope.spawn(|| {
            let time = Duration::from_millis(40);
            let (_, result) = changed.wait_for(mutex.lock().unwrap(), time).unwrap();
            assert!(result.timed_out());
        });
        until("it waits", || changed.waiting() == 1);
        let behind = scope.spawn(|| {
            let long = Duration::from_secs(60);
            changed.wait_for(mutex.lock().unwrap(), long).unwrap().1.timed_out()
        });
        until("it has given up, the other one waits", || {
            changed.waiting() == 1 && start.elapsed() > time && !mutex.is_locked() && {
                thread::sleep(Duration::from_millis(60));
                changed.waiting() == 1
            }
        });
        assert!(changed.notify_one());
        assert!(!behind.join().unwrap());
    });
    assert!(!mutex.is_locked());
}

#[test]
fn a_limit_that_ends_in_the_locks_line_is_none() {
    let own: Own<(Mutex<u32>, Condvar)> = Own::new((0, ()));
    let (mutex, changed) = &*own;
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let time = Duration::from_millis(500);
            let start = Instant::now();
            let (_, result) = changed.wait_for(mutex.lock().unwrap(), time).unwrap();
            (result.timed_out(), start.elapsed() >= time)
        });
        until("it waits", || changed.waiting() == 1);
        let guard = mutex.lock().unwrap();
        if changed.notify_one() {
            thread::sleep(Duration::from_millis(600));
            drop(guard);
            assert_eq!(waiter.join().unwrap(), (false, true), "notified, and late");
        }
    });
}

fn readers_together_writers_alone<P: Preference>() {
    let own: Own<(RwLock<u32, P>, SharedCondvar)> = Own::new((0, ()));
    let (lock, changed) = &*own;
    let inside = &StdMutex::new(Vec::new());
    thread::scope(|scope| {
        for i in 0..2 {
            scope.spawn(move || {
                let guard = changed.wait_while(lock.read().unwrap(), |n| *n == 0).unwrap();
                inside.lock().unwrap().push("reader");
                // Neither leaves before both are in.
                until("both have seen it", || {
                    inside.lock().unwrap().iter().filter(|&&who| who == "reader").count() == 2
                });
                drop(guard);
            });
            until("it waits", || changed.waiting() == i + 1);
        }
        scope.spawn(move || {
            let mut guard = changed.wait(lock.write().unwrap()).unwrap();
            assert_eq!(lock.holders(SharedMode::Write), 1);
            inside.lock().unwrap().push("writer");
            *guard += 1;
        });
        until("the writer waits", || changed.waiting() == 3);
        scope.spawn(move || {
            let guard = changed.wait(lock.upgradable_read().unwrap()).unwrap();
            assert_eq!(lock.holders(SharedMode::Upgradable), 1);
            *RwLockUpgradableReadGuard::upgrade(guard) += 10;
        });
        until("the upgradable one waits", || changed.waiting() == 4);
        let mut guard = lock.write().unwrap();
        *guard = 100;
        assert_eq!(changed.notify_all(), 4);
        assert_eq!(lock.waiting(), 4);
        drop(guard);
    });
    assert_eq!(*lock.read().unwrap(), 111);
    assert!(!lock.is_locked());
}

#[test]
fn readers_and_writers_of_every_preference() {
    readers_together_writers_alone::<Fair>();
    readers_together_writers_alone::<ReadPreferring>();
    readers_together_writers_alone::<WritePreferring>();
}

#[test]
fn a_reader_is_let_in_beside_readers_who_stay() {
    let own: Own<(RwLock<u32>, SharedCondvar)> = Own::new((0, ()));
    let (lock, changed) = &*own;
    thread::scope(|scope| {
        let waiter = scope.spawn(|| drop(changed.wait(lock.read().unwrap()).unwrap()));
        until("it waits", || changed.waiting() == 1);
        // Nobody will ever let it in by leaving.
        let stays = lock.read().unwrap();
        assert!(changed.notify_one());
        waiter.join().unwrap();
        drop(stays);
    });
}

#[test]
fn one_lock_for_each_condition() {
    type Two = (Mutex<u32>, Mutex<u32>, Condvar);
    let own: Own<Two> = Own::new((0, 0, ()));
    let (one, two, changed) = &*own;
    let now = Instant::now();
    drop(changed.wait_until(one.lock().unwrap(), now).unwrap());
    let other = catch_unwind(AssertUnwindSafe(|| {
        let _ = changed.wait_until(two.lock().unwrap(), now);
    }));
    let message = other.expect_err("another lock");
    assert!(message.downcast_ref::<&str>().unwrap().contains("one lock"));
    assert!(!two.is_locked(), "its guard went with the panic");
    // Through another opening of the same segment.
    let again: Segment<Two> = Segment::open(&own.1).unwrap();
    let other = catch_unwind(AssertUnwindSafe(|| {
        let _ = changed.wait_until(again.0.lock().unwrap(), now);
    }));
    assert!(
        other.expect_err("another opening").downcast_ref::<&str>().unwrap().contains("Segment")
    );
    drop(again.2.wait_until(again.0.lock().unwrap(), now).unwrap());
    assert!(!one.is_locked());
}

#[test]
fn a_condition_that_panics_lets_go() {
    let own: Own<(Mutex<u32>, Condvar)> = Own::new((0, ()));
    let (mutex, changed) = &*own;
    let thrown = catch_unwind(AssertUnwindSafe(|| {
        let _ = changed.wait_while(mutex.lock().unwrap(), |_| panic!("a condition"));
    }));
    assert!(thrown.is_err() && !mutex.is_locked());
}

#[test]
fn it_shows_who_waits() {
    let own: Own<(Mutex<u32>, Condvar)> = Own::new((0, ()));
    let (mutex, changed) = &*own;
    thread::scope(|scope| {
        scope.spawn(|| drop(changed.wait(mutex.lock().unwrap()).unwrap()));
        until("it waits", || changed.waiting() == 1);
        assert_eq!(format!("{changed:?}"), "Condvar { waiting: 1 }");
        let claims = Inspection::open(&own.1, &Options::new()).unwrap().claims();
        assert_eq!(claims.len(), 1);
        assert!(claims[0].is_waiting() && claims[0].is_alive());
        assert_eq!(own.0.recover().dead(), 0);
        assert_eq!(changed.notify_all(), 1);
    });
    let fresh: Own<SharedCondvar> = Own::new(());
    assert_eq!(format!("{:?}", *fresh), "SharedCondvar { waiting: 0 }");
}

#[test]
fn a_stress_of_a_bounded_buffer() {
    const EACH: u32 = 300;
    type Buffer = (Mutex<[u32; 3]>, Condvar, Condvar);
    let own: Own<Buffer> = Own::new(([0; 3], (), ()));
    // Filled, put so far, and the sum of what was taken.
    let (state, not_full, not_empty) = &*own;
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(move || {
                for _ in 0..EACH {
                    let guard = state.lock().unwrap();
                    let mut guard = not_full.wait_while(guard, |state| state[0] == 2).unwrap();
                    guard[0] += 1;
                    guard[1] += 1;
                    drop(guard);
                    not_empty.notify_one();
                }
            });
            scope.spawn(move || {
                for i in 0..EACH {
                    let mut guard = state.lock().unwrap();
                    // Some give up now and then, and lose nothing by it.
                    while guard[0] == 0 {
                        guard = match i % 3 {
                            0 => {
                                let time = Duration::from_micros(50);
                                not_empty.wait_for(guard, time).unwrap().0
                            }
                            _ => not_empty.wait(guard).unwrap(),
                        };
                    }
                    guard[0] -= 1;
                    guard[2] += 1;
                    drop(guard);
                    not_full.notify_one();
                }
            });
        }
    });
    assert_eq!(*state.lock().unwrap(), [0, 3 * EACH, 3 * EACH]);
}

#[cfg(feature = "async")]
mod tasks {
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::Poll;

    use super::*;
    use crate::support::Hand;
    use crate::support::segments::rarely_looking as segment;

    /// Polls when it is woken, until it is ready.
    fn drive<F: Future>(mut future: Pin<&mut F>, hand: &Hand) -> F::Output {
        let mut seen = 0;
        loop {
            until("it is woken", || hand.wakes() > seen);
            seen = hand.wakes();
            if let Poll::Ready(output) = hand.poll(future.as_mut()) {
                return output;
            }
        }
    }

    #[test]
    fn a_task_wakes_when_it_owns_the_lock() {
        let own: Segment<(Mutex<u32>, Condvar)> = segment((0, ()));
        let (mutex, changed) = &*own;
        let hand = Hand::new();
        let mut future = pin!(changed.wait_async(mutex.lock().unwrap()));
        assert!(mutex.is_locked(), "nothing happens before the first poll");
        assert!(hand.poll(future.as_mut()).is_pending());
        assert_eq!((changed.waiting(), mutex.is_locked()), (1, false));
        let mut guard = mutex.lock().unwrap();
        assert!(changed.notify_one());
        assert_eq!((changed.waiting(), mutex.waiting()), (0, 1));
        assert!(hand.poll(future.as_mut()).is_pending(), "somebody has the lock");
        assert_eq!(hand.wakes(), 0, "woken before it owns the lock");
        *guard = 5;
        drop(guard);
        assert!(mutex.is_locked(), "it has been handed over");
        let guard = drive(future, &hand).unwrap();
        assert_eq!(*guard, 5);
    }

    #[test]
    fn a_task_that_is_notified_while_the_lock_is_free_takes_it() {
        let own: Segment<(RwLock<u32>, SharedCondvar)> = segment((0, ()));
        let (lock, changed) = &*own;
        let (one, two) = (Hand::new(), Hand::new());
        let mut first = pin!(changed.wait_async(lock.read().unwrap()));
        assert!(one.poll(first.as_mut()).is_pending());
        let mut second = pin!(changed.wait_async(lock.write().unwrap()));
        assert!(two.poll(second.as_mut()).is_pending());
        assert_eq!(changed.notify_all(), 2);
        drop(drive(first, &one).unwrap());
        drop(drive(second, &two).unwrap());
        assert!(!lock.is_locked());
    }

    #[test]
    fn wherever_a_future_is_dropped_its_notification_is_not_lost() {
        let own: Segment<(Mutex<u32>, Condvar)> = segment((0, ()));
        let (mutex, changed) = &*own;
        // Before the first poll, the guard is dropped.
        drop(changed.wait_async(mutex.lock().unwrap()));
        assert!(!mutex.is_locked());
        for stage in ["waits", "is in the lock's line", "was granted"] {
            let (one, two) = (Hand::new(), Hand::new());
            let mut first = Box::pin(changed.wait_async(mutex.lock().unwrap()));
            assert!(one.poll(first.as_mut()).is_pending());
            let mut second = pin!(changed.wait_async(mutex.lock().unwrap()));
            assert!(two.poll(second.as_mut()).is_pending());
            let mut guard = Some(mutex.lock().unwrap());
            if stage == "waits" {
                drop(first);
                assert_eq!(changed.waiting(), 1);
                assert!(changed.notify_one());
            } else {
                assert!(changed.notify_one());
                if stage == "was granted" {
                    guard = None;
                    assert!(mutex.is_locked(), "it has been handed over");
                }
                assert_eq!(changed.waiting(), 1);
                drop(first);
                assert_eq!(changed.waiting(), 0, "{stage}: it was passed on");
            }
            drop(guard.take());
            drop(drive(second, &two).unwrap());
            assert!(!mutex.is_locked() && changed.waiting() == 0, "{stage}");
        }
    }

    #[test]
    fn a_notification_of_all_is_not_passed_on() {
        let own: Segment<(Mutex<u32>, Condvar)> = segment((0, ()));
        let (mutex, changed) = &*own;
        let hand = Hand::new();
        let mut first = Box::pin(changed.wait_async(mutex.lock().unwrap()));
        assert!(hand.poll(first.as_mut()).is_pending());
        let guard = mutex.lock().unwrap();
        assert_eq!(changed.notify_all(), 1);
        // It stands behind the first, which is in the lock's line: it comes
        // there with this very guard.
        let mut second = Box::pin(changed.wait_async(guard));
        assert!(hand.poll(second.as_mut()).is_pending());
        drop(first);
        assert_eq!(changed.waiting(), 1, "who came later was not notified");
        drop(second);
        assert!(!mutex.is_locked() && changed.waiting() == 0);
    }

    #[test]
    fn tasks_and_threads_stand_in_one_line() {
        let own: Segment<(Mutex<Vec4>, Condvar)> = segment(([0; 4], ()));
        let (mutex, changed) = &*own;
        thread::scope(|scope| {
            for i in 0..4 {
                scope.spawn(move || {
                    let guard = mutex.lock().unwrap();
                    let mut guard = match i % 2 {
                        0 => changed.wait(guard).unwrap(),
                        _ => smol::block_on(changed.wait_async(guard)).unwrap(),
                    };
                    let place = 1 + *guard.iter().max().unwrap();
                    guard[i] = place;
                });
                until("it waits", || changed.waiting() == i + 1);
            }
            for _ in 0..4 {
                assert!(changed.notify_one());
            }
        });
        assert_eq!(*mutex.lock().unwrap(), [1, 2, 3, 4]);
    }

    type Vec4 = [u32; 4];
}
