//! Semaphores in a segment whose number of permits changes.

#![cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

mod support;

use std::thread;
use std::time::Duration;

use portunus::shm::{Options, Segment, Semaphore};

use support::until;

fn semaphore(permits: u32) -> Segment<Semaphore> {
    Segment::memfd(&Options::new().records(64), permits).unwrap().0
}

#[test]
fn more_let_in_and_fewer_wait_for_what_is_out() {
    let permits = semaphore(1);
    let ours = permits.acquire().unwrap();
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..2)
            .map(|i| {
                let waiter = scope.spawn(|| permits.acquire().unwrap());
                until("it waits", || permits.waiting() == i + 1);
                waiter
            })
            .collect();
        permits.resize(3).unwrap();
        let theirs: Vec<_> = waiters.into_iter().map(|waiter| waiter.join().unwrap()).collect();
        assert_eq!((permits.permits(), permits.available_permits()), (3, 0));
        permits.resize(1).unwrap();
        assert_eq!((permits.permits(), permits.available_permits()), (1, 0));
        drop(theirs);
        assert_eq!(permits.available_permits(), 0, "one too many was out, and one is");
        assert!(permits.try_acquire().unwrap().is_none());
        drop(ours);
        assert_eq!(permits.available_permits(), 1);
    });
}

#[test]
fn requests_beyond_the_new_number_end_and_those_behind_go_on() {
    let permits = semaphore(4);
    let ours = permits.acquire().unwrap();
    thread::scope(|scope| {
        let many = scope.spawn(|| permits.acquire_many(4).map(drop));
        until("it waits", || permits.waiting() == 1);
        let timed = scope.spawn(|| {
            let long = Duration::from_secs(60);
            permits.acquire_many_for(3, long).map(|got| got.unwrap().is_some())
        });
        until("it waits", || permits.waiting() == 2);
        let one = scope.spawn(|| drop(permits.acquire().unwrap()));
        until("it waits", || permits.waiting() == 3);
        permits.resize(2).unwrap();
        let error = many.join().unwrap().unwrap_err();
        assert_eq!((error.requested(), error.limit()), (4, 2));
        let error = timed.join().unwrap().unwrap_err();
        assert_eq!((error.requested(), error.limit()), (3, 2));
        one.join().unwrap();
        assert_eq!(permits.acquire_many(3).unwrap_err().limit(), 2, "at the door");
    });
    drop(ours);
    assert_eq!(permits.available_permits(), 2);
}

#[test]
fn a_gate_of_none_is_opened_and_too_many_are_refused() {
    let permits = semaphore(0);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| drop(permits.acquire().unwrap()));
        until("it waits", || permits.waiting() == 1);
        permits.resize(0).unwrap();
        assert_eq!(permits.waiting(), 1, "it waits for whatever comes");
        permits.resize(1).unwrap();
        waiter.join().unwrap();
    });
    permits.resize(Semaphore::MAX_PERMITS).unwrap();
    assert!(permits.resize(Semaphore::MAX_PERMITS + 1).is_err());
    assert_eq!(permits.available_permits(), Semaphore::MAX_PERMITS as usize);
}

#[cfg(feature = "async")]
#[test]
fn a_task_is_refused_in_the_line() {
    let permits = semaphore(3);
    let ours = permits.acquire().unwrap();
    thread::scope(|scope| {
        let task = scope.spawn(|| smol::block_on(permits.acquire_many_async(3)).map(drop));
        until("it waits", || permits.waiting() == 1);
        let one = scope.spawn(|| drop(smol::block_on(permits.acquire_async()).unwrap()));
        until("it waits", || permits.waiting() == 2);
        permits.resize(2).unwrap();
        assert_eq!(task.join().unwrap().unwrap_err().limit(), 2);
        one.join().unwrap();
    });
    drop(ours);
    assert_eq!(permits.available_permits(), 2);
}
