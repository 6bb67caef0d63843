//! What the creator of a segment decides.

use core::time::Duration;

use super::error::Error;

/// What to do with a file whose segment was made before the machine was
/// started anew.
///
/// All who used it are dead, and what they held is given back. But what was
/// not written to the disk in time is lost, so that the data may be half old
/// and half new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AfterReboot {
    /// Opening it is [`Error::OtherBoot`].
    #[default]
    Refuse,
    /// It is used as it is: the disk lost nothing, or the data tell.
    Adopt,
    /// It is removed; `open_or_create` makes a new one, `open` finds none.
    Reset,
}

/// How large a segment's tables are, who may use it, how soon a death is
/// noticed.
///
/// The creator's numbers stand in the segment; who opens it takes them from
/// there.
///
/// ```
/// use portunus::shm::Options;
///
/// let options = Options::new().processes(8).records(256);
/// # let _ = options;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub(super) processes: u32,
    pub(super) records: u32,
    pub(super) mode: u32,
    pub(super) poll: Duration,
    pub(super) trust_others: bool,
    pub(super) after_reboot: AfterReboot,
    pub(super) value_limit: u64,
    pub(super) hold_times: bool,
}

/// How many records a process claims at a time.
pub(super) const CHUNK: u32 = 8;

impl Options {
    /// 64 processes, 1024 records, permissions `0o600`, a look every 20 ms,
    /// values of up to a gibibyte, no times of holds.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            processes: 64,
            records: 1024,
            mode: 0o600,
            poll: Duration::from_millis(20),
            trust_others: false,
            after_reboot: AfterReboot::Refuse,
            value_limit: 1 << 30,
            hold_times: false,
        }
    }

    /// How many processes may be attached at once: 1 to 1023. One more is
    /// [`Error::TooManyProcesses`].
    #[must_use]
    pub const fn processes(mut self, processes: u32) -> Self {
        self.processes = processes;
        self
    }

    /// How many holds and waiters there may be at once, in all processes
    /// together: 8 to a million. It is rounded up to a multiple of 8, and each
    /// process claims 8 at a time, of which each of its threads may keep nine
    /// idle ones: see [`Segment::reserve`](super::Segment::reserve).
    #[must_use]
    pub const fn records(mut self, records: u32) -> Self {
        self.records = records;
        self
    }

    /// The file's permissions. Whoever may write to it may break it.
    #[must_use]
    pub const fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// How often the first who waits at a lock looks whether those who keep it
    /// out are alive: 1 ms to 10 s. The others look five times less often.
    ///
    /// Those who wait notice a death within this time; within five times this
    /// time if the first in line died as well, or is stopped, and where a
    /// [`Counter`](super::Counter) is waited for.
    #[must_use]
    pub const fn poll(mut self, poll: Duration) -> Self {
        self.poll = poll;
        self
    }

    /// Opens segments that are another user's, or that others may write to.
    /// By default these are errors: such a peer can break whatever is shared.
    #[must_use]
    pub const fn trust_others(mut self, trust: bool) -> Self {
        self.trust_others = trust;
        self
    }

    /// What to do with a mapped file that is older than the machine's start.
    #[must_use]
    pub const fn after_reboot(mut self, what: AfterReboot) -> Self {
        self.after_reboot = what;
        self
    }

    /// How many bytes the value of a `SerdeHandle` may have, serialised: 1 to
    /// 2^40. A longer one is [`Error::TooLong`].
    #[must_use]
    pub const fn value_limit(mut self, bytes: u64) -> Self {
        self.value_limit = bytes;
        self
    }

    /// Notes when each hold began, for [`Claim::holds`](super::Claim::holds). It
    /// costs a look at the clock for each acquisition.
    #[must_use]
    pub const fn hold_times(mut self, noted: bool) -> Self {
        self.hold_times = noted;
        self
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let poll = u64::try_from(self.poll.as_millis()).unwrap_or(u64::MAX);
        for (name, found, least, most) in [
            ("processes", self.processes.into(), 1, 1023),
            ("records", self.records.into(), 8, 1 << 20),
            ("mode", self.mode.into(), 0o600, 0o777),
            ("poll (ms)", poll, 1, 10_000),
            ("value_limit", self.value_limit, 1, 1 << 40),
        ] {
            if found < least || found > most {
                return Err(Error::Option { name, found, least, most });
            }
        }
        Ok(())
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}
