//! Where an accessor's value is.

use core::convert::Infallible;

/// Where an accessor's value is: in itself ([`Plain`]), or wherever a getter
/// and a setter find it ([`Functions`]).
///
/// Its methods run under the accessor's lock: one at a time. They must not
/// block, nor use the accessor or its condition.
///
/// ```
/// use portunus::accessor::Source;
/// use portunus::sync::Changes;
/// use portunus::Accessor;
///
/// /// A register that holds what fits into four bits.
/// struct Nibble(u8);
/// impl Source for Nibble {
///     type Value = u8;
///     type Error = &'static str;
///     type Outcome<T> = Result<T, &'static str>;
///
///     fn with<R>(&mut self, f: impl FnOnce(&u8) -> R) -> Result<R, &'static str> {
///         Ok(f(&self.0))
///     }
///     fn set(&mut self, value: u8) -> Result<(), &'static str> {
///         if value > 15 {
///             return Err("more than four bits");
///         }
///         self.0 = value;
///         Ok(())
///     }
///     fn outcome<T>(result: Result<T, &'static str>) -> Result<T, &'static str> {
///         result
///     }
/// }
///
/// let register = Accessor::with_source(Changes::new(), Nibble(0));
/// register.set(9)?;
/// assert_eq!(register.set(16), Err("more than four bits"));
/// assert_eq!(register.value(), Ok(9));
/// # Ok::<(), &str>(())
/// ```
pub trait Source {
    /// The value.
    type Value;
    /// What can go wrong.
    type Error;
    /// What an operation returns: the value alone where nothing can go wrong,
    /// else a `Result`.
    type Outcome<T>;

    /// Whether `set` never fails, and has set the value where it unwinds.
    #[doc(hidden)]
    const STORES: bool = false;

    /// Shows the value.
    ///
    /// # Errors
    ///
    /// Those of the getter.
    fn with<R>(&mut self, f: impl FnOnce(&Self::Value) -> R) -> Result<R, Self::Error>;

    /// Sets the value.
    ///
    /// # Errors
    ///
    /// Those of the setter. Then nobody is notified.
    fn set(&mut self, value: Self::Value) -> Result<(), Self::Error>;

    /// What an operation returns.
    fn outcome<T>(result: Result<T, Self::Error>) -> Self::Outcome<T>;
}

/// The value itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain<T>(pub(super) T);

impl<T> Source for Plain<T> {
    type Value = T;
    type Error = Infallible;
    type Outcome<V> = V;

    const STORES: bool = true;

    fn with<R>(&mut self, f: impl FnOnce(&T) -> R) -> Result<R, Infallible> {
        Ok(f(&self.0))
    }

    fn set(&mut self, value: T) -> Result<(), Infallible> {
        // The old one's drop may unwind.
        drop(core::mem::replace(&mut self.0, value));
        Ok(())
    }

    fn outcome<V>(result: Result<V, Infallible>) -> V {
        match result {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }
}

/// A getter and a setter.
#[derive(Clone, Copy, Debug)]
pub struct Functions<G, S> {
    getter: G,
    setter: S,
}

impl<G, S> Functions<G, S> {
    /// With these.
    pub const fn new(getter: G, setter: S) -> Self {
        Self { getter, setter }
    }
}

impl<T, E, G, S> Source for Functions<G, S>
where
    G: FnMut() -> Result<T, E>,
    S: FnMut(T) -> Result<(), E>,
{
    type Value = T;
    type Error = E;
    type Outcome<V> = Result<V, E>;

    fn with<R>(&mut self, f: impl FnOnce(&T) -> R) -> Result<R, E> {
        Ok(f(&(self.getter)()?))
    }

    fn set(&mut self, value: T) -> Result<(), E> {
        (self.setter)(value)
    }

    fn outcome<V>(result: Result<V, E>) -> Result<V, E> {
        result
    }
}

/// A getter and a setter of one object: what
/// [`condition_property!`](crate::condition_property) binds.
#[derive(Debug)]
pub struct Bound<'a, O: ?Sized, T, E> {
    object: &'a O,
    getter: fn(&O) -> Result<T, E>,
    setter: fn(&O, T) -> Result<(), E>,
}

impl<'a, O: ?Sized, T, E> Bound<'a, O, T, E> {
    /// Those of `object`.
    pub const fn new(
        object: &'a O,
        getter: fn(&O) -> Result<T, E>,
        setter: fn(&O, T) -> Result<(), E>,
    ) -> Self {
        Self { object, getter, setter }
    }
}

impl<O: ?Sized, T, E> Source for Bound<'_, O, T, E> {
    type Value = T;
    type Error = E;
    type Outcome<V> = Result<V, E>;

    fn with<R>(&mut self, f: impl FnOnce(&T) -> R) -> Result<R, E> {
        Ok(f(&(self.getter)(self.object)?))
    }

    fn set(&mut self, value: T) -> Result<(), E> {
        (self.setter)(self.object, value)
    }

    fn outcome<V>(result: Result<V, E>) -> Result<V, E> {
        result
    }
}
