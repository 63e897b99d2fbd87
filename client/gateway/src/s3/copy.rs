//! Copies by reference: CopyObject and UploadPartCopy. No byte is written; a part's bytes are read once, for its MD5.
//!
//! What always holds: the key must have the right to read the source; what was judged and hashed is what is copied, since
//! the command names the source's version.

use std::ops::Range;
use std::time::SystemTime;

use futures::StreamExt;
use holdfast_proto::inode::{Inode, ObjectMeta};
use holdfast_proto::op::{Conditions, CopyObject, CopyPart, Op};
use holdfast_proto::status::{Code, Status};
use s3s::dto;
use s3s::{S3Request, S3Response, S3Result};

use crate::auth::rights::Right;
use crate::body::checksum;
use crate::body::digest::Digester;
use crate::error;
use crate::http::envelope::{self, Envelope};
use crate::s3::access::require;
use crate::s3::conditions::Verdict;
use crate::s3::{Operations, get, meta, multipart, range, uploads};

/// Bucket and key of a source that the key may read.
fn source(envelope: &Envelope, source: &dto::CopySource) -> S3Result<(String, String)> {
    let dto::CopySource::Bucket { bucket, key, version_id } = source else {
        return Err(error::not_offered("the copy source must be bucket/key"));
    };
    meta::check_version(version_id.as_deref())?;
    meta::check_key(key)?;
    require(&envelope.key, Right::Read, bucket)?;
    Ok((bucket.to_string(), key.to_string()))
}

fn judge(envelope: &Envelope, inode: &Inode) -> S3Result<()> {
    match envelope.source_conditions.judge(inode) {
        Verdict::Proceed => Ok(()),
        Verdict::NotModified | Verdict::Failed => Err(error::from_status(&Status::new(
            Code::PreconditionFailed,
            "at least one of the preconditions you specified for the copy source did not hold",
        ))),
    }
}

/// Times a copy begins anew because its source was replaced meanwhile.
const MOST_TRIES: usize = 4;

/// `COPY` (false) or `REPLACE` (true).
fn replaces(directive: Option<&str>, name: &str) -> S3Result<bool> {
    match directive {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(_) => Err(error::invalid(format!("unknown {name} directive"))),
    }
}

/// Copies an object.
pub(super) async fn copy_object(
    door: &Operations,
    request: S3Request<dto::CopyObjectInput>,
) -> S3Result<S3Response<dto::CopyObjectOutput>> {
    let envelope = envelope::of(&request)?;
    let S3Request { input, headers, .. } = request;
    let key = meta::check_key(&input.key)?;
    let (source_bucket, source_key) = source(&envelope, &input.copy_source)?;
    let replace =
        replaces(input.metadata_directive.as_ref().map(dto::MetadataDirective::as_str), "metadata")?;
    let replace_tags =
        replaces(input.tagging_directive.as_ref().map(dto::TaggingDirective::as_str), "tagging")?;
    let class = meta::storage_class(&*door.store, input.storage_class.as_ref()).await?;
    let itself = source_bucket == input.bucket && source_key == input.key;
    let changes = replace || replace_tags || class != 0 || input.website_redirect_location.is_some();
    if itself && !changes {
        return Err(error::bad_request(
            "this copy request is illegal because it is trying to copy an object to itself without changing the \
             object's metadata, storage class, website redirect location or encryption attributes",
        ));
    }
    let said = meta::from_request(&headers, &envelope, input.metadata.as_ref())?;
    let command = CopyObject {
        source_bucket: source_bucket.clone(),
        source_key: meta::check_key(&source_key)?,
        bucket: input.bucket,
        key,
        conditions: envelope.conditions.for_write()?,
        replace_tags,
        class,
        tags: if replace_tags { said.tags.clone() } else { Vec::new() },
        ..CopyObject::default()
    };
    let mut inode = get::lookup(door, &source_bucket, &source_key).await?;
    let mut tries = 0;
    let reply = loop {
        judge(&envelope, &inode)?;
        check_checksum_wish(input.checksum_algorithm.as_ref(), &inode)?;
        // What was judged is what is copied.
        let attempt = CopyObject {
            source_conditions: Some(Conditions { if_version: inode.version, ..Conditions::default() }),
            object: replace.then(|| replaced(said.clone(), &inode)),
            ..command.clone()
        };
        let refused = match door.store.change(Op::CopyObject(attempt)).await {
            Ok(reply) => break reply,
            Err(status) => status,
        };
        // The source may have been replaced since; the client did not ask for one version of it.
        let before = inode.version;
        if refused.kind() == Code::PreconditionFailed && tries < MOST_TRIES {
            tries += 1;
            inode = get::lookup(door, &source_bucket, &source_key).await?;
            if inode.version != before {
                continue;
            }
        }
        return Err(error::from_status(&refused));
    };
    let copy = reply.inode.unwrap_or(inode);
    let mut result = dto::CopyObjectResult {
        e_tag: Some(meta::etag(&copy)),
        last_modified: Some(meta::timestamp(copy.mtime_ns)),
        checksum_type: meta::type_of(meta::checksums(&copy)),
        ..dto::CopyObjectResult::default()
    };
    meta::set_checksums!(result, meta::checksums(&copy));
    Ok(S3Response::new(dto::CopyObjectOutput {
        copy_object_result: Some(result),
        ..dto::CopyObjectOutput::default()
    }))
}

/// New headers over the same bytes: what describes the bytes stays.
fn replaced(said: ObjectMeta, source: &Inode) -> ObjectMeta {
    let Some(old) = source.object.as_ref().filter(|_| source.object_is_current()) else {
        return ObjectMeta { tags: tags_of(source), ..said };
    };
    ObjectMeta {
        etag: old.etag.clone(),
        checksums: old.checksums.clone(),
        parts: old.parts,
        part_bytes: old.part_bytes.clone(),
        tags: old.tags.clone(),
        ..said
    }
}

fn tags_of(inode: &Inode) -> Vec<holdfast_proto::inode::KeyValue> {
    inode.object.as_ref().map(|o| o.tags.clone()).unwrap_or_default()
}

/// A copy has the checksums of its source; another one would need its bytes read.
fn check_checksum_wish(wanted: Option<&dto::ChecksumAlgorithm>, inode: &Inode) -> S3Result<()> {
    let Some(wanted) = wanted else { return Ok(()) };
    if meta::checksums(inode).iter().any(|c| c.algorithm == wanted.as_str()) {
        return Ok(());
    }
    Err(error::not_offered("a copy keeps the checksum of its source; another one cannot be asked for"))
}

/// Puts a part by reference to an object.
pub(super) async fn upload_part_copy(
    door: &Operations,
    request: S3Request<dto::UploadPartCopyInput>,
) -> S3Result<S3Response<dto::UploadPartCopyOutput>> {
    let envelope = envelope::of(&request)?;
    let input = request.input;
    let part = multipart::part_number(input.part_number)?;
    let (source_bucket, source_key) = source(&envelope, &input.copy_source)?;
    let known = uploads::find(door, &input.upload_id, &input.bucket, &input.key).await?;
    let object = door.store.open(&source_bucket, &meta::check_key(&source_key)?).await;
    let object = object.map_err(|status| error::from_status(&status))?;
    let inode = object.inode().clone();
    judge(&envelope, &inode)?;
    let wanted = chosen_range(input.copy_source_range.as_deref(), inode.size)?;
    if wanted.end - wanted.start > door.config.max_put_bytes {
        return Err(error::refuse(
            "EntityTooLarge",
            http::StatusCode::BAD_REQUEST,
            "your proposed part exceeds the maximum allowed size",
        ));
    }

    let algorithms: Vec<_> = known.algorithm.into_iter().collect();
    let mut digester = Digester::new(&algorithms, false);
    if !wanted.is_empty() {
        let mut pieces = std::sync::Arc::clone(&object).stream(wanted.clone());
        while let Some(piece) = pieces.next().await {
            digester.push(piece.map_err(|status| error::from_status(&status))?).await?;
        }
    }
    let digests = digester.finish().await?;
    if digests.length != wanted.end - wanted.start {
        return Err(error::from_status(&Status::internal("a source ended before its length")));
    }
    let checksums: Vec<_> = digests.extra.iter().map(|(a, v)| checksum::stored(*a, v, true)).collect();
    let command = CopyPart {
        upload: known.id,
        part,
        source: inode.ino,
        source_version: inode.version,
        offset: wanted.start,
        length: wanted.end - wanted.start,
        etag: digests.etag(),
        checksums: checksums.clone(),
        draft: 0,
    };
    door.store.change(Op::CopyPart(command)).await.map_err(|status| {
        if status.kind() == Code::NoSuchUpload {
            door.uploads.forget(known.id);
        }
        error::from_status(&status)
    })?;
    let mut result = dto::CopyPartResult {
        e_tag: Some(dto::ETag::Strong(digests.etag())),
        last_modified: Some(SystemTime::now().into()),
        ..dto::CopyPartResult::default()
    };
    meta::set_checksums!(result, &checksums);
    Ok(S3Response::new(dto::UploadPartCopyOutput {
        copy_part_result: Some(result),
        ..dto::UploadPartCopyOutput::default()
    }))
}

fn chosen_range(header: Option<&str>, size: u64) -> S3Result<Range<u64>> {
    match header {
        None => Ok(0..size),
        Some(text) => range::parse_copy(text, size).ok_or_else(|| {
            error::refuse(
                "InvalidRange",
                http::StatusCode::RANGE_NOT_SATISFIABLE,
                "the x-amz-copy-source-range value must be of the form bytes=first-last within the source",
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_headers_keep_what_describes_the_bytes() {
        let old = ObjectMeta {
            etag: "e-3".into(),
            version: 4,
            parts: 3,
            part_bytes: vec![1, 2, 3],
            ..Default::default()
        };
        let inode = Inode { version: 4, object: Some(old), ..Inode::default() };
        let said = ObjectMeta { content_type: Some("text/plain".into()), ..ObjectMeta::default() };
        let new = replaced(said.clone(), &inode);
        assert_eq!(
            (new.etag.as_str(), new.parts, new.content_type.as_deref()),
            ("e-3", 3, Some("text/plain"))
        );
        let changed = Inode { version: 5, ..inode };
        assert_eq!(replaced(said, &changed).etag, "");
    }

    #[test]
    fn directives_are_known_words() {
        assert!(!replaces(None, "x").unwrap());
        assert!(replaces(Some("REPLACE"), "x").unwrap());
        assert!(replaces(Some("copy"), "x").is_err());
    }
}
