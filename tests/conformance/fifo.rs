//! Order of service: a mutex, a readers-writer lock and a semaphore, each made
//! of modes and a rule of the test's own.
//!
//! A history says who has been let in so far, `x` or `-` for each party in the
//! order in which they asked.

use crate::faces::Face;
use crate::kin::Kin;
use crate::rules::Access::{Read, Write};
use crate::rules::Slot::Taken;
use crate::rules::Sole::Exclusive;
use crate::rules::{Access, OneAtATime, ReadWrite, Slots};
use crate::script::{Order, Outcome, Script};
use crate::subject::Subject as _;

type Lock<F, R> = <<F as Face>::Kin as Kin>::FifoLock<R, <F as Face>::Backend>;
type Locks<F, R> = Script<F, Lock<F, R>>;

fn exclusives<F: Face>(count: usize) -> Locks<F, OneAtATime> {
    let mut script: Locks<F, OneAtATime> = Script::new(F::Kin::fifo_lock(OneAtATime));
    for _ in 0..count {
        script.asks(Exclusive);
    }
    script
}

fn accesses<F: Face>(accesses: &[Access]) -> Locks<F, ReadWrite> {
    let mut script: Locks<F, ReadWrite> = Script::new(F::Kin::fifo_lock(ReadWrite));
    for &access in accesses {
        script.asks(access);
    }
    script
}

fn slots<F: Face>(slots: usize, count: usize) -> Locks<F, Slots> {
    let mut script: Locks<F, Slots> = Script::new(F::Kin::fifo_lock(Slots(slots)));
    for _ in 0..count {
        script.asks(Taken);
    }
    script
}

fn two_exclusives_enter_one_after_the_other<F: Face>() {
    let script = exclusives::<F>(2);
    script.history("x-");
    script.finish(0);
    script.history("xx");
    script.finish(1);
    script.history("xx");
    script.end();
}

/// A mode is a plain value: one value serves any number of requests.
fn one_value_of_a_mode_serves_two<F: Face>() {
    let mode = Exclusive;
    let mut script = exclusives::<F>(0);
    script.asks(mode);
    script.asks(mode);
    script.history("x-");
    script.finish(0);
    script.history("xx");
    script.end();
}

fn two_locks_share_nothing<F: Face>() {
    let (one, other) = (exclusives::<F>(1), exclusives::<F>(1));
    one.history("x");
    other.history("x");
    one.end();
    other.end();
}

/// The error goes to the one who failed, and the next one enters.
fn an_error_inside_releases<F: Face>() {
    let script = exclusives::<F>(2);
    script.history("x-");
    script.fail(0);
    script.history("xx");
    script.end();
}

fn a_holder_is_cancelled<F: Face>() {
    let script = exclusives::<F>(3);
    script.history("x--");
    script.finish(0);
    script.history("xx-");
    script.cancel(1);
    script.history("xxx");
    script.finish(2);
    script.end();
}

fn a_late_second_waits<F: Face>() {
    let mut script = exclusives::<F>(1);
    script.history("x");
    script.asks(Exclusive);
    script.history("x-");
    script.finish(0);
    script.history("xx");
    script.end();
}

/// From the first to the last, as they came.
fn six_exclusives_keep_their_order<F: Face>() {
    let script = exclusives::<F>(6);
    script.history("x-----");
    script.finish(0);
    script.history("xx----");
    script.finish(1);
    script.history("xxx---");
    script.finish(2);
    script.history("xxxx--");
    script.finish(3);
    script.history("xxxxx-");
    script.finish(4);
    script.history("xxxxxx");
    script.order(&[0, 1, 2, 3, 4, 5]);
    script.end();
}

fn writer_behind_writer<F: Face>() {
    let script = accesses::<F>(&[Write, Write]);
    script.history("x-");
    script.finish(0);
    script.history("xx");
    script.end();
}

fn reader_behind_writer<F: Face>() {
    let script = accesses::<F>(&[Write, Read]);
    script.history("x-");
    script.finish(0);
    script.history("xx");
    script.end();
}

fn readers_together<F: Face>() {
    let script = accesses::<F>(&[Read, Read]);
    script.history("xx");
    script.end();
}

fn writer_behind_reader<F: Face>() {
    let script = accesses::<F>(&[Read, Write]);
    script.history("x-");
    script.finish(0);
    script.history("xx");
    script.end();
}

/// The writer waits for both, whichever goes first.
fn writer_behind_two_readers<F: Face>() {
    let script = accesses::<F>(&[Read, Read, Write]);
    script.history("xx-");
    script.finish(1);
    script.history("xx-");
    script.finish(0);
    script.history("xxx");
    script.end();
}

fn reader_between_writers<F: Face>() {
    let script = accesses::<F>(&[Write, Read, Write]);
    script.history("x--");
    script.finish(0);
    script.history("xx-");
    script.finish(1);
    script.history("xxx");
    script.end();
}

/// Those at the head who fit together enter together; nobody behind one who
/// does not fit is looked at.
fn readers_between_writers_enter_together<F: Face>() {
    let script = accesses::<F>(&[Read, Write, Read, Read, Write, Read]);
    script.history("x-----");
    script.finish(0);
    script.history("xx----");
    script.finish(1);
    script.history("xxxx--");
    script.finish(3);
    script.history("xxxx--");
    script.finish(2);
    script.history("xxxxx-");
    script.finish(4);
    script.history("xxxxxx");
    script.order(&[0, 1, 2, 3, 4, 5]);
    script.end();
}

/// More than one grant lets in at a time.
fn forty_readers_enter_together<F: Face>() {
    let mut script = accesses::<F>(&[Write]);
    for _ in 0..40 {
        script.asks(Read);
    }
    script.asks(Write);
    script.history(&format!("x{}-", "-".repeat(40)));
    script.finish(0);
    script.history(&format!("x{}-", "x".repeat(40)));
    script.order(&(0..41).collect::<Vec<_>>());
    script.end();
}

fn slots_are_left_in_order<F: Face>() {
    let script = slots::<F>(2, 3);
    script.history("xx-");
    script.finish(0);
    script.history("xxx");
    script.end();
}

fn slots_are_left_out_of_order<F: Face>() {
    let script = slots::<F>(2, 3);
    script.history("xx-");
    script.finish(1);
    script.history("xxx");
    script.end();
}

fn a_queued_one_is_cancelled<F: Face>() {
    let script = exclusives::<F>(3);
    script.history("x--");
    script.cancel(1);
    script.history("x--");
    script.finish(0);
    script.history("x-x");
    script.end();
}

/// The holder, about to go, cancels the one behind it: that one may be let in
/// before it notices, and gives way.
fn a_leaving_holder_cancels_the_next<F: Face>() {
    let script = exclusives::<F>(3);
    script.history("x--");
    let next = script.party(1);
    script.at_the_end_of(0, move || next.tell(Order::Cancel));
    script.cancel(0);
    assert_eq!(script.outcome(1), Outcome::Cancelled);
    script.history("x-x");
    script.end();
}

/// Nobody wakes up only at the next release: the head gone, its followers may
/// fit.
fn a_cancelled_head_lets_its_followers_in<F: Face>() {
    let script = accesses::<F>(&[Read, Write, Read, Read, Write]);
    script.history("x----");
    script.cancel(1);
    script.history("x-xx-");
    script.finish(0);
    script.finish(3);
    script.history("x-xx-");
    script.finish(2);
    script.history("x-xxx");
    script.end();
}

/// Taken out of the middle and off the end, the others stay as they stand.
fn the_middle_and_the_end_are_cancelled<F: Face>() {
    let script = accesses::<F>(&[Write, Read, Write, Read, Write]);
    script.history("x----");
    script.cancel(2);
    script.history("x----");
    script.cancel(4);
    script.history("x----");
    script.finish(0);
    script.history("xx-x-");
    script.end();
}

/// A request that would fit without it goes on waiting behind the head.
fn a_cancelled_follower_changes_nothing<F: Face>() {
    let script = accesses::<F>(&[Read, Write, Read]);
    script.cancel(2);
    script.history("x--");
    script.finish(0);
    script.history("xx-");
    script.end();
}

/// The next one is cancelled in the very moment in which the holder lets go:
/// the third enters, whatever came first.
fn release_and_cancel_at_once<F: Face>() {
    let script = exclusives::<F>(3);
    script.history("x--");
    script.tell(0, Order::Finish);
    script.tell(1, Order::Cancel);
    assert_eq!(script.outcome(0), Outcome::Finished);
    assert_eq!(script.outcome(1), Outcome::Cancelled);
    assert_eq!(script.subject().held(Exclusive), 1);
    assert_eq!(script.subject().in_line(), 0);
    script.enters(2);
    script.end();
}

fn all_are_cancelled<F: Face>() {
    let mut script = accesses::<F>(&[Write, Read, Write, Read]);
    script.cancel(1);
    script.cancel(3);
    script.cancel(2);
    script.history("x---");
    script.cancel(0);
    script.history("x---");
    script.asks(Write);
    script.history("x---x");
    script.end();
}

on_faces! {
    all: [
        two_exclusives_enter_one_after_the_other,
        one_value_of_a_mode_serves_two,
        two_locks_share_nothing,
        an_error_inside_releases,
        a_holder_is_cancelled,
        a_late_second_waits,
        six_exclusives_keep_their_order,
        writer_behind_writer,
        reader_behind_writer,
        readers_together,
        writer_behind_reader,
        writer_behind_two_readers,
        reader_between_writers,
        readers_between_writers_enter_together,
        forty_readers_enter_together,
        slots_are_left_in_order,
        slots_are_left_out_of_order,
    ],
    cancelling: [
        a_queued_one_is_cancelled,
        a_leaving_holder_cancels_the_next,
        a_cancelled_head_lets_its_followers_in,
        the_middle_and_the_end_are_cancelled,
        a_cancelled_follower_changes_nothing,
        release_and_cancel_at_once,
        all_are_cancelled,
    ],
}
