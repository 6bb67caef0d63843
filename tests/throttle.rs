//! The throttle: the figures of its specification, slots of many entrants,
//! random histories against a plain model, tasks and threads.

#![cfg(all(feature = "std", feature = "async"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

mod support;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, ready as now};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use portunus::clock::{ManualClock, StdClock, TickClock};
use portunus::sync::Threads;
use portunus::throttle::{
    DynamicThrottle, RandomSource, ThrottleError, ThrottleOptions, ThrottleSettings, TooLong,
    Xorshift,
};
use portunus::{critical, spin};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use support::executor::{Executor, RunQueue, Smol, TokioCurrent, TokioMulti};
use support::{Hand, panic_of, ready};

type Throttle<C, R = Xorshift> = DynamicThrottle<C, Threads, R>;

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Without jitter, a window of 4, from 1 to 100 each second, 10 at first.
fn options() -> ThrottleOptions {
    ThrottleOptions { min_rate: 1.0, window: 4, jitter: 0.0, ..ThrottleOptions::new(10.0) }
}

fn throttle(options: ThrottleOptions, clock: &ManualClock) -> Throttle<&ManualClock> {
    DynamicThrottle::new(options.check().unwrap(), clock)
}

/// Enters, moving the clock where it would sleep; how long that was.
fn enter_and_settle<R: RandomSource>(
    throttle: &Throttle<&ManualClock, R>,
    clock: &ManualClock,
    succeeds: bool,
) -> Duration {
    let slept = Cell::new(Duration::ZERO);
    let entered = throttle.enter_blocking_with(|time| {
        slept.set(time);
        clock.advance(time);
    });
    if succeeds {
        entered.success()
    } else {
        entered.failure()
    }
    slept.get()
}

#[test]
fn al_6_three_nested_entries_take_two_distances_and_an_error_surfaces() {
    for seed in 1..200_u32 {
        let clock = ManualClock::new();
        let settings = ThrottleOptions::new(10.0).check().unwrap();
        let throttle = Throttle::with_random(
            settings,
            &clock,
            Xorshift::seeded(seed.wrapping_mul(0x9e37_79b9)),
        );
        let sleep = |time| clock.advance(time);
        let first = throttle.enter_blocking_with(|_| panic!("the first enters at once"));
        let second = throttle.enter_blocking_with(sleep);
        let third = throttle.enter_blocking_with(sleep);
        assert!(throttle.ctime() >= millis(160) && throttle.ctime() <= millis(240));
        third.success();
        second.success();
        first.failure();
        assert_eq!((throttle.successes(), throttle.fails()), (2, 1));
    }
    let clock = ManualClock::new();
    let throttle = throttle(options(), &clock);
    let hand = Hand::new();
    let sleep = |_| now(());
    let mut call = Box::pin(throttle.call_with(sleep, now(Err::<(), _>("body"))));
    assert_eq!(ready(hand.poll(&mut call)), Err("body"));
    assert_eq!((throttle.successes(), throttle.fails()), (0, 1));
    // A slot that is there at once is not slept for.
    clock.advance(millis(100));
    let sleep = |_| -> std::future::Pending<()> { panic!("nothing to sleep for") };
    ready(hand.poll(&mut Box::pin(throttle.enter_with(sleep)))).success();
}

#[test]
fn al_15_the_rate_is_adjusted_at_the_exit_after_a_window() {
    let clock = ManualClock::new();
    let throttle = throttle(options(), &clock);
    let mut rates = Vec::new();
    let mut counts = Vec::new();
    for _ in 0..9 {
        enter_and_settle(&throttle, &clock, true);
        rates.push(throttle.rate());
        counts.push((throttle.successes(), throttle.fails()));
    }
    assert_eq!(rates, [10.0, 10.0, 10.0, 10.0, 12.5, 12.5, 12.5, 12.5, 15.625]);
    assert_eq!((counts[3], counts[4], counts[8]), ((4, 0), (1, 0), (1, 0)));
    for _ in 0..3 {
        enter_and_settle(&throttle, &clock, false);
    }
    assert_eq!((throttle.successes(), throttle.fails()), (1, 3));
    enter_and_settle(&throttle, &clock, false);
    // A quarter is not less than a quarter.
    assert_eq!(throttle.rate(), 15.625);
    assert_eq!((throttle.successes(), throttle.fails()), (0, 1));
    // Now none of four succeeds.
    for _ in 0..4 {
        enter_and_settle(&throttle, &clock, false);
    }
    assert_eq!(throttle.rate(), 15.625 * 0.75);
    // And three of four are not more than three quarters.
    throttle.reset();
    assert_eq!((throttle.successes(), throttle.fails()), (0, 0));
    for succeeds in [true, true, true, false, true] {
        enter_and_settle(&throttle, &clock, succeeds);
    }
    assert_eq!(throttle.rate(), 15.625 * 0.75);
    assert_eq!((throttle.successes(), throttle.fails()), (1, 0));
}

#[test]
fn al_16_rate_and_jitter_are_kept_within_their_bounds() {
    let clock = ManualClock::new();
    let throttle = throttle(options(), &clock);
    assert_eq!(throttle.set_rate(1e9), Ok(100.0));
    assert_eq!(throttle.set_rate(0.0), Ok(1.0));
    assert_eq!(throttle.set_rate(-5.0), Ok(1.0));
    assert_eq!(throttle.set_rate(f64::INFINITY), Ok(100.0));
    assert_eq!(throttle.set_rate(10.0), Ok(10.0));
    assert_eq!(throttle.set_rate(10.0 * 1.009), Ok(10.0));
    assert_eq!(throttle.set_rate(10.0 * 1.02), Ok(10.2));
    let error = throttle.set_rate(f64::NAN).unwrap_err();
    assert!(error == ThrottleError::NotANumber("rate") && error.to_string().contains("the rate"));
    assert_eq!(throttle.rate(), 10.2);
    assert_eq!(throttle.set_jitter(-3.0), Ok(0.0));
    assert_eq!(throttle.set_jitter(3.0), Ok(1.0));
    assert_eq!(throttle.set_jitter(0.5), Ok(0.5));
    assert_eq!(throttle.set_jitter(f64::NAN), Err(ThrottleError::NotANumber("jitter")));
    assert_eq!(throttle.jitter(), 0.5);
}

#[test]
fn al_17_numbers_that_do_not_fit_together_are_refused() {
    let rates = |init_rate, min_rate, max_rate| {
        let options = ThrottleOptions { min_rate, max_rate, ..ThrottleOptions::new(init_rate) };
        assert_eq!(options.check(), Err(ThrottleError::Rates { init_rate, min_rate, max_rate }));
    };
    rates(0.0, 0.01, 100.0);
    rates(200.0, 0.01, 100.0);
    rates(0.001, 0.01, 100.0);
    rates(10.0, 20.0, 100.0);
    rates(10.0, 1.0, 5.0);
    rates(10.0, 0.0, 100.0);
    rates(10.0, -1.0, 100.0);
    rates(10.0, 1.0, f64::INFINITY);
    let refused = |options: ThrottleOptions| options.check().unwrap_err();
    let base = ThrottleOptions::new(10.0);
    assert!(matches!(
        refused(ThrottleOptions { init_rate: f64::NAN, ..base }),
        ThrottleError::Rates { .. }
    ));
    assert_eq!(refused(ThrottleOptions { window: 0, ..base }), ThrottleError::EmptyWindow);
    assert_eq!(
        refused(ThrottleOptions { ubound: 0.1, ..base }),
        ThrottleError::Bounds { lbound: 0.25, ubound: 0.1 }
    );
    assert_eq!(refused(ThrottleOptions { ufactor: 0.0, ..base }), ThrottleError::Factor(0.0));
    assert_eq!(refused(ThrottleOptions { lfactor: -1.0, ..base }), ThrottleError::Factor(-1.0));
    let infinite = f64::INFINITY;
    assert_eq!(
        refused(ThrottleOptions { ufactor: infinite, ..base }),
        ThrottleError::Factor(infinite)
    );
    assert!(ThrottleOptions { lbound: 0.5, ubound: 0.5, jitter: 1.0, ..base }.check().is_ok());
    assert_eq!(refused(ThrottleOptions { jitter: 1.5, ..base }), ThrottleError::Jitter(1.5));
    assert_eq!(refused(ThrottleOptions { jitter: -0.5, ..base }), ThrottleError::Jitter(-0.5));
    let error = refused(ThrottleOptions { init_rate: 200.0, ..base });
    assert_eq!(
        error.to_string(),
        "the rates of a throttle are 0 < min_rate <= init_rate <= max_rate, \
         not min_rate 0.01, init_rate 200, max_rate 100"
    );
    let settings = ThrottleSettings::try_from(base).unwrap();
    assert_eq!(settings.options(), &base);
}

#[test]
fn al_18_idle_time_is_no_credit() {
    let clock = ManualClock::new();
    let throttle = throttle(options(), &clock);
    assert_eq!(enter_and_settle(&throttle, &clock, true), Duration::ZERO);
    clock.advance(Duration::from_secs(5));
    assert_eq!(enter_and_settle(&throttle, &clock, true), Duration::ZERO);
    assert_eq!(enter_and_settle(&throttle, &clock, true), millis(100));
    // Half of the distance has passed already.
    clock.advance(millis(50));
    assert_eq!(enter_and_settle(&throttle, &clock, true), millis(50));
}

#[test]
fn entrants_at_the_same_time_get_slots_one_behind_the_other() {
    let clock = ManualClock::starting_at(millis(700));
    let throttle = throttle(options(), &clock);
    let slots: Vec<_> = (0..5).map(|_| throttle.reserve()).collect();
    let waits: Vec<_> = slots.iter().map(|slot| slot.wait()).collect();
    assert_eq!(waits, [0, 100, 200, 300, 400].map(millis));
    assert_eq!(slots[4].at(), millis(1_100));
    slots.into_iter().for_each(|slot| slot.enter().success());
    // The fifth exit has raised the rate to 12.5.
    assert_eq!(throttle.reserve().wait(), millis(480));
}

#[test]
fn the_last_slot_is_given_back_and_others_are_not() {
    let clock = ManualClock::new();
    let throttle = throttle(options(), &clock);
    throttle.reserve().enter().success();
    let first = throttle.reserve();
    let second = throttle.reserve();
    drop(throttle.reserve());
    drop(second);
    let second = throttle.reserve();
    assert_eq!(second.wait(), millis(200));
    // Somebody stands behind it.
    drop(first);
    let third = throttle.reserve();
    assert_eq!(third.wait(), millis(300));
    third.enter().success();
    drop(second);
    // An entry is none that could be given back.
    assert_eq!(throttle.reserve().wait(), millis(400));
    let hand = Hand::new();
    let mut entering = Box::pin(throttle.enter_with(|_| pending::<()>()));
    // Not polled: nothing is reserved.
    drop(Box::pin(throttle.enter_with(|_| pending::<()>())));
    assert!(hand.poll(&mut entering).is_pending());
    assert_eq!(throttle.reserve().wait(), millis(500));
    drop(entering);
    assert_eq!(throttle.reserve().wait(), millis(400));
}

#[test]
fn entering_without_waiting_reserves_nothing_when_it_would_wait() {
    let clock = ManualClock::new();
    let throttle = throttle(options(), &clock);
    throttle.try_enter().unwrap().success();
    let refused = throttle.try_enter().unwrap_err();
    assert_eq!((refused.wait(), refused.longest()), (millis(100), Duration::ZERO));
    assert_eq!(refused.to_string(), "the next slot is 100ms away, more than 0ns");
    let refused: TooLong = throttle.reserve_within(millis(99)).unwrap_err();
    assert_eq!(refused.wait(), millis(100));
    drop(throttle.reserve_within(millis(100)).unwrap());
    // Just near enough, where nothing was refused before, and where it was.
    for (refused_before, wait) in [(false, 100), (true, 200)] {
        if refused_before {
            assert_eq!(throttle.try_enter().unwrap_err().wait(), millis(wait));
        }
        let slot = throttle.reserve_within(millis(wait)).unwrap();
        assert_eq!((slot.wait(), slot.at()), (millis(wait), millis(wait)));
        slot.enter().success();
    }
    assert_eq!(throttle.try_enter().unwrap_err().wait(), millis(300));
    clock.advance(millis(300));
    throttle.try_enter().unwrap().success();
}

#[test]
fn an_entry_without_an_outcome_is_a_failure() {
    let clock = ManualClock::new();
    let throttle = throttle(options(), &clock);
    let hand = Hand::new();
    drop(throttle.reserve().enter());
    assert_eq!((throttle.successes(), throttle.fails()), (0, 1));
    let mut call = Box::pin(throttle.call_with(|_| now(()), pending::<Result<(), ()>>()));
    assert!(hand.poll(&mut call).is_pending());
    drop(call);
    assert_eq!((throttle.successes(), throttle.fails()), (0, 2));
    assert_eq!(
        panic_of(|| {
            let _entered = throttle.enter_blocking_with(|_| ());
            panic!("in the body");
        }),
        "in the body"
    );
    assert_eq!((throttle.successes(), throttle.fails()), (0, 3));
    // A panic while it sleeps gives the slot back.
    let before = throttle.reserve().at();
    panic_of(|| throttle.enter_blocking_with(|_| panic!("asleep")).success());
    assert_eq!(throttle.reserve().at(), before);
    assert_eq!((throttle.successes(), throttle.fails()), (0, 3));
    throttle.reserve().enter().settle(&Ok::<_, ()>(()));
    assert_eq!((throttle.successes(), throttle.fails()), (1, 3));
}

#[test]
fn rate_and_bounds_may_change_at_any_time() {
    let clock = ManualClock::new();
    let throttle = throttle(options(), &clock);
    throttle.reserve().enter().success();
    let reserved = throttle.reserve();
    throttle.set_rate(50.0).unwrap();
    assert_eq!(reserved.wait(), millis(100));
    assert_eq!(throttle.reserve().wait(), millis(120));
    throttle.set_rate_bounds(1.0, 20.0).unwrap();
    assert_eq!(throttle.rate(), 20.0);
    throttle.set_rate_bounds(40.0, 90.0).unwrap();
    assert_eq!(throttle.rate(), 40.0);
    let error = throttle.set_rate_bounds(0.0, 90.0).unwrap_err();
    assert_eq!(error, ThrottleError::Rates { init_rate: 40.0, min_rate: 0.0, max_rate: 90.0 });
    assert!(throttle.set_rate_bounds(9.0, f64::NAN).is_err());
    assert!(throttle.set_rate_bounds(9.0, f64::INFINITY).is_err());
    assert!(throttle.set_rate_bounds(9.0, 8.0).is_err());
    assert_eq!((throttle.rate(), throttle.set_rate_bounds(50.0, 50.0)), (40.0, Ok(())));
    assert_eq!((throttle.rate(), throttle.set_rate(1.0)), (50.0, Ok(50.0)));
    throttle.set_rate_bounds(40.0, 90.0).unwrap();
    throttle.set_rate(40.0).unwrap();
    assert_eq!(throttle.set_rate(1.0), Ok(40.0));
    let other = ThrottleOptions { window: 1, max_rate: 30.0, ..options() };
    throttle.reconfigure(other.check().unwrap());
    assert_eq!((throttle.rate(), throttle.successes()), (30.0, 1));
    reserved.enter().failure();
    // The window of one was full.
    assert_eq!((throttle.successes(), throttle.fails()), (0, 1));
}

#[test]
fn any_random_source_serves_and_none_can_break_the_order() {
    for (unit, wait) in [
        (0.0, 100),
        (1.0, 120),
        (-1.0, 80),
        (7.0, 120),
        (f64::NEG_INFINITY, 80),
        (f64::NAN, 100),
        (0.5, 110),
    ] {
        let clock = ManualClock::new();
        let settings = ThrottleOptions { jitter: 0.2, ..options() }.check().unwrap();
        let throttle = Throttle::with_random(settings, &clock, || unit);
        throttle.reserve().enter().success();
        let first = throttle.reserve();
        let second = throttle.reserve();
        assert_eq!((first.wait(), second.wait()), (millis(wait), millis(2 * wait)), "{unit}");
    }
    // With the greatest jitter a slot may be where the one before is.
    let clock = ManualClock::new();
    let settings = ThrottleOptions { jitter: 1.0, ..options() }.check().unwrap();
    let throttle = Throttle::with_random(settings, &clock, || -1.0);
    assert_eq!(
        (throttle.reserve().wait(), throttle.reserve().wait()),
        (Duration::ZERO, Duration::ZERO)
    );
}

#[test]
fn the_random_source_is_asked_where_a_distance_varies() {
    let clock = ManualClock::new();
    let asked = Cell::new(0);
    let settings = ThrottleOptions { jitter: 0.2, ..options() }.check().unwrap();
    let throttle = Throttle::with_random(settings, &clock, || {
        asked.set(asked.get() + 1);
        0.5
    });
    throttle.reserve().enter().success();
    clock.advance(millis(100));
    throttle.try_enter().unwrap().success();
    assert_eq!(asked.get(), 0, "nobody had to wait");
    assert_eq!(throttle.try_enter().unwrap_err().wait(), millis(110));
    assert_eq!(throttle.try_enter().unwrap_err().wait(), millis(110));
    assert_eq!(throttle.reserve().wait(), millis(110));
    assert_eq!(asked.get(), 3);
    throttle.set_jitter(0.0).unwrap();
    assert_eq!(throttle.reserve().wait(), millis(100));
    assert_eq!(asked.get(), 3);
}

/// Each change comes after a refusal, and is seen by the next one.
#[test]
fn a_refusal_is_never_older_than_the_last_change() {
    type Change = fn(&Throttle<&ManualClock>);
    let changes: [(&str, Change, u64); 7] = [
        ("rate", |throttle| assert_eq!(throttle.set_rate(50.0), Ok(50.0)), 15),
        ("bounds", |throttle| throttle.set_rate_bounds(1.0, 5.0).unwrap(), 195),
        (
            "settings",
            |throttle| {
                let other = ThrottleOptions { max_rate: 5.0, init_rate: 5.0, ..options() };
                throttle.reconfigure(other.check().unwrap());
            },
            195,
        ),
        (
            "exits",
            |throttle| {
                // What was entered before, and ends now.
                let slots: Vec<_> = (0..3).map(|_| throttle.reserve()).collect();
                assert!(throttle.try_enter().is_err());
                slots.into_iter().for_each(|slot| slot.enter().success());
                assert_eq!(throttle.rate(), 10.0);
                let last = throttle.reserve();
                assert_eq!(throttle.try_enter().unwrap_err().wait(), millis(495));
                last.enter().success();
                assert_eq!(throttle.rate(), 12.5);
            },
            475,
        ),
        ("one more", |throttle| throttle.reserve().enter().success(), 195),
        (
            "a slot",
            |throttle| {
                // Reserved, and not yet entered.
                let slot = throttle.reserve();
                assert_eq!(throttle.try_enter().unwrap_err().wait(), millis(195));
                drop(slot);
            },
            95,
        ),
        ("nothing", |_| (), 95),
    ];
    for (what, change, wait) in changes {
        let clock = ManualClock::new();
        let throttle = throttle(options(), &clock);
        throttle.reserve().enter().success();
        for (moved, left) in [(0, 100), (2, 98), (3, 95)] {
            clock.advance(millis(moved));
            assert_eq!(throttle.try_enter().unwrap_err().wait(), millis(left));
        }
        change(&throttle);
        assert_eq!(throttle.try_enter().unwrap_err().wait(), millis(wait), "{what}");
        assert_eq!(throttle.try_enter().unwrap_err().wait(), millis(wait), "{what}");
    }
    // A slot that is given back is there at once.
    let clock = ManualClock::new();
    let throttle = throttle(options(), &clock);
    throttle.reserve().enter().success();
    let slot = throttle.reserve();
    assert_eq!(throttle.reserve_within(millis(150)).unwrap_err().wait(), millis(200));
    drop(slot);
    drop(throttle.reserve_within(millis(150)).unwrap());
    // Jitter makes it another one each time.
    assert_eq!(throttle.try_enter().unwrap_err().wait(), millis(100));
    throttle.set_jitter(1.0).unwrap();
    let waits: Vec<_> = (0..9)
        .map(|_| throttle.try_enter().map_or_else(|e| e.wait(), |_| Duration::ZERO))
        .collect();
    assert!(waits.iter().any(|wait| *wait != millis(100)), "{waits:?}");
}

#[test]
fn the_small_generator_fills_its_range_evenly() {
    for random in [Xorshift::new(), Xorshift::seeded(1), Xorshift::default()] {
        let mut fifths = [0_u32; 5];
        for _ in 0..10_000 {
            let unit = random.unit();
            assert!((-1.0..=1.0).contains(&unit));
            fifths[((unit + 1.0) * 2.5).min(4.0) as usize] += 1;
        }
        assert!(fifths.iter().all(|count| (1_700..=2_300).contains(count)), "{fifths:?}");
    }
    let (one, two) = (Xorshift::seeded(5), Xorshift::seeded(5));
    assert!((0..9).all(|_| one.unit() == two.unit()));
}

#[test]
fn a_panicking_clock_or_random_source_reserves_nothing() {
    let clock = ManualClock::new();
    let panics = Cell::new(false);
    let settings = ThrottleOptions { jitter: 0.2, ..options() }.check().unwrap();
    let throttle = Throttle::with_random(settings, &clock, || {
        assert!(!panics.get(), "no luck");
        0.0
    });
    throttle.reserve().enter().success();
    panics.set(true);
    assert_eq!(panic_of(|| throttle.reserve().wait()), "no luck");
    panics.set(false);
    assert_eq!(throttle.reserve().wait(), millis(100));
}

#[test]
fn extreme_rates_do_not_overflow() {
    let clock = ManualClock::new();
    let slow = ThrottleOptions {
        init_rate: 1e-300,
        min_rate: 1e-300,
        max_rate: 1e300,
        jitter: 0.0,
        ..ThrottleOptions::new(1.0)
    };
    let throttle = throttle(slow, &clock);
    throttle.reserve().enter().success();
    // A refusal for longer than a word can say.
    for _ in 0..2 {
        assert_eq!(throttle.try_enter().unwrap_err().wait(), Duration::MAX);
    }
    let far = throttle.reserve();
    assert_eq!(far.wait(), Duration::MAX);
    assert_eq!(throttle.reserve().wait(), Duration::MAX);
    drop(far);
    throttle.set_rate(1e300).unwrap();
    assert_eq!(throttle.reserve().wait(), Duration::ZERO);
}

#[test]
fn it_stands_in_a_static_on_every_backend() {
    const SETTINGS: ThrottleSettings = match ThrottleOptions::new(10.0).check() {
        Ok(settings) => settings,
        Err(_) => panic!("they fit"),
    };
    static TICKS: TickClock = TickClock::new(std::num::NonZeroU32::new(1_000).unwrap());
    static SPIN: spin::DynamicThrottle<&TickClock> = DynamicThrottle::new(SETTINGS, &TICKS);
    static CRITICAL: critical::DynamicThrottle<&TickClock> = DynamicThrottle::new(SETTINGS, &TICKS);
    static STD: portunus::sync::DynamicThrottle<StdClock> =
        DynamicThrottle::new(SETTINGS, StdClock);
    SPIN.reserve().enter().success();
    CRITICAL.reserve().enter().success();
    STD.enter().success();
    assert!(SPIN.reserve().wait() >= millis(80) && CRITICAL.reserve().wait() >= millis(80));
    TICKS.ticks_passed(200);
    assert!(SPIN.try_enter().is_ok() && CRITICAL.try_enter().is_ok());
    assert!(format!("{STD:?}").contains("rate: 10.0"));
}

// === many at once ===

#[test]
fn threads_get_slots_at_different_times() {
    let clock = ManualClock::new();
    let throttle = throttle(ThrottleOptions { window: u32::MAX, ..options() }, &clock);
    let slots = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let slot = throttle.reserve();
                    slots.lock().unwrap().push(slot.at());
                    slot.enter().success();
                }
            });
        }
    });
    let mut slots = slots.into_inner().unwrap();
    slots.sort_unstable();
    assert!(slots.windows(2).all(|pair| pair[1] - pair[0] == millis(100)));
    assert_eq!(throttle.successes(), 2_000);
}

#[test]
fn blocking_entries_take_the_time_they_have_to() {
    let options = ThrottleOptions { jitter: 0.0, ..ThrottleOptions::new(100.0) };
    let throttle = Throttle::new(options.check().unwrap(), StdClock);
    let start = Instant::now();
    for _ in 0..4 {
        assert_eq!(throttle.call(|| Ok::<_, ()>(5)), Ok(5));
    }
    assert_eq!(throttle.call(|| Err::<(), _>("no")), Err("no"));
    assert!(start.elapsed() >= millis(40));
    assert_eq!((throttle.successes(), throttle.fails()), (4, 1));
}

/// Five tasks enter together: the last one not before four distances.
fn tasks_are_spaced<E: Executor, S: Future + Send + 'static>(sleep: fn(Duration) -> S) {
    let executor = E::default();
    let spawn = executor.spawner();
    let options = ThrottleOptions { jitter: 0.0, ..ThrottleOptions::new(100.0) };
    let throttle = Arc::new(Throttle::new(options.check().unwrap(), StdClock));
    let (ended, ends) = std::sync::mpsc::channel();
    let start = Instant::now();
    for index in 0..5 {
        let (throttle, ended) = (Arc::clone(&throttle), ended.clone());
        spawn(Box::pin(async move {
            let end = throttle.call_with(sleep, async { Ok::<_, ()>(index) }).await;
            ended.send(end).unwrap();
        }));
    }
    let mut got: Vec<_> = (0..5)
        .map(|_| {
            let mut end = None;
            support::until("a task ends", || {
                executor.advance();
                end = ends.try_recv().ok();
                end.is_some()
            });
            end.unwrap()
        })
        .collect();
    assert!(start.elapsed() >= millis(40));
    got.sort_unstable();
    assert_eq!(got, [0, 1, 2, 3, 4].map(Ok));
    assert_eq!(throttle.successes(), 5);
}

async fn timer(time: Duration) {
    smol::Timer::after(time).await;
}

#[test]
fn tasks_of_every_executor_are_spaced_by_any_timer() {
    tasks_are_spaced::<RunQueue, _>(timer);
    tasks_are_spaced::<TokioCurrent, _>(timer);
    tasks_are_spaced::<TokioMulti, _>(timer);
    tasks_are_spaced::<Smol, _>(timer);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let options = ThrottleOptions { jitter: 0.0, ..ThrottleOptions::new(100.0) };
        let throttle = Throttle::new(options.check().unwrap(), StdClock);
        let start = Instant::now();
        for _ in 0..3 {
            throttle.enter_with(tokio::time::sleep).await.success();
        }
        assert!(start.elapsed() >= millis(20));
    });
}

// === the plain model ===

/// The specification in seconds, as the original is written.
struct Model {
    rate: f64,
    last: Option<f64>,
    successes: u32,
    fails: u32,
    window: u32,
    jitter: f64,
    min: f64,
    max: f64,
}

impl Model {
    fn slot(&self, now: f64, unit: f64) -> f64 {
        let Some(last) = self.last else { return now };
        if last >= now {
            return last + 1.0 / self.rate * (1.0 + unit * self.jitter);
        }
        let wait = (1.0 / self.rate - (now - last)) * (1.0 + unit * self.jitter);
        if wait > 0.0 { now + wait } else { now }
    }

    fn set_rate(&mut self, rate: f64) {
        let rate = rate.clamp(self.min, self.max);
        if (1.0 - self.rate / rate).abs() > 0.01 {
            self.rate = rate;
        }
    }

    fn exit(&mut self, succeeds: bool) {
        let total = self.successes + self.fails;
        if total >= self.window {
            let part = f64::from(self.successes) / f64::from(total);
            if part > 0.75 {
                self.set_rate(self.rate * 1.25);
            } else if part < 0.25 {
                self.set_rate(self.rate * 0.75);
            }
            (self.successes, self.fails) = (0, 0);
        }
        if succeeds { self.successes += 1 } else { self.fails += 1 }
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    /// Reserves with this random number.
    Reserve(i8),
    /// Enters by the oldest reservation and succeeds, or not.
    Enter(bool),
    /// Reserves with this random number, unless the slot is further away than
    /// so many milliseconds.
    Within(i8, u16),
    /// Gives the newest reservation up.
    GiveUp,
    /// Gives the oldest reservation up.
    GiveUpOldest,
    SetRate(u8),
    SetBounds(u8, u8),
    SetJitter(u8),
    Wait(u16),
    Reset,
}

fn op() -> impl Strategy<Value = Op> {
    (0..21_u8, any::<u8>(), any::<u16>()).prop_map(|(kind, detail, time)| match kind {
        0..=4 => Op::Reserve(detail as i8),
        5..=9 => Op::Enter(detail % 8 != 0 && time % 3 != 0),
        10..=11 => Op::GiveUp,
        12 => Op::SetRate(detail),
        13..=14 => Op::Wait(time % 400),
        15..=17 => Op::Within(detail as i8, time % 400),
        18 => Op::GiveUpOldest,
        19 if detail % 2 == 0 => Op::SetBounds(detail % 16 + 1, (time % 99) as u8),
        19 => Op::SetJitter((time % 11) as u8),
        _ if detail < 16 => Op::Reset,
        _ => Op::Enter(false),
    })
}

#[test]
fn random_histories_are_those_of_the_model() {
    let config = Config {
        cases: 2_048,
        rng_seed: RngSeed::Fixed(0x7468_726f_7474_6c65),
        failure_persistence: None,
        ..Config::default()
    };
    let reached = RefCell::new([0_u32; 14]);
    // Half of them without jitter.
    let jitter = (any::<bool>(), 0..=10_u8).prop_map(|(varies, tenths)| u8::from(varies) * tenths);
    let history = (1..6_u32, jitter, vec(op(), 0..150));
    let result = TestRunner::new(config).run(&history, |(window, jitter, ops)| {
        let clock = ManualClock::new();
        let unit = Cell::new(0.0);
        let options = ThrottleOptions { window, jitter: f64::from(jitter) / 10.0, ..options() };
        let real = Throttle::with_random(options.check().unwrap(), &clock, || unit.get());
        let mut model = Model {
            rate: 10.0,
            last: None,
            successes: 0,
            fails: 0,
            window,
            jitter: options.jitter,
            min: 1.0,
            max: 100.0,
        };
        // Each with what was the last slot before it.
        let mut slots = std::collections::VecDeque::new();
        // Whether nothing has changed since a refusal.
        let mut refused = false;
        for op in ops {
            let mut reached = reached.borrow_mut();
            let (before, queued) = (model.rate, slots.len() > 1);
            match op {
                Op::Reserve(number) => {
                    unit.set(f64::from(number) / 128.0);
                    let slot = real.reserve();
                    let now = clock.now_secs();
                    let expected = model.slot(now, unit.get());
                    let difference = (slot.at().as_secs_f64() - expected).abs();
                    if difference > 1e-6 {
                        return Err(TestCaseError::fail(format!("{slot:?}, not {expected}")));
                    }
                    reached[0] += u32::from(expected == now);
                    reached[1] += u32::from(model.last.is_some_and(|last| last > now));
                    let part = model.last.is_some_and(|last| last < now) && expected > now;
                    reached[2] += u32::from(part);
                    slots.push_back((slot, model.last));
                    model.last = Some(expected);
                }
                Op::Within(number, longest) => {
                    unit.set(f64::from(number) / 128.0);
                    let end = real.reserve_within(millis(longest.into()));
                    let now = clock.now_secs();
                    let expected = model.slot(now, unit.get());
                    let over = expected - now - f64::from(longest) / 1e3;
                    let wait = end.as_ref().map_or_else(TooLong::wait, |slot| slot.wait());
                    let difference = (wait.as_secs_f64() - (expected - now)).abs();
                    if difference > 1e-6 || over.abs() > 1e-6 && end.is_err() != (over > 0.0) {
                        return Err(TestCaseError::fail(format!("{end:?}, not {expected}")));
                    }
                    reached[3] += u32::from(end.is_ok() && expected > now);
                    reached[4] += u32::from(end.is_err() && refused && model.jitter == 0.0);
                    reached[5] += u32::from(end.is_err() && model.jitter > 0.0);
                    refused = end.is_err();
                    if let Ok(slot) = end {
                        slots.push_back((slot, model.last));
                        model.last = Some(expected);
                    }
                }
                Op::Enter(succeeds) => {
                    let Some((slot, _)) = slots.pop_front() else { continue };
                    model.exit(succeeds);
                    reached[6] += u32::from(model.rate > before);
                    reached[7] += u32::from(model.rate < before);
                    if succeeds { slot.enter().success() } else { slot.enter().failure() }
                }
                Op::GiveUp => {
                    let Some((slot, last)) = slots.pop_back() else { continue };
                    model.last = last;
                    reached[8] += 1;
                    drop(slot);
                }
                Op::GiveUpOldest => {
                    let Some((slot, last)) = slots.pop_front() else { continue };
                    // Nobody stands behind it.
                    if slots.is_empty() {
                        model.last = last;
                    }
                    reached[9] += u32::from(queued);
                    drop(slot);
                }
                Op::SetRate(rate) => {
                    model.set_rate(f64::from(rate) / 2.0);
                    real.set_rate(f64::from(rate) / 2.0).unwrap();
                    reached[10] += u32::from(queued && model.rate != before);
                }
                Op::SetBounds(min, more) => {
                    (model.min, model.max) = (min.into(), f64::from(min) + f64::from(more));
                    model.rate = model.rate.clamp(model.min, model.max);
                    real.set_rate_bounds(model.min, model.max).unwrap();
                    reached[11] += u32::from(queued && model.rate != before);
                }
                Op::SetJitter(tenths) => {
                    model.jitter = f64::from(tenths) / 10.0;
                    real.set_jitter(model.jitter).unwrap();
                    reached[12] += u32::from(queued && refused);
                }
                Op::Wait(time) => clock.advance(millis(time.into())),
                Op::Reset => {
                    reached[13] += u32::from(model.successes + model.fails > 1);
                    (model.successes, model.fails) = (0, 0);
                    real.reset();
                }
            }
            proptest::prop_assert_eq!(real.rate(), model.rate);
            proptest::prop_assert_eq!(
                (real.successes(), real.fails()),
                (model.successes, model.fails)
            );
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let reached = *reached.borrow();
    assert!(reached.iter().all(|&count| count > 100), "too little was tried: {reached:?}");
}

trait Seconds {
    fn now_secs(&self) -> f64;
}

impl Seconds for ManualClock {
    fn now_secs(&self) -> f64 {
        portunus::Clock::now(self).as_secs_f64()
    }
}
