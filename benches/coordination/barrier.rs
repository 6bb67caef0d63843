//! Rounds of threads and of tasks.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use portunus::sync::CyclicBarrier;

use super::arena::Arena;
use super::harness::{Bench, Row, Unit};
use super::{executor, machine};

/// Nanoseconds for a round of `parties` threads, which are made before.
fn threads(parties: usize, count: usize, wait: impl Fn() + Sync) -> f64 {
    let mut nanos = 0.0;
    thread::scope(|scope| {
        let wait = &wait;
        for party in 1..parties {
            scope.spawn(move || {
                machine::pin(party);
                (0..=count).for_each(|_| wait());
            });
        }
        machine::pin(0);
        // All are there.
        wait();
        let start = Instant::now();
        (0..count).for_each(|_| wait());
        nanos = start.elapsed().as_nanos() as f64 / count as f64;
    });
    nanos
}

/// Nanoseconds for a round of `parties` tasks.
fn tasks<F: Future<Output = ()>>(parties: usize, count: usize, task: impl Fn() -> F) -> f64 {
    let mut arena = Arena::new((0..parties).map(|_| task()));
    executor::reset(parties);
    let start = Instant::now();
    (0..parties).for_each(executor::wake);
    let mut ended = 0;
    while let Some(task) = executor::next() {
        if arena.poll(task).is_ready() {
            executor::retire(task);
            ended += 1;
        }
    }
    assert_eq!(ended, parties, "a task waits for ever");
    start.elapsed().as_nanos() as f64 / count as f64
}

fn ours(parties: usize) -> Arc<CyclicBarrier<()>> {
    Arc::new(CyclicBarrier::new(parties).expect("somebody comes").named("bench"))
}

pub(crate) fn run(bench: &mut Bench) {
    let effort = bench.effort();
    for parties in [2, 4] {
        let (rounds, count) = effort.pick((11, 5_000), (3, 1_000), (1, 20));
        let name = format!("barrier/threads/{parties}");
        bench.table(name, Unit::Nanoseconds, "std", rounds, || {
            let (one, two) = (ours(parties), std::sync::Barrier::new(parties));
            vec![
                Row::new("portunus", move || {
                    threads(parties, count, || {
                        one.wait(None).expect("nobody breaks it");
                    })
                }),
                Row::new("std", move || {
                    threads(parties, count, || {
                        two.wait();
                    })
                }),
            ]
        });
    }
    for parties in [2, 16, 1_000] {
        let (rounds, total) = effort.pick((11, 200_000), (3, 50_000), (1, 2_000));
        let count = (total / parties).max(2);
        let name = format!("barrier/tasks/{parties}");
        bench.table(name, Unit::Nanoseconds, "tokio", rounds, || {
            let one = ours(parties);
            let two = Arc::new(tokio::sync::Barrier::new(parties));
            let three = Arc::new(async_lock::Barrier::new(parties));
            vec![
                Row::new("portunus", move || {
                    tasks(parties, count, || {
                        let one = Arc::clone(&one);
                        async move {
                            for _ in 0..count {
                                one.wait_async(None).await.expect("nobody breaks it");
                            }
                        }
                    })
                }),
                Row::new("tokio", move || {
                    tasks(parties, count, || {
                        let two = Arc::clone(&two);
                        async move {
                            for _ in 0..count {
                                two.wait().await;
                            }
                        }
                    })
                }),
                Row::new("async-lock", move || {
                    tasks(parties, count, || {
                        let three = Arc::clone(&three);
                        async move {
                            for _ in 0..count {
                                three.wait().await;
                            }
                        }
                    })
                }),
            ]
        });
    }
}
