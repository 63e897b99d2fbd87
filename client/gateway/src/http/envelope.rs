//! What travels beside a request through the S3 library to its operation: who asks, and what that library would
//! read too loosely or too strictly.

use std::sync::{Arc, OnceLock};

use http::HeaderMap;
use parking_lot::Mutex;
use s3s::{S3Error, S3Request, S3Result};

use crate::auth::keys::AccessKey;
use crate::body::upload::Upload;
use crate::error;
use crate::s3::conditions::Preconditions;

/// One request's companion.
#[derive(Debug)]
pub(crate) struct Envelope {
    pub(crate) key: Arc<AccessKey>,
    pub(crate) request_id: String,
    /// `Host`, for addresses in answers.
    pub(crate) host: String,
    /// Conditions on the object named.
    pub(crate) conditions: Preconditions,
    /// Conditions on the source of a copy.
    pub(crate) source_conditions: Preconditions,
    pub(crate) range: Option<String>,
    pub(crate) if_range: Option<String>,
    /// `Expires` as sent.
    pub(crate) expires: Option<String>,
    /// The body of an operation that streams.
    pub(crate) upload: Mutex<Option<Upload>>,
    /// The operation, once the request was routed.
    pub(crate) operation: OnceLock<&'static str>,
}

/// The companion as request extensions carry it.
#[derive(Clone, Debug)]
pub(crate) struct Companion(pub(crate) Arc<Envelope>);

/// Finds the companion of a routed request.
pub(crate) fn of<T>(request: &S3Request<T>) -> S3Result<Arc<Envelope>> {
    let found = request.extensions.get::<Companion>();
    found.map(|c| Arc::clone(&c.0)).ok_or_else(|| error::denied("the request is not signed"))
}

fn take(headers: &mut HeaderMap, name: &'static str) -> Result<Option<String>, S3Error> {
    let value = headers.remove(name);
    let Some(value) = value else { return Ok(None) };
    value
        .to_str()
        .map(|v| Some(v.to_owned()))
        .map_err(|_| error::invalid(format!("{name} is not plain text")))
}

impl Envelope {
    /// Takes what it keeps out of the headers.
    pub(crate) fn new(
        headers: &mut HeaderMap,
        key: Arc<AccessKey>,
        request_id: String,
        upload: Option<Upload>,
    ) -> S3Result<Self> {
        let host = headers.get("host").and_then(|h| h.to_str().ok()).unwrap_or("localhost").to_owned();
        Ok(Self {
            key,
            request_id,
            host,
            conditions: Preconditions::take(headers, "")?,
            source_conditions: Preconditions::take(headers, "x-amz-copy-source-")?,
            range: take(headers, "range")?,
            if_range: take(headers, "if-range")?,
            expires: take(headers, "expires")?,
            upload: Mutex::new(upload),
            operation: OnceLock::new(),
        })
    }

    /// The body, once.
    pub(crate) fn take_upload(&self) -> S3Result<Upload> {
        self.upload.lock().take().ok_or_else(|| {
            error::refuse(
                "InternalError",
                http::StatusCode::INTERNAL_SERVER_ERROR,
                "the body was taken already",
            )
        })
    }
}
