//! The locks that the tests run over.

use portunus::door::{DoorCondvar, MonitorCondvar, SharedDoorCondvar};
#[cfg(feature = "observe")]
use portunus::observe;
use portunus::raw::{RawMutexCondvar, RawSharedCondvar};
use portunus::{
    Condvar, Fair, RawCondvar, RawMutex, RawRwLock, ReadPreferring, SharedCondvar, WritePreferring,
};

use crate::foreign::{RawSpin, RawSpinRw};
pub(crate) use crate::support::backends::{YieldingCritical, YieldingSpin};

pub(crate) type Threads = portunus::sync::Threads;

/// What a door of the tests stands over.
pub(crate) trait Over: Send + Sync + 'static {
    type Lock: lock_api::RawMutex + Send + Sync + 'static;
    type Condvar: DoorCondvar<Self::Lock> + RawMutexCondvar<Self::Lock> + Send + Sync + 'static;
}

/// What a shared door of the tests stands over.
pub(crate) trait SharedOver: Send + Sync + 'static {
    type Lock: lock_api::RawRwLock + Send + Sync + 'static;
    type Condvar: SharedDoorCondvar<Self::Lock>
        + RawSharedCondvar<Self::Lock>
        + Send
        + Sync
        + 'static;
}

pub(crate) type Door<O, T> = portunus::Door<<O as Over>::Lock, T, <O as Over>::Condvar>;
pub(crate) type SharedDoor<O, T> =
    portunus::SharedDoor<<O as SharedOver>::Lock, T, <O as SharedOver>::Condvar>;

/// Names what a door stands over: a type, and the module of its tests.
macro_rules! over {
    ($trait:ident: $($name:ident: $lock:ty, $condvar:ty;)+) => {$(
        pub(crate) struct $name;

        impl $trait for $name {
            type Lock = $lock;
            type Condvar = $condvar;
        }
    )+};
}

over! { Over:
    OnSync: RawMutex<Threads>, MonitorCondvar<Threads>;
    OnSpin: RawMutex<YieldingSpin>, MonitorCondvar<YieldingSpin>;
    OnCritical: RawMutex<YieldingCritical>, MonitorCondvar<YieldingCritical>;
    OnSyncByLockApi: RawMutex<Threads>, Condvar<Threads>;
    OnParkingLot: parking_lot::RawMutex, parking_lot::RawCondvar;
    OnFairParkingLot: parking_lot::RawFairMutex, RawCondvar<parking_lot::RawFairMutex, Threads>;
    OnOwnSpin: RawSpin, RawCondvar<RawSpin, YieldingSpin>;
    TwoLinesOnSync: RawMutex<Threads>, RawCondvar<RawMutex<Threads>, Threads>;
    TwoLinesOnSpin: RawMutex<YieldingSpin>, RawCondvar<RawMutex<YieldingSpin>, YieldingSpin>;
}

#[cfg(feature = "observe")]
over! { Over:
    TwoLinesObserved: observe::RawMutex<Threads>, RawCondvar<observe::RawMutex<Threads>, Threads>;
}

over! { SharedOver:
    FairOnSync: RawRwLock<Fair, Threads>, SharedCondvar<Threads>;
    ReadingOnSync: RawRwLock<ReadPreferring, Threads>, SharedCondvar<Threads>;
    WritingOnSync: RawRwLock<WritePreferring, Threads>, SharedCondvar<Threads>;
    FairOnSpin: RawRwLock<Fair, YieldingSpin>, SharedCondvar<YieldingSpin>;
    ReadingOnSpin: RawRwLock<ReadPreferring, YieldingSpin>, SharedCondvar<YieldingSpin>;
    WritingOnSpin: RawRwLock<WritePreferring, YieldingSpin>, SharedCondvar<YieldingSpin>;
    FairOnCritical: RawRwLock<Fair, YieldingCritical>, SharedCondvar<YieldingCritical>;
    ReadingOnCritical: RawRwLock<ReadPreferring, YieldingCritical>, SharedCondvar<YieldingCritical>;
    WritingOnCritical: RawRwLock<WritePreferring, YieldingCritical>, SharedCondvar<YieldingCritical>;
    SharedOnParkingLot: parking_lot::RawRwLock, RawCondvar<parking_lot::RawRwLock, Threads>;
    SharedOnOwnSpin: RawSpinRw, RawCondvar<RawSpinRw, YieldingSpin>;
    FairTwoLinesOnSync: RawRwLock<Fair, Threads>, RawCondvar<RawRwLock<Fair, Threads>, Threads>;
    WritingTwoLinesOnSpin: RawRwLock<WritePreferring, YieldingSpin>,
        RawCondvar<RawRwLock<WritePreferring, YieldingSpin>, YieldingSpin>;
}

#[cfg(feature = "observe")]
over! { SharedOver:
    FairTwoLinesObserved: observe::RawRwLock<Fair, Threads>,
        RawCondvar<observe::RawRwLock<Fair, Threads>, Threads>;
}

/// Over every mutex.
macro_rules! over_mutexes {
    ($($test:ident),+ $(,)?) => {
        instantiate!({
            on_sync: crate::over::OnSync,
            on_spin: crate::over::OnSpin,
            on_critical: crate::over::OnCritical,
            on_sync_by_lock_api: crate::over::OnSyncByLockApi,
            on_parking_lot: crate::over::OnParkingLot,
            on_fair_parking_lot: crate::over::OnFairParkingLot,
            on_own_spin: crate::over::OnOwnSpin,
        } [$($test),+]);
    };
}

/// Over every mutex that can be awaited.
macro_rules! over_our_mutexes {
    ($($test:ident),+ $(,)?) => {
        instantiate!({
            on_sync: crate::over::OnSync,
            on_spin: crate::over::OnSpin,
            on_critical: crate::over::OnCritical,
        } [$($test),+]);
    };
}

/// Over mutexes beside whose own line that of a condition variable stands.
macro_rules! over_two_lines {
    ($($test:ident),+ $(,)?) => {
        instantiate!({
            two_lines_on_sync: crate::over::TwoLinesOnSync,
            two_lines_on_spin: crate::over::TwoLinesOnSpin,
        } [$($test),+]);
        #[cfg(feature = "observe")]
        instantiate!({
            two_lines_observed: crate::over::TwoLinesObserved,
        } [$($test),+]);
    };
}

/// The same over readers-writer locks.
macro_rules! over_shared_two_lines {
    ($($test:ident),+ $(,)?) => {
        instantiate!({
            fair_two_lines_on_sync: crate::over::FairTwoLinesOnSync,
            writing_two_lines_on_spin: crate::over::WritingTwoLinesOnSpin,
        } [$($test),+]);
        #[cfg(feature = "observe")]
        instantiate!({
            fair_two_lines_observed: crate::over::FairTwoLinesObserved,
        } [$($test),+]);
    };
}

/// Over every readers-writer lock.
macro_rules! over_shared_locks {
    ($($test:ident),+ $(,)?) => {
        over_our_shared_locks!($($test),+);
        instantiate!({
            shared_on_parking_lot: crate::over::SharedOnParkingLot,
            shared_on_own_spin: crate::over::SharedOnOwnSpin,
        } [$($test),+]);
    };
}

/// Over every readers-writer lock that can be awaited.
macro_rules! over_our_shared_locks {
    ($($test:ident),+ $(,)?) => {
        instantiate!({
            fair_on_sync: crate::over::FairOnSync,
            reading_on_sync: crate::over::ReadingOnSync,
            writing_on_sync: crate::over::WritingOnSync,
            fair_on_spin: crate::over::FairOnSpin,
            reading_on_spin: crate::over::ReadingOnSpin,
            writing_on_spin: crate::over::WritingOnSpin,
            fair_on_critical: crate::over::FairOnCritical,
            reading_on_critical: crate::over::ReadingOnCritical,
            writing_on_critical: crate::over::WritingOnCritical,
        } [$($test),+]);
    };
}

/// Over every readers-writer lock that a reader can upgrade.
macro_rules! over_upgradable_locks {
    ($($test:ident),+ $(,)?) => {
        over_our_shared_locks!($($test),+);
        instantiate!({
            shared_on_parking_lot: crate::over::SharedOnParkingLot,
        } [$($test),+]);
    };
}
