//! Counts the words of real text with threads and tasks at one table.
//!
//! ```text
//! cargo run --release --all-features --example census [OPTIONS] [FILES or FOLDERS...]
//! ```
//!
//! The text is cut into pieces of about a kilobyte. Each worker, a thread or a
//! task, takes a piece, counts its words for itself, and adds them to the
//! table that all share. One [`FifoLock`](portunus::sync::FifoLock) with
//! three modes of the census' own says who may be at the table:
//!
//! | mode | what it does | beside whom |
//! |---|---|---|
//! | `Count` | adds to words that the table has; what it lacks stays in the worker's pocket | other counters |
//! | `Merge` | empties a pocket into the table | nobody |
//! | `Report` | reads all totals, which have to be exact: no piece half added | other reporters |
//!
//! Many count, a few merge, and one thread and one task report. Threads block
//! in `acquire`; tasks run on an executor and await `acquire_async`; all stand
//! in one line.
//!
//! What is shown in the end:
//!
//! * the top words;
//! * how long each kind of request waited;
//! * that nobody was overtaken, see below;
//! * that every report found exact totals;
//! * that the totals equal those of a plain loop over the same text.
//!
//! # Processes
//!
//! With `--processes` children of this program count as well (Linux, feature
//! `shm`). The table then lies in shared memory, plain data behind a
//! `shm::SharedDoor`: threads, tasks and children enter by it, one to write or
//! several to read, and each adds what it has counted and takes the next lot of
//! text in one turn. Nothing of a dead child's work is lost or counted twice: the lot that
//! it had taken is done anew by others, and what it had half added is taken
//! back, see `board.rs`. `--kill` shows it.
//!
//! # How order is checked
//!
//! One counter numbers three moments of a request: before it asks, when it has
//! been seen to stand in line, and when it holds. Of two requests in
//! conflicting modes, the first seen in line before the second asked, the
//! first has to hold first. Pairs count as checked only if the first did not
//! hold yet when the second asked: otherwise there was nobody to overtake.
//!
//! When a request has entered the line, only a task can tell: its first poll
//! returns, and it is not served. A blocked thread comes back served. So the
//! first of a checked pair is always a task; the second is a task or a thread.

#![allow(missing_docs)]
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

mod args;
#[cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
mod board;
mod guarded;
mod log;
mod modes;
mod order;
mod page;
#[cfg_attr(
    not(all(feature = "shm", target_os = "linux", target_has_atomic = "64")),
    path = "no_processes.rs"
)]
mod processes;
mod table;
mod text;
mod waits;
mod work;

use std::env;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use portunus::Mode;

use args::{Command, Options};
use log::Face;
use modes::TableMode;
use page::Page;
use text::Counts;
use work::Step;

/// About how many bytes a piece of text has. Small, so that the lock is in
/// demand also over little text.
const PIECE: usize = 1024;

/// From here on a run that had no pair to check has failed: so many tasks, and
/// so many times that one of them let others run while it kept the table.
const CROWD: (usize, usize) = (4, 64);

fn main() -> ExitCode {
    let options = match args::parse(env::args_os().skip(1)) {
        Ok(Command::Count(options)) => options,
        Ok(Command::Child { table, desk }) => {
            return exit_code(processes::child(&table, desk).err().as_slice());
        }
        Ok(Command::Help) => return exit_code(print(args::USAGE).err().as_slice()),
        Err(message) => {
            eprint!("census: {message}\n\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    match census(&options) {
        Ok(problems) => exit_code(&problems),
        Err(problem) => exit_code(&[problem]),
    }
}

/// Tells what went wrong.
fn exit_code(problems: &[String]) -> ExitCode {
    for problem in problems {
        eprintln!("census: {problem}");
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints, unless nobody reads it.
fn print(what: impl Display) -> Result<(), String> {
    let mut out = io::stdout().lock();
    match write!(out, "{what}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("cannot print: {error}"))
        }
        _ => Ok(()),
    }
}

/// Counts, checks and prints. The result lists what a check found wrong.
fn census(options: &Options) -> Result<Vec<String>, String> {
    let own;
    let paths = if options.paths.is_empty() {
        own = own_sources();
        &own
    } else {
        &options.paths
    };
    let texts = text::load(paths, options.lossy).map_err(|error| error.to_string())?;
    let pieces: Vec<&str> = texts.iter().flat_map(|text| text::pieces(text, PIECE)).collect();
    let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();

    let bar = progress_bar(bytes);
    let progress = |step: Step<'_>| match step {
        Step::Counted(bytes) => bar.inc(bytes as u64),
        Step::Reported(cut) => {
            if let Some((word, times)) = &cut.top {
                bar.set_message(format!(
                    "{} words, {times} times \u{201c}{word}\u{201d}",
                    cut.words
                ));
            }
        }
    };
    let mut problems = Vec::new();
    let (outcome, fates) = if options.processes > 0 {
        let (outcome, fates, wrong) = processes::run(&pieces, options, progress)?;
        problems.extend(wrong);
        (outcome, Some(fates))
    } else {
        (work::run(&pieces, options.threads, options.tasks, progress), None)
    };

    bar.set_message("comparing with a plain count");
    let start = Instant::now();
    let mut plain = Counts::new();
    for text in &texts {
        text::count(text, &mut plain);
    }
    let plain_took = start.elapsed();
    let verdict = order::check(&outcome.log.requests);
    bar.finish_and_clear();

    if let Some((first, second)) = &verdict.example {
        problems.push(format!(
            "{} requests overtook another, as this one\n  {second:?}\nthis one\n  {first:?}",
            verdict.overtaken
        ));
    }
    let (tasks, times) = CROWD;
    if verdict.pairs == 0 && options.tasks >= tasks && outcome.log.gave_way >= times {
        problems.push(format!(
            "the order is unchecked: tasks let others run {} times while they kept the table, and \
             yet nobody asked while one stood in line",
            outcome.log.gave_way
        ));
    }
    if outcome.log.torn > 0 {
        problems.push(format!(
            "{} of {} reports found totals that were not exact",
            outcome.log.torn, outcome.log.reports
        ));
    }
    // At a table that processes share, who adds is alone.
    let (faces, modes): (_, &[TableMode]) = if fates.is_some() {
        (&Face::ALL[..], &[TableMode::Merge, TableMode::Report])
    } else {
        (&Face::ALL[..2], TableMode::ALL)
    };
    let mut waits = waits::by_kind(&outcome.log.requests, faces, modes);
    waits.retain(|kind| fates.is_none() || kind.requests > 0);
    let difference = text::difference(&outcome.counts, &plain);
    let page = Page {
        files: texts.len(),
        bytes,
        pieces: pieces.len(),
        threads: options.threads,
        tasks: options.tasks,
        fates,
        took: outcome.took,
        top: text::top(&outcome.counts, options.top),
        waits,
        order: &verdict,
        reports: outcome.log.reports,
        torn: outcome.log.torn,
        words: outcome.counts.values().sum(),
        different: outcome.counts.len(),
        equal: difference.is_none(),
        plain_took,
    };
    problems.extend(print(page).err());
    problems.extend(difference);
    Ok(problems)
}

/// This repository's sources and README, as far as they are there: a published
/// package may lack some.
fn own_sources() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    ["src", "tests", "benches", "examples", "README.md"]
        .iter()
        .map(|name| root.join(name))
        .filter(|path| path.exists())
        .collect()
}

/// A bar on the standard error, which hides itself where that is no terminal.
fn progress_bar(bytes: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}  {msg}")
        .expect("the template is well formed");
    ProgressBar::new(bytes as u64).with_style(style)
}
