//! A stream that keeps its accessor alive.

use alloc::sync::Arc;

use super::accessor::Values;
use crate::accessor::{Accessor, AsChanges, Source};
use crate::backend::Backend;

impl<T, B, S, C> Accessor<T, B, S, C>
where
    T: Clone + Send,
    B: Backend,
    S: Source<Value = T> + Send,
    C: AsChanges<T, B>,
{
    /// As [`values`](Self::values), keeping the accessor alive.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use portunus::sync::Accessor;
    /// use smol::stream::StreamExt;
    ///
    /// let level = Arc::new(Accessor::new(0));
    /// let mut levels = Box::pin(level.values_arc());
    /// # smol::block_on(async {
    /// let (seen, ()) = smol::future::zip(levels.next(), async { level.set(1) }).await;
    /// assert_eq!(seen, Some(1));
    /// # });
    /// ```
    pub fn values_arc(self: &Arc<Self>) -> Values<Arc<Self>> {
        Values::new(Arc::clone(self))
    }
}
