//! The ready-made pool for blocking calls.

use alloc::boxed::Box;

use super::{BlockingJob, BlockingPool, PoolClosed};
use crate::sync::Threads;

/// The threads of the crate `blocking`, which start when they are needed and
/// end when they have been idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BlockingThreads;

impl BlockingPool for BlockingThreads {
    type Backend = Threads;

    fn spawn_blocking(&self, job: BlockingJob) -> Result<(), PoolClosed> {
        // Panics of the job are caught inside it.
        blocking::unblock(job as Box<dyn FnOnce() + Send>).detach();
        Ok(())
    }
}
