//! A clock behind an `Arc` is one.

use alloc::sync::Arc;
use core::time::Duration;

use super::Clock;

impl<C: Clock + ?Sized> Clock for Arc<C> {
    #[inline]
    fn now(&self) -> Duration {
        (**self).now()
    }
}
