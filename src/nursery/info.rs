//! A nursery as it stands in a registry, and the sentinel of its clean-ups.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use lock_api::Mutex;

use super::desk::{Desk, TaskInfo};
use crate::atomic::{AtomicUsize, Ordering};
use crate::backend::Backend;
use crate::mutex::RawMutex;

/// The number of the next nursery without a name.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// What a nursery is called.
#[derive(Clone)]
pub(super) enum Name {
    Given(Arc<str>),
    Made(Arc<dyn Fn() -> String + Send + Sync>),
}

impl Name {
    /// One that no other nursery was given in this way.
    pub(super) fn numbered() -> Self {
        // Ordering: Relaxed: only the number counts.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self::Given(alloc::format!("Nursery-{number}").into())
    }

    pub(super) fn given(&self) -> Option<Arc<str>> {
        match self {
            Self::Given(name) => Some(Arc::clone(name)),
            Self::Made(_) => None,
        }
    }

    pub(super) fn now(&self) -> Arc<str> {
        match self {
            Self::Given(name) => Arc::clone(name),
            Self::Made(make) => make().into(),
        }
    }
}

/// What others may know of a nursery and do to it: the value that a registry
/// holds.
///
/// See [`Nursery::register`](super::Nursery::register).
pub struct NurseryInfo<B: Backend> {
    state: Mutex<RawMutex<B>, (Name, Arc<Desk<B>>)>,
}

impl<B: Backend> NurseryInfo<B> {
    pub(super) fn new(name: Name, desk: Arc<Desk<B>>) -> Self {
        Self { state: Mutex::new((name, desk)) }
    }

    pub(super) fn name_source(&self) -> Name {
        self.state.lock().0.clone()
    }

    pub(super) fn set_name(&self, name: Name) {
        let old = core::mem::replace(&mut self.state.lock().0, name);
        drop(old);
    }

    pub(super) fn set_desk(&self, desk: Arc<Desk<B>>) {
        let old = core::mem::replace(&mut self.state.lock().1, desk);
        drop(old);
    }

    /// Its present name.
    #[must_use]
    pub fn name(&self) -> String {
        let name = self.name_source();
        String::from(&*name.now())
    }

    /// Its tasks that have not ended, in the order in which they were started.
    #[must_use]
    pub fn tasks(&self) -> Vec<TaskInfo> {
        let desk = Arc::clone(&self.state.lock().1);
        desk.tasks()
    }

    /// The sentinel of its clean-ups.
    #[must_use]
    pub fn sentinel(&self) -> Sentinel<B> {
        Sentinel { desk: Arc::clone(&self.state.lock().1) }
    }
}

impl<B: Backend> fmt::Debug for NurseryInfo<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("NurseryInfo");
        match self.state.try_lock() {
            Some(state) => match &state.0 {
                Name::Given(name) => out.field("name", name),
                Name::Made(_) => out.field("name", &format_args!("<made>")),
            },
            None => out.field("name", &format_args!("<locked>")),
        };
        out.finish_non_exhaustive()
    }
}

/// Stops a nursery from anywhere: from a task, a thread, or with a backend whose
/// locks allow it, an interrupt handler.
///
/// It belongs to the clean-ups and the tasks, not to the nursery: when these
/// are [moved](super::Nursery::pop_all) to another nursery, it is that one's.
///
/// ```
/// use portunus::sync::Nursery;
///
/// # smol::block_on(async {
/// let mut nursery = Nursery::<&str>::new();
/// let sentinel = nursery.sentinel();
/// std::thread::scope(|scope| {
///     scope.spawn(|| sentinel.stop());
///     // The body would never end.
///     let stopped = nursery.run(std::future::pending::<Result<(), &str>>());
///     assert_eq!(smol::block_on(stopped), Ok(None));
/// });
/// assert!(!sentinel.is_open());
/// # });
/// ```
#[doc(alias = "sentinel_task")]
#[doc(alias = "mark_sentinel_task")]
pub struct Sentinel<B: Backend> {
    desk: Arc<Desk<B>>,
}

impl<B: Backend> Sentinel<B> {
    pub(super) fn new(desk: Arc<Desk<B>>) -> Self {
        Self { desk }
    }

    /// Has the nursery stop its tasks and run its clean-ups, in whoever polls
    /// it. A second time it does nothing.
    #[doc(alias = "shutdown")]
    pub fn stop(&self) {
        self.desk.line.stop();
    }

    /// Whether somebody said that the nursery is to stop, or a task failed.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.desk.line.is_stopping()
    }

    /// Whether the clean-ups have not yet run to their end.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.desk.line.is_closed()
    }
}

impl<B: Backend> Clone for Sentinel<B> {
    fn clone(&self) -> Self {
        Self { desk: Arc::clone(&self.desk) }
    }
}

impl<B: Backend> fmt::Debug for Sentinel<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sentinel")
            .field("stopping", &self.is_stopping())
            .field("open", &self.is_open())
            .finish()
    }
}

/// Makes a name from what a caller gives.
pub(super) fn given(name: impl Into<Box<str>>) -> Name {
    Name::Given(Arc::from(name.into()))
}
