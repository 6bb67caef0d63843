//! What is made of the lock in a segment: readers and writers, permits, a
//! number that nobody owns.

#![cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

mod support;

use std::sync::Mutex as StdMutex;
use std::thread;
use std::time::{Duration, Instant};

use portunus::Counter as _;
use portunus::shm::{
    Counter, Error, Name, Options, RwLock, RwLockUpgradableReadGuard, RwLockWriteGuard, Segment,
    Semaphore,
};
use portunus::{CounterError, Fair, ReadPreferring, WritePreferring};

use support::{segments::segment, until, watched};

/// Who enters in which order, of a reader that comes after a writer, behind a
/// reader who is inside.
macro_rules! order_of {
    ($preference:ty) => {{
        let lock: Segment<RwLock<u64, $preference>> = segment(0);
        let order = StdMutex::new(Vec::new());
        let reader = lock.read().unwrap();
        thread::scope(|scope| {
            let (lock, order) = (&lock, &order);
            scope.spawn(move || {
                let mut guard = lock.write().unwrap();
                *guard += 1;
                order.lock().unwrap().push("writer");
            });
            until("the writer waits", || lock.waiting() == 1);
            let second = scope.spawn(move || {
                let guard = lock.read().unwrap();
                order.lock().unwrap().push("reader");
                *guard
            });
            until("the reader waits or reads", || lock.waiting() == 2 || second.is_finished());
            drop(reader);
        });
        assert_eq!(*lock.read().unwrap(), 1);
        order.into_inner().unwrap()
    }};
}

#[test]
fn preferences_are_kept() {
    assert_eq!(order_of!(Fair), ["writer", "reader"]);
    assert_eq!(order_of!(WritePreferring), ["writer", "reader"]);
    assert_eq!(order_of!(ReadPreferring), ["reader", "writer"]);
}

#[test]
fn an_upgradable_reader_becomes_the_writer_and_steps_down() {
    let lock: Segment<RwLock<u64>> = segment(1);
    let reader = lock.read().unwrap();
    let upgradable = lock.upgradable_read().unwrap();
    assert!(lock.try_upgradable_read().unwrap().is_none(), "one at a time");
    let upgradable = RwLockUpgradableReadGuard::try_upgrade(upgradable).expect_err("one reads");
    let short = Duration::from_millis(20);
    let upgradable = RwLockUpgradableReadGuard::try_upgrade_for(upgradable, short).expect_err("it");
    assert_eq!(*upgradable + *reader, 2);
    drop(reader);
    let mut writer = RwLockUpgradableReadGuard::upgrade(upgradable);
    *writer = 5;
    assert!(lock.try_read().unwrap().is_none());
    let upgradable = RwLockWriteGuard::downgrade_to_upgradable(writer);
    assert_eq!(*lock.try_read().unwrap().expect("beside it"), 5);
    let reader = RwLockUpgradableReadGuard::downgrade(upgradable);
    assert!(lock.try_upgradable_read().unwrap().is_some());
    assert!(lock.try_write().unwrap().is_none());
    drop(reader);
    let writer = lock.try_write_for(short).unwrap().expect("free");
    let reader = RwLockWriteGuard::downgrade(writer);
    assert_eq!(*reader, 5);
    drop(reader);
    assert!(!lock.is_locked() && lock.is_consistent());
}

#[test]
fn permits_are_split_merged_and_never_more_than_there_are() {
    let permits: Segment<Semaphore> = segment(5);
    assert_eq!((permits.permits(), permits.available_permits()), (5, 5));
    let error = permits.acquire_many(6).err().unwrap();
    assert_eq!((error.requested(), error.limit()), (6, 5));
    let mut three = permits.acquire_many(3).unwrap().unwrap();
    let one = three.split(1).unwrap();
    assert!(three.split(3).is_none());
    assert_eq!((three.count(), one.count(), permits.available_permits()), (2, 1, 2));
    drop(one);
    assert_eq!(permits.available_permits(), 3);
    let mut rest = permits.try_acquire_many(3).unwrap().unwrap().unwrap();
    assert!(permits.try_acquire().unwrap().is_none());
    rest.merge(three).unwrap();
    assert_eq!(rest.count(), 5);
    let all = rest.split(5).unwrap();
    assert_eq!(rest.count(), 0);
    drop(rest);
    assert_eq!(permits.available_permits(), 0);
    let other: Segment<Semaphore> = segment(1);
    let mut foreign = other.acquire().unwrap();
    let all = foreign.merge(all).expect_err("another semaphore's");
    drop((foreign, all));
    assert_eq!((permits.available_permits(), other.available_permits()), (5, 1));
    let gate: Segment<Semaphore> = segment(0);
    assert!(gate.acquire_for(Duration::from_millis(10)).unwrap().is_none(), "a gate is shut");
    let many = Segment::<Semaphore>::memfd(&Options::new(), u32::MAX);
    assert!(matches!(many.err(), Some(Error::Option { name: "permits", .. })));
}

#[test]
fn a_number_is_counted_checked_and_waited_for() {
    let number: Segment<Counter> = segment(0);
    assert!(number.is_zero());
    assert_eq!(number.decrement(), Err(CounterError::Underflow));
    assert_eq!(number.add(u64::MAX), Ok(u64::MAX));
    assert_eq!(number.increment(), Err(CounterError::Overflow { limit: u64::MAX }));
    assert_eq!(number.sub(u64::MAX), Ok(0));
    let start = Instant::now();
    assert_eq!(number.wait_until_for(|now| now == 1, Duration::from_millis(30)), None);
    assert!(start.elapsed() >= Duration::from_millis(30));
    thread::scope(|scope| {
        let waiters: Vec<_> = (1..=4)
            .map(|least| {
                (
                    least,
                    scope.spawn({
                        let number = &number;
                        move || number.wait_until(|now| now >= least * 100)
                    }),
                )
            })
            .collect();
        let start = Instant::now();
        for _ in 0..400 {
            number.increment().unwrap();
        }
        for (least, waiter) in waiters {
            assert!(waiter.join().unwrap() >= least * 100);
        }
        // Woken, and not found by a look of their own.
        assert!(start.elapsed() < Duration::from_secs(60));
    });
    assert_eq!(number.value(), 400);
}

/// Who misses it looks by itself after 50 seconds, three times.
#[test]
fn a_change_right_before_one_sleeps_is_not_missed() {
    let options = Options::new().records(64).poll(Duration::from_secs(10));
    let number: Segment<Counter> = Segment::memfd(&options, 0).unwrap().0;
    watched("a change that nobody missed", move || {
        for before in 0..3 {
            let seen = number.wait_until(|now| {
                if now == before {
                    number.add(1).unwrap();
                }
                now > before
            });
            assert_eq!(seen, before + 1);
        }
    });
}

/// One who looks by itself does so every 50 seconds.
#[test]
fn a_change_of_a_number_wakes_who_waits_for_it() {
    let options = Options::new().records(64).poll(Duration::from_secs(10));
    let (ours, fd) = Segment::<Counter>::memfd(&options, 0).unwrap();
    let theirs = Segment::<Counter>::from_fd(std::os::fd::AsFd::as_fd(&fd)).unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    let play = |number: &Counter, turns: [u64; 2]| {
        for n in (turns[0]..turns[1]).step_by(2) {
            assert_eq!(number.wait_until_deadline(|now| now == n, end), Some(n));
            assert!(Instant::now() < end, "nobody wakes it");
            number.add(1).unwrap();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| play(&theirs, [1, 40]));
        play(&ours, [0, 40]);
    });
    assert_eq!(ours.value(), 40);
}

#[test]
fn several_things_share_a_segment() {
    let name = Name::random();
    type Shop = (Semaphore, Counter, [RwLock<u32>; 3]);
    let first: Segment<Shop> =
        Segment::create(&name, &Options::new(), (2, 7, [10, 20, 30])).unwrap();
    let second: Segment<Shop> = Segment::open(&name).unwrap();
    Segment::unlink(&name).unwrap();
    let (permits, number, [_, middle, last]) = &*first;
    *middle.write().unwrap() = 21;
    number.increment().unwrap();
    let taken = permits.acquire().unwrap();
    assert_eq!(second.0.available_permits(), 1);
    assert_eq!(second.1.value(), 8);
    assert_eq!((*second.2[1].read().unwrap(), *last.read().unwrap()), (21, 30));
    drop(taken);
}

#[cfg(feature = "bytemuck")]
mod plain {
    use bytemuck::{Pod, Zeroable};
    use portunus::shm::{Error, Handle, Mutex, Name, Options, Plain, Segment};

    mod other {
        #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
        #[repr(C)]
        pub(super) struct Position {
            pub(super) x: f32,
            pub(super) y: f32,
        }

        #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
        #[repr(C)]
        pub(super) struct Speed {
            pub(super) x: f32,
            pub(super) y: f32,
        }
    }

    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    #[repr(C)]
    struct Position {
        x: f32,
        y: f32,
    }

    #[test]
    fn other_peoples_plain_data_are_shared_by_their_name() {
        let name = Name::random();
        let here = Position { x: 1.0, y: 2.0 };
        let ours = Handle::create(&name, &Options::new(), Plain(here)).unwrap();
        // The same structure of another program.
        let theirs: Handle<Plain<other::Position>> = Handle::open(&name).unwrap();
        let there = other::Position { x: 5.0, y: 6.0 };
        theirs.set(Plain(there)).unwrap();
        assert_eq!(*ours.get().unwrap(), Position { x: 5.0, y: 6.0 });
        let refused = Handle::<Plain<other::Speed>>::open(&name).err();
        assert!(matches!(refused, Some(Error::Layout { .. })), "{refused:?}");
        let refused = Handle::<Plain<[Position; 1]>>::open(&name).err();
        assert!(matches!(refused, Some(Error::Layout { .. })), "{refused:?}");
        ours.unlink().unwrap();
    }

    #[test]
    fn it_lies_in_locks_as_all_plain_data_do() {
        let (segment, _fd) =
            Segment::<Mutex<Plain<Position>>>::memfd(&Options::new(), Plain(Zeroable::zeroed()))
                .unwrap();
        segment.lock().unwrap().x += 1.5;
        assert_eq!(segment.lock().unwrap().0, Position { x: 1.5, y: 0.0 });
    }
}

/// A type with fields that are left out, or not, and others of the same name
/// without the attributes.
mod parts {
    pub(crate) mod left_out {
        portunus::shm_type! {
            /// With attributes of all kinds.
            #[derive(Debug)]
            #[cfg(all())]
            pub(crate) struct Reading {
                /// What it is.
                pub(crate) value: u32,
                #[cfg(any())]
                pub(crate) gone: super::there::IsNoSuchType,
                #[allow(dead_code)]
                #[cfg(all())]
                #[doc(alias = "unit")]
                pub(crate) kind: u32,
                #[cfg(all())]
                #[cfg(any())]
                pub(crate) last: u64,
            }
        }

        portunus::shm_type! {
            #[cfg(any())]
            pub(crate) struct Absent {
                pub(crate) value: super::there::IsNoSuchType,
            }
        }
    }

    pub(crate) mod without {
        portunus::shm_type! {
            pub(crate) struct Reading {
                pub(crate) value: u32,
                pub(crate) kind: u32,
            }
        }
    }

    pub(crate) mod there {
        portunus::shm_type! {
            pub(crate) struct Reading {
                pub(crate) value: u32,
                #[cfg(all())]
                pub(crate) gone: [u32; 0],
                pub(crate) kind: u32,
            }
        }
    }
}

#[test]
fn a_field_that_is_left_out_is_no_part_of_the_type() {
    use portunus::shm::Mutex;
    let name = Name::random();
    let made = parts::left_out::Reading { value: 7, kind: 1 };
    let made: Segment<Mutex<_>> = Segment::create(&name, &Options::new(), made).unwrap();
    let same = Segment::<Mutex<parts::without::Reading>>::open(&name);
    let other = Segment::<Mutex<parts::there::Reading>>::open(&name);
    Segment::unlink(&name).unwrap();
    let same = same.expect("it lacks the same fields");
    made.lock().unwrap().kind = 2;
    let guard = same.lock().unwrap();
    assert_eq!((guard.value, guard.kind), (7, 2));
    assert!(matches!(other, Err(Error::Layout { .. })), "a field that takes no room is one");
}
