//! Limits that move: units withheld from everybody, and given back.
//!
//! The invariants are those of the [module above](super). One more:
//!
//! * **R5** What the rules and the word say of a limit changes in one section
//!   of the inner lock: a grant's plain store of the word can't lose it, and
//!   whoever is judged in a section is judged by one limit.

use super::section::Section;
use super::{G, RawFifoLock};
use crate::atomic::Ordering;
use crate::backend::Backend;
use crate::panic::Panic;
use crate::raw::engine::{self, Env};
use crate::raw::limit::{self, Refusing};
use crate::raw::mode::Rules;
use crate::wait::batch::Batch;
use crate::wait::node::{Refusal, Request};

/// How a limit moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shift {
    /// Not at all.
    Stays,
    /// So many units more are withheld. None: by as many as more are, fewer
    /// are held.
    Withheld(usize),
    /// So many units fewer are withheld.
    Freed(usize),
}

impl<R: Rules, B: Backend> RawFifoLock<R, B> {
    /// Moves the limit of the mode with index `mode`. `shift` is told how many
    /// units are counted now, runs under the inner lock, and decides.
    ///
    /// Requests that could never be served then have ended when this returns,
    /// and whoever may enter has.
    pub(crate) fn shift(&self, mode: usize, shift: impl FnOnce(&R, usize) -> Shift) {
        /// Goes on should a waker panic; another panic on top of that one ends
        /// here, where it can be caught.
        struct Rounds<'a, R: Rules, B: Backend>(&'a RawFifoLock<R, B>, bool);
        impl<R: Rules, B: Backend> Rounds<'_, R, B> {
            fn round(&mut self) {
                self.1 = false;
                let (mut refused, mut batch) = (Batch::new(), Batch::new());
                self.1 = self.0.section(|s| limit::refuse(s, 0, &mut refused, &mut batch));
                refused.wake();
                batch.wake();
            }
        }
        impl<R: Rules, B: Backend> Drop for Rounds<'_, R, B> {
            fn drop(&mut self) {
                while self.1 {
                    let _caught: Result<(), Panic> = B::catch(|| self.round());
                }
            }
        }
        let (mut refused, mut batch) = (Batch::new(), Batch::new());
        let more = self.section(|s| {
            // Ordering: Relaxed, a snapshot: others may enter and leave.
            match shift(&self.rules, G::<R>::count(self.word.load(Ordering::Relaxed), mode)) {
                Shift::Stays => false,
                Shift::Withheld(units) => {
                    // Ordering: Relaxed: it publishes nothing, and as an
                    // exchange carries the leavers' releases on (O1).
                    self.word.fetch_add(G::<R>::units(mode, units), Ordering::Relaxed);
                    limit::refuse(s, 0, &mut refused, &mut batch)
                }
                Shift::Freed(units) => engine::grant(s, G::<R>::units(mode, units), 0, &mut batch),
            }
        });
        let mut rounds = Rounds(self, more);
        refused.wake();
        batch.wake();
        while rounds.1 {
            rounds.round();
        }
    }

    /// Why a request could never be served, as it seems now.
    #[inline]
    pub(crate) fn refusal(&self, request: Request) -> Option<Refusal> {
        if !R::REFUSES {
            return None;
        }
        // Ordering: Relaxed, a snapshot.
        let now = self.word.load(Ordering::Relaxed);
        self.rules.refusal(&G::<R>::asked(now, request))
    }
}

impl<R: Rules, B: Backend> Refusing for Section<'_, R, B> {
    #[inline(always)]
    fn refusal(&self, request: Request) -> Option<Refusal> {
        self.lock.refusal(request)
    }

    fn refused(&mut self, id: Self::Id, why: Refusal) -> Option<<Self as Env>::Wake> {
        self.mark_refused(id, why)
    }
}
