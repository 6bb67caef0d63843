//! What readers and writers of an accessor wait for.
//!
//! The invariants are V1 and V2 of the [accessor](super): questions are asked
//! under the lock of its condition.

#![allow(unsafe_code)]

use super::{Accessor, AsChanges, Source};
use crate::backend::Backend;
use crate::condition::Condition;
use crate::wait::ask::Question;

/// A way in which an accessor is reached: borrowed by who blocks, or lasting.
#[doc(hidden)]
#[allow(unreachable_pub, reason = "in a future's hidden parameter")]
pub trait Reach {
    type Value;
    type Backend: Backend;
    type Source: Source<Value = Self::Value>;
    type Changes: AsChanges<Self::Backend>;

    /// Always the same one.
    fn reach(&self) -> &Accessor<Self::Value, Self::Backend, Self::Source, Self::Changes>;

    fn condition(&self) -> &Condition<Self::Backend> {
        self.reach().condition()
    }
}

impl<T, B: Backend, S: Source<Value = T>, C: AsChanges<B>> Reach for &Accessor<T, B, S, C> {
    type Value = T;
    type Backend = B;
    type Source = S;
    type Changes = C;

    fn reach(&self) -> &Accessor<T, B, S, C> {
        self
    }
}

/// A reader, by the way in which it reaches the accessor.
#[allow(missing_debug_implementations, reason = "named by nobody")]
#[allow(unreachable_pub, reason = "in a future's hidden parameter")]
pub struct Reading<A, F> {
    accessor: A,
    /// Whether the value has to be set after the call.
    fresh: bool,
    wanted: F,
    /// The version when it came.
    since: Option<usize>,
    /// The version for which it was woken.
    found: Option<usize>,
    /// The version of its answer.
    #[allow(dead_code, reason = "of futures")]
    answered: usize,
}

impl<A, F> Reading<A, F> {
    pub(crate) fn new(accessor: A, fresh: bool, wanted: F) -> Self {
        Self { accessor, fresh, wanted, since: None, found: None, answered: 0 }
    }

    /// For a value set after `version`.
    #[allow(dead_code, reason = "of futures")]
    pub(crate) fn since(accessor: A, version: usize, wanted: F) -> Self {
        let since = Some(version);
        Self { accessor, fresh: true, wanted, since, found: None, answered: version }
    }

    /// The version of its answer.
    #[allow(dead_code, reason = "of futures")]
    pub(crate) fn answered(&self) -> usize {
        self.answered
    }
}

impl<T, B, S, C, A, F> Question for Reading<A, F>
where
    T: Clone,
    B: Backend,
    S: Source<Value = T>,
    C: AsChanges<B>,
    A: Reach<Value = T, Backend = B, Source = S, Changes = C>,
    F: FnMut(&T) -> bool,
{
    type Answer = Result<T, S::Error>;

    fn answer(&mut self, _: &mut bool) -> Option<Self::Answer> {
        // SAFETY: V1, V2.
        let (version, source) =
            unsafe { (self.accessor.reach().state().version, self.accessor.reach().source()) };
        let first = self.since.is_none();
        let since = *self.since.get_or_insert(version);
        let known = self.found.take() == Some(version);
        let wanted = &mut self.wanted;
        let look = |value: &T| {
            // It is asked also where its answer does not count yet.
            let is_wanted = known || wanted(value);
            let counts = !self.fresh || !first && version != since;
            (is_wanted && counts).then(|| value.clone())
        };
        if !first && !known && self.fresh && version == since {
            return None;
        }
        self.answered = version;
        source.with(look).transpose()
    }

    fn holds(&mut self) -> bool {
        // SAFETY: V1, V2.
        let (version, source) =
            unsafe { (self.accessor.reach().state().version, self.accessor.reach().source()) };
        if self.fresh && self.since == Some(version) {
            return false;
        }
        let wanted = source.with(&mut self.wanted);
        self.found = matches!(wanted, Ok(true)).then_some(version);
        // What the getter has to say, the reader hears itself.
        wanted.unwrap_or(true)
    }

    fn joined(&mut self) -> bool {
        // SAFETY: V1.
        let state = unsafe { self.accessor.reach().state() };
        state.readers += 1;
        state.writers != 0
    }

    fn left(&mut self) {
        // SAFETY: V1.
        unsafe { self.accessor.reach().state() }.readers -= 1;
    }
}

/// Who sets the value when somebody reads.
#[allow(missing_debug_implementations, reason = "named by nobody")]
#[allow(unreachable_pub, reason = "in a future's hidden parameter")]
pub struct Writing<A: Reach> {
    accessor: A,
    value: Option<A::Value>,
    /// It was woken for a reader.
    claims: bool,
}

impl<A: Reach> Writing<A> {
    pub(crate) fn new(accessor: A, value: A::Value) -> Self {
        Self { accessor, value: Some(value), claims: false }
    }

    #[allow(dead_code, reason = "of timeouts")]
    pub(crate) fn into_value(self) -> A::Value {
        match self.value {
            Some(value) => value,
            None => unreachable!("a value that was set has an outcome"),
        }
    }

    /// Gives back the reader that it was woken for. `true`: it was.
    fn unclaim(&mut self) -> bool {
        if self.claims {
            self.claims = false;
            // SAFETY: V1.
            unsafe { self.accessor.reach().state() }.claimed -= 1;
            return true;
        }
        false
    }
}

impl<A: Reach> Question for Writing<A> {
    type Answer = Result<(), <A::Source as Source>::Error>;

    fn answer(&mut self, changed: &mut bool) -> Option<Self::Answer> {
        // At once: the setter may unwind. A reader that is not served is left to
        // the next one.
        let claimed = self.unclaim();
        // SAFETY: V1.
        let state = unsafe { self.accessor.reach().state() };
        if state.readers <= state.claimed {
            return None;
        }
        let value = self.value.take()?;
        // SAFETY: V1, V2.
        let (done, set) = unsafe { self.accessor.reach().put(value) };
        *changed = set || claimed;
        Some(done)
    }

    fn holds(&mut self) -> bool {
        // SAFETY: V1.
        let state = unsafe { self.accessor.reach().state() };
        if self.claims || state.readers <= state.claimed {
            return false;
        }
        state.claimed += 1;
        self.claims = true;
        true
    }

    fn joined(&mut self) -> bool {
        // SAFETY: V1.
        unsafe { self.accessor.reach().state() }.writers += 1;
        false
    }

    fn left(&mut self) {
        // SAFETY: V1.
        unsafe { self.accessor.reach().state() }.writers -= 1;
    }

    fn forgone(&mut self) -> bool {
        self.unclaim()
    }
}

/// Who waits for somebody to read.
#[allow(missing_debug_implementations, reason = "named by nobody")]
#[allow(unreachable_pub, reason = "in a future's hidden parameter")]
pub struct WaitingRead<A> {
    accessor: A,
}

impl<A> WaitingRead<A> {
    pub(crate) fn new(accessor: A) -> Self {
        Self { accessor }
    }
}

impl<A: Reach> Question for WaitingRead<A> {
    type Answer = ();

    fn answer(&mut self, _: &mut bool) -> Option<()> {
        self.holds().then_some(())
    }

    fn holds(&mut self) -> bool {
        // SAFETY: V1.
        unsafe { self.accessor.reach().state() }.readers != 0
    }

    fn joined(&mut self) -> bool {
        // SAFETY: V1.
        unsafe { self.accessor.reach().state() }.writers += 1;
        false
    }

    fn left(&mut self) {
        // SAFETY: V1.
        unsafe { self.accessor.reach().state() }.writers -= 1;
    }
}
