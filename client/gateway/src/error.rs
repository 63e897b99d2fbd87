//! One table from the store's codes to S3's, and from what is wrong with a request to S3's.
//!
//! What always holds: every match is complete, so a new code asks for a decision here. What the caller did wrong is told
//! in full; what went wrong inside is told as "try again", and the log has the rest.

use holdfast_proto::status::{Code, Status};
use http::StatusCode;
use s3s::{S3Error, S3ErrorCode};

use crate::auth::AuthError;
use crate::body::BodyError;
use crate::body::checksum::ChecksumError;
use crate::body::upload::{CollectError, LengthError};

/// An S3 code and the status that goes with it.
struct Row(&'static str, StatusCode);

impl Row {
    fn error(self, message: String) -> S3Error {
        let code = S3ErrorCode::from_bytes(self.0.as_bytes()).unwrap_or(S3ErrorCode::InternalError);
        let mut error = S3Error::with_message(code, message);
        error.set_status_code(self.1);
        error
    }
}

const UNAVAILABLE: Row = Row("ServiceUnavailable", StatusCode::SERVICE_UNAVAILABLE);
const FULL: Row = Row("InsufficientStorage", StatusCode::INSUFFICIENT_STORAGE);
const INTERNAL: Row = Row("InternalError", StatusCode::INTERNAL_SERVER_ERROR);
const BAD_REQUEST: Row = Row("InvalidRequest", StatusCode::BAD_REQUEST);
const DENIED: Row = Row("AccessDenied", StatusCode::FORBIDDEN);

fn row(code: Code) -> Row {
    use StatusCode as S;
    match code {
        Code::InvalidArgument => Row("InvalidArgument", S::BAD_REQUEST),
        Code::NotFound => Row("NoSuchKey", S::NOT_FOUND),
        Code::Exists => Row("BucketAlreadyExists", S::CONFLICT),
        Code::NotADirectory
        | Code::IsADirectory
        | Code::TooManyLinks
        | Code::Loop
        | Code::NoAttribute
        | Code::CrossDevice => BAD_REQUEST,
        Code::NotEmpty => Row("BucketNotEmpty", S::CONFLICT),
        Code::NameTooLong => Row("KeyTooLongError", S::BAD_REQUEST),
        Code::PermissionDenied | Code::Unauthenticated => DENIED,
        Code::PreconditionFailed => Row("PreconditionFailed", S::PRECONDITION_FAILED),
        Code::TooLarge => Row("EntityTooLarge", S::BAD_REQUEST),
        Code::NoSpace | Code::DiskFull => FULL,
        Code::QuotaExceeded => Row("QuotaExceeded", S::FORBIDDEN),
        Code::Unsupported => Row("NotImplemented", S::NOT_IMPLEMENTED),
        Code::NoSuchBucket => Row("NoSuchBucket", S::NOT_FOUND),
        Code::NoSuchUpload => Row("NoSuchUpload", S::NOT_FOUND),
        Code::InvalidPart => Row("InvalidPart", S::BAD_REQUEST),
        Code::InvalidPartOrder => Row("InvalidPartOrder", S::BAD_REQUEST),
        Code::Locked => Row("OperationAborted", S::CONFLICT),
        Code::PartTooSmall => Row("EntityTooSmall", S::BAD_REQUEST),
        Code::NoSuchKey => Row("InvalidAccessKeyId", S::FORBIDDEN),
        Code::Busy => Row("SlowDown", S::SERVICE_UNAVAILABLE),
        Code::StaleInode
        | Code::SessionExpired
        | Code::GrantClosed
        | Code::ChunksRejected
        | Code::OutOfWindow
        | Code::NeedsSteps
        | Code::NotLeader
        | Code::StaleMap
        | Code::StaleOrder
        | Code::WrongNode
        | Code::WrongDisk
        | Code::Timeout
        | Code::Unavailable
        | Code::ShuttingDown
        | Code::Corrupt
        | Code::ChunkNotFound
        | Code::ChunkConflict
        | Code::DiskFailed
        | Code::DataUnavailable => UNAVAILABLE,
        Code::Ok | Code::WrongCluster | Code::WrongVersion | Code::Internal => INTERNAL,
    }
}

/// A refusal or failure of the store, as S3 says it.
pub(crate) fn from_status(status: &Status) -> S3Error {
    let Row(name, http_status) = row(status.kind());
    let message = if http_status.is_server_error() {
        tracing::warn!(code = ?status.kind(), message = %status.message, "request failed");
        match http_status {
            StatusCode::INSUFFICIENT_STORAGE => "There is not enough space to store this.",
            StatusCode::NOT_IMPLEMENTED => "This is not offered.",
            StatusCode::SERVICE_UNAVAILABLE => "Please reduce your request rate or try again shortly.",
            _ => "We encountered an internal error. Please try again.",
        }
        .to_owned()
    } else {
        status.message.clone()
    };
    Row(name, http_status).error(message)
}

/// Short for an error made here.
pub(crate) fn refuse(name: &'static str, status: StatusCode, message: impl Into<String>) -> S3Error {
    Row(name, status).error(message.into())
}

/// `InvalidArgument`.
pub(crate) fn invalid(message: impl Into<String>) -> S3Error {
    refuse("InvalidArgument", StatusCode::BAD_REQUEST, message)
}

/// `InvalidRequest`.
pub(crate) fn bad_request(message: impl Into<String>) -> S3Error {
    BAD_REQUEST.error(message.into())
}

/// `NotImplemented`.
pub(crate) fn not_offered(message: impl Into<String>) -> S3Error {
    refuse("NotImplemented", StatusCode::NOT_IMPLEMENTED, message)
}

/// `AccessDenied`.
pub(crate) fn denied(message: impl Into<String>) -> S3Error {
    DENIED.error(message.into())
}

impl From<AuthError> for S3Error {
    fn from(error: AuthError) -> Self {
        use StatusCode as S;
        let row = match &error {
            AuthError::Anonymous
            | AuthError::MissingDate
            | AuthError::Expired
            | AuthError::HeadersNotSigned(_) => DENIED,
            AuthError::UnsupportedScheme | AuthError::TwoSignatures | AuthError::MissingContentSha256 => {
                BAD_REQUEST
            }
            AuthError::MalformedHeader(_) => Row("AuthorizationHeaderMalformed", S::BAD_REQUEST),
            AuthError::MalformedQuery(_) => Row("AuthorizationQueryParametersError", S::BAD_REQUEST),
            AuthError::Skewed => Row("RequestTimeTooSkewed", S::FORBIDDEN),
            AuthError::UnknownKey | AuthError::DisabledKey => Row("InvalidAccessKeyId", S::FORBIDDEN),
            AuthError::Mismatch => Row("SignatureDoesNotMatch", S::FORBIDDEN),
            AuthError::InvalidContentSha256 | AuthError::DuplicateHeader(_) => {
                Row("InvalidArgument", S::BAD_REQUEST)
            }
            AuthError::UnsupportedPayload => Row("NotImplemented", S::NOT_IMPLEMENTED),
            AuthError::InvalidUri => Row("InvalidURI", S::BAD_REQUEST),
            AuthError::KeysUnavailable => UNAVAILABLE,
        };
        row.error(error.to_string())
    }
}

impl From<BodyError> for S3Error {
    fn from(error: BodyError) -> Self {
        use StatusCode as S;
        let row = match &error {
            BodyError::Incomplete | BodyError::TooLong | BodyError::MalformedChunk(_) | BodyError::Broken => {
                Row("IncompleteBody", S::BAD_REQUEST)
            }
            BodyError::SignatureMismatch => Row("SignatureDoesNotMatch", S::FORBIDDEN),
            BodyError::MalformedTrailer(_) => Row("MalformedTrailerError", S::BAD_REQUEST),
            BodyError::Sha256Mismatch => Row("XAmzContentSHA256Mismatch", S::BAD_REQUEST),
            BodyError::Md5Mismatch | BodyError::ChecksumMismatch(_) => Row("BadDigest", S::BAD_REQUEST),
            BodyError::TooSlow(_) => Row("RequestTimeout", S::BAD_REQUEST),
            BodyError::OverLimit(_) => Row("MaxMessageLengthExceeded", S::BAD_REQUEST),
            BodyError::Crowded => Row("SlowDown", S::SERVICE_UNAVAILABLE),
            BodyError::HasherGone => INTERNAL,
        };
        row.error(error.to_string())
    }
}

impl From<ChecksumError> for S3Error {
    fn from(error: ChecksumError) -> Self {
        let row = match &error {
            ChecksumError::InvalidMd5 => Row("InvalidDigest", StatusCode::BAD_REQUEST),
            ChecksumError::Several
            | ChecksumError::Invalid(_)
            | ChecksumError::Announced
            | ChecksumError::Unknown(_) => BAD_REQUEST,
        };
        row.error(error.to_string())
    }
}

impl From<LengthError> for S3Error {
    fn from(error: LengthError) -> Self {
        let row = match &error {
            LengthError::Missing => Row("MissingContentLength", StatusCode::LENGTH_REQUIRED),
            LengthError::Invalid => Row("InvalidArgument", StatusCode::BAD_REQUEST),
            LengthError::NoTrailer => BAD_REQUEST,
        };
        row.error(error.to_string())
    }
}

impl From<CollectError> for S3Error {
    fn from(error: CollectError) -> Self {
        match error {
            CollectError::Body(error) => error.into(),
            CollectError::Checksum(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: Code) -> (String, u16) {
        let error = from_status(&Status::new(code, "detail"));
        (error.code().as_str().to_owned(), error.status_code().unwrap().as_u16())
    }

    #[test]
    fn codes_clients_act_on() {
        for (code, name, status) in [
            (Code::NotFound, "NoSuchKey", 404),
            (Code::NoSuchBucket, "NoSuchBucket", 404),
            (Code::NoSuchUpload, "NoSuchUpload", 404),
            (Code::PreconditionFailed, "PreconditionFailed", 412),
            (Code::NotEmpty, "BucketNotEmpty", 409),
            (Code::Busy, "SlowDown", 503),
            (Code::Timeout, "ServiceUnavailable", 503),
            (Code::DataUnavailable, "ServiceUnavailable", 503),
            (Code::NoSpace, "InsufficientStorage", 507),
            (Code::PartTooSmall, "EntityTooSmall", 400),
            (Code::Internal, "InternalError", 500),
        ] {
            assert_eq!(of(code), (name.to_owned(), status), "{code:?}");
        }
    }

    #[test]
    fn inner_failures_do_not_leak_their_text() {
        let error = from_status(&Status::new(Code::Unavailable, "node n3 at 10.0.0.1 did not answer"));
        assert!(!error.message().unwrap().contains("10.0.0.1"));
        let told = from_status(&Status::new(Code::InvalidArgument, "key has a NUL"));
        assert_eq!(told.message(), Some("key has a NUL"));
    }
}
