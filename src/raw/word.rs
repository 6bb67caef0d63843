//! The word: the counts of all modes, and who waits.
//!
//! ```text
//!  bit  N-1 …                                        … L+x   … L    L-1 … 0
//!      [ count of mode k-1 ] … [ count of mode 0 ]    [ spare ]   [ lane L-1 ] … [ lane 0 ]
//! ```
//!
//! | bits | meaning | who changes them |
//! |---|---|---|
//! | lane `i` | somebody stands in lane `i` | under the inner lock only |
//! | spare | the environment's own (shared memory: STOP); newcomers keep out | the environment |
//! | counts | units held in each mode | anybody: up by compare-and-swap, down by subtraction |
//!
//! What follows from it:
//!
//! * **W1** With a lane's bit set, no newcomer of that lane or a worse one
//!   enters by itself: it goes through the inner lock.
//! * **W2** Counts rise by compare-and-swap against the very value that was
//!   judged, so "admit" and "nobody came before me" are one step.
//! * **W3** Whoever subtracts sees in the old value whether somebody waits.
//!   Whoever sets a lane's bit does so by compare-and-swap against the value
//!   that was judged. Hence one of the two sees the other, and no wake-up is
//!   lost.
//! * **W4** Fields are as wide as their limits, and a request beyond a limit
//!   waits: counts never wrap.
//! * **W5** Units of a mode of [`Rules::EXCLUSIVE`] are held by one party, and
//!   while they are, nobody else holds any: [`Geometry::judge`], through which
//!   counts rise, sees to it whatever the rule says, unless somebody vouched for
//!   the rule. (A semaphore's permits are also withheld without being judged; it
//!   has no exclusive mode.)

use core::marker::PhantomData;

use super::mode::{Asked, Held, MAX_MODES, Mode, Rules, UNLIMITED};
use crate::atomic::{Fault, Word};
use crate::wait::node::{NO_MODE, NO_MODE_OR_NEVER, Request};

/// The fewest bits that a mode without a limit gets.
const SHARE_AT_LEAST: u32 = 4;

/// Where each mode's count is in the word.
struct Layout {
    shift: [u32; MAX_MODES],
    width: [u32; MAX_MODES],
    limit: [usize; MAX_MODES],
    fits: bool,
}

impl Layout {
    const fn of<R: Rules>(bits: u32, low: u32) -> Self {
        let count = R::Mode::COUNT;
        let mut layout = Self {
            shift: [0; MAX_MODES],
            width: [0; MAX_MODES],
            limit: [0; MAX_MODES],
            fits: true,
        };
        if count == 0 || count > MAX_MODES || low >= bits {
            layout.fits = false;
            return layout;
        }
        // What the limited modes leave over, the unlimited ones share.
        let mut needed = low;
        let mut sharing = 0;
        let mut i = 0;
        while i < count {
            let limit = R::LIMITS.get(i);
            if limit == UNLIMITED {
                sharing += 1;
            } else {
                layout.limit[i] = limit;
                layout.width[i] = usize::BITS - limit.leading_zeros();
                needed += layout.width[i];
                layout.fits &= limit > 0;
            }
            i += 1;
        }
        if needed > bits {
            layout.fits = false;
            return layout;
        }
        let share = match (bits - needed).checked_div(sharing) {
            Some(share) => share,
            None => 0,
        };
        layout.fits &= sharing == 0 || share >= SHARE_AT_LEAST;
        let mut shift = low;
        let mut i = 0;
        while i < count {
            if R::LIMITS.get(i) == UNLIMITED {
                layout.width[i] = share;
                layout.limit[i] = if share >= usize::BITS { usize::MAX } else { (1 << share) - 1 };
            }
            layout.shift[i] = shift;
            shift += layout.width[i];
            i += 1;
        }
        // The topmost count has nothing above it: it may be read as the rest
        // of the word, and may for a while exceed its limit.
        layout.width[count - 1] = bits - layout.shift[count - 1];
        layout
    }
}

/// What a judgement of one unit takes of the [`Layout`], for a word that is no
/// wider than `usize`: which mode it is may not be known before.
struct Places {
    /// One unit of each mode.
    unit: [usize; MAX_MODES],
    /// The bits of its count.
    field: [usize; MAX_MODES],
    /// The count up to which one more fits.
    room: [usize; MAX_MODES],
}

impl Places {
    const fn of(layout: &Layout, bits: u32, count: usize) -> Self {
        let mut places = Self { unit: [0; MAX_MODES], field: [0; MAX_MODES], room: [0; MAX_MODES] };
        let mut i = 0;
        while layout.fits && bits <= usize::BITS && i < count {
            let (shift, width) = (layout.shift[i], layout.width[i]);
            places.unit[i] = 1 << shift;
            places.field[i] = (usize::MAX >> (usize::BITS - width)) << shift;
            places.room[i] = (layout.limit[i] - 1) << shift;
            i += 1;
        }
        places
    }
}

/// What decides over a word's geometry.
pub(crate) trait Shape {
    /// Whose modes are counted.
    type Rules: Rules;
    /// The integer.
    type Word: Word;
    /// How many spare bits the environment has between lanes and counts.
    const EXTRA: u32;
}

type ModeOf<S> = <<S as Shape>::Rules as Rules>::Mode;

/// The geometry of a word of shape `S`.
pub(crate) struct Geometry<S>(PhantomData<S>);

impl<S: Shape> Geometry<S> {
    const LAYOUT: Layout = Layout::of::<S::Rules>(S::Word::BITS, Self::LANES + S::EXTRA);

    const PLACES: Places = Places::of(&Self::LAYOUT, S::Word::BITS, ModeOf::<S>::COUNT);

    /// Whether all weigh the same, and [`Places`] fit the word.
    const PLACED: bool = !S::Rules::WEIGHTED && S::Word::BITS <= usize::BITS;

    /// How many lanes the rules use.
    pub(crate) const LANES: u32 = {
        let mut lanes = 1;
        let mut i = 0;
        while i < ModeOf::<S>::COUNT && i < MAX_MODES {
            if S::Rules::LANES.get(i) as u32 >= lanes {
                lanes = S::Rules::LANES.get(i) as u32 + 1;
            }
            i += 1;
        }
        lanes
    };

    /// Fails to compile for rules that don't fit.
    pub(crate) const FITS: () = assert!(
        Self::LAYOUT.fits && ModeOf::<S>::COUNT == ModeOf::<S>::ALL.len(),
        "the counts of these modes don't fit into the lock's word: lower Rules::LIMITS, \
         use fewer modes (at most 16) or fewer lanes, and give no mode the limit 0"
    );

    /// Whether a grant lets in one at most, as a mutex does: there is one mode,
    /// of which one unit may be held, and nothing to convert.
    pub(crate) const ONE: bool = ModeOf::<S>::COUNT == 1
        && Self::LANES == 1
        && S::Rules::LIMITS.get(0) == 1
        && !S::Rules::WEIGHTED
        && !S::Rules::CONVERTS;

    /// A request that is no conversion, known at compile time where there is
    /// but one that can be made.
    #[inline(always)]
    pub(crate) fn only(request: Request) -> Request {
        if Self::ONE { Request { mode: 0, from: NO_MODE, weight: 1 } } else { request }
    }

    /// The mode of a request, known at compile time where there is only one.
    ///
    /// Below `MAX_MODES` whatever the request says, so that no look at a table
    /// of modes can fail.
    #[inline(always)]
    pub(crate) fn index(mode: u8) -> usize {
        if ModeOf::<S>::COUNT == 1 { 0 } else { usize::from(mode) % MAX_MODES }
    }

    /// Its weight, known at compile time where all weigh the same.
    #[inline(always)]
    pub(crate) fn weight(weight: u32) -> usize {
        if S::Rules::WEIGHTED { weight as usize } else { 1 }
    }

    /// What a conversion gives up.
    #[inline(always)]
    pub(crate) fn from(request: Request) -> Option<usize> {
        if S::Rules::CONVERTS && request.is_conversion() {
            Some(Self::index(request.from))
        } else {
            None
        }
    }

    /// The lane in which a request stands. A conversion stands ahead of the
    /// lane of the mode that it wants.
    #[inline(always)]
    pub(crate) fn lane(request: Request) -> u32 {
        if Self::LANES == 1 {
            return 0;
        }
        u32::from(S::Rules::LANES.get(Self::index(request.mode)))
    }

    /// The bit that says that somebody stands in `lane`.
    #[inline(always)]
    pub(crate) fn bit(lane: u32) -> S::Word {
        S::Word::from_count(1) << lane
    }

    /// All lanes' bits.
    #[inline(always)]
    pub(crate) fn lanes() -> S::Word {
        S::Word::from_count((1 << Self::LANES) - 1)
    }

    /// The bits that keep a newcomer of `lane` out: its own lane's, the
    /// better ones', and the environment's.
    #[inline(always)]
    pub(crate) fn barrier(lane: u32) -> S::Word {
        let better = S::Word::from_count((2 << lane) - 1);
        if S::EXTRA == 0 { better } else { better | Self::extra() }
    }

    /// The environment's bits.
    #[inline(always)]
    pub(crate) fn extra() -> S::Word {
        S::Word::from_count((1 << S::EXTRA) - 1) << Self::LANES
    }

    /// The bits that send a leaver through the inner lock.
    #[inline(always)]
    pub(crate) fn waiting() -> S::Word {
        Self::lanes() | Self::extra()
    }

    /// Where a mode's count begins.
    pub(crate) const fn shift(mode: usize) -> u32 {
        Self::LAYOUT.shift[mode]
    }

    /// `weight` units of a mode.
    #[inline(always)]
    pub(crate) fn units(mode: usize, weight: usize) -> S::Word {
        S::Word::from_count(weight) << Self::LAYOUT.shift[mode]
    }

    /// How many units of a mode `word` counts.
    #[inline(always)]
    pub(crate) fn count(word: S::Word, mode: usize) -> usize {
        let field = word >> Self::LAYOUT.shift[mode];
        let width = Self::LAYOUT.width[mode];
        if Self::LAYOUT.shift[mode] + width >= S::Word::BITS {
            return field.to_count();
        }
        (field & ((S::Word::from_count(1) << width) - S::Word::from_count(1))).to_count()
    }

    /// The most units of a mode.
    #[inline(always)]
    pub(crate) fn limit(mode: usize) -> usize {
        Self::LAYOUT.limit[mode]
    }

    /// Whether nobody can be let in because a unit of `mode` leaves `word`: a
    /// rule that does not count finds the mode held as before, also one that is
    /// asked without the unit of a waiting conversion; and the limit kept nobody
    /// out. Never where the environment has stopped everything.
    #[inline(always)]
    pub(crate) fn is_spare(word: S::Word, mode: usize) -> bool {
        if !S::Rules::BY_PRESENCE || S::Rules::WEIGHTED {
            return false;
        }
        // Who leaves, one who stays, and one who may be waiting to convert.
        let enough = if S::Rules::CONVERTS { 3 } else { 2 };
        let enough = if Fault::SpareTooSoon.on() { enough - 1 } else { enough };
        let count = Self::count(word, mode);
        count >= enough && count < Self::limit(mode) && word & Self::extra() == S::Word::ZERO
    }

    /// Only the counts of `word`.
    #[inline(always)]
    pub(crate) fn counts(word: S::Word) -> S::Word {
        word & !Self::waiting()
    }

    /// The counts of `word`, unpacked.
    #[inline(always)]
    pub(crate) fn held(word: S::Word) -> Held<ModeOf<S>> {
        let mut counts = [0; MAX_MODES];
        let mut i = 0;
        while i < ModeOf::<S>::COUNT && i < MAX_MODES {
            counts[i] = Self::count(word, i);
            i += 1;
        }
        Held::from_counts(counts, Self::counts(word) == S::Word::ZERO)
    }

    /// What a rule is told of a request that may have to stand in line.
    #[inline(always)]
    pub(crate) fn asked(word: S::Word, request: Request) -> Asked {
        Asked {
            weight: request.weight,
            or_never: request.from == NO_MODE_OR_NEVER,
            count: Self::count(word, Self::index(request.mode)),
        }
    }

    /// Whether the rules have a mode whose holder is alone, and nobody vouches
    /// for them.
    const WATCHED: bool = {
        let mut some = false;
        let mut i = 0;
        while i < ModeOf::<S>::COUNT && i < MAX_MODES {
            some |= S::Rules::EXCLUSIVE.get(i) && !S::Rules::VOUCHED.is_yes();
            i += 1;
        }
        some
    };

    /// Whether a holder would not be alone that has to be (W5), if one in
    /// `mode` entered beside what `word` counts.
    #[inline(always)]
    fn disturbs(word: S::Word, mode: usize) -> bool {
        if !Self::WATCHED {
            return false;
        }
        if S::Rules::EXCLUSIVE.get(mode) {
            return Self::counts(word) != S::Word::ZERO;
        }
        let mut i = 0;
        while i < ModeOf::<S>::COUNT && i < MAX_MODES {
            if S::Rules::EXCLUSIVE.get(i) && Self::count(word, i) != 0 {
                return true;
            }
            i += 1;
        }
        false
    }

    /// Whether the word may say what no program wrote: others, who are trusted
    /// no further than that, write to its memory.
    pub(crate) const FOREIGN: bool = S::EXTRA != 0;

    /// `word` without `units`, which it counts.
    #[inline(always)]
    pub(crate) fn less(word: S::Word, units: S::Word) -> S::Word {
        if Self::FOREIGN { word.wrapping_sub(units) } else { word - units }
    }

    /// `word` with `units` besides, for which it has room.
    #[inline(always)]
    pub(crate) fn more(word: S::Word, units: S::Word) -> S::Word {
        if Self::FOREIGN { word.wrapping_add(units) } else { word + units }
    }

    /// Whether the request may enter beside what `word` counts; and the word
    /// when it has.
    #[inline(always)]
    pub(crate) fn judge(rules: &S::Rules, word: S::Word, request: Request) -> Option<S::Word> {
        let index = Self::index(request.mode);
        // Requests are made of modes; one that is none is never admitted.
        let mode = *ModeOf::<S>::ALL.get(index)?;
        let weight = Self::weight(request.weight);
        let word = match Self::from(request) {
            Some(from) => Self::less(word, Self::units(from, weight)),
            None => word,
        };
        if Self::PLACED {
            let places = &Self::PLACES;
            let count = word & S::Word::from_count(places.field[index]);
            if count > S::Word::from_count(places.room[index]) || Self::disturbs(word, index) {
                return None;
            }
            let unit = S::Word::from_count(places.unit[index]);
            return rules.admits(mode, &Self::held(word)).then(|| word + unit);
        }
        let count = Self::count(word, index);
        let limit = Self::limit(index);
        // Nothing here can overflow: W4.
        if weight > limit || count > limit - weight || Self::disturbs(word, index) {
            return None;
        }
        let beside = if weight == 1 { word } else { word + Self::units(index, weight - 1) };
        rules.admits(mode, &Self::held(beside)).then(|| word + Self::units(index, weight))
    }
}
