//! What happens to every request, whatever it asks for: an id, a signature check, its body prepared, the operation,
//! a log line.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::FutureExt;
use holdfast_support::budget::ByteBudget;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3Error, S3Result};

use crate::auth::keys::KeyRing;
use crate::auth::{self, parse_query};
use crate::body::BodyError;
use crate::body::upload::{Pace, Upload};
use crate::config::GatewayConfig;
use crate::error;
use crate::http::envelope::{Companion, Envelope};
use crate::http::outbound::{Outbound, Record};
use crate::http::target::{self, Target};
use crate::metrics::METRICS;
use crate::s3::Operations;
use crate::s3::access::Access;
use crate::store::Store;

/// An unread rest of a refused body up to this many bytes is read, so that the client gets to the answer.
const DRAIN: u64 = 1 << 20;

/// For this long.
const DRAIN_PATIENCE: Duration = Duration::from_secs(2);

/// Longest wait for room for an XML body.
const XML_PATIENCE: Duration = Duration::from_secs(5);

/// Answers requests.
pub(crate) struct Door {
    config: Arc<GatewayConfig>,
    keys: Arc<KeyRing>,
    s3: S3Service,
    xml_budget: ByteBudget,
    /// Request ids: a random start, then one by one.
    next_id: AtomicU64,
}

/// What became of a request before its answer is dressed.
struct Handled {
    response: Result<Response<Body>, S3Error>,
    envelope: Option<Arc<Envelope>>,
    target: Option<Target>,
    bytes_in: u64,
}

impl Handled {
    fn refused(error: S3Error, target: Option<Target>) -> Self {
        Self { response: Err(error), envelope: None, target, bytes_in: 0 }
    }
}

impl Door {
    pub(crate) fn new(config: Arc<GatewayConfig>, store: Arc<dyn Store>, keys: Arc<KeyRing>) -> Self {
        let mut limits = S3Config::default();
        limits.xml_max_body_size = usize::try_from(config.max_xml_bytes).unwrap_or(usize::MAX);
        let mut builder = S3ServiceBuilder::new(Operations::new(store, Arc::clone(&config)));
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(limits))));
        // The library asks for access only when it could authenticate; it never gets to.
        builder.set_auth(crate::s3::access::NeverAsked);
        builder.set_access(Access);
        let xml_budget = ByteBudget::new(config.xml_budget_bytes);
        Self { config, keys, s3: builder.build(), xml_budget, next_id: AtomicU64::new(rand::random()) }
    }

    /// Answers one request.
    pub(crate) async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Outbound> {
        let began = Instant::now();
        METRICS.in_flight.inc();
        let request_id = format!("{:016X}", self.next_id.fetch_add(1, Ordering::Relaxed));
        let method = request.method().clone();
        let waits = request.headers().contains_key(header::EXPECT);
        // A defect in one operation must not take the connection and its log line with it.
        let handled =
            AssertUnwindSafe(Box::pin(self.handle(request, request_id.clone()))).catch_unwind().await;
        let handled = handled.unwrap_or_else(|_| {
            tracing::error!(%request_id, "an operation panicked");
            Handled::refused(S3Error::new(s3s::S3ErrorCode::InternalError), None)
        });
        let untouched = handled.bytes_in == 0;
        let mut response = self.dress(handled, request_id, method, peer, began);
        if waits && (untouched || !response.status().is_success()) {
            // A client that waits for "100 Continue" and gets its answer instead does not send its body. Both ends agree
            // on where the next request begins only if it comes on another connection.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    async fn handle(&self, request: Request<Incoming>, request_id: String) -> Handled {
        let (mut parts, incoming) = request.into_parts();
        let host = parts.headers.get(header::HOST).and_then(|h| h.to_str().ok());
        let Some(target) = target::resolve(&parts.uri, host, &self.config.domains) else {
            let bad = error::refuse("InvalidURI", StatusCode::BAD_REQUEST, "the path cannot be decoded");
            return Handled::refused(bad, None);
        };
        let authenticated = match self.authenticate(&parts, &target).await {
            Ok(authenticated) => authenticated,
            Err(error) => {
                METRICS.auth_failures.with_label_values(&[error.code().as_str()]).inc();
                return Handled::refused(error, Some(target));
            }
        };
        let key = authenticated.key;
        let pace = Pace {
            idle: self.config.idle_timeout(),
            grace: Duration::from_millis(self.config.body_grace_ms),
            min_rate: self.config.min_body_rate,
        };
        let upload = match Upload::new(incoming, &parts.headers, authenticated.payload, pace) {
            Ok(upload) => upload,
            Err(error) => return Handled::refused(error.into(), Some(target)),
        };
        let mut bytes_in = 0;
        let prepared = self.prepare(&mut parts, upload, &target, &mut bytes_in).await;
        let (body, upload) = match prepared {
            Ok(pair) => pair,
            Err(error) => return Handled { bytes_in, ..Handled::refused(error, Some(target)) },
        };
        let envelope = match Envelope::new(&mut parts.headers, key, request_id, upload) {
            Ok(envelope) => Arc::new(envelope),
            Err(error) => return Handled::refused(error, Some(target)),
        };
        let response = self.operate(parts, body, &envelope).await;
        let left = envelope.upload.lock().take();
        if let Some(upload) = left {
            bytes_in += upload.wire_bytes();
            if bytes_in > 0 {
                upload.drain(DRAIN, DRAIN_PATIENCE).await;
            }
        }
        Handled { response, envelope: Some(envelope), target: Some(target), bytes_in }
    }

    async fn authenticate(&self, parts: &Parts, target: &Target) -> S3Result<auth::Authenticated> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        Ok(auth::authenticate(parts, &target.path, &self.keys, &self.config.region, now).await?)
    }

    /// Reads the body of an operation that needs it whole; leaves it to an operation that streams. Takes out of the
    /// request what the S3 library must not see again: the signature, and what only the signature needed.
    async fn prepare(
        &self,
        parts: &mut Parts,
        upload: Upload,
        target: &Target,
        bytes_in: &mut u64,
    ) -> S3Result<(Body, Option<Upload>)> {
        crate::s3::access::refuse_unsupported(&parts.headers)?;
        let query = parse_query(parts.uri.query().unwrap_or("")).unwrap_or_default();
        let has = |name: &str| query.iter().any(|(n, _)| n == name);
        let is_form = parts
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|t| t.as_bytes().starts_with(b"multipart/form-data"));
        if parts.method == Method::POST && is_form {
            return Err(error::not_offered("uploads by HTML form are not offered"));
        }
        let streams = parts.method == Method::PUT
            && target.key.is_some()
            && !parts.headers.contains_key("x-amz-copy-source")
            && !["acl", "legal-hold", "retention", "tagging"].iter().any(|name| has(name));
        let outcome = if streams {
            Ok((Body::empty(), Some(upload)))
        } else {
            // With an upload id, the checksums are those of the object that it becomes.
            let own_checksum = !has("uploadId");
            *bytes_in = upload.length();
            self.collect(upload, &parts.headers, own_checksum).await.map(|body| (body, None))
        };
        strip(parts, target, &query)?;
        outcome
    }

    async fn collect(&self, upload: Upload, headers: &HeaderMap, own_checksum: bool) -> S3Result<Body> {
        if upload.length() == 0 {
            // An empty body is checked like any other: it may be signed, or claim a checksum.
            return Ok(Body::from(upload.collect(headers, 0, own_checksum).await?));
        }
        let limit = self.config.max_xml_bytes;
        if upload.length() > limit {
            return Err(BodyError::OverLimit(limit).into());
        }
        let deadline = tokio::time::Instant::now() + XML_PATIENCE;
        let permit = self.xml_budget.take(upload.length(), deadline).await.map_err(|_| BodyError::Crowded)?;
        let bytes = upload.collect(headers, limit, own_checksum).await?;
        Ok(Body::from(permit.guard(bytes)))
    }

    async fn operate(
        &self,
        parts: Parts,
        body: Body,
        envelope: &Arc<Envelope>,
    ) -> Result<Response<Body>, S3Error> {
        let mut request = Request::from_parts(parts, body);
        request.extensions_mut().insert(Companion(Arc::clone(envelope)));
        self.s3.call(request).await.map_err(|error| {
            let error: s3s::StdError = error.into();
            tracing::warn!(%error, request_id = %envelope.request_id, "the S3 library failed");
            S3Error::new(s3s::S3ErrorCode::InternalError)
        })
    }

    fn dress(
        &self,
        handled: Handled,
        request_id: String,
        method: Method,
        peer: SocketAddr,
        began: Instant,
    ) -> Response<Outbound> {
        let response = handled.response.or_else(S3Error::to_http_response).unwrap_or_else(|_| {
            let mut plain = Response::new(Body::empty());
            *plain.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            plain
        });
        let (mut parts, body) = response.into_parts();
        // The S3 library knows partial answers to GET only.
        if method == Method::HEAD
            && parts.status == StatusCode::OK
            && parts.headers.contains_key(header::CONTENT_RANGE)
        {
            parts.status = StatusCode::PARTIAL_CONTENT;
        }
        let failed = parts.status.is_client_error() || parts.status.is_server_error();
        let (body, code) =
            if failed { complete_error(body, &handled.target, &request_id) } else { (body, None) };
        let bodiless = method == Method::HEAD || parts.status == StatusCode::NOT_MODIFIED;
        let body = if bodiless && (failed || parts.status == StatusCode::NOT_MODIFIED) {
            parts.headers.remove(header::CONTENT_TYPE);
            Body::empty()
        } else {
            body
        };
        set(&mut parts.headers, HeaderName::from_static("x-amz-request-id"), &request_id);
        parts.headers.insert(header::SERVER, HeaderValue::from_static("Holdfast"));
        if parts.status == StatusCode::SERVICE_UNAVAILABLE {
            parts.headers.entry(header::RETRY_AFTER).or_insert(HeaderValue::from_static("1"));
        }
        let operation = handled.envelope.as_ref().and_then(|e| e.operation.get().copied()).unwrap_or("-");
        METRICS.requests.with_label_values(&[operation, parts.status.as_str()]).inc();
        METRICS.seconds.with_label_values(&[operation]).observe(began.elapsed().as_secs_f64());
        if failed {
            let code = code.as_deref().unwrap_or("-");
            METRICS.errors.with_label_values(&[operation, code]).inc();
        }
        let record = Record {
            request_id,
            peer,
            method,
            key_id: handled.envelope.as_ref().map(|e| e.key.id.clone()),
            target: handled.target,
            operation,
            status: parts.status.as_u16(),
            code,
            bytes_in: handled.bytes_in,
            began,
            log: self.config.access_log,
        };
        Response::from_parts(parts, Outbound::new(body, record, bodiless))
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Adds the resource and the request id to an error document, and reads its code for the log.
fn complete_error(body: Body, target: &Option<Target>, request_id: &str) -> (Body, Option<String>) {
    let Some(bytes) = body.bytes() else { return (body, None) };
    let Ok(text) = std::str::from_utf8(&bytes) else { return (body, None) };
    let Some(head) = text.strip_suffix("</Error>") else { return (body, None) };
    let code = text
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"))
        .map(|(code, _)| code.to_owned());
    let resource = target.as_ref().map_or("/", |t| t.path.as_str());
    let whole =
        format!("{head}<Resource>{}</Resource><RequestId>{request_id}</RequestId></Error>", escape(resource));
    (Body::from(whole), code)
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Headers that the signature check has used up.
const USED_UP: [&str; 5] = [
    "authorization",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-decoded-content-length",
];

fn strip(parts: &mut Parts, target: &Target, query: &[(String, String)]) -> S3Result<()> {
    for name in USED_UP {
        parts.headers.remove(name);
    }
    let signature = |name: &str| name.get(..6).is_some_and(|head| head.eq_ignore_ascii_case("x-amz-"));
    let rehosted = parts.uri.path() != target.path_style;
    if !rehosted && !query.iter().any(|(name, _)| signature(name)) {
        return Ok(());
    }
    let mut uri = target.path_style.clone();
    let mut separator = '?';
    for (name, value) in query.iter().filter(|(name, _)| !signature(name)) {
        uri.push(separator);
        uri.push_str(&auth::encode_percent(name.as_bytes(), false));
        uri.push('=');
        uri.push_str(&auth::encode_percent(value.as_bytes(), false));
        separator = '&';
    }
    let bad = |_| error::refuse("InvalidURI", StatusCode::BAD_REQUEST, "the address cannot be understood");
    parts.uri = Uri::try_from(uri).map_err(bad)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_documents_name_resource_and_request() {
        let target =
            Target { path: "/b/<k>\u{1}".into(), path_style: "/b/x".into(), bucket: None, key: None };
        let body = Body::from("<Error><Code>NoSuchKey</Code></Error>".to_owned());
        let (body, code) = complete_error(body, &Some(target), "ID");
        assert_eq!(code.as_deref(), Some("NoSuchKey"));
        let text = String::from_utf8(body.bytes().unwrap().to_vec()).unwrap();
        assert_eq!(
            text,
            "<Error><Code>NoSuchKey</Code><Resource>/b/&lt;k&gt;\u{fffd}</Resource><RequestId>ID</RequestId></Error>"
        );
    }
}
