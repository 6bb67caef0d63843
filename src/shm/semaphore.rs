//! A number of permits that processes share.

use core::fmt;
use core::time::Duration;
use std::time::Instant;

use super::content::{Content, Site};
use super::error::{Error, OwnerDied};
use super::fifo_lock::{FifoLock, Hold};
use super::format::Plan;
use crate::error::{TooMany, TooManyPermits};
use crate::raw::mode::{Held, PerMode, Rules};
use crate::rules::Permit as Mode;

/// The most permits, less than what the word has room for.
const MAX_PERMITS: u32 = i32::MAX as u32;

/// The rule: the limit of the mode, and nothing else.
///
/// How many permits there are stands in the word: as many units as are missing
/// to [`MAX_PERMITS`] are withheld.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Permits;

impl Rules for Permits {
    type Mode = Mode;
    const LIMITS: PerMode<usize> = PerMode::all(MAX_PERMITS as usize);
    const WEIGHTED: bool = true;
    const CONVERTS: bool = false;

    #[inline(always)]
    fn admits(&self, _: Mode, _: &Held<Mode>) -> bool {
        true
    }

    /// What a permit stands for may be in disorder when its holder dies.
    fn changes(&self, _: Mode) -> bool {
        true
    }
}

/// A number of permits that processes share, handed out first come, first
/// served; those of a dead process come back.
///
/// ```
/// use portunus::shm::{Name, Options, Segment, Semaphore};
///
/// let name = Name::random();
/// let licences: Segment<Semaphore> = Segment::create(&name, &Options::new(), 3)?;
///
/// let one = licences.acquire().unwrap();
/// let two = licences.acquire_many(2)?.unwrap();
/// assert_eq!(licences.available_permits(), 0);
/// # drop((one, two));
/// # Segment::unlink(&name)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Death
///
/// The permits of a dead process come back, and acquisitions say so with
/// [`OwnerDied`], until a permit is marked consistent: whatever the permits
/// stand for may be in disorder. For a count that nobody owns use a
/// [`Counter`](super::Counter).
///
/// Otherwise as [`FifoLock`](super::FifoLock).
#[doc(alias = "BoundedSemaphore")]
#[doc(alias = "sem_open")]
pub struct Semaphore {
    lock: FifoLock<Permits>,
}

/// An acquisition, or the permit with the news of an owner's death.
type Result<G> = core::result::Result<G, OwnerDied<G>>;
/// The same of an attempt, which may come to nothing.
type Attempt<G> = core::result::Result<Option<G>, OwnerDied<G>>;

impl Content for Semaphore {
    /// How many permits there are.
    type Init = u32;

    fn plan(plan: &mut Plan) {
        plan.fingerprint.text("Semaphore");
        FifoLock::<Permits>::plan(plan);
    }

    fn create(site: &mut Site<'_>, permits: &u32) -> core::result::Result<(), Error> {
        let Some(missing) = MAX_PERMITS.checked_sub(*permits) else {
            let (found, most) = ((*permits).into(), MAX_PERMITS.into());
            return Err(Error::Option { name: "permits", found, least: 0, most });
        };
        FifoLock::<Permits>::create_with(site, missing.into())
    }

    fn open(site: &mut Site<'_>) -> core::result::Result<Self, Error> {
        Ok(Self { lock: FifoLock::open(site)? })
    }
}

impl Semaphore {
    #[allow(dead_code, reason = "of the feature `async`")]
    pub(super) fn fifo(&self) -> &FifoLock<Permits> {
        &self.lock
    }

    /// The most permits that a semaphore can have. One request can have up to
    /// [`FifoLock::MAX_WEIGHT`](super::FifoLock::MAX_WEIGHT).
    pub const MAX_PERMITS: u32 = MAX_PERMITS;

    /// Takes a permit, waiting in line until there is one.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`], with the permit inside.
    #[inline]
    pub fn acquire(&self) -> Result<Permit<'_>> {
        self.lock.acquire(Mode::Permit).map(Permit::new).map_err(|died| died.map(Permit::new))
    }

    /// Takes `count` permits, waiting in line until all of them are free at
    /// once. For 0 it never waits.
    ///
    /// # Errors
    ///
    /// [`TooMany`] when there are fewer permits in all, also when they become
    /// fewer while this waits; inside, [`OwnerDied`] with the permit.
    pub fn acquire_many(&self, count: u32) -> core::result::Result<Result<Permit<'_>>, TooMany> {
        let hold = self.lock.acquire_many(Mode::Permit, count).map_err(TooMany::of_permits)?;
        Ok(hold.map(Permit::new).map_err(|died| died.map(Permit::new)))
    }

    /// Takes a permit if one is free and nobody waits.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`], with the permit inside.
    #[inline]
    pub fn try_acquire(&self) -> Attempt<Permit<'_>> {
        attempted(self.lock.try_acquire(Mode::Permit))
    }

    /// Takes `count` permits if they are free and nobody waits.
    ///
    /// # Errors
    ///
    /// As [`acquire_many`](Self::acquire_many).
    pub fn try_acquire_many(
        &self,
        count: u32,
    ) -> core::result::Result<Attempt<Permit<'_>>, TooMany> {
        let hold = self.lock.try_acquire_many(Mode::Permit, count);
        Ok(attempted(hold.map_err(TooMany::of_permits)?))
    }

    /// Takes a permit, waiting in line no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`], with the permit inside.
    pub fn acquire_for(&self, timeout: Duration) -> Attempt<Permit<'_>> {
        attempted(self.lock.acquire_for(Mode::Permit, timeout))
    }

    /// Takes a permit, waiting in line no longer than until `deadline`.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`], with the permit inside.
    pub fn acquire_until(&self, deadline: Instant) -> Attempt<Permit<'_>> {
        attempted(self.lock.acquire_until(Mode::Permit, deadline))
    }

    /// Takes `count` permits, waiting in line no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// As [`acquire_many`](Self::acquire_many).
    pub fn acquire_many_for(
        &self,
        count: u32,
        timeout: Duration,
    ) -> core::result::Result<Attempt<Permit<'_>>, TooMany> {
        let hold = self.lock.acquire_many_for(Mode::Permit, count, timeout);
        Ok(attempted(hold.map_err(TooMany::of_permits)?))
    }

    /// Makes it have so many permits in all, from now on, in all processes.
    ///
    /// With more, those in line that fit enter. With fewer, nothing is taken
    /// from holders: permits that come back go nowhere until there are not more
    /// out than there should be. Requests in line for several permits of which
    /// there are not so many any more end with [`TooMany`]; those for one wait,
    /// as at a gate.
    ///
    /// ```
    /// use portunus::shm::{Options, Segment, Semaphore};
    ///
    /// let (slots, _) = Segment::<Semaphore>::memfd(&Options::new(), 3)?;
    /// let two = slots.acquire_many(2)?.unwrap();
    /// slots.resize(1)?;
    /// assert_eq!((slots.permits(), slots.available_permits()), (1, 0));
    /// drop(two);
    /// assert_eq!(slots.available_permits(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Death
    ///
    /// Who is killed meanwhile has changed the number, or has not.
    ///
    /// # Errors
    ///
    /// [`TooManyPermits`] for more than [`MAX_PERMITS`](Self::MAX_PERMITS);
    /// nothing has changed then.
    #[doc(alias = "add_permits")]
    #[doc(alias = "forget_permits")]
    pub fn resize(&self, permits: u32) -> core::result::Result<(), TooManyPermits> {
        TooManyPermits::check(permits as usize, MAX_PERMITS as usize)?;
        self.lock.raw().withhold((MAX_PERMITS - permits).into());
        Ok(())
    }

    /// How many permits are free now.
    #[must_use]
    pub fn available_permits(&self) -> usize {
        (MAX_PERMITS as usize).saturating_sub(self.lock.holders(Mode::Permit))
    }

    /// How many permits there are in all, free or taken.
    #[must_use]
    pub fn permits(&self) -> usize {
        (MAX_PERMITS as usize).saturating_sub(self.lock.withheld())
    }

    /// How many requests wait now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lock.waiting()
    }

    /// Whether no holder died, or somebody said that all is well since.
    pub fn is_consistent(&self) -> bool {
        self.lock.is_consistent()
    }
}

fn attempted(hold: Attempt<Hold<'_, Permits>>) -> Attempt<Permit<'_>> {
    hold.map(|hold| hold.map(Permit::new)).map_err(|died| died.map(Permit::new))
}

/// Shows the permits and the free ones; never blocks.
impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore").field("lock", &self.lock).finish_non_exhaustive()
    }
}

/// Permits of a [`Semaphore`]: dropped, they go back.
///
/// They may be moved to another thread and dropped there.
#[doc(alias = "SemaphorePermit")]
#[must_use = "a permit that is dropped at once goes back at once"]
pub struct Permit<'a> {
    hold: Hold<'a, Permits>,
}

impl<'a> Permit<'a> {
    pub(super) fn new(hold: Hold<'a, Permits>) -> Self {
        Self { hold }
    }

    /// How many permits these are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.hold.weight()
    }

    /// Says that all is well: the death that this permit was told of is not
    /// told any more.
    pub fn mark_consistent(&mut self) {
        self.hold.mark_consistent();
    }

    /// Takes `count` of them out into a permit of their own; `None` if there
    /// are fewer.
    ///
    /// # Panics
    ///
    /// As an acquisition, for want of a record.
    pub fn split(&mut self, count: u32) -> Option<Self> {
        self.hold.split(count).map(Self::new)
    }

    /// Adds the permits of `other` to these. Another semaphore's come back as
    /// they are, and so do more than one request can have.
    ///
    /// # Errors
    ///
    /// `other`, untouched.
    pub fn merge(&mut self, other: Self) -> core::result::Result<(), Self> {
        self.hold.merge(other.hold).map_err(Self::new)
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("count", &self.count()).finish_non_exhaustive()
    }
}
