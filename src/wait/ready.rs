//! Those who were woken, in the order of their waking, and who polls them.
//!
//! A nursery polls its tasks itself: each has a place and a [`Queued`], and a
//! wake-up puts the place into the nursery's [`ReadyLine`], once until it is
//! polled. All of it may run in an interrupt handler, if the backend's inner lock
//! allows that: nothing here grows but in [`ReadyLine::reserve`].

use alloc::collections::VecDeque;
use core::mem;
use core::task::Waker;

use super::locked::Locked;
use crate::atomic::{AtomicU8, Fault, Ordering};
use crate::backend::Backend;

/// Whether a task stands among the ready; stays set when it has ended.
pub(crate) struct Queued(AtomicU8);

impl Queued {
    /// It will be polled without being woken.
    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(1))
    }

    /// It is about to be polled: from here on a wake-up counts.
    pub(crate) fn clear(&self) {
        // Ordering: Acquire, pairs with the Release of a wake-up that found it
        // queued: the poll sees what that was about.
        self.0.swap(0, Fault::WokenUnseen.or(Ordering::Acquire, Ordering::Relaxed));
    }

    /// It is polled no more: wake-ups mean nothing.
    pub(crate) fn mute(&self) {
        // Ordering: Relaxed: a wake-up that comes too late does no harm.
        self.0.store(1, Ordering::Relaxed);
    }

    /// Wakes it, whose place in `line` this is.
    pub(crate) fn wake<B: Backend>(&self, line: &ReadyLine<B>, place: usize) {
        // Ordering: AcqRel: Release pairs with `clear`; Acquire, with the
        // Release of a wake-up before, so that a chain of them ends there too.
        if self.0.swap(1, Ordering::AcqRel) == 0 {
            line.ready(place);
        }
    }
}

/// The line of those who were woken, and what else its owner waits for.
pub(crate) struct ReadyLine<B: Backend> {
    line: Locked<B, Line>,
}

struct Line {
    /// The places of those to be polled. It never grows under the lock: room
    /// for all is made by `reserve`.
    ready: VecDeque<usize>,
    /// Who polls them, until it is woken.
    owner: Option<Waker>,
    /// How many tasks have not ended.
    live: usize,
    /// The owner has tasks to fetch.
    arrived: bool,
    stop: bool,
    closed: bool,
}

impl<B: Backend> ReadyLine<B> {
    pub(crate) fn new() -> Self {
        Self {
            line: Locked::new(Line {
                ready: VecDeque::new(),
                owner: None,
                live: 0,
                arrived: false,
                stop: false,
                closed: false,
            }),
        }
    }

    /// Changes the line and wakes the owner, outside.
    fn change(&self, change: impl FnOnce(&mut Line)) {
        let owner = self.line.with(|line| {
            change(line);
            line.owner.take()
        });
        if let Some(owner) = owner {
            owner.wake();
        }
    }

    /// The task at this place is to be polled.
    pub(crate) fn ready(&self, place: usize) {
        self.change(|line| line.ready.push_back(place));
    }

    /// Makes room for the wake-ups of so many.
    pub(crate) fn reserve(&self, count: usize) {
        let room = self.line.with(|line| line.ready.capacity());
        if room >= count {
            return;
        }
        let mut larger = VecDeque::with_capacity(count.max(2 * room));
        self.line.with(|line| {
            larger.extend(line.ready.drain(..));
            mem::swap(&mut line.ready, &mut larger);
        });
    }

    /// Puts the places of those to be polled into `queue`, which is empty
    /// unless a poll unwound, and from here on wakes `owner`. Whether it has
    /// tasks to fetch.
    pub(crate) fn take(&self, queue: &mut VecDeque<usize>, owner: &Waker) -> bool {
        let mut owner = Some(owner.clone());
        let late = if Fault::OwnerTooLate.on() { owner.take() } else { None };
        let (old, arrived) = loop {
            let taken = self.line.with(|line| {
                let room = line.ready.capacity();
                if queue.capacity() - queue.len() < room {
                    return Err(room);
                }
                if queue.is_empty() {
                    mem::swap(&mut line.ready, queue);
                } else {
                    queue.extend(line.ready.drain(..));
                }
                let old = owner.take().and_then(|owner| line.owner.replace(owner));
                Ok((old, mem::take(&mut line.arrived)))
            });
            match taken {
                Ok(taken) => break taken,
                // Exactly: two queues that grow past each other would never end.
                Err(room) => queue.reserve_exact(room),
            }
        };
        drop(old);
        if let Some(owner) = late {
            self.line.with(|line| line.owner = Some(owner));
        }
        arrived
    }

    /// A task more.
    pub(crate) fn began(&self) {
        self.line.with(|line| line.live += 1);
    }

    /// A task less.
    pub(crate) fn ended(&self) {
        self.change(|line| line.live -= 1);
    }

    /// A task more, which the owner has to fetch. Who is to be woken once it can
    /// be fetched.
    #[must_use = "the owner has to be woken"]
    pub(crate) fn arrived(&self) -> Option<Waker> {
        self.line.with(|line| {
            line.live += 1;
            line.arrived = true;
            line.owner.take()
        })
    }

    /// Whether all have ended.
    pub(crate) fn is_idle(&self) -> bool {
        self.line.with(|line| line.live == 0)
    }

    /// Whether all have ended, or are to stop.
    pub(crate) fn is_over(&self) -> bool {
        self.line.with(|line| line.stop || line.live == 0)
    }

    /// They are to stop.
    pub(crate) fn stop(&self) {
        self.change(|line| line.stop = true);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.line.with(|line| line.stop)
    }

    /// Nobody owns it any more.
    pub(crate) fn close(&self) {
        let owner = self.line.with(|line| {
            line.closed = true;
            line.owner.take()
        });
        drop(owner);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.line.with(|line| line.closed)
    }
}
