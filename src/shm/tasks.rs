//! Tasks that wait: who wakes them.
//!
//! A future's place in line is a record, as a thread's is. A process in which
//! tasks wait has one thread more for each segment. It sleeps on the doorbell
//! of its attachment, a futex that a grant to any of its tasks rings, and calls
//! their wakers. Every now and then it wakes those who are first in line, to
//! let them look after the dead. It ends when nobody waits.
//!
//! Wakers are the user's code: what clones, calls and drops them runs without
//! the mutex here, and a drop when nothing else is left to do. So they are
//! shared with that thread, which clones none.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::task::Waker;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::attach::Attachment;
use super::format::{counter, record};
use super::line::LOOK;
use super::period::Period;
use super::record::State;
use super::sys;
use crate::atomic::Ordering;

/// The tasks of a process that wait in one segment.
#[derive(Debug, Default)]
pub(super) struct Tasks(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    /// Records, with whom to wake.
    wakers: Vec<(u32, Arc<Waker>)>,
    /// Who watches which number.
    watchers: Vec<(u64, Seen, Arc<Waker>)>,
    /// Whether there is a thread that does.
    served: bool,
    /// Nobody uses the segment any more.
    over: bool,
}

/// A counter's number, as somebody saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// The counter's place.
    pub(super) at: u64,
    pub(super) value: u64,
    /// How often it had changed.
    pub(super) changes: u32,
}

impl Seen {
    /// Whether it has changed since; who was killed after a change may not
    /// have counted it.
    fn is_past(&self, attachment: &Attachment) -> bool {
        let map = attachment.map();
        // Ordering: SeqCst, after this process has asked to be rung, see
        // `Counter::ring`; Acquire, pairs with the exchange that changed it.
        map.u32(self.at + counter::CHANGES).load(Ordering::SeqCst) != self.changes
            || map.u64(self.at + counter::VALUE).load(Ordering::Acquire) != self.value
    }

    /// The next change rings this process's doorbell.
    fn ask_to_be_rung(&self, attachment: &Attachment) {
        let slot = attachment.slot();
        let asking = attachment.map().u64(self.at + counter::TASKS + u64::from(slot / 64) * 8);
        let bit = 1 << (slot % 64);
        // Ordering: SeqCst, see `Counter::ring`: who takes back what was asked
        // for rings after that.
        if asking.load(Ordering::SeqCst) & bit == 0 {
            asking.fetch_or(bit, Ordering::SeqCst);
        }
    }
}

impl Tasks {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The waker to keep: the one that is kept, if it wakes the same task, or
    /// else a new one.
    fn kept(
        &self,
        waker: &Waker,
        find: impl FnOnce(&Waiting) -> Option<&Arc<Waker>>,
    ) -> Arc<Waker> {
        let waiting = self.lock();
        let same = find(&waiting).filter(|kept| kept.will_wake(waker)).map(Arc::clone);
        drop(waiting);
        same.unwrap_or_else(|| Arc::new(waker.clone()))
    }

    /// `waker` is called when the record is not in line any more, or should
    /// look after the dead.
    pub(super) fn insert(attachment: &Arc<Attachment>, index: u32, waker: &Waker) {
        let tasks = attachment.tasks();
        let new = tasks.kept(waker, |waiting| {
            waiting.wakers.iter().find(|(other, _)| *other == index).map(|(_, kept)| kept)
        });
        let mut waiting = tasks.lock();
        let old = match waiting.wakers.iter_mut().find(|(other, _)| *other == index) {
            Some((_, kept)) => Some(core::mem::replace(kept, new)),
            None => {
                waiting.wakers.push((index, new));
                None
            }
        };
        let serve = !core::mem::replace(&mut waiting.served, true);
        drop(waiting);
        Self::serve(attachment, serve, waker);
        drop(old);
    }

    /// `waker` is called when the number is not what was seen any more; unless
    /// it is not by now: look once more.
    pub(super) fn watch(attachment: &Arc<Attachment>, id: u64, seen: Seen, waker: &Waker) {
        let tasks = attachment.tasks();
        let new = tasks.kept(waker, |waiting| {
            waiting.watchers.iter().find(|(other, ..)| *other == id).map(|(.., kept)| kept)
        });
        let new = (id, seen, new);
        let mut waiting = tasks.lock();
        let old = match waiting.watchers.iter_mut().find(|(other, ..)| *other == id) {
            Some(place) => Some(core::mem::replace(place, new)),
            None => {
                waiting.watchers.push(new);
                None
            }
        };
        // Now that it stands there: from here on the thread asks for it.
        seen.ask_to_be_rung(attachment);
        let serve = !core::mem::replace(&mut waiting.served, true);
        drop(waiting);
        Self::serve(attachment, serve, waker);
        drop(old);
    }

    /// This one does not watch any more.
    pub(super) fn unwatch(&self, id: u64) {
        let mut waiting = self.lock();
        let at = waiting.watchers.iter().position(|(other, ..)| *other == id);
        let old = at.map(|at| waiting.watchers.swap_remove(at));
        drop(waiting);
        drop(old);
    }

    /// Starts the thread, if there is none.
    fn serve(attachment: &Arc<Attachment>, serve: bool, waker: &Waker) {
        if serve {
            let theirs = Arc::downgrade(attachment);
            let thread = std::thread::Builder::new().name("portunus-shm".into());
            if thread.spawn(move || serve_tasks(&theirs)).is_err() {
                // Without help the task polls again and again; so do those who
                // came since, and took the thread for running.
                let mut waiting = attachment.tasks().lock();
                waiting.served = false;
                let others = waiting.wakers.iter().map(|(_, waker)| waker);
                let others = others.chain(waiting.watchers.iter().map(|(.., waker)| waker));
                let others: Vec<_> = others.cloned().collect();
                drop(waiting);
                others.into_iter().for_each(wake);
                waker.wake_by_ref();
            }
        }
    }

    /// Nobody uses the segment any more, be it that a future was forgotten. The
    /// thread ends, and does not keep the attachment until its next look.
    pub(super) fn end(attachment: &Attachment) {
        if !attachment.is_ours() {
            return;
        }
        let mut waiting = attachment.tasks().lock();
        waiting.over = true;
        let served = waiting.served;
        drop(waiting);
        if served {
            attachment.ring(attachment.who());
        }
    }

    /// Nobody waits in this record any more. The waker is the caller's: to be
    /// dropped when nothing is left to do, since that runs the user's code.
    #[must_use = "it is dropped last"]
    pub(super) fn remove(&self, index: u32) -> Option<Arc<Waker>> {
        let mut waiting = self.lock();
        let at = waiting.wakers.iter().position(|(other, _)| *other == index);
        at.map(|at| waiting.wakers.swap_remove(at).1)
    }
}

/// Calls a waker, and drops it should nobody else have it any more. One that
/// panics is its executor's concern; the others' tasks are served all the same.
fn wake(waker: Arc<Waker>) {
    let wake = move || {
        waker.wake_by_ref();
        drop(waker);
    };
    let _ = std::panic::catch_unwind(core::panic::AssertUnwindSafe(wake));
}

/// What the thread does.
///
/// It keeps the attachment for a sleep at a time: a task that waits borrows its
/// segment, and one that was forgotten is not to keep it for ever. When the
/// segment is dropped, it is rung and ends.
fn serve_tasks(theirs: &Weak<Attachment>) {
    /// How many looks of the first one look of the others takes.
    const PATIENCE: u32 = 5;
    let (mut rounds, mut looked, mut look) = (0_u32, Period::New, false);
    while let Some(attachment) = theirs.upgrade() {
        let attachment = &*attachment;
        let Some(doorbell) = attachment.doorbell(attachment.who()) else { return };
        // Ordering: Acquire, pairs with the Release of the ring: who is seen to
        // wait below is woken by a ring after this number.
        let number = doorbell.load(Ordering::Acquire);
        let mut due = Vec::new();
        let mut waiting = attachment.tasks().lock();
        if waiting.over || waiting.wakers.is_empty() && waiting.watchers.is_empty() {
            waiting.served = false;
            return;
        }
        for (index, waker) in &waiting.wakers {
            // Ordering: Acquire, pairs with the grant's note.
            let state = State::of(attachment.state_of(*index).load(Ordering::Acquire));
            let front = attachment.record_u32(*index, record::FRONT);
            // Ordering: Relaxed, a hint.
            let first = front.load(Ordering::Relaxed);
            if !matches!(state, State::Queued | State::Waiting) {
                due.push(Arc::clone(waker));
            } else if first == LOOK || look && (first != 0 || rounds.is_multiple_of(PATIENCE)) {
                front.store(LOOK, Ordering::Relaxed);
                due.push(Arc::clone(waker));
            }
        }
        for (_, seen, waker) in &waiting.watchers {
            // Who rang may have done so for a change that this one had seen,
            // and what it had asked for is used up. So first ask, then look.
            seen.ask_to_be_rung(attachment);
            if seen.is_past(attachment) {
                due.push(Arc::clone(waker));
            }
        }
        drop(waiting);
        due.into_iter().for_each(wake);
        let left = looked.left(attachment.poll());
        look = left.is_none();
        rounds = rounds.wrapping_add(u32::from(look));
        if let Some(left) = left
            && sys::futex_wait(doorbell, number, left)
        {
            looked.end();
        }
    }
}
