//! Locks with modes, and semaphores.

use std::boxed::Box;
use std::sync::Arc;
use std::task::{Context, Poll};

use shuttle::future::block_on;
use shuttle::thread;

use super::{SCHEDULES, Scheduled, drawn, explore, task, together};
use crate::atomic::{Ordering::Relaxed, Tally};
use crate::rules::{Fair, Preference, ReadPreferring, Shared, SharedMode, WritePreferring};
use crate::{ClosableSemaphore, FifoLock};

const MODES: [SharedMode; 3] = [SharedMode::Read, SharedMode::Upgradable, SharedMode::Write];

type Lock<P> = FifoLock<Shared<P>, Scheduled>;
type Hold<'a, P> = crate::Hold<'a, Shared<P>, Scheduled>;

/// A lock, and who is inside as the parties themselves tell it.
struct Shop<P: Preference> {
    lock: Lock<P>,
    inside: [Tally; 3],
}

impl<P: Preference> Shop<P> {
    fn enters(&self, mode: SharedMode) {
        self.inside[mode.index()].fetch_add(1, Relaxed);
        let [readers, upgradable, writers] =
            MODES.map(|mode| self.inside[mode.index()].load(Relaxed));
        assert!(upgradable <= 1 && writers <= 1, "two that exclude each other");
        assert!(writers == 0 || readers + upgradable == 0, "somebody beside a writer");
    }

    fn leaves(&self, mode: SharedMode) {
        self.inside[mode.index()].fetch_sub(1, Relaxed);
    }

    /// Stays, maybe in another mode from some moment on, and leaves.
    fn stay(&self, mut hold: Hold<'_, P>) {
        let mode = hold.mode();
        self.enters(mode);
        thread::yield_now();
        match (mode, drawn(3)) {
            // Whoever enters beside the new mode may do so at once.
            (SharedMode::Write, 0) => {
                let to = MODES[drawn(2)];
                self.leaves(mode);
                self.enters(to);
                assert!(hold.try_convert(to), "a step down is admitted");
            }
            (SharedMode::Upgradable, 0) | (SharedMode::Read, 0) => {
                // Where another one waits for this one to leave: no.
                if hold.convert(SharedMode::Write).is_ok() {
                    self.leaves(mode);
                    self.enters(SharedMode::Write);
                }
            }
            (SharedMode::Upgradable, 1) => {
                if hold.try_convert(SharedMode::Write) {
                    self.leaves(mode);
                    self.enters(SharedMode::Write);
                }
            }
            _ => {}
        }
        thread::yield_now();
        self.leaves(hold.mode());
    }

    fn visit(&self) {
        let mode = MODES[drawn(3)];
        match drawn(5) {
            0 => self.stay(self.lock.acquire(mode)),
            1 => self.lock.try_acquire(mode).into_iter().for_each(|hold| self.stay(hold)),
            2 => self.stay(block_on(self.lock.acquire_async(mode))),
            _ => {
                // Gives up after some looks, granted or not.
                let (mut request, waker) = (Box::pin(self.lock.acquire_async(mode)), task());
                for _ in 0..=drawn(3) {
                    let polled = request.as_mut().poll(&mut Context::from_waker(&waker));
                    if let Poll::Ready(hold) = polled {
                        return self.stay(hold);
                    }
                    thread::yield_now();
                }
            }
        }
    }
}

fn visitors<P: Preference>() {
    let inside = core::array::from_fn(|_| Tally::new(0));
    let shop = Arc::new(Shop::<P> { lock: FifoLock::new(Shared::new()), inside });
    together((0..7).map(|_| {
        let shop = Arc::clone(&shop);
        move || (0..3).for_each(|_| shop.visit())
    }));
    assert!(!shop.lock.is_locked(), "somebody is still inside");
    assert_eq!(shop.lock.waiting(), 0, "somebody still waits");
}

/// Seven threads enter in random modes by all ways there are, convert, and give
/// up: those inside fit together, and nobody is left behind.
#[test]
fn modes_and_conversions() {
    explore(SCHEDULES, visitors::<Fair>);
    explore(SCHEDULES, visitors::<ReadPreferring>);
    explore(SCHEDULES, visitors::<WritePreferring>);
}

/// Readers stay until all of them are inside together: whom a writer kept out
/// that gives up, or that becomes a reader, enters at once.
#[test]
fn readers_meet_inside() {
    fn story() {
        let lock = Arc::new(Lock::<Fair>::new(Shared::new()));
        let all = Arc::new(shuttle::sync::Barrier::new(5));
        let mut writer = Some(lock.acquire_owned(SharedMode::Write));
        together((0..7).map(|party| {
            let (lock, all) = (Arc::clone(&lock), Arc::clone(&all));
            let writer = if party == 4 { writer.take() } else { None };
            move || match party {
                0..2 => {
                    let _hold = lock.acquire(SharedMode::Read);
                    all.wait();
                }
                2 | 3 => {
                    let _hold = block_on(lock.acquire_async(SharedMode::Read));
                    all.wait();
                }
                4 => {
                    let mut hold = writer.expect("it is this one's");
                    thread::yield_now();
                    assert!(hold.try_convert(SharedMode::Read), "a step down is admitted");
                    all.wait();
                }
                _ => {
                    let mut request = Box::pin(lock.acquire_async(SharedMode::Write));
                    drop(request.as_mut().poll(&mut Context::from_waker(&task())));
                    thread::yield_now();
                }
            }
        }));
        assert!(!lock.is_locked() && lock.waiting() == 0);
    }
    explore(SCHEDULES, story);
}

/// The same of three who take one permit each, behind one who asks for more than
/// there are any more.
#[test]
fn who_stands_behind_a_refused_one_enters() {
    fn story() {
        let slots = Arc::new(ClosableSemaphore::<Scheduled>::new(4));
        let all = Arc::new(shuttle::sync::Barrier::new(3));
        together((0..6).map(|party| {
            let (slots, all) = (Arc::clone(&slots), Arc::clone(&all));
            move || match party {
                0 => slots.resize(3).expect("so many can be"),
                1 => drop(slots.acquire_many(4)),
                2 => drop(block_on(slots.acquire_many_async(4))),
                _ => {
                    let permit = slots.acquire().expect("it is open");
                    all.wait();
                    drop(permit);
                }
            }
        }));
        assert_eq!((slots.available_permits(), slots.waiting()), (3, 0));
    }
    explore(SCHEDULES, story);
}

/// Permits that are taken, waited for and given up, while there are more and
/// fewer of them, and at last maybe none any more.
#[test]
fn permits_come_and_go() {
    fn visit(semaphore: &ClosableSemaphore<Scheduled>) {
        let count = drawn(4) as u32;
        let permit = match drawn(4) {
            0 => semaphore.acquire_many(count).ok(),
            1 => semaphore.acquire().ok(),
            2 => block_on(semaphore.acquire_many_async(count)).ok(),
            _ => {
                let mut request = Box::pin(semaphore.acquire_many_async(count));
                match request.as_mut().poll(&mut Context::from_waker(&task())) {
                    Poll::Ready(permit) => permit.ok(),
                    Poll::Pending => None,
                }
            }
        };
        thread::yield_now();
        drop(permit);
    }
    fn story() {
        let semaphore = Arc::new(ClosableSemaphore::<Scheduled>::new(3));
        let closes = drawn(2) == 0;
        together((0..7).map(|party| {
            let semaphore = Arc::clone(&semaphore);
            move || match party {
                0 => {
                    for permits in [1, 3, 1 + drawn(3)] {
                        semaphore.resize(permits).expect("so many can be");
                        thread::yield_now();
                    }
                    if closes {
                        semaphore.close();
                    }
                }
                _ => (0..3).for_each(|_| visit(&semaphore)),
            }
        }));
        assert_eq!(semaphore.waiting(), 0, "somebody still waits");
        assert_eq!(semaphore.available_permits(), semaphore.permits(), "permits are lost");
    }
    explore(2 * SCHEDULES, story);
}
