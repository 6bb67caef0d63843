//! Entry points to measure. `measure` links each group of them alone, the part
//! before the two underscores: what the linker keeps is what the primitive
//! costs.

#![no_std]
#![allow(non_snake_case, reason = "the names are the groups'")]

use core::mem::ManuallyDrop;
use core::panic::PanicInfo;
use core::pin::Pin;
use core::task::{Context, Poll};

use portunus::critical::{self, FifoLock, Hold, Permit, RwLock, Semaphore};
use portunus::prelude::*;
use portunus::rules::{Access, ReadWrite};
use portunus::{Fair, ReadPreferring, WritePreferring, single, spin};

#[panic_handler]
fn panicked(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// What the backend without an inner lock wants to be told.
pub struct Vouched;

// SAFETY: nothing here is ever run.
unsafe impl single::Alone for Vouched {}

/// A mutex takes at most 16 bytes on 32 bits, on every backend.
const _: () = {
    assert!(size_of::<spin::Mutex<()>>() <= 16);
    assert!(size_of::<critical::Mutex<()>>() <= 16);
    assert!(size_of::<single::Mutex<(), Vouched>>() <= 16);
};

/// A lock, how it is acquired, and how it is released.
macro_rules! blocking {
    ($(
        $lock:ident: $type:ty = $new:expr => {
            $($acquire:ident($($mode:ident: $modes:ty)?) $how:expr, $release:ident($guard:ty);)+
        }
    )+) => {$(
        #[unsafe(no_mangle)]
        pub static $lock: $type = $new;
        $(
            #[unsafe(no_mangle)]
            pub fn $acquire($($mode: $modes)?) -> $guard {
                $how
            }
            #[unsafe(no_mangle)]
            pub fn $release(guard: $guard) {
                drop(guard);
            }
        )+
    )+};
}

blocking! {
    mutex_spin__lock: spin::Mutex<()> = spin::Mutex::new(()) => {
        mutex_spin__acquire() mutex_spin__lock.lock(),
        mutex_spin__release(spin::MutexGuard<'static, ()>);
    }

    mutex_critical__lock: critical::Mutex<()> = critical::Mutex::new(()) => {
        mutex_critical__acquire() mutex_critical__lock.lock(),
        mutex_critical__release(critical::MutexGuard<'static, ()>);
    }

    mutex_single__lock: single::Mutex<(), Vouched> = single::Mutex::new(()) => {
        mutex_single__acquire() mutex_single__lock.lock(),
        mutex_single__release(single::MutexGuard<'static, (), Vouched>);
    }

    mutex_try__lock: critical::Mutex<()> = critical::Mutex::new(()) => {
        mutex_try__acquire() mutex_try__lock.try_lock(),
        mutex_try__release(Option<critical::MutexGuard<'static, ()>>);
    }

    fifo__lock: FifoLock<ReadWrite> = FifoLock::new(ReadWrite) => {
        fifo__acquire(mode: Access) fifo__lock.acquire(mode),
        fifo__release(Hold<'static, ReadWrite>);
    }

    fair__lock: RwLock<(), Fair> = RwLock::new(()) => {
        fair__read() fair__lock.read(),
        fair__release_read(critical::RwLockReadGuard<'static, (), Fair>);
        fair__write() fair__lock.write(),
        fair__release_write(critical::RwLockWriteGuard<'static, (), Fair>);
    }

    readers__lock: RwLock<(), ReadPreferring> = RwLock::new(()) => {
        readers__read() readers__lock.read(),
        readers__release_read(critical::RwLockReadGuard<'static, (), ReadPreferring>);
        readers__write() readers__lock.write(),
        readers__release_write(critical::RwLockWriteGuard<'static, (), ReadPreferring>);
    }

    writers__lock: RwLock<(), WritePreferring> = RwLock::new(()) => {
        writers__read() writers__lock.read(),
        writers__release_read(critical::RwLockReadGuard<'static, (), WritePreferring>);
        writers__write() writers__lock.write(),
        writers__release_write(critical::RwLockWriteGuard<'static, (), WritePreferring>);
    }

    semaphore__lock: Semaphore = Semaphore::new(2) => {
        semaphore__acquire() semaphore__lock.acquire(),
        semaphore__release(Permit<'static>);
    }
}

/// A lock that is awaited: a poll, a cancellation, and the release.
macro_rules! awaited {
    ($($lock:ident: $type:ty = $new:expr;
       $poll:ident, $cancel:ident, $room:ident: $future:ty, $release:ident($guard:ty);)+) => {$(
        #[unsafe(no_mangle)]
        pub static $lock: $type = $new;
        #[unsafe(no_mangle)]
        pub fn $poll(future: Pin<&mut $future>, cx: &mut Context<'_>) -> Poll<$guard> {
            future.poll(cx)
        }
        /// # Safety
        ///
        /// The future is not used again.
        #[unsafe(no_mangle)]
        pub unsafe fn $cancel(future: &mut ManuallyDrop<$future>) {
            // SAFETY: by this function's contract.
            unsafe { ManuallyDrop::drop(future) };
        }
        /// As large as the future.
        #[unsafe(no_mangle)]
        pub static $room: [u8; size_of::<$future>()] = [0; size_of::<$future>()];
        #[unsafe(no_mangle)]
        pub fn $release(guard: $guard) {
            drop(guard);
        }
    )+};
}

awaited! {
    mutex_await__lock: critical::Mutex<()> = critical::Mutex::new(());
    mutex_await__poll, mutex_await__cancel,
    mutex_await__future: portunus::future::Lock<'static, critical::RawMutex, ()>,
    mutex_await__release(critical::MutexGuard<'static, ()>);

    fifo_await__lock: FifoLock<ReadWrite> = FifoLock::new(ReadWrite);
    fifo_await__poll, fifo_await__cancel,
    fifo_await__future: portunus::future::AcquireHold<'static, ReadWrite, critical::Critical>,
    fifo_await__release(Hold<'static, ReadWrite>);

    semaphore_await__lock: Semaphore = Semaphore::new(2);
    semaphore_await__poll, semaphore_await__cancel,
    semaphore_await__future: portunus::future::AcquirePermit<'static, critical::Critical>,
    semaphore_await__release(Permit<'static>);
}

/// How it is asked for, so that the futures' constructors are used.
#[unsafe(no_mangle)]
pub fn unmeasured__make() -> portunus::future::Lock<'static, critical::RawMutex, ()> {
    mutex_await__lock.lock_async()
}

/// What `measure` has to notice: something that can panic.
#[unsafe(no_mangle)]
pub fn control__acquire(at: usize) -> u8 {
    static PLACES: [u8; 4] = [3, 1, 2, 0];
    PLACES[at]
}
