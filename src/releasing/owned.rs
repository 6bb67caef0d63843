//! Letting go with guards that keep their lock alive.

use alloc::sync::Arc;

use lock_api::{ArcMutexGuard, ArcRwLockReadGuard, ArcRwLockUpgradableReadGuard};
use lock_api::{ArcRwLockWriteGuard, Mutex, RawMutex, RawRwLock, RawRwLockUpgrade, RwLock};

use super::{HoldPlace, PermitPlace, Releasable, releasable};
use crate::backend::Backend;
use crate::door::{
    Door, OwnedDoorGuard, OwnedDoorReadGuard, OwnedDoorUpgradableReadGuard, OwnedDoorWriteGuard,
    SharedDoor,
};
use crate::hold::Holding;
use crate::owned::{Kept, OwnedHold, OwnedMutexGuard, OwnedPermit};
use crate::raw::mode::Rules;
use crate::semaphore::{Permit, Semaphore, gone};

releasable! {
    ArcMutexGuard<[RawMutex]>: Arc<Mutex<L, T>>, |guard| Arc::clone(Self::mutex(guard)), lock_arc;
    ArcRwLockReadGuard<[RawRwLock]>:
        Arc<RwLock<L, T>>, |guard| Arc::clone(Self::rwlock(guard)), read_arc;
    ArcRwLockWriteGuard<[RawRwLock]>:
        Arc<RwLock<L, T>>, |guard| Arc::clone(Self::rwlock(guard)), write_arc;
    ArcRwLockUpgradableReadGuard<[RawRwLockUpgrade]>:
        Arc<RwLock<L, T>>, |guard| Arc::clone(Self::rwlock(guard)), upgradable_read_arc;
    OwnedDoorGuard<[RawMutex] C>:
        Arc<Door<L, T, C>>, |guard| Arc::clone(Self::door(guard)), enter_arc;
    OwnedDoorReadGuard<[RawRwLock] C>:
        Arc<SharedDoor<L, T, C>>, |guard| Arc::clone(Self::door(guard)), read_arc;
    OwnedDoorWriteGuard<[RawRwLock] C>:
        Arc<SharedDoor<L, T, C>>, |guard| Arc::clone(Self::door(guard)), write_arc;
    OwnedDoorUpgradableReadGuard<[RawRwLockUpgrade] C>:
        Arc<SharedDoor<L, T, C>>, |guard| Arc::clone(Self::door(guard)), upgradable_read_arc;
}

impl<L: RawMutex, T: ?Sized> Releasable for OwnedMutexGuard<L, T> {
    type Place = Arc<Mutex<L, T>>;

    fn place(&self) -> Self::Place {
        Arc::clone(self.mutex())
    }

    fn take(place: Self::Place) -> Self {
        Self::lock(place)
    }
}

impl<R: Rules, B: Backend, L: ?Sized + Kept<R, B>> Releasable for OwnedHold<R, B, L> {
    type Place = HoldPlace<Arc<L>>;

    fn place(&self) -> Self::Place {
        HoldPlace::new(Arc::clone(self.lock()), self.units())
    }

    fn take(place: Self::Place) -> Self {
        let units = place.lock.fifo_lock().enter_again(place.request()).into_units();
        Self::new(place.lock, units)
    }
}

/// Taken again, they are as many as they were.
///
/// # Panics
///
/// If the semaphore was closed meanwhile, or has fewer permits now.
impl<B: Backend> Releasable for OwnedPermit<B> {
    type Place = PermitPlace<Arc<Semaphore<B>>>;

    fn place(&self) -> Self::Place {
        PermitPlace { semaphore: Arc::clone(self.semaphore()), count: self.count() }
    }

    fn take(place: Self::Place) -> Self {
        let (semaphore, count) = (place.semaphore, place.count);
        let again = Permit::take(PermitPlace { semaphore: &*semaphore, count });
        let (count, lined) = again.into_parts();
        Self::new(semaphore, count, lined)
    }

    fn take_or_nothing(place: Self::Place) -> (Self, bool) {
        let (semaphore, count) = (place.semaphore, place.count);
        let (again, whole) = Permit::take_or_nothing(PermitPlace { semaphore: &*semaphore, count });
        let (count, lined) = again.into_parts();
        (Self::new(semaphore, count, lined), whole)
    }

    fn gone() -> ! {
        gone()
    }
}
