//! What a platform brings, and the names that each backend module exports.

use crate::panic::Panic;
use crate::wait::{InnerLock, Wait};

/// A platform: how the line is guarded for a moment, and how a blocked caller
/// spends its time.
///
/// The lock types are generic over it; the modules `spin`, `critical` and
/// `sync` name them for one each. One of your own:
///
/// ```
/// use portunus::{Backend, FifoLock, RawMutexInner, rules::Exclusive, spin::Spinning};
///
/// struct Mine;
///
/// impl Backend for Mine {
///     type Inner = RawMutexInner<parking_lot::RawMutex>;
///     type Wait = <Spinning as Backend>::Wait;
/// }
///
/// static LOCK: FifoLock<Exclusive, Mine> = FifoLock::new(Exclusive);
/// # assert!(!LOCK.is_locked());
/// ```
pub trait Backend: 'static {
    /// Guards the line.
    type Inner: InnerLock;
    /// Blocks a caller.
    type Wait: Wait;

    /// Runs `f`, and gives its panic as a value where the platform can catch
    /// one. Unless a backend says otherwise, the panic goes on.
    ///
    /// # Errors
    ///
    /// The panic.
    fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Panic> {
        Ok(f())
    }
}

/// Writes the family of names that every backend exports, over one backend,
/// which may have a parameter of its own: `family!(Single<V>, V)`.
macro_rules! family {
    ($backend:ty $(, $own:ident)?) => {
        /// A first come, first served lock with the user's own modes.
        pub type FifoLock<R $(, $own)?> = crate::FifoLock<R, $backend>;
        /// A hold on a [`FifoLock`].
        pub type Hold<'a, R $(, $own)?> = crate::Hold<'a, R, $backend>;
        /// Data behind a [`FifoLock`], with the user's own modes.
        pub type Guarded<R, T $(, $own)?> = crate::Guarded<R, T, $backend>;
        /// Access to what a [`Guarded`] protects, for reading; dropped, it
        /// releases.
        pub type GuardedReadGuard<'a, R, T $(, $own)?> =
            crate::guarded::ReadGuard<Hold<'a, R $(, $own)?>, T>;
        /// Access to what a [`Guarded`] protects, for reading and writing;
        /// dropped, it releases.
        pub type GuardedWriteGuard<'a, R, T $(, $own)?> =
            crate::guarded::WriteGuard<Hold<'a, R $(, $own)?>, T>;
        /// Access to a part of what a [`Guarded`] protects, for reading.
        pub type MappedGuardedReadGuard<'a, R, T $(, $own)?> =
            crate::guarded::MappedReadGuard<Hold<'a, R $(, $own)?>, T>;
        /// Access to a part of what a [`Guarded`] protects, for reading and
        /// writing.
        pub type MappedGuardedWriteGuard<'a, R, T $(, $own)?> =
            crate::guarded::MappedWriteGuard<Hold<'a, R $(, $own)?>, T>;
        /// Exclusive access to data, first come, first served.
        ///
        #[doc = include_str!("docs/mutex.md")]
        #[doc(alias = "Lock")]
        #[doc(alias = "FairMutex")]
        pub type Mutex<T $(, $own)?> = lock_api::Mutex<RawMutex<$($own)?>, T>;
        /// Access to what a [`Mutex`] protects; dropped, it releases.
        pub type MutexGuard<'a, T $(, $own)?> =
            lock_api::MutexGuard<'a, RawMutex<$($own)?>, T>;
        /// Access to a part of what a [`Mutex`] protects.
        pub type MappedMutexGuard<'a, T $(, $own)?> =
            lock_api::MappedMutexGuard<'a, RawMutex<$($own)?>, T>;
        /// The raw lock of [`Mutex`].
        pub type RawMutex<$($own)?> = crate::RawMutex<$backend>;
        /// Shared or exclusive access to data, with a choice of preference.
        ///
        #[doc = include_str!("docs/rwlock.md")]
        #[doc(alias = "SharedLock")]
        #[doc(alias = "RSLock")]
        #[doc(alias = "WSLock")]
        #[doc(alias = "AsyncRSLock")]
        #[doc(alias = "AsyncWSLock")]
        pub type RwLock<T, $($own,)? P = crate::Fair> = lock_api::RwLock<RawRwLock<$($own,)? P>, T>;
        /// Shared access to what a [`RwLock`] protects; dropped, it releases.
        pub type RwLockReadGuard<'a, T, $($own,)? P = crate::Fair> =
            lock_api::RwLockReadGuard<'a, RawRwLock<$($own,)? P>, T>;
        /// Exclusive access to what a [`RwLock`] protects; dropped, it releases.
        pub type RwLockWriteGuard<'a, T, $($own,)? P = crate::Fair> =
            lock_api::RwLockWriteGuard<'a, RawRwLock<$($own,)? P>, T>;
        /// Shared access to what a [`RwLock`] protects that can be upgraded to
        /// exclusive access. One at a time, beside any number of readers.
        pub type RwLockUpgradableReadGuard<'a, T, $($own,)? P = crate::Fair> =
            lock_api::RwLockUpgradableReadGuard<'a, RawRwLock<$($own,)? P>, T>;
        /// Shared access to a part of what a [`RwLock`] protects.
        pub type MappedRwLockReadGuard<'a, T, $($own,)? P = crate::Fair> =
            lock_api::MappedRwLockReadGuard<'a, RawRwLock<$($own,)? P>, T>;
        /// Exclusive access to a part of what a [`RwLock`] protects.
        pub type MappedRwLockWriteGuard<'a, T, $($own,)? P = crate::Fair> =
            lock_api::MappedRwLockWriteGuard<'a, RawRwLock<$($own,)? P>, T>;
        /// The raw lock of [`RwLock`].
        pub type RawRwLock<$($own,)? P = crate::Fair> = crate::RawRwLock<P, $backend>;
        /// Waits, with a [`Mutex`] let go, until somebody notifies.
        pub type Condvar<$($own)?> = crate::Condvar<$backend>;
        /// Waits, with a [`RwLock`] let go, until somebody notifies.
        pub type SharedCondvar<$($own)?> = crate::SharedCondvar<$backend>;
        /// A condition variable for any lock of `lock_api`.
        pub type RawCondvar<L $(, $own)?> = crate::RawCondvar<L, $backend>;
        /// A resource that one party at a time reaches, by entering; see
        /// [`door`](crate::door).
        #[doc(alias = "AcquirableDoor")]
        #[doc(alias = "WaitableDoor")]
        pub type Door<T $(, $own)?> =
            crate::Door<RawMutex<$($own)?>, T, crate::door::MonitorCondvar<$backend>>;
        /// Access to what is behind a [`Door`].
        pub type DoorGuard<'a, T $(, $own)?> =
            crate::DoorGuard<'a, RawMutex<$($own)?>, T, crate::door::MonitorCondvar<$backend>>;
        /// A resource that readers reach together, and a writer alone; see
        /// [`door`](crate::door).
        #[doc(alias = "SAcquirableDoor")]
        #[doc(alias = "SWaitableDoor")]
        pub type SharedDoor<T, $($own,)? P = crate::Fair> =
            crate::SharedDoor<RawRwLock<$($own,)? P>, T, SharedCondvar<$($own)?>>;
        /// Reading access to what is behind a [`SharedDoor`].
        pub type DoorReadGuard<'a, T, $($own,)? P = crate::Fair> =
            crate::DoorReadGuard<'a, RawRwLock<$($own,)? P>, T, SharedCondvar<$($own)?>>;
        /// Reading and writing access to what is behind a [`SharedDoor`].
        pub type DoorWriteGuard<'a, T, $($own,)? P = crate::Fair> =
            crate::DoorWriteGuard<'a, RawRwLock<$($own,)? P>, T, SharedCondvar<$($own)?>>;
        /// Reading access to what is behind a [`SharedDoor`] that may become
        /// writing access.
        pub type DoorUpgradableReadGuard<'a, T, $($own,)? P = crate::Fair> =
            crate::DoorUpgradableReadGuard<'a, RawRwLock<$($own,)? P>, T, SharedCondvar<$($own)?>>;
        /// Access to a part of what is behind a [`Door`].
        pub type MappedDoorGuard<'a, T $(, $own)?> = crate::door::MappedDoorGuard<
            'a,
            RawMutex<$($own)?>,
            T,
            crate::door::MonitorCondvar<$backend>,
        >;
        /// Reading access to a part of what is behind a [`SharedDoor`].
        pub type MappedDoorReadGuard<'a, T, $($own,)? P = crate::Fair> =
            crate::door::MappedDoorReadGuard<
                'a,
                RawRwLock<$($own,)? P>,
                T,
                SharedCondvar<$($own)?>,
            >;
        /// Reading and writing access to a part of what is behind a
        /// [`SharedDoor`].
        pub type MappedDoorWriteGuard<'a, T, $($own,)? P = crate::Fair> =
            crate::door::MappedDoorWriteGuard<
                'a,
                RawRwLock<$($own,)? P>,
                T,
                SharedCondvar<$($own)?>,
            >;
        /// A value that can be waited for.
        pub type Accessor<T $(, $own)?> = crate::Accessor<T, $backend>;
        /// What an [`Accessor`] is but its value: a field for
        /// [`condition_property!`](crate::condition_property).
        pub type Changes<T $(, $own)?> = crate::accessor::Changes<T, $backend>;
        /// An accessor that belongs to an object.
        pub type Property<'a, O, T, E $(, $own)?> = crate::Accessor<
            T,
            $backend,
            crate::accessor::Bound<'a, O, T, E>,
            &'a crate::accessor::Changes<T, $backend>,
        >;
        /// What several accessors and predicates wait on together.
        pub type Condition<$($own)?> = crate::Condition<$backend>;
        /// Something that is true or not, and can be waited for.
        pub type Predicate<F $(, $own)?, C = crate::Condition<$backend>> =
            crate::Predicate<F, $backend, C>;
        /// A number of permits, handed out first come, first served.
        pub type Semaphore<$($own)?> = crate::Semaphore<$backend>;
        /// A semaphore that can be closed, and says so.
        pub type ClosableSemaphore<$($own)?> = crate::ClosableSemaphore<$backend>;
        /// Permits of a [`Semaphore`].
        pub type Permit<'a $(, $own)?> = crate::Permit<'a, $backend>;
        crate::family::owned_family!($backend $(, $own)?);
        crate::family::meeting_family!($backend $(, $own)?);
        crate::family::registry_family!($backend $(, $own)?);
        /// Lets parties through when all have come, without a heap.
        pub type FixedBarrier<T, const N: usize $(, $own)?> =
            crate::StatefulBarrier<T, $backend, crate::barrier::Fixed<N>>;
        /// Entries at a rate that follows how many of them succeed.
        pub type DynamicThrottle<C, $($own,)? R = crate::throttle::Xorshift> =
            crate::DynamicThrottle<C, $backend, R>;
        crate::family::nursery_family!($backend $(, $own)?);
    };
}
pub(crate) use family;
