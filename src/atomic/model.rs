//! loom's atomics.

#![allow(unsafe_code)]

pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize};

/// The widest integer whose atomic takes no lock here, and that atomic.
pub(crate) type Wide = u64;

/// A word that is loaded and then exchanged.
///
/// Loom reorders an access with the last one before it only, so a thread's own
/// load hides another thread's from its exchange. Each access here begins with
/// an exchange of something else: none hides another. It is relaxed, and orders
/// nothing.
#[derive(Debug)]
pub(crate) struct AtomicWide {
    word: AtomicU64,
    turn: AtomicUsize,
}

impl AtomicWide {
    pub(crate) fn new(value: Wide) -> Self {
        Self { word: AtomicU64::new(value), turn: AtomicUsize::new(0) }
    }

    pub(crate) fn load(&self, order: Ordering) -> Wide {
        self.turn.fetch_add(1, Ordering::Relaxed);
        self.word.load(order)
    }

    pub(crate) fn store(&self, value: Wide, order: Ordering) {
        self.turn.fetch_add(1, Ordering::Relaxed);
        self.word.store(value, order);
    }

    pub(crate) fn compare_exchange(
        &self,
        current: Wide,
        new: Wide,
        success: Ordering,
        failure: Ordering,
    ) -> Result<Wide, Wide> {
        self.turn.fetch_add(1, Ordering::Relaxed);
        self.word.compare_exchange(current, new, success, failure)
    }
}

use core::sync::atomic::Ordering;
use loom::cell::UnsafeCell;

/// Plain memory whose unsynchronised use loom reports.
#[derive(Debug)]
pub(crate) struct Cell<T>(UnsafeCell<T>);

impl<T> Cell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    pub(crate) fn set(&self, value: T) {
        // SAFETY: loom fails the model when another access overlaps.
        #[allow(unsafe_code)]
        self.0.with_mut(|place| unsafe { *place = value });
    }

    pub(crate) fn get(&self) -> T
    where
        T: Copy,
    {
        // SAFETY: loom fails the model when a write overlaps.
        #[allow(unsafe_code)]
        self.0.with(|place| unsafe { *place })
    }
}

/// The states of nodes that were reached in this process, a bit for each.
static REACHED: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);

/// Notes that a node has reached `state`.
pub(crate) fn reached(state: u8) {
    REACHED.fetch_or(1 << state, Ordering::SeqCst);
}

/// Whether a node has reached `state`.
pub(crate) fn was_reached(state: u8) -> bool {
    REACHED.load(Ordering::SeqCst) & 1 << state != 0
}

macro_rules! constructor {
    ($(#[$meta:meta])* $vis:vis fn $($rest:tt)*) => {
        $(#[$meta])* $vis fn $($rest)*
    };
}
pub(crate) use constructor;

macro_rules! init {
    ($type:ty) => {
        <$type>::init()
    };
}
pub(crate) use init;

/// The next running number of the process, from 1 on.
pub(crate) fn next_number() -> usize {
    static LAST: core::sync::atomic::AtomicUsize = core::sync::atomic::AtomicUsize::new(0);
    LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
}
