//! A queue of those who wait for the answer to a question.
//!
//! A waiter brings its question along. Whoever changes something asks all
//! waiting questions, in order, and wakes those alone whose answer has come.
//! Questions are asked under the queue's lock, which is a mutex and not the
//! inner lock of an engine: they are the user's code.
//!
//! A future can be forgotten: then its memory stays, pinned, and its borrows
//! end. So a question in line does not know where the thing is that it is about:
//! whoever asks brings that along ([`By`]), and has it, so that it is there. The
//! question knows the thing's number alone, which moves with the thing.
//!
//! # Invariants
//!
//! Those of the [queue](super::queue), and:
//!
//! * **A1** Every ticket in the ring is the first field of an [`Asker`], whose
//!   `act` is the function for its own type.
//! * **A2** A question is touched under the queue's lock only, or by its owner
//!   before it first joins and after it has ended.
//! * **A3** What a question in the ring holds lasts as long as its memory: it is
//!   `'static`, or not touched by others, or its owner blocks and can't be
//!   forgotten. It points neither to the queue nor to the thing it is about.
//! * **A4** A number is given once by each queue, to one thing, which asks and is
//!   asked about in this queue only. So who states a number brings the very thing
//!   that the question with that number is about: of its type, and alive.
//! * **A5** Numbers are given under the queue's lock.
//!
//! A queue may be dropped, or moved, with forgotten tickets in it: they do not
//! point to it, and are never touched again.

#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::marker::{PhantomData, PhantomPinned};
use core::mem;
use core::pin::{Pin, pin};
use core::task::{Poll, Waker};

use super::batch::{BATCH, Batch};
use super::inner::InnerLock;
use super::node::{NodeTurn, WakerParts, state};
use super::queue::{Ring, Ticket, WaitQueue};
use super::{Limit, Wait, wait_over};
use crate::atomic::{Cell, Fault, Ordering, constructor};
use crate::backend::Backend;
use crate::panic::Panic;

/// Who asks, and what it brings along.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
#[allow(unreachable_pub, reason = "in hidden parameters of futures")]
pub enum By<'a> {
    /// Something has changed, and nothing is brought along.
    Notice,
    /// Nobody knows what has changed: some were not asked since. Whoever can't
    /// be asked wakes, and asks for itself.
    Unknown,
    /// The thing with this number has changed.
    Thing { number: u64, thing: *const (), held: PhantomData<&'a ()> },
}

impl By<'_> {
    /// The thing with this number, if that is what was brought along.
    pub(crate) fn thing(self, own: u64) -> Option<*const ()> {
        match self {
            Self::Thing { number, thing, .. } if number == own || Fault::AsksStrangers.on() => {
                Some(thing)
            }
            _ => None,
        }
    }
}

/// What a party brings along that asks others.
#[doc(hidden)]
#[allow(unreachable_pub, reason = "in hidden parameters of futures")]
pub trait Bring {
    /// Under the queue's lock.
    fn by(&self) -> By<'_>;
}

impl Bring for By<'_> {
    fn by(&self) -> By<'_> {
        *self
    }
}

/// What a waiter wants to know, as others ask it: under the queue's lock, with
/// what they bring along.
#[doc(hidden)]
#[allow(unreachable_pub, reason = "in hidden parameters of futures")]
pub trait Question {
    /// Whether the owner has to be woken: asked by whoever changed something.
    fn holds(&mut self, by: By<'_>) -> bool;

    /// It is out of the line: woken, given up, or its question panicked.
    fn left(&mut self, _by: By<'_>) {}
}

impl<Q: Question> Question for &mut Q {
    fn holds(&mut self, by: By<'_>) -> bool {
        (**self).holds(by)
    }

    fn left(&mut self, by: By<'_>) {
        (**self).left(by);
    }
}

/// Whose question it is: it has what the question is about. All of it runs under
/// the queue's lock.
#[doc(hidden)]
#[allow(unreachable_pub, reason = "in hidden parameters of futures")]
pub trait Owner<Q> {
    type Answer;

    /// What it brings along when others have to be asked.
    fn brings(&self) -> impl Bring;

    /// The answer, if there is one: when it comes, and when it was woken.
    /// `changed` is set when others have to be asked after it.
    fn answer(&self, question: &mut Q, changed: &mut bool) -> Option<Self::Answer>;

    /// It stands in line. `true`: others have to be asked.
    fn joined(&self, _question: &mut Q) -> bool {
        false
    }

    /// It was woken and is given up before it asked again. `true`: others have
    /// to be asked.
    fn forgone(&self, _question: &mut Q) -> bool {
        false
    }
}

/// The owner of a question that is lent, and comes back.
#[derive(Debug)]
pub(crate) struct Lent<'a, O>(pub(crate) &'a O);

impl<Q, O: Owner<Q>> Owner<&mut Q> for Lent<'_, O> {
    type Answer = O::Answer;

    fn brings(&self) -> impl Bring {
        self.0.brings()
    }

    fn answer(&self, question: &mut &mut Q, changed: &mut bool) -> Option<O::Answer> {
        self.0.answer(question, changed)
    }

    fn joined(&self, question: &mut &mut Q) -> bool {
        self.0.joined(question)
    }

    fn forgone(&self, question: &mut &mut Q) -> bool {
        self.0.forgone(question)
    }
}

/// What is done with a question whose type is not known.
#[derive(Clone, Copy)]
enum Act {
    /// [`Question::holds`].
    Ask,
    /// [`Question::left`].
    Leave,
}

/// A waiter with its question.
#[repr(C)]
pub(crate) struct Asker<Q> {
    head: Head,
    question: UnsafeCell<Q>,
    _pinned: PhantomPinned,
}

#[repr(C)]
struct Head {
    ticket: Ticket,
    /// Its number in the queue, to tell those who come later.
    order: Cell<u64>,
    /// # Safety
    ///
    /// Under the queue's lock, with the asker's address.
    act: unsafe fn(*const Ticket, Act, By<'_>) -> bool,
}

// SAFETY: A2: the question is touched by one at a time, in whatever thread.
unsafe impl<Q: Send> Send for Asker<Q> {}
// SAFETY: a shared asker gives no access to its question but under the lock.
unsafe impl<Q: Send> Sync for Asker<Q> {}

/// # Safety
///
/// As [`Head::act`]; the ticket is that of an `Asker<Q>`.
unsafe fn act<Q: Question>(ticket: *const Ticket, act: Act, by: By<'_>) -> bool {
    let asker: *const Asker<Q> = ticket.cast();
    // SAFETY: A1, A2.
    let question = unsafe { &mut *UnsafeCell::raw_get(&raw const (*asker).question) };
    match act {
        Act::Ask => question.holds(by),
        Act::Leave => {
            question.left(by);
            false
        }
    }
}

impl<Q: Question> Asker<Q> {
    /// `tracked`: its owner is a future.
    pub(crate) fn new(question: Q, tracked: bool) -> Self {
        Self {
            head: Head { ticket: Ticket::plain(tracked), order: Cell::new(0), act: act::<Q> },
            question: UnsafeCell::new(question),
            _pinned: PhantomPinned,
        }
    }

    fn ticket(self: Pin<&Self>) -> *const Ticket {
        let this: *const Self = self.get_ref();
        this.cast()
    }

    /// # Safety
    ///
    /// A2, and no other reference to it.
    #[allow(clippy::mut_from_ref, reason = "the lock excludes")]
    unsafe fn question(self: Pin<&Self>) -> &mut Q {
        // SAFETY: by this function's contract.
        unsafe { &mut *self.get_ref().question.get() }
    }

    /// The question, of an asker that has ended.
    #[allow(dead_code, reason = "of futures")]
    pub(crate) fn ended(&self) -> Option<&Q> {
        // SAFETY: A2: it is out of the ring for ever, and only its owner makes
        // it so.
        self.is_done().then(|| unsafe { &*self.question.get() })
    }

    /// Whether it has ended, with an answer or without.
    #[allow(dead_code, reason = "of futures")]
    pub(crate) fn is_done(&self) -> bool {
        // Ordering: Relaxed, the owner itself makes it so.
        self.head.ticket.node().state(Ordering::Relaxed) == state::DONE
    }
}

/// The number of a ticket.
///
/// # Safety
///
/// Under the queue's lock; the ticket is in its ring.
unsafe fn order(ticket: *const Ticket) -> u64 {
    let head: *const Head = ticket.cast();
    // SAFETY: A1: in the ring, so alive, and an asker's.
    unsafe { (*head).order.get() }
}

/// # Safety
///
/// Under the queue's lock; the ticket is in its ring, or was until now.
unsafe fn ask(ticket: *const Ticket, what: Act, by: By<'_>) -> bool {
    let head: *const Head = ticket.cast();
    // SAFETY: A1: in the ring, so alive, and an asker's.
    unsafe { ((*head).act)(ticket, what, by) }
}

/// The queue of questions. See the module's documentation.
pub(crate) struct AskQueue<I, B> {
    queue: WaitQueue<I>,
    backend: PhantomData<fn() -> B>,
    /// The last number that was given to a thing.
    numbers: Cell<u64>,
}

// SAFETY: A5: the numbers are touched under the lock.
unsafe impl<I: Sync, B> Sync for AskQueue<I, B> {}

/// Should what runs under the lock unwind, and others have to be asked, it wakes
/// one of them, who asks everybody: nobody is asked while a panic is on its way.
struct Baton<'a, 'r> {
    ring: &'a mut Ring<'r>,
    batch: &'a mut Batch<Waker>,
    by: By<'a>,
    owed: bool,
}

impl<'a, 'r> Baton<'a, 'r> {
    /// Runs `f`; whether it has set what it is given, also where it unwinds,
    /// decides whether others have to be asked.
    fn run<T>(
        ring: &'a mut Ring<'r>,
        batch: &'a mut Batch<Waker>,
        by: By<'a>,
        f: impl FnOnce(&mut bool) -> T,
    ) -> (T, bool) {
        let mut baton = Baton { ring, batch, by, owed: false };
        let value = f(&mut baton.owed);
        let owed = baton.owed;
        mem::forget(baton);
        (value, owed)
    }
}

impl Drop for Baton<'_, '_> {
    fn drop(&mut self) {
        let Some(first) = self.ring.first() else { return };
        if !self.owed {
            return;
        }
        // SAFETY: in the ring, which is there under the lock only; to hear that
        // it is out is no part of the user's code.
        let waker = unsafe {
            ask(first, Act::Leave, self.by);
            self.ring.evict(first)
        };
        if let Some(waker) = waker {
            self.batch.push(waker);
        }
    }
}

/// Asking everybody, in batches; the waiter whose question panics is evicted.
struct Round<'a, I: InnerLock, B: Backend, G: Bring> {
    asking: &'a AskQueue<I, B>,
    bring: &'a G,
    /// The number of the last one asked, and of the last one to be asked. Where
    /// the last one leaves, its number comes again: who has it then is asked too,
    /// and asked itself after the change.
    at: Option<(u64, u64)>,
    woken: usize,
}

impl<'a, I: InnerLock, B: Backend, G: Bring> Round<'a, I, B, G> {
    fn new(asking: &'a AskQueue<I, B>, bring: &'a G) -> Self {
        Self { asking, bring, at: None, woken: 0 }
    }

    /// Asks until a batch is full. `true`: there are more.
    ///
    /// # Safety
    ///
    /// `ring` is the queue's, under its lock.
    unsafe fn batch(
        &mut self,
        ring: &mut Ring<'_>,
        mut room: usize,
        batch: &mut Batch<Waker>,
    ) -> bool {
        /// Evicts the one whose question panics.
        struct Evict<'a, 'r>(&'a mut Ring<'r>, *const Ticket, &'a mut Batch<Waker>, By<'a>);
        impl Drop for Evict<'_, '_> {
            fn drop(&mut self) {
                // SAFETY: in the ring, under the lock; to hear that it is out
                // is no part of the user's code.
                let waker = unsafe {
                    ask(self.1, Act::Leave, self.3);
                    self.0.evict(self.1)
                };
                if let Some(waker) = waker {
                    self.2.push(waker);
                }
            }
        }
        let mut next = ring.first();
        if next.is_none() {
            return false;
        }
        let by = self.bring.by();
        while let Some(ticket) = next {
            next = ring.after(ticket);
            // SAFETY: in the ring, under the lock.
            let order = unsafe { order(ticket) };
            if let Some((asked, end)) = self.at {
                if order <= asked {
                    continue;
                }
                if order > end {
                    return false;
                }
            }
            if room == 0 {
                return true;
            }
            let evict = Evict(ring, ticket, batch, by);
            // SAFETY: in the ring, under the lock.
            let holds = unsafe { ask(ticket, Act::Ask, by) };
            mem::forget(evict);
            // The first batch finds the end: who joins later asked itself.
            // SAFETY: the last is in the ring, under the lock.
            let newest = || ring.last().map_or(0, |last| unsafe { self::order(last) });
            let end = self.at.map_or_else(newest, |(_, end)| end);
            self.at = Some((order, end));
            if holds {
                room -= 1;
                self.woken += 1;
                // SAFETY: in the ring, under the lock. It hears that it is out
                // before it may be gone.
                let waker = unsafe {
                    ask(ticket, Act::Leave, by);
                    ring.notify(ticket, false, None)
                };
                if let Some(waker) = waker {
                    // Where the batch is full it is called here and now.
                    let baton = Baton { ring, batch, by, owed: true };
                    baton.batch.push(waker);
                    mem::forget(baton);
                }
            }
        }
        false
    }

    /// Asks the rest, waking after each batch; goes on should a waker panic.
    /// Another panic on top of that one ends here, where it can be caught: whose
    /// question it was is evicted, and goes on.
    fn rest(self, more: bool, batch: &mut Batch<Waker>) -> usize {
        struct Rest<'a, I: InnerLock, B: Backend, G: Bring>(Round<'a, I, B, G>, bool);
        impl<I: InnerLock, B: Backend, G: Bring> Rest<'_, I, B, G> {
            fn next(&mut self) {
                // A panic in a question must not be followed by another look:
                // whoever it evicted goes on.
                self.1 = false;
                let mut batch = Batch::new();
                let asking = self.0.asking;
                let (round, queue) = (&mut self.0, &asking.queue);
                // SAFETY: the queue's own ring, under its lock.
                self.1 = queue.with(|ring| unsafe { round.batch(ring, BATCH, &mut batch) });
                batch.wake();
            }
        }
        impl<I: InnerLock, B: Backend, G: Bring> Drop for Rest<'_, I, B, G> {
            fn drop(&mut self) {
                while self.1 {
                    let _caught: Result<(), Panic> = B::catch(|| self.next());
                }
            }
        }
        let mut rest = Rest(self, more);
        batch.wake();
        while rest.1 {
            rest.next();
        }
        rest.0.woken
    }
}

impl<I: InnerLock, B: Backend> AskQueue<I, B> {
    constructor! {
        /// With nobody in it.
        pub(crate) fn new() -> Self {
            Self { queue: WaitQueue::new(), backend: PhantomData, numbers: Cell::new(0) }
        }
    }

    /// A number that no other thing has in this queue; never 0.
    ///
    /// # Safety
    ///
    /// Under the queue's lock.
    pub(crate) unsafe fn number(&self) -> u64 {
        // A5.
        let number = self.numbers.get() + 1;
        self.numbers.set(number);
        number
    }

    /// Runs `f` under the lock, and where it has set what it is given asks
    /// everybody, with what `bring` has. Returns what `f` returned, and how many
    /// were woken.
    pub(crate) fn change<T>(
        &self,
        bring: &impl Bring,
        f: impl FnOnce(&mut bool) -> T,
    ) -> (T, usize) {
        let mut batch = Batch::new();
        let mut round = Round::new(self, bring);
        let (value, more) = self.queue.with(|ring| {
            let (value, changed) = Baton::run(ring, &mut batch, bring.by(), f);
            // SAFETY: the queue's own ring, under its lock.
            (value, changed && unsafe { round.batch(ring, BATCH, &mut batch) })
        });
        (value, round.rest(more, &mut batch))
    }

    /// The same in one go, unless somebody else has the lock. Where more are
    /// woken than a batch has room for, the rest is woken under the lock: an
    /// interrupt handler must not take it twice.
    pub(crate) fn try_change<T>(
        &self,
        bring: &impl Bring,
        f: impl FnOnce(&mut bool) -> T,
    ) -> Option<(T, usize)> {
        let mut batch = Batch::new();
        let mut round = Round::new(self, bring);
        let (value, _) = self.queue.try_with(|ring| {
            let (value, changed) = Baton::run(ring, &mut batch, bring.by(), f);
            // SAFETY: the queue's own ring, under its lock.
            (value, changed && unsafe { round.batch(ring, usize::MAX, &mut batch) })
        })?;
        Some((value, round.rest(false, &mut batch)))
    }

    /// Runs `f` under the lock.
    pub(crate) fn look<T>(&self, f: impl FnOnce() -> T) -> T {
        self.queue.with(|_| f())
    }

    /// How many wait now, unless that would have to wait.
    pub(crate) fn try_len(&self) -> Option<usize> {
        self.queue.try_len()
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Asks for itself, and stands in line where there is no answer.
    ///
    /// # Safety
    ///
    /// By the owner; the asker is out of the ring, and stays pinned until it
    /// has its answer or was given up.
    unsafe fn ask_or_join<Q: Question, O: Owner<Q>>(
        &self,
        owner: &O,
        asker: Pin<&Asker<Q>>,
        waker: Option<&Waker>,
    ) -> Option<O::Answer> {
        /// Ends the asker should its own question panic.
        struct Ended<'a>(&'a Ticket);
        impl Drop for Ended<'_> {
            fn drop(&mut self) {
                self.0.node().set_state(state::DONE, Ordering::Relaxed);
            }
        }
        let clone = waker.cloned();
        let mut batch = Batch::new();
        let bring = owner.brings();
        let mut round = Round::new(self, &bring);
        let ticket = asker.ticket();
        let mut ended = Some(Ended(&asker.get_ref().head.ticket));
        // SAFETY: A2: under the lock.
        let own = |changed: &mut bool| owner.answer(unsafe { asker.question() }, changed);
        let early = Fault::AnswerBeforeJoin.on().then(|| self.queue.with(|_| own(&mut false)));
        let (answer, more, unneeded) = self.queue.with(|ring| {
            let (answer, mut changed) = Baton::run(ring, &mut batch, bring.by(), |changed| {
                early.unwrap_or_else(|| own(changed))
            });
            let mut unneeded = clone;
            if answer.is_none() {
                // SAFETY: the last is in the ring, under the lock.
                let newest = ring.last().map(|last| unsafe { order(last) });
                asker.get_ref().head.order.set(newest.map_or(0, |newest| newest.wrapping_add(1)));
                // SAFETY: by this function's contract.
                unsafe { ring.enter(ticket, unneeded.take()) };
                mem::forget(ended.take());
                // SAFETY: A2: under the lock.
                changed |= owner.joined(unsafe { asker.question() });
            }
            // At once: who comes next finds what is answered answered. One that
            // has just joined is asked anew; it may be the one that is woken.
            // SAFETY: the queue's own ring, under its lock.
            let more = changed && unsafe { round.batch(ring, BATCH, &mut batch) };
            (answer, more, unneeded)
        });
        round.rest(more, &mut batch);
        // After the others: it may unwind.
        drop(unneeded);
        answer
    }

    /// Asks, and blocks until there is an answer. `None`: the limit came
    /// first.
    pub(crate) fn wait<Q: Question, O: Owner<Q>, W: Wait>(
        &self,
        owner: &O,
        question: Q,
        limit: &impl Limit,
    ) -> Option<O::Answer> {
        /// Leaves should a strategy panic.
        struct Leave<'a, Q: Question, O: Owner<Q>, I: InnerLock, B: Backend>(
            &'a AskQueue<I, B>,
            &'a O,
            Pin<&'a Asker<Q>>,
        );
        impl<Q: Question, O: Owner<Q>, I: InnerLock, B: Backend> Drop for Leave<'_, Q, O, I, B> {
            fn drop(&mut self) {
                // A question may panic on top: that ends here, where it can be
                // caught. Whose it was is evicted, and goes on.
                // SAFETY: by the owner.
                let _caught: Result<(), Panic> =
                    B::catch(|| unsafe { self.0.give_up(self.1, self.2) });
            }
        }
        let asker = pin!(Asker::new(question, false));
        let asker = asker.into_ref();
        let leave = Leave(self, owner, asker);
        let node = asker.get_ref().head.ticket.node();
        loop {
            // SAFETY: out of the ring; `leave` gives up in every way out. A3: this
            // frame is not forgotten.
            if let Some(answer) = unsafe { self.ask_or_join(owner, asker, None) } {
                return Some(answer);
            }
            if !wait_over::<W>(&NodeTurn(node), limit) {
                // Asks for the last time, on its way out.
                // SAFETY: by the owner.
                unsafe { self.give_up(owner, asker) };
                mem::forget(leave);
                return self.last_answer(owner, asker);
            }
            // Ordering: Relaxed, it passes the lock before it looks at data.
            if node.state(Ordering::Relaxed) == state::EVICTED {
                // Whoever was to be asked after it: from here on that is the
                // duty of the next one whose question panics.
                node.set_state(state::INIT, Ordering::Relaxed);
                self.change(&owner.brings(), |changed| *changed = true);
            }
        }
    }

    /// What the question answers now that nobody waits any more.
    fn last_answer<Q: Question, O: Owner<Q>>(
        &self,
        owner: &O,
        asker: Pin<&Asker<Q>>,
    ) -> Option<O::Answer> {
        // SAFETY: A2: under the lock.
        self.change(&owner.brings(), |changed| owner.answer(unsafe { asker.question() }, changed)).0
    }

    /// Asks when it comes and when it was woken.
    ///
    /// # Safety
    ///
    /// By the owner, always the same one; what others touch of the question is
    /// `'static` and `Send` (A3). The asker stays pinned until it is ready or was
    /// given up, unless it is forgotten.
    #[allow(dead_code, reason = "of futures")]
    pub(crate) unsafe fn poll<Q: Question, O: Owner<Q>>(
        &self,
        owner: &O,
        asker: Pin<&Asker<Q>>,
        waker: &Waker,
    ) -> Poll<O::Answer> {
        let node = asker.get_ref().head.ticket.node();
        // Ordering: Relaxed, what follows is decided under the lock.
        let seen = node.state(Ordering::Relaxed);
        if state::is_waiting(seen) {
            // SAFETY: N4: in line, so the field was written, and only by us.
            let same = unsafe { node.waker_parts() }.will_wake(WakerParts::of(waker));
            let mut unneeded = if same { None } else { Some(waker.clone()) };
            let waits = self.queue.with(|_| {
                // SAFETY: under the lock.
                let waits = unsafe { Ticket::is_joined(asker.ticket()) };
                if waits && let Some(new) = unneeded.take() {
                    // SAFETY: N3: in the ring and tracked; the owner, under the
                    // lock.
                    unneeded = Some(unsafe { node.take_waker() });
                    // SAFETY: as above; the field is free now.
                    unsafe { node.set_waker(new) };
                }
                waits
            });
            if waits {
                return Poll::Pending;
            }
        }
        // Ordering: as above.
        if node.state(Ordering::Relaxed) == state::EVICTED && !Fault::EvictedAsksNobody.on() {
            // As in `wait`.
            node.set_state(state::INIT, Ordering::Relaxed);
            self.change(&owner.brings(), |changed| *changed = true);
        }
        // SAFETY: out of the ring: new, woken or evicted.
        match unsafe { self.ask_or_join(owner, asker, Some(waker)) } {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        }
    }

    /// Gives the waiting up, wherever it is.
    ///
    /// # Safety
    ///
    /// By the owner.
    pub(crate) unsafe fn give_up<Q: Question, O: Owner<Q>>(
        &self,
        owner: &O,
        asker: Pin<&Asker<Q>>,
    ) {
        let node = asker.get_ref().head.ticket.node();
        // Ordering: Relaxed, the owner itself leaves `INIT` and reaches `DONE`.
        if node.state(Ordering::Relaxed) <= state::DONE {
            return;
        }
        let mut batch = Batch::new();
        let bring = owner.brings();
        let mut round = Round::new(self, &bring);
        let mut unneeded = None;
        let more = self.queue.with(|ring| {
            // Ordering: Relaxed, under the lock under which it was marked.
            let evicted = node.state(Ordering::Relaxed) == state::EVICTED;
            // SAFETY: under the lock.
            let others = if unsafe { Ticket::is_joined(asker.ticket()) } {
                // SAFETY: in the ring; by the owner, under the lock.
                unneeded = unsafe { ring.withdraw(asker.ticket()) };
                // SAFETY: A2.
                unsafe { asker.question() }.left(bring.by());
                false
            } else {
                node.set_state(state::DONE, Ordering::Relaxed);
                // SAFETY: A2.
                let forgone = owner.forgone(unsafe { asker.question() });
                (evicted && !Fault::EvictedAsksNobody.on()) | forgone
            };
            // SAFETY: the queue's own ring, under its lock.
            others && unsafe { round.batch(ring, BATCH, &mut batch) }
        });
        round.rest(more, &mut batch);
        // As above.
        drop(unneeded);
    }
}
