//! Counts that can't go below zero, or beyond what can be counted.

#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod shared;

use core::error::Error;
use core::fmt;

use crate::atomic::{AtomicUsize, Ordering, constructor};

/// A count of things that come and go.
///
/// A step that can't be counted is an error, and the count stays as it was: it
/// never wraps.
///
/// ```
/// use portunus::{Counter, CounterError, IntCounter};
///
/// fn visit(inside: &impl Counter) -> Result<u64, CounterError> {
///     inside.increment()?;
///     // The one who leaves as the last turns off the light.
///     inside.decrement()
/// }
///
/// let inside = IntCounter::new();
/// assert_eq!(visit(&inside), Ok(0));
/// assert_eq!(inside.decrement(), Err(CounterError::Underflow));
/// ```
pub trait Counter {
    /// Counts one more, and says how many these are.
    ///
    /// # Errors
    ///
    /// [`CounterError::Overflow`] when there are as many as can be counted.
    fn increment(&self) -> Result<u64, CounterError>;

    /// Counts one less, and says how many are left.
    ///
    /// # Errors
    ///
    /// [`CounterError::Underflow`] when there is none.
    fn decrement(&self) -> Result<u64, CounterError>;

    /// How many there are now: a snapshot.
    fn value(&self) -> u64;

    /// Whether there is none now: a snapshot.
    #[doc(alias = "Counter.__bool__")]
    fn is_zero(&self) -> bool {
        self.value() == 0
    }
}

/// What leads to a counter `C` is one.
macro_rules! leads_to_a_counter {
    ($($leads:ty),*) => {$(
        impl<C: Counter + ?Sized> Counter for $leads {
            fn increment(&self) -> Result<u64, CounterError> {
                (**self).increment()
            }

            fn decrement(&self) -> Result<u64, CounterError> {
                (**self).decrement()
            }

            fn value(&self) -> u64 {
                (**self).value()
            }
        }
    )*};
}
#[allow(unused_imports, reason = "of counters on the heap")]
use leads_to_a_counter;

leads_to_a_counter!(&C);

/// A step that a [`Counter`] could not count; its value is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CounterError {
    /// There was nothing to take away.
    Underflow,
    /// There were as many as can be counted.
    Overflow {
        /// How many that is.
        limit: u64,
    },
}

impl fmt::Display for CounterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Underflow => f.write_str("the count is zero: nothing can be taken away"),
            Self::Overflow { limit } => {
                write!(f, "the count is {limit}, and there is no counting beyond")
            }
        }
    }
}

impl Error for CounterError {}

/// A [`Counter`] of one machine word, for threads, tasks and handlers at once.
///
/// Each step is atomic: with ten parties and no lock around it no step is lost.
/// It never blocks, and may be used in an interrupt handler where the target has
/// atomics.
///
/// ```
/// use portunus::{Counter, IntCounter};
///
/// static READERS: IntCounter = IntCounter::new();
/// READERS.increment()?;
/// assert!(!READERS.is_zero());
/// # Ok::<(), portunus::CounterError>(())
/// ```
#[doc(alias = "ValueCounter")]
pub struct IntCounter(AtomicUsize);

impl IntCounter {
    constructor! {
        /// A count of zero.
        #[must_use]
        pub fn new() -> Self {
            Self::starting_at(0)
        }
    }

    constructor! {
        /// A count of `value`.
        #[must_use]
        pub fn starting_at(value: usize) -> Self {
            Self(AtomicUsize::new(value))
        }
    }

    /// Makes a step, unless `next` says that there is none.
    fn step(&self, next: impl Fn(usize) -> Option<usize>) -> Option<usize> {
        // Ordering: Relaxed, the exchange confirms the value.
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            let new = next(now)?;
            // Ordering: AcqRel, with `value` and with the other steps: who sees
            // a count sees what was done before the steps that led to it.
            // Relaxed on failure, nothing is read but the count.
            let swapped =
                self.0.compare_exchange_weak(now, new, Ordering::AcqRel, Ordering::Relaxed);
            match swapped {
                Ok(_) => return Some(new),
                Err(other) => now = other,
            }
        }
    }
}

impl Counter for IntCounter {
    fn increment(&self) -> Result<u64, CounterError> {
        match self.step(|now| now.checked_add(1)) {
            Some(value) => Ok(value as u64),
            None => Err(CounterError::Overflow { limit: usize::MAX as u64 }),
        }
    }

    fn decrement(&self) -> Result<u64, CounterError> {
        match self.step(|now| now.checked_sub(1)) {
            Some(value) => Ok(value as u64),
            None => Err(CounterError::Underflow),
        }
    }

    fn value(&self) -> u64 {
        // Ordering: Acquire, with `step`.
        self.0.load(Ordering::Acquire) as u64
    }
}

impl Default for IntCounter {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows the count; never blocks.
impl fmt::Debug for IntCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IntCounter").field(&self.value()).finish()
    }
}
