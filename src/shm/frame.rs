//! What the segments of all handles begin with.

use alloc::sync::Arc;

use super::attach::Attachment;
use super::condvar::SharedCondvar;
use super::content::{Content, Site};
use super::error::{Error, OwnerDied};
use super::fault::{Point, point};
use super::fifo_lock::{FifoLock, Hold};
use super::format::{Plan, kind};
use super::rwlock::RwLock;
use crate::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::rules::{Access, ReadWrite};

/// Where things are in the flags.
const LEN: u64 = 128;
const CURRENT: u64 = 0;
/// Whether it is [`THERE`], [`GONE`] or [`GOING`].
const REMOVED: u64 = 4;
const THERE: u32 = 0;
const GONE: u32 = 1;
/// Somebody has begun to remove the name, and has the lock, or has died with it.
const GOING: u32 = 2;
/// From here on, 64-bit words of the handle's own.
const WORDS: u64 = 8;

/// A lock, of which an operation is one hold; the number of the copy that
/// counts; whether it was removed; and the lock and condition of the handle's door.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "handles have it")]
pub struct Frame {
    lock: FifoLock<ReadWrite>,
    attachment: Arc<Attachment>,
    flags_at: u64,
    door: RwLock<u8>,
    condvar: SharedCondvar,
}

/// A hold on a [`Frame`].
pub(super) type FrameHold<'a> = Hold<'a, ReadWrite>;

impl Content for Frame {
    type Init = ();

    fn plan(plan: &mut Plan) {
        FifoLock::<ReadWrite>::plan(plan);
        plan.object(kind::FLAGS, LEN);
        RwLock::<u8>::plan(plan);
        SharedCondvar::plan(plan);
    }

    fn create(site: &mut Site<'_>, (): &()) -> Result<(), Error> {
        FifoLock::<ReadWrite>::create(site, &())?;
        site.next(kind::FLAGS, LEN)?;
        RwLock::<u8>::create(site, &0)?;
        SharedCondvar::create(site, &())
    }

    fn open(site: &mut Site<'_>) -> Result<Self, Error> {
        let lock = FifoLock::open(site)?;
        let flags_at = site.next(kind::FLAGS, LEN)?;
        let (door, condvar) = (RwLock::open(site)?, SharedCondvar::open(site)?);
        Ok(Self { lock, attachment: Arc::clone(site.attachment()), flags_at, door, condvar })
    }
}

impl Frame {
    pub(super) fn attachment(&self) -> &Attachment {
        &self.attachment
    }

    #[allow(dead_code, reason = "of the feature `async`")]
    pub(super) fn lock(&self) -> &FifoLock<ReadWrite> {
        &self.lock
    }

    pub(super) fn door(&self) -> &RwLock<u8> {
        &self.door
    }

    pub(super) fn condvar(&self) -> &SharedCondvar {
        &self.condvar
    }

    fn flag(&self, at: u64) -> &AtomicU32 {
        self.attachment.map().u32(self.flags_at + at)
    }

    /// A word of the handle's own.
    #[allow(dead_code, reason = "of the feature `serde`")]
    pub(super) fn word(&self, i: u64) -> &AtomicU64 {
        assert!(WORDS + i * 8 < LEN, "a frame has fewer words");
        self.attachment.map().u64(self.flags_at + WORDS + i * 8)
    }

    /// Which of the two copies counts.
    pub(super) fn current(&self) -> usize {
        // Ordering: Relaxed, the lock orders.
        self.flag(CURRENT).load(Ordering::Relaxed) as usize & 1
    }

    /// The other one counts from now on.
    pub(super) fn publish(&self, _: &FrameHold<'_>, next: usize) {
        // Ordering: Release: should this process die now, whoever sees the
        // number sees the copy.
        self.flag(CURRENT).store(next as u32, Ordering::Release);
    }

    /// Enters for an operation, in which nobody who died before left anything
    /// half done.
    #[inline(always)]
    pub(super) fn enter(&self, mode: Access) -> Result<FrameHold<'_>, Error> {
        if !self.attachment.is_ours() {
            return Err(Error::Forked);
        }
        Ok(self.whole(self.lock.acquire(mode), mode))
    }

    /// The same, not inlined.
    #[inline(never)]
    pub(super) fn enter_apart(&self, mode: Access) -> Result<FrameHold<'_>, Error> {
        self.enter(mode)
    }

    /// A dead writer's value counts, or it does not: both are whole.
    #[inline(always)]
    pub(super) fn whole<'a>(
        &self,
        entered: Result<FrameHold<'a>, OwnerDied<FrameHold<'a>>>,
        mode: Access,
    ) -> FrameHold<'a> {
        entered.unwrap_or_else(|died| self.mend(died, mode))
    }

    #[cold]
    fn mend<'a>(&self, died: OwnerDied<FrameHold<'a>>, mode: Access) -> FrameHold<'a> {
        let mut hold = died.into_inner();
        self.settle();
        if mode == Access::Write {
            hold.mark_consistent();
        }
        hold
    }

    /// Of a removal that a dead one had begun: whether it came to pass.
    ///
    /// Of those who are inside now nobody has begun one: several find the same.
    fn settle(&self) {
        let found = if self.attachment.is_unlinked() { GONE } else { THERE };
        // Ordering: Release, as in `remove`; Relaxed, the lock orders.
        let (release, relaxed) = (Ordering::Release, Ordering::Relaxed);
        let _ = self.flag(REMOVED).compare_exchange(GOING, found, release, relaxed);
    }

    /// Whether it was removed.
    pub(super) fn is_removed(&self) -> bool {
        // Ordering: Relaxed, the lock orders.
        self.flag(REMOVED).load(Ordering::Relaxed) == GONE
    }

    /// Whether it was removed, or perhaps just is: for one who waits inside the
    /// door, and goes to see.
    ///
    /// Who asks after it stood in the condition's line misses no removal: either
    /// it is in the line when the remover notifies, or the remover has had the
    /// line's guard before it, and said so before that.
    pub(super) fn is_going(&self) -> bool {
        // Ordering: Relaxed, the guard of the door's line orders.
        self.flag(REMOVED).load(Ordering::Relaxed) != THERE
    }

    /// Removes the name by `f`; it is removed then, unless that fails.
    pub(super) fn remove_by(
        &self,
        _: &FrameHold<'_>,
        f: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let set = |value| {
            // Ordering: Release, as in `remove`.
            self.flag(REMOVED).store(value, Ordering::Release);
        };
        set(GOING);
        point(Point::Removing);
        let removed = f();
        set(if removed.is_ok() { GONE } else { THERE });
        removed
    }

    /// Tells those who wait inside the door that it was removed. Without the
    /// lock: they take it to see.
    pub(super) fn tell_removed(&self) {
        self.condvar.notify_all();
    }

    /// It is removed.
    pub(super) fn remove(&self) {
        // Ordering: Release: should this process die now, whoever sees what it
        // does afterwards sees this.
        self.flag(REMOVED).store(GONE, Ordering::Release);
    }
}
