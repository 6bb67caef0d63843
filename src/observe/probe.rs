//! What is known of one lock, and whom it tells.

use core::fmt;
use core::time::Duration;

use super::standard::Standard;
use crate::atomic::{AtomicUsize, Ordering};
use crate::clock::Clock;

/// Counters of one lock, its name, and whom it tells of long waits and holds.
///
/// It is built in a constant, and given to the lock that it observes.
///
/// Without the feature `std` there is no clock of its own: give it
/// [one](Self::clocked), or all times are zero.
///
/// ```
/// use core::time::Duration;
/// use portunus::clock::ManualClock;
/// use portunus::observe::{Probe, Slow, What, sync::FifoLock};
/// use portunus::rules::{Exclusive, Sole};
///
/// static CLOCK: ManualClock = ManualClock::new();
/// static SLOW: portunus::sync::Mutex<Vec<(What, Duration)>> = portunus::sync::Mutex::new(Vec::new());
///
/// fn tell(slow: &Slow<'_>) {
///     SLOW.lock().push((slow.what, slow.time));
/// }
///
/// static PRINTER: FifoLock<Exclusive> = FifoLock::observed(
///     Exclusive,
///     Probe::new()
///         .named("printer")
///         .clocked(&CLOCK)
///         .holds_longer_than(Duration::from_millis(5))
///         .tells(&tell),
/// );
///
/// for held in [4, 5] {
///     let _printing = PRINTER.acquire(Sole::Exclusive);
///     CLOCK.advance(Duration::from_millis(held));
/// }
/// assert_eq!(*SLOW.lock(), [(What::Held, Duration::from_millis(5))]);
/// let report = PRINTER.report();
/// assert_eq!((report.acquisitions, report.total_hold), (2, Duration::from_millis(9)));
/// ```
pub struct Probe {
    name: Option<&'static str>,
    clock: &'static (dyn Clock + Sync),
    waits_longer_than: Duration,
    holds_longer_than: Duration,
    hook: Option<&'static (dyn Fn(&Slow<'_>) + Sync)>,
    acquisitions: AtomicUsize,
    waits: AtomicUsize,
    given_up: AtomicUsize,
    total_wait: AtomicUsize,
    longest_wait: AtomicUsize,
    total_hold: AtomicUsize,
    longest_hold: AtomicUsize,
}

/// Nanoseconds; on narrower chips, where these wrap after seconds,
/// microseconds.
fn to_count(time: Duration) -> usize {
    let count = if usize::BITS >= 64 { time.as_nanos() } else { time.as_micros() };
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn from_count(count: usize) -> Duration {
    let count = count as u64;
    if usize::BITS >= 64 { Duration::from_nanos(count) } else { Duration::from_micros(count) }
}

impl Probe {
    /// Without a name and without a hook, on the clock of the operating system
    /// (with `std`; without, give it one by [`clocked`](Self::clocked)).
    #[must_use]
    pub const fn new() -> Self {
        Self {
            name: None,
            clock: &Standard,
            waits_longer_than: Duration::ZERO,
            holds_longer_than: Duration::MAX,
            hook: None,
            acquisitions: AtomicUsize::new(0),
            waits: AtomicUsize::new(0),
            given_up: AtomicUsize::new(0),
            total_wait: AtomicUsize::new(0),
            longest_wait: AtomicUsize::new(0),
            total_hold: AtomicUsize::new(0),
            longest_hold: AtomicUsize::new(0),
        }
        .waits_longer_than(Duration::MAX)
    }

    /// The lock's name.
    #[must_use]
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// The clock by which it measures.
    ///
    /// Should it panic, the panic goes on, nothing is held that nobody knows
    /// of, and what could not be timed is not counted. Where it ends the program
    /// stands at [the hooks](crate::observe#hooks).
    #[must_use]
    pub const fn clocked(mut self, clock: &'static (dyn Clock + Sync)) -> Self {
        self.clock = clock;
        self
    }

    /// Tells of waits of at least so long, also of those that were given up.
    #[must_use]
    pub const fn waits_longer_than(mut self, time: Duration) -> Self {
        self.waits_longer_than = time;
        self
    }

    /// Tells of holds of at least so long.
    #[must_use]
    pub const fn holds_longer_than(mut self, time: Duration) -> Self {
        self.holds_longer_than = time;
        self
    }

    /// Whom it tells. Without it, long waits and holds are counted only.
    #[must_use]
    pub const fn tells(mut self, hook: &'static (dyn Fn(&Slow<'_>) + Sync)) -> Self {
        self.hook = Some(hook);
        self
    }

    /// The lock's name.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        self.name
    }

    pub(super) fn now(&self) -> Duration {
        self.clock.now()
    }

    // The clock comes first everywhere: should it panic, nothing is counted.

    /// Somebody has entered. When.
    fn entered(&self) -> Duration {
        let now = self.now();
        // Ordering: Relaxed, here and below: numbers by themselves.
        self.acquisitions.fetch_add(1, Ordering::Relaxed);
        now
    }

    /// Somebody has entered who waited since then. When.
    fn waited(&self, since: Duration, mode: &dyn fmt::Debug) -> Duration {
        let now = self.entered();
        self.waits.fetch_add(1, Ordering::Relaxed);
        self.note_wait(now.saturating_sub(since), mode);
        now
    }

    /// Somebody who waited since then has given up, or was refused.
    pub(super) fn gave_up(&self, since: Duration, mode: &dyn fmt::Debug) {
        let time = self.now().saturating_sub(since);
        self.given_up.fetch_add(1, Ordering::Relaxed);
        self.note_wait(time, mode);
    }

    fn note_wait(&self, time: Duration, mode: &dyn fmt::Debug) {
        let count = to_count(time);
        self.total_wait.fetch_add(count, Ordering::Relaxed);
        self.longest_wait.fetch_max(count, Ordering::Relaxed);
        self.tell(What::Waited, self.waits_longer_than, time, mode);
    }

    /// Somebody has let go who held since then.
    pub(super) fn left(&self, since: Duration, mode: &dyn fmt::Debug) {
        let time = self.now().saturating_sub(since);
        let count = to_count(time);
        self.total_hold.fetch_add(count, Ordering::Relaxed);
        self.longest_hold.fetch_max(count, Ordering::Relaxed);
        self.tell(What::Held, self.holds_longer_than, time, mode);
    }

    fn tell(&self, what: What, limit: Duration, time: Duration, mode: &dyn fmt::Debug) {
        if let Some(hook) = self.hook
            && time >= limit
        {
            hook(&Slow { name: self.name, what, mode, time, limit });
        }
    }

    /// Enters, by `now` if that succeeds at once, else by `wait`; lets go by
    /// `undo` should the clock or the hook panic.
    pub(super) fn enter<G>(
        &self,
        mode: &dyn fmt::Debug,
        now: impl FnOnce() -> Option<G>,
        wait: impl FnOnce() -> Option<G>,
        undo: impl FnMut(G),
    ) -> Option<Stamped<G>> {
        if let Some(guard) = now() {
            return Some(self.admitted(guard, undo));
        }
        let start = self.now();
        let Some(guard) = wait() else {
            self.gave_up(start, mode);
            return None;
        };
        Some(self.served(start, mode, guard, undo))
    }

    /// Somebody has entered who did not wait; lets go by `undo` should the clock
    /// panic.
    pub(super) fn admitted<G>(&self, guard: G, undo: impl FnMut(G)) -> Stamped<G> {
        Stamped::since(guard, || self.entered(), undo)
    }

    /// Somebody has entered who waited since then; lets go by `undo` should the
    /// clock or the hook panic.
    pub(super) fn served<G>(
        &self,
        start: Duration,
        mode: &dyn fmt::Debug,
        guard: G,
        undo: impl FnMut(G),
    ) -> Stamped<G> {
        Stamped::since(guard, || self.waited(start, mode), undo)
    }

    /// All that was counted.
    pub(super) fn report(&self, (traded, given_back): (usize, usize)) -> Report {
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        let time = |counter: &AtomicUsize| from_count(count(counter));
        Report {
            name: self.name,
            acquisitions: count(&self.acquisitions),
            waits: count(&self.waits),
            given_up: count(&self.given_up),
            total_wait: time(&self.total_wait),
            longest_wait: time(&self.longest_wait),
            total_hold: time(&self.total_hold),
            longest_hold: time(&self.longest_hold),
            traded,
            given_back,
        }
    }
}

impl Default for Probe {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a guard keeps: its lock's own state, and since when it holds.
#[derive(Clone, Copy, Debug)]
pub struct Stamped<G> {
    pub(super) guard: G,
    pub(super) since: Duration,
}

impl<G> Stamped<G> {
    /// What holds since the time that `now` says; lets go by `undo` should that
    /// panic.
    fn since(guard: G, now: impl FnOnce() -> Duration, undo: impl FnMut(G)) -> Self {
        /// Lets go of what it still has where it is dropped.
        struct Undo<'a, G, F: FnMut(G)>(&'a mut Option<G>, F);
        impl<G, F: FnMut(G)> Drop for Undo<'_, G, F> {
            fn drop(&mut self) {
                if let Some(guard) = self.0.take() {
                    (self.1)(guard);
                }
            }
        }
        let mut kept = Some(guard);
        let undo = Undo(&mut kept, undo);
        let since = now();
        match undo.0.take() {
            Some(guard) => Self { guard, since },
            None => unreachable!("it was put there"),
        }
    }

    /// The state of the same hold in another mode.
    pub(super) fn map(self, to: impl FnOnce(G) -> G) -> Self {
        Self { guard: to(self.guard), since: self.since }
    }

    /// The same, where that may fail.
    pub(super) fn try_map(self, to: impl FnOnce(G) -> Result<G, G>) -> Result<Self, Self> {
        let stamp = |guard| Self { guard, since: self.since };
        to(self.guard).map(stamp).map_err(stamp)
    }
}

/// What a lock's [`Probe`] has counted: a snapshot, each number by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The lock's name.
    pub name: Option<&'static str>,
    /// Requests that were served.
    pub acquisitions: usize,
    /// Those of them that had to wait.
    pub waits: usize,
    /// Waits that ended without success: the time was over, the future was
    /// dropped, or the request was refused.
    pub given_up: usize,
    /// How long was waited, by all together.
    pub total_wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
    /// How long was held, by all together, of holds that have ended.
    pub total_hold: Duration,
    /// The longest hold that has ended.
    pub longest_hold: Duration,
    /// Grants that a future took over from another one of its task
    /// (futurelock).
    pub traded: usize,
    /// Grants that a future gave back because another one of its task could not
    /// enter beside it.
    pub given_back: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} acquisitions, {} after waiting ({:?} in all, {:?} at most), {} given up; \
             held {:?} in all, {:?} at most; {} grants traded, {} given back",
            self.name.unwrap_or("a lock"),
            self.acquisitions,
            self.waits,
            self.total_wait,
            self.longest_wait,
            self.given_up,
            self.total_hold,
            self.longest_hold,
            self.traded,
            self.given_back,
        )
    }
}

/// What was counted at a lock of `lock_api`, which has no methods of this crate.
pub trait Reports {
    /// Its probe.
    fn probe(&self) -> &Probe;

    /// What was counted until now.
    fn report(&self) -> Report;
}

/// What took long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum What {
    /// A request waited.
    Waited,
    /// A lock was held.
    Held,
}

/// Something that took at least as long as its limit: what a hook is told.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Slow<'a> {
    /// The lock's name.
    pub name: Option<&'static str>,
    /// What took long.
    pub what: What,
    /// The mode that was asked for or held, by its name.
    pub mode: &'a dyn fmt::Debug,
    /// How long it took.
    pub time: Duration,
    /// The limit that it reached.
    pub limit: Duration,
}

impl fmt::Debug for Slow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slow")
            .field("name", &self.name)
            .field("what", &self.what)
            .field("mode", &self.mode)
            .field("time", &self.time)
            .field("limit", &self.limit)
            .finish()
    }
}

impl fmt::Display for Slow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.unwrap_or("a lock");
        let what = match self.what {
            What::Waited => "waited for",
            What::Held => "held",
        };
        write!(f, "{name} was {what} as {:?} for {:?}", self.mode, self.time)
    }
}
