//! The smallest executor that is fair: a queue of numbers.
//!
//! Tasks are numbers, a task's waker holds its number, and waking puts that
//! into the queue unless it is there. Cloning and dropping a waker do nothing.
//! So a wake-up costs a few plain loads and stores, and what is measured is the
//! lock. One thread uses it at a time; its atomics are there because wakers may
//! be sent, and Relaxed because none is.

#![allow(unsafe_code)]

use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::{Pin, pin};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

/// The most tasks.
const CAPACITY: usize = 1 << 17;

static RING: [AtomicU32; CAPACITY] = [const { AtomicU32::new(0) }; CAPACITY];
/// Takes no more wake-ups: it is in the queue, or has ended.
static DEAF: [AtomicBool; CAPACITY] = [const { AtomicBool::new(false) }; CAPACITY];
static HEAD: AtomicUsize = AtomicUsize::new(0);
static TAIL: AtomicUsize = AtomicUsize::new(0);

/// Forgets everything of the tasks below `tasks`.
pub(crate) fn reset(tasks: usize) {
    for deaf in &DEAF[..tasks] {
        deaf.store(false, Relaxed);
    }
    HEAD.store(0, Relaxed);
    TAIL.store(0, Relaxed);
}

/// Puts a task into the queue, unless it is there or has ended.
#[inline]
pub(crate) fn wake(task: usize) {
    let deaf = &DEAF[task];
    if deaf.load(Relaxed) {
        return;
    }
    deaf.store(true, Relaxed);
    let tail = TAIL.load(Relaxed);
    RING[tail % CAPACITY].store(task as u32, Relaxed);
    TAIL.store(tail.wrapping_add(1), Relaxed);
}

/// Takes the first task out of the queue.
#[inline]
pub(crate) fn next() -> Option<usize> {
    let head = HEAD.load(Relaxed);
    if head == TAIL.load(Relaxed) {
        return None;
    }
    HEAD.store(head.wrapping_add(1), Relaxed);
    let task = RING[head % CAPACITY].load(Relaxed) as usize;
    DEAF[task].store(false, Relaxed);
    Some(task)
}

/// Notes that a task has ended: nothing wakes it any more.
#[inline]
pub(crate) fn retire(task: usize) {
    DEAF[task].store(true, Relaxed);
}

/// A static, so that its address is the same wherever wakers are compared.
static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake_pointer, wake_pointer, ignore);

fn clone(data: *const ()) -> RawWaker {
    RawWaker::new(data, &VTABLE)
}

fn wake_pointer(data: *const ()) {
    wake(data.addr() - 1);
}

fn ignore(_: *const ()) {}

/// The waker of a task; dropping it would do nothing.
#[inline(always)]
pub(crate) fn waker(task: usize) -> ManuallyDrop<Waker> {
    let data = ptr::without_provenance(task + 1);
    // SAFETY: the functions of the table only compute with the number, may be
    // called in any thread, and own nothing that could be freed.
    ManuallyDrop::new(unsafe { Waker::new(data, &VTABLE) })
}

/// The output of a future that is ready at once.
#[track_caller]
pub(crate) fn ready<F: Future>(future: F) -> F::Output {
    let waker = waker(CAPACITY - 1);
    match pin!(future).poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nobody is in the way, and the future waits"),
    }
}

/// Lets all other tasks that can run go first.
pub(crate) fn yield_once() -> impl Future<Output = ()> {
    YieldOnce(false)
}

struct YieldOnce(bool);

impl Future for YieldOnce {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
