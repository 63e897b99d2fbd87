//! A consistent snapshot of the table, with the index it shows. Cheap to clone; hold it only while reading, because
//! it keeps old versions of everything alive.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_proto::ids::LogIndex;
use rocksdb::{DBRawIterator, ReadOptions, Snapshot};
use self_cell::self_cell;

use super::options::{INLINE, STATE};
use super::table::Table;
use crate::metrics::room::TableFigures;
use crate::raft::MetaError;

self_cell!(
    struct Pinned {
        owner: Arc<Table>,
        #[not_covariant]
        dependent: Snapshot,
    }
);

/// The replicated state as of one index.
#[derive(Clone)]
pub struct StateView {
    pinned: Arc<Pinned>,
    index: u64,
}

impl std::fmt::Debug for StateView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StateView(#{})", self.index)
    }
}

impl StateView {
    pub(super) fn new(table: Arc<Table>, index: u64) -> Result<Self, MetaError> {
        let pinned = Pinned::try_new(table, |table| table.db().map(|db| db.snapshot()))?;
        Ok(Self { pinned: Arc::new(pinned), index })
    }

    /// Index of the last command that this view shows.
    pub fn index(&self) -> LogIndex {
        LogIndex(self.index)
    }

    /// Starts from any view of a table: makes durable what that table holds by now.
    pub(crate) fn flush(&self) -> Result<(), MetaError> {
        self.pinned.borrow_owner().flush(true)
    }

    /// What the table under it says of itself now.
    pub(crate) fn table_figures(&self) -> Result<TableFigures, MetaError> {
        self.pinned.borrow_owner().figures()
    }

    /// The value of a key.
    pub fn lookup(&self, key: &[u8]) -> Result<Option<Bytes>, MetaError> {
        self.pinned.with_dependent(|table, snapshot| {
            let name = if key.starts_with(table.inline_prefix()) { INLINE } else { STATE };
            let value = snapshot.get_cf(table.family(name)?, key).map_err(|e| table.error("read", e))?;
            Ok(value.map(Bytes::from))
        })
    }

    /// Up to `most` entries with `from <= key < to`, in order. An empty `to` means "to the end".
    pub fn range(&self, from: &[u8], to: &[u8], most: usize) -> Result<Vec<(Bytes, Bytes)>, MetaError> {
        let mut found = Vec::new();
        self.visit(from, to, |key, value| {
            if found.len() < most {
                found.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
            }
            found.len() < most
        })?;
        Ok(found)
    }

    /// The last entry with `from <= key < to`.
    pub fn last_in(&self, from: &[u8], to: &[u8]) -> Result<Option<(Bytes, Bytes)>, MetaError> {
        if from >= to {
            return Ok(None);
        }
        self.pinned.with_dependent(|table, snapshot| {
            let prefix = table.inline_prefix();
            let after = after_prefix(prefix);
            // From the back: behind the inline content, within it, before it.
            let parts: [(&'static str, &[u8], &[u8]); 3] =
                [(STATE, &after, &[]), (INLINE, prefix, &after), (STATE, &[], prefix)];
            for (name, low, high) in parts {
                let (low, high) = (low.max(from), lower_end(high, to));
                if low < high {
                    let found = last_in_family(table, snapshot, name, low, high)?;
                    if found.is_some() {
                        return Ok(found);
                    }
                }
            }
            Ok(None)
        })
    }

    /// Shows entries with `from <= key < to` to `each`, in order, until it returns false.
    pub fn visit(
        &self,
        from: &[u8],
        to: &[u8],
        mut each: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), MetaError> {
        self.pinned.with_dependent(|table, snapshot| {
            // Inline content lies in a family of its own, as one contiguous range of the key space.
            let prefix = table.inline_prefix();
            let after = after_prefix(prefix);
            let parts: [(&'static str, &[u8], &[u8]); 3] =
                [(STATE, &[], prefix), (INLINE, prefix, &after), (STATE, &after, &[])];
            for (name, low, high) in parts {
                let low = low.max(from);
                let high = lower_end(high, to);
                if !high.is_empty() && low >= high {
                    continue;
                }
                if !visit_family(table, snapshot, name, low, high, &mut each)? {
                    break;
                }
            }
            Ok(())
        })
    }
}

/// The smaller of two range ends, where empty means "no end".
fn lower_end<'a>(one: &'a [u8], other: &'a [u8]) -> &'a [u8] {
    match (one.is_empty(), other.is_empty()) {
        (true, _) => other,
        (_, true) => one,
        _ => one.min(other),
    }
}

/// The first key behind all keys with this prefix; empty when there is none.
fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut after = prefix.to_vec();
    while let Some(last) = after.pop() {
        if last < u8::MAX {
            after.push(last + 1);
            break;
        }
    }
    after
}

fn visit_family(
    table: &Table,
    snapshot: &Snapshot<'_>,
    name: &'static str,
    from: &[u8],
    to: &[u8],
    each: &mut impl FnMut(&[u8], &[u8]) -> bool,
) -> Result<bool, MetaError> {
    let mut options = ReadOptions::default();
    if !to.is_empty() {
        options.set_iterate_upper_bound(to);
    }
    let mut cursor: DBRawIterator<'_> = snapshot.raw_iterator_cf_opt(table.family(name)?, options);
    cursor.seek(from);
    while let Some((key, value)) = cursor.item() {
        if !each(key, value) {
            return Ok(false);
        }
        cursor.next();
    }
    cursor.status().map_err(|e| table.error("read", e))?;
    Ok(true)
}

fn last_in_family(
    table: &Table,
    snapshot: &Snapshot<'_>,
    name: &'static str,
    from: &[u8],
    to: &[u8],
) -> Result<Option<(Bytes, Bytes)>, MetaError> {
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(from);
    options.set_iterate_upper_bound(to);
    let mut cursor: DBRawIterator<'_> = snapshot.raw_iterator_cf_opt(table.family(name)?, options);
    cursor.seek_to_last();
    let found =
        cursor.item().map(|(key, value)| (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
    cursor.status().map_err(|e| table.error("read", e))?;
    Ok(found)
}
