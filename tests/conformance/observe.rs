//! What can be seen of a lock: counts, the length of the line, `Debug`; and
//! locks in statics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use portunus::prelude::*;
use portunus::rules::SharedMode;
use portunus::{Backend, FifoLock, Held, Rules, Semaphore, WritePreferring};

use crate::raw;
use crate::rules::Access::{Read, Write};
use crate::rules::Sole::Exclusive;
use crate::rules::{Access, ReadWrite, Slot, Slots, Sole};
use crate::subject::{Mutex, RwLock, lined_up};
use crate::support::{Hand, ready, until, watched};

fn counts<B: Backend>() {
    let lock = FifoLock::<_, B>::new(ReadWrite);
    let hand = Hand::new();
    assert_eq!((lock.holders(Read), lock.holders(Write), lock.waiting()), (0, 0, 0));
    assert!(!lock.is_locked());
    let holds = (lock.acquire(Read), lock.acquire(Read));
    assert_eq!((lock.holders(Read), lock.holders(Write), lock.waiting()), (2, 0, 0));
    let [mut writer, reader] = lined_up(&lock, [(&hand, Write), (&hand, Read)]);
    assert_eq!((lock.holders(Read), lock.holders(Write), lock.waiting()), (2, 0, 2));
    drop(holds);
    assert_eq!((lock.holders(Read), lock.holders(Write), lock.waiting()), (0, 1, 1));
    assert!(lock.is_locked());
    let hold = ready(hand.poll(&mut writer));
    assert_eq!((hold.mode(), hold.weight()), (Write, 1));
    assert!(std::ptr::eq(hold.lock(), &lock));
    drop((hold, reader));
    assert!(!lock.is_locked());
}

/// Counts by mode, and how many wait; of all lanes.
fn debug_shows_counts_and_the_line<B: Backend>() {
    let hand = Hand::new();
    let lock = FifoLock::<_, B>::new(ReadWrite);
    let holds = (lock.acquire(Read), lock.acquire(Read));
    let mut writer = Box::pin(lock.acquire_async(Write));
    assert!(hand.poll(&mut writer).is_pending());
    assert_eq!(format!("{lock:?}"), "FifoLock { held: {Read: 2, Write: 0}, waiting: 1 }");
    assert_eq!(format!("{:?}", holds.0), "Hold { mode: Read, weight: 1 }");

    let mutex = Mutex::<B>::new(0);
    let guard = mutex.lock();
    let text = format!("{:?}", raw::mutex(&mutex));
    assert_eq!(text, "RawMutex { held: {Exclusive: 1}, waiting: 0 }");
    drop(guard);

    let rwlock = RwLock::<WritePreferring, B>::new(0);
    let guards = (rwlock.read(), rwlock.upgradable_read());
    let mut first = Box::pin(rwlock.write_async());
    let mut second = Box::pin(rwlock.read_async());
    assert!(hand.poll(&mut first).is_pending());
    assert!(hand.poll(&mut second).is_pending());
    assert_eq!(
        format!("{:?}", raw::rwlock(&rwlock)),
        "RawRwLock { held: {Read: 1, Upgradable: 1, Write: 0}, waiting: 2 }"
    );
    assert_eq!(raw::rwlock(&rwlock).holders(SharedMode::Upgradable), 1);
    drop(guards);

    let semaphore = Semaphore::<B>::new(3);
    let permits = semaphore.acquire_many(2).expect("there are three");
    let mut many = Box::pin(semaphore.acquire_many_async(2));
    assert!(hand.poll(&mut many).is_pending());
    let text = format!("{semaphore:?}");
    assert_eq!(text, "Semaphore { permits: 3, available: 1, waiting: 1 }");
    drop(permits);
}

/// While another thread holds, nothing here waits for it.
fn a_held_lock_is_looked_at<B: Backend>() {
    watched("the lock is looked at", || {
        let lock = Arc::new(FifoLock::<ReadWrite, B>::new(ReadWrite));
        let (inside, wait_inside) = channel::<()>();
        let (leave, wait_to_leave) = channel::<()>();
        let holder = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || {
                let _hold = lock.acquire(Write);
                inside.send(()).expect("the test is there");
                let _ = wait_to_leave.recv();
            })
        };
        wait_inside.recv().expect("the holder is there");
        assert_eq!(format!("{lock:?}"), "FifoLock { held: {Read: 0, Write: 1}, waiting: 0 }");
        assert_eq!((lock.holders(Write), lock.waiting(), lock.is_locked()), (1, 0, true));
        assert!(lock.try_acquire(Read).is_none());
        drop(leave);
        holder.join().expect("it does not panic");
        assert!(!lock.is_locked());
    });
}

/// A mutex whose rule takes its time when it is told to.
#[derive(Default)]
struct Slow {
    held_up: AtomicBool,
    asked: AtomicBool,
}

impl Rules for Slow {
    type Mode = Sole;

    fn admits(&self, _: Sole, held: &Held<Sole>) -> bool {
        while self.held_up.load(Ordering::SeqCst) {
            self.asked.store(true, Ordering::SeqCst);
            thread::yield_now();
        }
        held.is_empty()
    }
}

/// Not even for the line to be free for a look: `Debug` says so instead.
fn debug_never_waits<B: Backend>() {
    watched("the lock is looked at", || {
        let lock = Arc::new(FifoLock::<Slow, B>::default());
        let hand = Hand::new();
        let hold = lock.acquire_owned(Exclusive);
        let mut next = Box::pin(lock.acquire_async(Exclusive));
        assert!(hand.poll(&mut next).is_pending());
        // The release asks the rule about the next one, with the line in hand.
        lock.rules().held_up.store(true, Ordering::SeqCst);
        let releaser = thread::spawn(move || drop(hold));
        until("the rule is asked", || lock.rules().asked.load(Ordering::SeqCst));
        let text = format!("{lock:?}");
        let counts = (lock.holders(Exclusive), lock.is_locked());
        lock.rules().held_up.store(false, Ordering::SeqCst);
        releaser.join().expect("it does not panic");
        assert_eq!(text, "FifoLock { held: {Exclusive: 0}, waiting: <locked> }");
        assert_eq!(counts, (0, false));
        drop(ready(hand.poll(&mut next)));
    });
}

on_backends!(counts, debug_shows_counts_and_the_line, a_held_lock_is_looked_at);

instantiate!({
    with_the_line_of_sync: portunus::sync::Threads,
    with_the_line_of_spin: portunus::spin::Spinning,
} [debug_never_waits]);

/// Every lock can be a static, and is then used from wherever.
macro_rules! statics {
    ($($module:ident),+) => {
        $(
            #[test]
            fn $module() {
                fn used() {
                    use portunus::$module::{FifoLock, Mutex, RwLock, Semaphore};

                    static FIFO: FifoLock<ReadWrite> = FifoLock::new(ReadWrite);
                    static SLOTS: FifoLock<Slots> = FifoLock::new(Slots(2));
                    static MUTEX: Mutex<u64> = Mutex::new(0);
                    static FAIR: RwLock<u64> = RwLock::new(0);
                    static WRITERS: RwLock<u64, WritePreferring> = RwLock::new(0);
                    static SEMAPHORE: Semaphore = Semaphore::new(2);

                    let work = || {
                        for _ in 0..50 {
                            drop(FIFO.acquire(Access::Write));
                            drop(SLOTS.acquire_many(Slot::Taken, 2).expect("there are two"));
                            *MUTEX.lock() += 1;
                            *FAIR.write() += 1;
                            *WRITERS.write() += 1;
                            drop(SEMAPHORE.acquire());
                        }
                    };
                    thread::scope(|scope| {
                        scope.spawn(work);
                        scope.spawn(work);
                    });
                    assert_eq!((*MUTEX.lock(), *FAIR.read(), *WRITERS.read()), (100, 100, 100));
                    assert!(!FIFO.is_locked() && !SLOTS.is_locked());
                    assert_eq!(SEMAPHORE.available_permits(), 2);
                }
                crate::watch::guarded(concat!(module_path!(), "::", stringify!($module)), used);
            }
        )+
    };
}

mod in_a_static {
    use super::*;

    statics!(sync, spin, critical);
}
