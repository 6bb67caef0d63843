//! Structured concurrency: tasks that don't outlive what started them.
//!
//! [`Nursery`] holds any number of tasks, on the heap (feature `alloc`);
//! [`FixedNursery`] holds tasks that the caller pins, and needs none. Both take
//! one stack of tasks, contexts and clean-ups down, last in first out. The tasks of
//! a [`LocalNursery`] stay in one thread, and need not be `Send`.
//!
//! | | `Nursery` | `FixedNursery` |
//! |---|---|---|
//! | tasks are started | from anywhere, at any time | before it is polled |
//! | a poll costs | what was woken | all tasks that have not ended |
//! | tasks run | where it is polled, or on an executor | where it is polled |
//! | a panic of a task | goes on after all clean-ups, where it can be caught | goes on at once |

mod fixed;
mod outcome;

#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod context;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod control;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod desk;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod error;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod handle;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod info;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod label;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod local;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod scope;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod spawn;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod task;

#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use context::{Context, exit_on_error};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use control::{Stopped, TaskContext};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use desk::TaskInfo;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use error::{EnterError, NurseryClosed, StartError, StopError, Stopping};
pub use fixed::{FixedExit, FixedItem, FixedNursery, FixedNurseryError, FixedTask, StopSignal};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use handle::Handle;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use info::{NurseryInfo, Sentinel};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use local::{LocalClose, LocalHandle, LocalNursery};
pub use outcome::TaskOutcome;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use scope::{Close, Nursery};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use spawn::{Job, RefusedJob, Spawn};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use task::{Ready, StopTask, Task};
