//! Messages behind `holdfast admin` and the dashboard: the leader's soft state, membership of the metadata group.

use crate::cluster::{DiskReport, Peer, ScrubReport};
use crate::map::{Liveness, NodeLiveness, Standing};
use crate::op::Balance;

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
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
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
