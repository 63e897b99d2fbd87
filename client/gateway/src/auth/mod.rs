//! Who is asking: Signature Version 4, in the header or in a presigned URL. Called once for every request,
//! before anything else looks at it.
//!
//! What always holds:
//! - There is one way in: [`authenticate`]. A request without a valid signature never reaches an operation.
//! - `host` and every `x-amz-*` header must be signed; date, region and service of the credential must be ours;
//!   a signed request is good for fifteen minutes either way, a presigned one for the time it names (at most
//!   seven days).
//! - Signatures are compared in constant time.
//! - The path is decoded once ([`crate::http::target`]); what was signed and what is stored are the same bytes.
//!
//! The HTTP library underneath (s3s) brings its own check. It is not used because it buffers a whole chunk of up
//! to 4 GiB before checking it, accepts a signed stream whose trailer was cut off, does not compare the decoded
//! length, accepts any region and Signature Version 2, and does not insist on signed headers.

mod canonical;
pub(crate) mod claim;
pub(crate) mod keys;
pub(crate) mod rights;
pub(crate) mod signing;

use std::sync::Arc;

use http::HeaderMap;
use http::request::Parts;

use crate::auth::claim::{Claim, Place};
use crate::auth::keys::{AccessKey, KeyRing};
use crate::auth::signing::ChunkSigner;

#[cfg(test)]
pub(crate) use canonical::request as canonical_request;
pub(crate) use canonical::{decode_percent, encode_percent, parse_query};

/// How far a client's clock may be off, in seconds.
const MAX_SKEW_S: i64 = 15 * 60;

/// Longest life of a presigned URL, in seconds.
const MAX_EXPIRES_S: u64 = 7 * 24 * 3600;

/// Why a request was not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuthError {
    #[error("the request is not signed")]
    Anonymous,
    #[error("only AWS4-HMAC-SHA256 signatures are accepted")]
    UnsupportedScheme,
    #[error("{0}")]
    MalformedHeader(String),
    #[error("{0}")]
    MalformedQuery(String),
    #[error("the request carries more than one kind of credentials")]
    TwoSignatures,
    #[error("a valid x-amz-date header is required")]
    MissingDate,
    #[error("the difference between the request time and the server's time is too large")]
    Skewed,
    #[error("request has expired")]
    Expired,
    #[error("the access key id is not known here")]
    UnknownKey,
    #[error("the access key is disabled")]
    DisabledKey,
    #[error("the calculated signature does not match the one provided")]
    Mismatch,
    #[error("headers present in the request were not signed: {0}")]
    HeadersNotSigned(String),
    #[error("missing required header: x-amz-content-sha256")]
    MissingContentSha256,
    #[error("x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a STREAMING- value or a SHA-256 in hexadecimal")]
    InvalidContentSha256,
    #[error("this way of signing the payload is not offered")]
    UnsupportedPayload,
    #[error("header given twice: {0}")]
    DuplicateHeader(&'static str),
    #[error("the request target cannot be decoded")]
    InvalidUri,
    #[error("keys cannot be checked right now")]
    KeysUnavailable,
}

/// What the signature says about the body, which has not been read yet.
#[derive(Debug)]
pub(crate) enum Payload {
    /// Any bytes.
    Unsigned,
    /// Bytes with this SHA-256.
    Hash([u8; 32]),
    /// `aws-chunked`, every chunk signed; with a signed trailer or without.
    SignedChunks {
        /// Continues the chain of signatures.
        signer: Box<ChunkSigner>,
        /// A trailer must follow.
        trailer: bool,
    },
    /// `aws-chunked` without signatures, with a trailer.
    UnsignedChunks,
}

/// A request whose sender is known.
#[derive(Debug)]
pub(crate) struct Authenticated {
    /// Whose key signed it.
    pub(crate) key: Arc<AccessKey>,
    /// What to hold the body against.
    pub(crate) payload: Payload,
}

/// Checks the signature of a request. `path` is its decoded path, `now_s` seconds since the Unix epoch.
pub(crate) async fn authenticate(
    parts: &Parts,
    path: &str,
    keys: &KeyRing,
    region: &str,
    now_s: i64,
) -> Result<Authenticated, AuthError> {
    let query = parse_query(parts.uri.query().unwrap_or("")).ok_or(AuthError::InvalidUri)?;
    let claim = Claim::find(&parts.headers, &query)?;
    claim.check_scope(region)?;
    check_time(&claim, now_s)?;
    check_signed_headers(&claim, &parts.headers)?;
    let content = declared_content(&claim, &parts.headers, &query)?;

    let key = keys.find(&claim.access_key).await?;
    let signing_key = key.signing_key(&claim.date, region);

    let encoded = encode_percent(path.as_bytes(), true);
    let raw = parts.uri.path();
    let mut matches = verify(&claim, parts, &query, &encoded, &content, &signing_key);
    if !matches && raw != encoded {
        // Some clients sign the path as they sent it, with reserved characters bare. Both forms decode to `path`.
        matches = verify(&claim, parts, &query, raw, &content, &signing_key);
    }
    if !matches {
        return Err(AuthError::Mismatch);
    }
    if key.disabled {
        return Err(AuthError::DisabledKey);
    }
    let payload = content.into_payload(&claim, signing_key)?;
    Ok(Authenticated { key, payload })
}

fn verify(
    claim: &Claim,
    parts: &Parts,
    query: &[(String, String)],
    path: &str,
    content: &Content,
    signing_key: &[u8; 32],
) -> bool {
    let request =
        canonical::request(&parts.method, path, query, &parts.headers, &claim.signed_headers, &content.text);
    let Some(request) = request else { return false };
    signing::request_matches(claim, &request, signing_key)
}

fn check_time(claim: &Claim, now_s: i64) -> Result<(), AuthError> {
    let age = now_s - claim.time_s;
    match claim.place {
        Place::Header if age.abs() > MAX_SKEW_S => Err(AuthError::Skewed),
        Place::Query { expires_s } if expires_s > MAX_EXPIRES_S => {
            Err(AuthError::MalformedQuery("X-Amz-Expires must be at most 604800 seconds".into()))
        }
        Place::Query { .. } if age < -MAX_SKEW_S => Err(AuthError::Skewed),
        Place::Query { expires_s } if age > expires_s as i64 => Err(AuthError::Expired),
        Place::Header | Place::Query { .. } => Ok(()),
    }
}

/// `host` and everything in the `x-amz-` space steers what the request does: none of it may be added on the way.
fn check_signed_headers(claim: &Claim, headers: &HeaderMap) -> Result<(), AuthError> {
    let signed = |name: &str| claim.signed_headers.iter().any(|s| s == name);
    if !signed("host") {
        return Err(AuthError::HeadersNotSigned("host".into()));
    }
    for name in headers.keys() {
        let name = name.as_str();
        // A presigned URL leaves the payload open; a hash given beside it only narrows what is accepted.
        let harmless = name == "x-amz-content-sha256" && claim.is_presigned();
        if name.starts_with("x-amz-") && !harmless && !signed(name) {
            return Err(AuthError::HeadersNotSigned(name.to_owned()));
        }
    }
    Ok(())
}

/// What the request declares about its body.
struct Content {
    /// As it enters the signature.
    text: String,
    /// A hash that came with a presigned URL without entering its signature.
    beside: Option<String>,
}

impl Content {
    fn into_payload(self, claim: &Claim, signing_key: [u8; 32]) -> Result<Payload, AuthError> {
        let Self { text, beside } = self;
        let chunks = |trailer| Payload::SignedChunks {
            signer: Box::new(ChunkSigner::new(claim, signing_key)),
            trailer,
        };
        match text.as_str() {
            "UNSIGNED-PAYLOAD" => match beside {
                Some(hash) if hash != "UNSIGNED-PAYLOAD" => Ok(Payload::Hash(parse_hash(&hash)?)),
                Some(_) | None => Ok(Payload::Unsigned),
            },
            streaming if streaming.starts_with("STREAMING-") && claim.is_presigned() => {
                Err(AuthError::UnsupportedPayload)
            }
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Ok(chunks(false)),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Ok(chunks(true)),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Ok(Payload::UnsignedChunks),
            streaming if streaming.starts_with("STREAMING-") => Err(AuthError::UnsupportedPayload),
            hash => Ok(Payload::Hash(parse_hash(hash)?)),
        }
    }
}

fn parse_hash(text: &str) -> Result<[u8; 32], AuthError> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash).map_err(|_| AuthError::InvalidContentSha256)?;
    Ok(hash)
}

fn declared_content(
    claim: &Claim,
    headers: &HeaderMap,
    query: &[(String, String)],
) -> Result<Content, AuthError> {
    let header = claim::single(headers, "x-amz-content-sha256")?.map(str::to_owned);
    if !claim.is_presigned() {
        let text = header.ok_or(AuthError::MissingContentSha256)?;
        return Ok(Content { text, beside: None });
    }
    if let Some((_, value)) = query.iter().find(|(k, _)| k == "X-Amz-Content-Sha256") {
        return Ok(Content { text: value.clone(), beside: None });
    }
    let signed = claim.signed_headers.iter().any(|s| s == "x-amz-content-sha256");
    match header {
        Some(text) if signed => Ok(Content { text, beside: None }),
        beside => Ok(Content { text: "UNSIGNED-PAYLOAD".into(), beside }),
    }
}

#[cfg(test)]
mod tests;
