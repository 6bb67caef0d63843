//! Wait until all have come, and see what each has brought.
//!
//! See [`StatefulBarrier`], and `CyclicBarrier` for one that is used again and
//! again.

#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod cyclic;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr", feature = "std"))]
mod cyclic_timed;
mod error;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod heap;
mod store;
#[cfg(feature = "std")]
mod timed;

#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use cyclic::CyclicBarrier;
pub use error::{BarrierError, BarrierSizeError, BarrierState};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use heap::{Gathered, Heap};
pub use store::{Fixed, GatheredRef, Store};

use core::fmt;
use core::future::{pending, poll_fn};
use core::mem;
use core::pin::pin;
use core::task::Poll;

use ::spin::once::Once;

use crate::atomic::{Fault, constructor};
use crate::backend::Backend;
use crate::name::{Label, Name};
use crate::wait::locked::Locked;
use crate::wait::queue::{Visit, WaitQueue};
use crate::wait::{Forever, Limit};
use store::sealed::Sealed;
use store::{Brings, Entry, Line};

/// Lets parties through when all of them have come, once; each may bring a
/// state, and all see the states of all.
///
/// Threads block, tasks await, and both may meet at one barrier.
///
/// ```
/// use portunus::sync::StatefulBarrier;
///
/// let barrier = StatefulBarrier::new(3)?;
/// std::thread::scope(|scope| {
///     for number in [1, 3, 5] {
///         let barrier = &barrier;
///         scope.spawn(move || {
///             let gathered = barrier.wait(number).unwrap();
///             assert_eq!(gathered[gathered.position()], number);
///             assert_eq!(gathered.iter().sum::<i32>(), 9);
///         });
///     }
/// });
/// assert!(barrier.wait(7).is_err());
/// # Ok::<(), portunus::barrier::BarrierSizeError>(())
/// ```
///
/// # States
///
/// A party without a state passes `None`. Initial states come first; with a
/// limit (`keeping`) the oldest are left out when the barrier trips. Until then
/// all are kept, so that a party that leaves takes nothing but its own away.
/// `S` says where: `Heap`, or [`Fixed`] for room inside the barrier; `spin`,
/// `sync` and their like name both, as `StatefulBarrier` and `FixedBarrier`.
///
/// # Broken barriers
///
/// A barrier serves once. [`wait`](Self::wait) gives an error with the reason
/// when it has tripped, was aborted, or the time of a party was over; the last
/// two end the waiting of all who are there. `CyclicBarrier` begins again.
///
/// # Cancel safety
///
/// Before the first poll a party has not come. While it waits, dropping its
/// future makes it leave as if it had never come: its state is withdrawn, and
/// positions are counted among those who are there in the end. With
/// [`cancel_breaks`](Self::cancel_breaks) it aborts the barrier instead. After
/// the barrier has tripped, dropping changes nothing for others. A panic of the
/// strategy by which a thread waits counts as leaving.
///
/// # Blocking
///
/// The inner lock of the backend is held for a few steps; states are dropped
/// outside of it. With the backend `critical`, interrupt handlers may abort, and
/// poll and drop futures.
#[doc(alias = "StatefulBarrier.__init__")]
#[doc(alias = "Rendezvous")]
#[doc(alias = "BarrierWaitResult")]
pub struct StatefulBarrier<T, B: Backend, S: Store<T>> {
    queue: WaitQueue<B::Inner>,
    data: Locked<B, Data<<S as Sealed<T>>::Entries>>,
    /// Set after the state has become `Tripped`, before the parties are told.
    outcome: Once<S::Outcome>,
    parties: usize,
    kept: usize,
    cancel_breaks: bool,
    label: Label,
}

struct Data<E> {
    state: BarrierState,
    present: usize,
    line: Line<E>,
}

/// How an arrival ends.
enum Arrival<E> {
    Refused(BarrierState),
    /// There is no room; so many are there.
    Full(usize),
    Waits(u64),
    Last(u64, Line<E>),
}

impl<T, B: Backend, const N: usize> StatefulBarrier<T, B, Fixed<N>> {
    constructor! {
        /// For so many parties, without a heap.
        ///
        /// ```
        /// use portunus::spin::FixedBarrier;
        ///
        /// let barrier = FixedBarrier::<u32, 4>::new(2)?.with_states([1, 2])?;
        /// std::thread::scope(|scope| {
        ///     scope.spawn(|| barrier.wait(7).unwrap().position());
        ///     let gathered = barrier.wait(None).unwrap();
        ///     assert_eq!((gathered.len(), gathered.get(2)), (3, Some(&7)));
        /// });
        /// # Ok::<(), portunus::barrier::BarrierSizeError>(())
        /// ```
        ///
        /// # Errors
        ///
        /// When there are no parties, or more than there is room for.
        pub fn new(parties: usize) -> Result<Self, BarrierSizeError> {
            if parties == 0 {
                return Err(BarrierSizeError::NoParties);
            }
            if parties > N {
                return Err(BarrierSizeError::TooMany { parties, states: 0, room: N });
            }
            Ok(Self::with_parties(parties))
        }
    }

    constructor! {
        /// For `N` parties, without a heap: it fills its room, which may be
        /// that of a `static`. That `N` is not 0 is checked when it is compiled.
        ///
        /// ```
        /// use portunus::spin::FixedBarrier;
        ///
        /// static BARRIER: FixedBarrier<u32, 2> = FixedBarrier::full();
        /// std::thread::scope(|scope| {
        ///     scope.spawn(|| BARRIER.wait(7).unwrap().position());
        ///     assert_eq!(BARRIER.wait(None).unwrap().get(0), Some(&7));
        /// });
        /// ```
        #[must_use]
        pub fn full() -> Self {
            const { assert!(N > 0, "a barrier for 0 parties would never trip") };
            Self::with_parties(N)
        }
    }

    /// The same, with states that come before those of all parties.
    ///
    /// # Errors
    ///
    /// When there is no room for them beside the parties.
    pub fn with_states(
        self,
        states: impl IntoIterator<Item = T>,
    ) -> Result<Self, BarrierSizeError> {
        let parties = self.parties;
        for (before, state) in states.into_iter().enumerate() {
            let room = before < N - parties && self.push_initial(state).is_ok();
            if !room {
                return Err(BarrierSizeError::TooMany { parties, states: before + 1, room: N });
            }
        }
        Ok(self)
    }
}

impl<T, B: Backend, S: Store<T>> StatefulBarrier<T, B, S> {
    constructor! {
        pub(crate) fn with_parties(parties: usize) -> Self {
            Self {
                queue: WaitQueue::new(),
                data: Locked::new(Data {
                    state: BarrierState::Waiting,
                    present: 0,
                    line: Line::new(<S as Sealed<T>>::EMPTY),
                }),
                outcome: Once::new(),
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

    pub(crate) fn labelled(mut self, name: Name) -> Self {
        self.label = Label::of(name);
        self
    }

    /// The same; of all states only the newest `states` are given.
    ///
    /// ```
    /// use portunus::spin::StatefulBarrier;
    ///
    /// let barrier = StatefulBarrier::<u32>::new(1)?.with_states([1, 2]).keeping(2);
    /// let gathered = barrier.wait(3).unwrap();
    /// assert_eq!((gathered.get(0), gathered.get(1)), (Some(&2), Some(&3)));
    /// assert_eq!(gathered.get(2), None);
    /// # Ok::<(), portunus::barrier::BarrierSizeError>(())
    /// ```
    #[doc(alias = "maxstate")]
    #[must_use]
    pub fn keeping(mut self, states: usize) -> Self {
        self.kept = states;
        self
    }

    /// The same; a party whose wait is cancelled aborts it for all.
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// use portunus::barrier::BarrierState;
    /// use portunus::sync::StatefulBarrier;
    ///
    /// let barrier = StatefulBarrier::<()>::new(2).expect("two parties").cancel_breaks();
    /// let waiting = barrier.wait_async(None);
    /// smol::block_on(async { assert!(smol::future::poll_once(waiting).await.is_none()) });
    /// assert_eq!(barrier.state(), BarrierState::Aborted);
    /// # }
    /// ```
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

    /// How many parties it is for.
    #[must_use]
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// How many parties wait now.
    #[doc(alias = "n_waiting")]
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.data.with(|data| data.present)
    }

    /// How many parties those who wait now wait for.
    #[doc(alias = "remaining_parties")]
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.parties - self.waiting()
    }

    /// Where it stands now.
    #[must_use]
    pub fn state(&self) -> BarrierState {
        self.data.with(|data| data.state)
    }

    /// Whether it lets nobody wait any more: it has tripped, was aborted, or a
    /// party's time was over.
    ///
    /// So it is true after a success, too, for such a barrier serves once;
    /// `CyclicBarrier`'s is not, which begins again. For a failure ask
    /// [`raise_for_abort`](Self::raise_for_abort) or [`state`](Self::state).
    ///
    /// ```
    /// use portunus::barrier::BarrierState;
    /// use portunus::sync::FixedBarrier;
    ///
    /// let barrier: FixedBarrier<(), 1> = FixedBarrier::full();
    /// drop(barrier.wait(None)?);
    /// assert!(barrier.is_broken() && barrier.raise_for_abort().is_ok());
    /// assert_eq!(barrier.state(), BarrierState::Tripped);
    /// # Ok::<(), portunus::barrier::BarrierError>(())
    /// ```
    #[doc(alias = "broken")]
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.state() != BarrierState::Waiting
    }

    /// An error if it was aborted or a party's time was over, not if it has
    /// tripped.
    ///
    /// # Errors
    ///
    /// [`BarrierError::Broken`] with the reason, then.
    pub fn raise_for_abort(&self) -> Result<(), BarrierError> {
        match self.state() {
            BarrierState::Waiting | BarrierState::Tripped => Ok(()),
            reason => Err(self.broken(reason)),
        }
    }

    /// Breaks it, unless it is broken: all who wait get an error. `false`: it
    /// was broken before.
    ///
    /// ```
    /// use portunus::barrier::BarrierState;
    /// use portunus::sync::StatefulBarrier;
    ///
    /// let barrier = StatefulBarrier::<()>::new(2)?;
    /// std::thread::scope(|scope| {
    ///     let waiting = scope.spawn(|| barrier.wait(None).is_err());
    ///     while barrier.waiting() == 0 { std::thread::yield_now(); }
    ///     assert!(barrier.abort());
    ///     assert!(waiting.join().expect("no panic"));
    /// });
    /// assert_eq!(barrier.state(), BarrierState::Aborted);
    /// assert!(barrier.raise_for_abort().is_err());
    /// # Ok::<(), portunus::barrier::BarrierSizeError>(())
    /// ```
    pub fn abort(&self) -> bool {
        self.break_by(BarrierState::Aborted)
    }

    /// Blocks until all parties have come, bringing `state`.
    ///
    /// # Blocking
    ///
    /// Blocks the calling thread or core. In async code use
    /// [`wait_async`](Self::wait_async).
    ///
    /// # Errors
    ///
    /// [`BarrierError::Broken`] with the reason: it had tripped before, it was
    /// aborted, or another party's time was over.
    #[doc(alias = "StatefulBarrier.wait")]
    pub fn wait(&self, state: impl Into<Option<T>>) -> Result<S::Gathered<'_>, BarrierError> {
        self.wait_limited(&mut state.into(), &Forever)
    }

    /// Waits until all parties have come, bringing `state`.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the first poll, the party has not come. While it waits: it
    /// leaves as if it had never come, or with
    /// [`cancel_breaks`](Self::cancel_breaks) aborts the barrier. After the
    /// barrier has tripped: the others have its state.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use portunus::sync::StatefulBarrier;
    ///
    /// let barrier = StatefulBarrier::new(2)?;
    /// let (one, two) = tokio::join!(barrier.wait_async(1), barrier.wait_async(2));
    /// assert_eq!((&*one?, &*two?), (&[1, 2][..], &[1, 2][..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    #[doc(alias = "StatefulBarrier.__await__")]
    pub async fn wait_async(
        &self,
        state: impl Into<Option<T>>,
    ) -> Result<S::Gathered<'_>, BarrierError> {
        self.wait_polled(&mut state.into(), pending()).await
    }

    /// As [`wait_async`](Self::wait_async), until `timeout` is ready: any sleep
    /// future will do.
    ///
    /// ```
    /// # smol::block_on(async {
    /// use std::time::Duration;
    /// use portunus::sync::StatefulBarrier;
    ///
    /// let barrier = StatefulBarrier::<()>::new(2).expect("two parties");
    /// let timeout = smol::Timer::after(Duration::from_millis(1));
    /// assert!(barrier.wait_async_or(None, timeout).await.is_err());
    /// assert!(barrier.is_broken());
    /// # });
    /// ```
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
    ) -> Result<S::Gathered<'_>, BarrierError> {
        let timeout = async {
            timeout.await;
        };
        self.wait_polled(&mut state.into(), timeout).await
    }

    // === how it works ===

    pub(crate) fn wait_limited(
        &self,
        state: &mut Option<T>,
        limit: &impl Limit,
    ) -> Result<S::Gathered<'_>, BarrierError> {
        let party = match self.arrive(state)? {
            Ok(end) => return Ok(end),
            Err(party) => party,
        };
        let mut limited = true;
        loop {
            let mut end = None;
            // In the queue first, then another look: whoever publishes an end
            // after that finds this party there.
            let open = || {
                end = party.look();
                if end.is_some() {
                    // This one, too; the others have been told already.
                    self.queue.notify_all_seen();
                }
            };
            let told = if limited {
                self.queue.wait::<B::Wait>(open, limit)
            } else {
                self.queue.wait::<B::Wait>(open, &Forever)
            };
            let mut end = end.or_else(|| party.look());
            if end.is_none() && !told {
                // If it trips just now, its end is near.
                limited = false;
                end = party.time_out();
            }
            if let Some(end) = end {
                mem::forget(party);
                return end;
            }
        }
    }

    pub(crate) async fn wait_polled(
        &self,
        state: &mut Option<T>,
        timeout: impl Future<Output = ()>,
    ) -> Result<S::Gathered<'_>, BarrierError> {
        let party = match self.arrive(state)? {
            Ok(end) => return Ok(end),
            Err(party) => party,
        };
        let mut timeout = pin!(timeout);
        let mut limited = true;
        loop {
            // Dropped before the party: it leaves the queue, then the barrier.
            let mut visit = pin!(Visit::new(&self.queue));
            let mut joined = false;
            let end = poll_fn(|cx| {
                if !joined {
                    joined = true;
                    visit.as_mut().join(cx.waker());
                    // As above.
                    if let Some(end) = party.look() {
                        return Poll::Ready(Some(end));
                    }
                } else if visit.as_mut().poll(cx.waker()) {
                    return Poll::Ready(party.look());
                }
                if limited && timeout.as_mut().poll(cx).is_ready() {
                    limited = false;
                    if let Some(end) = party.time_out() {
                        return Poll::Ready(Some(end));
                    }
                }
                Poll::Pending
            });
            if let Some(end) = end.await {
                mem::forget(party);
                return end;
            }
        }
    }

    /// Takes the state, unless it is refused. The last party trips the barrier
    /// and has its end at once.
    #[allow(clippy::type_complexity)]
    fn arrive(
        &self,
        state: &mut Option<T>,
    ) -> Result<Result<S::Gathered<'_>, Party<'_, T, B, S>>, BarrierError> {
        loop {
            let arrival = self.data.with(|data| {
                if data.state != BarrierState::Waiting {
                    return Arrival::Refused(data.state);
                }
                let brings = state.take().map_or(Brings::Nothing, Brings::State);
                let id = match data.line.push(Entry { id: 0, brings }) {
                    Ok(id) => id,
                    Err(entry) => {
                        if let Brings::State(refused) = entry.brings {
                            *state = Some(refused);
                        }
                        return Arrival::Full(entries_len::<T, S>(&mut data.line));
                    }
                };
                data.present += 1;
                if data.present < self.parties {
                    return Arrival::Waits(id);
                }
                data.state = BarrierState::Tripped;
                Arrival::Last(id, data.empty::<T, S>())
            });
            match arrival {
                Arrival::Refused(reason) => return Err(self.broken(reason)),
                Arrival::Full(len) => self.make_room(len),
                Arrival::Waits(id) => return Ok(Err(Party { barrier: self, id })),
                Arrival::Last(id, line) => {
                    let outcome = self.trip(line);
                    return Ok(Ok(S::gathered(outcome, id, self.parties)));
                }
            }
        }
    }

    /// Makes what all share, and tells them.
    fn trip(&self, line: Line<<S as Sealed<T>>::Entries>) -> &S::Outcome {
        /// Should there be no memory, nobody waits for ever.
        struct Tripping<'a, T, B: Backend, S: Store<T>>(&'a StatefulBarrier<T, B, S>);
        impl<T, B: Backend, S: Store<T>> Drop for Tripping<'_, T, B, S> {
            fn drop(&mut self) {
                self.0.data.with(|data| data.state = BarrierState::Aborted);
                self.0.queue.notify_all_seen();
            }
        }
        let tripping = Tripping(self);
        let (outcome, rest) = S::finish(line, self.kept);
        let outcome = self.outcome.call_once(|| outcome);
        mem::forget(tripping);
        if !Fault::BarrierTripsSilently.on() {
            self.queue.notify_all_seen();
        }
        // The user's code, at last.
        drop(rest);
        outcome
    }

    /// Makes it broken, unless it is.
    fn break_by(&self, reason: BarrierState) -> bool {
        let rest = self.data.with(|data| {
            (data.state == BarrierState::Waiting).then(|| {
                data.state = reason;
                data.empty::<T, S>()
            })
        });
        let broke = rest.is_some();
        if broke {
            self.queue.notify_all_seen();
        }
        drop(rest);
        broke
    }

    pub(crate) fn push_initial(&self, state: T) -> Result<(), T> {
        let entry = Entry { id: 0, brings: Brings::State(state) };
        let full = self.data.with(|data| match data.line.push(entry) {
            Ok(_) => {
                data.line.initial += 1;
                None
            }
            Err(entry) => Some((entry, entries_len::<T, S>(&mut data.line))),
        });
        match full {
            None => Ok(()),
            Some((entry, len)) => {
                self.make_room(len);
                match entry.brings {
                    Brings::State(state) => Err(state),
                    Brings::Gone | Brings::Nothing => Ok(()),
                }
            }
        }
    }

    /// Makes room for more than `len`, outside the lock.
    fn make_room(&self, len: usize) {
        use store::Entries;
        // A store of fixed size is never full: it has room for all parties.
        if let Some(larger) = <S as Sealed<T>>::larger(len, self.parties) {
            let old = self.data.with(|data| data.line.entries.move_to(larger));
            drop(old);
        }
    }

    fn broken(&self, reason: BarrierState) -> BarrierError {
        BarrierError::Broken { name: self.name(), reason }
    }
}

fn entries_len<T, S: Store<T>>(line: &mut Line<<S as Sealed<T>>::Entries>) -> usize {
    use store::Entries;
    line.entries.slots().len()
}

impl<E> Data<E> {
    /// Takes everything out, when nobody waits any more.
    fn empty<T, S: Store<T> + Sealed<T, Entries = E>>(&mut self) -> Line<E> {
        self.present = 0;
        mem::replace(&mut self.line, Line::new(<S as Sealed<T>>::EMPTY))
    }
}

/// A party that has come; dropped, it leaves.
struct Party<'a, T, B: Backend, S: Store<T>> {
    barrier: &'a StatefulBarrier<T, B, S>,
    id: u64,
}

impl<'a, T, B: Backend, S: Store<T>> Party<'a, T, B, S> {
    /// The end of its waiting, if that is there.
    fn look(&self) -> Option<Result<S::Gathered<'a>, BarrierError>> {
        let barrier = self.barrier;
        if let Some(outcome) = barrier.outcome.get() {
            return Some(Ok(S::gathered(outcome, self.id, barrier.parties)));
        }
        match barrier.state() {
            // Tripped, and the outcome is on its way: all will be told.
            BarrierState::Waiting | BarrierState::Tripped => None,
            reason => Some(Err(barrier.broken(reason))),
        }
    }

    /// Its time is over: breaks the barrier, unless that has an end.
    fn time_out(&self) -> Option<Result<S::Gathered<'a>, BarrierError>> {
        if self.barrier.break_by(BarrierState::TimedOut) {
            return Some(Err(BarrierError::TimedOut { name: self.barrier.name() }));
        }
        self.look()
    }
}

impl<T, B: Backend, S: Store<T>> Drop for Party<'_, T, B, S> {
    fn drop(&mut self) {
        if self.barrier.cancel_breaks {
            self.barrier.break_by(BarrierState::Aborted);
            return;
        }
        let brought = self.barrier.data.with(|data| {
            if data.state != BarrierState::Waiting || Fault::BarrierKeepsTheLeft.on() {
                return Brings::Gone;
            }
            data.present -= 1;
            data.line.remove::<T>(self.id)
        });
        drop(brought);
    }
}

impl<T, B: Backend, S: Store<T>> fmt::Debug for StatefulBarrier<T, B, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("StatefulBarrier");
        shown.field("name", &self.name()).field("parties", &self.parties);
        if let Some((state, present)) = self.data.try_with(|data| (data.state, data.present)) {
            shown.field("state", &state).field("waiting", &present);
        }
        shown.finish_non_exhaustive()
    }
}
