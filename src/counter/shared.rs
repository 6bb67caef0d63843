//! What leads to a counter on the heap is one.

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::{Counter, CounterError};

impl<C: Counter + ?Sized> Counter for Arc<C> {
    fn increment(&self) -> Result<u64, CounterError> {
        (**self).increment()
    }

    fn decrement(&self) -> Result<u64, CounterError> {
        (**self).decrement()
    }

    fn value(&self) -> u64 {
        (**self).value()
    }
}

impl<C: Counter + ?Sized> Counter for Box<C> {
    fn increment(&self) -> Result<u64, CounterError> {
        (**self).increment()
    }

    fn decrement(&self) -> Result<u64, CounterError> {
        (**self).decrement()
    }

    fn value(&self) -> u64 {
        (**self).value()
    }
}
