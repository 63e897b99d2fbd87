//! Multipart uploads under way: finding one by the id a client has, listing them and their parts.
//!
//! What always holds: the id that clients see is the upload's number and its 128 random bits. An id is good only for
//! the bucket and key it was made for; anything else is "no such upload".

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use holdfast_proto::query::{self, ListUploads, Query, QueryReply, Upload};
use holdfast_proto::status::{Code, Status};
use parking_lot::Mutex;
use s3s::dto;
use s3s::{S3Error, S3Request, S3Response, S3Result};
use subtle::ConstantTimeEq;

use crate::body::checksum::Algorithm;
use crate::error;
use crate::s3::bucket::owner;
use crate::s3::list::{self, Encoding, page_size};
use crate::s3::{Operations, meta};

/// Most uploads remembered: what is remembered never changes, it only saves a question per part.
const REMEMBERED: usize = 10_000;

/// Most pages of metadata read for one page of a listing with a delimiter.
const MAX_PAGES: usize = 16;

/// What never changes about an upload.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) id: u64,
    pub(super) nonce: String,
    bucket: String,
    key: Bytes,
    pub(super) class: u32,
    pub(super) algorithm: Option<Algorithm>,
    /// The checksum is over the whole object instead of over the parts' checksums.
    pub(super) full_object: bool,
}

/// Uploads seen lately.
#[derive(Default)]
pub(super) struct KnownUploads(Mutex<HashMap<u64, Arc<Known>>>);

impl KnownUploads {
    fn get(&self, id: u64) -> Option<Arc<Known>> {
        self.0.lock().get(&id).cloned()
    }

    pub(super) fn learn(&self, upload: &Upload) -> Arc<Known> {
        let known = Arc::new(Known {
            id: upload.id,
            nonce: upload.nonce.clone(),
            bucket: upload.bucket.clone(),
            key: upload.key.clone(),
            class: upload.class,
            algorithm: Algorithm::parse(&upload.checksum_algorithm),
            full_object: upload.checksum_type == "FULL_OBJECT",
        });
        let mut all = self.0.lock();
        if all.len() >= REMEMBERED {
            all.clear();
        }
        all.insert(known.id, Arc::clone(&known));
        known
    }

    pub(super) fn forget(&self, id: u64) {
        self.0.lock().remove(&id);
    }
}

/// The id as clients see it.
pub(super) fn public_id(id: u64, nonce: &str) -> String {
    format!("{id:016x}{nonce}")
}

/// Splits an id; `None` for what cannot be one.
pub(super) fn parse_id(text: &str) -> Option<(u64, &str)> {
    if text.len() != 48 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let (id, nonce) = text.split_at(16);
    Some((u64::from_str_radix(id, 16).ok()?, nonce))
}

pub(super) fn no_such_upload() -> S3Error {
    error::from_status(&Status::new(
        Code::NoSuchUpload,
        "the specified upload does not exist; the upload id may be invalid, or the upload may have been aborted or completed",
    ))
}

impl Known {
    pub(super) fn is_for(&self, nonce: &str, bucket: &str, key: &str) -> bool {
        let same: bool = self.nonce.as_bytes().ct_eq(nonce.as_bytes()).into();
        same && self.bucket == bucket && self.key == key.as_bytes()
    }
}

/// Asks for a page of parts; the upload comes with it.
pub(super) async fn ask_parts(
    door: &Operations,
    upload: u64,
    after: u32,
    most: u32,
) -> Result<QueryReply, Status> {
    let reply = door.store.ask(Query::ListParts(query::ListParts { upload, after, most })).await?;
    if reply.uploads.is_empty() {
        return Err(Status::new(Code::NoSuchUpload, "no such upload"));
    }
    Ok(reply)
}

/// Finds the upload that a request is about.
pub(super) async fn find(door: &Operations, id: &str, bucket: &str, key: &str) -> S3Result<Arc<Known>> {
    let (number, nonce) = parse_id(id).ok_or_else(no_such_upload)?;
    let known = match door.uploads.get(number) {
        Some(known) => known,
        None => {
            let reply = ask_parts(door, number, 0, 1).await.map_err(|status| error::from_status(&status))?;
            let upload = reply.uploads.first().ok_or_else(no_such_upload)?;
            door.uploads.learn(upload)
        }
    };
    if known.is_for(nonce, bucket, key) { Ok(known) } else { Err(no_such_upload()) }
}

fn checksum_fields(upload: &Upload) -> (Option<dto::ChecksumAlgorithm>, Option<dto::ChecksumType>) {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    (some(&upload.checksum_algorithm).map(Into::into), some(&upload.checksum_type).map(Into::into))
}

/// The parts of an upload.
pub(super) async fn list_parts(
    door: &Operations,
    request: S3Request<dto::ListPartsInput>,
) -> S3Result<S3Response<dto::ListPartsOutput>> {
    let input = request.input;
    let (number, nonce) = parse_id(&input.upload_id).ok_or_else(no_such_upload)?;
    let most = page_size(input.max_parts, "max-parts")?;
    let marker = u32::try_from(input.part_number_marker.unwrap_or(0))
        .map_err(|_| error::invalid("part-number-marker must not be negative"))?;
    let wanted = u32::try_from(most).unwrap_or(1);
    let reply =
        ask_parts(door, number, marker, wanted.max(1)).await.map_err(|status| error::from_status(&status))?;
    let upload = reply.uploads.first().ok_or_else(no_such_upload)?;
    if !door.uploads.learn(upload).is_for(nonce, &input.bucket, &input.key) {
        return Err(no_such_upload());
    }
    let parts: Vec<dto::Part> = reply.parts.iter().take(wanted as usize).map(shown_part).collect();
    let more = reply.more && wanted > 0;
    let (checksum_algorithm, checksum_type) = checksum_fields(upload);
    Ok(S3Response::new(dto::ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        checksum_algorithm,
        checksum_type,
        initiator: Some(dto::Initiator {
            display_name: Some(upload.owner.clone()),
            id: Some(upload.owner.clone()),
        }),
        owner: Some(owner()),
        is_truncated: Some(more),
        max_parts: Some(most),
        next_part_number_marker: parts.last().and_then(|p| p.part_number),
        part_number_marker: input.part_number_marker,
        parts: Some(parts),
        storage_class: Some(shown_class(door, upload.class).into()),
        ..dto::ListPartsOutput::default()
    }))
}

fn shown_class(door: &Operations, class: u32) -> String {
    meta::shown_class(&*door.store, class).unwrap_or_else(|| "STANDARD".to_owned())
}

fn shown_part(part: &query::Part) -> dto::Part {
    let mut shown = dto::Part {
        e_tag: Some(dto::ETag::Strong(part.etag.clone())),
        last_modified: Some(meta::timestamp(part.mtime_ns)),
        part_number: i32::try_from(part.part).ok(),
        size: i64::try_from(part.size).ok(),
        ..dto::Part::default()
    };
    meta::set_checksums!(shown, &part.checksums);
    shown
}

/// A page of uploads, grouped by the delimiter.
struct Gathered {
    uploads: Vec<Upload>,
    prefixes: Vec<Vec<u8>>,
    more: bool,
    last: (Vec<u8>, u64),
}

/// The uploads under way in a bucket.
pub(super) async fn list_multipart_uploads(
    door: &Operations,
    request: S3Request<dto::ListMultipartUploadsInput>,
) -> S3Result<S3Response<dto::ListMultipartUploadsOutput>> {
    let input = request.input;
    let encoding = Encoding::parse(input.encoding_type.as_ref())?;
    let most = page_size(input.max_uploads, "max-uploads")?;
    let gathered = gather(door, &input, usize::try_from(most).unwrap_or(0)).await?;
    let uploads = gathered.uploads.iter().map(|upload| {
        let (checksum_algorithm, checksum_type) = checksum_fields(upload);
        dto::MultipartUpload {
            checksum_algorithm,
            checksum_type,
            initiated: Some(meta::timestamp(upload.created_ns)),
            initiator: Some(dto::Initiator {
                display_name: Some(upload.owner.clone()),
                id: Some(upload.owner.clone()),
            }),
            key: Some(encoding.name(&upload.key)),
            owner: Some(owner()),
            storage_class: Some(shown_class(door, upload.class).into()),
            upload_id: Some(public_id(upload.id, &upload.nonce)),
        }
    });
    let prefixes = gathered.prefixes.iter().map(|p| dto::CommonPrefix { prefix: Some(encoding.name(p)) });
    let name = |text: Option<&String>| text.map(|t| encoding.name(t.as_bytes()));
    Ok(S3Response::new(dto::ListMultipartUploadsOutput {
        uploads: Some(uploads.collect()),
        common_prefixes: (!gathered.prefixes.is_empty()).then(|| prefixes.collect()),
        delimiter: name(input.delimiter.as_ref()),
        encoding_type: encoding.shown(),
        is_truncated: Some(gathered.more),
        key_marker: Some(name(input.key_marker.as_ref()).unwrap_or_default()),
        upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
        max_uploads: Some(most),
        next_key_marker: gathered.more.then(|| list::marker(&gathered.last.0, encoding)),
        next_upload_id_marker: (gathered.more && gathered.last.1 != 0).then(|| {
            let last = gathered.uploads.iter().find(|u| u.id == gathered.last.1);
            last.map_or_else(String::new, |u| public_id(u.id, &u.nonce))
        }),
        prefix: Some(name(input.prefix.as_ref()).unwrap_or_default()),
        bucket: Some(input.bucket),
        request_charged: None,
    }))
}

fn group<'k>(key: &'k [u8], prefix: &[u8], delimiter: &[u8]) -> Option<&'k [u8]> {
    if delimiter.is_empty() {
        return None;
    }
    let rest = key.get(prefix.len()..)?;
    let at = rest.windows(delimiter.len()).position(|w| w == delimiter)?;
    key.get(..prefix.len() + at + delimiter.len())
}

/// Behind a group: no key that is text lies behind this one and still in the group.
fn beyond(group: &[u8]) -> Vec<u8> {
    [group, &[0xff]].concat()
}

/// What a listing goes on behind. A marker that names a group stands for all of it: the page before listed it.
fn behind(marker: &[u8], prefix: &[u8], delimiter: &[u8]) -> Vec<u8> {
    match marker.starts_with(prefix) && group(marker, prefix, delimiter) == Some(marker) {
        true => beyond(marker),
        false => marker.to_vec(),
    }
}

async fn gather(
    door: &Operations,
    input: &dto::ListMultipartUploadsInput,
    most: usize,
) -> S3Result<Gathered> {
    let prefix = input.prefix.as_deref().unwrap_or("").as_bytes();
    let delimiter = input.delimiter.as_deref().unwrap_or("").as_bytes();
    let mut after = (behind(&list::after(input.key_marker.as_deref()), prefix, delimiter), 0);
    if let Some(marker) = input.upload_id_marker.as_deref().filter(|m| !m.is_empty()) {
        after.1 =
            parse_id(marker).ok_or_else(|| error::invalid("the upload id marker is not an upload id"))?.0;
    }
    let mut found = Gathered { uploads: Vec::new(), prefixes: Vec::new(), more: false, last: after.clone() };
    if most == 0 {
        crate::s3::bucket::find(door, &input.bucket).await?;
        return Ok(found);
    }
    for _ in 0..MAX_PAGES {
        let question = ListUploads {
            bucket: input.bucket.clone(),
            prefix: Bytes::copy_from_slice(prefix),
            after_key: Bytes::from(after.0.clone()),
            after_upload: after.1,
            most: u32::try_from(most).unwrap_or(1000).min(1000),
        };
        let reply = door
            .store
            .ask(Query::ListUploads(question))
            .await
            .map_err(|status| error::from_status(&status))?;
        for upload in reply.uploads {
            if found.uploads.len() + found.prefixes.len() == most {
                let known_group = group(&upload.key, prefix, delimiter)
                    .is_some_and(|g| found.prefixes.last().is_some_and(|p| p == g));
                if known_group {
                    continue;
                }
                found.more = true;
                return Ok(found);
            }
            match group(&upload.key, prefix, delimiter) {
                Some(group) => {
                    if found.prefixes.last().is_none_or(|p| p != group) {
                        found.prefixes.push(group.to_vec());
                    }
                    found.last = (group.to_vec(), 0);
                    after = (beyond(group), 0);
                }
                None => {
                    after = (upload.key.to_vec(), upload.id);
                    found.last = after.clone();
                    found.uploads.push(upload);
                }
            }
        }
        if !reply.more {
            found.more = false;
            return Ok(found);
        }
        found.more = true;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_carry_number_and_nonce() {
        let nonce = "0123456789abcdef0123456789abcdef";
        let id = public_id(77, nonce);
        assert_eq!(parse_id(&id), Some((77, nonce)));
        for bad in ["", "77", &id[1..], &format!("{id}0"), &id.replace('7', "g")] {
            assert_eq!(parse_id(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_id_is_good_for_its_own_key_only() {
        let uploads = KnownUploads::default();
        let known = uploads.learn(&Upload {
            id: 1,
            nonce: "n".into(),
            bucket: "b".into(),
            key: Bytes::from_static(b"k"),
            ..Upload::default()
        });
        assert!(known.is_for("n", "b", "k"));
        assert!(!known.is_for("x", "b", "k"));
        assert!(!known.is_for("n", "c", "k"));
        assert!(!known.is_for("n", "b", "l"));
        uploads.forget(1);
        assert!(uploads.get(1).is_none());
    }

    #[test]
    fn a_page_goes_on_behind_the_group_it_ended_with() {
        assert_eq!(behind(b"a/b/", b"a/", b"/"), b"a/b/\xff");
        for (marker, prefix, delimiter) in
            [("a/", "", ""), ("a/b", "", "/"), ("a/", "a/", "/"), ("b/", "a/", "/")]
        {
            let (prefix, delimiter) = (prefix.as_bytes(), delimiter.as_bytes());
            assert_eq!(behind(marker.as_bytes(), prefix, delimiter), marker.as_bytes(), "{marker}");
        }
    }

    #[test]
    fn keys_group_at_the_first_delimiter_behind_the_prefix() {
        assert_eq!(group(b"a/b/c", b"a/", b"/"), Some(&b"a/b/"[..]));
        assert_eq!(group(b"a/b", b"a/", b"/"), None);
        assert_eq!(group(b"a/b", b"", b""), None);
        assert_eq!(group(b"a--b", b"", b"--"), Some(&b"a--"[..]));
    }
}
