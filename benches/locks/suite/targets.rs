//! What is aimed at, what is reached.

use super::harness::{Bench, Effort, figure};
use super::ours::{FIVE_EXCLUSIVE, FIVE_INTENT, FIVE_SHARED, OURS};
use super::peers::{INTRUSIVE_LOCAL, MAITAKE, PARKING};
#[cfg(target_os = "linux")]
use super::pthread::FUTEX_TICKET;
use super::reference::{ADAPTIVE_TICKET, CAS_PAIR};
use super::{sizes, tasks, threads, waiting};

/// How much slower a waiter of the longest line may be served than one of the
/// shortest, and the line still counts as flat.
const FLAT: f64 = 1.1;

#[derive(Clone, Copy)]
enum Aim {
    AtMost(f64),
    AtLeast(f64),
}

use Aim::{AtLeast, AtMost};

/// The verdicts, one line each.
struct Verdicts {
    quiet: bool,
    /// Every aim must have been measured.
    complete: bool,
    met: usize,
    judged: usize,
}

impl Verdicts {
    /// Judges one aim; one that was not measured is passed over.
    fn judge(&mut self, what: &str, aim: Aim, reached: Option<f64>) {
        let Some(reached) = reached else {
            assert!(!self.complete, "nothing measures {what}");
            return;
        };
        let (sign, bound, met) = match aim {
            AtMost(bound) => ("<=", bound, reached <= bound),
            AtLeast(bound) => (">=", bound, reached >= bound),
        };
        self.judged += 1;
        self.met += usize::from(met);
        if !self.quiet {
            let verdict = if met { "met" } else { "missed" };
            println!("  {what:<62} {sign} {bound:<6} {:>9}  {verdict}", figure(reached));
        }
    }
}

/// Prints the aims whose tables were measured.
pub(crate) fn judge(bench: &Bench) {
    let quiet = bench.effort() == Effort::Smoke;
    let mut verdicts = Verdicts { quiet, complete: bench.is_complete(), met: 0, judged: 0 };
    if !quiet {
        println!("\naims, as ratios of medians of rounds, or bytes");
        println!("  {:<62} {:<9} {:>9}", "", "aim", "reached");
    }
    uncontended(bench, &mut verdicts);
    between_tasks(bench, &mut verdicts);
    lines(bench, &mut verdicts);
    between_threads(bench, &mut verdicts);
    notified(bench, &mut verdicts);
    doors(bench, &mut verdicts);
    bytes(bench, &mut verdicts);
    if !quiet {
        println!("  {} of {} met", verdicts.met, verdicts.judged);
    }
}

fn uncontended(bench: &Bench, verdicts: &mut Verdicts) {
    let pairs = [
        ("pair/mutex", OURS, 0.97),
        ("pair/read", OURS, 0.97),
        ("pair/write", OURS, 0.97),
        ("pair/modes", FIVE_EXCLUSIVE, 0.97),
        ("pair/modes", FIVE_SHARED, 0.97),
        ("pair/modes", FIVE_INTENT, 0.97),
        ("pair/semaphore", OURS, 1.0),
        ("poll/mutex", OURS, 1.0),
        ("poll/read", OURS, 1.0),
        ("poll/write", OURS, 1.0),
        ("poll/semaphore", OURS, 1.0),
        ("poll/modes", FIVE_EXCLUSIVE, 1.0),
        ("poll/modes", FIVE_SHARED, 1.0),
        ("poll/modes", FIVE_INTENT, 1.0),
    ];
    for (table, row, aim) in pairs {
        ratio(bench, verdicts, table, row, CAS_PAIR, AtMost(aim));
    }
}

fn between_tasks(bench: &Bench, verdicts: &mut Verdicts) {
    for (kind, aim) in [("mutex", 0.75), ("semaphore", 0.5), ("rwlock", 0.6)] {
        for parties in tasks::crowds() {
            ratio(bench, verdicts, &tasks::name(kind, parties), OURS, MAITAKE, AtMost(aim));
        }
    }
}

fn lines(bench: &Bench, verdicts: &mut Verdicts) {
    for (kind, aim) in [("mutex", 0.9), ("semaphore", 0.45), ("read", 0.45), ("write", 0.45)] {
        for length in waiting::DRAINED {
            ratio(bench, verdicts, &waiting::drain_name(kind, length), OURS, MAITAKE, AtMost(aim));
        }
        let [short, .., long] = waiting::DRAINED;
        let median = |length| bench.median(&waiting::drain_name(kind, length), OURS);
        let flat = median(long).zip(median(short)).map(|(long, short)| long / short);
        verdicts.judge(&format!("drain/{kind}, {OURS}, {long} of {short}"), AtMost(FLAT), flat);
    }
    let [short, long] = waiting::CANCELLED;
    for kind in ["mutex", "semaphore", "write"] {
        let name = |length| waiting::cancel_name(kind, length);
        ratio(bench, verdicts, &name(short), OURS, MAITAKE, AtMost(1.0));
        // It has no lock of readers and writers.
        if kind != "write" {
            ratio(bench, verdicts, &name(long), OURS, INTRUSIVE_LOCAL, AtMost(1.1));
        }
    }
}

fn between_threads(bench: &Bench, verdicts: &mut Verdicts) {
    for (parties, aim) in threads::PARTIES.into_iter().zip([1.0, 1.2, 1.2]) {
        let table = threads::name(parties);
        ratio(bench, verdicts, &table, OURS, ADAPTIVE_TICKET, AtLeast(aim));
        #[cfg(target_os = "linux")]
        ratio(bench, verdicts, &table, OURS, FUTEX_TICKET, AtLeast(aim));
        for parking in PARKING {
            ratio(bench, verdicts, &table, OURS, parking, AtLeast(5.0));
        }
    }
}

fn notified(bench: &Bench, verdicts: &mut Verdicts) {
    use super::conditions::{ALL_TASKS, ALL_THREADS, ASYNCBAND, PING_TASKS, PING_THREADS, STD};
    ratio(bench, verdicts, PING_THREADS, OURS, STD, AtMost(0.5));
    ratio(bench, verdicts, ALL_THREADS, OURS, STD, AtMost(1.0));
    ratio(bench, verdicts, PING_TASKS, OURS, ASYNCBAND, AtMost(0.5));
    ratio(bench, verdicts, ALL_TASKS, OURS, ASYNCBAND, AtMost(0.8));
}

/// How much dearer than its lock a door may be, and the difference still be
/// none that could be measured.
const NO_MORE: f64 = 1.03;

fn doors(bench: &Bench, verdicts: &mut Verdicts) {
    use super::doors::{DOOR, TABLES};
    for table in TABLES {
        ratio(bench, verdicts, table, DOOR, OURS, AtMost(NO_MORE));
    }
}

fn bytes(bench: &Bench, verdicts: &mut Verdicts) {
    let size = bench.size(sizes::MUTEX, OURS);
    let lock = size.map(|size| size.lock as f64);
    let future = size.and_then(|size| size.future).map(|bytes| bytes as f64);
    verdicts.judge("bytes of a mutex without data", AtMost(24.0), lock);
    verdicts.judge("bytes of its future", AtMost(56.0), future);
}

/// Judges the median ratio of two rows of a table.
fn ratio(bench: &Bench, verdicts: &mut Verdicts, table: &str, row: &str, over: &str, aim: Aim) {
    let reached = bench.ratio(table, row, over).map(|spread| spread.median);
    verdicts.judge(&format!("{table}, {row} of {over}"), aim, reached);
}
