//! Forgetting a disk or a node for good, after a proof that nothing is left on it.
//!
//! What always holds:
//! - A disk is removed only when no group counts on it, it was seen to let go of every group that it left (if it
//!   answers), and every record that it still reports is either unknown to metadata or whole on as many other disks as
//!   its class wants. None of that can be forced.
//! - Only what is on its way out is removed, and no metaserver whom the others need for a majority.
//! - The state machine checks once more that no group counts on it, in the command itself.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_proto::admin::{ProcedureReply, ProcedureRequest, RemovalProof};
use holdfast_proto::chunk::ListRecords;
use holdfast_proto::ids::NodeId;
use holdfast_proto::map::{Pg, Standing, StorageClass};
use holdfast_proto::op::DiskRef;
use holdfast_proto::reason::Reason;
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::Endpoint;
use holdfast_state::keys;
use holdfast_state::records;
use holdfast_state::table::{Broken, View};
use tokio::time::Instant;

use super::super::context::Leader;
use super::super::facts;
use super::super::ports::{Chunkservers, Metadata};
use super::super::progress::Target;
use super::super::voters::{Council, holds_up_removal};
use super::super::watch;
use super::{called, disks_of, gone, stand, standing};

/// Records per page.
const PAGE: u32 = 1000;
/// For one question to the disk.
const PATIENCE: Duration = Duration::from_secs(10);
/// Disks that still have to let go of a group, looked at.
const MOST_LEAVES: usize = 100_000;

fn refused(what: &str, why: Reason) -> Status {
    super::refusal(format!("{what}: {}", why.message), vec![why])
}

/// Removes a disk, or a node with all its disks.
pub(super) async fn remove<M: Metadata + Council, C: Chunkservers>(
    leader: &Leader<M, C>,
    target: Target,
    ask: &ProcedureRequest,
    deadline: Instant,
) -> Result<ProcedureReply, Status> {
    let (what, now, disks) = {
        let cluster = leader.cluster.lock();
        (called(&cluster, target), standing(&cluster, target).0, disks_of(&cluster, target))
    };
    if now == Standing::Removed {
        return Err(gone(&what));
    }
    if target == Target::Node(leader.node.0) {
        let why = "it leads the metadata group: hand over first with `holdfast admin meta transfer`";
        return Err(refused(&what, Reason::new("leads_metadata", why)));
    }
    // Something that takes part could get new data between the proof and the removal.
    if !leaves(leader, &disks) {
        let why =
            "it takes part: drain it first, and wait until `holdfast admin drains` says that it is empty";
        return Err(refused(&what, Reason::new("takes_part", why)));
    }
    if let Target::Node(node) = target
        && let Some(why) = holds_up_removal(&leader.meta.status(), node)
    {
        return Err(refused(&what, why));
    }
    // All of them are looked at before the first is removed.
    let mut proofs = Vec::new();
    for disk in &disks {
        proofs.push(prove(leader, *disk, deadline).await?);
    }
    if !ask.only_judge {
        for disk in disks {
            stand(leader, Target::Disk(disk), Standing::Removed, 0, ask).await?;
            tracing::info!(disk, "a disk is removed: nothing is left on it");
        }
        if let Target::Node(node) = target {
            watch::refresh_map(leader).await?;
            stand(leader, target, Standing::Removed, 0, ask).await?;
            tracing::info!(node, "a node is removed");
            // Not before: one that takes part is invited again.
            let late = |_| {
                let what =
                    "the node is removed, but the metadata group has not let go of it yet; it goes on trying";
                Status::new(Code::Unavailable, what)
            };
            tokio::time::timeout_at(deadline, leader.meta.remove(NodeId(node))).await.map_err(late)??;
        }
    }
    Ok(ProcedureReply { proofs, ..ProcedureReply::default() })
}

/// Whether every disk that is meant is on its way out.
fn leaves<M, C>(leader: &Leader<M, C>, disks: &BTreeSet<u32>) -> bool {
    let cluster = leader.cluster.lock();
    let gets_nothing = |standing| matches!(standing, Standing::Draining | Standing::Out);
    let of = |disk: &u32| cluster.disks.get(disk).is_some_and(|facts| gets_nothing(facts.standing));
    // A node without disks gets nothing anyway.
    disks.iter().all(of)
}

/// That nothing is left on a disk, or why it is not so.
async fn prove<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    disk: u32,
    deadline: Instant,
) -> Result<RemovalProof, Status> {
    let (what, incarnation) = {
        let cluster = leader.cluster.lock();
        let life = cluster.disks.get(&disk).map_or(0, |facts| facts.incarnation);
        (called(&cluster, Target::Disk(disk)), life)
    };
    let (index, groups, leaves) = leader
        .look(move |index, view| {
            let groups = count_groups(view, disk)?;
            let leaves = facts::leaves_of(view, disk, MOST_LEAVES)?;
            let mine = leaves.iter().filter(|left| left.disk == DiskRef { disk, incarnation });
            Ok((index.0, groups, mine.count() as u64))
        })
        .await?;
    if groups > 0 {
        let why = "drain it first, and wait until `holdfast admin drains` says that it is empty";
        let why = Reason::new("still_counted", format!("{groups} groups count on it: {why}"));
        return Err(refused(&what, why.with("groups", groups)));
    }
    let mut proof = RemovalProof { disk, incarnation, index, groups, leaves, ..RemovalProof::default() };
    let Some(to) = leader.reach(disk, incarnation) else { return Ok(proof) };
    if leaves > 0 {
        let why =
            "it does so as soon as nobody reads there any more and they are whole without it; try again then";
        let why = format!("it has left {leaves} groups and still has to let go of them: {why}");
        return Err(refused(&what, Reason::new("still_to_let_go", why).with("groups", leaves)));
    }
    proof.answered = true;
    look_through(leader, &to, &mut proof, deadline).await?;
    Ok(proof)
}

fn count_groups(view: &dyn View, disk: u32) -> Result<u64, Broken> {
    let prefix = keys::members_of(disk);
    Ok(view.scan(&prefix, &keys::after_prefix(&prefix), MOST_LEAVES)?.len() as u64)
}

/// Looks at every record that the disk reports.
async fn look_through<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    to: &Endpoint,
    proof: &mut RemovalProof,
    deadline: Instant,
) -> Result<(), Status> {
    let disk = DiskRef { disk: proof.disk, incarnation: proof.incarnation };
    let groups = listed(leader, to, disk, 0, deadline).await?;
    for pg in groups.into_iter().filter_map(|pg| u32::try_from(pg).ok()) {
        let numbers = listed(leader, to, disk, pg, deadline).await?;
        proof.records += numbers.len() as u64;
        let (elsewhere, unknown) =
            leader.look(move |_, view| judge(view, pg, &numbers)).await?.map_err(|number| {
                let (chunk, disk) = (format!("pg{pg}/{number:x}"), disk.disk);
                let why = format!("chunk {chunk} lies on it and is not whole elsewhere");
                let why = Reason::new("not_whole_elsewhere", why).with("chunk", chunk).with("disk", disk);
                refused(&format!("disk d{disk}"), why)
            })?;
        proof.elsewhere += elsewhere;
        proof.unknown += unknown;
    }
    Ok(())
}

/// All groups of which a disk has records (`pg` 0), or all records of one.
async fn listed<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    to: &Endpoint,
    disk: DiskRef,
    pg: u32,
    deadline: Instant,
) -> Result<Vec<u64>, Status> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        if Instant::now() >= deadline {
            let why = "looking at its records took too long; give it more time with --timeout";
            return Err(Status::new(Code::Timeout, format!("disk d{}: {why}", disk.disk)));
        }
        let ask = ListRecords { disk: Some(disk), pg, after, most: PAGE };
        let page = leader.servers.records(to, ask, deadline.min(Instant::now() + PATIENCE)).await?;
        all.extend(page.entries.iter().map(|entry| entry.number));
        match page.entries.last() {
            Some(last) if page.more => after = last.number,
            _ => return Ok(all),
        }
    }
}

/// Of records of a group, how many metadata knows, whole elsewhere, and how many it does not; or the first that is
/// known and not whole elsewhere. The disk is no member, so members are elsewhere.
fn judge(view: &dyn View, pg: u32, numbers: &[u64]) -> Result<Result<(u64, u64), u64>, Broken> {
    let (mut elsewhere, mut unknown) = (0, 0);
    let group = facts::pg(view, pg)?;
    let wanted = match &group {
        Some(group) => {
            let class: Option<StorageClass> = records::load(view, &keys::class(group.class))?;
            class.and_then(|class| class.redundancy).map_or(usize::MAX, |r| r.members() as usize)
        }
        None => usize::MAX,
    };
    for number in numbers {
        if facts::chunk(view, pg, *number)?.is_none() {
            unknown += 1;
            continue;
        }
        if holders(view, group.as_ref(), *number)? < wanted {
            return Ok(Err(*number));
        }
        elsewhere += 1;
    }
    Ok(Ok((elsewhere, unknown)))
}

/// Members, by shard in an erasure group, that hold a chunk as far as metadata knows.
fn holders(view: &dyn View, group: Option<&Pg>, number: u64) -> Result<usize, Broken> {
    let Some(group) = group else { return Ok(0) };
    let mut places = BTreeSet::new();
    for (place, member) in group.members.iter().enumerate() {
        let lacks = view.get(&keys::missing(member.disk, group.id, number))?.is_some();
        if member.clean && !member.temporary && !lacks {
            places.insert(place);
        }
    }
    Ok(places.len())
}
