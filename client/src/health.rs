//! What this process has learned about disks and nodes by using them: latencies, load, and verdicts.
//!
//! What always holds: a verdict ("avoid this disk for a while") is shared by every caller of the client at once; it
//! ends by itself, after a longer time each time it is repeated, and at once when the disk serves again. It only
//! steers choices: no data is ever declared gone here.
//!
//! Who calls it: placement and the read path ask, the write and read paths record.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use holdfast_proto::ids::{DiskId, NodeId};
use parking_lot::{Mutex, RwLock};
use tokio::time::Instant;

/// Samples of which the usual latency is taken.
const SAMPLES: usize = 64;

/// Longest time for which one verdict holds.
const LONGEST_VERDICT: Duration = Duration::from_secs(30);

/// Latencies are kept apart by size, since a chunk takes longer than a block.
const SIZE_LIMITS: [u64; 2] = [64 << 10, 1 << 20];

/// What is being done with a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Write,
    Read,
}

/// The last latencies of one kind of work.
#[derive(Debug)]
struct Latencies {
    micros: Vec<u32>,
    at: usize,
    median: u32,
    p95: u32,
    fresh: usize,
}

impl Latencies {
    const fn new() -> Self {
        Self { micros: Vec::new(), at: 0, median: 0, p95: 0, fresh: 0 }
    }

    fn add(&mut self, elapsed: Duration) {
        let micros = u32::try_from(elapsed.as_micros()).unwrap_or(u32::MAX);
        if self.micros.len() < SAMPLES {
            self.micros.push(micros);
        } else if let Some(slot) = self.micros.get_mut(self.at) {
            *slot = micros;
        }
        self.at = (self.at + 1) % SAMPLES;
        self.fresh += 1;
        // Sorting 64 numbers costs about a microsecond: every eighth sample once there are enough.
        if self.fresh >= 8 || self.micros.len() < 8 {
            self.fresh = 0;
            let mut sorted = self.micros.clone();
            sorted.sort_unstable();
            self.median = sorted.get(sorted.len() / 2).copied().unwrap_or(0);
            self.p95 = sorted.get(sorted.len() * 95 / 100).copied().unwrap_or(0);
        }
    }
}

#[derive(Debug, Default)]
struct Verdict {
    until: Option<Instant>,
    streak: u32,
}

/// One disk, as used by this process.
#[derive(Debug)]
pub(crate) struct DiskHealth {
    latencies: [Mutex<Latencies>; 6],
    in_flight: AtomicU64,
    verdict: Mutex<Verdict>,
}

impl DiskHealth {
    fn new() -> Self {
        Self {
            latencies: [const { Mutex::new(Latencies::new()) }; 6],
            in_flight: AtomicU64::new(0),
            verdict: Mutex::new(Verdict::default()),
        }
    }

    fn slot(&self, kind: Kind, bytes: u64) -> Option<&Mutex<Latencies>> {
        let size = SIZE_LIMITS.iter().filter(|limit| bytes > **limit).count();
        self.latencies.get(size + if kind == Kind::Write { 0 } else { SIZE_LIMITS.len() + 1 })
    }

    /// The usual (median) latency for work of this size; zero while unknown.
    pub(crate) fn usual(&self, kind: Kind, bytes: u64) -> Duration {
        let micros = self.slot(kind, bytes).map_or(0, |slot| slot.lock().median);
        Duration::from_micros(u64::from(micros))
    }

    /// The 95th percentile; zero while unknown.
    pub(crate) fn p95(&self, kind: Kind, bytes: u64) -> Duration {
        let micros = self.slot(kind, bytes).map_or(0, |slot| slot.lock().p95);
        Duration::from_micros(u64::from(micros))
    }

    /// It served: remember how long it took, and trust it again.
    pub(crate) fn served(&self, kind: Kind, bytes: u64, elapsed: Duration) {
        if let Some(slot) = self.slot(kind, bytes) {
            slot.lock().add(elapsed);
        }
        let mut verdict = self.verdict.lock();
        if verdict.until.is_none_or(|until| until <= Instant::now()) {
            *verdict = Verdict::default();
        }
    }

    /// It failed or was slow: everybody avoids it for `first`, doubled with each repetition.
    pub(crate) fn avoid(&self, first: Duration) {
        let mut verdict = self.verdict.lock();
        let now = Instant::now();
        if verdict.until.is_some_and(|until| until > now) {
            return;
        }
        let length = first.saturating_mul(1 << verdict.streak.min(5)).min(LONGEST_VERDICT);
        verdict.streak += 1;
        verdict.until = Some(now + length);
    }

    /// Whether a verdict holds.
    pub(crate) fn avoided(&self) -> bool {
        self.verdict.lock().until.is_some_and(|until| until > Instant::now())
    }

    /// Ends the verdict: the disk was seen to work.
    pub(crate) fn pardon(&self) {
        self.verdict.lock().until = None;
    }

    /// Bytes of this process under way to or from it.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }
}

/// Counts bytes under way at a disk while it lives.
pub(crate) struct UnderWay {
    disk: Arc<DiskHealth>,
    bytes: u64,
}

impl UnderWay {
    pub(crate) fn new(disk: &Arc<DiskHealth>, bytes: u64) -> Self {
        disk.in_flight.fetch_add(bytes, Ordering::Relaxed);
        Self { disk: disk.clone(), bytes }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.disk.in_flight.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Everything learned about the members of the cluster.
#[derive(Debug, Default)]
pub(crate) struct Health {
    disks: RwLock<HashMap<u32, Arc<DiskHealth>>>,
    /// Nodes that gave no answer, with the disks through which this was noticed: probed until they answer.
    silent: Mutex<HashMap<u64, Vec<u32>>>,
}

impl Health {
    /// What is known of a disk. Disks are as many as the map has; entries are never removed.
    pub(crate) fn disk(&self, disk: DiskId) -> Arc<DiskHealth> {
        if let Some(known) = self.disks.read().get(&disk.0) {
            return known.clone();
        }
        self.disks.write().entry(disk.0).or_insert_with(|| Arc::new(DiskHealth::new())).clone()
    }

    /// A node gave no answer when asked for these disks: avoid them until it answers a probe.
    pub(crate) fn node_silent(&self, node: NodeId, disks: impl Iterator<Item = DiskId>) {
        let ids: Vec<u32> = disks.map(|disk| disk.0).collect();
        for disk in &ids {
            self.disk(DiskId(*disk)).avoid(Duration::from_secs(2));
        }
        self.silent.lock().insert(node.0, ids);
    }

    /// Nodes to probe.
    pub(crate) fn silent_nodes(&self) -> Vec<NodeId> {
        self.silent.lock().keys().copied().map(NodeId).collect()
    }

    /// The node answered, or is not of interest any more.
    pub(crate) fn node_answered(&self, node: NodeId) {
        for disk in self.silent.lock().remove(&node.0).unwrap_or_default() {
            self.disk(DiskId(disk)).pardon();
        }
    }

    /// The node did not answer the probe either.
    pub(crate) fn node_still_silent(&self, node: NodeId) {
        let disks = self.silent.lock().get(&node.0).cloned().unwrap_or_default();
        for disk in disks {
            self.disk(DiskId(disk)).avoid(Duration::from_secs(2));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn verdicts_end_by_themselves_and_grow() {
        let health = Health::default();
        let disk = health.disk(DiskId(1));
        disk.avoid(Duration::from_secs(1));
        assert!(health.disk(DiskId(1)).avoided());
        tokio::time::advance(Duration::from_millis(1001)).await;
        assert!(!disk.avoided());
        disk.avoid(Duration::from_secs(1));
        tokio::time::advance(Duration::from_millis(1500)).await;
        assert!(disk.avoided(), "the second verdict holds twice as long");
        tokio::time::advance(Duration::from_millis(501)).await;
        disk.served(Kind::Write, 1, Duration::from_millis(1));
        disk.avoid(Duration::from_secs(1));
        tokio::time::advance(Duration::from_millis(1001)).await;
        assert!(!disk.avoided(), "serving well starts the count anew");
    }

    #[test]
    fn latencies_are_kept_by_size() {
        let disk = DiskHealth::new();
        for _ in 0..100 {
            disk.served(Kind::Write, 4096, Duration::from_millis(1));
            disk.served(Kind::Write, 8 << 20, Duration::from_millis(80));
        }
        disk.served(Kind::Read, 4096, Duration::from_millis(5));
        assert_eq!(disk.usual(Kind::Write, 4096), Duration::from_millis(1));
        assert_eq!(disk.usual(Kind::Write, 4 << 20), Duration::from_millis(80));
        assert_eq!(disk.p95(Kind::Read, 100), Duration::from_millis(5));
        assert_eq!(disk.usual(Kind::Read, 2 << 20), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_node_is_pardoned_when_it_answers() {
        let health = Health::default();
        health.node_silent(NodeId(3), [DiskId(1), DiskId(2)].into_iter());
        assert!(health.disk(DiskId(2)).avoided());
        assert_eq!(health.silent_nodes(), [NodeId(3)]);
        health.node_answered(NodeId(3));
        assert!(!health.disk(DiskId(2)).avoided());
        assert!(health.silent_nodes().is_empty());
    }
}
