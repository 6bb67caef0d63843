//! A value that processes share by its name.

#![cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use portunus::shm::{Error, Handle, Name, Options};

#[test]
fn set_get_and_unlink_once() {
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
fn a_copy_and_one_by_name_are_the_same_value() {
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
fn readers_see_whole_values() {
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
