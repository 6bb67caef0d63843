//! A time that several may look at, on chips without wide atomics too.

use core::time::Duration;

use crate::atomic::{AtomicUsize, Ordering};

/// A time in two halves. Whoever sets it and whoever gets it do so one after
/// the other.
#[derive(Debug)]
pub(super) struct Moment([AtomicUsize; 2]);

impl Moment {
    pub(super) const fn new() -> Self {
        Self([AtomicUsize::new(0), AtomicUsize::new(0)])
    }

    // Ordering of both: Relaxed, they happen one after the other already.

    pub(super) fn get(&self) -> Duration {
        let [seconds, nanos] = &self.0;
        let seconds = seconds.load(Ordering::Relaxed) as u64;
        Duration::new(seconds, nanos.load(Ordering::Relaxed) as u32)
    }

    pub(super) fn set(&self, time: Duration) {
        let [seconds, nanos] = &self.0;
        seconds.store(time.as_secs() as usize, Ordering::Relaxed);
        nanos.store(time.subsec_nanos() as usize, Ordering::Relaxed);
    }
}
