//! Holds, permits and guards that keep their lock alive.

#![allow(unsafe_code)]

use alloc::sync::Arc;
use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};

use crate::backend::Backend;
use crate::error::TooMany;
use crate::fifo_lock::{FifoLock, Hold};
use crate::raw::mode::Rules;
use crate::semaphore::{Permit, Semaphore};

/// A [`Hold`] that keeps its lock alive, and so may outlive every borrow.
///
/// It can't be converted, unlike a [`Hold`].
#[must_use = "a hold that is dropped at once releases at once"]
pub struct OwnedHold<R: Rules, B: Backend> {
    lock: Arc<FifoLock<R, B>>,
    parts: (R::Mode, u32, bool),
}

impl<R: Rules, B: Backend> OwnedHold<R, B> {
    pub(crate) fn new(lock: Arc<FifoLock<R, B>>, parts: (R::Mode, u32, bool)) -> Self {
        Self { lock, parts }
    }

    /// The mode in which it holds.
    pub fn mode(&self) -> R::Mode {
        self.parts.0
    }

    /// How many units it holds.
    pub fn weight(&self) -> u32 {
        self.parts.1
    }

    /// The lock that it holds.
    pub fn lock(&self) -> &Arc<FifoLock<R, B>> {
        &self.lock
    }
}

impl<R: Rules, B: Backend> Drop for OwnedHold<R, B> {
    fn drop(&mut self) {
        let (mode, weight, lined) = self.parts;
        drop(self.lock.hold(mode, weight, lined));
    }
}

impl<R: Rules, B: Backend> fmt::Debug for OwnedHold<R, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedHold")
            .field("mode", &self.mode())
            .field("weight", &self.weight())
            .finish()
    }
}

impl<R: Rules, B: Backend> FifoLock<R, B> {
    /// As [`acquire`](Self::acquire), with a hold that keeps the lock alive.
    pub fn acquire_owned(self: &Arc<Self>, mode: R::Mode) -> OwnedHold<R, B> {
        let parts = self.acquire(mode).into_parts();
        OwnedHold::new(Arc::clone(self), parts)
    }

    /// As [`try_acquire`](Self::try_acquire), with a hold that keeps the lock
    /// alive.
    pub fn try_acquire_owned(self: &Arc<Self>, mode: R::Mode) -> Option<OwnedHold<R, B>> {
        let parts = self.try_acquire(mode).map(Hold::into_parts)?;
        Some(OwnedHold::new(Arc::clone(self), parts))
    }

    /// As [`acquire_many`](Self::acquire_many), with a hold that keeps the lock
    /// alive.
    ///
    /// # Errors
    ///
    /// [`TooMany`] when not even an empty lock would admit so many.
    pub fn acquire_many_owned(
        self: &Arc<Self>,
        mode: R::Mode,
        weight: u32,
    ) -> Result<OwnedHold<R, B>, TooMany> {
        let parts = self.acquire_many(mode, weight)?.into_parts();
        Ok(OwnedHold::new(Arc::clone(self), parts))
    }
}

/// Permits that keep their semaphore alive, and so may outlive every borrow.
///
/// They can't be split or merged, unlike a [`Permit`].
///
/// ```
/// use std::{sync::Arc, thread};
/// use portunus::sync::Semaphore;
///
/// let slots = Arc::new(Semaphore::new(2));
/// let permit = slots.acquire_owned();
/// thread::spawn(move || drop(permit)).join().expect("no panic");
/// assert_eq!(slots.available_permits(), 2);
/// ```
#[doc(alias = "OwnedSemaphorePermit")]
#[must_use = "a permit that is dropped at once goes back at once"]
pub struct OwnedPermit<B: Backend> {
    semaphore: Arc<Semaphore<B>>,
    count: u32,
    lined: bool,
}

impl<B: Backend> OwnedPermit<B> {
    pub(crate) fn new(semaphore: Arc<Semaphore<B>>, count: u32, lined: bool) -> Self {
        Self { semaphore, count, lined }
    }

    /// How many permits these are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The semaphore that they belong to.
    #[must_use]
    pub fn semaphore(&self) -> &Arc<Semaphore<B>> {
        &self.semaphore
    }
}

impl<B: Backend> Drop for OwnedPermit<B> {
    fn drop(&mut self) {
        drop(self.semaphore.permit(self.count, self.lined));
    }
}

impl<B: Backend> fmt::Debug for OwnedPermit<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit").field("count", &self.count).finish_non_exhaustive()
    }
}

impl<B: Backend> Semaphore<B> {
    /// As [`acquire`](Self::acquire), with a permit that keeps the semaphore
    /// alive.
    pub fn acquire_owned(self: &Arc<Self>) -> OwnedPermit<B> {
        self.own(self.acquire())
    }

    /// As [`acquire_many`](Self::acquire_many), with permits that keep the
    /// semaphore alive.
    ///
    /// # Errors
    ///
    /// [`TooMany`] when there are fewer permits in all.
    pub fn acquire_many_owned(self: &Arc<Self>, count: u32) -> Result<OwnedPermit<B>, TooMany> {
        Ok(self.own(self.acquire_many(count)?))
    }

    /// As [`try_acquire`](Self::try_acquire), with a permit that keeps the
    /// semaphore alive.
    pub fn try_acquire_owned(self: &Arc<Self>) -> Option<OwnedPermit<B>> {
        self.try_acquire().map(|permit| self.own(permit))
    }

    /// As [`try_acquire_many`](Self::try_acquire_many), with permits that keep
    /// the semaphore alive.
    ///
    /// # Errors
    ///
    /// [`TooMany`] when there are fewer permits in all.
    pub fn try_acquire_many_owned(
        self: &Arc<Self>,
        count: u32,
    ) -> Result<Option<OwnedPermit<B>>, TooMany> {
        Ok(self.try_acquire_many(count)?.map(|permit| self.own(permit)))
    }

    fn own(self: &Arc<Self>, permit: Permit<'_, B>) -> OwnedPermit<B> {
        let (count, lined) = permit.into_parts();
        OwnedPermit::new(Arc::clone(self), count, lined)
    }
}

/// The guard of an awaited mutex that keeps the mutex alive.
///
/// `lock_api` has `ArcMutexGuard` for blocking acquisitions, and no way to
/// make one from an acquisition that was awaited.
#[must_use = "a guard that is dropped at once releases at once"]
pub struct OwnedMutexGuard<R: lock_api::RawMutex, T: ?Sized> {
    mutex: Arc<lock_api::Mutex<R, T>>,
    state: ManuallyDrop<R::Guard>,
}

impl<R: lock_api::RawMutex, T: ?Sized> OwnedMutexGuard<R, T> {
    /// # Safety
    ///
    /// The caller holds the mutex with this state, and no guard was made.
    #[cfg_attr(not(feature = "async"), expect(dead_code, reason = "made by awaiting only"))]
    pub(crate) unsafe fn new(mutex: Arc<lock_api::Mutex<R, T>>, state: R::Guard) -> Self {
        Self { mutex, state: ManuallyDrop::new(state) }
    }

    /// The mutex that it holds.
    pub fn mutex(&self) -> &Arc<lock_api::Mutex<R, T>> {
        &self.mutex
    }
}

// SAFETY: a shared guard gives shared access to the data and to the mutex's
// `Arc`, of which another thread may so drop the last; and no access to the
// state.
unsafe impl<R: lock_api::RawMutex + Send + Sync, T: ?Sized + Send + Sync> Sync
    for OwnedMutexGuard<R, T>
{
}

impl<R: lock_api::RawMutex, T: ?Sized> Deref for OwnedMutexGuard<R, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard holds the mutex.
        unsafe { &*self.mutex.data_ptr() }
    }
}

impl<R: lock_api::RawMutex, T: ?Sized> DerefMut for OwnedMutexGuard<R, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard holds the mutex, and is borrowed exclusively.
        unsafe { &mut *self.mutex.data_ptr() }
    }
}

impl<R: lock_api::RawMutex, T: ?Sized> Drop for OwnedMutexGuard<R, T> {
    fn drop(&mut self) {
        // SAFETY: the guard holds the mutex with this state, which is taken
        // out here, once.
        unsafe { self.mutex.force_unlock(ManuallyDrop::take(&mut self.state)) };
    }
}

impl<R: lock_api::RawMutex, T: ?Sized + fmt::Debug> fmt::Debug for OwnedMutexGuard<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
