//! What `fsck` found on one disk about one group, judged and, if that was asked for, put right at once. Called by the
//! service of that name.
//!
//! What always holds:
//! - The asker only points at records and copies. What is said of them is what the state and the disk say now.
//! - A copy becomes a `missing/` record only when the disk itself was seen not to have it whole; ordinary repair copies
//!   it anew.
//! - Records are deleted by the rules of the slow sweep (`orphans.rs`), and not while collection is turned off.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast_proto::chunk::{DeleteChunks, ListRecords, VerifyChunks};
use holdfast_proto::crosscheck::{Belonging, CopyVerdict, CrossCheck, CrossCheckReply, RecordVerdict};
use holdfast_proto::geometry::member_bytes;
use holdfast_proto::map::{Member, Pg};
use holdfast_proto::op::DiskRef;
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::Endpoint;
use holdfast_state::table::{Broken, View};
use tokio::time::Instant;

use super::context::Leader;
use super::facts;
use super::orphans::{sort_out, write_down};
use super::ports::{Chunkservers, Metadata};
use super::repair::can_spare;

/// Records that one question may name.
const MOST_RECORDS: usize = 5_000;
/// Copies that one question may name: each is read back from its disk.
const MOST_COPIES: usize = 64;

/// What the state says about the things asked about, as of one index.
struct Seen {
    index: u64,
    group: Option<Pg>,
    member: Option<Member>,
    leaving: bool,
    records: BTreeMap<u64, RecordVerdict>,
    /// Of the copies: length of the chunk, and whether the disk is known to lack it. What is not here is deleted.
    copies: BTreeMap<u64, (u64, bool)>,
}

/// One question and whom it is about.
struct Case<'l, M, C> {
    leader: &'l Leader<M, C>,
    to: Endpoint,
    disk: DiskRef,
    pg: u32,
    deadline: Instant,
}

/// Judges, and with `repair` puts right. An error says that the disk does not answer, or that nothing was changed.
pub async fn answer<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    ask: &CrossCheck,
    deadline: Instant,
) -> Result<CrossCheckReply, Status> {
    if ask.records.len() > MOST_RECORDS || ask.copies.len() > MOST_COPIES {
        let what = format!("at most {MOST_RECORDS} records and {MOST_COPIES} copies at once");
        return Err(Status::new(Code::InvalidArgument, what));
    }
    let disk = ask.disk.ok_or_else(|| Status::new(Code::InvalidArgument, "the question names no disk"))?;
    let to = leader.reach(disk.disk, disk.incarnation).ok_or_else(|| {
        let what = format!("disk d{} does not answer the leader, or was replaced", disk.disk);
        Status::new(Code::Unavailable, what)
    })?;
    let case = Case { leader, to, disk, pg: ask.pg, deadline };
    let seen = case.look(ask).await?;
    let collection_off = !leader.knobs.load().collect;
    let mut reply = CrossCheckReply { index: seen.index, collection_off, ..CrossCheckReply::default() };
    let Some((group, member)) = seen.group.as_ref().zip(seen.member) else {
        let repair = ask.repair && !collection_off;
        let belonging = case.outsider(&seen, repair, &mut reply).await?;
        reply.belonging = belonging as i32;
        reply.copies = vec![CopyVerdict::NotWanted as i32; ask.copies.len()];
        return Ok(reply);
    };
    reply.belonging = if member.clean { Belonging::Member } else { Belonging::Filling } as i32;
    let mut records = seen.records;
    if ask.repair && !collection_off {
        case.collect(group, seen.index, &mut records).await?;
    }
    let verdict = |number| records.get(number).copied().unwrap_or(RecordVerdict::Undecided) as i32;
    reply.records = ask.records.iter().map(verdict).collect();
    let copies = case.copies(group, &member, &seen.copies).await?;
    if ask.repair {
        let bad = |(number, verdict): (&u64, &CopyVerdict)| is_bad(*verdict).then_some(*number);
        reply.noted = write_down(leader, disk, ask.pg, copies.iter().filter_map(bad).collect()).await?;
    }
    let verdict = |number| copies.get(number).copied().unwrap_or(CopyVerdict::NotWanted) as i32;
    reply.copies = ask.copies.iter().map(verdict).collect();
    Ok(reply)
}

fn is_bad(verdict: CopyVerdict) -> bool {
    matches!(verdict, CopyVerdict::Absent | CopyVerdict::Damaged | CopyVerdict::Wrong)
}

/// Reads everything that the question is about.
fn see(view: &dyn View, index: u64, disk: DiskRef, ask: &CrossCheck) -> Result<Seen, Broken> {
    let state = facts::state(view)?;
    let group = facts::pg(view, ask.pg)?;
    let of = |group: &Pg| {
        group.members.iter().find(|m| (m.disk, m.incarnation) == (disk.disk, disk.incarnation)).copied()
    };
    let member = group.as_ref().and_then(of);
    let leaving = facts::is_leaving(view, disk.disk, ask.pg)?;
    let records = sort_out(view, ask.pg, &state, &ask.records)?;
    let mut copies = BTreeMap::new();
    for number in &ask.copies {
        if let Some(chunk) = facts::chunk(view, ask.pg, *number)? {
            let found = facts::missing(view, disk.disk, ask.pg, number.checked_sub(1), 1)?;
            copies.insert(*number, (chunk.length, found.first() == Some(number)));
        }
    }
    Ok(Seen { index, group, member, leaving, records, copies })
}

impl<M: Metadata, C: Chunkservers> Case<'_, M, C> {
    async fn look(&self, ask: &CrossCheck) -> Result<Seen, Status> {
        let (ask, disk) = (ask.clone(), self.disk);
        self.leader.look(move |index, view| see(view, index.0, disk, &ask)).await
    }

    /// When a chunkserver must have answered.
    fn until(&self) -> Instant {
        // Tombstones must be durable, and copies are read: as long as the asker waits, within reason.
        self.deadline.min(Instant::now() + Duration::from_secs(60))
    }

    fn delete(&self, epoch: u64, index: u64, numbers: Vec<u64>, whole_pg: bool) -> DeleteChunks {
        let order = Some(self.leader.order(epoch, index));
        DeleteChunks { order, disk: Some(self.disk), pg: self.pg, numbers, whole_pg }
    }

    /// What a disk that is no member has of the group: it may be all there is.
    async fn outsider(
        &self,
        seen: &Seen,
        repair: bool,
        reply: &mut CrossCheckReply,
    ) -> Result<Belonging, Status> {
        let Some(group) = &seen.group else { return Ok(Belonging::NeverMade) };
        if seen.leaving {
            return Ok(Belonging::Leaving);
        }
        let this = (self.disk.disk, self.pg);
        if !can_spare(self.leader, &[this]).await?.contains(&this) {
            return Ok(Belonging::Needed);
        }
        if repair {
            let order = self.delete(group.epoch, seen.index, Vec::new(), true);
            self.leader.servers.delete(&self.to, order, self.until()).await?;
            let (disk, pg) = this;
            tracing::info!(disk, pg, "fsck: dropped a group on a disk that is not a member");
            reply.dropped = true;
        }
        Ok(Belonging::Stray)
    }

    /// Deletes the orphans among some records.
    async fn collect(
        &self,
        group: &Pg,
        index: u64,
        records: &mut BTreeMap<u64, RecordVerdict>,
    ) -> Result<(), Status> {
        let orphan = |(number, verdict): (&u64, &RecordVerdict)| {
            (*verdict == RecordVerdict::Orphan).then_some(*number)
        };
        let orphans: Vec<u64> = records.iter().filter_map(orphan).collect();
        if orphans.is_empty() {
            return Ok(());
        }
        let order = self.delete(group.epoch, index, orphans.clone(), false);
        self.leader.servers.delete(&self.to, order, self.until()).await?;
        let (disk, pg, count) = (self.disk.disk, self.pg, orphans.len());
        tracing::info!(disk, pg, count, "fsck: deleted records that nothing refers to");
        records.extend(orphans.into_iter().map(|number| (number, RecordVerdict::Deleted)));
        Ok(())
    }

    /// Has the disk read copies back, and compares what is whole with what it should be.
    async fn copies(
        &self,
        group: &Pg,
        member: &Member,
        wanted: &BTreeMap<u64, (u64, bool)>,
    ) -> Result<BTreeMap<u64, CopyVerdict>, Status> {
        let awaited = |(_, missing): &(u64, bool)| *missing || !member.clean;
        let mut verdicts: BTreeMap<u64, CopyVerdict> = wanted
            .iter()
            .filter(|(_, about)| awaited(about))
            .map(|(number, _)| (*number, CopyVerdict::Awaited))
            .collect();
        let numbers: Vec<u64> =
            wanted.keys().copied().filter(|number| !verdicts.contains_key(number)).collect();
        if numbers.is_empty() {
            return Ok(verdicts);
        }
        let request = VerifyChunks { disk: Some(self.disk), pg: self.pg, numbers };
        let verified = self.leader.servers.verify(&self.to, request, self.until()).await?;
        verdicts.extend(verified.absent.into_iter().map(|number| (number, CopyVerdict::Absent)));
        verdicts.extend(verified.damaged.into_iter().map(|number| (number, CopyVerdict::Damaged)));
        let good: BTreeSet<u64> = verified.good.into_iter().collect();
        for number in good {
            let length = wanted.get(&number).map_or(0, |(length, _)| *length);
            verdicts.insert(number, self.shape(group, member, number, length).await?);
        }
        Ok(verdicts)
    }

    /// Whether a record that is whole in itself has the length and shard that this member should have.
    async fn shape(
        &self,
        group: &Pg,
        member: &Member,
        number: u64,
        length: u64,
    ) -> Result<CopyVerdict, Status> {
        let redundancy = {
            let cluster = self.leader.cluster.lock();
            cluster.classes.get(&group.class).and_then(|class| class.redundancy)
        };
        let Some(redundancy) = redundancy else {
            return Err(Status::internal(format!("group {}: its class is not known", group.id)));
        };
        let after = number.saturating_sub(1);
        let ask = ListRecords { disk: Some(self.disk), pg: self.pg, after, most: 1 };
        let listed = self.leader.servers.records(&self.to, ask, self.until()).await?;
        let want = (member_bytes(&redundancy, length, member.shard), member.shard);
        Ok(match listed.entries.first().filter(|entry| entry.number == number) {
            None => CopyVerdict::Absent,
            Some(entry) if (entry.bytes, entry.shard) == want => CopyVerdict::Whole,
            Some(_) => CopyVerdict::Wrong,
        })
    }
}
