//! A value that is waited for, beside tokio's `watch`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Wake, Waker};
use std::time::Instant;

use portunus::sync::Accessor;
use tokio::sync::watch;

use super::harness::{Bench, Row, Unit};

const TOKIO: &str = "tokio watch";

pub(crate) fn run(bench: &mut Bench) {
    let effort = bench.effort();
    let rounds = effort.pick(60, 12, 1);
    let count = effort.pick(20_000, 5_000, 10);
    let (name, crowd) = ("accessor/turn".to_owned(), effort.parties(1000, 4));
    bench.table(name, Unit::Nanoseconds, TOKIO, rounds, || {
        vec![
            Row::new("portunus", move || portunus_turn(count)),
            Row::new(TOKIO, move || tokio_turn(count)),
        ]
    });
    let sets = effort.pick(100, 20, 2);
    bench.table(format!("accessor/one of {crowd}"), Unit::Nanoseconds, TOKIO, rounds, || {
        vec![
            Row::new("portunus", move || portunus_one_of(crowd, sets)),
            Row::new(TOKIO, move || tokio_one_of(crowd, sets)),
        ]
    });
}

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(waker)) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}

/// Nanoseconds for a value that is waited for, set, and taken.
fn portunus_turn(count: usize) -> f64 {
    let value: &'static _ = Box::leak(Box::new(Accessor::new(0)));
    let waker = Waker::from(Arc::new(Bell::default()));
    let start = Instant::now();
    for turn in 1..=count {
        let mut get = std::pin::pin!(value.get_async());
        assert_eq!(poll(get.as_mut(), &waker), None);
        value.set(turn);
        assert_eq!(poll(get.as_mut(), &waker), Some(turn));
    }
    start.elapsed().as_nanos() as f64 / count as f64
}

fn tokio_turn(count: usize) -> f64 {
    let (sender, mut receiver) = watch::channel(0);
    let waker = Waker::from(Arc::new(Bell::default()));
    let start = Instant::now();
    for turn in 1..=count {
        {
            let mut changed = std::pin::pin!(receiver.changed());
            assert!(poll(changed.as_mut(), &waker).is_none());
            sender.send_replace(turn);
            assert!(poll(changed.as_mut(), &waker).is_some());
        }
        assert_eq!(*receiver.borrow_and_update(), turn);
    }
    start.elapsed().as_nanos() as f64 / count as f64
}

/// What each of a crowd waits for is its own number. Nanoseconds for one write,
/// and for all who are woken by it to look.
fn portunus_one_of(crowd: usize, sets: usize) -> f64 {
    let value: &'static _ = Box::leak(Box::new(Accessor::new(usize::MAX)));
    let bells: Vec<_> = (0..crowd).map(|_| Arc::new(Bell::default())).collect();
    let wakers: Vec<_> = bells.iter().map(|bell| Waker::from(Arc::clone(bell))).collect();
    let wait = |wanted: usize| Box::pin(value.get_where_async(move |v| *v == wanted));
    let mut gets: Vec<_> = (0..crowd).map(wait).collect();
    for (get, waker) in gets.iter_mut().zip(&wakers) {
        assert_eq!(poll(get.as_mut(), waker), None);
    }
    let start = Instant::now();
    for set in 0..sets {
        let lucky = set * 7 % crowd;
        value.set(lucky);
        let woken = (0..crowd).filter(|at| bells[*at].0.swap(0, Relaxed) != 0);
        let woken: Vec<_> = woken.collect();
        assert_eq!(woken, [lucky], "one predicate held");
        assert_eq!(poll(gets[lucky].as_mut(), &wakers[lucky]), Some(lucky));
        value.set(usize::MAX);
        gets[lucky] = wait(lucky);
        assert_eq!(poll(gets[lucky].as_mut(), &wakers[lucky]), None);
    }
    start.elapsed().as_nanos() as f64 / sets as f64
}

fn tokio_one_of(crowd: usize, sets: usize) -> f64 {
    let (sender, receiver) = watch::channel(usize::MAX);
    let bells: Vec<_> = (0..crowd).map(|_| Arc::new(Bell::default())).collect();
    let wakers: Vec<_> = bells.iter().map(|bell| Waker::from(Arc::clone(bell))).collect();
    let wait = |wanted: usize| {
        let mut receiver = receiver.clone();
        Box::pin(async move {
            let found = receiver.wait_for(|v| *v == wanted).await;
            *found.expect("the sender is there")
        })
    };
    let mut gets: Vec<_> = (0..crowd).map(wait).collect();
    for (get, waker) in gets.iter_mut().zip(&wakers) {
        assert_eq!(poll(get.as_mut(), waker), None);
    }
    let start = Instant::now();
    for set in 0..sets {
        let lucky = set * 7 % crowd;
        for new in [lucky, usize::MAX] {
            sender.send_replace(new);
            for at in 0..crowd {
                // All are woken, and have to look.
                if bells[at].0.swap(0, Relaxed) != 0
                    && let Some(found) = poll(gets[at].as_mut(), &wakers[at])
                {
                    assert_eq!((found, at), (new, lucky));
                    gets[at] = wait(at);
                    if new == usize::MAX {
                        assert_eq!(poll(gets[at].as_mut(), &wakers[at]), None);
                    }
                }
            }
        }
        // Its new wait begins when the number is another one again.
        assert_eq!(poll(gets[lucky].as_mut(), &wakers[lucky]), None);
    }
    start.elapsed().as_nanos() as f64 / sets as f64
}
