//! A first come, first served lock with the user's own modes, in a segment.

use core::fmt;
use core::mem;
use core::time::Duration;
use std::time::Instant;

use super::alike;
use super::content::{Content, Site};
use super::convert::Conversion;
use super::error::{Error, OwnerDied};
use super::format::Plan;
use super::raw::RawShmLock;
use super::record::MAX_WEIGHT;
use crate::error::{ConvertError, TooMany};
use crate::raw::mode::{Mode, Rules, index_of};
use crate::wait::node::{NO_MODE, NO_MODE_OR_NEVER, Request};
use crate::wait::until::Until;
use crate::wait::{Forever, Left, Limit};

/// A first come, first served lock with the user's own modes, shared by
/// processes.
///
/// As [`FifoLock`](crate::FifoLock), in a [`Segment`](super::Segment). All
/// processes must have the same rule: what it admits is compared when a
/// segment is opened. A rule that is configured when the lock is made is a
/// [`Carried`](super::Carried) one.
///
/// ```
/// use portunus::rules::{Access, ReadWrite};
/// use portunus::shm::{FifoLock, Name, Options, Segment};
///
/// let name = Name::random();
/// let lock: Segment<FifoLock<ReadWrite>> = Segment::create(&name, &Options::new(), ())?;
///
/// let hold = match lock.acquire(Access::Write) {
///     Ok(hold) => hold,
///     Err(died) => {
///         // Look whether what the lock protects is whole, and mend it.
///         let mut hold = died.into_inner();
///         hold.mark_consistent();
///         hold
///     }
/// };
/// assert!(lock.try_acquire(Access::Read).is_ok_and(|hold| hold.is_none()));
/// # drop(hold);
/// # Segment::unlink(&name)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Fairness
///
/// As [`FifoLock`](crate::FifoLock): strictly in the order of requests, of all
/// threads and tasks of all processes. Recovery keeps it.
///
/// # Death
///
/// Holds of a dead process are given back, its waiters leave the line. If a
/// hold's mode [changes](Rules::changes) what is protected, and the owner's
/// own code was running, all acquisitions in any mode say [`OwnerDied`] until
/// somebody marks it consistent.
///
/// # Blocking
///
/// Who waits looks for a moment, then sleeps. Who is stopped keeps its hold
/// and its place.
///
/// # Panics
///
/// Every operation panics in a child of `fork`; an acquisition also when the
/// segment has no [record](super::Options::records) for it: see
/// [`reserve`](super::Segment::reserve).
#[doc(alias = "robust mutex")]
#[doc(alias = "named lock")]
pub struct FifoLock<R: Rules> {
    raw: RawShmLock<R>,
}

/// The request for `weight` units of `mode`.
#[inline(always)]
pub(super) fn request<M: Mode>(mode: M, weight: u32) -> Request {
    Request { mode: index_of(mode), from: NO_MODE, weight }
}

/// The same, refused when it can't be served.
pub(super) fn or_never<M: Mode>(mode: M, weight: u32) -> Request {
    Request { from: NO_MODE_OR_NEVER, ..request(mode, weight) }
}

impl<R: Rules + Default> Content for FifoLock<R> {
    type Init = ();

    fn plan(plan: &mut Plan) {
        plan.fingerprint.text("FifoLock");
        alike::describe::<R>(&mut plan.fingerprint);
        plan.fingerprint.number(alike::answers(&R::default()));
        RawShmLock::<R>::plan(plan);
    }

    fn create(site: &mut Site<'_>, (): &()) -> Result<(), Error> {
        RawShmLock::create(site, &R::default(), 0)
    }

    fn open(site: &mut Site<'_>) -> Result<Self, Error> {
        Self::open_with(site, R::default())
    }
}

impl<R: Rules + Default> FifoLock<R> {
    /// Makes one of which some units of the first mode are never given out.
    pub(super) fn create_with(site: &mut Site<'_>, taken: u64) -> Result<(), Error> {
        RawShmLock::create(site, &R::default(), taken)
    }
}

impl<R: Rules> FifoLock<R> {
    pub(super) fn open_with(site: &mut Site<'_>, rules: R) -> Result<Self, Error> {
        Ok(Self { raw: RawShmLock::open(site, rules)? })
    }

    #[allow(dead_code, reason = "of the feature `async`")]
    pub(super) fn raw(&self) -> &RawShmLock<R> {
        &self.raw
    }

    /// How many units of the first mode are never given out.
    pub(super) fn withheld(&self) -> usize {
        self.raw.withheld()
    }

    /// Enters in `mode`, waiting in line until its turn comes.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`], with the hold inside.
    #[inline(always)]
    #[doc(alias = "lock")]
    #[doc(alias = "FifoLock.__call__")]
    pub fn acquire(&self, mode: R::Mode) -> Result<Hold<'_, R>, OwnerDied<Hold<'_, R>>> {
        match self.raw.acquire(request(mode, 1), &Forever) {
            Some(record) => self.entered(mode, 1, record),
            None => unreachable!("waiting without a limit ends with the lock"),
        }
    }

    /// Enters in `mode` if that is possible now. Never blocks, and never
    /// overtakes; every now and then it looks whether those who keep it out
    /// are alive.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`], with the hold inside.
    #[inline]
    #[doc(alias = "try_lock")]
    pub fn try_acquire(
        &self,
        mode: R::Mode,
    ) -> Result<Option<Hold<'_, R>>, OwnerDied<Hold<'_, R>>> {
        let record = self.raw.try_acquire(request(mode, 1));
        record.map(|record| self.entered(mode, 1, record)).transpose()
    }

    /// Enters in `mode`, waiting in line no longer than `timeout`. `None`: the
    /// time was over, and the request has left the line.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`], with the hold inside.
    #[doc(alias = "lock_timeout")]
    pub fn acquire_for(
        &self,
        mode: R::Mode,
        timeout: Duration,
    ) -> Result<Option<Hold<'_, R>>, OwnerDied<Hold<'_, R>>> {
        self.acquire_limited(mode, 1, &Until::after(timeout))
    }

    /// Enters in `mode`, waiting in line no longer than until `deadline`.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`], with the hold inside.
    pub fn acquire_until(
        &self,
        mode: R::Mode,
        deadline: Instant,
    ) -> Result<Option<Hold<'_, R>>, OwnerDied<Hold<'_, R>>> {
        self.acquire_limited(mode, 1, &Until::at(deadline))
    }

    /// Enters with `weight` units of `mode`, waiting in line until all of them
    /// are there at once. For 0 it never waits.
    ///
    /// Compiles only for rules with [`Rules::WEIGHTED`].
    ///
    /// # Errors
    ///
    /// [`TooMany`] when not even an empty lock would admit so many, or they are
    /// more than [`MAX_WEIGHT`](Self::MAX_WEIGHT); inside, [`OwnerDied`] with
    /// the hold.
    pub fn acquire_many(
        &self,
        mode: R::Mode,
        weight: u32,
    ) -> Result<Result<Hold<'_, R>, OwnerDied<Hold<'_, R>>>, TooMany> {
        loop {
            // If not: refused, and possible again since.
            if let Some(held) = self.acquire_many_limited(mode, weight, &Forever)?.transpose() {
                return Ok(held);
            }
        }
    }

    /// Enters with `weight` units of `mode` if that is possible now.
    ///
    /// # Errors
    ///
    /// As [`acquire_many`](Self::acquire_many).
    #[allow(clippy::type_complexity, reason = "two kinds of errors, one inside the other")]
    pub fn try_acquire_many(
        &self,
        mode: R::Mode,
        weight: u32,
    ) -> Result<Result<Option<Hold<'_, R>>, OwnerDied<Hold<'_, R>>>, TooMany> {
        self.check_weight(mode, weight)?;
        if weight == 0 {
            return Ok(Ok(Some(self.nothing(mode))));
        }
        let record = self.raw.try_acquire(request(mode, weight));
        Ok(record.map(|record| self.entered(mode, weight, record)).transpose())
    }

    /// Enters with `weight` units of `mode`, waiting in line no longer than
    /// `timeout`.
    ///
    /// # Errors
    ///
    /// As [`acquire_many`](Self::acquire_many).
    #[allow(clippy::type_complexity, reason = "two kinds of errors, one inside the other")]
    pub fn acquire_many_for(
        &self,
        mode: R::Mode,
        weight: u32,
        timeout: Duration,
    ) -> Result<Result<Option<Hold<'_, R>>, OwnerDied<Hold<'_, R>>>, TooMany> {
        self.acquire_many_limited(mode, weight, &Until::after(timeout))
    }

    /// All at once, or an error, also when they become too many in the line.
    #[allow(clippy::type_complexity, reason = "two kinds of errors, one inside the other")]
    fn acquire_many_limited(
        &self,
        mode: R::Mode,
        weight: u32,
        limit: &impl Limit,
    ) -> Result<Result<Option<Hold<'_, R>>, OwnerDied<Hold<'_, R>>>, TooMany> {
        loop {
            self.check_weight(mode, weight)?;
            if weight == 0 {
                return Ok(Ok(Some(self.nothing(mode))));
            }
            if let Some(record) = self.raw.acquire(or_never(mode, weight), limit) {
                return Ok(self.entered(mode, weight, record).map(Some));
            }
            if limit.left() == Left::Nothing {
                self.check_weight(mode, weight)?;
                return Ok(Ok(None));
            }
        }
    }

    fn acquire_limited(
        &self,
        mode: R::Mode,
        weight: u32,
        limit: &impl Limit,
    ) -> Result<Option<Hold<'_, R>>, OwnerDied<Hold<'_, R>>> {
        if weight == 0 {
            return Ok(Some(self.nothing(mode)));
        }
        let record = self.raw.acquire(request(mode, weight), limit);
        record.map(|record| self.entered(mode, weight, record)).transpose()
    }

    /// The most units that one request may have, whatever the rule says.
    pub const MAX_WEIGHT: u32 = MAX_WEIGHT;

    pub(super) fn check_weight(&self, mode: R::Mode, weight: u32) -> Result<(), TooMany> {
        const { assert!(R::WEIGHTED, "set Rules::WEIGHTED to let requests weigh more than one") };
        if weight == 0 {
            return Ok(());
        }
        TooMany::check(weight, self.raw.heaviest(mode, weight) as usize)
    }

    /// How many units of `mode` are held now: a snapshot.
    #[must_use]
    pub fn holders(&self, mode: R::Mode) -> usize {
        self.raw.held()[mode]
    }

    /// How many requests wait now: a snapshot.
    #[doc(alias = "waiters")]
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.raw.waiting()
    }

    /// Whether anybody is inside now, in any mode: a snapshot.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.raw.is_locked()
    }

    /// Whether no owner died in the middle of a change, or somebody mended it.
    /// It tells without taking the lock, and changes nothing.
    pub fn is_consistent(&self) -> bool {
        self.raw.attachment().check();
        self.raw.deaths() == 0
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &R {
        self.raw.rules()
    }

    #[inline(always)]
    pub(super) fn entered(
        &self,
        mode: R::Mode,
        weight: u32,
        record: u32,
    ) -> Result<Hold<'_, R>, OwnerDied<Hold<'_, R>>> {
        self.raw.note_time(record);
        let mode = number(mode);
        match self.raw.deaths() {
            0 => Ok(Hold { lock: self, mode, weight, record, deaths: 0 }),
            deaths => Err(died(self, mode, weight, record, deaths)),
        }
    }

    pub(super) fn nothing(&self, mode: R::Mode) -> Hold<'_, R> {
        Hold { lock: self, mode: number(mode), weight: 0, record: 0, deaths: 0 }
    }
}

/// Not inlined, and not given a hold: so one that was told of no death is never
/// in memory.
#[cold]
#[inline(never)]
fn died<R: Rules>(
    lock: &FifoLock<R>,
    mode: u32,
    weight: u32,
    record: u32,
    deaths: u32,
) -> OwnerDied<Hold<'_, R>> {
    OwnerDied::new(Hold { lock, mode, weight, record, deaths })
}

/// Notes the mode that a hold has after a conversion, also when that unwinds:
/// its record says it.
struct Noting<'h, 'a, R: Rules>(&'h mut Hold<'a, R>);

impl<R: Rules> Drop for Noting<'_, '_, R> {
    fn drop(&mut self) {
        self.0.note_mode();
    }
}

/// Shows the counts by mode and the length of the line; never blocks.
impl<R: Rules> fmt::Debug for FifoLock<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt_as("FifoLock", f)
    }
}

/// A hold on a [`FifoLock`]: dropped, it releases.
///
/// It may be moved to another thread and dropped there. Forgotten, it holds
/// until the process ends or lets go of the segment. In a child of `fork`,
/// dropping it does nothing.
///
/// # Panics
///
/// Dropping it panics if the rule does while others are let in.
#[must_use = "a hold that is dropped at once releases at once"]
#[doc(alias = "guard")]
pub struct Hold<'a, R: Rules> {
    lock: &'a FifoLock<R>,
    /// Its mode's number, as wide as the others: with no gap between them, all
    /// stay in registers.
    mode: u32,
    weight: u32,
    record: u32,
    /// The deaths that it was told of, 0: none.
    deaths: u32,
}

fn number<M: Mode>(mode: M) -> u32 {
    index_of(mode).into()
}

impl<'a, R: Rules> Hold<'a, R> {
    /// The mode in which it holds.
    #[inline]
    pub fn mode(&self) -> R::Mode {
        <R::Mode as Mode>::ALL[self.mode as usize]
    }

    /// How many units it holds.
    #[inline]
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// The lock that it holds.
    #[inline]
    pub fn lock(&self) -> &'a FifoLock<R> {
        self.lock
    }

    /// Says that what the lock protects is whole: the death that this hold was
    /// told of is not told any more. One that happened since is.
    #[doc(alias = "pthread_mutex_consistent")]
    #[doc(alias = "clear_poison")]
    pub fn mark_consistent(&mut self) {
        if self.deaths != 0 {
            self.lock.raw.attachment().check();
            self.lock.raw.mend(mem::take(&mut self.deaths));
        }
    }

    /// Changes its mode in one step, if that is possible now. See
    /// [`Hold::try_convert`](crate::Hold::try_convert). Never blocks; every now
    /// and then it looks whether those who keep it from that are alive.
    #[doc(alias = "upgrade")]
    #[doc(alias = "downgrade")]
    #[must_use = "if not, it is as it was"]
    pub fn try_convert(&mut self, mode: R::Mode) -> bool {
        let request = self.conversion(mode);
        if request.weight == 0 {
            self.set_mode(mode);
            return true;
        }
        let noting = Noting(self);
        noting.0.lock.raw.try_convert(request, noting.0.record)
    }

    /// Changes its mode in one step, waiting until that is possible, ahead of
    /// everybody. See [`Hold::convert`](crate::Hold::convert).
    ///
    /// A death on the way leaves the hold's units to nobody, in the one mode or
    /// the other. It is reported if both modes change what is protected.
    ///
    /// # Errors
    ///
    /// The hold is as it was: [`ConvertError::Deadlock`], with a conversion of
    /// somebody alive; [`ConvertError::Impossible`].
    pub fn convert(&mut self, mode: R::Mode) -> Result<(), ConvertError> {
        self.convert_limited(mode, &Forever)
    }

    /// Changes its mode, waiting no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// As [`convert`](Self::convert), and [`ConvertError::TimedOut`].
    pub fn convert_for(&mut self, mode: R::Mode, timeout: Duration) -> Result<(), ConvertError> {
        self.convert_limited(mode, &Until::after(timeout))
    }

    fn convert_limited(&mut self, mode: R::Mode, limit: &impl Limit) -> Result<(), ConvertError> {
        let request = self.conversion(mode);
        if request.weight == 0 {
            self.set_mode(mode);
            return Ok(());
        }
        let noting = Noting(self);
        let raw = &noting.0.lock.raw;
        match raw.convert(request, noting.0.record, limit) {
            Conversion::Done => Ok(()),
            Conversion::Deadlock if raw.is_possible(request) => Err(ConvertError::Deadlock),
            Conversion::Deadlock => Err(ConvertError::Impossible),
            Conversion::TooLong => Err(ConvertError::TimedOut),
        }
    }

    #[allow(dead_code, reason = "of the feature `async`")]
    pub(super) fn record(&self) -> u32 {
        self.record
    }

    pub(super) fn set_mode(&mut self, mode: R::Mode) {
        self.mode = number(mode);
    }

    /// The hold without its owner: nobody gives it back.
    pub(super) fn into_raw(self) -> (&'a FifoLock<R>, R::Mode, u32, u32) {
        let parts = (self.lock, self.mode(), self.weight, self.record);
        mem::forget(self);
        parts
    }

    /// Notes the mode that its record says it has.
    pub(super) fn note_mode(&mut self) {
        if self.weight != 0
            && let Some(mode) = self.lock.raw.mode_of(self.record)
        {
            self.set_mode(mode);
            self.lock.raw.note_time(self.record);
        }
    }

    /// Takes some of its units out into a hold of their own; `None` if there
    /// are fewer.
    pub(super) fn split(&mut self, count: u32) -> Option<Self> {
        let rest = self.weight.checked_sub(count)?;
        let part = Hold { weight: count, record: 0, ..*self };
        let mut part = core::mem::ManuallyDrop::new(part);
        if count != 0 {
            if rest == 0 {
                part.record = self.record;
            } else {
                let request = self.request();
                part.record = self.lock.raw.split(request, self.record, count);
                self.lock.raw.note_time(part.record);
            }
            self.weight = rest;
        }
        Some(core::mem::ManuallyDrop::into_inner(part))
    }

    /// Adds the units of another hold, if it is one of the same lock and mode
    /// and they are not too many.
    pub(super) fn merge(&mut self, other: Self) -> Result<(), Self> {
        let sum = self.weight.checked_add(other.weight).filter(|&sum| sum <= MAX_WEIGHT);
        let same = core::ptr::eq(self.lock, other.lock) && self.mode == other.mode;
        let Some(sum) = sum.filter(|_| same) else { return Err(other) };
        if self.weight == 0 {
            self.record = other.record;
        } else if other.weight != 0 {
            self.lock.raw.merge(
                Request { weight: sum, ..self.request() },
                self.record,
                other.record,
            );
        }
        self.weight = sum;
        self.deaths = self.deaths.max(other.deaths);
        mem::forget(other);
        Ok(())
    }

    #[inline(always)]
    fn request(&self) -> Request {
        Request { mode: self.mode as u8, from: NO_MODE, weight: self.weight }
    }

    /// The request for changing into `mode`.
    pub(super) fn conversion(&self, mode: R::Mode) -> Request {
        const { assert!(R::CONVERTS, "set Rules::CONVERTS to let holds change their mode") };
        Request { mode: index_of(mode), from: self.mode as u8, weight: self.weight }
    }
}

impl<R: Rules> Drop for Hold<'_, R> {
    #[inline(always)]
    fn drop(&mut self) {
        if R::WEIGHTED && self.weight == 0 {
            return;
        }
        // By value: so a hold is never in memory.
        release(self.lock, self.mode, self.weight, self.record);
    }
}

#[inline(never)]
fn release<R: Rules>(lock: &FifoLock<R>, mode: u32, weight: u32, record: u32) {
    let weight = if R::WEIGHTED { weight } else { 1 };
    let mode = if <R::Mode as Mode>::COUNT == 1 { 0 } else { mode as u8 };
    lock.raw.release(Request { mode, from: NO_MODE, weight }, record);
}

impl<R: Rules> fmt::Debug for Hold<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").field("mode", &self.mode()).field("weight", &self.weight).finish()
    }
}
