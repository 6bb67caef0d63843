//! A task as seen from outside its future: its waker, its name, its stop
//! signal.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use futures_core::FusedFuture;
use lock_api::Mutex;

use super::desk::Desk;
use super::label::TaskName;
use crate::atomic::{AtomicU8, AtomicUsize, Ordering};
use crate::backend::Backend;
use crate::mutex::RawMutex;
use crate::wait::ready::Queued;

/// A task's part that lives as long as anybody knows it.
pub(super) struct Control<B: Backend> {
    id: u64,
    name: TaskName,
    desk: Arc<Desk<B>>,
    /// Whether the nursery polls its future: then this is its waker.
    local: bool,
    /// Its place among the futures that the nursery polls.
    place: AtomicUsize,
    /// Whether it stands among the ready; stays set when the task has ended.
    queued: Queued,
    /// What has become of it: bits of `flag`.
    flags: AtomicU8,
    /// 1: its outcome is there. Written by its future alone.
    ended: AtomicU8,
    wakers: Mutex<RawMutex<B>, Wakers>,
}

/// | bit | set by | says |
/// |---|---|---|
/// | `STOP` | who stops it | it is to stop |
/// | `ASKED` | its future | it asked for that, and so ends by itself |
/// | `CLAIMED` | `stop_task` | somebody waits for its outcome, and takes its error too |
/// | `ENDING` | its future | its outcome is being written; a claim comes too late |
///
/// No bit is ever cleared.
mod flag {
    pub(super) const STOP: u8 = 1;
    pub(super) const ASKED: u8 = 2;
    pub(super) const CLAIMED: u8 = 4;
    pub(super) const ENDING: u8 = 8;
}

#[derive(Default)]
struct Wakers {
    /// What wakes its future, on an executor.
    task: Option<Waker>,
    /// Who watches the signal under another waker.
    watchers: Vec<Option<Waker>>,
}

/// What a task's future is to do with the poll.
#[derive(PartialEq, Eq)]
pub(super) enum Gate {
    Go,
    /// It never asked for the signal: it is dropped.
    Drop,
}

/// Whether a task can be stopped by somebody who wants its outcome.
pub(super) enum Claim {
    Granted,
    Ended,
    /// It is the one that asks.
    Itself,
}

impl<B: Backend> Control<B> {
    pub(super) fn new(id: u64, name: TaskName, desk: Arc<Desk<B>>, local: bool) -> Self {
        Self {
            id,
            name,
            desk,
            local,
            place: AtomicUsize::new(0),
            queued: Queued::new(),
            flags: AtomicU8::new(0),
            ended: AtomicU8::new(0),
            wakers: Mutex::new(Wakers::default()),
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn name(&self) -> String {
        self.name.text()
    }

    pub(super) fn desk(&self) -> &Arc<Desk<B>> {
        &self.desk
    }

    /// Its future is at this place from now on, and stands among the ready.
    pub(super) fn settle(&self, place: usize) {
        // Ordering: Relaxed here and in `place`: its waker is handed out later,
        // by who settles it.
        self.place.store(place, Ordering::Relaxed);
    }

    pub(super) fn place(&self) -> usize {
        self.place.load(Ordering::Relaxed)
    }

    /// Its future is about to be polled: from here on a wake-up counts.
    pub(super) fn unqueue(&self) {
        self.queued.clear();
    }

    /// Its future is gone: wake-ups mean nothing.
    pub(super) fn mute(&self) {
        self.queued.mute();
    }

    pub(super) fn has_ended(&self) -> bool {
        // Ordering: Acquire, pairs with the Release in `end`: its outcome is
        // there.
        self.ended.load(Ordering::Acquire) != 0
    }

    /// Its outcome is being written. Whether somebody waits for it.
    pub(super) fn begin_end(&self) -> bool {
        // Ordering: AcqRel: of this and a claim, which is one too, one comes
        // first and the other one sees it.
        let before = self.flags.fetch_or(flag::ENDING, Ordering::AcqRel);
        // Who never asked has no watchers; and where the nursery polls, no
        // waker is kept, which would keep its task.
        if !self.local || before & flag::ASKED != 0 {
            drop(self.take_wakers());
        }
        before & flag::CLAIMED != 0
    }

    /// Its outcome is written.
    pub(super) fn end(&self) {
        // Ordering: Release, pairs with `has_ended`.
        self.ended.store(1, Ordering::Release);
        self.desk.line.ended();
    }

    fn take_wakers(&self) -> Wakers {
        mem::take(&mut *self.wakers.lock())
    }

    /// Its future is polled with this waker.
    pub(super) fn enter(&self, waker: &Waker) -> Gate {
        if !self.local {
            let stale = {
                let wakers = self.wakers.lock();
                !wakers.task.as_ref().is_some_and(|task| task.will_wake(waker))
            };
            if stale {
                let waker = waker.clone();
                let old = self.wakers.lock().task.replace(waker);
                drop(old);
            }
        }
        // Looked at after the waker is there: a signal that is raised later
        // finds it.
        // Ordering: Acquire, pairs with the Release in `stop`. Whether it was
        // asked for, the future itself wrote.
        match self.flags.load(Ordering::Acquire) & (flag::STOP | flag::ASKED) {
            flag::STOP => Gate::Drop,
            _ => Gate::Go,
        }
    }

    /// Raises the stop signal.
    pub(super) fn stop(self: &Arc<Self>) {
        // Ordering: Release, pairs with `enter` and `is_stopping`; Acquire, for
        // who stops it second.
        let before = self.flags.fetch_or(flag::STOP, Ordering::AcqRel);
        if before & flag::STOP != 0 {
            return;
        }
        let Wakers { task, watchers } = self.take_wakers();
        // Watchers first: they are in the future that then is polled.
        watchers.into_iter().flatten().chain(task).for_each(Waker::wake);
        if self.local {
            self.wake_by_ref();
        }
    }

    /// Whether this waker is that of its future.
    fn is_mine(self: &Arc<Self>, waker: &Waker) -> bool {
        if self.local {
            return Waker::from(Arc::clone(self)).will_wake(waker);
        }
        self.wakers.lock().task.as_ref().is_some_and(|task| task.will_wake(waker))
    }

    /// Raises the stop signal for somebody, polled with `waker`, who takes the
    /// outcome.
    pub(super) fn claim(self: &Arc<Self>, waker: &Waker) -> Claim {
        if self.is_mine(waker) {
            return Claim::Itself;
        }
        // Ordering: AcqRel, as `begin_end`.
        let before = self.flags.fetch_or(flag::CLAIMED, Ordering::AcqRel);
        if before & flag::ENDING != 0 {
            return Claim::Ended;
        }
        self.stop();
        Claim::Granted
    }

    /// Whether the signal was raised. Who asks, ends by itself.
    fn asks(&self) -> bool {
        // Ordering: Acquire, pairs with the Release in `stop`. Release is
        // needless: `enter` and `begin_end` are called by who polls this too.
        self.flags.fetch_or(flag::ASKED, Ordering::Acquire) & flag::STOP != 0
    }

    /// As `asks`, and has `waker` called when it is raised.
    fn watch(self: &Arc<Self>, watch: &mut Option<usize>, waker: &Waker) -> bool {
        if self.asks() {
            return true;
        }
        // The task itself is woken anyway.
        if self.is_mine(waker) {
            return false;
        }
        let waker = waker.clone();
        let mut wakers = self.wakers.lock();
        let place = *watch.get_or_insert_with(|| {
            let free = wakers.watchers.iter().position(Option::is_none);
            free.unwrap_or_else(|| {
                wakers.watchers.push(None);
                wakers.watchers.len() - 1
            })
        });
        let old = wakers.watchers.get_mut(place).and_then(|watcher| watcher.replace(waker));
        drop(wakers);
        drop(old);
        // Raised meanwhile, it may have taken the wakers before: look again.
        self.asks()
    }

    fn unwatch(&self, place: usize) {
        let old = self.wakers.lock().watchers.get_mut(place).and_then(Option::take);
        drop(old);
    }
}

impl<B: Backend> Wake for Control<B> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.queued.wake(&self.desk.line, self.place());
    }
}

/// What a task of a nursery may ask about itself.
///
/// See [`Handle::start_task`](super::Handle::start_task).
pub struct TaskContext<B: Backend> {
    control: Arc<Control<B>>,
}

impl<B: Backend> TaskContext<B> {
    pub(super) fn of(control: &Arc<Control<B>>) -> Self {
        Self { control: Arc::clone(control) }
    }

    /// Its name and that of the nursery in which it was started:
    /// `task:nursery`.
    #[must_use]
    pub fn name(&self) -> String {
        self.control.name()
    }

    /// A number that no other task of this nursery has.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.control.id()
    }

    /// Waits until the task is to stop.
    ///
    /// A task that has polled this once, or called
    /// [`is_stopping`](Self::is_stopping), ends by itself when it is stopped,
    /// and what it returns is its outcome. Others are dropped.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing; the signal stays.
    #[must_use = "futures do nothing unless polled"]
    pub fn stopped(&self) -> Stopped<'_, B> {
        Stopped { control: &self.control, watch: None, done: false }
    }

    /// Whether the task is to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.control.asks()
    }
}

impl<B: Backend> Clone for TaskContext<B> {
    fn clone(&self) -> Self {
        Self { control: Arc::clone(&self.control) }
    }
}

impl<B: Backend> fmt::Debug for TaskContext<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskContext").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// Waits until a task is to stop; made by [`TaskContext::stopped`].
#[must_use = "futures do nothing unless polled"]
pub struct Stopped<'a, B: Backend> {
    control: &'a Arc<Control<B>>,
    /// Its place among the watchers.
    watch: Option<usize>,
    done: bool,
}

impl<B: Backend> FusedFuture for Stopped<'_, B> {
    fn is_terminated(&self) -> bool {
        self.done
    }
}

impl<B: Backend> Future for Stopped<'_, B> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.done = this.control.watch(&mut this.watch, cx.waker());
        if this.done { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl<B: Backend> Drop for Stopped<'_, B> {
    fn drop(&mut self) {
        if let Some(place) = self.watch {
            self.control.unwatch(place);
        }
    }
}

impl<B: Backend> fmt::Debug for Stopped<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopped").finish_non_exhaustive()
    }
}
