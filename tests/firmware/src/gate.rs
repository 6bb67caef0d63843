//! The lock whose holders [`count`](crate::count) counts.

use portunus::critical;
use portunus::rules::{Access, ReadWrite};

static LOCK: critical::FifoLock<ReadWrite> = critical::FifoLock::new(ReadWrite);

pub type Hold = critical::Hold<'static, ReadWrite>;

pub fn enter() -> Option<Hold> {
    LOCK.try_acquire(Access::Read)
}

pub fn inside() -> usize {
    LOCK.holders(Access::Read)
}
