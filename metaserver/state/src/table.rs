//! The ordered key-value table under the state machine: what it reads ([`View`]), what it writes ([`Tx`]), the
//! overlay that gathers one batch of changes, and a table in memory for tests and simulation.
//!
//! What always holds:
//! - Keys are ordered bytewise. Ranges are half open: `from` belongs to it, `to` does not.
//! - A [`Tx`] reads its own writes.
//! - Nothing here blocks, sleeps or reads a clock; the only error is a [`Broken`] store, which stops the node.
//!
//! The metaserver implements [`View`] over a RocksDB snapshot and writes [`Overlay::into_changes`] as one batch.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use bytes::Bytes;

use crate::keys;

/// The store under the state cannot be believed any more. The node must stop: going on would let its state
/// differ from its peers'.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Reading failed.
    #[error("read state: {0}")]
    Store(String),
    /// A record cannot be decoded.
    #[error("decode record {key}: {why}")]
    Record {
        /// The key, readable.
        key: String,
        /// What is wrong.
        why: String,
    },
    /// Records contradict each other.
    #[error("state contradicts itself: {0}")]
    Inconsistent(String),
}

impl Broken {
    /// A record that cannot be decoded.
    pub fn record(key: &[u8], why: impl std::fmt::Display) -> Self {
        Self::Record { key: keys::describe(key), why: why.to_string() }
    }
}

/// A table as of one moment.
pub trait View {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Broken>;

    /// The first entries of `from..to` in order, at most `most`.
    fn scan(&self, from: &[u8], to: &[u8], most: usize) -> Result<Vec<(Bytes, Bytes)>, Broken>;

    /// The last entry of `from..to`.
    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<(Bytes, Bytes)>, Broken>;
}

/// A table that can be changed.
pub trait Tx: View {
    /// Sets a key.
    fn put(&mut self, key: Bytes, value: Bytes);

    /// Removes a key; nothing happens if it is not there.
    fn delete(&mut self, key: Bytes);
}

/// One change of a table: a new value, or `None` for removal.
pub type Entry = (Bytes, Option<Bytes>);

/// Changes over a [`View`], not yet written. One per apply batch (with a read cache, because the commands of a
/// batch read the same hot records), and one per command inside it (thrown away when the command is refused).
pub struct Overlay<'v, V: View + ?Sized> {
    base: &'v V,
    changes: BTreeMap<Bytes, Option<Bytes>>,
    bytes: usize,
    /// Only ever looked up by key, never walked: its order decides nothing.
    cache: Option<RefCell<HashMap<Bytes, Option<Bytes>>>>,
}

impl<'v, V: View + ?Sized> Overlay<'v, V> {
    /// An overlay that remembers what it read, for a batch of commands.
    pub fn new(base: &'v V) -> Self {
        Self { cache: Some(RefCell::default()), ..Self::plain(base) }
    }

    /// An overlay without a read cache, for one command.
    pub fn plain(base: &'v V) -> Self {
        Self { base, changes: BTreeMap::new(), bytes: 0, cache: None }
    }

    /// How many keys were changed.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Bytes of keys and values put so far; a key changed twice counts twice.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What it lies over.
    pub fn base(&self) -> &'v V {
        self.base
    }

    /// The changes of keys that start with `prefix`.
    pub fn changes_of(&self, prefix: &[u8]) -> impl Iterator<Item = (&Bytes, &Option<Bytes>)> {
        let end = keys::after_prefix(prefix);
        self.changes.range::<[u8], _>((Bound::Included(prefix), Bound::Excluded(&end[..])))
    }

    /// The changes in order of key, each key once.
    pub fn into_changes(self) -> impl Iterator<Item = Entry> {
        self.changes.into_iter()
    }
}

impl<V: View + ?Sized> View for Overlay<'_, V> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Broken> {
        if let Some(change) = self.changes.get(key) {
            return Ok(change.clone());
        }
        let Some(cache) = &self.cache else { return self.base.get(key) };
        if let Some(known) = cache.borrow().get(key) {
            return Ok(known.clone());
        }
        let value = self.base.get(key)?;
        cache.borrow_mut().insert(Bytes::copy_from_slice(key), value.clone());
        Ok(value)
    }

    fn scan(&self, from: &[u8], to: &[u8], most: usize) -> Result<Vec<(Bytes, Bytes)>, Broken> {
        let mut found = Vec::new();
        let mut cursor = Bytes::copy_from_slice(from);
        while found.len() < most && cursor[..] < *to {
            let want = most - found.len();
            let page = self.base.scan(&cursor, to, want)?;
            let whole = page.len() < want;
            let end = match page.last() {
                Some((last, _)) if !whole => keys::next(last),
                _ => Bytes::copy_from_slice(to),
            };
            self.merge(page, &cursor, &end, &mut found);
            if whole {
                break;
            }
            cursor = end;
        }
        found.truncate(most);
        Ok(found)
    }

    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<(Bytes, Bytes)>, Broken> {
        if from >= to {
            return Ok(None);
        }
        let changed = self
            .changes
            .range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)))
            .rev()
            .find_map(|(key, value)| value.clone().map(|value| (key.clone(), value)));
        let mut end = Bytes::copy_from_slice(to);
        let below = loop {
            match self.base.last(from, &end)? {
                Some((key, _)) if self.changes.contains_key(&key) => end = key,
                other => break other,
            }
        };
        Ok(match (changed, below) {
            (Some(a), Some(b)) => Some(if a.0 > b.0 { a } else { b }),
            (a, b) => a.or(b),
        })
    }
}

impl<V: View + ?Sized> Overlay<'_, V> {
    /// Appends to `found` what `page` and the changes in `from..to` make together.
    fn merge(&self, page: Vec<(Bytes, Bytes)>, from: &[u8], to: &[u8], found: &mut Vec<(Bytes, Bytes)>) {
        let mut changed =
            self.changes.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to))).peekable();
        if changed.peek().is_none() {
            found.extend(page);
            return;
        }
        let mut below = page.into_iter().peekable();
        loop {
            let take_change = match (changed.peek(), below.peek()) {
                (None, None) => return,
                (Some((changed, _)), Some((below, _))) => changed.as_ref() <= below.as_ref(),
                (Some(_), None) => true,
                (None, Some(_)) => false,
            };
            if !take_change {
                found.extend(below.next());
                continue;
            }
            let Some((key, value)) = changed.next() else { return };
            below.next_if(|(shadowed, _)| shadowed == key);
            found.extend(value.clone().map(|value| (key.clone(), value)));
        }
    }
}

impl<V: View + ?Sized> Tx for Overlay<'_, V> {
    fn put(&mut self, key: Bytes, value: Bytes) {
        self.bytes += key.len() + value.len();
        self.changes.insert(key, Some(value));
    }

    fn delete(&mut self, key: Bytes) {
        self.bytes += key.len();
        self.changes.insert(key, None);
    }
}

/// A table in memory, for tests and simulation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemTable {
    entries: BTreeMap<Bytes, Bytes>,
}

impl MemTable {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a batch of changes.
    pub fn write(&mut self, changes: impl IntoIterator<Item = Entry>) {
        for (key, value) in changes {
            match value {
                Some(value) => self.put(key, value),
                None => self.delete(key),
            }
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All entries in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.entries.iter()
    }
}

impl View for MemTable {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Broken> {
        Ok(self.entries.get(key).cloned())
    }

    fn scan(&self, from: &[u8], to: &[u8], most: usize) -> Result<Vec<(Bytes, Bytes)>, Broken> {
        if from >= to {
            return Ok(Vec::new());
        }
        let range = self.entries.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
        Ok(range.take(most).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<(Bytes, Bytes)>, Broken> {
        if from >= to {
            return Ok(None);
        }
        let mut range = self.entries.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
        Ok(range.next_back().map(|(key, value)| (key.clone(), value.clone())))
    }
}

impl Tx for MemTable {
    fn put(&mut self, key: Bytes, value: Bytes) {
        self.entries.insert(key, value);
    }

    fn delete(&mut self, key: Bytes) {
        self.entries.remove(&key);
    }
}
