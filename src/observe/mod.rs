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
//! # What they can do
//!
//! All that the plain ones can, by the same names: blocking, `try_`, timed and
//! awaited, of any weight, converted, upgraded, split and merged, let go for a
//! while, and with guards, holds and permits that keep their lock alive. What
//! differs:
//!
//! | | |
//! |---|---|
//! | condition variables | [`RawCondvar`](crate::RawCondvar) is for an observed mutex too; its waiters wake and then ask for the lock, which counts as a wait of its own. `Condvar` and `SharedCondvar` move them from one line into the other, where no probe sees them |
//! | doors | [`Door`](crate::Door) and [`SharedDoor`](crate::SharedDoor) stand before any lock of `lock_api`, observed ones too; for waiting inside, as above |
//! | permits of a `ClosableSemaphore` that keep it alive | keep the `ClosableSemaphore` alive, [`OwnedClosablePermit`], where the plain ones keep the semaphore in it |
//! | the backend [`single`](crate::single) | has no names here; `observe::FifoLock<R, Single>` and its like are there |
//! | registries, barriers, accessors, nurseries, throttles | wait for something else than a lock to come free: there is nothing to time |
//!
//! # Hooks
//!
//! A hook runs in the thread or task that waited or held, when that is over:
//! after the wait, inside; after the release, outside. It may block, and use
//! other locks. Should it panic after a wait, the lock is let go; so it is should
//! the clock panic. Where a guard stands for the lock that is let go for a wait for
//! a condition, or is taken again after one or after a
//! [`scope`](crate::Releasing::scope) without it, such a panic ends the program.

#[cfg(feature = "async")]
mod awaited;
#[cfg(feature = "async")]
mod awaited_holds;
#[cfg(all(feature = "async", feature = "alloc", target_has_atomic = "ptr"))]
mod awaited_owned;
mod fifo_lock;
mod guarded;
mod hold;
mod inner;
mod moment;
mod mutex;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod owned;
#[cfg(all(feature = "std", target_has_atomic = "ptr"))]
mod owned_timed;
mod permit;
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
#[cfg(feature = "std")]
mod timed_holds;

#[cfg(feature = "async")]
pub use awaited::WatchedWaiter;
#[cfg(feature = "async")]
pub use awaited_holds::{
    AcquireHold, AcquireManyHold, AcquireManyPermit, AcquireManyUnlessClosed, AcquirePermit,
    AcquireUnlessClosed, ConvertHold, ReadGuarded, WriteGuarded,
};
pub use fifo_lock::FifoLock;
pub use guarded::Guarded;
pub use hold::Hold;
pub use inner::{Observed, Watched};
pub use mutex::RawMutex;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use owned::{
    ArcHold, ArcMappedReadGuard, ArcMappedWriteGuard, ArcReadGuard, ArcWriteGuard,
    OwnedClosablePermit, OwnedHold, OwnedPermit,
};
pub use permit::Permit;
pub use probe::{Probe, Report, Reports, Slow, Stamped, What};
pub use rwlock::RawRwLock;
pub use semaphore::{ClosableSemaphore, Semaphore};

/// Writes the names of one backend's observed locks.
macro_rules! observed_family {
    ($backend:ty) => {
        /// A first come, first served lock with the user's own modes, observed.
        pub type FifoLock<R> = super::FifoLock<R, $backend>;
        /// A hold on a [`FifoLock`].
        pub type Hold<'a, R> = super::Hold<&'a FifoLock<R>>;
        /// Data behind a [`FifoLock`], with the user's own modes, observed.
        pub type Guarded<R, T> = super::Guarded<R, T, $backend>;
        /// Access to what a [`Guarded`] protects, for reading.
        pub type GuardedReadGuard<'a, R, T> = crate::guarded::ReadGuard<Hold<'a, R>, T>;
        /// Access to what a [`Guarded`] protects, for reading and writing.
        pub type GuardedWriteGuard<'a, R, T> = crate::guarded::WriteGuard<Hold<'a, R>, T>;
        /// Access to a part of what a [`Guarded`] protects, for reading.
        pub type MappedGuardedReadGuard<'a, R, T> = crate::guarded::MappedReadGuard<Hold<'a, R>, T>;
        /// Access to a part of what a [`Guarded`] protects, for reading and
        /// writing.
        pub type MappedGuardedWriteGuard<'a, R, T> =
            crate::guarded::MappedWriteGuard<Hold<'a, R>, T>;
        /// Exclusive access to data, first come, first served, observed.
        pub type Mutex<T> = lock_api::Mutex<RawMutex, T>;
        /// Access to what a [`Mutex`] protects.
        pub type MutexGuard<'a, T> = lock_api::MutexGuard<'a, RawMutex, T>;
        /// Access to a part of what a [`Mutex`] protects.
        pub type MappedMutexGuard<'a, T> = lock_api::MappedMutexGuard<'a, RawMutex, T>;
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
        /// Shared access to a part of what a [`RwLock`] protects.
        pub type MappedRwLockReadGuard<'a, T, P = crate::Fair> =
            lock_api::MappedRwLockReadGuard<'a, RawRwLock<P>, T>;
        /// Exclusive access to a part of what a [`RwLock`] protects.
        pub type MappedRwLockWriteGuard<'a, T, P = crate::Fair> =
            lock_api::MappedRwLockWriteGuard<'a, RawRwLock<P>, T>;
        /// The raw lock of [`RwLock`].
        pub type RawRwLock<P = crate::Fair> = super::RawRwLock<P, $backend>;
        /// A number of permits, handed out first come, first served, observed.
        pub type Semaphore = super::Semaphore<$backend>;
        /// A semaphore that can be closed, and says so, observed.
        pub type ClosableSemaphore = super::ClosableSemaphore<$backend>;
        /// Permits of a [`Semaphore`] or of a [`ClosableSemaphore`].
        pub type Permit<'a> = super::Permit<&'a Semaphore>;
        crate::family::observed_owned_family!($backend);
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
