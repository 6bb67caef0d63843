//! Coroutines: their parts, their misuse, and awaiting them.

#![cfg(all(feature = "std", feature = "async"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

mod support;

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::FusedFuture;
use portunus::coroutine::CoroutineState::{Complete, Waiting, Yielded};
use portunus::coroutine::{Coroutine, Misuse, Refused, Yielder};

use support::executor::{Executor, RunQueue, Smol, TokioCurrent, TokioMulti};
use support::yielding;

#[test]
fn values_go_out_and_come_in() {
    let log = RefCell::new(Vec::new());
    let mut co = Coroutine::new(|mut co: Yielder<&str, u32>| {
        let log = &log;
        async move {
            log.borrow_mut().push("start");
            let Ok(first) = co.yield_(1).await;
            log.borrow_mut().push(first);
            let Ok(second) = co.yield_(2).await;
            log.borrow_mut().push(second);
            3_u64
        }
    });
    assert!(log.borrow().is_empty(), "it runs when it is started");
    assert_eq!(co.start(), Ok(Yielded(1)));
    assert_eq!(co.resume("a"), Ok(Yielded(2)));
    assert_eq!(co.resume("b"), Ok(Complete(3)));
    assert!(co.is_finished());
    assert_eq!(*log.borrow(), ["start", "a", "b"]);
}

#[test]
fn each_misuse_is_told_and_takes_nothing() {
    let mut co = Coroutine::new(|mut co: Yielder<String, (), u8>| async move {
        let _ = co.yield_(()).await;
        yielding().await;
    });
    // Before the start.
    let refused = |why| Err(Refused { value: "kept".to_owned(), why });
    assert_eq!(co.resume("kept".to_owned()), refused(Misuse::NotStarted));
    assert_eq!(co.start(), Ok(Yielded(())));
    assert_eq!(co.start(), Err(Refused { value: (), why: Misuse::Started }));
    // At something else.
    assert_eq!(co.resume(String::new()), Ok(Waiting));
    assert_eq!(co.resume("kept".to_owned()), refused(Misuse::Waiting));
    assert_eq!(co.throw(7), Err(Refused { value: 7, why: Misuse::Waiting }));
    assert_eq!(co.start(), Err(Refused { value: (), why: Misuse::Started }));
    assert_eq!(smol::block_on(co.advance()), Ok(Complete(())));
    // After the end.
    assert_eq!(co.resume("kept".to_owned()), refused(Misuse::Finished));
    assert_eq!(smol::block_on(co.advance()), Err(Refused { value: (), why: Misuse::Finished }));
    co.close();
    assert_eq!(co.throw(7), Err(Refused { value: 7, why: Misuse::Finished }));

    let mut co = Coroutine::new(|mut co: Yielder<String, (), u8>| async move {
        let _ = co.yield_(()).await;
    });
    assert_eq!(smol::block_on(co.advance()), Err(Refused { value: (), why: Misuse::NotStarted }));
    assert_eq!(co.start(), Ok(Yielded(())));
    assert_eq!(smol::block_on(co.advance()), Err(Refused { value: (), why: Misuse::Yielded }));
    co.close();
    assert_eq!(co.resume("kept".to_owned()), refused(Misuse::Closed));
    assert_eq!(
        co.start().expect_err("closed").to_string(),
        "the coroutine was closed",
        "the message says what is wrong"
    );
}

#[test]
fn an_error_is_thrown_where_it_stands() {
    let mut co = Coroutine::new(|mut co: Yielder<(), u32, &'static str>| async move {
        match co.yield_(1).await {
            Ok(()) => "resumed",
            Err(error) => {
                // It may go on.
                let _ = co.yield_(2).await;
                error
            }
        }
    });
    assert_eq!(co.start(), Ok(Yielded(1)));
    assert_eq!(co.throw("thrown"), Ok(Yielded(2)));
    assert_eq!(co.resume(()), Ok(Complete("thrown")));

    // Before the start, the error comes back, and it is closed.
    let mut co = Coroutine::new(|mut co: Yielder<(), u32, &'static str>| async move {
        let _ = co.yield_(1).await;
    });
    assert_eq!(co.throw("early"), Err(Refused { value: "early", why: Misuse::NotStarted }));
    assert_eq!(co.start(), Err(Refused { value: (), why: Misuse::Closed }));
}

struct Noisy(Rc<RefCell<Vec<&'static str>>>);

impl Drop for Noisy {
    fn drop(&mut self) {
        self.0.borrow_mut().push("dropped");
    }
}

#[test]
fn closing_drops_the_body_once() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let noisy = Noisy(log.clone());
    let mut co = Coroutine::new(|mut co: Yielder<(), ()>| async move {
        let _noisy = noisy;
        let Ok(()) = co.yield_(()).await;
    });
    assert_eq!(co.start(), Ok(Yielded(())));
    assert!(log.borrow().is_empty());
    co.close();
    assert_eq!(*log.borrow(), ["dropped"]);
    co.close();
    drop(co);
    assert_eq!(*log.borrow(), ["dropped"]);
}

#[test]
fn a_coroutine_stands_in_for_another() {
    let inner = |mut co: Yielder<u32, u32, &'static str>| async move {
        let mut sum = 0;
        loop {
            match co.yield_(sum).await {
                Ok(more) => sum += more,
                Err(_) => return sum,
            }
            yielding().await;
        }
    };
    let mut outer = Coroutine::new(|mut co: Yielder<u32, u32, &'static str>| async move {
        let mut inner = Coroutine::new(inner);
        let sum = co.delegate(&mut inner).await?;
        let _ = co.yield_(100 + sum).await;
        co.delegate(&mut inner).await
    });
    smol::block_on(async {
        assert_eq!(outer.start_async().await, Ok(Yielded(0)));
        assert_eq!(outer.resume_async(3).await, Ok(Yielded(3)));
        assert_eq!(outer.resume_async(4).await, Ok(Yielded(7)));
        assert_eq!(outer.throw_async("enough").await, Ok(Yielded(107)));
        // The inner one is finished.
        assert_eq!(outer.resume_async(0).await, Ok(Complete(Err(Misuse::Finished))));
    });
}

#[test]
fn awaited_once_it_gives_its_result_and_twice_an_error() {
    let mut co = Coroutine::from_future(async {
        yielding().await;
        5
    });
    assert!(!co.is_terminated());
    assert_eq!(smol::block_on(&mut co), Ok(5));
    assert!(co.is_terminated());
    assert_eq!(smol::block_on(&mut co), Err(Misuse::Finished));
    assert_eq!(smol::block_on(&mut co), Err(Misuse::Finished));

    let mut co = Coroutine::from_future(ready(1));
    co.close();
    co.close();
    assert!(co.is_terminated());
    assert_eq!(smol::block_on(co), Err(Misuse::Closed));
}

#[test]
fn a_step_that_is_dropped_can_be_taken_up() {
    let mut co = Coroutine::new(|mut co: Yielder<u32, u32>| async move {
        let Ok(value) = co.yield_(0).await;
        yielding().await;
        value
    });
    assert_eq!(co.start(), Ok(Yielded(0)));
    {
        let mut step = Box::pin(co.resume_async(9));
        assert!(step.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!(co.resume(1), Err(Refused { value: 1, why: Misuse::Waiting }));
    assert_eq!(smol::block_on(co.advance()), Ok(Complete(9)));
}

/// A body that looks elsewhere before it takes what the driver gave.
#[test]
fn an_answer_waits_until_the_body_takes_it() {
    let mut co = Coroutine::new(|mut co: Yielder<u32, u32>| async move {
        let mut given = pin!(co.yield_(1));
        let polled = poll_fn(|cx| Poll::Ready(given.as_mut().poll(cx))).await;
        assert!(polled.is_pending());
        yielding().await;
        yielding().await;
        let Ok(answer) = given.await;
        answer
    });
    assert_eq!(co.start(), Ok(Yielded(1)));
    assert_eq!(co.resume(7), Ok(Waiting));
    assert_eq!(smol::block_on(co.advance()), Ok(Complete(7)));
}

#[test]
fn a_yield_that_is_given_up_hands_nothing_out() {
    let value = Arc::new(1);
    let mut co = Coroutine::new(|mut co: Yielder<u32, Arc<u32>>| async move {
        {
            let mut given = pin!(co.yield_(value));
            let polled = poll_fn(|cx| Poll::Ready(given.as_mut().poll(cx))).await;
            assert!(polled.is_pending());
        }
        yielding().await;
        // Given up when the driver has the value: its answer goes nowhere.
        {
            let mut given = pin!(co.yield_(Arc::new(2)));
            let mut polled = false;
            poll_fn(|cx| {
                assert!(given.as_mut().poll(cx).is_pending() || polled);
                match std::mem::replace(&mut polled, true) {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }
            })
            .await;
        }
        let Ok(answer) = co.yield_(Arc::new(3)).await;
        answer
    });
    assert_eq!(co.start(), Ok(Waiting), "it awaits something else");
    assert_eq!(smol::block_on(co.advance()), Ok(Yielded(Arc::new(2))));
    assert_eq!(co.resume(20), Ok(Yielded(Arc::new(3))));
    assert_eq!(co.resume(30), Ok(Complete(30)));
}

#[test]
fn a_panic_goes_on_and_leaves_a_typed_error() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let noisy = Noisy(log.clone());
    let mut co = Coroutine::new(|mut co: Yielder<(), ()>| async move {
        let _noisy = noisy;
        let Ok(()) = co.yield_(()).await;
        panic!("in the body");
    });
    assert_eq!(co.start(), Ok(Yielded(())));
    assert!(catch_unwind(AssertUnwindSafe(|| co.resume(()))).is_err());
    assert_eq!(*log.borrow(), ["dropped"]);
    let result: Result<_, Refused<()>> = co.resume(());
    assert_eq!(result, Err(Refused { value: (), why: Misuse::Panicked }));
}

/// As a task, with another one inside, on an executor.
fn runs_as_a_task<E: Executor>() {
    let executor = E::default();
    let (sender, receiver) = mpsc::channel();
    let shared = Arc::new(Mutex::new(Vec::new()));
    let seen = shared.clone();
    let task = Coroutine::from_future(async move {
        let mut numbers = Coroutine::new(|mut co: Yielder<(), u32>| async move {
            for number in 0..3 {
                yielding().await;
                let Ok(()) = co.yield_(number).await;
            }
        });
        let mut state = numbers.start_async().await.expect("fresh");
        while let Yielded(number) = state {
            seen.lock().expect("no panic").push(number);
            state = numbers.resume_async(()).await.expect("at a yield");
        }
    });
    executor.spawner()(Box::pin(async move {
        sender.send(task.await).expect("a receiver");
    }));
    executor.advance();
    assert_eq!(receiver.recv_timeout(Duration::from_secs(30)), Ok(Ok(())));
    assert_eq!(*shared.lock().expect("no panic"), [0, 1, 2]);
}

#[test]
fn it_runs_as_a_task_on_every_executor() {
    runs_as_a_task::<RunQueue>();
    runs_as_a_task::<TokioCurrent>();
    runs_as_a_task::<TokioMulti>();
    runs_as_a_task::<Smol>();
}

#[test]
fn dropping_the_task_reaches_the_body() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let noisy = Noisy(log.clone());
    let mut co = Coroutine::from_future(async move {
        let _noisy = noisy;
        pending::<()>().await;
    });
    let polled = Pin::new(&mut co).poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    drop(co);
    assert_eq!(*log.borrow(), ["dropped"]);
}
