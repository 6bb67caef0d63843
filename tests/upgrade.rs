//! Upgradable guards of `lock_api` whose upgrade is awaited, borrowed and
//! behind an `Arc`.

#![cfg(all(feature = "std", feature = "async", feature = "critical-section"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

mod support;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;

use lock_api::{
    ArcRwLockUpgradableReadGuard, ArcRwLockWriteGuard, RwLockUpgradableReadGuard, RwLockWriteGuard,
};
use portunus::prelude::*;
use portunus::raw::RawRwLockUpgradeAsync;
use portunus::rules::{Preference, SharedMode};
use portunus::{Backend, Fair, ReadPreferring, WritePreferring};

use support::{Hand, ready};

type RwLock<L> = lock_api::RwLock<L, u64>;

/// A raw lock that counts who is inside.
trait Raw:
    lock_api::RawRwLock<SharedGuard: Send, ExclusiveGuard: Send>
    + lock_api::RawRwLockUpgrade<UpgradableGuard: Send>
    + RawRwLockUpgradeAsync<UpgradeWaiter: Send>
    + Send
    + Sync
    + 'static
{
    fn holders(&self, mode: SharedMode) -> usize;
}

macro_rules! counting {
    ($($path:ident)::+) => {
        impl<P: Preference, B: Backend> Raw for $($path)::+<P, B>
        where
            Self: Send + Sync,
        {
            fn holders(&self, mode: SharedMode) -> usize {
                Self::holders(self, mode)
            }
        }
    };
}

counting!(portunus::RawRwLock);
#[cfg(feature = "observe")]
counting!(portunus::observe::RawRwLock);

fn holders<L: Raw>(lock: &RwLock<L>) -> [usize; 3] {
    // SAFETY: only looks at the counts.
    #[allow(unsafe_code)]
    let raw = unsafe { lock.raw() };
    [SharedMode::Read, SharedMode::Upgradable, SharedMode::Write].map(|mode| raw.holders(mode))
}

/// A guard that can be upgraded: borrowed, or behind an `Arc`.
trait Face<L: Raw>: 'static {
    type Upgradable<'a>: RwLockUpgradableReadGuardExt<
        Upgrade: Future<Output = Self::Writing<'a>> + Send + 'a,
    >;
    type Writing<'a>: std::ops::DerefMut<Target = u64>;
    type Asking<'a>: Future<Output = Self::Upgradable<'a>>;
    fn read(lock: &Arc<RwLock<L>>) -> Self::Upgradable<'_>;
    fn ask(lock: &Arc<RwLock<L>>) -> Self::Asking<'_>;
}

struct Borrowed;
struct Owned;

impl<L: Raw> Face<L> for Borrowed {
    type Upgradable<'a> = RwLockUpgradableReadGuard<'a, L, u64>;
    type Writing<'a> = RwLockWriteGuard<'a, L, u64>;
    type Asking<'a> = portunus::future::UpgradableRead<'a, L, u64>;
    fn read(lock: &Arc<RwLock<L>>) -> Self::Upgradable<'_> {
        lock.upgradable_read()
    }
    fn ask(lock: &Arc<RwLock<L>>) -> Self::Asking<'_> {
        (**lock).upgradable_read_async()
    }
}

impl<L: Raw> Face<L> for Owned {
    type Upgradable<'a> = ArcRwLockUpgradableReadGuard<L, u64>;
    type Writing<'a> = ArcRwLockWriteGuard<L, u64>;
    type Asking<'a> = portunus::future::UpgradableReadArc<L, u64>;
    fn read(lock: &Arc<RwLock<L>>) -> Self::Upgradable<'_> {
        lock.upgradable_read_arc()
    }
    fn ask(lock: &Arc<RwLock<L>>) -> Self::Asking<'_> {
        lock.upgradable_read_arc_async()
    }
}

fn at_once<L: Raw, F: Face<L>>() {
    let lock = Arc::new(RwLock::<L>::new(1));
    let hand = Hand::new();
    let reading = ready(hand.poll(pin!(F::ask(&lock))));
    assert_eq!(holders(&lock), [0, 1, 0]);
    let mut writing = ready(hand.poll(pin!(F::Upgradable::upgrade_async(reading))));
    assert_eq!(holders(&lock), [0, 0, 1]);
    *writing += 1;
    drop(writing);
    assert!(!lock.is_locked());
    assert_eq!(*lock.read(), 2);
    assert_eq!(Arc::strong_count(&lock), 1, "a reference is left over, or was given up twice");
}

fn waits_for_readers_and_goes_before_writers<L: Raw, F: Face<L>>() {
    let lock = Arc::new(RwLock::<L>::new(1));
    let (hand, other) = (Hand::new(), Hand::new());
    let readers = (lock.read(), lock.read());
    let reading = F::read(&lock);
    let mut writer = pin!((*lock).write_async());
    assert!(other.poll(writer.as_mut()).is_pending());
    let mut upgrade = pin!(F::Upgradable::upgrade_async(reading));
    assert!(hand.poll(upgrade.as_mut()).is_pending());
    assert_eq!(holders(&lock), [2, 1, 0], "it reads while it waits");
    drop(readers.0);
    assert_eq!(hand.wakes(), 0, "one reader is left");
    drop(readers.1);
    assert_eq!((hand.wakes(), other.wakes()), (1, 0));
    assert_eq!(holders(&lock), [0, 0, 1], "granted before it is polled");
    let mut writing = ready(hand.poll(upgrade.as_mut()));
    *writing += 1;
    drop(writing);
    assert_eq!(*ready(other.poll(writer.as_mut())), 2);
    assert_eq!(Arc::strong_count(&lock), 1);
}

fn dropped_before_the_first_poll<L: Raw, F: Face<L>>() {
    let lock = Arc::new(RwLock::<L>::new(1));
    let upgrade = F::Upgradable::upgrade_async(F::read(&lock));
    assert_eq!(holders(&lock), [0, 1, 0], "nothing happens before the first poll");
    drop(upgrade);
    assert_eq!(holders(&lock), [0, 0, 0], "it owned the guard");
    assert_eq!(Arc::strong_count(&lock), 1);
}

fn dropped_in_line<L: Raw, F: Face<L>>() {
    let lock = Arc::new(RwLock::<L>::new(1));
    let (hand, other) = (Hand::new(), Hand::new());
    let reader = lock.read();
    let mut upgrade = Box::pin(F::Upgradable::upgrade_async(F::read(&lock)));
    assert!(hand.poll(upgrade.as_mut()).is_pending());
    let mut follower = pin!((*lock).upgradable_read_async());
    assert!(other.poll(follower.as_mut()).is_pending());
    drop(upgrade);
    assert_eq!(other.wakes(), 1, "whoever it kept out enters");
    drop(ready(other.poll(follower.as_mut())));
    assert_eq!(holders(&lock), [1, 0, 0]);
    drop(reader);
    assert!(lock.try_write().is_some());
    assert_eq!(Arc::strong_count(&lock), 1);
}

fn dropped_when_granted<L: Raw, F: Face<L>>() {
    let lock = Arc::new(RwLock::<L>::new(1));
    let (hand, other) = (Hand::new(), Hand::new());
    let reader = lock.read();
    let mut upgrade = Box::pin(F::Upgradable::upgrade_async(F::read(&lock)));
    assert!(hand.poll(upgrade.as_mut()).is_pending());
    drop(reader);
    assert_eq!(hand.wakes(), 1);
    let mut follower = pin!((*lock).read_async());
    assert!(other.poll(follower.as_mut()).is_pending(), "it is the writer already");
    drop(upgrade);
    assert_eq!(other.wakes(), 1, "the lock goes to the next");
    drop(ready(other.poll(follower.as_mut())));
    assert!(!lock.is_locked());
    assert_eq!(Arc::strong_count(&lock), 1);
}

fn dropped_after_it_was_ready<L: Raw, F: Face<L>>() {
    let lock = Arc::new(RwLock::<L>::new(1));
    let hand = Hand::new();
    let mut upgrade = Box::pin(F::Upgradable::upgrade_async(F::read(&lock)));
    let writing = ready(hand.poll(upgrade.as_mut()));
    let again = catch_unwind(AssertUnwindSafe(|| hand.poll(upgrade.as_mut()).is_ready()));
    assert!(again.is_err(), "polled after it was ready");
    drop(upgrade);
    assert_eq!(holders(&lock), [0, 0, 1], "the guard is the holder");
    drop(writing);
    assert!(!lock.is_locked());
}

/// A reader's grant that its own task does not pick up gives way to the
/// upgrade that it would keep waiting.
fn a_sibling_gives_way<L: Raw, F: Face<L>>() {
    let lock = Arc::new(RwLock::<L>::new(1));
    let hand = Hand::new();
    let writer = lock.write();
    let mut sibling = Box::pin((*lock).read_async());
    assert!(hand.poll(sibling.as_mut()).is_pending());
    drop(writer);
    assert_eq!(holders(&lock), [1, 0, 0]);
    let upgrade = F::Upgradable::upgrade_async(F::read(&lock));
    let mut writing = ready(hand.poll(pin!(upgrade)));
    *writing += 1;
    drop(writing);
    assert_eq!(*ready(hand.poll(sibling.as_mut())), 2);
}

/// Tasks in several threads count by reading and upgrading: nothing is lost.
fn nothing_is_lost<L: Raw, F: Face<L>>() {
    const ROUNDS: u64 = 200;
    let lock = Arc::new(RwLock::<L>::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let lock = &lock;
            scope.spawn(move || {
                smol::block_on(async {
                    for _ in 0..ROUNDS {
                        let reading = F::ask(lock).await;
                        smol::future::yield_now().await;
                        *F::Upgradable::upgrade_async(reading).await += 1;
                        assert!(*(**lock).read_async().await > 0);
                    }
                });
            });
        }
    });
    assert_eq!(*lock.read(), 3 * ROUNDS);
    assert_eq!(Arc::strong_count(&lock), 1);
}

macro_rules! everywhere {
    ($($test:ident),+ $(,)?) => {
        everywhere! { @preference fair, Fair, [$($test),+] }
        everywhere! { @preference read_preferring, ReadPreferring, [$($test),+] }
        everywhere! { @preference write_preferring, WritePreferring, [$($test),+] }
    };
    (@preference $module:ident, $preference:ty, $tests:tt) => {
        mod $module {
            use super::*;
            everywhere! { @backend sync, $preference, portunus::sync::Threads, $tests }
            everywhere! { @backend spin, $preference, portunus::spin::Spinning, $tests }
            everywhere! { @backend critical, $preference, portunus::critical::Critical, $tests }
        }
    };
    (@backend $module:ident, $preference:ty, $backend:ty, [$($test:ident),+]) => {
        mod $module {
            $(
                #[test]
                fn $test() {
                    type Plain = portunus::RawRwLock<$preference, $backend>;
                    super::super::$test::<Plain, super::super::Borrowed>();
                    super::super::$test::<Plain, super::super::Owned>();
                    #[cfg(feature = "observe")]
                    {
                        type Observed = portunus::observe::RawRwLock<$preference, $backend>;
                        super::super::$test::<Observed, super::super::Borrowed>();
                        super::super::$test::<Observed, super::super::Owned>();
                    }
                }
            )+
            use super::*;
        }
    };
}

everywhere![
    at_once,
    waits_for_readers_and_goes_before_writers,
    dropped_before_the_first_poll,
    dropped_in_line,
    dropped_when_granted,
    dropped_after_it_was_ready,
    a_sibling_gives_way,
    nothing_is_lost,
];
