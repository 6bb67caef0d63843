//! The engine: admit, enqueue, grant, cancel and convert, written once.
//! (`grant` fills a file of its own, beside this one.)
//!
//! It is generic over the word's width and over the [`Env`]ironment: how a
//! waiter is reached and woken, what is noted when a hold changes its state,
//! which spare bits the word has. The same code so runs on nodes linked by
//! pointers inside a process and on records linked by index in shared memory.
//!
//! # Transitions
//!
//! | transition | step on the word | where | then |
//! |---|---|---|---|
//! | [`try_admit`] | CAS `w → w + units` if no barrier bit is set and the rule admits | anywhere | holds |
//! | [`leave`] | `w - units`; old value had a waiting bit | anywhere | `grant(0, 0)` |
//! | [`enqueue`] | own lane's bit set: nothing. Else CAS: admit after all, or set the bit | inner lock | link, or holds |
//! | [`grant`] | `w - leave - clear + everybody who fits`, as ONE update | inner lock | unlink, mark; wake after the inner lock |
//! | [`cancel`], not first | none | inner lock | unlink |
//! | [`cancel`], first | `grant(0, its bit if its lane is empty now)` | inner lock | unlink before |
//! | [`try_convert`] | CAS `w → w - from + to` if admitted without itself, whoever waits | anywhere | waiting bit: `grant(0, 0)` |
//! | [`refuse`](super::limit::refuse) | as `cancel`, of all that could never be served | inner lock | unlink, mark before |
//! | [`enqueue_conversion`] | CAS: convert after all, or set the lane's bit | inner lock | link ahead of the lane, behind its conversions |
//!
//! # Orderings
//!
//! * **O1** What raises counts is Acquire, what lowers them is Release, on one
//!   atomic: who enters sees all that those wrote who left before it. A
//!   compare-and-swap in between carries a release on; the plain store of
//!   `grant` carries it on because the load before it was Acquire.
//! * **O2** `grant` loads Acquire although it has the inner lock: leavers come
//!   by subtraction only, without that lock.
//! * **O3** Who is granted synchronises through the mark on its node, with the
//!   granter; the granter with all leavers by O2.
//! * **O4** Lines, bits of lanes and plain fields are ordered by the inner
//!   lock alone.
//!
//! # Invariants
//!
//! * **E1** Under the inner lock, a lane's bit is set exactly when somebody
//!   stands in it (between [`enqueue`]'s CAS and its link, nobody looks).
//! * **E2** A grant touches no node before its update of the word succeeded.
//! * **E3** Waiting conversions are a prefix of the lane of the mode that they
//!   want, and the set of them can always be served in some order once all
//!   other holders have left.

use super::grant::close_lane;
pub(crate) use super::grant::{grant, grant_next};
use super::word::{Geometry, Shape};
use crate::atomic::{AtomicWord, Fault, Ordering, Word};
use crate::wait::batch::{Batch, Wake};
use crate::wait::node::Request;

/// What happens to one hold, for an environment that keeps records of them.
///
/// `Acquiring` and `Leaving` surround the step on the word: only in between is
/// it unknown to an onlooker whether the units are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The word is about to be raised.
    Acquiring,
    /// It was raised: the hold is there.
    Held,
    /// The word is about to be lowered.
    Leaving,
    /// Nothing is held: it was lowered, or not raised.
    Idle,
    /// The hold is about to change its mode.
    Converting,
}

/// Takes notes of the steps of one hold.
pub(crate) trait Note {
    fn note(&self, step: Step, request: Request);

    /// The ordering of the update that raises the word, at least Acquire.
    #[inline(always)]
    fn entering(&self) -> Ordering {
        Ordering::Acquire
    }
}

/// Takes none: inside a process nobody asks.
pub(crate) struct Unnoted;

impl Note for Unnoted {
    #[inline(always)]
    fn note(&self, _: Step, _: Request) {}
}

/// A lock as the engine sees it, with its inner lock taken.
pub(crate) trait Env {
    type Shape: Shape;
    /// A waiter in line.
    type Id: Copy + PartialEq;
    type Wake: Wake;

    fn rules(&self) -> &RulesOf<Self>;
    fn word(&self) -> &AtomicOf<Self>;

    /// First and last of a lane in which somebody stands.
    fn ends(&self, lane: u32) -> Option<(Self::Id, Self::Id)>;
    /// The one behind, of one who is not its lane's last.
    fn next(&self, id: Self::Id) -> Self::Id;
    /// What a waiter asks for.
    fn request(&self, id: Self::Id) -> Request;
    /// Whether the lines were as this environment left them. If not, what was
    /// planned by them is not done: whoever enters next finds them whole.
    #[inline(always)]
    fn is_sound(&self) -> bool {
        true
    }

    /// Marks as waiting, and links at the end of a lane.
    fn append(&mut self, lane: u32, id: Self::Id);
    /// Marks as waiting, and links in a lane behind `ahead`, or first.
    fn insert(&mut self, lane: u32, ahead: Option<Self::Id>, id: Self::Id);
    /// Takes out of its lane. `true`: it was the first.
    fn unlink(&mut self, lane: u32, id: Self::Id) -> bool;
    /// Takes the first out of its lane.
    fn unlink_first(&mut self, lane: u32);
    /// Tells the first of a lane in which somebody stands that it is.
    fn tell_first(&mut self, lane: u32);
    /// As [`unlink_first`](Self::unlink_first), of a lane whose ends are known.
    /// Answers who is first now, who has not been told.
    #[inline(always)]
    fn take_first(&mut self, lane: u32, _first: Self::Id, _last: Self::Id) -> Option<Self::Id> {
        self.unlink_first(lane);
        self.ends(lane).map(|(first, _)| first)
    }
    /// As [`tell_first`](Self::tell_first), of a lane whose first is known.
    #[inline(always)]
    fn tell(&mut self, lane: u32, _first: Self::Id) {
        self.tell_first(lane);
    }

    /// Sets a scratch mark, for [`enqueue_conversion`].
    fn mark(&mut self, id: Self::Id, on: bool);
    fn is_marked(&self, id: Self::Id) -> bool;

    /// The waiter's units are about to enter the word.
    fn granting(&mut self, id: Self::Id);
    /// They did not: the word had changed.
    fn withheld(&mut self, id: Self::Id);
    /// They did, and the waiter is out of the line. It may be gone after this.
    fn granted(&mut self, id: Self::Id) -> Option<Self::Wake>;
    /// The waiter is out of the line without its units, and owes a grant to
    /// those behind it. It may be gone after this.
    fn evicted(&mut self, id: Self::Id) -> Option<Self::Wake>;
}

pub(super) type WordOf<E> = <<E as Env>::Shape as Shape>::Word;
pub(super) type RulesOf<E> = <<E as Env>::Shape as Shape>::Rules;
pub(crate) type AtomicOf<E> = <WordOf<E> as Word>::Atomic;
pub(crate) type GeometryOf<E> = Geometry<<E as Env>::Shape>;

/// The bit of a lane of an environment's word.
#[inline(always)]
pub(super) fn bit_of<E: Env>(lane: u32) -> WordOf<E> {
    GeometryOf::<E>::bit(lane)
}

/// Enters at once if nobody stands in the way and the rule admits.
///
/// One compare-and-swap, without the inner lock.
#[inline(always)]
pub(crate) fn try_admit<S: Shape>(
    rules: &S::Rules,
    word: &<S::Word as Word>::Atomic,
    request: Request,
    note: &impl Note,
) -> bool {
    // Ordering: Relaxed, the exchange decides.
    admit_from::<S>(rules, word, word.load(Ordering::Relaxed), request, note)
}

/// [`try_admit`], from a value that the word was seen to have.
#[inline(always)]
fn admit_from<S: Shape>(
    rules: &S::Rules,
    word: &<S::Word as Word>::Atomic,
    mut now: S::Word,
    request: Request,
    note: &impl Note,
) -> bool {
    let barrier = Geometry::<S>::barrier(Geometry::<S>::lane(request));
    loop {
        if now & barrier != S::Word::ZERO {
            return false;
        }
        let Some(next) = Geometry::<S>::judge(rules, now, request) else { return false };
        note.note(Step::Acquiring, request);
        // Ordering: Acquire, pairs with every Release that lowered the counts
        // (O1). Relaxed on failure: judged again.
        let acquire = Fault::AcquireRelaxed.or(note.entering(), Ordering::Relaxed);
        match word.compare_exchange_weak(now, next, acquire, Ordering::Relaxed) {
            Ok(_) => {
                note.note(Step::Held, request);
                return true;
            }
            Err(other) => {
                note.note(Step::Idle, request);
                now = other;
            }
        }
    }
}

/// The same, once, guessing that the lock is free and its word then `free`.
///
/// A load right behind an atomic update waits for it: taking a lock just after
/// letting one go is a seventh faster without. A wrong guess costs an update;
/// so this is for those who would block. `false` says nothing about the lock.
#[inline(always)]
pub(crate) fn try_admit_free<S: Shape>(
    rules: &S::Rules,
    word: &<S::Word as Word>::Atomic,
    free: S::Word,
    request: Request,
    note: &impl Note,
) -> bool {
    let Some(next) = Geometry::<S>::judge(rules, free, request) else { return false };
    note.note(Step::Acquiring, request);
    // Ordering: Acquire, as in `try_admit`.
    let acquire = Fault::AcquireRelaxed.or(note.entering(), Ordering::Relaxed);
    let entered = word.compare_exchange(free, next, acquire, Ordering::Relaxed).is_ok();
    note.note(if entered { Step::Held } else { Step::Idle }, request);
    entered
}

/// [`try_admit`], guessing first that the word is `free`.
///
/// A wrong guess tells what the word is: that costs a twelfth more
/// than to have looked at it.
#[inline(always)]
pub(crate) fn try_admit_guessing<S: Shape>(
    rules: &S::Rules,
    word: &<S::Word as Word>::Atomic,
    free: S::Word,
    request: Request,
    note: &impl Note,
) -> bool {
    let Some(next) = Geometry::<S>::judge(rules, free, request) else {
        return try_admit::<S>(rules, word, request, note);
    };
    note.note(Step::Acquiring, request);
    // Ordering: Acquire, as in `try_admit`.
    let acquire = Fault::AcquireRelaxed.or(Ordering::Acquire, Ordering::Relaxed);
    match word.compare_exchange(free, next, acquire, Ordering::Relaxed) {
        Ok(_) => {
            note.note(Step::Held, request);
            true
        }
        Err(now) => {
            note.note(Step::Idle, request);
            admit_from::<S>(rules, word, now, request, note)
        }
    }
}

/// Gives units back. `true`: somebody waits whom that may let in, and a grant is
/// due.
#[inline(always)]
pub(crate) fn leave<S: Shape>(
    word: &<S::Word as Word>::Atomic,
    request: Request,
    note: &impl Note,
) -> bool {
    let mode = Geometry::<S>::index(request.mode);
    let weight = Geometry::<S>::weight(request.weight);
    debug_assert!(
        Geometry::<S>::FOREIGN
            // Ordering: Relaxed, the caller's own units can't go away.
            || Geometry::<S>::count(word.load(Ordering::Relaxed), mode) >= weight,
        "released a lock in a mode in which nobody holds it"
    );
    note.note(Step::Leaving, request);
    // Ordering: Release, pairs with the Acquire of whoever enters (O1).
    let release = Fault::ReleaseRelaxed.or(Ordering::Release, Ordering::Relaxed);
    let old = word.fetch_sub(Geometry::<S>::units(mode, weight), release);
    note.note(Step::Idle, request);
    old & Geometry::<S>::waiting() != S::Word::ZERO && !Geometry::<S>::is_spare(old, mode)
}

/// How an attempt to stand in line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// It was admitted instead.
    Admitted,
    /// It stands in line.
    Queued,
}

/// Enters after all, or stands at the end of its lane.
#[inline]
pub(crate) fn enqueue<E: Env>(env: &mut E, id: E::Id, request: Request, note: &impl Note) -> Entry {
    let lane = GeometryOf::<E>::lane(request);
    let (bit, barrier) = (GeometryOf::<E>::bit(lane), GeometryOf::<E>::barrier(lane));
    // Ordering: Relaxed; of the lanes' bits the inner lock keeps us informed
    // (O4), and for the counts the exchange decides.
    let mut now = env.word().load(Ordering::Relaxed);
    if now & bit != WordOf::<E>::ZERO {
        env.append(lane, id);
        return Entry::Queued;
    }
    loop {
        let admitted = if now & barrier == WordOf::<E>::ZERO {
            GeometryOf::<E>::judge(env.rules(), now, request)
        } else {
            None
        };
        let Some(next) = admitted else {
            if Fault::BitAfterJudging.on() {
                now = env.word().load(Ordering::Relaxed);
            }
            // Against the value that was judged (W3): a leaver either changed
            // it, and it is judged again, or sees the bit.
            // Ordering: Relaxed, the bit carries no data (O4).
            let (set, relaxed) = (now | bit, Ordering::Relaxed);
            match env.word().compare_exchange_weak(now, set, relaxed, relaxed) {
                Ok(_) => {
                    env.append(lane, id);
                    return Entry::Queued;
                }
                Err(other) => {
                    now = other;
                    continue;
                }
            }
        };
        note.note(Step::Acquiring, request);
        // Ordering: Acquire, as in `try_admit`.
        match env.word().compare_exchange_weak(now, next, note.entering(), Ordering::Relaxed) {
            Ok(_) => {
                note.note(Step::Held, request);
                return Entry::Admitted;
            }
            Err(other) => {
                note.note(Step::Idle, request);
                now = other;
            }
        }
    }
}

/// Takes a waiter out of the line, and lets in whom it kept out.
///
/// Returns what [`grant`] returns.
#[inline]
pub(crate) fn cancel<E: Env>(env: &mut E, id: E::Id, batch: &mut Batch<E::Wake>) -> bool {
    let lane = GeometryOf::<E>::lane(env.request(id));
    if !env.unlink(lane, id) {
        return false;
    }
    let clear = close_lane(env, lane);
    if Fault::CancelWithoutGrant.on() && clear == WordOf::<E>::ZERO {
        return false;
    }
    grant(env, WordOf::<E>::ZERO, clear, batch)
}

/// Whether the environment lets nobody change the counts but who leaves.
#[inline(always)]
fn is_stopped<S: Shape>(word: S::Word) -> bool {
    S::EXTRA != 0 && word & Geometry::<S>::extra() != S::Word::ZERO
}

/// Changes the mode of a hold at once, whoever waits: it is inside, and to
/// queue behind someone who waits for it would be a deadlock.
///
/// `Some(true)`: done, and a grant is due.
#[inline(always)]
pub(crate) fn try_convert<S: Shape>(
    rules: &S::Rules,
    word: &<S::Word as Word>::Atomic,
    request: Request,
    note: &impl Note,
) -> Option<bool> {
    // Ordering: Relaxed, the exchange decides.
    let mut now = word.load(Ordering::Relaxed);
    loop {
        // Unless the environment has stopped everything.
        if is_stopped::<S>(now) {
            return None;
        }
        let next = Geometry::<S>::judge(rules, now, request)?;
        note.note(Step::Converting, request);
        // Ordering: Acquire to enter the new mode, Release to leave the old
        // one (O1).
        let order = if Fault::ConvertAcquireOnly.on() {
            Ordering::Acquire
        } else {
            Fault::ConvertReleaseOnly.or(Ordering::AcqRel, Ordering::Release)
        };
        match word.compare_exchange_weak(now, next, order, Ordering::Relaxed) {
            Ok(_) => {
                note.note(Step::Held, request);
                let due = now & Geometry::<S>::waiting() != S::Word::ZERO;
                return Some(due && !Fault::ConvertWithoutGrant.on());
            }
            Err(other) => {
                note.note(Step::Idle, request);
                now = other;
            }
        }
    }
}

/// How an attempt to stand in line for a conversion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConversionEntry {
    /// It was converted instead; `true`: a grant is due.
    Converted(bool),
    /// It stands in line.
    Queued,
    /// It would wait for ever: it and a waiting conversion wait for each
    /// other, or nothing admits it. The hold is as it was.
    Deadlock,
}

/// Converts after all, or stands ahead of its lane, behind the conversions
/// that wait there.
pub(crate) fn enqueue_conversion<E: Env>(
    env: &mut E,
    id: E::Id,
    request: Request,
    note: &impl Note,
) -> ConversionEntry {
    let lane = GeometryOf::<E>::lane(request);
    loop {
        if let Some(due) = try_convert::<E::Shape>(env.rules(), env.word(), request, note) {
            return ConversionEntry::Converted(due);
        }
        // Ordering: Relaxed, the exchange decides.
        let now = env.word().load(Ordering::Relaxed);
        if !is_stopped::<E::Shape>(now)
            && GeometryOf::<E>::judge(env.rules(), now, request).is_some()
        {
            continue;
        }
        if !Fault::ConvertUnchecked.on() && would_wait_forever(env, request) {
            return ConversionEntry::Deadlock;
        }
        // Against the value that was judged, as in `enqueue`.
        // Ordering: Relaxed, the bit carries no data (O4).
        let (set, relaxed) = (now | bit_of::<E>(lane), Ordering::Relaxed);
        if env.word().compare_exchange_weak(now, set, relaxed, relaxed).is_ok() {
            break;
        }
    }
    let mut ahead = None;
    let mut at = next_conversion(env, None);
    while let Some((other_lane, other)) = at {
        if other_lane == lane {
            ahead = Some(other);
        }
        at = next_conversion(env, at);
    }
    env.insert(lane, ahead, id);
    ConversionEntry::Queued
}

/// The waiting conversion behind this one, or the first: lane by lane, at the
/// head of each.
fn next_conversion<E: Env>(env: &E, after: Option<(u32, E::Id)>) -> Option<(u32, E::Id)> {
    let converts = |id| GeometryOf::<E>::from(env.request(id)).is_some();
    let mut lane = 0;
    if let Some((this, id)) = after {
        if env.ends(this).is_some_and(|(_, last)| last != id) && converts(env.next(id)) {
            return Some((this, env.next(id)));
        }
        lane = this + 1;
    }
    while lane < GeometryOf::<E>::LANES {
        match env.ends(lane) {
            Some((first, _)) if converts(first) => return Some((lane, first)),
            _ => lane += 1,
        }
    }
    None
}

/// Whether the conversion could never be served, even when all holders that
/// don't wait for a conversion themselves have left (E3).
///
/// Whoever can be served beside the holds that the others keep will be, and
/// will leave in the end: it is taken out of the account, until the new one
/// can be served, or nobody can. Those who waited before could all be served
/// without the new one; so once it is out, all of them can.
fn would_wait_forever<E: Env>(env: &mut E, request: Request) -> bool {
    let kept = |request: Request| {
        let from = GeometryOf::<E>::from(request).unwrap_or(0);
        GeometryOf::<E>::units(from, GeometryOf::<E>::weight(request.weight))
    };
    let mut account = kept(request);
    let mut at = next_conversion(env, None);
    while let Some((_, id)) = at {
        env.mark(id, false);
        account = GeometryOf::<E>::more(account, kept(env.request(id)));
        at = next_conversion(env, at);
    }
    loop {
        if GeometryOf::<E>::judge(env.rules(), account, request).is_some() {
            return false;
        }
        let mut progress = false;
        let mut at = next_conversion(env, None);
        while let Some((_, id)) = at {
            let other = env.request(id);
            if !env.is_marked(id) && GeometryOf::<E>::judge(env.rules(), account, other).is_some() {
                env.mark(id, true);
                account = GeometryOf::<E>::less(account, kept(other));
                progress = true;
            }
            at = next_conversion(env, at);
        }
        if !progress {
            return true;
        }
    }
}
