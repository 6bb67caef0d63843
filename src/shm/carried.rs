//! Rules whose configuration lies in the segment beside the lock.

use core::fmt;

use super::alike;
use super::content::{Content, Site};
use super::data::{Constant, ShmType};
use super::error::Error;
use super::fifo_lock::FifoLock;
use super::format::Plan;
use super::raw::RawShmLock;
use crate::raw::mode::{Asked, Held, PerMode, Rules};
use crate::rules;
use crate::wait::node::Refusal;

/// A rule with configuration that processes share: whoever creates the segment
/// chooses it, whoever opens it gets the same.
///
/// ```
/// use portunus::rules::{self, Permit};
/// use portunus::shm::{Carried, FifoLock, Name, Options, Segment};
///
/// type Licences = FifoLock<Carried<rules::Semaphore>>;
///
/// let name = Name::random();
/// let rule = rules::Semaphore::new(2);
/// let ours: Segment<Licences> = Segment::create(&name, &Options::new(), rule)?;
/// // Another process does not say how many there are.
/// let theirs: Segment<Licences> = Segment::open(&name)?;
///
/// let two = theirs.acquire_many(Permit::Permit, 2)?.unwrap();
/// assert!(ours.try_acquire(Permit::Permit).unwrap().is_none());
/// # drop(two);
/// # Segment::unlink(&name)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Configured: Rules + Sized {
    /// What is written into the segment.
    type Config: ShmType;

    /// The configuration of this rule.
    fn config(&self) -> Self::Config;

    /// The rule with this configuration.
    ///
    /// Another program may have written it: any value must make a rule. That it
    /// admits as it did where the segment was made is compared when the segment
    /// is opened.
    fn configured(config: Self::Config) -> Self;
}

/// The number of permits.
impl Configured for rules::Semaphore {
    type Config = u64;

    fn config(&self) -> u64 {
        self.permits() as u64
    }

    fn configured(permits: u64) -> Self {
        Self::new(usize::try_from(permits).unwrap_or(usize::MAX))
    }
}

/// The rule of a [`FifoLock`] whose configuration lies in the segment: that of
/// `R`, see [`Configured`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Carried<R>(R);

impl<R> Carried<R> {
    /// The rule.
    pub const fn get(&self) -> &R {
        &self.0
    }
}

impl<R: fmt::Debug> fmt::Debug for Carried<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<R: Rules> Rules for Carried<R> {
    type Mode = R::Mode;
    const LIMITS: PerMode<usize> = R::LIMITS;
    const LANES: PerMode<u8> = R::LANES;
    const WEIGHTED: bool = R::WEIGHTED;
    const CONVERTS: bool = R::CONVERTS;
    const REFUSES: bool = R::REFUSES;
    const BY_PRESENCE: bool = R::BY_PRESENCE;
    const EXCLUSIVE: PerMode<bool> = R::EXCLUSIVE;

    #[inline(always)]
    fn admits(&self, mode: R::Mode, held: &Held<R::Mode>) -> bool {
        self.0.admits(mode, held)
    }

    #[inline(always)]
    fn withheld(&self) -> usize {
        self.0.withheld()
    }

    #[inline(always)]
    fn refusal(&self, asked: &Asked) -> Option<Refusal> {
        self.0.refusal(asked)
    }

    fn changes(&self, mode: R::Mode) -> bool {
        self.0.changes(mode)
    }
}

/// What the rule did where the segment was made, and its configuration.
type Answers = Constant<u64>;

impl<R: Configured> Content for FifoLock<Carried<R>> {
    /// The rule.
    type Init = R;

    fn plan(plan: &mut Plan) {
        plan.fingerprint.text("FifoLock, carried");
        alike::describe::<R>(&mut plan.fingerprint);
        RawShmLock::<Carried<R>>::plan(plan);
        Answers::plan(plan);
        Constant::<R::Config>::plan(plan);
    }

    fn create(site: &mut Site<'_>, rule: &R) -> Result<(), Error> {
        // As those who open it will have it.
        let config = rule.config();
        let rule = Carried(R::configured(config));
        RawShmLock::create(site, &rule, 0)?;
        Answers::create(site, alike::answers(&rule))?;
        Constant::create(site, config)
    }

    fn open(site: &mut Site<'_>) -> Result<Self, Error> {
        let mut ahead = site.ahead();
        ahead.skip();
        let found = Answers::read(&mut ahead)?;
        let rule = Carried(R::configured(Constant::read(&mut ahead)?));
        let wanted = alike::answers(&rule);
        if found != wanted {
            return Err(Error::Layout { found, wanted });
        }
        let lock = Self::open_with(site, rule)?;
        *site = ahead;
        Ok(lock)
    }
}
