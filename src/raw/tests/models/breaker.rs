//! The circuit breaker's word and its time, by two and three threads.

use core::time::Duration;
use std::vec::Vec;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use loom::thread;

use super::shop::explore;
use crate::circuit_breaker::{CircuitBreaker, CircuitError, CircuitSettings, CircuitState};
use crate::clock::Clock;

/// A clock that is moved by hand, and that orders nothing.
///
/// Loom does not watch it: it moves only where one thread runs.
#[derive(Clone)]
struct Moved(std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl Moved {
    fn to(&self, seconds: usize) {
        self.0.store(seconds, SeqCst);
    }
}

impl Clock for Moved {
    fn now(&self) -> Duration {
        // All parts of the time differ from those of any other time.
        let now = self.0.load(SeqCst) as u64;
        Duration::new(now << 32 | now, now as u32)
    }
}

type Breaker = CircuitBreaker<Moved>;

const RESET: Duration = Duration::new(9 << 32 | 9, 9);

fn breaker(max_fails: u32, tries: u32) -> (Arc<Breaker>, Moved) {
    let clock = Moved(std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0)));
    let settings = CircuitSettings::new(max_fails, RESET, tries).expect("in range").named("model");
    (Arc::new(CircuitBreaker::with_settings(settings, clock.clone())), clock)
}

fn fail(breaker: &Breaker) -> Result<(), CircuitError<()>> {
    breaker.call(|| Err(()))
}

/// One opens the circuit while another calls: it is let in, or refused for the
/// whole time.
#[test]
fn an_open_circuit_has_its_time() {
    explore(None, || {
        let (breaker, clock) = breaker(1, 1);
        clock.to(20);
        let opener = Arc::clone(&breaker);
        let opener = thread::spawn(move || {
            let _ = fail(&opener);
        });
        match breaker.call(|| Ok::<_, ()>(())) {
            Ok(()) => {}
            Err(CircuitError::Open { retry_after, .. }) => {
                assert_eq!(retry_after, RESET + Duration::from_nanos(1));
            }
            Err(error) => panic!("nobody had waited: {error:?}"),
        }
        opener.join().expect("no panic");
        assert_eq!(breaker.state(), CircuitState::Open);
        let refused = breaker.try_enter().expect_err("it is open");
        let CircuitError::Open { retry_after, .. } = refused else { panic!("{refused:?}") };
        assert_eq!(retry_after, RESET + Duration::from_nanos(1));
    });
}

/// A circuit that opened at 1 is tried and opens again at 20, beside two that
/// ask: no answer mixes the parts of both times.
#[test]
fn a_time_is_never_of_two_openings() {
    explore(None, || {
        let (breaker, clock) = breaker(1, 1);
        clock.to(1);
        let _ = fail(&breaker);
        clock.to(20);
        let trial = Arc::clone(&breaker);
        let trial = thread::spawn(move || fail(&trial));
        // The trial, a refusal of a half-open circuit, or one of a circuit
        // that opened at 20 just now. Half of either time would be elsewhere.
        let mut tried = false;
        match breaker.try_enter() {
            Ok(permit) => {
                tried = true;
                permit.failure();
            }
            Err(CircuitError::HalfOpen { .. }) => {}
            Err(CircuitError::Open { retry_after, .. }) => {
                assert_eq!(retry_after, RESET + Duration::from_nanos(1));
            }
            Err(CircuitError::Inner(never)) => match never {},
        }
        let other = trial.join().expect("no panic");
        assert_ne!(tried, other == Err(CircuitError::Inner(())), "one of them tried");
    });
}

/// Two callers and one try, more than `reset` after it opened.
#[test]
fn no_more_tries_than_allowed() {
    explore(None, || {
        let (breaker, clock) = breaker(1, 2);
        let _ = fail(&breaker);
        clock.to(10);
        let inside = Arc::new(AtomicUsize::new(0));
        let first = breaker.try_enter().expect("the first try");
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let (breaker, inside) = (Arc::clone(&breaker), Arc::clone(&inside));
                thread::spawn(move || match breaker.try_enter() {
                    Ok(permit) => {
                        // Kept for ever.
                        core::mem::forget(permit);
                        inside.fetch_add(1, SeqCst);
                    }
                    Err(error) => {
                        assert!(matches!(error, CircuitError::HalfOpen { tries: 2, .. }));
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.join().expect("no panic");
        }
        assert_eq!(inside.load(SeqCst), 1, "one try was left");
        first.failure();
        assert_eq!((breaker.state(), breaker.fails()), (CircuitState::HalfOpen, 1));
    });
}

/// A call of the closed circuit fails while the circuit opens and is tried.
#[test]
fn an_outcome_counts_where_it_was_let_in() {
    explore(None, || {
        let (breaker, clock) = breaker(1, 2);
        let late = breaker.try_enter().expect("closed");
        let _ = fail(&breaker);
        clock.to(10);
        let other = Arc::clone(&breaker);
        let other = thread::spawn(move || {
            let permit = other.try_enter().expect("the first try");
            permit.failure();
        });
        late.failure();
        other.join().expect("no panic");
        assert_eq!((breaker.state(), breaker.fails()), (CircuitState::HalfOpen, 1));
        // And a try is left.
        assert_eq!(breaker.call(|| Ok::<_, ()>(7)), Ok(7));
        assert_eq!(breaker.state(), CircuitState::Closed);
    });
}

/// Failures of two threads are all counted, and open once.
#[test]
fn failures_in_a_row_are_counted_by_all() {
    explore(None, || {
        let (breaker, _) = breaker(3, 1);
        let other = Arc::clone(&breaker);
        let other = thread::spawn(move || {
            let _ = fail(&other);
        });
        let _ = fail(&breaker);
        other.join().expect("no panic");
        assert_eq!((breaker.state(), breaker.fails()), (CircuitState::Closed, 2));
        let _ = fail(&breaker);
        assert_eq!(breaker.state(), CircuitState::Open);
    });
}

/// A try that is given back while another one fails leaves the circuit able to
/// go on.
#[test]
fn a_try_that_is_given_back_can_be_made() {
    explore(None, || {
        let (breaker, clock) = breaker(1, 2);
        let _ = fail(&breaker);
        clock.to(10);
        let first = breaker.try_enter().expect("the first try");
        let other = Arc::clone(&breaker);
        let other = thread::spawn(move || drop(other.try_enter().expect("the second try")));
        first.failure();
        other.join().expect("no panic");
        assert_eq!(breaker.state(), CircuitState::HalfOpen);
        let _ = fail(&breaker);
        assert_eq!(breaker.state(), CircuitState::Open);
    });
}
