//! What the parties of a barrier bring, in the order of their arrival.

use core::array;
use core::fmt;
use core::mem;

/// Where a barrier keeps what its parties bring: [`Fixed`], or `Heap` with the
/// feature `alloc`.
pub trait Store<T>: sealed::Sealed<T> {
    /// What a party gets: see [`GatheredRef`] and `Gathered`.
    type Gathered<'a>
    where
        T: 'a;
    /// What all parties share, once the barrier has tripped.
    #[doc(hidden)]
    type Outcome;
    #[doc(hidden)]
    fn gathered<'a>(outcome: &'a Self::Outcome, id: u64, parties: usize) -> Self::Gathered<'a>
    where
        T: 'a;
    /// Makes of the entries what all share, with the `kept` newest states; and
    /// gives the others.
    #[doc(hidden)]
    fn finish(line: Line<Self::Entries>, kept: usize) -> (Self::Outcome, Self::Rest)
    where
        Self: Sized;
}

pub(super) mod sealed {
    use super::Entries;

    pub trait Sealed<T> {
        type Entries: Entries<T>;
        type Rest;
        const EMPTY: Self::Entries;
        /// Empty, with room for more than `len`; `None` where there is no more.
        fn larger(len: usize, parties: usize) -> Option<Self::Entries>;
    }
}

/// A party, or an initial state.
#[doc(hidden)]
#[derive(Debug)]
pub struct Entry<T> {
    /// Its number in the order of arrival.
    pub(super) id: u64,
    pub(super) brings: Brings<T>,
}

#[doc(hidden)]
#[derive(Debug)]
pub(super) enum Brings<T> {
    /// It has left.
    Gone,
    /// A party without a state.
    Nothing,
    /// A state.
    State(T),
}

impl<T> Entry<T> {
    const GONE: Self = Self { id: 0, brings: Brings::Gone };

    fn is_gone(&self) -> bool {
        matches!(self.brings, Brings::Gone)
    }

    pub(super) fn state(&self) -> Option<&T> {
        match &self.brings {
            Brings::State(state) => Some(state),
            Brings::Gone | Brings::Nothing => None,
        }
    }
}

/// Entries in a row. Nothing here allocates, or runs code of the user's: it
/// stands under the inner lock.
#[doc(hidden)]
pub trait Entries<T> {
    fn slots(&mut self) -> &mut [Entry<T>];
    /// Gives the entry back if there is no room.
    fn push(&mut self, entry: Entry<T>) -> Result<(), Entry<T>>;
    /// Cuts the end off, which is gone.
    fn truncate(&mut self, len: usize);
    /// Moves everything into `larger` and takes its place; gives the old room.
    fn move_to(&mut self, larger: Self) -> Self;
}

/// The entries, and what counts them.
#[doc(hidden)]
#[derive(Debug)]
pub struct Line<E> {
    pub(super) entries: E,
    /// How many are initial states: the first ones.
    pub(super) initial: usize,
    /// How many are gone.
    pub(super) gone: usize,
    /// The number of the next one.
    pub(super) next: u64,
}

impl<E> Line<E> {
    pub(super) const fn new(entries: E) -> Self {
        Self { entries, initial: 0, gone: 0, next: 0 }
    }

    /// Puts an entry at the end and gives its number; gives it back if there is
    /// no room.
    pub(super) fn push<T>(&mut self, mut entry: Entry<T>) -> Result<u64, Entry<T>>
    where
        E: Entries<T>,
    {
        entry.id = self.next;
        if let Err(entry) = self.entries.push(entry) {
            if self.gone == 0 {
                return Err(entry);
            }
            self.close_up::<T>();
            self.entries.push(entry)?;
        }
        self.next += 1;
        Ok(self.next - 1)
    }

    /// Takes a party out.
    pub(super) fn remove<T>(&mut self, id: u64) -> Brings<T>
    where
        E: Entries<T>,
    {
        let slots = self.entries.slots();
        let Ok(at) = slots.binary_search_by_key(&id, |entry| entry.id) else {
            return Brings::Gone;
        };
        let brings = mem::replace(&mut slots[at].brings, Brings::Gone);
        let len = slots.len();
        self.gone += 1;
        // Each one that is gone pays for two moves.
        if self.gone * 2 > len {
            self.close_up::<T>();
        }
        brings
    }

    /// Closes the gaps.
    pub(super) fn close_up<T>(&mut self)
    where
        E: Entries<T>,
    {
        if self.gone == 0 {
            return;
        }
        let slots = self.entries.slots();
        let mut to = 0;
        for from in 0..slots.len() {
            if !slots[from].is_gone() {
                slots.swap(to, from);
                to += 1;
            }
        }
        self.entries.truncate(to);
        self.gone = 0;
    }

    /// How many parties stand before the one of this number.
    pub(super) fn rank<T>(slots: &[Entry<T>], initial: usize, id: u64) -> usize {
        let at = slots.binary_search_by_key(&id, |entry| entry.id);
        at.unwrap_or_else(|before| before).saturating_sub(initial)
    }
}

// === without a heap ===

/// Room for `N` parties and initial states together, inside the barrier.
#[derive(Clone, Copy, Debug)]
pub struct Fixed<const N: usize>(());

/// Entries inside the barrier.
#[doc(hidden)]
#[derive(Debug)]
pub struct FixedEntries<T, const N: usize> {
    slots: [Entry<T>; N],
    len: usize,
}

impl<T, const N: usize> Entries<T> for FixedEntries<T, N> {
    fn slots(&mut self) -> &mut [Entry<T>] {
        &mut self.slots[..self.len]
    }

    fn push(&mut self, entry: Entry<T>) -> Result<(), Entry<T>> {
        let Some(slot) = self.slots.get_mut(self.len) else { return Err(entry) };
        // What was there is gone.
        *slot = entry;
        self.len += 1;
        Ok(())
    }

    fn truncate(&mut self, len: usize) {
        self.len = len;
    }

    fn move_to(&mut self, larger: Self) -> Self {
        larger
    }
}

impl<T, const N: usize> sealed::Sealed<T> for Fixed<N> {
    type Entries = FixedEntries<T, N>;
    type Rest = [Option<T>; N];
    const EMPTY: FixedEntries<T, N> = FixedEntries { slots: [Entry::GONE; N], len: 0 };

    fn larger(_: usize, _: usize) -> Option<FixedEntries<T, N>> {
        None
    }
}

/// What the parties of a barrier without a heap share.
#[doc(hidden)]
#[derive(Debug)]
pub struct FixedOutcome<T, const N: usize> {
    entries: FixedEntries<T, N>,
    initial: usize,
    states: usize,
}

impl<T, const N: usize> Store<T> for Fixed<N> {
    type Gathered<'a>
        = GatheredRef<'a, T>
    where
        T: 'a;
    type Outcome = FixedOutcome<T, N>;

    fn gathered<'a>(outcome: &'a FixedOutcome<T, N>, id: u64, parties: usize) -> GatheredRef<'a, T>
    where
        T: 'a,
    {
        let entries = &outcome.entries.slots[..outcome.entries.len];
        let position = Line::<()>::rank(entries, outcome.initial, id);
        GatheredRef { position, parties, entries, len: outcome.states }
    }

    fn finish(
        mut line: Line<FixedEntries<T, N>>,
        kept: usize,
    ) -> (FixedOutcome<T, N>, [Option<T>; N]) {
        line.close_up::<T>();
        let slots = line.entries.slots();
        let states = slots.iter().filter(|entry| entry.state().is_some()).count();
        let mut too_many = states.saturating_sub(kept);
        let mut slots = slots.iter_mut();
        let rest = array::from_fn(|_| {
            while too_many > 0 {
                let brings = mem::replace(&mut slots.next()?.brings, Brings::Nothing);
                if let Brings::State(state) = brings {
                    too_many -= 1;
                    return Some(state);
                }
            }
            None
        });
        let states = states.min(kept);
        (FixedOutcome { entries: line.entries, initial: line.initial, states }, rest)
    }
}

/// What a party of a barrier without a heap gets: its position, and a look at
/// the states that all have brought, where the barrier keeps them.
pub struct GatheredRef<'a, T> {
    position: usize,
    parties: usize,
    entries: &'a [Entry<T>],
    len: usize,
}

impl<T> Clone for GatheredRef<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for GatheredRef<'_, T> {}

impl<'a, T> GatheredRef<'a, T> {
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

    /// How many states there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no states.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The states, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = &'a T> + use<'a, T> {
        self.entries.iter().filter_map(Entry::state)
    }

    /// The state that came after `index` others.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&'a T> {
        self.iter().nth(index)
    }
}

impl<T: fmt::Debug> fmt::Debug for GatheredRef<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct States<'a, T>(&'a [Entry<T>]);
        impl<T: fmt::Debug> fmt::Debug for States<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_list().entries(self.0.iter().filter_map(Entry::state)).finish()
            }
        }
        f.debug_struct("GatheredRef")
            .field("position", &self.position)
            .field("states", &States(self.entries))
            .finish()
    }
}
