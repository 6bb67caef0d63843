//! From a notification to the one who runs.
//!
//! `ping` hands a turn back and forth between two parties; `all` opens a gate
//! for many that wait at it, each of which takes the lock once more.

#![allow(clippy::await_holding_lock, reason = "a suspended task may hold these guards")]

use std::cell::Cell;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Instant;

use portunus::prelude::*;
use portunus::sync;

use super::arena::Arena;
use super::executor;
use super::harness::{Bench, Row, Unit};
use super::machine::{self, Frame, Page};
use super::ours::OURS;

/// The rows that the others are compared with.
pub(crate) const STD: &str = "std";
pub(crate) const ASYNCBAND: &str = "asyncband";

pub(crate) const PING_THREADS: &str = "notify/ping/threads";
pub(crate) const PING_TASKS: &str = "notify/ping/tasks";
pub(crate) const ALL_THREADS: &str = "notify/all/threads";
pub(crate) const ALL_TASKS: &str = "notify/all/tasks";

/// How many wait for one notification of all.
const CROWD: usize = 1_000;

pub(crate) fn run(bench: &mut Bench) {
    let effort = bench.effort();
    let (name, rounds) = (PING_THREADS.to_owned(), effort.pick(11, 3, 1));
    bench.table(name, Unit::Nanoseconds, STD, rounds, || {
        let turns = effort.pick(4_000, 1_000, 10);
        vec![ping::<Ours>(turns), ping::<Std>(turns), ping::<ParkingLot>(turns)]
    });
    bench.table(ALL_THREADS.to_owned(), Unit::Nanoseconds, STD, rounds, || {
        let crowd = effort.pick(CROWD, 100, 4);
        vec![all::<Ours>(crowd), all::<Std>(crowd), all::<ParkingLot>(crowd)]
    });
    let rounds = effort.pick(21, 5, 1);
    bench.table(PING_TASKS.to_owned(), Unit::Nanoseconds, ASYNCBAND, rounds, || {
        let turns = effort.pick(40_000, 10_000, 10);
        vec![ping_tasks::<Ours>(turns), ping_tasks::<Band>(turns), ping_tasks::<Tokio>(turns)]
    });
    bench.table(ALL_TASKS.to_owned(), Unit::Nanoseconds, ASYNCBAND, rounds, || {
        let (crowd, times) = (effort.parties(CROWD, 4), effort.pick(100, 20, 2));
        vec![
            all_tasks::<Ours>(crowd, times),
            all_tasks::<Band>(crowd, times),
            all_tasks::<Tokio>(crowd, times),
        ]
    });
}

/// A number behind a lock, and a condition on it, for threads.
trait Signal: Sync {
    const NAME: &'static str;
    fn new() -> Self;
    /// Waits as long as the number is another one, and then changes it.
    fn pass(&self, mine: usize, next: usize);
    /// Sets the number, and notifies all.
    fn open(&self, number: usize);
    /// Waits until the number is another one, and returns that.
    fn changed(&self, seen: usize) -> usize;
}

macro_rules! signal {
    ($type:ident, $name:expr, $mutex:ty, $condvar:ty, $lock:expr, $wait:expr) => {
        struct $type($mutex, $condvar);

        impl Signal for $type {
            const NAME: &'static str = $name;

            fn new() -> Self {
                Self(<$mutex>::new(0), <$condvar>::new())
            }

            fn pass(&self, mine: usize, next: usize) {
                let mut number = $lock(&self.0);
                while *number != mine {
                    number = $wait(&self.1, number);
                }
                *number = next;
                self.1.notify_one();
            }

            fn open(&self, number: usize) {
                *$lock(&self.0) = number;
                self.1.notify_all();
            }

            fn changed(&self, seen: usize) -> usize {
                let mut number = $lock(&self.0);
                while *number == seen {
                    number = $wait(&self.1, number);
                }
                *number
            }
        }
    };
}

signal!(
    Ours,
    OURS,
    sync::Mutex<usize>,
    sync::Condvar,
    sync::Mutex::lock,
    |condvar: &sync::Condvar, mut guard| {
        condvar.wait(&mut guard);
        guard
    }
);
signal!(
    ParkingLot,
    "parking_lot",
    parking_lot::Mutex<usize>,
    parking_lot::Condvar,
    parking_lot::Mutex::lock,
    |condvar: &parking_lot::Condvar, mut guard| {
        condvar.wait(&mut guard);
        guard
    }
);
signal!(
    Std,
    STD,
    std::sync::Mutex<usize>,
    std::sync::Condvar,
    unpoisoned,
    |condvar: &std::sync::Condvar, guard| condvar.wait(guard).expect("no party panics")
);

fn unpoisoned(mutex: &std::sync::Mutex<usize>) -> std::sync::MutexGuard<'_, usize> {
    mutex.lock().expect("no party panics")
}

/// Nanoseconds for one change of turns.
fn ping<S: Signal>(turns: usize) -> Row {
    Row::new(S::NAME, move || {
        let signal = Page::new(S::new());
        let start = thread::scope(|scope| {
            scope.spawn(|| {
                machine::pin(1);
                for _ in 0..turns {
                    signal.pass(1, 0);
                }
            });
            let start = Instant::now();
            for _ in 0..turns {
                signal.pass(0, 1);
            }
            start
        });
        start.elapsed().as_nanos() as f64 / (2 * turns) as f64
    })
}

/// Nanoseconds for each of a crowd, from the notification until all have run.
fn all<S: Signal>(crowd: usize) -> Row {
    const TIMES: usize = 3;
    Row::new(S::NAME, move || {
        let signal = Page::new(S::new());
        let arrived = AtomicUsize::new(0);
        let (waits, runs) = (AtomicUsize::new(0), &arrived);
        thread::scope(|scope| {
            for party in 0..crowd {
                let (signal, waits) = (&signal, &waits);
                let spawned = thread::Builder::new().stack_size(64 << 10);
                let body = move || {
                    machine::pin(party);
                    let mut seen = 0;
                    while seen < TIMES {
                        waits.fetch_add(1, SeqCst);
                        seen = signal.changed(seen);
                        runs.fetch_add(1, SeqCst);
                    }
                };
                spawned.spawn_scoped(scope, body).expect("a thread");
            }
            let mut nanos = 0;
            for time in 1..=TIMES {
                while waits.load(SeqCst) < time * crowd {
                    thread::yield_now();
                }
                // The last ones are on their way into the wait.
                thread::sleep(std::time::Duration::from_millis(2));
                let start = Instant::now();
                signal.open(time);
                while runs.load(SeqCst) < time * crowd {
                    thread::yield_now();
                }
                nanos += start.elapsed().as_nanos();
            }
            nanos as f64 / (TIMES * crowd) as f64
        })
    })
}

/// The same for tasks.
trait TaskSignal {
    const NAME: &'static str;
    fn new() -> Self;
    fn pass(&self, mine: usize, next: usize) -> impl Future<Output = ()>;
    fn open(&self, number: usize);
    fn changed(&self, seen: usize) -> impl Future<Output = usize>;
}

impl TaskSignal for Ours {
    const NAME: &'static str = OURS;

    fn new() -> Self {
        Signal::new()
    }

    async fn pass(&self, mine: usize, next: usize) {
        let mut number = self.0.lock_async().await;
        while *number != mine {
            number = self.1.wait_async(number).await;
        }
        *number = next;
        self.1.notify_one_inside(&number);
    }

    fn open(&self, number: usize) {
        *executor::ready(self.0.lock_async()) = number;
        self.1.notify_all();
    }

    async fn changed(&self, seen: usize) -> usize {
        let mut number = self.0.lock_async().await;
        while *number == seen {
            number = self.1.wait_async(number).await;
        }
        *number
    }
}

struct Band(asyncband::mutex::Mutex<usize>, asyncband::condvar::Condvar);

impl TaskSignal for Band {
    const NAME: &'static str = ASYNCBAND;

    fn new() -> Self {
        Self(asyncband::mutex::Mutex::new(0), asyncband::condvar::Condvar::new())
    }

    async fn pass(&self, mine: usize, next: usize) {
        let mut number = self.0.lock().await;
        while *number != mine {
            number = self.1.wait(number).await;
        }
        *number = next;
        self.1.notify_one();
    }

    fn open(&self, number: usize) {
        *executor::ready(self.0.lock()) = number;
        self.1.notify_all();
    }

    async fn changed(&self, seen: usize) -> usize {
        let mut number = self.0.lock().await;
        while *number == seen {
            number = self.1.wait(number).await;
        }
        *number
    }
}

/// A condition made of what tokio has: `Notify`, and a mutex to take again.
struct Tokio(tokio::sync::Mutex<usize>, tokio::sync::Notify);

impl TaskSignal for Tokio {
    const NAME: &'static str = "tokio Notify and Mutex";

    fn new() -> Self {
        Self(tokio::sync::Mutex::new(0), tokio::sync::Notify::new())
    }

    async fn pass(&self, mine: usize, next: usize) {
        let mut number = self.0.lock().await;
        while *number != mine {
            let mut notified = std::pin::pin!(self.1.notified());
            notified.as_mut().enable();
            drop(number);
            notified.await;
            number = self.0.lock().await;
        }
        *number = next;
        self.1.notify_one();
    }

    fn open(&self, number: usize) {
        *executor::ready(self.0.lock()) = number;
        self.1.notify_waiters();
    }

    async fn changed(&self, seen: usize) -> usize {
        let mut number = self.0.lock().await;
        while *number == seen {
            let mut notified = std::pin::pin!(self.1.notified());
            notified.as_mut().enable();
            drop(number);
            notified.await;
            number = self.0.lock().await;
        }
        *number
    }
}

async fn pass_for_ever<S: TaskSignal>(signal: &S, mine: usize, turns: &Cell<usize>) {
    loop {
        signal.pass(mine, 1 - mine).await;
        turns.set(turns.get() + 1);
    }
}

/// Nanoseconds for one change of turns.
fn ping_tasks<S: TaskSignal + 'static>(count: usize) -> Row {
    let signal = Page::new(S::new());
    Row::new(S::NAME, move || {
        let turns = Cell::new(0);
        executor::reset(2);
        // A turn that an earlier sample left is taken up by whose it is.
        let mut tasks = Arena::new((0..2).map(|mine| pass_for_ever::<S>(&signal, mine, &turns)));
        executor::wake(0);
        executor::wake(1);
        drive(&mut tasks, || turns.get() >= 10);
        let (warm, start) = (turns.get(), Instant::now());
        drive(&mut tasks, || turns.get() >= warm + count);
        start.elapsed().as_nanos() as f64 / (turns.get() - warm) as f64
    })
}

async fn look_for_ever<S: TaskSignal>(signal: &S, ran: &Cell<usize>) {
    let mut seen = 0;
    loop {
        seen = signal.changed(seen).await;
        ran.set(ran.get() + 1);
    }
}

/// Nanoseconds for each of a crowd, until all have run and wait again.
fn all_tasks<S: TaskSignal + 'static>(crowd: usize, times: usize) -> Row {
    Row::new(S::NAME, move || {
        let signal = Page::new(S::new());
        let ran = Cell::new(0);
        executor::reset(crowd);
        let mut tasks = Arena::new((0..crowd).map(|_| look_for_ever::<S>(&signal, &ran)));
        for task in 0..crowd {
            executor::wake(task);
        }
        settle(&mut tasks);
        let start = Instant::now();
        for time in 1..=times {
            signal.open(time);
            settle(&mut tasks);
        }
        let time = start.elapsed();
        assert_eq!(ran.get(), crowd * times, "a notification was lost");
        time.as_nanos() as f64 / (crowd * times) as f64
    })
}

/// Runs the tasks until `done`.
#[inline(never)]
fn drive<F: Future<Output = ()>>(tasks: &mut Arena<F>, done: impl Fn() -> bool) {
    let frame = Frame::new();
    frame.settle();
    while !done() {
        match executor::next() {
            Some(task) => assert!(tasks.poll(task).is_pending(), "a task for ever ended"),
            None => panic!("no task can run: a notification was lost"),
        }
    }
}

/// Runs the tasks until none can run.
#[inline(never)]
fn settle<F: Future<Output = ()>>(tasks: &mut Arena<F>) {
    let frame = Frame::new();
    frame.settle();
    while let Some(task) = executor::next() {
        assert!(tasks.poll(task).is_pending(), "a task for ever ended");
    }
}
