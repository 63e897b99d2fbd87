//! Hashes of a body, computed once while it streams through.
//!
//! MD5 runs at about 0.6 GB/s and is the dearest step of a PUT, so everything beyond the first bytes is hashed on the
//! blocking pool while the next bytes arrive and earlier ones are written.
//!
//! What always holds: at most one job per body runs and at most one batch waits, so an upload keeps at most twice
//! [`BATCH`] (plus one piece) alive here; a body that outruns its hashes waits.

use bytes::Bytes;
use md5::Md5;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use tokio::task::JoinHandle;

use crate::body::BodyError;
use crate::body::checksum::{Algorithm, Given, Hasher};

/// Bytes hashed per job. Handing a job over costs some ten microseconds; hashing this much takes a millisecond.
const BATCH: usize = 512 * 1024;

/// Bodies up to this many bytes are hashed on the spot.
const INLINE: usize = 64 * 1024;

struct State {
    md5: Md5,
    sha256: Option<Sha256>,
    extra: Vec<(Algorithm, Hasher)>,
}

impl State {
    fn update(&mut self, data: &[u8]) {
        self.md5.update(data);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(data);
        }
        for (_, hasher) in &mut self.extra {
            hasher.update(data);
        }
    }
}

enum Work {
    Here(Box<State>),
    Away(JoinHandle<Box<State>>),
    /// Only while it is moved.
    Moving,
}

/// Hashes in the making.
pub(crate) struct Digester {
    work: Work,
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
    total: u64,
}

/// What came out.
#[derive(Debug)]
pub(crate) struct Digests {
    pub(crate) md5: [u8; 16],
    sha256: Option<[u8; 32]>,
    pub(crate) extra: Vec<(Algorithm, Vec<u8>)>,
    /// Bytes hashed.
    pub(crate) length: u64,
}

impl Digester {
    /// MD5, these checksums, and SHA-256 of the payload if it was signed over.
    pub(crate) fn new(algorithms: &[Algorithm], payload_sha256: bool) -> Self {
        let state = State {
            md5: Md5::new(),
            sha256: payload_sha256.then(Sha256::new),
            extra: algorithms.iter().map(|a| (*a, Hasher::new(*a))).collect(),
        };
        Self { work: Work::Here(Box::new(state)), waiting: Vec::new(), waiting_bytes: 0, total: 0 }
    }

    /// Takes the next bytes.
    pub(crate) async fn push(&mut self, data: Bytes) -> Result<(), BodyError> {
        self.total += data.len() as u64;
        self.waiting_bytes += data.len();
        self.waiting.push(data);
        let enough = self.waiting_bytes >= BATCH || (self.total > INLINE as u64 && self.is_idle());
        if enough && self.waiting_bytes >= INLINE {
            self.launch().await?;
        }
        Ok(())
    }

    fn is_idle(&self) -> bool {
        match &self.work {
            Work::Here(_) => true,
            Work::Away(job) => job.is_finished(),
            Work::Moving => false,
        }
    }

    async fn launch(&mut self) -> Result<(), BodyError> {
        let mut state = self.recall().await?;
        let batch = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        self.work = Work::Away(tokio::task::spawn_blocking(move || {
            for piece in batch {
                state.update(&piece);
            }
            state
        }));
        Ok(())
    }

    async fn recall(&mut self) -> Result<Box<State>, BodyError> {
        match std::mem::replace(&mut self.work, Work::Moving) {
            Work::Here(state) => Ok(state),
            Work::Away(job) => job.await.map_err(|_| BodyError::HasherGone),
            Work::Moving => Err(BodyError::HasherGone),
        }
    }

    /// The end of the body.
    pub(crate) async fn finish(mut self) -> Result<Digests, BodyError> {
        if self.waiting_bytes > INLINE {
            self.launch().await?;
        }
        let mut state = self.recall().await?;
        for piece in &self.waiting {
            state.update(piece);
        }
        Ok(Digests {
            md5: state.md5.finalize().into(),
            sha256: state.sha256.map(|h| h.finalize().into()),
            extra: state.extra.into_iter().map(|(a, h)| (a, h.finish())).collect(),
            length: self.total,
        })
    }
}

impl Digests {
    /// MD5 in hexadecimal: the ETag.
    pub(crate) fn etag(&self) -> String {
        hex::encode(self.md5)
    }

    /// The value of one of the checksums computed.
    pub(crate) fn value(&self, algorithm: Algorithm) -> Option<&[u8]> {
        self.extra.iter().find(|(a, _)| *a == algorithm).map(|(_, v)| v.as_slice())
    }

    /// Compares with everything the client said about the body.
    pub(crate) fn check(
        &self,
        payload_sha256: Option<&[u8; 32]>,
        content_md5: Option<&[u8; 16]>,
        given: Option<&Given>,
    ) -> Result<(), BodyError> {
        if let Some(expected) = payload_sha256
            && !self.sha256.is_some_and(|have| bool::from(have.ct_eq(expected)))
        {
            return Err(BodyError::Sha256Mismatch);
        }
        if let Some(expected) = content_md5
            && self.md5 != *expected
        {
            return Err(BodyError::Md5Mismatch);
        }
        if let Some(given) = given
            && self.value(given.algorithm) != Some(given.value.as_slice())
        {
            return Err(BodyError::ChecksumMismatch(given.algorithm.name()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn hash(pieces: &[&[u8]]) -> Digests {
        let mut digester = Digester::new(&[Algorithm::Crc32, Algorithm::Sha256], true);
        for piece in pieces {
            digester.push(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        digester.finish().await.unwrap()
    }

    #[tokio::test]
    async fn small_and_large_bodies_hash_alike() {
        let data: Vec<u8> = (0..3_000_001u32).map(|i| (i % 253) as u8).collect();
        let whole = hash(&[&data]).await;
        for size in [1_000, 65_536, 700_000] {
            let pieces: Vec<&[u8]> = data.chunks(size).collect();
            let digests = hash(&pieces).await;
            assert_eq!(digests.md5, whole.md5);
            assert_eq!(digests.md5, <[u8; 16]>::from(Md5::digest(&data)));
            assert_eq!(digests.extra, whole.extra);
            assert_eq!(digests.value(Algorithm::Crc32), Some(Algorithm::Crc32.of(&data).as_slice()));
            assert_eq!(digests.length, data.len() as u64);
        }
    }

    #[tokio::test]
    async fn each_claim_is_checked() {
        let digests = hash(&[b"hello"]).await;
        let sha = Sha256::digest(b"hello").into();
        assert_eq!(digests.check(Some(&sha), Some(&digests.md5), None), Ok(()));
        assert_eq!(digests.check(Some(&[0; 32]), None, None), Err(BodyError::Sha256Mismatch));
        assert_eq!(digests.check(None, Some(&[0; 16]), None), Err(BodyError::Md5Mismatch));
        let wrong = Given { algorithm: Algorithm::Crc32, value: vec![0; 4] };
        assert_eq!(digests.check(None, None, Some(&wrong)), Err(BodyError::ChecksumMismatch("CRC32")));
        let not_computed = Given { algorithm: Algorithm::Sha1, value: vec![0; 20] };
        assert!(digests.check(None, None, Some(&not_computed)).is_err());
    }
}
