//! Where waiters stand: a list for each lane, and for each condition, of
//! records by their index.
//!
//! The links are a convenience. The truth is the state and the ticket in each
//! record: a repair sorts by them and links anew. Everything here runs under
//! the guard of the lock.
//!
//! # Spoilt memory
//!
//! Whoever may write to a segment is trusted not to; should it happen all the
//! same, through a stray pointer, it must not make us loop for ever or reach
//! out of the mapping. So both ends and each step of a walk are checked against
//! the link back and what the record says of itself: that it waits, at which
//! lock, and in which lane, or through which condition. Nothing is linked to
//! what does not fit. What was found is noted: nobody is let in by such a line,
//! and the next one under the guard links anew, see `repair`.

use super::attach::Attachment;
use super::fault::{Point, point};
use super::format::{condvar, lock, record};
use super::record::{self as note, State};
use super::sys;
use crate::atomic::{AtomicU32, Ordering};

/// The order of all loads and stores of links: the guard orders them.
const UNDER_GUARD: Ordering = Ordering::Relaxed;

/// The lanes of a lock, or a condition's one.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    attachment: &'a Attachment,
    /// The lock under whose guard it is.
    lock: u64,
    /// Where the first lane's ends are.
    ends: u64,
    /// How many lanes there are.
    lanes: u32,
    /// The condition whose it is, if it is one's.
    condvar: Option<u64>,
}

/// What [`record::FRONT`] says of the first of a lane.
pub(super) const FRONT: u32 = 1;
/// The same, and it must look after the dead and the grants itself.
pub(super) const LOOK: u32 = 2;

fn set(link: &AtomicU32, index: Option<u32>) {
    link.store(index.map_or(0, |index| index + 1), UNDER_GUARD);
}

/// Notes that the lines of a lock are not as a program leaves them. Whoever
/// enters its guard next, or looks, links them anew.
#[cold]
pub(super) fn spoil(attachment: &Attachment, lock: u64) {
    attachment.map().u32(lock + lock::SPOILT).store(1, UNDER_GUARD);
}

/// Whether that was noted.
pub(super) fn is_spoilt(attachment: &Attachment, lock: u64) -> bool {
    attachment.map().u32(lock + lock::SPOILT).load(UNDER_GUARD) != 0
}

/// They are linked anew, or about to be by somebody whose death would be seen.
pub(super) fn unspoil(attachment: &Attachment, lock: u64) {
    attachment.map().u32(lock + lock::SPOILT).store(0, UNDER_GUARD);
}

impl<'a> Line<'a> {
    /// The lanes of the lock at `at`.
    pub(super) fn of_lock(attachment: &'a Attachment, at: u64, lanes: u32) -> Self {
        Self { attachment, lock: at, ends: at + lock::ENDS, lanes, condvar: None }
    }

    /// The line of the condition at `at` of the lock at `lock`, as lane 0.
    pub(super) fn of_condvar(attachment: &'a Attachment, at: u64, lock: u64) -> Self {
        Self { attachment, lock, ends: at + condvar::ENDS, lanes: 1, condvar: Some(at) }
    }

    fn spoil(self) {
        spoil(self.attachment, self.lock);
    }

    fn get(self, link: &AtomicU32) -> Option<u32> {
        let index = link.load(UNDER_GUARD).checked_sub(1)?;
        if index >= self.attachment.tables().records {
            self.spoil();
            return None;
        }
        Some(index)
    }

    /// Which lane of a lock those stand in who ask for this mode.
    pub(super) fn lane_of(self, mode: u8) -> u32 {
        let place = self.lock + lock::LANE_OF + u64::from(mode & 12);
        let four = self.attachment.map().u32(place).load(UNDER_GUARD);
        u32::from(four.to_ne_bytes()[usize::from(mode & 3)]).min(self.lanes - 1)
    }

    /// Whether a record says of itself that it stands in this line, and lane.
    fn stands(self, lane: u32, index: u32) -> bool {
        let word = self.attachment.state_of(index).load(UNDER_GUARD);
        u64::from(note::object(word)) * 64 == self.lock
            && match (State::of(word), self.condvar) {
                (State::Queued | State::Granting, None) => {
                    self.lanes == 1 || self.lane_of(note::request(word).mode) == lane
                }
                (State::Waiting, Some(at)) => {
                    let number = self.attachment.record_u32(index, record::CONDVAR);
                    u64::from(number.load(UNDER_GUARD)) * 64 == at
                }
                _ => false,
            }
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
        let (first, last) = (self.get(self.first(lane)), self.get(self.last(lane)));
        if let (Some(first), Some(last)) = (first, last)
            && self.get(self.prev_of(first)).is_none()
            && self.get(self.next_of(last)).is_none()
            && self.stands(lane, first)
            && (last == first || self.stands(lane, last))
        {
            return Some((first, last));
        }
        if (first, last) != (None, None) {
            self.spoil();
        }
        None
    }

    /// The one behind, of one who is not its lane's last.
    ///
    /// It names this one as the one ahead of it. So a walk from the first, who
    /// has nobody ahead, meets nobody twice.
    pub(super) fn next(self, lane: u32, index: u32) -> Option<u32> {
        let next = self
            .get(self.next_of(index))
            .filter(|&next| self.get(self.prev_of(next)) == Some(index) && self.stands(lane, next));
        if next.is_none() {
            self.spoil();
        }
        next
    }

    /// Links behind `ahead`, or first; unless the links there are spoilt: then
    /// it is told to look, and so to have them linked anew.
    pub(super) fn insert(self, lane: u32, ahead: Option<u32>, index: u32) {
        let front = self.attachment.record_u32(index, record::FRONT);
        let behind = match ahead {
            Some(ahead) => self.get(self.next_of(ahead)),
            None => self.get(self.first(lane)),
        };
        let is_whole = match behind {
            Some(behind) => behind != index && self.get(self.prev_of(behind)) == ahead,
            None => self.get(self.last(lane)) == ahead,
        };
        let stands = |other: Option<u32>| other.is_none_or(|other| self.stands(lane, other));
        if !is_whole || ahead == Some(index) || !stands(ahead) || !stands(behind) {
            self.spoil();
            // Ordering: Relaxed, a hint.
            return front.store(LOOK, Ordering::Relaxed);
        }
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
        front.store(0, UNDER_GUARD);
        if ahead.is_none() {
            self.tell_first(lane);
        }
        point(Point::Linked);
    }

    pub(super) fn append(self, lane: u32, index: u32) {
        let last = self.get(self.last(lane));
        if last.is_some_and(|last| self.get(self.next_of(last)).is_some()) {
            self.spoil();
        }
        self.insert(lane, last, index);
    }

    /// Takes out, unless the links there are spoilt. `true`: it was the first,
    /// and whoever is first now has not been told.
    pub(super) fn unlink(self, lane: u32, index: u32) -> bool {
        let (prev, next) = (self.get(self.prev_of(index)), self.get(self.next_of(index)));
        let ahead = prev.map_or_else(|| self.first(lane), |prev| self.next_of(prev));
        let behind = next.map_or_else(|| self.last(lane), |next| self.prev_of(next));
        if self.get(ahead) != Some(index) || self.get(behind) != Some(index) {
            self.spoil();
            return false;
        }
        set(ahead, next);
        point(Point::HalfUnlinked);
        set(behind, prev);
        prev.is_none()
    }

    pub(super) fn tell_first(self, lane: u32) {
        if let Some(first) = self.get(self.first(lane)) {
            // Ordering: Relaxed, a hint.
            self.attachment.record_u32(first, record::FRONT).store(FRONT, Ordering::Relaxed);
        }
    }

    /// Wakes the first of each lane, who looks whether it may enter.
    pub(super) fn rouse(self, lanes: u32) {
        for lane in 0..lanes {
            if let Some(first) = self.get(self.first(lane)) {
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
        // Others may go on spoiling it meanwhile.
        let most = self.attachment.tables().records as usize;
        let mut count = 0;
        for lane in 0..lanes {
            let Some((first, last)) = self.ends(lane) else { continue };
            let mut at = first;
            count += 1;
            while at != last
                && count < most
                && let Some(next) = self.next(lane, at)
            {
                at = next;
                count += 1;
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
