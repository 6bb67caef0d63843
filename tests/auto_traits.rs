//! Which locks, guards, holds and futures may be sent to another thread or
//! shared with it, depending on the data and on the rules; and how large they
//! are.

#![cfg(all(feature = "std", feature = "async"))]
#![allow(missing_docs)]
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]
#![allow(unsafe_code)]

use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use portunus::future::{
    AcquireHold, AcquireManyHold, AcquireManyOwnedPermit, AcquireManyPermit, AcquireOwnedHold,
    AcquireOwnedPermit, AcquirePermit, ConvertHold, Lock, LockArc, Read, ReadArc, UpgradableRead,
    Write, WriteArc,
};
use portunus::rules::{ReadWrite, Sole};
use portunus::{
    Fair, Held, InnerLock, OwnedHold, OwnedMutexGuard, OwnedPermit, RawMutexInner, ReadPreferring,
    Rules, WritePreferring,
};

// === Asking for a trait that may not be there ===

/// Whether a type has a trait, as a constant: the probe's own constant is
/// there only for types that have it, and is preferred to the one below.
trait Otherwise {
    const HAS: bool = false;
}

macro_rules! probe {
    ($probe:ident, $bound:ident) => {
        #[allow(dead_code)]
        struct $probe<T: ?Sized>(PhantomData<T>);

        #[allow(dead_code)]
        impl<T: ?Sized + $bound> $probe<T> {
            const HAS: bool = true;
        }

        impl<T: ?Sized> Otherwise for $probe<T> {}
    };
}

probe!(IsSend, Send);
probe!(IsSync, Sync);
probe!(IsUnpin, Unpin);
probe!(IsInner, InnerLock);

/// Whether a type is `Send` and whether it is `Sync`.
macro_rules! auto {
    ($type:ty) => {
        (<IsSend<$type>>::HAS, <IsSync<$type>>::HAS)
    };
}

/// What is there, and what is not.
const SEND_SYNC: (bool, bool) = (true, true);
const SEND: (bool, bool) = (true, false);
const SYNC: (bool, bool) = (false, true);
const NONE: (bool, bool) = (false, false);

// Data, and rules, of each kind.
type Both = u64;
type OnlySend = Cell<u64>;
type OnlySync = std::sync::MutexGuard<'static, u64>;
type Neither = Rc<u64>;

#[test]
fn the_probes_tell_the_difference() {
    assert_eq!(auto!(Both), SEND_SYNC);
    assert_eq!(auto!(OnlySend), SEND);
    assert_eq!(auto!(OnlySync), SYNC);
    assert_eq!(auto!(Neither), NONE);
    assert_eq!((<IsUnpin<u64>>::HAS, <IsUnpin<std::marker::PhantomPinned>>::HAS), (true, false));
}

/// Checks type constructors of one argument against data of each kind.
macro_rules! table {
    ($($type:ident: $both:ident, $only_send:ident, $only_sync:ident, $neither:ident;)+) => {$(
        let name = stringify!($type);
        assert_eq!(auto!($type<Both>), $both, "{name} of what is Send and Sync");
        assert_eq!(auto!($type<OnlySend>), $only_send, "{name} of what is Send");
        assert_eq!(auto!($type<OnlySync>), $only_sync, "{name} of what is Sync");
        assert_eq!(auto!($type<Neither>), $neither, "{name} of what is neither");
    )+};
}

/// Checks whether types are `Unpin`: all, or none.
macro_rules! unpin {
    (no: $($type:ty),+) => {
        for (name, unpin) in [$((stringify!($type), <IsUnpin<$type>>::HAS)),+] {
            assert!(!unpin, "{name} may be moved");
        }
    };
    (yes: $($type:ty),+) => {
        for (name, unpin) in [$((stringify!($type), <IsUnpin<$type>>::HAS)),+] {
            assert!(unpin, "{name} must not be moved");
        }
    };
}

/// Rules that carry something.
struct Carrying<T>(PhantomData<T>);

impl<T> Rules for Carrying<T> {
    type Mode = Sole;

    fn admits(&self, _: Sole, held: &Held<Sole>) -> bool {
        held.is_empty()
    }
}

// === Every backend ===

macro_rules! backend {
    ($backend:ident, $type:ty) => {
        mod $backend {
            use super::*;
            use portunus::$backend::*;

            #[test]
            fn mutex() {
                type Guard<T> = MutexGuard<'static, T>;
                type Mapped<T> = MappedMutexGuard<'static, T>;
                type ArcGuard<T> = lock_api::ArcMutexGuard<RawMutex, T>;
                type Owned<T> = OwnedMutexGuard<RawMutex, T>;
                type Awaited<T> = Lock<'static, RawMutex, T>;
                type AwaitedArc<T> = LockArc<RawMutex, T>;
                table! {
                    Mutex: SEND_SYNC, SEND_SYNC, NONE, NONE;
                    Guard: SEND_SYNC, SEND, NONE, NONE;
                    Mapped: SEND_SYNC, SEND, SYNC, NONE;
                    ArcGuard: SEND_SYNC, SEND, NONE, NONE;
                    Owned: SEND_SYNC, SEND, NONE, NONE;
                    Awaited: SEND_SYNC, SEND_SYNC, NONE, NONE;
                    AwaitedArc: SEND_SYNC, SEND_SYNC, NONE, NONE;
                }
            }

            #[test]
            fn rwlock() {
                type Reading<T> = RwLockReadGuard<'static, T>;
                type Writing<T> = RwLockWriteGuard<'static, T>;
                type Upgradable<T> = RwLockUpgradableReadGuard<'static, T>;
                type MappedReading<T> = MappedRwLockReadGuard<'static, T>;
                type MappedWriting<T> = MappedRwLockWriteGuard<'static, T>;
                type ArcReading<T> = lock_api::ArcRwLockReadGuard<RawRwLock, T>;
                type ArcWriting<T> = lock_api::ArcRwLockWriteGuard<RawRwLock, T>;
                type AwaitedRead<T> = Read<'static, RawRwLock, T>;
                type AwaitedWrite<T> = Write<'static, RawRwLock, T>;
                type AwaitedUpgradable<T> = UpgradableRead<'static, RawRwLock, T>;
                type AwaitedReadArc<T> = ReadArc<RawRwLock, T>;
                type AwaitedWriteArc<T> = WriteArc<RawRwLock, T>;
                table! {
                    RwLock: SEND_SYNC, SEND, NONE, NONE;
                    Reading: SEND_SYNC, NONE, NONE, NONE;
                    Writing: SEND_SYNC, NONE, NONE, NONE;
                    Upgradable: SEND_SYNC, NONE, NONE, NONE;
                    MappedReading: SEND_SYNC, NONE, SEND_SYNC, NONE;
                    MappedWriting: SEND_SYNC, SEND, SYNC, NONE;
                    ArcReading: SEND_SYNC, NONE, NONE, NONE;
                    ArcWriting: SEND_SYNC, NONE, NONE, NONE;
                    AwaitedRead: SEND_SYNC, NONE, NONE, NONE;
                    AwaitedWrite: SEND_SYNC, NONE, NONE, NONE;
                    AwaitedUpgradable: SEND_SYNC, NONE, NONE, NONE;
                    AwaitedReadArc: SEND_SYNC, NONE, NONE, NONE;
                    AwaitedWriteArc: SEND_SYNC, NONE, NONE, NONE;
                }
            }

            /// Here the argument is what the rules carry.
            #[test]
            fn fifo_lock() {
                type Locked<T> = FifoLock<Carrying<T>>;
                type Held<T> = Hold<'static, Carrying<T>>;
                type Owned<T> = OwnedHold<Carrying<T>, $type>;
                type Awaited<T> = AcquireHold<'static, Carrying<T>, $type>;
                type AwaitedMany<T> = AcquireManyHold<'static, Carrying<T>, $type>;
                type AwaitedOwned<T> = AcquireOwnedHold<Carrying<T>, $type>;
                type Converted<T> = ConvertHold<'static, Carrying<T>, $type>;
                table! {
                    Locked: SEND_SYNC, SEND, SYNC, NONE;
                    Held: SEND_SYNC, NONE, SEND_SYNC, NONE;
                    Owned: SEND_SYNC, NONE, NONE, NONE;
                    Awaited: SEND_SYNC, NONE, SEND_SYNC, NONE;
                    AwaitedMany: SEND_SYNC, NONE, SEND_SYNC, NONE;
                    AwaitedOwned: SEND_SYNC, NONE, NONE, NONE;
                    Converted: SEND_SYNC, NONE, SEND_SYNC, NONE;
                }
            }

            #[test]
            fn what_has_no_data() {
                assert_eq!(auto!(RawMutex), SEND_SYNC);
                assert_eq!(auto!(RawRwLock), SEND_SYNC);
                assert_eq!(auto!(RawRwLock<ReadPreferring>), SEND_SYNC);
                assert_eq!(auto!(RawRwLock<WritePreferring>), SEND_SYNC);
                assert_eq!(auto!(Semaphore), SEND_SYNC);
                assert_eq!(auto!(Permit<'static>), SEND_SYNC);
                assert_eq!(auto!(OwnedPermit<$type>), SEND_SYNC);
                assert_eq!(auto!(AcquirePermit<'static, $type>), SEND_SYNC);
                assert_eq!(auto!(AcquireManyPermit<'static, $type>), SEND_SYNC);
                assert_eq!(auto!(AcquireOwnedPermit<$type>), SEND_SYNC);
                assert_eq!(auto!(AcquireManyOwnedPermit<$type>), SEND_SYNC);
            }

            /// A future in line is linked to others: it must not be moved.
            #[test]
            fn futures_are_pinned() {
                unpin! { no:
                    Lock<'static, RawMutex, u64>,
                    LockArc<RawMutex, u64>,
                    Read<'static, RawRwLock, u64>,
                    ReadArc<RawRwLock, u64>,
                    UpgradableRead<'static, RawRwLock, u64>,
                    Write<'static, RawRwLock, u64>,
                    WriteArc<RawRwLock, u64>,
                    AcquireHold<'static, ReadWrite, $type>,
                    AcquireManyHold<'static, ReadWrite, $type>,
                    AcquireOwnedHold<ReadWrite, $type>,
                    ConvertHold<'static, ReadWrite, $type>,
                    AcquirePermit<'static, $type>,
                    AcquireManyPermit<'static, $type>,
                    AcquireOwnedPermit<$type>,
                    AcquireManyOwnedPermit<$type>
                }
                // What it gives may be moved.
                unpin! { yes:
                    MutexGuard<'static, u64>,
                    RwLockWriteGuard<'static, u64>,
                    Hold<'static, ReadWrite>,
                    OwnedHold<ReadWrite, $type>,
                    Permit<'static>,
                    OwnedPermit<$type>
                }
            }

            /// Not only for the data of the tables, but for all.
            #[allow(dead_code)]
            const fn for_all_data<T: Send + 'static, S: Send + Sync + 'static>() {
                const fn send<T: Send>() {}
                const fn sync<T: Sync>() {}
                send::<Mutex<T>>();
                sync::<Mutex<T>>();
                send::<MutexGuard<'static, T>>();
                send::<Lock<'static, RawMutex, T>>();
                send::<LockArc<RawMutex, T>>();
                send::<OwnedMutexGuard<RawMutex, T>>();
                send::<RwLock<S>>();
                sync::<RwLock<S>>();
                send::<Read<'static, RawRwLock, S>>();
                send::<Write<'static, RawRwLock, S>>();
                send::<ReadArc<RawRwLock, S>>();
                send::<WriteArc<RawRwLock, S>>();
                send::<FifoLock<Carrying<T>>>();
                sync::<FifoLock<Carrying<S>>>();
                send::<Hold<'static, Carrying<S>>>();
                send::<AcquireHold<'static, Carrying<S>, $type>>();
                send::<AcquireOwnedHold<Carrying<S>, $type>>();
            }

            /// A hold may stand in for one of a shorter life.
            #[allow(dead_code)]
            fn shorter<'a>(
                hold: Hold<'static, ReadWrite>,
                permit: Permit<'static>,
            ) -> (Hold<'a, ReadWrite>, Permit<'a>) {
                (hold, permit)
            }

            #[cfg(target_pointer_width = "64")]
            #[test]
            fn sizes() {
                use portunus::rules;
                use std::mem::size_of;

                // Three words, however many modes and lanes.
                assert_eq!(size_of::<RawMutex>(), 24);
                assert_eq!(size_of::<RawRwLock<Fair>>(), 24);
                assert_eq!(size_of::<RawRwLock<ReadPreferring>>(), 24);
                assert_eq!(size_of::<RawRwLock<WritePreferring>>(), 24);
                assert_eq!(size_of::<FifoLock<ReadWrite>>(), 24);
                assert_eq!(size_of::<Mutex<()>>(), 24);
                assert_eq!(size_of::<Mutex<u64>>(), 32);
                // And what it is configured with.
                assert_eq!(size_of::<Semaphore>(), 32);
                assert_eq!(size_of::<FifoLock<rules::Semaphore>>(), 32);

                // A node and a reference.
                assert_eq!(size_of::<Lock<'static, RawMutex, u64>>(), 48);
                assert_eq!(size_of::<LockArc<RawMutex, u64>>(), 48);
                assert_eq!(size_of::<Read<'static, RawRwLock, u64>>(), 48);
                assert_eq!(size_of::<ReadArc<RawRwLock, u64>>(), 48);
                assert_eq!(size_of::<UpgradableRead<'static, RawRwLock, u64>>(), 48);
                assert_eq!(size_of::<Write<'static, RawRwLock, u64>>(), 48);
                assert_eq!(size_of::<WriteArc<RawRwLock, u64>>(), 48);
                assert_eq!(size_of::<AcquireHold<'static, ReadWrite, $type>>(), 48);
                assert_eq!(size_of::<AcquireOwnedHold<ReadWrite, $type>>(), 48);
                assert_eq!(size_of::<AcquirePermit<'static, $type>>(), 48);
                assert_eq!(size_of::<AcquireOwnedPermit<$type>>(), 48);
                // A reference to data of unknown size is two words, and so is
                // a hold.
                assert_eq!(size_of::<Lock<'static, RawMutex, [u64]>>(), 56);
                assert_eq!(size_of::<ConvertHold<'static, ReadWrite, $type>>(), 56);

                assert_eq!(size_of::<MutexGuard<'static, u64>>(), 16);
                assert_eq!(size_of::<RwLockReadGuard<'static, u64>>(), 16);
                assert_eq!(size_of::<RwLockWriteGuard<'static, u64>>(), 16);
                assert_eq!(size_of::<Hold<'static, ReadWrite>>(), 16);
                assert_eq!(size_of::<Option<Hold<'static, ReadWrite>>>(), 16);
                assert_eq!(size_of::<OwnedHold<ReadWrite, $type>>(), 16);
                assert_eq!(size_of::<Permit<'static>>(), 16);
                assert_eq!(size_of::<OwnedPermit<$type>>(), 16);
            }
        }
    };
}

backend!(spin, portunus::spin::Spinning);
backend!(sync, portunus::sync::Threads);
#[cfg(feature = "critical-section")]
backend!(critical, portunus::critical::Critical);

// === Foreign parts ===

/// A raw mutex that has the auto traits of `M`.
struct Flag<M>(AtomicBool, PhantomData<M>);

// SAFETY: the flag lets one in, by an exchange that acquires and a store that
// releases; the guard is nothing, and the mutex may be moved and dropped.
unsafe impl<M> lock_api::RawMutex for Flag<M> {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Self = Self(AtomicBool::new(false), PhantomData);
    type Guard = ();

    fn lock(&self) {
        while lock_api::RawMutex::try_lock(self).is_none() {
            std::thread::yield_now();
        }
    }

    fn try_lock(&self) -> Option<()> {
        (!self.0.swap(true, Ordering::Acquire)).then_some(())
    }

    unsafe fn unlock(&self, (): ()) {
        self.0.store(false, Ordering::Release);
    }

    fn is_locked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What guards the line can be shared, or it is no inner lock.
#[test]
fn inner_locks_can_be_shared() {
    type Inner<M> = RawMutexInner<Flag<M>>;
    table! {
        Inner: SEND_SYNC, SEND, SYNC, NONE;
    }
    let inner = [
        <IsInner<Inner<Both>>>::HAS,
        <IsInner<Inner<OnlySend>>>::HAS,
        <IsInner<Inner<OnlySync>>>::HAS,
        <IsInner<Inner<Neither>>>::HAS,
    ];
    assert_eq!(inner, [true, false, false, false]);
}

/// A shared owned guard hands out the `Arc`, and with the last one the mutex is
/// dropped, in whichever thread that is.
#[test]
fn an_owned_guard_owns_the_raw_mutex() {
    type Owned<M> = OwnedMutexGuard<Flag<M>, u64>;
    table! {
        Owned: SEND_SYNC, NONE, NONE, NONE;
    }
}
