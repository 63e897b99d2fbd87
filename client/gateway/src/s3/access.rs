//! Who may do what, asked for every operation before its input is even read; and headers that promise what this
//! store does not do.
//!
//! What always holds: an operation that is not in the table of [`crate::auth::rights`] is not offered; a request
//! without a companion (that is: without a checked signature) is refused; silence never means encryption, retention or
//! public access was granted: such wishes are refused.

use async_trait::async_trait;
use http::HeaderMap;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Error, S3Result};

use crate::auth::keys::AccessKey;
use crate::auth::rights::{Right, allowed, needed};
use crate::error;
use crate::http::envelope::Companion;

/// Stands where the S3 library wants an authenticator. The signature has been checked and taken out of the request
/// before; a request that still has one is refused.
pub(crate) struct NeverAsked;

#[async_trait]
impl S3Auth for NeverAsked {
    async fn get_secret_key(&self, _access_key: &str) -> S3Result<SecretKey> {
        Err(error::denied("the request is signed twice"))
    }
}

/// The access check.
pub(crate) struct Access;

#[async_trait]
impl S3Access for Access {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let operation = cx.s3_op().name().to_owned();
        let bucket = cx.s3_path().get_bucket_name().unwrap_or("").to_owned();
        let Some(Companion(envelope)) = cx.extensions_mut().get::<Companion>() else {
            return Err(error::denied("the request is not signed"));
        };
        let Some(right) = needed(&operation) else {
            return Err(error::not_offered(format!("{operation} is not offered")));
        };
        // The label of metrics and log lines: only names of operations we know.
        let _ = envelope.operation.set(label(&operation));
        require(&envelope.key, right, &bucket)
    }
}

/// Refuses unless the key has the right on the bucket.
pub(crate) fn require(key: &AccessKey, right: Right, bucket: &str) -> Result<(), S3Error> {
    if allowed(key, right, bucket) {
        return Ok(());
    }
    Err(error::denied(format!("this access key may not do this in bucket '{bucket}'")))
}

/// A name that lives for ever.
fn label(operation: &str) -> &'static str {
    const NAMES: [&str; 35] = [
        "ListBuckets",
        "HeadBucket",
        "GetBucketLocation",
        "GetBucketVersioning",
        "GetBucketAcl",
        "GetBucketPolicy",
        "GetBucketCors",
        "GetBucketLifecycleConfiguration",
        "GetBucketTagging",
        "GetBucketEncryption",
        "GetObjectLockConfiguration",
        "GetObject",
        "HeadObject",
        "GetObjectTagging",
        "GetObjectAttributes",
        "GetObjectAcl",
        "ListObjects",
        "ListObjectsV2",
        "ListObjectVersions",
        "ListMultipartUploads",
        "ListParts",
        "PutObject",
        "CopyObject",
        "DeleteObject",
        "DeleteObjects",
        "PutObjectTagging",
        "DeleteObjectTagging",
        "CreateMultipartUpload",
        "UploadPart",
        "UploadPartCopy",
        "CompleteMultipartUpload",
        "AbortMultipartUpload",
        "CreateBucket",
        "DeleteBucket",
        "Other",
    ];
    NAMES.into_iter().find(|name| *name == operation).unwrap_or("Other")
}

/// Refuses headers that ask for what is not there: encryption, retention, access lists, owners' account numbers.
pub(crate) fn refuse_unsupported(headers: &HeaderMap) -> S3Result<()> {
    for name in headers.keys() {
        let name = name.as_str();
        let Some(wish) = name.strip_prefix("x-amz-") else { continue };
        if wish.starts_with("server-side-encryption")
            || wish.starts_with("copy-source-server-side-encryption")
        {
            return Err(error::not_offered("server-side encryption is not offered"));
        }
        if wish.starts_with("object-lock-") || wish == "bucket-object-lock-enabled" {
            return Err(error::not_offered("object lock is not offered"));
        }
        if wish.starts_with("grant-") {
            return Err(no_acl());
        }
        if wish == "expected-bucket-owner" || wish == "source-expected-bucket-owner" {
            return Err(error::not_offered("buckets have no account numbers here"));
        }
        if wish == "write-offset-bytes" {
            return Err(error::not_offered("writing at an offset is not offered"));
        }
        let is_private =
            |v: &http::HeaderValue| matches!(v.as_bytes(), b"private" | b"bucket-owner-full-control");
        if wish == "acl" && !headers.get_all(name).iter().all(is_private) {
            return Err(no_acl());
        }
    }
    Ok(())
}

fn no_acl() -> S3Error {
    error::refuse(
        "AccessControlListNotSupported",
        http::StatusCode::BAD_REQUEST,
        "access lists are not used here; access keys have rules",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_that_are_not_kept_are_not_taken() {
        let refused = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            refuse_unsupported(&headers).is_err()
        };
        assert!(refused("x-amz-server-side-encryption", "AES256"));
        assert!(refused("x-amz-server-side-encryption-customer-key", "a"));
        assert!(refused("x-amz-copy-source-server-side-encryption-customer-key", "a"));
        assert!(refused("x-amz-object-lock-mode", "GOVERNANCE"));
        assert!(refused("x-amz-acl", "public-read"));
        assert!(refused("x-amz-grant-read", "a"));
        assert!(refused("x-amz-expected-bucket-owner", "1"));
        assert!(!refused("x-amz-acl", "private"));
        assert!(!refused("x-amz-meta-server-side-encryption", "x"));
        assert!(!refused("x-amz-copy-source", "a/b"));
    }

    #[test]
    fn every_operation_in_the_table_has_a_label() {
        for name in ["PutObject", "GetObject", "ListBuckets", "DeleteBucket", "UploadPartCopy"] {
            assert!(needed(name).is_some());
            assert_eq!(label(name), name);
        }
        assert_eq!(label("Else"), "Other");
    }
}
