//! Holders that change their mode.

use std::vec::Vec;

use loom::thread;

use super::shop::{Now, READ, Shop, UPGRADABLE, WRITE, convert, explore, join};
use crate::raw::lock::Conversion;
use crate::rules::{Fair, Shared, SharedMode};
use crate::wait::Forever;

#[test]
fn upgrade_against_reader_and_writer() {
    explore(Some(2), || {
        let shop = Shop::new(Shared::<Fair>::new());
        let other = shop.clone();
        let reader = thread::spawn(move || {
            other.with(READ, |shop| {
                shop.read();
            });
        });
        let other = shop.clone();
        let writer = thread::spawn(move || other.with(WRITE, Shop::write));
        let lined = shop.acquire(UPGRADABLE);
        let seen = shop.read();
        let up = convert(SharedMode::Upgradable, SharedMode::Write);
        assert_eq!(shop.convert(up, &Forever), Conversion::Done(false));
        assert_eq!(shop.read(), seen, "somebody wrote during an upgrade");
        shop.write();
        let down = convert(SharedMode::Write, SharedMode::Read);
        assert_eq!(shop.convert(down, &Now), Conversion::Done(false));
        shop.read();
        shop.lock.release(READ, lined);
        join(Vec::from([reader, writer]));
        shop.check(2);
    });
}

/// The last reader but the one that waits to write lets it in.
#[test]
fn the_other_reader_leaves() {
    explore(Some(3), || {
        let shop = Shop::new(Shared::<Fair>::new());
        let mine = shop.acquire(READ);
        let theirs = shop.acquire(READ);
        let other = shop.clone();
        let converter = thread::spawn(move || {
            let up = convert(SharedMode::Read, SharedMode::Write);
            assert_eq!(other.convert(up, &Forever), Conversion::Done(false));
            other.write();
            other.lock.release(WRITE, theirs);
        });
        shop.read();
        shop.lock.release(READ, mine);
        join(Vec::from([converter]));
        shop.check(1);
    });
}

#[test]
fn two_readers_upgrade() {
    explore(Some(4), || {
        let shop = Shop::new(Shared::<Fair>::new());
        let up = convert(SharedMode::Read, SharedMode::Write);
        let party = move |shop: &Shop<Shared<Fair>>| {
            let lined = shop.acquire(READ);
            shop.read();
            match shop.convert(up, &Forever) {
                Conversion::Done(_) => {
                    shop.write();
                    shop.lock.release(WRITE, lined);
                }
                Conversion::Deadlock => shop.lock.release(READ, lined),
                Conversion::TooLong => unreachable!("no limit"),
            }
        };
        let other = shop.clone();
        let thread = thread::spawn(move || party(&other));
        party(&shop);
        join(Vec::from([thread]));
        let writes = shop.read();
        assert!((1..=2).contains(&writes));
        shop.check(writes);
    });
}

#[test]
fn cancel_of_a_conversion() {
    explore(Some(3), || {
        let shop = Shop::new(Shared::<Fair>::new());
        let mine = shop.acquire(UPGRADABLE);
        let theirs = shop.acquire(READ);
        let other = shop.clone();
        let leaver = thread::spawn(move || {
            other.read();
            other.lock.release(READ, theirs);
        });
        let other = shop.clone();
        let reader = thread::spawn(move || {
            other.with(READ, |shop| {
                shop.read();
            });
        });
        let up = convert(SharedMode::Upgradable, SharedMode::Write);
        let mode = match shop.convert(up, &Now) {
            Conversion::Done(_) => {
                shop.write();
                WRITE
            }
            Conversion::TooLong => UPGRADABLE,
            Conversion::Deadlock => unreachable!("one may upgrade"),
        };
        shop.lock.release(mode, mine);
        join(Vec::from([leaver, reader]));
        let writes = shop.read();
        shop.check(writes);
    });
}

#[test]
fn a_downgrade_lets_in() {
    explore(Some(4), || {
        let shop = Shop::new(Shared::<Fair>::new());
        let mine = shop.acquire(WRITE);
        let other = shop.clone();
        let reader = thread::spawn(move || {
            other.with(READ, |shop| {
                shop.read();
            });
        });
        shop.write();
        let down = convert(SharedMode::Write, SharedMode::Read);
        assert_eq!(shop.convert(down, &Now), Conversion::Done(false));
        // The reader enters beside us.
        join(Vec::from([reader]));
        shop.read();
        shop.lock.release(READ, mine);
        shop.check(1);
    });
}
