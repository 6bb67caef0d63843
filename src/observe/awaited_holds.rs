//! Awaiting observed holds and permits.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use pin_project_lite::pin_project;

use super::fifo_lock::{FifoLock, Hold};
use super::inner::Observed;
use super::probe::{Probe, Stamped};
use super::semaphore::{Permit, Semaphore};
use crate::backend::Backend;
use crate::future;
use crate::raw::mode::Rules;
use crate::rules::Permit as Mode;

pin_project! {
    /// An acquisition that is timed from the first poll that found it waiting.
    struct Timed<'a, F: Future, M: fmt::Debug> {
        #[pin]
        future: Option<F>,
        probe: &'a Probe,
        mode: M,
        since: Option<Duration>,
    }

    impl<F: Future, M: fmt::Debug> PinnedDrop for Timed<'_, F, M> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // It has left the line when the hook hears of it.
            this.future.set(None);
            if let Some(since) = this.since {
                this.probe.gave_up(*since, this.mode);
            }
        }
    }
}

impl<'a, F: Future, M: fmt::Debug> Timed<'a, F, M> {
    fn new(future: F, probe: &'a Probe, mode: M) -> Self {
        Self { future: Some(future), probe, mode, since: None }
    }
}

impl<F: Future, M: fmt::Debug> Future for Timed<'_, F, M> {
    type Output = Stamped<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Stamped<F::Output>> {
        let this = self.project();
        let Some(future) = this.future.as_pin_mut() else { return Poll::Pending };
        let Poll::Ready(guard) = future.poll(cx) else {
            if this.since.is_none() {
                *this.since = Some(this.probe.now());
            }
            return Poll::Pending;
        };
        // Dropped, the guard lets go, should the hook panic.
        let since = match this.since.take() {
            None => this.probe.entered(),
            Some(start) => this.probe.waited(start, this.mode),
        };
        Poll::Ready(Stamped { guard, since })
    }
}

pin_project! {
    /// Awaits a [`Hold`]; made by [`FifoLock::acquire_async`].
    #[must_use = "futures do nothing unless polled"]
    pub struct AcquireHold<'a, R: Rules, B: Backend> {
        #[pin]
        timed: Timed<'a, future::AcquireHold<'a, R, Observed<B>>, R::Mode>,
        lock: &'a FifoLock<R, B>,
    }
}

impl<'a, R: Rules, B: Backend> Future for AcquireHold<'a, R, B> {
    type Output = Hold<'a, R, B>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Hold<'a, R, B>> {
        let this = self.project();
        this.timed.poll(cx).map(|stamped| this.lock.hold(stamped))
    }
}

impl<R: Rules, B: Backend> fmt::Debug for AcquireHold<'_, R, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcquireHold").field("mode", &self.timed.mode).finish_non_exhaustive()
    }
}

pin_project! {
    /// Awaits a [`Permit`]; made by [`Semaphore::acquire_async`].
    #[must_use = "futures do nothing unless polled"]
    pub struct AcquirePermit<'a, B: Backend> {
        #[pin]
        timed: Timed<'a, future::AcquirePermit<'a, Observed<B>>, Mode>,
        semaphore: &'a Semaphore<B>,
    }
}

impl<'a, B: Backend> Future for AcquirePermit<'a, B> {
    type Output = Permit<'a, B>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit<'a, B>> {
        let this = self.project();
        this.timed.poll(cx).map(|stamped| this.semaphore.permit(stamped))
    }
}

impl<B: Backend> fmt::Debug for AcquirePermit<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcquirePermit").finish_non_exhaustive()
    }
}

impl<R: Rules, B: Backend> FifoLock<R, B> {
    /// As [`crate::FifoLock::acquire_async`]. It waits from the first poll that
    /// does not bring the hold.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub fn acquire_async(&self, mode: R::Mode) -> AcquireHold<'_, R, B> {
        let future = self.lock().acquire_async(mode);
        AcquireHold { timed: Timed::new(future, self.probe(), mode), lock: self }
    }
}

impl<B: Backend> Semaphore<B> {
    /// As [`crate::Semaphore::acquire_async`]. It waits from the first poll that
    /// does not bring the permit.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub fn acquire_async(&self) -> AcquirePermit<'_, B> {
        let future = self.semaphore().acquire_async();
        AcquirePermit { timed: Timed::new(future, self.probe(), Mode::Permit), semaphore: self }
    }
}
