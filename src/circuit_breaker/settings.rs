//! What a circuit breaker is told when it is made, and what is refused.

use core::any;
use core::error::Error;
use core::fmt;
use core::time::Duration;

/// When a circuit breaker opens, and how it closes again.
///
/// ```
/// use core::time::Duration;
/// use portunus::circuit_breaker::CircuitSettings;
///
/// const SETTINGS: CircuitSettings = match CircuitSettings::new(3, Duration::from_secs(10), 2) {
///     Ok(settings) => settings.named("database"),
///     Err(_) => panic!("the numbers are out of range"),
/// };
/// assert_eq!(SETTINGS.max_fails(), 3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitSettings {
    pub(super) max_fails: u32,
    pub(super) reset: Duration,
    pub(super) max_half_open_calls: u32,
    pub(super) name: Option<&'static str>,
}

/// How many failures in a row open a circuit, unless it is told otherwise.
#[doc(alias = "CIRCUIT_BREAKER_DEFAULT_MAX_FAILS")]
pub const DEFAULT_MAX_FAILS: u32 = 3;

/// How long a circuit stays open, unless it is told otherwise.
#[doc(alias = "CIRCUIT_BREAKER_DEFAULT_RESET")]
pub const DEFAULT_RESET: Duration = Duration::from_secs(30);

/// How many tries a half-open circuit makes, unless it is told otherwise.
#[doc(alias = "CIRCUIT_BREAKER_DEFAULT_MAX_HALF_OPEN_CALLS")]
pub const DEFAULT_MAX_HALF_OPEN_CALLS: u32 = 5;

impl CircuitSettings {
    /// The defaults, and no name.
    pub const DEFAULT: Self = Self {
        max_fails: DEFAULT_MAX_FAILS,
        reset: DEFAULT_RESET,
        max_half_open_calls: DEFAULT_MAX_HALF_OPEN_CALLS,
        name: None,
    };

    /// The most failures in a row that [`max_fails`](Self::max_fails) can be.
    pub const MOST_FAILS: u32 = u16::MAX as u32;

    /// The most tries that
    /// [`max_half_open_calls`](Self::max_half_open_calls) can be.
    pub const MOST_HALF_OPEN_CALLS: u32 = u8::MAX as u32;

    /// Opens after `max_fails` failures in a row; more than `reset` later, makes
    /// at most `max_half_open_calls` tries.
    ///
    /// # Errors
    ///
    /// When a number is zero or beyond its limit.
    pub const fn new(
        max_fails: u32,
        reset: Duration,
        max_half_open_calls: u32,
    ) -> Result<Self, CircuitSettingsError> {
        if max_fails == 0 || max_fails > Self::MOST_FAILS {
            return Err(CircuitSettingsError::MaxFails(max_fails));
        }
        if max_half_open_calls == 0 || max_half_open_calls > Self::MOST_HALF_OPEN_CALLS {
            return Err(CircuitSettingsError::MaxHalfOpenCalls(max_half_open_calls));
        }
        Ok(Self { max_fails, reset, max_half_open_calls, name: None })
    }

    /// The same, with a name for errors.
    #[must_use]
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// The same, named after the type of a function.
    ///
    /// ```
    /// use portunus::circuit_breaker::CircuitSettings;
    ///
    /// fn fetch() {}
    /// let settings = CircuitSettings::DEFAULT.named_after(&fetch);
    /// assert!(settings.name().unwrap().ends_with("::fetch"));
    /// ```
    #[must_use]
    pub fn named_after<F: ?Sized>(self, function: &F) -> Self {
        let name = any::type_name_of_val(function);
        // A closure is named after what it stands in.
        self.named(name.strip_suffix("::{{closure}}").unwrap_or(name))
    }

    /// How many failures in a row open the circuit.
    #[must_use]
    pub const fn max_fails(&self) -> u32 {
        self.max_fails
    }

    /// How long the circuit stays open.
    #[must_use]
    pub const fn reset(&self) -> Duration {
        self.reset
    }

    /// How many tries are made when the circuit is half-open.
    #[must_use]
    pub const fn max_half_open_calls(&self) -> u32 {
        self.max_half_open_calls
    }

    /// The name that was given.
    #[must_use]
    pub const fn name(&self) -> Option<&'static str> {
        self.name
    }
}

impl Default for CircuitSettings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A circuit breaker can't be made with such a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CircuitSettingsError {
    /// That number of failures in a row can't open a circuit.
    MaxFails(u32),
    /// That number of tries can't close a circuit.
    MaxHalfOpenCalls(u32),
}

impl fmt::Display for CircuitSettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, number, most) = match self {
            Self::MaxFails(number) => ("max_fails", number, CircuitSettings::MOST_FAILS),
            Self::MaxHalfOpenCalls(number) => {
                ("max_half_open_calls", number, CircuitSettings::MOST_HALF_OPEN_CALLS)
            }
        };
        write!(f, "{what} of a circuit breaker is from 1 to {most}, not {number}")
    }
}

impl Error for CircuitSettingsError {}
