//! The modes of the census, and the rule that decides over them.

use portunus::{Held, PerMode, Rules, UNLIMITED};

portunus::modes! {
    /// What somebody does at the table.
    pub(crate) enum TableMode {
        /// Adds to words that it has.
        Count,
        /// Puts new words into it.
        Merge,
        /// Reads all totals.
        Report,
    }
}

use TableMode::{Count, Merge, Report};

/// Who may be at the table beside whom: counters beside counters and reporters
/// beside reporters, but never a reporter beside a counter, who may have added
/// one half of a piece; who merges is alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableRules;

impl Rules for TableRules {
    type Mode = TableMode;
    const LIMITS: PerMode<usize> = PerMode::all(UNLIMITED).with(Merge.index(), 1);
    const CONVERTS: bool = false;

    fn admits(&self, mode: TableMode, held: &Held<TableMode>) -> bool {
        match mode {
            Count => held[Merge] == 0 && held[Report] == 0,
            Merge => held.is_empty(),
            Report => held[Merge] == 0 && held[Count] == 0,
        }
    }
}

/// Whether the rule never lets these two be at the table together.
pub(crate) fn conflict(a: TableMode, b: TableMode) -> bool {
    let enters_beside =
        |new: TableMode, inside: TableMode| TableRules.admits(new, &Held::new().with(inside, 1));
    !enters_beside(a, b) && !enters_beside(b, a)
}
