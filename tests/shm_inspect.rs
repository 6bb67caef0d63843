//! The example `shm_inspect`: what it shows of segments, and what it does.
//!
//! `cargo test` builds the program beside this test; so does
//! `cargo build --example shm_inspect --all-features`.

#![cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

use std::env;
use std::mem;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use portunus::rules::{Access, ReadWrite};
use portunus::shm::{FifoLock, Inspection, Mutex, Name, Options, Segment};

type Locks = (FifoLock<ReadWrite>, Mutex<u64>);

/// A segment whose name goes when the test ends.
struct Own(Segment<Locks>, Name);

impl Own {
    fn new() -> Self {
        let name = Name::random();
        let options = Options::new().processes(8).records(64);
        Self(Segment::create(&name, &options, ((), 0)).expect("a segment"), name)
    }

    /// Somebody who lets go of the segment with holds that nobody gives back:
    /// as good as dead.
    fn die(&self, leave: impl FnOnce(&Locks)) {
        let theirs: Segment<Locks> = Segment::open(&self.1).expect("it is there");
        leave(&theirs);
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = Segment::unlink(&self.1);
    }
}

fn run(arguments: &[&str]) -> Output {
    let mut path = env::current_exe().expect("the test knows where it is");
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    let path: PathBuf = path.join("examples/shm_inspect");
    assert!(path.exists(), "{} is missing: run all tests at once, or build it", path.display());
    Command::new(path).args(arguments).stdin(Stdio::null()).output().expect("it runs")
}

/// What it prints when all goes well.
fn printed(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).expect("it speaks UTF-8")
}

fn fails(arguments: &[&str], why: &str) {
    let output = run(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains(why), "{arguments:?}: {output:?}");
}

/// The line of the list for this segment, after its name and age.
fn listed(name: &Name) -> Option<[u64; 3]> {
    let list = printed(&[]);
    let line = list.lines().find_map(|line| line.strip_prefix(name.as_str()))?;
    let mut cells = line.split_whitespace().skip(1).map(|cell| cell.parse().expect("a number"));
    Some(std::array::from_fn(|_| cells.next().expect("a cell")))
}

#[test]
fn it_lists_segments_and_shows_who_holds_and_who_waits() {
    let own = Own::new();
    let name = own.1.as_str();
    let (lock, mutex) = &*own.0;
    assert_eq!(listed(&own.1), Some([1, 2, 0]));
    let pid = std::process::id();
    let readers = [lock.acquire(Access::Read).unwrap(), lock.acquire(Access::Read).unwrap()];
    let guard = mutex.lock().unwrap();
    let since = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| drop(lock.acquire(Access::Write).unwrap()));
        let end = Instant::now() + Duration::from_secs(60);
        while lock.waiting() == 0 {
            assert!(Instant::now() < end, "nobody waits");
            thread::yield_now();
        }
        let seen = [printed(&["show", name]), {
            thread::sleep(Duration::from_millis(1100));
            printed(&["show", name])
        }];
        let waited = since.elapsed();
        assert_eq!(listed(&own.1), Some([1, 2, 4]));
        drop(readers);
        drop(guard);

        for shown in &seen {
            let parts: Vec<&str> = shown.split("  lock ").collect();
            let [head, first, second] = parts[..] else { panic!("two locks: {shown}") };
            assert!(head.starts_with(&format!("{name}: ")), "{shown}");
            assert!(head.contains("room for 8 processes, 64 records"), "{shown}");
            assert!(head.contains(&format!("process {pid:>8}  alive\n")), "{shown}");
            assert!(head.contains("  this one\n"), "{shown}");
            let holds = format!("holds  mode 0 × 1  process {pid}\n");
            assert_eq!(first.matches(&holds).count(), 2, "{shown}");
            let waits = format!("waits  mode 1 × 1  process {pid}, ");
            assert_eq!(first.matches(&waits).count(), 1, "{shown}");
            assert_eq!(second, format!("1\n    {holds}"), "{shown}");
            assert!(!shown.contains("dead") && !shown.contains("died"), "{shown}");
        }
        // How long it had waited, by the second look.
        let age = seen[1].split(", ").last().expect("an age").lines().next().expect("a line");
        let age: f64 = match age.strip_suffix("ms") {
            Some(millis) => millis.parse::<f64>().expect("a number") / 1e3,
            None => age.strip_suffix('s').expect("seconds").parse().expect("a number"),
        };
        assert!((1.0..waited.as_secs_f64() + 1.0).contains(&age), "{age}");
    });
    assert_eq!(listed(&own.1), Some([1, 2, 0]));
}

#[test]
fn it_shows_how_long_holds_last_where_that_is_noted() {
    // The clock goes in ticks, of which both ends may miss one.
    let (moment, tick) = (Duration::from_millis(100), Duration::from_millis(15));
    let times = |noted: bool| {
        let name = Name::random();
        let options = Options::new().processes(8).records(64).hold_times(noted);
        let locks: Segment<Locks> = Segment::create(&name, &options, ((), 0)).expect("a segment");
        let own = Own(locks, name);
        // One record that is used twice: the second hold's time is its own.
        drop(own.0.1.lock().unwrap());
        thread::sleep(moment);
        let before = Instant::now();
        let guard = own.0.1.lock().unwrap();
        thread::sleep(moment);
        let seen = Inspection::open(&own.1, &Options::new()).expect("a segment");
        let claims = seen.claims();
        let most = before.elapsed() + tick;
        assert_eq!((claims.len(), claims[0].waits()), (1, None));
        let shown = printed(&["show", own.1.as_str()]);
        assert_eq!(shown.contains(&format!("process {}, ", std::process::id())), noted, "{shown}");
        drop(guard);
        (claims[0].holds(), most)
    };
    assert_eq!(times(false).0, None);
    let (held, most) = times(true);

    let least = moment - tick;
    assert!((least..=most).contains(&held.expect("a time")), "{held:?}");
}

#[test]
fn it_takes_back_what_the_dead_hold() {
    let own = Own::new();
    let name = own.1.as_str();
    own.die(|(lock, mutex)| {
        mem::forget(lock.acquire(Access::Read).unwrap());
        mem::forget(mutex.lock().unwrap());
    });
    let shown = printed(&["show", name]);
    assert!(shown.contains("holds  mode 0 × 1  process 0 (dead)\n"), "{shown}");
    assert_eq!(shown.matches("(dead)").count(), 2, "{shown}");
    assert_eq!(own.0.0.holders(Access::Read), 1);

    let said = printed(&["recover", name]);
    assert_eq!(said, "2 holds and places in line of the dead were taken back\n");
    assert!(!own.0.0.is_locked() && !own.0.1.is_locked());
    let shown = printed(&["show", name]);
    assert!(!shown.contains("holds"), "{shown}");
    assert!(shown.contains("lock 1, an owner died in the middle of a change"), "{shown}");
    assert!(shown.contains("lock 0\n"), "a reader changes nothing: {shown}");
    own.0.1.lock().expect_err("its death is told").into_inner().mark_consistent();
    let shown = printed(&["show", name]);
    assert!(!shown.contains("died"), "{shown}");
    let said = printed(&["recover", name]);
    assert_eq!(said, "0 holds and places in line of the dead were taken back\n");
}

#[test]
fn it_leaves_the_living_what_they_hold() {
    let own = Own::new();
    let hold = own.0.0.acquire(Access::Write).unwrap();
    let said = printed(&["recover", own.1.as_str()]);
    assert_eq!(said, "0 holds and places in line of the dead were taken back\n");
    assert_eq!(own.0.0.holders(Access::Write), 1);
    drop(hold);
    assert!(own.0.0.is_consistent());
}

#[test]
fn it_removes_a_name() {
    let own = Own::new();
    let name = own.1.as_str();
    assert_eq!(printed(&["unlink", name]), "");
    assert!(own.0.is_unlinked());
    assert_eq!(listed(&own.1), None);
    // Whoever is attached goes on.
    drop(own.0.0.acquire(Access::Write).unwrap());
    for command in ["show", "recover", "unlink"] {
        fails(&[command, name], "NotFound");
    }
}

#[test]
fn a_wrong_command_line_is_refused() {
    fails(&["show", "a/b"], "Slash");
    fails(&["show"], "usage");
    fails(&["destroy", "a"], "usage");
}
