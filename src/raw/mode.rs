//! Modes, counts of modes, and the rule that decides over them.

use core::fmt;
use core::marker::PhantomData;
use core::ops::Index;

use super::vouch::Vouched;
use crate::wait::node::Refusal;

/// The most modes that one enum may have.
pub const MAX_MODES: usize = 16;

/// A limit in [`Rules::LIMITS`] that says: as many as the word has room for,
/// which depends on the other modes and the target, see [`Rules`]. A request
/// beyond it waits.
pub const UNLIMITED: usize = usize::MAX;

/// One way of holding a lock: a variant of an enum.
///
/// [`modes!`](crate::modes) writes the enum and this implementation.
/// Implemented by hand, `index` has to be the place in [`ALL`](Self::ALL); a
/// wrong one makes the lock panic or serve another mode, never more.
#[doc(alias = "LockMode")]
pub trait Mode: Copy + fmt::Debug + Send + Sync + 'static {
    /// Every mode, in the order of [`index`](Self::index).
    const ALL: &'static [Self];

    /// How many modes there are, at most [`MAX_MODES`].
    const COUNT: usize = Self::ALL.len();

    /// The mode's place in [`ALL`](Self::ALL).
    fn index(self) -> usize;
}

/// Writes an enum of lock modes.
///
/// The enum gets [`Mode`](crate::Mode), `Clone`, `Copy`, `Debug`, `PartialEq`,
/// `Eq`, `Hash`, and a `const fn index`.
///
/// ```
/// portunus::modes! {
///     /// Who may use the whiteboard.
///     pub enum Board {
///         /// Looks at it.
///         Read,
///         /// Writes on it.
///         Write,
///     }
/// }
/// assert_eq!(Board::Write.index(), 1);
/// ```
#[macro_export]
macro_rules! modes {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $($(#[$variant_meta:meta])* $variant:ident),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        $vis enum $name {
            $($(#[$variant_meta])* $variant),+
        }

        impl $name {
            /// The mode's place among all modes.
            #[inline]
            #[must_use]
            $vis const fn index(self) -> usize {
                self as usize
            }
        }

        impl $crate::Mode for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            #[inline]
            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

/// The index of a mode, checked: `Mode` may be implemented by hand.
#[inline(always)]
pub(crate) fn index_of<M: Mode>(mode: M) -> u8 {
    let index = mode.index();
    assert!(index < M::COUNT && index < MAX_MODES, "Mode::index is not below Mode::COUNT");
    index as u8
}

/// The mode with this index; the first one for an index that is none.
#[inline(always)]
pub(crate) fn mode_of<M: Mode>(index: u8) -> M {
    let index = usize::from(index);
    M::ALL[if index < M::ALL.len() { index } else { 0 }]
}

/// One value for each mode of an enum, for the constants of [`Rules`].
///
/// ```
/// use portunus::PerMode;
///
/// portunus::modes! { pub enum Access { Read, Write } }
/// const LIMITS: PerMode<usize> = PerMode::all(100).with(Access::Write.index(), 1);
/// assert_eq!(LIMITS.get(Access::Read.index()), 100);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerMode<T>([T; MAX_MODES]);

impl<T: Copy> PerMode<T> {
    /// The same for all modes.
    #[must_use]
    pub const fn all(value: T) -> Self {
        Self([value; MAX_MODES])
    }

    /// This, with another value for the mode with this index.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`MAX_MODES`]; in a constant, that is an error
    /// of the compiler.
    #[must_use]
    pub const fn with(mut self, index: usize, value: T) -> Self {
        assert!(index < MAX_MODES, "no mode has this index: MAX_MODES is 16");
        self.0[index] = value;
        self
    }

    /// The value for the mode with this index.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`MAX_MODES`].
    #[inline]
    #[must_use]
    pub const fn get(&self, index: usize) -> T {
        self.0[index]
    }
}

/// How many units of each mode are held: what a rule looks at.
///
/// `held[mode]` is the count of a mode.
///
/// ```
/// use portunus::Held;
///
/// portunus::modes! { pub enum Access { Read, Write } }
/// let held = Held::new().with(Access::Read, 3);
/// assert_eq!(held[Access::Read], 3);
/// assert_eq!(held[Access::Write], 0);
/// assert!(!held.is_empty());
/// ```
#[derive(Clone, Copy)]
pub struct Held<M> {
    counts: [usize; MAX_MODES],
    /// Kept apart, so that "nobody is inside" is one comparison on the word
    /// and not a sum.
    empty: bool,
    mode: PhantomData<fn() -> M>,
}

impl<M: Mode> Held<M> {
    /// Nobody is inside.
    #[must_use]
    pub const fn new() -> Self {
        Self { counts: [0; MAX_MODES], empty: true, mode: PhantomData }
    }

    /// These counts. `empty` is whether all are zero.
    #[inline(always)]
    pub(crate) fn from_counts(counts: [usize; MAX_MODES], empty: bool) -> Self {
        Self { counts, empty, mode: PhantomData }
    }

    /// This, with another count for `mode`. For testing a rule.
    #[must_use]
    pub fn with(mut self, mode: M, count: usize) -> Self {
        self.counts[mode.index()] = count;
        self.empty = self.counts[..M::COUNT].iter().all(|&count| count == 0);
        self
    }

    /// Whether nobody is inside, in any mode.
    #[inline(always)]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.empty
    }

    /// Each mode with its count.
    pub fn iter(&self) -> impl Iterator<Item = (M, usize)> {
        M::ALL.iter().zip(self.counts).map(|(&mode, count)| (mode, count))
    }
}

impl<M: Mode> Default for Held<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Mode> Index<M> for Held<M> {
    type Output = usize;

    #[inline(always)]
    fn index(&self, mode: M) -> &usize {
        let index = mode.index();
        debug_assert!(index < M::COUNT, "Mode::index is not below Mode::COUNT");
        // No index leaves the array: a rule's predicate that looks at a count
        // has nowhere to panic.
        &self.counts[index % MAX_MODES]
    }
}

impl<M: Mode> PartialEq for Held<M> {
    fn eq(&self, other: &Self) -> bool {
        self.counts[..M::COUNT] == other.counts[..M::COUNT]
    }
}

impl<M: Mode> Eq for Held<M> {}

impl<M: Mode> fmt::Debug for Held<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Who may enter beside whom.
///
/// One predicate makes a lock. Everything else has a default.
///
/// ```
/// use portunus::{Held, Rules, sync::FifoLock};
///
/// portunus::modes! { pub enum Access { Read, Write } }
/// use Access::*;
///
/// pub struct ReadWrite;
///
/// impl Rules for ReadWrite {
///     type Mode = Access;
///     fn admits(&self, mode: Access, held: &Held<Access>) -> bool {
///         match mode {
///             Read => held[Write] == 0,
///             Write => held.is_empty(),
///         }
///     }
/// }
///
/// static LOCK: FifoLock<ReadWrite> = FifoLock::new(ReadWrite);
/// let a = LOCK.acquire(Read);
/// let b = LOCK.acquire(Read);
/// assert!(LOCK.try_acquire(Write).is_none());
/// # drop((a, b));
/// ```
///
/// # What fits
///
/// All counts live in one `usize`. It holds one bit for each lane (the highest
/// number in [`LANES`](Self::LANES), plus 1), and for each mode as many bits as
/// its limit needs: 1 for 1, 2 for 3, 10 for 1023. What is left is divided
/// evenly among the modes without a limit, which need at least 4 bits each. So
/// 64 bits have room for 15 modes without a limit (15 holders each) or for two
/// (2³¹ − 1 each), and 32 bits for 7. What compiles for 64 bits may not for 32.
///
/// That they fit is checked when code that builds a lock of these rules is
/// generated: outside a `static` or `const`, `cargo build` reports it and
/// `cargo check` may not.
///
/// ```compile_fail
/// use portunus::{Held, PerMode, Rules, sync::FifoLock};
///
/// portunus::modes! { pub enum Many { A, B, C } }
/// struct TooMuch;
/// impl Rules for TooMuch {
///     type Mode = Many;
///     const LIMITS: PerMode<usize> = PerMode::all(1 << 30);
///     fn admits(&self, _: Many, held: &Held<Many>) -> bool { held.is_empty() }
/// }
/// static LOCK: FifoLock<TooMuch> = FifoLock::new(TooMuch);
/// ```
///
/// With `PerMode::all(1 << 10)` it compiles:
///
/// ```
/// # use portunus::{Held, PerMode, Rules, sync::FifoLock};
/// # portunus::modes! { pub enum Many { A, B, C } }
/// # struct Fits;
/// # impl Rules for Fits {
/// #     type Mode = Many;
/// const LIMITS: PerMode<usize> = PerMode::all(1 << 10);
/// #     fn admits(&self, _: Many, held: &Held<Many>) -> bool { held.is_empty() }
/// # }
/// # if cfg!(target_pointer_width = "64") { let _ = FifoLock::new(Fits); }
/// ```
#[doc(alias = "compatibility matrix")]
pub trait Rules {
    /// The modes that the rule knows.
    type Mode: Mode;

    /// The most units that may be held in each mode at once. A request beyond
    /// it waits. Modes without a limit share what the word has left over.
    ///
    /// ```
    /// use portunus::{Held, PerMode, Rules, sync::FifoLock};
    ///
    /// portunus::modes! { pub enum Seat { Chair, Desk } }
    /// struct Room;
    /// impl Rules for Room {
    ///     type Mode = Seat;
    ///     const LIMITS: PerMode<usize> = PerMode::all(40).with(Seat::Desk.index(), 1);
    ///     fn admits(&self, _: Seat, _: &Held<Seat>) -> bool { true }
    /// }
    /// static ROOM: FifoLock<Room> = FifoLock::new(Room);
    ///
    /// let desk = ROOM.acquire(Seat::Desk);
    /// assert!(ROOM.try_acquire(Seat::Desk).is_none());
    /// assert!(ROOM.try_acquire(Seat::Chair).is_some());
    /// # drop(desk);
    /// ```
    const LIMITS: PerMode<usize> = PerMode::all(UNLIMITED);

    /// The lane in which requests of each mode stand: 0 is served first.
    ///
    /// Lanes are strict: while the first in a lane cannot enter, nobody of a
    /// worse lane enters, and a newcomer enters at once only if nobody stands
    /// in its own or a better lane. A stream of requests in a better lane can
    /// so keep a worse one waiting for ever: that is the rule's choice. Within
    /// a lane nobody is ever overtaken.
    ///
    /// ```
    /// use portunus::{Held, PerMode, Rules, sync::FifoLock};
    /// use Road::*;
    ///
    /// // A crossing, one at a time. Ambulances pass the cars that wait.
    /// portunus::modes! { pub enum Road { Car, Ambulance } }
    /// struct Crossing;
    /// impl Rules for Crossing {
    ///     type Mode = Road;
    ///     const LANES: PerMode<u8> = PerMode::all(1).with(Ambulance.index(), 0);
    ///     fn admits(&self, _: Road, held: &Held<Road>) -> bool { held.is_empty() }
    /// }
    /// static CROSSING: FifoLock<Crossing> = FifoLock::new(Crossing);
    ///
    /// let inside = CROSSING.acquire(Car);
    /// let passed = std::sync::Mutex::new(Vec::new());
    /// std::thread::scope(|scope| {
    ///     for (before, road) in [Car, Ambulance].into_iter().enumerate() {
    ///         let passed = &passed;
    ///         scope.spawn(move || {
    ///             let _inside = CROSSING.acquire(road);
    ///             passed.lock().unwrap().push(road);
    ///         });
    ///         while CROSSING.waiting() <= before { std::thread::yield_now(); }
    ///     }
    ///     drop(inside);
    /// });
    /// assert_eq!(passed.into_inner().unwrap(), [Ambulance, Car]);
    /// ```
    #[doc(alias = "priority")]
    const LANES: PerMode<u8> = PerMode::all(0);

    /// Whether requests may weigh more than one unit.
    ///
    /// ```
    /// use portunus::{Held, PerMode, Rules, sync::FifoLock};
    ///
    /// portunus::modes! { pub enum Memory { Page } }
    /// struct Pages;
    /// impl Rules for Pages {
    ///     type Mode = Memory;
    ///     const LIMITS: PerMode<usize> = PerMode::all(100);
    ///     const WEIGHTED: bool = true;
    ///     fn admits(&self, _: Memory, _: &Held<Memory>) -> bool { true }
    /// }
    /// static PAGES: FifoLock<Pages> = FifoLock::new(Pages);
    ///
    /// let most = PAGES.acquire_many(Memory::Page, 80)?;
    /// assert_eq!(PAGES.holders(Memory::Page), 80);
    /// assert!(PAGES.try_acquire_many(Memory::Page, 30)?.is_none());
    /// // What could never be served is an error.
    /// assert!(PAGES.acquire_many(Memory::Page, 101).is_err());
    /// # drop(most);
    /// # Ok::<(), portunus::TooMany>(())
    /// ```
    const WEIGHTED: bool = false;

    /// Whether a hold may be converted into another mode.
    const CONVERTS: bool = true;

    /// The modes whose holder is alone.
    ///
    /// The lock keeps to this, whatever [`admits`](Self::admits) says: such a
    /// holder enters only when nobody is inside, and nobody enters beside it. So
    /// [`Guarded`](crate::Guarded) can lend `&mut` to it, and nobody needs to
    /// vouch for the rule; who does, with [`VOUCHED`](Self::VOUCHED), makes it
    /// leaner.
    ///
    /// ```
    /// use portunus::PerMode;
    ///
    /// portunus::modes! { pub enum Access { Read, Write } }
    /// // In the `impl Rules`:
    /// const EXCLUSIVE: PerMode<bool> = PerMode::all(false).with(Access::Write.index(), true);
    /// # assert!(EXCLUSIVE.get(1));
    /// ```
    const EXCLUSIVE: PerMode<bool> = PerMode::all(false);

    /// Whether somebody vouches that [`admits`](Self::admits) keeps to
    /// [`EXCLUSIVE`](Self::EXCLUSIVE) by itself. Then the lock does not look for
    /// itself, which saves a few instructions where a mode is known only at run
    /// time, and on bare cores some 400 bytes of flash.
    const VOUCHED: Vouched<Self> = Vouched::NO;

    /// Whether [`admits`](Self::admits) only asks which modes are held, and not
    /// how often: `held[mode] == 0`, `held.is_empty()`.
    ///
    /// Then nobody is let in by a holder that leaves others of its mode behind:
    /// it goes by one update, without a look at the line. Where many share and
    /// somebody waits, that saves most of what leaving costs. Limits are looked
    /// at all the same.
    ///
    /// A rule that says so and counts nevertheless may leave a waiter asleep;
    /// `rules::check` (with `alloc`) finds it.
    ///
    /// ```
    /// use portunus::{Held, Rules, rules::check};
    ///
    /// portunus::modes! { pub enum Access { Read, Write } }
    /// struct Counting;
    /// impl Rules for Counting {
    ///     type Mode = Access;
    ///     const BY_PRESENCE: bool = true;
    ///     fn admits(&self, mode: Access, held: &Held<Access>) -> bool {
    ///         match mode {
    ///             // It counts: the marker is false.
    ///             Access::Read => held[Access::Write] == 0 && held[Access::Read] < 3,
    ///             Access::Write => held.is_empty(),
    ///         }
    ///     }
    /// }
    /// assert!(check(&Counting).is_err());
    /// ```
    const BY_PRESENCE: bool = false;

    /// Whether one more unit of `mode` may be held beside `held`.
    ///
    /// When a holder leaves, a request is cancelled or a hold is converted, the
    /// rule is asked for the first of the line, and for the next as long as the
    /// answer is yes. It is also asked about hypothetical counts. So it must be
    ///
    /// * a pure function of `self`, `mode` and `held`,
    /// * cheap: it may run under the inner lock (`critical`: with interrupts
    ///   off),
    /// * monotone: with fewer holders it admits no less. Requests of a rule
    ///   such as "B only beside A" might wait for ever.
    ///
    /// A request of weight `k` is asked about as its last unit, with the other
    /// `k - 1` counted in `held`. A conversion is asked about as if its own
    /// hold had left. Limits, and who is alone, are checked before, and need not
    /// be repeated here.
    ///
    /// It must not use the lock it decides for: that can hang, or on
    /// `critical` end the program.
    ///
    /// # Panics
    ///
    /// A panic goes on in the call that asked the rule: an acquisition, or the
    /// release, cancellation or conversion that would have let the request in
    /// (then a drop panics). What was released stays released. The waiter that
    /// was being judged leaves the line, wakes and asks anew, so that a rule
    /// that still panics does so in its own call too.
    ///
    /// Where a waker panics others are still let in, and the rule is asked. A
    /// panic of it on top of that one ends there, with the same outcome for the
    /// waiter, if the backend can [catch](crate::Backend::catch) it, as `sync`
    /// can; otherwise it ends the program.
    #[doc(alias = "is_compatible")]
    fn admits(&self, mode: Self::Mode, held: &Held<Self::Mode>) -> bool;

    /// How many units of the first mode are withheld from everybody. For this
    /// crate's own rules, whose limits move.
    #[doc(hidden)]
    #[inline(always)]
    fn withheld(&self) -> usize {
        0
    }

    /// Whether [`refusal`](Self::refusal) ever says anything.
    #[doc(hidden)]
    const REFUSES: bool = false;

    /// Whether a request must not stand in line, because it could never be
    /// served. For this crate's own rules, whose limits move.
    #[doc(hidden)]
    #[inline(always)]
    fn refusal(&self, _: &Asked) -> Option<Refusal> {
        None
    }

    /// Whether one who holds `mode` may be changing what the lock protects.
    ///
    /// Only memory that processes share asks: when such a holder dies, the
    /// next owner is told, and nobody is told of the death of one who only
    /// looked. Unless said otherwise, a mode changes things if it excludes
    /// itself.
    fn changes(&self, mode: Self::Mode) -> bool {
        !self.admits(mode, &Held::new().with(mode, 1))
    }
}

/// A request, for [`Rules::refusal`].
#[doc(hidden)]
#[derive(Debug)]
#[allow(unreachable_pub, reason = "a hidden method of `Rules` names it")]
pub struct Asked {
    /// How many units it asks for.
    pub(crate) weight: u32,
    /// It does not wait for what could never be.
    pub(crate) or_never: bool,
    /// How many units of its mode the word counts now.
    pub(crate) count: usize,
}
