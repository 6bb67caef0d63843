//! A nursery beside tokio's `JoinSet` and smol's executor.

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use portunus::sync::Nursery;
use tokio::task::JoinSet;

use super::harness::{Bench, Row, Unit};

pub(crate) fn run(bench: &mut Bench) {
    let effort = bench.effort();
    let rounds = effort.pick(60, 12, 1);
    let tasks = effort.parties(1000, 4);
    bench.table(
        format!("nursery/join/{tasks}"),
        Unit::Nanoseconds,
        "tokio JoinSet",
        rounds,
        || {
            vec![
                Row::new("portunus", move || per(tasks, || portunus_join(tasks))),
                Row::new("smol LocalExecutor", move || per(tasks, || smol_join(tasks))),
                tokio_row(move |runtime| {
                    per(tasks, || {
                        runtime.block_on(async {
                            let mut set = JoinSet::new();
                            for number in 0..tasks {
                                set.spawn(async move { Ok::<_, ()>(number) });
                            }
                            while let Some(value) = set.join_next().await {
                                let _ = black_box(value);
                            }
                        });
                    })
                }),
            ]
        },
    );
    let wakes = effort.pick(2000, 500, 2);
    bench.table(
        format!("nursery/wake/{tasks}"),
        Unit::Nanoseconds,
        "tokio JoinSet",
        rounds,
        || vec![portunus_wake(tasks, wakes), smol_wake(tasks, wakes), tokio_wake(tasks, wakes)],
    );
}

/// Nanoseconds for one of `count` operations.
fn per(count: usize, run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_nanos() as f64 / count as f64
}

fn tokio_row(mut sample: impl FnMut(&tokio::runtime::Runtime) -> f64 + 'static) -> Row {
    let runtime = runtime();
    Row::new("tokio JoinSet", move || sample(&runtime))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
}

fn portunus_join(tasks: usize) {
    smol::block_on(async {
        let mut nursery = Nursery::<()>::named("bench");
        let mut started = Vec::with_capacity(tasks);
        for number in 0..tasks {
            let task = nursery.create_task("task", async move { Ok(number) });
            started.push(task.expect("an open nursery"));
        }
        (&mut nursery).await.expect("no error");
        for task in started {
            black_box(task.await.value());
        }
    });
}

fn smol_join(tasks: usize) {
    let executor = smol::LocalExecutor::new();
    smol::block_on(executor.run(async {
        let mut started = Vec::with_capacity(tasks);
        for number in 0..tasks {
            started.push(executor.spawn(async move { Ok::<_, ()>(number) }));
        }
        for task in started {
            let _ = black_box(task.await);
        }
    }));
}

/// What sleeping tasks wait for: each counts its polls and leaves its waker.
struct Beds {
    wakers: Vec<std::sync::Mutex<Option<Waker>>>,
    polls: AtomicUsize,
}

impl Beds {
    fn new(tasks: usize) -> Arc<Self> {
        let wakers = (0..tasks).map(|_| std::sync::Mutex::new(None)).collect();
        Arc::new(Self { wakers, polls: AtomicUsize::new(0) })
    }

    /// Never ends.
    fn sleep(
        self: &Arc<Self>,
        number: usize,
    ) -> impl Future<Output = Result<(), ()>> + Send + use<> {
        let beds = Arc::clone(self);
        poll_fn(move |cx| {
            beds.polls.fetch_add(1, Ordering::Relaxed);
            *beds.wakers[number].lock().expect("no panic") = Some(cx.waker().clone());
            Poll::Pending
        })
    }

    fn wake(&self, number: usize) {
        let waker = self.wakers[number].lock().expect("no panic").take();
        waker.expect("a sleeping task").wake();
    }

    /// Wakes one after another in a scattered order, and polls after each.
    fn run(&self, wakes: usize, mut poll: impl FnMut()) -> f64 {
        let tasks = self.wakers.len();
        let before = self.polls.load(Ordering::Relaxed);
        let nanoseconds = per(wakes, || {
            for step in 0..wakes {
                self.wake(step * 619 % tasks);
                poll();
            }
        });
        assert_eq!(self.polls.load(Ordering::Relaxed) - before, wakes, "each was polled once");
        nanoseconds
    }
}

fn poll_once<F: Future + Unpin>(future: &mut F) {
    assert!(Pin::new(future).poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

fn portunus_wake(tasks: usize, wakes: usize) -> Row {
    let beds = Beds::new(tasks);
    let mut nursery = Nursery::<()>::named("bench");
    for number in 0..tasks {
        let task = nursery.create_task("task", beds.sleep(number));
        assert!(task.is_ok());
    }
    poll_once(&mut nursery);
    Row::new("portunus", move || beds.run(wakes, || poll_once(&mut nursery)))
}

fn smol_wake(tasks: usize, wakes: usize) -> Row {
    let beds = Beds::new(tasks);
    let executor = smol::LocalExecutor::new();
    for number in 0..tasks {
        executor.spawn(beds.sleep(number)).detach();
    }
    while executor.try_tick() {}
    Row::new("smol LocalExecutor", move || {
        beds.run(wakes, || assert!(executor.try_tick(), "one is ready"))
    })
}

/// The executor's own turn belongs to it: one yield of the task that joins.
fn tokio_wake(tasks: usize, wakes: usize) -> Row {
    let beds = Beds::new(tasks);
    let runtime = runtime();
    let mut set = JoinSet::new();
    for number in 0..tasks {
        set.spawn_on(beds.sleep(number), runtime.handle());
    }
    let turn = || async {
        tokio::task::yield_now().await;
    };
    runtime.block_on(async {
        for _ in 0..=tasks {
            turn().await;
        }
    });
    Row::new("tokio JoinSet", move || {
        let result = runtime.block_on(async {
            let before = beds.polls.load(Ordering::Relaxed);
            let start = Instant::now();
            for step in 0..wakes {
                beds.wake(step * 619 % tasks);
                let seen = beds.polls.load(Ordering::Relaxed);
                while beds.polls.load(Ordering::Relaxed) == seen {
                    turn().await;
                }
            }
            let nanoseconds = start.elapsed().as_nanos() as f64 / wakes as f64;
            assert_eq!(beds.polls.load(Ordering::Relaxed) - before, wakes);
            nanoseconds
        });
        let _ = &set;
        result
    })
}
