//! Nurseries without a heap: the order in which everything ends, outcomes,
//! room, and failures; polled by hand, and on executors.

#![cfg(all(feature = "std", feature = "async"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

#[path = "nursery/common.rs"]
#[allow(dead_code)]
mod common;
mod support;

use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::mpsc;
use std::time::Duration;

use futures_core::FusedFuture;
use portunus::nursery::{
    FixedExit, FixedItem, FixedNursery, FixedNurseryError, FixedTask, StopSignal, TaskOutcome,
};

use common::{Fault, Gate, Log, settle, yielding};
use support::Hand;
use support::executor::{Executor, RunQueue, Smol, TokioCurrent, TokioMulti};

/// Waits for the signal, over two polls.
async fn watcher(log: &Log, name: &str, stop: &StopSignal) -> Result<(), Fault> {
    log.note(format!("run {name}"));
    stop.stopped().await;
    log.note(format!("stop {name}"));
    yielding().await;
    log.note(format!("stopped {name}"));
    Ok(())
}

async fn sleeper(log: &Log, name: &str) -> Result<(), Fault> {
    let _dropped = log.on_drop(format!("drop {name}"));
    log.note(format!("run {name}"));
    pending().await
}

async fn leave(log: &Log, name: &str, outcome: Result<(), Fault>) -> Result<(), Fault> {
    match outcome {
        Ok(()) => log.note(format!("exit {name}")),
        Err(error) => log.note(format!("exit {name} with {error}")),
    }
    yielding().await;
    log.note(format!("exited {name}"));
    outcome
}

#[test]
fn tasks_and_exits_end_in_the_reverse_order_of_their_beginning() {
    let log = Log::default();
    let (stop1, stop2) = (StopSignal::new(), StopSignal::new());
    let c1 = pin!(FixedExit::new(|outcome| leave(&log, "c1", outcome)));
    let w1 = pin!(FixedTask::watching(&stop1, watcher(&log, "w1", &stop1)));
    let c2 = pin!(FixedExit::new(|outcome| leave(&log, "c2", outcome)));
    let w2 = pin!(FixedTask::watching(&stop2, watcher(&log, "w2", &stop2)));
    let w3 = pin!(FixedTask::new(sleeper(&log, "w3")));
    let mut nursery = FixedNursery::<Fault, 5>::new();
    nursery.push(c1).expect("room");
    nursery.start(w1).expect("room");
    nursery.push(c2).expect("room");
    nursery.start(w2).expect("room");
    nursery.start(w3).expect("room");
    let body = async {
        yielding().await;
        log.note("leave");
        Ok(7)
    };
    assert_eq!(settle(nursery.run(body)), Some(Ok(Some(7))));
    assert_eq!(
        log.take(),
        [
            "run w1",
            "run w2",
            "run w3",
            "leave",
            "drop w3",
            "stop w2",
            "stopped w2",
            "exit c2",
            "exited c2",
            "stop w1",
            "stopped w1",
            "exit c1",
            "exited c1"
        ]
    );
    assert!(nursery.is_closed() && nursery.is_terminated());
}

#[test]
fn awaited_it_waits_for_all_and_outcomes_stay_with_the_tasks() {
    let gate = Gate::default();
    let pass = gate.pass();
    let mut slow = pin!(FixedTask::new(async {
        pass.await;
        Ok::<_, Fault>(1)
    }));
    let mut quick = pin!(FixedTask::new(ready(Ok::<_, Fault>("two"))));
    let mut nursery = FixedNursery::<Fault, 2>::new();
    assert_eq!(nursery.start(slow.as_mut()), Ok(0));
    assert_eq!(nursery.start(quick.as_mut()), Ok(1));
    assert_eq!(nursery.live(), 2);
    let hand = Hand::new();
    assert!(hand.poll(&mut nursery).is_pending());
    assert_eq!((nursery.live(), hand.wakes()), (1, 0));
    gate.open();
    assert_eq!(hand.wakes(), 1);
    assert_eq!(settle(&mut nursery), Some(Ok(())));
    // Closed, it is ready at once.
    assert_eq!(settle(&mut nursery), Some(Ok(())));
    assert_eq!(settle(nursery.close()), Some(Ok(())));
    drop(nursery);
    assert_eq!(slow.as_mut().take_outcome(), Some(TaskOutcome::Value(1)));
    assert_eq!(slow.take_outcome(), None);
    assert_eq!(quick.take_outcome(), Some(TaskOutcome::Value("two")));
}

#[test]
fn the_first_error_stops_the_siblings_and_passes_the_exits() {
    let log = Log::default();
    let stop = StopSignal::new();
    let exit = pin!(FixedExit::new(|outcome| leave(&log, "c", outcome)));
    let mut deaf = pin!(FixedTask::new(sleeper(&log, "w1")));
    let mut failing = pin!(FixedTask::new(async {
        yielding().await;
        Err::<(), _>("first")
    }));
    let mut late = pin!(FixedTask::watching(&stop, async {
        stop.stopped().await;
        Err::<(), _>("second")
    }));
    let mut nursery = FixedNursery::<Fault, 4>::new();
    nursery.push(exit).expect("room");
    nursery.start(deaf.as_mut()).expect("room");
    nursery.start(failing.as_mut()).expect("room");
    nursery.start(late.as_mut()).expect("room");
    let body = log.on_drop("body dropped");
    let run = nursery.run(async {
        let _body = body;
        pending::<Result<(), Fault>>().await
    });
    assert_eq!(settle(run), Some(Err("first")));
    assert_eq!(log.take(), ["run w1", "body dropped", "drop w1", "exit c with first", "exited c"]);
    drop(nursery);
    assert_eq!(deaf.take_outcome(), Some(TaskOutcome::Cancelled));
    assert_eq!(failing.take_outcome(), Some(TaskOutcome::Failed));
    assert_eq!(late.take_outcome(), Some(TaskOutcome::Error("second")));
}

#[test]
fn exits_handle_errors_and_have_their_own() {
    let log = Log::default();
    let last = pin!(FixedExit::new(|outcome| leave(&log, "last", outcome)));
    let eater = pin!(FixedExit::new(|outcome: Result<(), Fault>| {
        log.note(format!("eat {outcome:?}"));
        ready(Ok(()))
    }));
    let maker = pin!(FixedExit::new(|_: Result<(), Fault>| ready(Err("made"))));
    let mut nursery = FixedNursery::<Fault, 3>::new();
    for exit in [last as std::pin::Pin<&mut dyn FixedItem<Fault>>, eater, maker] {
        nursery.push(exit).expect("room");
    }
    assert_eq!(settle(&mut nursery), Some(Ok(())));
    assert_eq!(log.take(), ["eat Err(\"made\")", "exit last", "exited last"]);
}

#[test]
fn an_error_while_an_exit_has_one_stays_with_its_task() {
    let gate = Gate::default();
    let pass = gate.pass();
    let mut below = pin!(FixedTask::new(async {
        pass.await;
        Err::<(), _>("below")
    }));
    let opens = &gate;
    let exit = pin!(FixedExit::new(|outcome: Result<(), Fault>| async move {
        opens.open();
        yielding().await;
        outcome
    }));
    let failing = pin!(FixedTask::new(ready(Err::<(), _>("first"))));
    let mut nursery = FixedNursery::<Fault, 3>::new();
    nursery.start(below.as_mut()).expect("room");
    nursery.push(exit).expect("room");
    nursery.start(failing).expect("room");
    assert_eq!(settle(&mut nursery), Some(Err("first")));
    drop(nursery);
    assert_eq!(below.take_outcome(), Some(TaskOutcome::Error("below")));
}

#[test]
fn one_task_can_be_stopped_and_the_others_go_on() {
    let log = Log::default();
    let stop = StopSignal::new();
    let gate = Gate::default();
    let pass = gate.pass();
    let mut watching = pin!(FixedTask::watching(&stop, async {
        stop.stopped().await;
        Ok::<_, Fault>("tidied up")
    }));
    let mut deaf = pin!(FixedTask::new(sleeper(&log, "w")));
    let other = pin!(FixedTask::new(async {
        pass.await;
        Ok::<_, Fault>(())
    }));
    let mut nursery = FixedNursery::<Fault, 3>::new();
    nursery.start(watching.as_mut()).expect("room");
    nursery.start(deaf.as_mut()).expect("room");
    nursery.start(other).expect("room");
    let hand = Hand::new();
    assert!(hand.poll(&mut nursery).is_pending());
    assert!(nursery.stop(0) && nursery.stop(1));
    assert_eq!(log.take(), ["run w", "drop w"]);
    assert!(!nursery.stop(1) && !nursery.stop(3), "it has ended, or never was");
    assert!(hand.poll(&mut nursery).is_pending());
    assert!(!nursery.stop(0));
    gate.open();
    assert_eq!(settle(&mut nursery), Some(Ok(())));
    drop(nursery);
    assert_eq!(watching.take_outcome(), Some(TaskOutcome::Value("tidied up")));
    assert_eq!(deaf.take_outcome(), Some(TaskOutcome::Cancelled));
}

#[test]
fn what_can_not_be_started_says_why() {
    let mut one = pin!(FixedTask::new(ready(Ok::<_, Fault>(()))));
    let two = pin!(FixedTask::new(ready(Ok::<_, Fault>(()))));
    let three = pin!(FixedTask::new(ready(Ok::<_, Fault>(()))));
    let mut nursery = FixedNursery::<Fault, 1>::new();
    assert_eq!(nursery.capacity(), 1);
    nursery.start(one.as_mut()).expect("room");
    let full = nursery.start(two).expect_err("full");
    assert_eq!(full, FixedNurseryError::Full { capacity: 1 });
    assert_eq!(full.to_string(), "the nursery has room for 1 tasks and exits, and no more");
    assert_eq!(settle(&mut nursery), Some(Ok(())));
    assert_eq!(nursery.start(three), Err(FixedNurseryError::Closed));
    drop(nursery);
    let mut nursery = FixedNursery::<Fault, 1>::new();
    assert_eq!(nursery.start(one), Err(FixedNurseryError::Over));
    // An empty one is done; a body in a closed one does not run.
    assert_eq!(settle(&mut nursery), Some(Ok(())));
    assert_eq!(settle(nursery.run(ready(Ok(1)))), Some(Ok(None)));
}

#[test]
fn dropped_it_drops_in_the_order_of_the_stack_and_runs_no_exit() {
    let log = Log::default();
    let mut w1 = pin!(FixedTask::new(sleeper(&log, "w1")));
    let mut exit = pin!(FixedExit::new(|outcome| leave(&log, "c", outcome)));
    let w2 = pin!(FixedTask::new(sleeper(&log, "w2")));
    let mut nursery = FixedNursery::<Fault, 3>::new();
    nursery.start(w1.as_mut()).expect("room");
    nursery.push(exit.as_mut()).expect("room");
    nursery.start(w2).expect("room");
    let hand = Hand::new();
    assert!(hand.poll(&mut nursery).is_pending());
    assert_eq!(log.take(), ["run w1", "run w2"]);
    drop(nursery);
    assert_eq!(log.take(), ["drop w2", "drop w1"]);
    assert_eq!(w1.take_outcome(), Some(TaskOutcome::Cancelled));
    assert!(FixedItem::<Fault>::is_over(&*exit));
}

#[test]
fn a_closing_that_is_dropped_is_taken_up_again() {
    let log = Log::default();
    let gate = Gate::default();
    let pass = gate.pass();
    let noted = &log;
    let exit = pin!(FixedExit::new(|outcome: Result<(), Fault>| async move {
        let log = noted;
        log.note("exit");
        pass.await;
        log.note("exited");
        outcome
    }));
    let mut nursery = FixedNursery::<Fault, 1>::new();
    nursery.push(exit).expect("room");
    assert_eq!(settle(nursery.close()), None);
    assert_eq!(log.take(), ["exit"]);
    gate.open();
    assert_eq!(settle(nursery.close()), Some(Ok(())));
    assert_eq!(log.take(), ["exited"]);
}

#[test]
fn a_panic_goes_on_at_once_and_the_rest_is_dropped_in_order() {
    let log = Log::default();
    let w1 = pin!(FixedTask::new(sleeper(&log, "w1")));
    let bad = pin!(FixedTask::new(async {
        yielding().await;
        panic!("a task's");
        #[allow(unreachable_code)]
        Ok::<(), Fault>(())
    }));
    let w2 = pin!(FixedTask::new(sleeper(&log, "w2")));
    let mut nursery = FixedNursery::<Fault, 3>::new();
    nursery.start(w1).expect("room");
    nursery.start(bad).expect("room");
    nursery.start(w2).expect("room");
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let nursery = nursery;
        settle(nursery)
    }));
    assert!(panic.is_err());
    assert_eq!(log.take(), ["run w1", "run w2", "drop w2", "drop w1"]);
}

/// With items that can be sent, it runs as a task.
fn runs_as_a_task<E: Executor>() {
    static STOP: StopSignal = StopSignal::new();
    type Sendable<'c> = dyn FixedItem<Fault> + Send + 'c;
    fn send<T: Send>(value: T) -> T {
        value
    }
    let executor = E::default();
    let (sender, receiver) = mpsc::channel();
    executor.spawner()(Box::pin(send(async move {
        let log = Log::default();
        let run = async |log: &Log| {
            let stop = StopSignal::new();
            let exit = pin!(FixedExit::new(|outcome| leave(log, "c", outcome)));
            let watch = pin!(FixedTask::watching(&stop, watcher(log, "w", &stop)));
            let mut nursery = FixedNursery::<Fault, 2, Sendable<'_>>::new();
            nursery.push(exit).expect("room");
            nursery.start(watch).expect("room");
            nursery.run(yielded()).await
        };
        let result = run(&log).await;
        let _ = sender.send((result, log.take(), STOP.is_stopping()));
    })));
    executor.advance();
    let (result, log, stopping) =
        receiver.recv_timeout(Duration::from_secs(30)).expect("it does not hang");
    assert_eq!(result, Ok(Some(())));
    assert_eq!(log, ["run w", "stop w", "stopped w", "exit c", "exited c"]);
    assert!(!stopping);
}

async fn yielded() -> Result<(), Fault> {
    yielding().await;
    Ok(())
}

#[test]
fn it_runs_as_a_task_on_every_executor() {
    runs_as_a_task::<RunQueue>();
    runs_as_a_task::<TokioCurrent>();
    runs_as_a_task::<TokioMulti>();
    runs_as_a_task::<Smol>();
}
