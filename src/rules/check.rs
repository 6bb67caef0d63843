//! Looking for mistakes in a rule.

use alloc::vec;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use crate::raw::mode::{Held, MAX_MODES, Mode, Rules, UNLIMITED};

/// Looks for mistakes in a rule: asks it about all counts that can come about,
/// up to three holders of each mode. (Fewer where these would be more than
/// 65 536 combinations: two of 9 or 10 modes without limits, one of more modes.
/// [`Check::up_to`] asks about more.)
///
/// It is one line in a test of your own. Without a heap in the program, turn
/// the feature `alloc` on for the tests.
///
/// ```
/// use portunus::{Held, PerMode, Rules, rules};
///
/// portunus::modes! { pub enum Pool { Swimmer, Class, Gala } }
/// use Pool::*;
///
/// pub struct House;
///
/// impl Rules for House {
///     type Mode = Pool;
///     const EXCLUSIVE: PerMode<bool> = PerMode::all(false).with(Gala.index(), true);
///     fn admits(&self, mode: Pool, held: &Held<Pool>) -> bool {
///         match mode {
///             Swimmer => held[Gala] == 0 && held[Swimmer] < 30,
///             Class => held[Gala] == 0 && held[Class] == 0,
///             Gala => held.is_empty(),
///         }
///     }
/// }
///
/// // In a test:
/// rules::check(&House).unwrap();
/// ```
///
/// In this rule somebody forgot that a gala is not alone when a class is in:
///
/// ```should_panic
/// # use portunus::{Held, PerMode, Rules, rules};
/// # portunus::modes! { pub enum Pool { Swimmer, Class, Gala } }
/// # use Pool::*;
/// # pub struct House;
/// # impl Rules for House {
/// #     type Mode = Pool;
/// #     const EXCLUSIVE: PerMode<bool> = PerMode::all(false).with(Gala.index(), true);
/// fn admits(&self, mode: Pool, held: &Held<Pool>) -> bool {
///     match mode {
///         Swimmer => held[Gala] == 0 && held[Swimmer] < 30,
///         Class => held[Class] == 0,
///         Gala => held[Gala] == 0 && held[Swimmer] == 0,
///     }
/// }
/// # }
/// // Panics: Gala is said to be exclusive, but the rule admits Class beside
/// // {Swimmer: 0, Class: 0, Gala: 1}.
/// rules::check(&House).unwrap();
/// ```
///
/// # What is looked for
///
/// See [`Finding`]. What is not a mistake in your rule, take out:
///
/// ```
/// use portunus::rules::{Finding, check};
/// # use portunus::{Held, Rules};
/// # portunus::modes! { pub enum Page { Read, Update } }
/// # struct Updating;
/// # impl Rules for Updating {
/// #     type Mode = Page;
/// #     fn admits(&self, mode: Page, held: &Held<Page>) -> bool { held[Page::Update] == 0 }
/// # }
/// // Updates begin beside readers, and readers don't beside an update.
/// let report = check(&Updating).unwrap_err();
/// assert_eq!(report.findings().len(), 1);
/// report.without(|finding| matches!(finding, Finding::Asymmetric { .. })).unwrap();
/// ```
///
/// # Errors
///
/// The findings, if there are any.
///
/// # Panics
///
/// If the rule does.
pub fn check<R: Rules>(rules: &R) -> Result<(), Report<R::Mode>> {
    Check::of(rules).run()
}

/// Most combinations of counts that are asked about without being told so.
const USUAL: usize = 1 << 16;

/// Most combinations of counts that are asked about.
const MOST: usize = 1 << 24;

/// [`check`] with a choice of how far it looks.
///
/// ```
/// use portunus::rules::{Check, Semaphore};
///
/// // With a hundred holders, a semaphore of 70 has been full.
/// Check::of(&Semaphore::new(70)).up_to(100).run().unwrap();
/// ```
#[derive(Debug)]
#[must_use = "nothing is checked before `run`"]
pub struct Check<'a, R> {
    rules: &'a R,
    holders: Option<usize>,
}

impl<'a, R: Rules> Check<'a, R> {
    /// The check that [`check`] makes.
    pub const fn of(rules: &'a R) -> Self {
        Self { rules, holders: None }
    }

    /// Asks about so many holders of each mode, at least one. It takes time and memory in
    /// proportion to the combinations: `holders + 1` to the power of the number
    /// of modes.
    pub const fn up_to(mut self, holders: usize) -> Self {
        self.holders = Some(if holders == 0 { 1 } else { holders });
        self
    }

    /// Looks for mistakes.
    ///
    /// # Errors
    ///
    /// The findings, if there are any.
    ///
    /// # Panics
    ///
    /// If the rule does, or there are more than 2²⁴ combinations.
    pub fn run(&self) -> Result<(), Report<R::Mode>> {
        let space = match self.holders {
            Some(holders) => Space::new(self.rules, holders, MOST)
                .expect("these are more combinations of counts than 2^24"),
            None => (1..=3)
                .rev()
                .find_map(|holders| Space::new(self.rules, holders, USUAL))
                .expect("there are at most 16 modes"),
        };
        Report::of(space.explore().findings())
    }
}

/// A mistake in a rule, or what may be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding<M: Mode> {
    /// The mode's [`index`](Mode::index), written by hand, is not its place in
    /// [`ALL`](Mode::ALL).
    Misplaced {
        /// The mode.
        mode: M,
        /// Its place.
        place: usize,
    },
    /// An empty lock does not admit the mode, by the rule or because its limit
    /// is 0. A request waits for ever, and everybody behind it.
    SelfDefeating {
        /// The mode.
        mode: M,
    },
    /// [`Rules::EXCLUSIVE`] says that a holder in one mode is alone, and
    /// [`Rules::admits`] lets it be beside another. The lock keeps to
    /// `EXCLUSIVE`, so this waits; but one of the two is not what was meant.
    /// Where [`Rules::VOUCHED`] says yes, it is worse: data would be shared while
    /// they are written.
    NotExclusive {
        /// The mode that is said to be exclusive.
        exclusive: M,
        /// Whom the rule admits.
        entering: M,
        /// Beside whom.
        held: Held<M>,
    },
    /// One mode may enter beside the other and not the other way round. Some
    /// rules are meant so; in others, a comparison was forgotten.
    Asymmetric {
        /// The mode that may enter beside one of the other.
        entering: M,
        /// The other one, beside which it may enter.
        beside: M,
    },
    /// The rule admits beside more and not beside fewer, which
    /// [`Rules::admits`] forbids: requests might wait for ever.
    NotMonotone {
        /// The mode that asks.
        mode: M,
        /// Beside these it is admitted.
        admitted: Held<M>,
        /// When one of them has left, it is not.
        refused: Held<M>,
    },
    /// Two calls of [`Rules::admits`] for the same counts had different
    /// answers.
    Impure {
        /// The mode that asks.
        mode: M,
        /// Beside these.
        held: Held<M>,
    },
    /// [`Rules::BY_PRESENCE`] says that only the presence of a mode matters, and
    /// the answer for one holder of it is another than for several: a waiter
    /// might sleep for ever.
    Counting {
        /// The mode that asks.
        mode: M,
        /// Beside these it has one answer.
        held: Held<M>,
        /// Beside these, one less of a mode that stays held, it has the other.
        fewer: Held<M>,
    },
    /// There are never as many holders as [`Rules::LIMITS`] has room for: bits
    /// of the word are wasted, or the rule is narrower than it was meant.
    LimitNeverReached {
        /// The mode.
        mode: M,
        /// Its limit.
        limit: usize,
        /// How many there are at most.
        most: usize,
    },
}

impl<M: Mode> fmt::Display for Finding<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misplaced { mode, place } => {
                write!(f, "Mode::index of {mode:?} is {}, but its place is {place}", mode.index())
            }
            Self::SelfDefeating { mode } => {
                write!(f, "not even an empty lock admits {mode:?}: a request waits for ever")
            }
            Self::NotExclusive { exclusive, entering, held } => write!(
                f,
                "{exclusive:?} is said to be exclusive, but the rule admits {entering:?} beside \
                 {held:?}"
            ),
            Self::Asymmetric { entering, beside } => write!(
                f,
                "{entering:?} is admitted beside {beside:?}, but {beside:?} is not admitted \
                 beside {entering:?}"
            ),
            Self::NotMonotone { mode, admitted, refused } => {
                write!(f, "{mode:?} is admitted beside {admitted:?}, but not beside {refused:?}")
            }
            Self::Impure { mode, held } => {
                write!(f, "asked twice about {mode:?} beside {held:?}, the rule has two answers")
            }
            Self::Counting { mode, held, fewer } => write!(
                f,
                "the rule is said to go by presence, but has two answers for {mode:?} beside \
                 {held:?} and beside {fewer:?}"
            ),
            Self::LimitNeverReached { mode, limit, most } => write!(
                f,
                "the limit of {mode:?} is {limit}, but the rule admits at most {most} of them"
            ),
        }
    }
}

/// What [`check`] found: at least one finding.
///
/// It is shown as a list, by `Debug` too, so that `unwrap` says what is wrong.
#[derive(Clone, PartialEq, Eq)]
pub struct Report<M: Mode> {
    findings: Vec<Finding<M>>,
}

impl<M: Mode> Report<M> {
    fn of(findings: Vec<Finding<M>>) -> Result<(), Self> {
        if findings.is_empty() { Ok(()) } else { Err(Self { findings }) }
    }

    /// What was found: of each kind one for each mode or pair of modes, with
    /// the first counts that show it.
    #[must_use]
    pub fn findings(&self) -> &[Finding<M>] {
        &self.findings
    }

    /// Takes out what is meant to be so.
    ///
    /// # Errors
    ///
    /// The other findings, if there are any.
    pub fn without(mut self, mut meant: impl FnMut(&Finding<M>) -> bool) -> Result<(), Self> {
        self.findings.retain(|finding| !meant(finding));
        Self::of(self.findings)
    }
}

impl<M: Mode> fmt::Display for Report<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the rule has mistakes:")?;
        self.findings.iter().try_for_each(|finding| write!(f, "\n* {finding}"))
    }
}

impl<M: Mode> fmt::Debug for Report<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<M: Mode> Error for Report<M> {}

/// A combination of counts, as a number with a digit for each mode.
type Counts = usize;

/// All combinations of counts, each count up to a bound, and what the rule says
/// about them.
struct Space<'a, R: Rules> {
    rules: &'a R,
    /// The value of each mode's digit.
    unit: [usize; MAX_MODES],
    /// The highest value of each mode's digit.
    most: [usize; MAX_MODES],
    /// For each combination that can come about, [`REACHED`], and a bit for
    /// each mode that the rule admits beside it.
    answers: Vec<u32>,
    /// These combinations, beginning with the empty lock, nearer ones first.
    reached: Vec<Counts>,
}

const REACHED: u32 = 1 << 31;

impl<'a, R: Rules> Space<'a, R> {
    /// None, if there are more than `room` combinations.
    fn new(rules: &'a R, holders: usize, room: usize) -> Option<Self> {
        assert!(R::Mode::ALL.len() <= MAX_MODES, "a rule has at most 16 modes");
        let (mut unit, mut most) = ([0; MAX_MODES], [0; MAX_MODES]);
        let mut combinations: usize = 1;
        for i in 0..R::Mode::ALL.len() {
            unit[i] = combinations;
            most[i] = holders.min(R::LIMITS.get(i));
            combinations = combinations.checked_mul(most[i].checked_add(1)?)?;
            if combinations > room {
                return None;
            }
        }
        Some(Self { rules, unit, most, answers: vec![0; combinations], reached: Vec::new() })
    }

    fn modes() -> impl Iterator<Item = (usize, R::Mode)> {
        R::Mode::ALL.iter().copied().enumerate()
    }

    fn count(&self, counts: Counts, mode: usize) -> usize {
        counts / self.unit[mode] % (self.most[mode] + 1)
    }

    fn held(&self, counts: Counts) -> Held<R::Mode> {
        let mut held = [0; MAX_MODES];
        for (i, _) in Self::modes() {
            held[i] = self.count(counts, i);
        }
        Held::from_counts(held, counts == 0)
    }

    /// What the rule says, limits aside.
    fn ask(&self, mode: usize, counts: Counts) -> bool {
        self.rules.admits(R::Mode::ALL[mode], &self.held(counts))
    }

    /// What it said.
    fn said(&self, mode: usize, counts: Counts) -> bool {
        self.answers[counts] & 1 << mode != 0
    }

    /// Whether one more enters, by the rule and the limits.
    fn enters(&self, mode: usize, counts: Counts) -> bool {
        self.said(mode, counts) && self.count(counts, mode) < R::LIMITS.get(mode)
    }

    fn is_reached(&self, counts: Counts) -> bool {
        self.answers[counts] & REACHED != 0
    }

    fn reach(&mut self, counts: Counts) {
        if !self.is_reached(counts) {
            let answers = Self::modes().filter(|&(i, _)| self.ask(i, counts));
            self.answers[counts] = answers.fold(REACHED, |answers, (i, _)| answers | 1 << i);
            self.reached.push(counts);
        }
    }

    /// Finds all combinations that come about when holders enter and leave. (A
    /// conversion brings nothing new: it is as if its hold had left and entered
    /// again.)
    fn explore(mut self) -> Self {
        self.reach(0);
        let mut at = 0;
        while let Some(&counts) = self.reached.get(at) {
            at += 1;
            for (i, _) in Self::modes() {
                let room = self.most[i] - self.count(counts, i);
                if room > 0 && self.said(i, counts) {
                    self.reach(counts + self.unit[i]);
                }
                for weight in 2..=if R::WEIGHTED { room } else { 0 } {
                    // Asked about as its last unit.
                    let beside = counts + (weight - 1) * self.unit[i];
                    if self.ask(i, beside) {
                        self.reach(beside + self.unit[i]);
                    }
                }
                if self.count(counts, i) > 0 {
                    self.reach(counts - self.unit[i]);
                }
            }
        }
        self
    }

    fn findings(&self) -> Vec<Finding<R::Mode>> {
        let mut found = Vec::new();
        for (i, mode) in Self::modes() {
            if mode.index() != i {
                found.push(Finding::Misplaced { mode, place: i });
            }
            if !self.enters(i, 0) {
                found.push(Finding::SelfDefeating { mode });
            }
        }
        self.find_false_markers(&mut found);
        self.find_asymmetry(&mut found);
        for (i, mode) in Self::modes() {
            found.extend(self.reached.iter().find_map(|&counts| self.refuses_fewer(i, counts)));
            let impure = |&&counts: &&Counts| self.ask(i, counts) != self.said(i, counts);
            if let Some(&counts) = self.reached.iter().find(impure) {
                found.push(Finding::Impure { mode, held: self.held(counts) });
            }
            if R::BY_PRESENCE {
                found.extend(self.reached.iter().find_map(|&counts| self.counting(i, counts)));
            }
            found.extend(self.never_full(i));
        }
        found
    }

    fn find_false_markers(&self, found: &mut Vec<Finding<R::Mode>>) {
        for (e, exclusive) in Self::modes().filter(|&(e, _)| R::EXCLUSIVE.get(e)) {
            for (i, entering) in Self::modes() {
                let together = |&&counts: &&Counts| {
                    let others = if i == e { counts != 0 } else { self.count(counts, e) > 0 };
                    others && self.enters(i, counts)
                };
                if let Some(&counts) = self.reached.iter().find(together) {
                    let held = self.held(counts);
                    found.push(Finding::NotExclusive { exclusive, entering, held });
                }
            }
        }
    }

    fn find_asymmetry(&self, found: &mut Vec<Finding<R::Mode>>) {
        for (i, entering) in Self::modes().filter(|&(i, _)| self.enters(i, 0)) {
            for (j, beside) in Self::modes().filter(|&(j, _)| self.enters(j, 0)) {
                if self.enters(i, self.unit[j]) && !self.enters(j, self.unit[i]) {
                    found.push(Finding::Asymmetric { entering, beside });
                }
            }
        }
    }

    /// Whether `mode` is admitted beside `counts`, and not when one has left.
    fn refuses_fewer(&self, mode: usize, counts: Counts) -> Option<Finding<R::Mode>> {
        if !self.said(mode, counts) {
            return None;
        }
        let left = Self::modes().filter(|&(j, _)| self.count(counts, j) > 0);
        let fewer = left.map(|(j, _)| counts - self.unit[j]).find(|&fewer| !self.said(mode, fewer));
        fewer.map(|fewer| Finding::NotMonotone {
            mode: R::Mode::ALL[mode],
            admitted: self.held(counts),
            refused: self.held(fewer),
        })
    }

    /// Whether `mode` has another answer beside `counts` than when one of several
    /// has left.
    fn counting(&self, mode: usize, counts: Counts) -> Option<Finding<R::Mode>> {
        let several = Self::modes().filter(|&(j, _)| self.count(counts, j) > 1);
        let fewer = several
            .map(|(j, _)| counts - self.unit[j])
            .find(|&fewer| self.said(mode, fewer) != self.said(mode, counts))?;
        Some(Finding::Counting {
            mode: R::Mode::ALL[mode],
            held: self.held(counts),
            fewer: self.held(fewer),
        })
    }

    fn never_full(&self, mode: usize) -> Option<Finding<R::Mode>> {
        let limit = R::LIMITS.get(mode);
        let most = self.reached.iter().map(|&counts| self.count(counts, mode)).max()?;
        // Only where the limit was within reach.
        let never = limit != UNLIMITED && self.most[mode] == limit && 0 < most && most < limit;
        never.then(|| Finding::LimitNeverReached { mode: R::Mode::ALL[mode], limit, most })
    }
}
