//! What tests of all kinds need: patience with an end, polling by hand, and
//! executors.

#![allow(dead_code, reason = "each suite uses a part of it")]
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

#[macro_use]
pub(crate) mod backends;
pub(crate) mod executor;
#[cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
pub(crate) mod segments;
pub(crate) mod watch;

use watch::{look_alive, lose_patience, patience};

/// How long a test waits that does so by other means than these.
pub(crate) const PATIENCE: Duration = watch::PATIENCE;

/// Waits until `done`; panics when patience ends first.
#[track_caller]
pub(crate) fn until(what: &str, done: impl FnMut() -> bool) {
    until_idle(what, || 0, done);
}

/// The same for what takes long: patience begins anew whenever `progress` has
/// changed.
#[track_caller]
pub(crate) fn until_idle(what: &str, progress: impl Fn() -> usize, mut done: impl FnMut() -> bool) {
    let (mut start, mut seen, mut looked) = (Instant::now(), progress(), Instant::now());
    while !done() {
        let now = progress();
        if now != seen {
            (start, seen) = (Instant::now(), now);
        }
        if start.elapsed() > patience() {
            lose_patience(what);
        }
        if looked.elapsed() > Duration::from_secs(1) {
            looked = Instant::now();
            look_alive();
        }
        thread::yield_now();
    }
}

/// Runs `f` in a thread of its own, which may block for ever: then this panics
/// when patience ends.
#[track_caller]
pub(crate) fn watched<T: Send + 'static>(what: &str, f: impl FnOnce() -> T + Send + 'static) -> T {
    let (finished, finish) = channel();
    let thread = thread::spawn(move || {
        // Dropped at the end, also by a panic.
        let _finished = finished;
        f()
    });
    let nothing: Result<(), _> = finish.recv_timeout(patience());
    if nothing == Err(RecvTimeoutError::Timeout) {
        lose_patience(what);
    }
    match thread.join() {
        Ok(result) => result,
        Err(payload) => resume_unwind(payload),
    }
}

/// The message of the panic in which `f` has to end.
#[track_caller]
pub(crate) fn panic_of<T>(f: impl FnOnce() -> T) -> String {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => panic!("it should have panicked"),
        Err(payload) => message(&*payload),
    }
}

/// What a panic said.
pub(crate) fn message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a message".to_owned()
    }
}

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A task without an executor: it polls when it is told to, always with the
/// same waker.
pub(crate) struct Hand {
    bell: Arc<Bell>,
    waker: Waker,
}

impl Hand {
    pub(crate) fn new() -> Self {
        let bell = Arc::new(Bell::default());
        Self { waker: Waker::from(Arc::clone(&bell)), bell }
    }

    /// Polls a future of this task, pinned or borrowed.
    pub(crate) fn poll<F: Future + Unpin>(&self, future: F) -> Poll<F::Output> {
        poll_by(&self.waker, future)
    }

    /// How often it was woken.
    pub(crate) fn wakes(&self) -> usize {
        self.bell.0.load(Ordering::SeqCst)
    }

    /// How many copies of its waker are kept somewhere.
    pub(crate) fn kept(&self) -> usize {
        Arc::strong_count(&self.bell) - 2
    }

    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }
}

/// Polls with this waker.
pub(crate) fn poll_by<F: Future + Unpin>(waker: &Waker, mut future: F) -> Poll<F::Output> {
    Pin::new(&mut future).poll(&mut Context::from_waker(waker))
}

/// A waker that panics when it is called.
pub(crate) fn panics() -> Waker {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker panics");
        }
    }
    Waker::from(Arc::new(Panics))
}

/// Pending once, and woken at once.
pub(crate) fn yielding() -> impl Future<Output = ()> + Send {
    let mut polled = false;
    poll_fn(move |cx| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// What a poll has to have brought.
#[track_caller]
pub(crate) fn ready<T>(poll: Poll<T>) -> T {
    match poll {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it still waits"),
    }
}

/// Forgets a future for good. Where it lies is remembered, so that a sanitizer
/// that looks for leaks does not take it for one.
pub(crate) fn forget<F>(future: Pin<Box<F>>) {
    static FORGOTTEN: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    let place = core::ptr::from_ref(&*future).addr();
    core::mem::forget(future);
    FORGOTTEN.lock().unwrap_or_else(PoisonError::into_inner).push(place);
}

/// Many waits that are notified at once go into the lock's line as they are, and
/// each is woken once, in order, when it holds.
///
/// `hold` keeps everybody out, `notify` is done meanwhile and says how many,
/// `line` says how many stand in the lock's line (`usize::MAX`: nobody knows).
pub(crate) fn handed_over<H, W: Future>(
    many: usize,
    wait: impl Fn() -> W,
    hold: impl FnOnce() -> H,
    notify: impl FnOnce(&H) -> usize,
    line: impl Fn() -> usize,
) {
    let mut waits: Vec<_> = (0..many)
        .map(|_| {
            let hand = Hand::new();
            let mut wait = Box::pin(wait());
            assert!(hand.poll(&mut wait).is_pending());
            (hand, wait)
        })
        .collect();
    let held = hold();
    assert_eq!(notify(&held), many);
    assert!(line() == many || line() == usize::MAX, "they are not in the lock's line");
    for (hand, wait) in &mut waits {
        assert_eq!(hand.wakes(), 0, "woken, and could not enter");
        assert!(hand.poll(wait).is_pending());
    }
    drop(held);
    for index in 0..many {
        let woken: usize = waits.iter().map(|(hand, _)| hand.wakes()).sum();
        assert_eq!(woken, index + 1, "one wake-up for each turn");
        let (hand, wait) = &mut waits[index];
        assert_eq!(hand.wakes(), 1, "in order");
        drop(ready(hand.poll(wait)));
        assert_eq!(hand.kept(), 0, "its waker is kept");
    }
    assert!(line() == 0 || line() == usize::MAX);
}
