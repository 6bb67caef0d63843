//! Locks that count, that have a name, and that report long waits and holds.
//!
//! Each is a lock of the crate with a [`Probe`] beside it. The plain locks know
//! nothing of it: with the feature `observe` on or off they have the same size
//! and the same instructions. To observe one, name it by its path here:
//! `portunus::observe::sync::Mutex` for `portunus::sync::Mutex`.
//!
//! ```
//! use std::time::Duration;
//! use portunus::observe::{Probe, Reports, Slow};
//! use portunus::observe::sync::{Mutex, RawMutex};
//!
//! fn report(slow: &Slow<'_>) {
//!     eprintln!("{slow}");
//! }
//!
//! static JOBS: Mutex<Vec<u32>> = Mutex::from_raw(
//!     RawMutex::observed(
//!         Probe::new()
//!             .named("jobs")
//!             .waits_longer_than(Duration::from_millis(50))
//!             .holds_longer_than(Duration::from_millis(5))
//!             .tells(&report),
//!     ),
//!     Vec::new(),
//! );
//!
//! JOBS.lock().push(1);
//! let report = JOBS.report();
//! assert_eq!((report.name, report.acquisitions, report.waits), (Some("jobs"), 1, 0));
//! println!("{report}");
//! ```
//!
//! # What it costs
//!
//! A few relaxed updates of counters for each acquisition and release, and two
//! looks at the clock. Nothing of it happens under the inner lock.
//!
//! # Hooks
//!
//! A hook runs in the thread or task that waited or held, when that is over:
//! after the wait, inside; after the release, outside. It may block, and use
//! other locks. Should it panic after a wait, the lock is let go.

#[cfg(feature = "async")]
mod awaited;
#[cfg(feature = "async")]
mod awaited_holds;
mod fifo_lock;
mod inner;
mod moment;
mod mutex;
mod probe;
mod rwlock;
mod semaphore;
#[cfg(not(feature = "std"))]
#[path = "still.rs"]
mod standard;
#[cfg(feature = "std")]
#[path = "system.rs"]
mod standard;
#[cfg(feature = "std")]
mod timed;

#[cfg(feature = "async")]
pub use awaited::WatchedWaiter;
#[cfg(feature = "async")]
pub use awaited_holds::{AcquireHold, AcquirePermit};
pub use fifo_lock::{FifoLock, Hold};
pub use inner::{Observed, Watched};
pub use mutex::RawMutex;
pub use probe::{Probe, Report, Reports, Slow, Stamped, What};
pub use rwlock::RawRwLock;
pub use semaphore::{Permit, Semaphore};

/// Writes the names of one backend's observed locks.
macro_rules! observed_family {
    ($backend:ty) => {
        /// A first come, first served lock with the user's own modes, observed.
        pub type FifoLock<R> = super::FifoLock<R, $backend>;
        /// A hold on a [`FifoLock`].
        pub type Hold<'a, R> = super::Hold<'a, R, $backend>;
        /// Exclusive access to data, first come, first served, observed.
        pub type Mutex<T> = lock_api::Mutex<RawMutex, T>;
        /// Access to what a [`Mutex`] protects.
        pub type MutexGuard<'a, T> = lock_api::MutexGuard<'a, RawMutex, T>;
        /// The raw lock of [`Mutex`].
        pub type RawMutex = super::RawMutex<$backend>;
        /// Shared or exclusive access to data, observed.
        pub type RwLock<T, P = crate::Fair> = lock_api::RwLock<RawRwLock<P>, T>;
        /// Shared access to what a [`RwLock`] protects.
        pub type RwLockReadGuard<'a, T, P = crate::Fair> =
            lock_api::RwLockReadGuard<'a, RawRwLock<P>, T>;
        /// Exclusive access to what a [`RwLock`] protects.
        pub type RwLockWriteGuard<'a, T, P = crate::Fair> =
            lock_api::RwLockWriteGuard<'a, RawRwLock<P>, T>;
        /// Shared access to what a [`RwLock`] protects that can be upgraded to
        /// exclusive access. One at a time, beside any number of readers.
        pub type RwLockUpgradableReadGuard<'a, T, P = crate::Fair> =
            lock_api::RwLockUpgradableReadGuard<'a, RawRwLock<P>, T>;
        /// The raw lock of [`RwLock`].
        pub type RawRwLock<P = crate::Fair> = super::RawRwLock<P, $backend>;
        /// A number of permits, handed out first come, first served, observed.
        pub type Semaphore = super::Semaphore<$backend>;
        /// Permits of a [`Semaphore`].
        pub type Permit<'a> = super::Permit<'a, $backend>;
    };
}

/// The observed locks of [`crate::spin`].
pub mod spin {
    observed_family!(crate::spin::Spinning);
}

/// The observed locks of [`crate::critical`].
#[cfg(feature = "critical-section")]
pub mod critical {
    observed_family!(crate::critical::Critical);
}

/// The observed locks of [`crate::sync`].
#[cfg(feature = "std")]
pub mod sync {
    observed_family!(crate::sync::Threads);
}
