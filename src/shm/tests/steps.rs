//! The actor of the stories, and one who sets a handle, killed after exactly so
//! many instructions.
//!
//! `PORTUNUS_STEPS` sets how many of them are tried in each story, at even
//! distances; 6 by default. With a million it is every single one.
//!
//! Of those who take back what a dead one left, each instruction counts, to the
//! end, whatever the dead one had been in the middle of.

use alloc::string::ToString;
use core::time::Duration;
use std::process::Child;

use super::child;
use super::scratch::{Scratch, Tree};
use super::stories::{AT, ENTERS, until};
use crate::atomic::Ordering;
use crate::shm::fault::Point;
use crate::shm::format::lock;
use crate::shm::{FifoLock, Handle, Name, Options, Segment};

type Stage = (FifoLock<super::scratch::Orchard>, Scratch);

/// Where the actor says which thread it is.
const THREAD: u64 = 2;

/// In the actor: stops, to go on step by step.
pub(super) fn be_traced(scratch: &Scratch) {
    // SAFETY: a thread may ask to be traced, and stop itself.
    unsafe {
        assert_eq!(libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0), 0, "traced");
        scratch.set(THREAD, libc::gettid() as u64);
        libc::raise(libc::SIGSTOP);
    }
}

/// What became of the traced thread.
fn wait(thread: i32) -> i32 {
    let mut status = 0;
    // SAFETY: a thread of our own child, which nobody else waits for.
    let waited = unsafe { libc::waitpid(thread, &raw mut status, libc::__WALL) };
    assert_eq!(waited, thread, "the traced thread");
    status
}

/// Lets an actor take `count` instructions, and kills it. How many it took.
pub(super) fn trace(actor: &mut Child, scratch: &Scratch, count: u64) -> u64 {
    let pid = actor.id() as i32;
    let mut taken = 0;
    until("it is traced", || scratch.get(THREAD) != 0);
    let thread = scratch.get(THREAD) as i32;
    let mut status = wait(thread);
    assert!(libc::WIFSTOPPED(status), "it stops first: {status}");
    while taken < count && libc::WIFSTOPPED(status) {
        // SAFETY: our own child, which is stopped and traced by this thread.
        let stepped = unsafe { libc::ptrace(libc::PTRACE_SINGLESTEP, thread, 0, 0) };
        assert_eq!(stepped, 0, "a step");
        status = wait(thread);
        taken += 1;
        if scratch.get(AT) == 99 {
            break;
        }
    }
    if libc::WIFSTOPPED(status) {
        // SAFETY: as above.
        unsafe { libc::kill(pid, libc::SIGKILL) };
        while libc::WIFSTOPPED(wait(thread)) {}
    }
    assert!(!actor.wait().expect("a child").success(), "it was killed");
    taken
}

/// Whose death the actor has to do with, if anybody's: the story in which it
/// dies, and where.
fn dead(story: &str) -> Option<(&'static str, Point)> {
    match story {
        // In the middle of a release: counted anew.
        "recover" => Some(("pair", Point::AfterLeaving)),
        // In the middle of a change: told of, and taken back directly.
        "recover a hold" => Some(("pair", Point::AfterHeld)),
        // With the guard, and one who waits: taken over, and linked anew.
        "recover a line" => Some(("queue", Point::HalfLinked)),
        _ => None,
    }
}

/// Kills the actor after `count` instructions. How many it took.
fn play(story: &str, count: u64) -> u64 {
    let name = Name::random();
    let dead = dead(story);
    // Whoever waits must not look after the dead before the actor does.
    let poll = Duration::from_millis(if dead.is_some() { 10_000 } else { 2 });
    let options = Options::new().records(32).processes(8).poll(poll);
    let stage: Segment<Stage> = Segment::create(&name, &options, ((), ())).expect("a stage");
    let (fifo, scratch) = &*stage;
    let held = matches!(story, "queue" | "give up" | "recover a line");
    let ours = held.then(|| fifo.acquire(Tree::Fell).expect("free"));
    // Its cue: those who wait behind it are told by the line.
    scratch.set(ENTERS, u64::from(held || story == "convert"));
    let mut taken = 0;
    std::thread::scope(|scope| {
        let stage = &stage;
        let stand = |waiting: usize| {
            scope.spawn(move || drop(stage.0.acquire(Tree::Fell)));
            until("they wait", || fifo.waiting() == waiting);
        };
        if let Some((story, point)) = dead {
            if held {
                stand(1);
            }
            let arguments = [
                ("NAME", name.to_string()),
                ("STORY", story.to_string()),
                ("POINT", (point as u32).to_string()),
            ];
            let mut dead = child("actor", &arguments);
            assert!(!dead.wait().expect("a child").success(), "it was killed");
            scratch.set(AT, 0);
        }
        let mut actor = child(
            "actor",
            &[
                ("NAME", name.to_string()),
                ("STORY", if dead.is_some() { "sweep" } else { story }.to_string()),
                ("POINT", "0".to_string()),
                ("STEPS", "1".to_string()),
            ],
        );
        if story == "hand over" {
            until("the actor comes", || scratch.get(AT) == 1);
            stand(1);
            stand(2);
            scratch.set(ENTERS, 1);
        }
        taken = trace(&mut actor, scratch, count);
        drop(ours);
    });
    let mut told = 0;
    for mode in [Tree::Look, Tree::Fell] {
        let mut hold = match fifo.acquire_for(mode, Duration::from_secs(60)) {
            Ok(hold) => hold.unwrap_or_else(|| panic!("{story} after {taken}: nobody gets in")),
            Err(died) => {
                told += 1;
                died.into_inner()
            }
        };
        if mode == Tree::Fell {
            hold.mark_consistent();
        }
    }
    if dead.is_some() {
        // Whoever takes it back changes nothing, and dies of nothing else.
        let died = story == "recover a hold";
        assert_eq!(told, if died { 2 } else { 0 }, "{story} after {taken}: told");
        assert!(fifo.is_consistent(), "{story} after {taken}: told once more");
    }
    let at = scratch.attachment.objects()[0].at;
    let word = scratch.attachment.map().u64(at + lock::WORD).load(Ordering::SeqCst);
    assert_eq!(word, 0, "{story} after {taken}: units are left");
    Segment::unlink(&name).expect("it is there");
    taken
}

/// Kills one who sets a handle after `count` instructions. How many it took.
fn set(count: u64) -> u64 {
    let (name, board) = (Name::random(), Name::random());
    let options = Options::new().records(64).processes(8).poll(Duration::from_millis(2));
    let handle: Handle<[u64; 64]> = Handle::create(&name, &options, [0; 64]).expect("new");
    let seen: Segment<(Scratch,)> = Segment::create(&board, &options, ((),)).expect("a board");
    let mut actor = child(
        "writer",
        &[
            ("NAME", name.to_string()),
            ("BOARD", board.to_string()),
            ("STORY", "set once".to_string()),
        ],
    );
    let taken = trace(&mut actor, &seen.0, count);
    let block = handle.get().expect("it is there");
    assert!(block == [0; 64] || block == [1; 64], "after {taken}, torn: {block:?}");
    assert!(block == [1; 64] || seen.0.get(AT) != 99, "after {taken}: it was set");
    handle.set([77; 64]).expect("it is there");
    assert_eq!(handle.get().expect("it is there"), [77; 64]);
    handle.unlink().expect("once");
    Segment::unlink(&board).expect("once");
    taken
}

/// Plays it to the end, and then cut short after some of the instructions.
pub(super) fn cut_short(story: &str, play: impl Fn(u64) -> u64) {
    let most = std::env::var("PORTUNUS_STEPS").map_or(6, |most| most.parse().expect("a number"));
    // One that waits takes instructions without end.
    let waits = matches!(story, "queue" | "give up" | "wait");
    let all = play(if waits { 20_000 } else { u64::MAX });
    assert!(all > 50, "{story} took {all} instructions");
    let stride = (all / most).max(1);
    // Not the same places in each story.
    let counts = (story.len() as u64 % stride..all).step_by(stride as usize);
    std::eprintln!("{story}: {} of {all} instructions", counts.clone().count());
    for count in counts {
        play(count);
    }
}

macro_rules! stories {
    ($($name:ident: $($story:literal)+;)*) => {$(
        #[test]
        fn $name() {
            $(cut_short($story, |count| play($story, count));)+
        }
    )*};
}

stories! {
    killed_after_any_number_of_instructions: "pair" "queue" "hand over" "convert" "give up";
    killed_after_any_number_of_instructions_of_a_repair:
        "recover" "recover a hold" "recover a line";
}

#[test]
fn killed_after_any_number_of_instructions_as_it_sets_a_handle() {
    cut_short("set", set);
}
