//! Processes that create, open and unlink the same few names, and are killed
//! in the middle of it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::sync::Barrier;
use std::time::Instant;

use super::kills::{kills, violation};
use super::scratch::{Orchard, Scratch, Tree};
use super::{Dice, argument, child, number, seed, signal};
use crate::Counter as _;
use crate::atomic::Ordering;
use crate::shm::fault::{POINTS, armed};
use crate::shm::format::{Head, lock};
use crate::shm::segment::examine;
use crate::shm::{AfterReboot, Counter, Error, FifoLock, Name, Options, Segment};

/// What is fought for.
type Camp = (FifoLock<Orchard>, Scratch, Counter);
/// Where the fighters and the test meet: nobody unlinks it.
type Board = Segment<(Scratch,)>;

/// A camp's counter says at least this, or the camp is not whole.
const WHOLE: u64 = 0x5eed_0000_0000;

/// On the board.
const STOP: u64 = 0;
const PROGRESS: u64 = 1;
/// For each fighter, which camp it got.
const GOT: u64 = 16;

/// In a camp: which one it is, who is changing the pair of numbers, and these.
const ID: u64 = 0;
const CHANGER: u64 = 1;
const LEFT: u64 = 2;
const RIGHT: u64 = 3;

const FIGHTERS: u64 = 4;
const NAMES: u64 = 3;

fn options() -> Options {
    Options::new().records(64).processes(32).poll(Duration::from_millis(5))
}

fn name_of(prefix: &str, i: u64) -> Name {
    Name::new(std::format!("{prefix}-{i}")).expect("a name")
}

fn board() -> Board {
    Segment::open(&Name::new(argument("NAME")).expect("a name")).expect("a board")
}

/// What every fighter does until it is killed or told to stop.
pub(super) fn fighter() {
    let board = board();
    let (prefix, me) = (argument("NAME"), number("FIGHTER"));
    let mut dice = Dice::new(number("SEED"));
    armed::arm(number("POINT") as u32, number("PASSES") as u32, libc::SIGKILL);
    while board.0.get(STOP) == 0 {
        let name = name_of(&prefix, dice.roll(NAMES));
        let got: Result<Segment<Camp>, Error> = match dice.roll(6) {
            0 => Segment::create(&name, &options(), ((), (), WHOLE)),
            1 | 2 => Segment::open_or_create(&name, &options(), ((), (), WHOLE)),
            3 | 4 => Segment::open(&name),
            _ => Segment::unlink(&name).and(Err(Error::NotFound)),
        };
        match got {
            Ok(camp) => visit(&camp, &name, 1 + me, &mut dice),
            Err(Error::Exists | Error::NotFound) => {}
            Err(error) => violation(&std::format!("a name that is fought for: {error}")),
        }
        board.0.cell(PROGRESS).fetch_add(1, Ordering::SeqCst);
    }
}

/// Checks that a camp is whole, a lock, and the one that has the name.
fn visit(camp: &Segment<Camp>, name: &Name, me: u64, dice: &mut Dice) {
    let (lock, scratch, counter) = &**camp;
    if counter.value() < WHOLE {
        violation("a half-made segment has a name");
    }
    let acquired = lock.acquire(Tree::Fell);
    let died = acquired.is_err();
    let mut hold = acquired.unwrap_or_else(|died| died.into_inner());
    let torn = scratch.get(LEFT) != scratch.get(RIGHT) || scratch.get(CHANGER) != 0;
    if torn && !died {
        violation("a change was cut short, and nobody was told");
    }
    scratch.set(CHANGER, me);
    if scratch.get(ID) == 0 {
        scratch.set(ID, 1 + dice.roll(1 << 50));
    }
    let next = scratch.get(LEFT) + 1;
    scratch.set(LEFT, next);
    counter.increment().unwrap_or_else(|_| violation("the number is not whole"));
    scratch.set(RIGHT, next);
    if scratch.get(CHANGER) != me {
        violation("two are inside that exclude each other");
    }
    scratch.set(CHANGER, 0);
    hold.mark_consistent();
    let id = scratch.get(ID);
    drop(hold);
    if let Ok(again) = Segment::<Camp>::open(name) {
        let hold = again.0.acquire(Tree::Look);
        let other = again.1.get(ID);
        drop(hold);
        // A name that is taken away does not come back: if it is still there,
        // it was there all the time.
        if !camp.is_unlinked() && other != id {
            violation("two segments have the same name at the same time");
        }
    }
}

/// Opens or creates one camp, with all the others.
pub(super) fn rusher() {
    let board = board();
    let (prefix, me) = (argument("NAME"), number("FIGHTER"));
    // All at once, as well as that can be.
    board.0.cell(PROGRESS).fetch_add(1, Ordering::SeqCst);
    while board.0.get(PROGRESS) < FIGHTERS {
        std::thread::yield_now();
    }
    armed::arm(number("POINT") as u32, 0, libc::SIGKILL);
    let name = name_of(&prefix, 0);
    let camp: Segment<Camp> = Segment::open_or_create(&name, &options(), ((), (), WHOLE))
        .unwrap_or_else(|error| violation(&std::format!("a name that is fought for: {error}")));
    camp.2.increment().unwrap_or_else(|_| violation("the number is not whole"));
    board.0.set(GOT + me, camp.1.attachment.source().identity.1);
}

/// A board, and nothing with its name in the end.
struct Field {
    prefix: Name,
    board: Board,
}

impl Field {
    fn new() -> Self {
        let prefix = Name::random();
        let board = Segment::create(&prefix, &options(), ((),)).expect("a board");
        Self { prefix, board }
    }

    fn send(&self, role: &str, me: u64, seed: u64, point: u64, passes: u64) -> Child {
        child(
            role,
            &[
                ("NAME", self.prefix.to_string()),
                ("FIGHTER", me.to_string()),
                ("SEED", seed.to_string()),
                ("POINT", point.to_string()),
                ("PASSES", passes.to_string()),
            ],
        )
    }

    /// Files whose name begins with this field's.
    fn files(&self) -> Vec<String> {
        let path = self.prefix.path();
        let folder = std::fs::read_dir(path.parent().expect("a folder")).expect("it is there");
        folder
            .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
            .filter(|file| file.starts_with(self.prefix.as_str()))
            .collect()
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        for i in 0..NAMES {
            let _ = Segment::unlink(&name_of(self.prefix.as_str(), i));
        }
        let _ = Segment::unlink(&self.prefix);
    }
}

#[test]
fn names_that_are_fought_for() {
    let field = Field::new();
    let seed = seed();
    let mut dice = Dice::new(seed);
    let mut generation = 0;
    let mut send = |me: u64, dice: &mut Dice| {
        generation += 1;
        let point = if dice.roll(4) != 0 { 1 + dice.roll(POINTS.into()) } else { 0 };
        let child = field.send("fighter", me, seed * 1_000_000 + generation, point, dice.roll(30));
        (child, Instant::now() + Duration::from_millis(15 + dice.roll(30)))
    };
    let mut fighters: Vec<_> = (0..FIGHTERS).map(|me| send(me, &mut dice)).collect();
    let (mut killed, mut progress, mut since) = (0, 0, Instant::now());
    while killed < kills() / 3 {
        for (me, fighter) in fighters.iter_mut().enumerate() {
            if let Some(status) = fighter.0.try_wait().expect("a child") {
                assert_eq!(status.signal(), Some(libc::SIGKILL), "fighter {me}: {status}");
                killed += 1;
                *fighter = send(me as u64, &mut dice);
            } else if Instant::now() > fighter.1 {
                signal(&fighter.0, libc::SIGKILL);
            }
        }
        std::thread::sleep(Duration::from_millis(1));
        let now = field.board.0.get(PROGRESS);
        if now != progress {
            (progress, since) = (now, Instant::now());
        }
        assert!(since.elapsed() < Duration::from_secs(60), "nobody gets on");
    }
    field.board.0.set(STOP, 1);
    for (child, _) in &mut fighters {
        let status = child.wait().expect("a child");
        assert!(status.success() || status.signal() == Some(libc::SIGKILL), "{status}");
    }
    assert!(progress > killed, "{progress} rounds");
    for i in 0..NAMES {
        let name = name_of(field.prefix.as_str(), i);
        let camp = match Segment::<Camp>::open(&name) {
            Ok(camp) => camp,
            Err(error) => {
                assert_eq!(error, Error::NotFound);
                continue;
            }
        };
        camp.recover();
        let at = camp.1.attachment.objects()[0].at;
        let word = camp.1.attachment.map().u64(at + lock::WORD).load(Ordering::SeqCst);
        assert_eq!(word, 0, "units or waiters are left: {:?}", camp.0);
        assert!(camp.2.value() >= WHOLE);
        Segment::unlink(&name).expect("it is there");
    }
    assert_eq!(field.files(), [field.prefix.as_str()], "something is left");
}

#[test]
fn all_who_open_or_create_at_once_share() {
    let mut dice = Dice::new(seed());
    let mut alone = 0;
    for round in 0..POINTS.into() {
        let field = Field::new();
        let mut rushers: Vec<_> = (0..FIGHTERS)
            .map(|me| {
                // At each point once, and some of the others as well.
                let point = match me {
                    0 => 1 + round,
                    1 => dice.roll(POINTS.into()),
                    _ => 0,
                };
                field.send("rusher", me, 1, point, 0)
            })
            .collect();
        let mut survivors = Vec::new();
        for (me, rusher) in rushers.iter_mut().enumerate() {
            let status = rusher.wait().expect("a child");
            assert!(status.success() || status.signal() == Some(libc::SIGKILL), "{status}");
            if status.success() {
                survivors.push(field.board.0.get(GOT + me as u64));
            }
        }
        assert!(survivors.len() >= 2, "those who are not killed survive");
        alone += 4 - survivors.len();
        assert!(survivors.iter().all(|&got| got == survivors[0]), "they do not share");
        let name = name_of(field.prefix.as_str(), 0);
        let camp: Segment<Camp> = Segment::open(&name).expect("it was made");
        assert!(camp.2.value() >= WHOLE + survivors.len() as u64);
        assert_eq!(name.path().metadata().expect("it is there").ino(), survivors[0]);
    }
    assert!(alone >= 4, "only {alone} were killed");
}

#[test]
fn one_of_many_replaces_a_segment_of_another_boot() {
    const MANY: u64 = 4;
    let options = Options::new().records(64).processes(8).after_reboot(AfterReboot::Reset);
    for _ in 0..60 {
        let name = Name::random();
        let old: Segment<Counter> = Segment::create(&name, &options, 100).expect("new");
        let file = File::options().read(true).write(true).open(name.path()).expect("it is there");
        let head = examine(&file, &options, None).expect("whole");
        let other = Head { boot: [7; 16], ..head };
        file.write_all_at(&other.encode(), 0).expect("room");
        let barrier = Barrier::new(MANY as usize);
        let all: Vec<Segment<Counter>> = std::thread::scope(|scope| {
            let open = || {
                barrier.wait();
                Segment::open_or_create(&name, &options, 0)
            };
            let threads: Vec<_> = (0..MANY).map(|_| scope.spawn(open)).collect();
            let made = threads.into_iter().map(|thread| thread.join().expect("no panic"));
            made.map(|made| made.expect("one of them made it")).collect()
        });
        for one in &all {
            one.increment().expect("small");
        }
        for one in &all {
            assert_eq!(one.value(), MANY, "they do not share what one of them made");
            assert!(!one.is_unlinked());
        }
        assert!(old.is_unlinked());
        Segment::unlink(&name).expect("it is there");
    }
}
