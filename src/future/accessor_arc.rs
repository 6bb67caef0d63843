//! Awaiting accessors and predicates behind an `Arc`.

use alloc::sync::Arc;

use super::accessor::{Get, Lasts, SetWhenRead, Told, Values};
use crate::accessor::{Accessor, AsChanges, Reading, Source, Writing};
use crate::backend::Backend;
use crate::condition::Condition;

impl<T, B, S, C> Lasts for Arc<Accessor<T, B, S, C>>
where
    T: 'static,
    B: Backend,
    S: Source<Value = T> + 'static,
    C: AsChanges<B> + 'static,
{
    type Backend = B;

    fn condition(&self) -> &Condition<B> {
        Accessor::condition(self)
    }
}

impl<T, B, S, C> Accessor<T, B, S, C>
where
    T: Clone + Send + 'static,
    B: Backend,
    S: Source<Value = T> + Send + 'static,
    C: AsChanges<B> + 'static,
{
    /// As [`get_async`](Self::get_async), keeping the accessor alive.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use portunus::sync::Accessor;
    ///
    /// # smol::block_on(async {
    /// let level = Arc::new(Accessor::new(0));
    /// let (seen, ()) = smol::future::zip(level.get_arc_async(), async { level.set(1) }).await;
    /// assert_eq!(seen, 1);
    /// # });
    /// ```
    pub fn get_arc_async(self: &Arc<Self>) -> Get<Arc<Self>, fn(&T) -> bool> {
        self.get_next_where_arc_async(|_| true)
    }

    /// As [`get_where_async`](Self::get_where_async), keeping the accessor
    /// alive.
    pub fn get_where_arc_async<F>(self: &Arc<Self>, wanted: F) -> Get<Arc<Self>, F>
    where
        F: FnMut(&T) -> bool + Send + 'static,
    {
        Told::new(Arc::clone(self), Reading::new(Arc::clone(self), false, wanted))
    }

    /// As [`get_next_where_async`](Self::get_next_where_async), keeping the
    /// accessor alive.
    pub fn get_next_where_arc_async<F>(self: &Arc<Self>, wanted: F) -> Get<Arc<Self>, F>
    where
        F: FnMut(&T) -> bool + Send + 'static,
    {
        Told::new(Arc::clone(self), Reading::new(Arc::clone(self), true, wanted))
    }

    /// As [`set_when_read_async`](Self::set_when_read_async), keeping the
    /// accessor alive.
    pub fn set_when_read_arc_async(self: &Arc<Self>, value: T) -> SetWhenRead<Arc<Self>> {
        Told::new(Arc::clone(self), Writing::new(Arc::clone(self), value))
    }

    /// As [`values`](Self::values), keeping the accessor alive.
    pub fn values_arc(self: &Arc<Self>) -> Values<Arc<Self>> {
        Values::new(Arc::clone(self))
    }
}
