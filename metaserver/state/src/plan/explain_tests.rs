use holdfast_proto::map::{FailureDomain, Redundancy};

use super::super::cluster::tests::{cluster, group};
use super::super::repair::{Rules, assess};
use super::*;

const TERMS: Terms = Terms { grace_ms: 300_000, held: false, has_chunks: Some(true) };

fn words(c: &Cluster, lacking: &[u32], terms: Terms) -> Words {
    let rules = Rules { temporary_after_ms: 30_000, bytes: 0, moves_rest: false };
    let lacks = |m: &Member| lacking.contains(&m.disk);
    let found = assess(c, &c.pgs[&1], rules, lacks, |_| false).unwrap();
    explain(c, &c.pgs[&1], &found, lacks, terms)
}

fn silent(c: &mut Cluster, disk: u32, ms: u64) {
    let facts = c.disks.get_mut(&disk).unwrap();
    (facts.liveness, facts.silent_ms) = (Liveness::Down, ms);
}

fn three_copies(hosts: &[u32]) -> Cluster {
    let mut c = cluster(hosts, Redundancy::replicated(3, 2), FailureDomain::Host);
    let pg = group(&c, 1, &[1, 2, 3]);
    c.set_pg(pg);
    c
}

#[test]
fn a_silent_disk_is_waited_for_until_its_grace_is_over() {
    let mut c = three_copies(&[1, 1, 1, 1]);
    assert_eq!(words(&c, &[], TERMS).state, "whole");
    silent(&mut c, 3, 60_000);
    let now = words(&c, &[], TERMS);
    assert_eq!((now.state, now.until_ms), ("waiting", Some(240_000)));
    assert_eq!(
        now.why,
        "data is missing on 1 of 3 disks, 1 more may fail; waits for d3 to come back before it is rebuilt elsewhere"
    );
    let pieces = now.reasons.iter().map(|reason| {
        let params = reason.params.iter().map(|pair| format!(" {}={}", pair.key, pair.value));
        format!("{}{}", reason.code, params.collect::<String>())
    });
    assert_eq!(
        pieces.collect::<Vec<_>>(),
        ["group_degraded missing=1 members=3 spare=1", "group_grace disks=3"],
        "what it says is there without English, too"
    );
    assert_eq!(now.members, [Condition::Whole, Condition::Whole, Condition::Silent]);
    assert_eq!(words(&c, &[], Terms { held: true, ..TERMS }).state, "held");
    c.disks.get_mut(&3).unwrap().standing = Standing::Out;
    let now = words(&c, &[], TERMS);
    assert_eq!(now.state, "rebuilding");
    assert!(now.why.ends_with("d4 is to join and to be filled"), "{}", now.why);
}

#[test]
fn without_another_disk_it_waits_for_room() {
    let mut c = three_copies(&[1, 1, 1]);
    silent(&mut c, 3, 400_000);
    c.disks.get_mut(&3).unwrap().standing = Standing::Out;
    let now = words(&c, &[], TERMS);
    assert_eq!(now.state, "no_room");
    assert!(now.why.contains("no other disk"), "{}", now.why);
}

#[test]
fn a_drain_without_another_disk_is_told_although_nothing_is_lacking() {
    let mut c = three_copies(&[1, 1, 1]);
    c.disks.get_mut(&3).unwrap().standing = Standing::Draining;
    let now = words(&c, &[], TERMS);
    assert_eq!((now.state, now.members[2]), ("no_room", Condition::Leaving));
    assert!(now.why.starts_with("waits for room"), "{}", now.why);
}

#[test]
fn absence_for_maintenance_is_told_apart() {
    let mut c = three_copies(&[1, 1, 1, 1]);
    silent(&mut c, 3, 900_000);
    c.disks.get_mut(&3).unwrap().standing = Standing::Maintenance;
    let now = words(&c, &[], TERMS);
    assert_eq!((now.state, now.members[2]), ("maintenance", Condition::Away));
    assert!(now.why.contains("d3 is away for maintenance"), "{}", now.why);
    // With one copy left, somebody stands in after all.
    silent(&mut c, 2, 40_000);
    let now = words(&c, &[], TERMS);
    assert_eq!(now.state, "rebuilding");
    assert!(now.why.starts_with("one failure from loss: data is missing on 2 of 3 disks"), "{}", now.why);
}

#[test]
fn what_can_come_back_is_unavailable_and_what_cannot_is_lost() {
    let mut c = cluster(&[1, 1], Redundancy::replicated(2, 1), FailureDomain::Host);
    let pg = group(&c, 1, &[1, 2]);
    c.set_pg(pg);
    silent(&mut c, 1, 900_000);
    silent(&mut c, 2, 900_000);
    let now = words(&c, &[], TERMS);
    assert_eq!(now.state, "unavailable");
    assert_eq!(now.why, "cannot be read whole; waits for d1 and d2 to come back; nothing is given up");
    c.disks.get_mut(&1).unwrap().incarnation = 8;
    assert_eq!(words(&c, &[], TERMS).state, "unavailable");
    c.disks.get_mut(&2).unwrap().standing = Standing::Removed;
    let now = words(&c, &[], TERMS);
    assert_eq!(now.state, "lost");
    assert!(now.why.contains("lost: d1 and d2"), "{}", now.why);
    assert_eq!(
        words(&c, &[], Terms { has_chunks: Some(false), ..TERMS }).why.split(';').next(),
        Some("empty")
    );
}

#[test]
fn single_chunks_are_mended_where_they_lack() {
    let c = three_copies(&[1, 1, 1]);
    let now = words(&c, &[2], TERMS);
    assert_eq!((now.state, now.members[1]), ("mending", Condition::Lacks));
    assert!(now.why.ends_with("single chunks are copied anew to d2"), "{}", now.why);
}
