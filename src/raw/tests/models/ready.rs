//! Tasks that are woken while they are polled: no wake-up is lost, and what it
//! was about is seen.

use std::collections::VecDeque;
use std::task::{Wake, Waker};
use std::vec::Vec;

use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use super::shop::{Model, explore, join};
use crate::wait::ready::{Queued, ReadyLine};

/// Wakes who polls, also late: loom's `unpark` would disturb a thread that waits
/// for something else by then.
struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Bell {
    fn new() -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self { rung: Mutex::new(false), heard: Condvar::new() })
    }

    fn sleep(&self) {
        let mut rung = self.rung.lock().expect("not poisoned");
        while !*rung {
            rung = self.heard.wait(rung).expect("not poisoned");
        }
        *rung = false;
    }
}

impl Wake for Bell {
    fn wake(self: std::sync::Arc<Self>) {
        *self.rung.lock().expect("not poisoned") = true;
        self.heard.notify_one();
    }
}

/// Two tasks, and what they are told: relaxed, so that a wake-up alone makes it
/// visible.
struct Nursery {
    line: ReadyLine<Model>,
    tasks: [Queued; 2],
    told: [AtomicUsize; 2],
}

impl Nursery {
    /// Both will be polled without being woken.
    fn new() -> (Arc<Self>, VecDeque<usize>) {
        let nursery = Self {
            line: ReadyLine::new(),
            tasks: [Queued::new(), Queued::new()],
            told: [AtomicUsize::new(0), AtomicUsize::new(0)],
        };
        nursery.line.reserve(2);
        (Arc::new(nursery), VecDeque::from([0, 1]))
    }

    fn tell(&self, what: usize, task: usize) {
        self.told[what].store(1, Relaxed);
        self.tasks[task].wake(&self.line, task);
    }

    /// Polls until each task has been told what `whose` says is for it, and
    /// `over` says that nothing else is missing.
    fn run(&self, mut queue: VecDeque<usize>, whose: [usize; 2], over: impl Fn() -> bool) {
        let (mut seen, bell) = ([false; 2], Bell::new());
        let owner = Waker::from(std::sync::Arc::clone(&bell));
        loop {
            self.line.take(&mut queue, &owner);
            assert!(queue.len() <= 2, "a task stands there twice");
            while let Some(task) = queue.pop_front() {
                self.tasks[task].clear();
                for what in 0..2 {
                    seen[what] |= whose[what] == task && self.told[what].load(Relaxed) != 0;
                }
            }
            if seen == [true; 2] && over() {
                return;
            }
            bell.sleep();
        }
    }
}

/// Two threads tell the same task, or one each.
#[test]
fn no_wake_up_is_lost() {
    for whose in [[0, 0], [0, 1]] {
        explore(Some(3), move || {
            let (nursery, queue) = Nursery::new();
            let threads: Vec<_> = (0..2)
                .map(|what| {
                    let nursery = Arc::clone(&nursery);
                    thread::spawn(move || nursery.tell(what, whose[what]))
                })
                .collect();
            nursery.run(queue, whose, || true);
            join(threads);
        });
    }
}

/// A task that ended has been muted: who wakes it late disturbs nobody.
#[test]
fn the_last_task_ends_elsewhere() {
    explore(Some(3), || {
        let (nursery, queue) = Nursery::new();
        nursery.line.began();
        let other = Arc::clone(&nursery);
        let executor = thread::spawn(move || other.line.ended());
        let other = Arc::clone(&nursery);
        let teller = thread::spawn(move || (0..2).for_each(|what| other.tell(what, what)));
        nursery.run(queue, [0, 1], || nursery.line.is_over());
        join(Vec::from([executor, teller]));
        // What was told last may have been seen before it was woken for it.
        let (mut late, bell) = (VecDeque::new(), Waker::from(Bell::new()));
        nursery.line.take(&mut late, &bell);
        late.clear();
        nursery.tasks[0].mute();
        nursery.tasks[0].wake(&nursery.line, 0);
        nursery.line.take(&mut late, &bell);
        assert!(late.is_empty(), "it was woken for nothing");
    });
}

/// It is stopped, and told, while it makes room for more.
#[test]
fn stopped_while_it_grows() {
    explore(Some(3), || {
        let (nursery, queue) = Nursery::new();
        let other = Arc::clone(&nursery);
        let stopper = thread::spawn(move || {
            other.tell(0, 0);
            other.line.stop();
        });
        let other = Arc::clone(&nursery);
        let teller = thread::spawn(move || other.tell(1, 1));
        nursery.line.reserve(8);
        nursery.run(queue, [0, 1], || nursery.line.is_stopping());
        join(Vec::from([stopper, teller]));
    });
}
