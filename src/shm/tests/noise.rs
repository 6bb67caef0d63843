//! A segment that somebody writes to as no program does, while others use it.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use std::panic::catch_unwind;
use std::sync::mpsc;

use super::scratch::{Orchard, Scratch, Tree};
use super::stories::until;
use super::{Dice, seed};
use crate::atomic::Ordering;
use crate::rules::Exclusive;
use crate::shm::attach::Attachment;
use crate::shm::format::{attachment, condvar, kind, lock, record};
use crate::shm::record::{self as note, State};
use crate::shm::{
    Condvar, Content, FifoLock, Inspection, Mutex, MutexGuard, Name, Options, OwnerDied, Segment,
    Semaphore,
};

type Stage = (FifoLock<Orchard>, Mutex<u64>, Condvar, Semaphore, FifoLock<Exclusive>, Scratch);

/// Long enough for any machine.
const LONG: Duration = Duration::from_secs(60);

/// One who looks into a segment from outside, and its name for others who do.
struct Onlooker {
    name: Name,
    seen: Inspection,
}

impl Onlooker {
    fn new(name: Name) -> Self {
        let seen = Inspection::open(&name, &Options::new()).expect("room");
        Self { name, seen }
    }

    /// Looks at all there is to see, in an attachment of its own as well.
    fn look(&self) {
        let other = Inspection::open(&self.name, &Options::new()).expect("room");
        for seen in [&self.seen, &other] {
            let claims = seen.claims();
            assert!(claims.iter().all(|claim| claim.lock() < seen.locks()), "{claims:?}");
            assert!(claims.len() <= seen.room().1 as usize, "{claims:?}");
            assert_eq!(seen.deaths().len(), seen.locks());
            assert!(seen.peers().len() <= seen.room().0 as usize);
            let _ = std::format!("{seen:?}");
        }
        let _ = self.seen.recover();
    }
}

impl Drop for Onlooker {
    fn drop(&mut self) {
        let _ = Segment::unlink(&self.name);
    }
}

/// A stage, seen by two who share it as two processes do.
fn stage() -> [Arc<Segment<Stage>>; 2] {
    use std::os::fd::AsFd;
    let (ours, fd) = Segment::<Stage>::memfd(&options(), INIT).expect("a stage");
    let theirs = Segment::from_fd(fd.as_fd()).expect("a stage");
    [Arc::new(ours), Arc::new(theirs)]
}

const INIT: <Stage as Content>::Init = ((), 0, (), 3, (), ());

fn options() -> Options {
    Options::new().records(256).processes(8).poll(Duration::from_millis(2))
}

/// The same, with somebody who looks at it from outside.
fn public_stage() -> ([Segment<Stage>; 2], Onlooker) {
    let name = Name::random();
    let ours = Segment::<Stage>::create(&name, &options(), INIT).expect("a stage");
    let onlooker = Onlooker::new(name);
    let theirs = Segment::open(&onlooker.name).expect("a stage");
    ([ours, theirs], onlooker)
}

/// Runs `f`; should it not come to an end, the test does.
pub(super) fn watched(what: &str, f: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let (done, ended) = mpsc::channel::<()>();
        scope.spawn(move || {
            let _done = done;
            f();
        });
        if ended.recv_timeout(LONG) == Err(mpsc::RecvTimeoutError::Timeout) {
            std::eprintln!("{what}: somebody hangs");
            std::process::abort();
        }
    });
}

/// Writes noise.
struct Noise<'a> {
    attachment: &'a Attachment,
    dice: Dice,
}

impl Noise<'_> {
    fn below(&mut self, sides: u64) -> u64 {
        self.dice.roll(sides)
    }

    fn any(&mut self) -> u32 {
        self.below(1 << 32) as u32
    }

    /// A number that could be a link, and seldom is the right one.
    fn link(&mut self) -> u32 {
        let records = u64::from(self.attachment.tables().records);
        match self.below(8) {
            0 => self.any(),
            1 => 0,
            2 => u32::MAX,
            _ => self.below(records + 2) as u32,
        }
    }

    /// The word of a record that could be, of one of the locks, or just noise.
    fn word(&mut self) -> u64 {
        if self.below(4) == 0 {
            return self.dice.roll(u64::MAX);
        }
        let objects = self.attachment.objects();
        let object = objects[self.below(objects.len() as u64) as usize].at / 64;
        self.dice.roll(1 << 37) & !0xff_f000 | object << 37
    }

    fn put(&mut self, at: u64, value: u32) {
        self.attachment.map().u32(at).store(value, Ordering::SeqCst);
    }

    /// Spoils one number of a record, or of an object, or who is there.
    fn spoil(&mut self) {
        let tables = *self.attachment.tables();
        let index = self.below(tables.records.into()) as u32;
        match self.below(16) {
            0..4 => {
                let field = if self.below(2) == 0 { record::NEXT } else { record::PREV };
                let link = self.link();
                self.attachment.record_u32(index, field).store(link, Ordering::SeqCst);
            }
            4..7 => {
                let word = self.word();
                self.attachment.state_of(index).store(word, Ordering::SeqCst);
            }
            7 => {
                let field = 8 + self.below(14) * 4;
                let value = self.any();
                self.attachment.record_u32(index, field).store(value, Ordering::SeqCst);
            }
            8 => {
                let chunk = self.below(u64::from(tables.records) / 8);
                let value = self.any();
                self.put(tables.chunks_at + chunk * 4, value);
            }
            9 => {
                // Who it is as well: then the others take it for dead.
                let slot = self.below(tables.processes.into());
                let field = 4 * self.below(attachment::LEN / 4);
                let value = self.any();
                self.put(tables.attachments_at + slot * attachment::LEN + field, value);
            }
            _ => {
                let objects = self.attachment.objects();
                let object = objects[self.below(objects.len() as u64) as usize];
                let at = 4 * self.below(object.len / 4);
                // Who has the guard: a living one would be waited for.
                let alive = object.kind == kind::LOCK && at == lock::GUARD;
                let link = object.kind == kind::LOCK && at >= lock::ENDS
                    || object.kind == kind::CONDVAR && at >= condvar::ENDS;
                let value = match (alive, link) {
                    (true, _) => self.any() | 1023,
                    (_, true) => self.link(),
                    _ => self.any(),
                };
                self.put(object.at + at, value);
            }
        }
    }
}

fn whatever<G>(held: Result<G, OwnerDied<G>>) -> G {
    held.unwrap_or_else(OwnerDied::into_inner)
}

/// Anything that never waits without a limit.
fn act(stage: &Segment<Stage>, onlooker: &Onlooker, dice: &mut Dice) {
    let (orchard, mutex, changed, permits, gate, _) = &**stage;
    let short = Duration::from_micros(dice.roll(900));
    let mode = [Tree::Look, Tree::Climb, Tree::Fell][dice.roll(3) as usize];
    match dice.roll(13) {
        0 => drop(orchard.try_acquire(mode)),
        1 | 2 => {
            let Ok(held) = orchard.acquire_many_for(mode, 1, short) else { return };
            let held = whatever(held.map_err(|died| died.map(Some)));
            let Some(mut hold) = held else { return };
            let _ = hold.convert_for(Tree::Climb, short);
            hold.mark_consistent();
        }
        3 => drop(gate.acquire_for(crate::rules::Sole::Exclusive, short)),
        4 => drop(mutex.try_lock_for(short)),
        5 => drop(permits.acquire_many_for(1 + dice.roll(4) as u32, short)),
        6 => {
            let _ = permits.resize(dice.roll(5) as u32);
        }
        7 => {
            let _ = (changed.notify_one(), changed.notify_all(), changed.waiting());
        }
        8 => {
            let _ = (stage.recover(), stage.peers().count());
        }
        9 => {
            let _ = std::format!("{orchard:?} {mutex:?} {changed:?} {permits:?}");
            let _ = (orchard.waiting(), mutex.waiting(), permits.waiting());
        }
        10 => onlooker.look(),
        _ => act_as_task(stage, mode, short),
    }
}

/// Polls a future for a while, and drops it.
fn poll_for(patience: Duration, future: impl Future<Output = ()>) {
    use core::task::{Context, Waker};
    let end = std::time::Instant::now() + patience;
    let mut future = core::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    while future.as_mut().poll(&mut context).is_pending() && std::time::Instant::now() < end {
        std::thread::yield_now();
    }
}

fn act_as_task(stage: &Segment<Stage>, mode: Tree, patience: Duration) {
    let (orchard, mutex, changed, ..) = &**stage;
    poll_for(patience, async { drop(orchard.acquire_async(mode).await) });
    poll_for(patience, async {
        let guard = whatever(mutex.lock_async().await);
        drop(changed.wait_async(guard).await);
    });
}

#[test]
fn noise_in_a_segment_ends_nobodys_program() {
    for round in 0..24 {
        let seed = seed() * 1000 + round;
        let ([ours, theirs], onlooker) = public_stage();
        watched(&std::format!("seed {seed}"), || {
            std::thread::scope(|scope| {
                let workers: Vec<_> = (0..4)
                    .map(|me| {
                        let stage = if me % 2 == 0 { &ours } else { &theirs };
                        let onlooker = &onlooker;
                        scope.spawn(move || {
                            let mut dice = Dice::new(seed * 10 + me);
                            for _ in 0..60 {
                                let acted = catch_unwind(AssertUnwindSafe(|| {
                                    act(stage, onlooker, &mut dice)
                                }));
                                let Err(cause) = acted else { continue };
                                // The one panic that is announced.
                                let said = cause.downcast_ref::<String>().expect("a text");
                                assert!(said.contains("holds and waiters"), "seed {seed}: {said}");
                            }
                        })
                    })
                    .collect();
                let mut noise =
                    Noise { attachment: &ours.5.attachment, dice: Dice::new(seed * 10 + 9) };
                while workers.iter().any(|worker| !worker.is_finished()) {
                    noise.spoil();
                    std::thread::yield_now();
                }
            });
            // And once it has ended.
            let mut dice = Dice::new(seed);
            for _ in 0..20 {
                let _ = catch_unwind(AssertUnwindSafe(|| act(&theirs, &onlooker, &mut dice)));
            }
        });
    }
}

/// The records of those who are in this state.
fn who_is(attachment: &Attachment, state: State) -> Vec<u32> {
    let is = |&index: &u32| State::of(attachment.state_of(index).load(Ordering::SeqCst)) == state;
    (0..attachment.tables().records).filter(is).collect()
}

/// Spoils what says who stands where, and nothing else: of each of these or of
/// the ends, as `what` says.
fn spoil_line(noise: &mut Noise<'_>, who: &[u32], ends: u64, what: u64) {
    for _ in 0..4 {
        let index = who[noise.below(who.len() as u64) as usize];
        let link = noise.link();
        let attachment = noise.attachment;
        let field = match (what, noise.below(4)) {
            (0, 0) => Some(attachment.record_u32(index, record::NEXT)),
            (0, 1) => Some(attachment.record_u32(index, record::PREV)),
            (0, 2) => Some(attachment.map().u32(ends)),
            (0, _) => Some(attachment.map().u32(ends + 4)),
            _ => None,
        };
        match field {
            Some(field) => field.store(link, Ordering::SeqCst),
            None => {
                // States in which nobody waits, and has no units that count.
                let states = [State::Idle, State::Acquiring, State::Leaving, State::Evicted];
                let state = states[noise.below(4) as usize];
                let place = attachment.state_of(index);
                let word = place.load(Ordering::SeqCst);
                if matches!(State::of(word), State::Queued | State::Waiting) {
                    place.store(note::with_state(word, state), Ordering::SeqCst);
                }
            }
        }
    }
}

#[test]
fn whoever_stands_in_a_spoilt_line_comes_through() {
    for round in 0..40 {
        let seed = seed() * 1000 + round;
        let stages = stage();
        watched(&std::format!("seed {seed}"), || {
            let (orchard, .., scratch) = &**stages[0];
            let attachment = &scratch.attachment;
            let mut noise = Noise { attachment, dice: Dice::new(seed) };
            let hold = orchard.acquire(Tree::Fell).expect("consistent");
            std::thread::scope(|scope| {
                for me in 0..6_u64 {
                    let stage = &stages[me as usize % 2];
                    scope.spawn(move || {
                        let mode = [Tree::Fell, Tree::Look, Tree::Climb][me as usize % 3];
                        let mut hold = whatever(stage.0.acquire(mode));
                        let inside = &stage.5;
                        let weight = if mode == Tree::Fell { 100 } else { 1 };
                        let before = inside.cell(0).fetch_add(weight, Ordering::SeqCst);
                        assert!(before + weight <= 100, "{before} and {weight} are inside");
                        std::thread::yield_now();
                        inside.cell(0).fetch_sub(weight, Ordering::SeqCst);
                        if mode == Tree::Fell {
                            hold.mark_consistent();
                        }
                    });
                }
                until("all wait", || who_is(attachment, State::Queued).len() == 6);
                let who = who_is(attachment, State::Queued);
                let lane = u64::from(round % 4 < 2);
                let ends = attachment.objects()[0].at + lock::ENDS + 8 * lane;
                spoil_line(&mut noise, &who, ends, round % 2);
                drop(hold);
            });
            let at = attachment.objects()[0].at;
            stages[0].recover();
            let word = attachment.map().u64(at + lock::WORD).load(Ordering::SeqCst);
            assert_eq!(word, 0, "seed {seed}: units or waiters are left");
            drop(whatever(orchard.try_acquire(Tree::Fell).map_err(|died| died.map(Some))));
        });
    }
}

#[test]
fn whoever_waits_in_a_spoilt_line_is_notified() {
    for round in 0..20 {
        let seed = seed() * 1000 + round;
        let stages = stage();
        watched(&std::format!("seed {seed}"), || {
            let (_, mutex, changed, .., scratch) = &**stages[0];
            let attachment = &scratch.attachment;
            let mut noise = Noise { attachment, dice: Dice::new(seed) };
            let condvar_at =
                attachment.objects().iter().find(|object| object.kind == kind::CONDVAR);
            let ends = condvar_at.expect("there is one").at + condvar::ENDS;
            std::thread::scope(|scope| {
                for me in 0..4 {
                    let stage = &stages[me % 2];
                    scope.spawn(move || {
                        let (mutex, changed, scratch) = (&stage.1, &stage.2, &stage.5);
                        let mut guard: MutexGuard<'_, u64> = whatever(mutex.lock());
                        guard = whatever(changed.wait(guard));
                        *guard += 1;
                        scratch.set(1, *guard);
                    });
                }
                until("all wait", || who_is(attachment, State::Waiting).len() == 4);
                let who = who_is(attachment, State::Waiting);
                spoil_line(&mut noise, &who, ends, round % 2);
                until("all have been notified", || {
                    changed.notify_all();
                    scratch.get(1) == 4
                });
            });
            assert_eq!(*whatever(mutex.lock()), 4);
            assert_eq!((changed.waiting(), mutex.waiting()), (0, 0), "seed {seed}");
        });
    }
}

/// A link that was spoilt is told as a death in the middle of a change is, once.
#[test]
fn a_spoilt_line_is_told() {
    let [ours, theirs] = stage();
    let (orchard, .., scratch) = &**ours;
    let attachment = &scratch.attachment;
    let hold = orchard.acquire(Tree::Fell).expect("consistent");
    std::thread::scope(|scope| {
        let waiters = [Tree::Look, Tree::Look].map(|mode| {
            let before = orchard.waiting();
            let theirs = &theirs;
            let waiter = scope.spawn(move || theirs.0.acquire(mode).is_err());
            until("it waits", || orchard.waiting() == before + 1);
            waiter
        });
        assert!(orchard.is_consistent());
        let who = who_is(attachment, State::Queued);
        // Each is the other's next: round and round.
        for (index, next) in [(who[0], who[1]), (who[1], who[0])] {
            attachment.record_u32(index, record::NEXT).store(next + 1, Ordering::SeqCst);
        }
        until("somebody has looked", || !orchard.is_consistent());
        drop(hold);
        assert_eq!(waiters.map(|waiter| waiter.join().expect("no panic")), [true, true]);
    });
    assert!(!orchard.is_consistent(), "nobody has mended it");
    let mut hold = whatever(orchard.acquire(Tree::Fell));
    hold.mark_consistent();
    drop(hold);
    ours.recover();
    assert!(orchard.acquire(Tree::Fell).is_ok(), "told once");
}
