//! Sessions: a client's identity at the metaserver.
//!
//! A session is drawn at random by the client and opened by its first command. It carries the exactly-once
//! window, the grants under which chunk numbers are made, opens and locks. While it lives, the client tells the
//! leader about once a second that it does, and which old metadata replies it still relies on.

/// Opens a session with the command that carries it. Harmless when it is open already.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct OpenSession {
    /// For people: program, host, mount point.
    #[prost(string, tag = "1")]
    pub description: String,
    /// Silence after which the leader may end it, in milliseconds.
    #[prost(uint64, tag = "2")]
    pub ttl_ms: u64,
    /// Wants a grant at once.
    #[prost(bool, tag = "3")]
    pub grant: bool,
}

/// Sent about once a second, and at once when asked to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct SessionHeartbeat {
    /// The session.
    #[prost(uint64, tag = "1")]
    pub session: u64,
    /// Log index of the oldest metadata reply still relied on, counting requests under way at the highest index
    /// seen when they were sent. Chunks that died later must stay.
    #[prost(uint64, tag = "2")]
    pub oldest_index: u64,
    /// The map epoch the client has.
    #[prost(uint64, tag = "3")]
    pub map_epoch: u64,
}

/// Answer to a session's heartbeat.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct SessionHeartbeatReply {
    /// The current map epoch.
    #[prost(uint64, tag = "1")]
    pub map_epoch: u64,
    /// The leader's term.
    #[prost(uint64, tag = "2")]
    pub term: u64,
    /// Log index applied when it was answered.
    #[prost(uint64, tag = "3")]
    pub index: u64,
}
