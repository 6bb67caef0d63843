//! The locks behind `lock_api`'s wrappers: mapped guards, guards that own their
//! lock, fair unlocking, timed locking, upgrading, statics, `Debug`; and
//! backends that are made of the crate's public traits.

#![cfg(all(feature = "std", feature = "async"))]
#![allow(missing_docs)]
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]
#![allow(unsafe_code)]

mod support;

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use portunus::prelude::*;
use portunus::rules::{Access, ReadWrite};
use portunus::{
    Backend, InnerLock, Left, Limit, Place, RawMutexInner, ReadPreferring, SpinInner, Turn, Wait,
    WritePreferring,
};

use support::until;

/// A poll by nobody.
fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// How long a wait in vain takes.
const A_MOMENT: Duration = Duration::from_millis(15);

/// How many wait at a mutex or a readers-writer lock.
macro_rules! waiting {
    ($lock:expr) => {{
        // SAFETY: the raw lock is only looked at.
        let raw = unsafe { $lock.raw() };
        raw.waiting()
    }};
}

macro_rules! backend {
    ($backend:ident) => {
        mod $backend {
            use super::*;
            use portunus::$backend::*;

            // === Parts of the data ===

            #[test]
            fn mapped_mutex_guards() {
                let mutex = Mutex::new((1, [2, 3]));
                let pair = MutexGuard::map(mutex.lock(), |data| &mut data.1);
                assert!(mutex.is_locked());
                let mut last: MappedMutexGuard<'_, i32> =
                    MappedMutexGuard::map(pair, |pair| &mut pair[1]);
                assert_eq!(*last, 3);
                *last = 4;
                assert!(mutex.is_locked());
                drop(last);
                assert!(!mutex.is_locked());
                assert_eq!(*mutex.lock(), (1, [2, 4]));

                // What does not map gives the guard back.
                let guard = MutexGuard::try_map(mutex.lock(), |data| data.1.get_mut(2));
                let guard = guard.err().expect("there is no third one");
                assert!(mutex.is_locked());
                assert_eq!(guard.0, 1);
                drop(guard);
                assert!(mutex.try_lock().is_some());
            }

            #[test]
            fn mapped_rwlock_guards() {
                let lock = RwLock::<_>::new((1, [2, 3]));
                let mut pair: MappedRwLockWriteGuard<'_, [i32; 2]> =
                    RwLockWriteGuard::map(lock.write(), |data| &mut data.1);
                pair[0] = 5;
                assert!(lock.is_locked_exclusive());
                drop(pair);
                assert!(!lock.is_locked());

                let first: MappedRwLockReadGuard<'_, i32> =
                    RwLockReadGuard::map(lock.read(), |data| &data.1[0]);
                let other = RwLockReadGuard::map(lock.read(), |data| &data.1[0]);
                assert_eq!((*first, *other), (5, 5));
                assert!(lock.is_locked() && !lock.is_locked_exclusive());
                assert!(lock.try_write().is_none());
                drop(first);
                assert!(lock.try_write().is_none());
                drop(other);
                assert!(lock.try_write().is_some());
            }

            // === Guards that own their lock ===

            #[test]
            fn arc_mutex_guards() {
                let mutex = Arc::new(Mutex::new(1));
                let guard: ArcMutexGuard<i32> = mutex.lock_arc();
                assert!(mutex.try_lock_arc().is_none());
                assert!(mutex.try_lock_arc_for(Duration::ZERO).is_none());
                assert!(Arc::ptr_eq(ArcMutexGuard::mutex(&guard), &mutex));

                // The guard alone keeps the mutex, also in another thread.
                let weak = Arc::downgrade(&mutex);
                drop(mutex);
                let mutex = thread::spawn(move || {
                    let mut guard = guard;
                    *guard += 1;
                    ArcMutexGuard::into_arc(guard)
                })
                .join()
                .unwrap();
                assert!(!mutex.is_locked());
                assert_eq!(*mutex.try_lock_arc().unwrap(), 2);
                drop(mutex);
                assert!(weak.upgrade().is_none());
            }

            #[test]
            fn owned_mutex_guards() {
                let mutex = Arc::new(Mutex::new(1));
                let mut guard: OwnedMutexGuard<i32> = smol::block_on(mutex.lock_arc_async());
                *guard += 1;
                assert!(mutex.try_lock().is_none());
                assert!(Arc::ptr_eq(guard.mutex(), &mutex));
                assert_eq!(format!("{guard:?}"), "2");

                let weak = Arc::downgrade(&mutex);
                drop(mutex);
                assert_eq!(*guard, 2);
                let mutex = weak.upgrade().expect("the guard keeps the mutex");
                thread::spawn(move || drop(guard)).join().unwrap();
                assert_eq!(*mutex.try_lock().expect("the guard is gone"), 2);
            }

            #[test]
            fn arc_rwlock_guards() {
                let lock = Arc::new(RwLock::<_>::new(1));
                let reading: ArcRwLockReadGuard<i32> = lock.read_arc();
                let awaited: ArcRwLockReadGuard<i32> = smol::block_on(lock.read_arc_async());
                assert_eq!((*reading, *awaited), (1, 1));
                assert!(lock.try_write_arc().is_none());
                drop(reading);
                assert!(lock.try_write_arc_for(Duration::ZERO).is_none());
                drop(awaited);

                let mut writing: ArcRwLockWriteGuard<i32> = lock.write_arc();
                *writing += 1;
                assert!(lock.try_read_arc().is_none());
                drop(writing);
                let mut awaited: ArcRwLockWriteGuard<i32> = smol::block_on(lock.write_arc_async());
                *awaited += 1;
                let lock = ArcRwLockWriteGuard::into_arc(awaited);
                assert!(!lock.is_locked());
                assert_eq!(*lock.try_read_arc().unwrap(), 3);
            }

            // === Fairness ===

            /// Everybody who waits goes first.
            #[test]
            fn bump_of_a_mutex() {
                let mutex = Mutex::new(vec![]);
                thread::scope(|scope| {
                    let mut guard = mutex.lock();
                    // Nobody waits: it stays as it is.
                    MutexGuard::bump(&mut guard);
                    assert!(mutex.is_locked());
                    scope.spawn(|| mutex.lock().push(1));
                    until("the first waits", || waiting!(mutex) == 1);
                    scope.spawn(|| mutex.lock().push(2));
                    until("the second waits", || waiting!(mutex) == 2);
                    MutexGuard::bump(&mut guard);
                    guard.push(3);
                });
                assert_eq!(mutex.into_inner(), [1, 2, 3]);
            }

            #[test]
            fn bump_of_a_reader() {
                let lock = RwLock::<_>::new(1);
                thread::scope(|scope| {
                    let mut reading = lock.read();
                    scope.spawn(|| *lock.write() += 1);
                    until("the writer waits", || waiting!(lock) == 1);
                    assert_eq!(*reading, 1);
                    RwLockReadGuard::bump(&mut reading);
                    assert_eq!(*reading, 2);
                    RwLockReadGuard::bump(&mut reading);
                    assert_eq!(*reading, 2);
                });
                assert!(!lock.is_locked());
            }

            #[test]
            fn bump_of_a_writer() {
                let lock = RwLock::<_>::new(1);
                thread::scope(|scope| {
                    let mut writing = lock.write();
                    let reader = scope.spawn(|| *lock.read());
                    until("the reader waits", || waiting!(lock) == 1);
                    *writing = 2;
                    RwLockWriteGuard::bump(&mut writing);
                    *writing = 3;
                    drop(writing);
                    assert_eq!(reader.join().unwrap(), 2);
                });
            }

            /// A release makes the next in line the holder before it returns,
            /// whether it is called fair or not.
            #[test]
            fn a_release_hands_over() {
                for fair in [true, false] {
                    let mutex = Mutex::new(());
                    let leave = AtomicBool::new(false);
                    thread::scope(|scope| {
                        let guard = mutex.lock();
                        scope.spawn(|| {
                            let guard = mutex.lock();
                            until("it may leave", || leave.load(Ordering::Acquire));
                            drop(guard);
                        });
                        until("the thread waits", || waiting!(mutex) == 1);
                        if fair {
                            MutexGuard::unlock_fair(guard);
                        } else {
                            drop(guard);
                        }
                        let barged = mutex.try_lock().is_some();
                        let (locked, waiting) = (mutex.is_locked(), waiting!(mutex));
                        leave.store(true, Ordering::Release);
                        assert!(!barged, "the mutex was free in between");
                        assert!(locked);
                        assert_eq!(waiting, 0);
                    });
                    assert!(!mutex.is_locked());
                }
            }

            #[test]
            fn fair_unlocking_of_a_rwlock() {
                let lock = RwLock::<_>::new(1);
                RwLockReadGuard::unlock_fair(lock.read());
                assert!(!lock.is_locked());
                RwLockWriteGuard::unlock_fair(lock.write());
                assert!(!lock.is_locked());
                let number = RwLockWriteGuard::map(lock.write(), |number| number);
                MappedRwLockWriteGuard::unlock_fair(number);
                let number = RwLockReadGuard::map(lock.read(), |number| number);
                MappedRwLockReadGuard::unlock_fair(number);
                assert!(!lock.is_locked());
            }

            #[test]
            fn unlocked_for_a_while() {
                let mutex = Mutex::new(1);
                let mut guard = mutex.lock();
                MutexGuard::unlocked(&mut guard, || *mutex.try_lock().unwrap() += 1);
                assert_eq!(*guard, 2);
                MutexGuard::unlocked_fair(&mut guard, || *mutex.try_lock().unwrap() += 1);
                assert_eq!(*guard, 3);
                assert!(mutex.try_lock().is_none());
                drop(guard);

                let lock = RwLock::<_>::new(1);
                let mut reading = lock.read();
                RwLockReadGuard::unlocked(&mut reading, || *lock.try_write().unwrap() += 1);
                assert_eq!(*reading, 2);
                drop(reading);
                let mut writing = lock.write();
                RwLockWriteGuard::unlocked_fair(&mut writing, || {
                    *lock.try_write().unwrap() += 1;
                });
                assert_eq!(*writing, 3);
                assert!(lock.try_read().is_none());
            }

            // === Upgrading ===

            #[test]
            fn upgrades_and_downgrades() {
                let lock = RwLock::<_>::new(1);
                let upgradable = lock.upgradable_read();
                let reading = lock.read();
                assert!(lock.try_upgradable_read().is_none());
                assert!(lock.try_write().is_none());
                let upgradable = RwLockUpgradableReadGuard::try_upgrade(upgradable)
                    .err()
                    .expect("there is a reader");
                drop(reading);
                let mut writing = RwLockUpgradableReadGuard::upgrade(upgradable);
                *writing += 1;
                assert!(lock.try_read().is_none());

                let mut upgradable = RwLockWriteGuard::downgrade_to_upgradable(writing);
                assert_eq!(*lock.try_read().unwrap(), 2);
                upgradable.with_upgraded(|number| *number += 1);
                let reading = RwLockUpgradableReadGuard::downgrade(upgradable);
                drop(lock.try_upgradable_read().unwrap());
                assert!(lock.try_write().is_none());
                drop(reading);

                let reading = RwLockWriteGuard::downgrade(lock.write());
                assert_eq!(*reading + *lock.try_read().unwrap(), 6);
            }

            /// The one who upgrades goes before the writer who waits, and
            /// after the reader who is there.
            #[test]
            fn an_upgrade_goes_first() {
                let lock = RwLock::<_>::new(vec![]);
                thread::scope(|scope| {
                    let upgradable = lock.upgradable_read();
                    let reading = lock.read();
                    scope.spawn(|| lock.write().push("writer"));
                    until("the writer waits", || waiting!(lock) == 1);
                    scope.spawn(move || {
                        let mut writing = RwLockUpgradableReadGuard::upgrade(upgradable);
                        writing.push("upgraded");
                    });
                    until("the upgrade waits", || waiting!(lock) == 2);
                    assert!(reading.is_empty());
                });
                assert_eq!(lock.into_inner(), ["upgraded", "writer"]);
            }

            // === Time ===

            #[test]
            fn timed_locking_of_a_mutex() {
                let mutex = Mutex::new(1);
                let guard = mutex.lock();
                let start = Instant::now();
                assert!(mutex.try_lock_for(A_MOMENT).is_none());
                assert!(start.elapsed() >= A_MOMENT, "it gave up early");
                let deadline = Instant::now() + A_MOMENT;
                assert!(mutex.try_lock_until(deadline).is_none());
                assert!(Instant::now() >= deadline, "it gave up early");
                // Over before it began.
                assert!(mutex.try_lock_for(Duration::ZERO).is_none());
                assert!(mutex.try_lock_until(start).is_none());
                assert_eq!(waiting!(mutex), 0, "something is left behind");
                drop(guard);
                assert!(!mutex.is_locked(), "it was let in too late");

                assert!(mutex.try_lock_for(Duration::ZERO).is_some());
                assert!(mutex.try_lock_until(start).is_some());
                assert!(mutex.try_lock_for(Duration::MAX).is_some());
            }

            #[test]
            fn timed_locking_of_a_rwlock() {
                let lock = RwLock::<_>::new(1);
                let reading = lock.read();
                assert!(lock.try_read_for(Duration::ZERO).is_some());
                let start = Instant::now();
                assert!(lock.try_write_for(A_MOMENT).is_none());
                assert!(start.elapsed() >= A_MOMENT, "it gave up early");
                let deadline = Instant::now() + A_MOMENT;
                assert!(lock.try_write_until(deadline).is_none());
                assert!(Instant::now() >= deadline, "it gave up early");
                assert!(lock.try_read_until(start).is_some(), "a writer is still in the way");
                drop(reading);

                let writing = lock.write();
                assert!(lock.try_read_for(A_MOMENT).is_none());
                assert!(lock.try_upgradable_read_for(A_MOMENT).is_none());
                assert!(lock.try_read_until(start).is_none());
                assert_eq!(waiting!(lock), 0, "something is left behind");
                drop(writing);
                assert!(lock.try_write_for(Duration::ZERO).is_some());

                let upgradable = lock.upgradable_read();
                let reading = lock.read();
                let timed = RwLockUpgradableReadGuard::try_upgrade_for;
                let upgradable = timed(upgradable, A_MOMENT).err().expect("there is a reader");
                drop(reading);
                assert!(timed(upgradable, A_MOMENT).is_ok());
                assert!(!lock.is_locked());
            }

            /// A writer whose time is over lets the readers in whom it kept
            /// out.
            #[test]
            fn a_timeout_lets_others_in() {
                let lock = RwLock::<_>::new(1);
                let reading = lock.read();
                thread::scope(|scope| {
                    let writer = scope.spawn(|| lock.try_write_for(4 * A_MOMENT).is_some());
                    until("the writer waits or gave up", || {
                        waiting!(lock) == 1 || writer.is_finished()
                    });
                    // Behind the writer, if that is still there.
                    assert!(lock.try_read_for(Duration::from_secs(30)).is_some());
                    assert!(!writer.join().unwrap());
                });
                drop(reading);
                assert!(!lock.is_locked());
            }

            /// More time than the clock has.
            #[test]
            fn all_the_time_there_is() {
                let mutex = Mutex::new(1);
                thread::scope(|scope| {
                    let guard = mutex.lock();
                    let other = scope.spawn(|| mutex.try_lock_for(Duration::MAX).is_some());
                    until("the thread waits", || waiting!(mutex) == 1);
                    drop(guard);
                    assert!(other.join().unwrap());
                });
            }

            // === Statics ===

            static MUTEX: Mutex<u32> = Mutex::new(1);
            static RWLOCK: RwLock<u32> = RwLock::new(2);
            static READERS_FIRST: RwLock<u32, ReadPreferring> = RwLock::new(3);
            static WRITERS_FIRST: RwLock<u32, WritePreferring> = RwLock::new(4);
            static RAW: RawMutex = RawMutex::new();
            static RAW_SHARED: RawRwLock = RawRwLock::new();
            static FIFO: FifoLock<ReadWrite> = FifoLock::new(ReadWrite);
            static PERMITS: Semaphore = Semaphore::new(5);
            static TABLE: [Mutex<usize>; 3] = [const { Mutex::new(0) }; 3];

            struct Account {
                balance: Mutex<i64>,
                movements: Semaphore,
            }

            impl Account {
                const fn new(balance: i64) -> Self {
                    Self { balance: Mutex::new(balance), movements: Semaphore::new(2) }
                }
            }

            static ACCOUNT: Account = Account::new(100);

            #[test]
            fn statics() {
                thread::scope(|scope| {
                    for _ in 0..4 {
                        scope.spawn(|| {
                            *MUTEX.lock() += 1;
                            *RWLOCK.write() += 1;
                            *READERS_FIRST.write() += 1;
                            *WRITERS_FIRST.write() += 1;
                            for (number, place) in TABLE.iter().enumerate() {
                                *place.lock() += number;
                            }
                            let _movement = ACCOUNT.movements.acquire();
                            *ACCOUNT.balance.lock() -= 10;
                            drop(FIFO.acquire(Access::Write));
                            drop(PERMITS.acquire_many(5).unwrap());
                        });
                    }
                });
                assert_eq!((*MUTEX.lock(), *RWLOCK.read()), (5, 6));
                assert_eq!((*READERS_FIRST.read(), *WRITERS_FIRST.read()), (7, 8));
                assert_eq!([0, 1, 2].map(|at| *TABLE[at].lock()), [0, 4, 8]);
                assert_eq!(*ACCOUNT.balance.lock(), 60);
                assert_eq!(PERMITS.available_permits(), 5);
                assert!(!FIFO.is_locked());
                assert!(!lock_api::RawMutex::is_locked(&RAW));
                assert!(!lock_api::RawRwLock::is_locked(&RAW_SHARED));
            }

            // === Debug ===

            #[test]
            fn debug_of_raw_locks() {
                assert_eq!(
                    format!("{:?}", RawMutex::new()),
                    "RawMutex { held: {Exclusive: 0}, waiting: 0 }"
                );
                let mutex = Mutex::new(7);
                assert_eq!(format!("{mutex:?}"), "Mutex { data: 7 }");
                let guard = mutex.lock();
                let mut future = pin!(mutex.lock_async());
                assert!(poll(future.as_mut()).is_pending());
                // SAFETY: the raw lock is only looked at.
                let raw = unsafe { mutex.raw() };
                assert_eq!(format!("{raw:?}"), "RawMutex { held: {Exclusive: 1}, waiting: 1 }");
                assert_eq!(format!("{mutex:?}"), "Mutex { data: <locked> }");
                assert_eq!(format!("{guard:?} {guard}"), "7 7");
                assert_eq!(format!("{future:?}"), "Acquire { done: false, .. }");
                drop(guard);
                let guard = poll(future.as_mut());
                assert!(guard.is_ready());
                assert_eq!(format!("{future:?}"), "Acquire { done: true, .. }");

                let lock = RwLock::<_>::new(7);
                let _two = (lock.read(), lock.read());
                let _upgradable = lock.upgradable_read();
                let mut future = pin!(lock.write_async());
                assert!(poll(future.as_mut()).is_pending());
                // SAFETY: the raw lock is only looked at.
                let raw = unsafe { lock.raw() };
                assert_eq!(
                    format!("{raw:?}"),
                    "RawRwLock { held: {Read: 2, Upgradable: 1, Write: 0}, waiting: 1 }"
                );
            }

            #[test]
            fn debug_of_locks_and_holds() {
                let lock = Arc::new(FifoLock::new(ReadWrite));
                let hold = lock.acquire(Access::Read);
                let owned = lock.acquire_owned(Access::Read);
                let mut future = pin!(lock.acquire_async(Access::Write));
                assert!(poll(future.as_mut()).is_pending());
                assert_eq!(
                    format!("{lock:?}"),
                    "FifoLock { held: {Read: 2, Write: 0}, waiting: 1 }"
                );
                assert_eq!(format!("{hold:?}"), "Hold { mode: Read, weight: 1 }");
                assert_eq!(format!("{owned:?}"), "OwnedHold { mode: Read, weight: 1 }");

                let permits = Arc::new(Semaphore::new(4));
                let some = permits.acquire_many(2).unwrap();
                let owned = permits.acquire_owned();
                let mut future = pin!(permits.acquire_many_async(4));
                assert!(poll(future.as_mut()).is_pending());
                assert_eq!(
                    format!("{permits:?}"),
                    "Semaphore { permits: 4, available: 1, waiting: 1 }"
                );
                assert_eq!(format!("{some:?}"), "Permit { count: 2, .. }");
                assert_eq!(format!("{owned:?}"), "OwnedPermit { count: 1, .. }");
            }
        }
    };
}

backend!(spin);
backend!(sync);
#[cfg(feature = "critical-section")]
backend!(critical);

// === Backends of one's own ===

/// Another crate's mutex guards the line, and blocked threads park at once.
struct Parking;

impl Backend for Parking {
    type Inner = RawMutexInner<parking_lot::RawMutex>;
    type Wait = ParkAtOnce;
}

struct ParkAtOnce;

impl Wait for ParkAtOnce {
    fn wait(turn: &impl Turn, limit: &impl Limit) -> bool {
        struct Unpark(Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        if !turn.announce(Waker::from(Arc::new(Unpark(thread::current())))) {
            return true;
        }
        loop {
            if turn.place() == Place::Over {
                return true;
            }
            match limit.left() {
                Left::Unlimited => thread::park(),
                Left::Time(left) => thread::park_timeout(left),
                Left::Nothing => return false,
            }
        }
    }
}

/// Spins, and counts how often it relaxes.
struct CountedRelax;

static RELAXED: AtomicUsize = AtomicUsize::new(0);

impl ::spin::relax::RelaxStrategy for CountedRelax {
    fn relax() {
        RELAXED.fetch_add(1, Ordering::Relaxed);
        thread::yield_now();
    }
}

type Relaxing = portunus::spin::Spinning<CountedRelax>;

/// Exclusion, order, time and tasks, on a backend.
fn works<B: Backend>() {
    // Nothing is lost.
    let mutex = lock_api::Mutex::<portunus::RawMutex<B>, _>::new(0);
    thread::scope(|scope| {
        for number in 0..4 {
            let mutex = &mutex;
            scope.spawn(move || {
                for _ in 0..1000 {
                    if number == 0 {
                        *smol::block_on(mutex.lock_async()) += 1;
                    } else {
                        *mutex.lock() += 1;
                    }
                }
            });
        }
    });
    assert_eq!(mutex.into_inner(), 4000);

    // Threads and a task are served in the order in which they came.
    let lock = portunus::FifoLock::<ReadWrite, B>::new(ReadWrite);
    let order = std::sync::Mutex::new(vec![]);
    thread::scope(|scope| {
        let hold = lock.acquire(Access::Write);
        for number in 0..4 {
            let (lock, order) = (&lock, &order);
            scope.spawn(move || {
                let hold = if number == 2 {
                    smol::block_on(lock.acquire_async(Access::Write))
                } else {
                    lock.acquire(Access::Write)
                };
                order.lock().unwrap().push(number);
                drop(hold);
            });
            until("it stands in line", || lock.waiting() == number + 1);
        }
        drop(hold);
    });
    assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3]);

    // A wait that ends leaves nothing behind.
    let hold = lock.acquire(Access::Read);
    let start = Instant::now();
    assert!(lock.acquire_for(Access::Write, A_MOMENT).is_none());
    assert!(start.elapsed() >= A_MOMENT, "it gave up early");
    assert_eq!(lock.waiting(), 0);
    assert!(lock.try_acquire(Access::Read).is_some());
    drop(hold);
    assert_eq!(format!("{lock:?}"), "FifoLock { held: {Read: 0, Write: 0}, waiting: 0 }");

    // So does one that is dropped, in line and after its turn has come.
    let permits = portunus::Semaphore::<B>::new(1);
    let permit = permits.acquire();
    {
        let mut first = pin!(Some(permits.acquire_async()));
        let mut second = pin!(permits.acquire_async());
        assert!(poll(first.as_mut().as_pin_mut().unwrap()).is_pending());
        assert!(poll(second.as_mut()).is_pending());
        drop(permit);
        first.set(None);
        assert!(poll(second.as_mut()).is_ready());
    }
    assert_eq!(permits.available_permits(), 1);
}

#[test]
fn a_backend_of_foreign_parts() {
    works::<Parking>();
}

#[test]
fn a_relax_strategy_of_ones_own() {
    works::<Relaxing>();

    let before = RELAXED.load(Ordering::Relaxed);
    let lock = portunus::FifoLock::<ReadWrite, Relaxing>::new(ReadWrite);
    thread::scope(|scope| {
        let hold = lock.acquire(Access::Write);
        scope.spawn(|| drop(lock.acquire(Access::Write)));
        until("the blocked thread relaxes", || {
            lock.waiting() == 1 && RELAXED.load(Ordering::Relaxed) > before
        });
        drop(hold);
    });
    assert!(!lock.is_locked());
}

/// An inner lock that counts how often it is taken, and of which `try_with`
/// always finds somebody inside.
struct Watched(SpinInner<::spin::relax::Spin>);

static TAKEN: AtomicUsize = AtomicUsize::new(0);

// SAFETY: `SpinInner` does it all; never to run a closure is allowed.
unsafe impl InnerLock for Watched {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Self = Self(SpinInner::INIT);

    fn with<T>(&self, f: impl FnOnce(&mut *const ()) -> T) -> T {
        TAKEN.fetch_add(1, Ordering::Relaxed);
        self.0.with(f)
    }

    fn try_with<T>(&self, _: impl FnOnce(&mut *const ()) -> T) -> Option<T> {
        None
    }

    fn is_clear(&self) -> bool {
        self.0.is_clear()
    }
}

struct WatchedBackend;

impl Backend for WatchedBackend {
    type Inner = Watched;
    type Wait = ParkAtOnce;
}

/// Who finds nobody in the way does not take the inner lock; and `Debug` does
/// not wait for it.
#[test]
fn the_inner_lock_is_for_the_line() {
    let lock = portunus::FifoLock::<ReadWrite, WatchedBackend>::new(ReadWrite);
    let mutex = lock_api::Mutex::<portunus::RawMutex<WatchedBackend>, _>::new(0);
    let permits = portunus::Semaphore::<WatchedBackend>::new(2);
    for _ in 0..3 {
        let mut hold = lock.acquire(Access::Write);
        hold.convert(Access::Read).unwrap();
        drop(lock.try_acquire(Access::Read).unwrap());
        assert!(lock.try_acquire(Access::Write).is_none());
        drop(hold);
        let mut future = pin!(lock.acquire_async(Access::Read));
        assert!(poll(future.as_mut()).is_ready());
        *mutex.lock() += 1;
        drop(permits.try_acquire_many(2).unwrap().unwrap());
        drop(permits.acquire());
    }
    assert_eq!(format!("{lock:?}"), "FifoLock { held: {Read: 0, Write: 0}, waiting: <locked> }");
    assert_eq!(format!("{permits:?}"), "Semaphore { permits: 2, available: 2, waiting: <locked> }");
    // SAFETY: the raw lock is only looked at.
    let raw = unsafe { mutex.raw() };
    assert_eq!(format!("{raw:?}"), "RawMutex { held: {Exclusive: 0}, waiting: <locked> }");
    assert_eq!(TAKEN.load(Ordering::Relaxed), 0, "the inner lock was taken");
    assert_eq!(lock.waiting(), 0);
    assert_eq!(TAKEN.load(Ordering::Relaxed), 1, "the inner lock is not watched");
}

// === A mutex that lingers ===

/// A mutex for the line that does something more when it has let others in.
struct Lingering(AtomicBool);

std::thread_local! {
    /// What somebody else does as soon as such a mutex is open, until it is done.
    static MEANWHILE: RefCell<Option<Box<dyn FnMut() -> bool>>> = const { RefCell::new(None) };
    /// Where the mutexes were that are gone.
    static GONE: RefCell<Vec<usize>> = const { RefCell::new(vec![]) };
    /// How many of them were gone before they were done.
    static TOO_EARLY: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: the flag lets one in, by an exchange that acquires and a store that
// releases.
unsafe impl lock_api::RawMutex for Lingering {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Self = Self(AtomicBool::new(false));
    type Guard = ();

    fn lock(&self) {
        while self.try_lock().is_none() {
            thread::yield_now();
        }
    }

    fn try_lock(&self) -> Option<()> {
        (!self.0.swap(true, Ordering::Acquire)).then_some(())
    }

    fn is_locked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    unsafe fn unlock(&self, (): ()) {
        let place = std::ptr::from_ref(self).addr();
        self.0.store(false, Ordering::Release);
        if let Some(mut meanwhile) = MEANWHILE.take()
            && !meanwhile()
        {
            MEANWHILE.set(Some(meanwhile));
        }
        let gone = GONE.with_borrow(|gone| gone.contains(&place));
        TOO_EARLY.set(TOO_EARLY.get() + usize::from(gone));
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        GONE.with_borrow_mut(|gone| gone.push(std::ptr::from_ref(self).addr()));
    }
}

struct Lingers;

impl Backend for Lingers {
    type Inner = RawMutexInner<Lingering>;
    type Wait = ParkAtOnce;
}

/// A task that has the last reference to its lock is notified, and drops it, at
/// the first moment at which it can.
#[test]
fn a_lock_is_not_freed_under_one_who_notifies() {
    static CHANGED: portunus::Condvar<Lingers> = portunus::Condvar::new();

    let mutex = Arc::new(lock_api::Mutex::<portunus::RawMutex<Lingers>, _>::new(7));
    let mut wait = Box::pin(CHANGED.wait_async(smol::block_on(mutex.lock_arc_async())));
    assert!(poll(wait.as_mut()).is_pending());
    let lock = Arc::downgrade(&mutex);
    drop(mutex);
    MEANWHILE.set(Some(Box::new(move || match poll(wait.as_mut()) {
        Poll::Ready(guard) => {
            assert_eq!(*guard, 7);
            drop(guard);
            true
        }
        Poll::Pending => false,
    })));
    assert!(CHANGED.notify_one());
    assert!(MEANWHILE.take().is_none(), "it could not have its lock");
    // The wait, which keeps the lock no more, went with the closure.
    assert_eq!(lock.strong_count(), 0);
    assert_eq!(TOO_EARLY.get(), 0, "an inner lock was freed by one it had let in");
}

/// Threads, and a task that keeps its lock alive, take turns.
fn conditions_work<B: Backend>() {
    const ROUNDS: u32 = 100;
    let mutex = Arc::new(lock_api::Mutex::<portunus::RawMutex<B>, _>::new(0));
    let changed = portunus::Condvar::<B>::new();
    thread::scope(|scope| {
        for party in 0..3 {
            let (mutex, changed) = (&mutex, &changed);
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    if party == 0 {
                        let waits = changed
                            .wait_while_async(smol::block_on(mutex.lock_arc_async()), |turn| {
                                *turn % 3 != 0
                            });
                        *smol::block_on(waits) += 1;
                    } else {
                        let mut turn = mutex.lock();
                        changed.wait_while(&mut turn, |turn| *turn % 3 != party);
                        *turn += 1;
                    }
                    changed.notify_all();
                }
            });
        }
    });
    assert_eq!(*mutex.lock(), 3 * ROUNDS);

    // One who has the lock at hand puts the waiters into its line.
    let mut guard = mutex.lock();
    assert!(changed.wait_for(&mut guard, A_MOMENT).timed_out());
    let mut wait = pin!(changed.wait_async(guard));
    assert!(poll(wait.as_mut()).is_pending());
    let guard = mutex.lock();
    assert!(changed.notify_one_inside(&guard));
    assert!(poll(wait.as_mut()).is_pending());
    // SAFETY: the raw lock is only looked at.
    assert_eq!(unsafe { mutex.raw() }.waiting(), 1);
    drop(guard);
    assert!(poll(wait.as_mut()).is_ready());
}

#[test]
fn conditions_on_foreign_parts() {
    conditions_work::<Parking>();
    conditions_work::<Lingers>();
    conditions_work::<Relaxing>();
}
