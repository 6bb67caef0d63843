//! Locks for threads of an operating system.
//!
//! A blocked thread pauses, then yields, then sleeps; who stands first pauses
//! longest. So strict order of service costs little more than none, and
//! nobody burns a core for long.

use crate::backend::{Backend, family};
use crate::wait::inner::SpinInner;
use crate::wait::park::{ParkWait, YieldCore};

/// The backend of threads.
#[derive(Debug)]
pub struct Threads(());

impl Backend for Threads {
    type Inner = SpinInner<YieldCore>;
    type Wait = ParkWait;
}

family!(Threads);
