//! Waiting no longer than a time, with guards that keep their shared door alive.

#![allow(unsafe_code)]

use core::time::Duration;
use std::time::Instant;

use lock_api::RawRwLock;

use super::{OwnedDoorReadGuard, OwnedDoorWriteGuard};
use crate::condvar::WaitTimeoutResult;
use crate::raw::RawSharedCondvar;
use crate::wait::until::Until;

waiting_shared_timed! {
    OwnedDoorReadGuard<> [&] wait_shared;
    OwnedDoorWriteGuard<> [&mut] wait_exclusive;
}
