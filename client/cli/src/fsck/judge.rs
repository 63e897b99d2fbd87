//! Questions to the leader about what was found on one disk about one group (`CrossCheck`), in pages.

use holdfast_proto::crosscheck::{Belonging, CopyVerdict, CrossCheck, RecordVerdict};
use holdfast_proto::method;
use holdfast_proto::op::DiskRef;

use super::Checker;
use super::report::Tally;
use crate::failure::Outcome;
use crate::output::size;

/// Records in one question.
const RECORDS: usize = 5_000;
/// Copies in one question: the disk reads each of them back.
const COPIES: usize = 64;

/// A disk and a group.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) disk: DiskRef,
    pub(super) pg: u32,
}

impl Checker<'_> {
    async fn cross(
        &self,
        at: Place,
        ask: CrossCheck,
    ) -> Outcome<holdfast_proto::crosscheck::CrossCheckReply> {
        let ask = CrossCheck { disk: Some(at.disk), pg: at.pg, repair: self.act, ..ask };
        let reply = self.remote.ask_leader::<method::CrossCheck>(&ask).await?;
        if reply.collection_off {
            *self.collection_off.lock() = true;
        }
        Ok(reply)
    }

    /// Copies that seemed to be bad: counts those that are, hands them to repair if this run repairs, and returns those
    /// that are whole after all.
    pub(super) async fn judge_copies(
        &self,
        at: Place,
        suspects: &[u64],
        tally: &mut Tally,
    ) -> Outcome<Vec<u64>> {
        let mut whole = Vec::new();
        let disk = at.disk.disk;
        for page in suspects.chunks(COPIES) {
            let ask = CrossCheck { copies: page.to_vec(), ..CrossCheck::default() };
            let reply = self.cross(at, ask).await?;
            let mut noted = Vec::new();
            for (number, verdict) in page.iter().zip(reply.copies()) {
                let chunk = format!("pg{}/{number:x}", at.pg);
                let of = tally.disk(disk);
                let text = match verdict {
                    CopyVerdict::Whole => {
                        of.copies_checked += 1;
                        whole.push(*number);
                        continue;
                    }
                    CopyVerdict::NotWanted => continue,
                    CopyVerdict::Awaited => {
                        of.copies_awaiting_repair += 1;
                        continue;
                    }
                    CopyVerdict::Absent => {
                        of.copies_absent += 1;
                        format!("disk d{disk} lacks chunk {chunk}")
                    }
                    CopyVerdict::Damaged => {
                        of.copies_damaged += 1;
                        format!("chunk {chunk} on disk d{disk} is damaged")
                    }
                    CopyVerdict::Wrong => {
                        of.copies_wrong += 1;
                        format!(
                            "chunk {chunk} on disk d{disk} has another length or shard than metadata says"
                        )
                    }
                };
                tally.bad_copy(text);
                noted.push(*number);
            }
            if reply.noted > 0 {
                tally.handed_over += reply.noted;
                self.followed.lock().add(at, &noted);
            }
        }
        Ok(whole)
    }

    /// Records (number and bytes) that a disk lists and metadata did not: counts them by what they are.
    pub(super) async fn judge_records(
        &self,
        at: Place,
        unknown: &[(u64, u64)],
        tally: &mut Tally,
    ) -> Outcome<()> {
        for page in unknown.chunks(RECORDS) {
            let records = page.iter().map(|(number, _)| *number).collect();
            let reply = self.cross(at, CrossCheck { records, ..CrossCheck::default() }).await?;
            // The disk left the group meanwhile.
            let outsider = !matches!(reply.belonging(), Belonging::Member | Belonging::Filling);
            let mut verdicts = reply.records();
            for (number, bytes) in page {
                let verdict = verdicts.next();
                let of = tally.disk(at.disk.disk);
                let what = match verdict {
                    _ if outsider => {
                        of.left.add(*bytes);
                        "of a group that the disk left"
                    }
                    Some(RecordVerdict::Known) => continue,
                    Some(RecordVerdict::MayCommit) => {
                        of.may_commit.add(*bytes);
                        "its commit may still come"
                    }
                    Some(RecordVerdict::Orphan) => {
                        of.unknown.add(*bytes);
                        "nothing refers to it"
                    }
                    Some(RecordVerdict::Deleted) => {
                        of.unknown.add(*bytes);
                        of.deleted.add(*bytes);
                        "nothing referred to it: deleted"
                    }
                    Some(RecordVerdict::Garbage | RecordVerdict::Undecided) | None => {
                        of.garbage.add(*bytes);
                        "deleted, waits to be collected"
                    }
                };
                let text =
                    || format!("pg{}/{number:x} on disk d{} ({}): {what}", at.pg, at.disk.disk, size(*bytes));
                tally.record(text);
            }
        }
        Ok(())
    }

    /// How a disk that has records of a group stands to it, and whether it was made to let go of them.
    pub(super) async fn judge_group(&self, at: Place) -> Outcome<(Belonging, bool)> {
        let reply = self.cross(at, CrossCheck::default()).await?;
        Ok((reply.belonging(), reply.dropped))
    }
}
