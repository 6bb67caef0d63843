//! All interleavings of two and three parties, explored by loom.
//!
//! Run with `RUSTFLAGS="--cfg portunus_loom" cargo test --release --lib models`.
//! [`every_fault_is_seen`] runs the models again with each [`Fault`] switched
//! on, in a process of its own, and expects the model named beside it to fail.
//!
//! [`Fault`]: crate::atomic::Fault

#![allow(unsafe_code)]

use std::boxed::Box;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::process::Command;
use std::sync::atomic::{AtomicUsize as PlainUsize, Ordering::SeqCst};
use std::task::{Wake, Waker};
use std::vec::Vec;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use crate::backend::Backend;
use crate::raw::lock::{Conversion, RawFifoLock};
use crate::raw::mode::{Held, PerMode, Rules, UNLIMITED};
use crate::raw::waiter::Seat;
use crate::rules::{Exclusive, Fair, ReadPreferring, Shared, SharedMode, WritePreferring};
use crate::wait::inner::SpinInner;
use crate::wait::node::{NO_MODE, Request};
use crate::wait::{Forever, InnerLock, Left, Limit, Place, Turn, Wait};

// === the backend of the models ===

struct Yield;

impl ::spin::relax::RelaxStrategy for Yield {
    fn relax() {
        thread::yield_now();
    }
}

/// Goes to sleep at once, and so needs every wake-up.
struct Sleep;

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
fn this_thread() -> Waker {
    Waker::from(std::sync::Arc::new(Unpark(thread::current())))
}

/// An inner lock that loom blocks on, where one that spins would only make the
/// schedules longer; [`SpinInner`] has a model of its own.
struct Inner(loom::sync::Mutex<*const ()>);

// SAFETY: the word is touched inside the mutex only.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

// SAFETY: the mutex excludes, publishes, and keeps the word.
unsafe impl InnerLock for Inner {
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

struct Model;

impl Backend for Model {
    type Inner = Inner;
    type Wait = Sleep;
}

/// A limit that is over at once.
struct Now;

impl Limit for Now {
    fn left(&self) -> Left {
        Left::Nothing
    }
}

// === what the models share ===

/// A lock, and data whose wrong use loom reports.
struct Shop<R: Rules> {
    lock: RawFifoLock<R, Model>,
    data: UnsafeCell<usize>,
}

// SAFETY: loom checks every access to `data`.
unsafe impl<R: Rules + Sync> Sync for Shop<R> {}
// SAFETY: as above.
unsafe impl<R: Rules + Send> Send for Shop<R> {}

const READ: Request = request(SharedMode::Read);
const UPGRADABLE: Request = request(SharedMode::Upgradable);
const WRITE: Request = request(SharedMode::Write);
const LOCK: Request = Request { mode: 0, from: NO_MODE, weight: 1 };

const fn request(mode: SharedMode) -> Request {
    Request { mode: mode.index() as u8, from: NO_MODE, weight: 1 }
}

const fn convert(from: SharedMode, to: SharedMode) -> Request {
    Request { mode: to.index() as u8, from: from.index() as u8, weight: 1 }
}

impl<R: Rules> Shop<R> {
    fn new(rules: R) -> Arc<Self> {
        Arc::new(Self { lock: RawFifoLock::new(rules), data: UnsafeCell::new(0) })
    }

    fn read(&self) -> usize {
        // SAFETY: loom checks it.
        self.data.with(|data| unsafe { *data })
    }

    fn write(&self) {
        // SAFETY: loom checks it.
        self.data.with_mut(|data| unsafe { *data += 1 });
    }

    fn acquire(&self, request: Request) -> bool {
        self.lock.acquire(request, &Forever).expect("no limit")
    }

    fn with(&self, request: Request, f: impl FnOnce(&Self)) {
        let lined = self.acquire(request);
        f(self);
        self.lock.release(request, lined);
    }

    /// Converts, and grants what is due after it.
    fn convert(&self, request: Request, limit: &impl Limit) -> Conversion {
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
    fn check(&self, writes: usize) {
        assert!(!self.lock.is_locked(), "somebody is still inside");
        assert_eq!(self.lock.waiting(), 0, "somebody still waits");
        assert!(self.lock.limbo_is_empty(), "a grant was left behind");
        assert_eq!(self.read(), writes, "a write was lost");
    }
}

/// A future, as far as the engine sees one.
struct Party {
    seat: Pin<Box<Seat>>,
    request: Request,
}

impl Party {
    fn new(request: Request) -> Self {
        Self { seat: Box::pin(Seat::new(request)), request }
    }

    /// `Some(lined)`: it holds.
    fn poll<R: Rules>(&self, shop: &Shop<R>, waker: &Waker) -> Option<bool> {
        // SAFETY: pinned in a box, always with one lock, and cancelled before
        // it is dropped.
        unsafe { self.seat.as_ref().poll(&shop.lock, self.request, waker) }
    }

    fn cancel<R: Rules>(&self, shop: &Shop<R>) {
        // SAFETY: as `poll`.
        unsafe { self.seat.as_ref().cancel(&shop.lock) };
    }

    /// Polls until it holds, sleeping in between; `waker` is this thread's.
    fn wait<R: Rules>(&self, shop: &Shop<R>, waker: &Waker) -> bool {
        loop {
            if let Some(lined) = self.poll(shop, waker) {
                return lined;
            }
            thread::park();
        }
    }

    fn hold<R: Rules>(&self, shop: &Shop<R>, waker: &Waker, f: impl FnOnce(&Shop<R>)) {
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

fn task() -> Waker {
    Waker::from(std::sync::Arc::new(Count::default()))
}

fn explore(bound: Option<usize>, f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = bound;
    builder.check(f);
}

fn join(threads: Vec<thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("a party panicked");
    }
}

// === the inner lock ===

#[test]
fn the_spinning_inner_lock_excludes() {
    explore(Some(4), || {
        let shared = Arc::new((SpinInner::<Yield>::init(), UnsafeCell::new(0_usize)));
        let party = |shared: &(SpinInner<Yield>, UnsafeCell<usize>)| {
            shared.0.with(|kept| {
                // SAFETY: loom checks it.
                shared.1.with_mut(|data| unsafe { *data += 1 });
                *kept = (*kept).wrapping_byte_add(2);
            });
        };
        let other = shared.clone();
        let thread = thread::spawn(move || party(&other));
        party(&shared);
        thread.join().expect("a party panicked");
        shared.0.with(|kept| assert_eq!(kept.addr(), 4));
    });
}

// === blocking ===

#[test]
fn three_threads_exclude() {
    explore(Some(3), || {
        let shop = Shop::new(Exclusive);
        let threads = (0..2)
            .map(|_| {
                let shop = shop.clone();
                thread::spawn(move || shop.with(LOCK, Shop::write))
            })
            .collect();
        shop.with(LOCK, Shop::write);
        join(threads);
        shop.check(3);
    });
}

#[test]
fn two_threads_twice() {
    explore(Some(4), || {
        let shop = Shop::new(Exclusive);
        let other = shop.clone();
        let thread = thread::spawn(move || {
            other.with(LOCK, Shop::write);
            other.with(LOCK, Shop::write);
        });
        shop.with(LOCK, Shop::write);
        shop.with(LOCK, Shop::write);
        join(Vec::from([thread]));
        shop.check(4);
    });
}

fn reader_reader_writer<R: Rules + Send + Sync + 'static>(
    rules: impl Fn() -> R + Send + Sync + 'static,
) {
    explore(Some(3), move || {
        let shop = Shop::new(rules());
        let threads = (0..2)
            .map(|i| {
                let shop = shop.clone();
                thread::spawn(move || {
                    if i == 0 {
                        shop.with(READ, |shop| {
                            shop.read();
                        });
                    } else {
                        shop.with(WRITE, Shop::write);
                    }
                })
            })
            .collect();
        shop.with(READ, |shop| {
            shop.read();
        });
        join(threads);
        shop.check(1);
    });
}

#[test]
fn shared_fair() {
    reader_reader_writer(Shared::<Fair>::new);
}

#[test]
fn shared_read_preferring() {
    reader_reader_writer(Shared::<ReadPreferring>::new);
}

#[test]
fn shared_write_preferring() {
    reader_reader_writer(Shared::<WritePreferring>::new);
}

#[test]
fn writer_writer_reader_read_preferring() {
    explore(Some(3), || {
        let shop = Shop::new(Shared::<ReadPreferring>::new());
        let threads = (0..2)
            .map(|_| {
                let shop = shop.clone();
                thread::spawn(move || shop.with(WRITE, Shop::write))
            })
            .collect();
        shop.with(READ, |shop| {
            shop.read();
        });
        join(threads);
        shop.check(2);
    });
}

/// Two readers leave without the inner lock, and the writer who waits must see
/// what both did; a reader that reads after writing elsewhere would race.
#[test]
fn readers_leave_writer_waits() {
    explore(Some(3), || {
        let shop = Shop::new(Shared::<Fair>::new());
        let mine = shop.acquire(READ);
        let theirs = shop.acquire(READ);
        let other = shop.clone();
        let reader = thread::spawn(move || {
            other.read();
            other.lock.release(READ, theirs);
        });
        let other = shop.clone();
        let writer = thread::spawn(move || other.with(WRITE, Shop::write));
        shop.read();
        shop.lock.release(READ, mine);
        join(Vec::from([reader, writer]));
        shop.check(1);
    });
}

#[test]
fn a_limit_races_with_a_grant() {
    explore(Some(4), || {
        let shop = Shop::new(Exclusive);
        let mine = shop.acquire(LOCK);
        let other = shop.clone();
        let impatient = thread::spawn(move || {
            if let Some(lined) = other.lock.acquire(LOCK, &Now) {
                other.write();
                other.lock.release(LOCK, lined);
            }
        });
        let other = shop.clone();
        let patient = thread::spawn(move || other.with(LOCK, Shop::write));
        shop.write();
        shop.lock.release(LOCK, mine);
        join(Vec::from([impatient, patient]));
        let writes = shop.read();
        assert!((2..=3).contains(&writes));
        shop.check(writes);
    });
}

/// More waiters than one batch takes: those of the second are let in by a
/// second round.
#[test]
fn a_second_batch() {
    explore(Some(2), || {
        let shop = Shop::new(Shared::<Fair>::new());
        let mine = shop.acquire(WRITE);
        let wakers = [task(), task(), task()];
        let parties = [Party::new(READ), Party::new(READ), Party::new(READ)];
        for (party, waker) in parties.iter().zip(&wakers) {
            assert_eq!(party.poll(&shop, waker), None);
        }
        let other = shop.clone();
        let releaser = thread::spawn(move || {
            other.write();
            other.lock.release(WRITE, mine);
        });
        // Leaves while the batches are under way.
        parties[1].cancel(&shop);
        join(Vec::from([releaser]));
        for i in [0, 2] {
            assert_eq!(parties[i].poll(&shop, &wakers[i]), Some(true));
            shop.read();
            shop.lock.release(READ, true);
        }
        shop.check(1);
    });
}

// === async: cancelling ===

#[test]
fn cancel_against_release_against_third() {
    explore(Some(3), || {
        let shop = Shop::new(Exclusive);
        let mine = shop.acquire(LOCK);
        let first = Party::new(LOCK);
        assert_eq!(first.poll(&shop, &task()), None);
        let other = shop.clone();
        let third =
            thread::spawn(move || Party::new(LOCK).hold(&other, &this_thread(), Shop::write));
        let other = shop.clone();
        let releaser = thread::spawn(move || {
            other.write();
            other.lock.release(LOCK, mine);
        });
        first.cancel(&shop);
        join(Vec::from([third, releaser]));
        shop.check(2);
    });
}

#[test]
fn cancel_of_the_blocked_first() {
    explore(Some(3), || {
        let shop = Shop::new(Shared::<Fair>::new());
        let mine = shop.acquire(READ);
        let writer = Party::new(WRITE);
        assert_eq!(writer.poll(&shop, &task()), None);
        let other = shop.clone();
        let reader = thread::spawn(move || {
            // Waits behind the writer, and must enter beside the first reader:
            // that one leaves only afterwards.
            other.with(READ, |shop| {
                shop.read();
            });
        });
        writer.cancel(&shop);
        join(Vec::from([reader]));
        shop.lock.release(READ, mine);
        shop.check(0);
    });
}

/// As above, while the holder beside whom the reader enters leaves.
#[test]
fn cancel_of_the_blocked_first_against_a_leaver() {
    explore(None, || {
        let shop = Shop::new(Shared::<Fair>::new());
        let mine = shop.acquire(READ);
        let (writer, reader, waker) = (Party::new(WRITE), Party::new(READ), task());
        assert_eq!(writer.poll(&shop, &task()), None);
        assert_eq!(reader.poll(&shop, &waker), None);
        let other = shop.clone();
        let leaver = thread::spawn(move || {
            other.read();
            other.lock.release(READ, mine);
        });
        writer.cancel(&shop);
        let lined = reader.poll(&shop, &waker).expect("nobody keeps it out");
        shop.read();
        shop.lock.release(READ, lined);
        join(Vec::from([leaver]));
        shop.check(0);
    });
}

/// A writer leaves in one transition that lets a reader in; another reader
/// enters by itself after that.
#[test]
fn a_reader_follows_a_contended_release() {
    explore(None, || {
        let shop = Shop::new(Shared::<Fair>::new());
        shop.acquire(WRITE);
        let (reader, waker) = (Party::new(READ), task());
        assert_eq!(reader.poll(&shop, &waker), None);
        let other = shop.clone();
        let follower = thread::spawn(move || {
            other.with(READ, |shop| {
                shop.read();
            });
        });
        shop.write();
        shop.lock.release(WRITE, true);
        let lined = reader.poll(&shop, &waker).expect("it was granted");
        shop.read();
        shop.lock.release(READ, lined);
        join(Vec::from([follower]));
        shop.check(1);
    });
}

// === conversion ===

#[test]
fn upgrade_against_reader_and_writer() {
    explore(Some(2), || {
        let shop = Shop::new(Shared::<Fair>::new());
        let other = shop.clone();
        let reader = thread::spawn(move || {
            other.with(READ, |shop| {
                shop.read();
            });
        });
        let other = shop.clone();
        let writer = thread::spawn(move || other.with(WRITE, Shop::write));
        let lined = shop.acquire(UPGRADABLE);
        let seen = shop.read();
        let up = convert(SharedMode::Upgradable, SharedMode::Write);
        assert_eq!(shop.convert(up, &Forever), Conversion::Done(false));
        assert_eq!(shop.read(), seen, "somebody wrote during an upgrade");
        shop.write();
        let down = convert(SharedMode::Write, SharedMode::Read);
        assert_eq!(shop.convert(down, &Now), Conversion::Done(false));
        shop.read();
        shop.lock.release(READ, lined);
        join(Vec::from([reader, writer]));
        shop.check(2);
    });
}

#[test]
fn two_readers_upgrade() {
    explore(Some(4), || {
        let shop = Shop::new(Shared::<Fair>::new());
        let up = convert(SharedMode::Read, SharedMode::Write);
        let party = move |shop: &Shop<Shared<Fair>>| {
            let lined = shop.acquire(READ);
            shop.read();
            match shop.convert(up, &Forever) {
                Conversion::Done(_) => {
                    shop.write();
                    shop.lock.release(WRITE, lined);
                }
                Conversion::Deadlock => shop.lock.release(READ, lined),
                Conversion::TooLong => unreachable!("no limit"),
            }
        };
        let other = shop.clone();
        let thread = thread::spawn(move || party(&other));
        party(&shop);
        join(Vec::from([thread]));
        let writes = shop.read();
        assert!((1..=2).contains(&writes));
        shop.check(writes);
    });
}

#[test]
fn cancel_of_a_conversion() {
    explore(Some(3), || {
        let shop = Shop::new(Shared::<Fair>::new());
        let mine = shop.acquire(UPGRADABLE);
        let theirs = shop.acquire(READ);
        let other = shop.clone();
        let leaver = thread::spawn(move || {
            other.read();
            other.lock.release(READ, theirs);
        });
        let other = shop.clone();
        let reader = thread::spawn(move || {
            other.with(READ, |shop| {
                shop.read();
            });
        });
        let up = convert(SharedMode::Upgradable, SharedMode::Write);
        let mode = match shop.convert(up, &Now) {
            Conversion::Done(_) => {
                shop.write();
                WRITE
            }
            Conversion::TooLong => UPGRADABLE,
            Conversion::Deadlock => unreachable!("one may upgrade"),
        };
        shop.lock.release(mode, mine);
        join(Vec::from([leaver, reader]));
        let writes = shop.read();
        shop.check(writes);
    });
}

#[test]
fn a_downgrade_lets_in() {
    explore(Some(4), || {
        let shop = Shop::new(Shared::<Fair>::new());
        let mine = shop.acquire(WRITE);
        let other = shop.clone();
        let reader = thread::spawn(move || {
            other.with(READ, |shop| {
                shop.read();
            });
        });
        shop.write();
        let down = convert(SharedMode::Write, SharedMode::Read);
        assert_eq!(shop.convert(down, &Now), Conversion::Done(false));
        // The reader enters beside us.
        join(Vec::from([reader]));
        shop.read();
        shop.lock.release(READ, mine);
        shop.check(1);
    });
}

// === weights ===

crate::modes! { enum Load { Load } }

struct Scales;

impl Rules for Scales {
    type Mode = Load;
    const LIMITS: PerMode<usize> = PerMode::all(2);
    const WEIGHTED: bool = true;

    fn admits(&self, _: Load, _: &Held<Load>) -> bool {
        true
    }
}

#[test]
fn weights() {
    const HEAVY: Request = Request { mode: 0, from: NO_MODE, weight: 2 };
    explore(Some(3), || {
        let shop = Shop::new(Scales);
        let other = shop.clone();
        let heavy = thread::spawn(move || other.with(HEAVY, Shop::write));
        let other = shop.clone();
        let light = thread::spawn(move || {
            other.with(LOCK, |shop| {
                shop.read();
            });
        });
        shop.with(LOCK, |shop| {
            shop.read();
        });
        join(Vec::from([heavy, light]));
        shop.check(1);
    });
}

// === futurelock ===

/// The lock is let go while a task polls only its second future.
#[test]
fn pass_on_against_release() {
    explore(Some(4), || {
        let shop = Shop::new(Exclusive);
        let mine = shop.acquire(LOCK);
        let (first, second) = (Party::new(LOCK), Party::new(LOCK));
        let waker = this_thread();
        assert_eq!(first.poll(&shop, &waker), None);
        let other = shop.clone();
        let releaser = thread::spawn(move || {
            other.write();
            other.lock.release(LOCK, mine);
        });
        // Only the second is polled; the first keeps its place.
        second.hold(&shop, &waker, Shop::write);
        let lined = first.wait(&shop, &waker);
        shop.write();
        shop.lock.release(LOCK, lined);
        join(Vec::from([releaser]));
        shop.check(3);
    });
}

/// The same with modes of different lanes, and another task's reader.
#[test]
fn pass_on_over_lanes() {
    explore(Some(3), || {
        let shop = Shop::new(Shared::<ReadPreferring>::new());
        let mine = shop.acquire(WRITE);
        let (first, second) = (Party::new(READ), Party::new(WRITE));
        let waker = this_thread();
        assert_eq!(first.poll(&shop, &waker), None);
        let other = shop.clone();
        let releaser = thread::spawn(move || {
            other.write();
            other.lock.release(WRITE, mine);
        });
        second.hold(&shop, &waker, Shop::write);
        let lined = first.wait(&shop, &waker);
        shop.read();
        shop.lock.release(READ, lined);
        join(Vec::from([releaser]));
        shop.check(2);
    });
}

/// A reader's unpolled grant, beside another task's reader, would keep its
/// sibling that writes waiting for ever.
#[test]
fn eviction() {
    explore(Some(3), || {
        let shop = Shop::new(Shared::<Fair>::new());
        let mine = shop.acquire(WRITE);
        let (first, second) = (Party::new(READ), Party::new(WRITE));
        let waker = this_thread();
        assert_eq!(first.poll(&shop, &waker), None);
        let reader = Party::new(READ);
        assert_eq!(reader.poll(&shop, &task()), None);
        let other = shop.clone();
        let releaser = thread::spawn(move || {
            other.write();
            other.lock.release(WRITE, mine);
            let lined = reader.poll(&other, &task()).expect("both readers were granted");
            other.read();
            other.lock.release(READ, lined);
        });
        second.hold(&shop, &waker, Shop::write);
        let lined = first.wait(&shop, &waker);
        shop.read();
        shop.lock.release(READ, lined);
        join(Vec::from([releaser]));
        shop.check(2);
    });
}

/// One waker polls two futures in two threads, while the lock is let go and
/// one of them is dropped in the end.
#[test]
fn one_waker_in_two_threads() {
    explore(Some(4), || {
        let shop = Shop::new(Exclusive);
        let mine = shop.acquire(LOCK);
        let waker = task();
        let (first, second) = (Party::new(LOCK), Party::new(LOCK));
        assert_eq!(first.poll(&shop, &waker), None);
        assert_eq!(second.poll(&shop, &waker), None);
        let (other, theirs) = (shop.clone(), waker.clone());
        let thread = thread::spawn(move || {
            if let Some(lined) = first.poll(&other, &theirs) {
                other.write();
                other.lock.release(LOCK, lined);
            }
            first.cancel(&other);
        });
        shop.lock.release(LOCK, mine);
        if let Some(lined) = second.poll(&shop, &waker) {
            shop.write();
            shop.lock.release(LOCK, lined);
        }
        second.cancel(&shop);
        join(Vec::from([thread]));
        let writes = shop.read();
        shop.check(writes);
    });
}

/// A trade, and a third task that must not be lost.
#[test]
fn pass_on_with_a_third() {
    explore(Some(2), || {
        let shop = Shop::new(Exclusive);
        let mine = shop.acquire(LOCK);
        let (first, second) = (Party::new(LOCK), Party::new(LOCK));
        let waker = this_thread();
        assert_eq!(first.poll(&shop, &waker), None);
        let other = shop.clone();
        let third =
            thread::spawn(move || Party::new(LOCK).hold(&other, &this_thread(), Shop::write));
        let other = shop.clone();
        let releaser = thread::spawn(move || other.lock.release(LOCK, mine));
        second.hold(&shop, &waker, Shop::write);
        first.cancel(&shop);
        join(Vec::from([third, releaser]));
        shop.check(2);
    });
}

// === a predicate that panics ===

crate::modes! { enum Temper { Calm, Wild } }

/// Lets the calm in beside the calm; asked for the wild one, it panics.
struct Temperament;

impl Rules for Temperament {
    type Mode = Temper;
    const LIMITS: PerMode<usize> = PerMode::all(UNLIMITED);

    fn admits(&self, mode: Temper, held: &Held<Temper>) -> bool {
        if mode == Temper::Wild && held.is_empty() {
            std::panic::panic_any("wild");
        }
        mode == Temper::Calm && held[Temper::Calm] == 0
    }
}

#[test]
fn a_panicking_predicate() {
    const CALM: Request = Request { mode: 0, from: NO_MODE, weight: 1 };
    const WILD: Request = Request { mode: 1, from: NO_MODE, weight: 1 };
    let caught = |f: &mut dyn FnMut()| catch_unwind(AssertUnwindSafe(f)).is_err();
    std::panic::set_hook(Box::new(|info| {
        if info.payload().downcast_ref::<&str>() != Some(&"wild") {
            std::eprintln!("{info}");
        }
    }));
    explore(Some(3), move || {
        let shop = Shop::new(Temperament);
        let mine = shop.acquire(CALM);
        let wild = Party::new(WILD);
        let waker = task();
        assert_eq!(wild.poll(&shop, &waker), None);
        let other = shop.clone();
        let behind = thread::spawn(move || {
            let lined = Party::new(CALM).wait(&other, &this_thread());
            other.write();
            // The wild one may stand in line again, and be judged here.
            caught(&mut || other.lock.release(CALM, lined));
        });
        // Judging the wild one panics here; we have left all the same.
        assert!(caught(&mut || shop.lock.release(CALM, mine)), "the wild one is first");
        // It asks anew; when nobody is inside, it panics in its own call.
        // Whoever stood behind it goes on, whichever way it leaves.
        caught(&mut || {
            wild.poll(&shop, &waker);
        });
        wild.cancel(&shop);
        join(Vec::from([behind]));
        shop.check(1);
    });
}

// === the models can see ===

/// Every state of a node's table comes up in these models.
#[test]
fn every_state_is_reached() {
    use crate::atomic::was_reached;
    use crate::wait::node::state;

    three_threads_exclude();
    eviction();
    let parked = [state::QUEUED | state::PARKED_BIT, state::FRONT | state::PARKED_BIT];
    let plain = [state::QUEUED, state::FRONT, state::GRANTED, state::EVICTED, state::HELD];
    for state in plain.into_iter().chain(parked).chain([state::INIT, state::DONE]) {
        assert!(was_reached(state), "no model reaches the state {state}");
    }
}

/// Each fault, and the model that must fail with it.
const SEEN: &[(&str, &str)] = &[
    ("ReleaseRelaxed", "two_threads_twice"),
    ("AcquireRelaxed", "two_threads_twice"),
    ("StoreWithoutBit", "writer_writer_reader_read_preferring"),
    ("StoreWithoutSole", "cancel_of_the_blocked_first_against_a_leaver"),
    ("StoreRelaxed", "a_reader_follows_a_contended_release"),
    ("GrantLoadRelaxed", "readers_leave_writer_waits"),
    ("MarkRelaxed", "three_threads_exclude"),
    ("BitAfterJudging", "two_threads_twice"),
    ("CancelWithoutGrant", "cancel_of_the_blocked_first"),
    ("CancelKeepsLimbo", "one_waker_in_two_threads"),
    ("ConvertAcquireOnly", "a_downgrade_lets_in"),
    ("ConvertReleaseOnly", "upgrade_against_reader_and_writer"),
    ("ConvertWithoutGrant", "a_downgrade_lets_in"),
    ("ConvertUnchecked", "two_readers_upgrade"),
    ("PickUpUnlocked", "one_waker_in_two_threads"),
    ("NoEviction", "eviction"),
    ("NoPassOn", "pass_on_against_release"),
    ("ParkBlind", "two_threads_twice"),
    ("EvictedForgetsBaton", "a_panicking_predicate"),
];

#[test]
fn every_fault_is_seen() {
    if std::env::var_os("PORTUNUS_FAULT").is_some() {
        return;
    }
    // Each fault of the list has its model.
    assert_eq!(SEEN.len(), crate::atomic::Fault::COUNT, "a fault has no model");
    let this = std::env::current_exe().expect("a test has a path");
    for (fault, model) in SEEN {
        let path = std::format!("raw::tests::models::{model}");
        let output = Command::new(&this)
            .args(["--exact", &path])
            .env("PORTUNUS_FAULT", fault)
            .output()
            .expect("a test can run itself");
        let text = std::string::String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("running 1 test"), "no model is called {model}");
        assert!(!output.status.success(), "{model} does not see {fault}");
    }
}
