//! Random histories of many parties, on real locks and on a naive model: with
//! rules that are always the same, and with rules that are drawn together with
//! the history.
//!
//! The seed is fixed, so that a run can be repeated; a failure is shrunk to a
//! short history, and to a rule that is hardly one.

#![cfg(all(feature = "std", feature = "async"))]
#![allow(missing_docs)]
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

mod model;

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt::Debug;

use model::drawn::{self, Drawn};
use model::{ANY, History, Law, MOST_PARTIES, Op, Play, Reached, plays, run_with};
use portunus::Backend;
use portunus::spin::Spinning;
use portunus::sync::Threads;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

/// Histories for each rule and backend.
const CASES: u32 = 2048;

fn step() -> impl Strategy<Value = Op> {
    (0..16_u8, 0..MOST_PARTIES as u8, any::<u8>())
        .prop_map(|(kind, party, detail)| Op::decode(kind, party, detail))
}

/// Few parties meet often; many fill more than one batch of wake-ups.
fn history() -> impl Strategy<Value = History> {
    let parties = prop_oneof![4 => 2..=6_usize, 2 => 7..MOST_PARTIES, 1 => Just(MOST_PARTIES)];
    (parties, vec(step(), 0..96)).prop_map(|(parties, ops)| History { parties, ops })
}

/// Beside how many units: mostly few, so that it matters.
fn threshold() -> impl Strategy<Value = usize> {
    prop_oneof![2 => Just(ANY), 3 => 0..=3_usize]
}

/// A predicate over so many modes; seldom one that admits nobody at all.
fn law(modes: usize) -> impl Strategy<Value = Law> {
    let total = prop_oneof![8 => Just(ANY), 7 => 1..=7_usize, 1 => Just(0)];
    (vec(vec(threshold(), modes), modes), total).prop_map(|(rows, total)| {
        let rows: Vec<_> = rows.iter().map(Vec::as_slice).collect();
        Law::new(&rows, total)
    })
}

/// Plays many cases; what they have reached together.
fn check<T: Debug>(
    name: &str,
    cases: impl Strategy<Value = T>,
    play: impl Fn(&T) -> Result<Reached, String>,
) -> Reached {
    let config = Config {
        cases: CASES,
        rng_seed: RngSeed::Fixed(0x506f_7274_756e_7573),
        failure_persistence: None,
        max_shrink_iters: 100_000,
        ..Config::default()
    };
    let reached = RefCell::new(Reached::default());
    let result = TestRunner::new(config).run(&cases, |case| match play(&case) {
        Ok(more) => {
            reached.borrow_mut().add(&more);
            Ok(())
        }
        Err(what) => Err(TestCaseError::fail(what)),
    });
    if let Err(error) = result {
        panic!("the lock with the rules `{name}` is not what its model is: {error}");
    }
    reached.into_inner()
}

/// The rule with this name.
fn play_of<B: Backend>(name: &str) -> Play {
    let play = plays::<B>().into_iter().find(|(of, _)| *of == name);
    play.unwrap_or_else(|| panic!("no rules are called `{name}`")).1
}

/// Runs `check_on` for each backend.
macro_rules! on_backends {
    () => {
        #[test]
        fn spin() {
            check_on::<Spinning>();
        }

        #[test]
        fn sync() {
            check_on::<Threads>();
        }

        #[cfg(feature = "critical-section")]
        #[test]
        fn critical() {
            check_on::<portunus::critical::Critical>();
        }
    };
}

/// What the histories of a rule have to reach, lest they test nothing: the
/// fields of [`Reached`] that must not be zero.
macro_rules! properties {
    ($($test:ident = $name:literal reaches [$($field:ident),*];)+) => {$(
        mod $test {
            use super::*;

            fn check_on<B: Backend>() {
                let reached = check($name, history(), play_of::<B>($name));
                // On every lock somebody waits, gives a grant up, and takes a
                // sibling's.
                assert!(reached.line > 0, "nobody waits: {reached:?}");
                assert!(reached.grants_dropped > 0, "nobody drops a grant: {reached:?}");
                assert!(reached.trades > 0, "nobody trades: {reached:?}");
                $(assert!(reached.$field > 0, "no {}: {reached:?}", stringify!($field));)*
            }

            on_backends!();
        }
    )+};
}

properties! {
    mutex = "mutex" reaches [];
    read_write = "read-write" reaches [evictions, evictions_together, conversions, refusals];
    fair = "fair" reaches [evictions, conversions, refusals];
    read_preferring =
        "read-preferring" reaches [evictions, trades_across_lanes, conversions, refusals];
    write_preferring =
        "write-preferring" reaches [evictions, trades_across_lanes, conversions, refusals];
    semaphore = "semaphore" reaches [evictions, too_many];
    two_lanes = "two lanes" reaches [evictions, trades_across_lanes, conversions];
    tiers = "tiers" reaches [evictions, trades_across_lanes, conversions, too_many];
    pool = "pool" reaches [evictions, conversions, too_many];
    intention = "intention" reaches [evictions, conversions, refusals];
}

/// The same for rules that are drawn.
macro_rules! drawn_properties {
    ($($test:ident = $shape:ident reaches [$($field:ident),*];)+) => {$(
        mod $test {
            use super::*;

            fn check_on<B: Backend>() {
                type Shape = drawn::$shape;
                let laws = RefCell::new(HashSet::new());
                let cases = (law(Shape::MODES), history());
                let reached = check(stringify!($shape), cases, |(law, history)| {
                    laws.borrow_mut().insert(*law);
                    run_with::<Shape, B>(Shape::of(*law), history)
                });
                assert!(laws.borrow().len() > CASES as usize / 2, "the same rules again and again");
                // Not in a case or two.
                const MANY: usize = CASES as usize / 128;
                assert!(reached.line > 16, "nobody waits: {reached:?}");
                assert!(reached.crowd > 1, "nobody enters together: {reached:?}");
                assert!(reached.grants_dropped > MANY, "few drop a grant: {reached:?}");
                assert!(reached.trades > MANY, "few trade: {reached:?}");
                assert!(reached.evictions > MANY, "few give way: {reached:?}");
                assert!(reached.forbidden > MANY, "the predicates hardly matter: {reached:?}");
                $(assert!(reached.$field > MANY, "few {}: {reached:?}", stringify!($field));)*
            }

            on_backends!();
        }
    )+};
}

drawn_properties! {
    drawn_pair = Pair reaches [conversions, refusals, too_many, limited];
    drawn_ranks = Ranks reaches [trades_across_lanes, conversions, refusals];
    drawn_trio = Trio reaches [trades_across_lanes, conversions, refusals, limited];
    drawn_apart =
        Apart reaches [trades_across_lanes, conversions, refusals, too_many, limited, kept_apart];
    drawn_still = Still reaches [trades_across_lanes, limited];
    drawn_quartet = Quartet reaches [trades_across_lanes, conversions, refusals, too_many, limited];
}

/// Plays one history on every backend.
fn play_once(name: &str, ops: &[Op]) -> Reached {
    let history = History { parties: 6, ops: ops.to_vec() };
    let mut reached = Reached::default();
    for play in [play_of::<Spinning>(name), play_of::<Threads>(name)] {
        match play(&history) {
            Ok(more) => reached.add(&more),
            Err(what) => panic!("{name}: {what}"),
        }
    }
    reached
}

const READ: u8 = 0;
const WRITE: u8 = 1;

/// A party asks for one unit and is polled. Parties 0 and 1 belong to one
/// task, so do 2 and 3, and so do 4 and 5.
const fn ask(party: u8, mode: u8) -> Op {
    Op::Ask { party, mode, weight: 1, polled: true }
}

/// More readers are let in at once than one batch of wake-ups has room for.
#[test]
fn a_crowd_enters_together() {
    let history = History {
        parties: MOST_PARTIES,
        ops: vec![ask(0, WRITE), Op::Crowd { mode: READ }, Op::Release { party: 0 }],
    };
    for play in [play_of::<Spinning>("read-write"), play_of::<Threads>("read-write")] {
        let reached = play(&history).unwrap_or_else(|what| panic!("{what}"));
        assert_eq!(reached.line, MOST_PARTIES - 1);
        assert_eq!(reached.crowd, MOST_PARTIES - 1);
    }
}

/// A future in line takes over what its task was granted and did not pick up.
#[test]
fn a_sibling_takes_a_grant_over() {
    let reached = play_once(
        "read-write",
        &[
            ask(2, WRITE),
            ask(0, WRITE),
            ask(4, WRITE),
            ask(1, WRITE),
            Op::Release { party: 2 },
            Op::Poll { party: 1 },
            Op::Release { party: 1 },
        ],
    );
    assert_eq!(reached.trades, 2, "one on each backend");
}

/// A reader that was let in beside another task's reader gives way to a writer
/// of its own task, which waits for the other reader alone.
#[test]
fn a_sibling_that_cannot_be_replaced_gives_way() {
    let reached = play_once(
        "read-write",
        &[
            ask(2, WRITE),
            ask(0, READ),
            ask(4, READ),
            Op::Release { party: 2 },
            Op::Poll { party: 4 },
            ask(1, WRITE),
            Op::Release { party: 4 },
            Op::Poll { party: 1 },
        ],
    );
    assert_eq!(reached.evictions, 2, "one on each backend");
}

/// Two readers of one task were let in, and only the task's writer is polled:
/// neither reader may keep it waiting.
#[test]
fn all_siblings_give_way() {
    let reached = play_once(
        "read-write",
        &[
            ask(2, WRITE),
            ask(0, READ),
            Op::Move { party: 4, task: 0 },
            ask(4, READ),
            Op::Release { party: 2 },
            ask(1, WRITE),
        ],
    );
    assert_eq!(reached.evictions + reached.trades, 4, "two on each backend");
}

/// A conversion takes over a grant of its own task that it would wait for.
#[test]
fn a_conversion_takes_a_grant_over() {
    let reached = play_once(
        "read-write",
        &[
            ask(0, READ),
            ask(2, WRITE),
            ask(1, READ),
            Op::Drop { party: 2 },
            Op::Convert { party: 0, mode: WRITE, polled: true },
        ],
    );
    assert_eq!(reached.trades, 2, "one on each backend");
}

/// Futures whose waker is nobody's are not of one task: the one that was served
/// keeps its grant, whoever else is polled.
#[test]
fn a_waker_of_nobody_has_no_siblings() {
    const NOBODY: u8 = 4;
    let reached = play_once(
        "read-write",
        &[
            Op::Move { party: 0, task: NOBODY },
            Op::Move { party: 1, task: NOBODY },
            ask(2, WRITE),
            ask(0, WRITE),
            ask(1, WRITE),
            Op::Release { party: 2 },
            Op::Poll { party: 1 },
            Op::Poll { party: 0 },
            Op::Release { party: 0 },
            Op::Poll { party: 1 },
        ],
    );
    assert_eq!((reached.trades, reached.evictions), (0, 0));
}

/// Two readers that want to write wait for each other: the second is told so.
#[test]
fn the_second_of_two_conversions_is_refused() {
    let reached = play_once(
        "read-write",
        &[
            ask(0, READ),
            ask(2, READ),
            Op::Convert { party: 0, mode: WRITE, polled: true },
            Op::Convert { party: 2, mode: WRITE, polled: true },
            Op::ConvertBriefly { party: 2, mode: WRITE },
            Op::Release { party: 2 },
        ],
    );
    assert_eq!(reached.refusals, 4, "two on each backend");
    assert_eq!(reached.conversions, 2, "one on each backend");
}
