//! One actor, who is killed at each point of each story, and what the others
//! find afterwards.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;
use std::time::Instant;

use super::scratch::{Orchard, Scratch, Tree};
use super::{argument, child, number};
use crate::atomic::Ordering;
use crate::shm::fault::{POINTS, Point, armed};
use crate::shm::format::lock;
use crate::shm::{FifoLock, Name, Options, Segment};

type Stage = (FifoLock<Orchard>, Scratch);

/// The actor's cue, and where it is.
pub(super) const ENTERS: u64 = 0;
pub(super) const AT: u64 = 1;

/// The stories. In each the actor is alone in the line, or among threads of
/// the test.
const STORIES: [&str; 6] = ["pair", "queue", "hand over", "convert", "give up", "recover"];

pub(super) fn actor() {
    let name = Name::new(argument("NAME")).expect("a name");
    let stage: Segment<Stage> = Segment::open(&name).expect("a stage");
    let (lock, scratch) = &*stage;
    let cue = |at: u64| {
        scratch.set(AT, at);
        while scratch.get(ENTERS) < at {
            std::thread::yield_now();
        }
    };
    let arm = || {
        armed::arm(number("POINT") as u32, 0, libc::SIGKILL);
        #[cfg(target_arch = "x86_64")]
        if std::env::var("STEPS").is_ok() {
            super::steps::be_traced(scratch);
        }
    };
    match argument("STORY").as_str() {
        "pair" => {
            arm();
            drop(lock.acquire(Tree::Fell));
        }
        "queue" => {
            cue(1);
            arm();
            drop(lock.acquire(Tree::Fell));
        }
        "hand over" => {
            let hold = lock.acquire(Tree::Fell);
            cue(1);
            arm();
            drop(hold);
        }
        "convert" => {
            let mut hold = lock.acquire(Tree::Look).expect("consistent");
            cue(1);
            arm();
            let _ = hold.convert(Tree::Fell);
            let _ = hold.convert(Tree::Look);
            drop(hold);
        }
        "give up" => {
            cue(1);
            arm();
            let _ = lock.acquire_for(Tree::Fell, Duration::from_millis(3));
        }
        "recover" => {
            arm();
            stage.recover();
            drop(lock.acquire(Tree::Look));
        }
        "sweep" => {
            arm();
            stage.recover();
        }
        other => panic!("no such story: {other}"),
    }
    scratch.set(AT, 99);
}

pub(super) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < end, "{what}");
        std::thread::yield_now();
    }
}

/// Plays it with the actor killed at this point. Whether it got there.
fn play(story: &str, point: u32) -> bool {
    let name = Name::random();
    let options = Options::new().records(64).processes(8).poll(Duration::from_millis(2));
    let stage: Segment<Stage> = Segment::create(&name, &options, ((), ())).expect("a stage");
    let (lock, scratch) = &*stage;
    let cast = |role: &str, story: &str, point: u32| {
        child(
            role,
            &[
                ("NAME", name.to_string()),
                ("STORY", story.to_string()),
                ("POINT", point.to_string()),
            ],
        )
    };
    if story == "recover" {
        // Somebody to be recovered from: in the middle of a release.
        let mut dead = cast("actor", "pair", Point::AfterLeaving as u32);
        assert!(!dead.wait().expect("a child").success());
    }
    let ours = match story {
        "queue" | "give up" => Some(lock.acquire(Tree::Fell).expect("free")),
        _ => None,
    };
    let mut actor = cast("actor", story, point);
    let mut status = None;
    let order = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let stand = |who: u32, mode: Tree| {
            let (lock, order) = (&stage.0, &order);
            scope.spawn(move || {
                let hold = lock.acquire(mode);
                order.lock().expect("no panic").push((who, hold.is_err()));
                drop(hold);
            });
        };
        match story {
            "pair" | "recover" => {}
            "queue" => {
                until("the actor comes", || scratch.get(AT) == 1);
                stand(0, Tree::Fell);
                until("one waits", || lock.waiting() == 1);
                scratch.set(ENTERS, 1);
                // It waits, or is dead, when the lock is given back.
                until("the actor waits", || {
                    status = actor.try_wait().expect("a child");
                    status.is_some() || lock.waiting() == 2
                });
                stand(2, Tree::Fell);
                until("another one waits", || {
                    order.lock().expect("no panic").len() + lock.waiting() >= 2
                        && (status.is_some() || lock.waiting() >= 2)
                });
            }
            "give up" => {
                until("the actor comes", || scratch.get(AT) == 1);
                scratch.set(ENTERS, 1);
                until("the actor waits", || {
                    status = actor.try_wait().expect("a child");
                    status.is_some() || lock.waiting() == 1 || scratch.get(AT) == 99
                });
                stand(2, Tree::Look);
            }
            _ => {
                until("the actor comes", || scratch.get(AT) == 1);
                stand(0, Tree::Fell);
                until("one waits", || lock.waiting() == 1);
                stand(2, Tree::Fell);
                until("two wait", || lock.waiting() == 2);
                scratch.set(ENTERS, 1);
            }
        }
        // Who gives up must not be served.
        let ours = (story == "give up").then_some(ours);
        until("the actor ends", || {
            status = status.or(actor.try_wait().expect("a child"));
            status.is_some()
        });
        drop(ours);
    });
    let killed = !status.expect("it has ended").success();
    let order = order.into_inner().expect("no panic");
    let who: Vec<_> = order.iter().map(|&(who, _)| who).collect();
    assert!(who.is_sorted(), "{story} at {point}: out of order: {who:?}");
    // Reported exactly when the actor's own code may have been running in the
    // mode that changes something.
    let own = [Point::AfterHeld as u32, Point::BeforeLeaving as u32];
    let reported = !lock.is_consistent() || {
        let hold = lock.acquire_for(Tree::Look, Duration::from_secs(60));
        assert!(!matches!(hold, Ok(None)), "{story} at {point}: nobody gets in any more");
        hold.is_err()
    };
    if killed && matches!(story, "pair" | "hand over") {
        assert_eq!(reported, own.contains(&point), "{story} at {point}: report");
    }
    if !killed || matches!(story, "give up" | "recover") {
        assert!(!reported, "{story} at {point}: reported without a reason");
    }
    let hold = lock.acquire_for(Tree::Fell, Duration::from_secs(60));
    let mut hold = match hold {
        Ok(hold) => hold.expect("in time"),
        Err(died) => died.into_inner(),
    };
    hold.mark_consistent();
    drop(hold);
    let at = scratch.attachment.objects()[0].at;
    let word = scratch.attachment.map().u64(at + lock::WORD).load(Ordering::SeqCst);
    assert_eq!(word, 0, "{story} at {point}: units are left");
    let _ = actor.kill();
    Segment::unlink(&name).expect("it is there");
    killed
}

#[test]
fn killed_at_each_point_of_each_story() {
    let mut deaths = 0;
    for story in STORIES {
        let mut here = 0;
        for point in 1..=POINTS {
            here += u32::from(play(story, point));
        }
        assert!(here >= 4, "{story}: only {here} points were reached");
        deaths += here;
    }
    assert!(deaths >= 60, "only {deaths} points were reached in all");
}
