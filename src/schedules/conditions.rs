//! Waiting for what others do.

use std::boxed::Box;
use std::sync::Arc;
use std::task::Context;

use shuttle::future::block_on;
use shuttle::thread;

use super::{SCHEDULES, Scheduled, drawn, explore, task, together};
use crate::rules::Fair;
use crate::{Accessor, RawRwLock, SharedCondvar};

type RwLock<T> = lock_api::RwLock<RawRwLock<Fair, Scheduled>, T>;

/// Readers and writers wait with one lock for what two others write.
#[test]
fn readers_and_writers_wait() {
    fn story() {
        let board = Arc::new((RwLock::new(0), SharedCondvar::<Scheduled>::new()));
        together((0..8).map(|party| {
            let board = Arc::clone(&board);
            move || {
                let (number, changed) = &*board;
                match party {
                    0..3 => {
                        let mut reading = number.read();
                        changed.wait_while(&mut reading, |number| *number <= party);
                        assert!(*reading > party);
                    }
                    3 => {
                        let mut reading = number.upgradable_read();
                        changed.wait_while(&mut reading, |number| *number < 2);
                    }
                    4 => {
                        let mut writing = number.write();
                        changed.wait_while(&mut writing, |number| *number < 3);
                        *writing += 1;
                        drop(writing);
                        changed.notify_all();
                    }
                    5 => {
                        let mut reading = number.read();
                        while *reading < 5 {
                            reading = block_on(changed.wait_async(reading));
                        }
                    }
                    _ => {
                        for _ in 0..2 {
                            *number.write() += 1;
                            changed.notify_all();
                        }
                    }
                }
            }
        }));
        assert_eq!((*board.0.read(), board.1.waiting()), (5, 0));
    }
    explore(SCHEDULES, story);
}

/// Threads and tasks wait for values, one of them not to the end.
#[test]
fn a_value_is_waited_for() {
    fn story() {
        let level = Arc::new(Accessor::<usize, Scheduled>::new(0));
        together((0..8).map(|party| {
            let level = Arc::clone(&level);
            move || match party {
                0..3 => assert!(level.get_where(move |level| *level > party) > party),
                3 | 4 => {
                    let seen = block_on(level.get_where_async(move |level| *level >= party));
                    assert!(seen >= party);
                }
                5 => {
                    let mut get = Box::pin(level.get_where_async(|level| *level == 2));
                    let waker = task();
                    for _ in 0..=drawn(3) {
                        if get.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                            break;
                        }
                        thread::yield_now();
                    }
                }
                _ => (0..2).for_each(|_| level.update(|level| *level += 1)),
            }
        }));
        assert_eq!(level.value(), 4);
    }
    explore(SCHEDULES, story);
}
