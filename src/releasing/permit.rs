//! Letting permits go for a while.

use super::Releasable;
use crate::backend::Backend;
use crate::semaphore::{Again, Face, Permit, Semaphore, gone, request};

/// How many permits there were, and of which semaphore.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "an associated type")]
pub struct PermitPlace<S> {
    pub(crate) semaphore: S,
    pub(crate) count: u32,
}

impl<'a, B: Backend> PermitPlace<&'a Semaphore<B>> {
    /// `None`: it was closed meanwhile, or has fewer permits now.
    fn take(self) -> Option<Permit<'a, B>> {
        self.semaphore.wait::<Again>(request(self.count)).ok()
    }
}

/// Taken again, they are as many as they were.
///
/// # Panics
///
/// If the semaphore was closed meanwhile, or has fewer permits now. (In a release
/// build for a bare core it [stops](crate#what-it-costs-on-bare-cores).)
impl<'a, B: Backend> Releasable for Permit<'a, B> {
    type Place = PermitPlace<&'a Semaphore<B>>;

    fn place(&self) -> Self::Place {
        PermitPlace { semaphore: self.semaphore(), count: self.count() }
    }

    fn take(place: Self::Place) -> Self {
        let count = place.count;
        Again::output(place.semaphore.wait::<Again>(request(count)), count)
    }

    fn take_or_nothing(place: Self::Place) -> (Self, bool) {
        let semaphore = place.semaphore;
        match place.take() {
            Some(permit) => (permit, true),
            None => (semaphore.permit(0, false), false),
        }
    }

    fn gone() -> ! {
        gone()
    }
}
