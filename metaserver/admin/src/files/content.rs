//! Content: ranges of a file, for previews and downloads, and putting a file whole.
//!
//! What always holds: what a file contains cannot act on the dashboard's behalf: only types that are harmless are shown,
//! everything else is a download, and every answer carries a policy that lets nothing in it run.

use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse, Response};
use axum::{Json, extract};
use futures::StreamExt;
use holdfast_client::{Client, PutOptions};
use holdfast_proto::ids::Ino;
use holdfast_proto::inode::{FileKind, Inode, ObjectMeta};
use holdfast_proto::op::Conditions;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::browse::{self, Entry};
use super::path::{self, FilePath, PathQuery, parameter};
use crate::error::{Failures, Problem};
use crate::http::App;
use crate::who::{Operator, Viewer};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_content, put_content)).layer(DefaultBodyLimit::disable())
}

/// Largest file that comes in one request; larger ones come in parts.
pub(crate) const MOST_PUT: u64 = 5 << 30;

/// Nothing in a file runs, loads or sends anything.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; media-src 'self'; sandbox";

/// The browser's own viewer, in which scripts of a document reach nothing of the page's, does not run in a sandbox.
const PDF_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; frame-ancestors 'none'";

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "described here, read as bytes")]
struct ContentQuery {
    /// The file.
    #[param(format = "path-in-bucket")]
    path: String,
    /// `inline`: to be shown, if that is harmless; otherwise it is a download.
    #[param(pattern = "^(inline|attachment)$")]
    disposition: Option<String>,
}

/// A range that was asked for (RFC 9110); of several, none.
fn range(headers: &HeaderMap, size: u64) -> Result<Option<(u64, u64)>, Problem> {
    let Some(text) = headers.get(header::RANGE).and_then(|value| value.to_str().ok()) else {
        return Ok(None);
    };
    let Some(spec) = text.strip_prefix("bytes=").filter(|spec| !spec.contains(',')) else { return Ok(None) };
    let Some((first, last)) = spec.trim().split_once('-') else { return Ok(None) };
    let outside = || {
        let what = format!("the file has {size} bytes");
        Err(Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", what))
    };
    let parsed = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if last < first => return Ok(None),
        (Ok(first), Ok(last)) => (first, last.min(size.saturating_sub(1))),
        (Ok(first), Err(_)) if last.is_empty() => (first, size.saturating_sub(1)),
        (Err(_), Ok(0)) if first.is_empty() => return outside(),
        (Err(_), Ok(count)) if first.is_empty() => (size.saturating_sub(count), size.saturating_sub(1)),
        _ => return Ok(None),
    };
    if parsed.0 >= size { outside() } else { Ok(Some((parsed.0, parsed.1 + 1))) }
}

/// A name for a header: plain letters, and the whole name in the form of RFC 8187.
fn disposition(kind: &str, name: &[u8]) -> String {
    let plain: String = name
        .iter()
        .map(|b| if b.is_ascii_alphanumeric() || b"-_. ".contains(b) { char::from(*b) } else { '_' })
        .collect();
    let encoded: String = String::from_utf8_lossy(name)
        .bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect();
    format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

/// Answers with a file's content, or the range of it that is asked for.
pub(crate) async fn send(
    client: &Client,
    inode: &Inode,
    name: &[u8],
    inline: bool,
    asked: &HeaderMap,
    head_only: bool,
) -> Result<Response, Problem> {
    if inode.kind() != FileKind::File {
        return Err(Problem::new(StatusCode::CONFLICT, "is_a_directory", "only files have content"));
    }
    let mut headers = HeaderMap::new();
    let mut set = |name: HeaderName, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    };
    let etag = format!("\"{}\"", inode.etag());
    let content_type = browse::content_type(inode, name);
    let shown = browse::preview(&content_type).filter(|_| inline);
    let sent_type = match shown {
        // Whatever it is, it is looked at as text.
        Some("text") => "text/plain; charset=utf-8".to_owned(),
        // Without its parameters, which are whatever somebody once sent.
        Some(_) => browse::essence(&content_type),
        None => "application/octet-stream".to_owned(),
    };
    set(header::CONTENT_TYPE, sent_type);
    set(
        header::CONTENT_DISPOSITION,
        disposition(if shown.is_some() { "inline" } else { "attachment" }, name),
    );
    let policy = if shown == Some("pdf") { PDF_POLICY } else { POLICY };
    set(header::CONTENT_SECURITY_POLICY, policy.to_owned());
    set(header::ETAG, etag.clone());
    set(header::ACCEPT_RANGES, "bytes".to_owned());
    set(header::CACHE_CONTROL, "private, no-cache".to_owned());
    if asked.get(header::IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == etag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    // Of another version than the one that is known, all is sent.
    let same = asked.get(header::IF_RANGE).is_none_or(|tag| tag.as_bytes() == etag.as_bytes());
    let wanted = if same { range(asked, inode.size)? } else { None };
    let (status, from, to) = match wanted {
        Some((from, to)) => (StatusCode::PARTIAL_CONTENT, from, to),
        None => (StatusCode::OK, 0, inode.size),
    };
    let mut set = |name: HeaderName, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    };
    set(header::CONTENT_LENGTH, (to - from).to_string());
    if wanted.is_some() {
        set(header::CONTENT_RANGE, format!("bytes {from}-{}/{}", to.saturating_sub(1), inode.size));
    }
    if head_only {
        return Ok((status, headers).into_response());
    }
    let file = client.open_inode(Ino(inode.ino)).await?;
    if file.inode().version != inode.version {
        let what = "the file changed a moment ago: ask again";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", what)
            .later(std::time::Duration::from_millis(100)));
    }
    let pieces = file.read(from..to).map(|piece| piece.map_err(std::io::Error::other));
    Ok((status, headers, Body::from_stream(pieces)).into_response())
}

/// The content of a file, or a range of it.
#[utoipa::path(get, path = "/files/content", tag = "files", operation_id = "get_file_content", params(ContentQuery),
    responses((status = 200, description = "The content", content_type = "application/octet-stream", body = Vec<u8>),
              (status = 206, description = "A range of it", content_type = "application/octet-stream", body = Vec<u8>),
              (status = 304, description = "It is the version that is known"),
              (status = 416, description = "The range lies behind the end"), Failures))]
async fn get_content(viewer: Viewer, PathQuery(path): PathQuery, parts: Parts) -> Result<Response, Problem> {
    let inline = parameter(&parts, "disposition").is_some_and(|kind| kind == b"inline");
    let client = viewer.cluster.client().await?;
    let (inode, _) = path::resolve(&client, &path).await?;
    let (_, name) = path.split()?;
    send(&client, &inode, &name, inline, &parts.headers, parts.method == http::Method::HEAD).await
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "described here, read as bytes")]
struct PutQuery {
    /// The file.
    #[param(format = "path-in-bucket")]
    path: String,
    /// Replace one that is there; it goes to the trash.
    overwrite: Option<bool>,
}

/// What S3 keeps with a file from the dashboard.
pub(crate) fn meta(content_type: Option<&str>) -> ObjectMeta {
    // What no header can carry would make the object unreadable for S3.
    let fits =
        |told: &&str| (1..=200).contains(&told.len()) && told.bytes().all(|b| (b' '..=b'~').contains(&b));
    let told = content_type.filter(fits);
    ObjectMeta { content_type: told.map(str::to_owned), ..ObjectMeta::default() }
}

/// Only if there is nothing yet.
pub(crate) fn only_new(overwrite: bool) -> Option<Conditions> {
    (!overwrite).then(|| Conditions { if_none_match: vec!["*".to_owned()], ..Conditions::default() })
}

/// Says what a failed condition means here.
pub(crate) fn exists(problem: Problem, path: &FilePath) -> Problem {
    if problem.status() != StatusCode::PRECONDITION_FAILED {
        return problem;
    }
    let what = format!("there is a file at {} already", path.written());
    Problem::new(StatusCode::CONFLICT, "exists", what).with("path", path.written())
}

/// Put a file: the body is its content. It appears whole or not at all.
#[utoipa::path(put, path = "/files/content", tag = "files", operation_id = "put_file_content", params(PutQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = Entry), Failures))]
async fn put_content(
    operator: Operator,
    PathQuery(path): PathQuery,
    parts: Parts,
    body: extract::Request,
) -> Result<Json<Entry>, Problem> {
    let (bucket, key) = path.new_object()?;
    let overwrite = parameter(&parts, "overwrite").is_some_and(|value| value == b"true");
    let length =
        parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let too_large = || {
        let what = "a file of more than 5 GiB is sent in parts: POST /uploads";
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", what)
    };
    if length.is_some_and(|length: u64| length > MOST_PUT) {
        return Err(too_large());
    }
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let client = operator.cluster.client().await?;
    let options = PutOptions {
        size: length,
        object: Some(meta(content_type)),
        conditions: only_new(overwrite),
        ..PutOptions::default()
    };
    let mut writer = Box::pin(client.put(&bucket, &key, options)).await?;
    let mut stream = body.into_body().into_data_stream();
    while let Some(piece) = stream.next().await {
        let piece =
            piece.map_err(|_| Problem::invalid("the connection broke before the whole file had come"))?;
        if writer.size() + piece.len() as u64 > MOST_PUT {
            return Err(too_large());
        }
        writer.write(piece).await?;
    }
    if length.is_some_and(|length| length != writer.size()) {
        return Err(Problem::invalid("the body is shorter than it said it would be"));
    }
    Box::pin(writer.finish()).await.map_err(|error| exists(error.into(), &path))?;
    let (inode, _) = path::resolve(&client, &path).await?;
    let (_, name) = path.split()?;
    Ok(Json(browse::entry(&inode, &path, &name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(range_text: &str, size: u64) -> Result<Option<(u64, u64)>, StatusCode> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(range_text).unwrap());
        range(&headers, size).map_err(|problem| problem.status())
    }

    #[test]
    fn only_types_that_a_header_can_carry_are_kept() {
        let kept = |told: &str| meta(Some(told)).content_type;
        assert_eq!(kept("text/html; charset=utf-8").as_deref(), Some("text/html; charset=utf-8"));
        for told in ["", "image/png;\n\u{1}x", "video/\u{7f}", "image/é", &"x".repeat(201)] {
            assert_eq!(kept(told), None, "{told:?}");
        }
    }

    #[test]
    fn ranges() {
        assert_eq!(asked("bytes=0-9", 100), Ok(Some((0, 10))));
        assert_eq!(asked("bytes=90-", 100), Ok(Some((90, 100))));
        assert_eq!(asked("bytes=-10", 100), Ok(Some((90, 100))));
        assert_eq!(asked("bytes=-500", 100), Ok(Some((0, 100))));
        assert_eq!(asked("bytes=50-500", 100), Ok(Some((50, 100))));
        assert_eq!(asked("bytes=100-", 100), Err(StatusCode::RANGE_NOT_SATISFIABLE));
        assert_eq!(asked("bytes=-0", 100), Err(StatusCode::RANGE_NOT_SATISFIABLE));
        for odd in ["bytes=9-1", "bytes=a-b", "items=0-1", "bytes=0-1,5-6", "bytes=18446744073709551616-"] {
            assert_eq!(asked(odd, 100), Ok(None), "{odd}");
        }
    }

    #[test]
    fn a_name_cannot_break_out_of_its_header() {
        let header = disposition("attachment", b"a\"; evil=\"\r\nX: y\xff.txt");
        assert!(!header.contains(['\r', '\n']) && header.matches('"').count() == 2, "{header}");
        assert!(disposition("inline", "文.txt".as_bytes()).ends_with("UTF-8''%E6%96%87.txt"));
    }
}
