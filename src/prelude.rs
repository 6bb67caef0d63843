//! The extension traits, to be imported together.
//!
//! ```
//! use portunus::prelude::*;
//! ```

#[cfg(all(feature = "async", feature = "alloc"))]
pub use crate::future::{MutexArcExt, RwLockArcExt};
#[cfg(feature = "async")]
pub use crate::future::{MutexExt, RwLockExt, RwLockUpgradeExt};
