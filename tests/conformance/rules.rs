//! Rules as a user writes them: the suite's locks are made of these.

use portunus::{Held, PerMode, Rules};

portunus::modes! {
    /// The mode of [`OneAtATime`].
    pub(crate) enum Sole {
        Exclusive,
    }
}

/// A mutex.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OneAtATime;

impl Rules for OneAtATime {
    type Mode = Sole;

    fn admits(&self, _: Sole, held: &Held<Sole>) -> bool {
        held.is_empty()
    }
}

portunus::modes! {
    /// The modes of [`ReadWrite`].
    pub(crate) enum Access {
        Read,
        Write,
    }
}

/// A readers-writer lock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReadWrite;

impl Rules for ReadWrite {
    type Mode = Access;

    fn admits(&self, mode: Access, held: &Held<Access>) -> bool {
        match mode {
            Access::Read => held[Access::Write] == 0,
            Access::Write => held.is_empty(),
        }
    }
}

portunus::modes! {
    /// The mode of [`Slots`].
    pub(crate) enum Slot {
        Taken,
    }
}

/// A semaphore of so many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slots(pub(crate) usize);

impl Rules for Slots {
    type Mode = Slot;
    const WEIGHTED: bool = true;

    fn admits(&self, slot: Slot, held: &Held<Slot>) -> bool {
        held[slot] < self.0
    }
}

portunus::modes! {
    /// The modes of [`Ranked`].
    pub(crate) enum Rank {
        Urgent,
        Normal,
    }
}

/// A mutex with two lanes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ranked;

impl Rules for Ranked {
    type Mode = Rank;
    const LANES: PerMode<u8> = PerMode::all(0).with(Rank::Normal.index(), 1);

    fn admits(&self, _: Rank, held: &Held<Rank>) -> bool {
        held.is_empty()
    }
}

portunus::modes! {
    /// The modes of [`Sizes`].
    pub(crate) enum Size {
        Big,
        Small,
    }
}

/// One that is big, or any number of small ones; the lanes are parameters.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sizes<const BIG: u8, const SMALL: u8>;

impl<const BIG: u8, const SMALL: u8> Rules for Sizes<BIG, SMALL> {
    type Mode = Size;
    const LANES: PerMode<u8> = PerMode::all(BIG).with(Size::Small.index(), SMALL);

    fn admits(&self, size: Size, held: &Held<Size>) -> bool {
        match size {
            Size::Big => held.is_empty(),
            Size::Small => held[Size::Big] == 0,
        }
    }
}

portunus::modes! {
    /// The modes of [`ThreeOfEach`].
    pub(crate) enum Side {
        Left,
        Right,
    }
}

/// Admits everybody; what keeps a fourth out is the room in the word.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ThreeOfEach;

impl Rules for ThreeOfEach {
    type Mode = Side;
    const LIMITS: PerMode<usize> = PerMode::all(3);
    const WEIGHTED: bool = true;

    fn admits(&self, _: Side, _: &Held<Side>) -> bool {
        true
    }
}

/// The same, of one unit at a time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ThreeSingles;

impl Rules for ThreeSingles {
    type Mode = Side;
    const LIMITS: PerMode<usize> = ThreeOfEach::LIMITS;

    fn admits(&self, _: Side, _: &Held<Side>) -> bool {
        true
    }
}
