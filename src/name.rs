//! Names for errors, given or numbered.

use core::fmt;

use crate::atomic::{AtomicUsize, Ordering, constructor, next_number};

/// What an error calls its origin: the name that it was given, or a running
/// number.
///
/// ```
/// use portunus::Name;
///
/// assert_eq!(Name::Given("database").to_string(), "database");
/// assert_eq!(Name::Number(7).to_string(), "#7");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    /// The name that was given.
    Given(&'static str),
    /// A number of its own, taken when it was first asked for.
    Number(usize),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(name) => f.pad(name),
            Self::Number(number) => write!(f, "#{number}"),
        }
    }
}

/// A name, or a number that is taken when it is first asked for: so that
/// constructors may be `const`.
pub(crate) struct Label {
    given: Option<&'static str>,
    /// 0: not yet taken.
    number: AtomicUsize,
}

impl Label {
    constructor! {
        pub(crate) fn new(given: Option<&'static str>) -> Self {
            Self { given, number: AtomicUsize::new(0) }
        }
    }

    /// Without a name, and with a number that was taken before.
    pub(crate) fn numbered(number: usize) -> Self {
        Self { given: None, number: AtomicUsize::new(number) }
    }

    /// With a name that another one has.
    pub(crate) fn of(name: Name) -> Self {
        match name {
            Name::Given(given) => Self::new(Some(given)),
            Name::Number(number) => Self::numbered(number),
        }
    }

    pub(crate) fn name(&self) -> Name {
        if let Some(given) = self.given {
            return Name::Given(given);
        }
        // Nothing else is read after it: the number orders nothing.
        let number = self.number.load(Ordering::Relaxed);
        if number != 0 {
            return Name::Number(number);
        }
        let own = next_number();
        match self.number.compare_exchange(0, own, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => Name::Number(own),
            Err(first) => Name::Number(first),
        }
    }
}
