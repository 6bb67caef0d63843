//! Guards, holds and permits that keep their lock alive.

macro_rules! owned_family {
    ($backend:ty $(, $own:ident)?) => {
        /// A hold that keeps its [`FifoLock`] alive.
        pub type OwnedHold<R $(, $own)?> = crate::OwnedHold<R, $backend>;
        /// Permits that keep their [`Semaphore`] alive.
        pub type OwnedPermit<$($own)?> = crate::OwnedPermit<$backend>;
        /// Access to what a [`Guarded`] protects, for reading, that keeps it
        /// alive.
        pub type ArcGuardedReadGuard<R, T $(, $own)?> =
            crate::guarded::ArcReadGuard<R, T, $backend>;
        /// Access to what a [`Guarded`] protects, for reading and writing, that
        /// keeps it alive.
        pub type ArcGuardedWriteGuard<R, T $(, $own)?> =
            crate::guarded::ArcWriteGuard<R, T, $backend>;
        /// Access to a part `U` of what a [`Guarded`] protects, for reading,
        /// that keeps the whole alive.
        pub type ArcMappedGuardedReadGuard<R, T, U $(, $own)?> =
            crate::guarded::ArcMappedReadGuard<R, T, $backend, U>;
        /// Access to a part `U` of what a [`Guarded`] protects, for reading and
        /// writing, that keeps the whole alive.
        pub type ArcMappedGuardedWriteGuard<R, T, U $(, $own)?> =
            crate::guarded::ArcMappedWriteGuard<R, T, $backend, U>;
        /// Access to what is behind a [`Door`], that keeps it alive.
        pub type OwnedDoorGuard<T $(, $own)?> = crate::door::OwnedDoorGuard<
            RawMutex<$($own)?>,
            T,
            crate::door::MonitorCondvar<$backend>,
        >;
        /// Reading access to what is behind a [`SharedDoor`], that keeps it
        /// alive.
        pub type OwnedDoorReadGuard<T, $($own,)? P = crate::Fair> =
            crate::door::OwnedDoorReadGuard<
                RawRwLock<$($own,)? P>,
                T,
                SharedCondvar<$($own)?>,
            >;
        /// Reading and writing access to what is behind a [`SharedDoor`], that
        /// keeps it alive.
        pub type OwnedDoorWriteGuard<T, $($own,)? P = crate::Fair> =
            crate::door::OwnedDoorWriteGuard<
                RawRwLock<$($own,)? P>,
                T,
                SharedCondvar<$($own)?>,
            >;
        /// Reading access to what is behind a [`SharedDoor`] that may become
        /// writing access, and keeps it alive.
        pub type OwnedDoorUpgradableReadGuard<T, $($own,)? P = crate::Fair> =
            crate::door::OwnedDoorUpgradableReadGuard<
                RawRwLock<$($own,)? P>,
                T,
                SharedCondvar<$($own)?>,
            >;
        /// Access to a part `U` of what is behind a [`Door`], that keeps the
        /// whole alive.
        pub type OwnedMappedDoorGuard<T, U $(, $own)?> = crate::door::OwnedMappedDoorGuard<
            RawMutex<$($own)?>,
            T,
            U,
            crate::door::MonitorCondvar<$backend>,
        >;
        /// Reading access to a part `U` of what is behind a [`SharedDoor`],
        /// that keeps the whole alive.
        pub type OwnedMappedDoorReadGuard<T, U, $($own,)? P = crate::Fair> =
            crate::door::OwnedMappedDoorReadGuard<
                RawRwLock<$($own,)? P>,
                T,
                U,
                SharedCondvar<$($own)?>,
            >;
        /// Reading and writing access to a part `U` of what is behind a
        /// [`SharedDoor`], that keeps the whole alive.
        pub type OwnedMappedDoorWriteGuard<T, U, $($own,)? P = crate::Fair> =
            crate::door::OwnedMappedDoorWriteGuard<
                RawRwLock<$($own,)? P>,
                T,
                U,
                SharedCondvar<$($own)?>,
            >;
        crate::family::arc_guard_family!($($own)?);
    };
}
pub(crate) use owned_family;

/// The guards of `lock_api`'s locks, in terms of the names `RawMutex` and
/// `RawRwLock` that stand there.
macro_rules! arc_guard_family {
    ($($own:ident)?) => {
        /// Access to what a [`Mutex`] protects, that keeps it alive.
        pub type ArcMutexGuard<T $(, $own)?> = lock_api::ArcMutexGuard<RawMutex<$($own)?>, T>;
        /// Access to what a [`Mutex`] protects, that keeps it alive, as it comes
        /// of awaiting.
        pub type OwnedMutexGuard<T $(, $own)?> = crate::OwnedMutexGuard<RawMutex<$($own)?>, T>;
        /// Shared access to what a [`RwLock`] protects, that keeps it alive.
        pub type ArcRwLockReadGuard<T, $($own,)? P = crate::Fair> =
            lock_api::ArcRwLockReadGuard<RawRwLock<$($own,)? P>, T>;
        /// Exclusive access to what a [`RwLock`] protects, that keeps it alive.
        pub type ArcRwLockWriteGuard<T, $($own,)? P = crate::Fair> =
            lock_api::ArcRwLockWriteGuard<RawRwLock<$($own,)? P>, T>;
        /// Shared access to what a [`RwLock`] protects that can be upgraded to
        /// exclusive access, and keeps it alive.
        pub type ArcRwLockUpgradableReadGuard<T, $($own,)? P = crate::Fair> =
            lock_api::ArcRwLockUpgradableReadGuard<RawRwLock<$($own,)? P>, T>;
    };
}
pub(crate) use arc_guard_family;

#[allow(unused_macros, reason = "of observed locks")]
macro_rules! observed_owned_family {
    ($backend:ty) => {
        /// A hold that keeps its [`FifoLock`] alive.
        pub type OwnedHold<R> = crate::observe::OwnedHold<R, $backend>;
        /// Permits that keep their [`Semaphore`] alive.
        pub type OwnedPermit = crate::observe::OwnedPermit<$backend>;
        /// Permits that keep their [`ClosableSemaphore`] alive.
        pub type OwnedClosablePermit = crate::observe::OwnedClosablePermit<$backend>;
        /// Access to what a [`Guarded`] protects, for reading, that keeps it
        /// alive.
        pub type ArcGuardedReadGuard<R, T> = crate::observe::ArcReadGuard<R, T, $backend>;
        /// Access to what a [`Guarded`] protects, for reading and writing, that
        /// keeps it alive.
        pub type ArcGuardedWriteGuard<R, T> = crate::observe::ArcWriteGuard<R, T, $backend>;
        /// Access to a part `U` of what a [`Guarded`] protects, for reading,
        /// that keeps the whole alive.
        pub type ArcMappedGuardedReadGuard<R, T, U> =
            crate::observe::ArcMappedReadGuard<R, T, $backend, U>;
        /// Access to a part `U` of what a [`Guarded`] protects, for reading and
        /// writing, that keeps the whole alive.
        pub type ArcMappedGuardedWriteGuard<R, T, U> =
            crate::observe::ArcMappedWriteGuard<R, T, $backend, U>;
        crate::family::arc_guard_family!();
    };
}
#[allow(unused_imports, reason = "of observed locks")]
pub(crate) use observed_owned_family;
