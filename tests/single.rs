//! Locks without an inner lock, and what is said when one is used inside
//! itself, on any backend.

#![cfg(all(feature = "std", feature = "async", feature = "critical-section"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]
#![allow(unsafe_code)]

mod support;

use std::future::Future;
use std::io::Read;
use std::pin::{Pin, pin};
use std::process::{Command, Stdio};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use portunus::prelude::*;
use portunus::rules::{Access, ReadWrite, Sole};
use portunus::single::{Alone, Condvar, FifoLock, Mutex, RwLock, Semaphore, Single};
use portunus::{Backend, Held, Rules, WritePreferring};

use support::Hand;

/// Each test has locks of its own and uses them in one thread.
struct OneTest;
// SAFETY: as just said; no test here hands a lock to another thread.
unsafe impl Alone for OneTest {}

static MUTEX: Mutex<u32, OneTest> = Mutex::new(0);

fn poll<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

#[test]
fn a_static_mutex_serves_tasks_in_order() {
    let guard = MUTEX.lock();
    assert!(MUTEX.try_lock().is_none());
    let (mut first, mut second) = (pin!(MUTEX.lock_async()), pin!(MUTEX.lock_async()));
    let (one, two) = (Hand::new(), Hand::new());
    assert!(one.poll(first.as_mut()).is_pending());
    assert!(two.poll(second.as_mut()).is_pending());
    drop(guard);
    assert_eq!(one.wakes(), 1);
    assert_eq!(two.wakes(), 0);
    assert!(two.poll(second.as_mut()).is_pending());
    let Poll::Ready(mut guard) = one.poll(first.as_mut()) else {
        panic!("the first in line was not served")
    };
    *guard += 1;
    drop(guard);
    assert_eq!(two.wakes(), 1);
    let Poll::Ready(guard) = two.poll(second.as_mut()) else { panic!("the second was not served") };
    assert_eq!(*guard, 1);
}

#[test]
fn a_cancelled_task_lets_the_next_in() {
    let lock: FifoLock<ReadWrite, OneTest> = FifoLock::new(ReadWrite);
    let reading = lock.acquire(Access::Read);
    let mut reader = pin!(lock.acquire_async(Access::Read));
    let hand = Hand::new();
    {
        let mut writer = pin!(lock.acquire_async(Access::Write));
        assert!(poll(writer.as_mut(), Waker::noop()).is_pending());
        assert!(hand.poll(reader.as_mut()).is_pending(), "a reader passed a waiting writer");
        assert_eq!(lock.waiting(), 2);
    }
    assert_eq!(hand.wakes(), 1);
    assert!(hand.poll(reader.as_mut()).is_ready());
    drop(reading);
}

#[test]
fn the_other_primitives_are_there() {
    let shared: RwLock<u8, OneTest, WritePreferring> = RwLock::new(1);
    let reading = shared.read();
    assert!(shared.try_write().is_none());
    let mut writing = pin!(shared.write_async());
    assert!(poll(writing.as_mut(), Waker::noop()).is_pending());
    assert!(shared.try_read().is_none(), "a reader passed a waiting writer");
    drop(reading);
    assert!(poll(writing.as_mut(), Waker::noop()).is_ready());

    let permits: Semaphore<OneTest> = Semaphore::new(2);
    let both = permits.try_acquire_many(2).expect("there are two").expect("they are free");
    let mut one = pin!(permits.acquire_async());
    assert!(poll(one.as_mut(), Waker::noop()).is_pending());
    drop(both);
    assert!(poll(one.as_mut(), Waker::noop()).is_ready());
    assert_eq!(permits.available_permits(), 2);
}

#[cfg(debug_assertions)]
#[test]
fn who_blocks_for_what_nobody_can_let_go_is_told_and_leaves_the_line() {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    let lock: FifoLock<portunus::rules::Exclusive, OneTest> =
        FifoLock::new(portunus::rules::Exclusive);
    let hold = lock.acquire(Sole::Exclusive);
    let blocked = catch_unwind(AssertUnwindSafe(|| drop(lock.acquire(Sole::Exclusive))));
    let payload = blocked.expect_err("it should have panicked");
    let message = payload.downcast_ref::<&str>().expect("a message");
    assert!(message.starts_with("blocked for what nobody else can let go"), "{message}");
    assert_eq!(lock.waiting(), 0);
    drop(hold);
    assert!(lock.try_acquire(Sole::Exclusive).is_some());
}

/// A wait whose time is over, and whose lock is another's by then.
#[cfg(debug_assertions)]
fn wait_for_what_nobody_can_let_go() {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    let (mutex, changed) = (Mutex::<u32, OneTest>::new(0), Condvar::<OneTest>::new());
    let mut guard = mutex.lock();
    let mut other = pin!(mutex.lock_async());
    assert!(poll(other.as_mut(), Waker::noop()).is_pending());
    // It lets the lock go to the other one, which nobody polls meanwhile.
    let over = catch_unwind(AssertUnwindSafe(|| changed.wait_for(&mut guard, Duration::ZERO)));
    let Poll::Ready(second) = poll(other.as_mut(), Waker::noop()) else { return };
    println!("two guards at once: {} {} {}", over.is_err(), *guard, *second);
}

#[cfg(debug_assertions)]
#[test]
fn a_wait_that_can_not_have_its_lock_again_ends_the_program() {
    if is_child() {
        return wait_for_what_nobody_can_let_go();
    }
    ends_with(
        "a_wait_that_can_not_have_its_lock_again_ends_the_program",
        "a wait can't unwind without its lock",
    );
}

// === A lock that is used inside itself ===

/// A rule whose predicate counts the line of the lock that asks it.
struct Nosy(fn() -> usize);

impl Rules for Nosy {
    type Mode = Sole;
    fn admits(&self, _: Sole, held: &Held<Sole>) -> bool {
        // Under the inner lock this is the second time.
        (self.0)();
        held.is_empty()
    }
}

type Impatient = portunus::spin::Spinning<spin::relax::Spin, 1000>;
type Locked<B> = portunus::FifoLock<Nosy, B>;

static ON_SPIN: Locked<Impatient> = Locked::new(Nosy(|| ON_SPIN.waiting()));
static ON_CRITICAL: Locked<portunus::critical::Critical> =
    Locked::new(Nosy(|| ON_CRITICAL.waiting()));
static ON_SINGLE: Locked<Single<OneTest>> = Locked::new(Nosy(|| ON_SINGLE.waiting()));

/// Asks under the inner lock.
fn nest<B: Backend>(lock: &'static Locked<B>) {
    let _hold = lock.acquire(Sole::Exclusive);
    // Does not fit: it goes on to the line, and is judged again there.
    let mut waiting = pin!(lock.acquire_async(Sole::Exclusive));
    assert!(poll(waiting.as_mut(), Waker::noop()).is_pending());
}

/// Runs the test `name` again in a process of its own, which has to end with
/// this message, and soon.
fn ends_with(name: &str, message: &str) {
    let this = std::env::current_exe().expect("a test is a program");
    let mut child = Command::new(this)
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env("PORTUNUS_NESTED", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it can be started");
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("it can be asked") {
            break status;
        }
        if start.elapsed() > Duration::from_secs(30) {
            child.kill().expect("it can be ended");
            panic!("it hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let mut said = String::new();
    child.stderr.take().expect("it is piped").read_to_string(&mut said).expect("it is text");
    assert!(!status.success(), "it went on");
    assert!(said.contains(message), "it said: {said}");
}

/// The child's part of a test that is run again in a process that ends.
fn is_child() -> bool {
    std::env::var_os("PORTUNUS_NESTED").is_some()
}

#[cfg(debug_assertions)]
#[test]
fn a_spinning_lock_used_inside_itself_says_so_in_debug_builds() {
    if is_child() {
        return nest(&ON_SPIN);
    }
    ends_with(
        "a_spinning_lock_used_inside_itself_says_so_in_debug_builds",
        "waited too long for a lock's inner lock",
    );
}

#[test]
fn a_critical_lock_used_inside_itself_says_so() {
    if is_child() {
        return nest(&ON_CRITICAL);
    }
    ends_with(
        "a_critical_lock_used_inside_itself_says_so",
        "a rule's predicate used the lock that was asking it",
    );
}

#[test]
fn a_lock_without_inner_lock_used_inside_itself_says_so() {
    if is_child() {
        return nest(&ON_SINGLE);
    }
    ends_with(
        "a_lock_without_inner_lock_used_inside_itself_says_so",
        "a lock without an inner lock was used while it was in use",
    );
}
