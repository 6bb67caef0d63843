//! [`count`] with a lock that is none, made of a load and a store: every board
//! has to notice.

#![no_std]
#![no_main]

#[cfg_attr(target_arch = "arm", path = "arm.rs")]
#[cfg_attr(target_arch = "riscv32", path = "riscv.rs")]
mod board;
mod count;

use core::panic::PanicInfo;

mod gate {
    use core::sync::atomic::{AtomicUsize, Ordering};

    static COUNT: AtomicUsize = AtomicUsize::new(0);

    pub struct Hold;

    pub fn enter() -> Option<Hold> {
        COUNT.store(COUNT.load(Ordering::SeqCst) + 1, Ordering::SeqCst);
        Some(Hold)
    }

    impl Drop for Hold {
        fn drop(&mut self) {
            COUNT.store(COUNT.load(Ordering::SeqCst).wrapping_sub(1), Ordering::SeqCst);
        }
    }

    pub fn inside() -> usize {
        COUNT.load(Ordering::SeqCst)
    }
}

fn run() -> ! {
    count::check();
    board::exit(0)
}

fn tick() {
    count::tick();
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
fn panicked(_: &PanicInfo<'_>) -> ! {
    board::exit(2)
}
