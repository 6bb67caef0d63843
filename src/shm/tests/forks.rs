//! Children of `fork`, which have no segments; and others who find what they
//! need gone, or taken.

use alloc::string::ToString;
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use std::panic::catch_unwind;
use std::sync::mpsc;

use super::scratch::{Orchard, Tree};
use super::{argument, child, signal, until_stopped};
use crate::rules::{Exclusive, Sole};
use crate::shm::fault::{Point, armed};
use crate::shm::{FifoLock, Inspection, Name, Options, Segment, attach, sys};

type House = FifoLock<Exclusive>;

const LONG: Duration = Duration::from_secs(60);

fn options() -> Options {
    Options::new().records(64).processes(8)
}

/// Runs `f` in a child of `fork`, in a process with one thread that does
/// anything: it is to come to its end, without a panic or a signal. Here, what
/// it has is forgotten.
pub(super) fn forked(f: impl FnOnce()) {
    // SAFETY: the other thread is the harness's, which waits.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: it has no conditions. Whoever hangs is ended.
            unsafe { libc::alarm(60) };
            let done = catch_unwind(AssertUnwindSafe(f)).is_ok();
            // SAFETY: it has no conditions.
            unsafe { libc::_exit(if done { 7 } else { 1 }) }
        }
        heir => {
            // What it would drop is the child's to drop.
            core::mem::forget(f);
            let mut status = 0;
            // SAFETY: our own child, which this thread alone waits for.
            assert_eq!(unsafe { libc::waitpid(heir, &raw mut status, 0) }, heir);
            assert!(libc::WIFEXITED(status), "ended by signal {}", libc::WTERMSIG(status));
            assert_eq!(libc::WEXITSTATUS(status), 7, "it failed");
        }
    }
}

/// Runs this binary in a role that is to succeed.
pub(super) fn succeeds(role: &str) {
    assert!(child(role, &[]).wait().expect("a child").success(), "{role}");
}

pub(super) fn panics<T>(what: &str, f: impl FnOnce() -> T) {
    assert!(catch_unwind(AssertUnwindSafe(f)).is_err(), "{what} does not panic");
}

/// A segment whose name goes.
struct Named(Name);

fn named() -> (Named, Segment<FifoLock<Orchard>>) {
    let name = Name::random();
    let lock = Segment::create(&name, &options(), ()).expect("new");
    (Named(name), lock)
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = Segment::unlink(&self.0);
    }
}

pub(super) fn lock() {
    let (name, lock) = named();
    let mut first = lock.acquire(Tree::Look).expect("free");
    let mut second = lock.acquire(Tree::Look).expect("free");
    let seen = Inspection::open(&name.0, &options()).expect("it is there");
    forked(|| {
        panics("to try to convert", || first.try_convert(Tree::Climb));
        panics("to convert", || second.convert(Tree::Climb));
        drop((first, second));
        panics("deaths", || seen.deaths());
        panics("peers", || seen.peers());
        panics("claims", || seen.claims());
        panics("recover", || seen.recover());
        assert!(alloc::format!("{seen:?}").contains("forked"));
    });
    assert_eq!(lock.holders(Tree::Look), 2, "its child let go");
}

#[test]
fn a_forked_child_that_uses_what_it_inherited_panics_and_goes_on() {
    succeeds("heir of a lock");
}

pub(super) fn list() {
    let (name, lock) = named();
    let list = attach::all().expect("a list").lock().expect("no panic");
    forked(|| {
        let own: Segment<FifoLock<Orchard>> = Segment::open(&name.0).expect("anew");
        std::thread::scope(|scope| {
            // The thread's records go back when it ends.
            scope.spawn(|| drop(own.acquire(Tree::Look)));
        });
        drop((own, lock));
    });
    drop(list);
}

#[test]
fn a_child_that_is_forked_while_a_segment_is_opened_opens_its_own() {
    succeeds("heir of a list");
}

pub(super) fn without_descriptors() {
    let (name, lock) = named();
    for fd in 3..64 {
        // SAFETY: nobody uses them any more but who asks whose they are.
        unsafe { libc::close(fd) };
    }
    // Files without names take the numbers.
    let others = [(); 32].map(|()| sys::memfd().expect("a file"));
    assert!(!lock.is_unlinked(), "it asked another's file");
    Segment::unlink(&name.0).expect("it is there");
    assert!(lock.is_unlinked());
    let other: Segment<FifoLock<Orchard>> =
        Segment::create(&name.0, &options(), ()).expect("the name is free");
    assert!(lock.is_unlinked(), "the name is another's");
    assert!(!other.is_unlinked());
    core::mem::forget(others);
}

#[test]
fn whose_descriptor_is_gone_tells_whether_it_has_a_name() {
    succeeds("without descriptors");
}

/// Has the lock, and stops as it has the guard as well.
pub(super) fn guardian() {
    let name = Name::new(argument("NAME")).expect("a name");
    let house: Segment<House> = Segment::open(&name).expect("a house");
    let hold = house.acquire(Sole::Exclusive).expect("free");
    armed::arm(Point::GuardTaken as u32, 0, libc::SIGSTOP);
    let _ = house.waiting();
    drop(hold);
}

#[test]
fn a_try_does_not_wait_for_the_guard_and_takes_a_dead_ones() {
    let name = Name::random();
    let house: Segment<House> = Segment::create(&name, &options(), ()).expect("a house");
    let mut guardian = child("guardian", &[("NAME", name.to_string())]);
    until_stopped(&guardian);
    let (done, is_done) = mpsc::channel();
    std::thread::scope(|scope| {
        // Whoever waits for the guard gets it from a dead one in the end.
        let guardian = &guardian;
        scope.spawn(move || {
            if is_done.recv_timeout(LONG) == Err(mpsc::RecvTimeoutError::Timeout) {
                signal(guardian, libc::SIGKILL);
            }
        });
        let tried = house.try_acquire(Sole::Exclusive);
        done.send(()).expect("it listens");
        assert!(matches!(tried, Ok(None)), "its owner is only stopped: {tried:?}");
    });
    guardian.kill().expect("a child");
    guardian.wait().expect("a child");
    let tried = house.try_acquire(Sole::Exclusive);
    assert!(tried.is_err(), "its owner is dead: {tried:?}");
    drop(tried);
    assert_eq!(house.waiting(), 0, "the guard is free");
    Segment::unlink(&name).expect("it is there");
}

#[test]
fn a_head_that_is_being_written_is_read_again() {
    use std::os::unix::fs::FileExt;
    let (name, _lock) = named();
    let file = std::fs::File::options().read(true).write(true).open(name.0.path());
    let file = file.expect("it is there");
    let mut good = [0; 8];
    file.read_exact_at(&mut good, 88).expect("a head");
    let bad = good.map(|byte| !byte);
    let (done, is_done) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while is_done.try_recv() != Err(mpsc::TryRecvError::Disconnected) {
                sys::lock_byte(&file, sys::REGISTRY).expect("a lock");
                file.write_all_at(&bad, 88).expect("room");
                std::thread::yield_now();
                file.write_all_at(&good, 88).expect("room");
                sys::unlock_byte(&file, sys::REGISTRY).expect("locked");
                std::thread::yield_now();
            }
        });
        let mut rounds = 0..200;
        let failed = rounds.find_map(|_| Segment::<FifoLock<Orchard>>::open(&name.0).err());
        drop(done);
        assert_eq!(failed, None);
    });
}
