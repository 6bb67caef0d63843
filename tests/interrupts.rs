//! Interrupt handlers wake the tasks of a nursery, stop it, and set values, on
//! `critical`: at any point where the code that they interrupt holds one of its
//! own mutexes.
//!
//! On the host the allocator plays the interrupt: most of what a nursery does
//! under a mutex may allocate, and each allocation first runs the handler, which
//! would wait for ever for a mutex that its own thread has. A handler must not
//! allocate either.

#![cfg(all(feature = "std", feature = "async", feature = "critical-section"))]
#![allow(missing_docs)]
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]
#![allow(unsafe_code)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Poll, Waker};

use portunus::critical::{Accessor, Nursery, NurseryInfo, Registry};
use portunus::registry::Duplicates;

use support::{Hand, watched};

struct Interrupting;

std::thread_local! {
    // Neither initialised lazily nor dropped: using them never allocates.
    static HANDLER: Cell<Option<&'static dyn Fn()>> = const { Cell::new(None) };
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static INTERRUPTS: Cell<usize> = const { Cell::new(0) };
    static ALLOCATED_INSIDE: Cell<usize> = const { Cell::new(0) };
}

/// Runs the handler, as if a device asked for it now.
fn interrupt() {
    if INSIDE.get() {
        ALLOCATED_INSIDE.set(ALLOCATED_INSIDE.get() + 1);
        return;
    }
    if let Some(handler) = HANDLER.get() {
        INSIDE.set(true);
        INTERRUPTS.set(INTERRUPTS.get() + 1);
        // A handler runs with interrupts off.
        critical_section::with(|_| handler());
        INSIDE.set(false);
    }
}

// SAFETY: every request goes to `System` as it is.
unsafe impl GlobalAlloc for Interrupting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        interrupt();
        // SAFETY: by this function's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        interrupt();
        // SAFETY: by this function's contract.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static GLOBAL: Interrupting = Interrupting;

/// Runs `f` in a thread of its own, with this handler.
fn interrupted(handler: &'static (dyn Fn() + Sync), f: impl FnOnce() + Send + 'static) {
    watched("nobody waits for ever", move || {
        HANDLER.set(Some(handler));
        f();
        HANDLER.set(None);
        assert!(INTERRUPTS.get() > 0, "nothing was interrupted");
        assert_eq!(ALLOCATED_INSIDE.get(), 0, "the handler allocates");
    });
}

std::thread_local! {
    /// The wakers of tasks that sleep; the handler looks at what is there.
    static BEDS: RefCell<[Option<Waker>; 3]> = const { RefCell::new([None, None, None]) };
}

/// Never ends, and counts its polls.
async fn sleep(number: usize, polls: Arc<AtomicUsize>) -> Result<(), ()> {
    poll_fn(|cx| {
        polls.fetch_add(1, SeqCst);
        let waker = cx.waker().clone();
        let old = BEDS.with_borrow_mut(|beds| beds[number].replace(waker));
        drop(old);
        Poll::Pending
    })
    .await
}

#[test]
fn a_handler_wakes_tasks_whatever_it_interrupts() {
    static NURSERIES: Registry<String, NurseryInfo> = Registry::new(Duplicates::Reject);
    fn wake_all() {
        BEDS.with(|beds| {
            // What it interrupts may be moving in.
            if let Ok(beds) = beds.try_borrow() {
                beds.iter().flatten().for_each(Waker::wake_by_ref);
            }
        });
    }
    interrupted(&wake_all, || {
        let (polls, hand) = (Arc::new(AtomicUsize::new(0)), Hand::new());
        let mut nursery = Nursery::<()>::named("woken");
        for number in 0..3 {
            nursery.create_task("sleeps", sleep(number, polls.clone())).map(drop).expect("open");
        }
        assert!(hand.poll(&mut nursery).is_pending());
        assert_eq!(polls.load(SeqCst), 3);
        // Each of these takes mutexes of the nursery's, and allocates.
        nursery.register(&NURSERIES).expect("the only one");
        for _ in 0..50 {
            nursery.create_task(None, async { Ok(()) }).map(drop).expect("open");
            assert!(nursery.tasks().len() > 3);
            nursery.defer(|| ()).expect("open");
        }
        let mut nursery = nursery.pop_all();
        let before = (polls.load(SeqCst), hand.wakes());
        assert!(before.1 > 0, "a wake-up that the owner does not hear of");
        assert!(hand.poll(&mut nursery).is_pending());
        assert!(polls.load(SeqCst) >= before.0 + 3, "a wake-up was lost");
        let mut close = pin!(nursery.close());
        while hand.poll(close.as_mut()).is_pending() {}
        BEDS.with_borrow_mut(|beds| *beds = [None, None, None]);
    });
}

#[test]
fn a_handler_stops_a_nursery() {
    use std::sync::OnceLock;
    static SENTINEL: OnceLock<portunus::critical::Sentinel> = OnceLock::new();
    fn stop() {
        if let Some(sentinel) = SENTINEL.get() {
            sentinel.stop();
        }
    }
    interrupted(&stop, || {
        let hand = Hand::new();
        let mut nursery = Nursery::<()>::new();
        nursery.create_task(None, std::future::pending::<Result<(), _>>()).map(drop).expect("open");
        assert!(hand.poll(&mut nursery).is_pending());
        let _ = SENTINEL.set(nursery.sentinel());
        // Interrupted with the list of tasks in hand.
        while !nursery.sentinel().is_stopping() {
            assert_eq!(nursery.tasks().len(), 1);
        }
        assert_eq!(hand.wakes(), 1);
        assert_eq!(hand.poll(&mut nursery), Poll::Ready(Ok(())));
    });
}

/// A handler that finds the value in use leaves it, and is not kept.
#[test]
fn a_handler_sets_a_value_that_a_task_awaits() {
    static TICKS: Accessor<usize> = Accessor::new(0);
    static MISSED: AtomicUsize = AtomicUsize::new(0);
    static SET: AtomicUsize = AtomicUsize::new(0);
    fn tick() {
        let next = SET.load(SeqCst) + 1;
        match TICKS.try_set(next) {
            Ok(()) => SET.store(next, SeqCst),
            Err(_) => drop(MISSED.fetch_add(1, SeqCst)),
        }
    }
    interrupted(&tick, || {
        let hand = Hand::new();
        let mut nursery = Nursery::<()>::new();
        let task =
            nursery.create_task(None, async { Ok(TICKS.get_where_async(|t| *t > 20).await) });
        assert!(hand.poll(&mut nursery).is_pending());
        while hand.wakes() == 0 {
            drop(Box::new([0_u8; 3]));
        }
        assert_eq!(hand.poll(&mut nursery), Poll::Ready(Ok(())));
        let task = pin!(task.expect("open"));
        let Poll::Ready(end) = hand.poll(task) else { panic!("it has ended") };
        assert!(end.value().is_some_and(|ticks| ticks > 20));
        // With its lock in hand.
        TICKS.with(|_| drop(Box::new([0_u8; 3])));
        assert!(MISSED.load(SeqCst) > 0, "nothing was interrupted with the lock in hand");
    });
}
