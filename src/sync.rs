//! Locks for threads of an operating system.
//!
//! A blocked thread pauses, then yields its core, then sleeps; the first in line
//! pauses longest, because its turn comes next. This keeps strict order cheap,
//! and no thread spins for long.
//!
//! ```
//! use portunus::sync::Mutex;
//!
//! static TOTAL: Mutex<u64> = Mutex::new(0);
//! std::thread::scope(|scope| {
//!     for _ in 0..4 {
//!         scope.spawn(|| *TOTAL.lock() += 1);
//!     }
//! });
//! assert_eq!(*TOTAL.lock(), 4);
//! ```
//!
//! Threads of real-time priority (`SCHED_FIFO` and its like) that share a lock
//! and a core should have the same priority: a thread that finds the inner lock
//! taken yields, which does not let one of a lower priority run.

use crate::backend::{Backend, family};
use crate::panic::Panic;
use crate::wait::inner::SpinInner;
use crate::wait::park::{ParkWait, YieldCore};

/// The backend for threads of an operating system; a blocked thread sleeps.
#[derive(Debug)]
pub struct Threads(());

impl Backend for Threads {
    // Without a limit to its patience: who is inside may be out of the core
    // for long, and gets this one.
    type Inner = SpinInner<YieldCore, 0>;
    type Wait = ParkWait;

    fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Panic> {
        Panic::catch(f)
    }
}

family!(Threads);

/// A resource that one thread at a time reaches, as often as it enters.
#[doc(alias = "RLock")]
pub type ReentrantDoor<T> = crate::ReentrantDoor<RawMutex, T>;
