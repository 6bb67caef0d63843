//! Conditions: a wait, a notification and a cancellation at once.

use std::boxed::Box;
use std::pin::Pin;
use std::task::Waker;
use std::vec::Vec;

use loom::sync::Arc;
use loom::thread;

use super::shop::{Inner, LOCK, Now, Party, READ, Shop, WRITE, explore, join, task, this_thread};
use crate::raw::mode::Rules;
use crate::rules::{Exclusive, Fair, Shared};
use crate::wait::node::Request;
use crate::wait::queue::{Ticket, WaitQueue};
use crate::wait::{Forever, Limit};

/// A lock with data, and a queue of those who wait for a change of it.
struct Hall<R: Rules> {
    shop: Shop<R>,
    queue: WaitQueue<Inner>,
}

impl<R: Rules> Hall<R> {
    fn new(rules: R) -> Arc<Self> {
        Arc::new(Self { shop: Shop::in_place(rules), queue: WaitQueue::new() })
    }

    fn wait(&self, request: Request, limit: &impl Limit) -> bool {
        self.shop.lock.wait_in(&self.queue, request, limit)
    }

    fn check(&self, writes: usize) {
        assert_eq!(self.queue.len(), 0, "somebody still waits to be notified");
        self.shop.check(writes);
    }

    /// Waits, in `request`, until something was written.
    fn await_write(&self, request: Request) {
        let lined = self.shop.acquire(request);
        while self.shop.read() == 0 {
            assert!(self.wait(request, &Forever), "without a limit");
        }
        self.shop.lock.release(request, lined);
    }
}

/// How a future gets the lock that it waits with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    /// It keeps the lock alive, and is delivered.
    Owned,
    /// The notifier has the lock at hand, and delivers it.
    AtHand,
    /// It is woken, and asks.
    Asking,
}

const EACH: [How; 3] = [How::Owned, How::AtHand, How::Asking];

impl<R: Rules> Hall<R> {
    fn notify_one(&self, how: How) -> bool {
        // SAFETY: who waits here wants this lock.
        let here = (how == How::AtHand).then(|| unsafe { self.shop.lock.at_hand() });
        self.queue.notify_one_at(here)
    }
}

/// A future that waits for a notification.
struct Visitor {
    ticket: Pin<Box<Ticket>>,
    request: Request,
}

impl Visitor {
    /// Stands in line, and lets the hold go.
    fn join<R: Rules>(hall: &Hall<R>, request: Request, waker: &Waker, how: How) -> Self {
        let ticket = Box::pin(Ticket::new(request, true));
        let (lock, owned) = (&hall.shop.lock, how == How::Owned);
        // SAFETY: new, pinned in a box, and cancelled before it is dropped; the
        // hall is there as long.
        unsafe { lock.join_wait(&hall.queue, ticket.as_ref(), waker, owned) };
        lock.release(request, true);
        Self { ticket, request }
    }

    fn poll<R: Rules>(&self, hall: &Hall<R>, waker: &Waker) -> bool {
        // SAFETY: joined, and not polled after it holds.
        unsafe { hall.shop.lock.poll_wait(&hall.queue, self.ticket.as_ref(), waker) }
    }

    fn cancel<R: Rules>(&self, hall: &Hall<R>) {
        // SAFETY: joined.
        unsafe { hall.shop.lock.cancel_wait(&hall.queue, self.ticket.as_ref()) };
    }

    /// Polls until it holds, and lets go.
    fn hold<R: Rules>(&self, hall: &Hall<R>, waker: &Waker, f: impl FnOnce(&Shop<R>)) {
        while !self.poll(hall, waker) {
            thread::park();
        }
        f(&hall.shop);
        hall.shop.lock.release(self.request, true);
    }
}

/// Notified after the lock was let go, and while it is held.
#[test]
fn no_notification_is_lost() {
    for holding in [false, true] {
        explore(Some(4), move || {
            let hall = Hall::new(Exclusive);
            let other = hall.clone();
            let thread = thread::spawn(move || {
                let lined = other.shop.acquire(LOCK);
                other.shop.write();
                if holding {
                    other.queue.notify_one();
                }
                other.shop.lock.release(LOCK, lined);
                if !holding {
                    other.queue.notify_one();
                }
            });
            hall.await_write(LOCK);
            join(Vec::from([thread]));
            hall.check(1);
        });
    }
}

/// A reader and a writer wait; both are notified at once.
#[test]
fn all_are_notified() {
    explore(Some(2), || {
        let hall = Hall::new(Shared::<Fair>::new());
        let threads = [READ, WRITE].map(|request| {
            let other = hall.clone();
            thread::spawn(move || other.await_write(request))
        });
        hall.shop.with(WRITE, Shop::write);
        hall.queue.notify_all();
        join(Vec::from(threads));
        hall.check(1);
    });
}

/// Whoever notifies borrows the queue alone: the waiter frees the lock as soon
/// as it holds it.
#[test]
fn the_lock_may_go_with_its_waiter() {
    explore(Some(3), || {
        let queue = Arc::new(WaitQueue::<Inner>::new());
        let other = queue.clone();
        let thread = thread::spawn(move || {
            while !other.notify_one() {
                thread::yield_now();
            }
        });
        {
            let shop = Box::new(Shop::in_place(Exclusive));
            shop.acquire(LOCK);
            assert!(shop.lock.wait_in(&queue, LOCK, &Forever));
        }
        join(Vec::from([thread]));
        assert_eq!(queue.len(), 0);
    });
}

/// The same of a future.
#[test]
fn the_lock_may_go_with_its_future() {
    for how in EACH {
        explore(Some(3), move || {
            let hall = Hall::new(Exclusive);
            let other = hall.clone();
            hall.shop.acquire(LOCK);
            let waker = this_thread();
            let visitor = Visitor::join(&hall, LOCK, &waker, how);
            let thread = thread::spawn(move || assert!(other.notify_one(how)));
            visitor.hold(&hall, &waker, Shop::write);
            join(Vec::from([thread]));
            hall.check(1);
        });
    }
}

/// A wait whose time is over, and a notification: it was notified exactly when
/// the notifier says so.
#[test]
fn a_timeout_against_a_notification() {
    explore(Some(4), || {
        let hall = Hall::new(Exclusive);
        let other = hall.clone();
        let thread = thread::spawn(move || other.queue.notify_one());
        let lined = hall.shop.acquire(LOCK);
        let notified = hall.wait(LOCK, &Now);
        hall.shop.write();
        hall.shop.lock.release(LOCK, lined);
        assert_eq!(thread.join().expect("no panic"), notified);
        hall.check(1);
    });
}

/// Two wait, one is notified, and the first gives up: before, meanwhile, or
/// after it was granted.
#[test]
fn a_notification_is_passed_on() {
    for how in EACH {
        explore(Some(4), move || {
            let hall = Hall::new(Exclusive);
            hall.shop.acquire(LOCK);
            let first = Visitor::join(&hall, LOCK, &task(), how);
            hall.shop.acquire(LOCK);
            let waker = this_thread();
            let second = Visitor::join(&hall, LOCK, &waker, how);
            let other = hall.clone();
            let notifier = thread::spawn(move || assert!(other.notify_one(how)));
            let other = hall.clone();
            let leaver = thread::spawn(move || first.cancel(&other));
            second.hold(&hall, &waker, Shop::write);
            join(Vec::from([notifier, leaver]));
            hall.check(1);
        });
    }
}

/// A notified waiter gives up while the lock is let go to it.
#[test]
fn a_cancellation_against_the_release() {
    for how in EACH {
        explore(Some(4), move || {
            let hall = Hall::new(Exclusive);
            hall.shop.acquire(LOCK);
            let first = Visitor::join(&hall, LOCK, &task(), how);
            hall.shop.acquire(LOCK);
            let waker = this_thread();
            let second = Visitor::join(&hall, LOCK, &waker, how);
            let lined = hall.shop.acquire(LOCK);
            assert!(hall.notify_one(how));
            let other = hall.clone();
            let leaver = thread::spawn(move || first.cancel(&other));
            hall.shop.lock.release(LOCK, lined);
            second.hold(&hall, &waker, Shop::write);
            join(Vec::from([leaver]));
            hall.check(1);
        });
    }
}

/// A task has the lock by a future that it does not poll, and waits by another
/// one, which is notified.
#[test]
fn notified_behind_its_own_sibling() {
    for how in EACH {
        explore(Some(4), move || {
            let hall = Hall::new(Exclusive);
            let mine = hall.shop.acquire(LOCK);
            assert!(!mine);
            let waker = this_thread();
            let sibling = Party::new(LOCK);
            assert_eq!(sibling.poll(&hall.shop, &waker), None);
            // Lets the lock go to the sibling.
            let visitor = Visitor::join(&hall, LOCK, &waker, how);
            let other = hall.clone();
            let notifier = thread::spawn(move || assert!(other.notify_one(how)));
            visitor.hold(&hall, &waker, Shop::write);
            let lined = sibling.wait(&hall.shop, &waker);
            hall.shop.write();
            hall.shop.lock.release(LOCK, lined);
            join(Vec::from([notifier]));
            hall.check(2);
        });
    }
}

/// The waker is replaced while the waiter moves from one line to the other.
#[test]
fn another_waker_meanwhile() {
    for how in EACH {
        explore(Some(4), move || {
            let hall = Hall::new(Exclusive);
            hall.shop.acquire(LOCK);
            let visitor = Visitor::join(&hall, LOCK, &task(), how);
            let lined = hall.shop.acquire(LOCK);
            let other = hall.clone();
            let notifier = thread::spawn(move || {
                assert!(other.notify_one(how));
                other.shop.lock.release(LOCK, lined);
            });
            visitor.hold(&hall, &this_thread(), Shop::write);
            join(Vec::from([notifier]));
            hall.check(1);
        });
    }
}

/// Who asks for itself is followed nowhere: its future may have been forgotten.
#[test]
fn nothing_is_followed_of_one_that_may_be_forgotten() {
    explore(Some(2), || {
        let hall = Hall::new(Exclusive);
        hall.shop.acquire(LOCK);
        let visitor = Visitor::join(&hall, LOCK, &task(), How::Asking);
        let lined = hall.shop.acquire(LOCK);
        assert!(hall.notify_one(How::Asking));
        assert_eq!(hall.shop.lock.waiting(), 0, "somebody followed it to its lock");
        hall.shop.lock.release(LOCK, lined);
        visitor.cancel(&hall);
        hall.check(0);
    });
}

/// More wait than a batch takes. One goes after the first was woken, and another
/// comes: that one is not notified, and all others are.
#[test]
fn who_comes_later_is_not_notified() {
    explore(Some(3), || {
        let hall = Hall::new(Exclusive);
        let waker = this_thread();
        let [first, second, third] = [(); 3].map(|()| {
            hall.shop.acquire(LOCK);
            Visitor::join(&hall, LOCK, &waker, How::Asking)
        });
        let other = hall.clone();
        let notifier = thread::spawn(move || other.queue.notify_all());
        first.hold(&hall, &waker, Shop::write);
        third.cancel(&hall);
        hall.shop.acquire(LOCK);
        let late = Visitor::join(&hall, LOCK, &task(), How::Asking);
        let notified = notifier.join().expect("no panic");
        assert!(notified == 2 || notified == 3);
        assert_eq!(hall.queue.len(), 1, "one who came later was notified");
        second.hold(&hall, &waker, Shop::write);
        late.cancel(&hall);
        hall.check(2);
    });
}

/// More wait than a batch takes, and one of the rest gives up meanwhile: it was
/// notified, or has left.
#[test]
fn one_of_the_rest_gives_up() {
    for leaves in [2, 3] {
        explore(Some(2), move || {
            let hall = Hall::new(Exclusive);
            let waker = task();
            let mut visitors: Vec<_> = (0..4)
                .map(|_| {
                    hall.shop.acquire(LOCK);
                    Visitor::join(&hall, LOCK, &waker, How::Asking)
                })
                .collect();
            let leaver = visitors.remove(leaves);
            let other = hall.clone();
            let notifier = thread::spawn(move || other.queue.notify_all());
            let other = hall.clone();
            let leaver = thread::spawn(move || leaver.cancel(&other));
            let last = visitors.pop().expect("three are left");
            while !last.poll(&hall, &waker) {
                thread::yield_now();
            }
            hall.shop.write();
            hall.shop.lock.release(LOCK, true);
            let notified = notifier.join().expect("no panic");
            assert!(notified == 3 || notified == 4);
            join(Vec::from([leaver]));
            for visitor in &visitors {
                visitor.hold(&hall, &waker, Shop::write);
            }
            hall.check(3);
        });
    }
}

/// All are handed over at once, each for one wake-up.
#[test]
fn all_futures_are_handed_over() {
    for how in [How::Owned, How::AtHand] {
        explore(Some(2), move || {
            let hall = Hall::new(Exclusive);
            hall.shop.acquire(LOCK);
            let first = Visitor::join(&hall, LOCK, &task(), how);
            hall.shop.acquire(LOCK);
            let waker = this_thread();
            let second = Visitor::join(&hall, LOCK, &waker, how);
            let other = hall.clone();
            let notifier = thread::spawn(move || {
                let lined = other.shop.acquire(LOCK);
                // SAFETY: who waits here wants this lock.
                let here = (how == How::AtHand).then(|| unsafe { other.shop.lock.at_hand() });
                let notified = other.queue.notify_all_at(here);
                assert!(notified == 1 || notified == 2);
                assert!(other.shop.lock.waiting() >= 1, "it is in the lock's line");
                other.shop.lock.release(LOCK, lined);
            });
            let other = hall.clone();
            let leaver = thread::spawn(move || first.cancel(&other));
            second.hold(&hall, &waker, Shop::write);
            join(Vec::from([notifier, leaver]));
            hall.check(1);
        });
    }
}
