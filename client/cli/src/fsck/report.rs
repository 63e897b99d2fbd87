//! What fsck found, counted, and how it is shown.
//!
//! What always holds: everything is counted; single things are kept only up to the number that is to be listed, however
//! many there are.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::repair::Mending;
use crate::output::{Output, Table, size};

/// Chunks of which too little is left whose files are looked for.
const MOST_LOST: usize = 10_000;

/// Some records and their bytes.
#[derive(Serialize, Clone, Copy, Default)]
pub(super) struct Sum {
    pub(super) records: u64,
    pub(super) bytes: u64,
}

impl Sum {
    pub(super) fn add(&mut self, bytes: u64) {
        self.absorb(Self { records: 1, bytes });
    }

    pub(super) fn absorb(&mut self, other: Self) {
        self.records += other.records;
        self.bytes += other.bytes;
    }

    fn cell(self) -> String {
        match self.records {
            0 => "-".to_owned(),
            records => format!("{records} ({})", size(self.bytes)),
        }
    }
}

/// What a disk came to.
#[derive(Serialize, Default)]
pub(super) struct DiskTally {
    pub(super) disk: u32,
    pub(super) node: u64,
    pub(super) copies_checked: u64,
    pub(super) copies_awaiting_repair: u64,
    pub(super) copies_absent: u64,
    pub(super) copies_damaged: u64,
    /// Of another length or shard than metadata says.
    pub(super) copies_wrong: u64,
    /// Not committed yet: their grant is open.
    pub(super) may_commit: Sum,
    /// Deleted, and not collected yet.
    pub(super) garbage: Sum,
    /// Of groups that the disk left and will let go of in the ordinary course.
    pub(super) left: Sum,
    /// Of groups that it is no member of and that may need them.
    pub(super) needed: Sum,
    /// Nothing refers to them.
    pub(super) unknown: Sum,
    /// Of groups that it is no member of and that do well without.
    pub(super) stray: Sum,
    /// Of groups that this metadata never made.
    pub(super) never_made: Sum,
    /// The disk was removed from the cluster.
    pub(super) removed: Sum,
    /// Of `unknown` and `stray`: deleted now.
    pub(super) deleted: Sum,
    /// Why it was not looked at, or not wholly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unchecked: Option<String>,
    /// That is among the problems: groups count on it.
    #[serde(skip)]
    pub(super) unchecked_told: bool,
}

impl DiskTally {
    fn absorb(&mut self, other: Self) {
        self.node = self.node.max(other.node);
        self.copies_checked += other.copies_checked;
        self.copies_awaiting_repair += other.copies_awaiting_repair;
        self.copies_absent += other.copies_absent;
        self.copies_damaged += other.copies_damaged;
        self.copies_wrong += other.copies_wrong;
        for (mine, others) in [
            (&mut self.may_commit, other.may_commit),
            (&mut self.garbage, other.garbage),
            (&mut self.left, other.left),
            (&mut self.needed, other.needed),
            (&mut self.unknown, other.unknown),
            (&mut self.stray, other.stray),
            (&mut self.never_made, other.never_made),
            (&mut self.removed, other.removed),
            (&mut self.deleted, other.deleted),
        ] {
            mine.absorb(others);
        }
        self.unchecked = self.unchecked.take().or(other.unchecked);
        self.unchecked_told |= other.unchecked_told;
    }

    fn bad(&self) -> u64 {
        self.copies_absent + self.copies_damaged + self.copies_wrong
    }

    /// Records that no chunk of metadata accounts for, by where they come from.
    fn beyond(&self) -> [(&'static str, Sum); 7] {
        [
            ("commit may come", self.may_commit),
            ("garbage", self.garbage),
            ("left groups", self.left),
            ("needed", self.needed),
            ("stray", self.stray),
            ("unknown", self.unknown),
            ("removed", self.removed),
        ]
    }
}

/// A chunk of which less is there than it takes to read it.
#[derive(Serialize, Clone)]
pub(super) struct Lost {
    pub(super) pg: u32,
    pub(super) number: u64,
    /// Copies, or different shards, that are there.
    pub(super) have: u32,
    /// How many it takes.
    pub(super) need: u32,
    /// Members that could not be asked.
    pub(super) unasked: u32,
}

impl Lost {
    pub(super) fn text(&self) -> String {
        let Self { pg, number, have, need, unasked } = self;
        let rest = match unasked {
            0 => String::new(),
            disks => format!("; {disks} disks could not be asked"),
        };
        format!(
            "chunk pg{pg}/{number:x} cannot be read: {have} of {need} pieces that it takes are there{rest}"
        )
    }
}

/// What one group, or all of them, came to.
#[derive(Default)]
pub(super) struct Tally {
    /// Most single things that are kept.
    pub(super) most_problems: usize,
    pub(super) most_records: usize,
    pub(super) chunks: u64,
    pub(super) bytes: u64,
    pub(super) disks: BTreeMap<u32, DiskTally>,
    /// Copies that are bad.
    pub(super) bad_copies: u64,
    /// Of these, handed to repair.
    pub(super) handed_over: u64,
    /// Of these, copied anew before fsck could say so: the disks themselves had reported them.
    pub(super) mended: u64,
    /// Everything else that is wrong.
    pub(super) others: u64,
    pub(super) problems: Vec<String>,
    pub(super) records: Vec<String>,
    pub(super) lost: Vec<Lost>,
}

impl Tally {
    pub(super) fn new(most_problems: usize, most_records: usize) -> Self {
        Self { most_problems, most_records, ..Self::default() }
    }

    /// An empty one with the same bounds.
    pub(super) fn fresh(&self) -> Self {
        Self::new(self.most_problems, self.most_records)
    }

    pub(super) fn disk(&mut self, disk: u32) -> &mut DiskTally {
        self.disks.entry(disk).or_default()
    }

    /// A copy that is bad.
    pub(super) fn bad_copy(&mut self, text: String) {
        self.bad_copies += 1;
        self.keep(text);
    }

    /// Something else that is wrong.
    pub(super) fn problem(&mut self, text: String) {
        self.others += 1;
        self.keep(text);
    }

    fn keep(&mut self, text: String) {
        if self.problems.len() < self.most_problems {
            self.problems.push(text);
        }
    }

    pub(super) fn record(&mut self, text: impl FnOnce() -> String) {
        if self.records.len() < self.most_records {
            self.records.push(text());
        }
    }

    pub(super) fn lose(&mut self, lost: Lost) {
        self.problem(lost.text());
        if self.lost.len() < MOST_LOST {
            self.lost.push(lost);
        }
    }

    pub(super) fn problems_found(&self) -> u64 {
        self.bad_copies + self.others
    }

    pub(super) fn absorb(&mut self, other: Self) {
        self.chunks += other.chunks;
        self.bytes += other.bytes;
        self.bad_copies += other.bad_copies;
        self.handed_over += other.handed_over;
        self.mended += other.mended;
        self.others += other.others;
        for (disk, tally) in other.disks {
            self.disk(disk).absorb(tally);
        }
        other.problems.into_iter().for_each(|text| self.keep(text));
        other.records.into_iter().for_each(|text| self.record(|| text));
        let room = MOST_LOST.saturating_sub(self.lost.len());
        self.lost.extend(other.lost.into_iter().take(room));
    }

    fn sum(&self, of: impl Fn(&DiskTally) -> u64) -> u64 {
        self.disks.values().map(of).sum()
    }
}

/// One metaserver's own check.
#[derive(Serialize)]
pub(super) struct MetaReport {
    pub(super) node: u64,
    pub(super) leader: bool,
    pub(super) index: u64,
    pub(super) records: u64,
    pub(super) digest: String,
    pub(super) problems: Vec<String>,
}

/// Everything, as it is shown.
#[derive(Serialize)]
pub(super) struct Report {
    /// Nothing is wrong, or nothing is any more.
    pub(super) clean: bool,
    pub(super) metaservers: Vec<MetaReport>,
    /// The copies of the metadata were seen at one log index, so that their digests could be compared.
    pub(super) metadata_compared: bool,
    chunks: u64,
    bytes: u64,
    copies_checked: u64,
    copies_awaiting_repair: u64,
    copies_bad: u64,
    /// Of these, copied anew before fsck could say so.
    copies_mended_meanwhile: u64,
    /// Records that nothing refers to, or of groups that their disk has nothing to do with; deleted ones included.
    orphan_records: u64,
    orphan_bytes: u64,
    disks: Vec<DiskTally>,
    problems_found: u64,
    /// How many are left.
    problems_left: u64,
    /// The first of those found.
    problems: Vec<String>,
    /// The first of the records that metadata does not know, if they are to be listed.
    records: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repair: Option<Mending>,
    #[serde(skip)]
    metadata_only: bool,
}

impl Report {
    pub(super) fn new(
        metaservers: Vec<MetaReport>,
        metadata_compared: bool,
        mut tally: Tally,
        repair: Option<Mending>,
        metadata_only: bool,
    ) -> Self {
        for (disk, of) in &mut tally.disks {
            of.disk = *disk;
        }
        tally.problems.sort();
        let mended = tally.mended + repair.as_ref().map_or(0, |repair| repair.whole_again);
        let problems_left = tally.problems_found().saturating_sub(mended);
        let orphan = |disk: &DiskTally| disk.unknown.records + disk.stray.records;
        Self {
            clean: problems_left == 0,
            metaservers,
            metadata_compared,
            chunks: tally.chunks,
            bytes: tally.bytes,
            copies_checked: tally.sum(|disk| disk.copies_checked),
            copies_awaiting_repair: tally.sum(|disk| disk.copies_awaiting_repair),
            copies_bad: tally.bad_copies,
            copies_mended_meanwhile: tally.mended,
            orphan_records: tally.sum(orphan),
            orphan_bytes: tally.sum(|disk| disk.unknown.bytes + disk.stray.bytes),
            problems_found: tally.problems_found(),
            problems_left,
            problems: tally.problems,
            records: tally.records,
            disks: tally.disks.into_values().collect(),
            repair,
            metadata_only,
        }
    }

    /// How many problems there were, and how many are left.
    pub(super) fn problems(&self) -> (u64, u64) {
        (self.problems_found, self.problems_left)
    }

    pub(super) fn show(&self, output: Output) -> crate::failure::Outcome<()> {
        output.show(self, |out| self.write(out))
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for meta in &self.metaservers {
            let digest = &meta.digest[..meta.digest.len().min(16)];
            let (node, records, index) = (meta.node, meta.records, meta.index);
            let leader = if meta.leader { " (leader)" } else { "" };
            writeln!(out, "metaserver n{node}{leader}: {records} records at index {index}, digest {digest}")?;
        }
        if !self.metadata_compared {
            writeln!(out, "the metaservers were not seen at one index: their copies could not be compared")?;
        }
        if !self.metadata_only {
            self.write_chunks(out)?;
        }
        for problem in &self.problems {
            writeln!(out, "PROBLEM: {problem}")?;
        }
        let more = self.problems_found.saturating_sub(self.problems.len() as u64);
        if more > 0 {
            writeln!(out, "PROBLEM: … and {more} more; --list shows more of them")?;
        }
        if let Some(repair) = &self.repair {
            repair.write(out)?;
        }
        let verdict = match (self.problems_found, self.problems_left) {
            (0, _) => "clean",
            (_, 0) => "clean again",
            _ => "NOT clean",
        };
        writeln!(out, "{verdict}")
    }

    fn write_chunks(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "{} chunks ({}), {} copies checked, {} bad, {} awaiting repair, {} records that nothing refers to ({})",
            self.chunks,
            size(self.bytes),
            self.copies_checked,
            self.copies_bad,
            self.copies_awaiting_repair,
            self.orphan_records,
            size(self.orphan_bytes)
        )?;
        let beyond =
            |disk: &&DiskTally| disk.bad() > 0 || disk.beyond().iter().any(|(_, sum)| sum.records > 0);
        let shown: Vec<&DiskTally> = self.disks.iter().filter(beyond).collect();
        if !shown.is_empty() {
            let names = DiskTally::default().beyond().map(|(name, _)| name);
            let heads: Vec<&'static str> =
                ["disk", ">bad copies"].into_iter().chain(names).chain(["deleted now"]).collect();
            let mut table = Table::new(&heads);
            for disk in shown {
                let mut row = vec![format!("d{}", disk.disk), disk.bad().to_string()];
                row.extend(disk.beyond().map(|(_, sum)| sum.cell()));
                row.push(disk.deleted.cell());
                table.row(row);
            }
            table.write(out)?;
        }
        for disk in &self.disks {
            if let Some(why) = disk.unchecked.as_ref().filter(|_| !disk.unchecked_told) {
                writeln!(out, "disk d{}: not looked at: {why}", disk.disk)?;
            }
        }
        self.records.iter().try_for_each(|record| writeln!(out, "record {record}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_things_are_bounded_and_all_are_counted() {
        let mut all = Tally::new(3, 1);
        for group in 0..4 {
            let mut one = all.fresh();
            one.bad_copy(format!("copy {group}"));
            one.problem(format!("other {group}"));
            one.record(|| format!("record {group}"));
            one.disk(group % 2).unknown.add(10);
            all.absorb(one);
        }
        assert_eq!((all.problems.len(), all.records.len()), (3, 1));
        assert_eq!((all.problems_found(), all.bad_copies), (8, 4));
        let mending = Mending { whole_again: 4, ..Mending::default() };
        let report = Report::new(Vec::new(), true, all, Some(mending), false);
        assert_eq!((report.problems(), report.clean), ((8, 4), false));
        assert_eq!((report.orphan_records, report.orphan_bytes), (4, 40));
        assert_eq!(report.disks.iter().map(|disk| disk.disk).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn the_text_says_what_is_left() {
        let mut tally = Tally::new(1, 0);
        tally.bad_copy("disk d2 lacks chunk pg1/1".to_owned());
        tally.bad_copy("disk d2 lacks chunk pg1/2".to_owned());
        tally.disk(2).copies_absent = 2;
        let mut out = Vec::new();
        Report::new(Vec::new(), true, tally, None, false).write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("PROBLEM: … and 1 more"), "{text}");
        assert!(text.ends_with("NOT clean\n"), "{text}");
        let mut out = Vec::new();
        let mending = Mending { whole_again: 1, ..Mending::default() };
        let mut tally = Tally::new(1, 0);
        tally.bad_copy("disk d2 lacks chunk pg1/1".to_owned());
        Report::new(Vec::new(), true, tally, Some(mending), false).write(&mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().ends_with("clean again\n"));
    }
}
