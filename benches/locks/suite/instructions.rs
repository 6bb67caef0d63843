//! How many instructions a pair takes, and how many atomic updates.
//!
//! The program runs itself under callgrind, with the rows of
//! [`uncontended`], the very loops that are timed. Callgrind counts inside
//! [`portunus_counted`] only, and writes down what it has counted whenever that
//! returns. Each row runs so often, and twice as often: the difference is that
//! many pairs and nothing else. What an empty loop takes goes off.
//!
//! So the figures are exact, and the same in every run of one build. An aim
//! that is missed here is an error.

use std::env;
use std::fs;
use std::hint::black_box;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use super::harness::{Bench, INSTRUCTIONS, Row};
use super::machine;
use super::reference::CAS_PAIR;
use super::uncontended::{TABLES, nothing};

/// Pairs in the shorter run of a row.
const COUNT: u32 = 500;

/// The name by which callgrind knows [`portunus_counted`].
const COUNTED: &str = concat!(module_path!(), "::portunus_counted");

/// The rows that must not exceed the aims begin so.
const OURS: &str = "portunus";

/// The most that a thread's pair may take, and a first poll with its release.
const PAIR: Cost = Cost { instructions: 20.0, updates: 2.0 };
const POLL: Cost = Cost { instructions: 45.0, updates: 2.0 };

/// What callgrind counts.
#[derive(Clone, Copy, Debug)]
struct Cost {
    instructions: f64,
    /// Accesses with the bus locked: atomic updates.
    updates: f64,
}

impl Cost {
    fn minus(self, other: Self) -> Self {
        Self {
            instructions: self.instructions - other.instructions,
            updates: self.updates - other.updates,
        }
    }

    fn per(self, count: u32) -> Self {
        let count = f64::from(count);
        Self { instructions: self.instructions / count, updates: self.updates / count }
    }

    fn is_within(self, aim: Self) -> bool {
        // A little for what does not cancel out: the clock is read around a
        // run, and takes an instruction more or less.
        let slack = 0.1;
        self.instructions <= aim.instructions + slack && self.updates <= aim.updates + slack
    }
}

/// Everything that runs inside here is counted.
#[inline(never)]
fn portunus_counted(row: &mut Row) -> f64 {
    let sample = (row.sample)();
    // Not the last act: else this function would be left by a jump.
    black_box(sample)
}

/// The rows, in the order in which they are counted: table, and the row with
/// [`COUNT`] repetitions and twice as many.
fn rows(bench: &Bench) -> Vec<(&'static str, [Row; 2])> {
    let mut rows = Vec::new();
    let mut add = |table, few: Vec<Row>, many: Vec<Row>| {
        rows.extend(few.into_iter().zip(many).map(|(few, many)| (table, [few, many])));
    };
    add("nothing", nothing(COUNT).into(), nothing(2 * COUNT).into());
    for (table, make) in TABLES {
        if bench.wants(table) {
            add(table, make(COUNT), make(2 * COUNT));
        }
    }
    rows
}

/// What runs under callgrind.
pub(crate) fn count(bench: &Bench) {
    // The C library leaves its atomics out while there is one thread.
    machine::settle();
    for (_, rows) in &mut rows(bench) {
        for row in rows {
            // Once for what is done once only.
            (row.sample)();
            portunus_counted(row);
        }
    }
}

/// Counts, prints, and judges.
pub(crate) fn run(bench: &Bench) -> ExitCode {
    let folder = env::temp_dir().join(format!("portunus-instructions-{}", std::process::id()));
    let counted = fs::create_dir(&folder).and_then(|()| callgrind(&folder.join("counts")));
    let _ = fs::remove_dir_all(&folder);
    match counted {
        Ok(costs) => judge(bench, &costs),
        Err(error) => {
            eprintln!("instructions can't be counted: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs this program again, to be counted.
fn callgrind(out: &Path) -> io::Result<Vec<Cost>> {
    let status = Command::new("valgrind")
        .args(["-q", "--tool=callgrind", "--collect-bus=yes", "--combine-dumps=yes"])
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(format!("--dump-after={COUNTED}"))
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(env::current_exe()?)
        .args(env::args().skip(1).filter(|arg| arg != INSTRUCTIONS))
        .arg("--counted")
        .stdin(Stdio::null())
        .status()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                io::Error::other("valgrind is missing; Debian: apt-get install valgrind")
            }
            _ => error,
        })?;
    if !status.success() {
        return Err(io::Error::other(format!("valgrind ended with {status}")));
    }
    let text = fs::read_to_string(out)?;
    // Zeros at the end are left out.
    let costs = text.lines().filter_map(|line| line.strip_prefix("totals:")).map(|totals| {
        let mut numbers = totals.split_whitespace().map(|number| number.parse().unwrap_or(0.0));
        Cost { instructions: numbers.next().unwrap_or(0.0), updates: numbers.next().unwrap_or(0.0) }
    });
    Ok(costs.collect())
}

fn judge(bench: &Bench, totals: &[Cost]) -> ExitCode {
    let rows = rows(bench);
    // One for each run, and one for the end of the program.
    if totals.len() != 2 * rows.len() + 1 {
        eprintln!("{} runs of {COUNTED}, and {} counts", 2 * rows.len(), totals.len());
        return ExitCode::FAILURE;
    }
    let costs: Vec<_> = totals.chunks_exact(2).map(|run| run[1].minus(run[0]).per(COUNT)).collect();
    let (loops, costs) = costs.split_at(2);
    println!("instructions and atomic updates of one pair; a star: more than aimed at");
    let (mut last, mut missed, mut judged) = ("", 0, 0);
    for ((table, [row, _]), cost) in rows.iter().skip(2).zip(costs) {
        let (aim, around) =
            if table.starts_with("pair/") { (PAIR, loops[0]) } else { (POLL, loops[1]) };
        if *table != last {
            println!("\n{table}");
            last = table;
        }
        let is_pair = row.name == CAS_PAIR;
        let cost = cost.minus(if is_pair { loops[0] } else { around });
        let ours = row.name.starts_with(OURS);
        let over = ours && !cost.is_within(aim);
        judged += usize::from(ours);
        missed += usize::from(over);
        println!(
            "  {:<26} {:>8.1} {:>6.1}{}",
            row.name,
            cost.instructions,
            cost.updates,
            if over { " *" } else { "" }
        );
    }
    println!(
        "\n{judged} of {OURS}, at most {} instructions for a thread and {} for a task, {} updates: {}",
        PAIR.instructions,
        POLL.instructions,
        PAIR.updates,
        if missed == 0 { "met".to_owned() } else { format!("{missed} missed") }
    );
    if missed == 0 && judged > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
