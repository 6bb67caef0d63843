//! Tasks that wait: who wakes them.
//!
//! A future's place in line is a record, as a thread's is. A process in which
//! tasks wait has one thread more for each segment. It sleeps on the doorbell
//! of its attachment, a futex that a grant to any of its tasks rings, and calls
//! their wakers. Every now and then it wakes those who are first in line, to
//! let them look after the dead. It ends when nobody waits.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::task::Waker;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::attach::Attachment;
use super::format::record;
use super::line::LOOK;
use super::record::State;
use super::sys;
use crate::atomic::Ordering;

/// The tasks of a process that wait in one segment.
#[derive(Debug, Default)]
pub(super) struct Tasks(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    /// Records, with whom to wake.
    wakers: Vec<(u32, Waker)>,
    /// Whether there is a thread that does.
    served: bool,
}

impl Tasks {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `waker` is called when the record is not in line any more, or should
    /// look after the dead.
    pub(super) fn insert(attachment: &Arc<Attachment>, index: u32, waker: &Waker) {
        // R15: cloned before, dropped after.
        let mut clone = Some(waker.clone());
        let mut old = None;
        let mut waiting = attachment.tasks().lock();
        match waiting.wakers.iter_mut().find(|(other, _)| *other == index) {
            Some((_, kept)) if kept.will_wake(waker) => {}
            Some((_, kept)) => old = clone.take().map(|new| core::mem::replace(kept, new)),
            None => waiting.wakers.extend(clone.take().map(|new| (index, new))),
        }
        let serve = !waiting.served;
        waiting.served = true;
        drop(waiting);
        drop((old, clone));
        if serve {
            let theirs = Arc::clone(attachment);
            let thread = std::thread::Builder::new().name("portunus-shm".into());
            if thread.spawn(move || serve_tasks(&theirs)).is_err() {
                attachment.tasks().lock().served = false;
                // Without help the task polls again and again.
                waker.wake_by_ref();
            }
        }
    }

    /// Nobody waits in this record any more.
    pub(super) fn remove(&self, index: u32) {
        let mut waiting = self.lock();
        let at = waiting.wakers.iter().position(|(other, _)| *other == index);
        let old = at.map(|at| waiting.wakers.swap_remove(at));
        drop(waiting);
        drop(old);
    }
}

/// What the thread does.
fn serve_tasks(attachment: &Arc<Attachment>) {
    /// How many looks of the first one look of the others takes.
    const PATIENCE: u32 = 5;
    let Some(doorbell) = attachment.doorbell(attachment.who()) else { return };
    let mut rounds = 0_u32;
    let mut look = false;
    loop {
        // Ordering: Acquire, pairs with the Release of the ring: who is seen to
        // wait below is woken by a ring after this number.
        let number = doorbell.load(Ordering::Acquire);
        let mut due = Vec::new();
        let mut waiting = attachment.tasks().lock();
        if waiting.wakers.is_empty() {
            waiting.served = false;
            return;
        }
        for (index, waker) in &waiting.wakers {
            // Ordering: Acquire, pairs with the grant's note.
            let state = State::of(attachment.state_of(*index).load(Ordering::Acquire));
            let front = attachment.record_u32(*index, record::FRONT);
            // Ordering: Relaxed, a hint.
            let first = front.load(Ordering::Relaxed);
            if state != State::Queued {
                due.push(waker.clone());
            } else if first == LOOK || look && (first != 0 || rounds.is_multiple_of(PATIENCE)) {
                front.store(LOOK, Ordering::Relaxed);
                due.push(waker.clone());
            }
        }
        drop(waiting);
        for waker in due {
            // A waker that panics is the executor's concern; the others' tasks
            // are served all the same.
            let wake = core::panic::AssertUnwindSafe(|| waker.wake());
            let _ = std::panic::catch_unwind(wake);
        }
        look = sys::futex_wait(doorbell, number, attachment.poll());
        rounds = rounds.wrapping_add(u32::from(look));
    }
}
