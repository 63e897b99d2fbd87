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
    /// Holds files open by number, so they outlive their names (a mount). Only such a session may open any.
    #[prost(bool, tag = "4")]
    pub holds_files: bool,
}

/// What a client did for its users since it began, in sums that only grow. Background work is left out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct ClientIo {
    /// Bytes given to readers.
    #[prost(uint64, tag = "1")]
    pub read_bytes: u64,
    /// Bytes taken from writers and made durable.
    #[prost(uint64, tag = "2")]
    pub write_bytes: u64,
    /// Ranges read.
    #[prost(uint64, tag = "3")]
    pub reads: u64,
    /// Contents made durable.
    #[prost(uint64, tag = "4")]
    pub writes: u64,
    /// Questions to and changes of the metadata.
    #[prost(uint64, tag = "5")]
    pub metas: u64,
    /// Time that the reads took, in microseconds.
    #[prost(uint64, tag = "6")]
    pub read_us: u64,
    /// Time that the writes took.
    #[prost(uint64, tag = "7")]
    pub write_us: u64,
    /// Time that the metadata took.
    #[prost(uint64, tag = "8")]
    pub meta_us: u64,
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
    /// What it did for its users; absent: nothing of interest.
    #[prost(message, optional, tag = "4")]
    pub io: Option<ClientIo>,
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
    /// The leader does not know what the session holds open: it is to say so with `KeepOpens`.
    #[prost(bool, tag = "4")]
    pub assert_opens: bool,
}

/// One inode that a session holds open, or no longer does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Open {
    /// The inode.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
    /// The highest number under which it was opened.
    #[prost(uint64, tag = "2")]
    pub number: u64,
}

/// What a session holds open, and what it no longer does, in pages of at most [`MAX_OPENS`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct KeepOpens {
    /// The session.
    #[prost(uint64, tag = "1")]
    pub session: u64,
    /// The term in which it is asserted what is open; a leader of another one does not count it.
    #[prost(uint64, tag = "2")]
    pub term: u64,
    /// This page belongs to the assertion of this number, from scratch; numbers grow. 0: only closes.
    #[prost(uint64, tag = "3")]
    pub assertion: u64,
    /// What is open.
    #[prost(message, repeated, tag = "4")]
    pub opens: Vec<Open>,
    /// What no longer is. Forgotten only if it was not opened under a higher number.
    #[prost(message, repeated, tag = "5")]
    pub closes: Vec<Open>,
    /// With this page the assertion is complete: what it did not name is not open,
    #[prost(bool, tag = "6")]
    pub last: bool,
    /// unless it was opened under a number above this one.
    #[prost(uint64, tag = "7")]
    pub upto: u64,
}

/// Answer to [`KeepOpens`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct KeepOpensReply {
    /// The leader's term. If it is not the one of the request, only closes were taken.
    #[prost(uint64, tag = "1")]
    pub term: u64,
}

/// Most opens, and most closes, of one [`KeepOpens`].
pub const MAX_OPENS: usize = 10_000;

/// Waits for changes of what a session was told of since it said so in its questions ([`crate::query::QueryRequest`]),
/// or commanded itself. Answered when there are some, at the latest after [`WATCH_MS`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Watch {
    /// The session.
    #[prost(uint64, tag = "1")]
    pub session: u64,
    /// The term and number of the last answer; 0: there was none.
    #[prost(uint64, tag = "2")]
    pub term: u64,
    /// See `term`.
    #[prost(uint64, tag = "3")]
    pub seq: u64,
    /// Inodes of which the session wants to hear no more, at most [`MAX_OPENS`].
    #[prost(uint64, repeated, tag = "4")]
    pub forget: Vec<u64>,
}

/// Answer to [`Watch`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Changes {
    /// The leader's term.
    #[prost(uint64, tag = "1")]
    pub term: u64,
    /// Number of this answer.
    #[prost(uint64, tag = "2")]
    pub seq: u64,
    /// Whatever the session was told before this answer may have changed.
    #[prost(bool, tag = "3")]
    pub all: bool,
    /// What changed, in order.
    #[prost(message, repeated, tag = "4")]
    pub changes: Vec<Changed>,
}

/// An inode changed, or a name in it.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Changed {
    /// The inode.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
    /// The log index at which it did.
    #[prost(uint64, tag = "2")]
    pub index: u64,
    /// Absent: its own record. Otherwise the name, without the slash that a directory's name is stored with.
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub name: Option<bytes::Bytes>,
}

/// Longest wait for the answer to a [`Watch`], in milliseconds.
pub const WATCH_MS: u64 = 400;

impl ClientIo {
    /// Both together.
    pub fn plus(&self, other: &Self) -> Self {
        self.each(other, u64::saturating_add)
    }

    /// What came since `before`; nothing where it is not more, as when sums began anew.
    pub fn since(&self, before: &Self) -> Self {
        self.each(before, u64::saturating_sub)
    }

    fn each(&self, other: &Self, both: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            read_bytes: both(self.read_bytes, other.read_bytes),
            write_bytes: both(self.write_bytes, other.write_bytes),
            reads: both(self.reads, other.reads),
            writes: both(self.writes, other.writes),
            metas: both(self.metas, other.metas),
            read_us: both(self.read_us, other.read_us),
            write_us: both(self.write_us, other.write_us),
            meta_us: both(self.meta_us, other.meta_us),
        }
    }
}
