//! A thread that waits while it is being torn down. It has no bed of its own any
//! more; no other test of this program takes the one that it borrows.

#![cfg(feature = "std")]
#![allow(missing_docs, clippy::std_instead_of_core)]

mod support;

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;
use std::thread;
use std::time::Duration;

use portunus::{Backend, Limit, Place, Turn, Wait};

use support::until;

/// How long a wait in vain takes.
const A_MOMENT: Duration = Duration::from_millis(15);

/// The waiting of `sync`, of which a test hears.
struct Told;

impl Backend for Told {
    type Inner = <portunus::sync::Threads as Backend>::Inner;
    type Wait = Self;
}

std::thread_local! {
    /// Which bed this thread has announced last, and how often.
    static BED: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
    /// What is done when a wait of this thread has ended in vain.
    static IN_VAIN: Cell<Option<fn()>> = const { Cell::new(None) };
    /// What is done when this thread is about to sleep.
    static ASLEEP: Cell<Option<fn()>> = const { Cell::new(None) };
}

struct Heard<'a, T>(&'a T);

impl<T: Turn> Turn for Heard<'_, T> {
    fn place(&self) -> Place {
        let place = self.0.place();
        if place != Place::Over
            && BED.get().1 > 0
            && let Some(asleep) = ASLEEP.take()
        {
            asleep();
        }
        place
    }

    fn announce(&self, waker: Waker) -> bool {
        BED.set((waker.data().addr(), BED.get().1 + 1));
        self.0.announce(waker)
    }
}

impl Wait for Told {
    fn wait(turn: &impl Turn, limit: &impl Limit) -> bool {
        let over = <portunus::sync::Threads as Backend>::Wait::wait(&Heard(turn), limit);
        if !over && let Some(in_vain) = IN_VAIN.take() {
            in_vain();
        }
        over
    }
}

/// It waits with a time limit in a bed that it borrows. The time is over; but it is
/// notified before it has left, and another thread has that bed by then. In the
/// lock's line it waits in another bed.
#[test]
fn a_thread_that_is_torn_down_waits_in_borrowed_beds() {
    static MUTEX: lock_api::Mutex<portunus::RawMutex<Told>, u32> = lock_api::Mutex::new(0);
    static OTHER: lock_api::Mutex<portunus::RawMutex<Told>, ()> = lock_api::Mutex::new(());
    static CHANGED: portunus::Condvar<Told> = portunus::Condvar::new();
    /// The bed of the wait that was over, when it was; that of the thread that
    /// sleeps meanwhile; that of the wait in the lock's line, when it is about to
    /// sleep.
    static FIRST: AtomicUsize = AtomicUsize::new(0);
    static SECOND: AtomicUsize = AtomicUsize::new(0);
    static THIRD: AtomicUsize = AtomicUsize::new(0);
    static NOTIFIED: AtomicBool = AtomicBool::new(false);
    static ENDED: AtomicBool = AtomicBool::new(false);

    fn set(to: &AtomicUsize) {
        to.store(BED.get().0, Ordering::SeqCst);
    }
    fn is_set(of: &AtomicUsize) -> bool {
        of.load(Ordering::SeqCst) != 0
    }

    fn in_vain() {
        if BED.get().1 == 0 {
            return IN_VAIN.set(Some(in_vain));
        }
        set(&FIRST);
        until("it is notified", || NOTIFIED.load(Ordering::SeqCst));
        BED.set((0, 0));
        ASLEEP.set(Some(|| set(&THIRD)));
    }

    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            let mut guard = MUTEX.lock();
            BED.set((0, 0));
            IN_VAIN.set(Some(in_vain));
            let mut time = A_MOMENT;
            // A time that is over before it sleeps is too short.
            while CHANGED.wait_for(&mut guard, time).timed_out() {
                time *= 2;
            }
            assert_eq!(*guard, 1);
            ENDED.store(true, Ordering::SeqCst);
        }
    }
    std::thread_local! {
        static LATE: Late = const { Late };
    }

    thread::spawn(|| {
        LATE.with(|_| ());
        // It gets a bed of its own, which is gone before `LATE` is.
        let mut guard = MUTEX.lock();
        while BED.get().1 == 0 {
            CHANGED.wait_for(&mut guard, A_MOMENT);
        }
    });
    until("its time is over", || is_set(&FIRST));
    let mut guard = MUTEX.lock();
    let held = OTHER.lock();
    let sleeper = thread::spawn(|| {
        ASLEEP.set(Some(|| set(&SECOND)));
        drop(OTHER.lock());
    });
    until("another thread sleeps", || is_set(&SECOND));
    assert!(CHANGED.notify_one());
    NOTIFIED.store(true, Ordering::SeqCst);
    until("it waits in the lock's line", || is_set(&THIRD));
    *guard += 1;
    drop(guard);
    until("it has its lock again", || ENDED.load(Ordering::SeqCst));
    let beds = [&FIRST, &SECOND, &THIRD].map(|bed| bed.load(Ordering::SeqCst));
    assert_ne!(beds[0], beds[2], "it had a bed of its own: {beds:?}");
    drop(held);
    sleeper.join().expect("no panic");
}
