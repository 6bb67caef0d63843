//! What wakers and sentinels reach of a nursery.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;

use lock_api::Mutex;

use super::control::Control;
use crate::backend::Backend;
use crate::mutex::RawMutex;
use crate::wait::ready::ReadyLine;

/// The tasks of a nursery as seen from anywhere: who is ready to be polled,
/// who polls them, and whether they are to stop.
///
/// It moves along when a nursery's clean-ups are popped.
pub(super) struct Desk<B: Backend> {
    pub(super) line: ReadyLine<B>,
    /// All tasks, and some that have ended.
    tasks: Mutex<RawMutex<B>, Listed<B>>,
}

struct Listed<B: Backend> {
    /// Each with its height: how many clean-ups lay on the stack when it was
    /// started. The last ones lie highest.
    list: Vec<(usize, Arc<Control<B>>)>,
    /// At so many the ended ones are swept out.
    sweep_at: usize,
}

impl<B: Backend> Desk<B> {
    pub(super) fn new() -> Self {
        Self {
            line: ReadyLine::new(),
            tasks: Mutex::new(Listed { list: Vec::new(), sweep_at: 16 }),
        }
    }

    /// Lists a task that is started at this height.
    pub(super) fn add(&self, height: usize, control: &Arc<Control<B>>) {
        let mut tasks = self.tasks.lock();
        if tasks.list.len() >= tasks.sweep_at {
            tasks.list.retain(|(_, control)| !control.has_ended());
            tasks.sweep_at = 2 * tasks.list.len() + 16;
        }
        tasks.list.push((height, Arc::clone(control)));
    }

    /// The tasks of this height that have not ended, the last one first.
    pub(super) fn tasks_at(&self, height: usize) -> Vec<Arc<Control<B>>> {
        if self.line.is_idle() {
            return Vec::new();
        }
        let tasks = self.tasks.lock();
        let from = tasks.list.partition_point(|(at, _)| *at < height);
        let here = tasks.list[from..].iter().take_while(|(at, _)| *at == height);
        let live = here.filter(|(_, control)| !control.has_ended());
        let mut live: Vec<_> = live.map(|(_, control)| Arc::clone(control)).collect();
        live.reverse();
        live
    }

    /// The clean-ups have run, or never will.
    pub(super) fn close(&self) {
        self.line.close();
        let tasks = mem::take(&mut self.tasks.lock().list);
        drop(tasks);
    }

    /// The tasks that have not ended, in the order in which they were started.
    pub(super) fn tasks(&self) -> Vec<TaskInfo> {
        let tasks = self.tasks.lock();
        let live = tasks.list.iter().filter(|(_, control)| !control.has_ended());
        live.map(|(_, control)| TaskInfo { id: control.id(), name: control.name() }).collect()
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
