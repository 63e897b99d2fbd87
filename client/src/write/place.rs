//! Makes one chunk durable on the members of a placement group, whatever happens to one of them.
//!
//! A chunk of an erasure class goes to an erasure group as shards. If it is too short to fill every data shard, or no
//! group can take enough of them, it goes to a group of the class's replicated companion instead.
//!
//! What always holds:
//! - A chunk counts as stored when every member of its group acknowledged it, or, with no sound group left, at
//!   least the class's minimum did. It never waits for one particular disk (DESIGN §9, rule 3).
//! - A member that failed, or is slower than three times its usual latency, its peers' and a floor, is avoided by
//!   the whole process at once, and the chunk goes to another group under a new number. The earlier attempt stays
//!   in the race: whichever is whole first wins.
//! - All attempts end with the deadline.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use holdfast_proto::chunk::WriteReply;
use holdfast_proto::ids::{ChunkId, ClassId, DiskId, Epoch, NodeId};
use holdfast_proto::inode::ChunkAck;
use holdfast_proto::map::{Erasure, Member, StorageClass, redundancy};
use holdfast_proto::status::{Code, Retry, Status};
use tokio::time::{Instant, sleep_until};

use crate::error::ClientError;
use crate::health::Kind;
use crate::inner::Inner;
use crate::map::ClusterMap;
use crate::metrics::{METRICS, seconds};
use crate::placement::{Choice, Chooser, Fitness, needed_in};
use crate::session::grants::Ticket;
use crate::write::buffer::Sealed;
use crate::write::content::Stored;
use crate::write::member::{self, Blame, blame};
use crate::write::parts::{Parts, fills_cells};

/// Groups that are tried in parallel for one chunk.
const MAX_ATTEMPTS: usize = 4;

/// Wait before looking for a group again when there is none.
const NO_GROUP_WAIT: Duration = Duration::from_millis(100);

/// How long an erasure group is waited for before the companion is asked, when there is none to start on.
const COMPANION_AFTER: Duration = Duration::from_millis(300);

/// How one member of an attempt is doing.
#[derive(Clone, Debug, PartialEq)]
enum Standing {
    /// Not asked: it was known to be in trouble.
    Skipped,
    UnderWay,
    /// Under way, and too slow.
    Slow,
    Acked(ChunkAck),
    Failed,
}

/// One group being tried.
struct Attempt {
    choice: Choice,
    map: Arc<ClusterMap>,
    id: ChunkId,
    ticket: Ticket,
    /// Acknowledgements without which it does not count.
    needed: usize,
    /// Members hold shards, of this shape.
    shape: Option<Erasure>,
    started: Instant,
    members: Vec<Standing>,
    /// When the last acknowledgement so far came, from the start.
    last_ack: Option<Duration>,
}

impl Attempt {
    fn acks(&self) -> usize {
        self.members.iter().filter(|member| matches!(member, Standing::Acked(_))).count()
    }

    /// Acknowledgements that count: of two members with the same shard, one does.
    fn counted(&self) -> usize {
        if self.shape.is_none() {
            return self.acks();
        }
        let acked = self.choice.pg.members.iter().zip(&self.members);
        let shards = acked.filter(|(_, standing)| matches!(standing, Standing::Acked(_)));
        shards.map(|(member, _)| member.shard).collect::<BTreeSet<_>>().len()
    }

    /// Nothing is under way any more, and nothing failed on the way.
    fn whole(&self) -> bool {
        self.members.iter().all(|member| matches!(member, Standing::Acked(_) | Standing::Skipped))
    }

    fn enough(&self) -> bool {
        self.counted() >= self.needed
    }

    fn troubled(&self) -> bool {
        self.members.iter().any(|member| matches!(member, Standing::Slow | Standing::Failed))
    }

    fn over(&self) -> bool {
        !self.members.iter().any(|member| matches!(member, Standing::Slow | Standing::UnderWay))
    }

    fn member(&self, at: usize) -> Option<&Member> {
        self.choice.pg.members.get(at)
    }

    fn into_stored(self, chunk: &Sealed) -> Stored {
        if self.acks() < self.choice.pg.members.len() {
            METRICS.short_writes.inc();
        }
        let (mut acks, mut holders) = (Vec::new(), Vec::new());
        for (standing, member) in self.members.into_iter().zip(&self.choice.pg.members) {
            if let Standing::Acked(ack) = standing {
                acks.push(ack);
                holders.push(*member);
            }
        }
        Stored {
            chunk: self.id,
            length: chunk.data.len() as u64,
            blake3: chunk.blake3.clone(),
            acks,
            holders,
            shape: self.shape,
            retained: None,
            _ticket: self.ticket,
        }
    }
}

/// A member's answer: attempt, position in it, outcome.
type Answered = (usize, usize, Result<WriteReply, Status>);

/// The race for one chunk.
struct Race<'a> {
    inner: &'a Inner,
    class: ClassId,
    min_copies: usize,
    chunk: &'a Sealed,
    parts: &'a Parts,
    deadline: Instant,
    /// Another class takes the chunk if there is no group to start on for this long.
    give_up_after: Option<Duration>,
    attempts: Vec<Attempt>,
    tried: Vec<u32>,
    pending: FuturesUnordered<BoxFuture<'a, Answered>>,
    last: Status,
}

/// Makes a chunk durable in some group of `class`, or of its companion.
pub(crate) async fn store(
    inner: &Inner,
    class: &StorageClass,
    chunk: &Sealed,
    deadline: Instant,
) -> Result<Stored, ClientError> {
    let min_copies = copies_needed(class)?;
    let Some(redundancy::Kind::Erasure(shape)) = class.redundancy.and_then(|r| r.kind) else {
        return run(inner, class, min_copies, chunk, &Parts::copies(chunk), deadline, None).await;
    };
    match store_shards(inner, class, min_copies, &shape, chunk, deadline).await {
        Some(result) => result,
        None => {
            let companion = inner.class(ClassId(class.companion), deadline).await?;
            let copies = copies_needed(&companion)?;
            METRICS.companion_writes.inc();
            run(inner, &companion, copies, chunk, &Parts::copies(chunk), deadline, None).await
        }
    }
}

/// Makes a chunk durable as shards; `None`: the companion is to take it.
async fn store_shards(
    inner: &Inner,
    class: &StorageClass,
    min_copies: usize,
    shape: &Erasure,
    chunk: &Sealed,
    deadline: Instant,
) -> Option<Result<Stored, ClientError>> {
    if !fills_cells(shape, chunk.data.len() as u64) {
        return None;
    }
    let parts = match Parts::shards(inner, shape, chunk).await {
        Ok(parts) => parts,
        Err(error) => return Some(Err(error)),
    };
    let give_up_after = Some(COMPANION_AFTER);
    match run(inner, class, min_copies, chunk, &parts, deadline, give_up_after).await {
        Err(ClientError::NoPlacement { last, .. }) if Instant::now() < deadline => {
            tracing::debug!(class = class.id, %last, "no group takes enough shards");
            None
        }
        other => Some(other),
    }
}

async fn run(
    inner: &Inner,
    class: &StorageClass,
    min_copies: usize,
    chunk: &Sealed,
    parts: &Parts,
    deadline: Instant,
    give_up_after: Option<Duration>,
) -> Result<Stored, ClientError> {
    let started = Instant::now();
    let mut race = Race {
        inner,
        class: ClassId(class.id),
        min_copies,
        chunk,
        parts,
        deadline,
        give_up_after,
        attempts: Vec::new(),
        tried: Vec::new(),
        pending: FuturesUnordered::new(),
        last: Status::new(Code::NoSpace, "no placement group takes new chunks"),
    };
    let outcome = race.run().await;
    if outcome.is_err() && Instant::now() >= deadline {
        METRICS.deadlines.with_label_values(&["write"]).inc();
    }
    let stored = outcome?;
    METRICS.chunk_write_seconds.observe(seconds(started.elapsed()));
    inner.io.wrote(chunk.data.len(), started.elapsed());
    METRICS.bytes.with_label_values(&["written"]).inc_by(chunk.data.len() as u64);
    Ok(stored)
}

/// Acknowledgements without which a chunk of the class does not count.
pub(crate) fn copies_needed(class: &StorageClass) -> Result<usize, ClientError> {
    match class.redundancy {
        Some(redundancy) if redundancy.kind.is_some() => Ok(redundancy.min_acks().max(1) as usize),
        _ => Err(ClientError::Invalid(format!("storage class {} has no redundancy", class.id))),
    }
}

impl<'a> Race<'a> {
    async fn run(&mut self) -> Result<Stored, ClientError> {
        let started = Instant::now();
        let mut look_again = None;
        loop {
            if let Some(at) = self.attempts.iter().position(|attempt| attempt.whole() && attempt.enough()) {
                return Ok(self.attempts.swap_remove(at).into_stored(self.chunk));
            }
            let stuck = self.attempts.iter().all(Attempt::troubled);
            if stuck && look_again.is_none_or(|at| at <= Instant::now()) {
                look_again = None;
                if !self.another_group().await? {
                    if let Some(stored) = self.settle_for_less() {
                        return Ok(stored);
                    }
                    let waited = started.elapsed();
                    if self.give_up_after.is_some_and(|limit| waited >= limit) {
                        return Err(self.failure());
                    }
                    look_again = Some(Instant::now() + self.inner.jittered(NO_GROUP_WAIT));
                }
                continue;
            }
            let wake = self.next_verdict().into_iter().chain(look_again).min().unwrap_or(self.deadline);
            tokio::select! {
                Some(answered) = self.pending.next() => {
                    self.record(answered).await;
                    look_again = None;
                }
                () = sleep_until(wake.min(self.deadline)) => {
                    if Instant::now() >= self.deadline {
                        return self.settle_for_less().ok_or_else(|| self.failure());
                    }
                    self.judge_slow();
                }
            }
        }
    }

    fn failure(&self) -> ClientError {
        let needed = u32::try_from(self.min_copies).unwrap_or(u32::MAX);
        ClientError::NoPlacement { class: self.class, needed, last: self.last.clone() }
    }

    /// Starts an attempt on another group; false: there is none to start on now.
    async fn another_group(&mut self) -> Result<bool, ClientError> {
        self.forget_lost_attempts();
        if self.attempts.len() >= MAX_ATTEMPTS {
            return Ok(false);
        }
        let replacing = !self.tried.is_empty();
        let Some((choice, map)) = self.choose() else {
            // All of them were tried: start over with a fresh map, as long as the deadline allows.
            if self.attempts.is_empty() {
                self.tried.clear();
                match self.inner.refresh_map(self.deadline).await {
                    Ok(map) if self.chooser(&map).no_room(self.class, self.min_copies) => {
                        self.last = Status::new(Code::NoSpace, "every disk that could take it is full");
                        return Err(self.failure());
                    }
                    Ok(_) => {}
                    Err(status) => self.last = status,
                }
            }
            return Ok(false);
        };
        if replacing {
            METRICS.replacements.inc();
        }
        self.start(choice, map).await?;
        Ok(true)
    }

    /// A sound group. A makeshift one only when nothing better is under way already.
    fn choose(&self) -> Option<(Choice, Arc<ClusterMap>)> {
        let map = self.inner.map_in_use();
        let chooser = self.chooser(&map);
        let hopeful = self.attempts.iter().any(|attempt| !attempt.over());
        let choice = self.inner.random(|rng| {
            let sound = chooser.sound(self.class, &self.tried, rng);
            sound.or_else(|| {
                if hopeful || self.enough_acks() {
                    return None;
                }
                chooser.makeshift(self.class, &self.tried, self.min_copies, rng)
            })
        })?;
        Some((choice, map))
    }

    fn chooser<'m>(&'m self, map: &'m ClusterMap) -> Chooser<'m> {
        let config = &self.inner.config;
        let local = if config.write_local_first { config.local_node } else { NodeId(0) };
        Chooser { map, health: &self.inner.health, detector: self.inner.net.health(), local }
    }

    fn enough_acks(&self) -> bool {
        self.attempts.iter().any(Attempt::enough)
    }

    /// Attempts that can no longer reach the minimum are dropped.
    fn forget_lost_attempts(&mut self) {
        // Positions in `pending` refer to attempts, so attempts stay in place while answers may still come.
        if self.attempts.iter().all(|attempt| attempt.over() && !attempt.enough()) {
            self.attempts.clear();
            self.pending.clear();
        }
    }

    async fn start(&mut self, choice: Choice, map: Arc<ClusterMap>) -> Result<(), ClientError> {
        let ticket = self.inner.chunk_number(self.deadline).await?;
        let id = ChunkId { pg: choice.pg.id.into(), number: ticket.number() };
        self.tried.push(choice.pg.id);
        let sound = choice.fitness.iter().filter(|fitness| **fitness == Fitness::Sound).count();
        // With enough sound members, troubled ones are left to repair; else they are worth a try.
        let needed = needed_in(&choice.pg, self.min_copies);
        let least = if sound >= needed { Fitness::Sound } else { Fitness::Doubtful };
        let at = self.attempts.len();
        let mut members = Vec::with_capacity(choice.pg.members.len());
        for (shard, fitness) in choice.fitness.iter().enumerate() {
            if *fitness < least {
                members.push(Standing::Skipped);
                continue;
            }
            members.push(Standing::UnderWay);
            self.pending.push(send_to(
                self.inner,
                map.clone(),
                choice.clone(),
                shard,
                id,
                self.chunk,
                self.parts,
                self.deadline,
                at,
            ));
        }
        self.attempts.push(Attempt {
            choice,
            map,
            id,
            ticket,
            needed,
            shape: self.parts.shape(),
            started: Instant::now(),
            members,
            last_ack: None,
        });
        Ok(())
    }

    async fn record(&mut self, (at, position, result): Answered) {
        let Some(attempt) = self.attempts.get_mut(at) else { return };
        let Some(member) = attempt.member(position).copied() else { return };
        let standing = match result {
            Ok(reply) => {
                attempt.last_ack = Some(attempt.started.elapsed());
                Standing::Acked(ChunkAck {
                    disk: member.disk,
                    incarnation: member.incarnation,
                    epoch: reply.epoch,
                })
            }
            Err(status) => {
                let map = attempt.map.clone();
                share_blame(self.inner, &map, &member, &status, self.deadline).await;
                self.last = status;
                Standing::Failed
            }
        };
        if let Some(slot) = self.attempts.get_mut(at).and_then(|attempt| attempt.members.get_mut(position)) {
            *slot = standing;
        }
    }

    /// How long a member of an attempt may take: three times what is usual for it, for its peers in this very
    /// write, and never less than the floor. With no answer at all yet the fault is hardly the member's.
    fn patience(&self, attempt: &Attempt, disk: DiskId) -> Duration {
        let usual = self.inner.health.disk(disk).usual(Kind::Write, self.chunk.data.len() as u64);
        let peers = attempt.last_ack.unwrap_or_default();
        let patience = (3 * usual).max(3 * peers).max(self.inner.config.slow_after);
        if attempt.acks() > 0 { patience } else { 2 * patience }
    }

    fn next_verdict(&self) -> Option<Instant> {
        let of = |attempt: &Attempt| {
            let waiting =
                attempt.members.iter().enumerate().filter(|(_, member)| **member == Standing::UnderWay);
            let due = waiting.filter_map(|(at, _)| {
                let member = attempt.member(at)?;
                Some(attempt.started + self.patience(attempt, DiskId(member.disk)))
            });
            due.min()
        };
        self.attempts.iter().filter_map(of).min()
    }

    /// Members whose time is up are avoided by everybody from now on.
    fn judge_slow(&mut self) {
        let now = Instant::now();
        let mut slow = Vec::new();
        for (at, attempt) in self.attempts.iter().enumerate() {
            for (position, standing) in attempt.members.iter().enumerate() {
                let Some(member) = attempt.member(position) else { continue };
                let disk = DiskId(member.disk);
                if *standing == Standing::UnderWay && attempt.started + self.patience(attempt, disk) <= now {
                    slow.push((at, position, disk));
                }
            }
        }
        for (at, position, disk) in slow {
            tracing::debug!(%disk, "a member is slow to take a chunk");
            self.inner.health.disk(disk).avoid(Duration::from_secs(2));
            if let Some(slot) =
                self.attempts.get_mut(at).and_then(|attempt| attempt.members.get_mut(position))
            {
                *slot = Standing::Slow;
            }
        }
    }

    /// With no sound group left, the attempt with the most acknowledgements counts if it has enough.
    fn settle_for_less(&mut self) -> Option<Stored> {
        let counting = self.attempts.iter().enumerate().filter(|(_, attempt)| attempt.enough());
        let (at, _) = counting.max_by_key(|(_, attempt)| attempt.acks())?;
        Some(self.attempts.swap_remove(at).into_stored(self.chunk))
    }
}

/// Shares what a refusal says about the member with the whole process.
async fn share_blame(inner: &Inner, map: &ClusterMap, member: &Member, status: &Status, deadline: Instant) {
    let disk = DiskId(member.disk);
    tracing::debug!(%disk, %status, "a member did not take a chunk");
    match blame(status) {
        Blame::Node => inner.node_is_silent(map, disk),
        Blame::Disk => inner.health.disk(disk).avoid(Duration::from_secs(2)),
        Blame::Nobody => {
            if let Retry::RefreshMap(epoch) = status.retry() {
                let least = epoch.max(Epoch(map.epoch().0 + 1));
                let limit = Instant::now() + Duration::from_millis(500);
                inner.map_at_least(least, limit.min(deadline)).await;
            }
        }
    }
}

#[allow(clippy::too_many_arguments)]
fn send_to<'a>(
    inner: &'a Inner,
    map: Arc<ClusterMap>,
    choice: Choice,
    position: usize,
    id: ChunkId,
    chunk: &'a Sealed,
    parts: &'a Parts,
    deadline: Instant,
    attempt: usize,
) -> BoxFuture<'a, Answered> {
    Box::pin(async move {
        let Some(member) = choice.pg.members.get(position) else {
            return (attempt, position, Err(Status::internal("no such member")));
        };
        let Some(part) = parts.of(member) else {
            return (
                attempt,
                position,
                Err(Status::internal("a member holds a shard that the class does not have")),
            );
        };
        let result = member::send(inner, &map, member, id, chunk, part, deadline).await;
        (attempt, position, result)
    })
}

impl Inner {
    /// The node of a disk does not answer: all its disks are avoided, and the leader hears of it.
    pub(crate) fn node_is_silent(&self, map: &ClusterMap, disk: DiskId) {
        let Some(node) = map.disk(disk).map(|disk| disk.node) else { return };
        let disks = map.disks().filter(|disk| disk.node == node).map(|disk| DiskId(disk.id));
        self.health.node_silent(NodeId(node), disks);
        self.report_unreachable(NodeId(node));
    }
}
