//! Conditions and changes behind an `Arc`.

use alloc::sync::Arc;

use super::changes::{AsChanges, Changes, sealed};
use super::{Accessor, Reach, Source};
use crate::backend::Backend;
use crate::condition::{AsCondition, Condition, On, sealed::Sealed};

impl<B: Backend> Sealed for Arc<Condition<B>> {}
impl<B: Backend> AsCondition<B> for Arc<Condition<B>> {
    fn as_condition(&self) -> &Condition<B> {
        self
    }
}

impl<T, B: Backend, C: AsCondition<B>> AsChanges<T, B> for Arc<Changes<T, B, C>> {}
impl<T, B: Backend, C: AsCondition<B>> sealed::Sealed<T, B> for Arc<Changes<T, B, C>> {
    type Condition = C;

    fn changes(&self) -> &Changes<T, B, C> {
        self
    }
}

impl<T, B: Backend, S: Source<Value = T>, C: AsChanges<T, B>> On for Arc<Accessor<T, B, S, C>> {
    type Backend = B;

    fn on(&self) -> &Condition<B> {
        self.condition()
    }
}

impl<T, B: Backend, S: Source<Value = T>, C: AsChanges<T, B>> Reach for Arc<Accessor<T, B, S, C>> {
    type Value = T;
    type On = B;
    type Source = S;
    type Changes = C;

    fn reach(&self) -> &Accessor<T, B, S, C> {
        self
    }
}
