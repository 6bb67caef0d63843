//! Two programs, built apart, with one segment: alike they share it, and one
//! with another layout is refused.

#![cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use portunus::shm::{Error, Mutex, Name, Options, Segment};

portunus::shm_type! {
    /// As the other program has it.
    #[derive(Debug)]
    pub struct Tally {
        pub left: u64,
        pub by: [u32; 2],
        pub right: u64,
    }
}

/// Builds the other program, with other features of this crate, optimised, and
/// with another layout if it is asked for.
fn build(another: bool) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let name = if another { "another-peer" } else { "peer" };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shm-peer").join(name);
    fs::create_dir_all(&folder).unwrap();
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [workspace]\n[features]\nanother = []\n\
         [[bin]]\nname = \"{name}\"\npath = {:?}\n\
         [dependencies]\nportunus = {{ path = {source:?}, default-features = false, \
         features = [\"shm\"] }}\n\
         [profile.dev]\nopt-level = 1\n",
        source.join("tests/shm_peer/peer.rs"),
    );
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    // The same versions of what it needs, which are there.
    fs::copy(source.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shm-peer/target");
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--offline", "--target-dir"])
        .arg(&target)
        .args(another.then_some(["--features", "another"]).into_iter().flatten())
        .current_dir(&folder);
    // Whatever this one was built with.
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(variable);
    }
    assert!(cargo.status().unwrap().success(), "the other program does not build");
    target.join("debug").join(name)
}

/// The other program, which ends when this one does.
struct Peer {
    child: Child,
    says: BufReader<ChildStdout>,
}

impl Peer {
    fn new(program: &Path, command: &str, name: &Name) -> Self {
        let mut child = Command::new(program)
            .args([command, name.as_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let says = BufReader::new(child.stdout.take().unwrap());
        Self { child, says }
    }

    fn says(&mut self) -> String {
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A name that goes when the test ends.
struct Named(Name);

impl Drop for Named {
    fn drop(&mut self) {
        let _ = Segment::unlink(&self.0);
    }
}

#[test]
fn programs_that_are_alike_share() {
    let program = build(false);
    let name = Named(Name::random());
    let tally = Tally { left: 0, by: [0; 2], right: 0 };
    let segment: Segment<Mutex<Tally>> = Segment::create(&name.0, &Options::new(), tally).unwrap();
    let mut peer = Peer::new(&program, "count", &name.0);
    assert_eq!(peer.says(), "open");
    for _ in 0..10_000 {
        let mut tally = segment.lock().unwrap();
        assert_eq!(tally.left, tally.right);
        tally.left += 1;
        tally.by[0] += 1;
        tally.right += 1;
    }
    assert_eq!(peer.says(), "done");
    let tally = *segment.lock().unwrap();
    assert_eq!((tally.left, tally.by, tally.right), (20_000, [10_000; 2], 20_000));

    // It dies in the middle of a change.
    let mut peer = Peer::new(&program, "hold", &name.0);
    assert_eq!(peer.says(), "holds");
    assert!(segment.try_lock().unwrap().is_none());
    peer.child.kill().unwrap();
    let died = segment.lock().expect_err("it was changing it");
    assert_eq!((died.get_ref().left, died.get_ref().right), (20_001, 20_000));
}

#[test]
fn a_program_with_another_layout_is_refused() {
    let program = build(true);
    let (ours, theirs) = (Named(Name::random()), Named(Name::random()));
    let tally = Tally { left: 7, by: [0; 2], right: 7 };
    let segment: Segment<Mutex<Tally>> = Segment::create(&ours.0, &Options::new(), tally).unwrap();
    let answer = Peer::new(&program, "count", &ours.0).says();
    // The other way round it is the other way round.
    let mut peer = Peer::new(&program, "create", &theirs.0);
    assert_eq!(peer.says(), "created");
    let refused = Segment::<Mutex<Tally>>::open(&theirs.0).err();
    let Some(Error::Layout { found, wanted }) = refused else { panic!("{refused:?}") };
    assert_ne!(found, wanted);
    assert_eq!(answer, format!("layout {wanted} {found}"));
    // It has touched nothing.
    assert_eq!(segment.lock().unwrap().left, 7);
    assert_eq!(segment.peers().count(), 1);
}
