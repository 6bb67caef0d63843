//! Grant: the engine's transition that lets out who leaves and in whoever may
//! enter then.
//!
//! Its place among the others, its orderings (O1 to O4) and what it keeps (E1
//! to E3) stand in [`engine`](super::engine).

#![allow(unsafe_code)]

use core::mem::{self, MaybeUninit};

use super::engine::{Env, GeometryOf, RulesOf, WordOf, bit_of};
use super::mode::Rules;
use super::word::Shape;
use crate::atomic::{AtomicWord, Fault, Ordering, Word};
use crate::wait::batch::{BATCH, Batch, Single, Wake};
use crate::wait::node::{NO_MODE, Request};

/// Those whom a grant is about to let in.
struct Plan<I> {
    places: [MaybeUninit<(u32, I)>; BATCH],
    len: usize,
}

impl<I: Copy> Plan<I> {
    #[inline(always)]
    fn new() -> Self {
        Self { places: [const { MaybeUninit::uninit() }; BATCH], len: 0 }
    }

    #[inline(always)]
    fn push(&mut self, lane: u32, id: I) {
        if let Some(place) = self.places.get_mut(self.len) {
            place.write((lane, id));
            self.len += 1;
        }
    }

    #[inline(always)]
    fn iter(&self) -> impl Iterator<Item = (u32, I)> + '_ {
        // SAFETY: the first `len` places were written by `push`.
        self.places.iter().take(self.len).map(|place| unsafe { place.assume_init() })
    }
}

/// Where a grant puts the wake-ups that are due after the inner lock. Dropped,
/// also by a panic, it wakes.
pub(crate) trait Due<W> {
    /// Adds one.
    fn push(&mut self, wake: W);
}

impl<W: Wake> Due<W> for Batch<W> {
    #[inline(always)]
    fn push(&mut self, wake: W) {
        Self::push(self, wake);
    }
}

impl<W: Wake> Due<W> for Single<W> {
    #[inline(always)]
    fn push(&mut self, wake: W) {
        Self::set(self, wake);
    }
}

/// A judgement at work. Dropped by a panic in the predicate, it lets the leaver
/// leave, takes the judged waiter out of the line and evicts it.
struct Judging<'a, E: Env, D: Due<E::Wake>> {
    env: &'a mut E,
    due: &'a mut D,
    leave: WordOf<E>,
    clear: WordOf<E>,
    lane: u32,
    id: E::Id,
}

impl<E: Env, D: Due<E::Wake>> Drop for Judging<'_, E, D> {
    #[cold]
    fn drop(&mut self) {
        let (lane, id) = (self.lane, self.id);
        self.env.unlink(lane, id);
        let clear = self.clear | close_lane(self.env, lane);
        // Ordering: Relaxed, the exchange decides.
        let mut now = self.env.word().load(Ordering::Relaxed);
        // Ordering: Release, the leaver leaves (O1); Relaxed on failure.
        while let Err(other) = self.env.word().compare_exchange_weak(
            now,
            (now - self.leave) & !clear,
            Ordering::Release,
            Ordering::Relaxed,
        ) {
            now = other;
        }
        if let Some(wake) = self.env.evicted(id) {
            self.due.push(wake);
        }
    }
}

/// What a grant does to the word besides letting in, and whom it wakes.
struct Granting<'a, E: Env, D: Due<E::Wake>> {
    env: &'a mut E,
    due: &'a mut D,
    leave: WordOf<E>,
    clear: WordOf<E>,
}

impl<E: Env, D: Due<E::Wake>> Granting<'_, E, D> {
    /// Judges a waiter. Should the predicate panic, it is evicted.
    #[inline(always)]
    fn judge(
        &mut self,
        word: WordOf<E>,
        lane: u32,
        id: E::Id,
        request: Request,
    ) -> Option<WordOf<E>> {
        let (env, due) = (&mut *self.env, &mut *self.due);
        let judging = Judging { env, due, leave: self.leave, clear: self.clear, lane, id };
        let fits = GeometryOf::<E>::judge(judging.env.rules(), word, request);
        mem::forget(judging);
        fits
    }

    /// Puts `after` where `now` was judged. The value that is there instead,
    /// otherwise.
    #[inline(always)]
    fn update(&self, now: WordOf<E>, after: WordOf<E>) -> Result<(), WordOf<E>> {
        if after == now {
            return Ok(());
        }
        // Nobody else can change the word: nobody is inside but who leaves in
        // this step, and newcomers of all lanes are kept out.
        let sole = (GeometryOf::<E>::counts(now) == self.leave || Fault::StoreWithoutSole.on())
            && (now & bit_of::<E>(0) != WordOf::<E>::ZERO || Fault::StoreWithoutBit.on());
        if sole && <E::Shape as Shape>::EXTRA == 0 {
            // Ordering: Release (O1).
            let release = Fault::StoreRelaxed.or(Ordering::Release, Ordering::Relaxed);
            self.env.word().store(after, release);
            return Ok(());
        }
        // Ordering: Release as above; Acquire because the value may have gone
        // and come back since it was loaded (O2).
        let (done, changed) = (Ordering::AcqRel, Ordering::Acquire);
        self.env.word().compare_exchange_weak(now, after, done, changed).map(|_| ())
    }
}

/// After somebody left a lane from its front: the bit to clear if the lane is
/// empty now; else the new first is told.
#[inline]
pub(super) fn close_lane<E: Env>(env: &mut E, lane: u32) -> WordOf<E> {
    if env.ends(lane).is_none() {
        return GeometryOf::<E>::bit(lane);
    }
    env.tell_first(lane);
    WordOf::<E>::ZERO
}

/// Whether a line that could begin with a conversion has the quicker way besides the
/// general one. On small chips the half of a kilobyte that it takes counts more.
const QUICK: bool = cfg!(target_pointer_width = "64");

/// Lets out what leaves and in whoever may enter now, in order, by one update
/// of the word. `leave` are units that leave in it, `clear` bits of lanes that
/// became empty before it. `true`: there may be more than one batch.
///
/// It is large, and many ask for it: one copy serves all of them.
#[inline(never)]
pub(crate) fn grant<E: Env>(
    env: &mut E,
    leave: WordOf<E>,
    clear: WordOf<E>,
    batch: &mut Batch<E::Wake>,
) -> bool {
    if GeometryOf::<E>::ONE {
        grant_next(env, leave, clear, batch);
        return false;
    }
    if (QUICK || !<RulesOf<E> as Rules>::CONVERTS)
        && let Some(more) = grant_line(env, leave, clear, batch)
    {
        return more;
    }
    let mut at = Granting { env, due: batch, leave, clear };
    // Ordering: Acquire (O2), pairs with the leavers' Release.
    let acquire = Fault::GrantLoadRelaxed.or(Ordering::Acquire, Ordering::Relaxed);
    let mut now = at.env.word().load(acquire);
    loop {
        let mut plan = Plan::new();
        let mut after = (now - leave) & !clear;
        // The best lane in which a conversion goes on waiting.
        let mut barred = GeometryOf::<E>::LANES;
        let mut converted = false;
        let mut more = false;
        'all: {
            // Conversions first, whatever their lanes: they are inside, and who
            // waits for them to go must not keep them. One that can't be served
            // does not hold up another.
            for lane in 0..GeometryOf::<E>::LANES {
                if !<RulesOf<E> as Rules>::CONVERTS
                    || after & bit_of::<E>(lane) == WordOf::<E>::ZERO
                {
                    continue;
                }
                let Some((first, last)) = at.env.ends(lane) else { continue };
                let mut id = first;
                let mut all = true;
                loop {
                    let request = at.env.request(id);
                    if GeometryOf::<E>::from(request).is_none() {
                        break;
                    }
                    if plan.len == BATCH {
                        more = true;
                        break 'all;
                    }
                    match at.judge(after, lane, id, request) {
                        Some(next) => {
                            after = next;
                            converted = true;
                            plan.push(lane, id);
                        }
                        None => {
                            all = false;
                            barred = barred.min(lane);
                        }
                    }
                    if id == last {
                        if all {
                            after = after & !bit_of::<E>(lane);
                        }
                        break;
                    }
                    id = at.env.next(id);
                }
            }
            // One that was let in may have made room for one that stood before
            // it: they all come before anybody else.
            if converted && barred < GeometryOf::<E>::LANES {
                more = true;
                break 'all;
            }
            // Then lane by lane, up to the first who does not fit. A waiting
            // conversion stands ahead of its lane.
            for lane in 0..barred {
                if after & bit_of::<E>(lane) == WordOf::<E>::ZERO {
                    continue;
                }
                let Some((first, last)) = at.env.ends(lane) else {
                    debug_assert!(GeometryOf::<E>::FOREIGN, "E1");
                    continue;
                };
                let mut id = first;
                loop {
                    let request = at.env.request(id);
                    // A conversion here is in the plan already.
                    if GeometryOf::<E>::from(request).is_none() {
                        if plan.len == BATCH {
                            more = true;
                            break 'all;
                        }
                        let Some(next) = at.judge(after, lane, id, request) else { break 'all };
                        after = next;
                        plan.push(lane, id);
                    }
                    if id == last {
                        after = after & !bit_of::<E>(lane);
                        break;
                    }
                    id = at.env.next(id);
                }
            }
        }

        if !at.env.is_sound() {
            (plan, after, more) = (Plan::new(), now - leave, false);
        }
        for (_, id) in plan.iter() {
            at.env.granting(id);
        }
        if let Err(other) = at.update(now, after) {
            for (_, id) in plan.iter() {
                at.env.withheld(id);
            }
            now = other;
            continue;
        }
        // E2: from here on nothing can fail.
        let mut open = None;
        for (lane, id) in plan.iter() {
            if let Some(before) = open
                && before != lane
            {
                close_lane(at.env, before);
            }
            open = Some(lane);
            if <RulesOf<E> as Rules>::CONVERTS {
                at.env.unlink(lane, id);
            } else {
                at.env.unlink_first(lane);
            }
            if let Some(wake) = at.env.granted(id) {
                at.due.push(wake);
            }
        }
        if let Some(lane) = open {
            close_lane(at.env, lane);
        }
        return more;
    }
}

/// The commonest [`grant`], without a list: one who leaves, and the first in line,
/// who alone fits. `false`: there is more than that to do, and nothing is done.
///
/// For a line of several lanes, or one that begins with a conversion, that is
/// so always; where one may be inside, never.
#[inline(always)]
pub(crate) fn grant_next<E: Env, D: Due<E::Wake>>(
    env: &mut E,
    leave: WordOf<E>,
    clear: WordOf<E>,
    due: &mut D,
) -> bool {
    if GeometryOf::<E>::LANES != 1 {
        return false;
    }
    let mut at = Granting { env, due, leave, clear };
    // Ordering: Acquire (O2), pairs with the leavers' Release.
    let acquire = Fault::GrantLoadRelaxed.or(Ordering::Acquire, Ordering::Relaxed);
    let mut now = at.env.word().load(acquire);
    loop {
        let left = (now - leave) & !clear;
        let mut after = left;
        let mut enters = None;
        if left & bit_of::<E>(0) != WordOf::<E>::ZERO
            && let Some((first, last)) = at.env.ends(0)
        {
            let request = at.env.request(first);
            // Waiting conversions are a prefix of their lane (E3).
            if GeometryOf::<E>::from(request).is_some() {
                return false;
            }
            if let Some(next) = at.judge(left, 0, first, request) {
                after = next;
                enters = Some((first, last));
                if first == last {
                    after = after & !bit_of::<E>(0);
                } else if !GeometryOf::<E>::ONE {
                    let second = at.env.next(first);
                    if at.judge(after, 0, second, at.env.request(second)).is_some() {
                        return false;
                    }
                }
            }
        }
        if !at.env.is_sound() {
            (enters, after) = (None, now - leave);
        }
        if let Some((first, _)) = enters {
            at.env.granting(first);
        }
        if let Err(other) = at.update(now, after) {
            if let Some((first, _)) = enters {
                at.env.withheld(first);
            }
            now = other;
            continue;
        }
        // E2: from here on nothing can fail.
        if let Some((id, last)) = enters {
            let first = at.env.take_first(0, id, last);
            if let Some(wake) = at.env.granted(id) {
                at.due.push(wake);
            }
            if let Some(first) = first {
                at.env.tell(0, first);
            }
        }
        return true;
    }
}

/// The [`grant`] of several from the front of the only lane, without a list: as
/// far as the rule admits, and as the batch has room. `None`: nothing is done.
/// The line has several lanes, or begins with a conversion; or it is in memory that
/// others write to, and may not look the same when it is walked again.
#[inline(always)]
fn grant_line<E: Env>(
    env: &mut E,
    leave: WordOf<E>,
    clear: WordOf<E>,
    batch: &mut Batch<E::Wake>,
) -> Option<bool> {
    if GeometryOf::<E>::LANES != 1 || GeometryOf::<E>::FOREIGN {
        return None;
    }
    let room = batch.room();
    let mut at = Granting { env, due: batch, leave, clear };
    // Ordering: Acquire (O2), pairs with the leavers' Release.
    let acquire = Fault::GrantLoadRelaxed.or(Ordering::Acquire, Ordering::Relaxed);
    let mut now = at.env.word().load(acquire);
    loop {
        let mut after = (now - leave) & !clear;
        let ends = if after & bit_of::<E>(0) == WordOf::<E>::ZERO { None } else { at.env.ends(0) };
        let mut count = 0;
        let mut more = false;
        if let Some((first, last)) = ends {
            let mut id = first;
            // Waiting conversions are a prefix of their lane (E3).
            if GeometryOf::<E>::from(at.env.request(first)).is_some() {
                return None;
            }
            loop {
                if count == room {
                    more = true;
                    break;
                }
                let request = Request { from: NO_MODE, ..at.env.request(id) };
                let Some(next) = at.judge(after, 0, id, request) else { break };
                after = next;
                count += 1;
                at.env.granting(id);
                if id == last {
                    after = after & !bit_of::<E>(0);
                    break;
                }
                id = at.env.next(id);
            }
        }
        if let Err(other) = at.update(now, after) {
            let mut id = ends.map(|(first, _)| first);
            for _ in 0..count {
                if let Some(granted) = id {
                    at.env.withheld(granted);
                    id = Some(at.env.next(granted));
                }
            }
            now = other;
            continue;
        }
        // E2: from here on nothing can fail.
        if let Some((first, last)) = ends
            && count != 0
        {
            let mut next = Some(first);
            while count != 0
                && let Some(id) = next
            {
                count -= 1;
                next = at.env.take_first(0, id, last);
                if let Some(wake) = at.env.granted(id) {
                    at.due.push(wake);
                }
            }
            if let Some(first) = next {
                at.env.tell(0, first);
            }
        }
        return Some(more);
    }
}
