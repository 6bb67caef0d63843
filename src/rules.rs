//! Ready-made rules.
//!
//! | rule | modes | who may enter |
//! |---|---|---|
//! | [`Exclusive`] | [`Sole`] | one |
//! | [`ReadWrite`] | [`Access`] | readers together, or one writer |
//! | [`Shared<P>`](Shared) | [`SharedMode`] | as above, and one reader that may become the writer |
//! | [`Semaphore`] | [`Permit`] | as many as there are permits |
//! | [`Intention`] | [`Granularity`] | a database's locks on a tree of things |
//! | [`BoundedReaders<N>`](BoundedReaders) | [`Access`] | at most `N` readers together, or one writer |
//! | [`Groups<M>`](Groups) | your own | any number of one group; groups exclude each other |

use core::fmt;
use core::marker::PhantomData;

use crate::{Held, Mode, PerMode, Rules, UNLIMITED};

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

/// No reader ever waits merely because a writer waits, or an upgrade.
///
/// A steady stream of readers keeps writers, and upgradable readers behind
/// them, waiting for ever. A nested read in one thread is safe.
#[derive(Clone, Copy, Debug, Default)]
#[doc(alias = "RSLock")]
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
/// any other. The type [`Semaphore`](crate::Semaphore) is leaner; it also splits
/// and merges permits and shows how many are free.
#[derive(Clone, Copy, Debug)]
pub struct Semaphore {
    permits: usize,
}

impl Semaphore {
    /// With so many permits. With none, a request for one unit waits for ever,
    /// and one for several is [`TooMany`](crate::TooMany).
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

crate::modes! {
    /// The modes of [`Intention`].
    pub enum Granularity {
        /// IS: reads somewhere below.
        IntentShared,
        /// IX: writes somewhere below.
        IntentExclusive,
        /// S: reads all of it.
        Shared,
        /// SIX: reads all of it and writes somewhere below.
        SharedIntentExclusive,
        /// X: writes all of it.
        Exclusive,
    }
}

/// A database's locks on things that contain things: tables and rows, folders
/// and files.
///
/// Who wants a part takes an intention on the whole first, from the outermost
/// in; who wants the whole needs nothing below. So a scan of a table and an
/// update of one row notice each other at the table.
///
/// | | IS | IX | S | SIX | X |
/// |---|---|---|---|---|---|
/// | IS | + | + | + | + | |
/// | IX | + | + | | | |
/// | S | + | | + | | |
/// | SIX | + | | | | |
/// | X | | | | | |
///
/// The matrix is that of J. Gray, R. Lorie, G. Putzolu and I. Traiger,
/// *Granularity of Locks and Degrees of Consistency in a Shared Data Base*,
/// 1976.
///
/// ```
/// use portunus::rules::Granularity::{IntentExclusive, Shared, SharedIntentExclusive};
/// use portunus::rules::Intention;
/// use portunus::sync::FifoLock;
///
/// // A table, and one of its rows.
/// let (table, row) = (FifoLock::new(Intention), FifoLock::new(Intention));
///
/// let table_hold = table.acquire(IntentExclusive);
/// let row_hold = row.acquire(portunus::rules::Granularity::Exclusive);
/// assert!(table.try_acquire(Shared).is_none(), "a scan would see half an update");
/// drop((row_hold, table_hold));
///
/// // A scan that finds something to mend goes on to writing.
/// let mut scan = table.acquire(Shared);
/// scan.convert(SharedIntentExclusive)?;
/// # Ok::<(), portunus::ConvertError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[doc(alias = "multiple granularity locking")]
pub struct Intention;

impl Rules for Intention {
    type Mode = Granularity;
    const LIMITS: PerMode<usize> = PerMode::all(UNLIMITED)
        .with(Granularity::SharedIntentExclusive.index(), 1)
        .with(Granularity::Exclusive.index(), 1);

    #[inline(always)]
    fn admits(&self, mode: Granularity, held: &Held<Granularity>) -> bool {
        use Granularity::{Exclusive, IntentExclusive, Shared, SharedIntentExclusive};
        let none = |modes: &[Granularity]| modes.iter().all(|&mode| held[mode] == 0);
        match mode {
            Granularity::IntentShared => none(&[Exclusive]),
            IntentExclusive => none(&[Shared, SharedIntentExclusive, Exclusive]),
            Shared => none(&[IntentExclusive, SharedIntentExclusive, Exclusive]),
            SharedIntentExclusive => {
                none(&[IntentExclusive, Shared, SharedIntentExclusive, Exclusive])
            }
            Exclusive => held.is_empty(),
        }
    }
}

/// A readers-writer lock with at most `N` readers at once, first come, first
/// served.
///
/// For a resource that bears only so many: a pool of connections that a
/// migration wants for itself.
///
/// ```
/// use portunus::rules::{Access, BoundedReaders};
/// use portunus::sync::FifoLock;
///
/// let pool = FifoLock::new(BoundedReaders::<2>);
/// let (one, two) = (pool.acquire(Access::Read), pool.acquire(Access::Read));
/// assert!(pool.try_acquire(Access::Read).is_none());
/// drop((one, two));
/// assert!(pool.try_acquire(Access::Write).is_some());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct BoundedReaders<const N: usize>;

impl<const N: usize> Rules for BoundedReaders<N> {
    type Mode = Access;
    const LIMITS: PerMode<usize> = PerMode::all(N).with(Access::Write.index(), 1);

    #[inline(always)]
    fn admits(&self, mode: Access, held: &Held<Access>) -> bool {
        ReadWrite.admits(mode, held)
    }
}

/// A group lock: any number of one group together, and no two groups at once.
///
/// Each mode of the enum is a group. For work that shares within its kind and
/// clashes with others: readers of one snapshot, players of one team on one
/// field.
///
/// ```
/// use portunus::rules::Groups;
/// use portunus::sync::FifoLock;
///
/// portunus::modes! { pub enum Team { Red, Blue } }
///
/// static FIELD: FifoLock<Groups<Team>> = FifoLock::new(Groups::new());
/// let (one, two) = (FIELD.acquire(Team::Red), FIELD.acquire(Team::Red));
/// assert!(FIELD.try_acquire(Team::Blue).is_none());
/// # drop((one, two));
/// ```
#[derive(Clone, Copy, Debug)]
#[doc(alias = "room synchronization")]
pub struct Groups<M>(PhantomData<fn() -> M>);

impl<M> Groups<M> {
    /// The rule.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<M> Default for Groups<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Mode> Rules for Groups<M> {
    type Mode = M;

    #[inline(always)]
    fn admits(&self, mode: M, held: &Held<M>) -> bool {
        held.iter().all(|(other, count)| count == 0 || other.index() == mode.index())
    }
}
