//! A value of any serde type that processes share by its name.

#![cfg(all(feature = "shm", feature = "serde", target_os = "linux", target_has_atomic = "64"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use portunus::shm::{Error, Handle, Name, Options, SerdeHandle};
use serde::{Deserialize, Serialize};

/// How many files of segments have these bytes in them.
fn files_with(mark: &str) -> usize {
    let named = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("portunus-");
    fs::read_dir(Name::FOLDER)
        .unwrap()
        .flatten()
        .filter(|entry| named(&entry.file_name()))
        // One that another test has removed meanwhile is none of ours.
        .filter_map(|entry| fs::read(entry.path()).ok())
        .filter(|bytes| bytes.windows(mark.len()).any(|window| window == mark.as_bytes()))
        .count()
}

/// Text that stands in no other segment.
fn mark() -> String {
    Name::random().as_str().replace("portunus", "mark")
}

#[test]
fn t_util_4_set_get_and_unlink_once() {
    let handle = SerdeHandle::new(&vec![1, 2, 3]).unwrap();
    assert_eq!(handle.get(), Ok(vec![1, 2, 3]));
    handle.set(&vec![3]).unwrap();
    assert_eq!(handle.get(), Ok(vec![3]));
    handle.unlink().unwrap();
    assert_eq!(handle.get(), Err(Error::NotFound));
    assert_eq!(handle.set(&vec![1]), Err(Error::NotFound));
    assert_eq!(handle.update(|_| ()), Err(Error::NotFound));
    assert_eq!(handle.unlink(), Err(Error::NotFound));
    assert_eq!(SerdeHandle::<Vec<i32>>::open(handle.name()).err(), Some(Error::NotFound));
}

#[test]
fn t_util_5_values_of_any_length_leave_nothing_over() {
    let mark = mark();
    let text = |len: usize| mark.clone() + &"x".repeat(len);
    for first in [0, 5_000] {
        let handle = SerdeHandle::new(&text(first)).unwrap();
        assert_eq!(files_with(&mark), 1, "the first value is in the handle's segment");
        // Around the longest that lies in the segment, and far from it.
        for len in [10, 10, 3_000, 4_100, 4_200, 4_200, 100_000, 5_000, 20_000, 3, 5_000, 70_000] {
            handle.set(&text(len)).unwrap();
            assert_eq!(handle.get(), Ok(text(len)));
            // A short value's predecessor stays in the segment until the next
            // one but one.
            assert!(files_with(&mark) <= 2, "after one of {len}");
        }
        handle.unlink().unwrap();
        assert_eq!(files_with(&mark), 0);
    }
}

#[test]
fn t_util_6_a_copy_and_one_by_name_are_the_same_value() {
    let name = Name::random();
    let first = SerdeHandle::create(&name, &Options::new(), &"one".to_string()).unwrap();
    let again = SerdeHandle::create(&name, &Options::new(), &"two".to_string());
    assert_eq!(again.err(), Some(Error::Exists));
    let copy = first.clone();
    let opened = SerdeHandle::open_or_create(&name, &Options::new(), &"nine".to_string()).unwrap();
    copy.set(&"four".repeat(2_000)).unwrap();
    assert_eq!((first.get(), opened.get()), (Ok("four".repeat(2_000)), Ok("four".repeat(2_000))));
    assert_eq!(opened.update(std::mem::take), Ok("four".repeat(2_000)));
    assert_eq!(first.get(), Ok(String::new()));
    assert!(matches!(Handle::<u32>::open(&name), Err(Error::Layout { .. })), "another handle");
    // Who goes removes nothing.
    drop((first, copy));
    assert_eq!(opened.get(), Ok(String::new()));
    opened.unlink().unwrap();
    // The name is free again, and what was is not what is.
    let new = SerdeHandle::create(&name, &Options::new(), &"new".to_string()).unwrap();
    assert_eq!(opened.unlink(), Err(Error::NotFound));
    assert_eq!(new.get().as_deref(), Ok("new"));
    new.unlink().unwrap();
}

/// What serialises, or does not.
#[derive(Debug, Clone, PartialEq)]
struct Moody {
    text: String,
    refuses: bool,
}

impl Serialize for Moody {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.refuses {
            return Err(serde::ser::Error::custom("not today"));
        }
        self.text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Moody {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { text: String::deserialize(deserializer)?, refuses: false })
    }
}

#[test]
fn t_util_10_what_is_not_serialised_changes_nothing() {
    let good = Moody { text: "good".into(), refuses: false };
    let bad = Moody { text: "bad".into(), refuses: true };
    let error = Error::Encode { reason: "not today".into() };
    assert_eq!(error.to_string(), "the value can't be serialised: not today");
    assert_eq!(SerdeHandle::new(&bad).err(), Some(error.clone()));
    let handle = SerdeHandle::new(&good).unwrap();
    assert_eq!(handle.set(&bad), Err(error.clone()));
    assert_eq!(handle.get(), Ok(good.clone()));
    assert_eq!(handle.update(|value| *value = bad), Err(error));
    assert_eq!(handle.get(), Ok(good));
    handle.unlink().unwrap();
}

#[test]
fn t_util_12_readers_see_whole_values_of_changing_size() {
    const LENS: [usize; 5] = [3, 700, 1_000, 9, 4_000];
    let value = |next: u64| vec![next; LENS[next as usize % LENS.len()]];
    let handle = SerdeHandle::new(&value(0)).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            let theirs: SerdeHandle<Vec<u64>> = SerdeHandle::open(handle.name()).unwrap();
            let done = &done;
            scope.spawn(move || {
                let mut last = 0;
                while !done.load(Ordering::SeqCst) {
                    let seen = theirs.get().unwrap();
                    assert_eq!(seen, value(seen[0]), "torn");
                    assert!(seen[0] >= last, "an old value after a new one");
                    last = seen[0];
                }
            });
        }
        for next in 1..2_000 {
            handle.set(&value(next)).unwrap();
        }
        done.store(true, Ordering::SeqCst);
    });
    assert_eq!(handle.get().unwrap()[0], 1_999);
    handle.unlink().unwrap();
}

#[test]
fn an_update_that_panics_changes_nothing() {
    let handle = SerdeHandle::new(&vec![1; 2_000]).unwrap();
    let update = || {
        handle.update(|value| {
            value.clear();
            panic!("in the middle");
        })
    };
    assert!(catch_unwind(AssertUnwindSafe(update)).is_err());
    assert_eq!(handle.get(), Ok(vec![1; 2_000]));
    handle.unlink().unwrap();
}

#[test]
fn a_value_has_as_many_bytes_as_its_creator_allows() {
    let name = Name::random();
    let options = Options::new().value_limit(100);
    let long = "x".repeat(99);
    let error = Error::TooLong { found: 101, limit: 100 };
    assert_eq!(SerdeHandle::create(&name, &options, &long).err(), Some(error.clone()));
    // Two bytes say that it is text, and how long.
    let handle = SerdeHandle::create(&name, &options, &"x".repeat(98)).unwrap();
    // Who opens it keeps to that.
    let opened: SerdeHandle<String> = SerdeHandle::open(&name).unwrap();
    assert_eq!(opened.set(&long), Err(error));
    assert_eq!(opened.get(), Ok("x".repeat(98)));
    handle.unlink().unwrap();
    for limit in [0, (1 << 40) + 1] {
        let refused = SerdeHandle::create(&name, &Options::new().value_limit(limit), &1).err();
        let most = 1 << 40;
        let wanted = Error::Option { name: "value_limit", found: limit, least: 1, most };
        assert_eq!(refused, Some(wanted));
    }
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
enum Shape {
    Dot,
    Circle(f64),
    Polygon { corners: Vec<(i64, u64)> },
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
#[serde(untagged)]
enum Loose {
    Number(i64),
    Text(String),
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct Everything {
    shapes: Vec<Shape>,
    loose: Vec<Loose>,
    big: (i128, u128),
    unit: Option<()>,
    none: Option<u8>,
    letter: char,
    #[serde(flatten)]
    rest: BTreeMap<String, bool>,
}

#[test]
fn all_that_serde_can_do() {
    let corners = vec![(i64::MIN, u64::MAX), (0, 0)];
    let value = Everything {
        shapes: vec![Shape::Dot, Shape::Circle(1.5), Shape::Polygon { corners }],
        loose: vec![Loose::Number(-3), Loose::Text("three".into())],
        big: (i128::MIN, u128::MAX),
        unit: Some(()),
        none: None,
        letter: 'ß',
        rest: BTreeMap::from([("left".into(), true), ("right".into(), false)]),
    };
    let handle = SerdeHandle::new(&value).unwrap();
    assert_eq!(handle.get(), Ok(value));
    handle.unlink().unwrap();
}

#[test]
fn other_programs_may_have_other_types_as_far_as_serde_reads_them() {
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Old {
        name: String,
    }
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct New {
        name: String,
        #[serde(default)]
        age: u32,
    }
    let old = SerdeHandle::new(&Old { name: "Ianus".into() }).unwrap();
    let new: SerdeHandle<New> = SerdeHandle::open(old.name()).unwrap();
    assert_eq!(new.get(), Ok(New { name: "Ianus".into(), age: 0 }));
    new.set(&New { name: "Portunus".into(), age: 7 }).unwrap();
    assert_eq!(old.get(), Ok(Old { name: "Portunus".into() }));

    let other: SerdeHandle<u32> = SerdeHandle::open(old.name()).unwrap();
    let error = other.get().unwrap_err();
    assert!(matches!(&error, Error::Decode { len: 20, .. }), "{error:?}");
    assert!(error.to_string().starts_with("the value's 20 bytes are none of this type: "));
    old.unlink().unwrap();
    // More than there should be is another type, too.
    let pair = SerdeHandle::new(&(1, 2)).unwrap();
    let none: SerdeHandle<[u8; 0]> = SerdeHandle::open(pair.name()).unwrap();
    assert!(matches!(none.get(), Err(Error::Decode { .. })));
    pair.unlink().unwrap();
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Default)]
struct Node {
    inner: Option<Box<Node>>,
}

#[test]
fn whatever_can_be_set_can_be_read() {
    let nest = |depth: usize| {
        let wrap = |inner, _| Node { inner: Some(Box::new(inner)) };
        (1..depth).fold(Node::default(), wrap)
    };
    let handle = SerdeHandle::new(&Node::default()).unwrap();
    let mut deepest = 0;
    for depth in 1..200 {
        match handle.set(&nest(depth)) {
            Ok(()) => deepest = depth,
            Err(error) => {
                let reason = "it is nested more than 128 deep".into();
                assert_eq!(error, Error::Encode { reason });
            }
        }
        assert_eq!(handle.get().unwrap(), nest(deepest));
    }
    // The innermost is nothing, inside of a node.
    assert_eq!(deepest, 127);
    handle.unlink().unwrap();
}

#[test]
fn a_value_that_somebody_broke_is_an_error() {
    let name = Name::random();
    let handle = SerdeHandle::create(&name, &Options::new(), &String::new()).unwrap();
    let mark = mark();
    let text = mark.clone() + &"x".repeat(10_000);
    handle.set(&text).unwrap();
    let file = fs::read_dir(Name::FOLDER)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            fs::read(path).is_ok_and(|bytes| {
                bytes.len() < 11_000 && {
                    bytes.windows(mark.len()).any(|window| window == mark.as_bytes())
                }
            })
        })
        .unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[1..]).unwrap();
    let wanted = whole.len() as u64;
    assert_eq!(handle.get(), Err(Error::Truncated { found: wanted - 1, wanted }));
    let mut other = whole.clone();
    other[0] = 0xff;
    fs::write(&file, &other).unwrap();
    assert!(matches!(handle.get(), Err(Error::Decode { .. })));
    fs::remove_file(&file).unwrap();
    assert_eq!(handle.get(), Err(Error::Truncated { found: 0, wanted }));
    // A new value is a good one.
    handle.set(&text).unwrap();
    assert_eq!(handle.get(), Ok(text));
    handle.unlink().unwrap();
    assert_eq!(files_with(&mark), 0);
}
