//! A look at a segment by one who does not know what it holds.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;

use super::attach::{Attachment, Source};
use super::error::Error;
use super::format::{Head, kind, lock, record};
use super::name::Name;
use super::options::Options;
use super::record::{self as note, State};
use super::segment::{Peer, Recovered, examine};
use super::{repair, sys};
use crate::atomic::Ordering;

/// A segment, seen by one who does not know its type: who is attached, who
/// holds what, who waits.
///
/// It is attached as everybody else: it takes a slot. What it says is a
/// snapshot, of which each part may be of another moment.
///
/// # Panics
///
/// In a child of `fork`, [`deaths`](Self::deaths), [`peers`](Self::peers),
/// [`claims`](Self::claims) and [`recover`](Self::recover) do.
///
/// ```
/// use portunus::rules::{Access, ReadWrite};
/// use portunus::shm::{FifoLock, Inspection, Name, Options, Segment};
///
/// let name = Name::random();
/// let lock: Segment<FifoLock<ReadWrite>> = Segment::create(&name, &Options::new(), ())?;
/// let hold = lock.acquire(Access::Write).unwrap();
///
/// let seen = Inspection::open(&name, &Options::new())?;
/// let claims = seen.claims();
/// assert_eq!(claims.len(), 1);
/// assert_eq!((claims[0].mode(), claims[0].is_waiting()), (1, false));
/// # drop(hold);
/// # Segment::unlink(&name)?;
/// # Ok::<(), portunus::shm::Error>(())
/// ```
pub struct Inspection {
    attachment: Arc<Attachment>,
    head: Head,
}

/// A hold, or a place in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    lock: usize,
    mode: u8,
    weight: u32,
    pid: u32,
    alive: bool,
    waits: Option<Duration>,
    holds: Option<Duration>,
}

impl Claim {
    /// Which of the segment's locks, in the order of its content.
    #[must_use]
    pub fn lock(&self) -> usize {
        self.lock
    }

    /// The index of the mode.
    #[must_use]
    pub fn mode(&self) -> u8 {
        self.mode
    }

    /// How many units.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// The number of the process, where it was attached; 0: it is gone.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether the process lives.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.alive
    }

    /// Whether it stands in line.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.waits.is_some()
    }

    /// How long it has stood in line, if it does.
    #[must_use]
    pub fn waits(&self) -> Option<Duration> {
        self.waits
    }

    /// How long it has been held in this mode, if it is and the segment notes
    /// it: see [`Options::hold_times`].
    #[must_use]
    pub fn holds(&self) -> Option<Duration> {
        self.holds
    }
}

impl Inspection {
    /// The names of all segments in [`Name::FOLDER`] that this user may read.
    pub fn names() -> Vec<Name> {
        let Ok(folder) = fs::read_dir(Name::FOLDER) else { return Vec::new() };
        let is_segment = |name: &Name| {
            use std::io::Read;
            let mut first = [0; 8];
            let how = || OpenOptions::new().read(true).custom_flags(FLAGS).open(name.path());
            let read = how().and_then(|mut file| file.read_exact(&mut first));
            read.is_ok() && u64::from_ne_bytes(first) == super::format::MAGIC
        };
        folder
            .filter_map(|entry| Name::new(entry.ok()?.file_name().into_string().ok()?).ok())
            .filter(is_segment)
            .collect()
    }

    /// Attaches to the segment with this name, whatever it holds.
    ///
    /// # Errors
    ///
    /// As [`Segment::open`](super::Segment::open), except for the layout.
    pub fn open(name: &Name, options: &Options) -> Result<Self, Error> {
        let mut how = OpenOptions::new();
        how.read(true).write(true).custom_flags(FLAGS);
        let file = how.open(name.path()).map_err(Error::system("opening a segment"))?;
        let source = Source::of(&file, Some(name.path()))?;
        let head = examine(&file, options, None)?;
        let attachment = Attachment::new(file, source, &head)?;
        Ok(Self { attachment, head })
    }

    /// The fingerprint of what it holds: see [`Error::Layout`].
    pub fn fingerprint(&self) -> u64 {
        self.head.fingerprint
    }

    /// How long ago it was created, by the system's clock.
    pub fn age(&self) -> Duration {
        let created = std::time::UNIX_EPOCH + Duration::from_nanos(self.head.created);
        created.elapsed().unwrap_or_default()
    }

    /// How many processes and records it has room for.
    pub fn room(&self) -> (u32, u32) {
        (self.head.tables.processes, self.head.tables.records)
    }

    /// How many locks it holds.
    pub fn locks(&self) -> usize {
        self.attachment.objects().iter().filter(|object| object.kind == kind::LOCK).count()
    }

    /// How many owners died in the middle of a change at each lock, and nobody
    /// has mended it.
    pub fn deaths(&self) -> Vec<u32> {
        self.attachment.check();
        let locks = self.attachment.objects().iter().filter(|object| object.kind == kind::LOCK);
        let map = self.attachment.map();
        // Ordering: Relaxed, a snapshot.
        let load = |at| map.u32(at).load(Ordering::Relaxed);
        locks
            .map(|lock| load(lock.at + lock::DEATHS).wrapping_sub(load(lock.at + lock::MENDED)))
            .collect()
    }

    /// The processes that are attached.
    pub fn peers(&self) -> Vec<Peer> {
        self.attachment.check();
        let own = self.attachment.who();
        let tenants = self.attachment.tenants();
        tenants.map(|(who, pid, alive)| Peer::new(pid, alive, who == own)).collect()
    }

    /// All holds and places in line.
    pub fn claims(&self) -> Vec<Claim> {
        self.attachment.check();
        let tenants: Vec<_> = self.attachment.tenants().collect();
        let locks = self.attachment.objects().iter().filter(|object| object.kind == kind::LOCK);
        let locks: Vec<_> = locks.map(|lock| (lock.at / 64) as u32).collect();
        let now = sys::milliseconds();
        let mut claims = Vec::new();
        for index in 0..self.head.tables.records {
            // Ordering: Acquire, pairs with the Release of every note.
            let word = self.attachment.state_of(index).load(Ordering::Acquire);
            let object = note::object(word);
            let Some(lock) = locks.iter().position(|&lock| lock == object) else { continue };
            // Ordering: Relaxed, a snapshot.
            let since = self.attachment.record_u64(index, record::SINCE).load(Ordering::Relaxed);
            let time = Some(Duration::from_millis(now.saturating_sub(since)));
            let (waits, holds) = match State::of(word) {
                State::Idle => continue,
                State::Queued | State::Granting | State::Waiting => (time, None),
                State::Held if self.head.hold_times => (None, time),
                _ => (None, None),
            };
            let owner = self.attachment.owner_of(index);
            let tenant = tenants.iter().find(|(who, ..)| *who == owner);
            let (pid, alive) = tenant.map_or((0, false), |&(_, pid, alive)| (pid, alive));
            let asked = note::request(word);
            let (mode, weight) = (asked.mode, asked.weight);
            claims.push(Claim { lock, mode, weight, pid, alive, waits, holds });
        }
        claims
    }

    /// Takes back now what dead processes hold. As
    /// [`Segment::recover`](super::Segment::recover).
    pub fn recover(&self) -> Recovered {
        self.attachment.check();
        Recovered::new(repair::sweep(&self.attachment))
    }
}

/// No link is followed, and nobody waits at a pipe.
const FLAGS: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK;

impl fmt::Debug for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Inspection");
        debug.field("fingerprint", &self.head.fingerprint);
        if self.attachment.is_ours() {
            debug.field("claims", &self.claims());
        } else {
            debug.field("claims", &format_args!("<forked>"));
        }
        debug.finish_non_exhaustive()
    }
}
