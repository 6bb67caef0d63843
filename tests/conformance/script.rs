//! The driver: parties that ask for a lock, stay inside, and leave when told.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::faces::Face;
use crate::subject::Subject;
use crate::support::{message, until};

/// What a party is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// To let go.
    Finish,
    /// To fail with an error of its own.
    Fail,
    /// To give up, wherever it stands.
    Cancel,
}

/// How a party ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Finished,
    Cancelled,
    /// Refused, with this error.
    Refused(String),
    /// With the error that the party of this number was told to fail with.
    Failed(usize),
    /// With a panic that nobody ordered.
    Panicked(String),
}

/// The error of [`Order::Fail`].
struct Failure(usize);

impl Outcome {
    fn of_panic(payload: Box<dyn Any + Send>) -> Self {
        match payload.downcast::<Failure>() {
            Ok(failure) => Self::Failed(failure.0),
            Err(payload) => Self::Panicked(message(&*payload)),
        }
    }
}

/// Somebody who asks once.
pub(crate) struct Party {
    index: usize,
    /// Who entered, in the order in which they noticed.
    log: Arc<Mutex<Vec<usize>>>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    entered: bool,
    order: Option<Order>,
    outcome: Option<Outcome>,
    /// Of the task, to be called when there is an order.
    waker: Option<Waker>,
    /// To be done inside, as the very last.
    last: Option<Box<dyn FnOnce() + Send>>,
}

/// Does what a party has to do last, however it ends.
struct Last<'a>(&'a Party);

impl Drop for Last<'_> {
    fn drop(&mut self) {
        let last = self.0.state().last.take();
        if let Some(last) = last {
            last();
        }
    }
}

impl Party {
    fn new(index: usize, log: &Arc<Mutex<Vec<usize>>>) -> Arc<Self> {
        Arc::new(Self {
            index,
            log: Arc::clone(log),
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Gives an order; does not wait for what comes of it.
    pub(crate) fn tell(&self, order: Order) {
        let mut state = self.state();
        state.order = Some(order);
        let waker = state.waker.take();
        drop(state);
        self.changed.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether it is to give up.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.state().order == Some(Order::Cancel)
    }

    fn has_entered(&self) -> bool {
        self.state().entered
    }

    fn outcome(&self) -> Option<Outcome> {
        self.state().outcome.clone()
    }

    /// Notes that it is inside. `false`: it is to give up instead.
    fn enter(&self) -> bool {
        let mut state = self.state();
        if state.order == Some(Order::Cancel) {
            return false;
        }
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(self.index);
        state.entered = true;
        true
    }

    fn obey(&self, order: Order) -> Outcome {
        match order {
            Order::Finish => Outcome::Finished,
            Order::Cancel => Outcome::Cancelled,
            Order::Fail => resume_unwind(Box::new(Failure(self.index))),
        }
    }

    /// Stays inside until told otherwise, blocking; then the guard is dropped.
    pub(crate) fn stay<G>(&self, _guard: G) -> Outcome {
        if !self.enter() {
            return Outcome::Cancelled;
        }
        let _last = Last(self);
        let mut state = self.state();
        let order = loop {
            match state.order {
                Some(order) => break order,
                None => {
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        };
        drop(state);
        self.obey(order)
    }

    /// The same for a task.
    pub(crate) async fn stay_async<G>(&self, _guard: G) -> Outcome {
        if !self.enter() {
            return Outcome::Cancelled;
        }
        let _last = Last(self);
        let order = poll_fn(|cx| {
            let mut state = self.state();
            if state.order.is_none() {
                state.waker = Some(cx.waker().clone());
            }
            state.order.map_or(Poll::Pending, Poll::Ready)
        })
        .await;
        self.obey(order)
    }

    fn end(&self, outcome: Outcome) {
        self.state().outcome = Some(outcome);
    }

    /// The whole life of a party that is a thread.
    pub(crate) fn live(&self, body: impl FnOnce() -> Outcome) {
        self.end(catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(Outcome::of_panic));
    }
}

/// The whole life of a party that is a task. Cancelled, it drops its body in
/// whatever state that is.
pub(crate) struct Life {
    party: Arc<Party>,
    body: Option<Pin<Box<dyn Future<Output = Outcome> + Send>>>,
}

impl Life {
    pub(crate) fn new(
        party: &Arc<Party>,
        body: Pin<Box<dyn Future<Output = Outcome> + Send>>,
    ) -> Self {
        Self { party: Arc::clone(party), body: Some(body) }
    }
}

impl Future for Life {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else { return Poll::Ready(()) };
        let mut state = this.party.state();
        let outcome = if state.order == Some(Order::Cancel) {
            drop(state);
            Outcome::Cancelled
        } else {
            state.waker = Some(cx.waker().clone());
            drop(state);
            match catch_unwind(AssertUnwindSafe(|| body.as_mut().poll(cx))) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(outcome)) => outcome,
                Err(payload) => Outcome::of_panic(payload),
            }
        };
        this.body = None;
        this.party.end(outcome);
        Poll::Ready(())
    }
}

/// A lock, and the parties that ask for it, in the order in which they do.
pub(crate) struct Script<F: Face, S: Subject> {
    face: F,
    subject: Arc<S>,
    parties: Vec<(Arc<Party>, S::Ask)>,
    log: Arc<Mutex<Vec<usize>>>,
}

impl<F: Face, S: Subject> Script<F, S> {
    pub(crate) fn new(subject: S) -> Self {
        let face = F::default();
        Self { face, subject: Arc::new(subject), parties: Vec::new(), log: Arc::default() }
    }

    pub(crate) fn subject(&self) -> &S {
        &self.subject
    }

    pub(crate) fn party(&self, index: usize) -> Arc<Party> {
        Arc::clone(&self.parties[index].0)
    }

    #[track_caller]
    fn until(&self, what: &str, done: impl Fn() -> bool) {
        until(what, || {
            self.face.advance();
            done()
        });
    }

    /// The next party asks. Returns when it is inside or in line.
    #[track_caller]
    pub(crate) fn asks(&mut self, ask: S::Ask) {
        let party = Party::new(self.parties.len(), &self.log);
        let waiting = self.subject.in_line();
        self.face.start(&self.subject, ask, &party);
        self.until("the party is inside or in line", || {
            party.has_entered()
                || party.outcome().is_some()
                || self.subject.in_line() == waiting + 1
        });
        self.parties.push((party, ask));
    }

    pub(crate) fn tell(&self, index: usize, order: Order) {
        self.parties[index].0.tell(order);
    }

    /// Waits until a party is gone.
    #[track_caller]
    pub(crate) fn outcome(&self, index: usize) -> Outcome {
        let party = &self.parties[index].0;
        self.until("the party is gone", || party.outcome().is_some());
        party.outcome().unwrap_or(Outcome::Cancelled)
    }

    /// Waits until a party has noticed that it is inside.
    #[track_caller]
    pub(crate) fn enters(&self, index: usize) {
        let party = &self.parties[index].0;
        self.until("the party is inside", || party.has_entered());
    }

    #[track_caller]
    pub(crate) fn finish(&self, index: usize) {
        self.tell(index, Order::Finish);
        assert_eq!(self.outcome(index), Outcome::Finished);
    }

    /// Fails inside: the guard goes by a panic.
    #[track_caller]
    pub(crate) fn fail(&self, index: usize) {
        self.tell(index, Order::Fail);
        assert_eq!(self.outcome(index), Outcome::Failed(index));
    }

    #[track_caller]
    pub(crate) fn cancel(&self, index: usize) {
        self.tell(index, Order::Cancel);
        assert_eq!(self.outcome(index), Outcome::Cancelled);
    }

    /// What a party does inside as the very last, whatever makes it leave.
    pub(crate) fn at_the_end_of(&self, index: usize, last: impl FnOnce() + Send + 'static) {
        self.parties[index].0.state().last = Some(Box::new(last));
    }

    /// Who has been let in so far: `x` for a party that was, `-` for one that
    /// was not.
    ///
    /// The lock's own counts have to be right at once; then the parties are
    /// given time to notice.
    #[track_caller]
    pub(crate) fn history(&self, expected: &str) {
        let expected: Vec<bool> = expected.chars().map(|entered| entered == 'x').collect();
        assert_eq!(expected.len(), self.parties.len());
        let present: Vec<bool> =
            self.parties.iter().map(|(party, _)| party.outcome().is_none()).collect();
        for (_, ask) in &self.parties {
            let units = (0..expected.len())
                .filter(|&i| expected[i] && present[i])
                .filter(|&i| S::kind(self.parties[i].1) == S::kind(*ask))
                .map(|i| S::units(self.parties[i].1))
                .sum::<usize>();
            assert_eq!(self.subject.held(*ask), units, "held as {ask:?}");
        }
        let waiting = (0..expected.len()).filter(|&i| !expected[i] && present[i]).count();
        assert_eq!(self.subject.in_line(), waiting, "in line");

        self.until("all who were let in notice it", || {
            expected
                .iter()
                .zip(&self.parties)
                .all(|(&inside, (party, _))| !inside || party.has_entered())
        });
        let seen: Vec<bool> = self.parties.iter().map(|(party, _)| party.has_entered()).collect();
        assert_eq!(seen, expected, "who has been let in");
    }

    /// The order in which the parties noticed that they are inside, where the
    /// face tells it from the order of their wake-ups.
    #[track_caller]
    pub(crate) fn order(&self, expected: &[usize]) {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if F::IN_ORDER {
            assert_eq!(log, expected);
        } else {
            assert_eq!(log.len(), expected.len());
        }
    }

    /// All who are left finish as they come in. Then nothing may be left.
    #[track_caller]
    pub(crate) fn end(self) {
        while self.parties.iter().any(|(party, _)| party.outcome().is_none()) {
            let inside = || {
                self.parties
                    .iter()
                    .position(|(party, _)| party.has_entered() && party.outcome().is_none())
            };
            self.until("somebody is inside", || inside().is_some());
            if let Some(index) = inside() {
                self.finish(index);
            }
        }
        for (_, ask) in &self.parties {
            assert_eq!(self.subject.held(*ask), 0, "held as {ask:?} by nobody");
        }
        assert_eq!(self.subject.in_line(), 0, "in line though all are gone");
    }
}
