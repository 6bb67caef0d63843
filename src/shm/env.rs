//! The engine's environment in shared memory: a lock with its guard taken.

use core::cell::Cell;

use super::attach::Attachment;
use super::fault::{Point, Wrong, is_wrong, point};
use super::format::{lock, record};
use super::line::{self, Line};
use super::record::{self as note, State, with_state};
use super::{guard, repair, sys};
use crate::atomic::{AtomicU64, Ordering};
use crate::raw::engine::Env;
use crate::raw::mode::Rules;
use crate::raw::word::{Geometry, Shape};
use crate::wait::batch::Wake;
use crate::wait::node::Request;

/// The shape of the word of a lock in shared memory.
pub(super) struct InShm<R>(R);

impl<R: Rules> Shape for InShm<R> {
    type Rules = R;
    type Word = u64;
    /// STOP.
    const EXTRA: u32 = 1;
}

pub(super) type G<R> = Geometry<InShm<R>>;

/// A lock whose guard is held; dropped, also by a panic in the rule, it gives
/// the guard back.
pub(super) struct Section<'a, R> {
    attachment: &'a Attachment,
    at: u64,
    rules: &'a R,
    word: &'a AtomicU64,
    /// Who asks in this section, and for what: its record does not say so yet,
    /// or not any more.
    pub(super) asking: Option<(u32, Request)>,
    /// The lane whose ends were asked for, and its last: where a walk ends that
    /// comes upon a spoilt link.
    walk: Cell<Option<(u32, u32)>>,
    /// How many steps walks may take, should somebody spoil links all the time.
    steps: Cell<u64>,
}

impl<'a, R: Rules> Section<'a, R> {
    /// Takes the guard, and back what a dead one left under it.
    pub(super) fn enter(attachment: &'a Attachment, at: u64, rules: &'a R) -> Self {
        let taken_over = guard::take(attachment, at) && !is_wrong(Wrong::NothingRepaired);
        let section = Self::within(attachment, at, rules);
        if taken_over || repair::is_stopped(attachment, at) || line::is_spoilt(attachment, at) {
            repair::look(attachment, at, true);
        }
        section
    }

    /// The same, if nobody has the guard. Nothing is repaired.
    pub(super) fn try_enter(attachment: &'a Attachment, at: u64, rules: &'a R) -> Option<Self> {
        guard::try_take(attachment, at).then(|| Self::within(attachment, at, rules))
    }

    /// The same, unless somebody alive has the guard: and whether a dead one had
    /// it. Nothing is repaired.
    pub(super) fn try_take_over(
        attachment: &'a Attachment,
        at: u64,
        rules: &'a R,
    ) -> Option<(Self, bool)> {
        let taken_over = guard::try_take_over(attachment, at)?;
        let taken_over = taken_over && !is_wrong(Wrong::NothingRepaired);
        Some((Self::within(attachment, at, rules), taken_over))
    }

    fn within(attachment: &'a Attachment, at: u64, rules: &'a R) -> Self {
        let word = attachment.map().u64(at + lock::WORD);
        let records = u64::from(attachment.tables().records);
        let (walk, steps) = (Cell::new(None), Cell::new((records + 1) * (records + 2)));
        Self { attachment, at, rules, word, asking: None, walk, steps }
    }

    /// Whether the lines were found to be spoilt: whoever enters next links them
    /// anew.
    pub(super) fn is_spoilt(&self) -> bool {
        line::is_spoilt(self.attachment, self.at)
    }

    /// Whether a repair is not finished: then nobody may be let in.
    pub(super) fn is_stopped(&self) -> bool {
        repair::is_stopped(self.attachment, self.at)
    }

    pub(super) fn line(&self) -> Line<'a> {
        Line::of_lock(self.attachment, self.at, G::<R>::LANES)
    }

    fn object(&self) -> u32 {
        (self.at / 64) as u32
    }

    /// Notes that somebody waits.
    fn queue(&mut self, id: u32) {
        let request = self.request(id);
        let tickets = self.attachment.map().u64(self.at + lock::TICKET);
        // Ordering: Relaxed, tickets are drawn under the guard.
        let ticket = tickets.load(Ordering::Relaxed).wrapping_add(1);
        tickets.store(ticket, Ordering::Relaxed);
        self.attachment.record_u64(id, record::TICKET).store(ticket, Ordering::Relaxed);
        let since = self.attachment.record_u64(id, record::SINCE);
        since.store(sys::milliseconds(), Ordering::Relaxed);
        // Whoever stands in line by itself has no notification to pass on.
        self.attachment.record_u32(id, record::CONDVAR).store(0, Ordering::Relaxed);
        point(Point::Ticket);
        // Ordering: Release, as every note.
        self.attachment
            .state_of(id)
            .store(note::encode(State::Queued, request, self.object()), Ordering::Release);
        point(Point::Queued);
    }

    fn set_state(&self, id: u32, state: State) {
        let place = self.attachment.state_of(id);
        // Ordering: Relaxed, under the guard it is ours; Release as every note.
        let word = place.load(Ordering::Relaxed);
        place.store(with_state(word, state), Ordering::Release);
    }
}

impl<R> Drop for Section<'_, R> {
    fn drop(&mut self) {
        guard::give(self.attachment, self.at);
    }
}

/// A wake-up that is due, once the guard is given back.
pub(super) struct Bell<'a> {
    attachment: &'a Attachment,
    index: u32,
}

impl Wake for Bell<'_> {
    fn wake(self) {
        line::wake(self.attachment, self.index);
    }
}

impl<'a, R: Rules> Env for Section<'a, R> {
    type Shape = InShm<R>;
    type Id = u32;
    type Wake = Bell<'a>;

    fn rules(&self) -> &R {
        self.rules
    }

    fn word(&self) -> &AtomicU64 {
        self.word
    }

    fn ends(&self, lane: u32) -> Option<(u32, u32)> {
        let ends = self.line().ends(lane).filter(|_| self.steps.get() != 0);
        self.walk.set(ends.map(|(_, last)| (lane, last)));
        ends
    }

    fn is_sound(&self) -> bool {
        !self.is_spoilt()
    }

    fn next(&self, id: u32) -> u32 {
        let left = self.steps.get();
        self.steps.set(left.saturating_sub(1));
        let Some((lane, last)) = self.walk.get() else { return id };
        self.line().next(lane, id).filter(|_| left != 0).unwrap_or(last)
    }

    fn request(&self, id: u32) -> Request {
        match self.asking {
            Some((asking, request)) if asking == id => request,
            // Ordering: Relaxed: written under the guard.
            _ => {
                let request = note::request(self.attachment.state_of(id).load(Ordering::Relaxed));
                // Memory that others may have spoilt names no mode that is not.
                let most = <R::Mode as crate::Mode>::COUNT as u8 - 1;
                let from =
                    if request.is_conversion() { request.from.min(most) } else { request.from };
                Request { mode: request.mode.min(most), from, ..request }
            }
        }
    }

    fn append(&mut self, lane: u32, id: u32) {
        self.queue(id);
        self.line().append(lane, id);
    }

    fn insert(&mut self, lane: u32, ahead: Option<u32>, id: u32) {
        self.queue(id);
        self.line().insert(lane, ahead, id);
    }

    fn unlink(&mut self, lane: u32, id: u32) -> bool {
        self.line().unlink(lane, id)
    }

    fn unlink_first(&mut self, lane: u32) {
        if let Some((first, _)) = self.ends(lane) {
            self.line().unlink(lane, first);
        }
    }

    fn tell_first(&mut self, lane: u32) {
        self.line().tell_first(lane);
    }

    fn mark(&mut self, id: u32, on: bool) {
        // Ordering: Relaxed, under the guard.
        self.attachment.record_u32(id, record::MARK).store(on.into(), Ordering::Relaxed);
    }

    fn is_marked(&self, id: u32) -> bool {
        // Ordering: Relaxed, under the guard.
        self.attachment.record_u32(id, record::MARK).load(Ordering::Relaxed) != 0
    }

    fn granting(&mut self, id: u32) {
        self.set_state(id, State::Granting);
        point(Point::Granting);
    }

    fn withheld(&mut self, id: u32) {
        self.set_state(id, State::Queued);
        point(Point::Withheld);
    }

    fn granted(&mut self, id: u32) -> Option<Bell<'a>> {
        self.set_state(id, State::Granted);
        point(Point::Granted);
        Some(Bell { attachment: self.attachment, index: id })
    }

    fn evicted(&mut self, id: u32) -> Option<Bell<'a>> {
        self.set_state(id, State::Evicted);
        Some(Bell { attachment: self.attachment, index: id })
    }
}
