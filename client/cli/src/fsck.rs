//! `holdfast fsck`: is what the metadata says true, on every metaserver and on every disk?
//!
//! First every metaserver checks its own copy of the whole state; copies checked at the same log index must have
//! the same digest. Then the chunks of every placement group are compared with what each member disk has, and with
//! `--deep` every record is read back from the disk and checked.
//!
//! Nothing is changed. Chunks that are written or deleted while fsck runs are looked at twice before they count.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use holdfast_proto::admin::{CheckReply, CheckRequest};
use holdfast_proto::chunk::{ListRecords, VerifyChunks};
use holdfast_proto::geometry::member_bytes;
use holdfast_proto::ids::NodeId;
use holdfast_proto::map::{MapReply, Member, Pg, PgState, StorageClass};
use holdfast_proto::method::{Check, Records, Verify};
use holdfast_proto::op::DiskRef;
use holdfast_proto::query::{ChunkEntry, ListMissing, ListPgChunks, Query};
use holdfast_rpc::Endpoint;
use serde::Serialize;

use crate::admin::{condition, whole_map};
use crate::failure::{Exit, Failure, Outcome};
use crate::output::{Output, size};
use crate::progress::Progress;
use crate::remote::Remote;

/// Chunk records in one page.
const PAGE: u32 = 4_096;
/// Records that one request has verified.
const VERIFY: usize = 500;

#[derive(Args, Debug)]
pub(crate) struct FsckArgs {
    /// Read every byte of every copy back from the disks
    #[arg(long)]
    deep: bool,
    /// Only the metadata
    #[arg(long, conflicts_with = "deep")]
    metadata_only: bool,
}

#[derive(Serialize, Default)]
struct Report {
    clean: bool,
    metaservers: Vec<MetaReport>,
    chunks: u64,
    bytes: u64,
    copies_checked: u64,
    copies_awaiting_repair: u64,
    orphan_records: u64,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct MetaReport {
    node: u64,
    index: u64,
    records: u64,
    digest: String,
    problems: Vec<String>,
}

pub(crate) async fn run(remote: &Remote, args: &FsckArgs, output: Output) -> Outcome<()> {
    let mut report = Report::default();
    metadata(remote, &mut report).await?;
    if !args.metadata_only {
        let progress = Progress::new(output, false);
        chunks(remote, args.deep, &mut report, &progress).await?;
        progress.finish();
    }
    report.clean = report.problems.is_empty();
    output.show(&report, |out| {
        for meta in &report.metaservers {
            let digest = &meta.digest[..meta.digest.len().min(16)];
            writeln!(
                out,
                "metaserver n{}: {} records at index {}, digest {digest}",
                meta.node, meta.records, meta.index
            )?;
        }
        if !args.metadata_only {
            writeln!(
                out,
                "{} chunks ({}), {} copies checked, {} awaiting repair, {} records unknown to metadata",
                report.chunks,
                size(report.bytes),
                report.copies_checked,
                report.copies_awaiting_repair,
                report.orphan_records
            )?;
        }
        for problem in &report.problems {
            writeln!(out, "PROBLEM: {problem}")?;
        }
        writeln!(out, "{}", if report.clean { "clean" } else { "NOT clean" })
    })?;
    match report.problems.len() {
        0 => Ok(()),
        count => Err(Failure::new(Exit::Failed, format!("fsck found {count} problems"))),
    }
}

/// Every metaserver checks itself; digests at one index must agree.
async fn metadata(remote: &Remote, report: &mut Report) -> Outcome<()> {
    let status = condition(remote).await?;
    let group = status.meta.unwrap_or_default();
    // Copies move on while they are checked; a few rounds find an index that all have in common on a quiet
    // cluster, and on a busy one there is nothing to compare.
    let mut seen: BTreeMap<u64, Vec<(u64, CheckReply)>> = BTreeMap::new();
    for peer in group.voters.iter().chain(&group.learners) {
        let endpoint = Endpoint { node: NodeId(peer.node), address: peer.address.clone() };
        match remote.ask_node::<Check>(&endpoint, &CheckRequest {}).await {
            Ok(reply) => {
                report
                    .problems
                    .extend(reply.problems.iter().map(|p| format!("metaserver n{}: {p}", peer.node)));
                report.metaservers.push(MetaReport {
                    node: peer.node,
                    index: reply.index,
                    records: reply.records,
                    digest: reply.digest.iter().map(|b| format!("{b:02x}")).collect(),
                    problems: reply.problems.clone(),
                });
                seen.entry(reply.index).or_default().push((peer.node, reply));
            }
            Err(failure) => {
                report.problems.push(format!("metaserver n{} could not be checked: {failure}", peer.node))
            }
        }
    }
    for (index, replies) in seen {
        let Some((first, rest)) = replies.split_first() else { continue };
        for other in rest.iter().filter(|other| other.1.digest != first.1.digest) {
            report.problems.push(format!(
                "metaservers n{} and n{} differ at log index {index}: one of them is damaged",
                first.0, other.0
            ));
        }
    }
    Ok(())
}

/// Compares each group's chunks with what its members have.
async fn chunks(remote: &Remote, deep: bool, report: &mut Report, progress: &Progress) -> Outcome<()> {
    let map = whole_map(remote).await?;
    let missing = missing(remote, &map).await?;
    for pg in map.pgs.iter().filter(|pg| pg.state != PgState::Retired as i32) {
        progress.say(format!("group pg{}", pg.id));
        let Some(class) = map.classes.iter().find(|c| c.id == pg.class) else {
            report.problems.push(format!("pg{} is of class {}, which does not exist", pg.id, pg.class));
            continue;
        };
        let known = pg_chunks(remote, pg.id).await?;
        report.chunks += known.len() as u64;
        report.bytes += known.values().map(|c| c.length).sum::<u64>();
        for (shard, member) in pg.members.iter().enumerate() {
            let shard = if member.temporary { 0 } else { shard as u32 };
            let check = MemberCheck {
                remote,
                map: &map,
                pg,
                class,
                shard,
                member,
                known: &known,
                missing: &missing,
                deep,
            };
            check.run(report).await;
        }
    }
    Ok(())
}

/// Chunks that the metadata already knows a disk lacks.
async fn missing(remote: &Remote, map: &MapReply) -> Outcome<BTreeSet<(u32, u32, u64)>> {
    let mut all = BTreeSet::new();
    for disk in &map.disks {
        let (mut after_pg, mut after) = (0, 0);
        loop {
            let question = ListMissing { disk: disk.id, after_pg, after, most: PAGE };
            let reply = remote.ask(Query::ListMissing(question)).await?;
            all.extend(reply.chunks.iter().map(|c| (disk.id, c.pg, c.number)));
            match reply.chunks.last() {
                Some(last) if reply.more => (after_pg, after) = (last.pg, last.number),
                _ => break,
            }
        }
    }
    Ok(all)
}

async fn pg_chunks(remote: &Remote, pg: u32) -> Outcome<BTreeMap<u64, ChunkEntry>> {
    let mut all = BTreeMap::new();
    let mut after = 0;
    loop {
        let reply = remote.ask(Query::ListChunks(ListPgChunks { pg, after, most: PAGE })).await?;
        let last = reply.chunks.last().map(|c| c.number);
        all.extend(reply.chunks.into_iter().map(|c| (c.number, c)));
        match last {
            Some(last) if reply.more => after = last,
            _ => return Ok(all),
        }
    }
}

struct MemberCheck<'a> {
    remote: &'a Remote,
    map: &'a MapReply,
    pg: &'a Pg,
    class: &'a StorageClass,
    shard: u32,
    member: &'a Member,
    known: &'a BTreeMap<u64, ChunkEntry>,
    missing: &'a BTreeSet<(u32, u32, u64)>,
    deep: bool,
}

impl MemberCheck<'_> {
    async fn run(&self, report: &mut Report) {
        if let Err(failure) = self.compare(report).await {
            report.problems.push(format!("pg{} on disk d{}: {failure}", self.pg.id, self.member.disk));
        }
    }

    fn endpoint(&self) -> Outcome<Endpoint> {
        let disk = self.map.disks.iter().find(|d| d.id == self.member.disk);
        let node = disk.and_then(|d| self.map.nodes.iter().find(|n| n.id == d.node));
        let node = node.ok_or_else(|| Failure::failed("the disk's node is not in the map"))?;
        Ok(Endpoint { node: NodeId(node.id), address: node.address.clone() })
    }

    fn disk(&self) -> DiskRef {
        DiskRef { disk: self.member.disk, incarnation: self.member.incarnation }
    }

    async fn compare(&self, report: &mut Report) -> Outcome<()> {
        let endpoint = self.endpoint()?;
        let held = self.records(&endpoint).await?;
        let redundancy = self.class.redundancy.unwrap_or_default();
        let (mut absent, mut present) = (Vec::new(), Vec::new());
        for (number, chunk) in self.known {
            if self.missing.contains(&(self.member.disk, self.pg.id, *number)) || !self.member.clean {
                report.copies_awaiting_repair += 1;
                continue;
            }
            let want = member_bytes(&redundancy, chunk.length, self.shard);
            match held.get(number) {
                Some(bytes) if *bytes == want => present.push(*number),
                Some(bytes) => report.problems.push(format!(
                    "chunk pg{}/{number:x} on disk d{} has {bytes} bytes instead of {want}",
                    self.pg.id, self.member.disk
                )),
                None => absent.push(*number),
            }
        }
        report.copies_checked += present.len() as u64;
        for number in self.still_wanted(absent).await? {
            report
                .problems
                .push(format!("disk d{} lacks chunk pg{}/{number:x}", self.member.disk, self.pg.id));
        }
        report.orphan_records += held.keys().filter(|number| !self.known.contains_key(number)).count() as u64;
        if self.deep {
            self.verify(&endpoint, &present, report).await?;
        }
        Ok(())
    }

    /// What of this group the disk has: number and bytes.
    async fn records(&self, endpoint: &Endpoint) -> Outcome<BTreeMap<u64, u64>> {
        let mut all = BTreeMap::new();
        let mut after = 0;
        loop {
            let request = ListRecords { disk: Some(self.disk()), pg: self.pg.id, after, most: 10_000 };
            let reply = self.remote.ask_node::<Records>(endpoint, &request).await?;
            let last = reply.entries.last().map(|e| e.number);
            all.extend(reply.entries.iter().map(|e| (e.number, e.bytes)));
            match last {
                Some(last) if reply.more => after = last,
                _ => return Ok(all),
            }
        }
    }

    /// Of chunks a disk lacks, those that the metadata still has: the others were deleted meanwhile.
    async fn still_wanted(&self, absent: Vec<u64>) -> Outcome<Vec<u64>> {
        if absent.is_empty() {
            return Ok(absent);
        }
        let now = pg_chunks(self.remote, self.pg.id).await?;
        Ok(absent.into_iter().filter(|number| now.contains_key(number)).collect())
    }

    async fn verify(&self, endpoint: &Endpoint, numbers: &[u64], report: &mut Report) -> Outcome<()> {
        for batch in numbers.chunks(VERIFY) {
            let request = VerifyChunks { disk: Some(self.disk()), pg: self.pg.id, numbers: batch.to_vec() };
            let reply = self.remote.ask_node::<Verify>(endpoint, &request).await?;
            for number in reply.damaged {
                report.problems.push(format!(
                    "chunk pg{}/{number:x} on disk d{} is damaged",
                    self.pg.id, self.member.disk
                ));
            }
            for number in self.still_wanted(reply.absent).await? {
                report
                    .problems
                    .push(format!("disk d{} lacks chunk pg{}/{number:x}", self.member.disk, self.pg.id));
            }
        }
        Ok(())
    }
}
