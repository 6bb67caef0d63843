//! Guards that let go for a while.

use std::cell::Cell;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::Mutex as StdMutex;
use std::thread;

use portunus::future::ReleasableAsync;
use portunus::prelude::*;
use portunus::rules::{Access, Permit, ReadWrite, Semaphore};
use portunus::{Backend, Fair, FifoLock, RawMutex, RawRwLock, Releasing, sync};

use crate::over::{Door, OnOwnSpin, SharedDoor, SharedOnOwnSpin};
use crate::over::{Threads, YieldingCritical, YieldingSpin};
use crate::support::{Hand, panic_of, ready, until, watched};

/// Lets a guard go in each way. `free` says whether nobody holds.
fn each_way<G: Releasable>(name: &str, make: &dyn Fn() -> G, free: &dyn Fn() -> bool) {
    let mut guard = make();
    assert!(!free(), "{name}");
    // T-AL 5: inside free, afterwards held.
    assert!(guard.releasing(free), "{name}: free in a scope");
    assert!(!free(), "{name}: held after a scope");
    // The body's panic goes on, with the lock held.
    let said = panic_of(|| {
        Releasing::scope(&mut guard, || {
            assert!(free(), "{name}: free before the panic");
            panic!("body");
        })
    });
    assert_eq!(said, "body");
    assert!(!free(), "{name}: held after a panic");
    let releasing = Releasing::new(guard);
    assert!(free(), "{name}: free until it is taken again");
    let guard = releasing.reacquire();
    assert!(!free(), "{name}: taken again");
    // Dropped, it has let go for good.
    drop(Releasing::new(guard));
    assert!(free(), "{name}: let go for good");
}

/// The same for a guard that is awaited again, at each point of its life.
fn each_way_awaited<G: ReleasableAsync>(name: &str, make: &dyn Fn() -> G, free: &dyn Fn() -> bool) {
    let hand = Hand::new();
    smol::block_on(async {
        let (guard, was_free) = make().releasing_async(async { free() }).await;
        assert!(was_free && !free(), "{name}: free in a scope, and held after it");
        let guard = Releasing::new(guard).reacquire_async().await;
        assert!(!free(), "{name}: taken again");
        drop(guard);
        assert!(free(), "{name}: one guard, one release");
    });

    // Dropped before the first poll: the guard goes with it.
    let scope = make().releasing_async(async {});
    assert!(!free(), "{name}: nothing happens before the first poll");
    drop(scope);
    assert!(free(), "{name}: dropped before the first poll");

    // Dropped in the body.
    let mut scope = Box::pin(make().releasing_async(pending::<()>()));
    assert!(hand.poll(&mut scope).is_pending());
    assert!(free(), "{name}: let go");
    drop(scope);
    assert!(free(), "{name}: dropped in the body");

    // Ruling R9: dropped in line, and granted but not polled since, the guard
    // is consumed. The other's lock stays its own.
    for granted in [false, true] {
        let other = StdMutex::new(None);
        let mut scope = Box::pin(make().releasing_async(async {
            *other.lock().expect("no panic") = Some(make());
        }));
        if hand.poll(&mut scope).is_ready() {
            // Readers take it again beside each other.
            continue;
        }
        let other = || other.lock().expect("no panic").take().expect("it entered");
        assert!(!free(), "{name}: the other is inside");
        if granted {
            drop(other());
            assert!(!free(), "{name}: granted");
            drop(scope);
        } else {
            drop(scope);
            assert!(!free(), "{name}: the other is still inside");
            drop(other());
        }
        assert!(free(), "{name}: given up, granted: {granted}");
    }

    // A panic of the body consumes the guard.
    let scope = make().releasing_async(async { panic!("body") });
    let mut scope = Box::pin(scope);
    assert!(catch_unwind(AssertUnwindSafe(|| hand.poll(&mut scope).is_ready())).is_err());
    drop(scope);
    assert!(free(), "{name}: let go by a panic");
}

/// Calls both with each of our guards.
fn every_guard_lets_go<B: Backend>()
where
    RawMutex<B>: Send + Sync,
{
    macro_rules! check {
        ($lock:ident: $($guard:expr),+ $(,)?) => {{
            let free = || !$lock.is_locked();
            $(
                each_way(stringify!($guard), &|| $guard, &free);
                each_way_awaited(stringify!($guard), &|| $guard, &free);
            )+
        }};
        (blocking $lock:ident: $($guard:expr),+ $(,)?) => {{
            let free = || !$lock.is_locked();
            $(each_way(stringify!($guard), &|| $guard, &free);)+
        }};
    }
    let mutex = Arc::new(lock_api::Mutex::<RawMutex<B>, u32>::new(1));
    check!(mutex: mutex.lock(), smol::block_on(mutex.lock_arc_async()));
    check!(blocking mutex: mutex.lock_arc());
    let lock = Arc::new(lock_api::RwLock::<RawRwLock<Fair, B>, u32>::new(1));
    check!(lock: lock.read(), lock.write(), lock.upgradable_read());
    check!(lock: lock.read_arc(), lock.write_arc(), lock.upgradable_read_arc());
    let lock = Arc::new(FifoLock::<ReadWrite, B>::new(ReadWrite));
    check!(lock: lock.acquire(Access::Read), lock.acquire(Access::Write));
    check!(lock: lock.acquire_owned(Access::Write));
    let lock = Arc::new(FifoLock::<Semaphore, B>::new(Semaphore::new(3)));
    check!(lock: lock.acquire_many(Permit::Permit, 2).expect("there are three"));
    check!(lock: lock.acquire_many_owned(Permit::Permit, 3).expect("there are three"));
    let slots = Arc::new(portunus::Semaphore::<B>::new(3));
    {
        let free = || slots.available_permits() == 3;
        macro_rules! check_permits {
            ($($guard:expr),+) => {$(
                each_way(stringify!($guard), &|| $guard, &free);
                each_way_awaited(stringify!($guard), &|| $guard, &free);
            )+};
        }
        check_permits!(slots.acquire_many(3).expect("there are three"));
        check_permits!(slots.acquire_many_owned(3).expect("there are three"));
    }
    let door = Arc::new(portunus::Door::<RawMutex<B>, u32>::new(1));
    check!(door: door.enter(), door.enter_arc());
    let door = Arc::new(portunus::SharedDoor::<RawRwLock<Fair, B>, u32>::new(1));
    check!(door: door.read(), door.write(), door.read_arc(), door.write_arc());
    check!(door: door.upgradable_read(), door.upgradable_read_arc());
}

#[test]
fn every_guard_on_sync_lets_go() {
    every_guard_lets_go::<Threads>();
}

#[test]
fn every_guard_on_spin_lets_go() {
    every_guard_lets_go::<YieldingSpin>();
}

#[test]
fn every_guard_on_critical_lets_go() {
    every_guard_lets_go::<YieldingCritical>();
}

#[test]
fn guards_of_other_locks_let_go() {
    let mutex = parking_lot::Mutex::new(1);
    each_way("parking_lot", &|| mutex.lock(), &|| !mutex.is_locked());
    let door = Door::<OnOwnSpin, u32>::new(1);
    each_way("a door", &|| door.enter(), &|| !door.is_locked());
    let door = SharedDoor::<SharedOnOwnSpin, u32>::new(1);
    each_way("a shared door", &|| door.read(), &|| !door.is_locked());
    each_way("a shared door", &|| door.write(), &|| !door.is_locked());
}

/// One level of a re-entrant door is let go; who is inside by another one
/// stays.
#[test]
fn a_reentrant_guard_lets_its_own_entry_go() {
    let door = sync::ReentrantDoor::new(Cell::new(1));
    each_way("a re-entrant door", &|| door.enter(), &|| !door.is_locked());
    let outer = door.enter();
    let mut inner = door.enter();
    inner.releasing(|| assert!(door.is_locked(), "the outer guard is still inside"));
    drop(outer);
    inner.releasing(|| {
        assert!(!door.is_locked());
        // Another thread enters meanwhile.
        thread::scope(|scope| {
            scope.spawn(|| assert!(door.try_enter().is_some())).join().expect("no panic");
        });
    });
    thread::scope(|scope| {
        scope.spawn(|| assert!(door.try_enter().is_none())).join().expect("no panic");
    });
    assert_eq!(inner.get(), 1);
}

/// Permits come back as many as they were; those in line are served first.
#[test]
fn permits_come_back_as_many_as_they_were() {
    let slots = Arc::new(sync::Semaphore::new(3));
    let mut two = slots.acquire_many(2).expect("there are three");
    two.releasing(|| assert_eq!(slots.available_permits(), 3));
    assert_eq!((two.count(), slots.available_permits()), (2, 1));
    let (two, ()) = smol::block_on(two.releasing_async(async {}));
    assert_eq!((two.count(), slots.available_permits()), (2, 1));
    drop(two);
    let owned = slots.acquire_many_owned(2).expect("there are three");
    let owned = Releasing::new(owned).reacquire();
    let (owned, ()) = smol::block_on(owned.releasing_async(async {}));
    assert_eq!((owned.count(), slots.available_permits()), (2, 1));
    drop(owned);
    assert_eq!(slots.available_permits(), 3);
    // None at all is neither let go nor taken.
    let all = slots.acquire_many(3).expect("there are three");
    let mut none = slots.acquire_many(0).expect("nothing");
    none.releasing(|| ());
    let (none, ()) = smol::block_on(none.releasing_async(async {}));
    assert_eq!((none.count(), all.count()), (0, 3));
}

/// What can't be taken again is told by a panic, never by waiting for ever, and
/// nothing comes back twice.
#[test]
fn permits_that_are_gone_are_not_waited_for() {
    let gone = |close: bool| {
        watched("permits that are gone", move || {
            let meddle = |slots: &sync::Semaphore| match close {
                true => slots.close(),
                false => slots.resize(1).expect("few enough"),
            };
            let left = if close { 3 } else { 1 };
            let fresh = || Arc::new(sync::Semaphore::new(3));

            let slots = fresh();
            let mut two = slots.acquire_many(2).expect("there are three");
            let said = panic_of(|| two.releasing(|| meddle(&slots)));
            assert!(said.contains("can't be taken again"), "{said}");
            assert_eq!(two.count(), 0, "a permit for nothing");
            drop(two);
            assert_eq!(slots.available_permits(), left);

            // The body's own panic goes on instead.
            let slots = fresh();
            let mut two = slots.acquire_many_owned(2).expect("there are three");
            let said = panic_of(|| {
                two.releasing(|| {
                    meddle(&slots);
                    panic!("body");
                })
            });
            assert_eq!((said.as_str(), two.count()), ("body", 0));

            let slots = fresh();
            let releasing = Releasing::new(slots.acquire_many(2).expect("there are three"));
            meddle(&slots);
            assert!(panic_of(|| releasing.reacquire()).contains("can't be taken again"));

            let slots = fresh();
            let owned = slots.acquire_many_owned(2).expect("there are three");
            let scope = owned.releasing_async(async { meddle(&slots) });
            assert!(panic_of(|| smol::block_on(scope)).contains("can't be taken again"));
            assert_eq!(slots.available_permits(), left);
        });
    };
    gone(true);
    gone(false);
}

/// A hold of no units lets nothing go, and has nothing to take again.
#[test]
fn a_hold_of_nothing_is_as_before() {
    let lock = Arc::new(FifoLock::<Semaphore, Threads>::new(Semaphore::new(1)));
    let all = lock.acquire(Permit::Permit);
    let mut nothing = lock.acquire_many(Permit::Permit, 0).expect("nothing");
    nothing.releasing(|| assert!(lock.is_locked()));
    let owned = lock.acquire_many_owned(Permit::Permit, 0).expect("nothing");
    smol::block_on(async {
        let (nothing, ()) = nothing.releasing_async(async {}).await;
        let (owned, ()) = owned.releasing_async(async {}).await;
        assert_eq!((nothing.weight(), owned.weight()), (0, 0));
    });
    drop(all);
    assert!(!lock.is_locked());
}

/// T-AL 19: a competitor that waits enters while the lock is let go, and leaves
/// before it is taken again; the body's error comes afterwards.
#[test]
fn a_waiting_competitor_comes_first_and_the_error_last() {
    watched("letting go for a while", || {
        let log = sync::Mutex::new(Vec::new());
        let door = sync::Door::new(());
        thread::scope(|scope| {
            let mut inside = door.enter();
            scope.spawn(|| {
                let _inside = door.enter();
                log.lock().push("competitor in");
                // Whoever let it in wants the lock again, and waits.
                until("the other waits", || log.lock().contains(&"body"));
                log.lock().push("competitor out");
            });
            let said = panic_of(|| {
                inside.releasing(|| {
                    until("the competitor is in", || log.lock().contains(&"competitor in"));
                    log.lock().push("body");
                    panic!("error of the body");
                })
            });
            log.lock().push("error");
            assert_eq!(said, "error of the body");
            assert!(door.try_enter().is_none(), "it is held again");
            drop(inside);
        });
        assert_eq!(*log.lock(), ["competitor in", "body", "competitor out", "error"]);
    });
}

/// The same for tasks, with nobody but the line to say who is next.
#[test]
fn it_is_taken_again_behind_those_who_wait() {
    let door = sync::Door::new(0);
    let (hand, other, last) = (Hand::new(), Hand::new(), Hand::new());
    let inside = smol::block_on(door.enter_async());
    let mut second = Box::pin(door.enter_async());
    assert!(other.poll(&mut second).is_pending());
    let mut scope = Box::pin(inside.releasing_async(async {}));
    assert!(hand.poll(&mut scope).is_pending(), "it stands in line");
    let mut third = Box::pin(door.enter_async());
    assert!(last.poll(&mut third).is_pending());
    // The competitor was let in first.
    drop(ready(other.poll(&mut second)));
    let (inside, ()) = ready(hand.poll(&mut scope));
    assert!(last.poll(&mut third).is_pending());
    drop(inside);
    drop(ready(last.poll(&mut third)));
    assert!(!door.is_locked());
}

/// Let go, taken, let go: it ends held.
#[test]
fn scopes_nest() {
    let mutex = sync::Mutex::new(Vec::new());
    let mut guard = mutex.lock();
    guard.releasing(|| {
        let mut inner = mutex.lock();
        inner.push(1);
        inner.releasing(|| mutex.lock().push(2));
        inner.push(3);
    });
    assert_eq!(*guard, [1, 2, 3]);
    assert!(mutex.try_lock().is_none());
    drop(guard);
    assert!(mutex.try_lock().is_some());
}

/// What others write meanwhile is seen.
#[test]
fn the_data_may_have_changed() {
    watched("letting go for a while", || {
        let door = sync::SharedDoor::<u32>::new(1);
        thread::scope(|scope| {
            let mut reading = door.read();
            scope.spawn(|| *door.write() = 2);
            reading.releasing(|| until("it was written", || *door.read() == 2));
            assert_eq!(*reading, 2);
        });
    });
}

#[test]
fn a_scope_is_a_future_of_its_parts() {
    let mutex = sync::Mutex::new(1);
    fn is_send<T: Send>(it: T) -> T {
        it
    }
    let scope = pin!(is_send(Releasing::scope_async(mutex.lock(), async { 7 })));
    let (guard, output) = smol::block_on(scope);
    assert_eq!((*guard, output), (1, 7));
}

/// What is taken again is what was let go: the mode, and all units.
#[test]
fn a_hold_comes_back_with_its_mode_and_weight() {
    let lock = Arc::new(FifoLock::<Semaphore, Threads>::new(Semaphore::new(3)));
    let mut hold = lock.acquire_many(Permit::Permit, 2).expect("there are three");
    hold.releasing(|| assert_eq!(lock.holders(Permit::Permit), 0));
    assert_eq!((hold.weight(), lock.holders(Permit::Permit)), (2, 2));
    let (hold, ()) = smol::block_on(hold.releasing_async(async {}));
    assert_eq!((hold.weight(), lock.holders(Permit::Permit)), (2, 2));
    drop(hold);
    let mut owned = lock.acquire_many_owned(Permit::Permit, 3).expect("there are three");
    owned.releasing(|| assert_eq!(lock.holders(Permit::Permit), 0));
    let (owned, ()) = smol::block_on(owned.releasing_async(async {}));
    assert_eq!((owned.weight(), lock.holders(Permit::Permit)), (3, 3));
    drop(owned);

    let lock = FifoLock::<ReadWrite, Threads>::new(ReadWrite);
    let mut hold = lock.acquire(Access::Read);
    hold.releasing(|| drop(lock.acquire(Access::Write)));
    let (hold, ()) = smol::block_on(hold.releasing_async(async {}));
    assert_eq!((hold.mode(), lock.holders(Access::Read)), (Access::Read, 1));
    drop(hold);
    assert!(!lock.is_locked());
}
