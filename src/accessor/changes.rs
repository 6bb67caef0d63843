//! The part of an accessor that is not its value.

#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;

use crate::atomic::constructor;
use crate::backend::Backend;
use crate::condition::{AsCondition, Condition};

/// What an accessor knows of its readers and writers. Touched under the
/// condition's lock only.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// How often the value was set. It wraps: a reader that sleeps through all
    /// of them misses one change.
    pub(super) version: usize,
    /// How many stand in line to read.
    pub(super) readers: usize,
    /// How many stand in line to set when somebody reads.
    pub(super) writers: usize,
    /// How many of the readers a writer was woken for that has not come yet.
    pub(super) claimed: usize,
    /// Their number in the condition's queue, from the first waiter on; else 0.
    pub(super) number: u64,
}

impl State {
    const NEW: Self = Self { version: 0, readers: 0, writers: 0, claimed: 0, number: 0 };
}

/// The version of an accessor's value, and who waits for the next one: the
/// part of an accessor that is not its value.
///
/// An object whose accessors [`condition_property!`](crate::condition_property)
/// writes has a field of this type for each of them.
///
/// Invariant **V1**: the state is touched under the condition's lock only.
/// Invariant **V3**: all values that are asked about under one number are of one
/// type `T`, exactly: the type is invariant in it.
///
/// ```compile_fail
/// use portunus::sync::Changes;
///
/// fn shorter<'a>(changes: &'a Changes<&'static u8>) -> &'a Changes<&'a u8> {
///     changes
/// }
/// ```
pub struct Changes<T, B: Backend, C: AsCondition<B> = Condition<B>> {
    condition: C,
    state: UnsafeCell<State>,
    /// V3.
    value: PhantomData<fn(T) -> T>,
    backend: PhantomData<fn() -> B>,
}

// SAFETY: V1.
unsafe impl<T, B: Backend, C: AsCondition<B> + Sync> Sync for Changes<T, B, C> {}

impl<T, B: Backend> Changes<T, B> {
    constructor! {
        /// With a condition of its own.
        #[must_use]
        pub fn new() -> Self {
            Self {
                condition: Condition::new(),
                state: UnsafeCell::new(State::NEW),
                value: PhantomData,
            backend: PhantomData,
            }
        }
    }
}

impl<T, B: Backend, C: AsCondition<B>> Changes<T, B, C> {
    /// On a condition that others share.
    pub const fn on(condition: C) -> Self {
        Self {
            condition,
            state: UnsafeCell::new(State::NEW),
            value: PhantomData,
            backend: PhantomData,
        }
    }

    /// The condition.
    pub fn condition(&self) -> &Condition<B> {
        self.condition.as_condition()
    }

    /// # Safety
    ///
    /// Under the condition's lock, and no other reference to it.
    #[allow(clippy::mut_from_ref, reason = "the lock excludes")]
    pub(super) unsafe fn state(&self) -> &mut State {
        // SAFETY: V1.
        unsafe { &mut *self.state.get() }
    }
}

impl<T, B: Backend> Default for Changes<T, B> {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows how many wait; never blocks.
impl<T, B: Backend, C: AsCondition<B>> fmt::Debug for Changes<T, B, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").field("condition", self.condition()).finish_non_exhaustive()
    }
}

/// Where an accessor's [`Changes`] are: in itself, or elsewhere.
///
/// It cannot be implemented elsewhere.
pub trait AsChanges<T, B: Backend>: sealed::Sealed<T, B> {}

pub(crate) mod sealed {
    use super::*;

    pub trait Sealed<T, B: Backend> {
        type Condition: AsCondition<B>;
        fn changes(&self) -> &Changes<T, B, Self::Condition>;
    }
}

impl<T, B: Backend, C: AsCondition<B>> AsChanges<T, B> for Changes<T, B, C> {}
impl<T, B: Backend, C: AsCondition<B>> sealed::Sealed<T, B> for Changes<T, B, C> {
    type Condition = C;

    fn changes(&self) -> &Changes<T, B, C> {
        self
    }
}

impl<T, B: Backend, C: AsCondition<B>> AsChanges<T, B> for &Changes<T, B, C> {}
impl<T, B: Backend, C: AsCondition<B>> sealed::Sealed<T, B> for &Changes<T, B, C> {
    type Condition = C;

    fn changes(&self) -> &Changes<T, B, C> {
        self
    }
}
