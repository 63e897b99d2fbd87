//! Multipart uploads: begin, put a part, give up. Copied parts are in [`super::copy`], joining in [`super::complete`].

use holdfast_proto::op::{AbortUpload, CreateUpload, Op, PutPart};
use holdfast_proto::query::Upload;
use holdfast_proto::status::Code;
use s3s::dto;
use s3s::{S3Request, S3Response, S3Result};

use crate::body::checksum::{self, Algorithm};
use crate::error;
use crate::http::envelope;
use crate::s3::ingest::{self, Destination};
use crate::s3::uploads;
use crate::s3::{Operations, meta};

/// Highest part number, as in S3.
const MAX_PART: i32 = 10_000;

/// The number of a part.
pub(super) fn part_number(number: i32) -> S3Result<u32> {
    match u32::try_from(number) {
        Ok(n) if (1..=MAX_PART).contains(&number) => Ok(n),
        _ => Err(error::invalid("part number must be an integer between 1 and 10000, inclusive")),
    }
}

/// The checksum an upload is to have: algorithm and whether it is over the whole object.
fn checksum_choice(
    algorithm: Option<&dto::ChecksumAlgorithm>,
    kind: Option<&dto::ChecksumType>,
) -> S3Result<Option<(Algorithm, bool)>> {
    let Some(name) = algorithm.map(dto::ChecksumAlgorithm::as_str) else {
        return match kind {
            None => Ok(None),
            Some(_) => Err(error::bad_request("x-amz-checksum-type needs x-amz-checksum-algorithm")),
        };
    };
    let algorithm = Algorithm::parse(name)
        .ok_or_else(|| error::bad_request("checksum algorithm provided is unsupported"))?;
    let full = match kind.map(dto::ChecksumType::as_str) {
        None => algorithm == Algorithm::Crc64Nvme,
        Some("FULL_OBJECT") => true,
        Some("COMPOSITE") => false,
        Some(_) => return Err(error::bad_request("value for x-amz-checksum-type header is invalid")),
    };
    if full && !algorithm.combines() || !full && algorithm == Algorithm::Crc64Nvme {
        return Err(error::bad_request(format!(
            "the {} checksum type cannot be used with the {} checksum algorithm",
            if full { "FULL_OBJECT" } else { "COMPOSITE" },
            algorithm.name()
        )));
    }
    Ok(Some((algorithm, full)))
}

/// Begins an upload.
pub(super) async fn create_multipart_upload(
    door: &Operations,
    request: S3Request<dto::CreateMultipartUploadInput>,
) -> S3Result<S3Response<dto::CreateMultipartUploadOutput>> {
    let envelope = envelope::of(&request)?;
    let S3Request { input, headers, .. } = request;
    let key = meta::check_key(&input.key)?;
    let object = meta::from_request(&headers, &envelope, input.metadata.as_ref())?;
    let class = meta::storage_class(&*door.store, input.storage_class.as_ref()).await?;
    let choice = checksum_choice(input.checksum_algorithm.as_ref(), input.checksum_type.as_ref())?;
    let kind = choice.map_or("", |(_, full)| if full { "FULL_OBJECT" } else { "COMPOSITE" });
    let nonce = format!("{:032x}", rand::random::<u128>());
    let command = CreateUpload {
        bucket: input.bucket.clone(),
        key: key.clone(),
        object: Some(object),
        class,
        owner: envelope.key.id.clone(),
        checksum_algorithm: choice.map_or(String::new(), |(a, _)| a.name().to_owned()),
        checksum_type: kind.to_owned(),
        nonce: nonce.clone(),
    };
    let known = Upload {
        bucket: command.bucket.clone(),
        key,
        nonce: nonce.clone(),
        class,
        checksum_algorithm: command.checksum_algorithm.clone(),
        checksum_type: command.checksum_type.clone(),
        ..Upload::default()
    };
    let reply =
        door.store.change(Op::CreateUpload(command)).await.map_err(|status| error::from_status(&status))?;
    door.uploads.learn(&Upload { id: reply.id, ..known });
    Ok(S3Response::new(dto::CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(uploads::public_id(reply.id, &nonce)),
        checksum_algorithm: choice.map(|(a, _)| a.name().to_owned().into()),
        checksum_type: (!kind.is_empty()).then(|| kind.to_owned().into()),
        ..dto::CreateMultipartUploadOutput::default()
    }))
}

/// Stores one part.
pub(super) async fn upload_part(
    door: &Operations,
    request: S3Request<dto::UploadPartInput>,
) -> S3Result<S3Response<dto::UploadPartOutput>> {
    let envelope = envelope::of(&request)?;
    let S3Request { input, headers, .. } = request;
    let part = part_number(input.part_number)?;
    let known = uploads::find(door, &input.upload_id, &input.bucket, &input.key).await?;
    let said = checksum::given(&headers)?.map(|g| g.algorithm).or_else(|| checksum::in_trailer(&headers));
    if let (Some(wanted), Some(said)) = (known.algorithm, said)
        && wanted != said
    {
        return Err(error::bad_request(format!(
            "checksum type mismatch occurred, expected checksum type: {}, actual checksum type: {}",
            wanted.name(),
            said.name()
        )));
    }
    let mut upload = envelope.take_upload()?;
    let to = Destination {
        store: &*door.store,
        bucket: &input.bucket,
        key: input.key.as_bytes(),
        class: known.class,
        algorithm: known.algorithm,
        most: door.config.max_put_bytes,
    };
    let taken = ingest::take(to, &mut upload, &headers).await;
    *envelope.upload.lock() = Some(upload);
    let taken = taken?;

    let (id, etag, checksums) = (known.id, taken.etag.clone(), taken.checksums.clone());
    let build = move |content| {
        Op::PutPart(PutPart {
            upload: id,
            part,
            content: Some(content),
            etag: etag.clone(),
            checksums: checksums.clone(),
        })
    };
    taken.written.commit(&build).await.map_err(|status| {
        if status.kind() == Code::NoSuchUpload {
            door.uploads.forget(id);
        }
        error::from_status(&status)
    })?;
    let mut output = dto::UploadPartOutput {
        e_tag: Some(dto::ETag::Strong(taken.etag)),
        ..dto::UploadPartOutput::default()
    };
    meta::set_checksums!(output, &taken.checksums);
    Ok(S3Response::new(output))
}

/// Gives an upload up.
pub(super) async fn abort_multipart_upload(
    door: &Operations,
    request: S3Request<dto::AbortMultipartUploadInput>,
) -> S3Result<S3Response<dto::AbortMultipartUploadOutput>> {
    let input = request.input;
    if input.if_match_initiated_time.is_some() {
        return Err(error::not_offered("conditions on the time an upload began are not offered"));
    }
    let known = uploads::find(door, &input.upload_id, &input.bucket, &input.key).await?;
    door.uploads.forget(known.id);
    let command = AbortUpload { upload: known.id, ..AbortUpload::default() };
    door.store.change(Op::AbortUpload(command)).await.map_err(|status| error::from_status(&status))?;
    Ok(S3Response::new(dto::AbortMultipartUploadOutput::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_kinds_fit_their_algorithms() {
        let choice = |a: Option<&'static str>, t: Option<&'static str>| {
            checksum_choice(a.map(|a| a.to_owned().into()).as_ref(), t.map(|t| t.to_owned().into()).as_ref())
        };
        assert_eq!(choice(None, None).unwrap(), None);
        assert_eq!(choice(Some("CRC32"), None).unwrap(), Some((Algorithm::Crc32, false)));
        assert_eq!(choice(Some("CRC32C"), Some("FULL_OBJECT")).unwrap(), Some((Algorithm::Crc32c, true)));
        assert_eq!(choice(Some("CRC64NVME"), None).unwrap(), Some((Algorithm::Crc64Nvme, true)));
        assert!(choice(Some("CRC64NVME"), Some("COMPOSITE")).is_err());
        assert!(choice(Some("SHA256"), Some("FULL_OBJECT")).is_err());
        assert!(choice(Some("MD4"), None).is_err());
        assert!(choice(None, Some("COMPOSITE")).is_err());
    }

    #[test]
    fn part_numbers_have_bounds() {
        assert!(part_number(0).is_err() && part_number(-1).is_err() && part_number(10_001).is_err());
        assert_eq!(part_number(10_000).unwrap(), 10_000);
    }
}
