//! What is waiting for the leader's loops: garbage, leaves, inodes and uploads to free. Pages, in order of key.
//!
//! What always holds: reading only; whatever is listed here stays until a command takes it away, so a loop that
//! stops midway loses nothing.

use holdfast_proto::ids::{ChunkId, LogIndex};
use holdfast_proto::inode::Inode;
use holdfast_proto::op::DiskRef;

use crate::keys;
use crate::records::{self, Ailing, Chunk, Cluster, GcBatch, Id, Index, Leave, Mark, Session, State, Token};
use crate::table::{Broken, View};

/// A batch of dead chunks of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Garbage {
    /// The group.
    pub pg: u32,
    /// They are dead since this index.
    pub index: LogIndex,
    /// Chunk numbers.
    pub numbers: Vec<u64>,
}

/// A disk that left a group and may still hold its chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// The disk and the life in which it was a member.
    pub disk: DiskRef,
    /// The group.
    pub pg: u32,
    /// Log index of the command with which it left.
    pub index: LogIndex,
    /// Epoch of the group since then: the epoch for the order to drop the whole group.
    pub epoch: u64,
}

fn page<T: prost::Message + Default>(
    view: &dyn View,
    tag: u8,
    after: &[u8],
    most: usize,
) -> Result<Vec<(bytes::Bytes, T)>, Broken> {
    let from = if after.is_empty() { keys::all(tag) } else { keys::next(after) };
    records::load_range(view, &from, &keys::after_prefix(&[tag]), most)
}

/// Counters of the state.
pub fn state(view: &dyn View) -> Result<State, Broken> {
    Ok(records::load(view, &[keys::STATE])?.unwrap_or_default())
}

/// Identity of the cluster; `None` before genesis.
pub fn cluster(view: &dyn View) -> Result<Option<Cluster>, Broken> {
    records::load(view, &[keys::CLUSTER])
}

/// Digest of the join token, if nodes may join.
pub fn join_token(view: &dyn View) -> Result<Option<bytes::Bytes>, Broken> {
    Ok(records::load::<Token>(view, &[keys::TOKEN])?.map(|token| token.digest))
}

/// One session.
pub fn session(view: &dyn View, id: u64) -> Result<Option<Session>, Broken> {
    records::load(view, &keys::session(id))
}

/// One inode, without the extents in its record.
pub fn inode(view: &dyn View, ino: u64) -> Result<Option<Inode>, Broken> {
    let inode: Option<Inode> = records::load(view, &keys::inode(ino))?;
    Ok(inode.map(|inode| Inode { extents: Vec::new(), ..inode }))
}

/// A page of open sessions behind `after` (0: from the start): ids and records.
pub fn open_sessions(view: &dyn View, after: u64, most: usize) -> Result<Vec<(u64, Session)>, Broken> {
    let mut from = if after == 0 { keys::all(keys::SESSION) } else { keys::next(&keys::session(after)) };
    let to = keys::after_prefix(&[keys::SESSION]);
    let mut open = Vec::new();
    loop {
        let found = records::load_range::<Session>(view, &from, &to, most.max(1))?;
        let whole = found.len() < most.max(1);
        for (key, session) in found {
            from = keys::next(&key);
            if session.is_open() && open.len() < most {
                open.push((keys::u64_at(&key, 1), session));
            }
        }
        if whole || open.len() >= most {
            return Ok(open);
        }
    }
}

/// Sessions that ended but still hold locks or drafts: `ExpireSession` is to be sent for them once more.
pub fn ending_sessions(view: &dyn View, most: usize) -> Result<Vec<u64>, Broken> {
    let mut ending = Vec::new();
    for (tag, all_of) in
        [(keys::LOCKING, keys::lockings as fn(u64) -> bytes::Bytes), (keys::HOLDING, keys::holdings)]
    {
        let mut from = keys::all(tag);
        let to = keys::after_prefix(&[tag]);
        while ending.len() < most {
            let found = view.scan(&from, &to, 1)?;
            let Some((key, _)) = found.first() else { break };
            let id = keys::u64_at(key, 1);
            let session: Option<Session> = records::load(view, &keys::session(id))?;
            if !session.is_some_and(|session| session.is_open()) && !ending.contains(&id) {
                ending.push(id);
            }
            from = keys::after_prefix(&all_of(id));
        }
    }
    Ok(ending)
}

/// Quotas that are being counted, or were when they were removed: `QuotaStep` is to be sent for them until it answers
/// that nothing is left.
pub fn quotas_under_way(view: &dyn View, most: usize) -> Result<Vec<u64>, Broken> {
    let mut quotas = Vec::new();
    let mut from = keys::all(keys::QUOTA_WALK);
    let to = keys::after_prefix(&[keys::QUOTA_WALK]);
    while quotas.len() < most {
        let found = view.scan(&from, &to, 1)?;
        let Some((key, _)) = found.first() else { break };
        let number = keys::u64_at(key, 1);
        quotas.push(number);
        from = keys::after_prefix(&keys::quota_walks(number));
    }
    Ok(quotas)
}

/// A page of garbage of a group, batches behind `after`, at most `most` of them.
pub fn garbage(view: &dyn View, pg: u32, after: LogIndex, most: usize) -> Result<Vec<Garbage>, Broken> {
    let from = keys::next(&keys::gc(pg, after.0));
    let found = records::load_range::<GcBatch>(view, &from, &keys::after_prefix(&keys::gc_of(pg)), most)?;
    Ok(found
        .into_iter()
        .map(|(key, batch)| Garbage { pg, index: LogIndex(keys::u64_at(&key, 5)), numbers: batch.numbers })
        .collect())
}

/// Groups that have garbage, behind `after`, at most `most` of them. Costs one seek per group.
pub fn groups_with_garbage(view: &dyn View, after: u32, most: usize) -> Result<Vec<u32>, Broken> {
    let mut from = keys::after_prefix(&keys::gc_of(after));
    let to = keys::after_prefix(&[keys::GC]);
    let mut groups = Vec::new();
    while groups.len() < most {
        let found = view.scan(&from, &to, 1)?;
        let Some((key, _)) = found.first() else { break };
        let pg = keys::u32_at(key, 1);
        groups.push(pg);
        from = keys::after_prefix(&keys::gc_of(pg));
    }
    Ok(groups)
}

/// How far each member of a group is with its garbage.
pub fn gc_cursors(view: &dyn View, pg: u32) -> Result<Vec<(DiskRef, LogIndex)>, Broken> {
    let mut prefix = vec![keys::GC_CURSOR];
    prefix.extend_from_slice(&pg.to_be_bytes());
    let found = records::load_range::<Index>(view, &prefix, &keys::after_prefix(&prefix), 1000)?;
    Ok(found
        .into_iter()
        .map(|(key, cursor)| {
            let member = DiskRef { disk: keys::u32_at(&key, 5), incarnation: keys::u64_at(&key, 9) };
            (member, LogIndex(cursor.index))
        })
        .collect())
}

/// A page of disks that left groups; `after` is (disk, group) of the last one seen.
pub fn leaving(view: &dyn View, after: (u32, u32), most: usize) -> Result<Vec<Leaving>, Broken> {
    let last = keys::leave(after.0, after.1);
    let found = page::<Leave>(view, keys::LEAVE, if after == (0, 0) { &[] } else { &last }, most)?;
    Ok(found
        .into_iter()
        .map(|(key, leave)| Leaving {
            disk: DiskRef { disk: keys::u32_at(&key, 1), incarnation: leave.incarnation },
            pg: keys::u32_at(&key, 5),
            index: LogIndex(leave.index),
            epoch: leave.epoch,
        })
        .collect())
}

/// Groups whose condition is noted, at most `most` of them.
pub fn ailing(view: &dyn View, most: usize) -> Result<Vec<(u32, Ailing)>, Broken> {
    let found = page::<Ailing>(view, keys::AILING, &[], most)?;
    Ok(found.into_iter().map(|(key, ailing)| (keys::u32_at(&key, 1), ailing)).collect())
}

/// A page of inodes that `FreeStep` is to free.
pub fn inodes_to_free(view: &dyn View, most: usize) -> Result<Vec<u64>, Broken> {
    let found = page::<Index>(view, keys::GC_INO, &[], most)?;
    Ok(found.iter().map(|(key, _)| keys::u64_at(key, 1)).collect())
}

/// A page of uploads that `FreeUploadStep` is to free.
pub fn uploads_to_free(view: &dyn View, most: usize) -> Result<Vec<u64>, Broken> {
    let found = page::<Index>(view, keys::SPENT, &[], most)?;
    Ok(found.iter().map(|(key, _)| keys::u64_at(key, 1)).collect())
}

/// A page of uploads under way behind `after`: id and when they began, in nanoseconds. Shorter than `most` only at
/// the end.
pub fn uploads_under_way(view: &dyn View, after: u64, most: usize) -> Result<Vec<(u64, i64)>, Broken> {
    let mut from = if after == 0 { keys::all(keys::UPLOAD) } else { keys::next(&keys::upload(after)) };
    let to = keys::after_prefix(&[keys::UPLOAD]);
    let mut open = Vec::new();
    loop {
        let found = records::load_range::<records::Upload>(view, &from, &to, most.max(1))?;
        let whole = found.len() < most.max(1);
        for (key, upload) in found {
            from = keys::next(&key);
            if !upload.ended && open.len() < most {
                open.push((keys::u64_at(&key, 1), upload.about.unwrap_or_default().created_ns));
            }
        }
        if whole || open.len() >= most {
            return Ok(open);
        }
    }
}

/// The record of a chunk, if metadata knows it.
pub fn chunk(view: &dyn View, id: ChunkId) -> Result<Option<Chunk>, Broken> {
    records::load(view, &keys::chunk(id))
}

/// Whether a grant is still open. Only a record whose grant is closed and whose chunk is unknown is an orphan.
pub fn grant_is_open(view: &dyn View, grant: u64) -> Result<bool, Broken> {
    Ok(records::load::<Id>(view, &keys::grant(grant))?.is_some())
}

/// How many chunks of a group a disk lacks, counted up to `most`.
pub fn missing_count(view: &dyn View, disk: u32, pg: u32, most: usize) -> Result<usize, Broken> {
    let prefix = keys::missing_in(disk, pg);
    Ok(view.scan(&prefix, &keys::after_prefix(&prefix), most)?.len())
}

/// A page of numbers of the chunks of a group that a disk lacks, behind `after`.
pub fn missing_in(view: &dyn View, disk: u32, pg: u32, after: u64, most: usize) -> Result<Vec<u64>, Broken> {
    let from =
        if after == 0 { keys::missing_in(disk, pg) } else { keys::next(&keys::missing(disk, pg, after)) };
    let found = view.scan(&from, &keys::after_prefix(&keys::missing_in(disk, pg)), most)?;
    Ok(found.iter().map(|(key, _)| keys::u64_at(key, 9)).collect())
}

/// A page of (disk, group) pairs for which chunks are missing, behind `after`. Costs one seek per pair.
pub fn pairs_with_missing(
    view: &dyn View,
    after: (u32, u32),
    most: usize,
) -> Result<Vec<(u32, u32)>, Broken> {
    let mut from = match after {
        (0, 0) => keys::all(keys::MISSING),
        (disk, pg) => keys::after_prefix(&keys::missing_in(disk, pg)),
    };
    let to = keys::after_prefix(&[keys::MISSING]);
    let mut pairs = Vec::new();
    while pairs.len() < most {
        let found = view.scan(&from, &to, 1)?;
        let Some((key, _)) = found.first() else { break };
        let pair = (keys::u32_at(key, 1), keys::u32_at(key, 5));
        pairs.push(pair);
        from = keys::after_prefix(&keys::missing_in(pair.0, pair.1));
    }
    Ok(pairs)
}

/// Groups of which a disk is a member.
pub fn groups_of(view: &dyn View, disk: u32, most: usize) -> Result<Vec<u32>, Broken> {
    let prefix = keys::members_of(disk);
    let found = records::load_range::<Mark>(view, &prefix, &keys::after_prefix(&prefix), most)?;
    Ok(found.iter().map(|(key, _)| keys::u32_at(key, 5)).collect())
}
