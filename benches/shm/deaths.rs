//! From the death of a holder to the next one's entry.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use portunus::shm::{Mutex, Name, Options, Segment};

use super::harness::{Bench, Effort};
use super::peers;

/// By which a child knows what to hold.
const ROLE: &str = "PORTUNUS_BENCH_HOLDER";

/// What the times of one lock come to.
pub(crate) struct Times {
    pub(crate) median: Duration,
    pub(crate) p99: Duration,
    longest: Duration,
}

impl Times {
    fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        // The smallest that so many percent don't exceed.
        let at = |percent: usize| all[(all.len() * percent).div_ceil(100) - 1];
        Self { median: at(50), p99: at(99), longest: at(100) }
    }
}

/// The C library's lock in a file that two processes map.
struct Page {
    mutex: peers::Mutex,
    /// Whether a child has it.
    held: AtomicU32,
    /// Whether the next one is about to ask.
    asked: AtomicU32,
}

/// Maps a page of the file.
fn map(file: &File) -> &'static Page {
    // SAFETY: a new mapping, which is never given back. All of a page may be
    // zero.
    unsafe {
        let read_write = libc::PROT_READ | libc::PROT_WRITE;
        let place =
            libc::mmap(ptr::null_mut(), 4096, read_write, libc::MAP_SHARED, file.as_raw_fd(), 0);
        assert_ne!(place, libc::MAP_FAILED);
        &*place.cast()
    }
}

/// What a child does: takes a lock and keeps it until it is killed. `false`:
/// this is no such child.
pub(crate) fn hold_if_told() -> bool {
    let Ok(role) = std::env::var(ROLE) else { return false };
    // SAFETY: it has no conditions. The child must not outlive its parent.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    if role == "pthread" {
        use std::os::fd::AsFd;
        let file = std::io::stdin().as_fd().try_clone_to_owned().expect("a page was passed");
        let page = map(&File::from(file));
        page.mutex.enter_robust();
        page.held.store(1, Ordering::SeqCst);
        sleep();
    } else {
        let name = Name::new(role).expect("a name");
        let mutex: Segment<Mutex<u64>> = Segment::open(&name).expect("the parent's");
        let _guard = mutex.lock();
        sleep();
    }
    true
}

fn sleep() {
    thread::sleep(Duration::from_secs(60));
}

fn child(role: &str, stdin: Stdio) -> Child {
    let program = std::env::current_exe().expect("this program");
    Command::new(program).env(ROLE, role).stdin(stdin).spawn().expect("this program runs")
}

fn until(done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "nothing happens");
        thread::sleep(Duration::from_micros(100));
    }
}

/// Kills the child while `next` waits for what it holds. `next` answers when
/// it has it.
fn kill(
    mut child: Child,
    round: u64,
    waits: impl Fn() -> bool,
    next: fn(&Held) -> Instant,
    held: &Held,
) -> Duration {
    thread::scope(|scope| {
        let next = scope.spawn(|| next(held));
        until(waits);
        // Anywhere in the period of the waiter's looks.
        thread::sleep(Duration::from_micros(5_000 + round * 7_919 % 20_000));
        let killed = Instant::now();
        child.kill().expect("it is there");
        let taken = next.join().expect("it gets the lock").saturating_duration_since(killed);
        child.wait().expect("it is dead");
        taken
    })
}

/// Both locks.
struct Held {
    ours: Segment<Mutex<u64>>,
    theirs: &'static Page,
}

/// Measures both, in turn. `None`: not wanted.
pub(crate) fn run(bench: &Bench) -> Option<Times> {
    if !bench.wants("death") {
        return None;
    }
    let rounds = bench.effort().pick(400, 20, 1);
    let name = Name::random();
    let file = File::options().read(true).write(true).create_new(true).open(name.path());
    let file = file.expect("a file in shared memory");
    std::fs::remove_file(name.path()).expect("its name goes");
    file.set_len(4096).expect("a page");
    let theirs = map(&file);
    theirs.mutex.init(true);
    let ours = Segment::create(&name, &Options::new(), 0).expect("a segment");
    let held = Held { ours, theirs };
    let (mut times, mut robust) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let holder = child(name.as_str(), Stdio::null());
        until(|| held.ours.is_locked());
        let waits = || held.ours.waiting() != 0;
        times.push(kill(holder, round, waits, next_of_ours, &held));

        theirs.held.store(0, Ordering::SeqCst);
        theirs.asked.store(0, Ordering::SeqCst);
        let holder = child("pthread", Stdio::from(file.try_clone().expect("a descriptor")));
        until(|| theirs.held.load(Ordering::SeqCst) != 0);
        let waits = || theirs.asked.load(Ordering::SeqCst) != 0;
        robust.push(kill(holder, round, waits, next_of_theirs, &held));
    }
    Segment::unlink(&name).expect("it is there");
    let ours = Times::of(times);
    if bench.effort() == Effort::Smoke {
        println!("death runs");
    } else {
        println!("\ndeath of a holder to the next owner, {rounds} rounds, a look every 20 ms");
        println!("  {:<26} {:>10} {:>10} {:>10}", "", "median", "p99", "longest");
        for (name, times) in [("portunus, Mutex", &ours), (peers::ROBUST, &Times::of(robust))] {
            let ms = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
            let (median, p99, longest) = (ms(times.median), ms(times.p99), ms(times.longest));
            println!("  {name:<26} {median:>10} {p99:>10} {longest:>10}");
        }
    }
    Some(ours)
}

fn next_of_ours(held: &Held) -> Instant {
    let mut guard = match held.ours.lock() {
        Ok(_) => panic!("the death is told"),
        Err(died) => died.into_inner(),
    };
    let now = Instant::now();
    guard.mark_consistent();
    now
}

fn next_of_theirs(held: &Held) -> Instant {
    held.theirs.asked.store(1, Ordering::SeqCst);
    let died = held.theirs.mutex.enter_robust();
    let now = Instant::now();
    assert!(died, "the death is told");
    use super::peers::Lock;
    held.theirs.mutex.leave();
    now
}
