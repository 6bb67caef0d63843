//! Awaiting locks that processes share, on any executor.
//!
//! # Cancel safety
//!
//! Of all these futures: dropped before the first poll, nothing happens.
//! Queued: it leaves the line, and whoever it kept out enters. Granted but not
//! polled since: the lock goes to the next. Once it is ready, dropping the
//! guard releases. The death of the process is the same as a drop.
//!
//! A grant stays with its future until that is polled or dropped: a task that
//! awaits two holds of one lock must poll both.

mod condvar;
mod counter;

use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use futures_core::FusedFuture;

use super::data::ShmType;
use super::error::OwnerDied;
use super::fifo_lock::{FifoLock, Hold, or_never, request};
use super::mutex::{Mutex, MutexGuard};
use super::rwlock::{RwLock, RwLockReadGuard, RwLockUpgradableReadGuard, RwLockWriteGuard};
use super::semaphore::{Permit, Semaphore};
use super::wait_task::{Converted, Seat};
use crate::error::{ConvertError, TooMany};
use crate::raw::mode::Rules;
use crate::rules::{Permit as Unit, Preference, SharedMode, Sole};
use crate::wait::node::Request;

pub use condvar::WaitAsync;

/// Awaits a hold; made by [`FifoLock::acquire_async`].
#[must_use = "a future does nothing unless it is polled"]
pub struct AcquireHold<'a, R: Rules> {
    lock: &'a FifoLock<R>,
    mode: R::Mode,
    weight: u32,
    seat: Seat,
    /// It is refused when it can't be served.
    or_never: bool,
}

impl<'a, R: Rules> AcquireHold<'a, R> {
    fn request(&self) -> Request {
        match self.or_never {
            true => or_never(self.mode, self.weight),
            false => request(self.mode, self.weight),
        }
    }

    /// `None`: it is refused.
    #[allow(clippy::type_complexity, reason = "two ways to hold")]
    fn poll_or_refused(
        &mut self,
        waker: &Waker,
    ) -> Poll<Option<Result<Hold<'a, R>, OwnerDied<Hold<'a, R>>>>> {
        if self.weight == 0 {
            self.seat = Seat::Done;
            return Poll::Ready(Some(Ok(self.lock.nothing(self.mode))));
        }
        let request = self.request();
        let polled = self.lock.raw().poll_acquire(&mut self.seat, request, waker);
        let entered = |record| self.lock.entered(self.mode, self.weight, record);
        polled.map(|record| record.map(entered))
    }
}

// Nothing of it is linked to by address: its place in line is in the segment.
impl<R: Rules> Unpin for AcquireHold<'_, R> {}

impl<'a, R: Rules> Future for AcquireHold<'a, R> {
    type Output = Result<Hold<'a, R>, OwnerDied<Hold<'a, R>>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_or_refused(cx.waker()).map(|held| match held {
            Some(held) => held,
            None => unreachable!("what this lock can give never becomes less"),
        })
    }
}

impl<R: Rules> FusedFuture for AcquireHold<'_, R> {
    fn is_terminated(&self) -> bool {
        self.seat == Seat::Done
    }
}

impl<R: Rules> Drop for AcquireHold<'_, R> {
    fn drop(&mut self) {
        let mut unneeded = None;
        let (request, raw) = (self.request(), self.lock.raw());
        if let Some(record) = raw.abandon(&mut self.seat, request, &mut unneeded) {
            raw.release(request, record);
        }
        // Last: that runs the user's code.
        drop(unneeded);
    }
}

impl<R: Rules> fmt::Debug for AcquireHold<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcquireHold").field("mode", &self.mode).field("seat", &self.seat).finish()
    }
}

impl<R: Rules> FifoLock<R> {
    /// Enters in `mode`, suspending the task until its turn comes.
    ///
    /// Tasks and threads of all processes stand in one line. The first task
    /// that has to wait starts a thread, which ends when none waits.
    ///
    /// # Cancel safety
    ///
    /// See [`future`](super::future).
    ///
    /// # Errors
    ///
    /// [`OwnerDied`], with the hold inside.
    ///
    /// ```
    /// use portunus::rules::{Access, ReadWrite};
    /// use portunus::shm::{FifoLock, Name, Options, Segment};
    ///
    /// # smol::block_on(async {
    /// let name = Name::random();
    /// let lock: Segment<FifoLock<ReadWrite>> = Segment::create(&name, &Options::new(), ())?;
    /// let hold = lock.acquire_async(Access::Write).await.unwrap();
    /// # drop(hold);
    /// # Segment::unlink(&name)?;
    /// # Ok::<(), portunus::shm::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn acquire_async(&self, mode: R::Mode) -> AcquireHold<'_, R> {
        AcquireHold { lock: self, mode, weight: 1, seat: Seat::New, or_never: false }
    }

    /// Enters with `weight` units of `mode`, suspending the task until all of
    /// them are there at once.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_async`](Self::acquire_async).
    ///
    /// # Errors
    ///
    /// [`TooMany`], at once.
    pub fn acquire_many_async(
        &self,
        mode: R::Mode,
        weight: u32,
    ) -> Result<AcquireHold<'_, R>, TooMany> {
        self.check_weight(mode, weight)?;
        Ok(AcquireHold { lock: self, mode, weight, seat: Seat::New, or_never: true })
    }
}

/// Awaits a conversion; made by [`Hold::convert_async`].
#[must_use = "a future does nothing unless it is polled"]
pub struct ConvertHold<'a, R: Rules> {
    hold: Option<Hold<'a, R>>,
    mode: R::Mode,
    seat: Seat,
}

impl<R: Rules> Unpin for ConvertHold<'_, R> {}

impl<'a, R: Rules> Future for ConvertHold<'a, R> {
    type Output = Result<Hold<'a, R>, (Hold<'a, R>, ConvertError)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(hold) = &mut this.hold else { panic!("a future was polled after it was ready") };
        let request = hold.conversion(this.mode);
        let polled = if request.weight == 0 {
            hold.set_mode(this.mode);
            Converted::Done
        } else {
            let raw = hold.lock().raw();
            let polled = raw.poll_convert(&mut this.seat, request, hold.record(), cx.waker());
            match polled {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(polled) => polled,
            }
        };
        let possible = hold.lock().raw().is_possible(request);
        let Some(mut hold) = this.hold.take() else { return Poll::Pending };
        Poll::Ready(match polled {
            Converted::Done => {
                hold.set_mode(this.mode);
                Ok(hold)
            }
            Converted::Deadlock if possible => Err((hold, ConvertError::Deadlock)),
            Converted::Deadlock => Err((hold, ConvertError::Impossible)),
        })
    }
}

impl<R: Rules> FusedFuture for ConvertHold<'_, R> {
    fn is_terminated(&self) -> bool {
        self.hold.is_none()
    }
}

impl<R: Rules> Drop for ConvertHold<'_, R> {
    fn drop(&mut self) {
        let mut unneeded = None;
        let Some(mut hold) = self.hold.take() else { return };
        if matches!(self.seat, Seat::Waits(_)) {
            let request = hold.conversion(self.mode);
            if hold.lock().raw().abandon(&mut self.seat, request, &mut unneeded).is_some() {
                hold.set_mode(self.mode);
            }
        } else {
            // A panic of the rule may have come between the change and this.
            hold.note_mode();
        }
        drop(hold);
        // Last: that runs the user's code.
        drop(unneeded);
    }
}

impl<R: Rules> fmt::Debug for ConvertHold<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConvertHold").field("mode", &self.mode).field("seat", &self.seat).finish()
    }
}

impl<'a, R: Rules> Hold<'a, R> {
    /// Changes its mode in one step, suspending the task until that is
    /// possible. It takes the hold and gives it back.
    ///
    /// # Cancel safety
    ///
    /// The future owns the hold: dropped, it releases it, in the mode that it
    /// has then.
    ///
    /// # Errors
    ///
    /// The hold as it was, and why: see [`convert`](Self::convert).
    pub fn convert_async(self, mode: R::Mode) -> ConvertHold<'a, R> {
        // Compiles only for rules that convert.
        let _ = self.conversion(mode);
        ConvertHold { hold: Some(self), mode, seat: Seat::New }
    }
}

impl<T: ShmType> Mutex<T> {
    /// Takes it, suspending the task until its turn comes.
    ///
    /// # Cancel safety
    ///
    /// See [`future`](super::future): dropped before it is ready, it leaves
    /// the line, or the mutex goes to the next.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`], with the guard inside.
    pub async fn lock_async(&self) -> Result<MutexGuard<'_, T>, OwnerDied<MutexGuard<'_, T>>> {
        self.guarded(self.fifo().acquire_async(Sole::Exclusive).await)
    }
}

impl<T: ShmType, P: Preference> RwLock<T, P> {
    /// Takes shared access, suspending the task until its turn comes.
    ///
    /// # Cancel safety
    ///
    /// See [`future`](super::future): dropped before it is ready, it leaves
    /// the line, or the lock goes to the next.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`], with the guard inside.
    pub async fn read_async(
        &self,
    ) -> Result<RwLockReadGuard<'_, T, P>, OwnerDied<RwLockReadGuard<'_, T, P>>> {
        self.reading(self.fifo().acquire_async(SharedMode::Read).await)
    }

    /// Takes exclusive access, suspending the task until its turn comes.
    ///
    /// # Cancel safety
    ///
    /// See [`future`](super::future): dropped before it is ready, it leaves
    /// the line, or the lock goes to the next.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`], with the guard inside.
    pub async fn write_async(
        &self,
    ) -> Result<RwLockWriteGuard<'_, T, P>, OwnerDied<RwLockWriteGuard<'_, T, P>>> {
        self.writing(self.fifo().acquire_async(SharedMode::Write).await)
    }

    /// Takes shared access that may become exclusive, suspending the task until
    /// its turn comes.
    ///
    /// # Cancel safety
    ///
    /// See [`future`](super::future): dropped before it is ready, it leaves
    /// the line, or the lock goes to the next.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`], with the guard inside.
    #[allow(clippy::type_complexity, reason = "the guard twice")]
    pub async fn upgradable_read_async(
        &self,
    ) -> Result<RwLockUpgradableReadGuard<'_, T, P>, OwnerDied<RwLockUpgradableReadGuard<'_, T, P>>>
    {
        self.upgradable(self.fifo().acquire_async(SharedMode::Upgradable).await)
    }
}

impl<'a, T: ShmType, P: Preference> RwLockUpgradableReadGuard<'a, T, P> {
    /// Becomes the writer, suspending the task until the readers have left.
    ///
    /// # Cancel safety
    ///
    /// It takes the guard: dropped before it is ready, it lets go.
    pub async fn upgrade_async(s: Self) -> RwLockWriteGuard<'a, T, P> {
        let (hold, data) = s.into_parts();
        match hold.convert_async(SharedMode::Write).await {
            Ok(hold) => RwLockWriteGuard::from_parts(hold, data),
            Err(_) => unreachable!("there is one upgradable reader at a time"),
        }
    }
}

impl Semaphore {
    /// Takes a permit, suspending the task until there is one.
    ///
    /// # Cancel safety
    ///
    /// See [`future`](super::future): dropped before it is ready, it leaves
    /// the line, or the permit goes to the next.
    ///
    /// # Errors
    ///
    /// [`OwnerDied`], with the permit inside.
    pub async fn acquire_async(&self) -> Result<Permit<'_>, OwnerDied<Permit<'_>>> {
        let hold = self.fifo().acquire_async(Unit::Permit).await;
        hold.map(Permit::new).map_err(|died| died.map(Permit::new))
    }

    /// Takes `count` permits, suspending the task until all of them are free at
    /// once.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_async`](Self::acquire_async).
    ///
    /// # Errors
    ///
    /// [`TooMany`] when there are fewer permits in all, also when they become
    /// fewer while this waits; inside, [`OwnerDied`] with the permit.
    pub async fn acquire_many_async(
        &self,
        count: u32,
    ) -> Result<Result<Permit<'_>, OwnerDied<Permit<'_>>>, TooMany> {
        loop {
            let future = self.fifo().acquire_many_async(Unit::Permit, count);
            let mut future = future.map_err(TooMany::of_permits)?;
            // Refused, and possible again since: it asks anew.
            if let Some(hold) = poll_fn(|cx| future.poll_or_refused(cx.waker())).await {
                return Ok(hold.map(Permit::new).map_err(|died| died.map(Permit::new)));
            }
        }
    }
}
