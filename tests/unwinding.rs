//! A panic of somebody else's waker, at every place where a lock calls one,
//! leaves everybody with what they hold, and nobody with what they don't.

#![cfg(all(feature = "std", feature = "async"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

mod support;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use portunus::prelude::*;
use portunus::rules::{Access, ReadWrite, Shared, SharedMode};
use portunus::sync::{ClosableSemaphore, Condition, FifoLock, Predicate, RwLock};
use portunus::{Fair, Held, ReadPreferring, Rules};

use support::{Hand, panics};

fn calm() -> Waker {
    Hand::new().waker().clone()
}

fn poll<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

fn unwinds<T>(f: impl FnOnce() -> T) -> bool {
    catch_unwind(AssertUnwindSafe(f)).is_err()
}

/// A writer converts into a reader, which lets in one whose waker panics.
#[test]
fn a_conversion_is_noted() {
    let lock = FifoLock::new(ReadWrite);
    for trying in [false, true] {
        let mut hold = lock.acquire(Access::Write);
        let mut reader = Box::pin(lock.acquire_async(Access::Read));
        assert!(poll(reader.as_mut(), &panics()).is_pending());
        assert!(unwinds(|| {
            if trying {
                let _ = hold.try_convert(Access::Read);
            } else {
                hold.convert(Access::Read).expect("a weaker mode");
            }
        }));
        assert_eq!(hold.mode(), Access::Read, "the hold was not told");
        assert_eq!(lock.holders(Access::Read), 2);
        drop(hold);
        drop(reader);
        assert!(!lock.is_locked());
    }
}

#[test]
fn an_awaited_conversion_is_noted() {
    let lock = FifoLock::new(ReadWrite);
    let hold = lock.acquire(Access::Write);
    let mut reader = Box::pin(lock.acquire_async(Access::Read));
    assert!(poll(reader.as_mut(), &panics()).is_pending());
    let mut conversion = Box::pin(hold.convert_async(Access::Read));
    assert!(unwinds(|| poll(conversion.as_mut(), &calm())));
    // Polled after all, it gives the hold back.
    let Poll::Ready(Ok(hold)) = poll(conversion.as_mut(), &calm()) else {
        panic!("it was converted");
    };
    assert_eq!(hold.mode(), Access::Read);
    drop((hold, conversion, reader));
    assert!(!lock.is_locked());

    let hold = lock.acquire(Access::Write);
    let mut reader = Box::pin(lock.acquire_async(Access::Read));
    assert!(poll(reader.as_mut(), &panics()).is_pending());
    let mut conversion = Box::pin(hold.convert_async(Access::Read));
    assert!(unwinds(|| poll(conversion.as_mut(), &calm())));
    // Dropped, it gives the hold up in the mode that it has.
    drop((conversion, reader));
    assert!(!lock.is_locked());
}

/// What `lock_api` asks for: who unwinds has let go.
#[test]
fn a_downgrade_lets_go() {
    let lock: RwLock<u32, Fair> = RwLock::new(0);
    let guard = lock.write();
    let mut reader = Box::pin(lock.read_async());
    assert!(poll(reader.as_mut(), &panics()).is_pending());
    assert!(unwinds(|| lock_api::RwLockWriteGuard::downgrade(guard)));
    drop(reader);
    assert!(!lock.is_locked(), "a consumed guard still holds");

    let guard = lock.write();
    let mut reader = Box::pin(lock.upgradable_read_async());
    assert!(poll(reader.as_mut(), &panics()).is_pending());
    let upgradable = lock_api::RwLockWriteGuard::downgrade_to_upgradable(guard);
    // One upgradable reader at a time: stepping down once more lets it in.
    assert!(unwinds(|| lock_api::RwLockUpgradableReadGuard::downgrade(upgradable)));
    drop(reader);
    assert!(!lock.is_locked());
}

/// A trade between two futures of one task lets in a third one.
#[test]
fn a_trade_is_not_lost() {
    for dropped in [true, false] {
        let lock: FifoLock<Shared<ReadPreferring>> = FifoLock::new(Shared::new());
        let task = calm();
        let mut writer = Box::pin(lock.acquire_async(SharedMode::Write));
        let mut reader = Box::pin(lock.acquire_async(SharedMode::Read));
        let mut other = Box::pin(lock.acquire_async(SharedMode::Read));
        let hold = lock.acquire(SharedMode::Write);
        assert!(poll(writer.as_mut(), &task).is_pending());
        drop(hold);
        // Granted to the writer, which is not polled.
        assert_eq!(lock.holders(SharedMode::Write), 1);
        assert!(poll(other.as_mut(), &panics()).is_pending());
        assert!(unwinds(|| poll(reader.as_mut(), &task)), "the third one enters, and panics");
        assert_eq!(lock.holders(SharedMode::Read), 2);
        if dropped {
            drop(reader);
        } else {
            let Poll::Ready(hold) = poll(reader.as_mut(), &task) else { panic!("it has it") };
            drop(hold);
        }
        assert_eq!(lock.holders(SharedMode::Read), 1, "the traded hold was lost");
        drop(other);
        let Poll::Ready(hold) = poll(writer.as_mut(), &task) else { panic!("its turn") };
        drop(hold);
        assert!(!lock.is_locked());
    }
}

/// More readers than three batches take, of which one in each panics.
#[test]
fn every_batch_is_woken() {
    const READERS: usize = 80;
    let lock = FifoLock::new(ReadWrite);
    let hold = lock.acquire(Access::Write);
    let mut readers: Vec<_> =
        (0..READERS).map(|_| Box::pin(lock.acquire_async(Access::Read))).collect();
    for (i, reader) in readers.iter_mut().enumerate() {
        // Two in one batch would abort.
        let waker = if i == 3 || i == 40 || i == 70 { panics() } else { calm() };
        assert!(poll(reader.as_mut(), &waker).is_pending());
    }
    assert!(unwinds(|| drop(hold)));
    assert_eq!(lock.holders(Access::Read), READERS, "a batch was forgotten");
    drop(readers);
    assert!(!lock.is_locked());

    // The same in the second batch.
    let hold = lock.acquire(Access::Write);
    let mut readers: Vec<_> =
        (0..READERS).map(|_| Box::pin(lock.acquire_async(Access::Read))).collect();
    for (i, reader) in readers.iter_mut().enumerate() {
        let waker = if i == 20 { panics() } else { calm() };
        assert!(poll(reader.as_mut(), &waker).is_pending());
    }
    assert!(unwinds(|| drop(hold)));
    assert_eq!(lock.holders(Access::Read), READERS, "a batch was forgotten");
}

/// The same of requests that are sent away.
#[test]
fn every_batch_is_sent_away() {
    const MANY: usize = 80;
    let slots = ClosableSemaphore::new(0);
    let mut waits: Vec<_> = (0..MANY).map(|_| Box::pin(slots.acquire_async())).collect();
    for (i, wait) in waits.iter_mut().enumerate() {
        let waker = if i == 3 || i == 40 || i == 70 { panics() } else { calm() };
        assert!(poll(wait.as_mut(), &waker).is_pending());
    }
    assert!(unwinds(|| slots.close()));
    assert_eq!(slots.waiting(), 0, "a batch was forgotten");
    for mut wait in waits {
        let Poll::Ready(Err(_)) = poll(wait.as_mut(), &calm()) else { panic!("it is closed") };
    }
}

portunus::modes! {
    /// The modes of [`Moody`].
    enum Mood { Plain, Touchy, Alone }
}

/// Readers that don't mind each other. The rule panics over touchy ones while it is
/// angry, which it is from its waker's panic on.
#[derive(Default)]
struct Moody(Arc<AtomicBool>);

impl Rules for Moody {
    type Mode = Mood;

    fn admits(&self, mode: Mood, held: &Held<Mood>) -> bool {
        assert!(mode != Mood::Touchy || !self.0.load(Ordering::SeqCst), "the rule panics");
        held[Mood::Alone] == 0 && (mode != Mood::Alone || held.is_empty())
    }
}

/// A waker that makes a rule angry, and panics.
struct Angers(Arc<AtomicBool>);

impl Wake for Angers {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
        panic!("a waker panics");
    }
}

/// A waker panics, and the rest are let in while that unwinds: there the rule
/// panics over one of them. That one is woken, and lets in those behind it.
#[test]
fn a_rule_panics_on_top_of_a_waker() {
    for drops in [false, true] {
        let lock = FifoLock::new(Moody::default());
        let angry = Arc::clone(&lock.rules().0);
        let hold = lock.acquire(Mood::Alone);
        let mut waits: Vec<_> = (0..60)
            .map(|i| {
                let mode = if i == 35 { Mood::Touchy } else { Mood::Plain };
                Box::pin(lock.acquire_async(mode))
            })
            .collect();
        let rings = Arc::new(Rings::default());
        for (i, wait) in waits.iter_mut().enumerate() {
            let waker = match i {
                3 => Arc::new(Angers(Arc::clone(&angry))).into(),
                35 => Arc::clone(&rings).into(),
                _ => calm(),
            };
            assert!(poll(wait.as_mut(), &waker).is_pending());
        }
        let message = message_of(|| drop(hold));
        assert_eq!(message, "a waker panics", "the first panic goes on");
        assert_eq!(lock.holders(Mood::Plain), 32, "two batches, and not the third");
        assert_eq!((lock.waiting(), rings.0.load(Ordering::SeqCst)), (27, 1));
        // It panics in its owner's call, too, which lets in all others first.
        let mut touchy = waits.remove(35);
        if !drops {
            assert_eq!(message_of(|| drop(poll(touchy.as_mut(), &calm()))), "the rule panics");
        }
        drop(touchy);
        assert_eq!((lock.holders(Mood::Plain), lock.waiting()), (59, 0), "left standing");
        drop(waits);
        assert!(!lock.is_locked());
    }
}

/// The same of predicates that are asked while a waker's panic unwinds.
#[test]
fn a_predicate_panics_on_top_of_a_waker() {
    let (condition, angry) = (Condition::new(), Arc::new(AtomicBool::new(false)));
    let open = Arc::new(AtomicBool::new(false));
    let predicates: Vec<_> = (0..60)
        .map(|i| {
            let (angry, open) = (Arc::clone(&angry), Arc::clone(&open));
            Predicate::new(&condition, move || {
                assert!(i != 35 || !angry.load(Ordering::SeqCst), "the predicate panics");
                open.load(Ordering::SeqCst)
            })
        })
        .collect();
    let mut waits: Vec<_> = predicates.iter().map(|it| Box::pin(it.wait_async())).collect();
    let rings = Arc::new(Rings::default());
    for (i, wait) in waits.iter_mut().enumerate() {
        let waker = match i {
            3 => Arc::new(Angers(Arc::clone(&angry))).into(),
            35 => Arc::clone(&rings).into(),
            _ => calm(),
        };
        assert!(poll(wait.as_mut(), &waker).is_pending());
    }
    open.store(true, Ordering::SeqCst);
    assert_eq!(message_of(|| condition.notify()), "a waker panics", "the first panic goes on");
    assert_eq!((condition.waiting(), rings.0.load(Ordering::SeqCst)), (24, 1));
    let mut touchy = waits.remove(35);
    assert_eq!(message_of(|| poll(touchy.as_mut(), &calm())), "the predicate panics");
    assert_eq!(condition.waiting(), 0, "left standing");
    for mut wait in waits {
        assert!(poll(wait.as_mut(), &calm()).is_ready());
    }
}

/// A backend whose wait does what it was told to, and panics.
mod impatient {
    use std::cell::Cell;

    use portunus::{Backend, Limit, Panic, Turn, Wait};

    std::thread_local! {
        pub(crate) static MEANWHILE: Cell<Option<Box<dyn FnOnce()>>> = const { Cell::new(None) };
    }

    pub(crate) struct Impatient;

    impl Wait for Impatient {
        fn wait(_: &impl Turn, _: &impl Limit) -> bool {
            MEANWHILE.take().expect("told what to do")();
            panic!("the strategy panics");
        }
    }

    impl Backend for Impatient {
        type Inner = <portunus::sync::Threads as Backend>::Inner;
        type Wait = Self;

        fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Panic> {
            Panic::catch(f)
        }
    }
}

/// A strategy of waiting panics, and the request that leaves lets others in: there
/// the rule panics over one of them, which is woken and goes on.
#[test]
fn a_rule_panics_on_top_of_a_strategy() {
    type Lock = portunus::FifoLock<Moody, impatient::Impatient>;
    let lock: &'static Lock = Box::leak(Box::new(Lock::new(Moody::default())));
    let inside = lock.acquire(Mood::Plain);
    let rings = Arc::new(Rings::default());
    let mut touchy = Box::pin(lock.acquire_async(Mood::Touchy));
    let mut plain = Box::pin(lock.acquire_async(Mood::Plain));
    let behind: Arc<std::sync::Mutex<Vec<_>>> = Arc::default();
    {
        let (behind, waker) = (Arc::clone(&behind), Arc::clone(&rings).into());
        impatient::MEANWHILE.set(Some(Box::new(move || {
            assert!(poll(touchy.as_mut(), &waker).is_pending(), "one waits to be alone");
            assert!(poll(plain.as_mut(), &calm()).is_pending());
            lock.rules().0.store(true, Ordering::SeqCst);
            behind.lock().expect("no panic under it").extend([touchy, plain]);
        })));
    }
    assert_eq!(message_of(|| lock.acquire(Mood::Alone)), "the strategy panics");
    assert_eq!((lock.waiting(), rings.0.load(Ordering::SeqCst)), (1, 1));
    let mut behind = std::mem::take(&mut *behind.lock().expect("no panic under it"));
    let mut plain = behind.pop().expect("two of them");
    drop(behind);
    drop(inside);
    let Poll::Ready(hold) = poll(plain.as_mut(), &calm()) else { panic!("left standing") };
    drop(hold);
    assert!(!lock.is_locked());
}

/// The same of the predicates of a condition: whoever was evicted by its own asks
/// those behind it as it leaves.
#[test]
fn a_predicate_panics_on_top_of_a_strategy() {
    type Condition = portunus::Condition<impatient::Impatient>;
    let condition: &'static Condition = Box::leak(Box::new(Condition::new()));
    let angry: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
    let touchy = || {
        assert!(!angry.load(Ordering::SeqCst), "the predicate panics");
        false
    };
    let (first, second) =
        (portunus::Predicate::new(condition, touchy), portunus::Predicate::new(condition, touchy));
    let second: &'static _ = Box::leak(Box::new(second));
    let mut behind = Box::pin(second.wait_async());
    let rings = Arc::new(Rings::default());
    let kept: Arc<std::sync::Mutex<Vec<_>>> = Arc::default();
    {
        let (kept, waker) = (Arc::clone(&kept), Arc::clone(&rings).into());
        impatient::MEANWHILE.set(Some(Box::new(move || {
            assert!(poll(behind.as_mut(), &waker).is_pending());
            angry.store(true, Ordering::SeqCst);
            assert_eq!(message_of(|| condition.notify()), "the predicate panics");
            kept.lock().expect("no panic under it").push(behind);
        })));
    }
    assert_eq!(message_of(|| first.wait()), "the strategy panics");
    assert_eq!((condition.waiting(), rings.0.load(Ordering::SeqCst)), (0, 1));
    let mut behind = kept.lock().expect("no panic under it").pop().expect("it waits");
    assert_eq!(message_of(|| poll(behind.as_mut(), &calm())), "the predicate panics");
}

/// Counts its calls.
#[derive(Default)]
struct Rings(AtomicUsize);

impl Wake for Rings {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// What the panic says in which `f` ends.
fn message_of<T>(f: impl FnOnce() -> T) -> &'static str {
    let Err(payload) = catch_unwind(AssertUnwindSafe(f)) else { panic!("it does not panic") };
    payload.downcast_ref::<&str>().expect("a literal")
}

/// A backend whose wait ends too early, time and again.
mod hasty {
    use std::sync::atomic::{AtomicU32, Ordering};

    use portunus::{Backend, Limit, SpinInner, Turn, Wait};

    pub(crate) struct Hasty;

    pub(crate) static WAITS: AtomicU32 = AtomicU32::new(0);

    impl Wait for Hasty {
        fn wait(_: &impl Turn, _: &impl Limit) -> bool {
            WAITS.fetch_add(1, Ordering::SeqCst);
            std::thread::yield_now();
            true
        }
    }

    impl Backend for Hasty {
        type Inner = SpinInner<spin::relax::Spin>;
        type Wait = Self;
    }
}

#[test]
fn an_upgrade_never_ends_too_early() {
    use std::sync::atomic::Ordering;

    type Raw = portunus::RawRwLock<Fair, hasty::Hasty>;
    let lock: lock_api::RwLock<Raw, u32> = lock_api::RwLock::new(0);
    let reader = lock.read();
    let upgradable = lock.upgradable_read();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while hasty::WAITS.load(Ordering::SeqCst) < 10 {
                std::thread::yield_now();
            }
            assert_eq!(*reader, 0, "somebody wrote beside a reader");
            drop(reader);
        });
        *lock_api::RwLockUpgradableReadGuard::upgrade(upgradable) = 1;
    });
    assert_eq!(*lock.read(), 1);
}
