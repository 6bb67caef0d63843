//! Awaiting a condition variable.

#![allow(unsafe_code)]

use core::fmt;
use core::future::Future;
use core::ops::{Deref, DerefMut};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use futures_core::FusedFuture;
use pin_project_lite::pin_project;

use super::finished;
use crate::atomic::Fault;
use crate::backend::Backend;
use crate::condvar::{
    Condvar, CondvarGuard, RawCondvar, Remade, SharedCondvar, SharedCondvarGuard, Waits,
};
use crate::door::MonitorCondvar;
use crate::mutex::{Lined, RawMutex};
use crate::raw::traits::{
    RawCondvarAsync, RawMutexAsync, RawRwLockAsync, RawRwLockUpgradeAsync, RawSharedCondvarAsync,
    RawSharedCondvarUpgradeAsync, RawWaiter,
};
use crate::rules::Preference;
use crate::rwlock::{READ, RawRwLock, UPGRADABLE, WRITE};
use crate::wait::inner::InnerLock;
use crate::wait::node::Request;
use crate::wait::queue::{Ticket, WaitQueue};

pin_project! {
    /// A wait for a notification that can be awaited: it takes a guard, and
    /// gives it back.
    ///
    /// Made by [`Condvar::wait_async`] and [`SharedCondvar::wait_async`], where
    /// its cancel safety is described.
    #[must_use = "futures do nothing unless polled"]
    pub struct WaitAsync<'a, G: Remade<B>, B: Backend> {
        queue: &'a WaitQueue<B::Inner>,
        guard: Option<G>,
        // The lock, from joining the line to holding again.
        lock: Option<G::Lock>,
        // Its place in the line, and then in the lock's.
        #[pin]
        ticket: Ticket,
    }

    impl<G: Remade<B>, B: Backend> PinnedDrop for WaitAsync<'_, G, B> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(lock) = this.lock {
                // SAFETY: joined with this lock and queue.
                unsafe { G::raw_of(lock).cancel_wait(this.queue, this.ticket.into_ref()) };
            }
        }
    }
}

impl<'a, G: Remade<B>, B: Backend> WaitAsync<'a, G, B> {
    fn new(queue: &'a WaitQueue<B::Inner>, guard: G) -> Self {
        let request = Request { mode: G::MODE, ..crate::mutex::REQUEST };
        Self { queue, guard: Some(guard), lock: None, ticket: Ticket::new(request, true) }
    }
}

impl<G: Remade<B>, B: Backend> Future for WaitAsync<'_, G, B> {
    type Output = G;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<G> {
        let this = self.project();
        let ticket = this.ticket.into_ref();
        if let Some(guard) = this.guard {
            let lock = guard.lock();
            // SAFETY: new: the guard is there as long as it has not joined;
            // pinned until drop, which cancels.
            unsafe { G::raw_of(&lock).join_wait(this.queue, ticket, cx.waker(), G::OWNED) };
            // From here on a drop cancels, also one in a panic of the next
            // holder's waker.
            *this.lock = Some(lock);
            drop(this.guard.take());
            return Poll::Pending;
        }
        let Some(lock) = this.lock else { finished() };
        // SAFETY: joined, with this lock and queue.
        if !unsafe { G::raw_of(lock).poll_wait(this.queue, ticket, cx.waker()) } {
            return Poll::Pending;
        }
        match this.lock.take() {
            // SAFETY: the lock is ours in the guard's mode, and the guard was
            // dropped.
            Some(lock) => Poll::Ready(unsafe { G::remake(lock) }),
            None => finished(),
        }
    }
}

impl<G: Remade<B>, B: Backend> FusedFuture for WaitAsync<'_, G, B> {
    fn is_terminated(&self) -> bool {
        self.guard.is_none() && self.lock.is_none()
    }
}

impl<G: Remade<B>, B: Backend> fmt::Debug for WaitAsync<'_, G, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitAsync").field("done", &self.is_terminated()).finish_non_exhaustive()
    }
}

pin_project! {
    /// A wait for a condition that can be awaited: it takes a guard, and gives
    /// it back.
    ///
    /// Made by [`Condvar::wait_while_async`] and
    /// [`SharedCondvar::wait_while_async`].
    #[must_use = "futures do nothing unless polled"]
    pub struct WaitWhileAsync<'a, G: Remade<B>, B: Backend, F> {
        condition: F,
        #[pin]
        wait: WaitAsync<'a, G, B>,
    }
}

impl<G: Remade<B>, B: Backend, F: FnMut(&mut G) -> bool> Future for WaitWhileAsync<'_, G, B, F> {
    type Output = G;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<G> {
        let mut this = self.project();
        loop {
            let wait = this.wait.as_mut().project();
            // A guard that has not been let go: just made, or given back.
            if let Some(guard) = wait.guard
                && !(this.condition)(guard)
                && let Some(guard) = wait.guard.take()
            {
                return Poll::Ready(guard);
            }
            match this.wait.as_mut().poll(cx) {
                Poll::Ready(guard) => {
                    let queue = this.wait.queue;
                    this.wait.set(WaitAsync::new(queue, guard));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl<G: Remade<B>, B: Backend, F: FnMut(&mut G) -> bool> FusedFuture
    for WaitWhileAsync<'_, G, B, F>
{
    fn is_terminated(&self) -> bool {
        self.wait.is_terminated()
    }
}

impl<G: Remade<B>, B: Backend, F> fmt::Debug for WaitWhileAsync<'_, G, B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = self.wait.is_terminated();
        f.debug_struct("WaitWhileAsync").field("done", &done).finish_non_exhaustive()
    }
}

/// Writes what the two kinds have in common.
macro_rules! awaited {
    ($name:ident, $guard:ident, $deref:ident, $example:literal, $($mutable:ident)?) => {
        impl<B: Backend> $name<B> {
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
            /// | notified, and not polled or in the lock's line | it leaves that line, and passes a notification of `notify_one` on |
            /// | notified, and granted | it lets the lock go, and passes the notification on |
            /// | after it was ready | the guard is the holder |
            ///
            /// So the guard is gone in each case but the last: to go on with the
            /// lock after a timeout, acquire it anew.
            ///
            /// # Panics
            ///
            /// If the waker of somebody who is let in does, or when polled
            /// after it was ready.
            #[doc(alias = "wait_read")]
            #[doc(alias = "wait_write")]
            #[allow(private_bounds, reason = "the guards are known")]
            pub fn wait_async<G: $guard<B> + Remade<B>>(&self, guard: G) -> WaitAsync<'_, G, B> {
                WaitAsync::new(self.queue(), guard)
            }

            /// Waits as long as `condition` holds: it is asked at the first
            /// poll, and again after each notification, with the lock held.
            ///
            /// # Cancel safety
            ///
            /// As [`wait_async`](Self::wait_async).
            ///
            /// # Panics
            ///
            /// If polled again after it was ready.
            #[allow(private_bounds, reason = "the guards are known")]
            pub fn wait_while_async<'a, G, F>(
                &'a self,
                guard: G,
                mut condition: F,
            ) -> WaitWhileAsync<'a, G, B, impl FnMut(&mut G) -> bool + use<'a, G, F, B>>
            where
                G: $guard<B> + Remade<B> + $deref,
                F: FnMut(& $($mutable)? G::Target) -> bool,
            {
                WaitWhileAsync {
                    condition: move |guard: &mut G| condition(guard),
                    wait: WaitAsync::new(self.queue(), guard),
                }
            }
        }
    };
}
awaited!(
    Condvar,
    CondvarGuard,
    DerefMut,
    "```
use portunus::prelude::*;
use portunus::sync::{Condvar, Mutex};

# smol::block_on(async {
let jobs = Mutex::new(vec![]);
let changed = Condvar::new();

let worker = async {
    let mut jobs = jobs.lock_async().await;
    while jobs.is_empty() {
        jobs = changed.wait_async(jobs).await;
    }
    jobs.pop()
};
let boss = async {
    jobs.lock_async().await.push(7);
    changed.notify_one();
};
let (job, ()) = smol::future::zip(worker, boss).await;
assert_eq!(job, Some(7));
# });
```",
    mut
);
awaited!(
    SharedCondvar,
    SharedCondvarGuard,
    Deref,
    "```
use portunus::prelude::*;
use portunus::sync::{RwLock, SharedCondvar};

# smol::block_on(async {
let stock: RwLock<u32> = RwLock::new(0);
let changed = SharedCondvar::new();

let reader = async {
    let mut stock = stock.read_async().await;
    while *stock == 0 {
        stock = changed.wait_async(stock).await;
    }
    *stock
};
let writer = async {
    *stock.write_async().await = 7;
    changed.notify_all();
};
let (seen, ()) = smol::future::zip(reader, writer).await;
assert_eq!(seen, 7);
# });
```",
);

/// A place in the line of a condition variable, and then in that of a lock
/// whose own place is `W`.
#[derive(Debug)]
pub struct TwoLines<W> {
    ticket: Ticket,
    waiter: W,
}

impl<W: Default> Default for TwoLines<W> {
    fn default() -> Self {
        Self { ticket: Ticket::plain(true), waiter: W::default() }
    }
}

impl<W: RawWaiter> TwoLines<W> {
    fn parts(self: Pin<&Self>) -> (Pin<&Ticket>, Pin<&W>) {
        let this = self.get_ref();
        // SAFETY: fields that are never moved out.
        unsafe { (Pin::new_unchecked(&this.ticket), Pin::new_unchecked(&this.waiter)) }
    }

    /// # Safety
    ///
    /// As [`RawCondvarAsync::join`].
    unsafe fn join<I: InnerLock>(self: Pin<&Self>, queue: &WaitQueue<I>, waker: &Waker) {
        // SAFETY: by this function's contract.
        unsafe { queue.join_plain(self.parts().0, waker) };
    }

    /// # Safety
    ///
    /// As [`RawCondvarAsync::poll_wait`]; `lock` polls for the lock with its
    /// own place.
    unsafe fn poll<I: InnerLock, G>(
        self: Pin<&Self>,
        queue: &WaitQueue<I>,
        cx: &mut Context<'_>,
        lock: impl FnOnce(Pin<&W>, &mut Context<'_>) -> Poll<G>,
    ) -> Poll<G> {
        let (ticket, waiter) = self.parts();
        // SAFETY: joined, by this function's contract.
        if !unsafe { queue.poll(ticket, cx.waker()) } {
            return Poll::Pending;
        }
        lock(waiter, cx)
    }

    /// # Safety
    ///
    /// As [`RawCondvarAsync::cancel_wait`]; `lock` cancels the lock's place.
    unsafe fn cancel<I: InnerLock>(
        self: Pin<&Self>,
        queue: &WaitQueue<I>,
        lock: impl FnOnce(Pin<&W>),
    ) {
        /// Passes the notification on last of all, also if the lock's next
        /// waker panics: until then the waiter may stand in the lock's line.
        struct PassOn<'a, I: InnerLock>(&'a WaitQueue<I>, bool);
        impl<I: InnerLock> Drop for PassOn<'_, I> {
            fn drop(&mut self) {
                if self.1 && !Fault::NotificationKept.on() {
                    self.0.notify_one();
                }
            }
        }
        let (ticket, waiter) = self.parts();
        if waiter.is_done() {
            return;
        }
        // It unwinds only with a ticket that nobody has notified, whose waiter
        // was never used.
        // SAFETY: by this function's contract.
        let _pass_on = PassOn(queue, unsafe { queue.leave_notified(ticket) });
        lock(waiter);
    }
}

/// A place in the line of one of this crate's condition variables, from which
/// it goes to that of the lock, asking for the mode with index `MODE`.
#[derive(Debug)]
pub struct Passing<const MODE: u8>(Ticket);

impl<const MODE: u8> Default for Passing<MODE> {
    fn default() -> Self {
        Self(Ticket::new(Request { mode: MODE, ..crate::mutex::REQUEST }, true))
    }
}

impl<const MODE: u8> Passing<MODE> {
    fn ticket(self: Pin<&Self>) -> Pin<&Ticket> {
        // SAFETY: a field that is never moved out.
        unsafe { self.map_unchecked(|passing| &passing.0) }
    }
}

/// Writes the awaited waits of a condition variable, over any lock that it
/// works with.
macro_rules! exclusive {
    ([$($param:tt)*] $condvar:ty, $lock:ty) => {
// SAFETY: joined before the mutex is let go; ready when the mutex's own
// acquisition is; cancelled in either line.
unsafe impl<$($param)*> RawCondvarAsync<$lock> for $condvar {
    type Waiter = TwoLines<<$lock as RawMutexAsync>::Waiter>;

    unsafe fn join(&self, _: &$lock, waiter: Pin<&Self::Waiter>, waker: &Waker) {
        // SAFETY: by this function's contract.
        unsafe { waiter.join(self.queue(), waker) };
    }

    unsafe fn poll_wait(
        &self,
        mutex: &$lock,
        waiter: Pin<&Self::Waiter>,
        cx: &mut Context<'_>,
    ) -> Poll<<$lock as lock_api::RawMutex>::Guard> {
        // SAFETY: by this function's contract; always the same mutex.
        unsafe { waiter.poll(self.queue(), cx, |waiter, cx| mutex.poll_lock(waiter, cx)) }
    }

    unsafe fn cancel_wait(&self, mutex: &$lock, waiter: Pin<&Self::Waiter>) {
        // SAFETY: as above.
        unsafe { waiter.cancel(self.queue(), |waiter| mutex.cancel_lock(waiter)) };
    }
}
    };
}
exclusive!([L: RawMutexAsync, B: Backend] RawCondvar<L, B>, L);

/// Writes waiting with one of our locks, from whose condition variable one
/// passes into its line.
macro_rules! passing {
    (
        $lock:ty, $waiter:ty, $state:ty;
        $join:ident, $join_owned:ident, $poll:ident, $cancel:ident
    ) => {
        unsafe fn $join(&self, lock: &$lock, waiter: Pin<&$waiter>, waker: &Waker) {
            // SAFETY: by this function's contract; not owned.
            unsafe { lock.join_wait(self.queue(), waiter.ticket(), waker, false) };
        }

        unsafe fn $join_owned(&self, lock: &$lock, waiter: Pin<&$waiter>, waker: &Waker) {
            // SAFETY: by this function's contract; owned.
            unsafe { lock.join_wait(self.queue(), waiter.ticket(), waker, true) };
        }

        unsafe fn $poll(
            &self,
            lock: &$lock,
            waiter: Pin<&$waiter>,
            cx: &mut Context<'_>,
        ) -> Poll<$state> {
            // SAFETY: by this function's contract; always the same lock.
            let holds = unsafe { lock.poll_wait(self.queue(), waiter.ticket(), cx.waker()) };
            if holds { Poll::Ready(Lined(true)) } else { Poll::Pending }
        }

        unsafe fn $cancel(&self, lock: &$lock, waiter: Pin<&$waiter>) {
            // SAFETY: as above.
            unsafe { lock.cancel_wait(self.queue(), waiter.ticket()) };
        }
    };
}

/// The same for both condition variables for our mutex.
macro_rules! passing_mutex {
    ($($condvar:ty;)*) => {$(
        // SAFETY: joined before the mutex is let go; ready when it holds again;
        // cancelled in either line.
        unsafe impl<B: Backend> RawCondvarAsync<RawMutex<B>> for $condvar {
            type Waiter = Passing<{ crate::mutex::REQUEST.mode }>;

            passing! { RawMutex<B>, Self::Waiter, Lined; join, join_owned, poll_wait, cancel_wait }
        }
    )*};
}
passing_mutex! {
    Condvar<B>;
    MonitorCondvar<B>;
}

// SAFETY: as for a mutex.
unsafe impl<P: Preference, B: Backend> RawSharedCondvarAsync<RawRwLock<P, B>> for SharedCondvar<B> {
    type SharedWaiter = Passing<{ READ.mode }>;
    type ExclusiveWaiter = Passing<{ WRITE.mode }>;

    passing! {
        RawRwLock<P, B>, Passing<{ READ.mode }>, Lined;
        join_shared, join_shared_owned, poll_wait_shared, cancel_wait_shared
    }
    passing! {
        RawRwLock<P, B>, Passing<{ WRITE.mode }>, Lined;
        join_exclusive, join_exclusive_owned, poll_wait_exclusive, cancel_wait_exclusive
    }
}

// SAFETY: as for a mutex.
unsafe impl<P: Preference, B: Backend> RawSharedCondvarUpgradeAsync<RawRwLock<P, B>>
    for SharedCondvar<B>
{
    type UpgradableWaiter = Passing<{ UPGRADABLE.mode }>;

    passing! {
        RawRwLock<P, B>, Passing<{ UPGRADABLE.mode }>, Lined;
        join_upgradable, join_upgradable_owned, poll_wait_upgradable, cancel_wait_upgradable
    }
}

/// The same for readers and writers.
macro_rules! shared {
    ([$($param:tt)*] $condvar:ty, $lock:ty) => {
// SAFETY: as for a mutex.
unsafe impl<$($param)*> RawSharedCondvarAsync<$lock> for $condvar {
    type SharedWaiter = TwoLines<<$lock as RawRwLockAsync>::SharedWaiter>;
    type ExclusiveWaiter = TwoLines<<$lock as RawRwLockAsync>::ExclusiveWaiter>;

    unsafe fn join_shared(&self, _: &$lock, waiter: Pin<&Self::SharedWaiter>, waker: &Waker) {
        // SAFETY: by this function's contract.
        unsafe { waiter.join(self.queue(), waker) };
    }

    unsafe fn poll_wait_shared(
        &self,
        lock: &$lock,
        waiter: Pin<&Self::SharedWaiter>,
        cx: &mut Context<'_>,
    ) -> Poll<<$lock as lock_api::RawRwLock>::SharedGuard> {
        // SAFETY: by this function's contract; always the same lock.
        unsafe { waiter.poll(self.queue(), cx, |waiter, cx| lock.poll_lock_shared(waiter, cx)) }
    }

    unsafe fn cancel_wait_shared(&self, lock: &$lock, waiter: Pin<&Self::SharedWaiter>) {
        // SAFETY: as above.
        unsafe { waiter.cancel(self.queue(), |waiter| lock.cancel_lock_shared(waiter)) };
    }

    unsafe fn join_exclusive(&self, _: &$lock, waiter: Pin<&Self::ExclusiveWaiter>, waker: &Waker) {
        // SAFETY: by this function's contract.
        unsafe { waiter.join(self.queue(), waker) };
    }

    unsafe fn poll_wait_exclusive(
        &self,
        lock: &$lock,
        waiter: Pin<&Self::ExclusiveWaiter>,
        cx: &mut Context<'_>,
    ) -> Poll<<$lock as lock_api::RawRwLock>::ExclusiveGuard> {
        // SAFETY: by this function's contract; always the same lock.
        unsafe { waiter.poll(self.queue(), cx, |waiter, cx| lock.poll_lock_exclusive(waiter, cx)) }
    }

    unsafe fn cancel_wait_exclusive(&self, lock: &$lock, waiter: Pin<&Self::ExclusiveWaiter>) {
        // SAFETY: as above.
        unsafe { waiter.cancel(self.queue(), |waiter| lock.cancel_lock_exclusive(waiter)) };
    }
}
    };
}
/// The same for upgradable readers.
macro_rules! upgradable {
    ([$($param:tt)*] $condvar:ty, $lock:ty) => {
// SAFETY: as for a mutex.
unsafe impl<$($param)*> RawSharedCondvarUpgradeAsync<$lock> for $condvar {
    type UpgradableWaiter = TwoLines<<$lock as RawRwLockUpgradeAsync>::UpgradableWaiter>;

    unsafe fn join_upgradable(
        &self,
        _: &$lock,
        waiter: Pin<&Self::UpgradableWaiter>,
        waker: &Waker,
    ) {
        // SAFETY: by this function's contract.
        unsafe { waiter.join(self.queue(), waker) };
    }

    unsafe fn poll_wait_upgradable(
        &self,
        lock: &$lock,
        waiter: Pin<&Self::UpgradableWaiter>,
        cx: &mut Context<'_>,
    ) -> Poll<<$lock as lock_api::RawRwLockUpgrade>::UpgradableGuard> {
        // SAFETY: by this function's contract; always the same lock.
        unsafe { waiter.poll(self.queue(), cx, |waiter, cx| lock.poll_lock_upgradable(waiter, cx)) }
    }

    unsafe fn cancel_wait_upgradable(&self, lock: &$lock, waiter: Pin<&Self::UpgradableWaiter>) {
        // SAFETY: as above.
        unsafe { waiter.cancel(self.queue(), |waiter| lock.cancel_lock_upgradable(waiter)) };
    }
}
    };
}
upgradable!([L: RawRwLockUpgradeAsync, B: Backend] RawCondvar<L, B>, L);
shared!([L: RawRwLockAsync, B: Backend] RawCondvar<L, B>, L);
