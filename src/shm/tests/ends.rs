//! Lines whose ends somebody has set to who does not stand there.

use alloc::vec::Vec;

use super::noise::watched;
use super::scratch::{Orchard, Scratch, Tree};
use super::stories::until;
use crate::atomic::Ordering;
use crate::rules::{Access, ReadWrite};
use crate::shm::attach::Attachment;
use crate::shm::format::{condvar, kind, lock, record};
use crate::shm::record::{self as note, State};
use crate::shm::{Condvar, Content, FifoLock, Mutex, Options, OwnerDied, Segment, Semaphore};

type Shelter = FifoLock<ReadWrite>;
type Stage = (Shelter, Shelter, FifoLock<Orchard>, Mutex<u64>, Condvar, Condvar, Scratch);

fn stage_of<C: Content>(init: C::Init) -> Segment<C> {
    // Nobody looks by itself meanwhile.
    let options = Options::new().records(64).poll(core::time::Duration::from_secs(10));
    Segment::memfd(&options, init).expect("a stage").0
}

fn stage() -> Segment<Stage> {
    stage_of(((), (), (), 0, (), (), ()))
}

/// Where the object of this kind is that comes in this place.
fn place(attachment: &Attachment, kind: u32, place: usize) -> u64 {
    let mut objects = attachment.objects().iter().filter(|object| object.kind == kind);
    objects.nth(place).expect("it is there").at
}

fn state(attachment: &Attachment, index: u32) -> State {
    State::of(attachment.state_of(index).load(Ordering::SeqCst))
}

/// The records of those who are in this state at a lock, in their order.
fn who_is(attachment: &Attachment, at: u64, state: State) -> Vec<u32> {
    let word = |index| attachment.state_of(index).load(Ordering::SeqCst);
    let is = |&index: &u32| {
        State::of(word(index)) == state && u64::from(note::object(word(index))) * 64 == at
    };
    let mut all: Vec<_> = (0..attachment.tables().records).filter(is).collect();
    let number = if state == State::Waiting { record::TURN } else { record::TICKET };
    all.sort_by_key(|&index| attachment.record_u64(index, number).load(Ordering::SeqCst));
    all
}

fn set(attachment: &Attachment, at: u64, index: Option<u32>) {
    attachment.map().u32(at).store(index.map_or(0, |index| index + 1), Ordering::SeqCst);
}

fn whatever<G>(held: Result<G, OwnerDied<G>>) -> G {
    held.unwrap_or_else(OwnerDied::into_inner)
}

/// Whichever end says so, nobody is let in at a lock that is another one's.
#[test]
fn an_end_that_is_another_locks_waiter_lets_nobody_in_there() {
    for ends in [[false, true], [true, false], [true, true]] {
        let stage = stage();
        let (one, other, .., scratch) = &*stage;
        let attachment = &scratch.attachment;
        let [at, other_at] = [0, 1].map(|i| place(attachment, kind::LOCK, i));
        watched("an end of another lock", || {
            let hold = one.acquire(Access::Write).expect("consistent");
            let other_hold = other.acquire(Access::Write).expect("consistent");
            std::thread::scope(|scope| {
                scope.spawn(|| drop(one.acquire(Access::Read)));
                scope.spawn(|| drop(other.acquire(Access::Read)));
                let waits = |at| who_is(attachment, at, State::Queued).len() == 1;
                until("both wait", || waits(at) && waits(other_at));
                let stranger = who_is(attachment, other_at, State::Queued)[0];
                for (end, _) in ends.into_iter().enumerate().filter(|(_, spoilt)| *spoilt) {
                    set(attachment, at + lock::ENDS + 4 * end as u64, Some(stranger));
                }
                drop(hold);
                assert_eq!(state(attachment, stranger), State::Queued, "{ends:?}: it was let in");
                until("the right one enters", || who_is(attachment, at, State::Queued).is_empty());
                assert!(!one.is_consistent(), "nobody was told");
                assert!(other.is_consistent(), "of another lock");
                drop(other_hold);
            });
            let mut hold = whatever(one.acquire(Access::Write));
            hold.mark_consistent();
        });
    }
}

/// A stranger's links stay as they are when somebody comes to stand behind it.
#[test]
fn nobody_is_linked_behind_another_locks_waiter() {
    let stage = stage();
    let (one, other, .., scratch) = &*stage;
    let attachment = &scratch.attachment;
    let [at, other_at] = [0, 1].map(|i| place(attachment, kind::LOCK, i));
    watched("a last of another lock", || {
        let hold = one.acquire(Access::Write).expect("consistent");
        let other_hold = other.acquire(Access::Write).expect("consistent");
        std::thread::scope(|scope| {
            let waiters = |at| who_is(attachment, at, State::Queued);
            scope.spawn(|| drop(one.acquire(Access::Write)));
            scope.spawn(|| drop(other.acquire(Access::Write)));
            until("both wait", || waiters(at).len() == 1 && waiters(other_at).len() == 1);
            let stranger = waiters(other_at)[0];
            set(attachment, at + lock::ENDS + 4, Some(stranger));
            scope.spawn(|| drop(one.acquire(Access::Write)));
            until("one more waits", || waiters(at).len() == 2);
            until("it has looked, or will", || one.waiting() == 2);
            let next = attachment.record_u32(stranger, record::NEXT).load(Ordering::SeqCst);
            assert_eq!(next, 0, "it stands behind a stranger");
            drop(hold);
            drop(other_hold);
        });
        assert!(other.is_consistent(), "of another lock");
    });
}

/// Who stands in one lane is not let in as one of another, before its turn.
#[test]
fn an_end_that_stands_in_another_lane_does_not_overtake() {
    for end in [0, 4] {
        let stage = stage();
        let (_, _, orchard, .., scratch) = &*stage;
        let attachment = &scratch.attachment;
        let at = place(attachment, kind::LOCK, 2);
        watched("an end of another lane", || {
            let hold = orchard.acquire(Tree::Fell).expect("consistent");
            std::thread::scope(|scope| {
                for (before, mode) in [Tree::Fell, Tree::Look, Tree::Climb].into_iter().enumerate()
                {
                    scope.spawn(move || {
                        let mut hold = whatever(orchard.acquire(mode));
                        until("all is seen", || scratch.get(0) == 1);
                        if mode == Tree::Fell {
                            hold.mark_consistent();
                        }
                    });
                    until("it waits", || orchard.waiting() == before + 1);
                }
                let who = who_is(attachment, at, State::Queued);
                // The first of the climbers' lane, or the last.
                let stranger = if end == 0 { who[0] } else { who[1] };
                set(attachment, at + lock::ENDS + end, Some(stranger));
                drop(hold);
                assert_eq!(who_is(attachment, at, State::Queued), who[..2], "who climbs is first");
                scratch.set(0, 1);
            });
            assert!(orchard.acquire(Tree::Fell).is_ok() && !orchard.is_locked());
        });
    }
}

/// A semaphore with fewer permits sends nobody away who wants those of another.
#[test]
fn a_last_that_waits_at_another_semaphore_is_not_refused() {
    let stage: Segment<(Semaphore, Semaphore, Scratch)> = stage_of((2, 2, ()));
    let (one, other, scratch) = &*stage;
    let attachment = &scratch.attachment;
    let [at, other_at] = [0, 1].map(|i| place(attachment, kind::LOCK, i));
    watched("a last of another semaphore", || {
        let (held, other_held) = (one.acquire_many(2), other.acquire_many(2));
        std::thread::scope(|scope| {
            scope.spawn(|| drop(one.acquire()));
            scope.spawn(|| assert!(other.acquire_many(2).is_ok(), "refused"));
            let waits = |at| who_is(attachment, at, State::Queued).len() == 1;
            until("both wait", || waits(at) && waits(other_at));
            let stranger = who_is(attachment, other_at, State::Queued)[0];
            set(attachment, at + lock::ENDS + 4, Some(stranger));
            // Sent away, it would ask anew, and lose its place.
            let ticket = || attachment.record_u64(stranger, record::TICKET).load(Ordering::SeqCst);
            let before = ticket();
            one.resize(1).expect("a number");
            let now = (state(attachment, stranger), ticket());
            assert_eq!(now, (State::Queued, before));
            drop((held, other_held));
        });
        assert_eq!((one.waiting(), other.waiting()), (0, 0));
    });
}

/// Each condition notifies those who wait for it.
#[test]
fn a_condition_whose_ends_are_another_ones_notifies_its_own() {
    for all in [false, true] {
        let stage = stage();
        let (.., mutex, one, other, scratch) = &*stage;
        let attachment = &scratch.attachment;
        let at = place(attachment, kind::LOCK, 3);
        let ends = place(attachment, kind::CONDVAR, 0) + condvar::ENDS;
        watched("the ends of another condition", || {
            std::thread::scope(|scope| {
                for (before, condition) in [one, other].into_iter().enumerate() {
                    scope.spawn(move || drop(condition.wait(whatever(mutex.lock()))));
                    let waiting = || who_is(attachment, at, State::Waiting).len();
                    until("it waits", || waiting() == before + 1);
                }
                let who = who_is(attachment, at, State::Waiting);
                for end in [ends, ends + 4] {
                    set(attachment, end, Some(who[1]));
                }
                let notified = if all { one.notify_all() } else { one.notify_one().into() };
                assert_eq!(who_is(attachment, at, State::Waiting), [who[1]]);
                assert_eq!(notified, 1);
                assert!(other.notify_one());
            });
            assert_eq!((one.waiting(), other.waiting()), (0, 0));
        });
    }
}
