//! A number that processes share, and that nobody owns.

use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;
use std::time::Instant;

use super::attach::Attachment;
use super::content::{Content, Site};
use super::error::Error;
use super::fault::{Point, point};
use super::format::{Plan, counter, kind};
use super::sys;
use crate::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::counter::CounterError;
use crate::wait::until::Until;
use crate::wait::{Forever, Left, Limit};

/// A number that processes share: it is counted up and down, and waited for.
///
/// Nobody owns what was counted: a process that dies takes nothing back. So
/// one process may count what another one consumes. For permits that come
/// back, use a [`Semaphore`](super::Semaphore).
///
/// ```
/// use portunus::shm::{Counter, Name, Options, Segment};
/// use portunus::CounterError;
/// use portunus::Counter as _;
///
/// let name = Name::random();
/// let jobs: Segment<Counter> = Segment::create(&name, &Options::new(), 0)?;
///
/// jobs.add(2)?;
/// assert_eq!(jobs.wait_until(|jobs| jobs >= 2), 2);
/// assert_eq!(jobs.decrement(), Ok(1));
/// assert_eq!(jobs.sub(2), Err(CounterError::Underflow));
/// assert_eq!(jobs.value(), 1);
/// # Segment::unlink(&name)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Death
///
/// A change is one step. Who is killed right after it wakes nobody: those who
/// wait see the new number at their next look, within five times
/// [`Options::poll`](super::Options::poll).
///
/// # Panics
///
/// Every operation panics in a child of `fork`.
#[doc(alias = "ValueCounter")]
#[doc(alias = "event count")]
pub struct Counter {
    attachment: Arc<Attachment>,
    at: u64,
}

impl Content for Counter {
    /// The number to begin with.
    type Init = u64;

    fn plan(plan: &mut Plan) {
        plan.fingerprint.text("Counter");
        plan.object(kind::COUNTER, counter::LEN);
    }

    fn create(site: &mut Site<'_>, init: &u64) -> Result<(), Error> {
        let at = site.next(kind::COUNTER, counter::LEN)?;
        // Ordering: Relaxed, nobody sees it yet.
        site.map().u64(at + counter::VALUE).store(*init, Ordering::Relaxed);
        Ok(())
    }

    fn open(site: &mut Site<'_>) -> Result<Self, Error> {
        let at = site.next(kind::COUNTER, counter::LEN)?;
        Ok(Self { attachment: Arc::clone(site.attachment()), at })
    }
}

impl Counter {
    fn number(&self) -> &AtomicU64 {
        self.attachment.check();
        self.attachment.map().u64(self.at + counter::VALUE)
    }

    pub(super) fn changes(&self) -> &AtomicU32 {
        self.attachment.map().u32(self.at + counter::CHANGES)
    }

    fn sleepers(&self) -> &AtomicU32 {
        self.attachment.map().u32(self.at + counter::SLEEPERS)
    }

    /// Counts `count` more, and says how many these are.
    ///
    /// # Errors
    ///
    /// [`CounterError::Overflow`]; the number is as it was.
    pub fn add(&self, count: u64) -> Result<u64, CounterError> {
        let limit = u64::MAX;
        self.change(|now| now.checked_add(count).ok_or(CounterError::Overflow { limit }))
    }

    /// Counts `count` less, and says how many are left.
    ///
    /// # Errors
    ///
    /// [`CounterError::Underflow`]; the number is as it was.
    pub fn sub(&self, count: u64) -> Result<u64, CounterError> {
        self.change(|now| now.checked_sub(count).ok_or(CounterError::Underflow))
    }

    fn change<E>(&self, next: impl Fn(u64) -> Result<u64, E>) -> Result<u64, E> {
        let number = self.number();
        // Ordering: Relaxed, the exchange decides.
        let mut now = number.load(Ordering::Relaxed);
        let new = loop {
            let new = next(now)?;
            // Ordering: AcqRel: who counts sees what those did who counted
            // before.
            match number.compare_exchange_weak(now, new, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => break new,
                Err(other) => now = other,
            }
        };
        point(Point::Changed);
        // Ordering: SeqCst, with the one who goes to sleep: it has told so
        // before its last look at the changes, or sees this one.
        self.changes().fetch_add(1, Ordering::SeqCst);
        if self.sleepers().load(Ordering::SeqCst) != 0 {
            sys::futex_wake(self.changes(), i32::MAX);
        }
        self.ring();
        Ok(new)
    }

    /// The processes whose doorbells are to be rung, 64 in each word.
    fn asking(&self) -> impl Iterator<Item = &AtomicU64> {
        let words = self.attachment.tables().processes.div_ceil(64).min(16);
        (0..u64::from(words))
            .map(|word| self.attachment.map().u64(self.at + counter::TASKS + word * 8))
    }

    /// Wakes the tasks that wait, once: their process asks again for those who
    /// go on waiting, so what a dead one asked for is done once.
    pub(super) fn ring(&self) {
        for (word, asking) in self.asking().enumerate() {
            // Ordering: SeqCst, with a task that asks: it has done so before
            // its last look, or sees this change.
            let mut slots = asking.load(Ordering::SeqCst);
            while slots != 0 {
                let slot = slots.trailing_zeros();
                slots &= slots - 1;
                let who = word as u32 * 64 + slot;
                // Before it is not asked for any more: who is stopped in
                // between keeps nobody from the next one's ring. And after it:
                // who has asked again meanwhile asks once more.
                self.attachment.ring(who);
                point(Point::Ringing);
                // Ordering: SeqCst, as above.
                asking.fetch_and(!(1 << slot), Ordering::SeqCst);
                self.attachment.ring(who);
            }
        }
    }

    #[allow(dead_code, reason = "of the feature `async`")]
    pub(super) fn attachment(&self) -> &Arc<Attachment> {
        &self.attachment
    }

    #[allow(dead_code, reason = "of the feature `async`")]
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Blocks until `done` says that the number is right, and says what it is.
    ///
    /// Not every number is seen: it may change again before one looks. `done`
    /// is called with no lock held, and may take its time.
    ///
    /// Unlike `wait_until` of a condition variable or a door, which takes a
    /// deadline, this takes a condition: [`wait_until_for`](Self::wait_until_for)
    /// and [`wait_until_deadline`](Self::wait_until_deadline) limit the time.
    #[doc(alias = "wait_while")]
    #[doc(alias = "wait_where")]
    pub fn wait_until(&self, done: impl FnMut(u64) -> bool) -> u64 {
        match self.wait_limited(done, &Forever) {
            Some(number) => number,
            None => unreachable!("waiting without a limit ends with the number"),
        }
    }

    /// As [`wait_until`](Self::wait_until), but no longer than `timeout`.
    #[doc(alias = "wait_while_for")]
    pub fn wait_until_for(&self, done: impl FnMut(u64) -> bool, timeout: Duration) -> Option<u64> {
        self.wait_limited(done, &Until::after(timeout))
    }

    /// As [`wait_until`](Self::wait_until), but no longer than until
    /// `deadline`.
    #[doc(alias = "wait_while_until")]
    pub fn wait_until_deadline(
        &self,
        done: impl FnMut(u64) -> bool,
        deadline: Instant,
    ) -> Option<u64> {
        self.wait_limited(done, &Until::at(deadline))
    }

    fn wait_limited(&self, mut done: impl FnMut(u64) -> bool, limit: &impl Limit) -> Option<u64> {
        let period = self.attachment.poll() * 5;
        let number = self.number();
        loop {
            // Ordering: SeqCst, see `change`.
            let seen = self.changes().load(Ordering::SeqCst);
            // Ordering: Acquire, pairs with the Release of who counted.
            let now = number.load(Ordering::Acquire);
            if done(now) {
                return Some(now);
            }
            let sleep = match limit.left() {
                Left::Unlimited => period,
                Left::Time(left) => left.min(period),
                Left::Nothing => return None,
            };
            // One who dies asleep stays counted: each change is then a system
            // call dearer, and nothing else.
            self.sleepers().fetch_add(1, Ordering::SeqCst);
            sys::futex_wait(self.changes(), seen, sleep);
            self.sleepers().fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl crate::counter::Counter for Counter {
    fn increment(&self) -> Result<u64, CounterError> {
        self.add(1)
    }

    fn decrement(&self) -> Result<u64, CounterError> {
        self.sub(1)
    }

    fn value(&self) -> u64 {
        // Ordering: Acquire, pairs with the Release of who counted.
        self.number().load(Ordering::Acquire)
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_tuple("Counter");
        match self.attachment.is_ours() {
            true => debug.field(&crate::counter::Counter::value(self)),
            false => debug.field(&format_args!("<forked>")),
        };
        debug.finish()
    }
}
