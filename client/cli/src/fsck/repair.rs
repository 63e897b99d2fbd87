//! After the walk of `fsck --repair`: waits until what was handed to repair is whole again, and says what is not, and why.
//!
//! What always holds: the wait ends, at the latest when its time is up, and before that when nothing is left that repair
//! could do. How many copies are followed singly is bounded; beyond that they are repaired all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::time::Duration;

use holdfast_proto::map::{Liveness, MapReply, Pg};
use holdfast_proto::op::DiskRef;
use serde::Serialize;
use tokio::time::Instant;

use super::Checker;
use super::judge::Place;
use super::members::missing;
use super::report::Lost;
use super::walk::pieces_needed;
use super::{files, report};
use crate::admin::whole_map;
use crate::failure::Outcome;
use crate::output::size;

/// Copies that are followed.
const MOST_FOLLOWED: usize = 200_000;
/// Of copies that are left, so many are explained.
const MOST_EXPLAINED: usize = 1_000;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// Without progress for so long, it is asked whether there can be any.
const STUCK: Duration = Duration::from_secs(5);

/// Copies handed to repair, by disk and group.
#[derive(Default)]
pub(super) struct Followed {
    copies: BTreeMap<(u32, u64, u32), BTreeSet<u64>>,
    count: usize,
    /// Beyond what is followed.
    more: u64,
}

impl Followed {
    pub(super) fn add(&mut self, at: Place, numbers: &[u64]) {
        for number in numbers {
            if self.count >= MOST_FOLLOWED {
                self.more += 1;
                continue;
            }
            let key = (at.disk.disk, at.disk.incarnation, at.pg);
            self.count += usize::from(self.copies.entry(key).or_default().insert(*number));
        }
    }

    fn len(&self) -> usize {
        self.copies.values().map(BTreeSet::len).sum()
    }
}

/// What came of a repair.
#[derive(Serialize, Default)]
pub(super) struct Mending {
    /// Nothing was changed: this is what would be done.
    pub(super) dry_run: bool,
    /// Copies handed to repair, or that would be.
    pub(super) handed_over: u64,
    /// Of these, whole again.
    pub(super) whole_again: u64,
    /// Of these, not waited for to the end.
    pub(super) still_waiting: u64,
    /// Records deleted, or that would be.
    pub(super) records_deleted: u64,
    pub(super) bytes_deleted: u64,
    /// Why copies are not whole yet, and other things to know.
    pub(super) notes: Vec<String>,
    /// Files with content in chunks that cannot be read, the first of them.
    pub(super) files: Vec<String>,
}

/// Waits, and sums up. `in_doubt`: why nothing was changed although it was asked for.
pub(super) async fn finish(
    checker: &Checker<'_>,
    wait: Duration,
    in_doubt: Option<&str>,
) -> Outcome<Mending> {
    let mut mending = sum_up(checker);
    if let Some(why) = in_doubt {
        mending.notes.push(format!("nothing was changed: {why}"));
    }
    if *checker.collection_off.lock() {
        let what = "no record was deleted: collection is turned off (`holdfast admin set gc_enabled true` turns it on)";
        mending.notes.push(what.to_owned());
    }
    if mending.dry_run {
        return Ok(mending);
    }
    let total = checker.followed.lock().len() as u64;
    let mut left = std::mem::take(&mut *checker.followed.lock());
    let more = left.more;
    let mut lost = checker.total.lock().lost.clone();
    wait_for(checker, &mut left, Instant::now() + wait).await?;
    mending.whole_again = total - left.len() as u64;
    mending.still_waiting = left.len() as u64 + more;
    if more > 0 {
        mending
            .notes
            .push(format!("{more} more copies were handed to repair and not followed: run fsck again"));
    }
    if left.len() > 0 {
        lost.extend(explain(checker, &left, &mut mending.notes).await?);
    }
    if !lost.is_empty() {
        checker.progress.say("files with content that cannot be read");
        files::name(checker, &lost, &mut mending).await?;
    }
    Ok(mending)
}

fn sum_up(checker: &Checker<'_>) -> Mending {
    let total = checker.total.lock();
    let dry_run = !checker.act;
    let collection_off = *checker.collection_off.lock();
    let deleted = |disk: &report::DiskTally| match dry_run {
        false => vec![disk.deleted],
        true if collection_off => Vec::new(),
        true => vec![disk.unknown, disk.stray],
    };
    let mut sum = report::Sum::default();
    total.disks.values().flat_map(deleted).for_each(|one| sum.absorb(one));
    Mending {
        dry_run,
        handed_over: if dry_run { total.bad_copies - total.mended } else { total.handed_over },
        records_deleted: sum.records,
        bytes_deleted: sum.bytes,
        ..Mending::default()
    }
}

/// Looks again and again at what metadata knows to be missing, until nothing that is followed is.
async fn wait_for(checker: &Checker<'_>, left: &mut Followed, until: Instant) -> Outcome<()> {
    let all = left.len();
    let mut moved = Instant::now();
    loop {
        let before = left.len();
        drop_whole(checker, left).await?;
        let now = left.len();
        checker.progress.say(format!("repair: {} of {all} copies are whole again", all - now));
        if now == 0 || Instant::now() >= until {
            return Ok(());
        }
        if now < before {
            moved = Instant::now();
        }
        if moved.elapsed() >= STUCK {
            if is_hopeless(checker, left).await? {
                return Ok(());
            }
            moved = Instant::now();
        }
        tokio::time::sleep_until((Instant::now() + LOOK).min(until)).await;
    }
}

/// Forgets copies that are not known to be missing any more.
async fn drop_whole(checker: &Checker<'_>, left: &mut Followed) -> Outcome<()> {
    let keys: Vec<(u32, u64, u32)> = left.copies.keys().copied().collect();
    for key in keys {
        let Some(numbers) = left.copies.get_mut(&key) else { continue };
        let (Some(first), Some(last)) = (numbers.first().copied(), numbers.last().copied()) else {
            left.copies.remove(&key);
            continue;
        };
        let (disk, incarnation, pg) = key;
        let place = Place { disk: DiskRef { disk, incarnation }, pg };
        let still: BTreeSet<u64> =
            missing(checker, place, first.saturating_sub(1), last).await?.into_iter().collect();
        numbers.retain(|number| still.contains(number));
        if numbers.is_empty() {
            left.copies.remove(&key);
        }
    }
    Ok(())
}

/// A copy that is not whole yet, with what there is to make it from.
struct Left {
    disk: u32,
    lost: Lost,
    /// Members that may have a piece and do not answer.
    away: Vec<u32>,
}

impl Left {
    /// Even if everybody came back, there would be too little.
    fn is_hopeless(&self) -> bool {
        self.lost.have + (self.away.len() as u32) < self.lost.need
    }

    fn text(&self) -> String {
        let Lost { pg, number, have, need, .. } = self.lost;
        let chunk = format!("chunk pg{pg}/{number:x} on disk d{}", self.disk);
        if self.is_hopeless() {
            return format!(
                "{chunk} cannot be repaired: LOST, {have} of {need} pieces that it takes are left"
            );
        }
        if have < need {
            let away: Vec<String> = self.away.iter().map(|disk| format!("d{disk}")).collect();
            return format!("{chunk} waits for disks that do not answer: {}", away.join(", "));
        }
        format!("{chunk} is not repaired yet; `holdfast admin health` says what repair does")
    }
}

async fn is_hopeless(checker: &Checker<'_>, left: &Followed) -> Outcome<bool> {
    if left.len() > MOST_EXPLAINED {
        return Ok(false);
    }
    Ok(look_into(checker, left).await?.iter().all(Left::is_hopeless))
}

/// Says why copies are left; returns the chunks that are lost.
async fn explain(checker: &Checker<'_>, left: &Followed, notes: &mut Vec<String>) -> Outcome<Vec<Lost>> {
    let found = look_into(checker, left).await?;
    let shown = checker.tally().most_problems;
    notes.extend(found.iter().take(shown).map(Left::text));
    let more = left.len().saturating_sub(found.len().min(shown));
    if more > 0 {
        notes.push(format!("… and {more} more copies are not whole yet; --list shows more of them"));
    }
    Ok(found.into_iter().filter(Left::is_hopeless).map(|left| left.lost).collect())
}

/// What there is to make copies from, of a bounded number of them.
async fn look_into(checker: &Checker<'_>, left: &Followed) -> Outcome<Vec<Left>> {
    let map = whole_map(checker.remote).await?;
    let mut found = Vec::new();
    for ((disk, _, pg), numbers) in &left.copies {
        let Some(group) = map.pgs.iter().find(|group| group.id == *pg) else { continue };
        for number in numbers {
            if found.len() >= MOST_EXPLAINED {
                return Ok(found);
            }
            found.push(pieces_of(checker, &map, group, *disk, *number).await?);
        }
    }
    Ok(found)
}

async fn pieces_of(
    checker: &Checker<'_>,
    map: &MapReply,
    group: &Pg,
    disk: u32,
    number: u64,
) -> Outcome<Left> {
    let redundancy = map.classes.iter().find(|c| c.id == group.class).and_then(|c| c.redundancy);
    let need = redundancy.as_ref().map_or(1, pieces_needed);
    let (mut shards, mut away) = (BTreeSet::new(), Vec::new());
    for (position, member) in group.members.iter().enumerate().filter(|(_, member)| member.clean) {
        let identity = DiskRef { disk: member.disk, incarnation: member.incarnation };
        let place = Place { disk: identity, pg: group.id };
        if !missing(checker, place, number.saturating_sub(1), number).await?.is_empty() {
            continue;
        }
        let load = map.loads.iter().find(|load| load.disk == member.disk);
        match load.map(holdfast_proto::map::DiskLoad::liveness) {
            Some(Liveness::Alive | Liveness::Full) => {
                shards.insert(if need > 1 { member.shard } else { position as u32 });
            }
            Some(Liveness::Suspect | Liveness::Down | Liveness::Failed) | None => away.push(member.disk),
        }
    }
    let lost = Lost { pg: group.id, number, have: shards.len() as u32, need, unasked: away.len() as u32 };
    Ok(Left { disk, lost, away })
}

impl Mending {
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { handed_over, whole_again, still_waiting, records_deleted, .. } = self;
        let bytes = size(self.bytes_deleted);
        match self.dry_run {
            true => writeln!(
                out,
                "nothing was changed: {handed_over} copies would be copied anew, {records_deleted} records that nothing \
                 refers to ({bytes}) would be deleted"
            )?,
            false => writeln!(
                out,
                "{handed_over} copies handed to repair, {whole_again} of them whole again, {still_waiting} not yet; \
                 {records_deleted} records that nothing refers to ({bytes}) deleted"
            )?,
        }
        for note in &self.notes {
            writeln!(out, "repair: {note}")?;
        }
        self.files.iter().try_for_each(|file| writeln!(out, "cannot be read whole: {file}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_followed_once_and_within_a_bound() {
        let place = Place { disk: DiskRef { disk: 1, incarnation: 1 }, pg: 3 };
        let mut followed = Followed::default();
        followed.add(place, &[1, 2]);
        followed.add(place, &[2]);
        assert_eq!((followed.len(), followed.count), (2, 2));
        let many: Vec<u64> = (10..10 + MOST_FOLLOWED as u64).collect();
        followed.add(place, &many);
        assert_eq!((followed.len(), followed.more), (MOST_FOLLOWED, 2));
    }

    #[test]
    fn what_is_left_is_lost_only_when_nobody_could_bring_it_back() {
        let lost = |have, need| Lost { pg: 1, number: 2, have, need, unasked: 0 };
        let gone = Left { disk: 4, lost: lost(1, 2), away: Vec::new() };
        assert!(gone.is_hopeless() && gone.text().contains("LOST, 1 of 2"), "{}", gone.text());
        let waits = Left { disk: 4, lost: lost(1, 2), away: vec![7] };
        assert!(!waits.is_hopeless() && waits.text().ends_with("do not answer: d7"), "{}", waits.text());
        let soon = Left { disk: 4, lost: lost(2, 2), away: Vec::new() };
        assert!(!soon.is_hopeless() && soon.text().contains("not repaired yet"), "{}", soon.text());
    }

    #[test]
    fn a_dry_run_promises_and_a_repair_tells() {
        let text = |mending: &Mending| {
            let mut out = Vec::new();
            mending.write(&mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let planned = Mending { dry_run: true, handed_over: 2, records_deleted: 3, ..Mending::default() };
        assert!(text(&planned).starts_with("nothing was changed: 2 copies would be copied anew, 3 records"));
        let done = Mending { handed_over: 2, whole_again: 1, still_waiting: 1, ..Mending::default() };
        assert!(text(&done).starts_with("2 copies handed to repair, 1 of them whole again, 1 not yet"));
    }
}
