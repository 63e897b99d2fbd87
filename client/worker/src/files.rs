//! The lists of files to work at, gone through again and again.

use std::num::NonZeroUsize;
use std::time::Duration;

use holdfast_client::{Client, ClientError};
use holdfast_proto::ids::NodeId;
use holdfast_proto::op::{Compact, Op};
use holdfast_proto::query::{ListFragmented, Query};
use holdfast_proto::status::Code;
use lru::LruCache;
use tokio::time::Instant;

use crate::metrics::METRICS;
use crate::pace::Pace;
use crate::{convert, defragment, share};

/// Files of one page.
const PAGE: u32 = 100;
/// A file is not looked at again for so long, whatever is written to it.
const REST: Duration = Duration::from_secs(5);
/// The same if somebody was in the way, or a member away.
const RETRY: Duration = Duration::from_secs(15);
/// The same if nothing could be gained.
const LONG_REST: Duration = Duration::from_secs(60);
/// Files that are remembered for that.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// Which list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// Very many small extents become few large ones.
    Defragment,
    /// Content goes into chunks of the file's class.
    Convert,
}

impl Job {
    fn name(self) -> &'static str {
        match self {
            Self::Defragment => "join",
            Self::Convert => "convert",
        }
    }
}

/// What came of a look at a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// Its version when the look began.
    pub(crate) version: u64,
    /// Its class then.
    pub(crate) class: u32,
    /// Extents that went, or were converted.
    pub(crate) changed: u64,
    /// Windows that could not be done this time.
    pub(crate) left: u64,
}

pub(crate) struct Files {
    job: Job,
    client: Client,
    node: NodeId,
    pace: Pace,
    resting: LruCache<u64, Instant>,
    rounds: u64,
}

impl Files {
    pub(crate) fn new(job: Job, client: Client, node: NodeId, pace: Pace) -> Self {
        Self { job, client, node, pace, resting: LruCache::new(REMEMBERED), rounds: 0 }
    }

    /// Goes through this worker's part of the list once.
    pub(crate) async fn round(&mut self) -> Result<(), ClientError> {
        self.rounds += 1;
        self.count_resting();
        let Some((share, shares)) = share::of(&self.client.map(), self.node, self.rounds) else {
            // A node that just joined, or changed its roles.
            self.client.refresh_map().await?;
            return Ok(());
        };
        let mut after = 0;
        loop {
            let converting = self.job == Job::Convert;
            let ask = ListFragmented { after, most: PAGE, share, shares, converting };
            let page = self.client.ask(Query::ListFragmented(ask)).await?.reply;
            for ino in &page.inos {
                self.look_at(*ino).await;
            }
            let next = std::str::from_utf8(&page.next).ok().and_then(|next| next.parse().ok());
            match next.filter(|next| page.more && *next > after) {
                Some(next) => after = next,
                None => return Ok(()),
            }
        }
    }

    async fn look_at(&mut self, ino: u64) {
        if self.resting.get(&ino).is_some_and(|until| Instant::now() < *until) {
            return;
        }
        let mut rest = LONG_REST;
        let outcome = match self.work_at(ino).await {
            Ok(done) if done.left > 0 => {
                tracing::debug!(ino, job = ?self.job, ?done, "a file is not done yet");
                rest = RETRY;
                Ok(())
            }
            // What was joined may be worth joining once more.
            Ok(done) if done.changed > 0 && self.job == Job::Defragment => {
                tracing::debug!(ino, ?done, "joined small extents");
                rest = REST;
                Ok(())
            }
            Ok(done) => self.settle(ino, done).await,
            Err(error) => Err(error),
        };
        self.resting.put(ino, Instant::now() + rest);
        if let Err(error) = outcome {
            // It may be gone by now.
            if !matches!(error.code(), Code::NotFound | Code::StaleInode) {
                METRICS.failures.inc();
                tracing::info!(ino, job = ?self.job, %error, "a file could not be worked at");
            }
        }
    }

    async fn work_at(&mut self, ino: u64) -> Result<Done, ClientError> {
        let running = METRICS.jobs.with_label_values(&[self.job.name(), "running"]);
        running.set(1);
        let done = match self.job {
            Job::Defragment => defragment::file(&self.client, ino, &mut self.pace).await,
            Job::Convert => convert::file(&self.client, ino, &mut self.pace).await,
        };
        running.set(0);
        done
    }

    /// Counts the files that are left alone for now.
    fn count_resting(&self) {
        let now = Instant::now();
        let resting = self.resting.iter().filter(|(_, until)| now < **until).count();
        let shown = METRICS.jobs.with_label_values(&[self.job.name(), "resting"]);
        shown.set(i64::try_from(resting).unwrap_or(i64::MAX));
    }

    /// Takes the file off the list, if it is as it was when it was looked at.
    async fn settle(&self, ino: u64, done: Done) -> Result<(), ClientError> {
        let word = match self.job {
            Job::Defragment => Compact { settled: true, ..Compact::default() },
            Job::Convert => Compact { converted: done.class, ..Compact::default() },
        };
        let op = Op::Compact(Compact { ino, if_version: done.version, ..word });
        match self.client.mutate(op).await {
            Err(error) if error.code() == Code::PreconditionFailed => Ok(()),
            other => other.map(drop),
        }
    }
}
