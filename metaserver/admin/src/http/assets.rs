//! The dashboard: files that were built from `metaserver/dashboard` and lie in this binary.
//!
//! What always holds: files with a hash in their name may be kept for ever, the page itself is asked for anew; addresses
//! within the dashboard get its page, so that they can be kept and sent; what is stored compressed is sent so.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::error::Problem;

#[derive(RustEmbed)]
#[folder = "../dashboard/dist"]
#[allow_missing = true]
struct Dashboard;

const PAGE: &str = "index.html";

pub(super) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if !matches!(method, Method::GET | Method::HEAD) {
        let what = "only GET is taken here";
        return Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", what).into_response();
    }
    let path = uri.path().trim_start_matches('/');
    let name = if path.is_empty() { PAGE } else { path };
    // Compressed siblings are not asked for by name.
    let known = Dashboard::get(name).filter(|_| !name.ends_with(".gz") && !name.ends_with(".br"));
    match known {
        Some(file) => send(name, file, &headers),
        // An address within the dashboard; a file that is missing is not one.
        None if !path.rsplit('/').next().is_some_and(|last| last.contains('.'))
            || path.starts_with("files") =>
        {
            match Dashboard::get(PAGE) {
                Some(file) => send(PAGE, file, &headers),
                None => not_built(),
            }
        }
        None => Problem::not_found("there is no such file").into_response(),
    }
}

fn not_built() -> Response {
    let what =
        "The dashboard was not built into this binary: build it with `make build`. The API is at /api/v1.\n";
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], what).into_response()
}

fn send(name: &str, file: EmbeddedFile, asked: &HeaderMap) -> Response {
    let etag = format!("\"{}\"", hex::encode(file.metadata.sha256_hash().get(..16).unwrap_or_default()));
    let kept = if name == PAGE { "no-cache" } else { "public, max-age=31536000, immutable" };
    let kept = if name.contains("assets/") || name == PAGE { kept } else { "public, max-age=3600" };
    let mime = mime_guess::from_path(name).first_or_octet_stream();
    let mime = match mime.type_() {
        mime_guess::mime::TEXT => format!("{mime}; charset=utf-8"),
        _ => mime.to_string(),
    };
    let mut headers = HeaderMap::new();
    let mut set = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(header::ETAG, &etag);
    set(header::CACHE_CONTROL, kept);
    set(header::CONTENT_TYPE, &mime);
    set(header::VARY, "accept-encoding");
    if asked.get(header::IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == etag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let takes = asked.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    for (coding, suffix) in [("br", "br"), ("gzip", "gz")] {
        let taken = takes.split(',').any(|one| one.split(';').next().is_some_and(|one| one.trim() == coding));
        if let Some(smaller) = Dashboard::get(&format!("{name}.{suffix}")).filter(|_| taken) {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
            return (headers, Body::from(smaller.data.into_owned())).into_response();
        }
    }
    (headers, Body::from(file.data.into_owned())).into_response()
}
