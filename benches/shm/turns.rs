//! How fast a lock passes from process to process.
//!
//! The other process is forked at the beginning and waits to be told what to
//! play. Both are pinned, each to a core of its own.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use portunus::shm::{Mutex, Options, RwLock, Segment};

use super::harness::{Bench, Row, Unit};
use super::machine;
use super::peers::{
    self, FLOCK, Flock, Lock, PLAIN, ROBUST, RWLOCK, futex_post, futex_wait, shared,
};

pub(crate) const TABLE: &str = "turn/2";
pub(crate) const MUTEX: &str = "portunus, Mutex";
pub(crate) const WRITE: &str = "portunus, RwLock write";
/// What the others are compared with: a turn that wakes a sleeper each time.
pub(crate) const ASLEEP: &str = "two sem_t, asleep";
const FUTEX: &str = "futex, asleep";
const CONDITION: &str = "pthread condition, asleep";

/// What is played, by its number in the shared memory.
const GAMES: [&str; 9] = [ASLEEP, FUTEX, CONDITION, MUTEX, WRITE, ROBUST, PLAIN, RWLOCK, FLOCK];

type Ours = (Mutex<u64>, RwLock<u64>);

/// What both processes see.
struct Field {
    go: peers::Semaphore,
    done: peers::Semaphore,
    game: AtomicU32,
    /// How many have come to the start.
    here: AtomicU32,
    stop: AtomicU32,
    turn: AtomicU32,
    /// The last owner, written by owners.
    last: AtomicU32,
    changes: AtomicU64,
    sleeps: [peers::Semaphore; 2],
    condition: [peers::Condition; 2],
    robust: peers::Mutex,
    plain: peers::Mutex,
    rwlock: peers::RwLock,
}

/// One of the two.
struct Player<'a> {
    me: u32,
    field: &'static Field,
    ours: &'a Segment<Ours>,
    file: &'a Flock,
    window: Option<Duration>,
}

/// The process on the other core.
pub(crate) struct Partner {
    field: &'static Field,
    ours: Segment<Ours>,
    file: Flock,
    process: i32,
}

impl Drop for Partner {
    fn drop(&mut self) {
        // SAFETY: our own child, which has not been waited for.
        unsafe {
            libc::kill(self.process, libc::SIGKILL);
            libc::waitpid(self.process, std::ptr::null_mut(), 0);
        }
    }
}

impl Partner {
    /// Starts it. There must be no other thread yet.
    pub(crate) fn fork() -> Self {
        let field = shared(Field {
            go: peers::Semaphore::new(),
            done: peers::Semaphore::new(),
            game: AtomicU32::new(0),
            here: AtomicU32::new(0),
            stop: AtomicU32::new(0),
            turn: AtomicU32::new(0),
            last: AtomicU32::new(0),
            changes: AtomicU64::new(0),
            sleeps: [const { peers::Semaphore::new() }; 2],
            condition: [const { peers::Condition::new() }; 2],
            robust: peers::Mutex::new(),
            plain: peers::Mutex::new(),
            rwlock: peers::RwLock::new(),
        });
        field.go.init(0);
        field.done.init(0);
        field.robust.init(true);
        field.plain.init(false);
        field.rwlock.init();
        field.condition.iter().for_each(peers::Condition::init);
        let (ours, fd) = Segment::memfd(&Options::new(), (0, 0)).expect("a segment");
        let file = Flock(peers::nameless_file());
        // SAFETY: there is one thread, so that the child may do what it likes.
        match unsafe { libc::fork() } {
            -1 => panic!("no other process: {}", std::io::Error::last_os_error()),
            0 => {
                // SAFETY: it has no conditions. It must not outlive its parent.
                unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
                machine::settle();
                machine::pin(1);
                let ours = Segment::from_fd(fd.as_fd()).expect("the parent's segment");
                let file = Flock(peers::reopen(&file.0));
                let player = Player { me: 1, field, ours: &ours, file: &file, window: None };
                loop {
                    field.go.enter();
                    player.play();
                    field.done.leave();
                }
            }
            process => Self { field, ours, file, process },
        }
    }
}

pub(crate) fn run(bench: &mut Bench, partner: Partner) {
    let rounds = bench.effort().pick(21, 5, 1);
    let window = bench.effort().pick(50, 20, 2);
    let partner: &'static Partner = Box::leak(Box::new(partner));
    bench.table(TABLE.to_owned(), Unit::Nanoseconds, ASLEEP, rounds, || {
        (0..GAMES.len() as u32)
            .map(|game| {
                Row::new(GAMES[game as usize], move || {
                    sample(partner, game, Duration::from_millis(window))
                })
            })
            .collect()
    });
}

/// Nanoseconds for each change of owner.
fn sample(partner: &Partner, game: u32, window: Duration) -> f64 {
    let Partner { field, ours, file, .. } = partner;
    let player = Player { me: 0, field, ours, file, window: Some(window) };
    field.game.store(game, Ordering::SeqCst);
    for counter in [&field.here, &field.stop, &field.turn, &field.last] {
        counter.store(0, Ordering::SeqCst);
    }
    field.changes.store(0, Ordering::SeqCst);
    field.sleeps[0].init(1);
    field.sleeps[1].init(0);
    field.go.leave();
    let took = player.play();
    field.done.enter();
    // A lock that never changed its owner is told as if it had once.
    took.as_nanos() as f64 / field.changes.load(Ordering::SeqCst).max(1) as f64
}

impl Player<'_> {
    /// Plays until the window is over, and answers how long that was.
    fn play(&self) -> Duration {
        let field = self.field;
        field.here.fetch_add(1, Ordering::SeqCst);
        while field.here.load(Ordering::SeqCst) < 2 {
            std::hint::spin_loop();
        }
        let start = Instant::now();
        match GAMES[field.game.load(Ordering::SeqCst) as usize] {
            ASLEEP => self.turns(
                start,
                |me| field.sleeps[me].enter(),
                |other| {
                    field.sleeps[other].leave();
                },
            ),
            FUTEX => self.turns(
                start,
                |me| self.wait_for(me as u32),
                |other| {
                    futex_post(&field.turn, other as u32);
                },
            ),
            CONDITION => self.turns(
                start,
                |me| {
                    field.plain.enter();
                    while field.turn.load(Ordering::Relaxed) != me as u32 {
                        field.condition[me].wait(&field.plain);
                    }
                },
                |other| {
                    field.turn.store(other as u32, Ordering::Relaxed);
                    field.condition[other].notify();
                    field.plain.leave();
                },
            ),
            MUTEX => self.contend(start, || drop(self.own(self.ours.0.lock()))),
            WRITE => self.contend(start, || drop(self.own(self.ours.1.write()))),
            ROBUST => self.contend_for(start, &field.robust),
            PLAIN => self.contend_for(start, &field.plain),
            RWLOCK => self.contend_for(start, &field.rwlock),
            FLOCK => self.contend_for(start, self.file),
            game => panic!("nobody plays {game}"),
        }
        start.elapsed()
    }

    /// Whether it is over. One of the two decides.
    fn is_over(&self, start: Instant) -> bool {
        if self.window.is_some_and(|window| start.elapsed() >= window) {
            self.field.stop.store(1, Ordering::SeqCst);
        }
        self.field.stop.load(Ordering::SeqCst) != 0
    }

    /// Notes who owns; the owner calls it.
    fn note(&self) {
        let last = &self.field.last;
        if last.load(Ordering::Relaxed) != self.me + 1 {
            last.store(self.me + 1, Ordering::Relaxed);
            let changes = &self.field.changes;
            changes.store(changes.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    /// Gives up what a lock of ours gave, after noting it.
    fn own<G, E: std::fmt::Debug>(&self, guard: Result<G, E>) -> G {
        self.note();
        guard.expect("nobody dies")
    }

    /// Both want the lock all the time.
    fn contend(&self, start: Instant, mut pass: impl FnMut()) {
        while !self.is_over(start) {
            for _ in 0..16 {
                pass();
            }
        }
    }

    fn contend_for(&self, start: Instant, lock: &impl Lock) {
        self.contend(start, || {
            lock.enter();
            self.note();
            lock.leave();
        });
    }

    /// Each waits for its turn, and passes it on.
    fn turns(&self, start: Instant, wait: impl Fn(usize), pass: impl Fn(usize)) {
        let (me, other) = (self.me as usize, 1 - self.me as usize);
        loop {
            wait(me);
            self.note();
            let over = self.is_over(start);
            pass(other);
            if over {
                return;
            }
        }
    }

    fn wait_for(&self, turn: u32) {
        let word = &self.field.turn;
        while word.load(Ordering::SeqCst) != turn {
            futex_wait(word, 1 - turn);
        }
    }
}
