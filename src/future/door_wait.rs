//! Awaiting a notification inside a door.

#![allow(unsafe_code)]

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use futures_core::FusedFuture;
use pin_project_lite::pin_project;

use super::finished;
use crate::door::{
    Door, DoorGuard, DoorReadGuard, DoorUpgradableReadGuard, DoorWriteGuard, SharedDoor,
};
use crate::raw::traits::{RawCondvarAsync, RawSharedCondvarAsync, RawSharedCondvarUpgradeAsync};

/// A guard that can be let go, and given back after a notification.
///
/// # Safety
///
/// `inside(outside())` is as the guard was. The others do what the methods of
/// the raw condition variables with these names do, for that door.
#[doc(hidden)]
pub unsafe trait Waits: Sized {
    /// The door, in the way by which the guard reaches it.
    type Door;
    /// The state of an acquisition.
    type State;
    /// A place in line.
    type Waiter: Default;

    fn outside(&self) -> Self::Door;

    /// # Safety
    ///
    /// The caller is inside, with this state, and no guard was made.
    unsafe fn inside(door: Self::Door, state: Self::State) -> Self;

    /// # Safety
    ///
    /// As [`RawCondvarAsync::join`].
    unsafe fn join(door: &Self::Door, waiter: Pin<&Self::Waiter>, waker: &Waker);

    /// # Safety
    ///
    /// As [`RawCondvarAsync::poll_wait`].
    unsafe fn poll_wait(
        door: &Self::Door,
        waiter: Pin<&Self::Waiter>,
        cx: &mut Context<'_>,
    ) -> Poll<Self::State>;

    /// # Safety
    ///
    /// As [`RawCondvarAsync::cancel_wait`].
    unsafe fn cancel_wait(door: &Self::Door, waiter: Pin<&Self::Waiter>);
}

pin_project! {
    /// A wait for a notification inside a door that can be awaited: it takes
    /// the guard, and gives it back.
    ///
    /// Made by `wait_async` of the guards, such as [`DoorGuard::wait_async`],
    /// where its cancel safety is described.
    #[must_use = "futures do nothing unless polled"]
    pub struct WaitInside<G: Waits> {
        guard: Option<G>,
        // The door, from joining the line to being inside again.
        door: Option<G::Door>,
        #[pin]
        waiter: G::Waiter,
    }

    impl<G: Waits> PinnedDrop for WaitInside<G> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(door) = this.door {
                // SAFETY: joined at this door.
                unsafe { G::cancel_wait(door, this.waiter.into_ref()) };
            }
        }
    }
}

impl<G: Waits> WaitInside<G> {
    pub(super) fn new(guard: G) -> Self {
        Self { guard: Some(guard), door: None, waiter: G::Waiter::default() }
    }
}

impl<G: Waits> Future for WaitInside<G> {
    type Output = G;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<G> {
        let this = self.project();
        let waiter = this.waiter.into_ref();
        if let Some(guard) = this.guard {
            let door = guard.outside();
            // SAFETY: new: the guard is there as long as it has not joined;
            // pinned until drop, which cancels; the door stays where it is by
            // `door`.
            unsafe { G::join(&door, waiter, cx.waker()) };
            // From here on a drop cancels, also one in a panic of the next
            // holder's waker.
            *this.door = Some(door);
            drop(this.guard.take());
            return Poll::Pending;
        }
        let Some(door) = this.door else { finished() };
        // SAFETY: joined, at this door.
        let Poll::Ready(state) = (unsafe { G::poll_wait(door, waiter, cx) }) else {
            return Poll::Pending;
        };
        match this.door.take() {
            // SAFETY: inside again, with this state; the guard was dropped.
            Some(door) => Poll::Ready(unsafe { G::inside(door, state) }),
            None => finished(),
        }
    }
}

impl<G: Waits> FusedFuture for WaitInside<G> {
    fn is_terminated(&self) -> bool {
        self.guard.is_none() && self.door.is_none()
    }
}

impl<G: Waits> fmt::Debug for WaitInside<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitInside").field("done", &self.is_terminated()).finish_non_exhaustive()
    }
}

pin_project! {
    /// A wait for a condition inside a door that can be awaited: it takes the
    /// guard, and gives it back.
    ///
    /// Made by `wait_while_async` of the guards.
    #[must_use = "futures do nothing unless polled"]
    pub struct WaitInsideWhile<G: Waits, F> {
        condition: F,
        #[pin]
        wait: WaitInside<G>,
    }
}

impl<G: Waits, F: FnMut(&mut G) -> bool> WaitInsideWhile<G, F> {
    pub(super) fn new(guard: G, condition: F) -> Self {
        Self { condition, wait: WaitInside::new(guard) }
    }
}

impl<G: Waits, F: FnMut(&mut G) -> bool> Future for WaitInsideWhile<G, F> {
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
                Poll::Ready(guard) => this.wait.set(WaitInside::new(guard)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl<G: Waits, F: FnMut(&mut G) -> bool> FusedFuture for WaitInsideWhile<G, F> {
    fn is_terminated(&self) -> bool {
        self.wait.is_terminated()
    }
}

impl<G: Waits, F> fmt::Debug for WaitInsideWhile<G, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = self.wait.is_terminated();
        f.debug_struct("WaitInsideWhile").field("done", &done).finish_non_exhaustive()
    }
}

/// Adds awaited waits to a guard.
macro_rules! waiting_inside {
    (
        $name:ident <$($life:lifetime)?> [$raw:path, $($condvar:tt)+] [& $($mutable:ident)?]
        $door:ty, $state:ident, $waiter:ty,
        $join:ident, $poll:ident, $cancel:ident $(, $example:literal)?
    ) => {
        // SAFETY: they are those methods, with the guard's door.
        unsafe impl<$($life,)? L: $raw, T: ?Sized, C: $($condvar)+> $crate::future::door_wait::Waits
            for $name<$($life,)? L, T, C>
        {
            type Door = $door;
            type State = L::$state;
            type Waiter = $waiter;

            fn outside(&self) -> $door {
                Self::door(self).clone()
            }

            unsafe fn inside(door: $door, state: L::$state) -> Self {
                // SAFETY: by this function's contract.
                unsafe { Self::new(door, state) }
            }

            unsafe fn join(door: &$door, waiter: Pin<&$waiter>, waker: &Waker) {
                // SAFETY: by this function's contract.
                unsafe { door.condvar.$join(door.raw(), waiter, waker) };
            }

            unsafe fn poll_wait(
                door: &$door,
                waiter: Pin<&$waiter>,
                cx: &mut Context<'_>,
            ) -> Poll<L::$state> {
                // SAFETY: by this function's contract.
                unsafe { door.condvar.$poll(door.raw(), waiter, cx) }
            }

            unsafe fn cancel_wait(door: &$door, waiter: Pin<&$waiter>) {
                // SAFETY: by this function's contract.
                unsafe { door.condvar.$cancel(door.raw(), waiter) };
            }
        }

        impl<$($life,)? L: $raw, T: ?Sized, C: $($condvar)+> $name<$($life,)? L, T, C> {
            /// Lets the door go, waits for a notification, and gives the guard
            /// back when it is inside again.
            ///
            $(#[doc = $example])?
            ///
            /// # Cancel safety
            ///
            /// | dropped | what happens |
            /// |---|---|
            /// | before the first poll | the guard is dropped: the door is let go |
            /// | waiting | it leaves the line; it is not inside |
            /// | notified, in the lock's line | it leaves that line, and passes a notification of `notify_one` on |
            /// | notified, and granted | it lets the door go, and passes the notification on |
            /// | after it was ready | the guard is inside |
            ///
            /// So the guard is gone in each case but the last: to go on inside
            /// after a timeout, enter anew.
            ///
            /// # Panics
            ///
            /// If the waker of somebody who is let in does, or when polled
            /// after it was ready.
            pub fn wait_async(self) -> $crate::future::WaitInside<Self> {
                $crate::future::WaitInside::new(self)
            }

            /// Waits as long as `condition` holds: it is asked at the first
            /// poll, and again after each notification, inside the door.
            ///
            /// # Cancel safety
            ///
            /// As [`wait_async`](Self::wait_async).
            ///
            /// # Panics
            ///
            /// If polled again after it was ready.
            pub fn wait_while_async<F: FnMut(&$($mutable)? T) -> bool>(
                self,
                mut condition: F,
            ) -> $crate::future::WaitInsideWhile<Self, impl FnMut(&mut Self) -> bool> {
                $crate::future::WaitInsideWhile::new(self, move |guard: &mut Self| {
                    condition(&$($mutable)? **guard)
                })
            }
        }
    };
}

waiting_inside! {
    DoorGuard<'a> [lock_api::RawMutex, RawCondvarAsync<L>] [&mut]
    &'a Door<L, T, C>, Guard, C::Waiter, join, poll_wait, cancel_wait,
    "```
use portunus::sync::Door;

# smol::block_on(async {
let jobs = Door::new(vec![]);

let worker = async {
    let jobs = jobs.enter_async().await;
    jobs.wait_while_async(|jobs| jobs.is_empty()).await.pop()
};
let boss = async {
    let mut jobs = jobs.enter_async().await;
    jobs.push(7);
    jobs.notify_one();
};
let (job, ()) = smol::future::zip(worker, boss).await;
assert_eq!(job, Some(7));
# });
```"
}

waiting_inside! {
    DoorReadGuard<'a> [lock_api::RawRwLock, RawSharedCondvarAsync<L>] [&]
    &'a SharedDoor<L, T, C>, SharedGuard, C::SharedWaiter,
    join_shared, poll_wait_shared, cancel_wait_shared
}

waiting_inside! {
    DoorWriteGuard<'a> [lock_api::RawRwLock, RawSharedCondvarAsync<L>] [&mut]
    &'a SharedDoor<L, T, C>, ExclusiveGuard, C::ExclusiveWaiter,
    join_exclusive, poll_wait_exclusive, cancel_wait_exclusive
}

waiting_inside! {
    DoorUpgradableReadGuard<'a> [lock_api::RawRwLockUpgrade, RawSharedCondvarUpgradeAsync<L>] [&]
    &'a SharedDoor<L, T, C>, UpgradableGuard, C::UpgradableWaiter,
    join_upgradable, poll_wait_upgradable, cancel_wait_upgradable
}
