//! Counts that never wrap.

use std::sync::Arc;
use std::thread;

use portunus::{Counter, CounterError, IntCounter};

static COUNT: IntCounter = IntCounter::new();

#[test]
fn it_counts_up_and_down_and_says_how_far() {
    assert!(COUNT.is_zero());
    assert_eq!(COUNT.increment(), Ok(1));
    assert_eq!(COUNT.increment(), Ok(2));
    assert!(!COUNT.is_zero());
    assert_eq!(COUNT.value(), 2);
    assert_eq!(COUNT.decrement(), Ok(1));
    assert_eq!(COUNT.decrement(), Ok(0));
    assert!(COUNT.is_zero());
}

#[test]
fn below_zero_is_an_error_and_zero_stays() {
    let count = IntCounter::new();
    assert_eq!(count.decrement(), Err(CounterError::Underflow));
    assert!(count.is_zero());
    assert_eq!(count.increment(), Ok(1));
    assert!(CounterError::Underflow.to_string().contains("zero"));
}

#[test]
fn beyond_the_last_number_is_an_error_and_the_count_stays() {
    let limit = usize::MAX as u64;
    let count = IntCounter::starting_at(usize::MAX);
    assert_eq!(count.increment(), Err(CounterError::Overflow { limit }));
    assert_eq!(count.value(), limit);
    assert_eq!(count.decrement(), Ok(limit - 1));
    assert!(CounterError::Overflow { limit }.to_string().contains(&limit.to_string()));
}

#[test]
fn what_leads_to_a_counter_is_one() {
    fn visit(inside: impl Counter) -> [Result<u64, CounterError>; 3] {
        [inside.increment(), Ok(inside.value()), inside.decrement()]
    }
    let count = Arc::new(IntCounter::starting_at(1));
    assert_eq!(visit(Arc::clone(&count)), [Ok(2), Ok(2), Ok(1)]);
    let boxed: Box<dyn Counter> = Box::new(Arc::clone(&count));
    assert_eq!(boxed.decrement(), Ok(0));
    assert_eq!(visit(boxed), [Ok(1), Ok(1), Ok(0)]);
    assert!(count.is_zero());
}

/// The original adds and takes away in two steps, and loses some.
#[test]
fn no_step_of_ten_threads_is_lost() {
    let count = Arc::new(IntCounter::new());
    let threads: Vec<_> = (0..10)
        .map(|_| {
            let count = Arc::clone(&count);
            thread::spawn(move || {
                for _ in 0..1000 {
                    count.increment().expect("room");
                    count.increment().expect("room");
                    count.decrement().expect("there is one");
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
    assert_eq!(count.value(), 10_000);
}

/// Exactly one of many is the last to leave.
#[test]
fn one_of_many_is_told_that_it_is_the_last() {
    for _ in 0..100 {
        let count = IntCounter::starting_at(4);
        let lasts: usize = thread::scope(|scope| {
            let leave = || scope.spawn(|| usize::from(count.decrement() == Ok(0)));
            [leave(), leave(), leave(), leave()].map(|it| it.join().expect("no panic")).iter().sum()
        });
        assert_eq!(lasts, 1);
    }
}

#[test]
fn debug_shows_the_count() {
    assert_eq!(format!("{:?}", IntCounter::starting_at(3)), "IntCounter(3)");
}
