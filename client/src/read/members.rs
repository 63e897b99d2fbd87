//! In which order the members of a group are asked for bytes.
//!
//! What always holds: every member appears once; those on this machine come first, then the quick and idle ones;
//! members that may lack the chunk (not clean), are avoided, or are not heard of come last but are never left out.

use std::time::Duration;

use holdfast_proto::ids::{DiskId, NodeId};
use holdfast_proto::map::{Liveness, Member, Standing};
use rand::RngExt as _;

use crate::health::Kind;
use crate::inner::Inner;
use crate::map::ClusterMap;

/// Bytes a disk is taken to serve per microsecond when others are in front.
const BYTES_PER_MICRO: u64 = 200;

/// These members, best first, for reading `bytes`.
pub(crate) fn ranked(inner: &Inner, map: &ClusterMap, members: &[Member], bytes: u64) -> Vec<Member> {
    let mut ranked: Vec<((u8, bool, bool, u64), Member)> = members
        .iter()
        .map(|member| {
            let disk = DiskId(member.disk);
            let trouble = trouble(inner, map, member);
            let remote = map.disk(disk).is_none_or(|disk| !inner.is_local(map, disk));
            ((trouble, !member.clean, remote, cost(inner, disk, bytes)), *member)
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, member)| member).collect()
}

/// 0: none known; 1: doubtful; 2: no answer to be expected.
pub(crate) fn trouble(inner: &Inner, map: &ClusterMap, member: &Member) -> u8 {
    let disk = DiskId(member.disk);
    let gone = |standing| matches!(standing, Standing::Out | Standing::Removed);
    if map.disk(disk).is_none_or(|disk| gone(disk.standing()) || disk.incarnation != member.incarnation) {
        return 2;
    }
    match map.liveness(disk) {
        Liveness::Failed | Liveness::Down => 2,
        Liveness::Suspect => 1,
        Liveness::Alive | Liveness::Full => {
            let suspect = map.disk(disk).is_some_and(|disk| inner.net.health().is_suspect(NodeId(disk.node)));
            u8::from(suspect || inner.health.disk(disk).avoided())
        }
    }
}

/// Expected microseconds, with enough noise that equal members share the work. An unknown disk costs nothing, so
/// that it becomes known.
fn cost(inner: &Inner, disk: DiskId, bytes: u64) -> u64 {
    let health = inner.health.disk(disk);
    let usual = health.usual(Kind::Read, bytes).as_micros() as u64;
    let queue = health.in_flight() / BYTES_PER_MICRO;
    let noise = inner.random(|rng| rng.random_range(750..1250));
    (usual + queue + 1).saturating_mul(noise)
}

/// When a second member is asked: when the first takes longer than 19 of 20 of its reads of this size.
pub(crate) fn hedge_delay(inner: &Inner, disk: DiskId, bytes: u64) -> Duration {
    let p95 = inner.health.disk(disk).p95(Kind::Read, bytes);
    // Unknown: a disk seek and then some.
    let p95 = if p95.is_zero() { Duration::from_millis(50) } else { p95 + p95 / 4 };
    p95.clamp(inner.config.hedge_after, Duration::from_secs(1))
}
