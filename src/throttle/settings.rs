//! What a throttle is told, and what is refused.

use core::error::Error;
use core::fmt;

/// What a throttle may be told; [`check`](Self::check) makes settings of it.
///
/// ```
/// use portunus::throttle::{ThrottleOptions, ThrottleSettings};
///
/// const SETTINGS: ThrottleSettings =
///     match (ThrottleOptions { max_rate: 500.0, ..ThrottleOptions::new(200.0) }).check() {
///         Ok(settings) => settings,
///         Err(_) => panic!("the numbers don't fit together"),
///     };
/// assert_eq!(SETTINGS.options().window, 100);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ThrottleOptions {
    /// Entries each second, at first.
    pub init_rate: f64,
    /// The lowest rate.
    pub min_rate: f64,
    /// The highest rate.
    pub max_rate: f64,
    /// After how many exits the rate is adjusted.
    pub window: u32,
    /// The rate rises when more than this part of a window succeeded.
    pub ubound: f64,
    /// The rate falls when less than this part of a window succeeded.
    pub lbound: f64,
    /// By what the rate is multiplied to rise.
    pub ufactor: f64,
    /// By what the rate is multiplied to fall.
    pub lfactor: f64,
    /// The part, from 0 to 1, by which a distance may be longer or shorter.
    pub jitter: f64,
}

impl ThrottleOptions {
    /// The defaults, with so many entries each second at first: from 0.01 to
    /// 100 each second, adjusted after 100 exits, by 1.25 when more than 0.75
    /// and by 0.75 when less than 0.25 of them succeeded, with a jitter of 0.2.
    #[must_use]
    pub const fn new(init_rate: f64) -> Self {
        Self {
            init_rate,
            min_rate: 0.01,
            max_rate: 100.0,
            window: 100,
            ubound: 0.75,
            lbound: 0.25,
            ufactor: 1.25,
            lfactor: 0.75,
            jitter: 0.2,
        }
    }

    /// Settings, if the numbers fit together.
    ///
    /// # Errors
    ///
    /// Which of them do not, with their values.
    pub const fn check(self) -> Result<ThrottleSettings, ThrottleError> {
        let Self { init_rate, min_rate, max_rate, .. } = self;
        let positive = min_rate > 0.0 && max_rate.is_finite();
        if !(positive && min_rate <= init_rate && init_rate <= max_rate) {
            return Err(ThrottleError::Rates { init_rate, min_rate, max_rate });
        }
        if self.window == 0 {
            return Err(ThrottleError::EmptyWindow);
        }
        // Refuses what is not a number, too.
        let ordered = self.lbound <= self.ubound;
        if !ordered {
            return Err(ThrottleError::Bounds { lbound: self.lbound, ubound: self.ubound });
        }
        let factors = [self.ufactor, self.lfactor];
        let mut index = 0;
        while index < factors.len() {
            let factor = factors[index];
            if !(factor > 0.0 && factor.is_finite()) {
                return Err(ThrottleError::Factor(factor));
            }
            index += 1;
        }
        if !(self.jitter >= 0.0 && self.jitter <= 1.0) {
            return Err(ThrottleError::Jitter(self.jitter));
        }
        Ok(ThrottleSettings(self))
    }
}

/// Options that fit together.
#[derive(Clone, Copy, Debug, PartialEq)]
#[doc(alias = "Quota")]
pub struct ThrottleSettings(pub(super) ThrottleOptions);

impl ThrottleSettings {
    /// The options that they were made of.
    #[must_use]
    pub const fn options(&self) -> &ThrottleOptions {
        &self.0
    }
}

impl TryFrom<ThrottleOptions> for ThrottleSettings {
    type Error = ThrottleError;

    fn try_from(options: ThrottleOptions) -> Result<Self, ThrottleError> {
        options.check()
    }
}

/// Numbers that a throttle can't work with.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ThrottleError {
    /// Not 0 < `min_rate` <= `init_rate` <= `max_rate`, or not finite.
    Rates {
        /// The rate at first.
        init_rate: f64,
        /// The lowest rate.
        min_rate: f64,
        /// The highest rate.
        max_rate: f64,
    },
    /// The rate would be adjusted after no exit.
    EmptyWindow,
    /// Not `lbound` <= `ubound`.
    Bounds {
        /// Below it the rate falls.
        lbound: f64,
        /// Above it the rate rises.
        ubound: f64,
    },
    /// Not a positive, finite factor.
    Factor(f64),
    /// Not from 0 to 1.
    Jitter(f64),
    /// What was to be set, the rate or the jitter, is not a number.
    NotANumber(&'static str),
}

impl fmt::Display for ThrottleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rates { init_rate, min_rate, max_rate } => write!(
                f,
                "the rates of a throttle are 0 < min_rate <= init_rate <= max_rate, \
                 not min_rate {min_rate}, init_rate {init_rate}, max_rate {max_rate}"
            ),
            Self::EmptyWindow => f.write_str("the window of a throttle is at least 1 exit, not 0"),
            Self::Bounds { lbound, ubound } => write!(
                f,
                "the bounds of a throttle are lbound <= ubound, not lbound {lbound}, ubound {ubound}"
            ),
            Self::Factor(factor) => {
                write!(f, "a factor of a throttle is positive and finite, not {factor}")
            }
            Self::Jitter(jitter) => {
                write!(f, "the jitter of a throttle is from 0 to 1, not {jitter}")
            }
            Self::NotANumber(what) => {
                write!(f, "the {what} of a throttle was to be something that is not a number")
            }
        }
    }
}

impl Error for ThrottleError {}
