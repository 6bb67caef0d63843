//! Permits of an observed semaphore.

use core::fmt;
use core::mem;
use core::ops::Deref;
use core::ptr;
use core::time::Duration;

use super::inner::Observed;
use super::probe::Stamped;
use super::semaphore::Semaphore;
use crate::backend::Backend;
use crate::releasing::{PermitPlace, Releasable};
use crate::rules::Permit as Mode;
use crate::semaphore::{self, Again, Face, gone, request};

/// What has permits: an observed semaphore, or one that is made of it.
#[doc(hidden)]
#[allow(unreachable_pub, reason = "the bound of a public type")]
pub trait Counting {
    /// Its backend.
    type Backend: Backend;

    /// The semaphore.
    fn counted(&self) -> &Semaphore<Self::Backend>;
}

/// How many permits, and whether they were waited for in line.
type Parts = (u32, bool);

/// Permits of an observed [`Semaphore`]: dropped, they go back, and their time
/// is noted.
///
/// `S` is how they have the semaphore: as a reference, or as an `Arc`, which
/// keeps it alive.
#[must_use = "a permit that is dropped at once goes back at once"]
pub struct Permit<S: Deref<Target: Counting>> {
    semaphore: S,
    count: u32,
    lined: bool,
    /// They are part of others now, with which their time goes on.
    merged: bool,
    since: Duration,
}

/// What plain permits have, which are not given back.
pub(super) fn parts<B: Backend>(
    stamped: Stamped<semaphore::Permit<'_, Observed<B>>>,
) -> Stamped<Parts> {
    Stamped { guard: stamped.guard.into_parts(), since: stamped.since }
}

impl<S: Deref<Target: Counting>> Permit<S> {
    /// Of what plain permits of the same semaphore had.
    pub(super) fn new(semaphore: S, stamped: Stamped<Parts>) -> Self {
        let (count, lined) = stamped.guard;
        Self { semaphore, count, lined, merged: false, since: stamped.since }
    }

    /// How many permits these are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Takes `count` of them out into a permit of their own, as
    /// [`crate::Permit::split`]. Both parts are held since then.
    pub fn split(&mut self, count: u32) -> Option<Self>
    where
        S: Clone,
    {
        self.count = self.count.checked_sub(count)?;
        let parts = Stamped { guard: (count, self.lined), since: self.since };
        Some(Self::new(self.semaphore.clone(), parts))
    }

    /// Adds the permits of `other` to these, as [`crate::Permit::merge`].
    /// Together they are held since the first of both.
    ///
    /// # Errors
    ///
    /// `other`, untouched.
    pub fn merge(&mut self, mut other: Self) -> Result<(), Self> {
        let sum = self.count.checked_add(other.count);
        match sum {
            Some(sum) if ptr::eq(self.semaphore.counted(), other.semaphore.counted()) => {
                self.count = sum;
                self.since = self.since.min(other.since);
                (other.count, other.merged) = (0, true);
                Ok(())
            }
            _ => Err(other),
        }
    }

    /// Uses them up, as [`crate::Permit::forget`], and notes their time: the
    /// semaphore has so many permits fewer.
    pub fn forget(mut self) {
        let count = mem::take(&mut self.count);
        self.semaphore.counted().semaphore().permit(count, self.lined).forget();
    }

    #[allow(dead_code, reason = "with an allocator")]
    pub(super) fn kept(&self) -> &S {
        &self.semaphore
    }

    /// What they are, which is not given back.
    pub(super) fn into_parts(self) -> Stamped<Parts>
    where
        S: Copy,
    {
        let parts = Stamped { guard: (self.count, self.lined), since: self.since };
        mem::forget(self);
        parts
    }
}

impl<'a, B: Backend> Permit<&'a Semaphore<B>> {
    /// The semaphore that they belong to.
    #[must_use]
    pub fn semaphore(&self) -> &'a Semaphore<B> {
        self.semaphore
    }
}

impl<S: Deref<Target: Counting>> Drop for Permit<S> {
    fn drop(&mut self) {
        if self.merged {
            return;
        }
        let semaphore = self.semaphore.counted();
        drop(semaphore.semaphore().permit(self.count, self.lined));
        semaphore.probe().left(self.since, &Mode::Permit);
    }
}

impl<S: Deref<Target: Counting>> fmt::Debug for Permit<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("count", &self.count).finish_non_exhaustive()
    }
}

/// Taken again, they are as many as they were, and another acquisition.
///
/// # Panics
///
/// If the semaphore was closed meanwhile, or has fewer permits now.
impl<S: Deref<Target: Counting> + Clone> Releasable for Permit<S> {
    type Place = PermitPlace<S>;

    fn place(&self) -> Self::Place {
        PermitPlace { semaphore: self.semaphore.clone(), count: self.count }
    }

    fn take(PermitPlace { semaphore, count }: Self::Place) -> Self {
        let again = semaphore.counted().wait::<Again>(request(count));
        let permit = Again::output(again.map(Permit::into_parts), count);
        Self::new(semaphore, permit)
    }

    fn take_or_nothing(PermitPlace { semaphore, count }: Self::Place) -> (Self, bool) {
        let counted = semaphore.counted();
        let again = counted.wait::<Again>(request(count)).map(Permit::into_parts);
        let whole = again.is_ok();
        let nothing = |_| Stamped { guard: (0, false), since: counted.probe().now() };
        let parts = again.unwrap_or_else(nothing);
        (Self::new(semaphore, parts), whole)
    }

    fn gone() -> ! {
        gone()
    }
}
