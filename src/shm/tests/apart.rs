//! Worlds that lack what a segment needs: a file system that maps another file
//! than the one that is open, so that its locks go with the descriptor; and no
//! `/proc`.

use alloc::ffi::CString;
use alloc::string::{String, ToString};
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use crate::rules::Exclusive;
use crate::shm::attach::{Attachment, Source};
use crate::shm::segment::examine;
use crate::shm::{Error, FifoLock, Name, Options, Segment};

type House = FifoLock<Exclusive>;

fn options() -> Options {
    Options::new().records(8).processes(2)
}

fn mount(kind: &str, folder: &Path, options: &str) -> std::io::Result<()> {
    let text = |text: &[u8]| CString::new(text).expect("no zero in it");
    let (kind, options) = (text(kind.as_bytes()), text(options.as_bytes()));
    let folder = text(folder.as_os_str().as_bytes());
    // SAFETY: strings that end with a zero.
    let done = unsafe {
        libc::mount(kind.as_ptr(), folder.as_ptr(), kind.as_ptr(), 0, options.as_ptr().cast())
    };
    if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Opens this file as its own second description would be, without asking on
/// what file system it is.
fn attach(file: &Path, head: &Path) -> Option<Error> {
    let head = File::open(head).expect("the original");
    let head = examine(&head, &options(), None).expect("a segment's head");
    let file = File::options().read(true).write(true).open(file).expect("a copy");
    let source = Source::of(&file, None).expect("a file");
    Attachment::new(file, source, &head).err()
}

/// In a world of its own: tries a segment on an overlay, and says what came of
/// it.
pub(super) fn resident() {
    // SAFETY: the thread that started this one waits for it.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) };
    let folder = Path::new("/dev/shm").join(super::argument("NAME"));
    if let Err(error) = mount("tmpfs", &folder, "mode=700") {
        return std::println!("no tmpfs: {error}");
    }
    let [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(|name| {
        let path = folder.join(name);
        fs::create_dir(&path).expect("a folder");
        path
    });
    let show = |path: &Path| path.to_str().expect("text").to_string();
    let [lower, upper, work] = [&lower, &upper, &work].map(|path| show(path));
    let how = std::format!("lowerdir={lower},upperdir={upper},workdir={work}");
    let mounted = mount("overlay", &merged, &how)
        .or_else(|_| mount("overlay", &merged, &std::format!("{how},userxattr")));
    if let Err(error) = mounted {
        return std::println!("no overlay: {error}");
    }

    // It is known by its name.
    let named = Segment::<House>::create_file(merged.join("new"), &options(), ());
    let what = "segments on overlayfs";
    assert_eq!(named.err(), Some(Error::Unsupported { what }));
    assert!(!merged.join("new").exists(), "something is left");

    // Were it not, or another one like it: by what it does.
    let (plain, copy) = (folder.join("plain"), merged.join("copy"));
    let house = Segment::<House>::create_file(&plain, &options(), ()).expect("a house");
    drop(house);
    fs::copy(&plain, &copy).expect("room");
    assert_eq!(attach(&plain, &plain), None, "here the mapping keeps the lock");
    let what = "locks that a mapping keeps";
    assert_eq!(attach(&copy, &plain), Some(Error::Unsupported { what }));
    std::println!("refused");
}

/// In a world of its own without `/proc`: says what a segment needs.
pub(super) fn hermit() {
    // SAFETY: as above.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) };
    let name = Name::new(super::argument("NAME")).expect("a name");
    let known = Name::random();
    let _house = Segment::<House>::create(&known, &options(), ()).expect("a house");
    if let Err(error) = mount("tmpfs", Path::new("/proc"), "mode=700") {
        return std::println!("no tmpfs: {error}");
    }
    let made = Segment::<House>::create(&name, &options(), ());
    assert_eq!(made.err(), Some(Error::NoProc));
    assert!(!name.path().exists(), "something is left");
    let made = Segment::<House>::memfd(&options(), ());
    assert_eq!(made.err(), Some(Error::NoProc));
    // One with a name is opened by that.
    assert_eq!(Segment::<House>::open(&known).err(), None);
    Segment::unlink(&known).expect("it is there");
    assert_eq!(Segment::<House>::open(&known).err(), Some(Error::NotFound));
    std::println!("refused");
}

/// Runs a role in a mount namespace of its own, and for who is not root in a
/// user namespace, too.
fn apart(role: &str, name: &Name) {
    let run = |arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(arguments).arg(std::env::current_exe().expect("this binary"));
        command.args(["--exact", "shm::tests::child_with_a_role", "--nocapture"]);
        command.env("PORTUNUS_SHM_ROLE", role).env("NAME", name.to_string());
        super::die_with_parent(&mut command);
        match command.output() {
            Ok(said) => {
                [said.stdout, said.stderr].map(|text| String::from_utf8_lossy(&text).into_owned())
            }
            Err(error) => [String::new(), std::format!("no `unshare`: {error}")],
        }
    };
    let said = [&["--mount"][..], &["--user", "--map-root-user", "--mount"]].map(run);
    // Of the test's own failures the child tells by its panic.
    assert!(!said.iter().any(|[_, err]| err.contains("panicked")), "{said:?}");
    if !said.iter().any(|[out, _]| out.contains("refused")) {
        std::eprintln!("skipped: {role} can't be here: {said:?}");
    }
}

#[test]
fn where_locks_go_with_the_descriptor_nobody_attaches() {
    let name = Name::random();
    let folder = Path::new("/dev/shm").join(name.to_string());
    fs::create_dir(&folder).expect("a folder");
    apart("resident", &name);
    let _ = fs::remove_dir(&folder);
}

#[test]
fn where_proc_is_missing_no_segment_is_made() {
    apart("hermit", &Name::random());
}
