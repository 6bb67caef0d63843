//! What stands on the locks and needs no heap: values that are waited for,
//! a circuit breaker, a throttle, a guard, a barrier, a nursery; with a clock
//! that the handler ticks.

use core::num::NonZeroU32;
use core::pin::pin;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::time::Duration;

use embassy_executor::Spawner;
use portunus::circuit_breaker::{CircuitSettings, CircuitState};
use portunus::clock::TickClock;
use portunus::barrier::BarrierError;
use portunus::critical::{Accessor, Condition, DynamicThrottle, FixedBarrier, Predicate};
use portunus::nursery::{FixedExit, FixedNursery, FixedTask, StopSignal, TaskOutcome};
use portunus::throttle::{ThrottleOptions, ThrottleSettings};
use portunus::{CircuitBreaker, Clock, ResourceGuard};

use crate::{ensure, give_way, until};

const PER_SECOND: u32 = 1_000;

const fn per_second() -> NonZeroU32 {
    match NonZeroU32::new(PER_SECOND) {
        Some(rate) => rate,
        None => NonZeroU32::MIN,
    }
}

/// Ticked by the handler.
static CLOCK: TickClock = TickClock::new(per_second());
static RUNS: AtomicBool = AtomicBool::new(false);

/// Set by the handler when nobody else is at it.
static TICKS: Accessor<u32> = Accessor::new(0);
/// How often the handler found it free.
static SET: AtomicU32 = AtomicU32::new(0);
static CHANGED: Condition = Condition::new();
static MARK: AtomicU32 = AtomicU32::new(0);
static LATER: Predicate<fn() -> bool, &Condition> =
    Predicate::new(&CHANGED, || SET.load(Ordering::SeqCst) > MARK.load(Ordering::SeqCst) + 5);

static BARRIER: FixedBarrier<u32, 3> = FixedBarrier::full();
static MET: AtomicU32 = AtomicU32::new(0);
static GUARD: ResourceGuard = ResourceGuard::with_action("talking");

/// In the timer's interrupt.
pub fn tick() {
    if !RUNS.load(Ordering::SeqCst) {
        return;
    }
    CLOCK.tick();
    if TICKS.try_set(SET.load(Ordering::SeqCst) + 1).is_ok() {
        let set = SET.load(Ordering::SeqCst);
        SET.store(set + 1, Ordering::SeqCst);
    }
    // Whoever asks meanwhile is asked again at the next tick.
    let _: Option<usize> = CHANGED.try_notify();
}

/// Lets the others run until so much time has passed on the handler's clock.
async fn sleep(time: Duration) {
    let end = CLOCK.now() + time;
    until(|| CLOCK.now() >= end).await;
}

type Met<'a> = Result<portunus::barrier::GatheredRef<'a, u32>, BarrierError>;

fn is_whole(met: Met<'_>) -> bool {
    met.is_ok_and(|gathered| gathered.iter().sum::<u32>() == 1 + 2 + 3)
}

#[embassy_executor::task(pool_size = 2)]
async fn party(state: u32) {
    ensure(is_whole(BARRIER.wait_async(state).await), "a party did not get what all brought");
    MET.store(MET.load(Ordering::SeqCst) + 1, Ordering::SeqCst);
}

pub async fn check_tasks(spawner: Spawner) {
    RUNS.store(true, Ordering::SeqCst);
    values().await;
    breaker().await;
    throttle().await;
    guard();
    barrier(spawner).await;
    nursery().await;
    RUNS.store(false, Ordering::SeqCst);
}

async fn values() {
    let first = TICKS.get_async().await;
    let next = TICKS.get_async().await;
    ensure(next > first, "a value came twice");
    let far = TICKS.get_where_async(move |ticks| *ticks > next + 20).await;
    ensure(far > next + 20, "a value that was not wanted");
    MARK.store(SET.load(Ordering::SeqCst), Ordering::SeqCst);
    LATER.wait_async().await;
    ensure(LATER.holds(), "a predicate that does not hold");
}

async fn breaker() {
    let settings = match CircuitSettings::new(2, Duration::from_millis(20), 1) {
        Ok(settings) => settings,
        Err(_) => return ensure(false, "settings that are right"),
    };
    let breaker = CircuitBreaker::with_settings(settings, &CLOCK);
    for _ in 0..2 {
        ensure(breaker.call(|| Err::<(), _>(())).is_err(), "a failure");
    }
    ensure(breaker.state() == CircuitState::Open, "two failures open it");
    let refused = breaker.call(|| Ok::<_, ()>(())).is_err_and(|error| error.is_refusal());
    ensure(refused, "an open circuit");
    sleep(Duration::from_millis(22)).await;
    let tried = breaker
        .call_async(async {
            give_way().await;
            Ok::<_, ()>(7)
        })
        .await;
    ensure(tried == Ok(7) && breaker.state() == CircuitState::Closed, "a try closes it");
}

async fn throttle() {
    let settings: ThrottleSettings = match (ThrottleOptions {
        jitter: 0.0,
        ..ThrottleOptions::new(100.0)
    })
    .check()
    {
        Ok(settings) => settings,
        Err(_) => return ensure(false, "options that are right"),
    };
    let throttle = DynamicThrottle::<&TickClock>::new(settings, &CLOCK);
    let start = CLOCK.now();
    for _ in 0..4 {
        throttle.enter_with(sleep).await.success();
    }
    // The first at once, each other one 10 ms after the one before; less what a
    // clock of ticks can't tell.
    ensure(CLOCK.now() - start >= Duration::from_millis(28), "too fast");
    ensure(throttle.successes() == 4, "all went well");
}

fn guard() {
    let busy = GUARD.try_enter();
    ensure(busy.is_ok() && GUARD.try_enter().is_err(), "one at a time");
    drop(busy);
    ensure(GUARD.try_enter().is_ok(), "it was left");
}

async fn barrier(spawner: Spawner) {
    spawn(spawner, 1);
    until(|| BARRIER.waiting() == 1).await;
    {
        let mut gone = pin!(BARRIER.wait_async(50));
        let came = embassy_futures::poll_once(gone.as_mut()).is_pending();
        ensure(came && BARRIER.waiting() == 2, "it waits for one more");
    }
    ensure(BARRIER.waiting() == 1, "who gives up takes its state away");
    spawn(spawner, 2);
    until(|| BARRIER.waiting() == 2).await;
    ensure(is_whole(BARRIER.wait_async(3).await), "the last one gets what all brought");
    until(|| MET.load(Ordering::SeqCst) == 2).await;
}

fn spawn(spawner: Spawner, state: u32) {
    match party(state) {
        Ok(token) => spawner.spawn(token),
        Err(_) => ensure(false, "a party could not be spawned"),
    }
}

async fn nursery() {
    let stop = StopSignal::new();
    let mut blink = pin!(FixedTask::watching(&stop, async {
        stop.stopped().await;
        Ok("dark")
    }));
    let sampled = AtomicBool::new(false);
    let mut sample = pin!(FixedTask::new(async {
        sleep(Duration::from_millis(3)).await;
        sampled.store(true, Ordering::SeqCst);
        Ok(42)
    }));
    let power = pin!(FixedExit::new(|outcome: Result<(), ()>| async move { outcome }));
    let mut nursery = FixedNursery::<(), 3>::new();
    let started = nursery.push(power).is_ok()
        && nursery.start(blink.as_mut()).is_ok()
        && nursery.start(sample.as_mut()).is_ok();
    ensure(started, "there is room for three");
    let ended = nursery.run(async { Ok(until(|| sampled.load(Ordering::SeqCst)).await) }).await;
    ensure(ended == Ok(Some(())), "the nursery ended well");
    drop(nursery);
    ensure(sample.take_outcome() == Some(TaskOutcome::Value(42)), "a task's value");
    ensure(blink.take_outcome() == Some(TaskOutcome::Value("dark")), "a stopped task's value");
}
