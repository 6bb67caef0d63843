//! Waiting for a value, or for a predicate, no longer than a time.

use core::time::Duration;
use std::time::Instant;

use super::{Accessor, AsChanges, Source, Writing};
use crate::backend::Backend;
use crate::condition::AsCondition;
use crate::condvar::WaitTimeoutResult;
use crate::predicate::Predicate;
use crate::wait::Limit;
use crate::wait::until::Until;

impl<T: Clone + Send, B: Backend, S: Source<Value = T> + Send, C: AsChanges<T, B>>
    Accessor<T, B, S, C>
{
    /// As [`get`](Self::get), waiting no longer than `timeout`; `None`: the time
    /// was over.
    ///
    /// The time is that of the monotonic clock. It never ends early, and one
    /// beyond the clock's range is no limit.
    pub fn get_for(&self, timeout: Duration) -> Option<S::Outcome<T>> {
        self.read_limited(true, |_| true, &Until::after(timeout))
    }

    /// As [`get_for`](Self::get_for), no longer than until `deadline`.
    pub fn get_until(&self, deadline: Instant) -> Option<S::Outcome<T>> {
        self.read_limited(true, |_| true, &Until::at(deadline))
    }

    /// As [`get_where`](Self::get_where), waiting no longer than `timeout`.
    pub fn get_where_for(
        &self,
        wanted: impl FnMut(&T) -> bool + Send,
        timeout: Duration,
    ) -> Option<S::Outcome<T>> {
        self.read_limited(false, wanted, &Until::after(timeout))
    }

    /// As [`get_where`](Self::get_where), no longer than until `deadline`.
    pub fn get_where_until(
        &self,
        wanted: impl FnMut(&T) -> bool + Send,
        deadline: Instant,
    ) -> Option<S::Outcome<T>> {
        self.read_limited(false, wanted, &Until::at(deadline))
    }

    /// As [`get_next_where`](Self::get_next_where), waiting no longer than
    /// `timeout`.
    pub fn get_next_where_for(
        &self,
        wanted: impl FnMut(&T) -> bool + Send,
        timeout: Duration,
    ) -> Option<S::Outcome<T>> {
        self.read_limited(true, wanted, &Until::after(timeout))
    }

    /// As [`get_next_where`](Self::get_next_where), no longer than until
    /// `deadline`.
    pub fn get_next_where_until(
        &self,
        wanted: impl FnMut(&T) -> bool + Send,
        deadline: Instant,
    ) -> Option<S::Outcome<T>> {
        self.read_limited(true, wanted, &Until::at(deadline))
    }
}

impl<T: Send, B: Backend, S: Source<Value = T> + Send, C: AsChanges<T, B>> Accessor<T, B, S, C> {
    /// As [`set_when_read`](Self::set_when_read), waiting no longer than
    /// `timeout`.
    ///
    /// # Errors
    ///
    /// The value, when the time was over: it was not set.
    pub fn set_when_read_for(&self, value: T, timeout: Duration) -> Result<S::Outcome<()>, T> {
        self.set_when_read_limited(value, &Until::after(timeout))
    }

    /// As [`set_when_read_for`](Self::set_when_read_for), no longer than until
    /// `deadline`.
    ///
    /// # Errors
    ///
    /// The value, when the time was over: it was not set.
    pub fn set_when_read_until(&self, value: T, deadline: Instant) -> Result<S::Outcome<()>, T> {
        self.set_when_read_limited(value, &Until::at(deadline))
    }

    fn set_when_read_limited(&self, value: T, limit: &impl Limit) -> Result<S::Outcome<()>, T> {
        self.ask_by(Writing::new(value), limit).map_err(Writing::into_value)
    }
}

impl<F: Fn() -> bool + Sync, B: Backend, C: AsCondition<B>> Predicate<F, B, C> {
    /// As [`wait`](Self::wait), no longer than `timeout`.
    ///
    /// The time is that of the monotonic clock. It never ends early, and one
    /// beyond the clock's range is no limit.
    #[doc(alias = "timeout")]
    pub fn wait_for(&self, timeout: Duration) -> WaitTimeoutResult {
        WaitTimeoutResult::new(!self.wait_limited(&Until::after(timeout)))
    }

    /// As [`wait_for`](Self::wait_for), no longer than until `deadline`.
    pub fn wait_until(&self, deadline: Instant) -> WaitTimeoutResult {
        WaitTimeoutResult::new(!self.wait_limited(&Until::at(deadline)))
    }
}
