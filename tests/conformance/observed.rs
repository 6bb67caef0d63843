//! The observed locks, which pass the same scripts as the plain ones.

use std::time::Duration;

use portunus::observe::{ClosableSemaphore, FifoLock, RawMutex, RawRwLock, Semaphore};
use portunus::prelude::*;
use portunus::rules::{Preference, SharedMode};
use portunus::{Backend, Mode, Rules};

use crate::kin::{Itself, Kin, kin};
use crate::raw;
use crate::script::{Outcome, Party};
use crate::subject::{Count, Owned, Permits, Subject, Visit, Want, ended, subjects};

subjects!(raw::observed_mutex, raw::observed_rwlock);

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
