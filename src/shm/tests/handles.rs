//! A writer of a handle, who is killed at each point.

use alloc::string::ToString;
use core::time::Duration;
use std::time::Instant;

use super::{argument, child, number};
use crate::shm::fault::{POINTS, armed};
use crate::shm::{Error, Handle, Name, Options};

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
    armed::arm(point, passes, libc::SIGKILL);
    if argument("STORY") == "unlink" {
        handle.unlink().expect("once");
        return;
    }
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
    use super::scratch::Scratch;
    use crate::shm::Segment;
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

#[test]
fn killed_while_it_unlinks_the_value_is_there_or_gone() {
    let mut deaths = 0;
    for point in 1..=POINTS {
        let options = Options::new().poll(Duration::from_millis(2)).processes(8).records(64);
        let name = Name::random();
        let handle: Handle<Block> = Handle::create(&name, &options, [5; 64]).expect("new");
        let mut writer = child(
            "writer",
            &[
                ("NAME", name.to_string()),
                ("STORY", "unlink".to_string()),
                ("POINT", point.to_string()),
                ("PASSES", "0".to_string()),
            ],
        );
        deaths += u32::from(!writer.wait().expect("a child").success());
        let gone = !name.path().exists();
        let unlinked = handle.unlink();
        assert_eq!(unlinked, if gone { Err(Error::NotFound) } else { Ok(()) }, "at {point}");
        assert_eq!(handle.get(), Err(Error::NotFound), "at {point}");
        assert!(!name.path().exists());
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
