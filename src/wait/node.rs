//! A waiter's place in line, inside the waiter itself.
//!
//! A node lives on the blocked thread's stack or in the pinned future, so
//! that waiting takes no heap. Others reach it by its address.
//!
//! # State
//!
//! | state | who may leave it | what holds |
//! |---|---|---|
//! | `INIT` | its owner | not in line; nobody else knows the node |
//! | `QUEUED`, `FRONT` | whoever has the inner lock | in line, `FRONT`: first of its lane; holds no units |
//! | … with `PARKED` | as above | its thread sleeps, or is about to: the waker must be called |
//! | `GRANTED` | whoever has the inner lock; a blocked thread by itself | holds its units. Tracked: on the list of grants not yet picked up. Untracked: may be gone at once |
//! | `EVICTED` | its owner, who passes the inner lock before it frees the node | out of the line without units; the owner owes a grant to those behind it. Of a ticket that `ASKS`: out of its queue and in no line; its owner asks for its lock, and owes nobody anything |
//! | `HELD` | its owner | holds its units, in no list, and has not reported them yet |
//! | `REFUSED` | its owner | out of the line without units, for ever; says why; owes nobody anything |
//! | `DONE` | nobody | out of the line for ever |
//!
//! # Invariants
//!
//! * **N1** While a node is `QUEUED`, or `GRANTED` and tracked, it is pinned:
//!   its owner can't free it before it has left under the inner lock.
//! * **N2** The plain fields of a node that is in line or on the list of
//!   grants are touched only under the inner lock, except that the owner may
//!   read `waker` (N4).
//! * **N3** The waker is initialised from queueing (tracked) or from `PARKED`
//!   (untracked) until it is taken by a grant, an eviction or the owner's
//!   leaving. Its bits stay readable afterwards, for comparing only.
//! * **N4** In line, the waker's field is written by the node's owner alone,
//!   under the inner lock. So the owner may compare it without that lock.
//!   Granting copies it out bit by bit and writes nothing.
//! * **N5** Out of the line, a refused node's `next` is no link: it keeps what
//!   the refusal says. It is written before the mark and read after it.

#![allow(unsafe_code)]

use core::marker::PhantomPinned;
use core::mem::MaybeUninit;
use core::ptr;
use core::task::{RawWakerVTable, Waker};

use super::{Place, Turn};
use crate::atomic::{AtomicU8, Cell, Fault, Ordering, reached};

/// The states of a node.
pub(crate) mod state {
    pub(crate) const INIT: u8 = 0;
    pub(crate) const DONE: u8 = 1;
    pub(crate) const QUEUED: u8 = 2;
    pub(crate) const FRONT: u8 = QUEUED | FRONT_BIT;
    pub(crate) const FRONT_BIT: u8 = 1;
    pub(crate) const PARKED_BIT: u8 = 4;
    pub(crate) const GRANTED: u8 = 8;
    pub(crate) const EVICTED: u8 = 9;
    pub(crate) const HELD: u8 = 10;
    pub(crate) const REFUSED: u8 = 11;

    /// In line.
    #[inline]
    pub(crate) fn is_waiting(state: u8) -> bool {
        (QUEUED..GRANTED).contains(&state)
    }
}

/// No mode: the request is not a conversion.
pub(crate) const NO_MODE: u8 = u8::MAX;

/// No mode either: and the request ends, where it would wait otherwise, as
/// soon as it could never be served.
pub(crate) const NO_MODE_OR_NEVER: u8 = u8::MAX - 1;

/// What a waiter asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Index of the mode that is wanted.
    pub(crate) mode: u8,
    /// Index of the mode that is held and given up for it, or [`NO_MODE`], or
    /// [`NO_MODE_OR_NEVER`].
    pub(crate) from: u8,
    /// Units.
    pub(crate) weight: u32,
}

impl Request {
    /// Holds something already and wants it in another mode.
    #[inline]
    pub(crate) fn is_conversion(self) -> bool {
        self.from < NO_MODE_OR_NEVER
    }
}

/// Why a request has ended without being served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
#[allow(unreachable_pub, reason = "a hidden method of `Rules` names it")]
pub enum Refusal {
    /// It asked for more units than there can be: for more than so many.
    TooMany(usize),
    /// Nobody is served any more.
    Closed,
}

impl Refusal {
    /// No limit is as high: this says `Closed`.
    const CLOSED: usize = usize::MAX;

    fn to_bits(self) -> usize {
        match self {
            Self::TooMany(limit) => limit.min(Self::CLOSED - 1),
            Self::Closed => Self::CLOSED,
        }
    }

    fn from_bits(bits: usize) -> Self {
        if bits == Self::CLOSED { Self::Closed } else { Self::TooMany(bits) }
    }
}

/// A waker in its parts: they can be copied out, and compared after that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WakerParts {
    data: *const (),
    vtable: &'static RawWakerVTable,
}

impl WakerParts {
    #[inline]
    pub(crate) fn of(waker: &Waker) -> Self {
        Self { data: waker.data(), vtable: waker.vtable() }
    }

    /// The parts of a waker that is given away.
    #[inline]
    pub(crate) fn from_waker(waker: Waker) -> Self {
        let parts = Self::of(&waker);
        core::mem::forget(waker);
        parts
    }

    /// Whether both wake the same task, as [`Waker::will_wake`] judges.
    #[inline]
    pub(crate) fn will_wake(self, other: Self) -> bool {
        ptr::eq(self.data, other.data) && ptr::eq(self.vtable, other.vtable)
    }

    /// Whether it has no data, as those that wake nobody: then it says nothing
    /// about whose it is.
    #[inline]
    pub(crate) fn is_anonymous(self) -> bool {
        self.data.is_null()
    }

    /// # Safety
    ///
    /// The parts are those of a waker that was given away, and nobody else
    /// makes it whole again.
    #[inline]
    unsafe fn into_waker(self) -> Waker {
        // SAFETY: by this function's contract.
        unsafe { Waker::new(self.data, self.vtable) }
    }
}

/// A waiter's place in line. See the module's documentation.
#[derive(Debug)]
pub(crate) struct Node {
    state: AtomicU8,
    mode: u8,
    from: u8,
    /// The lane it stands in, and [`TRACKED`], [`MARKED`].
    flags: Cell<u8>,
    weight: u32,
    /// The one behind; of a lane's last, its first.
    pub(super) next: Cell<*const Node>,
    /// The one before; of a lane's first, the last of the next worse lane.
    pub(super) prev: Cell<*const Node>,
    waker: Cell<MaybeUninit<WakerParts>>,
    _pinned: PhantomPinned,
}

/// The ordering with which a node is marked.
#[inline(always)]
fn mark_order() -> Ordering {
    Fault::MarkRelaxed.or(Ordering::Release, Ordering::Relaxed)
}

const LANE: u8 = 0x3f;
/// Its owner has to be polled to pick a grant up.
const TRACKED: u8 = 0x40;
/// A scratch mark of the test for deadlock.
const MARKED: u8 = 0x80;

// SAFETY: N1 to N4: who may touch which field is decided by the inner lock.
unsafe impl Send for Node {}
// SAFETY: as above.
unsafe impl Sync for Node {}

impl Node {
    /// A place for `request`. `tracked`: its owner is a future.
    #[inline]
    pub(crate) fn new(request: Request, tracked: bool) -> Self {
        Self {
            state: AtomicU8::new(state::INIT),
            mode: request.mode,
            from: request.from,
            flags: Cell::new(if tracked { TRACKED } else { 0 }),
            weight: request.weight,
            next: Cell::new(ptr::null()),
            prev: Cell::new(ptr::null()),
            waker: Cell::new(MaybeUninit::uninit()),
            _pinned: PhantomPinned,
        }
    }

    #[inline]
    pub(crate) fn request(&self) -> Request {
        Request { mode: self.mode, from: self.from, weight: self.weight }
    }

    #[inline]
    pub(crate) fn state(&self, order: Ordering) -> u8 {
        self.state.load(order)
    }

    /// Sets a state that only its owner, or the holder of the inner lock on a
    /// tracked node, can be setting now.
    #[inline]
    pub(crate) fn set_state(&self, state: u8, order: Ordering) {
        reached(state);
        self.state.store(state, order);
    }

    #[inline]
    pub(crate) fn is_tracked(&self) -> bool {
        self.flags.get() & TRACKED != 0
    }

    #[inline]
    pub(super) fn lane(&self) -> u32 {
        u32::from(self.flags.get() & LANE)
    }

    #[inline]
    pub(super) fn set_lane(&self, lane: u32) {
        // Lanes are fewer than the bits of a word: `Rules` is checked for it.
        self.flags.set(self.flags.get() & !LANE | lane as u8);
    }

    #[inline]
    pub(crate) fn is_marked(&self) -> bool {
        self.flags.get() & MARKED != 0
    }

    #[inline]
    pub(crate) fn set_marked(&self, on: bool) {
        self.flags.set(self.flags.get() & !MARKED | if on { MARKED } else { 0 });
    }

    /// Tells a waiter that it is the first of its lane.
    #[inline]
    pub(crate) fn set_front(&self) {
        reached(state::FRONT);
        if self.is_tracked() {
            // Ordering: a hint; what counts is read under the inner lock.
            self.state.store(state::FRONT, Ordering::Relaxed);
        } else {
            // A thread may be setting `PARKED` at the same time.
            // Ordering: a hint, as above.
            self.state.fetch_or(state::FRONT_BIT, Ordering::Relaxed);
        }
    }

    /// Writes down why the request is refused, before the mark says so.
    ///
    /// Under the inner lock, on a node that is in no line.
    pub(crate) fn set_refusal(&self, why: Refusal) {
        self.next.set(ptr::without_provenance(why.to_bits()));
    }

    /// Why the request was refused: for its owner, once the mark says so.
    pub(crate) fn refusal(&self) -> Refusal {
        Refusal::from_bits(self.next.get().addr())
    }

    /// Marks the node, and returns its waker when it has to be called. An
    /// untracked node may be gone when this returns.
    ///
    /// # Safety
    ///
    /// Under the inner lock, on a node that was in line and has been unlinked.
    #[inline(always)]
    pub(crate) unsafe fn finish(this: *const Self, mark: u8) -> Option<Waker> {
        // By its address, and not as a reference: that would have to stay
        // valid until this returns.
        // SAFETY: N1: alive until the mark is stored.
        unsafe {
            if (*this).is_tracked() {
                Some(Self::finish_future(this, mark))
            } else {
                Self::finish_thread(this, mark)
            }
        }
    }

    /// [`finish`](Self::finish) for a future.
    ///
    /// # Safety
    ///
    /// As there, on a tracked node.
    #[inline(always)]
    pub(crate) unsafe fn finish_future(this: *const Self, mark: u8) -> Waker {
        reached(mark);
        // SAFETY: N1: alive until the mark is stored.
        unsafe {
            let parts = (*this).waker.get();
            // Ordering: Release, pairs with the owner's Acquire load: the
            // owner then sees what holders before it wrote.
            (*this).state.store(mark, mark_order());
            // N3: queued and tracked means initialised; the mark just set
            // lets nobody take it again.
            parts.assume_init().into_waker()
        }
    }

    /// [`finish`](Self::finish) for a blocked thread.
    ///
    /// # Safety
    ///
    /// As there, on an untracked node.
    pub(crate) unsafe fn finish_thread(this: *const Self, mark: u8) -> Option<Waker> {
        reached(mark);
        // SAFETY: as `finish`.
        unsafe {
            // Ordering: Acquire, pairs with the Release of `announce`: with
            // PARKED seen, the waker is seen too.
            let mut seen = (*this).state.load(Ordering::Acquire);
            while seen & state::PARKED_BIT == 0 {
                // Ordering: Release as in `finish`; Acquire on failure as the
                // load.
                match (*this).state.compare_exchange_weak(
                    seen,
                    mark,
                    mark_order(),
                    Ordering::Acquire,
                ) {
                    Ok(_) => return None,
                    Err(now) => seen = now,
                }
            }
            // The waker is read before the mark: after it the node may be gone.
            let parts = (*this).waker.get();
            // Ordering: Release, as in `finish`.
            (*this).state.store(mark, mark_order());
            // N3: PARKED means initialised, and its thread does not take back
            // what it announced.
            Some(parts.assume_init().into_waker())
        }
    }

    /// A blocked thread tells that it is about to sleep, and who wakes it.
    /// `false`: it no longer waits, and the waker was not taken.
    ///
    /// The first announcement stands: a second one changes nothing.
    pub(crate) fn announce(&self, waker: Waker) -> bool {
        // Ordering: Relaxed: only we set PARKED, and anything else is decided
        // by the exchange.
        let seen = self.state.load(Ordering::Relaxed);
        if !state::is_waiting(seen) || seen & state::PARKED_BIT != 0 {
            return state::is_waiting(seen);
        }
        // N4: untracked and not PARKED: only the owner looks at the field.
        self.waker.set(MaybeUninit::new(WakerParts::from_waker(waker)));
        // Ordering: Relaxed, the exchange decides.
        let mut seen = self.state.load(Ordering::Relaxed);
        while state::is_waiting(seen) {
            if Fault::ParkBlind.on() {
                return true;
            }
            // Ordering: Release, pairs with the Acquire in `finish`.
            match self.state.compare_exchange_weak(
                seen,
                seen | state::PARKED_BIT,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    reached(seen | state::PARKED_BIT);
                    return true;
                }
                Err(now) => seen = now,
            }
        }
        // SAFETY: N3: not PARKED, so nobody took it.
        drop(unsafe { self.waker.get().assume_init().into_waker() });
        false
    }

    /// Puts a waker into the node.
    ///
    /// # Safety
    ///
    /// By the owner: before it queues, or under the inner lock. The field
    /// holds no waker.
    #[inline]
    pub(crate) unsafe fn set_waker(&self, waker: Waker) {
        self.waker.set(MaybeUninit::new(WakerParts::from_waker(waker)));
    }

    /// Takes the waker out.
    ///
    /// # Safety
    ///
    /// By the owner under the inner lock, while the field holds a waker (N3).
    #[inline]
    pub(crate) unsafe fn take_waker(&self) -> Waker {
        // SAFETY: by this function's contract.
        unsafe { self.waker.get().assume_init().into_waker() }
    }

    /// The waker's parts, for comparing.
    ///
    /// # Safety
    ///
    /// The node has been queued and is tracked, so that the field was written.
    #[inline]
    pub(crate) unsafe fn waker_parts(&self) -> WakerParts {
        // SAFETY: by this function's contract; N4 rules out a write now.
        unsafe { self.waker.get().assume_init() }
    }
}

/// The turn of a blocked caller.
pub(crate) struct NodeTurn<'a>(pub(crate) &'a Node);

impl Turn for NodeTurn<'_> {
    #[inline]
    fn place(&self) -> Place {
        // Ordering: Acquire, pairs with the mark's Release (O3).
        let seen = self.0.state(Ordering::Acquire);
        if !state::is_waiting(seen) {
            Place::Over
        } else if seen & state::FRONT_BIT != 0 {
            Place::Front
        } else {
            Place::Behind
        }
    }

    fn announce(&self, waker: Waker) -> bool {
        self.0.announce(waker)
    }
}
