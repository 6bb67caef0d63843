//! What is noted of each request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::modes::TableMode;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    Thread,
    Task,
    /// A child process.
    Process,
}

impl Face {
    pub(crate) const ALL: [Self; 3] = [Self::Thread, Self::Task, Self::Process];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Thread => "thread",
            Self::Task => "task",
            Self::Process => "process",
        }
    }
}

/// One request that was served. Its three moments are numbers of one
/// [`Sequence`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) face: Face,
    pub(crate) mode: TableMode,
    /// Before it asked.
    pub(crate) asked: u64,
    /// When it had been seen in line; `None` if it was not seen there.
    pub(crate) queued: Option<u64>,
    /// While it held.
    pub(crate) served: u64,
    /// From asking to holding.
    pub(crate) waited: Duration,
}

/// Numbers moments across all threads.
#[derive(Debug, Default)]
pub(crate) struct Sequence(AtomicU64);

impl Sequence {
    /// The number of this moment.
    ///
    /// Sequentially consistent: what comes before it in its thread comes
    /// before what follows, in another thread, a larger number.
    pub(crate) fn mark(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// What one worker noted, or several.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) requests: Vec<Request>,
    pub(crate) reports: usize,
    /// Reports that found a piece half added.
    pub(crate) torn: usize,
    /// How many times a task let others run while it kept the table.
    pub(crate) gave_way: usize,
}

impl Log {
    pub(crate) fn absorb(&mut self, other: Self) {
        self.requests.extend(other.requests);
        self.reports += other.reports;
        self.torn += other.torn;
        self.gave_way += other.gave_way;
    }
}
