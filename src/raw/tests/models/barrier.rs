//! The barrier: parties that come, leave, time out and abort at once.

use std::boxed::Box;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec::Vec;

use loom::sync::Arc;
use loom::thread;

use super::shop::{Model, Now, explore, join, this_thread};
use crate::barrier::{BarrierError, BarrierState, Fixed, GatheredRef, StatefulBarrier};

type Barrier = StatefulBarrier<u32, Model, Fixed<3>>;

fn barrier(parties: usize) -> Arc<Barrier> {
    Arc::new(StatefulBarrier::<u32, Model, Fixed<3>>::new(parties).expect("there is room"))
}

fn sum(gathered: &GatheredRef<'_, u32>) -> u32 {
    gathered.iter().sum()
}

/// Two threads meet, or three.
#[test]
fn all_pass_when_all_have_come() {
    for parties in [2, 3] {
        explore(Some(if parties == 2 { 5 } else { 3 }), move || {
            let barrier = barrier(parties);
            let threads: Vec<_> = (1..parties as u32)
                .map(|number| {
                    let barrier = Arc::clone(&barrier);
                    thread::spawn(move || {
                        let gathered = barrier.wait(number).expect("all come");
                        assert_eq!(gathered.len(), parties);
                    })
                })
                .collect();
            let gathered = barrier.wait(100).expect("all come");
            assert_eq!(sum(&gathered), 100 + (1..parties as u32).sum::<u32>());
            join(threads);
            assert_eq!((barrier.state(), barrier.waiting()), (BarrierState::Tripped, 0));
        });
    }
}

/// One comes and leaves while two others meet: they may see it, but never half
/// of it.
#[test]
fn one_that_leaves_takes_its_state_along() {
    explore(Some(3), || {
        let barrier = barrier(2);
        let other = Arc::clone(&barrier);
        let other = thread::spawn(move || {
            let waker = this_thread();
            let mut future = Box::pin(other.wait_async(7));
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                // It was the last one.
                Poll::Ready(gathered) => Some(sum(&gathered.expect("nobody breaks it"))),
                Poll::Pending => None,
            }
        });
        let again = Arc::clone(&barrier);
        let again = thread::spawn(move || again.wait(1).map(|gathered| sum(&gathered)));
        let left = other.join().expect("no panic");
        match left {
            Some(sum) => assert_eq!(sum, 8),
            // It may have been counted, if it left too late.
            None if barrier.state() == BarrierState::Tripped => {}
            None => {
                let gathered = barrier.wait(2).expect("nobody breaks it");
                assert_eq!((sum(&gathered), gathered.len()), (3, 2));
            }
        }
        again.join().expect("no panic").expect("nobody breaks it");
    });
}

/// The time of one is over while the other comes.
#[test]
fn a_time_that_is_over_ends_it_for_both() {
    explore(Some(4), || {
        let barrier = barrier(2);
        let other = Arc::clone(&barrier);
        let other = thread::spawn(move || {
            other.wait_limited(&mut Some(7), &Now).map(|gathered| sum(&gathered))
        });
        let mine = barrier.wait(1).map(|gathered| sum(&gathered));
        let theirs = other.join().expect("no panic");
        match theirs {
            Ok(sum) => assert_eq!((sum, mine), (8, Ok(8))),
            Err(BarrierError::TimedOut { .. }) => {
                let error = mine.expect_err("it is broken for both");
                assert_eq!(error.reason(), BarrierState::TimedOut);
                assert!(matches!(error, BarrierError::Broken { .. }));
            }
            Err(error) => panic!("nobody else breaks it: {error}"),
        }
    });
}

/// A thread waits, a task waits, and somebody aborts.
#[test]
fn an_abort_is_heard_by_all() {
    explore(Some(3), || {
        let barrier = barrier(3);
        let other = Arc::clone(&barrier);
        let other = thread::spawn(move || {
            let error = other.wait(7).expect_err("they are never three");
            assert_eq!(error.reason(), BarrierState::Aborted);
        });
        let task = Arc::clone(&barrier);
        let task = thread::spawn(move || {
            let waker = this_thread();
            let mut future: Pin<Box<_>> = Box::pin(task.wait_async(1));
            loop {
                match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    Poll::Ready(end) => break assert!(end.is_err()),
                    Poll::Pending => thread::park(),
                }
            }
        });
        assert!(barrier.abort());
        assert!(!barrier.abort());
        join(Vec::from([other, task]));
        assert_eq!((barrier.state(), barrier.waiting()), (BarrierState::Aborted, 0));
    });
}
