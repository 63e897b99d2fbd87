//! Load with an oracle: several writers put, overwrite, read, list and delete through S3, each on its own keys, and
//! note what was acknowledged and when. What is longer than [`IN_PARTS`] is uploaded in parts.
//!
//! A writer tries an operation again until it succeeds or its patience ends; what SDKs do, too. Every failed try and
//! every pause between acknowledgements is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::task::JoinSet;

use crate::oracle::{Content, Oracle, State};
use crate::s3::{Client, Error};

/// Longer bodies are uploaded in parts of this length; S3 allows no shorter ones.
pub const IN_PARTS: u64 = 5 << 20;

/// What the writers do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where.
    pub bucket: String,
    /// How many at once. 16; the environment's `HOLDFAST_WRITERS` says otherwise.
    pub writers: usize,
    /// Keys per writer, used in turn.
    pub keys: u64,
    /// Lengths, used in turn.
    pub sizes: Vec<u64>,
    /// Longest time for one operation with all its tries.
    pub patience: Duration,
    /// Longest time for one try.
    pub attempt: Duration,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            bucket: "load".to_owned(),
            writers: std::env::var("HOLDFAST_WRITERS").ok().and_then(|n| n.parse().ok()).unwrap_or(16),
            keys: 40,
            sizes: vec![100, 4096, 70_000, 1 << 20, 20_000],
            patience: Duration::from_secs(10),
            attempt: Duration::from_secs(5),
        }
    }
}

#[derive(Debug)]
struct Shared {
    plan: Plan,
    client: Client,
    oracle: Arc<Oracle>,
    stop: AtomicBool,
    acknowledged: AtomicU64,
    retries: AtomicU64,
    /// Longest time a change took with all its tries, in microseconds.
    longest: AtomicU64,
    /// The same of reads and listings.
    longest_read: AtomicU64,
    /// When each acknowledged operation was sent, and when it was acknowledged.
    acks: Mutex<Vec<(Instant, Instant)>>,
    /// Operations that did not succeed within the writer's patience.
    failures: Mutex<Vec<String>>,
    /// Reads that returned something wrong.
    wrong: Mutex<Vec<String>>,
}

/// Writers at work.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    writers: JoinSet<Result<()>>,
}

/// What happened.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Acknowledged operations.
    pub acknowledged: u64,
    /// Tries that failed and were repeated.
    pub retries: u64,
    /// Operations given up.
    pub failures: Vec<String>,
    /// Longest time between two acknowledgements of any writer.
    pub longest_gap: Duration,
    /// Longest time one change took, with all its tries.
    pub longest_change: Duration,
    /// Longest time one read or listing took, with all its tries.
    pub longest_read: Duration,
}

impl Load {
    /// Makes the bucket and starts the writers.
    pub async fn start(client: Client, oracle: Arc<Oracle>, plan: Plan) -> Result<Self> {
        client.create_bucket(&plan.bucket).await.context("make the bucket")?;
        let client = client.with_deadline(plan.attempt);
        let shared = Arc::new(Shared {
            client,
            oracle,
            stop: AtomicBool::new(false),
            acknowledged: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            longest: AtomicU64::new(0),
            longest_read: AtomicU64::new(0),
            acks: Mutex::default(),
            failures: Mutex::default(),
            wrong: Mutex::default(),
            plan,
        });
        let mut writers = JoinSet::new();
        for writer in 0..shared.plan.writers {
            let shared = Arc::clone(&shared);
            writers.spawn(async move { shared.work(writer).await });
        }
        Ok(Self { shared, writers })
    }

    /// Operations acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until this many more operations are acknowledged.
    pub async fn progress(&self, more: u64, most: Duration) -> Result<()> {
        let goal = self.acknowledged() + more;
        crate::wait::until(&format!("{more} more acknowledged operations"), most, || async {
            let now = self.acknowledged();
            if now >= goal { Ok(()) } else { Err(format!("{} are missing", goal - now)) }
        })
        .await
    }

    /// Time from `since` to the first acknowledgement of an operation that was sent after it.
    pub async fn first_ack_after(&self, since: Instant, most: Duration) -> Result<Duration> {
        crate::wait::until("an acknowledged operation", most, || async {
            let acks = self.shared.acks.lock();
            let first = acks.iter().filter(|(sent, _)| *sent > since).map(|(_, acked)| *acked).min();
            first.map(|at| at - since).ok_or("none yet")
        })
        .await
    }

    /// Ends the load. Fails when a read was wrong, whatever else happened.
    pub async fn stop(mut self) -> Result<Summary> {
        self.shared.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.writers.join_next().await {
            ended.context("a writer broke")??;
        }
        let wrong = self.shared.wrong.lock().clone();
        if !wrong.is_empty() {
            bail!("{} reads returned something wrong: {}", wrong.len(), wrong.join("; "));
        }
        let mut acks: Vec<Instant> = self.shared.acks.lock().iter().map(|(_, acked)| *acked).collect();
        acks.sort();
        Ok(Summary {
            acknowledged: self.acknowledged(),
            retries: self.shared.retries.load(Ordering::Relaxed),
            failures: self.shared.failures.lock().clone(),
            longest_change: Duration::from_micros(self.shared.longest.load(Ordering::Relaxed)),
            longest_read: Duration::from_micros(self.shared.longest_read.load(Ordering::Relaxed)),
            longest_gap: acks.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default(),
        })
    }
}

impl Shared {
    async fn work(&self, writer: usize) -> Result<()> {
        let mut numbers: Vec<u64> = (0..self.plan.keys).collect();
        let mut fresh = self.plan.keys;
        for round in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let at = (round % self.plan.keys) as usize;
            let key = format!("w{writer:03}/{:06}", numbers[at]);
            let turn = (round as usize + writer) % self.plan.sizes.len();
            // Shifted every time around, or a key would be only read, or only deleted, for ever.
            let certain = match (round + round / self.plan.keys) % 8 {
                3 | 5 => {
                    self.timed(self.read(&key)).await;
                    true
                }
                1 if round % 32 == 1 => {
                    self.timed(self.list(&format!("w{writer:03}/"))).await;
                    true
                }
                7 => self.change(&key, None).await?,
                _ => self.change(&key, Some(Content::random(self.plan.sizes[turn]))).await?,
            };
            if !certain {
                // A try without an answer may still be carried out, however late: nothing else may be written
                // under this key, or the oracle would not know what to expect.
                numbers[at] = fresh;
                fresh += 1;
            }
        }
        Ok(())
    }

    /// Puts or deletes, with the same content at every try: S3 has no other way to make retries safe. Returns
    /// whether every try was answered.
    async fn change(&self, key: &str, state: State) -> Result<bool> {
        let body = state.map(Content::bytes).unwrap_or_default();
        self.oracle.begin(key, state)?;
        let begun = Instant::now();
        let end = begun + self.plan.patience;
        let mut certain = true;
        loop {
            let sent = Instant::now();
            let outcome = match state {
                Some(_) => self.put(key, body.clone()).await,
                None => self.client.delete(&self.plan.bucket, key).await,
            };
            let Err(error) = outcome else {
                self.oracle.acknowledge(key, state)?;
                self.note_ack(sent);
                self.longest.fetch_max(begun.elapsed().as_micros() as u64, Ordering::Relaxed);
                return Ok(certain);
            };
            // A 5xx says as little about the outcome as no answer.
            certain &= !error.is_transient();
            if !self.try_again(&error, end).await {
                self.failures.lock().push(format!("{key}: {error}"));
                return Ok(false);
            }
        }
    }

    async fn put(&self, key: &str, body: Bytes) -> Result<(), Error> {
        let bucket = &self.plan.bucket;
        if body.len() as u64 <= IN_PARTS {
            return self.client.put(bucket, key, body).await.map(drop);
        }
        let upload = self.client.create_upload(bucket, key).await?;
        let mut parts = Vec::new();
        for (number, from) in (0..body.len()).step_by(IN_PARTS as usize).enumerate() {
            let part = body.slice(from..body.len().min(from + IN_PARTS as usize));
            parts.push(self.client.put_part(bucket, key, &upload, number as u32 + 1, part).await?);
        }
        self.client.complete_upload(bucket, key, &upload, &parts).await
    }

    fn note_ack(&self, sent: Instant) {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        self.acks.lock().push((sent, Instant::now()));
    }

    async fn try_again(&self, error: &Error, end: Instant) -> bool {
        if !error.is_transient() || Instant::now() >= end {
            return false;
        }
        self.retries.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(rand::random_range(10..60))).await;
        true
    }

    /// Notes how long a read takes.
    async fn timed(&self, read: impl Future<Output = ()>) {
        let begun = Instant::now();
        read.await;
        self.longest_read.fetch_max(begun.elapsed().as_micros() as u64, Ordering::Relaxed);
    }

    /// Lists what one writer has: exactly what it knows to be there, and nothing that it knows to be gone.
    async fn list(&self, prefix: &str) {
        let end = Instant::now() + self.plan.patience;
        let listed = loop {
            match self.client.list_all(&self.plan.bucket, prefix).await {
                Ok(listed) => break listed,
                Err(error) if self.try_again(&error, end).await => {}
                Err(error) => return self.failures.lock().push(format!("list {prefix}: {error}")),
            }
        };
        for (key, there) in self.oracle.certain_below(prefix) {
            if listed.contains(&key) != there {
                let found = if there { "is not listed" } else { "is listed, and was deleted" };
                self.wrong.lock().push(format!("{key} {found}"));
            }
        }
    }

    async fn read(&self, key: &str) {
        let end = Instant::now() + self.plan.patience;
        loop {
            match self.client.get(&self.plan.bucket, key).await {
                Ok(bytes) => return self.note_read(key, Some(&bytes)),
                Err(error) if error.is_not_found() => return self.note_read(key, None),
                Err(error) if self.try_again(&error, end).await => {}
                Err(error) => return self.failures.lock().push(format!("read {key}: {error}")),
            }
        }
    }

    fn note_read(&self, key: &str, read: Option<&[u8]>) {
        if let Err(error) = self.oracle.judge(key, read) {
            self.wrong.lock().push(format!("{error:#}"));
        }
    }
}

/// Deletes everything whose state may be other than gone; from then on it must stay away.
pub async fn remove_all(client: &Client, bucket: &str, oracle: &Oracle) -> Result<()> {
    for key in oracle.keys() {
        if oracle.certain(&key) != Some(None) {
            oracle.begin(&key, None)?;
            client.delete(bucket, &key).await.with_context(|| format!("delete {key}"))?;
            oracle.acknowledge(&key, None)?;
        }
    }
    Ok(())
}

/// Reads every key that was ever touched and judges it. Returns how many there were.
pub async fn verify(client: &Client, bucket: &str, oracle: &Arc<Oracle>) -> Result<usize> {
    let keys = oracle.keys();
    let count = keys.len();
    let mut checks = JoinSet::new();
    let mut wrong = Vec::new();
    for key in keys {
        while checks.len() >= 16 {
            collect(&mut checks, &mut wrong).await?;
        }
        let (client, bucket, oracle) = (client.clone(), bucket.to_owned(), Arc::clone(oracle));
        checks.spawn(async move {
            let read = match client.get(&bucket, &key).await {
                Ok(bytes) => Some(bytes),
                Err(error) if error.is_not_found() => None,
                Err(error) => bail!("{key} cannot be read: {error}"),
            };
            oracle.judge(&key, read.as_deref())
        });
    }
    while !checks.is_empty() {
        collect(&mut checks, &mut wrong).await?;
    }
    if !wrong.is_empty() {
        let total = wrong.len();
        wrong.truncate(10);
        bail!("{total} of {count} keys are wrong:\n{}", wrong.join("\n"));
    }
    Ok(count)
}

async fn collect(checks: &mut JoinSet<Result<()>>, wrong: &mut Vec<String>) -> Result<()> {
    if let Some(ended) = checks.join_next().await
        && let Err(error) = ended.context("a reader broke")?
    {
        wrong.push(format!("{error:#}"));
    }
    Ok(())
}
