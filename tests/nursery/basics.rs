//! Tasks, their names, their outcomes, and who may stop them.

use std::future::{pending, ready};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_core::FusedFuture;
use portunus::Panic;
use portunus::nursery::{NurseryClosed, StartError, StopError, TaskOutcome, exit_on_error};
use portunus::registry::{Duplicate, Duplicates};
use portunus::sync::{NurseryInfo, Registry, Task};

use crate::common::{Fault, Gate, Handle, How, Log, Noted, Nursery, settle, yielding};
use crate::support::Hand;

async fn worker() -> Result<u32, Fault> {
    Ok(1)
}

#[test]
fn a_task_is_named_after_its_function_and_its_nursery() {
    let nursery = Nursery::named("web");
    let given = nursery.create_task("given", worker()).expect("open");
    let none = nursery.create_task(None, worker()).expect("open");
    let block = nursery.create_task(None, async { Ok(()) }).expect("open");
    let boxed = nursery.create_task(None, ready(Ok(()))).expect("open");
    assert_eq!(given.name(), "given:web");
    assert_eq!(none.name(), "worker:web");
    assert_eq!(block.name(), "a_task_is_named_after_its_function_and_its_nursery:web");
    assert_eq!(boxed.name(), "Ready:web");
    let names: Vec<_> = nursery.tasks().into_iter().map(|task| task.name).collect();
    assert_eq!(names, [given.name(), none.name(), block.name(), boxed.name()]);
    let ids: Vec<_> = nursery.tasks().into_iter().map(|task| task.id).collect();
    assert_eq!(ids, [0, 1, 2, 3]);
    assert_eq!(ids[2], block.id());
}

#[test]
fn nurseries_without_a_name_have_different_ones() {
    let (one, two) = (Nursery::new(), Nursery::new());
    assert!(one.name().starts_with("Nursery-") && two.name().starts_with("Nursery-"));
    assert_ne!(one.name(), two.name());
    drop(one);
    assert_ne!(Nursery::new().name(), two.name());
}

#[test]
fn awaited_it_waits_for_all_tasks_also_for_later_ones() {
    let log = Log::default();
    let mut nursery = Nursery::new();
    let handle = nursery.handle();
    let (noted, gate) = (log.clone(), Gate::default());
    let pass = gate.pass();
    let first = nursery.create_task("first", async move {
        pass.await;
        let inner = noted.clone();
        let second = handle.create_task("second", async move {
            yielding().await;
            inner.note("second");
            Ok(2)
        });
        noted.note("first");
        second.map_err(|_| "closed")?.await.value().ok_or("no value")
    });
    let first = first.expect("open");
    let hand = Hand::new();
    assert!(hand.poll(&mut nursery).is_pending());
    assert_eq!(hand.wakes(), 0);
    gate.open();
    assert_eq!(hand.wakes(), 1);
    assert_eq!(settle(&mut nursery), Some(Ok(())));
    assert!(nursery.is_terminated());
    assert_eq!(log.take(), ["first", "second"]);
    assert_eq!(settle(first), Some(TaskOutcome::Value(2)));
}

#[test]
fn only_those_that_were_woken_are_polled_in_the_order_of_their_waking() {
    let log = Log::default();
    let mut nursery = Nursery::new();
    let gates: Vec<Gate> = (0..5).map(|_| Gate::default()).collect();
    let polls = Arc::new(AtomicUsize::new(0));
    for (number, gate) in gates.iter().enumerate() {
        let (log, mut pass, polls) = (log.clone(), Box::pin(gate.pass()), polls.clone());
        let future = std::future::poll_fn(move |cx| {
            polls.fetch_add(1, Ordering::SeqCst);
            std::future::Future::poll(pass.as_mut(), cx).map(|()| {
                log.note(number.to_string());
                Ok(())
            })
        });
        nursery.create_task(None, future).expect("open");
    }
    let hand = Hand::new();
    assert!(hand.poll(&mut nursery).is_pending());
    assert_eq!(polls.swap(0, Ordering::SeqCst), 5);
    for number in [3, 0, 4] {
        gates[number].open();
    }
    assert_eq!(hand.wakes(), 1, "its owner is woken once");
    assert!(hand.poll(&mut nursery).is_pending());
    assert_eq!(polls.swap(0, Ordering::SeqCst), 3);
    assert_eq!(log.take(), ["3", "0", "4"]);
    assert!(hand.poll(&mut nursery).is_pending());
    assert_eq!(polls.load(Ordering::SeqCst), 0);
    gates[1].open();
    gates[2].open();
    assert!(hand.poll(&mut nursery).is_ready());
}

#[test]
fn the_last_waker_of_the_owner_counts() {
    let mut nursery = Nursery::new();
    let gate = Gate::default();
    let pass = gate.pass();
    let task = nursery.create_task(None, async move {
        pass.await;
        Ok(())
    });
    assert!(task.is_ok());
    let (first, second) = (Hand::new(), Hand::new());
    assert!(first.poll(&mut nursery).is_pending());
    assert!(second.poll(&mut nursery).is_pending());
    gate.open();
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
    assert!(second.poll(&mut nursery).is_ready());
}

/// Polls a task once, and then stops it.
fn stop<T: Send + 'static>(
    nursery: &mut Nursery<'static>,
    task: &mut Task<T, Fault>,
) -> Result<TaskOutcome<T, Fault>, StopError> {
    let handle = nursery.handle();
    let outcome = settle(nursery.drive(async {
        yielding().await;
        handle.stop_task(task).await
    }));
    outcome.expect("it ends").expect("the nursery goes on")
}

#[test]
fn every_end_of_a_stopped_task_is_a_value_and_the_nursery_goes_on() {
    let mut nursery = Nursery::new();
    let mut deaf = nursery.create_task(None, pending::<Result<u32, Fault>>()).expect("open");
    assert_eq!(stop(&mut nursery, &mut deaf), Ok(TaskOutcome::Cancelled));
    assert!(deaf.is_finished() && deaf.is_terminated());

    let swallows = nursery.start_task(None, |cx| async move {
        cx.stopped().await;
        Ok(5)
    });
    assert_eq!(stop(&mut nursery, &mut swallows.expect("open")), Ok(TaskOutcome::Value(5)));

    let polls = nursery.start_task(None, |cx| async move {
        while !cx.is_stopping() {
            yielding().await;
        }
        Ok(6)
    });
    let mut polls = polls.expect("open");
    let handle = nursery.handle();
    let outcome = settle(nursery.drive(async {
        yielding().await;
        handle.stop_task(&mut polls).await
    }));
    assert_eq!(outcome, Some(Ok(Ok(TaskOutcome::Value(6)))));

    let fails = nursery.start_task(None, |cx| async move {
        cx.stopped().await;
        Err::<(), _>("in the clean-up")
    });
    let outcome = stop(&mut nursery, &mut fails.expect("open"));
    assert_eq!(outcome, Ok(TaskOutcome::Error("in the clean-up")));

    let panics = nursery.start_task(None, |cx| async move {
        cx.stopped().await;
        panic!("in the clean-up");
        #[allow(unreachable_code)]
        Ok(())
    });
    match stop(&mut nursery, &mut panics.expect("open")) {
        Ok(TaskOutcome::Panicked(panic)) => assert_eq!(panic.message(), Some("in the clean-up")),
        other => panic!("{other:?}"),
    }

    assert!(!nursery.sentinel().is_stopping());
    assert_eq!(settle(nursery.create_task(None, worker()).expect("open")), None);
    assert_eq!(settle(&mut nursery), Some(Ok(())));
}

#[test]
fn a_stopped_task_that_was_never_polled_never_runs() {
    let log = Log::default();
    let mut nursery = Nursery::new();
    let noted = log.clone();
    let task = nursery.start_task(None, |cx| async move {
        noted.note("runs");
        cx.stopped().await;
        Ok(())
    });
    let mut task = task.expect("open");
    let handle = nursery.handle();
    let outcome = settle(nursery.drive(handle.stop_task(&mut task)));
    assert_eq!(outcome, Some(Ok(Ok(TaskOutcome::Cancelled))));
    assert!(log.take().is_empty());
}

#[test]
fn what_can_not_be_stopped_says_why() {
    let mut nursery = Nursery::named("here");
    let other = Nursery::named("there");
    let mut foreign = other.create_task("t", worker()).expect("open");
    let error = settle(nursery.stop_task(&mut foreign)).expect("at once");
    assert_eq!(error, Err(StopError::Foreign { task: "t:there".to_owned() }));
    assert_eq!(
        error.expect_err("foreign").to_string(),
        "the task t:there belongs to another nursery"
    );

    let mut done = nursery.create_task("t", worker()).expect("open");
    assert_eq!(settle(nursery.drive(yielding())), Some(Ok(())));
    let error = settle(nursery.stop_task(&mut done)).expect("at once");
    assert_eq!(error, Err(StopError::Finished { task: "t:here".to_owned() }));
    assert_eq!(settle(done), Some(TaskOutcome::Value(1)));
}

#[test]
fn a_task_can_not_stop_itself() {
    let mut nursery = Nursery::named("n");
    let slot = Arc::new(Mutex::new(None::<Task<(), Fault>>));
    let log = Log::default();
    let (own, handle, noted) = (slot.clone(), nursery.handle(), log.clone());
    let task = nursery.create_task("me", async move {
        yielding().await;
        let me = own.lock().expect("no panic").take();
        let error = handle.stop_task(&mut me.expect("a task")).await.expect_err("itself");
        assert_eq!(error, StopError::Itself { task: "me:n".to_owned() });
        noted.note(error.to_string());
        Ok(())
    });
    *slot.lock().expect("no panic") = Some(task.expect("open"));
    assert_eq!(settle(&mut nursery), Some(Ok(())));
    assert_eq!(log.take(), ["the task me:n can't wait for its own end"]);
}

#[test]
fn nothing_starts_in_a_closed_nursery() {
    let mut nursery = Nursery::named("web");
    let mut close = nursery.close();
    assert!(!close.is_terminated());
    assert_eq!(settle(&mut close), Some(Ok(())));
    assert!(close.is_terminated());
    // A new one is there to be polled, and is ready at once.
    let mut again = nursery.close();
    assert!(!again.is_terminated());
    assert_eq!(settle(&mut again), Some(Ok(())));
    assert!(again.is_terminated());
    let closed = NurseryClosed { nursery: "web".to_owned() };
    let error = nursery.create_task(None, worker()).expect_err("closed");
    assert_eq!(error, StartError::Closed(closed.clone()));
    assert_eq!(error.to_string(), "the nursery web is closed");
    assert_eq!(nursery.defer(|| ()), Err(closed.clone()));
    assert_eq!(nursery.keep(1), Err(closed.clone()));
    assert_eq!(nursery.push(|outcome| async move { outcome }), Err(closed));
    let started = settle(nursery.start("s", |_, ready| async move {
        ready.signal(1);
        Ok(())
    }));
    assert!(started.expect("at once").is_err());
    assert!(nursery.tasks().is_empty());
}

#[test]
fn a_task_says_that_it_is_ready() {
    let log = Log::default();
    let noted = log.clone();
    let body = async |nursery: Handle<'static>| {
        let server = nursery.start("server", |cx, ready| async move {
            yielding().await;
            noted.note("listens");
            ready.signal(8080);
            cx.stopped().await;
            Ok("done")
        });
        let (port, mut server) = server.await.expect("open");
        let outcome = nursery.stop_task(&mut server).await.expect("it runs");
        Ok((port, outcome))
    };
    let result = settle(Nursery::scope(body)).expect("it ends");
    assert_eq!(result, Ok(Some((Some(8080), TaskOutcome::Value("done")))));
    assert_eq!(log.take(), ["listens"]);

    // It may end, or drop what it would say it with.
    let body = async |nursery: Handle<'static>| {
        let early =
            nursery.start("early", |_, ready: portunus::nursery::Ready<u8, _>| async move {
                drop(ready);
                pending::<Result<(), Fault>>().await
            });
        let (nothing, task) = early.await.expect("open");
        assert!(!task.is_finished());
        Ok(nothing)
    };
    assert_eq!(settle(Nursery::scope(body)), Some(Ok(Some(None))));
}

#[test]
fn a_stopping_future_or_the_sentinel_ends_everything() {
    let log = Log::default();
    let mut nursery = Nursery::new();
    let gate = Gate::default();
    nursery.shutdown_on(gate.pass());
    nursery.shutdown_on(pending());
    assert_eq!(settle(nursery.enter(Noted::new(&log, "c"))), Some(Ok("c")));
    let task = nursery.create_task(None, pending::<Result<(), Fault>>()).expect("open");
    let body = log.on_drop("body dropped");
    let mut run = Box::pin(nursery.run(async move {
        let _body = body;
        pending::<Result<(), Fault>>().await
    }));
    let hand = Hand::new();
    assert!(hand.poll(&mut run).is_pending());
    assert_eq!((hand.wakes(), log.take()), (0, vec!["enter c".to_owned()]));
    gate.open();
    assert_eq!(hand.wakes(), 1);
    assert_eq!(settle(run), Some(Ok(None)));
    assert_eq!(log.take(), ["body dropped", "exit c", "exited c"]);
    assert_eq!(settle(task), Some(TaskOutcome::Cancelled));

    // From another thread.
    let mut nursery = Nursery::new();
    let task = nursery.create_task(None, pending::<Result<(), Fault>>()).expect("open");
    let sentinel = nursery.sentinel();
    let thread = std::thread::spawn(move || sentinel.stop());
    assert_eq!(smol::block_on(&mut nursery), Ok(()));
    thread.join().expect("no panic");
    assert_eq!(settle(task), Some(TaskOutcome::Cancelled));
}

static NURSERIES: Registry<String, NurseryInfo> = Registry::new(Duplicates::Reject);

#[test]
fn it_stands_in_a_registry_under_its_name() {
    let find = |name: &str| NURSERIES.get(&name.to_owned());
    let mut nursery = Nursery::named("one");
    nursery.register(&NURSERIES).expect("free");
    nursery.create_task("t", worker()).expect("open");
    let info = find("one").expect("registered");
    assert_eq!(info.tasks()[0].name, "t:one");
    let mut other = Nursery::named("one");
    assert_eq!(other.register(&NURSERIES), Err(Duplicate { key: "one".to_owned() }));
    nursery.rename("two").expect("free");
    assert_eq!((info.name(), nursery.name()), ("two".to_owned(), "two".to_owned()));
    assert!(find("one").is_none() && find("two").is_some());
    other.register(&NURSERIES).expect("free now");
    assert_eq!(other.rename("two"), Err(Duplicate { key: "two".to_owned() }));
    assert_eq!(other.name(), "one");

    // A name that is made anew each time.
    let number = Arc::new(AtomicUsize::new(0));
    let counted = number.clone();
    let mut made = Nursery::named_by(move || format!("made-{}", counted.load(Ordering::SeqCst)));
    made.register(&NURSERIES).expect("free");
    number.store(9, Ordering::SeqCst);
    assert!(find("made-0").is_none() && find("made-9").is_some());
    let task = made.create_task("t", worker()).expect("open");
    assert_eq!(task.name(), "t:made-9");

    // Stopped through the registry; closed or dropped, it is not there.
    find("two").expect("registered").sentinel().stop();
    assert_eq!(settle(nursery.drive(pending::<()>())), Some(Err(portunus::nursery::Stopping)));
    assert_eq!(settle(nursery.close()), Some(Ok(())));
    assert!(find("two").is_none());
    drop((other, made));
    drop(info);
    assert!(find("one").is_none() && find("made-9").is_none());
}

#[test]
fn a_failing_task_exits_its_context_wholly() {
    let log = Log::default();
    let mut swallow = Noted::new(&log, "c");
    swallow.exit = How::Eat;
    assert_eq!(settle(exit_on_error(swallow, ready(Err::<u8, _>("e")))), Some(Ok(None)));
    assert_eq!(log.take(), ["exit c with e", "exited c with e"]);
    let mut replace = Noted::new(&log, "c");
    replace.exit = How::Make("f");
    assert_eq!(settle(exit_on_error(replace, ready(Err::<u8, _>("e")))), Some(Err("f")));
    log.take();
    let fine = exit_on_error(Noted::new(&log, "c"), ready(Ok(1)));
    assert_eq!(settle(fine), Some(Ok(Some(1))));
    assert!(log.take().is_empty());
}

#[test]
fn tasks_borrow_what_outlives_the_nursery() {
    let text = String::from("one two three");
    let count = AtomicUsize::new(0);
    let mut nursery = Nursery::new();
    for word in text.split(' ') {
        let count = &count;
        let task = nursery.create_task("count", async move {
            count.fetch_add(word.len(), Ordering::SeqCst);
            Ok(())
        });
        assert!(task.is_ok());
    }
    assert_eq!(settle(&mut nursery), Some(Ok(())));
    assert_eq!(count.load(Ordering::SeqCst), 11);
}

#[test]
fn a_nursery_of_many_short_tasks_does_not_grow() {
    let mut nursery = Nursery::new();
    let handle = nursery.handle();
    let sum = settle(nursery.run(async move {
        let mut sum = 0;
        for _ in 0..2000 {
            let task = handle.create_task("t", worker()).map_err(|_| "closed")?;
            sum += task.await.value().ok_or("no value")?;
            assert!(handle.tasks().is_empty());
        }
        Ok(sum)
    }));
    assert_eq!(sum, Some(Ok(Some(2000))));
}

#[test]
fn a_panic_is_a_value_with_a_message() {
    let panic = Panic::catch(|| panic!("{}", 7)).expect_err("a panic");
    assert_eq!(panic.to_string(), "panicked: 7");
    assert_eq!(format!("{panic:?}"), "Panic(Some(\"7\"))");
    let silent = Panic::catch(|| std::panic::panic_any(7)).expect_err("a panic");
    assert_eq!(silent.message(), None);
    assert_eq!(silent.into_payload().downcast_ref(), Some(&7));
}
