//! A flag that says that a resource is in use, and an error that says for what.

use core::error::Error;
use core::fmt;

use crate::atomic::{AtomicU8, AtomicUsize, Ordering, constructor};
use crate::name::{Label, Name};

const FREE: u8 = 0;
const BUSY: u8 = 1;

/// Finds out that two parties use a resource at the same time, and never waits:
/// the second gets an error that says what the first is doing.
///
/// For code that must not be entered twice at once, and whose callers should
/// hear of it rather than stand in line. It is entered by threads, tasks and
/// interrupt handlers alike, and what it gives may be held across an `await`.
/// It needs no heap.
///
/// ```
/// use portunus::ResourceGuard;
///
/// static PORT: ResourceGuard<&str> = ResourceGuard::named("reading from", "ttyS0");
///
/// let reading = PORT.try_enter()?;
/// let error = PORT.try_enter().unwrap_err();
/// assert_eq!(error.to_string(), r#"another task is already reading from resource: "ttyS0""#);
/// drop(reading);
/// assert!(!PORT.is_busy());
/// # Ok::<(), portunus::ResourceBusy<&str>>(())
/// ```
///
/// `R` is the resource as the error shows it, by `Debug`; without a name it is a
/// running number. Two guards know nothing of each other: see
/// `UniqueResourceGuard` for one per object.
///
/// # Panics and cancellation
///
/// [`Busy`] frees the resource when it is dropped, in a panic too, and with a
/// future that is dropped. Entering has no point at which it could be cancelled.
#[doc(alias = "ResourceGuard.__enter__")]
#[doc(alias = "ResourceGuard.__aenter__")]
#[doc(alias = "ResourceGuard.guard")]
pub struct ResourceGuard<R = Unnamed> {
    busy: AtomicU8,
    attempts: AtomicUsize,
    successes: AtomicUsize,
    action: &'static str,
    resource: R,
}

impl ResourceGuard {
    constructor! {
        /// A free resource without a name, for `using` it.
        #[must_use]
        pub fn new() -> Self {
            Self::named("using", Unnamed::new())
        }
    }

    constructor! {
        /// A free resource without a name; `action` says what its holder is
        /// doing, as in "another task is already *reading from* resource: #3".
        #[must_use]
        pub fn with_action(action: &'static str) -> Self {
            Self::named(action, Unnamed::new())
        }
    }
}

impl<R> ResourceGuard<R> {
    constructor! {
        /// A free resource, and what its holder is doing.
        #[must_use]
        pub fn named(action: &'static str, resource: R) -> Self {
            Self {
                busy: AtomicU8::new(FREE),
                attempts: AtomicUsize::new(0),
                successes: AtomicUsize::new(0),
                action,
                resource,
            }
        }
    }

    /// Marks the resource as in use until what it gives is dropped.
    ///
    /// # Errors
    ///
    /// [`ResourceBusy`] when it is in use already; it stays so.
    #[inline]
    pub fn try_enter(&self) -> Result<Busy<'_, R>, ResourceBusy<R>>
    where
        R: Clone,
    {
        count(&self.attempts, Ordering::Relaxed);
        // Acquire: partner of the Release in `Busy::drop`; what the last user
        // did is seen by the next.
        if self.busy.swap(BUSY, Ordering::Acquire) != FREE {
            return Err(ResourceBusy { action: self.action, resource: self.resource.clone() });
        }
        // Release: partner of the Acquire in `success_ratio`; whoever sees the
        // success sees its attempt.
        count(&self.successes, Ordering::Release);
        Ok(Busy { guard: self })
    }

    /// Whether the resource is in use now.
    #[doc(alias = "guarded")]
    #[must_use]
    pub fn is_busy(&self) -> bool {
        // A hint; it orders nothing.
        self.busy.load(Ordering::Relaxed) != FREE
    }

    /// How often somebody has tried to enter; it stops at `usize::MAX`.
    #[must_use]
    pub fn attempts(&self) -> usize {
        self.attempts.load(Ordering::Relaxed)
    }

    /// How many of the [`attempts`](Self::attempts) succeeded, from 0 to 1; 0
    /// when there were none.
    #[must_use]
    pub fn success_ratio(&self) -> f64 {
        // Acquire: partner of the Release in `try_enter`, so that the attempts
        // read next are no fewer.
        let successes = self.successes.load(Ordering::Acquire);
        match self.attempts() {
            0 => 0.0,
            attempts => successes as f64 / attempts as f64,
        }
    }

    /// What its holder is doing.
    #[must_use]
    pub fn action(&self) -> &'static str {
        self.action
    }

    /// The resource, as the errors show it.
    #[must_use]
    pub fn resource(&self) -> &R {
        &self.resource
    }
}

/// Adds one, up to the greatest number.
#[inline]
fn count(counter: &AtomicUsize, order: Ordering) {
    let _ = counter.fetch_update(order, Ordering::Relaxed, |count| count.checked_add(1));
}

impl Default for ResourceGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: fmt::Debug> fmt::Debug for ResourceGuard<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceGuard")
            .field("action", &self.action)
            .field("resource", &self.resource)
            .field("busy", &self.is_busy())
            .field("attempts", &self.attempts())
            .finish_non_exhaustive()
    }
}

/// The use of a resource; dropped, the resource is free again.
///
/// Only its holder can free the resource: there is nothing that a stranger
/// could call, and nothing to call twice.
#[must_use = "the resource is free again as soon as this is dropped"]
#[doc(alias = "ResourceGuard.__exit__")]
#[doc(alias = "ResourceGuard.__aexit__")]
pub struct Busy<'a, R = Unnamed> {
    guard: &'a ResourceGuard<R>,
}

impl<R> Drop for Busy<'_, R> {
    #[inline]
    fn drop(&mut self) {
        // Release: partner of the Acquire in `try_enter`.
        self.guard.busy.store(FREE, Ordering::Release);
    }
}

impl<R: fmt::Debug> fmt::Debug for Busy<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Busy")
            .field("action", &self.guard.action)
            .field("resource", &self.guard.resource)
            .finish()
    }
}

/// A resource that has no name: it is shown as a running number.
///
/// The number is taken when it is first shown or copied.
pub struct Unnamed(Label);

impl Unnamed {
    constructor! {
        pub(crate) fn new() -> Self {
            Self(Label::new(None))
        }
    }

    fn number(&self) -> usize {
        match self.0.name() {
            Name::Number(number) => number,
            Name::Given(_) => 0,
        }
    }
}

impl Clone for Unnamed {
    fn clone(&self) -> Self {
        Self(Label::numbered(self.number()))
    }
}

impl PartialEq for Unnamed {
    fn eq(&self, other: &Self) -> bool {
        self.number() == other.number()
    }
}

impl Eq for Unnamed {}

impl fmt::Debug for Unnamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.number())
    }
}

/// A resource is in use already.
///
/// It says what the holder is doing and with which resource, in the words
/// "another task is already *using* resource: *#1*".
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(alias = "BusyResourceError")]
pub struct ResourceBusy<R = Unnamed> {
    action: &'static str,
    resource: R,
}

impl<R> ResourceBusy<R> {
    /// What the holder is doing.
    #[must_use]
    pub fn action(&self) -> &'static str {
        self.action
    }

    /// The resource.
    #[must_use]
    pub fn resource(&self) -> &R {
        &self.resource
    }
}

impl<R: fmt::Debug> fmt::Display for ResourceBusy<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "another task is already {} resource: {:?}", self.action, self.resource)
    }
}

impl<R: fmt::Debug> Error for ResourceBusy<R> {}
