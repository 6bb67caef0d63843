//! What panics, with which message and where; what is an error instead, and
//! what it says.

#![cfg(all(feature = "std", feature = "async"))]
#![allow(missing_docs)]
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::error::Error;
use std::future::Future;
use std::panic::{self, AssertUnwindSafe};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use portunus::prelude::*;
use portunus::rules::{self, Access, ReadWrite};
use portunus::sync::{FifoLock, Mutex, RwLock, Semaphore};
use portunus::{AcquireError, ConvertError, Held, Mode, PerMode, Rules, TooMany};

// === Catching panics ===

/// A panic, as its hook sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Caught {
    message: String,
    file: String,
    line: u32,
}

std::thread_local! {
    /// Whether this thread expects a panic, and the one that came.
    static EXPECTED: RefCell<Option<Option<Caught>>> = const { RefCell::new(None) };
}

/// Runs `f`, which panics. What other threads do meanwhile is their own.
#[track_caller]
fn caught<T>(f: impl FnOnce() -> T) -> Caught {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let noted = EXPECTED.with_borrow_mut(|expected| {
                let Some(place) = expected else { return false };
                let location = info.location().expect("panics have a location");
                let payload = info.payload();
                let literal = payload.downcast_ref::<&str>().map(|message| (*message).to_owned());
                let formatted = || payload.downcast_ref::<String>().cloned();
                *place = Some(Caught {
                    message: literal.or_else(formatted).unwrap_or_default(),
                    file: location.file().to_owned(),
                    line: location.line(),
                });
                true
            });
            if !noted {
                usual(info);
            }
        }));
    });
    EXPECTED.set(Some(None));
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    let noted = EXPECTED.take().flatten();
    assert!(result.is_err(), "it did not panic");
    noted.expect("the hook was not called")
}

#[test]
fn a_caught_panic_is_described() {
    let line = line!() + 1;
    let panic = caught(|| panic!("number {}", 7));
    assert_eq!(panic, Caught { message: "number 7".into(), file: file!().into(), line });
}

/// A poll by nobody.
fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

// === Constructors ===

const TOO_MANY: usize = Semaphore::MAX_PERMITS + 1;

/// More permits than there can be: said where they were asked for.
#[test]
fn a_semaphore_with_too_many_permits() {
    let message = "a semaphore has at most Semaphore::MAX_PERMITS permits";

    let line = line!() + 1;
    let panic = caught(|| Semaphore::new(TOO_MANY));
    assert_eq!(panic, Caught { message: message.into(), file: file!().into(), line });

    let line = line!() + 1;
    let panic = caught(|| portunus::spin::Semaphore::new(usize::MAX));
    assert_eq!(panic, Caught { message: message.into(), file: file!().into(), line });

    // As many as there can be are none too many.
    let most = Semaphore::new(Semaphore::MAX_PERMITS);
    assert_eq!(most.permits(), Semaphore::MAX_PERMITS);
    assert_eq!(most.available_permits(), Semaphore::MAX_PERMITS);
    assert_eq!(most.acquire_many(u32::MAX).unwrap().count(), u32::MAX);
    assert_eq!(most.available_permits(), Semaphore::MAX_PERMITS);
}

/// A value for a mode that no enum can have.
#[test]
fn a_mode_beyond_the_last() {
    let panic = caught(|| PerMode::all(1).with(portunus::MAX_MODES, 2));
    assert_eq!(panic.message, "no mode has this index: MAX_MODES is 16");
    assert_eq!(PerMode::all(1).with(15, 2).get(15), 2);
}

/// An index that a mode written by hand gets wrong is noticed before it does
/// any harm.
#[test]
fn a_mode_with_a_wrong_index() {
    #[derive(Clone, Copy, Debug)]
    struct Wrong(usize);

    impl Mode for Wrong {
        const ALL: &'static [Self] = &[Self(0), Self(1)];

        fn index(self) -> usize {
            self.0
        }
    }

    struct Alone;

    impl Rules for Alone {
        type Mode = Wrong;

        fn admits(&self, _: Wrong, held: &Held<Wrong>) -> bool {
            held.is_empty()
        }
    }

    let message = "Mode::index is not below Mode::COUNT";
    let lock = FifoLock::new(Alone);
    for index in [2, 15, 16, 255, 256, usize::MAX] {
        let wrong = Wrong(index);
        assert_eq!(caught(|| drop(lock.acquire(wrong))).message, message);
        assert_eq!(caught(|| drop(lock.try_acquire(wrong))).message, message);
        assert_eq!(caught(|| drop(lock.acquire_async(wrong))).message, message);
        let mut hold = lock.acquire(Wrong(1));
        assert_eq!(caught(|| hold.try_convert(wrong)).message, message);
        assert_eq!(hold.mode().0, 1);
    }
    assert!(!lock.is_locked());
}

// === Futures ===

const FINISHED: &str = "an acquisition was polled after it had handed out its guard";

/// Polls a future to its end and once more; then the lock has to be free.
macro_rules! polled_again {
    ($($name:ident: $setup:expr, $future:ident, $free:ident;)+) => {$(
        #[test]
        fn $name() {
            let lock = $setup;
            {
                let mut future = pin!($future(&lock));
                let guard = poll(future.as_mut());
                assert!(guard.is_ready());
                assert_eq!(caught(|| poll(future.as_mut())).message, FINISHED);
                // Again, with the guard gone.
                drop(guard);
                assert_eq!(caught(|| poll(future.as_mut())).message, FINISHED);
            }
            assert!($free(&lock), "the lock is not free");
        }
    )+};
}

mod polled_after_completion {
    use super::*;
    use portunus::future::{
        AcquireHold, AcquireManyHold, AcquireManyOwnedPermit, AcquireManyPermit, AcquireOwnedHold,
        AcquireOwnedPermit, AcquirePermit, ConvertHold, Lock, LockArc, Read, ReadArc,
        UpgradableRead, Write, WriteArc,
    };
    use portunus::sync::{RawMutex, RawRwLock, Threads};

    type Many<'a> = AcquireManyHold<'a, rules::Semaphore, Threads>;

    fn hold(lock: &FifoLock<ReadWrite>) -> AcquireHold<'_, ReadWrite, Threads> {
        lock.acquire_async(Access::Write)
    }

    fn conversion(lock: &FifoLock<ReadWrite>) -> ConvertHold<'_, ReadWrite, Threads> {
        lock.acquire(Access::Read).convert_async(Access::Write)
    }

    fn owned_hold(lock: &Arc<FifoLock<ReadWrite>>) -> AcquireOwnedHold<ReadWrite, Threads> {
        lock.acquire_owned_async(Access::Write)
    }

    fn some(lock: &FifoLock<rules::Semaphore>) -> Many<'_> {
        lock.acquire_many_async(rules::Permit::Permit, 2)
    }

    fn nothing(lock: &FifoLock<rules::Semaphore>) -> Many<'_> {
        lock.acquire_many_async(rules::Permit::Permit, 0)
    }

    fn too_many(lock: &FifoLock<rules::Semaphore>) -> Many<'_> {
        lock.acquire_many_async(rules::Permit::Permit, 4)
    }

    fn mutex(lock: &Mutex<u64>) -> Lock<'_, RawMutex, u64> {
        lock.lock_async()
    }

    fn mutex_arc(lock: &Arc<Mutex<u64>>) -> LockArc<RawMutex, u64> {
        lock.lock_arc_async()
    }

    fn read(lock: &RwLock<u64>) -> Read<'_, RawRwLock, u64> {
        lock.read_async()
    }

    fn upgradable_read(lock: &RwLock<u64>) -> UpgradableRead<'_, RawRwLock, u64> {
        lock.upgradable_read_async()
    }

    fn write(lock: &RwLock<u64>) -> Write<'_, RawRwLock, u64> {
        lock.write_async()
    }

    fn read_arc(lock: &Arc<RwLock<u64>>) -> ReadArc<RawRwLock, u64> {
        lock.read_arc_async()
    }

    fn write_arc(lock: &Arc<RwLock<u64>>) -> WriteArc<RawRwLock, u64> {
        lock.write_arc_async()
    }

    fn permit(permits: &Semaphore) -> AcquirePermit<'_, Threads> {
        permits.acquire_async()
    }

    fn some_permits(permits: &Semaphore) -> AcquireManyPermit<'_, Threads> {
        permits.acquire_many_async(2)
    }

    fn no_permits(permits: &Semaphore) -> AcquireManyPermit<'_, Threads> {
        permits.acquire_many_async(0)
    }

    fn too_many_permits(permits: &Semaphore) -> AcquireManyPermit<'_, Threads> {
        permits.acquire_many_async(4)
    }

    fn owned_permit(permits: &Arc<Semaphore>) -> AcquireOwnedPermit<Threads> {
        permits.acquire_owned_async()
    }

    fn no_owned_permits(permits: &Arc<Semaphore>) -> AcquireManyOwnedPermit<Threads> {
        permits.acquire_many_owned_async(0)
    }

    fn too_many_owned_permits(permits: &Arc<Semaphore>) -> AcquireManyOwnedPermit<Threads> {
        permits.acquire_many_owned_async(4)
    }

    fn fifo_is_free<R: Rules>(lock: &FifoLock<R>) -> bool {
        !lock.is_locked() && lock.waiting() == 0
    }

    fn mutex_is_free(lock: &Mutex<u64>) -> bool {
        !lock.is_locked()
    }

    fn rwlock_is_free(lock: &RwLock<u64>) -> bool {
        !lock.is_locked()
    }

    fn all_are_back(permits: &Semaphore) -> bool {
        permits.available_permits() == permits.permits() && permits.waiting() == 0
    }

    polled_again! {
        of_a_hold: FifoLock::new(ReadWrite), hold, fifo_is_free;
        of_a_conversion: FifoLock::new(ReadWrite), conversion, fifo_is_free;
        of_an_owned_hold: Arc::new(FifoLock::new(ReadWrite)), owned_hold, fifo_is_free;
        of_a_heavy_hold: FifoLock::new(rules::Semaphore::new(3)), some, fifo_is_free;
        of_an_empty_hold: FifoLock::new(rules::Semaphore::new(3)), nothing, fifo_is_free;
        of_too_heavy_a_hold: FifoLock::new(rules::Semaphore::new(3)), too_many, fifo_is_free;
        of_a_mutex: Mutex::new(0), mutex, mutex_is_free;
        of_an_arc_mutex: Arc::new(Mutex::new(0)), mutex_arc, mutex_is_free;
        of_a_read: RwLock::new(0), read, rwlock_is_free;
        of_an_upgradable_read: RwLock::new(0), upgradable_read, rwlock_is_free;
        of_a_write: RwLock::new(0), write, rwlock_is_free;
        of_an_arc_read: Arc::new(RwLock::new(0)), read_arc, rwlock_is_free;
        of_an_arc_write: Arc::new(RwLock::new(0)), write_arc, rwlock_is_free;
        of_a_permit: Semaphore::new(3), permit, all_are_back;
        of_permits: Semaphore::new(3), some_permits, all_are_back;
        of_no_permits: Semaphore::new(3), no_permits, all_are_back;
        of_too_many_permits: Semaphore::new(3), too_many_permits, all_are_back;
        of_an_owned_permit: Arc::new(Semaphore::new(3)), owned_permit, all_are_back;
        of_no_owned_permits: Arc::new(Semaphore::new(3)), no_owned_permits, all_are_back;
        of_too_many_owned_permits:
            Arc::new(Semaphore::new(3)), too_many_owned_permits, all_are_back;
    }
}

// === A rule that panics ===

/// Panics while it is told to.
struct Moody(AtomicBool);

/// The line of the panic in [`Moody`].
const MOODY_LINE: u32 = line!() + 7;

impl Rules for Moody {
    type Mode = Access;

    fn admits(&self, mode: Access, held: &Held<Access>) -> bool {
        if self.0.load(Ordering::Relaxed) {
            panic!("not in the mood");
        }
        ReadWrite.admits(mode, held)
    }
}

fn in_the_rule() -> Caught {
    Caught { message: "not in the mood".into(), file: file!().into(), line: MOODY_LINE }
}

/// The panic reaches the one who asks, and nothing is held or waits after it.
#[test]
fn a_rule_that_panics_for_its_own_request() {
    let lock = FifoLock::new(Moody(AtomicBool::new(true)));
    assert_eq!(caught(|| drop(lock.acquire(Access::Read))), in_the_rule());
    assert_eq!(caught(|| drop(lock.try_acquire(Access::Read))), in_the_rule());
    assert_eq!(caught(|| drop(lock.acquire_for(Access::Read, Duration::ZERO))), in_the_rule());
    {
        let mut future = pin!(lock.acquire_async(Access::Read));
        assert_eq!(caught(|| poll(future.as_mut())), in_the_rule());
        // It may be polled again.
        lock.rules().0.store(false, Ordering::Relaxed);
        assert!(poll(future.as_mut()).is_ready());
    }
    assert!(!lock.is_locked());
    assert_eq!(lock.waiting(), 0);

    // A conversion leaves the hold as it was.
    let mut hold = lock.acquire(Access::Read);
    lock.rules().0.store(true, Ordering::Relaxed);
    assert_eq!(caught(|| hold.try_convert(Access::Write)), in_the_rule());
    assert_eq!(caught(|| hold.convert(Access::Write)), in_the_rule());
    assert_eq!(hold.mode(), Access::Read);
    assert_eq!((lock.holders(Access::Read), lock.holders(Access::Write)), (1, 0));
    lock.rules().0.store(false, Ordering::Relaxed);
    drop(hold);
    assert!(!lock.is_locked());
}

/// A release in which the rule panics has released; who was judged asks anew,
/// and gets the panic if there still is one.
#[test]
fn a_rule_that_panics_for_somebody_elses_request() {
    let lock = FifoLock::new(Moody(AtomicBool::new(false)));
    let hold = lock.acquire(Access::Write);
    let mut first = pin!(lock.acquire_async(Access::Write));
    let mut second = pin!(lock.acquire_async(Access::Write));
    assert!(poll(first.as_mut()).is_pending());
    assert!(poll(second.as_mut()).is_pending());

    lock.rules().0.store(true, Ordering::Relaxed);
    assert_eq!(caught(|| drop(hold)), in_the_rule());
    assert!(!lock.is_locked());
    assert_eq!(lock.waiting(), 1, "the one who was judged is out of the line");
    assert_eq!(caught(|| poll(first.as_mut())), in_the_rule());

    lock.rules().0.store(false, Ordering::Relaxed);
    // Whatever is left of the line, both are served.
    let (mut first_served, mut second_served) = (false, false);
    for _ in 0..3 {
        if !second_served && let Poll::Ready(hold) = poll(second.as_mut()) {
            drop(hold);
            second_served = true;
        }
        if !first_served && let Poll::Ready(hold) = poll(first.as_mut()) {
            drop(hold);
            first_served = true;
        }
    }
    assert!(first_served && second_served, "somebody waits for ever: {lock:?}");
    assert_eq!(lock.waiting(), 0);
}

// === Misuse that only unsafe code can write ===

/// A second release is refused before it changes anything.
#[cfg(debug_assertions)]
#[test]
fn a_release_without_a_hold() {
    use lock_api::{RawMutex as _, RawRwLock as _};

    let message = "released a lock in a mode in which nobody holds it";

    let raw = portunus::sync::RawMutex::new();
    let guard = raw.lock();
    // SAFETY: held, with this state.
    unsafe { raw.unlock(guard) };
    // SAFETY: not held, which this build checks before it does anything.
    let again = || unsafe { raw.unlock(guard) };
    assert_eq!(caught(again).message, message);
    assert!(!raw.is_locked());
    assert!(raw.try_lock().is_some());

    let raw = portunus::sync::RawRwLock::<portunus::Fair>::new();
    let guard = raw.lock_shared();
    // SAFETY: held by a reader, and by no writer, which this build checks
    // before it does anything.
    let wrong = || unsafe { raw.unlock_exclusive(guard) };
    assert_eq!(caught(wrong).message, message);
    assert!(raw.is_locked() && !raw.is_locked_exclusive());
    // SAFETY: held, with this state.
    unsafe { raw.unlock_shared(guard) };
    assert!(!raw.is_locked());
}

// === Errors ===

/// Errors can be boxed, sent, compared and copied.
#[test]
fn errors_are_errors() {
    fn is_error<E: Error + Send + Sync + Copy + Eq + std::hash::Hash + 'static>() {}
    is_error::<TooMany>();
    is_error::<ConvertError>();

    fn ask(permits: &Semaphore) -> Result<(), Box<dyn Error + Send + Sync>> {
        let _permits = permits.acquire_many(4)?;
        Ok(())
    }
    let error = ask(&Semaphore::new(3)).unwrap_err();
    assert!(error.source().is_none());
    assert_eq!(error.downcast_ref::<TooMany>().map(TooMany::requested), Some(4));

    // What is shown as another error is not that one's consequence.
    let slots = portunus::sync::ClosableSemaphore::new(3);
    let error = slots.acquire_many(4).unwrap_err();
    let AcquireError::TooMany(inner) = error else { panic!("{error}") };
    assert!(error.to_string() == inner.to_string() && error.source().is_none());
}

/// The error of a request that is refused by its first poll.
fn refusal<T: std::fmt::Debug>(future: impl Future<Output = Result<T, TooMany>>) -> TooMany {
    match poll(pin!(future)) {
        Poll::Ready(result) => result.unwrap_err(),
        Poll::Pending => panic!("it waits for what there will never be"),
    }
}

#[test]
fn too_many() {
    let permits = Semaphore::new(3);
    let error = permits.acquire_many(4).unwrap_err();
    assert_eq!((error.requested(), error.limit()), (4, 3));
    assert_eq!(
        error.to_string(),
        "asked for 4 permits of a semaphore that has 3 in all: the request could never be served"
    );
    assert_eq!(format!("{error:?}"), "TooMany { requested: 4, limit: 3, of: Semaphore }");

    // Every way of asking says the same.
    assert_eq!(permits.try_acquire_many(4).unwrap_err(), error);
    assert_eq!(permits.acquire_many_for(4, Duration::ZERO).unwrap_err(), error);
    assert_eq!(refusal(permits.acquire_many_async(4)), error);
    let permits = Arc::new(permits);
    assert_eq!(permits.acquire_many_owned(4).unwrap_err(), error);
    assert_eq!(refusal(permits.acquire_many_owned_async(4)), error);
    let lock = FifoLock::new(rules::Semaphore::new(3));
    let error = lock.acquire_many(rules::Permit::Permit, 4).unwrap_err();
    assert_eq!((error.requested(), error.limit()), (4, 3));
    assert_eq!(
        error.to_string(),
        "asked for 4 units of a lock that has at most 3: the request could never be served"
    );
    assert_eq!(lock.try_acquire_many(rules::Permit::Permit, 4).unwrap_err(), error);
    assert_eq!(refusal(lock.acquire_many_async(rules::Permit::Permit, 4)), error);

    // What is there, taken or not, may be asked for; and nothing always is.
    let all = permits.acquire_many(3).unwrap();
    assert!(permits.try_acquire_many(3).unwrap().is_none());
    assert_eq!(permits.try_acquire_many(0).unwrap().map(|none| none.count()), Some(0));
    assert_eq!(permits.acquire_many(0).unwrap().count(), 0);
    drop(all);
    assert_eq!(permits.available_permits(), 3);
    assert_eq!(Semaphore::new(0).acquire_many(1).unwrap_err().limit(), 0);
}

/// A rule with a limit of its own for an empty lock.
#[test]
fn too_many_for_a_rule() {
    struct Five;
    impl Rules for Five {
        type Mode = Access;
        const LIMITS: PerMode<usize> = PerMode::all(9);
        const WEIGHTED: bool = true;
        fn admits(&self, mode: Access, held: &Held<Access>) -> bool {
            mode == Access::Read && held[Access::Read] < 5
        }
    }
    let lock = FifoLock::new(Five);
    assert_eq!(lock.acquire_many(Access::Read, 5).unwrap().weight(), 5);
    assert_eq!(lock.acquire_many(Access::Read, 6).unwrap_err().limit(), 5);
    assert_eq!(lock.acquire_many(Access::Read, u32::MAX).unwrap_err().limit(), 5);
    assert_eq!(lock.acquire_many(Access::Write, 1).unwrap_err().limit(), 0);
}

#[test]
fn conversions_that_are_refused() {
    let lock = FifoLock::new(ReadWrite);
    let mut hold = lock.acquire(Access::Read);
    let other = lock.acquire(Access::Read);
    assert_eq!(hold.convert_for(Access::Write, Duration::ZERO), Err(ConvertError::TimedOut));
    let mut waiting = pin!(Some(other.convert_async(Access::Write)));
    assert!(poll(waiting.as_mut().as_pin_mut().unwrap()).is_pending());
    assert_eq!(hold.convert(Access::Write), Err(ConvertError::Deadlock));
    assert_eq!(hold.mode(), Access::Read);
    waiting.set(None);
    assert_eq!(hold.convert(Access::Write), Ok(()));
    drop(hold);

    /// Nobody writes here.
    struct ReadOnly;
    impl Rules for ReadOnly {
        type Mode = Access;
        fn admits(&self, mode: Access, _: &Held<Access>) -> bool {
            mode == Access::Read
        }
    }
    let lock = FifoLock::new(ReadOnly);
    let mut hold = lock.acquire(Access::Read);
    assert_eq!(hold.convert(Access::Write), Err(ConvertError::Impossible));
    assert_eq!(hold.mode(), Access::Read);

    assert_eq!(
        ConvertError::Deadlock.to_string(),
        "the conversion would wait for another one that waits for this hold to go"
    );
    assert_eq!(
        ConvertError::Impossible.to_string(),
        "not even an empty lock would admit this hold in the new mode"
    );
    assert_eq!(ConvertError::TimedOut.to_string(), "the time for the conversion was over");
}
