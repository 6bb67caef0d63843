//! From a queue of waiters straight into a lock's line.
//!
//! Who waits for a condition holds no lock, and wants one when it is notified.
//! The notifier puts it into that lock's line itself, so that it wakes once, as
//! the lock's owner.
//!
//! # Who may be delivered
//!
//! A blocked thread always. A future may have been forgotten, and its borrows be
//! over: its memory is pinned and stays, but not what it points to. It is
//! delivered
//!
//! * if it owns what keeps its lock alive, an `Arc`: forgotten, it keeps that
//!   for ever; or
//! * if the notifier borrows its lock: by the notifier's reference.
//!
//! A forgotten future's node then stands in the lock's line, as that of a
//! forgotten acquisition does: it is pinned, and nobody follows anything in it
//! but links and the waker. It keeps those behind it waiting.
//!
//! Any other future is woken, and asks for itself; and so is everybody whose
//! lock has an inner lock that does not [leave at
//! once](InnerLock::LEAVES_AT_ONCE), if the notifier does not borrow it.
//!
//! # Invariants
//!
//! Those of the queue (Q1 to Q6) and of the [module above](super), and:
//!
//! * **H1** The target of a ticket that [`deliver`](RawFifoLock::deliver)
//!   follows is alive until the ticket is marked as its lock's owner: a blocked
//!   thread borrows it until then, and a frame on a stack is not forgotten; a
//!   future owns what keeps it alive; or the notifier borrows it.
//!   Where the notifier does not, the inner lock leaves at once. Where a thread or a future that owns is marked, its owner may free the
//!   lock at once, and the notifier borrows the queue alone. So a mark under
//!   that lock's inner lock is one whose owner passes that inner lock before it
//!   goes on, and any other is set after the section; nothing of the lock is
//!   touched after either.
//! * **H2** Of any other future's ticket nothing is followed but the node and
//!   the waker in it.
//! * **H3** All tickets of a queue ask for one unit of a mode that every lock
//!   has which is at hand when this queue is notified: so one whose future was
//!   forgotten, and whose target's address belongs to another lock by now, asks
//!   that one for something that it has.

#![allow(unsafe_code)]

use core::cell::Cell;
use core::mem;
use core::pin::{Pin, pin};
use core::ptr;
use core::task::Waker;

use super::{Polled, RawFifoLock, Waited};
use crate::atomic::{Fault, Ordering};
use crate::backend::Backend;
use crate::panic::Panic;
use crate::raw::engine::{self, Entry, Env, Unnoted};
use crate::raw::mode::Rules;
use crate::wait::inner::regained;
use crate::wait::node::{Node, NodeTurn, Request, state};
use crate::wait::queue::{Deliver, Departure, Here, Ticket, WaitQueue, ask};
use crate::wait::{Forever, InnerLock, Limit, wait_over};

impl<R: Rules, B: Backend> RawFifoLock<R, B> {
    /// Delivers a ticket into the line of its lock. The rule must not panic:
    /// only those of this crate are used with conditions.
    ///
    /// A future whose task has a grant of this lock that it has not picked up is
    /// woken instead: that grant is its to take, when it asks.
    ///
    /// # Safety
    ///
    /// As [`Deliver`](crate::wait::queue::Deliver); `target` is such a lock, and
    /// alive as H1 says.
    unsafe fn deliver(ticket: *const Ticket, target: *const ()) -> Option<Waker> {
        /// What is done after the section.
        enum After {
            Nothing,
            Wake(Option<Waker>),
            Ask,
            Mark,
        }
        let target: *const Self = target.cast();
        let id = Ticket::node_of(ticket);
        // SAFETY: H1.
        let after = unsafe { &*target }.section(|s| {
            // SAFETY: Q4: alive, out of the ring, and in no other line.
            let node = unsafe { &*id };
            let tracked = node.is_tracked();
            if tracked && s.has_sibling(node) && !Fault::DeliverBehindSibling.on() {
                return After::Ask;
            }
            match engine::enqueue(s, id, node.request(), &Unnoted) {
                Entry::Queued => After::Nothing,
                // Its owner passes this inner lock to pick it up (R2).
                Entry::Admitted if tracked => After::Wake(s.granted(id)),
                Entry::Admitted => After::Mark,
            }
        });
        match after {
            After::Nothing => None,
            After::Wake(waker) => waker,
            // SAFETY: Q4: as this function; in no line.
            After::Ask => unsafe { ask(ticket, ptr::null()) },
            // SAFETY: N1: it is in no list, and its thread, which may be looking
            // for its time, waits for the queue's inner lock.
            After::Mark => unsafe { Node::finish(id, state::GRANTED) },
        }
    }

    /// This lock, at hand for those who notify.
    ///
    /// # Safety
    ///
    /// H3: it has the modes that the tickets of the queue ask for.
    pub(crate) unsafe fn at_hand(&self) -> Here<'_> {
        // SAFETY: by this function's contract; alive as long as it is borrowed.
        unsafe { Here::new(self, Self::deliver) }
    }

    /// How one is delivered who keeps this lock alive until it is marked.
    const DELIVER: Deliver = if B::Inner::LEAVES_AT_ONCE { Self::deliver } else { ask };

    /// Stands in line as a future that wants this lock when it is notified.
    /// `owned`: it keeps the lock alive, and in its place, as long as it is not
    /// dropped.
    ///
    /// # Safety
    ///
    /// The ticket is new, a future's, and stays pinned until
    /// [`poll_wait`](Self::poll_wait) has returned `true` or
    /// [`cancel_wait`](Self::cancel_wait) was called. `owned` is true. The
    /// lock is one of those of H3.
    pub(crate) unsafe fn join_wait<I: InnerLock>(
        &self,
        queue: &WaitQueue<I>,
        ticket: Pin<&Ticket>,
        waker: &Waker,
        owned: bool,
    ) {
        let target = ptr::from_ref(self).cast();
        let owned = owned || Fault::DeliverForgotten.on();
        let deliver = if owned { Self::DELIVER } else { ask };
        // SAFETY: by this function's contract; H1, H2.
        unsafe { queue.join(ticket, deliver, target, Some(waker.clone())) };
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
                // A waker's panic on top ends here, where it can be caught.
                // SAFETY: joined with this lock; the guard is made just before.
                let _caught: Result<(), Panic> =
                    B::catch(|| unsafe { self.lock.give_up(self.queue, self.ticket) });
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
        unsafe { queue.join(ticket, Self::DELIVER, target, None) };
        let regain = Regain { lock: self, queue, ticket };
        if !Fault::UnlockBeforeJoin.on() {
            self.release(request, true);
        }
        let node = ticket.node();
        let over = wait_over::<B::Wait>(&NodeTurn(node), limit);
        // SAFETY: joined.
        let notified = over || unsafe { queue.leave(ticket) } != Departure::Withdrawn;
        // Ordering: Acquire, pairs with the mark's Release (O3).
        // SAFETY: by the owner, out of the queue.
        let asks = notified
            && node.state(Ordering::Acquire) == state::EVICTED
            && unsafe { ticket.take_asks() };
        let holds = notified
            && !asks
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
            // The caller's guard stands for the lock, also while unwinding.
            regained(|| self.acquire_blocking(request));
        }
        notified
    }

    /// `true`: it was notified, and holds.
    ///
    /// # Safety
    ///
    /// By the owner; the ticket has joined `queue` with
    /// [`join_wait`](Self::join_wait) of this lock.
    pub(crate) unsafe fn poll_wait<I: InnerLock>(
        &self,
        queue: &WaitQueue<I>,
        ticket: Pin<&Ticket>,
        waker: &Waker,
    ) -> bool {
        let node = ticket.get_ref().node();
        // Ordering: Acquire, pairs with the mark's Release (O3).
        let seen = node.state(Ordering::Acquire);
        // SAFETY: it has joined.
        if state::is_waiting(seen) && unsafe { queue.keep(ticket, waker) } {
            return false;
        }
        // Out of the queue: it was delivered, or asks for itself.
        // Ordering: as above.
        // SAFETY: by the owner, who has seen the mark.
        if node.state(Ordering::Acquire) == state::EVICTED && unsafe { ticket.take_asks() } {
            // It was in no line, and owes nobody a grant.
            node.set_state(state::INIT, Ordering::Relaxed);
        }
        // Ordering: Relaxed, nobody else sees a node in `INIT`.
        let entered =
            node.state(Ordering::Relaxed) == state::INIT && self.try_acquire(node.request());
        if !entered && self.poll_slow(node, waker) != Polled::Holds {
            return false;
        }
        // The last act: from here on the units are the caller's.
        node.set_state(state::DONE, Ordering::Relaxed);
        true
    }

    /// Gives the waiting up, in the queue or in the lock's line; a notification
    /// that came for it alone is passed on.
    ///
    /// # Safety
    ///
    /// By the owner; the ticket is as in [`poll_wait`](Self::poll_wait), or has
    /// never joined.
    pub(crate) unsafe fn cancel_wait<I: InnerLock>(
        &self,
        queue: &WaitQueue<I>,
        ticket: Pin<&Ticket>,
    ) {
        // Ordering: Relaxed, the owner itself leaves `INIT` and reaches `DONE`.
        match ticket.get_ref().node().state(Ordering::Relaxed) {
            state::DONE => return,
            // It has never joined; or a poll that was to ask unwound.
            // SAFETY: by the owner, out of the ring.
            state::INIT if unsafe { !ticket.was_by_one() } => return,
            _ => {}
        }
        // SAFETY: by this function's contract.
        unsafe { self.give_up(queue, ticket) };
    }

    /// Leaves the queue or, after it, the lock's line.
    ///
    /// # Safety
    ///
    /// By the owner, joined with this lock.
    unsafe fn give_up<I: InnerLock>(&self, queue: &WaitQueue<I>, ticket: Pin<&Ticket>) {
        /// Passes on also if the lock's next waker panics.
        struct PassOn<'a, I: InnerLock>(&'a WaitQueue<I>, bool, Here<'a>);
        impl<I: InnerLock> Drop for PassOn<'_, I> {
            fn drop(&mut self) {
                if self.1 && !Fault::NotificationKept.on() {
                    self.0.notify_one_at(Some(self.2));
                }
            }
        }
        // SAFETY: by this function's contract.
        if let Departure::Notified { by_one } = unsafe { queue.leave(ticket) } {
            // SAFETY: joined with this lock, so one of those of H3.
            let _pass_on = PassOn(queue, by_one, unsafe { self.at_hand() });
            self.abandon(ticket.get_ref().node());
        }
    }
}
