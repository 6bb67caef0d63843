//! A first come, first served lock with the user's own modes.

use core::fmt;

use crate::atomic::constructor;
use crate::backend::Backend;
use crate::error::TooMany;
use crate::hold::{Hold, Units};
use crate::raw::lock::RawFifoLock;
use crate::raw::mode::{Mode, Rules, index_of};
use crate::wait::Limit;
use crate::wait::node::{NO_MODE, Request};

/// A first come, first served lock with the user's own modes.
///
/// An enum of modes and one predicate over who is inside, a [`Rules`], make
/// it a mutex, a readers-writer lock, a semaphore, a database's intention
/// lock, or whatever is needed. Taking and releasing it costs one
/// compare-and-swap and one subtraction when it is free, whatever the modes.
///
/// The lock protects no data of its own: it says who may be inside. With data it
/// is a [`Guarded`](crate::Guarded); if a mutex or a readers-writer lock is all
/// you need, use `Mutex` and `RwLock`.
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
/// them: threads, tasks, and (on `critical`) futures that interrupt handlers
/// poll stand in one line. Those at the head that fit together enter together. A request that
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
        self.enter(request(mode, 1))
    }

    /// Enters in `mode` if that is possible now.
    ///
    /// Never blocks, and never overtakes: while somebody waits in the mode's
    /// lane or a better one, or a conversion into one of them, the answer is
    /// `None`.
    ///
    /// # Panics
    ///
    /// As [`acquire`](Self::acquire).
    #[inline]
    #[doc(alias = "try_lock")]
    pub fn try_acquire(&self, mode: R::Mode) -> Option<Hold<'_, R, B>> {
        self.try_enter(request(mode, 1))
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
    ///
    /// # Panics
    ///
    /// As [`acquire`](Self::acquire).
    pub fn acquire_many(&self, mode: R::Mode, weight: u32) -> Result<Hold<'_, R, B>, TooMany> {
        self.check_weight(mode, weight)?;
        let request = request(mode, weight);
        if weight == 0 {
            return Ok(self.hold(request, false));
        }
        Ok(self.enter(request))
    }

    /// Enters with `weight` units of `mode` if that is possible now.
    ///
    /// As [`try_acquire`](Self::try_acquire), for rules with
    /// [`Rules::WEIGHTED`].
    ///
    /// # Errors
    ///
    /// [`TooMany`] when not even an empty lock would admit so many.
    ///
    /// # Panics
    ///
    /// As [`acquire`](Self::acquire).
    pub fn try_acquire_many(
        &self,
        mode: R::Mode,
        weight: u32,
    ) -> Result<Option<Hold<'_, R, B>>, TooMany> {
        self.check_weight(mode, weight)?;
        let request = request(mode, weight);
        let entered = weight == 0 || self.raw.try_acquire(request);
        Ok(entered.then(|| self.hold(request, false)))
    }

    pub(crate) fn check_weight(&self, mode: R::Mode, weight: u32) -> Result<(), TooMany> {
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
    ///
    /// It takes time in proportion to the line, and keeps others from joining
    /// or leaving it meanwhile.
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

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &R {
        self.raw.rules()
    }

    /// Enters, blocking.
    #[inline(always)]
    pub(crate) fn enter(&self, request: Request) -> Hold<'_, R, B> {
        self.hold(request, self.raw.acquire_blocking(request))
    }

    /// Enters, blocking, with what a hold had: maybe nothing.
    pub(crate) fn enter_again(&self, request: Request) -> Hold<'_, R, B> {
        if request.weight == 0 { self.hold(request, false) } else { self.enter(request) }
    }

    /// Enters, blocking no longer than `limit`.
    #[inline(always)]
    pub(crate) fn enter_limited(
        &self,
        request: Request,
        limit: &impl Limit,
    ) -> Option<Hold<'_, R, B>> {
        self.raw.acquire(request, limit).map(|lined| self.hold(request, lined))
    }

    /// Enters now, or not at all.
    #[inline(always)]
    pub(crate) fn try_enter(&self, request: Request) -> Option<Hold<'_, R, B>> {
        self.raw.try_acquire(request).then(|| self.hold(request, false))
    }

    /// The hold of who has entered by this request.
    #[inline(always)]
    pub(crate) fn hold(&self, request: Request, lined: bool) -> Hold<'_, R, B> {
        Hold::new(self, Units::of(request, lined))
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
