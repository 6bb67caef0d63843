//! Awaited waits that are given up: before the first poll, waiting, notified and
//! in the lock's line, granted but not polled since, and after they are ready.
//! Polled by hand.

use std::alloc::{Layout, dealloc};
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use portunus::raw::{
    RawCondvarAsync, RawMutexAsync, RawRwLockUpgradeAsync, RawSharedCondvarUpgradeAsync,
};

use crate::over::{Door, Over, SharedDoor, SharedOver};
use crate::support::{Hand, panic_of, panics, poll_by, ready};

/// What an access gives. Dropped, it lets go.
trait Guard {}

impl<T> Guard for T {}

type Held<'a> = Box<dyn Guard + 'a>;
type Waiting<'a> = Pin<Box<dyn Future<Output = Held<'a>> + 'a>>;

/// A future whose output is erased. It can be polled after a panic, which an
/// `async` block can't.
struct Erased<'a, F>(F, PhantomData<Held<'a>>);

impl<'a, F: Future<Output: 'a>> Future for Erased<'a, F> {
    type Output = Held<'a>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Held<'a>> {
        // SAFETY: the field is never moved out.
        let future = unsafe { self.map_unchecked_mut(|this| &mut this.0) };
        future.poll(cx).map(|guard| Box::new(guard) as Held<'a>)
    }
}

fn erase<'a, F: Future<Output: 'a> + 'a>(future: F) -> Waiting<'a> {
    Box::pin(Erased(future, PhantomData))
}

/// How a door is used here.
struct Case<'c, 'a> {
    name: &'c str,
    /// Enters, and makes a wait of it.
    wait: &'c dyn Fn() -> Waiting<'a>,
    /// Keeps everybody out.
    block: &'c dyn Fn() -> Held<'a>,
    notify_one: &'c dyn Fn() -> bool,
    notify_all: &'c dyn Fn() -> usize,
    /// Whether nobody is inside.
    free: &'c dyn Fn() -> bool,
}

fn each_point(case: &Case<'_, '_>) {
    let Case { name, wait, block, notify_one, notify_all, free } = case;
    let (hand, other) = (Hand::new(), Hand::new());
    let two = || {
        let mut first = wait();
        assert!(hand.poll(&mut first).is_pending());
        let mut second = wait();
        assert!(other.poll(&mut second).is_pending());
        assert!(free(), "{name}: who waits is not inside");
        (first, second)
    };

    // Before the first poll: the guard goes with the wait.
    let waiting = wait();
    assert!(!free());
    drop(waiting);
    assert!(free(), "{name}: dropped before the first poll");
    assert!(!notify_one());

    // Waiting.
    let (first, mut second) = two();
    drop(first);
    assert_eq!(hand.kept(), 0, "{name}: its waker is dropped with it");
    let before = other.wakes();
    assert!(notify_one(), "{name}: the one behind it is first");
    assert_eq!(other.wakes(), before + 1);
    drop(ready(other.poll(&mut second)));
    assert!(!notify_one() && free(), "{name}: dropped while it waited");

    // Notified, in the lock's line: the notification passes on.
    let (mut first, mut second) = two();
    let inside = block();
    assert!(notify_one());
    assert!(hand.poll(&mut first).is_pending(), "{name}: somebody is inside");
    drop(first);
    assert!(other.poll(&mut second).is_pending());
    let before = other.wakes();
    drop(inside);
    assert_eq!(other.wakes(), before + 1, "{name}: passed on from the lock's line");
    drop(ready(other.poll(&mut second)));
    assert!(!notify_one() && free(), "{name}: dropped in the lock's line");

    // Notified, but not polled since.
    let (first, mut second) = two();
    let before = hand.wakes();
    assert!(notify_one());
    assert_eq!(hand.wakes(), before + 1, "{name}: it was not woken");
    let before = other.wakes();
    drop(first);
    assert_eq!(other.wakes(), before + 1, "{name}: passed on by one who was notified");
    drop(ready(other.poll(&mut second)));
    assert!(!notify_one() && free(), "{name}: dropped when it was notified");

    // Granted, but not polled since.
    let (mut first, mut second) = two();
    let inside = block();
    assert!(notify_one());
    assert!(hand.poll(&mut first).is_pending());
    drop(inside);
    assert!(!free(), "{name}: it is inside");
    let before = other.wakes();
    drop(first);
    assert_eq!(other.wakes(), before + 1, "{name}: passed on by one who was inside");
    drop(ready(other.poll(&mut second)));
    assert!(!notify_one() && free(), "{name}: dropped when it was granted");

    // A notification of all was for each: nothing passes on to a third.
    let (first, mut second) = two();
    let inside = block();
    assert_eq!(notify_all(), 2);
    drop(inside);
    drop(first);
    drop(ready(other.poll(&mut second)));
    let mut third = wait();
    assert!(hand.poll(&mut third).is_pending());
    assert!(hand.poll(&mut third).is_pending(), "{name}: it was not notified");
    drop(third);
    assert!(free());

    // Ready: the guard holds, not the wait.
    let mut waiting = wait();
    assert!(hand.poll(&mut waiting).is_pending());
    assert!(notify_one());
    let guard = ready(hand.poll(&mut waiting));
    drop(waiting);
    assert!(!free());
    drop(guard);
    assert!(free(), "{name}: dropped after it was ready");

    // And once more.
    let mut waiting = wait();
    assert!(hand.poll(&mut waiting).is_pending());
    assert!(notify_one());
    drop(ready(hand.poll(&mut waiting)));
    let said = panic_of(|| hand.poll(&mut waiting).is_ready());
    assert!(!said.is_empty() && free(), "{name}: polled after it was ready");
}

/// The memory of a future that was dropped, kept until nobody can refer to it.
struct Remains(*mut u8, Layout);

impl Remains {
    /// Drops a future where it is, and says whether that panicked.
    fn of(waiting: Waiting<'_>) -> (Self, bool) {
        // SAFETY: it is dropped in its place.
        let place = Box::into_raw(unsafe { Pin::into_inner_unchecked(waiting) });
        // SAFETY: it is there.
        let layout = Layout::for_value(unsafe { &*place });
        // SAFETY: once; only the memory is used afterwards.
        let dropped = catch_unwind(AssertUnwindSafe(|| unsafe { ptr::drop_in_place(place) }));
        (Self(place.cast(), layout), dropped.is_err())
    }
}

impl Drop for Remains {
    fn drop(&mut self) {
        // SAFETY: of a box with this layout, whose content is gone.
        unsafe { dealloc(self.0, self.1) };
    }
}

/// A waker whose copying panics.
fn panics_when_copied() -> Waker {
    static TABLE: RawWakerVTable = RawWakerVTable::new(copy, ignore, ignore, ignore);
    fn copy(_: *const ()) -> RawWaker {
        panic!("the clone of a waker panics");
    }
    fn ignore(_: *const ()) {}
    // SAFETY: the functions of the table do nothing with what they are given.
    unsafe { Waker::new(ptr::null(), &TABLE) }
}

/// A first poll that panics has not begun to wait: the guard is still there, and
/// the next poll is the first.
fn a_first_poll_that_panics(case: &Case<'_, '_>) {
    let Case { name, wait, notify_one, free, .. } = case;
    let hand = Hand::new();
    let mut waiting = wait();
    assert_eq!(
        panic_of(|| poll_by(&panics_when_copied(), &mut waiting).is_ready()),
        "the clone of a waker panics"
    );
    assert!(!notify_one() && !free(), "{name}: it waits");
    assert!(hand.poll(&mut waiting).is_pending(), "{name}: nobody has notified it");
    assert!(free());
    assert!(hand.poll(&mut waiting).is_pending(), "{name}: nobody has notified it");
    assert!(notify_one(), "{name}: it does not wait");
    drop(ready(hand.poll(&mut waiting)));
    drop(waiting);
    assert!(free());

    let mut waiting = wait();
    panic_of(|| poll_by(&panics_when_copied(), &mut waiting).is_ready());
    drop(waiting);
    assert!(free(), "{name}: dropped after a first poll that panicked");
}

/// Who gives up leaves every line and lets go, also when the one to whom the
/// notification passes has a waker that panics.
fn each_point_beside_a_panic(case: &Case<'_, '_>) {
    let Case { name, wait, block, notify_one, free, .. } = case;
    let (hand, other) = (Hand::new(), Hand::new());
    for point in ["in the lock's line", "notified", "granted"] {
        let mut first = wait();
        assert!(hand.poll(&mut first).is_pending());
        let mut second = wait();
        assert!(poll_by(&panics(), &mut second).is_pending());
        let inside = (point != "notified").then(block);
        assert!(notify_one());
        if inside.is_some() {
            assert!(hand.poll(&mut first).is_pending(), "{name}: somebody is inside");
        }
        let (remains, dropped) = if point == "granted" {
            drop(inside);
            Remains::of(first)
        } else {
            let (remains, dropped) = Remains::of(first);
            // From the lock's own line it is woken when it is let in.
            let left = catch_unwind(AssertUnwindSafe(|| drop(inside)));
            (remains, dropped || left.is_err())
        };
        assert!(dropped, "{name}, {point}: the notification was not passed on");
        assert_eq!(hand.kept(), 0, "{name}, {point}: its waker is kept");
        let guard = other.poll(&mut second);
        assert!(guard.is_ready(), "{name}, {point}: somebody who is gone stands before it");
        drop(guard);
        assert!(!notify_one() && free(), "{name}, {point}: somebody who is gone is inside");
        drop(remains);
    }
}

fn everywhere(case: &Case<'_, '_>) {
    each_point(case);
    each_point_beside_a_panic(case);
    a_first_poll_that_panics(case);
}

fn a_wait_can_be_given_up<O: Over>()
where
    O::Lock: RawMutexAsync,
    O::Condvar: RawCondvarAsync<O::Lock>,
{
    let door = Arc::new(Door::<O, u32>::new(1));
    let case = Case {
        name: "enter",
        wait: &|| erase(door.enter().wait_async()),
        block: &|| Box::new(door.enter()),
        notify_one: &|| door.notify_one(),
        notify_all: &|| door.notify_all(),
        free: &|| !door.is_locked(),
    };
    everywhere(&case);
    let wait = &|| erase(door.enter_arc().wait_async());
    everywhere(&Case { name: "enter_arc", wait, ..case });
}

fn a_wait_inside_a_shared_door_can_be_given_up<O: SharedOver>()
where
    O::Lock: RawRwLockUpgradeAsync,
    O::Condvar: RawSharedCondvarUpgradeAsync<O::Lock>,
{
    let door = Arc::new(SharedDoor::<O, u32>::new(1));
    let case = Case {
        name: "read",
        wait: &|| erase(door.read().wait_async()),
        block: &|| Box::new(door.write()),
        notify_one: &|| door.notify_one(),
        notify_all: &|| door.notify_all(),
        free: &|| !door.is_locked(),
    };
    everywhere(&case);
    let wait = &|| erase(door.write().wait_async());
    everywhere(&Case { name: "write", wait, ..case });
    let wait = &|| erase(door.read_arc().wait_async());
    everywhere(&Case { name: "read_arc", wait, ..case });
    let wait = &|| erase(door.write_arc().wait_async());
    everywhere(&Case { name: "write_arc", wait, ..case });
    let wait = &|| erase(door.upgradable_read().wait_async());
    everywhere(&Case { name: "upgradable_read", wait, ..case });
    let wait = &|| erase(door.upgradable_read_arc().wait_async());
    everywhere(&Case { name: "upgradable_read_arc", wait, ..case });
}

/// The condition is asked with the door held, and a wait that is dropped after
/// it held is not inside.
fn a_wait_for_a_condition_can_be_given_up<O: Over>()
where
    O::Lock: RawMutexAsync,
    O::Condvar: RawCondvarAsync<O::Lock>,
{
    let door = Door::<O, u32>::new(1);
    let hand = Hand::new();
    drop(door.enter().wait_while_async(|_| true));
    assert!(!door.is_locked());
    let mut waiting = Box::pin(door.enter().wait_while_async(|value| {
        assert!(door.try_enter().is_none());
        *value == 1
    }));
    assert!(hand.poll(&mut waiting).is_pending());
    assert!(door.notify_one());
    assert!(hand.poll(&mut waiting).is_pending(), "it waits again");
    assert!(!door.is_locked());
    drop(waiting);
    assert!(!door.notify_one() && !door.is_locked());

    // A condition that panics lets the guard go with the wait.
    let mut waiting = Box::pin(door.enter().wait_while_async(|_| panic!("condition")));
    assert_eq!(panic_of(|| hand.poll(&mut waiting).is_ready()), "condition");
    drop(waiting);
    assert!(!door.is_locked());
}

over_our_mutexes!(a_wait_can_be_given_up, a_wait_for_a_condition_can_be_given_up);
over_two_lines!(a_wait_can_be_given_up, a_wait_for_a_condition_can_be_given_up);
over_our_shared_locks!(a_wait_inside_a_shared_door_can_be_given_up);
over_shared_two_lines!(a_wait_inside_a_shared_door_can_be_given_up);
