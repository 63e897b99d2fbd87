//! Beginning anew when somebody else's change came between the steps of a request: a file that a mount writes to all
//! the time has a new version many times a second.
//!
//! What always holds: a request begins anew for a bounded time only, with growing pauses.

use std::time::Duration;

use holdfast_proto::status::{Code, Status};
use s3s::S3Error;
use tokio::time::{Instant, sleep};

use crate::error;

/// How long a request may begin anew: clients wait for a minute.
const LIMIT: Duration = Duration::from_secs(20);

/// First and longest pause.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(500));

/// What is left of it.
pub(super) struct Patience {
    until: Instant,
    pause: Duration,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { until: Instant::now() + LIMIT, pause: PAUSES.0 }
    }

    /// Pauses. False: there was time enough, give up.
    pub(super) async fn again(&mut self) -> bool {
        if Instant::now() + self.pause >= self.until {
            return false;
        }
        // Those who were in each other's way shall not come back together.
        sleep(self.pause.mul_f64(0.5 + rand::random::<f64>())).await;
        self.pause = (2 * self.pause).min(PAUSES.1);
        true
    }
}

/// The answer when patience is at an end.
pub(super) fn too_busy() -> S3Error {
    let status = Status::busy(Duration::from_secs(1), "the object changes faster than it can be read");
    error::from_status(&status)
}

/// Whether a refusal says that the file is not as it was when the request began.
pub(super) fn moved_on(status: &Status) -> bool {
    matches!(status.kind(), Code::StaleInode | Code::PreconditionFailed)
}
