//! The backend `spin`, where a handler only tries, and releases what nobody
//! waits for.

use core::sync::atomic::{AtomicU32, Ordering};

use portunus::rules::{Access, ReadWrite};
use portunus::spin::{FifoLock, Mutex, RwLock, Semaphore};

use crate::ensure;
use crate::pair::Pair;

static MUTEX: Mutex<Pair> = Mutex::new(Pair::NEW);
static SHARED: RwLock<Pair> = RwLock::new(Pair::NEW);
static FIFO: FifoLock<ReadWrite> = FifoLock::new(ReadWrite);
static PERMITS: Semaphore = Semaphore::new(1);

const KINDS: usize = 4;
/// Which lock is tried in the next interrupt, counted on; 0: none.
static TURN: AtomicU32 = AtomicU32::new(0);
/// How often the handler got into each, and how often it was refused.
static ENTERED: [AtomicU32; KINDS] = [const { AtomicU32::new(0) }; KINDS];
static REFUSED: [AtomicU32; KINDS] = [const { AtomicU32::new(0) }; KINDS];

pub fn tick() {
    let turn = TURN.load(Ordering::Relaxed);
    if turn == 0 {
        return;
    }
    TURN.store(turn + 1, Ordering::Relaxed);
    let kind = turn as usize % KINDS;
    let entered = match kind {
        0 => MUTEX.try_lock().map(|mut pair| pair.bump()).is_some(),
        1 => SHARED.try_write().map(|mut pair| pair.bump()).is_some(),
        2 => FIFO.try_acquire(Access::Write).is_some(),
        _ => PERMITS.try_acquire().is_some(),
    };
    // Only the handler writes.
    let count = if entered { &ENTERED[kind] } else { &REFUSED[kind] };
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

pub fn check() {
    let met = |counts: &[AtomicU32; KINDS]| {
        counts.iter().all(|count| count.load(Ordering::Relaxed) >= 20)
    };
    let mut times = 0;
    TURN.store(1, Ordering::Relaxed);
    while !met(&ENTERED) || !met(&REFUSED) {
        times += 1;
        MUTEX.lock().bump_slowly();
        SHARED.write().bump_slowly();
        ensure(SHARED.read().is_whole(), "a reader saw a half");
        let hold = FIFO.acquire(Access::Read);
        ensure(FIFO.holders(Access::Write) == 0, "a writer beside a reader");
        drop(hold);
        let permit = PERMITS.acquire();
        ensure(PERMITS.available_permits() == 0, "a permit too many");
        drop(permit);
    }
    TURN.store(0, Ordering::Relaxed);
    let entered = |kind: usize| ENTERED[kind].load(Ordering::Relaxed);
    ensure(MUTEX.lock().counts(times + entered(0)), "spinning mutex");
    ensure(SHARED.read().counts(times + entered(1)), "spinning shared lock");
    ensure(!FIFO.is_locked(), "the lock is not left as it was");
    ensure(PERMITS.available_permits() == 1, "a permit is missing");
}
