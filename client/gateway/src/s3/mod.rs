//! The operations of S3, one file per family, behind the trait through which the S3 library calls them.

pub(crate) mod access;
mod attributes;
mod bucket;
mod complete;
pub(crate) mod conditions;
mod copy;
mod delete;
mod get;
mod ingest;
mod list;
mod meta;
mod multipart;
mod patience;
mod put;
mod range;
mod tagging;
mod uploads;

use std::sync::Arc;

use s3s::dto;
use s3s::{S3, S3Request, S3Response, S3Result};

use crate::config::GatewayConfig;
use crate::store::Store;

/// What every operation works with.
pub(crate) struct Operations {
    store: Arc<dyn Store>,
    config: Arc<GatewayConfig>,
    uploads: uploads::KnownUploads,
}

impl Operations {
    pub(crate) fn new(store: Arc<dyn Store>, config: Arc<GatewayConfig>) -> Self {
        Self { store, config, uploads: uploads::KnownUploads::default() }
    }
}

/// Forwards each method of the trait to the operation of the same name.
macro_rules! operations {
    ($($name:ident($input:ident) -> $output:ident in $family:ident;)*) => {
        #[async_trait::async_trait]
        impl S3 for Operations {
            $(
                async fn $name(&self, request: S3Request<dto::$input>) -> S3Result<S3Response<dto::$output>> {
                    $family::$name(self, request).await
                }
            )*
        }
    };
}

operations! {
    list_buckets(ListBucketsInput) -> ListBucketsOutput in bucket;
    create_bucket(CreateBucketInput) -> CreateBucketOutput in bucket;
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput in bucket;
    head_bucket(HeadBucketInput) -> HeadBucketOutput in bucket;
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput in bucket;
    get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput in bucket;
    get_bucket_acl(GetBucketAclInput) -> GetBucketAclOutput in attributes;
    get_bucket_policy(GetBucketPolicyInput) -> GetBucketPolicyOutput in bucket;
    get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput in bucket;
    get_bucket_tagging(GetBucketTaggingInput) -> GetBucketTaggingOutput in bucket;
    get_bucket_encryption(GetBucketEncryptionInput) -> GetBucketEncryptionOutput in bucket;
    get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput)
        -> GetBucketLifecycleConfigurationOutput in bucket;
    get_object_lock_configuration(GetObjectLockConfigurationInput) -> GetObjectLockConfigurationOutput in bucket;
    list_objects(ListObjectsInput) -> ListObjectsOutput in list;
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output in list;
    list_object_versions(ListObjectVersionsInput) -> ListObjectVersionsOutput in list;
    put_object(PutObjectInput) -> PutObjectOutput in put;
    get_object(GetObjectInput) -> GetObjectOutput in get;
    head_object(HeadObjectInput) -> HeadObjectOutput in get;
    get_object_attributes(GetObjectAttributesInput) -> GetObjectAttributesOutput in attributes;
    get_object_acl(GetObjectAclInput) -> GetObjectAclOutput in attributes;
    delete_object(DeleteObjectInput) -> DeleteObjectOutput in delete;
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput in delete;
    copy_object(CopyObjectInput) -> CopyObjectOutput in copy;
    get_object_tagging(GetObjectTaggingInput) -> GetObjectTaggingOutput in tagging;
    put_object_tagging(PutObjectTaggingInput) -> PutObjectTaggingOutput in tagging;
    delete_object_tagging(DeleteObjectTaggingInput) -> DeleteObjectTaggingOutput in tagging;
    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput in multipart;
    upload_part(UploadPartInput) -> UploadPartOutput in multipart;
    upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput in copy;
    list_parts(ListPartsInput) -> ListPartsOutput in uploads;
    list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput in uploads;
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput in multipart;
    complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput in complete;
}
