//! Awaiting with a guard's lock let go.

use core::future::Future;

use lock_api::{MutexGuard, RwLockReadGuard, RwLockUpgradableReadGuard, RwLockWriteGuard};

use super::{
    AcquireHold, EnterDoor, Lock, MutexExt, Read, ReadDoor, RwLockExt, RwLockUpgradeExt,
    UpgradableRead, UpgradableReadDoor, Write, WriteDoor,
};
use crate::backend::Backend;
use crate::door::{DoorGuard, DoorReadGuard, DoorUpgradableReadGuard, DoorWriteGuard};
use crate::hold::Hold;
use crate::raw::mode::Rules;
use crate::raw::traits::{RawMutexAsync, RawRwLockAsync, RawRwLockUpgradeAsync};
use crate::releasing::{Releasable, Releasing};

/// A guard whose lock can be let go, and awaited again.
pub trait ReleasableAsync: Releasable {
    /// Awaits the lock.
    type Take: Future<Output = Self>;

    /// Takes the lock again, in the same way, suspending the task until its
    /// turn comes.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it leaves the line or passes the lock on,
    /// and the lock stays let go.
    fn take_async(place: Self::Place) -> Self::Take;

    /// Lets the lock go while `body` is awaited, and takes it again afterwards.
    ///
    /// The same as [`Releasing::scope_async`], as a method.
    ///
    /// # Cancel safety
    ///
    /// As [`Releasing::scope_async`].
    fn releasing_async<F: Future>(self, body: F) -> impl Future<Output = (Self, F::Output)> {
        Releasing::scope_async(self, body)
    }
}

impl<G: ReleasableAsync> Releasing<G> {
    /// Takes the lock again, suspending the task until its turn comes.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it leaves the line or passes the lock on,
    /// and the lock stays let go: there is no guard any more.
    pub fn reacquire_async(self) -> G::Take {
        G::take_async(self.place)
    }

    /// Lets the guard's lock go while `body` is awaited, and takes it again
    /// afterwards, waiting in line. It takes the guard and gives it back.
    ///
    /// Nothing happens before the first poll.
    ///
    /// ```
    /// use portunus::Releasing;
    /// use portunus::prelude::*;
    ///
    /// # smol::block_on(async {
    /// let stock = portunus::sync::Mutex::new(1);
    /// let guard = stock.lock_async().await;
    /// let (guard, found) = Releasing::scope_async(guard, async { *stock.lock() }).await;
    /// assert_eq!(*guard, found);
    /// # });
    /// ```
    ///
    /// # Cancel safety
    ///
    /// It owns the guard: dropped at any point, the guard is gone. Before the
    /// first poll, it is dropped with the future; later its lock is let go
    /// already, and a request to take it again leaves the line or passes it on.
    ///
    /// # Panics
    ///
    /// If `body` does. The guard is gone then, and its lock let go: nothing is
    /// taken again that nobody could hold.
    pub async fn scope_async<F: Future>(guard: G, body: F) -> (G, F::Output) {
        let releasing = Self::new(guard);
        let output = body.await;
        (releasing.reacquire_async().await, output)
    }
}

/// Writes `ReleasableAsync` for a guard that borrows its lock.
macro_rules! releasable {
    ($($guard:ident [$raw:ident] $($param:ident)?: $future:ident, $take:ident;)*) => {$(
        impl<'a, L: $raw, T: ?Sized $(, $param)?> ReleasableAsync
            for $guard<'a, L, T $(, $param)?>
        {
            type Take = $future<'a, L, T $(, $param)?>;

            fn take_async(place: Self::Place) -> Self::Take {
                place.$take()
            }
        }
    )*};
}

releasable! {
    MutexGuard [RawMutexAsync]: Lock, lock_async;
    RwLockReadGuard [RawRwLockAsync]: Read, read_async;
    RwLockWriteGuard [RawRwLockAsync]: Write, write_async;
    RwLockUpgradableReadGuard [RawRwLockUpgradeAsync]: UpgradableRead, upgradable_read_async;
    DoorGuard [RawMutexAsync] C: EnterDoor, enter_async;
    DoorReadGuard [RawRwLockAsync] C: ReadDoor, read_async;
    DoorWriteGuard [RawRwLockAsync] C: WriteDoor, write_async;
    DoorUpgradableReadGuard [RawRwLockUpgradeAsync] C: UpgradableReadDoor, upgradable_read_async;
}

impl<'a, R: Rules, B: Backend> ReleasableAsync for Hold<'a, R, B> {
    type Take = AcquireHold<'a, R, B>;

    fn take_async(place: Self::Place) -> Self::Take {
        let request = place.request();
        place.into_lock().acquire_again(request)
    }
}
