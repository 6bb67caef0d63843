//! The inner lock that is a critical section.

#![allow(unsafe_code)]

use core::fmt;

use super::inner::{InnerLock, or_abort};
use super::kept::Kept;

/// An inner lock that is the critical section of the chip or the application.
///
/// An interrupt handler may take it: whoever else could be inside has
/// interrupts off.
pub struct CriticalInner(Kept);

/// A critical section, from here to its drop. The application's functions
/// must not unwind on the way in or out: the program ends then.
struct Section(critical_section::RestoreState);

impl Section {
    #[inline]
    fn enter() -> Self {
        // SAFETY: left by the drop of this, which is never moved out of the
        // function that has it: sections end in the order in which they began.
        Self(or_abort(|| unsafe { critical_section::acquire() }))
    }
}

impl Drop for Section {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the state is that of the acquisition that this ends.
        or_abort(|| unsafe { critical_section::release(self.0) });
    }
}

/// What is said when a section is entered inside itself.
const NESTED: &str = "a rule's predicate used the lock that was asking it";

// SAFETY: a critical section excludes and publishes; `Section` leaves it, and
// `Kept` writes the word back before, in every way out. A nested call
// finds the word taken and ends the program.
unsafe impl InnerLock for CriticalInner {
    const LEAVES_AT_ONCE: bool = true;

    #[cfg(not(all(test, portunus_loom)))]
    const INIT: Self = Self(Kept::new());

    #[cfg(all(test, portunus_loom))]
    fn init() -> Self {
        Self(Kept::new())
    }

    #[inline]
    fn with<T>(&self, f: impl FnOnce(&mut *const ()) -> T) -> T {
        let _section = Section::enter();
        self.0.with(NESTED, f)
    }

    fn try_with<T>(&self, f: impl FnOnce(&mut *const ()) -> T) -> Option<T> {
        let _section = Section::enter();
        self.0.try_with(f)
    }

    #[inline]
    fn is_clear(&self) -> bool {
        self.0.is_clear()
    }
}

impl fmt::Debug for CriticalInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CriticalInner").finish_non_exhaustive()
    }
}
