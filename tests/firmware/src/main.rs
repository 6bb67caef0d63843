//! The locks on a board, with real interrupts.
//!
//! `run` builds this for every board and starts it under QEMU. The exit status
//! is the verdict: 0 all held, 1 something did not.
//!
//! Each file is one topic. One that is added is named in three lists below:
//! what main code tries, what tasks try, and what the handler does meanwhile.

#![no_std]
#![no_main]

#[cfg_attr(target_arch = "arm", path = "arm.rs")]
#[cfg_attr(target_arch = "riscv32", path = "riscv.rs")]
mod board;
mod count;
mod gate;
mod pair;

mod awaiting;
mod blocking;
mod doors;
mod in_line;
mod policies;
mod selecting;
mod shared;
mod spinning;
mod tasks;

use core::future::poll_fn;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::Poll;

use embassy_executor::{Executor, Spawner};
use static_cell::StaticCell;

/// What main code tries, blocking, before the executor starts.
const IN_MAIN: &[(&str, fn())] = &[
    ("count", count::check),
    ("blocking", blocking::check),
    ("spinning", spinning::check),
    ("shared with main", shared::check),
    ("in line with tasks", in_line::check),
    ("doors", doors::check),
];

/// What tasks try, one after the other.
#[embassy_executor::task]
async fn in_tasks(spawner: Spawner) {
    macro_rules! each {
        ($($check:ident)+) => {$(
            $check::check_tasks(spawner).await;
            report(stringify!($check));
        )+};
    }
    each! { tasks awaiting selecting shared doors policies }
    board::exit(0)
}

/// What the timer's interrupt does meanwhile. Each does nothing unless its own
/// check runs.
const IN_HANDLER: &[fn()] = &[
    count::tick,
    blocking::tick,
    spinning::tick,
    in_line::tick,
    shared::tick,
    doors::tick,
    tasks::tick,
    awaiting::tick,
    selecting::tick,
    policies::tick,
];

/// Called by the board once its timer runs.
fn run() -> ! {
    for (name, check) in IN_MAIN {
        check();
        report(name);
    }
    static EXECUTOR: StaticCell<Executor> = StaticCell::new();
    EXECUTOR.init(Executor::new()).run(|spawner| match in_tasks(spawner) {
        Ok(token) => spawner.spawn(token),
        Err(_) => ensure(false, "no task could be spawned"),
    })
}

/// Interrupts since the last check ended.
static IDLE: AtomicU32 = AtomicU32::new(0);
/// So many are a check that hangs: all take a few thousand.
const HANGS: u32 = 200_000;

/// Called by the board in the timer's interrupt.
fn tick() {
    let idle = IDLE.load(Ordering::Relaxed) + 1;
    IDLE.store(idle, Ordering::Relaxed);
    ensure(idle < HANGS, "the next check hangs");
    for tick in IN_HANDLER {
        tick();
    }
}

/// Gives way to the other tasks once.
async fn give_way() {
    let mut gave = false;
    poll_fn(|cx| {
        if gave {
            return Poll::Ready(());
        }
        gave = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Lets the other tasks run until `done`.
async fn until(done: impl Fn() -> bool) {
    while !done() {
        give_way().await;
    }
}

fn report(name: &str) {
    IDLE.store(0, Ordering::Relaxed);
    board::print(name);
    board::print(": ok\n");
}

/// Fails the board unless `held` does.
fn ensure(held: bool, what: &str) {
    if !held {
        board::print("FAILED: ");
        board::print(what);
        board::print("\n");
        board::exit(1);
    }
}

#[panic_handler]
fn panicked(info: &PanicInfo<'_>) -> ! {
    board::print("PANIC: ");
    board::print_all(format_args!("{}\n", info.message()));
    board::exit(1)
}
