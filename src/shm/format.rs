//! What stands where in a segment.
//!
//! ```text
//! 0         head: what follows, and a checksum; never changes once it is visible
//! 4096      attachments, 64 bytes each
//!  +        owners of chunks of records, 4 bytes each
//!  +        records, 64 bytes each
//!  +        directory of the objects, 16 bytes each
//!  +        objects, each at a multiple of 64
//! ```
//!
//! Only integers of fixed width, and no pointers: programs of different widths
//! and C libraries share a segment. Their byte order must be the same, or the
//! magic number is not.

use alloc::vec::Vec;

use super::error::Error;
use super::options::{CHUNK, Options};

/// The first eight bytes.
pub(super) const MAGIC: u64 = u64::from_be_bytes(*b"PORTUNUS");
/// The version of all that is described here.
pub(super) const VERSION: u32 = 1;
/// The length of the head, and where the attachments begin.
pub(super) const HEAD: u64 = 4096;
/// How much of the head has meaning.
pub(super) const HEAD_USED: usize = 96;

/// Where things are in an attachment.
pub(super) mod attachment {
    pub(in crate::shm) const LEN: u64 = 64;
    /// Generation and slot of its process, 0 when it is free.
    pub(in crate::shm) const WHO: u64 = 0;
    /// Counts the processes that the slot had.
    pub(in crate::shm) const GENERATION: u64 = 4;
    /// For people only: nothing depends on it.
    pub(in crate::shm) const PID: u64 = 8;
    /// The process's own futex, for its tasks.
    pub(in crate::shm) const DOORBELL: u64 = 12;
}

/// Where things are in a record.
pub(super) mod record {
    pub(in crate::shm) const LEN: u64 = 64;
    /// State, modes, weight and object: one store is one transition.
    pub(in crate::shm) const STATE: u64 = 0;
    /// When it stood in line.
    pub(in crate::shm) const TICKET: u64 = 8;
    /// Its thread sleeps here.
    pub(in crate::shm) const FUTEX: u64 = 16;
    pub(in crate::shm) const NEXT: u64 = 20;
    pub(in crate::shm) const PREV: u64 = 24;
    /// 1: a task waits, its process's doorbell is rung.
    pub(in crate::shm) const TASK: u64 = 28;
    /// 1: first of its lane.
    pub(in crate::shm) const FRONT: u64 = 32;
    /// Scratch.
    pub(in crate::shm) const MARK: u64 = 36;
    /// Since when it waits, in milliseconds.
    pub(in crate::shm) const SINCE: u64 = 40;
    /// When it stood in a condition's line.
    pub(in crate::shm) const TURN: u64 = 48;
    /// The condition through which it waits, its offset divided by 64; 0: it
    /// came by itself.
    pub(in crate::shm) const CONDVAR: u64 = 56;
    /// Of a dead one, of whose death is being told: the lock's number of deaths
    /// once that is done.
    pub(in crate::shm) const TOLD: u64 = 60;
}

/// Where things are in a lock.
pub(super) mod lock {
    pub(in crate::shm) const WORD: u64 = 0;
    /// The inner lock: who has it, and whether somebody sleeps for it.
    pub(in crate::shm) const GUARD: u64 = 8;
    /// How many owners died in the middle of a change.
    pub(in crate::shm) const DEATHS: u64 = 12;
    /// The last ticket drawn.
    pub(in crate::shm) const TICKET: u64 = 16;
    /// When the dead were last looked for.
    pub(in crate::shm) const LOOKED: u64 = 24;
    /// The word with nobody inside; it changes under the guard.
    pub(in crate::shm) const BASE: u64 = 32;
    pub(in crate::shm) const LANES: u64 = 40;
    pub(in crate::shm) const MODES: u64 = 44;
    /// A bit for each mode whose holders change what is protected.
    pub(in crate::shm) const CHANGES: u64 = 48;
    /// How many of the deaths have been mended.
    pub(in crate::shm) const MENDED: u64 = 52;
    /// Whether something in its lines was found that no program writes: then
    /// they are linked anew, and that is told as a death is.
    pub(in crate::shm) const SPOILT: u64 = 56;
    /// Where each mode's count begins in the word, a byte each.
    pub(in crate::shm) const SHIFTS: u64 = 64;
    /// The lane of each mode, a byte each.
    pub(in crate::shm) const LANE_OF: u64 = 80;
    /// First and last of each lane, four bytes each, 0: nobody.
    pub(in crate::shm) const ENDS: u64 = 128;
}

/// Where things are in a counter.
pub(super) mod counter {
    /// With a bit for each slot of the longest table.
    pub(in crate::shm) const LEN: u64 = TASKS + 128;
    pub(in crate::shm) const VALUE: u64 = 0;
    /// How often it changed: waiters sleep here.
    pub(in crate::shm) const CHANGES: u64 = 8;
    /// How many sleep; the dead among them stay counted.
    pub(in crate::shm) const SLEEPERS: u64 = 12;
    /// A bit for each process whose doorbell the next change rings.
    pub(in crate::shm) const TASKS: u64 = 64;
}

/// Where things are in a condition variable.
pub(super) mod condvar {
    pub(in crate::shm) const LEN: u64 = 64;
    /// The lock that it is used with, its offset divided by 64; 0: none so far.
    pub(in crate::shm) const LOCK: u64 = 0;
    /// First and last of the line, as in a lock.
    pub(in crate::shm) const ENDS: u64 = 8;
    /// Who drew a turn up to this has been notified.
    pub(in crate::shm) const DUE: u64 = 16;
}

/// The fingerprint of a layout: FNV-1a.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    pub(super) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(super) fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes(text.as_bytes());
    }

    pub(super) fn get(self) -> u64 {
        self.0
    }
}

/// An object in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) kind: u32,
    /// From the first object's place; in the directory from the segment's.
    pub(super) at: u64,
    pub(super) len: u64,
}

/// What kinds of objects there are.
pub(super) mod kind {
    pub(in crate::shm) const LOCK: u32 = 1;
    pub(in crate::shm) const DATA: u32 = 2;
    pub(in crate::shm) const COUNTER: u32 = 3;
    pub(in crate::shm) const FLAGS: u32 = 4;
    /// As long as the creator wanted it.
    #[allow(dead_code, reason = "of the feature `serde`")]
    pub(in crate::shm) const TAIL: u32 = 5;
    pub(in crate::shm) const CONDVAR: u32 = 6;
}

/// What a segment holds, as its type says.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) objects: Vec<Object>,
    pub(super) fingerprint: Fingerprint,
    end: u64,
}

impl Plan {
    pub(super) fn new() -> Self {
        let mut fingerprint = Fingerprint::new();
        fingerprint.number(VERSION.into());
        Self { objects: Vec::new(), fingerprint, end: 0 }
    }

    /// One more object.
    pub(super) fn object(&mut self, kind: u32, len: u64) {
        self.fingerprint.number(kind.into());
        self.fingerprint.number(len);
        self.push(kind, len);
    }

    /// One more object, of which nothing is known when the segment is opened.
    #[allow(dead_code, reason = "of the feature `serde`")]
    pub(super) fn tail(&mut self, len: u64) {
        self.push(kind::TAIL, len);
    }

    fn push(&mut self, kind: u32, len: u64) {
        self.objects.push(Object { kind, at: self.end, len });
        // What is too long to be counted is too long.
        let len = len.checked_next_multiple_of(64).unwrap_or(u64::MAX);
        self.end = self.end.saturating_add(len);
    }
}

/// Where the tables of a segment begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tables {
    pub(super) processes: u32,
    pub(super) records: u32,
    pub(super) attachments_at: u64,
    pub(super) chunks_at: u64,
    pub(super) records_at: u64,
    pub(super) directory_at: u64,
    pub(super) objects_at: u64,
    pub(super) len: u64,
}

impl Tables {
    /// `objects_len`: how long all objects are together.
    fn new(processes: u32, records: u32, objects: u32, objects_len: u64) -> Self {
        let up = |at: u64| at.next_multiple_of(64);
        let attachments_at = HEAD;
        let chunks_at = attachments_at + u64::from(processes) * attachment::LEN;
        let records_at = up(chunks_at + u64::from(records / CHUNK) * 4);
        let directory_at = records_at + u64::from(records) * record::LEN;
        let objects_at = up(directory_at + u64::from(objects) * 16);
        let len = (objects_at + objects_len).next_multiple_of(4096);
        Self {
            processes,
            records,
            attachments_at,
            chunks_at,
            records_at,
            directory_at,
            objects_at,
            len,
        }
    }
}

/// The longest segment: records name objects by 27 bits.
const MAX_LEN: u64 = 64 << 27;

/// The most objects that a segment may consist of.
const MOST_OBJECTS: u32 = 1 << 20;

/// The head of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) fingerprint: u64,
    pub(super) tables: Tables,
    pub(super) objects: u32,
    pub(super) objects_len: u64,
    pub(super) boot: [u8; 16],
    pub(super) created: u64,
    pub(super) poll: u32,
    /// Whether holds note when they began.
    pub(super) hold_times: bool,
}

impl Head {
    pub(super) fn new(plan: &Plan, options: &Options, boot: [u8; 16]) -> Result<Self, Error> {
        options.check()?;
        let records = options.records.next_multiple_of(CHUNK);
        let objects = u32::try_from(plan.objects.len()).unwrap_or(u32::MAX);
        if objects > MOST_OBJECTS {
            let (found, limit) = (plan.objects.len() as u64, MOST_OBJECTS);
            return Err(Error::TooManyObjects { found, limit });
        }
        if plan.end > MAX_LEN {
            return Err(Error::NoSpace { wanted: plan.end });
        }
        // In the directory, a length has 32 bits.
        let limit = u32::MAX.into();
        if let Some(object) = plan.objects.iter().find(|object| object.len > limit) {
            return Err(Error::TooLong { found: object.len, limit });
        }
        let tables = Tables::new(options.processes, records, objects, plan.end);
        if tables.len > MAX_LEN || usize::try_from(tables.len).is_err() {
            return Err(Error::NoSpace { wanted: tables.len });
        }
        let created = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |time| time.as_nanos() as u64);
        Ok(Self {
            fingerprint: plan.fingerprint.get(),
            tables,
            objects,
            objects_len: plan.end,
            boot,
            created,
            poll: options.poll.as_millis() as u32,
            hold_times: options.hold_times,
        })
    }

    pub(super) fn encode(&self) -> [u8; HEAD_USED] {
        let mut bytes = [0; HEAD_USED];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &MAGIC.to_ne_bytes());
        put(8, &VERSION.to_ne_bytes());
        put(12, &(HEAD as u32).to_ne_bytes());
        put(16, &self.tables.len.to_ne_bytes());
        put(24, &self.fingerprint.to_ne_bytes());
        put(32, &self.tables.processes.to_ne_bytes());
        put(36, &self.tables.records.to_ne_bytes());
        put(40, &self.objects.to_ne_bytes());
        put(44, &self.poll.to_ne_bytes());
        put(48, &self.boot);
        put(64, &self.created.to_ne_bytes());
        put(72, &self.objects_len.to_ne_bytes());
        put(80, &u64::from(self.hold_times).to_ne_bytes());
        let sum = checksum(&bytes[..HEAD_USED - 8]);
        bytes[HEAD_USED - 8..].copy_from_slice(&sum.to_ne_bytes());
        bytes
    }

    /// Reads a head, of a file with so many bytes, and checks all of it.
    /// `fingerprint`: what it must hold, unless whoever looks does not know.
    pub(super) fn decode(
        bytes: &[u8],
        file_len: u64,
        fingerprint: Option<u64>,
    ) -> Result<Self, Error> {
        if bytes.len() < HEAD_USED {
            // Too short even to be told what it is.
            return Err(Error::Truncated { found: file_len, wanted: HEAD });
        }
        let u32_at = |at: usize| {
            let mut four = [0; 4];
            four.copy_from_slice(&bytes[at..at + 4]);
            u32::from_ne_bytes(four)
        };
        let u64_at = |at: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&bytes[at..at + 8]);
            u64::from_ne_bytes(eight)
        };
        if u64_at(0) != MAGIC {
            return Err(Error::NotASegment { found: u64_at(0), wanted: MAGIC });
        }
        if u32_at(8) != VERSION {
            return Err(Error::Version { found: u32_at(8), wanted: VERSION });
        }
        let corrupt = |what, found, wanted| Err(Error::Corrupt { what, found, wanted });
        let sum = checksum(&bytes[..HEAD_USED - 8]);
        if u64_at(HEAD_USED - 8) != sum {
            return corrupt("checksum", u64_at(HEAD_USED - 8), sum);
        }
        if let Some(wanted) = fingerprint
            && u64_at(24) != wanted
        {
            return Err(Error::Layout { found: u64_at(24), wanted });
        }
        // What follows can be wrong only in a file made so on purpose; it is
        // checked because memory is reached by it.
        let (processes, records, objects) = (u32_at(32), u32_at(36), u32_at(40));
        let objects_len = u64_at(72);
        for (what, found, most) in [
            ("number of processes", processes, 1023),
            ("number of records", records, 1 << 20),
            ("number of objects", objects, MOST_OBJECTS),
            ("look at the dead", u32_at(44), 10_000),
        ] {
            if found == 0 && what != "number of objects" || found > most {
                return corrupt(what, found.into(), most.into());
            }
        }
        if !records.is_multiple_of(CHUNK) {
            return corrupt(
                "number of records",
                records.into(),
                records.next_multiple_of(CHUNK).into(),
            );
        }
        if u64_at(80) > 1 {
            return corrupt("times of holds", u64_at(80), 1);
        }
        if objects_len > MAX_LEN {
            return corrupt("length of objects", objects_len, MAX_LEN);
        }
        if u32_at(12) != HEAD as u32 {
            return corrupt("length of the head", u32_at(12).into(), HEAD);
        }
        let tables = Tables::new(processes, records, objects, objects_len);
        if u64_at(16) != tables.len {
            return corrupt("length", u64_at(16), tables.len);
        }
        if file_len != tables.len || usize::try_from(file_len).is_err() {
            return Err(Error::Truncated { found: file_len, wanted: tables.len });
        }
        let mut boot = [0; 16];
        boot.copy_from_slice(&bytes[48..64]);
        let poll = u32_at(44);
        let (fingerprint, created, hold_times) = (u64_at(24), u64_at(64), u64_at(80) == 1);
        Ok(Self { fingerprint, tables, objects, objects_len, boot, created, poll, hold_times })
    }
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut sum = Fingerprint::new();
    sum.bytes(bytes);
    sum.get()
}
