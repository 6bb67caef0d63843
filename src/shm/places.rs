//! The places that entering and leaving touch, compared with the segment's
//! length once, when a lock is opened.
//!
//! # Invariants
//!
//! * **P1** `lock` points to [`lock::ENDS`] bytes of the attachment's mapping,
//!   and `records` to `count` records of it, both aligned to 8 bytes:
//!   [`Places::new`] has checked it, and nothing here ever changes.
//! * **P2** The attachment is there as long as its [`Places`], and its mapping
//!   as long as the attachment (M1 in `map.rs`).
//!
//! What others may change at any time is reached only as atomics (M2), and a
//! child of `fork` asks [`Places::is_ours`] first (M3).

#![allow(unsafe_code)]

use alloc::sync::Arc;

use super::attach::{Attachment, Own};
use super::error::Error;
use super::format::{lock, record};
use crate::atomic::{AtomicU32, AtomicU64};

/// A lock's places in a segment.
pub(super) struct Places {
    lock: *mut u8,
    records: *mut u8,
    count: u32,
    notes_times: bool,
    own: Own,
    attachment: Arc<Attachment>,
}

// SAFETY: only atomics of this memory are given out (M2), and everything else
// may be sent.
unsafe impl Send for Places {}
// SAFETY: as above.
unsafe impl Sync for Places {}

/// A record's number that no program wrote means the first record: wrong, and
/// inside. Not inlined, so that an address never waits for the comparison.
#[cold]
#[inline(never)]
fn spoilt() -> u32 {
    0
}

impl Places {
    /// The places of the lock at `at`.
    ///
    /// # Panics
    ///
    /// If it is outside of the segment.
    pub(super) fn new(attachment: &Arc<Attachment>, at: u64) -> Self {
        let (map, tables) = (attachment.map(), attachment.tables());
        let lock = map.data(at, lock::ENDS);
        let records = map.data(tables.records_at, u64::from(tables.records) * record::LEN);
        let is_aligned = at.is_multiple_of(8) && tables.records_at.is_multiple_of(8);
        assert!(is_aligned && tables.records != 0, "a place that is not aligned");
        let (count, own) = (tables.records, attachment.own());
        let notes_times = attachment.notes_times();
        Self { lock, records, count, notes_times, own, attachment: Arc::clone(attachment) }
    }

    #[inline(always)]
    pub(super) fn attachment(&self) -> &Arc<Attachment> {
        &self.attachment
    }

    /// As [`Attachment::notes_times`].
    #[inline(always)]
    pub(super) fn notes_times(&self) -> bool {
        self.notes_times
    }

    /// As [`Attachment::is_ours`].
    #[inline(always)]
    pub(super) fn is_ours(&self) -> bool {
        self.own.is_ours()
    }

    #[inline(always)]
    fn lock_u32<const AT: u64>(&self) -> &AtomicU32 {
        const { assert!(AT.is_multiple_of(4) && AT + 4 <= lock::ENDS) };
        // SAFETY: P1, P2: inside, aligned, and for as long as `self` is.
        unsafe { AtomicU32::from_ptr(self.lock.add(AT as usize).cast()) }
    }

    #[inline(always)]
    pub(super) fn word(&self) -> &AtomicU64 {
        const { assert!(lock::WORD.is_multiple_of(8) && lock::WORD + 8 <= lock::ENDS) };
        // SAFETY: P1, P2: as above; portable-atomic's has the size of its
        // integer and the alignment 8.
        unsafe { AtomicU64::from_ptr(self.lock.add(lock::WORD as usize).cast()) }
    }

    #[inline(always)]
    pub(super) fn deaths(&self) -> &AtomicU32 {
        self.lock_u32::<{ lock::DEATHS }>()
    }

    #[inline(always)]
    pub(super) fn mended(&self) -> &AtomicU32 {
        self.lock_u32::<{ lock::MENDED }>()
    }

    /// As [`Attachment::state_of`].
    #[inline(always)]
    pub(super) fn state_of(&self, index: u32) -> &AtomicU64 {
        const { assert!(record::STATE.is_multiple_of(8) && record::STATE + 8 <= record::LEN) };
        let index = if index < self.count { index } else { spoilt() };
        let at = u64::from(index) * record::LEN + record::STATE;
        // SAFETY: P1, P2: `index` is below `count`, which is not 0: inside,
        // aligned, and for as long as `self` is.
        unsafe { AtomicU64::from_ptr(self.records.add(at as usize).cast()) }
    }

    /// As [`Attachment::take_record`].
    #[inline(always)]
    pub(super) fn take_record(&self) -> Result<u32, Error> {
        self.attachment.take_record(self.own)
    }

    /// Whether a record lies in front of this thread's shelves now. Until this
    /// thread takes another one nobody gets it.
    #[inline(always)]
    pub(super) fn keep_record(&self, index: u32) -> bool {
        self.own.keep_record(index)
    }
}
