//! The engine: rules, the word, and what happens to it; the raw traits.

pub(crate) mod engine;
pub(crate) mod lock;
pub(crate) mod mode;
pub(crate) mod traits;
pub(crate) mod waiter;
pub(crate) mod word;

pub use traits::{RawMutexAsync, RawRwLockAsync, RawRwLockUpgradeAsync, RawWaiter};
pub use waiter::Waiter;

#[cfg(test)]
mod tests;
