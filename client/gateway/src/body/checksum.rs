//! The checksums that S3 clients send and ask for: CRC32, CRC32C, CRC64NVME, SHA-1, SHA-256.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use holdfast_proto::inode::ObjectChecksum;
use http::HeaderMap;
use sha2::Digest;

/// One of the five.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

/// All of them.
pub(crate) const ALL: [Algorithm; 5] =
    [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme, Algorithm::Sha1, Algorithm::Sha256];

impl Algorithm {
    /// As S3 writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The header or trailer that carries it.
    pub(crate) fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// Reads a name in any case.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        ALL.into_iter().find(|a| a.name().eq_ignore_ascii_case(name))
    }

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    /// Whether the checksum of a whole can be computed from those of its parts.
    pub(crate) fn combines(self) -> bool {
        self.crc().is_some()
    }

    /// Bytes of a value.
    pub(crate) fn length(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// Reads a value in base64; `None` when it cannot be one of this algorithm.
    pub(crate) fn decode(self, text: &str) -> Option<Vec<u8>> {
        STANDARD.decode(text).ok().filter(|bytes| bytes.len() == self.length())
    }

    fn bytes_of(self, crc: u64) -> Vec<u8> {
        crc.to_be_bytes()[8 - self.length()..].to_vec()
    }

    /// The checksum of a whole whose parts have these checksums (in bytes) and lengths.
    pub(crate) fn combine(self, parts: &[(Vec<u8>, u64)]) -> Option<Vec<u8>> {
        let crc = self.crc()?;
        let mut whole: Option<u64> = None;
        for (value, length) in parts {
            let number = value.iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
            whole = Some(match whole {
                None => number,
                Some(before) => crc_fast::checksum_combine(crc, before, number, *length),
            });
        }
        whole.map(|n| self.bytes_of(n))
    }

    /// The checksum of some bytes.
    pub(crate) fn of(self, data: &[u8]) -> Vec<u8> {
        let mut hasher = Hasher::new(self);
        hasher.update(data);
        hasher.finish()
    }
}

/// A checksum in the making.
pub(crate) enum Hasher {
    Crc(Algorithm, crc_fast::Digest),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
}

impl Hasher {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Crc32 => Self::Crc(algorithm, crc_fast::Digest::new(CrcAlgorithm::Crc32IsoHdlc)),
            Algorithm::Crc32c => Self::Crc(algorithm, crc_fast::Digest::new(CrcAlgorithm::Crc32Iscsi)),
            Algorithm::Crc64Nvme => Self::Crc(algorithm, crc_fast::Digest::new(CrcAlgorithm::Crc64Nvme)),
            Algorithm::Sha1 => Self::Sha1(sha1::Sha1::new()),
            Algorithm::Sha256 => Self::Sha256(sha2::Sha256::new()),
        }
    }

    pub(crate) fn update(&mut self, data: &[u8]) {
        match self {
            Self::Crc(_, digest) => digest.update(data),
            Self::Sha1(digest) => digest.update(data),
            Self::Sha256(digest) => digest.update(data),
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        match self {
            Self::Crc(algorithm, digest) => algorithm.bytes_of(digest.finalize()),
            Self::Sha1(digest) => digest.finalize().to_vec(),
            Self::Sha256(digest) => digest.finalize().to_vec(),
        }
    }
}

/// Base64 of bytes, as headers carry them.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// A checksum that a client gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) algorithm: Algorithm,
    pub(crate) value: Vec<u8>,
}

/// What is wrong with the checksums of a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChecksumError {
    #[error("expecting a single x-amz-checksum- header")]
    Several,
    #[error("value for {0} header is invalid")]
    Invalid(&'static str),
    #[error(
        "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found"
    )]
    Announced,
    #[error("the algorithm {0} is not known")]
    Unknown(String),
    #[error("the Content-MD5 you specified is not valid")]
    InvalidMd5,
}

/// The one checksum in a set of headers or trailers.
pub(crate) fn given(headers: &HeaderMap) -> Result<Option<Given>, ChecksumError> {
    let mut found = None;
    for algorithm in ALL {
        let mut values = headers.get_all(algorithm.header()).iter();
        let Some(value) = values.next() else { continue };
        if values.next().is_some() || found.is_some() {
            return Err(ChecksumError::Several);
        }
        let value = value.to_str().ok().and_then(|v| algorithm.decode(v));
        found = Some(Given { algorithm, value: value.ok_or(ChecksumError::Invalid(algorithm.header()))? });
    }
    Ok(found)
}

/// The algorithm of the checksum that a trailer is to bring (`x-amz-trailer`).
pub(crate) fn in_trailer(headers: &HeaderMap) -> Option<Algorithm> {
    let names = headers.get_all("x-amz-trailer");
    let mut names = names.iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
    names.find_map(|name| ALL.into_iter().find(|a| a.header().eq_ignore_ascii_case(name.trim())))
}

/// Checks that an algorithm announced by `x-amz-sdk-checksum-algorithm` comes with a value.
pub(crate) fn check_announced(headers: &HeaderMap) -> Result<(), ChecksumError> {
    let Some(name) = headers.get("x-amz-sdk-checksum-algorithm") else { return Ok(()) };
    let name = name.to_str().unwrap_or("");
    let algorithm = Algorithm::parse(name).ok_or_else(|| ChecksumError::Unknown(name.to_owned()))?;
    if headers.contains_key(algorithm.header()) || in_trailer(headers) == Some(algorithm) {
        return Ok(());
    }
    Err(ChecksumError::Announced)
}

/// `Content-MD5`.
pub(crate) fn content_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, ChecksumError> {
    let mut values = headers.get_all("content-md5").iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ChecksumError::InvalidMd5);
    }
    let bytes = STANDARD.decode(value.as_bytes()).map_err(|_| ChecksumError::InvalidMd5)?;
    Ok(Some(bytes.try_into().map_err(|_| ChecksumError::InvalidMd5)?))
}

/// As metadata keeps it.
pub(crate) fn stored(algorithm: Algorithm, value: &[u8], full_object: bool) -> ObjectChecksum {
    ObjectChecksum { algorithm: algorithm.name().into(), value: base64(value), full_object }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        let data = b"123456789";
        assert_eq!(hex::encode(Algorithm::Crc32.of(data)), "cbf43926");
        assert_eq!(hex::encode(Algorithm::Crc32c.of(data)), "e3069283");
        assert_eq!(hex::encode(Algorithm::Crc64Nvme.of(data)), "ae8b14860a799888");
        assert_eq!(hex::encode(Algorithm::Sha1.of(b"abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert!(hex::encode(Algorithm::Sha256.of(b"abc")).starts_with("ba7816bf"));
    }

    #[test]
    fn the_whole_follows_from_its_parts() {
        let data: Vec<u8> = (0..10_000u32).map(|i| (i * 7 % 251) as u8).collect();
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let parts: Vec<_> = data.chunks(3_333).map(|p| (algorithm.of(p), p.len() as u64)).collect();
            assert_eq!(algorithm.combine(&parts), Some(algorithm.of(&data)), "{algorithm:?}");
        }
        assert_eq!(Algorithm::Sha256.combine(&[(vec![0; 32], 1)]), None);
    }

    #[test]
    fn headers_are_read_strictly() {
        let mut headers = HeaderMap::new();
        assert_eq!(given(&headers), Ok(None));
        headers.insert("x-amz-checksum-crc32", "y/Q5Jg==".parse().unwrap());
        assert_eq!(given(&headers).unwrap().unwrap().algorithm, Algorithm::Crc32);
        headers.insert("x-amz-checksum-sha1", "AAAA".parse().unwrap());
        assert!(given(&headers).is_err());
        headers.remove("x-amz-checksum-crc32");
        assert_eq!(given(&headers), Err(ChecksumError::Invalid("x-amz-checksum-sha1")));
        headers.insert("x-amz-sdk-checksum-algorithm", "CRC64NVME".parse().unwrap());
        assert_eq!(check_announced(&headers), Err(ChecksumError::Announced));
        headers.insert("x-amz-trailer", "x-amz-checksum-crc64nvme".parse().unwrap());
        assert_eq!(check_announced(&headers), Ok(()));
    }
}
