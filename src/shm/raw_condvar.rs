//! Waiting for a notification: a condition's line, under its lock's guard.
//!
//! A condition has no inner lock of its own. It is bound to one lock, and all
//! that concerns its line happens under that lock's guard: so a waiter's move
//! from the one line into the other is one store to its record, and whoever
//! repairs the lock repairs its conditions.
//!
//! The waiter's record is that of its hold. It belongs to the lock all the
//! time, and says by itself where it stands; the links say it again.
//!
//! ```text
//!          owner                 owner, under the guard
//! Held ───────────► Parting ──────────► Leaving ──subtraction──► Waiting
//!                                                                │ │ │
//!  Held ◄── Granted ◄── Granting ◄── Queued ◄────── notified ────┘ │ │
//!   ▲                                   ▲    (by anybody)          │ │
//!   └─── admitted at once ──────────────┴─── time is over (owner) ─┘ │
//!                                              dropped (owner) ──► Idle
//! ```
//!
//! | its owner dies when it is | units | in whose line | what the next repair does |
//! |---|---|---|---|
//! | `Held` | its own | none | gives them back; a death in a change is told |
//! | `Parting` | its own | none, or the condition's | gives them back; the owner's code had ended: nothing is told |
//! | `Leaving` | ambiguous | the condition's | as any `Leaving`: counts anew |
//! | `Waiting` | none | the condition's, or half out of it | takes it out: the others keep their turns |
//! | `Queued`, `Granting`, `Granted`, notified alone | of the state | the lock's | as any; before, it notifies the next in its place |
//! | the same, notified with all others | of the state | the lock's | as any: nobody is owed anything |
//! | `Held` again | its own | none | as any `Held`: it had its notification |
//!
//! | a notifier dies | what there is | what the next repair does |
//! |---|---|---|
//! | before the store of `Queued` | a `Waiting`, perhaps out of the line | links the line anew: nobody was notified |
//! | after it | a `Queued`, perhaps in no line | links the lanes anew: it was notified |
//! | in `notify_all`, before the store of `DUE` | as it was | nobody was notified |
//! | after it | `Waiting` with turns up to `DUE` | notifies all of them |
//! | after the guard, before the wake-up | somebody asleep who may enter | its own next look finds it |
//!
//! Whoever dies while it passes a notification on may have passed it on
//! already: then the next repair does so again. One more is woken than was
//! notified; never one less.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hint;

use super::attach::Attachment;
use super::content::Site;
use super::error::Error;
use super::fault::{Point, Wrong, is_wrong, point};
use super::format::{Plan, condvar, kind, lock, record};
use super::line::{self, FRONT, LOOK, Line};
use super::period::Period;
use super::raw::{LOOKS_BEHIND, PATIENCE, RawShmLock, Waited};
use super::record::{self as note, State, with_state};
use super::repair::{self, Patient};
use super::{env, guard, sys, world};
use crate::atomic::{AtomicU64, Ordering};
use crate::raw::engine::{self, Entry, Note, Step};
use crate::raw::mode::Rules;
use crate::wait::node::Request;
use crate::wait::{Forever, Left, Limit};

/// A condition's place in a segment.
pub(super) struct RawCondvar {
    attachment: Arc<Attachment>,
    at: u64,
}

/// Who has to be woken after the guard: at most one for each lane.
struct Due([Option<u32>; 16]);

impl Due {
    fn new() -> Self {
        Self([None; 16])
    }

    fn push(&mut self, index: u32) {
        if let Some(free) = self.0.iter_mut().find(|due| due.is_none()) {
            *free = Some(index);
        }
    }

    fn wake(self, attachment: &Attachment) {
        self.0.into_iter().flatten().for_each(|index| line::wake(attachment, index));
    }
}

/// A lock whose guard is held, also after this.
struct Guarded<'a>(Patient<'a>);

impl<'a> Guarded<'a> {
    /// Takes the guard, and back what a dead one left under it.
    fn enter(attachment: &'a Attachment, at: u64) -> Self {
        let taken_over = guard::take(attachment, at) && !is_wrong(Wrong::NothingRepaired);
        if taken_over || repair::is_stopped(attachment, at) || line::is_spoilt(attachment, at) {
            repair::look(attachment, at, true);
        }
        Self(Patient::new(attachment, at))
    }
}

impl Drop for Guarded<'_> {
    fn drop(&mut self) {
        guard::give(self.0.attachment, self.0.at);
    }
}

impl RawCondvar {
    pub(super) fn plan(plan: &mut Plan) {
        plan.object(kind::CONDVAR, condvar::LEN);
    }

    pub(super) fn create(site: &mut Site<'_>) -> Result<(), Error> {
        // All of it is zero.
        site.next(kind::CONDVAR, condvar::LEN).map(drop)
    }

    pub(super) fn open(site: &mut Site<'_>) -> Result<Self, Error> {
        let at = site.next(kind::CONDVAR, condvar::LEN)?;
        Ok(Self { attachment: Arc::clone(site.attachment()), at })
    }

    /// From now on it is this lock's.
    ///
    /// # Panics
    ///
    /// If it is another one's, or the lock was reached through another
    /// attachment.
    pub(super) fn bind<R: Rules>(&self, lock: &RawShmLock<R>) {
        self.attachment.check();
        let number = (lock.at() / 64) as u32;
        let place = self.attachment.map().u32(self.at + condvar::LOCK);
        // Ordering: Relaxed, it is a number. Who comes through the lock after
        // a waiter sees it with all that the waiter did.
        let found = place.load(Ordering::Relaxed);
        // Others may have spoilt it.
        let bound = if lock_at(&self.attachment, found).is_some() {
            found
        } else {
            match place.compare_exchange(found, number, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => number,
                Err(other) => other,
            }
        };
        let same = Arc::ptr_eq(&self.attachment, lock.attachment());
        assert!(same, "a condition is used with a lock that the same `Segment` holds");
        assert!(bound == number, "a condition is used with one lock, always the same");
    }

    /// The lock that it is used with.
    fn lock(&self) -> Option<u64> {
        self.attachment.check();
        // Ordering: Relaxed, see `bind`.
        let number = self.attachment.map().u32(self.at + condvar::LOCK).load(Ordering::Relaxed);
        lock_at(&self.attachment, number)
    }

    fn line(&self, lock: u64) -> Line<'_> {
        Line::of_condvar(&self.attachment, self.at, lock)
    }

    /// Notifies the one that has waited longest.
    pub(super) fn notify_one(&self) -> bool {
        let Some(lock) = self.lock() else { return false };
        let notify = |guarded: &Guarded<'_>, due: &mut Due| {
            usize::from(move_first(&guarded.0, self.at, false, due))
        };
        self.notifying(lock, notify) != 0
    }

    /// Notifies under the guard; once more if the line was found to be spoilt,
    /// and so not all are in it who wait.
    fn notifying(
        &self,
        lock: u64,
        mut notify: impl FnMut(&Guarded<'_>, &mut Due) -> usize,
    ) -> usize {
        let mut count = 0;
        for _ in 0..2 {
            let mut due = Due::new();
            let guarded = Guarded::enter(&self.attachment, lock);
            count += notify(&guarded, &mut due);
            let again = count == 0 && line::is_spoilt(&self.attachment, lock);
            drop(guarded);
            due.wake(&self.attachment);
            if !again {
                break;
            }
        }
        count
    }

    /// Notifies all that wait.
    pub(super) fn notify_all(&self) -> usize {
        let Some(lock) = self.lock() else { return 0 };
        self.notifying(lock, |guarded, due| {
            let mut count = 0;
            if self.line(lock).ends(0).is_some() {
                let map = self.attachment.map();
                // Ordering: Relaxed, under the guard. From here on they are
                // notified, by whoever repairs if not by us.
                let last = map.u64(lock + super::format::lock::TICKET).load(Ordering::Relaxed);
                map.u64(self.at + condvar::DUE).store(last, Ordering::Relaxed);
                point(Point::Due);
                // Memory that others may have spoilt has no endless list.
                while count < self.attachment.tables().records as usize
                    && move_first(&guarded.0, self.at, false, due)
                {
                    count += 1;
                }
            }
            count
        })
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        let Some(lock) = self.lock() else { return 0 };
        let _guarded = Guarded::enter(&self.attachment, lock);
        self.line(lock).len(1)
    }

    /// How many wait, unless somebody is busy with the lines.
    pub(super) fn try_waiting(&self) -> Option<usize> {
        if !self.attachment.is_ours() {
            return None;
        }
        let Some(lock) = self.lock() else { return Some(0) };
        guard::try_take(&self.attachment, lock).then(|| {
            let count = self.line(lock).len(1);
            guard::give(&self.attachment, lock);
            count
        })
    }
}

/// Moves the first of a condition's line into its lock's. `false`: there is
/// none. `anyway`: whoever is inside may be dead and not be counted on.
fn move_first(patient: &Patient<'_>, at: u64, anyway: bool, due: &mut Due) -> bool {
    let line = Line::of_condvar(patient.attachment, at, patient.at);
    let Some((first, _)) = line.ends(0) else { return false };
    line.unlink(0, first);
    line.tell_first(0);
    if queue(patient, first, anyway) {
        due.push(first);
    }
    true
}

/// Stands a notified one, which is in no line, in its lock's. Whether it must
/// be woken to look whether it may enter.
fn queue(patient: &Patient<'_>, index: u32, anyway: bool) -> bool {
    let attachment = patient.attachment;
    let place = attachment.state_of(index);
    // Ordering: Relaxed, under the guard.
    let word = place.load(Ordering::Relaxed);
    if State::of(word) != State::Waiting {
        // Memory that others have spoilt.
        return false;
    }
    let tickets = attachment.map().u64(patient.at + lock::TICKET);
    let ticket = tickets.load(Ordering::Relaxed).wrapping_add(1);
    tickets.store(ticket, Ordering::Relaxed);
    attachment.record_u64(index, record::TICKET).store(ticket, Ordering::Relaxed);
    attachment.record_u64(index, record::SINCE).store(sys::milliseconds(), Ordering::Relaxed);
    point(Point::Moving);
    // Ordering: Release, as every note.
    place.store(with_state(word, State::Queued), Ordering::Release);
    point(Point::Notified);
    let look = patient.append(patient.lane_of(note::request(word).mode), index, anyway);
    if look {
        // Ordering: Relaxed, a hint.
        attachment.record_u32(index, record::FRONT).store(LOOK, Ordering::Relaxed);
    }
    look
}

/// The condition through which a record waits, or waited, if it is one of this
/// lock's.
fn condition_of(patient: &Patient<'_>, index: u32) -> Option<u64> {
    // Ordering: Relaxed, it changes under the guard; a dead one's is seen with
    // its state.
    let number = patient.attachment.record_u32(index, record::CONDVAR).load(Ordering::Relaxed);
    conditions(patient).find(|&at| at == u64::from(number) * 64)
}

/// The conditions of a lock.
fn conditions<'a>(patient: &Patient<'a>) -> impl Iterator<Item = u64> + use<'a> {
    let (attachment, number) = (patient.attachment, (patient.at / 64) as u32);
    // Ordering: Relaxed, see `bind`.
    let bound = move |at| attachment.map().u32(at + condvar::LOCK).load(Ordering::Relaxed);
    let all = attachment.objects().iter().filter(|object| object.kind == kind::CONDVAR);
    all.map(|object| object.at).filter(move |&at| bound(at) == number)
}

/// The place of the lock with this number, if there is one.
fn lock_at(attachment: &Attachment, number: u32) -> Option<u64> {
    let at = u64::from(number) * 64;
    let is_lock = |object: &&super::format::Object| {
        object.at == at && object.kind == kind::LOCK && object.len >= lock::ENDS + 8
    };
    attachment.objects().iter().find(is_lock).map(|object| object.at)
}

/// Whether of these, who wait for a notification through a condition of this
/// lock, not all stand in its line, or others do.
pub(super) fn differ(patient: &Patient<'_>, who: impl Iterator<Item = u32>) -> bool {
    let lines = conditions(patient);
    let standing: usize =
        lines.map(|at| Line::of_condvar(patient.attachment, at, patient.at).len(1)).sum();
    who.filter(|&index| condition_of(patient, index).is_some()).count() != standing
}

fn turn(attachment: &Attachment, index: u32) -> u64 {
    // Ordering: Relaxed, drawn under the guard.
    attachment.record_u64(index, record::TURN).load(Ordering::Relaxed)
}

/// Up to which turn all have been notified.
fn last_due(attachment: &Attachment, at: u64) -> u64 {
    // Ordering: Relaxed, under the guard.
    attachment.map().u64(at + condvar::DUE).load(Ordering::Relaxed)
}

/// Takes a waiter out of its condition's line.
pub(super) fn withdraw(patient: &Patient<'_>, index: u32) {
    if let Some(at) = condition_of(patient, index) {
        let line = Line::of_condvar(patient.attachment, at, patient.at);
        line.unlink(0, index);
        line.tell_first(0);
    }
}

/// Gives a notification that came for this one alone to the next. It is in the
/// lock's line, or granted, and about to be taken out.
pub(super) fn pass_on(patient: &Patient<'_>, index: u32, word: u64) {
    if !matches!(State::of(word), State::Queued | State::Granting | State::Granted)
        || is_wrong(Wrong::NotificationLost)
    {
        return;
    }
    let Some(at) = condition_of(patient, index) else { return };
    if turn(patient.attachment, index) > last_due(patient.attachment, at) {
        let mut due = Due::new();
        move_first(patient, at, true, &mut due);
        point(Point::PassedOn);
        due.wake(patient.attachment);
    }
    // Ordering: Relaxed, under the guard.
    patient.attachment.record_u32(index, record::CONDVAR).store(0, Ordering::Relaxed);
}

/// Links the lines of a lock's conditions anew, and does what was begun: all of
/// these are records of the lock, with their words and whether they live. The
/// lock's own lines are linked.
pub(super) fn anew(patient: &Patient<'_>, records: &[(u32, u64, bool)]) {
    let attachment = patient.attachment;
    let mut due = Due::new();
    for at in conditions(patient) {
        let here = |&&(index, word, alive): &&(u32, u64, bool)| {
            alive && State::of(word) == State::Waiting && condition_of(patient, index) == Some(at)
        };
        let here = records.iter().filter(here);
        let mut here: Vec<_> = here.map(|&(i, ..)| (turn(attachment, i), i)).collect();
        here.sort_unstable();
        Line::of_condvar(attachment, at, patient.at)
            .relink(0, here.iter().map(|&(_, index)| index));
        let last = last_due(attachment, at);
        for _ in here.iter().take_while(|&&(turn, _)| turn <= last) {
            move_first(patient, at, true, &mut due);
        }
    }
    due.wake(attachment);
    for &(index, word, _) in records.iter().filter(|&&(.., alive)| !alive) {
        pass_on(patient, index, word);
    }
}

/// Notes how a hold is given back by one who waits.
struct Parting<'a> {
    state: &'a AtomicU64,
    object: u32,
}

impl Note for Parting<'_> {
    fn note(&self, step: Step, asked: Request) {
        let state = match step {
            Step::Leaving => State::Leaving,
            _ => State::Waiting,
        };
        // Ordering: Release, as every note.
        self.state.store(note::encode(state, asked, self.object), Ordering::Release);
        point(match step {
            Step::Leaving => Point::AfterLeaving,
            _ => Point::Waiting,
        });
    }
}

impl<R: Rules> RawShmLock<R> {
    /// Makes a waiter of a holder: it stands in the condition's line, then
    /// gives its units back.
    pub(super) fn stand(&self, condvar: &RawCondvar, index: u32, request: Request) {
        // Certain, and ours: nobody's code is running inside any more.
        self.note(index, State::Parting, request);
        point(Point::Parting);
        self.settle(|s, batch| {
            let attachment = self.attachment();
            let tickets = attachment.map().u64(self.at() + lock::TICKET);
            // Ordering: Relaxed, all of these are under the guard.
            let turn = tickets.load(Ordering::Relaxed).wrapping_add(1);
            tickets.store(turn, Ordering::Relaxed);
            attachment.record_u64(index, record::TURN).store(turn, Ordering::Relaxed);
            let number = attachment.record_u32(index, record::CONDVAR);
            number.store((condvar.at / 64) as u32, Ordering::Relaxed);
            let since = attachment.record_u64(index, record::SINCE);
            since.store(sys::milliseconds(), Ordering::Relaxed);
            point(Point::Turn);
            condvar.line(self.at()).append(0, index);
            let object = (self.at() / 64) as u32;
            let parting = Parting { state: attachment.state_of(index), object };
            let due = engine::leave::<env::InShm<R>>(self.word(), request, &parting);
            due && !s.is_stopped() && engine::grant(s, 0, 0, batch)
        });
    }

    /// Lets a hold go, waits for a notification until `limit`, and holds again
    /// with the same record. Whether it was notified.
    pub(super) fn wait_in(
        &self,
        condvar: &RawCondvar,
        index: u32,
        request: Request,
        limit: &impl Limit,
    ) -> bool {
        self.set_task(index, false);
        self.stand(condvar, index, request);
        let notified = self.wait_for_notice(condvar, index, request, limit);
        while self.state(index) != State::Held {
            match self.wait_in_line(index, request, &Forever) {
                Waited::Granted => break,
                Waited::Evicted => {
                    self.baton(index);
                    self.enqueue(index, request);
                }
                Waited::TooLong => unreachable!("waiting without a limit ends with the lock"),
            }
        }
        notified
    }

    /// Blocks until it is notified, and in the lock's line or beyond it; or,
    /// when the time is over, stands there by itself: then `false`.
    fn wait_for_notice(
        &self,
        condvar: &RawCondvar,
        index: u32,
        request: Request,
        limit: &impl Limit,
    ) -> bool {
        let futex = self.attachment().record_u32(index, record::FUTEX);
        let front = self.attachment().record_u32(index, record::FRONT);
        let (mut looks, mut looked) = (0, Period::New);
        loop {
            // Ordering: Acquire, pairs with the Release of the wake-up.
            let number = futex.load(Ordering::Acquire);
            if self.state(index) != State::Waiting {
                return true;
            }
            if looks < world::looks(LOOKS_BEHIND) {
                looks += 1;
                hint::spin_loop();
                continue;
            }
            // Ordering: Relaxed, a hint.
            let place = front.load(Ordering::Relaxed);
            if place == LOOK {
                front.store(FRONT, Ordering::Relaxed);
                self.look();
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
                Left::Nothing => return !self.stop_waiting(condvar, index, request),
            };
            if sys::futex_wait(futex, number, sleep) && sleep == rest {
                looked.end();
            }
        }
    }

    /// Goes from the condition's line into the lock's without a notification,
    /// or enters; unless it has been notified: then `false`.
    fn stop_waiting(&self, condvar: &RawCondvar, index: u32, request: Request) -> bool {
        let notes = self.notes(index);
        self.section(|s| {
            if self.state(index) != State::Waiting {
                return false;
            }
            let line = condvar.line(self.at());
            line.unlink(0, index);
            line.tell_first(0);
            point(Point::GaveUp);
            s.asking = Some((index, request));
            let _: Entry = engine::enqueue(s, index, request, &notes);
            true
        })
    }

    /// Takes one who has stood in a condition's line out of it: `true`. If it
    /// has been notified, that is passed on, and its place in the lock's line,
    /// or its hold, is as it was.
    #[allow(dead_code, reason = "of the feature `async`")]
    pub(super) fn give_up_waiting(&self, condvar: &RawCondvar, index: u32) -> bool {
        self.section(|_| {
            let place = self.attachment().state_of(index);
            // Ordering: Relaxed, under the guard; Release as every note.
            let word = place.load(Ordering::Relaxed);
            if State::of(word) != State::Waiting {
                pass_on(&Patient::new(self.attachment(), self.at()), index, word);
                return false;
            }
            place.store(with_state(word, State::Idle), Ordering::Release);
            point(Point::GaveUp);
            let line = condvar.line(self.at());
            line.unlink(0, index);
            line.tell_first(0);
            true
        })
    }
}
