//! Awaiting data.

#![allow(unsafe_code)]

use core::pin::Pin;
use core::task::{Context, Poll};

use super::fifo_lock::{ConvertKind, HoldKind};
use super::{Acquire, Kind, ReleasableAsync};
use crate::backend::Backend;
use crate::error::ConvertError;
use crate::fifo_lock::request;
use crate::guarded::{
    Data, ExclusiveMode, Guarded, ReadGuard, UpgradeError, Upgraded, WriteGuard, WriteMode,
};
use crate::hold::{self, Hold, Holding, ModeOf};
use crate::raw::mode::Rules;
use crate::raw::waiter::Seat;
use crate::wait::node::{NO_MODE, Request};

/// Awaits a [`ReadGuard`]; made by [`Guarded::read_async`].
pub type ReadGuarded<'a, R, T, B> = Acquire<ReadGuardKind<HoldKind<'a, R, B>, T>>;

/// Awaits a [`WriteGuard`]; made by [`Guarded::write_async`]. `W` is what was
/// asked for: a mode, or an [`ExclusiveMode`].
pub type WriteGuarded<'a, R, T, B, W> = Acquire<WriteGuardKind<HoldKind<'a, R, B>, T, R, W>>;

/// Awaits another mode of a [`ReadGuard`]; made by [`ReadGuard::convert_async`].
pub type ConvertGuard<H, T> = Acquire<ConvertGuardKind<H, T>>;

/// Awaits a [`WriteGuard`]; made by [`ReadGuard::upgrade_async`].
pub type UpgradeGuard<H, T> = Acquire<UpgradeGuardKind<H, T>>;

#[doc(hidden)]
pub struct ReadGuardKind<K, T: ?Sized> {
    hold: K,
    /// Of the lock that `hold` asks for.
    data: Data<T>,
}

impl<K, T: ?Sized> ReadGuardKind<K, T> {
    pub(crate) fn acquire(hold: K, data: Data<T>, request: Request) -> Acquire<Self>
    where
        Self: Kind<Waiter = Seat>,
    {
        Acquire::new(Self { hold, data }, Seat::new(request))
    }
}

impl<K: Kind<Waiter = Seat, Output: Holding>, T: ?Sized> Kind for ReadGuardKind<K, T> {
    type Waiter = Seat;
    type Output = ReadGuard<K::Output, T>;

    #[inline(always)]
    unsafe fn poll(&mut self, seat: Pin<&Seat>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: by this function's contract.
        unsafe { self.hold.poll(seat, cx) }.map(|hold| ReadGuard::new(hold, self.data))
    }

    #[inline(always)]
    unsafe fn cancel(&mut self, seat: Pin<&Seat>) {
        // SAFETY: as `poll`.
        unsafe { self.hold.cancel(seat) };
    }

    fn is_done(seat: &Seat) -> bool {
        seat.is_done()
    }
}

#[doc(hidden)]
pub struct WriteGuardKind<K, T: ?Sized, R: Rules, W: WriteMode<R>> {
    hold: K,
    /// Of the lock that `hold` asks for.
    data: Data<T>,
    /// What is asked for. A refusal is taken by the output.
    mode: Result<ExclusiveMode<R>, Option<W::Refused>>,
}

impl<K, T: ?Sized, R: Rules, W: WriteMode<R>> WriteGuardKind<K, T, R, W>
where
    Self: Kind<Waiter = Seat>,
{
    pub(crate) fn acquire(hold: K, data: Data<T>, mode: W) -> Acquire<Self> {
        let mode = mode.judge().map_err(Some);
        // What is refused never asks.
        let nothing = Request { mode: 0, from: NO_MODE, weight: 0 };
        let request = mode.as_ref().map_or(nothing, |mode| mode.request());
        Acquire::new(Self { hold, data, mode }, Seat::new(request))
    }
}

impl<K, T: ?Sized, R: Rules, W: WriteMode<R>> Kind for WriteGuardKind<K, T, R, W>
where
    K: Kind<Waiter = Seat, Output: Holding<Rules = R>>,
{
    type Waiter = Seat;
    type Output = W::Answer<WriteGuard<K::Output, T>>;

    #[inline(always)]
    unsafe fn poll(&mut self, seat: Pin<&Seat>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.mode {
            Ok(mode) => {
                // SAFETY: by this function's contract.
                let polled = unsafe { self.hold.poll(seat, cx) };
                polled.map(|hold| W::answer(Ok(WriteGuard::new(hold, self.data, *mode))))
            }
            Err(refused) => {
                let Some(refused) = refused.take() else { super::finished() };
                seat.set_done();
                Poll::Ready(W::answer(Err(refused)))
            }
        }
    }

    #[inline(always)]
    unsafe fn cancel(&mut self, seat: Pin<&Seat>) {
        // SAFETY: as `poll`.
        unsafe { self.hold.cancel(seat) };
    }

    fn is_done(seat: &Seat) -> bool {
        seat.is_done()
    }
}

#[doc(hidden)]
pub struct ConvertGuardKind<H, T: ?Sized> {
    hold: ConvertKind<H>,
    /// Of the lock that it holds.
    data: Data<T>,
}

impl<H: Holding, T: ?Sized> Kind for ConvertGuardKind<H, T> {
    type Waiter = Seat;
    type Output = Result<ReadGuard<H, T>, (ReadGuard<H, T>, ConvertError)>;

    unsafe fn poll(&mut self, seat: Pin<&Seat>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let reading = |hold| ReadGuard::new(hold, self.data);
        // SAFETY: by this function's contract.
        unsafe { self.hold.poll(seat, cx) }.map(|converted| match converted {
            Ok(hold) => Ok(reading(hold)),
            Err((hold, error)) => Err((reading(hold), error)),
        })
    }

    unsafe fn cancel(&mut self, seat: Pin<&Seat>) {
        // SAFETY: as `poll`.
        unsafe { self.hold.cancel(seat) };
    }

    fn is_done(seat: &Seat) -> bool {
        seat.is_done()
    }
}

#[doc(hidden)]
pub struct UpgradeGuardKind<H: Holding, T: ?Sized> {
    hold: ConvertKind<H>,
    /// Of the lock that it holds.
    data: Data<T>,
    /// What is asked for, or why that is refused.
    mode: Result<ExclusiveMode<H::Rules>, UpgradeError<ModeOf<H>>>,
}

impl<H: Holding, T: ?Sized> Kind for UpgradeGuardKind<H, T> {
    type Waiter = Seat;
    type Output = Upgraded<H, T>;

    unsafe fn poll(&mut self, seat: Pin<&Seat>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let data = self.data;
        match self.mode {
            Ok(mode) => {
                // SAFETY: by this function's contract.
                unsafe { self.hold.poll(seat, cx) }.map(|converted| match converted {
                    Ok(hold) => Ok(WriteGuard::new(hold, data, mode)),
                    Err((hold, error)) => Err((ReadGuard::new(hold, data), error.into())),
                })
            }
            Err(refused) => {
                seat.set_done();
                Poll::Ready(Err((ReadGuard::new(self.hold.give_back(), data), refused)))
            }
        }
    }

    unsafe fn cancel(&mut self, seat: Pin<&Seat>) {
        // SAFETY: as `poll`.
        unsafe { self.hold.cancel(seat) };
    }

    fn is_done(seat: &Seat) -> bool {
        seat.is_done()
    }
}

impl<R: Rules, T: ?Sized, B: Backend> Guarded<R, T, B> {
    /// As [`read`](Self::read), suspending the task until its turn comes.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the first poll: nothing. Queued: it leaves the line, and
    /// whoever it kept out enters. Granted but not polled since: the lock goes
    /// to the next. Once it is ready, dropping the guard releases. See
    /// [`future`](crate::future).
    ///
    /// ```
    /// use portunus::rules::{Access, ReadWrite};
    /// use portunus::sync::Guarded;
    ///
    /// # smol::block_on(async {
    /// let number = Guarded::new(ReadWrite, 1);
    /// *number.write_async(Access::Write).await? += 1;
    /// assert_eq!(*number.read_async(Access::Read).await, 2);
    /// # Ok::<(), portunus::NotExclusive<Access>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Panics
    ///
    /// If polled again after it was ready.
    pub fn read_async(&self, mode: R::Mode) -> ReadGuarded<'_, R, T, B> {
        ReadGuardKind::acquire(HoldKind::new(self.lock()), self.data(), request(mode, 1))
    }

    /// As [`write`](Self::write), suspending the task until its turn comes.
    ///
    /// # Cancel safety
    ///
    /// As [`read_async`](Self::read_async).
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write); the first poll has it.
    ///
    /// # Panics
    ///
    /// If polled again after it was ready.
    pub fn write_async<W: WriteMode<R>>(&self, mode: W) -> WriteGuarded<'_, R, T, B, W> {
        WriteGuardKind::acquire(HoldKind::new(self.lock()), self.data(), mode)
    }
}

impl<H: Holding, T: ?Sized> ReadGuard<H, T> {
    /// As [`convert`](Self::convert), suspending the task until that is
    /// possible. It takes the guard and gives it back.
    ///
    /// # Cancel safety
    ///
    /// The future owns the guard. Dropped before the first poll or queued, it
    /// releases in the old mode; granted but not polled since, in the new one.
    /// To keep the guard whatever happens, use
    /// [`try_convert`](Self::try_convert).
    ///
    /// # Errors
    ///
    /// The guard as it was, and why: see [`convert`](Self::convert).
    ///
    /// # Panics
    ///
    /// If polled again after it was ready.
    pub fn convert_async(s: Self, mode: ModeOf<H>) -> ConvertGuard<H, T> {
        let (hold, data) = s.into_parts();
        let request = hold::conversion(&hold, mode);
        Acquire::new(ConvertGuardKind { hold: ConvertKind::new(hold), data }, Seat::new(request))
    }

    /// As [`upgrade`](Self::upgrade), suspending the task until that is
    /// possible. It takes the guard and gives a [`WriteGuard`] back.
    ///
    /// ```
    /// use portunus::rules::{Access, ReadWrite};
    /// use portunus::sync::{Guarded, GuardedReadGuard};
    ///
    /// # smol::block_on(async {
    /// let board = Guarded::new(ReadWrite, vec![1]);
    /// let looking = board.read_async(Access::Read).await;
    /// if looking.len() < 2 {
    ///     match GuardedReadGuard::upgrade_async(looking, Access::Write).await {
    ///         Ok(mut writing) => writing.push(2),
    ///         Err((looking, error)) => println!("{looking:?} stays as it is: {error}"),
    ///     }
    /// }
    /// assert_eq!(*board.read_async(Access::Read).await, [1, 2]);
    /// # });
    /// ```
    ///
    /// # Cancel safety
    ///
    /// As [`convert_async`](Self::convert_async).
    ///
    /// # Errors
    ///
    /// The guard as it was, and why: see [`upgrade`](Self::upgrade).
    ///
    /// # Panics
    ///
    /// If polled again after it was ready.
    pub fn upgrade_async<W: WriteMode<H::Rules>>(s: Self, mode: W) -> UpgradeGuard<H, T> {
        let (hold, data) = s.into_parts();
        let mode = mode.judge().map_err(|refused| UpgradeError::NotExclusive(refused.into()));
        // What is refused never asks.
        let index = mode.map_or(0, ExclusiveMode::index);
        let request = hold::conversion_to(&hold, index);
        let kind = UpgradeGuardKind { hold: ConvertKind::new(hold), data, mode };
        Acquire::new(kind, Seat::new(request))
    }
}

impl<'a, R: Rules, T: ?Sized, B: Backend> ReleasableAsync for ReadGuard<Hold<'a, R, B>, T> {
    type Take = ReadGuarded<'a, R, T, B>;

    fn take_async(place: Self::Place) -> Self::Take {
        let request = place.hold.request();
        ReadGuardKind::acquire(HoldKind::new(place.hold.into_lock()), place.data, request)
    }
}

impl<'a, R: Rules, T: ?Sized, B: Backend> ReleasableAsync for WriteGuard<Hold<'a, R, B>, T> {
    type Take = WriteGuarded<'a, R, T, B, ExclusiveMode<R>>;

    fn take_async((place, mode): Self::Place) -> Self::Take {
        WriteGuardKind::acquire(HoldKind::new(place.hold.into_lock()), place.data, mode)
    }
}
