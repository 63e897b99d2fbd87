//! Records of groups that their disk is no member of: what a disk left and has not let go of yet, what nobody counts on,
//! what this metadata never made, and what lies on disks that were removed.

use std::collections::BTreeSet;

use futures::StreamExt as _;
use holdfast_proto::chunk::ListRecords;
use holdfast_proto::crosscheck::Belonging;
use holdfast_proto::map::{Disk, DiskLoad, Liveness, MapReply, Member, Standing};
use holdfast_proto::method::Records;
use holdfast_proto::op::DiskRef;
use holdfast_rpc::Endpoint;

use super::Checker;
use super::judge::Place;
use super::members::PAGE;
use super::report::{Sum, Tally};
use crate::admin::whole_map;
use crate::failure::{Failure, Outcome};

/// Looks at all disks, several side by side. One that does not answer is named, which is no problem by itself: members
/// that did not answer were told of already.
pub(super) async fn disks(checker: &Checker<'_>) -> Outcome<()> {
    checker.progress.say("records of groups that their disks left");
    let all: Vec<&(Disk, Endpoint)> = checker.disks.values().collect();
    let work = all.into_iter().map(|(disk, at)| {
        Box::pin(async move {
            let mut tally = checker.tally();
            if checker.silent.lock().contains_key(&disk.id) {
                return tally;
            }
            if let Err(failure) = one(checker, disk, at, &mut tally).await
                && disk.standing() != Standing::Removed
            {
                tally.disk(disk.id).unchecked = Some(failure.to_string());
            }
            tally
        })
    });
    let mut work = futures::stream::iter(work).buffer_unordered(usize::from(checker.args.jobs));
    while let Some(tally) = work.next().await {
        checker.total.lock().absorb(tally);
    }
    Ok(())
}

async fn one(checker: &Checker<'_>, disk: &Disk, at: &Endpoint, tally: &mut Tally) -> Outcome<()> {
    let gone = |load: &DiskLoad| {
        load.disk == disk.id && matches!(load.liveness(), Liveness::Down | Liveness::Failed)
    };
    if checker.map.loads.iter().any(gone) {
        return Err(Failure::failed("it is down"));
    }
    let this = DiskRef { disk: disk.id, incarnation: disk.incarnation };
    let mut groups = groups(checker, this, at).await?;
    groups.retain(|pg| checker.args.pg.is_empty() || checker.args.pg.contains(pg));
    let known = groups_of(&checker.map, this);
    groups.retain(|pg| !known.contains(pg));
    if !groups.is_empty() {
        // Read after the disk's list: whoever is no member now left before, or never was one.
        let known = groups_of(&whole_map(checker.remote).await?, this);
        groups.retain(|pg| !known.contains(pg));
    }
    for pg in groups {
        let place = Place { disk: this, pg };
        let sum = records(checker, place, at).await?;
        if sum.records == 0 {
            continue;
        }
        if disk.standing() == Standing::Removed {
            tally.disk(disk.id).removed.absorb(sum);
            continue;
        }
        count(checker.judge_group(place).await?, place, sum, tally);
    }
    Ok(())
}

/// The groups that a disk is a member of.
fn groups_of(map: &MapReply, disk: DiskRef) -> BTreeSet<u32> {
    let this = |m: &Member| (m.disk, m.incarnation) == (disk.disk, disk.incarnation);
    map.pgs.iter().filter(|group| group.members.iter().any(this)).map(|group| group.id).collect()
}

fn count((belonging, dropped): (Belonging, bool), place: Place, sum: Sum, tally: &mut Tally) {
    let (disk, pg) = (place.disk.disk, place.pg);
    let of = tally.disk(disk);
    let what = match belonging {
        // It became a member since: looked at next time.
        Belonging::Member | Belonging::Filling => return,
        Belonging::Leaving => {
            of.left.absorb(sum);
            "the disk left the group and lets go of them in its turn"
        }
        Belonging::Needed => {
            of.needed.absorb(sum);
            "the disk is no member, but the group may need them"
        }
        Belonging::Stray => {
            of.stray.absorb(sum);
            if dropped {
                of.deleted.absorb(sum);
            }
            "the disk is no member, and the group does well without them"
        }
        Belonging::NeverMade => {
            of.never_made.absorb(sum);
            tally.problem(format!(
                "disk d{disk} has {} records of group pg{pg}, which this metadata never made: the metadata is older than \
                 the disk, or the disk is another cluster's. Nothing of it is deleted; look for a newer metaserver's data",
                sum.records
            ));
            "a group that this metadata never made"
        }
    };
    tally.record(|| {
        format!("pg{pg} on disk d{disk}: {} records, {}: {what}", sum.records, crate::output::size(sum.bytes))
    });
}

/// The groups that a disk has records of.
async fn groups(checker: &Checker<'_>, disk: DiskRef, at: &Endpoint) -> Outcome<BTreeSet<u32>> {
    let mut all = BTreeSet::new();
    let mut after = 0;
    loop {
        let ask = ListRecords { disk: Some(disk), pg: 0, after, most: PAGE };
        let page = checker.remote.ask_node::<Records>(at, &ask).await?;
        all.extend(page.entries.iter().filter_map(|entry| u32::try_from(entry.number).ok()));
        match page.entries.last() {
            Some(last) if page.more && last.number > after => after = last.number,
            _ => return Ok(all),
        }
    }
}

/// How much a disk has of a group.
async fn records(checker: &Checker<'_>, place: Place, at: &Endpoint) -> Outcome<Sum> {
    let mut sum = Sum::default();
    let mut after = 0;
    loop {
        let ask = ListRecords { disk: Some(place.disk), pg: place.pg, after, most: PAGE };
        let page = checker.remote.ask_node::<Records>(at, &ask).await?;
        page.entries.iter().for_each(|entry| sum.add(entry.bytes));
        match page.entries.last() {
            Some(last) if page.more && last.number > after => after = last.number,
            _ => return Ok(sum),
        }
    }
}
