//! What the dead left, taken back.
//!
//! Everything here runs under the guard of the lock, and can itself be cut
//! short at any instruction: it is then begun anew by whoever takes the guard
//! over.
//!
//! # The short way
//!
//! If the guard was not a dead one's, and none of the dead left an ambiguous
//! record, each of their holds has exactly the units that its record says.
//! They are subtracted one by one; a record is `Leaving` meanwhile, which is
//! ambiguous: should the repairer die, the long way is taken.
//!
//! # Telling
//!
//! A death in the middle of a change is counted in the lock before the units
//! go back; and once, also where several may hold who change something, so
//! that one of them is told, mends it, and goes, while a repair is under way:
//!
//! 1. In the record of each such hold: what the number will be when all are
//!    counted, then `Telling`.
//! 2. The number itself.
//! 3. Each such record becomes `Parting`, of which nothing is told.
//!
//! Should the repairer die, the next one sees by the number whether a record
//! that is `Telling` is counted. Nobody else changes the number, and all
//! records have the new one before it counts.
//!
//! # The long way
//!
//! 1. Set STOP in the word: newcomers and conversions are refused, leavers
//!    take the guard. From now on counts only fall, by the living's
//!    subtractions.
//! 2. Granting that was not finished is taken back; the lines are linked anew
//!    from states and tickets.
//! 3. Count the units of the living, while the word stays as it is: install
//!    them by compare-and-swap. A living one in the few instructions where its
//!    record is ambiguous is waited for; not for long: it may be stopped. Then
//!    STOP stays, everybody queues, and the next look tries again.
//! 4. The dead's records become idle.
//! 5. Clear STOP.
//!
//! Who was alive is asked once for the whole repair: one who dies in the
//! middle is found by the next.
//!
//! # Spoilt lines
//!
//! Lines that no program has left so are linked anew in the same way, and told
//! as a death in the middle of a change is: they are found by whoever walks
//! along them, by the short way, which compares them with the records, and by a
//! waiter who finds its own record in a state in which none waits. Counts in the
//! word are not compared.

use alloc::vec::Vec;
use core::hint;
use core::time::Duration;
use std::time::Instant;

use super::attach::Attachment;
use super::fault::{Point, Wrong, is_wrong, point};
use super::format::{kind, lock};
use super::line::{self, Line};
use super::record::{self, State, with_state};
use super::world::world;
use super::{guard, raw_condvar, sys};
use crate::atomic::{AtomicU64, Ordering};
use crate::wait::node::Request;

/// What a look at the dead came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Holds and waiters of the dead that were taken back.
    pub(super) dead: usize,
    /// STOP is on: a living process stands still where its record can't be
    /// read.
    pub(super) pending: bool,
}

/// How long a living one's ambiguous record is waited for.
const PATIENCE: Duration = Duration::from_micros(500);

/// As many lanes as a word has room for, beside STOP and one unit of one mode.
const MOST_LANES: u32 = u64::BITS - 2;

/// A lock whose guard is held, without its type.
pub(super) struct Patient<'a> {
    pub(super) attachment: &'a Attachment,
    pub(super) at: u64,
    word: &'a AtomicU64,
    lanes: u32,
    /// Who was asked for, and whether it lives.
    known: Vec<(u32, bool)>,
}

impl<'a> Patient<'a> {
    pub(super) fn new(attachment: &'a Attachment, at: u64) -> Self {
        let map = attachment.map();
        // Ordering: Relaxed, it never changes.
        let lanes = map.u32(at + lock::LANES).load(Ordering::Relaxed);
        // As many as it has room for, whatever others may have spoilt.
        let objects = attachment.objects();
        let own = objects.binary_search_by_key(&at, |object| object.at);
        let room = own.map_or(1, |own| objects[own].len.saturating_sub(lock::ENDS) / 8);
        let lanes = lanes.clamp(1, room.clamp(1, MOST_LANES.into()) as u32);
        Self { attachment, at, word: map.u64(at + lock::WORD), lanes, known: Vec::new() }
    }

    pub(super) fn line(&self) -> Line<'a> {
        Line::of_lock(self.attachment, self.at, self.lanes)
    }

    fn stop(&self) -> u64 {
        1 << self.lanes
    }

    /// Where a mode's units are in the word.
    fn shift(&self, mode: u8) -> u32 {
        let place = self.at + lock::SHIFTS + u64::from(mode & 12);
        // Ordering: Relaxed, it never changes.
        let four = self.attachment.map().u32(place).load(Ordering::Relaxed);
        u32::from(four.to_ne_bytes()[usize::from(mode & 3)]) & 63
    }

    /// So many units of a mode, in the word.
    fn units(&self, (mode, weight): (u8, u32)) -> u64 {
        u64::from(weight) << self.shift(mode)
    }

    pub(super) fn lane_of(&self, mode: u8) -> u32 {
        self.line().lane_of(mode)
    }

    fn changes(&self, mode: u8) -> bool {
        // Ordering: Relaxed, it never changes.
        let mask = self.attachment.map().u32(self.at + lock::CHANGES).load(Ordering::Relaxed);
        mask >> (mode & 15) & 1 != 0
    }

    /// Whether somebody is inside who changes what is protected: the locks
    /// that conditions know admit nobody beside such a one.
    fn is_excluded(&self, word: u64) -> bool {
        // Ordering: Relaxed, it never changes.
        let modes = self.attachment.map().u32(self.at + lock::MODES).load(Ordering::Relaxed);
        let shifts = || (0..modes.min(16) as u8).map(|mode| self.shift(mode));
        (0..modes.min(16) as u8).filter(|&mode| self.changes(mode)).any(|mode| {
            let shift = self.shift(mode);
            let next = shifts().filter(|&other| other > shift).min().unwrap_or(64);
            word >> shift & (u64::MAX >> (64 - (next - shift))) != 0
        })
    }

    /// Stands somebody in a lane, behind all others. Whether it must be told to
    /// look whether it may enter: otherwise whoever is inside, or ahead, lets
    /// it in; `anyway`: unless that one may be dead.
    ///
    /// Its record says `Queued` already.
    pub(super) fn append(&self, lane: u32, index: u32, anyway: bool) -> bool {
        self.line().append(lane, index);
        point(Point::Moved);
        // W3: who leaves after this sees the bit; who left before is not in
        // the old value.
        // Ordering: Relaxed, a lane's bit carries no data.
        let old = self.word.fetch_or(1 << lane, Ordering::Relaxed);
        old >> lane & 1 == 0 && (anyway || !self.is_excluded(old))
    }

    fn is_alive(&mut self, who: u32) -> bool {
        if who == self.attachment.who() {
            return true;
        }
        if let Some(&(_, alive)) = self.known.iter().find(|(known, _)| *known == who) {
            return alive;
        }
        let alive = who != 0 && self.attachment.is_alive(who);
        self.known.push((who, alive));
        alive
    }

    /// This lock's records that are not idle: index, word, whether its owner
    /// lives. Of one who is dead, all.
    fn records(&mut self) -> Vec<(u32, u64, bool)> {
        // As many could be gone of each slot; more only where others spoil it.
        let mut rounds = 2 * self.attachment.tables().processes;
        loop {
            let known = self.known.len();
            let found = self.scan();
            rounds = rounds.saturating_sub(1);
            // Whoever died meanwhile may have noted something where this had
            // been before. What those noted who were known to be dead is final.
            if rounds == 0 || self.known[known..].iter().all(|&(_, alive)| alive) {
                return found;
            }
        }
    }

    fn scan(&mut self) -> Vec<(u32, u64, bool)> {
        let object = (self.at / 64) as u32;
        let mut found = Vec::new();
        for index in 0..self.attachment.tables().records {
            let state = self.attachment.state_of(index);
            // Ordering: Acquire, pairs with the Release of every note.
            let in_use = |word| record::object(word) == object && State::of(word) != State::Idle;
            while in_use(state.load(Ordering::Acquire)) {
                let owner = self.attachment.owner_of(index);
                point(Point::Asking);
                let alive = self.is_alive(owner);
                // Once more: now all that a dead one did is seen.
                let word = state.load(Ordering::Acquire);
                if !in_use(word) {
                    break;
                }
                // Whoever has left meanwhile has left its records to others,
                // for good; what one of them notes says nothing of the first.
                if self.attachment.owner_of(index) == owner {
                    found.push((index, word, alive));
                    break;
                }
            }
        }
        found
    }

    /// Whether this record's owner may have been changing what is protected.
    fn was_changing(&self, word: u64) -> bool {
        let asked = record::request(word);
        match State::of(word) {
            State::Held | State::Telling => self.changes(asked.mode),
            // From one changing mode into another: in between.
            State::Converting
            | State::Queued
            | State::Granting
            | State::Granted
            | State::Evicted => {
                asked.is_conversion() && self.changes(asked.from) && self.changes(asked.mode)
            }
            _ => false,
        }
    }

    /// Tells whoever enters from now on of these deaths: see "Telling".
    fn tell(&self, dead: &[(u32, u64)]) {
        let deaths = self.attachment.map().u32(self.at + lock::DEATHS);
        // Ordering: Relaxed, it changes under the guard only.
        let before = deaths.load(Ordering::Relaxed);
        let told = |index| self.attachment.record_u32(index, super::format::record::TOLD);
        let is_told = |index, word| {
            // Ordering: Relaxed, under the guard.
            State::of(word) == State::Telling && told(index).load(Ordering::Relaxed) == before
        };
        let changing = || dead.iter().filter(|&&(_, word)| self.was_changing(word));
        let untold = || changing().filter(|&&(index, word)| !is_told(index, word));
        let now = before.wrapping_add(untold().count() as u32);
        if now != before {
            for &(index, word) in untold() {
                // Ordering: Relaxed, seen with the state.
                told(index).store(now, Ordering::Relaxed);
                self.set(index, with_state(word, State::Telling));
            }
            // Ordering: Release, all records say `now`. Whoever enters by the
            // units that go back after this sees it through the word.
            deaths.store(now, Ordering::Release);
            point(Point::Told);
        }
        for &(index, word) in changing() {
            self.set(index, with_state(word, State::Parting));
        }
    }

    fn set(&self, index: u32, word: u64) {
        // Ordering: Release, as every note.
        self.attachment.state_of(index).store(word, Ordering::Release);
    }

    /// Whether those stand in the lines who say so of themselves, and the lanes'
    /// bits are right. Whoever has just died under the guard may have left it
    /// otherwise.
    fn is_whole(&self, records: &[(u32, u64, bool)]) -> bool {
        let count = |state| records.iter().filter(move |&&(_, word, _)| State::of(word) == state);
        if count(State::Queued).count() != self.line().len(self.lanes)
            || raw_condvar::differ(self, count(State::Waiting).map(|&(index, ..)| index))
        {
            return false;
        }
        // Ordering: Relaxed, lanes' bits change under the guard.
        let word = self.word.load(Ordering::Relaxed);
        (0..self.lanes).all(|lane| self.line().ends(lane).is_some() == (word >> lane & 1 != 0))
    }

    /// The short way. `None`: it can't be taken.
    fn directly(&mut self) -> Option<usize> {
        let all = self.records();
        if !self.is_whole(&all) {
            line::spoil(self.attachment, self.at);
        }
        if line::is_spoilt(self.attachment, self.at) {
            return None;
        }
        let all = all.into_iter();
        let dead: Vec<_> =
            all.filter_map(|(i, word, alive)| (!alive).then_some((i, word))).collect();
        if dead.iter().any(|&(_, word)| State::of(word).is_ambiguous())
            && !is_wrong(Wrong::AmbiguousIdle)
        {
            return None;
        }
        self.tell(&dead);
        // First those who wait for a notification, so that none goes to them.
        for &(index, word) in &dead {
            if State::of(word) == State::Waiting {
                raw_condvar::withdraw(self, index);
                point(Point::DirectUnlinked);
                self.set(index, with_state(word, State::Idle));
            }
        }
        for &(index, word) in &dead {
            let asked = record::request(word);
            if State::of(word) == State::Waiting {
                continue;
            }
            raw_condvar::pass_on(self, index, word);
            if State::of(word) == State::Queued {
                let lane = self.lane_of(asked.mode);
                if self.line().unlink(lane, index) {
                    if self.line().ends(lane).is_none() {
                        // Ordering: Relaxed, a lane's bit carries no data.
                        self.word.fetch_and(!(1 << lane), Ordering::Relaxed);
                    }
                    self.line().tell_first(lane);
                }
                point(Point::DirectUnlinked);
            }
            if let Some((mode, weight)) = record::units(word) {
                let left = Request { mode, from: crate::wait::node::NO_MODE, weight };
                let noted = record::encode(State::Leaving, left, (self.at / 64) as u32);
                self.set(index, noted);
                point(Point::DirectNoted);
                // Ordering: AcqRel: a release, in the dead one's name, of all
                // that it did.
                self.word.fetch_sub(self.units((mode, weight)), Ordering::AcqRel);
                point(Point::DirectLeft);
            }
            self.set(index, with_state(word, State::Idle));
        }
        Some(dead.len())
    }

    /// The long way.
    fn anew(&mut self) -> Found {
        let stop = self.stop();
        // Ordering: AcqRel: entries before this are seen with their notes;
        // those after it fail, or see it.
        self.word.fetch_or(stop, Ordering::AcqRel);
        point(Point::Stopped);

        let mut waiting = Vec::new();
        let records = self.records();
        for &(index, word, alive) in &records {
            if !alive {
                continue;
            }
            match State::of(word) {
                State::Granting => self.set(index, with_state(word, State::Queued)),
                State::Queued => {}
                _ => continue,
            }
            let asked = record::request(word);
            let place = self.attachment.record_u64(index, super::format::record::TICKET);
            // Ordering: Relaxed, drawn under the guard.
            let ticket = place.load(Ordering::Relaxed);
            waiting.push((self.lane_of(asked.mode), !asked.is_conversion(), ticket, index));
        }
        waiting.sort_unstable();
        for lane in 0..self.lanes {
            let here = waiting.iter().filter(|&&(this, ..)| this == lane);
            self.line().relink(lane, here.map(|&(.., index)| index));
        }
        raw_condvar::anew(self, &records);
        let occupied = (0..self.lanes).filter(|&lane| self.line().ends(lane).is_some());
        let lanes = occupied.fold(0, |lanes, lane| lanes | 1 << lane);
        point(Point::Relinked);

        let base = self.attachment.map().u64(self.at + lock::BASE).load(Ordering::Relaxed);
        let mut since = None;
        let dead = loop {
            // Ordering: Acquire, pairs with the Release of those who left: who
            // is seen to have its units below has them in this value.
            let now = self.word.load(Ordering::Acquire);
            let mut counts = base;
            let mut dead = Vec::new();
            let mut ambiguous = false;
            for (index, word, alive) in self.records() {
                if !alive {
                    dead.push((index, word));
                    if is_wrong(Wrong::AmbiguousHeld) && State::of(word).is_ambiguous() {
                        let asked = record::request(word);
                        let held = self.units((asked.mode, asked.weight));
                        counts = counts.wrapping_add(held);
                    }
                } else if State::of(word).is_ambiguous() {
                    ambiguous = true;
                } else if let Some(units) = record::units(word) {
                    counts = counts.wrapping_add(self.units(units));
                }
            }
            if ambiguous && !is_wrong(Wrong::LivingNotAwaited) {
                let over = match world() {
                    Some(world) => !world.is_patient(),
                    None => since.get_or_insert_with(Instant::now).elapsed() > PATIENCE,
                };
                if over {
                    self.set_lanes(lanes);
                    return Found { dead: 0, pending: true };
                }
                hint::spin_loop();
                std::thread::yield_now();
                continue;
            }
            self.tell(&dead);
            let truth = counts | lanes | stop;
            // Ordering: AcqRel: a release, in the dead ones' names, of all that
            // they did; and as the load above.
            let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
            if self.word.compare_exchange(now, truth, success, failure).is_ok() {
                break dead;
            }
        };
        point(Point::Counted);
        for &(index, word) in &dead {
            self.set(index, with_state(word, State::Idle));
            point(Point::Forgetting);
        }
        // Ordering: Release, newcomers see all of it.
        self.word.fetch_and(!stop, Ordering::Release);
        point(Point::Resumed);
        Found { dead: dead.len(), pending: false }
    }

    fn set_lanes(&self, lanes: u64) {
        let mask = self.stop() - 1;
        // Ordering: Relaxed, lanes' bits carry no data.
        let mut now = self.word.load(Ordering::Relaxed);
        while let Err(other) = self.word.compare_exchange_weak(
            now,
            now & !mask | lanes,
            Ordering::Relaxed,
            Ordering::Relaxed,
        ) {
            now = other;
        }
    }
}

/// Whether STOP is on.
pub(super) fn is_stopped(attachment: &Attachment, at: u64) -> bool {
    let patient = Patient::new(attachment, at);
    // Ordering: Relaxed, it changes under the guard only.
    patient.word.load(Ordering::Relaxed) & patient.stop() != 0
}

/// Takes back what the dead left in a lock, whose guard is held; `taken_over`:
/// by a dead one until now.
pub(super) fn look(attachment: &Attachment, at: u64, taken_over: bool) -> Found {
    let looked = attachment.map().u64(at + lock::LOOKED);
    // Ordering: Relaxed, a hint.
    looked.store(sys::milliseconds(), Ordering::Relaxed);
    let mut patient = Patient::new(attachment, at);
    point(Point::Looked);
    if !taken_over
        && !is_stopped(attachment, at)
        && !line::is_spoilt(attachment, at)
        && let Some(dead) = patient.directly()
    {
        return Found { dead, pending: false };
    }
    if line::is_spoilt(attachment, at) {
        // Whoever wrote there may have written to what is protected, too.
        let deaths = attachment.map().u32(at + lock::DEATHS);
        // Ordering: Release, as in `tell`.
        deaths.fetch_add(1, Ordering::Release);
        line::unspoil(attachment, at);
    }
    patient.anew()
}

/// When the dead were last looked for in a lock, in milliseconds.
pub(super) fn last_look(attachment: &Attachment, at: u64) -> u64 {
    // Ordering: Relaxed, a hint.
    attachment.map().u64(at + lock::LOOKED).load(Ordering::Relaxed)
}

/// Takes back what the dead left in all locks of the segment. Those who may
/// enter then are told to look for themselves.
pub(super) fn sweep(attachment: &Attachment) -> Found {
    let mut all = Found::default();
    for object in attachment.objects() {
        if object.kind != kind::LOCK || object.len < lock::ENDS + 8 {
            continue;
        }
        let taken_over = guard::take(attachment, object.at);
        let found = look(attachment, object.at, taken_over);
        if found.dead != 0 {
            let patient = Patient::new(attachment, object.at);
            patient.line().rouse(patient.lanes);
        }
        guard::give(attachment, object.at);
        all.dead += found.dead;
        all.pending |= found.pending;
    }
    all
}
