//! Barriers: the cases of their specification, each point at which a party can
//! leave, random histories against a plain model, threads and tasks.

#![cfg(all(feature = "std", feature = "async"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

mod support;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn, ready as now};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use portunus::Name;
use portunus::barrier::{BarrierError, BarrierSizeError, BarrierState, Gathered};
use portunus::sync::{CyclicBarrier, FixedBarrier, StatefulBarrier};
use portunus::{critical, spin};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Strategy, any};
use proptest::test_runner::{Config, RngSeed, TestRunner};
use support::executor::{Executor, RunQueue, Smol, TokioCurrent, TokioMulti};
use support::{Hand, PATIENCE, panic_of, ready, until, watched};

use BarrierState::{Aborted, TimedOut, Tripped, Waiting};

fn barrier<T>(parties: usize) -> StatefulBarrier<T> {
    StatefulBarrier::new(parties).unwrap().named("test")
}

fn broken(reason: BarrierState) -> BarrierError {
    BarrierError::Broken { name: Name::Given("test"), reason }
}

/// What a party got: its position and the states.
fn seen<T: Clone>(gathered: &Gathered<T>) -> (usize, Vec<T>) {
    (gathered.position(), gathered.to_vec())
}

#[test]
fn al_4_and_20_three_parties_get_their_positions_and_all_states_and_it_serves_once() {
    let barrier = barrier(3);
    let hand = Hand::new();
    let mut first = Box::pin(barrier.wait_async(1));
    let mut second = Box::pin(barrier.wait_async(3));
    assert!(hand.poll(&mut first).is_pending() && hand.poll(&mut second).is_pending());
    assert_eq!((barrier.waiting(), barrier.remaining(), barrier.parties()), (2, 1, 3));
    assert_eq!((barrier.state(), barrier.is_broken()), (Waiting, false));
    let third = barrier.wait(5).unwrap();
    assert_eq!(hand.wakes(), 2);
    let (first, second) = (ready(hand.poll(&mut first)), ready(hand.poll(&mut second)));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(seen(&first), (0, vec![1, 3, 5]));
    assert_eq!(seen(&second), (1, vec![1, 3, 5]));
    assert_eq!(seen(&third), (2, vec![1, 3, 5]));
    assert_eq!([&first, &second, &third].map(Gathered::is_last), [false, false, true]);
    // The same states, not copies.
    assert!(Arc::ptr_eq(&first.into_states(), &third.into_states()));
    assert_eq!(barrier.wait(7).unwrap_err(), broken(Tripped));
    assert_eq!(barrier.raise_for_abort(), Ok(()));
    assert_eq!((barrier.waiting(), barrier.remaining()), (0, 3));
    assert_eq!((barrier.state(), barrier.is_broken()), (Tripped, true));
    assert!(!barrier.abort());
    assert_eq!(barrier.state(), Tripped);
}

#[test]
fn al_21_initial_states_come_first_and_the_oldest_are_left_out() {
    let hand = Hand::new();
    let two = barrier(2).with_states([1, 2, 3]).keeping(3);
    let mut first = Box::pin(two.wait_async(9));
    assert!(hand.poll(&mut first).is_pending());
    assert_eq!(seen(&two.wait(None).unwrap()), (1, vec![2, 3, 9]));
    assert_eq!(seen(&ready(hand.poll(&mut first)).unwrap()), (0, vec![2, 3, 9]));
    let none = barrier(1).keeping(0);
    assert_eq!(seen(&none.wait(5).unwrap()), (0, vec![]));
    assert_eq!(seen(&barrier(1).wait(5).unwrap()), (0, vec![5]));
    assert_eq!(seen(&barrier(1).with_states(0..100).wait(None).unwrap()), (0, (0..100).collect()));
}

#[test]
fn al_22_an_abort_or_a_time_out_ends_it_for_all_with_the_reason() {
    let hand = Hand::new();
    let aborted = barrier(3);
    let mut waits = [1, 2].map(|state| Box::pin(aborted.wait_async(state)));
    for wait in &mut waits {
        assert!(hand.poll(wait).is_pending());
    }
    assert!(aborted.abort());
    assert!(!aborted.abort());
    for wait in &mut waits {
        assert_eq!(ready(hand.poll(wait)).unwrap_err(), broken(Aborted));
    }
    assert_eq!((aborted.waiting(), aborted.state(), aborted.is_broken()), (0, Aborted, true));
    assert_eq!(aborted.raise_for_abort(), Err(broken(Aborted)));
    assert_eq!(aborted.wait(None).unwrap_err(), broken(Aborted));

    let timed = barrier(3);
    let mut wait = Box::pin(timed.wait_async(1));
    assert!(hand.poll(&mut wait).is_pending());
    let error = timed.wait_for(2, Duration::ZERO).unwrap_err();
    assert_eq!(error, BarrierError::TimedOut { name: Name::Given("test") });
    assert_eq!(ready(hand.poll(&mut wait)).unwrap_err(), broken(TimedOut));
    assert_eq!((timed.waiting(), timed.state(), timed.is_broken()), (0, TimedOut, true));
    assert_eq!(timed.raise_for_abort(), Err(broken(TimedOut)));
    assert_eq!(timed.wait_for(2, Duration::ZERO).unwrap_err(), broken(TimedOut));
    // The last one needs no time.
    let last = barrier(1);
    assert_eq!(last.wait_for(2, Duration::ZERO).unwrap().position(), 0);
    let late = barrier::<u32>(2);
    let start = Instant::now();
    let end = late.wait_until(None, start + Duration::from_millis(20));
    assert_eq!(end.unwrap_err().reason(), TimedOut);
    assert!(start.elapsed() >= Duration::from_millis(20));
}

#[test]
fn al_23_a_cancelled_party_leaves_as_if_it_had_never_come() {
    let hand = Hand::new();
    let barrier = barrier(3);
    let mut first = Box::pin(barrier.wait_async("a"));
    let mut second = Box::pin(barrier.wait_async("b"));
    assert!(hand.poll(&mut first).is_pending() && hand.poll(&mut second).is_pending());
    drop(first);
    assert_eq!((barrier.waiting(), barrier.remaining()), (1, 2));
    let mut third = Box::pin(barrier.wait_async("c"));
    assert!(hand.poll(&mut third).is_pending(), "two are there");
    assert_eq!(seen(&barrier.wait("d").unwrap()), (2, vec!["b", "c", "d"]));
    assert_eq!(ready(hand.poll(&mut second)).unwrap().position(), 0);
    assert_eq!(ready(hand.poll(&mut third)).unwrap().position(), 1);
}

#[test]
fn a_party_can_be_cancelled_at_each_point() {
    let hand = Hand::new();
    let barrier = barrier(2);
    // Before the first poll it has not come.
    drop(barrier.wait_async(1));
    assert_eq!(barrier.waiting(), 0);
    // While it waits.
    let mut waiting = Box::pin(barrier.wait_async(2));
    assert!(hand.poll(&mut waiting).is_pending());
    drop(waiting);
    assert_eq!((barrier.waiting(), hand.kept()), (0, 0));
    // Told, and not yet polled: it has come, and others have seen it.
    let mut told = Box::pin(barrier.wait_async(3));
    assert!(hand.poll(&mut told).is_pending());
    let last = barrier.wait(4).unwrap();
    drop(told);
    assert_eq!(seen(&last), (1, vec![3, 4]));
    assert_eq!((barrier.state(), hand.kept()), (Tripped, 0));
}

#[test]
fn a_cancelled_party_breaks_it_if_told_to() {
    let hand = Hand::new();
    let barrier = barrier::<u32>(3).cancel_breaks();
    drop(barrier.wait_async(None));
    let mut first = Box::pin(barrier.wait_async(1));
    let mut second = Box::pin(barrier.wait_async(2));
    assert!(hand.poll(&mut first).is_pending() && hand.poll(&mut second).is_pending());
    drop(first);
    assert_eq!(ready(hand.poll(&mut second)).unwrap_err(), broken(Aborted));
    assert_eq!((barrier.state(), barrier.waiting()), (Aborted, 0));
}

#[test]
fn any_future_is_a_time_limit() {
    let hand = Hand::new();
    let barrier = barrier(2);
    let over = Cell::new(false);
    let timeout = || poll_fn(|_| if over.get() { Poll::Ready(7) } else { Poll::Pending });
    let mut wait = Box::pin(barrier.wait_async_or(1, timeout()));
    let mut other = Box::pin(barrier.wait_async_or(1, pending::<()>()));
    assert!(hand.poll(&mut wait).is_pending());
    // Whoever comes in time is let through, even if the time is over.
    over.set(true);
    assert_eq!(ready(hand.poll(&mut other)).unwrap().position(), 1);
    assert_eq!(ready(hand.poll(&mut wait)).unwrap().position(), 0);

    let barrier = self::barrier(2);
    let mut wait = Box::pin(barrier.wait_async_or(1, timeout()));
    assert_eq!(
        ready(hand.poll(&mut wait)).unwrap_err(),
        BarrierError::TimedOut { name: barrier.name() }
    );
    assert_eq!(barrier.state(), TimedOut);
    let barrier = self::barrier(1);
    let mut wait = Box::pin(barrier.wait_async_or(1, now(())));
    assert_eq!(ready(hand.poll(&mut wait)).unwrap().position(), 0);
}

/// A time that is over just when the barrier has its end: the end counts.
#[test]
fn a_time_that_is_over_after_the_end_is_nothing() {
    let hand = Hand::new();
    let barrier = barrier(2);
    let last = Cell::new(0);
    let timeout = poll_fn(|_| {
        last.set(barrier.wait(2).unwrap().position());
        Poll::Ready(())
    });
    let mut wait = Box::pin(barrier.wait_async_or(1, timeout));
    assert_eq!(seen(&ready(hand.poll(&mut wait)).unwrap()), (0, vec![1, 2]));
    assert_eq!((last.get(), barrier.state()), (1, Tripped));

    let barrier = self::barrier::<u32>(2);
    let timeout = poll_fn(|_| if barrier.abort() { Poll::Ready(()) } else { Poll::Pending });
    let mut wait = Box::pin(barrier.wait_async_or(1, timeout));
    assert_eq!(ready(hand.poll(&mut wait)).unwrap_err(), broken(Aborted));
    assert_eq!(barrier.state(), Aborted);
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    assert_eq!(StatefulBarrier::<u32>::new(0).unwrap_err(), BarrierSizeError::NoParties);
    assert_eq!(CyclicBarrier::<u32>::new(0).unwrap_err(), BarrierSizeError::NoParties);
    assert_eq!(FixedBarrier::<u32, 4>::new(0).unwrap_err(), BarrierSizeError::NoParties);
    let error = FixedBarrier::<u32, 4>::new(5).unwrap_err();
    assert_eq!(error, BarrierSizeError::TooMany { parties: 5, states: 0, room: 4 });
    let error = FixedBarrier::<u32, 4>::new(3).unwrap().with_states([1, 2]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a barrier with room for 4 can't hold 3 parties and 2 initial states"
    );
    // Nobody has to allocate for parties that never come.
    let many = StatefulBarrier::<u32>::new(usize::MAX).unwrap();
    assert_eq!(many.wait_for(1, Duration::ZERO).unwrap_err().reason(), TimedOut);
}

#[test]
fn a_barrier_without_a_heap_does_the_same() {
    static BARRIER: spin::FixedBarrier<u32, 3> = spin::FixedBarrier::full();
    let end = thread::scope(|scope| {
        let threads = [10, 20].map(|state| scope.spawn(move || BARRIER.wait(state).unwrap().len()));
        let last = BARRIER.wait(30).unwrap();
        assert_eq!(threads.map(|thread| thread.join().unwrap()), [3, 3]);
        last.iter().sum::<u32>()
    });
    assert_eq!(end, 60);

    let hand = Hand::new();
    let barrier: critical::FixedBarrier<Rc<u32>, 4> = critical::FixedBarrier::new(2)
        .unwrap()
        .with_states([Rc::new(1), Rc::new(2)])
        .unwrap()
        .keeping(3);
    // Parties come and go more often than there is room for.
    let states: Vec<_> = (10..30).map(Rc::new).collect();
    for state in &states {
        let mut wait = Box::pin(barrier.wait_async(Rc::clone(state)));
        assert!(hand.poll(&mut wait).is_pending());
        assert_eq!((barrier.waiting(), Rc::strong_count(state)), (1, 2));
        drop(wait);
        assert_eq!((barrier.waiting(), Rc::strong_count(state)), (0, 1));
    }
    let mut first = Box::pin(barrier.wait_async(Rc::new(3)));
    assert!(hand.poll(&mut first).is_pending());
    let mut last = Box::pin(barrier.wait_async(Rc::new(4)));
    let last = ready(hand.poll(&mut last)).unwrap();
    let first = ready(hand.poll(&mut first)).unwrap();
    assert_eq!((first.position(), last.position(), last.is_last()), (0, 1, true));
    assert_eq!(last.iter().map(|state| **state).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(
        (last.len(), last.is_empty(), last.get(2).map(|state| **state)),
        (3, false, Some(4))
    );
    // One shared state, not two.
    assert!(std::ptr::eq(first.get(0).unwrap(), last.get(0).unwrap()));
}

/// Counts how many of it are alive, and panics when told to.
struct Counted<'a> {
    alive: &'a AtomicUsize,
    panics: bool,
}

impl<'a> Counted<'a> {
    fn new(alive: &'a AtomicUsize, panics: bool) -> Self {
        alive.fetch_add(1, SeqCst);
        Self { alive, panics }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, SeqCst);
        assert!(!self.panics || thread::panicking(), "dropped");
    }
}

#[test]
fn no_state_is_lost_or_kept_too_long() {
    let alive = AtomicUsize::new(0);
    let hand = Hand::new();
    let state = || Counted::new(&alive, false);
    let barrier = barrier(3).keeping(2);
    let mut first = Box::pin(barrier.wait_async(state()));
    assert!(hand.poll(&mut first).is_pending());
    let mut second = Box::pin(barrier.wait_async(state()));
    assert!(hand.poll(&mut second).is_pending());
    assert_eq!(alive.load(SeqCst), 2);
    let third = barrier.wait(state()).unwrap();
    assert_eq!(alive.load(SeqCst), 2, "the oldest is left out");
    drop((first, second));
    drop(barrier);
    assert_eq!(alive.load(SeqCst), 2);
    drop(third);
    assert_eq!(alive.load(SeqCst), 0);
    let barrier = self::barrier(2).with_states([state(), state()]);
    let mut wait = Box::pin(barrier.wait_async(state()));
    assert!(hand.poll(&mut wait).is_pending());
    barrier.abort();
    assert_eq!(alive.load(SeqCst), 0);
    assert!(barrier.wait(state()).is_err());
    assert_eq!(alive.load(SeqCst), 0);
}

#[test]
fn a_state_that_panics_when_dropped_keeps_nobody_waiting() {
    let alive = AtomicUsize::new(0);
    let hand = Hand::new();
    let barrier = barrier(2).keeping(1);
    let mut first = Box::pin(barrier.wait_async(Counted::new(&alive, true)));
    assert!(hand.poll(&mut first).is_pending());
    assert_eq!(panic_of(|| barrier.wait(Counted::new(&alive, false)).is_ok()), "dropped");
    assert_eq!(ready(hand.poll(&mut first)).unwrap().len(), 1);
    let barrier = self::barrier(3);
    let mut waits =
        [true, false].map(|panics| Box::pin(barrier.wait_async(Counted::new(&alive, panics))));
    for wait in &mut waits {
        assert!(hand.poll(wait).is_pending());
    }
    assert_eq!(panic_of(|| barrier.abort()), "dropped");
    let [first, second] = &mut waits;
    assert_eq!(ready(hand.poll(first)).err(), Some(broken(Aborted)));
    assert_eq!(ready(hand.poll(second)).err(), Some(broken(Aborted)));
}

#[test]
fn a_panic_of_a_party_makes_it_leave() {
    let hand = Hand::new();
    let barrier = barrier(2);
    let mut wait =
        Box::pin(barrier.wait_async_or(1, poll_fn(|_| -> Poll<()> { panic!("no time") })));
    assert_eq!(panic_of(|| hand.poll(&mut wait).is_ready()), "no time");
    drop(wait);
    assert_eq!((barrier.waiting(), barrier.state()), (0, Waiting));
    let mut wait = Box::pin(barrier.wait_async(2));
    assert!(hand.poll(&mut wait).is_pending());
    assert_eq!(seen(&barrier.wait(3).unwrap()), (1, vec![2, 3]));
}

#[test]
fn errors_and_barriers_can_be_shown() {
    let barrier = barrier::<u32>(2);
    assert_eq!(
        format!("{barrier:?}"),
        "StatefulBarrier { name: Given(\"test\"), parties: 2, state: Waiting, waiting: 0, .. }"
    );
    barrier.abort();
    assert_eq!(
        barrier.wait(None).unwrap_err().to_string(),
        "barrier test is broken: it was aborted"
    );
    let error = BarrierError::TimedOut { name: Name::Number(4) };
    assert_eq!(error.to_string(), "the time was over before all parties of barrier #4 had come");
    let unnamed = StatefulBarrier::<u32>::new(1).unwrap();
    assert!(matches!(unnamed.name(), Name::Number(_)));
}

// === again and again ===

#[test]
fn a_cyclic_barrier_begins_anew_for_whoever_comes_next() {
    let hand = Hand::new();
    let barrier = CyclicBarrier::new(2).unwrap().keeping(1).named("test");
    for round in 0..3 {
        let mut first = Box::pin(barrier.wait_async(round));
        assert!(hand.poll(&mut first).is_pending());
        let last = barrier.wait(round + 100).unwrap();
        // Somebody comes before the first one has heard of it.
        let mut next = Box::pin(barrier.wait_async(round + 200));
        assert!(hand.poll(&mut next).is_pending());
        assert_eq!((barrier.waiting(), barrier.remaining()), (1, 1));
        let first = ready(hand.poll(&mut first)).unwrap();
        assert_eq!((seen(&first), seen(&last)), ((0, vec![round + 100]), (1, vec![round + 100])));
        drop(next);
        assert_eq!((barrier.waiting(), barrier.state()), (0, Waiting));
    }
    let mut waiting = Box::pin(barrier.wait_async(1));
    assert!(hand.poll(&mut waiting).is_pending());
    assert!(barrier.abort() && !barrier.abort());
    assert_eq!(ready(hand.poll(&mut waiting)).unwrap_err(), broken(Aborted));
    assert_eq!(barrier.wait(1).unwrap_err(), broken(Aborted));
    assert!(barrier.is_broken());
    barrier.reset();
    assert_eq!((barrier.is_broken(), barrier.state()), (false, Waiting));
    let mut waiting = Box::pin(barrier.wait_async(1));
    assert!(hand.poll(&mut waiting).is_pending());
    barrier.reset();
    assert_eq!(ready(hand.poll(&mut waiting)).unwrap_err(), broken(Aborted));
    assert_eq!(barrier.wait_for(1, Duration::ZERO).unwrap_err().reason(), TimedOut);
    assert_eq!(barrier.state(), TimedOut);
    barrier.reset();
    assert!(hand.poll(&mut Box::pin(barrier.wait_async(1))).is_pending());
}

#[test]
fn a_cancelled_party_breaks_a_cyclic_barrier_if_told_to() {
    let hand = Hand::new();
    let barrier = CyclicBarrier::new(3).unwrap().cancel_breaks().named("test");
    for _ in 0..2 {
        let mut waits = [1, 2].map(|state| Box::pin(barrier.wait_async(state)));
        for wait in &mut waits {
            assert!(hand.poll(wait).is_pending());
        }
        let [first, mut second] = waits;
        drop(first);
        assert_eq!(ready(hand.poll(&mut second)).unwrap_err(), broken(Aborted));
        assert_eq!((barrier.state(), barrier.waiting()), (Aborted, 0));
        barrier.reset();
    }
}

#[test]
fn a_cyclic_barrier_keeps_no_round_that_is_over() {
    let alive = AtomicUsize::new(0);
    let barrier = CyclicBarrier::new(1).unwrap();
    let gathered = barrier.wait(Counted::new(&alive, false)).unwrap();
    assert_eq!(alive.load(SeqCst), 1);
    drop(gathered);
    assert_eq!(alive.load(SeqCst), 0);
}

/// The last party of a round panics before it could begin the next one.
#[test]
fn a_panic_of_the_last_party_does_not_end_a_cyclic_barrier() {
    let alive = AtomicUsize::new(0);
    let state = |panics| Counted::new(&alive, panics);
    let full = || {
        let barrier = CyclicBarrier::new(1).unwrap().keeping(0).named("test");
        assert_eq!(panic_of(|| barrier.wait(state(true)).is_ok()), "dropped");
        assert_eq!((barrier.state(), barrier.waiting()), (Waiting, 0));
        barrier
    };
    let barrier = full();
    assert_eq!(barrier.wait(state(false)).unwrap().position(), 0);
    // An abort is one of the round that comes next.
    let barrier = full();
    assert!(barrier.abort() && !barrier.abort());
    assert_eq!(barrier.wait(None).err(), Some(broken(Aborted)));
    assert_eq!(alive.load(SeqCst), 0);
}

#[test]
fn barriers_stand_in_statics() {
    const TWO: std::num::NonZeroUsize = std::num::NonZeroUsize::new(2).unwrap();
    static ONCE: StatefulBarrier<u32> = StatefulBarrier::of(TWO);
    static AGAIN: CyclicBarrier<u32> = CyclicBarrier::of(TWO);
    let other = thread::spawn(|| (ONCE.wait(1).unwrap().len(), AGAIN.wait(2).unwrap().len()));
    assert_eq!((ONCE.wait(3).unwrap().len(), AGAIN.wait(4).unwrap().len()), (2, 2));
    assert_eq!(other.join().unwrap(), (2, 2));
}

#[test]
fn threads_go_through_many_rounds_together() {
    watched("all rounds end", || {
        const ROUNDS: usize = 500;
        let barrier = CyclicBarrier::new(4).unwrap();
        let here = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for round in 0..ROUNDS {
                        here.fetch_add(1, SeqCst);
                        let gathered = barrier.wait(round).unwrap();
                        // Nobody is ahead by more than a round.
                        let came = here.load(SeqCst);
                        assert!(came >= (round + 1) * 4 && came <= (round + 2) * 4);
                        assert_eq!(&*gathered, [round; 4]);
                    }
                });
            }
        });
        assert_eq!((barrier.waiting(), barrier.is_broken()), (0, false));
    });
}

#[test]
fn threads_that_time_out_tear_nothing() {
    watched("all rounds end", || {
        for _ in 0..300 {
            let barrier = barrier(3);
            let ends = thread::scope(|scope| {
                let threads = [0_u64, 1, 50].map(|micros| {
                    let barrier = &barrier;
                    scope.spawn(move || barrier.wait_for(micros, Duration::from_micros(micros)))
                });
                threads.map(|thread| thread.join().unwrap())
            });
            match barrier.state() {
                Tripped => assert!(ends.iter().all(|end| end.as_ref().unwrap().len() == 3)),
                TimedOut => {
                    let own =
                        ends.iter().filter(|end| matches!(end, Err(BarrierError::TimedOut { .. })));
                    assert_eq!(own.count(), 1, "{ends:?}");
                    assert!(ends.iter().all(|end| end.as_ref().unwrap_err().reason() == TimedOut));
                }
                state => panic!("{state}"),
            }
        }
    });
}

#[test]
fn threads_and_tasks_that_leave_meet_at_one_barrier() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let barrier = Arc::new(CyclicBarrier::new(4).unwrap());
    let (ended, ends) = mpsc::channel();
    for task in 0..2 {
        let (barrier, ended) = (Arc::clone(&barrier), ended.clone());
        runtime.spawn(async move {
            for round in 0..200 {
                if round % 3 == task {
                    // Comes, and leaves; if it was the last it is through.
                    let mut wait = Box::pin(barrier.wait_async(round));
                    if let Poll::Ready(end) =
                        poll_fn(|cx| Poll::Ready(wait.as_mut().poll(cx))).await
                    {
                        assert_eq!(end.unwrap().len(), 4);
                        continue;
                    }
                    let now_or_never = poll_fn(|cx| Poll::Ready(wait.as_mut().poll(cx))).await;
                    if now_or_never.is_ready() {
                        continue;
                    }
                    drop(wait);
                }
                tokio::task::yield_now().await;
            }
            ended.send(()).unwrap();
        });
    }
    for _ in 0..2 {
        ends.recv_timeout(PATIENCE).expect("nobody waits for ever");
    }
    // Who has left is not there any more.
    assert!(barrier.waiting() <= 3 && !barrier.is_broken());
    barrier.reset();
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let barrier = Arc::clone(&barrier);
            thread::spawn(move || {
                for round in 0..200 {
                    assert_eq!(&*barrier.wait(round).unwrap(), [round; 4]);
                }
            })
        })
        .collect();
    for _ in 0..2 {
        let (barrier, ended) = (Arc::clone(&barrier), ended.clone());
        runtime.spawn(async move {
            for round in 0..200 {
                assert_eq!(&*barrier.wait_async(round).await.unwrap(), [round; 4]);
            }
            ended.send(()).unwrap();
        });
    }
    for _ in 0..2 {
        ends.recv_timeout(PATIENCE).expect("all rounds end");
    }
    watched("the threads end", || threads.into_iter().for_each(|thread| thread.join().unwrap()));
}

/// Ten tasks meet, and one more is too late.
fn tasks_meet<E: Executor>() {
    let executor = E::default();
    let spawn = executor.spawner();
    let barrier = Arc::new(barrier(10));
    let (ended, ends) = mpsc::channel();
    for state in 0..10 {
        let (barrier, ended) = (Arc::clone(&barrier), ended.clone());
        spawn(Box::pin(async move {
            let gathered = barrier.wait_async(state).await.unwrap();
            assert_eq!(gathered[gathered.position()], state);
            ended.send(gathered.position()).unwrap();
        }));
    }
    let mut positions: Vec<usize> = (0..10)
        .map(|_| {
            executor.advance();
            ends.recv_timeout(PATIENCE).unwrap()
        })
        .collect();
    positions.sort_unstable();
    assert_eq!(positions, (0..10).collect::<Vec<_>>());
    let late = Arc::clone(&barrier);
    spawn(Box::pin(async move {
        ended.send(usize::from(late.wait_async(0).await.is_err())).unwrap();
    }));
    executor.advance();
    assert_eq!(ends.recv_timeout(PATIENCE), Ok(1));
}

#[test]
fn tasks_of_every_executor_meet() {
    tasks_meet::<RunQueue>();
    tasks_meet::<TokioCurrent>();
    tasks_meet::<TokioMulti>();
    tasks_meet::<Smol>();
}

#[test]
fn a_thread_and_a_task_meet() {
    let barrier = Arc::new(barrier(2));
    let other = Arc::clone(&barrier);
    let thread = thread::spawn(move || other.wait("thread").unwrap().len());
    until("the thread waits", || barrier.waiting() == 1);
    let hand = Hand::new();
    let mut wait = Box::pin(barrier.wait_async("task"));
    assert_eq!(seen(&ready(hand.poll(&mut wait)).unwrap()), (1, vec!["thread", "task"]));
    assert_eq!(thread.join().unwrap(), 2);
}

// === the plain model ===

#[derive(Clone, Copy, Debug)]
enum Op {
    Come(Option<u16>),
    Leave(usize),
    Abort,
    TimeOut(usize),
}

fn op() -> impl Strategy<Value = Op> {
    (0..40_u8, option::of(any::<u16>()), any::<u8>()).prop_map(|(kind, state, which)| match kind {
        0 => Op::Abort,
        1..=2 => Op::TimeOut(which.into()),
        3..=15 => Op::Leave(which.into()),
        _ => Op::Come(state),
    })
}

/// How a party's waiting ended.
#[derive(Clone, Debug, PartialEq)]
enum End {
    Through(usize, Vec<u16>),
    TimedOut,
    Broken(BarrierState),
}

type Wait<'a> = Pin<Box<dyn Future<Output = End> + 'a>>;

/// A party, as the model and the barrier have it.
struct Party<'a> {
    state: Option<u16>,
    over: Rc<Cell<bool>>,
    wait: Wait<'a>,
}

#[test]
fn random_histories_are_those_of_the_model() {
    let config = Config {
        cases: 8_192,
        rng_seed: RngSeed::Fixed(0x6261_7272_6965_7221),
        failure_persistence: None,
        ..Config::default()
    };
    let reached = RefCell::new([0_u32; 12]);
    let initial = (vec(any::<u16>(), 0..3), option::of(0..6_usize), any::<bool>());
    let history = (1..5_usize, initial, vec(op(), 0..24));
    let result =
        TestRunner::new(config).run(&history, |(parties, (initial, kept, breaks), ops)| {
            let hand = Hand::new();
            let heap = barrier(parties).with_states(initial.iter().copied());
            let heap = heap.keeping(kept.unwrap_or(usize::MAX));
            let heap = if breaks { heap.cancel_breaks() } else { heap };
            let fixed = FixedBarrier::<u16, 8>::new(parties).unwrap();
            let fixed = fixed.with_states(initial.iter().copied()).unwrap();
            let fixed = fixed.keeping(kept.unwrap_or(usize::MAX));
            let fixed = if breaks { fixed.cancel_breaks() } else { fixed };

            // The model: who is there, and where it stands.
            let mut present: Vec<Party<'_>> = Vec::new();
            let mut state = Waiting;
            let mut left = 0;
            for op in ops {
                let mut reached = reached.borrow_mut();
                let others = present.len() > 1;
                // Who has its end by this step, in the order of arrival.
                let mut done: Vec<(Wait<'_>, End)> = Vec::new();
                match op {
                    Op::Come(brings) => {
                        let over = Rc::new(Cell::new(false));
                        let mut wait = both(&heap, &fixed, brings, Rc::clone(&over));
                        let poll = hand.poll(&mut wait);
                        if state != Waiting {
                            proptest::prop_assert_eq!(ready(poll), End::Broken(state));
                            reached[0] += 1;
                            continue;
                        }
                        if present.len() + 1 < parties {
                            proptest::prop_assert!(poll.is_pending());
                            present.push(Party { state: brings, over, wait });
                        } else {
                            state = Tripped;
                            let mut states = initial.clone();
                            states.extend(present.iter().filter_map(|party| party.state));
                            states.extend(brings);
                            let first = states.len().saturating_sub(kept.unwrap_or(usize::MAX));
                            let states = states.split_off(first);
                            let last = End::Through(parties - 1, states.clone());
                            proptest::prop_assert_eq!(ready(poll), last);
                            for (position, party) in present.drain(..).enumerate() {
                                done.push((party.wait, End::Through(position, states.clone())));
                            }
                            reached[1] += 1;
                            // With gaps in the line; with fewer states than there were; at once.
                            reached[5] += u32::from(left > 0 && parties > 1);
                            reached[6] += u32::from(kept == Some(states.len()) && first > 0);
                            reached[7] += u32::from(parties == 1);
                        }
                    }
                    Op::Leave(which) if !present.is_empty() => {
                        let party = present.remove(which % present.len());
                        drop(party);
                        if breaks {
                            state = Aborted;
                            done.extend(present.drain(..).map(|p| (p.wait, End::Broken(Aborted))));
                        }
                        left += 1;
                        reached[2] += 1;
                        reached[8] += u32::from(others && breaks);
                    }
                    Op::Abort => {
                        proptest::prop_assert_eq!(heap.abort(), state == Waiting);
                        proptest::prop_assert_eq!(fixed.abort(), state == Waiting);
                        // When all have come: nothing is broken any more.
                        reached[10] += u32::from(state == Tripped);
                        if state == Waiting {
                            state = Aborted;
                            done.extend(present.drain(..).map(|p| (p.wait, End::Broken(Aborted))));
                            reached[3] += 1;
                            reached[9] += u32::from(others);
                        }
                    }
                    Op::TimeOut(which) if !present.is_empty() => {
                        let mut party = present.remove(which % present.len());
                        party.over.set(true);
                        proptest::prop_assert_eq!(ready(hand.poll(&mut party.wait)), End::TimedOut);
                        state = TimedOut;
                        done.extend(present.drain(..).map(|p| (p.wait, End::Broken(TimedOut))));
                        reached[4] += 1;
                        reached[11] += u32::from(others);
                    }
                    Op::Leave(_) | Op::TimeOut(_) => {}
                }
                for (mut wait, end) in done {
                    proptest::prop_assert_eq!(ready(hand.poll(&mut wait)), end);
                }
                for party in &mut present {
                    proptest::prop_assert!(hand.poll(&mut party.wait).is_pending());
                }
                proptest::prop_assert_eq!((heap.state(), heap.waiting()), (state, present.len()));
                proptest::prop_assert_eq!((fixed.state(), fixed.waiting()), (state, present.len()));
            }
            Ok(())
        });
    if let Err(error) = result {
        panic!("{error}");
    }
    let reached = *reached.borrow();
    assert!(reached.iter().all(|&count| count > 100), "too little was tried: {reached:?}");
}

/// Waits at a barrier on the heap and at one without, which have to agree.
fn both<'a>(
    heap: &'a StatefulBarrier<u16>,
    fixed: &'a FixedBarrier<u16, 8>,
    brings: Option<u16>,
    over: Rc<Cell<bool>>,
) -> Wait<'a> {
    let timeout = {
        let over = Rc::clone(&over);
        poll_fn(move |_| if over.get() { Poll::Ready(()) } else { Poll::Pending })
    };
    let own = poll_fn(move |_| if over.get() { Poll::Ready(()) } else { Poll::Pending });
    let end_of = |error: BarrierError| match error {
        BarrierError::TimedOut { .. } => End::TimedOut,
        BarrierError::Broken { reason, .. } => End::Broken(reason),
        other => panic!("{other}"),
    };
    Box::pin(async move {
        let mut first = Box::pin(heap.wait_async_or(brings, timeout));
        let mut second = Box::pin(fixed.wait_async_or(brings, own));
        let (mut one, mut two) = (None, None);
        poll_fn(|cx| {
            if one.is_none()
                && let Poll::Ready(end) = first.as_mut().poll(cx)
            {
                one =
                    Some(end.map_or_else(end_of, |end| End::Through(end.position(), end.to_vec())));
            }
            if two.is_none()
                && let Poll::Ready(end) = second.as_mut().poll(cx)
            {
                two = Some(end.map_or_else(end_of, |end| {
                    End::Through(end.position(), end.iter().copied().collect())
                }));
            }
            assert_eq!(one, two, "with a heap, and without");
            one.take().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    })
}
