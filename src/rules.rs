//! Ready-made rules.
//!
//! | rule | modes | who may enter |
//! |---|---|---|
//! | [`Exclusive`] | [`Sole`] | one |
//! | [`ReadWrite`] | [`Access`] | readers together, or one writer |
//! | [`Shared<P>`](Shared) | [`SharedMode`] | as above, and one reader that may become the writer |
//! | [`Semaphore`] | [`Permit`] | as many as there are permits |

use core::fmt;
use core::marker::PhantomData;

use crate::{Held, PerMode, Rules, UNLIMITED};

crate::modes! {
    /// The mode of [`Exclusive`].
    pub enum Sole {
        /// Alone.
        Exclusive,
    }
}

/// A mutex: one holder.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exclusive;

impl Rules for Exclusive {
    type Mode = Sole;
    const LIMITS: PerMode<usize> = PerMode::all(1);
    const CONVERTS: bool = false;

    #[inline(always)]
    fn admits(&self, _: Sole, held: &Held<Sole>) -> bool {
        held.is_empty()
    }
}

crate::modes! {
    /// The modes of [`ReadWrite`].
    pub enum Access {
        /// Beside other readers.
        Read,
        /// Alone.
        Write,
    }
}

/// A readers-writer lock, first come, first served.
///
/// Readers that follow each other in line enter together; a reader behind a
/// waiting writer waits.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadWrite;

impl Rules for ReadWrite {
    type Mode = Access;
    const LIMITS: PerMode<usize> = PerMode::all(UNLIMITED).with(Access::Write.index(), 1);

    #[inline(always)]
    fn admits(&self, mode: Access, held: &Held<Access>) -> bool {
        match mode {
            Access::Read => held[Access::Write] == 0,
            Access::Write => held.is_empty(),
        }
    }
}

crate::modes! {
    /// The modes of [`Shared`].
    pub enum SharedMode {
        /// Beside other readers and one upgradable.
        Read,
        /// Beside readers; may become the writer.
        Upgradable,
        /// Alone.
        Write,
    }
}

/// Who goes first at a shared lock: [`Fair`], [`ReadPreferring`] or
/// [`WritePreferring`].
pub trait Preference: Copy + fmt::Debug + Default + Send + Sync + 'static + sealed::Sealed {
    #[doc(hidden)]
    const LANES: PerMode<u8>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Fair {}
    impl Sealed for super::ReadPreferring {}
    impl Sealed for super::WritePreferring {}
}

/// Strictly first come, first served: nobody starves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fair;

impl Preference for Fair {
    const LANES: PerMode<u8> = PerMode::all(0);
}

/// No reader ever waits merely because a writer waits.
///
/// A steady stream of readers keeps writers waiting for ever. A nested read in
/// one thread is safe, also with a writer waiting.
#[derive(Clone, Copy, Debug, Default)]
#[doc(alias = "RSLock")]
#[doc(alias = "RSCondition")]
pub struct ReadPreferring;

impl Preference for ReadPreferring {
    const LANES: PerMode<u8> = PerMode::all(1).with(SharedMode::Read.index(), 0);
}

/// No reader enters while a writer waits.
///
/// A steady stream of writers keeps readers waiting for ever. A nested read in
/// one thread waits for ever when a writer came in between: use `try_read`.
#[derive(Clone, Copy, Debug, Default)]
#[doc(alias = "WSLock")]
#[doc(alias = "WSCondition")]
pub struct WritePreferring;

impl Preference for WritePreferring {
    const LANES: PerMode<u8> = PerMode::all(1).with(SharedMode::Write.index(), 0);
}

/// A readers-writer lock with a preference and an upgradable mode.
///
/// The two preferences are lanes: the preferred mode stands in the better one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shared<P = Fair>(PhantomData<P>);

impl<P> Shared<P> {
    /// The rule.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<P: Preference> Rules for Shared<P> {
    type Mode = SharedMode;
    const LIMITS: PerMode<usize> = PerMode::all(1).with(SharedMode::Read.index(), UNLIMITED);
    const LANES: PerMode<u8> = P::LANES;

    #[inline(always)]
    fn admits(&self, mode: SharedMode, held: &Held<SharedMode>) -> bool {
        match mode {
            SharedMode::Read => held[SharedMode::Write] == 0,
            SharedMode::Upgradable => {
                held[SharedMode::Write] == 0 && held[SharedMode::Upgradable] == 0
            }
            SharedMode::Write => held.is_empty(),
        }
    }
}

crate::modes! {
    /// The mode of [`Semaphore`].
    pub enum Permit {
        /// One permit, or several.
        Permit,
    }
}

/// A counting semaphore whose number of permits is carried in the lock.
///
/// [`FifoLock`](crate::FifoLock) makes a lock of it that hands out holds like
/// any other. The type [`Semaphore`](crate::Semaphore) is leaner and does more.
#[derive(Clone, Copy, Debug)]
pub struct Semaphore {
    permits: usize,
}

impl Semaphore {
    /// With so many permits. With none, every request waits.
    #[must_use]
    pub const fn new(permits: usize) -> Self {
        Self { permits }
    }

    /// How many permits there are in all.
    #[must_use]
    pub const fn permits(&self) -> usize {
        self.permits
    }
}

impl Rules for Semaphore {
    type Mode = Permit;
    const WEIGHTED: bool = true;
    const CONVERTS: bool = false;

    #[inline(always)]
    fn admits(&self, mode: Permit, held: &Held<Permit>) -> bool {
        held[mode] < self.permits
    }
}
