//! A writer of a handle, who is killed at each point.

use alloc::string::ToString;
use core::convert::Infallible;
use core::time::Duration;
use std::time::Instant;

use super::scratch::Scratch;
use super::stories::{ENTERS, until};
use super::{argument, child, number};
use crate::rules::Access;
use crate::shm::fault::{POINTS, armed};
use crate::shm::frame::Frame;
use crate::shm::{Error, Handle, Name, Options, Segment};

/// A value that is whole if all of it is the same.
type Block = [u64; 64];

pub(super) fn writer() {
    let name = Name::new(argument("NAME")).expect("a name");
    let handle: Handle<Block> = Handle::open(&name).expect("a handle");
    #[cfg(target_arch = "x86_64")]
    if argument("STORY") == "set once" {
        return set_once(&handle);
    }
    let (point, passes) = (number("POINT") as u32, number("PASSES") as u32);
    if argument("STORY") == "unlink" {
        let board = Name::new(argument("BOARD")).expect("a name");
        let board: Segment<(Scratch,)> = Segment::open(&board).expect("a board");
        until("the cue", || board.0.get(ENTERS) == 1);
        armed::arm(point, passes, libc::SIGKILL);
        handle.unlink().expect("once");
        return;
    }
    armed::arm(point, passes, libc::SIGKILL);
    if argument("STORY") == "door" {
        for next in 1..=3 {
            let mut inside = handle.door().write().expect("it is there");
            *inside = [next; 64];
            inside.close().expect("it is there");
        }
        return;
    }
    for next in 1..=3 {
        handle.set([next; 64]).expect("it is there");
        handle.update(|block| *block = [block[0] + 10; 64]).expect("it is there");
        assert_eq!(handle.get().expect("it is there"), [next + 10; 64]);
    }
}

/// To be killed in the middle of it.
#[cfg(target_arch = "x86_64")]
fn set_once(handle: &Handle<Block>) {
    let board = Name::new(argument("BOARD")).expect("a name");
    let board: Segment<(Scratch,)> = Segment::open(&board).expect("a board");
    super::steps::be_traced(&board.0);
    handle.set([1; 64]).expect("it is there");
    board.0.set(super::stories::AT, 99);
}

#[test]
fn a_killed_writer_leaves_a_whole_value() {
    let mut deaths = 0;
    for point in 1..=POINTS {
        for passes in [0, 2] {
            let options = Options::new().poll(Duration::from_millis(2)).processes(8).records(64);
            let name = Name::random();
            let handle: Handle<Block> = Handle::create(&name, &options, [0; 64]).expect("new");
            let mut writer = child(
                "writer",
                &[
                    ("NAME", name.to_string()),
                    ("STORY", "set".to_string()),
                    ("POINT", point.to_string()),
                    ("PASSES", passes.to_string()),
                ],
            );
            let mut last = 0;
            let end = Instant::now() + Duration::from_secs(60);
            loop {
                let ended = writer.try_wait().expect("a child");
                let block = handle.get().expect("it is there");
                assert!(block.iter().all(|&word| word == block[0]), "torn: {block:?}");
                last = last.max(block[0]);
                if let Some(status) = ended {
                    deaths += u32::from(!status.success());
                    break;
                }
                assert!(Instant::now() < end, "the writer does not end");
            }
            // The value can be set, and is what was set.
            handle.set([77; 64]).expect("it is there");
            assert_eq!(handle.get().expect("it is there"), [77; 64]);
            handle.unlink().expect("once");
        }
    }
    assert!(deaths >= 12, "only {deaths} points were reached");
}

/// Sets those free who wait inside, should the test fail.
struct Free<'a>(&'a Frame);

impl Drop for Free<'_> {
    fn drop(&mut self) {
        self.0.tell_removed();
    }
}

#[test]
fn killed_while_it_unlinks_the_value_is_there_or_gone() {
    let mut deaths = 0;
    for point in 1..=POINTS {
        let options = Options::new().poll(Duration::from_millis(2)).processes(8).records(64);
        let name = Name::random();
        let handle: Handle<Block> = Handle::create(&name, &options, [5; 64]).expect("new");
        let cues = Name::random();
        let board: Segment<(Scratch,)> = Segment::create(&cues, &options, ((),)).expect("new");
        let scratch = &board.0;
        let mut writer = child(
            "writer",
            &[
                ("NAME", name.to_string()),
                ("BOARD", cues.to_string()),
                ("STORY", "unlink".to_string()),
                ("POINT", point.to_string()),
                ("PASSES", "0".to_string()),
            ],
        );
        let ended = std::thread::scope(|scope| {
            let _free = Free(handle.framed());
            // Whether or not the one who unlinks it comes to telling them.
            // One whose removal came to nothing wakes without a reason.
            let reader = scope.spawn(|| -> Result<Infallible, Error> {
                let mut inside = handle.door().read()?;
                loop {
                    inside = inside.wait()?;
                }
            });
            let writer_inside = scope.spawn(|| -> Result<Infallible, Error> {
                let mut inside = handle.door().write()?;
                loop {
                    inside = inside.wait()?;
                }
            });
            until("both wait", || handle.framed().condvar().waiting() == 2);
            scratch.set(ENTERS, 1);
            deaths += u32::from(!writer.wait().expect("a child").success());
            let gone = !name.path().exists();
            if gone {
                let end = || reader.is_finished() && writer_inside.is_finished();
                until(&std::format!("at {point}: nobody waits for what is gone"), end);
            }
            let unlinked = handle.unlink();
            assert_eq!(unlinked, if gone { Err(Error::NotFound) } else { Ok(()) }, "at {point}");
            assert_eq!(handle.get(), Err(Error::NotFound), "at {point}");
            [reader, writer_inside].map(|waiter| waiter.join().expect("no panic"))
        });
        assert_eq!(ended, [Err(Error::NotFound), Err(Error::NotFound)], "at {point}");
        assert!(!name.path().exists());
        Segment::unlink(&cues).expect("it is there");
    }
    assert!(deaths >= 6, "only {deaths} points were reached");
}

#[test]
fn one_who_is_killed_inside_leaves_a_whole_value_and_the_door_free() {
    let mut deaths = 0;
    for point in 1..=POINTS {
        for passes in [0, 1, 3] {
            let options = Options::new().poll(Duration::from_millis(2)).processes(8).records(64);
            let name = Name::random();
            let handle: Handle<Block> = Handle::create(&name, &options, [0; 64]).expect("new");
            let mut writer = child(
                "writer",
                &[
                    ("NAME", name.to_string()),
                    ("STORY", "door".to_string()),
                    ("POINT", point.to_string()),
                    ("PASSES", passes.to_string()),
                ],
            );
            let patience = Duration::from_secs(60);
            loop {
                let ended = writer.try_wait().expect("a child");
                let inside = handle.door().read_for(patience).expect("it is there");
                let block = *inside.expect("nobody gets in any more");
                assert!(block.iter().all(|&word| word == block[0]), "torn: {block:?}");
                assert!(block[0] <= 3, "at {point}: {block:?}");
                if let Some(status) = ended {
                    deaths += u32::from(!status.success());
                    break;
                }
            }
            let mut inside = handle.door().write_for(patience).expect("it is there");
            **inside.as_mut().expect("nobody gets in any more") = [77; 64];
            drop(inside);
            assert_eq!(handle.get().expect("it is there"), [77; 64], "at {point}");
            assert!(!handle.door().is_locked());
            handle.unlink().expect("once");
        }
    }
    assert!(deaths >= 20, "only {deaths} points were reached");
}

#[test]
fn unlinking_tells_all_who_wait_inside_before_it_returns() {
    // Nobody looks by itself meanwhile.
    let options = Options::new().poll(Duration::from_secs(10)).records(64);
    let handle: Handle<u64> = Handle::create(&Name::random(), &options, 1).expect("new");
    let other: Handle<u64> = Handle::open(handle.name()).expect("it is there");
    std::thread::scope(|scope| {
        let waiters = [
            scope.spawn(|| handle.door().read()?.wait().map(drop)),
            scope.spawn(|| other.door().write()?.wait().map(drop)),
            scope.spawn(|| handle.door().read()?.wait_for(Duration::MAX).map(drop)),
            scope.spawn(|| handle.door().write()?.wait_while(|value| *value == 1).map(drop)),
        ];
        let condvar = handle.framed().condvar();
        until("all wait", || condvar.waiting() == waiters.len());
        other.unlink().expect("once");
        assert_eq!(condvar.waiting(), 0, "somebody has not been told");
        for waiter in waiters {
            assert_eq!(waiter.join().expect("no panic"), Err(Error::NotFound));
        }
    });
    assert!(!handle.door().is_locked(), "it was let go");
}

#[test]
fn whose_name_cannot_be_removed_waits_on() {
    let options = Options::new().poll(Duration::from_millis(2)).records(64);
    let handle: Handle<u64> = Handle::create(&Name::random(), &options, 1).expect("new");
    let frame = handle.framed();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let inside = handle.door().read()?.wait_while(|value| *value == 1)?;
            Ok::<u64, Error>(*inside)
        });
        until("it waits", || frame.condvar().waiting() == 1);
        let hold = frame.enter(Access::Write).expect("it is there");
        let removed = frame.remove_by(&hold, || {
            until("it comes to see", || frame.condvar().waiting() == 0);
            Err(Error::NoProc)
        });
        assert_eq!(removed, Err(Error::NoProc));
        drop(hold);
        until("it waits again", || frame.condvar().waiting() == 1);
        let mut inside = handle.door().write().expect("it is there");
        *inside = 2;
        inside.notify_one().expect("it is there");
        drop(inside);
        assert_eq!(waiter.join().expect("no panic"), Ok(2));
    });
    handle.unlink().expect("once");
}
