//! An executor that runs the tasks of a nursery.

use alloc::boxed::Box;
use core::future::Future;
use core::pin::Pin;

/// What an executor runs for a nursery.
pub type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A job that an executor does not take; to be dropped.
pub struct RefusedJob(pub Job);

impl core::fmt::Debug for RefusedJob {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RefusedJob").finish_non_exhaustive()
    }
}

/// An executor that runs the tasks of a nursery, so that they run in parallel.
///
/// With tokio:
///
/// ```
/// use portunus::nursery::{Job, RefusedJob, Spawn};
///
/// struct Tokio(tokio::runtime::Handle);
///
/// impl Spawn for Tokio {
///     fn spawn(&self, job: Job) -> Result<(), RefusedJob> {
///         self.0.spawn(job);
///         Ok(())
///     }
/// }
/// ```
///
/// With smol:
///
/// ```
/// # use portunus::nursery::{Job, RefusedJob, Spawn};
/// struct Smol;
///
/// impl Spawn for Smol {
///     fn spawn(&self, job: Job) -> Result<(), RefusedJob> {
///         smol::spawn(job).detach();
///         Ok(())
///     }
/// }
/// ```
pub trait Spawn: Send + Sync {
    /// Has the job polled until it is ready, and doesn't wait for it.
    ///
    /// A job that the executor drops is a task that was cancelled.
    ///
    /// # Errors
    ///
    /// The job, if the executor takes none.
    fn spawn(&self, job: Job) -> Result<(), RefusedJob>;

    /// As [`spawn`](Self::spawn), for executors whose tasks have names: that of
    /// the task.
    ///
    /// # Errors
    ///
    /// As `spawn`.
    fn spawn_named(&self, name: &str, job: Job) -> Result<(), RefusedJob> {
        let _ = name;
        self.spawn(job)
    }
}
