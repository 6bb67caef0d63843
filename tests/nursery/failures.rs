//! The first error stops the siblings, and is what the nursery returns.

use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};

use portunus::nursery::TaskOutcome;
use portunus::spin;

use crate::common::{Fault, Gate, Handle, How, Log, Noted, Nursery, settle, yielding};

fn message(panic: &(dyn std::any::Any + Send)) -> Option<&str> {
    panic.downcast_ref::<&str>().copied()
}

#[test]
fn the_first_error_stops_siblings_and_body_and_comes_out() {
    let log = Log::default();
    let body_log = log.clone();
    let result = settle(Nursery::scope(async move |nursery: Handle<'static>| {
        let log = body_log;
        nursery.enter(Noted::new(&log, "c1")).await.map_err(|_| "closed")?;
        let dropped = log.on_drop("drop w1");
        let sibling = nursery.create_task("w1", async move {
            let _dropped = dropped;
            pending::<Result<(), Fault>>().await
        });
        nursery.enter(Noted::new(&log, "c2")).await.map_err(|_| "closed")?;
        let noted = log.clone();
        let late = nursery.start_task("w2", |cx| async move {
            cx.stopped().await;
            yielding().await;
            noted.note("w2 fails later");
            Err::<(), _>("second")
        });
        yielding().await;
        let noted = log.clone();
        let failing = nursery.create_task("w3", async move {
            yielding().await;
            noted.note("w3 fails");
            Err::<(), _>("first")
        });
        assert!(sibling.is_ok() && late.is_ok() && failing.is_ok());
        let _body = log.on_drop("body dropped");
        pending::<Result<(), Fault>>().await
    }));
    assert_eq!(result, Some(Err("first")));
    assert_eq!(
        log.take(),
        [
            "enter c1",
            "enter c2",
            "w3 fails",
            "body dropped",
            "w2 fails later",
            "exit c2 with first",
            "exited c2 with first",
            "drop w1",
            "exit c1 with first",
            "exited c1 with first"
        ]
    );
}

#[test]
fn the_first_error_is_the_nurserys_and_later_ones_stay_with_their_tasks() {
    let mut nursery = Nursery::new();
    let first = nursery.create_task(None, ready(Err::<(), _>("first"))).expect("open");
    let second = nursery.create_task(None, ready(Err::<(), _>("second"))).expect("open");
    let third = nursery.start_task(None, |cx| async move {
        cx.stopped().await;
        yielding().await;
        Err::<(), _>("third")
    });
    assert_eq!(settle(&mut nursery), Some(Err("first")));
    assert_eq!(settle(first), Some(TaskOutcome::Failed));
    assert_eq!(settle(second), Some(TaskOutcome::Error("second")));
    assert_eq!(settle(third.expect("open")), Some(TaskOutcome::Error("third")));
    // It was given out.
    assert_eq!(settle(nursery.close()), Some(Ok(())));
}

#[test]
fn an_error_while_stopping_is_the_first_if_there_was_none() {
    let mut nursery = Nursery::new();
    let task = nursery.start_task(None, |cx| async move {
        cx.stopped().await;
        Err::<(), _>("in the clean-up")
    });
    let task = task.expect("open");
    assert_eq!(settle(nursery.drive(yielding())), Some(Ok(())));
    assert_eq!(settle(nursery.close()), Some(Err("in the clean-up")));
    assert_eq!(settle(task), Some(TaskOutcome::Failed));
}

#[test]
fn an_error_of_the_body_passes_the_exits() {
    let log = Log::default();
    let noted = log.clone();
    let result = settle(Nursery::scope(async move |nursery: Handle<'static>| {
        nursery.enter(Noted::new(&noted, "c")).await.map_err(|_| "closed")?;
        Err::<(), _>("body")
    }));
    assert_eq!(result, Some(Err("body")));
    assert_eq!(log.take(), ["enter c", "exit c with body", "exited c with body"]);
}

#[test]
fn exits_handle_errors_and_have_their_own() {
    let log = Log::default();
    let noted = log.clone();
    let result = settle(Nursery::scope(async move |nursery: Handle<'static>| {
        // Left in reverse: `maker` fails, `eater` handles it, `last` sees none.
        nursery.enter(Noted::new(&noted, "last")).await.map_err(|_| "closed")?;
        let mut eater = Noted::new(&noted, "eater");
        eater.exit = How::Eat;
        nursery.enter(eater).await.map_err(|_| "closed")?;
        let mut maker = Noted::new(&noted, "maker");
        maker.exit = How::Make("made");
        nursery.enter(maker).await.map_err(|_| "closed")?;
        noted.take();
        Ok(())
    }));
    assert_eq!(result, Some(Ok(Some(()))));
    assert_eq!(
        log.take(),
        [
            "exit maker",
            "exited maker",
            "exit eater with made",
            "exited eater with made",
            "exit last",
            "exited last"
        ]
    );
}

#[test]
fn after_an_error_was_handled_the_next_one_is_the_first() {
    let mut nursery = Nursery::new();
    let late = nursery.start_task(None, |cx| async move {
        cx.stopped().await;
        Err::<(), _>("late")
    });
    let late = late.expect("open");
    nursery.push(|_| ready(Ok(()))).expect("open");
    let early = nursery.create_task(None, ready(Err::<(), _>("early"))).expect("open");
    assert_eq!(settle(&mut nursery), Some(Err("late")));
    assert_eq!(settle(early), Some(TaskOutcome::Failed));
    assert_eq!(settle(late), Some(TaskOutcome::Failed));
}

#[test]
fn a_panic_goes_on_after_siblings_and_exits() {
    let log = Log::default();
    let mut nursery = Nursery::new();
    assert_eq!(settle(nursery.enter(Noted::new(&log, "c"))), Some(Ok("c")));
    let noted = log.clone();
    let sibling = nursery.start_task(None, |cx| async move {
        cx.stopped().await;
        yielding().await;
        noted.note("sibling stops");
        Ok(())
    });
    let panicking = nursery.create_task(None, async {
        yielding().await;
        panic!("a task's");
        #[allow(unreachable_code)]
        Ok(())
    });
    let panic = catch_unwind(AssertUnwindSafe(|| settle(&mut nursery))).expect_err("a panic");
    assert_eq!(message(&*panic), Some("a task's"));
    assert_eq!(log.take(), ["enter c", "sibling stops", "exit c", "exited c"]);
    assert_eq!(settle(panicking.expect("open")), Some(TaskOutcome::Failed));
    assert_eq!(settle(sibling.expect("open")), Some(TaskOutcome::Value(())));
    assert!(nursery.is_closed());
    assert_eq!(settle(nursery.close()), Some(Ok(())));
}

#[test]
fn a_panic_takes_an_errors_place() {
    let mut nursery = Nursery::new();
    let error = nursery.create_task(None, ready(Err::<(), _>("e"))).expect("open");
    let panicking = nursery.start_task(None, |cx| async move {
        cx.stopped().await;
        panic!("later");
        #[allow(unreachable_code)]
        Ok(())
    });
    assert!(panicking.is_ok());
    let panic = catch_unwind(AssertUnwindSafe(|| settle(&mut nursery))).expect_err("a panic");
    assert_eq!(message(&*panic), Some("later"));
    assert_eq!(settle(error), Some(TaskOutcome::Failed));
}

#[test]
fn panics_of_body_exit_callback_and_destructor_run_the_rest() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("destructor");
        }
    }
    let run = |spoil: fn(&Handle<'static>)| {
        let log = Log::default();
        let mut nursery = Nursery::new();
        nursery.keep(log.on_drop("kept")).expect("open");
        spoil(&nursery);
        let closed = catch_unwind(AssertUnwindSafe(|| settle(nursery.close())));
        assert_eq!(log.take(), ["kept"]);
        assert!(nursery.is_closed());
        message(&*closed.expect_err("a panic")).expect("a message").to_owned()
    };
    assert_eq!(run(|nursery| nursery.defer(|| panic!("callback")).expect("open")), "callback");
    assert_eq!(run(|nursery| nursery.push(|_| async { panic!("exit") }).expect("open")), "exit");
    let destructor = run(|nursery| {
        let bad = Bad;
        let task = nursery.create_task(None, async move {
            let _bad = bad;
            pending::<Result<(), Fault>>().await
        });
        assert!(task.is_ok());
    });
    assert_eq!(destructor, "destructor");

    let log = Log::default();
    let mut nursery = Nursery::new();
    nursery.keep(log.on_drop("kept")).expect("open");
    let body = async {
        yielding().await;
        panic!("body");
        #[allow(unreachable_code)]
        Ok(())
    };
    let panic = catch_unwind(AssertUnwindSafe(|| settle(nursery.run(body))));
    assert_eq!(message(&*panic.expect_err("a panic")), Some("body"));
    assert_eq!(log.take(), ["kept"]);

    // Dropped, too.
    let log = Log::default();
    let nursery = Nursery::new();
    nursery.keep(log.on_drop("kept")).expect("open");
    nursery.defer(|| panic!("callback")).expect("open");
    assert!(catch_unwind(AssertUnwindSafe(|| drop(nursery))).is_err());
    assert_eq!(log.take(), ["kept"]);
}

#[test]
fn where_no_panic_is_caught_it_goes_on_at_once_and_the_nursery_stays_usable() {
    let log = Log::default();
    let mut nursery = spin::Nursery::<Fault>::new();
    let gate = Gate::default();
    let noted = log.clone();
    let pass = gate.pass();
    let before = nursery.create_task(None, async move {
        noted.note("before");
        pass.await;
        Ok(1)
    });
    let panicking = nursery.create_task(None, async {
        panic!("at once");
        #[allow(unreachable_code)]
        Ok(())
    });
    let noted = log.clone();
    let after = nursery.create_task(None, async move {
        noted.note("after");
        Ok(2)
    });
    let panic = catch_unwind(AssertUnwindSafe(|| settle(&mut nursery))).expect_err("a panic");
    assert_eq!(message(&*panic), Some("at once"));
    assert_eq!(log.take(), ["before"]);
    // Nobody is forgotten.
    gate.open();
    assert_eq!(settle(&mut nursery), Some(Ok(())));
    assert_eq!(log.take(), ["after"]);
    assert_eq!(settle(panicking.expect("open")), Some(TaskOutcome::Cancelled));
    assert_eq!(settle(before.expect("open")), Some(TaskOutcome::Value(1)));
    assert_eq!(settle(after.expect("open")), Some(TaskOutcome::Value(2)));
}

/// Those that a poll did not come to are polled by the nursery to which they
/// were popped.
#[test]
fn what_a_panic_left_unpolled_is_popped_too() {
    let log = Log::default();
    let mut old = spin::Nursery::<Fault>::new();
    let gate = Gate::default();
    let (pass, noted) = (gate.pass(), log.clone());
    let panicking = old.create_task(None, async move {
        pass.await;
        panic!("later");
        #[allow(unreachable_code)]
        Ok(())
    });
    let pass = gate.pass();
    let after = old.create_task(None, async move {
        pass.await;
        noted.note("after");
        Ok(2)
    });
    assert_eq!(settle(&mut old), None);
    gate.open();
    assert!(catch_unwind(AssertUnwindSafe(|| settle(&mut old))).is_err());
    let mut new = old.pop_all();
    assert_eq!(settle(&mut new), Some(Ok(())));
    assert_eq!(log.take(), ["after"]);
    assert_eq!(settle(panicking.expect("open")), Some(TaskOutcome::Cancelled));
    assert_eq!(settle(after.expect("open")), Some(TaskOutcome::Value(2)));
}
