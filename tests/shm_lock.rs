//! Locks in a segment, within one process: order, time, conversions, weights,
//! panics. Processes that die are in the crate's own tests.

#![cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use portunus::rules::{Access, Granularity, Intention, ReadWrite};
use portunus::shm::{Error, FifoLock, Mutex, Name, Options, Segment};
use portunus::{ConvertError, Held, Rules};

use support::{segments::Own, until};

#[test]
fn served_in_order_readers_together() {
    let lock: Own<FifoLock<ReadWrite>> = Own::new(());
    let order = StdMutex::new(Vec::new());
    let first = lock.acquire(Access::Write).unwrap();
    let inside = AtomicU64::new(0);
    thread::scope(|scope| {
        let modes = [Access::Read, Access::Read, Access::Write, Access::Read];
        for (i, mode) in modes.into_iter().enumerate() {
            let (lock, order, inside) = (&lock, &order, &inside);
            scope.spawn(move || {
                let hold = lock.acquire(mode).unwrap();
                order.lock().unwrap().push(i);
                inside.fetch_add(1, Ordering::SeqCst);
                if i < 2 {
                    until("two readers are inside at once", || inside.load(Ordering::SeqCst) >= 2);
                }
                drop(hold);
            });
            until("it waits", || lock.waiting() == i + 1);
        }
        assert!(lock.try_acquire(Access::Read).unwrap().is_none(), "it never overtakes");
        drop(first);
    });
    let mut order = order.into_inner().unwrap();
    order[..2].sort_unstable();
    assert_eq!(order, [0, 1, 2, 3]);
    assert!(!lock.is_locked());
}

#[test]
fn a_time_that_is_over_leaves_nothing() {
    let lock: Own<FifoLock<ReadWrite>> = Own::new(());
    let reader = lock.acquire(Access::Read).unwrap();
    let start = Instant::now();
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let got = lock.acquire_for(Access::Write, Duration::from_millis(60));
            assert!(got.unwrap().is_none());
            assert!(start.elapsed() >= Duration::from_millis(60), "not early");
        });
        until("the writer waits", || lock.waiting() == 1 || writer.is_finished());
        let behind = lock.acquire(Access::Read).unwrap();
        assert!(start.elapsed() >= Duration::from_millis(60), "it stood behind the writer");
        drop(behind);
    });
    assert_eq!(lock.waiting(), 0);
    drop(reader);
    assert!(!lock.is_locked());
    let past = lock.acquire_until(Access::Write, Instant::now());
    assert!(past.unwrap().is_some(), "free is free");
}

#[test]
fn conversions_go_first_and_two_of_them_do_not_wait_for_each_other() {
    let lock: Own<FifoLock<ReadWrite>> = Own::new(());
    let mut one = lock.acquire(Access::Read).unwrap();
    let mut two = lock.acquire(Access::Read).unwrap();
    assert!(!one.try_convert(Access::Write));
    let waited = Duration::from_millis(30);
    assert_eq!(one.convert_for(Access::Write, waited), Err(ConvertError::TimedOut));
    assert_eq!(one.mode(), Access::Read);
    let order = &StdMutex::new(Vec::new());
    thread::scope(|scope| {
        let lock = &lock;
        let writer = scope.spawn(move || {
            let hold = lock.acquire(Access::Write).unwrap();
            order.lock().unwrap().push("writer");
            drop(hold);
        });
        until("a writer waits", || lock.waiting() == 1);
        let upgrade = scope.spawn(move || {
            one.convert(Access::Write).unwrap();
            order.lock().unwrap().push("upgrade");
            one
        });
        until("an upgrade waits", || lock.waiting() == 2);
        assert_eq!(two.convert(Access::Write), Err(ConvertError::Deadlock));
        assert_eq!(two.mode(), Access::Read);
        drop(two);
        let mut one = upgrade.join().unwrap();
        assert!(one.try_convert(Access::Read), "a downgrade");
        drop(one);
        writer.join().unwrap();
        assert_eq!(*order.lock().unwrap(), ["upgrade", "writer"]);
    });
    assert!(!lock.is_locked());
}

#[test]
fn the_matrix_of_intentions_holds() {
    use Granularity::{Exclusive, IntentExclusive, IntentShared, Shared, SharedIntentExclusive};
    let lock: Own<FifoLock<Intention>> = Own::new(());
    let all = [IntentShared, IntentExclusive, Shared, SharedIntentExclusive, Exclusive];
    for first in all {
        for second in all {
            let hold = lock.acquire(first).unwrap();
            let fits = Intention.admits(second, &Held::new().with(first, 1));
            assert_eq!(lock.try_acquire(second).unwrap().is_some(), fits, "{first:?} {second:?}");
            drop(hold);
        }
    }
    assert!(!lock.is_locked());
}

portunus::modes! { pub enum Load { Units } }

#[derive(Default)]
struct Ten;

impl Rules for Ten {
    type Mode = Load;
    const WEIGHTED: bool = true;
    fn admits(&self, mode: Load, held: &Held<Load>) -> bool {
        held[mode] < 10
    }
}

#[test]
fn weights_wait_for_all_their_units_and_have_a_limit() {
    let lock: Own<FifoLock<Ten>> = Own::new(());
    let error = lock.acquire_many(Load::Units, 11).err().unwrap();
    assert_eq!((error.requested(), error.limit()), (11, 10));
    let seven = lock.acquire_many(Load::Units, 7).unwrap().unwrap();
    assert_eq!(lock.holders(Load::Units), 7);
    assert!(lock.try_acquire_many(Load::Units, 4).unwrap().unwrap().is_none());
    let nothing = lock.try_acquire_many(Load::Units, 0).unwrap().unwrap();
    assert_eq!(nothing.unwrap().weight(), 0);
    thread::scope(|scope| {
        let heavy = scope.spawn(|| lock.acquire_many(Load::Units, 9).unwrap().unwrap().weight());
        until("it waits", || lock.waiting() == 1);
        let light = lock.try_acquire(Load::Units).unwrap();
        assert!(light.is_none(), "nobody passes the heavy one");
        drop(seven);
        assert_eq!(heavy.join().unwrap(), 9);
    });
    assert!(!lock.is_locked());
}

static PANICS: AtomicBool = AtomicBool::new(false);

#[derive(Default)]
struct Touchy;

impl Rules for Touchy {
    type Mode = Access;
    fn admits(&self, mode: Access, held: &Held<Access>) -> bool {
        assert!(!(mode == Access::Write && PANICS.load(Ordering::SeqCst)), "touchy");
        ReadWrite.admits(mode, held)
    }
}

#[test]
fn a_rule_that_panics_leaves_the_lock_usable() {
    let lock: Own<FifoLock<Touchy>> = Own::new(());
    let hold = lock.acquire(Access::Read).unwrap();
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let acquire = || drop(lock.acquire(Access::Write));
            catch_unwind(AssertUnwindSafe(acquire)).is_err()
        });
        until("a writer waits", || lock.waiting() == 1);
        PANICS.store(true, Ordering::SeqCst);
        // Either the release judges the writer, or the writer itself looks.
        let release = catch_unwind(AssertUnwindSafe(|| drop(hold)));
        assert!(writer.join().unwrap() || release.is_err());
    });
    PANICS.store(false, Ordering::SeqCst);
    assert_eq!(lock.waiting(), 0);
    assert!(!lock.is_locked());
    assert!(lock.try_acquire(Access::Write).unwrap().is_some());
    // Its records are back as well: as often as one likes.
    PANICS.store(true, Ordering::SeqCst);
    for _ in 0..1000 {
        let acquire = || drop(lock.try_acquire(Access::Write));
        assert!(catch_unwind(AssertUnwindSafe(acquire)).is_err());
    }
    PANICS.store(false, Ordering::SeqCst);
    assert!(lock.try_acquire(Access::Write).unwrap().is_some());
}

portunus::shm_type! {
    /// Two numbers that belong together.
    #[derive(Debug, PartialEq)]
    pub struct Pair {
        pub left: u64,
        pub right: [u32; 2],
    }
}

#[test]
fn data_under_a_mutex_are_those_of_all_segments() {
    let name = Name::random();
    let init = Pair { left: 1, right: [2, 3] };
    let first: Segment<Mutex<Pair>> = Segment::create(&name, &Options::new(), init).unwrap();
    let second: Segment<Mutex<Pair>> = Segment::open(&name).unwrap();
    assert_eq!(*second.lock().unwrap(), init);
    thread::scope(|scope| {
        for segment in [&first, &second, &first, &second] {
            scope.spawn(move || {
                for _ in 0..5000 {
                    let mut pair = segment.lock().unwrap();
                    pair.left += 1;
                    pair.right[1] += 1;
                }
            });
        }
    });
    assert_eq!(*first.lock().unwrap(), Pair { left: 20_001, right: [2, 20_003] });
    assert!(first.is_consistent() && !first.is_locked());
    let guard = first.lock().unwrap();
    assert!(second.try_lock().unwrap().is_none());
    assert!(second.try_lock_for(Duration::from_millis(5)).unwrap().is_none());
    drop(guard);
    // The same bytes with another name are another layout.
    portunus::shm_type! { struct Couple { left: u64, right: [u32; 2] } }
    let _ = Couple { left: 0, right: [0; 2] };
    assert!(Segment::<Mutex<Couple>>::open(&name).is_err());
    assert!(Segment::<Mutex<u64>>::open(&name).is_err());
    Segment::unlink(&name).unwrap();
}

#[test]
fn holds_may_be_moved_to_another_thread_and_forgotten() {
    let lock: Own<FifoLock<ReadWrite>> = Own::new(());
    let hold = lock.acquire(Access::Write).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || drop(hold));
    });
    assert!(!lock.is_locked());
    // More acquisitions than records, in threads that end.
    for _ in 0..200 {
        thread::scope(|scope| {
            // Joined: it gives its records back when it has really ended.
            scope.spawn(|| drop(lock.acquire(Access::Read))).join().unwrap();
        });
    }
    let all: Vec<_> = (0..128).map(|_| lock.acquire(Access::Read).unwrap()).collect();
    let one_more = catch_unwind(AssertUnwindSafe(|| drop(lock.try_acquire(Access::Read))));
    assert!(one_more.is_err(), "there are 128 records");
    drop(all);
    assert!(!lock.is_locked());
}

/// A rule with two numbers: so many of each kind.
mod tables {
    use portunus::shm::Configured;
    use portunus::{Held, Rules};

    portunus::modes! { pub enum Place { Window, Aisle } }

    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(crate) struct Tables<const STRICT: bool>(pub(crate) [u32; 2]);

    impl<const STRICT: bool> Rules for Tables<STRICT> {
        type Mode = Place;

        fn admits(&self, place: Place, held: &Held<Place>) -> bool {
            let free = held[place] < self.0[place.index()] as usize;
            free && (!STRICT || held[Place::Window] == 0 || held[Place::Aisle] == 0)
        }
    }

    impl<const STRICT: bool> Configured for Tables<STRICT> {
        type Config = [u32; 2];

        fn config(&self) -> [u32; 2] {
            self.0
        }

        fn configured(config: [u32; 2]) -> Self {
            Self(config)
        }
    }
}

#[test]
fn a_rule_finds_its_configuration_in_the_segment() {
    use portunus::shm::Carried;
    use tables::{Place, Tables};

    let name = Name::random();
    // Behind it something else, that is found as well.
    type Cafe<const STRICT: bool> = (FifoLock<Carried<Tables<STRICT>>>, Mutex<u64>);
    let cafe: Segment<Cafe<false>> =
        Segment::create(&name, &Options::new(), (Tables([1, 2]), 7)).unwrap();
    let again: Segment<Cafe<false>> = Segment::open(&name).unwrap();
    assert_eq!((*again.1.lock().unwrap(), cafe.0.holders(Place::Aisle)), (7, 0));
    let window = again.0.acquire(Place::Window).unwrap();
    let aisle = [cafe.0.acquire(Place::Aisle).unwrap(), again.0.acquire(Place::Aisle).unwrap()];
    for lock in [&cafe.0, &again.0] {
        assert!(lock.try_acquire(Place::Window).unwrap().is_none());
        assert!(lock.try_acquire(Place::Aisle).unwrap().is_none());
    }
    drop(window);
    assert!(cafe.0.try_acquire(Place::Window).unwrap().is_some());
    drop(aisle);
    // The same modes and configuration, but another rule.
    let error = Segment::<Cafe<true>>::open(&name).unwrap_err();
    assert!(matches!(error, Error::Layout { found, wanted } if found != wanted), "{error}");
    // Another configuration of the same rule is found, not compared.
    Segment::unlink(&name).unwrap();
    let cafe: Segment<Cafe<false>> =
        Segment::create(&name, &Options::new(), (Tables([0, 1]), 7)).unwrap();
    let again: Segment<Cafe<false>> = Segment::open(&name).unwrap();
    assert!(again.0.try_acquire(Place::Window).unwrap().is_none());
    assert!(again.0.try_acquire(Place::Aisle).unwrap().is_some());
    drop(cafe);
    Segment::unlink(&name).unwrap();
}
