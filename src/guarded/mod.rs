//! Data behind a lock with the user's own modes.
//!
//! A [`Guarded`] is a [`FifoLock`] with data. Every mode reads; those that the
//! rule declares [exclusive](crate::Rules::EXCLUSIVE) also write.
//!
//! ```
//! use portunus::{Held, PerMode, Rules, sync::Guarded};
//!
//! // A page: readers, one editor who looks on, and whoever replaces it.
//! portunus::modes! { pub enum Page { Read, Edit, Replace } }
//! use Page::*;
//!
//! struct Editing;
//!
//! impl Rules for Editing {
//!     type Mode = Page;
//!     const EXCLUSIVE: PerMode<bool> = PerMode::all(false).with(Replace.index(), true);
//!     fn admits(&self, mode: Page, held: &Held<Page>) -> bool {
//!         match mode {
//!             Read => held[Replace] == 0,
//!             Edit => held[Edit] == 0 && held[Replace] == 0,
//!             Replace => held.is_empty(),
//!         }
//!     }
//! }
//!
//! static PAGE: Guarded<Editing, String> = Guarded::new(Editing, String::new());
//!
//! PAGE.write(Replace)?.push_str("Hello");
//! let (one, two) = (PAGE.read(Read), PAGE.read(Edit));
//! assert_eq!(one.len() + two.len(), 10);
//! assert!(PAGE.try_write(Replace)?.is_none(), "somebody reads");
//! // The editor does not write: it is not alone.
//! assert_eq!(PAGE.write(Edit).unwrap_err().mode(), Edit);
//! # Ok::<(), portunus::NotExclusive<Page>>(())
//! ```
//!
//! # Which modes write
//!
//! Those of [`Rules::EXCLUSIVE`]. That line is safe: the lock itself sees to it
//! that such a holder is alone, whatever the rule admits. Who is sure of the rule
//! vouches for it by one `unsafe` line, [`Rules::VOUCHED`], and saves that look.
//! Either way [`rules::check`](crate::rules::check) tells in a test whether the
//! rule keeps to what it says.
//!
//! A mode that is known where the program is compiled can be checked there: see
//! [`ExclusiveMode`]. Then there is no error to handle.
//!
//! # Guards
//!
//! A guard is made of a hold and access to the data; dropped, it releases. As
//! in `lock_api`, what a guard can do are functions and not methods, because its
//! methods are those of the data: [`ReadGuard::upgrade`] makes a writer of a
//! reader in one step, [`WriteGuard::downgrade`] the other way round, and
//! [`ReadGuard::map`] and [`WriteGuard::map`] narrow it to a part of the data.

#![allow(unsafe_code)]

mod guards;
mod mapped;
mod modes;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod owned;
#[cfg(all(feature = "std", not(all(test, portunus_loom))))]
mod timed;

pub use guards::{ReadGuard, Upgraded, WriteGuard};
pub use mapped::{MappedReadGuard, MappedWriteGuard};
pub use modes::{ExclusiveMode, NotExclusive, UpgradeError, WriteMode};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use owned::{ArcHold, ArcMappedReadGuard, ArcMappedWriteGuard, ArcReadGuard, ArcWriteGuard};

pub(crate) use guards::Data;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
#[allow(unused_imports, reason = "of observed locks")]
pub(crate) use owned::acquiring_arc;
#[cfg(all(feature = "std", target_has_atomic = "ptr", not(all(test, portunus_loom))))]
#[allow(unused_imports, reason = "of observed locks")]
pub(crate) use timed::acquiring_arc_timed;

use core::cell::UnsafeCell;
use core::fmt;

use crate::atomic::constructor;
use crate::backend::Backend;
use crate::fifo_lock::FifoLock;
use crate::hold::Hold;
use crate::raw::mode::Rules;

/// Data behind a [`FifoLock`], with the user's own modes.
///
/// See the [module](self) for what it is about, and [`FifoLock`] for fairness,
/// which is the same.
///
/// ```
/// use portunus::rules::Access::{Read, Write};
/// use portunus::{rules::ReadWrite, sync::Guarded};
///
/// let board = Guarded::new(ReadWrite, vec![1]);
/// board.write(Write)?.push(2);
/// assert_eq!(*board.read(Read), [1, 2]);
/// # Ok::<(), portunus::NotExclusive<portunus::rules::Access>>(())
/// ```
///
/// A reader does not write:
///
/// ```compile_fail,E0594
/// # use portunus::rules::{Access::{Read, Write}, ReadWrite};
/// let number = portunus::sync::Guarded::new(ReadWrite, 1);
/// *number.read(Read) = 2;
/// ```
///
/// A writer does:
///
/// ```
/// # use portunus::rules::{Access::{Read, Write}, ReadWrite};
/// let number = portunus::sync::Guarded::new(ReadWrite, 1);
/// *number.write(Write).unwrap() = 2;
/// ```
///
/// # Re-entrance
///
/// There is none: a party that asks again for what it holds waits for itself.
#[doc(alias = "RwLock")]
pub struct Guarded<R: Rules, T: ?Sized, B: Backend> {
    lock: FifoLock<R, B>,
    data: UnsafeCell<T>,
}

// SAFETY: several threads may read at once (`T: Sync`), one after the other
// write, and take the data out of another's hands by that (`T: Send`): G1, G4.
unsafe impl<R: Rules, T: ?Sized + Send + Sync, B: Backend> Sync for Guarded<R, T, B> where
    FifoLock<R, B>: Sync
{
}

impl<R: Rules, T, B: Backend> Guarded<R, T, B> {
    constructor! {
        /// Data behind a lock with these rules.
        ///
        /// Rules whose modes don't fit into the word don't compile.
        #[must_use]
        pub fn new(rules: R, value: T) -> Self {
            Self { lock: FifoLock::new(rules), data: UnsafeCell::new(value) }
        }
    }

    /// The data, without the lock.
    pub fn into_inner(self) -> T {
        self.data.into_inner()
    }
}

impl<R: Rules, T: ?Sized, B: Backend> Guarded<R, T, B> {
    /// Enters in `mode`, waiting in line until its turn comes, and reads.
    ///
    /// Every mode reads, also those that are exclusive.
    ///
    /// # Blocking
    ///
    /// As [`FifoLock::acquire`]. In async code use
    /// [`read_async`](Self::read_async).
    ///
    /// # Panics
    ///
    /// If the rules do.
    #[inline]
    #[doc(alias = "lock")]
    pub fn read(&self, mode: R::Mode) -> ReadGuard<Hold<'_, R, B>, T> {
        ReadGuard::new(self.lock.acquire(mode), self.data())
    }

    /// Enters in `mode` and reads, if that is possible now.
    ///
    /// Never blocks, and never overtakes: see [`FifoLock::try_acquire`].
    ///
    /// # Panics
    ///
    /// If the rules do.
    #[inline]
    pub fn try_read(&self, mode: R::Mode) -> Option<ReadGuard<Hold<'_, R, B>, T>> {
        Some(ReadGuard::new(self.lock.try_acquire(mode)?, self.data()))
    }

    /// Enters in the exclusive `mode`, waiting in line until its turn comes, and
    /// reads and writes.
    ///
    /// For a mode, the answer is a `Result`; for an [`ExclusiveMode`], which was
    /// checked already, it is the guard itself.
    ///
    /// # Blocking
    ///
    /// As [`FifoLock::acquire`]. In async code use
    /// [`write_async`](Self::write_async).
    ///
    /// # Errors
    ///
    /// [`NotExclusive`], at once, where others may be inside in this mode.
    ///
    /// # Panics
    ///
    /// If the rules do.
    #[inline]
    pub fn write<W: WriteMode<R>>(&self, mode: W) -> W::Answer<WriteGuard<Hold<'_, R, B>, T>> {
        W::answer(
            mode.judge()
                .map(|mode| WriteGuard::new(self.lock.enter(mode.request()), self.data(), mode)),
        )
    }

    /// Enters in the exclusive `mode`, if that is possible now, and reads and
    /// writes.
    ///
    /// Never blocks, and never overtakes: see [`FifoLock::try_acquire`].
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    ///
    /// # Panics
    ///
    /// If the rules do.
    #[inline]
    #[allow(clippy::type_complexity, reason = "an alias would say less")]
    pub fn try_write<W: WriteMode<R>>(
        &self,
        mode: W,
    ) -> W::Answer<Option<WriteGuard<Hold<'_, R, B>, T>>> {
        W::answer(mode.judge().map(|mode| {
            let hold = self.lock.try_enter(mode.request())?;
            Some(WriteGuard::new(hold, self.data(), mode))
        }))
    }

    /// The data, which nobody else can reach: the lock is not needed.
    pub fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }

    /// The [`FifoLock`] around the data: for looking at who is inside, and for
    /// holding it without access to the data. This takes nothing: to reach the
    /// data, see [`read`](Self::read) and [`write`](Self::write).
    pub fn lock(&self) -> &FifoLock<R, B> {
        &self.lock
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &R {
        self.lock.rules()
    }

    /// How many hold in `mode` now: a snapshot.
    #[must_use]
    pub fn holders(&self, mode: R::Mode) -> usize {
        self.lock.holders(mode)
    }

    /// How many requests wait now: a snapshot. See [`FifoLock::waiting`].
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lock.waiting()
    }

    /// Whether anybody is inside now, in any mode: a snapshot.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.lock.is_locked()
    }

    /// A pointer to the data, for guards.
    #[inline(always)]
    pub(crate) fn data(&self) -> Data<T> {
        Data::new(self.data.get())
    }
}

impl<R: Rules + Default, T: Default, B: Backend> Default for Guarded<R, T, B> {
    fn default() -> Self {
        Self::new(R::default(), T::default())
    }
}

impl<R: Rules + Default, T, B: Backend> From<T> for Guarded<R, T, B> {
    fn from(value: T) -> Self {
        Self::new(R::default(), value)
    }
}

/// Shows the counts by mode and the length of the line, and not the data: to
/// look at that, somebody would have to hold the lock. Never blocks.
impl<R: Rules, T: ?Sized, B: Backend> fmt::Debug for Guarded<R, T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock.raw().fmt_as("Guarded", f)
    }
}
