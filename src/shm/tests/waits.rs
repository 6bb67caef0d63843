//! Waiting, notifying and moving between the lines, with a process that is
//! killed at each point, and after any number of instructions.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;
use std::process::Child;
use std::sync::Mutex as StdMutex;
use std::thread::Scope;

use super::scratch::Scratch;
use super::stories::{AT, ENTERS, until};
use super::{argument, child, number, signal, until_stopped};
use crate::atomic::Ordering;
use crate::shm::fault::{POINTS, Point, armed};
use crate::shm::format::{kind, lock};
use crate::shm::record::State;
use crate::shm::{Condvar, Counter, Mutex, MutexGuard, Name, Options, OwnerDied, Segment};

pub(super) type Stage = (Mutex<u64>, Condvar, Scratch, Counter);

/// Long enough for any machine.
pub(super) const LONG: Duration = Duration::from_secs(60);
/// What the actor says when the call that is tried has returned.
const RETURNED: u64 = 50;

fn hold<'a>(
    guard: Result<MutexGuard<'a, u64>, OwnerDied<MutexGuard<'a, u64>>>,
) -> MutexGuard<'a, u64> {
    guard.unwrap_or_else(OwnerDied::into_inner)
}

pub(super) fn actor() {
    let name = Name::new(argument("NAME")).expect("a name");
    let stage: Segment<Stage> = Segment::open(&name).expect("a stage");
    let (mutex, changed, scratch, counter) = &*stage;
    scratch.set(AT, 1);
    while scratch.get(ENTERS) == 0 {
        std::thread::yield_now();
    }
    let arm = || {
        armed::arm(number("POINT") as u32, 0, libc::SIGKILL);
        #[cfg(target_arch = "x86_64")]
        if std::env::var("STEPS").is_ok() {
            super::steps::be_traced(scratch);
        }
    };
    match argument("STORY").as_str() {
        "wait" => {
            arm();
            let guard = hold(changed.wait(hold(mutex.lock())));
            scratch.set(AT, RETURNED);
            drop(guard);
        }
        "give up" => {
            arm();
            let guard = hold(mutex.lock());
            let waited = changed.wait_for(guard, Duration::from_millis(3));
            let (guard, _) = waited.unwrap_or_else(OwnerDied::into_inner);
            scratch.set(AT, RETURNED);
            drop(guard);
        }
        "notify one" => {
            arm();
            assert!(changed.notify_one());
            scratch.set(AT, RETURNED);
        }
        "notify all" => {
            arm();
            assert_eq!(changed.notify_all(), 2);
            scratch.set(AT, RETURNED);
        }
        "recover" => {
            arm();
            stage.recover();
            scratch.set(AT, RETURNED);
        }
        "count" => {
            arm();
            assert_eq!(counter.add(2), Ok(2));
            scratch.set(AT, RETURNED);
        }
        other => panic!("no such story: {other}"),
    }
    scratch.set(AT, 99);
}

/// The actor's play, and the threads of the test that wait beside it.
pub(super) struct Play {
    pub(super) stage: Segment<Stage>,
    name: Name,
    home: StdMutex<Vec<u32>>,
}

impl Play {
    pub(super) fn new(poll: Duration) -> Self {
        let name = Name::random();
        let options = Options::new().records(64).processes(8).poll(poll);
        let stage = Segment::create(&name, &options, (0, (), (), 0)).expect("a stage");
        Self { stage, name, home: StdMutex::new(Vec::new()) }
    }

    pub(super) fn cast(&self, story: &str, point: u32, steps: bool) -> Child {
        let mut arguments = std::vec![
            ("NAME", self.name.to_string()),
            ("STORY", story.to_string()),
            ("POINT", point.to_string()),
        ];
        if steps {
            arguments.push(("STEPS", "1".to_string()));
        }
        self.stage.2.set(AT, 0);
        child("waits", &arguments)
    }

    /// How many threads of this process wait for a notification.
    fn ours(&self) -> usize {
        let attachment = &self.stage.2.attachment;
        let waits = |&index: &u32| {
            let word = attachment.state_of(index).load(Ordering::SeqCst);
            attachment.owner_of(index) == attachment.who() && State::of(word) == State::Waiting
        };
        (0..attachment.tables().records).filter(waits).count()
    }

    /// A thread that waits for one notification.
    fn stand<'s>(&'s self, scope: &'s Scope<'s, '_>, who: u32) {
        let before = self.ours();
        scope.spawn(move || {
            let (mutex, changed, ..) = &*self.stage;
            let guard = hold(changed.wait(hold(mutex.lock())));
            self.home.lock().expect("no panic").push(who);
            drop(guard);
        });
        until("it waits", || self.ours() == before + 1);
    }

    fn home(&self) -> Vec<u32> {
        self.home.lock().expect("no panic").clone()
    }

    /// Nothing is left of anybody, and who came home came in order.
    pub(super) fn end(&self, what: &str) {
        let home = self.home();
        assert!(home.is_sorted(), "{what}: out of order: {home:?}");
        self.stage.recover();
        let (mutex, changed, scratch, _) = &*self.stage;
        let guard = mutex.try_lock_for(LONG);
        let mut guard = match guard {
            Ok(guard) => guard.unwrap_or_else(|| panic!("{what}: nobody gets in")),
            Err(died) => died.into_inner(),
        };
        guard.mark_consistent();
        drop(guard);
        assert_eq!(changed.waiting(), 0, "{what}: somebody waits");
        let at = scratch.attachment.objects()[0].at;
        let word = scratch.attachment.map().u64(at + lock::WORD).load(Ordering::SeqCst);
        assert_eq!(word, 0, "{what}: units are left");
        Segment::unlink(&self.name).expect("it is there");
    }
}

/// The actor waits between two threads. Two notifications are sent: the second
/// one is the actor's, or, should it die before it has the mutex, the next
/// one's.
fn wait_between(story: &str, point: u32) -> bool {
    let play = Play::new(Duration::from_millis(2));
    let (_, changed, scratch, _) = &*play.stage;
    let what = std::format!("{story} at {point}");
    let mut actor = play.cast(story, point, false);
    let mut status = None;
    std::thread::scope(|scope| {
        play.stand(scope, 0);
        scratch.set(ENTERS, 1);
        until("the actor waits", || {
            status = actor.try_wait().expect("a child");
            status.is_some() || changed.waiting() == 2 || scratch.get(AT) >= RETURNED
        });
        play.stand(scope, 2);
        assert!(changed.notify_one(), "{what}");
        if story == "wait" {
            assert!(changed.notify_one(), "{what}");
        }
        until("the first is home", || play.home().contains(&0));
        until("the actor ends, or has its death noticed", || {
            status = status.or(actor.try_wait().expect("a child"));
            status.is_some()
        });
        if story != "wait" || scratch.get(AT) >= RETURNED {
            // It had its own.
            if !play.home().contains(&2) {
                changed.notify_one();
            }
        }
        until(&std::format!("{what}: the last is home"), || play.home().contains(&2));
    });
    let killed = !status.expect("it has ended").success();
    let reported = !play.stage.0.is_consistent();
    if killed {
        let own = [Point::AfterHeld as u32, Point::BeforeLeaving as u32];
        assert_eq!(reported, own.contains(&point), "{what}: report");
    }
    assert_eq!(play.home(), [0, 2], "{what}");
    play.end(&what);
    killed
}

/// The actor notifies two threads, and is killed meanwhile: it has notified, or
/// it has not.
fn notify(story: &str, point: u32) -> bool {
    let play = Play::new(Duration::from_millis(2));
    let (_, changed, scratch, _) = &*play.stage;
    let what = std::format!("{story} at {point}");
    let mut actor = play.cast(story, point, false);
    let mut killed = false;
    std::thread::scope(|scope| {
        play.stand(scope, 0);
        play.stand(scope, 2);
        scratch.set(ENTERS, 1);
        killed = !actor.wait().expect("a child").success();
        let before = match story {
            "notify one" => [Point::GuardTaken, Point::HalfUnlinked, Point::Moving].as_slice(),
            _ => [Point::GuardTaken].as_slice(),
        };
        let none = killed
            && match point == Point::GuardSleep as u32 {
                // Somebody else had the guard just then: before it notified, or after.
                true => changed.waiting() == 2,
                false => before.iter().any(|&before| before as u32 == point),
            };
        match story {
            _ if none => {
                // Its guard is taken over, and nobody was notified.
                assert_eq!(changed.waiting(), 2, "{what}");
                assert_eq!(changed.notify_all(), 2, "{what}");
            }
            "notify one" => {
                until(&std::format!("{what}: the first is home"), || play.home() == [0]);
                assert_eq!(changed.notify_all(), 1, "{what}");
            }
            _ => {}
        }
        until(&std::format!("{what}: both are home"), || play.home().len() == 2);
    });
    assert!(play.stage.0.is_consistent(), "{what}: reported without a reason");
    play.end(&what);
    killed
}

/// One has died with a notification; the actor takes back what it left, and is
/// killed meanwhile. Nobody else looks.
fn recover(point: u32, notified: bool) -> bool {
    let play = Play::new(Duration::from_secs(10));
    let (_, changed, scratch, _) = &*play.stage;
    let what = std::format!("recover at {point}, notified: {notified}");
    let mut killed = false;
    std::thread::scope(|scope| {
        scratch.set(ENTERS, 1);
        let dies_at = if notified { Point::Taken as u32 } else { 0 };
        let mut first = play.cast("wait", dies_at, false);
        until("the first waits", || changed.waiting() == 1);
        play.stand(scope, 2);
        match notified {
            true => assert!(changed.notify_one()),
            false => signal(&first, libc::SIGKILL),
        }
        assert!(!first.wait().expect("a child").success(), "it is killed");
        let mut actor = play.cast("recover", point, false);
        killed = !actor.wait().expect("a child").success();
        play.stage.recover();
        if !notified {
            assert_eq!(play.ours(), 1, "{what}: nobody was notified");
            assert!(changed.notify_one(), "{what}");
        }
        until(&std::format!("{what}: the other one is home"), || play.home() == [2]);
    });
    play.end(&what);
    killed
}

#[test]
fn killed_at_each_point_of_waiting() {
    for (story, least) in [("wait", 14), ("give up", 8)] {
        let deaths: u32 = (1..=POINTS).map(|point| u32::from(wait_between(story, point))).sum();
        assert!(deaths >= least, "{story}: only {deaths} points were reached");
    }
}

#[test]
fn killed_at_each_point_of_notifying() {
    for (story, least) in [("notify one", 8), ("notify all", 9)] {
        let deaths: u32 = (1..=POINTS).map(|point| u32::from(notify(story, point))).sum();
        assert!(deaths >= least, "{story}: only {deaths} points were reached");
    }
}

#[test]
fn killed_at_each_point_of_passing_on() {
    for (notified, least) in [(true, 8), (false, 4)] {
        let deaths: u32 = (1..=POINTS).map(|point| u32::from(recover(point, notified))).sum();
        assert!(deaths >= least, "notified: {notified}: only {deaths} points were reached");
    }
}

#[test]
fn killed_asleep_in_either_line() {
    for notified in [false, true] {
        let play = Play::new(Duration::from_millis(2));
        let (mutex, changed, scratch, _) = &*play.stage;
        scratch.set(ENTERS, 1);
        let mut actor = play.cast("wait", 0, false);
        std::thread::scope(|scope| {
            until("the actor waits", || changed.waiting() == 1);
            play.stand(scope, 2);
            let guard = hold(mutex.lock());
            if notified {
                assert!(changed.notify_one());
                until("it is in the mutex's line", || mutex.waiting() == 1);
            }
            signal(&actor, libc::SIGKILL);
            assert!(!actor.wait().expect("a child").success());
            drop(guard);
            if !notified {
                assert!(changed.notify_one());
            }
            until("the other one has it", || play.home() == [2]);
        });
        assert!(mutex.is_consistent(), "it held nothing");
        play.end("asleep");
    }
}

#[test]
fn a_stopped_waiter_keeps_its_notification() {
    let play = Play::new(Duration::from_millis(2));
    let (_, changed, scratch, _) = &*play.stage;
    scratch.set(ENTERS, 1);
    let mut actor = play.cast("wait", 0, false);
    std::thread::scope(|scope| {
        until("the actor waits", || changed.waiting() == 1);
        play.stand(scope, 2);
        // Not where it looks after the dead: whoever stands still in there keeps
        // all others out.
        loop {
            signal(&actor, libc::SIGSTOP);
            until_stopped(&actor);
            if scratch.attachment.objects().iter().all(|object| {
                object.kind != kind::LOCK || {
                    let guard = scratch.attachment.map().u32(object.at + lock::GUARD);
                    let owner = guard.load(Ordering::SeqCst) & !(1 << 31);
                    owner == 0 || owner == scratch.attachment.who()
                }
            }) {
                break;
            }
            signal(&actor, libc::SIGCONT);
        }
        assert!(changed.notify_one());
        // However often one looks, it is alive.
        for _ in 0..20 {
            assert_eq!(play.stage.recover().dead(), 0);
        }
        assert_eq!((play.ours(), scratch.get(AT)), (1, 1));
        signal(&actor, libc::SIGCONT);
        assert!(actor.wait().expect("a child").success());
        assert_eq!(play.ours(), 1);
        assert!(changed.notify_one());
    });
    assert_eq!(play.home(), [2]);
    play.end("stopped");
}

/// The actor is killed after so many instructions of its call. How many it
/// took.
#[cfg(target_arch = "x86_64")]
fn step(story: &str, count: u64) -> u64 {
    let play = Play::new(Duration::from_millis(2));
    let (_, changed, scratch, _) = &*play.stage;
    let mut taken = 0;
    std::thread::scope(|scope| {
        play.stand(scope, 0);
        play.stand(scope, 2);
        scratch.set(ENTERS, 1);
        let mut actor = play.cast(story, 0, true);
        taken = super::steps::trace(&mut actor, scratch, count);
        let what = std::format!("{story} after {taken}");
        // Both stood before the actor: one each, but for those it has had.
        while play.home().len() < 2 {
            let (home, ours) = (play.home().len(), play.ours());
            if home + ours == 2 && ours != 0 {
                changed.notify_one();
            }
            until(&what, || play.home().len() > home || play.home().len() + play.ours() == 2);
        }
    });
    play.end(&std::format!("{story} after {taken}"));
    taken
}

/// One has died with a notification; the actor, who takes back what it left, is
/// killed after so many instructions. How many it took.
#[cfg(target_arch = "x86_64")]
fn step_of_passing_on(count: u64) -> u64 {
    let play = Play::new(Duration::from_secs(10));
    let (_, changed, scratch, _) = &*play.stage;
    let mut taken = 0;
    std::thread::scope(|scope| {
        scratch.set(ENTERS, 1);
        let mut first = play.cast("wait", Point::Taken as u32, false);
        until("the first waits", || changed.waiting() == 1);
        play.stand(scope, 2);
        assert!(changed.notify_one());
        assert!(!first.wait().expect("a child").success(), "it is killed");
        let mut actor = play.cast("recover", 0, true);
        taken = super::steps::trace(&mut actor, scratch, count);
        play.stage.recover();
        let what = std::format!("recover after {taken}: the other one is home");
        until(&what, || play.home() == [2]);
    });
    assert!(play.stage.0.is_consistent(), "recover after {taken}: told without a reason");
    play.end(&std::format!("recover after {taken}"));
    taken
}

#[cfg(target_arch = "x86_64")]
#[test]
fn killed_after_any_number_of_instructions_of_a_wait() {
    for story in ["wait", "notify one", "notify all"] {
        super::steps::cut_short(story, |count| step(story, count));
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn killed_after_any_number_of_instructions_of_passing_on() {
    super::steps::cut_short("recover a notification", step_of_passing_on);
}
