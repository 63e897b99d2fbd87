//! When a group is sealed, reopened or retired.
//!
//! What always holds: sealing and reopening have a gap between them (full and half of the limit), so a group does
//! not swing; only a sealed, empty group that is not wanted any more, or that lost more than it can bear, is retired, and
//! the state machine checks again that it holds no chunks.

use std::collections::BTreeSet;

use holdfast_proto::map::{Member, Pg, PgState};

use super::cluster::{Cluster, DiskFacts};

/// A group is large enough when it holds this part of its smallest disk (as a divisor), so that a disk's load is
/// made of at least a hundred pieces that repair and balance can spread.
pub const PIECES_PER_DISK: u64 = 128;

/// Smallest limit, so that tiny disks (tests, virtual machines) do not seal after every chunk.
pub const SMALLEST_LIMIT_BYTES: u64 = 256 << 20;

/// Bytes of chunks at which a group is sealed; `None` when no member's disk is known.
pub fn seal_bytes(cluster: &Cluster, pg: &Pg) -> Option<u64> {
    let smallest =
        pg.members.iter().filter_map(|m| cluster.disks.get(&m.disk)).map(|disk| disk.capacity).min()?;
    Some((smallest / PIECES_PER_DISK).max(SMALLEST_LIMIT_BYTES))
}

/// The state that a group with this much in it should have. `leaving`: a member's disk is on its way out, so new
/// data would only have to be moved.
pub fn wanted_state(cluster: &Cluster, pg: &Pg, bytes: u64, chunks: u64) -> PgState {
    let state = pg.state();
    let Some(limit) = seal_bytes(cluster, pg) else { return state };
    let leaving = pg.members.iter().any(|m| !cluster.member_disk(m).is_some_and(DiskFacts::stays));
    let over = pg.members.iter().all(|m| !cluster.member_disk(m).is_some_and(DiskFacts::stays))
        || is_beyond_repair(cluster, pg);
    match state {
        PgState::Writable if bytes >= limit || over => PgState::Sealed,
        PgState::Sealed if chunks == 0 && over => PgState::Retired,
        PgState::Sealed if bytes < limit / 2 && !leaving => PgState::Writable,
        PgState::Writable | PgState::Sealed | PgState::Retired => state,
    }
}

/// Whether an erasure group lost more shards than it can bear, so that none of them can be computed any more: those on
/// disks that are given up or failed and do not answer. With chunks in it, its disks are waited for; without any there is
/// nothing to wait for, and nothing to fill new members from.
fn is_beyond_repair(cluster: &Cluster, pg: &Pg) -> bool {
    let redundancy = cluster.classes.get(&pg.class).and_then(|class| class.redundancy);
    let Some(redundancy) = redundancy.filter(|redundancy| redundancy.is_erasure()) else { return false };
    let may_serve =
        |member: &&Member| cluster.member_disk(member).is_some_and(|disk| disk.stays() || disk.answers());
    let shards: BTreeSet<u32> = pg.members.iter().filter(may_serve).map(|member| member.shard).collect();
    (shards.len() as u32) < redundancy.min_readable()
}

#[cfg(test)]
mod tests {
    use holdfast_proto::map::{FailureDomain, Redundancy, Standing};

    use super::super::cluster::tests::{TIB, cluster, group};
    use super::*;

    #[test]
    fn seals_at_the_limit_and_reopens_below_half() {
        let mut c = cluster(&[1, 1], Redundancy::replicated(2, 1), FailureDomain::Host);
        let pg = group(&c, 1, &[1, 2]);
        let limit = TIB / 128;
        assert_eq!(wanted_state(&c, &pg, limit - 1, 5), PgState::Writable);
        assert_eq!(wanted_state(&c, &pg, limit, 5), PgState::Sealed);
        let sealed = Pg { state: PgState::Sealed as i32, ..pg };
        assert_eq!(wanted_state(&c, &sealed, limit / 2, 5), PgState::Sealed);
        assert_eq!(wanted_state(&c, &sealed, limit / 2 - 1, 5), PgState::Writable);
        c.disks.get_mut(&1).unwrap().standing = Standing::Draining;
        assert_eq!(wanted_state(&c, &sealed, 0, 0), PgState::Sealed, "a draining member gets nothing new");
        c.disks.get_mut(&2).unwrap().standing = Standing::Out;
        assert_eq!(wanted_state(&c, &sealed, 0, 1), PgState::Sealed);
        assert_eq!(wanted_state(&c, &sealed, 0, 0), PgState::Retired);
    }

    #[test]
    fn an_empty_erasure_group_that_lost_too_much_is_given_up() {
        let erasure = holdfast_proto::map::Erasure { data: 2, parity: 1, cell_bytes: 4096 };
        let coded = Redundancy { kind: Some(holdfast_proto::map::redundancy::Kind::Erasure(erasure)) };
        let mut c = cluster(&[1, 1, 1, 1], coded, FailureDomain::Host);
        let pg = group(&c, 1, &[1, 2, 3]);
        let sealed = Pg { state: PgState::Sealed as i32, ..pg.clone() };
        let lose = |c: &mut Cluster, disk: u32| {
            let facts = c.disks.get_mut(&disk).unwrap();
            facts.standing = Standing::Out;
            facts.liveness = holdfast_proto::map::Liveness::Failed;
        };
        lose(&mut c, 1);
        assert_eq!(wanted_state(&c, &pg, 0, 0), PgState::Writable, "one it can bear");
        assert_eq!(wanted_state(&c, &sealed, 0, 0), PgState::Sealed);
        lose(&mut c, 2);
        assert_eq!(wanted_state(&c, &pg, 0, 0), PgState::Sealed);
        assert_eq!(wanted_state(&c, &sealed, 0, 1), PgState::Sealed, "its chunks wait for their disks");
        assert_eq!(wanted_state(&c, &sealed, 0, 0), PgState::Retired);
        c.disks.get_mut(&2).unwrap().liveness = holdfast_proto::map::Liveness::Alive;
        assert_eq!(wanted_state(&c, &sealed, 0, 0), PgState::Sealed, "it answers, whatever its standing");
    }
}
