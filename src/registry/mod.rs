//! Values by key, held weakly.

mod state;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;
use core::mem;
use core::ops::Deref;

use lock_api::Mutex;

use crate::backend::Backend;
use crate::mutex::RawMutex;
use state::{Entry, Key, State, Ticket};

/// What happens to a second live value with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Duplicates {
    /// It is not registered: [`Duplicate`].
    Reject,
    /// It hides the earlier one, which is found again when the later one is
    /// gone or has another key.
    Shadow,
}

/// A key that another live value has.
///
/// The value was not registered, or has the key that it had before.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Duplicate<K> {
    /// The key.
    pub key: K,
}

impl<K: fmt::Debug> fmt::Display for Duplicate<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the key {:?} is that of another live value", self.key)
    }
}

impl<K: fmt::Debug> Error for Duplicate<K> {}

/// The key of a value that is registered without one: the name of its type and
/// a running number, counted by the registry from 0.
///
/// ```
/// use std::sync::Arc;
/// use portunus::{registry::Duplicates, sync::Registry};
///
/// let registry: Registry<String, u32> = Registry::new(Duplicates::Reject);
/// let seven = Arc::new(7);
/// let _first = registry.register_default(&seven)?;
/// assert_eq!(registry.get(&"u32-0".to_owned()).as_deref(), Some(&7));
/// # Ok::<(), portunus::registry::Duplicate<String>>(())
/// ```
#[doc(alias = "__default_key__")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DefaultKey {
    /// The name of the type, as [`core::any::type_name`] gives it.
    pub type_name: &'static str,
    /// How many were registered in this way before.
    pub number: u64,
}

impl fmt::Display for DefaultKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.type_name, self.number)
    }
}

impl From<DefaultKey> for String {
    fn from(key: DefaultKey) -> Self {
        alloc::format!("{key}")
    }
}

/// Finds live values by key, without keeping them alive.
///
/// A value is registered by a reference to its [`Arc`], and vanishes from the
/// registry with its last `Arc`, or when its [`Registration`] is dropped. Its
/// key is given, and may be changed by [`Registration::rename`]; or it is read
/// from the value each time ([`register_read`](Self::register_read)). Either
/// way a new key is seen at once.
///
/// # A tree of registries
///
/// A registry that is made [`under`](Self::under) others registers its values
/// there as well, where they may have another type: a parent sees the values
/// of all that stand under it, they don't see its own. A registry may have
/// several parents, and meet the same one by several ways.
///
/// # Duplicates
///
/// Each registry says what happens to a second live value with the same key:
/// [`Duplicates`]. A parent that rejects a key rejects it for those under it:
/// nothing is then registered anywhere. A key that is read from the value may
/// become a duplicate at any time, which nobody can reject: then the value that
/// was registered last is found.
///
/// # Blocking, panics
///
/// Each operation locks the registry for a moment, first come, first served;
/// nothing is awaited, and interrupt handlers must stay away. While it is
/// locked, keys are compared, cloned and dropped, which must not use the
/// registry. The functions that read keys, and the destructors of values, run
/// outside. A panic in one of them changes nothing, here and in the registries
/// above.
///
/// ```
/// use std::sync::Arc;
/// use portunus::{registry::Duplicates, sync::Registry};
///
/// static SHIPS: Registry<&str, u32> = Registry::new(Duplicates::Reject);
///
/// let guns = Arc::new(74);
/// let place = SHIPS.register(&guns, "Captain")?;
/// assert!(SHIPS.register(&Arc::new(1), "Captain").is_err());
/// place.rename("Victory")?;
/// assert_eq!(SHIPS.get(&"Victory").as_deref(), Some(&74));
/// drop(guns);
/// assert!(SHIPS.is_empty());
/// # Ok::<(), portunus::registry::Duplicate<&str>>(())
/// ```
#[doc(alias = "RegistryMeta")]
#[doc(alias = "WeakValueDictionary")]
pub struct Registry<K, T: ?Sized, B: Backend> {
    state: Mutex<RawMutex<B>, State<K, T>>,
    parents: Vec<Box<dyn Parent<K, T>>>,
    duplicates: Duplicates,
}

impl<K, T: ?Sized, B: Backend> Registry<K, T, B> {
    /// Empty, at the root of its tree.
    #[must_use]
    pub const fn new(duplicates: Duplicates) -> Self {
        Self { state: Mutex::new(State::new()), parents: Vec::new(), duplicates }
    }
}

impl<K: Ord + Clone, T: ?Sized, B: Backend> Registry<K, T, B> {
    /// Puts this registry under `parent`, beside those it stands under already.
    ///
    /// `upcast` turns a value into one of the parent's type; where that is a
    /// trait object or the same type, it is `|value| value`. As a registry
    /// is built before it is used, no circle can come of this.
    ///
    /// ```
    /// use std::fmt::Debug;
    /// use std::sync::Arc;
    /// use portunus::{registry::Duplicates, sync::Registry};
    ///
    /// static ALL: Registry<String, dyn Debug + Send + Sync> = Registry::new(Duplicates::Shadow);
    /// let numbers = Registry::<String, u32>::new(Duplicates::Shadow).under(&ALL, |value| value);
    ///
    /// let seven = Arc::new(7);
    /// let _place = numbers.register(&seven, "seven".to_owned())?;
    /// assert_eq!(format!("{:?}", ALL.get(&"seven".to_owned())), "Some(7)");
    /// # Ok::<(), portunus::registry::Duplicate<String>>(())
    /// ```
    #[must_use]
    pub fn under<P, R>(mut self, parent: R, upcast: fn(Weak<T>) -> Weak<P>) -> Self
    where
        K: Send + 'static,
        T: 'static,
        P: ?Sized + Send + Sync + 'static,
        R: Deref<Target = Registry<K, P, B>> + Send + Sync + 'static,
    {
        self.parents.push(Box::new(Link { parent, upcast }));
        self
    }

    /// Registers `value` by `key`.
    ///
    /// # Errors
    ///
    /// [`Duplicate`], if this registry or one above it rejects the key.
    pub fn register(
        &self,
        value: &Arc<T>,
        key: K,
    ) -> Result<Registration<'_, K, T, B>, Duplicate<K>> {
        self.add(value, key.clone(), Key::Given(key))
    }

    /// Registers `value` by the key that `read` reads from it now, and anew
    /// each time that somebody looks.
    ///
    /// To look a key up reads those of all values that are registered in this
    /// way.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use portunus::{registry::Duplicates, sync::{Mutex, Registry}};
    ///
    /// let names: Registry<String, Mutex<String>> = Registry::new(Duplicates::Reject);
    /// let user = Arc::new(Mutex::new("ada".to_owned()));
    /// let _registered = names.register_read(&user, |user| user.lock().clone())?;
    /// *user.lock() = "grace".to_owned();
    /// assert!(names.get(&"ada".to_owned()).is_none());
    /// assert!(names.get(&"grace".to_owned()).is_some());
    /// # Ok::<(), portunus::registry::Duplicate<String>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Duplicate`], if this registry or one above it rejects the present key.
    #[doc(alias = "__unique_key_attr__")]
    pub fn register_read(
        &self,
        value: &Arc<T>,
        read: impl Fn(&T) -> K + Send + Sync + 'static,
    ) -> Result<Registration<'_, K, T, B>, Duplicate<K>>
    where
        T: Send + Sync + 'static,
    {
        let present = read(value);
        let weak = Arc::downgrade(value);
        let read = move || weak.upgrade().map(|value| read(&value));
        self.add(value, present, Key::Read(Arc::new(read)))
    }

    /// Registers `value` by the [`DefaultKey`].
    ///
    /// # Errors
    ///
    /// [`Duplicate`], if somebody gave that key to another value, here or above.
    /// Each registry counts for itself: where two for values of one type stand
    /// under one that rejects duplicates, these keys would meet there.
    pub fn register_default(
        &self,
        value: &Arc<T>,
    ) -> Result<Registration<'_, K, T, B>, Duplicate<K>>
    where
        K: From<DefaultKey>,
    {
        let number = self.state.lock().next_number();
        self.register(value, K::from(DefaultKey { type_name: core::any::type_name::<T>(), number }))
    }

    fn add(
        &self,
        value: &Arc<T>,
        present: K,
        key: Key<K>,
    ) -> Result<Registration<'_, K, T, B>, Duplicate<K>> {
        let ticket = Ticket::new();
        self.insert(&ticket, Arc::downgrade(value), &key, &present)?;
        Ok(Registration { registry: self, ticket, attached: true })
    }

    /// The live value with this key; among several, the one that was registered
    /// last.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<Arc<T>> {
        let (given, read) = {
            let state = self.state.lock();
            let given = state.find_given(key);
            // Of those that are read, only a later one can hide it.
            let after = given.as_ref().map(|(serial, _)| *serial);
            (given, state.read_after(after))
        };
        let mut hits =
            read.iter().rev().filter(|(_, read)| read().is_some_and(|read| read == *key));
        // One may die as soon as its key was read.
        let hit = hits.find_map(|(value, _)| value.upgrade());
        hit.or_else(|| given.map(|(_, value)| value))
    }

    /// Whether a live value has this key.
    #[must_use]
    pub fn contains(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// The live values by their present keys, in the order of the keys; of
    /// those with the same key, the one that was registered last.
    #[doc(alias = "registry")]
    #[must_use]
    pub fn entries(&self) -> Vec<(K, Arc<T>)> {
        // In the order of registration: among equal keys the last one stays.
        let live = self.state.lock().live();
        let mut entries: Vec<(K, Arc<T>)> =
            live.into_iter().filter_map(|(key, value)| Some((key.now()?, value))).collect();
        entries.reverse();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        entries.dedup_by(|later, first| later.0 == first.0);
        entries
    }

    /// How many live values are registered, hidden ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state.lock().count()
    }

    /// Whether no live value is registered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What this registry does with a second live value of the same key.
    #[must_use]
    pub fn duplicates(&self) -> Duplicates {
        self.duplicates
    }

    /// Whether a live value other than that of `ticket` has the key, if this
    /// registry cares. Those whose keys are read are asked outside the lock.
    fn taken_by_read(&self, key: &K, ticket: &Ticket) -> bool {
        if self.duplicates == Duplicates::Shadow {
            return false;
        }
        let read = self.state.lock().read_but(ticket);
        read.iter().any(|read| read().is_some_and(|read| read == *key))
    }
}

/// What a registry does for those under it.
trait Parent<K, T: ?Sized>: Send + Sync {
    fn insert(
        &self,
        ticket: &Ticket,
        value: Weak<T>,
        key: &Key<K>,
        present: &K,
    ) -> Result<(), Duplicate<K>>;
    fn rename(&self, ticket: &Ticket, key: &Key<K>, present: &K) -> Result<(), Duplicate<K>>;
    /// As `rename`, back to what it was: nobody is asked.
    fn restore(&self, ticket: &Ticket, key: &Key<K>);
    fn remove(&self, ticket: &Ticket);
}

impl<K: Ord + Clone, T: ?Sized, B: Backend> Registry<K, T, B> {
    /// Here and in all above, or nowhere.
    fn insert(
        &self,
        ticket: &Ticket,
        value: Weak<T>,
        key: &Key<K>,
        present: &K,
    ) -> Result<(), Duplicate<K>> {
        let duplicate = || Duplicate { key: present.clone() };
        if self.taken_by_read(present, ticket) {
            return Err(duplicate());
        }
        let entry = Entry::new(ticket.clone(), value.clone(), key.clone());
        let (inserted, swept) = {
            let mut state = self.state.lock();
            let swept = state.sweep();
            let free = self.duplicates == Duplicates::Shadow || !state.has_given(present, ticket);
            let unused = if free { state.insert(entry) } else { Some(entry) };
            (free, (swept, unused))
        };
        // Destructors run outside the lock.
        drop(swept);
        if !inserted {
            return Err(duplicate());
        }
        let mut undo = Undo { registry: self, ticket, undoing: Undoing::Insert };
        for parent in &self.parents {
            parent.insert(ticket, value.clone(), key, present)?;
        }
        undo.undoing = Undoing::Nothing;
        Ok(())
    }

    /// Here and in all above, or nowhere.
    fn rename(&self, ticket: &Ticket, key: &Key<K>, present: &K) -> Result<(), Duplicate<K>> {
        let duplicate = || Duplicate { key: present.clone() };
        if self.taken_by_read(present, ticket) {
            return Err(duplicate());
        }
        let old = {
            let mut state = self.state.lock();
            if self.duplicates == Duplicates::Reject && state.has_given(present, ticket) {
                None
            } else {
                Some(state.set_key(ticket, key.clone()))
            }
        };
        let Some(old) = old else { return Err(duplicate()) };
        // None where the value is gone, and its place was swept out.
        let undoing = old.map_or(Undoing::Nothing, Undoing::Rename);
        let mut undo = Undo { registry: self, ticket, undoing };
        for parent in &self.parents {
            parent.rename(ticket, key, present)?;
        }
        undo.undoing = Undoing::Nothing;
        Ok(())
    }

    fn restore(&self, ticket: &Ticket, key: &Key<K>) {
        let replaced = self.state.lock().set_key(ticket, key.clone());
        drop(replaced);
        for parent in &self.parents {
            parent.restore(ticket, key);
        }
    }

    fn remove(&self, ticket: &Ticket) {
        let removed = self.state.lock().remove(ticket);
        drop(removed);
        for parent in &self.parents {
            parent.remove(ticket);
        }
    }
}

/// What was done here and may not be done in all above.
enum Undoing<K> {
    Nothing,
    Insert,
    /// With the key before.
    Rename(Key<K>),
}

/// Undoes it: a parent rejects the key, or a key that it reads panics.
struct Undo<'a, K: Ord + Clone, T: ?Sized, B: Backend> {
    registry: &'a Registry<K, T, B>,
    ticket: &'a Ticket,
    undoing: Undoing<K>,
}

impl<K: Ord + Clone, T: ?Sized, B: Backend> Drop for Undo<'_, K, T, B> {
    fn drop(&mut self) {
        match &self.undoing {
            Undoing::Nothing => {}
            Undoing::Insert => self.registry.remove(self.ticket),
            Undoing::Rename(old) => self.registry.restore(self.ticket, old),
        }
    }
}

/// A parent, and the way from a value to its type.
struct Link<T: ?Sized, P: ?Sized, R> {
    parent: R,
    upcast: fn(Weak<T>) -> Weak<P>,
}

impl<K, T, P, R, B> Parent<K, T> for Link<T, P, R>
where
    K: Ord + Clone,
    T: ?Sized,
    P: ?Sized,
    R: Deref<Target = Registry<K, P, B>> + Send + Sync,
    B: Backend,
{
    fn insert(
        &self,
        ticket: &Ticket,
        value: Weak<T>,
        key: &Key<K>,
        present: &K,
    ) -> Result<(), Duplicate<K>> {
        self.parent.insert(ticket, (self.upcast)(value), key, present)
    }

    fn rename(&self, ticket: &Ticket, key: &Key<K>, present: &K) -> Result<(), Duplicate<K>> {
        self.parent.rename(ticket, key, present)
    }

    fn restore(&self, ticket: &Ticket, key: &Key<K>) {
        self.parent.restore(ticket, key);
    }

    fn remove(&self, ticket: &Ticket) {
        self.parent.remove(ticket);
    }
}

/// Shows the keys that were given; never blocks.
impl<K: fmt::Debug, T: ?Sized, B: Backend> fmt::Debug for Registry<K, T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Registry");
        out.field("duplicates", &self.duplicates).field("parents", &self.parents.len());
        match self.state.try_lock() {
            Some(state) => out.field("registered", &state.registered()),
            None => out.field("registered", &format_args!("<locked>")),
        };
        out.finish()
    }
}

/// A value's place in a [`Registry`]: dropped, the value is found no more.
///
/// It doesn't keep the value alive. A value may keep its own.
///
/// ```
/// use std::sync::Arc;
/// use portunus::{registry::Duplicates, sync::Registry};
///
/// let ports: Registry<u16, &str> = Registry::new(Duplicates::Reject);
/// let server = Arc::new("http");
/// let registration = ports.register(&server, 80)?;
/// registration.rename(8080)?;
/// assert_eq!(registration.key(), Some(8080));
/// assert_eq!(ports.entries(), [(8080, server.clone())]);
/// drop(registration);
/// assert!(ports.entries().is_empty());
/// # Ok::<(), portunus::registry::Duplicate<u16>>(())
/// ```
#[must_use = "a registration that is dropped at once is none"]
pub struct Registration<'r, K: Ord + Clone, T: ?Sized, B: Backend> {
    registry: &'r Registry<K, T, B>,
    ticket: Ticket,
    attached: bool,
}

impl<K: Ord + Clone, T: ?Sized, B: Backend> Registration<'_, K, T, B> {
    /// The present key, or `None` if it is read from a value that is gone.
    #[doc(alias = "__registry_key__")]
    #[must_use]
    pub fn key(&self) -> Option<K> {
        let key = self.registry.state.lock().key(&self.ticket);
        key.and_then(|key| key.now())
    }

    /// The registry in which the value is.
    #[must_use]
    pub fn registry(&self) -> &Registry<K, T, B> {
        self.registry
    }

    /// Gives the value another key, here and in all registries above. A key
    /// that was read from the value until now, is read no more.
    ///
    /// # Errors
    ///
    /// [`Duplicate`], if one of the registries rejects it: the value keeps its
    /// key. Registries above are asked one after another, so that somebody who
    /// looks meanwhile may see the new key in some of them; and of two threads
    /// that give it different keys at once, neither may win in all of them.
    pub fn rename(&self, key: K) -> Result<(), Duplicate<K>> {
        self.registry.rename(&self.ticket, &Key::Given(key.clone()), &key)
    }

    /// Leaves the value registered for as long as it lives.
    pub fn detach(mut self) {
        self.attached = false;
    }
}

impl<K: Ord + Clone, T: ?Sized, B: Backend> Drop for Registration<'_, K, T, B> {
    fn drop(&mut self) {
        if mem::take(&mut self.attached) {
            self.registry.remove(&self.ticket);
        }
    }
}

impl<K: Ord + Clone, T: ?Sized, B: Backend> fmt::Debug for Registration<'_, K, T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").field("attached", &self.attached).finish_non_exhaustive()
    }
}
