//! Barriers.

use std::boxed::Box;
use std::sync::Arc;
use std::task::Context;

use shuttle::future::block_on;

use super::{SCHEDULES, Scheduled, drawn, explore, task, together};
use crate::atomic::{Ordering::Relaxed, Tally};
use crate::barrier::{BarrierState, Fixed};
use crate::{CyclicBarrier, StatefulBarrier};

/// Eight meet; half of them are tasks.
#[test]
fn all_pass_a_barrier() {
    fn story() {
        let barrier = Arc::new(StatefulBarrier::<usize, Scheduled, Fixed<8>>::full());
        let passed = Arc::new(Tally::new(0));
        together((0..8).map(|party| {
            let (barrier, passed) = (Arc::clone(&barrier), Arc::clone(&passed));
            move || {
                let states = if party % 2 == 0 {
                    barrier.wait(party).map(|states| states.len())
                } else {
                    block_on(barrier.wait_async(party)).map(|states| states.len())
                };
                assert_eq!(states.ok(), Some(8));
                passed.fetch_add(1, Relaxed);
            }
        }));
        assert_eq!(passed.load(Relaxed), 8);
    }
    explore(SCHEDULES, story);
}

/// What a reset breaks is not the barrier: nobody finds that broken, and who then
/// aborts it is the first.
#[test]
fn a_reset_breaks_nothing() {
    fn story() {
        let barrier = Arc::new(CyclicBarrier::<usize, Scheduled>::new(2).expect("not none"));
        // Some have come and left: there is a round.
        let mut wait = Box::pin(barrier.wait_async(1));
        assert!(wait.as_mut().poll(&mut Context::from_waker(&task())).is_pending());
        drop(wait);
        together((0..3).map(|party| {
            let barrier = Arc::clone(&barrier);
            move || match party {
                0 => barrier.reset(),
                1 => {
                    for _ in 0..drawn(3) {
                        assert_eq!(barrier.state(), BarrierState::Waiting);
                    }
                    assert!(barrier.abort());
                }
                _ => {
                    let mut wait = Box::pin(barrier.wait_async(2));
                    let _ = wait.as_mut().poll(&mut Context::from_waker(&task()));
                }
            }
        }));
    }
    explore(SCHEDULES, story);
}
