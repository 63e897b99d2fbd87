//! PutObject.

use holdfast_proto::inode::ObjectMeta;
use holdfast_proto::op::{Op, PutObject};
use s3s::dto::{ETag, PutObjectInput, PutObjectOutput};
use s3s::{S3Request, S3Response, S3Result};

use crate::error;
use crate::http::envelope;
use crate::s3::Operations;
use crate::s3::ingest::{self, Destination};
use crate::s3::meta;

/// Stores an object: one command, and one write of its chunks if it is larger than the inline limit.
pub(super) async fn put_object(
    door: &Operations,
    request: S3Request<PutObjectInput>,
) -> S3Result<S3Response<PutObjectOutput>> {
    let envelope = envelope::of(&request)?;
    let S3Request { input, headers, .. } = request;
    let key = meta::check_key(&input.key)?;
    let object = meta::from_request(&headers, &envelope, input.metadata.as_ref())?;
    let conditions = envelope.conditions.for_write()?;
    let class = meta::storage_class(&*door.store, input.storage_class.as_ref()).await?;

    let mut upload = envelope.take_upload()?;
    let to = Destination {
        store: &*door.store,
        bucket: &input.bucket,
        key: &key,
        class,
        algorithm: None,
        most: door.config.max_put_bytes,
    };
    let taken = ingest::take(to, &mut upload, &headers).await;
    // What was read of the body is counted, and the rest drained, with the answer.
    *envelope.upload.lock() = Some(upload);
    let taken = taken?;

    let object = ObjectMeta { etag: taken.etag.clone(), checksums: taken.checksums.clone(), ..object };
    let bucket = input.bucket;
    let build = move |content| {
        Op::PutObject(PutObject {
            bucket: bucket.clone(),
            key: key.clone(),
            content: Some(content),
            object: Some(object.clone()),
            conditions: conditions.clone(),
            class,
            ..PutObject::default()
        })
    };
    taken.written.commit(&build).await.map_err(|status| error::from_status(&status))?;
    let mut output = PutObjectOutput { e_tag: Some(ETag::Strong(taken.etag)), ..PutObjectOutput::default() };
    meta::set_checksums!(output, &taken.checksums);
    output.checksum_type = meta::type_of(&taken.checksums);
    Ok(S3Response::new(output))
}
