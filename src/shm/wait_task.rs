//! Waiting as a task: the raw lock's polling.

use alloc::sync::Arc;
use core::task::{Poll, Waker};

use super::format::record;
use super::line::LOOK;
use super::raw::RawShmLock;
use super::record::State;
use super::tasks::Tasks;
use crate::atomic::Ordering;
use crate::raw::engine::{ConversionEntry, Entry};
use crate::raw::mode::Rules;
use crate::wait::node::Request;

/// A task's place in line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Seat {
    /// It has not been polled.
    #[default]
    New,
    /// It is in line, or was granted, with this record.
    Waits(u32),
    /// It holds, or was given up.
    Done,
}

/// How a task's conversion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Converted {
    Done,
    Deadlock,
}

impl<R: Rules> RawShmLock<R> {
    /// Enters, or stands in line. Ready: with which record; or it is
    /// [refused](Self::refuses).
    pub(super) fn poll_acquire(
        &self,
        seat: &mut Seat,
        request: Request,
        waker: &Waker,
    ) -> Poll<Option<u32>> {
        loop {
            let index = match *seat {
                Seat::New => {
                    if let Some(index) = self.try_acquire(request) {
                        *seat = Seat::Done;
                        return Poll::Ready(Some(index));
                    }
                    let record = self.record();
                    self.set_task(record.index(), true);
                    if self.enqueue(record.index(), request) == Entry::Admitted {
                        *seat = Seat::Done;
                        return Poll::Ready(Some(record.keep()));
                    }
                    let index = record.keep();
                    *seat = Seat::Waits(index);
                    index
                }
                Seat::Waits(index) => index,
                Seat::Done => panic!("a future was polled after it was ready"),
            };
            match self.poll_in_line(index, request, waker) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(true) => {
                    *seat = Seat::Done;
                    return Poll::Ready(Some(index));
                }
                Poll::Ready(false) => {
                    *seat = Seat::New;
                    self.baton(index);
                    self.attachment().give_record(index);
                    if self.refuses(request) {
                        *seat = Seat::Done;
                        return Poll::Ready(None);
                    }
                }
            }
        }
    }

    /// Changes a hold's mode, or stands in line for it.
    pub(super) fn poll_convert(
        &self,
        seat: &mut Seat,
        request: Request,
        index: u32,
        waker: &Waker,
    ) -> Poll<Converted> {
        loop {
            match *seat {
                Seat::New => {
                    if self.try_convert(request, index) {
                        *seat = Seat::Done;
                        return Poll::Ready(Converted::Done);
                    }
                    self.set_task(index, true);
                    match self.enqueue_conversion(index, request) {
                        ConversionEntry::Converted(due) => {
                            *seat = Seat::Done;
                            if due {
                                self.grant_now();
                            }
                            return Poll::Ready(Converted::Done);
                        }
                        ConversionEntry::Deadlock => {
                            *seat = Seat::Done;
                            return Poll::Ready(Converted::Deadlock);
                        }
                        ConversionEntry::Queued => *seat = Seat::Waits(index),
                    }
                }
                Seat::Waits(_) => {}
                Seat::Done => panic!("a future was polled after it was ready"),
            }
            match self.poll_in_line(index, request, waker) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(true) => {
                    *seat = Seat::Done;
                    return Poll::Ready(Converted::Done);
                }
                Poll::Ready(false) => {
                    *seat = Seat::New;
                    self.unqueue(index, request);
                    self.grant_now();
                }
            }
        }
    }

    /// `true`: granted; `false`: evicted.
    fn poll_in_line(&self, index: u32, request: Request, waker: &Waker) -> Poll<bool> {
        self.attachment().check();
        let front = self.attachment().record_u32(index, record::FRONT);
        let (mut looks, mut registered) = (0, false);
        loop {
            let state = self.state(index);
            match state {
                // The waker is dropped first here: should that panic, the seat
                // is as it was, and is given up with its future.
                State::Granted => {
                    drop(self.attachment().tasks().remove(index));
                    self.take(index, request);
                    return Poll::Ready(true);
                }
                State::Evicted => {
                    drop(self.attachment().tasks().remove(index));
                    return Poll::Ready(false);
                }
                _ if !matches!(state, State::Queued | State::Granting | State::Waiting) => {
                    drop(self.attachment().tasks().remove(index));
                    self.abandon_spoilt(index, request);
                    return Poll::Ready(false);
                }
                // Ordering: Relaxed, a hint; after the waker was left the mutex
                // of the tasks orders it. What is told later than that, the
                // thread that serves them sees.
                _ if looks < 2 && front.load(Ordering::Relaxed) == LOOK => {
                    looks += 1;
                    front.store(super::line::FRONT, Ordering::Relaxed);
                    self.look();
                }
                // Once more after that: a ring in between was for nobody.
                _ if !core::mem::replace(&mut registered, true) => {
                    Tasks::insert(self.attachment(), index, waker);
                }
                _ => return Poll::Pending,
            }
        }
    }

    /// Takes a task out of whatever it waits in. With a record: it had been
    /// granted, and has its units now.
    ///
    /// Its waker is `unneeded`: the caller drops it last, since that runs the
    /// user's code.
    pub(super) fn abandon(
        &self,
        seat: &mut Seat,
        request: Request,
        unneeded: &mut Option<Arc<Waker>>,
    ) -> Option<u32> {
        let Seat::Waits(index) = core::mem::replace(seat, Seat::Done) else { return None };
        if !self.attachment().is_ours() {
            return None;
        }
        *unneeded = self.attachment().tasks().remove(index);
        if self.leave_line(index, request).is_some() {
            return self.give_up(index, request);
        }
        match self.state(index) {
            State::Evicted => {
                self.unqueue(index, request);
                let given = self.give_up(index, request);
                self.grant_now();
                given
            }
            _ => {
                self.take(index, request);
                Some(index)
            }
        }
    }

    /// The record of a plain request is free again; that of a conversion is
    /// its hold's.
    fn give_up(&self, index: u32, request: Request) -> Option<u32> {
        if !request.is_conversion() {
            self.attachment().give_record(index);
        }
        None
    }
}
