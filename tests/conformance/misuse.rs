//! Releases that nobody may make: safe code can't, and what unsafe code does
//! wrong is refused where debug assertions are on.

use portunus::{Backend, Semaphore};

/// Safe code can give back what it has, once: permits are split and merged,
/// never made.
fn permits_are_not_multiplied<B: Backend>() {
    let (one, other) = (Semaphore::<B>::new(5), Semaphore::<B>::new(5));
    let mut permits = one.acquire_many(3).expect("there are five");
    assert!(permits.split(4).is_none());
    assert_eq!(permits.count(), 3);
    let part = permits.split(2).expect("there are three");
    assert_eq!((permits.count(), part.count(), one.available_permits()), (1, 2, 2));
    let foreign = other.acquire();
    let foreign = permits.merge(foreign).expect_err("it is another semaphore's");
    assert_eq!((permits.count(), other.available_permits()), (1, 4));
    drop(foreign);
    permits.merge(part).expect("it is the same semaphore's");
    assert_eq!((permits.count(), one.available_permits()), (3, 2));
    drop(permits);
    assert_eq!((one.available_permits(), other.available_permits()), (5, 5));
}

on_backends!(permits_are_not_multiplied);

#[cfg(debug_assertions)]
mod refused {
    #![allow(unsafe_code)]

    use lock_api::{RawMutex as _, RawRwLock as _};
    use portunus::{Backend, Fair, RawMutex, RawRwLock};

    use crate::support::panic_of;

    const REFUSED: &str = "released a lock in a mode in which nobody holds it";

    /// Refused, and the lock is as it was.
    fn a_mutex_is_released_twice<B: Backend>() {
        let mutex = RawMutex::<B>::new();
        let state = mutex.lock();
        // SAFETY: it is held with this state.
        unsafe { mutex.unlock(state) };
        // SAFETY: it is not held, which is what this is about: with debug
        // assertions the call ends before it has done anything.
        let again = || unsafe { mutex.unlock(state) };
        assert_eq!(panic_of(again), REFUSED);
        assert!(!mutex.is_locked());
        let state = mutex.try_lock().expect("it is free");
        assert!(mutex.try_lock().is_none());
        // SAFETY: it is held with this state.
        unsafe { mutex.unlock(state) };
        assert!(!mutex.is_locked());
    }

    /// The same of a readers-writer lock, also beside holders of the other
    /// mode.
    fn a_readers_writer_lock_is_released_twice<B: Backend>() {
        let lock = RawRwLock::<Fair, B>::new();
        let state = lock.lock_exclusive();
        // SAFETY: not so, see above: nobody reads.
        let as_a_reader = || unsafe { lock.unlock_shared(state) };
        // SAFETY: held with this state once, and then not so, see above.
        let as_the_writer = || unsafe { lock.unlock_exclusive(state) };
        assert_eq!(panic_of(as_a_reader), REFUSED);
        assert!(lock.is_locked_exclusive());
        as_the_writer();
        assert_eq!(panic_of(as_the_writer), REFUSED);
        assert!(!lock.is_locked());

        let reading = lock.lock_shared();
        assert_eq!(panic_of(as_the_writer), REFUSED);
        assert!(lock.is_locked() && !lock.is_locked_exclusive());
        // SAFETY: it is held with this state.
        unsafe { lock.unlock_shared(reading) };
        assert!(!lock.is_locked());
    }

    instantiate!({
        on_sync: portunus::sync::Threads,
        on_spin: portunus::spin::Spinning,
        on_critical: portunus::critical::Critical,
    } [a_mutex_is_released_twice, a_readers_writer_lock_is_released_twice]);
}
