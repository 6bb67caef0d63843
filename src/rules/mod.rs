//! Ready-made rules.
//!
//! | rule | modes | who may enter | who is alone, and may write |
//! |---|---|---|---|
//! | [`Exclusive`] | [`Sole`] | one | `Exclusive` |
//! | [`ReadWrite`] | [`Access`] | readers together, or one writer | `Write` |
//! | [`Shared<P>`](Shared) | [`SharedMode`] | as above, and one reader that may become the writer | `Write` |
//! | [`Semaphore`] | [`Permit`] | as many as there are permits | |
//! | [`Intention`] | [`Granularity`] | a database's locks on a tree of things | `Exclusive` |
//! | [`BoundedReaders<N>`](BoundedReaders) | [`Access`] | at most `N` readers together, or one writer | `Write` |
//! | [`Groups<M>`](Groups) | your own | any number of one group; groups exclude each other | |
//!
//! All of them lock by themselves ([`FifoLock`](crate::FifoLock)) or guard data
//! ([`Guarded`](crate::Guarded)).
//!
//! [`check`] looks for mistakes in a rule of your own.
//!
//! # Invariants
//!
//! * **V1** Of the rules that are vouched for, each says that its exclusive mode
//!   enters where `held.is_empty()`, and each other mode where none of the
//!   exclusive one is held. Their modes are written by `modes!`.

#![allow(unsafe_code)]

#[cfg(feature = "alloc")]
mod check;

#[cfg(feature = "alloc")]
pub use check::{Check, Finding, Report, check};

use core::fmt;
use core::marker::PhantomData;

use crate::{Held, Mode, PerMode, Rules, UNLIMITED, Vouched};

crate::modes! {
    /// The mode of [`Exclusive`].
    pub enum Sole {
        /// Alone.
        Exclusive,
    }
}

/// A mutex: one holder.
///
/// As a lock of its own, for what is no data in memory: a printer, a bus.
///
/// ```
/// use portunus::rules::{Exclusive, Sole};
/// use portunus::sync::FifoLock;
///
/// static BUS: FifoLock<Exclusive> = FifoLock::new(Exclusive);
/// let transfer = BUS.acquire(Sole::Exclusive);
/// assert!(BUS.try_acquire(Sole::Exclusive).is_none());
/// # drop(transfer);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Exclusive;

impl Rules for Exclusive {
    type Mode = Sole;
    const LIMITS: PerMode<usize> = PerMode::all(1);
    const CONVERTS: bool = false;
    const EXCLUSIVE: PerMode<bool> = PerMode::all(true);
    // SAFETY: V1.
    const VOUCHED: Vouched<Self> = unsafe { Vouched::yes() };

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
///
/// ```
/// use portunus::rules::Access::{Read, Write};
/// use portunus::{rules::ReadWrite, sync::Guarded};
///
/// // The prices of a shop: many look, now and then one changes.
/// let prices = Guarded::new(ReadWrite, vec![3, 5]);
/// prices.write(Write)?[0] = 4;
/// let (one, two) = (prices.read(Read), prices.read(Read));
/// assert_eq!(one[0], two[0]);
/// # Ok::<(), portunus::NotExclusive<portunus::rules::Access>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadWrite;

impl Rules for ReadWrite {
    type Mode = Access;
    const LIMITS: PerMode<usize> = PerMode::all(UNLIMITED).with(Access::Write.index(), 1);
    const EXCLUSIVE: PerMode<bool> = PerMode::all(false).with(Access::Write.index(), true);
    const BY_PRESENCE: bool = true;
    // SAFETY: V1.
    const VOUCHED: Vouched<Self> = unsafe { Vouched::yes() };

    #[inline(always)]
    fn admits(&self, mode: Access, held: &Held<Access>) -> bool {
        match mode {
            Access::Read => held[Access::Write] == 0,
            Access::Write => held.is_empty(),
        }
    }

    fn changes(&self, mode: Access) -> bool {
        matches!(mode, Access::Write)
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
///
/// Who looks first and writes only then, such as who fills a cache, looks as
/// `Upgradable`: others look too, and nobody writes between the look and the
/// upgrade. There is one such reader at a time, so that no two wait for each
/// other to become the writer.
///
/// ```
/// use std::collections::HashMap;
/// use portunus::guarded::ExclusiveMode;
/// use portunus::rules::{Shared, SharedMode};
/// use portunus::sync::{Guarded, GuardedReadGuard};
///
/// type Cache = Guarded<Shared, HashMap<&'static str, usize>>;
/// const WRITE: ExclusiveMode<Shared> = ExclusiveMode::of::<{ SharedMode::Write.index() }>();
///
/// fn length(cache: &Cache, page: &'static str) -> usize {
///     if let Some(&found) = cache.read(SharedMode::Read).get(page) {
///         return found;
///     }
///     let looking = cache.read(SharedMode::Upgradable);
///     if let Some(&found) = looking.get(page) {
///         return found;
///     }
///     let measured = page.len();
///     match GuardedReadGuard::upgrade(looking, WRITE) {
///         Ok(mut cache) => *cache.entry(page).or_insert(measured),
///         Err((_, error)) => unreachable!("one looks at a time: {error}"),
///     }
/// }
///
/// let cache = Cache::default();
/// assert_eq!(length(&cache, "start"), 5);
/// assert_eq!(cache.read(SharedMode::Read).len(), 1);
/// ```
///
/// The `RwLock` of every backend is made of this rule, with the guards of
/// `lock_api`.
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
    const EXCLUSIVE: PerMode<bool> = PerMode::all(false).with(SharedMode::Write.index(), true);
    const BY_PRESENCE: bool = true;
    // SAFETY: V1.
    const VOUCHED: Vouched<Self> = unsafe { Vouched::yes() };

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

    fn changes(&self, mode: SharedMode) -> bool {
        matches!(mode, SharedMode::Write)
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
///
/// The rule is for who shares something by units, and wants what locks with modes
/// have: the connections to a database, of which a report takes three at once;
/// the units stand beside the lock that counts them.
///
/// ```
/// use portunus::rules::{Permit, Semaphore};
/// use portunus::sync::{FifoLock, Hold};
///
/// struct Database {
///     connections: FifoLock<Semaphore>,
/// }
///
/// impl Database {
///     fn query(&self) -> Hold<'_, Semaphore> {
///         self.connections.acquire(Permit::Permit)
///     }
///
///     /// All at once: two reports never wait for each other's rest.
///     fn report(&self, tables: u32) -> Result<Hold<'_, Semaphore>, portunus::TooMany> {
///         self.connections.acquire_many(Permit::Permit, tables)
///     }
/// }
///
/// let database = Database { connections: FifoLock::new(Semaphore::new(4)) };
/// let (query, report) = (database.query(), database.report(3)?);
/// let taken = database.connections.holders(Permit::Permit);
/// assert_eq!(taken, database.connections.rules().permits());
/// drop((query, report));
/// assert!(database.report(5).is_err(), "there are four");
/// # Ok::<(), portunus::TooMany>(())
/// ```
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
    const EXCLUSIVE: PerMode<bool> = PerMode::all(false).with(Granularity::Exclusive.index(), true);
    const BY_PRESENCE: bool = true;
    // SAFETY: V1.
    const VOUCHED: Vouched<Self> = unsafe { Vouched::yes() };

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
/// For a resource that bears only so many at once: a database that allows two
/// connections, and a migration that wants it for itself.
///
/// ```
/// use portunus::guarded::ExclusiveMode;
/// use portunus::rules::{Access, BoundedReaders};
/// use portunus::sync::Guarded;
///
/// type Connections = BoundedReaders<2>;
/// const MIGRATE: ExclusiveMode<Connections> =
///     ExclusiveMode::of::<{ Access::Write.index() }>();
///
/// static SCHEMA: Guarded<Connections, u32> = Guarded::new(BoundedReaders, 1);
///
/// let (one, two) = (SCHEMA.read(Access::Read), SCHEMA.read(Access::Read));
/// assert!(SCHEMA.try_read(Access::Read).is_none(), "a third connection waits");
/// drop((one, two));
/// *SCHEMA.write(MIGRATE) += 1;
/// assert_eq!(*SCHEMA.read(Access::Read), 2);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct BoundedReaders<const N: usize>;

impl<const N: usize> Rules for BoundedReaders<N> {
    type Mode = Access;
    const LIMITS: PerMode<usize> = PerMode::all(N).with(Access::Write.index(), 1);
    const EXCLUSIVE: PerMode<bool> = PerMode::all(false).with(Access::Write.index(), true);
    const BY_PRESENCE: bool = true;
    // SAFETY: V1.
    const VOUCHED: Vouched<Self> = unsafe { Vouched::yes() };

    #[inline(always)]
    fn admits(&self, mode: Access, held: &Held<Access>) -> bool {
        ReadWrite.admits(mode, held)
    }

    fn changes(&self, mode: Access) -> bool {
        ReadWrite.changes(mode)
    }
}

/// A group lock: any number of one group together, and no two groups at once.
///
/// Each mode of the enum is a group. For work that shares within its kind and
/// clashes with others: traffic on a bridge with one lane, readers of one
/// snapshot, or a table without locks in which insertions may run together, and
/// so may searches, but not both.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
/// use portunus::rules::Groups;
/// use portunus::sync::FifoLock;
///
/// portunus::modes! { pub enum Phase { Insert, Search } }
///
/// struct Table {
///     phase: FifoLock<Groups<Phase>>,
///     cells: [AtomicU32; 64],
/// }
///
/// impl Table {
///     /// Beside other insertions: each takes the first free cell.
///     fn insert(&self, key: u32) -> bool {
///         let _phase = self.phase.acquire(Phase::Insert);
///         let free = |cell: &AtomicU32| cell.compare_exchange(0, key, Relaxed, Relaxed).is_ok();
///         self.cells.iter().any(free)
///     }
///
///     /// Beside other searches: meanwhile nothing changes.
///     fn holds(&self, key: u32) -> bool {
///         let _phase = self.phase.acquire(Phase::Search);
///         self.cells.iter().any(|cell| cell.load(Relaxed) == key)
///     }
/// }
///
/// let table = Table { phase: FifoLock::default(), cells: [const { AtomicU32::new(0) }; 64] };
/// assert!(table.insert(7) && table.holds(7));
///
/// let (one, two) = (table.phase.acquire(Phase::Search), table.phase.acquire(Phase::Search));
/// assert!(table.phase.try_acquire(Phase::Insert).is_none());
/// # drop((one, two));
/// ```
///
/// Groups are served in turn, first come, first served: who asks for another
/// group ends the present one, because nobody passes it in line.
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
    const BY_PRESENCE: bool = true;

    #[inline(always)]
    fn admits(&self, mode: M, held: &Held<M>) -> bool {
        held.iter().all(|(other, count)| count == 0 || other.index() == mode.index())
    }
}
