//! Limits on what a directory may hold, with everything below it.

/// See [`super::Op::SetQuota`]. A directory with content is counted in steps first; until then nothing is refused.
/// Trees with a quota do not lie in one another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct SetQuota {
    /// The directory.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
    /// Most bytes, as `allocated` counts them; 0: no limit.
    #[prost(uint64, tag = "2")]
    pub bytes: u64,
    /// Most inodes, the directory itself included; 0: no limit. With neither limit the quota is removed.
    #[prost(uint64, tag = "3")]
    pub files: u64,
}

/// See [`super::Op::QuotaStep`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct QuotaStep {
    /// The number of the quota.
    #[prost(uint64, tag = "1")]
    pub quota: u64,
    /// Most entries of directories to look at, at most 500.
    #[prost(uint32, tag = "2")]
    pub most: u32,
}
