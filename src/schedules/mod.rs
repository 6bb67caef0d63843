//! Schedules drawn at random, of more parties than models can have.
//!
//! The models look at all interleavings of two or three parties; here six to
//! eight do many things to one lock, under some thousand schedules each. Shuttle
//! takes every ordering for the strongest: what orderings do is for the models.
//!
//! Run with `RUSTFLAGS="--cfg portunus_shuttle" cargo test --release --features
//! async --lib schedules`. The seeds are fixed: a failure comes again.
//! [`every_fault_is_seen`] runs them again with each fault switched on that is
//! named there.

#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

mod conditions;
mod locks;
mod meetings;

use std::process::Command;
use std::string::String;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::vec::Vec;

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner, thread};

use crate::backend::Backend;
use crate::wait::inner::SpinInner;
use crate::wait::{Left, Limit, Place, Turn, Wait};

/// Lets another party run.
struct Yield;

impl ::spin::relax::RelaxStrategy for Yield {
    fn relax() {
        thread::yield_now();
    }
}

/// Goes to sleep at once, and so needs every wake-up.
struct Sleep;

impl Wait for Sleep {
    fn wait(turn: &impl Turn, limit: &impl Limit) -> bool {
        if limit.left() == Left::Nothing {
            return turn.place() == Place::Over;
        }
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        if !turn.announce(waker) {
            return true;
        }
        while turn.place() != Place::Over {
            thread::park();
        }
        true
    }
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The backend whose threads shuttle runs.
struct Scheduled;

impl Backend for Scheduled {
    type Inner = SpinInner<Yield, 0>;
    type Wait = Sleep;
}

/// A task that is polled by hand.
fn task() -> Waker {
    struct Nothing;
    impl Wake for Nothing {
        fn wake(self: Arc<Self>) {}
    }
    Waker::from(Arc::new(Nothing))
}

/// A number below `bound`, as the schedule has it.
fn drawn(bound: usize) -> usize {
    use shuttle::rand::Rng;
    shuttle::rand::thread_rng().gen_range(0..bound)
}

/// How many schedules there are of each kind, for most stories.
const SCHEDULES: usize = 3000;

/// So many schedules of each kind: one that changes the party at random, and
/// one that does so a few times only.
fn explore(schedules: usize, story: fn()) {
    let config = || {
        let mut config = Config::new();
        config.stack_size = 0x4_0000;
        config.silence_warnings = true;
        config
    };
    Runner::new(RandomScheduler::new_from_seed(1, schedules), config()).run(story);
    Runner::new(PctScheduler::new_from_seed(1, 3, schedules), config()).run(story);
}

/// Runs the parties, each in a thread, to their end.
fn together(parties: impl IntoIterator<Item = impl FnOnce() + Send + 'static>) {
    let threads: Vec<_> = parties.into_iter().map(thread::spawn).collect();
    for thread in threads {
        thread.join().expect("a party panicked");
    }
}

/// Faults, and the story that must fail with each.
const SEEN: &[(&str, &str)] = &[
    ("BitAfterJudging", "locks::modes_and_conversions"),
    ("CancelWithoutGrant", "locks::readers_meet_inside"),
    ("ConvertWithoutGrant", "locks::readers_meet_inside"),
    ("ConvertUnchecked", "locks::modes_and_conversions"),
    ("StoreWithoutSole", "locks::modes_and_conversions"),
    ("RefuseWithoutGrant", "locks::who_stands_behind_a_refused_one_enters"),
    ("RefusedUnwoken", "locks::permits_come_and_go"),
    ("UnlockBeforeJoin", "conditions::readers_and_writers_wait"),
    ("AnswerBeforeJoin", "conditions::a_value_is_waited_for"),
    ("BarrierTripsSilently", "meetings::all_pass_a_barrier"),
];

#[test]
fn every_fault_is_seen() {
    let this = std::env::current_exe().expect("a test has a path");
    let mut unseen = Vec::new();
    for (fault, story) in SEEN {
        let path = std::format!("schedules::{story}");
        let output = Command::new(&this)
            .args(["--exact", &path])
            .env("PORTUNUS_FAULT", fault)
            .output()
            .expect("a test can run itself");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("running 1 test"), "no story is called {story}");
        if output.status.success() {
            unseen.push((fault, story));
        }
    }
    assert!(unseen.is_empty(), "not seen: {unseen:?}");
}
