//! Tags of objects.

use holdfast_proto::inode::KeyValue;
use holdfast_proto::op::{Op, SetObjectMeta};
use s3s::dto;
use s3s::{S3Request, S3Response, S3Result};

use crate::error;
use crate::s3::{Operations, get, meta};

/// Shows the tags.
pub(super) async fn get_object_tagging(
    door: &Operations,
    request: S3Request<dto::GetObjectTaggingInput>,
) -> S3Result<S3Response<dto::GetObjectTaggingOutput>> {
    let input = request.input;
    meta::check_version(input.version_id.as_deref())?;
    let inode = get::lookup(door, &input.bucket, &input.key).await?;
    let tags = inode.object.map(|o| o.tags).unwrap_or_default();
    let tag_set = tags.into_iter().map(|t| dto::Tag { key: Some(t.key), value: Some(t.value) }).collect();
    Ok(S3Response::new(dto::GetObjectTaggingOutput { tag_set, version_id: None }))
}

/// Replaces the tags.
pub(super) async fn put_object_tagging(
    door: &Operations,
    request: S3Request<dto::PutObjectTaggingInput>,
) -> S3Result<S3Response<dto::PutObjectTaggingOutput>> {
    let input = request.input;
    meta::check_version(input.version_id.as_deref())?;
    let tags = input
        .tagging
        .tag_set
        .into_iter()
        .map(|tag| KeyValue { key: tag.key.unwrap_or_default(), value: tag.value.unwrap_or_default() });
    set(door, input.bucket, &input.key, meta::check_tags(tags.collect())?).await?;
    Ok(S3Response::new(dto::PutObjectTaggingOutput::default()))
}

/// Removes the tags.
pub(super) async fn delete_object_tagging(
    door: &Operations,
    request: S3Request<dto::DeleteObjectTaggingInput>,
) -> S3Result<S3Response<dto::DeleteObjectTaggingOutput>> {
    let input = request.input;
    meta::check_version(input.version_id.as_deref())?;
    set(door, input.bucket, &input.key, Vec::new()).await?;
    Ok(S3Response::new(dto::DeleteObjectTaggingOutput::default()))
}

async fn set(door: &Operations, bucket: String, key: &str, tags: Vec<KeyValue>) -> S3Result<()> {
    let command = SetObjectMeta { bucket, key: meta::check_key(key)?, tags, set_tags: true };
    door.store.change(Op::SetObjectMeta(command)).await.map_err(|status| error::from_status(&status))?;
    Ok(())
}
