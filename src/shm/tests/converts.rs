//! Conversions that only the dead keep from being.

use alloc::string::ToString;
use core::time::Duration;

use super::child;
use super::scratch::{Orchard, Scratch, Tree};
use super::stories::{AT, ENTERS, until};
use crate::atomic::Ordering;
use crate::shm::format::lock;
use crate::shm::{FifoLock, Name, Options, Segment};

type Stage = (FifoLock<Orchard>, Scratch);

fn word(stage: &Stage) -> u64 {
    let attachment = &stage.1.attachment;
    let at = attachment.objects()[0].at;
    attachment.map().u64(at + lock::WORD).load(Ordering::SeqCst)
}

#[test]
fn who_tries_to_convert_looks_after_the_dead() {
    let name = Name::random();
    let options = Options::new().records(16).processes(4).poll(Duration::from_millis(2));
    let ours: Segment<Stage> = Segment::create(&name, &options, ((), ())).expect("a stage");
    let theirs: Segment<Stage> = Segment::open(&name).expect("room");
    Segment::unlink(&name).expect("it is there");
    let alive = ours.0.acquire(Tree::Look).expect("free");
    core::mem::forget(theirs.0.acquire(Tree::Look).expect("both look"));
    let mut hold = ours.0.acquire(Tree::Look).expect("all three look");
    assert!(!hold.try_convert(Tree::Fell), "two others look");
    // It dies, and nobody is in line who would look.
    drop(theirs);
    assert!(!hold.try_convert(Tree::Fell), "another one looks, who is alive");
    drop(alive);
    until("the dead one's hold is given back", || hold.try_convert(Tree::Fell));
    assert_eq!((ours.0.holders(Tree::Look), ours.0.holders(Tree::Fell)), (0, 1));
    drop(hold);
    assert_eq!(word(&ours), 0);
}

#[test]
fn a_conversion_of_a_dead_one_is_no_deadlock() {
    let name = Name::random();
    // Nobody looks by itself meanwhile.
    let options = Options::new().records(16).processes(4).poll(Duration::from_secs(10));
    let stage: Segment<Stage> = Segment::create(&name, &options, ((), ())).expect("a stage");
    let (lock, scratch) = &*stage;
    let arguments = [("STORY", "convert"), ("POINT", "0")].map(|(a, b)| (a, b.to_string()));
    let [story, point] = arguments;
    let mut actor = child("actor", &[("NAME", name.to_string()), story, point]);
    until("the actor looks", || scratch.get(AT) == 1);
    let mut hold = lock.acquire(Tree::Look).expect("both look");
    scratch.set(ENTERS, 1);
    until("the actor waits to convert", || lock.waiting() == 1);
    // While it lives, it is one.
    assert_eq!(hold.convert(Tree::Fell), Err(crate::ConvertError::Deadlock));
    assert_eq!(stage.recover().dead(), 0);
    actor.kill().expect("a child");
    actor.wait().expect("a child");
    assert_eq!(hold.convert(Tree::Fell), Ok(()), "with whom?");
    assert_eq!((lock.holders(Tree::Look), lock.holders(Tree::Fell)), (0, 1));
    assert_eq!(lock.waiting(), 0);
    drop(hold);
    assert_eq!(word(&stage), 0);
    Segment::unlink(&name).expect("it is there");
}
