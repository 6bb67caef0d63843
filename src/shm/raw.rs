//! The raw lock in shared memory: the engine over records.

use alloc::sync::Arc;
use core::fmt;
use core::hint;
use core::mem;
use core::time::Duration;

use super::attach::Attachment;
use super::content::Site;
use super::env::{Bell, G, InShm, Section};
use super::error::Error;
use super::fault::{Point, Wrong, is_wrong, point};
use super::format::{Plan, kind, lock, record};
use super::line::{LOOK, spoil};
use super::period::Period;
use super::places::Places;
use super::record::{self as note, MAX_WEIGHT, Notes, State, with_state};
use super::{repair, sys, world};
use crate::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::raw::engine::{self, Entry, Env};
use crate::raw::mode::{Held, Mode, Rules, index_of};
use crate::wait::batch::Batch;
use crate::wait::node::{NO_MODE, Request};
use crate::wait::{Left, Limit};

/// How often one who is first in line looks before it sleeps.
const LOOKS_FIRST: u32 = 2000;
/// How often the others do.
pub(super) const LOOKS_BEHIND: u32 = 50;
/// How many times less often those who are not first look after the dead.
pub(super) const PATIENCE: u32 = 5;

/// A first come, first served lock in a segment: no data, no guard.
pub(super) struct RawShmLock<R> {
    places: Places,
    at: u64,
    rules: R,
}

/// How waiting in line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    Granted,
    Evicted,
    TooLong,
}

/// A record without a hold. Dropped, also by a panic in the rule, it is idle
/// and free again.
pub(super) struct OwnRecord<'a> {
    attachment: &'a Attachment,
    index: u32,
}

impl OwnRecord<'_> {
    #[allow(dead_code, reason = "of the feature `async`")]
    pub(super) fn index(&self) -> u32 {
        self.index
    }

    #[inline(always)]
    pub(super) fn keep(self) -> u32 {
        let index = self.index;
        mem::forget(self);
        index
    }
}

impl Drop for OwnRecord<'_> {
    // Inlined, so that one which is kept is never in memory.
    #[inline(always)]
    fn drop(&mut self) {
        give_back(self.attachment, self.index);
    }
}

#[cold]
#[inline(never)]
fn give_back(attachment: &Attachment, index: u32) {
    let place = attachment.state_of(index);
    // Ordering: Relaxed, it is ours; Release as every note.
    place.store(with_state(place.load(Ordering::Relaxed), State::Idle), Ordering::Release);
    attachment.give_record(index);
}

#[cold]
fn no_record(error: &Error) -> ! {
    panic!("{error}")
}

/// How long a lock is in a segment.
fn len<R: Rules>() -> u64 {
    lock::ENDS + u64::from(G::<R>::LANES) * 8
}

impl<R: Rules> RawShmLock<R> {
    pub(super) fn plan(plan: &mut Plan) {
        const { G::<R>::FITS };
        plan.object(kind::LOCK, len::<R>());
    }

    /// Writes a lock with nobody inside, of which `taken` units of the first
    /// mode are never given out.
    pub(super) fn create(site: &mut Site<'_>, rules: &R, taken: u64) -> Result<(), Error> {
        let at = site.next(kind::LOCK, len::<R>())?;
        let map = site.map();
        // Ordering: Relaxed, nobody sees it yet.
        let put = |at, value| map.u32(at).store(value, Ordering::Relaxed);
        let base = taken << G::<R>::shift(0);
        map.u64(at + lock::BASE).store(base, Ordering::Relaxed);
        map.u64(at + lock::WORD).store(base, Ordering::Relaxed);
        for (field, value) in Self::constants(rules) {
            put(at + field, value);
        }
        Ok(())
    }

    /// The fields that never change.
    fn constants(rules: &R) -> impl Iterator<Item = (u64, u32)> {
        let modes = <R::Mode as Mode>::ALL;
        let mut changes = 0;
        let (mut shifts, mut lanes) = ([[0; 4]; 4], [[0; 4]; 4]);
        for (i, &mode) in modes.iter().enumerate() {
            changes |= u32::from(rules.changes(mode)) << i;
            shifts[i / 4][i % 4] = G::<R>::shift(i) as u8;
            lanes[i / 4][i % 4] = R::LANES.get(i);
        }
        let table = |at: u64, table: [[u8; 4]; 4]| {
            (0..4).map(move |i| (at + i * 4, u32::from_ne_bytes(table[i as usize])))
        };
        [(lock::LANES, G::<R>::LANES), (lock::MODES, modes.len() as u32), (lock::CHANGES, changes)]
            .into_iter()
            .chain(table(lock::SHIFTS, shifts))
            .chain(table(lock::LANE_OF, lanes))
    }

    pub(super) fn open(site: &mut Site<'_>, rules: R) -> Result<Self, Error> {
        let at = site.next(kind::LOCK, len::<R>())?;
        for (field, wanted) in Self::constants(&rules) {
            // Ordering: Relaxed, it never changes.
            let found = site.map().u32(at + field).load(Ordering::Relaxed);
            if found != wanted {
                let (found, wanted) = (found.into(), wanted.into());
                return Err(Error::Corrupt { what: "lock", found, wanted });
            }
        }
        Ok(Self { places: Places::new(site.attachment(), at), at, rules })
    }

    /// Where it is in the segment.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    #[inline(always)]
    pub(super) fn attachment(&self) -> &Arc<Attachment> {
        self.places.attachment()
    }

    pub(super) fn rules(&self) -> &R {
        &self.rules
    }

    #[inline(always)]
    pub(super) fn word(&self) -> &AtomicU64 {
        self.places.word()
    }

    #[inline(always)]
    fn object(&self) -> u32 {
        (self.at / 64) as u32
    }

    #[inline(always)]
    pub(super) fn notes(&self, index: u32) -> Notes<'_> {
        Notes { state: self.places.state_of(index), object: self.object() }
    }

    #[inline(always)]
    pub(super) fn record(&self) -> OwnRecord<'_> {
        match self.places.take_record() {
            Ok(index) => OwnRecord { attachment: self.attachment(), index },
            Err(error) => no_record(&error),
        }
    }

    /// What is held now.
    pub(super) fn held(&self) -> Held<R::Mode> {
        self.attachment().check();
        // Ordering: Relaxed, a snapshot.
        G::<R>::held(self.word().load(Ordering::Relaxed))
    }

    pub(super) fn is_locked(&self) -> bool {
        self.attachment().check();
        // Ordering: Relaxed, a snapshot.
        let base = self.attachment().map().u64(self.at + lock::BASE).load(Ordering::Relaxed);
        G::<R>::counts(self.word().load(Ordering::Relaxed)) != base
    }

    pub(super) fn waiting(&self) -> usize {
        self.section(|s| s.line().len(G::<R>::LANES))
    }

    fn try_waiting(&self) -> Option<usize> {
        Section::try_enter(self.attachment(), self.at, &self.rules)
            .map(|s| s.line().len(G::<R>::LANES))
    }

    pub(super) fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct(name);
        if !self.attachment().is_ours() {
            return debug.field("held", &format_args!("<forked>")).finish_non_exhaustive();
        }
        debug.field("held", &self.held());
        match self.try_waiting() {
            Some(waiting) => debug.field("waiting", &waiting),
            None => debug.field("waiting", &format_args!("<locked>")),
        };
        debug.finish()
    }

    /// The heaviest request for `mode` that could ever be served, at most
    /// `most`.
    pub(super) fn heaviest(&self, mode: R::Mode, most: u32) -> u32 {
        self.attachment().check();
        // Ordering: Relaxed, a snapshot.
        let base = self.attachment().map().u64(self.at + lock::BASE).load(Ordering::Relaxed);
        let fits = |weight| {
            let request = Request { mode: index_of(mode), from: NO_MODE, weight };
            weight <= MAX_WEIGHT && G::<R>::judge(&self.rules, base, request).is_some()
        };
        if fits(most) {
            return most;
        }
        // Rules are monotone: halve.
        let (mut good, mut bad) = (0, most);
        while bad - good > 1 {
            let middle = good + (bad - good) / 2;
            if fits(middle) {
                good = middle;
            } else {
                bad = middle;
            }
        }
        good
    }

    /// How many units of the first mode are never given out.
    pub(super) fn withheld(&self) -> usize {
        self.attachment().check();
        // Ordering: Relaxed, a snapshot.
        let base = self.attachment().map().u64(self.at + lock::BASE).load(Ordering::Relaxed);
        G::<R>::count(base, 0)
    }

    /// Makes two holds of one: `count` units of a request in a record of their
    /// own.
    ///
    /// Under the guard: a repair counts from the records, and must not see one
    /// before and the other one after it.
    pub(super) fn split(&self, request: Request, index: u32, count: u32) -> u32 {
        let record = self.record();
        let part = Request { weight: count, ..request };
        let rest = Request { weight: request.weight - count, ..request };
        self.section(|_| {
            self.note(record.index, State::Acquiring, part);
            self.note(index, State::Held, rest);
            self.note(record.index, State::Held, part);
        });
        record.keep()
    }

    /// Makes one hold of two.
    pub(super) fn merge(&self, sum: Request, index: u32, other: u32) {
        self.section(|_| {
            self.set_state(other, State::Leaving);
            self.note(index, State::Held, sum);
            self.set_state(other, State::Idle);
        });
        self.attachment().give_record(other);
    }

    pub(super) fn note(&self, index: u32, state: State, request: Request) {
        let word = note::encode(state, request, self.object());
        // Ordering: Release, as every note.
        self.attachment().state_of(index).store(word, Ordering::Release);
    }

    /// Whether an empty lock would admit this request.
    pub(super) fn is_possible(&self, request: Request) -> bool {
        request.weight <= MAX_WEIGHT
            && G::<R>::judge(&self.rules, 0, note::converted(request)).is_some()
    }

    /// Runs `f` under the guard, with what the dead left under it taken back.
    pub(super) fn section<T>(&self, f: impl FnOnce(&mut Section<'_, R>) -> T) -> T {
        self.attachment().check();
        f(&mut Section::enter(self.attachment(), self.at, &self.rules))
    }

    /// Runs a part of the engine that may let waiters in, and wakes them after
    /// the guard; again until nobody more fits.
    pub(super) fn settle<'a>(
        &'a self,
        f: impl FnOnce(&mut Section<'a, R>, &mut Batch<Bell<'a>>) -> bool,
    ) {
        self.attachment().check();
        let mut batch = Batch::new();
        let mut section = Section::enter(self.attachment(), self.at, &self.rules);
        let mut more = f(&mut section, &mut batch) || section.is_spoilt();
        drop(section);
        batch.wake();
        // Others may spoil it all the time.
        let mut rounds = self.attachment().tables().records;
        while more && rounds != 0 {
            rounds -= 1;
            let mut batch = Batch::new();
            let mut section = Section::enter(self.attachment(), self.at, &self.rules);
            more = !section.is_stopped() && engine::grant(&mut section, 0, 0, &mut batch);
            more |= section.is_spoilt();
            drop(section);
            batch.wake();
        }
    }

    /// Lets in whoever may enter now.
    #[cold]
    pub(super) fn grant_now(&self) {
        self.settle(|s, batch| !s.is_stopped() && engine::grant(s, 0, 0, batch));
    }

    /// Looks after the dead, and lets in whoever may enter now.
    #[cold]
    pub(super) fn look(&self) -> repair::Found {
        let mut found = repair::Found::default();
        self.settle(|s, batch| {
            found = repair::look(self.attachment(), self.at, false);
            self.refuse_impossible(s);
            !s.is_stopped() && !is_wrong(Wrong::NobodyGranted) && engine::grant(s, 0, 0, batch)
        });
        found
    }

    /// As [`look`](Self::look), unless somebody alive has the guard: it never
    /// blocks. Whether it looked.
    #[cold]
    fn try_look(&self) -> bool {
        let mut batch = Batch::new();
        let entered = Section::try_take_over(self.attachment(), self.at, &self.rules);
        let Some((mut section, taken_over)) = entered else { return false };
        repair::look(self.attachment(), self.at, taken_over);
        self.refuse_impossible(&mut section);
        let mut rounds = self.attachment().tables().records;
        while rounds != 0
            && !section.is_stopped()
            && !is_wrong(Wrong::NobodyGranted)
            && engine::grant(&mut section, 0, 0, &mut batch)
        {
            // Under the guard: given back, it might not be had again.
            batch = Batch::new();
            rounds -= 1;
        }
        drop(section);
        batch.wake();
        true
    }

    /// As [`try_look`](Self::try_look), unless that was done a short while ago.
    #[cold]
    pub(super) fn look_if_due(&self, period: Duration) -> bool {
        let now = sys::milliseconds();
        let last = repair::last_look(self.attachment(), self.at);
        // Another start of the machine, or another clock, may have been later.
        let due = now.abs_diff(last) >= period.as_millis() as u64;
        due && self.try_look()
    }

    /// Enters now, or not at all: with which record.
    #[inline]
    pub(super) fn try_acquire(&self, request: Request) -> Option<u32> {
        let record = self.record();
        if self.try_admit(request, record.index) || self.try_again(request, record.index) {
            return Some(record.keep());
        }
        None
    }

    #[inline(always)]
    fn try_admit(&self, request: Request, index: u32) -> bool {
        engine::try_admit::<InShm<R>>(&self.rules, self.word(), request, &self.notes(index))
    }

    /// Who keeps it out may be dead.
    #[cold]
    fn try_again(&self, request: Request, index: u32) -> bool {
        self.look_if_due(self.attachment().poll() / 2) && self.try_admit(request, index)
    }

    /// Enters, or waits in line until `limit`: with which record. A request that
    /// is [refused](Self::refuses) ends earlier.
    #[inline(always)]
    pub(super) fn acquire(&self, request: Request, limit: &impl Limit) -> Option<u32> {
        let record = self.record();
        // Weighted rules keep what is withheld in the word: no guess at it.
        let entered = if R::WEIGHTED {
            self.try_admit(request, record.index)
        } else {
            let notes = self.notes(record.index);
            engine::try_admit_free::<InShm<R>>(&self.rules, self.word(), 0, request, &notes)
        };
        if entered || self.acquire_slow(request, limit, record.index) {
            return Some(record.keep());
        }
        None
    }

    #[cold]
    #[inline(never)]
    fn acquire_slow(&self, request: Request, limit: &impl Limit, index: u32) -> bool {
        if !R::WEIGHTED && self.try_admit(request, index) {
            return true;
        }
        self.set_task(index, false);
        loop {
            if self.enqueue(index, request) == Entry::Admitted {
                return true;
            }
            match self.wait_in_line(index, request, limit) {
                Waited::Granted => return true,
                Waited::Evicted => self.baton(index),
                Waited::TooLong => return false,
            }
            if self.refuses(request) {
                return false;
            }
        }
    }

    /// Stands in line, or enters after all; or is evicted at once.
    pub(super) fn enqueue(&self, index: u32, request: Request) -> Entry {
        let notes = self.notes(index);
        self.section(|s| {
            s.asking = Some((index, request));
            if self.refuses(request) {
                self.note(index, State::Evicted, request);
                return Entry::Queued;
            }
            engine::enqueue(s, index, request, &notes)
        })
    }

    /// An evicted one lets in those behind it, before it asks anew.
    pub(super) fn baton(&self, index: u32) {
        self.set_state(index, State::Idle);
        self.grant_now();
    }

    pub(super) fn set_task(&self, index: u32, task: bool) {
        // Ordering: Relaxed, before it is in line; the guard orders.
        self.attachment().record_u32(index, record::TASK).store(task.into(), Ordering::Relaxed);
    }

    pub(super) fn state(&self, index: u32) -> State {
        // Ordering: Acquire, pairs with the Release of the grant's note.
        State::of(self.attachment().state_of(index).load(Ordering::Acquire))
    }

    /// Sets the state of an own record that others leave alone.
    fn set_state(&self, index: u32, state: State) {
        let place = self.attachment().state_of(index);
        // Ordering: Relaxed, it is ours; Release as every note.
        place.store(with_state(place.load(Ordering::Relaxed), state), Ordering::Release);
    }

    /// A granted record becomes a hold.
    pub(super) fn take(&self, index: u32, request: Request) {
        point(Point::Taken);
        let held = note::encode(State::Held, note::converted(request), self.object());
        // Ordering: Release, as every note.
        self.attachment().state_of(index).store(held, Ordering::Release);
    }

    /// Blocks until a record that is in line is out of it.
    pub(super) fn wait_in_line(&self, index: u32, request: Request, limit: &impl Limit) -> Waited {
        /// Leaves the line should the rule panic in one of its own looks.
        struct Leave<'a, R: Rules>(&'a RawShmLock<R>, u32, Request);
        impl<R: Rules> Drop for Leave<'_, R> {
            fn drop(&mut self) {
                self.0.leave_unjudged(self.1, self.2);
            }
        }
        let leave = Leave(self, index, request);
        let futex: &AtomicU32 = self.attachment().record_u32(index, record::FUTEX);
        let front = self.attachment().record_u32(index, record::FRONT);
        // Who died long ago should not cost the first who comes a period.
        let mut due = self.is_first(index);
        let (mut looks, mut looked) = (0, Period::New);
        let ended = loop {
            // Ordering: Acquire, pairs with the Release of the wake-up: should
            // the number be the new one, the state is as well.
            let number = futex.load(Ordering::Acquire);
            match self.state(index) {
                State::Granted => break Waited::Granted,
                State::Evicted => break Waited::Evicted,
                State::Queued | State::Granting => {}
                _ => {
                    self.abandon_spoilt(index, request);
                    break Waited::Evicted;
                }
            }
            // Ordering: Relaxed, a hint.
            let place = front.load(Ordering::Relaxed);
            if looks < world::looks(if place != 0 { LOOKS_FIRST } else { LOOKS_BEHIND }) {
                looks += 1;
                hint::spin_loop();
                continue;
            }
            if place == LOOK {
                front.store(super::line::FRONT, Ordering::Relaxed);
                self.look();
                continue;
            }
            if mem::take(&mut due) && self.look_if_due(self.attachment().poll()) {
                continue;
            }
            let period = self.attachment().poll() * if place != 0 { 1 } else { PATIENCE };
            let Some(rest) = looked.left(period) else {
                self.look();
                continue;
            };
            let sleep = match limit.left() {
                Left::Unlimited => rest,
                Left::Time(left) => left.min(rest),
                Left::Nothing => match self.leave_line(index, request) {
                    Some(ended) => break ended,
                    None => continue,
                },
            };
            if sys::futex_wait(futex, number, sleep) && sleep == rest {
                looked.end();
            }
        };
        mem::forget(leave);
        if ended == Waited::Granted {
            self.take(index, request);
        }
        ended
    }

    /// Takes a record out of whatever it is in without asking the rule, which
    /// has just panicked. Those behind it are told to look for themselves.
    #[cold]
    fn leave_unjudged(&self, index: u32, request: Request) {
        self.section(|s| {
            let lane = G::<R>::lane(request);
            match self.state(index) {
                State::Queued => {
                    s.asking = Some((index, request));
                    self.unqueue(index, request);
                    if s.unlink(lane, index) {
                        s.tell_first(lane);
                    }
                    if s.line().ends(lane).is_none() {
                        // Ordering: Relaxed, a lane's bit carries no data.
                        self.word().fetch_and(!G::<R>::bit(lane), Ordering::Relaxed);
                    }
                }
                State::Granted if !request.is_conversion() => {
                    engine::leave::<InShm<R>>(self.word(), request, &self.notes(index));
                }
                State::Granted => self.take(index, request),
                State::Evicted => self.unqueue(index, request),
                _ => {}
            }
            s.line().rouse(G::<R>::LANES);
        });
    }

    /// The mode that a hold's record says it has; in a child of `fork`, which
    /// has no records, `None`.
    pub(super) fn mode_of(&self, index: u32) -> Option<R::Mode> {
        if !self.attachment().is_ours() {
            return None;
        }
        // Ordering: Relaxed, it is our own.
        let held = note::request(self.attachment().state_of(index).load(Ordering::Relaxed));
        <R::Mode as Mode>::ALL.get(usize::from(held.mode)).copied()
    }

    fn is_first(&self, index: u32) -> bool {
        // Ordering: Relaxed, a hint.
        self.attachment().record_u32(index, record::FRONT).load(Ordering::Relaxed) != 0
    }

    /// Takes a record out of the line, unless it is granted or evicted by now:
    /// then `None`.
    pub(super) fn leave_line(&self, index: u32, request: Request) -> Option<Waited> {
        let mut left = false;
        self.settle(|s, batch| {
            match self.state(index) {
                State::Queued => {}
                State::Granted | State::Evicted => return false,
                _ => {
                    spoil(self.attachment(), self.at);
                    self.unqueue(index, request);
                    left = true;
                    return false;
                }
            }
            left = true;
            // First the record, then the line: whatever happens in between is
            // repaired from the records.
            s.asking = Some((index, request));
            self.unqueue(index, request);
            point(Point::CancelIdle);
            let more = if s.is_stopped() {
                // Nobody is let in now, and the repair links anew.
                let lane = G::<R>::lane(request);
                if s.unlink(lane, index) {
                    s.tell_first(lane);
                }
                false
            } else {
                engine::cancel(s, index, batch)
            };
            point(Point::CancelDone);
            more
        });
        left.then_some(Waited::TooLong)
    }

    /// Of a waiter whose record says that it does not wait, which no program
    /// wrote: it is out of the line, and asks anew. Nobody is robbed, and this
    /// one loses its place.
    #[cold]
    pub(super) fn abandon_spoilt(&self, index: u32, request: Request) {
        self.section(|_| {
            spoil(self.attachment(), self.at);
            self.unqueue(index, request);
        });
    }

    /// What a waiter is when it does not wait any more.
    pub(super) fn unqueue(&self, index: u32, request: Request) {
        let word = if request.is_conversion() {
            note::encode(State::Held, note::unconverted(request), self.object())
        } else {
            note::encode(State::Idle, request, self.object())
        };
        // Ordering: Release, as every note.
        self.attachment().state_of(index).store(word, Ordering::Release);
    }

    /// Gives a hold back, and its record.
    #[inline(always)]
    pub(super) fn release(&self, request: Request, index: u32) {
        if !self.places.is_ours() {
            // A child of the holder: it holds nothing.
            return;
        }
        // Before the subtraction, if that is possible: what comes after an
        // atomic update waits for it. This thread, which alone takes from
        // there, takes nothing in between.
        let kept = self.places.keep_record(index);
        let due = engine::leave::<InShm<R>>(self.word(), request, &self.notes(index));
        if !kept || due {
            self.release_slow(index, kept, due);
        }
    }

    /// What seldom comes after it.
    #[cold]
    #[inline(never)]
    fn release_slow(&self, index: u32, kept: bool, due: bool) {
        if !kept {
            self.attachment().give_record(index);
        }
        if due {
            self.grant_now();
        }
    }

    /// Notes that a hold begins, if that is to be noted.
    #[inline(always)]
    pub(super) fn note_time(&self, index: u32) {
        if self.places.notes_times() {
            self.attachment().note_time(index);
        }
    }

    /// How many deaths in the middle of a change nobody has mended; 0: none.
    #[inline]
    pub(super) fn deaths(&self) -> u32 {
        // Ordering: Relaxed: entering synchronised with whoever gave the dead
        // one's units back.
        let deaths = self.places.deaths().load(Ordering::Relaxed);
        let mended = self.places.mended().load(Ordering::Relaxed);
        if deaths == mended { 0 } else { deaths }
    }

    /// All deaths up to this number are mended.
    pub(super) fn mend(&self, deaths: u32) {
        // Ordering: Release, pairs with the release of the hold: whoever
        // enters after it sees it.
        self.places.mended().fetch_max(deaths, Ordering::Release);
    }
}
