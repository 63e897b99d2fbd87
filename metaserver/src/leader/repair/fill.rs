//! Making one member hold what it should: the walk over a group's chunk records for a new member, and the single
//! chunks of `missing/` for any member.
//!
//! What always holds:
//! - A backfill walks `chunk/<pg>` in metadata, from its start, as of views no older than the command with which the
//!   member joined: whatever is committed later either counts the member's acknowledgement or makes a `missing/`
//!   record. So the index of the first page is the one to which the walk reaches.
//! - What no source can give becomes a `missing/` record, never a reason to call the member clean.
//! - Chunks that are there already are verified by the member, not copied: a walk that starts again is cheap.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast_proto::chunk::{PullChunks, PullFailure, PullItem, PullReply, Source};
use holdfast_proto::geometry::member_bytes;
use holdfast_proto::map::{Member, Pg, Redundancy};
use holdfast_proto::op::{AddMissing, ClearMissing, DiskRef, MemberClean, Op};
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::Endpoint;
use holdfast_state::plan::cluster::{Cluster, DiskFacts};
use holdfast_state::plan::mix;
use holdfast_state::plan::repair::Risk;
use tokio::time::Instant;

use super::super::context::{Leader, endpoint};
use super::super::facts;
use super::super::ports::{Chunkservers, Metadata};
use crate::metrics;

/// Chunks per order.
const ITEMS: usize = 256;

/// Bytes per order: bounds how long one takes, and what is done twice when the leader changes.
const ORDER_BYTES: u64 = 128 << 20;

/// An order may take this long plus its bytes at this rate.
const ORDER_TIME: Duration = Duration::from_secs(30);
const SLOWEST_BYTES_PER_SEC: u64 = 4 << 20;

/// Pages of `missing/` per call of [`pull_missing`].
const MISSING_PAGES: usize = 64;

/// What a fill came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fill {
    /// Chunks made durable or found to be there.
    pub chunks: u64,
    /// Bytes moved.
    pub bytes: u64,
    /// Chunks that nobody could give.
    pub failed: u64,
}

impl Fill {
    fn add(&mut self, reply: &PullReply) {
        self.chunks += reply.done.len() as u64;
        self.bytes += reply.bytes;
        self.failed += reply.failed.len() as u64;
    }
}

fn identity(member: &Member) -> DiskRef {
    DiskRef { disk: member.disk, incarnation: member.incarnation }
}

/// Everything an order to one member of a group has in common.
struct Target {
    to: Endpoint,
    pg: Pg,
    member: Member,
    sources: Vec<Source>,
    redundancy: Redundancy,
    rate: u64,
    urgent: bool,
}

impl Target {
    /// Looks up addresses and sources; an error when the member cannot be filled now.
    fn find<M: Metadata, C: Chunkservers>(
        leader: &Leader<M, C>,
        pg: &Pg,
        member: &Member,
        lacking: &[DiskRef],
    ) -> Result<Self, Status> {
        let away = |what: &str| Status::new(Code::Unavailable, format!("group {}: {what}", pg.id));
        let cluster = leader.cluster.lock();
        let facts = cluster
            .member_disk(member)
            .filter(|disk| disk.answers())
            .ok_or_else(|| away("the member is away"))?;
        let to = endpoint(&cluster, facts.node).ok_or_else(|| away("the member's node is not known"))?;
        let redundancy = cluster
            .classes
            .get(&pg.class)
            .and_then(|class| class.redundancy)
            .ok_or_else(|| away("its class is not known"))?;
        let sources = sources(&cluster, pg, member, lacking);
        if sources.is_empty() {
            return Err(away("no other member answers"));
        }
        let knobs = leader.knobs.load();
        // The cap is per disk; as many orders as may run on one share it.
        let jobs = knobs.repair_jobs_per_disk.max(1) as u64;
        let share = |cap: u64| if cap == 0 { 0 } else { (cap / jobs).max(1) };
        let moves = member.takes != 0;
        let own = if moves { share(knobs.balance_rate_per_disk) } else { 0 };
        let rate =
            [share(knobs.repair_rate_per_disk), own].into_iter().filter(|r| *r != 0).min().unwrap_or(0);
        drop(cluster);
        let urgent = leader.outlook.lock().ailing.get(&pg.id).is_some_and(|a| a.risk <= Risk::AtRisk);
        Ok(Self { to, pg: pg.clone(), member: *member, sources, redundancy, rate, urgent })
    }

    async fn pull<M: Metadata, C: Chunkservers>(
        &self,
        leader: &Leader<M, C>,
        index: u64,
        items: Vec<PullItem>,
        force: bool,
    ) -> Result<PullReply, Status> {
        let bytes: u64 = items.iter().map(|item| item.chunk_bytes).sum();
        let slowest =
            if self.rate == 0 { SLOWEST_BYTES_PER_SEC } else { self.rate.min(SLOWEST_BYTES_PER_SEC) };
        let deadline = Instant::now() + ORDER_TIME + Duration::from_secs(bytes / slowest.max(1));
        let order = PullChunks {
            order: Some(leader.order(self.pg.epoch, index)),
            disk: Some(identity(&self.member)),
            pg: self.pg.id,
            shard: self.member.shard,
            sources: self.sources.clone(),
            items,
            force,
            redundancy: Some(self.redundancy),
            rate: self.rate,
            urgent: self.urgent,
        };
        let reply = {
            let lengths: BTreeMap<u64, u64> =
                order.items.iter().map(|item| (item.number, item.chunk_bytes)).collect();
            let reply = leader.servers.pull(&self.to, order, deadline).await?;
            let held = |number| {
                let bytes = lengths.get(number).copied().unwrap_or(0);
                member_bytes(&self.redundancy, bytes, self.member.shard)
            };
            let filled = reply.done.iter().map(held).sum();
            leader.progress.lock().filled(self.pg.id, identity(&self.member), filled);
            reply
        };
        let mut outlook = leader.outlook.lock();
        if self.member.takes == 0 {
            outlook.repaired_bytes += reply.bytes;
            outlook.repaired_chunks += reply.done.len() as u64;
            metrics::repair::repaired(reply.bytes, reply.done.len() as u64);
        } else {
            outlook.moved_bytes += reply.bytes;
            metrics::doing::moved(reply.bytes);
        }
        Ok(reply)
    }
}

/// Members that may have the chunks, best first: complete ones, then those that lack some, then what is not clean
/// yet, failed disks last. Among equals the order differs from member to member, to spread the load.
fn sources(cluster: &Cluster, pg: &Pg, target: &Member, lacking: &[DiskRef]) -> Vec<Source> {
    let mut ranked: Vec<((u8, u64), Source)> = Vec::new();
    for member in &pg.members {
        if member.identity() == target.identity() {
            continue;
        }
        let Some(disk) = cluster.member_disk(member) else { continue };
        let Some(at) = endpoint(cluster, disk.node) else { continue };
        let rank = match disk {
            disk if disk.answers() && member.clean && !lacking.contains(&identity(member)) => 0,
            disk if disk.answers() && member.clean => 1,
            disk if disk.answers() => 2,
            DiskFacts { liveness: holdfast_proto::map::Liveness::Failed, .. } => 3,
            _ => continue,
        };
        let tie = mix(u64::from(pg.id), u64::from(target.disk), u64::from(member.disk));
        let source =
            Source { member: Some(*member), node: disk.node, address: at.address, shard: member.shard };
        ranked.push(((rank, tie), source));
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, source)| source).collect()
}

/// The group as it is now. Its epoch may have moved on (another member became clean, it was sealed), and orders of an
/// older one are refused; the work stays valid as long as the member is the one that joined then.
fn still_member(group: Option<Pg>, member: &Member) -> Result<Pg, Status> {
    group
        .filter(|pg| {
            pg.members.iter().any(|m| m.identity() == member.identity() && m.joined == member.joined)
        })
        .ok_or_else(|| Status::new(Code::StaleOrder, "the member left its group, or joined anew"))
}

/// Fills a member that is not clean yet, and says so when it is done. An error leaves everything as it is: the next
/// attempt goes on, cheaply.
pub async fn fill_member<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    pg: &Pg,
    member: &Member,
    lacking: &[DiskRef],
) -> Result<Fill, Status> {
    let mut fill = Fill::default();
    let mut after = None;
    let mut walked_index = None;
    // A walk that begins anew finds what is there already, and counts it again.
    leader.progress.lock().begins(pg.id, identity(member));
    loop {
        let id = pg.id;
        let (index, group, page) = leader
            .look(move |index, view| {
                Ok((index.0, facts::pg(view, id)?, facts::chunks(view, id, after, ITEMS)?))
            })
            .await?;
        let pg = &still_member(group, member)?;
        if index < member.joined_index {
            return Err(Status::internal(format!("group {id}: a view older than the member's joining")));
        }
        walked_index.get_or_insert(index);
        let whole = page.len() < ITEMS;
        let mut items = Vec::new();
        let mut bytes = 0;
        let mut cut = false;
        for (number, chunk) in page {
            if !items.is_empty() && bytes + chunk.length > ORDER_BYTES {
                cut = true;
                break;
            }
            bytes += chunk.length;
            after = Some(number);
            items.push(PullItem { number, chunk_bytes: chunk.length, blake3: chunk.blake3 });
        }
        if !items.is_empty() {
            let target = Target::find(leader, pg, member, lacking)?;
            let asked: Vec<u64> = items.iter().map(|item| item.number).collect();
            let reply = target.pull(leader, index, items, false).await?;
            fill.add(&reply);
            check_room(pg, member, &reply)?;
            note_failures(leader, pg, member, &reply).await?;
            let tried = tried(&asked, &reply);
            if tried < asked.len() {
                // The order's time was up: the walk goes on behind what was tried.
                after = tried.checked_sub(1).and_then(|last| asked.get(last)).copied();
                if after.is_none() {
                    return Err(Status::new(Code::Timeout, format!("group {}: no chunk was copied", pg.id)));
                }
                continue;
            }
        }
        if whole && !cut {
            break;
        }
    }
    let rest = pull_missing(leader, pg, member, lacking, false).await?;
    fill.chunks += rest.chunks;
    fill.bytes += rest.bytes;
    fill.failed = rest.failed;
    if fill.failed > 0 {
        let what = format!("group {}: {} chunks have no readable copy now", pg.id, fill.failed);
        return Err(Status::new(Code::DataUnavailable, what));
    }
    let done = MemberClean {
        pg: pg.id,
        member: Some(identity(member)),
        joined: member.joined,
        walked_index: walked_index.unwrap_or(0),
    };
    leader.propose(Op::MemberClean(done)).await?;
    tracing::info!(
        pg = pg.id,
        disk = member.disk,
        chunks = fill.chunks,
        bytes = fill.bytes,
        "a member is complete"
    );
    Ok(fill)
}

/// How many of the chunks asked for, in their order, were tried.
fn tried(asked: &[u64], reply: &PullReply) -> usize {
    let told: BTreeSet<u64> =
        reply.done.iter().copied().chain(reply.failed.iter().map(|failure| failure.number)).collect();
    asked.iter().take_while(|number| told.contains(number)).count()
}

/// A disk without room is no reason to write down what it lacks, or to bring more.
fn check_room(pg: &Pg, member: &Member, reply: &PullReply) -> Result<(), Status> {
    let full = |failure: &PullFailure| failure.status.as_ref().is_some_and(|s| s.kind() == Code::DiskFull);
    if reply.failed.iter().any(full) {
        let what = format!("group {}: disk d{} is full", pg.id, member.disk);
        return Err(Status::new(Code::NoSpace, what));
    }
    Ok(())
}

/// Records what a pull did not bring. Chunks that died meanwhile have no record and are passed over by the state.
async fn note_failures<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    pg: &Pg,
    member: &Member,
    reply: &PullReply,
) -> Result<(), Status> {
    let numbers: Vec<u64> = reply.failed.iter().map(|failure| failure.number).collect();
    if numbers.is_empty() {
        return Ok(());
    }
    let first =
        reply.failed.first().and_then(|f| f.status.as_ref()).map(ToString::to_string).unwrap_or_default();
    tracing::warn!(
        pg = pg.id,
        disk = member.disk,
        chunks = numbers.len(),
        first,
        "chunks could not be copied"
    );
    leader.propose(Op::AddMissing(AddMissing { pg: pg.id, member: Some(identity(member)), numbers })).await?;
    Ok(())
}

/// Pulls the single chunks that a member lacks. `force`: what is there already is not to be trusted.
pub async fn pull_missing<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    pg: &Pg,
    member: &Member,
    lacking: &[DiskRef],
    force: bool,
) -> Result<Fill, Status> {
    let mut fill = Fill::default();
    let mut after = None;
    for _ in 0..MISSING_PAGES {
        let (id, disk) = (pg.id, member.disk);
        let (index, group, page) = leader
            .look(move |index, view| {
                let mut found = Vec::new();
                for number in facts::missing(view, disk, id, after, ITEMS)? {
                    found.push((number, facts::chunk(view, id, number)?));
                }
                Ok((index.0, facts::pg(view, id)?, found))
            })
            .await?;
        let pg = &still_member(group, member)?;
        if page.is_empty() {
            break;
        }
        let mut gone = Vec::new();
        let mut items = Vec::new();
        let mut bytes = 0;
        for (number, chunk) in page {
            match chunk {
                Some(chunk) if items.is_empty() || bytes + chunk.length <= ORDER_BYTES => {
                    bytes += chunk.length;
                    items.push(PullItem { number, chunk_bytes: chunk.length, blake3: chunk.blake3 });
                }
                Some(_) => break,
                // Its last reference went; nobody has to have it any more.
                None => gone.push(number),
            }
            after = Some(number);
        }
        let mut done = gone;
        if !items.is_empty() {
            let target = Target::find(leader, pg, member, lacking)?;
            let asked: Vec<u64> = items.iter().map(|item| item.number).collect();
            let reply = target.pull(leader, index, items, force).await?;
            fill.add(&reply);
            check_room(pg, member, &reply)?;
            let tried = tried(&asked, &reply);
            if tried == 0 {
                return Err(Status::new(Code::Timeout, format!("group {}: no chunk was copied", pg.id)));
            }
            // Behind the last one that was tried.
            after = asked.get(tried - 1).copied();
            done.extend(reply.done);
        }
        if !done.is_empty() {
            let clear = ClearMissing { pg: pg.id, member: Some(identity(member)), numbers: done };
            leader.propose(Op::ClearMissing(clear)).await?;
        }
    }
    Ok(fill)
}
