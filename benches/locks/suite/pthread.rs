//! The C library's locks, called as C would, and a lock made of the system's
//! calls.
//!
//! None is moved while it is held. Before that it may be: in this library they
//! are plain words, without addresses.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use super::kinds::{PERMITS, ThreadMutex, ThreadRwLock, ThreadSemaphore};
use super::reference::is_served_soon;

/// The mutex of one process.
pub(crate) struct PthreadMutex(UnsafeCell<libc::pthread_mutex_t>);

/// The mutex for memory that processes share, which survives its owner's
/// death.
pub(crate) struct PthreadRobust(UnsafeCell<libc::pthread_mutex_t>);

/// The readers-writer lock of one process.
pub(crate) struct PthreadRwLock(UnsafeCell<libc::pthread_rwlock_t>);

/// The semaphore of one process.
pub(crate) struct PosixSemaphore(UnsafeCell<libc::sem_t>);

// SAFETY: these are made to be used by several threads.
unsafe impl Sync for PthreadMutex {}
// SAFETY: free, it belongs to no thread.
unsafe impl Send for PthreadMutex {}

macro_rules! checked {
    ($call:expr) => {{
        // SAFETY: the lock is initialised, and given back by who took it.
        let error = unsafe { $call };
        debug_assert_eq!(error, 0);
    }};
}

macro_rules! pthread_mutex {
    ($type:ident, $name:expr, $new:expr) => {
        impl ThreadMutex for $type {
            const NAME: &'static str = $name;

            fn new() -> Self {
                Self(UnsafeCell::new($new))
            }

            #[inline(always)]
            fn with<R>(&self, section: impl FnOnce() -> R) -> R {
                checked!(libc::pthread_mutex_lock(self.0.get()));
                let result = section();
                checked!(libc::pthread_mutex_unlock(self.0.get()));
                result
            }
        }
    };
}

pthread_mutex!(PthreadMutex, "pthread", libc::PTHREAD_MUTEX_INITIALIZER);
pthread_mutex!(PthreadRobust, "pthread robust, shared", robust());

fn robust() -> libc::pthread_mutex_t {
    let mut mutex = MaybeUninit::uninit();
    let mut attributes = MaybeUninit::uninit();
    let attributes = attributes.as_mut_ptr();
    // SAFETY: the attributes are initialised by the first call, and the mutex
    // by the one that uses them.
    unsafe {
        assert_eq!(libc::pthread_mutexattr_init(attributes), 0);
        assert_eq!(libc::pthread_mutexattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED), 0);
        assert_eq!(libc::pthread_mutexattr_setrobust(attributes, libc::PTHREAD_MUTEX_ROBUST), 0);
        assert_eq!(libc::pthread_mutex_init(mutex.as_mut_ptr(), attributes), 0);
        libc::pthread_mutexattr_destroy(attributes);
        mutex.assume_init()
    }
}

impl ThreadRwLock for PthreadRwLock {
    const NAME: &'static str = "pthread";

    fn new() -> Self {
        Self(UnsafeCell::new(libc::PTHREAD_RWLOCK_INITIALIZER))
    }

    #[inline(always)]
    fn with_read<R>(&self, section: impl FnOnce() -> R) -> R {
        checked!(libc::pthread_rwlock_rdlock(self.0.get()));
        let result = section();
        checked!(libc::pthread_rwlock_unlock(self.0.get()));
        result
    }

    #[inline(always)]
    fn with_write<R>(&self, section: impl FnOnce() -> R) -> R {
        checked!(libc::pthread_rwlock_wrlock(self.0.get()));
        let result = section();
        checked!(libc::pthread_rwlock_unlock(self.0.get()));
        result
    }
}

impl ThreadSemaphore for PosixSemaphore {
    const NAME: &'static str = "sem_t";

    fn new() -> Self {
        let mut semaphore = MaybeUninit::uninit();
        // SAFETY: the call initialises it.
        unsafe {
            assert_eq!(libc::sem_init(semaphore.as_mut_ptr(), 0, PERMITS as u32), 0);
            Self(UnsafeCell::new(semaphore.assume_init()))
        }
    }

    #[inline(always)]
    fn with<R>(&self, section: impl FnOnce() -> R) -> R {
        checked!(libc::sem_wait(self.0.get()));
        let result = section();
        checked!(libc::sem_post(self.0.get()));
        result
    }
}

/// First come, first served, in twelve bytes; who waits pauses, yields, then
/// sleeps on the ticket that is served.
///
/// It does what [`AdaptiveTicket`](super::reference::AdaptiveTicket) does without
/// that one's six kilobytes, which give each counter and each sleeper a cache
/// line to itself.
pub(crate) struct FutexTicket {
    next: AtomicU32,
    serving: AtomicU32,
    sleepers: AtomicU32,
}

/// The name of the reference of handovers between threads in a lock of few
/// bytes.
pub(crate) const FUTEX_TICKET: &str = "futex ticket";

impl FutexTicket {
    fn call(&self, operation: libc::c_int, value: u32, ticket: u32) {
        // SAFETY: the word lives as long as the lock, which is borrowed; a wait
        // has no end but a wake-up. A call that fails is one that found the word
        // changed, or was interrupted: the caller looks again.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                self.serving.as_ptr(),
                operation | libc::FUTEX_PRIVATE_FLAG,
                value,
                ptr::null::<libc::timespec>(),
                ptr::null::<u32>(),
                1_u32 << (ticket % u32::BITS),
            );
        }
    }

    #[cold]
    fn wait(&self, mine: u32) {
        if is_served_soon(&self.serving, mine) {
            return;
        }
        // SeqCst here and in `with`: either the sleeper sees that it is served,
        // or the server sees that somebody sleeps.
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        loop {
            let now = self.serving.load(Ordering::SeqCst);
            if now == mine {
                break;
            }
            self.call(libc::FUTEX_WAIT_BITSET, now, mine);
        }
        self.sleepers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ThreadMutex for FutexTicket {
    const NAME: &'static str = FUTEX_TICKET;

    fn new() -> Self {
        Self { next: AtomicU32::new(0), serving: AtomicU32::new(0), sleepers: AtomicU32::new(0) }
    }

    #[inline(always)]
    fn with<R>(&self, section: impl FnOnce() -> R) -> R {
        let mine = self.next.fetch_add(1, Ordering::Relaxed);
        if self.serving.load(Ordering::Acquire) != mine {
            self.wait(mine);
        }
        let result = section();
        let next = mine.wrapping_add(1);
        self.serving.swap(next, Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) != 0 {
            self.call(libc::FUTEX_WAKE_BITSET, i32::MAX as u32, next);
        }
        result
    }
}
