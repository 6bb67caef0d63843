//! Questions: one that waits for its answer, one that changes it, one that
//! gives up.

use std::boxed::Box;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;
use std::vec::Vec;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::shop::{Inner, Model, Sleep, explore, join, task, this_thread};
use crate::wait::Forever;
use crate::wait::ask::{AskQueue, Asker, Bring, By, Owner, Question};

/// A number that is touched under the queue's lock only: loom checks that.
struct Board {
    queue: Arc<AskQueue<Inner, Model>>,
    number: UnsafeCell<usize>,
    /// Given when somebody first waits for it; as it.
    own: UnsafeCell<u64>,
}

// SAFETY: loom checks every access.
unsafe impl Sync for Board {}
// SAFETY: as above.
unsafe impl Send for Board {}

impl Board {
    fn new() -> Arc<Self> {
        Self::on(Arc::new(AskQueue::new()))
    }

    fn on(queue: Arc<AskQueue<Inner, Model>>) -> Arc<Self> {
        Arc::new(Self { queue, number: UnsafeCell::new(0), own: UnsafeCell::new(0) })
    }

    fn own(&self) -> u64 {
        // SAFETY: loom checks it.
        self.own.with(|at| unsafe { *at })
    }

    fn set(&self, number: usize) {
        self.queue.change(self, |changed| {
            // SAFETY: loom checks it.
            self.number.with_mut(|at| unsafe { *at = number });
            *changed = true;
        });
    }

    fn number(&self) -> usize {
        // SAFETY: loom checks it.
        self.number.with(|at| unsafe { *at })
    }
}

impl Bring for Board {
    fn by(&self) -> By<'_> {
        let thing: *const Self = self;
        By::Thing { number: self.own(), thing: thing.cast(), held: PhantomData }
    }
}

/// Whether the number is so high.
struct AtLeast {
    /// Of the board; 0 before it first waits.
    about: u64,
    number: usize,
    /// Panics when it is asked about this one.
    panics: usize,
}

impl AtLeast {
    fn new(number: usize) -> Self {
        Self { about: 0, number, panics: usize::MAX }
    }

    fn ask(&self, board: &Board) -> bool {
        let now = board.number();
        assert!(now != self.panics, "a question panics");
        now >= self.number
    }
}

impl Question for AtLeast {
    fn holds(&mut self, by: By<'_>) -> bool {
        match by.thing(self.about) {
            Some(board) => {
                // SAFETY: boards alone have numbers, and who brings one has it.
                let board = unsafe { &*board.cast::<Board>() };
                assert_eq!(board.own(), self.about, "it is another board");
                self.ask(board)
            }
            None => matches!(by, By::Unknown),
        }
    }
}

impl Owner<AtLeast> for Board {
    type Answer = usize;

    fn brings(&self) -> impl Bring {
        Brought(self)
    }

    fn answer(&self, question: &mut AtLeast, _: &mut bool) -> Option<usize> {
        question.ask(self).then(|| self.number())
    }

    fn joined(&self, question: &mut AtLeast) -> bool {
        if self.own() == 0 {
            // SAFETY: under the lock, as loom checks.
            self.own.with_mut(|at| unsafe { *at = self.queue.number() });
        }
        question.about = self.own();
        false
    }
}

struct Brought<'a>(&'a Board);

impl Bring for Brought<'_> {
    fn by(&self) -> By<'_> {
        self.0.by()
    }
}

/// A future's question.
struct Visitor(Pin<Box<Asker<AtLeast>>>);

impl Visitor {
    fn new(question: AtLeast) -> Self {
        Self(Box::pin(Asker::new(question, true)))
    }

    fn poll(&self, board: &Board, waker: &std::task::Waker) -> Poll<usize> {
        // SAFETY: pinned, and given up before it is dropped.
        unsafe { board.queue.poll(board, self.0.as_ref(), waker) }
    }

    fn wait(&self, board: &Board) -> usize {
        loop {
            if let Poll::Ready(number) = self.poll(board, &this_thread()) {
                return number;
            }
            thread::park();
        }
    }

    fn give_up(&self, board: &Board) {
        // SAFETY: by the owner.
        unsafe { board.queue.give_up(board, self.0.as_ref()) };
    }
}

/// A thread and a task wait; two changes come.
#[test]
fn a_change_is_seen() {
    explore(Some(3), || {
        let board = Board::new();
        let other = board.clone();
        let writer = thread::spawn(move || {
            other.set(1);
            other.set(2);
        });
        let other = board.clone();
        let blocked = thread::spawn(move || {
            let asked = other.queue.wait::<_, _, Sleep>(&*other, AtLeast::new(2), &Forever);
            assert_eq!(asked, Some(2));
        });
        let visitor = Visitor::new(AtLeast::new(1));
        assert!(visitor.wait(&board) >= 1);
        join(Vec::from([writer, blocked]));
        assert_eq!(board.queue.len(), 0);
    });
}

/// One gives up while it is asked and woken; the other gets its answer.
#[test]
fn giving_up_against_a_change() {
    explore(Some(4), || {
        let board = Board::new();
        let leaver = Visitor::new(AtLeast::new(1));
        assert!(leaver.poll(&board, &task()).is_pending());
        let other = board.clone();
        let writer = thread::spawn(move || other.set(1));
        let other = board.clone();
        let leaving = thread::spawn(move || leaver.give_up(&other));
        assert_eq!(Visitor::new(AtLeast::new(1)).wait(&board), 1);
        join(Vec::from([writer, leaving]));
        assert_eq!(board.queue.len(), 0);
    });
}

/// Whoever stands behind a question that panics is asked by its owner.
#[test]
fn behind_a_question_that_panics() {
    explore(Some(3), || {
        let board = Board::new();
        let bad = Visitor::new(AtLeast { panics: 1, ..AtLeast::new(1) });
        assert!(bad.poll(&board, &task()).is_pending());
        let good = Visitor::new(AtLeast::new(1));
        assert!(good.poll(&board, &this_thread()).is_pending());
        let other = board.clone();
        let writer = thread::spawn(move || {
            assert!(catch_unwind(AssertUnwindSafe(|| other.set(1))).is_err());
            // What its task does when it is woken, or dropped for that.
            bad.give_up(&other);
        });
        assert_eq!(good.wait(&board), 1);
        join(Vec::from([writer]));
        assert_eq!(board.queue.len(), 0);
    });
}

/// Two boards, one line: who waits for one is not asked about the other, also
/// where it was forgotten, and its board has gone.
#[test]
fn each_is_asked_about_its_own() {
    explore(Some(3), || {
        let board = Board::new();
        let other = Board::on(Arc::clone(&board.queue));
        let forgotten = Visitor::new(AtLeast::new(1));
        {
            let gone = Board::on(Arc::clone(&board.queue));
            assert!(forgotten.poll(&gone, &task()).is_pending());
        }
        std::mem::forget(forgotten);
        let writer = thread::spawn(move || {
            other.set(1);
            // Others wait for this one: it has its number.
            let visitor = Visitor::new(AtLeast::new(2));
            assert!(visitor.poll(&other, &task()).is_pending());
            other.set(1);
            visitor.give_up(&other);
        });
        let same = Arc::clone(&board);
        let setter = thread::spawn(move || same.set(1));
        assert_eq!(Visitor::new(AtLeast::new(1)).wait(&board), 1);
        join(Vec::from([writer, setter]));
        assert_eq!(board.queue.len(), 1, "the forgotten one");
    });
}
