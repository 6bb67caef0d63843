//! Letting a guard's lock go for a while.

#![allow(unsafe_code)]

#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod owned;
mod permit;
#[cfg(feature = "std")]
mod reentrant;

#[allow(unreachable_pub, unused_imports, reason = "futures name it, and they are a feature")]
pub use permit::PermitPlace;

use core::fmt;
use core::mem;
use core::ptr;

use lock_api::{Mutex, MutexGuard, RawMutex, RawRwLock, RawRwLockUpgrade, RwLock};
use lock_api::{RwLockReadGuard, RwLockUpgradableReadGuard, RwLockWriteGuard};

use crate::backend::Backend;
use crate::door::{
    Door, DoorGuard, DoorReadGuard, DoorUpgradableReadGuard, DoorWriteGuard, SharedDoor,
};
use crate::fifo_lock::FifoLock;
use crate::guarded::{Data, ExclusiveMode, ReadGuard, WriteGuard};
use crate::hold::{Hold, Holding, Units};
use crate::raw::mode::Rules;
use crate::wait::node::Request;

/// A guard whose lock can be let go and taken again.
///
/// Implemented by the guards of mutexes, readers-writer locks and doors, by
/// holds and permits, and by those of them that keep their lock alive.
pub trait Releasable: Sized {
    /// What is kept meanwhile: the lock, and how it was held.
    type Place;

    /// The lock, and how it is held.
    fn place(&self) -> Self::Place;

    /// Takes the lock again, in the same way, waiting in line.
    ///
    /// # Blocking
    ///
    /// Blocks the calling thread or core.
    fn take(place: Self::Place) -> Self;

    /// The same; where it can never be taken again, a guard that holds nothing,
    /// and `false`.
    #[doc(hidden)]
    fn take_or_nothing(place: Self::Place) -> (Self, bool) {
        (Self::take(place), true)
    }

    /// What [`take`](Self::take) does where it can never be taken again.
    #[doc(hidden)]
    fn gone() -> ! {
        crate::misuse::stop("a lock that was let go for a while can't be taken again")
    }

    /// Lets the lock go while `body` runs, and holds it again afterwards.
    ///
    /// The same as [`Releasing::scope`], as a method.
    fn releasing<U>(&mut self, body: impl FnOnce() -> U) -> U {
        Releasing::scope(self, body)
    }
}

/// The inverse of a guard: while it is there, its lock is let go.
///
/// It is made from a guard, so nobody can let go of somebody else's lock.
/// Whoever waits enters meanwhile; to take the lock again is to wait in line,
/// behind them. The data may have changed.
///
/// For a scope, [`scope`](Self::scope) borrows the guard, which holds again
/// when it returns:
///
/// ```
/// use portunus::prelude::*;
/// use portunus::sync::Mutex;
///
/// let stock = Mutex::new(1);
/// let mut guard = stock.lock();
/// guard.releasing(|| {
///     // Somebody else could do this here.
///     *stock.lock() += 1;
/// });
/// assert_eq!(*guard, 2);
/// assert!(stock.try_lock().is_none());
/// ```
///
/// For longer, it takes the guard and gives it back:
///
/// ```
/// use portunus::Releasing;
/// use portunus::sync::Mutex;
///
/// let stock = Mutex::new(1);
/// let releasing = Releasing::new(stock.lock());
/// *stock.lock() += 1;
/// let guard = releasing.reacquire();
/// assert_eq!(*guard, 2);
/// ```
///
/// With `async` there are `reacquire_async` and `scope_async`.
///
/// # What it can't do
///
/// Only a guard can be let go, and only once. This does not compile:
///
/// ```compile_fail,E0382
/// use portunus::Releasing;
///
/// let stock = portunus::sync::Mutex::new(1);
/// let guard = stock.lock();
/// let one = Releasing::new(guard);
/// let two = Releasing::new(guard);
/// ```
///
/// This does:
///
/// ```
/// use portunus::Releasing;
///
/// let stock = portunus::sync::Mutex::new(1);
/// let guard = stock.lock();
/// let one = Releasing::new(guard);
/// let two = Releasing::new(one.reacquire());
/// ```
///
/// Dropped, it does not take the lock again: there would be no guard to hold
/// it. (An inverse guard that borrowed its guard could be forgotten, and leave
/// it alive without its lock.)
#[doc(alias = "unlocked")]
#[must_use = "dropped, it has let go for good"]
pub struct Releasing<G: Releasable> {
    pub(crate) place: G::Place,
}

impl<G: Releasable> Releasing<G> {
    /// Lets the guard's lock go.
    pub fn new(guard: G) -> Self {
        let place = guard.place();
        drop(guard);
        Self { place }
    }

    /// Takes the lock again, waiting in line.
    ///
    /// # Blocking
    ///
    /// Blocks the calling thread or core. In async code use `reacquire_async`.
    pub fn reacquire(self) -> G {
        G::take(self.place)
    }

    /// Lets the guard's lock go while `body` runs, and holds it again
    /// afterwards, waiting in line.
    ///
    /// # Blocking
    ///
    /// Blocks the calling thread or core until the lock is held again.
    ///
    /// # Panics
    ///
    /// If `body` does, or a waker or rule while the lock is let go. The guard
    /// holds its lock again before the panic goes on.
    ///
    /// Permits can't be taken again from a semaphore that was closed meanwhile,
    /// or has fewer permits now: it panics, and the guard is a permit for
    /// nothing, whose `count` is 0.
    ///
    /// # Aborts
    ///
    /// If taking the lock again panics, which is for the user's own rules to
    /// do: the guard would be without its lock.
    pub fn scope<U>(guard: &mut G, body: impl FnOnce() -> U) -> U {
        /// Writes the guard back, on every way out.
        struct Back<'g, G: Releasable> {
            guard: &'g mut G,
            place: Option<G::Place>,
        }
        impl<G: Releasable> Back<'_, G> {
            /// `false`: the guard holds nothing.
            fn take(&mut self) -> bool {
                let Some(place) = self.place.take() else { return true };
                let abort = AbortOnDrop;
                let (guard, whole) = G::take_or_nothing(place);
                // SAFETY: what stands there was read out, and is not dropped.
                unsafe { ptr::write(self.guard, guard) };
                mem::forget(abort);
                whole
            }
        }
        impl<G: Releasable> Drop for Back<'_, G> {
            fn drop(&mut self) {
                // The body's panic says more than one of ours.
                self.take();
            }
        }
        let place = Some(guard.place());
        let mut back = Back { guard, place };
        // SAFETY: `back` borrows the place exclusively, so nobody sees what was
        // read out, and writes another guard before the borrow ends.
        drop(unsafe { ptr::read(back.guard) });
        let output = body();
        if !back.take() {
            G::gone();
        }
        output
    }
}

/// Ends the program when it is dropped: a panic in a drop.
struct AbortOnDrop;

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        panic!("a lock that was let go for a while could not be taken again");
    }
}

impl<G: Releasable> fmt::Debug for Releasing<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Releasing").finish_non_exhaustive()
    }
}

/// Writes `Releasable` for a guard that borrows its lock, or shares it.
macro_rules! releasable {
    ($($guard:ident<$($life:lifetime,)? [$raw:ident] $($param:ident),*>: $place:ty, $of:expr, $take:ident;)*) => {$(
        impl<$($life,)? L: $raw, T: ?Sized $(, $param)*> Releasable
            for $guard<$($life,)? L, T $(, $param)*>
        {
            type Place = $place;

            fn place(&self) -> Self::Place {
                let of: fn(&Self) -> Self::Place = $of;
                of(self)
            }

            fn take(place: Self::Place) -> Self {
                place.$take()
            }
        }
    )*};
}
#[allow(unused_imports, reason = "used with an allocator")]
use releasable;

releasable! {
    MutexGuard<'a, [RawMutex]>: &'a Mutex<L, T>, |guard| Self::mutex(guard), lock;
    RwLockReadGuard<'a, [RawRwLock]>: &'a RwLock<L, T>, |guard| Self::rwlock(guard), read;
    RwLockWriteGuard<'a, [RawRwLock]>: &'a RwLock<L, T>, |guard| Self::rwlock(guard), write;
    RwLockUpgradableReadGuard<'a, [RawRwLockUpgrade]>:
        &'a RwLock<L, T>, |guard| Self::rwlock(guard), upgradable_read;
    DoorGuard<'a, [RawMutex] C>: &'a Door<L, T, C>, |guard| Self::door(guard), enter;
    DoorReadGuard<'a, [RawRwLock] C>: &'a SharedDoor<L, T, C>, |guard| Self::door(guard), read;
    DoorWriteGuard<'a, [RawRwLock] C>: &'a SharedDoor<L, T, C>, |guard| Self::door(guard), write;
    DoorUpgradableReadGuard<'a, [RawRwLockUpgrade] C>:
        &'a SharedDoor<L, T, C>, |guard| Self::door(guard), upgradable_read;
}

impl<'a, R: Rules, B: Backend> Releasable for Hold<'a, R, B> {
    type Place = HoldPlace<&'a FifoLock<R, B>>;

    fn place(&self) -> Self::Place {
        HoldPlace::new(self.lock(), self.units())
    }

    fn take(place: Self::Place) -> Self {
        place.lock.enter_again(place.request())
    }
}

/// How a hold was held, and the lock.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "an associated type")]
pub struct HoldPlace<L> {
    lock: L,
    units: Units,
}

impl<L> HoldPlace<L> {
    pub(crate) fn new(lock: L, units: Units) -> Self {
        Self { lock, units }
    }

    /// What the hold had asked for. It fitted once, so it may be asked for.
    pub(crate) fn request(&self) -> Request {
        self.units.request()
    }

    /// The lock.
    pub(crate) fn into_lock(self) -> L {
        self.lock
    }
}

/// How a guard of a [`Guarded`](crate::Guarded) was held, and its data.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "an associated type")]
pub struct DataPlace<P, T: ?Sized> {
    pub(crate) hold: P,
    /// Of the lock that is kept with `hold`.
    pub(crate) data: Data<T>,
}

impl<H: Releasable + Holding, T: ?Sized> Releasable for ReadGuard<H, T> {
    type Place = DataPlace<H::Place, T>;

    fn place(&self) -> Self::Place {
        DataPlace { hold: Self::hold(self).place(), data: Self::data(self) }
    }

    fn take(place: Self::Place) -> Self {
        Self::new(H::take(place.hold), place.data)
    }
}

impl<H: Releasable + Holding, T: ?Sized> Releasable for WriteGuard<H, T> {
    type Place = (DataPlace<H::Place, T>, ExclusiveMode<H::Rules>);

    fn place(&self) -> Self::Place {
        let place = DataPlace { hold: Self::hold(self).place(), data: Self::data(self) };
        (place, Self::exclusive_mode(self))
    }

    fn take((place, mode): Self::Place) -> Self {
        Self::new(H::take(place.hold), place.data, mode)
    }
}
