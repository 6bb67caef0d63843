//! Patience: how long a test waits for what has to happen, and the watchdog
//! over those that wait in a way that has no end.

use std::io::{Write, stderr};
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// How long a test waits for what has to happen, on a machine that is loaded.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The same once a test has lost patience: what hangs there hangs elsewhere,
/// and the others are to say so soon.
const IMPATIENCE: Duration = Duration::from_secs(2);

/// How long a test may block where nobody looks at the time.
const LIMIT: Duration = Duration::from_secs(120);

static LOST: AtomicBool = AtomicBool::new(false);

/// How long a test waits before it gives up.
pub(crate) fn patience() -> Duration {
    if LOST.load(Ordering::Relaxed) { IMPATIENCE } else { PATIENCE }
}

/// Gives up.
#[track_caller]
pub(crate) fn lose_patience(what: &str) -> ! {
    let patience = patience();
    LOST.store(true, Ordering::Relaxed);
    panic!("not within {patience:?}: {what}");
}

/// A test that runs.
struct Running {
    thread: ThreadId,
    name: &'static str,
    /// When it was last seen to look at the time.
    seen: Instant,
}

static RUNNING: Mutex<Vec<Running>> = Mutex::new(Vec::new());

fn running() -> MutexGuard<'static, Vec<Running>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a test. Should its thread block for too long, the whole run ends, and
/// its last words are the test's name.
pub(crate) fn guarded(name: &'static str, test: impl FnOnce()) {
    /// Takes the test off the list, however it ends.
    struct Ended(ThreadId);
    impl Drop for Ended {
        fn drop(&mut self) {
            running().retain(|test| test.thread != self.0);
        }
    }

    static DOG: Once = Once::new();
    DOG.call_once(|| drop(thread::spawn(watch)));
    let thread = thread::current().id();
    running().push(Running { thread, name, seen: Instant::now() });
    let _ended = Ended(thread);
    test();
}

/// The test of this thread looks at the time by itself.
pub(crate) fn look_alive() {
    let thread = thread::current().id();
    if let Some(test) = running().iter_mut().find(|test| test.thread == thread) {
        test.seen = Instant::now();
    }
}

fn watch() {
    loop {
        thread::sleep(Duration::from_millis(500));
        let stuck: Vec<_> = running()
            .iter()
            .filter(|test| test.seen.elapsed() > LIMIT)
            .map(|test| test.name)
            .collect();
        if !stuck.is_empty() {
            // Not by `eprintln`: that would go into the report of a test.
            let _ = writeln!(stderr(), "\nblocked for more than {LIMIT:?}: {}", stuck.join(", "));
            exit(101);
        }
    }
}
