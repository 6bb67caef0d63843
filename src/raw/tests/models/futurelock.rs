//! Grants to futures that their task does not poll.

use std::vec::Vec;

use loom::thread;

use super::shop::{LOCK, Party, READ, Shop, WRITE, explore, join, task, this_thread};
use crate::rules::{Exclusive, Fair, ReadPreferring, Shared};

/// The lock is let go while a task polls only its second future.
#[test]
fn pass_on_against_release() {
    explore(Some(4), || {
        let shop = Shop::new(Exclusive);
        let mine = shop.acquire(LOCK);
        let (first, second) = (Party::new(LOCK), Party::new(LOCK));
        let waker = this_thread();
        assert_eq!(first.poll(&shop, &waker), None);
        let other = shop.clone();
        let releaser = thread::spawn(move || {
            other.write();
            other.lock.release(LOCK, mine);
        });
        // Only the second is polled; the first keeps its place.
        second.hold(&shop, &waker, Shop::write);
        let lined = first.wait(&shop, &waker);
        shop.write();
        shop.lock.release(LOCK, lined);
        join(Vec::from([releaser]));
        shop.check(3);
    });
}

/// The same with modes of different lanes, and another task's reader.
#[test]
fn pass_on_over_lanes() {
    explore(Some(3), || {
        let shop = Shop::new(Shared::<ReadPreferring>::new());
        let mine = shop.acquire(WRITE);
        let (first, second) = (Party::new(READ), Party::new(WRITE));
        let waker = this_thread();
        assert_eq!(first.poll(&shop, &waker), None);
        let other = shop.clone();
        let releaser = thread::spawn(move || {
            other.write();
            other.lock.release(WRITE, mine);
        });
        second.hold(&shop, &waker, Shop::write);
        let lined = first.wait(&shop, &waker);
        shop.read();
        shop.lock.release(READ, lined);
        join(Vec::from([releaser]));
        shop.check(2);
    });
}

/// A reader's unpolled grant, beside another task's reader, would keep its
/// sibling that writes waiting for ever.
#[test]
pub(super) fn eviction() {
    explore(Some(3), || {
        let shop = Shop::new(Shared::<Fair>::new());
        let mine = shop.acquire(WRITE);
        let (first, second) = (Party::new(READ), Party::new(WRITE));
        let waker = this_thread();
        assert_eq!(first.poll(&shop, &waker), None);
        let reader = Party::new(READ);
        assert_eq!(reader.poll(&shop, &task()), None);
        let other = shop.clone();
        let releaser = thread::spawn(move || {
            other.write();
            other.lock.release(WRITE, mine);
            let lined = reader.poll(&other, &task()).expect("both readers were granted");
            other.read();
            other.lock.release(READ, lined);
        });
        second.hold(&shop, &waker, Shop::write);
        let lined = first.wait(&shop, &waker);
        shop.read();
        shop.lock.release(READ, lined);
        join(Vec::from([releaser]));
        shop.check(2);
    });
}

/// One waker polls two futures in two threads, while the lock is let go and
/// one of them is dropped in the end.
#[test]
fn one_waker_in_two_threads() {
    explore(Some(4), || {
        let shop = Shop::new(Exclusive);
        let mine = shop.acquire(LOCK);
        let waker = task();
        let (first, second) = (Party::new(LOCK), Party::new(LOCK));
        assert_eq!(first.poll(&shop, &waker), None);
        assert_eq!(second.poll(&shop, &waker), None);
        let (other, theirs) = (shop.clone(), waker.clone());
        let thread = thread::spawn(move || {
            if let Some(lined) = first.poll(&other, &theirs) {
                other.write();
                other.lock.release(LOCK, lined);
            }
            first.cancel(&other);
        });
        shop.lock.release(LOCK, mine);
        if let Some(lined) = second.poll(&shop, &waker) {
            shop.write();
            shop.lock.release(LOCK, lined);
        }
        second.cancel(&shop);
        join(Vec::from([thread]));
        let writes = shop.read();
        shop.check(writes);
    });
}

/// A trade, and a third task that must not be lost.
#[test]
fn pass_on_with_a_third() {
    explore(Some(2), || {
        let shop = Shop::new(Exclusive);
        let mine = shop.acquire(LOCK);
        let (first, second) = (Party::new(LOCK), Party::new(LOCK));
        let waker = this_thread();
        assert_eq!(first.poll(&shop, &waker), None);
        let other = shop.clone();
        let third =
            thread::spawn(move || Party::new(LOCK).hold(&other, &this_thread(), Shop::write));
        let other = shop.clone();
        let releaser = thread::spawn(move || other.lock.release(LOCK, mine));
        second.hold(&shop, &waker, Shop::write);
        first.cancel(&shop);
        join(Vec::from([third, releaser]));
        shop.check(2);
    });
}
