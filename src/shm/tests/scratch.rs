//! Numbers in a segment that nothing protects, and a rule with everything:
//! lanes, weights, conversions.

use alloc::sync::Arc;

use crate::atomic::{AtomicU64, Ordering};
use crate::raw::mode::{Held, PerMode, Rules};
use crate::shm::attach::Attachment;
use crate::shm::content::{Content, Site};
use crate::shm::error::Error;
use crate::shm::format::{Plan, kind};

/// Sixty-four numbers.
pub(super) struct Scratch {
    pub(super) attachment: Arc<Attachment>,
    at: u64,
}

impl Content for Scratch {
    type Init = ();

    fn plan(plan: &mut Plan) {
        plan.object(kind::DATA, 512);
    }

    fn create(site: &mut Site<'_>, (): &()) -> Result<(), Error> {
        site.next(kind::DATA, 512).map(drop)
    }

    fn open(site: &mut Site<'_>) -> Result<Self, Error> {
        let at = site.next(kind::DATA, 512)?;
        Ok(Self { attachment: Arc::clone(site.attachment()), at })
    }
}

impl Scratch {
    pub(super) fn cell(&self, i: u64) -> &AtomicU64 {
        assert!(i < 64);
        self.attachment.map().u64(self.at + i * 8)
    }

    pub(super) fn get(&self, i: u64) -> u64 {
        self.cell(i).load(Ordering::SeqCst)
    }

    pub(super) fn set(&self, i: u64, value: u64) {
        self.cell(i).store(value, Ordering::SeqCst);
    }
}

crate::modes! {
    /// The modes of [`Orchard`].
    pub(super) enum Tree { Look, Climb, Fell }
}

/// Climbers stand in the better lane; up to three look or climb together;
/// felling is for one alone, and the only thing that changes anything.
#[derive(Default)]
pub(super) struct Orchard;

impl Rules for Orchard {
    type Mode = Tree;
    const LIMITS: PerMode<usize> = PerMode::all(3).with(Tree::Fell.index(), 1);
    const LANES: PerMode<u8> = PerMode::all(1).with(Tree::Climb.index(), 0);
    const WEIGHTED: bool = true;

    fn admits(&self, mode: Tree, held: &Held<Tree>) -> bool {
        match mode {
            Tree::Look => held[Tree::Fell] == 0,
            Tree::Climb => held[Tree::Fell] == 0 && held[Tree::Look] < 3,
            Tree::Fell => held.is_empty(),
        }
    }

    fn changes(&self, mode: Tree) -> bool {
        matches!(mode, Tree::Fell)
    }
}
