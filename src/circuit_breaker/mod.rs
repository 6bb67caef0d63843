//! Stop calling what fails, and try again later.
//!
//! See [`CircuitBreaker`]; what it is told when it is made is in
//! [`CircuitSettings`].

mod call;
mod error;
mod settings;
mod word;

pub use call::{Counting, Protected};
pub use error::CircuitError;
pub use settings::{
    CircuitSettings, CircuitSettingsError, DEFAULT_MAX_FAILS, DEFAULT_MAX_HALF_OPEN_CALLS,
    DEFAULT_RESET,
};

use core::fmt;
use core::mem;
use core::time::Duration;

use crate::atomic::{AtomicU32, AtomicWide, Fault, Ordering, constructor};
use crate::clock::Clock;
use crate::name::{Label, Name};
use word::{Era, Phase, State};

/// Stops calling what fails: after some failures in a row calls are refused at
/// once, until after a while a few tries show whether it works again.
///
/// ```
/// use core::time::Duration;
/// use portunus::CircuitBreaker;
/// use portunus::circuit_breaker::{CircuitError, CircuitSettings, CircuitState};
/// use portunus::clock::ManualClock;
///
/// let clock = ManualClock::new();
/// let settings = CircuitSettings::new(2, Duration::from_secs(10), 1)?.named("database");
/// let breaker = CircuitBreaker::with_settings(settings, &clock);
///
/// let query = || Err::<(), _>("no answer");
/// assert_eq!(breaker.call(query), Err(CircuitError::Inner("no answer")));
/// assert_eq!(breaker.call(query), Err(CircuitError::Inner("no answer")));
/// assert_eq!(breaker.state(), CircuitState::Open);
/// assert!(breaker.call(query).unwrap_err().is_refusal());
///
/// clock.advance(Duration::from_secs(11));
/// assert_eq!(breaker.call(|| Ok::<_, &str>("rows")), Ok("rows"));
/// assert_eq!(breaker.state(), CircuitState::Closed);
/// # Ok::<(), portunus::circuit_breaker::CircuitSettingsError>(())
/// ```
///
/// # States
///
/// * **Closed**: calls are made. `max_fails` failures in a row open the circuit;
///   a success starts the count anew.
/// * **Open**: calls are refused with [`CircuitError::Open`]. The first call
///   after more than `reset` becomes the first try.
/// * **Half-open**: at most `max_half_open_calls` tries are made; others are
///   refused with [`CircuitError::HalfOpen`]. The first success closes the
///   circuit. When all tries have failed it opens again, with a new time.
///
/// An outcome counts in the state that let its call in: what began before the
/// state changed is ignored when it ends.
///
/// # Calls
///
/// [`call`](Self::call) wraps a closure and [`call_async`](Self::call_async) a
/// future; [`wrap`](Self::wrap) and [`around`](Self::around) give a function;
/// [`try_enter`](Self::try_enter) gives a permit for everything else.
/// [`counting`](Self::counting) says which errors count as failures. One breaker
/// may serve several functions: they share its counts.
///
/// # Cancellation and panics
///
/// A call that is cancelled (its future dropped), that panics, or whose error
/// does not count, counts for nothing: a try is given back. A future that has
/// not been polled has not been let in. A permit that is leaked keeps its try;
/// put a time limit around calls that may never end.
///
/// # Blocking
///
/// Nothing here waits, and no lock is held while a call, the clock, the filter
/// or the observer runs: the whole state is one atomic word, and interrupt
/// handlers may use a breaker as well.
#[doc(alias = "CircuitBreaker.__call__")]
#[doc(alias = "CircuitBreaker.__init__")]
#[doc(alias = "Recloser")]
#[doc(alias = "StateMachine")]
pub struct CircuitBreaker<C, O = ()> {
    word: AtomicWide,
    until: OpenUntil,
    settings: CircuitSettings,
    label: Label,
    clock: C,
    observer: O,
}

/// The state of a circuit, as numbers 0, 1, 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CircuitState {
    /// Calls are made.
    #[doc(alias = "CLOSED")]
    Closed = 0,
    /// Some calls are made, as tries.
    #[doc(alias = "HALF_OPEN")]
    HalfOpen = 1,
    /// Calls are refused.
    #[doc(alias = "OPEN")]
    Open = 2,
}

/// A circuit went from one state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CircuitChange {
    /// The name of the breaker.
    pub name: Name,
    /// The state before.
    pub from: CircuitState,
    /// The state after.
    pub to: CircuitState,
}

/// Hears of state changes.
///
/// It is called by whoever caused the change, after it, and with nothing
/// locked: it may use the breaker. Changes made by several threads may be told
/// in another order than they were made. Any `Fn(CircuitChange)` is one, and
/// `()` is one that hears nothing.
pub trait CircuitObserver {
    /// Told of each change.
    fn changed(&self, change: CircuitChange);
}

impl CircuitObserver for () {
    #[inline]
    fn changed(&self, _: CircuitChange) {}
}

impl<F: Fn(CircuitChange)> CircuitObserver for F {
    #[inline]
    fn changed(&self, change: CircuitChange) {
        self(change);
    }
}

/// Until when an open circuit refuses, in parts that every chip can write at
/// once.
///
/// It is written by whoever made the word `Opening`, and nobody else, before
/// that becomes `Open`. A reader takes the word, then the parts, then the word
/// again: if it is the same `Open` of the same generation, no part is of another
/// time. For that, a part is written with Release and read with Acquire: who
/// sees a part that was written later sees `Opening`, or what came after it,
/// when it looks at the word again.
struct OpenUntil {
    seconds: [AtomicU32; 2],
    nanos: AtomicU32,
}

impl OpenUntil {
    constructor! {
        fn new() -> Self {
            Self { seconds: [AtomicU32::new(0), AtomicU32::new(0)], nanos: AtomicU32::new(0) }
        }
    }

    fn write(&self, time: Duration) {
        let release = Fault::BreakerTimeRelaxed.or(Ordering::Release, Ordering::Relaxed);
        let seconds = time.as_secs();
        self.seconds[0].store(seconds as u32, release);
        self.seconds[1].store((seconds >> 32) as u32, release);
        self.nanos.store(time.subsec_nanos(), release);
    }

    fn read(&self) -> Duration {
        let [low, high] = self.seconds.each_ref().map(|part| part.load(Ordering::Acquire));
        let nanos = self.nanos.load(Ordering::Acquire);
        Duration::new(u64::from(high) << 32 | u64::from(low), nanos)
    }
}

impl<C> CircuitBreaker<C> {
    constructor! {
        /// Closed, with the [default settings](CircuitSettings::DEFAULT).
        #[must_use]
        pub fn new(clock: C) -> Self {
            Self::with_settings(CircuitSettings::DEFAULT, clock)
        }
    }

    constructor! {
        /// Closed, with settings of your own.
        #[must_use]
        pub fn with_settings(settings: CircuitSettings, clock: C) -> Self {
            Self::with_observer(settings, clock, ())
        }
    }

    /// A function with a breaker of its own, which is named after the function
    /// unless the settings have a name.
    ///
    /// ```
    /// use portunus::circuit_breaker::{CircuitBreaker, CircuitSettings};
    /// use portunus::clock::StdClock;
    ///
    /// fn fetch(page: u32) -> Result<u32, String> {
    ///     Ok(page + 1)
    /// }
    /// let fetch = CircuitBreaker::around(CircuitSettings::DEFAULT, StdClock, fetch);
    /// assert_eq!(fetch.call(1), Ok(2));
    /// assert!(fetch.breaker().name().to_string().ends_with("::fetch"));
    /// ```
    pub fn around<F>(settings: CircuitSettings, clock: C, function: F) -> Protected<F, Self> {
        let settings = match settings.name {
            Some(_) => settings,
            None => settings.named_after(&function),
        };
        Protected::new(function, Self::with_settings(settings, clock))
    }
}

impl<C, O> CircuitBreaker<C, O> {
    constructor! {
        /// Closed, and tells `observer` of every change of its state.
        ///
        /// ```
        /// use portunus::circuit_breaker::{CircuitBreaker, CircuitChange, CircuitSettings};
        /// use portunus::clock::ManualClock;
        ///
        /// static CLOCK: ManualClock = ManualClock::new();
        /// static BREAKER: CircuitBreaker<&ManualClock, fn(CircuitChange)> =
        ///     CircuitBreaker::with_observer(CircuitSettings::DEFAULT, &CLOCK, |change| {
        ///         println!("{} went from {:?} to {:?}", change.name, change.from, change.to);
        ///     });
        /// # assert_eq!(BREAKER.call(|| Ok::<_, ()>(1)), Ok(1));
        /// ```
        #[must_use]
        pub fn with_observer(settings: CircuitSettings, clock: C, observer: O) -> Self {
            Self {
                word: AtomicWide::new(State::CLOSED.0),
                until: OpenUntil::new(),
                settings,
                label: Label::new(settings.name),
                clock,
                observer,
            }
        }
    }

    /// The state now. An open circuit stays open until somebody calls.
    #[must_use]
    pub fn state(&self) -> CircuitState {
        shown(self.load().phase())
    }

    /// Failures in a row while closed, failed tries while half-open, else 0.
    #[must_use]
    pub fn fails(&self) -> u32 {
        let state = self.load();
        match state.phase() {
            Phase::Closed => state.fails(),
            Phase::HalfOpen => state.failed(),
            Phase::Open | Phase::Opening => 0,
        }
    }

    /// The name that errors show: the given one, or a number.
    #[must_use]
    pub fn name(&self) -> Name {
        self.label.name()
    }

    /// What it was told when it was made.
    #[must_use]
    pub fn settings(&self) -> &CircuitSettings {
        &self.settings
    }

    fn load(&self) -> State {
        // Acquire: partner of the Release in `open`. Who sees `Open` sees its
        // time; who goes on to write another time writes it after that one.
        State(self.word.load(Ordering::Acquire))
    }

    /// `true` if `from` became `to`.
    fn change(&self, from: State, to: State) -> bool {
        // Acquire: as in `load`, for whoever makes it `Opening`. No change but
        // the one in `open` publishes anything, and being read-modify-write,
        // none of them breaks the sequence that one begins.
        self.word.compare_exchange(from.0, to.0, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }
}

fn shown(phase: Phase) -> CircuitState {
    match phase {
        Phase::Closed => CircuitState::Closed,
        Phase::HalfOpen => CircuitState::HalfOpen,
        Phase::Open | Phase::Opening => CircuitState::Open,
    }
}

impl<C: Clock, O: CircuitObserver> CircuitBreaker<C, O> {
    /// Lets a call in, if the circuit does; its outcome is told to the permit.
    ///
    /// ```
    /// use portunus::CircuitBreaker;
    /// use portunus::clock::StdClock;
    ///
    /// let breaker = CircuitBreaker::new(StdClock);
    /// let permit = breaker.try_enter()?;
    /// match "17".parse::<u32>() {
    ///     Ok(_) => permit.success(),
    ///     Err(_) => permit.failure(),
    /// }
    /// # Ok::<(), portunus::circuit_breaker::CircuitError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`CircuitError::Open`] or [`CircuitError::HalfOpen`].
    #[doc(alias = "is_call_permitted")]
    #[inline]
    pub fn try_enter(&self) -> Result<CircuitPermit<'_, C, O>, CircuitError> {
        let state = self.load();
        if state.phase() == Phase::Closed {
            return Ok(self.permit(state.era()));
        }
        match self.enter_slow(state) {
            Entry::Admitted(era) => Ok(self.permit(era)),
            Entry::Open(rest) => {
                // More has to pass.
                let retry_after = rest.saturating_add(Duration::from_nanos(1));
                Err(CircuitError::Open { name: self.name(), retry_after })
            }
            Entry::HalfOpen => {
                let tries = self.settings.max_half_open_calls;
                Err(CircuitError::HalfOpen { name: self.name(), tries })
            }
        }
    }

    #[inline]
    fn permit(&self, era: Era) -> CircuitPermit<'_, C, O> {
        CircuitPermit { breaker: self, era }
    }

    #[cold]
    fn enter_slow(&self, mut state: State) -> Entry {
        loop {
            match state.phase() {
                Phase::Closed => return Entry::Admitted(state.era()),
                Phase::HalfOpen => {
                    if state.taken() >= self.settings.max_half_open_calls {
                        return Entry::HalfOpen;
                    }
                    let next = state.half_open(state.taken() + 1, state.failed());
                    if Fault::BreakerTryInTwoSteps.on() {
                        self.word.store(next.0, Ordering::Relaxed);
                        return Entry::Admitted(next.era());
                    }
                    if self.change(state, next) {
                        return Entry::Admitted(next.era());
                    }
                }
                // It has opened just now.
                Phase::Opening => return Entry::Open(self.settings.reset),
                Phase::Open => {
                    let until = self.until.read();
                    let now = self.clock.now();
                    if now > until {
                        let next = state.half_open(1, 0);
                        // If it is still the same, so was the time.
                        if self.change(state, next) {
                            // Should the observer panic, the try is given back.
                            let permit = self.permit(next.era());
                            self.tell(CircuitState::Open, CircuitState::HalfOpen);
                            mem::forget(permit);
                            return Entry::Admitted(next.era());
                        }
                    } else if self.load() == state {
                        // Here, too.
                        return Entry::Open(until.saturating_sub(now));
                    }
                }
            }
            state = self.load();
        }
    }

    fn settle(&self, era: Era, outcome: Outcome) {
        let tries = self.settings.max_half_open_calls;
        let mut state = self.load();
        loop {
            if state.era() != era && !Fault::BreakerIgnoresEra.on() {
                return;
            }
            let (next, to) = match (state.phase(), outcome) {
                (Phase::Closed, Outcome::GivenBack) => return,
                (Phase::Closed, Outcome::Success) if state.fails() == 0 => return,
                (Phase::Closed, Outcome::Success) => (state.with_fails(0), None),
                (Phase::Closed, Outcome::Failure) => match state.fails() + 1 {
                    fails if fails < self.settings.max_fails => (state.with_fails(fails), None),
                    _ => (state.opening(), Some(CircuitState::Open)),
                },
                (Phase::HalfOpen, Outcome::GivenBack) => {
                    (state.half_open(state.taken() - 1, state.failed()), None)
                }
                (Phase::HalfOpen, Outcome::Success) => {
                    (state.with_fails(0), Some(CircuitState::Closed))
                }
                (Phase::HalfOpen, Outcome::Failure) => match state.failed() + 1 {
                    failed if failed < tries => (state.half_open(state.taken(), failed), None),
                    _ => (state.opening(), Some(CircuitState::Open)),
                },
                // No permit is of these.
                (Phase::Open | Phase::Opening, _) => return,
            };
            let changed = if to == Some(CircuitState::Open) {
                self.open(state, next)
            } else {
                self.change(state, next)
            };
            if changed {
                if let Some(to) = to {
                    self.tell(shown(state.phase()), to);
                }
                return;
            }
            state = self.load();
        }
    }

    /// `true` if `from` became `opening`, and then open.
    fn open(&self, from: State, opening: State) -> bool {
        // The clock may panic: nothing has changed yet.
        let until = self.clock.now().saturating_add(self.settings.reset);
        if Fault::BreakerOpenBeforeTime.on() {
            let changed = self.change(from, opening.open());
            self.until.write(until);
            return changed;
        }
        if !self.change(from, opening) {
            return false;
        }
        self.until.write(until);
        // Nobody else changes `Opening`. Release: partner of the Acquire in
        // `load`.
        self.word.store(opening.open().0, Ordering::Release);
        true
    }

    fn tell(&self, from: CircuitState, to: CircuitState) {
        self.observer.changed(CircuitChange { name: self.name(), from, to });
    }
}

/// What becomes of who wants to call. It fits into two registers.
enum Entry {
    /// It is let in, by this state.
    Admitted(Era),
    /// The circuit refuses for so long.
    Open(Duration),
    /// All tries are taken.
    HalfOpen,
}

/// What became of a call.
#[derive(Clone, Copy)]
enum Outcome {
    Success,
    Failure,
    GivenBack,
}

impl<C, O> fmt::Debug for CircuitBreaker<C, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("name", &self.name())
            .field("state", &self.state())
            .field("fails", &self.fails())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// A call that was let in. Dropped without an outcome, it counts for nothing: a
/// try is given back.
///
/// ```
/// use portunus::circuit_breaker::{CircuitBreaker, CircuitSettings, CircuitState};
/// use portunus::clock::ManualClock;
///
/// let settings = CircuitSettings::new(1, core::time::Duration::from_secs(10), 1)?;
/// let breaker = CircuitBreaker::with_settings(settings, ManualClock::new());
/// drop(breaker.try_enter().expect("closed"));
/// assert_eq!(breaker.fails(), 0);
/// breaker.try_enter().expect("closed").failure();
/// assert_eq!(breaker.state(), CircuitState::Open);
/// # Ok::<(), portunus::circuit_breaker::CircuitSettingsError>(())
/// ```
#[must_use = "a permit that is dropped counts for nothing"]
pub struct CircuitPermit<'a, C: Clock, O: CircuitObserver = ()> {
    breaker: &'a CircuitBreaker<C, O>,
    era: Era,
}

impl<C: Clock, O: CircuitObserver> CircuitPermit<'_, C, O> {
    /// The call succeeded.
    pub fn success(self) {
        // Should the observer panic, dropping the permit finds another state.
        self.breaker.settle(self.era, Outcome::Success);
        mem::forget(self);
    }

    /// The call failed.
    pub fn failure(self) {
        // Should the clock panic, the permit is dropped without an outcome.
        self.breaker.settle(self.era, Outcome::Failure);
        mem::forget(self);
    }
}

impl<C: Clock, O: CircuitObserver> Drop for CircuitPermit<'_, C, O> {
    fn drop(&mut self) {
        self.breaker.settle(self.era, Outcome::GivenBack);
    }
}

impl<C: Clock, O: CircuitObserver> fmt::Debug for CircuitPermit<'_, C, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitPermit").field("breaker", self.breaker).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(portunus_loom, portunus_shuttle))))]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    /// As an interrupt finds it that comes between the two steps.
    #[test]
    fn a_circuit_that_opens_just_now_is_open() {
        let clock = ManualClock::new();
        let breaker = CircuitBreaker::new(&clock);
        let permit = breaker.try_enter().expect("it is closed");
        let opening = State::CLOSED.opening();
        breaker.word.store(opening.0, Ordering::Relaxed);
        assert_eq!((breaker.state(), breaker.fails()), (CircuitState::Open, 0));
        let retry_after = DEFAULT_RESET + Duration::from_nanos(1);
        let refused = CircuitError::Open { name: breaker.name(), retry_after };
        assert_eq!(breaker.try_enter().map(drop), Err(refused));
        // What ends meanwhile, changes nothing.
        permit.failure();
        assert_eq!(breaker.load(), opening);
    }
}
