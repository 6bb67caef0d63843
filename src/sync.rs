//! Locks for threads of an operating system.
//!
//! A blocked thread pauses, then yields, then sleeps; who stands first pauses
//! longest. So strict order of service costs little more than none, and
//! nobody burns a core for long.
//!
//! Threads of real-time priority (`SCHED_FIFO` and its like) that share a lock
//! and a core should have the same priority: yielding does not let one of a
//! lower priority run, and the inner lock, held for a few instructions, is
//! yielded for.

use crate::backend::{Backend, family};
use crate::wait::inner::SpinInner;
use crate::wait::park::{ParkWait, YieldCore};

/// The backend of threads.
#[derive(Debug)]
pub struct Threads(());

impl Backend for Threads {
    type Inner = SpinInner<YieldCore>;
    type Wait = ParkWait;
}

family!(Threads);
