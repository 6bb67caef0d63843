//! Signals of the system, received without a thread of our own.

#![cfg(all(feature = "signal", feature = "blocking", unix))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

mod support;

use std::error::Error as _;
use std::future::pending;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use futures_core::FusedFuture;
use portunus::make_async::{BlockingJob, BlockingPool, BlockingThreads, PoolClosed};
use portunus::nursery::TaskOutcome;
use portunus::signal::{ReceiveError, Signal, Signals};
use portunus::sync::{Nursery, Threads};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::raise;

use support::{Hand, until};

/// Signals are the whole program's: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn each_of_the_three_is_received_once() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut signals = Signals::new().expect("a pipe");
    assert_eq!(signals.pending(), []);
    for (number, signal, name) in [
        (SIGINT, Signal::Interrupt, "SIGINT"),
        (SIGTERM, Signal::Terminate, "SIGTERM"),
        (SIGHUP, Signal::HangUp, "SIGHUP"),
    ] {
        raise(number).expect("a signal");
        raise(number).expect("a signal");
        assert_eq!(signals.pending(), [signal]);
        assert_eq!(signals.pending(), []);
        assert_eq!(signal.to_string(), name);
        raise(number).expect("a signal");
        assert_eq!(signals.wait().expect("no error"), signal);
    }
}

#[test]
fn a_reactor_can_watch_the_pipe() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut signals = Signals::new().expect("a pipe");
    let mut pipe = UnixStream::from(signals.as_fd().try_clone_to_owned().expect("a descriptor"));
    pipe.set_nonblocking(true).expect("a pipe");
    assert_eq!(pipe.read(&mut [0]).expect_err("empty").kind(), ErrorKind::WouldBlock);
    raise(SIGHUP).expect("a signal");
    assert_eq!(pipe.read(&mut [0]).expect("something"), 1);
    assert_eq!(signals.pending(), [Signal::HangUp]);
}

#[test]
fn a_signal_stops_a_nursery() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let received = Arc::new(Mutex::new(None));
    let mut nursery = Nursery::<&str>::new();
    let signals = Signals::new().expect("a pipe").received(&BlockingThreads);
    let result = received.clone();
    nursery.shutdown_on(async move {
        *result.lock().expect("no panic") = signals.await.ok();
    });
    let endless = nursery.create_task("endless", pending::<Result<(), _>>()).expect("open");
    let kill = nursery.create_task("kill", async {
        raise(SIGTERM).expect("a signal");
        pending::<Result<(), _>>().await
    });
    assert!(kill.is_ok());
    assert_eq!(smol::block_on(&mut nursery), Ok(()));
    assert_eq!(smol::block_on(endless), TaskOutcome::Cancelled);
    assert_eq!(*received.lock().expect("no panic"), Some(Signal::Terminate));
}

/// Counts the jobs that run.
struct Counting(Arc<AtomicUsize>);

impl BlockingPool for Counting {
    type Backend = Threads;

    fn spawn_blocking(&self, job: BlockingJob) -> Result<(), PoolClosed> {
        let running = self.0.clone();
        running.fetch_add(1, Ordering::SeqCst);
        thread::spawn(move || {
            job();
            running.fetch_sub(1, Ordering::SeqCst);
        });
        Ok(())
    }
}

#[test]
fn dropping_the_wait_frees_its_thread() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let running = Arc::new(AtomicUsize::new(0));
    {
        let mut wait = pin!(Signals::new().expect("a pipe").received(&Counting(running.clone())));
        assert!(Hand::new().poll(wait.as_mut()).is_pending());
        assert_eq!(running.load(Ordering::SeqCst), 1);
    }
    until("the thread is free", || running.load(Ordering::SeqCst) == 0);
}

#[test]
fn a_pool_that_takes_nothing_is_an_error() {
    struct Shut;
    impl BlockingPool for Shut {
        type Backend = Threads;
        fn spawn_blocking(&self, _: BlockingJob) -> Result<(), PoolClosed> {
            Err(PoolClosed)
        }
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut wait = Signals::new().expect("a pipe").received(&Shut);
    assert!(!wait.is_terminated());
    let received = smol::block_on(&mut wait);
    assert!(wait.is_terminated());
    let Err(ReceiveError::Pool(error)) = received else { panic!("{received:?}") };
    // The pool's error is shown, and so is not the source.
    let shown = PoolClosed.to_string();
    assert!(error == PoolClosed.into() && error.to_string() == shown && error.source().is_none());
    let error = ReceiveError::from(error);
    assert!(error.to_string().contains(&shown) && error.source().is_none(), "{error}");
}
