//! Waiting at a barrier until a time.

use core::time::Duration;
use std::time::Instant;

use super::{BarrierError, StatefulBarrier, Store};
use crate::backend::Backend;
use crate::wait::until::Until;

impl<T, B: Backend, S: Store<T>> StatefulBarrier<T, B, S> {
    /// As [`wait`](Self::wait), for no longer than `timeout`.
    ///
    /// # Blocking
    ///
    /// As `wait`.
    ///
    /// # Errors
    ///
    /// [`BarrierError::TimedOut`] if `timeout` was over first: the barrier is
    /// broken for all. With a time of zero that is so unless this is the last
    /// party. [`BarrierError::Broken`] as [`wait`](Self::wait).
    pub fn wait_for(
        &self,
        state: impl Into<Option<T>>,
        timeout: Duration,
    ) -> Result<S::Gathered<'_>, BarrierError> {
        self.wait_limited(&mut state.into(), &Until::after(timeout))
    }

    /// As [`wait`](Self::wait), until `deadline`.
    ///
    /// # Blocking
    ///
    /// As `wait`.
    ///
    /// # Errors
    ///
    /// As [`wait_for`](Self::wait_for).
    pub fn wait_until(
        &self,
        state: impl Into<Option<T>>,
        deadline: Instant,
    ) -> Result<S::Gathered<'_>, BarrierError> {
        self.wait_limited(&mut state.into(), &Until::at(deadline))
    }
}
