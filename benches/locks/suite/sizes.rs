//! How many bytes a lock takes, and who waits for it.
//!
//! What a waiter takes from the heap is not seen here: the crate's tests count
//! that.

use portunus::{ReadPreferring, spin, sync};

use super::harness::{Bench, Size};
use super::kinds::{AsyncMutex, AsyncRwLock, AsyncSemaphore, ThreadMutex, ThreadRwLock};
use super::peers::{EmbassyMutex, EmbassyRwLock, EmbassySemaphore, MaitakeSpinMutex};
#[cfg(target_os = "linux")]
use super::pthread::{PthreadMutex, PthreadRwLock};

/// The kinds, as they are printed.
pub(crate) const MUTEX: &str = "mutex";
pub(crate) const RWLOCK: &str = "readers-writer lock (future of a writer)";
pub(crate) const SEMAPHORE: &str = "semaphore";

pub(crate) fn run(bench: &mut Bench) {
    bench.sizes(
        MUTEX,
        Vec::from([
            mutex::<sync::Mutex<()>>(),
            mutex::<spin::Mutex<()>>(),
            thread_mutex::<std::sync::Mutex<()>>(),
            thread_mutex::<parking_lot::Mutex<()>>(),
            thread_mutex::<usync::Mutex<()>>(),
            thread_mutex::<::spin::mutex::SpinMutex<()>>(),
            thread_mutex::<MaitakeSpinMutex>(),
            mutex::<maitake_sync::Mutex<()>>(),
            mutex::<futures_intrusive::sync::Mutex<()>>(),
            mutex::<futures_intrusive::sync::LocalMutex<()>>(),
            mutex::<async_lock::Mutex<()>>(),
            mutex::<tokio::sync::Mutex<()>>(),
            mutex::<EmbassyMutex>(),
            mutex::<saa::Lock>(),
            #[cfg(target_os = "linux")]
            thread_mutex::<PthreadMutex>(),
        ]),
    );
    bench.sizes(
        RWLOCK,
        Vec::from([
            rwlock::<sync::RwLock<()>>(),
            rwlock::<spin::RwLock<()>>(),
            rwlock::<sync::RwLock<(), ReadPreferring>>(),
            thread_rwlock::<std::sync::RwLock<()>>(),
            thread_rwlock::<parking_lot::RwLock<()>>(),
            thread_rwlock::<usync::RwLock<()>>(),
            thread_rwlock::<::spin::RwLock<()>>(),
            rwlock::<maitake_sync::RwLock<()>>(),
            rwlock::<async_lock::RwLock<()>>(),
            rwlock::<tokio::sync::RwLock<()>>(),
            rwlock::<EmbassyRwLock>(),
            rwlock::<saa::Lock>(),
            #[cfg(target_os = "linux")]
            thread_rwlock::<PthreadRwLock>(),
        ]),
    );
    bench.sizes(
        SEMAPHORE,
        Vec::from([
            semaphore::<sync::Semaphore>(),
            semaphore::<spin::Semaphore>(),
            semaphore::<maitake_sync::Semaphore>(),
            semaphore::<futures_intrusive::sync::Semaphore>(),
            semaphore::<futures_intrusive::sync::LocalSemaphore>(),
            semaphore::<async_lock::Semaphore>(),
            semaphore::<tokio::sync::Semaphore>(),
            semaphore::<EmbassySemaphore>(),
            semaphore::<saa::Semaphore>(),
        ]),
    );
}

fn mutex<L: AsyncMutex>() -> Size {
    let future = size_of_val(&L::new().lock_future());
    Size { name: L::NAME, lock: size_of::<L>(), future: Some(future) }
}

fn rwlock<L: AsyncRwLock>() -> Size {
    let future = size_of_val(&L::new().write_future());
    Size { name: L::NAME, lock: size_of::<L>(), future: Some(future) }
}

fn semaphore<L: AsyncSemaphore>() -> Size {
    let future = size_of_val(&L::new().acquire_future());
    Size { name: L::NAME, lock: size_of::<L>(), future: Some(future) }
}

fn thread_mutex<L: ThreadMutex>() -> Size {
    Size { name: L::NAME, lock: size_of::<L>(), future: None }
}

fn thread_rwlock<L: ThreadRwLock>() -> Size {
    Size { name: L::NAME, lock: size_of::<L>(), future: None }
}
