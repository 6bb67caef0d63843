//! Clocks: the arithmetic of ticks, and that none goes back.

#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use portunus::Clock;
use portunus::clock::{ManualClock, StdClock, TickClock, ZeroTick};

const HALF: u32 = 1 << 31;

fn per_second(count: u32) -> TickClock {
    TickClock::new(NonZeroU32::new(count).unwrap())
}

#[test]
fn ticks_count_on_through_wraps_of_the_low_word() {
    let clock = per_second(1);
    let mut expected = 0_u64;
    for count in [1, HALF - 2, 1, 1, HALF - 1, 1, u32::MAX, u32::MAX, u32::MAX, 0, 7, HALF, HALF] {
        clock.ticks_passed(count);
        expected += u64::from(count);
        assert_eq!(clock.ticks(), expected, "after a step of {count}");
        assert_eq!(clock.now(), Duration::from_secs(expected));
    }
}

#[test]
fn a_rate_that_divides_no_second_into_nanoseconds_does_not_drift() {
    let clock = per_second(32_768);
    clock.tick();
    assert_eq!(clock.now(), Duration::from_nanos(30_517));
    for _ in 1..32_768 {
        clock.tick();
    }
    assert_eq!(clock.now(), Duration::from_secs(1));
}

#[test]
fn ticks_of_a_given_length_add_up_exactly() {
    let tick = Duration::new(2, 123_456_789);
    let clock = TickClock::with_tick(tick).unwrap();
    let mut ticks = 0_u128;
    for _ in 0..5 {
        clock.ticks_passed(u32::MAX);
        ticks += u128::from(u32::MAX);
        assert_eq!(clock.now().as_nanos(), ticks * tick.as_nanos());
    }
    let long = TickClock::with_tick(Duration::MAX).unwrap();
    long.ticks_passed(3);
    assert!(long.now() >= Duration::from_secs(u64::MAX), "it stops at the end of time");
}

#[test]
fn a_tick_of_no_length_is_refused() {
    assert_eq!(TickClock::with_tick(Duration::ZERO).unwrap_err(), ZeroTick);
}

#[test]
fn readers_never_see_the_tick_clock_go_back() {
    let clock = per_second(1_000);
    // Large steps cross halves often.
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(Relaxed) {
                    let now = clock.ticks();
                    assert!(now >= last, "{last}, then {now}");
                    last = now;
                }
            });
        }
        for _ in 0..200_000 {
            clock.ticks_passed(1 << 24);
        }
        done.store(true, Relaxed);
    });
    assert_eq!(clock.ticks(), 200_000 << 24);
}

#[test]
fn the_manual_clock_moves_only_when_told_to() {
    static CLOCK: ManualClock = ManualClock::starting_at(Duration::from_secs(1));
    assert_eq!(CLOCK.now(), Duration::from_secs(1));
    CLOCK.advance(Duration::from_millis(1));
    assert_eq!((&&CLOCK).now(), Duration::from_millis(1_001));
    CLOCK.advance(Duration::MAX);
    assert_eq!(CLOCK.now(), Duration::MAX);
}

#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
#[test]
fn what_leads_to_a_clock_is_one() {
    fn millis(clock: impl Clock) -> u128 {
        clock.now().as_millis()
    }
    let clock = std::sync::Arc::new(ManualClock::starting_at(Duration::from_millis(3)));
    let boxed: Box<dyn Clock> = Box::new(std::sync::Arc::clone(&clock));
    assert_eq!((millis(&boxed), millis(std::sync::Arc::clone(&clock))), (3, 3));
    clock.advance(Duration::from_millis(1));
    assert_eq!(millis(boxed), 4);
}

#[test]
fn the_standard_clock_is_one_for_all_threads() {
    let before = StdClock.now();
    let other = std::thread::spawn(|| StdClock.now()).join().unwrap();
    let after = StdClock.now();
    assert!(before <= other && other <= after);
}
