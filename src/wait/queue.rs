//! A line in which one waits to be notified, and what a notification does.
//!
//! Waiters stand in a ring of [`Ticket`]s, first come, first served. The word
//! that the inner lock keeps is the address of the last one, from which the
//! first is one step away: a queue is as big as its inner lock.
//!
//! What a notification does is the ticket's own: [`wake`] ends the waiting. A
//! condition variable's tickets are *delivered* into the line of the lock that
//! they let go, and end their waiting there: if whoever waits keeps that lock
//! alive, or if the notifier has it [at hand](Here). Otherwise they [`ask`] for
//! it themselves.
//!
//! Whoever notifies all does so in batches. What the first batch has no room for
//! leaves the ring with it, in one step, for a ring of the notifier's own: so who
//! is notified is decided in one moment, and who comes later is not among them,
//! whoever leaves meanwhile.
//!
//! # Invariants
//!
//! * **Q1** The rings, and the plain fields of the tickets in them, are touched
//!   under the inner lock only.
//! * **Q2** A ticket is `JOINED` exactly while it is in a ring. Once it is
//!   out it comes back by its owner alone, so that an owner who saw it outside
//!   under the inner lock need not look again.
//! * **Q3** A ticket in a ring is pinned: its owner can't free it before it
//!   has left under the inner lock, or was delivered.
//! * **Q4** A ticket is delivered at most once: out of the ring, under the
//!   inner lock. It may be gone after that.
//! * **Q5** Inner locks nest in one order: a queue's, then a lock's.
//! * **Q6** What `target` points to is followed by the ticket's own `deliver`
//!   alone, which the ticket's owner chose, knowing whether it is kept alive. A
//!   notifier that has a lock at hand compares addresses only, and follows its
//!   own reference.
//! * **Q7** A notifier's ring has its head, which is no ticket, and stays where it
//!   is until that ring was seen empty under the inner lock. So a ticket there is
//!   never alone in its ring, nor the last one of the queue's: it leaves as one of
//!   the queue's ring does, and nobody has to know in which it is.

#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::fmt;
use core::marker::{PhantomData, PhantomPinned};
use core::mem;
use core::pin::Pin;
use core::ptr;
use core::task::Waker;

use super::batch::{BATCH, Batch};
use super::inner::InnerLock;
use super::node::{NO_MODE, Node, NodeTurn, Request, WakerParts, state};
use super::{Limit, Wait, wait_over};
use crate::atomic::{Cell, Fault, Ordering, constructor, init};

/// What a notification does with a ticket that is out of the ring. It returns
/// whom to wake, after the inner lock.
///
/// # Safety
///
/// Called once, under the queue's inner lock, with the ticket alive until its
/// node is marked (Q4), and with the target that it was joined with, or the
/// lock of a [`Here`].
pub(crate) type Deliver = unsafe fn(*const Ticket, *const ()) -> Option<Waker>;

/// A lock that the notifier has at hand: it is alive as long as this borrows it.
#[doc(hidden)]
#[derive(Clone, Copy)]
#[allow(unreachable_pub, reason = "in a hidden trait")]
pub struct Here<'a> {
    lock: *const (),
    deliver: Deliver,
    borrowed: PhantomData<&'a ()>,
}

impl fmt::Debug for Here<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Here").finish_non_exhaustive()
    }
}

impl<'a> Here<'a> {
    /// # Safety
    ///
    /// `deliver` takes `lock`, and any ticket of the queues that this is used
    /// with whose target is at this address.
    pub(crate) unsafe fn new<L>(lock: &'a L, deliver: Deliver) -> Self {
        Self { lock: ptr::from_ref(lock).cast(), deliver, borrowed: PhantomData }
    }
}

/// The request of a ticket that asks for no lock.
const NOTHING: Request = Request { mode: 0, from: NO_MODE, weight: 0 };

/// Ends the waiting: the plain notification.
///
/// # Safety
///
/// As [`Deliver`].
unsafe fn wake(ticket: *const Ticket, _: *const ()) -> Option<Waker> {
    // SAFETY: Q4: out of the ring, under the inner lock that it is polled and
    // left under.
    unsafe { Node::finish(&raw const (*ticket).node, state::GRANTED) }
}

/// Ends the waiting, and leaves it to the owner to ask for its lock: the
/// notification of one that nobody can deliver.
///
/// # Safety
///
/// As [`Deliver`].
pub(crate) unsafe fn ask(ticket: *const Ticket, _: *const ()) -> Option<Waker> {
    // SAFETY: Q4: out of the ring; the flags first: after the mark it may be
    // gone.
    unsafe {
        (*ticket).flags.set((*ticket).flags.get() | ASKS);
        Node::finish(Ticket::node_of(ticket), state::EVICTED)
    }
}

/// A place in the queue, inside the waiter itself.
#[doc(hidden)]
#[repr(C)]
#[allow(unreachable_pub, reason = "futures name it, and they are a feature")]
pub struct Ticket {
    /// First, so that the address of one is that of the other: the links are
    /// the node's.
    node: Node,
    deliver: Cell<Deliver>,
    /// The lock into whose line it is delivered.
    target: Cell<*const ()>,
    flags: Cell<u8>,
    _pinned: PhantomPinned,
}

/// It is in a ring.
const JOINED: u8 = 1;
/// It was notified alone: whoever gives the notification up passes it on.
const BY_ONE: u8 = 2;
/// It was notified, and asks for its lock itself: it is in no line.
const ASKS: u8 = 4;

// SAFETY: Q1 to Q4: who may touch which field is decided by the inner lock.
unsafe impl Send for Ticket {}
// SAFETY: as above.
unsafe impl Sync for Ticket {}

impl Ticket {
    /// One that asks for `request` when it is delivered. `tracked`: its owner
    /// is a future.
    #[inline]
    pub(crate) fn new(request: Request, tracked: bool) -> Self {
        Self {
            node: Node::new(request, tracked),
            deliver: Cell::new(wake),
            target: Cell::new(ptr::null()),
            flags: Cell::new(0),
            _pinned: PhantomPinned,
        }
    }

    /// One that is only woken.
    #[inline]
    pub(crate) fn plain(tracked: bool) -> Self {
        Self::new(NOTHING, tracked)
    }

    /// Whether it is in a ring.
    ///
    /// # Safety
    ///
    /// Under the inner lock.
    pub(super) unsafe fn is_joined(this: *const Self) -> bool {
        // SAFETY: Q1.
        unsafe { (*this).flags.get() & JOINED != 0 }
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// The address of the node of a ticket, valid for the whole ticket.
    pub(crate) fn node_of(this: *const Self) -> *const Node {
        this.cast()
    }

    /// Whether it was notified and has to ask for its lock; says so once.
    ///
    /// # Safety
    ///
    /// By the owner, who has seen its mark (Q2).
    pub(crate) unsafe fn take_asks(&self) -> bool {
        let flags = self.flags.get();
        self.flags.set(flags & !ASKS);
        flags & ASKS != 0
    }

    /// Whether it was notified alone.
    ///
    /// # Safety
    ///
    /// By the owner; it has never joined, or is out of the ring.
    pub(crate) unsafe fn was_by_one(&self) -> bool {
        self.flags.get() & BY_ONE != 0
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").finish_non_exhaustive()
    }
}

/// The ring, by the word that the inner lock keeps: its last ticket.
pub(super) struct Ring<'a>(&'a mut *const ());

impl Ring<'_> {
    pub(super) fn last(&self) -> Option<*const Ticket> {
        let last: *const Ticket = self.0.cast();
        if last.is_null() { None } else { Some(last) }
    }

    pub(super) fn first(&self) -> Option<*const Ticket> {
        // SAFETY: Q1, Q3: the ring's members are alive.
        self.last().map(|last| unsafe { (*last).node.next.get() }.cast())
    }

    /// The one behind a ticket of the ring.
    pub(super) fn after(&self, ticket: *const Ticket) -> Option<*const Ticket> {
        if self.last() == Some(ticket) {
            return None;
        }
        // SAFETY: Q1, Q3.
        Some(unsafe { (*Ticket::node_of(ticket)).next.get() }.cast())
    }

    /// Puts a ticket that is only woken at the end.
    ///
    /// # Safety
    ///
    /// As [`WaitQueue::join`], under the inner lock, and by the owner again
    /// after it was out.
    pub(super) unsafe fn enter(&mut self, ticket: *const Ticket, waker: Option<Waker>) {
        // SAFETY: Q3: pinned; nobody else knows a ticket outside (Q2).
        let this = unsafe { &*ticket };
        if let Some(waker) = waker {
            // SAFETY: by the owner; what was there was taken when it left.
            unsafe { this.node.set_waker(waker) };
        }
        this.node.set_state(state::QUEUED, Ordering::Relaxed);
        this.flags.set(JOINED);
        // SAFETY: in no ring, and pinned, by this function's contract.
        unsafe { self.push(ticket) };
    }

    /// Takes a ticket out, without a notification. Its waker comes back.
    ///
    /// # Safety
    ///
    /// Under the inner lock, by the owner; the ticket is in a ring.
    pub(super) unsafe fn withdraw(&mut self, ticket: *const Ticket) -> Option<Waker> {
        // SAFETY: Q2: in a ring, and alive.
        let this = unsafe {
            self.unlink(ticket);
            &*ticket
        };
        this.flags.set(0);
        // Ordering: Relaxed, only the owner sets what is asked for.
        let seen = this.node.state(Ordering::Relaxed);
        this.node.set_state(state::DONE, Ordering::Relaxed);
        if this.node.is_tracked() || seen & state::PARKED_BIT != 0 {
            // SAFETY: N3: waiting, and given its waker.
            return Some(unsafe { this.node.take_waker() });
        }
        None
    }

    /// Takes a ticket out and marks it as one that has to ask for itself.
    ///
    /// # Safety
    ///
    /// Under the inner lock; the ticket is in the ring, and only woken.
    pub(super) unsafe fn evict(&mut self, ticket: *const Ticket) -> Option<Waker> {
        // SAFETY: Q1, Q4.
        unsafe {
            self.unlink(ticket);
            (*ticket).flags.set(0);
            Node::finish(Ticket::node_of(ticket), state::EVICTED)
        }
    }

    /// # Safety
    ///
    /// Under the inner lock; the ticket is in no ring, and stays pinned.
    unsafe fn push(&mut self, ticket: *const Ticket) {
        let node = Ticket::node_of(ticket);
        // SAFETY: Q1, Q3.
        unsafe {
            match self.last() {
                None => {
                    (*node).next.set(node);
                    (*node).prev.set(node);
                }
                Some(last) => {
                    let last = Ticket::node_of(last);
                    let first = (*last).next.get();
                    (*node).next.set(first);
                    (*node).prev.set(last);
                    (*first).prev.set(node);
                    (*last).next.set(node);
                }
            }
        }
        *self.0 = ticket.cast();
    }

    /// Takes a ticket out of its ring: this one, or a notifier's (Q7).
    ///
    /// # Safety
    ///
    /// Under the inner lock; the ticket is in a ring.
    unsafe fn unlink(&mut self, ticket: *const Ticket) {
        let node = Ticket::node_of(ticket);
        // SAFETY: Q1, Q3.
        unsafe {
            let (prev, next) = ((*node).prev.get(), (*node).next.get());
            if prev == node {
                *self.0 = ptr::null();
                return;
            }
            (*prev).next.set(next);
            (*next).prev.set(prev);
            if ptr::eq(self.0.cast(), ticket) {
                *self.0 = prev.cast();
            }
        }
    }

    /// Hands everybody over to the ring of `head`, which is new. `false`: nobody
    /// is here.
    ///
    /// # Safety
    ///
    /// Under the inner lock; `head` stays as Q7 says.
    unsafe fn hand_over(&mut self, head: *const Node) -> bool {
        let Some(last) = self.last().map(Ticket::node_of) else { return false };
        // SAFETY: Q1, Q3; `head` by this function's contract.
        unsafe {
            let first = (*last).next.get();
            (*head).next.set(first);
            (*head).prev.set(last);
            (*first).prev.set(head);
            (*last).next.set(head);
        }
        *self.0 = ptr::null();
        true
    }

    /// Takes a ticket out of its ring and delivers it.
    ///
    /// # Safety
    ///
    /// As [`unlink`](Self::unlink).
    pub(super) unsafe fn notify(
        &mut self,
        ticket: *const Ticket,
        by_one: bool,
        here: Option<Here<'_>>,
    ) -> Option<Waker> {
        // SAFETY: Q1, Q4, Q6; the flags first: after the delivery it may be
        // gone.
        unsafe {
            self.unlink(ticket);
            (*ticket).flags.set(if by_one { BY_ONE } else { 0 });
            let (mut deliver, mut target) = ((*ticket).deliver.get(), (*ticket).target.get());
            if let Some(here) = here
                && ptr::eq(here.lock, target)
            {
                (deliver, target) = (here.deliver, here.lock);
            }
            deliver(ticket, target)
        }
    }
}

/// How a ticket came out of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(unreachable_pub, reason = "in a hidden trait")]
pub enum Departure {
    /// By itself, without a notification.
    Withdrawn,
    /// Notified; alone, or with all others.
    Notified {
        /// Alone: whoever gives the notification up passes it on.
        by_one: bool,
    },
}

/// A line in which one waits to be notified. See the module's documentation.
#[doc(hidden)]
#[allow(unreachable_pub, reason = "in a hidden trait")]
pub struct WaitQueue<I> {
    inner: I,
}

impl<I> fmt::Debug for WaitQueue<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitQueue").finish_non_exhaustive()
    }
}

impl<I: InnerLock> WaitQueue<I> {
    constructor! {
        /// With nobody in it.
        #[inline]
        pub(crate) fn new() -> Self {
            Self { inner: init!(I) }
        }
    }

    /// Runs `f` with the ring, under the inner lock.
    pub(super) fn with<T>(&self, f: impl FnOnce(&mut Ring<'_>) -> T) -> T {
        self.inner.with(|last| f(&mut Ring(last)))
    }

    /// [`with`](Self::with), unless somebody else is inside.
    pub(super) fn try_with<T>(&self, f: impl FnOnce(&mut Ring<'_>) -> T) -> Option<T> {
        self.inner.try_with(|last| f(&mut Ring(last)))
    }

    /// Puts a ticket at the end of the line.
    ///
    /// # Safety
    ///
    /// The ticket has never joined, and stays pinned until [`leave`] or until
    /// its waiting is over; `target` is what `deliver` expects, and valid as
    /// long where that follows it (Q6). `waker` is given exactly for a future's
    /// ticket.
    ///
    /// [`leave`]: Self::leave
    pub(crate) unsafe fn join(
        &self,
        ticket: Pin<&Ticket>,
        deliver: Deliver,
        target: *const (),
        waker: Option<Waker>,
    ) {
        let ticket = ticket.get_ref();
        debug_assert_eq!(ticket.node.is_tracked(), waker.is_some());
        self.inner.with(|last| {
            ticket.deliver.set(deliver);
            ticket.target.set(target);
            // SAFETY: by this function's contract.
            unsafe { Ring(last).enter(ticket, waker) };
        });
    }

    /// Notifies the one that has waited longest. `false`: nobody waited.
    #[inline]
    pub(crate) fn notify_one(&self) -> bool {
        self.notify_one_at(None)
    }

    /// The same by one who has a lock at hand.
    #[inline]
    pub(crate) fn notify_one_at(&self, here: Option<Here<'_>>) -> bool {
        // Whoever joined before this call, in the sense of happening before
        // it, is seen without the lock: coherence.
        if self.inner.is_clear() {
            return false;
        }
        let mut due = None;
        let notified = self.inner.with(|last| {
            let mut ring = Ring(last);
            let Some(first) = ring.first() else { return false };
            // SAFETY: in the ring.
            due = unsafe { ring.notify(first, true, here) };
            true
        });
        if let Some(waker) = due {
            waker.wake();
        }
        notified
    }

    /// Notifies all that wait now, and says how many.
    pub(crate) fn notify_all(&self) -> usize {
        self.notify_all_at(None)
    }

    /// The same by one who has a lock at hand.
    pub(crate) fn notify_all_at(&self, here: Option<Here<'_>>) -> usize {
        if self.inner.is_clear() {
            return 0;
        }
        self.notify_each(here)
    }

    /// The same for those who tell what they notify of without a lock: it
    /// always takes the inner lock, so that whoever joins after it sees what
    /// was written before this call.
    pub(crate) fn notify_all_seen(&self) -> usize {
        self.notify_each(None)
    }

    fn notify_each(&self, here: Option<Here<'_>>) -> usize {
        let place = UnsafeCell::new(None);
        let mut all =
            All { queue: self, here, place: &place, head: ptr::null(), more: true, count: 0 };
        while all.more {
            all.round();
        }
        all.count
    }

    /// Takes a ticket out of the line, if it is still there.
    ///
    /// # Safety
    ///
    /// By the owner; the ticket has joined this queue.
    pub(crate) unsafe fn leave(&self, ticket: Pin<&Ticket>) -> Departure {
        let ticket = ticket.get_ref();
        let mut unneeded = None;
        self.inner.with(|last| {
            if ticket.flags.get() & JOINED == 0 {
                return Departure::Notified { by_one: ticket.flags.get() & BY_ONE != 0 };
            }
            // SAFETY: Q2: in the ring; by the owner.
            unneeded = unsafe { Ring(last).withdraw(ticket) };
            Departure::Withdrawn
        })
    }

    /// Gives a future's ticket the waker of its latest poll. `false`: it is
    /// out of the line.
    ///
    /// # Safety
    ///
    /// As [`leave`](Self::leave).
    pub(crate) unsafe fn keep(&self, ticket: Pin<&Ticket>, waker: &Waker) -> bool {
        // SAFETY: N4: joined, so the field was written, and only by us.
        let same = unsafe { ticket.node.waker_parts() }.will_wake(WakerParts::of(waker));
        let mut unneeded = if same { None } else { Some(waker.clone()) };
        self.inner.with(|_| {
            let joined = ticket.flags.get() & JOINED != 0;
            if joined && let Some(new) = unneeded.take() {
                // SAFETY: N3: in the ring and tracked, so it is there; the
                // owner, under the inner lock.
                unneeded = Some(unsafe { ticket.node.take_waker() });
                // SAFETY: as above; the field is free now.
                unsafe { ticket.node.set_waker(new) };
            }
            joined
        })
    }

    /// Puts a future's ticket that is only woken, and asks nobody, at the end
    /// of the line.
    ///
    /// # Safety
    ///
    /// As [`join`](Self::join).
    pub(crate) unsafe fn join_plain(&self, ticket: Pin<&Ticket>, waker: &Waker) {
        // SAFETY: by this function's contract; `wake` has no target.
        unsafe { self.join(ticket, wake, ptr::null(), Some(waker.clone())) };
    }

    /// Whether a ticket that is only woken was notified, now or before; else
    /// it goes on waiting, and `waker` is called then.
    ///
    /// # Safety
    ///
    /// By the owner; the ticket has joined this queue, or none.
    pub(crate) unsafe fn poll(&self, ticket: Pin<&Ticket>, waker: &Waker) -> bool {
        // Ordering: Acquire, pairs with the mark's Release (O3).
        match ticket.node.state(Ordering::Acquire) {
            state::INIT => false,
            state::DONE => true,
            // SAFETY: it has joined.
            seen if state::is_waiting(seen) && unsafe { self.keep(ticket, waker) } => false,
            _ => {
                ticket.node.set_state(state::DONE, Ordering::Relaxed);
                true
            }
        }
    }

    /// Blocks until notified (`true`) or until `limit` (`false`): stands in
    /// line first, and then runs `open`.
    pub(crate) fn wait<W: Wait>(&self, open: impl FnOnce(), limit: &impl Limit) -> bool {
        /// Leaves should `open` or a strategy panic.
        struct Leave<'a, I: InnerLock>(&'a WaitQueue<I>, Pin<&'a Ticket>);
        impl<I: InnerLock> Drop for Leave<'_, I> {
            fn drop(&mut self) {
                // SAFETY: it has joined.
                unsafe { self.0.give_up(self.1) };
            }
        }
        let ticket = core::pin::pin!(Ticket::plain(false));
        let ticket = ticket.into_ref();
        // SAFETY: new, pinned, and out of the queue before it goes.
        unsafe { self.join(ticket, wake, ptr::null(), None) };
        let leave = Leave(self, ticket);
        open();
        let over = wait_over::<W>(&NodeTurn(&ticket.node), limit);
        mem::forget(leave);
        // SAFETY: it has joined. A notification that came with the limit is
        // taken.
        over || unsafe { self.leave(ticket) } != Departure::Withdrawn
    }

    /// Leaves, and passes on a notification that came for it alone.
    ///
    /// # Safety
    ///
    /// As [`leave`](Self::leave).
    pub(crate) unsafe fn give_up(&self, ticket: Pin<&Ticket>) {
        // SAFETY: by this function's contract.
        if unsafe { self.leave(ticket) } == (Departure::Notified { by_one: true })
            && !Fault::NotificationKept.on()
        {
            self.notify_one();
        }
    }

    /// Leaves with a ticket that is only woken, which may never have joined, or
    /// have noticed its notification. Whether a notification came for it alone,
    /// which the caller passes on: said once.
    ///
    /// # Safety
    ///
    /// By the owner; the ticket has joined this queue, or none.
    #[allow(dead_code, reason = "of futures")]
    pub(crate) unsafe fn leave_notified(&self, ticket: Pin<&Ticket>) -> bool {
        // Ordering: Relaxed, the owner itself leaves `INIT`.
        if ticket.node.state(Ordering::Relaxed) == state::INIT {
            return false;
        }
        // SAFETY: it has joined.
        let departure = unsafe { self.leave(ticket) };
        ticket.get_ref().flags.set(0);
        departure == (Departure::Notified { by_one: true })
    }

    /// How many wait now.
    pub(crate) fn len(&self) -> usize {
        self.inner.with(|last| Self::count(last))
    }

    /// How many wait now, unless that would have to wait.
    pub(crate) fn try_len(&self) -> Option<usize> {
        self.inner.try_with(|last| Self::count(last))
    }

    fn count(last: &mut *const ()) -> usize {
        let ring = Ring(last);
        let (Some(first), Some(last)) = (ring.first(), ring.last()) else { return 0 };
        let (mut at, last, mut count) = (Ticket::node_of(first), Ticket::node_of(last), 1);
        while at != last {
            // SAFETY: Q1, Q3.
            at = unsafe { (*at).next.get() };
            count += 1;
        }
        count
    }
}

/// Notifying all, in batches; goes on should a waker panic.
struct All<'a, I: InnerLock> {
    queue: &'a WaitQueue<I>,
    here: Option<Here<'a>>,
    /// Where the head of its ring is made, if it needs one.
    place: &'a UnsafeCell<Option<Node>>,
    /// The head; null as long as nobody was handed over to it.
    head: *const Node,
    more: bool,
    count: usize,
}

impl<I: InnerLock> All<'_, I> {
    /// The one to be notified next.
    ///
    /// # Safety
    ///
    /// Under the inner lock.
    unsafe fn next(&self, ring: &Ring<'_>) -> Option<*const Ticket> {
        if self.head.is_null() {
            return ring.first();
        }
        // SAFETY: Q1, Q7.
        let first = unsafe { (*self.head).next.get() };
        if first == self.head { None } else { Some(first.cast()) }
    }

    fn round(&mut self) {
        let mut batch = Batch::new();
        self.queue.inner.with(|last| {
            let mut ring = Ring(last);
            for _ in 0..BATCH {
                // SAFETY: under the inner lock.
                let Some(next) = (unsafe { self.next(&ring) }) else {
                    self.more = false;
                    return;
                };
                self.count += 1;
                // SAFETY: in a ring.
                if let Some(waker) = unsafe { ring.notify(next, false, self.here) } {
                    batch.push(waker);
                }
            }
            if self.head.is_null() && !Fault::AllInTwoSteps.on() {
                // SAFETY: nobody else has the place, and nobody knows of it yet.
                let head = unsafe { &mut *self.place.get() }.insert(Node::new(NOTHING, false));
                let head = ptr::from_ref(head);
                // SAFETY: Q7: the place stays where it is, and `drop` goes on
                // until the ring is empty.
                self.more = unsafe { ring.hand_over(head) };
                self.head = head;
            }
        });
        batch.wake();
    }
}

impl<I: InnerLock> Drop for All<'_, I> {
    fn drop(&mut self) {
        while self.more {
            self.round();
        }
    }
}

/// A future's visit to a queue: stands in line, is notified, or leaves.
///
/// Dropped, it leaves, and passes on a notification that came for it alone.
#[allow(dead_code, unreachable_pub, reason = "of futures, and they are a feature")]
#[doc(hidden)]
pub struct Visit<'a, I: InnerLock> {
    queue: &'a WaitQueue<I>,
    ticket: Ticket,
}

#[allow(dead_code, reason = "of futures")]
impl<'a, I: InnerLock> Visit<'a, I> {
    pub(crate) fn new(queue: &'a WaitQueue<I>) -> Self {
        Self { queue, ticket: Ticket::plain(true) }
    }

    fn ticket(self: Pin<&mut Self>) -> (&'a WaitQueue<I>, Pin<&Ticket>) {
        let this = self.into_ref().get_ref();
        // SAFETY: Q3: pinned with the visit, and never moved out.
        (this.queue, unsafe { Pin::new_unchecked(&this.ticket) })
    }

    /// Stands in line. Once only.
    ///
    /// # Panics
    ///
    /// The second time.
    pub(crate) fn join(self: Pin<&mut Self>, waker: &Waker) {
        let (queue, ticket) = self.ticket();
        // Ordering: Relaxed, nobody else sees a node in `INIT`.
        assert!(ticket.node.state(Ordering::Relaxed) == state::INIT, "a visit stands in line once");
        // SAFETY: it has never joined; pinned, and its drop leaves.
        unsafe { queue.join_plain(ticket, waker) };
    }

    /// Whether it was notified, now or before; else it goes on waiting, and
    /// `waker` is called then.
    pub(crate) fn poll(self: Pin<&mut Self>, waker: &Waker) -> bool {
        let (queue, ticket) = self.ticket();
        // SAFETY: its own queue and ticket.
        unsafe { queue.poll(ticket, waker) }
    }

    /// Leaves the line, and keeps a notification that came before.
    pub(crate) fn leave(self: Pin<&mut Self>) -> Departure {
        let (queue, ticket) = self.ticket();
        // Ordering: Relaxed, the owner itself makes it so.
        if ticket.node.state(Ordering::Relaxed) <= state::DONE {
            return Departure::Withdrawn;
        }
        // SAFETY: it has joined.
        let departure = unsafe { queue.leave(ticket) };
        ticket.node.set_state(state::DONE, Ordering::Relaxed);
        departure
    }
}

impl<I: InnerLock> Drop for Visit<'_, I> {
    fn drop(&mut self) {
        // Ordering: Relaxed, the owner itself leaves `INIT` and reaches `DONE`.
        if self.ticket.node.state(Ordering::Relaxed) > state::DONE {
            // SAFETY: Q3: dropped where it was pinned.
            let ticket = unsafe { Pin::new_unchecked(&self.ticket) };
            // SAFETY: it has joined.
            unsafe { self.queue.give_up(ticket) };
        }
    }
}
