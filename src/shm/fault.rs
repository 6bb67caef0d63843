//! Points at which the tests kill or stop a process in the middle of a lock's
//! own code. Outside of this crate's own tests they are nothing.

/// Where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[allow(dead_code, reason = "tests name them by their number")]
pub(super) enum Point {
    BeforeAcquiring = 1,
    AfterAcquiring,
    BeforeHeld,
    AfterHeld,
    BeforeLeaving,
    AfterLeaving,
    BeforeIdle,
    AfterIdle,
    BeforeConverting,
    AfterConverting,
    GuardTaken,
    GuardSleep,
    GuardTakenOver,
    GuardGive,
    GuardWake,
    Ticket,
    Queued,
    HalfLinked,
    Linked,
    Granting,
    Withheld,
    HalfUnlinked,
    Granted,
    BeforeWake,
    BetweenWakes,
    Taken,
    CancelIdle,
    CancelDone,
    Told,
    DirectNoted,
    DirectLeft,
    DirectUnlinked,
    Stopped,
    Relinking,
    Relinked,
    Counted,
    Forgetting,
    Resumed,
    Looked,
    Asking,
    Parting,
    Turn,
    Waiting,
    Due,
    Moving,
    Notified,
    Moved,
    PassedOn,
    GaveUp,
    Changed,
    Ringing,
    Resized,
    Reweighed,
    Refusing,
    Copied,
    Published,
    Removed,
    Removing,
    Named,
    Created,
    Written,
    Cleared,
    SlotTaken,
    SlotNamed,
    Filled,
    Complete,
    NameGiven,
    Outdated,
    Detaching,
    Detached,
}

/// Ways to get the recovery wrong, of which the tests must notice each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Wrong {
    /// What a dead one was about to take, or to give back, is counted as held.
    AmbiguousHeld = 1,
    /// It is counted as not held.
    AmbiguousIdle,
    /// Nobody waits for a living one whose record can't be read.
    LivingNotAwaited,
    /// A guard that is taken over from a dead one is just taken.
    NothingRepaired,
    /// A look at the dead lets nobody in.
    NobodyGranted,
    /// Who dies with a notification does not pass it on.
    NotificationLost,
}

#[cfg(test)]
impl Wrong {
    pub(super) const COUNT: u32 = Self::NotificationLost as u32;
}

#[cfg(not(test))]
#[inline(always)]
pub(super) fn is_wrong(_: Wrong) -> bool {
    false
}

/// Whether this process is to get it wrong: `PORTUNUS_SHM_WRONG` says how.
#[cfg(test)]
pub(super) fn is_wrong(how: Wrong) -> bool {
    static HOW: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    let asked = || std::env::var("PORTUNUS_SHM_WRONG").ok().and_then(|how| how.parse().ok());
    *HOW.get_or_init(|| asked().unwrap_or(0)) == how as u32
}

/// How many there are.
#[cfg(test)]
pub(super) const POINTS: u32 = Point::Detached as u32;

#[cfg(not(test))]
#[inline(always)]
pub(super) fn point(_: Point) {}

#[cfg(test)]
pub(super) use armed::point;

#[cfg(test)]
pub(super) mod armed {
    use super::Point;
    use crate::atomic::{AtomicU32, Ordering};

    /// The point that is armed, and how often it is passed before.
    static POINT: AtomicU32 = AtomicU32::new(0);
    static PASSES: AtomicU32 = AtomicU32::new(0);
    static SIGNAL: AtomicU32 = AtomicU32::new(0);

    /// This process gets the signal when it is at the point for the
    /// `passes`-th time after the next one.
    pub(in crate::shm) fn arm(point: u32, passes: u32, signal: i32) {
        // Ordering: Relaxed, tests arm before they act.
        PASSES.store(passes, Ordering::Relaxed);
        SIGNAL.store(signal as u32, Ordering::Relaxed);
        POINT.store(point, Ordering::Relaxed);
    }

    #[inline]
    pub(in crate::shm) fn point(at: Point) {
        // Ordering: Relaxed, as above.
        if POINT.load(Ordering::Relaxed) == at as u32 && PASSES.fetch_sub(1, Ordering::Relaxed) == 0
        {
            POINT.store(0, Ordering::Relaxed);
            crate::shm::sys::signal_self(SIGNAL.load(Ordering::Relaxed) as i32);
        }
    }
}
