//! What all tests of nurseries use.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use portunus::nursery::Context as Entered;

use crate::support::Hand;
pub(crate) use crate::support::yielding;

/// The errors of the tests.
pub(crate) type Fault = &'static str;

pub(crate) type Nursery<'env> = portunus::sync::Nursery<'env, Fault>;
pub(crate) type Handle<'env> = portunus::sync::Handle<'env, Fault>;

/// What happened, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn note(&self, line: impl Into<String>) {
        self.0.lock().expect("no panic").push(line.into());
    }

    /// What was noted since the last look.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("no panic"))
    }

    /// Notes a line when it is dropped.
    pub(crate) fn on_drop(&self, line: impl Into<String>) -> OnDrop {
        OnDrop(self.clone(), line.into())
    }
}

pub(crate) struct OnDrop(Log, String);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.note(std::mem::take(&mut self.1));
    }
}

/// A context that notes when it is entered and exited, and suspends in both.
pub(crate) struct Noted {
    pub(crate) log: Log,
    pub(crate) name: &'static str,
    pub(crate) exit: How,
}

/// What an exit makes of the outcome.
#[derive(Clone, Copy)]
pub(crate) enum How {
    /// Passes it on.
    Pass,
    /// Handles the error.
    Eat,
    /// Makes this error of it.
    Make(Fault),
}

impl Noted {
    pub(crate) fn new(log: &Log, name: &'static str) -> Self {
        Self { log: log.clone(), name, exit: How::Pass }
    }
}

// For errors of any lifetime: a future that awaits it would not be `Send` else.
impl<'e> Entered<&'e str> for Noted {
    type Value = &'static str;

    async fn enter(&mut self) -> Result<&'static str, &'e str> {
        yielding().await;
        self.log.note(format!("enter {}", self.name));
        Ok(self.name)
    }

    async fn exit(self, outcome: Result<(), &'e str>) -> Result<(), &'e str> {
        let exit = |stage| match outcome {
            Ok(()) => format!("{stage} {}", self.name),
            Err(error) => format!("{stage} {} with {error}", self.name),
        };
        self.log.note(exit("exit"));
        yielding().await;
        self.log.note(exit("exited"));
        match self.exit {
            How::Pass => outcome,
            How::Eat => Ok(()),
            How::Make(error) => Err(error),
        }
    }
}

/// Polls as long as there are wake-ups: `None` if the future then waits.
pub(crate) fn settle<F: Future>(future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let hand = Hand::new();
    loop {
        let before = hand.wakes();
        if let Poll::Ready(output) = hand.poll(&mut future) {
            return Some(output);
        }
        if hand.wakes() == before {
            return None;
        }
    }
}

/// A gate that opens once, for all.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<(bool, Vec<Waker>)>>);

impl Gate {
    pub(crate) fn open(&self) {
        let wakers = {
            let mut state = self.0.lock().expect("no panic");
            state.0 = true;
            std::mem::take(&mut state.1)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn pass(&self) -> impl Future<Output = ()> + Send + use<> {
        let gate = self.clone();
        std::future::poll_fn(move |cx| {
            let mut state = gate.0.lock().expect("no panic");
            if state.0 {
                return Poll::Ready(());
            }
            state.1.push(cx.waker().clone());
            Poll::Pending
        })
    }
}
