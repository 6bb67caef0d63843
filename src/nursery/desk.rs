//! What wakers and sentinels reach of a nursery.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;
use core::task::Waker;

use lock_api::Mutex;

use super::control::Control;
use crate::backend::Backend;
use crate::mutex::RawMutex;
use crate::wait::locked::Locked;

/// The tasks of a nursery as seen from anywhere: who is ready to be polled,
/// who polls them, and whether they are to stop.
///
/// It moves along when a nursery's clean-ups are popped.
pub(super) struct Desk<B: Backend> {
    line: Locked<B, Line>,
    /// All tasks, and some that have ended.
    tasks: Mutex<RawMutex<B>, Listed<B>>,
}

struct Line {
    /// The places of those to be polled. It never grows under the lock: room
    /// for all is made by `reserve`.
    ready: VecDeque<usize>,
    /// Who polls the nursery, until it is woken.
    owner: Option<Waker>,
    /// How many tasks have not ended.
    live: usize,
    stop: bool,
    closed: bool,
}

struct Listed<B: Backend> {
    list: Vec<Arc<Control<B>>>,
    /// At so many the ended ones are swept out.
    sweep_at: usize,
}

impl<B: Backend> Desk<B> {
    pub(super) fn new() -> Self {
        Self {
            line: Locked::new(Line {
                ready: VecDeque::new(),
                owner: None,
                live: 0,
                stop: false,
                closed: false,
            }),
            tasks: Mutex::new(Listed { list: Vec::new(), sweep_at: 16 }),
        }
    }

    /// Changes the line and wakes the owner, outside.
    fn change(&self, change: impl FnOnce(&mut Line)) {
        let owner = self.line.with(|line| {
            change(line);
            line.owner.take()
        });
        if let Some(owner) = owner {
            owner.wake();
        }
    }

    /// The task at this place is to be polled.
    pub(super) fn ready(&self, place: usize) {
        self.change(|line| line.ready.push_back(place));
    }

    /// Makes room for the wake-ups of so many.
    pub(super) fn reserve(&self, count: usize) {
        if self.line.with(|line| line.ready.capacity()) >= count {
            return;
        }
        let mut larger = VecDeque::with_capacity(2 * count);
        self.line.with(|line| {
            larger.extend(line.ready.drain(..));
            mem::swap(&mut line.ready, &mut larger);
        });
    }

    /// Puts the places of those to be polled into `queue`, which is empty
    /// unless a poll unwound, and from here on wakes `owner`.
    pub(super) fn take_ready(&self, queue: &mut VecDeque<usize>, owner: &Waker) {
        let count = self.line.with(|line| line.ready.capacity());
        // Exactly: two queues that grow past each other would never end.
        queue.reserve_exact(count);
        let owner = owner.clone();
        let old = self.line.with(|line| {
            if queue.is_empty() {
                mem::swap(&mut line.ready, queue);
            } else {
                queue.extend(line.ready.drain(..));
            }
            line.owner.replace(owner)
        });
        drop(old);
    }

    /// A task more. Its place in the list is for those who look.
    pub(super) fn add(&self, control: &Arc<Control<B>>) {
        self.line.with(|line| line.live += 1);
        let mut tasks = self.tasks.lock();
        if tasks.list.len() >= tasks.sweep_at {
            tasks.list.retain(|control| !control.has_ended());
            tasks.sweep_at = 2 * tasks.list.len() + 16;
        }
        tasks.list.push(Arc::clone(control));
    }

    /// A task less.
    pub(super) fn ended(&self) {
        self.change(|line| line.live -= 1);
    }

    /// The owner has something to do.
    pub(super) fn nudge(&self) {
        self.change(|_| ());
    }

    pub(super) fn live(&self) -> usize {
        self.line.with(|line| line.live)
    }

    pub(super) fn stop(&self) {
        self.change(|line| line.stop = true);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.line.with(|line| line.stop)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.line.with(|line| line.closed)
    }

    /// The clean-ups have run, or never will.
    pub(super) fn close(&self) {
        let owner = self.line.with(|line| {
            line.closed = true;
            line.owner.take()
        });
        drop(owner);
        let tasks = mem::take(&mut self.tasks.lock().list);
        drop(tasks);
    }

    /// The tasks that have not ended, in the order in which they were started.
    pub(super) fn tasks(&self) -> Vec<TaskInfo> {
        let tasks = self.tasks.lock();
        let live = tasks.list.iter().filter(|control| !control.has_ended());
        live.map(|control| TaskInfo { id: control.id(), name: control.name() }).collect()
    }
}

/// A task of a nursery, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct TaskInfo {
    /// A number that no other task of this nursery has.
    pub id: u64,
    /// Its name, and that of the nursery in which it was started:
    /// `task:nursery`.
    pub name: String,
}
