//! How fast a lock passes from thread to thread, and how much gets through it.
//!
//! In `threads` all ask for the lock all the time, on two cores. Counted is
//! only what a lock in order of arrival must do each time and others avoid:
//! another thread becomes the owner. In `contended` there is work outside, and
//! each entry counts, whoever comes.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use portunus::{spin, sync};

use super::harness::{Bench, Effort, Row, Unit};
use super::kinds::{BlockOn, ThreadMutex};
use super::machine::{self, Apart, Page};
use super::peers::{ParkingLotFair, STD};
#[cfg(target_os = "linux")]
use super::pthread::{FutexTicket, PthreadMutex};
use super::reference::{ADAPTIVE_TICKET, AdaptiveTicket, BEDS, Ticket};

/// How many threads take part.
pub(crate) const PARTIES: [usize; 3] = [2, 8, 32];

/// How many threads take part in `contended`.
const CROWDS: [usize; 3] = [2, 4, 8];

/// Turns of an empty loop outside the lock: some tenths of a microsecond.
const OUTSIDE: u32 = 500;

/// The table's name for so many threads.
pub(crate) fn name(parties: usize) -> String {
    format!("threads/{parties}")
}

pub(crate) fn run(bench: &mut Bench) {
    let effort = bench.effort();
    let rounds = effort.pick(11, 3, 1);
    let [warm, window] = effort.pick([20, 100], [5, 20], [1, 2]).map(Duration::from_millis);
    for parties in CROWDS {
        bench.table(format!("contended/{parties}"), Unit::PerSecond, STD, rounds, || {
            contended(Setting { parties, warm, window })
        });
    }
    for parties in PARTIES {
        let actual = effort.parties(parties, 4);
        bench.table(name(parties), Unit::PerSecond, ADAPTIVE_TICKET, rounds, || {
            let setting = Setting { parties: actual, warm, window };
            let mut rows = vec![
                row::<AdaptiveTicket>(setting),
                row::<sync::Mutex<()>>(setting),
                row::<ParkingLotFair>(setting),
                row::<BlockOn<maitake_sync::Mutex<()>>>(setting),
                row::<BlockOn<futures_intrusive::sync::Mutex<()>>>(setting),
                row::<tokio::sync::Mutex<()>>(setting),
                row::<async_lock::Mutex<()>>(setting),
                row::<saa::Lock>(setting),
                row::<usync::Mutex<()>>(setting),
                row::<parking_lot::Mutex<()>>(setting),
                row::<std::sync::Mutex<()>>(setting),
            ];
            #[cfg(target_os = "linux")]
            rows.insert(1, row::<FutexTicket>(setting));
            // With more threads than cores, spinning in order takes a time
            // slice for each handover: some hundred in a second, and as many
            // slices to stop as there are threads.
            if parties == 2 || effort == Effort::Full {
                rows.push(row::<Ticket>(setting));
            }
            if parties == 2 {
                rows.push(row::<spin::Mutex<()>>(setting));
            }
            rows
        });
    }
}

fn contended(setting: Setting) -> Vec<Row> {
    let mut rows = vec![
        entry::<std::sync::Mutex<()>>(setting),
        entry::<AdaptiveTicket>(setting),
        entry::<sync::Mutex<()>>(setting),
        entry::<parking_lot::Mutex<()>>(setting),
        entry::<ParkingLotFair>(setting),
        entry::<usync::Mutex<()>>(setting),
        entry::<saa::Lock>(setting),
        entry::<BlockOn<maitake_sync::Mutex<()>>>(setting),
        entry::<BlockOn<futures_intrusive::sync::Mutex<()>>>(setting),
        entry::<tokio::sync::Mutex<()>>(setting),
        entry::<async_lock::Mutex<()>>(setting),
    ];
    #[cfg(target_os = "linux")]
    rows.push(entry::<PthreadMutex>(setting));
    if setting.parties == 2 {
        rows.push(entry::<::spin::mutex::SpinMutex<()>>(setting));
        rows.push(entry::<spin::Mutex<()>>(setting));
    }
    rows
}

#[derive(Clone, Copy)]
struct Setting {
    parties: usize,
    /// Not counted.
    warm: Duration,
    /// Counted.
    window: Duration,
}

fn row<L: ThreadMutex + Send + Sync>(setting: Setting) -> Row {
    Row::new(L::NAME, move || handovers::<L>(setting))
}

fn entry<L: ThreadMutex + Send + Sync>(setting: Setting) -> Row {
    Row::new(L::NAME, move || entries::<L>(setting))
}

/// What the owners write down, under the lock.
struct Tally {
    /// The last owner, from 1.
    owner: AtomicUsize,
    changes: AtomicU64,
}

impl Tally {
    #[inline(always)]
    fn note(&self, me: usize) {
        if self.owner.load(Relaxed) != me {
            self.owner.store(me, Relaxed);
            self.changes.store(self.changes.load(Relaxed) + 1, Relaxed);
        }
    }
}

/// Changes of the owner in a second.
fn handovers<L: ThreadMutex + Send + Sync>(setting: Setting) -> f64 {
    let lock = Page::new(L::new());
    let tally = Apart(Tally { owner: AtomicUsize::new(0), changes: AtomicU64::new(0) });
    rate(setting, |party| lock.with(|| tally.note(party + 1)), || tally.changes.load(Relaxed))
}

/// Entries in a second, with a short section and some work outside.
fn entries<L: ThreadMutex + Send + Sync>(setting: Setting) -> f64 {
    let lock = Page::new(L::new());
    let inside = Apart(AtomicU64::new(0));
    rate(
        setting,
        |_| {
            // Not by an exchange: the lock excludes.
            lock.with(|| inside.store(inside.load(Relaxed) + 1, Relaxed));
            for _ in 0..OUTSIDE {
                black_box(());
            }
        },
        || inside.load(Relaxed),
    )
}

/// Lets threads take their `turn` again and again, and answers how much
/// `count` grew in a second.
fn rate(setting: Setting, turn: impl Fn(usize) + Sync, count: impl Fn() -> u64) -> f64 {
    let Setting { parties, warm, window } = setting;
    assert!(parties <= BEDS, "the adaptive ticket lock serves at most {BEDS} threads");
    let stop = Apart(AtomicBool::new(false));
    let start = Barrier::new(parties + 1);
    let (count, time) = thread::scope(|scope| {
        for party in 0..parties {
            let (turn, stop, start) = (&turn, &stop, &start);
            scope.spawn(move || {
                machine::pin(party);
                start.wait();
                while !stop.load(Relaxed) {
                    turn(party);
                }
            });
        }
        start.wait();
        thread::sleep(warm);
        let (before, begin) = (count(), Instant::now());
        // However late this thread gets its core back: the time is measured.
        thread::sleep(window);
        let (after, time) = (count(), begin.elapsed());
        stop.store(true, Relaxed);
        (after - before, time)
    });
    count as f64 / time.as_secs_f64()
}
