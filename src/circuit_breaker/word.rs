//! The word of a circuit breaker.
//!
//! | bits | closed | half-open | open, opening |
//! |---|---|---|---|
//! | 0, 1 | 0 | 1 | 2, 3 |
//! | 2 to 9 | failures in a row, low half | tries that failed | 0 |
//! | 10 to 17 | ... high half | tries taken: running or failed | 0 |
//! | 18 and up | generation | generation | generation |
//!
//! The generation is the number of times that the circuit has opened, modulo
//! the bits that are left: 46, or 14 where the chip has no 64-bit atomic. With
//! the phase it names the state that let a call in. A permit would have to be
//! kept while the circuit opens 2^14 times, and exactly a multiple of that, to
//! be taken for one of another state.
//!
//! | from | event | to |
//! |---|---|---|
//! | closed(g, n) | success | closed(g, 0) |
//! | closed(g, n) | failure, n + 1 < `max_fails` | closed(g, n + 1) |
//! | closed(g, n) | failure, n + 1 = `max_fails` | opening(g + 1) |
//! | opening(g) | by whoever made it so, once the time is written | open(g) |
//! | open(g) | a call, more than `reset` after the time | half(g, taken 1, failed 0) |
//! | half(g, t, f) | a call, t < `max_half_open_calls` | half(g, t + 1, f) |
//! | half(g, t, f) | a try is given back | half(g, t - 1, f) |
//! | half(g, t, f) | success | closed(g, 0) |
//! | half(g, t, f) | failure, f + 1 < `max_half_open_calls` | half(g, t, f + 1) |
//! | half(g, t, f) | failure, f + 1 = `max_half_open_calls` | opening(g + 1) |
//!
//! Everything else leaves the word as it is: an outcome whose permit names
//! another phase or generation, a call that is refused.

use crate::atomic::Wide;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Closed = 0,
    HalfOpen = 1,
    Open = 2,
    /// Open, and the time not yet written.
    Opening = 3,
}

/// A value of the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State(pub(super) Wide);

/// The names of the state that let a call in: its phase and its generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Era(Wide);

const PHASE: Wide = 0b11;
const LOW: u32 = 2;
const HIGH: u32 = 10;
const GENERATION: u32 = 18;
const BYTE: Wide = 0xff;
const COUNT: Wide = 0xffff;

impl State {
    pub(super) const CLOSED: Self = Self(Phase::Closed as Wide);

    pub(super) fn phase(self) -> Phase {
        match self.0 & PHASE {
            0 => Phase::Closed,
            1 => Phase::HalfOpen,
            2 => Phase::Open,
            _ => Phase::Opening,
        }
    }

    pub(super) fn era(self) -> Era {
        Era(self.0 & !(COUNT << LOW))
    }

    /// The same generation, in another phase, with nothing counted.
    fn turned(self, phase: Phase) -> Self {
        Self(self.0 >> GENERATION << GENERATION | phase as Wide)
    }

    /// Failures in a row while closed.
    pub(super) fn fails(self) -> u32 {
        (self.0 >> LOW & COUNT) as u32
    }

    pub(super) fn with_fails(self, fails: u32) -> Self {
        Self(self.turned(Phase::Closed).0 | Wide::from(fails as u16) << LOW)
    }

    /// Failed tries while half-open.
    pub(super) fn failed(self) -> u32 {
        (self.0 >> LOW & BYTE) as u32
    }

    /// Tries while half-open that run or have failed.
    pub(super) fn taken(self) -> u32 {
        (self.0 >> HIGH & BYTE) as u32
    }

    pub(super) fn half_open(self, taken: u32, failed: u32) -> Self {
        let counts = Wide::from(failed as u8) << LOW | Wide::from(taken as u8) << HIGH;
        Self(self.turned(Phase::HalfOpen).0 | counts)
    }

    /// The next generation, without its time.
    pub(super) fn opening(self) -> Self {
        Self(self.turned(Phase::Opening).0.wrapping_add(1 << GENERATION))
    }

    pub(super) fn open(self) -> Self {
        self.turned(Phase::Open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_to_themselves() {
        let mut state = State::CLOSED;
        for _ in 0..40_000 {
            let generation = state.0 >> GENERATION;
            let closed = state.with_fails(u16::MAX.into());
            assert_eq!((closed.phase(), closed.fails()), (Phase::Closed, u16::MAX.into()));
            let half = closed.half_open(255, 254);
            assert_eq!((half.phase(), half.taken(), half.failed()), (Phase::HalfOpen, 255, 254));
            assert_eq!(half.0 >> GENERATION, generation);
            let opening = half.opening();
            assert_eq!(opening.phase(), Phase::Opening);
            assert_ne!(opening.era(), half.era());
            assert_eq!((opening.fails(), opening.open().phase()), (0, Phase::Open));
            assert_eq!(
                opening.open().0 >> GENERATION,
                (generation + 1) & (Wide::MAX >> GENERATION)
            );
            state = opening.open().half_open(1, 0).with_fails(0);
            assert_ne!(state.era(), closed.era());
            assert_eq!(state.era(), state.with_fails(7).era());
        }
    }
}
