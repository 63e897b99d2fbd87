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

/// Why a copy seems to be bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The disk does not list it.
    Absent,
    /// The disk lists it with another length or shard.
    Wrong,
    /// It was not read back whole.
    Damaged,
}

/// A copy that seems to be bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suspect {
    pub(super) number: u64,
    pub(super) cause: Cause,
}

/// What is left of a suspicion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Whole,
    Bad,
    Waits,
}

/// Counts a copy by what the leader made of it.
fn count_copy(at: Place, suspect: Suspect, verdict: CopyVerdict, tally: &mut Tally) -> Kept {
    let disk = at.disk.disk;
    let (cause, more) = match verdict {
        CopyVerdict::NotWanted => return Kept::Waits,
        CopyVerdict::Whole if suspect.cause != Cause::Damaged => {
            tally.disk(disk).copies_checked += 1;
            return Kept::Whole;
        }
        // Between the two looks it was replaced.
        CopyVerdict::Whole => (suspect.cause, "; it is copied anew already"),
        CopyVerdict::Awaited => (suspect.cause, "; repair knows of it"),
        CopyVerdict::Absent => (Cause::Absent, ""),
        CopyVerdict::Damaged => (Cause::Damaged, ""),
        CopyVerdict::Wrong => (Cause::Wrong, ""),
    };
    let of = tally.disk(disk);
    let chunk = format!("pg{}/{:x}", at.pg, suspect.number);
    let text = match cause {
        Cause::Absent => {
            of.copies_absent += 1;
            format!("disk d{disk} lacks chunk {chunk}")
        }
        Cause::Damaged => {
            of.copies_damaged += 1;
            format!("chunk {chunk} on disk d{disk} is damaged")
        }
        Cause::Wrong => {
            of.copies_wrong += 1;
            format!("chunk {chunk} on disk d{disk} has another length or shard than metadata says")
        }
    };
    tally.bad_copy(text + more);
    if verdict == CopyVerdict::Whole {
        tally.mended += 1;
        return Kept::Whole;
    }
    Kept::Bad
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
    /// that are whole after all. Disks report damage by themselves when it is read: repair may be ahead of fsck.
    pub(super) async fn judge_copies(
        &self,
        at: Place,
        suspects: &[Suspect],
        tally: &mut Tally,
    ) -> Outcome<Vec<u64>> {
        let mut whole = Vec::new();
        for page in suspects.chunks(COPIES) {
            let copies = page.iter().map(|suspect| suspect.number).collect();
            let reply = self.cross(at, CrossCheck { copies, ..CrossCheck::default() }).await?;
            let filling = reply.belonging() == Belonging::Filling;
            let mut followed = Vec::new();
            for (suspect, verdict) in page.iter().zip(reply.copies()) {
                let kept = match verdict {
                    CopyVerdict::Awaited if filling => {
                        tally.disk(at.disk.disk).copies_awaiting_repair += 1;
                        Kept::Waits
                    }
                    verdict => count_copy(at, *suspect, verdict, tally),
                };
                match kept {
                    Kept::Whole => whole.push(suspect.number),
                    Kept::Bad => followed.push(suspect.number),
                    Kept::Waits => {}
                }
            }
            if self.act && !followed.is_empty() {
                tally.handed_over += followed.len() as u64;
                self.followed.lock().add(at, &followed);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_counted_by_what_the_leader_says_and_by_why_they_were_suspected() {
        let at = Place { disk: DiskRef { disk: 4, incarnation: 1 }, pg: 7 };
        let mut tally = Tally::new(10, 0);
        let mut judge = |cause, verdict| count_copy(at, Suspect { number: 31, cause }, verdict, &mut tally);
        assert_eq!(judge(Cause::Absent, CopyVerdict::NotWanted), Kept::Waits);
        assert_eq!(judge(Cause::Absent, CopyVerdict::Whole), Kept::Whole);
        assert_eq!(judge(Cause::Absent, CopyVerdict::Absent), Kept::Bad);
        assert_eq!(judge(Cause::Damaged, CopyVerdict::Absent), Kept::Bad, "what is so now counts");
        assert_eq!(judge(Cause::Wrong, CopyVerdict::Awaited), Kept::Bad);
        assert_eq!(judge(Cause::Damaged, CopyVerdict::Whole), Kept::Whole);
        let disk = &tally.disks[&4];
        assert_eq!((disk.copies_absent, disk.copies_damaged, disk.copies_wrong), (2, 1, 1));
        assert_eq!((disk.copies_checked, tally.bad_copies, tally.mended), (1, 4, 1));
        assert!(
            tally
                .problems
                .contains(&"chunk pg7/1f on disk d4 is damaged; it is copied anew already".to_owned())
        );
    }
}
