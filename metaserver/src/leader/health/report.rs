//! What is told of the health of groups and of procedures under way.
//!
//! What always holds: a page of groups is bounded, and its cost follows it; bytes are those that were counted, which is
//! said when not all were. What is told of a group is what repair found when it last looked.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use holdfast_proto::admin::{
    ClassCount, GroupHealth, GroupMap, HealthReply, HealthRequest, LevelCount, MemberHealth, ProcedureStatus,
    SpareCount, StateCount,
};
use holdfast_proto::map::{Disk, Member, Node, Pg, Procedure, ProcedureKind, Standing};
use holdfast_proto::op::{Ailment, DiskRef};
use holdfast_proto::reason::Reason;
use holdfast_proto::status::{Code, Status};
use holdfast_state::plan::cluster::Cluster;
use holdfast_state::plan::explain::{self, Terms, Words};
use holdfast_state::plan::leave::share_of;
use holdfast_state::plan::repair::{Assessment, Risk, Step};
use holdfast_state::records::Ailing;

use super::super::context::Leader;
use super::super::facts;
use super::super::measure::Sizes;
use super::super::ports::{Chunkservers, Metadata};
use super::super::progress::{Progress, Target, eta_s};
use super::super::repair::Outlook;

/// Groups told at once.
const MOST: usize = 1000;
/// Chunks that one member lacks, counted at most.
const MOST_LACKING: usize = 1000;
/// The same of all members of all groups of a page, which ends when there were more.
const MOST_LOOKED: usize = 20_000;
/// Disks that still have to let go of a group, looked at.
const MOST_LEAVES: usize = 100_000;

/// One group as the leader sees it.
struct Seen {
    pg: Pg,
    found: Assessment,
    words: Words,
    bytes: u64,
    chunks: u64,
    bytes_left: u64,
    /// Bytes that a member of it keeps.
    share: u64,
    members_left: Vec<u64>,
}

/// Everything that a look at groups needs, held together.
struct Lens<'a> {
    cluster: &'a Cluster,
    outlook: &'a Outlook,
    progress: &'a Progress,
    sizes: &'a Sizes,
    grace_ms: u64,
    held: bool,
}

impl Lens<'_> {
    fn see(&self, pg: &Pg) -> Seen {
        let found = self.outlook.ailing.get(&pg.id).cloned().unwrap_or_else(|| self.well(pg));
        let short = self.outlook.short.get(&pg.id);
        let has_chunks = self.sizes.chunks.get(&pg.id).map(|chunks| *chunks > 0);
        let terms = Terms { grace_ms: self.grace_ms, held: self.held, has_chunks };
        let lacks = |disk: u32| short.is_some_and(|short| short.contains(&disk));
        let words = explain::explain(self.cluster, pg, &found, |m| lacks(m.disk), terms);
        let bytes = self.sizes.bytes.get(&pg.id).copied().unwrap_or(0);
        let share = share_of(self.cluster, pg, bytes);
        let left = |disk: DiskRef| match found.backfill.contains(&disk) {
            true => share.saturating_sub(self.progress.of(pg.id, disk)),
            false => 0,
        };
        let members_left: Vec<u64> =
            pg.members.iter().map(|m| left(DiskRef { disk: m.disk, incarnation: m.incarnation })).collect();
        let joins = match found.step {
            Some(Step::Add { .. }) => true,
            Some(Step::Replace { disk, .. }) => pg.members.iter().all(|m| m.disk != disk.disk),
            Some(Step::Drop { .. }) | None => found.no_room,
        };
        let to_come = if joins { share } else { 0 };
        let bytes_left = members_left.iter().sum::<u64>() + to_come;
        Seen {
            pg: pg.clone(),
            words,
            bytes,
            chunks: self.sizes.chunks.get(&pg.id).copied().unwrap_or(0),
            bytes_left,
            share,
            members_left,
            found,
        }
    }

    fn level(&self, pg: u32) -> Ailment {
        self.outlook.ailing.get(&pg).map_or(Ailment::Whole, |found| explain::ailment(found.risk))
    }

    /// Whether a group is of the kind that is asked for, but for what needs a closer look.
    fn is_asked_for(&self, pg: &Pg, ask: &HealthRequest) -> bool {
        let on = |node: u64| {
            let there =
                |member: &Member| self.cluster.disks.get(&member.disk).is_some_and(|d| d.node == node);
            pg.members.iter().any(there)
        };
        (ask.class == 0 || ask.class == pg.class)
            && (ask.disk == 0 || pg.members.iter().any(|member| member.disk == ask.disk))
            && (ask.node == 0 || on(ask.node))
            && ask.level.is_none_or(|level| level == self.level(pg.id) as i32)
    }

    /// Of a group with which nothing was found to be the matter.
    fn well(&self, pg: &Pg) -> Assessment {
        let redundancy = self.cluster.classes.get(&pg.class).and_then(|class| class.redundancy);
        let spare = redundancy.map_or(0, |r| r.members() as i32 - r.min_readable() as i32);
        Assessment { risk: Risk::Healthy, step: None, backfill: Vec::new(), no_room: false, spare }
    }
}

/// Looks at groups with everything that is known of them held still.
fn with_lens<M, C, T>(leader: &Leader<M, C>, see: impl FnOnce(&Lens<'_>) -> T) -> T {
    let sizes = leader.sizes.load_full();
    let grace_ms = leader.knobs.load().grace.as_millis() as u64;
    let held = leader.held.lock().is_some();
    let outlook = leader.outlook.lock();
    let progress = leader.progress.lock();
    let cluster = leader.cluster.lock();
    see(&Lens { cluster: &cluster, outlook: &outlook, progress: &progress, sizes: &sizes, grace_ms, held })
}

/// How safe data is: the summary, and the groups that are asked about.
pub async fn report<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    ask: &HealthRequest,
) -> Result<HealthReply, Status> {
    let mut reply = summary(leader).await?;
    let most = (ask.most as usize).min(MOST);
    if ask.map {
        reply.map = Some(with_lens(leader, map));
    }
    let (seen, more) = with_lens(leader, |lens| choose(lens, ask, most));
    if ask.pg != 0 && seen.is_empty() {
        return Err(Status::new(
            Code::NotFound,
            format!("there is no group pg{}, or it was retired", ask.pg),
        ));
    }
    let wanted: Vec<(u32, Vec<u32>)> =
        seen.iter().map(|one| (one.pg.id, one.pg.members.iter().map(|m| m.disk).collect())).collect();
    let facts = leader.look(move |_, view| look(view, wanted)).await?;
    reply.more = more || facts.len() < seen.len();
    reply.groups = seen
        .iter()
        .zip(facts)
        .map(|(one, (ailing, lacks))| with_lens(leader, |lens| told(lens, one, ailing, &lacks, reply.now_ns)))
        .collect();
    Ok(reply)
}

fn choose(lens: &Lens<'_>, ask: &HealthRequest, most: usize) -> (Vec<Seen>, bool) {
    if ask.pg != 0 {
        return (lens.cluster.pgs.get(&ask.pg).map(|pg| lens.see(pg)).into_iter().collect(), false);
    }
    if most == 0 {
        return (Vec::new(), false);
    }
    let sorted = ask.sort != 0;
    let behind = (Bound::Excluded(if sorted { 0 } else { ask.after }), Bound::Unbounded);
    let ailing = lens.outlook.ailing.range(behind).filter_map(|(pg, _)| lens.cluster.pgs.get(pg));
    let groups: Box<dyn Iterator<Item = &Pg>> = match ask.whole {
        true => Box::new(lens.cluster.pgs.range(behind).map(|(_, pg)| pg)),
        false => Box::new(ailing),
    };
    let groups = groups.filter(|pg| lens.is_asked_for(pg, ask));
    let groups = if sorted { in_order(lens, ask, groups) } else { Box::new(groups) };
    let mut seen: Vec<Seen> = groups
        .map(|pg| lens.see(pg))
        .filter(|seen| ask.state.is_empty() || ask.state == seen.words.state)
        .take(most.saturating_add(1))
        .collect();
    let more = seen.len() > most;
    seen.truncate(most);
    (seen, more)
}

/// The groups that come behind the one named, most of what is asked for first.
fn in_order<'a>(
    lens: &'a Lens<'_>,
    ask: &HealthRequest,
    groups: impl Iterator<Item = &'a Pg>,
) -> Box<dyn Iterator<Item = &'a Pg> + 'a> {
    let rank = |pg: u32| match ask.sort {
        1 => lens.level(pg) as u64,
        _ => lens.sizes.bytes.get(&pg).copied().unwrap_or(0),
    };
    let place = |pg: u32, rank: u64| (Reverse(rank), pg);
    let from = ask.after_rank.map(|rank| place(ask.after, rank));
    let mut behind: Vec<_> = groups
        .map(|pg| (place(pg.id, rank(pg.id)), pg))
        .filter(|(place, _)| from.is_none_or(|from| *place > from))
        .collect();
    behind.sort_unstable_by_key(|(place, _)| *place);
    Box::new(behind.into_iter().map(|(_, pg)| pg))
}

/// Every group in a few bytes.
fn map(lens: &Lens<'_>) -> GroupMap {
    let pgs = || lens.cluster.pgs.values();
    GroupMap {
        ids: pgs().map(|pg| pg.id).collect(),
        classes: pgs().map(|pg| pg.class).collect(),
        levels: pgs().map(|pg| lens.level(pg.id) as u8).collect(),
    }
}

type Facts = (Option<Ailing>, Vec<u64>);

fn look(
    view: &dyn holdfast_state::table::View,
    wanted: Vec<(u32, Vec<u32>)>,
) -> Result<Vec<Facts>, holdfast_state::table::Broken> {
    let (mut found, mut looked) = (Vec::new(), 0);
    for (pg, disks) in wanted {
        let mut lacks = Vec::new();
        for disk in disks {
            let chunks = facts::missing(view, disk, pg, None, MOST_LACKING)?.len();
            looked += chunks;
            lacks.push(chunks as u64);
        }
        found.push((facts::ailing_of(view, pg)?, lacks));
        if looked > MOST_LOOKED {
            break;
        }
    }
    Ok(found)
}

fn told(lens: &Lens<'_>, one: &Seen, ailing: Option<Ailing>, lacks: &[u64], now_ns: i64) -> GroupHealth {
    let class = lens.cluster.classes.get(&one.pg.class);
    // What lacks single chunks gets these alone.
    let chunk = one.share.checked_div(one.chunks).unwrap_or(0);
    let mut bytes_left = one.bytes_left;
    let mut members = Vec::new();
    for (at, member) in one.pg.members.iter().enumerate() {
        let lacks = lacks.get(at).copied().unwrap_or(0);
        let whole_fill = one.members_left.get(at).copied().unwrap_or(0);
        let left = if whole_fill == 0 && member.clean { lacks * chunk } else { whole_fill };
        bytes_left += left - whole_fill.min(left);
        members.push(MemberHealth {
            disk: member.disk,
            node: lens.cluster.disks.get(&member.disk).map_or(0, |disk| disk.node),
            condition: one.words.members.get(at).map_or("whole", |c| c.name()).into(),
            lacks,
            temporary: member.temporary,
            bytes_left: left,
            shard: member.shard,
        });
    }
    let until = one.words.until_ms.map_or(0, |ms| {
        now_ns.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000_000))
    });
    GroupHealth {
        pg: one.pg.id,
        class: one.pg.class,
        class_name: class.map(|class| class.name.clone()).unwrap_or_default(),
        ailment: explain::ailment(one.found.risk) as i32,
        state: one.words.state.into(),
        why: one.words.why.clone(),
        reasons: one.words.reasons.clone(),
        since_ns: ailing.map_or(0, |ailing| ailing.since_ns),
        level_since_ns: ailing.map_or(0, |ailing| ailing.level_since_ns),
        bytes: one.bytes,
        chunks: one.chunks,
        spare: one.found.spare,
        bytes_left,
        members,
        until_ns: until,
        pg_state: one.pg.state,
        epoch: one.pg.epoch,
    }
}

/// The whole in figures, without groups.
pub(super) async fn summary<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
) -> Result<HealthReply, Status> {
    let (state, oldest) =
        leader.look(|_, view| Ok((facts::state(view)?, facts::oldest_ailing(view)?))).await?;
    let (mut reply, part) = counted(leader);
    // Single chunks that members lack, at the size that members' parts of chunks have on average.
    reply.bytes_left += state.missing * part;
    reply.rate = leader.progress.lock().repaired.growth();
    reply.oldest_since_ns = oldest;
    reply.procedures = procedures(leader).await?;
    reply.listening_ms = super::listening_ms(leader);
    reply.measured = leader.sizes.load().whole;
    reply.eta_s = eta_s(reply.bytes_left, reply.rate).filter(|_| reply.measured);
    reply.now_ns = state.time_ns.max(leader.meta.now_ns());
    Ok(reply)
}

/// What was counted while nothing was the matter with any group: it holds until the map or the sizes change. Who watches
/// a large cluster asks each second.
#[derive(Debug)]
pub struct Counted {
    epoch: u64,
    sizes: Arc<Sizes>,
    reply: HealthReply,
    part: u64,
}

/// [`count`] and [`part_of_chunk`], as they are or were.
fn counted<M, C>(leader: &Leader<M, C>) -> (HealthReply, u64) {
    let sizes = leader.sizes.load_full();
    let mut last = leader.counted.lock();
    with_lens(leader, |lens| {
        let well = lens.outlook.ailing.is_empty();
        let same = |last: &&Counted| last.epoch == lens.cluster.epoch && Arc::ptr_eq(&last.sizes, &sizes);
        if let Some(last) = last.as_ref().filter(same).filter(|_| well) {
            return (last.reply.clone(), last.part);
        }
        let (reply, part) = (count(lens), part_of_chunk(lens));
        *last = well.then(|| Counted { epoch: lens.cluster.epoch, sizes, reply: reply.clone(), part });
        (reply, part)
    })
}

/// Bytes that a member keeps of a chunk, on average over all groups.
fn part_of_chunk(lens: &Lens<'_>) -> u64 {
    let (mut parts, mut chunks) = (0u64, 0u64);
    for pg in lens.cluster.pgs.values() {
        parts += share_of(lens.cluster, pg, lens.sizes.bytes.get(&pg.id).copied().unwrap_or(0));
        chunks += lens.sizes.chunks.get(&pg.id).copied().unwrap_or(0);
    }
    parts.checked_div(chunks).unwrap_or(0)
}

fn count(lens: &Lens<'_>) -> HealthReply {
    let mut spare: BTreeMap<i32, (u64, u64)> = BTreeMap::new();
    let mut states: BTreeMap<&'static str, (u64, u64)> = BTreeMap::new();
    let mut classes: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    let mut levels: BTreeMap<Ailment, (u64, u64)> = BTreeMap::new();
    let mut bytes_left = 0;
    for pg in lens.cluster.pgs.values() {
        let bytes = lens.sizes.bytes.get(&pg.id).copied().unwrap_or(0);
        let left = match lens.outlook.ailing.get(&pg.id) {
            Some(found) => {
                let seen = lens.see(pg);
                bytes_left += seen.bytes_left;
                let (groups, of_state) = states.entry(seen.words.state).or_default();
                (*groups, *of_state) = (*groups + 1, *of_state + bytes);
                found.spare
            }
            None => lens.well(pg).spare,
        };
        let (groups, of_spare) = spare.entry(left).or_default();
        (*groups, *of_spare) = (*groups + 1, *of_spare + bytes);
        let (groups, of_class) = classes.entry(pg.class).or_default();
        (*groups, *of_class) = (*groups + 1, *of_class + bytes);
        let (groups, of_level) = levels.entry(lens.level(pg.id)).or_default();
        (*groups, *of_level) = (*groups + 1, *of_level + bytes);
    }
    let spare = spare.into_iter().map(|(spare, (groups, bytes))| SpareCount { spare, groups, bytes });
    let states = states.into_iter().map(|(state, (groups, bytes))| StateCount {
        state: state.to_owned(),
        groups,
        bytes,
    });
    let classes = classes.into_iter().map(|(class, (groups, bytes))| ClassCount { class, groups, bytes });
    let levels =
        levels.into_iter().map(|(level, (groups, bytes))| LevelCount { level: level as i32, groups, bytes });
    HealthReply {
        spare: spare.collect(),
        states: states.collect(),
        classes: classes.collect(),
        levels: levels.collect(),
        bytes_left,
        ..HealthReply::default()
    }
}

/// A procedure as far as the map and repair show it.
pub(super) struct UnderWay {
    pub(super) target: Target,
    pub(super) bytes_left: u64,
    node: u64,
    procedure: Procedure,
    groups: BTreeSet<u32>,
    disks: BTreeSet<u32>,
    /// Groups that wait for room, and groups that cannot be read.
    no_room: u64,
    unreadable: u64,
    /// Disks of it that do not answer.
    silent: Vec<u32>,
    /// Of a replacement: the new disk has not come yet.
    awaited: bool,
}

/// Everything under way.
pub(super) fn under_way<M, C>(leader: &Leader<M, C>) -> Vec<UnderWay> {
    with_lens(leader, |lens| {
        let nodes = lens.cluster.nodes.values().filter(|node| node.standing() != Standing::Removed);
        let of_node = |node: &Node| Some(of_node(lens, node, node.procedure?));
        let disks = lens.cluster.records().filter(|disk| disk.standing() != Standing::Removed);
        let of_disk = |disk: &Disk| Some(of_disk(lens, disk, disk.procedure?));
        nodes.filter_map(of_node).chain(disks.filter_map(of_disk)).collect()
    })
}

fn of_node(lens: &Lens<'_>, node: &Node, procedure: Procedure) -> UnderWay {
    let here = lens.cluster.disks.values();
    let here = here.filter(|disk| disk.node == node.id && disk.standing != Standing::Removed);
    let disks: BTreeSet<u32> = here.map(|disk| disk.id).collect();
    let groups = disks.iter().flat_map(|disk| lens.cluster.groups_of(*disk)).collect();
    described(lens, Target::Node(node.id), node.id, procedure, disks, groups, |_, _| true)
}

fn of_disk(lens: &Lens<'_>, disk: &Disk, procedure: Procedure) -> UnderWay {
    let groups = lens.cluster.groups_of(disk.id).collect();
    let replaced = procedure.kind() == ProcedureKind::Replacement && !disk.lost;
    // Of a replacement that has begun, what counts on the life before, and what the new one is being filled with.
    let counts = |life: u64, clean: bool| !replaced || life != disk.incarnation || !clean;
    let mut one = described(
        lens,
        Target::Disk(disk.id),
        disk.node,
        procedure,
        BTreeSet::from([disk.id]),
        groups,
        counts,
    );
    one.awaited = disk.lost;
    one
}

fn described(
    lens: &Lens<'_>,
    target: Target,
    node: u64,
    procedure: Procedure,
    disks: BTreeSet<u32>,
    groups: BTreeSet<u32>,
    counts: impl Fn(u64, bool) -> bool,
) -> UnderWay {
    let silent = |disk: &&u32| lens.cluster.disks.get(disk).is_some_and(|facts| !facts.answers());
    let silent = disks.iter().filter(silent).copied().collect();
    let mut one = UnderWay {
        target,
        bytes_left: 0,
        node,
        procedure,
        groups: BTreeSet::new(),
        disks,
        no_room: 0,
        unreadable: 0,
        silent,
        awaited: false,
    };
    for id in groups {
        let Some(pg) = lens.cluster.pgs.get(&id) else { continue };
        let there =
            pg.members.iter().filter(|m| one.disks.contains(&m.disk) && counts(m.incarnation, m.clean));
        let there = there.count() as u64;
        if there == 0 {
            continue;
        }
        one.groups.insert(id);
        let share = share_of(lens.cluster, pg, lens.sizes.bytes.get(&id).copied().unwrap_or(0));
        let fills = pg.members.iter().filter(|m| !m.clean);
        let filled: u64 = fills
            .map(|m| lens.progress.of(id, DiskRef { disk: m.disk, incarnation: m.incarnation }).min(share))
            .sum();
        one.bytes_left += (share * there).saturating_sub(filled);
        if let Some(found) = lens.outlook.ailing.get(&id) {
            one.no_room += u64::from(found.no_room);
            one.unreadable += u64::from(found.risk == Risk::Unavailable);
        }
    }
    one
}

/// How far every procedure is.
pub async fn procedures<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
) -> Result<Vec<ProcedureStatus>, Status> {
    let all = under_way(leader);
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let disks: BTreeSet<u32> = all.iter().flat_map(|one| one.disks.iter().copied()).collect();
    let leaves: BTreeMap<u32, u64> = leader
        .look(move |_, view| {
            let count = |disk: &u32| Ok((*disk, facts::leaves_of(view, *disk, MOST_LEAVES)?.len() as u64));
            disks.iter().map(count).collect()
        })
        .await?;
    let (uptime, measured) = (leader.uptime_now(), leader.sizes.load().whole);
    Ok(all
        .iter()
        .map(|one| {
            let leaves = one.disks.iter().filter_map(|disk| leaves.get(disk)).sum();
            let course = leader.progress.lock().procedures.get(&one.target).cloned().unwrap_or_default();
            let mut status = one.told(Some(leaves), course.decline(), uptime);
            // Of what was not counted yet nobody knows how long it takes.
            status.eta_s = status.eta_s.filter(|_| measured || status.done);
            status
        })
        .collect())
}

/// What is under way, for the cluster's condition: known without asking anybody. With whether it is held up.
pub fn notices<M, C>(leader: &Leader<M, C>) -> Vec<Notice> {
    let uptime = leader.uptime_now();
    let told = |one: UnderWay| {
        let status = one.told(None, 0, uptime);
        let what = match one.target {
            Target::Disk(disk) => format!("disk d{disk} on node n{}", one.node),
            Target::Node(node) => format!("node n{node}"),
        };
        let (kind, doing) = match (one.procedure.kind(), status.left_s) {
            (ProcedureKind::Drain, _) => ("drain", format!("{what} is being emptied: {}", status.detail)),
            (ProcedureKind::Maintenance, Some(left)) => {
                let minutes = left.div_ceil(60);
                let what = format!("{what} is in maintenance for {minutes} more minutes: {}", status.detail);
                ("maintenance", what)
            }
            (ProcedureKind::Maintenance, None) => {
                let what = format!("{what} is in maintenance until somebody ends it: {}", status.detail);
                ("maintenance", what)
            }
            (ProcedureKind::Replacement, _) => {
                ("replacement", format!("{what} is being replaced: {}", status.detail))
            }
        };
        Notice {
            held_up: !status.blocked.is_empty() && one.procedure.kind() == ProcedureKind::Drain,
            reasons: status.detail_reason.iter().chain(&status.blocked_reasons).cloned().collect(),
            what: match status.blocked.is_empty() {
                true => doing,
                false => format!("{doing}; {}", status.blocked.join("; ")),
            },
            kind,
            disk: status.disk,
            node: status.node,
            groups_left: status.groups_left,
            bytes_left: status.bytes_left,
            left_s: status.left_s,
        }
    };
    under_way(leader).into_iter().map(told).collect()
}

/// A procedure under way, in a sentence and in figures.
pub struct Notice {
    /// `drain`, `maintenance` or `replacement`.
    pub kind: &'static str,
    /// For people.
    pub what: String,
    /// How far it is and what it waits for, with codes.
    pub reasons: Vec<Reason>,
    /// It cannot go on.
    pub held_up: bool,
    /// The disk; 0: the whole node.
    pub disk: u32,
    /// The node.
    pub node: u64,
    /// Groups that count on it still.
    pub groups_left: u64,
    /// Their bytes that are not yet elsewhere.
    pub bytes_left: u64,
    /// Of maintenance: seconds until it ends by itself.
    pub left_s: Option<u64>,
}

impl UnderWay {
    /// `leaves`: groups that its disks still have to let go of, if that was looked up.
    fn told(&self, leaves: Option<u64>, rate: u64, uptime: u64) -> ProcedureStatus {
        let kind = self.procedure.kind();
        let left_s = (kind == ProcedureKind::Maintenance && self.procedure.until_s != 0)
            .then(|| self.procedure.until_s.saturating_sub(uptime));
        let groups = self.groups.len() as u64;
        let done = kind == ProcedureKind::Drain && groups == 0 && leaves == Some(0);
        let moves = kind != ProcedureKind::Maintenance;
        let (blocked, detail) = (self.blocked(), self.detail(groups, leaves, done));
        ProcedureStatus {
            kind: kind as i32,
            disk: if let Target::Disk(disk) = self.target { disk } else { 0 },
            node: self.node,
            began_ns: self.procedure.began_ns,
            groups_begun: self.procedure.groups,
            bytes_begun: self.procedure.bytes,
            groups_left: groups,
            bytes_left: if moves { self.bytes_left } else { 0 },
            rate: if moves { rate } else { 0 },
            eta_s: if moves { eta_s(self.bytes_left, rate).filter(|_| groups > 0 || done) } else { None },
            left_s,
            blocked: blocked.iter().map(|reason| reason.message.clone()).collect(),
            blocked_reasons: blocked,
            detail: detail.message.clone(),
            detail_reason: Some(detail),
            done,
            leaves: leaves.unwrap_or(0),
        }
    }

    fn blocked(&self) -> Vec<Reason> {
        let mut blocked = Vec::new();
        if self.awaited {
            let what = "waits for an empty directory in the disk's place, and its node to be up";
            blocked.push(Reason::new("waits_for_disk", what));
        }
        if self.procedure.kind() == ProcedureKind::Maintenance {
            return blocked;
        }
        let groups = self.no_room;
        if groups > 0 {
            let what = format!(
                "{groups} groups find no other disk that is apart enough and has room: add one, or give disks room"
            );
            blocked.push(Reason::new("waits_for_room", what).with("groups", groups));
        }
        let groups = self.unreadable;
        if groups > 0 {
            let what = format!("{groups} groups cannot be read whole now: too few of their disks answer");
            blocked.push(Reason::new("waits_for_members", what).with("groups", groups));
        }
        blocked
    }

    fn detail(&self, groups: u64, leaves: Option<u64>, done: bool) -> Reason {
        let silent = !self.silent.is_empty();
        match self.procedure.kind() {
            ProcedureKind::Drain if done => Reason::new("drain_done", "empty; it may be removed"),
            ProcedureKind::Drain if groups == 0 => match leaves {
                Some(leaves) => {
                    let what =
                        format!("no group counts on it any more; it still has to let go of {leaves} groups");
                    Reason::new("drain_letting_go", what).with("groups", leaves)
                }
                None => Reason::new("drain_uncounted", "no group counts on it any more"),
            },
            ProcedureKind::Drain if silent => {
                let what = format!(
                    "{groups} groups still count on it; {} {} not answer, and what lies there is rebuilt from other members",
                    explain::name(&self.silent),
                    if self.silent.len() == 1 { "does" } else { "do" }
                );
                Reason::new("drain_silent", what).with("groups", groups).with_all("disks", &self.silent)
            }
            ProcedureKind::Drain => {
                let what = format!("{groups} groups still count on it");
                Reason::new("drain_left", what).with("groups", groups)
            }
            ProcedureKind::Maintenance if silent && self.silent.len() == self.disks.len() => {
                Reason::new("maintenance_away", "away; nothing is rebuilt for that")
            }
            ProcedureKind::Maintenance => {
                Reason::new("maintenance_here", "still here; its absence will cause no rebuild")
            }
            ProcedureKind::Replacement if self.awaited => {
                Reason::new("replacement_awaited", "lost; an empty disk may take its place")
            }
            ProcedureKind::Replacement => {
                let what = format!(
                    "an empty disk took its place; {groups} groups are to be filled or placed elsewhere"
                );
                Reason::new("replacement_filling", what).with("groups", groups)
            }
        }
    }
}
