//! A process's attachment to a segment: that it lives, and its records.
//!
//! # Who lives
//!
//! Each attachment has a slot, and the slot's byte of the file is locked for
//! the open file description through which the segment was mapped. The
//! descriptor is closed, so that the mapping is the only thing which keeps
//! that lock: it goes exactly when the address space can't touch the segment
//! any more, whether the process was killed, has ended or executes another
//! program, and not before: not when it is stopped, not when it closes all its
//! descriptors. No process number is involved.
//!
//! A slot's next tenant has another generation, so that what the old one left
//! is seen to be a dead one's.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;
use core::mem;
use core::time::Duration;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::error::Error;
use super::fault::{Point, point};
use super::format::{Head, Object, Tables, attachment, record};
use super::map::{Map, era_word};
use super::options::CHUNK;
use super::record::State;
use super::tasks::Tasks;
use super::world::world;
use super::{repair, sys};
use crate::atomic::{AtomicU32, AtomicU64, Ordering};

/// The bits of a `who` that say which slot.
const SLOT: u32 = 1023;
/// The generations, above them.
const GENERATIONS: u32 = (1 << 21) - 1;

/// How a segment's file is opened once more.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Its path, unless it has none.
    pub(super) path: Option<PathBuf>,
    /// The file: device and number.
    pub(super) identity: (u64, u64),
}

fn identity(file: &File) -> Option<(u64, u64)> {
    file.metadata().ok().map(|data| (data.dev(), data.ino()))
}

impl Source {
    pub(super) fn of(file: &File, path: Option<PathBuf>) -> Result<Self, Error> {
        let identity =
            identity(file).ok_or(Error::System { doing: "asking for a file", errno: 0 })?;
        Ok(Self { path, identity })
    }

    /// Another open file description of the same file.
    pub(super) fn reopen(&self, file: Option<&File>) -> Result<File, Error> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let is_it = |again: &File| identity(again) == Some(self.identity);
        // Why its path does not lead to it.
        let mut lost = Error::NotFound;
        if let Some(file) = file {
            match options.open(std::format!("/proc/self/fd/{}", file.as_raw_fd())) {
                Ok(again) if is_it(&again) => return Ok(again),
                // The descriptor is there. So one that has no name yet can be
                // opened in no way.
                Err(error) if error.kind() == ErrorKind::NotFound => lost = Error::NoProc,
                _ => {}
            }
        }
        let Some(path) = &self.path else { return Err(Error::NoProc) };
        options.custom_flags(libc::O_NOFOLLOW);
        match options.open(path).map_err(Error::system("opening a segment again")) {
            Ok(again) if is_it(&again) => Ok(again),
            Ok(_) | Err(Error::NotFound) => Err(lost),
            Err(error) => Err(error),
        }
    }
}

/// One process's part in a segment.
pub(super) struct Attachment {
    map: Map,
    tables: Tables,
    objects: Vec<Object>,
    poll: Duration,
    hold_times: bool,
    who: u32,
    own: Own,
    /// Through it others' bytes are looked at. Whoever closes all of a
    /// process's descriptors closes this one, and its number may be another
    /// file's since.
    probe: Option<File>,
    source: Source,
    /// Records that no thread has in its cache.
    pool: Mutex<Vec<u32>>,
    tasks: Tasks,
}

/// By what a process knows its attachment, and a thread the records of it.
#[derive(Clone, Copy)]
pub(super) struct Own {
    /// What the era's word said when the attachment was made.
    era: u32,
    era_word: &'static AtomicU32,
    /// Different for each attachment of this process.
    id: u64,
}

impl Own {
    /// Whether this process is the one that attached, and not its child.
    #[inline(always)]
    pub(super) fn is_ours(self) -> bool {
        // Ordering: Relaxed, the page changes by a fork only.
        self.era_word.load(Ordering::Relaxed) == self.era
    }

    /// Puts a record in front of the thread's shelves, if there is room: there
    /// it stays until this thread takes one.
    #[inline(always)]
    pub(super) fn keep_record(self, index: u32) -> bool {
        cache::keep(self.id, index)
    }
}

static IDS: AtomicU64 = AtomicU64::new(1);
static ERAS: AtomicU32 = AtomicU32::new(1);

/// Attachments of one process.
pub(super) type List = Mutex<Vec<(u64, Weak<Attachment>)>>;

/// How many generations of forks have lists of their own.
const LISTS: usize = 64;

/// Attachments of this process, for the threads' caches that end.
///
/// A process may be forked while another of its threads has its list locked,
/// which nobody unlocks in the child: a child, whose era is the next one, has
/// another list.
static ALL: [List; LISTS] = [const { Mutex::new(Vec::new()) }; LISTS];

/// This process's list.
pub(super) fn all() -> Result<&'static List, Error> {
    Ok(&ALL[current_era(era_word()?) as usize % LISTS])
}

fn current_era(word: &AtomicU32) -> u32 {
    // Ordering: Relaxed: a child of `fork` has one thread to begin with, and
    // the number means nothing but itself.
    match word.load(Ordering::Relaxed) {
        0 => {
            let era = ERAS.fetch_add(1, Ordering::Relaxed);
            match word.compare_exchange(0, era, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => era,
                Err(other) => other,
            }
        }
        era => era,
    }
}

impl Attachment {
    /// Attaches through `file`, an open file description of nobody else's,
    /// which is closed afterwards.
    pub(super) fn new(file: File, source: Source, head: &Head) -> Result<Arc<Self>, Error> {
        let era_word = era_word()?;
        let era = current_era(era_word);
        let map = Map::new(&file, head.tables.len)?;
        let tables = head.tables;
        let slot = (0..tables.processes)
            .find_map(|slot| match sys::try_lock_byte(&file, slot) {
                Ok(true) => Some(Ok(slot)),
                Ok(false) => None,
                Err(_) => Some(Err(Error::Unsupported { what: "locks of open file descriptions" })),
            })
            .unwrap_or(Err(Error::TooManyProcesses { limit: tables.processes }))?;
        point(Point::SlotTaken);
        let probe = source.reopen(Some(&file))?;
        // From here on the mapping alone keeps the byte locked.
        drop(file);
        // That a file system takes a lock does not say that others see it. And
        // where a file is but the upper side of another one, which is what is
        // mapped, the lock goes with the descriptor: who lives seems dead then.
        if !sys::is_byte_locked(&probe, slot).unwrap_or(false) {
            return Err(Error::Unsupported { what: "locks that a mapping keeps" });
        }
        let at = tables.attachments_at + u64::from(slot) * attachment::LEN;
        // Ordering: Relaxed, the byte's lock makes this slot ours; Release for
        // `who`: it is what the others look at.
        let generation = map.u32(at + attachment::GENERATION).load(Ordering::Relaxed);
        let generation = (generation % GENERATIONS) + 1;
        map.u32(at + attachment::GENERATION).store(generation, Ordering::Relaxed);
        map.u32(at + attachment::PID).store(std::process::id(), Ordering::Relaxed);
        map.u32(at + attachment::DOORBELL).store(0, Ordering::Relaxed);
        let who = generation << 10 | slot;
        map.u32(at + attachment::WHO).store(who, Ordering::Release);
        point(Point::SlotNamed);
        let objects = directory(&map, &tables, head.objects)?;
        let this = Arc::new(Self {
            map,
            tables,
            objects,
            poll: Duration::from_millis(head.poll.into()),
            hold_times: head.hold_times,
            who,
            // Ordering: Relaxed, only its being different counts.
            own: Own { era, era_word, id: IDS.fetch_add(1, Ordering::Relaxed) },
            probe: Some(probe),
            source,
            pool: Mutex::new(Vec::new()),
            tasks: Tasks::default(),
        });
        let mut all = all()?.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(_, other)| other.strong_count() != 0);
        all.push((this.own.id, Arc::downgrade(&this)));
        Ok(this)
    }

    #[inline(always)]
    pub(super) fn map(&self) -> &Map {
        &self.map
    }

    pub(super) fn tables(&self) -> &Tables {
        &self.tables
    }

    pub(super) fn objects(&self) -> &[Object] {
        &self.objects
    }

    #[cfg(test)]
    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    pub(super) fn poll(&self) -> Duration {
        self.poll
    }

    /// Whether it is noted when holds begin.
    pub(super) fn notes_times(&self) -> bool {
        self.hold_times
    }

    /// Notes that a hold begins.
    #[cold]
    pub(super) fn note_time(&self, index: u32) {
        // Ordering: Relaxed, for people only.
        self.record_u64(index, record::SINCE).store(sys::milliseconds(), Ordering::Relaxed);
    }

    /// This process's tasks that wait here.
    pub(super) fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    pub(super) fn who(&self) -> u32 {
        self.who
    }

    /// Which of the segment's slots this process has.
    #[allow(dead_code, reason = "of the feature `async`")]
    pub(super) fn slot(&self) -> u32 {
        self.who & SLOT
    }

    /// Whether nothing names the file any more. "No" when it can't be told.
    pub(super) fn is_unlinked(&self) -> bool {
        let is_nameless = |file: &File| file.metadata().is_ok_and(|data| data.nlink() == 0);
        if let Some((file, _)) = self.file() {
            return is_nameless(file);
        }
        match self.source.reopen(None) {
            Ok(file) => is_nameless(&file),
            Err(error) => error == Error::NotFound,
        }
    }

    /// The file's permissions, and the file, if it can still be reached.
    pub(super) fn file(&self) -> Option<(&File, u32)> {
        let file = self.probe()?;
        Some((file, file.metadata().ok()?.mode()))
    }

    /// Whether this process is the one that attached, and not its child.
    #[inline(always)]
    pub(super) fn is_ours(&self) -> bool {
        self.own.is_ours()
    }

    #[inline(always)]
    pub(super) fn own(&self) -> Own {
        self.own
    }

    /// # Panics
    ///
    /// In a child of `fork`: it has no such memory.
    #[inline(always)]
    pub(super) fn check(&self) {
        if !self.is_ours() {
            forked();
        }
    }

    /// Whether this attachment's process can still touch the segment. "Yes"
    /// whenever it can't be told: who can't tell must not rob.
    pub(super) fn is_alive(&self, who: u32) -> bool {
        let slot = who & SLOT;
        if who == self.who {
            return true;
        }
        if slot >= self.tables.processes {
            return false;
        }
        let at = self.tables.attachments_at + u64::from(slot) * attachment::LEN;
        // Ordering: Acquire, pairs with the Release by which the slot's tenant
        // said who it is.
        if self.map.u32(at + attachment::WHO).load(Ordering::Acquire) != who {
            return false;
        }
        if let Some(world) = world() {
            return world.is_alive(who);
        }
        if let Some(probe) = self.probe()
            && let Ok(locked) = sys::is_byte_locked(probe, slot)
            && self.probe().is_some()
        {
            return locked;
        }
        match self.source.reopen(None) {
            Ok(file) => sys::is_byte_locked(&file, slot).unwrap_or(true),
            Err(_) => true,
        }
    }

    /// The probe, if its descriptor is still the segment's.
    fn probe(&self) -> Option<&File> {
        self.probe.as_ref().filter(|probe| identity(probe) == Some(self.source.identity))
    }

    /// Each slot with somebody in it: who, process number, whether alive.
    pub(super) fn tenants(&self) -> impl Iterator<Item = (u32, u32, bool)> + '_ {
        (0..self.tables.processes).filter_map(|slot| {
            let at = self.tables.attachments_at + u64::from(slot) * attachment::LEN;
            // Ordering: Acquire, as in `is_alive`.
            let who = self.map.u32(at + attachment::WHO).load(Ordering::Acquire);
            // Ordering: Relaxed, for people only.
            let pid = self.map.u32(at + attachment::PID).load(Ordering::Relaxed);
            (who != 0).then(|| (who, pid, self.is_alive(who)))
        })
    }

    /// The futex that wakes the tasks of a process.
    pub(super) fn doorbell(&self, who: u32) -> Option<&AtomicU32> {
        let slot = who & SLOT;
        let at = self.tables.attachments_at + u64::from(slot) * attachment::LEN;
        (slot < self.tables.processes).then(|| self.map.u32(at + attachment::DOORBELL))
    }

    /// Has a process look which of its tasks are to be woken.
    pub(super) fn ring(&self, who: u32) {
        if let Some(doorbell) = self.doorbell(who) {
            // Ordering: Release, pairs with the Acquire load before the sleep.
            doorbell.fetch_add(1, Ordering::Release);
            sys::futex_wake(doorbell, i32::MAX);
        }
    }

    /// Where a field of a record is. An index from shared memory that is out
    /// of range is the first record's: wrong, and inside.
    #[inline(always)]
    fn record_at(&self, index: u32, field: u64) -> u64 {
        let index = if index < self.tables.records { index } else { 0 };
        self.tables.records_at + u64::from(index) * record::LEN + field
    }

    #[inline(always)]
    pub(super) fn state_of(&self, index: u32) -> &AtomicU64 {
        self.map.u64(self.record_at(index, record::STATE))
    }

    #[inline(always)]
    pub(super) fn record_u32(&self, index: u32, field: u64) -> &AtomicU32 {
        self.map.u32(self.record_at(index, field))
    }

    #[inline(always)]
    pub(super) fn record_u64(&self, index: u32, field: u64) -> &AtomicU64 {
        self.map.u64(self.record_at(index, field))
    }

    #[inline]
    fn chunk(&self, chunk: u32) -> &AtomicU32 {
        self.map.u32(self.tables.chunks_at + u64::from(chunk) * 4)
    }

    /// Whose a record is: 0 nobody's.
    pub(super) fn owner_of(&self, index: u32) -> u32 {
        // Ordering: Acquire, pairs with the exchange that claimed the chunk.
        self.chunk(index.min(self.tables.records - 1) / CHUNK).load(Ordering::Acquire)
    }

    /// A free record of ours, for one who has what [`own`](Self::own) says at
    /// hand.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyRecords`], [`Error::Forked`].
    #[inline(always)]
    pub(super) fn take_record(&self, own: Own) -> Result<u32, Error> {
        if !own.is_ours() {
            return Err(Error::Forked);
        }
        match cache::take(own.id) {
            Some(index) => Ok(index),
            None => self.take_pooled(),
        }
    }

    #[cold]
    fn take_pooled(&self) -> Result<u32, Error> {
        let lock = || self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pool = lock();
        if let Some(index) = pool.pop() {
            return Ok(index);
        }
        let chunk = match self.claim_chunk() {
            Some(chunk) => chunk,
            None => {
                // The dead may have some. Looking for them may take a while,
                // in which other threads give and take.
                drop(pool);
                repair::sweep(self);
                pool = lock();
                if let Some(index) = pool.pop() {
                    return Ok(index);
                }
                self.claim_chunk().ok_or(Error::TooManyRecords { limit: self.tables.records })?
            }
        };
        let first = chunk * CHUNK;
        pool.extend((first + 1..first + CHUNK).rev());
        Ok(first)
    }

    fn claim_chunk(&self) -> Option<u32> {
        let chunks = self.tables.records / CHUNK;
        let claim = |chunk: u32, from: u32| {
            // Ordering: AcqRel: what its last owner's death left is seen, and
            // who sees us as the owner sees nothing older.
            let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
            self.chunk(chunk).compare_exchange(from, self.who, success, failure).is_ok()
        };
        (0..chunks).find(|&chunk| claim(chunk, 0)).or_else(|| {
            (0..chunks).find(|&chunk| {
                // Ordering: Acquire, pairs with the claim.
                let owner = self.chunk(chunk).load(Ordering::Acquire);
                owner != 0 && !self.is_alive(owner) && self.is_idle(chunk) && claim(chunk, owner)
            })
        })
    }

    /// Whether no record of the chunk is in use.
    fn is_idle(&self, chunk: u32) -> bool {
        (chunk * CHUNK..(chunk + 1) * CHUNK).all(|index| {
            // Ordering: Acquire, pairs with the Release of who made it idle.
            State::of(self.state_of(index).load(Ordering::Acquire)) == State::Idle
        })
    }

    /// Makes sure that so many more records are there for this process.
    pub(super) fn reserve(&self, count: u32) -> Result<(), Error> {
        if !self.is_ours() {
            return Err(Error::Forked);
        }
        let mut taken = Vec::new();
        let mut result = Ok(());
        for _ in 0..count {
            match self.take_pooled() {
                Ok(index) => taken.push(index),
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).append(&mut taken);
        result
    }

    /// [`owner_of`](Self::owner_of), without a step.
    #[cfg(test)]
    pub(super) fn owner_of_now(&self, index: u32) -> u32 {
        // Ordering: Relaxed, of tests in which this thread alone is there.
        self.chunk(index / CHUNK).load(Ordering::Relaxed)
    }

    /// Free are those of our first chunk again, and no others.
    #[cfg(test)]
    pub(super) fn reset_records(&self) {
        while cache::take(self.own.id).is_some() {}
        let ours = |&chunk: &u32| self.chunk(chunk).load(Ordering::Acquire) == self.who;
        let first = (0..self.tables.records / CHUNK).find(ours).map_or(0, |chunk| chunk * CHUNK);
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.clear();
        pool.extend((first..first + CHUNK).rev());
    }

    /// Takes a record back, which is idle.
    #[inline(always)]
    pub(super) fn give_record(&self, index: u32) {
        if let Some(index) = cache::give(self.own.id, index) {
            self.give_pooled(index);
        }
    }

    #[cold]
    fn give_pooled(&self, index: u32) {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).push(index);
    }
}

#[cold]
fn forked() -> ! {
    panic!("{}", Error::Forked)
}

/// The directory of a segment, each object of which is inside of it and behind
/// the one before it.
fn directory(map: &Map, tables: &Tables, count: u32) -> Result<Vec<Object>, Error> {
    let mut end = tables.objects_at;
    (0..count)
        .map(|i| {
            let entry = tables.directory_at + u64::from(i) * 16;
            // Ordering: Relaxed, it never changes.
            let load = |at: u64| map.u32(entry + at).load(Ordering::Relaxed);
            let object =
                Object { kind: load(0), at: u64::from(load(4)) * 64, len: u64::from(load(8)) };
            if object.at < end || object.at + object.len > tables.len {
                return Err(Error::Corrupt { what: "directory", found: object.at, wanted: end });
            }
            end = object.at + object.len;
            Ok(object)
        })
        .collect()
}

/// Writes the directory of a segment that nobody sees yet.
pub(super) fn write_directory(map: &Map, tables: &Tables, objects: &[Object]) {
    for (i, object) in objects.iter().enumerate() {
        let entry = tables.directory_at + i as u64 * 16;
        // Ordering: Relaxed, it is seen through the file's name only.
        map.u32(entry).store(object.kind, Ordering::Relaxed);
        map.u32(entry + 4).store(((tables.objects_at + object.at) / 64) as u32, Ordering::Relaxed);
        map.u32(entry + 8).store(object.len as u32, Ordering::Relaxed);
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        if self.probe().is_none() {
            // Somebody else's by now, or nobody's: not ours to close.
            mem::forget(self.probe.take());
        }
        if !self.is_ours() {
            // A child has no such mapping, and whatever is there now is not
            // ours.
            return self.map.forget();
        }
        point(Point::Detaching);
        // Records that nothing holds go back. What a forgotten guard holds is
        // a dead one's from now on.
        for chunk in 0..self.tables.records / CHUNK {
            // Ordering: Relaxed, our own mark; Release, as it was ours.
            if self.chunk(chunk).load(Ordering::Relaxed) == self.who && self.is_idle(chunk) {
                self.chunk(chunk).store(0, Ordering::Release);
            }
        }
        let slot = self.who & SLOT;
        let at = self.tables.attachments_at + u64::from(slot) * attachment::LEN;
        // Ordering: Release, all that we did comes before.
        self.map.u32(at + attachment::WHO).store(0, Ordering::Release);
        point(Point::Detached);
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment")
            .field("slot", &(self.who & SLOT))
            .field("processes", &self.tables.processes)
            .field("records", &self.tables.records)
            .finish_non_exhaustive()
    }
}

/// Each thread keeps a few free records, so that an acquisition asks nobody.
mod cache {
    use super::{Cell, PoisonError, all};

    /// How many records a thread keeps of one segment, and of how many.
    const KEPT: usize = 8;
    const SEGMENTS: usize = 4;

    struct Shelf {
        id: Cell<u64>,
        len: Cell<usize>,
        records: [Cell<u32>; KEPT],
    }

    impl Shelf {
        #[allow(clippy::declare_interior_mutable_const, reason = "it is copied, not shared")]
        const EMPTY: Self =
            Self { id: Cell::new(0), len: Cell::new(0), records: [const { Cell::new(0) }; KEPT] };

        /// Gives everything back to the attachment.
        fn clear(&self) {
            let records = self.records.iter().take(self.len.take()).map(Cell::get);
            give_back(self.id.get(), records);
        }
    }

    /// Gives records back to their attachment, if it is still there.
    fn give_back(id: u64, records: impl ExactSizeIterator<Item = u32>) {
        if records.len() == 0 {
            return;
        }
        let Ok(all) = all() else { return };
        let all = all.lock().unwrap_or_else(PoisonError::into_inner);
        let found = all.iter().find(|(other, _)| *other == id);
        let Some(attachment) = found.and_then(|(_, weak)| weak.upgrade()) else { return };
        drop(all);
        attachment.pool.lock().unwrap_or_else(PoisonError::into_inner).extend(records);
    }

    struct Cache([Shelf; SEGMENTS]);

    impl Drop for Cache {
        fn drop(&mut self) {
            if let Some((id, index)) = HOT.with(Hot::clear) {
                give_back(id, core::iter::once(index));
            }
            self.0.iter().for_each(Shelf::clear);
        }
    }

    /// The record that this thread gave back last, in front of the shelves: it
    /// has no destructor, so that nothing but itself is looked at.
    struct Hot {
        /// Whose it is. 0: this thread has no shelves yet, or not any more,
        /// which are what gives the record back in the end.
        id: Cell<u64>,
        /// From 1; 0: there is none.
        record: Cell<u32>,
    }

    impl Hot {
        /// Takes what is there: whose, and which.
        fn clear(&self) -> Option<(u64, u32)> {
            Some((self.id.take(), self.record.take().checked_sub(1)?))
        }
    }

    std::thread_local! {
        static HOT: Hot = const { Hot { id: Cell::new(0), record: Cell::new(0) } };
        static CACHE: Cache = const { Cache([const { Shelf::EMPTY }; SEGMENTS]) };
    }

    #[inline(always)]
    pub(super) fn take(id: u64) -> Option<u32> {
        HOT.with(|hot| {
            if hot.id.get() == id
                && let Some(index) = hot.record.get().checked_sub(1)
            {
                hot.record.set(0);
                return Some(index);
            }
            take_shelved(id)
        })
    }

    #[cold]
    fn take_shelved(id: u64) -> Option<u32> {
        let take = |cache: &Cache| {
            let shelf = &cache.0[id as usize % SEGMENTS];
            let len = shelf.len.get();
            if shelf.id.get() != id || len == 0 {
                return None;
            }
            shelf.len.set(len - 1);
            Some(shelf.records[(len - 1) % KEPT].get())
        };
        CACHE.try_with(take).ok().flatten()
    }

    /// Keeps a record as the hot one, if there is none.
    #[inline(always)]
    pub(super) fn keep(id: u64, index: u32) -> bool {
        HOT.with(|hot| {
            let is_kept = hot.id.get() == id && hot.record.get() == 0;
            if is_kept {
                hot.record.set(index + 1);
            }
            is_kept
        })
    }

    /// Keeps a record; or gives it back where there is no room.
    #[inline(always)]
    pub(super) fn give(id: u64, index: u32) -> Option<u32> {
        if keep(id, index) { None } else { HOT.with(|hot| give_shelved(hot, id, index)) }
    }

    #[cold]
    fn give_shelved(hot: &Hot, id: u64, index: u32) -> Option<u32> {
        let give = |cache: &Cache| {
            // Who was given back last is the hot one; what was hot for another
            // attachment goes on a shelf.
            let shelved = if hot.id.get() == id {
                (id, index)
            } else {
                let before = hot.clear();
                hot.id.set(id);
                hot.record.set(index + 1);
                before?
            };
            let shelf = &cache.0[shelved.0 as usize % SEGMENTS];
            if shelf.id.get() != shelved.0 {
                shelf.clear();
                shelf.id.set(shelved.0);
            }
            let len = shelf.len.get();
            if len == KEPT {
                return Some(shelved);
            }
            shelf.records[len].set(shelved.1);
            shelf.len.set(len + 1);
            None
        };
        match CACHE.try_with(give) {
            Ok(None) => None,
            Ok(Some((whose, index))) if whose == id => Some(index),
            Ok(Some((whose, index))) => {
                give_back(whose, core::iter::once(index));
                None
            }
            Err(_) => Some(index),
        }
    }
}
