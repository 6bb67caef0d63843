//! Awaiting a condition between processes.

use core::fmt;
use core::future::Future;
use core::mem;
use core::ops::{Deref, DerefMut};
use core::pin::Pin;
use core::task::{Context, Poll};

use futures_core::FusedFuture;

use crate::raw::mode::Rules;
use crate::shm::condvar::{Condvar, CondvarGuard, KEY, Parts, SharedCondvar, SharedCondvarGuard};
use crate::shm::error::OwnerDied;
use crate::shm::fifo_lock::{FifoLock, request};
use crate::shm::raw_condvar::RawCondvar;
use crate::shm::wait_task::Seat;

/// Awaits a notification; made by [`Condvar::wait_async`] and
/// [`SharedCondvar::wait_async`].
#[must_use = "a future does nothing unless it is polled"]
pub struct WaitAsync<'c, 'a, G: Parts<'a>> {
    raw: &'c RawCondvar,
    state: Waiting<'a, G>,
}

enum Waiting<'a, G: Parts<'a>> {
    /// It has not been polled.
    New(G),
    /// It is in one of the lines.
    Stands {
        lock: &'a FifoLock<G::Rules>,
        mode: ModeOf<'a, G>,
        seat: Seat,
        data: G::Data,
    },
    Done,
}

type ModeOf<'a, G> = <<G as Parts<'a>>::Rules as Rules>::Mode;

// Nothing of it is linked to by address: its place in line is in the segment.
impl<'a, G: Parts<'a>> Unpin for WaitAsync<'_, 'a, G> {}

impl<'a, G: Parts<'a>> FusedFuture for WaitAsync<'_, 'a, G> {
    fn is_terminated(&self) -> bool {
        matches!(self.state, Waiting::Done)
    }
}

impl<'a, G: Parts<'a>> Future for WaitAsync<'_, 'a, G> {
    type Output = Result<G, OwnerDied<G>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.state = match mem::replace(&mut this.state, Waiting::Done) {
            Waiting::New(guard) => {
                let (hold, data) = guard.into_parts(KEY);
                // It may panic: while the hold is one.
                this.raw.bind(hold.lock().raw());
                let (lock, mode, weight, record) = hold.into_raw();
                lock.raw().set_task(record, true);
                lock.raw().stand(this.raw, record, request(mode, weight));
                Waiting::Stands { lock, mode, seat: Seat::Waits(record), data }
            }
            state => state,
        };
        let Waiting::Stands { lock, mode, seat, data } = &mut this.state else {
            panic!("a future was polled after it was ready")
        };
        let (mode, data) = (*mode, *data);
        let polled = lock.raw().poll_acquire(seat, request(mode, 1), cx.waker());
        let record = match polled {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => unreachable!("it waits for whatever comes"),
            Poll::Ready(Some(record)) => record,
        };
        let held = lock.entered(mode, 1, record);
        this.state = Waiting::Done;
        let guard = |hold| G::from_parts(hold, data, KEY);
        Poll::Ready(held.map(guard).map_err(|died| died.map(guard)))
    }
}

impl<'a, G: Parts<'a>> Drop for WaitAsync<'_, 'a, G> {
    fn drop(&mut self) {
        let mut unneeded = None;
        let Waiting::Stands { lock, mode, seat, .. } = &mut self.state else { return };
        let (raw, request) = (lock.raw(), request(*mode, 1));
        if let Seat::Waits(record) = *seat
            && raw.attachment().is_ours()
        {
            if raw.give_up_waiting(self.raw, record) {
                unneeded = raw.attachment().tasks().remove(record);
                raw.attachment().give_record(record);
            } else if let Some(record) = raw.abandon(seat, request, &mut unneeded) {
                raw.release(request, record);
            }
        }
        // Last: that runs the user's code.
        drop(unneeded);
    }
}

impl<'a, G: Parts<'a>> fmt::Debug for WaitAsync<'_, 'a, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = matches!(self.state, Waiting::Done);
        f.debug_struct("WaitAsync").field("done", &done).finish_non_exhaustive()
    }
}

/// Writes what the two kinds have in common.
macro_rules! awaited {
    ($name:ident, $guard:ident, $deref:ident, $example:literal, $($mutable:ident)?) => {
        impl $name {
            /// Lets the guard's lock go, waits for a notification, and gives
            /// the guard back when it holds again.
            ///
            #[doc = $example]
            ///
            /// # Cancel safety
            ///
            /// | dropped | what happens |
            /// |---|---|
            /// | before the first poll | the guard is dropped: the lock is released |
            /// | waiting | it leaves the line; it holds no lock |
            /// | notified, in the lock's line | it leaves that line, and passes a notification of `notify_one` on |
            /// | notified, and granted | it lets the lock go, and passes the notification on |
            /// | after it was ready | the guard is the holder |
            ///
            /// So the guard is gone in each case but the last: to go on with the
            /// lock after a timeout, acquire it anew. The death of the process is
            /// the same as a drop.
            ///
            /// A notified task owns the lock before it is polled: poll all
            /// futures, or drop those that you don't poll.
            ///
            /// # Errors
            ///
            /// [`OwnerDied`], with the guard inside.
            ///
            /// # Panics
            ///
            /// With the guard of another lock than before, and when polled
            /// after it was ready.
            #[doc(alias = "wait_read")]
            #[doc(alias = "wait_write")]
            pub fn wait_async<'a, G: $guard<'a>>(&self, guard: G) -> WaitAsync<'_, 'a, G> {
                WaitAsync { raw: self.raw(), state: Waiting::New(guard) }
            }

            /// Waits as long as `condition` holds: it is asked at the first
            /// poll, and again after each notification, with the lock held.
            ///
            /// # Cancel safety
            ///
            /// As [`wait_async`](Self::wait_async).
            ///
            /// # Errors
            ///
            /// [`OwnerDied`], with the guard inside, at once.
            pub async fn wait_while_async<'a, G, F>(
                &self,
                mut guard: G,
                mut condition: F,
            ) -> Result<G, OwnerDied<G>>
            where
                G: $guard<'a> + $deref,
                F: FnMut(& $($mutable)? G::Target) -> bool,
            {
                while condition(& $($mutable)? guard) {
                    guard = self.wait_async(guard).await?;
                }
                Ok(guard)
            }
        }
    };
}
awaited!(
    Condvar,
    CondvarGuard,
    DerefMut,
    "```
use portunus::shm::{Condvar, Mutex, Name, Options, Segment};

# smol::block_on(async {
let name = Name::random();
let jobs: Segment<(Mutex<u32>, Condvar)> = Segment::create(&name, &Options::new(), (0, ()))?;
let (count, changed) = &*jobs;

let worker = async {
    let guard = count.lock_async().await.unwrap();
    let mut guard = changed.wait_while_async(guard, |count| *count == 0).await.unwrap();
    *guard -= 1;
};
let other_process = async {
    *count.lock_async().await.unwrap() += 1;
    changed.notify_one();
};
smol::future::zip(worker, other_process).await;
assert_eq!(*count.lock().unwrap(), 0);
# Segment::unlink(&name)?;
# Ok::<(), portunus::shm::Error>(())
# }).unwrap();
```",
    mut
);
awaited!(
    SharedCondvar,
    SharedCondvarGuard,
    Deref,
    "It works with read, upgradable and write guards; each comes back in its own mode.",
);
