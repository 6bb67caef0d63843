//! A 32-bit RISC-V under QEMU, machine `virt`.

use core::sync::atomic::{AtomicU32, Ordering};

use riscv::interrupt::Interrupt;
use riscv_rt::{core_interrupt, entry};

const COMPARE: *mut u32 = 0x0200_4000 as *mut u32;
const TIME: *const u32 = 0x0200_bff8 as *const u32;

#[entry]
fn main() -> ! {
    next();
    // SAFETY: the handler below is ready, and everything it uses is static.
    unsafe {
        riscv::register::mie::set_mtimer();
        riscv::register::mstatus::set_mie();
    }
    crate::run()
}

#[core_interrupt(Interrupt::MachineTimer)]
fn timer() {
    next();
    crate::tick();
}

/// Asks for the next interrupt, after a time that changes from tick to tick.
fn next() {
    static SEED: AtomicU32 = AtomicU32::new(0x2545_f491);
    let mut seed = SEED.load(Ordering::Relaxed);
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    SEED.store(seed, Ordering::Relaxed);
    // SAFETY: the machine's timer; its high half stays 0 for as long as a run
    // takes. First far away, so that no half-written time rings.
    unsafe {
        let now = TIME.read_volatile();
        COMPARE.add(1).write_volatile(u32::MAX);
        COMPARE.write_volatile(now + 100 + seed % 211);
        COMPARE.add(1).write_volatile(0);
    }
}

pub fn print(text: &str) {
    semihosting::print!("{}", text);
}

#[allow(dead_code, reason = "not all programs need it")]
pub fn print_all(text: core::fmt::Arguments<'_>) {
    semihosting::print!("{}", text);
}

pub fn exit(status: u32) -> ! {
    semihosting::process::exit(status as i32)
}
