//! The body of an answer: counts what was sent and notes how it ended.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::http::target::Target;
use crate::metrics::METRICS;

/// What the log line of a request says. Nothing in it comes from a header that could hold a secret.
pub(super) struct Record {
    pub(super) request_id: String,
    pub(super) peer: SocketAddr,
    pub(super) method: http::Method,
    pub(super) target: Option<Target>,
    pub(super) key_id: Option<String>,
    pub(super) operation: &'static str,
    pub(super) status: u16,
    /// The S3 code, when it failed.
    pub(super) code: Option<String>,
    pub(super) bytes_in: u64,
    pub(super) began: Instant,
    pub(super) log: bool,
}

impl Record {
    fn end(&self, bytes_out: u64, whole: bool) {
        METRICS.in_flight.dec();
        METRICS.bytes.with_label_values(&["in"]).inc_by(self.bytes_in);
        METRICS.bytes.with_label_values(&["out"]).inc_by(bytes_out);
        match whole {
            true => {
                let seconds = METRICS.whole_seconds.with_label_values(&[self.operation]);
                seconds.observe(self.began.elapsed().as_secs_f64());
            }
            false => METRICS.broken_answers.inc(),
        }
        if !self.log {
            return;
        }
        let (bucket, key) =
            self.target.as_ref().map_or((None, None), |t| (t.bucket.as_deref(), t.key.as_deref()));
        tracing::info!(
            target: "holdfast::s3::access",
            request_id = %self.request_id,
            peer = %self.peer,
            access_key = self.key_id.as_deref().unwrap_or("-"),
            op = self.operation,
            method = %self.method,
            // Quoted: a name may hold line ends.
            bucket = ?bucket.unwrap_or("-"),
            key = ?key.unwrap_or("-"),
            status = self.status,
            code = self.code.as_deref().unwrap_or("-"),
            bytes_in = self.bytes_in,
            bytes_out,
            whole,
            ms = self.began.elapsed().as_secs_f64() * 1e3,
        );
    }
}

/// A body that keeps its record.
pub(crate) struct Outbound {
    inner: s3s::Body,
    record: Arc<Record>,
    sent: u64,
    expected: Option<u64>,
    ended: bool,
}

impl Outbound {
    /// `bodiless`: no byte of the body is sent (HEAD, 304).
    pub(super) fn new(inner: s3s::Body, record: Record, bodiless: bool) -> Self {
        let expected = if bodiless { Some(0) } else { Body::size_hint(&inner).exact() };
        Self { inner, record: Arc::new(record), sent: 0, expected, ended: false }
    }
}

impl Body for Outbound {
    type Data = Bytes;
    type Error = s3s::StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => self.sent += frame.data_ref().map_or(0, |d| d.len() as u64),
            Poll::Ready(None) => self.ended = true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        let whole = self.ended || self.expected == Some(self.sent);
        self.record.end(self.sent, whole);
    }
}
