//! Waiting for a slot by sleeping.

use std::thread;

use super::{DynamicThrottle, Entered, RandomSource};
use crate::backend::Backend;
use crate::clock::Clock;

impl<C: Clock, B: Backend, R: RandomSource> DynamicThrottle<C, B, R> {
    /// Sleeps until the next slot and enters.
    ///
    /// # Blocking
    ///
    /// The thread sleeps, so this is not for tasks:
    /// [`enter_with`](Self::enter_with) is. The clock should be `StdClock`: the
    /// thread sleeps for real.
    pub fn enter(&self) -> Entered<'_, C, B, R> {
        self.enter_blocking_with(thread::sleep)
    }

    /// Sleeps until the next slot and calls `function`, whose result counts.
    ///
    /// # Errors
    ///
    /// That of the function.
    ///
    /// # Blocking
    ///
    /// As [`enter`](Self::enter).
    pub fn call<T, E>(&self, function: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let entered = self.enter();
        let result = function();
        entered.settle(&result);
        result
    }
}
