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

use portunus::door::{MonitorCondvar, ThreadId};
use portunus::future::{
    AcquireHold, AcquireManyHold, AcquireManyOwnedHold, AcquireManyOwnedPermit,
    AcquireManyOwnedUnlessClosed, AcquireManyPermit, AcquireManyUnlessClosed, AcquireOwnedHold,
    AcquireOwnedPermit, AcquireOwnedUnlessClosed, AcquirePermit, AcquireUnlessClosed, ConvertGuard,
    ConvertHold, ConvertOwnedHold, EnterDoor, EnterDoorArc, Get, Lock, LockArc, Read, ReadArc,
    ReadDoor, ReadDoorArc, ReadGuarded, ReadGuardedArc, SetWhenRead, UpgradableRead,
    UpgradableReadArc, Upgrade, UpgradeArc, UpgradeGuard, WaitInside, Write, WriteArc, WriteDoor,
    WriteDoorArc, WriteGuarded, WriteGuardedArc,
};
use portunus::guarded::ExclusiveMode;
use portunus::rules::{Access, ReadWrite, Sole};
use portunus::{
    Fair, Held, InnerLock, IntCounter, Proxy, RawMutexInner, ReadPreferring, Releasing, Rules,
    WritePreferring,
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
                type ArcGuard<T> = ArcMutexGuard<T>;
                type Owned<T> = OwnedMutexGuard<T>;
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
                type ArcReading<T> = ArcRwLockReadGuard<T>;
                type ArcWriting<T> = ArcRwLockWriteGuard<T>;
                type AwaitedRead<T> = Read<'static, RawRwLock, T>;
                type AwaitedWrite<T> = Write<'static, RawRwLock, T>;
                type AwaitedUpgradable<T> = UpgradableRead<'static, RawRwLock, T>;
                type AwaitedReadArc<T> = ReadArc<RawRwLock, T>;
                type AwaitedWriteArc<T> = WriteArc<RawRwLock, T>;
                type AwaitedUpgradableArc<T> = UpgradableReadArc<RawRwLock, T>;
                type AwaitedUpgrade<T> = Upgrade<'static, RawRwLock, T>;
                type AwaitedUpgradeArc<T> = UpgradeArc<RawRwLock, T>;
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
                    AwaitedUpgradableArc: SEND_SYNC, NONE, NONE, NONE;
                    AwaitedUpgrade: SEND_SYNC, NONE, NONE, NONE;
                    AwaitedUpgradeArc: SEND_SYNC, NONE, NONE, NONE;
                }
            }

            /// Doors are as their locks.
            #[test]
            fn doors() {
                type Monitor = MonitorCondvar<$type>;
                type Inside<T> = DoorGuard<'static, T>;
                type Mapped<T> = MappedDoorGuard<'static, T>;
                type Owned<T> = OwnedDoorGuard<T>;
                type OwnedPart<T> = OwnedMappedDoorGuard<u64, T>;
                type OwnedWhole<T> = OwnedMappedDoorGuard<T, u64>;
                type Awaited<T> = EnterDoor<'static, RawMutex, T, Monitor>;
                type AwaitedArc<T> = EnterDoorArc<RawMutex, T, Monitor>;
                type Access<T> = Proxy<'static, T, DoorGuard<'static, T>>;
                type Waiting<T> = WaitInside<DoorGuard<'static, T>>;
                type WaitingArc<T> = WaitInside<OwnedDoorGuard<T>>;
                table! {
                    Door: SEND_SYNC, SEND_SYNC, NONE, NONE;
                    Inside: SEND_SYNC, SEND, NONE, NONE;
                    Mapped: SEND_SYNC, SEND, SYNC, NONE;
                    Owned: SEND_SYNC, SEND, NONE, NONE;
                    OwnedPart: SEND_SYNC, SEND, SYNC, NONE;
                    OwnedWhole: SEND_SYNC, SEND_SYNC, NONE, NONE;
                    Awaited: SEND_SYNC, SEND_SYNC, NONE, NONE;
                    AwaitedArc: SEND_SYNC, SEND_SYNC, NONE, NONE;
                    Access: SEND_SYNC, SEND, NONE, NONE;
                    Waiting: SEND_SYNC, SEND, NONE, NONE;
                    WaitingArc: SEND_SYNC, SEND, NONE, NONE;
                }
            }

            #[test]
            fn shared_doors() {
                type Reading<T> = DoorReadGuard<'static, T>;
                type Writing<T> = DoorWriteGuard<'static, T>;
                type MappedReading<T> = MappedDoorReadGuard<'static, T>;
                type MappedWriting<T> = MappedDoorWriteGuard<'static, T>;
                type Looking<T> = DoorUpgradableReadGuard<'static, T>;
                type OwnedLooking<T> = OwnedDoorUpgradableReadGuard<T>;
                type OwnedReadingPart<T> =
                    OwnedMappedDoorReadGuard<u64, T>;
                type OwnedWritingPart<T> =
                    OwnedMappedDoorWriteGuard<u64, T>;
                type OwnedReading<T> = OwnedDoorReadGuard<T>;
                type OwnedWriting<T> = OwnedDoorWriteGuard<T>;
                type AwaitedRead<T> = ReadDoor<'static, RawRwLock, T, SharedCondvar>;
                type AwaitedWrite<T> = WriteDoor<'static, RawRwLock, T, SharedCondvar>;
                type WaitingRead<T> = WaitInside<DoorReadGuard<'static, T>>;
                type WaitingWrite<T> = WaitInside<DoorWriteGuard<'static, T>>;
                type AwaitedReadArc<T> = ReadDoorArc<RawRwLock, T, SharedCondvar>;
                type AwaitedWriteArc<T> = WriteDoorArc<RawRwLock, T, SharedCondvar>;
                table! {
                    SharedDoor: SEND_SYNC, SEND, NONE, NONE;
                    Reading: SEND_SYNC, NONE, NONE, NONE;
                    Writing: SEND_SYNC, NONE, NONE, NONE;
                    MappedReading: SEND_SYNC, NONE, SEND_SYNC, NONE;
                    MappedWriting: SEND_SYNC, SEND, SYNC, NONE;
                    Looking: SEND_SYNC, NONE, NONE, NONE;
                    OwnedLooking: SEND_SYNC, NONE, NONE, NONE;
                    OwnedReadingPart: SEND_SYNC, NONE, SEND_SYNC, NONE;
                    OwnedWritingPart: SEND_SYNC, SEND, SYNC, NONE;
                    OwnedReading: SEND_SYNC, NONE, NONE, NONE;
                    OwnedWriting: SEND_SYNC, NONE, NONE, NONE;
                    WaitingRead: SEND_SYNC, NONE, NONE, NONE;
                    WaitingWrite: SEND_SYNC, NONE, NONE, NONE;
                    AwaitedRead: SEND_SYNC, NONE, NONE, NONE;
                    AwaitedWrite: SEND_SYNC, NONE, NONE, NONE;
                    AwaitedReadArc: SEND_SYNC, NONE, NONE, NONE;
                    AwaitedWriteArc: SEND_SYNC, NONE, NONE, NONE;
                }
            }

            /// Here the argument is what the rules carry.
            #[test]
            fn fifo_lock() {
                type Locked<T> = FifoLock<Carrying<T>>;
                type Held<T> = Hold<'static, Carrying<T>>;
                type Owned<T> = OwnedHold<Carrying<T>>;
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
            fn guarded() {
                type Data<T> = Guarded<ReadWrite, T>;
                type Reading<T> = GuardedReadGuard<'static, ReadWrite, T>;
                type Writing<T> = GuardedWriteGuard<'static, ReadWrite, T>;
                type MappedReading<T> = MappedGuardedReadGuard<'static, ReadWrite, T>;
                type MappedWriting<T> = MappedGuardedWriteGuard<'static, ReadWrite, T>;
                type ArcReading<T> = ArcGuardedReadGuard<ReadWrite, T>;
                type ArcWriting<T> = ArcGuardedWriteGuard<ReadWrite, T>;
                type ArcMappedReading<T> = ArcMappedGuardedReadGuard<ReadWrite, T, u8>;
                type AwaitedRead<T> = ReadGuarded<'static, ReadWrite, T, $type>;
                type AwaitedWrite<T> = WriteGuarded<'static, ReadWrite, T, $type, Access>;
                type AwaitedReadArc<T> = ReadGuardedArc<ReadWrite, T, $type>;
                type AwaitedWriteArc<T> =
                    WriteGuardedArc<ReadWrite, T, $type, ExclusiveMode<ReadWrite>>;
                type Converted<T> = ConvertGuard<Hold<'static, ReadWrite>, T>;
                type Upgraded<T> = UpgradeGuard<Hold<'static, ReadWrite>, T>;
                table! {
                    Data: SEND_SYNC, SEND, NONE, NONE;
                    Reading: SEND_SYNC, NONE, NONE, NONE;
                    Writing: SEND_SYNC, NONE, NONE, NONE;
                    MappedReading: SEND_SYNC, NONE, SEND_SYNC, NONE;
                    MappedWriting: SEND_SYNC, SEND, SYNC, NONE;
                    ArcReading: SEND_SYNC, NONE, NONE, NONE;
                    ArcWriting: SEND_SYNC, NONE, NONE, NONE;
                    ArcMappedReading: SEND_SYNC, NONE, NONE, NONE;
                    AwaitedRead: SEND_SYNC, NONE, NONE, NONE;
                    AwaitedWrite: SEND_SYNC, NONE, NONE, NONE;
                    AwaitedReadArc: SEND_SYNC, NONE, NONE, NONE;
                    AwaitedWriteArc: SEND_SYNC, NONE, NONE, NONE;
                    Converted: SEND_SYNC, NONE, NONE, NONE;
                    Upgraded: SEND_SYNC, NONE, NONE, NONE;
                }
            }

            /// Under the accessor's lock one at a time has the value; whoever sets
            /// it asks the predicates of others, where they are.
            #[test]
            fn accessors() {
                type Reading<T> = Get<&'static Accessor<T>, fn(&T) -> bool>;
                type Setting<T> = SetWhenRead<&'static Accessor<T>>;
                table! {
                    Accessor: SEND_SYNC, SEND_SYNC, NONE, NONE;
                    Setting: SEND_SYNC, SEND_SYNC, NONE, NONE;
                }
                assert_eq!(auto!(Reading<Both>), SEND_SYNC);
                assert_eq!(auto!(Reading<OnlySend>), SEND_SYNC);
                assert_eq!(auto!(Reading<Neither>), NONE);
                unpin!(no: Reading<Both>, Setting<Both>);
            }

            /// Here the argument is what the rules carry.
            #[test]
            fn guarded_by_rules() {
                type Data<T> = Guarded<Carrying<T>, u64>;
                type Reading<T> = GuardedReadGuard<'static, Carrying<T>, u64>;
                type Writing<T> = GuardedWriteGuard<'static, Carrying<T>, u64>;
                type MappedReading<T> = MappedGuardedReadGuard<'static, Carrying<T>, u64>;
                type MappedWriting<T> = MappedGuardedWriteGuard<'static, Carrying<T>, u64>;
                type ArcReading<T> = ArcGuardedReadGuard<Carrying<T>, u64>;
                type ArcMappedReading<T> = ArcMappedGuardedReadGuard<Carrying<T>, u64, u8>;
                type ArcMappedWriting<T> = ArcMappedGuardedWriteGuard<Carrying<T>, u64, u8>;
                type AwaitedRead<T> = ReadGuarded<'static, Carrying<T>, u64, $type>;
                type OwnedConverted<T> = ConvertOwnedHold<Carrying<T>, $type>;
                table! {
                    Data: SEND_SYNC, SEND, SYNC, NONE;
                    Reading: SEND_SYNC, NONE, SEND_SYNC, NONE;
                    Writing: SEND_SYNC, NONE, SEND_SYNC, NONE;
                    MappedReading: SEND_SYNC, NONE, SEND_SYNC, NONE;
                    MappedWriting: SEND_SYNC, NONE, SEND_SYNC, NONE;
                    ArcReading: SEND_SYNC, NONE, NONE, NONE;
                    ArcMappedReading: SEND_SYNC, NONE, NONE, NONE;
                    ArcMappedWriting: SEND_SYNC, NONE, NONE, NONE;
                    AwaitedRead: SEND_SYNC, NONE, SEND_SYNC, NONE;
                    OwnedConverted: SEND_SYNC, NONE, NONE, NONE;
                }
                // Of what kind a mode is, is no data.
                assert_eq!(auto!(ExclusiveMode<Carrying<Neither>>), SEND_SYNC);
            }

            #[test]
            fn what_has_no_data() {
                assert_eq!(auto!(RawMutex), SEND_SYNC);
                assert_eq!(auto!(RawRwLock), SEND_SYNC);
                assert_eq!(auto!(RawRwLock<ReadPreferring>), SEND_SYNC);
                assert_eq!(auto!(RawRwLock<WritePreferring>), SEND_SYNC);
                assert_eq!(auto!(IntCounter), SEND_SYNC);
                assert_eq!(auto!(Semaphore), SEND_SYNC);
                assert_eq!(auto!(Permit<'static>), SEND_SYNC);
                assert_eq!(auto!(OwnedPermit), SEND_SYNC);
                assert_eq!(auto!(AcquirePermit<'static, $type>), SEND_SYNC);
                assert_eq!(auto!(AcquireManyPermit<'static, $type>), SEND_SYNC);
                assert_eq!(auto!(AcquireOwnedPermit<$type>), SEND_SYNC);
                assert_eq!(auto!(AcquireManyOwnedPermit<$type>), SEND_SYNC);
                assert_eq!(auto!(ClosableSemaphore), SEND_SYNC);
                assert_eq!(auto!(AcquireUnlessClosed<'static, $type>), SEND_SYNC);
                assert_eq!(auto!(AcquireManyUnlessClosed<'static, $type>), SEND_SYNC);
                assert_eq!(auto!(AcquireOwnedUnlessClosed<$type>), SEND_SYNC);
                assert_eq!(auto!(AcquireManyOwnedUnlessClosed<$type>), SEND_SYNC);
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
                    UpgradableReadArc<RawRwLock, u64>,
                    Upgrade<'static, RawRwLock, u64>,
                    UpgradeArc<RawRwLock, u64>,
                    EnterDoor<'static, RawMutex, u64, Condvar>,
                    WaitInside<DoorGuard<'static, u64>>,
                    EnterDoorArc<RawMutex, u64, Condvar>,
                    ReadDoor<'static, RawRwLock, u64, SharedCondvar>,
                    ReadDoorArc<RawRwLock, u64, SharedCondvar>,
                    WriteDoor<'static, RawRwLock, u64, SharedCondvar>,
                    WriteDoorArc<RawRwLock, u64, SharedCondvar>,
                    AcquireHold<'static, ReadWrite, $type>,
                    AcquireManyHold<'static, ReadWrite, $type>,
                    AcquireOwnedHold<ReadWrite, $type>,
                    AcquireManyOwnedHold<ReadWrite, $type>,
                    ConvertHold<'static, ReadWrite, $type>,
                    ConvertOwnedHold<ReadWrite, $type>,
                    ReadGuarded<'static, ReadWrite, u64, $type>,
                    WriteGuarded<'static, ReadWrite, u64, $type, Access>,
                    ReadGuardedArc<ReadWrite, u64, $type>,
                    WriteGuardedArc<ReadWrite, u64, $type, Access>,
                    ConvertGuard<Hold<'static, ReadWrite>, u64>,
                    UpgradeGuard<Hold<'static, ReadWrite>, u64>,
                    AcquirePermit<'static, $type>,
                    AcquireManyPermit<'static, $type>,
                    AcquireOwnedPermit<$type>,
                    AcquireManyOwnedPermit<$type>,
                    AcquireUnlessClosed<'static, $type>,
                    AcquireManyUnlessClosed<'static, $type>,
                    AcquireOwnedUnlessClosed<$type>,
                    AcquireManyOwnedUnlessClosed<$type>
                }
                // What it gives may be moved.
                unpin! { yes:
                    MutexGuard<'static, u64>,
                    RwLockWriteGuard<'static, u64>,
                    DoorGuard<'static, u64>,
                    OwnedDoorWriteGuard<u64>,
                    Hold<'static, ReadWrite>,
                    GuardedReadGuard<'static, ReadWrite, u64>,
                    MappedGuardedWriteGuard<'static, ReadWrite, u64>,
                    ArcGuardedWriteGuard<ReadWrite, u64>,
                    OwnedHold<ReadWrite>,
                    Permit<'static>,
                    OwnedPermit
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
                send::<OwnedMutexGuard<T>>();
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
                assert_eq!(size_of::<ClosableSemaphore>(), 32);
                assert_eq!(size_of::<FifoLock<rules::Semaphore>>(), 32);

                // A node and a reference.
                assert_eq!(size_of::<Lock<'static, RawMutex, u64>>(), 48);
                assert_eq!(size_of::<LockArc<RawMutex, u64>>(), 48);
                assert_eq!(size_of::<Read<'static, RawRwLock, u64>>(), 48);
                assert_eq!(size_of::<ReadArc<RawRwLock, u64>>(), 48);
                assert_eq!(size_of::<UpgradableRead<'static, RawRwLock, u64>>(), 48);
                assert_eq!(size_of::<Write<'static, RawRwLock, u64>>(), 48);
                assert_eq!(size_of::<WriteArc<RawRwLock, u64>>(), 48);
                assert_eq!(size_of::<UpgradableReadArc<RawRwLock, u64>>(), 48);
                assert_eq!(size_of::<AcquireHold<'static, ReadWrite, $type>>(), 48);
                assert_eq!(size_of::<AcquireOwnedHold<ReadWrite, $type>>(), 48);
                assert_eq!(size_of::<AcquirePermit<'static, $type>>(), 48);
                assert_eq!(size_of::<AcquireOwnedPermit<$type>>(), 48);
                // A reference to data of unknown size is two words, and so is
                // a hold.
                assert_eq!(size_of::<Lock<'static, RawMutex, [u64]>>(), 56);
                assert_eq!(size_of::<ConvertHold<'static, ReadWrite, $type>>(), 56);
                assert_eq!(size_of::<Upgrade<'static, RawRwLock, u64>>(), 56);
                assert_eq!(size_of::<UpgradeArc<RawRwLock, u64>>(), 56);

                assert_eq!(size_of::<Guarded<ReadWrite, u64>>(), 32);
                assert_eq!(size_of::<GuardedReadGuard<'static, ReadWrite, u64>>(), 24);
                assert_eq!(size_of::<Option<GuardedWriteGuard<'static, ReadWrite, u64>>>(), 24);
                assert_eq!(size_of::<ArcGuardedReadGuard<ReadWrite, u64>>(), 24);
                assert_eq!(size_of::<ReadGuarded<'static, ReadWrite, u64, $type>>(), 56);
                assert_eq!(size_of::<UpgradeGuard<Hold<'static, ReadWrite>, u64>>(), 72);
                assert_eq!(size_of::<MutexGuard<'static, u64>>(), 16);
                assert_eq!(size_of::<RwLockReadGuard<'static, u64>>(), 16);
                assert_eq!(size_of::<RwLockWriteGuard<'static, u64>>(), 16);
                assert_eq!(size_of::<DoorGuard<'static, u64>>(), 16);
                assert_eq!(size_of::<DoorReadGuard<'static, u64>>(), 16);
                assert_eq!(size_of::<DoorWriteGuard<'static, u64>>(), 16);
                assert_eq!(size_of::<OwnedDoorGuard<u64>>(), 16);
                assert_eq!(size_of::<EnterDoor<'static, RawMutex, u64, Condvar>>(), 48);
                assert_eq!(size_of::<Hold<'static, ReadWrite>>(), 16);
                assert_eq!(size_of::<Option<Hold<'static, ReadWrite>>>(), 16);
                assert_eq!(size_of::<OwnedHold<ReadWrite>>(), 16);
                assert_eq!(size_of::<Permit<'static>>(), 16);
                assert_eq!(size_of::<OwnedPermit>(), 16);
            }
        }
    };
}

backend!(spin, portunus::spin::Spinning);
backend!(sync, portunus::sync::Threads);
#[cfg(feature = "critical-section")]
backend!(critical, portunus::critical::Critical);

// === Without an inner lock ===

/// The promise makes the locks sharable, whatever the type that carries it.
#[test]
fn who_is_alone_shares_with_itself() {
    use portunus::single::{FifoLock, Mutex, MutexGuard, RawMutex, Semaphore, Single};

    struct Me<T>(PhantomData<T>);
    // SAFETY: nothing here is ever used.
    unsafe impl<T: 'static> portunus::single::Alone for Me<T> {}

    type Inner<T> = portunus::NoLock<Me<T>>;
    type Raw<T> = RawMutex<Me<T>>;
    type Permits<T> = Semaphore<Me<T>>;
    type Backend<T> = Single<Me<T>>;
    table! {
        Inner: SEND_SYNC, SEND_SYNC, SEND_SYNC, SEND_SYNC;
        Raw: SEND_SYNC, SEND_SYNC, SEND_SYNC, SEND_SYNC;
        Permits: SEND_SYNC, SEND_SYNC, SEND_SYNC, SEND_SYNC;
        Backend: SEND_SYNC, SEND_SYNC, SEND_SYNC, SEND_SYNC;
    }

    // What is inside decides, as on every other backend.
    type Locked<T> = Mutex<T, Me<()>>;
    type Guard<T> = MutexGuard<'static, T, Me<()>>;
    type Ruled<T> = FifoLock<Carrying<T>, Me<()>>;
    table! {
        Locked: SEND_SYNC, SEND_SYNC, NONE, NONE;
        Guard: SEND_SYNC, SEND, NONE, NONE;
        Ruled: SEND_SYNC, SEND, SYNC, NONE;
    }
    const { assert!(<IsInner<Inner<()>>>::HAS) };
}

/// A thread is inside as often as it enters, so a guard stays with its thread.
#[test]
fn reentrant_doors() {
    use portunus::sync::{RawMutex, ReentrantDoor};
    type Inside<T> = lock_api::ReentrantMutexGuard<'static, RawMutex, ThreadId, T>;
    table! {
        ReentrantDoor: SEND_SYNC, SEND_SYNC, NONE, NONE;
        Inside: SYNC, NONE, NONE, NONE;
    }
}

/// A proxy is as what it stands before.
#[test]
fn proxies() {
    type Before<T> = Proxy<'static, T>;
    table! {
        Before: SEND_SYNC, NONE, SYNC, NONE;
    }
}

/// What has let go is as the reference by which it comes back.
#[test]
fn releasing() {
    type OfMutex<T> = Releasing<portunus::sync::MutexGuard<'static, T>>;
    type OfDoor<T> = Releasing<portunus::sync::DoorReadGuard<'static, T>>;
    table! {
        OfMutex: SEND_SYNC, SEND_SYNC, NONE, NONE;
        OfDoor: SEND_SYNC, NONE, NONE, NONE;
    }
}

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

/// What a registry finds may come from another thread; it keeps no value, but
/// its last reference may die anywhere.
#[test]
fn registries_and_what_is_awaited_from_threads() {
    type Values<T> = portunus::sync::Registry<u32, T>;
    type Keys<T> = portunus::sync::Registry<T, u32>;
    type Place<T> = portunus::sync::Registration<'static, u32, T>;
    type Result<T> = portunus::make_async::Unblock<T, portunus::sync::Threads>;
    table! {
        Values: SEND_SYNC, NONE, NONE, NONE;
        Keys: SEND_SYNC, SEND_SYNC, NONE, NONE;
        Place: SEND_SYNC, NONE, NONE, NONE;
        Result: SEND_SYNC, SEND_SYNC, NONE, NONE;
    }
    assert_eq!(auto!(portunus::Panic), SEND_SYNC);
    assert_eq!(auto!(portunus::make_async::BlockingError), SEND_SYNC);
}

/// A nursery can be sent, and shared by its handles, where its errors can be
/// sent.
#[test]
fn nurseries_follow_their_errors() {
    type Handle<E> = portunus::sync::Handle<'static, E>;
    type Task<T> = portunus::sync::Task<T, T>;
    type Outcome<T> = portunus::nursery::TaskOutcome<T, T>;
    type Ready<T> = portunus::nursery::Ready<T, portunus::sync::Threads>;
    table! {
        Handle: SEND_SYNC, SEND_SYNC, NONE, NONE;
        Task: SEND_SYNC, SEND_SYNC, NONE, NONE;
        Outcome: SEND_SYNC, SEND, SYNC, NONE;
        Ready: SEND_SYNC, SEND_SYNC, NONE, NONE;
    }
    type Nursery<E> = portunus::sync::Nursery<'static, E>;
    assert_eq!(auto!(Nursery<Both>), SEND);
    assert_eq!(auto!(Nursery<OnlySend>), SEND);
    assert_eq!(auto!(portunus::sync::TaskContext), SEND_SYNC);
    assert_eq!(auto!(portunus::sync::Sentinel), SEND_SYNC);
    assert_eq!(auto!(portunus::sync::NurseryInfo), SEND_SYNC);
    unpin!(yes: Nursery<Both>, Task<Both>);
}

/// A nursery without a heap can be sent where its items are said to be.
#[test]
fn fixed_nurseries_follow_their_items() {
    use portunus::nursery::{FixedItem, FixedNursery, FixedTask};
    type Local<E> = FixedNursery<'static, E, 2>;
    type Sent<E> = FixedNursery<'static, E, 2, dyn FixedItem<E> + Send>;
    type Task<T> = FixedTask<'static, std::future::Ready<u8>, T, T>;
    table! {
        Local: NONE, NONE, NONE, NONE;
        Sent: SEND, SEND, NONE, NONE;
        Task: SEND_SYNC, SEND, SYNC, NONE;
    }
    assert_eq!(auto!(portunus::nursery::StopSignal), SEND_SYNC);
}

/// A coroutine can be sent where its body and what passes can be.
#[test]
fn coroutines_follow_their_bodies() {
    type Body<T> = portunus::coroutine::Coroutine<std::future::Ready<T>>;
    type Passes<T> = portunus::coroutine::Coroutine<std::future::Ready<u32>, T, T, T>;
    type Hands<T> = portunus::coroutine::Yielder<T, T, T>;
    table! {
        Body: SEND_SYNC, SEND, SYNC, NONE;
        Passes: SEND_SYNC, SEND_SYNC, NONE, NONE;
        Hands: SEND_SYNC, SEND_SYNC, NONE, NONE;
    }
    unpin!(yes: Body<Both>, Passes<Both>);
}

/// Policies follow their clocks, observers and keys; permits may settle anywhere.
#[test]
fn policies_can_be_shared_where_their_parts_can() {
    use portunus::circuit_breaker::{CircuitError, CircuitPermit, Counting};
    use portunus::clock::{ManualClock, StdClock, TickClock};
    use portunus::throttle::{Entered, Slot, Xorshift};
    use portunus::{ByAddress, CircuitBreaker, ResourceGuard, UniqueResourceGuard};

    type Observed<T> = CircuitBreaker<StdClock, T>;
    type Counted<T> = Counting<'static, T, StdClock>;
    type Jittered<T> = portunus::sync::DynamicThrottle<StdClock, T>;
    type Guards<T> = portunus::UniqueResourceGuards<T, portunus::sync::Threads>;
    type Using<T> = portunus::Busy<'static, T>;
    table! {
        CircuitBreaker: SEND_SYNC, SEND, SYNC, NONE;
        Observed: SEND_SYNC, SEND, SYNC, NONE;
        Counted: SEND_SYNC, SEND, SYNC, NONE;
        CircuitError: SEND_SYNC, SEND, SYNC, NONE;
        Jittered: SEND_SYNC, SEND, SYNC, NONE;
        ResourceGuard: SEND_SYNC, SEND, SYNC, NONE;
        Using: SEND_SYNC, NONE, SEND_SYNC, NONE;
        UniqueResourceGuard: SEND_SYNC, NONE, NONE, NONE;
        Guards: SEND_SYNC, NONE, NONE, NONE;
        ByAddress: SEND_SYNC, NONE, NONE, NONE;
    }
    assert_eq!(auto!(CircuitPermit<'static, StdClock>), SEND_SYNC);
    assert_eq!(auto!(Slot<'static, StdClock, portunus::sync::Threads>), SEND_SYNC);
    assert_eq!(auto!(Entered<'static, StdClock, portunus::sync::Threads>), SEND_SYNC);
    assert_eq!(auto!((ManualClock, TickClock, Xorshift)), SEND_SYNC);
}

/// The states of a barrier are seen by all parties, wherever they are.
#[test]
fn barriers_share_their_states() {
    use portunus::barrier::{Gathered, GatheredRef};
    use portunus::sync::{CyclicBarrier, FixedBarrier, StatefulBarrier};

    type Inside<T> = FixedBarrier<T, 2>;
    type Seen<T> = GatheredRef<'static, T>;
    table! {
        StatefulBarrier: SEND_SYNC, NONE, NONE, NONE;
        Inside: SEND_SYNC, SEND, NONE, NONE;
        CyclicBarrier: SEND_SYNC, NONE, NONE, NONE;
        Gathered: SEND_SYNC, NONE, NONE, NONE;
        Seen: SEND_SYNC, NONE, SEND_SYNC, NONE;
    }
}

/// A shared owned guard hands out the `Arc`, and with the last one the mutex is
/// dropped, in whichever thread that is.
#[test]
fn an_owned_guard_owns_the_raw_mutex() {
    type Owned<M> = portunus::OwnedMutexGuard<Flag<M>, u64>;
    table! {
        Owned: SEND_SYNC, NONE, NONE, NONE;
    }
}

#[cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
#[test]
fn what_processes_share_threads_share() {
    use portunus::rules::ReadWrite;
    use portunus::shm::{
        Counter, FifoLock, Handle, Hold, Inspection, Mutex, MutexGuard, OwnerDied, Permit, RwLock,
        RwLockReadGuard, RwLockUpgradableReadGuard, RwLockWriteGuard, Segment, Semaphore, future,
    };
    assert_eq!(auto!(Segment<(FifoLock<ReadWrite>, Mutex<u64>)>), SEND_SYNC);
    assert_eq!(auto!(Segment<(RwLock<u64>, Semaphore, Counter)>), SEND_SYNC);
    assert_eq!(auto!(Hold<'static, ReadWrite>), SEND_SYNC);
    assert_eq!(auto!(MutexGuard<'static, u64>), SEND_SYNC);
    assert_eq!(auto!(OwnerDied<MutexGuard<'static, u64>>), SEND_SYNC);
    assert_eq!(auto!(RwLockReadGuard<'static, u64>), SEND_SYNC);
    assert_eq!(auto!(RwLockWriteGuard<'static, u64>), SEND_SYNC);
    assert_eq!(auto!(RwLockUpgradableReadGuard<'static, u64>), SEND_SYNC);
    assert_eq!(auto!(Permit<'static>), SEND_SYNC);
    assert_eq!(auto!(Handle<u64>), SEND_SYNC);
    assert_eq!(auto!(Inspection), SEND_SYNC);
    assert_eq!(auto!(future::AcquireHold<'static, ReadWrite>), SEND_SYNC);
    assert_eq!(auto!(future::ConvertHold<'static, ReadWrite>), SEND_SYNC);
}
