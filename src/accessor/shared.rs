//! Conditions and changes behind an `Arc`.

use alloc::sync::Arc;

use super::changes::{AsChanges, Changes, sealed};
use super::{Accessor, Reach, Source};
use crate::backend::Backend;
use crate::condition::{AsCondition, Condition, sealed::Sealed};

impl<B: Backend> Sealed for Arc<Condition<B>> {}
impl<B: Backend> AsCondition<B> for Arc<Condition<B>> {
    fn as_condition(&self) -> &Condition<B> {
        self
    }
}

impl<B: Backend, C: AsCondition<B>> AsChanges<B> for Arc<Changes<B, C>> {}
impl<B: Backend, C: AsCondition<B>> sealed::Sealed<B> for Arc<Changes<B, C>> {
    type Condition = C;

    fn changes(&self) -> &Changes<B, C> {
        self
    }
}

impl<T, B: Backend, S: Source<Value = T>, C: AsChanges<B>> Reach for Arc<Accessor<T, B, S, C>> {
    type Value = T;
    type Backend = B;
    type Source = S;
    type Changes = C;

    fn reach(&self) -> &Accessor<T, B, S, C> {
        self
    }
}
