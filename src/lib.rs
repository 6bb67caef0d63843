#![doc = include_str!("../README.md")]
//!
//! # Where to start
//!
//! [`FifoLock`] and [`Rules`] for your own modes, [`Guarded`] for data behind
//! them, [`rules::check`] for testing them; `sync`, [`spin`], `critical` and
//! [`single`] for ready-made locks; `future` for what awaiting promises.
//!
//! Who comes from Python's `fifolock`, `door`, `codestare.async_utils` or
//! `asyncutils.altlocks` finds every name in [`guide::python`].
//!
//! # What it costs on bare cores
//!
//! Bytes, with `opt-level = "s"`, link-time optimisation and `panic = "abort"`.
//! Flash is the sum of two: what acquiring and releasing take (awaited: polling,
//! cancelling and releasing), which a compiler may put wherever they are used;
//! and what they reach beyond that to wait in line and to let others in, once
//! for each kind of lock in a program. The application's critical section is not
//! counted. RAM is a lock without its data.
//!
#![doc = include_str!("docs/sizes.md")]
//!
//! There is no heap in it, and nothing of `core::panicking`, except by what a
//! rule's predicate of your own does. Where a lock is used against its rules (a
//! future polled after it was ready, a lock used by its own predicate, `acquire`
//! of a semaphore that is closed), debug builds panic. Release builds for bare
//! cores (`target_os = "none"`) don't: on ARM and RISC-V they raise the fault of
//! an undefined instruction, and on others they stop in an endless loop.
//!
//! # Words
//!
//! | word | what it means here |
//! |---|---|
//! | a mode | a way of holding a lock, a variant of an enum: read, write, .. |
//! | a rule | who may hold beside whom: a [`Rules`] |
//! | a hold | one acquisition that has not been released: what a guard stands for. Who holds a lock is *inside* |
//! | a unit | what a hold counts: one, or as many as its *weight* says |
//! | the line | the queue of those who wait for a lock, in the order in which they came |
//! | a lane | the part of the line that a rule gives a rank of its own, [`Rules::LANES`]; most rules have one |
//! | the word | the atomic in which a lock counts what is held in each mode |
//! | a party | a thread, a task or an interrupt handler |
//! | the inner lock | the short lock around the line, which each backend chooses: [`InnerLock`] |
//! | to relax | what a core that spins does between two looks: a [`RelaxStrategy`](::spin::relax::RelaxStrategy) |
//! | a probe | the counters beside an observed lock, `observe::Probe` |
//! | to vouch | to say by `unsafe` what the compiler can't see, and the crate then relies on: [`Vouched`], [`single::Alone`] |
//!
//! # Where unsafe code stands
//!
//! It is denied in the whole crate and allowed file by file: [`guide::unsafe_code`]
//! lists the files, and what it is there for.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
// The models leave the faces out, and what only these use is unused.
#![cfg_attr(portunus_loom, allow(dead_code, unused_imports))]
// With a feature off, what only its modules use is unused.
#![cfg_attr(not(all(feature = "std", feature = "async")), allow(dead_code))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod accessor;
mod atomic;
mod backend;
pub mod barrier;
pub mod circuit_breaker;
pub mod clock;
mod condition;
mod condvar;
#[cfg(all(
    feature = "alloc",
    feature = "async",
    target_has_atomic = "ptr",
    not(all(test, portunus_loom))
))]
pub mod coroutine;
mod counter;
#[cfg(feature = "critical-section")]
pub mod critical;
pub mod door;
mod error;
mod family;
mod fifo_lock;
#[cfg(all(feature = "async", not(all(test, portunus_loom))))]
pub mod future;
pub mod guarded;
pub mod guide;
mod hold;
#[cfg(all(
    feature = "alloc",
    feature = "async",
    target_has_atomic = "ptr",
    not(all(test, portunus_loom))
))]
pub mod make_async;
mod misuse;
mod mutex;
mod name;
#[cfg(all(feature = "async", not(all(test, portunus_loom))))]
pub mod nursery;
#[cfg(all(feature = "observe", not(all(test, portunus_loom))))]
pub mod observe;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod owned;
#[cfg(all(feature = "std", target_has_atomic = "ptr", not(all(test, portunus_loom))))]
mod owned_timed;
mod panic;
mod predicate;
pub mod raw;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr", not(all(test, portunus_loom))))]
pub mod registry;
mod releasing;
mod resource_guard;
pub mod rules;
mod rwlock;
#[cfg(all(test, portunus_shuttle, feature = "std", feature = "async"))]
mod schedules;
mod semaphore;
#[cfg(all(
    feature = "shm",
    target_os = "linux",
    target_has_atomic = "64",
    not(all(test, portunus_loom))
))]
pub mod shm;
#[cfg(all(feature = "signal", unix, not(all(test, portunus_loom))))]
pub mod signal;
pub mod single;
pub mod spin;
#[cfg(feature = "std")]
pub mod sync;
pub mod throttle;
#[cfg(all(feature = "std", not(all(test, portunus_loom))))]
mod timed;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr", not(all(test, portunus_loom))))]
mod unique_guard;
mod wait;

pub use accessor::Accessor;
pub use backend::Backend;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use barrier::CyclicBarrier;
pub use barrier::StatefulBarrier;
pub use circuit_breaker::CircuitBreaker;
pub use clock::Clock;
pub use condition::{AsCondition, Condition};
pub use condvar::{
    Condvar, CondvarGuard, RawCondvar, SharedCondvar, SharedCondvarGuard, WaitTimeoutResult,
};
#[cfg(all(
    feature = "alloc",
    feature = "async",
    target_has_atomic = "ptr",
    not(all(test, portunus_loom))
))]
pub use coroutine::Coroutine;
pub use counter::{Counter, CounterError, IntCounter};
#[cfg(feature = "std")]
pub use door::ReentrantDoor;
pub use door::{
    AccessError, Door, DoorGuard, DoorReadGuard, DoorUpgradableReadGuard, DoorWriteGuard,
    Permissions, Proxy, SharedDoor,
};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use door::{
    OwnedDoorGuard, OwnedDoorReadGuard, OwnedDoorUpgradableReadGuard, OwnedDoorWriteGuard,
};
pub use error::{AcquireError, Closed, ConvertError, TooMany, TooManyPermits};
pub use fifo_lock::FifoLock;
pub use guarded::{Guarded, NotExclusive, UpgradeError};
pub use hold::Hold;
#[cfg(all(
    feature = "alloc",
    feature = "async",
    target_has_atomic = "ptr",
    not(all(test, portunus_loom))
))]
pub use make_async::make_async;
pub use mutex::{Lined, RawMutex};
pub use name::Name;
#[cfg(all(feature = "async", not(all(test, portunus_loom))))]
pub use nursery::FixedNursery;
#[cfg(all(
    feature = "alloc",
    feature = "async",
    target_has_atomic = "ptr",
    not(all(test, portunus_loom))
))]
pub use nursery::Nursery;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use owned::{OwnedHold, OwnedMutexGuard, OwnedPermit};
pub use panic::Panic;
pub use predicate::Predicate;
pub use raw::mode::{Held, MAX_MODES, Mode, PerMode, Rules, UNLIMITED};
pub use raw::vouch::Vouched;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr", not(all(test, portunus_loom))))]
pub use registry::Registry;
pub use releasing::{Releasable, Releasing};
pub use resource_guard::{Busy, ResourceBusy, ResourceGuard, Unnamed};
pub use rules::{Fair, ReadPreferring, WritePreferring};
pub use rwlock::RawRwLock;
pub use semaphore::{ClosableSemaphore, Permit, Semaphore};
pub use throttle::DynamicThrottle;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr", not(all(test, portunus_loom))))]
pub use unique_guard::{ByAddress, UniqueResourceGuard, UniqueResourceGuards};
pub use wait::alone::NoLock;
pub use wait::inner::{RawMutexInner, SpinInner};
pub use wait::{Forever, InnerLock, Left, Limit, Place, Turn, Wait};

/// The extension traits that add `lock_async`, `read_async`, `write_async`,
/// `upgradable_read_async`, `upgrade_async`, `lock_arc_async` and their like to
/// `lock_api`'s types (feature `async`), and `releasing` to every guard.
///
/// ```
/// use portunus::prelude::*;
/// ```
pub mod prelude {
    #[cfg(all(feature = "async", feature = "alloc", target_has_atomic = "ptr"))]
    pub use crate::future::{MutexArcExt, RwLockArcExt, RwLockUpgradeArcExt};
    #[cfg(feature = "async")]
    pub use crate::future::{
        MutexExt, ReleasableAsync, RwLockExt, RwLockUpgradableReadGuardExt, RwLockUpgradeExt,
    };
    pub use crate::releasing::Releasable;
}
