//! A clock that an interrupt moves.
//!
//! # Sixty-three bits from two words of thirty-two
//!
//! `low` counts ticks and wraps. `halves` counts how many times `low` has
//! crossed into its other half, each 2^31 ticks long. A tick moves `low` first,
//! then `halves` if it crossed. A reader looks at `halves`, at `low`, and again
//! at `halves`, until both looks agree: then `low` has crossed at most once more
//! than `halves` says, and its top bit tells whether:
//!
//! | `halves` | top bit of `low` | ticks |
//! |---|---|---|
//! | even | 0 | `halves` * 2^31 + rest |
//! | even | 1: crossed, not yet counted | `(halves + 1)` * 2^31 + rest |
//! | odd | 1 | `halves` * 2^31 + rest |
//! | odd | 0: crossed, not yet counted | `(halves + 1)` * 2^31 + rest |
//!
//! which is one expression, below. No 64-bit atomic is needed: where a chip has
//! none, what stands for it takes a lock, and an interrupt must not wait for one.

use core::error::Error;
use core::fmt;
use core::num::NonZeroU32;
use core::time::Duration;

use super::Clock;
use crate::atomic::{AtomicU32, Ordering, constructor};

/// How long ticks are.
#[derive(Clone, Copy, Debug)]
enum Pace {
    /// So many to the second.
    PerSecond(NonZeroU32),
    /// So long each.
    Each(Duration),
}

/// A clock that an interrupt handler moves by calling [`tick`](Self::tick).
///
/// Reading takes three loads and no lock, so any code may read it: main, tasks,
/// handlers, other cores. It counts 2^63 ticks.
///
/// ```
/// use core::num::NonZeroU32;
/// use core::time::Duration;
/// use portunus::Clock;
/// use portunus::clock::TickClock;
///
/// static CLOCK: TickClock = TickClock::new(NonZeroU32::new(1_000).unwrap());
///
/// // In the handler of the timer:
/// CLOCK.tick();
/// // Anywhere:
/// assert_eq!(CLOCK.now(), Duration::from_millis(1));
/// ```
#[doc(alias = "SysTick")]
pub struct TickClock {
    low: AtomicU32,
    halves: AtomicU32,
    pace: Pace,
}

/// The length of half of `low`, as a power of two.
const HALF: u32 = u32::BITS - 1;

impl TickClock {
    constructor! {
        /// A clock at zero that gets `per_second` ticks each second.
        #[must_use]
        pub fn new(per_second: NonZeroU32) -> Self {
            Self {
                low: AtomicU32::new(0),
                halves: AtomicU32::new(0),
                pace: Pace::PerSecond(per_second),
            }
        }
    }

    constructor! {
        /// A clock at zero whose ticks are `tick` long.
        ///
        /// # Errors
        ///
        /// [`ZeroTick`] when `tick` is zero: that clock would stand still.
        pub fn with_tick(tick: Duration) -> Result<Self, ZeroTick> {
            if tick.is_zero() {
                return Err(ZeroTick);
            }
            Ok(Self {
                low: AtomicU32::new(0),
                halves: AtomicU32::new(0),
                pace: Pace::Each(tick),
            })
        }
    }

    /// Moves the clock on by one tick.
    ///
    /// Handlers that may interrupt each other may all call this.
    #[inline]
    pub fn tick(&self) {
        self.ticks_passed(1);
    }

    /// Moves the clock on by `count` ticks: for a handler that runs less often.
    #[inline]
    pub fn ticks_passed(&self, count: u32) {
        // No step crosses more than one half.
        let first = if count > 1 << HALF { 1 << HALF } else { count };
        self.step(first);
        if count != first {
            self.step(count - first);
        }
    }

    #[inline]
    fn step(&self, count: u32) {
        // Release: who reads this with the Acquire in `ticks` sees `halves` as
        // the steps before left it. A reader who sees the new `low` with the
        // old `halves` makes up for that.
        let old = self.low.fetch_add(count, Ordering::Release);
        if (old ^ old.wrapping_add(count)) >> HALF != 0 {
            // Release: who reads this with the Acquire in `ticks` sees `low`
            // moved as well.
            self.halves.fetch_add(1, Ordering::Release);
        }
    }

    /// How many ticks have passed.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        // Acquire, each: partners of the Releases in `step`.
        let mut halves = self.halves.load(Ordering::Acquire);
        loop {
            let low = self.low.load(Ordering::Acquire);
            let again = self.halves.load(Ordering::Acquire);
            if halves == again {
                return (u64::from(halves) << HALF) + u64::from(low ^ (halves & 1) << HALF);
            }
            halves = again;
        }
    }
}

impl Clock for TickClock {
    fn now(&self) -> Duration {
        const NANOS: u64 = 1_000_000_000;
        let ticks = self.ticks();
        match self.pace {
            Pace::PerSecond(rate) => {
                let rate = u64::from(rate.get());
                Duration::new(ticks / rate, (ticks % rate * NANOS / rate) as u32)
            }
            Pace::Each(tick) => {
                let nanos = u64::from(tick.subsec_nanos());
                let whole = ticks.saturating_mul(tick.as_secs());
                let parts = ticks / NANOS * nanos;
                Duration::from_secs(whole.saturating_add(parts))
                    .saturating_add(Duration::from_nanos(ticks % NANOS * nanos))
            }
        }
    }
}

impl fmt::Debug for TickClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TickClock").field("ticks", &self.ticks()).field("pace", &self.pace).finish()
    }
}

/// A clock was to have ticks of no length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ZeroTick;

impl fmt::Display for ZeroTick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a clock whose ticks have no length would stand still")
    }
}

impl Error for ZeroTick {}
