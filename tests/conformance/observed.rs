//! The observed locks, which pass the same scripts as the plain ones.

use std::time::Duration;

use portunus::observe::{ClosableSemaphore, FifoLock, RawMutex, RawRwLock, Semaphore};
use portunus::prelude::*;
use portunus::rules::{Preference, SharedMode};
use portunus::{Backend, Mode, Rules};

use crate::kin::{Itself, Kin, kin};
use crate::raw;
use crate::script::{Outcome, Party};
use crate::subject::{
    Count, Owned, Permits, Subject, Visit, Want, closable_subject, ended, fifo_subject,
    mutex_subject, permits, rwlock_subject, semaphore_subject,
};

type Mutex<B> = lock_api::Mutex<RawMutex<B>, u64>;
type RwLock<P, B> = lock_api::RwLock<RawRwLock<P, B>, u64>;

fifo_subject!(FifoLock<R, B>, acquire, acquire_for, acquire_async);
fifo_subject!(Owned<FifoLock<R, B>>, acquire_owned, acquire_owned_for, acquire_owned_async);

mutex_subject!(Mutex<B>, raw::observed_mutex, lock, try_lock_for, lock_async);
mutex_subject!(Owned<Mutex<B>>, raw::observed_mutex, lock_arc, try_lock_arc_for, lock_arc_async);

rwlock_subject!(
    RwLock<P, B>, raw::observed_rwlock, read, try_read_for, read_async, write, try_write_for,
    write_async
);
rwlock_subject!(
    Owned<RwLock<P, B>>,
    raw::observed_rwlock,
    read_arc,
    try_read_arc_for,
    read_arc_async,
    write_arc,
    try_write_arc_for,
    write_arc_async
);

semaphore_subject!(Semaphore<B>, acquire_many, acquire_many_for, acquire_many_async);
semaphore_subject!(
    Owned<Semaphore<B>>,
    acquire_many_owned,
    acquire_many_owned_for,
    acquire_many_owned_async
);

closable_subject!(
    ClosableSemaphore<B>,
    acquire,
    acquire_for,
    acquire_async,
    acquire_many,
    acquire_many_for,
    acquire_many_async
);
closable_subject!(
    Owned<ClosableSemaphore<B>>,
    acquire_owned,
    acquire_owned_for,
    acquire_owned_async,
    acquire_many_owned,
    acquire_many_owned_for,
    acquire_many_owned_async
);

permits!(Semaphore);
permits!(ClosableSemaphore);

/// Where they come from.
mod here {
    pub(super) use portunus::observe::{ClosableSemaphore, FifoLock, RawRwLock, Semaphore};

    pub(super) use super::{Mutex, RwLock};
}

/// The observed locks.
pub(crate) struct Observed;

kin!(Observed, Itself, core::convert::identity, here);

/// The observed locks, held by what keeps them alive.
pub(crate) struct ObservedKept;

kin!(ObservedKept, Owned, Owned::new, here);
