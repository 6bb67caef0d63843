//! Records: what a process notes of each hold and of each waiter.
//!
//! A record is one word, so that each transition is one store, and at every
//! instant of its owner's life, also the last one, it says one thing:
//!
//! ```text
//!            owner                        guard's holder                    owner
//! Idle ──► Acquiring ──CAS ok──► Held ◄──────────────────────── Granted ◄─┐
//!  ▲ ▲        │ CAS refused       │ user code is running only here        │
//!  │ └────────┘                   ▼                                       │
//!  │◄── subtraction done ────── Leaving          Queued ──► Granting ─CAS─┘
//!  │                                              ▲ ▲          │ CAS refused, or taken
//!  │  owner, under the guard: enqueue ────────────┘ └──────────┘ back by a repair
//!  └◄─ owner, under the guard: cancel (Queued only)
//!
//! Held ──► Converting ──CAS ok──► Held in the new mode; refused: Held as before
//! Held ──► Queued, Granting, Granted with a mode to give up ──► Held
//!
//! Held ──► Parting ──► Leaving ──► Waiting ──► Queued: see `raw_condvar`
//!
//! Held ──► Telling ──► Parting ──► Leaving ──► Idle: a dead one's, by a repair
//! ```
//!
//! | state | units in the word |
//! |---|---|
//! | `Idle`, `Waiting` | none |
//! | `Held`, `Granted`, `Parting`, `Telling` | of its mode |
//! | `Queued`, `Evicted` | none; of a conversion those of the mode that it gives up |
//! | `Acquiring`, `Leaving`, `Granting` | **ambiguous**: none, or those of its mode |
//! | `Converting`, `Granting` of a conversion | **ambiguous**: those of the one mode, or of the other |
//!
//! Nobody takes a guard with an ambiguous record of its own: so a repair, which
//! waits for the living's ambiguous ones, never waits for one who waits for it.

use super::fault::{Point, point};
use crate::atomic::{AtomicU64, Ordering};
use crate::raw::engine::{Note, Step};
use crate::wait::node::{NO_MODE, NO_MODE_OR_NEVER, Request};

/// What a record is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum State {
    Idle = 0,
    Acquiring,
    Held,
    Leaving,
    Queued,
    Granting,
    Granted,
    Evicted,
    Converting,
    Parting,
    Waiting,
    /// A dead one's, of whose death the next owner is being told.
    Telling,
}

impl State {
    /// The state in a record's word. What no program wrote is idle.
    #[inline(always)]
    pub(super) fn of(word: u64) -> Self {
        match word & 15 {
            1 => Self::Acquiring,
            2 => Self::Held,
            3 => Self::Leaving,
            4 => Self::Queued,
            5 => Self::Granting,
            6 => Self::Granted,
            7 => Self::Evicted,
            8 => Self::Converting,
            9 => Self::Parting,
            10 => Self::Waiting,
            11 => Self::Telling,
            _ => Self::Idle,
        }
    }

    /// Whether it can't be told from the record which units it has.
    pub(super) fn is_ambiguous(self) -> bool {
        matches!(self, Self::Acquiring | Self::Leaving | Self::Granting | Self::Converting)
    }
}

/// The most units of one request: more don't fit into a record.
pub(super) const MAX_WEIGHT: u32 = (1 << 24) - 1;

/// No mode, in five bits.
const NONE: u64 = 31;
/// The same, of a request that would rather be refused than wait for ever.
const OR_NEVER: u64 = 30;

/// The word of a record. `object` is its lock's offset, divided by 64.
#[inline(always)]
pub(super) fn encode(state: State, request: Request, object: u32) -> u64 {
    let from = match request.from {
        NO_MODE => NONE,
        NO_MODE_OR_NEVER => OR_NEVER,
        from => u64::from(from & 15),
    };
    state as u64
        | u64::from(request.mode & 15) << 4
        | from << 8
        | u64::from(request.weight & MAX_WEIGHT) << 13
        | u64::from(object) << 37
}

/// The same with another state.
#[inline(always)]
pub(super) fn with_state(word: u64, state: State) -> u64 {
    word & !15 | state as u64
}

/// What a record asks for, or holds.
#[inline(always)]
pub(super) fn request(word: u64) -> Request {
    let from = (word >> 8) & 31;
    Request {
        mode: (word >> 4 & 15) as u8,
        from: match from {
            OR_NEVER => NO_MODE_OR_NEVER,
            0..16 => from as u8,
            _ => NO_MODE,
        },
        weight: (word >> 13) as u32 & MAX_WEIGHT,
    }
}

/// The lock of a record: its offset, divided by 64.
#[inline(always)]
pub(super) fn object(word: u64) -> u32 {
    (word >> 37) as u32
}

/// The hold that a conversion began with.
pub(super) fn unconverted(request: Request) -> Request {
    Request { mode: request.from, from: NO_MODE, weight: request.weight }
}

/// The hold that it ends with.
pub(super) fn converted(request: Request) -> Request {
    Request { from: NO_MODE, ..request }
}

/// Whose units a certain state has: a mode and a weight.
pub(super) fn units(word: u64) -> Option<(u8, u32)> {
    let asked = request(word);
    match State::of(word) {
        State::Held | State::Granted | State::Parting | State::Telling => {
            Some((asked.mode, asked.weight))
        }
        State::Queued | State::Evicted if asked.is_conversion() => Some((asked.from, asked.weight)),
        _ => None,
    }
}

/// Notes the steps of one hold in its record.
pub(super) struct Notes<'a> {
    pub(super) state: &'a AtomicU64,
    pub(super) object: u32,
}

impl Note for Notes<'_> {
    #[inline(always)]
    fn entering(&self) -> Ordering {
        // What was noted before the word is raised must be seen by whoever
        // sees it raised: Release besides the engine's Acquire.
        Ordering::AcqRel
    }

    #[inline(always)]
    fn note(&self, step: Step, asked: Request) {
        let (state, asked) = match step {
            Step::Acquiring => (State::Acquiring, asked),
            Step::Leaving => (State::Leaving, asked),
            Step::Converting => (State::Converting, asked),
            Step::Held => (State::Held, converted(asked)),
            // A conversion that was not made leaves the hold as it was.
            Step::Idle if asked.is_conversion() => (State::Held, unconverted(asked)),
            Step::Idle => (State::Idle, asked),
        };
        point(match step {
            Step::Acquiring => Point::BeforeAcquiring,
            Step::Held => Point::BeforeHeld,
            Step::Leaving => Point::BeforeLeaving,
            Step::Idle => Point::BeforeIdle,
            Step::Converting => Point::BeforeConverting,
        });
        // Ordering: Release: what was done to the word before is seen by
        // whoever sees this note, by Acquire, in a repair.
        self.state.store(encode(state, asked, self.object), Ordering::Release);
        point(match step {
            Step::Acquiring => Point::AfterAcquiring,
            Step::Held => Point::AfterHeld,
            Step::Leaving => Point::AfterLeaving,
            Step::Idle => Point::AfterIdle,
            Step::Converting => Point::AfterConverting,
        });
    }
}
