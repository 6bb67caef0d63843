//! Threads, on two cores.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use portunus::{ReadPreferring, WritePreferring, sync};

use super::tally::{Fairness, Visit};
use super::{Bench, Row, table};
use crate::suite::kinds::{BlockOn, ThreadMutex, ThreadRwLock};
use crate::suite::machine::{self, Apart, Page};
use crate::suite::peers::{ParkingLotFair, ParkingLotFairRwLock};
use crate::suite::random::XorShift;
use crate::suite::reference::AdaptiveTicket;

const PARTIES: [usize; 2] = [2, 8];

/// Turns of an empty loop, inside and at most outside: a tenth and some tenths
/// of a microsecond.
const INSIDE: usize = 300;
const OUTSIDE: usize = 1_200;

/// How many of ten visits of a lock of readers and writers write.
const WRITES: usize = 2;

pub(super) fn run(bench: &Bench) {
    super::tally::check();
    let effort = bench.effort();
    let rounds = effort.pick(7, 1, 1);
    let window = effort.pick(100, 40, 2);
    for parties in PARTIES {
        let setting = Setting { parties, window: Duration::from_millis(window) };
        table(bench, &format!("fairness/mutex/{parties} threads"), rounds, || mutexes(setting));
        table(bench, &format!("fairness/rwlock/{parties} threads"), rounds, || rwlocks(setting));
    }
}

#[derive(Clone, Copy)]
struct Setting {
    parties: usize,
    window: Duration,
}

fn mutexes(setting: Setting) -> Vec<Row> {
    vec![
        row::<Always<AdaptiveTicket>>(setting),
        row::<Always<sync::Mutex<()>>>(setting),
        row::<Always<std::sync::Mutex<()>>>(setting),
        row::<Always<parking_lot::Mutex<()>>>(setting),
        row::<Always<ParkingLotFair>>(setting),
        row::<Always<usync::Mutex<()>>>(setting),
        row::<Always<saa::Lock>>(setting),
        row::<Always<tokio::sync::Mutex<()>>>(setting),
        row::<Always<async_lock::Mutex<()>>>(setting),
        row::<Always<BlockOn<maitake_sync::Mutex<()>>>>(setting),
        row::<Always<BlockOn<futures_intrusive::sync::Mutex<()>>>>(setting),
    ]
}

fn rwlocks(setting: Setting) -> Vec<Row> {
    vec![
        row::<Either<sync::RwLock<()>>>(setting),
        row::<Either<sync::RwLock<(), ReadPreferring>>>(setting),
        row::<Either<sync::RwLock<(), WritePreferring>>>(setting),
        row::<Either<std::sync::RwLock<()>>>(setting),
        row::<Either<parking_lot::RwLock<()>>>(setting),
        row::<Either<ParkingLotFairRwLock>>(setting),
        row::<Either<usync::RwLock<()>>>(setting),
        row::<Either<saa::Lock>>(setting),
        row::<Either<tokio::sync::RwLock<()>>>(setting),
        row::<Either<async_lock::RwLock<()>>>(setting),
        row::<Either<BlockOn<maitake_sync::RwLock<()>>>>(setting),
    ]
}

/// Something to enter, alone or beside others.
trait Doors: Send + Sync + 'static {
    const NAME: &'static str;
    fn new() -> Self;
    /// Whether one with this number enters alone.
    fn is_alone(number: usize) -> bool;
    fn pass<R>(&self, alone: bool, section: impl FnOnce() -> R) -> R;
}

/// A mutex.
struct Always<L>(L);

impl<L: ThreadMutex + Send + Sync> Doors for Always<L> {
    const NAME: &'static str = L::NAME;

    fn new() -> Self {
        Self(L::new())
    }

    fn is_alone(_: usize) -> bool {
        true
    }

    fn pass<R>(&self, _: bool, section: impl FnOnce() -> R) -> R {
        self.0.with(section)
    }
}

/// A lock of readers and writers.
struct Either<L>(L);

impl<L: ThreadRwLock + Send + Sync> Doors for Either<L> {
    const NAME: &'static str = L::NAME;

    fn new() -> Self {
        Self(L::new())
    }

    fn is_alone(number: usize) -> bool {
        number < WRITES
    }

    fn pass<R>(&self, alone: bool, section: impl FnOnce() -> R) -> R {
        if alone { self.0.with_write(section) } else { self.0.with_read(section) }
    }
}

fn row<D: Doors>(setting: Setting) -> Row {
    Row { name: D::NAME, sample: Box::new(move || visits::<D>(setting)) }
}

fn work(turns: usize) {
    for _ in 0..turns {
        black_box(());
    }
}

fn visits<D: Doors>(setting: Setting) -> Fairness {
    let Setting { parties, window } = setting;
    let doors = Page::new(D::new());
    let tickets = Apart(AtomicUsize::new(0));
    let entries = Apart(AtomicUsize::new(0));
    let stop = Apart(AtomicBool::new(false));
    let start = Barrier::new(parties + 1);
    let live = |party: usize| {
        machine::pin(party);
        let mut random = XorShift::new(party as u64);
        let mut visits = Vec::with_capacity(1 << 16);
        start.wait();
        while !stop.load(Relaxed) {
            work(random.below(OUTSIDE));
            let alone = D::is_alone(random.below(10));
            let asked = Instant::now();
            let ticket = tickets.fetch_add(1, Relaxed);
            let (wait, entry) = doors.pass(alone, || {
                let entered = (asked.elapsed(), entries.fetch_add(1, Relaxed));
                work(INSIDE);
                entered
            });
            let wait = wait.as_nanos() as u64;
            visits.push(Visit { party, ticket, entry, wait, alone });
        }
        visits
    };
    let (visits, time) = thread::scope(|scope| {
        let live = &live;
        let threads: Vec<_> = (0..parties).map(|party| scope.spawn(move || live(party))).collect();
        start.wait();
        let begin = Instant::now();
        thread::sleep(window);
        stop.store(true, Relaxed);
        let time = begin.elapsed();
        let visits = threads.into_iter().flat_map(|thread| thread.join().expect("no panic"));
        (visits.collect(), time)
    });
    Fairness::of(visits, parties, time.as_secs_f64())
}
