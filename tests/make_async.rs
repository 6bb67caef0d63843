//! Blocking functions, awaited.

#![cfg(all(feature = "std", feature = "async"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

mod support;

use std::any::{Any, TypeId};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use futures_core::FusedFuture;
use portunus::make_async::{
    BlockingError, BlockingJob, BlockingPool, PoolClosed, Unchanged, make_async, unblock,
};
use portunus::spin::Spinning;
use portunus::sync::Threads;

use support::Hand;
use support::executor::{Executor, RunQueue, Smol, TokioCurrent, TokioMulti};

/// Keeps its jobs until the test runs them.
#[derive(Default)]
struct ByHand {
    jobs: Mutex<Vec<BlockingJob>>,
    closed: bool,
}

impl ByHand {
    fn run_one(&self) {
        let job = self.jobs.lock().expect("no panic").remove(0);
        job();
    }
}

impl BlockingPool for ByHand {
    type Backend = Threads;

    fn spawn_blocking(&self, job: BlockingJob) -> Result<(), PoolClosed> {
        if self.closed {
            return Err(PoolClosed);
        }
        self.jobs.lock().expect("no panic").push(job);
        Ok(())
    }
}

/// As above, on a platform that catches no panics.
#[derive(Default)]
struct Bare(ByHand);

impl BlockingPool for Bare {
    type Backend = Spinning;

    fn spawn_blocking(&self, job: BlockingJob) -> Result<(), PoolClosed> {
        self.0.spawn_blocking(job)
    }
}

/// A thread for each job.
#[derive(Clone, Copy)]
struct Spawning;

impl BlockingPool for Spawning {
    type Backend = Threads;

    fn spawn_blocking(&self, job: BlockingJob) -> Result<(), PoolClosed> {
        thread::spawn(job);
        Ok(())
    }
}

async fn double(n: u32) -> u32 {
    2 * n
}

fn type_of<T: Any>(_: &T) -> TypeId {
    TypeId::of::<T>()
}

#[test]
fn an_asynchronous_function_stays_as_it_is() {
    let same = make_async(Unchanged, double);
    assert_eq!(type_of(&same), type_of(&double));
    assert_eq!(size_of_val(&same), 0);
    assert_eq!(smol::block_on(same(21)), 42);
}

#[test]
fn a_blocking_function_gives_its_value_and_its_own_error() {
    let parse = make_async(Spawning, |text: &'static str| text.parse::<u32>());
    assert_eq!(smol::block_on(parse.call("17")), Ok(Ok(17)));
    let error = smol::block_on(parse.call("x")).expect("a result");
    assert_eq!(error.expect_err("no number").to_string(), "invalid digit found in string");
    // A clone calls the same function.
    assert_eq!(smol::block_on(parse.clone().call("18")), Ok(Ok(18)));
}

#[test]
fn a_function_that_returns_a_future_gives_the_inner_value() {
    let later = make_async(Spawning, |n: u32| double(n));
    assert_eq!(smol::block_on(later.call_then(4)), Ok(8));
}

#[test]
fn the_job_runs_without_being_polled_and_wakes_the_last_waker_once() {
    let pool = ByHand::default();
    let (first, second) = (Hand::new(), Hand::new());
    let mut call = pin!(unblock(&pool, || 5));
    for hand in [&first, &second] {
        assert!(hand.poll(call.as_mut()).is_pending());
    }
    assert!(!call.is_terminated());
    pool.run_one();
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
    assert_eq!(first.poll(call.as_mut()), Poll::Ready(Ok(5)));
    assert!(call.is_terminated());
    assert!(catch_unwind(AssertUnwindSafe(|| first.poll(call.as_mut()))).is_err());
}

#[test]
fn a_panic_is_a_value_that_can_go_on() {
    let result: Result<(), _> = smol::block_on(unblock(&Spawning, || panic!("no such file")));
    let Err(BlockingError::Panicked(panic)) = result else { panic!("{result:?}") };
    assert_eq!(panic.message(), Some("no such file"));
    let goes_on = catch_unwind(AssertUnwindSafe(|| panic.resume())).expect_err("a panic");
    assert_eq!(goes_on.downcast_ref::<&str>(), Some(&"no such file"));
}

#[test]
fn a_panic_that_nobody_catches_is_a_lost_job() {
    let pool = Bare::default();
    let call = unblock(&pool, || panic!("goes on in the pool"));
    assert!(catch_unwind(AssertUnwindSafe(|| pool.0.run_one())).is_err());
    let result: Result<(), _> = smol::block_on(call);
    assert_eq!(result, Err(BlockingError::Lost));
}

#[test]
fn a_job_that_is_dropped_or_refused_says_so() {
    let pool = ByHand::default();
    let call = unblock(&pool, || ());
    drop(pool);
    assert_eq!(smol::block_on(call), Err(BlockingError::Lost));
    let pool = ByHand { closed: true, ..ByHand::default() };
    assert_eq!(smol::block_on(unblock(&pool, || ())), Err(BlockingError::Closed));
}

#[test]
fn dropping_the_future_does_not_stop_the_call_and_drops_its_result() {
    struct Noisy(Arc<AtomicUsize>);
    impl Drop for Noisy {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let pool = ByHand::default();
    let (ran, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (runs, drops) = (ran.clone(), dropped.clone());
    let call = unblock(&pool, move || {
        runs.fetch_add(1, Ordering::SeqCst);
        Noisy(drops)
    });
    let (mut call, hand) = (Box::pin(call), Hand::new());
    assert!(hand.poll(&mut call).is_pending() && hand.kept() == 1);
    drop(call);
    assert_eq!(hand.kept(), 0, "its waker is kept");
    assert_eq!(ran.load(Ordering::SeqCst), 0);
    pool.run_one();
    assert_eq!((ran.load(Ordering::SeqCst), dropped.load(Ordering::SeqCst)), (1, 1));
}

/// The task is not blocked by the call: another one ends it.
fn does_not_block_others<E: Executor>() {
    let executor = E::default();
    let spawn = executor.spawner();
    let meet = Arc::new(Barrier::new(2));
    let met = meet.clone();
    let (sender, receiver) = mpsc::channel();
    let wait = make_async(Spawning, move |n: u32| {
        meet.wait();
        n + 1
    });
    spawn(Box::pin(async move {
        sender.send(wait.call(1).await).expect("a receiver");
    }));
    executor.advance();
    spawn(Box::pin(async move {
        met.wait();
    }));
    let patience = std::time::Instant::now() + Duration::from_secs(30);
    let result = loop {
        executor.advance();
        match receiver.recv_timeout(Duration::from_millis(1)) {
            Ok(result) => break result,
            Err(_) => assert!(patience > std::time::Instant::now(), "it hangs"),
        }
    };
    assert_eq!(result, Ok(2));
}

#[test]
fn the_task_waits_and_its_executor_goes_on() {
    does_not_block_others::<RunQueue>();
    does_not_block_others::<TokioCurrent>();
    does_not_block_others::<TokioMulti>();
    does_not_block_others::<Smol>();
}

#[cfg(feature = "blocking")]
#[test]
fn the_ready_made_pool_runs_calls() {
    use portunus::make_async::BlockingThreads;
    let here = thread::current().id();
    let there = smol::block_on(unblock(&BlockingThreads, || thread::current().id()));
    assert_ne!(there, Ok(here));
    let result: Result<(), _> = smol::block_on(unblock(&BlockingThreads, || panic!("caught")));
    assert!(matches!(result, Err(BlockingError::Panicked(_))));
}
