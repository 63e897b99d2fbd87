//! What a key may do. The table of operations is the whole truth: what is not in it is not offered.

use holdfast_proto::op::KeyRule;

use crate::auth::keys::AccessKey;

/// What an operation needs on its bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// A valid key; the operation itself shows only what the key may see.
    KeyOnly,
    /// Any right at all on the bucket.
    Any,
    /// To read and list.
    Read,
    /// To read or to write: what an uploader must see of its own uploads.
    ReadOrWrite,
    /// To write and delete objects.
    Write,
    /// To create and delete the bucket and change its settings.
    Manage,
}

/// The right that an operation needs; `None` for one that is not offered. Copies need [`Right::Read`] on their
/// source besides.
pub(crate) fn needed(operation: &str) -> Option<Right> {
    Some(match operation {
        "ListBuckets" => Right::KeyOnly,
        "HeadBucket" | "GetBucketLocation" | "GetBucketVersioning" | "GetBucketAcl" => Right::Any,
        "GetBucketPolicy"
        | "GetBucketCors"
        | "GetBucketLifecycleConfiguration"
        | "GetBucketTagging"
        | "GetBucketEncryption"
        | "GetObjectLockConfiguration" => Right::Any,
        "GetObject"
        | "HeadObject"
        | "GetObjectTagging"
        | "GetObjectAttributes"
        | "GetObjectAcl"
        | "ListObjects"
        | "ListObjectsV2"
        | "ListObjectVersions" => Right::Read,
        "ListMultipartUploads" | "ListParts" => Right::ReadOrWrite,
        "PutObject"
        | "CopyObject"
        | "DeleteObject"
        | "DeleteObjects"
        | "PutObjectTagging"
        | "DeleteObjectTagging"
        | "CreateMultipartUpload"
        | "UploadPart"
        | "UploadPartCopy"
        | "CompleteMultipartUpload"
        | "AbortMultipartUpload" => Right::Write,
        "CreateBucket" | "DeleteBucket" => Right::Manage,
        _ => return None,
    })
}

fn matches(rule: &KeyRule, bucket: &str) -> bool {
    match rule.bucket.strip_suffix('*') {
        Some(prefix) => bucket.starts_with(prefix),
        None => rule.bucket == bucket,
    }
}

/// Whether a key has a right on a bucket. Without a rule that says so: no.
pub(crate) fn allowed(key: &AccessKey, right: Right, bucket: &str) -> bool {
    let gives = |rule: &KeyRule| match right {
        Right::KeyOnly => true,
        Right::Any => rule.read || rule.write || rule.manage,
        Right::Read => rule.read,
        Right::ReadOrWrite => rule.read || rule.write,
        Right::Write => rule.write,
        Right::Manage => rule.manage,
    };
    right == Right::KeyOnly || key.rules.iter().any(|rule| matches(rule, bucket) && gives(rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(bucket: &str, read: bool, write: bool, manage: bool) -> KeyRule {
        KeyRule { bucket: bucket.into(), read, write, manage }
    }

    #[test]
    fn nothing_is_allowed_without_a_rule() {
        let none = AccessKey::for_test(vec![]);
        for right in [Right::Any, Right::Read, Right::ReadOrWrite, Right::Write, Right::Manage] {
            assert!(!allowed(&none, right, "b"));
        }
        assert!(allowed(&none, Right::KeyOnly, ""));
    }

    #[test]
    fn rules_give_what_they_name_where_they_name_it() {
        let key =
            AccessKey::for_test(vec![rule("logs-*", true, false, false), rule("drop", false, true, false)]);
        assert!(allowed(&key, Right::Read, "logs-a"));
        assert!(allowed(&key, Right::Any, "logs-a"));
        assert!(!allowed(&key, Right::Write, "logs-a"));
        assert!(!allowed(&key, Right::Read, "log"));
        assert!(allowed(&key, Right::Write, "drop"));
        assert!(!allowed(&key, Right::Read, "drop"));
        assert!(allowed(&key, Right::ReadOrWrite, "drop"));
        assert!(!allowed(&key, Right::Write, "drop2"));
        assert!(!allowed(&key, Right::Manage, "drop"));
        let all = AccessKey::for_test(vec![rule("*", true, true, true)]);
        assert!(allowed(&all, Right::Manage, "anything"));
    }

    #[test]
    fn operations_outside_the_table_are_not_offered() {
        assert_eq!(needed("PutBucketPolicy"), None);
        assert_eq!(needed("SelectObjectContent"), None);
        assert_eq!(needed("PostObject"), None);
        assert_eq!(needed("DeleteBucket"), Some(Right::Manage));
    }
}
