//! Shuttle's atomics: at each access another party may go on.

pub(crate) use super::constant::{constructor, init, next_number, reached};
pub(crate) use core::cell::Cell;
#[allow(unused_imports, reason = "of memory that processes share")]
pub(crate) use shuttle::sync::atomic::AtomicU64;
pub(crate) use shuttle::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicUsize};

/// The widest integer whose atomic takes no lock here, and that atomic.
pub(crate) type Wide = u64;
pub(crate) type AtomicWide = AtomicU64;
