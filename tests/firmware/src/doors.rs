//! Doors: main code and tasks wait inside for what a handler brings, and what
//! all of them wrote is whole.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::Poll;

use embassy_executor::Spawner;
use portunus::WritePreferring;
use portunus::critical::{Door, Permit, Semaphore, SharedDoor};

use crate::pair::Pair;
use crate::{ensure, give_way};

const TURNS: u32 = 200;
const TASKS: u32 = 3;
const ROUNDS: u32 = 50;

/// Reached by main and the handler as they come.
static BUSY: Door<Pair> = Door::new(Pair::NEW);
/// Even: it is main's turn.
static TURN: Door<u32> = Door::new(0);
/// Bumped by the handler.
static NEWS: SharedDoor<Pair, WritePreferring> = SharedDoor::new(Pair::NEW);
/// What tasks have done.
static DONE: Door<u32> = Door::new(0);
/// Every worker has one until it is done.
static RUNNING: Semaphore = Semaphore::new(TASKS as usize);

/// What is tried now; 0: nothing.
static ROUND: AtomicU32 = AtomicU32::new(0);
/// What the handler did; only the handler writes.
static ENTERED: AtomicU32 = AtomicU32::new(0);
static REFUSED: AtomicU32 = AtomicU32::new(0);
/// Waits that were given up; only tasks write.
static GIVEN_UP: AtomicU32 = AtomicU32::new(0);

fn count(counter: &AtomicU32) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

fn begin(round: u32) {
    ENTERED.store(0, Ordering::Relaxed);
    REFUSED.store(0, Ordering::Relaxed);
    ROUND.store(round, Ordering::Relaxed);
}

pub fn tick() {
    match ROUND.load(Ordering::Relaxed) {
        1 => match BUSY.try_enter() {
            Some(mut pair) => {
                ensure(pair.is_whole(), "a handler saw a half");
                pair.bump();
                count(&ENTERED);
            }
            None => count(&REFUSED),
        },
        2 => {
            let Some(mut turn) = TURN.try_enter() else { return };
            if *turn % 2 == 1 {
                *turn += 1;
                // Main waits inside: it goes from there into the line.
                ensure(turn.notify_one(), "nobody waits for the handler");
                ensure(!turn.notify_one(), "somebody else waits for the handler");
            }
        }
        3 => {
            let Some(mut pair) = NEWS.try_write() else { return count(&REFUSED) };
            pair.bump();
            count(&ENTERED);
            drop(pair);
            // Without being inside.
            NEWS.notify_all();
        }
        _ => {}
    }
}

pub fn check() {
    begin(1);
    let mut times = 0;
    while ENTERED.load(Ordering::Relaxed) < 100 || REFUSED.load(Ordering::Relaxed) < 100 {
        BUSY.enter().bump_slowly();
        times += 1;
    }
    ROUND.store(0, Ordering::Relaxed);
    ensure(BUSY.enter().counts(times + ENTERED.load(Ordering::Relaxed)), "a door lost a step");

    begin(2);
    let mut turn = TURN.enter();
    for number in 0..TURNS {
        ensure(*turn == 2 * number, "a turn is missing");
        *turn += 1;
        turn.wait_while(|turn| *turn % 2 == 1);
    }
    ROUND.store(0, Ordering::Relaxed);
    drop(turn);
    ensure(!TURN.is_locked() && !TURN.notify_one(), "the door is not left as it was");

    begin(3);
    let mut seen = 0;
    while seen < TURNS {
        // As a reader and as a writer, in turns.
        let mut reading = NEWS.read();
        reading.wait_while(|news| news.left == seen);
        ensure(reading.is_whole() && reading.left > seen, "a reader saw a half");
        seen = reading.left;
        drop(reading);
        let mut writing = NEWS.write();
        writing.wait_while(|news| news.left == seen);
        ensure(writing.is_whole() && writing.left > seen, "a writer saw a half");
        seen = writing.left;
    }
    ROUND.store(0, Ordering::Relaxed);
    ensure(NEWS.read().counts(ENTERED.load(Ordering::Relaxed)), "news were lost");
    *NEWS.write() = Pair::NEW;
}

pub async fn check_tasks(spawner: Spawner) {
    begin(3);
    for _ in 0..TASKS {
        match worker(RUNNING.acquire()) {
            Ok(token) => spawner.spawn(token),
            Err(_) => ensure(false, "a task could not be spawned"),
        }
    }
    let done = DONE.enter_async().await;
    drop(done.wait_while_async(|done| *done < TASKS * ROUNDS).await);
    let Ok(all) = RUNNING.acquire_many_async(TASKS).await else { return };
    drop(all);
    ROUND.store(0, Ordering::Relaxed);
    ensure(NEWS.read().counts(ENTERED.load(Ordering::Relaxed)), "tasks lost news");
    ensure(GIVEN_UP.load(Ordering::Relaxed) > 0, "no wait was given up");
    ensure(!NEWS.is_locked() && NEWS.notify_all() == 0, "a task still waits");
    ensure(!DONE.is_locked() && DONE.notify_all() == 0, "the check still waits");
}

/// Waits for news again and again, as a reader and as a writer in turns; gives
/// every fourth wait up.
#[embassy_executor::task(pool_size = TASKS as usize)]
async fn worker(_running: Permit<'static>) {
    for round in 0..ROUNDS {
        if round % 4 == 3 {
            let reading = NEWS.read_async().await;
            let mut waiting = pin!(reading.wait_async());
            let mut polls = 0;
            poll_fn(|cx| {
                polls += 1;
                match waiting.as_mut().poll(cx) {
                    Poll::Pending if polls < 3 => {
                        cx.waker().wake_by_ref();
                        Poll::Pending
                    }
                    Poll::Pending => {
                        count(&GIVEN_UP);
                        Poll::Ready(())
                    }
                    Poll::Ready(_) => Poll::Ready(()),
                }
            })
            .await;
        }
        if round % 2 == 0 {
            let news = NEWS.read_async().await;
            let seen = news.left;
            let news = news.wait_while_async(|news| news.left == seen).await;
            ensure(news.is_whole() && news.left > seen, "a reading task saw a half");
            give_way().await;
        } else {
            let news = NEWS.write_async().await;
            let seen = news.left;
            let news = news.wait_while_async(|news| news.left == seen).await;
            ensure(news.is_whole() && news.left > seen, "a writing task saw a half");
            give_way().await;
        }
        let mut done = DONE.enter_async().await;
        *done += 1;
        done.notify_one();
    }
}
