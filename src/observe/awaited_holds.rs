//! Awaiting observed holds, permits and data.
//!
//! Invariant **V2**: a kind here polls and cancels its seat by the plain kind of
//! acquisition, always with the lock that it keeps itself; what the one asks of
//! its caller is what the other does.

#![allow(unsafe_code)]

use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use super::fifo_lock::FifoLock;
use super::guarded::Guarded;
use super::hold::{Hold, Locked, ModeOf, units};
use super::permit::{Counting, Permit};
use super::probe::{Probe, Stamped};
use super::semaphore::{ClosableSemaphore, Semaphore};
use crate::backend::Backend;
use crate::fifo_lock::request;
use crate::future::{
    self, Acquire, Checked, ConvertKind, Kind, ReadGuardKind, ReleasableAsync, WriteGuardKind,
    finished, poll_permit,
};
use crate::guarded::{ExclusiveMode, ReadGuard, WriteGuard, WriteMode};
use crate::hold;
use crate::raw::mode::{Rules, mode_of};
use crate::raw::waiter::Seat;
use crate::releasing::{HoldPlace, PermitPlace};
use crate::rules::Permit as Mode;
use crate::semaphore::{self, Again, Counted, Face, ONE, Plain, Told, ToldMany};
use crate::wait::node::Request;

/// Awaits a [`Hold`]; made by [`FifoLock::acquire_async`] and
/// [`FifoLock::acquire_owned_async`].
pub type AcquireHold<L> = Acquire<HoldKind<L>>;

/// Awaits a [`Hold`] of some weight; made by [`FifoLock::acquire_many_async`] and
/// [`FifoLock::acquire_many_owned_async`].
pub type AcquireManyHold<L> = Acquire<Checked<HoldKind<L>>>;

/// Awaits a conversion; made by [`Hold::convert_async`].
pub type ConvertHold<L> = Acquire<ConvertKind<Hold<L>>>;

/// Awaits a [`Permit`]; made by [`Semaphore::acquire_async`] and
/// [`Semaphore::acquire_owned_async`].
pub type AcquirePermit<S> = Acquire<PermitKind<S, Plain>>;

/// Awaits several permits; made by [`Semaphore::acquire_many_async`] and
/// [`Semaphore::acquire_many_owned_async`].
pub type AcquireManyPermit<S> = Acquire<PermitKind<S, Counted>>;

/// Awaits a [`Permit`] of a semaphore that can be closed; made by
/// [`ClosableSemaphore::acquire_async`] and
/// [`ClosableSemaphore::acquire_owned_async`].
pub type AcquireUnlessClosed<S> = Acquire<PermitKind<S, Told>>;

/// Awaits several permits of a semaphore that can be closed; made by
/// [`ClosableSemaphore::acquire_many_async`] and
/// [`ClosableSemaphore::acquire_many_owned_async`].
pub type AcquireManyUnlessClosed<S> = Acquire<PermitKind<S, ToldMany>>;

/// Awaits a [`ReadGuard`](crate::guarded::ReadGuard) of observed data; made by
/// [`Guarded::read_async`] and [`Guarded::read_arc_async`].
pub type ReadGuarded<L, T> = Acquire<ReadGuardKind<HoldKind<L>, T>>;

/// Awaits a [`WriteGuard`](crate::guarded::WriteGuard) of observed data; made by
/// [`Guarded::write_async`] and [`Guarded::write_arc_async`].
pub type WriteGuarded<L, T, R, W> = Acquire<WriteGuardKind<HoldKind<L>, T, R, W>>;

/// Since when an acquisition waits: since the first poll that found it waiting.
#[derive(Debug, Default)]
struct Waits(Option<Duration>);

impl Waits {
    /// Notes what a poll has found; lets go by `undo` should the clock or
    /// the hook panic.
    fn polled<G>(
        &mut self,
        probe: &Probe,
        mode: &dyn fmt::Debug,
        polled: Poll<G>,
        undo: impl FnMut(G),
    ) -> Poll<Stamped<G>> {
        let Poll::Ready(guard) = polled else {
            self.0.get_or_insert_with(|| probe.now());
            return Poll::Pending;
        };
        Poll::Ready(match self.0.take() {
            None => probe.admitted(guard, undo),
            Some(start) => probe.served(start, mode, guard, undo),
        })
    }

    /// It has left the line without success.
    fn gave_up(&mut self, probe: &Probe, mode: &dyn fmt::Debug) {
        if let Some(start) = self.0.take() {
            probe.gave_up(start, mode);
        }
    }
}

#[doc(hidden)]
#[derive(Debug)]
pub struct HoldKind<L> {
    /// Taken by the output.
    lock: Option<L>,
    waits: Waits,
}

impl<L> HoldKind<L> {
    pub(super) fn new(lock: L) -> Self {
        Self { lock: Some(lock), waits: Waits::default() }
    }
}

impl<L: Deref<Target: Locked>> Kind for HoldKind<L> {
    type Waiter = Seat;
    type Output = Hold<L>;

    unsafe fn poll(&mut self, seat: Pin<&Seat>, cx: &mut Context<'_>) -> Poll<Hold<L>> {
        let Some(lock) = &self.lock else { finished() };
        let observed = lock.fifo_lock();
        let mut plain = future::HoldKind::new(observed.lock());
        // SAFETY: by this function's contract (V2).
        let polled = unsafe { plain.poll(seat, cx) };
        let mode = mode_of::<ModeOf<L>>(seat.request().mode);
        let stamped = self.waits.polled(observed.probe(), &mode, polled, drop).map(units);
        stamped.map(|stamped| match self.lock.take() {
            Some(lock) => Hold::new(lock, stamped),
            None => finished(),
        })
    }

    unsafe fn cancel(&mut self, seat: Pin<&Seat>) {
        let Some(lock) = &self.lock else { return };
        let observed = lock.fifo_lock();
        // SAFETY: by this function's contract (V2).
        unsafe { future::HoldKind::new(observed.lock()).cancel(seat) };
        let mode = mode_of::<ModeOf<L>>(seat.request().mode);
        self.waits.gave_up(observed.probe(), &mode);
    }

    fn is_done(seat: &Seat) -> bool {
        seat.is_done()
    }
}

#[doc(hidden)]
#[derive(Debug)]
pub struct PermitKind<S, F> {
    /// Taken by the output.
    semaphore: Option<S>,
    waits: Waits,
    face: PhantomData<fn() -> F>,
}

impl<S: Deref<Target: Counting>, F: Face> PermitKind<S, F> {
    pub(super) fn acquire(semaphore: S, request: Request) -> Acquire<Self> {
        let kind = Self { semaphore: Some(semaphore), waits: Waits::default(), face: PhantomData };
        Acquire::new(kind, Seat::new(request))
    }
}

impl<S: Deref<Target: Counting>, F: Face> Kind for PermitKind<S, F> {
    type Waiter = Seat;
    type Output = F::Output<Permit<S>>;

    unsafe fn poll(&mut self, seat: Pin<&Seat>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(semaphore) = &self.semaphore else { finished() };
        let observed = semaphore.counted();
        let probe = observed.probe();
        let count = if F::MANY { seat.request().weight } else { 1 };
        // SAFETY: by this function's contract (V2).
        let polled = unsafe { poll_permit::<_, F>(observed.semaphore(), seat, cx) };
        let ended = match polled.map(|ended| ended.map(semaphore::Permit::into_parts)) {
            Poll::Ready(Err(refusal)) => {
                self.waits.gave_up(probe, &Mode::Permit);
                Poll::Ready(Err(refusal))
            }
            Poll::Ready(Ok(parts)) => {
                let undo = |(count, lined)| drop(observed.semaphore().permit(count, lined));
                self.waits.polled(probe, &Mode::Permit, Poll::Ready(parts), undo).map(Ok)
            }
            Poll::Pending => self.waits.polled(probe, &Mode::Permit, Poll::Pending, drop).map(Ok),
        };
        ended.map(|ended| match self.semaphore.take() {
            Some(semaphore) => {
                F::output(ended.map(|stamped| Permit::new(semaphore, stamped)), count)
            }
            None => finished(),
        })
    }

    unsafe fn cancel(&mut self, seat: Pin<&Seat>) {
        let Some(semaphore) = &self.semaphore else { return };
        let observed = semaphore.counted();
        // SAFETY: by this function's contract (V2).
        unsafe { seat.cancel(observed.semaphore().raw()) };
        self.waits.gave_up(observed.probe(), &Mode::Permit);
    }

    fn is_done(seat: &Seat) -> bool {
        seat.is_done()
    }
}

impl<R: Rules, B: Backend> FifoLock<R, B> {
    /// Enters in `mode`, suspending the task until its turn comes: see
    /// [`crate::FifoLock::acquire_async`]. It waits from the first poll that
    /// does not bring the hold.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub fn acquire_async(&self, mode: R::Mode) -> AcquireHold<&Self> {
        Acquire::new(HoldKind::new(self), Seat::new(request(mode, 1)))
    }

    /// Enters with `weight` units of `mode`, suspending the task until all of
    /// them are there at once: see [`crate::FifoLock::acquire_many_async`].
    ///
    /// # Cancel safety
    ///
    /// As there.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many_async(&self, mode: R::Mode, weight: u32) -> AcquireManyHold<&Self> {
        let check = self.lock().check_weight(mode, weight);
        Checked::acquire(HoldKind::new(self), request(mode, weight), check)
    }
}

impl<L: Deref<Target: Locked>> Hold<L> {
    /// Changes its mode in one step, suspending the task until that is
    /// possible: see [`crate::Hold::convert_async`]. The time counts as held.
    ///
    /// # Cancel safety
    ///
    /// As there.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn convert_async(self, mode: ModeOf<L>) -> ConvertHold<L> {
        let request = hold::conversion(&self, mode);
        ConvertKind::convert(self, request)
    }
}

impl<B: Backend> Semaphore<B> {
    /// Takes a permit, suspending the task until there is one: see
    /// [`crate::Semaphore::acquire_async`]. It waits from the first poll that
    /// does not bring the permit.
    ///
    /// # Cancel safety
    ///
    /// As there.
    ///
    /// # Panics
    ///
    /// As there.
    pub fn acquire_async(&self) -> AcquirePermit<&Self> {
        PermitKind::acquire(self, ONE)
    }

    /// Takes `count` permits, suspending the task until all of them are free at
    /// once: see [`crate::Semaphore::acquire_many_async`].
    ///
    /// # Cancel safety
    ///
    /// As there.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many_async(&self, count: u32) -> AcquireManyPermit<&Self> {
        PermitKind::acquire(self, semaphore::request(count))
    }
}

impl<B: Backend> ClosableSemaphore<B> {
    /// Takes a permit, suspending the task until there is one: see
    /// [`crate::ClosableSemaphore::acquire_async`].
    ///
    /// # Cancel safety
    ///
    /// As there.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_async(&self) -> AcquireUnlessClosed<&Semaphore<B>> {
        PermitKind::acquire(self.inner(), ONE)
    }

    /// Takes `count` permits, suspending the task until all of them are free at
    /// once: see [`crate::ClosableSemaphore::acquire_many_async`].
    ///
    /// # Cancel safety
    ///
    /// As there.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acquire_many_async(&self, count: u32) -> AcquireManyUnlessClosed<&Semaphore<B>> {
        PermitKind::acquire(self.inner(), semaphore::request(count))
    }
}

impl<R: Rules, T: ?Sized, B: Backend> Guarded<R, T, B> {
    /// Enters in `mode` and reads, suspending the task until its turn comes:
    /// see [`crate::Guarded::read_async`].
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub fn read_async(&self, mode: R::Mode) -> ReadGuarded<&FifoLock<R, B>, T> {
        ReadGuardKind::acquire(HoldKind::new(self.lock()), self.data(), request(mode, 1))
    }

    /// Enters in the exclusive `mode`, and reads and writes, suspending the
    /// task until its turn comes: see [`crate::Guarded::write_async`].
    ///
    /// # Cancel safety
    ///
    /// As there.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn write_async<W: WriteMode<R>>(&self, mode: W) -> WriteGuarded<&FifoLock<R, B>, T, R, W> {
        WriteGuardKind::acquire(HoldKind::new(self.lock()), self.data(), mode)
    }
}

impl<L: Deref<Target: Locked> + Clone> ReleasableAsync for Hold<L> {
    type Take = AcquireHold<L>;

    fn take_async(place: HoldPlace<L>) -> Self::Take {
        let request = place.request();
        Acquire::new(HoldKind::new(place.into_lock()), Seat::new(request))
    }
}

impl<S: Deref<Target: Counting> + Clone> ReleasableAsync for Permit<S> {
    type Take = Acquire<PermitKind<S, Again>>;

    fn take_async(place: PermitPlace<S>) -> Self::Take {
        PermitKind::acquire(place.semaphore, semaphore::request(place.count))
    }
}

impl<L: Deref<Target: Locked> + Clone, T: ?Sized> ReleasableAsync for ReadGuard<Hold<L>, T> {
    type Take = ReadGuarded<L, T>;

    fn take_async(place: Self::Place) -> Self::Take {
        let request = place.hold.request();
        ReadGuardKind::acquire(HoldKind::new(place.hold.into_lock()), place.data, request)
    }
}

impl<L, R: Rules, T: ?Sized> ReleasableAsync for WriteGuard<Hold<L>, T>
where
    L: Deref<Target: Locked<Rules = R>> + Clone,
{
    type Take = WriteGuarded<L, T, R, ExclusiveMode<R>>;

    fn take_async((place, mode): Self::Place) -> Self::Take {
        WriteGuardKind::acquire(HoldKind::new(place.hold.into_lock()), place.data, mode)
    }
}
