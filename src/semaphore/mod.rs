//! A number of permits, handed out first come, first served.

mod closable;
mod face;

use core::cmp;
use core::fmt;
use core::mem;

pub use closable::ClosableSemaphore;
#[allow(unreachable_pub, unused_imports, reason = "futures name them, and they are a feature")]
pub use face::{Again, Counted, Face, Plain, Told, ToldMany};
#[allow(unused_imports, reason = "of observed semaphores")]
pub(crate) use face::{closed, gone};

use crate::atomic::{AtomicUsize, Ordering, constructor};
use crate::backend::Backend;
use crate::error::{TooMany, TooManyPermits};
use crate::raw::lock::{Denied, RawFifoLock, Shift};
use crate::raw::mode::Asked;
use crate::rules::Permit as Mode;
use crate::wait::node::{NO_MODE, NO_MODE_OR_NEVER, Refusal, Request};
use crate::wait::{Forever, Limit};
use crate::{Held, PerMode, Rules};

/// The most permits that a semaphore can have.
///
/// The word has four times the room: a semaphore that was lowered below what is
/// taken counts more than this, at most twice; and closed, [`CLOSED`] more.
pub(crate) const MAX_PERMITS: usize = usize::MAX >> 3;

/// So many units more are withheld from a closed semaphore. Whatever else is
/// counted is less, so that this is one bit of the word.
pub(crate) const CLOSED: usize = (usize::MAX >> 2) + 1;

const _: () = assert!(2 * MAX_PERMITS < CLOSED && CLOSED <= usize::MAX >> 1);

/// The rule of [`Semaphore`]: the limit of the mode, and nothing else.
///
/// How many permits there are stands in the word itself: as many units as are
/// missing to [`MAX_PERMITS`] are withheld from the start. So an acquisition
/// looks at one word, and no limit can be out of date. `withheld` says it once
/// more, for those who ask or guess, and changes with the word under the inner
/// lock.
#[derive(Debug)]
pub(crate) struct Permits {
    withheld: AtomicUsize,
}

impl Permits {
    #[inline(always)]
    fn get(&self) -> usize {
        MAX_PERMITS - self.withheld()
    }
}

impl Rules for Permits {
    type Mode = Mode;
    const LIMITS: PerMode<usize> = PerMode::all(MAX_PERMITS);
    const WEIGHTED: bool = true;
    const CONVERTS: bool = false;
    const REFUSES: bool = true;

    #[inline(always)]
    fn admits(&self, _: Mode, _: &Held<Mode>) -> bool {
        true
    }

    #[inline(always)]
    fn withheld(&self) -> usize {
        // Ordering: Relaxed, a number by itself: what may be taken is in the
        // word.
        self.withheld.load(Ordering::Relaxed)
    }

    fn refusal(&self, asked: &Asked) -> Option<Refusal> {
        if asked.count & CLOSED != 0 {
            return Some(Refusal::Closed);
        }
        let permits = self.get();
        let never = asked.or_never && TooMany::check(asked.weight, permits).is_err();
        never.then_some(Refusal::TooMany(permits))
    }
}

/// One permit, waiting for it as long as it takes: also where there is none at
/// all.
pub(crate) const ONE: Request = Request { mode: 0, from: NO_MODE, weight: 1 };

/// So many permits, or none where there will never be so many.
#[inline(always)]
pub(crate) const fn request(count: u32) -> Request {
    Request { mode: 0, from: NO_MODE_OR_NEVER, weight: count }
}

/// A number of permits, handed out first come, first served.
///
/// ```
/// use portunus::sync::Semaphore;
///
/// static SLOTS: Semaphore = Semaphore::new(3);
///
/// let one = SLOTS.acquire();
/// let two = SLOTS.acquire_many(2)?;
/// assert_eq!(SLOTS.available_permits(), 0);
/// assert!(SLOTS.try_acquire().is_none());
/// drop(two);
/// assert_eq!(SLOTS.available_permits(), 2);
/// # drop(one);
/// # Ok::<(), portunus::TooMany>(())
/// ```
///
/// # Fairness
///
/// Strictly first come, first served. A request for many permits is served
/// when all of them are free at once, and nobody behind it before it.
///
/// With no permits at all, [`acquire`](Self::acquire) waits until there are
/// some, which only a [`resize`](Self::resize) can bring about, or
/// [`add_permits`](Self::add_permits): a gate.
/// [`acquire_many`](Self::acquire_many) errs.
///
/// # Closing
///
/// Once [`close`](Self::close)d it gives out no permit any more, and nobody
/// waits. Whoever is to be told that as a value uses a [`ClosableSemaphore`].
/// Here, where an acquisition has a way to say no, it does, and where it has
/// none, it panics:
///
/// | | after `close` |
/// |---|---|
/// | `try_…` of one, and timed ones of one | `None`, at once |
/// | everything with `many`, but for 0 permits | [`TooMany`] that says so, with the limit 0 |
/// | `acquire`, `acquire_owned`, awaited ones of one | panic |
#[doc(alias = "BoundedSemaphore")]
#[doc(alias = "sem_t")]
pub struct Semaphore<B: Backend> {
    raw: RawFifoLock<Permits, B>,
}

impl<B: Backend> Semaphore<B> {
    /// The most permits that a semaphore can have.
    pub const MAX_PERMITS: usize = MAX_PERMITS;

    constructor! {
        /// With so many permits.
        ///
        /// # Panics
        ///
        /// If there are more than [`MAX_PERMITS`](Self::MAX_PERMITS).
        #[must_use]
        #[track_caller]
        pub fn new(permits: usize) -> Self {
            assert!(permits <= MAX_PERMITS, "a semaphore has at most Semaphore::MAX_PERMITS permits");
            let withheld = MAX_PERMITS - permits;
            let rules = Permits { withheld: AtomicUsize::new(withheld) };
            Self { raw: RawFifoLock::with_units(rules, 0, withheld) }
        }
    }

    /// Takes a permit, waiting in line until there is one.
    ///
    /// # Blocking
    ///
    /// Blocks the calling thread or core. In async code use
    /// [`acquire_async`](Self::acquire_async).
    ///
    /// # Panics
    ///
    /// If it is closed, or becomes so while this waits. (In a release build for
    /// a bare core it [stops](crate#what-it-costs-on-bare-cores).)
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> Permit<'_, B> {
        match self.raw.acquire_or(ONE, &Forever) {
            Ok(lined) => self.permit(1, lined),
            Err(_) => closed(),
        }
    }

    /// Takes `count` permits, waiting in line until all of them are free at
    /// once. For 0 it never waits.
    ///
    /// # Blocking
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Errors
    ///
    /// [`TooMany`] when there are fewer permits in all, or it is closed; also
    /// when that comes about while this waits.
    pub fn acquire_many(&self, count: u32) -> Result<Permit<'_, B>, TooMany> {
        Counted::output(self.wait::<Counted>(request(count)), count)
    }

    /// Takes a permit if one is free and nobody waits.
    #[inline]
    pub fn try_acquire(&self) -> Option<Permit<'_, B>> {
        self.raw.try_acquire(ONE).then(|| self.permit(1, false))
    }

    /// Takes `count` permits if they are free and nobody waits.
    ///
    /// # Errors
    ///
    /// [`TooMany`] when there are fewer permits in all, or it is closed.
    pub fn try_acquire_many(&self, count: u32) -> Result<Option<Permit<'_, B>>, TooMany> {
        Counted::output(self.try_request::<Counted>(request(count)), count)
    }

    /// Makes it a semaphore of so many permits.
    ///
    /// With more, whoever fits now enters before this returns. With fewer, what
    /// is taken stays taken, and nobody enters before enough has come back.
    /// Requests for more than there are now end with [`TooMany`], and those
    /// behind them go on; a request for one that does not ask for a number
    /// ([`acquire`](Self::acquire)) waits until a later `resize` gives one.
    ///
    /// Several at once happen one after the other. A closed semaphore stays
    /// closed.
    ///
    /// ```
    /// use portunus::sync::Semaphore;
    ///
    /// let slots = Semaphore::new(2);
    /// let both = slots.acquire_many(2)?;
    /// slots.resize(1)?;
    /// assert_eq!((slots.permits(), slots.available_permits()), (1, 0));
    /// drop(both);
    /// assert_eq!(slots.available_permits(), 1);
    /// slots.resize(5)?;
    /// assert_eq!(slots.available_permits(), 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Blocking
    ///
    /// It takes the inner lock and, with fewer permits, walks the whole line
    /// under it.
    ///
    /// # Errors
    ///
    /// [`TooManyPermits`] for more than [`MAX_PERMITS`](Self::MAX_PERMITS);
    /// nothing has changed then.
    ///
    /// # Panics
    ///
    /// If a waker does of one whom it lets in or sends away. All is done then,
    /// and all are told.
    pub fn resize(&self, permits: usize) -> Result<(), TooManyPermits> {
        TooManyPermits::check(permits, MAX_PERMITS)?;
        self.change(|_| permits);
        Ok(())
    }

    /// Gives it `permits` more.
    ///
    /// It is one step, so that several at once add up; else as
    /// [`resize`](Self::resize) to more: whoever fits now enters before this
    /// returns.
    ///
    /// ```
    /// use portunus::sync::Semaphore;
    ///
    /// // A gate: the first permit comes later.
    /// let tickets = Semaphore::new(0);
    /// std::thread::scope(|scope| {
    ///     let waiting = scope.spawn(|| tickets.acquire().forget());
    ///     tickets.add_permits(3).expect("there is room");
    ///     waiting.join().expect("no panic");
    /// });
    /// // One was used up, and another is not given out.
    /// assert_eq!(tickets.remove_permits(1), 1);
    /// assert_eq!((tickets.permits(), tickets.available_permits()), (1, 1));
    /// ```
    ///
    /// # Blocking
    ///
    /// It takes the inner lock.
    ///
    /// # Errors
    ///
    /// [`TooManyPermits`] if there would be more than
    /// [`MAX_PERMITS`](Self::MAX_PERMITS); nothing has changed then.
    ///
    /// # Panics
    ///
    /// If a waker does of one whom it lets in. All is done then, and all are
    /// told.
    #[doc(alias = "release")]
    pub fn add_permits(&self, permits: usize) -> Result<(), TooManyPermits> {
        let mut fits = Ok(());
        self.change(|before| {
            let sum = before.saturating_add(permits);
            fits = TooManyPermits::check(sum, MAX_PERMITS);
            if fits.is_ok() { sum } else { before }
        });
        fits
    }

    /// Takes `permits` away from it, or all if there are fewer. Returns how
    /// many these were.
    ///
    /// It is one step, so that several at once add up; else as
    /// [`resize`](Self::resize) to fewer: what is taken stays taken, nobody
    /// enters before enough has come back, and requests for more than there are
    /// then end with [`TooMany`]. For permits that are held there is
    /// [`Permit::forget`].
    ///
    /// # Blocking
    ///
    /// It takes the inner lock, and walks the whole line under it.
    ///
    /// # Panics
    ///
    /// If a waker does of one whom it lets in or sends away. All is done then,
    /// and all are told.
    #[doc(alias = "forget_permits")]
    #[doc(alias = "reduce_permits")]
    pub fn remove_permits(&self, permits: usize) -> usize {
        let mut removed = 0;
        self.change(|before| {
            removed = permits.min(before);
            before - removed
        });
        removed
    }

    /// Makes it a semaphore of as many permits as `after` says, which is told
    /// how many there are, and runs under the inner lock.
    fn change(&self, after: impl FnOnce(usize) -> usize) {
        self.raw.shift(0, |rules, _| {
            let before = rules.get();
            let permits = after(before);
            // Ordering: Relaxed, as in `withheld`; under the inner lock.
            rules.withheld.store(MAX_PERMITS - permits, Ordering::Relaxed);
            match permits.cmp(&before) {
                cmp::Ordering::Less => Shift::Withheld(before - permits),
                cmp::Ordering::Equal => Shift::Stays,
                cmp::Ordering::Greater => Shift::Freed(permits - before),
            }
        });
    }

    /// Gives out no permit any more, and sends everybody in line away.
    ///
    /// Permits that are out stay valid, and come back as usual. A future that
    /// was granted its permit and has not been polled since has it.
    ///
    /// What becomes of requests then is said [above](Self#closing).
    ///
    /// ```
    /// use portunus::{Closed, sync::ClosableSemaphore};
    ///
    /// let slots = ClosableSemaphore::new(1);
    /// let out = slots.acquire()?;
    /// std::thread::scope(|scope| {
    ///     let waiting = scope.spawn(|| slots.acquire().map(drop));
    ///     while slots.waiting() == 0 { std::thread::yield_now(); }
    ///     slots.close();
    ///     assert!(waiting.join().expect("no panic").is_err());
    /// });
    /// drop(out);
    /// # Ok::<(), Closed>(())
    /// ```
    ///
    /// # Blocking
    ///
    /// It takes the inner lock, and walks the whole line under it.
    ///
    /// # Panics
    ///
    /// If a waker does of one whom it sends away. It is closed then, and all
    /// are told.
    pub fn close(&self) {
        self.raw.shift(
            0,
            |_, count| {
                if count & CLOSED == 0 { Shift::Withheld(CLOSED) } else { Shift::Stays }
            },
        );
    }

    /// Whether it has been closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.raw.refusal(ONE).is_some()
    }

    /// How many permits are free now: a snapshot.
    ///
    /// None while more are taken than there are. A closed semaphore counts
    /// those that have come back, though nobody can take them.
    #[must_use]
    pub fn available_permits(&self) -> usize {
        MAX_PERMITS.saturating_sub(self.raw.held()[Mode::Permit] & !CLOSED)
    }

    /// How many permits there are in all, free or taken, without those that
    /// were [forgotten](Permit::forget).
    #[must_use]
    pub fn permits(&self) -> usize {
        self.raw.rules().get()
    }

    /// How many requests wait now.
    ///
    /// Counts them one by one, under the inner lock.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.raw.waiting()
    }

    /// A permit for nothing, for a face that may have to say that it is closed.
    pub(crate) fn nothing<F: Face>(&self) -> Result<Permit<'_, B>, Refusal> {
        if F::TOLD && self.is_closed() {
            return Err(Refusal::Closed);
        }
        Ok(self.permit(0, false))
    }

    /// Waits for as long as it takes.
    #[inline]
    pub(crate) fn wait<F: Face>(&self, request: Request) -> Result<Permit<'_, B>, Refusal> {
        loop {
            // Without a limit it ends with an answer the first time.
            if let Some(permit) = self.wait_within::<F>(request, &Forever)? {
                return Ok(permit);
            }
        }
    }

    /// Waits until `limit`; `None`: that came first.
    #[inline]
    pub(crate) fn wait_within<F: Face>(
        &self,
        request: Request,
        limit: &impl Limit,
    ) -> Result<Option<Permit<'_, B>>, Refusal> {
        if request.weight == 0 {
            return self.nothing::<F>().map(Some);
        }
        match self.raw.acquire_or(request, limit) {
            Ok(lined) => Ok(Some(self.permit(request.weight, lined))),
            Err(Denied::TooLong) => Ok(None),
            Err(Denied::Refused(why)) => Err(why),
        }
    }

    /// Does not wait.
    #[inline]
    pub(crate) fn try_request<F: Face>(
        &self,
        request: Request,
    ) -> Result<Option<Permit<'_, B>>, Refusal> {
        if request.weight == 0 {
            return self.nothing::<F>().map(Some);
        }
        if self.raw.try_acquire(request) {
            return Ok(Some(self.permit(request.weight, false)));
        }
        self.raw.refusal(request).map_or(Ok(None), Err)
    }

    #[inline(always)]
    pub(crate) fn permit(&self, count: u32, lined: bool) -> Permit<'_, B> {
        Permit { semaphore: self, count, lined: u32::from(lined) }
    }

    pub(crate) fn raw(&self) -> &RawFifoLock<Permits, B> {
        &self.raw
    }
}

/// Shows the permits, the free ones, and the length of the line; never blocks.
impl<B: Backend> fmt::Debug for Semaphore<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as("Semaphore", f)
    }
}

impl<B: Backend> Semaphore<B> {
    fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct(name);
        debug.field("permits", &self.permits()).field("available", &self.available_permits());
        if self.is_closed() {
            debug.field("closed", &true);
        }
        match self.raw.try_waiting() {
            Some(waiting) => debug.field("waiting", &waiting),
            None => debug.field("waiting", &format_args!("<locked>")),
        };
        debug.finish()
    }
}

/// Permits of a [`Semaphore`]: dropped, they go back.
///
/// They may be moved to another thread and dropped there.
///
/// ```
/// use portunus::sync::Semaphore;
///
/// static SLOTS: Semaphore = Semaphore::new(5);
///
/// let mut three = SLOTS.acquire_many(3)?;
/// let one = three.split(1).expect("it has three");
/// assert_eq!((three.count(), one.count()), (2, 1));
/// // One goes back elsewhere, two stay here.
/// std::thread::spawn(move || drop(one)).join().expect("no panic");
/// assert_eq!(SLOTS.available_permits(), 3);
/// let other = SLOTS.acquire();
/// three.merge(other).expect("of the same semaphore");
/// assert_eq!(three.count(), 3);
/// # Ok::<(), portunus::TooMany>(())
/// ```
#[doc(alias = "SemaphorePermit")]
#[doc(alias = "SemaphoreGuard")]
#[must_use = "a permit that is dropped at once goes back at once"]
pub struct Permit<'a, B: Backend> {
    semaphore: &'a Semaphore<B>,
    count: u32,
    /// Not 0: they came through the line. As wide, and as free, as it is for the
    /// reason that [`Units`](crate::hold::Units) have.
    lined: u32,
}

impl<'a, B: Backend> Permit<'a, B> {
    /// How many permits these are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The semaphore that they belong to.
    #[must_use]
    pub fn semaphore(&self) -> &'a Semaphore<B> {
        self.semaphore
    }

    /// What [`Semaphore::permit`] makes a permit of; nothing is released.
    pub(crate) fn into_parts(self) -> (u32, bool) {
        let parts = (self.count, self.lined != 0);
        mem::forget(self);
        parts
    }

    /// Takes `count` of them out into a permit of their own; `None` if there
    /// are fewer.
    pub fn split(&mut self, count: u32) -> Option<Self> {
        self.count = self.count.checked_sub(count)?;
        Some(self.semaphore.permit(count, self.lined != 0))
    }

    /// Uses them up: they never go back, and the semaphore has so many
    /// [`permits`](Semaphore::permits) fewer.
    ///
    /// It is one step: as many are free afterwards as before. Requests for more
    /// than there are then end with [`TooMany`], and those behind them go on,
    /// as when it is [resized](Semaphore::resize). If it was lowered below what
    /// is taken, and has fewer permits than these, it has none then, and the
    /// rest goes back.
    ///
    /// ```
    /// use portunus::sync::Semaphore;
    ///
    /// let slots = Semaphore::new(3);
    /// slots.acquire_many(2)?.forget();
    /// assert_eq!((slots.permits(), slots.available_permits()), (1, 1));
    /// assert!(slots.try_acquire_many(2).is_err());
    /// # Ok::<(), portunus::TooMany>(())
    /// ```
    ///
    /// # Blocking
    ///
    /// It takes the inner lock, and walks the whole line under it.
    ///
    /// # Panics
    ///
    /// If a waker does of one whom it lets in or sends away. All is done then,
    /// and all are told.
    pub fn forget(mut self) {
        let semaphore = self.semaphore;
        // A wake-up may unwind: what is used up is not there any more then.
        let count = &mut self.count;
        if *count == 0 {
            return;
        }
        semaphore.raw.shift(0, |rules, _| {
            let permits = rules.get();
            let gone = u32::try_from(permits).map_or(*count, |permits| permits.min(*count));
            *count -= gone;
            let permits = permits - gone as usize;
            // Ordering: Relaxed, as in `withheld`; under the inner lock.
            rules.withheld.store(MAX_PERMITS - permits, Ordering::Relaxed);
            // Withheld instead of held: the word is the same.
            Shift::Withheld(0)
        });
    }

    /// Adds the permits of `other` to these. Another semaphore's come back as
    /// they are, and so do more than `u32::MAX` together.
    ///
    /// # Errors
    ///
    /// `other`, untouched.
    pub fn merge(&mut self, other: Self) -> Result<(), Self> {
        let sum = self.count.checked_add(other.count);
        match sum {
            Some(sum) if core::ptr::eq(self.semaphore, other.semaphore) => {
                self.count = sum;
                mem::forget(other);
                Ok(())
            }
            _ => Err(other),
        }
    }
}

impl<B: Backend> Drop for Permit<'_, B> {
    #[inline]
    fn drop(&mut self) {
        if self.count != 0 {
            self.semaphore.raw.release(request(self.count), self.lined != 0);
        }
    }
}

impl<B: Backend> fmt::Debug for Permit<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("count", &self.count).finish_non_exhaustive()
    }
}
