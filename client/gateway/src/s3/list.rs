//! ListObjects, ListObjectsV2 and ListObjectVersions: one page of metadata each, dressed in three ways.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use holdfast_proto::inode::Inode;
use holdfast_proto::query::{ListObjects, Query};
use holdfast_support::crc;
use s3s::dto;
use s3s::{S3Request, S3Response, S3Result};

use crate::auth::encode_percent;
use crate::error;
use crate::s3::bucket::{find, owner};
use crate::s3::{Operations, meta};

/// Most keys of a page, as in S3.
const MAX_KEYS: i32 = 1000;

/// How names are written into an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Encoding {
    Plain,
    Url,
}

impl Encoding {
    pub(super) fn parse(wanted: Option<&dto::EncodingType>) -> S3Result<Self> {
        match wanted.map(dto::EncodingType::as_str) {
            None => Ok(Self::Plain),
            Some("url") => Ok(Self::Url),
            Some(_) => Err(error::invalid("invalid encoding method specified in request")),
        }
    }

    /// A name. XML cannot carry every character and JSON-like clients ask for the URL form; plain names that are
    /// not UTF-8 (made by a mount) are shown with replacement characters.
    pub(super) fn name(self, name: &[u8]) -> String {
        match self {
            Self::Plain => String::from_utf8_lossy(name).into_owned(),
            Self::Url => encode_percent(name, true),
        }
    }

    pub(super) fn shown(self) -> Option<dto::EncodingType> {
        (self == Self::Url).then(|| dto::EncodingType::from_static(dto::EncodingType::URL))
    }
}

/// Begins a marker that names a key in base64, with a CRC behind it.
const EXACT: &str = "holdfast-exact-key:";

/// The marker that a client is to send for the next page. Clients take markers for text, so a key that would not come
/// back as it is goes another way: what is not UTF-8 comes back with replacement characters, and lists the same page for
/// ever; what XML does not carry comes back changed, or not at all.
pub(super) fn marker(next: &[u8], encoding: Encoding) -> String {
    let xml = |c: char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
    let comes_back =
        |text: &&str| !text.starts_with(EXACT) && (encoding == Encoding::Url || text.chars().all(xml));
    if let Some(text) = std::str::from_utf8(next).ok().filter(comes_back) {
        return encoding.name(text.as_bytes());
    }
    let mut exact = next.to_vec();
    exact.extend_from_slice(&crc::crc32c(next).to_be_bytes());
    let text = format!("{EXACT}{}", URL_SAFE_NO_PAD.encode(exact));
    encoding.name(text.as_bytes())
}

/// The key that a marker names. What only looks like one of ours is the key itself.
pub(super) fn after(marker: Option<&str>) -> Bytes {
    let text = marker.unwrap_or_default();
    let exact = || {
        let exact = URL_SAFE_NO_PAD.decode(text.strip_prefix(EXACT)?).ok()?;
        let (key, sum) = exact.split_last_chunk::<4>()?;
        (crc::crc32c(key) == u32::from_be_bytes(*sum)).then(|| Bytes::copy_from_slice(key))
    };
    exact().unwrap_or_else(|| Bytes::copy_from_slice(text.as_bytes()))
}

/// What a client asks of a page.
struct Ask {
    bucket: String,
    prefix: String,
    delimiter: String,
    after: Bytes,
    max_keys: i32,
    encoding: Encoding,
}

/// A page.
struct Page {
    objects: Vec<(Bytes, Inode)>,
    prefixes: Vec<Bytes>,
    /// Where the next one starts, if there is one.
    next: Option<Bytes>,
}

/// The number of keys a client may get.
pub(super) fn page_size(wanted: Option<i32>, name: &str) -> S3Result<i32> {
    match wanted {
        None => Ok(MAX_KEYS),
        Some(n) if n < 0 => Err(error::invalid(format!("{name} must not be negative"))),
        Some(n) => Ok(n.min(MAX_KEYS)),
    }
}

async fn page(door: &Operations, ask: &Ask) -> S3Result<Page> {
    let mut page = Page { objects: Vec::new(), prefixes: Vec::new(), next: None };
    if ask.max_keys == 0 {
        find(door, &ask.bucket).await?;
        return Ok(page);
    }
    let question = ListObjects {
        bucket: ask.bucket.clone(),
        prefix: Bytes::copy_from_slice(ask.prefix.as_bytes()),
        delimiter: Bytes::copy_from_slice(ask.delimiter.as_bytes()),
        after: ask.after.clone(),
        most: u32::try_from(ask.max_keys).unwrap_or(1),
    };
    let reply =
        door.store.ask(Query::ListObjects(question)).await.map_err(|status| error::from_status(&status))?;
    for entry in reply.entries {
        if entry.prefix {
            page.prefixes.push(entry.key);
        } else {
            page.objects.push((entry.key, entry.inode.unwrap_or_default()));
        }
    }
    page.next = (reply.more && !reply.next.is_empty()).then_some(reply.next);
    Ok(page)
}

fn object(door: &Operations, key: &[u8], inode: &Inode, encoding: Encoding, with_owner: bool) -> dto::Object {
    let checksums = meta::checksums(inode);
    dto::Object {
        checksum_algorithm: checksum_algorithms(checksums),
        checksum_type: meta::type_of(checksums),
        e_tag: Some(meta::etag(inode)),
        key: Some(encoding.name(key)),
        last_modified: Some(meta::timestamp(inode.mtime_ns)),
        owner: with_owner.then(owner),
        restore_status: None,
        size: Some(i64::try_from(inode.size).unwrap_or(i64::MAX)),
        storage_class: Some(class(door, inode).into()),
    }
}

fn checksum_algorithms(
    checksums: &[holdfast_proto::inode::ObjectChecksum],
) -> Option<Vec<dto::ChecksumAlgorithm>> {
    let names: Vec<_> = checksums.iter().map(|c| dto::ChecksumAlgorithm::from(c.algorithm.clone())).collect();
    (!names.is_empty()).then_some(names)
}

fn class(door: &Operations, inode: &Inode) -> String {
    meta::shown_class(&*door.store, inode.class).unwrap_or_else(|| "STANDARD".to_owned())
}

fn common_prefixes(page: &Page, encoding: Encoding) -> Option<Vec<dto::CommonPrefix>> {
    let prefixes: Vec<_> =
        page.prefixes.iter().map(|p| dto::CommonPrefix { prefix: Some(encoding.name(p)) }).collect();
    (!prefixes.is_empty()).then_some(prefixes)
}

fn some_name(text: &str, encoding: Encoding) -> Option<String> {
    (!text.is_empty()).then(|| encoding.name(text.as_bytes()))
}

/// The first form.
pub(super) async fn list_objects(
    door: &Operations,
    request: S3Request<dto::ListObjectsInput>,
) -> S3Result<S3Response<dto::ListObjectsOutput>> {
    let input = request.input;
    let ask = Ask {
        encoding: Encoding::parse(input.encoding_type.as_ref())?,
        max_keys: page_size(input.max_keys, "max-keys")?,
        bucket: input.bucket,
        prefix: input.prefix.unwrap_or_default(),
        delimiter: input.delimiter.unwrap_or_default(),
        after: after(input.marker.as_deref()),
    };
    let page = page(door, &ask).await?;
    let encoding = ask.encoding;
    let contents = page.objects.iter().map(|(key, inode)| object(door, key, inode, encoding, true));
    Ok(S3Response::new(dto::ListObjectsOutput {
        contents: Some(contents.collect()),
        common_prefixes: common_prefixes(&page, encoding),
        delimiter: some_name(&ask.delimiter, encoding),
        encoding_type: encoding.shown(),
        is_truncated: Some(page.next.is_some()),
        marker: Some(encoding.name(input.marker.unwrap_or_default().as_bytes())),
        max_keys: Some(ask.max_keys),
        next_marker: page.next.map(|next| marker(&next, encoding)),
        prefix: Some(encoding.name(ask.prefix.as_bytes())),
        name: Some(ask.bucket),
        request_charged: None,
    }))
}

/// The second form.
pub(super) async fn list_objects_v2(
    door: &Operations,
    request: S3Request<dto::ListObjectsV2Input>,
) -> S3Result<S3Response<dto::ListObjectsV2Output>> {
    let input = request.input;
    let after = match &input.continuation_token {
        Some(token) => parse_token(token)?,
        None => Bytes::from(input.start_after.clone().unwrap_or_default()),
    };
    let ask = Ask {
        encoding: Encoding::parse(input.encoding_type.as_ref())?,
        max_keys: page_size(input.max_keys, "max-keys")?,
        bucket: input.bucket,
        prefix: input.prefix.unwrap_or_default(),
        delimiter: input.delimiter.unwrap_or_default(),
        after,
    };
    let page = page(door, &ask).await?;
    let encoding = ask.encoding;
    let with_owner = input.fetch_owner.unwrap_or(false);
    let contents: Vec<_> =
        page.objects.iter().map(|(key, inode)| object(door, key, inode, encoding, with_owner)).collect();
    Ok(S3Response::new(dto::ListObjectsV2Output {
        key_count: Some(i32::try_from(contents.len() + page.prefixes.len()).unwrap_or(i32::MAX)),
        contents: Some(contents),
        common_prefixes: common_prefixes(&page, encoding),
        continuation_token: input.continuation_token,
        delimiter: some_name(&ask.delimiter, encoding),
        encoding_type: encoding.shown(),
        is_truncated: Some(page.next.is_some()),
        max_keys: Some(ask.max_keys),
        next_continuation_token: page.next.map(|next| token(&next)),
        prefix: Some(encoding.name(ask.prefix.as_bytes())),
        start_after: input.start_after.map(|s| encoding.name(s.as_bytes())),
        name: Some(ask.bucket),
        request_charged: None,
    }))
}

fn token(next: &[u8]) -> String {
    format!("1{}", URL_SAFE_NO_PAD.encode(next))
}

fn parse_token(token: &str) -> S3Result<Bytes> {
    let bytes =
        token.strip_prefix('1').and_then(|t| URL_SAFE_NO_PAD.decode(t).ok()).filter(|b| !b.is_empty());
    bytes.map(Bytes::from).ok_or_else(|| error::invalid("the continuation token provided is incorrect"))
}

/// Versions: every object has exactly one, `null`.
pub(super) async fn list_object_versions(
    door: &Operations,
    request: S3Request<dto::ListObjectVersionsInput>,
) -> S3Result<S3Response<dto::ListObjectVersionsOutput>> {
    let input = request.input;
    let ask = Ask {
        encoding: Encoding::parse(input.encoding_type.as_ref())?,
        max_keys: page_size(input.max_keys, "max-keys")?,
        bucket: input.bucket,
        prefix: input.prefix.unwrap_or_default(),
        delimiter: input.delimiter.unwrap_or_default(),
        after: after(input.key_marker.as_deref()),
    };
    let page = page(door, &ask).await?;
    let encoding = ask.encoding;
    let versions = page.objects.iter().map(|(key, inode)| dto::ObjectVersion {
        e_tag: Some(meta::etag(inode)),
        is_latest: Some(true),
        key: Some(encoding.name(key)),
        last_modified: Some(meta::timestamp(inode.mtime_ns)),
        owner: Some(owner()),
        size: Some(i64::try_from(inode.size).unwrap_or(i64::MAX)),
        storage_class: Some(class(door, inode).into()),
        version_id: Some("null".to_owned()),
        ..dto::ObjectVersion::default()
    });
    Ok(S3Response::new(dto::ListObjectVersionsOutput {
        versions: Some(versions.collect()),
        common_prefixes: common_prefixes(&page, encoding),
        delimiter: some_name(&ask.delimiter, encoding),
        encoding_type: encoding.shown(),
        is_truncated: Some(page.next.is_some()),
        key_marker: Some(encoding.name(input.key_marker.unwrap_or_default().as_bytes())),
        max_keys: Some(ask.max_keys),
        next_version_id_marker: page.next.is_some().then(|| "null".to_owned()),
        next_key_marker: page.next.map(|next| marker(&next, encoding)),
        prefix: Some(encoding.name(ask.prefix.as_bytes())),
        name: Some(ask.bucket),
        version_id_marker: input.version_id_marker,
        ..dto::ListObjectVersionsOutput::default()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_carry_any_key() {
        for key in [&b"a"[..], b"a/b c", &[0xff, 1, 2], "ü".as_bytes()] {
            assert_eq!(parse_token(&token(key)).unwrap(), key);
        }
        for bad in ["", "1", "x", "1***", "2YQ"] {
            assert!(parse_token(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn markers_come_back_as_the_keys_they_name() {
        let ambiguous = [EXACT.as_bytes(), b"AAAA"].concat();
        let keys =
            [&b"a/b c"[..], "\u{fc}\u{fffd}".as_bytes(), b"\xffy", b"a\xc3", b"a\rb", b"a\x01", &ambiguous];
        for key in keys {
            for encoding in [Encoding::Plain, Encoding::Url] {
                let sent = match (marker(key, encoding), encoding) {
                    (text, Encoding::Plain) => text,
                    (text, Encoding::Url) => crate::auth::decode_percent(&text, false).expect("it is text"),
                };
                assert_eq!(after(Some(&sent)), key, "{sent}");
            }
        }
        assert_eq!(marker(b"a b", Encoding::Plain), "a b");
        assert_eq!(marker(b"a b", Encoding::Url), "a%20b");
        assert_eq!(after(std::str::from_utf8(&ambiguous).ok()), ambiguous, "a key that somebody chose");
        assert_eq!(after(None), "");
    }

    #[test]
    fn names_are_encoded_when_asked() {
        assert_eq!(Encoding::Url.name("a b/ü+\u{1}".as_bytes()), "a%20b/%C3%BC%2B%01");
        assert_eq!(Encoding::Plain.name("a b".as_bytes()), "a b");
        assert_eq!(Encoding::Url.name(&[0xff]), "%FF");
    }

    #[test]
    fn page_sizes_are_bounded() {
        assert_eq!(page_size(None, "n").unwrap(), 1000);
        assert_eq!(page_size(Some(0), "n").unwrap(), 0);
        assert_eq!(page_size(Some(5000), "n").unwrap(), 1000);
        assert!(page_size(Some(-1), "n").is_err());
    }
}
