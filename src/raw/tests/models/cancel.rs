//! Futures that are dropped while they wait.

use std::vec::Vec;

use loom::thread;

use super::shop::{LOCK, Party, READ, Shop, WRITE, explore, join, task, this_thread};
use crate::rules::{Exclusive, Fair, Shared};

#[test]
fn cancel_against_release_against_third() {
    explore(Some(3), || {
        let shop = Shop::new(Exclusive);
        let mine = shop.acquire(LOCK);
        let first = Party::new(LOCK);
        assert_eq!(first.poll(&shop, &task()), None);
        let other = shop.clone();
        let third =
            thread::spawn(move || Party::new(LOCK).hold(&other, &this_thread(), Shop::write));
        let other = shop.clone();
        let releaser = thread::spawn(move || {
            other.write();
            other.lock.release(LOCK, mine);
        });
        first.cancel(&shop);
        join(Vec::from([third, releaser]));
        shop.check(2);
    });
}

#[test]
fn cancel_of_the_blocked_first() {
    explore(Some(3), || {
        let shop = Shop::new(Shared::<Fair>::new());
        let mine = shop.acquire(READ);
        let writer = Party::new(WRITE);
        assert_eq!(writer.poll(&shop, &task()), None);
        let other = shop.clone();
        let reader = thread::spawn(move || {
            // Waits behind the writer, and must enter beside the first reader:
            // that one leaves only afterwards.
            other.with(READ, |shop| {
                shop.read();
            });
        });
        writer.cancel(&shop);
        join(Vec::from([reader]));
        shop.lock.release(READ, mine);
        shop.check(0);
    });
}

/// As above, while the holder beside whom the reader enters leaves.
#[test]
fn cancel_of_the_blocked_first_against_a_leaver() {
    explore(None, || {
        let shop = Shop::new(Shared::<Fair>::new());
        let mine = shop.acquire(READ);
        let (writer, reader, waker) = (Party::new(WRITE), Party::new(READ), task());
        assert_eq!(writer.poll(&shop, &task()), None);
        assert_eq!(reader.poll(&shop, &waker), None);
        let other = shop.clone();
        let leaver = thread::spawn(move || {
            other.read();
            other.lock.release(READ, mine);
        });
        writer.cancel(&shop);
        let lined = reader.poll(&shop, &waker).expect("nobody keeps it out");
        shop.read();
        shop.lock.release(READ, lined);
        join(Vec::from([leaver]));
        shop.check(0);
    });
}

/// A writer leaves in one transition that lets a reader in; another reader
/// enters by itself after that.
#[test]
fn a_reader_follows_a_contended_release() {
    explore(None, || {
        let shop = Shop::new(Shared::<Fair>::new());
        shop.acquire(WRITE);
        let (reader, waker) = (Party::new(READ), task());
        assert_eq!(reader.poll(&shop, &waker), None);
        let other = shop.clone();
        let follower = thread::spawn(move || {
            other.with(READ, |shop| {
                shop.read();
            });
        });
        shop.write();
        shop.lock.release(WRITE, true);
        let lined = reader.poll(&shop, &waker).expect("it was granted");
        shop.read();
        shop.lock.release(READ, lined);
        join(Vec::from([follower]));
        shop.check(1);
    });
}
