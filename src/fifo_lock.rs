//! A first come, first served lock with the user's own modes.

use core::cell::Cell;
use core::fmt;
use core::mem;

use crate::atomic::constructor;
use crate::backend::Backend;
use crate::error::{ConvertError, TooMany};
use crate::raw::lock::{Conversion, RawFifoLock};
use crate::raw::mode::{Mode, Rules, index_of};
use crate::wait::node::{NO_MODE, Request};
use crate::wait::{Forever, Limit};

/// A first come, first served lock with the user's own modes.
///
/// An enum of modes and one predicate over who is inside, a [`Rules`], make
/// it a mutex, a readers-writer lock, a semaphore, a database's intention
/// lock, or whatever is needed. Taking and releasing it costs one
/// compare-and-swap and one subtraction when it is free, whatever the modes.
///
/// The lock protects no data of its own: it says who may be inside.
///
/// ```
/// use portunus::{Held, Rules, sync::FifoLock};
///
/// // A swimming pool: swimmers and a school class share it, a gala does not.
/// portunus::modes! { pub enum Pool { Swimmer, Class, Gala } }
/// use Pool::*;
///
/// pub struct House;
///
/// impl Rules for House {
///     type Mode = Pool;
///     fn admits(&self, mode: Pool, held: &Held<Pool>) -> bool {
///         match mode {
///             Swimmer => held[Gala] == 0 && held[Swimmer] < 30,
///             Class => held[Gala] == 0 && held[Class] == 0,
///             Gala => held.is_empty(),
///         }
///     }
/// }
///
/// static POOL: FifoLock<House> = FifoLock::new(House);
///
/// let swimmer = POOL.acquire(Swimmer);
/// let class = POOL.acquire(Class);
/// assert!(POOL.try_acquire(Gala).is_none());
/// assert_eq!(POOL.holders(Swimmer), 1);
/// drop((swimmer, class));
/// assert!(!POOL.is_locked());
/// ```
///
/// # Fairness
///
/// Requests are served strictly in the order in which they came, whoever makes
/// them: threads, tasks, and (on `critical`) interrupt handlers stand in one
/// line. Those at the head that fit together enter together. A request that
/// would fit does not pass one that does not, unless the rule puts it into a
/// better lane. When a request is cancelled, those whom it kept out enter at
/// once.
///
/// Between futures of *one* task the order may change, see
/// [`acquire_async`](Self::acquire_async).
///
/// # Re-entrance
///
/// There is none: a party that asks again for what it holds waits for itself.
#[doc(alias = "mode lock")]
#[doc(alias = "lock manager")]
pub struct FifoLock<R: Rules, B: Backend> {
    raw: RawFifoLock<R, B>,
}

/// The request for `weight` units of `mode`.
#[inline(always)]
pub(crate) fn request<M: Mode>(mode: M, weight: u32) -> Request {
    Request { mode: index_of(mode), from: NO_MODE, weight }
}

impl<R: Rules, B: Backend> FifoLock<R, B> {
    constructor! {
        /// A lock with these rules and nobody inside.
        ///
        /// Rules whose modes don't fit into the word don't compile.
        #[must_use]
        pub fn new(rules: R) -> Self {
            Self { raw: RawFifoLock::new(rules) }
        }
    }

    /// Enters in `mode`, waiting in line until its turn comes.
    ///
    /// # Blocking
    ///
    /// Blocks the calling thread or core. In async code use
    /// [`acquire_async`](Self::acquire_async).
    ///
    /// A mode that the rule never admits waits for ever, and so does everybody
    /// behind it.
    ///
    /// # Panics
    ///
    /// If the rules do, or a hand-written [`Mode::index`] is out of range.
    #[inline]
    #[doc(alias = "lock")]
    #[doc(alias = "FifoLock.__call__")]
    pub fn acquire(&self, mode: R::Mode) -> Hold<'_, R, B> {
        match self.raw.acquire(request(mode, 1), &Forever) {
            Some(lined) => self.hold(mode, 1, lined),
            None => unreachable!("waiting without a limit ends with the lock"),
        }
    }

    /// Enters in `mode` if that is possible now.
    ///
    /// Never blocks, and never overtakes: while somebody waits in the mode's
    /// lane or a better one, or a conversion into one of them, the answer is
    /// `None`.
    #[inline]
    #[doc(alias = "try_lock")]
    pub fn try_acquire(&self, mode: R::Mode) -> Option<Hold<'_, R, B>> {
        self.raw.try_acquire(request(mode, 1)).then(|| self.hold(mode, 1, false))
    }

    /// Enters with `weight` units of `mode`, waiting in line until all of
    /// them are there at once.
    ///
    /// Nobody behind it is served in between, so that a heavy request does not
    /// starve. A weight of 0 asks for nothing: it never waits.
    ///
    /// Compiles only for rules with [`Rules::WEIGHTED`].
    ///
    /// ```
    /// use portunus::rules::{Permit, Semaphore};
    /// use portunus::sync::FifoLock;
    ///
    /// let lock = FifoLock::new(Semaphore::new(3));
    /// let two = lock.acquire_many(Permit::Permit, 2)?;
    /// assert!(lock.acquire_many(Permit::Permit, 4).is_err());
    /// # drop(two);
    /// # Ok::<(), portunus::TooMany>(())
    /// ```
    ///
    /// # Blocking
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Errors
    ///
    /// [`TooMany`] when not even an empty lock would admit so many.
    pub fn acquire_many(&self, mode: R::Mode, weight: u32) -> Result<Hold<'_, R, B>, TooMany> {
        self.check_weight(mode, weight)?;
        if weight == 0 {
            return Ok(self.hold(mode, 0, false));
        }
        match self.raw.acquire(request(mode, weight), &Forever) {
            Some(lined) => Ok(self.hold(mode, weight, lined)),
            None => unreachable!("waiting without a limit ends with the lock"),
        }
    }

    /// Enters with `weight` units of `mode` if that is possible now.
    ///
    /// As [`try_acquire`](Self::try_acquire), for rules with
    /// [`Rules::WEIGHTED`].
    ///
    /// # Errors
    ///
    /// [`TooMany`] when not even an empty lock would admit so many.
    pub fn try_acquire_many(
        &self,
        mode: R::Mode,
        weight: u32,
    ) -> Result<Option<Hold<'_, R, B>>, TooMany> {
        self.check_weight(mode, weight)?;
        let entered = weight == 0 || self.raw.try_acquire(request(mode, weight));
        Ok(entered.then(|| self.hold(mode, weight, false)))
    }

    pub(crate) fn check_weight(&self, mode: R::Mode, weight: u32) -> Result<(), TooMany> {
        const { assert!(R::WEIGHTED, "set Rules::WEIGHTED to let requests weigh more than one") };
        if weight == 0 {
            return Ok(());
        }
        TooMany::check(weight, self.raw.heaviest(mode, weight) as usize)
    }

    /// How many units of `mode` are held now: a snapshot.
    pub fn holders(&self, mode: R::Mode) -> usize {
        self.raw.held()[mode]
    }

    /// How many requests wait now: a snapshot.
    ///
    /// It takes time in proportion to the line, and keeps others from joining
    /// or leaving it meanwhile.
    #[doc(alias = "waiters")]
    pub fn waiting(&self) -> usize {
        self.raw.waiting()
    }

    /// Whether anybody is inside now, in any mode: a snapshot.
    pub fn is_locked(&self) -> bool {
        self.raw.is_locked()
    }

    /// The rules.
    pub fn rules(&self) -> &R {
        self.raw.rules()
    }

    #[inline(always)]
    pub(crate) fn hold(&self, mode: R::Mode, weight: u32, lined: bool) -> Hold<'_, R, B> {
        Hold { lock: self, mode, weight, lined }
    }

    pub(crate) fn raw(&self) -> &RawFifoLock<R, B> {
        &self.raw
    }
}

impl<R: Rules + Default, B: Backend> Default for FifoLock<R, B> {
    fn default() -> Self {
        Self::new(R::default())
    }
}

/// Shows the counts by mode and the length of the line; never blocks.
impl<R: Rules, B: Backend> fmt::Debug for FifoLock<R, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt_as("FifoLock", f)
    }
}

/// A hold on a [`FifoLock`]: dropped, it releases.
///
/// It may be moved to another thread and dropped there. Forgotten, it holds
/// for ever.
///
/// # Panics
///
/// Dropping it panics if the rule or a waker does while others are let in.
#[must_use = "a hold that is dropped at once releases at once"]
#[doc(alias = "guard")]
pub struct Hold<'a, R: Rules, B: Backend> {
    lock: &'a FifoLock<R, B>,
    mode: R::Mode,
    weight: u32,
    lined: bool,
}

impl<'a, R: Rules, B: Backend> Hold<'a, R, B> {
    /// The mode in which it holds.
    #[inline]
    pub fn mode(&self) -> R::Mode {
        self.mode
    }

    /// How many units it holds.
    #[inline]
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// The lock that it holds.
    #[inline]
    pub fn lock(&self) -> &'a FifoLock<R, B> {
        self.lock
    }

    /// Changes its mode in one step, if that is possible now.
    ///
    /// It never lets go in between. Whoever waits is not asked: the hold is
    /// inside already. Those whom the new mode lets in enter at once.
    ///
    /// Compiles only for rules with [`Rules::CONVERTS`].
    #[doc(alias = "upgrade")]
    #[doc(alias = "downgrade")]
    pub fn try_convert(&mut self, mode: R::Mode) -> bool {
        let request = self.conversion(mode);
        if request.weight == 0 {
            self.mode = mode;
            return true;
        }
        let Some(due) = self.lock.raw.try_convert(request) else { return false };
        // Before the grant: that may unwind.
        self.mode = mode;
        if due {
            self.lock.raw.grant_now();
        }
        true
    }

    /// Changes its mode in one step, waiting until that is possible.
    ///
    /// ```
    /// use portunus::rules::{Access, ReadWrite};
    /// use portunus::sync::FifoLock;
    ///
    /// let lock = FifoLock::new(ReadWrite);
    /// let mut hold = lock.acquire(Access::Read);
    /// hold.convert(Access::Write)?;
    /// assert_eq!(hold.mode(), Access::Write);
    /// # Ok::<(), portunus::ConvertError>(())
    /// ```
    ///
    /// # Fairness
    ///
    /// A conversion stands ahead of the lane of the mode that it wants, and is
    /// judged before all requests: it holds already, and who waits for it to go
    /// would otherwise wait for ever. Conversions into one lane are served in
    /// the order in which they came, except that one that can't be served yet
    /// does not hold up another.
    ///
    /// # Blocking
    ///
    /// Blocks the calling thread or core. In async code use
    /// [`convert_async`](Self::convert_async).
    ///
    /// # Errors
    ///
    /// The hold is as it was. [`ConvertError::Deadlock`]: another conversion
    /// waits, and neither could be served while the other keeps its hold.
    /// [`ConvertError::Impossible`]: the new mode never admits so many units.
    pub fn convert(&mut self, mode: R::Mode) -> Result<(), ConvertError> {
        self.convert_limited(mode, &Forever)
    }

    pub(crate) fn convert_limited(
        &mut self,
        mode: R::Mode,
        limit: &impl Limit,
    ) -> Result<(), ConvertError> {
        let request = self.conversion(mode);
        if request.weight == 0 {
            self.mode = mode;
            return Ok(());
        }
        /// Notes the mode that the hold has, also when waiting unwinds.
        struct Noting<'h, 'a, R: Rules, B: Backend> {
            hold: &'h mut Hold<'a, R, B>,
            mode: R::Mode,
            converted: Cell<bool>,
        }
        impl<R: Rules, B: Backend> Drop for Noting<'_, '_, R, B> {
            fn drop(&mut self) {
                if self.converted.get() {
                    self.hold.mode = self.mode;
                }
            }
        }
        let raw = &self.lock.raw;
        let noting = Noting { hold: self, mode, converted: Cell::new(false) };
        let ended = raw.convert(request, limit, &noting.converted);
        drop(noting);
        match ended {
            Conversion::Done(due) => {
                if due {
                    raw.grant_now();
                }
                Ok(())
            }
            Conversion::Deadlock => Err(self.refusal(request)),
            Conversion::TooLong => Err(ConvertError::TimedOut),
        }
    }

    /// Notes a mode that a conversion has given it.
    pub(crate) fn set_mode(&mut self, mode: R::Mode) {
        self.mode = mode;
    }

    /// The request for changing into `mode`.
    pub(crate) fn conversion(&self, mode: R::Mode) -> Request {
        const { assert!(R::CONVERTS, "set Rules::CONVERTS to let holds change their mode") };
        Request { mode: index_of(mode), from: index_of(self.mode), weight: self.weight }
    }

    /// Why a conversion was refused.
    pub(crate) fn refusal(&self, request: Request) -> ConvertError {
        if self.lock.raw.is_possible(request) {
            ConvertError::Deadlock
        } else {
            ConvertError::Impossible
        }
    }

    /// What [`FifoLock::hold`] makes a hold of; nothing is released.
    pub(crate) fn into_parts(self) -> (R::Mode, u32, bool) {
        let parts = (self.mode, self.weight, self.lined);
        mem::forget(self);
        parts
    }
}

impl<R: Rules, B: Backend> Drop for Hold<'_, R, B> {
    #[inline]
    fn drop(&mut self) {
        if R::WEIGHTED && self.weight == 0 {
            return;
        }
        self.lock.raw.release(request(self.mode, self.weight), self.lined);
    }
}

impl<R: Rules, B: Backend> fmt::Debug for Hold<'_, R, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").field("mode", &self.mode).field("weight", &self.weight).finish()
    }
}
