//! A barrier that is used again and again.

use alloc::sync::Arc;
use core::fmt;
use core::future::pending;
use core::num::NonZeroUsize;

use super::{BarrierError, BarrierSizeError, BarrierState, Gathered, Heap, StatefulBarrier};
use crate::atomic::constructor;
use crate::backend::Backend;
use crate::name::{Label, Name};
use crate::wait::locked::Locked;
use crate::wait::{Forever, Limit};

type Round<T, B> = StatefulBarrier<T, B, Heap>;

/// Lets parties through each time that all of them have come; each may bring a
/// state, and all see the states of their round.
///
/// Each round is a [`StatefulBarrier`] of its own, so what that says about
/// states, cancelling and blocking holds here. A party that comes when all are
/// there is the first one of the next round. A round costs one allocation for
/// its parties together, and if they bring states, one for these.
///
/// ```
/// use portunus::sync::CyclicBarrier;
///
/// let barrier = CyclicBarrier::new(2)?;
/// std::thread::scope(|scope| {
///     for worker in 0..2 {
///         let barrier = &barrier;
///         scope.spawn(move || {
///             for round in 0..10 {
///                 let gathered = barrier.wait((worker, round)).unwrap();
///                 assert!(gathered.iter().all(|state| state.1 == round));
///             }
///         });
///     }
/// });
/// # Ok::<(), portunus::barrier::BarrierSizeError>(())
/// ```
///
/// # Broken barriers
///
/// Aborted, or after the time of a party was over, it stays broken, for those
/// who come later as well, until [`reset`](Self::reset).
#[doc(alias = "Barrier")]
pub struct CyclicBarrier<T, B: Backend> {
    /// The round that parties come to now; none since the last one was full.
    current: Locked<B, Option<Arc<Round<T, B>>>>,
    parties: usize,
    kept: usize,
    cancel_breaks: bool,
    label: Label,
}

impl<T, B: Backend> CyclicBarrier<T, B> {
    constructor! {
        /// For so many parties.
        ///
        /// # Errors
        ///
        /// [`BarrierSizeError::NoParties`]: it could never trip.
        pub fn new(parties: usize) -> Result<Self, BarrierSizeError> {
            if parties == 0 {
                return Err(BarrierSizeError::NoParties);
            }
            Ok(Self::with_parties(parties))
        }
    }

    constructor! {
        /// For so many parties, which are not none: for a `static`.
        #[must_use]
        pub fn of(parties: NonZeroUsize) -> Self {
            Self::with_parties(parties.get())
        }
    }

    constructor! {
        fn with_parties(parties: usize) -> Self {
            Self {
                current: Locked::new(None),
                parties,
                kept: usize::MAX,
                cancel_breaks: false,
                label: Label::new(None),
            }
        }
    }

    /// The same, with a name for errors.
    #[must_use]
    pub fn named(mut self, name: &'static str) -> Self {
        self.label = Label::new(Some(name));
        self
    }

    /// The same; of a round's states only the newest `states` are given.
    #[must_use]
    pub fn keeping(mut self, states: usize) -> Self {
        self.kept = states;
        self
    }

    /// The same; a party whose wait is cancelled aborts it for all.
    #[must_use]
    pub fn cancel_breaks(mut self) -> Self {
        self.cancel_breaks = true;
        self
    }

    /// The name that errors show: the given one, or a number.
    #[must_use]
    pub fn name(&self) -> Name {
        self.label.name()
    }

    /// How many parties a round is for.
    #[must_use]
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// How many parties wait now.
    #[doc(alias = "n_waiting")]
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.current.with(|current| current.clone()).map_or(0, |round| round.waiting())
    }

    /// How many parties those who wait now wait for.
    #[doc(alias = "remaining_parties")]
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.parties - self.waiting()
    }

    /// `Waiting`, unless it is broken.
    #[must_use]
    pub fn state(&self) -> BarrierState {
        loop {
            let Some(round) = self.current.with(|current| current.clone()) else {
                return BarrierState::Waiting;
            };
            match round.state() {
                BarrierState::Waiting | BarrierState::Tripped => return BarrierState::Waiting,
                // Unless `reset` was what broke it.
                state if self.is_current(&round) => return state,
                _ => {}
            }
        }
    }

    /// Whether it was aborted or a party's time was over, and it was not reset
    /// since.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.state() != BarrierState::Waiting
    }

    /// Breaks it, unless it is broken: all who wait, and all who come, get an
    /// error. `false`: it was broken before.
    pub fn abort(&self) -> bool {
        loop {
            let round = self.round();
            if round.abort() {
                return true;
            }
            if round.state() == BarrierState::Tripped {
                self.retire(&round);
            } else if self.is_current(&round) {
                return false;
            }
        }
    }

    /// Makes it as new: all who wait get an error, and who comes then begins a
    /// round.
    pub fn reset(&self) {
        let round = self.current.with(Option::take);
        if let Some(round) = round {
            round.abort();
        }
    }

    /// Blocks until all parties of this round have come, bringing `state`.
    ///
    /// # Blocking
    ///
    /// Blocks the calling thread or core. In async code use
    /// [`wait_async`](Self::wait_async).
    ///
    /// # Errors
    ///
    /// [`BarrierError::Broken`] with the reason: it was aborted, or another
    /// party's time was over, and it was not reset since; or it was reset while
    /// this waited.
    pub fn wait(&self, state: impl Into<Option<T>>) -> Result<Gathered<T>, BarrierError> {
        self.wait_limited(state.into(), &Forever)
    }

    pub(super) fn wait_limited(
        &self,
        mut state: Option<T>,
        limit: &impl Limit,
    ) -> Result<Gathered<T>, BarrierError> {
        loop {
            let round = self.round();
            let end = round.wait_limited(&mut state, limit);
            if let Some(end) = self.ended(&round, end) {
                return end;
            }
        }
    }

    /// Waits until all parties of this round have come, bringing `state`.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the first poll, the party has not come. While it waits: it
    /// leaves as if it had never come, or with
    /// [`cancel_breaks`](Self::cancel_breaks) aborts the barrier. After the round
    /// was full: the others have its state.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub async fn wait_async(
        &self,
        state: impl Into<Option<T>>,
    ) -> Result<Gathered<T>, BarrierError> {
        self.wait_async_or(state, pending::<()>()).await
    }

    /// As [`wait_async`](Self::wait_async), until `timeout` is ready: any sleep
    /// future will do.
    ///
    /// # Cancel safety
    ///
    /// As `wait_async`; `timeout` is dropped with it.
    ///
    /// # Errors
    ///
    /// [`BarrierError::TimedOut`] if `timeout` was first: the barrier is broken
    /// for all. [`BarrierError::Broken`] as [`wait`](Self::wait).
    pub async fn wait_async_or(
        &self,
        state: impl Into<Option<T>>,
        timeout: impl Future,
    ) -> Result<Gathered<T>, BarrierError> {
        let mut state = state.into();
        let mut timeout = core::pin::pin!(async {
            timeout.await;
        });
        loop {
            let round = self.round();
            let end = round.wait_polled(&mut state, timeout.as_mut()).await;
            if let Some(end) = self.ended(&round, end) {
                return end;
            }
        }
    }

    /// What a party gets that was in a round; `None` if it came too late for it
    /// and has to come to the next one.
    fn ended(
        &self,
        round: &Arc<Round<T, B>>,
        end: Result<Gathered<T>, BarrierError>,
    ) -> Option<Result<Gathered<T>, BarrierError>> {
        let late = matches!(end, Err(BarrierError::Broken { reason: BarrierState::Tripped, .. }));
        if late || end.as_ref().is_ok_and(Gathered::is_last) {
            self.retire(round);
        }
        (!late).then_some(end)
    }

    /// The round that parties come to now.
    fn round(&self) -> Arc<Round<T, B>> {
        if let Some(round) = self.current.with(|current| current.clone()) {
            return round;
        }
        let round = Round::with_parties(self.parties).keeping(self.kept).labelled(self.name());
        let new = Arc::new(if self.cancel_breaks { round.cancel_breaks() } else { round });
        self.current.with(|current| Arc::clone(current.get_or_insert_with(|| Arc::clone(&new))))
    }

    /// Whether it is `round` that parties come to.
    fn is_current(&self, round: &Arc<Round<T, B>>) -> bool {
        self.current.with(|current| current.as_ref().is_some_and(|now| Arc::ptr_eq(now, round)))
    }

    /// Nobody comes to `round` any more.
    fn retire(&self, round: &Arc<Round<T, B>>) {
        let old = self.current.with(|current| match current {
            Some(current_round) if Arc::ptr_eq(current_round, round) => current.take(),
            _ => None,
        });
        // Its states may be dropped here.
        drop(old);
    }
}

impl<T, B: Backend> fmt::Debug for CyclicBarrier<T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("CyclicBarrier");
        shown.field("name", &self.name()).field("parties", &self.parties);
        if let Some(round) = self.current.try_with(|current| current.clone()) {
            shown.field("round", &round);
        }
        shown.finish_non_exhaustive()
    }
}
