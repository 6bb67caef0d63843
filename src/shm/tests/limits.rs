//! What is too much for a segment is said when it is made.

use crate::shm::format::{Head, Plan, kind};
use crate::shm::{Error, Options};

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
