//! Bodies on their way in: read with limits on time and length, taken out of `aws-chunked`, hashed, checked.
//!
//! What always holds: bytes may be handed on before the last check is made, but whoever receives them makes them
//! visible only after [`upload::Upload::next`] has said that the body ended well and [`digest`] has agreed with every
//! checksum the client gave. A body that ends early, late or differently leaves nothing.

pub(crate) mod checksum;
pub(crate) mod chunked;
pub(crate) mod digest;
pub(crate) mod upload;

/// What is wrong with a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body ended before its announced length")]
    Incomplete,
    #[error("the body is longer than announced")]
    TooLong,
    #[error("the chunked body is malformed: {0}")]
    MalformedChunk(&'static str),
    #[error("the signature of a chunk or trailer does not match")]
    SignatureMismatch,
    #[error("the trailer is malformed: {0}")]
    MalformedTrailer(&'static str),
    #[error("the body does not match x-amz-content-sha256")]
    Sha256Mismatch,
    #[error("the Content-MD5 given does not match the body")]
    Md5Mismatch,
    #[error("the {0} checksum given does not match the body")]
    ChecksumMismatch(&'static str),
    #[error("no byte of the body arrived for {0} seconds, or it came too slowly")]
    TooSlow(u64),
    #[error("the body is larger than {0} bytes")]
    OverLimit(u64),
    #[error("the connection broke while the body was read")]
    Broken,
    #[error("too many bodies are being read at the moment")]
    Crowded,
    #[error("hashing was cut off")]
    HasherGone,
}
