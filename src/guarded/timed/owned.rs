//! The same with guards that keep the data alive.

use alloc::sync::Arc;
use core::time::Duration;
use std::time::Instant;

use crate::backend::Backend;
use crate::fifo_lock::request;
use crate::guarded::{ArcReadGuard, ArcWriteGuard, Guarded, WriteGuard, WriteMode};
use crate::raw::mode::Rules;
use crate::wait::until::Until;

/// Writes the same as [`acquiring_arc`](crate::guarded::acquiring_arc), with a
/// limit to the time.
macro_rules! acquiring_arc_timed {
    () => {
        impl<R: Rules, T: ?Sized, B: Backend> Guarded<R, T, B> {
            /// As [`read_for`](Self::read_for), with a guard that keeps the data alive.
            pub fn read_arc_for(
                self: &Arc<Self>,
                mode: R::Mode,
                timeout: Duration,
            ) -> Option<ArcReadGuard<R, T, B>> {
                self.read_arc_limited(mode, Until::after(timeout))
            }

            /// As [`read_until`](Self::read_until), with a guard that keeps the data
            /// alive.
            pub fn read_arc_until(
                self: &Arc<Self>,
                mode: R::Mode,
                deadline: Instant,
            ) -> Option<ArcReadGuard<R, T, B>> {
                self.read_arc_limited(mode, Until::at(deadline))
            }

            fn read_arc_limited(
                self: &Arc<Self>,
                mode: R::Mode,
                limit: Until,
            ) -> Option<ArcReadGuard<R, T, B>> {
                Some(self.reading(self.lock().enter_limited(request(mode, 1), &limit)?))
            }

            /// As [`write_for`](Self::write_for), with a guard that keeps the data
            /// alive.
            ///
            /// # Errors
            ///
            /// As [`write`](Self::write).
            pub fn write_arc_for<W: WriteMode<R>>(
                self: &Arc<Self>,
                mode: W,
                timeout: Duration,
            ) -> W::Answer<Option<ArcWriteGuard<R, T, B>>> {
                self.write_arc_limited(mode, Until::after(timeout))
            }

            /// As [`write_until`](Self::write_until), with a guard that keeps the data
            /// alive.
            ///
            /// # Errors
            ///
            /// As [`write`](Self::write).
            pub fn write_arc_until<W: WriteMode<R>>(
                self: &Arc<Self>,
                mode: W,
                deadline: Instant,
            ) -> W::Answer<Option<ArcWriteGuard<R, T, B>>> {
                self.write_arc_limited(mode, Until::at(deadline))
            }

            fn write_arc_limited<W: WriteMode<R>>(
                self: &Arc<Self>,
                mode: W,
                limit: Until,
            ) -> W::Answer<Option<ArcWriteGuard<R, T, B>>> {
                W::answer(mode.judge().map(|mode| {
                    let hold = self.keep(self.lock().enter_limited(mode.request(), &limit)?);
                    Some(WriteGuard::new(hold, self.data(), mode))
                }))
            }
        }
    };
}
#[allow(unused_imports, reason = "of observed locks")]
pub(crate) use acquiring_arc_timed;

acquiring_arc_timed!();
