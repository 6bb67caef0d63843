//! The example of the crate's README, at work: what stands between the two
//! marks is there word for word.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use embassy_executor::Spawner;

use crate::{ensure, give_way};

// README {
use portunus::{critical::Mutex, prelude::*};

/// One lock for main code, tasks and interrupt handlers.
static SAMPLES: Mutex<Samples> = Mutex::new(Samples { taken: 0, sent: 0 });

struct Samples {
    taken: u32,
    sent: u32,
}

/// A handler tries, and does without if it is not its turn. It must not wait.
fn on_timer() -> bool {
    let Some(mut samples) = SAMPLES.try_lock() else { return false };
    samples.taken += 1;
    true
}

/// Main code waits in line, spinning.
fn take_one() {
    SAMPLES.lock().taken += 1;
}

/// A task waits in the same line, and lets others run meanwhile. It may hold
/// the lock while it awaits something else.
#[embassy_executor::task]
async fn send_all() {
    for _ in 0..ROUNDS {
        let mut samples = SAMPLES.lock_async().await;
        transmit(samples.taken).await;
        samples.sent += core::mem::take(&mut samples.taken);
    }
}
// } README

const ROUNDS: u32 = 200;

static RUNNING: AtomicBool = AtomicBool::new(false);
static ENTERED: AtomicU32 = AtomicU32::new(0);
static REFUSED: AtomicU32 = AtomicU32::new(0);
/// What main took.
static TAKEN: AtomicU32 = AtomicU32::new(0);
static TRANSMITTED: AtomicU32 = AtomicU32::new(0);

/// Stands for a device that takes its time.
async fn transmit(samples: u32) {
    give_way().await;
    give_way().await;
    TRANSMITTED.store(TRANSMITTED.load(Ordering::Relaxed) + samples, Ordering::Relaxed);
}

pub fn tick() {
    if RUNNING.load(Ordering::Relaxed) {
        // Only the handler writes these.
        let count = if on_timer() { &ENTERED } else { &REFUSED };
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

pub fn check() {
    RUNNING.store(true, Ordering::Relaxed);
    while ENTERED.load(Ordering::Relaxed) < 50 || REFUSED.load(Ordering::Relaxed) < 5 {
        take_one();
        TAKEN.store(TAKEN.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
    RUNNING.store(false, Ordering::Relaxed);
    let all = TAKEN.load(Ordering::Relaxed) + ENTERED.load(Ordering::Relaxed);
    ensure(SAMPLES.lock().taken == all, "a sample was lost");
}

pub async fn check_tasks(spawner: Spawner) {
    RUNNING.store(true, Ordering::Relaxed);
    match send_all() {
        Ok(token) => spawner.spawn(token),
        Err(_) => ensure(false, "a task could not be spawned"),
    }
    // It waits in the same line.
    for _ in 0..ROUNDS {
        drop(SAMPLES.lock_async().await);
        give_way().await;
    }
    RUNNING.store(false, Ordering::Relaxed);
    let samples = SAMPLES.lock_async().await;
    let all = TAKEN.load(Ordering::Relaxed) + ENTERED.load(Ordering::Relaxed);
    ensure(samples.sent + samples.taken == all, "a sample was lost on the way");
    ensure(samples.sent == TRANSMITTED.load(Ordering::Relaxed), "a sample was sent twice");
    ensure(samples.sent > 0, "nothing was sent");
}
