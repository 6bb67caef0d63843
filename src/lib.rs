#![doc = include_str!("../README.md")]
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

mod atomic;
mod backend;
#[cfg(feature = "critical-section")]
pub mod critical;
mod error;
mod fifo_lock;
#[cfg(all(feature = "async", not(all(test, portunus_loom))))]
pub mod future;
mod mutex;
#[cfg(feature = "alloc")]
mod owned;
pub mod prelude;
pub mod raw;
pub mod rules;
mod rwlock;
mod semaphore;
pub mod spin;
#[cfg(feature = "std")]
pub mod sync;
#[cfg(all(feature = "std", not(all(test, portunus_loom))))]
mod timed;
mod wait;

pub use backend::Backend;
pub use error::{ConvertError, TooMany};
pub use fifo_lock::{FifoLock, Hold};
pub use mutex::{Lined, RawMutex};
#[cfg(feature = "alloc")]
pub use owned::{OwnedHold, OwnedMutexGuard, OwnedPermit};
pub use raw::mode::{Held, MAX_MODES, Mode, PerMode, Rules, UNLIMITED};
pub use rules::{Fair, ReadPreferring, WritePreferring};
pub use rwlock::RawRwLock;
pub use semaphore::{Permit, Semaphore};
pub use wait::inner::{RawMutexInner, SpinInner};
pub use wait::{Forever, InnerLock, Left, Limit, Place, Turn, Wait};
