//! Awaited waits that are given up: before the first poll, waiting, notified and
//! in the lock's line, granted but not polled since, and after they are ready.
//! Polled by hand.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use portunus::raw::{
    RawCondvarAsync, RawMutexAsync, RawRwLockUpgradeAsync, RawSharedCondvarUpgradeAsync,
};

use crate::over::{Door, Over, SharedDoor, SharedOver};
use crate::support::{Hand, panic_of, ready};

/// What an access gives. Dropped, it lets go.
trait Guard {}

impl<T> Guard for T {}

type Held<'a> = Box<dyn Guard + 'a>;
type Waiting<'a> = Pin<Box<dyn Future<Output = Held<'a>> + 'a>>;

fn erase<'a, F: Future<Output: 'a> + 'a>(future: F) -> Waiting<'a> {
    Box::pin(async move { Box::new(future.await) as Held<'a> })
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
    each_point(&case);
    let wait = &|| erase(door.enter_arc().wait_async());
    each_point(&Case { name: "enter_arc", wait, ..case });
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
    each_point(&case);
    let wait = &|| erase(door.write().wait_async());
    each_point(&Case { name: "write", wait, ..case });
    let wait = &|| erase(door.read_arc().wait_async());
    each_point(&Case { name: "read_arc", wait, ..case });
    let wait = &|| erase(door.write_arc().wait_async());
    each_point(&Case { name: "write_arc", wait, ..case });
    let wait = &|| erase(door.upgradable_read().wait_async());
    each_point(&Case { name: "upgradable_read", wait, ..case });
    let wait = &|| erase(door.upgradable_read_arc().wait_async());
    each_point(&Case { name: "upgradable_read_arc", wait, ..case });
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
over_our_shared_locks!(a_wait_inside_a_shared_door_can_be_given_up);
