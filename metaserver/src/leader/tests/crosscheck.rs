//! What fsck hands to the leader: it is judged by the state and by the disk, and only what both bear out is changed.

use std::time::Duration;

use holdfast_proto::crosscheck::{
    Belonging, CopyVerdict as Copy, CrossCheck, CrossCheckReply, RecordVerdict as Record,
};
use tokio::time::Instant;

use super::super::crosscheck::answer;
use super::*;

async fn ask(
    boss: &Boss,
    disk: DiskRef,
    pg: u32,
    records: &[u64],
    copies: &[u64],
    repair: bool,
) -> CrossCheckReply {
    let ask = CrossCheck { disk: Some(disk), pg, records: records.to_vec(), copies: copies.to_vec(), repair };
    answer(boss, &ask, Instant::now() + Duration::from_secs(5)).await.unwrap()
}

fn records(reply: &CrossCheckReply) -> Vec<Record> {
    reply.records().collect()
}

fn copies(reply: &CrossCheckReply) -> Vec<Copy> {
    reply.copies().collect()
}

#[tokio::test]
async fn records_are_told_apart_and_only_orphans_are_deleted() {
    let mut world = World::new(3, 3);
    let pg = world.group(&[0, 1, 2]);
    let abandoned = world.write(pg, &[0, 1, 2]).number;
    let dead = world.store("f", pg, &[0, 1, 2]);
    let alive = world.store("g", pg, &[0, 1, 2]);
    world.remove("f");
    let later = ChunkNumber::from_grant(Grant(world.grant + 1000), 1).unwrap().0;
    let boss = world.boss(1);
    beat_all(&boss).await;
    let all = [alive, dead, abandoned, later];
    let open = ask(&boss, world.disks[0], pg, &all, &[], true).await;
    assert_eq!(open.belonging(), Belonging::Member);
    // Its grant is open, which also keeps what died under it from being looked for in the garbage.
    assert_eq!(records(&open), [Record::Known, Record::MayCommit, Record::MayCommit, Record::MayCommit]);
    world.send(Op::RenewGrant(RenewGrant { close: vec![world.grant], open: false }));
    let judged = ask(&boss, world.disks[0], pg, &all, &[], false).await;
    let expected = [Record::Known, Record::Garbage, Record::Orphan, Record::MayCommit];
    assert_eq!(records(&judged), expected);
    assert!(all[..3].iter().all(|number| world.has(0, pg, *number)), "nothing was to be changed");
    // Collection turned off by an administrator is off for fsck, too.
    world.meta.run(Op::PutSetting(PutSetting { name: settings::GC_ENABLED.into(), value: "false".into() }));
    beat_all(&boss).await;
    let off = ask(&boss, world.disks[0], pg, &all, &[], true).await;
    assert!(off.collection_off && records(&off) == expected && world.has(0, pg, abandoned));
    world.meta.run(Op::PutSetting(PutSetting { name: settings::GC_ENABLED.into(), value: "true".into() }));
    beat_all(&boss).await;
    let collected = ask(&boss, world.disks[0], pg, &all, &[], true).await;
    assert_eq!(records(&collected)[2], Record::Deleted);
    assert!(!world.has(0, pg, abandoned));
    assert!(world.has(0, pg, dead) && world.has(0, pg, alive) && world.has(1, pg, abandoned));
}

#[tokio::test]
async fn bad_copies_are_written_down_and_copied_anew_and_good_ones_are_not() {
    let mut world = World::new(3, 3);
    let pg = world.group(&[0, 1, 2]);
    let numbers: Vec<u64> = (0..5).map(|i| world.store(&format!("f{i}"), pg, &[0, 1, 2])).collect();
    let disk = world.disks[1];
    world.servers.lose(disk, pg, numbers[0]);
    world.servers.damaged.lock().insert((disk, pg, numbers[1]));
    world.servers.lengths.lock().insert((disk, pg, numbers[2]), 9_999);
    let boss = world.boss(1);
    beat_all(&boss).await;
    world.remove("f4");
    let expected = [Copy::Absent, Copy::Damaged, Copy::Wrong, Copy::Whole, Copy::NotWanted];
    let judged = ask(&boss, disk, pg, &[], &numbers, false).await;
    assert_eq!((copies(&judged).as_slice(), judged.noted), (&expected[..], 0));
    assert_eq!(work::state(&world.meta.table()).unwrap().missing, 0, "nothing was to be changed");
    let noted = ask(&boss, disk, pg, &[], &numbers, true).await;
    assert_eq!((copies(&noted).as_slice(), noted.noted), (&expected[..], 3));
    assert_eq!(work::state(&world.meta.table()).unwrap().missing, 3);
    let again = ask(&boss, disk, pg, &[], &numbers[..3], true).await;
    assert_eq!((copies(&again).as_slice(), again.noted), (&[Copy::Awaited; 3][..], 0));
    assert!(boss.dirty.lock().contains(&pg), "repair hears of it");
    settle(&world, &boss).await;
    let whole = ask(&boss, disk, pg, &[], &numbers[..4], false).await;
    assert_eq!(copies(&whole), [Copy::Whole; 4]);
    assert_eq!(*world.servers.pulled.lock(), 3);
}

#[tokio::test]
async fn what_lies_on_a_disk_that_is_no_member_goes_only_when_nobody_needs_it() {
    let mut world = World::new(4, 3);
    let pg = world.group(&[0, 1, 2]);
    let number = world.store("f", pg, &[0, 1, 2]);
    world.servers.put(world.disks[3], pg, number);
    let young = world.boss(1);
    beat_all(&young).await;
    let early = ask(&young, world.disks[3], pg, &[], &[number], true).await;
    assert_eq!((early.belonging(), copies(&early)), (Belonging::Needed, vec![Copy::NotWanted]));
    assert!(world.has(3, pg, number), "this leader does not know yet who is silent");
    let boss = world.seasoned_boss(2);
    beat_all(&boss).await;
    let judged = ask(&boss, world.disks[3], pg, &[], &[], false).await;
    assert!(judged.belonging() == Belonging::Stray && !judged.dropped && world.has(3, pg, number));
    let dropped = ask(&boss, world.disks[3], pg, &[], &[], true).await;
    assert!(dropped.dropped && !world.has(3, pg, number));
    let never = ask(&boss, world.disks[3], pg + 100, &[], &[], true).await;
    assert!(never.belonging() == Belonging::NeverMade && !never.dropped);
}

#[tokio::test]
async fn questions_out_of_bounds_or_about_silent_disks_are_refused() {
    let world = World::new(3, 3);
    let pg = world.group(&[0, 1, 2]);
    let boss = world.boss(1);
    beat_all(&boss).await;
    let deadline = Instant::now() + Duration::from_secs(5);
    let about = |disk| CrossCheck { disk: Some(disk), pg, ..CrossCheck::default() };
    let many = CrossCheck { copies: (1..=65).collect(), ..about(world.disks[0]) };
    assert_eq!(answer(&boss, &many, deadline).await.unwrap_err().kind(), Code::InvalidArgument);
    let nobody = CrossCheck { disk: None, ..about(world.disks[0]) };
    assert_eq!(answer(&boss, &nobody, deadline).await.unwrap_err().kind(), Code::InvalidArgument);
    let other = DiskRef { incarnation: 99, ..world.disks[0] };
    assert_eq!(answer(&boss, &about(other), deadline).await.unwrap_err().kind(), Code::Unavailable);
}
