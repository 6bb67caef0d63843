//! One trait per kind of lock, and what all kinds have in common.
//!
//! The six traits are what a lock implements. The scenarios don't care about
//! kinds: they need something to enter, as a thread ([`Enter`]) or as a task
//! ([`Gate`]), and [`Locking`], [`Reading`], [`Writing`], [`Taking`] and
//! [`BlockOn`] make that of any lock.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// The permits of every semaphore here.
pub(crate) const PERMITS: usize = 3;

/// A mutex that blocks threads.
pub(crate) trait ThreadMutex: 'static {
    const NAME: &'static str;
    fn new() -> Self;
    /// Runs a section while holding the lock.
    fn with<R>(&self, section: impl FnOnce() -> R) -> R;
}

/// A readers-writer lock that blocks threads.
pub(crate) trait ThreadRwLock: 'static {
    const NAME: &'static str;
    fn new() -> Self;
    fn with_read<R>(&self, section: impl FnOnce() -> R) -> R;
    fn with_write<R>(&self, section: impl FnOnce() -> R) -> R;
}

/// A semaphore that blocks threads.
pub(crate) trait ThreadSemaphore: 'static {
    const NAME: &'static str;
    /// With [`PERMITS`] permits.
    fn new() -> Self;
    /// Runs a section while holding a permit.
    fn with<R>(&self, section: impl FnOnce() -> R) -> R;
}

/// A mutex that suspends tasks.
pub(crate) trait AsyncMutex: 'static {
    const NAME: &'static str;
    fn new() -> Self;
    fn lock_future(&self) -> impl Future<Output = impl Sized>;
}

/// A readers-writer lock that suspends tasks.
pub(crate) trait AsyncRwLock: 'static {
    const NAME: &'static str;
    fn new() -> Self;
    fn read_future(&self) -> impl Future<Output = impl Sized>;
    fn write_future(&self) -> impl Future<Output = impl Sized>;
}

/// A semaphore that suspends tasks.
pub(crate) trait AsyncSemaphore: 'static {
    const NAME: &'static str;
    /// With [`PERMITS`] permits.
    fn new() -> Self;
    fn acquire_future(&self) -> impl Future<Output = impl Sized>;
}

/// What a thread enters and leaves.
pub(crate) trait Enter: 'static {
    const NAME: &'static str;
    fn new() -> Self;
    fn pass<R>(&self, section: impl FnOnce() -> R) -> R;
}

/// What a task enters and leaves.
pub(crate) trait Gate: 'static {
    const NAME: &'static str;
    fn new() -> Self;
    fn enter(&self) -> impl Future<Output = impl Sized>;
    /// Keeps out everybody who wants to [`enter`](Self::enter).
    fn shut(&self) -> impl Future<Output = impl Sized>;
}

/// Enters a mutex.
pub(crate) struct Locking<L>(L);
/// Enters a readers-writer lock as a reader.
pub(crate) struct Reading<L>(L);
/// Enters a readers-writer lock as a writer.
pub(crate) struct Writing<L>(L);
/// Takes a permit of a semaphore.
pub(crate) struct Taking<L>(L);

/// Writes what of a lock a thread enters.
macro_rules! enter {
    ($($way:ident of $kind:ident by $with:ident;)*) => {$(
        impl<L: $kind> Enter for $way<L> {
            const NAME: &'static str = L::NAME;

            fn new() -> Self {
                Self(L::new())
            }

            #[inline(always)]
            fn pass<R>(&self, section: impl FnOnce() -> R) -> R {
                self.0.$with(section)
            }
        }
    )*};
}

enter! {
    Locking of ThreadMutex by with;
    Reading of ThreadRwLock by with_read;
    Writing of ThreadRwLock by with_write;
    Taking of ThreadSemaphore by with;
}

/// Writes what of a lock a task enters, and what shuts it.
macro_rules! gate {
    ($($way:ident of $kind:ident by $enter:ident, shut by $shut:ident;)*) => {$(
        impl<L: $kind> Gate for $way<L> {
            const NAME: &'static str = L::NAME;

            fn new() -> Self {
                Self(L::new())
            }

            #[inline(always)]
            fn enter(&self) -> impl Future<Output = impl Sized> {
                self.0.$enter()
            }

            fn shut(&self) -> impl Future<Output = impl Sized> {
                self.0.$shut()
            }
        }
    )*};
}

gate! {
    Locking of AsyncMutex by lock_future, shut by lock_future;
    Reading of AsyncRwLock by read_future, shut by write_future;
    Writing of AsyncRwLock by write_future, shut by write_future;
}

impl<L: AsyncSemaphore> Gate for Taking<L> {
    const NAME: &'static str = L::NAME;

    fn new() -> Self {
        Self(L::new())
    }

    #[inline(always)]
    fn enter(&self) -> impl Future<Output = impl Sized> {
        self.0.acquire_future()
    }

    async fn shut(&self) -> impl Sized {
        let mut permits = Vec::with_capacity(PERMITS);
        for _ in 0..PERMITS {
            permits.push(self.0.acquire_future().await);
        }
        permits
    }
}

/// An asynchronous lock as threads use it that have no executor.
pub(crate) struct BlockOn<L>(L);

impl<L: AsyncMutex> ThreadMutex for BlockOn<L> {
    const NAME: &'static str = L::NAME;

    fn new() -> Self {
        Self(L::new())
    }

    #[inline(always)]
    fn with<R>(&self, section: impl FnOnce() -> R) -> R {
        during(block_on(self.0.lock_future()), section)
    }
}

impl<L: AsyncRwLock> ThreadRwLock for BlockOn<L> {
    const NAME: &'static str = L::NAME;

    fn new() -> Self {
        Self(L::new())
    }

    #[inline(always)]
    fn with_read<R>(&self, section: impl FnOnce() -> R) -> R {
        during(block_on(self.0.read_future()), section)
    }

    #[inline(always)]
    fn with_write<R>(&self, section: impl FnOnce() -> R) -> R {
        during(block_on(self.0.write_future()), section)
    }
}

impl<L: AsyncSemaphore> ThreadSemaphore for BlockOn<L> {
    const NAME: &'static str = L::NAME;

    fn new() -> Self {
        Self(L::new())
    }

    #[inline(always)]
    fn with<R>(&self, section: impl FnOnce() -> R) -> R {
        during(block_on(self.0.acquire_future()), section)
    }
}

/// Runs a section, and drops the guard that was there meanwhile.
#[inline(always)]
pub(crate) fn during<G, R>(guard: G, section: impl FnOnce() -> R) -> R {
    let result = section();
    drop(guard);
    result
}

/// Polls once without a waker worth the name, and only if that was in vain
/// looks for the thread's.
#[inline(always)]
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => park(future),
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

#[cold]
fn park<F: Future>(mut future: Pin<&mut F>) -> F::Output {
    thread_local! {
        static WAKER: Waker = Waker::from(Arc::new(Unpark(thread::current())));
    }
    WAKER.with(|waker| {
        let mut cx = Context::from_waker(waker);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                return output;
            }
            thread::park();
        }
    })
}
