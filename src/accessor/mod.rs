//! A value that can be waited for.
//!
//! # Invariant
//!
//! * **V2** An accessor's source is touched under the lock of its condition
//!   only, or by who owns the accessor.

#![allow(unsafe_code)]

mod changes;
mod property;
mod question;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod shared;
mod source;
#[cfg(feature = "std")]
mod timed;

use core::cell::UnsafeCell;
use core::fmt;

pub use changes::{AsChanges, Changes};
use question::Brought;
#[allow(unreachable_pub, reason = "futures name it, and they are a feature")]
pub use question::Reach;
pub(crate) use question::{Reading, WaitingRead, Writing};
pub use source::{Bound, Functions, Plain, Source};

use crate::atomic::constructor;
use crate::backend::Backend;
use crate::condition::{AsCondition, Condition};
use crate::wait::ask::Lent;
use crate::wait::{Forever, Limit};
#[allow(unused_imports, reason = "a trait's methods")]
use changes::sealed::Sealed as _;

/// A value that can be waited for: until it is set, or until it is as wanted.
///
/// ```
/// use portunus::sync::Accessor;
///
/// static LEVEL: Accessor<u32> = Accessor::new(0);
///
/// std::thread::scope(|scope| {
///     let reader = scope.spawn(|| LEVEL.get_where(|level| *level > 2));
///     for level in 1..=3 {
///         LEVEL.set(level);
///     }
///     assert_eq!(reader.join().expect("no panic"), 3);
/// });
/// assert_eq!(LEVEL.value(), 3);
/// ```
///
/// | | returns |
/// |---|---|
/// | [`value`](Self::value) | the value now |
/// | [`get`](Self::get) | the value after the next time that it is set |
/// | [`get_where`](Self::get_where) | a value that is as wanted, perhaps the present one |
/// | [`get_next_where`](Self::get_next_where) | one that is as wanted, set after the call |
///
/// A reader sees the latest value, not every one: it returns the value that
/// is there when it runs. If that is another one than the one for which it was
/// woken, its predicate is asked once more.
///
/// # Fairness
///
/// Readers whose predicate holds are woken in the order in which they came;
/// nobody else is woken. All of them get the value.
///
/// # Predicates
///
/// They run in the context of whoever sets the value, under the accessor's
/// lock. So they must be cheap and pure, and must not use the accessor or
/// another one on its condition: that would wait for ever. On panics see
/// [`Condition`].
///
/// # Awaiting
///
/// The methods that end in `_async` await any accessor: a local, a field, one in an
/// `Arc`, or the view of a property. A future can be forgotten,
/// and the setter would go on asking its predicate: so the predicate of a future
/// borrows nothing, and is moved into it. Who blocks can't be forgotten, and may
/// borrow what it likes.
///
/// # Cancel safety
///
/// An awaited read that is dropped has left the line; nothing is lost, because
/// values are not consumed. An awaited [`set_when_read`](Self::set_when_read)
/// that is dropped has set nothing; the reader that it was woken for is left to
/// the next one.
///
/// # Values elsewhere
///
/// With [`with_source`](Self::with_source) the value is wherever a getter and
/// a setter find it; each operation then returns a `Result` with their error.
/// A setter that fails notifies nobody.
#[doc(alias = "accessor")]
#[doc(alias = "watch")]
#[doc(alias = "Watch")]
#[doc(alias = "Signal")]
pub struct Accessor<
    T,
    B: Backend,
    S: Source<Value = T> = Plain<T>,
    C: AsChanges<T, B> = Changes<T, B>,
> {
    source: UnsafeCell<S>,
    name: Option<&'static str>,
    changes: C,
    backend: core::marker::PhantomData<fn() -> B>,
}

// SAFETY: V2: who has access has the lock, which excludes: as with a mutex, the
// value needs to be `Send` alone.
unsafe impl<T: Send, B: Backend, S: Source<Value = T> + Send, C: AsChanges<T, B> + Sync> Sync
    for Accessor<T, B, S, C>
{
}

impl<T, B: Backend> Accessor<T, B> {
    constructor! {
        /// With this value, and a condition of its own.
        #[must_use]
        pub fn new(value: T) -> Self {
            Self {
                source: UnsafeCell::new(Plain(value)),
                name: None,
                changes: Changes::new(),
                backend: core::marker::PhantomData,
            }
        }
    }

    /// The value, of an accessor that nobody else has.
    pub fn into_inner(self) -> T {
        self.source.into_inner().0
    }
}

impl<T, B: Backend> From<T> for Accessor<T, B> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T, B: Backend, D: AsCondition<B>> Accessor<T, B, Plain<T>, Changes<T, B, D>> {
    /// With this value, on a condition that others share.
    ///
    /// ```
    /// use portunus::sync::Condition;
    ///
    /// let changed = Condition::new();
    /// let (a, b) = (portunus::Accessor::on(&changed, 1), portunus::Accessor::on(&changed, 2));
    /// // Setting one wakes nobody who waits for the other.
    /// a.set(2);
    /// assert_eq!((a.value(), b.value()), (2, 2));
    /// ```
    pub const fn on(condition: D, value: T) -> Self {
        Self::with_source(Changes::on(condition), Plain(value))
    }
}

impl<T, B: Backend, S: Source<Value = T>, C: AsChanges<T, B>> Accessor<T, B, S, C> {
    /// With its value in `source`.
    ///
    /// ```
    /// use portunus::sync::Changes;
    /// use portunus::{Accessor, accessor::Functions};
    ///
    /// let mut file = vec![0_u8];
    /// let even = Accessor::with_source(
    ///     Changes::new(),
    ///     Functions::new(
    ///         || Ok(4),
    ///         |value: u8| if value % 2 == 0 { file.push(value); Ok(()) } else { Err(value) },
    ///     ),
    /// );
    /// assert_eq!(even.set(3), Err(3));
    /// assert_eq!(even.set(2), Ok(()));
    /// assert_eq!(even.value(), Ok(4));
    /// ```
    pub const fn with_source(changes: C, source: S) -> Self {
        Self {
            source: UnsafeCell::new(source),
            name: None,
            changes,
            backend: core::marker::PhantomData,
        }
    }

    /// Gives it a name, for `Debug`.
    #[must_use]
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// Its name, if it was given one.
    pub const fn name(&self) -> Option<&'static str> {
        self.name
    }

    /// The condition on which its readers wait.
    pub fn condition(&self) -> &Condition<B> {
        self.changes.changes().condition()
    }

    /// # Safety
    ///
    /// Under the condition's lock, and no other reference to it.
    #[allow(clippy::mut_from_ref, reason = "the lock excludes")]
    unsafe fn source(&self) -> &mut S {
        // SAFETY: V2.
        unsafe { &mut *self.source.get() }
    }

    /// # Safety
    ///
    /// As [`source`](Self::source).
    #[allow(clippy::mut_from_ref, reason = "the lock excludes")]
    unsafe fn state(&self) -> &mut changes::State {
        // SAFETY: V1, by this function's contract.
        unsafe { self.changes.changes().state() }
    }

    /// Looks at the value, under the lock.
    pub fn with<R>(&self, f: impl FnOnce(&T) -> R) -> S::Outcome<R> {
        // SAFETY: under the lock.
        S::outcome(self.condition().asking().look(|| unsafe { self.source() }.with(f)))
    }

    /// The value now.
    pub fn value(&self) -> S::Outcome<T>
    where
        T: Clone,
    {
        self.with(T::clone)
    }

    /// Sets the value, and wakes the readers that waited for it.
    ///
    /// The old value is dropped under the accessor's lock: its `Drop` must not
    /// use the accessor.
    ///
    /// # Blocking
    ///
    /// Waits for others who set it or ask. See [`try_set`](Self::try_set).
    ///
    /// # Errors
    ///
    /// Those of the setter; then nobody is notified.
    ///
    /// # Panics
    ///
    /// If a waiting predicate does, or the drop of the old value. The value is
    /// set then, and its readers wake.
    pub fn set(&self, value: T) -> S::Outcome<()> {
        // SAFETY: under the lock.
        S::outcome(
            self.condition()
                .asking()
                .change(&Brought(self), |changed| unsafe { self.put(value, changed) })
                .0,
        )
    }

    /// As [`set`](Self::set), unless somebody else is at the value: then it
    /// comes back. For interrupt handlers on `critical`.
    ///
    /// Where more than sixteen readers wake, the wakers of the others are called
    /// under the accessor's lock: they must not use it.
    ///
    /// # Errors
    ///
    /// The value.
    pub fn try_set(&self, value: T) -> Result<S::Outcome<()>, T> {
        let mut value = Some(value);
        let done =
            self.condition().asking().try_change(&Brought(self), |changed| match value.take() {
                // SAFETY: under the lock.
                Some(value) => unsafe { self.put(value, changed) },
                None => Ok(()),
            });
        match (done, value) {
            (Some((done, _)), _) => Ok(S::outcome(done)),
            (None, Some(value)) => Err(value),
            (None, None) => unreachable!("what was not run took nothing"),
        }
    }

    /// Sets the value. `changed`: others have to be asked; also where it unwinds.
    ///
    /// # Safety
    ///
    /// As [`source`](Self::source).
    unsafe fn put(&self, value: T, changed: &mut bool) -> Result<(), S::Error> {
        /// Gives the value its version.
        struct Set<'a>(&'a mut changes::State);
        impl Drop for Set<'_> {
            fn drop(&mut self) {
                self.0.version = self.0.version.wrapping_add(1);
            }
        }
        // A writer that came for a reader leaves that to the next one.
        *changed = true;
        // SAFETY: by this function's contract.
        let set = S::STORES.then(|| Set(unsafe { self.state() }));
        // SAFETY: by this function's contract.
        let done = unsafe { self.source() }.set(value);
        *changed = done.is_ok();
        if set.is_none() && *changed {
            // SAFETY: by this function's contract.
            drop(Set(unsafe { self.state() }));
        }
        done
    }

    /// Sets the value when somebody waits to read it.
    ///
    /// Several that wait to set it are served in order, one for each reader.
    ///
    /// ```
    /// use portunus::sync::Accessor;
    ///
    /// static OFFER: Accessor<u32> = Accessor::new(0);
    ///
    /// std::thread::scope(|scope| {
    ///     let reader = scope.spawn(|| OFFER.get());
    ///     // Whichever comes first: the reader gets this value.
    ///     OFFER.set_when_read(7);
    ///     assert_eq!(reader.join().expect("no panic"), 7);
    /// });
    /// ```
    ///
    /// # Blocking
    ///
    /// Blocks the calling thread or core until there is a reader.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    #[doc(alias = "wait_for_read")]
    pub fn set_when_read(&self, value: T) -> S::Outcome<()>
    where
        T: Send,
        S: Send,
    {
        let mut writing = Writing::new(value);
        loop {
            match self.ask_by(writing, &Forever) {
                Ok(done) => return done,
                Err(back) => writing = back,
            }
        }
    }

    fn ask_by(
        &self,
        mut writing: Writing<T>,
        limit: &impl Limit,
    ) -> Result<S::Outcome<()>, Writing<T>> {
        let owner = &Lent(&self);
        match self.condition().asking().wait::<_, _, B::Wait>(owner, &mut writing, limit) {
            Some(done) => Ok(done),
            None => Err(writing),
        }
    }

    /// Whether somebody waits to read the next value.
    pub fn has_waiting_read(&self) -> bool {
        // SAFETY: under the lock.
        self.condition().asking().look(|| unsafe { self.state() }.readers != 0)
    }

    /// Waits until somebody waits to read.
    ///
    /// # Blocking
    ///
    /// Blocks the calling thread or core.
    pub fn wait_for_reader(&self) {
        while self
            .condition()
            .asking()
            .wait::<WaitingRead<T>, _, B::Wait>(&self, WaitingRead::new(), &Forever)
            .is_none()
        {}
    }

    /// **Blocks** until the value is set the next time, and returns it; for the
    /// present one see [`value`](Self::value).
    ///
    /// What was set before the call is not remembered.
    ///
    /// # Blocking
    ///
    /// Blocks the calling thread or core. In async code use
    /// [`get_async`](Self::get_async).
    ///
    /// # Errors
    ///
    /// Those of the getter.
    #[doc(alias = "changed")]
    pub fn get(&self) -> S::Outcome<T>
    where
        T: Clone + Send,
        S: Send,
    {
        self.get_next_where(|_| true)
    }

    /// Waits until the value is as wanted, and returns it; at once if it is
    /// now.
    ///
    /// # Blocking
    ///
    /// As [`get`](Self::get).
    ///
    /// # Errors
    ///
    /// Those of the getter.
    #[doc(alias = "wait_for_write = False")]
    pub fn get_where(&self, wanted: impl FnMut(&T) -> bool + Send) -> S::Outcome<T>
    where
        T: Clone + Send,
        S: Send,
    {
        self.read(false, wanted)
    }

    /// Waits until a value is set that is as wanted, and returns it: the
    /// present one does not count.
    ///
    /// # Blocking
    ///
    /// As [`get`](Self::get).
    ///
    /// # Errors
    ///
    /// Those of the getter.
    #[doc(alias = "wait_for_write = True")]
    pub fn get_next_where(&self, wanted: impl FnMut(&T) -> bool + Send) -> S::Outcome<T>
    where
        T: Clone + Send,
        S: Send,
    {
        self.read(true, wanted)
    }

    fn read(&self, fresh: bool, mut wanted: impl FnMut(&T) -> bool + Send) -> S::Outcome<T>
    where
        T: Clone,
    {
        let mut reading = Reading::new(fresh, &mut wanted);
        loop {
            let asking = self.condition().asking();
            // Without a limit it ends with the value the first time.
            if let Some(value) = asking.wait::<_, _, B::Wait>(&Lent(&self), &mut reading, &Forever)
            {
                return value;
            }
        }
    }

    fn read_limited(
        &self,
        fresh: bool,
        wanted: impl FnMut(&T) -> bool + Send,
        limit: &impl Limit,
    ) -> Option<S::Outcome<T>>
    where
        T: Clone + Send,
        S: Send,
    {
        let reading = Reading::new(fresh, wanted);
        self.condition().asking().wait::<_, _, B::Wait>(&self, reading, limit)
    }
}

impl<T, B: Backend, C: AsChanges<T, B>> Accessor<T, B, Plain<T>, C> {
    /// Changes the value in place, and wakes the readers that waited for it.
    ///
    /// ```
    /// let log = portunus::sync::Accessor::new(vec!["started"]);
    /// let lines = log.update(|log| {
    ///     log.push("ready");
    ///     log.len()
    /// });
    /// assert_eq!((lines, log.with(|log| log[1])), (2, "ready"));
    /// ```
    ///
    /// # Panics
    ///
    /// If `f` does: then nobody is notified.
    #[doc(alias = "send_modify")]
    pub fn update<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        self.modify(|value| (f(value), true))
    }

    /// Changes the value in place, if `f` says that it did: only then is it a
    /// new one, and wakes the readers that waited for it. Returns what `f` does.
    ///
    /// ```
    /// use portunus::sync::Accessor;
    ///
    /// let most = Accessor::new(3_u32);
    /// let raise = |to: u32| most.update_if(|most| core::mem::replace(most, to.max(*most)) < to);
    /// assert_eq!((raise(2), raise(5)), (false, true));
    /// assert_eq!(most.value(), 5);
    /// ```
    ///
    /// # Panics
    ///
    /// As [`update`](Self::update).
    #[doc(alias = "send_if_modified")]
    pub fn update_if(&self, f: impl FnOnce(&mut T) -> bool) -> bool {
        self.modify(|value| {
            let changed = f(value);
            (changed, changed)
        })
    }

    /// Sets the value, wakes the readers that waited for it, and gives the old
    /// one: unlike that of [`set`](Self::set), it is not dropped under the lock.
    ///
    /// ```
    /// use portunus::sync::Accessor;
    ///
    /// let name = Accessor::new("Captain");
    /// assert_eq!(name.replace("Victory"), "Captain");
    /// assert_eq!(name.value(), "Victory");
    /// ```
    ///
    /// # Panics
    ///
    /// If a waiting predicate does. The value is set then.
    #[doc(alias = "send_replace")]
    pub fn replace(&self, mut value: T) -> T {
        // The old one is out here, also if a predicate panics.
        self.update(|old| core::mem::swap(old, &mut value));
        value
    }

    /// Changes the value; `f` also says whether it did.
    fn modify<R>(&self, f: impl FnOnce(&mut T) -> (R, bool)) -> R {
        self.condition()
            .asking()
            .change(&Brought(self), |changed| {
                // SAFETY: under the lock.
                let (result, modified) = f(&mut unsafe { self.source() }.0);
                if modified {
                    // SAFETY: as above.
                    let state = unsafe { self.state() };
                    state.version = state.version.wrapping_add(1);
                    *changed = true;
                }
                result
            })
            .0
    }

    /// Sets the value if it is equal to `expected`, and wakes the readers that
    /// waited for it.
    ///
    /// ```
    /// let turn = portunus::sync::Accessor::new("white");
    /// assert_eq!(turn.compare_and_set(&"white", "black"), Ok(()));
    /// assert_eq!(turn.compare_and_set(&"white", "red"), Err("red"));
    /// assert_eq!(turn.value(), "black");
    /// ```
    ///
    /// # Errors
    ///
    /// `new`, when the value is another one.
    pub fn compare_and_set(&self, expected: &T, new: T) -> Result<(), T>
    where
        T: PartialEq,
    {
        self.condition()
            .asking()
            .change(&Brought(self), |changed| {
                // SAFETY: under the lock.
                if unsafe { self.source() }.0 != *expected {
                    return Err(new);
                }
                // SAFETY: as above.
                let Ok(()) = unsafe { self.put(new, changed) };
                Ok(())
            })
            .0
    }

    /// The value, of an accessor that is borrowed exclusively. Nobody is
    /// notified.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.source.get_mut().0
    }
}

impl<T: Default, B: Backend> Default for Accessor<T, B> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

/// Shows its name, and how many wait; never blocks.
impl<T, B: Backend, S: Source<Value = T>, C: AsChanges<T, B>> fmt::Debug for Accessor<T, B, S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accessor")
            .field("name", &self.name)
            .field("condition", self.condition())
            .finish_non_exhaustive()
    }
}
