//! Buckets: create, delete, look at, list; and the questions about settings that no bucket has here.

use holdfast_proto::op::{self, Op};
use holdfast_proto::query::{self, Bucket, Query};
use holdfast_proto::status::{Code, Status};
use http::StatusCode;
use s3s::dto;
use s3s::{S3Request, S3Response, S3Result};

use crate::auth::rights::{Right, allowed};
use crate::error;
use crate::http::envelope;
use crate::s3::{Operations, meta};

/// The owner of everything, as answers show it: buckets belong to the cluster, keys have rules.
pub(super) fn owner() -> dto::Owner {
    dto::Owner { display_name: Some("holdfast".into()), id: Some("holdfast".into()) }
}

async fn ask_bucket(door: &Operations, name: &str) -> Result<Bucket, Status> {
    let reply = door
        .store
        .ask(Query::GetBucket(query::GetBucket { name: name.to_owned(), ..query::GetBucket::default() }))
        .await?;
    reply
        .buckets
        .into_iter()
        .next()
        .ok_or_else(|| Status::new(Code::NoSuchBucket, "the specified bucket does not exist"))
}

/// The bucket, or the refusal that it is not there.
pub(super) async fn find(door: &Operations, name: &str) -> S3Result<Bucket> {
    ask_bucket(door, name).await.map_err(|status| error::from_status(&status))
}

/// All buckets that the key may use.
pub(super) async fn list_buckets(
    door: &Operations,
    request: S3Request<dto::ListBucketsInput>,
) -> S3Result<S3Response<dto::ListBucketsOutput>> {
    let envelope = envelope::of(&request)?;
    let input = request.input;
    let most = match input.max_buckets {
        None => 10_000,
        Some(n) => usize::try_from(n)
            .ok()
            .filter(|n| (1..=10_000).contains(n))
            .ok_or_else(|| error::invalid("max-buckets must be between 1 and 10000"))?,
    };
    let reply = door.store.ask(Query::ListBuckets(query::ListBuckets {})).await;
    let mut buckets = reply.map_err(|status| error::from_status(&status))?.buckets;
    let prefix = input.prefix.as_deref().unwrap_or("");
    let after = input.continuation_token.as_deref().unwrap_or("");
    // Directories at the top may have names that S3 does not allow; they cannot be reached from here.
    buckets.retain(|b| {
        s3s::path::check_bucket_name(&b.name)
            && b.name.starts_with(prefix)
            && b.name.as_str() > after
            && allowed(&envelope.key, Right::Any, &b.name)
    });
    buckets.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let more = buckets.len() > most;
    buckets.truncate(most);
    let token = if more { buckets.last().map(|b| b.name.clone()) } else { None };
    let shown = buckets.into_iter().map(|b| dto::Bucket {
        bucket_region: None,
        creation_date: Some(meta::timestamp(b.created_ns)),
        name: Some(b.name),
    });
    Ok(S3Response::new(dto::ListBucketsOutput {
        buckets: Some(shown.collect()),
        continuation_token: token,
        owner: Some(owner()),
        prefix: input.prefix,
    }))
}

/// Creates a bucket.
pub(super) async fn create_bucket(
    door: &Operations,
    request: S3Request<dto::CreateBucketInput>,
) -> S3Result<S3Response<dto::CreateBucketOutput>> {
    let envelope = envelope::of(&request)?;
    let input = request.input;
    let place = input.create_bucket_configuration.and_then(|c| c.location_constraint);
    if let Some(place) = place
        && !place.as_str().is_empty()
        && place.as_str() != door.config.region
    {
        return Err(error::refuse(
            "InvalidLocationConstraint",
            StatusCode::BAD_REQUEST,
            format!("the location constraint must be '{}'", door.config.region),
        ));
    }
    let command = op::CreateBucket { name: input.bucket.clone(), owner: envelope.key.id.clone(), class: 0 };
    match door.store.change(Op::CreateBucket(command)).await {
        Ok(_) => {}
        Err(status) if status.kind() == Code::Exists => {
            return Err(taken(door, &input.bucket, &envelope.key.id).await);
        }
        Err(status) => return Err(error::from_status(&status)),
    }
    Ok(S3Response::new(dto::CreateBucketOutput { location: Some(format!("/{}", input.bucket)) }))
}

/// Whose bucket it is that is in the way.
async fn taken(door: &Operations, name: &str, key_id: &str) -> s3s::S3Error {
    match ask_bucket(door, name).await {
        Ok(bucket) if bucket.owner == key_id => error::refuse(
            "BucketAlreadyOwnedByYou",
            StatusCode::CONFLICT,
            "your previous request to create the named bucket succeeded and you already own it",
        ),
        Ok(_) => error::refuse(
            "BucketAlreadyExists",
            StatusCode::CONFLICT,
            "the requested bucket name is not available",
        ),
        Err(status) => error::from_status(&status),
    }
}

/// Deletes an empty bucket.
pub(super) async fn delete_bucket(
    door: &Operations,
    request: S3Request<dto::DeleteBucketInput>,
) -> S3Result<S3Response<dto::DeleteBucketOutput>> {
    let command = op::DeleteBucket { name: request.input.bucket };
    door.store.change(Op::DeleteBucket(command)).await.map_err(|status| error::from_status(&status))?;
    Ok(S3Response::new(dto::DeleteBucketOutput {}))
}

/// Says whether the bucket is there.
pub(super) async fn head_bucket(
    door: &Operations,
    request: S3Request<dto::HeadBucketInput>,
) -> S3Result<S3Response<dto::HeadBucketOutput>> {
    find(door, &request.input.bucket).await?;
    Ok(S3Response::new(dto::HeadBucketOutput {
        bucket_region: Some(door.config.region.clone()),
        ..dto::HeadBucketOutput::default()
    }))
}

/// The region; S3 leaves it out for the first of its regions.
pub(super) async fn get_bucket_location(
    door: &Operations,
    request: S3Request<dto::GetBucketLocationInput>,
) -> S3Result<S3Response<dto::GetBucketLocationOutput>> {
    find(door, &request.input.bucket).await?;
    let region = &door.config.region;
    let constraint = (region != "us-east-1").then(|| dto::BucketLocationConstraint::from(region.clone()));
    Ok(S3Response::new(dto::GetBucketLocationOutput { location_constraint: constraint }))
}

/// Versioning was never switched on.
pub(super) async fn get_bucket_versioning(
    door: &Operations,
    request: S3Request<dto::GetBucketVersioningInput>,
) -> S3Result<S3Response<dto::GetBucketVersioningOutput>> {
    find(door, &request.input.bucket).await?;
    Ok(S3Response::new(dto::GetBucketVersioningOutput::default()))
}

/// Settings that a bucket does not have; the answer is S3's for a bucket on which they were never set.
macro_rules! absent {
    ($($name:ident($input:ident) -> $output:ident, $code:literal, $message:literal;)*) => {
        $(
            pub(super) async fn $name(
                door: &Operations,
                request: S3Request<dto::$input>,
            ) -> S3Result<S3Response<dto::$output>> {
                find(door, &request.input.bucket).await?;
                Err(error::refuse($code, StatusCode::NOT_FOUND, $message))
            }
        )*
    };
}

absent! {
    get_bucket_policy(GetBucketPolicyInput) -> GetBucketPolicyOutput,
        "NoSuchBucketPolicy", "the bucket policy does not exist";
    get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput,
        "NoSuchCORSConfiguration", "the CORS configuration does not exist";
    get_bucket_tagging(GetBucketTaggingInput) -> GetBucketTaggingOutput,
        "NoSuchTagSet", "the TagSet does not exist";
    get_bucket_encryption(GetBucketEncryptionInput) -> GetBucketEncryptionOutput,
        "ServerSideEncryptionConfigurationNotFoundError", "the server side encryption configuration was not found";
    get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput) -> GetBucketLifecycleConfigurationOutput,
        "NoSuchLifecycleConfiguration", "the lifecycle configuration does not exist";
    get_object_lock_configuration(GetObjectLockConfigurationInput) -> GetObjectLockConfigurationOutput,
        "ObjectLockConfigurationNotFoundError", "object lock configuration does not exist for this bucket";
}
