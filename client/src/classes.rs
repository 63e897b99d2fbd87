//! Which storage class new files of a bucket get, remembered for a few seconds so that a PUT needs no question.
//!
//! What always holds: a class changed meanwhile is noticed within [`AGE`]; until then files are written in the
//! former class, which is as safe. At most [`MOST`] buckets are remembered.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::ids::ClassId;
use holdfast_proto::map::StorageClass;
use holdfast_proto::query::{GetBucket, Query};
use holdfast_proto::status::{Code, Status};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::error::ClientError;
use crate::inner::Inner;
use crate::map::DEFAULT_CLASS;

/// Age at which a bucket is asked for again.
const AGE: Duration = Duration::from_secs(10);
/// Buckets remembered.
const MOST: usize = 10_000;

/// What is remembered.
#[derive(Default)]
pub(crate) struct ClassCache {
    buckets: Mutex<HashMap<String, (ClassId, Instant)>>,
}

impl ClassCache {
    fn get(&self, bucket: &str) -> Option<ClassId> {
        let buckets = self.buckets.lock();
        buckets.get(bucket).filter(|(_, at)| at.elapsed() < AGE).map(|(class, _)| *class)
    }

    fn put(&self, bucket: &str, class: ClassId) {
        let mut buckets = self.buckets.lock();
        if buckets.len() >= MOST {
            buckets.retain(|_, (_, at)| at.elapsed() < AGE);
        }
        if buckets.len() < MOST {
            buckets.insert(bucket.to_owned(), (class, Instant::now()));
        }
    }

    /// The bucket was made, changed or deleted through this client.
    pub(crate) fn forget(&self, bucket: &str) {
        self.buckets.lock().remove(bucket);
    }
}

impl Inner {
    /// A storage class by id; 0 is the default.
    pub(crate) async fn class(
        &self,
        id: ClassId,
        deadline: Instant,
    ) -> Result<Arc<StorageClass>, ClientError> {
        let id = if id.0 == 0 { DEFAULT_CLASS } else { id };
        if let Some(class) = self.map().class(id) {
            return Ok(class.clone());
        }
        let map = self.refresh_map(deadline).await;
        let map = map.map_err(|status| ClientError::of_question(status, "fetch the cluster map"))?;
        let class = map.class(id).cloned();
        class.ok_or_else(|| ClientError::Refused(Status::new(Code::NotFound, format!("no storage {id}"))))
    }

    /// The class of new files in a bucket.
    pub(crate) async fn class_of_bucket(
        &self,
        bucket: &str,
        deadline: Instant,
    ) -> Result<Arc<StorageClass>, ClientError> {
        if let Some(class) = self.classes.get(bucket) {
            return self.class(class, deadline).await;
        }
        let query = Query::GetBucket(GetBucket { name: bucket.to_owned() });
        let reply = self.question(query, false, deadline).await?.reply;
        if let Some(status) = reply.status.filter(|status| !status.is_ok()) {
            return Err(ClientError::Refused(status));
        }
        let class = reply.buckets.first().map_or(ClassId(0), |bucket| ClassId(bucket.class));
        self.classes.put(bucket, class);
        self.class(class, deadline).await
    }
}
