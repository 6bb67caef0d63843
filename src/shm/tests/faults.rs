//! Directed stories, one for each way to get the recovery wrong; and that each
//! of them fails when it is.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::mem::ManuallyDrop;
use core::time::Duration;
use std::process::{Child, Command};

use super::scratch::{Orchard, Scratch, Tree};
use super::stories::{AT, ENTERS, until};
use super::waits::Play;
use super::{argument, child, die_with_parent, number, until_stopped};
use crate::atomic::Ordering;
use crate::shm::fault::{Point, Wrong, armed};
use crate::shm::format::lock;
use crate::shm::{FifoLock, Name, Options, OwnerDied, Segment};

type Stage = (FifoLock<Orchard>, Scratch);

/// What a child does: gets the signal at the point, and if it goes on, holds
/// until it is told to let go.
pub(super) fn stayer() {
    let name = Name::new(argument("NAME")).expect("a name");
    let stage: Segment<Stage> = Segment::open(&name).expect("a stage");
    let (lock, scratch) = &*stage;
    if number("HOLDS_FIRST") != 0 {
        let hold = lock.acquire(Tree::Fell).expect("consistent");
        scratch.set(AT, 1);
        until("the cue", || scratch.get(ENTERS) >= 1);
        armed::arm(number("POINT") as u32, 0, number("SIGNAL") as i32);
        return drop(hold);
    }
    armed::arm(number("POINT") as u32, 0, number("SIGNAL") as i32);
    let hold = lock.acquire(Tree::Look).expect("consistent");
    scratch.set(AT, 2);
    until("the cue", || scratch.get(ENTERS) >= 2);
    drop(hold);
    scratch.set(AT, 3);
}

/// A stage, and whoever plays on it: they end with it.
struct Theatre {
    name: Name,
    stage: Arc<Segment<Stage>>,
}

impl Drop for Theatre {
    fn drop(&mut self) {
        let _ = Segment::unlink(&self.name);
    }
}

impl Theatre {
    /// `poll`: how soon those who wait look after the dead by themselves.
    fn new(poll: Duration) -> Self {
        let name = Name::random();
        let options = Options::new().records(64).processes(8).poll(poll);
        let stage = Segment::create(&name, &options, ((), ())).expect("a stage");
        Self { name, stage: Arc::new(stage) }
    }

    fn lock(&self) -> &FifoLock<Orchard> {
        &self.stage.0
    }

    fn word(&self) -> u64 {
        let scratch = &self.stage.1;
        let at = scratch.attachment.objects()[0].at;
        scratch.attachment.map().u64(at + lock::WORD).load(Ordering::SeqCst)
    }

    fn cast(&self, point: Point, signal: i32, holds_first: bool) -> Child {
        child(
            "stayer",
            &[
                ("NAME", self.name.to_string()),
                ("POINT", (point as u32).to_string()),
                ("SIGNAL", signal.to_string()),
                ("HOLDS_FIRST", u32::from(holds_first).to_string()),
            ],
        )
    }

    /// Plays one who is killed at the point, to the end.
    fn kill_at(&self, point: Point) {
        let mut child = self.cast(point, libc::SIGKILL, false);
        assert!(!child.wait().expect("a child").success(), "killed at {point:?}");
    }
}

#[test]
fn what_a_dead_one_was_about_to_take_is_free() {
    let theatre = Theatre::new(Duration::from_millis(2));
    theatre.kill_at(Point::AfterAcquiring);
    assert_eq!(theatre.stage.recover().dead(), 1);
    assert_eq!(theatre.word(), 0, "units that nobody had taken are counted");
}

#[test]
fn what_a_dead_one_had_just_taken_is_given_back() {
    let theatre = Theatre::new(Duration::from_millis(2));
    theatre.kill_at(Point::BeforeHeld);
    assert_ne!(theatre.word(), 0);
    assert_eq!(theatre.stage.recover().dead(), 1);
    assert_eq!(theatre.word(), 0, "units of a dead one are still counted");
}

#[test]
fn what_a_living_one_has_just_taken_is_kept() {
    let theatre = Theatre::new(Duration::from_millis(2));
    let lock = theatre.lock();
    let mut living = theatre.cast(Point::BeforeHeld, libc::SIGSTOP, false);
    until_stopped(&living);
    assert_eq!(lock.holders(Tree::Look), 1);
    theatre.kill_at(Point::AfterAcquiring);
    // Its record can't be read, and another one's must be counted anew.
    let found = theatre.stage.recover();
    assert_eq!(lock.holders(Tree::Look), 1, "a living one's units are forgotten");
    assert!(found.is_pending() && found.dead() == 0, "{found:?}");
    assert!(lock.try_acquire(Tree::Fell).expect("consistent").is_none(), "it excludes");
    // Everybody queues meanwhile, and nobody is lost.
    let stage = Arc::clone(&theatre.stage);
    let waiter = std::thread::spawn(move || drop(stage.0.acquire(Tree::Fell)));
    until("one waits", || lock.waiting() == 1);
    super::signal(&living, libc::SIGCONT);
    until("it goes on", || theatre.stage.1.get(AT) == 2);
    assert_eq!(lock.holders(Tree::Look), 1, "a living one's units are forgotten");
    assert_eq!(lock.holders(Tree::Fell), 0, "it excludes");
    theatre.stage.recover();
    assert!(!theatre.stage.recover().is_pending());
    assert_eq!((lock.holders(Tree::Look), lock.waiting()), (1, 1));
    theatre.stage.1.set(ENTERS, 2);
    waiter.join().expect("it entered");
    assert!(living.wait().expect("a child").success());
    assert_eq!(theatre.word(), 0);
}

#[test]
fn what_was_begun_under_a_dead_ones_guard_is_begun_anew() {
    let theatre = Theatre::new(Duration::from_millis(2));
    // Should the test fail, the line is not fit for letting it go.
    let ours = ManuallyDrop::new(theatre.lock().acquire(Tree::Fell).expect("free"));
    let held = theatre.word();
    theatre.kill_at(Point::HalfLinked);
    assert_ne!(theatre.word(), held, "its lane is marked");
    // Whoever takes the guard over repairs, before it looks at the line.
    assert_eq!(theatre.lock().waiting(), 0, "a line is left as the dead one left it");
    assert_eq!(theatre.word(), held, "a lane is marked in which nobody stands");
    drop(ManuallyDrop::into_inner(ours));
    assert_eq!(theatre.word(), 0);
}

#[test]
fn whom_a_dead_one_owed_the_lock_gets_it() {
    // Nobody looks by itself meanwhile.
    let theatre = Theatre::new(Duration::from_secs(10));
    let lock = theatre.lock();
    let mut holder = theatre.cast(Point::AfterIdle, libc::SIGKILL, true);
    until("it holds", || theatre.stage.1.get(AT) == 1);
    let stage = Arc::clone(&theatre.stage);
    let waiter = std::thread::spawn(move || drop(stage.0.acquire(Tree::Look)));
    until("one waits", || lock.waiting() == 1);
    theatre.stage.1.set(ENTERS, 1);
    assert!(!holder.wait().expect("a child").success(), "killed as it let go");
    // It handed nothing over, and nobody dead is inside or in line: what a look
    // finds is who may enter.
    lock.raw().look();
    assert_eq!(lock.waiting(), 0, "nobody was let in");
    waiter.join().expect("it entered");
    assert_eq!(theatre.word(), 0);
}

#[test]
fn a_notification_does_not_die_with_whom_it_came_to() {
    // Nobody looks by itself meanwhile.
    let play = Arc::new(Play::new(Duration::from_secs(10)));
    let (mutex, changed, scratch, _) = &*play.stage;
    scratch.set(ENTERS, 1);
    let mut actor = play.cast("wait", 0, false);
    until("the actor waits", || changed.waiting() == 1);
    let theirs = Arc::clone(&play);
    let waiter = std::thread::spawn(move || {
        let guard = theirs.stage.0.lock().unwrap_or_else(OwnerDied::into_inner);
        drop(theirs.stage.1.wait(guard));
    });
    until("both wait", || changed.waiting() == 2);
    let guard = mutex.lock().expect("consistent");
    assert!(changed.notify_one());
    until("it is in the mutex's line", || mutex.waiting() == 1);
    actor.kill().expect("a child");
    actor.wait().expect("a child");
    play.stage.recover();
    assert_eq!(changed.waiting(), 0, "a notification died with whom it came to");
    drop(guard);
    waiter.join().expect("it was notified");
    play.end("a notification");
}

/// Each way to get it wrong, the story that must fail then, and with what.
const SEEN: [(Wrong, &str, &str); 6] = [
    (
        Wrong::AmbiguousHeld,
        "what_a_dead_one_was_about_to_take_is_free",
        "units that nobody had taken are counted",
    ),
    (
        Wrong::AmbiguousIdle,
        "what_a_dead_one_had_just_taken_is_given_back",
        "units of a dead one are still counted",
    ),
    (
        Wrong::LivingNotAwaited,
        "what_a_living_one_has_just_taken_is_kept",
        "a living one's units are forgotten",
    ),
    (
        Wrong::NothingRepaired,
        "what_was_begun_under_a_dead_ones_guard_is_begun_anew",
        "a lane is marked in which nobody stands",
    ),
    (Wrong::NobodyGranted, "whom_a_dead_one_owed_the_lock_gets_it", "nobody was let in"),
    (
        Wrong::NotificationLost,
        "a_notification_does_not_die_with_whom_it_came_to",
        "a notification died with whom it came to",
    ),
];

/// Runs one story in a process of its own, which gets it wrong in this way.
fn run(story: &str, wrong: u32) -> (bool, String) {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command
        .args(["--exact", &std::format!("shm::tests::faults::{story}"), "--test-threads=1"])
        .env("PORTUNUS_SHM_WRONG", wrong.to_string())
        .env("RUST_BACKTRACE", "0");
    die_with_parent(&mut command);
    let output = command.output().expect("this binary runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("running 1 test"), "no story is called {story}");
    (output.status.success(), text)
}

#[test]
fn every_fault_is_seen() {
    if std::env::var_os("PORTUNUS_SHM_WRONG").is_some() {
        return;
    }
    for (i, (wrong, story, complaint)) in SEEN.into_iter().enumerate() {
        assert_eq!(wrong as usize, i + 1, "each fault has its story");
        let (passed, text) = run(story, wrong as u32);
        assert!(!passed, "{story} does not see {wrong:?}");
        assert!(text.contains(complaint), "{story} fails with {wrong:?}, but so:\n{text}");
        let (passed, text) = run(story, 0);
        assert!(passed, "{story} fails though nothing is wrong:\n{text}");
    }
    assert_eq!(Wrong::COUNT, SEEN.len() as u32);
}
