//! Commands on the cluster as a whole: genesis, access keys, settings, the join token.

use super::{PutAccount, PutClass, RegisterNode};

/// See [`super::Op::Genesis`]. Refused when the state is not empty.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Genesis {
    /// The cluster's id.
    #[prost(bytes = "bytes", tag = "1")]
    pub cluster: bytes::Bytes,
    /// The first node. It gets id 1.
    #[prost(message, optional, tag = "2")]
    pub node: Option<RegisterNode>,
    /// The default class. It gets id 1.
    #[prost(message, optional, tag = "3")]
    pub class: Option<PutClass>,
    /// Format version of the state.
    #[prost(uint32, tag = "4")]
    pub state_version: u32,
    /// The first access key.
    #[prost(message, optional, tag = "5")]
    pub key: Option<PutKey>,
    /// The join token.
    #[prost(message, optional, tag = "6")]
    pub token: Option<PutJoinToken>,
    /// The first account.
    #[prost(message, optional, tag = "7")]
    pub account: Option<PutAccount>,
}

/// What an access key may do in buckets that match.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct KeyRule {
    /// A bucket name, or a prefix followed by `*`.
    #[prost(string, tag = "1")]
    pub bucket: String,
    /// May read and list.
    #[prost(bool, tag = "2")]
    pub read: bool,
    /// May write and delete objects.
    #[prost(bool, tag = "3")]
    pub write: bool,
    /// May create and delete the bucket and change its settings.
    #[prost(bool, tag = "4")]
    pub manage: bool,
}

/// See [`super::Op::PutKey`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct PutKey {
    /// Access key id.
    #[prost(string, tag = "1")]
    pub access_key: String,
    /// Secret. Signature V4 needs it in clear at the gateways. Empty, for a key that is there: it stays as it is.
    #[prost(string, tag = "2")]
    pub secret_key: String,
    /// For people.
    #[prost(string, tag = "3")]
    pub description: String,
    /// What it may do. Empty: nothing.
    #[prost(message, repeated, tag = "4")]
    pub rules: Vec<KeyRule>,
    /// Not usable for now.
    #[prost(bool, tag = "5")]
    pub disabled: bool,
}

/// See [`super::Op::DeleteKey`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct DeleteKey {
    /// Access key id.
    #[prost(string, tag = "1")]
    pub access_key: String,
}

/// See [`super::Op::PutSetting`]. Names and ranges are those of `state/src/settings.rs`.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct PutSetting {
    /// Name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Value as text; empty: back to the default.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// See [`super::Op::PutJoinToken`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct PutJoinToken {
    /// BLAKE3 of the token; empty: no node may join.
    #[prost(bytes = "bytes", tag = "1")]
    pub digest: bytes::Bytes,
}
