//! Data behind a lock with the table's modes.
//!
//! A `FifoLock` says who may be inside and protects nothing by itself. Here a
//! hold is the key to the data: any hold lets its owner read, and one in mode
//! `Merge`, which is alone, lets its owner write.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::ptr;

use portunus::sync::{FifoLock, Hold};

use super::modes::{TableMode, TableRules};

/// A hold on the lock of the table.
pub(crate) type TableHold<'a> = Hold<'a, TableRules>;

/// Data, and the lock that decides who may get at it.
pub(crate) struct Guarded<T> {
    lock: FifoLock<TableRules>,
    data: UnsafeCell<T>,
}

// SAFETY: shared, it gives `&T` to several threads at a time (`read`), which
// takes `T: Sync`, and `&mut T` to one after the other (`write`), which takes
// `T: Send`. That these never meet is shown there. The lock itself is `Sync`.
unsafe impl<T: Send + Sync> Sync for Guarded<T> {}

impl<T> Guarded<T> {
    pub(crate) fn new(data: T) -> Self {
        Self { lock: FifoLock::new(TableRules), data: UnsafeCell::new(data) }
    }

    pub(crate) fn lock(&self) -> &FifoLock<TableRules> {
        &self.lock
    }

    /// The data, for as long as the hold is borrowed. Any mode will do.
    ///
    /// # Panics
    ///
    /// If the hold is on another lock.
    pub(crate) fn read<'a>(&'a self, hold: &'a TableHold<'_>) -> &'a T {
        self.check(hold);
        // SAFETY: while the result lives, `hold` is borrowed, so that it is
        // neither released nor changed, and holds this very lock (`check`). A
        // `&mut T` comes from `write` alone and lives only while a hold of the
        // lock in mode `Merge` is borrowed as `&mut`. That is not this hold,
        // which is borrowed as `&`. Nor is it another one: `TableRules` admits
        // `Merge` beside nobody, and nobody beside `Merge`.
        unsafe { &*self.data.get() }
    }

    /// The data, to be changed, for as long as the hold is borrowed.
    ///
    /// # Panics
    ///
    /// If the hold is on another lock, or not in mode `Merge`.
    pub(crate) fn write<'a>(&'a self, hold: &'a mut TableHold<'_>) -> &'a mut T {
        self.check(hold);
        assert_eq!(hold.mode(), TableMode::Merge, "the table is written in mode Merge only");
        // SAFETY: while the result lives, `hold` is borrowed as `&mut`: no
        // other reference comes from it, and it stays what it is, a hold of
        // this very lock (`check`) in mode `Merge`. Beside it there is no
        // other hold, by `TableRules`; and without a hold nothing here gives
        // a reference.
        unsafe { &mut *self.data.get() }
    }

    pub(crate) fn into_inner(self) -> T {
        self.data.into_inner()
    }

    fn check(&self, hold: &TableHold<'_>) {
        assert!(ptr::eq(hold.lock(), &self.lock), "the hold is on another lock");
    }
}
