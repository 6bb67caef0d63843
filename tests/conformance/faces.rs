//! The ways of waiting.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use portunus::{Backend, Left, Limit, Turn, Wait};

use crate::executor::{Executor, Job, Spawner};
use crate::kin::{Kin, Plain};
use crate::script::{Life, Party};
use crate::subject::Subject;
pub(crate) use crate::support::backends::{YieldingCritical, YieldingSpin};

/// A way of waiting for a lock.
pub(crate) trait Face: Default {
    /// The locks that it can wait for.
    type Backend: Backend;

    /// Which kind of them it does.
    type Kin: Kin;

    /// Parties that are woken notice it in the order of their wake-ups.
    const IN_ORDER: bool = false;

    /// Lets a party ask.
    fn start<S: Subject>(&self, subject: &Arc<S>, ask: S::Ask, party: &Arc<Party>);

    /// Runs one of many workers: as a thread that does `block`, or as a task.
    fn work(&self, index: usize, block: Box<dyn FnOnce() + Send>, task: Job);

    /// Polls tasks, where the test's own thread does that.
    fn advance(&self) {}
}

/// Threads that block until their turn comes.
pub(crate) struct Blocking<B>(PhantomData<fn() -> B>);

impl<B> Default for Blocking<B> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<B: Backend> Face for Blocking<B> {
    type Backend = B;
    type Kin = Plain;

    fn start<S: Subject>(&self, subject: &Arc<S>, ask: S::Ask, party: &Arc<Party>) {
        let (subject, party) = (Arc::clone(subject), Arc::clone(party));
        thread::spawn(move || party.live(|| subject.visit(ask, &party)));
    }

    fn work(&self, _: usize, block: Box<dyn FnOnce() + Send>, _: Job) {
        thread::spawn(block);
    }
}

/// Threads that block for a time that is long, and is over at once for a party
/// that is cancelled.
pub(crate) struct Timed<B>(PhantomData<fn() -> B>);

impl<B> Default for Timed<B> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);

/// How often a sleeper looks whether it is cancelled.
const LOOK: Duration = Duration::from_millis(1);

thread_local! {
    /// The party whose cancellation ends the timed waits of this thread.
    static REVOCABLE: RefCell<Option<Arc<Party>>> = const { RefCell::new(None) };
}

/// A backend whose timed waits a party's cancellation ends. All else is that
/// of `B`.
pub(crate) struct Revocable<B>(PhantomData<fn() -> B>);

impl<B: Backend> Backend for Revocable<B> {
    type Inner = B::Inner;
    type Wait = RevocableWait<B>;
}

pub(crate) struct RevocableWait<B>(PhantomData<fn() -> B>);

impl<B: Backend> Wait for RevocableWait<B> {
    fn wait(turn: &impl Turn, limit: &impl Limit) -> bool {
        B::Wait::wait(turn, &RevocableLimit(limit))
    }
}

struct RevocableLimit<'a, L>(&'a L);

impl<L: Limit> Limit for RevocableLimit<'_, L> {
    fn left(&self) -> Left {
        let left = match self.0.left() {
            Left::Time(left) => left,
            other => return other,
        };
        let revoked =
            REVOCABLE.with_borrow(|party| party.as_ref().is_some_and(|p| p.is_cancelled()));
        if revoked { Left::Nothing } else { Left::Time(left.min(LOOK)) }
    }
}

fn start_revocable<S: Subject>(subject: &Arc<S>, ask: S::Ask, party: &Arc<Party>) {
    let (subject, party) = (Arc::clone(subject), Arc::clone(party));
    thread::spawn(move || {
        REVOCABLE.set(Some(Arc::clone(&party)));
        party.live(|| subject.visit_for(ask, LONG, &party));
    });
}

impl<B: Backend> Face for Timed<B> {
    type Backend = Revocable<B>;
    type Kin = Plain;

    fn start<S: Subject>(&self, subject: &Arc<S>, ask: S::Ask, party: &Arc<Party>) {
        start_revocable(subject, ask, party);
    }

    fn work(&self, _: usize, block: Box<dyn FnOnce() + Send>, _: Job) {
        thread::spawn(block);
    }
}

/// Tasks on an executor.
pub(crate) struct Tasks<E, B> {
    executor: E,
    backend: PhantomData<fn() -> B>,
}

impl<E: Default, B> Default for Tasks<E, B> {
    fn default() -> Self {
        Self { executor: E::default(), backend: PhantomData }
    }
}

fn start_task<S: Subject>(spawner: &Spawner, subject: &Arc<S>, ask: S::Ask, party: &Arc<Party>) {
    let (subject, visitor) = (Arc::clone(subject), Arc::clone(party));
    let body = Box::pin(async move { subject.visit_async(ask, &visitor).await });
    spawner(Box::pin(Life::new(party, body)));
}

impl<E: Executor, B: Backend> Face for Tasks<E, B> {
    type Backend = B;
    type Kin = Plain;
    const IN_ORDER: bool = E::IN_ORDER;

    fn start<S: Subject>(&self, subject: &Arc<S>, ask: S::Ask, party: &Arc<Party>) {
        start_task(&self.executor.spawner(), subject, ask, party);
    }

    fn work(&self, _: usize, _: Box<dyn FnOnce() + Send>, task: Job) {
        self.executor.spawner()(task);
    }

    fn advance(&self) {
        self.executor.advance();
    }
}

/// A thread, a task, a thread, and so on, in one line.
pub(crate) struct Mixed<E, B> {
    executor: E,
    backend: PhantomData<fn() -> B>,
}

impl<E: Default, B> Default for Mixed<E, B> {
    fn default() -> Self {
        Self { executor: E::default(), backend: PhantomData }
    }
}

impl<E: Executor, B: Backend> Face for Mixed<E, B> {
    type Backend = Revocable<B>;
    type Kin = Plain;

    fn start<S: Subject>(&self, subject: &Arc<S>, ask: S::Ask, party: &Arc<Party>) {
        if party.index().is_multiple_of(2) {
            start_revocable(subject, ask, party);
        } else {
            start_task(&self.executor.spawner(), subject, ask, party);
        }
    }

    fn work(&self, index: usize, block: Box<dyn FnOnce() + Send>, task: Job) {
        if index.is_multiple_of(2) {
            thread::spawn(block);
        } else {
            self.executor.spawner()(task);
        }
    }

    fn advance(&self) {
        self.executor.advance();
    }
}

/// The face `F`, waiting for other locks than plain ones.
pub(crate) struct Of<K, F> {
    face: F,
    kin: PhantomData<fn() -> K>,
}

impl<K, F: Default> Default for Of<K, F> {
    fn default() -> Self {
        Self { face: F::default(), kin: PhantomData }
    }
}

impl<K: Kin, F: Face> Face for Of<K, F> {
    type Backend = F::Backend;
    type Kin = K;
    const IN_ORDER: bool = F::IN_ORDER;

    fn start<S: Subject>(&self, subject: &Arc<S>, ask: S::Ask, party: &Arc<Party>) {
        self.face.start(subject, ask, party);
    }

    fn work(&self, index: usize, block: Box<dyn FnOnce() + Send>, task: Job) {
        self.face.work(index, block, task);
    }

    fn advance(&self) {
        self.face.advance();
    }
}
