//! What readers and writers of an accessor wait for.
//!
//! The invariants are V1 and V2 of the [accessor](super), and A3 and A4 of
//! [questions](crate::wait::ask): what a question is about is a
//! [`Changes<T>`](super::Changes), which has its number for ever. A question
//! holds no way to it: who asks brings a [`View`] of the accessor along that
//! stands on these changes, and so has a value of the same type.

#![allow(unsafe_code)]

use core::marker::PhantomData;

use super::changes::State;
use super::{Accessor, AsChanges, Source};
use crate::backend::Backend;
use crate::condition::{Condition, On};
use crate::wait::ask::{Bring, By, Owner, Question};

/// What an accessor shows to the questions about its changes, whatever its
/// source is.
pub(super) trait View<T> {
    /// # Safety
    ///
    /// Under the condition's lock, and no other reference to it.
    #[allow(clippy::mut_from_ref, reason = "the lock excludes")]
    unsafe fn state(&self) -> &mut State;

    /// Shows the value. `false`: there was none to show.
    ///
    /// # Safety
    ///
    /// Under the condition's lock, and no other reference to the source.
    unsafe fn show(&self, look: &mut dyn FnMut(&T)) -> bool;
}

impl<T, B: Backend, S: Source<Value = T>, C: AsChanges<T, B>> View<T> for Accessor<T, B, S, C> {
    unsafe fn state(&self) -> &mut State {
        // SAFETY: by this function's contract.
        unsafe { Self::state(self) }
    }

    unsafe fn show(&self, look: &mut dyn FnMut(&T)) -> bool {
        // SAFETY: by this function's contract.
        unsafe { self.source() }.with(|value| look(value)).is_ok()
    }
}

/// An accessor as what is brought along: the number is that of its changes.
pub(super) struct Brought<'a, T>(pub(super) &'a dyn View<T>);

impl<T> Bring for Brought<'_, T> {
    fn by(&self) -> By<'_> {
        // SAFETY: V1: under the lock.
        let number = unsafe { self.0.state() }.number;
        By::Thing { number, thing: (&raw const self.0).cast(), held: PhantomData }
    }
}

/// What a question knows of the changes that it is about.
#[derive(Debug)]
struct About<T> {
    /// Their number; 0 before it has first joined.
    number: u64,
    /// Whether it is counted among those who wait.
    counted: bool,
    value: PhantomData<fn(T) -> T>,
}

impl<T> About<T> {
    const fn new() -> Self {
        Self { number: 0, counted: false, value: PhantomData }
    }

    /// The accessor that was brought along, if it stands on these changes.
    fn view<'b>(&self, by: By<'b>) -> Option<&'b dyn View<T>> {
        let view: *const &'b dyn View<T> = by.thing(self.number)?.cast();
        // SAFETY: A4, V3: a number is that of one `Changes<T>`, and whoever states it
        // has brought a view of an accessor on them, of the same `T`.
        Some(unsafe { *view })
    }
}

/// Which of the counts a question stands in.
trait Counted {
    fn count(state: &mut State) -> &mut usize;
}

/// Those who read.
struct Readers;
/// Those who wait for readers.
struct Writers;

impl Counted for Readers {
    fn count(state: &mut State) -> &mut usize {
        &mut state.readers
    }
}

impl Counted for Writers {
    fn count(state: &mut State) -> &mut usize {
        &mut state.writers
    }
}

impl<T> About<T> {
    /// It stands in line, of changes in this state.
    fn joined<N: Counted>(&mut self, state: &mut State) {
        self.counted = true;
        self.number = state.number;
        *N::count(state) += 1;
    }

    /// It is out of the line. Where nothing was brought along that could be told,
    /// it is told when its owner comes.
    fn left<N: Counted>(&mut self, by: By<'_>) {
        if let Some(view) = self.view(by) {
            // SAFETY: V1.
            let state = unsafe { view.state() };
            if core::mem::take(&mut self.counted) {
                *N::count(state) -= 1;
            }
        }
    }

    /// Its owner has come.
    fn back<N: Counted>(&mut self, state: &mut State) {
        if core::mem::take(&mut self.counted) {
            *N::count(state) -= 1;
        }
    }
}

/// A way in which an accessor is reached by the owner of a question.
#[doc(hidden)]
#[allow(unreachable_pub, private_bounds, reason = "in a future's hidden parameter")]
pub trait Reach: On<Backend = Self::On> {
    type Value;
    type On: Backend;
    type Source: Source<Value = Self::Value>;
    type Changes: AsChanges<Self::Value, Self::On>;

    /// Always the same one.
    fn reach(&self) -> &Accessor<Self::Value, Self::On, Self::Source, Self::Changes>;
}

impl<T, B: Backend, S: Source<Value = T>, C: AsChanges<T, B>> On for &Accessor<T, B, S, C> {
    type Backend = B;

    fn on(&self) -> &Condition<B> {
        self.condition()
    }
}

impl<T, B: Backend, S: Source<Value = T>, C: AsChanges<T, B>> Reach for &Accessor<T, B, S, C> {
    type Value = T;
    type On = B;
    type Source = S;
    type Changes = C;

    fn reach(&self) -> &Accessor<T, B, S, C> {
        self
    }
}

/// What an operation through `A` returns.
type Outcome<A, V> = <<A as Reach>::Source as Source>::Outcome<V>;

/// A reader.
#[allow(missing_debug_implementations, reason = "named by nobody")]
#[allow(unreachable_pub, reason = "in a future's hidden parameter")]
pub struct Reading<T, F> {
    about: About<T>,
    /// Whether the value has to be set after the call.
    fresh: bool,
    /// Whether it was, and was not as wanted.
    moved: bool,
    wanted: F,
    /// The version when it came.
    since: Option<usize>,
    /// The version for which it was woken.
    found: Option<usize>,
    /// The version of its answer.
    #[allow(dead_code, reason = "of futures")]
    answered: usize,
}

impl<T, F> Reading<T, F> {
    pub(crate) fn new(fresh: bool, wanted: F) -> Self {
        let about = About::new();
        Self { about, fresh, moved: false, wanted, since: None, found: None, answered: 0 }
    }

    /// For a value set after `version`.
    #[allow(dead_code, reason = "of futures")]
    pub(crate) fn since(version: usize, wanted: F) -> Self {
        Self { since: Some(version), answered: version, ..Self::new(true, wanted) }
    }

    /// The version of its answer.
    #[allow(dead_code, reason = "of futures")]
    pub(crate) fn answered(&self) -> usize {
        self.answered
    }
}

impl<T, F: FnMut(&T) -> bool> Question for Reading<T, F> {
    fn holds(&mut self, by: By<'_>) -> bool {
        let Some(view) = self.about.view(by) else {
            return match by {
                // What a getter finds may have changed.
                By::Notice => !self.fresh || self.moved,
                By::Unknown => true,
                By::Thing { .. } => false,
            };
        };
        // SAFETY: V1.
        let version = unsafe { view.state() }.version;
        if self.fresh && self.since == Some(version) {
            return false;
        }
        self.moved = true;
        let (mut holds, wanted) = (false, &mut self.wanted);
        // SAFETY: V2.
        let shown = unsafe { view.show(&mut |value| holds = wanted(value)) };
        self.found = (shown && holds).then_some(version);
        // What the getter has to say, the reader hears itself.
        holds || !shown
    }

    fn left(&mut self, by: By<'_>) {
        self.about.left::<Readers>(by);
    }
}

impl<A: Reach, F: FnMut(&A::Value) -> bool> Owner<Reading<A::Value, F>> for A
where
    A::Value: Clone,
{
    type Answer = Outcome<A, A::Value>;

    fn brings(&self) -> impl Bring {
        Brought(self.reach())
    }

    fn answer(
        &self,
        reading: &mut Reading<A::Value, F>,
        _: &mut bool,
    ) -> Option<Outcome<A, A::Value>> {
        // SAFETY: V1, V2.
        let (state, source) = unsafe { (self.reach().state(), self.reach().source()) };
        reading.about.back::<Readers>(state);
        let version = state.version;
        let first = reading.since.is_none();
        let since = *reading.since.get_or_insert(version);
        let known = reading.found.take() == Some(version);
        let counts = !reading.fresh || !first && version != since;
        if !first && !known && !counts {
            return None;
        }
        reading.moved = counts;
        reading.answered = version;
        let wanted = &mut reading.wanted;
        let look = |value: &A::Value| {
            // It is asked also where its answer does not count yet.
            let is_wanted = known || wanted(value);
            (is_wanted && counts).then(|| value.clone())
        };
        source.with(look).transpose().map(A::Source::outcome)
    }

    fn joined(&self, reading: &mut Reading<A::Value, F>) -> bool {
        let accessor = self.reach();
        // SAFETY: V1.
        let state = unsafe { accessor.numbered() };
        reading.about.joined::<Readers>(state);
        state.writers != 0
    }

    fn forgone(&self, reading: &mut Reading<A::Value, F>) -> bool {
        // SAFETY: V1.
        reading.about.back::<Readers>(unsafe { self.reach().state() });
        false
    }
}

/// Who sets the value when somebody reads.
#[allow(missing_debug_implementations, reason = "named by nobody")]
#[allow(unreachable_pub, reason = "in a future's hidden parameter")]
pub struct Writing<T> {
    about: About<T>,
    /// Touched by its owner alone.
    value: Option<T>,
    /// It was woken for a reader.
    claims: bool,
}

impl<T> Writing<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { about: About::new(), value: Some(value), claims: false }
    }

    #[allow(dead_code, reason = "of timeouts")]
    pub(crate) fn into_value(self) -> T {
        match self.value {
            Some(value) => value,
            None => unreachable!("a value that was set has an outcome"),
        }
    }

    /// Gives back the reader that it was woken for. `true`: it was.
    fn unclaim(&mut self, state: &mut State) -> bool {
        let claims = core::mem::take(&mut self.claims);
        state.claimed -= usize::from(claims);
        claims
    }
}

impl<T> Question for Writing<T> {
    fn holds(&mut self, by: By<'_>) -> bool {
        let Some(view) = self.about.view(by) else {
            return matches!(by, By::Unknown);
        };
        // SAFETY: V1.
        let state = unsafe { view.state() };
        if self.claims || state.readers <= state.claimed {
            return false;
        }
        state.claimed += 1;
        self.claims = true;
        true
    }

    fn left(&mut self, by: By<'_>) {
        self.about.left::<Writers>(by);
    }
}

impl<A: Reach> Owner<Writing<A::Value>> for A {
    type Answer = Outcome<A, ()>;

    fn brings(&self) -> impl Bring {
        Brought(self.reach())
    }

    fn answer(
        &self,
        writing: &mut Writing<A::Value>,
        changed: &mut bool,
    ) -> Option<Outcome<A, ()>> {
        // SAFETY: V1.
        let state = unsafe { self.reach().state() };
        writing.about.back::<Writers>(state);
        // At once: the setter may unwind. A reader that is not served is left to
        // the next one.
        let claimed = writing.unclaim(state);
        if state.readers <= state.claimed {
            return None;
        }
        let value = writing.value.take()?;
        // SAFETY: V1, V2.
        let done = unsafe { self.reach().put(value, changed) };
        *changed |= claimed;
        Some(A::Source::outcome(done))
    }

    fn joined(&self, writing: &mut Writing<A::Value>) -> bool {
        // SAFETY: V1.
        writing.about.joined::<Writers>(unsafe { self.reach().numbered() });
        false
    }

    fn forgone(&self, writing: &mut Writing<A::Value>) -> bool {
        // SAFETY: V1.
        let state = unsafe { self.reach().state() };
        writing.about.back::<Writers>(state);
        writing.unclaim(state)
    }
}

/// Who waits for somebody to read.
#[allow(missing_debug_implementations, reason = "named by nobody")]
#[allow(unreachable_pub, reason = "in a future's hidden parameter")]
pub struct WaitingRead<T> {
    about: About<T>,
}

impl<T> WaitingRead<T> {
    pub(crate) fn new() -> Self {
        Self { about: About::new() }
    }
}

impl<T> Question for WaitingRead<T> {
    fn holds(&mut self, by: By<'_>) -> bool {
        match self.about.view(by) {
            // SAFETY: V1.
            Some(view) => unsafe { view.state() }.readers != 0,
            None => matches!(by, By::Unknown),
        }
    }

    fn left(&mut self, by: By<'_>) {
        self.about.left::<Writers>(by);
    }
}

impl<A: Reach> Owner<WaitingRead<A::Value>> for A {
    type Answer = ();

    fn brings(&self) -> impl Bring {
        Brought(self.reach())
    }

    fn answer(&self, waiting: &mut WaitingRead<A::Value>, _: &mut bool) -> Option<()> {
        // SAFETY: V1.
        let state = unsafe { self.reach().state() };
        waiting.about.back::<Writers>(state);
        (state.readers != 0).then_some(())
    }

    fn joined(&self, waiting: &mut WaitingRead<A::Value>) -> bool {
        // SAFETY: V1.
        waiting.about.joined::<Writers>(unsafe { self.reach().numbered() });
        false
    }

    fn forgone(&self, waiting: &mut WaitingRead<A::Value>) -> bool {
        // SAFETY: V1.
        waiting.about.back::<Writers>(unsafe { self.reach().state() });
        false
    }
}

impl<T, B: Backend, S: Source<Value = T>, C: AsChanges<T, B>> Accessor<T, B, S, C> {
    /// The state of its changes, which have a number.
    ///
    /// # Safety
    ///
    /// As [`state`](Self::state).
    #[allow(clippy::mut_from_ref, reason = "the lock excludes")]
    unsafe fn numbered(&self) -> &mut State {
        // SAFETY: by this function's contract.
        let state = unsafe { self.state() };
        if state.number == 0 {
            // SAFETY: A5, by this function's contract.
            state.number = unsafe { self.condition().asking().number() };
        }
        state
    }
}
