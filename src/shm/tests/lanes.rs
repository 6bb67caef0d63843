//! Rules with as many lanes as a word has room for.

use core::time::Duration;

use super::scratch::Scratch;
use crate::atomic::Ordering;
use crate::raw::mode::{Held, PerMode, Rules};
use crate::rules::Sole;
use crate::shm::format::lock;
use crate::shm::record::{State, with_state};
use crate::shm::{FifoLock, Name, Options, Segment};

/// One at a time, who waits in this lane.
#[derive(Default)]
struct Deep<const LANE: u8>;

impl<const LANE: u8> Rules for Deep<LANE> {
    type Mode = Sole;
    const LIMITS: PerMode<usize> = PerMode::all(1);
    const LANES: PerMode<u8> = PerMode::all(LANE);

    fn admits(&self, _: Sole, held: &Held<Sole>) -> bool {
        held.is_empty()
    }
}

/// The first one dies as it lets go: what it left is counted anew, while
/// another one waits.
fn inherit<const LANE: u8>() {
    let name = Name::random();
    let options = Options::new().records(16).processes(4).poll(Duration::from_millis(2));
    let ours: Segment<(FifoLock<Deep<LANE>>, Scratch)> =
        Segment::create(&name, &options, ((), ())).expect("a segment");
    let theirs: Segment<(FifoLock<Deep<LANE>>, Scratch)> = Segment::open(&name).expect("room");
    Segment::unlink(&name).expect("it is there");
    let hold = theirs.0.acquire(Sole::Exclusive).expect("free");
    let state = theirs.1.attachment.state_of(hold.record());
    state.store(with_state(state.load(Ordering::SeqCst), State::Leaving), Ordering::SeqCst);
    core::mem::forget(hold);
    drop(theirs);
    let (lock, scratch) = &*ours;
    let attachment = &scratch.attachment;
    let word = || {
        let at = attachment.objects()[0].at;
        attachment.map().u64(at + lock::WORD).load(Ordering::SeqCst)
    };
    assert_ne!(word(), 0, "lane {LANE}: it holds");
    let inherited = lock.acquire_for(Sole::Exclusive, Duration::from_secs(60));
    let hold = inherited.expect("consistent").unwrap_or_else(|| panic!("lane {LANE}: lost"));
    assert_eq!((lock.holders(Sole::Exclusive), lock.waiting()), (1, 0), "lane {LANE}");
    drop(hold);
    assert_eq!(word(), 0, "lane {LANE}: something is left");
    assert!(lock.try_acquire(Sole::Exclusive).expect("consistent").is_some(), "lane {LANE}");
}

#[test]
fn a_lock_with_many_lanes_is_inherited() {
    inherit::<0>();
    inherit::<31>();
    inherit::<32>();
    inherit::<40>();
    // All that there is room for.
    inherit::<61>();
}
