//! The table of several processes: plain data in memory that they share.
//!
//! A process may be killed at any instruction, also while it changes the
//! board. So every change is one that the next owner can take back:
//!
//! * The text is dealt out in lots. That a lot is done is one number, which is
//!   written last.
//! * Before a total is changed for a lot, what it was stands beside it, and
//!   which lot it is. If that lot is not done, what it was counts again.
//!
//! What a dead process had stored before it died is there, and in the order in
//! which its program stored it; [`in_order`] keeps the compiler from changing
//! that order.

use std::cmp::Reverse;
use std::sync::atomic::{Ordering, compiler_fence};

use super::log::Face;
use super::table::Cut;
use super::text::Counts;

/// The most lots.
pub(crate) const LOTS: usize = 4096;
/// A power of two; so many different words there can almost be.
const SLOTS: usize = 1 << 16;
/// How many may be taken, so that looking for a word ends soon.
const MOST_WORDS: u32 = (SLOTS as u32 / 8) * 7;
/// The bytes of all different words.
const TEXT: usize = 1 << 20;

/// What stands in a lot's place: nobody has it, and anybody may.
const FREE: u32 = 0;
/// From here on: nobody has it, and it is kept for a kind of workers.
const KEPT: u32 = 1;
/// A thread or a task of the first process has it.
const OURS: u32 = 8;
/// From here on: a child has it.
const CHILD: u32 = 16;
const DONE: u32 = u32::MAX;

portunus::shm_type! {
    /// A word and how often it was met.
    struct Slot {
        total: u64,
        /// What it was before `lot` was added.
        before: u64,
        /// The lot that changed it last, from 1.
        lot: u32,
        /// Where the word is in the text.
        at: u32,
        /// How long it is; 0: there is none.
        len: u32,
        spare: u32,
    }
}

portunus::shm_type! {
    /// The table, and who does what.
    pub(crate) struct Board {
        /// The lot that is being added, from 1; 0: none.
        open: u32,
        lots: u32,
        /// Bytes of `text` that are used.
        used: u32,
        /// Slots that are taken.
        filled: u32,
        /// The table had no room for a word.
        full: u32,
        /// While it is not 0, children put in no more than so many lots.
        barred: u32,
        /// Lots of dead children that were put back.
        pub(crate) put_back: u32,
        /// Changes of dead children that were taken back.
        pub(crate) undone: u32,
        /// Lots that children have done.
        by_children: u32,
        spare: u32,
        state: [u32; LOTS],
        /// How many words a lot has, once it is done.
        words: [u64; LOTS],
        slots: [Slot; SLOTS],
        text: [u8; TEXT],
    }
}

/// Whatever is stored before this is stored before whatever is stored after it.
fn in_order() {
    compiler_fence(Ordering::SeqCst);
}

/// Who works on a lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worker {
    Thread,
    Task,
    Child(usize),
}

impl Worker {
    pub(crate) fn face(self) -> Face {
        match self {
            Self::Thread => Face::Thread,
            Self::Task => Face::Task,
            Self::Child(_) => Face::Process,
        }
    }

    fn mark(self) -> u32 {
        match self {
            Self::Thread | Self::Task => OURS,
            Self::Child(child) => CHILD + child as u32,
        }
    }
}

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    Lot(usize),
    /// Others are at work, and may die.
    Wait,
    /// Everything is done, or the table is full.
    Over,
}

fn kept_for(face: Face) -> u32 {
    KEPT + face as u32
}

fn hash(word: &[u8]) -> usize {
    let mix = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = word.iter().fold(0xcbf2_9ce4_8422_2325, mix);
    (hash ^ hash >> 32) as usize
}

impl Board {
    /// Deals lots out in turn to as many workers of each kind.
    ///
    /// # Panics
    ///
    /// If there are too many lots, or no workers.
    pub(crate) fn new(lots: usize, workers: [usize; 3]) -> Self {
        assert!(lots <= LOTS, "too many lots: {lots}");
        let round: usize = workers.iter().sum();
        assert!(round > 0, "somebody has to count");
        let mut state = [DONE; LOTS];
        for (lot, state) in state.iter_mut().take(lots).enumerate() {
            let mut seat = lot % round;
            for (face, seats) in Face::ALL.into_iter().zip(workers) {
                if seat < seats {
                    *state = kept_for(face);
                    break;
                }
                seat = seat.wrapping_sub(seats);
            }
        }
        let slot = Slot { total: 0, before: 0, lot: 0, at: 0, len: 0, spare: 0 };
        Self {
            open: 0,
            lots: lots as u32,
            used: 0,
            filled: 0,
            full: 0,
            barred: 0,
            put_back: 0,
            undone: 0,
            by_children: 0,
            spare: 0,
            state,
            words: [0; LOTS],
            slots: [slot; SLOTS],
            text: [0; TEXT],
        }
    }

    /// The lots, without the places that have none.
    fn states(&self) -> &[u32] {
        &self.state[..(self.lots as usize).min(LOTS)]
    }

    pub(crate) fn is_full(&self) -> bool {
        self.full != 0
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_full() || self.states().iter().all(|&state| state == DONE)
    }

    /// Gives a worker the next lot: of its kind's share, or one that was put
    /// back.
    pub(crate) fn claim(&mut self, who: Worker) -> Claim {
        if self.is_full() {
            return Claim::Over;
        }
        let find = |wanted| self.states().iter().position(|&state| state == wanted);
        match find(kept_for(who.face())).or_else(|| find(FREE)) {
            Some(lot) => {
                self.state[lot] = who.mark();
                Claim::Lot(lot)
            }
            None if self.is_over() => Claim::Over,
            None => Claim::Wait,
        }
    }

    /// Begins to add a lot.
    pub(crate) fn begin(&mut self, lot: usize) {
        self.open = lot as u32 + 1;
        in_order();
    }

    /// Adds to a word, for the lot that was begun. `false`: there is no room.
    pub(crate) fn add(&mut self, word: &str, times: u64) -> bool {
        let Some(place) = self.place(word.as_bytes()) else {
            self.full = 1;
            return false;
        };
        let open = self.open;
        let slot = &mut self.slots[place];
        if slot.lot != open {
            slot.before = slot.total;
            in_order();
            slot.lot = open;
            in_order();
        }
        slot.total += times;
        true
    }

    /// Ends the lot that was begun: from here on it is done.
    pub(crate) fn finish(&mut self, lot: usize, words: u64) {
        self.words[lot] = words;
        in_order();
        let who = std::mem::replace(&mut self.state[lot], DONE);
        in_order();
        self.open = 0;
        self.by_children += u32::from(who >= CHILD);
    }

    /// Takes back what was added for a lot that is not done. The owner before
    /// may have died at any place of this module, this one included.
    pub(crate) fn undo(&mut self) {
        let open = self.open;
        let lot = (open as usize).wrapping_sub(1);
        if self.state.get(lot).is_some_and(|&state| state != DONE) {
            self.undone += 1;
            for slot in self.slots.iter_mut().filter(|slot| slot.lot == open) {
                slot.total = slot.before;
                in_order();
                slot.lot = 0;
            }
        }
        in_order();
        self.open = 0;
    }

    /// Puts back what a dead child has not done.
    pub(crate) fn put_back(&mut self, child: usize) {
        self.free(Worker::Child(child).mark());
    }

    /// Lets everybody have what was kept for the children: there is none left.
    pub(crate) fn free_share_of_children(&mut self) {
        self.free(kept_for(Face::Process));
    }

    fn free(&mut self, which: u32) {
        for state in self.state.iter_mut().filter(|state| **state == which) {
            *state = FREE;
            self.put_back += u32::from(which >= CHILD);
        }
    }

    /// The children that have a lot.
    pub(crate) fn busy(&self) -> Vec<usize> {
        let has = self.states().iter().filter(|&&state| state >= CHILD && state != DONE);
        has.map(|&state| (state - CHILD) as usize).collect()
    }

    /// Keeps the children from putting in more than half of what is kept for
    /// them: how many that is.
    pub(crate) fn bar(&mut self) -> usize {
        let kept = kept_for(Face::Process);
        let share = self.states().iter().filter(|&&state| state == kept).count();
        self.barred = share as u32 / 2 + 1;
        share / 2
    }

    pub(crate) fn unbar(&mut self) {
        self.barred = 0;
    }

    /// Whether a child has to wait before it puts in a lot.
    pub(crate) fn is_barred(&self) -> bool {
        self.barred != 0 && self.by_children >= self.barred - 1
    }

    pub(crate) fn by_children(&self) -> usize {
        self.by_children as usize
    }

    fn word(&self, slot: &Slot) -> Option<&[u8]> {
        let at = slot.at as usize;
        (slot.len > 0).then(|| self.text.get(at..at + slot.len as usize)).flatten()
    }

    /// The slot of a word, which is a new one if need be. `None`: no room.
    fn place(&mut self, word: &[u8]) -> Option<usize> {
        let mut place = hash(word) % SLOTS;
        while self.slots[place].len > 0 {
            if self.word(&self.slots[place]) == Some(word) {
                return Some(place);
            }
            place = (place + 1) % SLOTS;
        }
        let at = self.used as usize;
        let room = self.text.get_mut(at..at + word.len())?;
        if self.filled >= MOST_WORDS {
            return None;
        }
        room.copy_from_slice(word);
        self.used += word.len() as u32;
        self.filled += 1;
        self.slots[place].at = at as u32;
        in_order();
        self.slots[place].len = word.len() as u32;
        in_order();
        Some(place)
    }

    fn totals(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let met = self.slots.iter().filter(|slot| slot.total > 0);
        met.filter_map(|slot| Some((self.word(slot)?, slot.total)))
    }

    /// Reads all totals.
    pub(crate) fn cut(&self) -> Cut {
        let top = self.totals().max_by_key(|&(word, times)| (times, Reverse(word)));
        let done = self.states().iter().zip(&self.words).filter(|&(&state, _)| state == DONE);
        Cut {
            words: self.totals().map(|(_, times)| times).sum(),
            sum: done.map(|(_, words)| words).sum(),
            top: top.map(|(word, times)| (String::from_utf8_lossy(word).into_owned(), times)),
        }
    }

    /// All totals.
    pub(crate) fn counts(&self) -> Counts {
        self.totals()
            .map(|(word, times)| (String::from_utf8_lossy(word).into_owned(), times))
            .collect()
    }

    /// The lots that are done.
    pub(crate) fn done(&self) -> impl Iterator<Item = usize> {
        (0..self.states().len()).filter(|&lot| self.state[lot] == DONE)
    }
}
