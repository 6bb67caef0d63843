//! Nurseries whose tasks stay in one thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use portunus::nursery::{StopError, TaskOutcome};
use portunus::sync::LocalNursery;

use crate::common::{Fault, Gate, Noted, settle, yielding};
use crate::support::Hand;

type Notes = Rc<RefCell<Vec<String>>>;

/// Notes a line when it is dropped, in its own thread.
struct Leaves(Notes, &'static str);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.borrow_mut().push(format!("drop {}", self.1));
    }
}

#[test]
fn tasks_share_what_can_not_be_sent() {
    let mut nursery = LocalNursery::<Fault>::named("here");
    let sum = Rc::new(Cell::new(0));
    let tasks: Vec<_> = (1..=3)
        .map(|number| {
            let sum = Rc::clone(&sum);
            let task = nursery.create_task("add", async move {
                yielding().await;
                sum.set(sum.get() + number);
                // Neither need the value be.
                Ok(sum)
            });
            task.expect("it is open")
        })
        .collect();
    assert_eq!(nursery.tasks().len(), 3);
    assert_eq!(tasks[0].name(), "add:here");
    assert_eq!(settle(&mut nursery), Some(Ok(())));
    for task in tasks {
        let value = settle(task).and_then(TaskOutcome::value).expect("it has ended");
        assert_eq!(value.get(), 6);
    }
    assert!(nursery.is_closed());
    assert!(nursery.create_task(None, async { Ok(()) }).is_err());
}

#[test]
fn everything_ends_in_the_reverse_order_of_its_beginning() {
    let notes = Notes::default();
    let log = crate::common::Log::default();
    let mut nursery = LocalNursery::<Fault>::new();
    let body = {
        let (nursery, notes, log) = (nursery.handle(), Rc::clone(&notes), log.clone());
        async move {
            nursery.keep(Leaves(Rc::clone(&notes), "kept")).expect("open");
            let watches = Rc::clone(&notes);
            let (ready, _) = nursery
                .start("watcher", |cx, ready| async move {
                    ready.signal(Rc::new(7));
                    cx.stopped().await;
                    watches.borrow_mut().push("stopped".into());
                    Ok(Rc::new(()))
                })
                .await
                .expect("open");
            assert_eq!(ready.as_deref(), Some(&7));
            let exits = Rc::clone(&notes);
            nursery
                .push(move |outcome| async move {
                    yielding().await;
                    exits.borrow_mut().push(format!("exit {outcome:?}"));
                    outcome
                })
                .expect("open");
            assert_eq!(nursery.enter(Noted::new(&log, "c")).await, Ok("c"));
            let last = Leaves(Rc::clone(&notes), "task");
            nursery
                .create_task(None, async move {
                    let _last = last;
                    std::future::pending().await
                })
                .map(|task: portunus::sync::Task<(), _>| drop(task))
                .expect("open");
            yielding().await;
            let deferred = Rc::clone(&notes);
            nursery.defer(move || deferred.borrow_mut().push("deferred".into())).expect("open");
            Err::<(), _>("the body's")
        }
    };
    assert_eq!(settle(nursery.run(body)), Some(Err("the body's")));
    assert_eq!(
        *notes.borrow(),
        ["deferred", "drop task", "exit Err(\"the body's\")", "stopped", "drop kept"]
    );
    assert_eq!(log.take().len(), 3);
}

#[test]
fn it_is_stopped_and_its_tasks_are_woken_from_other_threads() {
    let mut nursery = LocalNursery::<Fault>::new();
    let bed: Arc<Mutex<Option<Waker>>> = Arc::default();
    let polls = Rc::new(Cell::new(0));
    let (inside, counted) = (Arc::clone(&bed), Rc::clone(&polls));
    let future = std::future::poll_fn(move |cx| {
        counted.set(counted.get() + 1);
        *inside.lock().expect("no panic") = Some(cx.waker().clone());
        Poll::<Result<(), Fault>>::Pending
    });
    nursery.create_task(None, future).map(drop).expect("open");
    let hand = Hand::new();
    assert!(hand.poll(&mut nursery).is_pending());
    let waker = bed.lock().expect("no panic").take().expect("it sleeps");
    std::thread::spawn(move || waker.wake()).join().expect("no panic");
    assert_eq!(hand.wakes(), 1);
    assert!(hand.poll(&mut nursery).is_pending());
    assert_eq!(polls.get(), 2);
    let sentinel = nursery.sentinel();
    std::thread::spawn(move || sentinel.stop()).join().expect("no panic");
    assert_eq!(settle(&mut nursery), Some(Ok(())));
    assert_eq!(Rc::strong_count(&polls), 1, "its task was dropped");
}

#[test]
fn it_is_popped_and_shut_down_as_the_other_one() {
    let (gate, notes) = (Gate::default(), Notes::default());
    let mut old = LocalNursery::<Fault>::named("old");
    let (pass, seen) = (gate.pass(), Rc::clone(&notes));
    old.shutdown_on(async move {
        pass.await;
        seen.borrow_mut().push("shutdown".into());
    });
    let leaves = Leaves(Rc::clone(&notes), "moved");
    let mut moved = old
        .create_task("moved", async move {
            let _leaves = leaves;
            std::future::pending::<Result<(), _>>().await
        })
        .expect("open");
    let mut new = old.pop_all();
    assert_eq!(
        settle(old.stop_task(&mut moved)),
        Some(Err(StopError::Foreign { task: "moved:old".into() }))
    );
    let mut stays =
        old.create_task("stays", std::future::pending::<Result<(), _>>()).expect("open");
    assert!(settle(&mut new).is_none());
    gate.open();
    assert_eq!(settle(&mut new), Some(Ok(())));
    assert_eq!(*notes.borrow(), ["shutdown", "drop moved"]);
    let stop = old.handle();
    let stopped =
        old.drive(async move { stop.stop_task(&mut stays).await.map(|end| end.is_cancelled()) });
    assert_eq!(settle(stopped), Some(Ok(Ok(true))));
    assert_eq!(settle(old.close()), Some(Ok(())));
}
