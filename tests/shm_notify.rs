//! Whoever is at a door between processes, or inside, notifies those who wait
//! inside: one, or all.

#![cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use portunus::shm::{Door, Handle, Segment, SharedDoor};

use support::{segments::segment, until};

/// Long enough for any machine.
const LONG: Duration = Duration::from_secs(60);

/// How one kind of door is entered, and who notifies.
struct Story<D> {
    /// How often somebody has begun to wait.
    come: fn(&D) -> u64,
    /// Counts itself, and waits inside. Whether it was notified.
    wait: fn(&D) -> bool,
    one: fn(&D) -> bool,
    all: fn(&D) -> usize,
}

fn notifies<D: Sync>(door: &D, story: &Story<D>) {
    let home = AtomicU64::new(0);
    for round in 0..2 {
        assert!(!(story.one)(door), "nobody waits");
        assert_eq!((story.all)(door), 0, "nobody waits");
        home.store(0, Ordering::SeqCst);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    assert!((story.wait)(door), "nobody notifies it");
                    home.fetch_add(1, Ordering::SeqCst);
                });
            }
            // Who has counted stands in line when it lets the door go.
            until("both wait", || (story.come)(door) == 2 * (round + 1));
            if round == 0 {
                assert_eq!((story.all)(door), 2);
            } else {
                assert!((story.one)(door), "the first");
                until("one is home", || home.load(Ordering::SeqCst) == 1);
                assert!((story.one)(door), "the other one waits still");
            }
        });
        assert_eq!(home.load(Ordering::SeqCst), 2);
    }
}

#[test]
fn doors_and_their_guards_notify() {
    let door: Segment<Door<u64>> = segment(0);
    let outside = Story {
        come: |door: &Door<u64>| *door.enter().unwrap(),
        wait: |door| {
            let mut inside = door.enter().unwrap();
            *inside += 1;
            !inside.wait_for(LONG).unwrap().1.timed_out()
        },
        one: |door| door.notify_one(),
        all: |door| door.notify_all(),
    };
    notifies(&*door, &outside);
    let door: Segment<Door<u64>> = segment(0);
    let inside = Story {
        one: |door: &Door<u64>| door.enter().unwrap().notify_one(),
        all: |door| door.enter().unwrap().notify_all(),
        ..outside
    };
    notifies(&*door, &inside);
}

#[test]
fn shared_doors_and_their_guards_notify() {
    let door: Segment<SharedDoor<u64>> = segment(0);
    let outside = Story {
        come: |door: &SharedDoor<u64>| *door.read().unwrap(),
        wait: |door| {
            let mut inside = door.write().unwrap();
            *inside += 1;
            !inside.wait_for(LONG).unwrap().1.timed_out()
        },
        one: |door| door.notify_one(),
        all: |door| door.notify_all(),
    };
    notifies(&*door, &outside);
    let door: Segment<SharedDoor<u64>> = segment(0);
    let reader = Story {
        one: |door: &SharedDoor<u64>| door.read().unwrap().notify_one(),
        all: |door| door.read().unwrap().notify_all(),
        ..outside
    };
    notifies(&*door, &reader);
    let door: Segment<SharedDoor<u64>> = segment(0);
    let writer = Story {
        one: |door: &SharedDoor<u64>| door.write().unwrap().notify_one(),
        all: |door| door.write().unwrap().notify_all(),
        ..reader
    };
    notifies(&*door, &writer);
}

#[test]
fn doors_of_handles_and_their_guards_notify() {
    let handle = Handle::new(0).unwrap();
    let outside = Story {
        come: |handle: &Handle<u64>| *handle.door().read().unwrap(),
        wait: |handle| {
            let mut inside = handle.door().write().unwrap();
            *inside += 1;
            !inside.wait_for(LONG).unwrap().1.timed_out()
        },
        one: |handle| handle.door().notify_one(),
        all: |handle| handle.door().notify_all(),
    };
    notifies(&handle, &outside);
    handle.set(0).unwrap();
    let reader = Story {
        one: |handle: &Handle<u64>| handle.door().read().unwrap().notify_one(),
        all: |handle| handle.door().read().unwrap().notify_all(),
        ..outside
    };
    notifies(&handle, &reader);
    handle.set(0).unwrap();
    let writer = Story {
        one: |handle: &Handle<u64>| handle.door().write().unwrap().notify_one().unwrap(),
        all: |handle| handle.door().write().unwrap().notify_all().unwrap(),
        ..reader
    };
    notifies(&handle, &writer);
    handle.unlink().unwrap();
}
