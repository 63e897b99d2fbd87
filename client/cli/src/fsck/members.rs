//! One member of a group against the metadata's list of the group's chunks, stretch by stretch.
//!
//! What always holds: of each stretch the metadata is read first, then what is known to be missing, then the disk. So
//! what the disk lacks was either deleted, or is really not there; and what it has beyond that is either new, or unknown.

use std::collections::BTreeSet;

use holdfast_proto::chunk::{ListRecords, VerifyChunks};
use holdfast_proto::geometry::member_bytes;
use holdfast_proto::map::{Member, Pg, Redundancy};
use holdfast_proto::method::{Records, Verify};
use holdfast_proto::op::DiskRef;
use holdfast_proto::query::{ChunkEntry, ListMissing, Query};

use super::Checker;
use super::compare::{Finding, Held, Stretch, Wanted, part};
use super::judge::{Cause, Place, Suspect};
use super::report::Tally;
use crate::failure::{Failure, Outcome};

/// Records and chunks in one page.
pub(super) const PAGE: u32 = 4_096;
/// Copies, and bytes of them, that one request has a disk read back.
const VERIFY: usize = 500;
const VERIFY_BYTES: u64 = 128 << 20;

/// A member of a group that is being looked at.
pub(super) struct MemberCheck<'a> {
    pub(super) checker: &'a Checker<'a>,
    pub(super) pg: &'a Pg,
    pub(super) redundancy: Redundancy,
    pub(super) member: &'a Member,
}

/// What a member came to in one stretch.
pub(super) struct Seen {
    pub(super) tally: Tally,
    /// Chunks of which it has its piece.
    pub(super) present: Vec<u64>,
    /// It could not be asked.
    pub(super) silent: bool,
}

impl MemberCheck<'_> {
    fn place(&self) -> Place {
        let disk = DiskRef { disk: self.member.disk, incarnation: self.member.incarnation };
        Place { disk, pg: self.pg.id }
    }

    /// Compares one stretch of numbers: `known` are all chunks behind `after` up to and with `upto`.
    pub(super) async fn stretch(&self, known: &[ChunkEntry], after: u64, upto: u64) -> Seen {
        let disk = self.member.disk;
        let mut seen = Seen { tally: self.checker.tally(), present: Vec::new(), silent: false };
        if self.checker.silent.lock().contains_key(&disk) {
            seen.silent = true;
            return seen;
        }
        if let Err(failure) = self.compare(known, after, upto, &mut seen).await {
            // Said once for the disk, at the end.
            self.checker.silent.lock().entry(disk).or_insert_with(|| failure.to_string());
            seen.silent = true;
        }
        seen
    }

    async fn compare(&self, known: &[ChunkEntry], after: u64, upto: u64, seen: &mut Seen) -> Outcome<()> {
        let shard = self.member.shard;
        let want = |chunk: &ChunkEntry| Wanted {
            number: chunk.number,
            bytes: member_bytes(&self.redundancy, chunk.length, shard),
        };
        let wanted: Vec<Wanted> = known.iter().map(want).collect();
        let missing = self.missing(after, upto).await?;
        let mut at = after;
        loop {
            let (held, end) = self.held(at, upto).await?;
            let stretch = Stretch {
                shard,
                clean: self.member.clean,
                wanted: part(&wanted, |want| want.number, at, end),
                missing: part(&missing, |number| *number, at, end),
                held: &held,
            };
            self.take(stretch.compare(), seen).await?;
            if end >= upto {
                return Ok(());
            }
            at = end;
        }
    }

    /// Looks into what the lists came to.
    async fn take(&self, found: Vec<Finding>, seen: &mut Seen) -> Outcome<()> {
        let (mut present, mut suspects, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        let mut awaited = 0;
        for finding in found {
            match finding {
                Finding::Present { number, bytes } => present.push((number, bytes)),
                Finding::Awaited { number, there } => {
                    awaited += 1;
                    seen.present.extend(there.then_some(number));
                }
                Finding::Absent { number } => suspects.push(Suspect { number, cause: Cause::Absent }),
                Finding::Wrong { number } => suspects.push(Suspect { number, cause: Cause::Wrong }),
                Finding::Unknown { number, bytes } => unknown.push((number, bytes)),
            }
        }
        if self.checker.args.deep {
            let bad: BTreeSet<u64> = self.verify(&present).await?.into_iter().collect();
            present.retain(|(number, _)| !bad.contains(number));
            suspects.extend(bad.into_iter().map(|number| Suspect { number, cause: Cause::Damaged }));
        }
        let of = seen.tally.disk(self.member.disk);
        of.copies_awaiting_repair += awaited;
        of.copies_checked += present.len() as u64;
        seen.present.extend(present.iter().map(|(number, _)| *number));
        let whole = self.checker.judge_copies(self.place(), &suspects, &mut seen.tally).await?;
        seen.present.extend(whole);
        self.checker.judge_records(self.place(), &unknown, &mut seen.tally).await
    }

    /// A page of what the disk has behind `after`, and up to which number it is complete: `upto` at most.
    async fn held(&self, after: u64, upto: u64) -> Outcome<(Vec<Held>, u64)> {
        let place = self.place();
        let endpoint = self.checker.endpoint(place.disk)?;
        let ask = ListRecords { disk: Some(place.disk), pg: place.pg, after, most: PAGE };
        let reply = self.checker.remote.ask_node::<Records>(endpoint, &ask).await?;
        let end = match reply.entries.last() {
            Some(last) if reply.more && last.number > after => last.number.min(upto),
            _ if reply.more => return Err(Failure::failed("the disk's list of records does not go on")),
            _ => upto,
        };
        let held = reply
            .entries
            .into_iter()
            .filter(|entry| entry.number > after && entry.number <= end)
            .map(|entry| Held { number: entry.number, bytes: entry.bytes, shard: entry.shard });
        Ok((held.collect(), end))
    }

    /// Chunks behind `after`, up to and with `upto`, that metadata knows the disk lacks.
    async fn missing(&self, after: u64, upto: u64) -> Outcome<Vec<u64>> {
        missing(self.checker, self.place(), after, upto).await
    }

    /// Has the disk read copies back; which it does not read back whole.
    async fn verify(&self, copies: &[(u64, u64)]) -> Outcome<Vec<u64>> {
        let place = self.place();
        let endpoint = self.checker.endpoint(place.disk)?;
        self.checker.progress.expect(copies.iter().map(|(_, bytes)| bytes).sum());
        let mut bad = Vec::new();
        for batch in batches(copies) {
            let bytes: u64 = batch.iter().map(|(_, bytes)| bytes).sum();
            self.checker.pace.wait(place.disk.disk, bytes).await;
            let numbers = batch.iter().map(|(number, _)| *number).collect();
            let ask = VerifyChunks { disk: Some(place.disk), pg: place.pg, numbers };
            let reply = self.checker.remote.ask_node::<Verify>(endpoint, &ask).await?;
            bad.extend(reply.damaged);
            bad.extend(reply.absent);
            self.checker.progress.advance(bytes);
        }
        Ok(bad)
    }
}

/// Chunks of a group behind `after`, up to and with `upto`, that metadata knows a disk lacks.
pub(super) async fn missing(checker: &Checker<'_>, place: Place, after: u64, upto: u64) -> Outcome<Vec<u64>> {
    let mut found = Vec::new();
    let mut at = after;
    loop {
        let ask = ListMissing { disk: place.disk.disk, after_pg: place.pg, after: at, most: PAGE };
        let reply = checker.remote.ask(Query::ListMissing(ask)).await?;
        let here = |chunk: &&ChunkEntry| chunk.pg == place.pg && chunk.number <= upto;
        found.extend(reply.chunks.iter().filter(here).map(|chunk| chunk.number));
        // Records of chunks that are gone are left out of a page, so its end is what `next` says.
        let next = String::from_utf8_lossy(&reply.next).into_owned();
        let next = next
            .split_once('/')
            .and_then(|(pg, number)| Some((pg.parse::<u32>().ok()?, number.parse::<u64>().ok()?)));
        match next {
            Some((pg, number)) if reply.more && pg == place.pg && number < upto && number > at => at = number,
            _ => return Ok(found),
        }
    }
}

/// Cuts copies (number and bytes) into requests of bounded work.
fn batches(copies: &[(u64, u64)]) -> Vec<&[(u64, u64)]> {
    let mut all = Vec::new();
    let mut rest = copies;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |(_, more): &&(u64, u64)| {
            bytes += more;
            bytes <= VERIFY_BYTES
        };
        let count = rest.iter().take(VERIFY).take_while(fits).count().max(1);
        let (batch, behind) = rest.split_at(count);
        all.push(batch);
        rest = behind;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_copy_is_in_one_batch_of_bounded_work() {
        let copies: Vec<(u64, u64)> = (1..=1_300).map(|number| (number, number * 400_000)).collect();
        let cut = batches(&copies);
        assert_eq!(cut.concat(), copies);
        assert!(cut.iter().all(|batch| batch.len() <= VERIFY));
        let bytes = |batch: &&[(u64, u64)]| batch.iter().map(|(_, bytes)| bytes).sum::<u64>();
        assert!(cut.iter().all(|batch| batch.len() == 1 || bytes(batch) <= VERIFY_BYTES));
        let small: Vec<(u64, u64)> = (1..=1_001).map(|number| (number, 1)).collect();
        assert_eq!(batches(&small).iter().map(|batch| batch.len()).collect::<Vec<_>>(), [500, 500, 1]);
    }
}
