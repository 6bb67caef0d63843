//! The extension traits that add `lock_async`, `read_async`, `write_async`,
//! `upgradable_read_async`, `lock_arc_async` and their like to `lock_api`'s
//! types. Empty without the feature `async`.
//!
//! ```
//! use portunus::prelude::*;
//! ```

#[cfg(all(feature = "async", feature = "alloc"))]
pub use crate::future::{MutexArcExt, RwLockArcExt};
#[cfg(feature = "async")]
pub use crate::future::{MutexExt, RwLockExt, RwLockUpgradeExt};
