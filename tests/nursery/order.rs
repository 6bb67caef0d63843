//! The one stack, last in first out.

use std::future::{pending, ready};

use portunus::nursery::{NurseryClosed, StartError, TaskOutcome};

use crate::common::{Fault, Gate, Handle, Log, Noted, Nursery, settle, yielding};
use crate::support::Hand;

/// Notes its start, waits for the signal, and notes that it stops, over two
/// polls.
fn watcher(nursery: &Handle<'static>, log: &Log, name: &'static str) {
    let log = log.clone();
    let task = nursery.start_task(name, move |cx| async move {
        log.note(format!("run {name}"));
        cx.stopped().await;
        log.note(format!("stop {name}"));
        yielding().await;
        log.note(format!("stopped {name}"));
        Ok(())
    });
    assert!(task.is_ok());
}

/// Notes when it is dropped.
fn sleeper(nursery: &Handle<'static>, log: &Log, name: &'static str) {
    let dropped = log.on_drop(format!("drop {name}"));
    let task = nursery.create_task(name, async move {
        let _dropped = dropped;
        pending::<Result<(), Fault>>().await
    });
    assert!(task.is_ok());
}

#[test]
fn tasks_and_contexts_end_in_the_reverse_order_of_their_beginning() {
    let log = Log::default();
    let mut nursery = Nursery::new();
    let handle = nursery.handle();
    let body = {
        let log = log.clone();
        async move {
            assert_eq!(handle.enter(Noted::new(&log, "c1")).await, Ok("c1"));
            watcher(&handle, &log, "w1");
            assert_eq!(handle.enter(Noted::new(&log, "c2")).await, Ok("c2"));
            watcher(&handle, &log, "w2");
            yielding().await;
            log.note("leave");
            Ok(7)
        }
    };
    assert_eq!(settle(nursery.run(body)), Some(Ok(Some(7))));
    assert_eq!(
        log.take(),
        [
            "enter c1",
            "run w1",
            "enter c2",
            "run w2",
            "leave",
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
}

#[test]
fn tasks_with_nothing_between_them_end_side_by_side() {
    let log = Log::default();
    let mut nursery = Nursery::new();
    nursery.keep(log.on_drop("kept")).expect("open");
    for name in ["w1", "w2", "w3"] {
        watcher(&nursery, &log, name);
    }
    assert_eq!(settle(nursery.drive(yielding())), Some(Ok(())));
    assert_eq!(log.take(), ["run w1", "run w2", "run w3"]);
    assert_eq!(settle(nursery.close()), Some(Ok(())));
    assert_eq!(
        log.take(),
        ["stop w3", "stop w2", "stop w1", "stopped w3", "stopped w2", "stopped w1", "kept"]
    );
}

#[test]
fn what_stands_below_goes_on_while_what_is_above_ends() {
    let log = Log::default();
    let mut nursery = Nursery::new();
    // It opens the gate for which the exit above it waits.
    let (asked, granted) = (Gate::default(), Gate::default());
    let (ask, grant) = (asked.clone(), granted.clone());
    let noted = log.clone();
    let task = nursery.create_task("server", async move {
        asked.pass().await;
        noted.note("serve");
        grant.open();
        pending::<Result<(), Fault>>().await
    });
    assert!(task.is_ok());
    let noted = log.clone();
    nursery
        .push(move |outcome| async move {
            noted.note("ask");
            ask.open();
            granted.pass().await;
            noted.note("got");
            outcome
        })
        .expect("open");
    assert_eq!(settle(nursery.close()), Some(Ok(())));
    assert_eq!(log.take(), ["ask", "serve", "got"]);
}

#[test]
fn dropping_a_nursery_drops_in_the_order_of_the_stack_and_runs_what_needs_no_waiting() {
    let log = Log::default();
    let nursery = Nursery::new();
    sleeper(&nursery, &log, "w1");
    nursery.keep(log.on_drop("kept")).expect("open");
    watcher(&nursery, &log, "w2");
    let unrun = log.on_drop("exit dropped");
    nursery
        .push(|outcome| async move {
            drop(unrun);
            outcome
        })
        .expect("open");
    let noted = log.clone();
    nursery.defer(move || noted.note("deferred")).expect("open");
    sleeper(&nursery, &log, "w3");
    let mut nursery = nursery;
    assert_eq!(settle(nursery.drive(yielding())), Some(Ok(())));
    assert_eq!(log.take(), ["run w2"]);
    let handle = nursery.handle();
    drop(nursery);
    assert_eq!(log.take(), ["drop w3", "deferred", "exit dropped", "kept", "drop w1"]);
    assert!(handle.tasks().is_empty());
    assert!(!handle.sentinel().is_open());
    assert!(handle.create_task(None, async { Ok(()) }).is_err());
}

#[test]
fn a_closing_that_is_dropped_is_taken_up_again() {
    let log = Log::default();
    let mut nursery = Nursery::new();
    let gate = Gate::default();
    let pass = gate.pass();
    let noted = log.clone();
    nursery
        .push(move |outcome| async move {
            noted.note("exit");
            pass.await;
            noted.note("exited");
            outcome
        })
        .expect("open");
    sleeper(&nursery, &log, "w");
    assert_eq!(settle(nursery.close()), None);
    assert_eq!(log.take(), ["drop w", "exit"]);
    gate.open();
    assert_eq!(settle(nursery.close()), Some(Ok(())));
    assert_eq!(log.take(), ["exited"]);
    // And again, harmless.
    assert_eq!(settle(nursery.close()), Some(Ok(())));
    assert_eq!(settle(&mut nursery), Some(Ok(())));
}

#[test]
fn a_nursery_dropped_while_it_closes_drops_what_it_waits_for_first() {
    let log = Log::default();
    let mut nursery = Nursery::new();
    sleeper(&nursery, &log, "w1");
    nursery.keep(log.on_drop("kept")).expect("open");
    let dropped = log.on_drop("drop w2");
    let task = nursery.start_task("w2", |cx| async move {
        let _dropped = dropped;
        cx.stopped().await;
        pending::<Result<(), Fault>>().await
    });
    let task = task.expect("open");
    assert_eq!(settle(nursery.drive(yielding())), Some(Ok(())));
    assert_eq!(settle(nursery.close()), None, "the task hangs");
    drop(nursery);
    assert_eq!(log.take(), ["drop w2", "kept", "drop w1"]);
    assert_eq!(settle(task), Some(TaskOutcome::Cancelled));
}

#[test]
fn popped_clean_ups_are_another_nurserys() {
    let log = Log::default();
    let mut old = Nursery::named("old");
    watcher(&old, &log, "w");
    assert_eq!(settle(old.enter(Noted::new(&log, "c"))), Some(Ok("c")));
    assert_eq!(settle(old.drive(yielding())), Some(Ok(())));
    assert_eq!(log.take(), ["enter c", "run w"]);
    let sentinel = old.sentinel();
    let mut new = old.pop_all();
    assert_eq!(old.name(), "old");
    assert!(new.name().starts_with("Nursery-"));
    assert_eq!((old.tasks().len(), new.tasks().len()), (0, 1));
    assert_eq!(new.tasks()[0].name, "w:old");

    // Leaving the old one stops nothing, and its sentinel is another.
    assert_eq!(settle(old.close()), Some(Ok(())));
    assert!(log.take().is_empty());
    assert!(sentinel.is_open() && !sentinel.is_stopping());
    assert!(!old.sentinel().is_open());

    // The sentinel went along.
    let hand = Hand::new();
    assert!(hand.poll(&mut new).is_pending());
    sentinel.stop();
    assert_eq!(hand.wakes(), 1);
    assert_eq!(settle(&mut new), Some(Ok(())));
    assert_eq!(log.take(), ["exit c", "exited c", "stop w", "stopped w"]);
    assert!(!sentinel.is_open());
}

/// Its place on the stack went to another nursery while its future was made.
#[test]
fn a_task_that_was_popped_before_it_started_is_refused() {
    let mut old = Nursery::named("old");
    let handle = old.handle();
    let mut new = None;
    let refused = handle.start_task("late", |_| {
        new = Some(old.pop_all());
        ready(Ok::<_, Fault>(()))
    });
    let closed = NurseryClosed { nursery: "old".to_owned() };
    assert_eq!(refused.map(drop), Err(StartError::Closed(closed)));
    let mut new = new.expect("a future was made");
    assert!(old.tasks().is_empty() && new.tasks().is_empty());
    // Neither waits for it.
    assert_eq!(settle(&mut new), Some(Ok(())));
    assert_eq!(settle(&mut old), Some(Ok(())));
}

#[test]
fn the_old_nursery_goes_on_after_its_clean_ups_were_popped() {
    let log = Log::default();
    let mut old = Nursery::new();
    let handle = old.handle();
    sleeper(&handle, &log, "moved");
    let mut new = old.pop_all();
    // The handle is still that of the old one.
    sleeper(&handle, &log, "stays");
    assert_eq!(settle(old.close()), Some(Ok(())));
    assert_eq!(log.take(), ["drop stays"]);
    assert_eq!(settle(new.close()), Some(Ok(())));
    assert_eq!(log.take(), ["drop moved"]);
    // A closed one has nothing more to give.
    assert!(old.pop_all().tasks().is_empty());
}

/// What a nursery is to be shut down by goes along with what it shuts down.
#[test]
fn a_shutdown_is_popped_with_the_tasks() {
    let log = Log::default();
    let (gate, later) = (Gate::default(), Gate::default());
    let mut old = Nursery::named("old");
    old.shutdown_on(gate.pass());
    watcher(&old, &log, "w");
    assert_eq!(settle(old.drive(yielding())), Some(Ok(())));
    let mut new = old.pop_all();
    // The old one is shut down by what it is told from here on.
    old.shutdown_on(later.pass());
    sleeper(&old, &log, "stays");
    let (old_hand, new_hand) = (Hand::new(), Hand::new());
    assert!(old_hand.poll(&mut old).is_pending());
    assert!(new_hand.poll(&mut new).is_pending());
    assert_eq!(log.take(), ["run w"]);
    gate.open();
    assert_eq!((old_hand.wakes(), new_hand.wakes()), (0, 1));
    assert!(old_hand.poll(&mut old).is_pending());
    assert_eq!(settle(&mut new), Some(Ok(())));
    assert_eq!(log.take(), ["stop w", "stopped w"]);
    later.open();
    assert_eq!(old_hand.wakes(), 1);
    assert_eq!(settle(&mut old), Some(Ok(())));
    assert_eq!(log.take(), ["drop stays"]);
    // Without tasks too: it waits for nothing else then.
    let mut idle = Nursery::new();
    idle.shutdown_on(pending());
    assert_eq!(settle(idle.pop_all()), Some(Ok(())));
}

#[test]
fn entering_while_it_closes_exits_at_once() {
    let log = Log::default();
    let mut nursery = Nursery::new();
    let handle = nursery.handle();
    let gate = Gate::default();
    struct Slow(Noted, Gate);
    impl portunus::nursery::Context<Fault> for Slow {
        type Value = &'static str;
        async fn enter(&mut self) -> Result<&'static str, Fault> {
            self.1.pass().await;
            self.0.enter().await
        }
        async fn exit(self, outcome: Result<(), Fault>) -> Result<(), Fault> {
            self.0.exit(outcome).await
        }
    }
    let slow = Slow(Noted::new(&log, "c"), gate.clone());
    let mut entering = Box::pin(handle.enter(slow));
    let hand = Hand::new();
    assert!(hand.poll(&mut entering).is_pending());
    assert_eq!(settle(nursery.close()), Some(Ok(())));
    gate.open();
    let error = settle(entering).expect("it ends").expect_err("closed");
    assert!(matches!(error, portunus::nursery::EnterError::Closed(_)));
    assert_eq!(log.take(), ["enter c", "exit c", "exited c"]);
    // And not at all when it is closed already.
    assert!(settle(handle.enter(Noted::new(&log, "d"))).expect("it ends").is_err());
    assert!(log.take().is_empty());
}
