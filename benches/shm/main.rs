//! Locks between processes beside those of the C library and of the kernel, in
//! one run.
//!
//! ```text
//! cargo bench --features shm,async --bench shm                 some minutes
//! cargo bench --features shm,async --bench shm -- --quick      few rounds
//! cargo bench --features shm,async --bench shm -- pair/        tables whose name has one of these
//! ```
//!
//! # Tables
//!
//! | table | one operation | ratio to |
//! |---|---|---|
//! | `pair/exclusive` | a thread enters alone and leaves, nobody else is there | the robust mutex |
//! | `pair/shared` | it enters beside others, of whom there are none, and leaves | the robust mutex |
//! | `turn/2` | the lock passes from one process to another, on two cores | two `sem_t` |
//! | `value/SIZE` | a whole value is read, or replaced | `pthread_rwlock` and a copy |
//! | `death` | a holder is killed, until the next one owns the lock | |
//!
//! # How to read them
//!
//! As `locks`, it measures only with `--bench` or `--quick`; otherwise every
//! scenario runs once in miniature. Take the ratios, not the nanoseconds. A
//! round takes one sample of each row, and a ratio is formed inside its round.
//! Lower is better. At the end stand the aims, and what was reached.
//!
//! In `turn/2` both processes want the lock all the time, and each change of
//! owner counts. The rows named `asleep` are turns: whoever's turn it is not
//! sleeps. The C library's locks let the one who has just left enter again, so
//! that they seldom change their owner.

#![allow(missing_docs, unsafe_code)]
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

#[cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
mod aims;
#[cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
mod deaths;
#[cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
#[allow(dead_code)]
#[path = "../locks/suite/harness.rs"]
mod harness;
#[cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
#[allow(dead_code)]
#[path = "../locks/suite/machine.rs"]
mod machine;
#[cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
mod pairs;
#[cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
mod peers;
#[cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
mod turns;
#[cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
mod values;

#[cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
fn main() {
    if deaths::hold_if_told() {
        return;
    }
    let Some(options) = harness::Options::parse(std::env::args().skip(1)) else { return };
    // Forked while there is one thread.
    let partner = turns::Partner::fork();
    machine::settle();

    if options.effort != harness::Effort::Smoke {
        println!("{}", machine::describe());
    }
    let mut bench = harness::Bench::new(options);
    pairs::run(&mut bench);
    turns::run(&mut bench, partner);
    values::run(&mut bench);
    let deaths = deaths::run(&bench);
    aims::judge(&bench, deaths.as_ref());
}

#[cfg(not(all(feature = "shm", target_os = "linux", target_has_atomic = "64")))]
fn main() {
    eprintln!("the benchmark needs the feature `shm`, and Linux");
}
