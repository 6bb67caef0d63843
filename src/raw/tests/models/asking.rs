//! Questions: one that waits for its answer, one that changes it, one that
//! gives up.

use std::boxed::Box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;
use std::vec::Vec;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::shop::{Inner, Sleep, explore, join, task, this_thread};
use crate::wait::Forever;
use crate::wait::ask::{AskQueue, Asker, Question};

/// A number that is touched under the queue's lock only: loom checks that.
struct Board {
    queue: AskQueue<Inner>,
    number: UnsafeCell<usize>,
}

// SAFETY: loom checks every access.
unsafe impl Sync for Board {}
// SAFETY: as above.
unsafe impl Send for Board {}

impl Board {
    fn new() -> Arc<Self> {
        Arc::new(Self { queue: AskQueue::new(), number: UnsafeCell::new(0) })
    }

    fn set(&self, number: usize) {
        self.queue.change(|| {
            // SAFETY: loom checks it.
            self.number.with_mut(|at| unsafe { *at = number });
            ((), true)
        });
    }

    fn number(&self) -> usize {
        // SAFETY: loom checks it.
        self.number.with(|at| unsafe { *at })
    }
}

/// Whether the number is so high.
struct AtLeast {
    board: Arc<Board>,
    number: usize,
    /// Panics when it is asked about this one.
    panics: usize,
}

impl AtLeast {
    fn new(board: &Arc<Board>, number: usize) -> Self {
        Self { board: board.clone(), number, panics: usize::MAX }
    }
}

impl Question for AtLeast {
    type Answer = usize;

    fn answer(&mut self, _: &mut bool) -> Option<usize> {
        self.holds().then(|| self.board.number())
    }

    fn holds(&mut self) -> bool {
        let now = self.board.number();
        assert!(now != self.panics, "a question panics");
        now >= self.number
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
        unsafe { board.queue.poll(self.0.as_ref(), waker) }
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
        unsafe { board.queue.give_up(self.0.as_ref()) };
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
            let question = AtLeast::new(&other, 2);
            assert_eq!(other.queue.wait::<_, Sleep>(question, &Forever), Some(2));
        });
        let visitor = Visitor::new(AtLeast::new(&board, 1));
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
        let leaver = Visitor::new(AtLeast::new(&board, 1));
        assert!(leaver.poll(&board, &task()).is_pending());
        let other = board.clone();
        let writer = thread::spawn(move || other.set(1));
        let other = board.clone();
        let leaving = thread::spawn(move || leaver.give_up(&other));
        assert_eq!(Visitor::new(AtLeast::new(&board, 1)).wait(&board), 1);
        join(Vec::from([writer, leaving]));
        assert_eq!(board.queue.len(), 0);
    });
}

/// Whoever stands behind a question that panics is asked by its owner.
#[test]
fn behind_a_question_that_panics() {
    explore(Some(3), || {
        let board = Board::new();
        let bad = Visitor::new(AtLeast { panics: 1, ..AtLeast::new(&board, 1) });
        assert!(bad.poll(&board, &task()).is_pending());
        let good = Visitor::new(AtLeast::new(&board, 1));
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
