//! Rules that are drawn at random: the predicate is a value in the lock. What
//! a rule says by constants comes in a few shapes.

use portunus::{Held, PerMode, Rules, UNLIMITED};

use super::{
    AcquireManyHold, Backend, ConvertError, ConvertHold, Duration, FifoLock, Hold, Law, Subject,
    Table, TooMany,
};

/// A rule whose predicate is drawn.
pub(crate) trait Drawn: Subject {
    /// How many modes there are.
    const MODES: usize;

    /// The rule with this predicate.
    fn of(law: Law) -> Self;
}

macro_rules! shapes {
    ($(
        $(#[$meta:meta])*
        $rules:ident of $modes:ident:
        weighted $weighted:literal, converts $converts:literal, hooks [$($hook:ident),*] {
            $($mode:ident: lane $lane:literal, limit $limit:expr, alone $alone:literal;)+
        }
    )+) => {$(
        portunus::modes! {
            pub(crate) enum $modes { $($mode),+ }
        }

        $(#[$meta])*
        pub(crate) struct $rules(Law);

        impl Rules for $rules {
            type Mode = $modes;
            const LIMITS: PerMode<usize> =
                PerMode::all(UNLIMITED)$(.with($modes::$mode.index(), $limit))+;
            const LANES: PerMode<u8> = PerMode::all(0)$(.with($modes::$mode.index(), $lane))+;
            const WEIGHTED: bool = $weighted;
            const CONVERTS: bool = $converts;
            const EXCLUSIVE: PerMode<bool> =
                PerMode::all(false)$(.with($modes::$mode.index(), $alone))+;

            fn admits(&self, mode: $modes, held: &Held<$modes>) -> bool {
                self.0.judge(mode, held)
            }
        }

        impl Drawn for $rules {
            const MODES: usize = [$($modes::$mode),+].len();

            fn of(law: Law) -> Self {
                assert_eq!(law.modes, Self::MODES, "a row for each mode");
                Self(law)
            }
        }

        impl Subject for $rules {
            fn table(&self) -> Table {
                Table {
                    law: self.0,
                    limits: &[$($limit),+],
                    lanes: &[$($lane),+],
                    alone: &[$($alone),+],
                }
            }

            $($hook!();)*
        }
    )+};
}

shapes! {
    /// Two modes with weights in one lane.
    Pair of PairMode: weighted true, converts true, hooks [weighted, converting] {
        A: lane 0, limit UNLIMITED, alone false;
        B: lane 0, limit 4, alone false;
    }

    /// Two modes in two lanes, the better lane for the second.
    Ranks of RanksMode: weighted false, converts true, hooks [converting] {
        A: lane 1, limit UNLIMITED, alone false;
        B: lane 0, limit UNLIMITED, alone false;
    }

    /// Three modes in two lanes.
    Trio of TrioMode: weighted false, converts true, hooks [converting] {
        A: lane 0, limit 2, alone false;
        B: lane 1, limit 3, alone false;
        C: lane 1, limit UNLIMITED, alone false;
    }

    /// Three modes with weights in two lanes. A holder in one mode is alone,
    /// whatever the predicate says, though it may have two units.
    Apart of ApartMode: weighted true, converts true, hooks [weighted, converting] {
        A: lane 1, limit UNLIMITED, alone false;
        B: lane 0, limit 3, alone false;
        C: lane 1, limit 2, alone true;
    }

    /// Four modes in three lanes. Holds stay in their modes.
    Still of StillMode: weighted false, converts false, hooks [] {
        A: lane 2, limit UNLIMITED, alone false;
        B: lane 1, limit 2, alone false;
        C: lane 1, limit UNLIMITED, alone false;
        D: lane 0, limit 1, alone false;
    }

    /// Four modes with weights in three lanes, not in the order of the modes.
    Quartet of QuartetMode: weighted true, converts true, hooks [weighted, converting] {
        A: lane 2, limit UNLIMITED, alone false;
        B: lane 0, limit 5, alone false;
        C: lane 1, limit 3, alone false;
        D: lane 2, limit UNLIMITED, alone false;
    }
}
