//! The inner lock of a lock in shared memory, which its owner's death does not
//! keep closed.
//!
//! A futex that names its owner. Who waits for it too long looks whether the
//! owner is alive; a dead one's is taken over, and whatever the dead had begun
//! under it is begun anew: taking over always means a full [repair].
//!
//! It is held for a few dozen instructions in which no code of the user runs
//! but the rule.
//!
//! [repair]: super::repair

use core::hint;
use core::time::Duration;

use super::attach::Attachment;
use super::fault::{Point, point};
use super::format::lock;
use super::period::Period;
use super::{sys, world};
use crate::atomic::{AtomicU32, Ordering};

/// Somebody sleeps for it.
const SLEEPERS: u32 = 1 << 31;

/// How often a taken guard is looked at before sleeping.
const LOOKS: u32 = 100;

/// How long the first sleep lasts before its owner is looked at.
const FIRST_SLEEP: Duration = Duration::from_millis(2);
const LONGEST_SLEEP: Duration = Duration::from_millis(50);

/// Takes the guard of the lock at `object`. `true`: from a dead one.
pub(super) fn take(attachment: &Attachment, object: u64) -> bool {
    let guard = attachment.map().u32(object + lock::GUARD);
    let who = attachment.who();
    // Ordering: Acquire, pairs with the Release of `give`.
    if guard.compare_exchange(0, who, Ordering::Acquire, Ordering::Relaxed).is_ok() {
        point(Point::GuardTaken);
        return false;
    }
    take_slow(attachment, guard, who)
}

/// Takes it unless somebody has it.
pub(super) fn try_take(attachment: &Attachment, object: u64) -> bool {
    let guard = attachment.map().u32(object + lock::GUARD);
    // Ordering: as in `take`.
    guard.compare_exchange(0, attachment.who(), Ordering::Acquire, Ordering::Relaxed).is_ok()
}

#[cold]
fn take_slow(attachment: &Attachment, guard: &AtomicU32, who: u32) -> bool {
    for _ in 0..world::looks(LOOKS) {
        // Ordering: Relaxed, the exchange decides.
        if guard.load(Ordering::Relaxed) == 0
            && guard.compare_exchange(0, who, Ordering::Acquire, Ordering::Relaxed).is_ok()
        {
            return false;
        }
        hint::spin_loop();
    }
    let (mut sleep, mut asked) = (FIRST_SLEEP, Period::New);
    loop {
        // Ordering: Relaxed, as above.
        let now = guard.load(Ordering::Relaxed);
        if now == 0 {
            // Others may sleep as well: whoever slept keeps the mark.
            let mine = who | SLEEPERS;
            if guard.compare_exchange(0, mine, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                return false;
            }
            continue;
        }
        if now & SLEEPERS == 0
            && guard
                .compare_exchange(now, now | SLEEPERS, Ordering::Relaxed, Ordering::Relaxed)
                .is_err()
        {
            continue;
        }
        let seen = now | SLEEPERS;
        point(Point::GuardSleep);
        if let Some(left) = asked.left(sleep) {
            if sys::futex_wait(guard, seen, left) {
                asked.end();
            }
            continue;
        }
        sleep = (sleep * 2).min(LONGEST_SLEEP);
        let owner = seen & !SLEEPERS;
        // Ordering: Acquire: the dead one's stores come before its death, and
        // its death before this.
        if !attachment.is_alive(owner)
            && guard
                .compare_exchange(seen, who | SLEEPERS, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        {
            point(Point::GuardTakenOver);
            return true;
        }
    }
}

/// Gives it back.
pub(super) fn give(attachment: &Attachment, object: u64) {
    let guard = attachment.map().u32(object + lock::GUARD);
    point(Point::GuardGive);
    // Ordering: Release, pairs with the Acquire of whoever takes it next.
    if guard.swap(0, Ordering::Release) & SLEEPERS != 0 {
        point(Point::GuardWake);
        sys::futex_wake(guard, 1);
    }
}

/// Takes it unless somebody alive has it, without waiting. `true`: from a dead
/// one.
pub(super) fn try_take_over(attachment: &Attachment, object: u64) -> Option<bool> {
    if try_take(attachment, object) {
        point(Point::GuardTaken);
        return Some(false);
    }
    let guard = attachment.map().u32(object + lock::GUARD);
    // Ordering: Relaxed, the exchange decides.
    let seen = guard.load(Ordering::Relaxed);
    let owner = seen & !SLEEPERS;
    if owner == 0 || attachment.is_alive(owner) {
        return None;
    }
    // Whoever sleeps is still to be woken.
    let mine = attachment.who() | seen & SLEEPERS;
    // Ordering: Acquire: the dead one's stores come before its death, and its
    // death before this.
    guard.compare_exchange(seen, mine, Ordering::Acquire, Ordering::Relaxed).ok()?;
    point(Point::GuardTakenOver);
    Some(true)
}
