//! Awaited access that is given up: before the first poll, in line, granted but
//! not polled since, and after it is ready. Polled by hand.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use portunus::Permissions;
use portunus::raw::{RawMutexAsync, RawRwLockAsync, RawRwLockUpgradeAsync};

use crate::over::{Door, Over, SharedDoor, SharedOver};
use crate::support::{Hand, ready};

/// What an access gives. Dropped, it lets go.
trait Guard {}

impl<T> Guard for T {}

type Asked<'a> = Pin<Box<dyn Future<Output = Box<dyn Guard + 'a>> + 'a>>;

fn erase<'a, F: Future<Output: 'a> + 'a>(future: F) -> Asked<'a> {
    Box::pin(async move { Box::new(future.await) as Box<dyn Guard + 'a> })
}

/// Goes through the life of a request. `ask` asks, `blocked` is somebody inside
/// who keeps it out, `free` says whether nobody is inside.
fn each_point<'a>(
    name: &str,
    ask: &dyn Fn() -> Asked<'a>,
    blocked: &dyn Fn() -> Box<dyn Guard + 'a>,
    free: &dyn Fn() -> bool,
) {
    let (hand, other) = (Hand::new(), Hand::new());

    // Before the first poll.
    let inside = blocked();
    drop(ask());
    drop(inside);
    assert!(free(), "{name}: dropped before the first poll");

    // In line, with another behind it.
    let inside = blocked();
    let (mut first, mut second) = (ask(), ask());
    assert!(hand.poll(&mut first).is_pending());
    assert!(other.poll(&mut second).is_pending());
    drop(first);
    assert_eq!(hand.kept(), 0, "{name}: its waker is dropped with it");
    drop(inside);
    assert_eq!(other.wakes(), 1, "{name}: the one behind it enters");
    let guard = ready(other.poll(&mut second));
    assert!(!free());
    drop(guard);
    assert!(free(), "{name}: dropped in line");

    // Granted, but not polled since.
    let inside = blocked();
    let (mut first, mut second) = (ask(), ask());
    assert!(hand.poll(&mut first).is_pending());
    assert!(other.poll(&mut second).is_pending());
    drop(inside);
    assert_eq!(hand.wakes(), 1, "{name}: it was granted");
    drop(first);
    assert_eq!(other.wakes(), 2, "{name}: passed on");
    drop(ready(other.poll(&mut second)));
    assert!(free(), "{name}: dropped when it was granted");

    // Ready, and dropped with its guard.
    let mut asked = ask();
    let guard = ready(hand.poll(&mut asked));
    drop(asked);
    assert!(!free(), "{name}: the guard holds, not the future");
    drop(guard);
    assert!(free(), "{name}: dropped after it was ready");
}

fn an_entry_can_be_given_up<O: Over>()
where
    O::Lock: RawMutexAsync,
{
    let door = Arc::new(Door::<O, u32>::new(1));
    let blocked = || Box::new(door.enter()) as Box<dyn Guard + '_>;
    let free = || !door.is_locked();
    each_point("enter", &|| erase(door.enter_async()), &blocked, &free);
    each_point("enter_arc", &|| erase(door.enter_arc_async()), &blocked, &free);
    let access = || erase(door.access_async(Permissions::READ));
    each_point("access", &access, &blocked, &free);
}

fn reading_and_writing_can_be_given_up<O: SharedOver>()
where
    O::Lock: RawRwLockUpgradeAsync,
{
    let door = Arc::new(SharedDoor::<O, u32>::new(1));
    let writing = || Box::new(door.write()) as Box<dyn Guard + '_>;
    let free = || !door.is_locked();
    each_point("write", &|| erase(door.write_async()), &writing, &free);
    each_point("write_arc", &|| erase(door.write_arc_async()), &writing, &free);
    let access = || erase(door.access_async(Permissions::WRITE));
    each_point("access to write", &access, &writing, &free);

    let upgradable = || erase(door.upgradable_read_async());
    each_point("upgradable_read", &upgradable, &writing, &free);
    let upgradable = || erase(door.upgradable_read_arc_async());
    each_point("upgradable_read_arc", &upgradable, &writing, &free);

    let blocked = || door.write();
    let alone = || door.try_read().is_none() || door.try_write().is_some();
    readers_together(&|| erase(door.read_async()), &blocked, &alone);
    readers_together(&|| erase(door.read_arc_async()), &blocked, &alone);
    readers_together(&|| erase(door.access_async(Permissions::READ)), &blocked, &alone);
}

/// Readers are granted together, so that one who gives up has nothing to pass
/// on. `alone` says whether no reader is inside.
fn readers_together<'a, G>(
    ask: &dyn Fn() -> Asked<'a>,
    blocked: &dyn Fn() -> G,
    alone: &dyn Fn() -> bool,
) {
    let (hand, other) = (Hand::new(), Hand::new());
    let inside = blocked();
    let (mut first, mut second, mut third) = (ask(), ask(), ask());
    drop(ask());
    assert!(hand.poll(&mut first).is_pending());
    assert!(hand.poll(&mut second).is_pending());
    assert!(other.poll(&mut third).is_pending());
    drop(first);
    drop(inside);
    assert_eq!(other.wakes(), 1);
    drop(second);
    let guard = ready(other.poll(&mut third));
    assert!(!alone());
    drop(guard);
    assert!(alone(), "nobody is left inside");
}

/// T-PRIM 10 at a door: a writer that gives up lets in the readers it kept out.
fn a_writer_that_gives_up_lets_readers_in<O: SharedOver>()
where
    O::Lock: RawRwLockAsync,
{
    let door = SharedDoor::<O, u32>::new(1);
    let hand = Hand::new();
    let reading = door.read();
    let mut writer = Box::pin(door.write_async());
    assert!(hand.poll(&mut writer).is_pending());
    let mut reader = Box::pin(door.read_async());
    let polled = hand.poll(&mut reader);
    drop(writer);
    let second = match polled {
        // It did not wait: the lock prefers readers.
        Poll::Ready(guard) => guard,
        Poll::Pending => ready(hand.poll(&mut reader)),
    };
    assert_eq!((*reading, *second), (1, 1));
    drop((reading, second));
    assert!(!door.is_locked());
}

over_our_mutexes!(an_entry_can_be_given_up);
over_our_shared_locks!(reading_and_writing_can_be_given_up, a_writer_that_gives_up_lets_readers_in,);
