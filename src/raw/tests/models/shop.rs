//! What the models share: a backend that sleeps at once, a lock with data
//! behind it, and parties that wait for it.

use std::boxed::Box;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize as PlainUsize, Ordering::SeqCst};
use std::task::{Wake, Waker};
use std::vec::Vec;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use crate::backend::Backend;
use crate::raw::lock::{Conversion, RawFifoLock};
use crate::raw::mode::Rules;
use crate::raw::waiter::Seat;
use crate::rules::SharedMode;
use crate::wait::node::{NO_MODE, Request};
use crate::wait::{Forever, InnerLock, Left, Limit, Place, Turn, Wait};

pub(super) struct Yield;

impl ::spin::relax::RelaxStrategy for Yield {
    fn relax() {
        thread::yield_now();
    }
}

/// Goes to sleep at once, and so needs every wake-up.
pub(super) struct Sleep;

impl Wait for Sleep {
    fn wait(turn: &impl Turn, limit: &impl Limit) -> bool {
        if limit.left() == Left::Nothing {
            return turn.place() == Place::Over;
        }
        if !turn.announce(this_thread()) {
            return true;
        }
        while turn.place() != Place::Over {
            thread::park();
        }
        true
    }
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}

/// The waker of the only task of this thread.
pub(super) fn this_thread() -> Waker {
    Waker::from(std::sync::Arc::new(Unpark(thread::current())))
}

/// An inner lock that loom blocks on, where one that spins would only make the
/// schedules longer; [`SpinInner`] has a model of its own.
pub(super) struct Inner(loom::sync::Mutex<*const ()>);

// SAFETY: the word is touched inside the mutex only.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

// SAFETY: the mutex excludes, publishes, and keeps the word.
unsafe impl InnerLock for Inner {
    const LEAVES_AT_ONCE: bool = true;

    fn init() -> Self {
        Self(loom::sync::Mutex::new(std::ptr::null()))
    }

    fn with<T>(&self, f: impl FnOnce(&mut *const ()) -> T) -> T {
        // Opened before a panic goes on: loom's mutex refuses to be poisoned.
        let mut kept = self.0.lock().expect("not poisoned");
        let result = catch_unwind(AssertUnwindSafe(|| f(&mut kept)));
        drop(kept);
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }

    fn try_with<T>(&self, f: impl FnOnce(&mut *const ()) -> T) -> Option<T> {
        Some(self.with(f))
    }

    fn is_clear(&self) -> bool {
        false
    }
}

pub(super) struct Model;

impl Backend for Model {
    type Inner = Inner;
    type Wait = Sleep;
}

/// A limit that is over at once.
pub(super) struct Now;

impl Limit for Now {
    fn left(&self) -> Left {
        Left::Nothing
    }
}

/// A lock, and data whose wrong use loom reports.
pub(super) struct Shop<R: Rules> {
    pub(super) lock: RawFifoLock<R, Model>,
    data: UnsafeCell<usize>,
}

// SAFETY: loom checks every access to `data`.
unsafe impl<R: Rules + Sync> Sync for Shop<R> {}
// SAFETY: as above.
unsafe impl<R: Rules + Send> Send for Shop<R> {}

pub(super) const READ: Request = request(SharedMode::Read);
pub(super) const UPGRADABLE: Request = request(SharedMode::Upgradable);
pub(super) const WRITE: Request = request(SharedMode::Write);
pub(super) const LOCK: Request = Request { mode: 0, from: NO_MODE, weight: 1 };

const fn request(mode: SharedMode) -> Request {
    Request { mode: mode.index() as u8, from: NO_MODE, weight: 1 }
}

pub(super) const fn convert(from: SharedMode, to: SharedMode) -> Request {
    Request { mode: to.index() as u8, from: from.index() as u8, weight: 1 }
}

impl<R: Rules> Shop<R> {
    pub(super) fn new(rules: R) -> Arc<Self> {
        Arc::new(Self::in_place(rules))
    }

    pub(super) fn in_place(rules: R) -> Self {
        Self { lock: RawFifoLock::new(rules), data: UnsafeCell::new(0) }
    }

    pub(super) fn read(&self) -> usize {
        // SAFETY: loom checks it.
        self.data.with(|data| unsafe { *data })
    }

    pub(super) fn write(&self) {
        // SAFETY: loom checks it.
        self.data.with_mut(|data| unsafe { *data += 1 });
    }

    pub(super) fn acquire(&self, request: Request) -> bool {
        self.lock.acquire(request, &Forever).expect("no limit")
    }

    pub(super) fn with(&self, request: Request, f: impl FnOnce(&Self)) {
        let lined = self.acquire(request);
        f(self);
        self.lock.release(request, lined);
    }

    /// Converts, and grants what is due after it.
    pub(super) fn convert(&self, request: Request, limit: &impl Limit) -> Conversion {
        let converted = std::cell::Cell::new(false);
        let ended = self.lock.convert(request, limit, &converted);
        assert_eq!(converted.get(), matches!(ended, Conversion::Done(_)));
        if let Conversion::Done(true) = ended {
            self.lock.grant_now();
            return Conversion::Done(false);
        }
        ended
    }

    /// Nobody inside, nobody in line, nothing left behind. It looks, and
    /// changes nothing: a check must not repair what it checks.
    pub(super) fn check(&self, writes: usize) {
        assert!(!self.lock.is_locked(), "somebody is still inside");
        assert_eq!(self.lock.waiting(), 0, "somebody still waits");
        assert!(self.lock.limbo_is_empty(), "a grant was left behind");
        assert_eq!(self.read(), writes, "a write was lost");
    }
}

/// A future, as far as the engine sees one.
pub(super) struct Party {
    seat: Pin<Box<Seat>>,
    request: Request,
}

impl Party {
    pub(super) fn new(request: Request) -> Self {
        Self { seat: Box::pin(Seat::new(request)), request }
    }

    /// `Some(lined)`: it holds.
    pub(super) fn poll<R: Rules>(&self, shop: &Shop<R>, waker: &Waker) -> Option<bool> {
        // SAFETY: pinned in a box, always with one lock, and cancelled before
        // it is dropped.
        unsafe { self.seat.as_ref().poll(&shop.lock, self.request, waker) }
    }

    pub(super) fn cancel<R: Rules>(&self, shop: &Shop<R>) {
        // SAFETY: as `poll`.
        unsafe { self.seat.as_ref().cancel(&shop.lock) };
    }

    /// Polls until it holds, sleeping in between; `waker` is this thread's.
    pub(super) fn wait<R: Rules>(&self, shop: &Shop<R>, waker: &Waker) -> bool {
        loop {
            if let Some(lined) = self.poll(shop, waker) {
                return lined;
            }
            thread::park();
        }
    }

    pub(super) fn hold<R: Rules>(&self, shop: &Shop<R>, waker: &Waker, f: impl FnOnce(&Shop<R>)) {
        let lined = self.wait(shop, waker);
        f(shop);
        shop.lock.release(self.request, lined);
    }
}

/// A task's waker that counts.
#[derive(Default)]
struct Count(PlainUsize);

impl Wake for Count {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

pub(super) fn task() -> Waker {
    Waker::from(std::sync::Arc::new(Count::default()))
}

pub(super) fn explore(bound: Option<usize>, f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = bound;
    builder.check(f);
}

pub(super) fn join(threads: Vec<thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("a party panicked");
    }
}
