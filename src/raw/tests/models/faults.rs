//! That the models can see: every state is reached, every fault is found.

use std::process::Command;

use super::futurelock::eviction;
use super::limits::the_last_in_line_is_sent_away;
use super::threads::three_threads_exclude;
use crate::atomic::was_reached;
use crate::wait::node::state;

/// Every state of a node's table comes up in these models.
#[test]
fn every_state_is_reached() {
    three_threads_exclude();
    eviction();
    the_last_in_line_is_sent_away();
    let parked = [state::QUEUED | state::PARKED_BIT, state::FRONT | state::PARKED_BIT];
    let plain = [state::QUEUED, state::FRONT, state::GRANTED, state::EVICTED, state::HELD];
    let ends = [state::INIT, state::DONE, state::REFUSED];
    for state in plain.into_iter().chain(parked).chain(ends) {
        assert!(was_reached(state), "no model reaches the state {state}");
    }
}

/// Each fault, and the model that must fail with it.
const SEEN: &[(&str, &str)] = &[
    ("ReleaseRelaxed", "threads::two_threads_twice"),
    ("AcquireRelaxed", "threads::two_threads_twice"),
    ("StoreWithoutBit", "threads::writer_writer_reader_read_preferring"),
    ("StoreWithoutSole", "cancel::cancel_of_the_blocked_first_against_a_leaver"),
    ("StoreRelaxed", "cancel::a_reader_follows_a_contended_release"),
    ("GrantLoadRelaxed", "threads::readers_leave_writer_waits"),
    ("MarkRelaxed", "threads::three_threads_exclude"),
    ("BitAfterJudging", "threads::two_threads_twice"),
    ("CancelWithoutGrant", "cancel::cancel_of_the_blocked_first"),
    ("CancelKeepsLimbo", "futurelock::one_waker_in_two_threads"),
    ("ConvertAcquireOnly", "conversion::a_downgrade_lets_in"),
    ("ConvertReleaseOnly", "conversion::upgrade_against_reader_and_writer"),
    ("ConvertWithoutGrant", "conversion::a_downgrade_lets_in"),
    ("ConvertUnchecked", "conversion::two_readers_upgrade"),
    ("PickUpUnlocked", "futurelock::one_waker_in_two_threads"),
    ("NoEviction", "futurelock::eviction"),
    ("NoPassOn", "futurelock::pass_on_against_release"),
    ("ParkBlind", "threads::two_threads_twice"),
    ("EvictedForgetsBaton", "rules::a_panicking_predicate"),
    ("NotificationKept", "condition::a_notification_is_passed_on"),
    ("DeliverBehindSibling", "condition::notified_behind_its_own_sibling"),
    ("DeliverForgotten", "condition::nothing_is_followed_of_one_that_may_be_forgotten"),
    ("AllInTwoSteps", "condition::who_comes_later_is_not_notified"),
    ("UnlockBeforeJoin", "condition::no_notification_is_lost"),
    ("RefuseWithoutGrant", "limits::the_heavy_are_sent_away"),
    ("RefusedUnwoken", "limits::the_heavy_are_sent_away"),
    ("EnqueueUnasked", "limits::the_heavy_are_sent_away"),
    ("RefuseKeepsBit", "limits::the_last_in_line_is_sent_away"),
    ("SpareTooSoon", "conversion::the_other_reader_leaves"),
    ("TradeUnasked", "limits::a_grant_that_is_too_heavy_is_not_traded"),
    ("BreakerTimeRelaxed", "breaker::a_time_is_never_of_two_openings"),
    ("BreakerTryInTwoSteps", "breaker::no_more_tries_than_allowed"),
    ("BreakerIgnoresEra", "breaker::an_outcome_counts_where_it_was_let_in"),
    ("BreakerOpenBeforeTime", "breaker::an_open_circuit_has_its_time"),
    ("AnswerBeforeJoin", "asking::a_change_is_seen"),
    ("EvictedAsksNobody", "asking::behind_a_question_that_panics"),
    ("AsksStrangers", "asking::each_is_asked_about_its_own"),
    ("WokenUnseen", "ready::no_wake_up_is_lost"),
    ("OwnerTooLate", "ready::no_wake_up_is_lost"),
    ("BarrierTripsSilently", "barrier::all_pass_when_all_have_come"),
    ("BarrierKeepsTheLeft", "barrier::one_that_leaves_takes_its_state_along"),
];

#[test]
fn every_fault_is_seen() {
    if std::env::var_os("PORTUNUS_FAULT").is_some() {
        return;
    }
    // Each fault of the list has its model.
    assert_eq!(SEEN.len(), crate::atomic::Fault::COUNT, "a fault has no model");
    let this = std::env::current_exe().expect("a test has a path");
    for (fault, model) in SEEN {
        let path = std::format!("raw::tests::models::{model}");
        let output = Command::new(&this)
            .args(["--exact", &path])
            .env("PORTUNUS_FAULT", fault)
            .output()
            .expect("a test can run itself");
        let text = std::string::String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("running 1 test"), "no model is called {model}");
        assert!(!output.status.success(), "{model} does not see {fault}");
    }
}
