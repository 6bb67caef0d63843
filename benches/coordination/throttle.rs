//! Entries through throttles.

use std::hint::black_box;
use std::num::NonZeroU32;

use governor::{Quota, RateLimiter};
use portunus::clock::StdClock;
use portunus::sync::DynamicThrottle;
use portunus::throttle::ThrottleOptions;

use super::harness::{Bench, Row, Unit};
use super::{timed, used};

fn ours(rate: f64) -> DynamicThrottle<StdClock> {
    let options = ThrottleOptions {
        min_rate: rate,
        max_rate: rate,
        jitter: 0.0,
        ..ThrottleOptions::new(rate)
    };
    DynamicThrottle::<StdClock>::new(options.check().expect("they fit"), StdClock)
}

pub(crate) fn run(bench: &mut Bench) {
    let effort = bench.effort();
    let (rounds, count) = effort.pick((21, 200_000), (5, 50_000), (1, 200));
    bench.table("throttle/free".to_owned(), Unit::Nanoseconds, "governor", rounds, || {
        let (one, two) = (ours(1e12), ours(1e12));
        let governor = RateLimiter::direct(Quota::per_second(NonZeroU32::MAX));
        vec![
            Row::new("portunus", move || {
                timed(count, || one.try_enter().expect("it is free").success())
            }),
            Row::new("portunus, reserve", move || {
                timed(count, || std::mem::forget(black_box(two.reserve().enter())))
            }),
            Row::new("governor", move || {
                timed(count, || black_box(governor.check()).expect("it is free"))
            }),
        ]
    });
    bench.table("throttle/refused".to_owned(), Unit::Nanoseconds, "governor", rounds, || {
        let one = ours(0.001);
        let quota = Quota::with_period(std::time::Duration::from_secs(1000)).expect("a period");
        let governor = RateLimiter::direct(quota);
        one.try_enter().expect("the first one").success();
        governor.check().expect("the first one");
        vec![
            Row::new("portunus", move || {
                timed(count, || used(one.try_enter().expect_err("it is full")))
            }),
            Row::new("governor", move || {
                timed(count, || used(governor.check().expect_err("it is full")))
            }),
        ]
    });
}
