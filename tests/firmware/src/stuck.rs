//! A handler that does what it must not: on the backend `spin` it counts the
//! line, under the inner lock that the interrupted main code may hold. A build
//! with debug assertions says so, instead of hanging in silence; `run` expects
//! its words and the status 1.

#![no_std]
#![no_main]

#[cfg_attr(target_arch = "arm", path = "arm.rs")]
#[cfg_attr(target_arch = "riscv32", path = "riscv.rs")]
mod board;

use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU32, Ordering};

use portunus::FifoLock;
use portunus::rules::Exclusive;
use portunus::spin::Spinning;

static LOCK: FifoLock<Exclusive, Spinning<spin::relax::Spin, 10_000>> = FifoLock::new(Exclusive);

static TICKS: AtomicU32 = AtomicU32::new(0);

fn run() -> ! {
    while TICKS.load(Ordering::Relaxed) < 10_000 {
        LOCK.waiting();
    }
    board::print("no interrupt met the inner lock\n");
    board::exit(0)
}

fn tick() {
    TICKS.store(TICKS.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    LOCK.waiting();
}

#[panic_handler]
fn panicked(info: &PanicInfo<'_>) -> ! {
    board::print_all(format_args!("PANIC: {}\n", info.message()));
    board::exit(1)
}
