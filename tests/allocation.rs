//! No acquisition allocates: queued or not, blocking, timed or awaited, taken
//! back or converted. Only a thread that sleeps for the first time does.
//!
//! Allocations are counted for each thread on its own, so that what other
//! tests do at the same time does not count.

#![cfg(all(feature = "std", feature = "async"))]
#![allow(missing_docs)]
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]
#![allow(unsafe_code)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use portunus::future::{AcquireHold, AcquirePermit, Lock, Write};
use portunus::prelude::*;
use portunus::rules::{Access, ReadWrite};

use support::{Hand, ready, until};

// === Counting ===

struct Counting;

std::thread_local! {
    // Neither initialised lazily nor dropped: using it never allocates.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count_one() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

// SAFETY: every request goes to `System` as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_one();
        // SAFETY: by this function's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count_one();
        // SAFETY: by this function's contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count_one();
        // SAFETY: by this function's contract.
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: by this function's contract.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `f` allocates in this thread.
fn allocations<T>(f: impl FnOnce() -> T) -> (T, u64) {
    let before = ALLOCATIONS.get();
    let value = f();
    (value, ALLOCATIONS.get() - before)
}

/// Runs `f`, which must not allocate.
#[track_caller]
fn without_allocating<T>(what: &str, f: impl FnOnce() -> T) -> T {
    let (value, count) = allocations(f);
    assert_eq!(count, 0, "{what} has allocated");
    value
}

#[test]
fn the_counter_sees_allocations() {
    let (_, count) = allocations(|| black_box(Box::new(7)));
    assert_eq!(count, 1);
    let (_, count) = allocations(|| {
        let mut numbers = black_box(vec![0_u8; 4]);
        numbers.reserve_exact(1000);
        black_box(numbers)
    });
    assert!(count >= 2, "a list that has grown counts as {count}");
    let elsewhere = thread::spawn(|| allocations(|| black_box(Box::new(7))).1);
    let (elsewhere, count) = allocations(move || {
        until("the other thread has allocated", || elsewhere.is_finished());
        elsewhere
    });
    assert_eq!(count, 0, "another thread's allocation counts here");
    assert_eq!(elsewhere.join().unwrap(), 1);
}

// === Helpers ===

/// A waker that wakes nobody and is yet somebody's.
fn waker() -> Waker {
    Hand::new().waker().clone()
}

fn poll<F: Future>(future: &mut Pin<Box<F>>, waker: &Waker) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(waker))
}

// === What all locks have ===

/// A lock that is held by one at a time.
trait Face: Sync + Sized {
    type Guard<'a>
    where
        Self: 'a;
    type Future<'a>: Future<Output = Self::Guard<'a>>
    where
        Self: 'a;

    fn unlocked() -> Self;
    fn enter(&self) -> Self::Guard<'_>;
    fn try_enter(&self) -> Option<Self::Guard<'_>>;
    fn enter_for(&self, timeout: Duration) -> Option<Self::Guard<'_>>;
    fn enter_async(&self) -> Self::Future<'_>;
    fn waiting(&self) -> usize;
}

/// Longer than a blocked thread stays awake.
const A_WHILE: Duration = Duration::from_millis(30);

fn uncontended<F: Face>() {
    let lock = F::unlocked();
    let waker = waker();
    without_allocating("blocking", || drop(lock.enter()));
    without_allocating("trying", || drop(lock.try_enter().unwrap()));
    without_allocating("blocking for no time", || {
        drop(lock.enter_for(Duration::ZERO).unwrap());
    });
    without_allocating("blocking for long", || drop(lock.enter_for(Duration::MAX).unwrap()));
    without_allocating("awaiting", || {
        let mut future = pin!(lock.enter_async());
        drop(ready(future.as_mut().poll(&mut Context::from_waker(&waker))));
    });
    without_allocating("not polling", || drop(lock.enter_async()));
}

fn refused<F: Face>() {
    let lock = F::unlocked();
    let guard = lock.enter();
    without_allocating("trying in vain", || assert!(lock.try_enter().is_none()));
    let waker = waker();
    without_allocating("awaiting in vain", || {
        let mut future = pin!(lock.enter_async());
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(lock.waiting(), 1);
    });
    assert_eq!(lock.waiting(), 0);
    drop(guard);
}

/// Queued futures: served, polled by another task, taken back at every point.
fn queued<F: Face>() {
    let lock = F::unlocked();
    let wakers = [waker(), waker(), waker(), waker()];
    let [mut a, mut b, mut c, mut d] = [(); 4].map(|()| Box::pin(lock.enter_async()));
    without_allocating("standing in line", || {
        let guard = lock.enter();
        assert!(poll(&mut a, &wakers[0]).is_pending());
        assert!(poll(&mut b, &wakers[1]).is_pending());
        assert!(poll(&mut c, &wakers[2]).is_pending());
        assert!(poll(&mut d, &wakers[3]).is_pending());
        // Again, and from another task.
        assert!(poll(&mut c, &wakers[2]).is_pending());
        assert!(poll(&mut c, &wakers[1]).is_pending());
        assert_eq!(lock.waiting(), 4);
        // In line, not first; then first.
        drop(b);
        assert_eq!(lock.waiting(), 3);
        drop(guard);
        // Granted and not picked up.
        drop(a);
        let guard = ready(poll(&mut c, &wakers[1]));
        assert_eq!(lock.waiting(), 1);
        drop(d);
        assert_eq!(lock.waiting(), 0);
        drop(guard);
        drop(lock.try_enter().unwrap());
    });
}

/// Futures of one task trade a grant.
fn traded<F: Face>() {
    let lock = F::unlocked();
    let (task, other) = (waker(), waker());
    let [mut a, mut b, mut c] = [(); 3].map(|()| Box::pin(lock.enter_async()));
    without_allocating("trading", || {
        let guard = lock.enter();
        assert!(poll(&mut a, &task).is_pending());
        assert!(poll(&mut c, &other).is_pending());
        drop(guard);
        let guard = ready(poll(&mut b, &task));
        assert!(poll(&mut a, &task).is_pending());
        drop(guard);
        drop(ready(poll(&mut c, &other)));
        drop(ready(poll(&mut a, &task)));
    });
}

/// A thread that sleeps: until its time is over, and until it is woken.
fn asleep<F: Face>() {
    let lock = F::unlocked();
    let guard = lock.enter();
    let last = AtomicBool::new(false);
    thread::scope(|scope| {
        let sleeper = scope.spawn(|| {
            // The first sleep of a thread makes its bed.
            assert!(lock.enter_for(A_WHILE).is_none());
            let (entered, timed) = allocations(|| lock.enter_for(A_WHILE).is_some());
            assert!(!entered);
            last.store(true, Ordering::Release);
            let ((), blocking) = allocations(|| drop(lock.enter()));
            (timed, blocking)
        });
        until("the thread waits for the last time", || {
            sleeper.is_finished() || last.load(Ordering::Acquire) && lock.waiting() == 1
        });
        // Behind it in line, so that it has the time to fall asleep.
        assert!(lock.enter_for(A_WHILE).is_none());
        without_allocating("waking a thread", || drop(guard));
        let (timed, blocking) = sleeper.join().unwrap();
        assert_eq!(timed, 0, "a timed wait has allocated");
        assert_eq!(blocking, 0, "a blocking wait has allocated");
    });
}

macro_rules! backend {
    ($backend:ident, $type:ty) => {
        mod $backend {
            use super::*;
            use portunus::$backend::*;

            impl Face for FifoLock<ReadWrite> {
                type Guard<'a> = Hold<'a, ReadWrite>;
                type Future<'a> = AcquireHold<'a, ReadWrite, $type>;

                fn unlocked() -> Self {
                    Self::new(ReadWrite)
                }

                fn enter(&self) -> Self::Guard<'_> {
                    self.acquire(Access::Write)
                }

                fn try_enter(&self) -> Option<Self::Guard<'_>> {
                    self.try_acquire(Access::Write)
                }

                fn enter_for(&self, timeout: Duration) -> Option<Self::Guard<'_>> {
                    self.acquire_for(Access::Write, timeout)
                }

                fn enter_async(&self) -> Self::Future<'_> {
                    self.acquire_async(Access::Write)
                }

                fn waiting(&self) -> usize {
                    self.waiting()
                }
            }

            impl Face for Mutex<u64> {
                type Guard<'a> = MutexGuard<'a, u64>;
                type Future<'a> = Lock<'a, RawMutex, u64>;

                fn unlocked() -> Self {
                    Self::new(0)
                }

                fn enter(&self) -> Self::Guard<'_> {
                    self.lock()
                }

                fn try_enter(&self) -> Option<Self::Guard<'_>> {
                    self.try_lock()
                }

                fn enter_for(&self, timeout: Duration) -> Option<Self::Guard<'_>> {
                    self.try_lock_for(timeout)
                }

                fn enter_async(&self) -> Self::Future<'_> {
                    self.lock_async()
                }

                fn waiting(&self) -> usize {
                    // SAFETY: it is only looked at.
                    unsafe { self.raw() }.waiting()
                }
            }

            impl Face for RwLock<u64> {
                type Guard<'a> = RwLockWriteGuard<'a, u64>;
                type Future<'a> = Write<'a, RawRwLock, u64>;

                fn unlocked() -> Self {
                    Self::new(0)
                }

                fn enter(&self) -> Self::Guard<'_> {
                    self.write()
                }

                fn try_enter(&self) -> Option<Self::Guard<'_>> {
                    self.try_write()
                }

                fn enter_for(&self, timeout: Duration) -> Option<Self::Guard<'_>> {
                    self.try_write_for(timeout)
                }

                fn enter_async(&self) -> Self::Future<'_> {
                    self.write_async()
                }

                fn waiting(&self) -> usize {
                    // SAFETY: it is only looked at.
                    unsafe { self.raw() }.waiting()
                }
            }

            impl Face for Semaphore {
                type Guard<'a> = Permit<'a>;
                type Future<'a> = AcquirePermit<'a, $type>;

                fn unlocked() -> Self {
                    Self::new(1)
                }

                fn enter(&self) -> Self::Guard<'_> {
                    self.acquire()
                }

                fn try_enter(&self) -> Option<Self::Guard<'_>> {
                    self.try_acquire()
                }

                fn enter_for(&self, timeout: Duration) -> Option<Self::Guard<'_>> {
                    self.acquire_for(timeout)
                }

                fn enter_async(&self) -> Self::Future<'_> {
                    self.acquire_async()
                }

                fn waiting(&self) -> usize {
                    self.waiting()
                }
            }

            backend! { tests
                fifo_lock: FifoLock<ReadWrite>;
                mutex: Mutex<u64>;
                rwlock: RwLock<u64>;
                semaphore: Semaphore;
            }

            /// More readers at once than one batch of wake-ups has room for.
            #[test]
            fn many_readers() {
                let lock = RwLock::<u64>::new(0);
                let wakers: Vec<_> = (0..40).map(|_| waker()).collect();
                let mut readers: Vec<_> =
                    wakers.iter().map(|_| Box::pin(lock.read_async())).collect();
                without_allocating("letting many in", || {
                    let guard = lock.write();
                    for (reader, waker) in readers.iter_mut().zip(&wakers) {
                        assert!(poll(reader, waker).is_pending());
                    }
                    drop(guard);
                    for (reader, waker) in readers.iter_mut().zip(&wakers) {
                        drop(ready(poll(reader, waker)));
                    }
                    assert!(!lock.is_locked());
                });
            }

            /// Requests of several units.
            #[test]
            fn weights() {
                let permits = Semaphore::new(5);
                let waker = waker();
                let mut queued = Box::pin(permits.acquire_many_async(4));
                let mut too_many = Box::pin(permits.acquire_many_async(6));
                without_allocating("taking several permits", || {
                    let mut some = permits.acquire_many(3).unwrap();
                    assert!(poll(&mut queued, &waker).is_pending());
                    assert!(permits.try_acquire_many(2).unwrap().is_none());
                    assert!(permits.acquire_many(6).is_err());
                    drop(some.split(2));
                    drop(ready(poll(&mut queued, &waker)).unwrap());
                    assert!(ready(poll(&mut too_many, &waker)).is_err());
                    drop(some);
                    assert_eq!(permits.available_permits(), 5);
                });
            }

            /// Conversions: at once, in line, refused, and taken back.
            #[test]
            fn conversions() {
                let lock = FifoLock::new(ReadWrite);
                let waker = waker();
                without_allocating("converting", || {
                    let mut hold = lock.acquire(Access::Read);
                    assert!(hold.try_convert(Access::Write));
                    hold.convert(Access::Read).unwrap();
                    let mut other = lock.acquire(Access::Read);

                    let mut first = pin!(Some(hold.convert_async(Access::Write)));
                    let mut cx = Context::from_waker(&waker);
                    assert!(first.as_mut().as_pin_mut().unwrap().poll(&mut cx).is_pending());
                    assert_eq!(lock.waiting(), 1);
                    assert!(other.convert(Access::Write).is_err());
                    first.set(None);
                    assert_eq!(lock.waiting(), 0);
                    other.convert(Access::Write).unwrap();
                });
                assert!(!lock.is_locked());
            }

            /// What keeps its lock alive.
            #[test]
            fn owned() {
                let fifo = Arc::new(FifoLock::new(ReadWrite));
                let mutex = Arc::new(Mutex::new(0));
                let rwlock = Arc::new(RwLock::<u64>::new(0));
                let permits = Arc::new(Semaphore::new(1));
                let waker = waker();
                without_allocating("owning", || {
                    drop(fifo.acquire_owned(Access::Write));
                    drop(fifo.try_acquire_owned(Access::Write).unwrap());
                    drop(mutex.lock_arc());
                    drop(rwlock.read_arc());
                    drop(rwlock.write_arc());
                    drop(permits.acquire_owned());
                    drop(permits.try_acquire_owned().unwrap());

                    let mut cx = Context::from_waker(&waker);
                    let mut hold = pin!(fifo.acquire_owned_async(Access::Write));
                    drop(ready(hold.as_mut().poll(&mut cx)));
                    let mut guard = pin!(mutex.lock_arc_async());
                    drop(ready(guard.as_mut().poll(&mut cx)));
                    let mut reading = pin!(rwlock.read_arc_async());
                    drop(ready(reading.as_mut().poll(&mut cx)));
                    let mut writing = pin!(rwlock.write_arc_async());
                    drop(ready(writing.as_mut().poll(&mut cx)));
                    let mut permit = pin!(permits.acquire_owned_async());
                    drop(ready(permit.as_mut().poll(&mut cx)));
                });
            }
        }
    };
    (tests $($name:ident: $lock:ty;)+) => {$(
        mod $name {
            use super::*;

            #[test]
            fn uncontended() {
                super::super::uncontended::<$lock>();
            }

            #[test]
            fn refused() {
                super::super::refused::<$lock>();
            }

            #[test]
            fn queued() {
                super::super::queued::<$lock>();
            }

            #[test]
            fn traded() {
                super::super::traded::<$lock>();
            }

            #[test]
            fn asleep() {
                super::super::asleep::<$lock>();
            }
        }
    )+};
}

backend!(spin, portunus::spin::Spinning);
backend!(sync, portunus::sync::Threads);
#[cfg(feature = "critical-section")]
backend!(critical, portunus::critical::Critical);
