//! Entering, in every way; what a door is besides.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lock_api::{RawCondvar, RawMutex, RawRwLock};
use portunus::{Fair, ReadPreferring, WritePreferring, critical, spin, sync};

use crate::over::{Door, Over, SharedDoor, SharedOver};
use crate::support::{panic_of, until, watched};

#[derive(Debug, Default, PartialEq)]
struct Resource {
    key: &'static str,
}

/// T-DOOR 1.
fn inside_is_read_and_written_and_outside_is_nothing<O: Over>() {
    let mut door = Door::<O, Resource>::new(Resource { key: "value" });
    {
        let mut inside = door.enter();
        assert_eq!(inside.key, "value");
        inside.key = "VALUE";
        assert_eq!(inside.key, "VALUE");
        assert!(door.try_enter().is_none());
        assert!(door.is_locked());
    }
    assert!(!door.is_locked());
    assert_eq!(door.try_enter().expect("nobody is inside").key, "VALUE");
    door.get_mut().key = "changed";
    assert_eq!(door.into_inner(), Resource { key: "changed" });
}

/// T-DOOR 2. That `read` does not write is for the compiler: see
/// `DoorReadGuard`.
fn readers_are_together_and_a_writer_alone<O: SharedOver>() {
    let mut door = SharedDoor::<O, Resource>::new(Resource { key: "value" });
    {
        let (one, two) = (door.read(), door.try_read().expect("only a reader"));
        assert_eq!((one.key, two.key), ("value", "value"));
        assert!(door.try_write().is_none());
        assert!(door.is_locked() && !door.is_locked_exclusive());
    }
    {
        let mut inside = door.write();
        inside.key = "VALUE";
        assert_eq!(inside.key, "VALUE");
        assert!(door.try_read().is_none() && door.try_write().is_none());
        assert!(door.is_locked_exclusive());
    }
    assert!(!door.is_locked());
    door.try_write().expect("nobody is inside").key = "again";
    assert_eq!(door.get_mut().key, "again");
    assert_eq!(door.into_inner(), Resource { key: "again" });
}

fn a_panic_inside_leaves_the_door_usable<O: Over>() {
    let door = Door::<O, Resource>::default();
    let said = panic_of(|| {
        let mut inside = door.enter();
        inside.key = "half";
        panic!("inside");
    });
    assert_eq!(said, "inside");
    assert!(!door.is_locked());
    // There is no roll-back: what was written stands.
    assert_eq!(door.enter().key, "half");
}

fn a_panic_inside_leaves_the_shared_door_usable<O: SharedOver>() {
    let door = SharedDoor::<O, Resource>::from(Resource { key: "value" });
    panic_of(|| {
        let _inside = door.read();
        panic!("inside");
    });
    panic_of(|| {
        door.write().key = "half";
        let _inside = door.write();
        panic!("inside");
    });
    assert!(!door.is_locked());
    assert_eq!(door.read().key, "half");
}

fn debug_shows_what_it_can_without_waiting<O: Over>() {
    let door = Door::<O, Resource>::new(Resource { key: "value" });
    assert!(format!("{door:?}").contains("value"));
    let inside = door.enter();
    assert_eq!(format!("{door:?}"), "Door { resource: <locked> }");
    assert_eq!(format!("{inside:?}"), format!("{:?}", *inside));
    drop(inside);
    assert!(!door.is_locked());
}

fn debug_of_a_shared_door_waits_for_no_writer<O: SharedOver>() {
    let door = SharedDoor::<O, Resource>::new(Resource { key: "value" });
    let reading = door.read();
    assert!(format!("{door:?}").contains("value"));
    drop(reading);
    let _writing = door.write();
    assert_eq!(format!("{door:?}"), "SharedDoor { resource: <locked> }");
}

fn a_blocked_party_enters_when_the_one_inside_leaves<O: Over>() {
    watched("entering", || {
        let door = Door::<O, u32>::new(0);
        let asking = AtomicBool::new(false);
        thread::scope(|scope| {
            let mut inside = door.enter();
            scope.spawn(|| {
                asking.store(true, Ordering::SeqCst);
                *door.enter() += 10;
            });
            until("the other asks", || asking.load(Ordering::SeqCst));
            *inside += 1;
            drop(inside);
        });
        assert_eq!(*door.enter(), 11);
    });
}

fn a_door_of_unknown_size_is_a_door<O: Over>() {
    let door = Door::<O, [u32; 3]>::new([1, 2, 3]);
    let door: &portunus::Door<O::Lock, [u32], O::Condvar> = &door;
    door.enter()[1] = 5;
    assert_eq!(door.enter().len(), 3);
    assert_eq!(door.enter()[1], 5);
}

over_mutexes!(
    inside_is_read_and_written_and_outside_is_nothing,
    a_panic_inside_leaves_the_door_usable,
    debug_shows_what_it_can_without_waiting,
    a_blocked_party_enters_when_the_one_inside_leaves,
    a_door_of_unknown_size_is_a_door,
);
over_shared_locks!(
    readers_are_together_and_a_writer_alone,
    a_panic_inside_leaves_the_shared_door_usable,
    debug_of_a_shared_door_waits_for_no_writer,
);

// Every alias stands in a `static`.
static SYNC: sync::Door<u32> = sync::Door::new(1);
static SPIN: spin::Door<u32> = spin::Door::new(1);
static CRITICAL: critical::Door<u32> = critical::Door::new(1);
static SHARED: sync::SharedDoor<u32> = sync::SharedDoor::new(1);
static READING: spin::SharedDoor<u32, ReadPreferring> = spin::SharedDoor::new(1);
static WRITING: critical::SharedDoor<u32, WritePreferring> = critical::SharedDoor::new(1);
static AGAIN: sync::ReentrantDoor<u32> = sync::ReentrantDoor::new(1);

#[test]
fn doors_stand_in_statics() {
    let all = *SYNC.enter() + *SPIN.enter() + *CRITICAL.enter() + *AGAIN.enter();
    assert_eq!(all + *SHARED.read() + *READING.read() + *WRITING.read(), 7);
    // The default is strictly first come, first served.
    let _fair: &sync::SharedDoor<u32, Fair> = &SHARED;
}

const SHORT: Duration = Duration::from_millis(5);

#[test]
fn a_timed_entry_ends_with_its_time_and_leaves_nothing() {
    let door = sync::Door::new(1);
    let inside = door.enter();
    let start = Instant::now();
    assert!(door.enter_for(SHORT).is_none());
    assert!(start.elapsed() >= SHORT);
    let deadline = Instant::now() + SHORT;
    assert!(door.enter_until(deadline).is_none());
    assert!(Instant::now() >= deadline);
    drop(inside);
    assert!(!door.is_locked());
    assert_eq!(door.enter_for(SHORT).as_deref(), Some(&1));
    assert_eq!(door.enter_until(Instant::now()).as_deref(), Some(&1));

    let door: sync::SharedDoor<u32> = sync::SharedDoor::new(1);
    let reading = door.read();
    let start = Instant::now();
    assert!(door.write_for(SHORT).is_none());
    assert!(start.elapsed() >= SHORT);
    assert_eq!(door.read_for(SHORT).as_deref(), Some(&1));
    drop(reading);
    let writing = door.write_until(Instant::now()).expect("nobody is inside");
    let deadline = Instant::now() + SHORT;
    assert!(door.read_until(deadline).is_none());
    assert!(Instant::now() >= deadline);
    drop(writing);
    assert!(!door.is_locked());
    assert_eq!(door.write_for(SHORT).as_deref(), Some(&1));
}

/// Also over another crate's locks.
#[test]
fn a_timed_entry_over_parking_lot_ends_with_its_time() {
    let door = Door::<crate::over::OnParkingLot, u32>::new(1);
    let inside = door.enter();
    let start = Instant::now();
    assert!(door.enter_for(SHORT).is_none());
    assert!(start.elapsed() >= SHORT);
    drop(inside);
    assert!(door.enter_for(SHORT).is_some());
}

#[test]
fn a_thread_enters_a_reentrant_door_again_and_another_waits() {
    use std::cell::Cell;
    let mut door = sync::ReentrantDoor::new(Cell::new(0));
    {
        let outer = door.enter();
        let inner = door.try_enter().expect("this thread is inside");
        let timed = door.enter_for(SHORT).expect("this thread is inside");
        timed.set(1);
        inner.set(outer.get() + 1);
        assert_eq!(outer.get(), 2);
        thread::scope(|scope| {
            let other = || door.try_enter().is_some() || door.enter_for(SHORT).is_some();
            assert!(!scope.spawn(other).join().expect("no panic"), "another thread is inside");
            let text = scope.spawn(|| format!("{door:?}")).join().expect("no panic");
            assert_eq!(text, "ReentrantDoor { resource: <locked> }");
        });
        drop(outer);
        thread::scope(|scope| {
            let other = || door.try_enter().is_some();
            assert!(!scope.spawn(other).join().expect("no panic"), "one scope is left");
        });
    }
    assert!(!door.is_locked());
    thread::scope(|scope| {
        scope.spawn(|| door.enter().set(3)).join().expect("no panic");
    });
    assert_eq!(door.get_mut().get(), 3);
    assert_eq!(door.into_inner().get(), 3);
}

/// T-PRIM 8: what can be acquired, and what can be waited with.
#[test]
fn the_raw_traits_are_there_for_ours_and_for_others() {
    fn acquirable<L: RawMutex>() {}
    fn shared_acquirable<L: RawRwLock>() {}
    fn waitable<C: RawCondvar>() {}
    acquirable::<sync::RawMutex>();
    acquirable::<spin::RawMutex>();
    acquirable::<critical::RawMutex>();
    acquirable::<parking_lot::RawMutex>();
    acquirable::<parking_lot::RawFairMutex>();
    acquirable::<crate::foreign::RawSpin>();
    shared_acquirable::<sync::RawRwLock>();
    shared_acquirable::<spin::RawRwLock<ReadPreferring>>();
    shared_acquirable::<critical::RawRwLock<WritePreferring>>();
    shared_acquirable::<parking_lot::RawRwLock>();
    shared_acquirable::<crate::foreign::RawSpinRw>();
    waitable::<parking_lot::RawCondvar>();
}
