//! A blocked thread: it pauses, then yields, then sleeps.
//!
//! Strict order of service that sleeps at once pays a wake-up for every
//! acquisition. Pausing first wins most of that back, and who stands first
//! may pause longest: its turn comes next. Yielding helps when there are more
//! threads than cores.
//!
//! # The bed
//!
//! A thread sleeps in its [`Bed`], which is allocated when the thread has to
//! sleep for the first time, handed to another thread when this one ends, and
//! never freed. A waker is then just the bed's address: cloning and dropping
//! it do nothing, and no acquisition allocates. A late wake-up can reach the
//! bed's next tenant; so every sleeper looks at its own turn after waking.
//!
//! A thread that is being torn down has given its bed away, and borrows one for
//! each wait. Its turn is announced once, with the bed of the first wait for it;
//! so in a borrowed bed it sleeps for short times only.

#![allow(unsafe_code)]

use alloc::boxed::Box;
use core::ptr;
use core::task::{RawWaker, RawWakerVTable, Waker};
use core::time::Duration;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use ::spin::relax::RelaxStrategy;

use super::{Left, Limit, Place, Turn, Wait};
use crate::atomic::{AtomicU8, Ordering};

/// Pauses of the first in line, and of the others, before yielding. Measured:
/// with much fewer the first falls asleep while its turn is on the way; with
/// more the others take the core from the holder.
const PAUSES_FRONT: u32 = 300;
const PAUSES_BEHIND: u32 = 8;
/// Yields before sleeping.
const YIELDS: u32 = 24;

/// How long one sleeps in a borrowed bed before it looks at its turn.
const BORROWED: Duration = Duration::from_millis(10);

/// Pauses, yields, sleeps.
#[derive(Debug)]
pub struct ParkWait;

impl Wait for ParkWait {
    fn wait(turn: &impl Turn, limit: &impl Limit) -> bool {
        let mut pauses = 0;
        loop {
            let most = match turn.place() {
                Place::Over => return true,
                Place::Front => PAUSES_FRONT,
                Place::Behind => PAUSES_BEHIND,
            };
            if pauses >= most {
                break;
            }
            core::hint::spin_loop();
            pauses += 1;
        }
        for _ in 0..YIELDS {
            if limit.left() == Left::Nothing {
                return turn.place() == Place::Over;
            }
            thread::yield_now();
            if turn.place() == Place::Over {
                return true;
            }
        }
        sleep(turn, limit)
    }
}

#[cold]
fn sleep(turn: &impl Turn, limit: &impl Limit) -> bool {
    with_bed(|bed, longest| {
        if !turn.announce(bed.waker()) {
            return true;
        }
        loop {
            if turn.place() == Place::Over {
                return true;
            }
            let left = match limit.left() {
                Left::Unlimited => None,
                Left::Time(left) => Some(left),
                Left::Nothing => return false,
            };
            bed.sleep(longest.map_or(left, |longest| Some(left.unwrap_or(longest).min(longest))));
        }
    })
}

/// What the inner lock of threads does when the one inside is not out in a
/// moment: it lost its core, and gets this one.
#[derive(Debug)]
pub struct YieldCore;

impl RelaxStrategy for YieldCore {
    fn relax() {
        thread::yield_now();
    }
}

/// Where one thread sleeps.
///
/// | `sign` | meaning |
/// |---|---|
/// | `AWAKE` | nothing happened |
/// | `ASLEEP` | its thread waits on `bell` |
/// | `CALLED` | somebody woke it, and it has not noticed |
struct Bed {
    sign: AtomicU8,
    lock: Mutex<()>,
    bell: Condvar,
    /// The next free bed; meaningful on the list of free ones only.
    next: Mutex<Option<&'static Bed>>,
}

const AWAKE: u8 = 0;
const ASLEEP: u8 = 1;
const CALLED: u8 = 2;

/// Beds whose thread has ended.
static FREE: Mutex<Option<&'static Bed>> = Mutex::new(None);

/// Locks a mutex whose holders cannot panic.
fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bed {
    fn take() -> &'static Self {
        let mut free = open(&FREE);
        if let Some(bed) = *free {
            *free = open(&bed.next).take();
            return bed;
        }
        drop(free);
        Box::leak(Box::new(Self {
            sign: AtomicU8::new(AWAKE),
            lock: Mutex::new(()),
            bell: Condvar::new(),
            next: Mutex::new(None),
        }))
    }

    fn give_back(&'static self) {
        let mut free = open(&FREE);
        *open(&self.next) = free.replace(self);
    }

    /// Sleeps until called, or so long; may return without either.
    fn sleep(&self, most: Option<Duration>) {
        let lock = open(&self.lock);
        // Ordering: Acquire, pairs with the Release of `call`: having been
        // called, the thread sees its turn.
        if self.sign.compare_exchange(AWAKE, ASLEEP, Ordering::Acquire, Ordering::Acquire).is_ok() {
            match most {
                None => drop(self.bell.wait(lock)),
                Some(most) => drop(self.bell.wait_timeout(lock, most)),
            }
        }
        // Ordering: Acquire, as above.
        self.sign.swap(AWAKE, Ordering::Acquire);
    }

    fn call(&self) {
        // Ordering: Release, pairs with the Acquires of `sleep`.
        if self.sign.swap(CALLED, Ordering::Release) == ASLEEP {
            // The sleeper holds `lock` from its sign to its wait: with the
            // lock in hand, it waits or has woken.
            drop(open(&self.lock));
            self.bell.notify_one();
        }
    }

    fn waker(&'static self) -> Waker {
        // SAFETY: the table's functions take the address of a bed, which
        // lives for ever; a bed may be used from every thread.
        unsafe { Waker::from_raw(raw(ptr::from_ref(self).cast())) }
    }
}

static TABLE: RawWakerVTable = RawWakerVTable::new(raw, call, call, |_| ());

fn raw(bed: *const ()) -> RawWaker {
    RawWaker::new(bed, &TABLE)
}

fn call(bed: *const ()) {
    // SAFETY: `raw` is given the address of a bed, and beds live for ever.
    unsafe { &*bed.cast::<Bed>() }.call();
}

/// A thread's claim to a bed.
struct Claim(&'static Bed);

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

/// Runs `f` with the thread's own bed; with a borrowed one while the thread
/// is being torn down, and how long to sleep in that at most.
fn with_bed<T>(f: impl FnOnce(&'static Bed, Option<Duration>) -> T) -> T {
    std::thread_local! {
        static MINE: Claim = Claim(Bed::take());
    }
    let mine = MINE.try_with(|claim| claim.0);
    match mine {
        Ok(bed) => f(bed, None),
        Err(_) => {
            let claim = Claim(Bed::take());
            // It may have announced another bed for the same turn, in a wait
            // that was over: then that one is called.
            f(claim.0, Some(BORROWED))
        }
    }
}
