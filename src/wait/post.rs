//! A value that is sent once and awaited.

use core::mem;
use core::task::{Context, Poll, Waker};

use super::locked::Locked;
use crate::backend::Backend;

enum Slot<V> {
    Open(Option<Waker>),
    Sent(V),
    /// Nothing will be sent.
    Closed,
    /// It was given to who awaited it, or nobody awaits it any more.
    Taken,
}

/// Where one value passes from who sends it to who awaits it.
pub(crate) struct Post<B: Backend, V> {
    slot: Locked<B, Slot<V>>,
}

impl<B: Backend, V> Post<B, V> {
    pub(crate) fn new() -> Self {
        Self { slot: Locked::new(Slot::Open(None)) }
    }

    /// Sends a value, unless something was sent before or nobody awaits it:
    /// then it is dropped.
    pub(crate) fn send(&self, value: V) {
        self.put(Slot::Sent(value));
    }

    /// Tells that nothing will be sent, unless something was.
    pub(crate) fn close(&self) {
        self.put(Slot::Closed);
    }

    fn put(&self, new: Slot<V>) {
        let before = self.slot.with(|slot| match slot {
            Slot::Open(_) => mem::replace(slot, new),
            Slot::Sent(_) | Slot::Closed | Slot::Taken => new,
        });
        // Woken and dropped outside.
        if let Slot::Open(Some(waker)) = before {
            waker.wake();
        }
    }

    /// The value; `None` if it was closed, or taken before.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<V>> {
        // First without a waker to leave: most often it is there.
        let look = |waker: Option<Waker>| {
            self.slot.with(|slot| match slot {
                Slot::Open(_) => match waker {
                    Some(waker) => mem::replace(slot, Slot::Open(Some(waker))),
                    None => Slot::Open(None),
                },
                Slot::Sent(_) | Slot::Closed | Slot::Taken => mem::replace(slot, Slot::Taken),
            })
        };
        let before = match look(None) {
            Slot::Open(_) => look(Some(cx.waker().clone())),
            there => there,
        };
        match before {
            Slot::Open(_) => Poll::Pending,
            Slot::Sent(value) => Poll::Ready(Some(value)),
            Slot::Closed | Slot::Taken => Poll::Ready(None),
        }
    }

    /// Nobody awaits the value any more; it is dropped.
    pub(crate) fn discard(&self) {
        drop(self.slot.with(|slot| mem::replace(slot, Slot::Taken)));
    }
}
