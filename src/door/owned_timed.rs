//! Waiting no longer than a time, with guards that keep their shared door alive.

#![allow(unsafe_code)]

use core::time::Duration;
use std::time::Instant;

use lock_api::{RawRwLock, RawRwLockUpgrade};

use super::{OwnedDoorReadGuard, OwnedDoorUpgradableReadGuard, OwnedDoorWriteGuard};
use crate::condvar::WaitTimeoutResult;
use crate::raw::{RawSharedCondvar, RawSharedCondvarUpgrade};
use crate::wait::until::Until;

waiting_shared_timed! {
    OwnedDoorReadGuard<> [RawRwLock, RawSharedCondvar] [&] wait_shared;
    OwnedDoorWriteGuard<> [RawRwLock, RawSharedCondvar] [&mut] wait_exclusive;
    OwnedDoorUpgradableReadGuard<> [RawRwLockUpgrade, RawSharedCondvarUpgrade] [&] wait_upgradable;
}
