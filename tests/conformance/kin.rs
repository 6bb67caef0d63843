//! The locks that scripts are played on: the plain ones, and each by what keeps
//! it alive.

use portunus::raw::RawRwLockAsync;
use portunus::rules::Preference;
use portunus::{Backend, Rules};

use crate::subject::{Count, Owned, Permits, Subject, Want};

/// One kind of each lock.
pub(crate) trait Kin: 'static {
    type FifoLock<R: Rules + Send + Sync + 'static, B: Backend>: Subject<Ask = R::Mode>;
    type Mutex<B: Backend>: Subject<Ask = ()>;
    type RwLock<P: Preference, B: Backend>: Subject<Ask = Want>;
    type RawRwLock<P: Preference, B: Backend>: RawRwLockAsync;
    type Semaphore<B: Backend>: Subject<Ask = u32> + Permits;
    type ClosableSemaphore<B: Backend>: Subject<Ask = Count> + Permits;

    fn fifo_lock<R: Rules + Send + Sync + 'static, B: Backend>(rules: R) -> Self::FifoLock<R, B>;
    fn mutex<B: Backend>() -> Self::Mutex<B>;
    fn rwlock<P: Preference, B: Backend>() -> Self::RwLock<P, B>;
    fn semaphore<B: Backend>(permits: usize) -> Self::Semaphore<B>;
    fn closable<B: Backend>(permits: usize) -> Self::ClosableSemaphore<B>;

    /// The readers-writer lock itself.
    fn inner<P: Preference, B: Backend>(
        lock: &Self::RwLock<P, B>,
    ) -> &lock_api::RwLock<Self::RawRwLock<P, B>, u64>;
}

/// Writes a kin: what stands around its locks, and where these come from.
macro_rules! kin {
    ($kin:ident, $around:ident, $make:expr, $($from:ident)::+) => {
        impl Kin for $kin {
            type FifoLock<R: Rules + Send + Sync + 'static, B: Backend> =
                $around<$($from)::+::FifoLock<R, B>>;
            type Mutex<B: Backend> = $around<$($from)::+::Mutex<B>>;
            type RwLock<P: Preference, B: Backend> = $around<$($from)::+::RwLock<P, B>>;
            type RawRwLock<P: Preference, B: Backend> = $($from)::+::RawRwLock<P, B>;
            type Semaphore<B: Backend> = $around<$($from)::+::Semaphore<B>>;
            type ClosableSemaphore<B: Backend> = $around<$($from)::+::ClosableSemaphore<B>>;

            fn fifo_lock<R: Rules + Send + Sync + 'static, B: Backend>(
                rules: R,
            ) -> Self::FifoLock<R, B> {
                $make($($from)::+::FifoLock::new(rules))
            }

            fn mutex<B: Backend>() -> Self::Mutex<B> {
                $make($($from)::+::Mutex::new(0))
            }

            fn rwlock<P: Preference, B: Backend>() -> Self::RwLock<P, B> {
                $make($($from)::+::RwLock::new(0))
            }

            fn semaphore<B: Backend>(permits: usize) -> Self::Semaphore<B> {
                $make($($from)::+::Semaphore::new(permits))
            }

            fn closable<B: Backend>(permits: usize) -> Self::ClosableSemaphore<B> {
                $make($($from)::+::ClosableSemaphore::new(permits))
            }

            fn inner<P: Preference, B: Backend>(
                lock: &Self::RwLock<P, B>,
            ) -> &lock_api::RwLock<Self::RawRwLock<P, B>, u64> {
                lock
            }
        }
    };
}
pub(crate) use kin;

/// Nothing stands around a lock.
pub(crate) type Itself<L> = L;

/// Where the plain locks come from.
mod plain {
    pub(super) use portunus::{ClosableSemaphore, FifoLock, RawRwLock, Semaphore};

    pub(super) use crate::subject::{Mutex, RwLock};
}

/// The plain locks.
pub(crate) struct Plain;

kin!(Plain, Itself, core::convert::identity, plain);

/// The plain locks, held by what keeps them alive.
pub(crate) struct Kept;

kin!(Kept, Owned, Owned::new, plain);
