//! The condition variable of a door over this crate's mutex.

#![allow(unsafe_code)]

use core::fmt;

use super::DoorCondvar;
use crate::atomic::constructor;
use crate::backend::Backend;
use crate::condvar::{Condvar, Waits};
use crate::mutex::{Lined, RawMutex};
use crate::raw::RawMutexCondvar;
use crate::wait::Forever;
use crate::wait::queue::WaitQueue;

/// What a [`Door`](super::Door) over this crate's mutex waits with: a
/// [`Condvar`] that is told of the mutex whenever it is notified.
///
/// So every waiter, thread or task, is handed over to the mutex's line, and
/// wakes when it is inside. A door has it to itself.
pub struct MonitorCondvar<B: Backend>(Condvar<B>);

impl<B: Backend> MonitorCondvar<B> {
    constructor! {
        /// With nobody waiting.
        #[must_use]
        pub fn new() -> Self {
            Self(Condvar::new())
        }
    }

    /// How many wait for a notification now.
    ///
    /// Counts them one by one, under the inner lock.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.waiting()
    }

    #[allow(dead_code, reason = "of futures")]
    pub(crate) fn queue(&self) -> &WaitQueue<B::Inner> {
        self.0.queue()
    }

    #[allow(dead_code, reason = "of waits with a time")]
    pub(crate) fn condvar(&self) -> &Condvar<B> {
        &self.0
    }
}

impl<B: Backend> Default for MonitorCondvar<B> {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows how many wait; never blocks.
impl<B: Backend> fmt::Debug for MonitorCondvar<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(not(all(test, portunus_loom)))]
impl<B: Backend> DoorCondvar<RawMutex<B>> for MonitorCondvar<B> {
    const NEW: Self = Self::new();
}

// SAFETY: as `lock_api::RawCondvar` for `Condvar`.
#[cfg(not(all(test, portunus_loom)))]
unsafe impl<B: Backend> RawMutexCondvar<RawMutex<B>> for MonitorCondvar<B> {
    unsafe fn wait(&self, mutex: &RawMutex<B>, guard: &mut Lined) {
        // SAFETY: by this function's contract.
        unsafe { self.0.wait_raw(mutex, guard, &Forever) };
    }

    fn notify_one_of(&self, mutex: &RawMutex<B>) -> bool {
        // SAFETY: all who wait here ask for the one mode of such a mutex (H3).
        self.queue().notify_one_at(Some(unsafe { mutex.at_hand() }))
    }

    fn notify_all_of(&self, mutex: &RawMutex<B>) -> usize {
        // SAFETY: as above.
        self.queue().notify_all_at(Some(unsafe { mutex.at_hand() }))
    }
}
