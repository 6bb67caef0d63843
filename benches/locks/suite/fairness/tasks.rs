//! Tasks, on one thread: no clock, no chance, the same figures in every run.

use std::cell::{Cell, RefCell};
use std::future::Future;

use portunus::{ReadPreferring, WritePreferring, sync};

use super::tally::{Fairness, Visit};
use super::{Bench, Row, table};
use crate::suite::arena::Arena;
use crate::suite::executor;
use crate::suite::kinds::{AsyncMutex, AsyncRwLock};
use crate::suite::machine::Page;
use crate::suite::peers::ListenerMutex;
use crate::suite::random::XorShift;

const PARTIES: usize = 16;

/// How often a task lets the others go first, at most: inside, and outside.
const INSIDE: usize = 3;
const OUTSIDE: usize = 24;

/// How many of ten visits of a lock of readers and writers write.
const WRITES: usize = 2;

pub(super) fn run(bench: &Bench) {
    let visits = bench.effort().pick(50_000, 20_000, 200);
    table(bench, &format!("fairness/mutex/{PARTIES} tasks"), 1, || {
        vec![
            mutex::<sync::Mutex<()>>(visits),
            mutex::<maitake_sync::Mutex<()>>(visits),
            mutex::<futures_intrusive::sync::Mutex<()>>(visits),
            mutex::<async_lock::Mutex<()>>(visits),
            mutex::<tokio::sync::Mutex<()>>(visits),
            mutex::<saa::Lock>(visits),
            mutex::<ListenerMutex>(visits),
        ]
    });
    table(bench, &format!("fairness/rwlock/{PARTIES} tasks"), 1, || {
        vec![
            rwlock::<sync::RwLock<()>>(visits),
            rwlock::<sync::RwLock<(), ReadPreferring>>(visits),
            rwlock::<sync::RwLock<(), WritePreferring>>(visits),
            rwlock::<maitake_sync::RwLock<()>>(visits),
            rwlock::<async_lock::RwLock<()>>(visits),
            rwlock::<tokio::sync::RwLock<()>>(visits),
            rwlock::<saa::Lock>(visits),
        ]
    });
}

/// What the tasks write down.
#[derive(Default)]
struct Notes {
    /// How often a task was polled.
    polls: Cell<u64>,
    tickets: Cell<usize>,
    visits: RefCell<Vec<Visit>>,
}

/// Somebody who is about to ask.
struct Asking {
    party: usize,
    ticket: usize,
    since: u64,
    alone: bool,
}

impl Notes {
    fn asks(&self, party: usize, alone: bool) -> Asking {
        let ticket = self.tickets.replace(self.tickets.get() + 1);
        Asking { party, ticket, since: self.polls.get(), alone }
    }

    fn enters(&self, asking: Asking) {
        let Asking { party, ticket, since, alone } = asking;
        let mut visits = self.visits.borrow_mut();
        let entry = visits.len();
        visits.push(Visit { party, ticket, entry, wait: self.polls.get() - since, alone });
    }
}

async fn pause(random: &mut XorShift, most: usize) {
    for _ in 0..random.below(most) + 1 {
        executor::yield_once().await;
    }
}

fn mutex<L: AsyncMutex>(visits: usize) -> Row {
    async fn live<L: AsyncMutex>(lock: &L, party: usize, notes: &Notes) {
        let mut random = XorShift::new(party as u64);
        loop {
            pause(&mut random, OUTSIDE).await;
            let asking = notes.asks(party, true);
            let guard = lock.lock_future().await;
            notes.enters(asking);
            pause(&mut random, INSIDE).await;
            drop(guard);
        }
    }
    let lock = Page::new(L::new());
    let sample = move || {
        let notes = Notes::default();
        drive((0..PARTIES).map(|party| live::<L>(&lock, party, &notes)), &notes, visits)
    };
    Row { name: L::NAME, sample: Box::new(sample) }
}

fn rwlock<L: AsyncRwLock>(visits: usize) -> Row {
    async fn live<L: AsyncRwLock>(lock: &L, party: usize, notes: &Notes) {
        let mut random = XorShift::new(party as u64);
        loop {
            pause(&mut random, OUTSIDE).await;
            if random.below(10) < WRITES {
                let asking = notes.asks(party, true);
                let guard = lock.write_future().await;
                notes.enters(asking);
                pause(&mut random, INSIDE).await;
                drop(guard);
            } else {
                let asking = notes.asks(party, false);
                let guard = lock.read_future().await;
                notes.enters(asking);
                pause(&mut random, INSIDE).await;
                drop(guard);
            }
        }
    }
    let lock = Page::new(L::new());
    let sample = move || {
        let notes = Notes::default();
        drive((0..PARTIES).map(|party| live::<L>(&lock, party, &notes)), &notes, visits)
    };
    Row { name: L::NAME, sample: Box::new(sample) }
}

/// Runs the tasks until there were so many visits.
fn drive<F: Future<Output = ()>>(
    tasks: impl Iterator<Item = F>,
    notes: &Notes,
    visits: usize,
) -> Fairness {
    executor::reset(PARTIES);
    let mut tasks = Arena::new(tasks);
    for task in 0..tasks.len() {
        executor::wake(task);
    }
    while notes.visits.borrow().len() < visits {
        match executor::next() {
            Some(task) => {
                notes.polls.set(notes.polls.get() + 1);
                assert!(tasks.poll(task).is_pending(), "a task for ever ended");
            }
            None => panic!("no task can run: a wake-up was lost"),
        }
    }
    Fairness::of(notes.visits.take(), PARTIES, notes.polls.get() as f64)
}
