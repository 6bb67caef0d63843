//! What is done to who uses a lock against its rules.

#![allow(unsafe_code)]

/// Panics with `why`; in a release build for a bare core, where panicking takes
/// more flash than a lock, it raises the fault of an undefined instruction, or
/// where it knows none (neither ARM nor RISC-V), stops in an endless loop.
///
/// So nothing that acquires or releases brings the machinery of panics along.
#[cold]
#[inline(never)]
#[track_caller]
pub(crate) fn stop(why: &'static str) -> ! {
    if cfg!(debug_assertions) || !cfg!(target_os = "none") {
        panic!("{why}");
    }
    trap()
}

#[cfg(target_arch = "arm")]
fn trap() -> ! {
    // SAFETY: it does not come back.
    unsafe { core::arch::asm!("udf #0", options(noreturn, nomem, nostack)) }
}

#[cfg(any(target_arch = "riscv32", target_arch = "riscv64"))]
fn trap() -> ! {
    // SAFETY: it does not come back.
    unsafe { core::arch::asm!("unimp", options(noreturn, nomem, nostack)) }
}

#[cfg(not(any(target_arch = "arm", target_arch = "riscv32", target_arch = "riscv64")))]
fn trap() -> ! {
    loop {
        core::hint::spin_loop();
    }
}
