//! Doors: a resource that is reached by entering only, and waited with.
//!
//! A [`Door`] is a mutex with its condition variable inside: its guards wait and
//! notify by themselves, and access can be restricted at run time. A [`SharedDoor`]
//! is the same for a readers-writer lock. Where you need neither, use `Mutex` and
//! `RwLock`.
//!
//! | | exclusive | shared |
//! |---|---|---|
//! | the door | [`Door`] | [`SharedDoor`] |
//! | over any raw lock of `lock_api` 0.5 | [`RawMutex`](lock_api::RawMutex) | [`RawRwLock`](lock_api::RawRwLock) |
//! | entering | `enter` | `read`, `write`, `upgradable_read` |
//! | without waiting | `try_enter` | `try_read`, `try_write`, .. |
//! | no longer than a time | `enter_for`, `enter_until` | `read_for`, `write_for`, .. |
//! | awaited (feature `async`) | `enter_async` | `read_async`, `write_async` |
//! | with a guard that keeps the door alive (feature `alloc`) | `enter_arc`, .. | `read_arc`, `write_arc`, .. |
//! | decided at run time | [`access`](Door::access) | [`access`](SharedDoor::access) |
//! | the guards | [`DoorGuard`] | [`DoorReadGuard`], [`DoorWriteGuard`], [`DoorUpgradableReadGuard`] |
//! | from one kind to another, without letting go | | `upgrade`, `try_upgrade`, `downgrade`, .. of the guards |
//! | a part of the resource | `map`, `try_map` of the guards | the same |
//!
//! # Waiting inside
//!
//! A door may have a condition variable, and those of the backends do. Its
//! guards wait with it, each in its own kind, and notify:
//!
//! | | blocking, `&mut self` | awaited, takes the guard and gives it back |
//! |---|---|---|
//! | for a notification | `wait` | `wait_async` |
//! | while a condition holds | `wait_while` | `wait_while_async` |
//! | no longer than a time | `wait_for`, `wait_until`, `wait_while_for`, `wait_while_until` | |
//! | notifying, also without being inside | `notify_one`, `notify_all` | the same |
//!
//! There is one line of readers and writers: any `notify_one` is for whoever has
//! waited longest, of whichever kind. It lets nothing go, and may be called twice
//! in one visit.
//!
//! These are methods, and hide those of the resource that have the same name. Call
//! these on the resource itself:
//!
//! ```
//! use portunus::sync::Door;
//!
//! struct Job;
//! impl Job {
//!     fn wait(&mut self) -> u32 { 0 }
//! }
//!
//! let door = Door::new(Job);
//! let mut inside = door.enter();
//! // `inside.wait()` would wait for a notification.
//! assert_eq!(Job::wait(&mut inside), 0);
//! ```
//!
//! ```
//! use portunus::sync::SharedDoor;
//!
//! #[derive(Default)]
//! struct State { ready: bool, processed: bool }
//!
//! static DOOR: SharedDoor<State> = SharedDoor::new(State { ready: false, processed: false });
//!
//! std::thread::scope(|scope| {
//!     scope.spawn(|| {
//!         let mut state = DOOR.write();
//!         state.wait_while(|state| !state.ready);
//!         state.processed = true;
//!         state.notify_all();
//!     });
//!     let mut state = DOOR.write();
//!     state.ready = true;
//!     state.notify_one();
//!     drop(state);
//!     DOOR.read().wait_while(|state| !state.processed);
//! });
//! ```
//!
//! A wait of another kind than the access does not compile:
//!
//! ```compile_fail,E0308
//! use portunus::{DoorWriteGuard, sync::SharedDoor};
//! # fn wait(door: &SharedDoor<u32>) {
//! let mut reading = door.read();
//! DoorWriteGuard::wait(&mut reading);
//! # }
//! ```
//!
//! ```
//! use portunus::{DoorReadGuard, sync::SharedDoor};
//! # fn wait(door: &SharedDoor<u32>) {
//! let mut reading = door.read();
//! DoorReadGuard::wait(&mut reading);
//! # }
//! ```
//!
//! Nor does a wait outside, nor one at a door without a condition variable:
//!
//! ```compile_fail,E0599
//! # fn wait(door: &portunus::sync::Door<u32>) {
//! door.wait();
//! # }
//! ```
//!
//! ```compile_fail,E0599
//! # fn wait(door: &portunus::Door<portunus::sync::RawMutex, u32>) {
//! door.enter().wait();
//! # }
//! ```
//!
//! ```
//! # fn wait(door: &portunus::sync::Door<u32>) {
//! door.enter().wait();
//! # }
//! ```
//!
//! The conditions that prefer readers or writers are a door over a lock that
//! does, with the same condition variable:
//!
//! ```
//! use portunus::{ReadPreferring, WritePreferring, sync::SharedDoor};
//!
//! static READERS_FIRST: SharedDoor<u32, ReadPreferring> = SharedDoor::new(1);
//! static WRITERS_FIRST: SharedDoor<u32, WritePreferring> = SharedDoor::new(1);
//! assert_eq!(READERS_FIRST.read().notify_all() + WRITERS_FIRST.write().notify_all(), 0);
//! ```
//!
//! # Access
//!
//! A guard gives exactly the access that was asked for, and what is forbidden
//! does not compile; nor does one that has expired:
//!
//! ```compile_fail,E0505
//! let door = portunus::spin::Door::new(1);
//! let inside = door.enter();
//! let resource = &*inside;
//! drop(inside);
//! assert_eq!(*resource, 1);
//! ```
//!
//! ```
//! let door = portunus::spin::Door::new(1);
//! let inside = door.enter();
//! let resource = &*inside;
//! assert_eq!(*resource, 1);
//! drop(inside);
//! ```
//!
//! Where the access is known at run time only, a [`Proxy`]
//! with [`Permissions`] refuses it with an [`AccessError`].
//!
//! Who comes from the Python library `door` finds what differs in
//! [`guide::python`](crate::guide::python).

#[macro_use]
mod guard;
#[macro_use]
mod wait;
#[cfg(feature = "std")]
#[macro_use]
mod timed;

#[macro_use]
mod upgradable;

mod exclusive;
mod mapped;
mod monitor;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod owned;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod owned_mapped;
#[cfg(all(feature = "std", target_has_atomic = "ptr"))]
mod owned_timed;
mod proxy;
#[cfg(feature = "std")]
mod reentrant;
mod shared;

pub use exclusive::Door;
pub use guard::{DoorGuard, DoorReadGuard, DoorWriteGuard};
pub use mapped::{MappedDoorGuard, MappedDoorReadGuard, MappedDoorWriteGuard};
pub use monitor::MonitorCondvar;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use owned::{
    OwnedDoorGuard, OwnedDoorReadGuard, OwnedDoorUpgradableReadGuard, OwnedDoorWriteGuard,
};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use owned_mapped::{OwnedMappedDoorGuard, OwnedMappedDoorReadGuard, OwnedMappedDoorWriteGuard};
pub use proxy::{AccessError, Borrowed, Permissions, Proxy, Resource, SharedDoorGuard};
#[cfg(feature = "std")]
pub use reentrant::{ReentrantDoor, ThreadId};
pub use shared::SharedDoor;
pub use upgradable::DoorUpgradableReadGuard;

use crate::backend::Backend;
use crate::condvar::{RawCondvar, SharedCondvar};
use crate::raw::RawSharedCondvar;
use crate::rules::Preference;
use crate::rwlock::RawRwLock;

/// In the place of a door's condition variable: there is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCondvar;

/// What stands in the place of a [`Door`]'s condition variable: one for its raw
/// mutex, or [`NoCondvar`].
pub trait DoorCondvar<L> {
    /// With nobody waiting.
    const NEW: Self;
}

impl<L> DoorCondvar<L> for NoCondvar {
    const NEW: Self = Self;
}

impl<C: lock_api::RawCondvar> DoorCondvar<C::RawMutex> for C {
    const NEW: Self = C::INIT;
}

/// What stands in the place of a [`SharedDoor`]'s condition variable: one for
/// its raw readers-writer lock, or [`NoCondvar`].
///
/// A [`RawSharedCondvar`] of your own needs this, too, to stand there.
pub trait SharedDoorCondvar<L> {
    /// With nobody waiting.
    const NEW: Self;
}

impl<L> SharedDoorCondvar<L> for NoCondvar {
    const NEW: Self = Self;
}

#[cfg(not(all(test, portunus_loom)))]
impl<P: Preference, B: Backend> SharedDoorCondvar<RawRwLock<P, B>> for SharedCondvar<B> {
    const NEW: Self = <Self as RawSharedCondvar<RawRwLock<P, B>>>::INIT;
}

#[cfg(not(all(test, portunus_loom)))]
impl<L: lock_api::RawRwLock, B: Backend> SharedDoorCondvar<L> for RawCondvar<L, B> {
    const NEW: Self = <Self as RawSharedCondvar<L>>::INIT;
}
