//! Tasks of an executor and an interrupt handler stand in one line, and are
//! served in the order in which they asked.

use core::cell::RefCell;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::task::{Context, Poll, Waker};

use embassy_executor::Spawner;
use portunus::critical::{Critical, FifoLock, Hold, Permit, Semaphore};
use portunus::future::AcquireHold;
use portunus::rules::{Exclusive, Sole};

use crate::{ensure, give_way};

const TASKS: u32 = 4;
const ROUNDS: u32 = 200;

static LOCK: FifoLock<Exclusive> = FifoLock::new(Exclusive);

type Request = AcquireHold<'static, Exclusive, Critical>;

/// The handler's part: a request that stands in line like a task's, and what
/// it holds, to let it go in its next interrupt.
struct Handler {
    request: Option<Request>,
    number: u32,
    hold: Option<Hold<'static, Exclusive>>,
}

static HANDLER: critical_section::Mutex<RefCell<Handler>> =
    critical_section::Mutex::new(RefCell::new(Handler { request: None, number: 0, hold: None }));
static RUNNING: AtomicBool = AtomicBool::new(false);
/// How often the handler got in.
static ENTERED: AtomicU32 = AtomicU32::new(0);

/// Numbers given to requests as they are made, and to holders as they enter;
/// used inside a critical section.
static ASKED: AtomicU32 = AtomicU32::new(0);
static SERVED: AtomicU32 = AtomicU32::new(0);
static CANCELLED: AtomicU32 = AtomicU32::new(0);
/// Every worker has one until it is done.
static DONE: Semaphore = Semaphore::new(TASKS as usize);

fn next(counter: &AtomicU32) -> u32 {
    let now = counter.load(Ordering::Relaxed) + 1;
    counter.store(now, Ordering::Relaxed);
    now
}

/// Notes that the request with this number was served: numbers rise, those of
/// requests that were given up are missing.
fn serve(number: u32) {
    ensure(number > SERVED.load(Ordering::Relaxed), "somebody was overtaken");
    SERVED.store(number, Ordering::Relaxed);
}

pub fn tick() {
    if !RUNNING.load(Ordering::Relaxed) {
        return;
    }
    critical_section::with(|cs| {
        let mut handler = HANDLER.borrow_ref_mut(cs);
        if handler.hold.take().is_some() {
            return;
        }
        if handler.request.is_none() {
            handler.request = Some(LOCK.acquire_async(Sole::Exclusive));
            handler.number = next(&ASKED);
        }
        let Some(request) = &mut handler.request else { return };
        // SAFETY: it lives in a static, and is dropped where it stands.
        let request = unsafe { Pin::new_unchecked(request) };
        // The next interrupt polls again: nobody has to be woken.
        let polled = request.poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(hold) = polled {
            handler.request = None;
            handler.hold = Some(hold);
            next(&ENTERED);
            serve(handler.number);
        }
    });
}

pub async fn check_tasks(spawner: Spawner) {
    RUNNING.store(true, Ordering::Relaxed);
    for _ in 0..TASKS {
        // Its permit goes back when it is done.
        match worker(DONE.acquire()) {
            Ok(token) => spawner.spawn(token),
            Err(_) => ensure(false, "a task could not be spawned"),
        }
    }
    // All permits are back when all workers are done.
    let Ok(all) = DONE.acquire_many_async(TASKS).await else { return };
    drop(all);
    RUNNING.store(false, Ordering::Relaxed);
    critical_section::with(|cs| {
        let mut handler = HANDLER.borrow_ref_mut(cs);
        handler.request = None;
        handler.hold = None;
    });
    ensure(ASKED.load(Ordering::Relaxed) > TASKS * ROUNDS, "a request is missing");
    ensure(ENTERED.load(Ordering::Relaxed) > 10, "the handler never got in");
    ensure(CANCELLED.load(Ordering::Relaxed) > 0, "nothing was ever cancelled");
    ensure(!LOCK.is_locked() && LOCK.waiting() == 0, "the lock is not left as it was");
}

#[embassy_executor::task(pool_size = TASKS as usize)]
async fn worker(_running: Permit<'static>) {
    for round in 0..ROUNDS {
        let mut request = pin!(LOCK.acquire_async(Sole::Exclusive));
        // The number is taken in the very poll that asks.
        let mut number = None;
        let mut polls = 0;
        // Every eighth request is given up when it was polled a few times, as
        // the loser of a select.
        let patience = if round % 8 == 7 { 3 } else { u32::MAX };
        let hold = poll_fn(|cx| {
            let polled = critical_section::with(|_| {
                let number = *number.get_or_insert_with(|| next(&ASKED));
                let polled = request.as_mut().poll(cx);
                if polled.is_ready() {
                    serve(number);
                }
                polled
            });
            match polled {
                Poll::Ready(hold) => return Poll::Ready(Some(hold)),
                Poll::Pending => polls += 1,
            }
            if polls >= patience {
                return Poll::Ready(None);
            }
            if patience != u32::MAX {
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await;
        match hold {
            None => {
                critical_section::with(|_| next(&CANCELLED));
            }
            Some(hold) => {
                give_way().await;
                drop(hold);
            }
        }
    }
}
