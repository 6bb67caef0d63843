//! A model: all interleavings of a few participants, within bounds, each of
//! whom may die before each of its steps.
//!
//! What runs is the real code, engine and repair, on a real segment. Only the
//! kernel is played: who lives, who sleeps, what time it is. A participant is a
//! coroutine with an attachment of its own, and a step is an atomic operation
//! on the segment; before each one it may be stopped in favour of another one,
//! or somebody may die, who then just goes no further. A history is a list of
//! such decisions, and one after the other all lists are played.
//!
//! Steps are seen by all at once: that each store is ordered as it must be is
//! argued for where it stands.
//!
//! `PORTUNUS_BOUNDS` sets how far to go, as "switches,deaths": how often one may
//! be stopped who could go on, and how many may die. By default it takes
//! seconds.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell, UnsafeCell};
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use std::panic::catch_unwind;

use super::scratch::{Orchard, Tree};
use crate::atomic::{AtomicU32, Ordering, stepped};
use crate::shm::format::{kind, lock, record};
use crate::shm::record::{self as note, State};
use crate::shm::world::{World, set_world};
use crate::shm::{Condvar, FifoLock, Hold, Mutex, Options, OwnerDied, Permit, Segment, Semaphore};

type Stage = Segment<(FifoLock<Orchard>, Mutex<u64>, Condvar, Semaphore)>;
type Got<'a> = Result<Hold<'a, Orchard>, OwnerDied<Hold<'a, Orchard>>>;

/// The most participants.
const MOST: usize = 3;
/// In the place of a participant: the test itself.
const TEST: usize = MOST;
/// More steps than any history has that ends.
const LONG: u32 = 20_000;
/// How many permits there are.
const PERMITS: u32 = 2;
/// A time is over so often before nothing is expected to happen any more.
const TIMES: u32 = 6;
/// A coroutine's stack.
const STACK: usize = 256 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Ready,
    Asleep { at: u64, until: u64 },
    Done,
    Dead,
}

/// What may happen in a history.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// How often one is stopped in favour of another, who could go on.
    switches: u32,
    deaths: u32,
    stride: u32,
}

pub(super) struct Model {
    /// Of each participant, and the judge's.
    pub(super) stages: Vec<Stage>,
    /// Where each has the segment.
    bases: Vec<usize>,
    play: fn(&Self, usize),
    /// The segment before anything happens.
    image: Vec<u8>,
    bounds: Cell<Bounds>,
    contexts: [UnsafeCell<libc::ucontext_t>; MOST + 1],
    stacks: [UnsafeCell<Vec<u8>>; MOST],
    current: Cell<usize>,
    status: [Cell<Status>; MOST],
    /// Whether its last sleep ended by the time.
    over: [Cell<bool>; MOST],
    /// Whether it is one who waits for a time only.
    pub(super) hurried: [Cell<bool>; MOST],
    spins: [Cell<u32>; MOST],
    inside: [Cell<Option<Tree>>; MOST],
    /// What was decided, of how many.
    path: RefCell<Vec<(usize, usize)>>,
    depth: Cell<usize>,
    steps: Cell<u32>,
    clock: Cell<u64>,
    switches: Cell<u32>,
    deaths: Cell<u32>,
    /// Somebody died who was changing something.
    changed: Cell<bool>,
    ticket: Cell<u64>,
    /// How many died with permits, whether one of them after the last time that
    /// somebody mended that, and how often that was of something new.
    lost: Cell<u32>,
    owed: Cell<bool>,
    mended: Cell<u32>,
    /// How often a time was over because nobody could go on, and whether the
    /// test has then notified all who wait.
    times: Cell<u32>,
    pub(super) rescued: Cell<bool>,
    /// Whose notification those wait for who wait.
    pub(super) owes: Cell<usize>,
    failure: RefCell<Option<String>>,
    /// Which four bytes each are changed at all: loads of others are no steps.
    written: RefCell<Vec<bool>>,
    shared: RefCell<Vec<bool>>,
    log: RefCell<Vec<String>>,
}

std::thread_local! {
    static MODEL: Cell<Option<&'static Model>> = const { Cell::new(None) };
}

/// Called before each step of the thread.
fn step(at: *const (), changes: bool) {
    if let Some(model) = MODEL.get()
        && model.current.get() != TEST
        && let Some(offset) = model.offset(at)
    {
        let place = offset as usize / 4;
        if changes {
            model.written.borrow_mut()[place] = true;
        } else if !model.shared.borrow()[place] {
            return;
        }
        model.at_step();
    }
}

/// What a coroutine does.
extern "C" fn begin() {
    let model = MODEL.get().expect("a model runs");
    let me = model.current.get();
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (model.play)(model, me))) {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or(panic.downcast_ref::<&str>().map(ToString::to_string));
        model.fail(&text.unwrap_or_default());
    }
    model.status[me].set(Status::Done);
    model.swap_to(model.next());
}

impl Model {
    fn new(participants: usize, play: fn(&Self, usize)) -> &'static Self {
        let options =
            Options::new().records(8 * MOST as u32 + 8).processes(4).poll(Duration::from_millis(5));
        let (first, fd) = Stage::memfd(&options, ((), 0, (), PERMITS)).expect("a stage");
        let mut stages: Vec<Stage> = Vec::from([first]);
        for _ in 0..participants {
            stages.push(Segment::from_fd(std::os::fd::AsFd::as_fd(&fd)).expect("a stage"));
        }
        for stage in &stages {
            stage.reserve(8).expect("room");
        }
        let map = stages[0].0.raw().attachment().map();
        let len = stages[0].0.raw().attachment().tables().len as usize;
        // SAFETY: nobody else uses the segment now.
        let image = unsafe { core::slice::from_raw_parts(map.data(0, len as u64), len) }.to_vec();
        // SAFETY: a structure of integers and pointers, of which zero is a
        // value.
        let context = || UnsafeCell::new(unsafe { core::mem::zeroed() });
        let base = |stage: &Stage| stage.0.raw().attachment().map().data(0, 1).addr();
        // For ever: the coroutines borrow it.
        Box::leak(Box::new(Self {
            bases: stages.iter().map(base).collect(),
            stages,
            play,
            written: RefCell::new(std::vec![false; len / 4]),
            shared: RefCell::new(std::vec![false; len / 4]),
            image,
            bounds: Cell::new(Bounds { switches: 0, deaths: 0, stride: 1 }),
            contexts: core::array::from_fn(|_| context()),
            stacks: core::array::from_fn(|_| UnsafeCell::new(std::vec![0; STACK])),
            current: Cell::new(TEST),
            status: core::array::from_fn(|_| Cell::new(Status::Done)),
            over: Default::default(),
            hurried: Default::default(),
            spins: Default::default(),
            inside: Default::default(),
            path: RefCell::default(),
            depth: Cell::new(0),
            steps: Cell::new(0),
            clock: Cell::new(0),
            switches: Cell::new(0),
            deaths: Cell::new(0),
            changed: Cell::new(false),
            ticket: Cell::new(0),
            lost: Cell::new(0),
            owed: Cell::new(false),
            mended: Cell::new(0),
            times: Cell::new(0),
            rescued: Cell::new(false),
            owes: Cell::new(0),
            failure: RefCell::default(),
            log: RefCell::default(),
        }))
    }

    fn participants(&self) -> usize {
        self.stages.len() - 1
    }

    /// Where in the segment this is, whoever's mapping of it is meant.
    fn offset(&self, at: *const ()) -> Option<u64> {
        for base in &self.bases {
            let offset = at.addr().wrapping_sub(*base);
            if offset < self.image.len() {
                return Some(offset as u64);
            }
        }
        None
    }

    /// Which of so many is it this time?
    fn decide(&self, of: usize) -> usize {
        if of <= 1 {
            return 0;
        }
        let depth = self.depth.replace(self.depth.get() + 1);
        let mut path = self.path.borrow_mut();
        match path.get(depth) {
            Some(&(taken, before)) => {
                if before != of {
                    self.fail("a history is not the same when it is played again");
                }
                taken
            }
            None => {
                path.push((0, of));
                0
            }
        }
    }

    /// The next list of decisions. `false`: there is none.
    fn another(&self) -> bool {
        let mut path = self.path.borrow_mut();
        while let Some(last) = path.last_mut() {
            last.0 += 1;
            if last.0 < last.1 {
                return true;
            }
            path.pop();
        }
        false
    }

    fn note(&self, what: String) {
        let when = self.steps.get();
        self.log.borrow_mut().push(std::format!("{when}: {what}"));
    }

    /// Ends the history.
    fn fail(&self, what: &str) {
        self.failure.borrow_mut().get_or_insert_with(|| what.to_string());
        self.swap_to(TEST);
    }

    fn others(&self, which: impl Fn(Status) -> bool) -> Vec<usize> {
        let me = self.current.get();
        let chosen = |&other: &usize| other != me && which(self.status[other].get());
        (0..self.participants()).filter(chosen).collect()
    }

    /// The participant is about to make a step.
    pub(super) fn at_step(&self) {
        let me = self.current.get();
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        if steps > LONG {
            return self.fail("it does not end");
        }
        let bounds = self.bounds.get();
        // Once they only wait for the time, nothing happens any more.
        if !steps.is_multiple_of(bounds.stride) || self.times.get() >= TIMES {
            return;
        }
        let asleep = |status: Status| matches!(status, Status::Asleep { .. });
        let (mut ready, mut sleepers, mut mortal) = (Vec::new(), Vec::new(), Vec::new());
        if self.switches.get() < bounds.switches {
            ready = self.others(|status| status == Status::Ready);
            sleepers = self.others(asleep);
        }
        if self.deaths.get() < bounds.deaths {
            mortal = self.others(|status| status == Status::Ready || asleep(status));
            mortal.insert(0, me);
        }
        let mut choice = self.decide(1 + mortal.len() + ready.len() + sleepers.len());
        if choice == 0 {
            return;
        }
        choice -= 1;
        if let Some(&who) = mortal.get(choice) {
            self.die(who);
            if who == me {
                self.swap_to(self.next());
            }
            return;
        }
        choice -= mortal.len();
        self.switches.set(self.switches.get() + 1);
        let to = match ready.get(choice) {
            Some(&to) => to,
            None => {
                let to = sleepers[choice - ready.len()];
                self.awaken(to);
                to
            }
        };
        self.note(std::format!("{me} is stopped for {to}"));
        self.swap_to(to);
    }

    fn die(&self, who: usize) {
        self.deaths.set(self.deaths.get() + 1);
        self.status[who].set(Status::Dead);
        self.inside[who].set(None);
        let attachment = self.stages[who].0.raw().attachment();
        let permits = (self.stages[who].3.fifo().raw().at() / 64) as u32;
        let (mut states, mut lost) = (Vec::new(), false);
        for index in 0..attachment.tables().records {
            let word = attachment.state_of(index).load(Ordering::Relaxed);
            let ours = attachment.owner_of_now(index) == attachment.who();
            if ours && State::of(word) != State::Idle {
                states.push(State::of(word));
                let changes = usize::from(note::request(word).mode) == Tree::Fell.index();
                if State::of(word) == State::Held {
                    lost |= note::object(word) == permits;
                    self.changed.set(self.changed.get() || changes);
                    // A notification that it had is used up.
                    self.owes.set(who);
                }
            }
        }
        self.lost.set(self.lost.get() + u32::from(lost));
        self.owed.set(self.owed.get() || lost);
        self.note(std::format!("{who} dies, {states:?}"));
    }

    /// The time of its sleep is over.
    fn awaken(&self, who: usize) {
        if let Status::Asleep { until, .. } = self.status[who].get() {
            self.clock.set(self.clock.get().max(until));
            self.over[who].set(true);
            self.status[who].set(Status::Ready);
            self.note(std::format!("the time of {who} is over"));
        }
    }

    /// Who goes on when the current one can't.
    fn next(&self) -> usize {
        let ready = self.others(|status| status == Status::Ready);
        if !ready.is_empty() {
            return ready[self.decide(ready.len())];
        }
        let all = 0..self.participants();
        let until = |who: usize| match self.status[who].get() {
            Status::Asleep { until, .. } => Some((until, who)),
            _ => None,
        };
        let Some((_, first)) = all.filter_map(until).min() else { return TEST };
        if self.deaths.get() == 0 && !self.hurried[first].get() {
            self.fail("a wake-up was lost: all sleep, and nobody has died");
            return TEST;
        }
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        if steps > LONG {
            self.fail("they sleep for ever");
            return TEST;
        }
        self.awaken(first);
        self.times.set(self.times.get() + 1);
        if self.times.get() >= 5 * TIMES && !self.rescued.replace(true) {
            self.rescue();
        }
        first
    }

    /// Notifies all who wait for a notification, if whoever would is dead.
    fn rescue(&self) {
        let attachment = self.stages[0].0.raw().attachment();
        let state = |index| State::of(attachment.state_of(index).load(Ordering::Relaxed));
        if !(0..attachment.tables().records).any(|index| state(index) == State::Waiting) {
            return;
        }
        if self.status[self.owes.get()].get() != Status::Dead {
            self.fail("a notification was lost");
        }
        let me = self.current.replace(TEST);
        self.stages.last().expect("the judge's").2.notify_all();
        self.current.set(me);
    }

    fn swap_to(&self, to: usize) {
        let from = self.current.replace(to);
        if from != to {
            // SAFETY: both are contexts of this thread: `to` was made by `run`,
            // or saved by such a call as this, and is not running.
            unsafe { libc::swapcontext(self.contexts[from].get(), self.contexts[to].get()) };
        }
    }

    /// Plays one history.
    fn run(&self) {
        let len = self.image.len() as u64;
        let to = self.stages[0].0.raw().attachment().map().data(0, len);
        // SAFETY: nobody else uses the segment now.
        unsafe { core::ptr::copy_nonoverlapping(self.image.as_ptr(), to, self.image.len()) };
        for stage in &self.stages {
            stage.0.raw().attachment().reset_records();
        }
        for counter in [&self.steps, &self.switches, &self.deaths, &self.lost, &self.mended] {
            counter.set(0);
        }
        self.depth.set(0);
        self.clock.set(1_000_000);
        self.changed.set(false);
        self.ticket.set(0);
        self.owed.set(false);
        self.times.set(0);
        self.rescued.set(false);
        self.owes.set(0);
        self.log.borrow_mut().clear();
        for i in 0..self.participants() {
            self.status[i].set(Status::Ready);
            self.over[i].set(false);
            self.hurried[i].set(false);
            self.spins[i].set(0);
            self.inside[i].set(None);
            let (context, stack) = (self.contexts[i].get(), self.stacks[i].get());
            // SAFETY: it is not running, and its stack is its own.
            unsafe {
                libc::getcontext(context);
                (*context).uc_stack.ss_sp = (*stack).as_mut_ptr().cast();
                (*context).uc_stack.ss_size = STACK;
                (*context).uc_link = core::ptr::null_mut();
                libc::makecontext(context, begin, 0);
            }
        }
        self.swap_to(self.decide(self.participants()));
        if let Some(failure) = self.failure.borrow_mut().take() {
            panic!("{failure}");
        }
        self.judge();
    }

    /// What must be so when all have left or died.
    fn judge(&self) {
        let judge = self.stages.last().expect("the judge's");
        let attachment = judge.0.raw().attachment();
        let found = judge.recover();
        assert!(!found.is_pending(), "nobody stands still any more");
        for object in attachment.objects().iter().filter(|object| object.kind == kind::LOCK) {
            let load = |field| attachment.map().u64(object.at + field).load(Ordering::Relaxed);
            assert_eq!(load(lock::WORD), load(lock::BASE), "the word");
            let guard = attachment.map().u32(object.at + lock::GUARD);
            assert_eq!(guard.load(Ordering::Relaxed), 0, "the guard");
        }
        assert_eq!(judge.2.waiting(), 0, "somebody waits for a notification");
        for index in 0..attachment.tables().records {
            let state = State::of(attachment.state_of(index).load(Ordering::Relaxed));
            assert_eq!(state, State::Idle, "record {index}");
        }
        let died = match judge.0.try_acquire(Tree::Fell) {
            Ok(hold) => {
                assert!(hold.is_some(), "nobody is inside, and nobody gets in");
                false
            }
            Err(_) => true,
        };
        assert_eq!(died, self.changed.get(), "a death in the middle of a change, and its report");
        match judge.3.try_acquire() {
            Ok(permit) => {
                assert!(permit.is_some(), "all permits are back, and there is none");
                assert!(!self.owed.get(), "of a death with a permit nobody is told");
            }
            Err(_) => self.mend(self.mended.get()),
        }
    }

    /// Plays all histories. How many there are.
    fn all(&self, bounds: Bounds) -> u64 {
        loop {
            self.bounds.set(bounds);
            self.path.borrow_mut().clear();
            let mut count = 0;
            loop {
                self.run();
                count += 1;
                if !self.another() {
                    break;
                }
            }
            // Should more be written than was known, there are more steps.
            if *self.written.borrow() == *self.shared.borrow() {
                return count;
            }
            self.shared.borrow_mut().clone_from(&self.written.borrow());
        }
    }

    // What participants do.

    /// The participant is inside: nobody is who must not be.
    pub(super) fn enter<'a>(&self, me: usize, got: Got<'a>) -> Hold<'a, Orchard> {
        assert_eq!(got.is_err(), self.changed.get(), "{me}: a death and its report");
        let hold = got.unwrap_or_else(|died| died.into_inner());
        self.check(me, &hold);
        hold
    }

    pub(super) fn check(&self, me: usize, hold: &Hold<'_, Orchard>) {
        let mode = hold.mode();
        self.inside[me].set(Some(mode));
        for other in (0..self.participants()).filter(|&other| other != me) {
            if let Some(theirs) = self.inside[other].get() {
                let clash = mode == Tree::Fell || theirs == Tree::Fell;
                assert!(!clash, "{me} is inside, {mode:?}, and {other}, {theirs:?}");
            }
        }
    }

    /// It goes on to be inside for a step; then it is not any more.
    pub(super) fn linger(&self, me: usize, hold: &Hold<'_, Orchard>) {
        self.at_step();
        let attachment = self.stages[me].0.raw().attachment();
        let word = attachment.state_of(hold.record()).load(Ordering::Relaxed);
        let mode = usize::from(note::request(word).mode);
        let held = State::of(word) == State::Held && mode == hold.mode().index();
        assert!(held, "{me} was robbed");
        assert!(self.stages[me].0.holders(hold.mode()) >= 1, "{me} is not counted");
        self.inside[me].set(None);
    }

    pub(super) fn pair(&self, me: usize, mode: Tree) {
        let hold = self.enter(me, self.stages[me].0.acquire(mode));
        self.linger(me, &hold);
        drop(hold);
    }

    /// A permit, and whoever is told of a death mends what there is.
    pub(super) fn permit(&self, me: usize) -> Permit<'_> {
        let before = self.mended.get();
        self.stages[me].3.acquire().unwrap_or_else(|died| {
            let mut permit = died.into_inner();
            permit.mark_consistent();
            self.mend(before);
            permit
        })
    }

    /// Somebody mended what it was told of, who had begun to acquire when that
    /// was done `before` times.
    fn mend(&self, before: u32) {
        self.owed.set(false);
        if self.mended.get() == before {
            self.mended.set(before + 1);
            assert!(before < self.lost.get(), "a death is told once more when it was mended");
        }
    }

    /// As [`pair`](Self::pair), where all stand in one lane and nobody else's
    /// hold had this record.
    pub(super) fn in_order(&self, me: usize) {
        let hold = self.enter(me, self.stages[me].0.acquire(Tree::Fell));
        let attachment = self.stages[me].0.raw().attachment();
        let ticket = attachment.record_u64(hold.record(), record::TICKET).load(Ordering::Relaxed);
        if ticket != 0 {
            assert!(ticket > self.ticket.replace(ticket), "{me} is served out of order");
        }
        self.linger(me, &hold);
        drop(hold);
    }
}

impl World for Model {
    fn is_alive(&self, who: u32) -> bool {
        let of = |stage: &Stage| stage.0.raw().attachment().who() == who;
        match self.stages.iter().position(of) {
            Some(i) if i < self.participants() => self.status[i].get() != Status::Dead,
            found => found.is_some(),
        }
    }

    fn sleep(&self, word: &AtomicU32, value: u32, timeout: Duration) -> bool {
        let me = self.current.get();
        if me == TEST {
            // All others are at the end.
            return true;
        }
        if word.load(Ordering::Relaxed) != value {
            return false;
        }
        let at = self.offset(core::ptr::from_ref(word).cast()).expect("a futex of the segment");
        let until = self.clock.get() + timeout.as_millis() as u64;
        self.over[me].set(false);
        self.status[me].set(Status::Asleep { at, until });
        self.swap_to(self.next());
        self.over[me].get()
    }

    fn wake(&self, word: &AtomicU32, count: i32) {
        let word = self.offset(core::ptr::from_ref(word).cast());
        let sleeps = |&who: &usize| match self.status[who].get() {
            Status::Asleep { at, .. } => Some(at) == word,
            _ => false,
        };
        for who in (0..self.participants()).filter(sleeps).take(count as usize) {
            self.status[who].set(Status::Ready);
        }
    }

    fn now(&self) -> u64 {
        self.clock.get()
    }

    fn is_patient(&self) -> bool {
        let me = self.current.get();
        if me == TEST || self.spins[me].replace(self.spins[me].get() + 1) >= 2 {
            return false;
        }
        let ready = self.others(|status| status == Status::Ready);
        let choice = self.decide(ready.len() + 1);
        match ready.get(choice) {
            Some(&to) => {
                self.note(std::format!("{me} waits for {to}"));
                self.swap_to(to);
                true
            }
            None => false,
        }
    }
}

/// Says what happened before a failure.
struct Trace(&'static Model, &'static str);

impl Drop for Trace {
    fn drop(&mut self) {
        set_world(None);
        stepped::set_step(None);
        MODEL.set(None);
        if std::thread::panicking() {
            std::eprintln!("{}, {:?}:", self.1, self.0.bounds.get());
            for line in self.0.log.borrow().iter() {
                std::eprintln!("  {line}");
            }
        }
    }
}

/// How far to go, if somebody says so.
fn bounds() -> Option<Bounds> {
    let bounds = std::env::var("PORTUNUS_BOUNDS").ok()?;
    let (switches, deaths) = bounds.split_once(',').expect("two numbers");
    let number = |text: &str| text.parse().expect("a number");
    Some(Bounds { switches: number(switches), deaths: number(deaths), stride: 1 })
}

/// Plays all histories of the participants, within a few bounds: `near`, at
/// every how many-th step something may happen; `far`: the same, for those of
/// which there are many.
pub(super) fn explore(
    name: &'static str,
    participants: usize,
    (near, far): (u32, u32),
    play: fn(&Model, usize),
) {
    let model = Model::new(participants, play);
    MODEL.set(Some(model));
    set_world(Some(model));
    stepped::set_step(Some(step));
    let trace = Trace(model, name);
    let usual = [(0, 1, 1), (1, 1, near), (2, 0, near), (0, 2, near), (2, 1, far)];
    let usual = usual.map(|(switches, deaths, stride)| Bounds { switches, deaths, stride });
    let asked = bounds();
    for &bounds in asked.as_ref().map_or(&usual[..], core::slice::from_ref) {
        let count = model.all(bounds);
        std::eprintln!("{name}: {count} histories, {bounds:?}");
        assert!(count > 3, "{name}: nothing happens");
    }
    drop(trace);
}
