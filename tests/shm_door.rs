//! Doors between processes: in a segment, and before the value of a handle.

#![cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
#![allow(missing_docs, unsafe_code, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

mod support;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use portunus::door::Proxy;
use portunus::shm::{
    AnyHandle, Door, DoorReadGuard, DoorWriteGuard, Error, Handle, HandleDoor, Name, Options,
    Segment, SharedDoor, SharedDoorGuard,
};
use portunus::{AccessError, Permissions, ReadPreferring, WritePreferring};

use support::{segments::segment, until};

type Doors =
    (Door<u64>, SharedDoor<u64>, SharedDoor<u64, ReadPreferring>, SharedDoor<u64, WritePreferring>);

/// Runs this binary again with a role.
fn child(role: &str, name: &Name) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_with_a_role", "--nocapture", "--test-threads=1"])
        .env("PORTUNUS_DOOR_ROLE", role)
        .env("PORTUNUS_DOOR_NAME", name.as_str())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Not a test by itself: what the children do.
#[test]
fn child_with_a_role() {
    let Ok(role) = std::env::var("PORTUNUS_DOOR_ROLE") else { return };
    // SAFETY: it has no conditions.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let name = Name::new(std::env::var("PORTUNUS_DOOR_NAME").unwrap()).unwrap();
    match role.as_str() {
        "counts" => count(&Segment::open(&name).unwrap()),
        "dies in a door" => {
            let doors: Segment<Doors> = Segment::open(&name).unwrap();
            *doors.0.enter().unwrap() = 5;
            let mut one = doors.0.enter().unwrap();
            let mut two = doors.1.write().unwrap();
            let three = doors.2.read().unwrap();
            (*one, *two) = (6, 6);
            assert_eq!(*three, 0);
            std::process::abort();
        }
        "dies in a handle's door" => {
            let handle: Handle<u64> = Handle::open(&name).unwrap();
            let mut guard = handle.door().write().unwrap();
            *guard = 2;
            guard.write_back().unwrap();
            *guard = 3;
            std::process::abort();
        }
        other => panic!("no such role: {other}"),
    }
}

fn count(doors: &Segment<Doors>) {
    for _ in 0..1_000 {
        *doors.0.enter().unwrap() += 1;
        *doors.1.write().unwrap() += 1;
        *doors.2.write().unwrap() += 1;
        *doors.3.write().unwrap() += 1;
        assert!(*doors.1.read().unwrap() > 0);
    }
}

#[test]
fn t_door_1_inside_it_reads_and_writes() {
    let door: Segment<Door<[u8; 5]>> = segment(*b"value");
    {
        let mut inside = door.enter().unwrap();
        assert_eq!(&*inside, b"value");
        inside.make_ascii_uppercase();
        assert_eq!(&*inside, b"VALUE");
        assert!(door.try_enter().unwrap().is_none());
        assert!(door.enter_for(Duration::from_millis(1)).unwrap().is_none());
        assert!(door.enter_until(Instant::now()).unwrap().is_none());
        assert!(door.try_access(Permissions::READ).unwrap().is_none());
        assert!(door.is_locked());
    }
    assert!(!door.is_locked());
    let mut proxy = door.access(Permissions::BOTH).unwrap();
    assert_eq!(proxy.get(), Ok(b"VALUE"));
    proxy.set(*b"value").unwrap();
    proxy.close();
    assert_eq!(proxy.get(), Err(AccessError::NoReadPermission));
    assert_eq!(proxy.set(*b"other"), Err(AccessError::NoWritePermission));
    drop(proxy);
    let mut proxy = door.try_access(Permissions::READ).unwrap().unwrap();
    assert_eq!(proxy.set(*b"other"), Err(AccessError::NoWritePermission));
    drop(proxy);
    assert_eq!(**door.enter_for(Duration::ZERO).unwrap().as_ref().unwrap(), *b"value");
}

#[test]
fn t_door_2_reading_together_and_writing_alone() {
    let door: Segment<SharedDoor<u64>> = segment(1);
    {
        let (one, two) = (door.read().unwrap(), door.try_read().unwrap().unwrap());
        assert_eq!((*one, *two), (1, 1));
        assert!(door.try_write().unwrap().is_none());
        assert!(door.write_for(Duration::from_millis(1)).unwrap().is_none());
        assert!(door.try_access(Permissions::WRITE).unwrap().is_none());
        let mut three = door.try_access(Permissions::READ).unwrap().unwrap();
        assert_eq!(three.get(), Ok(&1));
        assert_eq!(three.get_mut(), Err(AccessError::NoWritePermission));
        assert!(std::ptr::eq(DoorReadGuard::door(&one), &*door));
    }
    let mut writing = door.write().unwrap();
    *writing += 1;
    assert!(std::ptr::eq(DoorWriteGuard::door(&writing), &*door));
    assert!(door.try_read().unwrap().is_none());
    assert!(door.read_for(Duration::from_millis(1)).unwrap().is_none());
    assert!(door.read_until(Instant::now()).unwrap().is_none());
    drop(writing);
    let mut proxy = door.access(Permissions::BOTH).unwrap();
    *proxy.get_mut().unwrap() += 1;
    assert_eq!(proxy.get(), Ok(&3));
    assert!(door.try_read().unwrap().is_none());
    drop(proxy);
    assert_eq!(**door.write_until(Instant::now()).unwrap().as_ref().unwrap(), 3);
}

#[test]
fn t_door_3_all_count_together() {
    let name = Name::random();
    let doors: Segment<Doors> = Segment::create(&name, &Options::new(), (0, 0, 0, 0)).unwrap();
    let children: Vec<_> = (0..5).map(|_| child("counts", &name)).collect();
    thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| count(&doors));
        }
    });
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(*doors.0.enter().unwrap(), 10_000);
    assert_eq!(*doors.1.read().unwrap(), 10_000);
    assert_eq!(*doors.2.read().unwrap(), 10_000);
    assert_eq!(*doors.3.read().unwrap(), 10_000);
    Segment::unlink(&name).unwrap();
}

#[test]
fn whoever_enters_after_a_death_is_told_until_it_is_mended() {
    let name = Name::random();
    let doors: Segment<Doors> =
        Segment::create(&name, &Options::new().processes(8), (0, 0, 0, 0)).unwrap();
    assert!(!child("dies in a door", &name).wait().unwrap().success());
    let (one, two, three, _) = &*doors;
    let died = one.enter().unwrap_err().into_inner();
    assert_eq!(*died, 6);
    drop(died);
    assert!(!one.is_consistent());
    let mut died = one.access(Permissions::BOTH).unwrap_err().into_inner();
    died.mark_consistent();
    *Proxy::over(died, Permissions::BOTH).get_mut().unwrap() = 7;
    assert_eq!(*one.enter().unwrap(), 7);
    // Readers are told, and a writer mends it.
    assert_eq!(*two.read().unwrap_err().into_inner(), 6);
    let SharedDoorGuard::Write(mut died) =
        two.try_access(Permissions::WRITE).unwrap_err().into_inner()
    else {
        panic!("it enters as a writer")
    };
    died.mark_consistent();
    drop(died);
    assert_eq!(*two.read().unwrap(), 6);
    // A reader that dies changed nothing.
    assert_eq!(*three.write().unwrap(), 0);
    Segment::unlink(&name).unwrap();
}

#[test]
fn t_door_4_a_handshake_inside_ends() {
    type Both = (Door<[u8; 2]>, SharedDoor<[u8; 2]>);
    let doors: Segment<Both> = segment(([0; 2], [0; 2]));
    let (one, both) = &*doors;
    assert!(!one.notify_one());
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut state = one.enter().unwrap().wait_while(|state| state[0] == 0).unwrap();
            state[1] = 1;
            state.notify_all();
            drop(state);
            let mut state = both.write().unwrap().wait_while(|state| state[0] == 0).unwrap();
            state[1] = 1;
            state.notify_one();
        });
        let mut state = one.enter().unwrap();
        state[0] = 1;
        state.notify_one();
        drop(state.wait_while(|state| state[1] == 0).unwrap());
        let mut state = both.write().unwrap();
        state[0] = 1;
        state.notify_one();
        drop(state);
        // A reader is notified by a writer.
        drop(both.read().unwrap().wait_while(|state| state[1] == 0).unwrap());
    });
    let (state, over) = both.read().unwrap().wait_for(Duration::from_millis(5)).unwrap();
    assert!(over.timed_out());
    drop(state);
    let short = Duration::from_millis(5);
    let writing = both.write().unwrap();
    let (state, over) = writing.wait_while_for(|state| state[0] == 1, short).unwrap();
    assert!(over.timed_out());
    assert_eq!(*state, [1; 2]);
    // Writers change what they wait for.
    let forget = |state: &mut [u8; 2]| std::mem::take(&mut state[0]) == 0;
    let (state, over) = state.wait_while_for(forget, Duration::MAX).unwrap();
    assert!(!over.timed_out());
    assert_eq!(*state, [0, 1]);
}

/// The doors before handles, of each kind of handle.
macro_rules! before_handles {
    ($module:ident, $handle:ty, $new:expr) => {
        mod $module {
            use super::*;

            fn new(value: u64) -> $handle {
                $new(value).unwrap()
            }

            #[test]
            fn t_door_1_and_2_guards_give_the_access_that_was_asked_for() {
                let handle = new(1);
                let door = HandleDoor::new(&handle);
                let (one, two) = (door.read().unwrap(), door.try_read().unwrap().unwrap());
                assert_eq!((*one, *two), (1, 1));
                assert!(door.try_write().unwrap().is_none());
                assert!(door.write_for(Duration::from_millis(1)).unwrap().is_none());
                assert!(door.write_until(Instant::now()).unwrap().is_none());
                assert!(door.try_access(Permissions::WRITE).unwrap().is_none());
                let mut three = door.try_access(Permissions::READ).unwrap().unwrap();
                assert_eq!(three.get_mut(), Err(AccessError::NoWritePermission));
                drop((one, two, three));
                let mut writing = door.write().unwrap();
                *writing = 5;
                assert!(door.try_read().unwrap().is_none());
                assert!(door.read_for(Duration::from_millis(1)).unwrap().is_none());
                assert!(door.read_until(Instant::now()).unwrap().is_none());
                assert_eq!(handle.load(), Ok(1), "it is a copy");
                drop(writing);
                assert_eq!(handle.load(), Ok(5), "which is written back");
                let mut writing = door.try_write().unwrap().unwrap();
                *writing = 6;
                writing.discard();
                assert_eq!(*door.read().unwrap(), 5);
                assert!(!door.is_locked());
                handle.unlink().unwrap();
            }

            #[test]
            fn t_door_3_all_count_together() {
                let handle = new(0);
                thread::scope(|scope| {
                    for _ in 0..10 {
                        scope.spawn(|| {
                            for _ in 0..100 {
                                *HandleDoor::new(&handle).write().unwrap() += 1;
                                assert!(*HandleDoor::new(&handle).read().unwrap() > 0);
                            }
                        });
                    }
                });
                assert_eq!(handle.load(), Ok(1_000));
                handle.unlink().unwrap();
            }

            #[test]
            fn the_value_is_written_back_before_the_door_is_let_go() {
                let handle = new(0);
                let first = HandleDoor::new(&handle).write().unwrap();
                thread::scope(|scope| {
                    for _ in 0..2 {
                        scope.spawn(|| *HandleDoor::new(&handle).write().unwrap() += 1);
                    }
                    scope.spawn(|| {
                        let door = HandleDoor::new(&handle);
                        *door.access(Permissions::BOTH).unwrap().get_mut().unwrap() += 1;
                    });
                    until("they wait", || HandleDoor::new(&handle).waiting() == 3);
                    drop(first);
                });
                assert_eq!(handle.load(), Ok(3));
                handle.unlink().unwrap();
            }

            #[test]
            fn t_door_6_after_a_panic_the_value_is_written_back_and_the_door_is_free() {
                let handle = new(1);
                let door = HandleDoor::new(&handle);
                let enter = || {
                    let mut inside = door.write().unwrap();
                    *inside = 2;
                    panic!("in the middle");
                };
                assert!(catch_unwind(AssertUnwindSafe(enter)).is_err());
                assert_eq!(handle.load(), Ok(2));
                let enter = || {
                    let mut inside = door.access(Permissions::BOTH).unwrap();
                    inside.set(3).unwrap();
                    panic!("in the middle");
                };
                assert!(catch_unwind(AssertUnwindSafe(enter)).is_err());
                assert_eq!(handle.load(), Ok(3));
                assert!(door.try_write().unwrap().is_some());
                handle.unlink().unwrap();
            }

            #[test]
            fn t_door_7_what_is_written_back_inside_is_seen_at_once() {
                let handle = new(1);
                let mut inside = HandleDoor::new(&handle).write().unwrap();
                *inside = 43;
                assert_eq!(handle.load(), Ok(1));
                inside.write_back().unwrap();
                assert_eq!(handle.load(), Ok(43));
                // And what others set without entering, when it looks.
                handle.store(&50).unwrap();
                assert_eq!(*inside, 43);
                inside.refresh().unwrap();
                assert_eq!(*inside, 50);
                // A notification writes back as well, and looks.
                *inside = 51;
                assert_eq!(inside.notify_one(), Ok(false), "nobody waits");
                assert_eq!(handle.load(), Ok(51));
                *inside = 52;
                assert_eq!(inside.notify_all(), Ok(0));
                assert_eq!((*inside, handle.load()), (52, Ok(52)));
                handle.unlink().unwrap();
                assert_eq!(inside.notify_one(), Err(Error::NotFound));
                assert_eq!(inside.notify_all(), Err(Error::NotFound));
                assert_eq!(inside.wait().err(), Some(Error::NotFound));
                assert!(!HandleDoor::new(&handle).is_locked());
            }

            #[test]
            fn t_door_4_a_handshake_inside_ends() {
                let handle = new(0);
                thread::scope(|scope| {
                    scope.spawn(|| {
                        let door = HandleDoor::new(&handle);
                        let waited = door.write().unwrap().wait_while(|value| *value != 1);
                        let mut value = waited.unwrap();
                        *value = 2;
                        value.notify_all().unwrap();
                    });
                    let door = HandleDoor::new(&handle);
                    let mut value = door.write().unwrap();
                    *value = 1;
                    value.notify_one().unwrap();
                    assert_eq!(handle.load(), Ok(1), "written back by the notification");
                    let waited = value.wait_while(|value| *value != 2).unwrap();
                    assert_eq!(*waited, 2, "read anew after the wait");
                    drop(waited);
                    drop(door.read().unwrap().wait_while(|value| *value != 2).unwrap());
                });
                let door = HandleDoor::new(&handle);
                let short = Duration::from_millis(5);
                let (value, over) = door.read().unwrap().wait_for(short).unwrap();
                assert!(over.timed_out() && *value == 2);
                drop(value);
                let (value, over) = door.write().unwrap().wait_for(short).unwrap();
                assert!(over.timed_out() && *value == 2);
                drop(value);
                let reading = door.read().unwrap();
                assert!(!reading.notify_one() && reading.notify_all() == 0);
                drop(reading);
                assert!(!door.notify_one() && !door.is_locked());
                handle.unlink().unwrap();
            }

            #[test]
            fn nested_access_is_to_the_outer_ones_copy() {
                let handle = new(1);
                let door = HandleDoor::new(&handle);
                let mut outer = door.write().unwrap();
                outer.access(Permissions::BOTH).set(2).unwrap();
                assert_eq!(*outer, 2);
                assert_eq!(
                    outer.access(Permissions::READ).set(3),
                    Err(AccessError::NoWritePermission)
                );
                drop(outer);
                assert_eq!(handle.load(), Ok(2));
                let mut outer = door.access(Permissions::BOTH).unwrap();
                {
                    let mut inner = outer.narrowed(Permissions::WRITE);
                    inner.set(4).unwrap();
                    assert_eq!(inner.get(), Err(AccessError::NoReadPermission));
                    inner.close();
                }
                assert_eq!((outer.get(), handle.load()), (Ok(&4), Ok(2)));
                outer.close().unwrap();
                assert!(outer.narrowed(Permissions::BOTH).is_closed());
                drop(outer);
                assert_eq!(handle.load(), Ok(4));
                let reading = door.read().unwrap();
                assert_eq!(reading.access(Permissions::BOTH).get(), Ok(&4));
                assert!(reading.access(Permissions::BOTH).get_mut().is_err());
                handle.unlink().unwrap();
            }

            #[test]
            fn a_closed_proxy_writes_once_and_stays_inside() {
                let handle = new(1);
                let door = HandleDoor::new(&handle);
                let mut inside = door.access(Permissions::WRITE).unwrap();
                inside.set(9).unwrap();
                inside.close().unwrap();
                handle.store(&77).unwrap();
                assert!(door.is_locked());
                inside.close().unwrap();
                drop(inside);
                assert_eq!(handle.load(), Ok(77));
                assert!(!door.is_locked());
                handle.unlink().unwrap();
            }

            #[test]
            fn t_door_8_nobody_enters_an_unlinked_one_and_nothing_is_held() {
                let handle = new(1);
                let door = handle.door();
                let mut inside = door.write().unwrap();
                *inside = 2;
                handle.unlink().unwrap();
                assert_eq!(inside.write_back(), Err(Error::NotFound));
                assert_eq!(inside.close(), Err(Error::NotFound));
                assert!(!door.is_locked());
                for _ in 0..2 {
                    assert_eq!(door.read().err(), Some(Error::NotFound));
                    assert_eq!(door.write().err(), Some(Error::NotFound));
                    assert_eq!(door.try_write().err(), Some(Error::NotFound));
                    let access = door.access(Permissions::BOTH);
                    assert_eq!(access.err(), Some(Error::NotFound));
                    assert!(!door.is_locked());
                }
            }

            #[test]
            fn who_waits_in_or_for_an_unlinked_one_is_told() {
                let handle = new(1);
                let inside = handle.door().read().unwrap();
                thread::scope(|scope| {
                    let (told, ends) = std::sync::mpsc::channel();
                    let (door, told_too) = (handle.door(), told.clone());
                    scope.spawn(move || told_too.send(("line", door.write().err())).unwrap());
                    until("it stands in line", || door.waiting() == 1);
                    handle.unlink().unwrap();
                    // It is inside, and will be told by nobody.
                    scope.spawn(move || told.send(("inside", inside.wait().err())).unwrap());
                    let mut ended = [(); 2].map(|()| {
                        ends.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|error| {
                            eprintln!("somebody waits for what is gone: {error}");
                            std::process::abort()
                        })
                    });
                    ended.sort_by_key(|(what, _)| *what);
                    let gone = Some(Error::NotFound);
                    assert_eq!(ended, [("inside", gone.clone()), ("line", gone)]);
                });
                assert!(!handle.door().is_locked());
            }
        }
    };
}

before_handles! { of_plain_data, Handle<u64>, Handle::new }

#[cfg(feature = "serde")]
before_handles! {
    of_serde_types, portunus::shm::SerdeHandle<u64>, |value| portunus::shm::SerdeHandle::new(&value)
}

#[test]
fn what_one_had_who_died_inside_is_lost_and_the_door_is_free() {
    let name = Name::random();
    let handle: Handle<u64> = Handle::create(&name, &Options::new().processes(8), 1).unwrap();
    assert!(!child("dies in a handle's door", &name).wait().unwrap().success());
    assert_eq!(*handle.door().read().unwrap(), 2, "what was written back counts");
    assert_eq!(*handle.door().write().unwrap(), 2);
    assert!(!handle.door().is_locked());
    handle.unlink().unwrap();
}

#[cfg(feature = "async")]
mod awaited {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// Polls once.
    fn polled<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn doors_are_awaited_in_line_and_a_dropped_future_leaves_it() {
        let doors: Segment<Doors> = segment((0, 0, 0, 0));
        smol::block_on(async {
            let inside = doors.0.enter_async().await.unwrap();
            {
                let mut next = pin!(doors.0.enter_async());
                assert!(polled(next.as_mut()).is_pending());
                assert_eq!(doors.0.waiting(), 1);
            }
            assert_eq!(doors.0.waiting(), 0);
            drop(inside);
            *doors.0.enter_async().await.unwrap() += 1;

            let reading = doors.1.read_async().await.unwrap();
            let mut writing = pin!(doors.1.write_async());
            assert!(polled(writing.as_mut()).is_pending());
            let mut behind = pin!(doors.1.read_async());
            assert!(polled(behind.as_mut()).is_pending());
            drop(reading);
            *writing.await.unwrap() += 1;
            assert_eq!(*behind.await.unwrap(), 1);
        });
    }

    #[test]
    fn handles_doors_are_awaited() {
        let handle: Handle<u64> = Handle::new(1).unwrap();
        let door = handle.door();
        smol::block_on(async {
            let mut inside = door.write_async().await.unwrap();
            *inside += 1;
            {
                let mut next = pin!(door.read_async());
                assert!(polled(next.as_mut()).is_pending());
                assert_eq!(door.waiting(), 1);
            }
            assert_eq!(door.waiting(), 0);
            let mut next = pin!(door.read_async());
            assert!(polled(next.as_mut()).is_pending());
            drop(inside);
            assert_eq!(*next.await.unwrap(), 2);
            let mut proxy = door.access_async(Permissions::BOTH).await.unwrap();
            proxy.set(7).unwrap();
            drop(proxy);
            assert_eq!(door.access_async(Permissions::READ).await.unwrap().get(), Ok(&7));
            handle.unlink().unwrap();
            assert_eq!(door.write_async().await.err(), Some(Error::NotFound));
        });
    }

    #[test]
    fn a_wait_inside_is_awaited_and_a_dropped_one_passes_its_notification_on() {
        let doors: Segment<Doors> = segment((0, 0, 0, 0));
        let (one, both, ..) = &*doors;
        smol::block_on(async {
            drop(one.enter().unwrap().wait_async());
            assert!(!one.is_locked() && !one.notify_one(), "never polled");
            let mut first = Box::pin(one.enter().unwrap().wait_async());
            assert!(polled(first.as_mut()).is_pending());
            assert!(!one.is_locked(), "let go");
            let mut second = pin!(one.enter().unwrap().wait_async());
            assert!(polled(second.as_mut()).is_pending());
            let mut inside = one.enter().unwrap();
            *inside = 1;
            assert!(inside.notify_one());
            assert!(polled(first.as_mut()).is_pending(), "it has to enter");
            drop(inside);
            drop(first);
            assert_eq!(*second.await.unwrap(), 1);
            assert!(!one.is_locked() && !one.notify_one());

            let mut reader = pin!(both.read().unwrap().wait_async());
            assert!(polled(reader.as_mut()).is_pending());
            let mut writer = pin!(both.write().unwrap().wait_async());
            assert!(polled(writer.as_mut()).is_pending());
            assert!(!both.is_locked());
            assert_eq!(both.read().unwrap().notify_all(), 2);
            assert_eq!(*reader.await.unwrap(), 0);
            *writer.await.unwrap() += 1;
            assert_eq!(*both.read().unwrap(), 1);
        });
    }

    #[test]
    fn a_wait_inside_a_handles_door_is_awaited() {
        let handle: Handle<u64> = Handle::new(1).unwrap();
        let door = handle.door();
        smol::block_on(async {
            let mut writing = door.write_async().await.unwrap();
            *writing = 2;
            drop(writing.wait_async());
            assert_eq!((handle.get(), door.is_locked()), (Ok(2), false), "never polled");
            let mut writing = door.write_async().await.unwrap();
            *writing = 3;
            let mut first = pin!(writing.wait_async());
            assert!(polled(first.as_mut()).is_pending());
            assert_eq!((handle.get(), door.is_locked()), (Ok(3), false), "let go");
            let mut second = pin!(door.read().unwrap().wait_async());
            assert!(polled(second.as_mut()).is_pending());
            let mut notifier = door.write().unwrap();
            *notifier = 43;
            assert_eq!(notifier.notify_all(), Ok(2));
            drop(notifier);
            let mut first = first.await.unwrap();
            assert_eq!(*first, 43, "read anew");
            *first = 44;
            drop(first);
            assert_eq!(*second.await.unwrap(), 44);
            let mut third = pin!(door.read().unwrap().wait_async());
            assert!(polled(third.as_mut()).is_pending());
            let mut fourth = pin!(door.write().unwrap().wait_async());
            assert!(polled(fourth.as_mut()).is_pending());
            let inside = door.read().unwrap();
            handle.unlink().unwrap();
            assert!(!door.notify_one(), "all have been told");
            // Nobody will tell those who come later.
            let fifth = inside.wait_async();
            let all = smol::future::zip(third, smol::future::zip(fourth, fifth)).await;
            let (third, (fourth, fifth)) = all;
            let ended = [third.err(), fourth.err(), fifth.err()];
            assert_eq!(ended, [const { Some(Error::NotFound) }; 3]);
            assert!(!door.is_locked());
        });
    }

    #[test]
    fn conditions_are_awaited_inside() {
        let doors: Segment<Doors> = segment((0, 0, 0, 0));
        let (one, both, ..) = &*doors;
        let asked = Cell::new(0);
        drop(one.enter().unwrap().wait_while_async(|_| panic!("it was not polled")));
        assert!(!one.is_locked());
        let mut waiting = pin!(one.enter().unwrap().wait_while_async(|value| {
            asked.set(asked.get() + 1);
            *value < 2
        }));
        let mut reader = pin!(both.read().unwrap().wait_while_async(|value| *value == 0));
        assert!(polled(reader.as_mut()).is_pending());
        let mut writer = pin!(both.write().unwrap().wait_while_async(|value| *value == 0));
        assert!(polled(waiting.as_mut()).is_pending() && polled(writer.as_mut()).is_pending());
        assert!(!one.is_locked() && !both.is_locked());
        for value in 1..=2 {
            let mut inside = one.enter().unwrap();
            *inside = value;
            assert!(inside.notify_one());
            drop(inside);
            if value == 1 {
                assert!(polled(waiting.as_mut()).is_pending(), "not yet");
            }
        }
        let mut inside = both.write().unwrap();
        *inside = 7;
        assert_eq!(inside.notify_all(), 2);
        drop(inside);
        smol::block_on(async {
            assert_eq!(*waiting.await.unwrap(), 2);
            assert_eq!(*reader.await.unwrap(), 7);
            *writer.await.unwrap() += 1;
        });
        assert_eq!((asked.get(), *both.read().unwrap()), (3, 8));
        // It holds at once; and a panic lets the door go.
        let held = one.enter().unwrap().wait_while_async(|_| false);
        assert_eq!(*smol::block_on(held).unwrap(), 2);
        let panics = both.write().unwrap().wait_while_async(|_| panic!("the condition"));
        assert!(catch_unwind(AssertUnwindSafe(|| smol::block_on(panics).is_ok())).is_err());
        assert!(!one.is_locked() && !both.is_locked());
    }

    #[test]
    fn a_death_ends_a_wait_for_a_condition() {
        let name = Name::random();
        let options = Options::new().records(64).processes(4).poll(Duration::from_millis(2));
        let ours: Segment<Door<u64>> = Segment::create(&name, &options, 0).unwrap();
        let theirs: Segment<Door<u64>> = Segment::open(&name).unwrap();
        let asked = Cell::new(0);
        let mut waiting = pin!(ours.enter().unwrap().wait_while_async(|_| {
            asked.set(asked.get() + 1);
            true
        }));
        assert!(polled(waiting.as_mut()).is_pending());
        let inside = theirs.enter().unwrap();
        assert!(inside.notify_one());
        // As good as dead, once its segment is gone.
        std::mem::forget(inside);
        drop(theirs);
        assert!(smol::block_on(waiting).is_err());
        assert_eq!(asked.get(), 1);
        Segment::unlink(&name).unwrap();
    }

    #[test]
    fn conditions_are_awaited_inside_a_handles_door() {
        let handle: Handle<u64> = Handle::new(1).unwrap();
        let door = handle.door();
        let mut writer = pin!(door.write().unwrap().wait_while_async(|value| *value != 3));
        assert!(polled(writer.as_mut()).is_pending());
        let mut reader = pin!(door.read().unwrap().wait_while_async(|value| *value < 4));
        assert!(polled(reader.as_mut()).is_pending());
        smol::block_on(async {
            for value in [2, 3] {
                let mut inside = door.write().unwrap();
                *inside = value;
                assert_eq!(inside.notify_all(), Ok(2));
                inside.close().unwrap();
                if value == 2 {
                    // Each enters, and waits again.
                    assert!(polled(writer.as_mut()).is_pending());
                    assert!(polled(reader.as_mut()).is_pending());
                    assert!(!door.is_locked() && door.waiting() == 0);
                }
            }
            let mut inside = writer.await.unwrap();
            *inside = 4;
            inside.close().unwrap();
            assert_eq!(*reader.await.unwrap(), 4);
            let mut going = pin!(door.read().unwrap().wait_while_async(|_| true));
            assert!(polled(going.as_mut()).is_pending());
            handle.unlink().unwrap();
            assert_eq!(going.await.err(), Some(Error::NotFound));
        });
    }

    /// A handle's awaited operations, of each kind of handle.
    macro_rules! handles {
        ($name:ident, $new:expr, $five:expr) => {
            #[test]
            fn $name() {
                let handle = $new.unwrap();
                smol::block_on(async {
                    handle.set_async($five).await.unwrap();
                    assert_eq!(handle.get_async().await, Ok(5));
                    let add = |value: &mut u64| std::mem::replace(value, *value + 1);
                    assert_eq!(handle.update_async(add).await, Ok(5));
                    handle
                        .update(|_| {
                            // It stands in line, and leaves it.
                            let mut get = pin!(handle.get_async());
                            assert!(polled(get.as_mut()).is_pending());
                            let mut set = pin!(handle.set_async($five));
                            assert!(polled(set.as_mut()).is_pending());
                        })
                        .unwrap();
                    assert_eq!(handle.get(), Ok(6));
                    handle.unlink().unwrap();
                    assert_eq!(handle.get_async().await, Err(Error::NotFound));
                    assert_eq!(handle.set_async($five).await, Err(Error::NotFound));
                    assert_eq!(handle.update_async(|_| ()).await, Err(Error::NotFound));
                });
            }
        };
    }

    handles! { handles_of_plain_data_are_awaited, Handle::new(1_u64), 5 }

    #[cfg(feature = "serde")]
    handles! { handles_of_serde_types_are_awaited, portunus::shm::SerdeHandle::new(&1_u64), &5 }
}
