//! Chunkservers: what they do with orders of the leader and with writes of clients, by the rules of the real ones
//! (`chunkserver/src/service`): an order counts by term, map and group epoch; a member is one by its own map.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_metaserver::leader::Chunkservers;
use holdfast_proto::chunk::{
    DeleteChunks, DeleteReply, ListRecords, Order, PullChunks, PullFailure, PullReply, RecordEntry,
    RecordList, VerifyChunks, VerifyReply,
};
use holdfast_proto::geometry::member_bytes;
use holdfast_proto::ids::NodeId;
use holdfast_proto::inode::ChunkAck;
use holdfast_proto::map::{Member, Pg, Redundancy};
use holdfast_proto::op::DiskRef;
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::Endpoint;
use tokio::time::Instant;

use crate::disks::{Record, SimDisk};
use crate::run::Mistake;
use crate::world::{State, World};

/// The network as one node sees it.
#[derive(Clone)]
pub(crate) struct Wire {
    world: World,
    from: u64,
}

fn stale(what: impl Into<String>) -> Status {
    Status::new(Code::StaleOrder, what)
}

impl Wire {
    pub(crate) fn new(world: World, from: u64) -> Self {
        Self { world, from }
    }

    /// Stores a client's replica or shard; the answer counts like a real one.
    pub(crate) async fn write(&self, member: Member, node: u64, chunk: Write) -> Result<ChunkAck, Status> {
        let world = self.world.clone();
        let deadline = Instant::now() + Duration::from_secs(5);
        let work = async move { write(&world, node, member, chunk).await };
        self.world.call(self.from, node, deadline, work).await
    }
}

/// What a client sends to each member.
#[derive(Clone, Copy)]
pub(crate) struct Write {
    pub(crate) pg: u32,
    pub(crate) number: u64,
    pub(crate) bytes: u64,
    pub(crate) redundancy: Redundancy,
    /// Of the map by which the client chose.
    pub(crate) epoch: u64,
}

async fn write(world: &World, node: u64, member: Member, chunk: Write) -> Result<ChunkAck, Status> {
    at_least(world, node, chunk.epoch).await?;
    world.rest(0, 3).await;
    let disk = identity(&member);
    let mut state = world.lock();
    let (map_epoch, group, here) = membership(&state, node, chunk.pg, disk)?;
    if here.shard != member.shard {
        return Err(Status::new(Code::InvalidArgument, "another shard is kept here"));
    }
    let forgetful = state.mistake == Some(Mistake::ForgetfulAcks);
    let there = found(&mut state, disk)?;
    if there.is_full() {
        return Err(Status::new(Code::DiskFull, "the disk takes no new chunks"));
    }
    let bytes = member_bytes(&chunk.redundancy, chunk.bytes, member.shard);
    let record = Record { epoch: group.epoch, shard: member.shard, bytes, good: true };
    if !forgetful || !chunk.number.is_multiple_of(5) {
        there.put(chunk.pg, chunk.number, record)?;
    }
    Ok(ChunkAck { disk: disk.disk, incarnation: disk.incarnation, epoch: map_epoch })
}

fn identity(member: &Member) -> DiskRef {
    DiskRef { disk: member.disk, incarnation: member.incarnation }
}

fn found(state: &mut State, disk: DiskRef) -> Result<&mut SimDisk, Status> {
    let found =
        state.disks.get_mut(&disk).ok_or_else(|| Status::new(Code::WrongDisk, "no such disk here"))?;
    found.check()?;
    Ok(found)
}

/// The disk's place in a group by the map of its node: epoch of the map, the group, the member.
fn membership(state: &State, node: u64, pg: u32, disk: DiskRef) -> Result<(u64, Pg, Member), Status> {
    let map = &state.nodes[&node].map;
    let group = map.pgs.get(&pg);
    let member = group.and_then(|group| group.members.iter().find(|member| identity(member) == disk));
    match (group, member) {
        (Some(group), Some(member)) => Ok((map.epoch, group.clone(), *member)),
        _ => Err(Status::new(Code::StaleMap, "no member of the group")),
    }
}

async fn at_least(world: &World, node: u64, epoch: u64) -> Result<(), Status> {
    if world.lock().nodes[&node].map.epoch >= epoch.max(1) {
        return Ok(());
    }
    world.fetch_map(node).await?;
    match world.lock().nodes[&node].map.epoch >= epoch {
        true => Ok(()),
        false => Err(Status::new(Code::Unavailable, "the map could not be fetched")),
    }
}

/// Whether an order counts.
async fn obey(world: &World, node: u64, order: Option<Order>, pg: u32) -> Result<Order, Status> {
    let order = order.ok_or_else(|| stale("an order without its authority"))?;
    let given = (order.meta_incarnation, order.term);
    let refuse_older = |world: &World| match given < world.lock().nodes[&node].authority {
        true => Err(stale("another term was seen")),
        false => Ok(()),
    };
    refuse_older(world)?;
    at_least(world, node, order.pg_epoch).await?;
    world.rest(0, 2).await;
    refuse_older(world)?;
    let mut state = world.lock();
    let Some(here) = state.nodes.get_mut(&node) else { return Err(stale("no such node")) };
    if here.map.pgs.get(&pg).is_some_and(|group| order.pg_epoch < group.epoch) {
        return Err(stale("the group changed since"));
    }
    here.authority = here.authority.max(given);
    Ok(order)
}

async fn delete(world: World, node: u64, ask: DeleteChunks) -> Result<DeleteReply, Status> {
    let disk = ask.disk.unwrap_or_default();
    found(&mut world.lock(), disk)?;
    let order = obey(&world, node, ask.order, ask.pg).await?;
    let mut state = world.lock();
    if state.mistake == Some(Mistake::LazyDeletes) {
        return Ok(DeleteReply { deleted: ask.numbers.len() as u64 });
    }
    if !ask.whole_pg {
        return Ok(DeleteReply { deleted: found(&mut state, disk)?.delete(ask.pg, &ask.numbers) });
    }
    if membership(&state, node, ask.pg, disk).is_ok() {
        return Err(Status::new(Code::PreconditionFailed, "a member keeps its records"));
    }
    Ok(DeleteReply { deleted: found(&mut state, disk)?.drop_group(ask.pg, order.pg_epoch) })
}

async fn pull(world: World, node: u64, ask: PullChunks) -> Result<PullReply, Status> {
    let disk = ask.disk.unwrap_or_default();
    found(&mut world.lock(), disk)?;
    obey(&world, node, ask.order, ask.pg).await?;
    let (_, group, member) = membership(&world.lock(), node, ask.pg, disk)?;
    let mut reply = PullReply::default();
    let redundancy = ask.redundancy.unwrap_or_default();
    for item in &ask.items {
        world.rest(0, 4).await;
        let mut state = world.lock();
        if !state.is_up(node) {
            return Err(Status::new(Code::Unavailable, "no answer"));
        }
        let here = found(&mut state, disk)?.records.get(&(ask.pg, item.number));
        let held = here.is_some_and(|record| record.epoch >= member.joined && record.good);
        if held && !ask.force {
            reply.done.push(item.number);
            continue;
        }
        let fail = |code, what: &str| PullFailure {
            number: item.number,
            status: Some(Status::new(code, what)),
            ..PullFailure::default()
        };
        if found(&mut state, disk)?.is_full() {
            reply.failed.push(fail(Code::DiskFull, "the disk takes no new chunks"));
            break;
        }
        let pieces = pieces(&state, node, &ask, item.number);
        let lazy = state.mistake == Some(Mistake::EmptyPulls);
        if (pieces.len() as u32) < redundancy.min_readable() && !lazy {
            reply.failed.push(fail(Code::DataUnavailable, "no source has it"));
            continue;
        }
        let bytes = member_bytes(&redundancy, item.chunk_bytes, ask.shard);
        let record = Record { epoch: group.epoch, shard: ask.shard, bytes, good: !lazy };
        found(&mut state, disk)?.put(ask.pg, item.number, record)?;
        state.hurt.remove(&(disk, ask.pg, item.number));
        reply.done.push(item.number);
        reply.bytes += bytes;
    }
    Ok(reply)
}

/// Different shards (of a copy: 0) that sources within reach have.
fn pieces(state: &State, node: u64, ask: &PullChunks, number: u64) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    for source in &ask.sources {
        let Some(member) = source.member else { continue };
        if !state.hears(node, source.node) || !state.hears(source.node, node) {
            continue;
        }
        let Some(disk) = state.disks.get(&identity(&member)).filter(|disk| !disk.destroyed) else { continue };
        if let Some(record) = disk.records.get(&(ask.pg, number)).filter(|record| record.good) {
            found.insert(record.shard);
        }
    }
    found
}

fn list(state: &mut State, ask: &ListRecords) -> Result<RecordList, Status> {
    let disk = found(state, ask.disk.unwrap_or_default())?;
    let all: BTreeSet<u64> = (disk.records.keys())
        .filter(|(pg, _)| ask.pg == 0 || *pg == ask.pg)
        .map(|(pg, number)| if ask.pg == 0 { u64::from(*pg) } else { *number })
        .filter(|number| *number > ask.after)
        .collect();
    let entries = all.iter().take(ask.most as usize);
    let entries = entries.map(|number| RecordEntry { number: *number, ..RecordEntry::default() }).collect();
    Ok(RecordList { entries, more: all.len() > ask.most as usize })
}

fn check(state: &mut State, ask: &VerifyChunks) -> Result<VerifyReply, Status> {
    let disk = found(state, ask.disk.unwrap_or_default())?;
    let mut reply = VerifyReply::default();
    for number in &ask.numbers {
        match disk.records.get(&(ask.pg, *number)) {
            Some(record) if record.good => reply.good.push(*number),
            Some(_) => reply.damaged.push(*number),
            None => reply.absent.push(*number),
        }
    }
    Ok(reply)
}

impl Chunkservers for Wire {
    async fn delete(
        &self,
        to: &Endpoint,
        order: DeleteChunks,
        deadline: Instant,
    ) -> Result<DeleteReply, Status> {
        let NodeId(node) = to.node;
        let work = delete(self.world.clone(), node, order);
        self.world.call(self.from, node, deadline, work).await
    }

    async fn pull(&self, to: &Endpoint, order: PullChunks, deadline: Instant) -> Result<PullReply, Status> {
        let NodeId(node) = to.node;
        let work = pull(self.world.clone(), node, order);
        self.world.call(self.from, node, deadline, work).await
    }

    async fn records(
        &self,
        to: &Endpoint,
        ask: ListRecords,
        deadline: Instant,
    ) -> Result<RecordList, Status> {
        let world = self.world.clone();
        let work = async move { list(&mut world.lock(), &ask) };
        self.world.call(self.from, to.node.0, deadline, work).await
    }

    async fn verify(
        &self,
        to: &Endpoint,
        ask: VerifyChunks,
        deadline: Instant,
    ) -> Result<VerifyReply, Status> {
        let world = self.world.clone();
        let work = async move { check(&mut world.lock(), &ask) };
        self.world.call(self.from, to.node.0, deadline, work).await
    }
}
