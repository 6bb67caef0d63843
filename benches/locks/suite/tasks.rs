//! How fast a lock passes from task to task, on one thread.
//!
//! Every task enters, lets all others run once, and leaves, again and again.
//! So nearly every acquisition waits in line and is woken.

use std::cell::Cell;
use std::future::Future;
use std::time::Instant;

use portunus::{ReadPreferring, WritePreferring, spin, sync};

use super::arena::Arena;
use super::executor;
use super::harness::{Bench, Row, Unit};
use super::kinds::{AsyncRwLock, Gate, Locking, Taking};
use super::machine::{Frame, Page};
use super::peers::{self, MAITAKE};
use super::random::XorShift;
use super::reference::Nothing;

/// How many tasks there are.
const PARTIES: [usize; 4] = [2, 16, 1_000, 10_000];
/// The least number of them that the aims are about.
const CROWD: usize = 16;

/// The numbers of tasks that the aims are about.
pub(crate) fn crowds() -> impl Iterator<Item = usize> {
    PARTIES.into_iter().filter(|&parties| parties >= CROWD)
}

/// The table's name for a kind of lock and so many tasks.
pub(crate) fn name(kind: &str, parties: usize) -> String {
    format!("tasks/{kind}/{parties}")
}

/// Makes the rows of one table.
type Rows = fn(Setting) -> Vec<Row>;

pub(crate) fn run(bench: &mut Bench) {
    let effort = bench.effort();
    let rounds = effort.pick(21, 5, 1);
    let kinds: [(&str, Rows); 3] = [("mutex", mutex), ("semaphore", semaphore), ("rwlock", rwlock)];
    for (kind, rows) in kinds {
        for parties in PARTIES {
            let actual = effort.parties(parties, 16);
            let count = effort.pick(40_000, 20_000, 100).max(2 * actual as u64);
            bench.table(name(kind, parties), Unit::Nanoseconds, MAITAKE, rounds, || {
                let rows = rows(Setting { parties: actual, count }).into_iter();
                rows.filter(|row| peers::serves(row.name, parties)).collect()
            });
        }
    }
}

#[derive(Clone, Copy)]
struct Setting {
    parties: usize,
    /// Acquisitions in a sample.
    count: u64,
}

fn mutex(setting: Setting) -> Vec<Row> {
    vec![
        gate::<Locking<sync::Mutex<()>>>(setting),
        gate::<Locking<spin::Mutex<()>>>(setting),
        gate::<Locking<maitake_sync::Mutex<()>>>(setting),
        gate::<Locking<futures_intrusive::sync::Mutex<()>>>(setting),
        gate::<Locking<futures_intrusive::sync::LocalMutex<()>>>(setting),
        gate::<Locking<async_lock::Mutex<()>>>(setting),
        gate::<Locking<tokio::sync::Mutex<()>>>(setting),
        gate::<Locking<saa::Lock>>(setting),
        gate::<Locking<Nothing>>(setting),
    ]
}

fn semaphore(setting: Setting) -> Vec<Row> {
    vec![
        gate::<Taking<sync::Semaphore>>(setting),
        gate::<Taking<spin::Semaphore>>(setting),
        gate::<Taking<maitake_sync::Semaphore>>(setting),
        gate::<Taking<futures_intrusive::sync::Semaphore>>(setting),
        gate::<Taking<futures_intrusive::sync::LocalSemaphore>>(setting),
        gate::<Taking<async_lock::Semaphore>>(setting),
        gate::<Taking<tokio::sync::Semaphore>>(setting),
        gate::<Taking<saa::Semaphore>>(setting),
    ]
}

fn rwlock(setting: Setting) -> Vec<Row> {
    vec![
        mixed::<sync::RwLock<()>>(setting),
        mixed::<spin::RwLock<()>>(setting),
        mixed::<sync::RwLock<(), ReadPreferring>>(setting),
        mixed::<sync::RwLock<(), WritePreferring>>(setting),
        mixed::<maitake_sync::RwLock<()>>(setting),
        mixed::<async_lock::RwLock<()>>(setting),
        mixed::<tokio::sync::RwLock<()>>(setting),
        mixed::<saa::Lock>(setting),
    ]
}

fn gate<G: Gate>(setting: Setting) -> Row {
    let lock = Page::new(G::new());
    Row::new(G::NAME, move || {
        let taken = Cell::new(0);
        handovers((0..setting.parties).map(|_| enter_for_ever::<G>(&lock, &taken)), &taken, setting)
    })
}

fn mixed<L: AsyncRwLock>(setting: Setting) -> Row {
    let lock = Page::new(L::new());
    Row::new(L::NAME, move || {
        let taken = Cell::new(0);
        handovers(
            (0..setting.parties).map(|task| mix_for_ever::<L>(&lock, task, &taken)),
            &taken,
            setting,
        )
    })
}

async fn enter_for_ever<G: Gate>(lock: &G, taken: &Cell<u64>) {
    loop {
        let guard = lock.enter().await;
        executor::yield_once().await;
        drop(guard);
        taken.set(taken.get() + 1);
    }
}

/// Reads nine times in ten, and writes else.
async fn mix_for_ever<L: AsyncRwLock>(lock: &L, task: usize, taken: &Cell<u64>) {
    let mut random = XorShift::new(task as u64);
    loop {
        if random.below(10) == 0 {
            let guard = lock.write_future().await;
            executor::yield_once().await;
            drop(guard);
        } else {
            let guard = lock.read_future().await;
            executor::yield_once().await;
            drop(guard);
        }
        taken.set(taken.get() + 1);
    }
}

/// Nanoseconds for one acquisition.
fn handovers<F: Future<Output = ()>>(
    tasks: impl Iterator<Item = F>,
    taken: &Cell<u64>,
    setting: Setting,
) -> f64 {
    executor::reset(setting.parties);
    let mut tasks = Arena::new(tasks);
    for task in 0..tasks.len() {
        executor::wake(task);
    }
    // Until the line has its usual length and order.
    drive(&mut tasks, taken, 2 * setting.parties as u64);
    let warm = taken.get();
    let start = Instant::now();
    drive(&mut tasks, taken, warm + setting.count);
    let time = start.elapsed();
    time.as_nanos() as f64 / (taken.get() - warm) as f64
}

/// Runs the tasks until the lock was taken so often.
#[inline(never)]
fn drive<F: Future<Output = ()>>(tasks: &mut Arena<F>, taken: &Cell<u64>, until: u64) {
    let frame = Frame::new();
    frame.settle();
    while taken.get() < until {
        match executor::next() {
            Some(task) => assert!(tasks.poll(task).is_pending(), "a task for ever ended"),
            None => panic!("no task can run: a wake-up was lost"),
        }
    }
}
