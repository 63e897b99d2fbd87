//! Bounds on what the metaserver works on at once.

use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::status::Status;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics;

/// When to come again.
const AFTER: Duration = Duration::from_millis(20);

/// Requests and bytes in flight.
#[derive(Clone, Debug)]
pub struct Admission {
    requests: Arc<Semaphore>,
    kib: Arc<Semaphore>,
}

/// A place among them, given back when dropped.
#[derive(Debug)]
pub struct Place {
    _request: OwnedSemaphorePermit,
    _kib: OwnedSemaphorePermit,
}

impl Admission {
    /// At most so many requests, with at most so many bytes between them.
    pub fn new(requests: usize, bytes: usize) -> Self {
        let kib = (bytes / 1024).clamp(1, Semaphore::MAX_PERMITS);
        Self {
            requests: Arc::new(Semaphore::new(requests.clamp(1, Semaphore::MAX_PERMITS))),
            kib: Arc::new(Semaphore::new(kib)),
        }
    }

    /// Takes a place for a request of this size, or says that there is none.
    pub fn enter(&self, bytes: usize) -> Result<Place, Status> {
        let busy = |what| {
            metrics::refused_busy();
            Status::busy(AFTER, what)
        };
        let request = self
            .requests
            .clone()
            .try_acquire_owned()
            .map_err(|_| busy("the metaserver has as many requests under way as it takes"))?;
        let kib = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX);
        let kib = self
            .kib
            .clone()
            .try_acquire_many_owned(kib)
            .map_err(|_| busy("the metaserver has as many bytes under way as it takes"))?;
        Ok(Place { _request: request, _kib: kib })
    }
}

#[cfg(test)]
mod tests {
    use holdfast_proto::status::Code;

    use super::*;

    #[test]
    fn beyond_the_bounds_the_answer_is_busy() {
        let admission = Admission::new(2, 4096);
        let first = admission.enter(2048).unwrap();
        assert_eq!(admission.enter(2048).unwrap_err().kind(), Code::Busy, "bytes");
        let _second = admission.enter(10).unwrap();
        assert_eq!(admission.enter(10).unwrap_err().kind(), Code::Busy, "requests");
        drop(first);
        admission.enter(10).unwrap();
    }
}
