//! A naive model of a lock, and an interpreter that plays one history on the
//! model and on a real [`FifoLock`] and compares them after every step.
//!
//! The model has no word, no links and no atomics: it has a list of parties,
//! a `Vec` for each lane, and a loop that lets in whoever fits. What is held is
//! added up from the parties each time it is asked for.
//!
//! Everything happens in one thread. A party asks by a future that the
//! interpreter polls by hand; several parties belong to one *task*, which has
//! one waker that keeps a log. So a history decides which futures of a task are
//! polled and which are not, and the log shows who was served, in which order.

#![allow(dead_code)]

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use portunus::future::{AcquireHold, AcquireManyHold, ConvertHold};
use portunus::rules::{self, Access, SharedMode, Sole};
use portunus::{
    Backend, ConvertError, Fair, FifoLock, Held, Hold, MAX_MODES, Mode, PerMode, ReadPreferring,
    Rules, TooMany, UNLIMITED, WritePreferring,
};

use task::{Task, ensure};

// === Rules ===

/// Any number: no bound.
pub(crate) const ANY: usize = usize::MAX;

/// Units by the index of their mode.
type Counts = [usize; MAX_MODES];

const NOTHING: Counts = [0; MAX_MODES];

/// The most modes of a rule that is played.
pub(crate) const MOST_MODES: usize = 5;

/// A predicate as data. It is monotone, whatever it says.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Law {
    modes: usize,
    /// A row for each mode: beside how many units of each mode one more unit of
    /// it may enter.
    beside: [[usize; MOST_MODES]; MOST_MODES],
    /// How many units of all modes together there may be.
    total: usize,
}

impl Law {
    pub(crate) const fn new(rows: &[&[usize]], total: usize) -> Self {
        let mut beside = [[ANY; MOST_MODES]; MOST_MODES];
        let mut mode = 0;
        while mode < rows.len() {
            assert!(rows[mode].len() == rows.len(), "a threshold for each pair of modes");
            let mut other = 0;
            while other < rows.len() {
                beside[mode][other] = rows[mode][other];
                other += 1;
            }
            mode += 1;
        }
        Self { modes: rows.len(), beside, total }
    }

    /// Whether one more unit of `mode` may enter beside `counts`.
    fn admits(&self, mode: usize, counts: &Counts) -> bool {
        let row = &self.beside[mode][..self.modes];
        row.iter().zip(counts).all(|(&most, &count)| count <= most)
            && counts.iter().sum::<usize>() < self.total
    }

    /// What a rule with this predicate says.
    fn judge<M: Mode>(&self, mode: M, held: &Held<M>) -> bool {
        let mut counts = NOTHING;
        for (other, count) in held.iter() {
            counts[other.index()] = count;
        }
        assert_eq!(held.is_empty(), counts == NOTHING, "`is_empty` does not agree with {held:?}");
        self.admits(mode.index(), &counts)
    }
}

impl fmt::Debug for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = |most: usize| if most == ANY { "any".to_owned() } else { most.to_string() };
        for (mode, row) in self.beside[..self.modes].iter().enumerate() {
            let row: Vec<_> = row[..self.modes].iter().copied().map(bound).collect();
            write!(f, "mode {mode} beside [{}], ", row.join(", "))?;
        }
        write!(f, "in all {}", bound(self.total))
    }
}

/// A rule as data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    law: Law,
    /// How many units of each mode there may be.
    limits: &'static [usize],
    /// The lane of each mode.
    lanes: &'static [usize],
    /// Whether a holder in a mode is alone, whatever the law says; `false` for
    /// those that are left out.
    alone: &'static [bool],
}

impl Table {
    /// Whether one of a mode would not be alone that has to be, if `mode`
    /// entered beside `counts`.
    fn disturbs(&self, mode: usize, counts: &Counts) -> bool {
        let alone = |mode: usize| self.alone.get(mode) == Some(&true);
        if alone(mode) {
            *counts != NOTHING
        } else {
            (0..MAX_MODES).any(|m| alone(m) && counts[m] != 0)
        }
    }
}

/// Rules that the interpreter can play.
///
/// Some methods of a lock compile only for rules with weights, or with
/// conversions; for the others the interpreter never calls these hooks.
pub(crate) trait Subject: Rules + Sized + 'static {
    /// The same rule for the model.
    fn table(&self) -> Table;

    fn ask_many<B: Backend>(
        _: &FifoLock<Self, B>,
        _: Self::Mode,
        _: u32,
    ) -> AcquireManyHold<'_, Self, B> {
        unreachable!("these rules have no weights")
    }

    fn try_many<B: Backend>(
        _: &FifoLock<Self, B>,
        _: Self::Mode,
        _: u32,
    ) -> Result<Option<Hold<'_, Self, B>>, TooMany> {
        unreachable!("these rules have no weights")
    }

    fn convert<B: Backend>(_: Hold<'_, Self, B>, _: Self::Mode) -> ConvertHold<'_, Self, B> {
        unreachable!("these rules have no conversions")
    }

    fn try_convert<B: Backend>(_: &mut Hold<'_, Self, B>, _: Self::Mode) -> bool {
        unreachable!("these rules have no conversions")
    }

    fn convert_briefly<B: Backend>(
        _: &mut Hold<'_, Self, B>,
        _: Self::Mode,
    ) -> Result<(), ConvertError> {
        unreachable!("these rules have no conversions")
    }
}

/// A rule that is always the same.
pub(crate) trait Fixed: Subject {
    const TABLE: Table;

    fn rules() -> Self;
}

macro_rules! weighted {
    () => {
        fn ask_many<B: Backend>(
            lock: &FifoLock<Self, B>,
            mode: Self::Mode,
            weight: u32,
        ) -> AcquireManyHold<'_, Self, B> {
            lock.acquire_many_async(mode, weight)
        }

        fn try_many<B: Backend>(
            lock: &FifoLock<Self, B>,
            mode: Self::Mode,
            weight: u32,
        ) -> Result<Option<Hold<'_, Self, B>>, TooMany> {
            lock.try_acquire_many(mode, weight)
        }
    };
}

macro_rules! converting {
    () => {
        fn convert<B: Backend>(
            hold: Hold<'_, Self, B>,
            mode: Self::Mode,
        ) -> ConvertHold<'_, Self, B> {
            hold.convert_async(mode)
        }

        fn try_convert<B: Backend>(hold: &mut Hold<'_, Self, B>, mode: Self::Mode) -> bool {
            hold.try_convert(mode)
        }

        fn convert_briefly<B: Backend>(
            hold: &mut Hold<'_, Self, B>,
            mode: Self::Mode,
        ) -> Result<(), ConvertError> {
            hold.convert_for(mode, Duration::ZERO)
        }
    };
}

/// Writes modes, a rule over them, and its table.
macro_rules! tables {
    ($(
        $(#[$meta:meta])*
        $rules:ident of $modes:ident:
        weighted $weighted:literal, total $total:expr, hooks [$($hook:ident),+] {
            $($mode:ident: lane $lane:literal, limit $limit:expr, beside [$($beside:expr),+];)+
        }
    )+) => {$(
        portunus::modes! {
            pub(crate) enum $modes { $($mode),+ }
        }

        $(#[$meta])*
        pub(crate) struct $rules;

        impl Rules for $rules {
            type Mode = $modes;
            const LIMITS: PerMode<usize> =
                PerMode::all(UNLIMITED)$(.with($modes::$mode.index(), $limit))+;
            const LANES: PerMode<u8> = PerMode::all(0)$(.with($modes::$mode.index(), $lane))+;
            const WEIGHTED: bool = $weighted;

            fn admits(&self, mode: $modes, held: &Held<$modes>) -> bool {
                Self::TABLE.law.judge(mode, held)
            }
        }

        impl Fixed for $rules {
            const TABLE: Table = Table {
                law: Law::new(&[$(&[$($beside),+]),+], $total),
                limits: &[$($limit),+],
                lanes: &[$($lane),+],
                alone: &[],
            };

            fn rules() -> Self {
                Self
            }
        }

        impl Subject for $rules {
            fn table(&self) -> Table {
                Self::TABLE
            }

            $($hook!();)+
        }
    )+};
}

tables! {
    /// Three modes in two lanes. Not symmetric: `Urgent` enters beside
    /// `Normal`, which does not enter beside two of `Urgent`.
    TwoLanes of TwoLanesMode: weighted false, total ANY, hooks [converting] {
        Urgent: lane 0, limit 2, beside [1, ANY, 0];
        Normal: lane 1, limit 3, beside [1, 2, 0];
        Bulk: lane 1, limit 1, beside [0, 0, 0];
    }

    /// Four modes with weights in three lanes, the lanes not in the order of
    /// the modes.
    Tiers of TiersMode: weighted true, total 6, hooks [weighted, converting] {
        Low: lane 2, limit 6, beside [ANY, 3, ANY, 0];
        High: lane 0, limit 4, beside [ANY, 3, ANY, 0];
        Middle: lane 1, limit 3, beside [2, ANY, 2, 0];
        Alone: lane 1, limit 2, beside [0, 0, 0, 1];
    }

    /// A pool of five units, in two modes, of one of which there are fewer.
    Pool of PoolMode: weighted true, total 5, hooks [weighted, converting] {
        Left: lane 0, limit 5, beside [ANY, ANY];
        Right: lane 0, limit 3, beside [ANY, ANY];
    }
}

/// The table of a rule of the crate.
macro_rules! ready_made {
    ($(
        $rules:ty = $new:expr, of $modes:ty, lanes $lanes:expr,
        $(limits $limits:expr,)? hooks [$($hook:ident),*];
    )+) => {$(
        impl Fixed for $rules {
            const TABLE: Table =
                Table { lanes: &$lanes, $(limits: &$limits,)? ..<$modes>::TABLE };

            fn rules() -> Self {
                $new
            }
        }

        impl Subject for $rules {
            fn table(&self) -> Table {
                Self::TABLE
            }

            $($hook!();)*
        }
    )+};
}

/// What the ready-made rules say, whatever their lanes.
trait ReadyMade {
    const LAW: Law;
    const LIMITS: &'static [usize];
    const TABLE: Table = Table { law: Self::LAW, limits: Self::LIMITS, lanes: &[], alone: &[] };
}

impl ReadyMade for Sole {
    const LAW: Law = Law::new(&[&[0]], ANY);
    const LIMITS: &'static [usize] = &[1];
}

impl ReadyMade for Access {
    const LAW: Law = Law::new(&[&[ANY, 0], &[0, 0]], ANY);
    const LIMITS: &'static [usize] = &[ANY, 1];
}

impl ReadyMade for SharedMode {
    const LAW: Law = Law::new(&[&[ANY, ANY, 0], &[ANY, 0, 0], &[0, 0, 0]], ANY);
    const LIMITS: &'static [usize] = &[ANY, 1, 1];
}

impl ReadyMade for rules::Permit {
    const LAW: Law = Law::new(&[&[ANY]], PERMITS);
    const LIMITS: &'static [usize] = &[ANY];
}

impl ReadyMade for rules::Granularity {
    const LAW: Law = Law::new(
        &[
            &[ANY, ANY, ANY, ANY, 0],
            &[ANY, ANY, 0, 0, 0],
            &[ANY, 0, ANY, 0, 0],
            &[ANY, 0, 0, 0, 0],
            &[0, 0, 0, 0, 0],
        ],
        ANY,
    );
    const LIMITS: &'static [usize] = &[ANY, ANY, ANY, 1, 1];
}

/// The readers of the lock of a bounded number of readers that is played.
const READERS: usize = 3;

/// The permits of the semaphore that is played.
const PERMITS: usize = 3;

ready_made! {
    rules::Exclusive = Self, of Sole, lanes [0], hooks [];
    rules::ReadWrite = Self, of Access, lanes [0, 0], hooks [converting];
    rules::Shared<Fair> = Self::new(), of SharedMode, lanes [0, 0, 0], hooks [converting];
    rules::Shared<ReadPreferring> =
        Self::new(), of SharedMode, lanes [0, 1, 1], hooks [converting];
    rules::Shared<WritePreferring> =
        Self::new(), of SharedMode, lanes [1, 1, 0], hooks [converting];
    rules::Intention = Self, of rules::Granularity, lanes [0; 5], hooks [converting];
    rules::BoundedReaders<READERS> =
        Self, of Access, lanes [0, 0], limits [READERS, 1], hooks [converting];
    rules::Semaphore = Self::new(PERMITS), of rules::Permit, lanes [0], hooks [weighted];
}

pub(crate) mod drawn;
mod task;

// === Histories ===

/// The most parties that a history can have: more than one batch of wake-ups.
pub(crate) const MOST_PARTIES: usize = 20;

/// How many tasks there are.
const TASKS: usize = 5;

/// The task whose waker does nothing: a waker that is nobody's.
const QUIET: usize = TASKS - 1;

/// A step of a history. Numbers are taken modulo what there is; a step that a
/// party can't make as it is now is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// A party that has nothing makes a future, and may poll it.
    Ask { party: u8, mode: u8, weight: u8, polled: bool },
    /// Polls the party's future.
    Poll { party: u8 },
    /// Drops the party's future.
    Drop { party: u8 },
    /// Drops the party's hold.
    Release { party: u8 },
    /// A party that has nothing tries.
    Try { party: u8, mode: u8, weight: u8 },
    /// A party that has nothing blocks for no time at all.
    Briefly { party: u8, mode: u8 },
    /// Makes a future that converts the party's hold, and may poll it.
    Convert { party: u8, mode: u8, polled: bool },
    /// Tries to convert the party's hold.
    TryConvert { party: u8, mode: u8 },
    /// Blocks for no time at all for converting the party's hold.
    ConvertBriefly { party: u8, mode: u8 },
    /// Another task polls the party from now on.
    Move { party: u8, task: u8 },
    /// All parties that have nothing ask and are polled.
    Crowd { mode: u8 },
}

impl Op {
    /// The step that three bytes stand for.
    pub(crate) fn decode(kind: u8, party: u8, detail: u8) -> Self {
        let mode = detail & 7;
        let weight = (detail >> 3) & 7;
        let polled = detail < 192;
        match kind & 15 {
            0..=2 => Self::Ask { party, mode, weight, polled },
            3..=5 => Self::Poll { party },
            6 => Self::Drop { party },
            7..=8 => Self::Release { party },
            9 => Self::Try { party, mode, weight },
            10 => Self::Briefly { party, mode },
            11 => Self::Convert { party, mode, polled },
            12 => Self::TryConvert { party, mode },
            13 => Self::ConvertBriefly { party, mode },
            14 => Self::Move { party, task: detail },
            _ => Self::Crowd { mode },
        }
    }
}

/// What happens to a lock that nobody holds yet.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) parties: usize,
    pub(crate) ops: Vec<Op>,
}

/// What a history has reached, so that a test can tell that its histories are
/// not all trivial.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reached {
    /// Grants that a future took over from another one of its task.
    pub(crate) trades: usize,
    /// … from one that stood, or then stands, in another lane.
    pub(crate) trades_across_lanes: usize,
    /// Grants that a future gave back for another one of its task.
    pub(crate) evictions: usize,
    /// Polls for which more than one was given back.
    pub(crate) evictions_together: usize,
    /// Grants that were never picked up.
    pub(crate) grants_dropped: usize,
    /// Conversions that were served in line.
    pub(crate) conversions: usize,
    /// Conversions that were refused.
    pub(crate) refusals: usize,
    /// Requests too heavy for an empty lock.
    pub(crate) too_many: usize,
    /// Requests that their mode's limit kept out.
    pub(crate) limited: usize,
    /// Requests that the rule's predicate kept out.
    pub(crate) forbidden: usize,
    /// Requests that the predicate would have let in beside one who is alone,
    /// or as one who is alone.
    pub(crate) kept_apart: usize,
    /// The most that one step has let in.
    pub(crate) crowd: usize,
    /// The longest line.
    pub(crate) line: usize,
}

impl Reached {
    /// Adds what another history has reached.
    pub(crate) fn add(&mut self, other: &Self) {
        self.trades += other.trades;
        self.trades_across_lanes += other.trades_across_lanes;
        self.evictions += other.evictions;
        self.evictions_together += other.evictions_together;
        self.grants_dropped += other.grants_dropped;
        self.conversions += other.conversions;
        self.refusals += other.refusals;
        self.too_many += other.too_many;
        self.limited += other.limited;
        self.forbidden += other.forbidden;
        self.kept_apart += other.kept_apart;
        self.crowd = self.crowd.max(other.crowd);
        self.line = self.line.max(other.line);
    }
}

// === The model ===

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Request {
    mode: usize,
    /// The mode of the hold that is converted.
    from: Option<usize>,
    weight: usize,
}

/// What a party has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Nothing,
    Holds {
        mode: usize,
        weight: usize,
    },
    /// A future that asks when it is polled next.
    Fresh(Request),
    /// A future in line, and whom its turn wakes.
    Waits(Request, usize),
    /// A future that was served and has not been polled since, and whom that
    /// has woken.
    Granted(Request, usize),
}

impl Place {
    /// What it takes up in the lock.
    fn units(self) -> Option<(usize, usize)> {
        match self {
            Self::Nothing => None,
            Self::Holds { mode, weight } => Some((mode, weight)),
            Self::Fresh(request) | Self::Waits(request, _) => {
                request.from.map(|from| (from, request.weight))
            }
            Self::Granted(request, _) => Some((request.mode, request.weight)),
        }
    }
}

/// What a poll finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// It holds.
    Holds,
    /// The conversion is refused.
    Refused(ConvertError),
    /// It can never be served: there are only so many units.
    TooMany(usize),
    /// It waits.
    Waits,
    /// It was let in during this poll by others' leaving: its waker is called,
    /// and this poll or the next one may say so.
    LetIn,
}

/// What those keep who wait for a conversion.
fn kept(conversions: impl Iterator<Item = Request>) -> Counts {
    let mut counts = NOTHING;
    for conversion in conversions {
        if let Some(from) = conversion.from {
            counts[from] += conversion.weight;
        }
    }
    counts
}

/// How many are let in before those who could not be are looked at again.
const BATCH: usize = 16;

/// The lock, as naive as it gets.
#[derive(Debug)]
struct Model {
    table: Table,
    places: Vec<Place>,
    /// Parties that wait for a conversion: each stands ahead of the lane of the
    /// mode that it wants.
    conversions: Vec<usize>,
    /// Parties that wait in each lane.
    lanes: Vec<Vec<usize>>,
    /// Parties that were granted and have not been polled since; the last one
    /// is the latest.
    limbo: Vec<usize>,
    /// Tasks that were woken.
    woken: Vec<usize>,
    reached: Reached,
    /// What has kept requests out, see [`Reached`].
    limited: Cell<usize>,
    forbidden: Cell<usize>,
    kept_apart: Cell<usize>,
}

impl Model {
    fn new(table: Table, parties: usize) -> Self {
        let lanes = table.lanes.iter().max().map_or(1, |&last| last + 1);
        Self {
            table,
            places: vec![Place::Nothing; parties],
            conversions: Vec::new(),
            lanes: vec![Vec::new(); lanes],
            limbo: Vec::new(),
            woken: Vec::new(),
            reached: Reached::default(),
            limited: Cell::new(0),
            forbidden: Cell::new(0),
            kept_apart: Cell::new(0),
        }
    }

    fn reached(&self) -> Reached {
        Reached {
            limited: self.limited.get(),
            forbidden: self.forbidden.get(),
            kept_apart: self.kept_apart.get(),
            ..self.reached
        }
    }

    /// What is held by all parties but these.
    fn held_without(&self, absent: &[usize]) -> Counts {
        let mut counts = NOTHING;
        for (party, place) in self.places.iter().enumerate() {
            if let (false, Some((mode, weight))) = (absent.contains(&party), place.units()) {
                counts[mode] += weight;
            }
        }
        counts
    }

    /// How many units a party asks for.
    fn weight(&self, party: usize) -> usize {
        match self.places[party] {
            Place::Fresh(request) | Place::Waits(request, _) | Place::Granted(request, _) => {
                request.weight
            }
            Place::Nothing | Place::Holds { .. } => 0,
        }
    }

    fn waiting(&self) -> usize {
        self.conversions.len() + self.lanes.iter().map(Vec::len).sum::<usize>()
    }

    /// How many requests in line keep a reference to a task's waker.
    fn wakers(&self, task: usize) -> usize {
        self.places
            .iter()
            .filter(|place| matches!(place, Place::Waits(_, of) if *of == task))
            .count()
    }

    /// Whether a request may enter beside `counts`: its last unit beside its
    /// others.
    fn fits(&self, request: Request, counts: &Counts) -> bool {
        let Request { mode, weight, .. } = request;
        if weight == 0 {
            return true;
        }
        let count = |cell: &Cell<usize>| cell.set(cell.get() + 1);
        let limit = self.table.limits[mode];
        if weight > limit || counts[mode] > limit - weight {
            count(&self.limited);
            return false;
        }
        let disturbs = self.table.disturbs(mode, counts);
        let mut counts = *counts;
        counts[mode] += weight - 1;
        let admits = self.table.law.admits(mode, &counts);
        if !admits {
            count(&self.forbidden);
        } else if disturbs {
            count(&self.kept_apart);
        }
        admits && !disturbs
    }

    /// Whether a party's request may enter now, were these parties not there.
    fn fits_without(&self, party: usize, request: Request, mut absent: Vec<usize>) -> bool {
        absent.push(party);
        self.fits(request, &self.held_without(&absent))
    }

    /// The most units that an empty lock admits, where that is less than what
    /// is asked for.
    fn too_many(&mut self, mode: usize, weight: usize) -> Option<usize> {
        let fits = |weight| self.fits(Request { mode, from: None, weight }, &NOTHING);
        if fits(weight) {
            return None;
        }
        let limit = (0..weight).rev().find(|&weight| fits(weight));
        self.reached.too_many += 1;
        limit
    }

    fn lane(&self, request: Request) -> usize {
        self.table.lanes[request.mode]
    }

    /// Whether a newcomer would overtake somebody.
    fn is_barred(&self, lane: usize) -> bool {
        self.converts_ahead(lane) || self.lanes[..=lane].iter().any(|lane| !lane.is_empty())
    }

    /// Whether a conversion waits for a mode of this lane or a better one: it
    /// stands ahead of the lane.
    fn converts_ahead(&self, lane: usize) -> bool {
        self.conversions.iter().any(|&party| self.lane_of(party) <= lane)
    }

    /// The lane of what a party waits for.
    fn lane_of(&self, party: usize) -> usize {
        let Place::Waits(request, _) = self.places[party] else { unreachable!() };
        self.lane(request)
    }

    /// Lets in whoever may enter, in order.
    fn settle(&mut self) {
        let before = self.limbo.len();
        self.settle_all();
        self.reached.crowd = self.reached.crowd.max(self.limbo.len() - before);
    }

    fn settle_all(&mut self) {
        // Conversions first; one that can't be served does not hold up another.
        loop {
            let mut served = 0;
            let mut order = self.conversions.clone();
            order.sort_by_key(|&party| self.lane_of(party));
            for party in order {
                let Place::Waits(request, _) = self.places[party] else { unreachable!() };
                if served < BATCH && self.fits_without(party, request, Vec::new()) {
                    self.conversions.retain(|&other| other != party);
                    self.grant(party);
                    self.reached.conversions += 1;
                    served += 1;
                }
            }
            if self.conversions.is_empty() || served == 0 {
                break;
            }
        }
        // Then lane by lane, up to the first one who does not fit.
        for lane in 0..self.lanes.len() {
            if self.converts_ahead(lane) {
                return;
            }
            while let Some(&party) = self.lanes[lane].first() {
                let Place::Waits(request, _) = self.places[party] else { unreachable!() };
                if !self.fits_without(party, request, Vec::new()) {
                    return;
                }
                self.lanes[lane].remove(0);
                self.grant(party);
            }
        }
    }

    fn grant(&mut self, party: usize) {
        let Place::Waits(request, task) = self.places[party] else { unreachable!() };
        self.places[party] = Place::Granted(request, task);
        self.limbo.push(party);
        if task != QUIET {
            self.woken.push(task);
        }
    }

    fn hold(&mut self, party: usize, request: Request) {
        self.places[party] = Place::Holds { mode: request.mode, weight: request.weight };
    }

    /// Takes a party out of line; where it stood in its lane.
    fn leave_line(&mut self, party: usize) -> Option<(usize, usize)> {
        self.conversions.retain(|&other| other != party);
        for (lane, line) in self.lanes.iter_mut().enumerate() {
            if let Some(at) = line.iter().position(|&other| other == party) {
                line.remove(at);
                return Some((lane, at));
            }
        }
        None
    }

    fn leave_limbo(&mut self, party: usize) {
        self.limbo.retain(|&other| other != party);
    }

    /// Asks without standing in line. Whether it holds.
    fn try_enter(&mut self, party: usize, request: Request) -> bool {
        let barred = request.weight != 0 && self.is_barred(self.lane(request));
        let enters = !barred && self.fits_without(party, request, Vec::new());
        if enters {
            self.hold(party, request);
        }
        enters
    }

    /// Converts without standing in line, whoever waits. Whether it has.
    fn try_convert(&mut self, party: usize, request: Request) -> bool {
        let converts = self.fits_without(party, request, Vec::new());
        if converts {
            self.hold(party, request);
            self.settle();
        }
        converts
    }

    /// Why a conversion that does not fit would never be served, if so.
    fn refusal(&mut self, request: Request) -> Option<ConvertError> {
        // Holders that wait for no conversion leave in the end. Those who do
        // leave once they were served, which they are when they fit beside
        // the holds of the others and of the new one.
        let mut staying: Vec<Request> = Vec::new();
        for &party in &self.conversions {
            let Place::Waits(other, _) = self.places[party] else { unreachable!() };
            staying.push(other);
        }
        loop {
            if self.fits(request, &kept(staying.iter().copied())) {
                return None;
            }
            let served = (0..staying.len()).find(|&at| {
                let others = staying[..at].iter().chain(&staying[at + 1..]).copied();
                self.fits(staying[at], &kept(others.chain([request])))
            });
            let Some(served) = served else { break };
            staying.remove(served);
        }
        self.reached.refusals += 1;
        let possible = self.fits(request, &NOTHING);
        Some(if possible { ConvertError::Deadlock } else { ConvertError::Impossible })
    }

    /// `task` polls a party's future.
    fn poll(&mut self, party: usize, task: usize) -> Answer {
        match self.places[party] {
            Place::Fresh(request) => {
                if let Some(from) = request.from {
                    if self.try_convert(party, request) {
                        return Answer::Holds;
                    }
                    if let Some(error) = self.refusal(request) {
                        self.hold(party, Request { mode: from, ..request });
                        return Answer::Refused(error);
                    }
                    self.conversions.push(party);
                } else {
                    // One unit is not a weight: it waits for ever.
                    if request.weight != 1
                        && let Some(limit) = self.too_many(request.mode, request.weight)
                    {
                        self.places[party] = Place::Nothing;
                        return Answer::TooMany(limit);
                    }
                    if self.try_enter(party, request) {
                        return Answer::Holds;
                    }
                    let lane = self.lane(request);
                    self.lanes[lane].push(party);
                }
                self.places[party] = Place::Waits(request, task);
                self.reached.line = self.reached.line.max(self.waiting());
                self.take_over(party, task)
            }
            Place::Waits(request, _) => {
                self.places[party] = Place::Waits(request, task);
                self.take_over(party, task)
            }
            Place::Granted(..) => {
                self.pick_up(party);
                Answer::Holds
            }
            Place::Nothing | Place::Holds { .. } => unreachable!("it has no future"),
        }
    }

    fn pick_up(&mut self, party: usize) {
        let Place::Granted(request, _) = self.places[party] else { unreachable!() };
        self.leave_limbo(party);
        self.hold(party, request);
    }

    /// A party in line was polled by `task`. Grants of this task that it has
    /// not picked up must not keep the party waiting: it takes one over, and
    /// whoever had that stands in line; those that are not enough go back.
    fn take_over(&mut self, party: usize, task: usize) -> Answer {
        let mut evicted = 0;
        loop {
            let Place::Waits(request, _) = self.places[party] else { return Answer::LetIn };
            let Some((sibling, theirs)) = self.sibling(task) else { return Answer::Waits };
            self.leave_limbo(sibling);
            if self.fits_without(party, request, vec![sibling]) {
                self.trade(party, request, sibling, theirs);
                return Answer::Holds;
            }
            self.places[sibling] = Place::Fresh(theirs);
            self.settle();
            evicted += 1;
            self.reached.evictions += 1;
            if evicted == 2 {
                self.reached.evictions_together += 1;
            }
        }
    }

    /// A party holds instead of its sibling, which stands in line instead.
    fn trade(&mut self, party: usize, request: Request, sibling: usize, theirs: Request) {
        let (lane, Place::Granted(_, task)) = (self.lane(theirs), self.places[sibling]) else {
            unreachable!()
        };
        self.places[sibling] = Place::Waits(theirs, task);
        match self.leave_line(party) {
            Some((same, at)) if same == lane => self.lanes[lane].insert(at, sibling),
            _ => {
                self.reached.trades_across_lanes += 1;
                self.lanes[lane].push(sibling);
            }
        }
        self.reached.trades += 1;
        self.hold(party, request);
        self.settle();
    }

    /// The latest grant of a task that can be taken over: a conversion is of a
    /// hold, which it can't lose.
    fn sibling(&self, task: usize) -> Option<(usize, Request)> {
        if task == QUIET {
            return None;
        }
        self.limbo.iter().rev().find_map(|&party| match self.places[party] {
            Place::Granted(request, of) if of == task && request.from.is_none() => {
                Some((party, request))
            }
            _ => None,
        })
    }

    /// A party's future is dropped, and with it the hold that it converts.
    fn cancel(&mut self, party: usize) {
        match self.places[party] {
            Place::Fresh(_) => {}
            Place::Waits(request, _) => {
                self.leave_line(party);
                self.places[party] = Place::Fresh(request);
                self.settle();
            }
            Place::Granted(..) => {
                self.leave_limbo(party);
                self.reached.grants_dropped += 1;
            }
            Place::Nothing | Place::Holds { .. } => unreachable!("it has no future"),
        }
        self.release(party);
    }

    /// A party gives up what it has.
    fn release(&mut self, party: usize) {
        self.places[party] = Place::Nothing;
        self.settle();
    }
}

// === The interpreter ===

/// What a party has of the real lock.
enum Party<'a, R: Rules, B: Backend> {
    Nothing,
    Asks(Pin<Box<AcquireHold<'a, R, B>>>),
    AsksMany(Pin<Box<AcquireManyHold<'a, R, B>>>),
    Converts(Pin<Box<ConvertHold<'a, R, B>>>),
    Holds(Hold<'a, R, B>),
}

impl<R: Rules, B: Backend> Party<'_, R, B> {
    fn has_future(&self) -> bool {
        matches!(self, Self::Asks(_) | Self::AsksMany(_) | Self::Converts(_))
    }
}

/// What a poll of a real future has given.
enum Got<'a, R: Rules, B: Backend> {
    Hold(Hold<'a, R, B>),
    Refused(Hold<'a, R, B>, ConvertError),
    TooMany(TooMany),
}

impl<R: Rules, B: Backend> fmt::Debug for Got<'_, R, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hold(hold) => write!(f, "{hold:?}"),
            Self::Refused(hold, error) => write!(f, "{error:?} for {hold:?}"),
            Self::TooMany(error) => write!(f, "{error:?}"),
        }
    }
}

/// Both locks, and those who use them.
struct World<'a, R: Subject, B: Backend> {
    lock: &'a FifoLock<R, B>,
    parties: Vec<Party<'a, R, B>>,
    /// The task that polls each party.
    polled_by: Vec<usize>,
    tasks: Vec<Task>,
    log: Arc<Mutex<Vec<usize>>>,
    model: Model,
}

/// Plays a history on a real lock of a rule that is always the same, and on
/// the model.
///
/// # Errors
///
/// Where they differ.
pub(crate) fn run<R: Fixed, B: Backend>(history: &History) -> Result<Reached, String> {
    run_with::<R, B>(R::rules(), history)
}

/// Plays a history on a real lock and on the model.
///
/// # Errors
///
/// Where they differ.
pub(crate) fn run_with<R: Subject, B: Backend>(
    rules: R,
    history: &History,
) -> Result<Reached, String> {
    let table = rules.table();
    let lock = FifoLock::<R, B>::new(rules);
    let parties = history.parties.clamp(1, MOST_PARTIES);
    let log = Arc::default();
    let mut world = World {
        lock: &lock,
        parties: (0..parties).map(|_| Party::Nothing).collect(),
        // Neighbours belong to one task.
        polled_by: (0..parties).map(|party| party / 2 % QUIET).collect(),
        tasks: (0..TASKS).map(|task| Task::new((task != QUIET).then_some(task), &log)).collect(),
        log,
        model: Model::new(table, parties),
    };
    for (step, &op) in history.ops.iter().enumerate() {
        world
            .play(op)
            .and_then(|()| world.compare())
            .map_err(|what| format!("step {step}, {op:?}: {what}\n{:#?}", world.model))?;
    }
    // Whatever is left can be given up in any order.
    for party in 0..parties {
        world
            .cancel(party)
            .and_then(|()| world.release(party))
            .and_then(|()| world.compare())
            .map_err(|what| format!("at the end, party {party}: {what}\n{:#?}", world.model))?;
    }
    ensure!(!lock.is_locked(), "the lock is held when everybody has left: {lock:?}");
    ensure!(lock.waiting() == 0, "somebody waits when everybody has left: {lock:?}");
    Ok(world.model.reached())
}

impl<'a, R: Subject, B: Backend> World<'a, R, B> {
    fn party(&self, party: u8) -> usize {
        usize::from(party) % self.parties.len()
    }

    fn mode(&self, mode: u8) -> usize {
        usize::from(mode) % self.model.table.law.modes
    }

    fn weight(weight: u8) -> usize {
        if R::WEIGHTED { usize::from(weight) } else { 1 }
    }

    fn play(&mut self, op: Op) -> Result<(), String> {
        match op {
            Op::Ask { party, mode, weight, polled } => {
                let party = self.party(party);
                self.ask(party, self.mode(mode), Self::weight(weight), polled)
            }
            Op::Poll { party } => self.poll(self.party(party)),
            Op::Drop { party } => self.cancel(self.party(party)),
            Op::Release { party } => self.release(self.party(party)),
            Op::Try { party, mode, weight } => {
                self.try_enter(self.party(party), self.mode(mode), Self::weight(weight))
            }
            Op::Briefly { party, mode } => self.briefly(self.party(party), self.mode(mode)),
            Op::Convert { party, mode, polled } => {
                self.convert(self.party(party), self.mode(mode), polled)
            }
            Op::TryConvert { party, mode } => self.try_convert(self.party(party), self.mode(mode)),
            Op::ConvertBriefly { party, mode } => {
                self.convert_briefly(self.party(party), self.mode(mode))
            }
            Op::Move { party, task } => {
                let party = self.party(party);
                self.polled_by[party] = usize::from(task) % TASKS;
                Ok(())
            }
            Op::Crowd { mode } => {
                for party in 0..self.parties.len() {
                    self.ask(party, self.mode(mode), 1, true)?;
                }
                Ok(())
            }
        }
    }

    fn ask(
        &mut self,
        party: usize,
        mode: usize,
        weight: usize,
        polled: bool,
    ) -> Result<(), String> {
        if !matches!(self.parties[party], Party::Nothing) {
            return Ok(());
        }
        let (lock, real_mode) = (self.lock, R::Mode::ALL[mode]);
        self.parties[party] = if weight == 1 {
            Party::Asks(Box::pin(lock.acquire_async(real_mode)))
        } else {
            Party::AsksMany(Box::pin(R::ask_many(lock, real_mode, weight as u32)))
        };
        self.model.places[party] = Place::Fresh(Request { mode, from: None, weight });
        if polled { self.poll(party) } else { Ok(()) }
    }

    fn poll(&mut self, party: usize) -> Result<(), String> {
        let task = self.polled_by[party];
        let mut cx = Context::from_waker(&self.tasks[task].waker);
        let polled = match &mut self.parties[party] {
            Party::Asks(future) => future.as_mut().poll(&mut cx).map(Got::Hold),
            Party::AsksMany(future) => future.as_mut().poll(&mut cx).map(|result| match result {
                Ok(hold) => Got::Hold(hold),
                Err(error) => Got::TooMany(error),
            }),
            Party::Converts(future) => future.as_mut().poll(&mut cx).map(|result| match result {
                Ok(hold) => Got::Hold(hold),
                Err((hold, error)) => Got::Refused(hold, error),
            }),
            Party::Nothing | Party::Holds(_) => return Ok(()),
        };
        let weight = self.model.weight(party);
        let answer = self.model.poll(party, task);
        match (polled, answer) {
            (Poll::Pending, Answer::Waits | Answer::LetIn) => {}
            (Poll::Ready(Got::Hold(hold)), Answer::Holds | Answer::LetIn) => {
                if answer == Answer::LetIn {
                    self.model.pick_up(party);
                }
                self.parties[party] = Party::Holds(hold);
            }
            (Poll::Ready(Got::Refused(hold, error)), Answer::Refused(expected))
                if error == expected =>
            {
                self.parties[party] = Party::Holds(hold);
            }
            (Poll::Ready(Got::TooMany(error)), Answer::TooMany(limit))
                if error.limit() == limit && error.requested() as usize == weight =>
            {
                self.parties[party] = Party::Nothing;
            }
            (polled, answer) => {
                return Err(format!("party {party} got {polled:?}, expected {answer:?}"));
            }
        }
        Ok(())
    }

    fn cancel(&mut self, party: usize) -> Result<(), String> {
        if self.parties[party].has_future() {
            self.parties[party] = Party::Nothing;
            self.model.cancel(party);
        }
        Ok(())
    }

    fn release(&mut self, party: usize) -> Result<(), String> {
        if matches!(self.parties[party], Party::Holds(_)) {
            self.parties[party] = Party::Nothing;
            self.model.release(party);
        }
        Ok(())
    }

    fn try_enter(&mut self, party: usize, mode: usize, weight: usize) -> Result<(), String> {
        if !matches!(self.parties[party], Party::Nothing) {
            return Ok(());
        }
        let lock = self.lock;
        let entered = if weight == 1 {
            Ok(lock.try_acquire(R::Mode::ALL[mode]))
        } else {
            R::try_many(lock, R::Mode::ALL[mode], weight as u32)
        };
        match entered {
            Ok(entered) => {
                ensure!(
                    weight == 1 || self.model.too_many(mode, weight).is_none(),
                    "{weight} are too many"
                );
                self.entered(party, Request { mode, from: None, weight }, entered)
            }
            Err(error) => {
                let limit = self.model.too_many(mode, weight);
                ensure!(
                    limit == Some(error.limit()) && error.requested() as usize == weight,
                    "{weight} were refused: {error:?}, expected the limit {limit:?}"
                );
                Ok(())
            }
        }
    }

    fn briefly(&mut self, party: usize, mode: usize) -> Result<(), String> {
        if !matches!(self.parties[party], Party::Nothing) {
            return Ok(());
        }
        // Who does not fit stands in line for a moment, as a blocked thread.
        let entered = self.lock.acquire_for(R::Mode::ALL[mode], Duration::ZERO);
        self.entered(party, Request { mode, from: None, weight: 1 }, entered)
    }

    /// An attempt that never waits has ended.
    fn entered(
        &mut self,
        party: usize,
        request: Request,
        entered: Option<Hold<'a, R, B>>,
    ) -> Result<(), String> {
        let expected = self.model.try_enter(party, request);
        ensure!(
            entered.is_some() == expected,
            "party {party} got {entered:?}, expected {}",
            if expected { "a hold" } else { "nothing" }
        );
        if let Some(hold) = entered {
            self.parties[party] = Party::Holds(hold);
        }
        Ok(())
    }

    /// The conversion of a party's hold into a mode, if it has a hold.
    fn conversion(&self, party: usize, mode: usize) -> Option<Request> {
        match (R::CONVERTS, self.model.places[party]) {
            (true, Place::Holds { mode: from, weight }) => {
                Some(Request { mode, from: Some(from), weight })
            }
            _ => None,
        }
    }

    fn convert(&mut self, party: usize, mode: usize, polled: bool) -> Result<(), String> {
        let Some(request) = self.conversion(party, mode) else { return Ok(()) };
        let Party::Holds(hold) = mem::replace(&mut self.parties[party], Party::Nothing) else {
            return Err(format!("party {party} has no hold"));
        };
        self.parties[party] = Party::Converts(Box::pin(R::convert(hold, R::Mode::ALL[mode])));
        self.model.places[party] = Place::Fresh(request);
        if polled { self.poll(party) } else { Ok(()) }
    }

    fn try_convert(&mut self, party: usize, mode: usize) -> Result<(), String> {
        let Some(request) = self.conversion(party, mode) else { return Ok(()) };
        let Party::Holds(hold) = &mut self.parties[party] else {
            return Err(format!("party {party} has no hold"));
        };
        let converted = R::try_convert(hold, R::Mode::ALL[mode]);
        let expected = self.model.try_convert(party, request);
        ensure!(converted == expected, "party {party}: {converted}, expected {expected}");
        Ok(())
    }

    fn convert_briefly(&mut self, party: usize, mode: usize) -> Result<(), String> {
        let Some(request) = self.conversion(party, mode) else { return Ok(()) };
        let Party::Holds(hold) = &mut self.parties[party] else {
            return Err(format!("party {party} has no hold"));
        };
        // Who does not fit stands ahead of the line for a moment.
        let converted = R::convert_briefly(hold, R::Mode::ALL[mode]);
        let expected = if self.model.try_convert(party, request) {
            Ok(())
        } else {
            Err(self.model.refusal(request).unwrap_or(ConvertError::TimedOut))
        };
        ensure!(converted == expected, "party {party}: {converted:?}, expected {expected:?}");
        Ok(())
    }

    /// Compares all that can be seen of both locks.
    fn compare(&mut self) -> Result<(), String> {
        let held = self.model.held_without(&[]);
        for (&mode, &expected) in R::Mode::ALL.iter().zip(&held) {
            let holders = self.lock.holders(mode);
            ensure!(holders == expected, "{holders} hold in {mode:?}, expected {expected}");
        }
        let (locked, expected) = (self.lock.is_locked(), held != NOTHING);
        ensure!(locked == expected, "`is_locked` is {locked}, expected {expected}");
        let (waiting, expected) = (self.lock.waiting(), self.model.waiting());
        ensure!(waiting == expected, "{waiting} wait, expected {expected}");

        for (party, (has, place)) in self.parties.iter().zip(&self.model.places).enumerate() {
            let agree = match (has, place) {
                (Party::Nothing, Place::Nothing) => true,
                (Party::Holds(hold), &Place::Holds { mode, weight }) => {
                    hold.mode().index() == mode && hold.weight() as usize == weight
                }
                (
                    Party::Asks(_) | Party::AsksMany(_),
                    Place::Fresh(request) | Place::Waits(request, _) | Place::Granted(request, _),
                ) => request.from.is_none(),
                (
                    Party::Converts(_),
                    Place::Fresh(request) | Place::Waits(request, _) | Place::Granted(request, _),
                ) => request.from.is_some(),
                _ => false,
            };
            ensure!(agree, "party {party} should have {place:?}");
        }

        // Each grant wakes the task of its future once, in order of service.
        let woken = mem::take(&mut *self.log.lock().unwrap());
        let expected = mem::take(&mut self.model.woken);
        ensure!(woken == expected, "these tasks were woken: {woken:?}, expected {expected:?}");

        // A waker is kept while its request stands in line, and no longer.
        for (task, of) in self.tasks.iter().enumerate() {
            if let Some(shared) = &of.shared {
                // The task has two references itself.
                let kept = Arc::strong_count(shared).saturating_sub(2);
                let expected = self.model.wakers(task);
                ensure!(kept == expected, "task {task}: {kept} wakers, expected {expected}");
            }
        }
        Ok(())
    }
}

// === All rules ===

/// Plays a history.
pub(crate) type Play = fn(&History) -> Result<Reached, String>;

/// Each rule under test, by name.
pub(crate) fn plays<B: Backend>() -> [(&'static str, Play); 11] {
    [
        ("mutex", run::<rules::Exclusive, B>),
        ("read-write", run::<rules::ReadWrite, B>),
        ("fair", run::<rules::Shared<Fair>, B>),
        ("read-preferring", run::<rules::Shared<ReadPreferring>, B>),
        ("write-preferring", run::<rules::Shared<WritePreferring>, B>),
        ("semaphore", run::<rules::Semaphore, B>),
        ("two lanes", run::<TwoLanes, B>),
        ("tiers", run::<Tiers, B>),
        ("pool", run::<Pool, B>),
        ("intention", run::<rules::Intention, B>),
        ("bounded readers", run::<rules::BoundedReaders<READERS>, B>),
    ]
}
