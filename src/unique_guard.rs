//! One resource guard for each object.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt;
use core::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use core::ops::Deref;

use crate::backend::Backend;
use crate::mutex::RawMutex;
use crate::resource_guard::ResourceGuard;

/// One [`ResourceGuard`] for each object, for as long as somebody keeps it.
///
/// Objects are told apart by `K`: equal keys have one guard. A key of your own
/// gives equal objects one guard; [`ByAddress`] one to each object behind an
/// `Arc`. The guard keeps its key, and with it the object, alive. When the last
/// handle of a guard is dropped the guard is forgotten, and its flag with it.
///
/// ```
/// use portunus::UniqueResourceGuards;
/// use portunus::sync::Threads;
///
/// static PORTS: UniqueResourceGuards<&str, Threads> = UniqueResourceGuards::new();
///
/// let guard = PORTS.guard("ttyS0");
/// let using = guard.try_enter().unwrap();
/// let again = PORTS.guard("ttyS0");
/// assert!(again.is(&guard) && again.try_enter().is_err());
/// assert!(PORTS.guard("ttyS1").try_enter().is_ok());
/// # drop(using);
/// ```
///
/// A plain [`ResourceGuard`] for the same object knows nothing of it.
///
/// # Blocking
///
/// A look-up takes a lock of the backend `B` for some steps that are not the
/// user's: keys are hashed, compared and dropped outside of it, so they may
/// look guards up themselves, and may panic.
#[doc(alias = "UniqueResourceGuard")]
pub struct UniqueResourceGuards<K, B: Backend> {
    table: lock_api::Mutex<RawMutex<B>, Table<K>>,
}

type Guard<K> = ResourceGuard<K>;

struct Table<K> {
    /// By the key's hash.
    buckets: BTreeMap<u64, Vec<Weak<Guard<K>>>>,
    /// How many entries there are, those of dropped guards included.
    entries: usize,
    /// At how many entries those of dropped guards are looked for.
    sweep_at: usize,
    /// Changes with every insertion.
    version: u64,
}

const FIRST_SWEEP: usize = 16;

impl<K, B: Backend> UniqueResourceGuards<K, B> {
    /// Without any guard.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            table: lock_api::Mutex::new(Table {
                buckets: BTreeMap::new(),
                entries: 0,
                sweep_at: FIRST_SWEEP,
                version: 0,
            }),
        }
    }

    /// The guard of `key`, made if there is none, with the action `using`. It is
    /// not entered.
    #[doc(alias = "UniqueResourceGuard.guard")]
    pub fn guard(&self, key: K) -> UniqueResourceGuard<K>
    where
        K: Hash + Eq,
    {
        self.guard_with_action("using", key)
    }

    /// The guard of `key`, made if there is none; only then does `action` count.
    /// It is not entered.
    pub fn guard_with_action(&self, action: &'static str, key: K) -> UniqueResourceGuard<K>
    where
        K: Hash + Eq,
    {
        let hash = BuildHasherDefault::<Fnv>::default().hash_one(&key);
        let mut key = Some(key);
        let mut made: Option<Arc<Guard<K>>> = None;
        loop {
            // What may be the guard. Kept beyond the lock: the last handle
            // drops a key.
            let (candidates, version) = {
                let table = self.table.lock();
                let bucket = table.buckets.get(&hash).map_or(&[][..], Vec::as_slice);
                let candidates: Vec<_> = bucket.iter().filter_map(Weak::upgrade).collect();
                (candidates, table.version)
            };
            let wanted = match (&key, &made) {
                (Some(key), _) => key,
                (None, Some(made)) => made.resource(),
                (None, None) => unreachable!("the key moves into the guard"),
            };
            if let Some(found) = candidates.iter().find(|guard| guard.resource() == wanted) {
                return UniqueResourceGuard(Arc::clone(found));
            }
            if let Some(key) = key.take() {
                made = Some(Arc::new(ResourceGuard::named(action, key)));
            }
            let Some(new) = &made else { unreachable!("made above") };
            let mut table = self.table.lock();
            // Unless another one has been made meanwhile.
            if table.version == version {
                table.insert(hash, Arc::downgrade(new));
                drop(table);
                return UniqueResourceGuard(Arc::clone(new));
            }
        }
    }

    /// Forgets all guards: the next look-up of an object makes a new one, which
    /// is free even while the old one is in use.
    pub fn clear_cache(&self) {
        let mut table = self.table.lock();
        table.version = table.version.wrapping_add(1);
        table.entries = 0;
        table.sweep_at = FIRST_SWEEP;
        let buckets = core::mem::take(&mut table.buckets);
        drop(table);
        drop(buckets);
    }
}

impl<K> Table<K> {
    fn insert(&mut self, hash: u64, guard: Weak<Guard<K>>) {
        if self.entries >= self.sweep_at {
            // Each entry pays for one look at another.
            self.buckets.retain(|_, bucket| {
                bucket.retain(|guard| guard.strong_count() != 0);
                !bucket.is_empty()
            });
            self.entries = self.buckets.values().map(Vec::len).sum();
            self.sweep_at = FIRST_SWEEP.max(self.entries * 2);
        }
        self.version = self.version.wrapping_add(1);
        self.buckets.entry(hash).or_default().push(guard);
        self.entries += 1;
    }
}

impl<K, B: Backend> Default for UniqueResourceGuards<K, B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, B: Backend> fmt::Debug for UniqueResourceGuards<K, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("UniqueResourceGuards");
        if let Some(table) = self.table.try_lock() {
            // Those of dropped guards included.
            let entries = table.buckets.values().map(Vec::len).sum::<usize>();
            drop(table);
            shown.field("entries", &entries);
        }
        shown.finish_non_exhaustive()
    }
}

/// The guard that an object shares with all who look it up; a handle that may
/// be cloned.
///
/// It derefs to the [`ResourceGuard`], which is there for as long as one handle
/// is.
#[doc(alias = "UniqueResourceGuard.__enter__")]
pub struct UniqueResourceGuard<K>(Arc<Guard<K>>);

impl<K> UniqueResourceGuard<K> {
    /// Whether both are the same guard.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<K> Deref for UniqueResourceGuard<K> {
    type Target = ResourceGuard<K>;

    fn deref(&self) -> &ResourceGuard<K> {
        &self.0
    }
}

impl<K> Clone for UniqueResourceGuard<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: fmt::Debug> fmt::Debug for UniqueResourceGuard<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// An object behind an `Arc`, told apart by where it is: equal objects are two.
///
/// ```
/// use portunus::{ByAddress, UniqueResourceGuards, sync::Threads};
/// use std::sync::Arc;
///
/// let guards = UniqueResourceGuards::<ByAddress<String>, Threads>::new();
/// let (one, two) = (Arc::new(String::from("x")), Arc::new(String::from("x")));
/// let guard = guards.guard(ByAddress(Arc::clone(&one)));
/// assert!(guards.guard(ByAddress(one)).is(&guard));
/// assert!(!guards.guard(ByAddress(two)).is(&guard));
/// ```
pub struct ByAddress<T: ?Sized>(pub Arc<T>);

impl<T: ?Sized> ByAddress<T> {
    fn address(&self) -> usize {
        Arc::as_ptr(&self.0).cast::<()>().addr()
    }
}

impl<T: ?Sized> Clone for ByAddress<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> PartialEq for ByAddress<T> {
    fn eq(&self, other: &Self) -> bool {
        self.address() == other.address()
    }
}

impl<T: ?Sized> Eq for ByAddress<T> {}

impl<T: ?Sized> Hash for ByAddress<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address().hash(state);
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for ByAddress<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The hash of Fowler, Noll and Vo: short, and the same everywhere.
///
/// Keys that collide on purpose make look-ups slow, not wrong.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
