//! The locks of this crate beside every peer, in one process.
//!
//! ```text
//! cargo bench --bench locks --features async                    times and sizes, some minutes
//! cargo bench --bench locks --features async -- --quick         few rounds, two minutes
//! cargo bench --bench locks --features async -- drain/ tasks/   tables whose name has one of these
//! cargo bench --bench locks --features async -- --instructions  what a pair takes, counted
//! cargo bench --bench locks --features async -- --fairness      who waits, and who is passed
//! ```
//!
//! It measures only with `--bench`, which `cargo bench` passes, or `--quick`.
//! Otherwise (`cargo test --all-targets`), or with `--test`, every scenario
//! runs once in miniature, to show that it works, and prints no figures. Flags
//! that are not known are ignored.
//!
//! # Tables
//!
//! | table | one operation | ratio to |
//! |---|---|---|
//! | `pair/KIND` | a thread enters and leaves, nobody else is there | `CAS pair` |
//! | `poll/KIND` | a future is made, polled once, and its guard dropped | `CAS pair` |
//! | `contended/N` | a short section, some work outside; N threads on two cores | `std` |
//! | `threads/N` | the lock passes from one thread to another; N threads on two cores | `adaptive ticket` |
//! | `tasks/KIND/N` | a task enters, yields once inside, leaves; N tasks on one thread | `maitake` |
//! | `drain/KIND/N` | one of N queued futures is served | `maitake` |
//! | `cancel/KIND/N` | one of N queued futures is dropped, in random order, half of them | `maitake` |
//! | `notify/ping/…` | a turn passes between two, with a condition | `std`, `asyncband` |
//! | `notify/all/…` | one of a crowd that is notified at once runs | `std`, `asyncband` |
//! | `door/…` | as `pair` and `poll`, through a door | `portunus sync` |
//! | `sizes` | bytes of a lock without data, and of its future | |
//!
//! # How to read them
//!
//! Take the ratios, not the nanoseconds. A round takes one sample of each row,
//! and a ratio is formed inside its round; its minimum, median and maximum over
//! all rounds are printed. In `threads` and `contended` a higher ratio is better, elsewhere a
//! lower one. Rows named `portunus` are this crate's; the reference points
//! (`CAS pair`, `swap pair`, the ticket locks) are written here, in
//! `reference.rs`.
//!
//! `--instructions` needs valgrind. It counts `pair` and `poll`, exactly, and
//! fails when a lock of this crate takes more than it may. `--fairness` says at
//! its head, in `suite/fairness`, what its figures are.
//!
//! At the end stand the aims, the ratios reached, and whether they were met.
//!
//! Peers that have only an asynchronous face are blocked on, for the tables of
//! threads, by the smallest `block_on` there can be: one poll, then parking.
//!
//! # What distorts
//!
//! * Anything busy on the two cores ruins `threads`: a thread that yields there
//!   gives its core away for milliseconds. The load is printed at the top.
//! * Where code finds its stack and its lock moves rows by 15 %. So the locks
//!   lie in the middle of a page each, and the measuring functions align their
//!   frames to a page.
//! * The C library drops the atomics of some locks while there is one thread.
//!   So a second one sleeps all the time.
//! * Threads that wander between cores have two speeds. So all are pinned, on
//!   Linux.
#![allow(missing_docs)]
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

#[cfg(all(feature = "std", feature = "async"))]
mod suite;

#[cfg(all(feature = "std", feature = "async"))]
fn main() -> std::process::ExitCode {
    suite::run()
}

#[cfg(not(all(feature = "std", feature = "async")))]
fn main() {
    eprintln!("the benchmark needs the features `std` and `async`");
}
