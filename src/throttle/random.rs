//! Where jitter comes from.

use core::fmt;
use core::ptr;

use crate::atomic::{AtomicU32, Ordering, constructor};

/// A source of random numbers, for jitter.
///
/// Any `Fn() -> f64` is one.
///
/// ```
/// use portunus::clock::ManualClock;
/// use portunus::sync::DynamicThrottle;
/// use portunus::throttle::{RandomSource, ThrottleOptions};
///
/// /// No jitter at all, for a test.
/// struct Even;
/// impl RandomSource for Even {
///     fn unit(&self) -> f64 { 0.0 }
/// }
///
/// let settings = ThrottleOptions { jitter: 0.5, ..ThrottleOptions::new(10.0) }.check()?;
/// let throttle = DynamicThrottle::<_, _>::with_random(settings, ManualClock::new(), Even);
/// assert_eq!(throttle.reserve().wait().as_millis(), 0);
/// # Ok::<(), portunus::throttle::ThrottleError>(())
/// ```
#[doc(alias = "rand")]
pub trait RandomSource {
    /// The next number, from -1 to 1. What is outside counts as the nearer end,
    /// what is not a number as 0.
    fn unit(&self) -> f64;
}

impl<F: Fn() -> f64> RandomSource for F {
    fn unit(&self) -> f64 {
        self()
    }
}

/// A small generator of the kind xorshift, good enough for jitter and nothing
/// else.
///
/// Unless it is seeded it starts from the address at which it stands when it is
/// first used: different from run to run where the system moves programs about,
/// the same on a bare core.
pub struct Xorshift(AtomicU32);

impl Xorshift {
    constructor! {
        /// Seeded at its first use.
        #[must_use]
        pub fn new() -> Self {
            Self(AtomicU32::new(0))
        }
    }

    constructor! {
        /// Seeded with a number; 0 means at its first use.
        #[must_use]
        pub fn seeded(seed: u32) -> Self {
            Self(AtomicU32::new(seed))
        }
    }
}

impl RandomSource for Xorshift {
    fn unit(&self) -> f64 {
        // Two threads may get the same number; nothing else depends on it.
        let mut state = self.0.load(Ordering::Relaxed);
        if state == 0 {
            let address = ptr::from_ref(self).addr() as u64;
            let mixed = (address ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            state = (mixed >> 32) as u32 | 1;
        }
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        self.0.store(state, Ordering::Relaxed);
        f64::from(state) / f64::from(u32::MAX) * 2.0 - 1.0
    }
}

impl Default for Xorshift {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Xorshift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Xorshift")
    }
}
