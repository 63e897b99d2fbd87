//! Which storage class a new object gets, remembered for a few seconds so that a PUT needs no question.
//!
//! In nearly every bucket all directories have the bucket's class, so the bucket is what is remembered. In one where a
//! directory was seen to have another class (every question is about a certain key, and every reply to a PUT says what
//! class the file got), directories are asked about one by one.
//!
//! What always holds: a class changed meanwhile is noticed within [`AGE`]; until then, and for the first objects below a
//! directory with a class of its own, files are written in another class, which is as safe, and converted afterwards. At
//! most [`MOST`] buckets and directories are remembered.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_proto::ids::ClassId;
use holdfast_proto::map::StorageClass;
use holdfast_proto::query::{GetBucket, Query};
use holdfast_proto::status::{Code, Status};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::error::ClientError;
use crate::inner::Inner;
use crate::map::DEFAULT_CLASS;

/// Age at which a bucket or directory is asked for again.
const AGE: Duration = Duration::from_secs(10);
/// For so long a bucket counts as mixed after a directory had another class.
const MIXED: Duration = Duration::from_secs(3600);
/// Buckets remembered, and directories.
const MOST: usize = 10_000;

/// What is remembered.
#[derive(Default)]
pub(crate) struct ClassCache(Mutex<Known>);

#[derive(Default)]
struct Known {
    buckets: HashMap<String, Bucket>,
    /// Of mixed buckets: bucket and directory.
    directories: HashMap<(String, Vec<u8>), (ClassId, Instant)>,
}

struct Bucket {
    class: ClassId,
    asked: Instant,
    mixed: Option<Instant>,
}

impl Bucket {
    fn is_mixed(&self) -> bool {
        self.mixed.is_some_and(|at| at.elapsed() < MIXED)
    }
}

/// The directory of a key, with its slash; empty: the bucket itself.
fn directory(key: &[u8]) -> &[u8] {
    let end = key.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    key.get(..end).unwrap_or_default()
}

impl ClassCache {
    fn get(&self, bucket: &str, key: &[u8]) -> Option<ClassId> {
        let known = self.0.lock();
        let found = known.buckets.get(bucket)?;
        let (class, asked) = match found.is_mixed() {
            true => *known.directories.get(&(bucket.to_owned(), directory(key).to_vec()))?,
            false => (found.class, found.asked),
        };
        (asked.elapsed() < AGE).then_some(class)
    }

    /// The answer to a question about a key.
    fn put(&self, bucket: &str, class: ClassId, key: &[u8], here: ClassId) {
        let now = Instant::now();
        let mut known = self.0.lock();
        if known.buckets.len() >= MOST {
            known.buckets.retain(|_, found| found.asked.elapsed() < AGE);
        }
        let room = known.buckets.len() < MOST;
        let before = known.buckets.get(bucket).and_then(|found| found.mixed);
        let mixed = if here == class { before } else { Some(now) };
        let found = Bucket { class, asked: now, mixed };
        let is_mixed = found.is_mixed();
        if room || known.buckets.contains_key(bucket) {
            known.buckets.insert(bucket.to_owned(), found);
        }
        if known.directories.len() >= MOST {
            known.directories.retain(|_, (_, asked)| asked.elapsed() < AGE);
        }
        if is_mixed && known.directories.len() < MOST {
            known.directories.insert((bucket.to_owned(), directory(key).to_vec()), (here, now));
        }
    }

    /// A new object of a bucket that named no class of its own got this one.
    pub(crate) fn noticed(&self, bucket: &str, got: ClassId) {
        if let Some(found) = self.0.lock().buckets.get_mut(bucket)
            && found.class != named(got)
        {
            found.mixed = Some(Instant::now());
        }
    }

    /// The bucket was made, changed or deleted through this client.
    pub(crate) fn forget(&self, bucket: &str) {
        self.0.lock().buckets.remove(bucket);
    }
}

/// 0 stands for the default.
fn named(class: ClassId) -> ClassId {
    if class.0 == 0 { DEFAULT_CLASS } else { class }
}

impl Inner {
    /// A storage class by id; 0 is the default.
    pub(crate) async fn class(
        &self,
        id: ClassId,
        deadline: Instant,
    ) -> Result<Arc<StorageClass>, ClientError> {
        let id = named(id);
        if let Some(class) = self.map().class(id) {
            return Ok(class.clone());
        }
        let map = self.refresh_map(deadline).await;
        let map = map.map_err(|status| ClientError::of_question(status, "fetch the cluster map"))?;
        let class = map.class(id).cloned();
        class.ok_or_else(|| ClientError::Refused(Status::new(Code::NotFound, format!("no storage {id}"))))
    }

    /// The class that a new object would get.
    pub(crate) async fn class_of_new(
        &self,
        bucket: &str,
        key: &[u8],
        deadline: Instant,
    ) -> Result<Arc<StorageClass>, ClientError> {
        if let Some(class) = self.classes.get(bucket, key) {
            return self.class(class, deadline).await;
        }
        let query = Query::GetBucket(GetBucket { name: bucket.to_owned(), key: Bytes::copy_from_slice(key) });
        let reply = self.question(query, false, deadline).await?.reply;
        if let Some(status) = reply.status.filter(|status| !status.is_ok()) {
            return Err(ClientError::Refused(status));
        }
        let class = named(reply.buckets.first().map_or(ClassId(0), |bucket| ClassId(bucket.class)));
        let here = reply.class.map_or(class, |here| ClassId(here.id));
        self.classes.put(bucket, class, key, here);
        self.class(here, deadline).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUCKET: &str = "bucket";

    #[test]
    fn a_bucket_of_one_class_is_asked_about_once() {
        let cache = ClassCache::default();
        assert_eq!(cache.get(BUCKET, b"a/b"), None);
        cache.put(BUCKET, ClassId(1), b"a/b", ClassId(1));
        assert_eq!(cache.get(BUCKET, b"a/b"), Some(ClassId(1)));
        assert_eq!(cache.get(BUCKET, b"other/place"), Some(ClassId(1)));
        cache.noticed(BUCKET, ClassId(0));
        assert_eq!(cache.get(BUCKET, b"other/place"), Some(ClassId(1)), "0 is the default's other name");
        cache.forget(BUCKET);
        assert_eq!(cache.get(BUCKET, b"a/b"), None);
    }

    #[test]
    fn in_a_mixed_bucket_each_directory_is_asked_about() {
        let cache = ClassCache::default();
        cache.put(BUCKET, ClassId(1), b"a/b", ClassId(1));
        cache.noticed(BUCKET, ClassId(7));
        assert_eq!(cache.get(BUCKET, b"a/b"), None);
        cache.put(BUCKET, ClassId(1), b"a/b", ClassId(7));
        cache.put(BUCKET, ClassId(1), b"top", ClassId(1));
        assert_eq!(cache.get(BUCKET, b"a/c"), Some(ClassId(7)));
        assert_eq!(cache.get(BUCKET, b"a"), Some(ClassId(1)));
        assert_eq!(cache.get(BUCKET, b"a/c/d"), None);
    }

    #[test]
    fn one_answer_is_enough_to_see_that_a_bucket_is_mixed() {
        let cache = ClassCache::default();
        cache.put(BUCKET, ClassId(1), b"a/b", ClassId(7));
        assert_eq!(cache.get(BUCKET, b"a/z"), Some(ClassId(7)));
        assert_eq!(cache.get(BUCKET, b"z"), None);
    }
}
