//! Questions about who administers the cluster, what they did, and how it was.

/// See [`super::Query::ListAccounts`]. In order of name, at most 1,000.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ListAccounts {
    /// Only this one, with the hash of its password; empty: all, without.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// See [`super::Query::ListCredentials`]. With the account that an answer is about, if only one is asked for.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ListCredentials {
    /// Only of this account; empty: of all.
    #[prost(string, tag = "1")]
    pub account: String,
    /// Only the one with this digest; empty: all of them.
    #[prost(bytes = "bytes", tag = "2")]
    pub digest: bytes::Bytes,
    /// Start behind this marker (`next` of the last page); empty: from the start.
    #[prost(bytes = "bytes", tag = "3")]
    pub after: bytes::Bytes,
    /// Most, up to 1,000.
    #[prost(uint32, tag = "4")]
    pub most: u32,
}

/// See [`super::Query::ListShares`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ListShares {
    /// Only the one with this digest; empty: all.
    #[prost(bytes = "bytes", tag = "1")]
    pub digest: bytes::Bytes,
    /// Start behind this marker (`next` of the last page); empty: from the start.
    #[prost(bytes = "bytes", tag = "2")]
    pub after: bytes::Bytes,
    /// Most, up to 1,000.
    #[prost(uint32, tag = "3")]
    pub most: u32,
}

/// See [`super::Query::ListAudit`]. Newest first. What is asked for must all hold; a page may be short, or empty, although
/// there is more: looking through the log goes in steps of 10,000 entries.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ListAudit {
    /// Entries before this number (`next` of the last page, in decimal); 0: from the newest.
    #[prost(uint64, tag = "1")]
    pub before: u64,
    /// Most, up to 1,000.
    #[prost(uint32, tag = "2")]
    pub most: u32,
    /// Of one of these kinds; none: of any.
    #[prost(enumeration = "crate::audit::AuditKind", repeated, tag = "3")]
    pub kinds: Vec<i32>,
    /// Done by exactly this name.
    #[prost(string, tag = "4")]
    pub actor: String,
    /// The action is this, or begins with it and a dot.
    #[prost(string, tag = "5")]
    pub action: String,
    /// Somewhere in it, in any case.
    #[prost(string, tag = "6")]
    pub text: String,
    /// No earlier than this, nanoseconds since the Unix epoch; 0: any time.
    #[prost(int64, tag = "7")]
    pub from_ns: i64,
    /// Before this; 0: any time.
    #[prost(int64, tag = "8")]
    pub to_ns: i64,
    /// Its target is exactly this.
    #[prost(string, tag = "9")]
    pub target: String,
}

/// See [`super::Query::ListUsage`]. At most 10,000 hours.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct ListUsage {
    /// From this hour on, counted from the Unix epoch.
    #[prost(uint64, tag = "1")]
    pub from_hour: u64,
}
