//! Where waiters stand: a list for each lane, and for each condition, of
//! records by their index.
//!
//! The links are a convenience. The truth is the state and the ticket in each
//! record: a repair sorts by them and links anew. Everything here runs under
//! the guard of the lock.

use super::attach::Attachment;
use super::fault::{Point, point};
use super::format::{condvar, lock, record};
use super::sys;
use crate::atomic::{AtomicU32, Ordering};

/// The order of all loads and stores of links: the guard orders them.
const UNDER_GUARD: Ordering = Ordering::Relaxed;

/// The lanes of a lock, or a condition's one.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    attachment: &'a Attachment,
    /// Where the first lane's ends are.
    ends: u64,
}

/// What [`record::FRONT`] says of the first of a lane.
pub(super) const FRONT: u32 = 1;
/// The same, and it must look after the dead and the grants itself.
pub(super) const LOOK: u32 = 2;

fn get(link: &AtomicU32) -> Option<u32> {
    link.load(UNDER_GUARD).checked_sub(1)
}

fn set(link: &AtomicU32, index: Option<u32>) {
    link.store(index.map_or(0, |index| index + 1), UNDER_GUARD);
}

impl<'a> Line<'a> {
    /// The lanes of the lock at `at`.
    pub(super) fn of_lock(attachment: &'a Attachment, at: u64) -> Self {
        Self { attachment, ends: at + lock::ENDS }
    }

    /// The line of the condition at `at`, as lane 0.
    pub(super) fn of_condvar(attachment: &'a Attachment, at: u64) -> Self {
        Self { attachment, ends: at + condvar::ENDS }
    }

    fn first(self, lane: u32) -> &'a AtomicU32 {
        self.attachment.map().u32(self.ends + u64::from(lane) * 8)
    }

    fn last(self, lane: u32) -> &'a AtomicU32 {
        self.attachment.map().u32(self.ends + u64::from(lane) * 8 + 4)
    }

    fn next_of(self, index: u32) -> &'a AtomicU32 {
        self.attachment.record_u32(index, record::NEXT)
    }

    fn prev_of(self, index: u32) -> &'a AtomicU32 {
        self.attachment.record_u32(index, record::PREV)
    }

    pub(super) fn ends(self, lane: u32) -> Option<(u32, u32)> {
        Some((get(self.first(lane))?, get(self.last(lane))?))
    }

    /// The one behind; of a lane's last, itself.
    pub(super) fn next(self, index: u32) -> u32 {
        get(self.next_of(index)).unwrap_or(index)
    }

    /// Links behind `ahead`, or first.
    pub(super) fn insert(self, lane: u32, ahead: Option<u32>, index: u32) {
        let behind = match ahead {
            Some(ahead) => get(self.next_of(ahead)),
            None => get(self.first(lane)),
        };
        set(self.next_of(index), behind);
        set(self.prev_of(index), ahead);
        match ahead {
            Some(ahead) => set(self.next_of(ahead), Some(index)),
            None => set(self.first(lane), Some(index)),
        }
        point(Point::HalfLinked);
        match behind {
            Some(behind) => set(self.prev_of(behind), Some(index)),
            None => set(self.last(lane), Some(index)),
        }
        self.attachment.record_u32(index, record::FRONT).store(0, UNDER_GUARD);
        if ahead.is_none() {
            self.tell_first(lane);
        }
        point(Point::Linked);
    }

    pub(super) fn append(self, lane: u32, index: u32) {
        self.insert(lane, get(self.last(lane)), index);
    }

    /// Takes out. `true`: it was the first, and whoever is first now has not
    /// been told.
    pub(super) fn unlink(self, lane: u32, index: u32) -> bool {
        let (prev, next) = (get(self.prev_of(index)), get(self.next_of(index)));
        match prev {
            Some(prev) => set(self.next_of(prev), next),
            None => set(self.first(lane), next),
        }
        point(Point::HalfUnlinked);
        match next {
            Some(next) => set(self.prev_of(next), prev),
            None => set(self.last(lane), prev),
        }
        prev.is_none()
    }

    pub(super) fn tell_first(self, lane: u32) {
        if let Some(first) = get(self.first(lane)) {
            // Ordering: Relaxed, a hint.
            self.attachment.record_u32(first, record::FRONT).store(FRONT, Ordering::Relaxed);
        }
    }

    /// Wakes the first of each lane, who looks whether it may enter.
    pub(super) fn rouse(self, lanes: u32) {
        for lane in 0..lanes {
            if let Some(first) = get(self.first(lane)) {
                // Ordering: Relaxed, it may be seen late: then the next look
                // on its own finds the same.
                self.attachment.record_u32(first, record::FRONT).store(LOOK, Ordering::Relaxed);
                wake(self.attachment, first);
            }
        }
    }

    /// Links these anew, in this order, as the only ones of their lane.
    pub(super) fn relink(self, lane: u32, indices: impl Iterator<Item = u32>) {
        set(self.first(lane), None);
        set(self.last(lane), None);
        for index in indices {
            self.append(lane, index);
            point(Point::Relinking);
        }
    }

    pub(super) fn len(self, lanes: u32) -> usize {
        let mut count = 0;
        for lane in 0..lanes {
            let mut at = get(self.first(lane));
            // Memory that others may have spoilt has no endless list.
            while let Some(index) = at
                && count < self.attachment.tables().records as usize
            {
                count += 1;
                at = get(self.next_of(index));
            }
        }
        count
    }
}

/// Wakes whoever waits in a record: its thread, or its process's tasks.
pub(super) fn wake(attachment: &Attachment, index: u32) {
    // Ordering: Relaxed, it is constant while somebody waits.
    let task = attachment.record_u32(index, record::TASK).load(Ordering::Relaxed) != 0;
    let own = attachment.record_u32(index, record::FUTEX);
    let futex = match task {
        true => attachment.doorbell(attachment.owner_of(index)).unwrap_or(own),
        false => own,
    };
    point(Point::BeforeWake);
    // Ordering: Release, pairs with the Acquire load before the sleep: who
    // reads this number reads the state that it announces.
    futex.fetch_add(1, Ordering::Release);
    point(Point::BetweenWakes);
    sys::futex_wake(futex, i32::MAX);
}
