//! Main code, tasks and a handler at one lock at the same time: here the
//! executor runs in the timer's interrupt, so that its tasks go on while main
//! blocks behind them.

use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

use embassy_executor::raw::Executor;
use portunus::critical::{Mutex, Permit, Semaphore};
use portunus::prelude::*;
use static_cell::StaticCell;

use crate::pair::Pair;
use crate::{ensure, give_way};

const TASKS: u32 = 3;
/// How often main waits.
const TIMES: u32 = 200;
/// Who may enter while main waits: those who stand before it, and those who
/// came in the moment before it asked.
const BEFORE: u32 = 2 * (TASKS + 1);

static PAIR: Mutex<Pair> = Mutex::new(Pair::NEW);
static DONE: Semaphore = Semaphore::new(TASKS as usize);

static RUNNING: AtomicBool = AtomicBool::new(false);
/// Null while it does not run.
static EXECUTOR: AtomicPtr<Executor> = AtomicPtr::new(ptr::null_mut());
/// How often tasks and the handler entered, and how often the handler was
/// refused. Written in the interrupt only.
static ENTERED: AtomicU32 = AtomicU32::new(0);
static REFUSED: AtomicU32 = AtomicU32::new(0);

fn add_one(count: &AtomicU32) {
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

#[embassy_executor::task(pool_size = TASKS as usize)]
async fn worker(_running: Permit<'static>) {
    while RUNNING.load(Ordering::Relaxed) {
        let mut pair = PAIR.lock_async().await;
        add_one(&ENTERED);
        pair.bump_left();
        // It holds the lock until the next interrupt.
        give_way().await;
        pair.bump_right();
        drop(pair);
        give_way().await;
    }
}

pub fn tick() {
    let executor = EXECUTOR.load(Ordering::Acquire);
    if executor.is_null() {
        return;
    }
    match PAIR.try_lock() {
        Some(mut pair) => {
            add_one(&ENTERED);
            pair.bump();
        }
        None => add_one(&REFUSED),
    }
    // SAFETY: it lives for ever, and is polled here alone, which no interrupt
    // interrupts.
    unsafe { (*executor).poll() };
}

pub fn check() {
    static CELL: StaticCell<Executor> = StaticCell::new();
    let executor: &'static Executor =
        CELL.init(Executor::new(ptr::without_provenance_mut(usize::MAX)));
    RUNNING.store(true, Ordering::Relaxed);
    for _ in 0..TASKS {
        // Its permit goes back when it is done.
        match worker(DONE.acquire()) {
            Ok(token) => executor.spawner().spawn(token),
            Err(_) => ensure(false, "a task could not be spawned"),
        }
    }
    EXECUTOR.store(ptr::from_ref(executor).cast_mut(), Ordering::Release);

    let (mut times, mut waited) = (0, 0);
    while waited < TIMES {
        let before = ENTERED.load(Ordering::Relaxed);
        let mut pair = PAIR.lock();
        let passed = ENTERED.load(Ordering::Relaxed) - before;
        ensure(passed <= BEFORE, "main was overtaken in line");
        waited += u32::from(passed != 0);
        times += 1;
        pair.bump_slowly();
    }

    RUNNING.store(false, Ordering::Relaxed);
    while DONE.available_permits() != TASKS as usize {
        core::hint::spin_loop();
    }
    EXECUTOR.store(ptr::null_mut(), Ordering::Release);
    let entered = ENTERED.load(Ordering::Relaxed);
    ensure(PAIR.lock().counts(times + entered), "somebody was inside with somebody else");
    ensure(entered > TIMES && REFUSED.load(Ordering::Relaxed) > 0, "nobody came in between");
}
