//! Who waits how long, who is passed by whom, and who gets how much.
//!
//! Everybody takes a ticket before asking, and a number on entering. Of these
//! pairs each figure is made:
//!
//! * **waits**: from the ticket to the entry, as the half, 99 and 99.9 of a
//!   hundred, and the longest; in units of the median wait of this crate's
//!   `sync` lock in the same table;
//! * **passed by**: how many with a later ticket entered before, counting only
//!   those who exclude each other; in the mean and at most;
//! * **share**: what the party with the fewest entries got, and the one with
//!   the most, of an equal share; and Jain's index, 1 when all got the same,
//!   1/n when one got everything;
//! * **entries**: in a second, of this crate's `sync` lock.
//!
//! Between ticket and question a thread may lose its core: then others pass it
//! who came to the lock first. So a lock of threads that nobody can overtake
//! shows some who were passed; the adaptive ticket lock, in which this can be
//! nothing else, shows how many. Tasks on one thread have no such gap, and no
//! clock: their waits are counted in polls of the executor, and every run gives
//! the same figures.

mod tally;
mod tasks;
mod threads;

use super::harness::{Bench, Effort, figure};
use super::ours::OURS;
use tally::Fairness;

pub(crate) fn run(bench: &Bench) {
    threads::run(bench);
    tasks::run(bench);
}

/// A lock, and how it is measured once.
struct Row {
    name: &'static str,
    sample: Box<dyn Fn() -> Fairness>,
}

/// Measures a table if it is wanted, in interleaved rounds, and prints it.
fn table(bench: &Bench, name: &str, rounds: usize, rows: impl FnOnce() -> Vec<Row>) {
    if !bench.wants(name) {
        return;
    }
    let rows = rows();
    let mut samples: Vec<Vec<Fairness>> = rows.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for step in 0..rows.len() {
            let at = (round + step) % rows.len();
            samples[at].push((rows[at].sample)());
        }
    }
    if bench.effort() == Effort::Smoke {
        println!("{name} runs");
        return;
    }
    let medians: Vec<Fairness> = samples.iter().map(|samples| Fairness::median(samples)).collect();
    let ours = rows.iter().position(|row| row.name == OURS).map(|at| &medians[at]);
    let (wait, rate) = ours.map_or((1.0, 1.0), |ours| (ours.waits[0], ours.rate));
    println!("\n{name}, medians of {rounds} rounds");
    println!(
        "  {:<26} {:>8}  {:>8} {:>8} {:>8} {:>8}  {:>8} {:>8}  {:>6} {:>6} {:>6}",
        "",
        "entries",
        "wait 50",
        "99",
        "99.9",
        "longest",
        "passed",
        "at most",
        "least",
        "most",
        "Jain"
    );
    for (row, fairness) in rows.iter().zip(&medians) {
        let [half, most, nearly, longest] = fairness.waits.map(|one| figure(one / wait));
        println!(
            "  {:<26} {:>8}  {half:>8} {most:>8} {nearly:>8} {longest:>8}  {:>8.2} {:>8.0}  {:>6.2} {:>6.2} {:>6.3}",
            row.name,
            figure(fairness.rate / rate),
            fairness.passed,
            fairness.passed_most,
            fairness.least,
            fairness.most,
            fairness.jain,
        );
    }
}
