//! A Cortex-M under QEMU.

use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::peripheral::{Peripherals, SYST, syst::SystClkSource};
use cortex_m_rt::{entry, exception};
use cortex_m_semihosting::{hprint, syscall};

#[entry]
fn main() -> ! {
    let Some(peripherals) = Peripherals::take() else { exit(1) };
    let mut timer = peripherals.SYST;
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(period());
    timer.clear_current();
    timer.enable_counter();
    timer.enable_interrupt();
    crate::run()
}

#[exception]
fn SysTick() {
    // A fixed period would preempt at the same few instructions.
    // SAFETY: only this handler writes the register after `main` has begun.
    unsafe { (*SYST::PTR).rvr.write(period()) };
    crate::tick();
}

/// A period that changes from tick to tick.
fn period() -> u32 {
    static SEED: AtomicU32 = AtomicU32::new(0x2545_f491);
    let mut seed = SEED.load(Ordering::Relaxed);
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    SEED.store(seed, Ordering::Relaxed);
    900 + seed % 1013
}

pub fn print(text: &str) {
    hprint!("{}", text);
}

#[allow(dead_code, reason = "not all programs need it")]
pub fn print_all(text: core::fmt::Arguments<'_>) {
    hprint!("{}", text);
}

pub fn exit(status: u32) -> ! {
    // SYS_EXIT_EXTENDED with ADP_Stopped_ApplicationExit.
    let block = [0x20026_u32, status];
    // SAFETY: the call takes the address of two words.
    unsafe { syscall(0x20, &block) };
    loop {
        cortex_m::asm::nop();
    }
}
