//! The histories of the [model](super::model): who does what in each of them.

use alloc::string::{String, ToString};
use core::time::Duration;
use std::process::Command;

use super::die_with_parent;
use super::model::explore;
use super::scratch::Tree;
use crate::shm::OwnerDied;
use crate::shm::fault::Wrong;

#[test]
fn two_take_turns() {
    explore("two take turns", 2, (1, 3), |model, me| model.in_order(me));
}

#[test]
fn two_share_and_one_is_alone() {
    explore("two share and one is alone", 3, (2, 9), |model, me| {
        model.pair(me, [Tree::Look, Tree::Fell, Tree::Climb][me]);
    });
}

#[test]
fn three_stand_in_line() {
    explore("three stand in line", 3, (2, 9), |model, me| model.in_order(me));
}

#[test]
fn one_converts_while_another_waits() {
    explore("one converts while another waits", 2, (1, 3), |model, me| {
        if me == 1 {
            return model.pair(me, Tree::Look);
        }
        let mut hold = model.enter(me, model.stages[me].0.acquire(Tree::Look));
        model.linger(me, &hold);
        hold.convert(Tree::Fell).expect("nobody else converts");
        model.check(me, &hold);
        model.linger(me, &hold);
        hold.convert(Tree::Climb).expect("nobody else converts");
        model.check(me, &hold);
        model.linger(me, &hold);
        drop(hold);
    });
}

#[test]
fn one_gives_up_while_others_wait() {
    explore("one gives up while others wait", 3, (2, 9), |model, me| {
        if me != 1 {
            return model.pair(me, if me == 0 { Tree::Fell } else { Tree::Look });
        }
        model.hurried[me].set(true);
        // It stands in line, and looks once.
        let time = Duration::ZERO;
        let got = model.stages[me].0.acquire_for(Tree::Fell, time).transpose();
        let Some(got) = got else { return };
        let hold = model.enter(me, got);
        model.linger(me, &hold);
        drop(hold);
    });
}

#[test]
fn one_looks_after_the_dead() {
    explore("one looks after the dead", 2, (1, 3), |model, me| {
        if me == 1 {
            model.stages[me].recover();
        }
        model.pair(me, if me == 1 { Tree::Look } else { Tree::Fell });
    });
}

#[test]
fn one_tells_two_who_wait_one_after_the_other() {
    explore("one tells two who wait, one after the other", 3, (4, 17), |model, me| {
        let (_, mutex, changed, _) = &*model.stages[me];
        let mut guard = mutex.lock().unwrap_or_else(OwnerDied::into_inner);
        while me != 0 && *guard == 0 && !model.rescued.get() {
            guard = changed.wait(guard).unwrap_or_else(OwnerDied::into_inner);
        }
        // One notification is there for both: who has it gives it to the next.
        model.owes.set(me);
        *guard = 1;
        drop(guard);
        changed.notify_one();
    });
}

#[test]
fn three_share_permits_and_tell_of_a_death_once() {
    explore("three share permits and tell of a death once", 3, (2, 9), |model, me| {
        if me == 1 {
            model.stages[me].recover();
        }
        let first = model.permit(me);
        if me == 0 {
            let second = model.permit(me);
            model.at_step();
            drop(second);
        }
        drop(first);
        if me == 2 {
            drop(model.permit(me));
        }
    });
}

/// Each way to get the recovery wrong, the model that must see it, and how far
/// it has to go.
const SEEN: [(Wrong, &str, &str); 6] = [
    (Wrong::AmbiguousHeld, "two_take_turns", "0,1"),
    (Wrong::AmbiguousIdle, "two_take_turns", "0,1"),
    (Wrong::LivingNotAwaited, "two_share_and_one_is_alone", "1,1"),
    (Wrong::NothingRepaired, "two_take_turns", "1,1"),
    (Wrong::NobodyGranted, "two_take_turns", "1,1"),
    (Wrong::NotificationLost, "one_tells_two_who_wait_one_after_the_other", "0,1"),
];

#[test]
fn every_fault_is_seen_by_a_model() {
    if std::env::var_os("PORTUNUS_SHM_WRONG").is_some() {
        return;
    }
    for (wrong, model, bounds) in SEEN {
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command
            .args(["--exact", &std::format!("shm::tests::histories::{model}"), "--test-threads=1"])
            .env("PORTUNUS_SHM_WRONG", (wrong as u32).to_string())
            .env("PORTUNUS_BOUNDS", bounds)
            .env("RUST_BACKTRACE", "0");
        die_with_parent(&mut command);
        let output = command.output().expect("this binary runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("running 1 test"), "no model is called {model}");
        assert!(!output.status.success(), "{model} does not see {wrong:?}");
        assert!(text.contains("panicked"), "{model} fails with {wrong:?}, but so:\n{text}");
    }
}
