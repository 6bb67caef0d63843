//! The processor's atomics, or what stands for them on a chip that has none.

pub(crate) use super::constant::{constructor, init, next_number, reached};
pub(crate) use core::cell::Cell;
#[allow(unused_imports, reason = "some tests have their own")]
pub(crate) use portable_atomic::AtomicU32;
#[cfg(target_has_atomic = "64")]
#[allow(unused_imports, reason = "some tests have their own")]
pub(crate) use portable_atomic::AtomicU64;
pub(crate) use portable_atomic::{AtomicPtr, AtomicU8, AtomicUsize};

use core::sync::atomic::Ordering;

/// The widest integer whose atomic takes no lock here, and that atomic.
#[cfg(target_has_atomic = "64")]
mod wide {
    pub(crate) type Wide = u64;
    pub(crate) type AtomicWide = portable_atomic::AtomicU64;
}
#[cfg(not(target_has_atomic = "64"))]
mod wide {
    pub(crate) type Wide = u32;
    pub(crate) type AtomicWide = portable_atomic::AtomicU32;
}
pub(crate) use wide::{AtomicWide, Wide};

/// Deliberate faults exist in models only; here none is ever on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault;

#[allow(non_upper_case_globals)]
impl Fault {
    pub(crate) const ReleaseRelaxed: Self = Self;
    pub(crate) const AcquireRelaxed: Self = Self;
    pub(crate) const StoreWithoutBit: Self = Self;
    pub(crate) const StoreWithoutSole: Self = Self;
    pub(crate) const StoreRelaxed: Self = Self;
    pub(crate) const GrantLoadRelaxed: Self = Self;
    pub(crate) const MarkRelaxed: Self = Self;
    pub(crate) const BitAfterJudging: Self = Self;
    pub(crate) const CancelWithoutGrant: Self = Self;
    pub(crate) const CancelKeepsLimbo: Self = Self;
    pub(crate) const ConvertAcquireOnly: Self = Self;
    pub(crate) const ConvertReleaseOnly: Self = Self;
    pub(crate) const ConvertWithoutGrant: Self = Self;
    pub(crate) const ConvertUnchecked: Self = Self;
    pub(crate) const PickUpUnlocked: Self = Self;
    pub(crate) const NoEviction: Self = Self;
    pub(crate) const NoPassOn: Self = Self;
    pub(crate) const ParkBlind: Self = Self;
    pub(crate) const EvictedForgetsBaton: Self = Self;
    pub(crate) const NotificationKept: Self = Self;
    pub(crate) const DeliverBehindSibling: Self = Self;
    pub(crate) const DeliverForgotten: Self = Self;
    pub(crate) const AllInTwoSteps: Self = Self;
    pub(crate) const UnlockBeforeJoin: Self = Self;
    pub(crate) const RefuseWithoutGrant: Self = Self;
    pub(crate) const RefusedUnwoken: Self = Self;
    pub(crate) const EnqueueUnasked: Self = Self;
    pub(crate) const RefuseKeepsBit: Self = Self;
    pub(crate) const SpareTooSoon: Self = Self;
    pub(crate) const TradeUnasked: Self = Self;
    pub(crate) const BreakerTimeRelaxed: Self = Self;
    pub(crate) const BreakerTryInTwoSteps: Self = Self;
    pub(crate) const BreakerIgnoresEra: Self = Self;
    pub(crate) const BreakerOpenBeforeTime: Self = Self;
    pub(crate) const AnswerBeforeJoin: Self = Self;
    pub(crate) const EvictedAsksNobody: Self = Self;
    pub(crate) const AsksStrangers: Self = Self;
    pub(crate) const WokenUnseen: Self = Self;
    pub(crate) const OwnerTooLate: Self = Self;
    pub(crate) const BarrierTripsSilently: Self = Self;
    pub(crate) const BarrierKeepsTheLeft: Self = Self;

    #[inline(always)]
    pub(crate) const fn on(self) -> bool {
        false
    }

    /// `right`; in a model with this fault on, `wrong`.
    #[inline(always)]
    pub(crate) const fn or(self, right: Ordering, _wrong: Ordering) -> Ordering {
        right
    }
}
