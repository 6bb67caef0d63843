//! A blocked caller without an operating system: it relaxes and looks again.

use core::fmt;
use core::marker::PhantomData;

use ::spin::relax::RelaxStrategy;

use super::{Left, Limit, Place, Turn, Wait};

/// Waits by calling the relax strategy `R` between two looks.
pub struct RelaxWait<R>(PhantomData<fn() -> R>);

impl<R: RelaxStrategy> Wait for RelaxWait<R> {
    #[inline]
    fn wait(turn: &impl Turn, limit: &impl Limit) -> bool {
        while turn.place() != Place::Over {
            if limit.left() == Left::Nothing {
                return false;
            }
            R::relax();
        }
        true
    }
}

impl<R> fmt::Debug for RelaxWait<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelaxWait")
    }
}
