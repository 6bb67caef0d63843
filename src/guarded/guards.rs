//! Access to all of the data.
//!
//! # Invariants
//!
//! * **G1** A hold in a mode of [`Rules::EXCLUSIVE`] is the only one. The word
//!   sees to it (W5), and so it rests on nothing that a user wrote without
//!   `unsafe`: not on `admits`, and not on `Mode::index`, because a hold keeps
//!   the index with which it entered.
//! * **G2** A guard's pointer goes to the data of the [`Guarded`](crate::Guarded)
//!   whose lock its hold holds, or to a part of it. The hold keeps that alive: it
//!   borrows it, or has its `Arc`. Hold and pointer are never exchanged.
//! * **G3** The hold of a [`WriteGuard`], and of a mapped one, is in a mode of
//!   `Rules::EXCLUSIVE`: [`WriteGuard::new`] looks, and it is not converted.
//! * **G4** So while a `WriteGuard` is there, no other guard of the same data
//!   is; and while a [`ReadGuard`] is there, in whatever mode, no `WriteGuard`
//!   is. Entering is Acquire and leaving Release (O1), also in a conversion.
//! * **G5** A guard from which another one is made, is consumed. (The pointer of
//!   a `ReadGuard` may become that of a `WriteGuard`: it is that of the cell, and
//!   no reference made of it is alive then. For that reason the guards are
//!   invariant in `T`.)

#![allow(unsafe_code)]

use core::fmt;
use core::ops::{Deref, DerefMut};

use super::mapped::{MappedReadGuard, MappedWriteGuard, Part, PartMut};
use super::modes::{ExclusiveMode, UpgradeError, WriteMode};
use crate::error::ConvertError;
use crate::hold::{self, Holding, ModeOf};
use crate::misuse::stop;
use crate::wait::{Forever, Limit};

/// A pointer to the data, for who is admitted.
///
/// Invariant in `T` (G5). Were it not, a reader of a `&'static str` would pass
/// for one of a shorter life, and store one of these once it has become a
/// writer:
///
/// ```compile_fail
/// use portunus::{rules::ReadWrite, sync::GuardedReadGuard};
///
/// fn shorter<'a, 's>(
///     guard: GuardedReadGuard<'a, ReadWrite, &'static str>,
/// ) -> GuardedReadGuard<'a, ReadWrite, &'s str> {
///     guard
/// }
/// ```
///
/// For a part of the data, which never becomes a writer, it does:
///
/// ```
/// use portunus::{rules::ReadWrite, sync::MappedGuardedReadGuard};
///
/// fn shorter<'a, 's>(
///     guard: MappedGuardedReadGuard<'a, ReadWrite, &'static str>,
/// ) -> MappedGuardedReadGuard<'a, ReadWrite, &'s str> {
///     guard
/// }
/// ```
#[doc(hidden)]
#[derive(Debug)]
#[allow(unreachable_pub, reason = "the futures name it")]
pub struct Data<T: ?Sized>(*mut T);

// SAFETY: as for `Guarded`: whoever has a guard may read beside others, or
// write alone, and may become the one or the other wherever the guard is.
unsafe impl<T: ?Sized + Send + Sync> Send for Data<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send + Sync> Sync for Data<T> {}

impl<T: ?Sized> Data<T> {
    #[inline(always)]
    pub(crate) fn new(data: *mut T) -> Self {
        Self(data)
    }
}

impl<T: ?Sized> Clone for Data<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Data<T> {}

/// Access to what a [`Guarded`](crate::Guarded) protects, for reading; dropped,
/// it releases.
///
/// `H` is the hold: a [`Hold`](crate::Hold), or one that keeps the data alive;
/// the bound `Holding` means these, and cannot be implemented elsewhere.
/// `ModeOf<H>` is the mode of its rules,
/// [`Rules::Mode`](crate::Rules::Mode). Each backend has the
/// first as its `GuardedReadGuard`, by which a function takes one:
///
/// ```
/// use portunus::Rules;
/// use portunus::sync::{Guarded, GuardedReadGuard};
///
/// fn len<R: Rules>(guard: &GuardedReadGuard<'_, R, String>) -> (R::Mode, usize) {
///     (GuardedReadGuard::mode(guard), guard.len())
/// }
/// # use portunus::rules::{Access, ReadWrite};
/// # let text = Guarded::new(ReadWrite, String::from("four"));
/// # assert_eq!(len(&text.read(Access::Read)), (Access::Read, 4));
/// ```
///
/// It may be moved to another thread and dropped there. Forgotten, it holds for
/// ever.
#[must_use = "a guard that is dropped at once releases at once"]
pub struct ReadGuard<H, T: ?Sized> {
    hold: H,
    data: Data<T>,
}

/// What an upgrade answers: the writer; or the reader as it was, and why.
pub type Upgraded<H, T> = Result<WriteGuard<H, T>, (ReadGuard<H, T>, UpgradeError<ModeOf<H>>)>;

impl<H: Holding, T: ?Sized> ReadGuard<H, T> {
    /// Of a hold of the lock of these data: G2.
    #[inline(always)]
    pub(crate) fn new(hold: H, data: Data<T>) -> Self {
        Self { hold, data }
    }

    /// The mode in which it holds.
    pub fn mode(s: &Self) -> ModeOf<H> {
        s.hold.units().mode()
    }

    /// The hold.
    pub fn hold(s: &Self) -> &H {
        &s.hold
    }

    /// Narrows it to a part of the data. The hold stays as it is.
    ///
    /// ```
    /// use portunus::rules::{Access, ReadWrite};
    /// use portunus::sync::{Guarded, GuardedReadGuard};
    ///
    /// let pair = Guarded::new(ReadWrite, (1, "one"));
    /// let name = GuardedReadGuard::map(pair.read(Access::Read), |pair| &pair.1);
    /// assert_eq!(*name, "one");
    /// ```
    pub fn map<U: ?Sized>(s: Self, f: impl FnOnce(&T) -> &U) -> MappedReadGuard<H, U> {
        let part = Part::new(f(&s));
        MappedReadGuard::new(s.hold, part)
    }

    /// Narrows it to a part of the data, if there is one.
    ///
    /// # Errors
    ///
    /// The guard, if there is none.
    pub fn try_map<U: ?Sized>(
        s: Self,
        f: impl FnOnce(&T) -> Option<&U>,
    ) -> Result<MappedReadGuard<H, U>, Self> {
        match f(&s).map(Part::new) {
            Some(part) => Ok(MappedReadGuard::new(s.hold, part)),
            None => Err(s),
        }
    }

    /// Changes its mode in one step, if that is possible now. It reads on.
    ///
    /// See [`Hold::try_convert`](crate::Hold::try_convert).
    ///
    /// # Panics
    ///
    /// As [`Hold::convert`](crate::Hold::convert).
    #[must_use = "if not, it is as it was"]
    pub fn try_convert(s: &mut Self, mode: ModeOf<H>) -> bool {
        let request = hold::conversion(&s.hold, mode);
        hold::try_convert(&mut s.hold, request)
    }

    /// Changes its mode in one step, waiting until that is possible. It reads
    /// on, also meanwhile.
    ///
    /// # Blocking, fairness
    ///
    /// See [`Hold::convert`](crate::Hold::convert).
    ///
    /// # Errors
    ///
    /// As there; the guard is as it was.
    ///
    /// # Panics
    ///
    /// As [`Hold::convert`](crate::Hold::convert).
    pub fn convert(s: &mut Self, mode: ModeOf<H>) -> Result<(), ConvertError> {
        Self::convert_limited(s, mode, &Forever)
    }

    pub(super) fn convert_limited(
        s: &mut Self,
        mode: ModeOf<H>,
        limit: &impl Limit,
    ) -> Result<(), ConvertError> {
        let request = hold::conversion(&s.hold, mode);
        hold::convert(&mut s.hold, request, limit)
    }

    /// Makes the reader a writer, in an exclusive mode, in one step, if that is
    /// possible now: nobody else is inside.
    ///
    /// # Errors
    ///
    /// The guard as it was, and why: [`UpgradeError::Busy`] or
    /// [`UpgradeError::NotExclusive`].
    ///
    /// # Panics
    ///
    /// As [`Hold::convert`](crate::Hold::convert).
    pub fn try_upgrade<W: WriteMode<H::Rules>>(mut s: Self, mode: W) -> Upgraded<H, T> {
        let mode = match mode.judge() {
            Ok(mode) => mode,
            Err(refused) => return Err((s, UpgradeError::NotExclusive(refused.into()))),
        };
        let request = hold::conversion_to(&s.hold, mode.index());
        if hold::try_convert(&mut s.hold, request) {
            Ok(WriteGuard::new(s.hold, s.data, mode))
        } else {
            Err((s, UpgradeError::Busy))
        }
    }

    /// Makes the reader a writer, in an exclusive mode, in one step, waiting
    /// until all others have left. Nobody writes in between.
    ///
    /// Of two readers that wait to be upgraded, neither could be, so the second
    /// one gets an error: where several may want to write, let them read in a
    /// mode of which there is one holder at a time.
    ///
    /// ```
    /// use portunus::rules::{Shared, SharedMode};
    /// use portunus::{Fair, sync::{Guarded, GuardedReadGuard}};
    ///
    /// let board: Guarded<Shared<Fair>, _> = Guarded::new(Shared::new(), vec![1]);
    /// let looking = board.read(SharedMode::Upgradable);
    /// if looking.len() < 2 {
    ///     match GuardedReadGuard::upgrade(looking, SharedMode::Write) {
    ///         Ok(mut writing) => writing.push(2),
    ///         Err((_, error)) => panic!("{error}"),
    ///     }
    /// }
    /// assert_eq!(*board.read(SharedMode::Read), [1, 2]);
    /// ```
    ///
    /// # Blocking, fairness
    ///
    /// See [`Hold::convert`](crate::Hold::convert).
    ///
    /// # Errors
    ///
    /// The guard as it was, and why: [`UpgradeError::NotExclusive`], or
    /// [`ConvertError::Deadlock`] when another conversion waits for this reader
    /// to leave.
    ///
    /// # Panics
    ///
    /// As [`Hold::convert`](crate::Hold::convert).
    pub fn upgrade<W: WriteMode<H::Rules>>(s: Self, mode: W) -> Upgraded<H, T> {
        Self::upgrade_limited(s, mode, &Forever)
    }

    pub(super) fn upgrade_limited<W: WriteMode<H::Rules>>(
        mut s: Self,
        mode: W,
        limit: &impl Limit,
    ) -> Upgraded<H, T> {
        let mode = match mode.judge() {
            Ok(mode) => mode,
            Err(refused) => return Err((s, UpgradeError::NotExclusive(refused.into()))),
        };
        let request = hold::conversion_to(&s.hold, mode.index());
        match hold::convert(&mut s.hold, request, limit) {
            Ok(()) => Ok(WriteGuard::new(s.hold, s.data, mode)),
            Err(error) => Err((s, UpgradeError::Convert(error))),
        }
    }

    /// The data, for who lets it go for a while.
    pub(crate) fn data(s: &Self) -> Data<T> {
        s.data
    }

    /// Its parts, for an awaited conversion.
    pub(crate) fn into_parts(self) -> (H, Data<T>) {
        (self.hold, self.data)
    }
}

impl<H, T: ?Sized> Deref for ReadGuard<H, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: G2; nobody writes: G4.
        unsafe { &*self.data.0 }
    }
}

/// Access to what a [`Guarded`](crate::Guarded) protects, for reading and
/// writing; dropped, it releases.
///
/// `H` is the hold: a [`Hold`](crate::Hold), or one that keeps the data alive;
/// the bound `Holding` means these, and cannot be implemented elsewhere.
/// `ModeOf<H>` is the mode of its rules,
/// [`Rules::Mode`](crate::Rules::Mode). Each backend has the
/// first as its `GuardedWriteGuard`, by which a function takes one:
///
/// ```
/// use portunus::Rules;
/// use portunus::sync::{Guarded, GuardedWriteGuard};
///
/// fn len<R: Rules>(guard: &GuardedWriteGuard<'_, R, String>) -> (R::Mode, usize) {
///     (GuardedWriteGuard::mode(guard), guard.len())
/// }
/// # use portunus::rules::{Access, ReadWrite};
/// # let text = Guarded::new(ReadWrite, String::from("four"));
/// # assert_eq!(len(&text.write(Access::Write)?), (Access::Write, 4));
/// # Ok::<(), portunus::NotExclusive<Access>>(())
/// ```
///
/// It may be moved to another thread and dropped there. Forgotten, it holds for
/// ever.
#[must_use = "a guard that is dropped at once releases at once"]
pub struct WriteGuard<H, T: ?Sized> {
    hold: H,
    data: Data<T>,
}

impl<H: Holding, T: ?Sized> WriteGuard<H, T> {
    /// Of a hold of the lock of these data, in this mode: G2, G3.
    #[inline(always)]
    pub(crate) fn new(hold: H, data: Data<T>, mode: ExclusiveMode<H::Rules>) -> Self {
        if !hold.units().is_of(mode.index()) {
            stop("a writer's hold is not in an exclusive mode");
        }
        Self { hold, data }
    }

    /// The mode in which it holds.
    pub fn mode(s: &Self) -> ModeOf<H> {
        s.hold.units().mode()
    }

    /// The hold.
    pub fn hold(s: &Self) -> &H {
        &s.hold
    }

    /// The data, for who lets it go for a while.
    pub(crate) fn data(s: &Self) -> Data<T> {
        s.data
    }

    /// Its mode, for who asks for it again.
    pub(crate) fn exclusive_mode(s: &Self) -> ExclusiveMode<H::Rules> {
        ExclusiveMode::held(s.hold.units())
    }

    /// Narrows it to a part of the data. The hold stays as it is.
    ///
    /// ```
    /// use portunus::rules::{Access, ReadWrite};
    /// use portunus::sync::{Guarded, GuardedWriteGuard};
    ///
    /// let pair = Guarded::new(ReadWrite, (1, "one"));
    /// let mut number = GuardedWriteGuard::map(pair.write(Access::Write)?, |pair| &mut pair.0);
    /// *number += 1;
    /// drop(number);
    /// assert_eq!(*pair.read(Access::Read), (2, "one"));
    /// # Ok::<(), portunus::NotExclusive<Access>>(())
    /// ```
    pub fn map<U: ?Sized>(mut s: Self, f: impl FnOnce(&mut T) -> &mut U) -> MappedWriteGuard<H, U> {
        let part = PartMut::new(f(&mut s));
        MappedWriteGuard::new(s.hold, part)
    }

    /// Narrows it to a part of the data, if there is one.
    ///
    /// # Errors
    ///
    /// The guard, if there is none.
    pub fn try_map<U: ?Sized>(
        mut s: Self,
        f: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<MappedWriteGuard<H, U>, Self> {
        match f(&mut s).map(PartMut::new) {
            Some(part) => Ok(MappedWriteGuard::new(s.hold, part)),
            None => Err(s),
        }
    }

    /// Makes the writer a reader in one step: nobody writes in between. Those
    /// whom the new mode lets in enter at once.
    ///
    /// It never waits. The new mode may be any, also an exclusive one: that can
    /// be [upgraded](ReadGuard::try_upgrade) again at once.
    ///
    /// ```
    /// use portunus::rules::{Access, ReadWrite};
    /// use portunus::sync::{Guarded, GuardedWriteGuard};
    ///
    /// let number = Guarded::new(ReadWrite, 1);
    /// let mut writing = number.write(Access::Write)?;
    /// *writing += 1;
    /// let Ok(reading) = GuardedWriteGuard::downgrade(writing, Access::Read) else {
    ///     unreachable!("an empty lock admits a reader");
    /// };
    /// assert_eq!(*reading, *number.read(Access::Read));
    /// # Ok::<(), portunus::NotExclusive<Access>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The guard, and [`ConvertError::Impossible`]: not even an empty lock
    /// admits the new mode.
    pub fn downgrade(
        mut s: Self,
        mode: ModeOf<H>,
    ) -> Result<ReadGuard<H, T>, (Self, ConvertError)> {
        let request = hold::conversion(&s.hold, mode);
        // Alone inside: what is not admitted now never is.
        if hold::try_convert(&mut s.hold, request) {
            Ok(ReadGuard::new(s.hold, s.data))
        } else {
            Err((s, ConvertError::Impossible))
        }
    }
}

impl<H, T: ?Sized> Deref for WriteGuard<H, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: G2; nobody else writes: G4.
        unsafe { &*self.data.0 }
    }
}

impl<H, T: ?Sized> DerefMut for WriteGuard<H, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: G2; nobody else reads or writes: G4.
        unsafe { &mut *self.data.0 }
    }
}

/// Shows guards as what they give access to.
macro_rules! shown {
    ($($guard:ident),+) => {$(
        impl<H, T: ?Sized + fmt::Debug> fmt::Debug for $guard<H, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }

        impl<H, T: ?Sized + fmt::Display> fmt::Display for $guard<H, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    )+};
}
pub(super) use shown;

shown!(ReadGuard, WriteGuard);
