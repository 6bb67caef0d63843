//! The coordination primitives of this crate beside their peers, in one
//! process.
//!
//! ```text
//! cargo bench --bench coordination --features async                 everything
//! cargo bench --bench coordination --features async -- --quick      few rounds
//! cargo bench --bench coordination --features async -- barrier/     tables whose name has one of these
//! ```
//!
//! # Tables
//!
//! | table | one operation | ratio to |
//! |---|---|---|
//! | `breaker/closed` | a call that succeeds, through a closed circuit | `recloser` |
//! | `breaker/failing` | two calls, the first one fails; the circuit stays closed | `recloser` |
//! | `breaker/open` | a call that is refused | `recloser` |
//! | `throttle/free` | an entry that need not wait | `governor` |
//! | `throttle/refused` | an entry that would have to wait | `governor` |
//! | `barrier/threads/N` | a round of N threads | `std` |
//! | `barrier/tasks/N` | a round of N tasks on one thread | `tokio` |
//! | `accessor/turn` | a value is waited for, set, and taken | tokio's `watch` |
//! | `accessor/one of N` | N wait, each for its own value; one is set, and all who wake look | tokio's `watch` |
//! | `nursery/join/N` | a task of N that do nothing is started, run, and its value taken | tokio's `JoinSet` |
//! | `nursery/wake/N` | one of N sleeping tasks is woken and polled | tokio's `JoinSet` |
//!
//! # How to read them
//!
//! As `locks`, it measures only with `--bench` or `--quick`; otherwise every
//! scenario runs once in miniature. Take the ratios, not the nanoseconds; lower
//! is better. A round takes one
//! sample of each row, and a ratio is formed inside its round. What the rows do
//! is not the same everywhere:
//!
//! * recloser counts a rate of errors in a ring, failsafe and this crate count
//!   failures in a row.
//! * A refusal of an open circuit is the clock's time but for two or three
//!   nanoseconds. failsafe's says nothing; this crate's says when to come again,
//!   and comes in registers as far as that is possible.
//! * An entry of this crate's throttle is two operations: it enters, and tells
//!   its outcome, from which the rate follows. governor's has no outcome. The
//!   rows `portunus, reserve` leave the outcome out. What is refused looks at one
//!   word and takes no lock; without jitter, as here: with it, the next slot is
//!   another one for each who asks. It says how long the wait would be, which
//!   governor leaves to be computed by who wants to know.
//! * This crate's barrier shares what the parties bring, which here is nothing.
//!   A round of a cyclic one is an object of its own, behind an `Arc`, with room
//!   for each party: so a party may leave, and a late one does not hold up the
//!   next round. async-lock's barrier is a counter and an event, in which nobody
//!   can leave; of two parties, where a round is little more than its two
//!   allocations, it is the faster one.
//! * A task of this crate's nursery has a name, a stop signal, a place on the
//!   stack of clean-ups and an outcome. It makes three allocations: what wakers
//!   reach has to be `'static`, while the outcome, and the future, may borrow.
//!   tokio's makes two, with futures that borrow nothing; a task of smol's
//!   executor is one, and has none of these: it is there to show what is left.
//!   A name of up to 38 bytes is no allocation. Most of the row is the
//!   allocator's, and its figures move with what was freed before.

#![allow(missing_docs)]
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

#[cfg(all(feature = "std", feature = "async"))]
mod accessor;
#[cfg(all(feature = "std", feature = "async"))]
#[allow(dead_code)]
#[path = "../locks/suite/arena.rs"]
mod arena;
#[cfg(all(feature = "std", feature = "async"))]
mod barrier;
#[cfg(all(feature = "std", feature = "async"))]
mod breaker;
#[cfg(all(feature = "std", feature = "async"))]
#[allow(dead_code)]
#[path = "../locks/suite/executor.rs"]
mod executor;
#[cfg(all(feature = "std", feature = "async"))]
#[allow(dead_code)]
#[path = "../locks/suite/harness.rs"]
mod harness;
#[cfg(all(feature = "std", feature = "async"))]
#[allow(dead_code)]
#[path = "../locks/suite/machine.rs"]
mod machine;
#[cfg(all(feature = "std", feature = "async"))]
mod nursery;
#[cfg(all(feature = "std", feature = "async"))]
mod throttle;

#[cfg(all(feature = "std", feature = "async"))]
fn main() {
    let Some(options) = harness::Options::parse(std::env::args().skip(1)) else { return };
    machine::settle();

    if options.effort != harness::Effort::Smoke {
        println!("{}", machine::describe());
    }
    let mut bench = harness::Bench::new(options);
    breaker::run(&mut bench);
    throttle::run(&mut bench);
    barrier::run(&mut bench);
    accessor::run(&mut bench);
    nursery::run(&mut bench);
}

#[cfg(not(all(feature = "std", feature = "async")))]
fn main() {
    eprintln!("the benchmark needs the features `std` and `async`");
}

/// Nanoseconds for each of `count` calls of `f`.
#[cfg(all(feature = "std", feature = "async"))]
fn timed(count: usize, mut f: impl FnMut()) -> f64 {
    let start = std::time::Instant::now();
    for _ in 0..count {
        f();
    }
    start.elapsed().as_nanos() as f64 / count as f64
}

/// Makes the compiler compute `value`, and drops it.
#[cfg(all(feature = "std", feature = "async"))]
#[inline(always)]
fn used<T>(value: T) {
    let _ = std::hint::black_box(value);
}
