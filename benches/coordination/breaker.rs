//! Calls through circuit breakers.

use std::hint::black_box;
use std::time::Duration;

use failsafe::CircuitBreaker as _;
use portunus::circuit_breaker::{CircuitBreaker, CircuitSettings};
use portunus::clock::StdClock;
use recloser::Recloser;

use super::harness::{Bench, Row, Unit};
use super::{timed, used};

const LONG: Duration = Duration::from_secs(3600);

fn ours() -> CircuitBreaker<StdClock> {
    let settings = CircuitSettings::new(3, LONG, 2).expect("in range").named("bench");
    CircuitBreaker::with_settings(settings, StdClock)
}

fn failsafe() -> impl failsafe::CircuitBreaker {
    let backoff = failsafe::backoff::constant(LONG);
    let policy = failsafe::failure_policy::consecutive_failures(3, backoff);
    failsafe::Config::new().failure_policy(policy).build()
}

fn recloser() -> Recloser {
    Recloser::custom().error_rate(0.6).closed_len(100).open_wait(LONG).build()
}

fn succeed() -> Result<u32, u32> {
    black_box(Ok(1))
}

fn fail() -> Result<u32, u32> {
    black_box(Err(1))
}

pub(crate) fn run(bench: &mut Bench) {
    let effort = bench.effort();
    let (rounds, count) = effort.pick((21, 200_000), (5, 50_000), (1, 200));
    bench.table("breaker/closed".to_owned(), Unit::Nanoseconds, "recloser", rounds, || {
        let (one, two, three) = (ours(), failsafe(), recloser());
        vec![
            Row::new("portunus", move || timed(count, || used(one.call(succeed)))),
            Row::new("failsafe", move || timed(count, || used(two.call(succeed)))),
            Row::new("recloser", move || timed(count, || used(three.call(succeed)))),
        ]
    });
    bench.table("breaker/failing".to_owned(), Unit::Nanoseconds, "recloser", rounds, || {
        let (one, two, three) = (ours(), failsafe(), recloser());
        vec![
            Row::new("portunus", move || {
                timed(count, || {
                    used(one.call(fail));
                    used(one.call(succeed));
                })
            }),
            Row::new("failsafe", move || {
                timed(count, || {
                    used(two.call(fail));
                    used(two.call(succeed));
                })
            }),
            Row::new("recloser", move || {
                timed(count, || {
                    used(three.call(fail));
                    used(three.call(succeed));
                })
            }),
        ]
    });
    bench.table("breaker/open".to_owned(), Unit::Nanoseconds, "recloser", rounds, || {
        let (one, two, three) = (ours(), failsafe(), recloser());
        for _ in 0..200 {
            let _ = (one.call(fail), two.call(fail), three.call(fail));
        }
        assert!(one.call(succeed).is_err() && two.call(succeed).is_err());
        assert!(three.call(succeed).is_err());
        vec![
            Row::new("portunus", move || timed(count, || used(one.call(succeed)))),
            Row::new("failsafe", move || timed(count, || used(two.call(succeed)))),
            Row::new("recloser", move || timed(count, || used(three.call(succeed)))),
        ]
    });
}
