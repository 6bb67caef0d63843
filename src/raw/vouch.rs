//! The word of somebody who is sure of a rule.

#![allow(unsafe_code)]

use core::fmt;
use core::marker::PhantomData;

/// Whether somebody vouches for a rule: see [`Rules::VOUCHED`](crate::Rules::VOUCHED).
///
/// It is one line, for which the rule has to be right:
///
/// ```
/// use portunus::{Held, PerMode, Rules, Vouched};
///
/// portunus::modes! { pub enum Access { Read, Write } }
/// use Access::*;
///
/// pub struct ReadWrite;
///
/// impl Rules for ReadWrite {
///     type Mode = Access;
///     const EXCLUSIVE: PerMode<bool> = PerMode::all(false).with(Write.index(), true);
///     // SAFETY: `Write` enters only where nobody is, and nothing beside `Write`.
///     const VOUCHED: Vouched<Self> = unsafe { Vouched::yes() };
///     fn admits(&self, mode: Access, held: &Held<Access>) -> bool {
///         match mode {
///             Read => held[Write] == 0,
///             Write => held.is_empty(),
///         }
///     }
/// }
///
/// // In a test:
/// portunus::rules::check(&ReadWrite).unwrap();
/// ```
///
/// The word of one rule is not that of another:
///
/// ```compile_fail,E0308
/// # use portunus::{Held, Rules, Vouched, rules};
/// # pub struct Mine;
/// impl Rules for Mine {
///     const VOUCHED: Vouched<Self> = rules::ReadWrite::VOUCHED;
/// #   type Mode = rules::Access;
/// #   fn admits(&self, _: rules::Access, _: &Held<rules::Access>) -> bool { true }
/// }
/// ```
///
/// That nobody vouches, every rule may say:
///
/// ```
/// # use portunus::{Held, Rules, Vouched, rules};
/// # pub struct Mine;
/// impl Rules for Mine {
///     const VOUCHED: Vouched<Self> = Vouched::NO;
/// #   type Mode = rules::Access;
/// #   fn admits(&self, _: rules::Access, _: &Held<rules::Access>) -> bool { true }
/// }
/// # assert!(!Mine::VOUCHED.is_yes());
/// ```
pub struct Vouched<R: ?Sized> {
    yes: bool,
    rules: PhantomData<fn() -> R>,
}

impl<R: ?Sized> Vouched<R> {
    /// Nobody does: the lock looks for itself.
    pub const NO: Self = Self { yes: false, rules: PhantomData };

    /// The caller does.
    ///
    /// # Safety
    ///
    /// For the rule `R`, at any time, each mode `e` of
    /// [`Rules::EXCLUSIVE`](crate::Rules::EXCLUSIVE), and all counts that are
    /// within [`Rules::LIMITS`](crate::Rules::LIMITS) and stay there with one
    /// unit more of the mode that is asked about:
    ///
    /// * [`admits`](crate::Rules::admits) says no to `e`, unless nobody is
    ///   inside,
    /// * it says no to every mode of [`Mode::ALL`](crate::Mode::ALL) while a unit
    ///   of `e` is held,
    /// * and [`Mode::index`](crate::Mode::index), if it is written by hand, is
    ///   the place in [`Mode::ALL`](crate::Mode::ALL).
    ///
    /// [`rules::check`](crate::rules::check) looks for counts that disprove it.
    #[must_use]
    pub const unsafe fn yes() -> Self {
        Self { yes: true, rules: PhantomData }
    }

    /// Whether somebody does.
    #[must_use]
    pub const fn is_yes(&self) -> bool {
        self.yes
    }
}

impl<R: ?Sized> Clone for Vouched<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R: ?Sized> Copy for Vouched<R> {}

impl<R: ?Sized> fmt::Debug for Vouched<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Vouched").field(&self.yes).finish()
    }
}
