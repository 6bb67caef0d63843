//! The faces of requests for several units: timed and owned.

#![cfg(all(feature = "std", feature = "alloc"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use portunus::rules::{self, Permit};
use portunus::sync::{FifoLock, Semaphore};

const MOMENT: Duration = Duration::from_millis(20);

#[test]
fn a_lock_is_asked_for_several_with_a_limit() {
    let lock = FifoLock::new(rules::Semaphore::new(3));
    let two = lock.acquire_many_for(Permit::Permit, 2, MOMENT).expect("there are 3");
    assert_eq!(two.as_ref().map(|hold| hold.weight()), Some(2));
    let start = Instant::now();
    assert!(lock.acquire_many_for(Permit::Permit, 2, MOMENT).expect("there are 3").is_none());
    assert!(start.elapsed() >= MOMENT, "it ended early");
    let deadline = Instant::now() + MOMENT;
    assert!(lock.acquire_many_until(Permit::Permit, 2, deadline).expect("there are 3").is_none());
    assert!(Instant::now() >= deadline, "it ended early");
    assert_eq!((lock.waiting(), lock.holders(Permit::Permit)), (0, 2));
    let error = lock.acquire_many_for(Permit::Permit, 4, MOMENT).expect_err("there are 3");
    assert_eq!((error.requested(), error.limit()), (4, 3));
    assert!(lock.acquire_many_for(Permit::Permit, 0, Duration::ZERO).expect("nothing").is_some());
}

#[test]
fn a_hold_of_several_keeps_its_lock() {
    let lock = Arc::new(FifoLock::<rules::Semaphore>::new(rules::Semaphore::new(3)));
    let hold = lock.acquire_many_owned(Permit::Permit, 3).expect("there are 3");
    assert_eq!((hold.weight(), Arc::strong_count(&lock)), (3, 2));
    assert!(lock.acquire_many_owned(Permit::Permit, 4).is_err());
    drop(hold);
    assert!(!lock.is_locked());
}

#[test]
fn permits_are_asked_for_several_with_a_limit() {
    let semaphore = Arc::new(Semaphore::new(3));
    let two = semaphore.try_acquire_many_owned(2).expect("there are 3").expect("they are free");
    assert_eq!(two.count(), 2);
    assert!(semaphore.try_acquire_many_owned(2).expect("there are 3").is_none());
    assert!(semaphore.try_acquire_many_owned(4).is_err());
    let deadline = Instant::now() + MOMENT;
    assert!(semaphore.acquire_many_until(2, deadline).expect("there are 3").is_none());
    assert!(Instant::now() >= deadline, "it ended early");
    assert!(semaphore.acquire_many_for(0, Duration::ZERO).expect("nothing").is_some());
    drop(two);
    assert_eq!((semaphore.available_permits(), semaphore.waiting()), (3, 0));
}
