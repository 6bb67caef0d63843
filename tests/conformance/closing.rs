//! Semaphores that are closed while permits are out and waited for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{RawWaker, RawWakerVTable, Waker};
use std::thread;
use std::time::{Duration, Instant};

use portunus::{AcquireError, Backend, ClosableSemaphore, Closed, Semaphore};

use crate::faces::Face;
use crate::kin::Kin;
use crate::script::{Outcome, Script};
use crate::subject::Count::{Many, One};
use crate::subject::Permits as _;
use crate::support::{Hand, panic_of, poll_by, ready, until, watched};

type Closable<F> = <<F as Face>::Kin as Kin>::ClosableSemaphore<<F as Face>::Backend>;

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);

/// The party is told that it is closed.
#[track_caller]
fn sent_away<F: Face>(script: &Script<F, Closable<F>>, index: usize) {
    let Outcome::Refused(text) = script.outcome(index) else { panic!("it was not refused") };
    assert!(text.contains("closed"), "{text}");
}

fn everybody_in_line_is_sent_away<F: Face>() {
    let mut script = Script::<F, _>::new(F::Kin::closable(2));
    for count in [One, One, One, Many(2), One] {
        script.asks(count);
    }
    script.history("xx---");
    assert!(!script.subject().is_closed());
    script.subject().close();
    assert!(script.subject().is_closed());
    for index in 2..5 {
        sent_away(&script, index);
    }
    // What is out stays out until it comes back.
    script.history("xx---");
    // Who comes later is sent away too.
    script.asks(One);
    sent_away(&script, 5);
    script.asks(Many(1));
    sent_away(&script, 6);
    // Once more changes nothing.
    script.subject().close();
    script.finish(0);
    assert_eq!(script.subject().available_permits(), 1);
    script.asks(One);
    sent_away(&script, 7);
    script.finish(1);
    assert_eq!((script.subject().permits(), script.subject().available_permits()), (2, 2));
    script.end();
}

fn those_before_a_gate_are_sent_away<F: Face>() {
    let mut script = Script::<F, _>::new(F::Kin::closable(0));
    script.asks(One);
    script.asks(One);
    script.subject().close();
    sent_away(&script, 0);
    sent_away(&script, 1);
    script.subject().resize(1);
    assert!(script.subject().is_closed(), "a resize does not open it");
    script.asks(One);
    sent_away(&script, 2);
    script.end();
}

on_faces! {
    all: [everybody_in_line_is_sent_away, those_before_a_gate_are_sent_away],
    cancelling: [],
}

/// Every kind of request that can be told is told.
fn every_kind_of_request_is_told<B: Backend>() {
    #[track_caller]
    fn one<T>(result: Result<T, Closed>) {
        let error = result.err().expect("it is closed");
        assert!(error.to_string().contains("closed"), "{error}");
    }
    #[track_caller]
    fn many<T>(result: Result<T, AcquireError>) {
        let Err(AcquireError::Closed(error)) = result else { panic!("it is closed") };
        one::<T>(Err(error));
    }
    let hand = Hand::new();
    let semaphore = Arc::new(ClosableSemaphore::<B>::new(1));
    semaphore.close();
    one(semaphore.acquire());
    one(semaphore.try_acquire());
    one(semaphore.acquire_for(LONG));
    one(semaphore.acquire_until(Instant::now() + LONG));
    one(semaphore.acquire_owned());
    one(semaphore.try_acquire_owned());
    one(ready(hand.poll(&mut Box::pin(semaphore.acquire_async()))));
    one(ready(hand.poll(&mut Box::pin(semaphore.acquire_owned_async()))));
    // For none, for one, and for more than there are.
    for count in [0, 1, 2] {
        many(semaphore.acquire_many(count));
        many(semaphore.try_acquire_many(count));
        many(semaphore.acquire_many_for(count, LONG));
        many(semaphore.acquire_many_until(count, Instant::now() + LONG));
        many(semaphore.acquire_many_owned(count));
        many(semaphore.try_acquire_many_owned(count));
        many(ready(hand.poll(&mut Box::pin(semaphore.acquire_many_async(count)))));
        many(ready(hand.poll(&mut Box::pin(semaphore.acquire_many_owned_async(count)))));
    }
    assert_eq!((semaphore.permits(), semaphore.available_permits()), (1, 1));
    assert_eq!((hand.wakes(), hand.kept()), (0, 0));
    assert_eq!(Arc::strong_count(&semaphore), 1);
}

/// The same requests of an open one bring permits, and say what is too many.
fn an_open_one_gives_permits<B: Backend>() {
    #[track_caller]
    fn too_many<T>(result: Result<T, AcquireError>) {
        let Err(AcquireError::TooMany(error)) = result else { panic!("there is one") };
        assert_eq!((error.requested(), error.limit(), error.is_closed()), (2, 1, false));
        assert!(!error.to_string().contains("closed"), "{error}");
    }
    let hand = Hand::new();
    let semaphore = Arc::new(ClosableSemaphore::<B>::new(1));
    drop(semaphore.acquire().expect("it is open"));
    drop(semaphore.try_acquire().expect("it is open").expect("it is free"));
    drop(semaphore.acquire_for(LONG).expect("it is open").expect("it is free"));
    drop(semaphore.acquire_owned().expect("it is open"));
    let owned = semaphore.try_acquire_owned().expect("it is open").expect("it is free");
    assert_eq!(Arc::strong_count(&semaphore), 2);
    assert!(semaphore.try_acquire().expect("it is open").is_none());
    assert!(semaphore.acquire_for(Duration::ZERO).expect("it is open").is_none());
    assert!(semaphore.try_acquire_many(1).expect("there is one").is_none());
    assert!(semaphore.acquire_many_for(1, Duration::ZERO).expect("there is one").is_none());
    drop(owned);
    drop(ready(hand.poll(&mut Box::pin(semaphore.acquire_async()))).expect("it is open"));
    drop(ready(hand.poll(&mut Box::pin(semaphore.acquire_owned_async()))).expect("it is open"));
    assert_eq!(semaphore.acquire_many(0).expect("nothing is there").count(), 0);
    too_many(semaphore.acquire_many(2));
    too_many(semaphore.try_acquire_many(2));
    too_many(semaphore.acquire_many_for(2, LONG));
    too_many(semaphore.acquire_many_owned(2));
    too_many(semaphore.try_acquire_many_owned(2));
    too_many(ready(hand.poll(&mut Box::pin(semaphore.acquire_many_async(2)))));
    too_many(ready(hand.poll(&mut Box::pin(semaphore.acquire_many_owned_async(2)))));
    assert_eq!((semaphore.available_permits(), Arc::strong_count(&semaphore)), (1, 1));
}

/// A semaphore whose acquisitions can't say it.
fn the_plain_face<B: Backend>() {
    let hand = Hand::new();
    let semaphore = Arc::new(Semaphore::<B>::new(1));
    let permit = semaphore.acquire();
    let mut waiting = Box::pin(semaphore.acquire_async());
    let mut counting = Box::pin(semaphore.acquire_many_async(1));
    assert!(hand.poll(&mut waiting).is_pending());
    assert!(hand.poll(&mut counting).is_pending());
    semaphore.close();
    assert_eq!((hand.wakes(), semaphore.waiting()), (2, 0));
    let text = panic_of(|| hand.poll(&mut waiting));
    assert!(text.contains("closed"), "{text}");
    let error = ready(hand.poll(&mut counting)).expect_err("it is closed");
    assert_eq!((error.requested(), error.limit(), error.is_closed()), (1, 0, true));
    assert!(error.to_string().contains("closed"), "{error}");

    for text in [
        panic_of(|| semaphore.acquire()),
        panic_of(|| semaphore.acquire_owned()),
        panic_of(|| hand.poll(&mut Box::pin(semaphore.acquire_async()))),
        panic_of(|| hand.poll(&mut Box::pin(semaphore.acquire_owned_async()))),
    ] {
        assert!(text.contains("closed") && text.contains("ClosableSemaphore"), "{text}");
    }
    assert!(semaphore.try_acquire().is_none());
    assert!(semaphore.try_acquire_owned().is_none());
    assert!(semaphore.acquire_for(LONG).is_none());
    assert!(semaphore.acquire_until(Instant::now() + LONG).is_none());
    for error in [
        semaphore.acquire_many(1).expect_err("it is closed"),
        semaphore.try_acquire_many(1).expect_err("it is closed"),
        semaphore.acquire_many_for(1, LONG).expect_err("it is closed"),
    ] {
        assert_eq!((error.limit(), error.is_closed()), (0, true));
    }
    // Nothing can still be had.
    assert_eq!(semaphore.acquire_many(0).expect("nothing is there").count(), 0);
    drop(permit);
    assert_eq!(semaphore.available_permits(), 1);
    drop((waiting, counting));
    assert_eq!(Arc::strong_count(&semaphore), 1);
}

/// Threads that sleep in line wake, those with a time long before it is over.
fn sleepers_wake<B: Backend>() {
    watched("all are sent away", || {
        let semaphore = ClosableSemaphore::<B>::new(1);
        let permit = semaphore.acquire().expect("it is open");
        thread::scope(|scope| {
            let ends = [
                scope.spawn(|| semaphore.acquire().map(drop).map_err(AcquireError::from)),
                scope.spawn(|| semaphore.acquire_many(1).map(drop)),
                scope.spawn(|| semaphore.acquire_for(LONG).map(drop).map_err(AcquireError::from)),
                scope.spawn(|| semaphore.acquire_many_for(1, LONG).map(drop)),
            ];
            until("all wait", || semaphore.waiting() == ends.len());
            semaphore.close();
            assert_eq!(semaphore.waiting(), 0);
            for end in ends {
                let ended = end.join().expect("no panic");
                assert!(matches!(ended, Err(AcquireError::Closed(_))), "{ended:?}");
            }
        });
        drop(permit);
        assert_eq!(semaphore.available_permits(), 1);
    });
}

/// Permits that are out can be split, merged and moved; a grant that was not
/// picked up is one.
fn what_is_out_stays_valid<B: Backend>() {
    let hand = Hand::new();
    let semaphore = ClosableSemaphore::<B>::new(3);
    let mut three = semaphore.acquire_many(3).expect("there are three");
    let mut granted = Box::pin(semaphore.acquire_async());
    assert!(hand.poll(&mut granted).is_pending());
    drop(three.split(1));
    semaphore.close();
    let one = ready(hand.poll(&mut granted)).expect("it was served before");
    let mut two = three.split(1).expect("there are two");
    two.merge(one).expect("of the same semaphore");
    assert_eq!((two.count(), three.count()), (2, 1));
    assert_eq!(semaphore.available_permits(), 0);
    thread::scope(|scope| scope.spawn(|| drop(two)).join().expect("no panic"));
    drop(three);
    assert_eq!(semaphore.available_permits(), 3);
}

/// More than one batch of wake-ups, each of them made once.
fn a_crowd_is_sent_away<B: Backend>() {
    let semaphore = ClosableSemaphore::<B>::new(0);
    let hands: Vec<_> = (0..50).map(|_| Hand::new()).collect();
    let mut futures: Vec<_> = hands.iter().map(|_| Box::pin(semaphore.acquire_async())).collect();
    for (hand, future) in hands.iter().zip(&mut futures) {
        assert!(hand.poll(future).is_pending());
    }
    semaphore.close();
    assert_eq!(semaphore.waiting(), 0);
    for (i, (hand, future)) in hands.iter().zip(&mut futures).enumerate() {
        assert_eq!((hand.wakes(), hand.kept()), (1, 0), "of party {i}");
        // Some are dropped instead.
        if i % 3 != 0 {
            assert_eq!(ready(hand.poll(future)).err().map(|_| ()), Some(()));
        }
    }
    drop(futures);
    assert_eq!((semaphore.waiting(), semaphore.available_permits()), (0, 0));
}

/// A waker that panics does not keep the others from hearing of it.
fn a_waker_panics<B: Backend>() {
    fn clone(_: *const ()) -> RawWaker {
        RawWaker::new(&raw const VTABLE as *const (), &VTABLE)
    }
    fn wake(_: *const ()) {
        panic!("this waker always panics");
    }
    fn nothing(_: *const ()) {}
    static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, nothing);
    // SAFETY: it has no data.
    #[allow(unsafe_code)]
    let panicking = unsafe { Waker::from_raw(clone(std::ptr::null())) };

    let semaphore = ClosableSemaphore::<B>::new(0);
    let hands: Vec<_> = (0..40).map(|_| Hand::new()).collect();
    let mut first = Box::pin(semaphore.acquire_async());
    assert!(poll_by(&panicking, &mut first).is_pending());
    let mut futures: Vec<_> = hands.iter().map(|_| Box::pin(semaphore.acquire_async())).collect();
    for (hand, future) in hands.iter().zip(&mut futures) {
        assert!(hand.poll(future).is_pending());
    }
    let closed = catch_unwind(AssertUnwindSafe(|| semaphore.close()));
    assert!(closed.is_err(), "the waker's panic goes on");
    assert!(semaphore.is_closed());
    assert_eq!(semaphore.waiting(), 0);
    assert!(hands.iter().all(|hand| hand.wakes() == 1));
    assert!(ready(poll_by(&panicking, &mut first)).is_err());
}

fn it_shows_that_it_is_closed<B: Backend>() {
    let semaphore = ClosableSemaphore::<B>::new(2);
    let text = format!("{semaphore:?}");
    assert!(text.starts_with("ClosableSemaphore") && !text.contains("closed"), "{text}");
    semaphore.close();
    let text = format!("{semaphore:?}");
    assert!(text.contains("closed: true") && text.contains("permits: 2"), "{text}");
}

on_backends!(
    every_kind_of_request_is_told,
    an_open_one_gives_permits,
    the_plain_face,
    sleepers_wake,
    what_is_out_stays_valid,
    a_crowd_is_sent_away,
    a_waker_panics,
    it_shows_that_it_is_closed,
);
