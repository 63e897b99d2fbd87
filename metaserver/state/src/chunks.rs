//! Chunk records: commit validation, reference counts, live bytes, and the garbage that is left when the last
//! reference goes.
//!
//! What always holds:
//! - A chunk record exists exactly while at least one extent refers to it.
//! - When it goes, its number is in `gc/<pg><index of that command>` until every member tombstoned it.
//! - A chunk enters metadata once: a number that is known is refused, whoever names it.
//! - Every current member without a counted acknowledgement gets a `missing/` record in the same command.
//!
//! Used by every operation that makes or drops extents.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use holdfast_proto::ids::{ChunkId, PgId};
use holdfast_proto::inode::{ChunkCommit, Extent};
use holdfast_proto::map::{Disk, Member, Pg, PgState, Redundancy, Standing, StorageClass, redundancy::Kind};
use holdfast_proto::op::Reply;
use holdfast_proto::status::{Code, Status};

use crate::change::{Change, Stop, refuse};
use crate::keys;
use crate::members;
use crate::records::{Chunk, GcBatch, Id, Mark};

/// Longest chunk any class may have, in bytes.
pub const MAX_CHUNK_BYTES: u64 = 256 << 20;
/// Most chunks one command may bring.
pub const MAX_CHUNKS: usize = 1000;

/// Members that may be known to lack one chunk: with more, it could not be read.
const MISSING_PER_CHUNK: usize = 4;

/// What one command does to chunk references.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    chunks: BTreeMap<ChunkId, Account>,
    /// Keys that settling may touch at most.
    weight: usize,
    /// Classes of the groups in which chunks came in, with the longest chunk of each.
    brought: BTreeMap<u32, u64>,
}

#[derive(Debug, Default)]
struct Account {
    /// The record as of now: read from the state, or made by this command.
    chunk: Chunk,
    /// Made by this command, so there is no record yet.
    new: bool,
    references: i64,
    live: i64,
}

impl Ledger {
    /// How many keys settling it may touch.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    /// Classes of the groups in which this command's chunks lie, with the longest chunk of each.
    pub(crate) fn brought_classes(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        self.brought.iter().map(|(class, longest)| (*class, *longest))
    }

    fn enter(&mut self, id: ChunkId, account: Account) {
        self.weight += if account.chunk.was_missing { 1 + MISSING_PER_CHUNK } else { 1 };
        self.chunks.insert(id, account);
    }
}

/// Validates the chunks a command brings and makes them known to its ledger. All of them or none: a refusal
/// names the positions that must be written anew, and nothing is executed.
pub(crate) fn commit(cx: &mut Change<'_>, commits: &[ChunkCommit]) -> Result<(), Stop> {
    if commits.is_empty() {
        return Ok(());
    }
    if commits.len() > MAX_CHUNKS {
        return Err(refuse(Code::TooLarge, format!("a command may bring at most {MAX_CHUNKS} chunks")));
    }
    let (mut rejected, mut closed) = (Vec::new(), false);
    let mut groups = Groups::default();
    for (position, commit) in commits.iter().enumerate() {
        check_shape(commit)?;
        let open = grant_is_open(cx, commit)?;
        closed |= !open;
        if !open || !admit(cx, &mut groups, commit)? {
            rejected.push(position as u32);
        }
    }
    if rejected.is_empty() {
        return Ok(());
    }
    let status = if closed {
        Status::new(Code::GrantClosed, "chunks were made under a grant that is not open for this session")
    } else {
        Status::new(Code::ChunksRejected, "chunks lack counted acknowledgements and must be written anew")
    };
    Err(Stop::Refused(Box::new(Reply { rejected, ..Reply::refused(status) })))
}

fn check_shape(commit: &ChunkCommit) -> Result<(), Stop> {
    let id = ChunkId::new(commit.pg, commit.number);
    if commit.length == 0 || commit.length > MAX_CHUNK_BYTES {
        return Err(refuse(Code::InvalidArgument, format!("chunk {id} has length {}", commit.length)));
    }
    if commit.blake3.len() != 32 {
        return Err(refuse(Code::InvalidArgument, format!("chunk {id} comes without its BLAKE3")));
    }
    Ok(())
}

fn grant_is_open(cx: &Change<'_>, commit: &ChunkCommit) -> Result<bool, Stop> {
    let grant = ChunkId::new(commit.pg, commit.number).number.grant();
    let owner: Option<Id> = cx.load(&keys::grant(grant.0))?;
    Ok(cx.session != 0 && owner.is_some_and(|owner| owner.id == cx.session))
}

/// Groups, classes and disks that a command's chunks lie in, each read once.
#[derive(Default)]
struct Groups {
    known: BTreeMap<u32, Option<Group>>,
}

struct Group {
    pg: Pg,
    redundancy: Redundancy,
    /// Whether the member's disk still lives the life with which it joined.
    present: Vec<bool>,
}

impl Groups {
    fn get(&mut self, cx: &Change<'_>, pg: u32) -> Result<Option<&Group>, Stop> {
        if let Entry::Vacant(slot) = self.known.entry(pg) {
            slot.insert(Group::load(cx, pg)?);
        }
        Ok(self.known.get(&pg).and_then(Option::as_ref))
    }
}

impl Group {
    fn load(cx: &Change<'_>, pg: u32) -> Result<Option<Self>, Stop> {
        let Some(pg) = cx.pg(PgId(pg))? else { return Ok(None) };
        if pg.state == PgState::Retired as i32 {
            return Ok(None);
        }
        let class: Option<StorageClass> = cx.load(&keys::class(pg.class))?;
        let Some(redundancy) = class.and_then(|class| class.redundancy) else { return Ok(None) };
        let present = pg.members.iter().map(|m| is_present(cx, m)).collect::<Result<_, _>>()?;
        Ok(Some(Self { pg, redundancy, present }))
    }

    /// A chunk of an erasure group has a part in every data shard: an empty record would be nobody's loss to notice.
    fn check_length(&self, commit: &ChunkCommit) -> Result<(), Stop> {
        let Some(Kind::Erasure(shape)) = self.redundancy.kind else { return Ok(()) };
        if commit.length > u64::from(shape.data - 1) * shape.cell_bytes {
            return Ok(());
        }
        let id = ChunkId::new(commit.pg, commit.number);
        let what = format!("chunk {id} of {} bytes does not fill {} cells", commit.length, shape.data);
        Err(refuse(Code::InvalidArgument, what))
    }

    /// Acknowledgements that make a commit of `redundancy` valid here. A group that is smaller than its class
    /// wants (a cluster of one disk) needs all of its regular members; an erasure group is never smaller.
    fn needed(&self) -> usize {
        let min = self.redundancy.min_acks() as usize;
        match self.redundancy.kind {
            Some(Kind::Replicated(_)) => {
                let regular = self.pg.members.iter().filter(|m| !m.temporary).count();
                min.min(regular).max(1)
            }
            Some(Kind::Erasure(_)) | None => min,
        }
    }
}

/// Whether the member's disk still lives the life with which it joined.
pub(crate) fn is_present(cx: &Change<'_>, member: &Member) -> Result<bool, Stop> {
    let disk: Option<Disk> = cx.load(&keys::disk(member.disk))?;
    Ok(disk.is_some_and(|disk| {
        disk.incarnation == member.incarnation && disk.standing != Standing::Removed as i32
    }))
}

/// Counts the acknowledgements of one chunk. Enough: the chunk is entered into the ledger and every member
/// without one is recorded as missing it. Otherwise nothing changes and the answer is `false`.
fn admit(cx: &mut Change<'_>, groups: &mut Groups, commit: &ChunkCommit) -> Result<bool, Stop> {
    let id = ChunkId::new(commit.pg, commit.number);
    let Some(group) = groups.get(cx, commit.pg)? else { return Ok(false) };
    group.check_length(commit)?;
    let acked: Vec<bool> = (group.pg.members.iter().zip(&group.present))
        .map(|(member, present)| *present && commit.acks.iter().any(|ack| counts(member, ack)))
        .collect();
    let holding = group.pg.members.iter().zip(&acked).filter_map(|(member, acked)| acked.then_some(member));
    if members::holders(&group.redundancy, holding) < group.needed() {
        return Ok(false);
    }
    // A number that is known already: the same chunk named by an earlier command (whose reply the client gave
    // up on), or a client that counts wrongly. References would be shared by accident; a fresh copy is safe.
    if cx.ledger.chunks.contains_key(&id) || cx.load::<Chunk>(&keys::chunk(id))?.is_some() {
        return Ok(false);
    }
    let absent = group.pg.members.iter().zip(&acked).filter(|(_, acked)| !**acked);
    let lacking: Vec<u32> = absent.map(|(member, _)| member.disk).collect();
    for disk in &lacking {
        cx.store(keys::missing(*disk, commit.pg, commit.number), &Mark {});
    }
    cx.state.missing += lacking.len() as u64;
    let longest = cx.ledger.brought.entry(group.pg.class).or_default();
    *longest = commit.length.max(*longest);
    let chunk = Chunk {
        length: commit.length,
        blake3: commit.blake3.clone(),
        was_missing: !lacking.is_empty(),
        ..Chunk::default()
    };
    cx.ledger.enter(id, Account { chunk, new: true, ..Account::default() });
    Ok(true)
}

fn counts(member: &Member, ack: &holdfast_proto::inode::ChunkAck) -> bool {
    ack.disk == member.disk && ack.incarnation == member.incarnation && member.joined <= ack.epoch
}

/// The length of a chunk that this command brought with it.
pub(crate) fn brought(cx: &Change<'_>, id: ChunkId) -> Option<u64> {
    cx.ledger.chunks.get(&id).filter(|account| account.new).map(|account| account.chunk.length)
}

/// An extent was made: its chunk gains a reference.
pub(crate) fn retain(cx: &mut Change<'_>, extent: &Extent) -> Result<(), Stop> {
    account(cx, extent, 1, extent.length as i64)
}

/// An extent was dropped: its chunk loses a reference.
pub(crate) fn release(cx: &mut Change<'_>, extent: &Extent) -> Result<(), Stop> {
    account(cx, extent, -1, -(extent.length as i64))
}

fn account(cx: &mut Change<'_>, extent: &Extent, references: i64, live: i64) -> Result<(), Stop> {
    let Some(id) = extent.chunk() else {
        cx.state.bytes = cx.state.bytes.saturating_add_signed(live);
        return Ok(());
    };
    if !cx.ledger.chunks.contains_key(&id) {
        let chunk: Option<Chunk> = cx.load(&keys::chunk(id))?;
        let chunk = chunk.ok_or_else(|| {
            crate::table::Broken::Inconsistent(format!(
                "an extent refers to chunk {id}, which does not exist"
            ))
        })?;
        cx.ledger.enter(id, Account { chunk, ..Account::default() });
    }
    if let Some(account) = cx.ledger.chunks.get_mut(&id) {
        account.references += references;
        account.live += live;
    }
    Ok(())
}

/// Writes what the ledger came to: new and changed chunk records, garbage, counters.
pub(crate) fn settle(cx: &mut Change<'_>) -> Result<(), Stop> {
    let mut dead: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for (id, account) in std::mem::take(&mut cx.ledger).chunks {
        let Account { mut chunk, new, references, live } = account;
        let left = i64::from(chunk.references) + references;
        let left = u32::try_from(left).map_err(|_| {
            crate::table::Broken::Inconsistent(format!("chunk {id} would have {left} references"))
        })?;
        if left == 0 {
            // A new chunk that nothing refers to is born dead: its members must still be told.
            bury(cx, id, &chunk, new)?;
            dead.entry(id.pg.0).or_default().push(id.number.0);
            continue;
        }
        if new {
            cx.state.chunks += 1;
            cx.state.bytes += chunk.length;
        }
        if references != 0 || live != 0 {
            chunk.references = left;
            chunk.live = chunk.live.saturating_add_signed(live);
            cx.store(keys::chunk(id), &chunk);
        }
    }
    for (pg, numbers) in dead {
        cx.state.garbage += numbers.len() as u64;
        cx.store(keys::gc(pg, cx.at), &GcBatch { numbers });
    }
    Ok(())
}

/// Removes the record of a dead chunk and whatever is known to lack it.
fn bury(cx: &mut Change<'_>, id: ChunkId, chunk: &Chunk, new: bool) -> Result<(), Stop> {
    if !new {
        cx.state.chunks = cx.state.chunks.saturating_sub(1);
        cx.state.bytes = cx.state.bytes.saturating_sub(chunk.length);
        cx.remove(keys::chunk(id));
    }
    if !chunk.was_missing {
        return Ok(());
    }
    let Some(pg) = cx.pg(id.pg)? else { return Ok(()) };
    for member in &pg.members {
        forget_missing(cx, member.disk, id)?;
    }
    Ok(())
}

/// Drops a `missing/` record; `true` if there was one.
pub(crate) fn forget_missing(cx: &mut Change<'_>, disk: u32, id: ChunkId) -> Result<bool, Stop> {
    let key = keys::missing(disk, id.pg.0, id.number.0);
    if cx.load::<Mark>(&key)?.is_none() {
        return Ok(false);
    }
    cx.remove(key);
    cx.state.missing = cx.state.missing.saturating_sub(1);
    Ok(true)
}
