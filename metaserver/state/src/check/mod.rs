//! The whole-state checker: walks every record and names each invariant it finds broken.
//!
//! Invariants, under the names the report prints:
//!
//! | name | what must hold |
//! | --- | --- |
//! | `record_decodes` | every record decodes, and its key carries the same id |
//! | `dentry_has_inode` | every dentry points to an inode of its kind; its stored name fits that kind |
//! | `one_name_per_directory` | a directory has exactly one dentry, under the parent and name that its inode says |
//! | `nlink_counts_names` | a file's `nlink` is its number of dentries; a directory's is 2 plus child directories |
//! | `children_count` | a directory's `children` is its number of dentries |
//! | `no_empty_implicit` | an implicit directory has children |
//! | `every_inode_is_reachable` | an inode has a name, or is nameless, kept in the trash, being freed, or being joined |
//! | `drafts_have_owners` | drafts in `nameless/`, and nothing else there, belong to one session each, as in `holding/` |
//! | `locks_fit` | locks lie on files, are in order, of known sessions, whole, listed by session, and do not clash |
//! | `extents_fit` | extents are ordered, disjoint, within the length, counted, in the right place |
//! | `inline_fits` | inline content is there iff the inode says so, as long as the file, without extents |
//! | `converting_are_listed` | a file is in `converting/` exactly if its inode says so |
//! | `fragmented_are_listed` | a file is in `fragmented/` exactly if its inode says so |
//! | `xattrs_counted` | attributes belong to an inode and are counted |
//! | `acls_fit` | inodes say which access lists they have; a list is whole, needed, and shows the mode |
//! | `quotas_fit` | a quota's usage is the sum over the inodes that carry it; trees are counted whole, or listed |
//! | `extent_has_chunk` | every extent of a file or part lies within a known chunk |
//! | `references_add_up` | a chunk's references and live bytes are those of the extents, and not 0 |
//! | `members_distinct` | a group's members are distinct, known disks, temporary ones last; its class exists |
//! | `member_records` | `member/`, `gccursor/` and `leave/` fit the groups |
//! | `missing_refers_to_member` | a `missing/` record is about a known chunk and a member, or a leaving disk |
//! | `gc_is_dead` | a chunk number in `gc/` is not a live chunk, and appears once |
//! | `procedures_fit` | nodes and disks say what is under way with them, as their standing wants |
//! | `ailing_fits` | what is noted of a group's condition is about a group that is there, and not of the future |
//! | `map_epochs` | every object of the map has its one `mapchange/` mark and no epoch is in the future |
//! | `grants_fit_sessions` | open grants and open sessions name each other |
//! | `window_bounded` | kept replies belong to open sessions and to their slot |
//! | `uploads_fit` | uploads, their keys, parts and leftovers fit each other |
//! | `long_names_fit` | `longname/` is there exactly for names that need it |
//! | `trash_fits` | what inodes say of the trash, `trash/` and `trashpath/` fit each other; it has files with content only |
//! | `access_fits` | credentials belong to accounts; these, links and hours of usage are where their keys say |
//! | `audit_is_a_chain` | entries of the audit log are numbered without gaps, and each hash covers the one before |
//! | `counters` | the counters of `state` are what the records add up to |
//!
//! Reading only. Memory follows the state: this is for tests, simulation and operators, not for a serving path
//! under memory pressure.

mod access;
mod acls;
mod files;
mod locks;
mod map;
mod quotas;
mod sessions;
mod trash;

use bytes::Bytes;

use crate::keys;
use crate::records::State;
use crate::table::{Broken, View};

/// Most problems a report lists.
const MOST_PROBLEMS: usize = 1000;
const PAGE: usize = 4096;

/// What the checker found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Violated invariants, `name: what`, at most 1,000.
    pub problems: Vec<String>,
    /// Records looked at.
    pub records: u64,
}

impl Report {
    /// Whether everything holds.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    fn add(&mut self, invariant: &str, what: impl std::fmt::Display) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(format!("{invariant}: {what}"));
        }
    }

    fn expect(&mut self, holds: bool, invariant: &str, what: impl FnOnce() -> String) {
        if !holds {
            self.add(invariant, what());
        }
    }
}

/// Checks the whole state.
pub fn check(view: &dyn View) -> Result<Report, Broken> {
    let mut report = Report::default();
    let state: State = match view.get(&[keys::STATE])? {
        Some(value) => crate::records::decode(&[keys::STATE], value)?,
        None => State::default(),
    };
    let sessions = sessions::check(view, &mut report)?;
    let counted = files::check(view, &mut report, &sessions)?;
    acls::check(view, &mut report, &counted.inodes)?;
    locks::check(view, &mut report, &sessions, &counted.inodes)?;
    let quotas = quotas::check(view, &mut report, &counted.inodes)?;
    let (trashed, trashed_bytes) = trash::check(view, &mut report, &counted.inodes)?;
    let missing_and_garbage = map::check(view, &mut report, &state, &counted.chunks)?;
    let shares = access::check(view, &mut report)?;
    let found = State {
        shares,
        inodes: counted.inodes.len() as u64,
        bytes: counted.bytes,
        chunks: counted.chunks.len() as u64,
        garbage: missing_and_garbage.1,
        missing: missing_and_garbage.0,
        sessions: sessions.open.len() as u64,
        ended: sessions.ended,
        quotas,
        mounts: sessions.open.values().filter(|session| session.holds_files).count() as u64,
        nameless: counted.nameless,
        trashed,
        trashed_bytes,
        trash_times: counted.inodes.values().filter(|inode| inode.trash_seconds.is_some()).count() as u64,
        converting: counted.inodes.values().filter(|inode| inode.converting).count() as u64,
        ..state
    };
    report.expect(found == state, "counters", || format!("stored {state:?}, found {found:?}"));
    let highest = counted.inodes.keys().next_back().copied().unwrap_or_default();
    report.expect(highest < state.next_ino.max(1), "counters", || {
        format!("inode {highest} is above the allocator {}", state.next_ino)
    });
    check_tags(view, &mut report)?;
    Ok(report)
}

/// Every record has a known tag.
fn check_tags(view: &dyn View, report: &mut Report) -> Result<(), Broken> {
    let mut records = 0;
    each_raw(view, &[], &[0xff], |key, _| {
        records += 1;
        if !keys::TAGS.iter().any(|(tag, _)| key.first() == Some(tag)) {
            report.add("record_decodes", format!("{} has an unknown tag", keys::describe(key)));
        }
        Ok(())
    })?;
    report.records = records;
    Ok(())
}

/// Calls `visit` for every entry of `from..to`.
fn each_raw(
    view: &dyn View,
    from: &[u8],
    to: &[u8],
    mut visit: impl FnMut(&Bytes, Bytes) -> Result<(), Broken>,
) -> Result<(), Broken> {
    let mut from = Bytes::copy_from_slice(from);
    loop {
        let page = view.scan(&from, to, PAGE)?;
        let whole = page.len() < PAGE;
        if let Some((last, _)) = page.last() {
            from = keys::next(last);
        }
        for (key, value) in page {
            visit(&key, value)?;
        }
        if whole {
            return Ok(());
        }
    }
}

/// Calls `visit` for every record with this tag; one that does not decode is reported and passed over.
fn each<T: prost::Message + Default>(
    view: &dyn View,
    tag: u8,
    report: &mut Report,
    mut visit: impl FnMut(&mut Report, &Bytes, T) -> Result<(), Broken>,
) -> Result<(), Broken> {
    each_raw(view, &[tag], &keys::after_prefix(&[tag]), |key, value| {
        match crate::records::decode::<T>(key, value) {
            Ok(record) => visit(report, key, record),
            Err(error) => {
                report.add("record_decodes", error);
                Ok(())
            }
        }
    })
}
