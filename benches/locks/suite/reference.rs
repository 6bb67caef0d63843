//! Reference points: how fast an exclusive lock can be that does one thing.

use std::future::{Future, ready};
use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread;

use super::kinds::{AsyncMutex, PERMITS, ThreadMutex, ThreadSemaphore};
use super::machine::Apart;

/// The name of the reference of uncontended pairs.
pub(crate) const CAS_PAIR: &str = "CAS pair";
/// The name of the reference of handovers between threads.
pub(crate) const ADAPTIVE_TICKET: &str = "adaptive ticket";

/// A compare-and-swap to enter, a subtraction to leave: what a lock pays that
/// counts its holders.
pub(crate) struct CasPair(AtomicU32);

impl ThreadMutex for CasPair {
    const NAME: &'static str = CAS_PAIR;

    fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    #[inline(always)]
    fn with<R>(&self, section: impl FnOnce() -> R) -> R {
        while self.0.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            spin_loop();
        }
        let result = section();
        self.0.fetch_sub(1, Ordering::Release);
        result
    }
}

/// Keeps nobody out: what a scenario takes without a lock.
pub(crate) struct Nothing;

impl ThreadMutex for Nothing {
    const NAME: &'static str = "nothing";

    fn new() -> Self {
        Self
    }

    #[inline(always)]
    fn with<R>(&self, section: impl FnOnce() -> R) -> R {
        section()
    }
}

impl AsyncMutex for Nothing {
    const NAME: &'static str = "nothing";

    fn new() -> Self {
        Self
    }

    #[inline(always)]
    fn lock_future(&self) -> impl Future<Output = impl Sized> {
        ready(())
    }
}

/// Two swaps: what a lock pays that only knows held and free, and whether
/// somebody waits.
pub(crate) struct SwapPair(AtomicBool);

impl ThreadMutex for SwapPair {
    const NAME: &'static str = "swap pair";

    fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    #[inline(always)]
    fn with<R>(&self, section: impl FnOnce() -> R) -> R {
        while self.0.swap(true, Ordering::Acquire) {
            spin_loop();
        }
        let result = section();
        self.0.swap(false, Ordering::Release);
        result
    }
}

/// First come, first served, and everybody spins.
pub(crate) struct Ticket {
    next: Apart<AtomicU32>,
    serving: Apart<AtomicU32>,
}

impl ThreadMutex for Ticket {
    const NAME: &'static str = "ticket, spinning";

    fn new() -> Self {
        Self { next: Apart(AtomicU32::new(0)), serving: Apart(AtomicU32::new(0)) }
    }

    #[inline(always)]
    fn with<R>(&self, section: impl FnOnce() -> R) -> R {
        let mine = self.next.fetch_add(1, Ordering::Relaxed);
        while self.serving.load(Ordering::Acquire) != mine {
            spin_loop();
        }
        let result = section();
        self.serving.store(mine.wrapping_add(1), Ordering::Release);
        result
    }
}

/// First come, first served; who waits pauses, then yields, then sleeps.
///
/// The last ticket that is out and the one that is served are never further
/// apart than there are [`BEDS`], so each sleeper has a bed to itself and is
/// woken alone.
pub(crate) struct AdaptiveTicket {
    next: Apart<AtomicU32>,
    serving: Apart<AtomicU32>,
    beds: [Apart<Bed>; BEDS],
}

struct Bed {
    taken: AtomicBool,
    lock: Mutex<()>,
    bell: Condvar,
}

/// The most threads that may use one [`AdaptiveTicket`].
pub(crate) const BEDS: usize = 64;
/// How often a waiter pauses before it yields. Much more takes the core from
/// the holder when there are more threads than cores, much less makes a waiter
/// yield whose turn is on the way.
const PAUSES: u32 = 100;
/// How often a waiter yields before it sleeps.
const YIELDS: u32 = 32;

/// Whether a ticket is served before its owner has to sleep.
#[inline(always)]
pub(crate) fn is_served_soon(serving: &AtomicU32, mine: u32) -> bool {
    for _ in 0..PAUSES {
        if serving.load(Ordering::Acquire) == mine {
            return true;
        }
        spin_loop();
    }
    for _ in 0..YIELDS {
        thread::yield_now();
        if serving.load(Ordering::Acquire) == mine {
            return true;
        }
    }
    false
}

impl AdaptiveTicket {
    #[cold]
    fn wait(&self, mine: u32) {
        if is_served_soon(&self.serving, mine) {
            return;
        }
        let bed = &self.beds[mine as usize % BEDS];
        let mut guard = bed.lock.lock().unwrap();
        // SeqCst here and in `with`: either the sleeper sees that it is
        // served, or the server sees that it sleeps.
        bed.taken.store(true, Ordering::SeqCst);
        while self.serving.load(Ordering::SeqCst) != mine {
            guard = bed.bell.wait(guard).unwrap();
        }
        bed.taken.store(false, Ordering::Relaxed);
    }

    #[cold]
    fn ring(bed: &Bed) {
        // Under the lock the sleeper has not looked yet, or waits already.
        drop(bed.lock.lock().unwrap());
        bed.bell.notify_one();
    }
}

impl ThreadMutex for AdaptiveTicket {
    const NAME: &'static str = ADAPTIVE_TICKET;

    fn new() -> Self {
        let bed =
            || Bed { taken: AtomicBool::new(false), lock: Mutex::new(()), bell: Condvar::new() };
        Self {
            next: Apart(AtomicU32::new(0)),
            serving: Apart(AtomicU32::new(0)),
            beds: std::array::from_fn(|_| Apart(bed())),
        }
    }

    #[inline(always)]
    fn with<R>(&self, section: impl FnOnce() -> R) -> R {
        let mine = self.next.fetch_add(1, Ordering::Relaxed);
        if self.serving.load(Ordering::Acquire) != mine {
            self.wait(mine);
        }
        let result = section();
        let next = mine.wrapping_add(1);
        self.serving.swap(next, Ordering::SeqCst);
        let bed = &self.beds[next as usize % BEDS];
        if bed.taken.load(Ordering::SeqCst) {
            Self::ring(bed);
        }
        result
    }
}

/// The textbook's semaphore of threads.
pub(crate) struct CondvarSemaphore {
    permits: Mutex<usize>,
    freed: Condvar,
}

impl ThreadSemaphore for CondvarSemaphore {
    const NAME: &'static str = "std mutex and condvar";

    fn new() -> Self {
        Self { permits: Mutex::new(PERMITS), freed: Condvar::new() }
    }

    #[inline(always)]
    fn with<R>(&self, section: impl FnOnce() -> R) -> R {
        let permits = self.permits.lock().unwrap();
        *self.freed.wait_while(permits, |permits| *permits == 0).unwrap() -= 1;
        let result = section();
        *self.permits.lock().unwrap() += 1;
        self.freed.notify_one();
        result
    }
}
