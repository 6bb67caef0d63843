//! What runs under the inner lock: the engine's environment inside a process,
//! and the trade of grants between futures of one task.
//!
//! The invariants are those of the [module above](super).

#![allow(unsafe_code)]

use core::task::Waker;

use super::{G, Local, RawFifoLock};
use crate::atomic::{AtomicUsize, Fault, Ordering};
use crate::backend::Backend;
use crate::raw::engine::{self, Env};
use crate::raw::limit::Refusing;
use crate::raw::mode::Rules;
use crate::wait::InnerLock;
use crate::wait::batch::Batch;
use crate::wait::inner::Trade;
use crate::wait::line::{Line, limbo};
use crate::wait::node::{Node, Refusal, Request, state};

/// A lock with its inner lock taken.
pub(super) struct Section<'a, R, B: Backend> {
    pub(super) lock: &'a RawFifoLock<R, B>,
    /// The head of limbo, as the inner lock keeps it.
    pub(super) limbo: &'a mut *const (),
}

impl<R: Rules, B: Backend> Section<'_, R, B> {
    /// Gives a future's node, just linked, its waker. Returns
    /// [`has_sibling`](Self::has_sibling).
    #[inline(always)]
    pub(super) fn join(&self, node: &Node, waker: &mut Option<Waker>) -> bool {
        if let Some(waker) = waker.take() {
            // SAFETY: by the owner, under the inner lock under which it was
            // linked: nobody has looked at the node yet.
            unsafe { node.set_waker(waker) };
        }
        self.has_sibling(node)
    }

    /// Whether a grant to the task that waits in `node`, which is in line and
    /// has its waker, waits to be picked up.
    ///
    /// What is compared is the wakers in the nodes, not the one that polls: a
    /// trade hands the reference of one node's waker to the other.
    #[inline(always)]
    pub(super) fn has_sibling(&self, node: &Node) -> bool {
        if self.limbo.is_null() || Fault::NoPassOn.on() {
            return false;
        }
        // SAFETY: N3: in line, and given its waker.
        let parts = unsafe { node.waker_parts() };
        // SAFETY: L1.
        !parts.is_anonymous() && unsafe { limbo::find(*self.limbo, parts) }.is_some()
    }

    /// Looks whether a sibling, a future that the same task polls, has a grant
    /// that it has not picked up, for `node`, which is in line and was polled.
    ///
    /// Then `node` holds afterwards (`HELD`) and the sibling stands in line;
    /// or, where `node` could not enter even then, the sibling is evicted.
    /// Returns what a grant returns.
    #[cold]
    pub(super) fn pass_on(&mut self, node: &Node, batch: &mut Batch<Waker>) -> bool {
        // SAFETY: N3: in line, and given its waker.
        let parts = unsafe { node.waker_parts() };
        // SAFETY: L1.
        let Some(sibling) = (unsafe { limbo::find(*self.limbo, parts) }) else { return false };
        // SAFETY: R1, N1: pinned while it is in limbo.
        let sibling = unsafe { &*sibling };
        let (request, other) = (node.request(), sibling.request());
        let (lane, other_lane) = (G::<R>::lane(request), G::<R>::lane(other));
        let units = RawFifoLock::<R, B>::units(other);
        let same_place = lane == other_lane && G::<R>::from(request).is_none();
        // SAFETY: R1: in line, so its lane has somebody.
        let alone = unsafe { self.lock.line.ends(G::<R>::LANES, lane) }
            .is_some_and(|(first, last)| first == last);
        // It has what it could not ask for anew: it can't stand in line.
        if self.refusal(other).is_some() && !Fault::TradeUnasked.on() {
            return !Fault::NoEviction.on() && self.evict_sibling(sibling, units, batch);
        }

        // Ordering: Acquire: whether `node` may enter can depend on others
        // having left (O1).
        let mut now = self.lock.word.load(Ordering::Acquire);
        loop {
            let Some(mut after) = G::<R>::judge(&self.lock.rules, now - units, request) else {
                return !Fault::NoEviction.on() && self.evict_sibling(sibling, units, batch);
            };
            if !same_place {
                if alone {
                    after &= !G::<R>::bit(lane);
                }
                after |= G::<R>::bit(other_lane);
            }
            // Ordering: Release, the sibling leaves; Acquire, `node` enters
            // (O1).
            match self.lock.word.compare_exchange_weak(
                now,
                after,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => break,
                Err(changed) => now = changed,
            }
        }
        self.lock.inner.noted(Trade::Taken);
        // The sibling's waker was taken by its grant and woke the same task
        // as this node's. The reference that this node has becomes the
        // sibling's, whose field has the same bits: nothing is written to it,
        // its owner may be comparing it now.
        // SAFETY: R1: it leaves limbo for the line, under the inner lock.
        unsafe {
            limbo::unlink(self.limbo, sibling);
            // Ordering: Release: its owner reads links and waker that it did
            // not write.
            sibling.set_state(state::QUEUED, Ordering::Release);
            if same_place {
                self.lock.line.replace(G::<R>::LANES, lane, node, sibling);
            } else {
                self.lock.line.unlink(G::<R>::LANES, lane, node);
                if !alone {
                    self.tell_first(lane);
                }
                self.lock.line.append(G::<R>::LANES, other_lane, sibling);
            }
        }
        // At once: granting may unwind.
        node.set_state(state::HELD, Ordering::Relaxed);
        // The counts have changed, and somebody else may be first.
        engine::grant(self, 0, 0, batch)
    }

    /// Tells a waiter that is out of the line why it will never be served.
    pub(super) fn mark_refused(&mut self, id: *const Node, why: Refusal) -> Option<Waker> {
        // SAFETY: N1: alive until its mark; unlinked, under the inner lock.
        unsafe {
            (*id).set_refusal(why);
            let wake = Node::finish(id, state::REFUSED);
            if Fault::RefusedUnwoken.on() { None } else { wake }
        }
    }

    /// Takes a grant back from a sibling that would keep a polled future of
    /// its own task waiting for ever.
    ///
    /// It does not go back into the line: first there, it would be granted
    /// again at once. It asks anew when it is polled; its task was woken.
    fn evict_sibling(&mut self, sibling: &Node, units: usize, batch: &mut Batch<Waker>) -> bool {
        self.lock.inner.noted(Trade::GivenBack);
        // SAFETY: R1.
        unsafe { limbo::unlink(self.limbo, sibling) };
        // Every way out of this state passes the inner lock before the memory
        // can go: we are done with the node by then.
        // Ordering: Release: its owner polls or drops it when it sees this.
        sibling.set_state(state::EVICTED, Ordering::Release);
        engine::grant(self, units, 0, batch)
    }
}

impl<R: Rules, B: Backend> Env for Section<'_, R, B> {
    type Shape = Local<R>;
    type Id = *const Node;
    type Wake = Waker;

    #[inline(always)]
    fn rules(&self) -> &R {
        &self.lock.rules
    }

    #[inline(always)]
    fn word(&self) -> &AtomicUsize {
        &self.lock.word
    }

    #[inline(always)]
    fn ends(&self, lane: u32) -> Option<(Self::Id, Self::Id)> {
        // SAFETY: L1: a section has the inner lock.
        unsafe { self.lock.line.ends(G::<R>::LANES, lane) }
    }

    #[inline(always)]
    fn next(&self, id: Self::Id) -> Self::Id {
        // SAFETY: L1, L2.
        unsafe { Line::next(id) }
    }

    #[inline(always)]
    fn request(&self, id: Self::Id) -> Request {
        // SAFETY: L2: alive while in line.
        unsafe { (*id).request() }
    }

    #[inline]
    fn append(&mut self, lane: u32, id: Self::Id) {
        // The state first: linking may make it `FRONT`.
        // SAFETY: L1; the caller pinned the node, which is in no line.
        unsafe {
            // One that comes from a queue waits already, and may sleep.
            // Ordering: Relaxed, its thread can only add that it sleeps.
            if !state::is_waiting((*id).state(Ordering::Relaxed)) {
                (*id).set_state(state::QUEUED, Ordering::Relaxed);
            }
            self.lock.line.append(G::<R>::LANES, lane, id);
        }
    }

    fn insert(&mut self, lane: u32, ahead: Option<Self::Id>, id: Self::Id) {
        // SAFETY: as `append`; `ahead` is in the lane.
        unsafe {
            (*id).set_state(state::QUEUED, Ordering::Relaxed);
            self.lock.line.insert(G::<R>::LANES, lane, ahead, id);
        }
    }

    #[inline(always)]
    fn unlink(&mut self, lane: u32, id: Self::Id) -> bool {
        // SAFETY: L1, R1.
        unsafe { self.lock.line.unlink(G::<R>::LANES, lane, id) }
    }

    #[inline(always)]
    fn unlink_first(&mut self, lane: u32) {
        // SAFETY: L1.
        unsafe { self.lock.line.unlink_first(G::<R>::LANES, lane) };
    }

    #[inline(always)]
    fn tell_first(&mut self, lane: u32) {
        if let Some((first, _)) = self.ends(lane) {
            // SAFETY: L2.
            unsafe { (*first).set_front() };
        }
    }

    #[inline(always)]
    fn take_first(&mut self, lane: u32, first: Self::Id, last: Self::Id) -> Option<Self::Id> {
        // SAFETY: L1, L2: they are the lane's ends.
        unsafe { self.lock.line.take_first(G::<R>::LANES, lane, first, last) }
    }

    #[inline(always)]
    fn tell(&mut self, _: u32, first: Self::Id) {
        // SAFETY: L2.
        unsafe { (*first).set_front() };
    }

    fn mark(&mut self, id: Self::Id, on: bool) {
        // SAFETY: L2.
        unsafe { (*id).set_marked(on) };
    }

    fn is_marked(&self, id: Self::Id) -> bool {
        // SAFETY: L2.
        unsafe { (*id).is_marked() }
    }

    #[inline(always)]
    fn granting(&mut self, _: Self::Id) {}

    #[inline(always)]
    fn withheld(&mut self, _: Self::Id) {}

    #[inline(always)]
    fn granted(&mut self, id: Self::Id) -> Option<Waker> {
        // SAFETY: N1: alive until its mark; unlinked, under the inner lock.
        unsafe {
            if !(*id).is_tracked() {
                return Node::finish_thread(id, state::GRANTED);
            }
            if G::<R>::ONE {
                limbo::push_only(self.limbo, id);
            } else {
                limbo::push(self.limbo, id);
            }
            Some(Node::finish_future(id, state::GRANTED))
        }
    }

    fn evicted(&mut self, id: Self::Id) -> Option<Waker> {
        // SAFETY: as `granted`.
        unsafe { Node::finish(id, state::EVICTED) }
    }
}
