//! Raw traits, in the style of `lock_api`, by which any lock's acquisitions can
//! be awaited. (Beneath them, private: the engine, its word and its rules.)

pub(crate) mod engine;
mod grant;
pub(crate) mod limit;
pub(crate) mod lock;
pub(crate) mod mode;
pub(crate) mod traits;
pub(crate) mod vouch;
pub(crate) mod waiter;
pub(crate) mod word;

pub use traits::{
    RawCondvarAsync, RawMutexAsync, RawMutexCondvar, RawMutexCondvarTimed, RawRwLockAsync,
    RawRwLockUpgradeAsync, RawSharedCondvar, RawSharedCondvarAsync, RawSharedCondvarUpgrade,
    RawSharedCondvarUpgradeAsync, RawWaiter,
};
pub use waiter::Waiter;

#[cfg(test)]
mod tests;
