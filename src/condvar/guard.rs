//! Guards whose lock can be let go for a while, and taken again.
//!
//! # Invariant
//!
//! * **W1** A guard holds its raw lock with one unit of its mode, whatever
//!   else the lock's state in it says: that is a hint, which may be out of
//!   date. So the lock may be let go and taken again beneath a guard that
//!   nobody can use meanwhile.

#![allow(unsafe_code)]

use core::pin::Pin;
use core::task::Waker;

use crate::backend::Backend;
use crate::mutex::RawMutex;
use crate::raw::lock::RawFifoLock;
use crate::rules::{Exclusive, Preference, Shared};
use crate::rwlock::RawRwLock;
use crate::wait::Limit;
use crate::wait::node::Request;
use crate::wait::queue::{Here, Ticket, WaitQueue};

/// The mode in which a mutex is held.
pub(crate) const LOCK: Request = crate::mutex::REQUEST;

/// A raw lock into whose line a waiter can be delivered.
///
/// # Safety
///
/// Its methods do what those of `RawFifoLock` with the same names do.
#[doc(hidden)]
pub unsafe trait Waits<B: Backend> {
    /// # Safety
    ///
    /// The caller holds the lock in that mode, and uses no data meanwhile.
    unsafe fn wait_in(&self, queue: &WaitQueue<B::Inner>, mode: u8, limit: &impl Limit) -> bool;

    /// # Safety
    ///
    /// As `RawFifoLock::join_wait`, for a ticket that asks for this mode.
    unsafe fn join_wait(
        &self,
        queue: &WaitQueue<B::Inner>,
        ticket: Pin<&Ticket>,
        waker: &Waker,
        owned: bool,
    );

    /// # Safety
    ///
    /// As `RawFifoLock::poll_wait`.
    unsafe fn poll_wait(
        &self,
        queue: &WaitQueue<B::Inner>,
        ticket: Pin<&Ticket>,
        waker: &Waker,
    ) -> bool;

    /// # Safety
    ///
    /// As `RawFifoLock::cancel_wait`.
    unsafe fn cancel_wait(&self, queue: &WaitQueue<B::Inner>, ticket: Pin<&Ticket>);

    /// # Safety
    ///
    /// As `RawFifoLock::at_hand`.
    unsafe fn at_hand(&self) -> Here<'_>;
}

macro_rules! waits {
    ($([$($param:ident: $bound:ident),*] $raw:ty, $rules:ty;)*) => {$(
        // SAFETY: they are those methods.
        unsafe impl<$($param: $bound,)* B: Backend> Waits<B> for $raw {
            unsafe fn wait_in(
                &self,
                queue: &WaitQueue<B::Inner>,
                mode: u8,
                limit: &impl Limit,
            ) -> bool {
                let raw: &RawFifoLock<$rules, B> = self.raw();
                raw.wait_in(queue, Request { mode, ..LOCK }, limit)
            }

            unsafe fn join_wait(
                &self,
                queue: &WaitQueue<B::Inner>,
                ticket: Pin<&Ticket>,
                waker: &Waker,
                owned: bool,
            ) {
                // SAFETY: by this function's contract.
                unsafe { self.raw().join_wait(queue, ticket, waker, owned) };
            }

            unsafe fn poll_wait(
                &self,
                queue: &WaitQueue<B::Inner>,
                ticket: Pin<&Ticket>,
                waker: &Waker,
            ) -> bool {
                // SAFETY: by this function's contract.
                unsafe { self.raw().poll_wait(queue, ticket, waker) }
            }

            unsafe fn cancel_wait(&self, queue: &WaitQueue<B::Inner>, ticket: Pin<&Ticket>) {
                // SAFETY: by this function's contract.
                unsafe { self.raw().cancel_wait(queue, ticket) };
            }

            unsafe fn at_hand(&self) -> Here<'_> {
                // SAFETY: by this function's contract.
                unsafe { self.raw().at_hand() }
            }
        }
    )*};
}
waits! {
    [] RawMutex<B>, Exclusive;
    [P: Preference] RawRwLock<P, B>, Shared<P>;
}

/// A guard that holds a raw lock (W1).
///
/// # Safety
///
/// The guard holds `raw()` with one unit of the mode with index `MODE`.
#[doc(hidden)]
pub unsafe trait Held<B: Backend> {
    /// The raw lock.
    type Raw: Waits<B>;
    /// The index of the mode.
    const MODE: u8;
    fn raw(&self) -> &Self::Raw;

    /// Lets the lock go, waits, and holds it again.
    fn wait_in(&mut self, queue: &WaitQueue<B::Inner>, limit: &impl Limit) -> bool {
        // SAFETY: W1; the guard is borrowed exclusively: nobody uses the data.
        unsafe { self.raw().wait_in(queue, Self::MODE, limit) }
    }
}

/// A guard that can be made anew from its lock.
///
/// # Safety
///
/// `raw_of(lock())` is the guard's raw lock, and keeps its place. `OWNED` is
/// true.
#[doc(hidden)]
#[allow(dead_code, unreachable_pub, reason = "of futures")]
pub unsafe trait Remade<B: Backend>: Held<B> + Sized {
    /// What keeps the lock reachable meanwhile.
    type Lock;
    /// Whether it keeps the lock alive, and in its place, as long as it is not
    /// dropped: also when it is forgotten.
    const OWNED: bool;
    fn lock(&self) -> Self::Lock;
    fn raw_of(lock: &Self::Lock) -> &Self::Raw;

    /// # Safety
    ///
    /// The caller holds the lock in the guard's mode, and no guard was made.
    unsafe fn remake(lock: Self::Lock) -> Self;
}

/// The guards that a [`Condvar`](super::Condvar) waits with: those of this
/// crate's mutexes.
///
/// It cannot be implemented elsewhere.
pub trait CondvarGuard<B: Backend>: Held<B> {}

/// The guards that a [`SharedCondvar`](super::SharedCondvar) waits with: read,
/// upgradable and write guards of this crate's readers-writer locks.
///
/// It cannot be implemented elsewhere.
pub trait SharedCondvarGuard<B: Backend>: Held<B> {}
