//! Panics: in the user's rule, in a waker, under a guard. The lock stays
//! usable, and nobody stays behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use std::thread;

use lock_api::MutexGuard;
use portunus::door::MonitorCondvar;
use portunus::guarded::{MappedReadGuard, MappedWriteGuard, ReadGuard, WriteGuard};
use portunus::prelude::*;
use portunus::{
    Backend, Condvar, Door, DoorUpgradableReadGuard, DoorWriteGuard, Fair, FifoLock, Guarded, Held,
    Hold, OwnedDoorGuard, OwnedDoorWriteGuard, RawMutex, RawRwLock, Rules, Semaphore,
    SharedCondvar, SharedDoor,
};

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

/// A condition that panics does so with the lock held; a wait that has taken the
/// guard lets it go.
fn a_condition_panics<B: Backend>() {
    fn fail<T: ?Sized>(_: &mut T) -> bool {
        panic!("the condition panics")
    }
    let (hand, condvar, shared) = (Hand::new(), Condvar::<B>::new(), SharedCondvar::<B>::new());
    let check = |panic: String| assert_eq!(panic, "the condition panics");
    let mutex = Arc::new(Mutex::<B>::new(1));
    let mut guard = mutex.lock();
    check(panic_of(|| condvar.wait_while(&mut guard, fail)));
    assert!(mutex.is_locked());
    let mut wait = Box::pin(condvar.wait_while_async(guard, fail));
    check(panic_of(|| hand.poll(&mut wait).is_ready()));
    drop(wait);
    assert!(!mutex.is_locked(), "it is let go with the wait");
    let mut guard = ready(hand.poll(&mut Box::pin(mutex.lock_arc_async())));
    check(panic_of(|| condvar.wait_while(&mut guard, fail)));
    // Asked again, by its owner, once it is notified.
    let calls = AtomicUsize::new(0);
    let mut wait = Box::pin(condvar.wait_while_async(guard, |_| {
        assert_eq!(calls.fetch_add(1, Ordering::SeqCst), 0, "the condition panics");
        true
    }));
    assert!(hand.poll(&mut wait).is_pending());
    assert!(condvar.notify_one());
    assert!(panic_of(|| hand.poll(&mut wait).is_ready()).contains("the condition panics"));
    assert!(mutex.is_locked());
    drop(wait);
    assert!(!mutex.is_locked());

    let rwlock = RwLock::<Fair, B>::new(1);
    let mut guard = rwlock.read();
    check(panic_of(|| shared.wait_while(&mut guard, |_| panic!("the condition panics"))));
    assert!(rwlock.is_locked());
    drop(guard);
    let mut guard = rwlock.write();
    check(panic_of(|| shared.wait_while(&mut guard, |_| panic!("the condition panics"))));
    assert!(rwlock.is_locked_exclusive());
    drop(guard);
    assert!(!rwlock.is_locked());
    assert_eq!((condvar.waiting(), shared.waiting()), (0, 0));
}

/// Looking for a part of the data panics: the guard has let go.
fn looking_for_a_part_panics<B: Backend>() {
    use portunus::rules::Access::{Read, Write};
    use portunus::rules::ReadWrite;

    let check = |panic: String| assert_eq!(panic, "no such part");
    let data = Arc::new(Guarded::<_, u32, B>::new(ReadWrite, 1));
    let write = || data.write(Write).expect("it writes");
    check(panic_of(|| ReadGuard::map(data.read(Read), |_| -> &u32 { panic!("no such part") })));
    check(panic_of(|| {
        let reading = data.read_arc(Read);
        ReadGuard::try_map(reading, |_| -> Option<&u32> { panic!("no such part") })
    }));
    check(panic_of(|| WriteGuard::map(write(), |_| -> &mut u32 { panic!("no such part") })));
    check(panic_of(|| {
        let writing = data.write_arc(Write).expect("it writes");
        WriteGuard::try_map(writing, |_| -> Option<&mut u32> { panic!("no such part") })
    }));
    check(panic_of(|| {
        let part = ReadGuard::map(data.read(Read), |part| part);
        MappedReadGuard::map(part, |_| -> &u32 { panic!("no such part") })
    }));
    check(panic_of(|| {
        let part = WriteGuard::map(write(), |part| part);
        MappedWriteGuard::try_map(part, |_| -> Option<&mut u32> { panic!("no such part") })
    }));
    assert!(!data.is_locked());
}

/// A waker panics when a guard of data, or of a door, lets others in by becoming
/// another one. Nothing is held any more by who got no guard.
fn a_waker_panics_when_a_guard_becomes_another<B: Backend>() {
    use portunus::rules::Access::{Read, Write};
    use portunus::rules::ReadWrite;

    let bombs = panics();
    let check = |panic: String| assert_eq!(panic, "a waker panics");

    let data = Arc::new(Guarded::<_, u32, B>::new(ReadWrite, 1));
    for owned in [false, true] {
        let mut reader = if owned {
            let writing = data.write_arc(Write).expect("it writes");
            let mut reader = Box::pin(data.read_async(Read));
            assert!(poll_by(&bombs, &mut reader).is_pending());
            check(panic_of(|| drop(WriteGuard::downgrade(writing, Read))));
            reader
        } else {
            let writing = data.write(Write).expect("it writes");
            let mut reader = Box::pin(data.read_async(Read));
            assert!(poll_by(&bombs, &mut reader).is_pending());
            check(panic_of(|| drop(WriteGuard::downgrade(writing, Read))));
            reader
        };
        assert_eq!((data.holders(Read), data.holders(Write)), (1, 0));
        drop(ready(poll_by(&bombs, &mut reader)));
        assert!(!data.is_locked());
    }

    let door = Arc::new(SharedDoor::<RawRwLock<Fair, B>, u32, SharedCondvar<B>>::new(1));
    let mut reader = Box::pin(door.read_async());
    let writing = door.write();
    assert!(poll_by(&bombs, &mut reader).is_pending());
    check(panic_of(|| drop(DoorWriteGuard::downgrade(writing))));
    drop(ready(poll_by(&bombs, &mut reader)));
    assert!(!door.is_locked());

    let mut reader = Box::pin(door.read_async());
    let writing = door.write_arc();
    assert!(poll_by(&bombs, &mut reader).is_pending());
    check(panic_of(|| drop(OwnedDoorWriteGuard::downgrade_to_upgradable(writing))));
    drop(ready(poll_by(&bombs, &mut reader)));
    assert!(!door.is_locked());

    let mut next = Box::pin(door.upgradable_read_async());
    let upgradable = door.upgradable_read();
    assert!(poll_by(&bombs, &mut next).is_pending());
    check(panic_of(|| drop(DoorUpgradableReadGuard::downgrade(upgradable))));
    drop(ready(poll_by(&bombs, &mut next)));
    assert!(!door.is_locked());
}

/// What guards keep alive goes with the last of them, after it has let go: a panic
/// of the data's own is the only one.
fn data_panic_when_their_last_guard_drops_them<B: Backend>() {
    use portunus::rules::Access::{Read, Write};
    use portunus::rules::ReadWrite;

    struct Last;
    impl Drop for Last {
        fn drop(&mut self) {
            panic!("the data panic");
        }
    }
    let check = |panic: String| assert_eq!(panic, "the data panic");
    let hand = Hand::new();

    let mutex = || Arc::new(lock_api::Mutex::<RawMutex<B>, _>::new(Last));
    check(panic_of(|| drop(mutex().lock_arc())));
    check(panic_of(|| drop(ready(hand.poll(&mut Box::pin(mutex().lock_arc_async()))))));
    let rwlock = || Arc::new(lock_api::RwLock::<RawRwLock<Fair, B>, _>::new(Last));
    check(panic_of(|| drop(rwlock().read_arc())));
    check(panic_of(|| drop(rwlock().write_arc())));
    check(panic_of(|| drop(rwlock().upgradable_read_arc())));
    let data = || Arc::new(Guarded::<_, _, B>::new(ReadWrite, Last));
    check(panic_of(|| drop(data().read_arc(Read))));
    check(panic_of(|| drop(data().write_arc(Write))));
    check(panic_of(|| drop(ReadGuard::map(data().read_arc(Read), |all| all))));
    let door = || Arc::new(Door::<RawMutex<B>, _, MonitorCondvar<B>>::new(Last));
    check(panic_of(|| drop(door().enter_arc())));
    check(panic_of(|| drop(OwnedDoorGuard::map(door().enter_arc(), |all| all))));
    let door = || Arc::new(SharedDoor::<RawRwLock<Fair, B>, _, SharedCondvar<B>>::new(Last));
    check(panic_of(|| drop(door().read_arc())));
    check(panic_of(|| drop(door().write_arc())));

    // Dropped in line, a future is the last one that keeps its lock alive.
    let mutex = mutex();
    let mut inside = Box::pin(Arc::clone(&mutex).lock_arc_async());
    let guard = mutex.lock();
    assert!(hand.poll(&mut inside).is_pending());
    drop(guard);
    drop(mutex);
    check(panic_of(|| drop(inside)));
    assert_eq!(hand.kept(), 0);
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
    a_condition_panics,
    looking_for_a_part_panics,
    a_waker_panics_when_a_guard_becomes_another,
    data_panic_when_their_last_guard_drops_them,
);
