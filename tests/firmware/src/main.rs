//! The locks on a board, with real interrupts.
//!
//! `run` builds this for every board and starts it under QEMU. The exit status
//! is the verdict: 0 all held, 1 something did not.

#![no_std]
#![no_main]

mod blocking;
#[cfg_attr(target_arch = "arm", path = "arm.rs")]
#[cfg_attr(target_arch = "riscv32", path = "riscv.rs")]
mod board;
mod count;
mod tasks;

use core::panic::PanicInfo;

/// Everything that is tried before the executor starts; it never returns.
fn run() -> ! {
    count::check();
    blocking::check();
    board::print("interrupts: ok\n");
    tasks::check()
}

/// What the timer's interrupt does.
fn tick() {
    count::tick();
    blocking::tick();
    tasks::tick();
}

/// Fails the board unless `held` does.
#[track_caller]
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
    if let Some(text) = info.message().as_str() {
        board::print(text);
    }
    board::print("\n");
    board::exit(1)
}
