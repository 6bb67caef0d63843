//! Panics: in the user's rule, in a waker, under a guard. The lock stays
//! usable, and nobody stays behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use lock_api::MutexGuard;
use portunus::prelude::*;
use portunus::{Backend, Fair, FifoLock, Held, Hold, Rules, Semaphore};

use crate::rules::Access::{Read, Write};
use crate::rules::ReadWrite;
use crate::subject::{Mutex, RwLock, lined_up};
use crate::support::{Hand, panic_of, panics, poll_by, ready, until, watched};

portunus::modes! {
    /// The modes of [`Moody`].
    pub(crate) enum Mood {
        Calm,
        Touchy,
    }
}
use Mood::{Calm, Touchy};

/// A mutex whose rule panics over a touchy request while it is angry.
#[derive(Default)]
struct Moody {
    angry: AtomicBool,
}

const ANGRY: &str = "the rule is angry";

impl Moody {
    fn set_angry(&self, angry: bool) {
        self.angry.store(angry, Ordering::SeqCst);
    }
}

impl Rules for Moody {
    type Mode = Mood;

    fn admits(&self, mood: Mood, held: &Held<Mood>) -> bool {
        assert!(mood == Calm || !self.angry.load(Ordering::SeqCst), "{ANGRY}");
        held.is_empty()
    }
}

/// How the hold that is released has entered: a release that may expect
/// somebody to wait is done another way.
fn entered<B: Backend>(lock: &FifoLock<Moody, B>, through_the_line: bool) -> Hold<'_, Moody, B> {
    let hold = lock.acquire(Calm);
    if !through_the_line {
        return hold;
    }
    let hand = Hand::new();
    let mut future = Box::pin(lock.acquire_async(Calm));
    assert!(hand.poll(&mut future).is_pending());
    drop(hold);
    ready(hand.poll(&mut future))
}

fn counts<B: Backend>(lock: &FifoLock<Moody, B>) -> (usize, usize, usize) {
    (lock.holders(Calm), lock.holders(Touchy), lock.waiting())
}

/// Nothing was taken, nobody stands in line.
fn the_rule_panics_at_the_door<B: Backend>() {
    let lock = FifoLock::<Moody, B>::default();
    let hand = Hand::new();
    lock.rules().set_angry(true);
    assert_eq!(panic_of(|| lock.try_acquire(Touchy).is_some()), ANGRY);
    assert_eq!(panic_of(|| drop(lock.acquire(Touchy))), ANGRY);
    let mut future = Box::pin(lock.acquire_async(Touchy));
    assert_eq!(panic_of(|| hand.poll(&mut future).is_ready()), ANGRY);
    assert_eq!(counts(&lock), (0, 0, 0));
    let mut hold = lock.acquire(Calm);
    assert_eq!(panic_of(|| hold.try_convert(Touchy)), ANGRY);
    assert_eq!(panic_of(|| hold.convert(Touchy).is_ok()), ANGRY);
    assert_eq!((hold.mode(), counts(&lock)), (Calm, (1, 0, 0)));
    drop(hold);
    // The same future asks anew.
    lock.rules().set_angry(false);
    drop(ready(hand.poll(&mut future)));
    assert_eq!((counts(&lock), hand.kept()), ((0, 0, 0), 0));
}

/// Judged in the call of one who leaves: that one sees the panic, and has
/// left. The judged request is out of the line; its owner gets the panic when
/// it asks anew, and has let those behind it in.
fn the_rule_panics_in_anothers_release<B: Backend>() {
    for through_the_line in [false, true] {
        let lock = FifoLock::<Moody, B>::default();
        let (owner, behind) = (Hand::new(), Hand::new());
        let hold = entered(&lock, through_the_line);
        let [mut touchy, mut calm] = lined_up(&lock, [(&owner, Touchy), (&behind, Calm)]);
        lock.rules().set_angry(true);
        assert_eq!(panic_of(|| drop(hold)), ANGRY);
        assert_eq!((owner.wakes(), counts(&lock)), (1, (0, 0, 1)));
        assert_eq!(panic_of(|| owner.poll(&mut touchy).is_ready()), ANGRY);
        assert_eq!((behind.wakes(), counts(&lock)), (1, (1, 0, 0)));
        drop(ready(behind.poll(&mut calm)));
        lock.rules().set_angry(false);
        drop(ready(owner.poll(&mut touchy)));
        assert_eq!((counts(&lock), owner.kept(), behind.kept()), ((0, 0, 0), 0, 0));
    }
}

/// Dropped instead of polled, the judged request lets those behind it in.
fn the_judged_request_is_dropped<B: Backend>() {
    let lock = FifoLock::<Moody, B>::default();
    let (owner, behind) = (Hand::new(), Hand::new());
    let hold = lock.acquire(Calm);
    let [touchy, mut calm] = lined_up(&lock, [(&owner, Touchy), (&behind, Calm)]);
    lock.rules().set_angry(true);
    assert_eq!(panic_of(|| drop(hold)), ANGRY);
    assert_eq!(behind.wakes(), 0);
    drop(touchy);
    assert_eq!(behind.wakes(), 1);
    drop(ready(behind.poll(&mut calm)));
    assert_eq!((counts(&lock), owner.kept(), behind.kept()), ((0, 0, 0), 0, 0));
}

/// The owner is a blocked thread: it wakes, and panics in its own call.
fn the_judged_request_is_a_threads<B: Backend>() {
    watched("the thread ends, and the next one enters", || {
        let lock = Arc::new(FifoLock::<Moody, B>::default());
        let behind = Hand::new();
        let hold = lock.acquire(Calm);
        let owner = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || panic_of(|| drop(lock.acquire(Touchy))))
        };
        until("the thread waits", || lock.waiting() == 1);
        let mut calm = Box::pin(lock.acquire_async(Calm));
        assert!(behind.poll(&mut calm).is_pending());
        lock.rules().set_angry(true);
        assert_eq!(panic_of(|| drop(hold)), ANGRY);
        assert_eq!(owner.join().expect("it catches its panic"), ANGRY);
        assert_eq!((behind.wakes(), counts(&lock)), (1, (1, 0, 0)));
        drop(ready(behind.poll(&mut calm)));
        assert_eq!(counts(&lock), (0, 0, 0));
    });
}

/// Judged in the call of one who gives up: the same.
fn the_rule_panics_in_anothers_cancellation<B: Backend>() {
    let lock = FifoLock::<Moody, B>::default();
    let (head, owner, behind) = (Hand::new(), Hand::new(), Hand::new());
    let hold = lock.acquire(Calm);
    let [granted, touchy, mut calm] =
        lined_up(&lock, [(&head, Calm), (&owner, Touchy), (&behind, Calm)]);
    drop(hold);
    lock.rules().set_angry(true);
    assert_eq!(panic_of(|| drop(granted)), ANGRY);
    assert_eq!((owner.wakes(), behind.wakes(), counts(&lock)), (1, 0, (0, 0, 1)));
    drop(touchy);
    drop(ready(behind.poll(&mut calm)));
    assert_eq!(counts(&lock), (0, 0, 0));
}

/// While one panic unwinds, nobody else is judged; each judged request in turn
/// hands the task of going on to the next.
fn one_panic_at_a_time<B: Backend>() {
    let lock = FifoLock::<Moody, B>::default();
    let (one, other, behind) = (Hand::new(), Hand::new(), Hand::new());
    let hold = lock.acquire(Calm);
    let [first, second, mut calm] =
        lined_up(&lock, [(&one, Touchy), (&other, Touchy), (&behind, Calm)]);
    lock.rules().set_angry(true);
    assert_eq!(panic_of(|| drop(hold)), ANGRY);
    assert_eq!((one.wakes(), other.wakes(), behind.wakes()), (1, 0, 0));
    assert_eq!(counts(&lock), (0, 0, 2));
    assert_eq!(panic_of(|| drop(first)), ANGRY);
    assert_eq!((other.wakes(), behind.wakes()), (1, 0));
    drop(second);
    drop(ready(behind.poll(&mut calm)));
    assert_eq!(counts(&lock), (0, 0, 0));
}

/// Forty are let in by one release. Wherever among them the waker is that
/// panics, all others are woken.
fn a_waker_panics<B: Backend>() {
    for bomb in [0, 3, 15, 16, 20, 31, 32, 39] {
        let lock = FifoLock::<_, B>::new(ReadWrite);
        let hold = lock.acquire(Write);
        let hands: Vec<_> = (0..40).map(|_| Hand::new()).collect();
        let bombs = panics();
        let mut readers: Vec<_> = hands
            .iter()
            .enumerate()
            .map(|(index, hand)| {
                let mut reader = Box::pin(lock.acquire_async(Read));
                let waker = if index == bomb { &bombs } else { hand.waker() };
                assert!(poll_by(waker, &mut reader).is_pending());
                reader
            })
            .collect();
        assert_eq!(panic_of(|| drop(hold)), "a waker panics");
        assert_eq!((lock.holders(Read), lock.waiting()), (40, 0), "with the bomb at {bomb}");
        for (index, hand) in hands.iter().enumerate() {
            assert_eq!(hand.wakes(), usize::from(index != bomb), "{index}, the bomb at {bomb}");
        }
        let holds: Vec<_> =
            hands.iter().zip(&mut readers).map(|(hand, reader)| ready(hand.poll(reader))).collect();
        drop(holds);
        drop(lock.try_acquire(Write).expect("all have left"));
    }
}

/// A waker that panics while its own request is given up, or traded, costs
/// nobody else a turn.
fn a_waker_panics_in_a_cancellation<B: Backend>() {
    let lock = FifoLock::<_, B>::new(ReadWrite);
    let (hand, bombs) = (Hand::new(), panics());
    let hold = lock.acquire(Read);
    let mut writer = Box::pin(lock.acquire_async(Write));
    let mut doomed = Box::pin(lock.acquire_async(Read));
    let mut reader = Box::pin(lock.acquire_async(Read));
    assert!(hand.poll(&mut writer).is_pending());
    assert!(poll_by(&bombs, &mut doomed).is_pending());
    assert!(hand.poll(&mut reader).is_pending());
    assert_eq!(panic_of(|| drop(writer)), "a waker panics");
    assert_eq!((lock.holders(Read), lock.waiting(), hand.wakes()), (3, 0, 1));
    drop(ready(hand.poll(&mut reader)));
    drop(doomed);
    drop(hold);
    assert!(!lock.is_locked());
}

/// A panic under a guard, blocking or awaited, releases; nothing is poisoned.
fn a_panic_under_a_guard_releases<B: Backend>() {
    /// Panics with the guard in hand.
    fn fail<T>(guard: T) {
        let _guard = guard;
        panic!("under the guard");
    }
    let check = |panic: String| assert!(panic.contains("under the guard"), "{panic}");
    let hand = Hand::new();

    let lock = Arc::new(FifoLock::<_, B>::new(ReadWrite));
    check(panic_of(|| fail(lock.acquire(Write))));
    check(panic_of(|| fail(lock.acquire_owned(Write))));
    check(panic_of(|| fail(ready(hand.poll(&mut Box::pin(lock.acquire_async(Write)))))));
    drop(lock.try_acquire(Write).expect("released"));

    let mutex = Arc::new(Mutex::<B>::new(1));
    check(panic_of(|| fail(mutex.lock())));
    check(panic_of(|| fail(mutex.lock_arc())));
    check(panic_of(|| fail(ready(hand.poll(&mut Box::pin(mutex.lock_async()))))));
    check(panic_of(|| fail(ready(hand.poll(&mut Box::pin(mutex.lock_arc_async()))))));
    check(panic_of(|| {
        drop(MutexGuard::map(mutex.lock(), |number| {
            assert_ne!(*number, 1, "under the guard");
            number
        }));
    }));
    assert_eq!(*mutex.try_lock().expect("released"), 1);

    let rwlock = Arc::new(RwLock::<Fair, B>::new(1));
    check(panic_of(|| fail(rwlock.read())));
    check(panic_of(|| fail(rwlock.write())));
    check(panic_of(|| fail(rwlock.upgradable_read())));
    check(panic_of(|| fail(ready(hand.poll(&mut Box::pin(rwlock.read_arc_async()))))));
    check(panic_of(|| fail(ready(hand.poll(&mut Box::pin(rwlock.write_arc_async()))))));
    assert_eq!(*rwlock.try_write().expect("released"), 1);

    let semaphore = Arc::new(Semaphore::<B>::new(2));
    check(panic_of(|| fail(semaphore.acquire_many(2).expect("there are two"))));
    check(panic_of(|| fail(semaphore.acquire_owned())));
    check(panic_of(|| fail(ready(hand.poll(&mut Box::pin(semaphore.acquire_async()))))));
    assert_eq!(semaphore.available_permits(), 2);
}

on_backends!(
    the_rule_panics_at_the_door,
    the_rule_panics_in_anothers_release,
    the_judged_request_is_dropped,
    the_judged_request_is_a_threads,
    the_rule_panics_in_anothers_cancellation,
    one_panic_at_a_time,
    a_waker_panics,
    a_waker_panics_in_a_cancellation,
    a_panic_under_a_guard_releases,
);
