//! Every primitive of every backend, awaited by several tasks that hold across
//! their awaits; on `critical` the handler goes in and out between them.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use embassy_executor::Spawner;

/// The backend without an inner lock, for this program.
mod alone {
    /// Carried by the locks that only tasks use.
    pub struct Tasks;

    // SAFETY: one core, one executor; no handler uses the locks that carry
    // this type.
    unsafe impl portunus::single::Alone for Tasks {}

    pub type Mutex<T> = portunus::single::Mutex<T, Tasks>;
    pub type RwLock<T, P = portunus::Fair> = portunus::single::RwLock<T, Tasks, P>;
    pub type FifoLock<R> = portunus::single::FifoLock<R, Tasks>;
    pub type Semaphore = portunus::single::Semaphore<Tasks>;
    pub type Permit<'a> = portunus::single::Permit<'a, Tasks>;
}

const VISITORS: u32 = 3;
const ROUNDS: u32 = 100;
/// How many locks a kit has, for the handler to visit in turn.
const LOCKS: usize = 6;

/// One visit of a task to a shared lock: as writer, as reader, and as one that
/// becomes the writer.
macro_rules! share {
    ($lock:expr) => {{
        let mut writer = $lock.write_async().await;
        writer.bump_left();
        give_way().await;
        writer.bump_right();
        drop(writer);
        let reader = $lock.read_async().await;
        ensure(reader.is_whole(), "a reader saw a half");
        give_way().await;
        ensure(reader.is_whole(), "a reader saw a half");
        drop(reader);
        let upgradable = $lock.upgradable_read_async().await;
        ensure(upgradable.is_whole(), "an upgradable reader saw a half");
        give_way().await;
    }};
}

/// All primitives of one backend, and the tasks that visit them.
macro_rules! kit {
    ($name:ident, $($locks:tt)+) => {
        mod $name {
            use core::sync::atomic::{AtomicU32, Ordering};

            use embassy_executor::Spawner;
            use portunus::prelude::*;
            use portunus::rules::{Access, ReadWrite};
            use portunus::{ReadPreferring, WritePreferring};

            use super::{LOCKS, ROUNDS, VISITORS};
            use crate::pair::Pair;
            use crate::{ensure, give_way};

            use $($locks)+::{FifoLock, Mutex, Permit, RwLock, Semaphore};

            static MUTEX: Mutex<Pair> = Mutex::new(Pair::NEW);
            static FAIR: RwLock<Pair> = RwLock::new(Pair::NEW);
            static READERS: RwLock<Pair, ReadPreferring> = RwLock::new(Pair::NEW);
            static WRITERS: RwLock<Pair, WritePreferring> = RwLock::new(Pair::NEW);
            static FIFO: FifoLock<ReadWrite> = FifoLock::new(ReadWrite);
            static PERMITS: Semaphore = Semaphore::new(2);
            static DONE: Semaphore = Semaphore::new(VISITORS as usize);

            /// How often the handler got into each.
            static ENTERED: [AtomicU32; LOCKS] = [const { AtomicU32::new(0) }; LOCKS];
            /// Writers, and users of permits, that are inside.
            static WRITING: AtomicU32 = AtomicU32::new(0);
            static USING: AtomicU32 = AtomicU32::new(0);

            /// A change that an interrupt on the same core does not tear: it
            /// changes nothing, or changes it back.
            fn add(count: &AtomicU32, by: u32) -> u32 {
                let now = critical_section::with(|_| {
                    let now = count.load(Ordering::Relaxed).wrapping_add(by);
                    count.store(now, Ordering::Relaxed);
                    now
                });
                now
            }

            /// The handler's attempt at one of the locks. `None`: refused.
            #[allow(dead_code, reason = "handlers stay away from the other kits")]
            pub fn visit(turn: usize) -> bool {
                let entered = match turn {
                    0 => MUTEX.try_lock().map(|mut pair| pair.bump()).is_some(),
                    1 => FAIR.try_write().map(|mut pair| pair.bump()).is_some(),
                    2 => READERS.try_write().map(|mut pair| pair.bump()).is_some(),
                    3 => WRITERS.try_write().map(|mut pair| pair.bump()).is_some(),
                    4 => {
                        let hold = FIFO.try_acquire(Access::Write);
                        if hold.is_some() {
                            ensure(WRITING.load(Ordering::Relaxed) == 0, "two writers");
                        }
                        hold.is_some()
                    }
                    _ => {
                        let permit = PERMITS.try_acquire();
                        if permit.is_some() {
                            ensure(USING.load(Ordering::Relaxed) < 2, "a permit too many");
                        }
                        permit.is_some()
                    }
                };
                if entered {
                    add(&ENTERED[turn], 1);
                }
                entered
            }

            #[embassy_executor::task(pool_size = VISITORS as usize)]
            async fn visitor(_running: Permit<'static>) {
                for _ in 0..ROUNDS {
                    let mut guard = MUTEX.lock_async().await;
                    guard.bump_left();
                    give_way().await;
                    guard.bump_right();
                    drop(guard);

                    share!(FAIR);
                    share!(READERS);
                    share!(WRITERS);

                    let hold = FIFO.acquire_async(Access::Write).await;
                    ensure(add(&WRITING, 1) == 1, "two writers");
                    give_way().await;
                    add(&WRITING, 1_u32.wrapping_neg());
                    drop(hold);
                    let hold = FIFO.acquire_async(Access::Read).await;
                    ensure(WRITING.load(Ordering::Relaxed) == 0, "a reader beside a writer");
                    give_way().await;
                    drop(hold);

                    let permit = PERMITS.acquire_async().await;
                    ensure(add(&USING, 1) <= 2, "a permit too many");
                    give_way().await;
                    add(&USING, 1_u32.wrapping_neg());
                    drop(permit);
                }
            }

            pub async fn check_tasks(spawner: Spawner) {
                for _ in 0..VISITORS {
                    // Its permit goes back when it is done.
                    match visitor(DONE.acquire()) {
                        Ok(token) => spawner.spawn(token),
                        Err(_) => ensure(false, "a task could not be spawned"),
                    }
                }
                let all = DONE.acquire_many_async(VISITORS).await;
                ensure(all.is_ok(), "a visitor is missing");
                let times =
                    |lock: usize| VISITORS * ROUNDS + ENTERED[lock].load(Ordering::Relaxed);
                ensure(MUTEX.lock_async().await.counts(times(0)), "awaited mutex");
                ensure(FAIR.read_async().await.counts(times(1)), "awaited fair lock");
                ensure(READERS.read_async().await.counts(times(2)), "awaited read-preferring lock");
                ensure(WRITERS.read_async().await.counts(times(3)), "awaited write-preferring lock");
                ensure(!FIFO.is_locked() && FIFO.waiting() == 0, "awaited user modes");
                ensure(PERMITS.available_permits() == 2, "awaited permits");
            }
        }
    };
}

kit!(on_critical, portunus::critical);
kit!(on_spin, portunus::spin);
kit!(on_single, super::alone);

static RUNNING: AtomicBool = AtomicBool::new(false);
static TURN: AtomicU32 = AtomicU32::new(0);
/// How often the handler was let in, and refused.
static ENTERED: AtomicU32 = AtomicU32::new(0);
static REFUSED: AtomicU32 = AtomicU32::new(0);

pub fn tick() {
    if !RUNNING.load(Ordering::Relaxed) {
        return;
    }
    // Only the handler writes these.
    let turn = TURN.load(Ordering::Relaxed);
    TURN.store(turn + 1, Ordering::Relaxed);
    let count = if on_critical::visit(turn as usize % LOCKS) { &ENTERED } else { &REFUSED };
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

pub async fn check_tasks(spawner: Spawner) {
    RUNNING.store(true, Ordering::Relaxed);
    on_critical::check_tasks(spawner).await;
    RUNNING.store(false, Ordering::Relaxed);
    crate::ensure(ENTERED.load(Ordering::Relaxed) > 5, "the handler never got in");
    crate::ensure(REFUSED.load(Ordering::Relaxed) > 5, "the handler was never refused");
    on_spin::check_tasks(spawner).await;
    on_single::check_tasks(spawner).await;
}
