//! Messages behind `holdfast admin` and the dashboard: the leader's soft state, membership of the metadata group.

use crate::audit::Actor;
use crate::cluster::{DiskReport, Peer, ScrubReport};
use crate::inode::KeyValue;
use crate::map::{Liveness, NodeLiveness, Standing};
use crate::op::Balance;
use crate::reason::Reason;
use crate::session::ClientIo;

/// Ask for the cluster's condition. Any metaserver answers what it knows; `leader_view` says which.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct StatusRequest {}

/// The metadata group as the answering node sees it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MetaStatus {
    /// The answering node.
    #[prost(uint64, tag = "1")]
    pub node: u64,
    /// The leader, or 0.
    #[prost(uint64, tag = "2")]
    pub leader: u64,
    /// Term.
    #[prost(uint64, tag = "3")]
    pub term: u64,
    /// Last log index.
    #[prost(uint64, tag = "4")]
    pub last_log: u64,
    /// Applied log index.
    #[prost(uint64, tag = "5")]
    pub applied: u64,
    /// Index of the last snapshot.
    #[prost(uint64, tag = "6")]
    pub snapshot: u64,
    /// Index up to which the log is purged.
    #[prost(uint64, tag = "7")]
    pub purged: u64,
    /// Voters.
    #[prost(message, repeated, tag = "8")]
    pub voters: Vec<Peer>,
    /// Learners.
    #[prost(message, repeated, tag = "9")]
    pub learners: Vec<Peer>,
    /// On the leader: how far each member is, `(node, matched index)`.
    #[prost(message, repeated, tag = "10")]
    pub progress: Vec<MemberProgress>,
    /// On the leader: milliseconds since a quorum last acknowledged it.
    #[prost(uint64, tag = "11")]
    pub quorum_age_ms: u64,
}

/// How far a member's log is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct MemberProgress {
    /// The member.
    #[prost(uint64, tag = "1")]
    pub node: u64,
    /// Highest log index known to be on it.
    #[prost(uint64, tag = "2")]
    pub matched: u64,
    /// Milliseconds since it last answered the leader; absent: it has not yet.
    #[prost(uint64, optional, tag = "3")]
    pub silent_ms: Option<u64>,
}

/// How safe data is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct RedundancyStatus {
    /// Groups with every member clean, alive and nothing missing.
    #[prost(uint64, tag = "1")]
    pub pgs_healthy: u64,
    /// Groups that lack something but could lose one more member.
    #[prost(uint64, tag = "2")]
    pub pgs_degraded: u64,
    /// Groups that one more failure would make unavailable.
    #[prost(uint64, tag = "3")]
    pub pgs_at_risk: u64,
    /// Groups that cannot be read whole right now.
    #[prost(uint64, tag = "4")]
    pub pgs_unavailable: u64,
    /// `missing/` records: single chunks that lack a copy on a member.
    #[prost(uint64, tag = "5")]
    pub missing_chunks: u64,
    /// Chunks waiting for deletion on some member.
    #[prost(uint64, tag = "6")]
    pub garbage_chunks: u64,
    /// Bytes moved by repair since this leader was elected.
    #[prost(uint64, tag = "7")]
    pub repaired_bytes: u64,
    /// Chunks repaired since this leader was elected.
    #[prost(uint64, tag = "8")]
    pub repaired_chunks: u64,
    /// Repair tasks running.
    #[prost(uint64, tag = "9")]
    pub repairs_running: u64,
    /// Milliseconds since the redundancy was last complete; 0: it is.
    #[prost(uint64, tag = "10")]
    pub degraded_ms: u64,
}

/// A cause for concern, in order of weight.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct HealthIssue {
    /// Stable name, for machines (`node_down`, `disk_failed`, `pgs_at_risk`, `quorum_at_risk`, …).
    #[prost(string, tag = "1")]
    pub code: String,
    /// 1 note, 2 warning, 3 danger.
    #[prost(uint32, tag = "2")]
    pub severity: u32,
    /// For a person: what is, what it means, what is being done.
    #[prost(string, tag = "3")]
    pub message: String,
    /// Milliseconds since it began.
    #[prost(uint64, tag = "4")]
    pub since_ms: u64,
    /// What the message says, by stable names, for who says it in another language.
    #[prost(message, repeated, tag = "5")]
    pub params: Vec<KeyValue>,
    /// Of a procedure under way: how far it is, then what it waits for.
    #[prost(message, repeated, tag = "6")]
    pub reasons: Vec<Reason>,
}

/// Everything at a glance.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ClusterStatus {
    /// The metadata group.
    #[prost(message, optional, tag = "1")]
    pub meta: Option<MetaStatus>,
    /// Answered by the leader: the fields below are filled.
    #[prost(bool, tag = "2")]
    pub leader_view: bool,
    /// Every node with its liveness.
    #[prost(message, repeated, tag = "3")]
    pub nodes: Vec<NodeLiveness>,
    /// The last report of every disk.
    #[prost(message, repeated, tag = "4")]
    pub disks: Vec<DiskReport>,
    /// How safe data is.
    #[prost(message, optional, tag = "5")]
    pub redundancy: Option<RedundancyStatus>,
    /// What is wrong, worst first.
    #[prost(message, repeated, tag = "6")]
    pub issues: Vec<HealthIssue>,
    /// Totals.
    #[prost(message, optional, tag = "7")]
    pub totals: Option<crate::query::Totals>,
    /// Sessions known to the state.
    #[prost(uint64, tag = "8")]
    pub sessions: u64,
    /// The leader's background loops.
    #[prost(message, repeated, tag = "9")]
    pub loops: Vec<LoopStatus>,
    /// Map epoch.
    #[prost(uint64, tag = "10")]
    pub map_epoch: u64,
    /// Files whose content is being converted to their class.
    #[prost(uint64, tag = "11")]
    pub converting: u64,
    /// What clients do, per second over the last seconds; times are means in microseconds.
    #[prost(message, optional, tag = "12")]
    pub io: Option<ClientIo>,
    /// Uptime of the cluster in seconds.
    #[prost(uint64, tag = "13")]
    pub uptime_s: u64,
    /// What is known of nodes beside their liveness.
    #[prost(message, repeated, tag = "14")]
    pub about: Vec<NodeAbout>,
    /// What disks do, per second over the last seconds.
    #[prost(message, repeated, tag = "15")]
    pub loads: Vec<DiskRates>,
    /// When the cluster was made, state time in nanoseconds.
    #[prost(int64, tag = "16")]
    pub created_ns: i64,
}

/// What a node says of itself.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct NodeAbout {
    /// The node.
    #[prost(uint64, tag = "1")]
    pub node: u64,
    /// Its build.
    #[prost(string, tag = "2")]
    pub version: String,
    /// Milliseconds since it started.
    #[prost(uint64, tag = "3")]
    pub uptime_ms: u64,
}

/// What a disk does, per second.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct DiskRates {
    /// The disk.
    #[prost(uint32, tag = "1")]
    pub disk: u32,
    /// Bytes read of it.
    #[prost(uint64, tag = "2")]
    pub read_bytes: u64,
    /// Bytes written to it.
    #[prost(uint64, tag = "3")]
    pub write_bytes: u64,
    /// Reads.
    #[prost(uint64, tag = "4")]
    pub reads: u64,
    /// Writes.
    #[prost(uint64, tag = "5")]
    pub writes: u64,
    /// How busy it is, in thousandths of what it could do.
    #[prost(uint32, tag = "6")]
    pub load: u32,
}

/// Ask for what clients did lately, as the leader remembers it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct RecentRequest {
    /// Points every 10 s for the last hour; otherwise every minute for the last day.
    #[prost(bool, tag = "1")]
    pub fine: bool,
}

/// What clients did lately.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct RecentReply {
    /// Seconds between two points.
    #[prost(uint64, tag = "1")]
    pub step_s: u64,
    /// Unix time of the last point, in seconds.
    #[prost(uint64, tag = "2")]
    pub last_s: u64,
    /// Per second, oldest first; times are means in microseconds.
    #[prost(message, repeated, tag = "3")]
    pub points: Vec<ClientIo>,
}

/// One background loop.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct LoopStatus {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// `idle`, `busy`, `throttled` or `waiting`.
    #[prost(string, tag = "2")]
    pub state: String,
    /// For a person: what it does right now.
    #[prost(string, tag = "3")]
    pub detail: String,
}

/// What to do with the metadata group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum MembershipChange {
    /// Add a node that has the meta role: first as learner, as voter when it has caught up.
    Add = 0,
    /// Take a node out of the group.
    Remove = 1,
    /// Put `node` in the place of `replaces`.
    Replace = 2,
    /// Hand leadership to `node` (0: to the best).
    Transfer = 3,
}

/// Change the metadata group. Changes are made one after another.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ChangeMembership {
    /// What to do.
    #[prost(enumeration = "MembershipChange", tag = "1")]
    pub change: i32,
    /// The node.
    #[prost(uint64, tag = "2")]
    pub node: u64,
    /// The node that leaves.
    #[prost(uint64, tag = "3")]
    pub replaces: u64,
    /// Who wants it, for the audit log.
    #[prost(message, optional, tag = "4")]
    pub actor: Option<Actor>,
}

/// Run the whole-state checker on the answering node's own copy of the metadata.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct CheckRequest {}

/// What the checker found.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct CheckReply {
    /// Violated invariants, one line each, at most 1,000.
    #[prost(string, repeated, tag = "1")]
    pub problems: Vec<String>,
    /// Log index that was checked.
    #[prost(uint64, tag = "2")]
    pub index: u64,
    /// Records looked at.
    #[prost(uint64, tag = "3")]
    pub records: u64,
    /// BLAKE3 over the whole state at that index; equal on all members.
    #[prost(bytes = "bytes", tag = "4")]
    pub digest: bytes::Bytes,
}

/// Ask what balancing is at.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct BalanceRequest {
    /// Also what would be moved now.
    #[prost(bool, tag = "1")]
    pub plan: bool,
}

/// What balancing is at.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct BalanceReply {
    /// The run there is, or the last one.
    #[prost(message, optional, tag = "1")]
    pub run: Option<Balance>,
    /// Moves under way.
    #[prost(uint64, tag = "2")]
    pub under_way: u64,
    /// Bytes that are still to be moved, as of the last plan.
    #[prost(uint64, tag = "3")]
    pub left: u64,
    /// Bytes per second moved lately.
    #[prost(uint64, tag = "4")]
    pub rate: u64,
    /// How much lies in each group is known; until then plans leave groups out.
    #[prost(bool, tag = "5")]
    pub measured: bool,
    /// What would be moved now.
    #[prost(message, optional, tag = "6")]
    pub plan: Option<BalancePlan>,
}

/// What would be moved, and what would come of it.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct BalancePlan {
    /// The first moves, in order.
    #[prost(message, repeated, tag = "1")]
    pub moves: Vec<BalanceMove>,
    /// How many there are.
    #[prost(uint64, tag = "2")]
    pub moves_total: u64,
    /// Bytes of all of them.
    #[prost(uint64, tag = "3")]
    pub bytes: u64,
    /// Bytes that would have to be moved at least if any byte could go anywhere.
    #[prost(uint64, tag = "4")]
    pub least_bytes: u64,
    /// Every disk that takes part.
    #[prost(message, repeated, tag = "5")]
    pub disks: Vec<BalanceLevel>,
    /// There is more to do than one plan holds.
    #[prost(bool, tag = "6")]
    pub cut_short: bool,
}

/// One member of a group goes to another disk.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct BalanceMove {
    /// The group.
    #[prost(uint32, tag = "1")]
    pub pg: u32,
    /// Whose place it is.
    #[prost(uint32, tag = "2")]
    pub from: u32,
    /// Who takes it.
    #[prost(uint32, tag = "3")]
    pub to: u32,
    /// Bytes that are copied.
    #[prost(uint64, tag = "4")]
    pub bytes: u64,
    /// It has been begun already.
    #[prost(bool, tag = "5")]
    pub under_way: bool,
}

/// One disk before and after.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct BalanceLevel {
    /// The disk.
    #[prost(uint32, tag = "1")]
    pub disk: u32,
    /// Capacity times weight.
    #[prost(uint64, tag = "2")]
    pub share: u64,
    /// Bytes of chunks on it now.
    #[prost(uint64, tag = "3")]
    pub before: u64,
    /// The same afterwards.
    #[prost(uint64, tag = "4")]
    pub after: u64,
    /// Most bytes of any kind on it on the way.
    #[prost(uint64, tag = "5")]
    pub peak: u64,
    /// What it may hold at most.
    #[prost(uint64, tag = "6")]
    pub cap: u64,
}

/// Ask how the scrub of disks is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct ScrubRequest {
    /// With the last rounds of each disk.
    #[prost(bool, tag = "1")]
    pub history: bool,
}

/// How the scrub of every disk is that was not removed, in order of id.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ScrubReply {
    /// One for each.
    #[prost(message, repeated, tag = "1")]
    pub disks: Vec<ScrubDisk>,
}

/// A disk and its scrub.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ScrubDisk {
    /// The disk.
    #[prost(uint32, tag = "1")]
    pub disk: u32,
    /// Which life of it.
    #[prost(uint64, tag = "2")]
    pub incarnation: u64,
    /// Its node.
    #[prost(uint64, tag = "3")]
    pub node: u64,
    /// The worse of its own standing and its node's.
    #[prost(enumeration = "Standing", tag = "4")]
    pub standing: i32,
    /// How the leader sees it.
    #[prost(enumeration = "Liveness", tag = "5")]
    pub liveness: i32,
    /// The last order given for it; 0: none.
    #[prost(uint64, tag = "6")]
    pub ordered: u64,
    /// What its node said last; absent: nothing since this leader was elected. The round that ended last is its whole
    /// `history`, unless more was asked for.
    #[prost(message, optional, tag = "7")]
    pub report: Option<ScrubReport>,
}

/// Ask how safe data is, group by group. What is asked for must all hold.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct HealthRequest {
    /// Behind this group.
    #[prost(uint32, tag = "1")]
    pub after: u32,
    /// Most groups, at most 1,000; 0: none, the summary only.
    #[prost(uint32, tag = "2")]
    pub most: u32,
    /// Only this group, also when nothing is the matter with it; 0: those with which something is.
    #[prost(uint32, tag = "3")]
    pub pg: u32,
    /// Also those with which nothing is the matter.
    #[prost(bool, tag = "4")]
    pub whole: bool,
    /// Of this class; 0: of any.
    #[prost(uint32, tag = "5")]
    pub class: u32,
    /// With a member on this disk; 0: on any.
    #[prost(uint32, tag = "6")]
    pub disk: u32,
    /// With a member on this node; 0: on any.
    #[prost(uint64, tag = "7")]
    pub node: u64,
    /// As close to loss as this.
    #[prost(enumeration = "crate::op::Ailment", optional, tag = "8")]
    pub level: Option<i32>,
    /// See [`GroupHealth::state`]; empty: any.
    #[prost(string, tag = "9")]
    pub state: String,
    /// With [`HealthReply::map`].
    #[prost(bool, tag = "10")]
    pub map: bool,
    /// 0: in order of id; 1: closest to loss first; 2: largest first. What is equal is in order of id.
    #[prost(uint32, tag = "11")]
    pub sort: u32,
    /// Of the group `after`, if not in order of id: how close to loss it was, or how large.
    #[prost(uint64, optional, tag = "12")]
    pub after_rank: Option<u64>,
}

/// How safe data is: the whole in figures, and groups with which something is the matter.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HealthReply {
    /// In the order that was asked for.
    #[prost(message, repeated, tag = "1")]
    pub groups: Vec<GroupHealth>,
    /// There are more behind the last one.
    #[prost(bool, tag = "2")]
    pub more: bool,
    /// All groups by how many further failures they bear, fewest first.
    #[prost(message, repeated, tag = "3")]
    pub spare: Vec<SpareCount>,
    /// Groups with which something is the matter, by [`GroupHealth::state`].
    #[prost(message, repeated, tag = "4")]
    pub states: Vec<StateCount>,
    /// Bytes that repair has to copy, as far as it can now.
    #[prost(uint64, tag = "5")]
    pub bytes_left: u64,
    /// Bytes per second that repair copied over the last minutes.
    #[prost(uint64, tag = "6")]
    pub rate: u64,
    /// Seconds until that is done at this rate; absent: not known.
    #[prost(uint64, optional, tag = "7")]
    pub eta_s: Option<u64>,
    /// Since when some group has lacked something, state time in nanoseconds; 0: none does.
    #[prost(int64, tag = "8")]
    pub oldest_since_ns: i64,
    /// Drains, maintenance and replacements under way.
    #[prost(message, repeated, tag = "9")]
    pub procedures: Vec<ProcedureStatus>,
    /// Milliseconds until this leader has listened for long enough to know who is silent; 0: it has.
    #[prost(uint64, tag = "10")]
    pub listening_ms: u64,
    /// How much lies in each group is known; until then bytes are too low.
    #[prost(bool, tag = "11")]
    pub measured: bool,
    /// State time now, nanoseconds.
    #[prost(int64, tag = "12")]
    pub now_ns: i64,
    /// All groups by class.
    #[prost(message, repeated, tag = "13")]
    pub classes: Vec<ClassCount>,
    /// All groups by how close to loss they are.
    #[prost(message, repeated, tag = "14")]
    pub levels: Vec<LevelCount>,
    /// All groups in short, if asked for.
    #[prost(message, optional, tag = "15")]
    pub map: Option<GroupMap>,
}

/// Groups of one class.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct ClassCount {
    /// The class.
    #[prost(uint32, tag = "1")]
    pub class: u32,
    /// How many.
    #[prost(uint64, tag = "2")]
    pub groups: u64,
    /// Bytes of chunks in them, before redundancy.
    #[prost(uint64, tag = "3")]
    pub bytes: u64,
}

/// Groups that are equally close to loss.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct LevelCount {
    /// How close.
    #[prost(enumeration = "crate::op::Ailment", tag = "1")]
    pub level: i32,
    /// How many.
    #[prost(uint64, tag = "2")]
    pub groups: u64,
    /// Bytes of chunks in them, before redundancy.
    #[prost(uint64, tag = "3")]
    pub bytes: u64,
}

/// Every group in a few bytes: position by position.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct GroupMap {
    /// Numbers, in order.
    #[prost(uint32, repeated, tag = "1")]
    pub ids: Vec<u32>,
    /// Classes.
    #[prost(uint32, repeated, tag = "2")]
    pub classes: Vec<u32>,
    /// How close to loss they are: an [`crate::op::Ailment`] each.
    #[prost(bytes = "bytes", tag = "3")]
    pub levels: bytes::Bytes,
}

/// Groups that bear the same number of further failures.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct SpareCount {
    /// Further failures that they bear; below 0: they cannot be read whole.
    #[prost(sint32, tag = "1")]
    pub spare: i32,
    /// How many.
    #[prost(uint64, tag = "2")]
    pub groups: u64,
    /// Bytes of chunks in them, before redundancy.
    #[prost(uint64, tag = "3")]
    pub bytes: u64,
}

/// Groups of one state.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct StateCount {
    /// See [`GroupHealth::state`].
    #[prost(string, tag = "1")]
    pub state: String,
    /// How many.
    #[prost(uint64, tag = "2")]
    pub groups: u64,
    /// Bytes of chunks in them, before redundancy.
    #[prost(uint64, tag = "3")]
    pub bytes: u64,
}

/// What is the matter with a group, and what is done about it.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct GroupHealth {
    /// The group.
    #[prost(uint32, tag = "1")]
    pub pg: u32,
    /// Its class.
    #[prost(uint32, tag = "2")]
    pub class: u32,
    /// The class's name.
    #[prost(string, tag = "3")]
    pub class_name: String,
    /// How close to loss.
    #[prost(enumeration = "crate::op::Ailment", tag = "4")]
    pub ailment: i32,
    /// Stable name, for machines: `lost`, `unavailable`, `rebuilding`, `no_room`, `held`, `maintenance`, `waiting`,
    /// `mending`, `moving` or `whole`.
    #[prost(string, tag = "5")]
    pub state: String,
    /// For a person: how close to loss, and what is being done or waited for.
    #[prost(string, tag = "6")]
    pub why: String,
    /// Since when it lacks something, state time in nanoseconds; 0: it does not, or nobody noted it yet.
    #[prost(int64, tag = "7")]
    pub since_ns: i64,
    /// Since when it is as close to loss as now.
    #[prost(int64, tag = "8")]
    pub level_since_ns: i64,
    /// Bytes of its chunks, before redundancy.
    #[prost(uint64, tag = "9")]
    pub bytes: u64,
    /// Its chunks.
    #[prost(uint64, tag = "10")]
    pub chunks: u64,
    /// Further failures that it bears; below 0: it cannot be read whole.
    #[prost(sint32, tag = "11")]
    pub spare: i32,
    /// Bytes that repair has to copy for it, as far as it can now.
    #[prost(uint64, tag = "12")]
    pub bytes_left: u64,
    /// Its members.
    #[prost(message, repeated, tag = "13")]
    pub members: Vec<MemberHealth>,
    /// Unix time in nanoseconds until which is waited before something else is done; 0: nothing is waited for.
    #[prost(int64, tag = "14")]
    pub until_ns: i64,
    /// Whether it takes new chunks.
    #[prost(enumeration = "crate::map::PgState", tag = "15")]
    pub pg_state: i32,
    /// Epoch of its last change.
    #[prost(uint64, tag = "16")]
    pub epoch: u64,
    /// What `why` says, with codes.
    #[prost(message, repeated, tag = "17")]
    pub reasons: Vec<Reason>,
}

/// A member of a group.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct MemberHealth {
    /// Its disk.
    #[prost(uint32, tag = "1")]
    pub disk: u32,
    /// The disk's node.
    #[prost(uint64, tag = "2")]
    pub node: u64,
    /// Stable name: `whole`, `filling`, `lacks`, `silent`, `failed`, `gone`, `leaving` or `away`.
    #[prost(string, tag = "3")]
    pub condition: String,
    /// Single chunks that it is known to lack, counted up to 1,000.
    #[prost(uint64, tag = "4")]
    pub lacks: u64,
    /// It stands in for another member.
    #[prost(bool, tag = "5")]
    pub temporary: bool,
    /// While it is being filled: bytes still to be copied to it.
    #[prost(uint64, tag = "6")]
    pub bytes_left: u64,
    /// Which shard it holds.
    #[prost(uint32, tag = "7")]
    pub shard: u32,
}

/// How far a procedure is.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ProcedureStatus {
    /// Which.
    #[prost(enumeration = "crate::map::ProcedureKind", tag = "1")]
    pub kind: i32,
    /// The disk; 0: the whole node.
    #[prost(uint32, tag = "2")]
    pub disk: u32,
    /// The node, or the disk's node.
    #[prost(uint64, tag = "3")]
    pub node: u64,
    /// State time of its beginning, nanoseconds.
    #[prost(int64, tag = "4")]
    pub began_ns: i64,
    /// Groups that counted on it when it began.
    #[prost(uint64, tag = "5")]
    pub groups_begun: u64,
    /// Their bytes on it then, as far as they were counted.
    #[prost(uint64, tag = "6")]
    pub bytes_begun: u64,
    /// Groups that count on it still; of a replacement: on the disk that was there before.
    #[prost(uint64, tag = "7")]
    pub groups_left: u64,
    /// Their bytes that are not yet elsewhere.
    #[prost(uint64, tag = "8")]
    pub bytes_left: u64,
    /// Bytes per second copied for it over the last minutes.
    #[prost(uint64, tag = "9")]
    pub rate: u64,
    /// Seconds until it is done at this rate; absent: not known.
    #[prost(uint64, optional, tag = "10")]
    pub eta_s: Option<u64>,
    /// Of maintenance: seconds until it ends by itself; absent: it does not.
    #[prost(uint64, optional, tag = "11")]
    pub left_s: Option<u64>,
    /// What it waits for, for people; empty: nothing.
    #[prost(string, repeated, tag = "12")]
    pub blocked: Vec<String>,
    /// For a person: how far it is.
    #[prost(string, tag = "13")]
    pub detail: String,
    /// Nothing is left to do: a drained disk or node may be removed.
    #[prost(bool, tag = "14")]
    pub done: bool,
    /// Groups that the disk has left and still has to let go of.
    #[prost(uint64, tag = "15")]
    pub leaves: u64,
    /// What `blocked` says, with codes.
    #[prost(message, repeated, tag = "16")]
    pub blocked_reasons: Vec<Reason>,
    /// What `detail` says, with its code.
    #[prost(message, optional, tag = "17")]
    pub detail_reason: Option<Reason>,
}

/// What to do with a disk or node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ProcedureAction {
    /// Empty it: it keeps serving and gets nothing new.
    Drain = 0,
    /// It takes part again, whatever was under way with it.
    Resume = 1,
    /// The node is away for a while: nothing is rebuilt for that.
    Maintain = 2,
    /// The disk is lost for good: an empty one takes its place.
    Replace = 3,
    /// Forget it for good, after a proof that nothing is left on it.
    Remove = 4,
}

/// Begin, end or judge a procedure.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ProcedureRequest {
    /// What to do.
    #[prost(enumeration = "ProcedureAction", tag = "1")]
    pub action: i32,
    /// The disk; 0: a node.
    #[prost(uint32, tag = "2")]
    pub disk: u32,
    /// The node, if no disk is named.
    #[prost(uint64, tag = "3")]
    pub node: u64,
    /// Do it although it has consequences that would otherwise refuse it.
    #[prost(bool, tag = "4")]
    pub force: bool,
    /// Of maintenance: for how many seconds.
    #[prost(uint64, tag = "5")]
    pub window_s: u64,
    /// Only say what would be.
    #[prost(bool, tag = "6")]
    pub only_judge: bool,
    /// Of what is to end: another kind that is under way is left alone, but drains and replacements are one. Absent:
    /// whatever is under way.
    #[prost(enumeration = "crate::map::ProcedureKind", optional, tag = "7")]
    pub ends: Option<i32>,
    /// Who wants it, for the audit log.
    #[prost(message, optional, tag = "8")]
    pub actor: Option<Actor>,
}

/// What came of it. A refusal is an error.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ProcedureReply {
    /// Groups that count on it.
    #[prost(uint64, tag = "1")]
    pub groups: u64,
    /// Their bytes on it, as far as they were counted.
    #[prost(uint64, tag = "2")]
    pub bytes: u64,
    /// What would have refused it but for `force`, or would refuse it.
    #[prost(string, repeated, tag = "3")]
    pub against: Vec<String>,
    /// Of a removal: what was found, disk by disk.
    #[prost(message, repeated, tag = "4")]
    pub proofs: Vec<RemovalProof>,
    /// It was so already.
    #[prost(bool, tag = "5")]
    pub already: bool,
    /// What `against` says, with codes.
    #[prost(message, repeated, tag = "6")]
    pub against_reasons: Vec<Reason>,
}

/// That nothing is left on a disk.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct RemovalProof {
    /// The disk.
    #[prost(uint32, tag = "1")]
    pub disk: u32,
    /// The life of it that was looked at.
    #[prost(uint64, tag = "2")]
    pub incarnation: u64,
    /// Log index of the state that was looked at.
    #[prost(uint64, tag = "3")]
    pub index: u64,
    /// Groups that count on it: 0.
    #[prost(uint64, tag = "4")]
    pub groups: u64,
    /// Groups that it left and was not yet seen to let go of: 0, unless it does not answer.
    #[prost(uint64, tag = "5")]
    pub leaves: u64,
    /// It answered, and its records were looked at one by one.
    #[prost(bool, tag = "6")]
    pub answered: bool,
    /// Records that it reported.
    #[prost(uint64, tag = "7")]
    pub records: u64,
    /// Of these, chunks that metadata knows: every one is whole on as many other disks as its class wants.
    #[prost(uint64, tag = "8")]
    pub elsewhere: u64,
    /// Of these, what metadata does not know any more.
    #[prost(uint64, tag = "9")]
    pub unknown: u64,
}
