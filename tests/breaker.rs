//! The circuit breaker: the cases of its specification, random histories
//! against a plain model, tasks, threads and panics.

#![cfg(all(feature = "std", feature = "async"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

mod support;

use std::convert::Infallible;
use std::future::{pending, ready as now};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use portunus::circuit_breaker::{
    CircuitBreaker, CircuitChange, CircuitError, CircuitPermit, CircuitSettings,
    CircuitSettingsError, CircuitState, DEFAULT_MAX_FAILS, DEFAULT_MAX_HALF_OPEN_CALLS,
    DEFAULT_RESET,
};
use portunus::clock::{ManualClock, StdClock, TickClock};
use portunus::{Clock, Name};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use support::executor::{Executor, RunQueue, Smol, TokioCurrent, TokioMulti};
use support::{Hand, panic_of, ready};

use CircuitState::{Closed, HalfOpen, Open};

type Breaker<'a> = CircuitBreaker<&'a ManualClock>;

const NANO: Duration = Duration::from_nanos(1);

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn breaker(clock: &ManualClock, max_fails: u32, reset: u64, tries: u32) -> Breaker<'_> {
    let settings = CircuitSettings::new(max_fails, seconds(reset), tries).unwrap().named("test");
    CircuitBreaker::with_settings(settings, clock)
}

/// A call that fails.
#[track_caller]
fn fail<C: Clock>(breaker: &CircuitBreaker<C>) {
    assert_eq!(breaker.call(|| Err::<(), _>("no")), Err(CircuitError::Inner("no")));
}

/// A call that succeeds.
#[track_caller]
fn succeed<C: Clock>(breaker: &CircuitBreaker<C>) {
    assert_eq!(breaker.call(|| Ok::<_, &str>(7)), Ok(7));
}

/// A call that is refused because the circuit is open.
#[track_caller]
fn is_open<C: Clock>(breaker: &CircuitBreaker<C>, retry_after: Duration) {
    let called = AtomicBool::new(false);
    let end = breaker.call(|| {
        called.store(true, SeqCst);
        Ok::<_, ()>(())
    });
    assert_eq!(end, Err(CircuitError::Open { name: breaker.name(), retry_after }));
    assert!(!called.load(SeqCst));
}

#[track_caller]
fn is_half_open<C: Clock>(breaker: &CircuitBreaker<C>, tries: u32) {
    let end = breaker.call(|| -> Result<(), ()> { unreachable!("all tries are taken") });
    assert_eq!(end, Err(CircuitError::HalfOpen { name: breaker.name(), tries }));
}

#[track_caller]
fn stands<C: Clock>(breaker: &CircuitBreaker<C>, state: CircuitState, fails: u32) {
    assert_eq!((breaker.state(), breaker.fails()), (state, fails));
}

#[test]
fn al_3_failing_calls_give_the_default_until_it_opens() {
    let clock = ManualClock::new();
    let breaker = breaker(&clock, 3, 10, 2);
    for _ in 0..3 {
        assert_eq!(breaker.call_or(0, || Err("no")), Ok(0));
    }
    let refused = breaker.call_or(0, || Ok::<_, &str>(1));
    assert_eq!(
        refused,
        Err(CircuitError::Open { name: breaker.name(), retry_after: seconds(10) + NANO })
    );
    clock.advance(seconds(20));
    // Two tries: the second failure opens it again.
    assert_eq!(breaker.call_or(0, || Err("no")), Ok(0));
    stands(&breaker, HalfOpen, 1);
    assert_eq!(breaker.call_or(0, || Err("no")), Ok(0));
    stands(&breaker, Open, 0);
    clock.advance(seconds(20));
    succeed(&breaker);
    stands(&breaker, Closed, 0);
}

#[test]
fn al_9_a_success_begins_the_count_anew_and_reset_has_to_pass_whole() {
    let clock = ManualClock::new();
    let breaker = breaker(&clock, 3, 10, 2);
    fail(&breaker);
    stands(&breaker, Closed, 1);
    fail(&breaker);
    stands(&breaker, Closed, 2);
    succeed(&breaker);
    stands(&breaker, Closed, 0);
    fail(&breaker);
    stands(&breaker, Closed, 1);
    fail(&breaker);
    fail(&breaker);
    stands(&breaker, Open, 0);
    clock.advance(seconds(10));
    is_open(&breaker, NANO);
    clock.advance(NANO);
    succeed(&breaker);
    stands(&breaker, Closed, 0);
}

#[test]
fn al_10_one_try_opens_it_again_and_it_can_be_tried_for_ever() {
    let clock = ManualClock::new();
    let breaker = breaker(&clock, 3, 10, 1);
    (0..3).for_each(|_| fail(&breaker));
    for _ in 0..5 {
        clock.advance(seconds(11));
        fail(&breaker);
        stands(&breaker, Open, 0);
        is_open(&breaker, seconds(10) + NANO);
    }
    clock.advance(seconds(11));
    succeed(&breaker);
    stands(&breaker, Closed, 0);
}

#[test]
fn al_11_of_four_calls_at_once_two_are_tries() {
    let clock = ManualClock::new();
    let breaker = breaker(&clock, 1, 10, 2);
    fail(&breaker);
    clock.advance(seconds(11));
    let hand = Hand::new();
    let call = || breaker.call_async::<(), ()>(pending());
    let mut calls = [(); 4].map(|()| Box::pin(call()));
    let ends = calls.each_mut().map(|call| hand.poll(call));
    let refused = Err(CircuitError::HalfOpen { name: Name::Given("test"), tries: 2 });
    assert!(ends[0].is_pending() && ends[1].is_pending());
    assert_eq!(ends[2..].iter().cloned().map(ready).collect::<Vec<_>>(), [refused, refused]);
    stands(&breaker, HalfOpen, 0);
}

#[test]
fn al_12_a_try_that_ends_after_its_time_is_ignored() {
    let clock = ManualClock::new();
    let breaker = breaker(&clock, 1, 10, 2);
    fail(&breaker);
    clock.advance(seconds(11));
    let slow = breaker.try_enter().unwrap();
    fail(&breaker);
    stands(&breaker, HalfOpen, 1);
    // The slow one is given back, and another one fails in its place.
    let slower = slow;
    let refused = breaker.try_enter().unwrap_err();
    assert_eq!(refused, CircuitError::HalfOpen { name: breaker.name(), tries: 2 });
    slower.failure();
    stands(&breaker, Open, 0);
    clock.advance(seconds(11));

    let slow = breaker.try_enter().unwrap();
    succeed(&breaker);
    stands(&breaker, Closed, 0);
    fail(&breaker);
    stands(&breaker, Open, 0);
    // It was let in before it closed and opened again.
    slow.success();
    stands(&breaker, Open, 0);
    is_open(&breaker, seconds(10) + NANO);
}

#[test]
fn a_late_failure_does_not_make_the_outage_longer() {
    let clock = ManualClock::new();
    let breaker = breaker(&clock, 1, 10, 2);
    let late = [(); 3].map(|()| breaker.try_enter().unwrap());
    fail(&breaker);
    clock.advance(seconds(9));
    let [first, second, third] = late;
    first.failure();
    is_open(&breaker, seconds(1) + NANO);
    clock.advance(seconds(2));
    let permit = breaker.try_enter().unwrap();
    second.failure();
    stands(&breaker, HalfOpen, 0);
    drop(third);
    permit.failure();
    stands(&breaker, HalfOpen, 1);
}

#[test]
fn a_late_success_does_not_close_what_opened_since() {
    let clock = ManualClock::new();
    let breaker = breaker(&clock, 1, 10, 2);
    let late = [(); 2].map(|()| breaker.try_enter().unwrap());
    fail(&breaker);
    let [first, second] = late;
    first.success();
    stands(&breaker, Open, 0);
    clock.advance(seconds(11));
    let permit = breaker.try_enter().unwrap();
    second.success();
    stands(&breaker, HalfOpen, 0);
    permit.success();
    stands(&breaker, Closed, 0);
}

#[test]
fn al_13_a_cancelled_call_counts_for_nothing() {
    let clock = ManualClock::new();
    let breaker = breaker(&clock, 2, 10, 1);
    let hand = Hand::new();
    fail(&breaker);
    let mut call = Box::pin(breaker.call_async::<(), ()>(pending()));
    assert!(hand.poll(&mut call).is_pending());
    drop(call);
    stands(&breaker, Closed, 1);
    fail(&breaker);
    clock.advance(seconds(11));
    // Not polled: not let in.
    drop(breaker.call_async::<(), ()>(pending()));
    stands(&breaker, Open, 0);
    for _ in 0..3 {
        let mut call = Box::pin(breaker.call_async::<(), ()>(pending()));
        assert!(hand.poll(&mut call).is_pending());
        stands(&breaker, HalfOpen, 0);
        is_half_open(&breaker, 1);
        drop(call);
    }
    let mut call = Box::pin(breaker.call_async(now(Ok::<_, ()>(3))));
    assert_eq!(ready(hand.poll(&mut call)), Ok(3));
    stands(&breaker, Closed, 0);
}

#[test]
fn al_14_a_default_of_none_is_given_but_not_when_it_is_open() {
    let clock = ManualClock::new();
    let breaker = breaker(&clock, 1, 10, 1);
    assert_eq!(breaker.call_or(None, || Err::<Option<u32>, _>("no")), Ok(None));
    let refused = breaker.call_or(None, || Ok::<_, &str>(Some(1)));
    assert!(refused.unwrap_err().is_refusal());
    let hand = Hand::new();
    let mut call = Box::pin(breaker.call_async_or(None, now(Ok::<_, &str>(Some(1)))));
    assert!(ready(hand.poll(&mut call)).unwrap_err().is_refusal());
    clock.advance(seconds(11));
    let mut call = Box::pin(breaker.call_async_or(None, now(Err::<Option<u32>, _>("no"))));
    assert_eq!(ready(hand.poll(&mut call)), Ok(None));
}

#[test]
fn each_way_to_call_counts_its_failures() {
    let clock = ManualClock::new();
    let breaker = breaker(&clock, 9, 10, 1);
    let hand = Hand::new();
    let inner = Err(CircuitError::Inner("no"));
    let fails = |_: ()| now(Err::<u32, _>("no"));
    let all = breaker.counting(|_: &&str| true);
    let wrapped = breaker.wrap(fails);
    assert_eq!(breaker.call(|| Err::<u32, _>("no")), inner);
    assert_eq!(ready(hand.poll(&mut Box::pin(breaker.call_async(fails(()))))), inner);
    assert_eq!(ready(hand.poll(&mut Box::pin(breaker.call_async_or(1, fails(()))))), Ok(1));
    assert_eq!(all.call(|| Err::<u32, _>("no")), inner);
    assert_eq!(ready(hand.poll(&mut Box::pin(all.call_async(fails(()))))), inner);
    assert_eq!(ready(hand.poll(&mut Box::pin(all.call_async_or(1, fails(()))))), Ok(1));
    assert_eq!(breaker.wrap(|()| Err::<u32, _>("no")).call(()), inner);
    stands(&breaker, Closed, 7);
    assert_eq!(ready(hand.poll(&mut Box::pin(wrapped.call_async(())))), inner);
    stands(&breaker, Closed, 8);
    fail(&breaker);
    stands(&breaker, Open, 0);
}

#[test]
fn an_error_that_does_not_count_is_given_and_gives_its_try_back() {
    let clock = ManualClock::new();
    let breaker = breaker(&clock, 1, 10, 1);
    let calls = breaker.counting(|error: &u32| *error > 3);
    assert_eq!(calls.call(|| Err::<(), _>(3)), Err(CircuitError::Inner(3)));
    assert_eq!(calls.call_or((), || Err(3)), Err(CircuitError::Inner(3)), "no default for it");
    stands(&breaker, Closed, 0);
    assert_eq!(calls.call_or((), || Err(4)), Ok(()));
    stands(&breaker, Open, 0);
    clock.advance(seconds(11));
    let hand = Hand::new();
    for _ in 0..3 {
        let mut call = Box::pin(calls.call_async(now(Err::<(), _>(3))));
        assert_eq!(ready(hand.poll(&mut call)), Err(CircuitError::Inner(3)));
        stands(&breaker, HalfOpen, 0);
    }
    let mut call = Box::pin(calls.call_async_or((), now(Err(3))));
    assert_eq!(ready(hand.poll(&mut call)), Err(CircuitError::Inner(3)));
    let mut call = Box::pin(calls.call_async_or((), now(Err(4))));
    assert_eq!(ready(hand.poll(&mut call)), Ok(()));
    stands(&breaker, Open, 0);
}

#[test]
fn several_functions_share_one_count() {
    let clock = ManualClock::new();
    let breaker = breaker(&clock, 2, 10, 1);
    let parse = breaker.wrap(|text: &str| text.parse::<u8>());
    let divide = breaker.wrap(|(a, b): (u32, u32)| a.checked_div(b).ok_or("by zero"));
    assert_eq!(parse.call("17"), Ok(17));
    assert_eq!(divide.call((6, 3)), Ok(2));
    assert!(parse.call("x").is_err());
    assert_eq!(divide.call((1, 0)), Err(CircuitError::Inner("by zero")));
    stands(&breaker, Open, 0);
    assert!(parse.call("17").unwrap_err().is_refusal());
}

async fn fetch(page: u32) -> Result<u32, String> {
    Ok(page + 1)
}

#[test]
fn a_wrapped_function_names_its_breaker() {
    let fetch = CircuitBreaker::around(CircuitSettings::DEFAULT, StdClock, fetch);
    let name = fetch.breaker().name().to_string();
    assert!(name.ends_with("breaker::fetch"), "{name}");
    let hand = Hand::new();
    assert_eq!(ready(hand.poll(&mut Box::pin(fetch.call_async(1)))), Ok(2));

    let closure =
        CircuitBreaker::around(CircuitSettings::DEFAULT, StdClock, |n: u32| Ok::<_, ()>(n));
    let name = closure.breaker().name().to_string();
    assert!(name.ends_with("a_wrapped_function_names_its_breaker"), "{name}");
    let given = CircuitSettings::DEFAULT.named("given");
    let given = CircuitBreaker::around(given, StdClock, |n: u32| Ok::<_, ()>(n));
    assert_eq!(given.breaker().name(), Name::Given("given"));
    assert_eq!(given.call(5), Ok(5));
}

/// An error that has a cause.
#[derive(Debug)]
struct Caused(std::num::ParseIntError);

impl std::fmt::Display for Caused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no number")
    }
}

impl std::error::Error for Caused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn names_states_and_errors_can_be_shown() {
    assert_eq!([Closed as u8, HalfOpen as u8, Open as u8], [0, 1, 2]);
    let clock = ManualClock::new();
    let (one, two) = (CircuitBreaker::new(&clock), CircuitBreaker::new(&clock));
    let (Name::Number(first), Name::Number(second)) = (one.name(), two.name()) else {
        panic!("nobody has named them");
    };
    assert!(first > 0 && first != second && one.name() == Name::Number(first));
    assert_eq!(
        (one.settings().max_fails(), one.settings().reset(), one.settings().max_half_open_calls()),
        (DEFAULT_MAX_FAILS, DEFAULT_RESET, DEFAULT_MAX_HALF_OPEN_CALLS)
    );
    let open =
        CircuitError::<Infallible>::Open { name: Name::Given("db"), retry_after: seconds(3) };
    assert_eq!(open.to_string(), "circuit breaker db is open; retry after 3s");
    let half = CircuitError::<String>::HalfOpen { name: Name::Number(2), tries: 5 };
    assert_eq!(half.to_string(), "circuit breaker #2 is half-open and its 5 tries are taken");
    assert_eq!(half.into_inner(), None);
    // It shows itself as its inner error, and so has the source of that one.
    let caused = CircuitError::Inner(Caused("x".parse::<u8>().unwrap_err()));
    assert_eq!(caused.to_string(), "no number");
    let source = std::error::Error::source(&caused).map(ToString::to_string);
    assert_eq!(source.as_deref(), Some("invalid digit found in string"));
    let inner = CircuitError::Inner("x".parse::<u8>().unwrap_err());
    assert_eq!(inner.to_string(), "invalid digit found in string");
    assert!(!inner.is_refusal() && inner.into_inner().is_some());
    assert!(format!("{one:?}").contains("state: Closed"));
}

#[test]
fn settings_out_of_range_are_refused() {
    use CircuitSettingsError::{MaxFails, MaxHalfOpenCalls};
    let new = |fails, tries| CircuitSettings::new(fails, seconds(1), tries);
    assert_eq!(new(0, 1), Err(MaxFails(0)));
    assert_eq!(new(65_536, 1), Err(MaxFails(65_536)));
    assert_eq!(new(1, 0), Err(MaxHalfOpenCalls(0)));
    assert_eq!(new(1, 256), Err(MaxHalfOpenCalls(256)));
    assert_eq!(MaxFails(0).to_string(), "max_fails of a circuit breaker is from 1 to 65535, not 0");
    // The limits themselves work.
    let clock = ManualClock::new();
    let breaker = CircuitBreaker::with_settings(new(65_535, 255).unwrap(), &clock);
    (1..65_535).for_each(|_| fail(&breaker));
    stands(&breaker, Closed, 65_534);
    fail(&breaker);
    stands(&breaker, Open, 0);
    clock.advance(seconds(2));
    let permits: Vec<_> = (0..255).map(|_| breaker.try_enter().unwrap()).collect();
    is_half_open(&breaker, 255);
    permits.into_iter().for_each(CircuitPermit::failure);
    stands(&breaker, Open, 0);
}

#[test]
fn times_of_any_size_are_kept_whole() {
    let clock = ManualClock::starting_at(Duration::new(u64::from(u32::MAX), 999_999_999));
    let breaker = breaker(&clock, 1, 10, 1);
    clock.advance(Duration::from_millis(1));
    fail(&breaker);
    is_open(&breaker, seconds(10) + NANO);
    clock.advance(seconds(10));
    is_open(&breaker, NANO);
    let never = CircuitSettings::new(1, Duration::MAX, 1).unwrap();
    let never = CircuitBreaker::with_settings(never, &clock);
    fail(&never);
    clock.advance(Duration::MAX);
    assert!(never.try_enter().is_err());
}

#[test]
fn a_static_breaker_ticks() {
    static TICKS: TickClock = TickClock::new(std::num::NonZeroU32::new(1_000).unwrap());
    static BREAKER: CircuitBreaker<&TickClock> = CircuitBreaker::new(&TICKS);
    (0..DEFAULT_MAX_FAILS).for_each(|_| fail(&BREAKER));
    TICKS.ticks_passed(30_000);
    is_open(&BREAKER, NANO);
    TICKS.tick();
    succeed(&BREAKER);
}

#[test]
fn the_observer_hears_each_change_and_may_use_the_breaker() {
    static CLOCK: ManualClock = ManualClock::new();
    static HEARD: Mutex<Vec<(CircuitState, CircuitState, CircuitState)>> = Mutex::new(Vec::new());
    const SETTINGS: CircuitSettings = match CircuitSettings::new(1, Duration::from_secs(10), 2) {
        Ok(settings) => settings.named("seen"),
        Err(_) => panic!("in range"),
    };
    static BREAKER: CircuitBreaker<&ManualClock, fn(CircuitChange)> =
        CircuitBreaker::with_observer(SETTINGS, &CLOCK, |change| {
            assert_eq!(change.name, Name::Given("seen"));
            HEARD.lock().unwrap().push((change.from, change.to, BREAKER.state()));
        });
    let fail = || BREAKER.call(|| Err::<(), _>(())).unwrap_err();
    fail();
    CLOCK.advance(seconds(11));
    fail();
    fail();
    CLOCK.advance(seconds(11));
    assert_eq!(BREAKER.call(|| Ok::<_, ()>(())), Ok(()));
    let at = |from, to| (from, to, to);
    assert_eq!(
        *HEARD.lock().unwrap(),
        [
            at(Closed, Open),
            at(Open, HalfOpen),
            at(HalfOpen, Open),
            at(Open, HalfOpen),
            at(HalfOpen, Closed),
        ]
    );
}

#[test]
fn a_panic_in_the_call_or_the_filter_counts_for_nothing() {
    let clock = ManualClock::new();
    let breaker = breaker(&clock, 1, 10, 1);
    assert_eq!(panic_of(|| breaker.call::<(), ()>(|| panic!("in the call"))), "in the call");
    stands(&breaker, Closed, 0);
    fail(&breaker);
    clock.advance(seconds(11));
    assert_eq!(panic_of(|| breaker.call::<(), ()>(|| panic!("in the try"))), "in the try");
    stands(&breaker, HalfOpen, 0);
    let calls = breaker.counting(|_: &()| panic!("in the filter"));
    assert_eq!(panic_of(|| calls.call(|| Err::<(), ()>(()))), "in the filter");
    stands(&breaker, HalfOpen, 0);
    succeed(&breaker);
    stands(&breaker, Closed, 0);
}

/// A clock that panics when told to.
#[derive(Default)]
struct Broken {
    clock: ManualClock,
    panics: AtomicBool,
}

impl Clock for Broken {
    fn now(&self) -> Duration {
        assert!(!self.panics.load(SeqCst), "no time");
        self.clock.now()
    }
}

#[test]
fn a_panic_of_the_clock_or_the_observer_leaves_it_usable() {
    let clock = Broken::default();
    let loud = AtomicBool::new(false);
    let settings = CircuitSettings::new(1, seconds(10), 1).unwrap();
    let breaker = CircuitBreaker::with_observer(settings, &clock, |change: CircuitChange| {
        assert!(!loud.load(SeqCst), "told of {:?}", change.to);
    });
    clock.panics.store(true, SeqCst);
    let fail = || breaker.call(|| Err::<(), ()>(())).unwrap_err();
    assert_eq!(panic_of(fail), "no time");
    assert_eq!((breaker.state(), breaker.fails()), (Closed, 0));
    clock.panics.store(false, SeqCst);
    loud.store(true, SeqCst);
    assert_eq!(panic_of(fail), "told of Open");
    assert_eq!(breaker.state(), Open);
    clock.clock.advance(seconds(11));
    clock.panics.store(true, SeqCst);
    assert_eq!(panic_of(fail), "no time");
    clock.panics.store(false, SeqCst);
    // The change is made; the call that made it is not.
    assert_eq!(panic_of(fail), "told of HalfOpen");
    assert_eq!(breaker.state(), HalfOpen);
    loud.store(false, SeqCst);
    // So its try is free.
    let permit = breaker.try_enter().unwrap();
    clock.panics.store(true, SeqCst);
    assert_eq!(panic_of(|| permit.failure()), "no time");
    clock.panics.store(false, SeqCst);
    loud.store(true, SeqCst);
    let permit = breaker.try_enter().unwrap();
    assert_eq!(panic_of(|| permit.success()), "told of Closed");
    assert_eq!(breaker.state(), Closed);
}

// === many at once ===

#[test]
fn threads_never_make_more_tries_than_allowed() {
    let clock = ManualClock::new();
    let breaker = breaker(&clock, 1, 1, 2);
    let (running, tries, refused) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    for _ in 0..200 {
        fail(&breaker);
        clock.advance(seconds(2));
        let start = std::sync::Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    match breaker.try_enter() {
                        Ok(permit) => {
                            assert!(running.fetch_add(1, SeqCst) < 2);
                            tries.fetch_add(1, SeqCst);
                            thread::yield_now();
                            running.fetch_sub(1, SeqCst);
                            drop(permit);
                        }
                        Err(CircuitError::HalfOpen { tries: 2, .. }) => {
                            refused.fetch_add(1, SeqCst);
                        }
                        Err(error) => panic!("{error}"),
                    }
                });
            }
        });
        stands(&breaker, HalfOpen, 0);
        succeed(&breaker);
    }
    assert_eq!(tries.load(SeqCst) + refused.load(SeqCst), 800);
}

#[test]
fn threads_that_fail_and_succeed_at_random_never_jam_it() {
    let clock = ManualClock::new();
    let breaker = breaker(&clock, 3, 1, 2);
    thread::scope(|scope| {
        for seed in 1..=4_u32 {
            let (breaker, clock) = (&breaker, &clock);
            scope.spawn(move || {
                let mut random = seed;
                for _ in 0..20_000 {
                    random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    match (breaker.try_enter(), random >> 24 & 3) {
                        (Ok(permit), 0) => permit.success(),
                        (Ok(permit), 1) => drop(permit),
                        (Ok(permit), _) => permit.failure(),
                        (Err(CircuitError::Open { retry_after, .. }), _) => {
                            assert!(retry_after <= seconds(1) + NANO);
                            clock.advance(Duration::from_millis(400));
                        }
                        (Err(_), _) => {}
                    }
                }
            });
        }
    });
    // Nothing is taken any more.
    clock.advance(seconds(2));
    if breaker.state() == Open {
        drop(breaker.try_enter().unwrap());
    }
    succeed(&breaker);
    succeed(&breaker);
    stands(&breaker, Closed, 0);
}

/// Ten tasks call at once when the circuit may be tried: two are let in, and
/// when they have ended the circuit is closed for all.
fn tasks_share_it<E: Executor>() {
    let executor = E::default();
    let spawn = executor.spawner();
    let clock = Arc::new(ManualClock::new());
    let settings = CircuitSettings::new(1, seconds(1), 2).unwrap();
    let breaker = Arc::new(CircuitBreaker::with_settings(settings, Arc::clone(&clock)));
    fail(&breaker);
    clock.advance(seconds(2));
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let inside = Arc::new(AtomicUsize::new(0));
    let (ended, ends) = std::sync::mpsc::channel();
    for _ in 0..10 {
        let (breaker, gate) = (Arc::clone(&breaker), Arc::clone(&gate));
        let (inside, ended) = (Arc::clone(&inside), ended.clone());
        spawn(Box::pin(async move {
            let end = breaker.call_async(async {
                inside.fetch_add(1, SeqCst);
                gate.acquire().await.map(drop)
            });
            ended.send(end.await.map_err(|error| error.is_refusal())).unwrap();
        }));
    }
    executor.advance();
    for _ in 0..8 {
        assert_eq!(ends.recv_timeout(support::watch::patience()), Ok(Err(true)));
    }
    assert_eq!(inside.load(SeqCst), 2);
    assert_eq!(breaker.state(), HalfOpen);
    gate.add_permits(2);
    executor.advance();
    for _ in 0..2 {
        assert_eq!(ends.recv_timeout(support::watch::patience()), Ok(Ok(())));
    }
    stands(&breaker, Closed, 0);
}

#[test]
fn tasks_of_every_executor_share_it() {
    tasks_share_it::<RunQueue>();
    tasks_share_it::<TokioCurrent>();
    tasks_share_it::<TokioMulti>();
    tasks_share_it::<Smol>();
}

// === the plain model ===

/// What ruling and tests say, without atomics, generations or packing: each
/// change of state is a new object with its own number.
struct Model {
    max_fails: u32,
    reset: Duration,
    tries: u32,
    state: CircuitState,
    /// Counts changes of state.
    era: usize,
    fails: u32,
    running: u32,
    opened: Duration,
}

#[derive(Debug, PartialEq)]
enum Answer {
    In,
    Open(Duration),
    HalfOpen,
}

impl Model {
    fn turn(&mut self, state: CircuitState) {
        self.state = state;
        self.era += 1;
        self.fails = 0;
        self.running = 0;
    }

    fn enter(&mut self, now: Duration) -> (Answer, usize) {
        if self.state == Open {
            let past = now - self.opened;
            if past <= self.reset {
                return (Answer::Open(self.reset - past + NANO), 0);
            }
            self.turn(HalfOpen);
        }
        if self.state == HalfOpen {
            if self.running + self.fails == self.tries {
                return (Answer::HalfOpen, 0);
            }
            self.running += 1;
        }
        (Answer::In, self.era)
    }

    fn settle(&mut self, era: usize, outcome: u8, now: Duration) {
        if era != self.era {
            return;
        }
        if self.state == HalfOpen {
            self.running -= 1;
        }
        match (outcome, self.state) {
            (0, HalfOpen) => self.turn(Closed),
            (0, _) => self.fails = 0,
            (1, _) => {
                self.fails += 1;
                let most = if self.state == Closed { self.max_fails } else { self.tries };
                if self.fails == most {
                    self.turn(Open);
                    self.opened = now;
                }
            }
            _ => {}
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Enter,
    Settle { which: usize, outcome: u8 },
    Wait(u64),
}

fn op() -> impl Strategy<Value = Op> {
    (0..8_u8, any::<u8>(), 0..5_u8).prop_map(|(kind, detail, outcome)| match kind {
        0..=3 => Op::Enter,
        // Failures are frequent, or it never opens.
        4..=6 => {
            Op::Settle { which: detail.into(), outcome: [0, 1, 1, 1, 2][usize::from(outcome)] }
        }
        _ => Op::Wait(u64::from(detail) % 7),
    })
}

#[test]
fn random_histories_are_those_of_the_model() {
    let config = Config {
        cases: 4_096,
        rng_seed: RngSeed::Fixed(0x6272_6561_6b65_7221),
        failure_persistence: None,
        ..Config::default()
    };
    let reached = Mutex::new([0_u32; 10]);
    let history = (1..4_u32, 0..6_u64, 1..4_u32, vec(op(), 0..120));
    let result = TestRunner::new(config).run(&history, |(max_fails, reset, tries, ops)| {
        let clock = ManualClock::new();
        let real = breaker(&clock, max_fails, reset, tries);
        let mut model = Model {
            max_fails,
            reset: seconds(reset),
            tries,
            state: Closed,
            era: 0,
            fails: 0,
            running: 0,
            opened: Duration::ZERO,
        };
        let mut permits = Vec::new();
        // In which state a call was let in.
        let mut eras = Vec::new();
        for op in ops {
            let mut reached = reached.lock().unwrap();
            match op {
                Op::Enter => {
                    let (answer, era) = model.enter(clock.now());
                    match real.try_enter() {
                        Ok(permit) => {
                            if answer != Answer::In {
                                return Err(TestCaseError::fail(format!("let in, not {answer:?}")));
                            }
                            reached[9] += u32::from(model.state == HalfOpen && model.fails > 0);
                            eras.resize(era + 1, Closed);
                            eras[era] = model.state;
                            permits.push((permit, era));
                        }
                        Err(CircuitError::Open { retry_after, .. }) => {
                            proptest::prop_assert_eq!(answer, Answer::Open(retry_after));
                            reached[0] += 1;
                        }
                        Err(CircuitError::HalfOpen { .. }) => {
                            proptest::prop_assert_eq!(answer, Answer::HalfOpen);
                            reached[1] += 1;
                        }
                        Err(CircuitError::Inner(never)) => match never {},
                    }
                }
                Op::Settle { which, outcome } if !permits.is_empty() => {
                    let (permit, era) = permits.swap_remove(which % permits.len());
                    reached[2] += u32::from(era != model.era);
                    let before = model.state;
                    model.settle(era, outcome, clock.now());
                    reached[3] += u32::from((before, model.state) == (HalfOpen, Closed));
                    reached[4] += u32::from((before, model.state) == (HalfOpen, Open));
                    let given_back = outcome == 2 && before == HalfOpen && era == model.era;
                    reached[5] += u32::from(given_back);
                    // Beside failed tries; or of another state, with one like it now.
                    reached[6] += u32::from(given_back && model.fails > 0);
                    let late = era != model.era && eras[era] == before;
                    reached[7] += u32::from(late && before == HalfOpen && outcome != 2);
                    reached[8] += u32::from(late && before == Closed && outcome != 2);
                    match outcome {
                        0 => permit.success(),
                        1 => permit.failure(),
                        _ => drop(permit),
                    }
                }
                Op::Settle { .. } => {}
                Op::Wait(time) => clock.advance(seconds(time)),
            }
            proptest::prop_assert_eq!((real.state(), real.fails()), (model.state, model.fails));
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let reached = *reached.lock().unwrap();
    assert!(reached.iter().all(|&count| count > 100), "too little was tried: {reached:?}");
}
