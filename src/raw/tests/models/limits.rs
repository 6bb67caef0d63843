//! Models of limits that move while others come, wait and leave.

use std::boxed::Box;
use std::pin::Pin;
use std::task::{Poll, Waker};
use std::vec::Vec;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::shop::{Model, Now, explore, join, task, this_thread};
use crate::raw::lock::Denied;
use crate::raw::waiter::Seat;
use crate::semaphore::{ONE, Semaphore, request};
use crate::wait::node::{Refusal, Request};
use crate::wait::{Forever, Limit};

/// A semaphore, and data whose wrong use loom reports.
struct Desk {
    semaphore: Semaphore<Model>,
    data: UnsafeCell<usize>,
}

// SAFETY: loom checks every access to `data`.
unsafe impl Sync for Desk {}
// SAFETY: as above.
unsafe impl Send for Desk {}

impl Desk {
    fn new(permits: usize) -> Arc<Self> {
        Arc::new(Self { semaphore: Semaphore::new(permits), data: UnsafeCell::new(0) })
    }

    fn read(&self) -> usize {
        // SAFETY: loom checks it.
        self.data.with(|data| unsafe { *data })
    }

    fn write(&self) {
        // SAFETY: loom checks it.
        self.data.with_mut(|data| unsafe { *data += 1 });
    }

    /// Takes, lets `f` run, gives back; or why not.
    fn with(
        &self,
        request: Request,
        limit: &impl Limit,
        f: impl FnOnce(&Self),
    ) -> Result<(), Denied> {
        let lined = self.semaphore.raw().acquire_or(request, limit)?;
        f(self);
        self.semaphore.raw().release(request, lined);
        Ok(())
    }

    fn acquire(&self, request: Request) -> bool {
        self.semaphore.raw().acquire_or(request, &Forever).expect("it is free")
    }

    /// Nobody has a permit, nobody waits, nothing was left behind; so many are
    /// there.
    fn check(&self, permits: usize) {
        assert_eq!(self.semaphore.permits(), permits);
        assert_eq!(self.semaphore.available_permits(), permits, "a permit is lost, or made");
        assert_eq!(self.semaphore.waiting(), 0, "somebody still waits");
        assert!(self.semaphore.raw().limbo_is_empty(), "a grant was left behind");
    }
}

/// A future, as far as the engine sees one.
struct Party {
    seat: Pin<Box<Seat>>,
    request: Request,
}

impl Party {
    fn new(request: Request) -> Self {
        Self { seat: Box::pin(Seat::new(request)), request }
    }

    fn poll(&self, desk: &Desk, waker: &Waker) -> Poll<Result<bool, Refusal>> {
        // SAFETY: pinned in a box, always with one lock, and cancelled before
        // it is dropped.
        unsafe { self.seat.as_ref().poll_or(desk.semaphore.raw(), self.request, waker) }
    }

    fn cancel(&self, desk: &Desk) {
        // SAFETY: as `poll`.
        unsafe { self.seat.as_ref().cancel(desk.semaphore.raw()) };
    }

    /// Polls until it knows, sleeping in between; `waker` is this thread's.
    fn wait(&self, desk: &Desk, waker: &Waker) -> Result<bool, Refusal> {
        loop {
            if let Poll::Ready(ended) = self.poll(desk, waker) {
                return ended;
            }
            thread::park();
        }
    }
}

/// One waits for more than there will be, another behind it for one; both
/// enter the line before, during or after.
#[test]
fn the_heavy_are_sent_away() {
    explore(Some(3), || {
        let desk = Desk::new(3);
        let mine = desk.acquire(ONE);
        let other = desk.clone();
        let heavy = thread::spawn(move || {
            let ended = other.with(request(3), &Forever, |_| unreachable!("one is out"));
            assert_eq!(ended, Err(Denied::Refused(Refusal::TooMany(2))));
        });
        let other = desk.clone();
        let light = thread::spawn(move || {
            let ended = other.with(ONE, &Forever, |desk| {
                desk.read();
            });
            assert_eq!(ended, Ok(()));
        });
        desk.semaphore.resize(2).expect("so many can be");
        // Both are gone before we go.
        join(Vec::from([heavy, light]));
        desk.semaphore.raw().release(ONE, mine);
        desk.check(2);
    });
}

/// The line is empty then, and who comes next finds it so.
#[test]
pub(super) fn the_last_in_line_is_sent_away() {
    explore(Some(3), || {
        let desk = Desk::new(2);
        let mine = desk.acquire(ONE);
        let (heavy, waker) = (Party::new(request(2)), task());
        assert_eq!(heavy.poll(&desk, &waker), Poll::Pending);
        let other = desk.clone();
        let resizer = thread::spawn(move || {
            other.write();
            other.semaphore.resize(1).expect("so many can be");
            other.semaphore.resize(2).expect("so many can be");
        });
        desk.semaphore.raw().release(ONE, mine);
        match heavy.poll(&desk, &waker) {
            Poll::Ready(Ok(lined)) => desk.semaphore.raw().release(request(2), lined),
            Poll::Ready(Err(why)) => assert_eq!(why, Refusal::TooMany(1)),
            Poll::Pending => heavy.cancel(&desk),
        }
        join(Vec::from([resizer]));
        assert_eq!(desk.with(ONE, &Forever, Desk::write), Ok(()));
        desk.check(2);
    });
}

/// What was written before a gate was opened is seen by whoever goes through.
#[test]
fn a_gate_opens() {
    explore(None, || {
        let desk = Desk::new(0);
        let other = desk.clone();
        let visitor = thread::spawn(move || {
            let ended = other.with(ONE, &Forever, |desk| assert_eq!(desk.read(), 1));
            assert_eq!(ended, Ok(()));
        });
        desk.write();
        desk.semaphore.resize(1).expect("so many can be");
        join(Vec::from([visitor]));
        desk.check(1);
    });
}

/// Lowered below what is taken, raised, and let go, all at once.
#[test]
fn resizes_add_up() {
    explore(Some(3), || {
        let desk = Desk::new(1);
        let mine = desk.acquire(ONE);
        let other = desk.clone();
        let waiter = thread::spawn(move || {
            assert_eq!(other.with(ONE, &Forever, Desk::write), Ok(()));
        });
        let other = desk.clone();
        let resizer = thread::spawn(move || other.semaphore.resize(2).expect("so many can be"));
        desk.semaphore.resize(0).expect("so many can be");
        desk.semaphore.raw().release(ONE, mine);
        join(Vec::from([resizer]));
        desk.semaphore.resize(1).expect("so many can be");
        join(Vec::from([waiter]));
        desk.check(1);
    });
}

/// Served or sent away, and nothing in between.
#[test]
fn close_against_release() {
    explore(Some(3), || {
        let desk = Desk::new(1);
        let mine = desk.acquire(ONE);
        let other = desk.clone();
        let waiter = thread::spawn(move || {
            let ended = other.with(ONE, &Forever, Desk::write);
            assert!(matches!(ended, Ok(()) | Err(Denied::Refused(Refusal::Closed))));
        });
        let other = desk.clone();
        let closer = thread::spawn(move || other.semaphore.close());
        desk.write();
        desk.semaphore.raw().release(ONE, mine);
        join(Vec::from([waiter, closer]));
        assert!(desk.semaphore.is_closed());
        assert_eq!(desk.with(ONE, &Forever, Desk::write), Err(Denied::Refused(Refusal::Closed)));
        desk.check(1);
    });
}

/// Those whose time is over, and those who are dropped, while it closes.
#[test]
fn close_against_those_who_give_up() {
    explore(Some(3), || {
        let desk = Desk::new(1);
        let mine = desk.acquire(ONE);
        let (dropped, patient, waker) = (Party::new(ONE), Party::new(ONE), task());
        assert_eq!(dropped.poll(&desk, &waker), Poll::Pending);
        assert_eq!(patient.poll(&desk, &waker), Poll::Pending);
        let other = desk.clone();
        let closer = thread::spawn(move || other.semaphore.close());
        let other = desk.clone();
        let impatient = thread::spawn(move || {
            let ended = other.with(ONE, &Now, |_| unreachable!("it is out"));
            assert!(matches!(ended, Err(Denied::TooLong | Denied::Refused(Refusal::Closed))));
        });
        dropped.cancel(&desk);
        join(Vec::from([closer, impatient]));
        assert_eq!(patient.poll(&desk, &waker), Poll::Ready(Err(Refusal::Closed)));
        desk.semaphore.raw().release(ONE, mine);
        desk.check(1);
    });
}

/// More than one batch is sent away; one of them leaves meanwhile.
#[test]
fn close_takes_more_than_a_batch() {
    explore(Some(2), || {
        let desk = Desk::new(0);
        let wakers = [task(), task(), task()];
        let parties = [Party::new(ONE), Party::new(ONE), Party::new(ONE)];
        for (party, waker) in parties.iter().zip(&wakers) {
            assert_eq!(party.poll(&desk, waker), Poll::Pending);
        }
        let other = desk.clone();
        let closer = thread::spawn(move || other.semaphore.close());
        parties[1].cancel(&desk);
        join(Vec::from([closer]));
        for i in [0, 2] {
            assert_eq!(parties[i].poll(&desk, &wakers[i]), Poll::Ready(Err(Refusal::Closed)));
        }
        desk.check(0);
    });
}

/// A future has two permits that it has not picked up, and there is only one
/// any more: its sibling must not put it back into the line.
#[test]
fn a_grant_that_is_too_heavy_is_not_traded() {
    explore(Some(3), || {
        let desk = Desk::new(2);
        let mine = desk.acquire(request(2));
        let (first, second) = (Party::new(request(2)), Party::new(ONE));
        let waker = this_thread();
        assert_eq!(first.poll(&desk, &waker), Poll::Pending);
        let other = desk.clone();
        let releaser = thread::spawn(move || {
            other.write();
            other.semaphore.raw().release(request(2), mine);
            other.semaphore.resize(1).expect("so many can be");
        });
        let lined = second.wait(&desk, &waker).expect("one can always be");
        desk.write();
        desk.semaphore.raw().release(ONE, lined);
        match first.wait(&desk, &waker) {
            Ok(lined) => desk.semaphore.raw().release(request(2), lined),
            Err(why) => assert_eq!(why, Refusal::TooMany(1)),
        }
        join(Vec::from([releaser]));
        desk.check(1);
    });
}
