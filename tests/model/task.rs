//! Tasks that are polled by hand, and note in which order they are woken.

use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

/// The waker of one task.
pub(crate) struct TaskWaker {
    task: usize,
    log: Arc<Mutex<Vec<usize>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.log.lock().unwrap().push(self.task);
    }
}

pub(crate) struct Task {
    /// `None`: nobody is woken.
    pub(crate) shared: Option<Arc<TaskWaker>>,
    pub(crate) waker: Waker,
}

impl Task {
    /// A task with this number; without one, nobody is woken.
    pub(crate) fn new(task: Option<usize>, log: &Arc<Mutex<Vec<usize>>>) -> Self {
        let Some(task) = task else {
            return Self { shared: None, waker: Waker::noop().clone() };
        };
        let shared = Arc::new(TaskWaker { task, log: Arc::clone(log) });
        // A clone, so that it is made as the clones are that a lock keeps.
        let waker = Waker::clone(&Waker::from(Arc::clone(&shared)));
        Self { shared: Some(shared), waker }
    }
}

/// Leaves with a message unless it is so.
macro_rules! ensure {
    ($so:expr, $($message:tt)+) => {
        if !$so {
            return Err(format!($($message)+));
        }
    };
}
pub(crate) use ensure;
