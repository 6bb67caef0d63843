//! Random histories of requests for permits, of resizes and of closings, on
//! real semaphores and on a naive model.
//!
//! The seed is fixed, so that a run can be repeated; a failure is shrunk to a
//! short history.

#![cfg(all(feature = "std", feature = "async"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

mod model;
#[path = "../model/task.rs"]
mod task;
mod world;

use std::cell::RefCell;

use portunus::Backend;
use portunus::spin::Spinning;
use portunus::sync::Threads;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

use model::Reached;
use world::{MOST_PARTIES, Op, run};

/// Histories for each backend.
const CASES: u32 = 2048;

fn op() -> impl Strategy<Value = Op> {
    let party = 0..MOST_PARTIES;
    prop_oneof![
        8 => (party.clone(), 0..6_u32, any::<bool>(), any::<bool>()).prop_map(
            |(party, count, many, polled)| Op::Ask { party, count, many, polled }),
        6 => party.clone().prop_map(|party| Op::Poll { party }),
        2 => party.clone().prop_map(|party| Op::Drop { party }),
        4 => party.clone().prop_map(|party| Op::Release { party }),
        2 => (party.clone(), 0..6_u32).prop_map(|(party, count)| Op::Try { party, count }),
        1 => (party.clone(), 0..6_u32).prop_map(|(party, count)| Op::Briefly { party, count }),
        2 => (party, 0..5_usize).prop_map(|(party, task)| Op::Move { party, task }),
        4 => (0..8_usize).prop_map(Op::Resize),
        1 => (0..4_usize).prop_map(Op::Add),
        1 => (0..4_usize).prop_map(Op::Remove),
        2 => (0..MOST_PARTIES).prop_map(|party| Op::Forget { party }),
        1 => any::<bool>().prop_map(|heavy| Op::Crowd { heavy }),
    ]
}

/// Most histories end before the semaphore is closed.
fn history() -> impl Strategy<Value = (usize, usize, Vec<Op>)> {
    let parties = prop_oneof![4 => 2..=6_usize, 2 => 7..MOST_PARTIES, 1 => Just(MOST_PARTIES)];
    let close = prop_oneof![1 => Just(true), 1 => Just(false)];
    (parties, 0..6_usize, vec(op(), 0..64), close, vec(op(), 0..16)).prop_map(
        |(parties, permits, mut ops, close, late)| {
            if close {
                ops.push(Op::Close);
                ops.extend(late);
            }
            (parties, permits, ops)
        },
    )
}

fn check<B: Backend>() {
    let config = Config {
        cases: CASES,
        rng_seed: RngSeed::Fixed(0x506f_7274_756e_7573),
        failure_persistence: None,
        max_shrink_iters: 100_000,
        ..Config::default()
    };
    let reached = RefCell::new(Reached::default());
    let result = TestRunner::new(config).run(&history(), |(parties, permits, ops)| {
        match run::<B>(parties, permits, &ops) {
            Ok(more) => {
                reached.borrow_mut().add(more);
                Ok(())
            }
            Err(what) => Err(TestCaseError::fail(what)),
        }
    });
    if let Err(error) = result {
        panic!("the semaphore is not what its model is: {error}");
    }
    // The histories were about something.
    let reached = reached.into_inner();
    let Reached { line, trades, evictions, sent_away, closed_on, debts, let_in, .. } = reached;
    let Reached { used_up, indebted, crowd, .. } = reached;
    let all = [line, trades, evictions, sent_away, closed_on, debts, let_in, used_up, indebted];
    assert!(all.iter().all(|&count| count > 100), "{reached:?}");
    assert!(crowd > 16, "nobody comes in more than one batch: {reached:?}");
}

#[test]
fn spin() {
    check::<Spinning>();
}

#[test]
fn sync() {
    check::<Threads>();
}

#[cfg(feature = "critical-section")]
#[test]
fn critical() {
    check::<portunus::critical::Critical>();
}
