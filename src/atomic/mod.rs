//! The only place that names atomics, and the plain cells that a lock guards.
//!
//! Four worlds stand behind one set of names: the processor's own atomics,
//! `portable-atomic`'s where a chip has no compare-and-swap, loom's in a model,
//! and shuttle's under a schedule that is drawn. Everything above is written
//! once.
//!
//! Under loom a constructor cannot be `const`: [`constructor!`] writes either
//! form, and [`init!`] calls the one that is there.

#[cfg(not(all(test, portunus_loom)))]
mod constant;
#[cfg(all(test, portunus_shuttle))]
pub(crate) use constant::Tally;

#[cfg(not(all(test, any(portunus_loom, portunus_shuttle))))]
mod plain;
#[cfg(not(all(test, any(portunus_loom, portunus_shuttle))))]
use plain as imp;

#[cfg(all(test, any(portunus_loom, portunus_shuttle)))]
mod fault;
#[cfg(all(test, any(portunus_loom, portunus_shuttle)))]
pub(crate) use fault::Fault;
#[cfg(not(all(test, any(portunus_loom, portunus_shuttle))))]
pub(crate) use plain::Fault;

#[cfg(all(test, portunus_shuttle))]
mod scheduled;
#[cfg(all(test, portunus_shuttle))]
use scheduled as imp;

#[cfg(all(test, portunus_loom))]
mod model;
#[cfg(all(test, portunus_loom))]
use model as imp;

#[cfg(all(
    test,
    not(any(portunus_loom, portunus_shuttle)),
    feature = "shm",
    target_has_atomic = "64"
))]
pub(crate) mod stepped;
#[cfg(not(all(
    test,
    not(any(portunus_loom, portunus_shuttle)),
    feature = "shm",
    target_has_atomic = "64"
)))]
use imp as fixed;
#[cfg(all(
    test,
    not(any(portunus_loom, portunus_shuttle)),
    feature = "shm",
    target_has_atomic = "64"
))]
use stepped as fixed;

pub(crate) use core::sync::atomic::Ordering;
pub(crate) use fixed::AtomicU32;
#[cfg(target_has_atomic = "64")]
#[allow(unused_imports, reason = "of memory that processes share")]
pub(crate) use fixed::AtomicU64;
pub(crate) use imp::{
    AtomicPtr, AtomicU8, AtomicUsize, AtomicWide, Cell, Wide, constructor, init, next_number,
    reached,
};
#[cfg(all(test, portunus_loom))]
pub(crate) use model::was_reached;

use core::fmt::Debug;
use core::ops::{Add, BitAnd, BitOr, Not, Shl, Shr, Sub};

/// The integer that a lock's word is made of.
///
/// `usize` inside a process, `u64` where programs of different widths share
/// the word.
pub(crate) trait Word:
    Copy
    + Ord
    + Debug
    + Add<Output = Self>
    + Sub<Output = Self>
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + Not<Output = Self>
    + Shl<u32, Output = Self>
    + Shr<u32, Output = Self>
    + 'static
{
    /// Its width.
    const BITS: u32;
    /// No bit set.
    const ZERO: Self;
    /// The atomic that holds it.
    type Atomic: AtomicWord<Self>;
    /// The sum, without what does not fit.
    fn wrapping_add(self, other: Self) -> Self;
    /// The difference, likewise.
    fn wrapping_sub(self, other: Self) -> Self;
    /// The integer with the value of `count`, which must fit.
    fn from_count(count: usize) -> Self;
    /// The value, saturating where `usize` is narrower.
    fn to_count(self) -> usize;
}

/// The operations that the engine makes on a word.
pub(crate) trait AtomicWord<W> {
    fn load(&self, order: Ordering) -> W;
    fn store(&self, value: W, order: Ordering);
    fn fetch_sub(&self, value: W, order: Ordering) -> W;
    fn compare_exchange(
        &self,
        current: W,
        new: W,
        success: Ordering,
        failure: Ordering,
    ) -> Result<W, W>;
    fn compare_exchange_weak(
        &self,
        current: W,
        new: W,
        success: Ordering,
        failure: Ordering,
    ) -> Result<W, W>;
}

macro_rules! word {
    ($($int:ty, $atomic:ty;)*) => {$(
        impl Word for $int {
            const BITS: u32 = <$int>::BITS;
            const ZERO: Self = 0;
            type Atomic = $atomic;
            #[inline(always)]
            fn wrapping_add(self, other: Self) -> Self {
                <$int>::wrapping_add(self, other)
            }
            #[inline(always)]
            fn wrapping_sub(self, other: Self) -> Self {
                <$int>::wrapping_sub(self, other)
            }
            #[inline(always)]
            fn from_count(count: usize) -> Self {
                count as $int
            }
            #[inline(always)]
            fn to_count(self) -> usize {
                if <$int>::BITS > usize::BITS && self > usize::MAX as $int {
                    usize::MAX
                } else {
                    self as usize
                }
            }
        }

        impl AtomicWord<$int> for $atomic {
            #[inline(always)]
            fn load(&self, order: Ordering) -> $int {
                <$atomic>::load(self, order)
            }
            #[inline(always)]
            fn store(&self, value: $int, order: Ordering) {
                <$atomic>::store(self, value, order);
            }
            #[inline(always)]
            fn fetch_sub(&self, value: $int, order: Ordering) -> $int {
                <$atomic>::fetch_sub(self, value, order)
            }
            #[inline(always)]
            fn compare_exchange(
                &self,
                current: $int,
                new: $int,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$int, $int> {
                <$atomic>::compare_exchange(self, current, new, success, failure)
            }
            #[inline(always)]
            fn compare_exchange_weak(
                &self,
                current: $int,
                new: $int,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$int, $int> {
                <$atomic>::compare_exchange_weak(self, current, new, success, failure)
            }
        }
    )*};
}

word! { usize, AtomicUsize; }

// The second width is that of memory which processes share.
#[cfg(target_has_atomic = "64")]
word! { u64, fixed::AtomicU64; }
