//! Threads, tasks and child processes at one table in shared memory.
//!
//! The table is behind a door of the crate, [`SharedDoor`]: one who changes it
//! is inside alone, and those who report are inside together. Threads, tasks and
//! children enter by the same door, and stand in its one line.
//!
//! A child is this program with a role. It gets the text on its standard
//! input, which then stays open as long as its parent lives; it prints its
//! requests in the end.
//!
//! Who works on a lot notes that on the board. Each child also has a desk, a
//! lock that it holds as long as it lives. Who finds nothing left to do but
//! lots that others work on tries their desks: a desk that can be had is a dead
//! child's, and its lots are put back.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Write as _};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::pin::pin;
use std::process::{self, Child, Command, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use portunus::Counter as _;
use portunus::rules::{Exclusive, Sole};
use portunus::shm::{Counter, DoorWriteGuard, FifoLock, OwnerDied, Segment, SharedDoor};
use smol::channel::{self, Sender};
use smol::future::{block_on, yield_now};
use smol::{Executor, Task, Timer};

use super::args::{MOST_PROCESSES, Options};
use super::board::{Board, Claim, LOTS, Worker};
use super::log::{Face, Log, Request};
use super::modes::TableMode;
use super::text::{self, Counts};
use super::work::{Outcome, Step};

/// How long somebody who finds nothing to do lets the others work.
const PAUSE: Duration = Duration::from_millis(1);
/// A child is killed at any moment within this.
const MOMENT: u64 = 2_000_000;
/// How soon the death of one who has the table is noticed.
const POLL: Duration = Duration::from_millis(5);
/// A task that adds a lot lets others run after so many words.
const PORTION: usize = 64;
/// The most threads on which the tasks run.
const EXECUTORS: usize = 2;
/// For making the segment: the board is built on the stack, and moved there.
const STACK: usize = 64 << 20;

/// Who has it is inside, alone, and may change the board.
type Guard<'a> = DoorWriteGuard<'a, Board>;

/// The door before the table, the number of moments, and the children's desks.
pub(crate) type Place = (SharedDoor<Board>, Counter, [FifoLock<Exclusive>; MOST_PROCESSES]);

/// What became of the children.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fates {
    pub(crate) children: usize,
    pub(crate) killed: usize,
    /// Lots of dead children that were done anew.
    pub(crate) put_back: usize,
    /// Changes of dead children that were taken back.
    pub(crate) undone: usize,
}

/// All that a process has in hand.
struct Office {
    place: Segment<Place>,
    lots: Vec<String>,
}

/// Takes back what the owner before may have left half done.
fn repaired<'a>(board: Result<Guard<'a>, OwnerDied<Guard<'a>>>) -> Guard<'a> {
    board.unwrap_or_else(|died| {
        let mut board = died.into_inner();
        board.undo();
        board.mark_consistent();
        board
    })
}

impl Office {
    fn door(&self) -> &SharedDoor<Board> {
        &self.place.0
    }

    /// The number of this moment, across all processes.
    fn mark(&self) -> u64 {
        self.place.1.increment().expect("it does not count that far")
    }

    /// Enters, blocking until the board is this worker's.
    fn write(&self, face: Face, log: &mut Log) -> Guard<'_> {
        let (start, asked) = (Instant::now(), self.mark());
        let board = repaired(self.door().write());
        let (served, waited) = (self.mark(), start.elapsed());
        let mode = TableMode::Merge;
        log.requests.push(Request { face, mode, asked, queued: None, served, waited });
        board
    }

    /// Enters, as a task. A poll that does not let it in has put the request into
    /// the line.
    async fn write_async(&self, log: &mut Log) -> Guard<'_> {
        let (start, asked) = (Instant::now(), self.mark());
        let mut queued = None;
        let mut entry = pin!(self.door().write_async());
        let board = future::poll_fn(|cx| {
            let polled = entry.as_mut().poll(cx);
            if polled.is_pending() && queued.is_none() {
                queued = Some(self.mark());
            }
            polled
        })
        .await;
        let board = repaired(board);
        let (served, waited) = (self.mark(), start.elapsed());
        let (face, mode) = (Face::Task, TableMode::Merge);
        log.requests.push(Request { face, mode, asked, queued, served, waited });
        board
    }

    /// Enters as one of several readers.
    fn read<T>(&self, log: &mut Log, read: impl Fn(&Board) -> T) -> T {
        let (start, asked) = (Instant::now(), self.mark());
        let board = loop {
            match self.door().read() {
                Ok(board) => break board,
                // A reader can't mend what it must not read.
                Err(died) => {
                    drop(died);
                    drop(self.write(Face::Thread, log));
                }
            }
        };
        let (served, waited) = (self.mark(), start.elapsed());
        let (face, mode) = (Face::Thread, TableMode::Report);
        log.requests.push(Request { face, mode, asked, queued: None, served, waited });
        read(&board)
    }

    fn count(&self, lot: usize) -> Counts {
        let mut counts = Counts::new();
        text::count(&self.lots[lot], &mut counts);
        counts
    }

    /// What a thread does, and a child.
    fn work(&self, who: Worker) -> Log {
        let mut log = Log::default();
        let mut mine: Option<(usize, Counts)> = None;
        loop {
            let mut guard = self.write(who.face(), &mut log);
            let board = &mut *guard;
            if mine.is_some() && who.face() == Face::Process && board.is_barred() {
                drop(guard);
                thread::sleep(PAUSE);
                continue;
            }
            if let Some((lot, counts)) = mine.take() {
                board.begin(lot);
                if counts.iter().all(|(word, &times)| board.add(word, times)) {
                    board.finish(lot, counts.values().sum());
                } else {
                    board.undo();
                }
            }
            match next(board, who) {
                ControlFlow::Break(()) => return log,
                ControlFlow::Continue(Next::Lot(lot)) => {
                    drop(guard);
                    mine = Some((lot, self.count(lot)));
                }
                ControlFlow::Continue(Next::Others(busy)) => {
                    drop(guard);
                    for dead in self.dead(&busy, who) {
                        self.write(who.face(), &mut log).put_back(dead.0);
                    }
                    thread::sleep(PAUSE);
                }
            }
        }
    }

    /// What a task does.
    async fn work_async(&self) -> Log {
        let mut log = Log::default();
        let mut mine: Option<(usize, Counts)> = None;
        loop {
            let mut guard = self.write_async(&mut log).await;
            if let Some((lot, counts)) = mine.take() {
                guard.begin(lot);
                let mut fits = true;
                for (index, (word, &times)) in counts.iter().enumerate() {
                    if index % PORTION == PORTION - 1 {
                        log.gave_way += 1;
                        yield_now().await;
                    }
                    fits = fits && guard.add(word, times);
                }
                if fits {
                    guard.finish(lot, counts.values().sum());
                } else {
                    guard.undo();
                }
            }
            match next(&mut guard, Worker::Task) {
                ControlFlow::Break(()) => return log,
                ControlFlow::Continue(Next::Lot(lot)) => {
                    drop(guard);
                    mine = Some((lot, self.count(lot)));
                    yield_now().await;
                }
                ControlFlow::Continue(Next::Others(busy)) => {
                    drop(guard);
                    for dead in self.dead(&busy, Worker::Task) {
                        self.write_async(&mut log).await.put_back(dead.0);
                    }
                    Timer::after(PAUSE).await;
                }
            }
        }
    }

    /// Those of the children who are dead. Each one's desk is kept as long as
    /// the item is, so that nobody else buries it too.
    fn dead<'a>(
        &'a self,
        busy: &'a [usize],
        who: Worker,
    ) -> impl Iterator<Item = (usize, impl Sized + 'a)> + 'a {
        let others = busy.iter().filter(move |&&child| Worker::Child(child) != who);
        others.filter_map(|&child| {
            let desk = self.place.2.get(child)?.try_acquire(Sole::Exclusive);
            let hold = desk.unwrap_or_else(|died| {
                let mut hold = died.into_inner();
                hold.mark_consistent();
                Some(hold)
            });
            Some((child, hold?))
        })
    }
}

enum Next {
    Lot(usize),
    /// There is nothing left but what these children work on, and others of
    /// the first process.
    Others(Vec<usize>),
}

fn next(board: &mut Board, who: Worker) -> ControlFlow<(), Next> {
    match board.claim(who) {
        Claim::Lot(lot) => ControlFlow::Continue(Next::Lot(lot)),
        Claim::Wait => ControlFlow::Continue(Next::Others(board.busy())),
        Claim::Over => ControlFlow::Break(()),
    }
}

/// A child, as its parent sees it.
struct Hand {
    process: Child,
    /// Writes the text, and leaves the pipe open.
    feeding: Option<JoinHandle<process::ChildStdin>>,
    /// Reads what it prints.
    hearing: Option<JoinHandle<io::Result<String>>>,
    gone: bool,
    killed: bool,
}

impl Hand {
    fn new(path: &str, desk: usize, lots: &Arc<Vec<u8>>) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut process = Command::new(program)
            .args(["--child", path, &desk.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start a child: {error}"))?;
        let mut stdin = process.stdin.take().expect("a pipe");
        let mut stdout = process.stdout.take().expect("a pipe");
        let lots = Arc::clone(lots);
        let feeding = thread::spawn(move || {
            // Whether it dies while it reads is seen from how it ends.
            let _ = stdin.write_all(&lots).and_then(|()| stdin.flush());
            stdin
        });
        let hearing = thread::spawn(move || {
            let mut said = String::new();
            stdout.read_to_string(&mut said).map(|_| said)
        });
        let (feeding, hearing) = (Some(feeding), Some(hearing));
        Ok(Self { process, feeding, hearing, gone: false, killed: false })
    }

    /// Whether it lives. What is wrong with how it ended goes to `problems`.
    fn lives(&mut self, problems: &mut Vec<String>) -> bool {
        if !self.gone
            && let Ok(Some(status)) = self.process.try_wait()
        {
            self.gone = true;
            if !(status.success() || self.killed && status.signal().is_some()) {
                problems.push(format!("a child ended by itself: {status}"));
            }
        }
        !self.gone
    }

    fn kill(&mut self) {
        self.killed = true;
        // It may have ended.
        let _ = self.process.kill();
    }

    /// Waits for its end, and reads what it noted.
    fn end(mut self, problems: &mut Vec<String>) -> Log {
        while self.lives(problems) {
            thread::sleep(PAUSE);
        }
        drop(self.feeding.take().map(JoinHandle::join));
        let said = self.hearing.take().and_then(|hearing| hearing.join().ok());
        let said = said.and_then(Result::ok).unwrap_or_default();
        match parse(&said) {
            Some(requests) => Log { requests, ..Log::default() },
            None if self.killed => Log::default(),
            None => {
                problems.push("a child did not say what it did".to_owned());
                Log::default()
            }
        }
    }
}

/// Children don't outlive whoever has them, also when that panics.
impl Drop for Hand {
    fn drop(&mut self) {
        if !self.gone {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// Kills children, one after the other.
struct Killer {
    /// How many are still to be killed.
    left: usize,
    /// From how many lots of the children on the next one is.
    due: usize,
    /// The children don't get beyond so many before the last one is killed.
    bar: usize,
    dice: u64,
}

impl Killer {
    fn new(left: usize, bar: usize) -> Self {
        let dice = RandomState::new().build_hasher().finish();
        let mut this = Self { left, due: 0, bar, dice };
        this.due = this.below(bar as u64 + 1) as usize;
        this
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % limit.max(1)
    }

    /// Kills one of those who are at work, if it is time. `true`: that was the
    /// last one.
    fn look(&mut self, (done, barred): (usize, bool), busy: &[usize], hands: &mut [Hand]) -> bool {
        let lives = |&child: &usize| !hands[child].gone && !hands[child].killed;
        let alive: Vec<usize> = busy.iter().copied().filter(lives).collect();
        if self.left == 0 || (done < self.due && !barred) || alive.is_empty() {
            return false;
        }
        let victim = alive[self.below(alive.len() as u64) as usize];
        thread::sleep(Duration::from_nanos(self.below(MOMENT)));
        hands[victim].kill();
        let rest = self.bar.saturating_sub(done) as u64;
        self.due = done + self.below(rest + 1) as usize;
        self.left -= 1;
        self.left == 0
    }
}

/// Puts pieces together until there are few enough.
fn lots(pieces: &[&str]) -> Vec<String> {
    let size = pieces.len().div_ceil(LOTS).max(1);
    pieces.chunks(size).map(|pieces| pieces.join("\n")).collect()
}

/// A table of several processes.
pub(crate) struct Made {
    pub(crate) place: Segment<Place>,
    /// By which children open it.
    pub(crate) fd: OwnedFd,
    /// The lots beyond which the children are kept from getting.
    bar: usize,
}

/// Makes a table for so many lots, which are dealt out to workers of each kind.
pub(crate) fn make(
    lots: usize,
    workers: [usize; 3],
    records: u32,
    barred: bool,
) -> Result<Made, String> {
    let how = portunus::shm::Options::new().poll(POLL).records(records).processes(128);
    let made = thread::Builder::new().stack_size(STACK).spawn(move || {
        let mut board = Board::new(lots, workers);
        let bar = if barred { board.bar() } else { 0 };
        let made = Segment::memfd(&how, (board, 0, [(); MOST_PROCESSES]));
        made.map(|(place, fd)| Made { place, fd, bar })
    });
    let made = made.map_err(|error| error.to_string())?.join().expect("no panic");
    made.map_err(|error| error.to_string())
}

/// Counts the words of all pieces with threads, tasks and children.
///
/// # Errors
///
/// What keeps it from beginning.
pub(crate) fn run(
    pieces: &[&str],
    options: &Options,
    mut progress: impl FnMut(Step<'_>),
) -> Result<(Outcome, Fates, Vec<String>), String> {
    let Options { threads, tasks, processes, .. } = *options;
    let lots = lots(pieces);
    let count = lots.len();
    let bytes: Vec<usize> = lots.iter().map(String::len).collect();
    // Somebody has to be left.
    let victims = if !options.kill {
        0
    } else if processes > 1 {
        processes - 1
    } else {
        usize::from(threads + tasks > 0)
    };

    // Each thread keeps some records, and each task needs one.
    let records = 256 + 16 * (threads + processes) + 2 * tasks;
    let workers = [threads, tasks, processes];
    let Made { place, fd, bar } = make(count, workers, records as u32, victims > 0)?;

    let start = Instant::now();
    let path = format!("/proc/{}/fd/{}", process::id(), fd.as_fd().as_raw_fd());
    let packed = Arc::new(pack(&lots));
    let office = Office { place, lots };
    let mut hands = Vec::new();
    for desk in 0..processes {
        hands.push(Hand::new(&path, desk, &packed)?);
    }

    let mut problems = Vec::new();
    let shared = &office;
    let executor = Executor::new();
    let mut log = thread::scope(|scope| {
        // As in `work`: the executors run until the last task is gone.
        let (running, stopped) = channel::bounded::<()>(1);
        for _ in 0..tasks.min(EXECUTORS) {
            let (executor, stopped) = (&executor, stopped.clone());
            scope.spawn(move || {
                let _closed = block_on(executor.run(stopped.recv()));
            });
        }
        let keeping = |running: Sender<()>| async move {
            let log = shared.work_async().await;
            drop(running);
            log
        };
        let tasks: Vec<Task<Log>> =
            (0..tasks).map(|_| executor.spawn(keeping(running.clone()))).collect();
        drop(running);
        let threads: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| shared.work(Worker::Thread))).collect();

        let mut log = Log::default();
        let mut told = vec![false; count];
        let mut killer = Killer::new(victims, bar);
        let mut deserted = false;
        loop {
            let (cut, over, done, busy, theirs) = shared.read(&mut log, |board| {
                let done: Vec<usize> = board.done().collect();
                let theirs = (board.by_children(), board.is_barred());
                (board.cut(), board.is_over(), done, board.busy(), theirs)
            });
            log.reports += 1;
            log.torn += usize::from(!cut.is_exact());
            for lot in done {
                if !std::mem::replace(&mut told[lot], true) {
                    progress(Step::Counted(bytes[lot]));
                }
            }
            progress(Step::Reported(&cut));
            if over {
                break;
            }
            if killer.look(theirs, &busy, &mut hands) {
                shared.write(Face::Thread, &mut log).unbar();
            }
            let living =
                hands.iter_mut().filter_map(|hand| hand.lives(&mut problems).then_some(()));
            // The last one ends when all is done, maybe since the look above.
            if living.count() == 0 && !deserted && !shared.read(&mut log, Board::is_over) {
                deserted = true;
                if threads.is_empty() && tasks.is_empty() {
                    problems.push("no child is left to go on".to_owned());
                    break;
                }
                shared.write(Face::Thread, &mut log).free_share_of_children();
            }
            thread::sleep(PAUSE);
        }
        for thread in threads {
            log.absorb(thread.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause)));
        }
        for task in tasks {
            log.absorb(block_on(task));
        }
        log
    });
    let took = start.elapsed();
    drop(executor);

    let killed = hands.iter().filter(|hand| hand.killed).count();
    for hand in hands {
        log.absorb(hand.end(&mut problems));
    }
    let board = repaired(office.door().write());
    if board.is_full() {
        problems.push("the table of several processes has no room for so many words".to_owned());
    }
    let (put_back, undone) = (board.put_back as usize, board.undone as usize);
    let counts = board.counts();
    drop(board);
    let fates = Fates { children: processes, killed, put_back, undone };
    Ok((Outcome { counts, log, took }, fates, problems))
}

/// The lots as bytes: how many, then the length of each and its text.
pub(crate) fn pack(lots: &[String]) -> Vec<u8> {
    let number = |number: usize| (number as u64).to_le_bytes();
    let mut packed = Vec::from(number(lots.len()));
    for lot in lots {
        packed.extend(number(lot.len()));
        packed.extend(lot.as_bytes());
    }
    packed
}

fn unpack(from: &mut impl Read) -> io::Result<Vec<String>> {
    fn number(from: &mut impl Read) -> io::Result<usize> {
        let mut bytes = [0; 8];
        from.read_exact(&mut bytes)?;
        usize::try_from(u64::from_le_bytes(bytes)).map_err(io::Error::other)
    }
    (0..number(from)?)
        .map(|_| {
            let mut bytes = vec![0; number(from)?];
            from.read_exact(&mut bytes)?;
            String::from_utf8(bytes).map_err(io::Error::other)
        })
        .collect()
}

/// What a child does. Its parent's segment is behind `path`.
///
/// # Errors
///
/// What keeps it from working.
pub(crate) fn child(path: &OsString, desk: usize) -> Result<(), String> {
    let mut stdin = io::stdin().lock();
    let lots = unpack(&mut stdin).map_err(|error| format!("no text came: {error}"))?;
    drop(stdin);
    // The pipe ends with the parent, and so do its children.
    thread::spawn(|| {
        let mut rest = [0; 1];
        while matches!(io::stdin().read(&mut rest), Ok(1..)) {}
        process::exit(1);
    });
    let segment = File::options().read(true).write(true).open(Path::new(path));
    let segment = segment.map_err(|error| format!("the table is not there: {error}"))?;
    let place = Segment::<Place>::from_fd(segment.as_fd()).map_err(|error| error.to_string())?;
    let office = Office { place, lots };
    let Some(lock) = office.place.2.get(desk) else { return Err(format!("no desk {desk}")) };
    let seat = lock.acquire(Sole::Exclusive).map_err(|died| died.to_string())?;
    let log = office.work(Worker::Child(desk));
    drop(seat);
    let mut said = String::new();
    for request in &log.requests {
        let Request { asked, served, waited, .. } = request;
        let _ = writeln!(said, "{asked} {served} {}", waited.as_nanos());
    }
    said.push_str("end\n");
    let mut out = io::stdout().lock();
    out.write_all(said.as_bytes()).and_then(|()| out.flush()).map_err(|error| error.to_string())
}

/// What a child said; `None`: it was not all.
fn parse(said: &str) -> Option<Vec<Request>> {
    let lines = said.strip_suffix("end\n")?.lines();
    lines
        .map(|line| {
            let mut numbers = line.split(' ').map(|number| number.parse().ok());
            let (asked, served) = (numbers.next()??, numbers.next()??);
            let waited = Duration::from_nanos(numbers.next()??);
            let (face, mode) = (Face::Process, TableMode::Merge);
            Some(Request { face, mode, asked, queued: None, served, waited })
        })
        .collect()
}
