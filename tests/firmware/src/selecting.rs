//! A task selects over a lock and a signal that the handler gives. The signal
//! wins: the request leaves the line, and the next one in it is served.

use core::cell::RefCell;
use core::future::poll_fn;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::task::{Poll, Waker};

use critical_section::Mutex;
use embassy_executor::Spawner;
use embassy_futures::select::{Either, select};
use portunus::critical::FifoLock;
use portunus::rules::{Exclusive, Sole};

use crate::{ensure, until};

static LOCK: FifoLock<Exclusive> = FifoLock::new(Exclusive);

/// Something that happens once, and wakes who waits for it.
struct Signal {
    given: AtomicBool,
    waker: Mutex<RefCell<Option<Waker>>>,
}

static SIGNAL: Signal =
    Signal { given: AtomicBool::new(false), waker: Mutex::new(RefCell::new(None)) };

impl Signal {
    fn give(&self) {
        let waker = critical_section::with(|cs| {
            self.given.store(true, Ordering::Relaxed);
            self.waker.borrow_ref_mut(cs).take()
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Waits for it, and takes it back.
    async fn wait(&self) {
        poll_fn(|cx| {
            critical_section::with(|cs| {
                if self.given.load(Ordering::Relaxed) {
                    self.given.store(false, Ordering::Relaxed);
                    return Poll::Ready(());
                }
                *self.waker.borrow_ref_mut(cs) = Some(cx.waker().clone());
                Poll::Pending
            })
        })
        .await;
    }
}

/// How many interrupts until the handler gives the signal; 0: it does not.
static COUNTDOWN: AtomicU32 = AtomicU32::new(0);

static GAVE_UP: AtomicU32 = AtomicU32::new(0);
static SERVED: AtomicU32 = AtomicU32::new(0);

pub fn tick() {
    let left = COUNTDOWN.load(Ordering::Relaxed);
    if left != 0 {
        COUNTDOWN.store(left - 1, Ordering::Relaxed);
        if left == 1 {
            SIGNAL.give();
        }
    }
}

/// Waits for the lock, but no longer than for the signal.
#[embassy_executor::task]
async fn impatient() {
    match select(SIGNAL.wait(), LOCK.acquire_async(Sole::Exclusive)).await {
        Either::First(()) => GAVE_UP.store(GAVE_UP.load(Ordering::Relaxed) + 1, Ordering::Relaxed),
        Either::Second(_hold) => ensure(false, "the lock came before the signal"),
    }
}

/// Stands behind it.
#[embassy_executor::task]
async fn next() {
    let _hold = LOCK.acquire_async(Sole::Exclusive).await;
    SERVED.store(SERVED.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// Both stand in line, the impatient one first.
async fn line_up(spawner: Spawner) {
    match impatient() {
        Ok(token) => spawner.spawn(token),
        Err(_) => ensure(false, "a task could not be spawned"),
    }
    until(|| LOCK.waiting() == 1).await;
    match next() {
        Ok(token) => spawner.spawn(token),
        Err(_) => ensure(false, "a task could not be spawned"),
    }
    until(|| LOCK.waiting() == 2).await;
}

pub async fn check_tasks(spawner: Spawner) {
    // In line, and cancelled by the handler's signal.
    let hold = LOCK.acquire_async(Sole::Exclusive).await;
    line_up(spawner).await;
    COUNTDOWN.store(3, Ordering::Relaxed);
    until(|| GAVE_UP.load(Ordering::Relaxed) == 1).await;
    ensure(LOCK.waiting() == 1, "the cancelled request is still in line");
    ensure(SERVED.load(Ordering::Relaxed) == 0, "served beside the holder");
    drop(hold);
    until(|| SERVED.load(Ordering::Relaxed) == 1).await;
    until(|| !LOCK.is_locked()).await;

    // Granted, and cancelled before it was polled again.
    let hold = LOCK.acquire_async(Sole::Exclusive).await;
    line_up(spawner).await;
    SIGNAL.give();
    drop(hold);
    ensure(LOCK.waiting() == 1, "the first in line was not granted the lock");
    until(|| GAVE_UP.load(Ordering::Relaxed) == 2).await;
    until(|| SERVED.load(Ordering::Relaxed) == 2).await;
    until(|| !LOCK.is_locked()).await;
    ensure(LOCK.waiting() == 0, "somebody was left in line");
}
