//! No inner lock at all.

#![allow(unsafe_code)]

use core::fmt;
use core::marker::PhantomData;

use super::inner::InnerLock;
use super::kept::Kept;

/// Vouches that the locks of a program part are used by one flow of control.
///
/// The locks of [`single`](crate::single) carry the type for which this is
/// implemented; they are `Sync`, because of this promise alone.
///
/// # Safety
///
/// All locks whose backend or inner lock carries this type, and all their
/// guards, holds and futures, are used by one flow of control: on one core, in
/// one thread, by no interrupt or signal handler. What takes turns in it of its
/// own accord (the tasks of one executor, coroutines) may share them.
///
/// To create one, as in a `static`, does not count as a use.
pub unsafe trait Alone: 'static {}

/// What is said when a lock is used while it is in use.
const NESTED: &str = "a lock without an inner lock was used while it was in use: by its own rule's \
     predicate, or, against what `Alone` promises, by an interrupt handler or another thread";

/// No inner lock: nobody else is there, as `V` vouches.
///
/// It costs a load, a comparison and two stores, by which it finds out who
/// uses a lock inside itself, and ends the program with a panic that says so.
/// That is certain for a rule's predicate. A handler that breaks the promise
/// is found only when it meets the line being changed.
pub struct NoLock<V> {
    kept: Kept,
    vouched: PhantomData<fn() -> V>,
}

// SAFETY: by the contract of `Alone` nobody else runs, and what was written is
// there; a nested call finds the word taken and ends the program; `Kept`
// writes the word back in every way out.
unsafe impl<V: Alone> InnerLock for NoLock<V> {
    const LEAVES_AT_ONCE: bool = true;

    #[cfg(not(all(test, portunus_loom)))]
    const INIT: Self = Self { kept: Kept::new(), vouched: PhantomData };

    #[cfg(all(test, portunus_loom))]
    fn init() -> Self {
        Self { kept: Kept::new(), vouched: PhantomData }
    }

    #[inline]
    fn with<T>(&self, f: impl FnOnce(&mut *const ()) -> T) -> T {
        self.kept.with(NESTED, f)
    }

    #[inline]
    fn try_with<T>(&self, f: impl FnOnce(&mut *const ()) -> T) -> Option<T> {
        self.kept.try_with(f)
    }

    #[inline]
    fn is_clear(&self) -> bool {
        self.kept.is_clear()
    }
}

impl<V> fmt::Debug for NoLock<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoLock").finish_non_exhaustive()
    }
}
