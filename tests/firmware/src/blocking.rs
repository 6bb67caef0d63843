//! Main blocks for what a handler holds from one interrupt to the next, on
//! every lock, and what both wrote is whole.

use core::cell::RefCell;
use core::hint::black_box;
use core::sync::atomic::{AtomicU32, Ordering};

use portunus::critical::{FifoLock, Hold, Mutex, MutexGuard, Permit, RwLock, Semaphore};
use portunus::rules::{Access, ReadWrite};
use portunus::{ReadPreferring, WritePreferring};

use crate::ensure;
use crate::pair::Pair;

static MUTEX: Mutex<Pair> = Mutex::new(Pair::NEW);
static FAIR: RwLock<Pair> = RwLock::new(Pair::NEW);
static READERS: RwLock<Pair, ReadPreferring> = RwLock::new(Pair::NEW);
static WRITERS: RwLock<Pair, WritePreferring> = RwLock::new(Pair::NEW);
static FIFO: FifoLock<ReadWrite> = FifoLock::new(ReadWrite);
static PERMITS: Semaphore = Semaphore::new(2);

/// What the handler holds from one interrupt to the next.
struct Kept {
    mutex: Option<MutexGuard<'static, Pair>>,
    hold: Option<Hold<'static, ReadWrite>>,
    permits: Option<Permit<'static>>,
}

static KEPT: critical_section::Mutex<RefCell<Kept>> =
    critical_section::Mutex::new(RefCell::new(Kept { mutex: None, hold: None, permits: None }));
/// Which lock is being tried; 0: none.
static ROUND: AtomicU32 = AtomicU32::new(0);
/// How often the handler got in, and how often it was refused.
static ENTERED: AtomicU32 = AtomicU32::new(0);
static REFUSED: AtomicU32 = AtomicU32::new(0);

/// Counts an attempt of the handler. Only the handler writes.
fn count(entered: bool) {
    let counter = if entered { &ENTERED } else { &REFUSED };
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// One attempt of the handler on a readers-writer lock.
macro_rules! visit {
    ($lock:expr) => {{
        if let Some(reader) = $lock.try_read() {
            ensure(reader.is_whole(), "a handler read a half");
        }
        let writer = $lock.try_write();
        count(writer.is_some());
        if let Some(mut writer) = writer {
            writer.bump();
        }
    }};
}

pub fn tick() {
    critical_section::with(|cs| {
        let mut kept = KEPT.borrow_ref_mut(cs);
        // Main may be waiting for these.
        let (mutex, hold, permits) = (kept.mutex.take(), kept.hold.take(), kept.permits.take());
        let had = mutex.is_some() || hold.is_some() || permits.is_some();
        drop((mutex, hold, permits));
        match ROUND.load(Ordering::Relaxed) {
            1 if !had => {
                kept.mutex = MUTEX.try_lock();
                count(kept.mutex.is_some());
                if let Some(guard) = &mut kept.mutex {
                    ensure(guard.is_whole(), "a handler saw a half");
                    guard.bump();
                }
            }
            2 => visit!(FAIR),
            3 => visit!(READERS),
            4 => visit!(WRITERS),
            5 if !had => {
                kept.hold = FIFO.try_acquire(Access::Write);
                count(kept.hold.is_some());
            }
            6 if !had => {
                kept.permits = PERMITS.try_acquire_many(2).ok().flatten();
                count(kept.permits.is_some());
            }
            _ => {}
        }
    });
}

/// Runs one round: `main` often enough for the handler to meet it, both ways.
/// Returns how often main and the handler got in.
fn round(number: u32, mut main: impl FnMut()) -> u32 {
    ENTERED.store(0, Ordering::Relaxed);
    REFUSED.store(0, Ordering::Relaxed);
    ROUND.store(number, Ordering::Relaxed);
    let mut times = 0;
    while ENTERED.load(Ordering::Relaxed) < 100 || REFUSED.load(Ordering::Relaxed) < 100 {
        main();
        times += 1;
    }
    ROUND.store(0, Ordering::Relaxed);
    critical_section::with(|cs| {
        let mut kept = KEPT.borrow_ref_mut(cs);
        let (mutex, hold, permits) = (kept.mutex.take(), kept.hold.take(), kept.permits.take());
        drop((mutex, hold, permits));
    });
    times + ENTERED.load(Ordering::Relaxed)
}

/// One round on a readers-writer lock.
macro_rules! shared {
    ($number:expr, $lock:expr, $name:expr) => {{
        let times = round($number, || {
            $lock.write().bump_slowly();
            ensure($lock.read().is_whole(), $name);
        });
        let pair = $lock.read();
        ensure(pair.counts(times), $name);
    }};
}

pub fn check() {
    let times = round(1, || MUTEX.lock().bump_slowly());
    let pair = MUTEX.lock();
    ensure(pair.counts(times), "mutex");

    shared!(2, FAIR, "fair shared lock");
    shared!(3, READERS, "read-preferring shared lock");
    shared!(4, WRITERS, "write-preferring shared lock");

    round(5, || {
        let hold = FIFO.acquire(Access::Read);
        ensure(FIFO.holders(Access::Write) == 0, "a reader beside a writer");
        drop(black_box(hold));
    });
    ensure(!FIFO.is_locked() && FIFO.waiting() == 0, "the lock is not left as it was");

    round(6, || drop(black_box(PERMITS.acquire())));
    ensure(PERMITS.available_permits() == 2 && PERMITS.waiting() == 0, "semaphore");
}
