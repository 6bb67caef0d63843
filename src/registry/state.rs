//! What a registry's lock guards: the entries, and an index of the keys that
//! were given.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::mem;

/// Names a registration in all registries in which it is, by the address of an
/// allocation that lives as long as one of them knows it.
#[derive(Clone)]
pub(super) struct Ticket(Arc<u8>);

impl Ticket {
    pub(super) fn new() -> Self {
        Self(Arc::new(0))
    }

    fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

/// Reads a key, while the value lives.
pub(super) type Read<K> = Arc<dyn Fn() -> Option<K> + Send + Sync>;

/// Where the key comes from.
pub(super) enum Key<K> {
    Given(K),
    Read(Read<K>),
}

impl<K: Clone> Key<K> {
    pub(super) fn now(self) -> Option<K> {
        match self {
            Self::Given(key) => Some(key),
            Self::Read(read) => read(),
        }
    }
}

impl<K: Clone> Clone for Key<K> {
    fn clone(&self) -> Self {
        match self {
            Self::Given(key) => Self::Given(key.clone()),
            Self::Read(read) => Self::Read(Arc::clone(read)),
        }
    }
}

pub(super) struct Entry<K, T: ?Sized> {
    ticket: Ticket,
    serial: u64,
    value: Weak<T>,
    key: Key<K>,
}

impl<K, T: ?Sized> Entry<K, T> {
    pub(super) fn new(ticket: Ticket, value: Weak<T>, key: Key<K>) -> Self {
        Self { ticket, serial: 0, value, key }
    }
}

pub(super) struct State<K, T: ?Sized> {
    /// By the addresses of their tickets.
    entries: BTreeMap<usize, Entry<K, T>>,
    /// The addresses of those whose key was given, in the order of their
    /// serial numbers.
    given: BTreeMap<K, Vec<(u64, usize)>>,
    /// The addresses of those whose key is read, by their serial numbers.
    read: BTreeMap<u64, usize>,
    next_serial: u64,
    next_number: u64,
    /// At so many entries the dead ones are swept out.
    sweep_at: usize,
}

impl<K, T: ?Sized> State<K, T> {
    pub(super) const fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            given: BTreeMap::new(),
            read: BTreeMap::new(),
            next_serial: 0,
            next_number: 0,
            sweep_at: 16,
        }
    }

    /// All keys that were given, and nothing of the values.
    pub(super) fn registered(&self) -> Vec<&K> {
        self.given.keys().collect()
    }
}

impl<K: Ord + Clone, T: ?Sized> State<K, T> {
    pub(super) fn next_number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }

    /// The last live value whose given key this is, with its serial number. Not
    /// to be dropped under the lock.
    pub(super) fn find_given(&self, key: &K) -> Option<(u64, Arc<T>)> {
        self.given.get(key)?.iter().rev().find_map(|(serial, address)| {
            let value = self.entries.get(address)?.value.upgrade()?;
            Some((*serial, value))
        })
    }

    /// Whether a live value has this given key, except that of a ticket.
    pub(super) fn has_given(&self, key: &K, except: &Ticket) -> bool {
        let except = except.address();
        let mut places = self.given.get(key).into_iter().flatten();
        places.any(|(_, address)| {
            *address != except
                && self.entries.get(address).is_some_and(|entry| entry.value.strong_count() > 0)
        })
    }

    /// The values whose keys are read and whose serial numbers are larger, in
    /// the order of these.
    pub(super) fn read_after(&self, serial: Option<u64>) -> Vec<(Weak<T>, Read<K>)> {
        let from = serial.map_or(0, |serial| serial + 1);
        let read = self.read.range(from..).filter_map(|(_, address)| self.entries.get(address));
        read.filter_map(|entry| match &entry.key {
            Key::Read(read) => Some((entry.value.clone(), Arc::clone(read))),
            Key::Given(_) => None,
        })
        .collect()
    }

    /// How to read all keys that are read, except that of a ticket.
    pub(super) fn read_but(&self, except: &Ticket) -> Vec<Read<K>> {
        let except = except.address();
        let read = self.read.values().filter(|address| **address != except);
        read.filter_map(|address| match &self.entries.get(address)?.key {
            Key::Read(read) => Some(Arc::clone(read)),
            Key::Given(_) => None,
        })
        .collect()
    }

    /// The live values in the order in which they were registered. Not to be
    /// dropped under the lock.
    pub(super) fn live(&self) -> Vec<(Key<K>, Arc<T>)> {
        let mut live: Vec<(u64, Key<K>, Arc<T>)> = self
            .entries
            .values()
            .filter_map(|entry| Some((entry.serial, entry.key.clone(), entry.value.upgrade()?)))
            .collect();
        live.sort_by_key(|(serial, ..)| *serial);
        live.into_iter().map(|(_, key, value)| (key, value)).collect()
    }

    pub(super) fn count(&self) -> usize {
        self.entries.values().filter(|entry| entry.value.strong_count() > 0).count()
    }

    pub(super) fn key(&self, ticket: &Ticket) -> Option<Key<K>> {
        self.entries.get(&ticket.address()).map(|entry| entry.key.clone())
    }

    /// Puts an entry in. One that is in already (there are two ways to this
    /// registry) is given back.
    pub(super) fn insert(&mut self, mut entry: Entry<K, T>) -> Option<Entry<K, T>> {
        let address = entry.ticket.address();
        if self.entries.contains_key(&address) {
            return Some(entry);
        }
        entry.serial = self.next_serial;
        self.next_serial += 1;
        self.index(&entry.key, entry.serial, address);
        self.entries.insert(address, entry)
    }

    fn index(&mut self, key: &Key<K>, serial: u64, address: usize) {
        match key {
            Key::Given(key) => {
                let places = self.given.entry(key.clone()).or_default();
                let at = places.partition_point(|(other, _)| *other < serial);
                places.insert(at, (serial, address));
            }
            Key::Read(_) => {
                self.read.insert(serial, address);
            }
        }
    }

    /// Takes an entry out of the index.
    fn unindex(&mut self, key: &Key<K>, serial: u64) {
        match key {
            Key::Given(key) => {
                let Some(places) = self.given.get_mut(key) else { return };
                places.retain(|(other, _)| *other != serial);
                if places.is_empty() {
                    self.given.remove(key);
                }
            }
            Key::Read(_) => {
                self.read.remove(&serial);
            }
        }
    }

    /// Gives an entry another key; the old one comes back.
    pub(super) fn set_key(&mut self, ticket: &Ticket, key: Key<K>) -> Option<Key<K>> {
        let address = ticket.address();
        let entry = self.entries.get_mut(&address)?;
        let serial = entry.serial;
        let old = mem::replace(&mut entry.key, key.clone());
        self.unindex(&old, serial);
        self.index(&key, serial, address);
        Some(old)
    }

    pub(super) fn remove(&mut self, ticket: &Ticket) -> Option<Entry<K, T>> {
        let entry = self.entries.remove(&ticket.address())?;
        self.unindex(&entry.key, entry.serial);
        Some(entry)
    }

    /// Takes the dead ones out, so that they are never more than the live ones
    /// and a few; what is to be dropped outside the lock comes back.
    pub(super) fn sweep(&mut self) -> Vec<Entry<K, T>> {
        if self.entries.len() < self.sweep_at {
            return Vec::new();
        }
        let dead = self.entries.iter().filter(|(_, entry)| entry.value.strong_count() == 0);
        let dead: Vec<usize> = dead.map(|(address, _)| *address).collect();
        let mut swept = Vec::with_capacity(dead.len());
        for address in dead {
            if let Some(entry) = self.entries.remove(&address) {
                self.unindex(&entry.key, entry.serial);
                swept.push(entry);
            }
        }
        self.sweep_at = (2 * self.entries.len()).max(16);
        swept
    }
}
