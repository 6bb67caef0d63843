//! What is aimed at, what is reached.

use super::deaths::Times;
use super::harness::{Bench, Effort, figure};
use super::peers::ROBUST;
use super::turns::{self, ASLEEP};
use super::{pairs, values};

/// Prints the aims whose tables were measured.
pub(crate) fn judge(bench: &Bench, deaths: Option<&Times>) {
    let ratio = |table, row, over| bench.ratio(table, row, over).map(|spread| spread.median);
    let mut lines = Vec::new();
    for (table, row) in [
        (pairs::EXCLUSIVE, pairs::MUTEX),
        (pairs::EXCLUSIVE, pairs::WRITE),
        (pairs::SHARED, pairs::READ),
    ] {
        lines.push((format!("{table}, {row} of {ROBUST}"), 0.95, ratio(table, row, ROBUST)));
    }
    let table = turns::TABLE;
    for row in [turns::MUTEX, turns::WRITE] {
        lines.push((format!("{table}, {row} of {ASLEEP}"), 0.1, ratio(table, row, ASLEEP)));
    }
    for (table, row, over) in [
        (values::SMALL, values::GET, values::THEIRS_GET),
        (values::SMALL, values::SET, values::THEIRS_SET),
        (values::LARGE, values::GET, values::THEIRS_GET),
        (values::LARGE, values::SET, values::THEIRS_SET),
    ] {
        // Nothing is aimed at: it is told.
        lines.push((format!("{table}, {row} of {over}"), f64::NAN, ratio(table, row, over)));
    }
    let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    lines.push(("death, median, ms".to_owned(), 15.0, deaths.map(|times| ms(times.median))));
    lines.push(("death, 99 of 100, ms".to_owned(), 30.0, deaths.map(|times| ms(times.p99))));

    let complete = bench.is_complete();
    if bench.effort() != Effort::Smoke {
        println!("\naims, as ratios of medians of rounds, or times");
        println!("  {:<62} {:<9} {:>9}", "", "aim", "reached");
    }
    for (what, aim, reached) in lines {
        let Some(reached) = reached else {
            assert!(!complete, "nothing measures {what}");
            continue;
        };
        if bench.effort() == Effort::Smoke {
            continue;
        }
        let reached_as = figure(reached);
        if aim.is_nan() {
            println!("  {what:<62} {:<9} {reached_as:>9}", "-");
        } else {
            let verdict = if reached <= aim { "met" } else { "missed" };
            println!("  {what:<62} <= {aim:<6} {reached_as:>9}  {verdict}");
        }
    }
}
