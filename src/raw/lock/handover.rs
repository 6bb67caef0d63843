//! From a queue of waiters straight into a lock's line.
//!
//! Who waits for a condition holds no lock, and wants one when it is notified.
//! The notifier puts a blocked thread into that lock's line itself, so that it
//! wakes once, as the lock's owner.
//!
//! A future is only woken, and then asks for itself: it may have been
//! forgotten, and its borrows be over. Its memory is pinned and stays, but not
//! what it points to.
//!
//! # Invariants
//!
//! Those of the queue (Q1 to Q5) and of the [module above](super), and:
//!
//! * **H1** The target of a blocked thread's ticket is the lock that it borrows
//!   until it has it again: a frame on a stack is not forgotten. The notifier
//!   borrows the queue alone: the thread is marked after the notifier has left
//!   that lock's section, and nothing of the lock is touched after that.
//! * **H2** Of a future's ticket nothing is followed but the node and the waker
//!   in it.

#![allow(unsafe_code)]

use core::cell::Cell;
use core::mem;
use core::pin::{Pin, pin};
use core::ptr;
use core::task::Waker;

use super::{RawFifoLock, Waited};
use crate::atomic::Fault;
use crate::backend::Backend;
use crate::raw::engine::{self, Entry, Unnoted};
use crate::raw::mode::Rules;
use crate::raw::waiter::Seat;
use crate::wait::node::{Node, NodeTurn, Request, state};
use crate::wait::queue::{Departure, Ticket, WaitQueue};
use crate::wait::{Forever, InnerLock, Limit, wait_over};

impl<R: Rules, B: Backend> RawFifoLock<R, B> {
    /// Delivers a ticket into the line of its lock. The rule must not panic:
    /// only those of this crate are used with conditions.
    ///
    /// # Safety
    ///
    /// As [`Deliver`](crate::wait::queue::Deliver); the ticket was joined with
    /// such a lock as its target.
    unsafe fn deliver(ticket: *const Ticket) -> Option<Waker> {
        // SAFETY: Q4: alive, and ours.
        let target: *const Self = unsafe { Ticket::target(ticket) }.cast();
        let id = Ticket::node_of(ticket);
        let mut entered = false;
        // SAFETY: H1: a thread's ticket; alive until it is marked.
        unsafe { &*target }.section(|s| {
            // SAFETY: Q4: alive, out of the ring, and in no other line.
            let request = unsafe { &*id }.request();
            match engine::enqueue(s, id, request, &Unnoted) {
                Entry::Queued => {}
                Entry::Admitted => entered = true,
            }
        });
        if !entered {
            return None;
        }
        // SAFETY: N1: it is in no list, and its thread, which may be looking
        // for its time, waits for the queue's inner lock.
        unsafe { Node::finish(id, state::GRANTED) }
    }

    /// Lets the hold of `request` go, blocks until notified (`true`) or until
    /// `limit` (`false`), and holds again when it returns: also by unwinding.
    pub(crate) fn wait_in<I: InnerLock>(
        &self,
        queue: &WaitQueue<I>,
        request: Request,
        limit: &impl Limit,
    ) -> bool {
        /// Holds again should a waker or a strategy panic.
        struct Regain<'a, R: Rules, B: Backend, I: InnerLock> {
            lock: &'a RawFifoLock<R, B>,
            queue: &'a WaitQueue<I>,
            ticket: Pin<&'a Ticket>,
        }
        impl<R: Rules, B: Backend, I: InnerLock> Drop for Regain<'_, R, B, I> {
            fn drop(&mut self) {
                // SAFETY: joined with this lock; the guard is made just before.
                unsafe { self.lock.give_up(self.queue, self.ticket) };
                self.lock.acquire_blocking(self.ticket.node().request());
            }
        }
        let ticket = pin!(Ticket::new(request, false));
        let ticket = ticket.into_ref();
        let target = ptr::from_ref(self).cast();
        if Fault::UnlockBeforeJoin.on() {
            self.release(request, true);
        }
        // SAFETY: new, pinned; H1: we borrow the lock until we hold it.
        unsafe { queue.join(ticket, Self::deliver, target, None) };
        let regain = Regain { lock: self, queue, ticket };
        if !Fault::UnlockBeforeJoin.on() {
            self.release(request, true);
        }
        let node = ticket.node();
        let over = wait_over::<B::Wait>(&NodeTurn(node), limit);
        // SAFETY: joined.
        let notified = over || unsafe { queue.leave(ticket) } != Departure::Withdrawn;
        let holds = notified
            && match self.wait_in_line(node, &Forever, &Cell::new(false)) {
                Waited::Granted => true,
                Waited::Evicted => {
                    self.grant_now();
                    false
                }
                // A strategy that ended a wait without a limit; a lock with
                // conditions refuses nobody.
                Waited::TooLong | Waited::Refused => false,
            };
        mem::forget(regain);
        if !holds {
            self.acquire_blocking(request);
        }
        notified
    }

    /// `true`: it was notified, and holds.
    ///
    /// # Safety
    ///
    /// By the owner; the ticket has joined `queue` with
    /// [`join_plain`](WaitQueue::join_plain); both stay pinned, the seat with
    /// this lock, until this has returned `true` or
    /// [`cancel_wait`](Self::cancel_wait) was called.
    pub(crate) unsafe fn poll_wait<I: InnerLock>(
        &self,
        queue: &WaitQueue<I>,
        (ticket, seat): (Pin<&Ticket>, Pin<&Seat>),
        waker: &Waker,
    ) -> bool {
        // SAFETY: by this function's contract.
        unsafe { queue.poll(ticket, waker) && seat.poll(self, seat.request(), waker).is_some() }
    }

    /// Gives the waiting up, in the queue or in the lock's line; a notification
    /// that came for it alone is passed on.
    ///
    /// # Safety
    ///
    /// As [`poll_wait`](Self::poll_wait).
    pub(crate) unsafe fn cancel_wait<I: InnerLock>(
        &self,
        queue: &WaitQueue<I>,
        (ticket, seat): (Pin<&Ticket>, Pin<&Seat>),
    ) {
        if seat.is_done() {
            return;
        }
        // First of all: to let the lock go may unwind.
        // SAFETY: by this function's contract.
        unsafe {
            queue.give_up_notified(ticket);
            seat.cancel(self);
        }
    }

    /// Leaves the queue or, after it, the lock's line.
    ///
    /// # Safety
    ///
    /// By the owner, a thread, joined with this lock.
    unsafe fn give_up<I: InnerLock>(&self, queue: &WaitQueue<I>, ticket: Pin<&Ticket>) {
        /// Passes on also if the lock's next waker panics.
        struct PassOn<'a, I: InnerLock>(&'a WaitQueue<I>, bool);
        impl<I: InnerLock> Drop for PassOn<'_, I> {
            fn drop(&mut self) {
                if self.1 && !Fault::NotificationKept.on() {
                    self.0.notify_one();
                }
            }
        }
        // SAFETY: by this function's contract.
        if let Departure::Notified { by_one } = unsafe { queue.leave(ticket) } {
            let _pass_on = PassOn(queue, by_one);
            self.abandon(ticket.get_ref().node());
        }
    }
}
