//! GetObject and HeadObject.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::query::{self, Query};
use holdfast_proto::status::{Code, Status};
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};
use http_body::{Frame, SizeHint};
use s3s::dto::{GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, StreamingBlob};
use s3s::{Body, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, StdError};

use crate::error;
use crate::http::envelope::{self, Envelope};
use crate::s3::Operations;
use crate::s3::conditions::{Verdict, range_applies};
use crate::s3::meta;
use crate::s3::patience::Patience;
use crate::s3::range::{self, Wanted};
use crate::store::{Object, Outcome};

/// Content up to this many bytes is read before the answer begins, so that a failure is still an answer.
const AT_ONCE: u64 = 64 * 1024;

/// Which bytes to answer with.
struct Selection {
    range: Range<u64>,
    /// `Content-Range`, when it is not simply everything.
    content_range: Option<String>,
    parts: Option<i32>,
}

/// Answers with an object or a part of it.
pub(super) async fn get_object(
    door: &Operations,
    request: S3Request<GetObjectInput>,
) -> S3Result<S3Response<GetObjectOutput>> {
    let envelope = envelope::of(&request)?;
    let input = &request.input;
    meta::check_version(input.version_id.as_deref())?;
    let key = meta::check_key(&input.key)?;
    let (object, selection, body) = begin(door, &envelope, input, &key).await?;
    let inode = object.inode();

    let mut output = GetObjectOutput::default();
    meta::describe!(output, inode);
    if input.checksum_mode.as_ref().is_some_and(|m| m.as_str() == "ENABLED")
        && selection.content_range.is_none()
    {
        meta::set_checksums!(output, meta::checksums(inode));
        output.checksum_type = meta::type_of(meta::checksums(inode));
    }
    output.storage_class = meta::shown_class(&*door.store, inode.class).map(Into::into);
    let tags = inode.object.as_ref().map_or(0, |o| o.tags.len());
    output.tag_count = (tags > 0).then(|| i32::try_from(tags).unwrap_or(i32::MAX));
    output.parts_count = selection.parts;
    output.content_range = selection.content_range;
    output.content_length = Some(length(&selection.range));
    let headers = overridden(input, meta::raw_headers(inode.object.as_ref()))?;
    output.body = Some(body);
    Ok(S3Response::with_headers(output, headers))
}

/// Opens an object and has the first of its bytes. If a mount changed the file before all was known of where the range
/// lies, nothing was answered yet: then the object is opened anew.
async fn begin(
    door: &Operations,
    envelope: &Envelope,
    input: &GetObjectInput,
    key: &Bytes,
) -> S3Result<(Arc<dyn Object>, Selection, StreamingBlob)> {
    let mut patience = Patience::new();
    loop {
        let object = door.store.open(&input.bucket, key).await;
        let object = object.map_err(|status| error::from_status(&status))?;
        refuse_directory(object.inode())?;
        judge(envelope, object.inode())?;
        let selection = select(envelope, input.part_number, object.inode())?;
        match body(object.clone(), selection.range.clone()).await {
            Ok(body) => return Ok((object, selection, body)),
            Err(status) if status.kind() == Code::StaleInode && patience.again().await => {}
            Err(status) => return Err(error::from_status(&status)),
        }
    }
}

/// Answers with what GetObject would, without the bytes.
pub(super) async fn head_object(
    door: &Operations,
    request: S3Request<HeadObjectInput>,
) -> S3Result<S3Response<HeadObjectOutput>> {
    let envelope = envelope::of(&request)?;
    let input = &request.input;
    meta::check_version(input.version_id.as_deref())?;
    let inode = lookup(door, &input.bucket, &input.key).await?;
    judge(&envelope, &inode)?;
    let selection = select(&envelope, input.part_number, &inode)?;

    let mut output = HeadObjectOutput::default();
    meta::describe!(output, &inode);
    if input.checksum_mode.as_ref().is_some_and(|m| m.as_str() == "ENABLED")
        && selection.content_range.is_none()
    {
        meta::set_checksums!(output, meta::checksums(&inode));
        output.checksum_type = meta::type_of(meta::checksums(&inode));
    }
    output.storage_class = meta::shown_class(&*door.store, inode.class).map(Into::into);
    output.parts_count = selection.parts;
    output.content_length = Some(length(&selection.range));
    output.content_range = selection.content_range;
    Ok(S3Response::with_headers(output, meta::raw_headers(inode.object.as_ref())))
}

/// Finds an object's inode, without content.
pub(super) async fn lookup(door: &Operations, bucket: &str, key: &str) -> S3Result<Inode> {
    let question = query::GetObject {
        bucket: bucket.to_owned(),
        key: meta::check_key(key)?,
        content: false,
        conditions: None,
    };
    let reply =
        door.store.ask(Query::GetObject(question)).await.map_err(|status| error::from_status(&status))?;
    let inode = reply.inode.ok_or_else(|| error::from_status(&Status::new(Code::NotFound, "no such key")))?;
    refuse_directory(&inode)?;
    Ok(inode)
}

fn refuse_directory(inode: &Inode) -> S3Result<()> {
    if inode.kind() == FileKind::File {
        return Ok(());
    }
    Err(error::from_status(&Status::new(Code::NotFound, "the specified key does not exist")))
}

fn length(range: &Range<u64>) -> i64 {
    i64::try_from(range.end - range.start).unwrap_or(i64::MAX)
}

fn judge(envelope: &Envelope, inode: &Inode) -> S3Result<()> {
    match envelope.conditions.judge(inode) {
        Verdict::Proceed => Ok(()),
        Verdict::Failed => Err(error::from_status(&Status::new(
            Code::PreconditionFailed,
            "at least one of the preconditions you specified did not hold",
        ))),
        Verdict::NotModified => {
            let mut refusal = S3Error::new(S3ErrorCode::NotModified);
            refusal.set_headers(unmodified_headers(inode));
            Err(refusal)
        }
    }
}

/// What a 304 repeats.
fn unmodified_headers(inode: &Inode) -> HeaderMap {
    let mut headers = meta::raw_headers(inode.object.as_ref());
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{}\"", inode.etag())) {
        headers.insert(header::ETAG, etag);
    }
    let mut date = Vec::new();
    if meta::timestamp(inode.mtime_ns).format(s3s::dto::TimestampFormat::HttpDate, &mut date).is_ok()
        && let Ok(value) = HeaderValue::from_bytes(&date)
    {
        headers.insert(header::LAST_MODIFIED, value);
    }
    if let Some(cache) = inode.object.as_ref().and_then(|o| o.cache_control.as_deref())
        && let Ok(value) = HeaderValue::from_str(cache)
    {
        headers.insert(header::CACHE_CONTROL, value);
    }
    headers
}

fn select(envelope: &Envelope, part: Option<i32>, inode: &Inode) -> S3Result<Selection> {
    let size = inode.size;
    let content_range =
        |r: &Range<u64>| Some(format!("bytes {}-{}/{size}", r.start, r.end.saturating_sub(1)));
    if let Some(number) = part {
        if envelope.range.is_some() {
            return Err(error::bad_request(
                "cannot specify both Range header and partNumber query parameter",
            ));
        }
        let part_bytes = meta::part_bytes(inode);
        let range = u32::try_from(number).ok().and_then(|n| range::part(n, part_bytes, size));
        let range = range.ok_or_else(|| {
            error::refuse("InvalidPartNumber", StatusCode::RANGE_NOT_SATISFIABLE, "there is no such part")
        })?;
        let parts = (!part_bytes.is_empty()).then(|| i32::try_from(part_bytes.len()).unwrap_or(i32::MAX));
        // An empty object has no first byte that a range could name.
        let content_range = if range.is_empty() { None } else { content_range(&range) };
        return Ok(Selection { range, content_range, parts });
    }
    let wanted = envelope.range.as_deref().filter(|_| range_applies(envelope.if_range.as_deref(), inode));
    match range::parse(wanted, size) {
        Wanted::Whole => Ok(Selection { range: 0..size, content_range: None, parts: None }),
        Wanted::Part(range) => Ok(Selection { content_range: content_range(&range), range, parts: None }),
        Wanted::Unsatisfiable => {
            let mut refusal = error::refuse(
                "InvalidRange",
                StatusCode::RANGE_NOT_SATISFIABLE,
                "the requested range is not satisfiable",
            );
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
            if let Ok(value) = HeaderValue::from_str(&format!("bytes */{size}")) {
                headers.insert(header::CONTENT_RANGE, value);
            }
            refusal.set_headers(headers);
            Err(refusal)
        }
    }
}

/// `response-*` parameters, already checked to be header values by the S3 library.
fn overridden(input: &GetObjectInput, mut headers: HeaderMap) -> S3Result<HeaderMap> {
    if input.response_expires.is_some() {
        headers.remove(header::EXPIRES);
    }
    Ok(headers)
}

async fn body(object: Arc<dyn Object>, range: Range<u64>) -> Outcome<StreamingBlob> {
    if range.is_empty() {
        return Ok(StreamingBlob::from(Body::empty()));
    }
    if range.end - range.start <= AT_ONCE {
        let bytes = object.read_at(range).await?;
        return Ok(StreamingBlob::from(Body::from(bytes)));
    }
    let length = range.end - range.start;
    let mut pieces = object.stream(range);
    // The first piece decides whether this becomes an answer or an error.
    let first = match pieces.next().await {
        Some(Ok(first)) => first,
        Some(Err(status)) => return Err(status),
        None => return Err(Status::internal("an object ended before its length")),
    };
    let rest = pieces.map(|piece| piece.map_err(|status| Box::new(status) as StdError));
    let inner = Box::pin(stream::once(async { Ok(first) }).chain(rest));
    Ok(StreamingBlob::from(Body::http_body_unsync(Outgoing { inner, left: length })))
}

/// Pieces of an object, with the length that is left.
struct Outgoing {
    inner: BoxStream<'static, Result<Bytes, StdError>>,
    left: u64,
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let polled = self.inner.as_mut().poll_next(cx);
        match &polled {
            Poll::Ready(Some(Ok(bytes))) => self.left = self.left.saturating_sub(bytes.len() as u64),
            Poll::Ready(Some(Err(error))) => tracing::warn!(%error, "an answer broke off while it was read"),
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled.map_ok(Frame::data)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
