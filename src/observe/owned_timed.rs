//! The same with holds, permits and guards that keep their observed lock alive.

use alloc::sync::Arc;
use core::time::Duration;
use std::time::Instant;

use super::fifo_lock::FifoLock;
use super::guarded::Guarded;
use super::owned::{ArcReadGuard, ArcWriteGuard, OwnedClosablePermit, OwnedHold, OwnedPermit};
use super::semaphore::{ClosableSemaphore, Semaphore};
use crate::backend::Backend;
use crate::error::{AcquireError, Closed, TooMany};
use crate::fifo_lock::request;
use crate::guarded::{WriteGuard, WriteMode, acquiring_arc_timed};
use crate::owned_timed::acquiring_owned_timed;
use crate::raw::mode::Rules;
use crate::wait::until::Until;

acquiring_owned_timed!(OwnedClosablePermit);
acquiring_arc_timed!();
