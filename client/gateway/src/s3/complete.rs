//! CompleteMultipartUpload: joins parts by reference.
//!
//! What always holds: the list that the client names is checked against the parts that are there before anything is
//! joined; the joined object becomes visible in one command. A completion that was carried out but whose answer was
//! lost may be sent again and gets the same answer.

use std::collections::HashMap;

use holdfast_proto::inode::ObjectChecksum;
use holdfast_proto::op::NamedPart;
use holdfast_proto::query::Part;
use holdfast_proto::status::{Code, Status};
use md5::{Digest, Md5};
use s3s::dto;
use s3s::{S3Error, S3Request, S3Response, S3Result};

use crate::body::checksum::{ALL, Algorithm, base64};
use crate::error;
use crate::http::envelope;
use crate::s3::multipart::part_number;
use crate::s3::uploads::{self, Known};
use crate::s3::{Operations, meta};
use crate::store::Completion;

/// Most parts of an object.
const MAX_PARTS: usize = 10_000;

/// A part that is not the last has at least this many bytes.
const MIN_PART_BYTES: u64 = 5 << 20;

/// A part as the client names it.
struct Named {
    part: u32,
    etag: String,
    checksums: Vec<(Algorithm, String)>,
}

/// Joins the parts.
pub(super) async fn complete_multipart_upload(
    door: &Operations,
    request: S3Request<dto::CompleteMultipartUploadInput>,
) -> S3Result<S3Response<dto::CompleteMultipartUploadOutput>> {
    let envelope = envelope::of(&request)?;
    let input = request.input;
    meta::check_key(&input.key)?;
    let (number, nonce) = uploads::parse_id(&input.upload_id).ok_or_else(uploads::no_such_upload)?;
    let named = named_parts(input.multipart_upload.as_ref())?;
    let etag = joined_etag(&named)?;
    let conditions = envelope.conditions.for_write()?;

    let checksums = match uploads::ask_parts(door, number, 0, MAX_PARTS as u32).await {
        Ok(reply) => {
            let upload = reply.uploads.first().ok_or_else(uploads::no_such_upload)?;
            let known = door.uploads.learn(upload);
            if !known.is_for(nonce, &input.bucket, &input.key) {
                return Err(uploads::no_such_upload());
            }
            let parts = check_parts(&named, &reply.parts)?;
            check_size(&parts, input.mpu_object_size)?;
            let checksum = joined_checksum(&known, &parts)?;
            check_given(&input, checksum.as_ref())?;
            checksum.into_iter().collect()
        }
        // It may have been completed by this very request, sent before: then joining answers again. The digest of the
        // list that goes with it covers the random bits of the id, so nobody else's upload can answer.
        Err(status) if status.kind() == Code::NoSuchUpload => Vec::new(),
        Err(status) => return Err(error::from_status(&status)),
    };
    let list = named.iter().map(|n| NamedPart { part: n.part, etag: n.etag.clone() }).collect();
    let completion = Completion {
        upload: number,
        nonce: nonce.to_owned(),
        bucket: input.bucket.clone(),
        key: input.key.clone(),
        parts: list,
        etag: etag.clone(),
        checksums,
        conditions,
    };
    let reply = door.store.complete(completion).await.map_err(|status| error::from_status(&status))?;
    door.uploads.forget(number);
    let stored =
        reply.inode.and_then(|inode| inode.object).map(|object| object.checksums).unwrap_or_default();
    Ok(S3Response::new(answer(&envelope.host, input.bucket, input.key, etag, &stored)))
}

fn answer(
    host: &str,
    bucket: String,
    key: String,
    etag: String,
    checksums: &[ObjectChecksum],
) -> dto::CompleteMultipartUploadOutput {
    let mut output = dto::CompleteMultipartUploadOutput {
        location: Some(format!(
            "http://{host}/{bucket}/{}",
            crate::auth::encode_percent(key.as_bytes(), true)
        )),
        bucket: Some(bucket),
        key: Some(key),
        e_tag: Some(dto::ETag::Strong(etag)),
        checksum_type: meta::type_of(checksums),
        ..dto::CompleteMultipartUploadOutput::default()
    };
    meta::set_checksums!(output, checksums);
    output
}

fn malformed() -> S3Error {
    error::refuse(
        "MalformedXML",
        http::StatusCode::BAD_REQUEST,
        "the XML you provided was not well-formed or did not validate against our published schema",
    )
}

fn named_parts(list: Option<&dto::CompletedMultipartUpload>) -> S3Result<Vec<Named>> {
    let parts = list.and_then(|l| l.parts.as_deref()).unwrap_or_default();
    if parts.is_empty() || parts.len() > MAX_PARTS {
        return Err(malformed());
    }
    let mut named: Vec<Named> = Vec::with_capacity(parts.len());
    for part in parts {
        let number = part_number(part.part_number.ok_or_else(malformed)?)?;
        if named.last().is_some_and(|before| before.part >= number) {
            return Err(error::from_status(&Status::new(
                Code::InvalidPartOrder,
                "the list of parts was not in ascending order",
            )));
        }
        let etag = part.e_tag.as_ref().ok_or_else(malformed)?.value().to_ascii_lowercase();
        let said = |algorithm| match algorithm {
            Algorithm::Crc32 => part.checksum_crc32.clone(),
            Algorithm::Crc32c => part.checksum_crc32c.clone(),
            Algorithm::Crc64Nvme => part.checksum_crc64nvme.clone(),
            Algorithm::Sha1 => part.checksum_sha1.clone(),
            Algorithm::Sha256 => part.checksum_sha256.clone(),
        };
        let checksums = ALL.into_iter().filter_map(|a| said(a).map(|value| (a, value))).collect();
        named.push(Named { part: number, etag, checksums });
    }
    Ok(named)
}

fn invalid_part(part: u32) -> S3Error {
    error::from_status(&Status::new(
        Code::InvalidPart,
        format!("part {part} could not be found, or its ETag or checksum is not the one given"),
    ))
}

/// MD5 over the parts' MD5s, with their number.
fn joined_etag(named: &[Named]) -> S3Result<String> {
    let mut md5 = Md5::new();
    for part in named {
        let mut bytes = [0; 16];
        hex::decode_to_slice(&part.etag, &mut bytes).map_err(|_| invalid_part(part.part))?;
        md5.update(bytes);
    }
    Ok(format!("{}-{}", hex::encode(md5.finalize()), named.len()))
}

/// The parts named, in order, as they are there.
fn check_parts<'p>(named: &[Named], there: &'p [Part]) -> S3Result<Vec<&'p Part>> {
    let by_number: HashMap<u32, &Part> = there.iter().map(|part| (part.part, part)).collect();
    let mut parts = Vec::with_capacity(named.len());
    for name in named {
        let part = by_number.get(&name.part).copied().filter(|p| p.etag == name.etag);
        let part = part.ok_or_else(|| invalid_part(name.part))?;
        for (algorithm, value) in &name.checksums {
            let stored = meta::value_of(&part.checksums, *algorithm);
            if stored.is_some_and(|stored| stored != *value) {
                return Err(invalid_part(name.part));
            }
        }
        parts.push(part);
    }
    let all_but_last = parts.split_last().map_or(&[][..], |(_, before)| before);
    if all_but_last.iter().any(|part| part.size < MIN_PART_BYTES) {
        return Err(error::from_status(&Status::new(
            Code::PartTooSmall,
            "your proposed upload is smaller than the minimum allowed size",
        )));
    }
    Ok(parts)
}

fn check_size(parts: &[&Part], expected: Option<i64>) -> S3Result<()> {
    let total: u64 = parts.iter().map(|p| p.size).sum();
    match expected {
        Some(expected) if u64::try_from(expected) != Ok(total) => Err(error::bad_request(format!(
            "the provided 'x-amz-mp-object-size' header value {expected} does not match what was computed: {total}"
        ))),
        _ => Ok(()),
    }
}

/// The checksum of the whole, as the upload chose it when it began.
fn joined_checksum(known: &Known, parts: &[&Part]) -> S3Result<Option<ObjectChecksum>> {
    let Some(algorithm) = known.algorithm else { return Ok(None) };
    let mut values = Vec::with_capacity(parts.len());
    for part in parts {
        let value = meta::value_of(&part.checksums, algorithm).and_then(|v| algorithm.decode(&v));
        let value = value.ok_or_else(|| {
            error::bad_request(format!(
                "the upload was created using the {} checksum; part {} lacks it",
                algorithm.name(),
                part.part
            ))
        })?;
        values.push((value, part.size));
    }
    let value = if known.full_object {
        algorithm.combine(&values).map(|whole| base64(&whole))
    } else {
        let all: Vec<u8> = values.iter().flat_map(|(value, _)| value.iter().copied()).collect();
        Some(format!("{}-{}", base64(&algorithm.of(&all)), parts.len()))
    };
    Ok(value.map(|value| ObjectChecksum {
        algorithm: algorithm.name().to_owned(),
        value,
        full_object: known.full_object,
    }))
}

/// Compares with the checksum that the client expects of the whole.
fn check_given(input: &dto::CompleteMultipartUploadInput, computed: Option<&ObjectChecksum>) -> S3Result<()> {
    let given = [
        (Algorithm::Crc32, &input.checksum_crc32),
        (Algorithm::Crc32c, &input.checksum_crc32c),
        (Algorithm::Crc64Nvme, &input.checksum_crc64nvme),
        (Algorithm::Sha1, &input.checksum_sha1),
        (Algorithm::Sha256, &input.checksum_sha256),
    ];
    let plain = |value: &str| value.split_once('-').map_or(value, |(head, _)| head).to_owned();
    for (algorithm, value) in given {
        let Some(value) = value else { continue };
        let same =
            computed.is_some_and(|c| c.algorithm == algorithm.name() && plain(&c.value) == plain(value));
        if !same {
            return Err(crate::body::BodyError::ChecksumMismatch(algorithm.name()).into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(parts: &[(i32, &str)]) -> dto::CompletedMultipartUpload {
        let part = |(number, etag): &(i32, &str)| dto::CompletedPart {
            part_number: Some(*number),
            e_tag: Some(dto::ETag::Strong((*etag).to_owned())),
            ..dto::CompletedPart::default()
        };
        dto::CompletedMultipartUpload { parts: Some(parts.iter().map(part).collect()) }
    }

    const A: &str = "d41d8cd98f00b204e9800998ecf8427e";
    const B: &str = "900150983cd24fb0d6963f7d28e17f72";

    fn there(part: u32, size: u64, etag: &str) -> Part {
        Part { part, size, etag: etag.into(), ..Part::default() }
    }

    #[test]
    fn lists_are_checked() {
        let code = |list: &dto::CompletedMultipartUpload| match named_parts(Some(list)) {
            Ok(_) => "fine".to_owned(),
            Err(e) => e.code().as_str().to_owned(),
        };
        assert_eq!(code(&completed(&[(1, A), (2, B)])), "fine");
        assert_eq!(code(&completed(&[(1, A), (5, B)])), "fine");
        assert_eq!(code(&completed(&[(2, A), (1, B)])), "InvalidPartOrder");
        assert_eq!(code(&completed(&[(1, A), (1, B)])), "InvalidPartOrder");
        assert_eq!(code(&completed(&[(0, A)])), "InvalidArgument");
        assert_eq!(code(&completed(&[])), "MalformedXML");
        assert!(named_parts(None).is_err());
        assert!(joined_etag(&named_parts(Some(&completed(&[(1, "nonsense")]))).unwrap()).is_err());
    }

    #[test]
    fn parts_must_be_there_as_named_and_large_enough() {
        let named = named_parts(Some(&completed(&[(1, A), (2, B)]))).unwrap();
        let code = |parts: &[Part]| match check_parts(&named, parts) {
            Ok(_) => "fine".to_owned(),
            Err(e) => e.code().as_str().to_owned(),
        };
        assert_eq!(code(&[there(1, 5 << 20, A), there(2, 1, B), there(3, 1, A)]), "fine");
        assert_eq!(code(&[there(1, 5 << 20, A)]), "InvalidPart");
        assert_eq!(code(&[there(1, 5 << 20, B), there(2, 1, B)]), "InvalidPart");
        assert_eq!(code(&[there(1, (5 << 20) - 1, A), there(2, 1, B)]), "EntityTooSmall");
    }

    #[test]
    fn the_etag_is_that_of_the_parts() {
        let named = named_parts(Some(&completed(&[(1, A), (2, B)]))).unwrap();
        // printf d41d…427e900150…7f72 | xxd -r -p | md5sum
        let mut both = hex::decode(A).unwrap();
        both.extend(hex::decode(B).unwrap());
        assert_eq!(joined_etag(&named).unwrap(), format!("{}-2", hex::encode(Md5::digest(&both))));
    }
}
