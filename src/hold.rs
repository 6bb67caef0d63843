//! Holding a [`FifoLock`], and changing the mode of a hold.

use core::cell::Cell;
use core::fmt;
use core::mem;

use crate::backend::Backend;
use crate::error::ConvertError;
use crate::fifo_lock::FifoLock;
use crate::raw::lock::Conversion;
use crate::raw::mode::{Mode, Rules, index_of, mode_of};
use crate::wait::node::{NO_MODE, Request};
use crate::wait::{Forever, Limit};

/// What a hold has: plain values, from which its release is made.
///
/// The mode is kept by its index, which was checked when the hold entered: what
/// a hand-written [`Mode::index`] says later changes nothing.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
#[allow(unreachable_pub, reason = "a trait of the futures names it")]
pub struct Units {
    weight: u32,
    mode: u8,
    /// Not 0: they came through the line.
    lined: u8,
    /// With it a hold has no bytes that mean nothing: the compiler may copy such
    /// bytes by themselves when a hold is moved. And as every field may have any
    /// value, `None` of a hold is a lock that is not there, and not a value in the
    /// midst of these.
    _filler: u16,
}

impl Units {
    /// Those of who has entered by this request.
    #[inline(always)]
    pub(crate) fn of(request: Request, lined: bool) -> Self {
        Self { weight: request.weight, mode: request.mode, lined: u8::from(lined), _filler: 0 }
    }

    /// The mode.
    #[inline]
    pub(crate) fn mode<M: Mode>(self) -> M {
        mode_of(self.mode)
    }

    /// How many they are.
    #[inline]
    pub(crate) fn weight(self) -> u32 {
        self.weight
    }

    /// The request by which they were asked for.
    pub(crate) fn request(self) -> Request {
        Request { mode: self.mode, from: NO_MODE, weight: self.weight }
    }

    /// The index of the mode.
    pub(crate) fn index(self) -> u8 {
        self.mode
    }

    /// Whether they are of the mode with this index.
    #[inline(always)]
    pub(crate) fn is_of(self, mode: u8) -> bool {
        self.mode == mode
    }

    /// The request by which they can be asked for in the mode with this index.
    fn conversion(self, mode: u8) -> Request {
        Request { mode, from: self.mode, weight: self.weight }
    }

    /// Gives them back.
    #[inline]
    pub(crate) fn release<R: Rules, B: Backend>(self, lock: &FifoLock<R, B>) {
        if R::WEIGHTED && self.weight == 0 {
            return;
        }
        lock.raw().release(self.request(), self.lined != 0);
    }
}

/// A hold on a [`FifoLock`], borrowed or owned.
#[doc(hidden)]
#[allow(unreachable_pub, reason = "as `Units`")]
pub trait Holding {
    /// The lock's rules.
    type Rules: Rules;
    /// The lock's backend.
    type Backend: Backend;

    /// The lock that it holds.
    fn fifo_lock(&self) -> &FifoLock<Self::Rules, Self::Backend>;

    /// What it holds.
    fn units(&self) -> Units;

    /// Where that is noted.
    fn units_mut(&mut self) -> &mut Units;
}

/// The modes of what a hold holds.
pub(crate) type ModeOf<H> = <<H as Holding>::Rules as Rules>::Mode;

/// The request for another mode of a hold.
pub(crate) fn conversion<H: Holding>(hold: &H, mode: ModeOf<H>) -> Request {
    conversion_to(hold, index_of(mode))
}

/// The request for the mode with this index.
pub(crate) fn conversion_to<H: Holding>(hold: &H, mode: u8) -> Request {
    const { assert!(H::Rules::CONVERTS, "set Rules::CONVERTS to let holds change their mode") };
    hold.units().conversion(mode)
}

/// Notes the mode that a conversion has given to a hold.
pub(crate) fn note<H: Holding>(hold: &mut H, request: Request) {
    hold.units_mut().mode = request.mode;
}

/// Converts now, or not at all.
pub(crate) fn try_convert<H: Holding>(hold: &mut H, request: Request) -> bool {
    if request.weight == 0 {
        note(hold, request);
        return true;
    }
    let Some(due) = hold.fifo_lock().raw().try_convert(request) else { return false };
    // Before the grant: that may unwind.
    note(hold, request);
    if due {
        hold.fifo_lock().raw().grant_now();
    }
    true
}

/// Converts, waiting for it until `limit`.
pub(crate) fn convert<H: Holding>(
    hold: &mut H,
    request: Request,
    limit: &impl Limit,
) -> Result<(), ConvertError> {
    if request.weight == 0 {
        note(hold, request);
        return Ok(());
    }
    /// Notes the mode that the hold has, also when waiting unwinds.
    struct Noting<'h, H: Holding> {
        hold: &'h mut H,
        request: Request,
        converted: Cell<bool>,
    }
    impl<H: Holding> Drop for Noting<'_, H> {
        fn drop(&mut self) {
            if self.converted.get() {
                note(self.hold, self.request);
            }
        }
    }
    let noting = Noting { hold, request, converted: Cell::new(false) };
    let ended = noting.hold.fifo_lock().raw().convert(request, limit, &noting.converted);
    drop(noting);
    match ended {
        Conversion::Done(due) => {
            if due {
                hold.fifo_lock().raw().grant_now();
            }
            Ok(())
        }
        Conversion::Deadlock => Err(refusal(hold, request)),
        Conversion::TooLong => Err(ConvertError::TimedOut),
    }
}

/// Why a conversion was refused.
pub(crate) fn refusal<H: Holding>(hold: &H, request: Request) -> ConvertError {
    if hold.fifo_lock().raw().is_possible(request) {
        ConvertError::Deadlock
    } else {
        ConvertError::Impossible
    }
}

/// A hold on a [`FifoLock`]: dropped, it releases.
///
/// It may be moved to another thread and dropped there. Forgotten, it holds
/// for ever.
///
/// ```
/// use portunus::rules::{Access, ReadWrite};
/// use portunus::sync::FifoLock;
///
/// static TABLE: FifoLock<ReadWrite> = FifoLock::new(ReadWrite);
///
/// let reading = TABLE.acquire(Access::Read);
/// assert_eq!((reading.mode(), reading.weight()), (Access::Read, 1));
/// assert!(reading.lock().is_locked());
/// std::thread::spawn(move || drop(reading)).join().expect("no panic");
/// assert!(!TABLE.is_locked());
/// ```
///
/// # Panics
///
/// Dropping it panics if the rule or a waker does while others are let in. It has
/// released then, and a waker's panic keeps nobody out.
#[must_use = "a hold that is dropped at once releases at once"]
#[doc(alias = "guard")]
pub struct Hold<'a, R: Rules, B: Backend> {
    lock: &'a FifoLock<R, B>,
    units: Units,
}

impl<'a, R: Rules, B: Backend> Hold<'a, R, B> {
    #[inline(always)]
    pub(crate) fn new(lock: &'a FifoLock<R, B>, units: Units) -> Self {
        Self { lock, units }
    }

    /// The mode in which it holds.
    #[inline]
    pub fn mode(&self) -> R::Mode {
        self.units.mode()
    }

    /// How many units it holds.
    #[inline]
    pub fn weight(&self) -> u32 {
        self.units.weight()
    }

    /// The lock that it holds.
    #[inline]
    pub fn lock(&self) -> &'a FifoLock<R, B> {
        self.lock
    }

    /// Changes its mode in one step, if that is possible now.
    ///
    /// It never lets go in between. Whoever waits is not asked: the hold is
    /// inside already. Those whom the new mode lets in enter at once.
    ///
    /// Compiles only for rules with [`Rules::CONVERTS`].
    ///
    /// ```
    /// use portunus::rules::{Access, ReadWrite};
    /// use portunus::sync::FifoLock;
    ///
    /// let table = FifoLock::new(ReadWrite);
    /// let mut hold = table.acquire(Access::Read);
    /// let other = table.acquire(Access::Read);
    /// assert!(!hold.try_convert(Access::Write));
    /// drop(other);
    /// assert!(hold.try_convert(Access::Write));
    /// assert_eq!(hold.mode(), Access::Write);
    /// ```
    ///
    /// # Panics
    ///
    /// If the rules do, or a waker of those whom the new mode lets in: then it
    /// has the new mode.
    #[doc(alias = "upgrade")]
    #[doc(alias = "downgrade")]
    #[must_use = "if not, it is as it was"]
    pub fn try_convert(&mut self, mode: R::Mode) -> bool {
        let request = conversion(self, mode);
        try_convert(self, request)
    }

    /// Changes its mode in one step, waiting until that is possible.
    ///
    /// ```
    /// use portunus::rules::{Access, ReadWrite};
    /// use portunus::sync::FifoLock;
    ///
    /// let lock = FifoLock::new(ReadWrite);
    /// let mut hold = lock.acquire(Access::Read);
    /// hold.convert(Access::Write)?;
    /// assert_eq!(hold.mode(), Access::Write);
    /// # Ok::<(), portunus::ConvertError>(())
    /// ```
    ///
    /// # Fairness
    ///
    /// A conversion stands ahead of the lane of the mode that it wants, and is
    /// judged before all requests: it holds already, and who waits for it to go
    /// would otherwise wait for ever. Conversions into one lane are served in
    /// the order in which they came, except that one that can't be served yet
    /// does not hold up another.
    ///
    /// # Blocking
    ///
    /// Blocks the calling thread or core. In async code use
    /// [`convert_async`](Self::convert_async).
    ///
    /// # Errors
    ///
    /// The hold is as it was. [`ConvertError::Deadlock`]: another conversion
    /// waits, and neither could be served while the other keeps its hold.
    /// [`ConvertError::Impossible`]: the new mode never admits so many units.
    ///
    /// # Panics
    ///
    /// If the rules do, or a waker of those whom the new mode lets in: then it
    /// has the new mode.
    pub fn convert(&mut self, mode: R::Mode) -> Result<(), ConvertError> {
        let request = conversion(self, mode);
        convert(self, request, &Forever)
    }

    /// What it holds, which is not released.
    pub(crate) fn into_units(self) -> Units {
        let units = self.units;
        mem::forget(self);
        units
    }
}

impl<R: Rules, B: Backend> Holding for Hold<'_, R, B> {
    type Rules = R;
    type Backend = B;

    #[inline(always)]
    fn fifo_lock(&self) -> &FifoLock<R, B> {
        self.lock
    }

    #[inline(always)]
    fn units(&self) -> Units {
        self.units
    }

    #[inline(always)]
    fn units_mut(&mut self) -> &mut Units {
        &mut self.units
    }
}

impl<R: Rules, B: Backend> Drop for Hold<'_, R, B> {
    #[inline]
    fn drop(&mut self) {
        self.units.release(self.lock);
    }
}

impl<R: Rules, B: Backend> fmt::Debug for Hold<'_, R, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").field("mode", &self.mode()).field("weight", &self.weight()).finish()
    }
}
