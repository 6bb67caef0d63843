//! Where waiters stand: one pointer, any number of lanes.
//!
//! Each lane is a ring of nodes: from its last the first is one step away, so
//! that appending, taking the first and leaving from the middle are all O(1).
//! A ring entered from its last node never needs `prev` of its *first*: that
//! field links the lanes. The line itself points at the last node of the best
//! lane that has any:
//!
//! ```text
//!  Line ──► last of lane 0 ──next──► first of lane 0 ──next──► … (back to last)
//!                                        │ prev
//!                                        ▼
//!                                    last of lane 2 ──next──► first of lane 2 …
//!                                                                 │ prev
//!                                                                 ▼ null
//! ```
//!
//! A lock is therefore three words with one lane and with ten. Reaching a
//! lane takes as many steps as there are better lanes with somebody in them.
//!
//! # Invariants
//!
//! * **L1** Every function here runs under the inner lock of the line's owner.
//! * **L2** Every node in a ring is in line (N1: alive and pinned), in the
//!   lane that its own field names, in one ring only.
//! * **L3** The lanes hang together in ascending order; empty ones are absent.

#![allow(unsafe_code)]

use core::ptr;

use super::node::{Node, state};
use crate::atomic::{Cell, Ordering, constructor};

/// The line of one lock. `lanes` everywhere is how many there are, a constant
/// of the lock: with one lane the searching vanishes.
#[derive(Debug)]
pub(crate) struct Line {
    last: Cell<*const Node>,
}

/// A lane that was looked for.
struct Lane {
    /// First node of the better lane before it, which links to it; null where
    /// the line itself does.
    before: *const Node,
    /// Its last node; null when it is empty.
    last: *const Node,
    /// Last node of the lane that follows, or would; null when there is none.
    following: *const Node,
}

impl Line {
    constructor! {
        /// With nobody in it.
        pub(crate) fn new() -> Self {
            Self { last: Cell::new(ptr::null()) }
        }
    }

    /// # Safety
    ///
    /// L1.
    #[inline(always)]
    unsafe fn find(&self, lanes: u32, lane: u32) -> Lane {
        let mut before = ptr::null();
        let mut last = self.last.get();
        if lanes == 1 {
            return Lane { before, last, following: ptr::null() };
        }
        // SAFETY: L1 and L2: what is linked is alive, and only we touch it.
        unsafe {
            while !last.is_null() && (*last).lane() < lane {
                before = (*last).next.get();
                last = (*before).prev.get();
            }
            if !last.is_null() && (*last).lane() == lane {
                let first = (*last).next.get();
                Lane { before, last, following: (*first).prev.get() }
            } else {
                Lane { before, last: ptr::null(), following: last }
            }
        }
    }

    /// Hangs the lane that ends with `last` where `lane` hung, or would.
    ///
    /// # Safety
    ///
    /// L1; `lane` is up to date.
    #[inline]
    unsafe fn hang(&self, lane: &Lane, last: *const Node) {
        if lane.before.is_null() {
            self.last.set(last);
        } else {
            // SAFETY: L2.
            unsafe { (*lane.before).prev.set(last) };
        }
    }

    /// First and last of a lane.
    ///
    /// # Safety
    ///
    /// L1.
    #[inline]
    pub(crate) unsafe fn ends(&self, lanes: u32, lane: u32) -> Option<(*const Node, *const Node)> {
        // SAFETY: L1, L2.
        unsafe {
            let last = self.find(lanes, lane).last;
            if last.is_null() { None } else { Some(((*last).next.get(), last)) }
        }
    }

    /// The one behind `node`, which is not its lane's last.
    ///
    /// # Safety
    ///
    /// L1; `node` is in line.
    #[inline]
    pub(crate) unsafe fn next(node: *const Node) -> *const Node {
        // SAFETY: L2.
        unsafe { (*node).next.get() }
    }

    /// Puts `node` at the end of `lane`.
    ///
    /// # Safety
    ///
    /// L1; `node` is pinned, in no line, and its state already says `QUEUED`:
    /// a state stored later would wipe out `FRONT`.
    #[inline]
    pub(crate) unsafe fn append(&self, lanes: u32, lane: u32, node: *const Node) {
        // SAFETY: L1, L2; `node` by this function's contract.
        unsafe {
            // Of one lane alone every node names it.
            if lanes != 1 {
                (*node).set_lane(lane);
            }
            let at = self.find(lanes, lane);
            if at.last.is_null() {
                (*node).next.set(node);
                (*node).prev.set(at.following);
                (*node).set_front();
            } else {
                (*node).next.set((*at.last).next.get());
                (*node).prev.set(at.last);
                (*at.last).next.set(node);
            }
            self.hang(&at, node);
        }
    }

    /// Puts `node` into `lane` right behind `ahead`, or first where there is
    /// no such.
    ///
    /// # Safety
    ///
    /// As [`append`](Self::append); `ahead` is in `lane`.
    pub(crate) unsafe fn insert(
        &self,
        lanes: u32,
        lane: u32,
        ahead: Option<*const Node>,
        node: *const Node,
    ) {
        // SAFETY: L1, L2; the nodes by this function's contract.
        unsafe {
            let at = self.find(lanes, lane);
            if at.last.is_null() || ahead == Some(at.last) {
                return self.append(lanes, lane, node);
            }
            (*node).set_lane(lane);
            let first = (*at.last).next.get();
            match ahead {
                Some(ahead) => {
                    let behind = (*ahead).next.get();
                    (*node).next.set(behind);
                    (*node).prev.set(ahead);
                    (*behind).prev.set(node);
                    (*ahead).next.set(node);
                }
                None => {
                    (*node).next.set(first);
                    (*node).prev.set(at.following);
                    (*first).prev.set(node);
                    (*at.last).next.set(node);
                    (*node).set_front();
                }
            }
        }
    }

    /// Takes `node` out of `lane`. `true`: it was the first, and whoever is
    /// first now has not been told.
    ///
    /// # Safety
    ///
    /// L1; `node` is in `lane`.
    #[inline]
    pub(crate) unsafe fn unlink(&self, lanes: u32, lane: u32, node: *const Node) -> bool {
        // SAFETY: L1, L2.
        unsafe {
            let at = self.find(lanes, lane);
            debug_assert!(!at.last.is_null());
            let first = (*at.last).next.get();
            let next = (*node).next.get();
            if node == first {
                if node == at.last {
                    self.hang(&at, at.following);
                } else {
                    (*at.last).next.set(next);
                    if lanes != 1 {
                        (*next).prev.set(at.following);
                    }
                }
                return true;
            }
            let prev = (*node).prev.get();
            (*prev).next.set(next);
            if node == at.last {
                self.hang(&at, prev);
            } else {
                (*next).prev.set(prev);
            }
            false
        }
    }

    /// Takes the first of `lane` out, in which somebody stands. Whoever is
    /// first now has not been told.
    ///
    /// # Safety
    ///
    /// L1.
    #[inline(always)]
    pub(crate) unsafe fn unlink_first(&self, lanes: u32, lane: u32) {
        // SAFETY: L1, L2.
        unsafe {
            let at = self.find(lanes, lane);
            debug_assert!(!at.last.is_null());
            let first = (*at.last).next.get();
            if first == at.last {
                return self.hang(&at, at.following);
            }
            let next = (*first).next.get();
            (*at.last).next.set(next);
            if lanes != 1 {
                (*next).prev.set(at.following);
            }
        }
    }

    /// As [`unlink_first`](Self::unlink_first), of a lane whose ends are known.
    /// Answers who is first now.
    ///
    /// # Safety
    ///
    /// L1; `first` and `last` are the ends of `lane`.
    #[inline(always)]
    pub(crate) unsafe fn take_first(
        &self,
        lanes: u32,
        lane: u32,
        first: *const Node,
        last: *const Node,
    ) -> Option<*const Node> {
        // SAFETY: L1, L2.
        unsafe {
            if lanes != 1 {
                self.unlink_first(lanes, lane);
                return self.ends(lanes, lane).map(|(first, _)| first);
            }
            if first == last {
                self.last.set(ptr::null());
                return None;
            }
            let next = (*first).next.get();
            (*last).next.set(next);
            Some(next)
        }
    }

    /// Puts `node` where `old` of the same lane stands, and takes `old` out.
    ///
    /// # Safety
    ///
    /// As [`append`](Self::append); `old` is in `lane`.
    pub(crate) unsafe fn replace(
        &self,
        lanes: u32,
        lane: u32,
        old: *const Node,
        node: *const Node,
    ) {
        // SAFETY: L1, L2; `node` by this function's contract.
        unsafe {
            let at = self.find(lanes, lane);
            let first = (*at.last).next.get();
            (*node).set_lane(lane);
            (*node).prev.set((*old).prev.get());
            (*node).next.set(if old == at.last && old == first { node } else { (*old).next.get() });
            if old == first {
                (*node).set_front();
            } else {
                (*(*old).prev.get()).next.set(node);
            }
            if old == at.last {
                self.hang(&at, node);
            }
            // The ring's link that pointed at `old`, which is not the link of
            // the lanes.
            if old == first {
                let last = if old == at.last { node } else { at.last };
                (*last).next.set(node);
            }
            if old != at.last {
                (*(*old).next.get()).prev.set(node);
            }
        }
    }

    /// How many stand in the lanes.
    ///
    /// # Safety
    ///
    /// L1.
    pub(crate) unsafe fn len(&self, lanes: u32) -> usize {
        let mut count = 0;
        // SAFETY: L1, L2.
        unsafe {
            let mut last = self.last.get();
            while !last.is_null() {
                let first = (*last).next.get();
                let mut node = first;
                loop {
                    count += 1;
                    if node == last {
                        break;
                    }
                    node = (*node).next.get();
                }
                last = if lanes == 1 { ptr::null() } else { (*first).prev.get() };
            }
        }
        count
    }
}

/// The list of grants that have not been picked up, by its head, which the
/// inner lock keeps.
///
/// Invariant **G1**: its members are tracked and `GRANTED` (N1), linked with
/// `next` and `prev`, null at both ends.
pub(crate) mod limbo {
    use super::{Node, Ordering, ptr, state};

    /// # Safety
    ///
    /// Under the inner lock that keeps `head`; `node` is tracked, just
    /// granted, and in no list.
    #[inline]
    pub(crate) unsafe fn push(head: &mut *const (), node: *const Node) {
        // SAFETY: G1; `node` by this function's contract.
        unsafe {
            (*node).prev.set(ptr::null());
            let next: *const Node = (*head).cast();
            (*node).next.set(next);
            if !next.is_null() {
                (*next).prev.set(node);
            }
        }
        *head = node.cast();
    }

    /// [`push`] onto an empty list: that of a lock that one may be in, for whom
    /// it was granted last has left it.
    ///
    /// # Safety
    ///
    /// As [`push`]; nobody is in the list.
    #[inline(always)]
    pub(crate) unsafe fn push_only(head: &mut *const (), node: *const Node) {
        debug_assert!(head.is_null());
        // SAFETY: G1; `node` by this function's contract.
        unsafe {
            (*node).prev.set(ptr::null());
            (*node).next.set(ptr::null());
        }
        *head = node.cast();
    }

    /// # Safety
    ///
    /// Under the inner lock that keeps `head`; `node` is in this list.
    #[inline]
    pub(crate) unsafe fn unlink(head: &mut *const (), node: *const Node) {
        // SAFETY: G1.
        unsafe {
            let (prev, next) = ((*node).prev.get(), (*node).next.get());
            if prev.is_null() {
                debug_assert_eq!(*head, node.cast());
                *head = next.cast();
            } else {
                (*prev).next.set(next);
            }
            if !next.is_null() {
                (*next).prev.set(prev);
            }
        }
    }

    /// A grant to the task that `parts` wakes.
    ///
    /// # Safety
    ///
    /// Under the inner lock that keeps `head`.
    #[inline]
    pub(crate) unsafe fn find(
        head: *const (),
        parts: crate::wait::node::WakerParts,
    ) -> Option<*const Node> {
        let mut node: *const Node = head.cast();
        // SAFETY: G1.
        unsafe {
            while !node.is_null() {
                debug_assert_eq!((*node).state(Ordering::Relaxed), state::GRANTED);
                // A granted conversion is a hold already: nothing to trade.
                if !(*node).request().is_conversion() && (*node).waker_parts().will_wake(parts) {
                    return Some(node);
                }
                node = (*node).next.get();
            }
        }
        None
    }
}
