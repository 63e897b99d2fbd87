//! Copies by reference: CopyObject and UploadPartCopy. No byte is written; a part's bytes are read once, for its MD5.
//!
//! What always holds: the key must have the right to read the source; what was judged or hashed is what is copied, since
//! the command then names the source's version. Where nothing was, it names none: the source may change all the time.

use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures::StreamExt;
use holdfast_proto::inode::Inode;
use holdfast_proto::op::{Conditions, CopyObject, CopyPart, Op, Reply};
use holdfast_proto::status::{Code, Status};
use s3s::dto;
use s3s::{S3Request, S3Response, S3Result};

use crate::auth::rights::Right;
use crate::body::checksum::{self, Algorithm};
use crate::body::digest::{Digester, Digests};
use crate::error;
use crate::http::envelope::{self, Envelope};
use crate::s3::access::require;
use crate::s3::conditions::Verdict;
use crate::s3::patience::{Patience, moved_on, too_busy};
use crate::s3::{Operations, get, meta, multipart, range, uploads};
use crate::store::Object;

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

/// Times a copy with conditions on its target begins anew because its source was replaced meanwhile.
const MOST_TRIES: usize = 5;

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
    let object = replace.then_some(said);
    let command = CopyObject { object, ..command };
    let (reply, inode) = copied(door, &envelope, command, input.checksum_algorithm.as_ref()).await?;
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

/// Copies; the reply, and the source as it was looked at.
async fn copied(
    door: &Operations,
    envelope: &Envelope,
    command: CopyObject,
    wanted: Option<&dto::ChecksumAlgorithm>,
) -> S3Result<(Reply, Inode)> {
    let key = String::from_utf8_lossy(&command.source_key).into_owned();
    let judges = !envelope.source_conditions.is_empty() || wanted.is_some();
    let (mut patience, mut tries) = (Patience::new(), 0);
    let mut inode = get::lookup(door, &command.source_bucket, &key).await?;
    loop {
        judge(envelope, &inode)?;
        check_checksum_wish(wanted, &inode)?;
        // What was judged is what is copied. What describes the bytes comes from the source as it is by then.
        let version = Conditions { if_version: inode.version, ..Conditions::default() };
        let attempt = CopyObject { source_conditions: judges.then_some(version), ..command.clone() };
        let refused = match door.store.change(Op::CopyObject(attempt)).await {
            Ok(reply) => return Ok((reply, inode)),
            Err(status) => status,
        };
        if refused.kind() != Code::PreconditionFailed || !judges {
            return Err(error::from_status(&refused));
        }
        // The source may have been replaced since; the client did not ask for one version of it.
        let before = inode.version;
        inode = get::lookup(door, &command.source_bucket, &key).await?;
        tries += 1;
        // It may be the target that is not as the client wants it.
        if inode.version == before || (command.conditions.is_some() && tries >= MOST_TRIES) {
            return Err(error::from_status(&refused));
        }
        if !patience.again().await {
            return Err(too_busy());
        }
    }
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
    let wanted = WantedPart {
        bucket: source_bucket,
        key: meta::check_key(&source_key)?,
        range: input.copy_source_range,
        part,
    };
    let mut patience = Patience::new();
    let command = loop {
        if let Some(done) = copy_part(door, &envelope, &wanted, &known).await? {
            break done;
        }
        if !patience.again().await {
            return Err(too_busy());
        }
    };
    let mut result = dto::CopyPartResult {
        e_tag: Some(dto::ETag::Strong(command.etag)),
        last_modified: Some(SystemTime::now().into()),
        ..dto::CopyPartResult::default()
    };
    meta::set_checksums!(result, &command.checksums);
    Ok(S3Response::new(dto::UploadPartCopyOutput {
        copy_part_result: Some(result),
        ..dto::UploadPartCopyOutput::default()
    }))
}

/// What a part is to be copied from.
struct WantedPart {
    bucket: String,
    key: Bytes,
    range: Option<String>,
    part: u32,
}

/// Reads what the part will hold and puts it by reference. `None`: the source changed meanwhile.
async fn copy_part(
    door: &Operations,
    envelope: &Envelope,
    wanted: &WantedPart,
    known: &uploads::Known,
) -> S3Result<Option<CopyPart>> {
    let object = door.store.open(&wanted.bucket, &wanted.key).await;
    let object = object.map_err(|status| error::from_status(&status))?;
    let inode = object.inode().clone();
    judge(envelope, &inode)?;
    let range = chosen_range(wanted.range.as_deref(), inode.size)?;
    if range.end - range.start > door.config.max_put_bytes {
        return Err(error::refuse(
            "EntityTooLarge",
            http::StatusCode::BAD_REQUEST,
            "your proposed part exceeds the maximum allowed size",
        ));
    }
    let Some(digests) = digests_of(object, &range, known.algorithm).await? else { return Ok(None) };
    let checksums: Vec<_> = digests.extra.iter().map(|(a, v)| checksum::stored(*a, v, true)).collect();
    let command = CopyPart {
        upload: known.id,
        part: wanted.part,
        source: inode.ino,
        source_version: inode.version,
        offset: range.start,
        length: range.end - range.start,
        etag: digests.etag(),
        checksums,
        draft: 0,
    };
    match door.store.change(Op::CopyPart(command.clone())).await {
        Ok(_) => Ok(Some(command)),
        Err(status) if moved_on(&status) => Ok(None),
        Err(status) => {
            if status.kind() == Code::NoSuchUpload {
                door.uploads.forget(known.id);
            }
            Err(error::from_status(&status))
        }
    }
}

/// The digests of a range; `None`: the file changed before all was known of where it lies.
async fn digests_of(
    object: Arc<dyn Object>,
    range: &Range<u64>,
    algorithm: Option<Algorithm>,
) -> S3Result<Option<Digests>> {
    let algorithms: Vec<_> = algorithm.into_iter().collect();
    let mut digester = Digester::new(&algorithms, false);
    if !range.is_empty() {
        let mut pieces = object.stream(range.clone());
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) => digester.push(piece).await?,
                Err(status) if moved_on(&status) => return Ok(None),
                Err(status) => return Err(error::from_status(&status)),
            }
        }
    }
    let digests = digester.finish().await?;
    if digests.length != range.end - range.start {
        return Err(error::from_status(&Status::internal("a source ended before its length")));
    }
    Ok(Some(digests))
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
    fn directives_are_known_words() {
        assert!(!replaces(None, "x").unwrap());
        assert!(replaces(Some("REPLACE"), "x").unwrap());
        assert!(replaces(Some("copy"), "x").is_err());
    }
}
