//! The list of what a snapshot consists of. It makes a snapshot complete: without a valid manifest, or with a file
//! that does not match it, there is no snapshot.
//!
//! ```text
//! magic "HFSNAP1\n" | length u32 | prost body | BLAKE3 of the body (32 bytes)
//! ```

use std::path::Path;

use bytes::{Buf, Bytes};
use prost::Message;

use super::error::MetaError;
use super::marker::Marker;

const MAGIC: &[u8; 8] = b"HFSNAP1\n";

/// Version of the layout of a snapshot.
pub(crate) const VERSION: u32 = 1;

/// Name under which the manifest travels and lies.
pub(crate) const MANIFEST: &str = "MANIFEST";

/// One file of the table.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct File {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(uint64, tag = "2")]
    pub(crate) bytes: u64,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) blake3: Bytes,
}

/// See the module's head.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Manifest {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    /// An encoded [`Marker`]: applied log id, command count, membership.
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) marker: Bytes,
    #[prost(message, repeated, tag = "3")]
    pub(crate) files: Vec<File>,
}

impl Manifest {
    pub(crate) fn to_file(&self) -> Vec<u8> {
        let body = self.encode_to_vec();
        let mut out = Vec::with_capacity(body.len() + 44);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&(body.len() as u32).to_be_bytes());
        out.extend_from_slice(&body);
        out.extend_from_slice(blake3::hash(&body).as_bytes());
        out
    }

    pub(crate) fn from_file(bytes: &[u8], path: &Path) -> Result<Self, MetaError> {
        let damaged = |reason: &str| MetaError::damaged(path.display().to_string(), reason);
        let mut rest =
            bytes.strip_prefix(MAGIC.as_slice()).ok_or_else(|| damaged("not a snapshot manifest"))?;
        if rest.remaining() < 4 {
            return Err(damaged("too short"));
        }
        let length = rest.get_u32() as usize;
        if rest.len() != length + 32 {
            return Err(damaged("its length does not fit"));
        }
        let (body, sum) = rest.split_at(length);
        if blake3::hash(body).as_bytes() != sum {
            return Err(damaged("its checksum does not fit"));
        }
        let manifest = Self::decode(body).map_err(|e| damaged(&e.to_string()))?;
        if manifest.version != VERSION {
            return Err(damaged(&format!("version {} is not known to this build", manifest.version)));
        }
        // Names come from other machines and become paths.
        let plain = |f: &File| {
            !f.name.is_empty() && f.name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        if !manifest.files.iter().all(|f| plain(f) && f.name != "." && f.name != ".." && f.blake3.len() == 32)
        {
            return Err(damaged("a file name or checksum in it is malformed"));
        }
        Ok(manifest)
    }

    pub(crate) fn marker(&self, path: &Path) -> Result<Marker, MetaError> {
        Marker::decode(self.marker.clone()).map_err(|e| MetaError::damaged(path.display().to_string(), e))
    }
}

/// The name of a snapshot: term and index of its last entry.
pub(crate) fn name_of(marker: &Marker) -> String {
    let (term, index) = marker.applied.map_or((0, 0), |id| (id.committed_leader_id().term, id.index()));
    format!("{term:08}-{index:016}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Manifest {
        let file = File { name: "000007.sst".into(), bytes: 9, blake3: Bytes::from(vec![7; 32]) };
        Manifest { version: VERSION, marker: Marker::default().encode(), files: vec![file] }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let good = sample().to_file();
        let path = Path::new("manifest");
        assert_eq!(Manifest::from_file(&good, path).unwrap(), sample());
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(Manifest::from_file(&bad, path).is_err(), "byte {at}");
            assert!(Manifest::from_file(&good[..at], path).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn names_that_leave_the_directory_are_refused() {
        for name in ["../x", "", ".", "..", "a/b", "a\0"] {
            let mut manifest = sample();
            manifest.files[0].name = name.into();
            assert!(Manifest::from_file(&manifest.to_file(), Path::new("m")).is_err(), "{name:?}");
        }
    }
}
