//! A value that processes share by its name.

#![cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use portunus::shm::{Error, Handle, Name, Options};

#[test]
fn t_util_4_set_get_and_unlink_once() {
    let handle = Handle::new([1, 2, 3]).unwrap();
    assert_eq!(handle.get(), Ok([1, 2, 3]));
    handle.set([3, 3, 3]).unwrap();
    assert_eq!(handle.get(), Ok([3, 3, 3]));
    handle.unlink().unwrap();
    assert_eq!(handle.get(), Err(Error::NotFound));
    assert_eq!(handle.set([0; 3]), Err(Error::NotFound));
    assert_eq!(handle.update(|_| ()), Err(Error::NotFound));
    assert_eq!(handle.unlink(), Err(Error::NotFound));
    assert_eq!(Handle::<[i32; 3]>::open(handle.name()).err(), Some(Error::NotFound));
}

#[test]
fn t_util_6_a_copy_and_one_by_name_are_the_same_value() {
    let name = Name::random();
    let first: Handle<u64> = Handle::create(&name, &Options::new(), 1).unwrap();
    assert!(matches!(Handle::create(&name, &Options::new(), 2), Err(Error::Exists)));
    let copy = first.clone();
    let opened: Handle<u64> = Handle::open_or_create(&name, &Options::new(), 9).unwrap();
    copy.set(4).unwrap();
    assert_eq!((first.get(), opened.get()), (Ok(4), Ok(4)));
    assert_eq!(opened.update(|value| core::mem::replace(value, 5)), Ok(4));
    assert_eq!(first.get(), Ok(5));
    assert!(matches!(Handle::<u32>::open(&name), Err(Error::Layout { .. })), "another type");
    // Who goes removes nothing.
    drop((first, copy));
    assert_eq!(opened.get(), Ok(5));
    opened.unlink().unwrap();
    // The name is free again, and what was is not what is.
    let new: Handle<u64> = Handle::create(&name, &Options::new(), 7).unwrap();
    assert_eq!(opened.unlink(), Err(Error::NotFound));
    assert_eq!(new.get(), Ok(7));
    new.unlink().unwrap();
}

#[test]
fn an_update_that_panics_changes_nothing() {
    let handle = Handle::new([1_u8; 16]).unwrap();
    let update = || {
        handle.update(|value| {
            value[0] = 2;
            panic!("in the middle");
        })
    };
    assert!(catch_unwind(AssertUnwindSafe(update)).is_err());
    assert_eq!(handle.get(), Ok([1; 16]));
    handle.unlink().unwrap();
}

#[test]
fn t_util_12_readers_see_whole_values() {
    let handle = Handle::new([0_u64; 512]).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            let theirs: Handle<[u64; 512]> = Handle::open(handle.name()).unwrap();
            let done = &done;
            scope.spawn(move || {
                let mut last = 0;
                while !done.load(Ordering::SeqCst) {
                    let value = theirs.get().unwrap();
                    assert!(value.iter().all(|&word| word == value[0]), "torn");
                    assert!(value[0] >= last, "an old value after a new one");
                    last = value[0];
                }
            });
        }
        for next in 1..3000 {
            handle.set([next; 512]).unwrap();
        }
        done.store(true, Ordering::SeqCst);
    });
    assert_eq!(handle.get().unwrap()[0], 2999);
    handle.unlink().unwrap();
}

/// What a proxy before a handle does, of each kind of handle.
macro_rules! proxies {
    ($module:ident, $handle:ty, $new:expr) => {
        mod $module {
            use portunus::shm::{AnyHandle, Error, HandleProxy};
            use portunus::{AccessError, Permissions};

            fn new(value: u64) -> $handle {
                $new(value).unwrap()
            }

            #[test]
            fn t_util_3_what_may_be_done_is_what_was_permitted() {
                let handle = new(1);
                let reads = Err(AccessError::NoReadPermission);
                let writes = Err(AccessError::NoWritePermission);
                for (permissions, read, write) in [
                    (Permissions::READ, Ok(&1), writes),
                    (Permissions::WRITE, reads, Ok(())),
                    (Permissions::BOTH, Ok(&1), Ok(())),
                    (Permissions::NONE, reads, writes),
                ] {
                    let mut proxy = HandleProxy::new(&handle, permissions).unwrap();
                    for _ in 0..2 {
                        assert!(!proxy.is_closed());
                        assert_eq!(proxy.permissions(), permissions);
                        assert_eq!(proxy.get(), read);
                        assert_eq!(proxy.set(1), write);
                        proxy.close().unwrap();
                        assert!(proxy.is_closed());
                        assert_eq!(proxy.get(), reads);
                        assert_eq!(proxy.set(1), writes);
                        proxy.open().unwrap();
                    }
                }
                handle.unlink().unwrap();
            }

            #[test]
            fn t_util_7_what_was_changed_is_there_after_close() {
                let handle = new(1);
                let mut proxy = HandleProxy::new(&handle, Permissions::BOTH).unwrap();
                *proxy.get_mut().unwrap() = 9;
                assert_eq!(handle.load(), Ok(1));
                proxy.close().unwrap();
                assert_eq!(handle.load(), Ok(9));
                // Dropped, it closes.
                let mut proxy = HandleProxy::new(&handle, Permissions::WRITE).unwrap();
                proxy.set(10).unwrap();
                drop(proxy);
                assert_eq!(handle.load(), Ok(10));
                handle.unlink().unwrap();
            }

            #[test]
            fn t_util_8_a_reader_sees_the_old_value_until_it_opens_again() {
                let handle = new(1);
                let mut proxy = HandleProxy::new(&handle, Permissions::READ).unwrap();
                handle.store(&2).unwrap();
                assert_eq!(proxy.get(), Ok(&1));
                proxy.open().unwrap();
                assert_eq!(proxy.get(), Ok(&2));
                handle.store(&3).unwrap();
                proxy.close().unwrap();
                assert_eq!(handle.load(), Ok(3), "a reader writes nothing back");
                // Who opens again loses what was not written back.
                let mut proxy = HandleProxy::new(&handle, Permissions::BOTH).unwrap();
                proxy.set(50).unwrap();
                proxy.open().unwrap();
                assert_eq!(proxy.get(), Ok(&3));
                drop(proxy);
                handle.unlink().unwrap();
            }

            #[test]
            fn t_util_9_closing_twice_writes_once() {
                let handle = new(1);
                let mut proxy = HandleProxy::new(&handle, Permissions::BOTH).unwrap();
                proxy.set(9).unwrap();
                proxy.close().unwrap();
                handle.store(&77).unwrap();
                proxy.close().unwrap();
                assert_eq!(handle.load(), Ok(77));
                drop(proxy);
                assert_eq!(handle.load(), Ok(77));
                handle.unlink().unwrap();
            }

            #[test]
            fn of_an_unlinked_value_it_says_so() {
                let handle = new(1);
                let mut proxy = HandleProxy::new(&handle, Permissions::BOTH).unwrap();
                let same = HandleProxy::new(&handle, Permissions::NONE).unwrap();
                handle.unlink().unwrap();
                assert_eq!(proxy.close(), Err(Error::NotFound));
                assert!(!proxy.is_closed());
                assert_eq!(proxy.open(), Err(Error::NotFound));
                assert_eq!(
                    HandleProxy::new(&handle, Permissions::READ).err(),
                    Some(Error::NotFound)
                );
                // Neither comparing nor showing needs a permission.
                assert_eq!(proxy, same);
                let shown = format!("{same:?}");
                assert_eq!(shown, "HandleProxy { value: 1, permissions: NONE, closed: false }");
            }

            #[test]
            fn t_util_11_who_only_reads_takes_nothing_away() {
                let handle = new(41);
                let read = std::process::Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", "child_that_reads", "--test-threads=1"])
                    .env("PORTUNUS_HANDLE", handle.name().as_str())
                    .env("PORTUNUS_KIND", stringify!($module))
                    .output()
                    .unwrap();
                assert!(read.status.success(), "{read:?}");
                assert_eq!(handle.load(), Ok(42));
                assert!(handle.name().path().exists());
                handle.unlink().unwrap();
            }
        }
    };
}

proxies! { of_plain_data, portunus::shm::Handle<u64>, portunus::shm::Handle::new }

#[cfg(feature = "serde")]
proxies! {
    of_serde_types, portunus::shm::SerdeHandle<u64>, |value| portunus::shm::SerdeHandle::new(&value)
}

/// Not a test by itself: reads, says so, and ends.
#[test]
fn child_that_reads() {
    let Ok(name) = std::env::var("PORTUNUS_HANDLE") else { return };
    let name = Name::new(name).unwrap();
    if std::env::var("PORTUNUS_KIND").unwrap() == "of_plain_data" {
        let handle: Handle<u64> = Handle::open(&name).unwrap();
        assert_eq!(handle.get(), Ok(41));
        handle.update(|value| *value += 1).unwrap();
    } else {
        #[cfg(feature = "serde")]
        {
            let handle: portunus::shm::SerdeHandle<u64> =
                portunus::shm::SerdeHandle::open(&name).unwrap();
            assert_eq!(handle.get(), Ok(41));
            handle.update(|value| *value += 1).unwrap();
        }
    }
}
