//! GetObjectAttributes, and the access lists that some clients ask for before they do anything.

use s3s::dto;
use s3s::{S3Request, S3Response, S3Result};

use crate::error;
use crate::s3::bucket::{find, owner};
use crate::s3::{Operations, get, meta};

/// The attributes asked for.
pub(super) async fn get_object_attributes(
    door: &Operations,
    request: S3Request<dto::GetObjectAttributesInput>,
) -> S3Result<S3Response<dto::GetObjectAttributesOutput>> {
    let input = request.input;
    meta::check_version(input.version_id.as_deref())?;
    let inode = get::lookup(door, &input.bucket, &input.key).await?;
    let names: Vec<&str> =
        input.object_attributes.iter().flat_map(|a| a.as_str().split(',')).map(str::trim).collect();
    let wants = |name: &str| names.contains(&name);
    for name in &names {
        if !["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"].contains(name) {
            return Err(error::invalid(format!("invalid attribute name '{name}' specified")));
        }
    }
    let checksums = meta::checksums(&inode);
    let mut output = dto::GetObjectAttributesOutput {
        last_modified: Some(meta::timestamp(inode.mtime_ns)),
        ..dto::GetObjectAttributesOutput::default()
    };
    if wants("ETag") {
        output.e_tag = Some(meta::etag(&inode));
    }
    if wants("Checksum") && !checksums.is_empty() {
        let mut checksum =
            dto::Checksum { checksum_type: meta::type_of(checksums), ..dto::Checksum::default() };
        meta::set_checksums!(checksum, checksums);
        output.checksum = Some(checksum);
    }
    if wants("ObjectSize") {
        output.object_size = Some(i64::try_from(inode.size).unwrap_or(i64::MAX));
    }
    if wants("StorageClass") {
        let class = meta::shown_class(&*door.store, inode.class).unwrap_or_else(|| "STANDARD".to_owned());
        output.storage_class = Some(class.into());
    }
    if wants("ObjectParts") {
        output.object_parts = parts(meta::part_bytes(&inode), input.max_parts, input.part_number_marker)?;
    }
    Ok(S3Response::new(output))
}

fn parts(
    part_bytes: &[u64],
    most: Option<i32>,
    marker: Option<i32>,
) -> S3Result<Option<dto::GetObjectAttributesParts>> {
    if part_bytes.is_empty() {
        return Ok(None);
    }
    let most = usize::try_from(most.unwrap_or(1000))
        .map_err(|_| error::invalid("max-parts must not be negative"))?
        .min(1000);
    let marker = usize::try_from(marker.unwrap_or(0))
        .map_err(|_| error::invalid("the part number marker must not be negative"))?;
    let number = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    let numbered = part_bytes.iter().enumerate().skip(marker).take(most).map(|(i, bytes)| dto::ObjectPart {
        part_number: Some(number(i + 1)),
        size: Some(i64::try_from(*bytes).unwrap_or(i64::MAX)),
        ..dto::ObjectPart::default()
    });
    let page: Vec<_> = numbered.collect();
    let last = marker + page.len();
    Ok(Some(dto::GetObjectAttributesParts {
        is_truncated: Some(last < part_bytes.len()),
        max_parts: Some(number(most)),
        next_part_number_marker: Some(number(last)),
        part_number_marker: Some(number(marker)),
        parts: Some(page),
        total_parts_count: Some(number(part_bytes.len())),
    }))
}

fn grants() -> Vec<dto::Grant> {
    let owner = owner();
    let grantee = dto::Grantee {
        display_name: owner.display_name,
        email_address: None,
        id: owner.id,
        type_: dto::Type::from_static(dto::Type::CANONICAL_USER),
        uri: None,
    };
    let permission = dto::Permission::from_static(dto::Permission::FULL_CONTROL);
    vec![dto::Grant { grantee: Some(grantee), permission: Some(permission) }]
}

/// The one access list there is.
pub(super) async fn get_bucket_acl(
    door: &Operations,
    request: S3Request<dto::GetBucketAclInput>,
) -> S3Result<S3Response<dto::GetBucketAclOutput>> {
    find(door, &request.input.bucket).await?;
    Ok(S3Response::new(dto::GetBucketAclOutput { grants: Some(grants()), owner: Some(owner()) }))
}

/// The one access list there is.
pub(super) async fn get_object_acl(
    door: &Operations,
    request: S3Request<dto::GetObjectAclInput>,
) -> S3Result<S3Response<dto::GetObjectAclOutput>> {
    let input = request.input;
    meta::check_version(input.version_id.as_deref())?;
    get::lookup(door, &input.bucket, &input.key).await?;
    Ok(S3Response::new(dto::GetObjectAclOutput {
        grants: Some(grants()),
        owner: Some(owner()),
        request_charged: None,
    }))
}
