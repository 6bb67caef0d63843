//! A panic of somebody else's waker, at every place where a lock calls one,
//! leaves everybody with what they hold, and nobody with what they don't.

#![cfg(all(feature = "std", feature = "async"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

mod support;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use portunus::prelude::*;
use portunus::rules::{Access, ReadWrite, Shared, SharedMode};
use portunus::sync::{FifoLock, RwLock};
use portunus::{Fair, ReadPreferring};

use support::{Hand, panics};

fn calm() -> Waker {
    Hand::new().waker().clone()
}

fn poll<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

fn unwinds<T>(f: impl FnOnce() -> T) -> bool {
    catch_unwind(AssertUnwindSafe(f)).is_err()
}

/// A writer converts into a reader, which lets in one whose waker panics.
#[test]
fn a_conversion_is_noted() {
    let lock = FifoLock::new(ReadWrite);
    for trying in [false, true] {
        let mut hold = lock.acquire(Access::Write);
        let mut reader = Box::pin(lock.acquire_async(Access::Read));
        assert!(poll(reader.as_mut(), &panics()).is_pending());
        assert!(unwinds(|| {
            if trying {
                hold.try_convert(Access::Read);
            } else {
                hold.convert(Access::Read).expect("a weaker mode");
            }
        }));
        assert_eq!(hold.mode(), Access::Read, "the hold was not told");
        assert_eq!(lock.holders(Access::Read), 2);
        drop(hold);
        drop(reader);
        assert!(!lock.is_locked());
    }
}

#[test]
fn an_awaited_conversion_is_noted() {
    let lock = FifoLock::new(ReadWrite);
    let hold = lock.acquire(Access::Write);
    let mut reader = Box::pin(lock.acquire_async(Access::Read));
    assert!(poll(reader.as_mut(), &panics()).is_pending());
    let mut conversion = Box::pin(hold.convert_async(Access::Read));
    assert!(unwinds(|| poll(conversion.as_mut(), &calm())));
    // Polled after all, it gives the hold back.
    let Poll::Ready(Ok(hold)) = poll(conversion.as_mut(), &calm()) else {
        panic!("it was converted");
    };
    assert_eq!(hold.mode(), Access::Read);
    drop((hold, conversion, reader));
    assert!(!lock.is_locked());

    let hold = lock.acquire(Access::Write);
    let mut reader = Box::pin(lock.acquire_async(Access::Read));
    assert!(poll(reader.as_mut(), &panics()).is_pending());
    let mut conversion = Box::pin(hold.convert_async(Access::Read));
    assert!(unwinds(|| poll(conversion.as_mut(), &calm())));
    // Dropped, it gives the hold up in the mode that it has.
    drop((conversion, reader));
    assert!(!lock.is_locked());
}

/// What `lock_api` asks for: who unwinds has let go.
#[test]
fn a_downgrade_lets_go() {
    let lock: RwLock<u32, Fair> = RwLock::new(0);
    let guard = lock.write();
    let mut reader = Box::pin(lock.read_async());
    assert!(poll(reader.as_mut(), &panics()).is_pending());
    assert!(unwinds(|| lock_api::RwLockWriteGuard::downgrade(guard)));
    drop(reader);
    assert!(!lock.is_locked(), "a consumed guard still holds");

    let guard = lock.write();
    let mut reader = Box::pin(lock.upgradable_read_async());
    assert!(poll(reader.as_mut(), &panics()).is_pending());
    let upgradable = lock_api::RwLockWriteGuard::downgrade_to_upgradable(guard);
    // One upgradable reader at a time: stepping down once more lets it in.
    assert!(unwinds(|| lock_api::RwLockUpgradableReadGuard::downgrade(upgradable)));
    drop(reader);
    assert!(!lock.is_locked());
}

/// A trade between two futures of one task lets in a third one.
#[test]
fn a_trade_is_not_lost() {
    for dropped in [true, false] {
        let lock: FifoLock<Shared<ReadPreferring>> = FifoLock::new(Shared::new());
        let task = calm();
        let mut writer = Box::pin(lock.acquire_async(SharedMode::Write));
        let mut reader = Box::pin(lock.acquire_async(SharedMode::Read));
        let mut other = Box::pin(lock.acquire_async(SharedMode::Read));
        let hold = lock.acquire(SharedMode::Write);
        assert!(poll(writer.as_mut(), &task).is_pending());
        drop(hold);
        // Granted to the writer, which is not polled.
        assert_eq!(lock.holders(SharedMode::Write), 1);
        assert!(poll(other.as_mut(), &panics()).is_pending());
        assert!(unwinds(|| poll(reader.as_mut(), &task)), "the third one enters, and panics");
        assert_eq!(lock.holders(SharedMode::Read), 2);
        if dropped {
            drop(reader);
        } else {
            let Poll::Ready(hold) = poll(reader.as_mut(), &task) else { panic!("it has it") };
            drop(hold);
        }
        assert_eq!(lock.holders(SharedMode::Read), 1, "the traded hold was lost");
        drop(other);
        let Poll::Ready(hold) = poll(writer.as_mut(), &task) else { panic!("its turn") };
        drop(hold);
        assert!(!lock.is_locked());
    }
}

/// More readers than three batches take, of which one in each panics.
#[test]
fn every_batch_is_woken() {
    const READERS: usize = 80;
    let lock = FifoLock::new(ReadWrite);
    let hold = lock.acquire(Access::Write);
    let mut readers: Vec<_> =
        (0..READERS).map(|_| Box::pin(lock.acquire_async(Access::Read))).collect();
    for (i, reader) in readers.iter_mut().enumerate() {
        // The first batch's panics on its own; another one on top would abort.
        let waker = if i == 3 { panics() } else { calm() };
        assert!(poll(reader.as_mut(), &waker).is_pending());
    }
    assert!(unwinds(|| drop(hold)));
    assert_eq!(lock.holders(Access::Read), READERS, "a batch was forgotten");
    drop(readers);
    assert!(!lock.is_locked());

    // The same in the second batch.
    let hold = lock.acquire(Access::Write);
    let mut readers: Vec<_> =
        (0..READERS).map(|_| Box::pin(lock.acquire_async(Access::Read))).collect();
    for (i, reader) in readers.iter_mut().enumerate() {
        let waker = if i == 20 { panics() } else { calm() };
        assert!(poll(reader.as_mut(), &waker).is_pending());
    }
    assert!(unwinds(|| drop(hold)));
    assert_eq!(lock.holders(Access::Read), READERS, "a batch was forgotten");
}

/// A backend whose wait ends too early, time and again.
mod hasty {
    use std::sync::atomic::{AtomicU32, Ordering};

    use portunus::{Backend, Limit, SpinInner, Turn, Wait};

    pub(crate) struct Hasty;

    pub(crate) static WAITS: AtomicU32 = AtomicU32::new(0);

    impl Wait for Hasty {
        fn wait(_: &impl Turn, _: &impl Limit) -> bool {
            WAITS.fetch_add(1, Ordering::SeqCst);
            std::thread::yield_now();
            true
        }
    }

    impl Backend for Hasty {
        type Inner = SpinInner<spin::relax::Spin>;
        type Wait = Self;
    }
}

#[test]
fn an_upgrade_never_ends_too_early() {
    use std::sync::atomic::Ordering;

    type Raw = portunus::RawRwLock<Fair, hasty::Hasty>;
    let lock: lock_api::RwLock<Raw, u32> = lock_api::RwLock::new(0);
    let reader = lock.read();
    let upgradable = lock.upgradable_read();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while hasty::WAITS.load(Ordering::SeqCst) < 10 {
                std::thread::yield_now();
            }
            assert_eq!(*reader, 0, "somebody wrote beside a reader");
            drop(reader);
        });
        *lock_api::RwLockUpgradableReadGuard::upgrade(upgradable) = 1;
    });
    assert_eq!(*lock.read(), 1);
}
