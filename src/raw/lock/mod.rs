//! The raw lock inside a process: the engine over nodes linked by pointers.
//!
//! A blocked thread and a suspended task are served by the same code; they
//! differ in where their node lives and in how it is woken.
//!
//! # Futurelock
//!
//! A first come, first served lock hands over to a future that its task may
//! not be polling just now: two lock futures in one `select!`, of which the
//! first got the lock while the second is polled. So granted nodes of futures
//! stay on a list, *limbo*, until they are picked up, and a queued future that
//! is polled looks there for one of its own task:
//!
//! * it takes that grant over, and the other takes its place in line; or,
//! * where the modes don't allow that, the other is evicted: its units go
//!   back, and it asks anew when it is polled.
//!
//! Only futures that the same waker wakes are traded, so the order between
//! tasks never changes. The head of limbo is the word that the inner lock
//! keeps: it costs no memory.
//!
//! # Invariants
//!
//! * **R1** A node is in `line` exactly while it is `QUEUED` or `FRONT`, and
//!   in limbo exactly while it is tracked and `GRANTED`; both change under the
//!   inner lock only.
//! * **R2** A grant of a tracked node is consumed under the inner lock (picked
//!   up, traded, evicted, or cancelled): two may claim it at once, its owner
//!   and a sibling in another thread, and one gets it.
//! * **R3** A grant of an untracked node is consumed by its thread alone.
//! * **R4** Whoever gets units is told once, and gives them back once.
//!   Whoever is refused is told once, and has none.

#![allow(unsafe_code)]

mod handover;
mod limits;
mod polling;
mod section;

use core::cell::Cell;
use core::fmt;
use core::mem;
use core::ptr;
use core::task::Waker;

pub(crate) use limits::Shift;
use section::Section;

use crate::atomic::{AtomicUsize, Fault, Ordering, constructor, init};
use crate::backend::Backend;
use crate::panic::Panic;
use crate::raw::engine::{self, ConversionEntry, Entry, Env, Unnoted};
use crate::raw::limit::Refusing;
use crate::raw::mode::{Held, Rules, index_of};
use crate::raw::word::{Geometry, Shape};
use crate::wait::batch::{Batch, Single};
use crate::wait::line::{Line, limbo};
use crate::wait::node::{NO_MODE, Node, NodeTurn, Refusal, Request, state};
use crate::wait::{Forever, InnerLock, Left, Limit, Wait};

/// The shape of the word of a lock inside a process.
pub(crate) struct Local<R>(R);

impl<R: Rules> Shape for Local<R> {
    type Rules = R;
    type Word = usize;
    const EXTRA: u32 = 0;
}

type G<R> = Geometry<Local<R>>;

/// The first come, first served lock under all others: no data, no guard.
///
/// It is what [`FifoLock`](crate::FifoLock), the raw mutex, the raw shared
/// lock and the semaphore are made of.
pub(crate) struct RawFifoLock<R, B: Backend> {
    /// Counts of modes and bits of lanes: `raw::word`.
    word: AtomicUsize,
    /// Keeps the head of limbo, and guards it and the line.
    inner: B::Inner,
    line: Line,
    rules: R,
}

// SAFETY: the line and the nodes it reaches are touched under the inner lock
// only (L1, N2), which excludes between threads; the rules are shared.
unsafe impl<R: Sync, B: Backend> Sync for RawFifoLock<R, B> {}
// SAFETY: while anybody waits, the lock is borrowed and can't move; nobody
// waiting, nothing here belongs to a thread.
unsafe impl<R: Send, B: Backend> Send for RawFifoLock<R, B> {}

impl<R: Rules, B: Backend> RawFifoLock<R, B> {
    constructor! {
        /// With nobody in it.
        #[inline]
        pub(crate) fn new(rules: R) -> Self {
            Self::with_units(rules, 0, 0)
        }
    }

    constructor! {
        /// With `units` of the mode with index `mode` taken from the start.
        pub(crate) fn with_units(rules: R, mode: usize, units: usize) -> Self {
            const { G::<R>::FITS };
            Self {
                word: AtomicUsize::new(units << G::<R>::shift(mode)),
                inner: init!(B::Inner),
                line: Line::new(),
                rules,
            }
        }
    }

    /// The inner lock, for what it counts.
    #[allow(dead_code, reason = "of observed locks")]
    pub(crate) fn inner(&self) -> &B::Inner {
        &self.inner
    }

    /// The rules.
    pub(crate) fn rules(&self) -> &R {
        &self.rules
    }

    /// What is held now.
    pub(crate) fn held(&self) -> Held<R::Mode> {
        // Ordering: Relaxed, a snapshot.
        G::<R>::held(self.word.load(Ordering::Relaxed))
    }

    /// Whether anybody is inside now.
    pub(crate) fn is_locked(&self) -> bool {
        // Ordering: Relaxed, a snapshot.
        G::<R>::counts(self.word.load(Ordering::Relaxed)) != 0
    }

    /// How many stand in line now.
    pub(crate) fn waiting(&self) -> usize {
        // SAFETY: L1: inside.
        self.section(|s| unsafe { s.lock.line.len(G::<R>::LANES) })
    }

    /// How many stand in line now, unless that would have to wait.
    pub(crate) fn try_waiting(&self) -> Option<usize> {
        // SAFETY: L1: inside.
        self.inner.try_with(|_| unsafe { self.line.len(G::<R>::LANES) })
    }

    /// Whether every grant has been picked up.
    #[cfg(all(test, portunus_loom))]
    pub(crate) fn limbo_is_empty(&self) -> bool {
        self.section(|s| s.limbo.is_null())
    }

    /// The heaviest request for `mode` that could ever be served: that is
    /// admitted beside nobody. At most `most`.
    pub(crate) fn heaviest(&self, mode: R::Mode, most: u32) -> u32 {
        let fits = |weight| {
            let request = Request { mode: index_of(mode), from: NO_MODE, weight };
            G::<R>::judge(&self.rules, 0, request).is_some()
        };
        let most = u32::try_from(usize::MAX).map_or(most, |max| most.min(max));
        if fits(most) {
            return most;
        }
        // Rules are monotone: halve.
        let (mut good, mut bad) = (0, most);
        while bad - good > 1 {
            let middle = good + (bad - good) / 2;
            if fits(middle) {
                good = middle;
            } else {
                bad = middle;
            }
        }
        good
    }

    /// Whether an empty lock would admit this request.
    pub(crate) fn is_possible(&self, request: Request) -> bool {
        let plain = Request { from: NO_MODE, ..request };
        G::<R>::judge(&self.rules, 0, plain).is_some()
    }

    /// Shows counts by mode and the length of the line, without blocking.
    pub(crate) fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct(name);
        debug.field("held", &self.held());
        match self.try_waiting() {
            Some(waiting) => debug.field("waiting", &waiting),
            None => debug.field("waiting", &format_args!("<locked>")),
        };
        debug.finish()
    }

    /// Runs `f` under the inner lock.
    #[inline(always)]
    fn section<T>(&self, f: impl FnOnce(&mut Section<'_, R, B>) -> T) -> T {
        self.inner.with(|limbo| f(&mut Section { lock: self, limbo }))
    }

    /// Enters now, or not at all. Never overtakes the line.
    #[inline(always)]
    pub(crate) fn try_acquire(&self, request: Request) -> bool {
        engine::try_admit::<Local<R>>(&self.rules, &self.word, request, &Unnoted)
    }

    /// The word when nobody is inside.
    #[inline(always)]
    fn free(&self) -> usize {
        G::<R>::units(0, self.rules.withheld())
    }

    /// Enters if nobody is inside; may fail otherwise.
    #[inline(always)]
    fn try_acquire_free(&self, request: Request) -> bool {
        let (rules, word) = (&self.rules, &self.word);
        engine::try_admit_free::<Local<R>>(rules, word, self.free(), request, &Unnoted)
    }

    /// Enters now, or not at all, guessing first that nobody is inside.
    #[inline(always)]
    fn try_acquire_guessing(&self, request: Request) -> bool {
        let (rules, word) = (&self.rules, &self.word);
        engine::try_admit_guessing::<Local<R>>(rules, word, self.free(), request, &Unnoted)
    }

    /// Enters, or waits in line until `limit`. `None`: the limit came first, or
    /// it was refused. `Some(lined)`: whether it came through the line, a hint
    /// for `release`.
    #[inline]
    pub(crate) fn acquire(&self, request: Request, limit: &impl Limit) -> Option<bool> {
        self.acquire_or(request, limit).ok()
    }

    /// The same, saying why not.
    #[inline]
    pub(crate) fn acquire_or(&self, request: Request, limit: &impl Limit) -> Result<bool, Denied> {
        let entered = if R::WEIGHTED {
            // Often somebody is inside, and others fit beside.
            self.try_acquire_guessing(request)
        } else {
            self.try_acquire_free(request)
        };
        if entered {
            return Ok(false);
        }
        self.acquire_slow(request, limit).map(|()| true)
    }

    /// Enters, waiting in line for as long as it takes. Returns `lined`.
    #[inline]
    pub(crate) fn acquire_blocking(&self, request: Request) -> bool {
        loop {
            // Without a limit it ends with the lock the first time.
            if let Some(lined) = self.acquire(request, &Forever) {
                return lined;
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn acquire_slow(&self, request: Request, limit: &impl Limit) -> Result<(), Denied> {
        let request = G::<R>::only(request);
        if !R::WEIGHTED && self.try_acquire(request) {
            return Ok(());
        }
        loop {
            let node = Node::new(request, false);
            let entry = self.section(|s| match s.refusal(request) {
                Some(why) if !Fault::EnqueueUnasked.on() => Err(Denied::Refused(why)),
                _ => Ok(engine::enqueue(s, &raw const node, request, &Unnoted)),
            });
            if entry? == Entry::Admitted {
                return Ok(());
            }
            match self.wait_in_line(&node, limit, &Cell::new(false)) {
                Waited::Granted => return Ok(()),
                Waited::Evicted => self.grant_now(),
                Waited::TooLong => return Err(Denied::TooLong),
                Waited::Refused => return Err(Denied::Refused(node.refusal())),
            }
        }
    }

    /// Blocks until `node`, which is in line, is out of it. Should that unwind,
    /// `converted` tells whether a conversion was granted all the same.
    fn wait_in_line(&self, node: &Node, limit: &impl Limit, converted: &Cell<bool>) -> Waited {
        /// Leaves the line should a strategy panic: the node must not be left
        /// behind.
        struct Leave<'a, R: Rules, B: Backend>(&'a RawFifoLock<R, B>, &'a Node, &'a Cell<bool>);
        impl<R: Rules, B: Backend> Drop for Leave<'_, R, B> {
            fn drop(&mut self) {
                // One that could not be caught has let nobody convert.
                let converted = B::catch(|| self.0.abandon_slow(self.1));
                self.2.set(converted.unwrap_or(false));
            }
        }
        let leave = Leave(self, node, converted);
        let mut seen = loop {
            B::Wait::wait(&NodeTurn(node), limit);
            // Ordering: Acquire, pairs with the mark's Release (O3).
            let seen = node.state(Ordering::Acquire);
            // A strategy that came back too early waits again.
            if !state::is_waiting(seen) || limit.left() != Left::Unlimited {
                break seen;
            }
        };
        mem::forget(leave);
        if state::is_waiting(seen) {
            // The limit is over; whoever grants now does so under the inner
            // lock, so that there is one truth.
            let mut parked = None;
            self.settle(|s, batch| {
                // Ordering: Acquire, as above.
                seen = node.state(Ordering::Acquire);
                if !state::is_waiting(seen) {
                    return false;
                }
                if seen & state::PARKED_BIT != 0 {
                    // SAFETY: N3: announced and not taken.
                    parked = Some(unsafe { node.take_waker() });
                }
                engine::cancel(s, ptr::from_ref(node), batch)
            });
        }
        match seen {
            state::EVICTED => Waited::Evicted,
            state::REFUSED => Waited::Refused,
            seen if state::is_waiting(seen) => Waited::TooLong,
            _ => Waited::Granted,
        }
    }

    /// Gives units back. `lined`: they came through the line, so that somebody
    /// is likely to wait: the word is looked at first, and the contended
    /// release is one transition. A wrong hint is only slower.
    #[inline(always)]
    pub(crate) fn release(&self, request: Request, lined: bool) {
        if lined {
            // Ordering: Relaxed, a hint.
            let now = self.word.load(Ordering::Relaxed);
            let mode = G::<R>::index(request.mode);
            if now & G::<R>::waiting() != 0 && !G::<R>::is_spare(now, mode) {
                return self.release_slow(request, true);
            }
        }
        if engine::leave::<Local<R>>(&self.word, request, &Unnoted) {
            self.release_slow(request, false);
        }
    }

    #[inline]
    fn release_slow(&self, request: Request, leave: bool) {
        self.let_in(if leave { Self::units(request) } else { 0 });
    }

    /// Changes the mode of a hold now, or not at all. `Some(true)`: done, and
    /// the caller owes a [`grant_now`](Self::grant_now), once it has noted the
    /// mode: that may unwind.
    #[inline]
    pub(crate) fn try_convert(&self, request: Request) -> Option<bool> {
        engine::try_convert::<Local<R>>(&self.rules, &self.word, request, &Unnoted)
    }

    /// Changes the mode of a hold, waiting for it ahead of everybody.
    ///
    /// `converted` becomes true when the hold has the new mode, also when this
    /// unwinds. `Done(true)`: as in [`try_convert`](Self::try_convert).
    pub(crate) fn convert(
        &self,
        request: Request,
        limit: &impl Limit,
        converted: &Cell<bool>,
    ) -> Conversion {
        let ended = self.convert_unnoted(request, limit, converted);
        converted.set(matches!(ended, Conversion::Done(_)));
        ended
    }

    fn convert_unnoted(
        &self,
        request: Request,
        limit: &impl Limit,
        converted: &Cell<bool>,
    ) -> Conversion {
        if let Some(due) = self.try_convert(request) {
            return Conversion::Done(due);
        }
        loop {
            let node = Node::new(request, false);
            let id = &raw const node;
            match self.section(|s| engine::enqueue_conversion(s, id, request, &Unnoted)) {
                ConversionEntry::Converted(due) => return Conversion::Done(due),
                ConversionEntry::Deadlock => return Conversion::Deadlock,
                ConversionEntry::Queued => {}
            }
            match self.wait_in_line(&node, limit, converted) {
                Waited::Granted => return Conversion::Done(false),
                Waited::Evicted => self.grant_now(),
                // No conversion is ever refused.
                Waited::TooLong | Waited::Refused => return Conversion::TooLong,
            }
        }
    }

    #[inline(always)]
    fn units(request: Request) -> usize {
        G::<R>::units(G::<R>::index(request.mode), G::<R>::weight(request.weight))
    }

    /// Runs a part of the engine that may let waiters in, and wakes them after
    /// the inner lock; again until nobody more fits.
    #[inline(always)]
    fn settle(&self, f: impl FnOnce(&mut Section<'_, R, B>, &mut Batch<Waker>) -> bool) {
        let mut batch = Batch::new();
        if self.section(|s| f(s, &mut batch)) && !G::<R>::ONE {
            return self.settle_rest(&mut batch);
        }
        batch.wake();
    }

    /// Lets in whoever may enter now.
    #[inline]
    pub(crate) fn grant_now(&self) {
        self.let_in(0);
    }

    /// The same, when `leave` has left.
    #[cold]
    #[inline(never)]
    fn let_in(&self, leave: usize) {
        // Woken when it is dropped, after the inner lock.
        let mut due = Single::new();
        if !self.section(|s| engine::grant_next(s, leave, 0, &mut due)) {
            self.let_in_more(leave);
        }
    }

    /// The same, whoever they are.
    #[cold]
    #[inline(never)]
    fn let_in_more(&self, leave: usize) {
        self.settle(|s, batch| engine::grant(s, leave, 0, batch));
    }

    #[cold]
    fn settle_rest(&self, batch: &mut Batch<Waker>) {
        /// Goes on granting should a waker panic. Another panic on top of that
        /// one ends here, where it can be caught: whoever the rule panicked over
        /// is evicted, and goes on.
        struct Rest<'a, R: Rules, B: Backend>(&'a RawFifoLock<R, B>, bool);
        impl<R: Rules, B: Backend> Rest<'_, R, B> {
            fn round(&mut self) {
                // A panic in the predicate must not be followed by another
                // look at it: whoever it evicted goes on.
                self.1 = false;
                let mut batch = Batch::new();
                self.1 = self.0.section(|s| engine::grant(s, 0, 0, &mut batch));
                batch.wake();
            }
        }
        impl<R: Rules, B: Backend> Drop for Rest<'_, R, B> {
            fn drop(&mut self) {
                while self.1 {
                    let _caught: Result<(), Panic> = B::catch(|| self.round());
                }
            }
        }
        let mut rest = Rest(self, true);
        batch.wake();
        while rest.1 {
            rest.round();
        }
    }

    /// Takes a future's node out of wherever it is. `true`: see
    /// [`abandon_slow`](Self::abandon_slow).
    #[inline(never)]
    pub(crate) fn abandon(&self, node: &Node) -> bool {
        // Most leave from the middle of the line, and nobody has to be told.
        let unneeded = self.section(|s| {
            // Ordering: Relaxed, who waits has been given nothing to see.
            let waits = state::is_waiting(node.state(Ordering::Relaxed));
            let lane = G::<R>::lane(node.request());
            let first = s.ends(lane).map(|(first, _)| first);
            if !waits || !node.is_tracked() || first == Some(ptr::from_ref(node)) {
                return None;
            }
            s.unlink(lane, node);
            node.set_state(state::DONE, Ordering::Relaxed);
            // SAFETY: N3: in line and tracked; the owner, under the inner lock.
            Some(unsafe { node.take_waker() })
        });
        unneeded.is_none() && self.abandon_slow(node)
    }

    /// Takes a node that has been queued out of whatever it is in; units that
    /// it was granted go back. `true`: it was a conversion, and had been
    /// granted: the hold has the new mode, and keeps it.
    #[cold]
    fn abandon_slow(&self, node: &Node) -> bool {
        let mut unneeded = None;
        let mut converted = false;
        self.settle(|s, batch| {
            // Ordering: Acquire, pairs with the mark's Release (O3): what is
            // given back is passed on with all that was seen.
            let seen = node.state(Ordering::Acquire);
            node.set_state(state::DONE, Ordering::Relaxed);
            match seen {
                state::GRANTED | state::HELD => {
                    if seen == state::GRANTED && node.is_tracked() && !Fault::CancelKeepsLimbo.on()
                    {
                        // SAFETY: R1.
                        unsafe { limbo::unlink(s.limbo, node) };
                    }
                    if G::<R>::from(node.request()).is_some() {
                        converted = true;
                        return false;
                    }
                    engine::grant(s, Self::units(node.request()), 0, batch)
                }
                state::EVICTED => !Fault::EvictedForgetsBaton.on() && engine::grant(s, 0, 0, batch),
                state::REFUSED | state::INIT | state::DONE => false,
                seen => {
                    if node.is_tracked() || seen & state::PARKED_BIT != 0 {
                        // SAFETY: N3.
                        unneeded = Some(unsafe { node.take_waker() });
                    }
                    engine::cancel(s, ptr::from_ref(node), batch)
                }
            }
        });
        converted
    }
}

/// What a poll found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Polled {
    Pending,
    Holds,
    /// A conversion would wait for ever; or another request could never be
    /// served: then the node says why.
    Refused,
}

/// Why a request was not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// The limit was over.
    TooLong,
    /// It could never be served.
    Refused(Refusal),
}

/// How a conversion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conversion {
    /// `true`: a grant is due.
    Done(bool),
    /// It would wait for ever; the hold is as it was.
    Deadlock,
    /// The limit was over; the hold is as it was.
    TooLong,
}

/// How a blocked caller's waiting ended.
enum Waited {
    Granted,
    Evicted,
    TooLong,
    Refused,
}
