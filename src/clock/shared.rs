//! What leads to a clock on the heap is one.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::time::Duration;

use super::Clock;

impl<C: Clock + ?Sized> Clock for Arc<C> {
    #[inline]
    fn now(&self) -> Duration {
        (**self).now()
    }
}

impl<C: Clock + ?Sized> Clock for Box<C> {
    #[inline]
    fn now(&self) -> Duration {
        (**self).now()
    }
}
