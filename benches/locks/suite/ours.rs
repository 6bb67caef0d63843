//! This crate's locks as the scenarios see them.

use std::future::Future;
use std::hint::black_box;

use portunus::prelude::*;
use portunus::{Held, PerMode, ReadPreferring, Rules, UNLIMITED, WritePreferring};
use portunus::{spin, sync};

use super::kinds::{
    AsyncMutex, AsyncRwLock, AsyncSemaphore, Enter, Gate, PERMITS, ThreadMutex, ThreadRwLock,
    ThreadSemaphore,
};
use super::peers::{
    async_mutex, async_rwlock, async_semaphore, thread_mutex, thread_rwlock, thread_semaphore,
};

/// The name of the rows that the aims are about.
pub(crate) const OURS: &str = "portunus sync";

thread_mutex!(sync::Mutex<()>, OURS, Self::new(()), |lock| lock.lock());
thread_mutex!(spin::Mutex<()>, "portunus spin", Self::new(()), |lock| lock.lock());
async_mutex!(sync::Mutex<()>, OURS, Self::new(()), |lock| lock.lock_async());
async_mutex!(spin::Mutex<()>, "portunus spin", Self::new(()), |lock| lock.lock_async());

macro_rules! rwlock {
    ($type:ty, $name:expr) => {
        thread_rwlock!($type, $name, Self::new(()), |lock| lock.read(), lock.write());
        async_rwlock!($type, $name, Self::new(()), |lock| lock.read_async(), lock.write_async());
    };
}

rwlock!(sync::RwLock<()>, OURS);
rwlock!(spin::RwLock<()>, "portunus spin");
rwlock!(sync::RwLock<(), ReadPreferring>, "portunus read-preferring");
rwlock!(sync::RwLock<(), WritePreferring>, "portunus write-preferring");

macro_rules! semaphore {
    ($type:ty, $name:expr) => {
        thread_semaphore!($type, $name, Self::new(PERMITS), |lock| lock.acquire());
        async_semaphore!($type, $name, Self::new(PERMITS), |lock| lock.acquire_async());
    };
}

semaphore!(sync::Semaphore, OURS);
semaphore!(spin::Semaphore, "portunus spin");

portunus::modes! {
    /// How a transaction uses a table, as databases have it.
    pub(crate) enum Level {
        /// Reads some rows.
        IntentShared,
        /// Writes some rows.
        IntentExclusive,
        /// Reads the table.
        Shared,
        /// Reads the table and writes some rows.
        SharedIntentExclusive,
        /// Writes the table.
        Exclusive,
    }
}

/// A user's rule: five modes and a matrix of who goes beside whom.
pub(crate) struct Granularity;

impl Rules for Granularity {
    type Mode = Level;
    const LIMITS: PerMode<usize> = PerMode::all(UNLIMITED)
        .with(Level::SharedIntentExclusive.index(), 1)
        .with(Level::Exclusive.index(), 1);

    fn admits(&self, mode: Level, held: &Held<Level>) -> bool {
        let writes_rows = held[Level::IntentExclusive] + held[Level::SharedIntentExclusive] != 0;
        let reads_all = held[Level::Shared] + held[Level::SharedIntentExclusive] != 0;
        let writes_all = held[Level::Exclusive] != 0;
        match mode {
            Level::IntentShared => !writes_all,
            Level::IntentExclusive => !reads_all && !writes_all,
            Level::Shared => !writes_rows && !writes_all,
            Level::SharedIntentExclusive => !writes_rows && !reads_all && !writes_all,
            Level::Exclusive => held.is_empty(),
        }
    }
}

/// The names of the rows of the user's rule.
pub(crate) const FIVE_EXCLUSIVE: &str = "portunus sync, exclusive";
pub(crate) const FIVE_SHARED: &str = "portunus sync, shared";
pub(crate) const FIVE_INTENT: &str = "portunus sync, intent";

macro_rules! five_modes {
    ($type:ident, $backend:ident, $mode:ident, $name:expr) => {
        pub(crate) struct $type($backend::FifoLock<Granularity>);

        impl Enter for $type {
            const NAME: &'static str = $name;

            fn new() -> Self {
                Self($backend::FifoLock::new(Granularity))
            }

            #[inline(always)]
            fn pass<R>(&self, section: impl FnOnce() -> R) -> R {
                let hold = self.0.acquire(Level::$mode);
                let result = section();
                drop(hold);
                result
            }
        }

        impl Gate for $type {
            const NAME: &'static str = $name;

            fn new() -> Self {
                Self($backend::FifoLock::new(Granularity))
            }

            #[inline(always)]
            fn enter(&self) -> impl Future<Output = impl Sized> {
                self.0.acquire_async(Level::$mode)
            }

            fn shut(&self) -> impl Future<Output = impl Sized> {
                self.0.acquire_async(Level::Exclusive)
            }
        }
    };
}

/// The same in a mode that the compiler doesn't know.
pub(crate) struct FiveUnknown(sync::FifoLock<Granularity>);

impl FiveUnknown {
    const NAME: &'static str = "any mode, portunus sync";

    #[inline(always)]
    fn level() -> Level {
        black_box(Level::Shared)
    }
}

impl Enter for FiveUnknown {
    const NAME: &'static str = Self::NAME;

    fn new() -> Self {
        Self(sync::FifoLock::new(Granularity))
    }

    #[inline(always)]
    fn pass<R>(&self, section: impl FnOnce() -> R) -> R {
        let hold = self.0.acquire(Self::level());
        let result = section();
        drop(hold);
        result
    }
}

impl Gate for FiveUnknown {
    const NAME: &'static str = Self::NAME;

    fn new() -> Self {
        Self(sync::FifoLock::new(Granularity))
    }

    #[inline(always)]
    fn enter(&self) -> impl Future<Output = impl Sized> {
        self.0.acquire_async(Self::level())
    }

    fn shut(&self) -> impl Future<Output = impl Sized> {
        self.0.acquire_async(Level::Exclusive)
    }
}

five_modes!(FiveExclusive, sync, Exclusive, FIVE_EXCLUSIVE);
five_modes!(FiveShared, sync, Shared, FIVE_SHARED);
five_modes!(FiveIntent, sync, IntentShared, FIVE_INTENT);
five_modes!(FiveExclusiveSpin, spin, Exclusive, "portunus spin, exclusive");
five_modes!(FiveSharedSpin, spin, Shared, "portunus spin, shared");
