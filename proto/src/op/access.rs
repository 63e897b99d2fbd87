//! Commands on accounts, credentials and shared links, and on the audit log.

use crate::access::{Credential, Share};
use crate::audit::AuditNote;

/// See [`super::Op::PutAccount`]. What is absent stays as it is. Refused if no enabled account with the role admin would
/// be left. A new password, role or state ends the account's logins, but for `keep`.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct PutAccount {
    /// See [`crate::access::Account::name`].
    #[prost(string, tag = "1")]
    pub name: String,
    /// It must not be there yet; needs a role and a password. False: it must.
    #[prost(bool, tag = "2")]
    pub create: bool,
    /// New role.
    #[prost(enumeration = "crate::access::Role", optional, tag = "3")]
    pub role: Option<i32>,
    /// New password, as an argon2 hash in PHC form.
    #[prost(string, optional, tag = "4")]
    pub password: Option<String>,
    /// Whether it cannot be used.
    #[prost(bool, optional, tag = "5")]
    pub disabled: Option<bool>,
    /// Whether its user has to choose another password first.
    #[prost(bool, optional, tag = "6")]
    pub must_change: Option<bool>,
    /// Digest of the login that stays.
    #[prost(bytes = "bytes", tag = "7")]
    pub keep: bytes::Bytes,
}

/// See [`super::Op::DeleteAccount`]. Its logins and tokens go with it.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct DeleteAccount {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// See [`super::Op::PutCredential`]. The state sets when it was made. An account has at most 64 logins, the oldest of
/// which makes way, and 64 tokens.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct PutCredential {
    /// The credential.
    #[prost(message, optional, tag = "1")]
    pub credential: Option<Credential>,
    /// Seconds after which it ends; 0: never.
    #[prost(uint64, tag = "2")]
    pub lasts_s: u64,
}

/// See [`super::Op::TouchCredential`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct TouchCredential {
    /// The account.
    #[prost(string, tag = "1")]
    pub account: String,
    /// Its digest.
    #[prost(bytes = "bytes", tag = "2")]
    pub digest: bytes::Bytes,
    /// It ends no sooner than this many seconds from now; 0: its end does not change.
    #[prost(uint64, tag = "3")]
    pub lasts_s: u64,
}

/// See [`super::Op::DeleteCredential`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct DeleteCredential {
    /// The account.
    #[prost(string, tag = "1")]
    pub account: String,
    /// Its digest.
    #[prost(bytes = "bytes", tag = "2")]
    pub digest: bytes::Bytes,
    /// It is over anyhow: nothing is noted.
    #[prost(bool, tag = "3")]
    pub expired: bool,
}

/// See [`super::Op::PutShare`]. The state sets when it was made.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct PutShare {
    /// The share.
    #[prost(message, optional, tag = "1")]
    pub share: Option<Share>,
    /// Seconds after which it ends.
    #[prost(uint64, tag = "2")]
    pub lasts_s: u64,
}

/// See [`super::Op::DeleteShare`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct DeleteShare {
    /// Its digest.
    #[prost(bytes = "bytes", tag = "1")]
    pub digest: bytes::Bytes,
    /// It is over anyhow: nothing is noted.
    #[prost(bool, tag = "2")]
    pub expired: bool,
}

/// See [`super::Op::NoteAudit`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct NoteAudit {
    /// What is to be noted, in order; at most 100.
    #[prost(message, repeated, tag = "1")]
    pub notes: Vec<AuditNote>,
}

/// See [`super::Op::TrimAudit`]. Entries are let go of that are older than this, at most 1,000 by one command.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct TrimAudit {
    /// Uptime of the cluster, in seconds, before which they were made.
    #[prost(uint64, tag = "1")]
    pub before_s: u64,
}

/// See [`super::Op::NoteUsage`]: how full and how busy the cluster was.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct NoteUsage {
    /// Hours since the Unix epoch, by state time. Set by the state.
    #[prost(uint64, tag = "1")]
    pub hour: u64,
    /// Raw capacity of the disks that take part, in bytes.
    #[prost(uint64, tag = "2")]
    pub raw: u64,
    /// Raw bytes used.
    #[prost(uint64, tag = "3")]
    pub raw_used: u64,
    /// Bytes of all files, before redundancy.
    #[prost(uint64, tag = "4")]
    pub stored: u64,
    /// Bytes that can still be written in the default class.
    #[prost(uint64, tag = "5")]
    pub available: u64,
    /// What clients did in this hour, as far as the leader saw it.
    #[prost(message, optional, tag = "6")]
    pub io: Option<crate::session::ClientIo>,
    /// Seconds of the hour that `io` covers.
    #[prost(uint64, tag = "7")]
    pub io_s: u64,
}
