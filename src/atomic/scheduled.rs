//! Shuttle's atomics: at each access another party may go on.

pub(crate) use core::cell::Cell;
#[allow(unused_imports, reason = "of memory that processes share")]
pub(crate) use shuttle::sync::atomic::AtomicU64;
pub(crate) use shuttle::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicUsize};

use core::sync::atomic::Ordering;

/// The widest integer whose atomic takes no lock here, and that atomic.
pub(crate) type Wide = u64;
pub(crate) type AtomicWide = AtomicU64;

/// Models note which states of a node they reach.
pub(crate) fn reached(_state: u8) {}

macro_rules! constructor {
    ($(#[$meta:meta])* $vis:vis fn $($rest:tt)*) => {
        $(#[$meta])* $vis const fn $($rest)*
    };
}
pub(crate) use constructor;

macro_rules! init {
    ($type:ty) => {
        <$type>::INIT
    };
}
pub(crate) use init;

/// The next running number of the process, from 1 on: no schedule turns on it.
pub(crate) fn next_number() -> usize {
    static LAST: core::sync::atomic::AtomicUsize = core::sync::atomic::AtomicUsize::new(0);
    LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
}
