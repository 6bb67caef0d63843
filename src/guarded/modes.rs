//! Modes in which data can be written, and what is said about others.

use core::convert::Infallible;
use core::error::Error;
use core::fmt;
use core::marker::PhantomData;

use crate::error::ConvertError;
use crate::hold::Units;
use crate::raw::mode::{MAX_MODES, Mode, Rules, index_of, mode_of};
use crate::wait::node::{NO_MODE, Request};

/// A mode of `R` that is exclusive, which was checked.
///
/// Where a mode can be given to [`Guarded::write`](crate::Guarded::write) and
/// the other writing methods, this can be given too, and the answer is no
/// `Result`.
///
/// ```
/// use portunus::guarded::ExclusiveMode;
/// use portunus::rules::{Access, ReadWrite};
/// use portunus::sync::Guarded;
///
/// const WRITE: ExclusiveMode<ReadWrite> = ExclusiveMode::of::<{ Access::Write.index() }>();
///
/// let number = Guarded::new(ReadWrite, 1);
/// *number.write(WRITE) += 1;
/// assert_eq!(*number.read(Access::Read), 2);
/// ```
///
/// A mode that is not exclusive does not compile:
///
/// ```compile_fail,E0080
/// # use portunus::guarded::ExclusiveMode;
/// # use portunus::rules::{Access, ReadWrite};
/// const READ: ExclusiveMode<ReadWrite> = ExclusiveMode::of::<{ Access::Read.index() }>();
/// ```
pub struct ExclusiveMode<R> {
    /// Of a mode of `R::EXCLUSIVE`.
    index: u8,
    rules: PhantomData<fn() -> R>,
}

impl<R: Rules> ExclusiveMode<R> {
    /// The mode with this index, which [`modes!`](crate::modes) gives to each
    /// mode as a constant. A mode that is not exclusive does not compile.
    #[must_use]
    pub const fn of<const INDEX: usize>() -> Self {
        const {
            assert!(INDEX < R::Mode::COUNT && INDEX < MAX_MODES, "no mode has this index");
            assert!(R::EXCLUSIVE.get(INDEX), "the mode is not exclusive: see Rules::EXCLUSIVE");
        }
        Self { index: INDEX as u8, rules: PhantomData }
    }

    /// A mode that is known only now.
    ///
    /// # Errors
    ///
    /// [`NotExclusive`], if it is not exclusive.
    ///
    /// # Panics
    ///
    /// If a hand-written [`Mode::index`] is out of range.
    #[inline]
    pub fn new(mode: R::Mode) -> Result<Self, NotExclusive<R::Mode>> {
        let index = index_of(mode);
        if R::EXCLUSIVE.get(usize::from(index)) {
            Ok(Self { index, rules: PhantomData })
        } else {
            Err(NotExclusive { mode })
        }
    }

    /// The mode.
    #[must_use]
    pub fn mode(self) -> R::Mode {
        mode_of(self.index)
    }

    /// That of a writer's hold.
    pub(crate) fn held(units: Units) -> Self {
        let index = units.index();
        assert!(R::EXCLUSIVE.get(usize::from(index)), "a writer's hold is in an exclusive mode");
        Self { index, rules: PhantomData }
    }

    /// The request for it.
    #[inline(always)]
    pub(crate) fn request(self) -> Request {
        Request { mode: self.index, from: NO_MODE, weight: 1 }
    }

    /// Its index.
    #[inline(always)]
    pub(crate) fn index(self) -> u8 {
        self.index
    }
}

impl<R> Clone for ExclusiveMode<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for ExclusiveMode<R> {}

impl<R: Rules> fmt::Debug for ExclusiveMode<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ExclusiveMode").field(&self.mode()).finish()
    }
}

impl<R> PartialEq for ExclusiveMode<R> {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index
    }
}

impl<R> Eq for ExclusiveMode<R> {}

mod sealed {
    pub trait Sealed {}
    impl<M: crate::Mode> Sealed for M {}
    impl<R> Sealed for super::ExclusiveMode<R> {}
}

/// What [`Guarded::write`](crate::Guarded::write) and the other writing methods
/// take: a mode of `R`, or an [`ExclusiveMode`].
pub trait WriteMode<R: Rules>: Copy + sealed::Sealed {
    /// What they answer, where they would give `G`: for a mode
    /// `Result<G, NotExclusive>`, for an [`ExclusiveMode`] `G`.
    type Answer<G>;

    #[doc(hidden)]
    type Refused: Into<NotExclusive<R::Mode>>;

    #[doc(hidden)]
    fn judge(self) -> Result<ExclusiveMode<R>, Self::Refused>;

    #[doc(hidden)]
    fn answer<G>(result: Result<G, Self::Refused>) -> Self::Answer<G>;
}

impl<M: Mode, R: Rules<Mode = M>> WriteMode<R> for M {
    type Answer<G> = Result<G, NotExclusive<M>>;
    type Refused = NotExclusive<M>;

    #[inline(always)]
    fn judge(self) -> Result<ExclusiveMode<R>, NotExclusive<M>> {
        ExclusiveMode::new(self)
    }

    #[inline(always)]
    fn answer<G>(result: Result<G, NotExclusive<M>>) -> Self::Answer<G> {
        result
    }
}

impl<R: Rules> WriteMode<R> for ExclusiveMode<R> {
    type Answer<G> = G;
    type Refused = Infallible;

    #[inline(always)]
    fn judge(self) -> Result<Self, Infallible> {
        Ok(self)
    }

    #[inline(always)]
    fn answer<G>(result: Result<G, Infallible>) -> G {
        match result {
            Ok(guard) => guard,
        }
    }
}

/// Data can't be written in this mode, because others may be inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NotExclusive<M> {
    mode: M,
}

impl<M: Copy> NotExclusive<M> {
    /// The mode that was asked for.
    #[must_use]
    pub fn mode(&self) -> M {
        self.mode
    }
}

impl<M> From<Infallible> for NotExclusive<M> {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl<M: fmt::Debug> fmt::Display for NotExclusive<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "data can't be written in mode {:?}: `Rules::EXCLUSIVE` does not list it",
            self.mode
        )
    }
}

impl<M: fmt::Debug> Error for NotExclusive<M> {}

/// A reader could not become a writer; it reads as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UpgradeError<M> {
    /// Data can't be written in this mode.
    NotExclusive(NotExclusive<M>),
    /// Others are inside now.
    Busy,
    /// The mode could not be changed.
    Convert(ConvertError),
}

impl<M> From<NotExclusive<M>> for UpgradeError<M> {
    fn from(error: NotExclusive<M>) -> Self {
        Self::NotExclusive(error)
    }
}

impl<M> From<ConvertError> for UpgradeError<M> {
    fn from(error: ConvertError) -> Self {
        Self::Convert(error)
    }
}

impl<M: fmt::Debug> fmt::Display for UpgradeError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotExclusive(error) => error.fmt(f),
            Self::Busy => f.write_str("others are inside now"),
            Self::Convert(error) => error.fmt(f),
        }
    }
}

impl<M: fmt::Debug> Error for UpgradeError<M> {}
