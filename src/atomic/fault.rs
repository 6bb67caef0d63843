//! The faults that show that models and drawn schedules can see.
//!
//! One that has never been seen to fail proves nothing. Each [`Fault`] is one
//! way to get the engine wrong; the models run once with each of them, by its
//! name in the environment variable `PORTUNUS_FAULT`, and must fail. Reading the
//! name when the model runs lets one build serve them all.

use core::sync::atomic::Ordering;

/// One way to get the engine wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A release publishes nothing.
    ReleaseRelaxed,
    /// A fast acquisition sees nothing.
    AcquireRelaxed,
    /// Grant stores the word although a newcomer of a better lane may enter.
    StoreWithoutBit,
    /// Grant stores the word although another holder may leave.
    StoreWithoutSole,
    /// Grant's store of the word publishes nothing.
    StoreRelaxed,
    /// Grant does not see what earlier leavers wrote.
    GrantLoadRelaxed,
    /// The mark on a granted waiter publishes nothing.
    MarkRelaxed,
    /// "Admit or set the bit" is made in two steps.
    BitAfterJudging,
    /// A cancelled first in line leaves those behind it standing.
    CancelWithoutGrant,
    /// A cancelled waiter stays on the list of grants not yet picked up.
    CancelKeepsLimbo,
    /// A conversion publishes nothing.
    ConvertAcquireOnly,
    /// A conversion sees nothing.
    ConvertReleaseOnly,
    /// A conversion that lets others in does not let them in.
    ConvertWithoutGrant,
    /// Two conversions may wait for each other.
    ConvertUnchecked,
    /// A task picks its grant up without the inner lock.
    PickUpUnlocked,
    /// A sibling's unpolled grant that cannot be traded stays.
    NoEviction,
    /// A sibling's unpolled grant is never looked for.
    NoPassOn,
    /// A thread parks without telling the one who will wake it.
    ParkBlind,
    /// An evicted waiter does not grant for those behind it.
    EvictedForgetsBaton,
    /// A notified waiter that gives up keeps its notification.
    NotificationKept,
    /// A notified future goes into its lock's line while its own task has that
    /// lock by a future that it does not poll.
    DeliverBehindSibling,
    /// A future that borrows its lock is followed to it.
    DeliverForgotten,
    /// Who is notified with all others is decided in two steps.
    AllInTwoSteps,
    /// A waiter lets its lock go before it stands in line to be notified.
    UnlockBeforeJoin,
    /// Those behind a refused waiter are left standing.
    RefuseWithoutGrant,
    /// A refused waiter is not woken.
    RefusedUnwoken,
    /// A request stands in line without another look at the limits.
    EnqueueUnasked,
    /// The line is empty after a refusal, and the word does not say so.
    RefuseKeepsBit,
    /// A holder of a rule that goes by presence asks nobody, though the last
    /// but one leaves.
    SpareTooSoon,
    /// A grant is traded for a place in line at which it could never be served.
    TradeUnasked,
    /// The time at which a circuit opened is published by nothing.
    BreakerTimeRelaxed,
    /// A try of a half-open circuit is taken in two steps.
    BreakerTryInTwoSteps,
    /// An outcome counts in whatever state the circuit is.
    BreakerIgnoresEra,
    /// A circuit is open before its time is written.
    BreakerOpenBeforeTime,
    /// A question is answered before its waiter stands in line.
    AnswerBeforeJoin,
    /// A waiter whose question panicked leaves those behind it unasked.
    EvictedAsksNobody,
    /// A question is asked by who does not have what it is about.
    AsksStrangers,
    /// A nursery polls a task and does not see what it was woken for.
    WokenUnseen,
    /// A nursery is to be woken only after it has looked who is ready.
    OwnerTooLate,
    /// A barrier trips and tells nobody.
    BarrierTripsSilently,
    /// A party that leaves a barrier stays counted.
    BarrierKeepsTheLeft,
}

impl Fault {
    /// How many there are.
    #[allow(dead_code, reason = "the models have one for each")]
    pub(crate) const COUNT: usize = Self::BarrierKeepsTheLeft as usize + 1;

    pub(crate) fn on(self) -> bool {
        static NAME: std::sync::OnceLock<Option<std::string::String>> = std::sync::OnceLock::new();
        NAME.get_or_init(|| std::env::var("PORTUNUS_FAULT").ok())
            .as_deref()
            .is_some_and(|name| name == std::format!("{self:?}"))
    }

    /// `right`; with this fault on, `wrong`.
    pub(crate) fn or(self, right: Ordering, wrong: Ordering) -> Ordering {
        if self.on() { wrong } else { right }
    }
}
