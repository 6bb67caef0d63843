//! The polls of a future that waits: standing in line, picking a grant up, and
//! taking one over from another future of the same task.
//!
//! The invariants are those of the [module above](super).

#![allow(unsafe_code)]

use core::ptr;
use core::task::Waker;

use super::{G, Polled, RawFifoLock};
use crate::atomic::{Fault, Ordering};
use crate::backend::Backend;
use crate::raw::engine::{self, ConversionEntry, Entry, Unnoted};
use crate::raw::limit::Refusing;
use crate::raw::mode::Rules;
use crate::wait::InnerLock;
use crate::wait::line::limbo;
use crate::wait::node::{Node, WakerParts, state};

impl<R: Rules, B: Backend> RawFifoLock<R, B> {
    /// The part of a future's poll that is not the fast path.
    ///
    /// A grant is picked up here if nobody is inside the inner lock: without
    /// calling anything, so that no register has to be saved for it.
    #[inline(never)]
    pub(crate) fn poll_slow(&self, node: &Node, waker: &Waker) -> Polled {
        // Ordering: Acquire, pairs with the mark's Release (O3).
        if node.state(Ordering::Acquire) == state::GRANTED
            && !Fault::PickUpUnlocked.on()
            && self.inner.try_with(|limbo| Self::take_up(limbo, node)) == Some(true)
        {
            return Polled::Holds;
        }
        self.poll_rest(node, waker)
    }

    #[inline(never)]
    fn poll_rest(&self, node: &Node, waker: &Waker) -> Polled {
        // Ordering: Acquire, as above.
        let seen = node.state(Ordering::Acquire);
        if seen == state::INIT {
            return self.poll_enqueue(node, waker);
        }
        if seen == state::GRANTED && self.pick_up(node) {
            return Polled::Holds;
        }
        self.poll_rare(node, waker)
    }

    /// What is neither new nor granted.
    #[cold]
    #[inline(never)]
    fn poll_rare(&self, node: &Node, waker: &Waker) -> Polled {
        // Ordering: Acquire, pairs with the mark's Release (O3).
        match node.state(Ordering::Acquire) {
            state::EVICTED => {
                // Whoever stood behind it may be able to enter; then it asks
                // anew.
                node.set_state(state::INIT, Ordering::Relaxed);
                if !Fault::EvictedForgetsBaton.on() {
                    self.grant_now();
                }
                self.poll_slow(node, waker)
            }
            // Granted only now.
            state::GRANTED => self.poll_slow(node, waker),
            // Its last poll got it, and was unwound before it could say so.
            state::HELD => Polled::Holds,
            state::REFUSED => Polled::Refused,
            state::DONE => Polled::Pending,
            _ => self.poll_queued(node, waker),
        }
    }

    /// Stands in line, unless it enters after all.
    #[inline]
    fn poll_enqueue(&self, node: &Node, waker: &Waker) -> Polled {
        if G::<R>::from(node.request()).is_some() {
            return self.poll_enqueue_conversion(node, waker);
        }
        // R15: cloned before the inner lock; what is not needed is dropped
        // after it.
        let mut clone = Some(waker.clone());
        let mut sibling = false;
        let entry = self.section(|s| {
            if let Some(why) = s.refusal(node.request())
                && !Fault::EnqueueUnasked.on()
            {
                node.set_refusal(why);
                // At once: dropping the clone may unwind.
                node.set_state(state::REFUSED, Ordering::Relaxed);
                return None;
            }
            let entry = engine::enqueue(s, ptr::from_ref(node), node.request(), &Unnoted);
            match entry {
                // At once: dropping the clone may unwind.
                Entry::Admitted => node.set_state(state::HELD, Ordering::Relaxed),
                Entry::Queued => sibling = s.join(node, &mut clone),
            }
            Some(entry)
        });
        match entry {
            Some(Entry::Admitted) => Polled::Holds,
            Some(Entry::Queued) if sibling => self.trade(node),
            Some(Entry::Queued) => Polled::Pending,
            None => Polled::Refused,
        }
    }

    /// The same for a conversion.
    #[cold]
    fn poll_enqueue_conversion(&self, node: &Node, waker: &Waker) -> Polled {
        let mut clone = Some(waker.clone());
        let mut sibling = false;
        let mut entry = ConversionEntry::Deadlock;
        self.settle(|s, batch| {
            entry = engine::enqueue_conversion(s, ptr::from_ref(node), node.request(), &Unnoted);
            match entry {
                ConversionEntry::Queued => {
                    sibling = s.join(node, &mut clone);
                    false
                }
                ConversionEntry::Converted(due) => {
                    // At once: granting may unwind.
                    node.set_state(state::HELD, Ordering::Relaxed);
                    due && engine::grant(s, 0, 0, batch)
                }
                ConversionEntry::Deadlock => false,
            }
        });
        match entry {
            ConversionEntry::Queued if sibling => self.trade(node),
            ConversionEntry::Queued => Polled::Pending,
            ConversionEntry::Converted(_) => Polled::Holds,
            ConversionEntry::Deadlock => Polled::Refused,
        }
    }

    /// Changes a hold's mode, or stands in line for it: the first poll of an
    /// awaited conversion.
    pub(crate) fn poll_convert(&self, node: &Node, waker: &Waker) -> Polled {
        // Ordering: Relaxed, nobody else sees a node in `INIT`.
        if node.state(Ordering::Relaxed) == state::INIT
            && let Some(due) = self.try_convert(node.request())
        {
            // At once: granting may unwind.
            node.set_state(state::HELD, Ordering::Relaxed);
            if due {
                self.grant_now();
            }
            return Polled::Holds;
        }
        self.poll_slow(node, waker)
    }

    /// Takes over the grant of a sibling that was seen in limbo, if `node`
    /// still waits and it is still there. Of several that keep it out, each is
    /// evicted, until one can be traded with or none is left.
    #[cold]
    fn trade(&self, node: &Node) -> Polled {
        let mut sibling = true;
        while sibling {
            self.settle(|s, batch| {
                // Ordering: Acquire, pairs with the mark's Release (O3).
                let waits = || state::is_waiting(node.state(Ordering::Acquire));
                let more = waits() && s.pass_on(node, batch);
                sibling = waits() && s.has_sibling(node) && !Fault::NoEviction.on();
                more
            });
        }
        // Ordering: Relaxed, `HELD` is set by ourselves, under the inner lock.
        if node.state(Ordering::Relaxed) == state::HELD {
            return Polled::Holds;
        }
        // It waits; or it was granted meanwhile, perhaps by the very grant
        // that followed a sibling's eviction: its waker is called then.
        Polled::Pending
    }

    /// Polled in line: another waker may have to be kept, and a sibling's
    /// grant may be there for the taking.
    #[inline]
    fn poll_queued(&self, node: &Node, waker: &Waker) -> Polled {
        // SAFETY: queued and tracked: the field was written; N4: only we
        // write it.
        let same = unsafe { node.waker_parts() }.will_wake(WakerParts::of(waker));
        if same && self.inner.is_clear() {
            return Polled::Pending;
        }
        let mut unneeded = if same { None } else { Some(waker.clone()) };
        let mut sibling = false;
        let waits = self.section(|s| {
            // Ordering: Acquire, pairs with the mark's Release (O3).
            let waits = state::is_waiting(node.state(Ordering::Acquire));
            if waits {
                if let Some(new) = unneeded.take() {
                    // SAFETY: N3: in line and tracked, so it is there; the
                    // owner, under the inner lock.
                    unneeded = Some(unsafe { node.take_waker() });
                    // SAFETY: as above; the field is free now.
                    unsafe { node.set_waker(new) };
                }
                sibling = s.has_sibling(node);
            }
            waits
        });
        drop(unneeded);
        if !waits {
            // Granted in between: the old waker may have been called, and this
            // is the poll to notice.
            return self.poll_slow(node, waker);
        }
        if sibling { self.trade(node) } else { Polled::Pending }
    }

    /// Picks a future's grant up. `false`: a sibling took it meanwhile.
    #[inline]
    fn pick_up(&self, node: &Node) -> bool {
        if Fault::PickUpUnlocked.on() {
            node.set_state(state::HELD, Ordering::Relaxed);
            return true;
        }
        self.section(|s| Self::take_up(s.limbo, node))
    }

    /// [`pick_up`](Self::pick_up), inside.
    #[inline(always)]
    fn take_up(limbo: &mut *const (), node: &Node) -> bool {
        // Ordering: Acquire, pairs with the mark's Release (O3).
        if node.state(Ordering::Acquire) != state::GRANTED {
            return false;
        }
        // SAFETY: R1.
        unsafe { limbo::unlink(limbo, node) };
        node.set_state(state::HELD, Ordering::Relaxed);
        true
    }
}
