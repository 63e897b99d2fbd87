//! RPC methods: number, name, connection class, and the messages that go with each.

use crate::{admin, audit, chunk, cluster, crosscheck, map, op, query, session};

/// Kinds of traffic that get connections of their own, so that a large transfer never delays a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Raft votes and heartbeats.
    RaftControl,
    /// Raft entries and snapshots.
    RaftLog,
    /// Metadata requests, heartbeats, orders, administration.
    Meta,
    /// Chunk bytes.
    Data,
}

/// One method: a request, a reply, either of which may be followed by payload bytes.
pub trait Method: 'static {
    /// Wire number.
    const NUMBER: u16;
    /// For logs and metrics.
    const NAME: &'static str;
    /// Which connections it uses.
    const CLASS: Class;
    /// Its request.
    type Request: prost::Message + Default + Clone + 'static;
    /// Its reply.
    type Reply: prost::Message + Default + Clone + 'static;
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $class:ident, $request:ty => $reply:ty;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $name;
            impl Method for $name {
                const NUMBER: u16 = $number;
                const NAME: &'static str = stringify!($name);
                const CLASS: Class = Class::$class;
                type Request = $request;
                type Reply = $reply;
            }
        )*

        /// Every method: number, name and class, in order of number.
        pub const ALL: &[(u16, &str, Class)] = &[$(($number, stringify!($name), Class::$class)),*];
    };
}

methods! {
    /// Votes and heartbeats of Raft.
    RaftVote = 1, RaftControl, cluster::RaftEnvelope => cluster::RaftEnvelope;
    /// Raft's entries (with none, a heartbeat: sent on the control connection by the caller's choice).
    RaftAppend = 2, RaftLog, cluster::RaftEnvelope => cluster::RaftEnvelope;
    /// A piece of a snapshot.
    RaftSnapshot = 3, RaftLog, cluster::SnapshotPiece => cluster::SnapshotPieceReply;
    /// Ask a follower to stand for election at once (leader transfer).
    RaftTransfer = 4, RaftControl, cluster::RaftEnvelope => cluster::RaftEnvelope;
    /// An append without entries: Raft's heartbeat.
    RaftHeartbeat = 5, RaftControl, cluster::RaftEnvelope => cluster::RaftEnvelope;
    /// Which vote a voter stands by: asked past Raft's core before linearizable reads.
    RaftConfirm = 6, Meta, cluster::RaftEnvelope => cluster::RaftEnvelope;

    /// Change the metadata.
    Mutate = 10, Meta, op::Command => op::Reply;
    /// Ask the metadata.
    Ask = 11, Meta, query::QueryRequest => query::QueryReply;
    /// Keep a session alive.
    KeepSession = 12, Meta, session::SessionHeartbeat => session::SessionHeartbeatReply;
    /// Fetch the cluster map.
    GetMap = 13, Meta, map::MapRequest => map::MapReply;
    /// Become a node.
    Join = 14, Meta, cluster::JoinRequest => cluster::JoinReply;
    /// A chunkserver's sign of life.
    Beat = 15, Meta, cluster::Heartbeat => cluster::HeartbeatReply;
    /// Tell of a bad replica or an unreachable node.
    Report = 16, Meta, cluster::ReportProblem => cluster::Empty;
    /// Register a disk (a chunkserver at its start); the command must be `RegisterDisk`.
    AdmitDisk = 17, Meta, op::RegisterDisk => op::Reply;
    /// Tell what a session holds open.
    KeepOpens = 18, Meta, session::KeepOpens => session::KeepOpensReply;
    /// Wait for changes of what a session was told.
    Watch = 19, Meta, session::Watch => session::Changes;

    /// Store a replica or shard.
    Write = 30, Data, chunk::WriteChunk => chunk::WriteReply;
    /// Read a range of one.
    Read = 31, Data, chunk::ReadChunk => chunk::ReadReply;
    /// Leader's order: delete.
    Delete = 32, Meta, chunk::DeleteChunks => chunk::DeleteReply;
    /// Leader's order: copy from other members.
    Pull = 33, Meta, chunk::PullChunks => chunk::PullReply;
    /// What a disk has.
    Records = 34, Meta, chunk::ListRecords => chunk::RecordList;
    /// Check bytes on the platters.
    Verify = 35, Meta, chunk::VerifyChunks => chunk::VerifyReply;

    /// The cluster's condition.
    Condition = 50, Meta, admin::StatusRequest => admin::ClusterStatus;
    /// Change the metadata group.
    Membership = 51, Meta, admin::ChangeMembership => admin::MetaStatus;
    /// Check this node's copy of the metadata.
    Check = 52, Meta, admin::CheckRequest => admin::CheckReply;
    /// What balancing is at, and what it would do.
    Balancing = 53, Meta, admin::BalanceRequest => admin::BalanceReply;
    /// How the scrub of disks is.
    Scrubs = 54, Meta, admin::ScrubRequest => admin::ScrubReply;
    /// How safe data is, group by group, and how far procedures are.
    Health = 56, Meta, admin::HealthRequest => admin::HealthReply;
    /// Begin or end a procedure with a disk or node.
    Procedures = 57, Meta, admin::ProcedureRequest => admin::ProcedureReply;
    /// Look into what fsck found on a disk, and have it put right.
    CrossCheck = 58, Meta, crosscheck::CrossCheck => crosscheck::CrossCheckReply;
    /// Follow the chain of this node's copy of the audit log.
    VerifyAudit = 59, Meta, audit::VerifyAudit => audit::VerifyAuditReply;
    /// A round trip that does nothing: liveness of a connection, latency.
    Ping = 60, RaftControl, cluster::Empty => cluster::Empty;
    /// What clients did lately.
    Recent = 61, Meta, admin::RecentRequest => admin::RecentReply;
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_unique_and_ordered() {
        assert!(super::ALL.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
