//! Holding an observed lock.

use core::fmt;
use core::ops::Deref;
use core::time::Duration;

use super::fifo_lock::FifoLock;
use super::inner::Observed;
use super::probe::Stamped;
use crate::backend::Backend;
use crate::error::ConvertError;
use crate::fifo_lock;
use crate::hold::{self, Holding, Units};
use crate::raw::mode::Rules;
use crate::releasing::{HoldPlace, Releasable};
use crate::wait::Forever;

/// What a hold holds: an observed lock, alone or with data.
#[doc(hidden)]
#[allow(unreachable_pub, reason = "the bound of a public type")]
pub trait Locked {
    /// Its rules.
    type Rules: Rules;
    /// Its backend.
    type Backend: Backend;

    /// The lock.
    fn fifo_lock(&self) -> &FifoLock<Self::Rules, Self::Backend>;
}

impl<R: Rules, B: Backend> Locked for FifoLock<R, B> {
    type Rules = R;
    type Backend = B;

    fn fifo_lock(&self) -> &Self {
        self
    }
}

/// The modes of what `L` leads to.
pub(super) type ModeOf<L> = <<<L as Deref>::Target as Locked>::Rules as Rules>::Mode;

/// What a plain hold has, which is not released.
pub(super) fn units<R: Rules, B: Backend>(
    stamped: Stamped<crate::Hold<'_, R, Observed<B>>>,
) -> Stamped<Units> {
    Stamped { guard: stamped.guard.into_units(), since: stamped.since }
}

/// A hold on an observed [`FifoLock`]: dropped, it releases, and its time is
/// noted.
///
/// `L` is how it has the lock: as a reference; as an `Arc`, which keeps the lock
/// alive; or as the `Arc` of a [`Guarded`](super::Guarded).
#[must_use = "a hold that is dropped at once releases at once"]
pub struct Hold<L: Deref<Target: Locked>> {
    lock: L,
    units: Units,
    since: Duration,
}

impl<L: Deref<Target: Locked>> Hold<L> {
    /// Of what a plain hold of the same lock had.
    pub(super) fn new(lock: L, stamped: Stamped<Units>) -> Self {
        Self { lock, units: stamped.guard, since: stamped.since }
    }

    /// The mode in which it holds.
    pub fn mode(&self) -> ModeOf<L> {
        self.units.mode()
    }

    /// How many units it holds.
    pub fn weight(&self) -> u32 {
        self.units.weight()
    }

    /// Changes its mode in one step, if that is possible now.
    #[must_use = "if not, it is as it was"]
    pub fn try_convert(&mut self, mode: ModeOf<L>) -> bool {
        let request = hold::conversion(self, mode);
        hold::try_convert(self, request)
    }

    /// Changes its mode in one step, waiting until that is possible. The time
    /// counts as held.
    ///
    /// # Errors
    ///
    /// As [`crate::Hold::convert`].
    pub fn convert(&mut self, mode: ModeOf<L>) -> Result<(), ConvertError> {
        let request = hold::conversion(self, mode);
        hold::convert(self, request, &Forever)
    }

    #[allow(dead_code, reason = "with an allocator")]
    pub(super) fn kept(&self) -> &L {
        &self.lock
    }

    /// What it holds, and since when; nothing is released.
    pub(super) fn into_units(self) -> Stamped<Units>
    where
        L: Copy,
    {
        let stamped = Stamped { guard: self.units, since: self.since };
        core::mem::forget(self);
        stamped
    }
}

impl<'a, R: Rules, B: Backend> Hold<&'a FifoLock<R, B>> {
    /// The lock that it holds.
    pub fn lock(&self) -> &'a FifoLock<R, B> {
        self.lock
    }
}

impl<L: Deref<Target: Locked>> Holding for Hold<L> {
    type Rules = <L::Target as Locked>::Rules;
    type Backend = Observed<<L::Target as Locked>::Backend>;

    fn fifo_lock(&self) -> &fifo_lock::FifoLock<Self::Rules, Self::Backend> {
        self.lock.fifo_lock().lock()
    }

    fn units(&self) -> Units {
        self.units
    }

    fn units_mut(&mut self) -> &mut Units {
        &mut self.units
    }
}

impl<L: Deref<Target: Locked>> Drop for Hold<L> {
    fn drop(&mut self) {
        let lock = self.lock.fifo_lock();
        self.units.release(lock.lock());
        lock.probe().left(self.since, &self.mode());
    }
}

impl<L: Deref<Target: Locked>> fmt::Debug for Hold<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").field("mode", &self.mode()).field("weight", &self.weight()).finish()
    }
}

/// Taken again, it is another acquisition, with a wait and a time of its own.
impl<L: Deref<Target: Locked> + Clone> Releasable for Hold<L> {
    type Place = HoldPlace<L>;

    fn place(&self) -> Self::Place {
        HoldPlace::new(self.lock.clone(), self.units)
    }

    fn take(place: Self::Place) -> Self {
        let request = place.request();
        let lock = place.into_lock();
        let units = lock.fifo_lock().enter(request).into_units();
        Self::new(lock, units)
    }
}
