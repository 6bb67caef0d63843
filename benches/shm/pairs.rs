//! What it costs when nobody else is there.

use std::hint::black_box;
use std::time::Instant;

use portunus::rules::{Access, ReadWrite};
use portunus::shm::{FifoLock, Mutex, Options, RwLock, Segment, Semaphore};

use super::harness::{Bench, Row, Unit};
use super::machine::Frame;
use super::peers::{self, FLOCK, Flock, Lock, PLAIN, ROBUST, RWLOCK, SEMAPHORE, shared};

pub(crate) const EXCLUSIVE: &str = "pair/exclusive";
pub(crate) const SHARED: &str = "pair/shared";
pub(crate) const MUTEX: &str = "portunus, Mutex";
pub(crate) const WRITE: &str = "portunus, RwLock write";
pub(crate) const READ: &str = "portunus, RwLock read";
pub(crate) const MODES: &str = "portunus, FifoLock";
pub(crate) const PERMIT: &str = "portunus, Semaphore";
/// A compare-and-swap and a subtraction in shared memory: no lock is faster
/// that counts its holders.
const CAS_PAIR: &str = "CAS pair";

pub(crate) fn run(bench: &mut Bench) {
    let rounds = bench.effort().pick(101, 11, 1);
    let count = bench.effort().pick(20_000, 10_000, 20);
    bench.table(EXCLUSIVE.to_owned(), Unit::Nanoseconds, ROBUST, rounds, || exclusive(count));
    bench.table(SHARED.to_owned(), Unit::Nanoseconds, ROBUST, rounds, || beside(count));
}

/// A segment that this process alone has, and that is never let go.
fn segment<C: portunus::shm::Content>(init: C::Init) -> &'static C {
    let (segment, _) = Segment::<C>::memfd(&Options::new(), init).expect("a segment");
    Box::leak(Box::new(segment))
}

fn row(name: &'static str, count: u32, pair: impl Fn() + 'static) -> Row {
    Row::new(name, move || pairs(count, &pair))
}

/// Nothing in the loop reads memory but the lock itself.
#[inline(never)]
fn pairs<F: Fn()>(count: u32, pair: &F) -> f64 {
    let frame = Frame::new();
    frame.settle();
    let pair = black_box(pair);
    let start = Instant::now();
    for _ in 0..count {
        pair();
    }
    start.elapsed().as_nanos() as f64 / f64::from(count)
}

/// No instruction, but nothing moves across it.
#[inline(always)]
fn inside() {
    black_box(());
}

fn locked<L: Lock>(name: &'static str, count: u32, lock: &'static L) -> Row {
    row(name, count, move || {
        lock.enter();
        inside();
        lock.leave();
    })
}

fn robust() -> &'static peers::Mutex {
    let mutex = shared(peers::Mutex::new());
    mutex.init(true);
    mutex
}

fn rwlock() -> &'static peers::RwLock {
    let lock = shared(peers::RwLock::new());
    lock.init();
    lock
}

fn cas_pair(count: u32) -> Row {
    use std::sync::atomic::{AtomicU32, Ordering};
    let word: &AtomicU32 = shared(AtomicU32::new(0));
    row(CAS_PAIR, count, move || {
        let taken = word.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed);
        assert!(taken.is_ok(), "nobody else is there");
        inside();
        word.fetch_sub(1, Ordering::Release);
    })
}

fn exclusive(count: u32) -> Vec<Row> {
    let plain = shared(peers::Mutex::new());
    plain.init(false);
    let semaphore = shared(peers::Semaphore::new());
    semaphore.init(1);
    let flock: &Flock = Box::leak(Box::new(Flock(peers::nameless_file())));
    let mutex: &Mutex<u64> = segment(0);
    let lock: &RwLock<u64> = segment(0);
    let modes: &FifoLock<ReadWrite> = segment(());
    let permits: &Semaphore = segment(1);
    vec![
        locked(ROBUST, count, robust()),
        locked(PLAIN, count, plain),
        locked(RWLOCK, count, rwlock()),
        locked(SEMAPHORE, count, semaphore),
        // A call of the kernel each way: fewer of them are enough.
        locked(FLOCK, count / 20 + 1, flock),
        cas_pair(count),
        row(MUTEX, count, move || {
            let guard = mutex.lock();
            inside();
            drop(guard);
        }),
        row(WRITE, count, move || {
            let guard = lock.write();
            inside();
            drop(guard);
        }),
        row(MODES, count, move || {
            let hold = modes.acquire(Access::Write);
            inside();
            drop(hold);
        }),
        row(PERMIT, count, move || {
            let permit = permits.acquire();
            inside();
            drop(permit);
        }),
    ]
}

fn beside(count: u32) -> Vec<Row> {
    let (pthread, flock) = (rwlock(), &*Box::leak(Box::new(Flock(peers::nameless_file()))));
    let lock: &RwLock<u64> = segment(0);
    let modes: &FifoLock<ReadWrite> = segment(());
    vec![
        locked(ROBUST, count, robust()),
        row(RWLOCK, count, move || {
            pthread.enter_shared();
            inside();
            pthread.leave();
        }),
        row(FLOCK, count / 20 + 1, move || {
            flock.enter_shared();
            inside();
            flock.leave();
        }),
        cas_pair(count),
        row(READ, count, move || {
            let guard = lock.read();
            inside();
            drop(guard);
        }),
        row(MODES, count, move || {
            let hold = modes.acquire(Access::Read);
            inside();
            drop(hold);
        }),
    ]
}
