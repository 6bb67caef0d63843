//! The C library's locks, and the kernel's, in memory that processes share.

use std::cell::UnsafeCell;
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

/// The names of the rows.
pub(crate) const ROBUST: &str = "pthread mutex, robust";
pub(crate) const PLAIN: &str = "pthread mutex, shared";
pub(crate) const RWLOCK: &str = "pthread rwlock, shared";
pub(crate) const SEMAPHORE: &str = "sem_t, shared";
pub(crate) const FLOCK: &str = "flock";

/// Memory that this process and its children share, for as long as the program
/// runs. It is the middle of a page, for the reason that
/// [`Page`](super::machine::Page) has.
pub(crate) fn shared<T>(value: T) -> &'static T {
    let (read_write, shared) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping, which is never given back: large enough for a
    // `T` in its middle.
    unsafe {
        let page = libc::mmap(ptr::null_mut(), 2048 + size_of::<T>(), read_write, shared, -1, 0);
        assert_ne!(page, libc::MAP_FAILED);
        let place: *mut T = page.byte_add(2048).cast();
        place.write(value);
        &*place
    }
}

fn check(error: i32) {
    assert_eq!(error, 0, "the C library refuses");
}

/// An exclusive lock.
pub(crate) trait Lock: Sync {
    fn enter(&self);
    fn leave(&self);
}

macro_rules! place {
    ($(#[$meta:meta])* $name:ident, $type:ty) => {
        $(#[$meta])*
        pub(crate) struct $name(UnsafeCell<MaybeUninit<$type>>);

        // SAFETY: these are made to be used by several threads.
        unsafe impl Sync for $name {}

        impl $name {
            pub(crate) const fn new() -> Self {
                Self(UnsafeCell::new(MaybeUninit::zeroed()))
            }

            #[inline(always)]
            pub(crate) fn get(&self) -> *mut $type {
                self.0.get().cast()
            }
        }
    };
}

place! {
    /// A mutex, which is initialised where it stays.
    Mutex, libc::pthread_mutex_t
}
place! {
    /// A lock of readers and writers.
    RwLock, libc::pthread_rwlock_t
}
place! {
    /// A semaphore.
    Semaphore, libc::sem_t
}
place! {
    /// A condition.
    Condition, libc::pthread_cond_t
}

impl Mutex {
    pub(crate) fn init(&self, robust: bool) {
        let mut kind = MaybeUninit::uninit();
        // SAFETY: the first call initialises what the others are given, and
        // the place is this lock's own.
        unsafe {
            check(libc::pthread_mutexattr_init(kind.as_mut_ptr()));
            check(libc::pthread_mutexattr_setpshared(
                kind.as_mut_ptr(),
                libc::PTHREAD_PROCESS_SHARED,
            ));
            if robust {
                check(libc::pthread_mutexattr_setrobust(
                    kind.as_mut_ptr(),
                    libc::PTHREAD_MUTEX_ROBUST,
                ));
            }
            check(libc::pthread_mutex_init(self.get(), kind.as_ptr()));
        }
    }

    /// Takes a robust one; `true`: its last owner died.
    pub(crate) fn enter_robust(&self) -> bool {
        // SAFETY: it is initialised.
        match unsafe { libc::pthread_mutex_lock(self.get()) } {
            0 => false,
            libc::EOWNERDEAD => {
                // SAFETY: this thread has just got it.
                check(unsafe { libc::pthread_mutex_consistent(self.get()) });
                true
            }
            error => panic!("the C library refuses: {error}"),
        }
    }
}

impl Lock for Mutex {
    #[inline(always)]
    fn enter(&self) {
        // SAFETY: it is initialised.
        unsafe { libc::pthread_mutex_lock(self.get()) };
    }

    #[inline(always)]
    fn leave(&self) {
        // SAFETY: whoever calls has it.
        unsafe { libc::pthread_mutex_unlock(self.get()) };
    }
}

impl RwLock {
    pub(crate) fn init(&self) {
        let mut kind = MaybeUninit::uninit();
        // SAFETY: as for the mutex.
        unsafe {
            check(libc::pthread_rwlockattr_init(kind.as_mut_ptr()));
            check(libc::pthread_rwlockattr_setpshared(
                kind.as_mut_ptr(),
                libc::PTHREAD_PROCESS_SHARED,
            ));
            check(libc::pthread_rwlock_init(self.get(), kind.as_ptr()));
        }
    }

    #[inline(always)]
    pub(crate) fn enter_shared(&self) {
        // SAFETY: it is initialised.
        unsafe { libc::pthread_rwlock_rdlock(self.get()) };
    }
}

impl Lock for RwLock {
    #[inline(always)]
    fn enter(&self) {
        // SAFETY: it is initialised.
        unsafe { libc::pthread_rwlock_wrlock(self.get()) };
    }

    #[inline(always)]
    fn leave(&self) {
        // SAFETY: whoever calls has it.
        unsafe { libc::pthread_rwlock_unlock(self.get()) };
    }
}

impl Semaphore {
    pub(crate) fn init(&self, permits: u32) {
        // SAFETY: the place is this semaphore's own, and nobody uses it now.
        check(unsafe { libc::sem_init(self.get(), 1, permits) });
    }
}

impl Lock for Semaphore {
    #[inline(always)]
    fn enter(&self) {
        // SAFETY: it is initialised. A signal may end the waiting.
        while unsafe { libc::sem_wait(self.get()) } != 0 {}
    }

    #[inline(always)]
    fn leave(&self) {
        // SAFETY: it is initialised.
        unsafe { libc::sem_post(self.get()) };
    }
}

impl Condition {
    pub(crate) fn init(&self) {
        let mut kind = MaybeUninit::uninit();
        // SAFETY: as for the mutex.
        unsafe {
            check(libc::pthread_condattr_init(kind.as_mut_ptr()));
            check(libc::pthread_condattr_setpshared(
                kind.as_mut_ptr(),
                libc::PTHREAD_PROCESS_SHARED,
            ));
            check(libc::pthread_cond_init(self.get(), kind.as_ptr()));
        }
    }

    pub(crate) fn wait(&self, mutex: &Mutex) {
        // SAFETY: both are initialised, and whoever calls has the mutex.
        unsafe { libc::pthread_cond_wait(self.get(), mutex.get()) };
    }

    pub(crate) fn notify(&self) {
        // SAFETY: it is initialised.
        unsafe { libc::pthread_cond_signal(self.get()) };
    }
}

/// A lock of a file, by way of one open file description.
pub(crate) struct Flock(pub(crate) File);

impl Flock {
    pub(crate) fn enter_shared(&self) {
        // SAFETY: the descriptor is open.
        check(unsafe { libc::flock(self.0.as_raw_fd(), libc::LOCK_SH) });
    }
}

impl Lock for Flock {
    fn enter(&self) {
        // SAFETY: the descriptor is open.
        check(unsafe { libc::flock(self.0.as_raw_fd(), libc::LOCK_EX) });
    }

    fn leave(&self) {
        // SAFETY: the descriptor is open.
        check(unsafe { libc::flock(self.0.as_raw_fd(), libc::LOCK_UN) });
    }
}

/// Sleeps while the word has this value, for a second at most.
pub(crate) fn futex_wait(word: &AtomicU32, value: u32) {
    let second = libc::timespec { tv_sec: 1, tv_nsec: 0 };
    // SAFETY: the word and the time are there.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, value, &second) };
}

/// Stores, and wakes one who sleeps.
pub(crate) fn futex_post(word: &AtomicU32, value: u32) {
    word.store(value, Ordering::SeqCst);
    // SAFETY: the word is there.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, 1) };
}

/// A file without a name, for `flock`: another description of it comes by
/// opening its path under `/proc`.
pub(crate) fn nameless_file() -> File {
    let path = std::env::temp_dir().join(portunus::shm::Name::random().as_str());
    let file = File::create_new(&path).expect("a file for flock");
    std::fs::remove_file(path).expect("its name goes");
    file
}

/// Another open file description of the same file.
pub(crate) fn reopen(file: &File) -> File {
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).expect("the file is open")
}
