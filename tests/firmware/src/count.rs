//! The count of holders comes out exact, with a handler that holds across its
//! interrupts.
//!
//! This is where an update made of a load and a store is seen: the handler's
//! unit, taken in between, is lost. `broken.rs` has such a lock, and must fail.

use core::cell::RefCell;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use critical_section::Mutex;

use crate::{ensure, gate};

/// What the handler holds from one interrupt to the next.
static KEPT: Mutex<RefCell<Option<gate::Hold>>> = Mutex::new(RefCell::new(None));
static RUNNING: AtomicBool = AtomicBool::new(false);
static TICKS: AtomicU32 = AtomicU32::new(0);

pub fn tick() {
    if !RUNNING.load(Ordering::Relaxed) {
        return;
    }
    TICKS.store(TICKS.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    critical_section::with(|cs| {
        let mut kept = KEPT.borrow_ref_mut(cs);
        *kept = match kept.take() {
            Some(_) => None,
            None => gate::enter(),
        };
    });
}

pub fn check() {
    RUNNING.store(true, Ordering::Relaxed);
    while TICKS.load(Ordering::Relaxed) < 2000 {
        let hold = gate::enter();
        ensure(hold.is_some(), "a reader was refused beside readers");
    }
    RUNNING.store(false, Ordering::Relaxed);
    critical_section::with(|cs| drop(KEPT.borrow_ref_mut(cs).take()));
    ensure(gate::inside() == 0, "the count of holders is not exact");
}
