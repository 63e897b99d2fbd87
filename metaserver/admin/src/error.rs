//! Failures as callers see them: a stable code, a sentence, what is behind it by name, and whether to try again.
//!
//! What always holds: the code never changes its meaning, so that programs and other languages can go by it; nothing in
//! here tells secrets or where things lie on a server's disks.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use holdfast_client::ClientError;
use holdfast_proto::status::{Code, Retry, Status};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::reason::Reason;

/// A failure.
#[derive(Clone, Debug)]
pub struct Problem(Box<Details>);

impl std::ops::Deref for Problem {
    type Target = Details;

    fn deref(&self) -> &Details {
        &self.0
    }
}

/// What a failure says.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub struct Details {
    #[serde(skip)]
    status: u16,
    /// Stable name, for programs.
    pub code: String,
    /// For a person, in English: what is wrong, and what to do.
    pub message: String,
    /// What the message says, by name.
    pub params: BTreeMap<String, String>,
    /// What speaks against it, where that is known piece by piece.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// `never`: it will not help; `later`: the same may work in a while; `refresh`: look again first.
    pub retry: String,
    /// When to try again, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Names this request in the server's log.
    pub request_id: String,
}

/// A failure as it stands in an answer.
#[derive(Serialize, ToSchema)]
pub(crate) struct Failure {
    error: Details,
}

/// Every way in which an operation may fail, for its description.
#[derive(utoipa::IntoResponses)]
#[allow(dead_code, reason = "described, never made")]
pub(crate) enum Failures {
    /// The request makes no sense.
    #[response(status = 400)]
    Invalid(Failure),
    /// Who asks is not known, or not any more.
    #[response(status = 401)]
    Unauthenticated(Failure),
    /// Who asks may not do this.
    #[response(status = 403)]
    Forbidden(Failure),
    /// There is no such thing.
    #[response(status = 404)]
    NotFound(Failure),
    /// Not by this method; those that are taken are in `Allow`.
    #[response(status = 405, headers(("Allow" = String)))]
    NotSo(Failure),
    /// The body came too slowly.
    #[response(status = 408)]
    TooSlow(Failure),
    /// There is one already, or what is there is of another kind.
    #[response(status = 409)]
    Conflict(Failure),
    /// Something speaks against it now.
    #[response(status = 412)]
    PreconditionFailed(Failure),
    /// The request is too large.
    #[response(status = 413)]
    TooLarge(Failure),
    /// The body is of another kind.
    #[response(status = 415)]
    Unsupported(Failure),
    /// It is as described here, but the cluster does not take it.
    #[response(status = 422)]
    Unfit(Failure),
    /// Too many tries.
    #[response(status = 429)]
    Throttled(Failure),
    /// A fault of the server.
    #[response(status = 500)]
    Internal(Failure),
    /// The cluster cannot do it now.
    #[response(status = 503)]
    Unavailable(Failure),
    /// There is no room.
    #[response(status = 507)]
    NoSpace(Failure),
}

impl Problem {
    /// A failure that trying again does not help.
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self(Box::new(Details {
            status: status.as_u16(),
            code: code.to_owned(),
            message: message.into(),
            params: BTreeMap::new(),
            reasons: Vec::new(),
            retry: "never".to_owned(),
            retry_after_ms: None,
            request_id: String::new(),
        }))
    }

    /// The request makes no sense.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_argument", message)
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// Each value is as described, but they do not go together, or the cluster does not take them.
    pub fn unfit(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_argument", message)
    }

    /// A fault of this server.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// The same after a while.
    pub fn later(mut self, after: Duration) -> Self {
        self.0.retry = "later".to_owned();
        self.0.retry_after_ms = Some(u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// It may work after another look at how things are.
    fn refresh(mut self) -> Self {
        self.0.retry = "refresh".to_owned();
        self
    }

    /// With something that the message says.
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.0.params.insert(name.to_owned(), value.to_string());
        self
    }

    /// Its HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

/// HTTP status and stable name of a code.
fn named(code: Code) -> (StatusCode, &'static str) {
    use Code as C;
    use StatusCode as S;
    match code {
        C::Ok | C::Internal => (S::INTERNAL_SERVER_ERROR, "internal"),
        C::InvalidArgument | C::InvalidPart | C::InvalidPartOrder | C::PartTooSmall | C::NeedsSteps => {
            (S::UNPROCESSABLE_ENTITY, "invalid_argument")
        }
        C::NotFound | C::NoSuchBucket | C::NoSuchUpload | C::NoAttribute | C::NoSuchKey => {
            (S::NOT_FOUND, "not_found")
        }
        C::StaleInode => (S::NOT_FOUND, "gone"),
        C::Exists => (S::CONFLICT, "exists"),
        C::NotADirectory => (S::CONFLICT, "not_a_directory"),
        C::IsADirectory => (S::CONFLICT, "is_a_directory"),
        C::NotEmpty => (S::CONFLICT, "not_empty"),
        C::NameTooLong => (S::UNPROCESSABLE_ENTITY, "name_too_long"),
        C::PermissionDenied => (S::FORBIDDEN, "forbidden"),
        C::Unauthenticated => (S::UNAUTHORIZED, "unauthenticated"),
        C::PreconditionFailed => (S::PRECONDITION_FAILED, "precondition_failed"),
        C::TooManyLinks | C::Loop | C::Locked | C::CrossDevice => (S::CONFLICT, "conflict"),
        C::TooLarge => (S::PAYLOAD_TOO_LARGE, "too_large"),
        C::NoSpace | C::DiskFull => (S::INSUFFICIENT_STORAGE, "no_space"),
        C::QuotaExceeded => (S::INSUFFICIENT_STORAGE, "quota_exceeded"),
        C::Unsupported => (S::UNPROCESSABLE_ENTITY, "unsupported"),
        C::Busy => (S::SERVICE_UNAVAILABLE, "busy"),
        C::NotLeader => (S::SERVICE_UNAVAILABLE, "no_leader"),
        C::DataUnavailable => (S::SERVICE_UNAVAILABLE, "data_unavailable"),
        C::SessionExpired
        | C::GrantClosed
        | C::ChunksRejected
        | C::OutOfWindow
        | C::StaleMap
        | C::StaleOrder
        | C::WrongNode
        | C::WrongCluster
        | C::WrongVersion
        | C::WrongDisk
        | C::ShuttingDown
        | C::Unavailable
        | C::Timeout
        | C::Corrupt
        | C::ChunkNotFound
        | C::ChunkConflict
        | C::DiskFailed => (S::SERVICE_UNAVAILABLE, "unavailable"),
    }
}

impl From<Status> for Problem {
    fn from(status: Status) -> Self {
        let (http, code) = named(status.kind());
        let mut problem = Self::new(http, code, status.message.clone());
        problem.0.reasons = status.reasons.iter().map(Reason::of).collect();
        match status.retry() {
            Retry::Busy { after } => problem.later(after),
            Retry::RefreshMap(_) => problem.refresh(),
            Retry::NewLeader(_) | Retry::OtherMember => problem.later(Duration::from_secs(1)),
            Retry::Never if http == StatusCode::SERVICE_UNAVAILABLE => problem.later(Duration::from_secs(1)),
            Retry::Never => problem,
        }
    }
}

impl From<ClientError> for Problem {
    fn from(error: ClientError) -> Self {
        if error.outcome_unknown() {
            let what = "the cluster did not answer in time: whether it was done is not known; look before trying again";
            return Self::new(StatusCode::SERVICE_UNAVAILABLE, "outcome_unknown", what).refresh();
        }
        error.status().into()
    }
}

tokio::task_local! {
    /// Names the request that is being answered.
    pub(crate) static REQUEST_ID: String;
}

impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        self.0.request_id = REQUEST_ID.try_with(Clone::clone).unwrap_or_default();
        let status = self.status();
        if status.is_server_error() {
            tracing::info!(
                code = self.code,
                message = self.message,
                id = self.request_id,
                "a request failed"
            );
        }
        let after = self.retry_after_ms.map(|ms| ms.div_ceil(1000).max(1));
        let mut response = (status, Json(Failure { error: *self.0 })).into_response();
        if let Some(seconds) = after.and_then(|s| HeaderValue::from_str(&s.to_string()).ok()) {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}
