//! What S3 keeps beside an object's bytes: from the headers of a request into metadata, and back into answers.

use std::collections::BTreeMap;

use holdfast_proto::inode::{Inode, KeyValue, ObjectChecksum, ObjectMeta};
use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};
use s3s::dto::{ChecksumType, ETag, Timestamp};
use s3s::{S3Error, S3Result};
use time::OffsetDateTime;

use crate::auth::parse_query;
use crate::body::checksum::Algorithm;
use crate::error;
use crate::http::envelope::Envelope;

/// Most bytes of names and values of user metadata, as in S3.
const MAX_USER_BYTES: usize = 2 * 1024;

/// Most tags of an object.
const MAX_TAGS: usize = 10;

/// The time as answers carry it.
pub(super) fn timestamp(ns: i64) -> Timestamp {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ns)).unwrap_or(OffsetDateTime::UNIX_EPOCH).into()
}

/// An ETag as answers carry it.
pub(super) fn etag(inode: &Inode) -> ETag {
    ETag::Strong(inode.etag())
}

fn text(headers: &HeaderMap, name: &HeaderName) -> S3Result<Option<String>> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text =
        std::str::from_utf8(value.as_bytes()).map_err(|_| error::invalid(format!("{name} is not UTF-8")))?;
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// `Content-Encoding` without `aws-chunked`, which described the transfer only.
fn content_encoding(headers: &HeaderMap) -> S3Result<Option<String>> {
    let Some(whole) = text(headers, &header::CONTENT_ENCODING)? else { return Ok(None) };
    let kept: Vec<&str> =
        whole.split(',').map(str::trim).filter(|e| !e.is_empty() && *e != "aws-chunked").collect();
    Ok((!kept.is_empty()).then(|| kept.join(",")))
}

/// Reads what a request says about the object that it makes.
pub(super) fn from_request(
    headers: &HeaderMap,
    envelope: &Envelope,
    user: Option<&s3s::dto::Metadata>,
) -> S3Result<ObjectMeta> {
    let tags = match headers.get("x-amz-tagging") {
        None => Vec::new(),
        Some(value) => parse_tagging(value)?,
    };
    let redirect = HeaderName::from_static("x-amz-website-redirect-location");
    Ok(ObjectMeta {
        content_type: text(headers, &header::CONTENT_TYPE)?,
        content_encoding: content_encoding(headers)?,
        content_disposition: text(headers, &header::CONTENT_DISPOSITION)?,
        content_language: text(headers, &header::CONTENT_LANGUAGE)?,
        cache_control: text(headers, &header::CACHE_CONTROL)?,
        expires: envelope.expires.clone(),
        website_redirect: text(headers, &redirect)?,
        user: user_metadata(user)?,
        tags,
        ..ObjectMeta::default()
    })
}

fn user_metadata(user: Option<&s3s::dto::Metadata>) -> S3Result<Vec<KeyValue>> {
    let Some(user) = user else { return Ok(Vec::new()) };
    let sorted: BTreeMap<&String, &String> = user.iter().collect();
    let total: usize = sorted.iter().map(|(k, v)| k.len() + v.len()).sum();
    if total > MAX_USER_BYTES {
        return Err(error::refuse(
            "MetadataTooLarge",
            http::StatusCode::BAD_REQUEST,
            "your metadata headers exceed the maximum allowed metadata size",
        ));
    }
    if sorted.values().any(|v| v.chars().any(char::is_control)) {
        return Err(error::invalid("a metadata value has a control character"));
    }
    Ok(sorted.into_iter().map(|(k, v)| KeyValue { key: k.clone(), value: v.clone() }).collect())
}

fn parse_tagging(value: &HeaderValue) -> S3Result<Vec<KeyValue>> {
    let bad = || error::invalid("x-amz-tagging must be encoded as URL query parameters");
    let pairs = value.to_str().ok().and_then(parse_query).ok_or_else(bad)?;
    check_tags(pairs.into_iter().map(|(key, value)| KeyValue { key, value }).collect())
}

/// Checks tags against the limits of S3.
pub(super) fn check_tags(tags: Vec<KeyValue>) -> S3Result<Vec<KeyValue>> {
    let bad = |why: &str| error::refuse("InvalidTag", http::StatusCode::BAD_REQUEST, why);
    if tags.len() > MAX_TAGS {
        return Err(error::refuse(
            "BadRequest",
            http::StatusCode::BAD_REQUEST,
            "object tags cannot be greater than 10",
        ));
    }
    for (i, tag) in tags.iter().enumerate() {
        if tag.key.is_empty() || tag.key.chars().count() > 128 {
            return Err(bad("a tag's key must have 1 to 128 characters"));
        }
        if tag.value.chars().count() > 256 {
            return Err(bad("a tag's value must have at most 256 characters"));
        }
        if tags[..i].iter().any(|t| t.key == tag.key) {
            return Err(bad("cannot provide multiple tags with the same key"));
        }
    }
    Ok(tags)
}

/// The checksums that still describe the content.
pub(super) fn checksums(inode: &Inode) -> &[ObjectChecksum] {
    match &inode.object {
        Some(object) if inode.object_is_current() => &object.checksums,
        _ => &[],
    }
}

/// The lengths of the parts, if they still describe the content.
pub(super) fn part_bytes(inode: &Inode) -> &[u64] {
    match &inode.object {
        Some(object) if inode.object_is_current() => &object.part_bytes,
        _ => &[],
    }
}

/// The value of one checksum among several.
pub(super) fn value_of(checksums: &[ObjectChecksum], algorithm: Algorithm) -> Option<String> {
    checksums.iter().find(|c| c.algorithm == algorithm.name()).map(|c| c.value.clone())
}

/// `COMPOSITE` or `FULL_OBJECT`, when there is a checksum.
pub(super) fn type_of(checksums: &[ObjectChecksum]) -> Option<ChecksumType> {
    let kind = |full: bool| if full { ChecksumType::FULL_OBJECT } else { ChecksumType::COMPOSITE };
    checksums.first().map(|c| ChecksumType::from_static(kind(c.full_object)))
}

/// The headers that no field of an answer carries as they were sent.
pub(super) fn raw_headers(object: Option<&ObjectMeta>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(expires) = object.and_then(|o| o.expires.as_deref())
        && let Ok(value) = HeaderValue::from_str(expires)
    {
        headers.insert(header::EXPIRES, value);
    }
    headers
}

/// Fills the five checksum fields of an answer.
macro_rules! set_checksums {
    ($output:expr, $checksums:expr) => {{
        use $crate::body::checksum::Algorithm as A;
        let checksums = $checksums;
        $output.checksum_crc32 = $crate::s3::meta::value_of(checksums, A::Crc32);
        $output.checksum_crc32c = $crate::s3::meta::value_of(checksums, A::Crc32c);
        $output.checksum_crc64nvme = $crate::s3::meta::value_of(checksums, A::Crc64Nvme);
        $output.checksum_sha1 = $crate::s3::meta::value_of(checksums, A::Sha1);
        $output.checksum_sha256 = $crate::s3::meta::value_of(checksums, A::Sha256);
    }};
}

/// Fills what GET and HEAD answer alike.
macro_rules! describe {
    ($output:expr, $inode:expr) => {{
        let inode: &holdfast_proto::inode::Inode = $inode;
        $output.accept_ranges = Some("bytes".to_owned());
        $output.e_tag = Some($crate::s3::meta::etag(inode));
        $output.last_modified = Some($crate::s3::meta::timestamp(inode.mtime_ns));
        $output.content_type = Some("binary/octet-stream".to_owned());
        if let Some(object) = &inode.object {
            if let Some(content_type) = &object.content_type {
                $output.content_type = Some(content_type.clone());
            }
            $output.content_encoding = object.content_encoding.clone();
            $output.content_disposition = object.content_disposition.clone();
            $output.content_language = object.content_language.clone();
            $output.cache_control = object.cache_control.clone();
            $output.website_redirect_location = object.website_redirect.clone();
            if !object.user.is_empty() {
                let user = object.user.iter().map(|kv| (kv.key.clone(), kv.value.clone()));
                $output.metadata = Some(user.collect());
            }
        }
    }};
}

pub(super) use {describe, set_checksums};

/// The storage class a request names: 0 for the bucket's own.
pub(super) async fn storage_class(
    store: &dyn crate::store::Store,
    wanted: Option<&s3s::dto::StorageClass>,
) -> Result<u32, S3Error> {
    match wanted.map(s3s::dto::StorageClass::as_str) {
        None | Some("" | "STANDARD") => Ok(0),
        Some(name) => {
            store.class_named(name).await.map_err(|status| error::from_status(&status))?.ok_or_else(|| {
                error::refuse(
                    "InvalidStorageClass",
                    http::StatusCode::BAD_REQUEST,
                    "the storage class you specified is not known here",
                )
            })
        }
    }
}

/// The storage class as answers show it: only when it is not the default.
pub(super) fn shown_class(store: &dyn crate::store::Store, id: u32) -> Option<String> {
    if id <= 1 { None } else { store.class_name(id) }
}

/// Refuses versions: there are none but `null`.
pub(super) fn check_version(version: Option<&str>) -> S3Result<()> {
    match version {
        None | Some("" | "null") => Ok(()),
        Some(_) => Err(error::refuse(
            "NoSuchVersion",
            http::StatusCode::NOT_FOUND,
            "the version id specified in the request does not match an existing version",
        )),
    }
}

/// A key that an operation on an object may name.
pub(super) fn check_key(key: &str) -> S3Result<bytes::Bytes> {
    if key.is_empty() {
        return Err(error::invalid("the key is empty"));
    }
    if key.len() > 1024 {
        return Err(error::refuse("KeyTooLongError", http::StatusCode::BAD_REQUEST, "your key is too long"));
    }
    if key.contains('\0') {
        return Err(error::invalid("a key cannot hold a NUL"));
    }
    Ok(bytes::Bytes::copy_from_slice(key.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aws_chunked_is_not_kept() {
        let encoding = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("content-encoding", value.parse().unwrap());
            content_encoding(&headers).unwrap()
        };
        assert_eq!(encoding("aws-chunked"), None);
        assert_eq!(encoding("aws-chunked,gzip").as_deref(), Some("gzip"));
        assert_eq!(encoding("gzip, aws-chunked").as_deref(), Some("gzip"));
        assert_eq!(encoding("br").as_deref(), Some("br"));
    }

    #[test]
    fn tags_have_limits() {
        let tags = parse_tagging(&"a=1&b=x%20y".parse().unwrap()).unwrap();
        assert_eq!(tags[1].value, "x y");
        assert!(parse_tagging(&"a=1&a=2".parse().unwrap()).is_err());
        assert!(parse_tagging(&"=1".parse().unwrap()).is_err());
        let many: Vec<String> = (0..11).map(|i| format!("k{i}=v")).collect();
        assert!(parse_tagging(&many.join("&").parse().unwrap()).is_err());
    }

    #[test]
    fn metadata_has_a_limit_and_no_line_ends() {
        let of = |v: &str| user_metadata(Some(&[("k".to_owned(), v.to_owned())].into_iter().collect()));
        assert!(of("fine ü").is_ok());
        assert!(of("a\r\nb").is_err());
        assert!(of(&"x".repeat(2048)).is_err());
    }

    #[test]
    fn checksums_of_changed_content_are_void() {
        let object = ObjectMeta {
            version: 1,
            checksums: vec![ObjectChecksum {
                algorithm: "CRC32".into(),
                value: "x".into(),
                full_object: true,
            }],
            part_bytes: vec![1],
            ..ObjectMeta::default()
        };
        let mut inode = Inode { version: 1, object: Some(object), ..Inode::default() };
        assert_eq!(value_of(checksums(&inode), Algorithm::Crc32).as_deref(), Some("x"));
        inode.version = 2;
        assert!(checksums(&inode).is_empty() && part_bytes(&inode).is_empty());
    }
}
