//! The same on executors: as one task, and with its tasks on them.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use futures_core::FusedFuture;
use portunus::nursery::{Job, RefusedJob, Spawn, StopError, TaskOutcome};

use crate::common::{Fault, Handle, Log, Noted, Nursery, settle, yielding};
use crate::support::executor::{Executor, RunQueue, Smol, Spawner, TokioCurrent, TokioMulti};
use crate::support::watch::patience;

/// Runs a future on an executor.
fn run<E: Executor, T: Send + 'static>(
    executor: &E,
    future: impl Future<Output = T> + Send + 'static,
) -> T {
    let (sender, receiver) = mpsc::channel();
    executor.spawner()(Box::pin(async move {
        let _ = sender.send(future.await);
    }));
    let until = Instant::now() + patience();
    loop {
        executor.advance();
        match receiver.recv_timeout(Duration::from_millis(1)) {
            Ok(result) => return result,
            Err(_) => assert!(Instant::now() < until, "it hangs"),
        }
    }
}

/// Hands tasks to one of the executors.
struct On(Spawner);

impl Spawn for On {
    fn spawn(&self, job: Job) -> Result<(), RefusedJob> {
        (self.0)(job);
        Ok(())
    }
}

/// Clean-ups in order, around tasks that watch or don't, on one executor.
fn order(mut nursery: Nursery<'static>) -> impl Future<Output = Vec<String>> + Send {
    let log = Log::default();
    let handle = nursery.handle();
    let body_log = log.clone();
    async move {
        let log = body_log;
        let body = async {
            handle.enter(Noted::new(&log, "c1")).await.map_err(|_| "closed")?;
            let (started, noted) = (Arc::new(AtomicBool::new(false)), log.clone());
            let start = started.clone();
            let watching = handle.start_task("w1", move |cx| async move {
                start.store(true, Ordering::SeqCst);
                cx.stopped().await;
                noted.note("stop w1");
                yielding().await;
                Ok(())
            });
            while !started.load(Ordering::SeqCst) {
                yielding().await;
            }
            handle.enter(Noted::new(&log, "c2")).await.map_err(|_| "closed")?;
            let dropped = log.on_drop("drop w2");
            let deaf = handle.create_task("w2", async move {
                let _dropped = dropped;
                pending::<Result<(), Fault>>().await
            });
            assert!(watching.is_ok() && deaf.is_ok());
            Ok(())
        };
        assert_eq!(nursery.run(body).await, Ok(Some(())));
        log.take()
    }
}

fn clean_ups_are_in_order<E: Executor>() {
    let expected = [
        "enter c1",
        "enter c2",
        "drop w2",
        "exit c2",
        "exited c2",
        "stop w1",
        "exit c1",
        "exited c1",
    ];
    let executor = E::default();
    assert_eq!(run(&executor, order(Nursery::new())), expected);
    assert_eq!(run(&executor, order(Nursery::on(On(executor.spawner())))), expected);
}

#[test]
fn clean_ups_are_in_order_on_every_executor() {
    clean_ups_are_in_order::<RunQueue>();
    clean_ups_are_in_order::<TokioCurrent>();
    clean_ups_are_in_order::<TokioMulti>();
    clean_ups_are_in_order::<Smol>();
}

/// All ends of tasks that run on an executor.
fn outcomes<E: Executor>() {
    let executor = E::default();
    let mut nursery = Nursery::on(On(executor.spawner()));
    let handle = nursery.handle();
    let result = run(&executor, async move {
        let body = async {
            let value = handle.create_task("value", async { Ok(1) }).map_err(|_| "closed")?;
            assert_eq!(value.name(), format!("value:{}", handle.name()));
            assert_eq!(value.await, TaskOutcome::Value(1));

            let deaf = handle.create_task("deaf", pending::<Result<(), Fault>>());
            let mut deaf = deaf.map_err(|_| "closed")?;
            assert_eq!(handle.stop_task(&mut deaf).await, Ok(TaskOutcome::Cancelled));

            let (ready, mut watching) = handle
                .start("watching", |cx, ready| async move {
                    // Watches under a waker of its own.
                    let mut stopped = pin!(cx.stopped());
                    assert!(!stopped.is_terminated());
                    ready.signal(cx.name());
                    (&mut stopped).await;
                    assert!(stopped.is_terminated());
                    Err::<(), _>("in the clean-up")
                })
                .await
                .map_err(|_| "closed")?;
            assert_eq!(ready, Some(watching.name()));
            let outcome = handle.stop_task(&mut watching).await;
            // It may have been stopped before it asked.
            assert!(matches!(
                outcome,
                Ok(TaskOutcome::Error("in the clean-up") | TaskOutcome::Cancelled)
            ));
            let again = handle.stop_task(&mut watching).await;
            assert_eq!(again, Err(StopError::Finished { task: watching.name() }));

            let failing = handle.create_task("failing", async { Err::<(), _>("first") });
            let _failing = failing.map_err(|_| "closed")?;
            pending::<Result<(), Fault>>().await
        };
        nursery.run(body).await
    });
    assert_eq!(result, Err("first"));
}

#[test]
fn outcomes_are_values_on_every_executor() {
    outcomes::<RunQueue>();
    outcomes::<TokioCurrent>();
    outcomes::<TokioMulti>();
    outcomes::<Smol>();
}

/// Many tasks from many places.
fn many<E: Executor>(on: bool) {
    const TASKS: usize = 200;
    let executor = E::default();
    let ended = Arc::new(AtomicUsize::new(0));
    let mut nursery = if on { Nursery::on(On(executor.spawner())) } else { Nursery::new() };
    let handle = nursery.handle();
    fn grow(handle: Handle<'static>, ended: Arc<AtomicUsize>, level: u32) {
        for _ in 0..2 {
            let (inner, count) = (handle.clone(), ended.clone());
            let task = handle.create_task("leaf", async move {
                yielding().await;
                if level > 0 {
                    grow(inner, count.clone(), level - 1);
                }
                yielding().await;
                count.fetch_add(1, Ordering::SeqCst);
                Ok(())
            });
            assert!(task.is_ok());
        }
    }
    grow(handle.clone(), ended.clone(), 5);
    let more = ended.clone();
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (handle, ended) = (handle.clone(), ended.clone());
            std::thread::spawn(move || {
                for _ in 0..TASKS {
                    let count = ended.clone();
                    let task = handle.create_task("thread", async move {
                        yielding().await;
                        count.fetch_add(1, Ordering::SeqCst);
                        Ok(())
                    });
                    assert!(task.is_ok());
                }
            })
        })
        .collect();
    let body = async move {
        while more.load(Ordering::SeqCst) < 126 + 2 * TASKS {
            yielding().await;
        }
        Ok(())
    };
    let result = run(&executor, async move { nursery.run(body).await });
    for thread in threads {
        thread.join().expect("no panic");
    }
    assert_eq!(result, Ok(Some(())));
    assert_eq!(ended.load(Ordering::SeqCst), 126 + 2 * TASKS);
}

#[test]
fn many_tasks_start_tasks_on_every_executor() {
    for on in [false, true] {
        many::<RunQueue>(on);
        many::<TokioCurrent>(on);
        many::<TokioMulti>(on);
        many::<Smol>(on);
    }
}

#[test]
fn a_dropped_nursery_tells_its_tasks_on_an_executor_to_stop() {
    let executor = RunQueue::default();
    let log = Log::default();
    let nursery = Nursery::on(On(executor.spawner()));
    let noted = log.clone();
    let watching = nursery.start_task("watching", |cx| async move {
        cx.stopped().await;
        noted.note("stopped");
        Ok(1)
    });
    let dropped = log.on_drop("dropped");
    let deaf = nursery.create_task("deaf", async move {
        let _dropped = dropped;
        pending::<Result<(), Fault>>().await
    });
    executor.advance();
    drop(nursery);
    assert!(log.take().is_empty());
    executor.advance();
    assert_eq!(log.take(), ["dropped", "stopped"]);
    assert_eq!(settle(watching.expect("open")), Some(TaskOutcome::Value(1)));
    assert_eq!(settle(deaf.expect("open")), Some(TaskOutcome::Cancelled));
}

#[test]
fn what_an_executor_drops_was_cancelled() {
    struct Drops;
    impl Spawn for Drops {
        fn spawn(&self, job: Job) -> Result<(), RefusedJob> {
            drop(job);
            Ok(())
        }
    }
    let mut dropping = Nursery::on(Drops);
    let task = dropping.create_task(None, pending::<Result<(), Fault>>()).expect("open");
    assert_eq!(settle(task), Some(TaskOutcome::Cancelled));
    assert_eq!(settle(&mut dropping), Some(Ok(())));
}

#[test]
fn an_executor_may_refuse_a_task() {
    struct Refuses;
    impl Spawn for Refuses {
        fn spawn(&self, job: Job) -> Result<(), RefusedJob> {
            Err(RefusedJob(job))
        }
    }
    let mut nursery = Nursery::on(Refuses);
    let error = nursery.create_task("t", async { Ok(()) }).expect_err("refused");
    assert_eq!(error.to_string(), format!("the executor refused the task t:{}", nursery.name()));
    assert!(nursery.tasks().is_empty());
    assert_eq!(settle(&mut nursery), Some(Ok(())));
}
