//! Locks between processes, which survive the death of their owners.
//!
//! Linux only: elsewhere this module is absent.
//!
//! A [`Segment`] is memory that processes share, by a name, a file or a passed
//! descriptor. In it are locks with the names and methods of the other
//! backends: first come, first served among all threads and tasks of all
//! processes, with the modes of your own [`Rules`](crate::Rules).
//!
//! # Death
//!
//! A process may be killed at any instruction. What it held is given back,
//! its places in line vanish, and the order of the others stays. Acquisitions
//! return `Result<Guard, OwnerDied<Guard>>`: if the dead one may have been
//! changing what the lock protects, the next owner is told, see [`OwnerDied`].
//! A death is noticed by those who wait, within [`Options::poll`], or within five
//! times that if the first in line died, too. A stopped process lives, and keeps
//! what it has.
//!
//! # Trust
//!
//! Who may write to a segment's file may spoil all that is in it: its
//! permissions say who that is, [`Options::mode`]. Should one who is attached
//! write where it must not, through a stray pointer, the others can rely on this:
//!
//! * Nothing outside of the segment is touched, and no link is followed for ever.
//! * Lines that are not as any program leaves them are linked anew, from what the
//!   waiters' records say. A waiter whose own record is spoilt asks anew. Either
//!   is told by an [`OwnerDied`], as a death in the middle of a change is.
//! * Attempts, and waits with a limit, come to an end, or to a panic for want of a
//!   [record](Options::records); but for one case: who is said to be alive and in
//!   the middle of an operation is waited for, as a stopped process is.
//! * What is protected is a value of its type, whatever the bytes are; another
//!   program's stores while somebody reads it are a data race all the same.
//!
//! * Whatever a line's links and ends are made to say, a lock lets in only those
//!   whose records say that they wait at it, and each in its lane.
//!
//! Nothing is promised of counts, owners and numbers that were written over:
//! a lock may then stay taken, or let in whom it must not.
//!
//! # Where it differs from the other backends
//!
//! * The locks are made with their segment and reached through it: they are
//!   not `static`.
//! * Data in a segment are plain: other programs read them.
//! * Futures of one task are served strictly in order, and a grant stays with
//!   the future that it was made for: poll all of them, or drop those that you
//!   don't poll.

mod alike;
mod any_handle;
mod attach;
mod carried;
#[cfg(feature = "serde")]
mod codec;
mod condvar;
mod content;
mod convert;
mod counter;
mod data;
mod door;
#[cfg(feature = "async")]
mod door_future;
mod door_wait;
#[cfg(feature = "async")]
mod door_wait_future;
mod env;
mod error;
mod fault;
mod fifo_lock;
mod format;
mod frame;
#[cfg(feature = "async")]
pub mod future;
#[cfg(feature = "serde")]
mod generations;
mod guard;
mod handle;
mod handle_door;
#[cfg(feature = "async")]
mod handle_future;
mod handle_proxy;
mod inspect;
mod line;
mod map;
mod mutex;
mod name;
mod options;
mod period;
mod places;
#[cfg(feature = "bytemuck")]
mod plain;
mod raw;
mod raw_condvar;
mod record;
mod repair;
mod resize;
mod rwlock;
mod segment;
mod semaphore;
#[cfg(feature = "serde")]
mod serde_handle;
#[cfg(all(feature = "serde", feature = "async"))]
mod serde_handle_future;
mod sys;
mod tasks;
#[cfg(feature = "async")]
mod wait_task;
mod world;

pub use any_handle::AnyHandle;
pub use carried::{Carried, Configured};
pub use condvar::{Condvar, CondvarGuard, SharedCondvar, SharedCondvarGuard};
pub use content::Content;
pub use counter::Counter;
pub use data::ShmType;
pub use door::{Door, DoorGuard, DoorReadGuard, DoorWriteGuard, SharedDoor, SharedDoorGuard};
pub use error::{Error, OwnerDied};
pub use fifo_lock::{FifoLock, Hold};
pub use handle::Handle;
pub use handle_door::{HandleDoor, HandleReadGuard, HandleWriteGuard};
pub use handle_proxy::HandleProxy;
pub use inspect::{Claim, Inspection};
pub use mutex::{Mutex, MutexGuard};
pub use name::{Name, NameError};
pub use options::{AfterReboot, Options};
#[cfg(feature = "bytemuck")]
pub use plain::Plain;
pub use rwlock::{RwLock, RwLockReadGuard, RwLockUpgradableReadGuard, RwLockWriteGuard};
pub use segment::{Peer, Recovered, Segment};
pub use semaphore::{Permit, Semaphore};
#[cfg(feature = "serde")]
pub use serde_handle::SerdeHandle;
#[cfg(test)]
mod tests;
