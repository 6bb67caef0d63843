//! Letting a re-entrant guard go for a while.

use lock_api::{GetThreadId, RawMutex, ReentrantMutex, ReentrantMutexGuard};

use super::Releasable;

/// It lets go once: a thread that is inside by other guards, too, stays inside.
impl<'a, L: RawMutex, G: GetThreadId, T: ?Sized> Releasable for ReentrantMutexGuard<'a, L, G, T> {
    type Place = &'a ReentrantMutex<L, G, T>;

    fn place(&self) -> Self::Place {
        Self::remutex(self)
    }

    fn take(place: Self::Place) -> Self {
        place.lock()
    }
}
