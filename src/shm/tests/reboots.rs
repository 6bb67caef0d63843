//! A segment that is older than the machine's start, and several who want to go
//! on with it or to replace it.

use alloc::string::{String, ToString};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::scratch::Scratch;
use super::{argument, child, signal, until_stopped};
use crate::rules::Exclusive;
use crate::shm::fault::{Point, armed};
use crate::shm::format::Head;
use crate::shm::segment::examine;
use crate::shm::{AfterReboot, FifoLock, Name, Options, Segment};

type House = (FifoLock<Exclusive>, Scratch);

const OLD: u64 = 0;
const LATE: u64 = 1;

fn open(path: &Path, adopts: bool) -> Segment<House> {
    let after = if adopts { AfterReboot::Adopt } else { AfterReboot::Reset };
    let options = Options::new().records(8).processes(4).after_reboot(after);
    Segment::open_or_create_file(path, &options, ((), ())).expect("the old one or a new one")
}

/// Finds it outdated, and then stands still for a while.
pub(super) fn latecomer() {
    armed::arm(Point::Outdated as u32, 0, libc::SIGSTOP);
    let path = Name::new(argument("NAME")).expect("a name").path();
    open(&path, argument("ADOPTS") == "true").1.set(LATE, 7);
}

#[test]
fn who_adopts_and_who_replaces_have_the_same_in_the_end() {
    for adopts in [true, false] {
        let name = Name::random();
        let path = name.path();
        let old = open(&path, adopts);
        old.1.set(OLD, 5);
        drop(old);
        // As if the machine had been started anew.
        let file = File::options().read(true).write(true).open(&path).expect("a file");
        let head = examine(&file, &Options::new(), None).expect("a segment's head");
        let older = Head { boot: [1; 16], ..head };
        file.write_all_at(&older.encode(), 0).expect("room");
        drop(file);

        let what: String = (!adopts).to_string();
        let mut late = child("latecomer", &[("NAME", name.to_string()), ("ADOPTS", what)]);
        until_stopped(&late);
        let early = open(&path, adopts);
        assert_eq!(early.1.get(OLD), if adopts { 5 } else { 0 });
        signal(&late, libc::SIGCONT);
        assert!(late.wait().expect("a child").success());
        assert_eq!(early.1.get(LATE), 7, "two segments under one name: {adopts}");
        assert!(!early.is_unlinked(), "it was removed: {adopts}");
        assert_eq!(early.1.get(OLD), if adopts { 5 } else { 0 });
        Segment::unlink(&name).expect("it is there");
    }
}
