//! Processes that are killed, stopped and forked in the middle of a lock's own
//! code.
//!
//! The test binary runs itself again, with a role in its environment.

#![allow(unsafe_code)]

#[cfg(feature = "serde")]
mod any_size;
mod apart;
mod converts;
#[cfg(feature = "async")]
mod counts;
#[cfg(feature = "async")]
mod ends;
mod faults;
mod forks;
mod handles;
#[cfg(all(target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod histories;
mod interrupted;
mod kills;
mod lanes;
mod life;
mod limits;
mod market;
#[cfg(all(target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod model;
#[cfg(feature = "async")]
mod noise;
mod reboots;
mod resizes;
mod scratch;
#[cfg(target_arch = "x86_64")]
mod steps;
mod stories;
mod storms;
mod waits;

use alloc::string::String;
use std::process::{Child, Command, Stdio};

/// The name of the role, in a process that has one.
fn role() -> Option<String> {
    std::env::var("PORTUNUS_SHM_ROLE").ok()
}

fn argument(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("a child without {name}"))
}

fn number(name: &str) -> u64 {
    argument(name).parse().expect("a number")
}

/// Runs this binary again with this role and these arguments.
fn child(role: &str, arguments: &[(&str, String)]) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command
        .args(["--exact", "shm::tests::child_with_a_role", "--nocapture", "--test-threads=1"])
        .env("PORTUNUS_SHM_ROLE", role)
        .stdout(Stdio::null());
    for (name, value) in arguments {
        command.env(name, value);
    }
    // Its parent's failure must not leave it behind. (It is the parent's
    // thread, which ends with its test, that is meant here.)
    die_with_parent(&mut command);
    command.spawn().expect("this binary runs")
}

/// Has it killed when the thread ends that starts it.
fn die_with_parent(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    // SAFETY: a system call, which is all that may be done between `fork` and
    // `exec`.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
}

/// Not a test by itself: what the children do.
#[test]
fn child_with_a_role() {
    let Some(role) = role() else { return };
    match role.as_str() {
        "worker" => kills::worker(),
        "actor" => stories::actor(),
        "stayer" => faults::stayer(),
        "lodger" => life::lodger(),
        "resizer" => resizes::actor(),
        "waits" => waits::actor(),
        "asker" => life::asker(),
        "resident" => apart::resident(),
        "hermit" => apart::hermit(),
        "latecomer" => reboots::latecomer(),
        "guardian" => forks::guardian(),
        "heir of a lock" => forks::lock(),
        "heir of a list" => forks::list(),
        "without descriptors" => forks::without_descriptors(),
        #[cfg(feature = "async")]
        "heir of a future" => counts::heir(),
        #[cfg(feature = "serde")]
        "heir of a value" => any_size::heir(),
        "writer" => handles::writer(),
        #[cfg(feature = "serde")]
        "writer of any size" => any_size::writer(),
        "fighter" => storms::fighter(),
        "rusher" => storms::rusher(),
        other => panic!("no such role: {other}"),
    }
    // At once: a sanitizer that looks for leaks at the end stops its process to
    // do so, and never gets done where the parent tells it to go on.
    // SAFETY: nothing of this process is wanted any more.
    unsafe { libc::_exit(0) };
}

/// What the random tests begin with: `PORTUNUS_SEED`, or 1.
fn seed() -> u64 {
    std::env::var("PORTUNUS_SEED").map_or(1, |seed| seed.parse().expect("a number"))
}

/// A small generator.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}

/// Sends a child a signal.
fn signal(child: &Child, signal: i32) {
    // SAFETY: it has no conditions; the child has not been waited for.
    unsafe { libc::kill(child.id() as i32, signal) };
}

/// Waits until the child stands still.
fn until_stopped(child: &Child) {
    let mut status = 0;
    // SAFETY: our own child, which this thread alone waits for.
    let waited = unsafe { libc::waitpid(child.id() as i32, &raw mut status, libc::WUNTRACED) };
    assert!(waited == child.id() as i32 && libc::WIFSTOPPED(status), "it stands still");
}
