//! The other crates' locks as the scenarios see them.
//!
//! Locks that can be told to be fair are told so: `parking_lot` by its fair
//! unlocking (a row of its own), `futures-intrusive` by its flag.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::semaphore::Semaphore as _;

use super::kinds::{
    AsyncMutex, AsyncRwLock, AsyncSemaphore, PERMITS, ThreadMutex, ThreadRwLock, ThreadSemaphore,
};

/// Whether a peer is measured with a line of that length. One takes time in
/// proportion to its line for each that is served or leaves: with 100 000, a
/// single sample of it would take five minutes.
pub(crate) fn serves(name: &str, length: usize) -> bool {
    name != SAA || length <= 1_000
}

/// The name of the reference of what tasks do.
pub(crate) const MAITAKE: &str = "maitake";
/// A lock without atomics, for one thread.
pub(crate) const INTRUSIVE_LOCAL: &str = "futures-intrusive local";
/// The rows of locks between threads that are first come, first served and
/// park at once.
pub(crate) const PARKING: [&str; 4] = [PARKING_LOT_FAIR, TOKIO, MAITAKE, INTRUSIVE];
const PARKING_LOT_FAIR: &str = "parking_lot unlock_fair";
const TOKIO: &str = "tokio";
const INTRUSIVE: &str = "futures-intrusive";
const ASYNC_LOCK: &str = "async-lock";
/// The name of the reference of what gets through a lock.
pub(crate) const STD: &str = "std";
const EMBASSY: &str = "embassy-sync";
const SAA: &str = "saa";

/// A mutex whose guard comes from an expression.
macro_rules! thread_mutex {
    ($type:ty, $name:expr, $new:expr, |$lock:ident| $guard:expr) => {
        impl ThreadMutex for $type {
            const NAME: &'static str = $name;

            fn new() -> Self {
                $new
            }

            #[inline(always)]
            fn with<R>(&self, section: impl FnOnce() -> R) -> R {
                let $lock = self;
                $crate::suite::kinds::during($guard, section)
            }
        }
    };
}

/// A readers-writer lock whose guards come from expressions.
macro_rules! thread_rwlock {
    ($type:ty, $name:expr, $new:expr, |$lock:ident| $read:expr, $write:expr) => {
        impl ThreadRwLock for $type {
            const NAME: &'static str = $name;

            fn new() -> Self {
                $new
            }

            #[inline(always)]
            fn with_read<R>(&self, section: impl FnOnce() -> R) -> R {
                let $lock = self;
                $crate::suite::kinds::during($read, section)
            }

            #[inline(always)]
            fn with_write<R>(&self, section: impl FnOnce() -> R) -> R {
                let $lock = self;
                $crate::suite::kinds::during($write, section)
            }
        }
    };
}

/// A semaphore whose permit comes from an expression.
macro_rules! thread_semaphore {
    ($type:ty, $name:expr, $new:expr, |$lock:ident| $permit:expr) => {
        impl ThreadSemaphore for $type {
            const NAME: &'static str = $name;

            fn new() -> Self {
                $new
            }

            #[inline(always)]
            fn with<R>(&self, section: impl FnOnce() -> R) -> R {
                let $lock = self;
                $crate::suite::kinds::during($permit, section)
            }
        }
    };
}

/// A mutex whose future comes from an expression.
macro_rules! async_mutex {
    ($type:ty, $name:expr, $new:expr, |$lock:ident| $future:expr) => {
        impl AsyncMutex for $type {
            const NAME: &'static str = $name;

            fn new() -> Self {
                $new
            }

            #[inline(always)]
            fn lock_future(&self) -> impl Future<Output = impl Sized> {
                let $lock = self;
                $future
            }
        }
    };
}

/// A readers-writer lock whose futures come from expressions.
macro_rules! async_rwlock {
    ($type:ty, $name:expr, $new:expr, |$lock:ident| $read:expr, $write:expr) => {
        impl AsyncRwLock for $type {
            const NAME: &'static str = $name;

            fn new() -> Self {
                $new
            }

            #[inline(always)]
            fn read_future(&self) -> impl Future<Output = impl Sized> {
                let $lock = self;
                $read
            }

            #[inline(always)]
            fn write_future(&self) -> impl Future<Output = impl Sized> {
                let $lock = self;
                $write
            }
        }
    };
}

/// A semaphore whose future comes from an expression.
macro_rules! async_semaphore {
    ($type:ty, $name:expr, $new:expr, |$lock:ident| $future:expr) => {
        impl AsyncSemaphore for $type {
            const NAME: &'static str = $name;

            fn new() -> Self {
                $new
            }

            #[inline(always)]
            fn acquire_future(&self) -> impl Future<Output = impl Sized> {
                let $lock = self;
                $future
            }
        }
    };
}

pub(crate) use {
    async_mutex, async_rwlock, async_semaphore, thread_mutex, thread_rwlock, thread_semaphore,
};

// Threads only.

thread_mutex!(std::sync::Mutex<()>, STD, Self::new(()), |lock| lock.lock().unwrap());
thread_rwlock!(
    std::sync::RwLock<()>,
    STD,
    Self::new(()),
    |lock| lock.read().unwrap(),
    lock.write().unwrap()
);

thread_mutex!(parking_lot::Mutex<()>, "parking_lot", Self::new(()), |lock| lock.lock());
thread_rwlock!(
    parking_lot::RwLock<()>,
    "parking_lot",
    Self::new(()),
    |lock| lock.read(),
    lock.write()
);

/// `parking_lot`'s mutex, handing over each time.
pub(crate) struct ParkingLotFair(parking_lot::Mutex<()>);

impl ThreadMutex for ParkingLotFair {
    const NAME: &'static str = PARKING_LOT_FAIR;

    fn new() -> Self {
        Self(parking_lot::Mutex::new(()))
    }

    #[inline(always)]
    fn with<R>(&self, section: impl FnOnce() -> R) -> R {
        let guard = self.0.lock();
        let result = section();
        parking_lot::MutexGuard::unlock_fair(guard);
        result
    }
}

/// `parking_lot`'s readers-writer lock, handing over each time.
pub(crate) struct ParkingLotFairRwLock(parking_lot::RwLock<()>);

impl ThreadRwLock for ParkingLotFairRwLock {
    const NAME: &'static str = PARKING_LOT_FAIR;

    fn new() -> Self {
        Self(parking_lot::RwLock::new(()))
    }

    #[inline(always)]
    fn with_read<R>(&self, section: impl FnOnce() -> R) -> R {
        let guard = self.0.read();
        let result = section();
        parking_lot::RwLockReadGuard::unlock_fair(guard);
        result
    }

    #[inline(always)]
    fn with_write<R>(&self, section: impl FnOnce() -> R) -> R {
        let guard = self.0.write();
        let result = section();
        parking_lot::RwLockWriteGuard::unlock_fair(guard);
        result
    }
}

thread_mutex!(usync::Mutex<()>, "usync", Self::new(()), |lock| lock.lock());
thread_rwlock!(usync::RwLock<()>, "usync", Self::new(()), |lock| lock.read(), lock.write());

thread_mutex!(::spin::mutex::SpinMutex<()>, "spin", Self::new(()), |lock| lock.lock());

thread_rwlock!(::spin::RwLock<()>, "spin", Self::new(()), |lock| lock.read(), lock.write());

/// `maitake-sync`'s mutex for what is short.
pub(crate) type MaitakeSpinMutex = maitake_sync::blocking::Mutex<()>;
/// `maitake-sync`'s readers-writer lock for what is short.
pub(crate) type MaitakeSpinRwLock = maitake_sync::blocking::RwLock<()>;

impl ThreadMutex for MaitakeSpinMutex {
    const NAME: &'static str = "maitake spin";

    fn new() -> Self {
        Self::new(())
    }

    #[inline(always)]
    fn with<R>(&self, section: impl FnOnce() -> R) -> R {
        self.with_lock(|_| section())
    }
}

thread_rwlock!(MaitakeSpinRwLock, "maitake spin", Self::new(()), |lock| lock.read(), lock.write());

// Threads and tasks.

thread_mutex!(tokio::sync::Mutex<()>, TOKIO, Self::new(()), |lock| lock.blocking_lock());
thread_rwlock!(
    tokio::sync::RwLock<()>,
    TOKIO,
    Self::new(()),
    |lock| lock.blocking_read(),
    lock.blocking_write()
);
thread_semaphore!(tokio::sync::Semaphore, TOKIO, Self::new(PERMITS), |lock| {
    lock.blocking_acquire()
});
async_mutex!(tokio::sync::Mutex<()>, TOKIO, Self::new(()), |lock| lock.lock());
async_rwlock!(tokio::sync::RwLock<()>, TOKIO, Self::new(()), |lock| lock.read(), lock.write());
async_semaphore!(tokio::sync::Semaphore, TOKIO, Self::new(PERMITS), |lock| lock.acquire());

thread_mutex!(async_lock::Mutex<()>, ASYNC_LOCK, Self::new(()), |lock| lock.lock_blocking());
thread_rwlock!(
    async_lock::RwLock<()>,
    ASYNC_LOCK,
    Self::new(()),
    |lock| lock.read_blocking(),
    lock.write_blocking()
);
thread_semaphore!(async_lock::Semaphore, ASYNC_LOCK, Self::new(PERMITS), |lock| {
    lock.acquire_blocking()
});
async_mutex!(async_lock::Mutex<()>, ASYNC_LOCK, Self::new(()), |lock| lock.lock());
async_rwlock!(async_lock::RwLock<()>, ASYNC_LOCK, Self::new(()), |lock| lock.read(), lock.write());
async_semaphore!(async_lock::Semaphore, ASYNC_LOCK, Self::new(PERMITS), |lock| lock.acquire());

thread_mutex!(saa::Lock, SAA, Self::new(), |lock| Release::after(lock.lock_sync(), || {
    lock.release_lock();
}));
thread_rwlock!(
    saa::Lock,
    SAA,
    Self::new(),
    |lock| Release::after(lock.share_sync(), || {
        lock.release_share();
    }),
    Release::after(lock.lock_sync(), || {
        lock.release_lock();
    })
);
thread_semaphore!(saa::Semaphore, SAA, Self::with_permits(PERMITS), |lock| {
    lock.acquire_sync();
    Release(|| {
        lock.release();
    })
});
async_mutex!(saa::Lock, SAA, Self::new(), |lock| async {
    Release::after(lock.lock_async().await, || {
        lock.release_lock();
    })
});
async_rwlock!(
    saa::Lock,
    SAA,
    Self::new(),
    |lock| async {
        Release::after(lock.share_async().await, || {
            lock.release_share();
        })
    },
    async {
        Release::after(lock.lock_async().await, || {
            lock.release_lock();
        })
    }
);
async_semaphore!(saa::Semaphore, SAA, Self::with_permits(PERMITS), |lock| async {
    lock.acquire_async().await;
    Release(|| {
        lock.release();
    })
});

/// The guard of a lock that has none.
struct Release<F: FnMut()>(F);

impl<F: FnMut()> Release<F> {
    #[inline(always)]
    fn after(taken: bool, release: F) -> Self {
        debug_assert!(taken, "a lock is poisoned, and nobody did it");
        Self(release)
    }
}

impl<F: FnMut()> Drop for Release<F> {
    #[inline(always)]
    fn drop(&mut self) {
        (self.0)();
    }
}

// Tasks only.

async_mutex!(maitake_sync::Mutex<()>, MAITAKE, Self::new(()), |lock| lock.lock());
async_rwlock!(maitake_sync::RwLock<()>, MAITAKE, Self::new(()), |lock| lock.read(), lock.write());
async_semaphore!(maitake_sync::Semaphore, MAITAKE, Self::new(PERMITS), |lock| lock.acquire(1));

async_mutex!(futures_intrusive::sync::Mutex<()>, INTRUSIVE, Self::new((), true), |lock| {
    lock.lock()
});
async_mutex!(
    futures_intrusive::sync::LocalMutex<()>,
    INTRUSIVE_LOCAL,
    Self::new((), true),
    |lock| lock.lock()
);
async_semaphore!(futures_intrusive::sync::Semaphore, INTRUSIVE, Self::new(true, PERMITS), |lock| {
    lock.acquire(1)
});
async_semaphore!(
    futures_intrusive::sync::LocalSemaphore,
    INTRUSIVE_LOCAL,
    Self::new(true, PERMITS),
    |lock| lock.acquire(1)
);

/// `embassy-sync`'s locks remember one waiter, and each one who comes wakes the
/// one before: they stand only in tables without waiters.
pub(crate) type EmbassyMutex = embassy_sync::mutex::Mutex<CriticalSectionRawMutex, ()>;
pub(crate) type EmbassyRwLock = embassy_sync::rwlock::RwLock<CriticalSectionRawMutex, ()>;
/// This one has room for so many waiters inside.
pub(crate) type EmbassySemaphore =
    embassy_sync::semaphore::FairSemaphore<CriticalSectionRawMutex, 16>;

async_mutex!(EmbassyMutex, EMBASSY, Self::new(()), |lock| lock.lock());
async_rwlock!(EmbassyRwLock, EMBASSY, Self::new(()), |lock| lock.read(), lock.write());
async_semaphore!(EmbassySemaphore, EMBASSY, Self::new(PERMITS), |lock| lock.acquire(1));

/// A mutex made of `event-listener` and a flag, as its users write it. It lets
/// newcomers in before those who wait.
pub(crate) struct ListenerMutex {
    locked: AtomicBool,
    unlocked: event_listener::Event,
}

struct ListenerGuard<'a>(&'a ListenerMutex);

impl ListenerMutex {
    #[inline(always)]
    fn try_lock(&self) -> Option<ListenerGuard<'_>> {
        (!self.locked.swap(true, Ordering::Acquire)).then(|| ListenerGuard(self))
    }
}

impl Drop for ListenerGuard<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.locked.store(false, Ordering::Release);
        // It fences, so that the flag is clear when it looks for listeners.
        self.0.unlocked.notify(1);
    }
}

impl AsyncMutex for ListenerMutex {
    const NAME: &'static str = "event-listener";

    fn new() -> Self {
        Self { locked: AtomicBool::new(false), unlocked: event_listener::Event::new() }
    }

    #[inline(always)]
    async fn lock_future(&self) -> impl Sized {
        loop {
            if let Some(guard) = self.try_lock() {
                return guard;
            }
            let listener = self.unlocked.listen();
            if let Some(guard) = self.try_lock() {
                return guard;
            }
            listener.await;
        }
    }
}
