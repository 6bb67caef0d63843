//! The ready-made locks, on every face: mutex, fair readers-writer lock,
//! semaphore.

use portunus::rules::Fair;

use crate::faces::Face;
use crate::kin::Kin;
use crate::script::{Order, Outcome, Script};
use crate::subject::Want::{Read, Write};
use crate::subject::{Permits as _, Subject as _, Want};

type Mutex<F> = <<F as Face>::Kin as Kin>::Mutex<<F as Face>::Backend>;
type RwLock<F> = <<F as Face>::Kin as Kin>::RwLock<Fair, <F as Face>::Backend>;
type Semaphore<F> = <<F as Face>::Kin as Kin>::Semaphore<<F as Face>::Backend>;

fn mutex<F: Face>(count: usize) -> Script<F, Mutex<F>> {
    let mut script = Script::<F, _>::new(F::Kin::mutex());
    for _ in 0..count {
        script.asks(());
    }
    script
}

fn rwlock<F: Face>(wants: &[Want]) -> Script<F, RwLock<F>> {
    let mut script = Script::<F, _>::new(F::Kin::rwlock());
    for &want in wants {
        script.asks(want);
    }
    script
}

/// Each party asks for so many of `permits`.
fn semaphore<F: Face>(permits: usize, counts: &[u32]) -> Script<F, Semaphore<F>> {
    let mut script = Script::<F, _>::new(F::Kin::semaphore(permits));
    for &count in counts {
        script.asks(count);
    }
    script
}

fn a_mutex_is_handed_on_in_order<F: Face>() {
    let script = mutex::<F>(3);
    script.history("x--");
    script.finish(0);
    script.history("xx-");
    script.fail(1);
    script.history("xxx");
    script.end();
}

fn readers_between_writers_enter_together<F: Face>() {
    let script = rwlock::<F>(&[Read, Write, Read, Read, Write, Read]);
    script.history("x-----");
    script.finish(0);
    script.history("xx----");
    script.finish(1);
    script.history("xxxx--");
    script.fail(3);
    script.history("xxxx--");
    script.finish(2);
    script.history("xxxxx-");
    script.finish(4);
    script.history("xxxxxx");
    script.end();
}

fn permits_go_round_in_order<F: Face>() {
    let script = semaphore::<F>(2, &[1, 1, 1, 1]);
    script.history("xx--");
    script.finish(1);
    script.history("xxx-");
    script.finish(0);
    script.history("xxxx");
    script.end();
}

/// Who asks for many waits until all are free at once, and nobody behind it
/// takes one before.
fn a_heavy_request_does_not_starve<F: Face>() {
    let script = semaphore::<F>(3, &[1, 1, 3, 1]);
    script.history("xx--");
    script.finish(0);
    script.history("xx--");
    script.finish(1);
    script.history("xxx-");
    script.finish(2);
    script.history("xxxx");
    script.end();
}

/// Several may enter with what one leaves.
fn what_is_left_is_shared<F: Face>() {
    let script = semaphore::<F>(4, &[4, 1, 2, 2, 1]);
    script.history("x----");
    script.finish(0);
    script.history("xxx--");
    script.finish(1);
    script.history("xxxx-");
    script.finish(2);
    script.history("xxxxx");
    script.end();
}

fn a_queued_locker_is_cancelled<F: Face>() {
    let script = mutex::<F>(4);
    script.cancel(1);
    script.history("x---");
    script.finish(0);
    script.history("x-x-");
    script.cancel(2);
    script.history("x-xx");
    script.end();
}

fn a_cancelled_writer_lets_readers_in<F: Face>() {
    let script = rwlock::<F>(&[Read, Write, Read, Read]);
    script.history("x---");
    script.cancel(1);
    script.history("x-xx");
    script.end();
}

/// The heavy one gone, the light ones fit.
fn a_cancelled_heavy_request_lets_light_ones_in<F: Face>() {
    let script = semaphore::<F>(3, &[1, 3, 1, 1]);
    script.history("x---");
    script.cancel(1);
    script.history("x-xx");
    script.end();
}

fn release_and_cancel_at_once<F: Face>() {
    let script = semaphore::<F>(2, &[2, 2, 1, 1]);
    script.history("x---");
    script.tell(0, Order::Finish);
    script.tell(1, Order::Cancel);
    assert_eq!(script.outcome(0), Outcome::Finished);
    assert_eq!(script.outcome(1), Outcome::Cancelled);
    assert_eq!(script.subject().available_permits(), 0);
    assert_eq!(script.subject().in_line(), 0);
    script.enters(2);
    script.enters(3);
    script.end();
}

on_faces! {
    all: [
        a_mutex_is_handed_on_in_order,
        readers_between_writers_enter_together,
        permits_go_round_in_order,
        a_heavy_request_does_not_starve,
        what_is_left_is_shared,
    ],
    cancelling: [
        a_queued_locker_is_cancelled,
        a_cancelled_writer_lets_readers_in,
        a_cancelled_heavy_request_lets_light_ones_in,
        release_and_cancel_at_once,
    ],
}
