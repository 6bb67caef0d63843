//! What leads to a counter on the heap is one.

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::{Counter, CounterError, leads_to_a_counter};

leads_to_a_counter!(Arc<C>, Box<C>);
