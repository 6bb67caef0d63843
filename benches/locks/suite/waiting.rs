//! What it costs to serve a long line, and to leave it.

use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use portunus::{spin, sync};

use super::arena::Arena;
use super::executor;
use super::harness::{Bench, Row, Unit};
use super::kinds::{Gate, Locking, Reading, Taking, Writing};
use super::machine::{Frame, Page};
use super::peers::{self, ListenerMutex, MAITAKE};
use super::random;

/// How many wait to be served.
pub(crate) const DRAINED: [usize; 3] = [1_000, 10_000, 100_000];
/// How many wait, of whom half give up.
pub(crate) const CANCELLED: [usize; 2] = [1_000, 100_000];

/// The table's name for a kind of lock and a line of that length.
pub(crate) fn drain_name(kind: &str, length: usize) -> String {
    format!("drain/{kind}/{length}")
}

/// The table's name for a kind of lock and a line of that length.
pub(crate) fn cancel_name(kind: &str, length: usize) -> String {
    format!("cancel/{kind}/{length}")
}

/// A sample over a line of this length.
type Sampler = fn(&Line) -> Row;

struct Line {
    length: usize,
    /// Who leaves, in this order: half of them.
    leavers: Rc<[usize]>,
}

impl Line {
    fn new(length: usize) -> Self {
        Self { length, leavers: random::permutation(length).into_iter().take(length / 2).collect() }
    }
}

pub(crate) fn run(bench: &mut Bench) {
    let drains: [(&str, &[Sampler]); 4] = [
        ("mutex", DRAIN_MUTEX),
        ("semaphore", DRAIN_SEMAPHORE),
        ("read", DRAIN_READ),
        ("write", DRAIN_WRITE),
    ];
    for (kind, rows) in drains {
        for length in DRAINED {
            table(bench, drain_name(kind, length), length, rows);
        }
    }
    let cancels: [(&str, &[Sampler]); 3] =
        [("mutex", CANCEL_MUTEX), ("semaphore", CANCEL_SEMAPHORE), ("write", CANCEL_WRITE)];
    for (kind, rows) in cancels {
        for length in CANCELLED {
            table(bench, cancel_name(kind, length), length, rows);
        }
    }
}

fn table(bench: &mut Bench, name: String, length: usize, rows: &[Sampler]) {
    let effort = bench.effort();
    let actual = effort.parties(length, 40);
    let rounds = match length {
        ..=1_000 => effort.pick(101, 15, 1),
        1_001..=10_000 => effort.pick(31, 7, 1),
        _ => effort.pick(11, 3, 1),
    };
    bench.table(name, Unit::Nanoseconds, MAITAKE, rounds, || {
        let line = Line::new(actual);
        let rows = rows.iter().map(|row| row(&line));
        rows.filter(|row| peers::serves(row.name, length)).collect()
    });
}

const DRAIN_MUTEX: &[Sampler] = &[
    drain::<Locking<sync::Mutex<()>>>,
    drain::<Locking<spin::Mutex<()>>>,
    drain::<Locking<maitake_sync::Mutex<()>>>,
    drain::<Locking<futures_intrusive::sync::Mutex<()>>>,
    drain::<Locking<futures_intrusive::sync::LocalMutex<()>>>,
    drain::<Locking<async_lock::Mutex<()>>>,
    drain::<Locking<tokio::sync::Mutex<()>>>,
    drain::<Locking<saa::Lock>>,
    drain::<Locking<ListenerMutex>>,
];

const DRAIN_SEMAPHORE: &[Sampler] = &[
    drain::<Taking<sync::Semaphore>>,
    drain::<Taking<spin::Semaphore>>,
    drain::<Taking<maitake_sync::Semaphore>>,
    drain::<Taking<futures_intrusive::sync::Semaphore>>,
    drain::<Taking<futures_intrusive::sync::LocalSemaphore>>,
    drain::<Taking<async_lock::Semaphore>>,
    drain::<Taking<tokio::sync::Semaphore>>,
    drain::<Taking<saa::Semaphore>>,
];

const DRAIN_READ: &[Sampler] = &[
    drain::<Reading<sync::RwLock<()>>>,
    drain::<Reading<spin::RwLock<()>>>,
    drain::<Reading<maitake_sync::RwLock<()>>>,
    drain::<Reading<async_lock::RwLock<()>>>,
    drain::<Reading<tokio::sync::RwLock<()>>>,
    drain::<Reading<saa::Lock>>,
];

const DRAIN_WRITE: &[Sampler] = &[
    drain::<Writing<sync::RwLock<()>>>,
    drain::<Writing<spin::RwLock<()>>>,
    drain::<Writing<maitake_sync::RwLock<()>>>,
    drain::<Writing<async_lock::RwLock<()>>>,
    drain::<Writing<tokio::sync::RwLock<()>>>,
    drain::<Writing<saa::Lock>>,
];

const CANCEL_MUTEX: &[Sampler] = &[
    cancel::<Locking<sync::Mutex<()>>>,
    cancel::<Locking<spin::Mutex<()>>>,
    cancel::<Locking<maitake_sync::Mutex<()>>>,
    cancel::<Locking<futures_intrusive::sync::Mutex<()>>>,
    cancel::<Locking<futures_intrusive::sync::LocalMutex<()>>>,
    cancel::<Locking<async_lock::Mutex<()>>>,
    cancel::<Locking<tokio::sync::Mutex<()>>>,
    cancel::<Locking<saa::Lock>>,
    cancel::<Locking<ListenerMutex>>,
];

const CANCEL_SEMAPHORE: &[Sampler] = &[
    cancel::<Taking<sync::Semaphore>>,
    cancel::<Taking<spin::Semaphore>>,
    cancel::<Taking<maitake_sync::Semaphore>>,
    cancel::<Taking<futures_intrusive::sync::Semaphore>>,
    cancel::<Taking<futures_intrusive::sync::LocalSemaphore>>,
    cancel::<Taking<async_lock::Semaphore>>,
    cancel::<Taking<tokio::sync::Semaphore>>,
    cancel::<Taking<saa::Semaphore>>,
];

const CANCEL_WRITE: &[Sampler] = &[
    cancel::<Writing<sync::RwLock<()>>>,
    cancel::<Writing<spin::RwLock<()>>>,
    cancel::<Writing<maitake_sync::RwLock<()>>>,
    cancel::<Writing<async_lock::RwLock<()>>>,
    cancel::<Writing<tokio::sync::RwLock<()>>>,
    cancel::<Writing<saa::Lock>>,
];

fn drain<G: Gate>(line: &Line) -> Row {
    let lock = Page::new(G::new());
    let length = line.length;
    Row::new(G::NAME, move || drained::<G>(&lock, length))
}

fn cancel<G: Gate>(line: &Line) -> Row {
    let lock = Page::new(G::new());
    let (length, leavers) = (line.length, Rc::clone(&line.leavers));
    Row::new(G::NAME, move || cancelled::<G>(&lock, length, &leavers))
}

/// Puts every task into the line.
fn queue<F: Future>(tasks: &mut Arena<F>) {
    for task in 0..tasks.len() {
        assert!(tasks.poll(task).is_pending(), "the lock is held, and a task got it");
    }
}

/// Nanoseconds from letting go until the last in line has been served, for each
/// of them.
fn drained<G: Gate>(lock: &G, length: usize) -> f64 {
    executor::reset(length);
    let shut = executor::ready(lock.shut());
    let mut tasks = Arena::new((0..length).map(|_| lock.enter()));
    queue(&mut tasks);
    let start = Instant::now();
    drop(shut);
    serve(&mut tasks);
    start.elapsed().as_nanos() as f64 / length as f64
}

#[inline(never)]
fn serve<F: Future>(tasks: &mut Arena<F>) {
    let frame = Frame::new();
    frame.settle();
    let mut left = tasks.len();
    while left != 0 {
        let Some(task) = executor::next() else {
            panic!("{left} tasks of {} wait: a wake-up was lost", std::any::type_name::<F>())
        };
        if let Poll::Ready(guard) = tasks.poll(task) {
            // As an `await` does: the future goes first, then the guard.
            tasks.cancel(task);
            drop(guard);
            executor::retire(task);
            left -= 1;
        }
    }
}

/// Nanoseconds for one task to leave the line.
fn cancelled<G: Gate>(lock: &G, length: usize, leavers: &[usize]) -> f64 {
    executor::reset(length);
    let shut = executor::ready(lock.shut());
    let mut tasks = Arena::new((0..length).map(|_| lock.enter()));
    queue(&mut tasks);
    let start = Instant::now();
    leave(&mut tasks, leavers);
    let time = start.elapsed();
    drop(tasks);
    drop(shut);
    time.as_nanos() as f64 / leavers.len() as f64
}

#[inline(never)]
fn leave<F: Future>(tasks: &mut Arena<F>, leavers: &[usize]) {
    let frame = Frame::new();
    frame.settle();
    for &task in leavers {
        tasks.cancel(task);
    }
}
