//! Barriers.

use std::sync::Arc;

use shuttle::future::block_on;

use super::{SCHEDULES, Scheduled, explore, together};
use crate::StatefulBarrier;
use crate::atomic::{Ordering::Relaxed, Tally};
use crate::barrier::Fixed;

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
