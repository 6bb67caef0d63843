//! Observed locks: what they count, and when they tell.

#![cfg(all(feature = "std", feature = "async", feature = "observe"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]
#![allow(unsafe_code)]

mod support;

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as StdMutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use portunus::clock::ManualClock;
use portunus::observe::sync::{
    ArcGuardedReadGuard, ClosableSemaphore, FifoLock, Guarded, GuardedReadGuard, GuardedWriteGuard,
    Mutex, OwnedHold, OwnedPermit, RawMutex, RawRwLock, RwLock, RwLockUpgradableReadGuard,
    RwLockWriteGuard, Semaphore,
};
use portunus::observe::{Probe, Report, Reports, Slow, What};
use portunus::prelude::*;
use portunus::rules::{self, Access, Permit, ReadWrite};
use portunus::{Clock, ConvertError};

use support::{Hand, ready, until, watched};

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// What a hook was told.
type Told = (Option<&'static str>, What, String, Duration, Duration);

/// A clock that the test moves, and a hook that keeps what it is told.
struct Desk {
    clock: &'static ManualClock,
    told: &'static StdMutex<Vec<Told>>,
}

impl Desk {
    fn new() -> Self {
        Self { clock: leak(ManualClock::new()), told: leak(StdMutex::default()) }
    }

    /// A probe that tells of waits of 10 ms and holds of 5 ms.
    fn probe(&self, name: &'static str) -> Probe {
        let told = self.told;
        let hook = move |slow: &Slow<'_>| {
            let mode = format!("{:?}", slow.mode);
            let told_now = (slow.name, slow.what, mode, slow.time, slow.limit);
            told.lock().expect("no panic").push(told_now);
        };
        Probe::new()
            .named(name)
            .clocked(self.clock)
            .waits_longer_than(ms(10))
            .holds_longer_than(ms(5))
            .tells(leak(hook))
    }

    fn mutex(&self, name: &'static str) -> Mutex<u32> {
        Mutex::from_raw(RawMutex::observed(self.probe(name)), 0)
    }

    fn told(&self) -> Vec<Told> {
        std::mem::take(&mut self.told.lock().expect("no panic"))
    }
}

fn report(mutex: &Mutex<u32>) -> Report {
    mutex.report()
}

fn waiting(mutex: &Mutex<u32>) -> usize {
    // SAFETY: no guard's lock is let go.
    unsafe { mutex.raw() }.waiting()
}

/// A task of its own.
fn task() -> Waker {
    Hand::new().waker().clone()
}

fn poll<F: Future>(future: &mut Pin<Box<F>>, waker: &Waker) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(waker))
}

/// Not a moment before its limit, and from there on each time.
#[test]
fn the_hook_is_told_of_long_holds_when_they_are() {
    let desk = Desk::new();
    let mutex = desk.mutex("ledger");
    let guard = mutex.lock();
    desk.clock.advance(ms(5) - Duration::from_nanos(1));
    drop(guard);
    assert_eq!(desk.told(), []);
    let guard = mutex.try_lock().expect("it is free");
    desk.clock.advance(ms(5));
    assert_eq!(desk.told(), [], "it is still held");
    drop(guard);
    let sole = || "Exclusive".to_owned();
    assert_eq!(desk.told(), [(Some("ledger"), What::Held, sole(), ms(5), ms(5))]);
    let report = report(&mutex);
    assert_eq!((report.acquisitions, report.waits, report.given_up), (2, 0, 0));
    assert_eq!(report.longest_hold, ms(5));
    assert_eq!(mutex.probe().name(), Some("ledger"));
    assert_eq!(report.total_hold, ms(10) - Duration::from_nanos(1));
    assert_eq!((report.longest_wait, report.total_wait), (Duration::ZERO, Duration::ZERO));
}

/// A blocked thread's wait, as the clock measures it.
#[test]
fn waits_of_threads_are_measured() {
    watched("it goes on", || {
        let desk = Desk::new();
        let mutex = desk.mutex("ledger");
        for (time, told) in [(ms(9), false), (ms(10), true)] {
            let guard = mutex.lock();
            thread::scope(|scope| {
                let waiter = scope.spawn(|| *mutex.lock() += 1);
                until("it waits", || waiting(&mutex) == 1);
                desk.clock.advance(time);
                drop(guard);
                waiter.join().expect("no panic");
            });
            let waited = desk.told().into_iter().filter(|told| told.1 == What::Waited);
            let waited: Vec<_> =
                waited.map(|(name, _, _, time, limit)| (name, time, limit)).collect();
            let expected = if told { vec![(Some("ledger"), time, ms(10))] } else { vec![] };
            assert_eq!(waited, expected);
        }
        let report = report(&mutex);
        assert_eq!((report.acquisitions, report.waits, report.given_up), (4, 2, 0));
        assert_eq!((report.longest_wait, report.total_wait), (ms(10), ms(19)));
        assert_eq!(*mutex.lock(), 2);
    });
}

/// A future waits from its first poll to the one that brings the guard, or to
/// its end.
#[test]
fn waits_of_futures_are_measured() {
    let desk = Desk::new();
    let mutex = desk.mutex("ledger");
    let guard = mutex.lock();
    let mut served = Box::pin(mutex.lock_async());
    let mut dropped = Box::pin(mutex.lock_async());
    let unpolled = Box::pin(mutex.lock_async());
    desk.clock.advance(ms(50));
    assert!(poll(&mut served, &task()).is_pending());
    assert!(poll(&mut dropped, &task()).is_pending());
    desk.clock.advance(ms(3));
    assert!(poll(&mut served, &task()).is_pending());
    desk.clock.advance(ms(4));
    drop((dropped, unpolled));
    drop(guard);
    desk.clock.advance(ms(4));
    drop(ready(poll(&mut served, &task())));
    let told = desk.told();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!((told[0].1, told[0].3), (What::Held, ms(57)));
    assert_eq!((told[1].1, told[1].3), (What::Waited, ms(11)));
    let report = report(&mutex);
    assert_eq!((report.acquisitions, report.waits, report.given_up), (2, 1, 1));
    assert_eq!((report.longest_wait, report.total_wait), (ms(11), ms(18)));
    // Without a wait, too.
    drop(ready(poll(&mut Box::pin(mutex.lock_async()), &task())));
    drop(served);
}

/// Futures of one task trade a grant, or one gives its own back.
#[test]
fn trades_are_counted() {
    let desk = Desk::new();
    let mutex = desk.mutex("ledger");
    let guard = mutex.lock();
    let (mut first, mut second, waker) =
        (Box::pin(mutex.lock_async()), Box::pin(mutex.lock_async()), task());
    assert!(poll(&mut first, &waker).is_pending());
    assert!(poll(&mut second, &waker).is_pending());
    drop(guard);
    assert_eq!(report(&mutex).traded, 0);
    drop(ready(poll(&mut second, &waker)));
    assert_eq!((report(&mutex).traded, report(&mutex).given_back), (1, 0));
    drop(ready(poll(&mut first, &waker)));

    let lock: RwLock<()> = RwLock::from_raw(RawRwLock::observed(desk.probe("shelf")), ());
    let guard = lock.write();
    let (mut read, mut other) = (Box::pin(lock.read_async()), Box::pin(lock.read_async()));
    let mut write = Box::pin(lock.write_async());
    assert!(poll(&mut read, &waker).is_pending());
    assert!(poll(&mut other, &task()).is_pending());
    drop(guard);
    let other = ready(poll(&mut other, &task()));
    assert!(poll(&mut write, &waker).is_pending());
    let report = lock.report();
    assert_eq!((report.traded, report.given_back), (0, 1));
    drop(other);
    drop(ready(poll(&mut write, &waker)));
    drop(ready(poll(&mut read, &waker)));
}

/// Each mode is told by its name, of each kind of lock.
#[test]
fn modes_are_named() {
    watched("it goes on", || {
        let desk = Desk::new();
        let long = |held: &dyn Fn()| {
            held();
            desk.told()
                .into_iter()
                .map(|told| (told.0.expect("a name"), told.2))
                .collect::<Vec<_>>()
        };
        let named = |name: &'static str, mode: &str| vec![(name, mode.to_owned())];

        let shelf: RwLock<()> = RwLock::from_raw(RawRwLock::observed(desk.probe("shelf")), ());
        let told = long(&|| {
            let _guard = shelf.read();
            desk.clock.advance(ms(5));
        });
        assert_eq!(told, named("shelf", "Read"));
        let told = long(&|| {
            let _guard = shelf.try_write().expect("it is free");
            desk.clock.advance(ms(5));
        });
        assert_eq!(told, named("shelf", "Write"));

        let table = FifoLock::observed(ReadWrite, desk.probe("table"));
        let told = long(&|| {
            let mut hold = table.acquire(Access::Write);
            assert!(hold.try_convert(Access::Read));
            assert_eq!((hold.mode(), table.holders(Access::Read)), (Access::Read, 1));
            desk.clock.advance(ms(5));
        });
        assert_eq!(told, named("table", "Read"));
        assert!(!table.is_locked());

        let slots = Semaphore::observed(3, desk.probe("slots"));
        let told = long(&|| {
            let permit = slots.acquire_many(2).expect("there are three");
            assert_eq!((permit.count(), slots.available_permits()), (2, 1));
            desk.clock.advance(ms(5));
        });
        assert_eq!(told, named("slots", "Permit"));
        assert_eq!(slots.available_permits(), 3);
    });
}

/// A hold that is upgraded and downgraded is one acquisition, and its time goes
/// on; the hook hears of it under its last mode. Also when the upgrade was
/// awaited, which gives the guard another state.
#[test]
fn upgrades_go_on() {
    let desk = Desk::new();
    let shelf: RwLock<u32> = RwLock::from_raw(RawRwLock::observed(desk.probe("shelf")), 0);
    let told = |mode: &str, time| {
        let expected = (Some("shelf"), What::Held, mode.to_owned(), time, ms(5));
        assert_eq!(desk.told(), [expected]);
    };
    let start = Instant::now();

    let upgradable = shelf.upgradable_read();
    desk.clock.advance(ms(5));
    assert!(shelf.try_upgradable_read().is_none() && shelf.try_read().is_some());
    drop(upgradable);
    told("Upgradable", ms(5));

    desk.clock.advance(ms(100));
    let upgradable = shelf.try_upgradable_read().expect("it is free");
    desk.clock.advance(ms(3));
    let mut writing = RwLockUpgradableReadGuard::upgrade(upgradable);
    *writing += 1;
    desk.clock.advance(ms(4));
    drop(writing);
    told("Write", ms(7));

    desk.clock.advance(ms(100));
    let upgradable = shelf.try_upgradable_read_for(ms(1)).expect("it is free");
    assert!(shelf.try_upgradable_read_until(start).is_none());
    desk.clock.advance(ms(2));
    let reading = shelf.read();
    let upgradable = RwLockUpgradableReadGuard::try_upgrade(upgradable).expect_err("one reads");
    let upgradable =
        RwLockUpgradableReadGuard::try_upgrade_for(upgradable, ms(1)).expect_err("one reads");
    let upgradable =
        RwLockUpgradableReadGuard::try_upgrade_until(upgradable, start).expect_err("one reads");
    drop(reading);
    let Ok(writing) = RwLockUpgradableReadGuard::try_upgrade_for(upgradable, ms(1)) else {
        panic!("alone");
    };
    desk.clock.advance(ms(2));
    let upgradable = RwLockWriteGuard::downgrade_to_upgradable(writing);
    desk.clock.advance(ms(2));
    let Ok(writing) = RwLockUpgradableReadGuard::try_upgrade(upgradable) else { panic!("alone") };
    let reading = RwLockWriteGuard::downgrade(writing);
    let other = shelf.try_read().expect("only a reader");
    desk.clock.advance(ms(1));
    drop(reading);
    told("Read", ms(7));
    let upgradable = shelf.upgradable_read();
    let reading = RwLockUpgradableReadGuard::downgrade(upgradable);
    drop((other, shelf.upgradable_read()));

    desk.clock.advance(ms(100));
    drop(reading);
    told("Read", ms(100));
    // Awaited, and the acquisition too.
    let writer = shelf.write();
    let mut awaited = Box::pin(shelf.upgradable_read_async());
    let mut given_up = Box::pin(shelf.upgradable_read_async());
    assert!(poll(&mut awaited, &task()).is_pending());
    assert!(poll(&mut given_up, &task()).is_pending());
    desk.clock.advance(ms(1));
    drop((writer, given_up));
    let upgradable = ready(poll(&mut awaited, &task()));
    let reading = shelf.read();
    let mut upgrade = Box::pin(RwLockUpgradableReadGuard::upgrade_async(upgradable));
    assert!(poll(&mut upgrade, &task()).is_pending());
    desk.clock.advance(ms(8));
    drop(reading);
    told("Read", ms(8));
    drop(ready(poll(&mut upgrade, &task())));
    told("Write", ms(8));
    // Dropped in line, and when it was granted.
    for (granted, mode) in [(false, "Upgradable"), (true, "Write")] {
        let upgradable = shelf.upgradable_read();
        desk.clock.advance(ms(100));
        let reading = shelf.read();
        let mut upgrade = Box::pin(RwLockUpgradableReadGuard::upgrade_async(upgradable));
        assert!(poll(&mut upgrade, &task()).is_pending());
        let reading = (!granted).then_some(reading);
        drop(upgrade);
        told(mode, ms(100));
        drop(reading);
    }
    assert_eq!(*shelf.read(), 1);
    let report = shelf.report();
    assert_eq!((report.waits, report.given_up, report.longest_wait), (1, 2, ms(1)));
    assert_eq!(report.acquisitions, 16);
}

/// A request of many is one acquisition, and one that could never be served is
/// none.
#[test]
fn weights_are_counted_once() {
    watched("it goes on", || {
        let desk = Desk::new();
        let past = Instant::now();
        let pool = FifoLock::observed(rules::Semaphore::new(3), desk.probe("pool"));
        let mut two = pool.acquire_many(Permit::Permit, 2).expect("there are three");
        assert_eq!((two.weight(), pool.holders(Permit::Permit)), (2, 2));
        assert!(pool.acquire_many(Permit::Permit, 4).is_err());
        assert!(pool.acquire_many_for(Permit::Permit, 4, ms(1)).is_err());
        assert!(pool.try_acquire_many(Permit::Permit, 2).expect("there are three").is_none());
        assert!(pool.acquire_many_for(Permit::Permit, 2, ms(1)).expect("as above").is_none());
        assert!(pool.acquire_many_until(Permit::Permit, 2, past).expect("as above").is_none());
        thread::scope(|scope| {
            let waiter = scope.spawn(|| pool.acquire_many(Permit::Permit, 3).map(drop));
            until("it waits", || pool.waiting() == 1);
            desk.clock.advance(ms(4));
            drop(two);
            assert!(waiter.join().expect("no panic").is_ok());
        });
        two = pool.acquire_many_until(Permit::Permit, 2, past).expect("as above").expect("free");
        drop(two);
        assert!(!pool.is_locked());
        let report = pool.report();
        assert_eq!((report.acquisitions, report.waits, report.given_up), (3, 1, 2));
        assert_eq!((report.longest_wait, report.longest_hold), (ms(4), ms(4)));

        let slots = Semaphore::observed(3, desk.probe("slots"));
        let mut two = slots.try_acquire_many(2).expect("there are three").expect("free");
        assert!(slots.acquire_many_for(4, ms(1)).is_err());
        assert!(slots.try_acquire_many(2).expect("there are three").is_none());
        assert!(slots.acquire_many_for(2, ms(1)).expect("there are three").is_none());
        assert!(slots.acquire_many_until(2, past).expect("there are three").is_none());
        let one = two.split(1).expect("there are two");
        assert_eq!((one.count(), two.count()), (1, 1));
        drop(two);
        assert_eq!(slots.available_permits(), 2);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| slots.acquire_many(3).map(drop));
            until("it waits", || slots.waiting() == 1);
            desk.clock.advance(ms(4));
            slots.close();
            assert_eq!(waiter.join().expect("no panic").expect_err("closed").limit(), 0);
        });
        drop(one);
        assert!(slots.is_closed() && slots.acquire_many_until(1, past).is_err());
        let report = slots.report();
        assert_eq!((report.acquisitions, report.waits, report.given_up), (1, 0, 3));
        assert_eq!((report.longest_wait, report.longest_hold), (ms(4), ms(4)));

        let table = FifoLock::observed(ReadWrite, desk.probe("table"));
        let (mut hold, other) = (table.acquire(Access::Read), table.acquire(Access::Read));
        assert_eq!(hold.convert_for(Access::Write, ms(1)), Err(ConvertError::TimedOut));
        assert_eq!(hold.convert_until(Access::Write, past), Err(ConvertError::TimedOut));
        drop(other);
        assert_eq!(hold.convert_for(Access::Write, ms(1)), Ok(()));
        assert_eq!((hold.mode(), table.report().given_up), (Access::Write, 0));
    });
}

/// What keeps its lock alive counts as what borrows it: by whatever way it was
/// had, and converted on the way.
#[test]
fn kept_holds_are_counted() {
    watched("it goes on", || {
        let desk = Desk::new();
        let past = Instant::now();
        let table = Arc::new(FifoLock::observed(ReadWrite, desk.probe("table")));
        let mut hold = table.acquire_owned(Access::Read);
        assert_eq!((hold.mode(), Arc::ptr_eq(hold.lock(), &table)), (Access::Read, true));
        let other = table.try_acquire_owned(Access::Read).expect("only readers");
        assert!(table.try_acquire_owned(Access::Write).is_none());
        assert!(!hold.try_convert(Access::Write));
        assert_eq!(hold.convert_until(Access::Write, past), Err(ConvertError::TimedOut));
        assert!(table.acquire_owned_for(Access::Write, ms(1)).is_none());
        assert!(table.acquire_owned_until(Access::Write, past).is_none());
        let waker = task();
        let mut awaited = Box::pin(table.acquire_owned_async(Access::Write));
        let mut given_up = Box::pin(table.acquire_owned_async(Access::Write));
        assert!(poll(&mut awaited, &waker).is_pending());
        assert!(poll(&mut given_up, &task()).is_pending());
        desk.clock.advance(ms(6));
        drop((given_up, hold));
        let told = desk.told();
        assert_eq!((told.len(), told[0].1, told[0].3), (1, What::Held, ms(6)));
        let mut convert = Box::pin(other.convert_async(Access::Write));
        let other = ready(poll(&mut convert, &task())).map_err(|(_, error)| error);
        desk.clock.advance(ms(5));
        drop(other);
        // It ends in the mode into which it was converted.
        let told = desk.told();
        assert_eq!((told.len(), told[0].2.as_str(), told[0].3), (1, "Write", ms(11)));
        let hold = ready(poll(&mut awaited, &waker));
        assert_eq!(desk.told()[0].3, ms(11), "a wait");
        let report = table.report();
        assert_eq!((report.acquisitions, report.waits, report.given_up), (3, 1, 3));
        // The lock lives as long as who has it; the future has let go of it.
        drop(awaited);
        let last = Arc::downgrade(&table);
        drop(table);
        assert!(last.upgrade().is_some());
        thread::spawn(move || drop(hold)).join().expect("no panic");
        assert!(last.upgrade().is_none());

        let pool = Arc::new(FifoLock::observed(rules::Semaphore::new(3), desk.probe("pool")));
        let two = pool.acquire_many_owned(Permit::Permit, 2).expect("there are three");
        assert_eq!((two.weight(), pool.holders(Permit::Permit)), (2, 2));
        assert!(pool.acquire_many_owned(Permit::Permit, 4).is_err());
        let never = Box::pin(pool.acquire_many_owned_async(Permit::Permit, 4));
        assert!(ready(poll(&mut { never }, &task())).is_err());
        assert!(
            ready(poll(&mut Box::pin(pool.acquire_many_async(Permit::Permit, 4)), &task()))
                .is_err()
        );
        assert!(pool.try_acquire_many_owned(Permit::Permit, 2).expect("three").is_none());
        assert!(pool.acquire_many_owned_for(Permit::Permit, 2, ms(1)).expect("three").is_none());
        assert!(pool.acquire_many_owned_until(Permit::Permit, 2, past).expect("three").is_none());
        let mut awaited = Box::pin(pool.acquire_many_async(Permit::Permit, 3));
        let mut kept = Box::pin(pool.acquire_many_owned_async(Permit::Permit, 3));
        assert!(poll(&mut awaited, &task()).is_pending());
        assert!(poll(&mut kept, &task()).is_pending());
        drop(two);
        drop(ready(poll(&mut awaited, &task())).expect("there are three"));
        let three = ready(poll(&mut kept, &task())).expect("there are three");
        let nothing =
            ready(poll(&mut Box::pin(pool.acquire_many_async(Permit::Permit, 0)), &task()));
        assert_eq!((three.weight(), nothing.expect("nothing").weight()), (3, 0));
        let report = pool.report();
        assert_eq!((report.acquisitions, report.waits, report.given_up), (4, 2, 2));
    });
}

/// The same of permits; and of those that are split and merged, each of which
/// is a hold.
#[test]
fn kept_permits_are_counted() {
    watched("it goes on", || {
        let desk = Desk::new();
        let past = Instant::now();
        let slots = Arc::new(Semaphore::observed(3, desk.probe("slots")));
        let two = slots.acquire_many_owned(2).expect("there are three");
        let one = slots.acquire_owned();
        assert_eq!((one.count(), two.count(), slots.available_permits()), (1, 2, 0));
        assert!(Arc::ptr_eq(one.semaphore(), &slots));
        assert!(slots.try_acquire_owned().is_none());
        assert!(slots.try_acquire_many_owned(1).expect("three").is_none());
        assert!(slots.acquire_owned_for(ms(1)).is_none());
        assert!(slots.acquire_owned_until(past).is_none());
        assert!(slots.acquire_many_owned_for(2, ms(1)).expect("three").is_none());
        assert!(slots.acquire_many_owned_until(2, past).expect("three").is_none());
        let mut first = Box::pin(slots.acquire_owned_async());
        let mut second = Box::pin(slots.acquire_many_owned_async(2));
        let mut third = Box::pin(slots.acquire_many_async(3));
        assert!(poll(&mut first, &task()).is_pending());
        assert!(poll(&mut second, &task()).is_pending());
        assert!(poll(&mut third, &task()).is_pending());
        desk.clock.advance(ms(4));
        drop((one, two, third));
        let (one, two) = (ready(poll(&mut first, &task())), ready(poll(&mut second, &task())));
        let report = slots.report();
        assert_eq!((report.acquisitions, report.waits, report.given_up), (4, 2, 5));
        assert_eq!((report.longest_wait, report.longest_hold), (ms(4), ms(4)));
        drop((first, second));
        let last = Arc::downgrade(&slots);
        drop(slots);
        assert!(last.upgrade().is_some());
        thread::spawn(move || drop((one, two))).join().expect("no panic");
        assert!(last.upgrade().is_none());

        let (slots, others) = (Semaphore::observed(3, desk.probe("slots")), Semaphore::new(1));
        let mut one = slots.acquire();
        desk.clock.advance(ms(2));
        let two = slots.acquire_many(2).expect("there are three");
        assert_eq!(one.merge(two).map_err(|two| two.count()), Ok(()));
        let foreign = one.merge(others.acquire()).expect_err("of another one");
        assert_eq!((one.count(), foreign.count(), slots.available_permits()), (3, 1, 0));
        desk.clock.advance(ms(3));
        drop(one);
        // Held since the first of both, and once.
        let told = desk.told();
        assert_eq!((told.len(), told[0].3), (1, ms(5)));
        assert_eq!((slots.available_permits(), slots.report().total_hold), (3, ms(5)));

        // Those that keep it alive as well; what is used up was held until then.
        let slots = Arc::new(Semaphore::observed(3, desk.probe("slots")));
        let mut two = slots.acquire_many_owned(2).expect("there are three");
        desk.clock.advance(ms(1));
        let one = two.split(1).expect("there are two");
        assert_eq!(Arc::strong_count(&slots), 3);
        desk.clock.advance(ms(1));
        assert_eq!(two.merge(one).map_err(|one| one.count()), Ok(()));
        assert_eq!((two.count(), Arc::strong_count(&slots)), (2, 2));
        assert_eq!(slots.report().total_hold, ms(0));
        two.forget();
        assert_eq!((slots.permits(), slots.available_permits()), (1, 1));
        assert_eq!((slots.report().total_hold, Arc::strong_count(&slots)), (ms(2), 1));
        slots.add_permits(2).expect("so many can be");
        assert_eq!((slots.remove_permits(1), slots.permits()), (1, 2));
    });
}

/// Who is sent away has given up, if it waited.
#[test]
fn who_is_sent_away_is_counted() {
    watched("it goes on", || {
        let desk = Desk::new();
        let jobs = Arc::new(ClosableSemaphore::observed(2, desk.probe("jobs")));
        let mut two = jobs.acquire_many(2).expect("open");
        let kept = jobs.try_acquire_many_owned(1).expect("open");
        assert!(kept.is_none() && jobs.try_acquire().expect("open").is_none());
        assert!(jobs.acquire_many(3).is_err());
        let mut awaited = Box::pin(jobs.acquire_async());
        let mut owned = Box::pin(jobs.acquire_many_owned_async(2));
        assert!(poll(&mut awaited, &task()).is_pending());
        assert!(poll(&mut owned, &task()).is_pending());
        thread::scope(|scope| {
            let waiter = scope.spawn(|| jobs.acquire_owned().map(drop));
            until("it waits", || jobs.waiting() == 3);
            desk.clock.advance(ms(12));
            jobs.close();
            assert!(waiter.join().expect("no panic").is_err());
        });
        assert!(ready(poll(&mut awaited, &task())).is_err());
        assert!(ready(poll(&mut owned, &task())).is_err());
        assert!(ready(poll(&mut Box::pin(jobs.acquire_owned_async()), &task())).is_err());
        assert!(jobs.try_acquire_owned().is_err() && jobs.acquire_for(ms(1)).is_err());
        let waits = desk.told();
        assert_eq!(waits.iter().filter(|told| told.1 == What::Waited).count(), 3, "{waits:?}");
        let one = two.split(1).expect("there are two");
        drop((one, two));
        assert_eq!((jobs.permits(), jobs.available_permits(), jobs.is_closed()), (2, 2, true));
        let report = jobs.report();
        assert_eq!((report.acquisitions, report.waits, report.given_up), (1, 0, 3));

        // Who can't be told: a panic, and it has given up as well.
        let slots = Semaphore::observed(0, desk.probe("slots"));
        let mut awaited = Box::pin(slots.acquire_async());
        assert!(poll(&mut awaited, &task()).is_pending());
        slots.close();
        assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut awaited, &task()))).is_err());
        assert!(catch_unwind(AssertUnwindSafe(|| slots.acquire())).is_err());
        drop(awaited);
        assert_eq!(slots.report().given_up, 1);
    });
}

/// Data behind an observed lock: each guard is one acquisition, and an upgrade
/// or a downgrade none.
#[test]
fn guards_of_data_are_counted() {
    watched("it goes on", || {
        let desk = Desk::new();
        let past = Instant::now();
        let board = Arc::new(Guarded::observed(ReadWrite, desk.probe("board"), vec![1]));
        let mut writing = board.write(Access::Write).expect("it writes");
        writing.push(2);
        assert!(
            board.try_read(Access::Read).is_none() && board.try_read_arc(Access::Read).is_none()
        );
        assert!(board.read_for(Access::Read, ms(1)).is_none());
        assert!(board.write_until(Access::Write, past).expect("it writes").is_none());
        assert!(board.read_arc_until(Access::Read, past).is_none());
        assert!(board.write_arc_for(Access::Write, ms(1)).expect("it writes").is_none());
        let mut reader = Box::pin(board.read_arc_async(Access::Read));
        let mut writer = Box::pin(board.write_arc_async(Access::Write));
        assert!(poll(&mut reader, &task()).is_pending());
        assert!(poll(&mut writer, &task()).is_pending());
        desk.clock.advance(ms(5));
        let Ok(reading) = GuardedWriteGuard::downgrade(writing, Access::Read) else {
            panic!("a reader fits beside readers");
        };
        let kept = ready(poll(&mut reader, &task()));
        assert_eq!((reading.len(), kept.len(), desk.told().len()), (2, 2, 0));
        drop(kept);
        let Ok(writing) = GuardedReadGuard::upgrade(reading, Access::Write) else {
            panic!("alone")
        };
        let mut last = GuardedWriteGuard::map(writing, |board| &mut board[1]);
        *last += 1;
        desk.clock.advance(ms(1));
        drop(last);
        assert_eq!(desk.told(), [(Some("board"), What::Held, "Write".to_owned(), ms(6), ms(5))]);
        ready(poll(&mut writer, &task())).expect("it writes").push(4);
        assert!(board.write(Access::Read).is_err(), "a reader does not write");
        assert_eq!(*ready(poll(&mut Box::pin(board.read_async(Access::Read)), &task())), [1, 3, 4]);
        drop(ready(poll(&mut Box::pin(board.write_async(Access::Write)), &task())));
        assert_eq!((board.lock().waiting(), board.is_locked()), (0, false));
        let report = board.report();
        assert_eq!((report.acquisitions, report.waits, report.given_up), (5, 2, 4));
        drop((reader, writer));
        let board = Arc::try_unwrap(board).map(Guarded::into_inner);
        assert_eq!(board.expect("nobody has it"), [1, 3, 4]);
    });
}

/// To let go for a while and take it again is another acquisition.
#[test]
fn holds_are_let_go_for_a_while() {
    watched("it goes on", || {
        let desk = Desk::new();
        let table = Arc::new(FifoLock::observed(ReadWrite, desk.probe("table")));
        let mut hold = table.acquire(Access::Write);
        desk.clock.advance(ms(5));
        hold.releasing(|| {
            assert_eq!(desk.told().len(), 1);
            drop(table.acquire_owned(Access::Write));
            desk.clock.advance(ms(100));
        });
        drop(hold);
        let hold = table.acquire_owned(Access::Read);
        let body = async { drop(table.acquire(Access::Write)) };
        let mut whole = Box::pin(hold.releasing_async(body));
        let (hold, ()) = ready(poll(&mut whole, &task()));
        assert_eq!((hold.mode(), table.report().acquisitions), (Access::Read, 6));
        assert_eq!((desk.told().len(), table.report().longest_hold), (0, ms(5)));

        let slots = Semaphore::observed(2, desk.probe("slots"));
        let mut two = slots.acquire_many(2).expect("there are two");
        two.releasing(|| assert_eq!(slots.available_permits(), 2));
        assert_eq!((two.count(), slots.report().acquisitions), (2, 2));
        let lost = catch_unwind(AssertUnwindSafe(|| two.releasing(|| slots.close())));
        assert!(lost.is_err() && two.count() == 0);
        drop(two);
        assert_eq!(slots.available_permits(), 2);
    });
}

/// Whoever gives up has waited too.
#[test]
fn who_gives_up_is_counted() {
    watched("it goes on", || {
        let desk = Desk::new();
        let table = FifoLock::observed(ReadWrite, desk.probe("table"));
        let hold = table.acquire(Access::Write);
        assert!(table.try_acquire(Access::Read).is_none());
        assert_eq!(table.report().given_up, 0, "it did not wait");
        assert!(table.acquire_for(Access::Read, ms(1)).is_none());
        let mut future = Box::pin(table.acquire_async(Access::Read));
        assert!(poll(&mut future, &task()).is_pending());
        desk.clock.advance(ms(20));
        drop(future);
        let told = desk.told();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!((told[0].1, told[0].2.as_str(), told[0].3), (What::Waited, "Read", ms(20)));
        let report = table.report();
        assert_eq!((report.acquisitions, report.waits, report.given_up), (1, 0, 2));
        assert_eq!((report.longest_wait, table.waiting()), (ms(20), 0));
        drop(hold);

        let slots = Semaphore::observed(1, desk.probe("slots"));
        let permit = slots.acquire();
        let mut future = Box::pin(slots.acquire_async());
        assert!(poll(&mut future, &task()).is_pending());
        assert!(slots.acquire_for(ms(1)).is_none());
        assert!(slots.acquire_many(2).is_err());
        drop(permit);
        let permit = ready(poll(&mut future, &task()));
        drop(future);
        drop(permit);
        let report = slots.report();
        assert_eq!((report.acquisitions, report.waits, report.given_up), (2, 1, 1));
    });
}

/// A hook that panics after a wait does not keep the lock.
#[test]
fn a_hook_panics() {
    watched("it goes on", || {
        fn hook(slow: &Slow<'_>) {
            if slow.what == What::Waited {
                panic!("{slow}");
            }
        }
        let probe = || Probe::new().named("ledger").waits_longer_than(Duration::ZERO).tells(&hook);

        let mutex: Mutex<u32> = Mutex::from_raw(RawMutex::observed(probe()), 0);
        let guard = mutex.lock();
        let mut future = Box::pin(mutex.lock_async());
        assert!(poll(&mut future, &task()).is_pending());
        thread::scope(|scope| {
            let waiter = scope.spawn(|| drop(mutex.lock()));
            until("both wait", || waiting(&mutex) == 2);
            drop(guard);
            assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut future, &task()))).is_err());
            let panic = waiter.join().expect_err("the hook panics");
            let text = panic.downcast_ref::<String>().expect("a text");
            assert!(text.starts_with("ledger was waited for as Exclusive for "), "{text}");
        });
        drop(future);
        assert!(mutex.try_lock().is_some());

        let table = FifoLock::observed(ReadWrite, probe());
        let hold = table.acquire(Access::Write);
        let mut future = Box::pin(table.acquire_async(Access::Write));
        assert!(poll(&mut future, &task()).is_pending());
        drop(hold);
        assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut future, &task()))).is_err());
        drop(future);
        assert!(!table.is_locked());

        let slots = Arc::new(Semaphore::observed(1, probe()));
        let permit = slots.acquire_owned();
        let mut future = Box::pin(slots.acquire_owned_async());
        assert!(poll(&mut future, &task()).is_pending());
        drop(permit);
        assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut future, &task()))).is_err());
        drop(future);
        assert_eq!(slots.available_permits(), 1);
    });
}

/// A clock that stands, and panics once, at one of its readings.
struct PanicsAt {
    reading: usize,
    read: AtomicUsize,
}

impl Clock for PanicsAt {
    fn now(&self) -> Duration {
        if self.read.fetch_add(1, Ordering::SeqCst) + 1 == self.reading {
            panic!("the clock panics at reading {}", self.reading);
        }
        Duration::ZERO
    }
}

/// What does not panic.
fn calm<T>(f: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(f)).ok()
}

/// Does all that reads the clock, as often as it is read, with a clock that panics
/// at another reading each time: nothing stays held, and who got nothing is not
/// counted.
fn the_clock_panics_at_each_reading<L: Sync, G: 'static, F: Future<Output = G> + 'static>(
    make: impl Fn(Probe) -> L,
    keep_out: impl Fn(&'static L) -> Box<dyn Any>,
    enter: impl Fn(&'static L) -> G + Sync,
    tries: &[&dyn Fn(&'static L) -> Option<G>],
    awaits: &[&dyn Fn(&'static L) -> Pin<Box<F>>],
    free_waiting_report: impl Fn(&'static L) -> (bool, usize, Report) + Sync,
) {
    for reading in 1.. {
        let clock: &'static PanicsAt = leak(PanicsAt { reading, read: AtomicUsize::new(0) });
        let lock = leak(make(Probe::new().clocked(clock)));
        let waiting = || free_waiting_report(lock).1;
        let entered = AtomicUsize::new(0);
        let note = |got: bool| {
            entered.fetch_add(usize::from(got), Ordering::SeqCst);
            got
        };
        let leave = |guard: Option<G>| {
            if note(guard.is_some()) {
                calm(|| drop(guard));
            }
        };
        let checked = |what: &str| {
            let (free, waiting, report) = free_waiting_report(lock);
            assert!(free && waiting == 0, "{what} at reading {reading} has left something");
            assert_eq!(report.acquisitions, entered.load(Ordering::SeqCst), "{what} at {reading}");
        };

        leave(calm(|| enter(lock)));
        checked("entering at once");
        for tries in tries {
            leave(calm(|| tries(lock)).flatten());
            checked("trying");
            let inside = calm(|| keep_out(lock));
            if note(inside.is_some()) {
                leave(calm(|| tries(lock)).flatten());
                calm(|| drop(inside));
            }
            checked("trying in vain");
        }
        for awaits in awaits {
            let mut future = awaits(lock);
            match calm(|| poll(&mut future, &task())) {
                Some(polled) => leave(Some(ready(polled))),
                None => checked("a poll that brings it"),
            }
            calm(|| drop(future));
            checked("awaiting");
            for gives_up in [false, true] {
                let inside = calm(|| keep_out(lock));
                if note(inside.is_some()) {
                    let mut future = awaits(lock);
                    calm(|| poll(&mut future, &task()));
                    if gives_up {
                        calm(|| drop(future));
                        calm(|| drop(inside));
                    } else {
                        calm(|| drop(inside));
                        if let Some(polled) = calm(|| poll(&mut future, &task())) {
                            leave(Some(ready(polled)));
                        }
                        calm(|| drop(future));
                    }
                }
                checked("awaiting its turn");
            }
        }
        let inside = calm(|| keep_out(lock));
        if note(inside.is_some()) {
            thread::scope(|scope| {
                let waiter = scope.spawn(|| {
                    let guard = calm(|| enter(lock));
                    if note(guard.is_some()) {
                        calm(|| drop(guard));
                    }
                });
                until("it waits, or can't", || waiting() == 1 || waiter.is_finished());
                calm(|| drop(inside));
            });
        }
        checked("waiting");
        if clock.read.load(Ordering::SeqCst) < reading {
            // It was not read as often: all readings have had their turn.
            assert!(reading > 15, "so few readings: {reading}");
            return;
        }
    }
}

#[test]
fn a_clock_panics() {
    watched("an acquisition whose clock panics", || {
        the_clock_panics_at_each_reading(
            |probe| Mutex::from_raw(RawMutex::observed(probe), 0),
            |mutex| Box::new(mutex.lock()),
            |mutex| mutex.lock(),
            &[&|mutex: &'static Mutex<u32>| mutex.try_lock(), &|mutex: &'static Mutex<u32>| {
                mutex.try_lock_for(ms(0))
            }],
            &[&|mutex: &'static Mutex<u32>| Box::pin(mutex.lock_async())],
            |mutex| (!mutex.is_locked(), waiting(mutex), report(mutex)),
        );
    });
}

/// Of a readers-writer lock: whether it is free, how many wait, and its report.
fn state(lock: &RwLock<u32>) -> (bool, usize, Report) {
    // SAFETY: no guard's lock is let go.
    (!lock.is_locked(), unsafe { lock.raw() }.waiting(), lock.report())
}

#[test]
fn a_clock_of_readers_and_writers_panics() {
    watched("an acquisition whose clock panics", || {
        let make = |probe| RwLock::<u32>::from_raw(RawRwLock::observed(probe), 0);
        the_clock_panics_at_each_reading(
            make,
            |lock| Box::new(lock.read()),
            |lock| lock.write(),
            &[&|lock: &'static RwLock<u32>| lock.try_write(), &|lock: &'static RwLock<u32>| {
                lock.try_write_for(ms(0))
            }],
            &[&|lock: &'static RwLock<u32>| Box::pin(lock.write_async())],
            state,
        );
        the_clock_panics_at_each_reading(
            make,
            |lock| Box::new(lock.write()),
            |lock| lock.read(),
            &[&|lock: &'static RwLock<u32>| lock.try_read(), &|lock: &'static RwLock<u32>| {
                lock.try_read_for(ms(0))
            }],
            &[&|lock: &'static RwLock<u32>| Box::pin(lock.read_async())],
            state,
        );
        the_clock_panics_at_each_reading(
            make,
            |lock| Box::new(lock.upgradable_read()),
            |lock| lock.upgradable_read(),
            &[
                &|lock: &'static RwLock<u32>| lock.try_upgradable_read(),
                &|lock: &'static RwLock<u32>| lock.try_upgradable_read_for(ms(0)),
            ],
            &[&|lock: &'static RwLock<u32>| Box::pin(lock.upgradable_read_async())],
            state,
        );
    });
}

#[test]
fn a_clock_of_holds_and_permits_panics() {
    watched("an acquisition whose clock panics", || {
        the_clock_panics_at_each_reading(
            |probe| FifoLock::observed(ReadWrite, probe),
            |table| Box::new(table.acquire(Access::Read)),
            |table| table.acquire(Access::Write),
            &[
                &|table: &'static FifoLock<ReadWrite>| table.try_acquire(Access::Write),
                &|table: &'static FifoLock<ReadWrite>| table.acquire_for(Access::Write, ms(0)),
            ],
            &[&|table: &'static FifoLock<ReadWrite>| Box::pin(table.acquire_async(Access::Write))],
            |table| (!table.is_locked(), table.waiting(), table.report()),
        );
        the_clock_panics_at_each_reading(
            |probe| Semaphore::observed(2, probe),
            |slots| Box::new(slots.acquire()),
            |slots| slots.acquire_many(2).expect("there are two"),
            &[
                &|slots: &'static Semaphore| slots.try_acquire_many(2).expect("there are two"),
                &|slots: &'static Semaphore| {
                    slots.acquire_many_for(2, ms(0)).expect("there are two")
                },
            ],
            &[&|slots: &'static Semaphore| {
                Box::pin(async { slots.acquire_many_async(2).await.expect("there are two") })
            }],
            |slots| (slots.available_permits() == 2, slots.waiting(), slots.report()),
        );
        the_clock_panics_at_each_reading(
            |probe| Arc::new(Semaphore::observed(1, probe)),
            |slots| Box::new(slots.acquire()),
            |slots| slots.acquire_owned(),
            &[
                &|slots: &'static Arc<Semaphore>| slots.try_acquire_owned(),
                &|slots: &'static Arc<Semaphore>| slots.acquire_owned_for(ms(0)),
            ],
            &[&|slots: &'static Arc<Semaphore>| Box::pin(slots.acquire_owned_async())],
            |slots| (slots.available_permits() == 1, slots.waiting(), slots.report()),
        );
    });
}

#[test]
fn a_report_says_it_in_words() {
    let desk = Desk::new();
    let mutex = desk.mutex("ledger");
    let guard = mutex.lock();
    desk.clock.advance(ms(7));
    drop(guard);
    let text = report(&mutex).to_string();
    assert!(text.starts_with("ledger: 1 acquisitions, 0 after waiting"), "{text}");
    assert!(text.contains("held 7ms in all, 7ms at most"), "{text}");
    let text = format!("{mutex:?} {:?}", FifoLock::new(ReadWrite));
    assert!(text.contains("FifoLock"), "{text}");
    // Without a probe of its own: no name, the system's clock.
    let plain: Mutex<u32> = Mutex::new(1);
    assert_eq!(*plain.lock(), 1);
    let report = report(&plain);
    assert_eq!((report.name, report.acquisitions), (None, 1));
    assert!(report.to_string().starts_with("a lock: "));
}

/// As their plain kin.
#[test]
fn they_may_be_shared_and_sent() {
    fn both<T: Send + Sync>() {}
    both::<RawMutex>();
    both::<RawRwLock>();
    both::<Mutex<u32>>();
    both::<FifoLock<ReadWrite>>();
    both::<Semaphore>();
    both::<Probe>();
    both::<portunus::observe::sync::Hold<'static, ReadWrite>>();
    both::<portunus::observe::sync::Permit<'static>>();
    both::<portunus::observe::sync::MutexGuard<'static, u32>>();
    both::<OwnedHold<ReadWrite>>();
    both::<OwnedPermit>();
    both::<Guarded<ReadWrite, u32>>();
    both::<ArcGuardedReadGuard<ReadWrite, u32>>();
    both::<portunus::observe::AcquireHold<&'static FifoLock<ReadWrite>>>();
    both::<portunus::observe::AcquireHold<Arc<FifoLock<ReadWrite>>>>();
    both::<portunus::observe::AcquirePermit<&'static Semaphore>>();
    both::<portunus::observe::AcquirePermit<Arc<Semaphore>>>();
    both::<portunus::future::Lock<'static, RawMutex, u32>>();
}

/// What is not observed knows nothing of it.
#[cfg(target_pointer_width = "64")]
#[test]
fn plain_locks_stay_small() {
    use portunus::sync;
    assert_eq!(size_of::<sync::RawMutex>(), 24);
    assert_eq!(size_of::<sync::MutexGuard<'static, u32>>(), 16);
    assert_eq!(size_of::<sync::FifoLock<ReadWrite>>(), 24);
    assert_eq!(size_of::<sync::Hold<'static, ReadWrite>>(), 16);
    assert_eq!(size_of::<sync::Semaphore>(), 32);
    assert_eq!(size_of::<sync::Permit<'static>>(), 16);
    assert_eq!(size_of::<portunus::future::Lock<'static, sync::RawMutex, u32>>(), 48);
    // The others are not.
    assert!(size_of::<RawMutex>() > 24);
}
