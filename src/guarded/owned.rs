//! Guards that keep the data alive.

use alloc::sync::Arc;

use super::{Guarded, MappedReadGuard, MappedWriteGuard, ReadGuard, WriteGuard, WriteMode};
use crate::backend::Backend;
use crate::fifo_lock::FifoLock;
use crate::hold::Hold;
use crate::owned::{Kept, OwnedHold};
use crate::raw::mode::Rules;

/// A hold that keeps a [`Guarded`] alive.
pub type ArcHold<R, T, B> = OwnedHold<R, B, Guarded<R, T, B>>;

/// A [`ReadGuard`] that keeps its data alive, and so may outlive every borrow.
///
/// ```
/// use std::{sync::Arc, thread};
/// use portunus::rules::{Access, ReadWrite};
/// use portunus::sync::Guarded;
///
/// let number = Arc::new(Guarded::new(ReadWrite, 1));
/// let reading = number.read_arc(Access::Read);
/// drop(number);
/// let seen = thread::spawn(move || *reading).join();
/// assert_eq!(seen.ok(), Some(1));
/// ```
pub type ArcReadGuard<R, T, B> = ReadGuard<ArcHold<R, T, B>, T>;

/// A [`WriteGuard`] that keeps its data alive, and so may outlive every borrow.
pub type ArcWriteGuard<R, T, B> = WriteGuard<ArcHold<R, T, B>, T>;

/// A [`MappedReadGuard`] of a part `U` that keeps the whole data alive.
pub type ArcMappedReadGuard<R, T, B, U> = MappedReadGuard<ArcHold<R, T, B>, U>;

/// A [`MappedWriteGuard`] of a part `U` that keeps the whole data alive.
pub type ArcMappedWriteGuard<R, T, B, U> = MappedWriteGuard<ArcHold<R, T, B>, U>;

impl<R: Rules, T: ?Sized, B: Backend> Kept<R, B> for Guarded<R, T, B> {
    #[inline(always)]
    fn fifo_lock(&self) -> &FifoLock<R, B> {
        self.lock()
    }
}

impl<R: Rules, T: ?Sized, B: Backend> Guarded<R, T, B> {
    /// Makes a hold keep this alive.
    pub(super) fn keep(self: &Arc<Self>, hold: Hold<'_, R, B>) -> ArcHold<R, T, B> {
        OwnedHold::new(Arc::clone(self), hold.into_units())
    }

    /// The guard of a hold that is to keep this alive.
    pub(super) fn reading(self: &Arc<Self>, hold: Hold<'_, R, B>) -> ArcReadGuard<R, T, B> {
        ReadGuard::new(self.keep(hold), self.data())
    }
}

/// Writes how guards that keep their data alive are acquired: of the `Guarded`,
/// and with the guards, that have these names where it stands.
macro_rules! acquiring_arc {
    () => {
        impl<R: Rules, T: ?Sized, B: Backend> Guarded<R, T, B> {
            /// As [`read`](Self::read), with a guard that keeps the data alive.
            pub fn read_arc(self: &Arc<Self>, mode: R::Mode) -> ArcReadGuard<R, T, B> {
                self.reading(self.lock().acquire(mode))
            }

            /// As [`try_read`](Self::try_read), with a guard that keeps the data alive.
            pub fn try_read_arc(self: &Arc<Self>, mode: R::Mode) -> Option<ArcReadGuard<R, T, B>> {
                Some(self.reading(self.lock().try_acquire(mode)?))
            }

            /// As [`write`](Self::write), with a guard that keeps the data alive.
            ///
            /// # Errors
            ///
            /// As there.
            pub fn write_arc<W: WriteMode<R>>(
                self: &Arc<Self>,
                mode: W,
            ) -> W::Answer<ArcWriteGuard<R, T, B>> {
                W::answer(mode.judge().map(|mode| {
                    let hold = self.keep(self.lock().enter(mode.request()));
                    WriteGuard::new(hold, self.data(), mode)
                }))
            }

            /// As [`try_write`](Self::try_write), with a guard that keeps the data
            /// alive.
            ///
            /// # Errors
            ///
            /// As there.
            pub fn try_write_arc<W: WriteMode<R>>(
                self: &Arc<Self>,
                mode: W,
            ) -> W::Answer<Option<ArcWriteGuard<R, T, B>>> {
                W::answer(mode.judge().map(|mode| {
                    let hold = self.keep(self.lock().try_enter(mode.request())?);
                    Some(WriteGuard::new(hold, self.data(), mode))
                }))
            }
        }
    };
}
#[allow(unused_imports, reason = "of observed locks")]
pub(crate) use acquiring_arc;

acquiring_arc!();
