//! A number that is changed by one who is killed at each point.

use alloc::boxed::Box;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Waker};
use core::time::Duration;

use super::forks::{forked, succeeds};
use super::noise::watched;
use super::scratch::{Orchard, Scratch, Tree};
use super::stories::{ENTERS, until};
use super::waits::{LONG, Play};
use crate::atomic::Ordering;
use crate::shm::fault::POINTS;
use crate::shm::format;
use crate::shm::{Counter, Error, FifoLock, Name, Options, Segment};

/// The actor counts, and is killed meanwhile; threads and tasks see it.
#[test]
fn killed_at_each_point_of_counting() {
    let mut deaths = 0;
    for point in 1..=POINTS {
        let play = Play::new(Duration::from_millis(2));
        let (.., scratch, counter) = &*play.stage;
        let mut actor = play.cast("count", point, false);
        watched(&std::format!("point {point}"), || {
            std::thread::scope(|scope| {
                scope.spawn(|| assert_eq!(counter.wait_until_for(|n| n == 2, LONG), Some(2)));
                scope.spawn(|| assert_eq!(smol::block_on(counter.wait_until_async(|n| n == 2)), 2));
                // One that is polled once, and asks for a ring that it never uses.
                let mut idle = pin!(counter.wait_until_async(|n| n == 9));
                assert!(idle.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                scratch.set(ENTERS, 1);
                deaths += u32::from(!actor.wait().expect("a child").success());
            });
        });
        play.end("count");
    }
    assert!(deaths >= 2, "only {deaths} points were reached");
}

/// Somebody counts, is slow to ring, and rings a task that has seen the number
/// already: the next change must ring it again.
#[test]
fn a_late_ring_does_not_use_up_what_a_task_asked_for() {
    // Nobody looks by itself meanwhile.
    let play = Play::new(Duration::from_secs(10));
    let (.., scratch, counter) = &*play.stage;
    let attachment = &scratch.attachment;
    let asking = || {
        let word = counter.at() + format::counter::TASKS + u64::from(attachment.slot() / 64) * 8;
        attachment.map().u64(word).load(Ordering::SeqCst) >> (attachment.slot() % 64) & 1 != 0
    };
    watched("a late ring", || {
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!(smol::block_on(counter.wait_until_async(|n| n == 2)), 2));
            for _ in 0..20 {
                until("the task, or its thread for it, asks to be rung", asking);
                counter.ring();
            }
            until("it asks again", asking);
            assert_eq!(counter.add(2), Ok(2));
        });
    });
}

#[test]
fn a_dropped_segment_is_left_though_tasks_have_waited() {
    // Nobody looks by itself meanwhile.
    let options = Options::new().records(8).processes(2).poll(Duration::from_secs(10));
    for forgotten in [false, true] {
        let name = Name::random();
        let stays: Segment<(Counter, Scratch)> =
            Segment::create(&name, &options, (0, ())).expect("a segment");
        let goes: Segment<(Counter, Scratch)> = Segment::open(&name).expect("room");
        let mut waits = Box::pin(goes.0.wait_until_async(|n| n == 1));
        assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        if forgotten {
            core::mem::forget(waits);
        } else {
            drop(waits);
        }
        let third = Segment::<(Counter, Scratch)>::open(&name).err();
        assert_eq!(third, Some(Error::TooManyProcesses { limit: 2 }));
        let doorbell = stays.1.attachment.doorbell(goes.1.attachment.who()).expect("its slot");
        let before = doorbell.load(Ordering::SeqCst);
        drop(goes);
        // (Where nobody waits any more, the thread may have ended by itself.)
        let rung = doorbell.load(Ordering::SeqCst) != before;
        assert!(rung || !forgotten, "its thread is not told to end");
        until("it has gone", || Segment::<(Counter, Scratch)>::open(&name).is_ok());
        Segment::unlink(&name).expect("it is there");
    }
}

pub(super) fn heir() {
    let (lock, _fd) = Segment::<FifoLock<Orchard>>::memfd(&Options::new(), ()).expect("new");
    let future = lock.acquire(Tree::Look).expect("free").convert_async(Tree::Climb);
    forked(|| drop(future));
    assert_eq!(lock.holders(Tree::Look), 1, "its child let go");
}

#[test]
fn a_forked_child_drops_a_conversion_that_was_never_polled() {
    succeeds("heir of a future");
}
