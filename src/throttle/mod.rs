//! Enter at a limited rate, which follows how many succeed.
//!
//! See [`DynamicThrottle`]; what it is told is in [`ThrottleOptions`].

#[cfg(feature = "std")]
mod blocking;
mod random;
mod settings;

pub use random::{RandomSource, Xorshift};
pub use settings::{ThrottleError, ThrottleOptions, ThrottleSettings};

use core::error::Error;
use core::fmt;
use core::mem;
use core::time::Duration;

use crate::atomic::{AtomicWide, Ordering, Wide, constructor};
use crate::backend::Backend;
use crate::clock::Clock;
use crate::wait::locked::Locked;

/// Lets callers enter at a limited rate, evenly spaced, and raises or lowers the
/// rate by how many of them succeed.
///
/// Each entrant reserves the next slot and waits for it. What it did counts when
/// it leaves: after a window of exits the rate is multiplied, up when many
/// succeeded, down when few did.
///
/// ```
/// use portunus::clock::StdClock;
/// use portunus::sync::DynamicThrottle;
/// use portunus::throttle::ThrottleOptions;
///
/// let throttle = DynamicThrottle::<StdClock>::new(ThrottleOptions::new(100.0).check()?, StdClock);
/// for page in 0..3 {
///     let fetched = throttle.call(|| Ok::<_, std::io::Error>(page));
///     assert_eq!(fetched.unwrap(), page);
/// }
/// assert_eq!((throttle.successes(), throttle.fails()), (3, 0));
/// # Ok::<(), portunus::throttle::ThrottleError>(())
/// ```
///
/// # Slots
///
/// Slots are handed out first come, first served, each at the distance of
/// `1 / rate` from the one before, longer or shorter by the jitter. The first
/// entrant, and one that comes later than its slot, enters at once. Idle time is
/// no credit: it makes room for one entrant, not for many.
///
/// # Cancellation and panics
///
/// An entrant that gives up gives its slot back if nobody has reserved one
/// behind it. Awaiting: before the first poll nothing is reserved; while
/// sleeping, dropping the future gives the slot back; holding [`Entered`],
/// dropping it without an outcome, in a panic too, counts as a failure.
///
/// # Blocking
///
/// Waiting for a slot takes any sleep future
/// ([`enter_with`](Self::enter_with)), any blocking sleep
/// ([`enter_blocking_with`](Self::enter_blocking_with)) or, with the feature
/// `std`, the thread's ([`enter`](Self::enter)). Apart from that, the inner lock
/// of the backend `B` is held for a few steps of arithmetic, never while the
/// clock, the random source or a sleep runs. With the backend `critical`,
/// interrupt handlers may use it as well. The random source is asked only for a
/// slot that has to be waited for, and not without jitter.
#[doc(alias = "RateLimiter")]
#[doc(alias = "Throttle")]
#[doc(alias = "DynamicThrottle.__init__")]
pub struct DynamicThrottle<C, B: Backend, R = Xorshift> {
    state: Locked<B, State>,
    /// Where the next slot is, [packed](pack), as long as the state stays as it
    /// is; or 0. Who would have to wait too long for it, is refused without the
    /// lock. Written under the lock.
    next: AtomicWide,
    clock: C,
    random: R,
}

#[derive(Clone, Copy)]
struct State {
    /// What it was told; `init_rate` stays as it was.
    options: ThrottleOptions,
    rate: f64,
    /// `1 / rate`, once it was needed.
    distance: Option<Duration>,
    successes: u32,
    fails: u32,
    /// The slot that was reserved last.
    last: Option<Duration>,
    /// Which one that was; goes back when it is given back.
    reserved: u64,
}

/// Rates that differ by no more than this part are the same.
const DEAD_BAND: f64 = 0.01;

impl<C, B: Backend> DynamicThrottle<C, B> {
    constructor! {
        /// A throttle that nobody has entered.
        #[must_use]
        pub fn new(settings: ThrottleSettings, clock: C) -> Self {
            Self::with_random(settings, clock, Xorshift::new())
        }
    }
}

impl<C, B: Backend, R> DynamicThrottle<C, B, R> {
    constructor! {
        /// A throttle that nobody has entered, with a random source of your own.
        #[must_use]
        pub fn with_random(settings: ThrottleSettings, clock: C, random: R) -> Self {
            let ThrottleSettings(options) = settings;
            let state = State {
                options,
                rate: options.init_rate,
                distance: None,
                successes: 0,
                fails: 0,
                last: None,
                reserved: 0,
            };
            Self { state: Locked::new(state), next: AtomicWide::new(0), clock, random }
        }
    }

    /// Changes the state.
    #[inline]
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        self.state.with(|state| {
            // Ordering: Relaxed, here and wherever it is used: nothing but the
            // number counts, and each number was true when it was written.
            self.next.store(0, Ordering::Relaxed);
            change(state)
        })
    }

    /// Entries each second, now.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.state.with(|state| state.rate)
    }

    /// Sets the rate, within its bounds, and gives what it is then.
    ///
    /// A rate that differs from the present one by a hundredth or less changes
    /// nothing. Slots that are reserved stay where they are.
    ///
    /// # Errors
    ///
    /// [`ThrottleError::NotANumber`]; nothing has changed then.
    pub fn set_rate(&self, rate: f64) -> Result<f64, ThrottleError> {
        if rate.is_nan() {
            return Err(ThrottleError::NotANumber("rate"));
        }
        Ok(self.change(|state| {
            state.set_rate(rate);
            state.rate
        }))
    }

    /// Sets the bounds of the rate, and the rate to the nearest in between.
    ///
    /// # Errors
    ///
    /// [`ThrottleError::Rates`], unless 0 < `min` <= `max` < infinity.
    pub fn set_rate_bounds(&self, min: f64, max: f64) -> Result<(), ThrottleError> {
        if !(min > 0.0 && min <= max && max.is_finite()) {
            let init_rate = self.rate();
            return Err(ThrottleError::Rates { init_rate, min_rate: min, max_rate: max });
        }
        self.change(|state| {
            state.options.min_rate = min;
            state.options.max_rate = max;
            state.keep_bounds();
        });
        Ok(())
    }

    /// Sets everything anew but the rate, which moves to the nearest within the
    /// new bounds, and the counts. Slots that are reserved stay where they are.
    ///
    /// ```
    /// use portunus::clock::ManualClock;
    /// use portunus::sync::DynamicThrottle;
    /// use portunus::throttle::ThrottleOptions;
    ///
    /// let options = ThrottleOptions::new(50.0);
    /// let throttle = DynamicThrottle::<_>::new(options.check()?, ManualClock::new());
    /// let slower = ThrottleOptions { max_rate: 20.0, init_rate: 20.0, ..options };
    /// throttle.reconfigure(slower.check()?);
    /// assert_eq!(throttle.rate(), 20.0);
    /// # Ok::<(), portunus::throttle::ThrottleError>(())
    /// ```
    pub fn reconfigure(&self, settings: ThrottleSettings) {
        let ThrottleSettings(options) = settings;
        self.change(|state| {
            state.options = options;
            state.keep_bounds();
        });
    }

    /// The part by which a distance may be longer or shorter, now.
    #[must_use]
    pub fn jitter(&self) -> f64 {
        self.state.with(|state| state.options.jitter)
    }

    /// Sets the jitter to the nearest from 0 to 1, and gives it.
    ///
    /// # Errors
    ///
    /// [`ThrottleError::NotANumber`]; nothing has changed then.
    pub fn set_jitter(&self, jitter: f64) -> Result<f64, ThrottleError> {
        if jitter.is_nan() {
            return Err(ThrottleError::NotANumber("jitter"));
        }
        let jitter = jitter.clamp(0.0, 1.0);
        self.change(|state| state.options.jitter = jitter);
        Ok(jitter)
    }

    /// How many of this window's exits succeeded.
    #[must_use]
    pub fn successes(&self) -> u32 {
        self.state.with(|state| state.successes)
    }

    /// How many of this window's exits failed.
    #[must_use]
    pub fn fails(&self) -> u32 {
        self.state.with(|state| state.fails)
    }

    /// Begins a new window; the rate and the slots stay as they are.
    pub fn reset(&self) {
        self.state.with(|state| {
            state.successes = 0;
            state.fails = 0;
        });
    }

    fn exit(&self, succeeded: bool) {
        self.change(|state| state.exit(succeeded));
    }
}

impl<C: Clock, B: Backend, R> DynamicThrottle<C, B, R> {
    /// What its clock shows.
    #[must_use]
    pub fn ctime(&self) -> Duration {
        self.clock.now()
    }
}

impl<C: Clock, B: Backend, R: RandomSource> DynamicThrottle<C, B, R> {
    /// Reserves the next slot, to wait for it by other means.
    ///
    /// ```
    /// use core::time::Duration;
    /// use portunus::clock::ManualClock;
    /// use portunus::sync::DynamicThrottle;
    /// use portunus::throttle::ThrottleOptions;
    ///
    /// let clock = ManualClock::new();
    /// let settings = ThrottleOptions { jitter: 0.0, ..ThrottleOptions::new(10.0) }.check()?;
    /// let throttle = DynamicThrottle::<_>::new(settings, &clock);
    /// throttle.reserve().enter().success();
    /// // Ten in a second: the next slot is a tenth of one away.
    /// let slot = throttle.reserve();
    /// assert_eq!(slot.wait(), Duration::from_millis(100));
    /// clock.advance(slot.wait());
    /// slot.enter().success();
    /// assert_eq!(throttle.successes(), 2);
    /// # Ok::<(), portunus::throttle::ThrottleError>(())
    /// ```
    pub fn reserve(&self) -> Slot<'_, C, B, R> {
        match self.reserve_within(Duration::MAX) {
            Ok(slot) => slot,
            Err(_) => unreachable!("nothing is longer"),
        }
    }

    /// Reserves the next slot unless it is more than `longest` away.
    ///
    /// # Errors
    ///
    /// [`TooLong`], with how far away it is; nothing is reserved.
    ///
    /// ```
    /// use core::time::Duration;
    /// use portunus::clock::ManualClock;
    /// use portunus::sync::DynamicThrottle;
    /// use portunus::throttle::ThrottleOptions;
    ///
    /// let settings = ThrottleOptions { jitter: 0.0, ..ThrottleOptions::new(10.0) }.check()?;
    /// let throttle = DynamicThrottle::<_>::new(settings, ManualClock::new());
    /// let longest = Duration::from_millis(150);
    /// let (first, second) = (throttle.reserve_within(longest), throttle.reserve_within(longest));
    /// assert!(first.is_ok() && second.is_ok());
    /// assert_eq!(throttle.reserve_within(longest).unwrap_err().wait(), Duration::from_millis(200));
    /// # Ok::<(), portunus::throttle::ThrottleError>(())
    /// ```
    pub fn reserve_within(&self, longest: Duration) -> Result<Slot<'_, C, B, R>, TooLong> {
        let now = self.clock.now();
        let (mut previous, mut number) = (None, 0);
        let wait = self.take(now, longest, |state| {
            previous = state.last;
            number = state.reserved + 1;
        });
        if wait > longest {
            return Err(TooLong { wait, longest });
        }
        Ok(Slot { throttle: self, at: now.saturating_add(wait), previous, number, wait })
    }

    /// Enters if no waiting is needed.
    ///
    /// # Errors
    ///
    /// [`TooLong`], with how long the wait would be.
    ///
    /// ```
    /// use core::time::Duration;
    /// use portunus::clock::ManualClock;
    /// use portunus::sync::DynamicThrottle;
    /// use portunus::throttle::ThrottleOptions;
    ///
    /// let clock = ManualClock::new();
    /// let settings = ThrottleOptions { jitter: 0.0, ..ThrottleOptions::new(10.0) }.check()?;
    /// let throttle = DynamicThrottle::<_>::new(settings, &clock);
    /// throttle.try_enter().expect("the first").success();
    /// let too_long = throttle.try_enter().unwrap_err();
    /// assert_eq!(too_long.wait(), Duration::from_millis(100));
    /// # Ok::<(), portunus::throttle::ThrottleError>(())
    /// ```
    #[doc(alias = "check")]
    #[inline(always)]
    pub fn try_enter(&self) -> Result<Entered<'_, C, B, R>, TooLong> {
        let longest = Duration::ZERO;
        let wait = self.take(self.clock.now(), longest, |_| ());
        if wait > longest {
            return Err(TooLong { wait, longest });
        }
        Ok(Entered { throttle: self })
    }

    /// Takes the next slot, unless it is more than `longest` away, and says how
    /// far away it is. Where it is taken, `before` sees the state as it was.
    #[inline(always)]
    fn take(&self, now: Duration, longest: Duration, before: impl FnMut(&State)) -> Duration {
        let wait = unpack(self.next.load(Ordering::Relaxed)).saturating_sub(now);
        if wait > longest { wait } else { self.take_locked(now, longest, before) }
    }

    /// The same, under the lock.
    #[inline(never)]
    fn take_locked(
        &self,
        now: Duration,
        longest: Duration,
        mut before: impl FnMut(&State),
    ) -> Duration {
        let mut unit = None;
        loop {
            let wait = self.state.with(|state| {
                let (at, wait) = state.next_slot(now, unit)?;
                let refused = wait > longest;
                // Varied, it is another one each time.
                let next = if refused && unit.is_none() { pack(at) } else { 0 };
                self.next.store(next, Ordering::Relaxed);
                if !refused {
                    before(state);
                    state.last = Some(at);
                    // One each nanosecond would take centuries to wrap it.
                    state.reserved += 1;
                }
                Some(wait)
            });
            match wait {
                Some(wait) => return wait,
                None => unit = Some(self.unit()),
            }
        }
    }

    /// The next random number.
    #[inline(never)]
    fn unit(&self) -> f64 {
        let unit = self.random.unit();
        if unit.is_nan() { 0.0 } else { unit.clamp(-1.0, 1.0) }
    }

    /// Waits for the next slot with a sleep future and enters.
    ///
    /// `sleep` is called with the time to wait, unless that is zero.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// use portunus::clock::StdClock;
    /// use portunus::sync::DynamicThrottle;
    /// use portunus::throttle::ThrottleOptions;
    ///
    /// let settings = ThrottleOptions::new(100.0).check()?;
    /// let throttle = DynamicThrottle::<StdClock>::new(settings, StdClock);
    /// let entered = throttle.enter_with(tokio::time::sleep).await;
    /// entered.success();
    /// # Ok::<(), portunus::throttle::ThrottleError>(()) }).unwrap();
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropped before the first poll, nothing has happened; dropped while it
    /// sleeps, it gives its slot back if that is the last.
    #[doc(alias = "DynamicThrottle.__aenter__")]
    #[doc(alias = "until_ready")]
    pub async fn enter_with<S: Future>(
        &self,
        sleep: impl FnOnce(Duration) -> S,
    ) -> Entered<'_, C, B, R> {
        let slot = self.reserve();
        if !slot.wait.is_zero() {
            sleep(slot.wait).await;
        }
        slot.enter()
    }

    /// Waits for the next slot with a blocking sleep and enters.
    ///
    /// `sleep` is called with the time to wait, unless that is zero.
    pub fn enter_blocking_with(&self, sleep: impl FnOnce(Duration)) -> Entered<'_, C, B, R> {
        let slot = self.reserve();
        if !slot.wait.is_zero() {
            sleep(slot.wait);
        }
        slot.enter()
    }

    /// Waits for the next slot with a sleep future and awaits `future`, whose
    /// result counts.
    ///
    /// ```
    /// use portunus::clock::StdClock;
    /// use portunus::sync::DynamicThrottle;
    /// use portunus::throttle::ThrottleOptions;
    ///
    /// let throttle = DynamicThrottle::<_>::new(ThrottleOptions::new(100.0).check()?, StdClock);
    /// let fetched = smol::block_on(
    ///     throttle.call_with(smol::Timer::after, async { Err::<(), _>("no answer") }),
    /// );
    /// assert_eq!(fetched, Err("no answer"));
    /// assert_eq!((throttle.successes(), throttle.fails()), (0, 1));
    /// # Ok::<(), portunus::throttle::ThrottleError>(())
    /// ```
    ///
    /// # Cancel safety
    ///
    /// As [`enter_with`](Self::enter_with); dropped later, `future` is dropped
    /// and counts as a failure.
    ///
    /// # Errors
    ///
    /// That of the future.
    pub async fn call_with<S: Future, T, E>(
        &self,
        sleep: impl FnOnce(Duration) -> S,
        future: impl IntoFuture<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let entered = self.enter_with(sleep).await;
        let result = future.await;
        entered.settle(&result);
        result
    }
}

impl State {
    /// Where the next slot is, and how far away. `None`: that depends on a
    /// random number, and there is none.
    #[inline(always)]
    fn next_slot(&mut self, now: Duration, unit: Option<f64>) -> Option<(Duration, Duration)> {
        let Some(last) = self.last else { return Some((now, Duration::ZERO)) };
        let distance = match self.distance {
            Some(distance) => distance,
            None => *self.distance.insert(seconds(1.0 / self.rate)),
        };
        let due = last.saturating_add(distance);
        if due <= now {
            return Some((now, Duration::ZERO));
        }
        if self.options.jitter == 0.0 {
            return Some((due, due.saturating_sub(now)));
        }
        // Only the own distance is varied, so that order stays.
        let from = last.max(now);
        let varied = due.saturating_sub(from).as_secs_f64() * (1.0 + unit? * self.options.jitter);
        let at = from.saturating_add(seconds(varied));
        Some((at, at.saturating_sub(now)))
    }

    fn set_rate(&mut self, rate: f64) {
        let rate = rate.clamp(self.options.min_rate, self.options.max_rate);
        if (1.0 - self.rate / rate).abs() > DEAD_BAND {
            self.rate = rate;
            self.distance = None;
        }
    }

    fn keep_bounds(&mut self) {
        self.rate = self.rate.clamp(self.options.min_rate, self.options.max_rate);
        self.distance = None;
    }

    fn exit(&mut self, succeeded: bool) {
        // Never full: the window begins anew before.
        let exits = u64::from(self.successes) + u64::from(self.fails);
        if exits >= u64::from(self.options.window) {
            let part = f64::from(self.successes) / exits as f64;
            if part > self.options.ubound {
                self.set_rate(self.rate * self.options.ufactor);
            } else if part < self.options.lbound {
                self.set_rate(self.rate * self.options.lfactor);
            }
            self.successes = 0;
            self.fails = 0;
        }
        if succeeded {
            self.successes += 1;
        } else {
            self.fails += 1;
        }
    }
}

/// How many bits of a packed time are nanoseconds.
const NANOS: u32 = 30;

/// A time in one word, with the seconds above the nanoseconds; 0 if it does not
/// fit.
fn pack(time: Duration) -> Wide {
    let packed = u128::from(time.as_secs()) << NANOS | u128::from(time.subsec_nanos());
    Wide::try_from(packed).unwrap_or(0)
}

#[inline(always)]
fn unpack(packed: Wide) -> Duration {
    let packed = u128::from(packed);
    Duration::new((packed >> NANOS) as u64, (packed & ((1 << NANOS) - 1)) as u32)
}

/// A length of time, up to the longest that there is.
fn seconds(count: f64) -> Duration {
    Duration::try_from_secs_f64(count).unwrap_or(Duration::MAX)
}

impl<C, B: Backend, R> fmt::Debug for DynamicThrottle<C, B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("DynamicThrottle");
        if let Some(state) = self.state.try_with(|state| *state) {
            shown
                .field("rate", &state.rate)
                .field("successes", &state.successes)
                .field("fails", &state.fails);
        }
        shown.finish_non_exhaustive()
    }
}

/// A reserved slot. Dropped, it is given back, if it is the last.
#[must_use = "a slot that is dropped is given back"]
pub struct Slot<'a, C, B: Backend, R = Xorshift> {
    throttle: &'a DynamicThrottle<C, B, R>,
    at: Duration,
    previous: Option<Duration>,
    number: u64,
    wait: Duration,
}

impl<'a, C, B: Backend, R> Slot<'a, C, B, R> {
    /// When it is, on the throttle's clock.
    #[must_use]
    pub fn at(&self) -> Duration {
        self.at
    }

    /// How far away it was when it was reserved.
    #[must_use]
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// Enters; the caller has waited for [`at`](Self::at).
    pub fn enter(self) -> Entered<'a, C, B, R> {
        let throttle = self.throttle;
        mem::forget(self);
        Entered { throttle }
    }
}

impl<C, B: Backend, R> Drop for Slot<'_, C, B, R> {
    fn drop(&mut self) {
        self.throttle.change(|state| {
            if state.reserved == self.number {
                state.reserved -= 1;
                state.last = self.previous;
            }
        });
    }
}

impl<C, B: Backend, R> fmt::Debug for Slot<'_, C, B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("at", &self.at).field("wait", &self.wait).finish()
    }
}

/// An entry. Dropped without an outcome, it counts as a failure.
#[must_use = "an entry that is dropped counts as a failure"]
#[doc(alias = "DynamicThrottle.__aexit__")]
pub struct Entered<'a, C, B: Backend, R = Xorshift> {
    throttle: &'a DynamicThrottle<C, B, R>,
}

impl<C, B: Backend, R> Entered<'_, C, B, R> {
    /// What was done succeeded.
    pub fn success(self) {
        self.throttle.exit(true);
        mem::forget(self);
    }

    /// What was done failed.
    pub fn failure(self) {
        drop(self);
    }

    /// What was done ended with this.
    pub fn settle<T, E>(self, result: &Result<T, E>) {
        if result.is_ok() {
            self.success();
        }
    }
}

impl<C, B: Backend, R> Drop for Entered<'_, C, B, R> {
    fn drop(&mut self) {
        self.throttle.exit(false);
    }
}

impl<C, B: Backend, R> fmt::Debug for Entered<'_, C, B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered").finish_non_exhaustive()
    }
}

/// The next slot is too far away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TooLong {
    wait: Duration,
    longest: Duration,
}

impl TooLong {
    /// How far away it is.
    #[must_use]
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// How far away it could have been.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.longest
    }
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the next slot is {:?} away, more than {:?}", self.wait, self.longest)
    }
}

impl Error for TooLong {}
