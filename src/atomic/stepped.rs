//! The processor's atomics, which a model of shared memory stops before each
//! step. Of the library's own tests only.
//!
//! # Invariant
//!
//! * **T1** A type here is its `portable-atomic` counterpart and nothing more,
//!   and that has the size and the bits of its integer.

#![allow(unsafe_code)]

use core::cell::Cell;
use core::fmt;
use core::ops::Deref;
use core::sync::atomic::Ordering;

/// Called with the address of an atomic, and whether it may be changed.
pub(crate) type Step = fn(*const (), bool);

std::thread_local! {
    static STEP: Cell<Option<Step>> = const { Cell::new(None) };
}

/// Whom this thread calls before each step from now on.
pub(crate) fn set_step(step: Option<Step>) {
    STEP.set(step);
}

/// A relaxed load is no step of its own: nothing is concluded from it before
/// the step that follows.
#[inline]
fn step<T>(at: &T, changes: bool, order: Ordering) {
    if (changes || order != Ordering::Relaxed)
        && let Ok(Some(step)) = STEP.try_with(Cell::get)
    {
        step(core::ptr::from_ref(at).cast(), changes);
    }
}

macro_rules! stepped {
    ($($name:ident $int:ty;)*) => {$(
        #[derive(Default)]
        #[repr(transparent)]
        pub(crate) struct $name(portable_atomic::$name);

        #[allow(dead_code, reason = "as the other worlds have them")]
        impl $name {
            pub(crate) const fn new(value: $int) -> Self {
                Self(portable_atomic::$name::new(value))
            }

            /// # Safety
            ///
            /// As `portable-atomic`'s.
            pub(crate) unsafe fn from_ptr<'a>(at: *mut $int) -> &'a Self {
                // SAFETY: T1, and by this function's contract.
                unsafe { &*at.cast::<Self>() }
            }

            pub(crate) fn load(&self, order: Ordering) -> $int {
                step(self, false, order);
                self.0.load(order)
            }

            pub(crate) fn store(&self, value: $int, order: Ordering) {
                step(self, true, order);
                self.0.store(value, order);
            }

            pub(crate) fn compare_exchange(
                &self,
                current: $int,
                new: $int,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$int, $int> {
                step(self, true, success);
                self.0.compare_exchange(current, new, success, failure)
            }

            /// Never fails for no reason: a model has to be played again.
            pub(crate) fn compare_exchange_weak(
                &self,
                current: $int,
                new: $int,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$int, $int> {
                self.compare_exchange(current, new, success, failure)
            }

            stepped! { @ $int: swap fetch_add fetch_sub fetch_and fetch_or fetch_max }
        }

        impl Deref for $name {
            type Target = portable_atomic::$name;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    )*};
    (@ $int:ty: $($update:ident)*) => {$(
        pub(crate) fn $update(&self, value: $int, order: Ordering) -> $int {
            step(self, true, order);
            self.0.$update(value, order)
        }
    )*};
}

stepped! {
    AtomicU32 u32;
    AtomicU64 u64;
}
