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
//! rule's predicate of your own does: where a lock is used against its rules
//! (a future polled after it was ready, a lock used by its own predicate), debug
//! builds panic, and release builds for bare cores raise the fault of an
//! undefined instruction.
//!
//! # Where unsafe code stands
//!
//! It is denied in the whole crate, and allowed at the head of these files:
//!
//! | file | what for |
//! |---|---|
//! | `accessor/mod.rs`, `accessor/changes.rs`, `accessor/question.rs` | what lies under a condition's lock |
//! | `atomic/model.rs` | cells that loom watches |
//! | `atomic/stepped.rs` | atomics in memory that processes share, in tests |
//! | `condvar/mod.rs`, `condvar/guard.rs`, `condvar/guards.rs`, `condvar/owned.rs`, `condvar/raw.rs` | letting a guard's lock go and taking it again |
//! | `door/exclusive.rs`, `door/shared.rs`, `door/guard.rs`, `door/mapped.rs`, `door/owned.rs`, `door/owned_mapped.rs`, `door/upgradable.rs` | guards over anybody's raw lock |
//! | `door/wait.rs`, `door/timed.rs`, `door/owned_timed.rs`, `door/monitor.rs` | waiting with these guards |
//! | `door/reentrant.rs` | telling threads from each other |
//! | `future/*.rs` | polling places that are pinned |
//! | `nursery/local.rs` | futures that never leave their thread |
//! | `guarded/mod.rs`, `guarded/guards.rs`, `guarded/mapped.rs` | data that several reach |
//! | `misuse.rs` | an instruction that traps |
//! | `mutex.rs`, `rwlock.rs`, `timed.rs` | `lock_api`'s raw traits |
//! | `observe/mutex.rs`, `observe/rwlock.rs`, `observe/timed.rs`, `observe/awaited.rs` | `lock_api`'s raw traits, over those of the plain locks |
//! | `observe/awaited_holds.rs` | polling places that are pinned, by the plain kinds |
//! | `observe/guarded.rs` | data that several reach |
//! | `observe/inner.rs` | the inner lock's contract, handed on |
//! | `owned.rs` | a guard that keeps its mutex alive |
//! | `raw/grant.rs`, `wait/batch.rs` | arrays that are not cleared first |
//! | `raw/lock/mod.rs`, `raw/lock/polling.rs`, `raw/lock/section.rs` | the line, limbo and nodes under the inner lock |
//! | `raw/lock/handover.rs` | from a condition's queue into a lock's line |
//! | `raw/traits.rs`, `raw/waiter.rs` | places in line, as raw traits |
//! | `raw/vouch.rs`, `rules/mod.rs` | vouching for a rule, and for the ready-made ones |
//! | `wait/node.rs`, `wait/line.rs`, `wait/queue.rs`, `wait/ask.rs` | nodes linked by pointers |
//! | `shm/sys.rs` | calls of the system |
//! | `shm/data.rs` | data that processes share |
//! | `shm/mutex.rs`, `shm/rwlock.rs`, `shm/handle.rs`, `shm/generations.rs` | access to it under a lock |
//! | `shm/plain.rs` | other people's plain data |
//! | `shm/map.rs`, `shm/places.rs` | memory that processes share |
//! | `wait/inner.rs`, `wait/critical.rs`, `wait/alone.rs` | the inner lock's contract |
//! | `wait/locked.rs` | data under an inner lock |
//! | `releasing/mod.rs` | a guard that is taken away and put back |
//! | `wait/park.rs` | the waker of a thread's bed |
//!
//! Their invariants are numbered at the head of the file that keeps them, and
//! every `SAFETY` comment names the ones that it rests on.
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
