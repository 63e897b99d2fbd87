//! How much lies in each placement group, learned by walking chunk records a few pages at a time.
//!
//! What always holds:
//! - New chunks have high numbers (grants grow), so most growth is seen by reading behind the last number seen; what
//!   that misses (older grants still open, deletions) the slow walk from the start corrects.
//! - Nothing is read while the state's count of chunks does not change and the last slow walk was complete.
//! - A walk costs a bounded number of records per round, whatever the cluster holds.

use std::collections::BTreeMap;

use holdfast_proto::status::Status;

use super::context::Leader;
use super::facts;
use super::ports::{Chunkservers, Metadata};

/// Records read per round by the slow walk, and at most by the look behind the ends.
const PER_ROUND: usize = 4000;
const TAIL_PAGE: usize = 256;
const WALK_PAGE: usize = 1000;

/// What a group holds, as far as it was walked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measured {
    /// Chunks.
    pub(crate) chunks: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// It was walked from start to end at least once.
    pub(crate) whole: bool,
    /// Highest number seen.
    last: Option<u64>,
}

/// How much lies in each group, for those who plan by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes of chunks before redundancy, of groups that were walked from start to end.
    pub bytes: BTreeMap<u32, u64>,
    /// Chunks of the same groups.
    pub chunks: BTreeMap<u32, u64>,
    /// No group is left out.
    pub whole: bool,
}

#[derive(Debug, Default)]
struct Walk {
    pg: u32,
    after: Option<u64>,
    so_far: Measured,
}

/// Sizes of all groups.
#[derive(Debug, Default)]
pub(crate) struct Measure {
    groups: BTreeMap<u32, Measured>,
    walk: Walk,
    tail_from: u32,
    seen_chunks: Option<(u64, u64)>,
    walked_at: Option<(u64, u64)>,
    walk_began_at: Option<(u64, u64)>,
}

impl Measure {
    /// Sizes as known now.
    pub(crate) fn groups(&self) -> &BTreeMap<u32, Measured> {
        &self.groups
    }

    /// The same for those who plan by it.
    pub(crate) fn sizes(&self, pgs: usize) -> Sizes {
        let walked = self.groups.iter().filter(|(_, size)| size.whole);
        let bytes: BTreeMap<u32, u64> = walked.map(|(pg, size)| (*pg, size.bytes)).collect();
        let walked = self.groups.iter().filter(|(_, size)| size.whole);
        let chunks = walked.map(|(pg, size)| (*pg, size.chunks)).collect();
        Sizes { whole: bytes.len() >= pgs, bytes, chunks }
    }

    /// Reads a little more; whether there was anything to read.
    pub(crate) async fn advance<M: Metadata, C: Chunkservers>(
        &mut self,
        leader: &Leader<M, C>,
    ) -> Result<bool, Status> {
        let pgs: Vec<u32> = leader.cluster.lock().pgs.keys().copied().collect();
        let before = self.groups.len();
        self.groups.retain(|pg, _| pgs.binary_search(pg).is_ok());
        let mut changed = self.groups.len() != before;
        let now = leader.look(|_, view| facts::state(view)).await.map(|s| (s.chunks, s.bytes))?;
        if self.seen_chunks != Some(now) {
            self.tails(leader, &pgs).await?;
            self.seen_chunks = Some(now);
            changed = true;
        }
        if self.walked_at != Some(now) || self.groups.len() < pgs.len() {
            self.walk(leader, &pgs, now).await?;
            changed = true;
        }
        Ok(changed)
    }

    /// Looks behind the ends of groups, as many as a round allows, and goes on from there in the next.
    async fn tails<M: Metadata, C: Chunkservers>(
        &mut self,
        leader: &Leader<M, C>,
        pgs: &[u32],
    ) -> Result<(), Status> {
        let start = pgs.partition_point(|pg| *pg < self.tail_from);
        let order = pgs[start..].iter().chain(&pgs[..start]);
        let asked: Vec<(u32, Option<u64>)> =
            order.take(PER_ROUND / 8).map(|pg| (*pg, self.groups.get(pg).and_then(|m| m.last))).collect();
        let found = leader
            .look(move |_, view| {
                let mut found = Vec::new();
                let mut budget = PER_ROUND;
                for (pg, after) in asked {
                    let page = facts::chunks(view, pg, after, TAIL_PAGE.min(budget))?;
                    budget = budget.saturating_sub(page.len().max(8));
                    let bytes: u64 = page.iter().map(|(_, chunk)| chunk.length).sum();
                    found.push((pg, page.len() as u64, bytes, page.last().map(|(number, _)| *number)));
                    if budget == 0 {
                        break;
                    }
                }
                Ok(found)
            })
            .await?;
        for (pg, chunks, bytes, last) in found {
            let size = self.groups.entry(pg).or_default();
            size.chunks += chunks;
            size.bytes += bytes;
            size.last = last.or(size.last);
            self.tail_from = pg + 1;
        }
        Ok(())
    }

    /// One stretch of the slow walk through every group.
    async fn walk<M: Metadata, C: Chunkservers>(
        &mut self,
        leader: &Leader<M, C>,
        pgs: &[u32],
        now: (u64, u64),
    ) -> Result<(), Status> {
        let mut budget = PER_ROUND;
        while budget > 0 {
            let Some(pg) = pgs.get(pgs.partition_point(|pg| *pg < self.walk.pg)).copied() else {
                // Through: what changed since it began is for the next walk.
                self.walked_at = self.walk_began_at.take();
                self.walk = Walk::default();
                return Ok(());
            };
            self.walk_began_at.get_or_insert(now);
            if self.walk.pg != pg {
                self.walk = Walk { pg, ..Walk::default() };
            }
            let after = self.walk.after;
            let page = leader.look(move |_, view| facts::chunks(view, pg, after, WALK_PAGE)).await?;
            budget = budget.saturating_sub(page.len().max(32));
            let size = &mut self.walk.so_far;
            size.chunks += page.len() as u64;
            size.bytes += page.iter().map(|(_, chunk)| chunk.length).sum::<u64>();
            if let Some((number, _)) = page.last() {
                self.walk.after = Some(*number);
                size.last = Some(*number);
            }
            if page.len() < WALK_PAGE {
                let whole = Measured { whole: true, ..self.walk.so_far };
                self.groups.insert(pg, whole);
                self.walk = Walk { pg: pg + 1, ..Walk::default() };
            }
        }
        Ok(())
    }
}
