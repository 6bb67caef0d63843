//! The table that all share.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::text::Counts;

/// The words met so far. Who reads it may add to words that it has; new ones
/// take write access.
///
/// Its atomics are relaxed: the lock in front of it brings what one holder
/// wrote before another that excludes it.
#[derive(Debug, Default)]
pub(crate) struct Table {
    words: HashMap<String, AtomicU64>,
    /// The sum of all totals. A piece is added word by word, and to this as a
    /// whole afterwards: in the middle of a piece the two differ.
    sum: AtomicU64,
}

impl Table {
    /// Adds the words that the table has, and puts the others into `unknown`.
    pub(crate) fn add(&self, counts: Counts, unknown: &mut Counts) {
        let mut sum = 0;
        for (word, times) in counts {
            match self.words.get(&word) {
                Some(total) => {
                    total.fetch_add(times, Ordering::Relaxed);
                    sum += times;
                }
                None => *unknown.entry(word).or_default() += times,
            }
        }
        self.sum.fetch_add(sum, Ordering::Relaxed);
    }

    /// Adds a word that the table may not have yet.
    pub(crate) fn insert(&mut self, word: String, times: u64) {
        *self.words.entry(word).or_default().get_mut() += times;
        *self.sum.get_mut() += times;
    }

    /// Reads all totals.
    pub(crate) fn cut(&self) -> Cut {
        let totals = || self.words.iter().map(|(word, n)| (n.load(Ordering::Relaxed), word));
        let top = totals().max_by_key(|&(times, word)| (times, Reverse(word)));
        Cut {
            words: totals().map(|(times, _)| times).sum(),
            sum: self.sum.load(Ordering::Relaxed),
            top: top.map(|(times, word)| (word.clone(), times)),
        }
    }

    pub(crate) fn into_counts(self) -> Counts {
        self.words.into_iter().map(|(word, times)| (word, times.into_inner())).collect()
    }
}

/// What a report found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// All totals together.
    pub(crate) words: u64,
    /// What they have to be together.
    pub(crate) sum: u64,
    /// The most frequent word.
    pub(crate) top: Option<(String, u64)>,
}

impl Cut {
    /// Whether no piece was half added.
    pub(crate) fn is_exact(&self) -> bool {
        self.words == self.sum
    }
}
