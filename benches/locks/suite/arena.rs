//! Many pinned futures side by side, each one dropped when it is told to.

#![allow(unsafe_code)]

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::executor;

/// Futures of one type, numbered as the tasks of the executor are.
pub(crate) struct Arena<F> {
    slots: Pin<Box<[Option<F>]>>,
}

impl<F: Future> Arena<F> {
    pub(crate) fn new(futures: impl Iterator<Item = F>) -> Self {
        let slots: Box<[Option<F>]> = futures.map(Some).collect();
        Self { slots: Box::into_pin(slots) }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    #[inline(always)]
    fn slot(&mut self, task: usize) -> Pin<&mut Option<F>> {
        // SAFETY: an element stays where its slice is pinned; nothing moves
        // out of it before it is dropped in place.
        unsafe { self.slots.as_mut().map_unchecked_mut(|slots| &mut slots[task]) }
    }

    #[inline(always)]
    pub(crate) fn poll(&mut self, task: usize) -> Poll<F::Output> {
        let waker = executor::waker(task);
        match self.slot(task).as_pin_mut() {
            Some(future) => future.poll(&mut Context::from_waker(&waker)),
            None => panic!("task {task} was cancelled, and polled after that"),
        }
    }

    /// Drops a future.
    #[inline(always)]
    pub(crate) fn cancel(&mut self, task: usize) {
        self.slot(task).set(None);
    }
}
