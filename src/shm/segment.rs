//! Segments: files that processes map, with shared primitives in them.

use alloc::ffi::CString;
use alloc::sync::Arc;
use core::fmt;
use core::ops::Deref;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::attach::{Attachment, Source, write_directory};
use super::content::{Content, Site};
use super::error::Error;
use super::fault::{Point, point};
use super::format::{HEAD_USED, Head, Plan};
use super::map::Map;
use super::name::Name;
use super::options::{AfterReboot, Options};
use super::tasks::Tasks;
use super::{repair, sys};

/// Memory that processes share, with primitives of the type `C` in it.
///
/// It derefs to them: to one, or to a tuple or array of them. All threads of
/// the process use it; when it is dropped and nothing in it is borrowed, the
/// process lets go of the memory.
///
/// ```
/// use portunus::shm::{FifoLock, Name, Options, Segment};
/// use portunus::rules::{Access, ReadWrite};
///
/// let name = Name::random();
/// let ours: Segment<FifoLock<ReadWrite>> = Segment::create(&name, &Options::new(), ())?;
///
/// // In another process:
/// let theirs: Segment<FifoLock<ReadWrite>> = Segment::open(&name)?;
/// let hold = theirs.acquire(Access::Write).unwrap();
/// assert!(ours.is_locked());
/// # drop(hold);
///
/// Segment::unlink(&name)?;
/// assert!(ours.is_unlinked());
/// # Ok::<(), portunus::shm::Error>(())
/// ```
///
/// # Names and lifetimes
///
/// A segment is a file in `/dev/shm` ([`create`](Self::create)), one without a
/// name whose descriptor is passed on ([`memfd`](Self::memfd)), or one that
/// you choose ([`create_file`](Self::create_file)). It is complete when it
/// gets its name: nobody ever sees half a segment, and a creator that is
/// killed leaves nothing behind.
///
/// Opening never owns: no exit and no death removes a segment. Only
/// [`unlink`](Self::unlink) takes the name away; those who are attached go on
/// with it.
///
/// # Death, stops, forks
///
/// What a dead process held is given back, see
/// [`FifoLock`](super::FifoLock). A stopped one is alive.
///
/// A child of `fork` has none of its parent's segments: its first use of one
/// panics, what it drops changes nothing, and it may open them anew. Children
/// of other programs, and threads, have nothing to heed. Fork while another
/// thread is in the middle of opening a segment, and the child may keep that
/// thread's process alive in the eyes of the others until it ends or executes
/// another program.
///
/// # Trust
///
/// Whoever may write to the file can break whatever is shared in it: by
/// default only the same user. Data become wrong then, never the program's
/// memory; but a file in `/dev/shm` that a peer makes shorter ends the program
/// with SIGBUS, as for every mapped file. A [`memfd`](Self::memfd) can't be
/// made shorter.
#[doc(alias = "shm_open")]
#[doc(alias = "SharedMemory")]
#[doc(alias = "managed_shared_memory")]
pub struct Segment<C = ()> {
    content: C,
    attachment: Arc<Attachment>,
}

/// Names are tried this often when others create and remove them meanwhile.
const RACES: u32 = 1000;

impl Segment {
    /// Removes a name. Whoever is attached goes on; nobody can open it any
    /// more, and a new segment may get the name.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when it is not there, so also the second time.
    #[doc(alias = "shm_unlink")]
    pub fn unlink(name: &Name) -> Result<(), Error> {
        Self::unlink_file(name.path())
    }

    /// Removes a file. As [`unlink`](Self::unlink).
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when it is not there.
    pub fn unlink_file(path: impl AsRef<Path>) -> Result<(), Error> {
        fs::remove_file(path).map_err(Error::system("removing a segment"))
    }
}

impl<C: Content> Segment<C> {
    /// Creates a segment with this name.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`]; [`Error::NoSpace`]; [`Error::Option`] for options out
    /// of range; and whatever the system refuses.
    pub fn create(name: &Name, options: &Options, init: C::Init) -> Result<Self, Error> {
        Self::create_at(name.path(), options, &init)
    }

    /// Opens the segment with this name, for which everybody needs the same
    /// type `C`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], and one for each reason to refuse what is there,
    /// see [`Error`]. All is checked before the memory is touched.
    #[doc(alias = "attach")]
    pub fn open(name: &Name) -> Result<Self, Error> {
        Self::open_with(name, &Options::new())
    }

    /// As [`open`](Self::open); of the options those count that are about
    /// opening: whom to trust.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_with(name: &Name, options: &Options) -> Result<Self, Error> {
        Self::open_at(name.path(), options)
    }

    /// Opens the segment with this name, or creates it. Of several who do this
    /// at once, one creates it, and all have the same.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open) and [`create`](Self::create).
    pub fn open_or_create(name: &Name, options: &Options, init: C::Init) -> Result<Self, Error> {
        Self::open_or_create_at(name.path(), options, &init)
    }

    /// Creates a segment in a file of your own, for instance on a disk.
    ///
    /// Not on a network: processes of one machine share it. And not on an
    /// overlay, as the root of a container is one: there a file's locks don't
    /// stay with what was mapped of it. A volume, `/dev/shm` or any other
    /// `tmpfs` in the container do.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create); [`Error::Unsupported`] on file systems
    /// that can't share memory, or can't say who lives.
    pub fn create_file(
        path: impl Into<PathBuf>,
        options: &Options,
        init: C::Init,
    ) -> Result<Self, Error> {
        Self::create_at(path.into(), options, &init)
    }

    /// Opens a segment in a file of your own.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); [`Error::OtherBoot`] when the machine was
    /// started anew, unless [`Options::after_reboot`] says otherwise.
    pub fn open_file(path: impl Into<PathBuf>, options: &Options) -> Result<Self, Error> {
        Self::open_at(path.into(), options)
    }

    /// Opens a segment in a file of your own, or creates it.
    ///
    /// # Errors
    ///
    /// As [`open_file`](Self::open_file) and [`create_file`](Self::create_file).
    pub fn open_or_create_file(
        path: impl Into<PathBuf>,
        options: &Options,
        init: C::Init,
    ) -> Result<Self, Error> {
        Self::open_or_create_at(path.into(), options, &init)
    }

    /// Creates a segment without a name, and a descriptor to pass on: to a
    /// child, or over a socket. Whoever gets it calls
    /// [`from_fd`](Self::from_fd).
    ///
    /// Its size is sealed: no peer can make it shorter.
    ///
    /// ```
    /// use std::os::fd::AsFd;
    /// use portunus::rules::Exclusive;
    /// use portunus::shm::{FifoLock, Options, Segment};
    ///
    /// let (ours, fd) = Segment::<FifoLock<Exclusive>>::memfd(&Options::new(), ())?;
    /// let theirs = Segment::<FifoLock<Exclusive>>::from_fd(fd.as_fd())?;
    /// # let _ = (ours, theirs);
    /// # Ok::<(), portunus::shm::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create); [`Error::NoProc`].
    pub fn memfd(options: &Options, init: C::Init) -> Result<(Self, OwnedFd), Error> {
        let file = File::from(sys::memfd().map_err(Error::system("making a file in memory"))?);
        let source = Source::of(&file, None)?;
        // The one that is passed on must not be the one that says who lives.
        let passed = source.reopen(Some(&file))?;
        let this = Self::make(file, source, options, &init, |file| {
            sys::seal(file).map_err(Error::system("sealing a file in memory"))
        })?;
        Ok((this, OwnedFd::from(passed)))
    }

    /// Opens the segment behind a descriptor, which is not needed afterwards.
    ///
    /// Who passed it is trusted: whose the file is does not matter.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); [`Error::NoProc`].
    pub fn from_fd(fd: BorrowedFd<'_>) -> Result<Self, Error> {
        let path = std::format!("/proc/self/fd/{}", fd.as_raw_fd());
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(Error::NoProc),
            Err(error) => return Err(Error::system("opening a segment")(error)),
        };
        let source = Source::of(&file, None)?;
        Self::attach(file, source, &Options::new().trust_others(true))
    }

    fn plan() -> Plan {
        let mut plan = Plan::new();
        C::plan(&mut plan);
        plan
    }

    fn create_at(path: PathBuf, options: &Options, init: &C::Init) -> Result<Self, Error> {
        options.check()?;
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => PathBuf::from(folder),
            _ => PathBuf::from("."),
        };
        let mut nameless = OpenOptions::new();
        nameless.read(true).write(true).mode(0o600).custom_flags(libc::O_TMPFILE);
        match nameless.open(&folder) {
            Ok(file) => {
                if path.symlink_metadata().is_ok() {
                    // Spare the work; the link below decides.
                    return Err(Error::Exists);
                }
                let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| {
                    Error::System { doing: "naming a segment", errno: libc::EINVAL }
                })?;
                let source = Source::of(&file, Some(path))?;
                Self::make(file, source, options, init, |file| {
                    sys::link(file, &name).map_err(Error::system("naming a segment"))
                })
            }
            Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR)) => {
                Self::create_with_link(path, &folder, options, init)
            }
            Err(error) => Err(Error::system("creating a segment")(error)),
        }
    }

    /// Where files can't be without a name: under another one first. Only here
    /// may a creator that is killed leave something behind.
    fn create_with_link(
        path: PathBuf,
        folder: &Path,
        options: &Options,
        init: &C::Init,
    ) -> Result<Self, Error> {
        let first = folder.join(Name::random().as_str());
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&first)
            .map_err(Error::system("creating a segment"))?;
        let made = Source::of(&file, Some(path.clone())).and_then(|source| {
            Self::make(file, source, options, init, |_| {
                fs::hard_link(&first, &path).map_err(Error::system("naming a segment"))
            })
        });
        let _ = fs::remove_file(&first);
        made
    }

    /// Fills a file that nobody sees, attaches to it, and publishes it.
    fn make(
        file: File,
        source: Source,
        options: &Options,
        init: &C::Init,
        publish: impl FnOnce(&File) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        check_filesystem(&file)?;
        let mut plan = Plan::new();
        C::plan_for(init, &mut plan);
        let head = Head::new(&plan, options, boot())?;
        let len = head.tables.len;
        let no_space = |error: std::io::Error| match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Error::NoSpace { wanted: len }
            }
            _ => Error::system("making room for a segment")(error),
        };
        file.set_permissions(fs::Permissions::from_mode(options.mode))
            .map_err(Error::system("setting a segment's permissions"))?;
        file.set_len(len).map_err(no_space)?;
        sys::allocate(&file, len).map_err(no_space)?;
        file.write_all_at(&head.encode(), 0).map_err(no_space)?;
        write_directory(&Map::new(&file, len)?, &head.tables, &plan.objects);
        point(Point::Filled);
        // The attachment closes its own descriptor; this one gives the name.
        let naming = source.reopen(Some(&file))?;
        let attachment = Attachment::new(file, source, &head)?;
        C::create(&mut Site::new(&attachment), init)?;
        let content = C::open(&mut Site::new(&attachment))?;
        point(Point::Complete);
        publish(&naming)?;
        point(Point::NameGiven);
        Ok(Self { content, attachment })
    }

    fn open_at(path: PathBuf, options: &Options) -> Result<Self, Error> {
        let mut how = OpenOptions::new();
        // No waiting at what turns out to be a pipe.
        how.read(true).write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let file = how.open(&path).map_err(Error::system("opening a segment"))?;
        let source = Source::of(&file, Some(path.clone()))?;
        match Self::attach(file, source.clone(), options) {
            Err(Error::OtherBoot { .. }) if options.after_reboot == AfterReboot::Reset => {
                match reset(&source)? {
                    true => Err(Error::NotFound),
                    false => Self::open_at(path, options),
                }
            }
            other => other,
        }
    }

    fn open_or_create_at(path: PathBuf, options: &Options, init: &C::Init) -> Result<Self, Error> {
        let mut last = Error::NotFound;
        for _ in 0..RACES {
            match Self::open_at(path.clone(), options) {
                Err(Error::NotFound) => {}
                other => return other,
            }
            match Self::create_at(path.clone(), options, init) {
                Err(error @ Error::Exists) => last = error,
                other => return other,
            }
        }
        Err(last)
    }

    /// Checks what a file holds, and attaches to it.
    fn attach(file: File, source: Source, options: &Options) -> Result<Self, Error> {
        let head = examine(&file, options, Some(Self::plan().fingerprint.get()))?;
        let head = adopt(&file, &source, head, options)?;
        let attachment = Attachment::new(file, source, &head)?;
        let content = C::open(&mut Site::new(&attachment))?;
        Ok(Self { content, attachment })
    }
}

/// Reads and checks a segment's head, of a file that may be anything.
pub(super) fn examine(
    file: &File,
    options: &Options,
    fingerprint: Option<u64>,
) -> Result<Head, Error> {
    let data = file.metadata().map_err(Error::system("asking for a file"))?;
    if !data.is_file() {
        return Err(Error::NotAFile);
    }
    if !options.trust_others {
        let wanted = sys::effective_user();
        if data.uid() != wanted {
            return Err(Error::OtherOwner { found: data.uid(), wanted });
        }
        let found = data.mode() & 0o7777;
        if found & 0o022 != 0 {
            return Err(Error::WritableByOthers { found });
        }
    }
    check_filesystem(file)?;
    let head = || {
        let (bytes, len) = read_head(file)?;
        Head::decode(&bytes[..len], data.len(), fingerprint)
    };
    match head() {
        // Perhaps somebody was just writing it, see `adopt`.
        Err(Error::Corrupt { what: "checksum", .. }) => {
            sys::lock_byte(file, sys::REGISTRY).map_err(Error::system("locking a segment"))?;
            let again = head();
            sys::unlock_byte(file, sys::REGISTRY).map_err(Error::system("unlocking a segment"))?;
            again
        }
        head => head,
    }
}

fn read_head(file: &File) -> Result<([u8; HEAD_USED], usize), Error> {
    let mut bytes = [0; HEAD_USED];
    let mut len = 0;
    while len < HEAD_USED {
        match file.read_at(&mut bytes[len..], len as u64) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::system("reading a segment's head")(error)),
        }
    }
    Ok((bytes, len))
}

// Of several who find a segment that is older than the machine's start, some may
// be told to go on with it, and some to replace it. Each does so with the
// registry locked, and looks first what the others have done: so all have the
// same one in the end.

/// Whether a segment is older than the machine's start, as far as one can tell.
fn is_outdated(head: &Head) -> bool {
    let (found, now) = (head.boot, boot());
    found != now && found != [0; 16] && now != [0; 16]
}

/// Refuses a segment that is older than the machine's start, or makes it one
/// of this start.
fn adopt(file: &File, source: &Source, head: Head, options: &Options) -> Result<Head, Error> {
    if !is_outdated(&head) {
        return Ok(head);
    }
    let (found, wanted) = (head.boot, boot());
    if options.after_reboot != AfterReboot::Adopt {
        return Err(Error::OtherBoot { found, wanted });
    }
    point(Point::Outdated);
    sys::lock_byte(file, sys::REGISTRY).map_err(Error::system("locking a segment"))?;
    // One that was removed to be replaced is not found.
    let there = source.path.as_ref().map_or(Ok(()), |_| source.reopen(None).map(drop));
    // All who write it write the same.
    let adopted = Head { boot: wanted, ..head };
    let write = || {
        let written = file.write_all_at(&adopted.encode(), 0);
        written.map_err(Error::system("writing a segment's head"))
    };
    let written = there.and_then(|()| write());
    sys::unlock_byte(file, sys::REGISTRY).map_err(Error::system("unlocking a segment"))?;
    written.map(|()| adopted)
}

/// Removes a segment that is older than the machine's start; `false`: it is not
/// so any more, because somebody has adopted it.
///
/// Of several who find it at once, one removes it: the others must not remove
/// what somebody has made since under its name.
fn reset(old: &Source) -> Result<bool, Error> {
    let file = match old.reopen(None) {
        Err(Error::NotFound) => return Ok(true),
        other => other?,
    };
    point(Point::Outdated);
    // Until the file is closed.
    sys::lock_byte(&file, sys::REGISTRY).map_err(Error::system("locking a segment"))?;
    // Is the name still this file's? Whoever else would remove it so waits.
    let path = match (old.reopen(None), &old.path) {
        (Ok(_), Some(path)) => path,
        (Ok(_), None) | (Err(Error::NotFound), _) => return Ok(true),
        (Err(error), _) => return Err(error),
    };
    let len = file.metadata().map_err(Error::system("asking for a file"))?.len();
    let (bytes, read) = read_head(&file)?;
    if !is_outdated(&Head::decode(&bytes[..read], len, None)?) {
        return Ok(false);
    }
    fs::remove_file(path).map_err(Error::system("removing a segment"))?;
    Ok(true)
}

/// Whether processes of one machine share the memory of such files, and see
/// each other's locks on them.
fn check_filesystem(file: &File) -> Result<(), Error> {
    let magic = sys::filesystem(file.as_fd()).map_err(Error::system("asking for a file system"))?;
    let what = match magic & 0xffff_ffff {
        0x6969 => "segments on NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "segments on SMB",
        0x0102_1997 => "segments on 9p",
        0x6573_5546 => "segments on FUSE",
        0x794c_7630 => "segments on overlayfs",
        _ => return Ok(()),
    };
    Err(Error::Unsupported { what })
}

/// The start of the machine, or zeros where it has no name.
fn boot() -> [u8; 16] {
    let mut boot = [0; 16];
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits = text.chars().filter_map(|digit| digit.to_digit(16));
    for (i, digit) in digits.take(32).enumerate() {
        boot[i / 2] = boot[i / 2] << 4 | digit as u8;
    }
    boot
}

impl<C> Segment<C> {
    /// Whether its name was removed, or its file.
    pub fn is_unlinked(&self) -> bool {
        self.attachment.is_unlinked()
    }

    /// The processes that are attached, this one included.
    ///
    /// A snapshot. It asks the system about each.
    pub fn peers(&self) -> impl Iterator<Item = Peer> + '_ {
        self.attachment.check();
        let own = self.attachment.who();
        self.attachment.tenants().map(move |(who, pid, alive)| Peer {
            pid,
            alive,
            this: who == own,
        })
    }

    /// Takes back now what dead processes hold, in all locks of the segment.
    ///
    /// Nobody has to call this: those who wait look themselves.
    pub fn recover(&self) -> Recovered {
        self.attachment.check();
        Recovered::new(repair::sweep(&self.attachment))
    }

    /// Makes sure that this process can have `count` more holds and waiters at
    /// once.
    ///
    /// An acquisition for which there is no record panics; after this, so many
    /// don't.
    ///
    /// Each thread keeps up to nine records that it has given back, for itself
    /// alone, until it ends: so if several threads use the segment, ask for
    /// nine more for each of them. (Tasks use what their thread has.)
    ///
    /// ```
    /// use portunus::rules::Exclusive;
    /// use portunus::shm::{FifoLock, Name, Options, Segment};
    ///
    /// let (name, options) = (Name::random(), Options::new().records(256));
    /// let locks: Segment<[FifoLock<Exclusive>; 100]> =
    ///     Segment::create(&name, &options, [(); 100])?;
    /// // Four threads, which hold twenty of these locks at a time between them.
    /// locks.reserve(20 + 4 * 9)?;
    /// # Segment::unlink(&name)?;
    /// # Ok::<(), portunus::shm::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::TooManyRecords`]: see [`Options::records`]. [`Error::Forked`].
    pub fn reserve(&self, count: u32) -> Result<(), Error> {
        self.attachment.reserve(count)
    }
}

impl<C> Deref for Segment<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.content
    }
}

/// The process lets go of the memory: at once, or, if tasks have waited in it,
/// as soon as the thread that woke them has ended.
impl<C> Drop for Segment<C> {
    fn drop(&mut self) {
        Tasks::end(&self.attachment);
    }
}

impl<C: fmt::Debug> fmt::Debug for Segment<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment").field("content", &self.content).finish_non_exhaustive()
    }
}

/// A process that is attached to a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    pid: u32,
    alive: bool,
    this: bool,
}

impl Peer {
    pub(super) fn new(pid: u32, alive: bool, this: bool) -> Self {
        Self { pid, alive, this }
    }

    /// Its process number where it was attached, which may be another one here.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it lives. What a dead one held has perhaps not been taken back.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.alive
    }

    /// Whether it is the attachment that was asked.
    #[must_use]
    pub fn is_this(&self) -> bool {
        self.this
    }
}

/// What [`Segment::recover`] took back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Recovered {
    dead: usize,
    pending: bool,
}

impl Recovered {
    pub(super) fn new(found: repair::Found) -> Self {
        Self { dead: found.dead, pending: found.pending }
    }

    /// How many holds and places in line of dead processes.
    #[must_use]
    pub fn dead(&self) -> usize {
        self.dead
    }

    /// Whether something is left to do: a living process stands still, in one
    /// of a few instructions in the middle of an operation. It is done when
    /// that process goes on, or dies.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.pending
    }
}
