//! States on the heap, shared by all parties.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use core::num::NonZeroUsize;
use core::ops::Deref;

use super::StatefulBarrier;
use super::error::BarrierSizeError;
use super::store::{Brings, Entries, Entry, Line, Store, sealed};
use crate::atomic::constructor;
use crate::backend::Backend;

/// Room on the heap, which grows with the parties.
#[derive(Clone, Copy, Debug)]
pub struct Heap(());

impl<T> Entries<T> for Vec<Entry<T>> {
    fn slots(&mut self) -> &mut [Entry<T>] {
        self
    }

    fn push(&mut self, entry: Entry<T>) -> Result<(), Entry<T>> {
        if self.len() == self.capacity() {
            return Err(entry);
        }
        Vec::push(self, entry);
        Ok(())
    }

    fn truncate(&mut self, len: usize) {
        Vec::truncate(self, len);
    }

    fn move_to(&mut self, mut larger: Self) -> Self {
        // Somebody else may have been faster.
        if larger.capacity() <= self.capacity() {
            return larger;
        }
        larger.append(self);
        mem::replace(self, larger)
    }
}

impl<T> sealed::Sealed<T> for Heap {
    type Entries = Vec<Entry<T>>;
    type Rest = Vec<T>;
    const EMPTY: Vec<Entry<T>> = Vec::new();

    fn larger(len: usize, parties: usize) -> Option<Vec<Entry<T>>> {
        Some(Vec::with_capacity((len * 2).max(len + parties.min(64))))
    }
}

/// What the parties share.
#[doc(hidden)]
#[derive(Debug)]
pub struct HeapOutcome<T> {
    /// The number of the first party.
    first: u64,
    /// The numbers of all parties, if somebody has left in between.
    ids: Option<Vec<u64>>,
    /// If there are any.
    states: Option<Arc<[T]>>,
}

impl<T> Store<T> for Heap {
    type Gathered<'a>
        = Gathered<T>
    where
        T: 'a;
    type Outcome = HeapOutcome<T>;

    fn gathered<'a>(outcome: &'a HeapOutcome<T>, id: u64, parties: usize) -> Gathered<T>
    where
        T: 'a,
    {
        let position = match &outcome.ids {
            None => (id - outcome.first) as usize,
            Some(ids) => ids.binary_search(&id).unwrap_or_else(|before| before),
        };
        Gathered { position, parties, states: outcome.states.clone() }
    }

    fn finish(mut line: Line<Vec<Entry<T>>>, kept: usize) -> (HeapOutcome<T>, Vec<T>) {
        line.close_up::<T>();
        let first = line.initial as u64;
        let parties = &line.entries[line.initial..];
        let in_a_row =
            parties.last().is_none_or(|last| last.id + 1 == first + parties.len() as u64);
        let ids =
            if in_a_row { None } else { Some(parties.iter().map(|entry| entry.id).collect()) };
        let states = line.entries.into_iter().filter_map(|entry| match entry.brings {
            Brings::State(state) => Some(state),
            Brings::Gone | Brings::Nothing => None,
        });
        let mut states: Vec<T> = states.collect();
        let newest = states.split_off(states.len().saturating_sub(kept));
        let newest = if newest.is_empty() { None } else { Some(newest.into()) };
        (HeapOutcome { first, ids, states: newest }, states)
    }
}

/// What a party of a barrier gets: its position, and the states that all have
/// brought, in the order in which they came.
///
/// The states are the same ones for all parties, not copies; it derefs to them.
///
/// ```
/// use portunus::sync::StatefulBarrier;
///
/// let barrier = StatefulBarrier::new(1)?;
/// let gathered = barrier.wait("alone")?;
/// assert_eq!((gathered.position(), &*gathered), (0, &["alone"][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Gathered<T> {
    position: usize,
    parties: usize,
    /// If there are any.
    states: Option<Arc<[T]>>,
}

impl<T> Gathered<T> {
    /// How many of the parties came before this one.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Whether this party was the last one: it is exactly one.
    #[doc(alias = "is_leader")]
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.position + 1 == self.parties
    }

    /// The states, as all parties share them.
    #[must_use]
    pub fn into_states(self) -> Arc<[T]> {
        self.states.unwrap_or_else(|| Arc::new([]))
    }
}

impl<T> Deref for Gathered<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.states.as_deref().unwrap_or_default()
    }
}

impl<T> Clone for Gathered<T> {
    fn clone(&self) -> Self {
        Self { states: self.states.clone(), ..*self }
    }
}

impl<T: fmt::Debug> fmt::Debug for Gathered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathered")
            .field("position", &self.position)
            .field("states", &&**self)
            .finish()
    }
}

impl<T, B: Backend> StatefulBarrier<T, B, Heap> {
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

    /// The same, with states that come before those of all parties.
    #[doc(alias = "initstate")]
    #[must_use]
    pub fn with_states(self, states: impl IntoIterator<Item = T>) -> Self {
        for state in states {
            let mut entry = Some(state);
            while let Some(state) = entry.take() {
                entry = self.push_initial(state).err();
            }
        }
        self
    }
}
