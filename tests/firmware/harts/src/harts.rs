//! Four harts that run at the same time contend for locks of the backend
//! `spin`, and every count comes out exact.

use core::arch::global_asm;
use core::hint::black_box;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicUsize, Ordering};

use riscv_rt::entry;

use crate::gates;

const HARTS: usize = 4;
/// How often each hart enters each lock.
const ROUNDS: usize = 2000;
/// Permits of the semaphore that lets several in.
pub const PERMITS: usize = 3;
/// What the memory map gives each hart.
const STACK: usize = 64 * 1024;

// Hart 0 initialises the memory; the others sleep until it calls them, and
// take the call back.
global_asm!(
    ".section .init.mp_hook, \"ax\"
    .global _mp_hook
_mp_hook:
    beqz a0, 2f
    li t0, 8
    csrs mie, t0
1:  wfi
    csrr t0, mip
    andi t0, t0, 8
    beqz t0, 1b
    csrw mie, zero
    slli t0, a0, 2
    li t1, 0x02000000
    add t0, t0, t1
    sw zero, 0(t0)
    li a0, 0
    ret
2:  li a0, 1
    ret"
);

/// Where a software interrupt is sent to a hart.
const CALL: *mut u32 = 0x0200_0000 as *mut u32;

/// An address on each hart's stack; 0: it has not arrived.
static STACKS: [AtomicUsize; HARTS] = [const { AtomicUsize::new(0) }; HARTS];
static ARRIVED: AtomicUsize = AtomicUsize::new(0);

/// A count kept by a load and a store, as wrong as the lock around it.
struct Count(AtomicUsize);

impl Count {
    const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    fn bump(&self) {
        let now = self.0.load(Ordering::Relaxed);
        // Long enough for another hart to come in between.
        for step in 0..20 {
            black_box(step);
        }
        self.0.store(now + 1, Ordering::Relaxed);
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

static UNDER_MUTEX: Count = Count::new();
static UNDER_WRITE: Count = Count::new();
static UNDER_PERMIT: Count = Count::new();
/// Readers see both or neither.
static TWIN: Count = Count::new();
/// How many are inside the semaphore with several permits.
static INSIDE: AtomicUsize = AtomicUsize::new(0);

#[entry]
fn main(hart: usize) -> ! {
    let here = 0_u8;
    STACKS[hart].store(&raw const here as usize, Ordering::Release);
    if hart == 0 {
        for other in 1..HARTS {
            // SAFETY: the machine's register of that hart; it sleeps in
            // `_mp_hook`.
            unsafe { CALL.add(other).write_volatile(1) };
        }
    }
    meet();
    if hart == 0 {
        stacks_are_apart();
    }
    contend("mutex", hart, || gates::mutex(|| UNDER_MUTEX.bump()), || UNDER_MUTEX.get());
    contend("user modes", hart, modes, || {
        ensure(TWIN.get() == UNDER_WRITE.get(), "the writers' two counts differ");
        UNDER_WRITE.get()
    });
    contend("semaphore", hart, || gates::one(|| UNDER_PERMIT.bump()), || UNDER_PERMIT.get());
    several(hart);
    if hart == 0 {
        gates::are_free();
        semihosting::process::exit(0)
    }
    loop {
        core::hint::spin_loop();
    }
}

/// One visit of each kind to the lock with user modes.
fn modes() {
    gates::write(|| {
        UNDER_WRITE.bump();
        TWIN.bump();
    });
    gates::read(|| {
        let left = UNDER_WRITE.get();
        ensure(left == TWIN.get(), "a reader saw one count without the other");
    });
}

/// All harts do `visit` at the same time; the count must come out exact.
fn contend(name: &str, hart: usize, visit: impl Fn(), count: impl Fn() -> usize) {
    meet();
    for _ in 0..ROUNDS {
        visit();
    }
    meet();
    if hart == 0 {
        ensure(count() == HARTS * ROUNDS, name);
        say(name);
    }
    meet();
}

/// Several are let in at once, and never one too many.
fn several(hart: usize) {
    for _ in 0..ROUNDS {
        gates::several(|| {
            let inside = INSIDE.fetch_add(1, Ordering::Relaxed) + 1;
            ensure(inside <= PERMITS, "more inside than there are permits");
            INSIDE.fetch_sub(1, Ordering::Relaxed);
        });
    }
    meet();
    if hart == 0 {
        say("several permits");
    }
}

fn stacks_are_apart() {
    for (i, one) in STACKS.iter().enumerate() {
        for other in &STACKS[..i] {
            let (one, other) = (one.load(Ordering::Acquire), other.load(Ordering::Acquire));
            ensure(one != 0 && other.abs_diff(one) >= STACK / 2, "two harts share a stack");
        }
    }
}

/// Waits until all harts are here.
fn meet() {
    let round = ARRIVED.fetch_add(1, Ordering::AcqRel) / HARTS;
    while ARRIVED.load(Ordering::Acquire) / HARTS == round {
        core::hint::spin_loop();
    }
}

fn say(name: &str) {
    semihosting::println!("{name}: ok");
}

pub fn ensure(held: bool, what: &str) {
    if !held {
        semihosting::println!("FAILED: {what}");
        semihosting::process::exit(1);
    }
}

#[panic_handler]
fn panicked(info: &PanicInfo<'_>) -> ! {
    semihosting::println!("PANIC: {}", info.message());
    semihosting::process::exit(1)
}
