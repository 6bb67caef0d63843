//! What a model puts in the place of the kernel: who lives, who sleeps, what
//! time it is. Outside of this crate's own tests it is nothing.

use core::time::Duration;

use crate::atomic::AtomicU32;

/// The kernel's part.
pub(super) trait World {
    /// Whether the attachment's process lives.
    fn is_alive(&self, who: u32) -> bool;

    /// Sleeps while the word has this value, or until the time is over.
    /// `true`: it was.
    fn sleep(&self, word: &AtomicU32, value: u32, timeout: Duration) -> bool;

    /// Wakes so many who sleep on the word.
    fn wake(&self, word: &AtomicU32, count: i32);

    /// Milliseconds.
    fn now(&self) -> u64;

    /// Whether a repair goes on waiting for a living one, whom this lets run.
    fn is_patient(&self) -> bool;
}

/// The world of a model that runs on this thread.
#[cfg(not(test))]
#[inline(always)]
pub(super) fn world() -> Option<&'static dyn World> {
    None
}

/// How often to look before sleeping: in a model, where nobody comes meanwhile,
/// never.
#[inline(always)]
pub(super) fn looks(most: u32) -> u32 {
    if world().is_some() { 0 } else { most }
}

#[cfg(test)]
pub(super) use of_tests::{set_world, world};

#[cfg(test)]
mod of_tests {
    use core::cell::Cell;

    use super::World;

    std::thread_local! {
        static WORLD: Cell<Option<&'static dyn World>> = const { Cell::new(None) };
    }

    pub(in crate::shm) fn world() -> Option<&'static dyn World> {
        WORLD.try_with(Cell::get).ok().flatten()
    }

    #[allow(dead_code, reason = "where the model runs")]
    pub(in crate::shm) fn set_world(world: Option<&'static dyn World>) {
        WORLD.set(world);
    }
}
