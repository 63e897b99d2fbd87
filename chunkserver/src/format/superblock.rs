//! The superblock: which disk this is. One small file, replaced as a whole.

use holdfast_proto::ids::{ClusterId, DiskId, Incarnation, NodeId};
use holdfast_support::crc::crc32c;

use super::{FormatFault, field};

/// First bytes of every superblock.
pub const MAGIC: [u8; 8] = *b"HFDISK01";

/// Version this build writes.
pub const VERSION: u32 = 1;

const DISK_AT: usize = 12;
const INCARNATION_AT: usize = 16;
const CLUSTER_AT: usize = 24;
const FINGERPRINT_AT: usize = 40;
const NODE_AT: usize = 56;
const CREATED_AT: usize = 64;
const CRC_AT: usize = 80;

/// Bytes of a superblock.
pub const BYTES: usize = CRC_AT + 4;

/// Offset, length and name of every field, as the picture in [`super`] shows them.
#[cfg(test)]
pub(super) const FIELDS: &[(usize, usize, &str)] = &[
    (0, MAGIC.len(), "magic HFDISK01"),
    (8, 4, "version"),
    (DISK_AT, 4, "disk id"),
    (INCARNATION_AT, 8, "incarnation"),
    (CLUSTER_AT, 16, "cluster id"),
    (FINGERPRINT_AT, 16, "fingerprint"),
    (NODE_AT, 8, "node id"),
    (CREATED_AT, 8, "created"),
    (72, 8, "reserved"),
    (CRC_AT, 4, "CRC32C of 0..80"),
];

/// Which disk this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// Its id; 0 until the leader has given one.
    pub disk: DiskId,
    /// Which life of it; 0 until the leader has given one.
    pub incarnation: Incarnation,
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// Random, so that a swapped disk is noticed.
    pub fingerprint: [u8; 16],
    /// The node it belongs to.
    pub node: NodeId,
    /// When it was made, in unix seconds, for people.
    pub created: u64,
}

impl Superblock {
    /// The bytes of the file.
    pub fn encode(&self) -> [u8; BYTES] {
        let mut out = [0; BYTES];
        field::put(&mut out, 0, &MAGIC);
        field::put(&mut out, 8, &VERSION.to_le_bytes());
        field::put(&mut out, DISK_AT, &self.disk.0.to_le_bytes());
        field::put(&mut out, INCARNATION_AT, &self.incarnation.0.to_le_bytes());
        field::put(&mut out, CLUSTER_AT, &self.cluster.0);
        field::put(&mut out, FINGERPRINT_AT, &self.fingerprint);
        field::put(&mut out, NODE_AT, &self.node.0.to_le_bytes());
        field::put(&mut out, CREATED_AT, &self.created.to_le_bytes());
        let crc = crc32c(&out[..CRC_AT]);
        field::put(&mut out, CRC_AT, &crc.to_le_bytes());
        out
    }

    /// Reads the file.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatFault> {
        let bytes = bytes.get(..BYTES).ok_or(FormatFault::Short)?;
        if bytes[..8] != MAGIC {
            return Err(FormatFault::Magic);
        }
        if field::u32_at(bytes, CRC_AT) != crc32c(&bytes[..CRC_AT]) {
            return Err(FormatFault::Checksum);
        }
        match field::u32_at(bytes, 8) {
            VERSION => {}
            other => return Err(FormatFault::Version(other)),
        }
        Ok(Self {
            disk: DiskId(field::u32_at(bytes, DISK_AT)),
            incarnation: Incarnation(field::u64_at(bytes, INCARNATION_AT)),
            cluster: ClusterId(field::array_at(bytes, CLUSTER_AT)),
            fingerprint: field::array_at(bytes, FINGERPRINT_AT),
            node: NodeId(field::u64_at(bytes, NODE_AT)),
            created: field::u64_at(bytes, CREATED_AT),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_and_notices_flips() {
        let block = Superblock {
            disk: DiskId(3),
            incarnation: Incarnation(99),
            cluster: ClusterId([1; 16]),
            fingerprint: [2; 16],
            node: NodeId(7),
            created: 1_700_000_000,
        };
        let bytes = block.encode();
        assert_eq!(Superblock::decode(&bytes), Ok(block));
        for bit in 0..BYTES * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Superblock::decode(&bad).is_err(), "bit {bit}");
        }
        assert_eq!(Superblock::decode(&bytes[..40]), Err(FormatFault::Short));
    }
}
