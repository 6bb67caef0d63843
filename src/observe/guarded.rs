//! Data behind an observed lock with the user's own modes.
//!
//! The invariants are those of `guarded/guards.rs`: a guard's hold is one of the
//! lock of the data that the guard points to (G2), and the plain lock sees to
//! all the others.

#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::fmt;

use super::fifo_lock::FifoLock;
use super::hold::{Hold, Locked};
use super::probe::{Probe, Report};
use crate::backend::Backend;
use crate::guarded::{Data, ReadGuard, WriteGuard, WriteMode};
use crate::raw::mode::Rules;

/// A [`Guarded`](crate::Guarded), observed.
///
/// Its guards convert, upgrade, downgrade and map as those of the plain one: they
/// are the same, with another hold. What they wait for that counts as held.
///
/// ```
/// use portunus::observe::{Probe, sync::Guarded};
/// use portunus::rules::{Access, ReadWrite};
///
/// static BOARD: Guarded<ReadWrite, Vec<u32>> =
///     Guarded::observed(ReadWrite, Probe::new().named("board"), Vec::new());
///
/// BOARD.write(Access::Write)?.push(1);
/// assert_eq!(*BOARD.read(Access::Read), [1]);
/// assert_eq!(BOARD.report().acquisitions, 2);
/// # Ok::<(), portunus::NotExclusive<Access>>(())
/// ```
pub struct Guarded<R: Rules, T: ?Sized, B: Backend> {
    lock: FifoLock<R, B>,
    data: UnsafeCell<T>,
}

// SAFETY: as for the plain one: several threads may read at once (`T: Sync`),
// one after the other write, and take the data out of another's hands by that
// (`T: Send`): G1, G4.
unsafe impl<R: Rules, T: ?Sized + Send + Sync, B: Backend> Sync for Guarded<R, T, B> where
    FifoLock<R, B>: Sync
{
}

impl<R: Rules, T, B: Backend> Guarded<R, T, B> {
    /// Data behind a lock with these rules, and a probe without a name.
    #[must_use]
    pub const fn new(rules: R, value: T) -> Self {
        Self::observed(rules, Probe::new(), value)
    }

    /// Data behind a lock with these rules and this probe.
    #[must_use]
    pub const fn observed(rules: R, probe: Probe, value: T) -> Self {
        Self { lock: FifoLock::observed(rules, probe), data: UnsafeCell::new(value) }
    }

    /// The data, without the lock.
    pub fn into_inner(self) -> T {
        self.data.into_inner()
    }
}

impl<R: Rules, T: ?Sized, B: Backend> Guarded<R, T, B> {
    /// Enters in `mode`, waiting in line until its turn comes, and reads: see
    /// [`crate::Guarded::read`].
    pub fn read(&self, mode: R::Mode) -> ReadGuard<Hold<&FifoLock<R, B>>, T> {
        ReadGuard::new(self.lock.acquire(mode), self.data())
    }

    /// Enters in `mode` and reads, if that is possible now: see
    /// [`crate::Guarded::try_read`].
    pub fn try_read(&self, mode: R::Mode) -> Option<ReadGuard<Hold<&FifoLock<R, B>>, T>> {
        Some(ReadGuard::new(self.lock.try_acquire(mode)?, self.data()))
    }

    /// Enters in the exclusive `mode`, waiting in line until its turn comes,
    /// and reads and writes: see [`crate::Guarded::write`].
    ///
    /// # Errors
    ///
    /// As there.
    #[allow(clippy::type_complexity, reason = "an alias would say less")]
    pub fn write<W: WriteMode<R>>(
        &self,
        mode: W,
    ) -> W::Answer<WriteGuard<Hold<&FifoLock<R, B>>, T>> {
        W::answer(
            mode.judge()
                .map(|mode| WriteGuard::new(self.lock.enter(mode.request()), self.data(), mode)),
        )
    }

    /// Enters in the exclusive `mode`, if that is possible now, and reads and
    /// writes: see [`crate::Guarded::try_write`].
    ///
    /// # Errors
    ///
    /// As there.
    #[allow(clippy::type_complexity, reason = "as above")]
    pub fn try_write<W: WriteMode<R>>(
        &self,
        mode: W,
    ) -> W::Answer<Option<WriteGuard<Hold<&FifoLock<R, B>>, T>>> {
        W::answer(mode.judge().map(|mode| {
            let hold = self.lock.try_enter(mode.request())?;
            Some(WriteGuard::new(hold, self.data(), mode))
        }))
    }

    /// The data, which nobody else can reach: the lock is not needed.
    pub fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }

    /// The lock: for looking at it, and for holding it without access to the
    /// data.
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

    /// How many requests wait now: a snapshot.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lock.waiting()
    }

    /// Whether anybody is inside now, in any mode: a snapshot.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.lock.is_locked()
    }

    /// Its probe.
    pub fn probe(&self) -> &Probe {
        self.lock.probe()
    }

    /// What was counted until now.
    pub fn report(&self) -> Report {
        self.lock.report()
    }

    /// A pointer to the data, for guards.
    pub(super) fn data(&self) -> Data<T> {
        Data::new(self.data.get())
    }
}

impl<R: Rules, T: ?Sized, B: Backend> Locked for Guarded<R, T, B> {
    type Rules = R;
    type Backend = B;

    fn fifo_lock(&self) -> &FifoLock<R, B> {
        &self.lock
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

/// Shows the lock and not the data: to look at that, somebody would have to hold
/// the lock. Never blocks.
impl<R: Rules, T: ?Sized, B: Backend> fmt::Debug for Guarded<R, T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("lock", &self.lock).finish_non_exhaustive()
    }
}
