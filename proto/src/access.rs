//! Who may administer the cluster: accounts and their roles, what proves that somebody is one of them (login
//! sessions, API tokens), and links with which a file is shared with whoever has them.
//!
//! No secret is in these messages: passwords are argon2 hashes, everything else is the BLAKE3 of a random secret.

/// What an account may do. Each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Role {
    /// Nothing.
    None = 0,
    /// See everything but secrets.
    Viewer = 1,
    /// Steer the cluster and change files.
    Operator = 2,
    /// Also accounts, keys, settings, members of the metadata group.
    Admin = 3,
}

/// Somebody who administers the cluster.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Account {
    /// Its name: 1 to 64 lower-case letters, digits or `-_.@`, a letter or digit first.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What it may do.
    #[prost(enumeration = "Role", tag = "2")]
    pub role: i32,
    /// argon2 hash of its password, as a PHC string. Left out of answers to anybody but who verifies it.
    #[prost(string, tag = "3")]
    pub password: String,
    /// It cannot be used.
    #[prost(bool, tag = "4")]
    pub disabled: bool,
    /// It can do nothing before it has chosen another password.
    #[prost(bool, tag = "5")]
    pub must_change: bool,
    /// When it was made, state time in nanoseconds.
    #[prost(int64, tag = "6")]
    pub created_ns: i64,
    /// When somebody last logged in with it; 0: never.
    #[prost(int64, tag = "7")]
    pub login_ns: i64,
}

/// What a credential is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum CredentialKind {
    /// A browser that logged in.
    Login = 0,
    /// A program.
    Token = 1,
}

/// Proof that somebody acts for an account: whoever knows the secret.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Credential {
    /// The account.
    #[prost(string, tag = "1")]
    pub account: String,
    /// BLAKE3 of the secret, 32 bytes.
    #[prost(bytes = "bytes", tag = "2")]
    pub digest: bytes::Bytes,
    /// What it is for.
    #[prost(enumeration = "CredentialKind", tag = "3")]
    pub kind: i32,
    /// It may do no more than this, and no more than the account.
    #[prost(enumeration = "Role", tag = "4")]
    pub role: i32,
    /// For people: what a token is for, or the browser that logged in.
    #[prost(string, tag = "5")]
    pub description: String,
    /// From where it was asked for.
    #[prost(string, tag = "6")]
    pub from: String,
    /// When it was made.
    #[prost(int64, tag = "7")]
    pub created_ns: i64,
    /// When it was last used, some minutes old; 0: never.
    #[prost(int64, tag = "8")]
    pub used_ns: i64,
    /// When it ends; 0: never.
    #[prost(int64, tag = "9")]
    pub expires_ns: i64,
}

/// A link to one file.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Share {
    /// BLAKE3 of the secret in the link, 32 bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub digest: bytes::Bytes,
    /// Bucket of the file.
    #[prost(string, tag = "2")]
    pub bucket: String,
    /// Its key: what lies there when the link is used is what it shows.
    #[prost(bytes = "bytes", tag = "3")]
    pub key: bytes::Bytes,
    /// The account that made it.
    #[prost(string, tag = "4")]
    pub account: String,
    /// When it was made.
    #[prost(int64, tag = "5")]
    pub created_ns: i64,
    /// When it ends.
    #[prost(int64, tag = "6")]
    pub expires_ns: i64,
}
