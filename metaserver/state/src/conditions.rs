//! ETags and the conditions of S3 requests, evaluated where the answer is decided.
//!
//! What always holds: an ETag stored with an object counts only while the content it was made for is there;
//! afterwards the ETag is `<ino>-<version>`, which no client takes for an MD5.
//!
//! Used by object operations and queries, and by the gateway to show ETags.

use holdfast_proto::inode::Inode;
use holdfast_proto::op::Conditions;
use holdfast_proto::status::{Code, Status};

const SECOND_NS: i64 = 1_000_000_000;

/// Checks conditions against what is there; all must hold. A missing object fails `If-Match` with `NotFound`.
pub fn check(conditions: Option<&Conditions>, there: Option<&Inode>) -> Result<(), Status> {
    let Some(wanted) = conditions else { return Ok(()) };
    let tag = there.map(Inode::etag);
    if !wanted.if_match.is_empty() {
        let Some(tag) = &tag else {
            return Err(Status::new(Code::NotFound, "If-Match: there is no such object"));
        };
        hold(names(&wanted.if_match, tag), "If-Match: the object has another ETag")?;
    } else if let (Some(since), Some(inode)) = (wanted.if_unmodified_since_ns, there) {
        hold(seconds(inode.mtime_ns) <= seconds(since), "If-Unmodified-Since: the object was changed later")?;
    }
    if !wanted.if_none_match.is_empty() {
        let hit = tag.as_ref().is_some_and(|tag| names(&wanted.if_none_match, tag));
        hold(!hit, "If-None-Match: the object is there")?;
    } else if let (Some(since), Some(inode)) = (wanted.if_modified_since_ns, there) {
        hold(
            seconds(inode.mtime_ns) > seconds(since),
            "If-Modified-Since: the object was not changed since",
        )?;
    }
    if wanted.if_version != 0 {
        let version = there.map_or(0, |inode| inode.version);
        hold(version == wanted.if_version, "the object has another version")?;
    }
    Ok(())
}

fn hold(holds: bool, message: &str) -> Result<(), Status> {
    if holds { Ok(()) } else { Err(Status::new(Code::PreconditionFailed, message)) }
}

/// HTTP dates have no fractions.
fn seconds(ns: i64) -> i64 {
    ns.div_euclid(SECOND_NS)
}

fn names(tags: &[String], tag: &str) -> bool {
    tags.iter().any(|named| {
        let named = named.trim().trim_start_matches("W/").trim_matches('"');
        named == "*" || named == tag
    })
}
