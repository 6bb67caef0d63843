//! What is too much for a segment is said when it is made.

use alloc::vec::Vec;
use std::sync::Barrier;

use crate::rules::{Access, ReadWrite};
use crate::shm::format::{Head, Plan, kind};
use crate::shm::{Error, FifoLock, Name, Options, Segment};

fn head(plan: &Plan) -> Result<Head, Error> {
    Head::new(plan, &Options::new(), [0; 16])
}

#[test]
fn as_many_things_as_can_be_opened_again() {
    let mut plan = Plan::new();
    (0..1 << 20).for_each(|_| plan.object(kind::COUNTER, 64));
    let most = head(&plan).expect("room");
    let again = Head::decode(&most.encode(), most.tables.len, None);
    assert_eq!(again, Ok(most));
    plan.object(kind::COUNTER, 64);
    let (found, limit) = ((1 << 20) + 1, 1 << 20);
    assert_eq!(head(&plan), Err(Error::TooManyObjects { found, limit }));
}

// A shorter address space is the first limit.
#[cfg(target_pointer_width = "64")]
#[test]
fn a_thing_is_as_long_as_the_directory_can_say() {
    let limit = u64::from(u32::MAX);
    for (len, refused) in [
        (limit, None),
        (limit + 1, Some(Error::TooLong { found: limit + 1, limit })),
        (8 << 30, Some(Error::TooLong { found: 8 << 30, limit })),
        // More than the whole segment may have.
        ((8 << 30) + 1, Some(Error::NoSpace { wanted: (8 << 30) + 64 })),
        (u64::MAX, Some(Error::NoSpace { wanted: u64::MAX })),
    ] {
        let mut plan = Plan::new();
        plan.tail(len);
        assert_eq!(head(&plan).err(), refused, "{len} bytes");
        // Behind something else, no sum goes wrong.
        let mut plan = Plan::new();
        plan.object(kind::COUNTER, 64);
        plan.tail(len);
        assert_eq!(head(&plan).is_ok(), refused.is_none(), "{len} bytes behind something");
    }
}

/// As the documentation of `reserve` has it: nine for each thread, which it may
/// keep to itself.
#[test]
fn what_was_reserved_is_there_whatever_the_threads_keep() {
    const THREADS: u32 = 3;
    const HOLDS: u32 = 8;
    let name = Name::random();
    let records = HOLDS + (THREADS + 1) * 9 + 4;
    let options = Options::new().records(records).processes(2);
    let ours: Segment<FifoLock<ReadWrite>> =
        Segment::create(&name, &options, ()).expect("a segment");
    let theirs: Segment<FifoLock<ReadWrite>> = Segment::open(&name).expect("room");
    Segment::unlink(&name).expect("it is there");
    assert_eq!(records, 48, "whole chunks");
    assert_eq!(ours.reserve(HOLDS + (THREADS + 1) * 9), Ok(()));
    assert_eq!(theirs.reserve(1), Err(Error::TooManyRecords { limit: records }));
    let take = |count: u32| -> Vec<_> {
        (0..count).map(|_| ours.acquire(Access::Read).expect("consistent")).collect()
    };
    let barrier = Barrier::new(THREADS as usize + 1);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                // As many as there are, one thread after the other.
                static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
                let one = ONE.lock().expect("no panic");
                drop(take(14));
                drop(one);
                // Until the others have what they need, it keeps its own.
                barrier.wait();
                barrier.wait();
            });
        }
        barrier.wait();
        let holds = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| take(HOLDS)));
        barrier.wait();
        assert_eq!(holds.expect("what was reserved").len(), HOLDS as usize);
    });
}
