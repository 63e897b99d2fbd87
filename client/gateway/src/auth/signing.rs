//! The arithmetic of Signature Version 4: signing keys, signatures of requests, of chunks and of trailers.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::auth::claim::Claim;

const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    // HMAC takes keys of every length.
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mac) => mac.chain_update(data).finalize().into_bytes().into(),
        Err(_) => [0; 32],
    }
}

/// The key for one day, region and the service `s3`.
pub(crate) fn signing_key(secret: &str, date: &str, region: &str) -> [u8; 32] {
    let day = hmac(format!("AWS4{secret}").as_bytes(), date.as_bytes());
    let region = hmac(&day, region.as_bytes());
    let service = hmac(&region, b"s3");
    hmac(&service, b"aws4_request")
}

fn same(computed: &[u8; 32], given_hex: &str) -> bool {
    hex::encode(computed).as_bytes().ct_eq(given_hex.as_bytes()).into()
}

/// Whether a claim's signature is that of this canonical request.
pub(super) fn request_matches(claim: &Claim, canonical: &[u8], signing_key: &[u8; 32]) -> bool {
    let hash = hex::encode(Sha256::digest(canonical));
    let text = format!("AWS4-HMAC-SHA256\n{}\n{}\n{hash}", claim.amz_date, claim.scope());
    same(&hmac(signing_key, text.as_bytes()), &claim.signature)
}

/// Continues the chain of signatures through the chunks of a body.
pub(crate) struct ChunkSigner {
    key: [u8; 32],
    amz_date: String,
    scope: String,
    previous: String,
}

impl std::fmt::Debug for ChunkSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChunkSigner").finish_non_exhaustive()
    }
}

impl ChunkSigner {
    /// Begins behind the signature of the request itself.
    pub(super) fn new(claim: &Claim, key: [u8; 32]) -> Self {
        Self {
            key,
            amz_date: claim.amz_date.clone(),
            scope: claim.scope(),
            previous: claim.signature.clone(),
        }
    }

    #[cfg(test)]
    pub(crate) fn for_test(key: [u8; 32], amz_date: &str, scope: &str, seed: &str) -> Self {
        Self { key, amz_date: amz_date.into(), scope: scope.into(), previous: seed.into() }
    }

    /// The signature that a chunk with this hash must have.
    fn chunk_signature(&self, sha256: &[u8; 32]) -> [u8; 32] {
        let text = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{}\n{EMPTY_SHA256}\n{}",
            self.amz_date,
            self.scope,
            self.previous,
            hex::encode(sha256)
        );
        hmac(&self.key, text.as_bytes())
    }

    /// Checks the next chunk; on success the chain moves on.
    pub(crate) fn check_chunk(&mut self, sha256: &[u8; 32], given: &str) -> bool {
        let good = same(&self.chunk_signature(sha256), given);
        if good {
            given.clone_into(&mut self.previous);
        }
        good
    }

    /// Checks the trailer, in canonical form (`name:value\n` each).
    pub(crate) fn check_trailer(&self, canonical: &[u8], given: &str) -> bool {
        let hash = hex::encode(Sha256::digest(canonical));
        let text =
            format!("AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{}\n{hash}", self.amz_date, self.scope, self.previous);
        same(&hmac(&self.key, text.as_bytes()), given)
    }
}

/// Signs as a client does: for tests, so that what is checked is also produced.
#[cfg(test)]
pub(crate) mod client {
    use super::*;

    pub(crate) fn sign(canonical: &[u8], amz_date: &str, scope: &str, key: &[u8; 32]) -> String {
        let hash = hex::encode(Sha256::digest(canonical));
        hex::encode(hmac(key, format!("AWS4-HMAC-SHA256\n{amz_date}\n{scope}\n{hash}").as_bytes()))
    }

    impl ChunkSigner {
        pub(crate) fn sign_chunk(&mut self, data: &[u8]) -> String {
            let signature = hex::encode(self.chunk_signature(&Sha256::digest(data).into()));
            self.previous.clone_from(&signature);
            signature
        }

        pub(crate) fn sign_trailer(&self, canonical: &[u8]) -> String {
            let hash = hex::encode(Sha256::digest(canonical));
            let text = format!(
                "AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{}\n{hash}",
                self.amz_date, self.scope, self.previous
            );
            hex::encode(hmac(&self.key, text.as_bytes()))
        }
    }
}
