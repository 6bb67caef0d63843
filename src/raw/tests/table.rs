//! The same engine on another environment: records in a table, named by
//! index, under a 64-bit word with a spare bit, with notes taken of every hold.
//!
//! This is how memory shared by processes uses it. Random histories run on it,
//! and after each step everything is counted again from the records.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::vec::Vec;

use crate::atomic::{AtomicWord, Ordering, Word};
use crate::raw::engine::{self, ConversionEntry, Entry, Env, Note, Step};
use crate::raw::limit::{self, Refusing};
use crate::raw::mode::{Held, Mode, PerMode, Rules};
use crate::raw::word::{Geometry, Shape};
use crate::wait::batch::{Batch, Wake};
use crate::wait::node::{NO_MODE, Refusal, Request};

crate::modes! { enum Tree { Look, Climb, Fell } }

/// Climbers stand in the better lane; up to three look or climb together;
/// felling is for one alone.
struct Orchard;

impl Rules for Orchard {
    type Mode = Tree;
    const LIMITS: PerMode<usize> = PerMode::all(3).with(Tree::Fell.index(), 1);
    const LANES: PerMode<u8> = PerMode::all(1).with(Tree::Climb.index(), 0);
    const WEIGHTED: bool = true;

    fn admits(&self, mode: Tree, held: &Held<Tree>) -> bool {
        match mode {
            Tree::Look => held[Tree::Fell] == 0,
            Tree::Climb => held[Tree::Fell] == 0 && held[Tree::Look] < 3,
            Tree::Fell => held.is_empty(),
        }
    }
}

struct Shared;

impl Shape for Shared {
    type Rules = Orchard;
    type Word = u64;
    const EXTRA: u32 = 1;
}

type G = Geometry<Shared>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Queued,
    Granting,
    Held,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    state: State,
    request: Request,
    /// The mode that it holds while it waits for another.
    keeps: Option<usize>,
    /// When it stood in line.
    ticket: u64,
    marked: bool,
}

struct Table {
    word: <u64 as Word>::Atomic,
    rules: Orchard,
    records: RefCell<Vec<Record>>,
    lanes: [VecDeque<u32>; 2],
    tickets: u64,
    /// Who was granted, in order.
    granted: Vec<u32>,
    /// No request may weigh more.
    cap: u32,
    /// Who was sent away for it, in order, and the cap then.
    refused: Vec<(u32, usize)>,
}

/// A wake-up is a message that nobody loses.
struct Bell;

impl Wake for Bell {
    fn wake(self) {}
}

impl Env for Table {
    type Shape = Shared;
    type Id = u32;
    type Wake = Bell;

    fn rules(&self) -> &Orchard {
        &self.rules
    }
    fn word(&self) -> &<u64 as Word>::Atomic {
        &self.word
    }
    fn ends(&self, lane: u32) -> Option<(u32, u32)> {
        let lane = &self.lanes[lane as usize];
        Some((*lane.front()?, *lane.back()?))
    }
    fn next(&self, id: u32) -> u32 {
        let lane = self.lanes.iter().find(|lane| lane.contains(&id)).expect("in line");
        let at = lane.iter().position(|&other| other == id).expect("in line");
        lane[at + 1]
    }
    fn request(&self, id: u32) -> Request {
        self.records.borrow()[id as usize].request
    }
    fn append(&mut self, lane: u32, id: u32) {
        self.queue(id);
        self.lanes[lane as usize].push_back(id);
    }
    fn insert(&mut self, lane: u32, ahead: Option<u32>, id: u32) {
        self.queue(id);
        let lane = &mut self.lanes[lane as usize];
        let at = ahead.map_or(0, |ahead| {
            1 + lane.iter().position(|&other| other == ahead).expect("in this lane")
        });
        lane.insert(at, id);
    }
    fn unlink(&mut self, lane: u32, id: u32) -> bool {
        let lane = &mut self.lanes[lane as usize];
        let at = lane.iter().position(|&other| other == id).expect("in this lane");
        lane.remove(at);
        at == 0
    }
    fn unlink_first(&mut self, lane: u32) {
        self.lanes[lane as usize].pop_front().expect("somebody stands there");
    }
    fn tell_first(&mut self, lane: u32) {
        assert!(self.ends(lane).is_some(), "nobody to tell");
    }
    fn mark(&mut self, id: u32, on: bool) {
        self.records.borrow_mut()[id as usize].marked = on;
    }
    fn is_marked(&self, id: u32) -> bool {
        self.records.borrow()[id as usize].marked
    }
    fn granting(&mut self, id: u32) {
        let record = &mut self.records.borrow_mut()[id as usize];
        assert_eq!(record.state, State::Queued, "granted out of the line");
        record.state = State::Granting;
    }
    fn withheld(&mut self, id: u32) {
        self.records.borrow_mut()[id as usize].state = State::Queued;
    }
    fn granted(&mut self, id: u32) -> Option<Bell> {
        let record = &mut self.records.borrow_mut()[id as usize];
        assert_eq!(record.state, State::Granting, "granted without announcing it");
        record.state = State::Held;
        record.keeps = None;
        self.granted.push(id);
        Some(Bell)
    }
    fn evicted(&mut self, _: u32) -> Option<Bell> {
        unreachable!("this rule does not panic")
    }
}

impl Refusing for Table {
    fn refusal(&self, request: Request) -> Option<Refusal> {
        (request.weight > self.cap).then_some(Refusal::TooMany(self.cap as usize))
    }
    fn refused(&mut self, id: u32, why: Refusal) -> Option<Bell> {
        let record = &mut self.records.borrow_mut()[id as usize];
        assert_eq!(record.state, State::Queued, "sent away out of the line");
        record.state = State::Idle;
        let Refusal::TooMany(limit) = why else { panic!("nothing is closed here") };
        self.refused.push((id, limit));
        Some(Bell)
    }
}

/// Notes go into the record, and must come in a sensible order.
struct Notes<'a>(&'a RefCell<Vec<Record>>, u32, RefCell<Option<Step>>);

impl Note for Notes<'_> {
    fn note(&self, step: Step, request: Request) {
        let before = self.2.replace(Some(step));
        let record = &mut self.0.borrow_mut()[self.1 as usize];
        match step {
            Step::Acquiring | Step::Leaving | Step::Converting => {
                assert!(!matches!(
                    before,
                    Some(Step::Acquiring | Step::Leaving | Step::Converting)
                ));
            }
            Step::Held => {
                assert!(matches!(before, Some(Step::Acquiring | Step::Converting)));
                record.state = State::Held;
                record.request = Request { from: NO_MODE, ..request };
            }
            Step::Idle => assert!(before.is_some()),
        }
        if before == Some(Step::Leaving) {
            assert_eq!(step, Step::Idle);
            record.state = State::Idle;
        }
    }
}

/// Notes of the record with this index, which the environment keeps as well.
fn notes(records: &RefCell<Vec<Record>>, id: u32) -> Notes<'_> {
    Notes(records, id, RefCell::new(None))
}

impl Table {
    fn new(parties: usize) -> Self {
        const { G::FITS };
        let idle = Record {
            state: State::Idle,
            request: Request { mode: 0, from: NO_MODE, weight: 1 },
            keeps: None,
            ticket: 0,
            marked: false,
        };
        Self {
            word: <u64 as Word>::Atomic::new(0),
            rules: Orchard,
            records: RefCell::new(std::vec![idle; parties]),
            lanes: [VecDeque::new(), VecDeque::new()],
            tickets: 0,
            granted: Vec::new(),
            cap: 3,
            refused: Vec::new(),
        }
    }

    fn queue(&mut self, id: u32) {
        self.tickets += 1;
        let record = &mut self.records.borrow_mut()[id as usize];
        record.state = State::Queued;
        record.ticket = self.tickets;
    }

    fn record(&self, id: u32) -> Record {
        self.records.borrow()[id as usize]
    }

    fn set_request(&self, id: u32, request: Request) {
        self.records.borrow_mut()[id as usize].request = request;
    }

    fn grant(&mut self, leave: u64) {
        let mut leave = leave;
        loop {
            let mut batch = Batch::new();
            let more = engine::grant(self, leave, 0, &mut batch);
            leave = 0;
            if !more {
                return;
            }
        }
    }

    fn ask(&mut self, id: u32, request: Request) {
        self.set_request(id, request);
        let entered = {
            let notes = notes(&self.records, id);
            engine::try_admit::<Shared>(&self.rules, &self.word, request, &notes)
        };
        if entered {
            return;
        }
        // The environment is borrowed whole; the notes go to a copy.
        let copy = RefCell::new(self.records.borrow().clone());
        if engine::enqueue(self, id, request, &notes(&copy, id)) == Entry::Admitted {
            *self.records.borrow_mut() = copy.into_inner();
        }
    }

    fn release(&mut self, id: u32, contended: bool) {
        let request = Request { from: NO_MODE, ..self.record(id).request };
        if contended {
            self.records.borrow_mut()[id as usize].state = State::Idle;
            let units = G::units(usize::from(request.mode), request.weight as usize);
            return self.grant(units);
        }
        let due = engine::leave::<Shared>(&self.word, request, &notes(&self.records, id));
        if due {
            self.grant(0);
        }
    }

    /// Another cap: whoever is too heavy is sent away, `leave` leaves in the
    /// same step, and whoever was behind goes on.
    fn set_cap(&mut self, cap: u32, leave: u64) {
        self.cap = cap;
        let mut leave = leave;
        loop {
            let (mut refused, mut batch) = (Batch::new(), Batch::new());
            let more = limit::refuse(self, leave, &mut refused, &mut batch);
            leave = 0;
            if !more {
                return;
            }
        }
    }

    fn cancel(&mut self, id: u32) {
        let record = self.record(id);
        let mut batch = Batch::new();
        let more = engine::cancel(self, id, &mut batch);
        let (state, mode) = match record.keeps {
            Some(mode) => (State::Held, mode as u8),
            None => (State::Idle, record.request.mode),
        };
        self.records.borrow_mut()[id as usize] = Record {
            state,
            request: Request { mode, from: NO_MODE, weight: record.request.weight },
            keeps: None,
            ..record
        };
        drop(batch);
        if more {
            self.grant(0);
        }
    }

    /// `false`: refused, the hold is as it was.
    fn convert(&mut self, id: u32, to: usize) -> bool {
        let had = self.record(id).request;
        let request = Request { mode: to as u8, from: had.mode, weight: had.weight };
        let copy = RefCell::new(self.records.borrow().clone());
        self.set_request(id, request);
        self.records.borrow_mut()[id as usize].keeps = Some(usize::from(had.mode));
        match engine::enqueue_conversion(self, id, request, &notes(&copy, id)) {
            ConversionEntry::Converted(due) => {
                *self.records.borrow_mut() = copy.into_inner();
                if due {
                    self.grant(0);
                }
                true
            }
            ConversionEntry::Queued => true,
            ConversionEntry::Deadlock => {
                *self.records.borrow_mut() = copy.into_inner();
                assert_eq!(self.record(id).request, had);
                false
            }
        }
    }

    /// Counts everything anew.
    fn check(&self) {
        let word = AtomicWord::load(&self.word, Ordering::Relaxed);
        let mut held = [0; 3];
        for (id, record) in self.records.borrow().iter().enumerate() {
            let units = record.request.weight as usize;
            match record.state {
                State::Held => held[usize::from(record.request.mode)] += units,
                State::Queued => {
                    if let Some(mode) = record.keeps {
                        held[mode] += units;
                    }
                    assert!(self.lanes.iter().any(|lane| lane.contains(&(id as u32))));
                }
                State::Idle => {}
                State::Granting => panic!("a grant that never ended"),
            }
        }
        for (mode, &held) in held.iter().enumerate() {
            assert_eq!(G::count(word, mode), held, "count of {:?}", Tree::ALL[mode]);
            assert!(held <= G::limit(mode));
        }
        assert!(held[2] == 0 || held[0] + held[1] == 0, "felled with somebody near");
        let mut kept_out = false;
        for (lane, waiting) in self.lanes.iter().enumerate() {
            let bit = G::bit(lane as u32);
            assert_eq!(word & bit != 0, !waiting.is_empty(), "bit of lane {lane}");
            // In order, conversions first.
            let key = |&id: &u32| (self.request(id).from == NO_MODE, self.record(id).ticket);
            assert!(waiting.iter().map(key).is_sorted(), "lane {lane} is out of order");
            for &id in waiting {
                let request = self.request(id);
                let fits = G::judge(&self.rules, word, request).is_some();
                let too_heavy = self.refusal(request).is_some();
                assert!(!too_heavy || request.from != NO_MODE, "{request:?} could never enter");
                // Whoever is behind somebody may fit; conversions never may.
                if kept_out && request.from == NO_MODE {
                    break;
                }
                assert!(!fits, "{request:?} could enter, and nobody stands before it");
                kept_out = true;
            }
        }
    }
}

/// A small generator: the histories are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

#[test]
fn histories_on_a_table() {
    const PARTIES: u64 = 7;
    let (mut waited, mut converted, mut refused, mut sent_away) = (0, 0, 0, 0);
    for seed in 1..400 {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (seed << 20));
        let mut table = Table::new(PARTIES as usize);
        for _ in 0..200 {
            let id = dice.roll(PARTIES) as u32;
            if dice.roll(12) == 0 {
                // Sometimes somebody leaves in the same step.
                let mut leave = 0;
                if table.record(id).state == State::Held && dice.roll(2) == 0 {
                    let request = table.record(id).request;
                    leave = G::units(usize::from(request.mode), request.weight as usize);
                    table.records.borrow_mut()[id as usize].state = State::Idle;
                }
                table.set_cap(1 + dice.roll(3) as u32, leave);
                table.check();
                continue;
            }
            match table.record(id).state {
                State::Idle => {
                    let mode = dice.roll(3) as u8;
                    let most = if mode == Tree::Fell.index() as u8 { 1 } else { 3 };
                    // Who asks for too many does not stand in line.
                    let weight = (1 + dice.roll(most) as u32).min(table.cap);
                    table.ask(id, Request { mode, from: NO_MODE, weight });
                    waited += u32::from(table.record(id).state == State::Queued);
                }
                State::Queued => table.cancel(id),
                State::Held => match dice.roll(4) {
                    // A weight beyond the new mode's limit can't convert.
                    0 if table.record(id).request.weight == 1 => {
                        let to = dice.roll(3) as usize;
                        if to != usize::from(table.record(id).request.mode) {
                            let done = table.convert(id, to);
                            converted += u32::from(done);
                            refused += u32::from(!done);
                        }
                    }
                    1 => table.release(id, true),
                    _ => table.release(id, false),
                },
                State::Granting => panic!("a grant that never ended"),
            }
            table.check();
        }
        // Everybody goes: nobody may be left behind.
        while let Some(id) = (0..PARTIES as u32).find(|&id| table.record(id).state == State::Held) {
            table.release(id, dice.roll(2) == 0);
            table.check();
        }
        assert!(table.lanes.iter().all(VecDeque::is_empty), "somebody waits for ever");
        sent_away += table.refused.len();
        assert_eq!(AtomicWord::load(&table.word, Ordering::Relaxed), 0);
    }
    // The histories were about something.
    assert!(waited > 1000 && converted > 1000 && refused > 5, "{waited} {converted} {refused}");
    assert!(sent_away > 500, "{sent_away}");
}

/// Each is told the cap by which it went.
#[test]
fn those_behind_the_heavy_go_on() {
    let mut table = Table::new(5);
    let look = |weight| Request { mode: 0, from: NO_MODE, weight };
    table.ask(0, look(1));
    table.ask(1, look(3));
    table.ask(2, look(2));
    table.ask(3, look(3));
    table.ask(4, look(1));
    assert_eq!(table.lanes[1], [1, 2, 3, 4]);
    table.set_cap(2, 0);
    table.check();
    assert_eq!(table.refused, [(1, 2), (3, 2)]);
    assert_eq!(table.granted, [2]);
    table.set_cap(1, G::units(0, 1));
    table.records.borrow_mut()[0].state = State::Idle;
    table.check();
    assert_eq!(table.granted, [2, 4]);
    assert_eq!(table.refused.len(), 2, "who holds is not sent away");
}

#[test]
fn the_spare_bit_keeps_newcomers_out_and_leavers_slow() {
    let mut table = Table::new(2);
    let look = Request { mode: 0, from: NO_MODE, weight: 1 };
    table.ask(0, look);
    let stop = G::extra();
    assert_eq!(stop, 1 << 2, "above the two lanes' bits");
    let now = AtomicWord::load(&table.word, Ordering::Relaxed);
    AtomicWord::store(&table.word, now | stop, Ordering::Relaxed);
    assert!(!engine::try_admit::<Shared>(
        &table.rules,
        &table.word,
        look,
        &notes(&table.records, 1)
    ));
    assert!(engine::leave::<Shared>(&table.word, look, &notes(&table.records, 0)));
    assert_eq!(AtomicWord::load(&table.word, Ordering::Relaxed), stop);
}
