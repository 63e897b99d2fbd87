//! Typed reading of what the loops look at: pages of chunks, missing records, garbage, leaves, sessions.
//!
//! What always holds: every function reads a bounded page and says where the next one starts; none changes anything.

use bytes::Bytes;
use holdfast_proto::ids::{ChunkId, Grant};
use holdfast_proto::inode::Inode;
use holdfast_proto::map::{Member, Pg};
use holdfast_proto::op::{Balance, DiskRef, TrashRef};
use holdfast_state::keys;
use holdfast_state::records::{
    self, Ailing, Chunk, Cluster, GcBatch, Id, Index, Leave, Nameless, Session, State, Trashed, Upload,
};
use holdfast_state::table::{Broken, View};

/// What was found, and where the next page starts if there is one.
pub(crate) type Page<T> = (Vec<T>, Option<u64>);

/// The counters.
pub(crate) fn state(view: &dyn View) -> Result<State, Broken> {
    Ok(records::load(view, &keys::state())?.unwrap_or_default())
}

/// The cluster's identity.
pub(crate) fn cluster(view: &dyn View) -> Result<Cluster, Broken> {
    Ok(records::load(view, &keys::cluster())?.unwrap_or_default())
}

/// The run that evens out disks, or the last one.
pub(crate) fn balance(view: &dyn View) -> Result<Balance, Broken> {
    Ok(records::load(view, &keys::balance())?.unwrap_or_default())
}

/// A group as of this view.
pub(crate) fn pg(view: &dyn View, pg: u32) -> Result<Option<Pg>, Broken> {
    records::load(view, &keys::pg(pg))
}

/// A chunk's record.
pub(crate) fn chunk(view: &dyn View, pg: u32, number: u64) -> Result<Option<Chunk>, Broken> {
    records::load(view, &keys::chunk(ChunkId::new(pg, number)))
}

/// Where a page of a group's chunks starts: behind `after`, or at the start.
fn chunks_from(pg: u32, after: Option<u64>) -> Bytes {
    match after {
        Some(number) => keys::next(&keys::chunk(ChunkId::new(pg, number))),
        None => keys::chunks(pg),
    }
}

/// A page of a group's chunks in order of number.
pub(crate) fn chunks(
    view: &dyn View,
    pg: u32,
    after: Option<u64>,
    most: usize,
) -> Result<Vec<(u64, Chunk)>, Broken> {
    let to = keys::after_prefix(&keys::chunks(pg));
    let page = records::load_range::<Chunk>(view, &chunks_from(pg, after), &to, most)?;
    Ok(page.into_iter().map(|(key, chunk)| (keys::chunk_of(&key).number.0, chunk)).collect())
}

/// Whether a member has `missing/` records in its group.
pub(crate) fn lacks(view: &dyn View, pg: u32, member: &Member) -> Result<bool, Broken> {
    let prefix = keys::missing_in(member.disk, pg);
    Ok(!view.scan(&prefix, &keys::after_prefix(&prefix), 1)?.is_empty())
}

/// A page of chunk numbers that a disk lacks in a group.
pub(crate) fn missing(
    view: &dyn View,
    disk: u32,
    pg: u32,
    after: Option<u64>,
    most: usize,
) -> Result<Vec<u64>, Broken> {
    let prefix = keys::missing_in(disk, pg);
    let from = after.map_or_else(|| prefix.clone(), |number| keys::next(&keys::missing(disk, pg, number)));
    let page = view.scan(&from, &keys::after_prefix(&prefix), most)?;
    Ok(page.iter().map(|(key, _)| keys::u64_at(key, 9)).collect())
}

/// Groups in which a disk lacks something, from `from` on, at most `most`. Costs one seek per group.
pub(crate) fn groups_with_missing(
    view: &dyn View,
    disk: u32,
    from: u32,
    most: usize,
) -> Result<Vec<u32>, Broken> {
    let end = keys::after_prefix(&keys::missing_on(disk));
    let mut found = Vec::new();
    let mut at = keys::missing_in(disk, from);
    while found.len() < most {
        let Some((key, _)) = view.scan(&at, &end, 1)?.into_iter().next() else { break };
        let pg = keys::u32_at(&key, 5);
        found.push(pg);
        at = keys::after_prefix(&keys::missing_in(disk, pg));
    }
    Ok(found)
}

/// The first group at or behind `from` that has garbage.
pub(crate) fn next_with_garbage(view: &dyn View, from: u32) -> Result<Option<u32>, Broken> {
    let found = view.scan(&keys::gc_of(from), &[keys::GC + 1], 1)?;
    Ok(found.first().map(|(key, _)| keys::u32_at(key, 1)))
}

/// One batch of garbage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Garbage {
    /// Index of the command with which these chunks died.
    pub(crate) index: u64,
    /// Their numbers.
    pub(crate) numbers: Vec<u64>,
}

/// Batches of a group with `after < index <= upto`, until `most` numbers are reached.
pub(crate) fn garbage(
    view: &dyn View,
    pg: u32,
    after: u64,
    upto: u64,
    most: usize,
) -> Result<Vec<Garbage>, Broken> {
    let end = keys::after_prefix(&keys::gc(pg, upto));
    let mut from = keys::after_prefix(&keys::gc(pg, after));
    if after == 0 {
        from = keys::gc_of(pg);
    }
    let mut found = Vec::new();
    let mut count = 0;
    while count < most {
        let page = records::load_range::<GcBatch>(view, &from, &end, 64)?;
        let Some((last, _)) = page.last() else { break };
        from = keys::next(last);
        for (key, batch) in page {
            if count >= most {
                break;
            }
            count += batch.numbers.len();
            found.push(Garbage { index: keys::u64_at(&key, 5), numbers: batch.numbers });
        }
    }
    Ok(found)
}

/// How far a member is with its group's garbage.
pub(crate) fn gc_cursor(view: &dyn View, pg: u32, member: &Member) -> Result<u64, Broken> {
    let cursor: Option<Index> = records::load(view, &keys::gc_cursor(pg, member.disk, member.incarnation))?;
    Ok(cursor.map_or(0, |cursor| cursor.index))
}

/// A disk that left a group and may still hold its chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// The disk in the life in which it was a member.
    pub(crate) disk: DiskRef,
    /// The group.
    pub(crate) pg: u32,
    /// When it left.
    pub(crate) index: u64,
    /// Epoch of the group after it left.
    pub(crate) epoch: u64,
}

/// A page of leaves behind `after`.
pub(crate) fn leaves(view: &dyn View, after: Option<(u32, u32)>, most: usize) -> Result<Vec<Left>, Broken> {
    let from = after.map_or_else(|| keys::all(keys::LEAVE), |(disk, pg)| keys::next(&keys::leave(disk, pg)));
    let page = records::load_range::<Leave>(view, &from, &[keys::LEAVE + 1], most)?;
    Ok(page.into_iter().map(left).collect())
}

/// Those of one disk.
pub(crate) fn leaves_of(view: &dyn View, disk: u32, most: usize) -> Result<Vec<Left>, Broken> {
    let end = match disk.checked_add(1) {
        Some(next) => keys::leave(next, 0),
        None => bytes::Bytes::from_static(&[keys::LEAVE + 1]),
    };
    let page = records::load_range::<Leave>(view, &keys::leave(disk, 0), &end, most)?;
    Ok(page.into_iter().map(left).collect())
}

fn left((key, leave): (bytes::Bytes, Leave)) -> Left {
    Left {
        disk: DiskRef { disk: keys::u32_at(&key, 1), incarnation: leave.incarnation },
        pg: keys::u32_at(&key, 5),
        index: leave.index,
        epoch: leave.epoch,
    }
}

/// What is noted of a group's condition.
pub(crate) fn ailing_of(view: &dyn View, pg: u32) -> Result<Option<Ailing>, Broken> {
    records::load(view, &keys::ailing(pg))
}

/// A page of what is noted of groups, behind `after`.
pub(crate) fn ailing(view: &dyn View, after: Option<u32>, most: usize) -> Result<Vec<(u32, Ailing)>, Broken> {
    let from = after.map_or_else(|| keys::all(keys::AILING), |pg| keys::next(&keys::ailing(pg)));
    let page = records::load_range::<Ailing>(view, &from, &[keys::AILING + 1], most)?;
    Ok(page.into_iter().map(|(key, ailing)| (keys::u32_at(&key, 1), ailing)).collect())
}

/// The earliest time since when a group has lacked something, nanoseconds; 0: none does. Looks at all that are noted.
pub(crate) fn oldest_ailing(view: &dyn View) -> Result<i64, Broken> {
    const PAGE: usize = 1000;
    let (mut oldest, mut after) = (None, None);
    loop {
        let page = ailing(view, after, PAGE)?;
        oldest = page.iter().map(|(_, ailing)| ailing.since_ns).chain(oldest).min();
        match page.last() {
            Some((last, _)) if page.len() == PAGE => after = Some(*last),
            _ => return Ok(oldest.unwrap_or(0)),
        }
    }
}

/// A page of ids under a tag whose keys are one 64-bit number (`gcino/`, `spent/`).
pub(crate) fn ids(view: &dyn View, tag: u8, after: Option<u64>, most: usize) -> Result<Vec<u64>, Broken> {
    let mut from = keys::all(tag);
    if let Some(after) = after {
        let mut key = vec![tag];
        key.extend_from_slice(&after.to_be_bytes());
        from = keys::next(&key);
    }
    let page = view.scan(&from, &[tag + 1], most)?;
    Ok(page.iter().map(|(key, _)| keys::u64_at(key, 1)).collect())
}

/// Uploads looked at behind `after` that nobody touched since `before` (seconds of uptime), and where to go on.
pub(crate) fn stale_uploads(
    view: &dyn View,
    after: Option<u64>,
    before: u64,
    most: usize,
) -> Result<Page<u64>, Broken> {
    let from = after.map_or_else(|| keys::all(keys::UPLOAD), |id| keys::next(&keys::upload(id)));
    let page = records::load_range::<Upload>(view, &from, &[keys::UPLOAD + 1], most)?;
    let next = if page.len() < most { None } else { page.last().map(|(key, _)| keys::u64_at(key, 1)) };
    let stale = page.into_iter().filter(|(_, upload)| !upload.ended && upload.touched_s <= before);
    Ok((stale.map(|(key, _)| keys::u64_at(&key, 1)).collect(), next))
}

/// A page of drafts (inode, how far it came) behind `after`, and where the next one starts.
pub(crate) fn drafts(view: &dyn View, after: Option<u64>, most: usize) -> Result<Page<(u64, u64)>, Broken> {
    let from = after.map_or_else(|| keys::all(keys::NAMELESS), |ino| keys::next(&keys::nameless(ino)));
    let page = records::load_range::<Nameless>(view, &from, &[keys::NAMELESS + 1], most)?;
    let next = if page.len() < most { None } else { page.last().map(|(key, _)| keys::u64_at(key, 1)) };
    let drafts = page
        .into_iter()
        .filter_map(|(key, nameless)| Some((keys::u64_at(&key, 1), nameless.draft?.at)))
        .collect();
    Ok((drafts, next))
}

/// Inodes without names among a page behind `after`, drafts left out, and where the next page starts.
pub(crate) fn nameless(view: &dyn View, after: Option<u64>, most: usize) -> Result<Page<u64>, Broken> {
    let from = after.map_or_else(|| keys::all(keys::NAMELESS), |ino| keys::next(&keys::nameless(ino)));
    let page = records::load_range::<Nameless>(view, &from, &[keys::NAMELESS + 1], most)?;
    let next = if page.len() < most { None } else { page.last().map(|(key, _)| keys::u64_at(key, 1)) };
    let inos = page.iter().filter(|(_, nameless)| nameless.draft.is_none());
    Ok((inos.map(|(key, _)| keys::u64_at(key, 1)).collect(), next))
}

/// A file in the trash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Which, and by which deletion.
    pub(crate) item: TrashRef,
    /// When it is due, in seconds of uptime.
    pub(crate) due_s: u64,
    /// Bytes that it refers to.
    pub(crate) bytes: u64,
}

/// The files in the trash that are due first, at `upto_s` seconds of uptime at the latest.
pub(crate) fn trash(view: &dyn View, upto_s: u64, most: usize) -> Result<Vec<Kept>, Broken> {
    let to = match upto_s.checked_add(1) {
        Some(end) => keys::trash(end, 0),
        None => keys::after_prefix(&keys::all(keys::TRASH)),
    };
    let page = records::load_range::<Trashed>(view, &keys::all(keys::TRASH), &to, most)?;
    let kept = page.into_iter().map(|(key, kept)| {
        let (due_s, ino) = (keys::u64_at(&key, 1), keys::u64_at(&key, 9));
        let inode: Option<Inode> = records::load(view, &keys::inode(ino))?;
        let item = TrashRef { ino, index: kept.index };
        Ok(Kept { item, due_s, bytes: inode.map_or(0, |inode| inode.allocated) })
    });
    kept.collect()
}

/// A page of sessions, ended ones included.
pub(crate) fn sessions(
    view: &dyn View,
    after: Option<u64>,
    most: usize,
) -> Result<Vec<(u64, Session)>, Broken> {
    let from = after.map_or_else(|| keys::all(keys::SESSION), |id| keys::next(&keys::session(id)));
    let page = records::load_range::<Session>(view, &from, &[keys::SESSION + 1], most)?;
    Ok(page.into_iter().map(|(key, session)| (keys::u64_at(&key, 1), session)).collect())
}

/// Whether a grant can still bring chunks into metadata: it is open, or not handed out yet.
pub(crate) fn grant_may_commit(view: &dyn View, grant: Grant, state: &State) -> Result<bool, Broken> {
    if grant.0 >= state.next_grant {
        return Ok(true);
    }
    Ok(records::load::<Id>(view, &keys::grant(grant.0))?.is_some())
}

/// Whether a disk left this group and still has to drop what it holds of it: until then it cannot join again.
pub(crate) fn is_leaving(view: &dyn View, disk: u32, pg: u32) -> Result<bool, Broken> {
    Ok(records::load::<Leave>(view, &keys::leave(disk, pg))?.is_some())
}
