//! Segments: names, what is refused before it is mapped, publication.

#![cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

use std::fs;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::Duration;

use portunus::rules::{Access, BoundedReaders, Exclusive, ReadWrite, Sole};
use portunus::shm::{AfterReboot, Error, FifoLock, Name, NameError, Options, Segment};

type Lock = FifoLock<ReadWrite>;

/// A name that goes when the test ends.
struct Named(Name);

impl Drop for Named {
    fn drop(&mut self) {
        let _ = Segment::unlink(&self.0);
    }
}

impl Named {
    fn new() -> Self {
        Self(Name::random())
    }

    fn path(&self) -> PathBuf {
        self.0.path()
    }
}

fn options() -> Options {
    Options::new().processes(4).records(16)
}

#[test]
fn names_are_what_files_can_have() {
    assert_eq!(Name::new(""), Err(NameError::Empty));
    assert_eq!(Name::new("a/b"), Err(NameError::Slash { at: 1 }));
    assert_eq!(Name::new("ab\0c"), Err(NameError::Nul { at: 2 }));
    assert_eq!(Name::new("."), Err(NameError::Dots));
    assert_eq!(Name::new(".."), Err(NameError::Dots));
    assert_eq!(Name::new("sem.a"), Err(NameError::Reserved));
    assert_eq!(Name::new("x".repeat(256)), Err(NameError::TooLong { len: 256 }));
    let longest = Named(Name::new("x".repeat(255)).unwrap());
    let segment: Segment<Lock> = Segment::create(&longest.0, &options(), ()).unwrap();
    assert!(!segment.is_unlinked());
    assert_ne!(Name::random(), Name::random());
}

#[test]
fn a_name_is_created_once_and_removed_once() {
    let name = Named::new();
    let missing = Segment::<Lock>::open(&name.0);
    assert_eq!(missing.err(), Some(Error::NotFound));
    let first: Segment<Lock> = Segment::create(&name.0, &options(), ()).unwrap();
    let again = Segment::<Lock>::create(&name.0, &options(), ());
    assert_eq!(again.err(), Some(Error::Exists));
    let second: Segment<Lock> = Segment::open_or_create(&name.0, &options(), ()).unwrap();
    let hold = first.acquire(Access::Write).unwrap();
    assert!(second.try_acquire(Access::Read).unwrap().is_none(), "it is the same lock");
    drop(hold);
    Segment::unlink(&name.0).unwrap();
    assert_eq!(Segment::unlink(&name.0), Err(Error::NotFound));
    assert!(first.is_unlinked() && second.is_unlinked());
    let hold = second.acquire(Access::Write).unwrap();
    assert!(first.is_locked(), "those who are attached go on");
    drop(hold);
    let third: Segment<Lock> = Segment::create(&name.0, &options(), ()).unwrap();
    assert!(!third.is_unlinked());
}

#[test]
fn another_layout_is_refused() {
    let name = Named::new();
    let _first: Segment<Lock> = Segment::create(&name.0, &options(), ()).unwrap();
    let layout = |error: Option<Error>| matches!(error, Some(Error::Layout { found, wanted }) if found != wanted);
    assert!(layout(Segment::<FifoLock<Exclusive>>::open(&name.0).err()), "another rule");
    assert!(layout(Segment::<FifoLock<BoundedReaders<9>>>::open(&name.0).err()), "another limit");
    assert!(layout(Segment::<(Lock, Lock)>::open(&name.0).err()), "two");
    assert!(layout(Segment::<()>::open(&name.0).err()), "nothing");
    assert!(Segment::<Lock>::open(&name.0).is_ok());
}

/// Changes some bytes of a segment's file.
fn poke(path: &PathBuf, at: u64, bytes: &[u8]) {
    fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, at).unwrap();
}

#[test]
fn each_fault_of_a_head_has_its_error() {
    let fresh = || {
        let name = Named::new();
        drop(Segment::<Lock>::create(&name.0, &options(), ()).unwrap());
        name
    };
    let open = |name: &Named| Segment::<Lock>::open(&name.0).err();

    let name = fresh();
    assert_eq!(open(&name), None);
    poke(&name.path(), 0, b"NOTOURS!");
    let found = u64::from_ne_bytes(*b"NOTOURS!");
    assert!(matches!(open(&name), Some(Error::NotASegment { found: seen, .. }) if seen == found));

    let name = fresh();
    poke(&name.path(), 8, &7u32.to_ne_bytes());
    assert_eq!(open(&name), Some(Error::Version { found: 7, wanted: 1 }));

    let name = fresh();
    poke(&name.path(), 32, &5u32.to_ne_bytes());
    assert!(matches!(open(&name), Some(Error::Corrupt { what: "checksum", .. })));

    let name = fresh();
    let len = fs::metadata(name.path()).unwrap().len();
    fs::OpenOptions::new().write(true).open(name.path()).unwrap().set_len(len / 2).unwrap();
    assert_eq!(open(&name), Some(Error::Truncated { found: len / 2, wanted: len }));
    fs::OpenOptions::new().write(true).open(name.path()).unwrap().set_len(50).unwrap();
    assert_eq!(open(&name), Some(Error::Truncated { found: 50, wanted: 4096 }));

    let name = fresh();
    fs::set_permissions(name.path(), fs::Permissions::from_mode(0o620)).unwrap();
    assert_eq!(open(&name), Some(Error::WritableByOthers { found: 0o620 }));
    let trusting = Segment::<Lock>::open_with(&name.0, &Options::new().trust_others(true));
    assert!(trusting.is_ok());

    let name = fresh();
    if std::os::unix::fs::chown(name.path(), Some(1), None).is_ok() {
        assert!(matches!(open(&name), Some(Error::OtherOwner { found: 1, .. })));
    }
}

#[test]
fn objects_that_overlap_are_refused() {
    let name = Named::new();
    drop(Segment::<(Lock, Lock)>::create(&name.0, &options(), ((), ())).unwrap());
    // Behind the attachments, the records' owners and the records: of each
    // object its kind, where it is in units of 64 bytes, and how long it is.
    let directory = 4096 + 4 * 64 + 64 + 16 * 64;
    let bytes = fs::read(name.path()).unwrap();
    let number = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
    let (first, second) = (number(directory + 4), number(directory + 20));
    let (len, end) = (number(directory + 8), u64::from(first * 64 + number(directory + 8)));
    assert!(first < second && u64::from(second) * 64 >= end, "{first} {second} {len}");
    for at in [first, second - 1] {
        poke(&name.path(), directory as u64 + 20, &at.to_ne_bytes());
        let (found, wanted) = (u64::from(at) * 64, end);
        let error = Segment::<(Lock, Lock)>::open(&name.0).err();
        assert_eq!(error, Some(Error::Corrupt { what: "directory", found, wanted }));
    }
    poke(&name.path(), directory as u64 + 20, &second.to_ne_bytes());
    assert!(Segment::<(Lock, Lock)>::open(&name.0).is_ok());
}

#[test]
fn what_is_no_file_is_refused() {
    let (target, name) = (Named::new(), Named::new());
    drop(Segment::<Lock>::create(&target.0, &options(), ()).unwrap());
    symlink(target.path(), name.path()).unwrap();
    assert_eq!(Segment::<Lock>::open(&name.0).err(), Some(Error::NotAFile));
    fs::remove_file(name.path()).unwrap();
    fs::create_dir(name.path()).unwrap();
    assert_eq!(Segment::<Lock>::open(&name.0).err(), Some(Error::NotAFile));
    fs::remove_dir(name.path()).unwrap();
}

#[test]
fn options_out_of_range_are_errors() {
    let name = Named::new();
    let create = |options: Options| Segment::<Lock>::create(&name.0, &options, ()).err();
    for (options, what) in [
        (Options::new().processes(0), "processes"),
        (Options::new().processes(1024), "processes"),
        (Options::new().records(7), "records"),
        (Options::new().records(1 << 21), "records"),
        (Options::new().poll(Duration::ZERO), "poll (ms)"),
        (Options::new().mode(0o077), "mode"),
    ] {
        let error = create(options);
        assert!(matches!(error, Some(Error::Option { name, .. }) if name == what), "{error:?}");
    }
    assert!(!name.path().exists());
}

#[test]
fn random_bytes_are_an_error_and_never_a_crash() {
    let name = Named::new();
    drop(Segment::<(Lock, FifoLock<Exclusive>)>::create(&name.0, &options(), ((), ())).unwrap());
    let good = fs::read(name.path()).unwrap();
    let mut seed = 88_172_645_463_325_252_u64;
    let mut roll = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed >> 9
    };
    let (mut opened, mut refused) = (0, 0);
    for round in 0..1500 {
        let mut bytes = good.clone();
        match round % 3 {
            // Noise of any length.
            0 => {
                bytes = (0..roll() % 10_000).map(|_| roll() as u8).collect();
            }
            // A head with a few bytes changed.
            1 => {
                for _ in 0..1 + roll() % 4 {
                    bytes[(roll() % 96) as usize] = roll() as u8;
                }
            }
            // A good head, and noise in everything behind it.
            _ => {
                for byte in &mut bytes[4096..] {
                    if roll() % 4 == 0 {
                        *byte = roll() as u8;
                    }
                }
            }
        }
        fs::write(name.path(), &bytes).unwrap();
        match Segment::<(Lock, FifoLock<Exclusive>)>::open(&name.0) {
            Ok(_) => opened += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(refused >= 1000, "{refused} refused, {opened} opened");
}

#[test]
fn noise_in_records_is_wrong_and_nothing_worse() {
    let name = Named::new();
    let segment: Segment<Lock> = Segment::create(&name.0, &options(), ()).unwrap();
    let mut seed = 362_436_069_u64;
    // Attachments, chunks and records; not the lock's word, which may then
    // stay taken for ever.
    for _ in 0..200 {
        for at in (4096 + 4 * 64..4096 + 4 * 64 + 64 + 16 * 64).step_by(8) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            poke(&name.path(), at, &seed.to_ne_bytes());
        }
        let _ = segment.recover();
        let _ = segment.peers().count();
        let _ = segment.waiting();
        let _ = format!("{segment:?}");
    }
}

#[test]
fn a_descriptor_is_passed_on() {
    let (first, fd) = Segment::<FifoLock<Exclusive>>::memfd(&options(), ()).unwrap();
    let second = Segment::<FifoLock<Exclusive>>::from_fd(fd.as_fd()).unwrap();
    let hold = second.acquire(Sole::Exclusive).unwrap();
    assert!(first.try_acquire(Sole::Exclusive).unwrap().is_none());
    drop(hold);
    let file = fs::File::from(fd);
    assert!(file.set_len(0).is_err(), "its size is sealed");
    assert!(first.is_unlinked());
    let nothing = tempfile();
    assert!(matches!(
        Segment::<Lock>::from_fd(nothing.as_fd()).err(),
        Some(Error::Truncated { .. })
    ));
}

/// A path on a disk, or where that can't be, as on an overlay, in memory.
fn path() -> PathBuf {
    let path = std::env::temp_dir().join(Name::random().as_str());
    match Segment::<()>::create_file(&path, &options(), ()) {
        Err(Error::Unsupported { .. }) => Name::random().path(),
        made => {
            drop(made.unwrap());
            Segment::unlink_file(&path).unwrap();
            path
        }
    }
}

fn tempfile() -> fs::File {
    let path = path();
    let file = fs::File::options().create_new(true).read(true).write(true).open(&path).unwrap();
    fs::remove_file(path).unwrap();
    file
}

#[test]
fn its_errors_are_the_systems_kinds() {
    let missing = Segment::<Lock>::open(&Name::random()).expect_err("nothing is there");
    let error = std::io::Error::from(missing.clone());
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::NotFound, missing.to_string()));
    assert!(error.get_ref().is_some_and(|inner| inner.downcast_ref::<Error>() == Some(&missing)));
    for (error, kind) in [
        (Error::Exists, ErrorKind::AlreadyExists),
        (Error::Denied, ErrorKind::PermissionDenied),
        (Error::NoSpace { wanted: 1 }, ErrorKind::StorageFull),
        (Error::System { doing: "reading", errno: libc::EINTR }, ErrorKind::Interrupted),
        (Error::Forked, ErrorKind::Other),
    ] {
        assert_eq!(std::io::Error::from(error).kind(), kind);
    }
}

#[test]
fn a_file_of_another_boot_is_refused_adopted_or_replaced() {
    let path = path();
    let first: Segment<Lock> = Segment::create_file(&path, &options(), ()).unwrap();
    core::mem::forget(first.acquire(Access::Write));
    drop(first);
    // As if the machine had been started anew: another boot, the sum mended.
    let mut head = fs::read(&path).unwrap()[..96].to_vec();
    head[48] ^= 0xff;
    let sum = head[..88].iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    head[88..].copy_from_slice(&sum.to_ne_bytes());
    poke(&path, 0, &head);

    let refused = Segment::<Lock>::open_file(&path, &options());
    let error = refused.expect_err("of another boot");
    let Error::OtherBoot { found, wanted } = error else { panic!("{error}") };
    assert_ne!(found, wanted);
    for boot in [found, wanted] {
        let shown = format!("{:032x}", u128::from_be_bytes(boot));
        assert!(error.to_string().contains(&shown), "{error}");
    }
    let adopt = options().after_reboot(AfterReboot::Adopt);
    let adopted: Segment<Lock> = Segment::open_file(&path, &adopt).unwrap();
    let died = adopted.acquire(Access::Read).expect_err("its holder died with the machine");
    drop(died);
    // It is of this boot now.
    assert!(Segment::<Lock>::open_file(&path, &options()).is_ok());

    poke(&path, 0, &head);
    let reset = options().after_reboot(AfterReboot::Reset);
    let new: Segment<Lock> = Segment::open_or_create_file(&path, &reset, ()).unwrap();
    assert!(new.acquire(Access::Read).is_ok(), "it is a new one");
    assert!(adopted.is_unlinked());
    Segment::unlink_file(&path).unwrap();
}

#[test]
fn many_open_or_create_one() {
    for _ in 0..20 {
        let name = Named::new();
        let barrier = std::sync::Barrier::new(6);
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..6)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        let options = Options::new().processes(8).records(64);
                        Segment::<Lock>::open_or_create(&name.0, &options, ()).unwrap()
                    })
                })
                .collect();
            let all: Vec<_> = all.into_iter().map(|thread| thread.join().unwrap()).collect();
            let hold = all[0].acquire(Access::Write).unwrap();
            assert!(all.iter().all(|segment| segment.is_locked()), "all have the same");
            assert_eq!(all[0].peers().count(), 6);
            assert_eq!(all[0].peers().filter(portunus::shm::Peer::is_this).count(), 1);
            drop(hold);
        });
    }
}

#[test]
fn no_room_is_an_error() {
    let name = Named::new();
    let options = Options::new().records(1 << 20);
    // Sixty-four megabytes fit; that they are there is known at once.
    let segment: Segment<Lock> = Segment::create(&name.0, &options, ()).unwrap();
    assert!(fs::metadata(name.path()).unwrap().len() > 64 << 20);
    drop(segment);
    let missing = Segment::<Lock>::create_file("/nowhere/at/all", &Options::new(), ());
    assert_eq!(missing.err(), Some(Error::NotFound));
}
