//! Who counts as alive: killed, stopped, forked, executing another program,
//! without its descriptors.

use alloc::string::ToString;
use core::time::Duration;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::MetadataExt;
use std::process::Child;
use std::time::Instant;

use super::scratch::Scratch;
use super::{argument, child, signal};
use crate::atomic::Ordering;
use crate::rules::{Exclusive, Sole};
use crate::shm::fault::{Point, armed};
use crate::shm::format::lock;
use crate::shm::sys;
use crate::shm::{FifoLock, Name, Options, Segment};

type House = (FifoLock<Exclusive>, Scratch);

const READY: u64 = 0;
const OTHER: u64 = 1;

/// Takes the lock, does something peculiar, and stays.
pub(super) fn lodger() {
    let name = Name::new(argument("NAME")).expect("a name");
    let house: Segment<House> = Segment::open(&name).expect("a house");
    let hold = house.0.acquire(Sole::Exclusive).expect("free");
    let sit = || loop {
        std::thread::sleep(Duration::from_secs(1));
    };
    match argument("HABIT").as_str() {
        "sits" => house.1.set(READY, 1),
        "closes" => {
            for fd in 3..64 {
                // SAFETY: nobody uses them any more.
                unsafe { libc::close(fd) };
            }
            house.1.set(READY, 1);
        }
        "forks" => {
            // SAFETY: the child only sleeps, and calls nothing before.
            match unsafe { libc::fork() } {
                0 => loop {
                    // SAFETY: it has no conditions.
                    unsafe { libc::sleep(20) };
                },
                child => {
                    house.1.set(OTHER, child as u64);
                    house.1.set(READY, 1);
                }
            }
        }
        "executes" => {
            house.1.set(READY, 1);
            use std::os::unix::process::CommandExt;
            let error = std::process::Command::new("sleep").arg("20").exec();
            panic!("{error}");
        }
        "begets" => {
            let before = house.0.holders(Sole::Exclusive);
            // SAFETY: this process has this thread and the harness's waiting
            // one, which holds no lock that the child needs.
            match unsafe { libc::fork() } {
                0 => {
                    // What was inherited is nobody's, and dropping it nothing.
                    drop(hold);
                    let acquire = || house.0.try_acquire(Sole::Exclusive).is_ok();
                    let refused = std::panic::catch_unwind(core::panic::AssertUnwindSafe(acquire));
                    let own: Segment<House> = Segment::open(&name).expect("anew");
                    let taken = own.0.try_acquire(Sole::Exclusive).expect("consistent").is_none();
                    own.1.set(OTHER, u64::from(refused.is_err() && taken && before == 1) + 1);
                    // SAFETY: it has no conditions.
                    unsafe { libc::_exit(0) };
                }
                child => {
                    let mut status = 0;
                    // SAFETY: our child.
                    unsafe { libc::waitpid(child, &raw mut status, 0) };
                    house.1.set(READY, 1);
                    core::mem::forget(hold);
                    return sit();
                }
            }
        }
        other => panic!("no such habit: {other}"),
    }
    sit();
    drop(hold);
}

/// Looks after the dead, and stops as it asks whether one lives.
pub(super) fn asker() {
    let name = Name::new(argument("NAME")).expect("a name");
    let house: Segment<House> = Segment::open(&name).expect("a house");
    armed::arm(Point::Asking as u32, 0, libc::SIGSTOP);
    assert_eq!(house.recover().dead(), 0, "nobody has died");
}

struct Lodging {
    name: Name,
    house: Segment<House>,
    child: Child,
}

impl Drop for Lodging {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = Segment::unlink(&self.name);
    }
}

/// A house with a lodger who has the lock.
fn lodging(habit: &str) -> Lodging {
    let name = Name::random();
    let options = Options::new().records(64).processes(8);
    let house: Segment<House> = Segment::create(&name, &options, ((), ())).expect("a house");
    let arguments = [("NAME", name.to_string()), ("HABIT", habit.to_string())];
    let child = child("lodger", &arguments);
    let end = Instant::now() + Duration::from_secs(60);
    while house.1.get(READY) == 0 {
        assert!(Instant::now() < end, "the lodger does not come");
        std::thread::sleep(Duration::from_millis(1));
    }
    Lodging { name, house, child }
}

impl Lodging {
    fn is_kept(&self, what: &str) {
        let lock = &self.house.0;
        let got = lock.acquire_for(Sole::Exclusive, Duration::from_millis(150));
        assert!(matches!(got, Ok(None)), "robbed, though {what}");
        assert_eq!(self.house.recover().dead(), 0, "robbed, though {what}");
        assert_eq!(self.house.peers().filter(|peer| peer.is_alive()).count(), 2, "{what}");
    }

    fn is_inherited(&self) {
        let lock = &self.house.0;
        let got = lock.acquire_for(Sole::Exclusive, Duration::from_secs(60));
        assert!(got.is_err(), "the owner's death is not reported: {got:?}");
    }
}

#[test]
fn a_killed_owner_is_inherited_from_until_it_is_mended() {
    let mut lodging = lodging("sits");
    lodging.is_kept("it lives");
    lodging.child.kill().expect("a child");
    lodging.is_inherited();
    // Dropped without a word, it is told again, also to who only asks.
    assert!(!lodging.house.0.is_consistent());
    let died = lodging.house.0.try_acquire(Sole::Exclusive).expect_err("still");
    let mut hold = died.into_inner();
    hold.mark_consistent();
    drop(hold);
    assert!(lodging.house.0.is_consistent());
    assert!(lodging.house.0.acquire(Sole::Exclusive).is_ok());
    lodging.child.wait().expect("a child");
    assert_eq!(lodging.house.peers().filter(|peer| peer.is_alive()).count(), 1);
}

#[test]
fn a_stopped_owner_is_not_robbed() {
    let mut lodging = lodging("sits");
    signal(&lodging.child, libc::SIGSTOP);
    lodging.is_kept("it is stopped");
    signal(&lodging.child, libc::SIGCONT);
    lodging.is_kept("it goes on");
    lodging.child.kill().expect("a child");
    lodging.is_inherited();
}

#[test]
fn an_owner_without_descriptors_is_not_robbed() {
    let mut lodging = lodging("closes");
    lodging.is_kept("it has only closed its descriptors");
    lodging.child.kill().expect("a child");
    lodging.is_inherited();
}

#[test]
fn an_owner_dies_though_its_forked_child_lives() {
    let mut lodging = lodging("forks");
    lodging.is_kept("it lives");
    let orphan = lodging.house.1.get(OTHER) as i32;
    lodging.child.kill().expect("a child");
    lodging.is_inherited();
    // SAFETY: the lodger's own child, which nobody has waited for.
    assert_eq!(unsafe { libc::kill(orphan, libc::SIGKILL) }, 0, "it was still there");
}

#[test]
fn an_owner_that_executes_another_program_is_dead() {
    let mut lodging = lodging("executes");
    lodging.is_inherited();
    assert!(lodging.child.try_wait().expect("a child").is_none(), "its process goes on");
}

#[test]
fn a_forked_child_holds_nothing_and_may_open_anew() {
    let lodging = lodging("begets");
    assert_eq!(lodging.house.1.get(OTHER), 2);
    lodging.is_kept("its child dropped what it inherited");
}

#[test]
fn a_segment_full_of_processes_takes_one_when_one_dies() {
    use crate::shm::Error;
    let name = Name::random();
    let options = Options::new().records(8).processes(2);
    let house: Segment<House> = Segment::create(&name, &options, ((), ())).expect("a house");
    let arguments = [("NAME", name.to_string()), ("HABIT", "sits".to_string())];
    // The only chunk of records is free yet.
    let mut child = child("lodger", &arguments);
    while house.1.get(READY) == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let third = Segment::<House>::open(&name);
    assert_eq!(third.err(), Some(Error::TooManyProcesses { limit: 2 }));
    assert_eq!(house.reserve(1), Err(Error::TooManyRecords { limit: 8 }));
    child.kill().expect("a child");
    child.wait().expect("a child");
    let third = Segment::<House>::open(&name).expect("room");
    // The dead one's records are taken over once its hold is given back.
    assert_eq!(third.reserve(8), Ok(()));
    assert_eq!(house.reserve(1), Err(Error::TooManyRecords { limit: 8 }));
    assert!(!house.0.is_consistent());
    Segment::unlink(&name).expect("it is there");
}

#[test]
fn who_takes_over_a_record_is_not_taken_for_who_has_left() {
    let name = Name::random();
    let options = Options::new().records(8).processes(4);
    let first: Segment<House> = Segment::create(&name, &options, ((), ())).expect("a house");
    let hold = first.0.acquire(Sole::Exclusive).expect("free");
    let record = hold.record();
    let mut asker = child("asker", &[("NAME", name.to_string())]);
    super::until_stopped(&asker);
    // It has seen whose the record is. Now that one leaves, and another comes.
    drop(hold);
    drop(first);
    let second: Segment<House> = Segment::open(&name).expect("room");
    let hold = second.0.acquire(Sole::Exclusive).expect("free");
    assert_eq!(hold.record(), record, "there is but one chunk of records");
    signal(&asker, libc::SIGCONT);
    assert!(asker.wait().expect("a child").success(), "it found somebody dead");
    assert_eq!(second.0.holders(Sole::Exclusive), 1, "robbed");
    assert!(second.0.is_consistent());
    drop(hold);
    assert_eq!(second.0.holders(Sole::Exclusive), 0);
    Segment::unlink(&name).expect("it is there");
}

#[test]
fn a_look_in_the_future_does_not_put_off_the_next() {
    let mut lodging = lodging("sits");
    lodging.child.kill().expect("a child");
    lodging.child.wait().expect("a child");
    // As it is after the machine was started anew.
    let attachment = &lodging.house.1.attachment;
    let looked = attachment.objects()[0].at + lock::LOOKED;
    let later = sys::milliseconds() + 1_000_000_000;
    attachment.map().u64(looked).store(later, Ordering::SeqCst);
    let died = lodging.house.0.try_acquire(Sole::Exclusive);
    assert!(died.is_err(), "its owner is dead: {died:?}");
}

#[test]
fn what_got_the_number_of_a_closed_descriptor_stays_open() {
    let name = Name::random();
    let options = Options::new().records(8).processes(2);
    let house: Segment<House> = Segment::create(&name, &options, ((), ())).expect("a house");
    let other = File::open("/dev/null").expect("there is one everywhere");
    let (probe, _) = house.1.attachment.file().expect("open");
    let number = probe.as_raw_fd();
    // As if all descriptors had been closed, and this one opened since.
    // SAFETY: the segment takes into account that its descriptor goes.
    assert_eq!(unsafe { libc::dup2(other.as_raw_fd(), number) }, number);
    assert!(house.1.attachment.file().is_none());
    let hold = house.0.acquire(Sole::Exclusive).expect("free");
    assert_eq!(house.peers().filter(|peer| peer.is_alive()).count(), 1);
    drop(hold);
    drop(house);
    let identity = |file: &File| file.metadata().map(|data| (data.dev(), data.ino())).ok();
    // SAFETY: made above, and nobody else's.
    let again = unsafe { File::from_raw_fd(number) };
    assert_eq!(identity(&again), identity(&other), "it was closed");
    Segment::unlink(&name).expect("it is there");
}
