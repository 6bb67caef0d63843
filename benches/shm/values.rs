//! Values that are read and replaced as a whole.

use std::cell::UnsafeCell;
use std::hint::black_box;
use std::time::Instant;

use portunus::shm::Handle;

use super::harness::{Bench, Row, Unit};
use super::peers::{self, Lock, shared};

pub(crate) const SMALL: &str = "value/64 B";
pub(crate) const LARGE: &str = "value/4 KiB";
pub(crate) const GET: &str = "portunus, get";
pub(crate) const SET: &str = "portunus, set";
pub(crate) const THEIRS_GET: &str = "pthread rwlock, get";
pub(crate) const THEIRS_SET: &str = "pthread rwlock, set";
const ROBUST_SET: &str = "robust mutex, set";

pub(crate) fn run(bench: &mut Bench) {
    let rounds = bench.effort().pick(51, 11, 1);
    let count = bench.effort().pick(10_000, 5_000, 10);
    let unit = Unit::Nanoseconds;
    bench.table(SMALL.to_owned(), unit, THEIRS_GET, rounds, || rows::<8>(count));
    bench.table(LARGE.to_owned(), unit, THEIRS_GET, rounds, || rows::<512>(count));
}

/// A value behind a lock of the C library.
struct Place<const N: usize> {
    rwlock: peers::RwLock,
    mutex: peers::Mutex,
    value: UnsafeCell<[u64; N]>,
}

// SAFETY: this program reaches for the value under one of the locks, in one
// thread.
unsafe impl<const N: usize> Sync for Place<N> {}

/// A value that is removed when it goes.
struct Own<const N: usize>(Handle<[u64; N]>);

impl<const N: usize> Drop for Own<N> {
    fn drop(&mut self) {
        self.0.unlink().expect("it is there");
    }
}

fn timed(count: u32, mut f: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..count {
        f();
    }
    start.elapsed().as_nanos() as f64 / f64::from(count)
}

fn rows<const N: usize>(count: u32) -> Vec<Row> {
    let value = [1_u64; N];
    let ours = std::rc::Rc::new(Own(Handle::new(value).expect("a value")));
    let theirs = shared(Place {
        rwlock: peers::RwLock::new(),
        mutex: peers::Mutex::new(),
        value: UnsafeCell::new(value),
    });
    theirs.rwlock.init();
    theirs.mutex.init(true);
    // SAFETY: under a lock, in the one thread that there is.
    let copy = move || unsafe { *black_box(theirs.value.get()) };
    // SAFETY: as above.
    let replace = move |value| unsafe { *black_box(theirs.value.get()) = value };
    let handle = std::rc::Rc::clone(&ours);
    vec![
        Row::new(THEIRS_GET, move || {
            timed(count, || {
                theirs.rwlock.enter_shared();
                let value = copy();
                theirs.rwlock.leave();
                black_box(&value);
            })
        }),
        Row::new(THEIRS_SET, move || {
            timed(count, || {
                let value = black_box(value);
                theirs.rwlock.enter();
                replace(value);
                theirs.rwlock.leave();
            })
        }),
        Row::new(ROBUST_SET, move || {
            timed(count, || {
                let value = black_box(value);
                theirs.mutex.enter();
                replace(value);
                theirs.mutex.leave();
            })
        }),
        Row::new(GET, move || {
            timed(count, || {
                let value = handle.0.get().expect("it is there");
                black_box(&value);
            })
        }),
        Row::new(SET, move || timed(count, || ours.0.set(black_box(value)).expect("it is there"))),
    ]
}
