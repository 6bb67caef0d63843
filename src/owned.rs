//! Holds, permits and guards that keep their lock alive.
//!
//! Invariant C1 is that of [`ClosableSemaphore`]: the same in memory as the
//! semaphore that it is made of.

#![allow(unsafe_code)]

use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;
use core::mem::{self, ManuallyDrop};
use core::ops::{Deref, DerefMut};

use crate::backend::Backend;
use crate::error::{AcquireError, Closed, ConvertError, TooMany};
use crate::fifo_lock::FifoLock;
use crate::hold::{self, Hold, Holding, Units};
use crate::raw::mode::Rules;
use crate::semaphore::{ClosableSemaphore, Permit, Semaphore};
use crate::wait::Forever;

/// What an owned hold keeps alive: a [`FifoLock`], alone or with data.
#[doc(hidden)]
#[allow(unreachable_pub, reason = "the bound of a public type")]
pub trait Kept<R: Rules, B: Backend> {
    /// The lock.
    fn fifo_lock(&self) -> &FifoLock<R, B>;
}

impl<R: Rules, B: Backend> Kept<R, B> for FifoLock<R, B> {
    #[inline(always)]
    fn fifo_lock(&self) -> &FifoLock<R, B> {
        self
    }
}

/// A [`Hold`] that keeps its lock alive, and so may outlive every borrow.
///
/// `L` is what is kept alive: the lock, or a [`Guarded`](crate::Guarded); the
/// bound `Kept` means these, and cannot be implemented elsewhere.
///
/// ```
/// use std::{sync::Arc, thread};
/// use portunus::rules::{Access, ReadWrite};
/// use portunus::sync::FifoLock;
///
/// let lock = Arc::new(FifoLock::new(ReadWrite));
/// let hold = lock.acquire_owned(Access::Write);
/// assert!(lock.try_acquire_owned(Access::Read).is_none());
/// thread::spawn(move || drop(hold)).join().expect("no panic");
/// assert!(!lock.is_locked());
/// ```
#[must_use = "a hold that is dropped at once releases at once"]
pub struct OwnedHold<R: Rules, B: Backend, L: ?Sized + Kept<R, B> = FifoLock<R, B>> {
    lock: Arc<L>,
    units: Units,
    of: PhantomData<fn() -> (R, B)>,
}

impl<R: Rules, B: Backend, L: ?Sized + Kept<R, B>> OwnedHold<R, B, L> {
    pub(crate) fn new(lock: Arc<L>, units: Units) -> Self {
        Self { lock, units, of: PhantomData }
    }

    /// The mode in which it holds.
    pub fn mode(&self) -> R::Mode {
        self.units.mode()
    }

    /// How many units it holds.
    pub fn weight(&self) -> u32 {
        self.units.weight()
    }

    /// The lock that it holds.
    pub fn lock(&self) -> &Arc<L> {
        &self.lock
    }

    /// Changes its mode in one step, if that is possible now: see
    /// [`Hold::try_convert`].
    #[must_use = "if not, it is as it was"]
    pub fn try_convert(&mut self, mode: R::Mode) -> bool {
        let request = hold::conversion(self, mode);
        hold::try_convert(self, request)
    }

    /// Changes its mode in one step, waiting until that is possible: see
    /// [`Hold::convert`].
    ///
    /// # Errors
    ///
    /// As there; the hold is as it was.
    pub fn convert(&mut self, mode: R::Mode) -> Result<(), ConvertError> {
        let request = hold::conversion(self, mode);
        hold::convert(self, request, &Forever)
    }
}

impl<R: Rules, B: Backend, L: ?Sized + Kept<R, B>> Holding for OwnedHold<R, B, L> {
    type Rules = R;
    type Backend = B;

    #[inline(always)]
    fn fifo_lock(&self) -> &FifoLock<R, B> {
        self.lock.fifo_lock()
    }

    #[inline(always)]
    fn units(&self) -> Units {
        self.units
    }

    #[inline(always)]
    fn units_mut(&mut self) -> &mut Units {
        &mut self.units
    }
}

impl<R: Rules, B: Backend, L: ?Sized + Kept<R, B>> Drop for OwnedHold<R, B, L> {
    fn drop(&mut self) {
        self.units.release(self.lock.fifo_lock());
    }
}

impl<R: Rules, B: Backend, L: ?Sized + Kept<R, B>> fmt::Debug for OwnedHold<R, B, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedHold")
            .field("mode", &self.mode())
            .field("weight", &self.weight())
            .finish()
    }
}

impl<R: Rules, B: Backend> FifoLock<R, B> {
    pub(crate) fn own(self: &Arc<Self>, hold: Hold<'_, R, B>) -> OwnedHold<R, B> {
        OwnedHold::new(Arc::clone(self), hold.into_units())
    }
}

/// Permits that keep their semaphore alive, and so may outlive every borrow.
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
    /// As in [`Permit`](crate::semaphore::Permit).
    lined: u32,
}

impl<B: Backend> OwnedPermit<B> {
    pub(crate) fn new(semaphore: Arc<Semaphore<B>>, count: u32, lined: bool) -> Self {
        Self { semaphore, count, lined: u32::from(lined) }
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

    /// Takes `count` of them out into a permit of their own; `None` if there
    /// are fewer.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use portunus::sync::Semaphore;
    ///
    /// let slots = Arc::new(Semaphore::new(3));
    /// let mut three = slots.acquire_many_owned(3)?;
    /// let one = three.split(1).expect("there are three");
    /// assert_eq!((three.count(), one.count()), (2, 1));
    /// three.merge(one).expect("of the same semaphore");
    /// assert_eq!(three.count(), 3);
    /// # Ok::<(), portunus::TooMany>(())
    /// ```
    pub fn split(&mut self, count: u32) -> Option<Self> {
        self.count = self.count.checked_sub(count)?;
        Some(Self::new(Arc::clone(&self.semaphore), count, self.lined != 0))
    }

    /// Adds the permits of `other` to these. Another semaphore's come back as
    /// they are, and so do more than `u32::MAX` together.
    ///
    /// # Errors
    ///
    /// `other`, untouched.
    pub fn merge(&mut self, mut other: Self) -> Result<(), Self> {
        let sum = self.count.checked_add(other.count);
        match sum {
            Some(sum) if Arc::ptr_eq(&self.semaphore, &other.semaphore) => {
                self.count = sum;
                other.count = 0;
                Ok(())
            }
            _ => Err(other),
        }
    }

    /// Uses them up: they never go back, and the semaphore has so many permits
    /// fewer. Otherwise as [`Permit::forget`].
    pub fn forget(mut self) {
        let count = mem::take(&mut self.count);
        self.semaphore.permit(count, self.lined != 0).forget();
    }
}

impl<B: Backend> Drop for OwnedPermit<B> {
    fn drop(&mut self) {
        drop(self.semaphore.permit(self.count, self.lined != 0));
    }
}

impl<B: Backend> fmt::Debug for OwnedPermit<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit").field("count", &self.count).finish_non_exhaustive()
    }
}

impl<B: Backend> Semaphore<B> {
    pub(crate) fn own(self: &Arc<Self>, permit: Permit<'_, B>) -> OwnedPermit<B> {
        let (count, lined) = permit.into_parts();
        OwnedPermit::new(Arc::clone(self), count, lined)
    }
}

impl<B: Backend> ClosableSemaphore<B> {
    pub(crate) fn own(self: &Arc<Self>, permit: Permit<'_, B>) -> OwnedPermit<B> {
        let (count, lined) = permit.into_parts();
        OwnedPermit::new(self.share(), count, lined)
    }

    /// Another reference to the semaphore that this one is made of.
    pub(crate) fn share(self: &Arc<Self>) -> Arc<Semaphore<B>> {
        let this: *const Self = Arc::into_raw(Arc::clone(self));
        // SAFETY: C1: the same in memory, and so the same behind an `Arc`.
        unsafe { Arc::from_raw(this.cast()) }
    }
}

/// Writes how holds and permits that keep their lock alive are acquired: of the
/// locks, and with the holds, that have these names where it stands. `$permit`
/// is what a `ClosableSemaphore` gives.
macro_rules! acquiring_owned {
    ($permit:ident) => {
        impl<R: Rules, B: Backend> FifoLock<R, B> {
            /// Enters in `mode`, as [`acquire`](Self::acquire) does, with a
            /// hold that keeps the lock alive.
            pub fn acquire_owned(self: &Arc<Self>, mode: R::Mode) -> OwnedHold<R, B> {
                self.own(self.acquire(mode))
            }

            /// Enters in `mode`, as [`try_acquire`](Self::try_acquire) does,
            /// with a hold that keeps the lock alive.
            pub fn try_acquire_owned(self: &Arc<Self>, mode: R::Mode) -> Option<OwnedHold<R, B>> {
                self.try_acquire(mode).map(|hold| self.own(hold))
            }

            /// Enters with `weight` units of `mode`, as
            /// [`acquire_many`](Self::acquire_many) does, with a hold that
            /// keeps the lock alive.
            ///
            /// # Errors
            ///
            /// [`TooMany`] when not even an empty lock would admit so many.
            pub fn acquire_many_owned(
                self: &Arc<Self>,
                mode: R::Mode,
                weight: u32,
            ) -> Result<OwnedHold<R, B>, TooMany> {
                Ok(self.own(self.acquire_many(mode, weight)?))
            }

            /// Enters with `weight` units of `mode`, as
            /// [`try_acquire_many`](Self::try_acquire_many) does, with a hold
            /// that keeps the lock alive.
            ///
            /// # Errors
            ///
            /// [`TooMany`] when not even an empty lock would admit so many.
            pub fn try_acquire_many_owned(
                self: &Arc<Self>,
                mode: R::Mode,
                weight: u32,
            ) -> Result<Option<OwnedHold<R, B>>, TooMany> {
                Ok(self.try_acquire_many(mode, weight)?.map(|hold| self.own(hold)))
            }
        }

        impl<B: Backend> Semaphore<B> {
            /// Takes a permit that keeps the semaphore alive, as
            /// [`acquire`](Self::acquire) does.
            ///
            /// # Panics
            ///
            /// If it is closed, or becomes so while this waits.
            #[track_caller]
            pub fn acquire_owned(self: &Arc<Self>) -> OwnedPermit<B> {
                self.own(self.acquire())
            }

            /// Takes `count` permits that keep the semaphore alive, as
            /// [`acquire_many`](Self::acquire_many) does.
            ///
            /// # Errors
            ///
            /// [`TooMany`] when there are fewer permits in all, or it is
            /// closed; also when that comes about while this waits.
            pub fn acquire_many_owned(
                self: &Arc<Self>,
                count: u32,
            ) -> Result<OwnedPermit<B>, TooMany> {
                Ok(self.own(self.acquire_many(count)?))
            }

            /// Takes a permit that keeps the semaphore alive, as
            /// [`try_acquire`](Self::try_acquire) does.
            pub fn try_acquire_owned(self: &Arc<Self>) -> Option<OwnedPermit<B>> {
                self.try_acquire().map(|permit| self.own(permit))
            }

            /// Takes `count` permits that keep the semaphore alive, as
            /// [`try_acquire_many`](Self::try_acquire_many) does.
            ///
            /// # Errors
            ///
            /// [`TooMany`] when there are fewer permits in all, or it is
            /// closed.
            pub fn try_acquire_many_owned(
                self: &Arc<Self>,
                count: u32,
            ) -> Result<Option<OwnedPermit<B>>, TooMany> {
                Ok(self.try_acquire_many(count)?.map(|permit| self.own(permit)))
            }
        }

        impl<B: Backend> ClosableSemaphore<B> {
            /// Takes a permit that keeps the semaphore alive, as
            /// [`acquire`](Self::acquire) does.
            ///
            /// # Errors
            ///
            /// [`Closed`] if it is, or becomes so while this waits.
            pub fn acquire_owned(self: &Arc<Self>) -> Result<$permit<B>, Closed> {
                Ok(self.own(self.acquire()?))
            }

            /// Takes `count` permits that keep the semaphore alive, as
            /// [`acquire_many`](Self::acquire_many) does.
            ///
            /// # Errors
            ///
            /// As there.
            pub fn acquire_many_owned(
                self: &Arc<Self>,
                count: u32,
            ) -> Result<$permit<B>, AcquireError> {
                Ok(self.own(self.acquire_many(count)?))
            }

            /// Takes a permit that keeps the semaphore alive, as
            /// [`try_acquire`](Self::try_acquire) does.
            ///
            /// # Errors
            ///
            /// [`Closed`] if it is.
            pub fn try_acquire_owned(self: &Arc<Self>) -> Result<Option<$permit<B>>, Closed> {
                Ok(self.try_acquire()?.map(|permit| self.own(permit)))
            }

            /// Takes `count` permits that keep the semaphore alive, as
            /// [`try_acquire_many`](Self::try_acquire_many) does.
            ///
            /// # Errors
            ///
            /// As there.
            pub fn try_acquire_many_owned(
                self: &Arc<Self>,
                count: u32,
            ) -> Result<Option<$permit<B>>, AcquireError> {
                Ok(self.try_acquire_many(count)?.map(|permit| self.own(permit)))
            }
        }
    };
}
#[allow(unused_imports, reason = "of observed locks")]
pub(crate) use acquiring_owned;

acquiring_owned!(OwnedPermit);

/// The guard of an awaited mutex that keeps the mutex alive.
///
/// `lock_api` has `ArcMutexGuard` for blocking acquisitions, and no way to
/// make one from an acquisition that was awaited.
///
/// ```
/// # #[cfg(feature = "async")] {
/// use std::sync::Arc;
/// use portunus::{prelude::*, sync::{Mutex, OwnedMutexGuard}};
///
/// // The guard borrows nothing, and so may be returned.
/// async fn add(total: Arc<Mutex<u32>>) -> OwnedMutexGuard<u32> {
///     let mut total = total.lock_arc_async().await;
///     *total += 1;
///     total
/// }
/// let total = Arc::new(Mutex::new(6));
/// assert_eq!(*smol::block_on(add(total.clone())), 7);
/// assert!(!total.is_locked());
/// # }
/// ```
#[must_use = "a guard that is dropped at once releases at once"]
pub struct OwnedMutexGuard<R: lock_api::RawMutex, T: ?Sized> {
    mutex: Arc<lock_api::Mutex<R, T>>,
    state: ManuallyDrop<R::Guard>,
}

impl<R: lock_api::RawMutex, T: ?Sized> OwnedMutexGuard<R, T> {
    /// # Safety
    ///
    /// The caller holds the mutex with this state, and no guard was made.
    pub(crate) unsafe fn new(mutex: Arc<lock_api::Mutex<R, T>>, state: R::Guard) -> Self {
        Self { mutex, state: ManuallyDrop::new(state) }
    }

    /// Blocks until the mutex is held.
    pub(crate) fn lock(mutex: Arc<lock_api::Mutex<R, T>>) -> Self {
        // SAFETY: only asks for the lock; no guard's lock is let go.
        let state = unsafe { mutex.raw() }.lock();
        // SAFETY: just acquired.
        unsafe { Self::new(mutex, state) }
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
