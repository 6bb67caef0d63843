//! What is the same wherever a constructor can be `const`: everywhere but in
//! loom's models.

use core::sync::atomic::Ordering;

/// A count that is no step of a schedule: no party is changed at it.
pub(crate) use portable_atomic::AtomicUsize as Tally;

/// Writes a constructor that is `const` wherever it can be.
macro_rules! constructor {
    ($(#[$meta:meta])* $vis:vis fn $($rest:tt)*) => {
        $(#[$meta])* $vis const fn $($rest)*
    };
}
pub(crate) use constructor;

/// The initial value of a type that a model cannot build in a constant.
macro_rules! init {
    ($type:ty) => {
        <$type>::INIT
    };
}
pub(crate) use init;

/// Models note which states of a node they reach.
#[inline(always)]
pub(crate) fn reached(_state: u8) {}

/// The next running number of the process, from 1 on.
pub(crate) fn next_number() -> usize {
    static LAST: Tally = Tally::new(0);
    // Ordering: Relaxed: nothing but the number itself is told by it.
    LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
}
