//! A writer of a value of changing size, who is killed at each point.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;
use std::process::Child;
use std::time::Instant;

use super::forks::{forked, succeeds};
use super::{argument, child, number};
use crate::shm::fault::{POINTS, armed};
use crate::shm::{Error, Name, Options, SerdeHandle};

/// What tells the files of one handle from all others, and numbers that are
/// all the same.
type Value = (String, Vec<u64>);

/// In the segment, and beyond it.
fn value(mark: &str, next: u64) -> Value {
    let len = [2, 900, 1_500][next as usize % 3];
    (mark.to_string(), [u64::MAX - next].repeat(len))
}

pub(super) fn writer() {
    let name = Name::new(argument("NAME")).expect("a name");
    let handle: SerdeHandle<Value> = SerdeHandle::open(&name).expect("a handle");
    let (point, passes) = (number("POINT") as u32, number("PASSES") as u32);
    armed::arm(point, passes, libc::SIGKILL);
    if argument("STORY") == "unlink" {
        handle.unlink().expect("once");
        return;
    }
    let mark = argument("MARK");
    for next in 1..=8 {
        handle.set(&value(&mark, next)).expect("it is there");
        assert_eq!(handle.get().expect("it is there"), value(&mark, next));
    }
}

fn spawn(name: &Name, story: &str, mark: &str, point: u32, passes: u32) -> Child {
    child(
        "writer of any size",
        &[
            ("NAME", name.to_string()),
            ("STORY", story.to_string()),
            ("MARK", mark.to_string()),
            ("POINT", point.to_string()),
            ("PASSES", passes.to_string()),
        ],
    )
}

/// How many files have the mark in them, besides the handle's own.
fn files_with(mark: &str, name: &Name) -> usize {
    let other = |path: &std::path::PathBuf| *path != name.path();
    std::fs::read_dir(Name::FOLDER)
        .expect("a folder")
        .flatten()
        .map(|entry| entry.path())
        .filter(other)
        .filter(|path| path.to_string_lossy().contains("/portunus-"))
        .filter_map(|path| std::fs::read(path).ok())
        .filter(|bytes| bytes.windows(mark.len()).any(|part| part == mark.as_bytes()))
        .count()
}

fn options() -> Options {
    Options::new().poll(Duration::from_millis(2)).processes(8).records(64)
}

#[test]
fn a_killed_writer_leaves_a_whole_value_and_no_files() {
    let (mut deaths, mut left) = (0, 0);
    for point in 1..=POINTS {
        for passes in [0, 1, 2, 3] {
            let (name, mark) = (Name::random(), Name::random().to_string() + "?");
            // The first one is long for some, short for others.
            let first = u64::from(3 + point % 2);
            let handle = SerdeHandle::create(&name, &options(), &value(&mark, first));
            let handle = handle.expect("new");
            let mut writer = spawn(&name, "set", &mark, point, passes);
            let end = Instant::now() + Duration::from_secs(60);
            let last = loop {
                let ended = writer.try_wait().expect("a child");
                let seen = handle.get().expect("it is there");
                let next = u64::MAX - seen.1[0];
                assert_eq!(seen, value(&mark, next), "torn");
                if let Some(status) = ended {
                    deaths += u32::from(!status.success());
                    break next;
                }
                assert!(Instant::now() < end, "the writer does not end");
            };
            left = left.max(files_with(&mark, &name));
            // The next writer leaves its own value only.
            for (next, files) in [(last + 1, usize::from((last + 1) % 3 != 0)), (3, 0)] {
                handle.set(&value(&mark, next)).expect("it is there");
                assert_eq!(handle.get().expect("it is there"), value(&mark, next));
                assert_eq!(files_with(&mark, &name), files, "at {point}, after {passes}");
            }
            handle.unlink().expect("once");
            assert!(!name.path().exists());
        }
    }
    assert!(deaths >= 24, "only {deaths} points were reached");
    assert!(left >= 2, "no killed writer left a file behind");
}

#[test]
fn killed_while_it_unlinks_the_value_is_there_or_gone() {
    let mut deaths = [0; 2];
    for point in 1..=POINTS {
        let (name, mark) = (Name::random(), Name::random().to_string() + "?");
        let handle = SerdeHandle::create(&name, &options(), &value(&mark, 0)).expect("new");
        handle.set(&value(&mark, 1)).expect("it is there");
        assert_eq!(files_with(&mark, &name), 1);
        // The one who dies is the last who has it open.
        drop(handle);
        let mut writer = spawn(&name, "unlink", &mark, point, 0);
        let killed = !writer.wait().expect("a child").success();
        let there = match SerdeHandle::<Value>::open(&name) {
            Ok(handle) => {
                assert_eq!(handle.get().expect("whole"), value(&mark, 1), "at {point}");
                handle.unlink().expect("once");
                assert_eq!(handle.get(), Err(Error::NotFound), "at {point}");
                true
            }
            Err(error) => {
                assert_eq!(error, Error::NotFound, "at {point}");
                false
            }
        };
        deaths[usize::from(there)] += u32::from(killed);
        assert!(!name.path().exists(), "at {point}");
        assert_eq!(files_with(&mark, &name), 0, "at {point}");
        let again = SerdeHandle::create(&name, &options(), &value(&mark, 2)).expect("free");
        again.unlink().expect("once");
    }
    assert!(deaths[0] >= 3 && deaths[1] >= 3, "points were reached: {deaths:?}");
}

#[test]
fn a_name_whose_removal_was_begun_is_free() {
    use crate::shm::fault::Point;
    let (name, mark) = (Name::random(), Name::random().to_string() + "?");
    let create = |next| SerdeHandle::create(&name, &options(), &value(&mark, next));
    drop(create(1).expect("new"));
    let mut writer = spawn(&name, "unlink", &mark, Point::Removing as u32, 0);
    assert!(!writer.wait().expect("a child").success());
    assert!(name.path().exists());
    let handle = create(4).expect("as if it were not there");
    assert_eq!(handle.get().expect("whole"), value(&mark, 4));
    assert_eq!(create(5).err(), Some(Error::Exists));
    handle.unlink().expect("once");
    assert_eq!(files_with(&mark, &name), 0);
}

pub(super) fn heir() {
    let handle = SerdeHandle::new(&value("first", 0)).expect("new");
    let door = handle.door();
    let mut inside = door.write().expect("it is there");
    forked(|| {
        assert_eq!(handle.set(&value("second", 0)), Err(Error::Forked));
        inside.0 = "third".to_string();
        assert_eq!(inside.write_back(), Err(Error::Forked));
        drop(inside);
    });
    assert_eq!(handle.get(), Ok(value("first", 0)));
    assert!(door.is_locked(), "its child let go");
    handle.unlink().expect("once");
}

#[test]
fn a_forked_child_sets_no_value_and_writes_none_back() {
    succeeds("heir of a value");
}
