//! Procedures that administrators begin and end: emptying a disk or node, maintenance of a node, replacement of a lost
//! disk, removal with a proof that nothing is left.
//!
//! What always holds:
//! - What is under way is in the records of nodes and disks ([`holdfast_proto::map::Procedure`]) and in groups' members;
//!   this module only judges beforehand and writes down the decision. So it goes on whoever leads.
//! - Nothing is begun whose consequences were not told: what speaks against it refuses it, unless it is forced. A removal
//!   without its proof cannot be forced, nor the replacement of a disk that answers and is counted on.
//! - To ask for what is so already is no mistake.
//! - They are judged one at a time, by a leader that has listened long enough to know who is there.
//!
//! Called by the service for `holdfast admin disks|nodes`.

mod remove;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast_proto::admin::{ProcedureAction, ProcedureReply, ProcedureRequest};
use holdfast_proto::audit::{Actor, ActorKind};
use holdfast_proto::map::{Disk, Liveness, Member, Node, ProcedureKind, Standing};
use holdfast_proto::op::{Op, SetDisk, SetNode};
use holdfast_proto::reason::{Reason, joined};
use holdfast_proto::status::{Code, Status};
use holdfast_state::plan::cluster::Cluster;
use holdfast_state::plan::explain::{self, name};
use holdfast_state::plan::leave::{self, share_of};
use tokio::time::Instant;

use super::context::Leader;
use super::facts;
use super::health::listening_ms;
use super::ports::{Chunkservers, Metadata};
use super::progress::Target;
use super::voters::Council;
use super::{uptime, watch};

/// Shortest and longest maintenance, in seconds.
const WINDOW_S: std::ops::RangeInclusive<u64> = 10..=30 * 86_400;
/// Disks that still have to let go of a group, looked at.
const MOST_LEAVES: usize = 100_000;

/// Does what is asked, or says what speaks against it. `deadline`: for removals, which ask the disk itself.
pub async fn act<M: Metadata + Council, C: Chunkservers>(
    leader: &Leader<M, C>,
    ask: &ProcedureRequest,
    deadline: Instant,
) -> Result<ProcedureReply, Status> {
    let busy = || Status::new(Code::Unavailable, "another procedure is being judged; try again");
    let _turn = tokio::time::timeout_at(deadline, leader.acting.lock()).await.map_err(|_| busy())?;
    let action = ProcedureAction::try_from(ask.action)
        .map_err(|_| Status::new(Code::InvalidArgument, "this action is not known"))?;
    // What ends something asks nothing of the others.
    if action != ProcedureAction::Resume {
        listen(leader, deadline).await?;
    }
    // What was begun a moment ago is in the state, not yet in this leader's picture.
    watch::refresh_map(leader).await?;
    watch::refresh_loads(leader, Instant::now());
    let target = target(leader, ask)?;
    let reply = match action {
        ProcedureAction::Drain => drain(leader, target, ask).await,
        ProcedureAction::Resume => resume(leader, target, ask).await,
        ProcedureAction::Maintain => maintain(leader, target, ask).await,
        ProcedureAction::Replace => replace(leader, target, ask).await,
        ProcedureAction::Remove => remove::remove(leader, target, ask, deadline).await,
    }?;
    watch::refresh_map(leader).await?;
    Ok(reply)
}

/// Waits until this leader knows who is silent: one that was just elected takes everybody for present.
async fn listen<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    deadline: Instant,
) -> Result<(), Status> {
    loop {
        let left = Duration::from_millis(listening_ms(leader));
        if left.is_zero() {
            return Ok(());
        }
        if Instant::now() + left > deadline || !leader.pause(left).await {
            let why = format!(
                "the leader is new and still listens who is there: try again in {} s",
                left.as_secs() + 1
            );
            return Err(Status::new(Code::Unavailable, why));
        }
    }
}

/// The disk or node that is meant; an error if there is none, or none any more.
fn target<M, C>(leader: &Leader<M, C>, ask: &ProcedureRequest) -> Result<Target, Status> {
    let cluster = leader.cluster.lock();
    let missing = |what: String| Err(Status::new(Code::NotFound, format!("there is no {what}")));
    match (ask.disk, ask.node) {
        (0, 0) => Err(Status::new(Code::InvalidArgument, "name a disk or a node")),
        (0, node) if cluster.nodes.contains_key(&node) => Ok(Target::Node(node)),
        (0, node) => missing(format!("node n{node}")),
        (disk, _) if cluster.disks.contains_key(&disk) => Ok(Target::Disk(disk)),
        (disk, _) => missing(format!("disk d{disk}")),
    }
}

/// The disks that are meant: itself, or all of the node's that were not removed.
fn disks_of(cluster: &Cluster, target: Target) -> BTreeSet<u32> {
    match target {
        Target::Disk(disk) => BTreeSet::from([disk]),
        Target::Node(node) => {
            let here = cluster.disks.values().filter(|d| d.node == node && d.standing != Standing::Removed);
            here.map(|disk| disk.id).collect()
        }
    }
}

/// `disk d3 on node n1`, `node n1`.
fn called(cluster: &Cluster, target: Target) -> String {
    match target {
        Target::Disk(disk) => {
            let node = cluster.disks.get(&disk).map_or(0, |facts| facts.node);
            format!("disk d{disk} on node n{node}")
        }
        Target::Node(node) => format!("node n{node}"),
    }
}

fn record(cluster: &Cluster, disk: u32) -> Option<Disk> {
    cluster.records().find(|record| record.id == disk).cloned()
}

/// The standing of its own, and what is under way with it.
fn standing(cluster: &Cluster, target: Target) -> (Standing, Option<ProcedureKind>) {
    let of_node = |node: &Node| (node.standing(), node.procedure.map(|p| p.kind()));
    let of_disk = |disk: Disk| (disk.standing(), disk.procedure.map(|p| p.kind()));
    let found = match target {
        Target::Disk(disk) => record(cluster, disk).map(of_disk),
        Target::Node(node) => cluster.nodes.get(&node).map(of_node),
    };
    found.unwrap_or((Standing::Removed, None))
}

/// A refusal with what it says in codes.
fn refusal(message: String, reasons: Vec<Reason>) -> Status {
    Status { reasons, ..Status::new(Code::PreconditionFailed, message) }
}

/// A refusal for one reason, of which the message is the whole of it.
fn refused(code: &str, message: String) -> Status {
    refusal(message.clone(), vec![Reason::new(code, message)])
}

fn gone(what: &str) -> Status {
    refused("already_removed", format!("{what} was removed"))
}

/// Their sentences alone.
fn sentences(reasons: &[Reason]) -> Vec<String> {
    reasons.iter().map(|reason| reason.message.clone()).collect()
}

/// Refuses what something speaks against, unless it is forced.
fn weigh(what: &str, against: &[Reason], ask: &ProcedureRequest) -> Result<(), Status> {
    if against.is_empty() || ask.force || ask.only_judge {
        return Ok(());
    }
    let why = format!("{what}: {}. Nothing was begun; --force begins it all the same", joined(against));
    Err(refusal(why, against.to_vec()))
}

/// For whom it is done. Nobody asks for a procedure but somebody.
fn actor(ask: &ProcedureRequest) -> Option<Actor> {
    let unknown = || Actor { kind: ActorKind::Client as i32, ..Actor::default() };
    Some(ask.actor.clone().unwrap_or_else(unknown))
}

async fn stand<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    target: Target,
    standing: Standing,
    bytes: u64,
    ask: &ProcedureRequest,
) -> Result<(), Status> {
    let window_s = if standing == Standing::Maintenance { ask.window_s } else { 0 };
    let standing = Some(standing as i32);
    let op = match target {
        Target::Disk(id) => Op::SetDisk(SetDisk { id, standing, bytes, ..SetDisk::default() }),
        Target::Node(id) => Op::SetNode(SetNode { id, standing, bytes, window_s, ..SetNode::default() }),
    };
    leader.propose_for(op, actor(ask)).await.map(drop)
}

/// Bytes on some disks, as far as they were counted, and groups that count on them.
fn burden<M, C>(leader: &Leader<M, C>, disks: &BTreeSet<u32>) -> (u64, u64) {
    let sizes = leader.sizes.load();
    let cluster = leader.cluster.lock();
    let groups: BTreeSet<u32> = disks.iter().flat_map(|disk| cluster.groups_of(*disk)).collect();
    let bytes = groups.iter().filter_map(|id| cluster.pgs.get(id)).map(|pg| {
        let there = pg.members.iter().filter(|member| disks.contains(&member.disk)).count() as u64;
        share_of(&cluster, pg, sizes.bytes.get(&pg.id).copied().unwrap_or(0)) * there
    });
    (groups.len() as u64, bytes.sum())
}

/// The same for what is meant.
fn burden_of<M, C>(leader: &Leader<M, C>, target: Target) -> (u64, u64) {
    // The lock must be let go of before it is taken again.
    let disks = disks_of(&leader.cluster.lock(), target);
    burden(leader, &disks)
}

async fn drain<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    target: Target,
    ask: &ProcedureRequest,
) -> Result<ProcedureReply, Status> {
    let (what, (now, under_way), cluster) = {
        let cluster = leader.cluster.lock();
        (called(&cluster, target), standing(&cluster, target), cluster.clone())
    };
    if now == Standing::Removed {
        return Err(gone(&what));
    }
    let sizes = leader.sizes.load_full();
    let leaving: BTreeSet<(u32, u32)> = leader
        .look(|_, view| facts::leaves(view, None, MOST_LEAVES))
        .await?
        .iter()
        .map(|left| (left.disk.disk, left.pg))
        .collect();
    let (disks, measured) = (disks_of(&cluster, target), sizes.whole);
    let plan = move || {
        leave::plan_emptying(&cluster, &disks, &sizes.bytes, |disk, pg| leaving.contains(&(disk, pg)))
    };
    let plan =
        leader.meta.aside(plan).await.ok_or_else(|| Status::internal("planning a drain did not finish"))?;
    let mut against = Vec::new();
    if !plan.stuck.is_empty() {
        let (stuck, groups) = (plan.stuck.len(), plan.groups);
        let why = format!(
            "{stuck} of its {groups} groups would find no other disk that is apart enough and has room, or have members that \
             do not answer now"
        );
        against.push(Reason::new("drain_stuck", why).with("stuck", stuck).with("groups", groups));
    }
    if !plan.crowded.is_empty() {
        let groups = plan.crowded.len();
        let why = format!(
            "{groups} groups would have members that share a failure domain, and one failure could take both"
        );
        against.push(Reason::new("drain_crowded", why).with("groups", groups));
    }
    if !measured && plan.groups > 0 {
        let why = "how much lies in each group is still being counted; in a minute it is known";
        against.push(Reason::new("not_measured", why));
    }
    let already = under_way == Some(ProcedureKind::Drain);
    if !already {
        weigh(&what, &against, ask)?;
        if !ask.only_judge {
            stand(leader, target, Standing::Draining, plan.bytes, ask).await?;
            tracing::info!(
                what,
                groups = plan.groups,
                bytes = plan.bytes,
                forced = !against.is_empty(),
                "a drain begins"
            );
        }
    }
    Ok(ProcedureReply {
        groups: plan.groups,
        bytes: plan.bytes,
        against: sentences(&against),
        against_reasons: against,
        already,
        ..ProcedureReply::default()
    })
}

async fn resume<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    target: Target,
    ask: &ProcedureRequest,
) -> Result<ProcedureReply, Status> {
    let (what, (now, under_way), lost) = {
        let cluster = leader.cluster.lock();
        let lost = match target {
            Target::Disk(disk) => record(&cluster, disk).is_some_and(|record| record.lost),
            Target::Node(_) => false,
        };
        (called(&cluster, target), standing(&cluster, target), lost)
    };
    if now == Standing::Removed {
        return Err(gone(&what));
    }
    let ends_maintenance = ask.ends.map(|kind| kind == ProcedureKind::Maintenance as i32);
    let in_maintenance = under_way == Some(ProcedureKind::Maintenance);
    match (under_way, ends_maintenance) {
        (Some(_), Some(true)) if !in_maintenance => {
            let why =
                format!("{what} is not in maintenance but being emptied or replaced; undrain ends that");
            return Err(refused("not_in_maintenance", why));
        }
        (Some(_), Some(false)) if in_maintenance => {
            let why =
                format!("{what} is not being emptied but in maintenance; `maintenance --end` ends that");
            return Err(refused("not_being_emptied", why));
        }
        _ => {}
    }
    let already = now == Standing::In && under_way.is_none();
    if lost && let Target::Disk(id) = target {
        // It stays given up until it is seen to be back.
        let found = Op::SetDisk(SetDisk { id, lost: Some(false), ..SetDisk::default() });
        leader.propose_for(found, actor(ask)).await?;
    } else if now != Standing::In {
        stand(leader, target, Standing::In, 0, ask).await?;
    } else if let (Some(_), Target::Disk(id)) = (under_way, target) {
        let done = Op::SetDisk(SetDisk { id, replaced: true, ..SetDisk::default() });
        leader.propose_for(done, actor(ask)).await?;
    }
    tracing::info!(what, "it takes part again");
    let (groups, bytes) = burden_of(leader, target);
    Ok(ProcedureReply { groups, bytes, already, ..ProcedureReply::default() })
}

async fn maintain<M: Metadata + Council, C: Chunkservers>(
    leader: &Leader<M, C>,
    target: Target,
    ask: &ProcedureRequest,
) -> Result<ProcedureReply, Status> {
    let Target::Node(node) = target else {
        return Err(Status::new(Code::InvalidArgument, "maintenance is of a node, with all its disks"));
    };
    if !WINDOW_S.contains(&ask.window_s) {
        let (least, most) = (WINDOW_S.start(), WINDOW_S.end() / 86_400);
        let what =
            format!("maintenance lasts from {least} seconds to {most} days; say for how long with --for");
        return Err(Status::new(Code::InvalidArgument, what));
    }
    let (what, (now, under_way)) = {
        let cluster = leader.cluster.lock();
        (called(&cluster, target), standing(&cluster, target))
    };
    match now {
        Standing::Removed => return Err(gone(&what)),
        Standing::Draining | Standing::Out if !ask.force => {
            let why = format!("{what} is being emptied or was given up: take it back first (undrain)");
            return Err(refused("being_emptied", why));
        }
        _ => {}
    }
    let mut against = absence(leader, node);
    against.extend(lost_majority(leader, node));
    weigh(&what, &against, ask)?;
    let (groups, bytes) = burden_of(leader, target);
    if !ask.only_judge {
        // The window ends by uptime: from its true beginning on.
        uptime::count(leader).await?;
        stand(leader, target, Standing::Maintenance, bytes, ask).await?;
        tracing::info!(node, seconds = ask.window_s, "maintenance of a node begins");
    }
    let already = under_way == Some(ProcedureKind::Maintenance);
    Ok(ProcedureReply {
        groups,
        bytes,
        against: sentences(&against),
        against_reasons: against,
        already,
        ..ProcedureReply::default()
    })
}

/// What the absence of a node, together with all that are in maintenance, would make unavailable.
fn absence<M, C>(leader: &Leader<M, C>, node: u64) -> Vec<Reason> {
    let sizes = leader.sizes.load_full();
    let short = leader.outlook.lock().short.clone();
    let cluster = leader.cluster.lock();
    let away = |id: u64| id == node || explain::maintenance_of(&cluster, id).is_some();
    let absent: BTreeSet<u32> = cluster
        .disks
        .values()
        .filter(|disk| away(disk.node) && disk.standing != Standing::Removed)
        .map(|disk| disk.id)
        .collect();
    let lacks = |pg: u32, member: &Member| short.get(&pg).is_some_and(|disks| disks.contains(&member.disk));
    // What was counted and is empty cannot become unreadable.
    let counts = |pg: u32| sizes.chunks.get(&pg) != Some(&0);
    let found = leave::judge_absence(&cluster, &absent, lacks, counts);
    let others: Vec<u64> = cluster
        .nodes
        .keys()
        .filter(|id| **id != node && explain::maintenance_of(&cluster, **id).is_some())
        .copied()
        .collect();
    let names: Vec<String> = others.iter().map(|id| format!("n{id}")).collect();
    let together = match names.is_empty() {
        true => String::new(),
        false => format!(" (together with {}, in maintenance already)", names.join(", ")),
    };
    let mut against = Vec::new();
    if !found.unreadable.is_empty() {
        let groups = found.unreadable.len();
        let why = format!("without it {groups} groups could not be read{together}");
        let why = Reason::new("absence_unreadable", why).with("groups", groups);
        against.push(why.with_all("others", &others));
    }
    if !found.unwritable.is_empty() {
        let names: Vec<&str> = found
            .unwritable
            .iter()
            .filter_map(|class| cluster.classes.get(class))
            .map(|class| class.name.as_str())
            .collect();
        let classes = names.join(", ");
        let why = format!("without it nothing could be written in class {classes}{together}");
        let why = Reason::new("absence_unwritable", why).with("classes", classes);
        against.push(why.with_all("others", &others));
    }
    against
}

/// Whether the metadata group would lose its majority.
fn lost_majority<M: Council, C>(leader: &Leader<M, C>, node: u64) -> Option<Reason> {
    let voters: Vec<u64> = leader.meta.status().voters.iter().map(|peer| peer.node).collect();
    if !voters.contains(&node) {
        return None;
    }
    let now = Instant::now();
    let cluster = leader.cluster.lock().clone();
    let hearing = leader.hearing.lock();
    let away = |id: &u64| {
        *id == node
            || explain::maintenance_of(&cluster, *id).is_some()
            // Voters without disks send no heartbeats: nothing is known of their silence here.
            || (cluster.disks.values().any(|disk| disk.node == *id)
                && hearing.node(now, *id).liveness() == Liveness::Down)
    };
    let left = voters.iter().filter(|id| !away(id)).count();
    (left * 2 <= voters.len()).then(|| {
        let voters = voters.len();
        let why = format!(
            "only {left} of {voters} metaservers would be there, and a majority is needed for every change"
        );
        Reason::new("absence_majority", why).with("left", left).with("voters", voters)
    })
}

async fn replace<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    target: Target,
    ask: &ProcedureRequest,
) -> Result<ProcedureReply, Status> {
    let Target::Disk(id) = target else {
        return Err(Status::new(Code::InvalidArgument, "name the disk that is to be replaced"));
    };
    let (what, now, record, answers) = {
        let cluster = leader.cluster.lock();
        let answers = cluster.disks.get(&id).is_some_and(|disk| disk.answers());
        (called(&cluster, target), standing(&cluster, target).0, record(&cluster, id), answers)
    };
    let Some(record) = record.filter(|_| now != Standing::Removed) else { return Err(gone(&what)) };
    let disks = BTreeSet::from([id]);
    let (groups, bytes) = burden(leader, &disks);
    if answers && groups > 0 {
        let why = format!(
            "{what} answers and {groups} groups count on it: drain it, or stop its node, before another disk takes its place"
        );
        let reason = Reason::new("still_answers", why.clone()).with("groups", groups);
        return Err(refusal(why, vec![reason]));
    }
    let against = only_there(leader, id);
    let already = record.lost;
    if !already {
        weigh(&what, &against, ask)?;
        if !ask.only_judge {
            let lost = SetDisk { id, lost: Some(true), bytes, ..SetDisk::default() };
            leader.propose_for(Op::SetDisk(lost), actor(ask)).await?;
            tracing::warn!(what, groups, bytes, "a disk is lost for good; an empty one may take its place");
        }
    }
    Ok(ProcedureReply {
        groups,
        bytes,
        against: sentences(&against),
        against_reasons: against,
        already,
        ..ProcedureReply::default()
    })
}

/// What may only be on a disk: groups of which too few other members hold everything and answer.
fn only_there<M, C>(leader: &Leader<M, C>, disk: u32) -> Vec<Reason> {
    let sizes = leader.sizes.load_full();
    let short: BTreeMap<u32, BTreeSet<u32>> = leader.outlook.lock().short.clone();
    let cluster = leader.cluster.lock();
    let (mut groups, mut bytes, mut silent) = (0u64, 0u64, BTreeSet::new());
    for pg in cluster.groups_of(disk).filter_map(|id| cluster.pgs.get(&id)) {
        let Some(redundancy) = cluster.classes.get(&pg.class).and_then(|class| class.redundancy) else {
            continue;
        };
        if sizes.chunks.get(&pg.id) == Some(&0) {
            continue;
        }
        let whole = |m: &&Member| {
            let lacks = short.get(&pg.id).is_some_and(|disks| disks.contains(&m.disk));
            m.disk != disk && m.clean && !lacks
        };
        let answers = |m: &&Member| cluster.member_disk(m).is_some_and(|facts| facts.answers());
        let there = pg.members.iter().filter(whole).filter(answers);
        let left = match redundancy.is_erasure() {
            true => there.map(|m| m.shard).collect::<BTreeSet<_>>().len(),
            false => there.count(),
        };
        if left < redundancy.min_readable() as usize {
            groups += 1;
            bytes += sizes.bytes.get(&pg.id).copied().unwrap_or(0);
            silent.extend(pg.members.iter().filter(whole).filter(|m| !answers(m)).map(|m| m.disk));
        }
    }
    if groups == 0 {
        return Vec::new();
    }
    let silent: Vec<u32> = silent.into_iter().collect();
    let hope = match silent.is_empty() {
        true => "no other disk has it whole".to_owned(),
        false => format!("what else has it does not answer now ({})", name(&silent)),
    };
    let why = format!("{groups} groups with {bytes} bytes may be lost with it: {hope}");
    let why = Reason::new("replace_only_there", why).with("groups", groups).with("bytes", bytes);
    vec![why.with_all("disks", &silent)]
}
