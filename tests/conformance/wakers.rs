//! Wakers that use the lock they wait for, and wakers of unusual make.

#![allow(unsafe_code)]

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{RawWaker, RawWakerVTable, Waker};

use portunus::{Backend, FifoLock};

use crate::rules::Access::{Read, Write};
use crate::rules::Sole::Exclusive;
use crate::rules::{OneAtATime, ReadWrite};
use crate::support::{poll_by, ready, watched};

/// A waker that looks at the lock whenever it is cloned, called or dropped.
struct Nosy {
    look: Box<dyn Fn() + Send + Sync>,
    clones: AtomicUsize,
    calls: AtomicUsize,
    drops: AtomicUsize,
}

static NOSY: RawWakerVTable =
    RawWakerVTable::new(nosy_clone, nosy_wake, nosy_wake_by_ref, nosy_drop);

impl Nosy {
    fn new(look: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            look: Box::new(look),
            clones: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            drops: AtomicUsize::new(0),
        })
    }

    fn waker(self: &Arc<Self>) -> Waker {
        let data = Arc::into_raw(Arc::clone(self));
        // SAFETY: the functions of the table take what `into_raw` gave, a
        // count of which each waker owns; they may run in every thread.
        unsafe { Waker::new(data.cast(), &NOSY) }
    }

    fn counts(&self) -> (usize, usize, usize) {
        let count = |number: &AtomicUsize| number.load(Ordering::SeqCst);
        (count(&self.clones), count(&self.calls), count(&self.drops))
    }
}

unsafe fn nosy_clone(data: *const ()) -> RawWaker {
    // SAFETY: the waker that is cloned keeps it alive.
    let nosy = unsafe { &*data.cast::<Nosy>() };
    nosy.clones.fetch_add(1, Ordering::SeqCst);
    (nosy.look)();
    // SAFETY: as above; the clone owns the count.
    unsafe { Arc::increment_strong_count(data.cast::<Nosy>()) };
    RawWaker::new(data, &NOSY)
}

unsafe fn nosy_wake(data: *const ()) {
    // SAFETY: the waker owned a count, and is consumed.
    let nosy = unsafe { Arc::from_raw(data.cast::<Nosy>()) };
    nosy.calls.fetch_add(1, Ordering::SeqCst);
    (nosy.look)();
}

unsafe fn nosy_wake_by_ref(data: *const ()) {
    // SAFETY: the waker that is called keeps it alive.
    let nosy = unsafe { &*data.cast::<Nosy>() };
    nosy.calls.fetch_add(1, Ordering::SeqCst);
    (nosy.look)();
}

unsafe fn nosy_drop(data: *const ()) {
    // SAFETY: the waker owned a count, and is gone.
    let nosy = unsafe { Arc::from_raw(data.cast::<Nosy>()) };
    nosy.drops.fetch_add(1, Ordering::SeqCst);
    (nosy.look)();
}

/// Cloned, called and dropped on every way through the lock, a waker may use
/// the lock: it is never touched while the line is guarded.
fn a_waker_may_use_its_lock<B: Backend>() {
    watched("wakers that use their lock", || {
        let lock = Arc::new(FifoLock::<ReadWrite, B>::new(ReadWrite));
        let nosy = || {
            let lock = Arc::clone(&lock);
            Nosy::new(move || {
                let text = format!("{lock:?}");
                assert!(!text.contains("<locked>"), "under the inner lock: {text}");
                let waiting = lock.waiting();
                if let Some(hold) = lock.try_acquire(Read) {
                    assert!(lock.waiting() <= waiting);
                    drop(hold);
                }
                drop(lock.try_acquire(Write));
            })
        };
        let (one, other) = (nosy(), nosy());
        let (waker, stranger) = (one.waker(), other.waker());

        // Queued, polled again, polled with another waker, granted.
        let hold = lock.acquire(Write);
        let mut a = Box::pin(lock.acquire_async(Write));
        assert!(poll_by(&waker, &mut a).is_pending());
        assert!(poll_by(&waker, &mut a).is_pending());
        assert!(poll_by(&stranger, &mut a).is_pending());
        assert_eq!((one.counts().2, other.counts().2), (1, 0));
        // Queued and dropped, behind it and before another.
        let mut b = Box::pin(lock.acquire_async(Read));
        let mut c = Box::pin(lock.acquire_async(Read));
        assert!(poll_by(&waker, &mut b).is_pending());
        assert!(poll_by(&waker, &mut c).is_pending());
        drop(b);
        drop(hold);
        assert_eq!(other.counts().1, 1);
        drop(ready(poll_by(&stranger, &mut a)));
        // Granted and dropped.
        assert_eq!(one.counts().1, 1);
        drop(c);

        // A trade, and an eviction.
        let hold = lock.acquire(Write);
        let mut a = Box::pin(lock.acquire_async(Read));
        let mut b = Box::pin(lock.acquire_async(Write));
        let mut c = Box::pin(lock.acquire_async(Read));
        assert!(poll_by(&waker, &mut a).is_pending());
        assert!(poll_by(&waker, &mut b).is_pending());
        drop(hold);
        let hold = ready(poll_by(&waker, &mut b));
        assert!(poll_by(&stranger, &mut c).is_pending());
        drop(hold);
        let mut b = Box::pin(lock.acquire_async(Write));
        assert!(poll_by(&waker, &mut b).is_pending());
        drop(ready(poll_by(&stranger, &mut c)));
        drop(ready(poll_by(&waker, &mut b)));
        drop(ready(poll_by(&waker, &mut a)));

        // First polled when it is free again: cloned for nothing, or not.
        drop(ready(poll_by(&waker, &mut Box::pin(lock.acquire_async(Write)))));

        drop((waker, stranger));
        for nosy in [&one, &other] {
            let (clones, calls, drops) = nosy.counts();
            assert!(clones > 0 && calls > 0 && drops > 0);
            assert_eq!(Arc::strong_count(nosy), 1);
            // Each copy, and the first one, was called or dropped once.
            assert_eq!(clones + 1, calls + drops);
        }
        assert_eq!((lock.is_locked(), lock.waiting()), (false, 0));
    });
}

/// The table of the waker with which an executor polls, and that of its
/// copies: the same functions at another address.
static FIRST: RawWakerVTable = RawWakerVTable::new(plain_clone, plain_wake, plain_wake, plain_drop);
static COPY: RawWakerVTable = RawWakerVTable::new(plain_clone, plain_wake, plain_wake, plain_drop);

unsafe fn plain_clone(data: *const ()) -> RawWaker {
    RawWaker::new(data, &COPY)
}

unsafe fn plain_wake(data: *const ()) {
    // SAFETY: every such waker is made of a counter that lives for ever.
    unsafe { &*data.cast::<AtomicUsize>() }.fetch_add(1, Ordering::SeqCst);
}

unsafe fn plain_drop(_: *const ()) {}

/// An executor may poll with a waker that is not quite what it clones to. Two
/// requests polled with that very waker are one task's all the same.
fn copies_are_compared_with_copies<B: Backend>() {
    assert!(!ptr::eq(&FIRST, &COPY));
    let wakes: &'static AtomicUsize = kept(Box::new(AtomicUsize::new(0)));
    // SAFETY: the functions of the table take a counter that lives for ever.
    let waker = unsafe { Waker::new(ptr::from_ref(wakes).cast(), &FIRST) };
    let lock = FifoLock::<_, B>::new(OneAtATime);
    let hold = lock.acquire(Exclusive);
    let mut a = Box::pin(lock.acquire_async(Exclusive));
    let mut b = Box::pin(lock.acquire_async(Exclusive));
    assert!(poll_by(&waker, &mut a).is_pending());
    assert!(poll_by(&waker, &mut b).is_pending());
    drop(hold);
    assert_eq!(wakes.load(Ordering::SeqCst), 1);
    drop(ready(poll_by(&waker, &mut b)));
    drop(ready(poll_by(&waker, &mut a)));
    assert_eq!((lock.is_locked(), lock.waiting()), (false, 0));
}

/// Wakers of one task, each with a place of its own in a table; a copy takes
/// the first that is free, so that addresses come back soon.
struct Place {
    used: AtomicBool,
    home: OnceLock<&'static [Place]>,
}

static PLACES: RawWakerVTable = RawWakerVTable::new(place_clone, place_leave, |_| (), place_leave);

/// Keeps something for ever, where a search for leaks finds it.
fn kept<T: ?Sized + Send + Sync>(thing: Box<T>) -> &'static T
where
    &'static T: Into<Kept>,
{
    static ALL: Mutex<Vec<Kept>> = Mutex::new(Vec::new());
    let thing: &'static T = Box::leak(thing);
    ALL.lock().unwrap_or_else(PoisonError::into_inner).push(thing.into());
    thing
}

/// What is kept.
#[allow(dead_code, reason = "it is there to be pointed at")]
enum Kept {
    Count(&'static AtomicUsize),
    Places(&'static [Place]),
}

impl From<&'static AtomicUsize> for Kept {
    fn from(count: &'static AtomicUsize) -> Self {
        Self::Count(count)
    }
}

impl From<&'static [Place]> for Kept {
    fn from(places: &'static [Place]) -> Self {
        Self::Places(places)
    }
}

fn places() -> &'static [Place] {
    let place = |_| Place { used: AtomicBool::new(false), home: OnceLock::new() };
    let table: Box<[Place]> = (0..8).map(place).collect();
    let home: &'static [Place] = kept(table);
    for place in home {
        assert!(place.home.set(home).is_ok());
    }
    home
}

fn take_place(home: &'static [Place]) -> RawWaker {
    let free = home.iter().find(|place| !place.used.swap(true, Ordering::SeqCst));
    RawWaker::new(ptr::from_ref(free.expect("there are enough")).cast(), &PLACES)
}

unsafe fn place_clone(data: *const ()) -> RawWaker {
    // SAFETY: the table lives for ever.
    let place = unsafe { &*data.cast::<Place>() };
    take_place(place.home.get().expect("every place knows its table"))
}

unsafe fn place_leave(data: *const ()) {
    // SAFETY: as above.
    let place = unsafe { &*data.cast::<Place>() };
    assert!(place.used.swap(false, Ordering::SeqCst), "a waker was dropped twice");
}

/// A copy has an address of its own, and that of a waker that is gone comes
/// back: whatever the lock takes for one task's, no waker is dropped twice,
/// and none is lost.
fn wakers_with_addresses_of_their_own<B: Backend>() {
    let home = places();
    let used = || home.iter().filter(|place| place.used.load(Ordering::SeqCst)).count();
    // SAFETY: the functions of the table take places, which live for ever.
    let first = unsafe { Waker::from_raw(take_place(home)) };
    let lock = FifoLock::<_, B>::new(OneAtATime);
    let hold = lock.acquire(Exclusive);
    let mut a = Box::pin(lock.acquire_async(Exclusive));
    assert!(poll_by(&first, &mut a).is_pending());
    assert_eq!(used(), 2);
    drop(hold);
    // The copy was called. Its address is the next one's.
    assert_eq!(used(), 1);
    let second = first.clone();
    let mut b = Box::pin(lock.acquire_async(Exclusive));
    // It may enter in A's place, or wait.
    let polled = poll_by(&second, &mut b);
    drop(polled);
    drop(b);
    drop(ready(poll_by(&first, &mut a)));
    drop(a);
    assert_eq!((lock.is_locked(), lock.waiting(), used()), (false, 0, 2));
    drop(second);
    assert_eq!(used(), 1);
    drop(first);
    assert_eq!(used(), 0);
}

on_backends!(
    a_waker_may_use_its_lock,
    copies_are_compared_with_copies,
    wakers_with_addresses_of_their_own,
);
