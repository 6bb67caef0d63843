//! Holds, permits and guards that keep their observed lock alive.

use alloc::sync::Arc;

use super::fifo_lock::FifoLock;
use super::guarded::Guarded;
use super::hold::{Hold, Locked};
use super::permit::{Counting, Permit};
use super::semaphore::{ClosableSemaphore, Semaphore};
use crate::backend::Backend;
use crate::error::{AcquireError, Closed, TooMany};
use crate::guarded::{
    MappedReadGuard, MappedWriteGuard, ReadGuard, WriteGuard, WriteMode, acquiring_arc,
};
use crate::owned::acquiring_owned;
use crate::raw::mode::Rules;

/// A [`Hold`] that keeps its lock alive, and so may outlive every borrow.
///
/// ```
/// use std::{sync::Arc, thread};
/// use portunus::observe::sync::FifoLock;
/// use portunus::rules::{Access, ReadWrite};
///
/// let table = Arc::new(FifoLock::new(ReadWrite));
/// let hold = table.acquire_owned(Access::Write);
/// thread::spawn(move || drop(hold)).join().expect("no panic");
/// assert_eq!((table.report().acquisitions, table.is_locked()), (1, false));
/// ```
pub type OwnedHold<R, B> = Hold<Arc<FifoLock<R, B>>>;

/// Permits that keep their semaphore alive, and so may outlive every borrow.
pub type OwnedPermit<B> = Permit<Arc<Semaphore<B>>>;

/// Permits that keep their [`ClosableSemaphore`] alive.
pub type OwnedClosablePermit<B> = Permit<Arc<ClosableSemaphore<B>>>;

/// A hold that keeps a [`Guarded`] alive.
pub type ArcHold<R, T, B> = Hold<Arc<Guarded<R, T, B>>>;

/// A [`ReadGuard`] that keeps its observed data alive.
///
/// ```
/// use std::{sync::Arc, thread};
/// use portunus::observe::sync::Guarded;
/// use portunus::rules::{Access, ReadWrite};
///
/// let number = Arc::new(Guarded::new(ReadWrite, 1));
/// let reading = number.read_arc(Access::Read);
/// let seen = thread::spawn(move || *reading).join();
/// assert_eq!((seen.ok(), number.report().acquisitions), (Some(1), 1));
/// ```
pub type ArcReadGuard<R, T, B> = ReadGuard<ArcHold<R, T, B>, T>;

/// A [`WriteGuard`] that keeps its observed data alive.
pub type ArcWriteGuard<R, T, B> = WriteGuard<ArcHold<R, T, B>, T>;

/// A [`MappedReadGuard`] of a part `U` that keeps the whole observed data alive.
pub type ArcMappedReadGuard<R, T, B, U> = MappedReadGuard<ArcHold<R, T, B>, U>;

/// A [`MappedWriteGuard`] of a part `U` that keeps the whole observed data
/// alive.
pub type ArcMappedWriteGuard<R, T, B, U> = MappedWriteGuard<ArcHold<R, T, B>, U>;

impl<L: ?Sized + Locked> Hold<Arc<L>> {
    /// The lock that it holds.
    pub fn lock(&self) -> &Arc<L> {
        self.kept()
    }
}

impl<S: Counting> Permit<Arc<S>> {
    /// The semaphore that they belong to.
    #[must_use]
    pub fn semaphore(&self) -> &Arc<S> {
        self.kept()
    }
}

impl<R: Rules, B: Backend> FifoLock<R, B> {
    /// Makes a hold of this lock keep it alive.
    pub(super) fn own(self: &Arc<Self>, hold: Hold<&Self>) -> OwnedHold<R, B> {
        Hold::new(Arc::clone(self), hold.into_units())
    }
}

impl<B: Backend> Semaphore<B> {
    /// Makes permits of this semaphore keep it alive.
    pub(super) fn own(self: &Arc<Self>, permit: Permit<&Self>) -> OwnedPermit<B> {
        Permit::new(Arc::clone(self), permit.into_parts())
    }
}

impl<B: Backend> ClosableSemaphore<B> {
    /// Makes permits of this semaphore keep it alive.
    pub(super) fn own(self: &Arc<Self>, permit: Permit<&Semaphore<B>>) -> OwnedClosablePermit<B> {
        Permit::new(Arc::clone(self), permit.into_parts())
    }
}

impl<R: Rules, T: ?Sized, B: Backend> Guarded<R, T, B> {
    /// Makes a hold of its lock keep this alive.
    pub(super) fn keep(self: &Arc<Self>, hold: Hold<&FifoLock<R, B>>) -> ArcHold<R, T, B> {
        Hold::new(Arc::clone(self), hold.into_units())
    }

    /// The guard of a hold that is to keep this alive.
    pub(super) fn reading(self: &Arc<Self>, hold: Hold<&FifoLock<R, B>>) -> ArcReadGuard<R, T, B> {
        ReadGuard::new(self.keep(hold), self.data())
    }
}

acquiring_owned!(OwnedClosablePermit);
acquiring_arc!();
