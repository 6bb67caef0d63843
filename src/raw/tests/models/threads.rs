//! Threads that block, and the inner lock that spins.

use std::vec::Vec;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::shop::{LOCK, Now, Party, READ, Shop, WRITE, Yield, explore, join, task};
use crate::raw::mode::Rules;
use crate::rules::{Exclusive, Fair, ReadPreferring, Shared, WritePreferring};
use crate::wait::InnerLock;
use crate::wait::inner::SpinInner;

#[test]
fn the_spinning_inner_lock_excludes() {
    explore(Some(4), || {
        let shared = Arc::new((SpinInner::<Yield>::init(), UnsafeCell::new(0_usize)));
        let party = |shared: &(SpinInner<Yield>, UnsafeCell<usize>)| {
            shared.0.with(|kept| {
                // SAFETY: loom checks it.
                shared.1.with_mut(|data| unsafe { *data += 1 });
                *kept = (*kept).wrapping_byte_add(2);
            });
        };
        let other = shared.clone();
        let thread = thread::spawn(move || party(&other));
        party(&shared);
        thread.join().expect("a party panicked");
        shared.0.with(|kept| assert_eq!(kept.addr(), 4));
    });
}

#[test]
pub(super) fn three_threads_exclude() {
    explore(Some(3), || {
        let shop = Shop::new(Exclusive);
        let threads = (0..2)
            .map(|_| {
                let shop = shop.clone();
                thread::spawn(move || shop.with(LOCK, Shop::write))
            })
            .collect();
        shop.with(LOCK, Shop::write);
        join(threads);
        shop.check(3);
    });
}

#[test]
fn two_threads_twice() {
    explore(Some(4), || {
        let shop = Shop::new(Exclusive);
        let other = shop.clone();
        let thread = thread::spawn(move || {
            other.with(LOCK, Shop::write);
            other.with(LOCK, Shop::write);
        });
        shop.with(LOCK, Shop::write);
        shop.with(LOCK, Shop::write);
        join(Vec::from([thread]));
        shop.check(4);
    });
}

fn reader_reader_writer<R: Rules + Send + Sync + 'static>(
    rules: impl Fn() -> R + Send + Sync + 'static,
) {
    explore(Some(3), move || {
        let shop = Shop::new(rules());
        let threads = (0..2)
            .map(|i| {
                let shop = shop.clone();
                thread::spawn(move || {
                    if i == 0 {
                        shop.with(READ, |shop| {
                            shop.read();
                        });
                    } else {
                        shop.with(WRITE, Shop::write);
                    }
                })
            })
            .collect();
        shop.with(READ, |shop| {
            shop.read();
        });
        join(threads);
        shop.check(1);
    });
}

#[test]
fn shared_fair() {
    reader_reader_writer(Shared::<Fair>::new);
}

#[test]
fn shared_read_preferring() {
    reader_reader_writer(Shared::<ReadPreferring>::new);
}

#[test]
fn shared_write_preferring() {
    reader_reader_writer(Shared::<WritePreferring>::new);
}

#[test]
fn writer_writer_reader_read_preferring() {
    explore(Some(3), || {
        let shop = Shop::new(Shared::<ReadPreferring>::new());
        let threads = (0..2)
            .map(|_| {
                let shop = shop.clone();
                thread::spawn(move || shop.with(WRITE, Shop::write))
            })
            .collect();
        shop.with(READ, |shop| {
            shop.read();
        });
        join(threads);
        shop.check(2);
    });
}

/// Two readers leave without the inner lock, and the writer who waits must see
/// what both did; a reader that reads after writing elsewhere would race.
#[test]
fn readers_leave_writer_waits() {
    explore(Some(3), || {
        let shop = Shop::new(Shared::<Fair>::new());
        let mine = shop.acquire(READ);
        let theirs = shop.acquire(READ);
        let other = shop.clone();
        let reader = thread::spawn(move || {
            other.read();
            other.lock.release(READ, theirs);
        });
        let other = shop.clone();
        let writer = thread::spawn(move || other.with(WRITE, Shop::write));
        shop.read();
        shop.lock.release(READ, mine);
        join(Vec::from([reader, writer]));
        shop.check(1);
    });
}

/// Of several readers, those that leave others behind ask nobody; the last ones
/// let the writer in.
#[test]
fn a_crowd_of_readers_leaves_writer_waits() {
    explore(Some(2), || {
        let shop = Shop::new(Shared::<Fair>::new());
        let mine = [shop.acquire(READ), shop.acquire(READ)];
        let theirs = [shop.acquire(READ), shop.acquire(READ)];
        let other = shop.clone();
        let readers = thread::spawn(move || {
            for lined in theirs {
                other.read();
                other.lock.release(READ, lined);
            }
        });
        let other = shop.clone();
        let writer = thread::spawn(move || other.with(WRITE, Shop::write));
        for lined in mine {
            shop.read();
            shop.lock.release(READ, lined);
        }
        join(Vec::from([readers, writer]));
        shop.check(1);
    });
}

#[test]
fn a_limit_races_with_a_grant() {
    explore(Some(4), || {
        let shop = Shop::new(Exclusive);
        let mine = shop.acquire(LOCK);
        let other = shop.clone();
        let impatient = thread::spawn(move || {
            if let Some(lined) = other.lock.acquire(LOCK, &Now) {
                other.write();
                other.lock.release(LOCK, lined);
            }
        });
        let other = shop.clone();
        let patient = thread::spawn(move || other.with(LOCK, Shop::write));
        shop.write();
        shop.lock.release(LOCK, mine);
        join(Vec::from([impatient, patient]));
        let writes = shop.read();
        assert!((2..=3).contains(&writes));
        shop.check(writes);
    });
}

/// More waiters than one batch takes: those of the second are let in by a
/// second round.
#[test]
fn a_second_batch() {
    explore(Some(2), || {
        let shop = Shop::new(Shared::<Fair>::new());
        let mine = shop.acquire(WRITE);
        let wakers = [task(), task(), task()];
        let parties = [Party::new(READ), Party::new(READ), Party::new(READ)];
        for (party, waker) in parties.iter().zip(&wakers) {
            assert_eq!(party.poll(&shop, waker), None);
        }
        let other = shop.clone();
        let releaser = thread::spawn(move || {
            other.write();
            other.lock.release(WRITE, mine);
        });
        // Leaves while the batches are under way.
        parties[1].cancel(&shop);
        join(Vec::from([releaser]));
        for i in [0, 2] {
            assert_eq!(parties[i].poll(&shop, &wakers[i]), Some(true));
            shop.read();
            shop.lock.release(READ, true);
        }
        shop.check(1);
    });
}
