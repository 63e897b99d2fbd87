//! Looking at groups: planner and state together, one view per page of groups.

use std::collections::BTreeSet;

use holdfast_proto::map::{Member, Pg};
use holdfast_proto::op::{ChangePg, Op};
use holdfast_proto::status::Status;
use holdfast_state::plan::cluster::{Cluster, DiskFacts};
use holdfast_state::plan::leave::share_of;
use holdfast_state::plan::place::shared_domains;
use holdfast_state::plan::repair::{Assessment, Risk, Rules, Step, assess};
use holdfast_state::table::{Broken, View};

use super::super::context::Leader;
use super::super::facts;
use super::super::ports::{Chunkservers, Metadata};

/// Groups looked at under one view, and planned under one hold of the cluster's lock.
const PAGE: usize = 64;

/// Disks that still have to let go of a group, read at most. Any beyond it are refused by the state itself.
const MOST_LEAVES: usize = 10_000;

/// What was found in one group.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The group as of the view.
    pub pg: Pg,
    /// Log index of the view.
    pub index: u64,
    /// The planner's word.
    pub found: Assessment,
    /// Clean members that lack single chunks and answer.
    pub lacking: Vec<Member>,
    /// Disks of members that have `missing/` records in the group, whether they answer or not.
    pub short: BTreeSet<u32>,
}

impl Survey {
    /// Whether a member has `missing/` records in the group.
    pub fn lacks(&self, member: &Member) -> bool {
        self.short.contains(&member.disk)
    }
}

/// A group as the state has it: with whether each member lacks chunks.
struct Seen {
    pg: Pg,
    lacks: Vec<bool>,
}

/// What disks hold of groups that they are no members of, by (disk, group): which of these copies the groups can spare.
/// Looked at now, and after silence had the time to show. Groups that are gone need nothing. One that is at risk and has
/// no disk to be repaired on can spare the copy on a disk that it could be repaired on then: a disk joins again only when
/// it has let go of what it held before, and it may be the only one there is. A copy on a disk that would not be chosen,
/// or that shares a failure domain with a member, stays: it may be all that is left.
pub async fn can_spare<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    held: &[(u32, u32)],
) -> Result<BTreeSet<(u32, u32)>, Status> {
    let (since, down) = (leader.hearing.lock().since(), leader.knobs.load().patience.down);
    if since.elapsed() < down {
        return Ok(BTreeSet::new());
    }
    let pgs: BTreeSet<u32> = held.iter().map(|(_, pg)| *pg).collect();
    let pgs: Vec<u32> = pgs.into_iter().collect();
    let mut spare: BTreeSet<(u32, u32)> = held.iter().copied().collect();
    for seen in survey(leader, &pgs).await? {
        if seen.found.risk > Risk::AtRisk {
            continue;
        }
        let needs_room = seen.found.risk == Risk::AtRisk && seen.found.no_room;
        for (disk, pg) in held.iter().filter(|(_, pg)| *pg == seen.pg.id) {
            if !(needs_room && would_join(leader, &seen, *disk)) {
                spare.remove(&(*disk, *pg));
            }
        }
    }
    Ok(spare)
}

/// Whether the group would be repaired on this disk if that had let go of what it holds of it, apart from all members.
fn would_join<M, C>(leader: &Leader<M, C>, seen: &Survey, disk: u32) -> bool {
    let cluster = leader.cluster.lock();
    let lacks = |member: &Member| seen.lacks(member);
    let found = assess(&cluster, &seen.pg, rules(leader, &cluster, &seen.pg), lacks, |other| other != disk);
    let joins = match found.and_then(|found| found.step) {
        Some(Step::Add { disk, .. } | Step::Replace { disk, .. }) => disk.disk,
        Some(Step::Drop { .. }) | None => return false,
    };
    let (Some(facts), Some(class)) = (cluster.disks.get(&disk), cluster.classes.get(&seen.pg.class)) else {
        return false;
    };
    let stays = |member: &&Member| cluster.member_disk(member).is_some_and(DiskFacts::stays);
    let have: Vec<u32> = seen.pg.members.iter().filter(stays).map(|member| member.disk).collect();
    joins == disk && shared_domains(&cluster, class.domain(), &have, facts)[0] == 0
}

/// What the planner may do with one group now.
fn rules<M, C>(leader: &Leader<M, C>, cluster: &Cluster, pg: &Pg) -> Rules {
    let bytes = leader.sizes.load().bytes.get(&pg.id).copied().unwrap_or(0);
    Rules {
        temporary_after_ms: leader.knobs.load().temporary_after.as_millis() as u64,
        bytes: share_of(cluster, pg, bytes),
        moves_rest: leader.balancing.lock().rests,
    }
}

/// Looks at some groups. Those that are gone or retired are left out.
pub async fn survey<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    pgs: &[u32],
) -> Result<Vec<Survey>, Status> {
    let mut all = Vec::new();
    for page in pgs.chunks(PAGE) {
        let page = page.to_vec();
        let (index, seen, leaving) = leader
            .look(move |index, view| {
                let leaving: BTreeSet<(u32, u32)> = facts::leaves(view, None, MOST_LEAVES)?
                    .iter()
                    .map(|left| (left.disk.disk, left.pg))
                    .collect();
                let seen = page.into_iter().map(|id| see(view, id)).collect::<Result<Vec<_>, _>>()?;
                Ok((index.0, seen, leaving))
            })
            .await?;
        let cluster = leader.cluster.lock();
        all.extend(seen.into_iter().flatten().filter_map(|seen| {
            let rules = rules(leader, &cluster, &seen.pg);
            judge(&cluster, index, seen, rules, &leaving)
        }));
    }
    Ok(all)
}

fn see(view: &dyn View, id: u32) -> Result<Option<Seen>, Broken> {
    let Some(pg) = facts::pg(view, id)? else { return Ok(None) };
    let lacks = pg.members.iter().map(|m| facts::lacks(view, id, m)).collect::<Result<_, _>>()?;
    Ok(Some(Seen { pg, lacks }))
}

fn judge(
    cluster: &Cluster,
    index: u64,
    seen: Seen,
    rules: Rules,
    leaving: &BTreeSet<(u32, u32)>,
) -> Option<Survey> {
    let Seen { pg, lacks } = seen;
    let lacking_of = |m: &Member| {
        pg.members.iter().zip(&lacks).any(|(other, lacks)| *lacks && other.identity() == m.identity())
    };
    let found = assess(cluster, &pg, rules, lacking_of, |disk| leaving.contains(&(disk, pg.id)))?;
    let answers = |m: &&Member| cluster.member_disk(m).is_some_and(DiskFacts::answers);
    let lacking = pg.members.iter().filter(|m| m.clean && lacking_of(m)).filter(answers).copied().collect();
    let short = pg.members.iter().filter(|m| lacking_of(m)).map(|m| m.disk).collect();
    Some(Survey { index, found, lacking, short, pg })
}

/// Proposes a membership change.
pub async fn change_member<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    pg: &Pg,
    step: Step,
) -> Result<(), Status> {
    let none = ChangePg { pg: pg.id, if_epoch: pg.epoch, ..ChangePg::default() };
    let change = match step {
        Step::Add { disk, temporary, shard, .. } => ChangePg { add: Some(disk), temporary, shard, ..none },
        Step::Drop { member, .. } => ChangePg { remove: Some(member), ..none },
        Step::Replace { member, disk } => ChangePg { remove: Some(member), add: Some(disk), ..none },
    };
    leader.propose(Op::ChangePg(change)).await?;
    tracing::info!(pg = pg.id, ?step, "changed the members of a group");
    Ok(())
}

/// Groups in which some answering disk has `missing/` records: a few seeks per disk, nothing when there are none.
pub(crate) async fn with_missing<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    most_per_disk: usize,
) -> Result<BTreeSet<u32>, Status> {
    let disks: Vec<u32> =
        leader.cluster.lock().disks.values().filter(|disk| disk.answers()).map(|disk| disk.id).collect();
    leader
        .look(move |_, view| {
            let mut found = BTreeSet::new();
            if facts::state(view)?.missing == 0 {
                return Ok(found);
            }
            for disk in disks {
                found.extend(facts::groups_with_missing(view, disk, 0, most_per_disk)?);
            }
            Ok(found)
        })
        .await
}
